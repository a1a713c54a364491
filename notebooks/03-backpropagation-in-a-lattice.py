# %% [markdown]
# # In-situ backpropagation in a lattice
#
# S. Li, X. Mao, *Nat. Commun.* **15**, 10528 (2024),
# [doi:10.1038/s41467-024-54849-z](https://doi.org/10.1038/s41467-024-54849-z).
#
# A printed lattice of 14 nodes and 28 bonds learns with weights hung on it. Load the inputs and
# note every bond's extension $e_i$. Hang the error of the outputs on the outputs, as forces, and
# note the extensions again, $e_i^{adj}$. Their product is the exact gradient of the loss by the
# bond's stiffness:
#
# $$\frac{\partial \mathcal L}{\partial k_i} = e_i^{adj}\, e_i .$$
#
# Here the lattice learns a **behaviour**, **regression** and **Iris**; it is **switched** from one
# task to another and back, and **damaged**. Figures called published are those of the data file
# that comes with the paper.

# %%
import matplotlib.pyplot as plt
import numpy as np
from claims import PROJECT, Claims, full

import mechlearn as ml
from mechlearn.plots.style import style
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A929C"
claims = Claims()
lattice = ml.networks.from_file(PROJECT / "meshes" / "li-mao.txt")

# %% [markdown]
# ## A behaviour
#
# Five grams hang from node 11 (nodes count from 1 in the paper, from 0 here). Nodes 13 and 14 sink
# alike. Node 13 shall take the larger share: a cross-entropy of $|u_{13}|$ and $|u_{14}|$ is
# lowered by Adam on a sigmoid's argument. Bonds are $Ewt/a$ with $E=0.55$ MPa, $t=2$ mm, $a=16$
# mm, and a width $w$ of 1.5 to 2.5 mm. All of this is in a task file.

# %%
setup = read_setup(PROJECT / "tasks" / "li-mao-classes.toml")
behaviour = train_setup(setup, PROJECT / "tasks")
behaviour.picture("response", thickness="stiffness")

# %%
before, after = 1e3 * behaviour.history.output.values[[0, -1], 0]
for name, published, found in zip(("13", "14"), (-0.524292929,) * 2, before, strict=True):
    claims.near(f"behaviour: node {name} before / mm", published, float(found), within=1e-9)
for name, published, found in zip(("13", "14"), (-0.625333116, -0.479973464), after, strict=True):
    claims.near(f"behaviour: node {name} after / mm", published, float(found), within=2e-9)
loss = behaviour.history.cost.values
claims.near("behaviour: loss after 334 iterations (independent port)", 0.569594, loss[-1], 2e-6)

figure, ax = plt.subplots(figsize=(6, 3.4), layout="constrained")
style(ax)
for k, (shift, values, colour, name) in enumerate(
    (
        (-0.25, before, GREY, "before, here and published"),
        (0.0, after, BLUE, "after, here and published"),
        (0.25, np.array([-0.618, -0.519]), ORANGE, "after, in their experiment"),
    )
):
    error = np.array([0.010, 0.013]) if k == 2 else None
    ax.bar(np.arange(2) + shift, -values, 0.22, color=colour, label=name, yerr=error)
ax.set_xticks([0, 1], ["node 13", "node 14"])
ax.set_ylabel("down / mm")
ax.set_ylim(0, 0.9)
ax.legend(frameon=False, fontsize="small")
# %% [markdown]
# Displacements can be asked for by value as well, but not all: the pair that is the default of the
# authors' code, -0.5 and -0.8 mm, cannot be had within the bounds. The best that can be done has a
# loss of 9.31e-9; -0.5 and -0.6 mm are reached.

# %%
values = read_setup(PROJECT / "tasks" / "li-mao.toml")


def ask(left, right):
    """The two nodes' displacements in mm, by the exact gradient."""
    targets = [
        target.model_copy(update={"displacement": [1e-3 * value]})
        for target, value in zip(values.targets, (left, right), strict=True)
    ]
    task = ml.Task(supports=values.supports, sources=values.sources, targets=targets)
    learn = values.learn["stiffness"]
    return ml.train(
        lattice, task, learn=learn, rule=ml.GradientDescent(), rate=0.02, steps=300, tolerance=1e-6
    )


