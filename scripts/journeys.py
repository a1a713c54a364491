"""Modules that a parameter passes through in one training, from ``train`` to the matrix and back.

python scripts/journeys.py              of the checkout's package
PYTHONPATH=TREE python scripts/journeys.py    of another tree's

A module is on the journey of a parameter if one of its functions takes or returns the parameter's
value: by itself, permuted, as an attribute of an object, or as an item of a container (two levels
deep). The training is the README's, with values that nothing else has.
"""

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

import mechlearn as ml

ROOT = str(Path(ml.__file__).parent)
ETA, STRAIN = 0.010203, 0.0913
DEPTH = 2


def holds(value: Any, wanted: Any, depth: int = DEPTH) -> bool:
    """True if a value is the wanted one, or holds it within ``depth`` levels."""
    if isinstance(value, np.ndarray):
        return np.shape(wanted) != () and value.size == wanted.size and same(value, wanted)
    if isinstance(value, float | int):
        return np.shape(wanted) == () and value == wanted
    if depth == 0 or isinstance(value, str | bytes | type):
        return False
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list | tuple):
        inner = list(value[:20])
    else:
        inner = list(getattr(value, "__dict__", {}).values())
        inner += [getattr(value, n, None) for n in getattr(type(value), "__slots__", ())]
    return any(holds(v, wanted, depth - 1) for v in inner)


def same(value: np.ndarray, wanted: np.ndarray) -> bool:
    """True if two arrays of one size have the same numbers, in whatever order."""
    return value.dtype.kind == "f" and bool(np.array_equal(np.sort(value.ravel()), wanted))


class Tracer:
    """Profile function that notes which modules run, and which of them hold each parameter."""

    def __init__(self, wanted: dict[str, Any]) -> None:
        self.wanted, self.modules = wanted, set()
        self.journeys: dict[str, set[str]] = {name: set() for name in wanted}

    def __call__(self, frame: FrameType, event: str, argument: Any) -> None:
        """Note a call or a return."""
        file = frame.f_code.co_filename
        if event not in ("call", "return") or not file.startswith(ROOT):
            return
        module = file[len(ROOT) + 1 : -3]
        self.modules.add(module)
        sys.setprofile(None)
        values = list(frame.f_locals.values()) if event == "call" else [argument]
        for name, wanted in self.wanted.items():
            if module not in self.journeys[name] and any(holds(v, wanted) for v in values):
                self.journeys[name].add(module)
        sys.setprofile(self)


def train(stiffness: np.ndarray | None, tracer: Tracer | None = None) -> int:
    """Train the README's network; returns its number of bonds."""
    net = ml.networks.packing(nodes=128, coordination=4.4, seed=1)
    task = ml.Task(
        sources=[ml.Source(near=[0.0, 0.5], strain=0.1)],
        targets=[ml.Target(near=[1.0, 0.5], strain=STRAIN)],
    )
    initial = 1.0 if stiffness is None else stiffness
    learn = {"stiffness": ml.Learn(bounds=(0.01, 10), initial=initial)}
    function, rule = ml.train, ml.CoupledLearning(eta=ETA)
    sys.setprofile(tracer)
    function(net, task, learn=learn, rule=rule, steps=3)
    sys.setprofile(None)
    return len(net.edges)


def main() -> None:
    """Print the modules of the training, and those of each journey."""
    count = train(None)
    stiffness = np.sort(np.random.default_rng(1).uniform(0.5, 2, count))
    tracer = Tracer({"stiffness": stiffness, "eta": ETA, "strain": STRAIN})
    train(stiffness, tracer)
    for name, modules in tracer.journeys.items():
        print(f"{name}: {len(modules)}\n    " + " ".join(sorted(modules)))
    print(f"all that run: {len(tracer.modules)}\n    " + " ".join(sorted(tracer.modules)))


if __name__ == "__main__":
    main()
