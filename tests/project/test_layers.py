"""The folders import one another in one direction, from matrices to pictures."""

import ast
from collections.abc import Iterator
from functools import cache

from paths import ROOT

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "mechlearn").rglob("*.py"))
}
#: A folder may import those before it, and the modules beside them all ("").
ORDER = [
    "", "io", "linalg", "energies", "networks", "fem", "solids", "tasks", "equilibrium", "learning",
    "runs", "studies", "plots", "analysis", "feasibility", "render", "view", "report", "export",
    "cli",
]  # fmt: skip
#: Facades, which import later folders inside functions: methods of results that draw and write
#: themselves, and elements that make the model which solves them.
FACADES = {
    "mechlearn.energies.element": {"fem"},
    "mechlearn.energies.solid": {"solids"},
    "mechlearn.feasibility.check": {"render"},
    "mechlearn.network": {"networks", "render"},
    "mechlearn.runs.curve": {"plots"},
    "mechlearn.runs.presented": {"export", "plots", "render"},
    "mechlearn.runs.run": {"studies"},
    "mechlearn.studies.comparison": {"plots"},
    "mechlearn.studies.path": {"plots"},
    "mechlearn.studies.landscape": {"plots"},
    "mechlearn.studies.tiling": {"plots"},
    "mechlearn.studies.verify": {"render"},
    "mechlearn.tasks.task": {"render"},
}
#: The package itself and its command import what they offer.
DOORS = {"mechlearn", "mechlearn.__main__"}


def statements(body: list[ast.stmt], inside: bool = False) -> Iterator[tuple[ast.stmt, bool]]:
    """All statements but those for type checkers; whether they are inside a function."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from statements(node.orelse, inside)
            continue
        yield node, inside
        within = inside or isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        for part in ("body", "orelse", "handlers", "finalbody"):
            yield from statements(getattr(node, part, []), within)


@cache
def imported(module: str) -> tuple[set[str], set[str]]:
    """The modules of mechlearn that a module imports when it is loaded, and inside functions."""
    found: tuple[set[str], set[str]] = (set(), set())
    for node, inside in statements(ast.parse(MODULES[module].read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            found[inside].update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found[inside].update(name if name in MODULES else str(node.module) for name in names)
    loaded, later = (names & set(MODULES) for names in found)
    return loaded, later


@cache
def below(module: str) -> set[str]:
    """All that a module stands on, directly or not."""
    known: set[str] = set()
    left = [module]
    while left:
        new = imported(left.pop())[0] - known
        known |= new
        left += new
    return known


def folder(module: str) -> str:
    """The folder of a module; that of a file beside the folders is ""."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and (ROOT / "mechlearn" / parts[1]).is_dir() else ""


def test_imports_are_found_at_all():
    assert "mechlearn.fem.model" in imported("mechlearn.equilibrium.balance")[0]
    assert "mechlearn.fenics" in below("mechlearn.runs.training")
    assert "mechlearn.runs.run" not in imported("mechlearn.runs.archive")[0]  # for types alone
    assert "mechlearn.render" in imported("mechlearn.runs.presented")[1]


def test_folders_import_those_before_them():
    assert {folder(module) for module in MODULES} == set(ORDER)
    place = {name: k for k, name in enumerate(ORDER)}
    wrong = []
    for module in MODULES.keys() - DOORS:
        mine = folder(module)
        for inside, others in zip((False, True), imported(module), strict=True):
            may = FACADES.get(module, set()) if inside else set()
            wrong += [
                f"{module} -> {other}"
                for other in others
                if place[folder(other)] > place[mine] and folder(other) not in may
            ]
    assert sorted(wrong) == []


def test_facades_are_what_they_say():
    for module, used in FACADES.items():
        place = ORDER.index(folder(module))
        later = {folder(m) for m in imported(module)[1] if ORDER.index(folder(m)) > place}
        assert later == used, module


def test_nothing_imports_itself_through_others():
    assert [module for module in MODULES if module in below(module)] == []


def test_few_files_stand_beside_the_folders_and_none_is_long():
    assert len(list((ROOT / "mechlearn").glob("*.py"))) <= 12
    long = {m: n for m, path in MODULES.items() if (n := len(path.read_text().splitlines())) > 400}
    assert long == {}


def test_rules_know_no_physics():
    assert below("mechlearn.learning.rules") <= {
        "mechlearn.errors", "mechlearn.extensions", "mechlearn.phase", "mechlearn.schema",
        "mechlearn.learning",
    }  # fmt: skip


def test_neither_tasks_nor_networks_wait_for_finite_elements():
    for module in (
        "mechlearn.tasks.task", "mechlearn.runs.config", "mechlearn.networks", "mechlearn.cli"
    ):  # fmt: skip
        assert "mechlearn.fenics" not in below(module), module
