"""Numbers in the tables of tasks, and keys of tables that are made from classes."""

import textwrap
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Lt
from pydantic import AfterValidator, Field, FiniteFloat, create_model

from mechlearn.attributes import LARGEST
from mechlearn.schema import KEYS, Table

#: Indentation in docstrings.
TAB = "    "


def _squarable(value: float) -> float:
    if abs(value) > LARGEST:
        raise ValueError(f"{value:g} is beyond {LARGEST:g}, whose square is hardly a number")
    return value


#: Numbers above 0, numbers that are not below 0, and parts of a whole.
Positive = Annotated[FiniteFloat, Gt(0)]
Size = Annotated[FiniteFloat, Ge(0)]
Part = Annotated[float, Ge(0), Lt(1)]
Finite = Annotated[float, Field(allow_inf_nan=False, strict=True), AfterValidator(_squarable)]
#: Tensors, row by row, of which some entries may be free.
Entry = Finite | Literal["free"]
Matrix = list[list[Entry]]


def keyed(base: type[Table], kinds: Iterable[Any]) -> Any:
    """Table with a key of its own for every quantity of those ``kinds``."""
    about, fields = list[str](), dict[str, Any]()
    for kind in kinds:
        typed: Any = list[Finite] if kind.vector else Finite | list[Finite]
        said = "list of float" if kind.vector else "float or list of float"
        if kind.tensor:
            typed, said = Matrix | list[Entry], 'rows of float or "free"'
        meaning = " ".join((kind.__doc__ or "").split())
        about.append(f"{kind.key} : {said}, optional")
        about.append(textwrap.fill(meaning, 96, initial_indent=TAB, subsequent_indent=TAB))
        fields[kind.key] = (typed | None, None)
    doc = f"{base.__name__}.{KEYS}" + "\n".join(about)
    return create_model(
        base.__name__, __base__=base, __module__=base.__module__, __doc__=doc, **fields
    )
