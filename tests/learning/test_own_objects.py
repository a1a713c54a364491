"""Rules, costs, optimisers, devices, generators and formats of users that are wrong: a sentence."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.learning.device import devices
from mechlearn.tasks.costs import METHODS, check_cost, evaluate

PHASES = (ml.Phase("clamp", 0.0), ml.Phase("clamp", 0.1))


@pytest.fixture(scope="module")
def net():
    return ml.networks.packing(nodes=32, coordination=4.5, seed=3)


@pytest.fixture(scope="module")
def task(net):
    pairs = net.edges[[0, 9]].tolist()
    return ml.Task(
        sources=[ml.Source(nodes=pairs[0], strain=0.1)],
        targets=[ml.Target(nodes=pairs[1], strain=0.02)],
    )


def made(base, **members):
    """An object of a class of a user's with these members."""
    return type("Own", base if isinstance(base, tuple) else (base,), {"name": "own", **members})()


# -- rules -----------------------------------------------------------------------------------------


class Difference:
    name = "difference"
    phases = PHASES

    def signal(self, derivatives):
        return derivatives[1] - derivatives[0]


class Boom(Exception):
    pass


def fails(*_):
    raise Boom("no luck")


SIGNALS = {
    "nan": (lambda s, d: np.nan * d[0], r"its signal is nan at \[0, 0\] \(examples by elements\)"),
    "infinite": (lambda s, d: np.full(d[0].shape, np.inf), "its signal is inf at"),
    "masked": (lambda s, d: np.ma.masked_less(d[0], 1e9), "its signal is nan at"),
    "complex": (lambda s, d: d[0] * 1j, "its signal cannot be computed.*complex numbers"),
    "text": (lambda s, d: "x", "its signal cannot be computed.*could not convert"),
    "nothing": (lambda s, d: None, "its signal cannot be computed.*returns None"),
    "one number": (lambda s, d: 1.0, r"has the shape \(\); it must be \(1, 72\)"),
    "transposed": (lambda s, d: d[0].T, r"has the shape \(72, 1\); it must be \(1, 72\)"),
    "a phase too many": (lambda s, d: d[2], "IndexError: list index out of range, line"),
    "its own exception": (fails, r"Boom: no luck, line \d+ of test_own_objects.py"),
    "exit": (lambda s, d: exit(), "its signal cannot be computed"),
}


@pytest.mark.parametrize("signal", SIGNALS)
def test_signals_that_are_none(net, task, signal):
    function, message = SIGNALS[signal]
    with pytest.raises(ml.InputError, match=f"^rule own: .*{message}"):
        ml.train(net, task, rule=made(object, phases=PHASES, signal=function), steps=2)
    with pytest.raises(ml.InputError, match=f"^rule own: .*{message}"):
        ml.System(net, task).signal(made(object, phases=PHASES, signal=function))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"weights": (0.0, 0.0)}, "weights = .* must be 2 finite numbers, .* not all of them 0"),
        ({"weights": "ab"}, "weights = 'ab' must be 2 finite numbers"),
        ({"weights": (1.0, np.nan)}, "must be 2 finite numbers"),
        ({"phases": property(fails)}, "its phases cannot be found .Boom: no luck"),
        # Nearly linear: linear but for a threshold, or for large signals.
        (
            {"weights": (-1, 1), "signal": lambda s, d: np.clip(d[1] - d[0], -1e6, 1e6)},
            "is not the",
        ),
        (
            {"weights": (-1, 1), "signal": lambda s, d: (d[1] - d[0]) * (abs(d[1]) > 1e-6)},
            "is not the sum",
        ),
    ],
)
def test_claims_that_a_rule_does_not_keep(net, task, members, message):
    with pytest.raises(ml.InputError, match=message):
        ml.train(net, task, rule=made(ml.Rule, **{"phases": PHASES, **members}), steps=2)


