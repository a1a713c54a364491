# %% [markdown]
# # Beyond linear: a network learns a curve, and to snap
#
# Springs at finite displacement may buckle and snap. What a network does then is a *path*: a curve
# of equilibria along its load, with stable and unstable parts, and limit points between them. Here
# a network learns numbers of its path by local rules: at what load it snaps, a whole
# force-displacement curve with two plateaus, and to stay where it was pushed.
#
# Paths of spring structures are followed, without learning, by springable ([Ducarme et al.
# 2026](https://doi.org/10.1016/j.eml.2026.102476)), whose first two examples open this notebook.

# %%
import matplotlib.pyplot as plt
import numpy as np
from claims import PROJECT, Claims, full

import mechlearn as ml
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

# %% [markdown]
# ## A toggle
#
# Two bars, and an angular spring between them that wants to keep the angle. Its force has a closed
# form, and its path two limit points.

# %%
toggle = ml.networks.with_angles(ml.Network([[0, 0], [4, -3], [8, 0]], [[0, 1], [1, 2]]))


def pushed(**targets: float) -> ml.Task:
    """Push the apex, and ask for some numbers of the path."""
    return ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], force=[12.0])],
        targets=[ml.Target(name=k, source="push", **{k: v}) for k, v in targets.items()],
    )


MODEL = "finite_spring + angle"
path = ml.path(toggle, pushed(peak=8.0), MODEL, stiffness=9.0, angle_stiffness=7.5)
path.plot()
path.limit_points

# %% [markdown]
# With a third spring on top the end that is pushed goes *back* while the toggle snaps: a snap-back,
# which neither force nor displacement control can follow.

# %%
stack = ml.networks.with_angles(
    ml.Network([[0, 0], [4, -3], [8, 0], [4, -11]], [[0, 1], [1, 2], [1, 3]])
)
stack = ml.Network(stack.nodes, stack.edges, tuples={"triples": [[0, 1, 2]]})
on_top = ml.Task(
    supports=[ml.Support(nodes=[0, 2]), ml.Support(nodes=[1, 3], components=["x"])],
    sources=[ml.Source(name="push", nodes=3, components=["y"], force=[12.0])],
    targets=[ml.Target(name="apex", nodes=1, components=["y"], displacement=[1.0])],
)
soft = {"stiffness": [9.0, 9.0, 1.4], "angle_stiffness": 7.5}
ax = path.plot()
back = ml.path(stack, on_top, MODEL, **soft)
back.plot(ax=ax)

# %% [markdown]
# ## Learn at what load it snaps
#
# The derivative of a limit load by a constant of an element is local to it: the critical mode is
# the adjoint state. And there is a local rule. Under load there is no clamped state beyond a limit
# point, but under displacement control there is: what each element compares are its energies in
# the two states beside the limit point.

# %%
learn = {
    "stiffness": ml.Learn(initial=9.0, bounds=(1, 100)),
    "angle_stiffness": ml.Learn(initial=7.5, bounds=(1, 100)),
}
runs = {}
for name, rule in (
    ("exact gradient", ml.GradientDescent()),
    ("local contrast", ml.CoupledLearning(eta=1e-3, variant="centred")),
):
    runs[name] = ml.train(
        toggle, pushed(peak=8.0, valley=1.0), energy=MODEL, learn=learn, rule=rule, rate=0.02,
        steps=400, tolerance=full(2e-6, short=1e-2),
    )  # fmt: skip
ax = path.plot()
runs["local contrast"].path().plot(ax=ax)
{name: {k: v[0] for k, v in run.learned.items()} for name, run in runs.items()}

# %% [markdown]
# ## Learn a curve
#
# A packing between two plates is compressed by a fifth. Before training its force grows all the
# way; it shall have two plateaus. A curve is a set of examples, each reached from the one before.
# What learns are springs that change their stiffness at some change of length: both stiffnesses,
# and that change.

