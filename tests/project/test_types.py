"""The modules that mypy spares: they are there, and they are few."""

import runpy
import tomllib
from fnmatch import fnmatch

from paths import ROOT

OVERRIDES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["mypy"]["overrides"]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (ROOT / "mechlearn").rglob("*.py")
}


def test_settings_for_modules_are_for_modules_that_there_are():
    named = [name for override in OVERRIDES for name in override["module"]]
    own = [name for name in named if name.partition(".")[0] == "mechlearn"]
    assert [name for name in own if not any(fnmatch(m, name) for m in MODULES)] == []


def test_mypy_judges_nine_tenths_of_the_package():
    code_lines = runpy.run_path(str(ROOT / "scripts" / "lines.py"))["code_lines"]
    texts = {name: path.read_text() for name, path in MODULES.items()}
    spared = [name for o in OVERRIDES if o.get("ignore_errors") for name in o["module"]]
    unseen = [
        name
        for name, text in texts.items()
        if "# mypy: ignore-errors" in text or any(fnmatch(name, s) for s in spared)
    ]
    lines = {name: code_lines(text) for name, text in texts.items()}
    assert sum(lines[name] for name in unseen) <= 0.1 * sum(lines.values()), sorted(unseen)
