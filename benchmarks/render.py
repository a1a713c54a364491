"""How long pictures take: networks of 1,000, 10,000 and 50,000 bonds, in the plane and in space.

Every picture is drawn in a process of its own, so imports and the first window count too.

    python benchmarks/render.py

On two cores without a graphics card (seconds, with imports and the first window | after that):
10,561 bonds in the plane 1.2 | 0.4, 11,520 in space 1.6 | 0.9, 50,700 in space 2.9 | 1.8.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

#: Bonds of a triangular lattice of so many nodes a side, and of a cubic one.
SIDES = {"plane": (19, 60, 130), "space": (7, 16, 26)}

DRAW = """
import sys, time
import numpy as np
from pathlib import Path
kind, side, out = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
from mechlearn import networks
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Target, Task
if kind == "plane":
    net = networks.triangular(size=(side, side), disorder=0.1)
    left, right = [0.0, 0.5], [1.0, 0.5]
else:
    net = networks.cubic(size=(side, side, side), disorder=0.1)
    left, right = [0.0, 0.5, 0.5], [1.0, 0.5, 0.5]
task = Task(sources=[Source(near=left, strain=0.1)], targets=[Target(near=right, strain=0.1)])
problem = pose(task, net)
began = time.perf_counter()
from mechlearn.render import draw_setup
draw_setup(net, problem, out / "setup.png")
first = time.perf_counter() - began
began = time.perf_counter()
draw_setup(net, problem, out / "setup.png")
print(net.n_edges, first, time.perf_counter() - began)
"""


def main() -> None:
    """Print a table."""
    print("network   bonds    first png s   next png s")
    with tempfile.TemporaryDirectory() as folder:
        for kind, sides in SIDES.items():
            for side in sides:
                out = subprocess.run(
                    [sys.executable, "-c", DRAW, kind, str(side), folder],
                    capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
                ).stdout.split()  # fmt: skip
                bonds, first, second = int(out[0]), float(out[1]), float(out[2])
                print(f"{kind:8}{bonds:8,d}{first:14.2f}{second:13.2f}", flush=True)


if __name__ == "__main__":
    main()
