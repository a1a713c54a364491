"""Docstrings and names: noun phrases in terms of mechanics, numerics and machine learning."""

import ast
import re
from collections.abc import Iterator

from paths import ROOT

#: Relative clauses in place of a noun phrase.
OPENINGS = {
    "How", "If", "That", "Those", "What", "When", "Where", "Whether", "Which", "Who",
    "Whose", "Why",
}  # fmt: skip
#: Metaphors for which the field has a term, as regular expressions of whole words.
METAPHORS = (
    "doubts?|felt|feels?|flaws?|grips?|homes?|slack|softly|spoils?|strangers?|tolls?|topples?|toppled"
    "|nobody|somebody"
)


def documented(folder: str = "mechlearn") -> Iterator[tuple[str, str, str]]:
    """Place, name and docstring of every module, class and function of the package or the tests."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        place = str(path.relative_to(ROOT / folder))
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Module):
                yield place, path.stem, ast.get_docstring(node) or ""
            elif isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{place}:{node.lineno}", node.name, ast.get_docstring(node) or ""


def test_docstrings_open_with_no_relative_clause():
    found = [*documented(), *documented("tests")]
    assert len(found) > 900
    wrong = {place: text for place, _, text in found if text.split(" ")[0] in OPENINGS}
    assert wrong == {}


def test_names_and_docstrings_have_no_metaphors():
    word = re.compile(rf"\b({METAPHORS})\b", re.IGNORECASE)
    wrong = {}
    for place, name, text in documented():
        parts = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).replace("_", " ")
        if met := word.findall(f"{parts} {text.splitlines()[0] if text else ''}"):
            wrong[place] = met
    assert wrong == {}
