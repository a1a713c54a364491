"""The modules import one another in one direction, from arrays to pictures."""

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[1]
MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted((ROOT / "mechlearn").rglob("*.py"))
}
#: Which of the leaves a part of the package may use; all others may use none.
USES = {
    "analysis": set(),
    "plots": set(),
    "export": set(),
    "render": {"plots"},
    "report": {"plots", "render"},
    "view": {"plots", "render"},
    "cli": {"export"},  # whose options are those of a command
    "__main__": {"cli"},
    "feasibility": {"analysis"},  # it shows what it found as analyses do
}
LEAVES = set(USES) - {"feasibility"}
#: From arrays to a folder: what comes first knows nothing of what comes later.
CHAIN = [
    "mechlearn.network",
    "mechlearn.energies",
    "mechlearn.fem.model",
    "mechlearn.equilibrium",
    "mechlearn.learning",
    "mechlearn.runs.run",
    "mechlearn.runs.training",
]


def statements(body):
    """Those that run when a module is loaded: not what only type checkers see, nor functions."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            yield from statements(node.orelse)
            continue
        yield node
        for part in ("body", "orelse", "handlers", "finalbody"):
            if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield from statements(getattr(node, part, []))


@cache
def imports(module):
    """The modules of mechlearn that a module imports when it is loaded."""
    found = set()
    for node in statements(ast.parse(MODULES[module].read_text(encoding="utf-8")).body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} has a relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return found & set(MODULES)


@cache
def below(module):
    """All that a module stands on, directly or not."""
    known, left = set(), [module]
    while left:
        new = imports(left.pop()) - known
        known |= new
        left += new
    return known


def part(module):
    return module.split(".")[1] if "." in module else ""


def test_imports_are_found_at_all():
    assert "mechlearn.fem.model" in imports("mechlearn.equilibrium.balance")
    assert "mechlearn.fenics" in below("mechlearn.runs.training")
    assert "mechlearn.runs.run" not in imports("mechlearn.runs.archive")  # for types alone


def test_leaves_are_imported_by_nothing_else():
    found = []
    for module in MODULES:
        mine = part(module)
        used = {part(other) for other in imports(module)} & LEAVES - {mine}
        if not used <= USES.get(mine, set()):
            found.append(f"{module} imports {used} when it is loaded")
    assert found == []


def test_nothing_imports_itself_through_others():
    assert [module for module in MODULES if module in below(module)] == []


def test_the_chain_goes_one_way():
    for place, module in enumerate(CHAIN):
        later = {
            m for m in MODULES for name in CHAIN[place + 1 :] if f"{m}.".startswith(f"{name}.")
        }
        assert not below(module) & later, module


def test_rules_know_no_physics():
    assert below("mechlearn.learning.rules") <= {"mechlearn.errors", "mechlearn.phase"}


def test_neither_tasks_nor_networks_wait_for_finite_elements():
    for module in (
        "mechlearn.tasks.task",
        "mechlearn.runs.config",
        "mechlearn.networks",
        "mechlearn.cli",
    ):
        assert "mechlearn.fenics" not in below(module), module
