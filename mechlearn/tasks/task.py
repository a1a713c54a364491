"""Tasks: supports, sources, targets and examples.

The classes here are the tables of a task file, key for key, and the arguments of the Python API at
once. They say *what* in the user's words; :mod:`mechlearn.tasks.problem` says it in numbers.
"""

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

import numpy as np
from pydantic import BeforeValidator, Field, InstanceOf, StrictBool, model_validator

from mechlearn.schema import Table
from mechlearn.tasks.costs import Cost, SquaredError, costs
from mechlearn.tasks.curves import AFTER, as_examples, check_sequence, read_curve
from mechlearn.tasks.gradients import WHOLE
from mechlearn.tasks.keys import Entry, Finite, Matrix, Positive, keyed
from mechlearn.tasks.moduli import unit_strains
from mechlearn.tasks.ports import PLACES
from mechlearn.tasks.quantities import quantities
from mechlearn.tasks.quantity import Quantity

#: Displacements along the axes, and rotations about them where nodes turn.
Component = Literal["x", "y", "z", "rx", "ry", "rz"]
#: What a source or target of the cell of a periodic network is about.
CellComponent = Literal["xx", "yy", "zz", "xy", "xz", "yz", "volume", "whole"]
#: What a target that is measured from the unloaded network reads from the one that was given.
ABSOLUTE = ("unpulled", "pulled")
#: One value: a strain, one number per component of a displacement or force, or a tensor.
Value = float | list[Entry] | Matrix
#: Word for what is imposed or asked for; which of them a network knows depends on its elements.
if TYPE_CHECKING:
    Word = str
else:
    Word = Literal[tuple(quantities)]
#: How limits of targets are written before their values.
LIMITS = {"at_least": "≥ ", "at_most": "≤ "}


#: The id of a node or bond.
Id = Annotated[int, Field(ge=0, lt=2**31, strict=True)]


def _as_list(value: Any) -> Any:
    """List of node ids, from one id, a list or an array."""
    if isinstance(value, np.integer | np.ndarray):
        value = value.tolist()
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, list | tuple):
        return [v.item() if isinstance(v, np.integer) else v for v in value]
    return value


#: Node ids, labels such as "A:36" (chain:residue of a protein), or the name of a node set.
Nodes = Annotated[list[Id | str] | str, BeforeValidator(_as_list)]


class Support(Table):
    """Supported nodes.

    Parameters
    ----------
    nodes : int, list of int or str, or str, optional
        Node ids, labels, or the name of a node set.
    near : list of float, optional
        Instead of nodes: the place, in fractions of the network's extent, where a node is
        looked for that no other table names.
    region : str, optional
        Instead of nodes: a named part of a body, all of whose nodes are held.
    components : list of "x", "y", "z", "rx", "ry", "rz", optional
        Which components are held; all, rotations too, where left out.
    """

    nodes: Nodes | None = None
    near: list[Finite] | None = None
    region: str | None = None
    components: list[Component] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if sum(place is not None for place in (self.nodes, self.near, self.region)) != 1:
            raise ValueError("give exactly one of nodes, near and region")
        return self


class _Place(Table):
    """Place of a source or target.

    Parameters
    ----------
    name : str, optional
        For results and examples; numbered if left out.
    nodes : int, list of int or str, or str, optional
        One node, a pair whose distance is meant, or a node set.
    near : list of float, optional
        Instead of nodes: the place, in fractions of the network's extent, where a node (or a
        pair of close, unbonded nodes) is looked for.
    cell : "xx", "yy", "zz", "xy", "xz", "yz", "volume" or "whole", or a list, optional
        Instead of nodes: components of the strain and stress of a periodic cell, which then
        deforms; volume is the sum of the normal strains, under a pressure. What no source
        prescribes is free of stress. A deformation gradient is of the whole, and needs no such key.
    region : str, optional
        Instead of nodes: a named part of a body, whose mean displacement is meant; a force is
        spread over it evenly.
    components : list of "x", "y", "z", "rx", "ry", "rz", optional
        Which components a displacement or force lists; where left out all but rotations (a
        displacement of rz is an angle, a force on it a moment).
    together : bool, optional
        Whether the nodes move as one along each of the components, as under a rigid plate: a
        displacement is that of all of them, and a force their total.
    """

    name: str = ""
    nodes: Nodes | None = None
    near: list[Finite] | None = None
    cell: CellComponent | list[CellComponent] | None = None
    region: str | None = None
    components: list[Component] | None = None
    together: StrictBool = False


if TYPE_CHECKING:  # mypy does not see the keys

    class _Imposed(_Place, extra="allow"):
        pass
else:
    _Imposed = keyed(_Place, [q for q in quantities.values() if q.imposed])


