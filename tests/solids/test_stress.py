"""Stress in solids: closed forms, laws against differences of the energy, and beams."""

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.equilibrium.strength import stresses
from mechlearn.solids.materials import law_of
from mechlearn.solids.stress import _gradients, _stress_of, cauchy_stresses, equivalent

LAWS = {
    "st_venant_kirchhoff": {}, "neo_hookean": {}, "mooney_rivlin": {"c1": 0.3, "c2": 0.1},
    "yeoh": {"c1": 0.4, "c2": 0.05, "c3": 0.01}, "bertoldi_boyce": {"c1": 0.3, "c2": 0.05},
}  # fmt: skip


def frame(dim: int = 2) -> ml.Network:
    nodes = np.zeros((3, dim))
    nodes[:, 0] = [0.0, 10.0, 20.0]
    return ml.Network(nodes, [[0, 1], [1, 2]])


def loaded(energy, net: ml.Network, component: str, force: float, width: float = 1.0) -> ml.System:
    """A clamped column of two struts with a force at its end."""
    tip = ml.Source(name="tip", nodes=[2], components=[component], force=[force])
    answer = ml.Target(nodes=[1], components=["x"], displacement=[1.0])
    task = ml.Task(supports=[ml.Support(nodes=[0])], sources=[tip], targets=[answer])
    return ml.System(net, task, energy).set(modulus=1000.0, width=width)


@pytest.mark.parametrize("material", LAWS)
def test_stress_of_a_law_is_the_slope_of_its_energy(material):
    """Cauchy's stress from dW/dF by differences, at a random deformation."""
    law = law_of(material, ml.Solid(material=material, **LAWS[material]).constants, np.log)
    f = np.eye(3) + 0.2 * np.random.default_rng(1).uniform(-1, 1, (3, 3))

    def density(f):
        c = f.T @ f
        i1 = np.trace(c)
        return law(i1, (i1**2 - np.trace(c @ c)) / 2, np.linalg.det(f))

    slope, h = np.empty((3, 3)), 1e-6
    for i, j in np.ndindex(3, 3):
        step = np.zeros((3, 3))
        step[i, j] = h
        slope[i, j] = (density(f + step) - density(f - step)) / (2 * h)
    assert _stress_of(law, f[None])[0] == pytest.approx(slope @ f.T / np.linalg.det(f), abs=1e-8)


@pytest.mark.parametrize("material", ["linear", *LAWS])
@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_traction_on_a_section_is_the_force_on_it(material, plane):
    """Nominal stress on the section in the middle of a strut, whatever the law."""
    energy = ml.Solid(material=material, plane=plane, **LAWS.get(material, {}))
    pull = 20.0
    system = loaded(energy, frame(), "x", pull)
    system.model.put_state(system.free.fields()[:, 0])
    model = system.model
    middle = model.points[model.domain.drawn.cells].mean(axis=1)[model.domain.cell]
    here = np.abs(middle[:, 0] - 5) < 2
    along = cauchy_stresses(model)[here][..., 0, 0].mean()
    field = system.response().state
    stretch = 1 + (field[1, 0] - field[0, 0]) / 10
    # Across the strut it thins by about poisson times the stretch, out of the plane where it may.
    area = 1 - energy.poisson * (stretch - 1) * (2 if plane == "stress" else 1 / 0.7)
    assert along == pytest.approx(pull / (area if material != "linear" else 1), rel=3e-3)


def test_equivalent_stress():
    """The axial stress itself in tension, sqrt(3) times the shear, nothing under a pressure."""
    tension, shear = np.diag([5.0, 0, 0]), np.zeros((3, 3))
    shear[0, 1] = shear[1, 0] = 2.0
    found = equivalent(np.array([tension, shear, -3.0 * np.eye(3)]))
    assert found == pytest.approx([5.0, 2 * np.sqrt(3), 0.0])


@pytest.mark.parametrize(("dim", "size", "above"), [(2, 0.3, 0.0), (3, 0.5, 0.05), (3, 0.25, 0.0)])
def test_bending_stress_is_that_of_beams(dim, size, above):
    """Half a width beyond the joint's rim, within 2 %; in space as much above as documented."""
    push, width = 0.05, 1.0
    energy = ml.Solid(mesh_size=size)
    found = stresses(loaded(energy, frame(dim), "y", push, width).free)[0]
    modulus = width**2 / 6 if dim == 2 else np.pi * width**3 / 32
    reach = 1.05 * width
    wanted = push * np.array([20 - reach, 10 - reach]) / modulus
    assert found == pytest.approx(wanted * (1 + above), rel=0.02)


@pytest.mark.parametrize("material", ["linear", "neo_hookean"])
def test_mean_stress_of_a_cell_is_the_macroscopic_one(material):
    """The volume average of the stress in the struts (Hill), nominal: J sigma F^-T, to 1 %."""
    net = ml.networks.honeycomb((1, 1), periodic=True)
    squeeze = ml.Source(name="pull", cell=["xx", "yy"], strain=[0.02, -0.01])
    felt = ml.Target(cell="xx", stress=1.0)
    energy = ml.Solid(material=material, mesh_size=0.4)
    system = ml.System(net, ml.Task(sources=[squeeze], targets=[felt]), energy)
    system.set(modulus=100.0, width=0.2)
    system.model.put_state(system.free.fields()[:, 0])
    model = system.model
    stress, size = cauchy_stresses(model)[..., :2, :2], model.cell_volumes()[model.domain.cell]
    if material != "linear":
        f = np.eye(2) + _gradients(model)
        deep = np.sqrt((2 * MU + LA) / (2 * MU + LA * np.linalg.det(f) ** 2))
        stress = (np.linalg.det(f) * deep)[..., None, None] * stress @ np.linalg.inv(f).mT
    mean = np.einsum("c,cpij->ij", size, stress) / 3 / abs(np.linalg.det(net.cell))
    assert mean == pytest.approx(system.free.cell[0, 1], rel=0.01, abs=0.01 * abs(mean).max())


#: Lame's constants of a modulus of 1 and a Poisson's ratio of 0.3.
MU, LA = 1 / 2.6, 0.3 / (1.3 * 0.4)


def peaks():
    return stresses(loaded(ml.Solid(mesh_size=0.4), frame(), "y", 0.05).free)[0]


def test_two_ranks_find_the_same():
    for found in on_ranks(2, peaks):
        assert found == pytest.approx(peaks(), rel=1e-8)
