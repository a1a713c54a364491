"""Factorised matrices: many columns at once, and how far a solution misses them."""

import numpy as np
import pytest
from cvxopt import cholmod as cholmod_of_cvxopt
from ranks import on_ranks
from scipy import sparse

from mechlearn.energies import Resistor, Spring
from mechlearn.errors import SolveError
from mechlearn.fem.model import Model
from mechlearn.fenics import PETSc
from mechlearn.linalg import petsc_kernels as kernels
from mechlearn.linalg import solver as selection
from mechlearn.linalg.cholmod import CholmodFactor
from mechlearn.linalg.factorisation import Inertia
from mechlearn.linalg.solver import DirectSolver
from mechlearn.network import Network
from mechlearn.networks import delaunay


@pytest.fixture
def chain():
    """A line of springs held at its ends, as a PETSc matrix and a dense one."""
    size = 12
    dense = 2 * np.eye(size) - np.eye(size, k=1) - np.eye(size, k=-1)
    matrix = PETSc.Mat().createDense((size, size), array=dense.copy(), comm=PETSc.COMM_SELF)
    matrix.assemble()
    return matrix.convert("aij"), dense


def test_columns_that_cannot_be_written_to_serve_again_whatever_came_between(chain):
    matrix, dense = chain
    solver = DirectSolver(matrix, definite=True)
    solver.factor()
    random = np.random.default_rng(0)
    kept = random.standard_normal((12, 2))
    kept.flags.writeable = False
    others = [random.standard_normal((12, 2)), random.standard_normal((12, 5))]
    for columns in (kept, kept, others[0], kept, others[1], kept):
        solution = solver.solve(columns)
        assert solution == pytest.approx(np.linalg.solve(dense, columns), rel=1e-12)
        assert solver.relative_residual(solution) < 1e-13
    others[0][:] = 1.0
    assert solver.solve(others[0]) == pytest.approx(np.linalg.solve(dense, others[0]), rel=1e-12)


@pytest.mark.parametrize("column", [0, 1, 2])
def test_a_solution_of_another_matrix_misses_in_any_column(chain, column):
    matrix, dense = chain
    solver = DirectSolver(matrix, definite=True)
    solver.factor()
    loads = np.zeros((12, 3))
    loads[:, column] = 1e-8
    # Loads far larger, which the change below does not touch, must not hide it.
    loads[:, (column + 1) % 3] = 1e8 * dense[:, :11].sum(axis=1)
    solution = solver.solve(loads)
    assert solver.relative_residual(solution) < 1e-12
    matrix.setValues([11], [11], [3.0])
    matrix.assemble()
    assert solver.relative_residual(solution) > 0.1


def network(dim, nodes):
    """A network with some nodes held, one of them in one direction only."""
    return Model(delaunay(nodes=nodes, dim=dim, seed=0), Spring(), held=range(3 * dim + 1))


@pytest.fixture(params=[True, False], ids=["with CHOLMOD", "without"])
def cholmod(request, monkeypatch):
    """With CVXOPT, and as if it were not installed."""
    monkeypatch.setattr(selection, "available", lambda: request.param)
    return request.param


#: Some are factorised number by number, larger ones block by block, and the largest by CHOLMOD or
#: MUMPS.
sizes = pytest.mark.parametrize(("dim", "nodes"), [(2, 40), (2, 350), (3, 30), (3, 95), (3, 250)])


def stiffness_of(model, bonds):
    """The stiffness matrix for such bonds, which the model has from now on, dense."""
    model.set(stiffness=bonds)
    pointer, columns, values = model.assemble_stiffness().getValuesCSR()
    return sparse.csr_array((values, columns, pointer)).toarray()


@pytest.mark.parametrize("definite", [True, False])
@sizes
@pytest.mark.parametrize("exponent", [1, 3, 5])
def test_solutions_do_not_depend_on_the_way_of_the_factorisation(
    dim, nodes, definite, exponent, cholmod
):
    # Stiffnesses over ten orders of magnitude make blocks whose inverses have no digits left.
    random, model = np.random.default_rng(1), network(dim, nodes)
    loads = random.standard_normal((nodes * dim, 3))
    solver = DirectSolver(model.matrix, definite=definite, free=model.local_free)
    for _ in range(2):
        dense = stiffness_of(
            model, 10 ** random.uniform(-exponent, exponent, model.network.n_edges)
        )
        solver.factor()
        found = solver.solve(loads)
        size = np.linalg.norm(dense, 2) * np.linalg.norm(found)
        assert np.linalg.norm(dense @ found - loads) < 1e-14 * size
        if exponent == 1:
            assert found == pytest.approx(np.linalg.solve(dense, loads), rel=1e-9, abs=1e-9)
        if not definite:
            assert solver.inertia() == Inertia(0, 0, len(loads))


