"""Meshed bodies: Cook's membrane, a plate with a hole, and regions that learn.

Cook's membrane, R. D. Cook, J. Struct. Div. ASCE 100, 1851 (1974), in plane strain. With Lame's
constants 7500 and 0.375 and a load of 1 the middle of its end rises by 16.432584, by extrapolation:
P. Krysl, FinEALE, ``Cook_3D_strain.m``. References of other bulk moduli are of Taylor-Hood cells
(quadratic displacements, linear pressure), 128 x 128 on either diagonal, extrapolated.
"""

from functools import cache
from itertools import permutations

import meshio
import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.errors import InputError
from mechlearn.learning.system import System
from mechlearn.networks.body_meshes import body_of
from mechlearn.networks.cells import Block, Mesh
from mechlearn.tasks.task import Source, Support, Target, Task


def mesh_of(points, cells, lines=None, kind="triangle", regions=None):
    """Mesh with named groups of lines (or other facets) and cells."""
    names, rows = list(lines or {}), [cells, *(lines or {}).values()]
    starts = np.cumsum([0, *map(len, rows)])
    blocks = [Block(kind, np.asarray(cells), np.arange(len(cells)))]
    facet = "line" if kind != "tetra" else "triangle"
    blocks += [
        Block(facet, np.asarray(f), np.arange(a, b))
        for f, a, b in zip(rows[1:], starts[1:-1], starts[2:], strict=True)
    ]
    sets = {
        name: np.arange(a, b) for name, a, b in zip(names, starts[1:-1], starts[2:], strict=True)
    }
    sets |= {k: np.asarray(v) for k, v in (regions or {}).items()}
    return Mesh(np.asarray(points, float), blocks, cell_sets=sets)


def grid(n, shape=lambda x, y: (x, y), turned=False):
    """Points and triangles of a square of ``n`` times ``n`` halved cells, in some shape."""
    y, x = np.divmod(np.arange((n + 1) ** 2), n + 1)
    a = (np.arange(n)[:, None] * (n + 1) + np.arange(n)).ravel()
    b, c, d = a + 1, a + n + 1, a + n + 2
    pairs = [(a, b, c), (b, d, c)] if turned else [(a, b, d), (a, d, c)]
    cells = np.concatenate([np.stack(p, 1) for p in pairs])
    return np.column_stack(shape(x / n, y / n)), cells


@cache
def cook(n, order=2, turned=False, by="groups"):
    points, cells = grid(n, lambda x, y: (48 * x, 44 * x + (44 - 28 * x) * y), turned)
    return body_of(mesh_of(points, cells), order, by)


def task(force=100.0, near=(1.0, 1.0), **target):
    target = target or {"displacement": [0.0, 7.0]}
    return Task(
        supports=[Support(region="left")],
        sources=[Source(name="shear", region="right", force=[0.0, force])],
        targets=[Target(name="tip", near=list(near), **target)],
    )


def membrane(n, poisson, material="linear", order=2, modulus=250.0):
    energy = Solid(material=material, plane="strain", poisson=poisson, order=order)
    return System(cook(n, order), task(), energy, modulus=modulus)


def poisson_of(ratio):
    """Poisson's ratio of a bulk modulus over the shear modulus."""
    return (3 * ratio - 2) / (2 * (3 * ratio + 1))


@pytest.mark.parametrize("turned", [False, True])
def test_cooks_membrane_is_as_published(turned):
    lame, shear = 7500.0, 0.375
    poisson = lame / 2 / (lame + shear)
    modulus, middle = 2 * shear * (1 + poisson), {"near": [1.0, 52 / 60]}
    rises = []
    for n in (4, 8, 16, 32):
        energy = Solid(plane="strain", poisson=poisson)
        aim = task(1.0, displacement=[0.0, 1.0], **middle)
        rises.append(System(cook(n, 2, turned), aim, energy, modulus=modulus).outputs[0, 1])
    miss = np.abs(np.array(rises) / 16.432584376299037 - 1)
    assert (miss < [0.03, 0.01, 0.004, 0.002]).all()


