"""The site: it builds without a warning, needs nothing from elsewhere, and says all there is."""

import functools
import inspect
import re
import shlex
import subprocess
import sys
import tomllib
from types import ModuleType

import docstring_parser
import pytest
from cyclopts import CycloptsError
from keys import tables
from paths import ROOT

import mechlearn as ml
from mechlearn.cli import app
from mechlearn.feasibility.check import check_setup
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup

TABLES = tables()


# -- task files ------------------------------------------------------------------------------------


def test_every_key_of_a_task_file_has_a_type_a_default_and_a_sentence():
    # no class, module or type of Python that the writer of a file would not know
    python = re.compile(r"typing|<class|\bInstanceOf\b|dict|NoneType|Sequence")
    wrong = [table.head for table in TABLES if not table.about.endswith((".", ".)"))]
    wrong += [
        f"{table.head}: {key}" for table in TABLES for key in table.keys
        if not (key.meaning.endswith((".", ".)")) and key.type) or python.search(key.type)
    ]  # fmt: skip
    assert len(TABLES) > 30
    assert wrong == []


def tables_of(path):
    """Tables of a task file, each with the head that it has in the reference."""
    top = {key.name for key in TABLES[0].keys}
    for name, value in tomllib.loads(path.read_text()).items():
        if name in top:
            continue
        if name == "learn":
            yield from ((f"[{name}.<parameter>]", table) for table in value.values())
        elif isinstance(value, list):
            yield from ((f"[[{name}]]", table) for table in value)
        else:
            yield f"[{name}]", value


def test_the_reference_has_every_key_that_task_files_use():
    parts, paths = {}, sorted((ROOT / "tasks").glob("*.toml"))
    for table in TABLES:
        if table.level == 1:
            head = table.head
        parts.setdefault(head, set()).update(key.name for key in table.keys)
    wrong = [
        f"{path.name}: {head}: {unknown}" for path in paths for head, table in tables_of(path)
        if (unknown := set(table) - parts[head])
    ]  # fmt: skip
    assert len(paths) > 10
    assert wrong == []


# -- docstrings ------------------------------------------------------------------------------------


def public():
    """Everything that has a name for others, by that name."""
    for name in ml.__all__:
        thing = getattr(ml, name)
        if not isinstance(thing, ModuleType):
            yield name, thing
            continue
        for inner in getattr(thing, "__all__", vars(thing)):
            within = getattr(thing, inner)
            own = getattr(within, "__module__", "").startswith(thing.__name__)
            if own and callable(within) and not inner.startswith("_"):
                yield f"{name}.{inner}", within


def callables():
    """Public names, and the methods of the classes among them."""
    for name, thing in public():
        yield name, thing
        if inspect.isclass(thing):
            for method, function in vars(thing).items():
                function = getattr(function, "__func__", function)
                own = inspect.isfunction(function) and not hasattr(function, "__override__")
                if own and not method.startswith("_"):
                    yield f"{name}.{method}", function


def arguments(thing):
    return {
        parameter.name
        for parameter in inspect.signature(thing).parameters.values()
        if parameter.name not in ("self", "cls", "args", "data", "kwargs")
    }


def faults(name, thing):
    """Faults of a docstring, in sentences."""
    text = inspect.getdoc(thing)
    if not text:
        yield f"{name} has no docstring"
        return
    said = docstring_parser.parse(text, docstring_parser.DocstringStyle.NUMPYDOC)
    if not (said.short_description or "").endswith((".", ":")):
        yield f"{name}: the first line is no sentence"
    listed = {
        part.lstrip("*")
        for parameter in said.params
        for part in re.split(r",\s*", parameter.arg_name)
    }
    if not inspect.isclass(thing) and not listed <= arguments(thing):
        yield f"{name} has no {listed - arguments(thing)}"
    if issubclass(thing if inspect.isclass(thing) else int, Exception):
        return
    mentioned = {word for word in arguments(thing) if f"``{word}" in text or word in listed}
    for missing in sorted(arguments(thing) - mentioned):
        yield f"{name} does not say what {missing} is"
    for parameter in said.params:
        if not (parameter.description or parameter.type_name):
            yield f"{name}: {parameter.arg_name}"
    if "raise InputError" in sources(thing) and "aise" not in text:
        yield f"{name}: what it raises"


def test_the_docstrings_of_public_names_are_complete():
    found = dict(callables())
    assert len(found) > 80
    assert [fault for name, thing in found.items() for fault in faults(name, thing)] == []


def sources(thing):
    """The text of a function, or of what makes an object of a class."""
    written = [thing]
    if inspect.isclass(thing):
        written = [vars(thing)[n] for n in ("__init__", "__post_init__") if n in vars(thing)]
    return "".join(
        inspect.getsource(f) for f in written if f.__code__.co_filename.startswith(str(ROOT))
    )


# -- examples on the pages -------------------------------------------------------------------------

WRITTEN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(ROOT.glob("docs/**/*.md"))]
PAGES = [page for page in WRITTEN if "generated" not in page.parts]


