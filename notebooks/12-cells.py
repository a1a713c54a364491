# %% [markdown]
# # Cells: a metamaterial's stiffness is learned, and its buckling pattern found
#
# A metamaterial repeats a cell. What it does on the large is what the cell does under a macroscopic
# *deformation gradient* `F`: its effective first Piola-Kirchhoff stress `P` and its stiffness. Here
# a cell of springs learns a whole stiffness tensor by a local rule, and a honeycomb of beams is
# squeezed until a pattern of several cells buckles, which the cell alone would not show.

# %%
import matplotlib.pyplot as plt
import numpy as np
from claims import PROJECT, Claims, full

import mechlearn as ml
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

# %% [markdown]
# ## A stiffness tensor by a local rule
#
# Every column of the wanted tensor is an example: a unit strain whose stresses are wanted. Each
# spring compares its energy in the free and the clamped state of every example.

# %%
setup = read_setup(PROJECT / "tasks" / "anisotropic-cell.toml")
run = train_setup(setup)
WANTED = np.array([[1.2, 0.35, 0.05], [0.35, 0.8, 0.0], [0.05, 0.0, 0.4]])
before, after = ml.moduli(run.network), ml.moduli(run)
print(np.round(after.stiffness, 4))
run.picture(amplify=0.1)

# %% [markdown]
# Young's modulus over the direction in which the cell is pulled. Before it learned the cell was
# nearly isotropic.


# %%
def young(moduli: object, angles: np.ndarray) -> np.ndarray:
    """Young's modulus along directions."""
    c, s = np.cos(angles), np.sin(angles)
    compliance = np.linalg.inv(moduli.stiffness)
    stress = np.array([c * c, s * s, c * s])
    return 1 / np.einsum("ia,ij,ja->a", stress, compliance, stress)


angles = np.linspace(0, 2 * np.pi, 181)
ax = plt.figure(figsize=(4.5, 4.5)).add_subplot(projection="polar")
ax.plot(angles, young(before, angles), label="before")
ax.plot(angles, young(after, angles), label="after")
ax.legend(loc="center", frameon=False)

table = Claims()
for i, j in [(0, 0), (1, 1), (2, 2), (0, 1), (0, 2)]:
    table.near(f"C{i + 1}{j + 1}", WANTED[i, j], after.stiffness[i, j], 0.01 * WANTED.max())
table

# %% [markdown]
# ## Finite strain, and turns
#
# A deformation gradient may stretch, shear and turn. A turn of the whole costs nothing, and turns
# the stress: `P(R U) = R P(U)`. In a triangular lattice all nodes move with the cell, so that the
# stress has a closed form.

# %%
lattice = ml.networks.triangular([2, 2], periodic=True)
STRETCH = np.array([[0.9, 0.05], [0.05, 1.1]])
TURN = np.array([[np.cos(0.5), -np.sin(0.5)], [np.sin(0.5), np.cos(0.5)]])


def deformed(gradient: np.ndarray) -> np.ndarray:
    """Effective stress of the lattice of springs."""
    return ml.moduli(lattice, ml.FiniteSpring(), gradient=gradient).stress


v, length = lattice.vectors, lattice.lengths
now = v @ STRETCH.T
stretched = np.linalg.norm(now, axis=1)
exact = np.einsum("b,bi,bj->ij", (stretched - length) / stretched, now, v)
exact /= abs(np.linalg.det(lattice.cell))
turns = Claims()
turns.near("P11", exact[0, 0], deformed(STRETCH)[0, 0], 1e-9)
turns.near("P12", exact[0, 1], deformed(STRETCH)[0, 1], 1e-9)
turns.near("P12 of the turned cell", (TURN @ exact)[0, 1], deformed(TURN @ STRETCH)[0, 1], 1e-8)
turns

# %% [markdown]
# ## A pattern of several cells
#
# A honeycomb of beams is squeezed along both axes. Of one cell alone the path is straight for long.
# The tangent stiffness of *waves*, motions that change their phase from cell to cell, says that a
# pattern of two cells buckles much earlier.

# %%
BEAMS = ml.FiniteBeam(segments=full(4, 2))
squeeze = ml.Task(
    sources=[ml.Source(name="squeeze", deformation_gradient=[[0.98, 0.0], [0.0, 0.98]])],
    targets=[ml.Target(piola_stress=[[0.0, "free"], ["free", 0.0]], scale=1.0)],
)
cell = ml.networks.honeycomb([1, 1], periodic=True)
alone = ml.path(cell, squeeze, BEAMS, waves=[2, 2], width=0.1, steps=20)
onset = alone.attrs["bloch"]
print("wave", onset["wave"], "at strain", onset["squeeze.xx"] - 1)
print("the cell by itself at", [row["squeeze.xx"] - 1 for row in alone.bifurcations[:1]])

# %% [markdown]
# The supercell of 2 x 2 buckles at the same strain, and one with a small imperfection follows the
# pattern: its stress hardly grows any more.

# %%
large = cell.supercell(2, 2)
ideal = ml.path(large, squeeze, BEAMS, width=0.1, steps=20)
real = ml.path(ml.networks.imperfect(large, 0.005, seed=1), squeeze, BEAMS, width=0.1, steps=60)
_, ax = plt.subplots(figsize=(6, 4))
for name, found in (("one cell", alone), ("2 x 2, imperfect", real)):
    ax.plot(1 - found["squeeze.xx"], -1e3 * found["squeeze.force.xx"], label=name)
ax.axvline(1 - onset["squeeze.xx"], color="0.6", linestyle=":", label="first wave")
ax.set_xlabel("compression")
ax.set_ylabel("pressure over modulus, 1e-3")
ax.legend(frameon=False)

waves = Claims()
waves.near("onset over that of the supercell", 1.0,
           onset["factor"] / ideal.bifurcations[0]["factor"], 1e-6)  # fmt: skip
waves

# %% [markdown]
# What buckles, drawn by what each beam stores.

# %%
buckled = ml.train(
    ml.networks.imperfect(cell.supercell(full(4, 2), full(4, 2)), 0.005, seed=1),
    squeeze,
    energy=BEAMS,
    learn={"width": ml.Learn(initial=0.1, bounds=(0.05, 0.2))},
    steps=0,
)
buckled.picture(colour="energy", thickness="true", whole=True)