@pytest.mark.parametrize(("ratio", "wanted"), [(200, 7.793), (1000, 7.774)])
def test_cooks_membrane_does_not_lock(ratio, wanted):
    poisson = poisson_of(ratio)
    rises = [membrane(n, poisson).outputs[0, 1] for n in (4, 8, 16)]
    assert (np.abs(np.array(rises) / wanted - 1) < [0.03, 0.011, 0.005]).all()
    # Cells of order 1 lock: they answer with a third.
    assert membrane(16, poisson, order=1).outputs[0, 1] < 0.4 * wanted


@pytest.mark.parametrize(("ratio", "wanted"), [(200, 6.957), (1000, 6.937)])
def test_rubber_of_any_bulk_modulus_converges_at_finite_strain(ratio, wanted):
    shear, poisson, rises = 80.194, poisson_of(ratio), []
    for n in (4, 8, 16):
        s = membrane(n, poisson, "neo_hookean", modulus=2 * shear * (1 + poisson))
        rises.append(s.outputs[0, 1])
        # From rest, in one step of the load.
        assert s.equilibrium.counts.iterations <= 12
        assert s.equilibrium.counts.load_steps == 0
    assert (np.abs(np.array(rises) / wanted - 1) < [0.006, 0.004, 0.002]).all()


def test_cells_of_order_1_say_that_they_lock():
    s = membrane(8, 0.4995, order=1)
    said = s.model.warnings(s.free.fields())
    assert any("order 1 lock" in text for text in said)
    s = membrane(8, 0.4995, order=2)
    assert s.model.warnings(s.free.fields()) == []


# -- a plate with a hole -------------------------------------------------------------------------


def plate(n, radius=0.1):
    """Quarter of a plate of side 1 with a hole, mapped from a square."""

    def shape(x, y):
        angle = np.pi / 2 * y
        far = np.minimum(1 / np.maximum(np.cos(angle), 1e-9), 1 / np.maximum(np.sin(angle), 1e-9))
        r = radius + (far - radius) * x**1.5
        return r * np.cos(angle), r * np.sin(angle)

    return body_of(mesh_of(*grid(n, shape)), 2, "groups")


def test_a_hole_concentrates_stress_as_kirsch_says():
    net, pull = plate(24), 1e-3
    pulled = Task(
        supports=[
            Support(region="left", components=["x"]), Support(region="bottom", components=["y"])
        ],
        sources=[Source(name="pull", region="right", force=[pull], components=["x"])],
        targets=[Target(name="end", region="right", displacement=[pull], components=["x"])],
    )  # fmt: skip
    s = System(net, pulled, Solid(plane="stress", poisson=0.3))
    # Without the hole the end would move by the pull; the hole takes little of it.
    assert 1.0 < s.outputs[0, 0] / pull < 1.05
    u, x = s.model.to_nodes(s.free.fields()[:, 0]), net.nodes
    # Hoop strain of the rim at the top of the hole, along it.
    top = np.argmin(np.linalg.norm(x - [0.0, 0.1], axis=1))
    rim = np.flatnonzero(np.abs(np.linalg.norm(x, axis=1) - 0.1) < 2e-4)
    near = rim[np.argsort(x[rim, 0])[:3]]
    slope = np.polyfit(x[near, 0], u[near, 0], 2)[1]
    assert top in near
    # 3.03 for a hole of a tenth of the plate's width (Howland 1930), instead of Kirsch's 3.
    assert slope / pull == pytest.approx(3.03, rel=0.02)


# -- regions -------------------------------------------------------------------------------------


def halves(n=4, order=2):
    points, cells = grid(n, lambda x, y: (2 * x, y))
    left = points[cells].mean(axis=1)[:, 0] < 1
    regions = {"soft": np.flatnonzero(left), "stiff": np.flatnonzero(~left)}
    return body_of(mesh_of(points, cells, regions=regions), order, "groups")


