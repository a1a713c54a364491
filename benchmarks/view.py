"""How fast `mechlearn view` answers: a slider moved in a real browser, until the picture is there.

    python benchmarks/view.py [--bonds 500] [--moves 40] [--dim 2]

Needs chromium and chromedriver (Debian packages chromium and chromium-driver).
Trains a network of about that many bonds, serves it, and moves the sliders of load and of training
step in turn. Measured with 500 bonds on 2 busy cores without a graphics card, the browser on the
same two: in the plane a median of 70 ms (springs) and 90 ms (finite springs), 95 % within 155 ms;
in space, where software draws shaded tubes, a median of 180 to 210 ms.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from selenium import webdriver

import mechlearn as ml

FLAGS = (
    "headless no-sandbox disable-gpu use-gl=angle use-angle=swiftshader disable-quic no-first-run "
    "enable-unsafe-swiftshader disable-background-networking disable-component-update disable-sync "
    "window-size=1200,800"
).split()
#: Moves a slider; gives the milliseconds until the new picture is in the page.
MOVE = """
    const [id, value, done] = arguments;
    const count = document.getElementById('answered'), before = count.textContent;
    const slider = document.getElementById(id), start = performance.now();
    slider.value = value;
    slider.dispatchEvent(new Event('input', {bubbles: true}));
    const look = () => {
      const image = document.querySelector('.sight img');
      if (count.textContent !== before && image.complete) done(performance.now() - start);
      else setTimeout(look, 1);
    };
    look();
"""


def trained(bonds: int, dim: int, model: str, folder: Path) -> Path:
    """A run of about so many bonds."""
    coordination = 4.4 if dim == 2 else 6.6
    net = ml.networks.packing(
        nodes=round(2 * bonds / coordination), coordination=coordination, dim=dim, seed=1
    )
    middle = [0.5] * (dim - 1)
    task = ml.Task(
        sources=[ml.Source(near=[0.0, *middle], strain=0.1)],
        targets=[ml.Target(near=[1.0, *middle], strain=0.1)],
    )
    energy = ml.Spring() if model == "spring" else ml.FiniteSpring()
    run = ml.train(net, task, energy=energy, steps=60)
    print(f"{model}: {run!r}")
    return run.save(folder / model)


def moves(folder: Path, count: int) -> dict[str, list[float]]:
    """Milliseconds of every move, by slider."""
    served = subprocess.Popen(
        [sys.executable, "-m", "mechlearn", "view", folder, "--serve"],
        stdout=subprocess.PIPE,
        text=True,
    )
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        service = webdriver.ChromeService(shutil.which("chromedriver"))
        browser = webdriver.Chrome(options=options, service=service)
        try:
            browser.set_script_timeout(60)
            browser.get(re.search(r"http://\S+", served.stdout.readline()).group())
            time.sleep(3)
            last = int(browser.find_element("id", "step").get_attribute("max"))
            out = {"amplitude": [], "step": []}
            for k in range(2 * count):
                # Far from the last value, and never the same: what does not change is not answered.
                name, far = ("amplitude", "step")[k % 2], (0.618 * (k // 2 + 1)) % 1
                value = f"{far:.2f}" if name == "amplitude" else str(round(far * last))
                out[name].append(browser.execute_async_script(MOVE, name, value))
                time.sleep(0.1)
            return out
        finally:
            browser.quit()
            served.terminate()
            served.wait()


def main() -> None:
    """Print a line per energy."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bonds", type=int, default=500)
    parser.add_argument("--moves", type=int, default=40)
    parser.add_argument("--dim", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for model in ("spring", "finite_spring"):
            run = trained(given.bonds, given.dim, model, Path(folder))
            for name, times in moves(run, given.moves).items():
                middle, high = np.percentile(times, [50, 95])
                print(f"  {name:10} median {middle:5.0f} ms   95 % within {high:5.0f} ms")


if __name__ == "__main__":
    main()