near, far = ask(-0.5, -0.6), ask(-0.5, -0.8)
claims.holds("(-0.5, -0.6) mm: relative error", "0", near.summary["error"], "≤ 1e-6",
             near.converged)  # fmt: skip
claims.near("(-0.5, -0.8) mm: lowest loss (independent port)", 9.31e-9,
            float(far.history.cost.min()), within=1e-11)  # fmt: skip

# %% [markdown]
# ## The gradient
#
# A `System` is a network with its task at given values. At random stiffnesses, the gradient is
# compared with finite differences of the loss, and with the product of extensions from twenty lines
# of NumPy. A difference is best in between: too long a step and the loss is no straight line, too
# short a one and rounding eats it. Their Fig. 2 has the same V.

# %%
low, high = setup.learn["stiffness"].bounds
k = np.random.default_rng(0).uniform(low, high, lattice.n_edges)
system = ml.System(lattice, setup.task, stiffness=k)
gradient = system.gradient()


def difference(step, bond):
    """Central difference of the loss by one bond's stiffness."""
    at = np.zeros(lattice.n_edges)
    at[bond] = step
    up = system.set(stiffness=k + at).cost
    return (up - system.set(stiffness=k - at).cost) / (2 * step)


sizes = np.logspace(-12, 2, 57)
bonds = range(0, lattice.n_edges, full(1, short=7))
differences = np.array([[difference(step, bond) for bond in bonds] for step in sizes])
exact = gradient[list(bonds)]
errors = np.linalg.norm(differences - exact, axis=1) / np.linalg.norm(exact)

# The same in NumPy: weights on the input, then the slope of the loss on the outputs.
unit = lattice.vectors / lattice.lengths[:, None]
C = np.zeros((28, 28))
for bond, (a, b) in enumerate(lattice.edges):
    C[bond, 2 * b : 2 * b + 2], C[bond, 2 * a : 2 * a + 2] = unit[bond], -unit[bond]
free = np.setdiff1d(np.arange(28), [0, 1, 8, 9])
C = C[:, free]
weight, out = np.zeros(28), [2 * 12 + 1, 2 * 13 + 1]
weight[2 * 10 + 1] = -0.049
u = np.zeros(28)
u[free] = np.linalg.solve(C.T * k @ C, weight[free])
slope = np.zeros(28)
slope[out] = np.sign(u[out]) * (1 / np.abs(u[out]).sum() - np.array([1, 0]) / np.abs(u[out]))
adjoint = np.linalg.solve(C.T * k @ C, -slope[free])
product = (C @ u[free]) * (C @ adjoint)

# %%
figure, (ax, bx) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
style(ax)
style(bx)
ax.loglog(sizes, errors, ".-", color=BLUE)
ax.set_xlabel("step of the stiffness / (N/m)")
ax.set_ylabel("relative error of the gradient")
best = differences[errors.argmin()]
bx.plot([exact.min(), exact.max()], [exact.min(), exact.max()], color=GREY)
bx.plot(exact, best, "o", color=ORANGE, markersize=5)
bx.set_xlabel("product of extensions")
bx.set_ylabel("finite difference")

claims.holds("gradient: lowest relative error of differences", "", float(errors.min()), "< 1e-9",
             errors.min() < 1e-9)  # fmt: skip
off = float(np.abs(product - gradient).max() / np.abs(gradient).max())
claims.holds("gradient less product of extensions (NumPy)", "0", off, "< 1e-12", off < 1e-12)

# %% [markdown]
# ## Regression
#
# The weight $X$ at node 11, up to 20 g either way, shall become $(0,\ 0.016X,\ 0.004X,\ 0.016X)$,
# the displacements of nodes 13 and 14. 100 samples, 70 to train on in batches of 16, 5000 epochs.
#
# Three things must be known to compare with what was published:
#
# - The targets are **out of reach** at the modulus in the authors' code, 0.55 MPa: the accuracy
#   (1 - relative error) cannot exceed 0.8605. At 0.44 MPa it can be 0.98398; published is
#   0.98416. So we take 0.44 MPa, and show both.
# - Their reported loss divides every batch by 16, the last one, of 6 samples, too. It is $70/80$
#   of the mean over samples, and so is ours below.
# - Adam's constant ($1.5\cdot10^{-8}$) is as large as these gradients, so it slows learning down.
#   Where it is 16 times smaller, which is the same as summing a batch's gradients instead of
#   averaging them, learning is faster.