@sizes
@pytest.mark.parametrize("unit", [1e-18, 1e-9, 1e9, 1e18])
def test_stiffnesses_may_have_any_unit(dim, nodes, unit, cholmod):
    model, solutions = network(dim, nodes), []
    loads = np.random.default_rng(1).standard_normal((nodes * dim, 2)) * model.local_free[:, None]
    for stiffness in (1.0, unit):
        solver = DirectSolver(model.matrix, definite=True, free=model.local_free)
        stiffness_of(model, np.full(model.network.n_edges, stiffness))
        solver.factor()
        solution = solver.solve(loads)
        solutions.append(stiffness * solution)
        assert solver.relative_residual(solution) < 1e-12
    assert solutions[1] == pytest.approx(solutions[0], rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("columns", [1, 70])
@pytest.mark.parametrize(
    ("dim", "nodes"), [(2, 40), (2, 350), (3, 30), (3, 95), (3, 250), (2, 9000), (3, 1000)]
)
def test_what_is_loose_is_refused_though_no_load_moves_it(dim, nodes, columns, cholmod):
    model = network(dim, nodes)
    stiffnesses = np.ones(model.network.n_edges)
    solver = DirectSolver(model.matrix, definite=True, free=model.local_free)
    loads = np.zeros((nodes * dim, columns))
    loads[-1] = 1.0

    def factor(of_some=1.0, some=()):
        stiffnesses[:] = 1.0
        stiffnesses[some] = of_some
        model.set(stiffness=stiffnesses)
        model.assemble_stiffness()
        solver.factor()
        return solver.solve(loads)

    first = factor()
    # A node that is left with too few bonds: rounding may make its last pivot anything but zero.
    node = 20
    of_node = np.flatnonzero((model.network.edges == node).any(axis=1))
    for left in (dim - 1, 0):
        for _ in range(2):
            with pytest.raises(SolveError, match="singular"):
                factor(0.0, of_node[left:])
        assert np.linalg.norm(factor() - first) < 1e-9 * np.linalg.norm(first)
    # Soft is not loose.
    factor(1e-9, of_node)


def test_a_matrix_that_is_kept_in_another_order_gets_no_new_places():
    model = network(2, 40)
    stiffness_of(model, np.ones(model.network.n_edges))
    DirectSolver(model.matrix, definite=True, free=model.local_free).factor()
    far = np.flatnonzero(model.matrix[20, :] == 0)[-1]
    with pytest.raises(PETSc.Error):
        model.matrix.setValues([20], [far], [1.0])


def test_cholmod_leaves_to_mumps_what_is_not_definite_and_many_columns():
    model = network(3, 250)
    random = np.random.default_rng(1)
    dense = stiffness_of(model, random.uniform(0.5, 2.0, model.network.n_edges))
    eigenvalues = np.linalg.eigvalsh(dense)
    solver = DirectSolver(model.matrix, definite=False, free=model.local_free)
    for k, below in ((2, 0), (200, 0), (2, 3), (200, 3), (1, 0), (2, 0)):
        # Halfway between two eigenvalues, of which so many are below.
        shift = eigenvalues[below - 1 : below + 1].mean() if below else 0.0
        now = dense - shift * np.eye(len(dense))
        model.assemble_stiffness().shift(-shift)
        solver.factor()
        loads = random.standard_normal((len(dense), k))
        assert solver.inertia() == Inertia(below, 0, len(dense) - below)
        for columns in (loads, loads[:, :1]):
            assert solver.solve(columns) == pytest.approx(
                np.linalg.solve(now, columns), rel=1e-8, abs=1e-8
            )
        assert solver.inertia() == Inertia(below, 0, len(dense) - below)


def test_what_was_factorised_serves_though_the_matrix_has_changed():
    model = network(3, 250)
    dense = stiffness_of(model, np.ones(model.network.n_edges))
    solver = DirectSolver(model.matrix, definite=True, free=model.local_free)
    solver.factor()
    loads = np.random.default_rng(1).standard_normal((len(dense), 200))
    stiffness_of(model, np.full(model.network.n_edges, 2.0))
    for columns in (loads[:, :2], loads):
        assert solver.solve(columns) == pytest.approx(np.linalg.solve(dense, columns), rel=1e-8)


def test_options_of_cvxopt_are_left_to_those_who_set_them(monkeypatch):
    monkeypatch.setattr(selection, "available", lambda: True)
    monkeypatch.setattr(cholmod_of_cvxopt, "options", theirs := {"supernodal": 0})
    model = network(3, 250)
    dense = stiffness_of(model, np.ones(model.network.n_edges))
    solver = DirectSolver(model.matrix, definite=True, free=model.local_free)
    solver.factor()
    assert solver.solve(dense[:, :1])[0, 0] == pytest.approx(1.0, rel=1e-10)
    assert theirs == {"supernodal": 0}


def test_for_many_columns_nothing_is_factorised_twice(monkeypatch):
    monkeypatch.setattr(selection, "available", lambda: True)
    model = network(3, 250)
    stiffness_of(model, np.ones(model.network.n_edges))
    solver = DirectSolver(model.matrix, definite=False, free=model.local_free)
    loads = np.random.default_rng(1).standard_normal((750, 200))
    solver.factor()
    solver.solve(loads)
    monkeypatch.setattr(
        CholmodFactor, "renew", lambda self: pytest.fail("it was factorised in vain")
    )
    for _ in range(2):
        # Newton's method, with a step that follows from an old factorisation.
        solver.factor()
        solver.solve(loads)
        solver.solve(loads[:, :1])


def solve_again_after_singular():
    net = delaunay(nodes=60, dim=3, seed=0)
    model = Model(net, Spring(), held=range(10))
    solver = DirectSolver(model.matrix, definite=True, free=model.local_free)
    of_node = np.flatnonzero((net.edges == 20).any(axis=1))
    loads = np.ones((model.matrix.getLocalSize()[0], 2)) * model.local_free[:, None]
    found = []
    for left in (len(of_node), 2, len(of_node), 0, len(of_node)):
        stiffnesses = np.ones(net.n_edges)
        stiffnesses[of_node[left:]] = 0.0
        model.set(stiffness=stiffnesses)
        model.assemble_stiffness()
        if left == len(of_node):
            solver.factor()
            found.append(solver.solve(loads))
        else:
            with pytest.raises(SolveError, match="singular"):
                solver.factor()
    return found


def test_ranks_get_over_a_singular_matrix():
    for found in on_ranks(2, solve_again_after_singular):
        assert len(found) == 3
        assert all(np.allclose(found[0], f, rtol=1e-9) for f in found)


@pytest.mark.parametrize("definite", [True, False])
def test_what_is_soft_behind_what_is_stiff_is_not_loose(definite):
    # Resistors in series, whose last pivots are small beside the first, and exact.
    edges = np.stack([np.arange(2000), np.arange(2000) + 1], axis=1)
    chain = Network(np.stack([np.arange(2001.0), np.zeros(2001)], axis=1), edges)
    conductances = np.where(np.arange(2000) < 2, 1e6, 1e-6)
    model = Model(chain, Resistor(), held=[0])
    model.set(conductance=conductances)
    solver = DirectSolver(model.assemble_stiffness(), definite=definite, free=model.local_free)
    solver.factor()
    load = np.zeros((2001, 1))
    at = model.to_local(np.eye(2001, 1, -2000)).ravel()
    load[:, 0] = at
    assert at @ solver.solve(load)[:, 0] == pytest.approx((1 / conductances).sum(), rel=1e-10)


def test_a_node_that_hangs_on_one_bond_of_stiffness_one_is_no_support():
    edges = [[0, 1], [1, 2], [0, 3]]
    star = Network([[0.0, 0.0], [1.0, 0.0], [2.0, 0.0], [0.0, 1.0]], edges)
    model = Model(star, Resistor(), held=[0])
    solver = DirectSolver(model.matrix, definite=True, free=model.local_free)
    for last in (1.0, 1e-30):
        model.set(conductance=np.array([1.0, 1.0, last]))
        model.assemble_stiffness()
        if last == 1.0:
            solver.factor()
        else:
            with pytest.raises(SolveError, match="singular"):
                solver.factor()


def test_what_ctypes_finds_in_petsc_is_what_petsc4py_finds():
    assert kernels.trusted()


def substitutes(monkeypatch):
    monkeypatch.setattr(kernels, "trusted", lambda: False)
    monkeypatch.setattr(kernels, "_call", lambda name, *given: pytest.fail(f"{name} was called"))


@pytest.mark.parametrize("definite", [True, False])
@sizes
def test_petsc4py_alone_serves_as_well(dim, nodes, definite, cholmod, monkeypatch):
    model, solutions = network(dim, nodes), []
    loads = np.random.default_rng(1).standard_normal((nodes * dim, 2)) * model.local_free[:, None]
    bonds = np.random.default_rng(2).uniform(0.5, 2.0, model.network.n_edges)
    for _ in range(2):
        solver = DirectSolver(model.matrix, definite=definite, free=model.local_free)
        for factor in (1.0, 3.0):
            stiffness_of(model, factor * bonds)
            solver.factor()
            solutions.append(factor * solver.solve(loads))
        substitutes(monkeypatch)
    for solution in solutions[1:]:
        assert solution == pytest.approx(solutions[0], rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("fault", [AttributeError, PETSc.Error])
def test_a_petsc_without_a_function_is_not_trusted(fault, monkeypatch):
    call = kernels._call

    def lacking(name, *given):
        if name == "MatSeqAIJGetArray":
            raise fault
        call(name, *given)

    monkeypatch.setattr(kernels, "_call", lacking)
    assert not kernels.trusted.__wrapped__()


def test_a_petsc_that_stores_blocks_otherwise_is_not_trusted(monkeypatch):
    view = kernels._view
    monkeypatch.setattr(kernels, "_view", lambda *given: view(*given)[::-1])
    assert not kernels.trusted.__wrapped__()