def test_regions_have_moduli_and_thickness_of_their_own():
    net = halves()
    assert list(net.body.sets) == ["soft", "stiff"]
    pulled = Task(
        supports=[Support(region="left", components=["x"]), Support(nodes=[0])],
        sources=[Source(name="pull", region="right", force=[0.1, 0.0])],
        targets=[Target(name="end", region="right", displacement=[0.1], components=["x"])],
    )
    s = System(net, pulled, Solid(poisson=0.0), modulus=[1.0, 4.0], thickness=[2.0, 1.0])
    assert s.outputs[0, 0] == pytest.approx(0.1 * (1 / 2 + 1 / 4), rel=1e-10)
    s.model.put_state(s.free.fields()[:, 0])
    energies = s.model.to_bonds(s.model.local_energies())
    assert energies == pytest.approx([0.1**2 / 2 / 2, 0.1**2 / 2 / 4], rel=1e-9)


def test_values_go_by_the_names_of_regions():
    pulled = Task(
        supports=[Support(region="left")],
        sources=[Source(name="pull", region="right", force=[0.1, 0.0])],
        targets=[Target(name="end", region="right", displacement=[0.2], components=["x"])],
    )
    named = {"stiff": 4.0, "soft": 1.0}
    one, other = (System(halves(), pulled, Solid(), modulus=m) for m in (named, [1.0, 4.0]))
    assert np.array_equal(one.outputs, other.outputs)
    learn = {"thickness": ml.Learn(bounds=(0.1, 2.0), initial={"soft": 0.5, "stiff": 1.5},
                                   frozen="stiff")}  # fmt: skip
    run = ml.train(halves(), pulled, energy=Solid(), learn=learn, material={"modulus": named},
                   steps=3, rule="equilibrium_propagation")  # fmt: skip
    assert run.learned["thickness"][0] != 0.5
    assert run.learned["thickness"][1] == 1.5
    with pytest.raises(InputError, match="modulus leaves out 'stiff'; the body has the regions"):
        System(halves(), pulled, Solid(), modulus={"soft": 1.0})


@pytest.mark.parametrize("material", ["linear", "neo_hookean", "yeoh"])
@pytest.mark.parametrize("name", ["modulus", "thickness"])
def test_derivatives_by_regions_are_exact(material, name):
    constants = {"c1": 0.2, "c3": 0.01} if material == "yeoh" else {}
    energy = Solid(material=material, plane="strain", poisson=0.49, **constants)
    aim = Task(
        supports=[Support(region="left")],
        sources=[Source(name="pull", region="right", displacement=[0.2, 0.1])],
        targets=[Target(name="mid", near=[0.5, 1.0], displacement=[0.1, 0.0])],
    )
    start = np.array([1.0, 2.0])
    s = System(halves(2), aim, energy, **{name: start})
    gradient, cost = s.gradient(name), s.cost
    rng = np.random.default_rng(1).normal(size=2)
    left = [
        abs(System(halves(2), aim, energy, **{name: start + h * rng}).cost - cost
            - h * gradient @ rng)
        for h in (0.1, 0.05, 0.025)
    ]  # fmt: skip
    assert (np.log2(np.array(left[:-1]) / left[1:]) > 1.95).all()


def test_units_change_nothing():
    net = halves(3)
    metres = type(net)(1e-3 * net.nodes, net.edges, node_sets=net.node_sets, body=net.body)
    answers = []
    for made, size, modulus in ((net, 1.0, 1.0), (metres, 1e-3, 1e6)):
        aim = Task(
            supports=[Support(region="left")],
            sources=[Source(name="push", region="right", displacement=[-0.2 * size, 0.1 * size])],
            targets=[Target(name="mid", near=[0.5, 1.0], displacement=[size, 0.0])],
        )
        energy = Solid(material="neo_hookean", plane="strain", poisson=0.4995)
        answers.append(System(made, aim, energy, modulus=[modulus, 3 * modulus]).outputs / size)
    assert answers[1] == pytest.approx(answers[0], rel=1e-8)


