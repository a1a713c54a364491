"""Optional dependencies, imported on first use."""

import importlib
from types import ModuleType

from mechlearn.errors import MechlearnError


def load(module: str, extra: str, purpose: str) -> ModuleType:
    """Import a module of an optional extra.

    Raises
    ------
    MechlearnError
        Where it cannot be loaded; says for what purpose it is needed, and how to install it.
    """
    try:
        return importlib.import_module(module)
    except (ImportError, OSError) as error:
        raise MechlearnError(
            f"{purpose} {module}, which cannot be loaded ({error}): install it with "
            f"pip install 'mechlearn[{extra}]'."
        ) from None
