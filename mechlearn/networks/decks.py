"""Input decks of Abaqus and CalculiX: nodes, elements and sets, of parts and instances too."""

import re
from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import numpy as np
from numpy.typing import NDArray

from mechlearn.attributes import renumbered
from mechlearn.errors import InputError
from mechlearn.networks.cards import Card, cards
from mechlearn.networks.cells import Block, Mesh, counted

#: Elements with two nodes, and with three in a row, that join what they are between.
_LINES = re.compile(
    r"(T[23]D[23]|B(21|22|23|31|32|33)|PIPE(21|22|31|32)|FRAME[23]D|SPRINGA|SPRING2|DASHPOTA|"
    r"DASHPOT2|CONN[23]D2|GAPUNI|ITS[A-Z]*|F[23]D2)"
)
_SOLIDS = re.compile(r"(C3D|AC3D|DC3D|COH3D|SC|CSS|EC3D)(\d+)")
_SHELLS = re.compile(
    r"(CPS|CPEG|CPE|CAX|CGAX|M3D|SFM3D|R3D|DS|STRI|DC2D|AC2D|DCAX|ACAX|COH2D|S)(\d+)"
)
_SOLID_KINDS = {4: "tetra", 5: "pyramid", 6: "wedge", 8: "hexahedron", 10: "tetra", 13: "pyramid",
                15: "wedge", 20: "hexahedron", 27: "hexahedron"}  # fmt: skip
_SHELL_KINDS = {3: "triangle", 4: "quad", 6: "triangle", 8: "quad", 9: "quad"}
#: Elements of one node, which make no bond.
_POINTS = re.compile(r"(MASS|ROTARYI|SPRING1|DASHPOT1|HEATCAP|PC3D|PD3D)")
#: Cards that change nodes or elements in ways not known here.
_REFUSED = ("NFILL", "NCOPY", "ELCOPY", "NMAP", "SYSTEM", "SUBSTRUCTUREPATH",
            "SYMMETRICMODELGENERATION")  # fmt: skip
#: Nodes and elements that cards may generate.
_MOST = 10_000_000
#: The set of nodes that are a network's, where bonds are chains of elements between them.
NETWORK = "NETWORK"


@dataclass
class _Scope:
    """Nodes, elements and sets of both (NSET, ELSET) of a part, an instance or the whole deck."""

    nodes: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    elements: dict[int, tuple[str, tuple[int, ...]]] = field(default_factory=dict)
    sets: dict[str, dict[str, list[int]]] = field(default_factory=lambda: {"NSET": {}, "ELSET": {}})

    def add(self, kind: str, name: str, ids: list[int]) -> None:
        sets = self.sets[kind]
        known = next((n for n in sets if n.upper() == name.upper()), name)
        sets.setdefault(known, []).extend(ids)


def _any_case[T](known: Mapping[str, T]) -> dict[str, T]:
    """The same by names in capitals: decks do not tell letters apart by their case."""
    return {name.upper(): value for name, value in known.items()}


def read_deck(path: Path) -> Mesh:
    """The mesh of a deck; numbers of nodes are labels, node and element sets are sets.

    Instances of parts are read in their places; what is in them is called ``INSTANCE.name``.
    Materials, steps and whatever else a deck says are not read.

    Raises
    ------
    InputError
        For elements without known edges, cards that change nodes or elements in ways not known
        here, and what makes no sense; the message names the line.
    """
    reader = _Reader(path)
    for card in cards(path, path.parent, []):
        reader.take(card)
    return reader.mesh()