# %%
ADAM = {"name": "adam", "betas": (0.9, 0.999), "eps": np.sqrt(np.finfo(float).eps)}
GIVES = np.array([0.0, 0.016, 0.004, 0.016])


def bounds(modulus, part=0.25):
    """Bounds of the stiffness Y w t / a, and the middle."""
    middle = modulus * 2e-3 * 2e-3 / 16e-3
    return middle * (1 - part), middle, middle * (1 + part)


def lines(seed=0, noise=0.0):
    """The task of 70 samples, and its inputs."""
    rng = np.random.default_rng(seed)
    weights = rng.uniform(-0.196, 0.196, 70)
    wanted = weights[:, None] * GIVES + noise * rng.standard_normal((70, 4))
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 4])],
        sources=[ml.Source(name="weight", nodes=10, components=["y"], force=[0.0])],
        targets=[
            ml.Target(name="node 13", nodes=12, displacement=[0.0, 0.0]),
            ml.Target(name="node 14", nodes=13, displacement=[0.0, 0.0]),
        ],
        examples=[
            {"weight": [x], "node 13": [y[0], y[1]], "node 14": [y[2], y[3]]}
            for x, y in zip(weights.tolist(), wanted.tolist(), strict=True)
        ],
    )
    return task, weights


def sigmoid(part=0.25, steepness=10.0, modulus=4.4e5):
    """The stiffness learns by a sigmoid's argument, so many parts either way from the middle."""
    low, middle, high = bounds(modulus, part)
    return ml.Learn(
        bounds=(low, high), initial=middle, scale="sigmoid", steepness=steepness, chain=False
    )


OPTIONS = {"rule": ml.GradientDescent(), "optimiser": ADAM, "batch": 16}
REGRESSION = {"rate": 0.1, "tolerance": 1e-9}


def regress(modulus, epochs, noise=0.0, **other):
    """Train the regression."""
    options = {**OPTIONS, **REGRESSION, **other}
    learn = sigmoid(modulus=modulus)
    return ml.train(lattice, lines(noise=noise)[0], learn=learn, steps=epochs, **options)


def accuracies(run):
    """1 - relative error per epoch; it is the same for every weight."""
    reached = run.history.output.values
    wanted = lines()[1][:, None] * GIVES
    return 1 - np.linalg.norm(reached - wanted, axis=(1, 2)) / np.linalg.norm(wanted)


epochs = full(5000, short=60)
soft, stiff = regress(4.4e5, epochs), regress(5.5e5, full(1000, short=20))
quick = regress(4.4e5, full(500, short=20), optimiser=ADAM | {"eps": ADAM["eps"] / 16})
noisy = regress(4.4e5, full(500, short=60), noise=1e-4)

# %%
PUBLISHED = {1: 7.6e-8, 10: 2.4e-9, 100: 6.0e-10, 500: 3.9e-10, 5000: 3.75e-10}
figure, (ax, bx) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
style(ax)
style(bx)
for run, colour, name in (
    (soft, BLUE, "0.44 MPa"),
    (quick, GREEN, "0.44 MPa, Adam's constant / 16"),
    (stiff, GREY, "0.55 MPa"),
    (noisy, "#CC79A7", "0.44 MPa, noise 0.1 mm"),
):
    ax.loglog(1 + run.history.step, 70 / 80 * run.history.cost, color=colour, label=name)
ax.loglog(list(PUBLISHED), list(PUBLISHED.values()), "o", color=ORANGE, label="published")
ax.loglog([1, 5000], [2.5e-7, 1.73e-8], "s", color=ORANGE, label="published, noise 0.1 mm")
ax.set_xlabel("epoch")
ax.set_ylabel("loss")
ax.legend(frameon=False, fontsize="x-small")
weights = lines()[1]
reached = soft.history.output.values[-1]
order = weights.argsort()
for column, (name, colour) in enumerate(
    zip(("x of 13", "y of 13", "x of 14", "y of 14"), (BLUE, GREEN, ORANGE, "k"), strict=True)
):
    bx.plot(weights[order], 1e3 * GIVES[column] * weights[order], color=colour, linewidth=1)
    bx.plot(weights, 1e3 * reached[:, column], ".", color=colour, markersize=4, label=name)
