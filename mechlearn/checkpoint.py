"""Checkpoints: what a training needs to go on after a break, written so that none is ever half."""

import hashlib
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.errors import InputError, MechlearnError, SolveError
from mechlearn.fenics import MPI
from mechlearn.learner import Learner
from mechlearn.meshfile import failure
from mechlearn.network import Network
from mechlearn.setup import Setup

#: Bumped when the arrays of a checkpoint change their meaning.
FORMAT = 4
#: Seconds between checkpoints.
EVERY = 30.0


class Stopped(MechlearnError):
    """The user stopped a training; the text says how to go on."""

    exit_code = 130


class Checkpoints:
    """Saves a learner now and then, and at once when the process is asked to stop.

    Hand it to a learner's ``watch``; use it as a context so that signals are taken care of, and the
    last step that could be solved is saved when the next cannot. With several ranks all call it,
    and the first writes.
    """

    def __init__(self, path: Path, setup: Setup, every: float = EVERY) -> None:
        self.path, self.every = path, every
        self.digest = digest(setup)
        self._last = time.monotonic()
        self._asked = False
        self._before: dict[int, object] = {}
        self._seen: tuple[Learner, dict[str, NDArray]] | None = None

    def __enter__(self) -> Self:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, kind, error, trace) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        if isinstance(error, SolveError) and self._save_seen():
            step = int(self._seen[1]["updates"])
            raise type(error)(
                f"{str(error).rstrip('.')}; what was learned up to step {step} is saved, and the "
                f"same command with train.steps = {step} and --resume writes it as a run."
            ) from error

    def __call__(self, learner: Learner) -> None:
        """Save if it is time; raises Stopped if the process was asked to stop."""
        due = time.monotonic() - self._last > self.every
        stop = self._asked
        comm = learner.model.comm
        if comm.size > 1:  # saving is collective: all ranks must agree on it
            due, stop = comm.allreduce(due, op=MPI.LOR), comm.allreduce(stop, op=MPI.LOR)
        # Steps make new arrays, so these stay as they are.
        values = {f"dof/{dof.name}": dof.values for dof in learner.dofs}
        self._seen = learner, {"updates": np.array(learner.updates), **values}
        if due or stop:
            self.save(learner)
        if stop:
            how = "the same command with --resume goes on from there"
            if not learner.resumable:
                how = "but a search like this cannot go on from there"
            raise Stopped(f"stopped at step {learner.updates}, and saved; {how}.")

    def save(self, learner: Learner) -> None:
        """Write the checkpoint: to a file beside it first, which then takes its place."""
        self._last = time.monotonic()
        state = learner.state()
        if learner.model.comm.rank == 0:
            self._write(state, learner.network)

    def restore(self, learner: Learner) -> None:
        """Put a learner where the checkpoint left it.

        Raises
        ------
        InputError
            Where there is no checkpoint, it is damaged, or belongs to another task or network.
        """
        try:
            learner.restore(self._read(learner.network))
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise InputError(f"{self.path} does not fit the task: {failure(error)}.") from None

    def _save_seen(self) -> bool:
        """Save the last step seen, after an error in the next; returns whether that was possible.

        Its parameters are put back. What the steps remember is that of the error, if finite.
        """
        # An error need not have reached all ranks, and saving is collective.
        if self._seen is None or self._seen[0].model.comm.size > 1:
            return False
        learner, seen = self._seen
        state = learner.state() | seen
        if not all(np.isfinite(values).all() for values in state.values()):
            return False
        try:
            self._write(state, learner.network)
        except InputError:  # the error in hand says more
            return False
        return True

    def _write(self, state: Mapping[str, NDArray], network: Network) -> None:
        beside = self.path.with_suffix(".part")
        try:
            with beside.open("wb") as file:
                np.savez(
                    file,
                    allow_pickle=False,
                    format=np.array(FORMAT),
                    digest=np.array(self.digest),
                    network=np.array(_network_digest(network)),
                    content=np.array(_fingerprint(state)),
                    **state,
                )
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise InputError(f"{self.path} cannot be written: {failure(error)}.") from None

    def _read(self, network: Network) -> dict[str, NDArray]:
        if not self.path.is_file():
            raise InputError(f"{self.path.parent} holds no checkpoint to resume from.")
        try:
            with self.path.open("rb") as raw, np.load(raw, allow_pickle=False) as file:
                state = {name: np.asarray(file[name]) for name in file.files}
            version = int(state.pop("format", -1))
        except Exception as error:  # NumPy, zipfile and zlib fail in many ways on a damaged file
            raise InputError(f"{self.path} is damaged: {failure(error)}.") from None
        if version != FORMAT:
            raise InputError(f"{self.path} is of another version of mechlearn.")
        task, shape, content = (str(state.pop(k, "")) for k in ("digest", "network", "content"))
        if content != _fingerprint(state):
            raise InputError(f"{self.path} is damaged: its arrays are not those that were saved.")
        if task != self.digest:
            raise InputError(
                f"{self.path} belongs to another task: only train.steps and train.tolerance may "
                "change between a training and its resumption."
            )
        if shape != _network_digest(network):
            raise InputError(
                f"{self.path} belongs to another network: its nodes, bonds, cell, sets and data "
                "may not change between a training and its resumption."
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


def _network_digest(network: Network) -> str:
    """Fingerprint of everything a network is, in its order."""
    arrays = {"nodes": network.nodes, "edges": network.edges}
    if network.periodic:
        arrays |= {"cell": network.cell, "shifts": network.shifts}
    for part in ("node_sets", "edge_sets", "node_data", "edge_data"):
        arrays |= {f"{part}/{name}": values for name, values in getattr(network, part).items()}
    return _fingerprint(arrays)


def _fingerprint(arrays: Mapping[str, ArrayLike]) -> str:
    """Of names, types, shapes and content of some arrays."""
    known = hashlib.sha256()
    for name in sorted(arrays):
        values = np.asarray(arrays[name])
        if values.dtype.kind == "O":  # its bytes would be addresses
            values = values.astype(str)
        known.update(f"{name} {values.dtype.str} {values.shape} ".encode())
        known.update(values.tobytes())
    return known.hexdigest()
