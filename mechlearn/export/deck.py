"""Input decks for CalculiX and Abaqus: the task as it is.

Springs and bars are trusses (``T3D2``; the ``SPRINGA`` of CalculiX turns with displacements that
are imposed, in linear steps too), beams ``B32R``, solids quadratic triangles and tetrahedra.
CalculiX makes bodies of beams, whose ends cannot get thinner where several meet: their material has
no Poisson's ratio here, but a shear modulus of its own, and an orientation along the strut. Decks
for Abaqus have plain ``B32``.

Every example is a linear static step. What a task holds or reads is one number, a *port* (see
:mod:`mechlearn.problem`): a degree of freedom of a node, or a sum of several (the extension of a
pair, the mean over a joint), for which the deck has a reference node tied to them by an equation.
Everything is in the units of the network.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn import __version__
from mechlearn.energies import Element, Solid, energies
from mechlearn.errors import InputError
from mechlearn.export.options import Options
from mechlearn.export.part import hinge_of, sized
from mechlearn.kinematics import Displacements
from mechlearn.meshfile import save
from mechlearn.network import Network
from mechlearn.posing import pose
from mechlearn.problem import Problem

if TYPE_CHECKING:
    from mechlearn.run import Run

#: The models by the energies of runs.
MODELS = {
    "spring": "spring",
    "finite_spring": "spring",
    "bar": "bar",
    "beam": "beam",
    "finite_beam": "beam",
    "solid": "solid",
}
#: Elements along a beam.
SEGMENTS = 8
#: Deflection of a circular ``B32R`` of CalculiX over that of a beam, measured on cantilevers: a
#: body of as much more area, and less modulus, stretches and bends as it should.
ROUND = 1.0239
#: Side of the trusses that stand for springs over the mean length of struts, and thickness of
#: solids in plane stress over their smallest width: CalculiX makes a body of them, which must be
#: thin for its plane stress to be one.
SPRING_SIDE, THIN = 0.1, 0.1
#: Degrees of freedom of CalculiX and Abaqus by the names of components.
DOFS = {"x": 1, "y": 2, "z": 3, "rx": 4, "ry": 5, "rz": 6}


@dataclass(frozen=True, eq=False)
class Mesh:
    """What a deck is a deck of.

    Attributes
    ----------
    points : (p, 3) array
    cells : list of arrays of point ids, one for every element
    kind : str
        The type of the elements.
    group : (e,) integer array
        The group of struts alike that each element belongs to.
    sections : list of list of str
        The lines that give every group its material and section.
    ports : (ports, p, 6) sparse rows flattened to (ports, 6 p)
        What ports read of the points' displacements and rotations.
    held : (k, 2) integer array
        Points and degrees of freedom (1 to 6) that never move.
    """

    points: NDArray[np.float64]
    cells: Sequence[NDArray[np.int64]]
    kind: str
    group: NDArray[np.int64]
    sections: list[list[str]]
    ports: sparse.csr_array
    held: NDArray[np.int64]


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the deck; see :func:`mechlearn.export.export`."""
    network, energy, values = _modelled(run, options)
    problem = pose(run.setup.task, network, energy.kinematics)
    if isinstance(energy, Solid):
        mesh = _solid(network, energy, values, problem)
    else:
        mesh = _bonds(network, energy, values, problem, options.abaqus)
    lines = [*_head(run, mesh, energy), *_model(mesh, problem), *_steps(mesh, problem)]
    save(path, ("\n".join(lines) + "\n").encode())
    return (
        f"{len(mesh.points)} nodes, {len(mesh.cells)} elements {mesh.kind} in "
        f"{len(mesh.sections)} groups, {problem.n_examples} steps, in units of the network."
    )


