"""Properties of elements that follow from their energy, and checks of those that are declared."""

from collections.abc import Callable
from functools import cache, partial
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.beam import Section
from mechlearn.energies.derivatives import Pointwise, strains_of
from mechlearn.energies.element import BondEnergy
from mechlearn.energies.kinematics import Kinematics
from mechlearn.energies.parameters import Parameter
from mechlearn.errors import InputError, called, listed

#: Names that files, records of trainings and functions of states have for something else.
RESERVED = (
    "length", "model", "self", "network", "task", "energy", "learns", "check", "cut", "comm",
    "step", "snapshot", "example", "target", "bond", "error", "cost", "contrast", "output",
)  # fmt: skip
#: Relative size of what is no rounding.
VISIBLE = 1e-9
#: Sets of random values that energies are evaluated at, and strains for each.
DRAWS, STRAINS = 32, 6


@cache
def is_linear(energy: BondEnergy) -> bool:
    """True if strains are linear in the state and the energy quadratic in them, by their form."""
    if energy.internal:
        return False  # Newton's method finds them
    dim = energy.dimension or 2
    state = _state(energy, dim)
    straight = all(strain.degree(*state) <= 1 for strain in _strains(energy, dim))
    return straight and energy.derivative().degree(*energy.strains) <= 2


@cache
def removal(energy: BondEnergy) -> tuple[str, ...]:
    """The fewest parameters without which the energy vanishes at any strain.

    None with internal unknowns, which nothing would hold then.
    """
    if energy.internal:
        return ()
    names = [p.name for p in energy.bond_parameters]
    gone: list[str] = []
    for name in sorted(names, key=energy.stiffness_parameter.__ne__):
        if np.isfinite(_without(energy, [*gone, name])).all():
            gone.append(name)
        if not _without(energy, gone).any():
            break
    else:
        return ()
    for name in gone[::-1]:
        others = [n for n in gone if n != name]
        if not _without(energy, others).any():
            gone = others
    return tuple(gone)


def _without(energy: BondEnergy, gone: list[str]) -> NDArray[np.float64]:
    """Energies at random values, some parameters zero."""
    at = _random(energy, np.random.default_rng(0)) | dict.fromkeys(gone, np.zeros(DRAWS))
    with np.errstate(all="ignore"):
        return energy.derivative()(**at) * np.ones(DRAWS)


def _random(energy: BondEnergy, rng: np.random.Generator) -> dict[str, NDArray[np.float64]]:
    names = (*energy.strains, "length", *(p.name for p in energy.bond_parameters))
    at = {name: rng.uniform(0.5, 2.0, DRAWS) for name in names}
    sign = np.resize([1.0, -0.4], DRAWS)  # a law may know tension or compression alone
    return at | {name: at[name] * sign for name in energy.strains}


def _state(energy: BondEnergy, dim: int) -> list[str]:
    """Names of the components of the relative displacement, relative turn and mean rotation."""
    r = energy.kinematics.rotations(dim)
    counts = {"jump": len(energy.kinematics.components(dim)) - r, "turn": r, "rotation": r}
    return [f"{what}_{k}" for what, count in counts.items() for k in range(count)]


def _strains(energy: BondEnergy, dim: int) -> list[Pointwise]:
    """Strains of a bond as functions of its state and length."""
    names = _state(energy, dim)

    def made(length: Any, **state: Any) -> tuple[Any, ...]:
        parts = ("jump", "turn", "rotation")
        motion = [[x for n, x in state.items() if n.startswith(f"{p}_")] for p in parts]
        return strains_of(energy, length, motion)

    def one(k: int, **values: Any) -> Any:
        found = made(**values)
        if len(found) != len(energy.strains):
            raise InputError(f"strain gives {len(found)} numbers for {listed(energy.strains)}.")
        return found[k]

    numbers = range(len(energy.strains))
    return [Pointwise(partial(one, k), [*names, "length"]) for k in numbers]


