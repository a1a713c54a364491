"""Cells under a macroscopic deformation gradient, against affine closed forms and energies."""

import json

import numpy as np
import pytest
from ranks import on_ranks
from scipy.spatial.transform import Rotation

import mechlearn as ml
from mechlearn.fem.macroscopic_strain import cell_components, piola_stress, strain_tensors
from mechlearn.learning.system import System

#: Deformation gradients, with a turn among them.
PLANE = [[0.9, 0.2], [0.05, 1.1]]
SPACE = [[0.95, 0.1, 0.0], [0.02, 1.05, 0.08], [-0.03, 0.0, 1.1]]


def given(gradient, stress=None, scale=1.0):
    """Task of one source of a deformation gradient; all stresses are read where it is held."""
    known = np.array([[v != "free" for v in row] for row in gradient])
    asked = [[0.0 if k else "free" for k in row] for row in known]
    return ml.Task(
        sources=[ml.Source(name="pull", deformation_gradient=gradient)],
        targets=[ml.Target(name="felt", piola_stress=stress or asked, scale=scale)],
    )


def affine_stress(net, gradient, stiffness=1.0):
    """First Piola-Kirchhoff stress of springs of one node per cell, which move as the cell."""
    v, length = net.vectors, net.lengths
    now = v @ np.transpose(gradient)
    stretched = np.linalg.norm(now, axis=1)
    pull = stiffness * (stretched - length) / stretched
    return np.einsum("b,bi,bj->ij", pull, now, v) / abs(np.linalg.det(net.cell))


def lattice(dim):
    """Springs that a cell with any deformation leaves affine: triangular, or on a cube."""
    if dim == 2:
        return ml.networks.triangular([2, 2], periodic=True)
    return ml.networks.fcc([2, 2, 2], periodic=True)


@pytest.mark.parametrize(("dim", "gradient"), [(2, PLANE), (3, SPACE)])
def test_springs_that_move_with_the_cell_have_the_closed_stress(dim, gradient):
    net = lattice(dim)
    system = System(net, given(gradient), ml.FiniteSpring(), stiffness=2.0)
    exact = affine_stress(net, gradient, 2.0)
    assert system.outputs[0] == pytest.approx(exact.ravel(), rel=1e-9, abs=1e-12)
    assert system.free.cell[0] == pytest.approx(np.array([gradient, exact]), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("dim", "gradient"), [(2, PLANE), (3, SPACE)])
def test_linear_springs_feel_the_symmetric_part(dim, gradient):
    net = lattice(dim)
    system = System(net, given(gradient), ml.Spring(), stiffness=2.0)
    v, strain = net.vectors, (np.array(gradient) + np.transpose(gradient)) / 2 - np.eye(dim)
    pull = 2.0 * np.einsum("bi,ij,bj->b", v, strain, v) / net.lengths**2
    exact = np.einsum("b,bi,bj->ij", pull, v, v) / abs(np.linalg.det(net.cell))
    assert system.outputs[0] == pytest.approx(exact.ravel(), rel=1e-8, abs=1e-12)
    assert system.free.cell[0, 1] == pytest.approx(exact, rel=1e-8, abs=1e-12)


def crooked(dim):
    """Cell whose nodes do not move with it, for springs and beams."""
    if dim == 2:
        return ml.networks.triangular([3, 3], periodic=True, disorder=0.3, seed=1)
    return ml.networks.fcc([2, 2, 2], periodic=True, disorder=0.2, seed=1)


FRAMES = [(2, ml.FiniteSpring()), (3, ml.FiniteSpring()), (2, ml.FiniteBeam(segments=2))]


@pytest.mark.parametrize(("dim", "energy"), FRAMES, ids=["2D", "3D", "beams"])
def test_a_turn_costs_nothing_and_turns_the_stress(dim, energy):
    """W(R U) = W(U), and P(R U) = R P(U)."""
    net = crooked(dim)
    stretch = np.diag([0.97, 1.02, 1.01][:dim])
    stretch[0, 1] = stretch[1, 0] = 0.02
    turn = Rotation.from_rotvec([0.3, 0.2, 0.5] if dim == 3 else [0, 0, 0.6]).as_matrix()
    turn = turn[:dim, :dim]
    still, turned = (System(net, given(f.tolist()), energy).free for f in (stretch, turn @ stretch))
    assert turned.energies[0] == pytest.approx(still.energies[0], rel=1e-7)
    expected = turn @ still.cell[0, 1]
    assert turned.cell[0, 1] == pytest.approx(expected, abs=1e-7 * np.abs(expected).max())
    assert turned.cell[0, 0] == pytest.approx(turn @ stretch, abs=1e-12)


