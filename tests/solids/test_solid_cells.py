"""Periodic cells of solid struts: moduli, derivatives by widths, and what is refused."""

import numpy as np
import pytest
from paths import ROOT
from ranks import on_ranks

import mechlearn as ml
from mechlearn.energies import Beam, Solid
from mechlearn.errors import InputError
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.networks import cubic, honeycomb, triangular
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup
from mechlearn.solids.domain import StrutDomain
from mechlearn.solids.images import joined
from mechlearn.solids.meshing import make_mesh, volumes
from mechlearn.solids.struts import Struts
from mechlearn.tasks.task import Source, Target, Task


def uneven(net, mean=0.1):
    """Widths that differ, about a mean."""
    return mean * np.random.default_rng(0).uniform(0.7, 1.3, net.n_edges)


def moved(net, by):
    """The network with its origin moved, its nodes inside the cell again."""
    at = np.linalg.solve(net.cell.T, (net.nodes + by).T).T
    back = -np.floor(at).astype(int)
    first, second = net.edges.T
    nodes = net.nodes + by + back @ net.cell
    return Network(nodes, net.edges, net.cell, net.shifts + back[first] - back[second])


def task(*, stress=0.02):
    """Pull along x at free sides, and read the strain across."""
    return Task(
        sources=[Source(name="pull", cell=["xx", "yy"], stress=[stress, 0.0])],
        targets=[Target(name="answer", cell="yy", strain=0.05)],
    )


# -- moduli ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [honeycomb(2, 2, periodic=True), triangular(2, 2, periodic=True)])
def test_slender_struts_tend_to_beams(net):
    away, slender = [], np.array([0.1, 0.05, 0.025]) * net.lengths.mean()
    for width in slender:
        solid = ml.moduli(net, Solid(), width=width).stiffness
        beams = ml.moduli(net, Beam(), width=width).stiffness
        away.append(np.abs(solid - beams).max() / beams.max())
    # Joints have a size, which shortens all struts by a part of their width.
    assert 1.8 < away[0] / away[1] < 2.6
    assert 1.8 < away[1] / away[2] < 2.6
    assert away[2] < 0.02


def test_struts_in_space_tend_to_beams():
    net, away = cubic(1, 1, 1, periodic=True), []
    for width in (0.2, 0.1):
        solid = ml.moduli(net, Solid(), width=width)
        away.append(solid.young() / ml.moduli(net, Beam(), radius=width / 2).young() - 1)
    assert 0.02 < away[1] < 0.6 * away[0] < 0.1


def test_origin_and_order_do_not_matter():
    net = triangular(2, 2, periodic=True)
    width, energy = uneven(net), Solid()
    found = ml.moduli(net, energy, width=width).stiffness
    other = ml.moduli(moved(net, np.array([0.73, 0.31])), energy, width=width).stiffness
    assert other == pytest.approx(found, abs=2e-4 * found.max())  # another mesh
    order = np.random.default_rng(1).permutation(net.n_nodes)
    mixed = Network(net.nodes[order], np.argsort(order)[net.edges], net.cell, net.shifts)
    other = ml.moduli(mixed, energy, width=width).stiffness
    assert other == pytest.approx(found, abs=2e-4 * found.max())


def test_a_cell_and_twice_that_cell_are_alike():
    net = honeycomb(1, 1, periodic=True)
    width = uneven(net, 0.15)
    found = ml.moduli(net, Solid(), width=width).stiffness
    twice = ml.moduli(net.supercell(2, 1), Solid(), width=np.tile(width, 2)).stiffness
    assert twice == pytest.approx(found, rel=1e-3, abs=1e-3 * found.max())


# -- meshes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("net", [triangular(2, 2, periodic=True), honeycomb(1, 1, periodic=True)])
def test_cuts_are_no_surface_and_images_move_alike(net):
    struts = Struts(net, uneven(net))
    mesh = make_mesh(struts, 0.5)
    image = np.flatnonzero(mesh.first != np.arange(len(mesh.points)))
    steps = np.linalg.solve(net.cell.T, (mesh.points[image] - mesh.points[mesh.first[image]]).T)
    assert np.abs(steps - np.round(steps)).max() < 1e-12
    assert len(image) >= 3 * np.count_nonzero(net.crossing)
    # A closed surface has no normal on average, and each of its facets is that of one cell alone.
    a, b = mesh.points[mesh.facets].swapaxes(0, 1)
    assert np.abs((b - a).sum(axis=0)).max() < 1e-12
    domain = StrutDomain(struts, 0.5, 2, ml.fenics.MPI.COMM_SELF)
    velocity = domain.velocity.toarray().reshape(len(mesh.points), 2, -1)
    assert velocity[image] == pytest.approx(velocity[mesh.first[image]], abs=1e-14)


def test_the_area_of_a_cell_is_that_of_its_pieces():
    net = honeycomb(2, 2, periodic=True)
    width = np.full(net.n_edges, 0.1)
    areas = [
        volumes(mesh.points, mesh.cells).sum()
        for mesh in (make_mesh(Struts(n, width), 0.5) for n in (net, moved(net, net.cell[0] / 3)))
    ]
    assert areas[0] == pytest.approx(areas[1], rel=1e-9)


def test_parts_that_only_meet_across_the_cell_are_one_body():
    cell, nodes = np.eye(2), np.array([[0.1, 0.5], [0.9, 0.5], [0.5, 0.1], [0.5, 0.9]])
    edges, shifts = [[0, 1], [2, 3], [0, 1]], [[-1, 0], [0, -1], [0, 0]]
    edges, shifts = [*edges, [2, 0], [1, 3]], [*shifts, [0, 0], [0, -1]]
    net = Network(nodes, np.array(edges), cell, np.array(shifts))
    whole = joined(net)
    assert whole.vectors == pytest.approx(net.vectors, abs=1e-15)
    assert (np.bincount(whole.edges[~whole.crossing].ravel(), minlength=4) > 0).all()