# -- checks ----------------------------------------------------------------------------------------


def check(energy: BondEnergy, dim: int) -> None:
    """Compare what an element declares with its strain and energy.

    Raises
    ------
    InputError
        For declarations that contradict each other, or the energy.
    """
    if type(energy).__hash__ is None:
        raise InputError(
            f"element {energy.name}: a dataclass must be @dataclass(frozen=True) here, as what "
            "follows from an element is computed once."
        )
    _check(energy, dim)


@cache
def _check(energy: BondEnergy, dim: int) -> None:
    kind = type(energy).__name__
    for test in (_names, _energy, _strain, _linear, _stiffness, _removal, _section):
        try:
            test(energy, dim)
        except InputError as error:
            raise InputError(f"element {getattr(energy, 'name', kind)}: {error}") from None


def _names(energy: BondEnergy, dim: int) -> None:
    kinds: dict[str, tuple[str, Callable[[Any], Any]]] = {
        "name": ("a text without +", lambda x: isinstance(x, str) and "+" not in x),
        "kinematics": (
            "what a node's state is, such as ml.Spring.kinematics",
            lambda x: isinstance(x, Kinematics),
        ),
        "parameters": (
            "a tuple of ml.Parameter, at least one",
            lambda x: isinstance(x, tuple) and x and all(isinstance(p, Parameter) for p in x),
        ),
        "strains": ("names in a tuple, at least one", lambda x: isinstance(x, tuple) and bool(x)),
        "dimension": ("2, 3 or None", (None, 2, 3).__contains__),
        "segments": ("a number from 1", lambda x: isinstance(x, int) and x >= 1),
    }
    for name, (about, good) in kinds.items():
        value = getattr(energy, name, None)
        if not good(value):
            raise InputError(f"{name} = {value!r} must be {about}.")
    names = [p.name for p in energy.bond_parameters]
    taken = [*RESERVED, *energy.strains, *energy.setting_names()]
    twice = [name for name in names if name in taken or names.count(name) > 1]
    if twice:
        raise InputError(f"the name of its parameter {twice[0]!r} means something else already.")
    if energy.stiffness_parameter not in names:
        raise InputError(
            f"stiffness_parameter = {energy.stiffness_parameter!r} is none of its parameters, "
            f"{listed(names)}."
        )


def _energy(energy: BondEnergy, dim: int) -> None:
    form, names = _evaluated("energy", energy.derivative), energy.strains
    for each in (names, (energy.stiffness_parameter,)):
        if not form.degree(*each):
            raise InputError(f"its energy does not depend on {listed(each)}.")


def _strain(energy: BondEnergy, dim: int) -> None:
    strains = _evaluated("strain", lambda: _strains(energy, dim))
    state = dict.fromkeys(_state(energy, dim), 0.0)
    for name, strain in zip(energy.strains, strains, strict=True):
        with np.errstate(all="ignore"):
            rest = float(strain(length=1.25, **state))
        if not abs(rest) < VISIBLE:
            raise InputError(
                f"its {name} is {rest:g} where nothing has moved; it must be 0 there, a change "
                "from the reference configuration."
            )


def _evaluated[T](method: str, make: Callable[[], T]) -> T:
    """Symbolic form of a method of users; raises InputError where it fails."""
    return called(
        make, f"its {method} cannot be computed as an expression of UFL, with functions of ufl"
    )