@pytest.mark.parametrize(("dim", "energy"), FRAMES, ids=["2D", "3D", "beams"])
def test_stress_is_the_derivative_of_the_energy(dim, energy):
    net, volume = crooked(dim), abs(np.linalg.det(crooked(dim).cell))
    at = np.eye(dim) + 0.02 * np.random.default_rng(1).uniform(-1, 1, (dim, dim))

    def system(gradient):
        return System(net, given(gradient.tolist()), energy, check=False)

    stress = system(at).outputs[0].reshape(dim, dim)
    for i, j in [(0, 0), (0, 1), (1, 0)]:
        step = np.zeros((dim, dim))
        step[i, j] = 1e-4
        ends = [system(at + sign * step).free.energies[0] for sign in (1, -1)]
        slope = (ends[0] - ends[1]) / 2e-4 / volume
        assert stress[i, j] == pytest.approx(slope, rel=1e-4, abs=1e-6 * np.abs(stress).max())


def test_free_entries_carry_no_stress():
    """Simple shear with free thickness, and a uniaxial path that is free of turns."""
    net = crooked(2)
    shear = System(net, given([[1.0, 0.1], [0.0, "free"]]), ml.FiniteSpring()).free.cell[0]
    assert shear[0][:, 0] == pytest.approx([1.0, 0.0], abs=1e-12)
    assert shear[1, 1, 1] == pytest.approx(0.0, abs=1e-9)
    moment = shear[1] @ shear[0].T
    assert moment[0, 1] == pytest.approx(moment[1, 0], rel=1e-7)
    pulled = System(net, given([[0.95, "free"], ["free", "free"]]), ml.FiniteSpring()).free.cell[0]
    assert pulled[0, 0, 1] == pytest.approx(pulled[0, 1, 0], abs=1e-14)
    assert pulled[1, 1, 1] == pytest.approx(0.0, abs=1e-9)
    assert pulled[1, 0, 1] + pulled[1, 1, 0] == pytest.approx(0.0, abs=1e-9)
    strain = ml.Task(
        sources=[ml.Source(cell="xx", strain=-0.05)], targets=[ml.Target(cell="xx", stress=1.0)]
    )
    felt = System(net, strain, ml.FiniteSpring()).outputs[0, 0]
    assert felt == pytest.approx(pulled[1, 0, 0], rel=1e-8)


def test_stress_is_imposed_beside_strain():
    """One entry of the deformation gradient, another of the stress."""
    net, task = crooked(2), given([[0.97, 0.05], [0.0, "free"]])
    load = ml.Source(name="press", piola_stress=[["free", "free"], ["free", -0.02]])
    task = task.model_copy(update={"sources": [*task.sources, load]})
    found = System(net, task, ml.FiniteSpring()).free.cell[0]
    assert found[0, 0] == pytest.approx([0.97, 0.05], abs=1e-12)
    assert found[1, 1, 1] == pytest.approx(-0.02, rel=1e-9)


def test_the_balance_of_moments_completes_the_stress():
    """Of the forces at the symmetric unknowns alone, whatever the stress."""
    rng = np.random.default_rng(0)
    for dim in (2, 3):
        names = cell_components(dim)
        stretch = np.eye(dim) + 0.1 * strain_tensors(rng.uniform(-1, 1, len(names)), names)
        second = strain_tensors(rng.uniform(-1, 1, len(names)), names)
        stress = stretch @ second
        forces = np.einsum("ij,ijc->c", stress, strain_tensors(np.eye(len(names)), names))
        assert piola_stress(forces, stretch, names, linear=False) == pytest.approx(stress)


