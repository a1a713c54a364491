"""Beams: against analytic answers, an independent dense frame, and their own derivatives."""

import meshio
import numpy as np
import pytest
from problems import Bench, equilibrium
from ranks import command_on_ranks
from reference import frame_stiffness

import mechlearn as ml
from mechlearn.energies import Bar, Beam, FiniteBeam, element_for
from mechlearn.energies.rigidity import rigidity
from mechlearn.equilibrium import balance
from mechlearn.errors import InputError
from mechlearn.fem.model import Model
from mechlearn.learning import RuleLearner
from mechlearn.learning.device import Imperfections
from mechlearn.learning.rules import CoupledLearning, GradientDescent, GreedyPruning
from mechlearn.linalg.solver import DirectSolver
from mechlearn.network import Network
from mechlearn.networks import delaunay
from mechlearn.phase import Phase
from mechlearn.render import render
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task

NU = 0.3
#: 6 (1 + nu) / (7 + 6 nu), Cowper's factor of a circle.
CIRCLE = 6 * (1 + NU) / (7 + 6 * NU)


def solver_for(net, task, energy, **parameters):
    problem = pose(task, net, energy.kinematics)
    solver = equilibrium(Model(net, energy, problem.fixed), problem)
    solver.update(**parameters)
    return solver


def line(a, b, pieces=1):
    """A straight strut from a to b, as so many bonds."""
    x = np.linspace(a, b, pieces + 1)
    return Network(x, np.stack([np.arange(pieces), np.arange(pieces) + 1], axis=1))


def loaded_at_the_tip(net, force, moment=None):
    tip = net.n_nodes - 1
    turns = ["rz"] if net.dim == 2 else ["rx", "ry", "rz"]
    load = [Source(name="load", nodes=[tip], force=list(force))]
    if moment is not None:
        load.append(Source(name="moment", nodes=[tip], components=turns, force=list(moment)))
    target = Target(nodes=[tip if moment is None else 0, tip], strain=0.1)
    if moment is None:
        target = Target(nodes=[tip], components=turns[-1:], displacement=[0.1])
    return Task(supports=[Support(nodes=[0])], sources=load, targets=[target])


# -- linear beams ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pieces", [1, 2, 16])
@pytest.mark.parametrize("slenderness", [1e-3, 0.1, 1.0])
def test_cantilever_has_the_timoshenko_deflection_and_does_not_lock(slenderness, pieces):
    """One element is as good as many, at any slenderness, in a skew direction."""
    length = 2.5
    t, n = np.array([0.6, 0.8]), np.array([-0.8, 0.6])
    net = line([1.0, -2.0], np.array([1.0, -2.0]) + length * t, pieces)
    width, modulus, thickness = slenderness * length, 7.0, 0.4
    task = loaded_at_the_tip(net, 0.3 * t + 0.2 * n)
    solver = solver_for(net, task, Beam(), modulus=modulus, width=width, thickness=thickness)
    tip = solver.free().states()[0, -1]
    area, second = width * thickness, thickness * width**3 / 12
    shear = 5 / 6 * modulus / (2 * (1 + NU)) * area
    stretch = 0.3 * length / (modulus * area)
    sag = 0.2 * (length**3 / (3 * modulus * second) + length / shear)
    assert tip[:2] @ n == pytest.approx(sag, rel=1e-7)
    assert tip[:2] @ t == pytest.approx(stretch, rel=1e-7, abs=1e-9 * sag)
    assert tip[2] == pytest.approx(0.2 * length**2 / (2 * modulus * second), rel=1e-7)


