"""Interrupted trainings: signals that end them, and checkpoints from which they resume.

Checkpoints are atomic, and the last two are kept: where the last turns out to be damaged, a
training goes on from the one before. What they hold is plain arrays and text, read with every size
checked.
"""

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError, MechlearnError, failure
from mechlearn.io.untrusted import read_arrays
from mechlearn.io.writing import write_atomic
from mechlearn.learning import Learner
from mechlearn.network import Network
from mechlearn.runs.config import Setup
from mechlearn.runs.folder import BEFORE, CHECKPOINT, Place, resumable

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: What asks a process to end: Ctrl-C, a scheduler, a terminal that is gone.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: Bumped when the arrays of a checkpoint change their meaning.
FORMAT = 6
#: Seconds between checkpoints.
SECONDS = 30.0
#: What may change between a training and its resumption.
MAY_CHANGE = ("train.steps", "train.tolerance")


class Stopped(MechlearnError):
    """The user stopped a training; the text says how to go on."""

    def __init__(self, text: str, number: int = signal.SIGINT) -> None:
        super().__init__(text)
        self.exit_code = 128 + number


class Interrupted(KeyboardInterrupt):
    """A training was interrupted, as by Ctrl-C or the stop button of a notebook.

    Attributes
    ----------
    run : Run
        Its state at the last finished step.
    runs : list of Run
        Of a sequence: those of the stages before as well.
    """

    def __init__(self, run: "Run", runs: Sequence["Run"] = ()) -> None:
        super().__init__(
            f"interrupted after step {run.summary['steps']}, with the error "
            f"{run.summary['error']:.2e}. What was learned until then is kept: it is the `run` of "
            "this exception (at a prompt: import sys; run = sys.last_value.run)."
        )
        self.run, self.runs = run, [*runs, run]


@contextmanager
def handling(numbers: Sequence[signal.Signals], how: Any) -> Iterator[None]:
    """Context with other handlers of signals; ignored signals, as by nohup, stay ignored.

    Only the main thread gets signals; in others nothing changes.
    """
    old = {}
    if threading.current_thread() is threading.main_thread():
        for number in numbers:
            if signal.getsignal(number) != signal.SIG_IGN:
                old[number] = signal.signal(number, how)
    try:
        yield
    finally:
        for number, handler in old.items():
            signal.signal(number, handler)


class Damaged(InputError):
    """Corrupt checkpoint."""


