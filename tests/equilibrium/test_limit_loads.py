"""Limit loads as outputs: a toggle's closed form, exact slopes, the local contrast beside them."""

import numpy as np
import pytest
from scipy.optimize import brentq

import mechlearn as ml

B, H = 4.0, 3.0
MODEL = "finite_spring + angle"
TOGGLE = ml.networks.with_angles(ml.Network([[0, 0], [B, -H], [2 * B, 0]], [[0, 1], [1, 2]]))


def force(u, k, kh):
    """Force on the apex of two springs with an angular one, moved towards the supports by u."""
    y, rest = H - u, np.hypot(B, H)
    length, turn = np.hypot(B, y), 2 * np.arctan2(B, y) - 2 * np.arctan2(B, H)
    return 2 * k * (rest - length) * y / length + kh * turn * 2 * B / (B**2 + y**2)


def limits(k, kh):
    """Displacements and forces of its peak and valley, from its force alone."""

    def rate(u):
        h = 1e-5
        return (force(u - 2 * h, k, kh) - 8 * force(u - h, k, kh) + 8 * force(u + h, k, kh)
                - force(u + 2 * h, k, kh)) / (12 * h)  # fmt: skip

    ends = brentq(rate, 0.5, 3.0, xtol=1e-12), brentq(rate, 3.0, 6.0, xtol=1e-12)
    return [(u, force(u, k, kh)) for u in ends]


def task(peak=8.0, valley=1.0, load=9.0):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], force=[load])],
        targets=[
            ml.Target(name="peak", source="push", peak=peak),
            ml.Target(name="valley", source="push", valley=valley),
        ],
    )


def system(k=9.0, kh=7.5, **given):
    return ml.System(TOGGLE, task(**given), MODEL, stiffness=k, angle_stiffness=kh)


def test_limit_points_of_the_toggle():
    """Values of the two springs at an angle of Ducarme et al., doi 10.1016/j.eml.2026.102476."""
    [peak, valley] = ml.path(TOGGLE, task(), MODEL, stiffness=9.0, angle_stiffness=7.5).limit_points
    found = [(p["push"], p["push.force"]) for p in (peak, valley)]
    wanted = [(1.8389803089, 6.6863515754), (4.5320517861, 1.9873680383)]
    np.testing.assert_allclose(found, wanted, atol=1e-8)
    np.testing.assert_allclose(found, limits(9.0, 7.5), atol=1e-8)


@pytest.mark.parametrize("load", [2.0, 40.0])
def test_limit_loads_do_not_depend_on_the_load_that_is_given(load):
    np.testing.assert_allclose(
        system(load=load).outputs[0], [f for _, f in limits(9.0, 7.5)], atol=1e-9
    )


def test_the_toggle_is_bistable_where_its_valley_is_below_zero():
    critical = 0.58260365
    for change, sign in ((1 - 1e-6, -1), (1 + 1e-6, 1)):
        assert np.sign(system(kh=9.0 * critical * change).outputs[0, 1]) == sign


def test_slopes_of_limit_loads_are_those_of_the_closed_form():
    at = system()
    stiffness, moment = (at.jacobian(name)[0] for name in ("stiffness", "angle_stiffness"))
    h = 1e-4
    for k, (by, wanted) in enumerate([(stiffness.sum(axis=1), (h, 0.0)), (moment[:, 0], (0.0, h))]):
        up, down = (np.array(limits(9.0 + s * wanted[0], 7.5 + s * wanted[1])) for s in (1, -1))
        np.testing.assert_allclose(by, (up - down)[:, 1] / (2 * h), rtol=1e-6, err_msg=str(k))


def test_the_error_of_the_local_contrast_falls_with_the_square_of_the_nudge():
    at = system()
    exact, errors = at.gradient("angle_stiffness"), []
    for eta in (3e-2, 3e-3):
        rule = ml.CoupledLearning(eta=eta, variant="centred")
        errors.append(np.abs(at.signal(rule, "angle_stiffness") - exact).max())
    assert 1.95 < np.log10(errors[0] / errors[1]) < 2.05


def test_limit_points_near_the_last_ones_are_those_of_the_whole_path():
    at = system()
    solver, start = at.equilibrium, at.outputs
    for k, kh in ((9.1, 7.5), (9.1, 7.3), (10.5, 8.0)):
        solver.update(stiffness=k, angle_stiffness=kh)
        free = solver.free()
        found, slopes = solver.outputs(free), solver.adjoints(free)
        cold = system(k, kh)
        np.testing.assert_allclose(found, cold.outputs, rtol=1e-11)
        for slope, wanted in zip(slopes, cold.jacobian("stiffness")[0], strict=True):
            np.testing.assert_allclose(slope.sensitivity("stiffness")[0], wanted, rtol=1e-10)
    assert np.abs(found - start).max() > 0.5


