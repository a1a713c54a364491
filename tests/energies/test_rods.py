"""Geometrically exact rods in space."""

from itertools import pairwise
from math import pi

import numpy as np
import pytest
from ranks import on_ranks
from scipy.spatial.transform import Rotation

import mechlearn as ml

#: A curved rod of 45 degrees, radius 100, loaded at its tip across its plane: K.-J. Bathe,
#: S. Bolourchi, Int. J. Numer. Methods Eng. 14, 961 (1979), https://doi.org/10.1002/nme.1620140703.
#: Displacements of the tip along, inwards and out of the plane, by shooting of the equations of
#: Simo and Reissner for EA 1e7, GA 41.6667e5, EI = GJ = 8.333e5.
BEND = {
    300: (-11.93236426, -7.04498034, 40.19326644),
    600: (-23.56129679, -13.60502301, 53.47610814),
}


def chain(nodes: np.ndarray) -> ml.Network:
    """Nodes, one joined to the next."""
    n = len(nodes) - 1
    return ml.Network(nodes, np.column_stack([np.arange(n), np.arange(1, n + 1)]))


def solved(network, sources, supports=(), read=None, segments=1, settings=None, **parameters):
    """The system of a rod that is clamped at its first node, and the state of its nodes."""
    last = network.n_nodes - 1
    target = ml.Target(name="tip", nodes=[last], **(read or {"displacement": [0.0] * network.dim}))
    task = ml.Task(supports=[ml.Support(nodes=[0]), *supports], sources=sources, targets=[target])
    system = ml.System(
        network, task, ml.FiniteBeam(segments=segments, **(settings or {})), **parameters
    )
    return system, system.free.states()[0]


@pytest.mark.parametrize("load", BEND)
def test_a_curved_rod_bends_out_of_its_plane(load):
    """Richardson extrapolation of meshes of 8, 16 and 32 straight elements."""
    tips, radius = [], 2 * (8.333e5 / 1e7) ** 0.5
    for n in (8, 16, 32):
        angle = np.linspace(0, pi / 4, n + 1)
        nodes = 100 * np.column_stack([np.sin(angle), 1 - np.cos(angle), np.zeros(n + 1)])
        _, state = solved(
            chain(nodes),
            [ml.Source(name="load", nodes=[n], force=[0.0, 0.0, load])],
            settings={"shear_factor": 41.6667e5 / 5e6},
            modulus=1e7 / (pi * radius**2),
            radius=radius,
            poisson=0.0,
        )
        tips.append(state[-1, :3])
    once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(tips)]
    assert (16 * once[1] - once[0]) / 15 == pytest.approx(np.array(BEND[load]), rel=1e-5)


def test_rods_in_a_plane_are_plane_beams():
    """A zigzag under a force and a moment at its tip, its nodes held in its plane."""
    rng, width = np.random.default_rng(1), 0.1
    nodes = np.column_stack([np.arange(5.0), 0.3 * rng.standard_normal(5)])
    radius = width / 3**0.5
    thickness = pi * radius**2 / width  # the same area and second moment
    parameters = {"modulus": 2.0, "poisson": 0.25}
    found, read = [], {"displacement": [0.0], "components": ["x"]}
    for d, section in ((2, {"width": width, "thickness": thickness}), (3, {"radius": radius})):
        sources = [
            ml.Source(name="push", nodes=[4], force=[2e-6, 3e-6], components=["x", "y"]),
            ml.Source(name="turn", nodes=[4], force=[-3e-5], components=["rz"]),
        ]
        net = chain(np.pad(nodes, ((0, 0), (0, d - 2))))
        settings = {"shear_factor": 5 / 6}
        plane = ml.Support(nodes=list(range(1, 5)), components=["z", "rx", "ry"])
        supports = [plane] if d == 3 else []
        _, state = solved(net, sources, supports, read, 3, settings, **parameters, **section)
        found.append(state)
    plane, space = found
    assert np.abs(plane[:, :2]).max() > 1
    assert space[:, :2] == pytest.approx(plane[:, :2], abs=1e-9)
    quaternion = Rotation.from_quat(space[:, 3:] / 2 + [0, 0, 0, 1])
    angles = quaternion.as_rotvec()[:, 2] - plane[:, 2]
    assert 2 * pi * np.round(angles / (2 * pi)) == pytest.approx(angles, abs=1e-9)