bx.set_xlabel("weight / N")
bx.set_ylabel("displacement / mm (lines: wanted)")
bx.legend(frameon=False, fontsize="x-small")
# %%
accuracy, coarse = accuracies(soft), accuracies(stiff)
claims.holds("regression, 0.44 MPa: accuracy", 0.98416, float(accuracy[-1]),
             full("≥ 0.98", short="≥ 0.96"), accuracy[-1] >= full(0.98, short=0.96))  # fmt: skip
claims.holds("regression, 0.55 MPa: accuracy (floor of an independent port 0.8605)", "",
             float(coarse[-1]), "≤ 0.8605", coarse[-1] <= 0.8606)  # fmt: skip
claims.near("regression, noise 0.1 mm: last loss", 1.73e-8, 70 / 80 * float(noisy.history.cost[-1]),
            within=full(3e-9, short=1e-8))  # fmt: skip
for epoch, published in PUBLISHED.items():
    if epoch <= soft.summary["steps"]:
        here, *there = (
            70 / 80 * float(run.history.cost[epoch])
            for run in (soft, quick)
            if epoch <= run.summary["steps"]
        )
        why = f"{here / published:.1f} times as high"
        why += "".join(f"; {value / published:.1f} with Adam's constant / 16" for value in there)
        claims.differs(f"regression: loss after epoch {epoch}", published, here, why)

# %% [markdown]
# The accuracy is met, the loss of their Fig. 3 is not: it falls faster than with the constants of
# the code, at the pace of the smaller Adam's constant, and ends at half of ours at the same
# accuracy, as if the weights had been drawn from a range 0.7 times as wide. The loss that goes
# with the same regression when tasks are switched (below), 7.4e-10 at an accuracy of 0.984, is
# just what $\pm0.196$ N gives.
#
# ## Iris
#
# The four measures of a flower hang as weights on four nodes (the largest of each is 5 g), and the
# species is the node, of three, that moves farthest along $x$: cross-entropy of the shares, 105
# flowers to train on and 45 to test, batches of 16, 100 epochs, ten splits.
#
# With the constants in the authors' code (grey) the loss falls at half the published pace and ends
# higher. Two constants are suspect. With a steepness of the sigmoid of 10 instead of 5, as in
# their other tasks (blue), it follows the beginning of the published curve; of ten splits one is
# lost in a hole, and the others end too high. With bonds that may vary by 35 % instead of 25 %
# either way (green), it ends where the published one does.

# %%
flowers = ml.data.load("iris").scaled(-0.049)
MEASURES = ("sepal length", "sepal width", "petal length", "petal width")


def iris_task(split):
    """The task of the flowers to train on."""
    return ml.Task(
        supports=[ml.Support(nodes=[0, 4])],
        sources=[
            ml.Source(name=name, nodes=node - 1, components=["y"], force=[0.0])
            for name, node in zip(MEASURES, (14, 12, 13, 10), strict=True)
        ],
        targets=[
            ml.Target(name=name, nodes=node - 1, components=["x"], displacement=[0.0])
            for name, node in zip(flowers.classes, (8, 2, 3), strict=True)
        ],
        examples=flowers.split(0.3, split)[0].examples(MEASURES, flowers.classes),
        cost=ml.CrossEntropy(),
    )


def test_accuracy(run, split):
    """The part of the other flowers taken for what they are."""
    test = flowers.split(0.3, split)[1]
    shares = np.abs(run.respond(test.examples(MEASURES, flowers.classes)))
    return ml.data.accuracy(shares, test.wanted)


IRIS = {"rate": 6e-3, "steps": 100}


def iris(split, learn, **other):
    """Train on a split; the run, and the accuracy on the rest."""
    options = {**OPTIONS, **IRIS, **other}
    run = ml.train(lattice, iris_task(split), learn=learn, seed=split, **options)
    return run, test_accuracy(run, split)


def training_accuracy(run, split):
    """The part of the training flowers taken for what they are, per epoch."""
    shares = np.abs(run.history.output.values)
    return (shares.argmax(axis=2) == flowers.split(0.3, split)[0].labels).mean(axis=1)


