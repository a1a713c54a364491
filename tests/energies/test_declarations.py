"""Declarations of elements, derived from their energy or compared with it when they are made."""

import math
from dataclasses import dataclass

import numpy as np
import pytest
import ufl

import mechlearn as ml
from mechlearn.energies import energies
from mechlearn.energies.declarations import is_linear

CUBIC = (*ml.Spring.parameters, ml.Parameter("cubic", about="Force per cube of the extension."))


def quartic(self, strain, length, stiffness, rest_length, cubic):
    return stiffness * strain**2 / 2 + cubic * strain**4 / 4


def law(expression):
    """Method of an energy of linear springs, ``expression`` a function of strain and stiffness."""
    return lambda self, strain, length, stiffness, rest_length: expression(strain, stiffness)


def element(base=ml.Spring, **declared):
    return type("Own", (base,), {"name": "own", **declared})()


@pytest.mark.parametrize("name", [n for n, e in energies.items() if e.table == "edges"])
@pytest.mark.parametrize("dim", [2, 3])
def test_elements_of_mechlearn_are_as_linear_as_their_energies(name, dim):
    made = energies[name]()
    if made.continuum or made.dimension not in (None, dim, *(made.forms or {})):
        return
    made = made.in_dimension(dim) if dim in (made.dimension, *made.forms) else made
    assert is_linear(made) == made.linear


def test_an_energy_of_fourth_degree_is_not_linear_and_refused_where_it_says_so():
    assert not element(parameters=CUBIC, energy=quartic).linear
    with pytest.raises(
        ml.InputError,
        match=r"element own: linear = True, but the term cubic \* strain \*\* 4 / 4 of its energy "
        r"is not quadratic in strain\.$",
    ):
        element(parameters=CUBIC, energy=quartic, linear=True)


@pytest.mark.parametrize(
    "expression",
    [
        lambda e, k: ufl.conditional(ufl.gt(e, 0), k * e**2 / 2, 0),
        lambda e, k: k * ufl.max_value(e, 0) ** 2,
        lambda e, k: k * abs(e) * e,
        lambda e, k: k * (ufl.cosh(e) - 1),
        lambda e, k: k * e**2 + 1e-6 * k * e**3,
        lambda e, k: k * e**2 / (1 + e**2),
        lambda e, k: k * e**2.5,
    ],
    ids=["tension only", "kink", "sign", "cosh", "weak", "quotient", "power"],
)
def test_laws_that_are_not_quadratic_are_refused_as_linear(expression):
    """In kinks, too, whose third derivative vanishes at all points but one."""
    assert not element(energy=law(expression)).linear
    with pytest.raises(ml.InputError, match="is not quadratic in strain"):
        element(energy=law(expression), linear=True)


@pytest.mark.parametrize(
    "expression",
    [
        lambda e, k: k * ufl.sqrt((1 + e**2) ** 2) / 2,
        lambda e, k: k * ((e**3 + e) / (e**2 + 1) * e - 1e3 * e + 7),
        lambda e, k: k * ((e + 1e3) ** 4 - (e**2 + 2e3 * e + 1e6) ** 2 + e**2),
    ],
    ids=["root", "quotient", "cancelled"],
)
def test_rounding_refuses_no_law_that_is_quadratic(expression):
    assert element(energy=law(expression), linear=True).linear


def test_strains_at_finite_displacement_are_refused_as_linear():
    with pytest.raises(ml.InputError, match=r"linear = True, but the term .* of its strain is not"):
        element(ml.FiniteSpring, linear=True)


@pytest.mark.parametrize("base", [ml.Beam, ml.Spring])
def test_linear_elements_are_not_divided(base):
    """Energies by the strain of a whole bond would not be those of its elements."""
    with pytest.raises(ml.InputError, match="element own: segments = 3 must be 1, as it is linear"):
        element(base, segments=3)