@pytest.mark.parametrize("pieces", [1, 4])
def test_cantilever_in_space_bends_about_both_axes_and_twists(pieces):
    length, radius, modulus = 1.7, 0.2, 3.0
    t = np.array([0.48, 0.64, 0.6])
    net = line([0.0, 1.0, 2.0], np.array([0.0, 1.0, 2.0]) + length * t, pieces)
    force, moment = np.array([0.3, -0.2, 0.5]), np.array([0.1, 0.4, -0.2])
    solver = solver_for(
        net, loaded_at_the_tip(net, force, moment), Beam(), modulus=modulus, radius=radius
    )
    tip = solver.free().states()[0, -1]
    area, second = np.pi * radius**2, np.pi * radius**4 / 4
    shear = CIRCLE * modulus / (2 * (1 + NU)) * area
    along, across = (force @ t) * t, force - (force @ t) * t
    bending, twisting = moment - (moment @ t) * t, (moment @ t) * t
    stiff = modulus * second
    u = along * length / (modulus * area) + across * (length**3 / (3 * stiff) + length / shear)
    u += np.cross(bending, t) * length**2 / (2 * stiff)
    polar = modulus / (2 * (1 + NU)) * 2 * second
    turn = twisting * length / polar + bending * length / stiff
    turn += np.cross(t, across) * length**2 / (2 * stiff)
    assert tip == pytest.approx(np.r_[u, turn], rel=1e-9)


def test_portal_frame_sways_as_the_handbook_says():
    """Clamped feet, height h, span l: sway = H h^3 (3 k + 2) / (12 E I_c (6 k + 1)) with k = (I_b /
    l) / (I_c / h), by the slope-deflection method where nothing stretches."""
    height, span = 3.0, 4.0
    net = Network([[0, 0], [0, height], [span, height], [span, 0]], [[0, 1], [1, 2], [3, 2]])
    width = np.array([1.0, 1.5, 1.0]) * 3e-3
    task = Task(
        supports=[Support(nodes=[0, 3])],
        sources=[Source(nodes=[1], force=[1.0, 0.0])],
        targets=[Target(nodes=[2], components=["x"], displacement=[1.0])],
    )
    sway = solver_for(net, task, Beam(), width=width).free().readings[0, -1]
    column, beam = width[0] ** 3 / 12, width[1] ** 3 / 12
    k = beam / span / (column / height)
    assert sway == pytest.approx(height**3 * (3 * k + 2) / (12 * column * (6 * k + 1)), rel=1e-5)


@pytest.mark.parametrize("joint", ["rigid", "springs"])
@pytest.mark.parametrize("which", ["plane", "space", "torus"])
def test_stiffness_is_that_of_the_force_method(request, which, joint, stiffnesses):
    """Any frame, in 2D, 3D and periodic, with and without springs in the joints."""
    net = request.getfixturevalue(which)
    rng = np.random.default_rng(4)
    modulus, size = stiffnesses(net), net.lengths * rng.uniform(0.02, 0.4, net.n_edges)
    if net.dim == 2:
        energy, given, shear = Beam(), {"width": size, "thickness": 0.7}, 5 / 6
        section = 0.7 * size, 0.7 * size**3 / 12
    else:
        energy, given, shear = Beam(), {"radius": size}, CIRCLE
        section = np.pi * size**2, np.pi * size**4 / 4
    spring = np.inf
    if joint == "springs":
        spring = modulus * section[1] / net.lengths * 10 ** rng.uniform(-2, 2, net.n_edges)
        given["joint_stiffness"] = spring
    model = Model(net, energy)
    model.set(modulus=modulus, **given)
    u = rng.standard_normal((net.n_nodes, model.width))
    model.put_state(model.to_local(u))
    reference = frame_stiffness(net, modulus, section, shear, NU, spring)
    forces = (reference @ u.ravel()).reshape(u.shape)
    found = model.to_nodes(model.local_force())
    assert found == pytest.approx(forces, rel=1e-10, abs=1e-12 * np.abs(forces).max())
    assert model.total_energy() == pytest.approx(u.ravel() @ forces.ravel() / 2, rel=1e-12)
    amounts = np.array([[1.0], [0.5]])
    batch = model.superpose(model.to_local(u)[:, None]).energies(amounts)
    assert batch == pytest.approx(amounts[:, 0] ** 2 * model.total_energy(), rel=1e-12)


