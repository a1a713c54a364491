"""Supports of solids against beams, on coarse and fine meshes, and what they make of widths."""

import numpy as np
import pytest
from problems import equilibrium
from test_solids import frame

import mechlearn as ml
from mechlearn.energies import Solid
from mechlearn.errors import InputError
from mechlearn.fenics import MPI
from mechlearn.learning import RuleLearner
from mechlearn.learning.rules import GradientDescent
from mechlearn.phase import ADJOINT
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task


def moved(net, energy, task, **values):
    """Displacements of the nodes, (n, components), in the first example."""
    problem = pose(task, net, energy.kinematics)
    model = energy.model(net, problem, values, MPI.COMM_WORLD)
    at = equilibrium(model, problem)
    at.update(**{k: np.broadcast_to(v, net.n_edges) for k, v in values.items()})
    return at.free().states()[0], at


def line(dim, nodes=2, angle=0.0):
    """Struts in line, of length 1 altogether."""
    along = np.array([np.cos(angle), np.sin(angle), 0.0])[:dim]
    x = np.linspace(0, 1, nodes)[:, None] * along
    return ml.Network(x, np.column_stack([np.arange(nodes - 1), np.arange(1, nodes)]))


def across(dim, angle=0.0):
    return 1e-6 * np.array([-np.sin(angle), np.cos(angle), 0.0])[:dim]


def cantilever(energy, width, dim=2, angle=0.0):
    """The deflection of its tip by a unit force."""
    net, force = line(dim, angle=angle), across(dim, angle)
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(nodes=[1], force=force.tolist())],
        targets=[Target(nodes=[0, 1], strain=0.1)],
    )
    size = {"radius": width / 2} if dim == 3 and energy.name == "beam" else {"width": width}
    return float(moved(net, energy, task, **size)[0][1, :dim] @ force) * 1e12


# -- clamps ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [0.05, 0.1])
def test_a_clamp_is_the_same_on_every_mesh(width):
    converged = cantilever(Solid(mesh_size=0.15), width)
    found = [cantilever(Solid(mesh_size=size), width) for size in (1.2, 0.7, 0.5, 0.3)]
    assert np.array(found) == pytest.approx(converged, rel=5e-3)


@pytest.mark.parametrize(("width", "within"), [(0.05, 0.02), (0.1, 0.04)])
@pytest.mark.parametrize("dim", [2, 3])
def test_a_cantilever_bends_as_a_beam_between_its_nodes(dim, width, within):
    beam = cantilever(ml.Beam().in_dimension(dim), width, dim)
    assert cantilever(Solid(), width, dim) == pytest.approx(beam, rel=within)


@pytest.mark.parametrize("angle", [0.3, np.pi / 6, np.pi / 2])
def test_a_clamp_has_no_direction(angle):
    straight = cantilever(Solid(), 0.1)
    assert cantilever(Solid(), 0.1, angle=angle) == pytest.approx(straight, rel=5e-3)


@pytest.mark.parametrize(("dim", "sizes", "said"), [(2, (0.5, 0.25, 0.125), (0.75, 0.92, 0.98)),
                                                    (3, (0.5, 0.35), (0.57, 0.73))])  # fmt: skip
def test_cells_of_order_1_are_as_stiff_as_is_said(dim, sizes, said):
    """By README, docstring and warning, and P2 is not: the error falls with the squared size."""
    net, right = line(dim), cantilever(Solid(mesh_size=0.35), 0.05, dim)
    kept = []
    for size, figure in zip(sizes, said, strict=True):
        energy = Solid(order=1, mesh_size=size)
        kept.append(cantilever(energy, 0.05, dim) / right)
        [text] = energy.cautions(net, {"width": np.array([0.05])})
        assert f"bend about {figure:.2g} times as much" in text
        assert kept[-1] == pytest.approx(figure, abs=0.08)
    if dim == 2:
        gap = 1 - np.array(kept)
        assert np.log2(gap[:-1] / gap[1:]) == pytest.approx(2, abs=0.5)
    assert Solid().cautions(net, {"width": np.array([0.05])}) == []
    assert Solid(order=1).cautions(net, {"width": np.array([0.3])}) == []


