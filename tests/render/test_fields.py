"""Element fields in pictures: balance of forces, sums of energies, bent beams."""

import numpy as np
import pytest

from mechlearn import CoupledLearning, Learn, Source, Target, Task, train
from mechlearn.energies import Beam, FiniteSpring, Resistor
from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.render.deformation import PIECES, bent, rigid_motion, shares
from mechlearn.render.fields import RunStates, loaded_states, recorded_states, state_fields
from mechlearn.render.geometry import segments
from mechlearn.render.marks import marks
from mechlearn.render.run_view import Look, RunView, quantities
from mechlearn.render.scene import Scene, Solid

PAIRS = Task(
    sources=[Source(near=[0.1, 0.5], strain=0.05)], targets=[Target(near=[0.9, 0.5], strain=0.04)]
)


@pytest.fixture(scope="module")
def run(plane):
    learn = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0, spread=0.2)}
    return train(plane, PAIRS, learn=learn, rule=CoupledLearning(eta=0.01), steps=6, tolerance=1e-9)


@pytest.fixture(scope="module")
def frame(torus):
    learn = {"width": Learn(bounds=(0.02, 0.3), initial=0.1, spread=0.3)}
    return train(torus, PAIRS, energy=Beam(), learn=learn, steps=3, tolerance=1e-9)


def test_tensions_balance_wherever_nothing_pulls(run):
    net = run.network
    tension = RunStates(run, 0)().fields.tension
    direction = net.vectors / net.lengths[:, None]
    force = np.zeros_like(net.nodes)
    np.add.at(force, net.edges[:, 0], tension[:, None] * direction)
    np.add.at(force, net.edges[:, 1], -tension[:, None] * direction)
    driven = [n for mark in marks(run.problem) if mark.is_source for n in mark.nodes]
    alone = np.setdiff1d(np.arange(net.n_nodes), driven)
    assert np.abs(force[alone]).max() < 1e-9 * np.abs(tension).max()
    assert np.abs(force[driven]).max() > 1e-3 * np.abs(tension).max()


def test_bonds_store_what_the_network_stores(run, frame):
    for made in (run, frame):
        system = made.system()
        response = system.response()
        fields = state_fields(system, response)
        assert fields.energy.sum() == pytest.approx(response.energy, rel=1e-9)
        k = made.parameters.get("stiffness")
        if k is not None:
            extension = fields.strain * made.network.lengths
            np.testing.assert_allclose(fields.energy, k * extension**2 / 2)
            np.testing.assert_allclose(fields.tension, k * extension)


def test_contrasts_add_up_to_that_of_the_history(run):
    # In a linear network the contrast is eta squared times that of the full clamp.
    total = RunStates(run, 0)().contrast
    assert total.sum() == pytest.approx(float(run.history.contrast[-1]) / 0.01**2, rel=1e-4)


def test_currents_are_those_of_ohm(plane):
    task = Task(
        sources=[Source(nodes=[0], voltage=1.0), Source(nodes=[1], voltage=0.0)],
        targets=[Target(nodes=[2], voltage=0.4)],
    )
    learn = {"conductance": Learn(bounds=(0.1, 10), initial=1.0)}
    run = train(plane, task, energy=Resistor(), learn=learn, steps=2)
    state = RunStates(run, 0)().fields
    np.testing.assert_allclose(state.tension, run.learned["conductance"] * state.strain)
    assert "current" in quantities(run)
    assert "tension" not in quantities(run)


def test_a_pull_in_parts_is_the_network_under_those_parts(plane):
    learn = {"stiffness": Learn(bounds=(0.1, 10), initial=1.0)}
    run = train(plane, PAIRS, energy=FiniteSpring(), learn=learn, steps=2)
    amplitudes = [0.0, 0.5, 1.0]
    reads = [answer.outputs for _, answer in loaded_states(run, 0, amplitudes)]
    alone = run.respond([{"source": 0.05 * a} for a in amplitudes])
    np.testing.assert_allclose(reads, alone, rtol=1e-6, atol=1e-10)
    assert reads[0][0] == pytest.approx(0.0, abs=1e-12)