def _linear(energy: BondEnergy, dim: int) -> None:
    if energy.linear and energy.segments > 1:  # strains of a bond would be those of its chord
        raise InputError(
            f"segments = {energy.segments} must be 1, as it is linear; segments are for strains at "
            "finite displacement."
        )
    if not energy.linear or is_linear(energy):
        return
    rng, state = np.random.default_rng(0), _state(energy, dim)
    length = rng.uniform(0.5, 2.0, DRAWS)
    for name, strain in zip(energy.strains, _strains(energy, dim), strict=True):
        one, two = ({c: _spread(rng, DRAWS) for c in state} for _ in range(2))
        moved = [one, two, {c: one[c] + two[c] for c in state}]
        with np.errstate(all="ignore"):
            first, second, both = (np.ones(DRAWS) * strain(length=length, **at) for at in moved)
        sizes = np.abs(first) + np.abs(second)
        if strain.degree(*state) > 1 and _differ(both, first + second, sizes):
            raise InputError(
                f"linear = True, but the term {strain.summand(*state)} of its {name} is not "
                "linear in the state."
            )
    at = _random(energy, rng) | {name: _spread(rng, STRAINS, 1) for name in energy.strains}
    for pair in combinations_with_replacement(energy.strains, 2):
        with np.errstate(all="ignore"):
            moduli = np.ones((STRAINS, DRAWS)) * energy.derivative(*pair)(**at)
        known = moduli[:, np.isfinite(moduli).any(axis=0)]  # at parameters that make sense
        if _differ(known, known[:1], np.abs(known).max(axis=0)):
            term = energy.derivative().summand(*energy.strains)
            raise InputError(
                f"linear = True, but the term {term} of its energy is not quadratic in "
                f"{listed(energy.strains)}."
            )


def _stiffness(energy: BondEnergy, dim: int) -> None:
    """Refuse an energy that resists no strain, or has no stiffness where nothing has moved."""
    names = energy.strains
    rng = np.random.default_rng(0)
    at = _random(energy, rng)
    moved = at | {name: _spread(rng, DRAWS) for name in names}
    rest = at | dict.fromkeys(names, np.zeros(DRAWS))
    pairs = [[energy.derivative(a, b) for a in names] for b in names]
    with np.errstate(all="ignore"):
        tensions = np.array([np.ones(DRAWS) * energy.derivative(a)(**rest) for a in names])
        moduli, others = (
            np.array([[np.ones(DRAWS) * f(**values) for f in row] for row in pairs])
            for values in (rest, moved)
        )
    if not others.any():
        raise InputError(
            f"its energy has no second derivative by {listed(names)}, so that nothing is stiff."
        )
    good = np.isfinite(tensions).all(axis=0) & np.isfinite(moduli).all(axis=(0, 1))
    if not good.any():
        raise InputError(
            f"its energy has no finite derivatives at {listed(names)} 0, where nothing has moved."
        )
    lowest = np.linalg.eigvalsh(np.moveaxis(moduli[..., good], -1, 0))
    if energy.linear and not (lowest[:, 0] > -VISIBLE * lowest[:, -1]).any():
        raise InputError(
            f"its stiffness is {lowest[0, 0]:g}; a linear element needs one above 0, the second "
            f"derivative of its energy by its {listed(names)}."
        )


def _spread(rng: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    """Random numbers of both signs over four decades."""
    return rng.permuted(np.resize([-1.0, 1.0], shape), axis=0) * 10 ** rng.uniform(-3, 1, shape)


def _differ(one: NDArray, other: NDArray, sizes: NDArray) -> bool:
    """True if numbers differ by more than rounding, or are not finite."""
    return not np.all(np.abs(one - other) <= VISIBLE * sizes)


def _removal(energy: BondEnergy, dim: int) -> None:
    names = list(energy.removal)
    unknown = set(names) - {p.name for p in energy.bond_parameters}
    if unknown or (names and _without(energy, names).any()):
        raise InputError(
            f"removal = {tuple(names)} must be parameters without which its energy is 0."
        )


def _section(energy: BondEnergy, dim: int) -> None:
    values = _random(energy, np.random.default_rng(0))
    found = called(energy.section, "its section cannot be computed", values)
    if found is not None and not isinstance(found, Section):
        raise InputError(f"section = {found!r} must be an ml.Section, or None.")
