"""Input decks for CalculiX and Abaqus: a linear static step per example.

Springs and bars are trusses (``T3D2``; the ``SPRINGA`` of CalculiX turns with displacements that
are imposed, in linear steps too), beams ``B32R``, solids quadratic triangles and tetrahedra.
CalculiX makes bodies of beams, whose ends cannot get thinner where several meet: their material has
no Poisson's ratio here, but a shear modulus of its own, and an orientation along the strut. Decks
for Abaqus have plain ``B32``.

Every example is a linear static step. What a task holds or reads is one number, a *port* (see
:mod:`mechlearn.tasks.problem`): a degree of freedom of a node, or a sum of several (the extension
of a pair, the mean over a joint), for which the deck has a reference node tied to them by an
equation.
Everything is in the units of the network.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
from scipy import sparse

from mechlearn import __version__
from mechlearn.energies import energies
from mechlearn.energies.beam import Section
from mechlearn.energies.element import Element
from mechlearn.energies.kinematics import FRAME, Displacements
from mechlearn.energies.solid import Solid
from mechlearn.errors import InputError, listed, plain
from mechlearn.export.elements import Mesh, body, bonds, number, solid, sticks
from mechlearn.export.options import Options
from mechlearn.export.part import hinge_of, sized
from mechlearn.io.writing import write_file
from mechlearn.network import Network
from mechlearn.solids.sizing import axial_stiffness
from mechlearn.solids.sizing import sized as sized_struts
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.problem import Problem

if TYPE_CHECKING:
    from mechlearn.runs.run import Run


def write(run: "Run", path: Path, options: Options) -> str:
    """Write the deck; see :func:`mechlearn.export.export`."""
    mesh, problem, energy, changes = _meshed(run, options)
    lines = [*_head(run, mesh, energy), *_model(mesh, problem), *_steps(mesh, problem)]
    write_file(path, ("\n".join(lines) + "\n").encode())
    steps = "1 step" if problem.n_examples == 1 else f"{problem.n_examples} steps"
    said = (
        f"{len(mesh.points)} nodes, {len(mesh.cells)} elements {mesh.kind} in "
        f"{len(mesh.sections)} groups, {steps}, in units of the network."
    )
    return f"{said} {changes}".rstrip()


def _meshed(run: "Run", options: Options) -> tuple[Mesh, Problem, Element, str]:
    """Mesh of the deck, the task on it, its elements, and what was changed, in words."""
    if run.network.body is not None:
        if given := options.given():
            raise InputError(f"{listed(given)}: means nothing to a body, written as it is meshed.")
        if run.network.periodic:
            raise InputError("An input deck has no periodic cell; use a finite body.")
        problem = pose(run.setup.task, run.network, run.energy.kinematics)
        return body(run.network, run.parameters, run.energy, problem), problem, run.energy, ""
    network, energy, section, changes = _modelled(run, options)
    kind = energy.kinematics
    problem = pose(run.setup.task, network, FRAME if kind.curved(network.dim) else kind)
    mesh = (
        solid(network, energy, section, problem)
        if energy.continuum
        else bonds(network, section, problem, options.abaqus)
    )
    return mesh, problem, energy, changes


def _modelled(run: "Run", options: Options) -> tuple[Network, Element, Section, str]:
    """Network, element and sections of the deck.

    And which struts were left out or widened, in words.
    """
    if not isinstance(run.energy.kinematics, Displacements):
        raise InputError(f"An input deck is of springs, beams or solids, not a {run.energy.name}.")
    if run.network.periodic:
        raise InputError("An input deck has no bonds across a periodic cell; use a finite network.")
    dim, own = run.network.dim, _own_model(run)
    model = options.model or own
    if model == own and model != "solid":
        return _as_learned(run, options)
    if model == "spring":
        raise InputError(f"model: a run of {run.energy.name}s makes no springs.")
    made = sized(run, options)
    thickness, circles = np.ones(made.network.n_edges), dim == 3 and model != "solid"
    if model != "solid":
        element: Element = energies[model]()
    elif isinstance(run.energy, Solid):
        element = replace(run.energy, material="linear")
        thickness = run.parameters["thickness"]
    else:
        hinge = hinge_of(run, options)
        element = Solid(poisson=options.poisson, mesh_size=options.mesh_size, hinge=hinge)
    modulus = np.full(len(thickness), made.modulus)
    section = Section(modulus, made.width, None if circles else thickness, options.poisson)
    return made.network, element, section, made.changes


def _own_model(run: "Run") -> str:
    """The model that is most like the elements of a run."""
    energy = run.energy
    if energy.continuum:
        return "solid"
    if energy.kinematics.rotations(run.network.dim):
        return "beam"
    return "spring" if energy.section(run.parameters) is None else "bar"


def _as_learned(run: "Run", options: Options) -> tuple[Network, Element, Section, str]:
    """The run's own elements: springs as they are, others without struts that are too thin."""
    network, energy = run.network, run.energy
    values = {**run.parameters, "length": network.lengths}
    if energy.prestresses(values):
        raise InputError("This network has learned rest lengths; a deck has no prestress.")
    given = [name for name in ("largest", "smallest", "keep", "hinge") if name in options.given()]
    section = energy.section(values)
    if section is None or "largest" in given or "hinge" in given:
        if given:
            raise InputError(
                f"{listed(given)}: means nothing to a deck of the run's own {energy.name}s; "
                "model = solid makes struts of them."
            )
        if section is None and not energy.hookean(values):
            raise InputError(
                f"The struts of a deck are of one stiffness; that of {energy.plural} depends on "
                "how far they are stretched. Export data, such as .vtu or .csv."
            )
        return network, energy, section or sticks(network, axial_stiffness(energy, values)), ""
    if factors := [n for n in ("shear_factor", "torsion_factor") if energy.settings.get(n)]:
        raise InputError(
            f"{factors[0]}: the sections of a deck have shear and torsion of their own."
        )
    turned = energy.bending_stiffness(values)
    rigid = section.modulus * section.second_moment / network.lengths
    if turned is not None and energy.linear and not np.allclose(turned[0], rigid):
        raise InputError("joint_stiffness: the beams of a deck are joined rigidly.")
    declared = section.modulus * section.area / network.lengths
    axial = energy.axial_stiffness(values)
    if axial is None or not np.allclose(axial, declared, rtol=1e-6):
        raise InputError(
            f"model: the struts of a deck stretch as their sections do, a {energy.name} does not."
        )
    made = sized_struts(run, section.width, 1.0, options.smallest, drop=not options.keep)
    parts = {
        name: None if value is None else np.broadcast_to(value, len(made.kept))[made.kept]
        for name, value in vars(section).items()
    }
    return made.network, energy, Section(**parts | {"width": made.width}), made.changes