# -- derivatives -----------------------------------------------------------------------------------


@pytest.mark.parametrize("material", ["linear", "neo_hookean"])
@pytest.mark.parametrize("name", ["width", "modulus", "eigenstrain"])
def test_derivatives_of_a_cell(name, material):
    net = honeycomb(1, 1, periodic=True)
    start = {
        "width": uneven(net, 0.2),
        "modulus": 1 + uneven(net),
        "eigenstrain": uneven(net, 0.01),
    }
    system = System(net, task(), Solid(material, order=1), learns=name, **start)
    direction = start[name] * np.random.default_rng(2).normal(size=net.n_edges)
    cost, slope, away = system.cost, system.gradient(name) @ direction, []
    at, problem = system.equilibrium, system.problem
    for step in (0.02, 0.01, 0.005):
        at.update(**{name: start[name] + step * direction})  # on the same mesh
        away.append(abs(problem.costs(at.outputs(at.free())).mean() - cost - step * slope))
    if (name, material) == ("eigenstrain", "linear"):
        assert max(away) < 1e-9 * cost  # no strain from rest depends on it
    else:
        assert np.log2(np.array(away[:-1]) / away[1:]).min() > 1.95


def test_the_mesh_is_made_anew_in_mid_path():
    net = honeycomb(1, 1, periodic=True)
    system = System(net, task(), Solid("neo_hookean"), learns="width", width=0.2)
    before = system.outputs
    system.set(width=np.array([0.2, 0.2, 0.34]))
    assert system.model.remeshed == 1
    fresh = System(net, task(), Solid("neo_hookean"), width=system.parameters["width"])
    assert system.outputs == pytest.approx(fresh.outputs, rel=1e-6)
    assert abs(system.outputs / before - 1).max() > 0.1


# -- ranks -----------------------------------------------------------------------------------------


def answers():
    """Moduli, and outputs and gradients at finite strain."""
    net = triangular(2, 2, periodic=True)
    system = System(net, task(), Solid("neo_hookean"), learns="width", width=uneven(net, 0.15))
    return (
        ml.moduli(net, width=uneven(net), energy=Solid()).stiffness,
        system.outputs,
        system.gradient(),
    )


def test_two_ranks_find_the_same():
    here = answers()
    for there in on_ranks(2, answers):
        for one, other in zip(here, there, strict=True):
            assert other == pytest.approx(one, rel=1e-8, abs=1e-8 * np.abs(one).max())


# -- what is refused -------------------------------------------------------------------------------


def test_struts_that_cross_images_of_others_are_refused():
    nodes = np.array([[0.1, 0.2], [0.5, 0.5], [0.4, 0.8]])
    edges, shifts = [[0, 1], [1, 2], [2, 0], [0, 2]], [[0, 0], [0, 0], [0, 0], [1, 0]]
    edges, shifts = [*edges, [1, 1], [1, 1]], [*shifts, [1, 0], [0, 1]]
    net = Network(nodes, np.array(edges), np.eye(2), np.array(shifts))
    with pytest.raises(InputError, match=r"Struts 2-4, 3-4.* overlap without meeting"):
        make_mesh(Struts(net, np.full(6, 0.02)), 0.5)


@pytest.mark.parametrize("dim", [2, 3])
def test_joints_that_overlap_with_images_of_others_are_refused(dim):
    places = [[0.08, 0.5, 0.5], [0.92, 0.5, 0.5], [0.5, 0.5, 0.1]]
    places = np.array(places)[:, [0, 2] if dim == 2 else [0, 1, 2]]
    edges = [[0, 1], [0, 2], [1, 2], *[[2, 2]] * dim]
    shifts = np.vstack([np.zeros((3, dim), int), np.eye(dim, dtype=int)])
    net = Network(places, np.array(edges), np.eye(dim), shifts)
    with pytest.raises(InputError, match="overlap"):
        make_mesh(Struts(net, np.full(len(edges), 0.16)), 0.6)


def test_rods_that_pass_through_each_other_are_refused():
    nodes = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, 0.5, 0.05], [0.5, -0.5, 0.05], [0.5, 0, 1]])
    edges = np.array([[0, 1], [2, 3], [0, 4], [1, 4], [2, 4], [3, 4]])
    with pytest.raises(InputError, match="Struts 0-1 overlap without meeting"):
        make_mesh(Struts(Network(nodes, edges), np.full(6, 0.08)), 0.5)


# -- learning --------------------------------------------------------------------------------------


def test_a_cell_learns_a_negative_poissons_ratio_by_widths():
    run = train_setup(read_setup(ROOT / "tasks" / "auxetic-solid.toml"))
    assert run.targets[0]["initial"] > 0.2
    assert run.targets[0]["reached"] == pytest.approx(-0.3, rel=0.01)
    # On a mesh of its own, and read off its moduli.
    assert ml.moduli(run).poisson() == pytest.approx(-0.3, rel=0.02)


def test_struts_too_wide_to_be_cut_are_cut_elsewhere():
    net = triangular(4, 4, periodic=True, disorder=0.25, seed=0)
    width = np.full(net.n_edges, 0.25)
    wide = Struts(net, width)
    assert wide.network.vectors == pytest.approx(net.vectors, abs=1e-14)
    assert not np.array_equal(wide.network.crossing, net.crossing)
    mesh = make_mesh(wide, 0.7)
    assert volumes(mesh.points, mesh.cells).min() > 0
