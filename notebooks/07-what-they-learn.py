# %% [markdown]
# # Physical networks become what they learn
#
# M. Stern, A. J. Liu, V. Balasubramanian, *The physical effects of learning*,
# [arXiv:2306.12928](https://arxiv.org/abs/2306.12928); M. Stern, M. Guzman, F. Martins, A. J. Liu,
# V. Balasubramanian, *Phys. Rev. Lett.* **134**, 147402 (2025),
# [arXiv:2406.09689](https://arxiv.org/abs/2406.09689); M. Guzman et al.,
# [arXiv:2412.19356](https://arxiv.org/abs/2412.19356).
#
# A linear network minimises its energy, $\frac12 x^T H x - f^T x$; learning lowers a cost. One
# Hessian, $H$, says what is soft in the network; the other, of the cost, what matters for the task.
# Published is that learning from **weak inputs** ties them together, so that one may look at a
# network and see that, and what, it has learned:
#
# 1. its response has fewer **dimensions**,
# 2. it is more **susceptible** to anything,
# 3. its **soft modes** carry the task,
# 4. stiff directions of the cost are those that move soft modes,
# 5. a bond's **susceptibility**, which can be measured, tells its **importance**.
#
# We look for all five in an ensemble of networks of resistors, and of springs, against the same
# conductances dealt out at random, and find where they stop being true.

# %%
import matplotlib.pyplot as plt
import numpy as np
from claims import Claims, full
from scipy.stats import spearmanr

import mechlearn as ml
from mechlearn.plots.style import style

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#8A929C"
claims = Claims()
SEEDS = range(1, full(20, short=5) + 1)
SOFT, PUSH = 3, 0.02

# %% [markdown]
# ## What is a weak input?
#
# A current is driven through a pair of nodes (a force pulls at them), and the voltages (the
# strains) of three other pairs are asked for. Let $R_{st}$ be what pair $t$ gives by a current of 1
# through pair $s$. In any passive network $|R_{st}|\le\sqrt{R_{ss}R_{tt}}$. We ask for
#
# $$R_{st} = \pm\, g\,\sqrt{R_{ss}R_{tt}}$$
#
# with the $R$ of the untrained network on the right, signs at random and sizes spread by a third.
# With $g$ near 1 or above the input is weak: nothing but a network that is **softer**, to the
# source or to the targets, can answer so. With $g\ll1$ it could as well have become stiffer.


# %%
def rows(network, pairs, energy):
    """What pairs feel of the state: differences of potentials, or of distances."""
    size = 1 if energy.name == "resistor" else network.dim
    out = np.zeros((len(pairs), network.n_nodes, size))
    for row, (a, b) in zip(out, pairs, strict=True):
        away = network.separation(a, b)
        along = np.ones(1) if size == 1 else away / np.linalg.norm(away)
        row[a], row[b] = -along, along
    return out.reshape(len(pairs), -1)


def weak_input(network, energy, gain, seed):
    """One pair is driven, three are read."""
    rng = np.random.default_rng(seed)
    pairs = rng.permutation(network.n_nodes)[:8].reshape(4, 2)
    bonds, seen = (rows(network, some, energy) for some in (network.edges, pairs))
    own = np.diag(seen @ np.linalg.pinv(bonds.T @ bonds, rcond=1e-10) @ seen.T)
    wanted = PUSH * gain * np.sqrt(own[0] * own[1:])
    wanted *= rng.choice([-1, 1], 3) * rng.uniform(0.7, 1.4, 3)
    if energy.name == "spring":
        wanted /= np.linalg.norm(network.separation(*pairs[1:].T), axis=1)
    through, across = energy.kinematics.through, energy.kinematics.drop
    return ml.Task(
        sources=[ml.Source(name="in", nodes=pairs[0].tolist(), **{through: PUSH})],
        targets=[
            ml.Target(name=f"out {k}", nodes=pair.tolist(), **{across: float(value)})
            for k, (pair, value) in enumerate(zip(pairs[1:], wanted, strict=True))
        ],
    )


# %% [markdown]
# Coupled learning, from uniform conductance 1, between 0.01 and 10; to 2 % of what is wanted.

# %%
GAINS = full((0.1, 0.3, 1.0, 3.0), short=(0.1, 1.0))