def blocks(page, *languages):
    """The code blocks of a page in some languages."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S)
    return [code for language, code in fences if language in languages]


def having(language):
    pages = [page for page in PAGES if blocks(page, language)]
    return pytest.mark.parametrize("page", pages, ids=lambda p: str(p.relative_to(ROOT)))


@having("python")
def test_the_python_of_a_page_runs(page, tmp_path, monkeypatch, own_extensions):
    monkeypatch.chdir(tmp_path)
    names = {}
    for number, code in enumerate(blocks(page, "python"), 1):
        code = code.replace("run.show()\n", "")  # which would wait for somebody to close it
        exec(compile(code, f"{page.name}, block {number}", "exec"), names)


@having("toml")
def test_the_task_files_of_a_page_are_valid(page, tmp_path, own_extensions):
    plugin = "\n".join(code for code in blocks(page, "python") if "@ml.register" in code)
    exec(compile(plugin, f"{page.name}, plugin", "exec"), {})
    for text in blocks(page, "toml"):
        if "[[targets]]" in text:
            path = tmp_path / "task.toml"
            path.write_text(text)
            assert check_setup(read_setup(path), tmp_path)


def test_the_part_of_the_page_is_learned_with_every_seed_that_it_names(tmp_path):
    page = ROOT / "docs/howto/parts.md"
    (text,) = (code for code in blocks(page, "toml") if "seed = 1\n" in code)
    assert "Every seed from 0 to 7 learns it." in page.read_text(encoding="utf-8")
    for seed in range(8):
        path = tmp_path / "task.toml"
        path.write_text(text.replace("seed = 1\n", f"seed = {seed}\n") + "steps = 60\n")
        assert train_setup(read_setup(path), tmp_path).summary["converged"], seed


def test_the_commands_of_all_pages_are_understood():
    wrong, understood = [], 0
    for page in PAGES:
        for command in (line for code in blocks(page, "sh") for line in code.splitlines()):
            words = shlex.split(command.partition("#")[0])
            if words[:1] not in (["mechlearn"], ["mpiexec"]):
                continue
            arguments = words[words.index("mechlearn") + 1 :]
            try:
                app.parse_args(arguments, exit_on_error=False, print_error=False)
                understood += 1
            except CycloptsError as error:
                wrong.append(f"{page.name}: {command}: {error}")
    assert wrong == []
    assert understood > 50


def test_every_name_of_the_glossary_exists():
    keys = {"learn": set()}
    for table in TABLES:
        if table.level == 1:
            parent = re.sub(r"\W|<.*>", "", table.head.partition(".")[0])
        for name in (parent, *re.findall(r'= "(\w+)"', table.head)):
            keys.setdefault(name, set()).update(key.name for key in table.keys)
    rows = re.findall(r"^\|.*\| (.*) \|$", (ROOT / "docs/glossary.md").read_text(), re.M)
    names = [name for row in rows for name in re.findall(r"`([^`]+)`", row)]
    assert len(names) > 60
    for name in names:
        table, _, key = name.partition(".")
        if table == "ml":
            *path, last = key.split(".")
            thing = functools.reduce(getattr, path, ml)
            fields = getattr(thing, "__annotations__", {})
            assert hasattr(thing, last) or last in fields, name
        else:
            assert key in keys[table], name


def test_the_gallery_is_what_its_script_writes(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import gallery

    assert gallery.page() == (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    drawn = {path.name for path in gallery.PICTURES.iterdir()}
    assert drawn == set(re.findall(r"gallery/([\w.]+)", gallery.page()))


def test_the_readme_is_read_in_five_minutes():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").split()) <= 900


# -- the site --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as ``make docs`` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-d", folder / "trees"]
    built = subprocess.run(
        [*command, ROOT / "docs", folder / "html"], capture_output=True, text=True, timeout=300
    )
    assert built.returncode == 0, built.stderr
    assert not built.stderr
    return folder / "html"


def test_pages_load_nothing_from_elsewhere(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    loads = re.compile(
        r'<(?:script|img|iframe|source|link)\b[^>]*(?:src|href)="((?:https?:)?//[^"]*)"'
    )
    for page in pages:
        found = loads.findall(page.read_text(encoding="utf-8"))
        assert not found, f"{page.name}: {found}"
    for style in site.rglob("*.css"):
        found = re.findall(r"(?:url\(|@import\s)\W*(?:https?:)?//[^)]*", style.read_text())
        assert not found, f"{style.name}: {found}"


def test_formulas_are_drawn_by_the_browser(site):
    page = (site / "theory.html").read_text(encoding="utf-8")
    assert page.count("<math") > 20
    assert "$" not in re.sub(r"<(script|style|pre)\b.*?</\1>", "", page, flags=re.DOTALL)


def test_every_command_is_on_its_page_as_it_is_written(site):
    page = (site / "generated" / "command-line.html").read_text(encoding="utf-8")
    said = re.findall(r"<pre>.*?</pre>", page, flags=re.DOTALL)
    usages = [" ".join(re.sub(r"<[^>]*>", "", text).split()) for text in said]
    commands = [name for name in app if not name.startswith("-")]
    assert len(usages) == len(commands) > 5
    for usage, command in zip(usages, commands, strict=True):
        assert re.fullmatch(rf"mechlearn {command}( (--)?[A-Za-z\[\].]+)+", usage), usage


def test_every_public_name_is_on_a_page(site):
    known = {
        name for page in (site / "generated" / "api").glob("*.html")
        for name in re.findall(r'id="(mechlearn\.[\w.]+)"', page.read_text(encoding="utf-8"))
    }  # fmt: skip
    # Modules that are offered by a shorter name are on their page by their own.
    data = ml.data.__name__
    names = {re.sub(r"^mechlearn\.data\b", data, f"mechlearn.{name}") for name, _ in public()}
    assert names - known == set()