class _Reader:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.whole = _Scope()
        self.scope = self.whole
        self.parts: dict[str, _Scope] = {}
        self.instances: dict[str, _Scope] = {}
        self.inside = ""
        self.unknown = Counter[str]()
        self.points = Counter[str]()
        self.generated = 0

    def take(self, card: Card) -> None:
        name, given = card.name, card.given
        if name in _REFUSED:
            raise InputError(
                f"{card.where}: *{name} changes nodes or elements in a way not known here; have "
                "the pre-processor write them out."
            )
        make, kind = {
            "NODE": (self._nodes, "NSET"), "NGEN": (self._nodes_between, "NSET"),
            "ELEMENT": (self._elements, "ELSET"), "ELGEN": (self._copies, "ELSET"),
        }.get(name, (None, name))  # fmt: skip
        try:
            if make:
                ids = make(card)
                if given.get(kind):
                    self.scope.add(kind, given[kind], ids)
            elif name in ("NSET", "ELSET"):
                scope = self.scope
                if given.get("INSTANCE"):
                    scope = _any_case(self.instances)[given["INSTANCE"].upper()]
                scope.add(name, given[name], self._members(card, scope))
            elif name == "PART":
                self.scope = self.parts.setdefault(given["NAME"].upper(), _Scope())
            elif name == "INSTANCE":
                self.scope = self.instances[given["NAME"]] = self._instance(card)
            elif name in ("ENDPART", "ENDINSTANCE"):
                self.scope = self.whole
        except (ValueError, IndexError, ArithmeticError):
            raise InputError(f"{card.where}: the lines under *{name} cannot be read.") from None
        except KeyError as error:
            raise InputError(f"{card.where}: *{name} names {error}, which is not there.") from None

    def _nodes(self, card: Card) -> list[int]:
        if card.given.get("SYSTEM", "R").upper() not in ("R", ""):
            raise InputError(f"{card.where}: nodes in cylinder or ball coordinates are not read.")
        ids = []
        for row in card.rows:
            number, place = int(row[0]), [float(x or 0) for x in row[1:4]]
            x, y, z = [*place, 0.0, 0.0, 0.0][:3]
            if self.scope.nodes.setdefault(number, (x, y, z)) != (x, y, z):
                raise InputError(f"{card.where}: node {number} is there twice, at other places.")
            ids.append(number)
        return ids

    def _nodes_between(self, card: Card) -> list[int]:
        if card.given.get("LINE") or card.given.get("SYSTEM", "R").upper() != "R":
            raise InputError(f"{card.where}: only nodes along straight lines are generated here.")
        ids: list[int] = []
        for row in card.rows:
            first, last, step = (*map(int, [w for w in row[:3] if w]), 1)[:3]
            numbers = range(first, last + 1, step)
            self._count(card, len(numbers))
            a, b = np.array(self.scope.nodes[first]), np.array(self.scope.nodes[last])
            for number in numbers:
                x, y, z = a + (b - a) * ((number - first) / (last - first))
                self.scope.nodes.setdefault(number, (float(x), float(y), float(z)))
            ids += numbers
        return ids

    def _elements(self, card: Card) -> list[int]:
        kind = card.given["TYPE"].upper()
        words = [int(w) for row in card.rows for w in row if w]
        family, width = _family(kind)
        if not family:
            self.unknown[kind] += len(card.rows)
            return []
        if len(words) % (width + 1):
            raise InputError(f"{card.where}: elements {kind} have {width} nodes each.")
        ids = words[:: width + 1]
        for k, number in enumerate(ids):
            if number in self.scope.elements:
                raise InputError(f"{card.where}: element {number} is there twice.")
            start = k * (width + 1) + 1
            self.scope.elements[number] = (family, tuple(words[start : start + width]))
        if family == "vertex" and ids:
            self.points[kind] += len(ids)
        return ids

    def _copies(self, card: Card) -> list[int]:
        made: list[int] = []
        for row in card.rows:
            words = [int(w) for w in row if w]
            family, nodes = self.scope.elements[words[0]]
            found = [(words[0], nodes)]
            # Rows, layers and blocks: how many, by how much nodes go up, and elements.
            steps = [[*words[k : k + 3], 1, 1][:3] for k in range(1, min(len(words), 10), 3)]
            for n, up, by in steps:
                self._count(card, n * len(found))
                found = [(e + k * by, tuple(i + k * up for i in own))
                         for k in range(n) for e, own in found]  # fmt: skip
            for number, own in found:
                if self.scope.elements.setdefault(number, (family, own)) != (family, own):
                    raise InputError(f"{card.where}: element {number} is there twice.")
                made.append(number)
        return made

    def _members(self, card: Card, scope: _Scope) -> list[int]:
        ids: list[int] = []
        names = _any_case(scope.sets[card.name])
        for row in card.rows:
            words = [w for w in row if w]
            if "GENERATE" in card.given:
                first, last, step = (*map(int, words), 1)[:3]
                self._count(card, (last - first) // max(step, 1))
                ids += range(first, last + 1, step)
                continue
            for word in words:
                ids += [int(word)] if word.lstrip("+-").isdigit() else names[word.upper()]
        if card.name == "NSET" and card.given.get("ELSET"):
            for element in _any_case(scope.sets["ELSET"])[card.given["ELSET"].upper()]:
                ids += scope.elements[element][1]
        return ids

    def _count(self, card: Card, n: int) -> None:
        self.generated += max(n, 0)
        if self.generated > _MOST:
            raise InputError(f"{card.where}: more than {_MOST} nodes or elements are generated.")

    def _instance(self, card: Card) -> _Scope:
        if card.given.get("LIBRARY"):
            raise InputError(f"{card.where}: instances of other results are not read.")
        part = card.given.get("PART")
        given = self.parts[part.upper()] if part else _Scope()
        numbers = [[float(w) for w in row if w] for row in card.rows]
        x = np.array(list(given.nodes.values())).reshape(-1, 3)
        if numbers:
            x = x + np.array([*numbers[0], 0.0, 0.0, 0.0])[:3]
        if len(numbers) > 1:
            x = _turned(x, np.array(numbers[1]))
        places = [(float(a), float(b), float(c)) for a, b, c in x]
        nodes = dict(zip(given.nodes, places, strict=True))
        return _Scope(nodes, dict(given.elements), deepcopy(given.sets))

    def mesh(self) -> Mesh:
        """All scopes that are placed, as one mesh."""
        if self.unknown:
            raise InputError(
                f"{self.path}: the elements {counted(self.unknown.items())} are none whose edges "
                "are known here; take them out, or replace them by trusses or beams."
            )
        scopes = {"": self.whole, **self.instances}
        if not self.instances and self.parts:  # a part alone, as some pre-processors write it
            scopes |= self.parts if len(self.parts) > 1 else {"": next(iter(self.parts.values()))}
        if not any(s.nodes for s in scopes.values()):
            raise InputError(f"{self.path} cannot be read as a mesh: it has no nodes (*NODE).")
        mesh = _placed(self.path, {n: s for n, s in scopes.items() if s.nodes or s.elements})
        if self.points:
            kinds = counted(self.points.items())
            mesh.notes.append(f"elements of one node ({kinds}) are left out")
        return _chains(mesh)


def _family(kind: str) -> tuple[str, int]:
    """The family of a type of element and the number of its nodes; empty for unknown ones."""
    line = _LINES.match(kind)
    if line:
        three = re.match(r"(T[23]D3|B[23]2|PIPE[23]2)", kind)
        return "line", 3 if three else 2
    if _POINTS.match(kind):
        return "vertex", 1
    for pattern, kinds in ((_SOLIDS, _SOLID_KINDS), (_SHELLS, _SHELL_KINDS)):
        found = pattern.match(kind)
        if found:
            width = {65: 6}.get(int(found[2]), int(found[2]))  # STRI65 has six nodes
            return kinds.get(width, ""), width
    return "", 0


def _turned(x: NDArray[np.float64], axis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points turned about the axis through two points by an angle in degrees (seven numbers)."""
    from scipy.spatial.transform import Rotation

    a, b, angle = axis[:3], axis[3:6], axis[6]
    with np.errstate(all="ignore"):  # what is not finite then is refused as coordinates
        direction = (b - a) / np.linalg.norm(b - a)
        return Rotation.from_rotvec(np.radians(angle) * direction).apply(x - a) + a


def _placed(path: Path, scopes: dict[str, _Scope]) -> Mesh:
    places: list[tuple[float, float, float]] = []
    labels: list[str] = []
    point_sets: dict[str, NDArray[np.int64]] = {}
    cell_sets: dict[str, NDArray[np.int64]] = {}
    found: dict[tuple[str, int], list[tuple[list[int], int]]] = {}
    n, cells = 0, 0
    for name, scope in scopes.items():
        start = f"{name}." if name else ""
        index = {number: n + k for k, number in enumerate(sorted(scope.nodes))}
        element = {number: cells + k for k, number in enumerate(sorted(scope.elements))}
        n, cells = n + len(index), cells + len(element)
        places += [scope.nodes[number] for number in index]
        labels += [f"{start}{number}" for number in index]
        for number, (family, nodes) in sorted(scope.elements.items()):
            missing = [k for k in nodes if k not in index]
            if missing:
                raise InputError(
                    f"{path}: element {start}{number} names node {missing[0]}, which is not there."
                )
            if family == "line" and len(nodes) == 3:  # an end, the middle, the other end
                nodes = (nodes[0], nodes[2], nodes[1])
            rows = found.setdefault((family, len(nodes)), [])
            rows.append(([index[k] for k in nodes], element[number]))
        for sets, known, given, what in (
            (point_sets, index, scope.sets["NSET"], "node"),
            (cell_sets, element, scope.sets["ELSET"], "element"),
        ):
            for label, members in given.items():
                missing = [k for k in members if k not in known]
                if missing:
                    raise InputError(
                        f"{path}: the {what} set {label!r} names {what} {missing[0]}, which is not "
                        "there."
                    )
                ids = np.array([known[k] for k in members], dtype=np.int64)
                sets[start + unquote(label)] = np.unique(ids)
    blocks = [
        Block(family, np.array([r for r, _ in rows]), np.array([k for _, k in rows]))
        for (family, _), rows in found.items()
    ]
    return Mesh(np.array(places), blocks, {}, {}, point_sets, cell_sets, labels)


def _chains(mesh: Mesh) -> Mesh:
    """A deck of mechlearn as its network, which is told by the set NETWORK.

    Chains of lines between nodes of that set are one line each, nodes count from 0 again, and sets
    whose names begin with ``SET_`` are the network's.
    """
    name = next((n for n in mesh.point_sets if n.upper() == NETWORK), None)
    if name is None or {b.kind for b in mesh.blocks} != {"line"}:
        return mesh
    last = np.zeros(len(mesh.points), dtype=bool)
    last[mesh.point_sets[name]] = True
    order = np.argsort(np.concatenate([b.ids for b in mesh.blocks]))
    i, j = np.concatenate([b.nodes[:, :2] for b in mesh.blocks])[order].T
    # Each line begins at such a node, or where the line before it ends.
    begins, ends = last[i], last[j]
    if not begins[0] or not np.array_equal(np.append(begins[1:], True), ends):
        return mesh  # some other deck with a set of that name
    if (i[1:] != j[:-1])[~ends[:-1]].any():
        return mesh
    chain, place = np.cumsum(begins) - 1, np.cumsum(last) - 1
    points = renumbered(mesh.point_sets, np.flatnonzero(last), len(last))
    return Mesh(
        mesh.points[last],
        [Block("line", place[np.stack([i[begins], j[ends]], axis=1)], np.arange(chain[-1] + 1))],
        point_sets={
            n.removeprefix("SET_"): ids for n, ids in points.items() if n != name and len(ids)
        },
        cell_sets={n.removeprefix("SET_"): chain[ids] for n, ids in mesh.cell_sets.items()},
        notes=mesh.notes,
    )