def test_a_rule_may_write_to_its_arrays_and_keep_a_state(net, task):
    """Neither is seen by a second parameter, nor by a second training."""

    class Writes(Difference):
        def signal(self, derivatives):
            derivatives[1] -= derivatives[0]
            derivatives[0][:] = np.nan
            return derivatives[1]

    class Remembers(Difference):
        def __init__(self):
            self.seen = []

        def signal(self, derivatives):
            self.seen.append(super().signal(derivatives))
            return sum(self.seen)

    def learned(rule):
        options = {"energy": "finite_spring", "learn": ["stiffness", "rest_length"]}
        return ml.train(net, task, rule=rule, steps=3, **options).learned["rest_length"]

    np.testing.assert_array_equal(learned(Writes()), learned(Difference()))
    rule = Remembers()
    np.testing.assert_array_equal(learned(rule), learned(rule))
    assert rule.seen == []


def test_weights_may_be_an_array(net, task):
    own = made(ml.Rule, phases=PHASES, weights=np.array([-10.0, 10.0]))
    shipped = ml.train(net, task, rule=ml.CoupledLearning(eta=0.1), steps=2)
    run = ml.train(net, task, rule=own, steps=2)
    np.testing.assert_array_equal(run.learned["stiffness"], shipped.learned["stiffness"])


def test_a_signal_that_overflows_is_told(net, task):
    rule = made(ml.Rule, phases=(PHASES[0], ml.Phase("clamp", 1e300)), weights=(-1, 1))
    run = ml.train(net, task, rule=rule, steps=2)
    assert run.summary["outcome"] == "stopped"
    assert (
        "the signal of stiffness is not a finite number; use a smaller nudge"
        in (run.summary["why"])
    )


def test_an_adjoint_has_no_amount():
    with pytest.raises(ml.InputError, match=r"an adjoint .* has no amount"):
        ml.Phase("adjoint", 0.1)


# -- costs -----------------------------------------------------------------------------------------


class Quartic(ml.Cost):
    name = "quartic"

    def value(self, outputs, wanted, active):
        return (np.where(active, outputs - wanted, 0.0) ** 4).sum(axis=1) / 4

    def slope(self, outputs, wanted, active):
        return np.where(active, outputs - wanted, 0.0) ** 3

    def curvature(self, outputs, wanted, active):
        square = np.where(active, outputs - wanted, 0.0) ** 2
        return 3 * square[:, :, None] * np.eye(outputs.shape[1])


COSTS = {
    "value nan": ({"value": lambda s, o, w, a: np.nan * o[:, 0]}, "its value is not finite at any"),
    "value one number": (
        {"value": lambda s, o, w, a: (o - w).sum()},
        r"its value has the shape \(\)",
    ),
    "value per target": ({"value": lambda s, o, w, a: (o - w) ** 4 / 4}, "its value has the shape"),
    "value complex": ({"value": lambda s, o, w, a: o[:, 0] * 1j}, "its value .*complex"),
    "no slope": ({"slope": None}, "its slope cannot be computed.*not callable"),
    "slope fails": ({"slope": fails}, "its slope cannot be computed .Boom: no luck, line"),
    "slope twice": (
        {"slope": lambda s, o, w, a: 2 * (o - w) ** 3},
        "its slope is not the derivative of its value",
    ),
    "slope uphill": (
        {"slope": lambda s, o, w, a: (w - o) ** 3},
        "its slope is not the derivative of its value",
    ),
    "slope per example": (
        {"slope": lambda s, o, w, a: ((o - w) ** 3).sum(axis=1)},
        "its slope has the shape",
    ),
    "curvature of another": (
        {"curvature": lambda s, o, w, a: np.ones((*o.shape, o.shape[1]))},
        "its curvature is not the derivative of its slope",
    ),
    "curvature flat": ({"curvature": lambda s, o, w, a: 3 * (o - w) ** 2}, "its curvature has the"),
    "check fails": ({"check": fails}, "its check failed .Boom: no luck"),
}


