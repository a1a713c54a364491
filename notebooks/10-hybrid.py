# %% [markdown]
# # Hybrid networks: trained on a model, run on an imperfect device
#
# A crossbar of memristors multiplies a vector of voltages by a matrix of conductances in one go:
# rows are driven, columns at virtual ground are read, and Ohm and Kirchhoff do the sums. Nobody
# wants to train it device by device: it is trained as a model on a computer, then written into
# hardware, which has few levels, writes them with errors, has devices that are stuck, and wires
# that are not free. What is left of the accuracy, and can it be won back?
#
# You will see a crossbar learn to read handwritten digits; lose some of it on five devices, each
# worse than the last; and get most of it back when the *errors* are measured on the device while
# the *model* still says how to change: physics-aware training ([Wright et al.
# 2022](https://doi.org/10.1038/s41586-021-04223-6)).

# %%
import matplotlib.pyplot as plt
import numpy as np
from claims import Claims, full

import mechlearn as ml
from mechlearn.tasks import data

# %% [markdown]
# **Data**: the 1797 digits of 8 x 8 pixels that come with scikit-learn, brightness 0 to 1, with a
# constant input as bias. Conductances are positive; so that weights can have either sign, every
# input comes once more with the opposite sign.

# %%
digits = data.load("digits")
inputs = np.hstack([digits.inputs / 16, np.ones((len(digits), 1))])
whole = data.DataSet(inputs, digits.wanted, digits.classes).complementary()
train, test = whole.split(0.3, seed=0)
train = train.take(np.arange(full(len(train), short=200)))
fig, axes = plt.subplots(1, 10, figsize=(10, 1.2))
for ax, picture, label in zip(axes, digits.inputs, digits.labels, strict=False):
    ax.imshow(picture.reshape(8, 8), cmap="Greys")
    ax.set_title(str(label))
    ax.axis("off")

# %% [markdown]
# **The task**: a source per row, a target per column. Targets want shares, 1 for the right digit:
# the cost is the cross-entropy of the softmax of the currents.

# %%
rows = [f"row {k}" for k in range(train.inputs.shape[1])]
columns = [f"digit {k}" for k in range(10)]


def reading(part: data.DataSet) -> ml.Task:
    """Read the digits of a part."""
    return ml.Task(
        sources=[ml.Source(name=n, nodes=[k], voltage=0.0) for k, n in enumerate(rows)],
        targets=[
            ml.Target(name=n, nodes=[len(rows) + k], current=0.0) for k, n in enumerate(columns)
        ],
        examples=part.examples(rows, columns),
        cost=ml.CrossEntropy(of="softmax", temperature=0.5),
    )


learning, testing = reading(train), reading(test)
net = ml.networks.crossbar(len(rows), 10)
net

# %% [markdown]
# ## Training on the model
#
# The exact gradient, in batches of 64. Every conductance lies between 0.01 and 1.

# %%
BOUNDS = (0.01, 1.0)
epochs = full(30, short=3)
options = {
    "energy": ml.Resistor(),
    "rule": ml.GradientDescent(),
    "optimiser": {"name": "adam", "betas": (0.9, 0.99)},
    "batch": 64,
}
model = ml.train(
    net,
    learning,
    learn=ml.Learn(bounds=BOUNDS, initial=0.5, scale="linear"),
    rate=0.01,
    steps=epochs,
    **options,
)
model

# %% [markdown]
# What a column weighs each pixel with, its conductance less that of the opposite row, is a picture
# of what speaks for the digit (red) and against it (blue).

# %%
weights = model.learned["conductance"].reshape(2, -1, 10)
weights = weights[0] - weights[1]
fig, axes = plt.subplots(1, 10, figsize=(10, 1.2))
for k, ax in enumerate(axes):
    ax.imshow(weights[:64, k].reshape(8, 8), cmap="RdBu_r", vmin=-1, vmax=1)
    ax.set_title(str(k))
    ax.axis("off")

# %% [markdown]
# ## Five devices
#
# `ml.Device` is the forward pass on hardware: it is programmed with conductances, and its outputs
# are read. The last one has wires: a crossbar of its own, with a resistor between all neighbouring
# crossings, solved in full.