def test_laws_of_linear_springs_take_over_no_claim_of_them():
    assert element().linear
    assert element(energy=law(lambda e, k: k * e**2)).linear
    assert not element(energy=law(lambda e, k: k * e**4)).linear
    first_order = element(
        ml.FiniteSpring, strain=lambda self, bond: bond.dot(bond.direction, bond.jump)
    )
    assert first_order.linear


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"name": 3}, "name = 3 must be a text"),
        ({"name": "a+b"}, r"name = 'a\+b' must be a text without \+"),
        ({"kinematics": "space"}, "kinematics = 'space' must be what a node's state is"),
        ({"parameters": ()}, r"parameters = \(\) must be a tuple of ml.Parameter"),
        ({"parameters": ("k",)}, r"parameters = \('k',\) must be a tuple of ml.Parameter"),
        ({"parameters": (ml.Parameter("length"),)}, "'length' means something else already"),
        ({"parameters": (*CUBIC, CUBIC[0])}, "'stiffness' means something else already"),
        ({"strains": "strain"}, "strains = 'strain' must be names in a tuple"),
        ({"dimension": 4}, "dimension = 4 must be 2, 3 or None"),
        ({"stiffness_parameter": "k"}, "'k' is none of its parameters, stiffness and rest_length"),
        ({"parameters": CUBIC}, "its energy cannot be computed .*TypeError: .*'cubic'"),
        ({"energy": lambda self, **at: ufl.bessel_K(1, at["strain"])}, "may not use UFL's BesselK"),
        ({"energy": law(lambda e, k: k)}, "its energy does not depend on strain"),
        ({"strain": lambda self, bond: (bond.jump[0],) * 2}, "strain gives 2 numbers for strain"),
        ({"strain": lambda self, bond: bond.length}, "strain is 1.25 where nothing has moved"),
        ({"strain": lambda self, bond: bond.jmp}, "its strain cannot be computed .*AttributeError"),
        ({"removal": ("rest_length",)}, r"removal = \('rest_length',\) must be parameters without"),
        ({"removal": ("width",)}, r"removal = \('width',\) must be parameters without which"),
        ({"section": lambda self, values: 3.0}, "section = 3.0 must be an ml.Section, or None"),
        ({"section": lambda self, values: values["width"]}, "its section cannot be .*KeyError"),
    ],
)
def test_declarations_that_contradict_each_other_are_refused_when_made(declared, message):
    with pytest.raises(ml.InputError, match=f"element .*: .*{message}"):
        element(**declared)


def test_settings_that_may_change_are_refused():
    @dataclass
    class Own(ml.BondEnergy):
        power: int = 2
        name = "own"
        kinematics, parameters = ml.Spring.kinematics, ml.Spring.parameters
        strain, energy = ml.Spring.strain, ml.Spring.energy

    with pytest.raises(ml.InputError, match=r"element own: a dataclass must be @dataclass\(frozen"):
        Own()


@pytest.mark.parametrize("power", [2, 4])
def test_linearity_may_depend_on_a_setting(power):
    @dataclass(frozen=True)
    class Own(ml.Spring):
        power: int = 2
        name = "own"

        def energy(self, strain, length, stiffness, rest_length):
            return stiffness * strain**self.power

    assert Own(power=power).linear == (power == 2)


def test_strains_of_the_plane_are_refused_in_space():
    def strain(self, bond):
        (normal,) = bond.normals
        return bond.dot(normal, bond.jump)

    plane = element(strain=strain)
    with pytest.raises(ml.InputError, match=r"own: its strain cannot be computed .*ValueErr"):
        plane.in_dimension(3)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"name": "a b"}, "parameter 'a b': its name must be a word"),
        ({"about": lambda net: 1.0}, "about = .* must be a text, its meaning"),
        ({"default": -1.0}, "default = -1.0 is not above 0; give positive=False"),
        ({"default": "1"}, "default = '1' must be a number, or a function"),
        ({"default": np.nan}, "default = nan must be a number"),
        ({"scale": "lin"}, "scale = 'lin' must be linear or log"),
        ({"positive": False, "scale": "log"}, "scale = 'log' must be linear, as it may be zero"),
    ],
)
def test_parameters_are_checked_when_made(declared, message):
    with pytest.raises(ml.InputError, match=message):
        ml.Parameter(**{"name": "k", **declared})


