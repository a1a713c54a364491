"""Data of the interactive viewer of a report.

The viewer draws on a canvas of the page with no library at all, so that a page opened years from
now, from a disk, still turns. Here nothing is drawn: states are solved for along the actuation, and
arrays are packed.
"""

import base64
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.states import Response
from mechlearn.errors import SolveError
from mechlearn.learning.system import System
from mechlearn.plots.style import in_words
from mechlearn.render.colours import CELL, GHOST, SUPPORT, Shades
from mechlearn.render.geometry import cell_of, space
from mechlearn.render.marks import Mark, held_nodes, marks
from mechlearn.render.run_view import StateView
from mechlearn.render.scene import Scene

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Examples that the viewer can show, and states along the actuation where the answer is curved.
EXAMPLES, FRAMES = 6, 11
#: Bytes that all states together may take; of solids, whose states are dear, so many states.
BYTES, FRAMES_OF_SOLIDS = 4_000_000, 3


def moving_picture(run: "Run") -> dict[str, Any]:
    """All data of the viewer, ready for JSON; arrays are base64 of little-endian bytes.

    Where a state cannot be found, what was found of that path remains, and ``notes`` says so.
    """
    network, notes = run.network, list[str]()
    amplitudes = _amplitudes(run)
    count = _examples(run, len(amplitudes))
    found = []
    for e in range(count):
        system, both = run.system(example=e, alone=True), {}
        for name, parameters in (("before", run.initial), ("after", run.learned)):
            both[name] = _actuated(system, parameters, amplitudes, notes, f"{name} training")
        found.append(both)
    full = [path[-1] for both in found for path in both.values() if path is not None]
    view = StateView(run, 0)
    strains = [view.strains(a.state, a.cell) for a in full]
    supports = held_nodes(run.problem)
    scene = _at_rest(run, marks(run.problem), supports=supports, ghost=view.moves)
    return {
        "dim": network.dim,
        "moves": view.moves,
        "factor": float(view.amplification([a.state for a in full])),
        "extent": scene.extent,
        "thick": scene.thick,
        "mark": scene.mark,
        "arrow": scene.arrow,
        "outlook": scene.viewing_direction().tolist(),
        "nodes": pack(space(network.nodes)),
        "edges": pack(network.edges, "<u4"),
        "lengths": pack(network.lengths),
        **_pieces(run),
        "cell": pack(cell_of(network).edges()) if network.periodic else None,
        "supports": supports.tolist(),
        "amplitudes": amplitudes.tolist(),
        "examples": [
            {
                "title": f"example {e + 1}",
                "marks": _terminals(run, e),
                **{name: _states(view, path) for name, path in both.items()},
            }
            for e, both in enumerate(found)
        ],
        "more": run.problem.n_examples - count,
        "colourings": [*_colourings(run), _of_strain(view.strain_shades(strains or [np.zeros(1)]))],
        # No places that are wanted: the viewer does not draw them.
        "legend": [entry for entry in scene.legend() if entry[0] in "●►■━"],
        "colours": {"support": SUPPORT, "ghost": GHOST, "cell": CELL},
        "notes": list(dict.fromkeys(notes)),
    }