@pytest.mark.parametrize("nodes", [40, 400])
@pytest.mark.parametrize("element", [Beam(), FiniteBeam(segments=1)])
def test_beams_may_have_any_unit_of_length(nodes, element):
    # Rotations are in other units than displacements.
    net, response = delaunay(nodes=nodes, seed=1), []
    task = Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(nodes=[10, 30], strain=0.01)],
        targets=[Target(nodes=[20, 35], strain=0.1)],
    )
    for unit in (1.0, 1e-9, 1e6):
        scaled = Network(unit * net.nodes, net.edges)
        solver = solver_for(scaled, task, element, width=0.02 * unit * net.lengths)
        response.append(solver.outputs(solver.free()) / unit)
    assert response[1] == pytest.approx(response[0], rel=1e-8)
    assert response[2] == pytest.approx(response[0], rel=1e-8)


def test_very_soft_joints_are_pins(plane):
    """Without stiffness in the joints a frame answers as the same network of bars."""
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[3, 12], strain=0.1)]
    )
    pinned = solver_for(plane, task, Bar(), width=0.02).free()
    soft = solver_for(plane, task, Beam(), width=0.02, joint_stiffness=1e-12).free()
    assert soft.readings == pytest.approx(pinned.readings, rel=1e-4)
    assert soft.energies == pytest.approx(pinned.energies, rel=1e-4)


def test_bars_are_springs(plane, space):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[3, 12], strain=0.1)]
    )
    for net, size, area in ((plane, "width", 0.3 * 2.0), (space, "radius", np.pi * 0.3**2)):
        given = {size: 0.3} | ({"thickness": 2.0} if net.dim == 2 else {})
        bar = Bar().in_dimension(net.dim)
        spring = solver_for(net, task, ml.Spring(), stiffness=5 * area / net.lengths).free()
        found = solver_for(net, task, bar, modulus=5.0, **given).free()
        assert found.readings == pytest.approx(spring.readings, rel=1e-10)
        assert found.energies == pytest.approx(spring.energies, rel=1e-10)


# -- finite beams ----------------------------------------------------------------------------------


@pytest.mark.parametrize("segments", [3, 12])
@pytest.mark.parametrize("width", [1e-3, 0.1])
def test_end_moment_rolls_a_cantilever_into_a_circle(width, segments):
    net = line([0.0, 0.0], [0.8, 0.6])
    stiff = 2.0 * width**3 / 12
    for part in (0.25, 1.0):
        task = Task(
            supports=[Support(nodes=[0])],
            sources=[Source(nodes=[1], components=["rz"], force=[part * 2 * np.pi * stiff])],
            targets=[Target(nodes=[1], displacement=[0.0, 0.0])],
        )
        free = solver_for(net, task, FiniteBeam(segments=segments), modulus=2.0, width=width).free()
        tip = free.states()[0, 1]
        angle = 2 * np.pi * part
        ahead, aside = np.sin(angle) / angle, (1 - np.cos(angle)) / angle
        place = ahead * np.array([0.8, 0.6]) + aside * np.array([-0.6, 0.8])
        accuracy = 1e-8 if segments == 12 else 3e-3
        assert tip[2] == pytest.approx(angle, rel=1e-9)
        assert net.nodes[1] + tip[:2] == pytest.approx(place, abs=accuracy)


