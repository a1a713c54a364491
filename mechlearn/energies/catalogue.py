"""Laws of bonds at any displacement: cubic, cables, contacts, piecewise, bistable, Morse, Bezier.

Each is an energy of ``x``, the length less the rest length, in one expression; all constants learn.
``[energy] model = "law"`` with ``law = "cubic"`` is the same as ``model = "cubic_law"``.
"""

from typing import Any

from mechlearn.energies.bezier import Bezier
from mechlearn.energies.laws import energy
from mechlearn.energies.parameters import REST_LENGTH, Parameter
from mechlearn.energies.spring import FiniteSpring

STIFFNESS = Parameter("stiffness", about="Force per change of length, where the law is straight.")
CABLE_STIFFNESS = Parameter("cable_stiffness", about="Force per change of length of a tight cable.")
CONTACT_STIFFNESS = Parameter("contact_stiffness", about="Force per approach of a closed contact.")
QUADRATIC = Parameter(
    "quadratic", 0.0, positive=False, about="Force per square of the change of length."
)
CUBIC = Parameter("cubic", 0.0, positive=False, about="Force per cube of the change of length.")
GAP = Parameter("gap", 0.0, positive=False, about="Approach at which it begins to push.")
KNEE = Parameter(
    "knee", 0.1, positive=False, about="Change of length at which the stiffness is another."
)
BEYOND = Parameter(
    "beyond", 0.5, positive=False, about="Stiffness beyond the knee, of either sign."
)
SNAP = Parameter(
    "snap", 0.5, positive=False, about="Change of length from the first at rest to the second."
)
BARRIER = Parameter("barrier", about="Energy between its two lengths at rest.")
DEPTH = Parameter("depth", about="Energy that breaks it.")
DECAY = Parameter("decay", 0.2, about="Change of length over which its force decays.")


def cubic(
    e: Any,
    length: Any,
    stiffness: Any = STIFFNESS,
    quadratic: Any = QUADRATIC,
    cubic: Any = CUBIC,
    rest_length: Any = REST_LENGTH,
) -> Any:
    """Hardening or softening springs, of force ``stiffness x + quadratic x^2 + cubic x^3``."""
    x = e + length - rest_length
    return stiffness * x**2 / 2 + quadratic * x**3 / 3 + cubic * x**4 / 4


def cable(
    e: Any, length: Any, cable_stiffness: Any = CABLE_STIFFNESS, rest_length: Any = REST_LENGTH
) -> Any:
    """Cables: springs in tension, without force in compression."""
    from mechlearn.fenics import ufl

    x = e + length - rest_length
    return ufl.conditional(ufl.ge(x, 0), cable_stiffness * x**2 / 2, 0)


def contact(
    e: Any,
    length: Any,
    contact_stiffness: Any = CONTACT_STIFFNESS,
    gap: Any = GAP,
    rest_length: Any = REST_LENGTH,
) -> Any:
    """Contacts: springs in compression from a gap on, without force in tension."""
    from mechlearn.fenics import ufl

    x = e + length - rest_length + gap
    return ufl.conditional(ufl.le(x, 0), contact_stiffness * x**2 / 2, 0)


def piecewise(
    e: Any,
    length: Any,
    stiffness: Any = STIFFNESS,
    knee: Any = KNEE,
    beyond: Any = BEYOND,
    rest_length: Any = REST_LENGTH,
) -> Any:
    """Springs of two stiffnesses, on this side of a knee and beyond."""
    from mechlearn.fenics import ufl

    x = e + length - rest_length
    more = (beyond - stiffness) * (x - knee) ** 2 / 2
    above, below = (ufl.conditional(over, more, 0) for over in (ufl.gt(x, knee), ufl.lt(x, knee)))
    return stiffness * x**2 / 2 + ufl.conditional(ufl.ge(knee, 0), above, below)


def bistable(
    e: Any, length: Any, barrier: Any = BARRIER, snap: Any = SNAP, rest_length: Any = REST_LENGTH
) -> Any:
    """Bistable springs, whose quartic energy has two wells."""
    x = e + length - rest_length
    return 16 * barrier * (x * (x - snap) / snap**2) ** 2


def morse(
    e: Any, length: Any, depth: Any = DEPTH, decay: Any = DECAY, rest_length: Any = REST_LENGTH
) -> Any:
    """Morse bonds, which soften in tension, and break."""
    from mechlearn.fenics import ufl

    x = e + length - rest_length
    return depth * (1 - ufl.exp(-x / decay)) ** 2


#: End of the names of laws as models, after those that ``law`` takes.
LAW = "_law"
Cubic, Cable, Contact, Piecewise, Bistable, Morse = OF_LENGTH = tuple(
    energy(law, of=FiniteSpring, name=f"{law.__name__}{LAW}", plural=plural)
    for law, plural in (
        (cubic, "springs with a cubic law"),
        (cable, "cables"),
        (contact, "contacts"),
        (piecewise, "springs of two stiffnesses"),
        (bistable, "bistable springs"),
        (morse, "Morse bonds"),
    )
)
#: All laws.
LAWS = (*OF_LENGTH, Bezier)