def _modelled(run: "Run", options: Options) -> tuple[Network, Element, dict[str, Any]]:
    """The network, the element of which the deck is a model, and the values of its parameters."""
    if not isinstance(run.energy.kinematics, Displacements):
        raise InputError(f"An input deck is of springs, beams or solids, not a {run.energy.name}.")
    if run.network.periodic:
        raise InputError("An input deck has no bonds across a periodic cell; use a finite network.")
    own = MODELS.get(run.energy.name)
    model = options.model or own
    if model is None:
        raise InputError(f"model: say what a {run.energy.name} is: spring, bar, beam or solid.")
    if model == own and model != "solid":
        values = run.parameters
        if not np.allclose(values.get("rest_length", 1.0), run.network.lengths):
            raise InputError("This network has learned rest lengths; a deck has no prestress.")
        if np.isfinite(values.get("joint_stiffness", np.inf)).any():
            raise InputError("joint_stiffness: the beams of a deck are joined rigidly.")
        return run.network, energies[model].in_dimension(run.network.dim)(), values
    if model == "spring":
        raise InputError(f"model: a run of {run.energy.name}s makes no springs.")
    made, dim = sized(run, options), run.network.dim
    values = {"modulus": made.modulus, "thickness": 1.0, "poisson": options.poisson}
    values |= {"width": made.width} if dim == 2 or model == "solid" else {"radius": made.width / 2}
    if model != "solid":
        element: Element = energies[model].in_dimension(dim)()
    elif isinstance(run.energy, Solid):
        element = replace(run.energy, material="linear")
        values["thickness"] = run.parameters["thickness"]
    else:
        hinge = hinge_of(run, options)
        element = Solid(poisson=options.poisson, mesh_size=options.mesh_size, hinge=hinge)
    m = made.network.n_edges
    return (
        made.network,
        element,
        {name: np.broadcast_to(v, m).astype(float) for name, v in values.items()},
    )


# -- elements ----------------------------------------------------------------------------------