@pytest.mark.parametrize("width", [1e-3, 0.02])
def test_pinned_column_buckles_at_eulers_load(width):
    """Perfect, and shortened ever more: it leaves the straight path, and its load stays. Between
    2 and 10 times the critical shortening the elastica's load rises by less than 0.3 %."""
    net = line([0.0, 0.0], [1.0, 0.0])
    euler = np.pi**2 * width**3 / 12
    loads, turns = [], []
    for part in (0.5, 0.9, 2.0, 5.0, 10.0):
        task = Task(
            supports=[Support(nodes=[0], components=["x", "y"]),
                      Support(nodes=[1], components=["y"])],
            sources=[Source(nodes=[1], components=["x"], displacement=[-part * euler / width])],
            targets=[Target(nodes=[0], components=["rz"], displacement=[0.1])],
        )  # fmt: skip
        free = solver_for(net, task, FiniteBeam(), width=width).free()
        loads.append(-free.forces[0, 0] / euler)
        turns.append(abs(free.readings[0, 1]))
    assert loads[:2] == pytest.approx([0.5, 0.9], rel=1e-6)
    assert loads[2:] == pytest.approx([1.0] * 3, rel=1e-2)
    assert max(turns[:2]) < 1e-9
    assert np.all(np.diff(turns[1:]) > 0.3 * width)


@pytest.mark.parametrize("part", [1.02, 1.1, 1.5, 2.0, 5.0])
def test_perfect_columns_buckle_as_bent_ones_do(part):
    """Whatever the load does in one step, nothing is left standing beyond Euler's."""
    shortened = part * np.pi**2 * 0.1**2 / 12
    task = Task(
        supports=[Support(nodes=[0], components=["x", "y"]), Support(nodes=[2], components=["y"])],
        sources=[Source(nodes=[2], components=["x"], displacement=[-shortened])],
        targets=[Target(nodes=[1], components=["y"], displacement=[0.5])],
    )
    heights = []
    for offset in (0.0, 1e-9):
        net = Network([[0, 0], [0.5, offset], [1, 0]], [[0, 1], [1, 2]])
        solver = solver_for(net, task, FiniteBeam(segments=8), width=0.1)
        solver.floppy = False
        heights.append(abs(solver.free().readings[0, 1]))
    assert heights[0] > 0.01
    assert heights[0] == pytest.approx(heights[1], rel=1e-5)


def test_one_factorisation_serves_for_nudged_states_of_frames(plane, monkeypatch):
    task = Task(
        sources=[Source(nodes=[0, 7], strain=0.002)], targets=[Target(nodes=[3, 12], strain=0.002)]
    )
    found, factorised = [], []
    for nearby in (balance.REUSE_RADIUS, -1.0):
        monkeypatch.setattr(balance, "REUSE_RADIUS", nearby)
        solver = solver_for(plane, task, FiniteBeam(segments=3), width=0.1)
        free = solver.free()
        before = solver.counts.iterations
        clamped = solver.solve(Phase("clamp", 0.02)).parts[0][1]
        factorised.append(solver.counts.iterations - before)
        found.append((free.states(), clamped.states()))
    assert factorised[0] == 0 < factorised[1]
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-11)
    assert np.abs(found[0][1] - found[0][0]).max() > 1e-6


def test_inertia_counts_the_buckling_modes():
    """The straight column has one unstable mode beyond Euler's load, two beyond four times it."""
    net, width = line([0.0, 0.0], [1.0, 0.0]), 0.01
    model = Model(net, FiniteBeam(segments=24), held=[0, 1, 3, 4])
    model.set(width=width)
    places = np.r_[0.0, 1.0, np.arange(1, 24) / 24]
    factors = DirectSolver(model.matrix, definite=False)
    for part, unstable in ((0.99, 0), (1.01, 1), (3.96, 1), (4.04, 2)):
        strain = part * np.pi**2 * width**2 / 12
        state = np.zeros((25, 3))
        state[:, 0] = -strain * places
        model.put_state(model.to_local(state))
        model.assemble_stiffness()
        factors.factor()
        assert factors.inertia().negative == unstable