# %%
FLAWS = {
    "ideal": {},
    "16 levels": {"levels": 16},
    "and 10 % errors of writing": {"levels": 16, "write_noise": 0.1},
    "and 5 % stuck": {"levels": 16, "write_noise": 0.1, "stuck": 0.05},
    "and wires": {"levels": 16, "write_noise": 0.1, "stuck": 0.05, "wires": 1000.0},
}
chosen = full(list(FLAWS), short=list(FLAWS)[:4])
PROGRAMMINGS = full(10, short=2)


def device(task: ml.Task, wires: float | None = None, **flaws: float) -> ml.Device:
    """A crossbar of such devices; the same ones are stuck whatever it is asked."""
    made = ml.networks.crossbar(len(rows), 10, wires=wires is not None)
    material = {} if wires is None else {"conductance": np.full(made.n_edges, wires)}
    return ml.Device(made, task, bounds=BOUNDS, material=material, seed=7, **flaws)


def tested(run: ml.Run, name: str) -> np.ndarray:
    """Test accuracies of a device that is programmed anew some times."""
    hardware = device(testing, **FLAWS[name])
    return np.array(
        [
            data.accuracy(hardware.outputs(run.learned, step=10**6 + k), test.wanted)
            for k in range(PROGRAMMINGS)
        ]
    )


before = {name: tested(model, name) for name in chosen}
{name: f"{found.mean():.3f} ± {found.std():.3f}" for name, found in before.items()}

# %% [markdown]
# ## The device in the loop
#
# Now train on, from what the model has learned. In every step the device is programmed and its
# outputs are measured; what is wrong with them goes through the model, which knows nothing of
# stuck devices or wires, backwards. The others learn to make up for those.

# %%
known = ml.Learn(bounds=BOUNDS, initial=model.learned["conductance"].tolist(), scale="linear")
after = {}
for name in chosen[1:]:
    aware = ml.train(
        net,
        learning,
        learn=known,
        device=device(learning, **FLAWS[name]),
        rate=0.001,
        steps=full(15, short=2),
        **options,
    )
    after[name] = tested(aware, name)
{name: f"{found.mean():.3f} ± {found.std():.3f}" for name, found in after.items()}

# %% [markdown]
# ## The figure

# %%
fig, ax = plt.subplots(figsize=(8, 4.2), layout="constrained")
for found, shift, colour, label in (
    (before, -0.08, "#35608D", "trained on the model"),
    (after, 0.08, "#D55E00", "with the device in the loop"),
):
    at = [chosen.index(name) + shift for name in found]
    ax.errorbar(
        at,
        [f.mean() for f in found.values()],
        [f.std() for f in found.values()],
        fmt="o",
        color=colour,
        capsize=3,
        label=label,
    )
ax.axhline(before["ideal"].mean(), color="#1B1F24", linewidth=0.8, linestyle=":")
ax.set_xticks(range(len(chosen)), chosen, fontsize=8)
ax.set(ylabel="accuracy on 539 unseen digits", ylim=full((0.84, 0.97), short=(0, 1)))
ax.legend(frameon=False, loc="lower left")
fig.align_labels()

# %%
mean = {name: float(found.mean()) for name, found in before.items()}
won = {name: float(found.mean()) for name, found in after.items()}
claims = Claims()
claims.holds("ideal crossbar", "", mean["ideal"], "at least 0.94", mean["ideal"] >= full(0.94, 0.5))
claims.holds(
    "16 levels lose", "", mean["ideal"] - mean["16 levels"], "below 0.02",
    mean["ideal"] - mean["16 levels"] < full(0.02, 0.2),
)  # fmt: skip
for name in chosen[3:]:
    lost, back = mean["ideal"] - mean[name], won[name] - mean[name]
    claims.holds(
        f"{name}: lost, won back", "", f"{lost:.3f}, {back:.3f}", "won back more than half",
        full(lost > 0.02 and back > lost / 2, short=True),
    )  # fmt: skip
claims