def test_check_and_train_warn_of_cells_of_order_1(tmp_path):
    from mechlearn.feasibility.check import check_setup
    from mechlearn.runs.taskfile import read_setup

    (tmp_path / "task.toml").write_text(
        "[network]\npoints = [[0, 0], [1, 0], [0.4, 0.8]]\nedges = [[0, 1], [1, 2], [2, 0]]\n"
        '[energy]\nmodel = "solid"\norder = 1\n[learn.width]\ninitial = 0.05\n'
        "[[sources]]\nnodes = [0, 1]\nstrain = 0.01\n[[targets]]\nnodes = [1, 2]\nstrain = 0.0\n"
        "[train]\nsteps = 0\n"
    )
    setup = read_setup(tmp_path / "task.toml")
    assert "warning   Cells of order 1 are too stiff in bending" in check_setup(setup)[0]
    from mechlearn.runs.training import train_setup

    assert any("too stiff in bending" in text for text in train_setup(setup).summary["warnings"])


# -- pins and rollers ------------------------------------------------------------------------------


def held_at_both_ends(energy, width, components, dim):
    """The deflection in the middle of two struts in line by a unit force there."""
    net, force = line(dim, 3), across(dim)
    task = Task(
        supports=[Support(nodes=[0, 2], components=components)],
        sources=[Source(nodes=[1], force=force.tolist())],
        targets=[Target(nodes=[0, 1], strain=0.1)],
    )
    size = {"radius": width / 2} if dim == 3 and energy.name == "beam" else {"width": width}
    return moved(net, energy, task, **size)[0][1, 1] * 1e6


@pytest.mark.parametrize("dim", [2, 3])
def test_pins_turn_and_clamps_do_not(dim):
    """Pinned, the middle gives four times as much as clamped; the same as beams do."""
    pins = {2: ["x", "y"], 3: ["x", "y", "z", "rx"]}[dim]
    found = {
        kind: [held_at_both_ends(e, {2: 0.05, 3: 0.03}[dim], kind and pins, dim)
               for e in (Solid(), ml.Beam().in_dimension(dim))]
        for kind in (True, None)
    }  # fmt: skip
    for solid, beam in found.values():
        assert solid == pytest.approx(beam, rel=0.04)
    assert found[True][1] > 3.5 * found[None][1]


@pytest.mark.parametrize("material", ["linear", "neo_hookean"])
def test_the_reaction_of_a_propped_cantilever_is_five_sixteenths_of_the_load(material):
    task = Task(
        supports=[Support(nodes=[0]), Support(nodes=[2], components=["y"])],
        sources=[Source(nodes=[1], force=[0.0, 1e-6])],
        targets=[Target(nodes=[2], force=[0.0], components=["y"])],
    )
    states, at = moved(line(2, 3), Solid(material=material), task, width=0.04)
    assert at.outputs(at.free())[0, 0] == pytest.approx(-5e-6 / 16, rel=0.01)
    assert states[2, 1] == pytest.approx(0.0, abs=1e-12)
    assert states[2, 2] < -1e-4


def test_a_clamp_that_names_its_turn_is_a_clamp():
    net, task = frame(), {"sources": [Source(nodes=[8], force=[0.0, 1e-4])],
                          "targets": [Target(nodes=[2, 6], strain=0.1)]}  # fmt: skip
    found = [
        moved(net, Solid(order=1), Task(supports=[Support(nodes=[0], components=c)], **task),
              width=0.1)[0]
        for c in (None, ["x", "y", "rz"])
    ]  # fmt: skip
    assert found[0] == pytest.approx(found[1], rel=1e-12, abs=1e-15)
    assert found[0][0] == pytest.approx(0, abs=1e-15)


def test_what_a_pin_leaves_loose_is_refused():
    task = Task(
        supports=[Support(nodes=[0], components=["x", "y"])],
        sources=[Source(nodes=[8], force=[0.0, 1e-3])],
        targets=[Target(nodes=[2, 6], strain=0.1)],
    )
    with pytest.raises(InputError, match="nothing holds the network"):
        pose(task, frame(), Solid().kinematics)
    turn = Source(nodes=[8], displacement=[0.1], components=["rz"])
    with pytest.raises(InputError, match="held against turning by a support, but are not turned"):
        pose(task.model_copy(update={"sources": [turn]}), frame(), Solid().kinematics)


# -- widths ----------------------------------------------------------------------------------------

