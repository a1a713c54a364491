"""Laws of one expression, and sums of elements."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, override

from numpy.typing import NDArray

from mechlearn.energies.element import PLUS, BondEnergy, Element
from mechlearn.energies.parameters import Parameter
from mechlearn.energies.tuples import TupleEnergy
from mechlearn.errors import InputError, failure, listed


def energy(
    function: Callable[..., Any] | None = None,
    *,
    of: type[BondEnergy] | str = "finite_spring",
    name: str | None = None,
    plural: str | None = None,
    internal: str | Sequence[str] = (),
) -> Any:
    """Element of a law that is one expression.

    ``Morse = ml.energy(lambda e, depth=1.0, width=1.0: depth * (1 - ufl.exp(-e / width)) ** 2)``,
    or a decorator of a function, after which the element is named.

    Parameters
    ----------
    function : callable
        Energy of a bond, in UFL, of its strains, in that order; of its length too, if there is one
        more argument, ``length``; and of constants, which are arguments with a default: a number,
        a function from a network to (m,) values, or a :class:`mechlearn.Parameter`. Each can
        learn, the first one unless others are named. A default above zero keeps its constant there.
    of : class of elements or str
        The element whose strains they are, and whose nodes have what state: ``e`` is the change of
        length of springs at any displacement unless given, that of small ones for
        ``of=ml.Spring``, a voltage for ``of=ml.Resistor``.
    name : str, optional
        The name in task files; that of a function by ``def``, or after ``of``, if left out.
    plural : str, optional
        Several of them in words; from the name if left out.
    internal : str or sequence of str
        Arguments, after the strains, that are unknowns of the bond itself, for which its energy is
        stationary: ``ml.energy(lambda e, h, k=1.0: k * (e - h)**2 / 2 + W(h), internal="h")`` is a
        spring in series with what has the energy ``W``. They are 0 at rest.

    Returns
    -------
    type of BondEnergy

    Raises
    ------
    InputError
        For other arguments, and expressions that are not in UFL.
    """
    if function is None:
        return lambda law: energy(law, of=of, name=name, plural=plural, internal=internal)
    base = _strained(of)
    label = function.__name__ if callable(function) and hasattr(function, "__name__") else "law"
    given = name or (label if label.isidentifier() else f"{base.name}_law")
    try:
        arguments = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(f"energy: {function!r} must be a function: {failure(error)}.") from None
    free = [a.name for a in arguments if a.default is a.empty]
    internal = (internal,) if isinstance(internal, str) else tuple(internal)
    known = (*base.strains, *internal)
    n = len(known)
    sized = free[n:] == ["length"]
    if tuple(free[n - len(internal) : n]) != internal:
        raise InputError(
            f"energy: internal = {internal!r} must be arguments of {given} without a default, "
            f"after the {listed(base.strains)} of {base.plural}."
        )
    if len(free) != n + sized or any(
        a.kind in (a.VAR_POSITIONAL, a.VAR_KEYWORD) for a in arguments
    ):
        raise InputError(
            f"energy: {given} takes {listed(free)} without a default; that must be the "
            f"{listed(known)} of {base.plural}, then length if it needs that. "
            "Constants have a default, as in k=1.0."
        )
    constants = tuple(_constant(a.name, a.default) for a in arguments if a.default is not a.empty)
    if not constants:
        raise InputError(f"energy: {given} has no constants, arguments with a default, to learn.")

    def expression(self: BondEnergy, **values: Any) -> Any:
        strains = [values.pop(strain) for strain in known]
        length = values.pop("length")
        return function(*strains, *[length] * sized, **values)

    members = {
        "name": given,
        "parameters": constants,
        "strains": known,
        "internal": (*base.internal, *internal),
        "energy": expression,
        "section": Element.section,  # that of the other's parameters
        "__doc__": inspect.getdoc(function) or f"{given}: a law of {base.plural}.",
        "__module__": function.__module__ or "__main__",
        "__qualname__": given,
    }
    made: Any = type(base)(given, (base,), members | ({"plural": plural} if plural else {}))
    made()  # refuses what is no law
    return made


def _strained(of: Any) -> Any:
    """Class of bonds of a name, class or object."""
    kind = of
    if isinstance(of, str):
        from mechlearn.energies import energies

        kind = energies.pick(of, "energy: of")
    kind = kind if isinstance(kind, type) else type(kind)
    if not issubclass(kind, BondEnergy):
        raise InputError(f"energy: of = {of!r} must be an element of bonds, such as ml.Spring.")
    return kind


def _constant(name: str, default: Any) -> Parameter:
    if isinstance(default, Parameter):
        return replace(default, name=name)
    number = not callable(default) and not isinstance(default, str)
    return Parameter(name, default, positive=not (number and default <= 0))


@dataclass(frozen=True)
class Sum(BondEnergy):
    """Elements between the same nodes, whose energies add up.

    Parts that read the same strain share it, and parameters of the bond, such as ``rest_length``.
    Its name is those of the parts joined by ``+``, as in ``model = "spring + morse"``.

    Parameters
    ----------
    elements : tuple of BondEnergy

    Raises
    ------
    InputError
        For parts whose states, segments or parameters do not go together.
    """

    elements: tuple[Element, ...]

    def __post_init__(self) -> None:
        parts = self._bonds
        first = parts[0]
        wide = max((p.kinematics for p in parts), key=lambda k: len(k.components(2)))
        parameters: dict[str, Parameter] = {}
        for part in parts:
            if not wide.includes(part.kinematics):
                raise InputError(
                    f"{self._label}: nodes of {part.plural} and of {parts[0].plural} have "
                    "different states; a sum is of elements between the same ones."
                )
            if part.segments != first.segments:
                raise InputError(
                    f"{self._label}: bonds are divided into {first.segments} and {part.segments} "
                    "elements; a sum needs the same number, such as segments = 1."
                )
        for each in self.elements:
            if not wide.includes(each.kinematics):
                raise InputError(f"{self._label}: {each.plural} need nodes that move.")
            for parameter in each.parameters:
                name = parameter.name
                if name in parameters and not (parameter.shared and parameters[name] == parameter):
                    raise InputError(
                        f"{self._label}: several parts have a parameter {name!r}; give that of one "
                        "another name, as in ml.energy(lambda e, other=1.0: ...)."
                    )
                parameters[name] = parameter
        others = tuple(each for each in self.elements if isinstance(each, TupleEnergy))
        strains = dict.fromkeys(name for names in self._names for name in names)
        internal = tuple(
            name
            for part, names in zip(parts, self._names, strict=True)
            for name in names[len(names) - len(part.internal) :]
        )
        vars(self).update(
            name=self._label,
            plural=" with ".join(
                [" in parallel with ".join(p.plural for p in parts), *(o.plural for o in others)]
            ),
            tuples=others,
            kinematics=wide,
            parameters=tuple(parameters.values()),
            stiffness_parameter=first.stiffness_parameter,
            dimension=next((p.dimension for p in self.elements if p.dimension), None),
            rigid_joints=any(p.rigid_joints for p in parts),
            strains=(*(name for name in strains if name not in internal), *internal),
            internal=internal,
            segments=first.segments,
        )

    @property
    @override
    def parts(self):
        return self.elements

    @property
    def _bonds(self) -> tuple[BondEnergy, ...]:
        return tuple(part for part in self.elements if isinstance(part, BondEnergy))

    @property
    def _label(self) -> str:
        return PLUS.join(part.name for part in self.elements)

    @property
    def _names(self) -> list[tuple[str, ...]]:
        """Names of the strains of every part in the sum."""
        names: list[tuple[str, ...]] = []
        for k, part in enumerate(self._bonds):
            n = len(part.strains) - len(part.internal)
            same = (
                own[:n]
                for other, own in zip(self._bonds[:k], names, strict=True)
                if type(other).strain is type(part).strain and other.settings == part.settings
            )
            taken = {name for own in names for name in own}
            suffix = f"_{k + 1}" if taken.intersection(part.strains) else ""
            fresh = tuple(name + suffix for name in part.strains)
            names.append(next(same, fresh[:n]) + fresh[n:])
        return names

    @property
    @override
    def linear(self) -> bool:
        return all(part.linear for part in self.elements)

    @override
    def in_dimension(self, dim):
        return Sum(tuple(part.in_dimension(dim) for part in self.elements))

    @override
    def strain(self, bond):
        made: dict[str, Any] = {}
        for part, names in zip(self._bonds, self._names, strict=True):
            strains = part.strain(bond)
            strains = strains if isinstance(strains, tuple) else (strains,)
            made |= dict(zip(names, strains, strict=False))
        return tuple(made.values())

    @override
    def energy(self, **values):
        total = 0
        for part, names in zip(self._bonds, self._names, strict=True):
            own = {name: values[name] for name in ("length", *(p.name for p in part.parameters))}
            own |= {name: values[known] for name, known in zip(part.strains, names, strict=True)}
            total += part.energy(**own)
        return total

    @override
    def section(self, values):
        return self._bonds[0].section(values) if len(self._bonds) == 1 else None

    @override
    def fibre_stress(self, values, through):
        return self._bonds[0].fibre_stress(values, through) if len(self._bonds) == 1 else None

    @override
    def prestresses(self, values, name=None):
        return self._any("prestresses", values, name)

    @override
    def stiffens(self, values, name):
        return self._any("stiffens", values, name)

    def _any(self, method: str, values: Mapping[str, NDArray], name: str | None) -> bool:
        """Answer of the bonds together, or any of the others, of what they have."""
        asked = [p for p in self.tuples if name in (None, *(q.name for q in p.parameters))]
        if any(getattr(part, method)(values, name) for part in asked):
            return True
        mine = name is None or name in {p.name for p in self.bond_parameters}
        return mine and getattr(super(), method)(values, name)

    @override
    def cautions(self, network, values):
        return [text for part in self.elements for text in part.cautions(network, values)]

    @override
    def completed(self, values):
        return {n: v for part in self.elements for n, v in part.completed(values).items()}

    @override
    def refusal(self, values):
        return next(filter(None, (part.refusal(values) for part in self.elements)), "")

    @override
    def setting_names(self) -> list[str]:
        return [name for part in self.elements for name in part.setting_names()]

    @property
    @override
    def settings(self) -> Mapping[str, Any]:
        return {name: value for part in self.elements for name, value in part.settings.items()}


def added(*elements: Any) -> Element:
    """Sum of elements or classes of them; raises InputError where they cannot be added."""
    made = [element() if isinstance(element, type) else element for element in elements]
    for element in made:
        if not isinstance(element, BondEnergy | TupleEnergy):
            what = element.plural if isinstance(element, Element) else repr(element)
            raise InputError(f"A sum is of elements that are bonds, which {what} are not.")
    parts = tuple(part for element in made for part in element.parts)
    if all(part.table != "edges" for part in parts):
        raise InputError(
            f"energy: {parts[0].plural} act beside bonds; add some, as in model = "
            f"'finite_spring + {parts[0].name}'."
        )
    return parts[0] if len(parts) == 1 else Sum(parts)
