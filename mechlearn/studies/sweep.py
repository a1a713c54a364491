"""Parameter sweeps: a task trained for all combinations of values, on a cluster of workers.

Every combination of the values is a *member*, a run in a folder of its own; ``sweep.csv`` has a row
for each. Members are spread over Dask workers: of a cluster on this machine, or of a scheduler that
runs elsewhere. A sweep that was interrupted goes on with the members that are missing or failed.
"""

import itertools
import json
import logging
import os
import re
import signal
import socket
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from mechlearn.errors import InputError, MechlearnError, first_line
from mechlearn.extensions import Loaded, load
from mechlearn.io.tables import csv_table
from mechlearn.io.writing import write_atomic
from mechlearn.runs.checkpoint import (
    ENDING,
    Stopped,
    differences,
    fingerprint,
    handling,
    network_digest,
)
from mechlearn.runs.config import Setup
from mechlearn.runs.folder import locked, new_folder, within
from mechlearn.runs.run import Run
from mechlearn.schema import checked, input_error, key_path

#: More members than this are surely a mistake.
MOST = 100_000
#: The table of a sweep, in its folder.
TABLE = "sweep.csv"
#: In the folder of every member: what it was made of.
RECORD = "member.json"
#: Columns of the table after those that vary.
RESULTS = ("converged", "error", "steps", "wall_s", "trouble")


@dataclass(frozen=True)
class Member:
    """Training of a sweep: its name, its own keys, and the complete configuration."""

    name: str
    varied: Mapping[str, Any]
    setup: Setup


def members(setup: Setup, vary: Mapping[str, Sequence[Any]]) -> list[Member]:
    """All combinations of the values, the last key varying fastest.

    Parameters
    ----------
    setup : Setup
    vary : mapping of keys such as ``"train.seed"`` or ``"targets[1].strain"`` to their values
        Tables in lists are counted from 1.

    Raises
    ------
    InputError
        For a key that leads nowhere, a value that makes no sense there, and too many members.
    """
    count = 1
    for key, values in vary.items():
        if not values:
            raise InputError(f"sweep: {key} has no values.")
        count *= len(values)
    if count > MOST:
        raise InputError(f"sweep: {count} trainings are more than {MOST}.")
    base = setup.model_dump(mode="json", exclude_none=True)
    out = []
    for number, values in enumerate(itertools.product(*vary.values()), 1):
        varied = dict(zip(vary, values, strict=True))
        data = base
        for key, value in varied.items():
            data = _replaced(data, _path(key), value, key)
        try:
            member = Setup.model_validate(data)
            _ = member.procedure, member.task
        except ValidationError as error:
            raise input_error(error, Setup, f"sweep: member {number}") from None
        except InputError as error:
            raise InputError(f"sweep: member {number}: {error}") from None
        out.append(Member(f"{number:0{len(str(count))}d}", varied, member))
    return out


@checked(setup=Setup, output=Path, vary=Mapping, folder=Path, watch=Callable)
def sweep(
    setup: Setup,
    output: Path,
    vary: Mapping[str, Sequence[Any]],
    *,
    folder: Path = Path(),
    workers: int | None = None,
    scheduler: str | None = None,
    watch: Callable[[int, int, dict[str, Any]], None] | None = None,
) -> list[dict[str, Any]]:
    """Train all members, and write their runs and the table.

    Parameters
    ----------
    setup, folder : the task, and the folder its files are relative to
    output : path
        The folder of the sweep. Members that it holds already, finished, are not trained again.
    vary : what varies, see ``members``
    workers : int, optional
        Processes on this machine, as many as it has cores unless given.
    scheduler : str, optional
        Address of a Dask scheduler whose workers see the same folders, instead.
    watch : called with the numbers of members done and in all, and the row of the last

    Returns
    -------
    list of dicts
        The rows of the table: what varies, then ``converged``, ``error``, ``steps``, ``wall_s`` and
        ``trouble``, the reason why a member failed.

    Raises
    ------
    InputError
        For keys that do not fit, and a folder that holds another sweep or is in use.
    Stopped
        Where the process is asked to end (SIGINT, SIGTERM, SIGHUP).
    """
    planned = members(setup, vary)
    output.mkdir(parents=True, exist_ok=True)
    with locked(output):
        made = _Records(folder)
        for member in planned:
            within(output, member.name)
        rows = _finished(output, planned, made)
        left = [m for m in planned if m.name not in rows]
        try:
            with _interruptible(), _cluster(workers, scheduler, len(left)) as client:
                futures = {
                    client.submit(
                        _train,
                        m.setup,
                        made.record(m.setup),
                        folder.absolute(),
                        (output / m.name).absolute(),
                        Loaded.now(),
                        pure=False,
                    ): m
                    for m in left
                }
                for future, result in _as_completed(futures):
                    member = futures[future]
                    rows[member.name] = {**member.varied, **result}
                    if watch:
                        watch(len(rows), len(planned), rows[member.name])
        except KeyboardInterrupt as asked:
            raise Stopped(
                f"stopped with {len(rows)} of {len(planned)} members done; the same command goes "
                "on from there.",
                *asked.args,
            ) from None
        finally:
            _write(output / TABLE, planned, rows)
    return [rows[m.name] for m in planned]


