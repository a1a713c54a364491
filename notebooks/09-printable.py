# %% [markdown]
# # From springs to a part that can be printed
#
# A spring network that has learned something is a drawing; a part has struts of one material, each
# as wide as its stiffness needs, joints that do not turn freely, and strains that are not small.
# What is left of the answer?
#
# You will see struts whose *widths* learn; what models that know more and more of them say of the
# answer (pinned bars, beams, a solid at small and at finite strain); the solid trained on until, at
# small strain, it answers as asked; and the files for a printer, a laser cutter and CAD,
# read back and checked.

# %%
import io
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import trimesh
from claims import PROJECT, Claims, full
from PIL import Image

import mechlearn as ml
from mechlearn.render.solid import draw_solid
from mechlearn.solids.sizing import size_struts
from mechlearn.studies.verify import table, tune, verify

# %% [markdown]
# **Train** struts on pins. `tasks/printable.toml` is a packing of 40 nodes whose struts are between
# 0.02 and 0.1 wide, in units of the mean distance of nodes; pulled by 5 % at the left it shall
# answer by half as much at the right.

# %%
run = ml.train_file(PROJECT / "tasks" / "printable.toml")
run

# %%
run.picture("network", thickness="true")

# %% [markdown]
# **Verify**: the same task, solved by models of the same struts. Bars are what has learned. Beams
# are joined rigidly, so they bend. The solid has joints of a size; at finite strain its struts also
# turn, and it is neo-Hookean. (Cells as large as two widths of a strut, of second degree; smaller
# ones change the solid's answer by a few per cent.)

# %%
made = size_struts(run)
solid = {"mesh_size": 2.0, "order": full(2, short=1)}
found = verify(run, made, **solid)
print(table(found))


# %%
def drawing(*solid: object) -> Image.Image:
    """The solid in a state, coloured by its strain energy."""
    with tempfile.TemporaryDirectory() as folder:
        picture = draw_solid(*solid, Path(folder) / "solid.png", size=(960, 600))
        return Image.open(io.BytesIO(picture.read_bytes())).convert("RGB")


drawing(*found.solid)

# %% [markdown]
# Joints that do not turn cost a third of the answer, their size some more. At 5 % pull struts also
# turn and bow, which no linear model has, and the answer grows by a quarter, to three quarters of
# what was asked. The network is the same; the model of bars was too simple.
#
# **Train on** in the solid. Each strut feels its own shape derivative, what its energy would become
# were it a little wider, and follows the same local rule.

# %%
tuned = tune(run, made, steps=20, material="linear", **solid)
tuned

# %% [markdown]
# ## The files
#
# 170 mm long: shorter, and the thinnest struts would be below the 0.4 mm that a printer lays down
# (the export says so, and how long it must be). Printers take stl or 3mf, laser cutters dxf, CAD
# step.

# %%
LONG = 170.0
FILES = {"part.stl": "printer", "part.3mf": "printer", "part.dxf": "laser", "part.step": "CAD"}
with tempfile.TemporaryDirectory() as folder:
    for name in FILES:
        tuned.export(Path(folder) / name, size=LONG)
    meshes = [trimesh.load_mesh(Path(folder) / name) for name in ("part.stl", "part.3mf")]
    heads = {name: (Path(folder) / name).read_bytes()[:13] for name in ("part.dxf", "part.step")}
    sizes = {name: (Path(folder) / name).stat().st_size for name in FILES}
sizes

# %% [markdown]
# Read back: is the part closed, and how much material is it? The struts by themselves, width times
# length, bound it from above: they overlap at their joints.

# %%
part = meshes[0]
length = np.sort(part.extents)[::-1]
unit = LONG / np.ptp(made.network.nodes, axis=0).max()  # mm, but for the width of a strut
thickness = length[2]
strips = float((tuned.learned["width"] * made.network.lengths).sum()) * unit**2 * thickness
print(f"{length.round(1)} mm, {part.volume / 1000:.2f} cm³, of struts {strips / 1000:.2f} cm³")

# %% [markdown]
# ## The figure

# %%
fig, (ax, chart) = plt.subplots(1, 2, figsize=(10, 4), layout="constrained")
row = found.targets[0]
models = ["bars", "beams", "solid", "finite solid"]
names = ["before training", *models, "solid, trained on"]
answers = [run.targets[0]["initial"], *(row[m] for m in models), tuned.targets[0]["reached"]]
colours = ["#A8AEB8", *["#35608D"] * 4, "#D55E00"]
ax.barh(names[::-1], answers[::-1], color=colours[::-1])
ax.axvline(row["wanted"], color="#1B1F24", linestyle=":")
ax.set(xlabel="strain of the answer (dotted: wanted)")
chart.plot(made.width, tuned.learned["width"], "o", color="#D55E00", markersize=4)
chart.axline((0, 0), slope=1, color="#A8AEB8")
chart.set(xlabel="width as bars have learned it", ylabel="width after training on in the solid")
fig.align_labels()

# %%
claims = Claims()
claims.near("answer of the bars", 0.025, float(row["bars"]), within=0.025 * 0.01)
claims.holds(
    "beams keep", "", row["beams"] / row["learned"], "between 0.6 and 0.9",
    0.6 < row["beams"] / row["learned"] < 0.9,
)  # fmt: skip
claims.holds(
    "the solid keeps", "", row["solid"] / row["learned"], "less than beams",
    abs(row["solid"]) < abs(row["beams"]),
)  # fmt: skip
claims.near("trained on in the solid", 0.025, tuned.targets[0]["reached"], within=0.025 * 0.05)
claims.holds("steps of that", "", tuned.summary["steps"], "below 20", tuned.converged)
closed = all(mesh.is_watertight for mesh in meshes)
claims.holds("stl and 3mf are closed", "", closed, "closed", closed)
claims.near("their volumes, mm³", round(part.volume, 1), float(meshes[1].volume), within=1.0)
claims.near("longest side, mm", LONG, float(length[0]), within=0.01)
claims.holds(
    "material over that of the struts", "", part.volume / strips, "0.8 to 1",
    0.8 < part.volume / strips <= 1.02,
)  # fmt: skip
claims.holds(
    "step says what it is", "ISO-10303-21;", heads["part.step"].decode(), "the same",
    heads["part.step"] == b"ISO-10303-21;",
)  # fmt: skip
claims

# %% [markdown]
# The command line does the same: `mechlearn verify runs/mine -o runs/solid --tune`, `mechlearn
# export runs/solid/tuned part.3mf --size 170`. Thinned ends (`--hinge 0.3 0.1`) bring the solid's
# joints nearer to pins, at the price of thin places.
