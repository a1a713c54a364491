"""Write docs/gallery.md and its pictures: every task it shows is trained here, then drawn.

python docs/gallery.py          # about four minutes; docs/gallery/ is written anew
"""

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from matplotlib import pyplot

from mechlearn import plots
from mechlearn.render import render
from mechlearn.render.path_film import path_film
from mechlearn.runs.run import Run
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_file
from mechlearn.studies.compare import compare, nudge_study
from mechlearn.studies.sweep import sweep

DOCS = Path(__file__).parent
PICTURES, TASKS = DOCS / "gallery", DOCS.parent / "tasks"
SIZE, FILM = (1200, 750), (800, 500)

#: Options of what is a film of a path, and of a sample of a cell.
PATH, SAMPLE = "--film", "5 5 --ends frame"
#: Sections: a title, the page that says more, and pictures: a task, a file, options of the command
#: line, and what is to be seen.
SHOWN = {
    ("What was learned", "[What it means](analysis.md)"): [
        ("allostery", "network.png", "", "What has learned colours and sizes the bonds; the "
         "network at rest is behind it, rings are where the targets are wanted."),
        ("allostery", "states.png", "", "Free and clamped, before training and after: training has "
         "succeeded where the two coincide."),
        ("allostery", "response.png", "", "The strain of every bond when the source pulls, before "
         "training and after."),
        ("allostery", "tension.png", "--colour tension --thickness stiffness", "Tension in colour, "
         "stiffness as width."),
        ("allostery", "contrast.png", "--colour contrast --thickness even", "What learning "
         "compares: the energy of every bond, clamped less free, once all has been learned."),
        ("flow", "flow.png", "--colour flow --thickness radius", "A flow network: flow in colour, "
         "radius as width."),
    ],
    ("Films", "[Commands](howto/commands.md) that make them"): [
        ("allostery-finite", "actuation.gif", "", "The source is pulled from nothing to full; "
         "every frame is an equilibrium at finite strain, found from the one before."),
        ("allostery", "training.gif", "", "The same network while it learns."),
        ("bistable", "path.gif", PATH, "An arch that has learned to stay where it is pushed: a "
         "force grows until it snaps, and is taken away."),
    ],
    ("In space", "[A network from a PDB file](howto/network.md#proteins)"): [
        ("allostery-3d", "space.png", "--colour energy", "A packing in space, coloured by energy; "
         "what is far away is paler."),
        ("pdz", "protein.png", "", "A PDZ domain: its chain as a tube, contacts between residues "
         "within 10 Å, and the two sites that learn to be coupled."),
    ],
    ("Frames, cells and parts", "[From a network to a part](making.md)"): [
        ("beam-allostery", "beams.png", "--colour tension --thickness true --amplify 2", "A "
         "periodic frame of beams, drawn bent, their widths to scale."),
        ("beam-allostery", "whole.png", "--whole", "The same with bonds that cross the cell drawn "
         "whole."),
        ("auxetic", "cell.png", "", "A periodic cell squeezed along x, which after ageing shrinks "
         "along y too: at rest and deformed, dashes where its sides are wanted."),
        ("buckling-cell", "buckling.png", "--whole --colour energy --thickness true", "A honeycomb "
         "of 4 x 4 cells that has learned the pressure under which its pattern buckles."),
        ("plateau-cell", "part.png", SAMPLE, "A sample of 5 x 5 cells with a frame around it, "
         "pressed by 1 %, drawn as 5 %."),
        ("solid-allostery", "solid.png", "", "A solid, its strain energy density on a logarithmic "
         "scale."),
        ("holes", "holes.png", "--colour thickness", "A rubber plate from a mesh file: the "
         "thickness of every cell has learned that it widens when pulled."),
        ("auxetic-solid", "solidcell.png", "--amplify 10", "A periodic cell of solid struts: "
         "stretched along x by 1 %, drawn as 10 %, it widens."),
    ],
}  # fmt: skip

PLOTTED = [
    ("error.png", 'run.plot()', "Error and contrast against the step."),
    ("dofs.png", 'run.plot("dofs")', "What learned, before and after."),
    ("spectrum.png", 'run.plot("spectrum")', "Modes of the network up to a stiffness."),
    ("bands.png", 'plots.plot_bands("runs/seeds")', "A sweep over seeds, for two nudges: median "
     "and the middle 80 %."),
    ("confusion.png", 'run.plot("confusion")', "Iris: which class is taken for which."),
    ("nudges.png", "plots.plot_nudges(nudge_study(setup))", "What the size of the nudge does to "
     "rules of both families."),
    ("rules.png", "plots.plot_learning(results, tolerance)", "Several rules from the same starts."),
]  # fmt: skip

