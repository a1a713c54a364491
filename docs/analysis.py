"""Draw docs/analysis.png: what analysis says of a trained packing."""

from pathlib import Path

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot

import mechlearn as ml
from mechlearn import analysis
from mechlearn.plots.bonds import plot_bonds

run = ml.train(
    ml.networks.packing(nodes=128, coordination=4.4, seed=1),
    ml.Task(
        sources=[ml.Source(name="source", near=[0.0, 0.5], strain=0.1)],
        targets=[ml.Target(name="target", near=[1.0, 0.5], strain=0.1)],
    ),
    tolerance=1e-5,
)
figure, axes = pyplot.subplots(2, 3, figsize=(15, 9), layout="constrained")
(one, two, three), (four, five, six) = axes

change = analysis.removal(run)
largest = np.quantile(change.importance[~change.holding], 0.98)
shown = np.where(change.holding, np.inf, np.minimum(change.importance, largest))
plot_bonds(run.network, shown, "change of the response without the bond", one)
analysis.pathway(run).plot(two)
analysis.self_stress(run).plot(three)
for learned, style in ((False, "--"), (True, "-")):
    before = len(four.lines)
    analysis.overlap(run, learned=learned).plot(four)
    for line in four.lines[before:]:
        line.set_linestyle(style)
analysis.correspondence(run, count=3).plot(five)
analysis.noise(run).plot(six)

four.set_ylim(0, 1.3)

titles = (
    "Without a bond (orange: bonds that hold the network)",
    "Coupling of source and target, and the way through it",
    "Redundancy of the bonds (states of self-stress)",
    "Free response, source, target in the softest modes\n(dashed: before training)",
    "Stiff modes of the cost move the network's soft ones",
    "Noise of all stiffnesses",
)
for ax, title in zip(axes.flat, titles, strict=True):
    ax.set_title(title, fontsize=12)
    ax.tick_params(which="both", labelsize=10)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_size(11)
    if old := ax.get_legend():
        labels = [text.get_text() for text in old.get_texts()]
        place = "lower left" if ax in (one, two, three) else "best"
        ax.legend(old.legend_handles[-3:], labels[-3:], loc=place, frameon=False, fontsize=10)
for ax in figure.axes:  # of the colours
    ax.yaxis.label.set_size(11)
    ax.tick_params(labelsize=10)
figure.savefig(Path(__file__).with_name("analysis.png"), dpi=80)