def cube(n=2):
    """Cube of n x n x n cubes, six tetrahedra each, in two layers."""
    x = np.stack(np.meshgrid(*[np.arange(n + 1)] * 3, indexing="ij"), -1).reshape(-1, 3) / n
    turns = np.array(list(permutations(np.eye(3, dtype=int))))
    path = np.concatenate([np.zeros((6, 1, 3), int), np.cumsum(turns, axis=1)], axis=1)
    start = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), -1).reshape(-1, 1, 1, 3)
    cells = ((start + path) @ [(n + 1) ** 2, n + 1, 1]).reshape(-1, 4)
    low = x[cells].mean(axis=1)[:, 2] < 0.5
    regions = {"low": np.flatnonzero(low), "high": np.flatnonzero(~low)}
    return mesh_of(x, cells, kind="tetra", regions=regions)


@pytest.mark.parametrize("order", [1, 2])
def test_bodies_in_space_are_pressed(order):
    net = body_of(cube(), order, "groups")
    axes = {"left": "x", "front": "y", "bottom": "z"}
    pressed = Task(
        supports=[Support(region=name, components=[c]) for name, c in axes.items()],
        sources=[Source(name="press", region="top", force=[-0.1], components=["z"])],
        targets=[Target(name="top", region="top", displacement=[-0.1], components=["z"])],
    )
    s = System(net, pressed, Solid(poisson=0.4995, order=order), modulus=[1.0, 1.0])
    assert s.outputs[0, 0] == pytest.approx(-0.1, rel=1e-8)
    values = {"thickness": [1.0, 2.0]}
    with pytest.raises(InputError, match="thickness is for plane bodies"):
        _ = System(net, pressed, Solid(order=order), **values).outputs


def test_a_bonded_block_does_not_lock_in_space():
    # Energy of a cube of bulk modulus 1,000 shear moduli, pressed by a tenth between rigid plates;
    # Taylor-Hood cells, 8 x 8 x 8 x 6, say 6.2375e-3, and fall slowly.
    def stored(n):
        net = body_of(cube(n), 2, "groups")
        pressed = Task(
            supports=[Support(region="bottom"), Support(region="top", components=["x", "y"])],
            sources=[Source(name="press", nodes="top", components=["z"], together=True,
                            displacement=[-0.1])],
            targets=[Target(name="side", near=[1.0, 0.5, 0.5], displacement=[0.1, 0.0, 0.0])],
        )  # fmt: skip
        return System(net, pressed, Solid(poisson=poisson_of(1000))).free.energies[0]

    assert stored(2) == pytest.approx(6.2375e-3, rel=0.02)
    assert stored(4) == pytest.approx(6.2375e-3, rel=0.003)


def found_on_a_rank(order):
    s = System(
        halves(4, order),
        Task(
            supports=[Support(region="left")],
            sources=[Source(name="pull", region="right", displacement=[0.3, 0.1])],
            targets=[Target(name="mid", near=[0.5, 1.0], displacement=[0.1, 0.0])],
        ),
        Solid(material="neo_hookean", plane="strain", poisson=0.499, order=order),
        modulus=[1.0, 2.0],
    )
    return s.outputs, s.gradient("modulus"), s.response().state


@pytest.mark.parametrize("order", [1, 2])
def test_ranks_find_the_same(order):
    alone = found_on_a_rank(order)
    for found in on_ranks(2, found_on_a_rank, order):
        for one, two in zip(alone, found, strict=True):
            assert two == pytest.approx(one, rel=1e-8, abs=1e-10)


