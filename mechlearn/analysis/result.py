"""Results of analyses, and their short form for prompts."""

from dataclasses import fields
from typing import Any

import numpy as np


class Result:
    """Labelled data of one analysis; its repr gives short values, and the shapes of long ones."""

    def __repr__(self) -> str:
        said = ", ".join(
            f"{field.name} {_short(getattr(self, field.name))}"
            for field in fields(self)  # type: ignore[arg-type]
        )
        return f"<{type(self).__name__}: {said}>"


def _short(value: Any) -> str:
    if isinstance(value, np.ndarray) and value.size > 6:
        return " x ".join(map(str, value.shape))
    if isinstance(value, np.ndarray):
        return np.array2string(value, precision=4, separator=", ").replace("\n", "")
    if isinstance(value, float):
        return f"{value:.4g}"
    text = repr(value)
    return text if len(text) <= 80 else f"({type(value).__name__})"
