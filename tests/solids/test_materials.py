"""Laws of rubber: closed forms of homogeneous deformations, in numbers and in cells."""

import numpy as np
import pytest
from scipy.optimize import brentq, minimize_scalar
from test_solids import frame, rod, solid

from mechlearn.energies import Solid
from mechlearn.errors import InputError
from mechlearn.solids.materials import law_of, unstrained

CONSTANTS = {
    "st_venant_kirchhoff": {},
    "neo_hookean": {"c1": 0.4},
    "mooney_rivlin": {"c1": 0.3, "c2": 0.1},
    "yeoh": {"c1": 0.4, "c2": -0.02, "c3": 0.01},
    "bertoldi_boyce": {"c1": 550.0, "c2": 300.0, "bulk": 55000.0},
}
STRETCHES = (0.7, 1.3, 2.0)


def by_hand(material, c, bulk, f):
    """Energy density of constants in the user's units, written for principal stretches."""
    squares = np.linalg.eigvalsh(f.T @ f)
    i1, j = squares.sum(), np.sqrt(np.prod(squares))
    i2 = squares[0] * squares[1] + squares[1] * squares[2] + squares[2] * squares[0]
    c1, c2, c3 = (c.get(name, 0.0) for name in ("c1", "c2", "c3"))
    volume = bulk / 4 * (j**2 - 1 - 2 * np.log(j))
    match material:
        case "neo_hookean":
            lame = bulk - 4 / 3 * c1
            return c1 * (i1 - 3 - 2 * np.log(j)) + lame / 4 * (j**2 - 1 - 2 * np.log(j))
        case "mooney_rivlin":
            return c1 * (i1 / j ** (2 / 3) - 3) + c2 * (i2 / j ** (4 / 3) - 3) + volume
        case "yeoh":
            y = i1 / j ** (2 / 3) - 3
            return c1 * y + c2 * y**2 + c3 * y**3 + volume
        case "bertoldi_boyce":
            return c1 * (i1 - 3) + c2 * (i1 - 3) ** 2 - 2 * c1 * np.log(j) + bulk / 2 * (j - 1) ** 2
    mu = 1 / 2 / 1.3
    e = (f.T @ f - np.eye(3)) / 2
    return mu * np.sum(e * e) + 0.3 / 1.3 / 0.4 / 2 * np.trace(e) ** 2


def slope(function, x, h=1e-5):
    return (function(x + h) - function(x - h)) / (2 * h)


@pytest.mark.parametrize("name", ["mooney_rivlin", "yeoh"])
def test_incompressible_rubbers_follow_the_closed_forms(name):
    c = CONSTANTS[name]
    shear = 2 * (c["c1"] + (c["c2"] if name == "mooney_rivlin" else 0))
    energy = Solid(material=name, bulk=1e6 * shear, **c)
    law = law_of(name, energy.constants, np.log)
    unit = energy.parameter("modulus").default(None)
    assert unit == pytest.approx(3 * shear, rel=1e-5)

    def density(*stretches):
        a, b, d = np.square(stretches)
        return unit * law(a + b + d, a * b + b * d + d * a, np.sqrt(a * b * d))

    def relaxed(state, guess):
        def total(s):
            return density(*state(s))

        bounds = (np.log(guess) - 1e-3, np.log(guess) + 1e-3)
        return total(np.exp(brentq(lambda s: slope(lambda t: total(np.exp(t)), s), *bounds)))

    for x in STRETCHES:
        one = x**2 + 2 / x - 3
        two = 2 * x**2 + x**-4 - 3
        if name == "mooney_rivlin":
            pull = 2 * (x - x**-2) * (c["c1"] + c["c2"] / x)
            biaxial = 2 * (x - x**-5) * (c["c1"] + c["c2"] * x**2)
        else:
            pull, biaxial = (
                2 * (x - power) * (c["c1"] + 2 * c["c2"] * y + 3 * c["c3"] * y**2)
                for power, y in ((x**-2, one), (x**-5, two))
            )
        found = slope(lambda x: relaxed(lambda s: (x, s, s), x**-0.5), x)
        assert found == pytest.approx(pull, rel=1e-4)
        found = slope(lambda x: relaxed(lambda s: (x, x, s), x**-2), x)
        assert found == pytest.approx(2 * biaxial, rel=1e-4)
        bulk = 1e6 * shear
        found = slope(lambda x: density(x, x, x), x)
        assert found == pytest.approx(3 * x**2 * bulk / 2 * (x**3 - x**-3), rel=1e-6)


