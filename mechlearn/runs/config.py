"""Set-ups: the schema of task files, and the objects that they describe."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr, model_validator

from mechlearn import networks
from mechlearn.attributes import TUPLES, values_per_bond
from mechlearn.energies import element_of, energies
from mechlearn.energies.catalogue import LAW, LAWS
from mechlearn.energies.element import PLUS, Element
from mechlearn.energies.material import Material
from mechlearn.errors import InputError, listed
from mechlearn.extensions import load_packages, name_of, needed, registries, table_of
from mechlearn.learning.device import Imperfections
from mechlearn.learning.dofs import Learn
from mechlearn.learning.optimisers import Train
from mechlearn.learning.rules import Procedure, rules
from mechlearn.network import Network
from mechlearn.runs.tables import CostTable, EnergyTable, NetworkTable, RuleTable
from mechlearn.schema import Table
from mechlearn.tasks.costs import Cost, costs
from mechlearn.tasks.path import PathTable
from mechlearn.tasks.task import Example, Source, Support, Target, Task
from mechlearn.units import UNITS, Units

logger = logging.getLogger(__name__)
#: Keys of a protein network that say how stiff its bonds are.
STIFFNESS_LAWS = ("decay", "backbone")
#: The tables of a task file that are those of a task.
TASK_TABLES = ("supports", "sources", "targets", "examples")


class Setup(Table):
    """A task file: network, element, task, rule and training.

    Parameters
    ----------
    title : str, optional
        For people.
    start : str, optional
        The folder of a run, relative to the task file, whose learned network this training
        begins with.
    unit : "mm", "m" or "um", optional
        Unit of length, from which those of force, stress and mass follow: mm, N, MPa and g; m, N,
        Pa and kg; or µm, µN, MPa and pg. Without one, numbers have no units.
    material : Material, optional
        What the part is made of.
    network : NetworkTable
        Where the network comes from.
    energy : EnergyTable, optional
        What its bonds are made of.
    learn : mapping of str to Learn
        One table per learning parameter.
    supports : list of Support, optional
        What holds the network.
    sources : list of Source, optional
        What drives it.
    targets : list of Target (at least one)
        What it is asked to do.
    examples : list of mappings, optional
        Several situations to learn, each a table of values by the name of sources and targets,
        or "free"; or the name of a CSV file with a column per name.
    cost : CostTable, optional
        What is to be lowered at the targets.
    rule : RuleTable, optional
        How the bonds learn.
    imperfections : Imperfections, optional
        How far its elements are from ideal.
    train : Train, optional
        How long, how exactly, and in what steps.
    path : PathTable, optional
        Along which load its equilibria are followed.
    plugins : mapping of str to str, optional
        Names that are not mechlearn's own, and the plugin or module that each comes from; for
        people, as nothing is loaded from there.
    """

    title: str = ""
    start: str | None = None
    unit: Literal["mm", "m", "um"] | None = None
    material: Material | None = None
    network: NetworkTable
    energy: EnergyTable = Field(default_factory=EnergyTable)
    learn: dict[str, Learn] = Field(min_length=1)
    supports: list[Support] = Field(default_factory=list)
    sources: list[Source] = Field(default_factory=list)
    targets: list[Target] = Field(min_length=1)
    examples: list[Example] = Field(default_factory=list)
    cost: CostTable = Field(default_factory=CostTable)
    rule: RuleTable = Field(default_factory=RuleTable)
    imperfections: Imperfections = Field(default_factory=Imperfections)
    train: Train = Field(default_factory=Train)
    path: PathTable = Field(default_factory=PathTable)
    plugins: dict[str, str] = Field(default_factory=dict)
    #: Objects behind the names: cost and rule, where they were given as such.
    _made: dict[str, Any] = PrivateAttr(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _stiffness_of_the_network(cls, data: Any) -> Any:
        """Initial stiffness of springs by the network's law, where it is given one."""
        data = _summed(data)
        laws = [k for k in STIFFNESS_LAWS if entry(entry(data, "network"), k) is not None]
        if not laws or not all(isinstance(data.get(k, {}), dict) for k in ("learn", "energy")):
            return data
        energy, learn = data.get("energy", {}), data.get("learn", {})
        element = energies.get(energy.get("model", "spring"))
        if element and "stiffness" not in [p.name for p in element.parameters]:
            raise ValueError(
                f"network: {laws[0]} is a law of the stiffness of springs, which a {element.name} "
                "does not have"
            )
        learns = isinstance(learn.get("stiffness"), dict)
        place, key = (learn["stiffness"], "initial") if learns else (energy, "stiffness")
        if place.get(key, "stiffness") != "stiffness":
            where = "learn.stiffness: initial" if learns else "energy: stiffness"
            raise ValueError(
                f"{where} = {place[key]!r} and network: {laws[0]} = "
                f"{data['network'][laws[0]]!r} both say how stiff bonds are; leave one out"
            )
        stiffness = {**place, key: "stiffness"}
        if learns:
            return data | {"learn": {**learn, "stiffness": stiffness}}
        return data | {"energy": stiffness}

    @property
    def task(self) -> Task:
        """Supports, sources, targets, examples and cost."""
        cost = self._made.get("cost") or costs.make(_keys(self.cost), "cost")
        return Task(cost=cost, **{name: getattr(self, name) for name in TASK_TABLES})

    @property
    def procedure(self) -> Procedure:
        """The learning rule, its parameters checked."""
        return self._made.get("rule") or rules.make(_keys(self.rule), "rule")

    def build_network(self, folder: Path = Path()) -> Network:
        """The network; files are relative to ``folder``."""
        network, table = self._bonds(folder), self.network
        tuples = {name: rows for name in TUPLES if (rows := getattr(table, name))}
        if network.body is not None and (tuples or table.angles):
            raise InputError("network: a body has cells alone; leave angles and node tuples out.")
        if table.angles and "triples" in tuples:
            raise InputError("network: triples and angles both say where angles are; give one.")
        if tuples or table.tuple_shifts:
            shifts = {name: np.array(rows) for name, rows in table.tuple_shifts.items()}
            network = replace(network, tuples=tuples, tuple_shifts=shifts)
        if table.supercell is not None:
            try:
                network = network.supercell(*table.supercell)
            except InputError as error:
                raise InputError(f"network: supercell: {error}") from None
        if table.imperfection is not None:
            seed = (table.model_extra or {}).get("seed", 0)
            network = networks.imperfect(network, table.imperfection, seed)
        return networks.with_angles(network) if table.angles else network

    def _bonds(self, folder: Path) -> Network:
        table, parameters = self.network, dict(self.network.model_extra or {})
        ways = [k for k in ("generator", "file", "body", "points") if getattr(table, k) is not None]
        if len(ways) != 1:
            raise InputError("network: give exactly one of generator, file, body and points.")
        if (table.edges is None) != (table.points is None):
            raise InputError("network: points and edges go together.")
        if table.imperfection is not None and not networks.seeded(table.generator):
            parameters.pop("seed", None)  # which is that of the imperfection alone
        if table.generator is not None:
            return networks.generate(table.generator, **parameters)
        if table.file is not None:
            return networks.from_file(folder / table.file, **parameters)
        if parameters:
            beside = "body" if table.body else "points and edges"
            raise InputError(f"network: {min(parameters)} is not a known key beside {beside}.")
        if table.body is not None:
            # What is no order is refused with the element.
            linear = (self.energy.model_extra or {}).get("order", 2) == 1
            return networks.body(
                folder / table.body,
                order=1 if linear else 2,
                regions=table.regions,
                cell=table.cell,
            )
        points = table.points or []
        if len({len(p) for p in points}) > 1:
            raise InputError("network: points must all have two, or all three, coordinates.")
        return Network(
            np.array(points, dtype=float), np.array(table.edges, np.int64).reshape(-1, 2)
        )

    def element(self, network: Network, given: Element | None = None) -> Element:
        """The element of a network.

        Raises
        ------
        InputError
            For an unknown model, unless ``given`` is of that name, and for keys that it has not.
        """
        name, keys = self.energy.model, self.energy.model_extra or {}
        kinds = [energies[n] for n in self.energy.models if n in energies]
        if self.made_of and any("poisson" in kind.setting_names() for kind in kinds):
            poisson = self.made_of.poisson
            keys = keys if poisson is None else {"poisson": poisson} | keys
        if given is not None:
            given = energies.make(given, "energy")
            if not isinstance(given, Element) or given.name != name:
                raise InputError(f"energy = {given!r} must be an Element whose name is {name!r}.")
            return given.on(network)
        return element_of({"model": name, **keys}, network)

    @property
    def units(self) -> Units | None:
        """Units of the task, if it has any."""
        return None if self.unit is None else UNITS[self.unit]

    @property
    def made_of(self) -> Material | None:
        """Material with all that its card knows, in the units of the task."""
        return None if self.material is None else self.material.completed(self.units)

    def constants(self, energy: Element, network: Network) -> dict[str, NDArray[np.float64]]:
        """Values of an element's parameters that are given, in bond order.

        Raises
        ------
        InputError
            For values that are no such parameters', and a material of elements that have none.
        """
        given = {
            name: values_per_bond(value, network, f"energy.{name}", parameter)
            for name, value in (self.energy.model_extra or {}).items()
            if name not in energy.setting_names()
            for parameter in [energy.parameter(name).of_user("energy")]
        }
        known = {p.name for p in energy.parameters}
        if self.made_of is None:
            return given
        if "modulus" not in known:
            raise InputError(
                f"material: a {energy.name} is made of no material; bars, beams and solids are."
            )
        for name in known & {"modulus", "poisson"} - given.keys() - self.learn.keys():
            value = getattr(self.made_of, name)
            if value is not None:
                given[name] = np.full(network.n_edges, value)
        return given

    def with_objects(self, energy: Element, cost: Cost, rule: Any) -> "Setup":
        """The same of objects, which need not be registered; tables are made of them for files."""
        optimiser = self.train.optimiser
        own = [*energy.parts, cost, rule]
        own += [] if isinstance(optimiser, str | dict) else [optimiser]
        out = self.model_copy(
            update={
                "cost": CostTable(**table_of(cost)),
                "rule": RuleTable(**table_of(rule)),
                "plugins": needed(*((name_of(thing), thing) for thing in own)),
            }
        )
        out._made = {"cost": cost, "rule": rule}
        return out

    def origins(self) -> dict[str, str]:
        """Origins of what is not mechlearn's own, by name: of objects, and of registered names."""
        optimiser = self.train.optimiser
        step = optimiser.get("name") if isinstance(optimiser, dict) else optimiser
        named = {*self.energy.models, self.cost.name, self.rule.name, step}
        own = (registry.own.items() for registry in registries())
        return {n: at for items in own for n, at in items if n in named} | self.plugins

    def require(self, energy: Element | None = None) -> None:
        """Say what of a run's names is not known: an error where it cannot be solved without.

        Raises
        ------
        InputError
            For an element or cost; other kinds are noted.
        """
        unlisted = dict.fromkeys(self.energy.models, "an element of one's own")
        for name, place in (unlisted | self.plugins).items():
            if energy is not None and name in self.energy.models:
                continue
            if not any(name in registry for registry in registries()):
                load_packages()
            if any(name in registry for registry in registries()):
                continue
            text = f"{name!r} is not known; the run was made with {place}, which is brought by "
            text += "--plugin, ml.register"
            if name in self.energy.models:
                raise InputError(f"energy: model = {text} or Run.load(folder, energy=...).")
            if name == self.cost.name:
                raise InputError(f"cost: name = {text}.")
            logger.warning("%s; without it nobody trains on from here.", text)

    def with_task(self, task: Task) -> "Setup":
        """Set-up with the tables of another task."""
        return self.model_copy(update={name: getattr(task, name) for name in TASK_TABLES})