# -- the deck ----------------------------------------------------------------------------------


def _head(run: "Run", mesh: Mesh, energy: Element) -> Iterator[str]:
    yield "*HEADING"
    yield _words(run.setup.title) or "learned network"
    yield f"** mechlearn {__version__}: a network of {energy.name} elements, in its own units."
    if mesh.kind.startswith("CPS"):
        yield "** Thin, and as much stiffer: modulus times thickness is what it was."
    if energy is run.energy and _own_model(run) == "spring":
        yield "** Springs are trusses; modulus times section over length is the stiffness."


def _words(text: str) -> str:
    """Text escaped for a comment line of the deck."""
    return plain(text).encode("ascii", "replace").decode().lstrip("* ")[:70]


def _model(mesh: Mesh, problem: Problem) -> Iterator[str]:
    yield "*NODE, NSET=ALL"
    for k, x in enumerate(mesh.points, 1):
        yield f"{k}, " + ", ".join(map(number, x))
    for g in range(len(mesh.sections)):
        yield f"*ELEMENT, TYPE={mesh.kind}, ELSET=GROUP_{g + 1}"
        for e in np.flatnonzero(mesh.group == g).tolist():
            yield ", ".join(str(k) for k in (e + 1, *(mesh.cells[e] + 1)))
    if mesh.kind.startswith(("T", "B")):
        yield from _network(mesh, problem.network)
    for lines in mesh.sections:
        yield from lines
    ports = _tied(mesh, problem)
    references = [k for k, (tied, _) in enumerate(ports) if tied]
    if references:
        yield "*NODE, NSET=REFERENCES"
        low = mesh.points.min(axis=0)
        for k in references:
            yield f"{_reference(mesh, k)}, " + ", ".join(map(number, low))
    for k in references:
        name = _words(problem.ports[k].terminal)
        yield f"** {name}: what reference node {_reference(mesh, k)} reads"
        yield from _equation(ports[k][1])
    for terms in _ties(mesh):
        yield from _equation(terms)
    yield from _set("SUPPORTS", mesh.supported + 1)
    for name, chosen in _terminals(problem):
        nodes = {_places(mesh, ports, k)[0] for k in chosen}
        if name == "TARGETS":
            readings = range(len(problem.targets))
            nodes |= {_reading(mesh, ports, problem, k)[1] for k in readings}
        yield from _set(name, sorted(nodes))


def _network(mesh: Mesh, network: Network) -> Iterator[str]:
    """Element sets from which a deck is read back as a network."""
    yield "*NSET, NSET=NETWORK, GENERATE"
    yield f"1, {network.n_nodes}, 1"
    each = len(mesh.cells) // network.n_edges
    for name, nodes in network.node_sets.items():
        yield from _set(f"SET_{quote(name, safe='')}", nodes + 1)
    for name, members in network.edge_sets.items():
        elements = (each * members[:, None] + np.arange(each)).ravel() + 1
        yield from _set(f"SET_{quote(name, safe='')}", elements, "ELSET")


