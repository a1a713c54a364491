"""What is timed, case by case: each yields rows of the table."""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np

import mechlearn as ml
from mechlearn.energies import Beam, FiniteBeam

from . import baselines
from .setups import Ours, PathPoints, allostery, data_set, solid
from .timing import Action, side_by_side

HERE = Path(__file__).resolve().parent.parent
LINEAR_2D = (14, 100, 1_000, 10_000, 100_000)
LINEAR_3D = (100, 1_000, 10_000, 30_000)


@dataclass
class Row:
    """One line of results.csv; times are medians, s, measured side by side."""

    case: str
    size: int
    ours_s: float
    reference: str = ""
    reference_s: float | None = None
    peak_mb: float | None = None

    HEADER = ("case", "size", "ours_s", "reference", "reference_s", "ratio", "peak_mb")

    @property
    def ratio(self) -> float | None:
        """How many times longer the reference takes; where it is a floor, ours over it."""
        if self.reference_s is None:
            return None
        up = self.reference.startswith(("floor", "one "))
        return self.ours_s / self.reference_s if up else self.reference_s / self.ours_s

    def cells(self) -> list[str]:
        """Its fields, as in ``HEADER``."""
        case, size, ours, reference, theirs, memory = astuple(self)
        ours, theirs, ratio, memory = (
            "" if x is None else f"{x:.4g}" for x in (ours, theirs, self.ratio, memory)
        )
        return [case, str(size), ours, reference, theirs, ratio, memory]


def floor(learner) -> Action:
    """One assembly, one factorisation, and a solve for every column that ports need."""
    model, equilibrium = learner.model, learner.equilibrium
    solver, columns = equilibrium._solver, equilibrium._pulls

    def act() -> None:
        model.assemble_stiffness()
        solver.factor()
        solver.solve(columns)

    return Action(act)


def linear(quick: bool) -> Iterator[Row]:
    """A training step of linear springs, against the least that linear algebra asks for."""
    for dim, sizes in ((2, LINEAR_2D), (3, LINEAR_3D)):
        for size in sizes[: 3 if quick else None]:
            ours = Ours(allostery(size, dim))
            times = side_by_side(ours, floor(ours.learner))
            yield Row(f"linear step {dim}D", size, times[0], "floor", times[1])


def beams(quick: bool) -> Iterator[Row]:
    """A training step of frames: linear, against the floor; at finite displacement."""
    for size in (100, 1_000, 10_000)[: 2 if quick else None]:
        ours = Ours(allostery(size, energy=Beam()))
        times = side_by_side(ours, floor(ours.learner))
        yield Row("beam step 2D", size, times[0], "floor", times[1])
    for size in (100, 1_000)[: 1 if quick else None]:
        ours = Ours(allostery(size, energy=FiniteBeam(segments=4), strain=0.01))
        yield Row("finite beam step 2D (4 segments)", size, *side_by_side(ours))


def peers(quick: bool) -> Iterator[Row]:
    """The same step as one would write it with NumPy, SciPy or JAX."""
    kinds = {
        "SciPy splu": (baselines.Sparse, (100, 1_000, 10_000)),
        "dense NumPy": (baselines.Dense, (100, 1_000)),
        "JAX dense": (baselines.Jax, (100, 1_000)),
        "SciPy L-BFGS": (baselines.Minimised, (100, 1_000)),
    }
    for name, (kind, sizes) in kinds.items():
        for size in sizes[: 1 if quick else None]:
            ours = Ours(allostery(size))
            try:
                theirs = kind(ours.learner)
            except ImportError:
                print(f"{name} is not installed, so it is left out.", file=sys.stderr)
                break
            times = side_by_side(ours, theirs, budget=8)
            yield Row("linear step 2D", size, times[0], name, times[1])


def finite(quick: bool) -> Iterator[Row]:
    """Springs at finite displacement, against SciPy's sparse factorisation in Newton's method."""
    for size in (100, 1_000, 10_000)[: 2 if quick else None]:
        ours = Ours(allostery(size, energy=ml.FiniteSpring(), strain=0.05))
        warm = baselines.FiniteSprings(ours.learner)
        cold = baselines.FiniteSprings(ours.learner, warm=False)
        plain = baselines.FiniteSprings(ours.learner, warm=False, plain=True)
        times = side_by_side(ours, warm, cold, plain, budget=8)
        for name, theirs in zip(("warm", "cold", "cold, plain SuperLU"), times[1:], strict=True):
            yield Row("finite spring step 2D", size, times[0], f"SciPy Newton ({name})", theirs)
        counts = ours.learner.equilibrium.counts
        yield Row(
            "finite spring step 2D, factorisations per state", size,
            counts.iterations / counts.solves,
        )  # fmt: skip


def path(quick: bool) -> Iterator[Row]:
    """A point of an equilibrium path of springs, against the least that linear algebra asks for."""
    for size in (41, 1_000, 10_000)[: 2 if quick else None]:
        ours = PathPoints(size)
        times = side_by_side(ours, Action(ours.floor))
        yield Row("path point 2D", size, times[0], "floor", times[1])


