"""Success rate of random packings in learning the two plateaus of tasks/plateau.toml.

Prints for every seed the largest deviation of the force from the wanted curve, over its 25 points,
and the root of the mean square, both in units of F_max, half the largest force before training;
and how many are within 1, 3 and 10 %. ``followed`` is the largest deviation as a path finds it,
in small steps from rest.

    python benchmarks/plateau.py                                    # exact gradient
    python benchmarks/plateau.py --rule equilibrium_propagation     # local rule
    python benchmarks/plateau.py --hookean                          # only stiffnesses learn
"""

import argparse
from pathlib import Path

import numpy as np

import mechlearn as ml
from mechlearn.errors import MechlearnError
from mechlearn.runs.config import Setup
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

TASK = Path(__file__).parents[1] / "tasks" / "plateau.toml"
#: Equal steps of the path, of which every tenth is at a point of the curve.
STEPS = 240


def setup_of(seed: int, hookean: bool = False, **changes: object) -> Setup:
    """Set-up of the task for packing number ``seed``."""
    given = read_setup(TASK).model_dump(exclude_none=True)
    given["network"]["seed"] = seed
    if hookean:
        given["energy"] = {"model": "finite_spring"}
        given["learn"] = {"stiffness": given["learn"]["stiffness"]}
    for key, value in changes.items():
        table = "rule" if key in ("name", "variant", "beta") else "train"
        given[table][key] = value
    return Setup.model_validate(given)


def deviations(run: ml.Run) -> np.ndarray:
    """Deviations of the force from the curve at its points, in F_max."""
    problem = run.problem
    wanted = np.array([row["wanted"] for row in run.targets]).ravel()
    reached = np.array([row["reached"] for row in run.targets]).ravel()
    return (reached - wanted) / problem.scale[0, 0]


def followed(run: ml.Run) -> float:
    """The largest deviation at the points along a path in small steps."""
    wanted = np.array([row["wanted"] for row in run.targets]).ravel()
    path = run.path(steps=STEPS)
    if len(path.point) <= STEPS:
        return np.nan
    at = np.linspace(0, STEPS, len(wanted)).astype(int)
    return float(np.abs(path["press.force"].values[at] - wanted).max()) / run.problem.scale[0, 0]


def main() -> None:
    """Run the study and print its table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=range(20))
    parser.add_argument("--hookean", action="store_true", help="springs whose stiffnesses learn")
    parser.add_argument("--rule", default="gradient_descent")
    parser.add_argument("--steps", type=int, default=read_setup(TASK).train.steps)
    options = parser.parse_args()
    local = {"variant": "centred"} if options.rule != "gradient_descent" else {}
    found = []
    for seed in options.seeds:
        setup = setup_of(seed, options.hookean, name=options.rule, steps=options.steps, **local)
        try:
            run = train_setup(setup, TASK.parent)
            off, along = deviations(run), followed(run)
        except MechlearnError as error:
            print(f"{seed:4d}  failed: {error}", flush=True)
            found.append(np.inf)
            continue
        found.append(np.abs(off).max())
        print(
            f"{seed:4d}  largest {found[-1]:.4f}  rms {np.sqrt(np.mean(off**2)):.4f}  followed "
            f"{along:.4f}  F_max {run.problem.scale[0, 0]:.4f}  step "
            f"{run.summary['reported_step']:4d}  {run.summary['wall_s']:6.1f} s",
            flush=True,
        )
    within = [
        f"{np.sum(np.array(found) <= limit)} within {limit:.0%}" for limit in (0.01, 0.03, 0.1)
    ]
    print(f"of {len(found)}: {', '.join(within)}")


if __name__ == "__main__":
    main()
