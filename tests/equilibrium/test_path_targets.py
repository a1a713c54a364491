"""Targets on the path of a toggle: values by its closed form, slopes, and local contrasts."""

import numpy as np
import pytest
from ranks import on_ranks
from scipy.integrate import quad
from scipy.optimize import brentq
from test_limit_loads import MODEL, TOGGLE, B, H, force, limits

import mechlearn as ml
from mechlearn.report.description import in_sentences

K, KH = 9.0, 7.5
DISPLACED, LOADED = {"displacement": [6.5]}, {"force": [9.0]}


def task(source, **target):
    return ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(name="push", nodes=1, components=["y"], **source)],
        targets=[ml.Target(name="target", source="push", **target)],
    )


def system(source, target, k=K, kh=KH, **given):
    given = {"stiffness": k, "angle_stiffness": kh} | given
    return ml.System(TOGGLE, task(source, **target), MODEL, **given)


def work(a, b, k=K, kh=KH):
    return quad(force, a, b, args=(k, kh), epsabs=1e-12)[0]


def absorbed(k, kh):
    """Work of a force that snaps at the peak, and at the valley back where that is above zero."""
    (u1, f1), (u2, f2) = limits(k, kh)
    landed = brentq(lambda u: force(u, k, kh) - f1, u2, 9.0)
    up = f1 * (landed - u1) - work(u1, landed, k, kh)
    if f2 > 0:
        back = brentq(lambda u: force(u, k, kh) - f2, 0.0, u1)
        return up + work(back, u2, k, kh) - f2 * (u2 - back)
    return up + work(0.0, brentq(lambda u: force(u, k, kh), u2, landed), k, kh)