splits = range(full(10, short=2))
narrow = [iris(split, sigmoid()) for split in splits]
wide = [iris(split, sigmoid(0.35, 5.0)) for split in splits]
code = [iris(split, sigmoid(0.25, 5.0), steps=full(100, short=10)) for split in splits]

# %%
LOSS = {1: 1.318, 2: 1.044, 3: 0.903, 10: 0.7305, 50: 0.662, 100: 0.652}
RIGHT = {1: 0.383, 10: 0.659, 50: 0.936, 100: 0.9495}
figure, axes = plt.subplots(1, 3, figsize=(13, 4), layout="constrained")
style(axes[0])
style(axes[1])


def epoch_loss(run):
    """Mean loss during every epoch, as published: batches over 16, the last one too."""
    cost = run.history.cost.values
    return (cost[:-1] + cost[1:]) / 2 * 105 / 112


for trials, colour, name in (
    (code, GREY, "25 %, steepness 5"),
    (narrow, BLUE, "25 %, steepness 10"),
    (wide, GREEN, "35 %, steepness 5"),
):
    for ax, curves in (
        (axes[0], np.array([epoch_loss(run) for run, _ in trials])),
        (axes[1], np.array([training_accuracy(run, n)[1:] for n, (run, _) in enumerate(trials)])),
    ):
        epoch = np.arange(1, curves.shape[1] + 1)
        ax.semilogx(epoch, np.median(curves, axis=0), color=colour, label=name)
        ax.fill_between(epoch, curves.min(axis=0), curves.max(axis=0), color=colour, alpha=0.15)
axes[0].plot(list(LOSS), list(LOSS.values()), "o", color=ORANGE, label="published")
axes[1].plot(list(RIGHT), list(RIGHT.values()), "o", color=ORANGE, label="published")
axes[0].set_ylabel("loss")
axes[1].set_ylabel("training accuracy")
axes[0].legend(frameon=False, fontsize="small")
for ax in axes[:2]:
    ax.set_xlabel("epoch")
wide[0][0].plot("confusion", ax=axes[2])

# %%
losses = np.median([epoch_loss(run) for run, _ in narrow], axis=0)
for epoch, published in LOSS.items():
    claims.near(f"Iris, 25 %, steepness 10: median loss in epoch {epoch}", published,
                float(losses[epoch - 1]), within=0.05)  # fmt: skip
last = float(np.mean([epoch_loss(run)[-1] for run, _ in wide]))
train = float(np.mean([run.summary["accuracy"] for run, _ in wide]))
test = float(np.mean([accuracy for _, accuracy in wide]))
claims.near("Iris, 35 %: loss in epoch 100", 0.652, last, within=0.02)
claims.near("Iris, 35 %: training accuracy", 0.9495, train, within=0.02)
claims.holds("Iris, 35 %: test accuracy", 0.9644, test, "≥ 0.9", test >= 0.9)
claims.differs("Iris, constants of the code: test accuracy", 0.9644,
               float(np.mean([accuracy for _, accuracy in code])),
               "some constant behind the figure is not in the code")  # fmt: skip

# %% [markdown]
# ## One lattice, one task after the other
#
# Iris, then regression, then Iris again, on the same bonds: every stage of a `sequence` begins with
# the stiffness that the last one left. Once within the 25 % that the published regression has, and
# once within the 35 % that the published Iris has. The table says how well the lattice does at both
# after every stage.


# %%
def switch(part, steepness):
    """The stages; accuracy per epoch in each, and on other flowers at the end."""
    first = "Iris", iris_task(0), {**IRIS, "learn": sigmoid(part, steepness)}
    lessons = {**REGRESSION, "learn": sigmoid(part), "steps": full(5000, short=60)}
    stages = ml.sequence(lattice, [first, ("regression", lines()[0], lessons), first], **OPTIONS)
    one, two, three = stages.runs
    curves = training_accuracy(one, 0), accuracies(two), training_accuracy(three, 0)
    return stages, curves, test_accuracy(three, 0)


switched = {"25 %": switch(0.25, 10.0), "35 %": switch(0.35, 5.0)}
switched["35 %"][0]

