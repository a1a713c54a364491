"""Train for 10,000 steps and watch the memory: ``python tests/long/memory.py [steps]``.

Prints the resident memory every so many steps. What may grow is the history, a few hundred bytes
per step; exits with 1 where more is taken after the first fifth.
"""

import sys
import tempfile
from pathlib import Path

from mechlearn.learning import Learner
from mechlearn.runs.checkpoint import Checkpoints
from mechlearn.runs.config import Setup
from mechlearn.runs.training import train_setup

#: Bytes per step that the history may take.
ALLOWED = 1000
MODELS = ("spring", "finite_spring")


def resident() -> int:
    """Bytes of this process in memory."""
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def growth(model: str, steps: int) -> float:
    """Train, print, and return the bytes per step that were taken after the first fifth."""
    setup = Setup.model_validate(
        {
            "network": {"generator": "triangular", "size": [8, 8], "disorder": 0.1, "seed": 2},
            "energy": {"model": model},
            "learn": {"stiffness": {"bounds": [0.1, 10.0]}},
            "sources": [{"name": "in", "near": [0.2, 0.2], "strain": 0.1}],
            "targets": [{"name": "out", "near": [0.8, 0.8], "strain": 0.5}],
            "train": {"steps": steps, "tolerance": 1e-15},
        }
    )
    seen = {}

    def watch(learner: Learner) -> None:
        if learner.updates % (steps // 10) == 0:
            seen[learner.updates] = resident()
            print(f"{model} {learner.updates}: {resident() / 2**20:.1f} MiB", flush=True)

    with tempfile.TemporaryDirectory() as folder:
        train_setup(setup, watch=watch, checkpoints=Checkpoints(Path(folder), setup, seconds=2.0))
    first = steps // 5
    return (seen[steps] - seen[first]) / (steps - first)


def main() -> None:
    """Watch both kinds of solver."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    grown = {model: growth(model, steps) for model in MODELS}
    for model, rate in grown.items():
        print(f"{model}: {rate:.0f} bytes per step")
    sys.exit(max(grown.values()) > ALLOWED)


if __name__ == "__main__":
    main()