def test_a_rod_that_is_turned_by_a_full_circle_stores_nothing():
    """A bent network, turned about an axis through its first node in eight steps."""
    rng = np.random.default_rng(0)
    nodes = np.cumsum(rng.uniform(-1, 1, (4, 3)), axis=0)
    axis = np.array([1.0, -2.0, 2.0]) / 3
    network = chain(nodes - nodes[0])
    for part in range(1, 9):
        turn = Rotation.from_rotvec(2 * pi * part / 8 * axis)
        moved = turn.apply(network.nodes) - network.nodes
        held = dict.fromkeys(("x", "y", "z"))
        sources = [
            ml.Source(name=f"{n}", nodes=[n], displacement=moved[n].tolist()) for n in range(1, 4)
        ]
        task = ml.Task(
            supports=[ml.Support(nodes=[0], components=[*held])],
            sources=sources,
            targets=[ml.Target(name="t", nodes=[1], displacement=[0.0], components=["rx"])],
        )
        system = ml.System(network, task, ml.FiniteBeam(segments=2), modulus=1.0, radius=0.1)
        assert system.free.energies == pytest.approx(0.0, abs=1e-12)


#: Moments on a rod along x whose twist is as stiff as its bending, over bending stiffness over
#: length; and the settings and parameters of such rods.
MOMENTS = {
    "half circle": [0.0, 0.0, pi],
    "arc": [0.0, 0.0, 0.8 * 2 * pi],
    "helix": [0.6 * 5.0, 0.0, 0.8 * 5.0],
}
ISOTROPIC = {
    "solid": ({}, {"poisson": 0.0}),
    "torsion": ({"torsion_factor": 1.25}, {"poisson": 0.25}),
}


@pytest.mark.parametrize("shape", MOMENTS)
@pytest.mark.parametrize("rod", ISOTROPIC)
@pytest.mark.parametrize("imposed", ["force", "displacement"])
def test_end_moments_bend_a_rod_into_an_arc_and_a_helix(shape, rod, imposed):
    """Under a moment m at its end the tangent turns about m, by |m| / EI per length."""
    turn, length, radius = np.array(MOMENTS[shape]), 2.0, 0.05
    settings, parameters = ISOTROPIC[rod]
    unit = pi / 4 * radius**4 / length  # of moments
    given = turn * (unit if imposed == "force" else 1.0)
    source = ml.Source(
        name="turn", nodes=[1], components=["rx", "ry", "rz"], **{imposed: given.tolist()}
    )
    nodes = np.array([[0.0, 0.0, 0.0], [length, 0.0, 0.0]])
    system, state = solved(
        chain(nodes), [source], segments=8, settings=settings, modulus=1.0, radius=radius,
        **parameters,
    )  # fmt: skip
    angle, along = np.linalg.norm(turn), np.array([1.0, 0.0, 0.0])
    axis = turn / angle
    straight = (along @ axis) * axis
    tip = length * (
        straight
        + np.sin(angle) / angle * (along - straight)
        + (1 - np.cos(angle)) / angle * np.cross(axis, along)
    )
    assert state[-1, :3] == pytest.approx(tip - nodes[1], abs=1e-8)
    assert system.free.forces[0, :3] == pytest.approx(unit * turn, abs=1e-8 * unit)
    assert system.free.readings[0, :3] == pytest.approx(turn, abs=1e-8)


