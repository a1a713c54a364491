"""A large solid in 3D, solved and differentiated: time, memory, and numbers to compare ranks by.

    mpiexec -n 2 python benchmarks/solid_large.py [CELLS [MESH_SIZE]]

A bar of CELLS cubes with face diagonals (83 struts with 6 cubes), P2 tetrahedra; held at one end,
pushed at the other. Prints one line of figures on the first rank.
"""

import resource
import sys
import time

import numpy as np

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.fenics import MPI
from mechlearn.learning import RuleLearner
from mechlearn.learning.rules import GradientDescent
from mechlearn.network import Network
from mechlearn.phase import ADJOINT


def lattice(cells: int) -> Network:
    """A bar of cubes with one diagonal on the faces, (cells + 1) x 2 x 2 nodes."""
    grid = np.array([(i, j, k) for i in range(cells + 1) for j in range(2) for k in range(2)])
    gap = np.abs(grid[:, None] - grid[None])
    turned = (grid[:, None] - grid[None]).sum(axis=2)
    side = gap.sum(axis=2) == 1
    diagonal = (gap.sum(axis=2) == 2) & (gap.max(axis=2) == 1) & (np.abs(turned) == 2)
    pairs = np.argwhere(np.triu(side | diagonal))
    return Network(grid.astype(float), pairs)


def main(cells: int, size: float) -> None:
    """Solve, differentiate, report."""
    net = lattice(cells)
    start, end = range(4), range(4 * cells, 4 * cells + 4)
    task = ml.Task(
        supports=[ml.Support(nodes=list(start))],
        sources=[ml.Source(nodes=[end[0]], components=["z"], force=[1e-4])],
        targets=[ml.Target(nodes=[end[3]], components=["z"], displacement=[0.01])],
    )
    comm, began = MPI.COMM_WORLD, time.perf_counter()
    learner = RuleLearner(
        net, task, Solid(mesh_size=size), {"width": ml.Learn(initial=0.2)}, GradientDescent()
    )
    built = time.perf_counter()
    free = learner.settle()
    solved = time.perf_counter()
    adjoint = learner.equilibrium.solve(ADJOINT)
    gradient = learner.model.to_bonds(adjoint.sensitivity("width").mean(axis=0))
    done = time.perf_counter()
    memory = comm.allreduce(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2)
    if comm.rank == 0:
        solver = learner.equilibrium._solver
        print(
            f"ranks {comm.size}, struts {net.n_edges}, unknowns {learner.model.matrix.size[0]}, "
            f"build {built - began:.1f} s, solve {solved - built:.1f} s "
            f"({type(solver).__name__}, iterations {getattr(solver, 'iterations', '-')}), "
            f"differentiate {done - solved:.1f} s, memory {memory:.1f} GB in all, "
            f"output {free.readings[0, -1]:.12e}, |gradient| {np.linalg.norm(gradient):.12e}",
            flush=True,
        )


if __name__ == "__main__":
    numbers = sys.argv[1:]
    main(int(numbers[0]) if numbers else 6, float(numbers[1]) if len(numbers) > 1 else 0.35)
