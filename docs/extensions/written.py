"""Pages that are written from the code at every build: they cannot go stale.

They go to docs/generated/, which is made anew: the keys of task files, the command line, the
Python interface, and the notebooks with the outputs they were saved with.
"""

import inspect
import json
import re
import shutil
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from docutils.nodes import literal
from keys import KeyTable, default_of, tables
from pydantic import BaseModel
from sphinx.application import Sphinx
from sphinx.util.nodes import make_refnode

import mechlearn
from mechlearn.cli import app as commands
from mechlearn.energies import Element

#: Pages of the Python interface: a title, what it is about, and the modules whose names it lists.
PAGES = {
    "networks": ("Networks", "Generators and readers of networks; rigidity by counting.",
                 ("network", "networks", "energies.rigidity")),
    "tasks": ("Tasks", "Supports, sources and targets.",
              ("tasks",)),
    "elements": ("Elements", "Element types, each an energy of one bond or strut.",
                 ("energies",)),
    "learning": ("Learning", "Learning parameters, rules, and imperfections of elements.",
                 ("runs.training", "learning", "phase")),
    "runs": ("Runs", "Results of a training.", ("runs.run", "runs.checkpoint")),
    "sequences": ("Studies", "Sequences of tasks, comparison of rules, sweeps, verification.",
                  ("studies",)),
    "extensions": ("Extensions", "Registration of elements, rules and the like of one's own.",
                   ("extensions",)),
    "errors": ("Errors", "Exceptions: invalid input, and unsolved equilibria.", ("errors",)),
}  # fmt: skip

#: Pages of modules that are used by their own name, or that one's own classes build on.
MODULES = {
    "drawing": ("Drawing, exporting, reporting", "Plots, pictures, exports and reports of runs.", {
        "mechlearn.plots": None,
        "mechlearn.render": None,
        "mechlearn.export": ("export", "Options", "Format"),
        "mechlearn.report": ("report",),
        "mechlearn.view": ("serve",),
    }),
    "studies": ("Parts of studies", "Nudges of rules, struts of solids, tuning.", {
        "mechlearn.studies.compare": ("nudge_study",),
        "mechlearn.solids.sizing": ("size_struts",),
        "mechlearn.studies.verify": ("tune", "table", "write"),
    }),
    "extending": ("Extending", "Base classes of elements, rules, costs and learners.", {
        "mechlearn.energies.element": ("Element", "BondEnergy"),
        "mechlearn.energies.tuples": ("TupleEnergy",),
        "mechlearn.studies.path": ("EquilibriumPath", "follow"),
        "mechlearn.studies.landscape": ("States",),
        "mechlearn.studies.states": ("find",),
        "mechlearn.solids.materials": ("density",),
        "mechlearn.energies.kinematics": (
            "Kinematics", "Displacements", "Frames", "Bodies", "Potentials",
        ),
        "mechlearn.phase": ("Phase",),
        "mechlearn.learning.rules": ("Procedure", "Rule", "Contrastive"),
        "mechlearn.tasks.costs": ("Cost",),
        "mechlearn.learning.optimisers": ("Train", "Optimiser", "Plain", "Momentum", "Adam"),
        "mechlearn.learning.scales": ("Scale", "Linear", "Log", "Sigmoid", "Softplus"),
        "mechlearn.learning": ("Learner", "RuleLearner", "Hardware"),
        "mechlearn.learning.history": None,
        "mechlearn.runs.config": ("Setup",),
        "mechlearn.runs.taskfile": ("read_setup", "to_toml"),
        "mechlearn.extensions": ("Registry", "load_plugin", "load"),
    }),
}  # fmt: skip


def write_all(app: Sphinx) -> None:
    """Write every page, and leave alone those that have not changed."""
    root = Path(app.srcdir) / "generated"
    pages = {
        "task-file.rst": task_file(),
        "command-line.md": command_line(),
        **{f"api/{name}.rst": text for name, text in interface().items()},
    }
    notebooks = sorted((Path(app.srcdir).parent / "notebooks").glob("[0-9]*.ipynb"))
    pages["notebooks/index.md"] = contents(notebooks)
    for name, text in pages.items():
        _write(root / name, text.encode())
    kept = {root / name for name in pages}
    for path in notebooks:
        _write(root / "notebooks" / path.name, path.read_bytes())
        kept.add(root / "notebooks" / path.name)
        pictures = path.parent / path.stem
        if pictures.is_dir():
            shutil.copytree(pictures, root / "notebooks" / path.stem, dirs_exist_ok=True)
    for path in root.rglob("*.*"):
        if path.suffix in (".md", ".rst", ".ipynb") and path not in kept:
            path.unlink()