class Checkpoints:
    """Periodic checkpoints of a learner, also on termination signals.

    Hand it to a learner's ``watch``; use it as a context so that signals are taken care of. With
    several ranks all call it, and the first writes. Where a checkpoint cannot be written, training
    goes on, and saving is tried again when the next one is due.

    Parameters
    ----------
    folder : Path
        The folder of the run.
    setup : Setup
        What is trained.
    seconds : float
        Save when so much time has passed since the last time.
    steps : int, optional
        Save after so many steps as well.
    tell : function of a text
        Told what the user should know at once.
    """

    def __init__(
        self,
        folder: Path,
        setup: Setup,
        *,
        seconds: float = SECONDS,
        steps: int | None = None,
        tell: Callable[[str], object] = lambda text: None,
    ) -> None:
        if not seconds >= 0 or (steps is not None and steps < 1):
            raise InputError("Checkpoints are saved every so many seconds, or at least 1 step.")
        self.place = Place(Path(folder), tell)
        self.seconds, self.steps, self.tell = seconds, steps, tell
        self._setup = setup
        self._time, self._step = -np.inf, 0
        self._good = False  # whether the file at the path is one of this training
        self._asked = 0
        self._told = ""
        self._heard = ExitStack()

    # -- saving --------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self._heard.enter_context(handling(ENDING, self._ask))
        return self

    def __exit__(self, *_: object) -> None:
        self._heard.close()

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:  # asked twice: do not wait for the step
            raise KeyboardInterrupt
        self._asked = number

    def __call__(self, learner: Learner) -> None:
        """Save if it is time; raises Stopped if the process was asked to stop."""
        due = time.monotonic() - self._time >= self.seconds
        due = due or bool(self.steps and learner.updates - self._step >= self.steps)
        asked = self._asked
        comm = learner.model.comm
        if comm.size > 1:  # saving is collective: all ranks must agree on it
            due, asked = (max(of) for of in zip(*comm.allgather((due, asked)), strict=True))
        if asked:
            trouble = self._tried(learner)
            at = f"stopped at step {learner.updates}"
            if trouble:
                raise Stopped(f"{at}, which could not be saved: {trouble}", asked)
            raise Stopped(
                f"{at}, and saved; the same command with --resume goes on from there.", asked
            )
        if due:
            first = np.isneginf(self._time)
            trouble = self._tried(learner)
            if trouble and first:
                raise InputError(trouble)
            if trouble and trouble != self._told:
                self.tell(f"{trouble} Training goes on, and saving is tried again.")
            self._told = trouble

    def save(self, learner: Learner) -> None:
        """Write the checkpoint.

        Raises
        ------
        InputError
            On all ranks, where it cannot be written; the last one stays.
        """
        if trouble := self._tried(learner):
            raise InputError(trouble)

    def _tried(self, learner: Learner) -> str:
        """Write the checkpoint; returns the error if any, on all ranks."""
        self._time, self._step = time.monotonic(), learner.updates
        state, trouble = learner.state(), ""
        comm = learner.model.comm
        if comm.rank == 0:
            try:
                self._write(state, learner.network)
            except InputError as error:
                trouble = str(error)
        return comm.bcast(trouble) if comm.size > 1 else trouble

    def _write(self, state: Mapping[str, NDArray], network: Network) -> None:
        about = {
            "format": np.array(FORMAT),
            "setup": np.array(_fixed(self._setup)),
            "network": np.array(network_digest(network)),
        }
        everything = {**about, **state}
        # What the path holds may be damaged, or of an older training: that is not worth keeping.
        folder = self.place.find()
        before = folder / BEFORE
        write_atomic(
            folder / CHECKPOINT,
            lambda file: np.savez(
                file, allow_pickle=False, content=fingerprint(everything), **everything
            ),
            before if self._good else None,
        )
        if not self._good:
            before.unlink(missing_ok=True)
        self._good = True

    # -- going on ------------------------------------------------------------------------------

    def restore(self, learner: Learner) -> None:
        """Restore a learner from the last intact checkpoint; tells if that is not the latest.

        Raises
        ------
        InputError
            Where no good one is left, or it belongs to another task or network.
        """
        troubles = []
        folder = self.place.find()
        for path in (folder / CHECKPOINT, folder / BEFORE):
            if not path.is_file():
                continue
            try:
                state = self._read(path, learner.network)
            except Damaged as error:
                troubles.append(str(error))
                continue
            try:
                learner.restore(state)
            except (KeyError, TypeError, ValueError, IndexError) as error:
                raise InputError(f"{path} does not fit the task: {failure(error)}.") from None
            self._good = path.name == CHECKPOINT
            if troubles:
                self.tell(
                    f"{' '.join(troubles)} Training goes on from the checkpoint before it, of "
                    f"step {learner.updates}."
                )
            return
        if troubles:
            raise InputError(" ".join([*troubles, "No other checkpoint is left."]))
        resumable(folder)
        self.tell(f"{folder} holds no checkpoint; training starts from the beginning.")

    def _read(self, path: Path, network: Network) -> dict[str, NDArray]:
        try:
            # Nothing is compressed, so no more can be in it than the file has bytes.
            state = read_arrays(path, largest=path.stat().st_size)
            version = int(state["format"])
            content = str(state.pop("content"))
        except InputError as error:
            raise Damaged(str(error)) from None
        except Exception as error:  # NumPy, zipfile and zlib fail in many ways on a damaged file
            raise Damaged(f"{path} is damaged: {failure(error)}.") from None
        if version != FORMAT:
            raise InputError(f"{path} is of another version of mechlearn (format {version}).")
        if content != fingerprint(state):
            raise Damaged(f"{path} is damaged: its arrays are not those that were saved.")
        setup, shape = str(state.pop("setup")), str(state.pop("network"))
        del state["format"]
        if what := differences(setup, _fixed(self._setup)):
            raise InputError(
                f"{path} belongs to another task ({what}): only {' and '.join(MAY_CHANGE)} may "
                "change between a training and its resumption."
            )
        if shape != network_digest(network):
            raise InputError(
                f"{path} belongs to another network: its nodes, bonds, cell, sets and data "
                "may not change between a training and its resumption."
            )
        return state


def _fixed(setup: Setup) -> str:
    """Set-up as text, without the stopping criteria."""
    when = {"steps": 0, "tolerance": 1.0}
    same = setup.model_copy(update={"train": setup.train.model_copy(update=when)})
    return same.model_dump_json()


def differences(then: str, now: str) -> str:
    """Keys in which two set-ups differ, in words; empty where only their order does."""
    try:
        old, new = (dict(_leaves(json.loads(text))) for text in (then, now))
    except (ValueError, RecursionError):
        return "it does not say of which task"
    keys = [k for k in {**old, **new} if old.get(k) != new.get(k)]
    said = [f"{k} was {_short(old.get(k))} and is {_short(new.get(k))}" for k in keys[:3]]
    return "; ".join(said) + (f"; {len(keys) - 3} more differ" if len(keys) > 3 else "")


def _leaves(data: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict) and data:
        for name, value in data.items():
            yield from _leaves(value, f"{path}.{name}" if path else str(name))
    elif isinstance(data, list) and any(isinstance(part, dict) for part in data):
        for number, value in enumerate(data, 1):
            yield from _leaves(value, f"{path}[{number}]")
    else:
        yield path, data


def _short(value: Any) -> str:
    text = "not given" if value is None else json.dumps(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def network_digest(network: Network) -> str:
    """Fingerprint of a network, its order included."""
    arrays: dict[str, Any] = {"nodes": network.nodes, "edges": network.edges}
    if network.labels is not None:
        arrays["labels"] = np.array(network.labels)
    if network.periodic:
        arrays |= {"cell": network.cell, "shifts": network.shifts}
    for part in ("node_sets", "edge_sets", "node_data", "edge_data"):
        arrays |= {f"{part}/{name}": values for name, values in getattr(network, part).items()}
    return fingerprint(arrays)


def fingerprint(arrays: Mapping[str, ArrayLike]) -> str:
    """Fingerprint of names, types, shapes and content of some arrays."""
    known = hashlib.sha256()
    for name in sorted(arrays):
        values = np.asarray(arrays[name])
        if values.dtype.kind == "O":  # its bytes would be addresses
            values = values.astype(str)
        known.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        known.update(values.tobytes())
    return known.hexdigest()
