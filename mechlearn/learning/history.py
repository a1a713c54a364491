"""Record of a training: its history, and positions to go back to, as plain arrays."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.element import Element
from mechlearn.learning.optimisers import StepScale
from mechlearn.tasks.problem import Problem

if TYPE_CHECKING:
    import xarray

#: Parameters are kept at no more than twice this many steps.
SNAPSHOTS = 200


class History:
    """One entry per step, made before its update, and one more after the last update.

    Attributes
    ----------
    error : list of float
        Largest relative target error; the mean cost where nothing is wanted at a value.
    cost : list of float
        The task's cost in the user's units, mean over examples.
    contrast : list of float
        Potential of the rule's last phase less that of its first, mean over examples.
    outputs : list of (examples, targets) arrays
        What the targets read in the free state, in the user's units.
    snapshots : list of (step, mapping)
        Learning parameters by name at some steps, evenly spaced.
    """

    def __init__(self) -> None:
        self.error: list[float] = []
        self.cost: list[float] = []
        self.contrast: list[float] = []
        self.outputs: list[NDArray[np.float64]] = []
        self.snapshots: list[tuple[int, dict[str, NDArray[np.float64]]]] = []
        self._every = 1

    def note(
        self,
        problem: Problem,
        outputs: NDArray,
        error: float,
        contrast: NDArray,
        parameters: Mapping[str, NDArray],
    ) -> None:
        """Append a step: outputs and contrasts of every example, their error, and parameters."""
        step = len(self.error)
        self.outputs.append(outputs / problem.units)
        self.error.append(error)
        self.cost.append(float(problem.costs(outputs).mean()))
        self.contrast.append(float(contrast.mean()))
        if step % self._every == 0:
            self.snapshots.append((step, dict(parameters)))
            if len(self.snapshots) >= 2 * SNAPSHOTS:
                self._every *= 2
                self.snapshots = [s for s in self.snapshots if s[0] % self._every == 0]

    def state(self) -> dict[str, NDArray]:
        """Complete history, as plain arrays."""
        out = {
            name: np.array(getattr(self, name)) for name in ("error", "cost", "contrast", "outputs")
        }
        out["snapshot_steps"] = np.array([step for step, _ in self.snapshots], dtype=int)
        for name in self.snapshots[0][1] if self.snapshots else ():
            out[f"snapshots/{name}"] = np.array([values[name] for _, values in self.snapshots])
        out["every"] = np.array(self._every)
        return out

    def restore(self, state: Mapping[str, NDArray], steps: int) -> None:
        """Go back to a :meth:`state`, as it was before the entry of step ``steps``.

        Raises
        ------
        ValueError
            Where it has no such step, or its parts do not go together.
        """
        names = [k.partition("/")[2] for k in state if k.startswith("snapshots/")]
        length, taken = len(state["error"]), state["snapshot_steps"]
        for name in ("error", "cost", "contrast", "outputs"):
            if len(state[name]) != length:
                raise ValueError(f"it has {len(state[name])} entries of {name}, not {length}")
            setattr(self, name, list(state[name]))
        if not 0 <= steps <= length or any(
            len(state[f"snapshots/{n}"]) != len(taken) for n in names
        ):
            raise ValueError(f"its history of {length} steps does not reach to step {steps}")
        self.snapshots = [
            (int(step), {name: state[f"snapshots/{name}"][k] for name in names})
            for k, step in enumerate(taken)
        ]
        self._every = max(1, int(state["every"]))
        self.cut(steps)

    def cut(self, steps: int) -> None:
        """Remove the entries from step ``steps`` on."""
        for name in ("error", "cost", "contrast", "outputs"):
            del getattr(self, name)[steps:]
        self.snapshots = [s for s in self.snapshots if s[0] < steps]

    def dataset(
        self, problem: Problem, parameters: Mapping[str, NDArray], energy: Element
    ) -> "xarray.Dataset":
        """Labelled arrays; the parameters as they are now become the last snapshot."""
        import xarray

        last = len(self.error) - 1
        snapshots = [s for s in self.snapshots if s[0] < last] + [(last, dict(parameters))]
        data: dict[str, Any] = {
            "error": ("step", self.error, {"long_name": problem.error_name}),
            "cost": ("step", self.cost, {"long_name": "cost, mean over examples"}),
            "contrast": ("step", self.contrast, {"long_name": "potential, clamped less free"}),
            "output": (("step", "example", "target"), np.array(self.outputs)),
        }
        for name in parameters:
            values = np.array([values[name] for _, values in snapshots])
            data[name] = (("snapshot", energy.parameter(name).dimension), values)
        return xarray.Dataset(
            data,
            coords={
                "step": np.arange(last + 1),
                "example": np.arange(1, problem.n_examples + 1),
                "target": problem.output_names,
                "snapshot": (
                    "snapshot",
                    [step for step, _ in snapshots],
                    {"long_name": "step of the snapshot"},
                ),
            },
        )


@dataclass(frozen=True, eq=False)
class Position:
    """Start of a step; arrays in it are never changed.

    Attributes
    ----------
    updates : int
        Steps taken before.
    dofs : tuple of (m,) arrays
        Values of what learns.
    steps : tuple of mappings
        The optimisers' memory.
    equilibrium : Any
        What the next states start from, as the equilibrium keeps it.
    step_scale : StepScale
    rule : mapping
        What a rule of users keeps between steps.
    """

    updates: int
    dofs: tuple[NDArray, ...]
    steps: tuple[dict[str, NDArray], ...]
    equilibrium: Any
    step_scale: StepScale
    rule: Mapping[str, Any]

    def arrays(
        self, names: Iterable[str], states: Mapping[str, NDArray]
    ) -> dict[str, NDArray[Any]]:
        """Everything as arrays by name, given names of what learns and arrays of the states."""
        out: dict[str, NDArray] = {"updates": np.array(self.updates)}
        out["step_scale"] = self.step_scale.as_array()
        for name, values, memory in zip(names, self.dofs, self.steps, strict=True):
            out[f"dof/{name}"] = values
            out |= {f"step/{name}/{key}": value for key, value in memory.items()}
        out |= {f"rule/{k}": np.array(v) for k, v in self.rule.items() if v is not None}
        return out | {f"memory/{name}": values for name, values in states.items()}


def within(state: Mapping[str, NDArray], start: str) -> dict[str, NDArray]:
    """Entries with names that begin with ``start``, which is removed."""
    return {k.removeprefix(start): v for k, v in state.items() if k.startswith(start)}