HEAD = """# Gallery

Every picture is one command, and grows when it is clicked. `mechlearn render runs/allostery
network.html` writes a page in which the network can be turned, offline; `run.show()` opens a
window, or a view in a notebook. The pictures are made by `python docs/gallery.py`.
"""


def main() -> None:
    """Train, draw, write."""
    PICTURES.mkdir(exist_ok=True)
    runs = {}
    for task, name, options, _ in (picture for shown in SHOWN.values() for picture in shown):
        if task not in runs:
            runs[task] = train_file(TASKS / f"{task}.toml")
        run = runs[task]
        if options == PATH:
            path_film(
                run.system(), run.path(), PICTURES / name, title=run.setup.title, size=(960, 480)
            )
        elif options == SAMPLE:
            draw_sample(run, name)
        else:
            render(run, PICTURES / name, **_options(name, options))
    runs["iris"] = train_file(TASKS / "iris.toml")
    _plot(runs)
    (DOCS / "gallery.md").write_text(page(), encoding="utf-8")


def draw_sample(run: Run, name: str) -> None:
    """Draw a framed sample of a run's cell."""
    sample = run.tile(5, 5, ends="frame")
    look = {"colour": "energy", "thickness": "true", "amplify": 5.0}
    render(sample, PICTURES / name, size=SIZE, **look)


def page() -> str:
    """The page: a grid of tiles in every section."""
    parts = [HEAD]
    for (title, more), shown in SHOWN.items():
        tiles = [
            (name, words, _command(task, name, options)) for task, name, options, words in shown
        ]
        parts += [f"## {title}\n", *_grid(tiles), f"{more} →\n"]
    parts += [
        "## Plots\n",
        "With `run = Run.load(...)`, `from mechlearn import plots`; each gives the matplotlib Axes "
        "and takes `ax`.\n",
        *_grid((name, words, call) for name, call, words in PLOTTED),
        "[Compare rules](rules.md), [sweep over seeds](howto/many.md) →\n",
    ]
    return "\n".join(parts)


def _grid(tiles: Iterable[tuple[str, str, str]]) -> Iterator[str]:
    """Lines of a grid: of every tile a picture, words and the command or call that draws it."""
    yield '<div class="grid">\n'
    for name, words, call in tiles:
        yield (
            f'<div class="tile">\n\n[![{words}](gallery/{name})](gallery/{name})\n\n'
            f"{words}\n\n`{call}`\n\n</div>\n"
        )
    yield "</div>\n"


def _command(task: str, name: str, options: str) -> str:
    if options == PATH:
        return f"mechlearn path runs/{task} -o snap {PATH}"
    if options == SAMPLE:
        return f"mechlearn tile runs/{task} {SAMPLE} -o runs/part"
    return " ".join(f"mechlearn render runs/{task} {name} {options}".split())


def _options(name: str, text: str) -> dict:
    """Options of the command line as those of :func:`mechlearn.render.render`."""
    words = text.split()
    options = {"size": FILM if name.endswith(".gif") else SIZE}
    while words:
        key = words.pop(0).removeprefix("--")
        value = True if key == "whole" else words.pop(0)
        options[key] = float(value) if key == "amplify" else value
    return options


def _plot(runs: dict[str, Run]) -> None:
    run, iris = runs["allostery"], runs["iris"]
    setup = read_setup(TASKS / "allostery.toml")
    with tempfile.TemporaryDirectory() as folder:
        seeds = Path(folder) / "seeds"
        vary = {"network.seed": range(8), "rule.eta": [0.01, 0.3]}
        sweep(setup, seeds, vary, folder=TASKS)
        drawn = {
            "error.png": lambda: run.plot(),
            "dofs.png": lambda: run.plot("dofs"),
            "spectrum.png": lambda: run.plot("spectrum"),
            "bands.png": lambda: plots.plot_bands(seeds),
            "confusion.png": lambda: iris.plot("confusion"),
            "nudges.png": lambda: plots.plot_nudges(nudge_study(setup, TASKS))[0],
            "rules.png": lambda: plots.plot_learning(
                compare(setup, TASKS, ["CL", "CpL P", "EP C", "GD"]), setup.train.tolerance
            ),
        }
        for name, draw in drawn.items():
            figure = draw().figure
            figure.savefig(PICTURES / name, dpi=90)
            pyplot.close(figure)


if __name__ == "__main__":
    main()