class Terminal(_Imposed):
    """Base of sources and targets: a place and a quantity."""

    side: ClassVar[str]

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.cell is None and any(quantities[word].tensor for word in self.given):
            object.__setattr__(self, "cell", WHOLE)
        places = [name for name in (*PLACES, "source") if name in type(self).model_fields]
        if sum(getattr(self, name) is not None for name in places) != 1:
            raise ValueError(f"give exactly one of {', '.join(places[:-1])} and {places[-1]}")
        return self

    @property
    def cell_names(self) -> list[CellComponent]:
        """Components of the cell that it is about; none of one at nodes."""
        return self.cell if isinstance(self.cell, list) else [self.cell] if self.cell else []

    @property
    def given(self) -> list[str]:
        """All quantities that have a value; exactly one is right."""
        return [word for word in quantities if getattr(self, word, None) is not None]

    @property
    def value(self) -> Value:
        """The value of that quantity."""
        value: Value = getattr(self, self.quantity)
        return value

    @property
    def kind(self) -> Quantity:
        """Kind of that quantity."""
        return quantities[self.quantity].among(self.nodes, getattr(self, self.quantity, None))

    @property
    def of_pair(self) -> bool:
        """True if its place is a pair of nodes, as far as its value tells."""
        return self.kind.pair and not isinstance(self.value, list)

    @property
    def ids(self) -> list[int]:
        """Node ids, once its labels and places are resolved."""
        return ids_of(self)

    @property
    def full_name(self) -> str:
        """Name in messages, such as "source 'pull'"."""
        return f"{self.side} {self.name!r}"

    if TYPE_CHECKING:

        @property
        def quantity(self) -> str:
            """Name of the quantity, such as "strain"."""


def ids_of(table: Support | Terminal) -> list[int]:
    """Node ids of a support, source or target, once its labels and places are resolved."""
    return [node for node in table.nodes or () if isinstance(node, int)]


class Source(Terminal):
    """Source: an imposed strain, displacement or voltage, or an applied force or current."""

    side: ClassVar[str] = "source"

    @model_validator(mode="after")
    def _one_quantity(self) -> Self:
        if len(self.given) != 1:
            known = [word for word, quantity in quantities.items() if quantity.imposed]
            raise ValueError(f"a source needs exactly one of {', '.join(known)}")
        return self

    @property
    def quantity(self) -> str:
        """Name of the quantity, such as "strain"."""
        return self.given[0]


if TYPE_CHECKING:
    _Measured = Terminal
else:
    _Measured = keyed(Terminal, [q for q in quantities.values() if not q.imposed])