def test_a_false_claim_is_refused_wherever_an_element_is_taken():
    net = ml.networks.packing(nodes=16, seed=3)
    a, b = net.edges[[0, 9]].tolist()
    task = ml.Task(
        sources=[ml.Source(nodes=a, strain=0.1)], targets=[ml.Target(nodes=b, strain=0.02)]
    )
    own = type("Own", (ml.Spring,), {"name": "own", "energy": law(lambda e, k: k * e**4)})
    own.linear = True
    with pytest.raises(ml.InputError, match="element own: linear = True"):
        ml.train(net, task, energy=own, steps=1)


LAWS = {
    "numpy": (lambda e, k: k * np.exp(e), r"TypeError: .*, line \d+ of test_declarations.py"),
    "math": (lambda e, k: k * math.exp(e), "as an expression of UFL"),
    "numpy's where": (
        lambda e, k: np.where(e > 0, k, 2 * k) * e**2,
        "cannot be computed as an expression of UFL",
    ),
    "python's if": (lambda e, k: k * e**2 if e > 0 else k * e, "cannot be evaluated as bool"),
    "nothing": (lambda e, k: None, "as an expression of UFL"),
    "fails": (lambda e, k: 1 / 0, "ZeroDivisionError"),
    "vector": (lambda e, k: ufl.as_vector([e, k]), r"shape \(2,\) must be a scalar"),
    "a number": (lambda e, k: 1.0, "does not depend on strain"),
    "no parameter": (lambda e, k: e**2 / 2, "does not depend on stiffness"),
    "nan": (lambda e, k: k * e**2 * float("nan"), "no finite derivatives at strain 0"),
    "logarithm": (lambda e, k: k * ufl.ln(e), "no finite derivatives at strain 0"),
    "root": (lambda e, k: k * ufl.sqrt(e), "no finite derivatives at strain 0"),
    "force": (lambda e, k: k * e, "no second derivative by strain"),
    "cusp": (lambda e, k: k * abs(e), "no second derivative by strain"),
}


@pytest.mark.parametrize("kind", [ml.Spring, ml.FiniteSpring])
@pytest.mark.parametrize("name", LAWS)
def test_laws_that_are_none(kind, name):
    expression, message = LAWS[name]
    with pytest.raises(ml.InputError, match=f"^element own: .*{message}"):
        element(kind, energy=law(expression))


def test_a_linear_element_is_stiff():
    for factor in (-1.0, 0.0):
        with pytest.raises(ml.InputError, match=r"needs one above 0|no second deriv"):
            element(energy=law(lambda e, k, f=factor: f * k * e**2 / 2 + k * e))


@pytest.mark.parametrize("name", ["self", "network", "energy", "error", "step", "model", "output"])
def test_a_parameter_may_not_have_the_name_of_something_else(name):
    with pytest.raises(ml.InputError, match=f"the name of its parameter '{name}' means something"):
        element(
            parameters=(ml.Parameter(name),),
            energy=lambda self, strain, **values: values[name] * strain**2 / 2,
        )


def test_a_network_without_stiffness_at_rest_says_so(plane):
    """A law of fourth order is none's fault of units."""
    task = ml.Task(
        sources=[ml.Source(nodes=plane.edges[0].tolist(), strain=0.1)],
        targets=[ml.Target(nodes=plane.edges[9].tolist(), strain=0.1)],
    )
    soft = element(ml.FiniteSpring, energy=law(lambda e, k: k * e**4))
    with pytest.raises(ml.SolveError, match="mean stiffness of elements where nothing has moved"):
        ml.train(plane, task, energy=soft, steps=1)


@pytest.mark.parametrize(
    ("default", "message"),
    [
        (lambda net: 1 / 0, "cannot be computed .ZeroDivisionError: .*, line"),
        (lambda net: np.ones(3), "cannot be computed .ValueError: .*; it must be .*: bonds"),
        (lambda net: None, "is nan at"),
        (lambda net: net.lengths * np.nan, r"is nan at \[0\] .bonds."),
        (lambda net: -net.lengths, "is -.* at a bond; it must be above 0"),
    ],
)
def test_a_default_that_is_none_says_so(plane, default, message):
    own = ml.Parameter("stiffness", default)
    with pytest.raises(ml.InputError, match=f"parameter 'stiffness': its default {message}"):
        own.default(plane)