def _write(path: Path, content: bytes) -> None:
    if not path.is_file() or path.read_bytes() != content:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


# -- task files ------------------------------------------------------------------------------------


def task_file() -> str:
    """The reference of task files."""
    lines = [
        *_title("Keys of a task file", "="),
        "A task is a file in TOML. Unknown keys are errors, and every key has the type and default",
        'below. Nodes are ids from 0, labels such as ``"A:372"`` (chain and residue of a',
        'protein), or the name of a node set such as ``"left"`` of a lattice.',
        "The parameters that ``[energy]`` lists for a model are those that may have a table",
        "``[learn.<parameter>]``; one that learns needs no value under ``[energy]``.",
        "",
    ]
    for table in tables():
        lines += _key_table(table)
    return "\n".join(lines) + "\n"


def _key_table(table: KeyTable) -> list[str]:
    head = table.head if table.head == "At the top" else f"``{table.head}``"
    lines = [*_title(head, "-~"[table.level - 1]), table.about, ""]
    if not table.keys:
        return lines
    lines += [".. list-table::", "   :header-rows: 1", "   :widths: 16 26 16 42", ""]
    rows = [("key", "takes", "if left out", "meaning")]
    rows += [(f"``{k.name}``", k.type, k.default, k.meaning) for k in table.keys]
    for row in rows:
        lines += [f"   {'*' if not n else ' '} - {cell}" for n, cell in enumerate(row)]
    return [*lines, ""]


def _title(text: str, line: str) -> list[str]:
    return [text, line * len(text), ""]


# -- command line ----------------------------------------------------------------------------------


def command_line() -> str:
    """The reference of commands, as their ``--help``."""
    text = commands.generate_docs(output_format="markdown", include_hidden=False)
    # docs/start.md says how shells complete; it is no command on tasks or runs.
    body = text[text.index("\n## mechlearn ") :].partition("\n## mechlearn --install")[0]
    # Of a switch, nobody asks what it is when it is not there.
    body = body.replace(" *[default: False]*", "")
    # Nor by which module of Python this page is being written.
    body = re.sub(r"^(mechlearn \w+) -m \S+", r"\1", body, flags=re.MULTILINE)
    lead = (
        "# Command line\n\n"
        "A mistake in what was asked is one line on stderr and exit code 2; a solve that failed is "
        "one line and exit code 1. `mechlearn COMMAND --help` says what is here.\n"
    )
    return lead + re.sub(r"^## (mechlearn \w+)$", r"## `\1`", body, flags=re.MULTILINE)


# -- Python ----------------------------------------------------------------------------------------


def interface() -> dict[str, str]:
    """Pages of the Python interface by name; every name of the package is on one of them."""
    grouped: dict[str, list[str]] = {name: [] for name in PAGES}
    homes = {home: name for name, (_, _, modules) in PAGES.items() for home in modules}
    elsewhere = {module for _, _, members in MODULES.values() for module in members}
    for public in mechlearn.__all__:
        thing = getattr(mechlearn, public)
        if getattr(thing, "__name__", "") in elsewhere:
            continue
        module = thing.__name__ if isinstance(thing, ModuleType) else thing.__module__
        home = ".".join(module.split(".")[1:])
        home = home if home in homes else home.split(".")[0]
        grouped[homes.get(home, home)] = [*grouped.get(homes.get(home, home), []), public]
    pages = {}
    for name, publics in grouped.items():
        title, about, _ = PAGES[name] if name in PAGES else (name.capitalize(), _about(name), ())
        lines = [*_title(title, "="), about, ""]
        modules = [p for p in publics if isinstance(getattr(mechlearn, p), ModuleType)]
        for public in (p for p in publics if p not in modules):
            lines += _documented("mechlearn", public)
        for public in modules:
            lines += _module(getattr(mechlearn, public).__name__, None)
        pages[name] = "\n".join(lines) + "\n"
    for name, (title, about, members) in MODULES.items():
        lines = [*_title(title, "="), about, ""]
        for module, names in members.items():
            lines += _module(module, names)
        pages[name] = "\n".join(lines) + "\n"
    lead = [*_title("Python", "="), "``import mechlearn as ml`` gives all that is on the first",
            "pages; it takes no time, because every name is loaded when it is first used.", "",
            ".. toctree::", "   :maxdepth: 2", ""]  # fmt: skip
    pages["index"] = "\n".join([*lead, *(f"   {name}" for name in pages)]) + "\n"
    return pages