VALUES = [
    (DISPLACED, {"stiffness": 3.0, "at": 3.0}, -2.625),
    (LOADED, {"stiffness": 3.0, "at": 3.0}, -2.625),
    (DISPLACED, {"work": 5.0, "between": [0.5, 3.0]}, work(0.5, 3.0)),
    (LOADED, {"work": 5.0, "between": [0.0, 3.0]}, work(0.0, 3.0)),
    (DISPLACED, {"plateau": 5.0, "between": [1.0, 4.0]},
     [force(u, K, KH) for u in np.linspace(1.0, 4.0, 9)]),
    (DISPLACED, {"peak": 8.0}, limits(K, KH)[0][1]),
    (DISPLACED, {"valley": 8.0}, limits(K, KH)[1][1]),
    (LOADED, {"absorbed": 3.0}, absorbed(K, KH)),
    (DISPLACED, {"absorbed": 3.0}, 0.0),
    (DISPLACED, {"states": 1}, 1.0),
    (DISPLACED, {"states": 2}, 2 - (limits(K, KH)[1][1] / limits(K, KH)[0][1] + 0.05) / 1.05),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target", "value"), VALUES)
def test_numbers_on_the_path_are_those_of_the_closed_form(source, target, value):
    np.testing.assert_allclose(system(source, target).outputs[0], value, rtol=1e-8, atol=1e-8)


def test_what_stays_snapped_keeps_energy_and_counts_as_a_state():
    kh = 4.0
    found = system(LOADED | {"force": [12.0]}, {"absorbed": 1.0}, kh=kh).outputs[0]
    np.testing.assert_allclose(found, absorbed(K, kh), rtol=1e-8)
    assert system(DISPLACED, {"states": 2}, kh=kh).outputs[0] == 2


def test_states_of_a_chain_are_those_of_its_bonds():
    """Beyond 6 of the 13 minima on its path a bond is on top of its barrier."""
    barrier, snap = np.array([0.06, 0.1, 0.14]), np.array([0.35, 0.45, 0.4])
    chain = ml.Network([[k, 0.0] for k in range(4)], [[k, k + 1] for k in range(3)])
    top = snap / 2 * (1 - 1 / np.sqrt(3))
    peaks = 32 * barrier * top * (top - snap) * (2 * top - snap) / snap**4
    task = ml.Task(
        supports=[ml.Support(nodes=[0]), ml.Support(nodes=[1, 2, 3], components=["y"])],
        sources=[ml.Source(name="pull", nodes=3, components=["x"], force=[1.3 * peaks.max()])],
        targets=[ml.Target(name="states", source="pull", states=8)],
    )
    at = ml.System(chain, task, "bistable_law", barrier=barrier, snap=snap)
    assert at.outputs[0, 0] == 8


def test_a_state_too_many_is_a_fraction():
    (_, peak), (_, valley) = limits(K, 4.0)
    value = 1 - (valley / peak + 0.05) / 1.05
    np.testing.assert_allclose(system(DISPLACED, {"states": 1}, kh=4.0).outputs[0], value)


SLOPES = [case[:2] for case in VALUES[:8:2]] + [
    (LOADED, {"absorbed": 3.0}), (DISPLACED, {"states": 2}),
    ({"displacement": [-1.0]}, {"stiffness": 3.0, "at": -0.5}),
]  # fmt: skip


@pytest.mark.parametrize(("source", "target"), SLOPES)
def test_slopes_are_exact(source, target):
    h = 1e-4
    for name, values in (("stiffness", np.array([K, K + 1])), ("angle_stiffness", np.array([KH]))):
        moved = np.eye(len(values))[0] * h
        up, down = (
            system(source, target, **{name: values + s * moved}).outputs[0] for s in (1, -1)
        )
        exact = system(source, target, **{name: values}).jacobian(name)[0, :, 0]
        np.testing.assert_allclose(exact, (up - down) / (2 * h), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("baseline", ["unloaded", "reference"])
@pytest.mark.parametrize(
    "target",
    [{"stiffness": 3.0, "at": 1.0}, {"work": 5.0, "between": [0.5, 3.0]},
     {"plateau": 5.0, "between": [1.0, 2.0]}, {"peak": 5.0}],
)  # fmt: skip
def test_slopes_by_rest_lengths_are_exact_from_rest_and_from_the_reference(target, baseline):
    h, name = 1e-4, "rest_length"
    values = 1.02 * TOGGLE.lengths

    def at(values):
        return system(DISPLACED, target | {"baseline": baseline}, **{name: values})

    moved = np.array([h, 0.0])
    exact = at(values).jacobian(name)[0, :, 0]
    slope = (at(values + moved).outputs[0] - at(values - moved).outputs[0]) / (2 * h)
    np.testing.assert_allclose(exact, slope, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize(
    ("source", "target", "nudge"),
    [(LOADED, {"absorbed": 3.0}, 1e-3), (DISPLACED, {"states": 2}, 1e-1),
     (DISPLACED, {"plateau": 5.0, "between": [1.0, 4.0]}, 1e-2)],
)  # fmt: skip
def test_the_local_contrast_tends_to_the_slope_with_the_square_of_the_nudge(source, target, nudge):
    at = system(source, target)
    exact, errors = at.gradient("angle_stiffness"), []
    for eta in (nudge, nudge / 10):
        rule = ml.CoupledLearning(eta=eta, variant="centred")
        errors.append(np.abs(at.signal(rule, "angle_stiffness") / exact - 1).max())
    assert 1.9 < np.log10(errors[0] / errors[1]) < 2.1


def test_the_contrast_of_three_states_is_near_the_slope_of_a_stiffness():
    at = system(DISPLACED, {"stiffness": 3.0, "at": 3.0})
    rule = ml.CoupledLearning(eta=1e-4, variant="centred")
    np.testing.assert_allclose(at.signal(rule, "stiffness"), at.gradient("stiffness"), rtol=6e-3)


def test_a_page_says_where_on_the_path_of_a_cell_work_is_wanted():
    net = ml.networks.packing(nodes=30, seed=1, periodic=True)
    wanted = {"source": "press", "work": 1e-3, "between": [-0.01, -0.04]}
    task = ml.Task(sources=[ml.Source(name="press", cell="yy", strain=-0.05)], targets=[wanted])
    said = " ".join(in_sentences(ml.train(net, task, energy="finite_spring", steps=0)))
    assert "the work of the cell (yy), between -0.01 and -0.04, shall" in said


@pytest.mark.parametrize("rule", [ml.GradientDescent(), ml.CoupledLearning(eta=1e-3)])
def test_a_toggle_learns_to_be_bistable(rule):
    """The valley of a monostable toggle is learned down below zero; 0.5826 is where it is zero."""
    run = ml.train(
        TOGGLE, task(DISPLACED, states=2), energy=MODEL, rule=rule, tolerance=1e-6, steps=200,
        rate=0.05, learn={"angle_stiffness": ml.Learn(initial=KH, bounds=(0.1, 100))},
        material={"stiffness": K},
    )  # fmt: skip
    assert run.converged
    assert run.learned["angle_stiffness"][0] / K < 0.58260365
    assert limits(K, run.learned["angle_stiffness"][0])[1][1] < -0.04


@pytest.mark.parametrize(
    ("source", "target", "message"),
    [
        (DISPLACED, {"stiffness": 3.0}, r"a stiffness needs at = \.\.\."),
        (DISPLACED, {"stiffness": 3.0, "between": [0.0, 1.0], "at": 1.0}, "has no key between"),
        (DISPLACED, {"peak": 3.0, "at": 1.0}, "a peak load has no key at"),
        (DISPLACED, {"states": 1.5}, "states = 1.5 must be 1, 2"),
        (DISPLACED, {"work": 3.0, "between": [1.0, 1.0]}, "must be two different displacements"),
        (DISPLACED, {"peak": 3.0, "points": 5}, "a peak load has no key points"),
        (DISPLACED, {"peak": []}, "a peak load is one number, not 0"),
        (DISPLACED, {"plateau": [1.0, 2.0], "between": [0.0, 1.0]}, "is one number, not 2"),
        (LOADED, {"peak": -8.0}, "peak = -8 must be above 0"),
        (LOADED, {"absorbed": -1.0}, "absorbed = -1 must not be below 0"),
        (LOADED, {"absorbed": 1.0, "at": 1.0}, "an absorbed energy has no key at"),
        ({"force": [0.0]}, {"peak": 3.0}, "source 'push' is 0, so there is no path"),
        ({"force": [1.0, 1.0], "components": ["x", "y"]}, {"work": 1.0, "between": [0.0, 1.0]},
         "a work is of one number of its source"),
    ],
)  # fmt: skip
def test_targets_that_make_no_sense_are_refused(source, target, message):
    sources = [{"name": "push", "nodes": 1, "components": ["y"]} | source]
    given = ml.Task(supports=[{"nodes": [0, 2]}], sources=sources,
                    targets=[{"name": "target", "source": "push"} | target])  # fmt: skip
    with pytest.raises(ml.InputError, match=message):
        ml.System(TOGGLE, given, MODEL)


def test_of_two_forces_at_a_node_each_has_its_own_peak():
    push, aside = ({"name": c, "nodes": 1, "components": [c], "force": [f]}
                   for c, f in (("y", 9.0), ("x", 0.5)))  # fmt: skip

    def read(**target):
        given = ml.Task(supports=[{"nodes": [0, 2]}], sources=[push, aside], targets=[target])
        return ml.System(TOGGLE, given, MODEL, stiffness=K, angle_stiffness=KH).outputs[0, 0]

    peaks = [read(source=name, peak=1.0) for name in ("y", "x")]
    np.testing.assert_allclose(peaks[1] / peaks[0], 0.5 / 9.0, rtol=1e-9)
    for target in ({"absorbed": 1.0}, {"work": 1.0, "between": [0.0, 1.0]}):
        with pytest.raises(ml.InputError, match="is of the path of one source alone"):
            read(source="x", **target)


def test_a_point_that_the_path_does_not_reach_is_told():
    with pytest.raises(ml.SolveError, match="has no maximum of the load up to a displacement of 1"):
        system({"displacement": [1.0]}, {"peak": 3.0}).outputs  # noqa: B018
    apart = ml.Network([[0.0, -H], [B, 0.0], [2 * B, -H]], [[0, 1], [1, 2]])
    given = task(DISPLACED, states=2)
    with pytest.raises(ml.InputError, match="no minimum on its path"):
        ml.System(apart, given, "finite_spring").outputs  # noqa: B018


def test_a_path_is_not_followed_beyond_a_bifurcation():
    """Two slender beams buckle sideways before they snap."""
    shallow = ml.Network([[0.0, 0.0], [4.0, -1.0], [8.0, 0.0]], [[0, 1], [1, 2]])
    at = ml.System(shallow, task({"force": [1e-3]}, peak=1e-4), "finite_beam", width=0.1)
    with pytest.raises(ml.SolveError, match="meets a bifurcation"):
        at.outputs  # noqa: B018


KINDS = {
    "stout beams": (
        ml.Network([[0.0, 0.0], [4.0, -1.0], [8.0, 0.1]], [[0, 1], [1, 2]]), "finite_beam", "width",
        0.8, ml.Source(name="push", nodes=1, components=["y"], displacement=[2.4]),
        {"stiffness": 1.0, "at": 0.5}, [{"nodes": [0, 2]}],
    ),
    "a tripod in space": (
        ml.Network([[0, 0, 1.0], [3.0, 0, 0], [-1.5, 2.6, 0], [-1.5, -2.6, 0]],
                   [[0, 1], [0, 2], [0, 3]]), "finite_spring", "stiffness", 1.0,
        ml.Source(name="push", nodes=0, components=["z"], displacement=[-2.5]),
        {"peak": 1.0}, [{"nodes": [1, 2, 3]}, {"nodes": 0, "components": ["x", "y"]}],
    ),
    "a pair of nodes": (
        ml.networks.delaunay(20, seed=1), "finite_spring", "stiffness", 1.0,
        ml.Source(name="push", nodes=[3, 8], strain=0.1),
        {"work": 1.0, "between": [0.01, 0.06]}, [],
    ),
    "a periodic cell": (
        ml.networks.triangular(4, 4, periodic=True, disorder=0.1), "finite_spring", "stiffness",
        1.0, ml.Source(name="push", cell="xx", strain=-0.05), {"stiffness": 1.0, "at": -0.02}, [],
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
def test_slopes_are_exact_for_frames_in_space_of_pairs_and_cells(kind):
    net, model, name, value, source, target, supports = KINDS[kind]
    given = ml.Task(supports=supports, sources=[source],
                    targets=[ml.Target(name="target", source="push", **target)])  # fmt: skip
    values, h = np.full(net.n_edges, value), 1e-4

    def at(values):
        return ml.System(net, given, model, **{name: values})

    moved = np.eye(len(values))[0] * h
    slope = (at(values + moved).outputs[0] - at(values - moved).outputs[0]) / (2 * h)
    exact = at(values).jacobian(name)[0, :, 0]
    np.testing.assert_allclose(exact, slope, rtol=1e-6, atol=1e-9 * np.abs(exact).max())


def learned_on_an_arch(target):
    """Constants of an arch after three steps of coupled learning."""
    net = ml.networks.arch((8, 2), rise=1.0, disorder=0.1)
    given = ml.Task(
        supports=[ml.Support(nodes="left"), ml.Support(nodes="right")],
        sources=[ml.Source(name="push", nodes="apex", components=["y"], displacement=[-1.0])],
        targets=[ml.Target(name="target", source="push", **target)],
    )
    run = ml.train(
        net, given, energy="finite_spring", learn=["stiffness", "rest_length"], steps=3, rate=0.01,
        rule=ml.CoupledLearning(eta=1e-2), tolerance=1e-9,
    )  # fmt: skip
    return np.r_[run.learned["stiffness"], run.learned["rest_length"]]


@pytest.mark.parametrize(
    "target",
    [{"stiffness": 0.1, "at": -0.5},
     {"curve": [[-0.3, -0.01], [-0.6, -0.005], [-1.0, 0.005]], "scale": 0.01}],
)  # fmt: skip
def test_ranks_learn_the_same(target):
    alone = learned_on_an_arch(target)
    for found in on_ranks(2, learned_on_an_arch, target):
        np.testing.assert_allclose(found, alone, rtol=1e-8)
