"""Facts of a design as a part: size, volume, mass, stress, utilisation, and the stroke it bears."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from mechlearn.energies.material import Material
from mechlearn.equilibrium.base import Equilibrium
from mechlearn.equilibrium.states import EquilibriumState
from mechlearn.equilibrium.strength import extent, stresses, volume
from mechlearn.errors import MechlearnError, SolveError
from mechlearn.learning.buckling import buckling_of
from mechlearn.network import Network
from mechlearn.runs.config import Setup
from mechlearn.units import UNITS, percent

#: How often the load is raised by half in search of that at which the strength is reached.
RAISES = 6
#: Unknowns, over all examples, up to which it is looked for at finite displacement.
LARGEST = 20_000
#: Examples of which the buckling factor is found.
EXAMPLES = 8
#: Relative error of the stroke at strength.
WITHIN = 1e-4


def describe_part(
    summary: dict[str, Any], setup: Setup, at: Equilibrium, free: EquilibriumState
) -> list[str]:
    """Add units and :func:`part_facts` to a summary; returns warnings about the part."""
    for table in ("targets", "sources"):
        with_units(summary[table], setup)
    facts = part_facts(setup, at, free)
    summary |= facts
    return cautions_of(facts, at.model.network)


def part_facts(setup: Setup, at: Equilibrium, free: EquilibriumState) -> dict[str, Any]:
    """Facts of summary.json about a part, in the units of its task; empty of what is none.

    Of struts with a section and of solids: ``volume``, ``bounding_box`` (the extent of the nodes
    and of the widths about them); with a density also ``mass``. Of struts: ``stress``, the largest
    there is (see :func:`mechlearn.equilibrium.strength.stresses`), and ``weakest``, the bond (or
    region) and the example (from 1) where it is; with a strength also ``utilisation``, their ratio,
    and ``stroke_at_strength``, what every source imposes (its displacement, strain or force) where
    the weakest strut reaches it; and with any material ``buckling_factor``, the least factor on the
    load at which the struts buckle (see :mod:`mechlearn.learning.buckling`).
    """
    out: dict[str, Any] = {} if setup.unit is None else {"unit": setup.unit}
    size = volume(at.model)
    if size is None:
        return out
    material = setup.made_of or Material()
    out |= {"volume": size, "bounding_box": extent(at.model)}
    if material.density:
        out["mass"] = (
            size * material.density * (1.0 if setup.units is None else setup.units.mass_of)
        )
    found = stresses(free)
    if found is None:
        return out
    example, bond = np.unravel_index(int(found.argmax()), found.shape)
    out |= {"stress": float(found.max())}
    kind = "region" if at.model.network.body else "bond"
    out["weakest"] = {kind: int(bond), "example": int(example) + 1}
    if material.strength:
        out["utilisation"] = float(found.max() / material.strength)
        factor = load_at_strength(at, found, material.strength)
        if factor is not None:
            out["stroke_at_strength"] = _strokes(at, int(example), factor)
    if setup.material is not None and (factor := _buckling(at)) is not None:
        out["buckling_factor"] = factor
    return out


def _buckling(at: Equilibrium) -> float | None:
    """Lowest buckling factor over the examples; None where nothing buckles, or none is found."""
    p, model = at.problem, at.model
    if not (len(p.sources) and model.energy.table == "edges"):
        return None
    values = {q.name: model.get(q.name) for q in model.energy.parameters if q.table == "edges"}
    found: list[float] = []
    for example in range(min(p.n_examples, EXAMPLES)):
        try:
            found += buckling_of(p, model.energy, values, example).factors[:1].tolist()
        except MechlearnError:  # of elements and loads without
            return None
    return min(found, default=None)


def load_at_strength(at: Equilibrium, found: NDArray, strength: float) -> float | None:
    """Factor on all sources at which the largest stress is the strength.

    None where it is not reached before equilibrium is lost, or far beyond the load at which it were
    if stress grew in proportion; and of networks too large to ask.
    """
    if at.model.energy.linear and at.model.load_at_rest() is None:
        return float(strength / found.max()) if found.max() > 0 else None
    if at.model.matrix.size[0] * at.problem.n_examples > LARGEST or not found.max() > 0:
        return None
    values, kept = at.problem.values, at.keep()

    def excess(factor: float) -> float:
        at.drive(factor * values)
        now = stresses(at.free())
        return -1.0 if now is None else float(now.max()) / strength - 1

    try:
        # About in proportion, then outwards until the strength lies in between.
        low, high = 0.0, strength / found.max()
        for _ in range(RAISES):
            if excess(high) >= 0:
                return float(brentq(excess, low, high, xtol=WITHIN * high, rtol=WITHIN))
            low, high = high, 1.5 * high
        return None
    except SolveError:
        return None
    finally:
        at.go_back(kept)
        at.drive(values)
        at.free()


def cautions_of(facts: dict[str, Any], network: Network) -> list[str]:
    """Warnings about a part that does not hold, in sentences."""
    out, used = [], facts.get("utilisation", 0.0)
    if facts.get("buckling_factor", np.inf) <= 1:
        out.append(
            f"The part buckles at {facts['buckling_factor']:.3g} of its load; the linear answer is "
            "not to be trusted beyond."
        )
    if used <= 1:
        return out
    weakest = facts["weakest"]
    where = f"region {weakest['region']}" if network.body else "the strut between nodes "
    if not network.body:
        where += " and ".join(map(str, network.edges[weakest["bond"]].tolist()))
    return [
        *out,
        f"The part does not hold: {where} bears "
        f"{used:.3g} times the stress that its material withstands.",
    ]


def with_units(rows: list[dict[str, Any]], setup: Setup) -> list[dict[str, Any]]:
    """Rows of targets and sources with the units of their numbers; rotations are left without."""
    turns = {t.name for t in (*setup.sources, *setup.targets) if "r" in "".join(t.components or [])}
    if setup.units is None:
        return rows
    for row in rows:
        if row["name"] in turns:
            continue
        if "quantity" in row:
            row["unit"] = setup.units.of(row["quantity"])
        else:
            row["units"] = {key: unit for key in row if (unit := setup.units.of(key))}
    return rows


def part_lines(summary: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Names and words for what a summary knows of a part."""
    units = UNITS.get(summary.get("unit", ""))

    def said(value: float, quantity: str) -> str:
        return f"{value:.4g} {units.of(quantity) if units else ''}".rstrip()

    out = []
    if "volume" in summary:
        sides = " x ".join(f"{v:.4g}" for v in summary["bounding_box"])
        parts = [f"{sides} {units.length if units else ''}".rstrip()]
        parts += [said(summary[key], key) for key in ("volume", "mass") if key in summary]
        out.append(("Part", ", ".join(parts)))
    if "stress" in summary:
        weakest = summary["weakest"]
        kind = "region" if "region" in weakest else "bond"
        text = f"{said(summary['stress'], 'stress')} in {kind} {weakest[kind]}"
        if "utilisation" in summary:
            text += f", {percent(summary['utilisation'])} of the strength"
        out.append(("Largest stress", text))
    if "stroke_at_strength" in summary:
        stroke = summary["stroke_at_strength"]
        many = stroke.items() if isinstance(stroke, dict) else [("", stroke)]
        numbers = (f"{name} {np.round(v, 6)}".strip() for name, v in many)
        out.append(("Strength reached at", ", ".join(numbers)))
    if "buckling_factor" in summary:
        out.append(("Buckles at", f"{summary['buckling_factor']:.4g} times the load"))
    return out


def _strokes(at: Equilibrium, example: int, factor: float) -> Any:
    """Values of the sources at a factor, by name; of a single number that alone."""
    p, out = at.problem, {}
    for row, _, _numbers in p.rows(p.drives, p.acts, lambda _: {"value": p.given * factor}):
        if row.get("example", 1) == example + 1:
            out[row["name"]] = row["value"]
    return next(iter(out.values())) if len(out) == 1 else out