# %%
setup = read_setup(PROJECT / "tasks" / "plateau.toml")
shorter = setup.train.model_copy(update={"steps": full(setup.train.steps, short=2)})
plateaus = train_setup(setup.model_copy(update={"train": shorter}))
wanted = np.array([[row["wanted"], row["initial"], row["reached"]] for row in plateaus.targets])
wanted = wanted.reshape(-1, 3) / plateaus.problem.scale[0, 0]
fig, ax = plt.subplots(figsize=(6, 4), layout="constrained")
pressed = np.linspace(0, 1, len(wanted))
for column, style, label in zip(wanted.T, ("k--", ":", "o-"), ("wanted", "before", "learned"),
                                strict=True):  # fmt: skip
    ax.plot(pressed, column, style, label=label, markersize=4)
ax.set(xlabel="compression over 20 %", ylabel="force over F_max")
ax.legend(frameon=False)
off = float(np.abs(wanted[:, 2] - wanted[:, 0]).max())
off

# %% [markdown]
# ## Learn to stay
#
# An arch of springs comes back, however far its apex is pushed. It learns a curve that ends at no
# force: a second state in which it stays. Coupled learning moves the source to where it takes a
# little more of the wanted force, and compares.

# %%
setup = read_setup(PROJECT / "tasks" / "bistable.toml")
arch = train_setup(setup)
arch

# %%
fig, axes = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
before = ml.path(arch.network, arch.task, "finite_spring", to=-3.3)
before.plot(ax=axes[0])
arch.path(to=-3.3, control="displacement").plot(ax=axes[0])
axes[0].set_title("before and after, under displacement control")
loop = arch.path(to=[-0.03, 0.0], control="force")
loop.plot(ax=axes[1])
axes[1].set_title("pushed by a force, and let go")
stays = float(loop["push"].values[-1])
stays

# %% [markdown]
# The two states without load; stiff springs are drawn thick.

# %%
fig, ax = plt.subplots(figsize=(8, 2.6), layout="constrained")
width = 0.5 + np.log10(arch.learned["stiffness"] / 0.01)
for number, colour in ((0, "#35608D"), (-1, "#D55E00")):
    places = arch.network.nodes + loop["states"].values[number]
    for (a, b), thick in zip(arch.network.edges, width, strict=True):
        ax.plot(*places[[a, b]].T, color=colour, linewidth=thick)
ax.set_aspect("equal")
ax.axis("off")

# %% [markdown]
# Its energy landscape has two minima at no load, and a saddle between them.

# %%
landscape = arch.states(search="path")
landscape.plot()
barriers = [row["barriers"] for row in landscape.barriers]
barriers

# %%
claims = Claims()
snap, down = path.limit_points
claims.near("toggle: displacement at the peak", 1.8389803089, snap["push"], 1e-8)
claims.near("toggle: peak", 6.6863515754, snap["push.force"], 1e-8)
claims.near("toggle: displacement at the valley", 4.5320517861, down["push"], 1e-8)
claims.near("toggle: valley", 1.9873680383, down["push.force"], 1e-8)
for what, one, two in zip(("peak", "valley"), (snap, down), back.limit_points, strict=True):
    # The toggle's own, and what the spring on top gives way by.
    exact = one["push"] + one["push.force"] / 1.4
    claims.near(f"third spring: displacement at the {what}", exact, two["push"], 1e-8)
for name, run in runs.items():
    asked = full(1e-5, short=2e-1)
    claims.near(f"{name}: k", 11.52561, float(run.learned["stiffness"][0]), asked)
    claims.near(f"{name}: kh", 7.84992, float(run.learned["angle_stiffness"][0]), asked)
claims.holds("plateaus: largest deviation", "", off, "below 0.03", full(off < 0.03, short=True))
claims.holds("arch: stays at", -3.0, stays, "to 2 %", abs(stays / -3 - 1) < 0.02)
claims
