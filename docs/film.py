"""The film of the front page and of the README, docs/allostery.gif.

The network of the README before training and after it, both pulled at the left:

python docs/film.py
"""

import io
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray

import mechlearn as ml
from mechlearn.render.colours import SOURCE, TARGET, Shades

HERE = Path(__file__).parent
#: Frames of a pull, how many of them the ends are held for, and the time of each in ms.
FRAMES, HOLD, TIME = 18, 9, 55
#: Factor on displacements, and on the colours of strain: what is large is clipped.
AMPLIFY, STRONG = 3.0, 0.02


def main() -> None:
    """Train, pull, draw."""
    net = ml.networks.packing(nodes=128, coordination=4.4, seed=1)
    task = ml.Task(
        sources=[ml.Source(near=[0.0, 0.5], strain=0.1)],
        targets=[ml.Target(near=[1.0, 0.5], strain=0.1)],
    )
    run = ml.train(net, task)
    assert run.converged
    moved = [run.system(learned=learned).free.states()[0] for learned in (False, True)]
    pulls = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, FRAMES))
    images = [frame(run, moved, pull) for pull in pulls]
    images = [*[images[0]] * HOLD, *images, *[images[-1]] * HOLD, *images[-2:0:-1]]
    palette = images[-FRAMES].quantize(96, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    colours = np.array(palette.getpalette()).reshape(-1, 3)
    colours[colours.min(axis=1) > 247] = 255  # the background is white, not nearly so
    palette.putpalette(colours.ravel().tolist())
    frames = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    frames[0].save(
        HERE / "allostery.gif", save_all=True, append_images=frames[1:], duration=TIME, loop=0
    )


def frame(run: ml.Run, moved: list[NDArray], pull: float) -> Image.Image:
    """Both networks, pulled by a part of the load."""
    figure, axes = pyplot.subplots(1, 2, figsize=(10, 4.9))
    figure.subplots_adjust(left=0.01, right=0.99, top=0.9, bottom=0.0, wspace=0.02)
    reads = (run.targets[0]["initial"], run.targets[0]["reached"])
    titles = ("Before training", "After training")
    for ax, title, displacement, read in zip(axes, titles, moved, reads, strict=True):
        draw(ax, run, pull * displacement)
        ax.set_title(f"{title}: the answer is {100 * pull * read:.1f} %", loc="left", fontsize=15)
    with io.BytesIO() as file:
        figure.savefig(file, format="png", dpi=85)
        pyplot.close(figure)
        return Image.open(file).convert("RGB")


def draw(ax: Axes, run: ml.Run, displacement: NDArray) -> None:
    """A network where it has moved, its bonds in the colour of their strain."""
    net, setup = run.network, run.setup
    i, j = net.edges.T
    apart = net.nodes[j] - net.nodes[i]
    along = ((displacement[j] - displacement[i]) * apart).sum(axis=1) / net.lengths**2
    shades = Shades(np.array([-STRONG, STRONG]), "strain", diverging=True)
    place = net.nodes + AMPLIFY * displacement
    strong = np.abs(np.clip(along / STRONG, -1, 1))
    order = np.argsort(strong)
    ax.add_collection(
        LineCollection(
            place[net.edges[order]],
            colors=shades.colours(along[order]) / 255,
            linewidths=1.2 + 3.2 * strong[order],
            capstyle="round",
        )
    )
    for pair, colour in ((setup.sources[0].nodes, SOURCE), (setup.targets[0].nodes, TARGET)):
        a, b = place[pair]
        out = (b - a) / np.linalg.norm(b - a)
        for end, way in ((a, -out), (b, out)):
            ax.annotate(
                "", end + 0.9 * way, end,
                arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2.2, "shrinkA": 0},
            )  # fmt: skip
        ax.plot(*place[pair].T, "o", color=colour, markersize=8)
    low, high = net.nodes.min(axis=0) - 1.2, net.nodes.max(axis=0) + 1.2
    ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    ax.axis("off")


if __name__ == "__main__":
    main()