def teach(energy, gain, seed):
    """Train one network of the ensemble."""
    net = ml.networks.packing(nodes=full(64, short=40), coordination=4.6, seed=seed)
    return ml.train(
        net, weak_input(net, energy, gain, seed), energy=energy, rule=ml.CoupledLearning(),
        learn=ml.Learn(bounds=(0.01, 10.0), initial=1.0), steps=full(500, short=200),
        tolerance=0.02,
    )  # fmt: skip


ensemble = {
    (energy.name, gain): [teach(energy, gain, seed) for seed in SEEDS]
    for energy in (ml.Resistor(), ml.Spring())
    for gain in GAINS
    if gain == 1.0 or energy.name == "resistor"
}
for (name, gain), runs in ensemble.items():
    done = sum(run.converged for run in runs)
    claims.holds(f"{name}s, g = {gain:g}: learned", "", f"{done} of {len(runs)}", "half or more",
                 done >= len(runs) / 2)  # fmt: skip

# %% [markdown]
# ## What was learned shows
#
# Of every network before and after, and of its conductances dealt out at random:
#
# - the effective dimension $(\sum\sigma^2)^2/\sum\sigma^4$ of $H^{-1}$ (of voltages by currents at
#   nodes, and of drops by sources in bonds),
# - the mean susceptibility, root of the mean of $1/\lambda^2$,
# - the part of the answer to the input that lies in the three softest modes.


# %%
def look(system):
    """The numbers of a network."""
    modes = ml.analysis.spectrum(system)
    overlap = ml.analysis.overlap(system)
    values = modes.eigenvalues[modes.zero_modes :]
    return {
        "dimension": ml.analysis.dimension(system).effective,
        "dimension of bonds": ml.analysis.dimension(system, of="bonds").effective,
        "susceptibility": float(np.sqrt(np.mean(values**-2.0))),
        "answer in soft modes": float(overlap.response[0, :SOFT].sum()),
        "targets in soft modes": float(overlap.target[:SOFT].sum()),
        "softest": float(values[0]),
    }


def states(run, seed):
    """Before training, after it, and dealt out at random."""
    (parameter,) = run.learned
    dealt = np.random.default_rng(seed).permutation(run.learned[parameter])
    return [
        look(ml.System(run.network, run.setup.task, run.energy, **{parameter: values}))
        for values in (run.initial[parameter], run.learned[parameter], dealt)
    ]


seen = {
    key: {
        name: np.array([[state[name] for state in each] for each in found]) for name in found[0][0]
    }
    for key, runs in ensemble.items()
    if (found := [states(run, seed) for run, seed in zip(runs, SEEDS, strict=True)])
}

# %%
figure, axes = plt.subplots(1, 4, figsize=(14, 3.6), layout="constrained")
NAMES = ("dimension", "dimension of bonds", "susceptibility", "answer in soft modes")
for ax, name in zip(axes, NAMES, strict=True):
    style(ax)
    for state, colour, label in ((0, GREY, "before"), (1, BLUE, "trained"), (2, ORANGE, "dealt")):
        values = np.array([seen["resistor", gain][name][:, state] for gain in GAINS])
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=1)
        ax.plot(GAINS, middle, "o-", color=colour, label=label, markersize=4)
        ax.fill_between(GAINS, low, high, color=colour, alpha=0.2, linewidth=0)
    ax.set_xscale("log")
    ax.set_xlabel("g: strong input ← → weak input")
    ax.set_title(name, fontsize=11)
for ax in axes[1:3]:
    ax.set_yscale("log")
axes[0].legend(frameon=False, fontsize="small")


# %%
MOST = full(0.7, short=0.5)


def tell(what, published, key, name, *, falls=False, against=0, asked=True):
    """How many networks have less, or more, of something than before (0) or when dealt out (2)."""
    values = seen[key][name]
    new, old = values[:, 1], values[:, against]
    right = int((new < old).sum() if falls else (new > old).sum())
    said = f"{np.median(old):.3g} → {np.median(new):.3g}; {right} of {len(values)}"
    what = f"{what}: {'dealt' if against else 'before'} → trained (medians); in how many"
    if asked:
        claims.holds(what, published, said, f"in {MOST:.0%}", right >= MOST * len(values))
    else:
        claims.differs(what, published, said, f"not in {MOST:.0%}")


