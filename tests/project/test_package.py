"""Distributions: complete, no more than they should be, and of one version."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
from paths import ROOT

import mechlearn


def run(*command, cwd=None):
    # No other mechlearn than the one that is installed.
    elsewhere = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    done = subprocess.run(
        words, capture_output=True, text=True, timeout=120, cwd=cwd, env=elsewhere
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def sdist(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdist")
    run(sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder, cwd=ROOT)
    [path] = folder.iterdir()
    return path


@pytest.fixture(scope="module")
def wheel(sdist, tmp_path_factory):
    """Built from the sdist, as installers do where there is no wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    [source] = folder.iterdir()
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder, cwd=source)
    [path] = folder.glob("*.whl")
    return path


def test_the_sdist_holds_what_the_repository_holds(sdist):
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        pytest.skip("this is no repository of git")
    there = {name for name in listed.stdout.splitlines() if (ROOT / name).exists()}
    with tarfile.open(sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert held - {"PKG-INFO"} == {name for name in there if not name.startswith(".ci/")}


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    package = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "mechlearn").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    info = {
        name for name in held if name.startswith(f"mechlearn-{mechlearn.__version__}.dist-info")
    }
    assert held - info == package
    assert {"LICENSE", "LICENSE.GPL"} <= {Path(name).name for name in info}


def test_the_wheel_installs_and_runs(wheel, tmp_path):
    venv.create(tmp_path / "env", with_pip=False, symlinks=True)
    python = tmp_path / "env" / "bin" / "python"
    site = run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip()
    # What mechlearn stands on is where this Python has it; mechlearn itself comes first from here.
    (Path(site) / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    run(sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", python,
        "install", "-q", "--no-deps", "--no-index", wheel)  # fmt: skip
    where = run(python, "-c", "import mechlearn; print(mechlearn.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(tmp_path)
    command = tmp_path / "env" / "bin" / "mechlearn"
    assert run(command, "--version", cwd=tmp_path).strip() == mechlearn.__version__
    assert "Teach a mechanical network" in run(command, "--help", cwd=tmp_path)
    code = "import mechlearn as ml; print(ml.networks.triangular(size=[3, 3]).n_nodes)"
    assert run(python, "-c", code, cwd=tmp_path).strip() == "9"


def test_the_version_is_written_once():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "version" not in project
    cited = re.search(r"^version: (.+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    assert cited[1] == mechlearn.__version__
    newest = re.search(r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest[1] == mechlearn.__version__


def test_the_extras_for_users_are_all_tested():
    """`test` holds what the extras hold, for it is what the suite is run with."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    tested = set(extras["test"])
    for name in extras.keys() - {"test", "bench"}:
        assert set(extras[name]) <= tested, f"{name}: {set(extras[name]) - tested}"