@pytest.mark.parametrize(
    "rule", [ml.GradientDescent(), ml.CoupledLearning(eta=1e-3, variant="centred")]
)
def test_both_limit_loads_are_learned_to_the_only_solution(rule):
    run = ml.train(
        TOGGLE, task(), energy=MODEL, rule=rule, tolerance=2e-6, steps=400, rate=0.02,
        learn={"stiffness": ml.Learn(initial=9.0, bounds=(1, 100)),
               "angle_stiffness": ml.Learn(initial=7.5, bounds=(1, 100))},
    )  # fmt: skip
    assert run.converged
    np.testing.assert_allclose(run.learned["stiffness"], 11.52561, atol=3e-5)
    np.testing.assert_allclose(run.learned["angle_stiffness"], 7.84992, atol=3e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sources": [{"name": "push", "nodes": 1, "components": ["y"], "displacement": [1.0]},
                      {"name": "more", "nodes": 1, "components": ["x"], "force": [1.0]}]},
         "let all sources apply forces, or have this one alone"),
        ({"targets": [{"source": "push", "peak": 1.0}, {"nodes": [0, 1], "strain": 0.1}]},
         "a peak load is learned with no target of one state, such as target"),
    ],
)  # fmt: skip
def test_peaks_that_cannot_be_learned_are_refused(change, message):
    given = task().model_dump() | change
    with pytest.raises(ml.InputError, match=message):
        ml.System(
            TOGGLE, ml.Task(**{k: given[k] for k in ("supports", "sources", "targets")}), MODEL
        )


def test_a_path_without_a_peak_is_told():
    with pytest.raises(ml.SolveError, match="has no maximum of the load"):
        system(load=-9.0).outputs  # noqa: B018


def test_linear_springs_have_no_peak():
    with pytest.raises(ml.InputError, match="path of a spring is straight, without limit"):
        ml.System(TOGGLE, task(), "spring", check=False).outputs  # noqa: B018


@pytest.mark.parametrize(
    "rule",
    [ml.EquilibriumPropagation(variant="centred"), ml.CoupledLearning(eta=0.1), "gradient_descent"],
)
def test_a_curve_is_read_and_learned_point_by_point_past_its_peak(tmp_path, rule):
    u = np.linspace(0.25, 6.0, 24)
    wanted = np.column_stack([u, force(u, 11.5, 7.9)])
    (tmp_path / "curve.csv").write_text(
        "u,f\n" + "\n".join(f"{a!r},{b!r}" for a, b in wanted.tolist())
    )
    given = {
        "supports": [ml.Support(nodes=[0, 2])],
        "sources": [ml.Source(name="push", nodes=1, components=["y"], displacement=[1.0])],
    }
    curve = ml.Task(**given, targets=[ml.Target(source="push", curve=tmp_path / "curve.csv")])
    assert curve.examples[1]["after"] == "previous"
    at = ml.System(TOGGLE, curve, MODEL, stiffness=9.0, angle_stiffness=7.5)
    np.testing.assert_allclose(at.outputs[:, 0], force(u, 9.0, 7.5), atol=1e-9)
    run = ml.train(
        TOGGLE, curve, energy=MODEL, rule=rule, steps=60,
        learn={"stiffness": ml.Learn(initial=9.0, bounds=(1, 100)),
               "angle_stiffness": ml.Learn(initial=7.5, bounds=(1, 100))},
        tolerance=1e-2,
    )  # fmt: skip
    assert run.converged
    with pytest.raises(ml.InputError, match="the points of a curve are the examples"):
        ml.Task(**given, targets=[ml.Target(source="push", curve=wanted)], examples=[{}, {}])


def released(u, **wanted):
    """Push by ``u``, let go, and read where the apex stays."""
    return ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], displacement=[u])],
        targets=[ml.Target(name="stays", nodes=1, components=["y"], displacement=[5.0])],
        examples=[
            {"push": [u], "stays": "free"},
            {"push": "free", "after": "previous", "stays": [5.0]},
        ],
    )


def test_what_is_let_go_beyond_its_snap_stays_in_the_second_state():
    given = {"stiffness": 9.0, "angle_stiffness": 4.0}
    second = brentq(lambda u: force(u, 9.0, 4.0), limits(9.0, 4.0)[1][0], 9.0)
    at = ml.System(TOGGLE, released(6.5), MODEL, **given)
    np.testing.assert_allclose(at.outputs[1, 0], second, rtol=1e-9)
    back = ml.System(TOGGLE, released(2.5), MODEL, **given)
    np.testing.assert_allclose(back.outputs[1, 0], 0.0, atol=1e-9)
    h = 1e-4
    up, down = (brentq(force, 4.0, 9.0, args=(9.0, kh), xtol=1e-14) for kh in (4.0 + h, 4.0 - h))
    exact = at.jacobian("angle_stiffness")[1, 0, 0]
    np.testing.assert_allclose(exact, (up - down) / (2 * h), rtol=1e-6)


@pytest.mark.parametrize("rule", [ml.CoupledLearning(eta=0.1), "equilibrium_propagation"])
def test_the_state_after_a_snap_is_learned(rule):
    run = ml.train(
        TOGGLE, released(6.5), energy=MODEL, rule=rule, steps=200, tolerance=1e-4, rate=0.02,
        material={"stiffness": 9.0},
        learn={"angle_stiffness": ml.Learn(initial=4.0, bounds=(1, 5))},
    )  # fmt: skip
    assert run.converged
    np.testing.assert_allclose(force(5.0, 9.0, run.learned["angle_stiffness"][0]), 0, atol=1e-2)