def test_finite_beams_tend_to_linear_ones_with_the_square_of_the_segments(plane):
    """Under small strain; the linear element is exact, so the difference is the discretisation."""
    task = Task(
        sources=[Source(nodes=[0, 7], strain=1e-6)], targets=[Target(nodes=[3, 12], strain=1e-6)]
    )
    exact = solver_for(plane, task, Beam(), width=0.02).free().energies[0]
    errors = []
    for segments in (4, 8, 16):
        free = solver_for(plane, task, FiniteBeam(segments=segments), width=0.02).free()
        errors.append(free.energies[0] / exact - 1)
    assert np.log2(errors[0] / errors[1]) == pytest.approx(2, abs=0.1)
    assert np.log2(errors[1] / errors[2]) == pytest.approx(2, abs=0.1)
    assert errors[2] < 5e-3


def test_finite_frame_does_not_feel_rigid_motion(plane):
    model = Model(plane, FiniteBeam(segments=3))
    angle = 2.0
    c, s = np.cos(angle), np.sin(angle)
    a, b = plane.nodes[plane.edges].swapaxes(0, 1)
    x = np.vstack([plane.nodes, np.stack([a + (b - a) / 3, b - (b - a) / 3], 1).reshape(-1, 2)])
    turned = x @ np.array([[c, s], [-s, c]]) + [3.0, -1.0]
    model.put_state(model.to_local(np.column_stack([turned - x, np.full(len(x), angle)])))
    assert model.total_energy() < 1e-25
    assert np.abs(model.local_force()).max() < 1e-12


# -- learning --------------------------------------------------------------------------------------

TASKS = {
    "strain": Task(
        sources=[Source(nodes=[0, 7], strain=0.02)], targets=[Target(nodes=[3, 12], strain=0.01)]
    ),
    "strain and force": Task(
        sources=[Source(nodes=[0, 7], strain=0.02)],
        targets=[Target(nodes=[3, 12], strain=0.01), Target(nodes=[5, 20], force=1e-3)],
    ),
    "displacement and rotation": Task(
        supports=[Support(nodes=[0, 1])],
        sources=[Source(nodes=[20], force=[1e-4, -5e-5])],
        targets=[
            Target(nodes=[12], displacement=[0.01, 0.01]),
            Target(name="turn", nodes=[3], components=["rz"], displacement=[0.02]),
        ],
    ),
    "reaction and moment": Task(
        supports=[Support(nodes=[0, 1, 2])],
        sources=[Source(nodes=[20], displacement=[0.01, -0.005])],
        targets=[Target(nodes=[1], components=["y", "rz"], force=[1e-3, 1e-4])],
    ),
    "turned by hand": Task(
        supports=[Support(nodes=[0], components=["x", "y"]), Support(nodes=[1])],
        sources=[
            Source(nodes=[0], components=["rz"], displacement=[0.1]),
            Source(name="moment", nodes=[9], components=["rz"], force=[1e-5]),
        ],
        targets=[Target(nodes=[3, 12], strain=0.01)],
        examples=[{}, {"moment": [-2e-5], "target": 0.0}],
    ),
}
IN_SPACE = {
    name: task.model_copy(
        update={
            kind: [
                t.model_copy(
                    update={
                        q: [*getattr(t, q), 1e-4]
                        for q in ("displacement", "force")
                        if isinstance(getattr(t, q), list) and t.components is None
                    }
                )
                for t in getattr(task, kind)
            ]
            for kind in ("sources", "targets")
        }
    )
    for name, task in TASKS.items()
}
ELEMENTS = {
    "beam": Beam(),
    "beam in space": Beam().in_dimension(3),
    "finite": FiniteBeam(segments=3),
}


