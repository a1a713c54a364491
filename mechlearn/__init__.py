"""mechlearn: mechanical networks that learn a response by local rules.

``import mechlearn as ml`` gives the names in ``__init__.pyi``, each loaded when it is first used:
reading a task does not wait for DOLFINx.
"""

import ast
from importlib import import_module
from pathlib import Path
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    alias.name: str(node.module)
    for node in ast.parse(Path(__file__).with_suffix(".pyi").read_text(encoding="utf-8")).body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mechlearn' has no attribute {name!r}")
    home = _HOMES[name]
    module = import_module(home)
    if home == f"{__name__}.{name}":  # named as its function, and callable as that
        return module
    return vars(module).get(name) or import_module(f"{home}.{name}")


def __dir__() -> list[str]:
    return __all__