@pytest.mark.parametrize("cost", COSTS)
def test_costs_that_are_none(net, task, cost):
    members, message = COSTS[cost]
    own = task.model_copy(update={"cost": made(Quartic, **members)})
    for use in (ml.System, ml.feasible, ml.train):
        with pytest.raises(ml.InputError, match=f"cost own.*{message}"):
            use(net, own)


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"value": lambda s, o, w, a: ((o - w)[:, 0] ** 4 / 4).tolist()},
        {  # a kink, and no number on one side of it
            "value": lambda s, o, w, a: np.where(o > w, np.abs(o - w), np.nan).sum(axis=1),
            "slope": lambda s, o, w, a: np.where(o > w, 1.0, np.nan),
            "curvature": lambda s, o, w, a: np.zeros((*o.shape, 1)),
        },
    ],
    ids=["right", "a list", "a kink"],
)
def test_costs_that_are_right_are_taken(members):
    cost = made(Quartic, **members)
    check_cost(cost, np.full((3, 1), 0.02), np.ones((3, 1), dtype=bool), np.full((3, 1), 0.02))
    outputs, wanted, active = np.array([[0.3]]), np.zeros((1, 1)), np.ones((1, 1), dtype=bool)
    assert all(np.isfinite(evaluate(cost, m, outputs, wanted, active)).all() for m in METHODS)


# -- optimisers and devices ------------------------------------------------------------------------

STEPS = {
    "nan": (lambda s, g: np.nan * g, r"its step is nan at \[0\]"),
    "one number": (lambda s, g: 1.0, r"its step has the shape \(\)"),
    "some": (lambda s, g: g[:3], r"its step has the shape \(3,\); it must be \(72,\)"),
    "nothing": (lambda s, g: None, "its step cannot be computed.*returns None"),
    "fails": (fails, "its step cannot be computed .Boom"),
}


@pytest.mark.parametrize("step", STEPS)
def test_steps_that_are_none(net, task, step):
    call, message = STEPS[step]
    with pytest.raises(ml.InputError, match=f"^optimiser own: {message}"):
        ml.train(net, task, optimiser=made(ml.Optimiser, __call__=call), rate=0.1, steps=2)


@pytest.mark.parametrize("rate", [-1.0, np.nan, np.inf, "x"])
def test_rates_that_are_none(net, task, rate):
    for optimiser in (ml.Adam(rate=rate), ml.Plain(rate=rate)):
        with pytest.raises(ml.InputError, match=r"its rate = .* must be a finite number above 0"):
            ml.train(net, task, optimiser=optimiser, steps=2)


def test_an_optimiser_with_a_state_of_its_own_begins_anew(net, task):
    class Heavy(ml.Optimiser):
        name = "heavy"

        def __init__(self, rate=1.0):
            super().__init__(rate=rate)
            self.sum = [0.0]

        def __call__(self, signal):
            self.sum[0] = self.sum[0] / 2 + signal
            return -self.rate * self.sum[0]

    heavy = Heavy()
    one, other = (ml.train(net, task, optimiser=heavy, steps=3) for _ in range(2))
    np.testing.assert_array_equal(one.learned["stiffness"], other.learned["stiffness"])


READINGS = {
    "nan": (lambda s, p, e, n: [[np.nan]], "its reading is nan"),
    "flat": (lambda s, p, e, n: [0.0], r"its reading has the shape \(1,\); it must be \(1, 1\)"),
    "nothing": (lambda s, p, e, n: None, "its reading cannot be computed.*returns None"),
    "fails": (fails, "its reading cannot be computed .Boom"),
    "other arguments": (lambda s: 0.0, "its reading cannot be computed"),
}


@pytest.mark.parametrize("rule", ["coupled_learning", "gradient_descent", "pruning"])
@pytest.mark.parametrize("reading", READINGS)
def test_readings_that_are_none(net, task, rule, reading):
    outputs, message = READINGS[reading]
    with pytest.raises(ml.InputError, match=f"^device Own: {message}"):
        ml.train(net, task, device=type("Own", (), {"outputs": outputs})(), rule=rule, steps=2)


@pytest.mark.parametrize("device", ["mine", 3, object()])
def test_devices_that_are_none(net, task, device):
    assert not devices
    with pytest.raises(ml.InputError, match="device"):
        ml.train(net, task, device=device, steps=2)