class Frame(Bench):
    """A frame, a task and an energy at a fixed point."""

    def __init__(self, net, task, energy):
        self.problem = pose(task, net, energy.kinematics)
        self.solver = equilibrium(Model(net, energy, self.problem.fixed), self.problem)
        rng = np.random.default_rng(8)
        ranges = {
            "modulus": (0.5, 2),
            "width": (0.03, 0.06),
            "radius": (0.03, 0.06),
            "thickness": (0.5, 2),
            "poisson": (-0.2, 0.45),
            "rest_length": (0.999, 1.001),
            "joint_stiffness": (1e-5, 1e-3),
            "rest_curvature": (-0.02, 0.02),
        }
        self.at = {p.name: rng.uniform(*ranges[p.name], net.n_edges) for p in energy.parameters}
        self.at["rest_length"] = net.lengths * self.at["rest_length"]
        self.update()


@pytest.fixture
def frame(plane, space):
    def make(element, task):
        energy = ELEMENTS[element]
        net, tasks = (space, IN_SPACE) if energy is ELEMENTS["beam in space"] else (plane, TASKS)
        return Frame(net, tasks[task], energy)

    return make


@pytest.mark.parametrize("task", sorted(TASKS))
@pytest.mark.parametrize(
    ("element", "name"), [(e, p.name) for e, energy in ELEMENTS.items() for p in energy.parameters]
)
def test_exact_gradient_of_every_parameter(frame, element, name, task):
    """Taylor remainder of order 2 in a random direction."""
    b = frame(element, task)
    gradient = b.signal(GradientDescent(), name)
    scale = np.ones_like(gradient) if name == "poisson" else b.at[name]
    if name == "rest_length":
        scale = 0.01 * scale
    direction = np.random.default_rng(1).standard_normal(len(gradient)) * scale
    base = b.cost()
    steps = 4e-3 * 0.5 ** np.arange(4)
    remainders = [
        abs(b.cost(**{name: b.at[name] + h * direction}) - base - h * gradient @ direction)
        for h in steps
    ]
    assert np.log2(remainders[0] / remainders[-1]) / 3 > 1.95


@pytest.mark.parametrize("element", sorted(ELEMENTS))
def test_coupled_learning_of_one_output_follows_the_gradient(frame, element):
    """The rule is the one that springs use, and knows of no beams."""
    b = frame(element, "strain")
    for name in b.at:
        exact = b.signal(GradientDescent(), name)
        found = b.signal(CoupledLearning(eta=1e-3, variant="centred"), name)
        cosine = exact @ found / np.linalg.norm(exact) / np.linalg.norm(found)
        assert 1 - cosine < 1e-6


@pytest.mark.parametrize("rule", [CoupledLearning(), GradientDescent()], ids=lambda r: r.name)
@pytest.mark.parametrize("element", sorted(ELEMENTS))
def test_frames_learn_by_their_widths(plane, space, element, rule):
    energy = ELEMENTS[element]
    net, size = (space, "radius") if energy is ELEMENTS["beam in space"] else (plane, "width")
    run = ml.train(
        net,
        Task(
            sources=[Source(nodes=[0, 7], strain=0.02)],
            targets=[Target(nodes=[3, 12], strain=0.005)],
        ),
        energy=energy,
        learn={size: ml.Learn(bounds=(0.01, 0.3), initial=0.1, relative=True)},
        rule=rule,
        tolerance=1e-3,
        steps=500,
    )
    assert run.converged
    assert abs(run.targets[0]["initial"] - 0.005) > 0.001


def test_noise_of_sensors_is_felt_in_every_strain(plane):
    """Errors of measurement stay apart by strain, and small ones change a signal little."""

    def widths(noise, energy):
        learner = RuleLearner(
            plane,
            TASKS["strain"],
            energy,
            {"width": ml.Learn(bounds=(0.01, 0.3), initial=0.1, scale="linear")},
            GradientDescent(),
            optimiser="plain",
            rate=1.0,
            imperfections=Imperfections(noise=noise),
        )
        learner.train(steps=1, tolerance=1e-9)
        return learner.parameters["width"]

    true = widths(0.0, Beam())
    errors = [np.linalg.norm(widths(noise, Beam()) - true) for noise in (1e-6, 1e-7)]
    assert errors[0] / errors[1] == pytest.approx(10, rel=1e-3)
    with pytest.raises(InputError, match="finite_beam have 2 segments"):
        widths(1e-6, FiniteBeam(segments=2))
    assert np.isfinite(widths(1e-6, FiniteBeam(segments=1))).all()