def pack(values: NDArray, kind: str = "<f4") -> str:
    """Array as base64 text."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _amplitudes(run: "Run") -> NDArray[np.float64]:
    """Load factors of the solved states; the viewer interpolates linearly between them."""
    if run.energy.linear:
        return np.array([0.0, 1.0])
    size = 4 * run.network.nodes.size
    most = FRAMES_OF_SOLIDS if run.energy.continuum else FRAMES
    return np.linspace(0, 1, int(np.clip(BYTES / (2 * size), 2, most)))


def _examples(run: "Run", frames: int) -> int:
    """Number of examples shown."""
    if run.energy.continuum:
        return 1
    size = 4 * frames * (run.network.nodes.size + run.network.n_edges)
    return int(np.clip(BYTES // (2 * size), 1, min(EXAMPLES, run.problem.n_examples)))


def _actuated(
    system: System, parameters: Any, amplitudes: NDArray, notes: list[str], when: str
) -> list[Response] | None:
    """States along the actuation, one per load factor."""
    out = []
    try:
        system.set(**parameters)
        for amplitude in amplitudes:
            out.append(system.load(amplitude).response())
    except SolveError as error:
        reached = f"{100 * amplitudes[len(out) - 1]:.0f} %" if out else "none"
        notes.append(f"The network {when} could be solved for up to {reached} of the load: {error}")
    if len(out) < 2:
        return None
    # Where the path ends early the last state stays.
    return out + [out[-1]] * (len(amplitudes) - len(out))


def _states(view: StateView, path: list[Response] | None) -> dict[str, str] | None:
    if path is None:
        return None
    return {
        "moved": pack(space([view.displacements(a.state) for a in path])),
        "strains": pack(np.array([view.strains(a.state, a.cell) for a in path])),
        **({"stretch": pack(np.array(list(map(_stretch, path))))} if view.run.problem.cell else {}),
    }


def _stretch(answer: Response) -> NDArray[np.float64]:
    """Strain of the periodic cell, (3, 3)."""
    out, strain = np.zeros((3, 3)), np.asarray(answer.cell)
    out[: len(strain), : len(strain)] = strain
    return out


def _pieces(run: "Run") -> dict[str, str]:
    """Line segments of every bond: whole, or two halves for a bond across the periodic cell.

    A bond that crosses the periodic cell is drawn as a half at each of its ends.
    """
    network = run.network
    i, j = network.edges.T
    ids, shift, crossing = np.arange(network.n_edges), network.images, network.crossing
    whole, cut = ids[~crossing], ids[crossing]
    return {
        "ends": pack(
            np.column_stack([np.r_[i[whole], i[cut], j[cut]], np.r_[j[whole], j[cut], i[cut]]]),
            "<u4",
        ),
        "bonds": pack(np.r_[whole, cut, cut], "<u4"),
        "shifts": pack(space(np.concatenate([shift[whole], shift[cut], -shift[cut]]))),
        "halves": pack(np.r_[np.zeros(len(whole)), np.ones(2 * len(cut))], "u1"),
    }


def _at_rest(run: "Run", of: list[Mark], **more: Any) -> Scene:
    """Network at rest, for places and sizes."""
    network = run.network
    return Scene(network, network.nodes, np.zeros((1, 3), np.uint8), np.zeros(1), of, **more)


def _terminals(run: "Run", example: int) -> list[dict[str, Any]]:
    """Places and directions of sources and targets."""
    out, of = [], marks(run.problem, example)
    scene = _at_rest(run, of)
    for mark in of:
        arrows = [[int(n), *space(way).tolist()] for n, way in mark.pushes(run.network.dim).items()]
        pairs = [
            [int(a), int(b), *space(_image(run, a, b)).tolist(), mark.pulls.get((a, b), 0.0)]
            for a, b in mark.pairs
        ]
        sides = zip(*(a.tolist() for a in scene.arrows(mark)), strict=True) if mark.cell else ()
        out.append(
            {
                "name": mark.terminal.name,
                "source": mark.is_source,
                "active": mark.active,
                "colour": mark.colour,
                "nodes": [int(n) for n in mark.nodes],
                "pairs": pairs,
                "arrows": arrows,
                "sides": [list(s) for s in sides],
            }
        )
    return out


def _image(run: "Run", a: int, b: int) -> NDArray[np.float64]:
    """Offset of the nearest image of a node."""
    nodes = run.network.nodes
    return run.network.separation(a, b) - (nodes[b] - nodes[a])


def _colourings(run: "Run") -> list[dict[str, Any]]:
    """Quantities that colour the bonds: values and colour scales."""
    values, changes = [], []
    for name in run.learned:
        before, after = np.asarray(run.initial[name]), np.asarray(run.learned[name])
        both = Shades(np.concatenate([before, after]), in_words(name))
        values.append(_table(both) | {"before": pack(before), "after": pack(after)})
        ratio = bool(min(before.min(), after.min()) > 0)
        changed = after / before if ratio else after - before
        none = np.full(changed.shape, float(ratio))
        title = f"{in_words(name)}, learned {'over' if ratio else 'less'} initial"
        shades = Shades(changed, title, diverging=True, log=ratio)
        changes.append(_table(shades) | {"before": pack(none), "after": pack(changed)})
    return values + changes


def _of_strain(shades: Shades) -> dict[str, Any]:
    """Colouring by the strains of the states."""
    if not shades.diverging:  # from no drop at all, whatever decades they span
        shades.low, shades.log = 0.0, False
    return _table(shades) | {"name": f"{shades.title} in this state", "strain": True}


def _table(shades: Shades) -> dict[str, Any]:
    return {
        "name": shades.title,
        "low": float(shades.low),
        "high": float(shades.high),
        "log": bool(shades.log),
        "diverging": shades.diverging,
        "colours": pack(shades.ramp(64), "u1"),
    }
