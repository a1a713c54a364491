# %% [markdown]
# # First steps: a network learns allostery
#
# A protein binds a molecule in one place and changes its shape in another. Here a disordered
# network of springs learns to do that: pull two nodes apart at its left, and two nodes at its
# right follow by as much. Nobody computes which spring to change. Every spring compares its own
# energy in two states of the network, *free* and nudged towards the answer (*clamped*), and
# changes its own stiffness: *coupled learning* ([Stern, Hexner, Rocks, Liu
# 2021](https://doi.org/10.1103/PhysRevX.11.021045)).
#
# This takes seconds, and ten cells.

# %%
import tempfile
from pathlib import Path

import mechlearn as ml

# %% [markdown]
# **Make** a network: the contacts of a jammed packing of discs, cut out as a free sheet. It is
# barely rigid, as networks that learn well are: a spring more or less matters.

# %%
net = ml.networks.packing(nodes=128, coordination=4.4, seed=1)
net

# %% [markdown]
# **Ask** for something. A source is driven, a target answers; `near` picks the unbonded pair of
# nodes nearest to a place, here the middle of the left and of the right edge.

# %%
task = ml.Task(
    sources=[ml.Source(name="pinch", near=[0.0, 0.5], strain=0.1)],
    targets=[ml.Target(name="answer", near=[1.0, 0.5], strain=0.1)],
)
task

# %% [markdown]
# **Train.** All stiffnesses begin at 1 and stay between 0.01 and 10. The clamped state holds the
# target a hundredth of the way (`eta`) from where it is to where it is wanted.

# %%
run = ml.train(
    net, task, learn=ml.Learn(bounds=(0.01, 10), initial=1.0), rule=ml.CoupledLearning(eta=0.01)
)
run

# %% [markdown]
# **See** what it has learned: the network at rest in grey, and with its source pulled; thick and
# dark springs have become stiff, thin ones soft. (`run.show()` is the same to be turned by hand.)

# %%
run.picture()

# %% [markdown]
# Before training the pull dies out on its way; after it, it arrives.

# %%
run.picture("response")

# %% [markdown]
# **Plot** how it went. The contrast, the energy of the clamped state less that of the free one, is
# what the springs have of the error: it falls with the error's square.

# %%
run.plot()

# %% [markdown]
# **Analyse.** The stiffnesses have spread over decades: how far did each spring have to go?

# %%
run.plot("dofs")

# %% [markdown]
# And the answer, asked anew: half the pull gives half the answer, and pushing the nodes together
# closes the others, for these springs are linear.

# %%
print(run.targets)
run.respond([{"pinch": 0.1}, {"pinch": 0.05}, {"pinch": -0.1}])

# %% [markdown]
# **Export.** The network as a mesh for ParaView, a table of its springs, or the outlines of a
# sheet to cut: the suffix says which. The run itself is a folder that everything else reads. (Put a
# path of your own in place of the temporary folder.)

# %%
with tempfile.TemporaryDirectory() as folder:
    run.export(Path(folder) / "learned.vtu")
    run.export(Path(folder) / "learned.csv")
    again = ml.Run.load(run.save(Path(folder) / "run"))
    files = sorted(path.name for path in Path(folder).iterdir())
print(files)
again.evaluate()