def test_recorded_steps_are_those_of_the_history(run):
    states = list(recorded_states(run, 0, range(len(run.history.snapshot)), contrast=True))
    reads = [RunView(run, 0, Look(), [state]).nodal[0] for state in states]
    port = run.problem.ports[-1]
    from mechlearn.render.deformation import reading

    found = [reading(run.network, port, u) for u in reads]
    np.testing.assert_allclose(found, run.history.output[run.history.snapshot, 0, 0], rtol=1e-7)
    np.testing.assert_array_equal(states[-1].parameters["stiffness"], run.learned["stiffness"])
    with pytest.raises(InputError, match="full load"):
        _ = next(loaded_states(run, 0, [0.5]))[0].contrast


# -- bent beams ----------------------------------------------------------------------------------

STRUT = Network([[0.0, 0.0], [2.0, 0.0]], [[0, 1]])
WHOLE = np.ones(1), np.ones(1)


def test_a_clamped_beam_bends_into_the_cubic_of_the_books():
    moves = np.array([[0.0, 0.0], [0.0, 0.1]])
    (line,) = bent(STRUT, moves, np.zeros((2, 1)), WHOLE, linear=True)
    s = np.linspace(0, 1, PIECES + 1)
    np.testing.assert_allclose(line, np.column_stack([2 * s, 0.1 * (3 * s**2 - 2 * s**3)]))


def test_pinned_beams_stay_straight_and_joints_take_their_part():
    moves = np.array([[0.0, 0.0], [0.0, 0.1]])
    turns = np.array([[0.3], [-0.2]])
    values = {n: np.ones(1) for n in ("modulus", "thickness", "rest_length")}
    values |= {"width": np.full(1, 0.01), "poisson": np.full(1, 0.3)}
    parts = shares(Beam(), STRUT.lengths, values | {"joint_stiffness": np.zeros(1)})
    (line,) = bent(STRUT, moves, turns, parts, linear=True)
    np.testing.assert_allclose(line[:, 1], 0.05 * line[:, 0], atol=1e-15)
    parts = shares(Beam(), STRUT.lengths, values | {"joint_stiffness": np.full(1, np.inf)})
    np.testing.assert_allclose(parts, 1.0, atol=1e-3)
    # A joint as stiff as the strut: 2 E I / l against either end of a strut that bends into an arc.
    joint = np.full(1, 2 * 0.01**3 / 12 / 2.0)
    bending, _ = shares(Beam(), STRUT.lengths, values | {"joint_stiffness": joint})
    np.testing.assert_allclose(bending, 0.5)


@pytest.mark.parametrize("linear", [True, False])
def test_beams_that_turn_as_a_whole_stay_straight(linear):
    angle = 1e-4 if linear else 2.5
    c, s = (1.0, angle) if linear else (np.cos(angle), np.sin(angle))
    moves = np.array([[0.0, 0.0], [2 * c - 2, 2 * s]])
    (line,) = bent(STRUT, moves, np.full((2, 1), angle), WHOLE, linear)
    np.testing.assert_allclose(line[:, 1] * c, line[:, 0] * s, atol=1e-12)


def test_a_beam_in_space_bends_where_its_nodes_turn():
    net = Network([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], [[0, 1]])
    turns = np.array([[0.0, 0.0, 0.1], [0.0, 0.0, -0.1]])
    (line,) = bent(net, np.zeros((2, 3)), turns, WHOLE, linear=True)
    s = line[:, 0]
    np.testing.assert_allclose(line[:, 1], 0.1 * s * (1 - s), atol=1e-15)
    np.testing.assert_allclose(line[:, 2], 0.0, atol=1e-15)