def parse(assignment: str) -> tuple[str, list[Any]]:
    """A key and its values from text such as ``train.seed=0:64`` or ``rule.eta=0.01,0.1``.

    ``a:b`` counts from a to b - 1; values are as in TOML, and words need no quotes.
    """
    key, equals, text = assignment.partition("=")
    if not equals or not key.strip() or not text.strip():
        raise InputError(f"--vary {assignment!r} must be a key and values, such as train.seed=0:8.")
    first, colon, last = text.partition(":")
    if colon and first.strip().isdigit() and last.strip().isdigit():
        return key.strip(), list(range(int(first), int(last)))
    return key.strip(), _values(text)


def _values(text: str) -> list[Any]:
    try:
        return tomllib.loads(f"values = [{text}]")["values"]
    except tomllib.TOMLDecodeError:
        return [word.strip() for word in text.split(",")]


def _path(key: str) -> list[str | int]:
    """The parts of a key: names, and places in lists from 0."""
    parts = re.findall(r"([^.\[\]]+)|\[([1-9]\d*)\]", key)
    path = [int(number) - 1 if number else name for name, number in parts]
    if key_path(path) != key:
        raise InputError(f"sweep: {key} must be a key such as targets[1].strain.")
    return path


def _replaced(data: Any, path: Sequence[str | int], value: Any, key: str) -> Any:
    """Copy of nested tables with a new value at the end of a path."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        if not isinstance(data, list) or head >= len(data):
            raise InputError(f"sweep: {key} names entry {head + 1} of a list that has not so many.")
        return [*data[:head], _replaced(data[head], rest, value, key), *data[head + 1 :]]
    if not isinstance(data, dict):
        raise InputError(f"sweep: {key} leads nowhere: {head} is in no table.")
    return {**data, head: _replaced(data.get(head, {}), rest, value, key)}


def _train(
    setup: Setup, record: str, folder: Path, output: Path, extensions: Loaded
) -> dict[str, Any]:
    """Train one member in a worker, with the extensions that are known here."""
    extensions.restore()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    from mechlearn.fenics import MPI
    from mechlearn.runs.training import train_setup

    try:
        run = train_setup(setup, folder, comm=MPI.COMM_SELF)
        write_atomic(new_folder(output, overwrite=True) / RECORD, record.encode())
        run.save(output, overwrite=True)
    except MechlearnError as error:
        return {"converged": False, "trouble": str(error)}
    return _results(run.summary)


def _results(summary: Mapping[str, Any]) -> dict[str, Any]:
    trouble = summary["why"] if summary.get("outcome") == "stopped" else ""
    return {name: summary[name] for name in RESULTS[:-1]} | {"trouble": trouble}


class _Records:
    """Records of members: configurations as written, and digests of the files they name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files: dict[str, str] = {}

    def record(self, setup: Setup) -> str:
        """Text of all that determines the result of a training."""
        written = setup.model_dump(mode="json", exclude_none=True)
        files = Loaded.now().digests()
        files |= {"network": self._digest(setup.network.model_dump_json(), self._network, setup)}
        if setup.start is not None:
            files["start"] = self._digest(f"start {setup.start}", self._start, setup)
        if setup.examples:
            text = json.dumps(written["examples"], sort_keys=True)
            written["examples"] = sha256(text.encode()).hexdigest()
        return json.dumps({**written, "contents": files}, sort_keys=True)

    def _digest(self, key: str, of: Callable[[Setup], str], setup: Setup) -> str:
        if key not in self._files:
            try:
                self._files[key] = of(setup)
            except MechlearnError as error:  # which is the member's trouble, and told as that
                self._files[key] = str(error)
        return self._files[key]

    def _network(self, setup: Setup) -> str:
        if setup.network.file is None:
            return ""  # a generator's parameters say it all
        return network_digest(setup.build_network(self.folder))

    def _start(self, setup: Setup) -> str:
        run = Run.load(self.folder / str(setup.start))
        broken = np.array(run.setup.imperfections.broken)
        return fingerprint({**run.learned, "broken": broken})


