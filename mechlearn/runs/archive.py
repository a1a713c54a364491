"""Files of a run's folder: writing, reading and validation."""

import json
import logging
import sys
from contextlib import nullcontext
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import TypeAdapter, ValidationError

from mechlearn.energies.element import BondEnergy, Element
from mechlearn.errors import InputError, about, failure
from mechlearn.extensions import is_own
from mechlearn.io.meshfile import read_fields, state_fields, states_of, write_network
from mechlearn.io.untrusted import check_hdf
from mechlearn.io.writing import staged_files
from mechlearn.network import Network
from mechlearn.runs.config import Setup
from mechlearn.runs.folder import FILES, has_checkpoint, locked
from mechlearn.runs.taskfile import read_setup, to_toml
from mechlearn.schema import key_path
from mechlearn.tasks.data import write_examples

if TYPE_CHECKING:
    import xarray

    from mechlearn.runs.run import Run

logger = logging.getLogger(__name__)
#: The examples, where there are more of them than the task file should list.
EXAMPLES, IN_TASK_FILE = "examples.csv", 50
#: What the arrays of a history may take in memory, in bytes: a long one is large.
HISTORY = 2**33
#: In summary.json, of history.nc: on some damaged files HDF5 never returns.
CHECKSUM = "history_sha256"
#: In summary.json, of an element of users: an energy, by which its law is known again.
LAW = "law_energy"
#: In history.nc, what learned of node tuples, by its name after this.
LEARNED = "learned_"


def write_run(run: "Run", folder: Path) -> Path:
    """Write a run into an existing folder, atomically.

    Raises
    ------
    InputError
        Where a file of it cannot be written, or another process has the folder.
    """
    tuples = {name: rows.tolist() for name, rows in run.network.tuples.items()}
    images = {name: shifts.tolist() for name, shifts in run.network.tuple_shifts.items()}
    table = {"file": "network.vtu", **tuples, **({"tuple_shifts": images} if images else {})}
    if run.network.body is not None:
        table = run.network.body.table("network.vtu", run.network.cell)
    network = run.setup.network.model_validate(table)
    resolved = run.setup.model_copy(update={"network": network, "plugins": run.setup.origins()})
    many = len(run.setup.examples) > IN_TASK_FILE
    with locked(folder), staged_files(folder, last="summary.json") as stage:
        write_network(stage / "network.vtu", run.network)
        if many:
            write_examples(stage / EXAMPLES, run.setup.examples)
        task = to_toml(resolved, EXAMPLES if many else None)
        (stage / "task.toml").write_bytes(task.encode())
        history = _netcdf(run.history.assign(_of_tuples(run)))
        (stage / "history.nc").write_bytes(history)
        fields = run.energy.kinematics.fields(run.network.dim)
        write_network(
            stage / "learned.vtu",
            run.network,
            cell_data=run.energy.of_cells(run.learned, run.network),
            point_data=state_fields(fields, run.response),
        )
        summary = {**run.summary, CHECKSUM: sha256(history).hexdigest(), **law(run)}
        text = json.dumps(summary, indent=2, allow_nan=False)
        (stage / "summary.json").write_bytes(f"{text}\n".encode())
    return folder


def read_run(folder: Path, energy: Element | None = None) -> dict[str, Any]:
    """Constructor arguments of a :class:`mechlearn.Run`, read from its folder.

    The ``energy`` is that of the bonds, where it is none of mechlearn's own.

    Raises
    ------
    InputError
        Where the folder holds no run, a file of it is damaged, or it is being written; the message
        names the file.
    """
    written = _moment(folder)
    try:
        found = _read(folder, energy)
    except InputError:
        if written in (None, _moment(folder)):
            raise
        found = {}
    if not found or _moment(folder) != written:
        raise InputError(f"{folder} was written while it was read; read it again.")
    return found