def test_an_end_moment_bends_a_rod_into_a_full_circle():
    """At which its end has turned by two pi, where rotation vectors have no inverse."""
    length, radius = 2.0, 0.05
    source = ml.Source(
        name="turn", nodes=[1], force=[2 * pi * pi / 4 * radius**4 / length], components=["rz"]
    )
    system, state = solved(
        chain(np.array([[0.0, 0.0, 0.0], [length, 0.0, 0.0]])), [source], segments=16,
        modulus=1.0, radius=radius, poisson=0.0,
    )  # fmt: skip
    assert state[-1, :3] == pytest.approx(np.array([-length, 0.0, 0.0]), abs=1e-8)
    assert system.free.readings[0, 0] == pytest.approx(2 * pi, abs=1e-8)


#: Six rods on three clamped feet.
TRIPOD = ml.Network(
    [[0, 0, 0], [1, 0, 0], [0.4, 1, 0], [0.5, 0.4, 0.8], [0.9, 0.9, 1.0]],
    [[0, 3], [1, 3], [2, 3], [3, 4], [2, 4], [1, 4]],
)


#: A displacement and a moment as sources; rotations and a force that is read as targets.
TURNS = ml.Task(
    supports=[ml.Support(nodes=[0, 1, 2])],
    sources=[
        ml.Source(name="push", nodes=[3], displacement=[0.05, 0.02, -0.2]),
        ml.Source(name="turn", nodes=[4], force=[4e-6, 3e-6], components=["rx", "ry"]),
    ],
    targets=[
        ml.Target(nodes=[4], displacement=[0.1, 0.2, 0.3], components=["x", "rz", "ry"]),
        ml.Target(nodes=[3], force=[1e-4], components=["z"]),
    ],
)


def test_gradients_by_all_parameters_of_rods_are_exact():
    rng = np.random.default_rng(0)
    values = {
        "modulus": rng.uniform(1, 2, 6),
        "radius": rng.uniform(0.04, 0.06, 6),
        "rest_length": TRIPOD.lengths * rng.uniform(0.98, 1.02, 6),
        "poisson": rng.uniform(0.1, 0.4, 6),
        "rest_twist": rng.uniform(-0.2, 0.2, 6),
        "rest_curvature_1": rng.uniform(-0.2, 0.2, 6),
        "rest_curvature_2": rng.uniform(-0.2, 0.2, 6),
    }
    rod = ml.FiniteBeam(segments=3)
    at = ml.System(TRIPOD, TURNS, rod, **values)
    for name, value in values.items():
        along, left, sizes = rng.standard_normal(6) * value, [], (3e-4, 1e-4)
        for size in sizes:
            moved = ml.System(TRIPOD, TURNS, rod, **{**values, name: value + size * along})
            left.append(abs(moved.cost - at.cost - size * (at.gradient(name) @ along)))
        assert np.log(left[0] / left[1]) / np.log(sizes[0] / sizes[1]) > 1.95, name


def test_a_rod_of_rest_curvature_and_twist_is_a_helix():
    """Without load it has the shape of the Frenet helix of its curvature and torsion."""
    curvature, twist, length = 2.0, 1.5, 2.0
    source = ml.Source(name="load", nodes=[1], force=[0.0], components=["x"])
    system, state = solved(
        chain(np.array([[0.0, 0.0, 0.0], [length, 0.0, 0.0]])), [source], segments=16,
        modulus=1.0, radius=0.05, rest_curvature_1=curvature, rest_twist=twist,
    )  # fmt: skip
    assert system.free.energies == pytest.approx(0.0, abs=1e-12)
    rate = np.hypot(curvature, twist)
    # Along its axis the helix advances by the sine of its pitch angle.
    chord = np.hypot(2 * curvature / rate**2 * np.sin(rate * length / 2), length * twist / rate)
    assert np.linalg.norm(state[1, :3] + [length, 0, 0]) == pytest.approx(chord, abs=1e-8)


def turned():
    """Outputs of the tripod, and their gradient."""
    at = ml.System(TRIPOD, TURNS, ml.FiniteBeam(segments=3), radius=0.05)
    return np.concatenate([at.outputs.ravel(), at.gradient("radius")])


def test_two_ranks_find_the_same_turns():
    for found in on_ranks(2, turned):
        assert found == pytest.approx(turned(), rel=1e-8)
