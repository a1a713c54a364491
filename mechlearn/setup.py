"""The task file: everything that makes a training repeatable, read, checked and written as TOML."""

import tomllib
from collections.abc import Mapping
from dataclasses import fields
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from mechlearn import networks
from mechlearn.dofs import Learn, values_per_bond
from mechlearn.energies import Element, energies
from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.rules import Rule, rules
from mechlearn.schema import input_error
from mechlearn.task import Example, Finite, Id, Source, Support, Table, Target, Task


class NetworkTable(BaseModel):
    """Where the network comes from: a generator, a file, or points and edges written out.

    Further keys are parameters of the generator or of the reader.
    """

    model_config = ConfigDict(extra="allow", frozen=True)
    generator: str | None = Field(None, description="Name of a generator, such as packing.")
    file: str | None = Field(None, description="A file, relative to the task file.")
    points: list[list[Finite]] | None = Field(None, description="Coordinates of every node.")
    edges: list[tuple[Id, Id]] | None = Field(None, description="The two nodes of every bond.")


class EnergyTable(BaseModel):
    """What a bond is made of. Further keys are its parameters that do not learn."""

    model_config = ConfigDict(extra="allow", frozen=True)
    model: str = Field("spring", description="The element's energy, such as spring.")


class RuleTable(BaseModel):
    """How the bonds learn. Further keys are the rule's own."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str = Field("coupled_learning", description="The learning rule.")


class Train(Table):
    """How long, how exactly, and in what steps."""

    steps: Annotated[int, Field(ge=0, strict=True)] = Field(
        2000, description="At most this many updates."
    )
    tolerance: Annotated[float, Field(gt=0, allow_inf_nan=False)] = Field(
        1e-3, description="On the largest relative target error."
    )
    seed: Annotated[int, Field(ge=0, lt=2**63, strict=True)] = Field(
        0, description="Of everything random in training."
    )
    optimiser: str = Field(
        "adam", description="How a signal becomes a step: adam, momentum, plain."
    )
    rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="Step size; adam has a default for every parameter."
    )


class Setup(Table):
    """A task file: network, element, task, rule and training."""

    title: str = Field("", description="For people.")
    network: NetworkTable
    energy: EnergyTable = Field(default_factory=EnergyTable)
    learn: dict[str, Learn] = Field(min_length=1, description="One table per learning parameter.")
    supports: list[Support] = Field(default_factory=list)
    sources: list[Source] = Field(default_factory=list)
    targets: list[Target] = Field(min_length=1)
    examples: list[Example] = Field(default_factory=list)
    rule: RuleTable = Field(default_factory=RuleTable)
    train: Train = Field(default_factory=Train)

    @property
    def task(self) -> Task:
        """Supports, sources, targets and examples."""
        return Task(
            supports=self.supports,
            sources=self.sources,
            targets=self.targets,
            examples=self.examples,
        )


def read_setup(path: str | Path) -> Setup:
    """Read and validate a task file; raises InputError that names the file and the key."""
    path = Path(path)
    try:
        text = path.read_bytes()
    except IsADirectoryError:
        raise InputError(
            f"{path} is a folder; a task file such as tasks/allostery.toml is needed."
        ) from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or error)}.") from None
    try:
        data = tomllib.loads(text.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid TOML: {error}.") from None
    try:
        return Setup.model_validate(data)
    except ValidationError as error:
        raise input_error(error, Setup, str(path)) from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def build_network(table: NetworkTable, folder: Path = Path()) -> Network:
    """The network that a table describes; files are looked for relative to ``folder``."""
    parameters = dict(table.model_extra or {})
    ways = [k for k in ("generator", "file", "points") if getattr(table, k) is not None]
    if len(ways) != 1:
        raise InputError("network: give exactly one of generator, file and points.")
    if (table.edges is None) != (table.points is None):
        raise InputError("network: points and edges go together.")
    if table.generator is not None:
        return networks.generate(table.generator, **parameters)
    if table.file is not None:
        return networks.from_file(folder / table.file, **parameters)
    if parameters:
        raise InputError(f"network: {min(parameters)} is not a known key beside points and edges.")
    return Network(_rows(table.points), np.array(table.edges, dtype=np.int64).reshape(-1, 2))


def build_element(table: EnergyTable) -> Element:
    """What the network is made of, with its settings checked."""
    kind = pick(energies, table.model, "energy: model")
    names = kind.setting_names()
    given = {k: v for k, v in (table.model_extra or {}).items() if k in names}
    try:
        return TypeAdapter(kind).validate_python(given) if given else kind()
    except ValidationError as error:
        raise input_error(error, kind, "energy") from None


def build_energy(table: EnergyTable, network: Network) -> tuple[Element, dict[str, NDArray]]:
    """The element's energy, and the values of its parameters that the file gives."""
    energy = build_element(table)
    return energy, build_material(table, energy, network)


def build_material(
    table: EnergyTable, energy: Element, network: Network
) -> dict[str, NDArray[np.float64]]:
    """The values of an element's parameters that a table gives."""
    known = {p.name: p for p in energy.parameters}
    settings = energy.setting_names()
    given = {}
    for name, value in (table.model_extra or {}).items():
        if name in settings:
            continue
        if name not in known:
            names = ["model", *settings, *known]
            raise InputError(f"energy: {name} is not a known key; {_hint(name, names)}")
        given[name] = values_per_bond(value, network, f"energy.{name}", known[name])
    return given


def build_rule(table: RuleTable) -> Rule:
    """The learning rule with its parameters checked."""
    kind = pick(rules, table.name, "rule: name")
    given = table.model_extra or {}
    known = [field.name for field in fields(kind)]
    for key in given:
        if key not in known:
            raise InputError(f"rule: {key} is not a known key; {_hint(key, ['name', *known])}")
    try:
        return TypeAdapter(kind).validate_python(given)
    except ValidationError as error:
        raise input_error(error, kind, "rule") from None


def to_toml(setup: Setup) -> str:
    """The set-up as TOML, every default written out."""
    import tomli_w

    return tomli_w.dumps(setup.model_dump(mode="json", exclude_none=True))


def _rows(points: list[list[float]]) -> NDArray:
    if len({len(p) for p in points}) > 1:
        raise InputError("network: points must all have two, or all three, coordinates.")
    return np.array(points, dtype=float)


def pick(registry: Mapping[str, Any], name: str, where: str) -> Any:
    """The entry of that name; raises InputError with the nearest one there is."""
    if name not in registry:
        raise InputError(f"{where} = {name!r} is not known; {_hint(name, list(registry))}")
    return registry[name]


def _hint(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, 1, 0.6)
    return f"did you mean {near[0]!r}?" if near else f"known are {', '.join(known)}."