for kind in ("resistor", "spring"):
    key = (kind, 1.0)
    tell(f"1. {kind}s: dimension", "falls", key, "dimension", falls=True)
    tell(f"1. {kind}s: dimension of bonds", "falls", key, "dimension of bonds", falls=True)
    tell(f"2. {kind}s: susceptibility", "rises", key, "susceptibility")
    tell(f"3. {kind}s: answer in soft modes", "rises", key, "answer in soft modes")
tell("3. resistors: targets' own functional in soft modes", "rises", ("resistor", 1.0),
     "targets in soft modes", asked=False)  # fmt: skip
for name in ("susceptibility", "answer in soft modes"):
    tell(f"strong input (g = 0.1), resistors: {name}", "rises (from weak inputs)",
         ("resistor", 0.1), name, asked=False)  # fmt: skip
for name, falls in (
    ("dimension", True),
    ("susceptibility", False),
    ("answer in soft modes", False),
):
    tell(f"resistors: {name}", "", ("resistor", 1.0), name, falls=falls, against=2)
tell("springs: susceptibility", "", ("spring", 1.0), "susceptibility", against=2, asked=False)

# %% [markdown]
# **In the regime of weak inputs all of it is there**: the network that learned is softer as a
# whole, and its answers lie in fewer dimensions. At $g=0.1$ the network grows no softer, and the
# answer goes no more into its soft modes than before: a training within what the network does
# anyway leaves no such trace. The dimension of what goes on in the *bonds* falls in every regime,
# but it does so in the dealt network too: it tells that conductances are unequal, not that they
# have learned. So it is with the susceptibility of springs.
#
# ## The two Hessians
#
# Three outputs are asked for: after training, the cost is stiff in three directions of the space of
# conductances, and below them is a long floor. Along those directions the modes of the network that
# are soft change most.

# %%
COUNT = 12


def correspond(run):
    """The Hessians' eigenvalues and what directions of the cost do to modes; before and after."""
    found = [
        ml.analysis.correspondence(run, count=COUNT, learned=learned) for learned in (False, True)
    ]
    cost = [np.abs(ml.analysis.hessian(run, learned=now).eigenvalues) for now in (False, True)]
    return found, cost


looked = {kind: [correspond(run) for run in ensemble[kind, 1.0]] for kind in ("resistor", "spring")}

figure, (ax, bx, cx) = plt.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
for at in (ax, bx, cx):
    style(at)
    at.set_yscale("log")
for state, colour, name in ((0, GREY, "before"), (1, BLUE, "trained")):
    modes = np.array([found[state].stiffness for found, _ in looked["resistor"]])
    costs = np.array([np.sort(cost[state])[::-1][:COUNT] for _, cost in looked["resistor"]])
    costs = costs / PUSH**2
    for at, values in ((ax, modes), (bx, costs)):
        low, middle, high = np.quantile(values, (0.25, 0.5, 0.75), axis=0)
        order = np.arange(1, len(middle) + 1)
        at.plot(order, middle, "o-", color=colour, label=name, markersize=3)
        at.fill_between(order, low, high, color=colour, alpha=0.2, linewidth=0)
ax.set_xscale("log")
ax.set_xlabel("mode of the network, from soft to stiff")
ax.set_ylabel("eigenvalue of the physical Hessian")
bx.set_xlabel("direction of the cost, from stiff to soft")
bx.set_ylabel("eigenvalue of the cost's Hessian")
bx.set_ylim(bottom=1e-4)
ax.legend(frameon=False, fontsize="small")
bx.legend(frameon=False, fontsize="small")
moved = np.median([np.abs(found[1].shift[:SOFT]) for found, _ in looked["resistor"]], axis=0)
idle = np.median([np.abs(found[1].shift[-SOFT:]) for found, _ in looked["resistor"]], axis=0)
for values, colour, name in ((moved, BLUE, "three stiffest"), (idle, GREY, "tenth to twelfth")):
    cx.plot(np.arange(1, values.shape[1] + 1), values.mean(axis=0), color=colour, label=name)
cx.set_xscale("log")
cx.set_xlabel("mode of the network, from soft to stiff")
cx.set_ylabel("change of log λ along a direction of the cost")
cx.legend(frameon=False, fontsize="small")