def test_bent_bonds_are_cut_where_they_cross_the_cell(frame):
    shown = RunView(frame, 0, Look())
    (scene,) = shown.scenes
    net = frame.network
    pieces = scene.pieces()
    lengths = np.linalg.norm(np.diff(scene.lines, axis=1), axis=2).sum(axis=1)
    drawn = np.linalg.norm(pieces.ends[:, 1] - pieces.ends[:, 0], axis=1)
    np.testing.assert_allclose(np.bincount(pieces.bond, drawn), lengths)
    starts = pieces.ends[(pieces.fade[:, 0] == 0) & (pieces.fade[:, 1] > 0), 0, :2]
    nearest = np.linalg.norm(starts[:, None] - scene.nodes, axis=2).min(axis=1)
    assert nearest.max() < 1e-12
    whole = segments(net, scene.nodes, scene.lines, whole=True)
    assert not whole.fade.any()
    assert len(whole.ends) == net.n_edges * PIECES


def test_turns_of_the_whole_are_taken_out(plane, frame):
    field = np.zeros((plane.n_nodes, 3))
    field[:, :2] = plane.nodes[:, ::-1] * [-0.1, 0.1] + [3.0, 1.0]
    field[:, 2] = 0.1
    run = train(plane, PAIRS, energy=Beam(), learn={"width": Learn(bounds=(0.001, 1))}, steps=1)
    seen = rigid_motion(plane, run.problem, field)
    assert np.abs(seen.relative(plane.nodes, field[:, :2])).max() < 1e-12
    assert np.abs(seen.relative_rotations(field[:, 2:])).max() < 1e-12
    # On a torus nothing turns as a whole.
    assert not rigid_motion(frame.network, frame.problem, frame.response[0]).spin.any()


# -- what is drawn -------------------------------------------------------------------------------


def test_targets_are_ringed_where_they_are_wanted(run):
    net = run.network
    target = marks(run.problem)[-1]
    a, b = target.nodes
    rest = net.nodes
    nodes = rest.copy()
    for factor in (1.0, 5.0):
        line = net.separation(a, b)
        nodes[b] = rest[b] + 0.04 * factor * line
        np.testing.assert_allclose(target.wanted_places(net, nodes, factor), nodes[[a, b]])
    places = target.wanted_places(net, rest, 5.0)
    assert np.linalg.norm(places[1] - places[0]) == pytest.approx(1.2 * np.linalg.norm(line))
    assert not len(marks(run.problem)[0].wanted_places(net, rest, nodes, 1.0))


def test_colours_follow_their_quantity_and_widths_their_own(run):
    net = run.network
    (scene,) = RunView(run, 0, Look(colour="energy", thickness="stiffness")).scenes
    order = np.argsort(run.learned["stiffness"])
    assert (np.diff(scene.widths[order]) >= 0).all()
    (even,) = RunView(run, 0, Look(colour="energy", thickness="even")).scenes
    assert np.ptp(even.widths) == 0
    np.testing.assert_array_equal(even.colours, scene.colours)
    strongest = np.argmax(RunStates(run, 0)().fields.energy)
    assert scene.colours[strongest].sum() == scene.colours.sum(axis=1).min()
    assert len(scene.colours) == net.n_edges


def test_true_widths_are_those_of_the_struts(frame):
    (scene,) = RunView(frame, 0, Look(thickness="true")).scenes
    np.testing.assert_array_equal(scene.radii, frame.learned["width"] / 2)


def test_before_training_nothing_has_changed(run):
    solved = RunStates(run, 0)
    shown = RunView(run, 0, Look(colour="change"), [solved(learned=False), solved()])
    before, after = (np.unique(s.colours, axis=0) for s in shown.scenes)
    assert len(before) == 1
    assert len(after) > 10


def test_solids_have_rims():
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    cells = np.array([[0, 1, 2], [0, 2, 3]])
    solid = Solid(points, cells, np.array([[0, 0, 0], [200, 100, 50]], dtype=np.uint8))
    np.testing.assert_array_equal(solid.rim(), [[0, 1], [0, 3], [1, 2], [2, 3]])


def test_a_scene_of_the_whole_has_no_halves(torus):
    scene = Scene(
        torus, torus.nodes, np.zeros((torus.n_edges, 3), np.uint8), np.ones(torus.n_edges),
        whole=True,
    )  # fmt: skip
    ends = scene.pieces().ends
    np.testing.assert_allclose(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), torus.lengths)
