"""Films of a run: actuation of the sources, and training.

Every frame is a sheet with the network at the left, and a curve at the right that grows along.
"""

import subprocess
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements
from mechlearn.errors import InputError
from mechlearn.extensions import load
from mechlearn.io.writing import replaced_file
from mechlearn.plots import plot_error
from mechlearn.plots.style import INK, escaped
from mechlearn.render.captions import heading, label, percent, readings
from mechlearn.render.colours import Shades
from mechlearn.render.fields import loaded_states, recorded_states
from mechlearn.render.offscreen import Stage
from mechlearn.render.run_view import Look, RunView
from mechlearn.render.scene import Scene
from mechlearn.render.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mechlearn.runs.run import Run

Images = Iterator[NDArray[np.uint8]]

#: Frames from rest to full load (of solids, which are slow to solve), at most of a training.
PULL, PULL_OF_SOLIDS, STEPS = 24, 8, 60
#: An answer that changes by less than this part of itself is drawn as one that is steady.
STEADY = 0.2
#: So many sources are named.
NAMED = 3
#: Frames per second, and how many of them an end is held for.
RATE, HOLD = 15, 12
#: Colours of the answers (Okabe and Ito's, safe for the colour-blind).
ANSWERS = ("#C2188B", "#0072B2", "#009E73", "#D55E00", "#56B4E9", "#E69F00")


def film(
    run: "Run", path: Path, what: str, example: int, look: Look, size: tuple[int, int]
) -> Path:
    """Write a film of a run.

    Parameters
    ----------
    run : Run
    path : gif or mp4 file to write
    what : "actuation" or "training"
    example : counted from 0
    look, size : as for a picture

    Raises
    ------
    InputError
        Where such a film cannot be made of the run, or not be written.
    SolveError
        Where a state on the way has no equilibrium.
    """
    writer = film_writer(path, size)
    frames = (_actuation if what == "actuation" else _training)(run, example, look, size)
    with replaced_file(path) as place:
        writer(place, frames)
    return path


def _actuation(run: "Run", example: int, look: Look, size: tuple[int, int]) -> Images:
    """Frames of the sources driven from zero to full and back."""
    if look.colour is None and isinstance(run.energy.kinematics, Displacements):
        look = replace(look, colour="energy" if run.energy.continuum else "strain")
    from matplotlib.ticker import PercentFormatter

    count = PULL_OF_SOLIDS if run.energy.continuum else PULL
    amplitudes = np.linspace(0, 1, count + 1)
    states, answers = zip(*loaded_states(run, example, amplitudes), strict=True)
    shown = RunView(run, example, look, states)
    reads, columns = _answers(run, example, np.array([a.outputs for a in answers]))

    def curve(axes: "Axes", k: int) -> None:
        for number, (name, read, wanted) in enumerate(columns):
            colour = ANSWERS[number % len(ANSWERS)]
            axes.plot(100 * amplitudes, reads[:, read], color=colour, linewidth=1, alpha=0.35)
            axes.plot(
                100 * amplitudes[: k + 1], reads[: k + 1, read], color=colour, linewidth=2.4,
                label=escaped(name),
            )  # fmt: skip
            axes.plot(100 * amplitudes[k], reads[k, read], "o", color=colour, ms=7, clip_on=False)
            if wanted is not None:
                axes.plot(100, wanted, "o", color=colour, clip_on=False, mfc="none", ms=12, mew=1.6)
        axes.set(xlabel="load in %", xlim=(0, 100), ylim=_room(*axes.get_ylim()))
        axes.ticklabel_format(axis="y", useOffset=False)
        if all(target.kind.part for target in run.problem.task.targets):
            axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
        name = escaped(columns[0][0]) if len(columns) == 1 else "targets"
        axes.set_title(f"{name} (ring: wanted)", color=INK)
        if len(columns) > 1:
            axes.legend(frameon=False)

    words = [
        ",  ".join([f"{percent(a)} of the load", readings(run, example, s.fields.outputs)]).rstrip(
            ", "
        )
        for a, s in zip(amplitudes, states, strict=True)
    ]
    frames = list(_images(shown, words, curve, size))
    yield from [*frames, *frames[-1:] * HOLD, *frames[-2:0:-1]]


def _room(low: float, high: float) -> tuple[float, float]:
    """Axis limits with a minimal range."""
    least = STEADY * max(abs(low), abs(high))
    middle, half = (low + high) / 2, max(high - low, least) / 2
    return middle - half, middle + half