@pytest.mark.parametrize(
    "given",
    [
        {"bounds": 3},
        {"bounds": (3, 1)},
        {"bounds": (np.nan, 1)},
        {"levels": 2.5},
        {"write_noise": np.nan},
        {"read_noise": "x"},
        {"seed": "x"},
    ],
    ids=str,
)
def test_numbers_of_a_device_that_are_none(net, task, given):
    with pytest.raises(ml.InputError, match=f"Device: {next(iter(given))}"):
        ml.Device(net, task, energy="spring", **{"bounds": (0.1, 10.0), **given})


def test_a_device_cannot_be_programmed_beyond_its_bounds(net, task):
    for levels in (None, 3):
        device = ml.Device(net, task, energy="spring", bounds=(1.0, 3.0), levels=levels)
        written = device.program(np.linspace(-1.0, 20.0, net.n_edges))
        assert (written.min(), written.max()) == (1.0, 3.0)


# -- generators and formats ------------------------------------------------------------------------


def test_generators_that_are_none(net, own_extensions):
    x, pairs = net.nodes, net.edges
    cases = {
        "a tuple": (lambda: (x, pairs), "returned a tuple; it must return an ml.Network"),
        "nothing": (lambda: None, "returned a NoneType; it must return"),
        "repeated bonds": (lambda: ml.Network(x, np.vstack([pairs, pairs[:1]])), "repeats another"),
        "no numbers": (lambda: ml.Network(x * np.nan, pairs), "are not finite numbers"),
        "a lonely node": (lambda: ml.Network(np.vstack([x, [9, 9]]), pairs), "has no bond"),
        "masked": (lambda: ml.Network(np.ma.masked_less(x, 0.1), pairs), "are not finite numbers"),
        "fails": (fails, r"cannot be made .Boom: no luck, line \d+ of test_own_objects.py"),
        "exits": (lambda: exit(), "cannot be made .SystemExit"),
    }
    for number, (generator, message) in enumerate(cases.values()):
        named = lambda generator=generator: generator()  # noqa: E731
        named.__name__ = name = f"generator_{number}"
        ml.register(named)
        with pytest.raises(ml.InputError, match=message):
            ml.networks.generate(name)


@pytest.fixture(scope="module")
def run(net, task):
    return ml.train(net, task, steps=1)


def half(run, path):
    path.write_text("half")
    raise Boom("no luck")


def none(run, path):
    pass


def changes(run, path):
    run.learned["stiffness"][:] = 0.0


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (half, r"the format .half failed .Boom: no luck, line \d+ of"),
        (none, "the format .none wrote no file to the path it was given"),
        (changes, "the format .changes failed .ValueError: assignment destination is read-only"),
    ],
)
def test_formats_that_fail_leave_the_file_that_was_there(
    run, tmp_path, write, message, own_extensions
):
    ml.register(write)
    path = tmp_path / f"x.{write.__name__}"
    path.write_text("before")
    with pytest.raises(ml.InputError, match=f"{path}: {message}"):
        run.export(path)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_the_suffix_of_a_format_has_no_case(run, tmp_path, own_extensions):
    @ml.register
    def Loud(path, run):
        path.write_text("loud")
        return 3

    assert ml.export(run, tmp_path / "x.LOUD") == "3"


def test_a_function_of_a_run_is_a_format_and_no_generator():
    with pytest.raises(ml.InputError, match="must be a function of run and path, as an export"):
        ml.register(lambda run, file: None)


def test_a_law_that_is_not_what_it_was_is_said(net, task, tmp_path, caplog):
    """A run is solved with the element of now; a note says where that has another energy."""

    def law(quartic, stiff=1.0):
        return ml.energy(lambda e, k=1.0, s=stiff: (k + s * quartic * e**2) * e**2, name="own")

    ml.train(net, task, energy=law(2), steps=1).save(tmp_path / "run")
    ml.Run.load(tmp_path / "run", energy=law(2))
    assert not caplog.messages
    for other in (law(3), law(2, stiff=2.0)):
        caplog.clear()
        ml.Run.load(tmp_path / "run", energy=other)
        assert "'own' has another energy, or other defaults, than when" in caplog.text