class Target(_Measured):
    """Target: a wanted strain, displacement, voltage or reaction.

    Where a source imposes a displacement (strain, voltage, pressure), the target of a force
    (current, flow, charge) at the same place reads what that takes, and where one applies a force
    the target of a displacement reads how far it gives way. Elsewhere the target of a force is held
    at zero, and what that takes is the answer.

    Parameters
    ----------
    source : str, optional
        Instead of nodes: the name of the source that it reads at, such as the force that it
        takes to impose a strain, or the displacement under a force.
    quantity : "strain", "displacement" or another of these words, optional
        The word for what is read, where no value says it: of a target whose values are in the
        examples, given by value, or those of another one (match).
    curve : list of pairs of numbers, or str, optional
        Instead of a value: wanted forces (currents) at values that its source imposes, one after
        the other, each state reached from the one before; or a CSV file of two such columns.
    mask : rows of 0 or 1, optional
        Which of the moduli are asked for, row by row.
    at : float, optional
        Displacement of the source at which a stiffness is wanted.
    between : two floats, optional
        Displacements of the source between which a plateau, or work, is wanted.
    points : int (≥ 2), optional
        Instead of those of the curve, so many at equal distances, on straight lines between them.
    of_untrained : float (> 0), optional
        Unit of its values and scale: this part of the largest force (displacement) that it reads
        before training, in the course of the examples. A curve's source goes in parts of its value.
    match : str, optional
        Instead of a value: the target whose strain this one shall equal.
    limit : "at_least" or "at_most", optional
        The value is the least, or the most, that is wanted: beyond it nothing is amiss, and
        nothing is nudged.
    baseline : "unloaded" or "reference", optional
        What a displacement or strain is measured from: the network as it settles with every
        source released (what sources impose is measured from there, too), or the network as it
        was given, where a shape is to be held. If left out, unloaded wherever something that
        prestresses, such as a rest length, learns or is given.
    scale : float (≥ 1e-300), optional
        What errors are measured in; if left out, the size of the wanted value (of that node, in
        that example), and where that is zero the largest value of the target, or of any source
        or target of the kind.
    """

    side: ClassVar[str] = "target"

    source: str | None = None
    quantity: Word = None  # type: ignore[assignment]  # found after the rest
    curve: Annotated[
        list[tuple[Finite, Finite]] | None, Field(min_length=1), BeforeValidator(read_curve)
    ] = None
    mask: list[list[Annotated[int, Field(ge=0, le=1)]]] | None = None
    at: Finite | None = None
    between: tuple[Finite, Finite] | None = None
    points: Annotated[int, Field(ge=2, le=100_000, strict=True)] | None = None
    of_untrained: Positive | None = None
    match: str | None = None
    limit: Literal["at_least", "at_most"] | None = None
    baseline: Literal["unloaded", "reference"] | None = None
    scale: Annotated[float, Field(ge=1e-300, allow_inf_nan=False, strict=True)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _by_value(cls, data: Any) -> Any:
        """A ``value`` of the ``quantity`` under the name of that."""
        if not isinstance(data, dict) or "value" not in data or "quantity" not in data:
            return data
        word, rest = data["quantity"], {k: v for k, v in data.items() if k != "value"}
        if word not in quantities or rest.get(word) is not None:
            return data
        number = quantities[word].vector and not isinstance(data["value"], list | tuple)
        return rest | {word: [data["value"]] if number else data["value"]}

    @model_validator(mode="after")
    def _one_quantity(self) -> Self:
        given = [*self.given, *(["match"] if self.match is not None else [])]
        if self.curve is not None and not (given or self.quantity):
            object.__setattr__(self, "quantity", "force")  # until its source is known
            return self
        if len(given) > 1 or not (given or self.quantity):
            raise ValueError(f"a target needs exactly one of {', '.join(quantities)}, match")
        word = self.quantity or ("strain" if self.match else given[0])
        if self.given not in ([], [word]):
            raise ValueError(f"a target of quantity = {word!r} has no {given[0]}")
        object.__setattr__(self, "quantity", word)
        return self

    @property
    def value(self) -> Value:
        """The wanted value; zero for a match, which has none of its own."""
        return 0.0 if self.match is not None else super().value


#: One situation to learn: values by the name of a source or target; "free" switches one off.
Example = dict[str, Finite | list[Entry] | Matrix | Literal["free", "previous"]]


class Task(Table):
    """Supports, sources, targets, examples and cost to be learned.

    With ``examples``, every example gives values to sources and targets by name and keeps the value
    written with the source or target for the others; without, there is the one example they make.

    Parameters
    ----------
    supports : list of Support, optional
        What holds the network.
    sources : list of Source, optional
        What drives it.
    targets : list of Target (at least one)
        What it is asked to do.
    examples : list of mappings, optional
        Several situations, each with values by name. With ``after = "previous"`` one is reached
        from the state of the one before, by slow loading, and not from rest.
    cost : Cost, its class or name, optional
        What is to be lowered at the targets.
    """

    supports: list[Support] = Field(default_factory=list)
    sources: list[Source] = Field(default_factory=list)
    targets: list[Target] = Field(min_length=1)
    examples: list[Example] = Field(default_factory=list)
    cost: Annotated[InstanceOf[Cost], BeforeValidator(lambda cost: costs.make(cost, "cost"))] = (
        Field(default_factory=SquaredError)
    )

    def _repr_html_(self) -> str:
        from mechlearn.render.notebook import task_html

        return task_html(self)

    @model_validator(mode="after")
    def _curves(self) -> Self:
        """Examples of the targets that are curves or moduli, and names of all."""
        if any(t.curve is not None for t in self.targets):
            targets, examples = as_examples(self)
            object.__setattr__(self, "targets", targets)
            object.__setattr__(self, "examples", examples)
        for kind, terminals in (("source", self.sources), ("target", self.targets)):
            for number, terminal in enumerate(terminals, 1):
                given = terminal.name or (kind if len(terminals) == 1 else f"{kind} {number}")
                object.__setattr__(terminal, "name", given)
        for name, value in unit_strains(self, Source).items():
            object.__setattr__(self, name, value)
        return self

    @model_validator(mode="after")
    def _names(self) -> Self:
        named = [terminal.name for terminal in (*self.sources, *self.targets)]
        if AFTER in named:
            raise ValueError(f"{AFTER!r} is a key of examples, and no name of a source or target")
        twice = {n for n in named if named.count(n) > 1}
        if twice:
            raise ValueError(f"two sources or targets have the name {min(twice)!r}")
        targets = {t.name for t in self.targets}
        for target in self.targets:
            if target.match is not None and target.match not in targets - {target.name}:
                raise ValueError(
                    f"target {target.name!r} shall match {target.match!r}, which is no other target"
                )
        for target in self.targets:
            self._fill(target)
        check_sequence(self.examples, named)
        return self

    def _fill(self, target: Target) -> None:
        """Check the source that a target reads at; find a value that is in the examples alone."""
        name, known = target.name, [s.name for s in self.sources]
        if target.source is not None and target.source not in known:
            there = ", ".join(map(str, known)) or "there is none"
            where = f"target {name!r} reads at {target.source!r}"
            raise ValueError(f"{where}, which is no source ({there})")
        if target.given or target.match:
            return
        given = [e[name] for e in self.examples if e.get(name, "free") != "free"]
        if len(given) < sum(e.get(name) != "free" for e in self.examples) or not given:
            key = target.quantity
            raise ValueError(f"target {name!r} has no value: give {key}, or one in all examples")
        value: Any = given[0]
        if target.kind.vector and not isinstance(value, list):
            value = [value]
        object.__setattr__(target, target.quantity, value)