def _equation(terms: list[tuple[int, int, float]]) -> Iterator[str]:
    yield "*EQUATION"
    yield str(len(terms))
    for start in range(0, len(terms), 4):
        part = terms[start : start + 4]
        yield ", ".join(f"{node}, {dof}, {number(weight)}" for node, dof, weight in part)


def _ties(mesh: Mesh) -> list[list[tuple[int, int, float]]]:
    """Terms ``(node, dof, weight)`` of support equations; the first term is unique to each."""
    rows = _terms(mesh.ties)
    used = Counter(term[:2] for terms in rows for term in terms)
    return [sorted(terms, key=lambda t: used[t[:2]] > 1 or t[2] != 1.0) for terms in rows]


def _terms(rows: sparse.csr_array) -> list[list[tuple[int, int, float]]]:
    """Terms ``(node, dof, weight)`` of functionals, those that are zero to rounding left out."""
    out: list[list[tuple[int, int, float]]] = [[] for _ in range(rows.shape[0])]
    found = rows.tocoo()
    for k, c, weight in zip(*found.coords, found.data, strict=True):
        if abs(weight) > 1e-14:
            out[k].append((int(c) // 6 + 1, int(c) % 6 + 1, float(weight)))
    return out


def _terminals(problem: Problem) -> list[tuple[str, list[int]]]:
    """Node sets of sources and targets, and their ports."""
    ports = ("SOURCES", problem.sources), ("TARGETS", problem.targets)
    return [(name, np.unique(at).tolist()) for name, at in ports if len(at)]


def _tied(mesh: Mesh, problem: Problem) -> list[tuple[bool, list[tuple[int, int, float]]]]:
    """Terms ``(node, dof, weight)`` of every port, and whether an equation ties them to a node.

    The first term of an equation is the one that CalculiX eliminates: the reference node where it
    only reads, and a degree of freedom that nothing else holds where it is held itself.
    """
    moved = problem.held.any(axis=0)
    taken = {(int(k) + 1, int(c)) for k, c in mesh.held}
    taken |= {terms[0][:2] for terms in _ties(mesh)}
    rows, out = _terms(mesh.ports), []
    for k, terms in enumerate(rows):
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
    """Node and degree of freedom that represent a port."""
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
        for k in np.flatnonzero(held).tolist():
            node, dof = _places(mesh, ports, k)
            yield f"{node}, {dof}, {dof}, {number(value[k])}"
        loads = [
            (node, dof, weight * value[k])
            for k in np.flatnonzero(~held & (value != 0)).tolist()
            for node, dof, weight in _loaded(mesh, ports, problem, k)
        ]
        if loads or example:
            yield "*CLOAD, OP=NEW"
            for node, dof, load in loads:
                yield f"{node}, {dof}, {number(load)}"
        for name, _ in _terminals(problem):
            yield f"*NODE PRINT, NSET={name}"
            yield "U, RF"
        for k in range(len(problem.targets)):
            what, node, dof, unit = _reading(mesh, ports, problem, k)
            name = _words(problem.answers[k].terminal)
            yield f"** {name} is {what}{dof} of node {node} over {unit:.12g}"
        yield "*NODE FILE"
        yield "U"
        yield "*END STEP"


def _reading(mesh: Mesh, ports: list, problem: Problem, target: int) -> tuple[str, int, int, float]:
    """Output variable of a target (``U`` or ``RF``, node, degree of freedom), and its divisor."""
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
    others |= {t[:2] for terms in _ties(mesh) for t in terms}
    own = [t for t in terms if t[0] <= len(mesh.points) and t[:2] not in others]
    if not own:
        raise InputError(
            f"{problem.ports[port].terminal}: other sources or targets are at the same nodes, so "
            "that CalculiX prints no force of its own."
        )
    node, dof, weight = max(own, key=lambda t: abs(t[2]))
    return "RF", node, dof, weight


def _loaded(mesh: Mesh, ports: list, problem: Problem, port: int) -> list[tuple[int, int, float]]:
    """Node of a force: a port's terms, or its reference node where it is held in some example."""
    tied, terms = ports[port]
    if tied and problem.held[:, port].any():
        return [(_reference(mesh, port), 1, 1.0)]
    return [t for t in terms if t[0] <= len(mesh.points)]


def _set(name: str, members: Iterable[int], kind: str = "NSET") -> Iterator[str]:
    numbers = [str(k) for k in members]
    if numbers:
        yield f"*{kind}, {kind}={name}"
        for start in range(0, len(numbers), 12):
            yield ", ".join(numbers[start : start + 12])
