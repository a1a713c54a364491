"""Factorised matrices: many columns at once, and how far a solution misses them."""

import numpy as np
import pytest

from mechlearn.fenics import PETSc
from mechlearn.solver import DirectSolver


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
        assert solver.solve(columns) == pytest.approx(np.linalg.solve(dense, columns), rel=1e-12)
        assert solver.missed() < 1e-13
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
    solver.solve(loads)
    assert solver.missed() < 1e-12
    matrix.setValues([11], [11], [3.0])
    matrix.assemble()
    assert solver.missed() > 0.1
