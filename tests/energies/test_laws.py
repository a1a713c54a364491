"""Laws of elements from all scalar functions of UFL, in NumPy and in finite elements."""

from itertools import pairwise

import numpy as np
import pytest
import ufl
from reference import minimise_finite

import mechlearn as ml
from mechlearn.energies.derivatives import Pointwise
from mechlearn.errors import InputError

#: Smooth where they are tried, of a value between 0.3 and 0.7.
FUNCTIONS = {
    "sqrt": ufl.sqrt,
    "exp": ufl.exp,
    "ln": ufl.ln,
    "sin": ufl.sin,
    "cos": ufl.cos,
    "tan": ufl.tan,
    "asin": ufl.asin,
    "acos": ufl.acos,
    "atan": ufl.atan,
    "atan2": lambda x: ufl.atan2(x, 2),
    "sinh": ufl.sinh,
    "cosh": ufl.cosh,
    "tanh": ufl.tanh,
    "erf": ufl.erf,
    "bessel_J": lambda x: ufl.bessel_J(1, x),
    "bessel_Y": lambda x: ufl.bessel_Y(0, x),
    "abs": lambda x: abs(x - 0.5) * x,
    "sign": lambda x: ufl.sign(x - 0.5) * x**3,
    "conditional": lambda x: ufl.conditional(
        ufl.And(ufl.gt(x, 0.4), ufl.Not(ufl.ge(x, 0.6))), x**3, x**2
    ),
    "equal": lambda x: ufl.conditional(ufl.Or(ufl.eq(x, 0.3), ufl.ne(x, x)), x, x**4),
    "max_value": lambda x: ufl.max_value(x, 0.5) ** 3,
    "min_value": lambda x: ufl.min_value(x, 0.5) ** 3,
    "real power": lambda x: x**2.5,
    "power of itself": lambda x: x**x,
    "quotient": lambda x: (1 - x) / (1 + x),
    "vectors": lambda x: ufl.dot(ufl.as_vector([x, x**2]), ufl.as_vector([x, 1])),
}


@pytest.fixture(params=FUNCTIONS)
def function(request):
    return FUNCTIONS[request.param]


def test_functions_of_ufl_have_the_slopes_of_their_values(function):
    x, h = np.array([0.32, 0.45, 0.68]), 1e-5
    derivatives = [Pointwise(lambda x: function(x), ["x"], ["x"] * n) for n in range(4)]
    for lower, higher in pairwise(derivatives):
        high, low = (np.broadcast_to(lower(x=x + s * h), 3) for s in (1, -1))
        slope = (high - low) / (2 * h)
        found = np.broadcast_to(higher(x=x), 3)
        assert found == pytest.approx(slope, rel=1e-7, abs=1e-7 * max(1, np.abs(slope).max()))
        assert np.broadcast_to(higher.given({"x": x})({}), 3) == pytest.approx(found, rel=1e-14)


def test_what_numpy_does_not_know_is_refused_in_a_sentence():
    with pytest.raises(InputError, match="may not use UFL's BesselK; its scalar functions"):
        Pointwise(lambda x: ufl.bessel_K(1, x), ["x"])


class StiffeningSpring(ml.FiniteSpring):
    name = "stiffening"
    parameters = (*ml.FiniteSpring.parameters, ml.Parameter("cubic", 1000.0))

    def energy(self, strain, length, stiffness, rest_length, cubic):
        return stiffness * strain**2 / 2 + cubic * strain**4 / 4


@pytest.mark.parametrize("learned", ["stiffness", "cubic"])
def test_a_stiffening_spring_learns_the_minimum_of_its_energy(plane, learned):
    """At a strain of 0.1, where the cubic force is ten times the linear one."""
    source, target = plane.edges[0].tolist(), plane.edges[1].tolist()
    task = ml.Task(
        sources=[ml.Source(nodes=source, strain=0.1)],
        targets=[ml.Target(nodes=target, strain=0.04)],
    )
    run = ml.train(plane, task, energy=StiffeningSpring, learn=learned, steps=3)
    values = {"stiffness": 1.0, "cubic": 1000.0, learned: run.learned[learned]}
    assert np.ptp(values[learned]) > 0
    x, _ = minimise_finite(
        plane, values["stiffness"], [source], [0.1], np.zeros(plane.nodes.shape), (),
        values["cubic"],
    )  # fmt: skip
    a, b = target
    length = np.linalg.norm(plane.separation(a, b))
    strain = np.linalg.norm(plane.separation(a, b) + x[b] - x[a]) / length - 1
    assert run.targets[0]["reached"] == pytest.approx(strain, abs=1e-6)
