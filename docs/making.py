"""The picture of docs/making.md: a learned part as it leaves for the printer.

python docs/making.py
"""

import tempfile
from pathlib import Path

import mechlearn as ml
from mechlearn.render.offscreen import load_pyvista

HERE = Path(__file__).parent


def main() -> None:
    """Train, make, draw."""
    pv = load_pyvista()
    run = ml.train_file(HERE.parent / "tasks" / "printable.toml")
    with tempfile.TemporaryDirectory() as folder:
        part = pv.read(run.export(f"{folder}/part.stl", unit=40, thickness=4, hinge=(0.5, 0.1)))
    plotter = pv.Plotter(off_screen=True, window_size=(1200, 800))
    plotter.background_color = "white"
    plotter.enable_anti_aliasing("ssaa")
    plotter.add_mesh(part, color="#4f81b0", split_sharp_edges=True, smooth_shading=True)
    plotter.camera_position = [(0.35, -1.0, 1.1), (0, 0, 0), (0, 0, 1)]
    plotter.reset_camera()
    plotter.camera.zoom(1.45)
    plotter.screenshot(HERE / "making.png")
    plotter.close()


if __name__ == "__main__":
    main()
