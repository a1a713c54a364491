"""Lines of code of the package: no blanks, no comments, no docstrings.

python scripts/lines.py               by folder, and in all
python scripts/lines.py OTHER_TREE    the same of another checkout, for comparison
"""

import ast
import io
import sys
import tokenize
from collections import Counter
from pathlib import Path

LAYOUT = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip
DOCUMENTED = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def code_lines(text: str) -> int:
    """Number of lines of a source text that hold code."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type not in LAYOUT:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, DOCUMENTED) and ast.get_docstring(node, clean=False) is not None:
            lines.difference_update(range(node.body[0].lineno, node.body[0].end_lineno + 1))
    return len(lines)


def main(tree: Path) -> None:
    """Print the lines of every folder of a checkout's package."""
    package, counts = tree / "mechlearn", Counter()
    for file in sorted(package.rglob("*.py")):
        parts = file.relative_to(package).parts
        counts[parts[0] if len(parts) > 1 else "(top level)"] += code_lines(file.read_text())
    for folder, count in counts.most_common():
        print(f"{count:7,}  {folder}")
    print(f"{counts.total():7,}  in all")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[1]))
