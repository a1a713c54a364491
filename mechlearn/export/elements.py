"""Finite-element meshes of input decks: nodes, elements, sections, and functionals of ports."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.linalg import qr

from mechlearn.energies.beam import Section
from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.tasks.enclosed import EnclosurePort
from mechlearn.tasks.problem import Problem

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
    """Finite-element mesh of a deck.

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
    ties : sparse rows (k, 6 p)
        Other sums of the points' displacements that stay zero, each with a 1 in a column that no
        other has.
    """

    points: NDArray[np.float64]
    cells: Sequence[NDArray[np.int64]]
    kind: str
    group: NDArray[np.int64]
    sections: list[list[str]]
    ports: sparse.csr_array
    held: NDArray[np.int64]
    ties: sparse.csr_array

    @property
    def supported(self) -> NDArray[np.int64]:
        """Supported points."""
        return np.union1d(self.held[:, 0], self.ties.tocoo().coords[1] // 6)


def sticks(network: Network, stiffness: NDArray) -> Section:
    """Sections of trusses of some axial stiffness, (m,), that stand for springs."""
    side = np.full(network.n_edges, SPRING_SIDE * network.lengths.mean())
    return Section(stiffness * network.lengths / side**2, side, side)


def bonds(network: Network, section: Section, problem: Problem, abaqus: bool) -> Mesh:
    """Springs, bars and beams between the network's nodes."""
    n, dim = network.n_nodes, network.dim
    points, cells, group = _spaced(network.nodes), list(network.edges), np.arange(network.n_edges)
    turns = problem.kinematics.rotations(dim)
    kind = "T3D2" if not turns else "B32" if abaqus else "B32R"
    parts = {name: part for name, part in vars(section).items() if part is not None}
    table = np.stack([np.broadcast_to(part, network.n_edges) for part in parts.values()], axis=1)
    if kind == "B32R" or (kind == "B32" and dim == 3):  # sections have a direction
        alike, group = table, np.arange(network.n_edges)
    else:
        alike, group = np.unique(table, axis=0, return_inverse=True)
        group = group.ravel()
    axes = _spaced(network.vectors / network.lengths[:, None])
    sections = [
        _section(
            kind,
            g,
            Section(**dict(zip(parts, row.tolist(), strict=True))),
            axes[np.argmax(group == g - 1)],
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
    ports, ties = _port_rows(problem) @ spread, sparse.csr_array((0, 6 * len(points)))
    return Mesh(points, cells, kind, group, sections, ports, held, ties)


def _section(kind: str, group: int, row: Section, axis: NDArray) -> list[str]:
    """Material and section of a group of struts alike; ``axis`` is the direction of one of them."""
    name = f"GROUP_{group}"
    modulus, poisson, flat = row.modulus, row.poisson, row.thickness is not None
    if kind == "T3D2":
        card = f"*SOLID SECTION, ELSET={name}, MATERIAL={name}"
        return [*_material(name, modulus, poisson), card, number(row.area)]
    # The first direction of the section: out of the plane, or any that is normal to the strut.
    normal = np.eye(3)[2] if flat else np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    normal = normal / np.linalg.norm(normal)
    card = f"*BEAM SECTION, ELSET={name}, MATERIAL={name}, SECTION={'RECT' if flat else 'CIRC'}"
    if kind == "B32":
        sides = (row.thickness, row.width) if flat else (row.width / 2,)
        material = _material(name, modulus, poisson)
    else:
        modulus = modulus if flat else modulus / ROUND
        diameter = np.sqrt(ROUND) * row.width
        sides = (row.thickness, row.width) if flat else (diameter, diameter)
        shear = modulus / (2 * (1 + poisson))
        material = [
            f"*ORIENTATION, NAME={name}",
            ", ".join(map(number, (*axis, *normal))),
            f"*MATERIAL, NAME={name}",
            "*ELASTIC, TYPE=ENGINEERING CONSTANTS",
            ", ".join([*[number(modulus)] * 3, "0., 0., 0.", *[number(shear)] * 2]),
            number(shear),
        ]
        card += f", ORIENTATION={name}"
    return [*material, card, ", ".join(map(number, sides)), ", ".join(map(number, normal))]


def _material(name: str, modulus: float, poisson: float) -> list[str]:
    return [f"*MATERIAL, NAME={name}", "*ELASTIC", f"{number(modulus)}, {number(poisson)}"]


def solid(network: Network, energy: Any, section: Section, problem: Problem) -> Mesh:
    """Solid mesh of the run with quadratic cells."""
    from mechlearn.solids.domain import mesh_and_velocity
    from mechlearn.solids.patches import node_rows
    from mechlearn.solids.struts import Struts

    struts = Struts(network, section.width, energy.hinge)
    drawn, _ = mesh_and_velocity(struts, energy.mesh_size)
    d, p = network.dim, len(drawn.points)
    pairs = [(0, 1), (1, 2), (2, 0)] + ([(0, 3), (1, 3), (2, 3)] if d == 3 else [])
    sides = np.sort(drawn.cells[:, pairs].reshape(-1, 2), axis=1)
    sides, middle = np.unique(sides, axis=0, return_inverse=True)
    points = np.concatenate([drawn.points, drawn.points[sides].mean(axis=1)])
    cells = np.hstack([drawn.cells, p + middle.reshape(len(drawn.cells), -1)])
    inside = drawn.patch >= 0
    rows = node_rows(
        struts, drawn.patch[inside], drawn.points[drawn.cells[inside]], cells[inside],
        len(points), np.array(pairs),
    )  # fmt: skip
    column = 6 * (rows.col // d) + rows.col % d
    shape = (rows.shape[0], 6 * len(points))
    spread = sparse.csr_array((rows.data, (rows.row, column)), shape=shape)
    modulus, thickness = section.modulus, section.thickness
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
        sections[-1] += [number(thickness)] if d == 2 else []
    ports = _port_rows(problem) @ spread
    group = group.ravel()[drawn.element]
    ties, none = _reduced(spread[problem.fixed]), np.empty((0, 2), dtype=np.int64)
    return Mesh(_spaced(points), list(cells), kind, group, sections, ports, none, ties)


def body(
    network: Network, parameters: Mapping[str, NDArray], energy: Any, problem: Problem
) -> Mesh:
    """Mesh of a body, as it is."""
    meshed, d = network.body, network.dim
    assert meshed is not None, "a network of bonds is no body"
    width = meshed.cells.shape[1]
    # Middles in the order of the codes.
    turned = {6: [0, 1, 2, 5, 3, 4], 10: [0, 1, 2, 3, 9, 6, 8, 7, 5, 4]}.get(
        width, np.arange(width)
    )
    kind = f"C3D{width}" if d == 3 else f"CP{'S' if energy.plane == 'stress' else 'E'}{width}"
    modulus, thickness = parameters["modulus"], parameters["thickness"]
    if kind.startswith("CPS"):
        thin = THIN * network.lengths.min()
        modulus, thickness = modulus * thickness / thin, np.full(len(thickness), thin)
    alike, group = np.unique(np.stack([modulus, thickness], 1), axis=0, return_inverse=True)
    sections = []
    for g, (stiff, thick) in enumerate(alike, 1):
        name = f"GROUP_{g}"
        sections.append(_material(name, stiff, energy.poisson))
        sections[-1].append(f"*SOLID SECTION, ELSET={name}, MATERIAL={name}")
        sections[-1] += [number(thick)] if d == 2 else []
    dofs = np.arange(d * network.n_nodes)
    column = 6 * (dofs // d) + dofs % d
    spread = sparse.csr_array(
        (np.ones(len(dofs)), (dofs, column)), shape=(len(dofs), 6 * network.n_nodes)
    )
    ports, ties = _port_rows(problem) @ spread, sparse.csr_array((0, spread.shape[1]))
    held = np.column_stack([problem.fixed // d, problem.fixed % d + 1])
    cells = list(meshed.cells[:, turned])
    regions = group.ravel()[meshed.element]
    return Mesh(_spaced(network.nodes), cells, kind, regions, sections, ports, held, ties)


def _reduced(rows: sparse.csr_array) -> sparse.csr_array:
    """Row-reduced constraints, each with a pivot column of its own."""
    if not rows.shape[0]:
        return rows
    columns = np.unique(rows.indices)
    dense = rows[:, columns].toarray()
    pivots = qr(dense, mode="r", pivoting=True)[1][: len(dense)]
    dense = np.linalg.solve(dense[:, pivots], dense)
    dense[np.abs(dense) < 1e-12] = 0.0
    dense[:, pivots] = np.eye(len(dense))
    out = sparse.lil_array(rows.shape)
    out[:, columns] = dense
    return sparse.csr_array(out)


def _port_rows(problem: Problem) -> sparse.csr_array:
    """Linear functionals of the ports on nodal states, (ports, n c)."""
    if any(isinstance(port, EnclosurePort) for port in problem.ports):
        raise InputError("A pressure on what nodes enclose has no counterpart in input decks.")
    rows, reference, spans = problem.functionals()
    out = []
    for span in spans:
        vector = reference[span]
        length = np.linalg.norm(vector)
        direction = vector / length if length else np.ones(1)
        out.append(sparse.csr_array(direction[None]) @ rows[span])
    return sparse.csr_array(sparse.vstack(out))


def _spaced(points: NDArray) -> NDArray[np.float64]:
    """Points in 3D, z = 0 for those of the plane."""
    return np.pad(points, ((0, 0), (0, 3 - points.shape[1])))


def number(value: float) -> str:
    """Number with thirteen digits, in the field width of the codes."""
    return f"{value:.12e}"  # CalculiX reads twenty characters