def _finished(output: Path, planned: Sequence[Member], made: _Records) -> dict[str, dict[str, Any]]:
    """Rows of the members that are done."""
    rows = {}
    for member in planned:
        folder = output / member.name
        if not (folder / "summary.json").is_file():
            continue
        run = Run.load(folder)
        record = made.record(member.setup)
        try:
            there = (folder / RECORD).read_text(encoding="utf-8")
        except (OSError, ValueError):
            there = ""
        if what := differences(there, record):
            raise InputError(
                f"{folder} holds a run of another sweep ({what}); choose another folder, or the "
                "same task and values."
            )
        rows[member.name] = {**member.varied, **_results(run.summary)}
    return rows


def _require_answer(address: str) -> None:
    """Raise InputError where no scheduler responds at an address.

    A client of Dask that finds nobody can hang the next one, when it is collected.
    """
    from distributed.comm.addressing import parse_address, parse_host_port
    from distributed.comm.registry import backends

    try:
        scheme, place = parse_address(address)
        if scheme not in backends:
            raise ValueError(f"{scheme}:// is none of {', '.join(backends)}")
        if scheme != "inproc":
            socket.create_connection(parse_host_port(place), timeout=10).close()
    except (OSError, ValueError, TypeError) as error:
        said = first_line(str(error)) or type(error).__name__
        raise InputError(f"--scheduler {address}: nobody answers ({said}).") from None


@contextmanager
def _cluster(workers: int | None, scheduler: str | None, members: int = 1) -> Iterator[Any]:
    if not members:
        yield None
        return
    load("distributed", "sweep", "sweep needs")
    import dask
    from distributed import Client, LocalCluster

    if scheduler is not None:
        _require_answer(scheduler)
        with Client(scheduler, timeout=10) as client:
            yield client
        return
    count = workers or len(os.sched_getaffinity(0))
    # Connections that are cut when a sweep is stopped are told of later than logs are silenced.
    logging.getLogger("distributed.batched").setLevel(logging.CRITICAL)
    # A member's arrays stay in its worker, and a worker that dies is a member that failed.
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}):
        with handling((signal.SIGINT,), signal.SIG_IGN):  # Ctrl-C is for this process alone
            cluster = LocalCluster(
                n_workers=count,
                threads_per_worker=1,
                dashboard_address="127.0.0.1:0",  # None is one port for all sweeps
                silence_logs=logging.CRITICAL,
            )
        with cluster, Client(cluster) as client:
            yield client


def _interruptible() -> AbstractContextManager[None]:
    """Convert termination signals to KeyboardInterrupt with the signal's number."""

    def stop(number: int, _: object) -> None:
        raise KeyboardInterrupt(number)

    return handling(ENDING, stop)


def _as_completed(futures: Mapping[Any, Member]) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Futures as they complete, with their results; exceptions become results."""
    if not futures:
        return
    from distributed import as_completed

    for future in as_completed(futures):
        try:
            yield future, future.result()
        except (Exception, CancelledError) as error:
            trouble = f"{type(error).__name__}: {error}".splitlines()[0]
            yield future, {"converged": False, "trouble": trouble}


def _write(path: Path, planned: Sequence[Member], rows: Mapping[str, Mapping[str, Any]]) -> None:
    names = ["member", *planned[0].varied, *RESULTS]
    mine = ({"member": m.name, **rows[m.name]} for m in planned if m.name in rows)
    write_atomic(path, csv_table(names, mine))