def _read(folder: Path, energy: Element | None) -> dict[str, Any]:
    home = folder.resolve()
    for name in FILES:
        if not (folder / name).is_file():
            more = "; mechlearn train --resume goes on with it" if has_checkpoint(folder) else ""
            raise InputError(f"{folder} is no finished run: it has no {name}{more}.")
        if (folder / name).resolve().parent != home:
            raise InputError(f"{folder / name} lies outside the run, and is not read.")
    setup = read_setup(folder / "task.toml", closed=True)
    with about(folder / (setup.network.file or setup.network.body or "task.toml")):
        network = setup.build_network(folder)
    with about(folder / "task.toml"):
        setup.require(energy)
        energy = setup.element(network, energy)
        setup.constants(energy, network)
        for name in setup.learn:
            energy.parameter(name)
    with about(folder / "learned.vtu"):
        learned, response = _read_learned(folder / "learned.vtu", setup, network, energy)
    summary = _read_summary(folder / "summary.json")
    wanted = summary.pop(CHECKSUM, None)
    with about(folder / "history.nc"):
        if wanted and _digest(folder / "history.nc") != wanted:
            raise InputError(
                "it is damaged: it is not the file that summary.json was written with."
            )
        history = _read_history(folder / "history.nc", list(setup.learn), network, energy)
        for name in (n for n in setup.learn if n not in learned):
            if (kept := LEARNED + name) not in history:
                raise InputError(f"it holds no {kept}, which task.toml says has learned.")
            learned[name] = _per_element(name, history[kept].values, network, energy)
            history = history.drop_vars(kept)
    return {
        "setup": setup,
        "network": network,
        "initial": {n: history[n].isel(snapshot=0).values for n in setup.learn},
        "learned": learned,
        "response": response,
        "history": history,
        "summary": summary,
        "folder": folder,
        "energy": energy,
    }


def _of_tuples(run: "Run") -> dict[str, tuple[str, NDArray[np.float64]]]:
    """Learned parameters of node tuples, which learned.vtu has no cells for, for history.nc."""
    parameters = {name: run.energy.parameter(name) for name in run.learned}
    return {
        LEARNED + name: (p.dimension, run.learned[name])
        for name, p in parameters.items()
        if p.table != "edges"
    }


def law(run: "Run") -> dict[str, float]:
    """Energy of the learned network at random strains, of elements of users; empty for others."""
    energy, lengths = run.energy, run.network.lengths
    if not (isinstance(energy, BondEnergy) and any(map(is_own, energy.parts))):
        return {}
    rng, m = np.random.default_rng(0), len(lengths)
    strains = {name: 0.1 * lengths * rng.uniform(-1, 1, m) for name in energy.strains}
    with np.errstate(all="ignore"):
        each = energy.derivative()(**run.parameters, **strains, length=lengths) * np.ones(m)
    return {LAW: float(each[np.isfinite(each)].sum())}


def compare_law(run: "Run") -> None:
    """Note that an element of users is not what it was when the run was written."""
    before, now = run.summary.get(LAW), law(run).get(LAW)
    if before and now and not np.isclose(before, now, rtol=1e-9, atol=0):
        logger.warning(
            "%s: %r has another energy, or other defaults, than when the run was written; "
            "it is solved with those of now.", run.folder, run.energy.name
        )  # fmt: skip


def _moment(folder: Path) -> tuple[int, int] | None:
    """Inode and time of summary.json, which goes first and comes last when a run is written."""
    try:
        there = (folder / "summary.json").stat()
    except OSError:
        return None
    return there.st_ino, there.st_mtime_ns


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()


def _netcdf(history: "xarray.Dataset") -> bytes:
    """A history as the bytes of its file, made in memory: HDF5 fails badly on a full disk."""
    # HDF5 ends a text at its first null character.
    labels = [str(label).replace("\0", "\\0") for label in history["target"].values]
    # Else xarray asks the scheduler of any Dask client in this process for a lock, in vain.
    dask = sys.modules.get("dask")
    with dask.config.set(scheduler="synchronous") if dask else nullcontext():
        return bytes(history.assign_coords(target=labels).to_netcdf(engine="h5netcdf"))