def _about(home: str) -> str:
    return (import_module(f"mechlearn.{home}").__doc__ or "").split("\n\n")[0]


def _module(name: str, names: tuple[str, ...] | None) -> list[str]:
    module = import_module(name)
    lines = [*_title(f"``{name}``", "-"), f".. automodule:: {name}", "   :no-members:", ""]
    for public in names or public_names(module):
        lines += _documented(name, public)
    return lines


def public_names(module: ModuleType) -> list[str]:
    """The names of a module for others: its ``__all__``, or the classes and functions of its own.

    Constants and names of the package's own use are left out.
    """
    own = [
        name
        for name in getattr(module, "__all__", vars(module))
        if not name.startswith("_")
        and (inspect.isclass(thing := getattr(module, name)) or inspect.isfunction(thing))
        and thing.__module__.startswith(module.__name__)
    ]
    return own


def _documented(module: str, name: str) -> list[str]:
    thing = getattr(import_module(module), name)
    if not inspect.isclass(thing):
        return [f".. autofunction:: {module}.{name}", ""]
    lines = [f".. autoclass:: {module}.{name}", "   :members:"]
    if any(base.__module__.startswith("mechlearn") for base in thing.__bases__):
        lines += ["   :show-inheritance:"]
    if name == "Run":  # what draws and writes it is in a base that has no page of its own
        lines += ["   :inherited-members:"]
    return [*lines, ""]


def say_fields(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, lines: list[str]
) -> None:
    """Give the docstring of an element what its bonds carry."""
    if what in ("property", "attribute") and lines:
        # Else what stands before a colon would be taken for a type.
        lines.insert(0, "\\ ")
    if what == "class" and issubclass(thing, Element) and hasattr(thing, "parameters"):
        parts = [
            f"- ``{p.name}`` ({default_of(p)} if left out): {p.about}" for p in thing.parameters
        ]
        sections = [k - 1 for k, line in enumerate(lines) if re.fullmatch("-+", line)]
        end = sections[0] if sections else len(lines)
        lines[end:end] = ["", "Every bond carries, and may learn:", "", *parts, ""]


def settle(app: Sphinx, env: Any, node: Any, shown: Any) -> Any:
    """Lead references to where the code says, and show as they are those that are on no page.

    What is not in the code either remains missing, and an error; types are words, not references.
    """
    if node.get("refdomain") != "py":
        return None
    if not isinstance(shown, literal):
        return shown
    module, owner, target = node.get("py:module"), node.get("py:class"), node["reftarget"]
    home = getattr(_find(f"{module}.{owner}"), "__module__", module)
    for name in (target, *(f"{place}.{target}" for place in (f"{home}.{owner}", home, module))):
        thing = _find(name)
        if thing is None:
            continue
        known = f"{getattr(thing, '__module__', '')}.{getattr(thing, '__qualname__', '')}"
        entry = env.domains.python_domain.objects.get(known)
        if entry is None:
            return shown
        return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown)
    return None


def _find(name: str) -> Any:
    """What the code calls by a dotted name."""
    parts = name.split(".")
    for k in range(len(parts), 0, -1):
        try:
            thing: Any = import_module(".".join(parts[:k]))
        except ImportError:
            continue
        for part in parts[k:]:
            thing = getattr(thing, part, None)
        return thing
    return None


def short_signature(
    app: Sphinx, what: str, name: str, thing: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Tables list their keys below; their signature would say it all again."""
    if what == "class" and issubclass(thing, BaseModel):
        return "(**fields)", ""
    return None


# -- notebooks -------------------------------------------------------------------------------------


def contents(notebooks: list[Path]) -> str:
    """A page that lists the notebooks by their titles and first paragraphs."""
    lines = ["# Notebooks", "", "Each is a file of `notebooks/`, shown as it was run.", ""]
    if not notebooks:
        return "\n".join([*lines, "There are none yet."]) + "\n"
    for path in notebooks:
        lines += [f"- [{_heading(path)}]({path.name})"]
    lines += ["", "```{toctree}", ":hidden:", "", *(path.stem for path in notebooks), "```"]
    return "\n".join(lines) + "\n"


def _heading(path: Path) -> str:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        for line in "".join(cell["source"]).splitlines():
            if cell["cell_type"] == "markdown" and line.startswith("# "):
                return line.removeprefix("# ").strip()
    return path.stem


def setup(app: Sphinx) -> dict[str, Any]:
    """Write the pages before any is read."""
    app.connect("builder-inited", write_all)
    app.connect("autodoc-process-docstring", say_fields, priority=100)
    app.connect("autodoc-process-signature", short_signature)
    app.connect("missing-reference", settle)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
