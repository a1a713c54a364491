# %% [markdown]
# # Rods in space: circles, helices, and a tendril that learns its shape
#
# A *geometrically exact* rod stretches, shears, bends and twists at any displacement and rotation.
# Here it meets closed forms and a published benchmark, buckles where Euler says, and learns a shape
# in space by a local rule: every strut changes its own rest curvature and twist.

# %%
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from claims import Claims

import mechlearn as ml


def chain(nodes: np.ndarray) -> ml.Network:
    """Nodes, each joined to the next."""
    n = len(nodes)
    return ml.Network(nodes, np.column_stack([np.arange(n - 1), np.arange(1, n)]))


def clamped(network: ml.Network, source: ml.Source, rod: ml.FiniteBeam, **values) -> ml.System:
    """A rod that is clamped at its first node and loaded at its last."""
    read = ml.Target(name="tip", nodes=[network.n_nodes - 1], displacement=[0.0, 0.0, 0.0])
    task = ml.Task(supports=[ml.Support(nodes=[0])], sources=[source], targets=[read])
    return ml.System(network, task, rod, **values)


# %% [markdown]
# ## A helix by an end moment
#
# Of a rod whose twist is as stiff as its bending, the tangent turns about the moment, by its size
# over the stiffness and length. Strains are constant along a segment, so eight of them are exact.

# %%
LENGTH, RADIUS = 2.0, 0.05
STIFFNESS = np.pi / 4 * RADIUS**4
turn = np.array([3.0, 0.0, 4.0])
moment = ml.Source(
    name="turn",
    nodes=[1],
    components=["rx", "ry", "rz"],
    force=(STIFFNESS / LENGTH * turn).tolist(),
)
straight = chain(np.array([[0.0, 0, 0], [LENGTH, 0, 0]]))
helix = clamped(
    straight, moment, ml.FiniteBeam(segments=8), modulus=1.0, radius=RADIUS, poisson=0.0
)
angle = np.linalg.norm(turn)
axis, along = turn / angle, np.array([1.0, 0.0, 0.0])
rise = (along @ axis) * axis
end = LENGTH * (
    rise
    + np.sin(angle) / angle * (along - rise)
    + (1 - np.cos(angle)) / angle * np.cross(axis, along)
)
found = helix.outputs[0] + straight.nodes[1]
first = Claims()
for k, name in enumerate("xyz"):
    first.near(f"{name} of the end", end[k], found[k], 1e-8)
first

# %% [markdown]
# ## The 45-degree bend
#
# A quarter of a right angle of a circle, clamped at one end, is loaded across its plane at the
# other (K.-J. Bathe, S. Bolourchi, Int. J. Numer. Methods Eng. 14, 961 (1979),
# https://doi.org/10.1002/nme.1620140703). The error of straight elements falls with the square of
# their size, so that it is taken off by extrapolation. Reference: shooting of the equations of
# Simo and Reissner.

# %%
WANTED = np.array([-23.56129679, -13.60502301, 53.47610814])
SECTION = 2 * (8.333e5 / 1e7) ** 0.5
tips = []
for n in (8, 16, 32):
    angles = np.linspace(0, np.pi / 4, n + 1)
    curved = chain(100 * np.column_stack([np.sin(angles), 1 - np.cos(angles), 0 * angles]))
    load = ml.Source(name="load", nodes=[n], force=[0.0, 0.0, 600.0])
    rod = ml.FiniteBeam(segments=1, shear_factor=41.6667e5 / 5e6)
    bend = clamped(
        curved, load, rod, modulus=1e7 / (np.pi * SECTION**2), radius=SECTION, poisson=0.0
    )
    tips.append(bend.outputs[0])
once = [(4 * fine - coarse) / 3 for coarse, fine in pairwise(tips)]
tip = (16 * once[1] - once[0]) / 15
second = Claims()
for k, name in enumerate(("along", "inwards", "out of the plane")):
    second.near(name, WANTED[k], tip[k], 1e-5 * abs(WANTED[k]))
second

# %% [markdown]
# ## A column buckles in two planes at once
#
# Linear buckling from the same energy: the first two factors of a round column are equal.

# %%
press = ml.Source(name="press", nodes=[1], components=["x"], force=[-1e-9])
column = clamped(straight, press, ml.FiniteBeam(), modulus=1.0, radius=0.01)
factors = ml.buckling(column).factors
EULER = np.pi**2 * np.pi / 4 * 0.01**4 / (2 * LENGTH) ** 2
third = Claims()
third.near("first, over Euler's load", 1.0, factors[0] * 1e-9 / EULER, 1e-3)
third.near("second over first", 1.0, factors[1] / factors[0], 1e-3)
third

# %% [markdown]
# ## A tendril learns its shape
#
# Six struts in a row shall curl into a helix with nothing pulling at them. What learns are their
# rest curvatures and twists; each compares its own energy in the free state and in one nudged
# towards the wanted shape.

# %%
STRUTS, NEAR = 6, 0.05
line = chain(np.column_stack([np.arange(STRUTS + 1.0), np.zeros((STRUTS + 1, 2))]))
pitch, width = 0.6, 0.8
phase = np.arange(STRUTS + 1) * pitch
across = np.column_stack([np.sin(phase), 1 - np.cos(phase)]) * width
steps = np.sqrt(1 - np.square(np.diff(across, axis=0)).sum(axis=1))
shape = np.column_stack([np.concatenate([[0], np.cumsum(steps)]), across])
asked = [2, 4, 6]
task = ml.Task(
    supports=[ml.Support(nodes=[0])],
    targets=[
        ml.Target(
            name=f"node {k}", nodes=[k], baseline="reference", scale=1.0,
            displacement=(shape[k] - line.nodes[k]).tolist(),
        )
        for k in asked
    ],
)  # fmt: skip
learn = {
    name: ml.Learn(bounds=(-2.0, 2.0), initial=0.0, rate=0.02)
    for name in ("rest_curvature_1", "rest_curvature_2", "rest_twist")
}
run = ml.train(
    line, task, energy=ml.FiniteBeam(segments=2), learn=learn,
    rule=ml.EquilibriumPropagation(beta=0.01), material={"radius": 0.1}, steps=200,
    tolerance=NEAR, title="A tendril",
)  # fmt: skip
run.targets

# %%
run.picture()

# %%
_, ax = plt.subplots(figsize=(6, 3.5))
ax.plot(run.history["error"])
ax.set_yscale("log")
ax.set_xlabel("step")
ax.set_ylabel("largest distance from the wanted places")
last = Claims()
error = run.summary["error"]
last.holds("distance of the worst node, in struts", 0, error, "at most 0.05", run.converged)
last