def _keys(table: Table) -> dict[str, Any]:
    """Name and further keys of a table."""
    return {**table.model_dump(), **(table.model_extra or {})}


def _law(table: dict[str, Any]) -> dict[str, Any]:
    """Table of an energy with the name of its law as the model."""
    if table.get("model") != "law":
        if table.get("law") is not None:
            raise ValueError('energy: law goes with model = "law"')
        return table
    known = [law.name.removesuffix(LAW) for law in LAWS]
    if table.get("law") not in known:
        raise ValueError(f"energy: law = {table.get('law')!r} is none of {listed(known)}")
    return {k: v for k, v in table.items() if k != "law"} | {"model": table["law"] + LAW}


def _summed(data: Any) -> Any:
    """Task file with one table of several ``[[energy]]``, whose elements add up, laws by name."""
    tables = entry(data, "energy")
    if isinstance(tables, dict):
        data = data | {"energy": _law(tables)}
    if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
        return data
    tables = [_law(table) for table in tables]
    keys = [key for table in tables for key in table if key != "model"]
    twice = next((key for key in keys if keys.count(key) > 1), None)
    if twice:
        raise ValueError(f"energy: several tables give {twice}")
    one = {key: value for table in tables for key, value in table.items()}
    one["model"] = PLUS.join(str(table.get("model", "spring")) for table in tables)
    return data | {"energy": one}


def entry(table: Any, name: str) -> Any:
    """Value of a key; None where there is none, or no table."""
    return table.get(name) if isinstance(table, dict) else None