def on_some_ranks():
    found = []
    for dim, energy in FRAMES:
        task = given(PLANE if dim == 2 else SPACE)
        found.append(System(crooked(dim), task, energy, check=False).free.cell.ravel())
    return np.concatenate(found)


def test_two_ranks_find_the_same():
    alone = on_some_ranks()
    for found in on_ranks(2, on_some_ranks):
        assert found == pytest.approx(alone, rel=1e-6, abs=1e-9)


def test_a_run_says_the_gradient_and_the_stress(tmp_path):
    net = crooked(2)
    wanted = [[-0.03, "free"], ["free", "free"]]
    task = given([[0.95, 0.0], [0.0, "free"]], stress=wanted, scale=0.03)
    task.examples.extend([{"pull": [[0.95, 0.0], [0.0, "free"]]}, {"felt": "free"}])
    run = ml.train(net, task, energy=ml.FiniteSpring(), steps=60)
    assert run.converged
    run.save(tmp_path / "run")
    again = ml.Run.load(tmp_path / "run")
    assert again.targets == run.targets
    said = json.loads((tmp_path / "run" / "summary.json").read_text())
    for k in range(2):
        row = said["cell"][k]
        assert row["deformation_gradient"][0] == pytest.approx([0.95, 0.0], abs=1e-12)
        assert row["piola_stress"][0][0] == pytest.approx(-0.03, rel=1e-2)
        assert run.cell[k, 1] == pytest.approx(np.array(row["piola_stress"]), abs=1e-9)
        assert said["sources"][k]["deformation_gradient"] == row["deformation_gradient"]


def test_a_path_goes_along_the_gradient():
    net = lattice(2)
    found = ml.path(net, given(PLANE), ml.FiniteSpring(), steps=5)
    factors, rate = found["factor"].values, np.array(PLANE) - np.eye(2)
    for k in (1, -1):
        gradient = np.eye(2) + factors[k] * rate
        exact = affine_stress(net, gradient)
        assert found["pull.xy"].values[k] == pytest.approx(gradient[0, 1])
        assert found["pull.xx"].values[k] == pytest.approx(gradient[0, 0])
        assert found["pull.force.xy"].values[k] == pytest.approx(exact[0, 1], rel=1e-7)
        assert found["piola_stress"].values[k] == pytest.approx(exact, rel=1e-7)


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ([{"deformation_gradient": [[1.0, 0.0]]}], "2 rows of 2 numbers"),
        ([{"deformation_gradient": [[1, 0, 0], [0, 1, 0], [0, 0, 1.1]]}], "2 rows of 2 numbers"),
        ([{"deformation_gradient": [["free", "free"]] * 2}], "leaves all entries free"),
        ([{"deformation_gradient": [[1.0, 2.0], [1.0, 1.0]]}], "determinant"),
        ([{"deformation_gradient": [[-1.0, 0.0], [0.0, -1.0]]}], "straight line"),
        ([{"deformation_gradient": [[-0.5, "free"], ["free", "free"]]}], "diagonal"),
        ([{"deformation_gradient": [[0.9, 0.0], [0.0, 1.0]], "cell": "xx"}], "leave cell"),
        (
            [{"deformation_gradient": [[0.9, 0.0], [0.0, 1.0]]}, {"cell": "xx", "strain": 0.1}],
            "is the same as",
        ),
        (
            [{"deformation_gradient": [[0.9, 0.0], [0.0, 1.0]]}, {"cell": "xy", "strain": 0.1}],
            "held more than once",
        ),
        (
            [{"cell": "volume", "strain": 0.1}, {"cell": ["xx", "yy"], "strain": [0.1, 0.0]}],
            "held more than once",
        ),
        ([{"piola_stress": [["free", 0.1], ["free", "free"]]}], "against turning"),
    ],
)
def test_nonsense_is_refused(torus, sources, message):
    targets = [ml.Target(nodes=[1, 12], strain=0.1)]
    with pytest.raises(ml.InputError, match=message):
        System(torus, ml.Task(sources=[ml.Source(**s) for s in sources], targets=targets))


def test_a_finite_network_has_no_gradient(plane):
    with pytest.raises(ml.InputError, match="periodic elastic network"):
        System(plane, given(PLANE))