# %%
figure, axes = plt.subplots(1, 3, figsize=(12, 3.4), layout="constrained", sharey=True)
for number, (ax, name, points) in enumerate(
    (
        (axes[0], "Iris", {100: 0.9495}),
        (axes[1], "regression", {0: 0.623, 100: 0.953, 5000: 0.984}),
        (axes[2], "Iris again", {0: 0.42, 100: 0.9486}),
    )
):
    style(ax)
    for (part, (_, curves, _)), colour in zip(switched.items(), (BLUE, GREEN), strict=True):
        ax.plot(curves[number], color=colour, label=part)
    ax.plot(list(points), list(points.values()), "o", color=ORANGE, label="published")
    ax.set_xscale("symlog", linthresh=10)
    ax.set_xlim(left=-0.5)
    ax.set_xlabel("epoch")
    ax.set_title(name, fontsize=11)
axes[0].set_ylabel("training accuracy")
axes[0].legend(frameon=False, fontsize="small")
# %%
for part, (_, curves, test) in switched.items():
    claims.holds(
        f"switched to regression, {part}: accuracy", "0.623 → 0.984",
        f"{curves[1][0]:.3f} → {curves[1][-1]:.3f}", full("≥ 0.98", short="≥ 0.93"),
        curves[1][-1] >= full(0.98, short=0.93),
    )  # fmt: skip
    asked = 0.9 if part == "35 %" else 0.8
    claims.holds(
        f"switched back to Iris, {part}: training (test) accuracy", "0.42 → 0.949 (0.969)",
        f"{curves[2][0]:.2f} → {curves[2][-1]:.3f} ({test:.3f})", f"≥ {asked}",
        curves[2][-1] >= asked,
    )  # fmt: skip

# %% [markdown]
# ## Damage
#
# Cut one bond of the lattice that knows Iris, and test it again; then let the lattice learn on
# without the bond. Two bonds cannot be cut: without them the lattice is floppy, and says so.

# %%
healthy = switched["35 %"][0].runs[0]
intact = healthy.summary["accuracy"]
again = "Iris", iris_task(0), {**IRIS, "steps": full(50, short=20)}
cut, relearned, floppy = {}, {}, []
for bond in full(range(lattice.n_edges), short=(1, 9, 15)):
    try:
        stages = ml.sequence(lattice, [("damage", ml.Cut([bond])), again], start=healthy, **OPTIONS)
    except ml.InputError:
        floppy.append(bond)
        continue
    cut[bond], relearned[bond] = stages.accuracy.sel(task="Iris").values[1:]

# %%
figure, (ax, bx) = plt.subplots(1, 2, figsize=(12, 3.8), layout="constrained", width_ratios=(3, 2))
style(ax)
bond = np.array(list(cut))
ax.bar(bond - 0.2, list(cut.values()), 0.4, color=ORANGE, label="cut")
ax.bar(bond + 0.2, list(relearned.values()), 0.4, color=BLUE, label="learned on")
ax.plot(floppy, np.full(len(floppy), 0.02), "x", color="k", label="floppy without it")
ax.axhline(intact, color="k", linestyle=":", label="intact")
ax.set_xlabel("bond")
ax.set_ylabel("training accuracy")
ax.legend(frameon=False, fontsize="x-small", ncols=4, loc="lower left", bbox_to_anchor=(0, 1))
drop = {bond: intact - value for bond, value in cut.items()}
for bond, (a, b) in enumerate(lattice.edges):
    lost = drop.get(bond, 1.0)
    colour = "k" if bond not in drop else plt.cm.viridis_r(np.clip(lost, 0, 1))
    bx.plot(*lattice.nodes[[a, b]].T, color=colour, linewidth=2 + 5 * max(lost, 0))
bx.set_aspect("equal")
bx.set_axis_off()
bx.set_title("what a bond is worth: accuracy lost without it", fontsize=10)

mean_cut, mean_again = (float(np.mean(list(d.values()))) for d in (cut, relearned))
claims.holds("damage: accuracy with a bond cut, mean over bonds", "lower", mean_cut,
             f"below the intact {intact:.3f}", mean_cut < intact)  # fmt: skip
claims.holds("damage: accuracy when learned on, mean over bonds", "higher", mean_again,
             "above the cut", mean_again > mean_cut)  # fmt: skip
claims.holds("damage: bonds without which the lattice is floppy", "", len(floppy),
             full("2", short="1"), len(floppy) == full(2, short=1))  # fmt: skip

# %% [markdown]
# ## All of it

# %%
claims
