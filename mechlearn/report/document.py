"""The page of a report: facts, tables and figures of a run in one template."""

import json
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.equilibrium.driving import known_of
from mechlearn.errors import InputError
from mechlearn.io.writing import write_file
from mechlearn.plots import confusion
from mechlearn.render.captions import heading, percent
from mechlearn.report.description import duration, in_sentences, number
from mechlearn.report.figures import data_address, error_curve, histograms, setup_picture
from mechlearn.report.modes import softest
from mechlearn.report.motion import moving_picture
from mechlearn.runs.part import part_lines
from mechlearn.runs.taskfile import to_toml
from mechlearn.tasks.quantities import amount
from mechlearn.tasks.task import ABSOLUTE, LIMITS
from mechlearn.units import typeset

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Files of a run larger than this are not put into the page.
LARGE_FILE = 2_000_000
#: The parts of the viewer, which are one script.
VIEWER = ("state.js", "drawing.js", "controls.js")
#: Rows of targets that a page shows: all, or else those missed most.
ROWS = 60
#: Lines of a task file that a page shows.
LINES = 400
#: Sources of which a page says what they take.
DRIVEN = 8


def report(run: "Run", path: str | Path) -> Path:
    """Write a run as one self-contained page of HTML.

    Parameters
    ----------
    run : Run
    path : file to write, ``.html``; folders on the way are made

    Returns
    -------
    Path

    Raises
    ------
    InputError
        For another suffix, and where the file cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in (".html", ".htm"):
        raise InputError(f"{path}: a report is written as .html, not {path.suffix or 'bare'!r}.")
    text = page(run)
    write_file(path, text.encode())
    return path


def page(run: "Run") -> str:
    """HTML of the page."""
    from jinja2 import Environment
    from markupsafe import Markup

    here = files("mechlearn.report")
    viewer = "".join((here / "viewer" / name).read_text("utf-8") for name in VIEWER)
    template = Environment(autoescape=True, trim_blocks=True).from_string(
        (here / "template.html").read_text("utf-8")
    )
    scene = moving_picture(run)
    return template.render(
        _facts(run)
        | _results(run)
        | {
            "title": heading(run),
            "sentences": in_sentences(run),
            "setup": setup_picture(run),
            "toml": _task_file(run),
            "curve": error_curve(run),
            "histograms": histograms(run),
            "caption": _caption(run, scene),
            "legend": scene["legend"],
            "warnings": [*run.summary["warnings"], *scene["notes"]],
            "files": _files(run),
            "style": Markup((here / "style.css").read_text("utf-8")),
            "viewer": Markup(viewer),
            # "</script>" in a title would end the element.
            "scene": Markup(json.dumps(scene).replace("<", "\\u003c")),
        }
    )


def _facts(run: "Run") -> dict[str, Any]:
    """Result, key figures, and lists of names and values."""
    summary, network = run.summary, run.network
    steps = summary["steps"]
    if "accuracy" in summary:
        verdict = f"{percent(summary['accuracy'])} classified right"
        error = ("Mean cross-entropy", number(summary["error"]))
    else:
        verdict = "Learned" if run.converged else "Not learned"
        verdict += f" in {steps:,} steps"
        error = ("Largest relative target error", percent(summary["error"]))
    wall = summary.get("wall_s")
    facts = [error, ("Steps", f"{steps:,}")]
    facts += [("Training", duration(wall))] if wall is not None else []
    facts.append(("Nodes", f"{network.n_nodes:,}"))
    facts.append(("Body", f"{network.body}") if network.body else ("Bonds", f"{network.n_edges:,}"))
    return {
        "learned": run.converged,
        "verdict": verdict,
        "facts": facts,
        "stability": _stability(run),
        "keys": _keys(run),
        "versions": summary.get("versions", {}),
    }


def _stability(run: "Run") -> list[tuple[str, str]]:
    summary = run.summary
    counted = summary.get("network", {}).get("rigidity", "not counted")
    out = [("Counting", counted)]
    solver = summary.get("solver", {})
    if run.energy.linear:
        how = "the stiffness is positive definite under the supports, at every step of the training"
    else:
        how = (
            "every state found is a minimum of the energy under what is held (inertia of the "
            "stiffness at every Newton step)"
        )
    out.append(("Stable", how))
    found = [softest(run, p) for p in (run.initial, run.learned)]
    modes = [m for m in found if m is not None and len(m)]
    if len(modes) == len(found):
        names = ("Softest motion before", "Softest motion after")
        for name, values in zip(names, modes, strict=True):
            text = f"stiffness {number(values[0], 3)}"
            if len(values) > 1:
                text += f"; the next {', '.join(number(v, 3) for v in values[1:4])}"
            if (negative := int(np.count_nonzero(values < 0))) > 0:
                text += f" ({negative} negative: not stable at rest)"
            out.append((name, text))
    for key, name in (
        ("solves", "Equilibria found"),
        ("iterations", "Newton iterations"),
        ("load_steps", "Load steps halved"),
        ("shifts", "Steps off unstable states"),
    ):
        if key in solver:
            out.append((name, f"{solver[key]:,}"))
    return out


def _keys(run: "Run") -> list[tuple[str, str]]:
    """Times, seeds and versions."""
    summary = run.summary
    out = []
    if "started" in summary:
        out.append(("Started", summary["started"]))
    for key, name in (("setup_s", "Set-up"), ("wall_s", "Training")):
        if key in summary:
            out.append((name, duration(summary[key])))
    if summary["steps"] and "wall_s" in summary:
        out.append(("Per step", duration(summary["wall_s"] / summary["steps"])))
    out += part_lines(summary)
    out += [(f"Source {row['name']}", _driven(row)) for row in summary.get("sources", [])[:DRIVEN]]
    if "ranks" in summary:
        out.append(("Ranks", str(summary["ranks"])))
    out += [(f"Seed ({name})", str(seed)) for name, seed in summary.get("seeds", {}).items()]
    out += list(summary.get("versions", {}).items())
    return out


def _driven(row: dict[str, Any]) -> str:
    """Imposed value of a source and its conjugate force, in words."""
    example = f"example {row['example']}: " if "example" in row else ""
    units = row.get("units", {})
    said = (f"{k} {number(v, 5)} {units.get(k, '')}".rstrip() for k, v in known_of(row).items())
    return example + ", ".join(said)


def _results(run: "Run") -> dict[str, Any]:
    """Tables of targets or classes for the template."""
    if not run.setup.task.cost.has_values:
        tables = [confusion(run, learned) for learned in (False, True)]
        return {"classes": tables[1][1], "confusion_tables": [_shaded(t) for t, _ in tables]}
    rows = list(run.targets)
    if len(rows) > ROWS:
        worst = sorted(range(len(rows)), key=lambda k: -rows[k]["relative_error"])[:ROWS]
        rows = [rows[k] for k in worst]
    shown = [
        row
        | {key: _read(row, key) for key in ("initial", "reached", *ABSOLUTE) if key in row}
        | {"wanted": LIMITS.get(row.get("limit"), "") + _read(row, "wanted")}
        | {"relative_error": percent(row["relative_error"])}
        for row in rows
    ]
    return {
        "rows": shown,
        "several": any("example" in row for row in rows),
        "absolute": [key for key in ABSOLUTE if any(key in row for row in rows)],
        "hidden_rows": len(run.targets) if len(run.targets) > len(rows) else 0,
    }


def _read(row: dict[str, Any], key: str) -> str:
    return typeset(amount(row[key], row["quantity"], 5, row.get("unit", "")))


def _shaded(table: NDArray[np.int64]) -> tuple[list[list[tuple[int, float]]], str]:
    """Counts with their shares of the row, as shades, and the accuracy."""
    shares = 0.75 * table / table.sum(axis=1, keepdims=True).clip(1)
    cells = [
        list(zip(*row, strict=True))
        for row in zip(table.tolist(), shares.round(3).tolist(), strict=True)
    ]
    return cells, percent(np.trace(table) / table.sum())


def _task_file(run: "Run") -> str:
    many = len(run.setup.examples) > 50
    lines = to_toml(run.setup, "examples.csv" if many else None).splitlines()
    if len(lines) > LINES:
        lines = [*lines[:LINES], f"# ... and {len(lines) - LINES} more lines in task.toml"]
    return "\n".join(lines)


def _caption(run: "Run", scene: dict[str, Any]) -> str:
    parts = []
    if scene["moves"]:
        factor = scene["factor"]
        parts.append("To scale." if factor == 1 else f"Deformation amplified ×{factor:g}.")
    if len(scene["amplitudes"]) > 2:
        parts.append(
            f"Solved for at {len(scene['amplitudes'])} loads from none to full, straight between."
        )
    if scene["more"]:
        parts.append(f"The first {len(scene['examples'])} of {run.problem.n_examples:,} examples.")
    return " ".join(parts)


def _files(run: "Run") -> dict[str, str]:
    """Input files of the run as data URLs; empty where they are large.

    A run that was never saved has none.
    """
    if run.folder is None:
        return {}
    names = [n for n in ("task.toml", "network.vtu", "examples.csv") if (run.folder / n).is_file()]
    contents = {name: (run.folder / name).read_bytes() for name in names}
    if sum(map(len, contents.values())) > LARGE_FILE:
        return {}
    return {name: data_address(c, "application/octet-stream") for name, c in contents.items()}