HELD = ml.Task(
    supports=[Support(nodes=[0]), Support(nodes=[2], components=["x", "y"])],
    sources=[Source(nodes=[8], force=[1e-3, -1e-3])],
    targets=[Target(nodes=[4, 5], strain=0.1)],
)
TIP = ml.Task(
    supports=[Support(nodes=[0])],
    sources=[Source(nodes=[2], force=[0.0, 1e-6])],
    targets=[Target(nodes=[1], displacement=[1e-6], components=["y"])],
)


@pytest.mark.parametrize(("net", "task"), [(line(2, 3), TIP), (frame(), HELD)], ids=["tip", "held"])
def test_the_width_derivative_at_supports_is_that_of_new_meshes(net, task):
    """Also of struts that decide how large a held joint is."""
    width = 0.07 if net.n_nodes == 3 else 0.14
    learner = RuleLearner(
        net, task, Solid(mesh_size=0.25), {"width": ml.Learn(initial=width)}, GradientDescent()
    )
    at, start = learner.equilibrium, learner.parameters["width"]

    def output(values, fresh=True):
        at.update(width=values)
        if fresh and at.forget():
            at.update(width=values)
        return at.outputs(at.free())[0, 0]

    residual = learner.problem.residual(np.array([[output(start)]]))[0, 0]
    slope = learner.model.to_bonds(at.solve(ADJOINT).sensitivity("width").mean(axis=0))
    slope = -slope * learner.problem.units[0] ** 2 / residual * start
    # Struts at supports, and the one that decides the most.
    struts = {
        0,
        int(np.abs(slope).argmax()),
        *np.flatnonzero((net.edges == 2).any(axis=1)).tolist(),
    }
    for strut in sorted(struts):
        steps = []
        for h in (0.04, 0.08):
            change = h * start * (np.arange(net.n_edges) == strut)
            steps.append((output(start + change) - output(start - change)) / (2 * h))
        found = (4 * steps[0] - steps[1]) / 3
        assert slope[strut] == pytest.approx(found, abs=0.02 * np.abs(slope).max())


def in_space(net, energy, name, size):
    """Logarithmic derivatives of a tip's deflection by the struts' sizes, and it at other sizes."""
    tip, move = net.n_nodes - 1, [0.0, 1e-6, 0.0]
    task = ml.Task(
        supports=[Support(nodes=[0])],
        sources=[Source(nodes=[tip], force=move)],
        targets=[Target(nodes=[tip], displacement=[1e-3], components=["y"])],
    )
    learner = RuleLearner(net, task, energy, {name: ml.Learn(initial=size)}, GradientDescent())
    at, start = learner.equilibrium, learner.parameters[name]

    def output(values):
        at.update(**{name: values})
        if at.forget():
            at.update(**{name: values})
        return at.outputs(at.free())[0, 0]

    tip_at = output(start)
    residual = learner.problem.residual(np.array([[tip_at]]))[0, 0] / learner.problem.units[0] ** 2
    slope = learner.model.to_bonds(at.solve(ADJOINT).sensitivity(name).mean(axis=0))
    return -slope / residual * start / tip_at, output


def test_the_width_derivative_of_a_rod_is_that_of_new_meshes_and_of_a_beam():
    """Its tip moves as the width to the power of -4; steps are large against the meshes' noise."""
    slope, output = in_space(line(3), Solid(), "width", 0.1)
    thick, thin = (output(np.array([0.1 * np.exp(h)])) for h in (0.1, -0.1))
    assert slope[0] == pytest.approx(np.log(thick / thin) / 0.2, rel=0.02)
    beam, _ = in_space(line(3), ml.Beam().in_dimension(3), "radius", 0.05)
    assert slope == pytest.approx(beam, rel=0.01)


def test_the_width_derivative_of_a_bent_and_twisted_elbow_is_that_of_beams():
    elbow = ml.Network(np.array([[0.0, 0, 0], [1, 0, 0], [1, 0, 0.8]]), np.array([[0, 1], [1, 2]]))
    slope, _ = in_space(elbow, Solid(), "width", 0.1)
    beam, _ = in_space(elbow, ml.Beam().in_dimension(3), "radius", 0.05)
    assert slope == pytest.approx(beam, abs=0.02 * abs(beam).max())