# %%
def counted(values):
    """How many are true."""
    return f"{int(np.sum(values))} of {len(values)}"


for kind, all_found in looked.items():
    stiffer = [cost[1].max() > cost[0].max() for _, cost in all_found]
    gap = np.median([c[1].max() / np.sort(c[1])[-4] for _, c in all_found])
    claims.holds(
        f"4. {kind}s: the cost's stiffest direction is stiffer after training", "",
        counted(stiffer), f"in {MOST:.0%}", np.mean(stiffer) >= MOST,
    )  # fmt: skip
    claims.holds(f"4. {kind}s: cost eigenvalues, first over fourth (median)", "few are stiff",
                 float(gap), "> 10", gap > 10)  # fmt: skip
    soft, part, more = [], [], []
    for (before, after), _ in all_found:
        shift = np.abs(after.shift[:SOFT])
        soft.append(shift[:, :SOFT].mean() > shift[:, SOFT:].mean())
        part.append(after.response[0, :SOFT].sum())
        more.append(part[-1] > before.response[0, :SOFT].sum())
    claims.holds(
        f"4. {kind}s: stiff directions of the cost move three soft modes more than the others",
        "stiff goes with soft", counted(soft), f"in {MOST:.0%}", np.mean(soft) >= MOST,
    )  # fmt: skip
    claims.holds(
        f"4. {kind}s: part of the answer's change along the stiffest in three soft modes (median); "
        "more than before training", "", f"{np.median(part):.2f}; {counted(more)}", "", holds=True,
    )  # fmt: skip

# %% [markdown]
# ## Susceptibility and importance
#
# The susceptibility of the outputs to a bond, $\partial o/\partial\log k$, needs a small change of
# it; how important the bond is shows when it is cut.

# %%
ranks, last = {}, None
for kind in ("resistor", "spring"):
    for learned in (False, True):
        rows_of = []
        for run in ensemble[kind, 1.0]:
            slope = ml.analysis.susceptibility(run, learned=learned).importance
            cut = ml.analysis.removal(run, learned=learned)
            (values,) = (run.learned if learned else run.initial).values()
            whole = ~cut.holding
            own = spearmanr(values[whole], cut.importance[whole])[0] if learned else 0.0
            rows_of.append((spearmanr(slope[whole], cut.importance[whole])[0], own))
            if learned and kind == "resistor":
                last = last or (slope[whole], cut.importance[whole])
        ranks[kind, learned] = np.array(rows_of)

figure, (ax, bx) = plt.subplots(1, 2, figsize=(10, 3.8), layout="constrained")
style(ax)
style(bx)
ax.loglog(*last, "o", color=BLUE, markersize=4)
ax.set_xlabel("susceptibility of the outputs to a bond")
ax.set_ylabel("change of the outputs without it")
bx.boxplot(
    [ranks["resistor", False][:, 0], ranks["resistor", True][:, 0], ranks["resistor", True][:, 1]],
    tick_labels=["before", "trained", "trained,\nconductance alone"],
)
bx.set_ylabel("rank correlation with importance")
for kind in ("resistor", "spring"):
    before, after = np.median(ranks[kind, False][:, 0]), np.median(ranks[kind, True], axis=0)
    claims.holds(f"5. {kind}s: rank correlation of susceptibility and importance (median)",
                 "positive", f"{before:.2f} → {after[0]:.2f}", "> 0.4", after[0] > 0.4)  # fmt: skip
    claims.holds(f"5. {kind}s: ... of the conductance alone and importance", "",
                 float(after[1]), "less", after[1] < after[0])  # fmt: skip

# %% [markdown]
# **How this compares.** All five hold in resistors that had to learn from a weak input; and in
# springs, though there conductances dealt out at random are as susceptible, and importance is
# harder to tell from susceptibility. They are statistical: a single network may do otherwise. Where
# the input is strong the network need not grow softer to answer, and does not, and its answer keeps
# to no softer modes; the dimension falls there too, but by less. The targets' functionals
# themselves do not turn towards the soft modes of resistors: the *answer* does. That susceptibility
# tells importance is true before training as well: what it tells then is the physics, and after it
# the task. The conductance alone tells hardly anything.

# %%
claims