GRADIENTS = {
    "uniaxial": np.diag([0.4, 0.0]), "biaxial": np.diag([-0.2, -0.2]),
    "shear": np.array([[0.0, 0.5], [0.0, 0.0]]), "volumetric": np.diag([0.1, 0.1]),
}  # fmt: skip


@pytest.mark.parametrize("plane", ["stress", "strain", "space"])
@pytest.mark.parametrize("name", list(CONSTANTS))
def test_cells_store_what_the_law_says(name, plane):
    c, net = CONSTANTS[name], rod(3) if plane == "space" else frame()
    d = net.dim
    kind = "stress" if plane == "stress" else "strain"
    energy = Solid(material=name, plane=kind, order=1, mesh_size=0.6, **c)
    model = solid(net, energy, width=0.15)
    unit = energy.parameter("modulus").default(net)
    bulk = energy.constants[5] * unit
    modulus = 1.0 if not c else unit
    model.set(modulus=modulus)
    size = model.cell_volumes().sum()
    for gradient in GRADIENTS.values():
        f = np.eye(3)
        f[:2, :2] += gradient
        model.put_state((model.domain.places @ (f - np.eye(3))[:d, :d].T).ravel())

        def across(s, f=f):
            f = f.copy()
            f[2, 2] = s
            return by_hand(name, c, bulk, f)

        wanted = across(1.0)
        if plane == "stress":
            wanted = minimize_scalar(across, bounds=(0.2, 3), options={"xatol": 1e-9}).fun
        assert model.total_energy() / size == pytest.approx(wanted, rel=1e-7)


@pytest.mark.parametrize("plane", ["stress", "strain"])
@pytest.mark.parametrize("name", list(CONSTANTS))
def test_every_law_has_one_modulus_at_small_strain(name, plane):
    for poisson in (0.25, 0.42):
        c = CONSTANTS[name] if name != "bertoldi_boyce" else {"c1": 1.0, "c2": 0.05}
        energy = Solid(material=name, plane=plane, poisson=poisson, **c)
        wanted = unstrained(Solid(plane=plane, poisson=poisson), 0.0)
        assert unstrained(energy, 0.0) == pytest.approx(wanted, rel=1e-6, abs=2e-8)


@pytest.mark.parametrize("name", list(CONSTANTS))
@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_forces_and_stiffness_are_derivatives_of_the_energy(name, plane):
    poisson = {} if name == "bertoldi_boyce" else {"poisson": 0.48}
    energy = Solid(material=name, plane=plane, mesh_size=0.8, **poisson, **CONSTANTS[name])
    model = solid(frame(), energy, width=0.15)
    rng = np.random.default_rng(0)
    x = model.domain.places
    u = (x @ np.array([[0.2, 0.1], [0.0, -0.1]]).T).ravel()
    v = np.sin(x @ rng.normal(size=(2, 2))).ravel()
    model.put_state(u)
    start, force = model.total_energy(), model.local_force().copy()
    matrix = model.assemble_stiffness()
    along = matrix.createVecRight()
    along.array[:] = v
    push = (matrix * along).array
    left = []
    for h in (1e-2, 5e-3, 2.5e-3):
        model.put_state(u + h * v)
        left.append([
            abs(model.total_energy() - start - h * force @ v),
            np.linalg.norm(model.local_force() - force - h * push),
        ])  # fmt: skip
    assert (np.log2(np.array(left[:-1]) / left[1:]) > 1.95).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"material": "yeoh"}, "yeoh needs c1"),
        ({"material": "mooney_rivlin", "c1": 1.0}, "needs c2"),
        ({"material": "linear", "c1": 1.0}, "c1 is no constant of linear"),
        ({"material": "mooney_rivlin", "c1": 1.0, "c2": -2.0}, "no positive shear modulus"),
        ({"material": "yeoh", "c1": 1.0, "bulk": 5.0, "poisson": 0.45}, "both say"),
        ({"material": "yeoh", "c1": 1.0, "bulk": -5.0}, "no stable solid"),
        ({"material": "neo_hookean", "bulk": 5.0}, "bulk is a constant beside c1"),
        ({"material": "bertoldi_boyce", "c1": 1.0, "c2": 9.0, "poisson": 0.2}, "below zero"),
    ],
)
def test_constants_that_make_no_law_are_refused(settings, says):
    with pytest.raises(InputError, match=says):
        Solid(**settings)