def solids(quick: bool) -> Iterator[Row]:
    """Solids: a step, and the parts of it."""
    cases = [("2D neo-Hookean P1", 2, "neo_hookean", 1, 0.7), ("2D linear P2", 2, "linear", 2, 0.7)]
    if not quick:
        cases += [("3D linear P2", 3, "linear", 2, 0.6)]
    for name, dim, material, order, mesh in cases:
        learner = solid(dim, material, order, mesh)
        model = learner.model
        size = model.matrix.size[0]
        yield Row(f"solid {name}: step", size, *side_by_side(Ours(learner), budget=6))
        state = learner.settle().fields()[:, 0]
        model.put_state(state)
        matrix = model.assemble_stiffness()
        solver = model.solver(definite=material == "linear")
        right = np.ones((len(state), 2))

        def factor(matrix=matrix, solver=solver) -> None:
            matrix.stateIncrease()
            solver.factor()

        parts = {
            "assembly": model.assemble_stiffness,
            "factorisation": factor,
            "solve of 2 columns": lambda solver=solver, right=right: solver.solve(right),
            "sensitivity": lambda model=model: model.local_sensitivity("width"),
        }
        times = side_by_side(*map(Action, parts.values()))
        for part, spent in zip(parts, times, strict=True):
            yield Row(f"solid {name}: {part}", size, spent)


def data_sets(quick: bool) -> Iterator[Row]:
    """Many examples per step: 1,000 nodes, 10 inputs, 10 outputs."""
    one = Ours(data_set(1_000, 10, 10, 1))
    for examples in (10, 100, 1_000)[: 2 if quick else None]:
        many = Ours(data_set(1_000, 10, 10, examples))
        times = side_by_side(many, one)
        yield Row("examples per step (1,000 nodes)", examples, times[0], "one example", times[1])


def memory(quick: bool) -> Iterator[Row]:
    """Time and memory of whole trainings, each in a process of its own; the last has 1e6 bonds."""
    for size in (100, 1_000, 10_000, 100_000, 335_000)[: 3 if quick else None]:
        out = _run([sys.executable, str(HERE / "memory.py"), str(size)])
        seen = json.loads(out)
        yield Row(
            f"20 steps of training, {seen['bonds']:,} bonds".replace(",", " "), size,
            seen["step_s"], peak_mb=seen["peak_mb"],
        )  # fmt: skip


def ranks(quick: bool) -> Iterator[Row]:
    """A solid of 512,550 unknowns in 3D on one and two ranks."""
    cells, mesh = ("2", "0.6") if quick else ("6", "0.35")
    script, seen = str(HERE / "solid_large.py"), {}
    for n in (1, 2):
        launcher = Path(sys.executable).with_name("mpiexec")
        text = _run([str(launcher), "-n", str(n), sys.executable, script, cells, mesh])
        seen[n] = {
            key: float(re.search(rf"{key} ([\d.]+) s", text)[1]) for key in ("build", "solve")
        }
        size = int(re.search(r"unknowns (\d+)", text)[1])
    for part in ("build", "solve"):
        one, two = seen[1][part], seen[2][part]
        yield Row(f"solid 3D on 2 ranks: {part}", size, two, "1 rank", one)


def sweeps(quick: bool) -> Iterator[Row]:
    """64 trainings of a packing of 1,024 nodes on two workers and on one."""
    from mechlearn.runs.taskfile import read_setup
    from mechlearn.studies.sweep import sweep

    setup = read_setup(HERE.parent / "tasks" / "allostery.toml")
    network = setup.network.model_copy(update={"nodes": 256 if quick else 1024})
    setup = setup.model_copy(update={"network": network})
    never = {"train.tolerance": [1e-300], "train.steps": [200]}
    vary = {"train.seed": range(8 if quick else 64), **never}
    spent = {}
    for workers in (2, 1):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            sweep(setup, Path(folder) / "sweep", vary, workers=workers)
            spent[workers] = time.perf_counter() - began
    yield Row("sweep on 2 workers", len(vary["train.seed"]), spent[2], "1 worker", spent[1])


def commands(quick: bool) -> Iterator[Row]:
    """What a user waits for: a command that reads a task, and the main job."""
    task, command = (
        str(HERE.parent / "tasks" / "allostery.toml"),
        [sys.executable, "-m", "mechlearn"],
    )
    for name, arguments in (("--help", ["--help"]), ("check", ["check", task])):
        act = Action(lambda arguments=arguments: _run([*command, *arguments]))
        yield Row(f"mechlearn {name}", 0, *side_by_side(act, budget=3))
    with tempfile.TemporaryDirectory() as folder:
        act = Action(lambda: _run([*command, "train", task, "-o", folder + "/run", "--overwrite"]))
        yield Row("mechlearn train tasks/allostery.toml", 128, *side_by_side(act, budget=3))


def _run(command: list[str]) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"OMP_NUM_THREADS": "1"}
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout


cases: dict[str, Callable[[bool], Iterator[Row]]] = {
    case.__name__: case
    for case in (
        linear, beams, peers, finite, path, solids, data_sets, memory, ranks, sweeps, commands,
    )
}  # fmt: skip

__all__ = ["Row", "cases"]
