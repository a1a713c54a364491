"""Verification: what of that which a network of springs or beams has learned survives as a solid.

The learned network becomes struts of finite width, and the same task is solved by models that know
more and more of them: bars (no bending), beams (bending, joints), a solid at small strain and a
solid at finite strain. A spring of stiffness ``k`` is a strut of axial stiffness ``E A / l = k``; a
wide range of stiffness needs a wide range of widths, and no printer has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.compare import write_csv
from mechlearn.dofs import Learn
from mechlearn.energies import BondEnergy, Element, Solid, energies
from mechlearn.energies.solid import Hinge
from mechlearn.equilibrium import equilibrium
from mechlearn.errors import InputError, MechlearnError
from mechlearn.fenics import MPI
from mechlearn.maxwell import rigidity
from mechlearn.meshfile import write_network
from mechlearn.network import Network
from mechlearn.posing import pose
from mechlearn.run import Run

#: Width of the widest strut over the mean length of the struts, where nothing else is said.
LARGEST = 0.2
#: The smallest width that can be made, over the largest.
SMALLEST = 0.1


@dataclass(frozen=True, eq=False)
class Struts:
    """A learned network as struts that can be made.

    Attributes
    ----------
    network : Network
        What is left of it.
    width : (m,) array
        Of its struts: in the plane their width, in space their diameter.
    modulus : float
        Young's modulus that goes with the widths, so that ``E A / l`` is the learned stiffness.
    kept : (bonds,) bool array
        Which bonds of the learned network are left.
    clipped : integer array
        Struts that should be thinner, and cannot.
    asked : (smallest, largest)
        The range of widths that the learned network asks for.
    """

    network: Network
    width: NDArray[np.float64]
    modulus: float
    kept: NDArray[np.bool_]
    clipped: NDArray[np.int64]
    asked: tuple[float, float]

    def __str__(self) -> str:
        low, high = self.asked
        lines = [
            f"The learned stiffnesses ask for widths from {low:.3g} to {high:.3g}, a range of "
            f"{high / low:.3g}; those made are {self.width.min():.3g} to {self.width.max():.3g}."
        ]
        dropped = np.count_nonzero(~self.kept)
        if dropped:
            lines.append(f"{dropped} struts below the smallest width were left out.")
        if len(self.clipped):
            lines.append(f"{len(self.clipped)} were made as wide as the smallest width instead.")
        return " ".join(lines)


@dataclass(frozen=True, eq=False)
class Verification:
    """What every model of the struts says of the task.

    Attributes
    ----------
    struts : Struts
    targets : list of dicts
        A row per target and example: ``name``, ``wanted``, ``learned`` (by the run), and what each
        of the models reads, or None where it found no answer.
    trouble : mapping of models to why they found none
    warnings : list of str
        What else should be known of the solids.
    """

    struts: Struts
    targets: list[dict[str, Any]]
    trouble: Mapping[str, str]
    warnings: Sequence[str] = field(default=())
    #: The model and the state of the last solid that found an answer.
    solid: tuple[Any, NDArray] | None = None

    def kept(self, model: str) -> list[float | None]:
        """The part of every learned reading that a model keeps, one per row."""
        return [
            None if row[model] is None or not row["learned"] else row[model] / row["learned"]
            for row in self.targets
        ]


def struts(
    run: Run,
    *,
    largest: float = LARGEST,
    smallest: float = SMALLEST,
    drop: bool = True,
) -> Struts:
    """Size struts so that each has the learned stiffness.

    Parameters
    ----------
    run : Run
        Of springs, bars or beams.
    largest : float
        Width of the widest strut over the mean length of the bonds; of springs only, whose widths
        are free up to a factor.
    smallest : float
        The smallest width that can be made, over the largest.
    drop : bool
        Whether struts that would be thinner are left out, as long as that leaves no floppy mode
        (those with the least stiffness first); else, and where it would, they are made that wide.

    Raises
    ------
    InputError
        For other physics, and widths that make no sense.
    """
    if not 0 < smallest < 1 or not 0 < largest < 1:
        raise InputError("verify: largest and smallest must lie between 0 and 1.")
    width, modulus = _wanted(run, largest)
    least = smallest * width.max()
    thin = width < least * (1 - 1e-9)
    kept = np.ones(len(width), dtype=bool)
    if drop:
        for bond in np.flatnonzero(thin)[np.argsort(width[thin])]:
            kept[bond] = False
            if not _stands(run, kept):
                kept[bond] = True
    network = run.network.keep_edges(kept)
    left = np.flatnonzero(kept)
    clipped = np.flatnonzero(thin[left])
    made = np.maximum(width[left], least)
    positive = width[width > 0]
    return Struts(network, made, modulus, kept, clipped, (positive.min(), positive.max()))


def verify(
    run: Run,
    made: Struts,
    *,
    hinge: Hinge | None = None,
    poisson: float = 0.3,
    material: str = "neo_hookean",
    order: int = 2,
    mesh_size: float = 0.5,
) -> Verification:
    """Solve the task of a run with every model of its struts.

    Parameters
    ----------
    run, made : what was learned, and the struts it became
    hinge : Hinge, optional
        Thinned ends of the solid's struts; the beams' joints are then as soft.
    poisson, material, order, mesh_size
        Of the solids, see :class:`mechlearn.energies.Solid`.

    Raises
    ------
    InputError
        For a run whose network a solid cannot be made of.
    """
    dim = made.network.dim
    beam_width, joint = _beams(made, hinge, dim)
    solid = {"poisson": poisson, "order": order, "mesh_size": mesh_size, "hinge": hinge}
    body = {"modulus": made.modulus, "width": made.width}
    models: dict[str, tuple[Element, dict[str, Any]]] = {
        "bars": (energies["bar"].in_dimension(dim)(), beam_width),
        "beams": (energies["beam"].in_dimension(dim)(), beam_width | joint | {"poisson": poisson}),
        "solid": (Solid(material="linear", **solid), body),
        "finite solid": (Solid(material=material, **solid), body),
    }
    rows = [
        {"name": t["name"], **({"example": t["example"]} if "example" in t else {}),
         "wanted": t["wanted"], "learned": t["reached"]}
        for t in run.targets
    ]  # fmt: skip
    trouble, warnings, solid_state = {}, [], None
    for name, (energy, values) in models.items():
        try:
            reached, said, model, state = _answer(run, made.network, energy, values)
        except MechlearnError as error:
            trouble[name] = str(error)
            reached = [None] * len(rows)
        else:
            warnings += [f"{name}: {text}" for text in said]
            solid_state = (model, state) if isinstance(energy, Solid) else None
        for row, value in zip(rows, reached, strict=True):
            row[name] = value
    return Verification(made, rows, trouble, warnings, solid_state)


def tune(
    run: Run,
    made: Struts,
    *,
    widths: tuple[float, float] | None = None,
    steps: int = 100,
    tolerance: float = 5e-2,
    rule: Any = None,
    **options: Any,
) -> Run:
    """Go on training in the solid, from the struts as they are; their widths learn.

    Parameters
    ----------
    run, made : what was learned, and the struts it became
    widths : (low, high), optional
        Bounds of the widths; a quarter narrower than the thinnest and wider than the widest strut
        unless given.
    steps, tolerance : when to stop
    rule : learning rule, that of the run unless given
    options
        Of :class:`mechlearn.energies.Solid`.
    """
    from mechlearn.setup import build_rule
    from mechlearn.training import train

    low, high = widths or (0.75 * made.width.min(), 1.25 * made.width.max())
    return train(
        made.network,
        run.setup.task,
        energy=Solid(**options),
        learn={"width": Learn(bounds=(low, high), initial=np.clip(made.width, low, high).tolist())},
        material={"modulus": np.full(made.network.n_edges, made.modulus)},
        rule=rule or build_rule(run.setup.rule),
        steps=steps,
        tolerance=tolerance,
        title=f"{run.setup.title}, tuned as a solid" if run.setup.title else "",
    )


def _wanted(run: Run, largest: float) -> tuple[NDArray[np.float64], float]:
    """The width of every bond, and the modulus that makes it as stiff as learned."""
    energy, net = run.energy, run.network
    if not isinstance(energy, BondEnergy) or energy.name in ("resistor", "flow", "capacitor"):
        raise InputError(f"verify: a run of springs or beams is needed, not of a {energy.name}.")
    if net.periodic:
        raise InputError("verify: a periodic network has no outline to make a solid of.")
    values = run.parameters
    if energy.name in ("spring", "finite_spring"):
        if not np.allclose(values["rest_length"], net.lengths):
            raise InputError(
                "verify: this network has learned rest lengths; a solid is made without prestress."
            )
        section = values["stiffness"] * net.lengths  # E A
        widest = largest * net.lengths.mean()
        if net.dim == 2:
            modulus = section.max() / widest
            return section / modulus, modulus
        modulus = section.max() / (np.pi / 4 * widest**2)
        return np.sqrt(section / (np.pi / 4 * modulus)), modulus
    modulus = values["modulus"]
    if np.ptp(modulus) > 1e-12 * modulus.max():
        raise InputError("verify: the struts of a solid are of one material, so of one modulus.")
    return (values["width"] if net.dim == 2 else 2 * values["radius"]), float(modulus[0])


def _stands(run: Run, kept: NDArray[np.bool_]) -> bool:
    """Whether the network still stands, with its joints free to turn, on some of its bonds."""
    nodes = set(run.network.edges[kept].ravel().tolist())
    used = {n for t in (*run.setup.sources, *run.setup.targets) for n in t.nodes}
    if len(nodes) < run.network.n_nodes or not used <= nodes:
        return False
    try:
        held, kinematics = run.problem.supported, run.energy.kinematics
        return not rigidity(run.network.keep_edges(kept), held, kinematics).floppy
    except InputError:  # in pieces
        return False


def _beams(made: Struts, hinge: Hinge | None, dim: int) -> tuple[dict, dict]:
    """Widths and joints of beams that are like the struts."""
    modulus = made.modulus
    if dim == 3:
        return {"modulus": modulus, "radius": made.width / 2}, {}
    sizes = {"modulus": modulus, "width": made.width}
    if hinge is None:
        return sizes, {}
    # A joint is as stiff as the thin piece that bends there, and half the ramp to the full width.
    length = hinge.length * made.network.lengths
    second = (hinge.thin * made.width) ** 3 / 12
    return sizes, {"joint_stiffness": modulus * second / length}


def _answer(
    run: Run, network: Network, energy: Element, values: Mapping[str, Any]
) -> tuple[list[Any], list[str], Any, NDArray]:
    """What the targets read, as rows of a run have it, what the model warns of, and its state."""
    from mechlearn.summary import target_table

    problem = pose(run.setup.task, network, energy.kinematics)
    model = energy.model(network, problem, values, MPI.COMM_WORLD)
    solver = equilibrium(model, problem)
    solver.update()
    free = solver.free()
    outputs = solver.outputs(free) / problem.units
    rows = target_table(problem, outputs, outputs)
    fields = free.fields()
    return [row["reached"] for row in rows], model.doubts(fields), model, fields[:, 0]


def write(found: Verification, folder: Path) -> None:
    """Write verify.csv, struts.vtu (the network with its widths), and the solid as verify.png."""
    write_csv(folder / "verify.csv", found.targets)
    write_network(folder / "struts.vtu", found.struts.network, {"width": found.struts.width}, {})
    if found.solid is not None:
        from mechlearn.solids.picture import draw_solid

        draw_solid(*found.solid, folder / "verify.png")


def table(found: Verification) -> str:
    """A verification as text."""
    models = [k for k in found.targets[0] if k not in ("name", "example")]
    head = ["target", *models]
    body = [
        [
            row["name"] + (f" ({row['example']})" if "example" in row else ""),
            *("none" if row[m] is None else _number(row[m]) for m in models),
        ]
        for row in found.targets
    ]
    for model in models[2:]:
        parts = [p for p in found.kept(model) if p is not None and np.ndim(p) == 0]
        body_row = f"{100 * np.mean(parts):.0f} %" if parts else "none"
        head[head.index(model)] = f"{model} (keeps {body_row})"
    widths = [max(len(line[k]) for line in [head, *body]) for k in range(len(head))]
    lines = [
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in [head, *body]
    ]
    lines += [f"{name}: no answer: {text}" for name, text in found.trouble.items()]
    return "\n".join([str(found.struts), *lines, *(f"Warning: {w}" for w in found.warnings)])


def _number(value: Any) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(f"{v:+.4g}" for v in value) + ")"
    return f"{value:+.4g}"