# -- files, words and errors -----------------------------------------------------------------------

TASK = """
[network]
generator = "triangular"
size = [4, 4]
disorder = 0.1
seed = 2
periodic = {periodic}
[energy]
model = "{model}"
{options}
[learn.width]
bounds = [0.02, 0.3]
initial = 0.1
relative = true
[[sources]]
near = [0.2, 0.2]
strain = 0.02
[[targets]]
near = [0.8, 0.8]
strain = 0.004
[train]
steps = 100
"""
FINITE = {"model": "finite_beam", "options": "segments = 3\npoisson = 0.2"}


def task_file(folder, periodic="false", model="beam", options=""):
    path = folder / f"{model}.toml"
    path.write_text(TASK.format(periodic=periodic, model=model, options=options))
    return path


@pytest.mark.parametrize(
    "given", [{}, {"periodic": "true"}, FINITE], ids=["free", "torus", "finite"]
)
def test_runs_of_frames_are_saved_and_read_back(tmp_path, given):
    run = ml.train_file(task_file(tmp_path, **given))
    folder = run.save(tmp_path / "run")
    again = ml.Run.load(folder)
    assert run.converged
    assert again.response == pytest.approx(run.response, abs=1e-15)
    assert again.energy == run.energy
    assert again.evaluate()[0]["reached"] == pytest.approx(run.targets[0]["reached"], abs=1e-12)
    points = meshio.read(folder / "learned.vtu").point_data
    assert points["displacement"][:, :2] == pytest.approx(run.displacements[0], abs=1e-15)
    assert points["rotation"] == pytest.approx(run.response[0, :, 2], abs=1e-15)
    for name in ("network.png", "states.png"):
        render(run, tmp_path / name)
    run.export(tmp_path / "learned.vtk")
    assert ml.train_file(folder / "task.toml").response == pytest.approx(run.response, abs=1e-12)


@pytest.mark.parametrize("given", [{"periodic": "true"}, FINITE], ids=["torus", "finite"])
def test_two_ranks_find_what_one_does(tmp_path, given):
    task = task_file(tmp_path, **given)
    task.write_text(task.read_text().replace("steps = 100", "steps = 10"))
    said = command_on_ranks(2, "train", task, "-o", tmp_path / "two", "--quiet")
    assert said.returncode == 0, said.stderr
    one, two = ml.train_file(task), ml.Run.load(tmp_path / "two")
    assert two.summary["ranks"] == 2
    for name in ("error", "output", "contrast", "width"):
        a, b = one.history[name].values, two.history[name].values
        assert b == pytest.approx(a, rel=1e-7, abs=1e-8 * np.abs(a).max())
    assert two.response == pytest.approx(one.response, abs=1e-8)


def test_a_restored_learner_goes_on_from_the_complete_state(plane):
    """Nodes inside struts are part of what the next states start from."""

    def make():
        learn = {"width": ml.Learn(bounds=(0.01, 0.3), relative=True)}
        rule = CoupledLearning()
        return RuleLearner(plane, TASKS["strain"], FiniteBeam(segments=3), learn, rule)

    whole, first, second = make(), make(), make()
    whole.train(steps=6, tolerance=1e-9)
    first.train(steps=3, tolerance=1e-9)
    state = first.state()
    points = plane.n_nodes + 2 * plane.n_edges
    assert state["memory/free/u"].shape == (points, 3, 1)
    second.restore(state)
    restored = second.equilibrium.memory()
    for name in (n for n in state if n.startswith("memory/")):
        assert np.array_equal(restored[name.removeprefix("memory/")], state[name])
    second.train(steps=6, tolerance=1e-9)
    assert second.history.error == whole.history.error


