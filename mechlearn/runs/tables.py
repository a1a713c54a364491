"""Tables of a task file that name a thing and its parameters: network, element, rule, cost."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from mechlearn.energies.element import PLUS
from mechlearn.schema import Table
from mechlearn.tasks.keys import Finite
from mechlearn.tasks.task import Id


class NetworkTable(Table, extra="allow"):
    """Network: a generator, a file, or nodes and edges.

    Further keys are parameters of the generator or of the reader.

    Parameters
    ----------
    generator : str, optional
        Name of a generator, such as packing.
    file : str, optional
        A file, relative to the task file.
    body : str, optional
        A mesh file of a body that is no network, for ``model = "solid"``; relative to the task
        file.
    regions : "groups" or "cells", optional
        Elements of a body: its named regions, or every cell by itself.
    cell : list of vectors, optional
        Lattice vectors of a body whose opposite sides match, which is periodic.
    points : list of coordinates, optional
        Coordinates of every node.
    edges : list of pairs of node ids, optional
        The two nodes of every bond.
    triples : list of three node ids each, optional
        Nodes of angular springs, the middle one second.
    quadruples : list of four node ids each, optional
        Nodes of creases, the edge in the middle.
    polygons : list of node ids, optional
        Nodes of areas, in order.
    surfaces : list of node ids, optional
        The three nodes of each triangle of a closed surface, one triangle after the other.
    tuple_shifts : mapping of str to integer vectors, optional
        Periodic images of these nodes, by the name of their list; the nearest where left out.
    supercell : list of int, optional
        So many copies of the periodic cell along every axis, as one cell.
    imperfection : float (≥ 0, ≤ 0.2), optional
        Every coordinate of a node is moved at random by up to this part of the mean bond length, by
        the key seed, so that paths follow the pattern that buckles.
    angles : "neighbours", optional
        Triples of all bonds that are neighbours around a node.
    """

    generator: str | None = None
    file: str | None = None
    body: str | None = None
    regions: Literal["groups", "cells"] = "groups"
    cell: list[list[Finite]] | None = None
    points: list[list[Finite]] | None = None
    edges: list[tuple[Id, Id]] | None = None
    triples: list[tuple[Id, Id, Id]] = Field(default_factory=list)
    quadruples: list[tuple[Id, Id, Id, Id]] = Field(default_factory=list)
    polygons: list[list[int]] = Field(default_factory=list)
    surfaces: list[list[int]] = Field(default_factory=list)
    tuple_shifts: dict[str, list[list[list[int]]]] = Field(default_factory=dict)
    supercell: list[int] | None = None
    imperfection: Annotated[Finite, Field(ge=0, le=0.2)] | None = None
    angles: Literal["neighbours"] | None = None


class EnergyTable(Table, extra="allow"):
    """Element model. Further keys are its settings and constant parameters.

    Parameters
    ----------
    model : str, optional
        The element's energy, such as spring; or several joined by +, whose energies add up.
    law : str, optional
        The law of bonds that are of ``model = "law"``, such as cubic.
    """

    model: str = "spring"
    law: str | None = None

    @property
    def models(self) -> list[str]:
        """Names of the elements that add up."""
        return self.model.split(PLUS)

    @field_validator("model")
    @classmethod
    def _joined(cls, model: str) -> str:
        return PLUS.join(name.strip() for name in model.split("+"))


class RuleTable(Table, extra="allow"):
    """Learning rule. Further keys are its parameters.

    Parameters
    ----------
    name : str, optional
        The learning rule.
    """

    name: str = "coupled_learning"


class CostTable(Table, extra="allow"):
    """Cost function. Further keys are its parameters.

    Parameters
    ----------
    name : str, optional
        The cost: squared_error or cross_entropy.
    """

    name: str = "squared_error"
