"""Checkpoints: what a training needs to go on after a break, written so that none is ever half."""

import hashlib
import os
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, MechlearnError
from mechlearn.fenics import MPI
from mechlearn.learner import Learner
from mechlearn.setup import Setup

#: Bumped when the arrays of a checkpoint change their meaning.
FORMAT = 1
#: Seconds between checkpoints.
EVERY = 30.0


class Stopped(MechlearnError):
    """The user stopped a training; the text says how to go on."""

    exit_code = 130


class Checkpoints:
    """Saves a learner now and then, and at once when the process is asked to stop.

    Hand it to a learner's ``watch``; use it as a context so that signals are taken care of. With
    several ranks all call it, and the first writes.
    """

    def __init__(self, path: Path, setup: Setup, every: float = EVERY) -> None:
        self.path, self.every = path, every
        self.digest = digest(setup)
        self._last = time.monotonic()
        self._asked = False
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def __call__(self, learner: Learner) -> None:
        """Save if it is time; raises Stopped if the process was asked to stop."""
        due = time.monotonic() - self._last > self.every
        stop = self._asked
        comm = learner.model.comm
        if comm.size > 1:  # saving is collective: all ranks must agree on it
            due, stop = comm.allreduce(due, op=MPI.LOR), comm.allreduce(stop, op=MPI.LOR)
        if due or stop:
            self.save(learner)
        if stop:
            raise Stopped(
                f"stopped at step {learner.updates}, and saved; the same command with --resume "
                "goes on from there."
            )

    def save(self, learner: Learner) -> None:
        """Write the checkpoint: to a file beside it first, which then takes its place."""
        self._last = time.monotonic()
        state = learner.state()
        if learner.model.comm.rank:
            return
        beside = self.path.with_suffix(".part")
        try:
            with beside.open("wb") as file:
                np.savez(
                    file,
                    allow_pickle=False,
                    format=np.array(FORMAT),
                    digest=np.array(self.digest),
                    **state,
                )
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {error.strerror}.") from None

    def restore(self, learner: Learner) -> None:
        """Put a learner where the checkpoint left it.

        Raises
        ------
        InputError
            Where there is no checkpoint, it is damaged, or belongs to another task.
        """
        learner.restore(self._read())

    def _read(self) -> dict[str, NDArray]:
        if not self.path.is_file():
            raise InputError(f"{self.path.parent} holds no checkpoint to resume from.")
        try:
            with np.load(self.path, allow_pickle=False) as file:
                state = {name: file[name] for name in file.files}
        except (OSError, ValueError, EOFError) as error:
            raise InputError(f"{self.path} is damaged: {error}.") from None
        if int(state.pop("format", -1)) != FORMAT:
            raise InputError(f"{self.path} is of another version of mechlearn.")
        if str(state.pop("digest", "")) != self.digest:
            raise InputError(
                f"{self.path} belongs to another task: only train.steps and train.tolerance may "
                "change between a training and its resumption."
            )
        return state

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self._asked:  # asked twice: do not wait for the step
            raise KeyboardInterrupt
        self._asked = True


def digest(setup: Setup) -> str:
    """Fingerprint of a set-up, but for when to stop."""
    when = {"steps": 0, "tolerance": 1.0}
    same = setup.model_copy(update={"train": setup.train.model_copy(update=when)})
    return hashlib.sha256(same.model_dump_json().encode()).hexdigest()