def test_zero_modes_of_frames(plane, space, torus):
    for net, rigid, width, strains in ((plane, 3, 3, 3), (space, 6, 6, 6), (torus, 2, 3, 3)):
        counts = rigidity(net, kinematics=Beam.kinematics)
        assert (counts.zero_modes, counts.rigid_motions) == (rigid, rigid)
        assert counts.self_stress_states == strains * net.n_edges - width * net.n_nodes + rigid
    large = Network(plane.nodes * 1e6, plane.edges)
    assert rigidity(large, kinematics=Beam.kinematics).zero_modes == 3


def test_a_chain_holds_as_a_frame_and_flops_with_pins():
    net = Network([[0, 0], [1, 0.5], [2, 0.0]], [[0, 1], [1, 2]])
    task = Task(
        sources=[Source(nodes=[0, 2], strain=0.01)], targets=[Target(nodes=[0, 1], strain=0.1)]
    )
    learn = {"width": ml.Learn(bounds=(0.01, 0.5), initial=0.1)}
    assert ml.train(net, task, energy=Beam(), learn=learn, steps=1).summary["steps"] <= 1
    with pytest.raises(InputError, match="floppy"):
        ml.train(net, task, energy=Bar(), learn=learn)


def test_supports_clamp_and_terminals_mean_displacements_unless_they_name_rotations(plane):
    task = Task(
        supports=[Support(nodes=[0]), Support(nodes=[1], components=["rz"])],
        sources=[Source(nodes=[5], displacement=[0.1, 0.0])],
        targets=[Target(nodes=[9], components=["rz"], displacement=[0.1])],
    )
    problem = pose(task, plane, Beam.kinematics)
    assert problem.supported.tolist() == [0, 1, 2, 5]
    assert [p.dof(3) for p in problem.ports] == [15, 16, 29]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("size = [4, 4]", "size = [4, 4, 4]"), "triangular"),
        (('generator = "triangular"\nsize = [4, 4]', 'generator = "cubic"\nsize = [3, 3, 3]'),
         "A finite_beam has no parameter 'width'; it has modulus or radius"),
        (("segments = 3", "segments = 0"), "energy: segments = 0"),
        (("segments = 3", "segments = 2.5"), "energy: segments = 2.5"),
        (("segments = 3", "segment = 3"), "segment is not a known key; did you mean 'segments'"),
        (("poisson = 0.2", "radius = 0.2"), "energy: radius is not a known key"),
    ],
)  # fmt: skip
def test_errors_say_what_would_be_right(tmp_path, change, message):
    path = task_file(tmp_path, **FINITE)
    text = path.read_text()
    assert change[0] in text
    path.write_text(text.replace(*change))
    with pytest.raises(InputError, match=message):
        ml.train_file(path)


@pytest.mark.parametrize("element", [Bar, Beam])
def test_the_dimension_of_struts_is_that_of_their_network(plane, space, element):
    for net, size in ((plane, "width"), (space, "radius")):
        found = element_for(net, element)
        assert size in [p.name for p in found.parameters]
        assert found.in_dimension(net.dim) is found
        assert Model(net, element()).get(size) == pytest.approx(found.parameter(size).default(net))
        assert type(found.in_dimension(5 - net.dim).in_dimension(net.dim)) is type(found)


def test_struts_of_ones_own_live_in_the_dimension_they_are_written_for(space):
    class Ribbon(Beam):
        name = "ribbon"

    with pytest.raises(InputError, match="a ribbon lives in 2D; the network is in 3D"):
        Model(space, Ribbon())


def test_pruning_refuses_beams(plane):
    with pytest.raises(InputError, match=r"bonds of one strain, .* a beam has several"):
        ml.train(
            plane,
            TASKS["strain"],
            energy=Beam(),
            learn={"modulus": ml.Learn(bounds=(0.1, 2))},
            rule=GreedyPruning(),
        )