def _training(run: "Run", example: int, look: Look, size: tuple[int, int]) -> Images:
    """Frames of the training: parameters, free state and error at recorded steps."""
    steps = run.history["snapshot"].values.astype(int)
    # Evenly, but the first steps, in which most happens, one by one.
    places = np.unique(np.rint((len(steps) - 1) * np.linspace(0, 1, STEPS) ** 1.5).astype(int))
    contrast = "contrast" in (look.colour, look.thickness)
    shown = RunView(run, example, look, list(recorded_states(run, example, places, contrast)))
    error = run.history.error.values

    def curve(axes: "Axes", k: int) -> None:
        step = steps[places[k]]
        plot_error(run, axes, contrast=False)
        axes.lines[0].set_alpha(0.3)
        axes.plot(np.arange(step + 1), error[: step + 1], color=INK, linewidth=2.4)
        axes.plot(step, error[step], "o", color=INK, markersize=7)

    words = [
        ",  ".join([f"step {steps[p]}, error {percent(error[steps[p]])}"]
                   + ([said] if (said := readings(run, example, s.fields.outputs)) else []))
        for p, s in zip(places, shown.states, strict=True)
    ]  # fmt: skip
    frames = list(_images(shown, words, curve, size))
    yield from [*frames[:1] * (HOLD // 2), *frames, *frames[-1:] * (2 * HOLD)]


def _answers(
    run: "Run", example: int, reads: NDArray
) -> tuple[NDArray[np.float64], list[tuple[str, int, float | None]]]:
    """Target readings; of active ones name, column and wanted value."""
    problem, cost = run.problem, run.setup.task.cost
    labels = [str(label) for label in run.history["target"].values]
    columns = []
    for k in np.flatnonzero(problem.active[example])[: len(ANSWERS)]:
        given = cost.has_values and not problem.match[k].any()
        wanted = float((problem.wanted[example] / problem.units)[k]) if given else None
        columns.append((labels[k], int(k), wanted))
    return reads, columns


def _images(
    shown: RunView,
    words: Sequence[str],
    curve: Callable[["Axes", int], None],
    size: tuple[int, int],
) -> Images:
    """Frames of a run with their captions."""
    scenes = shown.scenes
    loads = [label(m).replace("\n", " ") for m in scenes[0].marks if m.is_source and m.active]
    full = [f"full load: {', '.join(loads)}"] if len(loads) <= NAMED else []
    caption = "; ".join([*full, *shown.scale_and_example, *shown.sizes_in_words])
    return images(scenes, shown.shades, (heading(shown.run), caption), words, curve, size)


def images(
    scenes: Sequence[Scene],
    shades: Shades,
    titles: tuple[str, str],
    words: Sequence[str],
    curve: Callable[["Axes", int], None],
    size: tuple[int, int],
) -> Images:
    """Frames from one point of view, with a curve beside.

    Parameters
    ----------
    scenes : sequence of Scene
    shades : Shades
        Colours of the bonds.
    titles : title and caption of all
    words : what is said of each
    curve : draws the curve of a frame, given axes and its number
    size : width and height in pixels
    """
    ends = [scenes[0].points(), *(s.points() for s in scenes[len(scenes) // 2 :: 4])]
    points = np.concatenate([*ends, scenes[-1].points()])
    sheet = Sheet(size, *titles, column=900.0)
    unit, w = sheet.unit, size[0]
    room = round(sheet.width), round(sheet.height - 45 * unit)
    projection = scenes[0].projection(room, points=points)
    left = sheet.width + 330 * unit
    place = (left, sheet.top + 0.18 * sheet.height, w - left - 40 * unit, 0.6 * sheet.height)
    with closing(Stage(room)) as stage:
        for k, (scene, said) in enumerate(zip(scenes, words, strict=True)):
            sheet = Sheet(size, *titles, column=900.0)
            line = sheet.text(32 * unit, sheet.top + 16 * unit, said, 24)
            sheet.fit(line, w - 64 * unit)
            corner = 0, round(sheet.top + 45 * unit)
            sheet.picture(stage.picture(scene, projection), (*corner, *room))
            sheet.explain(scene, shades, below=45 * unit)
            sheet.scale_bar(projection)
            axes = sheet.frame(place)
            curve(axes, k)
            _set_words(axes, sheet.points(19))
            yield sheet.pixels()


def _set_words(axes: "Axes", size: float) -> None:
    """The words of a curve, as large as the others on its sheet."""
    axes.tick_params(which="both", labelsize=0.92 * size)
    legend = axes.get_legend()
    legend_texts = legend.get_texts() if legend else []
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title, *legend_texts):
        text.set_fontsize(size)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


# -- files ---------------------------------------------------------------------------------------


def film_writer(path: Path, size: tuple[int, int]) -> Callable[[Path, Iterable[NDArray]], None]:
    """Writer of a film format; raises InputError where it is not installed."""
    if path.suffix.lower() == ".gif":
        return _write_gif
    load("imageio_ffmpeg", "film", f"{path}: mp4, unlike gif, needs")
    if size[0] % 2 or size[1] % 2:
        raise InputError(f"{path}: the width and height of an mp4 must be even.")
    return _write_mp4


def _write_gif(path: Path, images: Iterable[NDArray]) -> None:
    from PIL import Image

    frames = [Image.fromarray(image) for image in images]
    # One palette for all, of first and last: no flicker, and still parts cost nothing.
    both = Image.fromarray(np.concatenate([np.asarray(frames[0]), np.asarray(frames[-1])]))
    colours = np.array(both.quantize(255, dither=Image.Dither.NONE).getpalette()).reshape(-1, 3)
    # The background is white, not nearly so.
    colours[colours.min(axis=1) > 247] = 255
    palette = Image.new("P", (1, 1))
    palette.putpalette(colours.ravel().tolist())
    first, *rest = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    held = round(1000 / RATE)
    first.save(path, save_all=True, append_images=rest, duration=held, loop=0, optimize=False)


def _write_mp4(path: Path, images: Iterable[NDArray]) -> None:
    from imageio_ffmpeg import get_ffmpeg_exe

    frames = list(images)
    h, w = frames[0].shape[:2]
    given = f"-f rawvideo -pix_fmt rgb24 -s {w}x{h} -r {RATE} -i -".split()
    wanted = "-c:v libx264 -crf 18 -pix_fmt yuv420p -movflags +faststart".split()
    ended = subprocess.run(
        [get_ffmpeg_exe(), "-y", "-loglevel", "error", *given, *wanted, str(path)],
        input=b"".join(np.ascontiguousarray(f).tobytes() for f in frames),
        capture_output=True,
        check=False,
    )
    if ended.returncode:
        said = ended.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise OSError(f"ffmpeg: {said[-1]}")