def laminate(n=4, order=2):
    """Two layers, square, periodic."""
    points, cells = grid(n)
    low = points[cells].mean(axis=1)[:, 1] < 0.5
    regions = {"soft": np.flatnonzero(low), "stiff": np.flatnonzero(~low)}
    return body_of(mesh_of(points, cells, regions=regions), order, "groups", np.eye(2))


@pytest.mark.parametrize("order", [1, 2])
def test_a_periodic_laminate_has_the_moduli_of_the_closed_form(order):
    modulus, nu = np.array([1.0, 4.0]), 0.3
    found = ml.moduli(laminate(4, order), Solid(plane="strain", order=order), modulus=modulus)
    la, mu = modulus * nu / (1 + nu) / (1 - 2 * nu), modulus / 2 / (1 + nu)
    along = la + 2 * mu
    across = 1 / np.mean(1 / along)
    wanted = np.zeros((3, 3))
    wanted[1, 1] = across
    wanted[0, 1] = wanted[1, 0] = np.mean(la / along) * across
    wanted[0, 0] = np.mean(along - la**2 / along) + np.mean(la / along) ** 2 * across
    wanted[2, 2] = 1 / np.mean(1 / mu)
    assert found.stiffness == pytest.approx(wanted, abs=1e-12)


def sheared(order):
    """A periodic laminate of rubber at finite strain, sheared and pressed."""
    pressed = Task(
        sources=[Source(name="press", cell=["xx", "xy"], strain=[-0.1, 0.1])],
        targets=[Target(name="across", cell="yy", strain=0.1)],
    )
    energy = Solid(material="yeoh", c1=0.2, c3=0.1, plane="strain", poisson=0.499, order=order)
    s = System(laminate(4, order), pressed, energy, modulus=[1.0, 3.0])
    return s.outputs, s.gradient("modulus")


def test_ranks_find_the_same_of_periodic_bodies():
    alone = sheared(2)
    for found in on_ranks(2, sheared, 2):
        for one, two in zip(alone, found, strict=True):
            assert two == pytest.approx(one, rel=1e-8, abs=1e-12)


def test_a_run_of_a_body_is_what_it_was(tmp_path):
    run = ml.train(
        laminate(2), Task(
            sources=[Source(name="stretch", cell="xx", strain=0.01)],
            targets=[Target(name="across", cell="yy", strain=-0.002)],
        ), energy=Solid(plane="strain"), learn={"modulus": ml.Learn(bounds=(0.5, 8.0))}, steps=3,
        rule="equilibrium_propagation",
    )  # fmt: skip
    again = ml.Run.load(run.save(tmp_path / "run"))
    assert np.array_equal(again.network.body.cells, run.network.body.cells)
    assert again.network.periodic
    assert list(again.network.body.facets) == list(run.network.body.facets)
    assert again.learned["modulus"] == pytest.approx(run.learned["modulus"], rel=1e-14)
    outputs = again.system().outputs
    assert outputs == pytest.approx(run.system().outputs, rel=1e-12)
    written = meshio.read(tmp_path / "run" / "learned.vtu")
    assert written.cells[0].type == "triangle6"
    cells = written.cell_data["modulus"][0]
    assert np.unique(cells) == pytest.approx(np.unique(run.learned["modulus"]))


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ([[2.0, 0.0], [0.0, 1.0]], "0.5 times as long as the cell along its vector 1"),
        ([[1.0, 0.0], [2.0, 0.0]], "2 independent, finite vectors"),
    ],
)
def test_cells_that_no_body_fills_are_refused(cell, says):
    with pytest.raises(InputError, match=says):
        body_of(mesh_of(*grid(2)), 2, "groups", cell)


def test_sides_that_do_not_match_are_refused():
    points, cells = grid(4, lambda x, y: (x, y ** (1 + 0.2 * x)))
    with pytest.raises(InputError, match=r"opposite sides of the body along vector 1 .* not match"):
        body_of(mesh_of(points, cells), 2, "groups", np.eye(2))