def _read_learned(
    path: Path, setup: Setup, network: Network, energy: Element
) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    """The learned parameters and the response in learned.vtu."""
    points, lines = read_fields(path, network)
    learned = {}
    for name in (n for n in setup.learn if energy.parameter(n).table == "edges"):
        if name not in lines:
            raise InputError(f"the bonds have no {name}, which task.toml says has learned.")
        learned[name] = _per_element(name, lines[name], network, energy)
    examples = max(1, len(setup.examples))
    return learned, states_of(energy.kinematics.fields(network.dim), points, examples)


def _per_element(
    name: str, values: ArrayLike, network: Network, energy: Element
) -> NDArray[np.float64]:
    values, parameter = np.asarray(values), energy.parameter(name)
    count = network.count(parameter.table)
    if values.shape != (count,) or values.dtype.kind not in "fiu" or not np.isfinite(values).all():
        raise InputError(
            f"its {name} should be {count} finite numbers, one per {parameter.dimension}."
        )
    return values


def _read_history(
    path: Path, names: list[str], network: Network, energy: Element
) -> "xarray.Dataset":
    """Training history of a run, validated."""
    import h5py
    import xarray

    check_hdf(path, HISTORY)
    try:
        with h5py.File(path) as file:  # where this fails, h5netcdf would print a traceback
            dict(file.attrs)
        history = xarray.load_dataset(path, engine="h5netcdf")
    except Exception as error:  # HDF5, h5netcdf and xarray fail in many ways on a damaged file
        raise InputError(f"{path} is damaged: {failure(error)}.") from None
    dims: dict[str, tuple[str, ...]] = dict.fromkeys(("error", "cost", "contrast"), ("step",))
    dims |= {"output": ("step", "example", "target")} | {
        n: ("snapshot", energy.parameter(n).dimension) for n in names
    }
    for name, wanted in dims.items():
        if name not in history.data_vars:
            raise InputError(f"{path} is damaged: it holds no {name}.")
        values = history[name]
        if values.dims != wanted or not values.size or values.dtype.kind not in "fiu":
            raise InputError(f"{path} is damaged: its {name} should be numbers by {wanted}.")
    for name in names:
        for k in (0, -1):
            _per_element(name, history[name].values[k], network, energy)
    return history


class _Row(TypedDict):
    """Fields read from a row of the targets in summary.json."""

    name: str
    wanted: float | list[float]
    initial: float | list[float]
    reached: float | list[float]
    unpulled: NotRequired[float | list[float]]
    pulled: NotRequired[float | list[float]]
    relative_error: float
    example: NotRequired[int]


class _Summary(TypedDict):
    """Fields read from summary.json."""

    targets: list[_Row]
    converged: bool
    steps: int
    error: float
    error_is: str
    warnings: list[str]
    accuracy: NotRequired[float]
    started: NotRequired[str]
    setup_s: NotRequired[float]
    wall_s: NotRequired[float]
    ranks: NotRequired[int]
    seeds: NotRequired[dict[str, int]]
    versions: NotRequired[dict[str, str]]
    network: NotRequired[dict[str, Any]]
    solver: NotRequired[dict[str, str | float]]
    history_sha256: NotRequired[str]
    law_energy: NotRequired[float]


def _read_summary(path: Path) -> dict[str, Any]:
    try:
        summary = json.loads(path.read_bytes())
        TypeAdapter(_Summary).validate_python(summary, strict=True)
    except ValidationError as error:
        problem = error.errors()[0]
        key = key_path(problem["loc"]) or "it"
        text = problem["msg"][0].lower() + problem["msg"][1:]
        raise InputError(f"{path} is damaged: {key}: {text}.") from None
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} is damaged: {failure(error)}.") from None
    return summary
