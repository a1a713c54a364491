"""Allostery learned in a solid of 70 struts, by coupled learning and by the exact gradient.

    python benchmarks/solid_allostery.py [FOLDER]

Trains tasks/solid-allostery.toml by either rule, reads the answer again on a mesh twice as fine,
and, given a folder, draws both learned solids there.
"""

import dataclasses
import sys
import time
from pathlib import Path

import mechlearn as ml
from mechlearn.render.solid import draw_solid
from mechlearn.runs.config import RuleTable
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

TASK = Path(__file__).parents[1] / "tasks" / "solid-allostery.toml"


def solved(run: ml.Run, mesh_size: float):
    """The system of a learned network on a mesh of that size, its free state, and what it reads."""
    energy = dataclasses.replace(run.energy, mesh_size=mesh_size)
    system = ml.System(run.network, run.problem, energy, **run.learned)
    solver = system.equilibrium
    free = solver.free()
    return system, free, float(solver.outputs(free)[0, 0] / run.problem.units[0])


def main(folder: Path | None) -> None:
    """Train, check, print, draw."""
    for rule in (RuleTable(name="coupled_learning", eta=0.1), RuleTable(name="gradient_descent")):
        setup = read_setup(TASK).model_copy(update={"rule": rule})
        began = time.perf_counter()
        run = train_setup(setup)
        seconds = time.perf_counter() - began
        row = run.targets[0]
        system, free, fine = solved(run, run.energy.mesh_size / 2)
        print(
            f"{rule.name}: {run.network.n_edges} struts, ratio {row['initial'] / 0.05:+.4f} -> "
            f"{row['reached'] / 0.05:+.4f} (wanted {row['wanted'] / 0.05:+.2f}), relative error "
            f"{row['relative_error']:.3f} in {run.summary['steps']} steps and {seconds:.0f} s; on "
            f"a mesh twice as fine {fine / 0.05:+.4f}; {run.summary['solver']}; "
            f"{run.summary['warnings']}",
            flush=True,
        )
        if folder:
            path = folder / f"{rule.name}.png"
            draw_solid(
                system.model, system.problem, free.fields()[:, 0], path, title=run.setup.title
            )


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else None)