def _bonds(network: Network, energy: Element, values: dict, problem: Problem, abaqus: bool) -> Mesh:
    """Springs, bars and beams between the network's nodes."""
    n, dim = network.n_nodes, network.dim
    points, cells, group = _spaced(network.nodes), list(network.edges), np.arange(network.n_edges)
    if energy.name == "spring":
        side = SPRING_SIDE * network.lengths.mean()
        values = {"modulus": values["stiffness"] * network.lengths / side**2, "area": side**2}
    kind = "T3D2" if energy.name != "beam" else "B32" if abaqus else "B32R"
    names = [k for k in values if k not in ("rest_length", "joint_stiffness")]
    table = np.stack([np.broadcast_to(values[k], network.n_edges) for k in names], axis=1)
    if kind == "B32R" or (kind == "B32" and dim == 3):  # sections have a direction
        alike, group = table, np.arange(network.n_edges)
    else:
        alike, group = np.unique(table, axis=0, return_inverse=True)
        group = group.ravel()
    axes = _spaced(network.vectors / network.lengths[:, None])
    sections = [
        _section(
            kind, g, dict(zip(names, row.tolist(), strict=True)), axes[np.argmax(group == g - 1)]
        )
        for g, row in enumerate(alike, 1)
    ]
    if kind != "T3D2":
        share = np.arange(1, 2 * SEGMENTS) / (2 * SEGMENTS)
        between = _spaced(network.nodes[network.edges[:, 0]])[:, None]
        between = between + share[:, None] * _spaced(network.vectors)[:, None]
        inner = n + np.arange(network.n_edges * len(share)).reshape(network.n_edges, -1)
        points = np.concatenate([points, between.reshape(-1, 3)])
        along = np.column_stack([network.edges[:, 0], inner, network.edges[:, 1]])
        cells = [row[2 * k : 2 * k + 3] for row in along for k in range(SEGMENTS)]
        group = np.repeat(group, SEGMENTS)
    dofs = np.array([DOFS[c] for c in problem.components]) - 1
    width = len(dofs)
    place = 6 * np.repeat(np.arange(n), width) + np.tile(dofs, n)
    spread = sparse.csr_array(
        (np.ones(n * width), (np.arange(n * width), place)), shape=(n * width, 6 * len(points))
    )
    fixed = place[problem.fixed]
    if dim == 2:  # nothing leaves the plane
        fixed = np.concatenate([fixed, 6 * np.arange(n) + DOFS["z"] - 1])
    held = np.column_stack([fixed // 6, fixed % 6 + 1])
    return Mesh(points, cells, kind, group, sections, _port_rows(problem) @ spread, held)


def _section(kind: str, number: int, row: dict[str, float], axis: NDArray) -> list[str]:
    """Material and section of a group of struts alike; ``axis`` is the direction of one of them."""
    name = f"GROUP_{number}"
    modulus, poisson, flat = row["modulus"], row.get("poisson", 0.0), "width" in row
    if kind == "T3D2":
        area = row["width"] * row["thickness"] if flat else np.pi * row.get("radius", 0.0) ** 2
        card = f"*SOLID SECTION, ELSET={name}, MATERIAL={name}"
        return [*_material(name, modulus, poisson), card, _float(row.get("area", area))]
    # The first direction of the section: out of the plane, or any that is normal to the strut.
    normal = np.eye(3)[2] if flat else np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    normal = normal / np.linalg.norm(normal)
    card = f"*BEAM SECTION, ELSET={name}, MATERIAL={name}, SECTION={'RECT' if flat else 'CIRC'}"
    if kind == "B32":
        sides = (row["thickness"], row["width"]) if flat else (row["radius"],)
        material = _material(name, modulus, poisson)
    else:
        modulus = modulus if flat else modulus / ROUND
        diameter = 2 * np.sqrt(ROUND) * row.get("radius", 0.0)
        sides = (row["thickness"], row["width"]) if flat else (diameter, diameter)
        shear = modulus / (2 * (1 + poisson))
        material = [
            f"*ORIENTATION, NAME={name}",
            ", ".join(map(_float, (*axis, *normal))),
            f"*MATERIAL, NAME={name}",
            "*ELASTIC, TYPE=ENGINEERING CONSTANTS",
            ", ".join([*[_float(modulus)] * 3, "0., 0., 0.", *[_float(shear)] * 2]),
            _float(shear),
        ]
        card += f", ORIENTATION={name}"
    return [*material, card, ", ".join(map(_float, sides)), ", ".join(map(_float, normal))]


def _material(name: str, modulus: float, poisson: float) -> list[str]:
    return [f"*MATERIAL, NAME={name}", "*ELASTIC", f"{_float(modulus)}, {_float(poisson)}"]


def _solid(network: Network, energy: Solid, values: dict, problem: Problem) -> Mesh:
    """The mesh that mechlearn solves on, with quadratic cells."""
    from scipy.spatial import cKDTree

    from mechlearn.solids.domain import draw
    from mechlearn.solids.patches import patch_means
    from mechlearn.solids.struts import Struts

    struts = Struts(network, values["width"], energy.hinge)
    drawn, _ = draw(struts, energy.mesh_size)
    d, p = network.dim, len(drawn.points)
    pairs = [(0, 1), (1, 2), (2, 0)] + ([(0, 3), (1, 3), (2, 3)] if d == 3 else [])
    sides = np.sort(drawn.cells[:, pairs].reshape(-1, 2), axis=1)
    sides, middle = np.unique(sides, axis=0, return_inverse=True)
    points = np.concatenate([drawn.points, drawn.points[sides].mean(axis=1)])
    cells = np.hstack([drawn.cells, p + middle.reshape(len(drawn.cells), -1)])
    weights = patch_means(drawn).tocoo()
    n = network.n_nodes
    spread = sparse.csr_array(
        (
            np.tile(weights.data, d),
            (
                np.concatenate([d * weights.row + c for c in range(d)]),
                np.concatenate([6 * weights.col + c for c in range(d)]),
            ),
        ),
        shape=(d * n, 6 * len(points)),
    )
    tree, held = cKDTree(points), []
    for dof in problem.supported:
        near = tree.query_ball_point(network.nodes[dof // d], struts.patch_radius[dof // d])
        held += [(k, dof % d + 1) for k in near]
    corners = cKDTree(drawn.points)
    held += [(corners.query(network.nodes[dof // d])[1], dof % d + 1) for dof in problem.gauge]
    held = np.unique(np.array(held, dtype=np.int64).reshape(-1, 2), axis=0)
    modulus, thickness = values["modulus"], values["thickness"]
    if d == 2 and energy.plane == "stress":
        thin = THIN * struts.end_width.min()
        modulus, thickness = modulus * thickness / thin, np.full(len(thickness), thin)
    alike, group = np.unique(np.stack([modulus, thickness], 1), axis=0, return_inverse=True)
    kind = "C3D10" if d == 3 else {"stress": "CPS6", "strain": "CPE6"}[energy.plane]
    sections = []
    for g, (modulus, thickness) in enumerate(alike, 1):
        name = f"GROUP_{g}"
        sections.append(_material(name, modulus, energy.poisson))
        sections[-1].append(f"*SOLID SECTION, ELSET={name}, MATERIAL={name}")
        sections[-1] += [_float(thickness)] if d == 2 else []
    ports = _port_rows(problem) @ spread
    group = group.ravel()[drawn.strut]
    return Mesh(_spaced(points), list(cells), kind, group, sections, ports, held)


def _port_rows(problem: Problem) -> sparse.csr_array:
    """What ports read, to first order in the nodes' states, (ports, n c)."""
    rows, reference, spans = problem.functionals()
    out = []
    for span in spans:
        vector = reference[span]
        length = np.linalg.norm(vector)
        direction = vector / length if length else np.ones(1)
        out.append(sparse.csr_array(direction[None]) @ rows[span])
    return sparse.csr_array(sparse.vstack(out))


# -- the deck ----------------------------------------------------------------------------------


def _head(run: "Run", mesh: Mesh, energy: Element) -> Iterator[str]:
    yield "*HEADING"
    yield (run.setup.title.encode("ascii", "replace").decode() or "learned network")[:70]
    yield f"** mechlearn {__version__}: a network of {energy.name} elements, in its own units."
    if mesh.kind == "CPS6":
        yield "** Thin, and as much stiffer: modulus times thickness is what it was."
    if energy.name == "spring":
        yield "** Springs are trusses; modulus times section over length is the stiffness."


def _model(mesh: Mesh, problem: Problem) -> Iterator[str]:
    yield "*NODE, NSET=ALL"
    for k, x in enumerate(mesh.points, 1):
        yield f"{k}, " + ", ".join(map(_float, x))
    for g in range(len(mesh.sections)):
        yield f"*ELEMENT, TYPE={mesh.kind}, ELSET=GROUP_{g + 1}"
        for e in np.flatnonzero(mesh.group == g):
            yield ", ".join(str(k) for k in (e + 1, *(mesh.cells[e] + 1)))
    for lines in mesh.sections:
        yield from lines
    ports = _tied(mesh, problem)
    references = [k for k, (tied, _) in enumerate(ports) if tied]
    if references:
        yield "*NODE, NSET=REFERENCES"
        low = mesh.points.min(axis=0)
        for k in references:
            yield f"{_reference(mesh, k)}, " + ", ".join(map(_float, low))
    for k in references:
        terms = ports[k][1]
        yield f"** {problem.ports[k].terminal}: what reference node {_reference(mesh, k)} reads"
        yield "*EQUATION"
        yield str(len(terms))
        for start in range(0, len(terms), 4):
            part = terms[start : start + 4]
            yield ", ".join(f"{node}, {dof}, {_float(weight)}" for node, dof, weight in part)
    yield from _set("SUPPORTS", np.unique(mesh.held[:, 0]) + 1)
    for name, chosen in _terminals(problem):
        nodes = {_places(mesh, ports, k)[0] for k in chosen}
        if name == "TARGETS":
            readings = range(len(problem.targets))
            nodes |= {_reading(mesh, ports, problem, k)[1] for k in readings}
        yield from _set(name, sorted(nodes))


def _terminals(problem: Problem) -> list[tuple[str, list[int]]]:
    """The node sets of sources and targets, and the ports of each."""
    read = set(problem.targets.tolist())
    sources = [k for k in range(len(problem.ports)) if k not in read]
    return [(n, k) for n, k in (("SOURCES", sources), ("TARGETS", sorted(read))) if k]


def _tied(mesh: Mesh, problem: Problem) -> list[tuple[bool, list[tuple[int, int, float]]]]:
    """Every port's terms ``(node, dof, weight)``, and whether an equation ties them to a node.

    The first term of an equation is the one that CalculiX eliminates: the reference node where it
    only reads, and a degree of freedom that nothing else holds where it is held itself.
    """
    moved = problem.held.any(axis=0)
    taken = {(int(k) + 1, int(c)) for k, c in mesh.held}
    rows, out = [], []
    for k in range(len(problem.ports)):
        row = mesh.ports[[k]].tocoo()
        terms = [
            (int(c) // 6 + 1, int(c) % 6 + 1, float(w))
            for c, w in zip(row.coords[1], row.data, strict=True)
            if abs(w) > 1e-14
        ]
        rows.append(terms)
        if moved[k] and len(terms) == 1 and terms[0][2] == 1.0:
            taken.add(terms[0][:2])
    for k, terms in enumerate(rows):
        if len(terms) == 1 and terms[0][2] == 1.0:
            out.append((False, terms))
            continue
        own = (_reference(mesh, k), 1, -1.0)
        if not moved[k]:
            out.append((True, [own, *terms]))
            continue
        free = [t for t in terms if t[:2] not in taken]
        if not free:
            raise InputError(
                f"{problem.ports[k].terminal}: all it moves is held by others; a deck cannot "
                "say that."
            )
        first = max(free, key=lambda t: abs(t[2]))
        taken.add(first[:2])
        out.append((True, [first, *(t for t in terms if t is not first), own]))
    return out


def _reference(mesh: Mesh, port: int) -> int:
    return len(mesh.points) + 1 + port


def _places(mesh: Mesh, ports: list, port: int) -> tuple[int, int]:
    """The node and degree of freedom that stand for a port."""
    tied, terms = ports[port]
    return (_reference(mesh, port), 1) if tied else terms[0][:2]


def _steps(mesh: Mesh, problem: Problem) -> Iterator[str]:
    """A linear static step for every example."""
    ports = _tied(mesh, problem)
    for example in range(problem.n_examples):
        held, value = problem.held[example], problem.values[example]
        yield f"** example {example + 1}"
        yield "*STEP"
        yield "*STATIC"
        yield "*BOUNDARY, OP=NEW"
        for k, dof in mesh.held:
            yield f"{k + 1}, {dof}, {dof}, 0."
        for k in np.flatnonzero(held):
            node, dof = _places(mesh, ports, k)
            yield f"{node}, {dof}, {dof}, {_float(value[k])}"
        loads = [
            (node, dof, weight * value[k])
            for k in np.flatnonzero(~held & (value != 0))
            for node, dof, weight in _loaded(mesh, ports, problem, k)
        ]
        if loads or example:
            yield "*CLOAD, OP=NEW"
            for node, dof, load in loads:
                yield f"{node}, {dof}, {_float(load)}"
        for name, _ in _terminals(problem):
            yield f"*NODE PRINT, NSET={name}"
            yield "U, RF"
        for k in range(len(problem.targets)):
            what, node, dof, unit = _reading(mesh, ports, problem, k)
            name = problem.ports[problem.targets[k]].terminal
            yield f"** {name} is {what}{dof} of node {node} over {unit:.12g}"
        yield "*NODE FILE"
        yield "U"
        yield "*END STEP"


def _reading(mesh: Mesh, ports: list, problem: Problem, target: int) -> tuple[str, int, int, float]:
    """What of which node a target is (``U`` or ``RF``, node, degree of freedom), over what."""
    port = problem.targets[target]
    node, dof = _places(mesh, ports, port)
    if not problem.through[target]:
        return "U", node, dof, problem.units[target]
    tied, terms = ports[port]
    if not tied:
        return "RF", node, dof, 1.0
    # No force is printed for a reference node: one of its terms has it, times the term's weight.
    others = {t[:2] for k, (_, ts) in enumerate(ports) if k != port for t in ts}
    others |= {(int(k) + 1, int(c)) for k, c in mesh.held}
    own = [t for t in terms if t[0] <= len(mesh.points) and t[:2] not in others]
    if not own:
        raise InputError(
            f"{problem.ports[port].terminal}: other sources or targets are at the same nodes, so "
            "that CalculiX prints no force of its own."
        )
    node, dof, weight = max(own, key=lambda t: abs(t[2]))
    return "RF", node, dof, weight


def _loaded(mesh: Mesh, ports: list, problem: Problem, port: int) -> list[tuple[int, int, float]]:
    """Where a force goes: to a port's terms, or its reference node where that is held at times."""
    tied, terms = ports[port]
    if tied and problem.held[:, port].any():
        return [(_reference(mesh, port), 1, 1.0)]
    return [t for t in terms if t[0] <= len(mesh.points)]


def _set(name: str, nodes: Iterable[int]) -> Iterator[str]:
    nodes = [str(k) for k in nodes]
    if nodes:
        yield f"*NSET, NSET={name}"
        for start in range(0, len(nodes), 12):
            yield ", ".join(nodes[start : start + 12])


def _spaced(points: NDArray) -> NDArray[np.float64]:
    """Points in space, those of the plane at z = 0."""
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def _float(value: float) -> str:
    return f"{value:.12e}"  # CalculiX reads twenty characters
