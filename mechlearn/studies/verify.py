"""Verification: the response of a learned spring or beam network as beams and as a solid.

The learned network becomes struts of finite width, and the same task is solved by models that know
more and more of them: bars (no bending), beams (bending, joints), a solid at small strain and a
solid at finite strain. How wide the struts are is said in :mod:`mechlearn.solids.sizing`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.beam import Bar, Beam
from mechlearn.energies.element import Element
from mechlearn.energies.solid import Hinge, Material, Solid
from mechlearn.errors import InputError, MechlearnError, plain
from mechlearn.io.meshfile import write_network
from mechlearn.io.tables import aligned, write_csv
from mechlearn.learning.dofs import Learn
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.parallel import on_first
from mechlearn.runs.run import Run
from mechlearn.solids.sizing import SizedStruts
from mechlearn.tasks.problem import Problem
from mechlearn.units import percent


@dataclass(frozen=True, eq=False)
class Verification:
    """Readings of the task's targets by every model of the struts.

    Attributes
    ----------
    struts : SizedStruts
    targets : list of dicts
        A row per target and example: ``name``, ``wanted``, ``learned`` (by the run), and what each
        of the models reads, or None where it found no answer.
    trouble : mapping of models to why they found none
    warnings : list of str
        What else should be known of the solids.
    """

    struts: SizedStruts
    targets: list[dict[str, Any]]
    trouble: Mapping[str, str]
    warnings: Sequence[str] = field(default=())
    #: Model, problem and state of the last solid that found an answer.
    solid: tuple[Any, Problem, NDArray] | None = None

    def ratios(self, model: str) -> list[float | None]:
        """Ratios of every model's readings to the learned ones, one per row."""
        return [
            None if row[model] is None or not row["learned"] else row[model] / row["learned"]
            for row in self.targets
        ]


def verify(
    run: Run,
    made: SizedStruts,
    *,
    hinge: Hinge | None = None,
    poisson: float = 0.3,
    material: Material = "neo_hookean",
    order: Literal[1, 2] = 2,
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
    if run.energy.continuum:
        raise InputError("What a solid has learned needs no verification as a solid: evaluate it.")
    dim = made.network.dim
    beam_width, joint = _beams(made, hinge, dim)
    solid = Solid(material, poisson=poisson, order=order, mesh_size=mesh_size, hinge=hinge)
    body = {"modulus": made.modulus, "width": made.width}
    models: dict[str, tuple[Element, dict[str, Any]]] = {
        "bars": (Bar(), beam_width),
        "beams": (Beam(), beam_width | joint | {"poisson": poisson}),
        "solid": (replace(solid, material="linear"), body),
        "finite solid": (solid, body),
    }
    rows = [
        {"name": t["name"], **({"example": t["example"]} if "example" in t else {}),
         "wanted": t["wanted"], "learned": t["reached"]}
        for t in run.targets
    ]  # fmt: skip
    trouble, warnings, solid_state = {}, [], None
    for name, (energy, values) in models.items():
        try:
            reached, said, *solved = _readings(run, made.network, energy, values)
        except MechlearnError as error:
            trouble[name] = str(error)
            reached = [None] * len(rows)
        else:
            warnings += [f"{name}: {text}" for text in said]
            solid_state = tuple(solved) if energy.continuum else None
        for row, value in zip(rows, reached, strict=True):
            row[name] = value
    return Verification(made, rows, trouble, warnings, solid_state)


def tune(
    run: Run,
    made: SizedStruts,
    *,
    widths: tuple[float, float] | None = None,
    steps: int = 100,
    tolerance: float = 5e-2,
    rule: Any = None,
    **options: Any,
) -> Run:
    """Continue training in the solid, where strut widths learn.

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
    from mechlearn.runs.training import train

    low, high = widths or (0.75 * made.width.min(), 1.25 * made.width.max())
    return train(
        made.network,
        run.setup.task,
        energy=Solid(**options),
        learn={"width": Learn(bounds=(low, high), initial=np.clip(made.width, low, high).tolist())},
        material={"modulus": np.full(made.network.n_edges, made.modulus)},
        rule=rule or run.setup.procedure,
        steps=steps,
        tolerance=tolerance,
        title=f"{run.setup.title}, tuned as a solid" if run.setup.title else "",
    )


def _beams(made: SizedStruts, hinge: Hinge | None, dim: int) -> tuple[dict, dict]:
    """Widths and joints of equivalent beams."""
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


def _readings(
    run: Run, network: Network, energy: Element, values: Mapping[str, Any]
) -> tuple[list[Any], list[str], Any, Problem, NDArray]:
    """Readings of the targets, warnings, and model, problem and state of the solution."""
    from mechlearn.runs.summary import target_table

    system = System(network, run.setup.task, energy, **values)
    rows = target_table(system.problem, system.outputs, system.outputs)
    model, fields = system.model, system.free.fields()
    said, state = model.warnings(fields), fields[:, 0]
    return [row["reached"] for row in rows], said, model, system.problem, state


def write(found: Verification, folder: Path, title: str = "") -> None:
    """Write verify.csv, struts.vtu (the network with its widths), and the solid as verify.png.

    All ranks must call it; the first writes.
    """

    def tables() -> None:
        widths = {"width": found.struts.width}
        write_csv(folder / "verify.csv", found.targets)
        write_network(folder / "struts.vtu", found.struts.network, widths, {})

    on_first(tables)
    if found.solid is not None:
        from mechlearn.render.solid import draw_solid

        draw_solid(*found.solid, folder / "verify.png", title=title)


def table(found: Verification) -> str:
    """A verification as text."""
    models = [k for k in found.targets[0] if k not in ("name", "example")]
    head = ["target", *models]
    body = [
        [
            plain(row["name"]) + (f" ({row['example']})" if "example" in row else ""),
            *("none" if row[m] is None else _number(row[m]) for m in models),
        ]
        for row in found.targets
    ]
    for model in models[2:]:
        k = head.index(model)
        for line, part in zip(body, found.ratios(model), strict=True):
            if part is not None and np.ndim(part) == 0:
                line[k] += f" ({_deviation(part)})"
    lines = [aligned(head, body)]
    lines += [f"{name}: no answer: {plain(text)}" for name, text in found.trouble.items()]
    return "\n".join([str(found.struts), *lines, *(f"Warning: {plain(w)}" for w in found.warnings)])


def _deviation(part: float) -> str:
    """Reading relative to the learned one, in words."""
    if abs(part - 1) < 0.005:
        return "as learned"
    if part < 0:
        return f"the wrong way, {percent(-part)} as far"
    return f"{percent(abs(part - 1))} too {'far' if part > 1 else 'little'}"


def _number(value: Any) -> str:
    if isinstance(value, list):
        return "(" + ", ".join(f"{v:+.4g}" for v in value) + ")"
    return f"{value:+.4g}"
