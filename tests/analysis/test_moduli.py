"""Stiffness tensors of cells at rest and of deformed states, and their classes of symmetry."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

import mechlearn as ml
from mechlearn.analysis.moduli import Moduli, _tensor
from mechlearn.analysis.symmetry import distances
from mechlearn.fem.macroscopic_strain import cell_components
from mechlearn.learning.system import System

PLANE = np.array([[0.97, 0.02], [0.01, 1.01]])
SPACE = np.array([[0.98, 0.01, 0.0], [0.02, 1.01, 0.01], [0.0, -0.01, 1.02]])


def crooked(dim):
    if dim == 2:
        return ml.networks.triangular([3, 3], periodic=True, disorder=0.3, seed=1)
    return ml.networks.fcc([2, 2, 2], periodic=True, disorder=0.2, seed=1)


def stress(net, energy, gradient):
    asked = [[0.0] * net.dim for _ in range(net.dim)]
    task = ml.Task(
        sources=[ml.Source(deformation_gradient=gradient.tolist())],
        targets=[ml.Target(piola_stress=asked, scale=1.0)],
    )
    return System(net, task, energy, check=False).outputs[0].reshape(net.dim, net.dim)


CASES = [(PLANE, ml.FiniteSpring()), (PLANE, ml.FiniteBeam(segments=2)), (SPACE, ml.FiniteSpring())]


@pytest.mark.parametrize(("gradient", "energy"), CASES, ids=["2D", "beams", "3D"])
def test_the_tangent_is_the_derivative_of_the_stress(gradient, energy):
    net, dim = crooked(len(gradient)), len(gradient)
    found = ml.moduli(net, energy, gradient=gradient)
    assert found.stress == pytest.approx(stress(net, energy, gradient), rel=1e-7, abs=1e-10)
    for k, m in [(0, 0), (0, 1), (1, 0)]:
        step = np.zeros((dim, dim))
        step[k, m] = 1e-5
        ends = [stress(net, energy, gradient + sign * step) for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-5
        assert found.tangent[:, :, k, m] == pytest.approx(slope, abs=1e-5 * np.abs(slope).max())


@pytest.mark.parametrize("dim", [2, 3])
def test_finite_elements_at_rest_have_the_moduli_of_linear_ones(dim):
    net = crooked(dim)
    finite, linear = (ml.moduli(net, e) for e in (ml.FiniteSpring(), ml.Spring()))
    assert finite.stiffness == pytest.approx(linear.stiffness, rel=1e-7, abs=1e-9)
    assert finite.tangent == pytest.approx(linear.tangent, rel=1e-7, abs=1e-9)


def test_a_turn_leaves_the_material_stiffness():
    net, energy = crooked(2), ml.FiniteSpring()
    turn = Rotation.from_rotvec([0, 0, 0.4]).as_matrix()[:2, :2]
    still, turned = (ml.moduli(net, energy, gradient=f) for f in (PLANE, turn @ PLANE))
    assert turned.stiffness == pytest.approx(still.stiffness, rel=1e-6)


def test_moduli_of_a_state_of_a_run():
    net = crooked(2)
    task = ml.Task(
        sources=[ml.Source(name="pull", deformation_gradient=[[0.97, "free"], ["free", "free"]])],
        targets=[ml.Target(piola_stress=[[-0.03, "free"], ["free", "free"]])],
    )
    run = ml.train(net, task, energy=ml.FiniteSpring(), steps=2)
    found = ml.moduli(run, example=0)
    assert found.gradient == pytest.approx(run.cell[0, 0])
    again = ml.moduli(run, gradient=run.cell[0, 0])
    assert found.tangent == pytest.approx(again.tangent, rel=1e-6, abs=1e-8)
    with pytest.raises(ml.InputError, match="example = 3"):
        ml.moduli(run, example=3)
    pair = ml.Task(
        sources=[ml.Source(nodes=[0, 4], strain=0.01)], targets=[ml.Target(cell="xx", strain=0.1)]
    )
    with pytest.raises(ml.InputError, match="cell alone drives"):
        ml.moduli(ml.train(net, pair, steps=0), example=0)


def turned(stiffness, turn):
    dim = 2 if len(stiffness) == 3 else 3
    tensor = _tensor(np.array(stiffness, float), cell_components(dim))
    turn = Rotation.from_rotvec(turn).as_matrix()[:dim, :dim]
    return np.einsum("ai,bj,ck,dl,ijkl->abcd", turn, turn, turn, turn, tensor)


CUBIC = np.diag([3.0] * 3 + [0.5] * 3) + np.pad(1.0 - np.eye(3), (0, 3))
AXIS = CUBIC + np.diag([0, 0, 1.0, 0.2, 0.2, 0.5])
CLASSES = [
    (CUBIC + np.diag([0, 0, 0, 0.5, 0.5, 0.5]), "isotropic"),
    (CUBIC, "cubic"),
    (AXIS, "transversely isotropic"),
    (AXIS + np.diag([0, 0, 0, 0, 0, 0.3]), "tetragonal"),
    (AXIS + np.diag([0.4, 0, 0, 0, 0, 0.3]), "orthotropic"),
]


@pytest.mark.parametrize(("stiffness", "name"), CLASSES, ids=[name for _, name in CLASSES])
@pytest.mark.parametrize("turn", [[0, 0, 0], [0.3, -0.7, 1.1]], ids=["axes", "turned"])
def test_classes_in_space_are_found_in_any_orientation(stiffness, name, turn):
    found = distances(turned(stiffness, turn))
    names = list(found)
    assert found[name] < 1e-6
    for higher in names[: names.index(name)]:
        # A tensor may be nearer to a class that is no group above its own, as cubic to trigonal.
        assert found[higher] > 1e-3


@pytest.mark.parametrize("turn", [0.0, 0.35])
def test_classes_in_the_plane(turn):
    cases = {
        "isotropic": [[3, 1, 0], [1, 3, 0], [0, 0, 1]],
        "square": [[3, 1, 0], [1, 3, 0], [0, 0, 0.4]],
        "orthotropic": [[3, 1, 0], [1, 2, 0], [0, 0, 0.4]],
    }
    for name, stiffness in cases.items():
        found = distances(turned(stiffness, [0, 0, turn]))
        assert next(n for n, far in found.items() if far < 1e-6) == name
    found = distances(turned([[3, 1, 0.3], [1, 2, 0.0], [0.3, 0.0, 0.4]], [0, 0, turn]))
    assert min(found.values()) > 1e-3


def test_moduli_say_their_class():
    assert "isotropic" in repr(ml.moduli(ml.networks.triangular([2, 2], periodic=True)))
    cubic = ml.moduli(ml.networks.fcc([1, 1, 1], periodic=True))
    assert isinstance(cubic, Moduli)
    assert cubic.symmetry() == "cubic"
    assert cubic.zener == pytest.approx(2.0)
    assert ml.moduli(crooked(2)).symmetry() == "anisotropic"
    assert ml.moduli(crooked(2)).symmetry(0.5) == "isotropic"
