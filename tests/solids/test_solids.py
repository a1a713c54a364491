"""Solids as finite elements: meshes, materials and patches against what is known exactly."""

import os
import sys

import numpy as np
import pytest
from scipy import sparse
from scipy.sparse.linalg import spsolve

from mechlearn.energies.solid import Hinge, Solid
from mechlearn.errors import InputError, MechlearnError, SolveError
from mechlearn.fenics import MPI, fem, ufl
from mechlearn.io.isolated import Crash, call_isolated
from mechlearn.linalg.solver import DirectSolver, IterativeSolver
from mechlearn.network import Network
from mechlearn.networks import delaunay
from mechlearn.solids import boolean, kernels
from mechlearn.solids.contact import overlaps
from mechlearn.solids.domain import SIDES, mesh_and_velocity
from mechlearn.solids.images import rod_overlaps
from mechlearn.solids.materials import density
from mechlearn.solids.meshing import SolidMesh, make_mesh, quality, volumes
from mechlearn.solids.strut_model import StrutModel
from mechlearn.solids.struts import Struts, rounded_widths
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task

HINGE = Hinge(thin=0.4, length=0.12)


def frame():
    """A plane network of 9 nodes and 14 struts, no two of which cross."""
    i, j = np.divmod(np.arange(9), 3)
    x = np.stack([i + 0.5 * j, 0.866 * j], axis=1)
    x = x + 0.1 * np.random.default_rng(0).uniform(-1, 1, x.shape)
    edges = [(a, b) for a in range(9) for b in range(a + 1, 9) if np.hypot(*(x[a] - x[b])) < 1.35]
    return Network(x, np.array([e for e in edges if e not in [(1, 4), (3, 4)]]))


def tower():
    """Two tetrahedra on a common face."""
    x = [[0, 0, 0], [1, 0, 0], [0.5, 0.9, 0], [0.5, 0.3, 0.8], [0.5, 0.4, -0.8]]
    pairs = [(a, b) for a in range(5) for b in range(a) if (a, b) != (4, 3)]
    return Network(np.array(x), np.array(pairs))


def rod(dim, length=1.0):
    """Two struts in line, inclined."""
    along = np.array([0.8, 0.5, 0.3])[:dim]
    along = length * along / np.linalg.norm(along)
    return Network(np.array([0 * along, along / 2, along]), np.array([[0, 1], [1, 2]]))


def solid(net, energy, held=(), **parameters):
    known = {p.name: p.default(net) for p in energy.parameters} | parameters
    values = {k: np.broadcast_to(v, net.n_edges).astype(float) for k, v in known.items()}
    return StrutModel(net, energy, values, held, MPI.COMM_WORLD)


# -- meshes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("hinge", [None, HINGE], ids=["straight", "hinged"])
@pytest.mark.parametrize("size", [0.4, 1.0])
def test_a_plane_mesh_is_good_and_every_cell_has_its_strut(hinge, size):
    net = frame()
    width = 0.15 * np.random.default_rng(1).uniform(0.6, 1.4, net.n_edges)
    mesh = make_mesh(Struts(net, width, hinge), size)
    good, inside = quality(mesh.points, mesh.cells), mesh.patch >= 0
    assert good.min() > 0.2
    # Patches are finer than coarse meshes: cells next to them lead from one size to the other.
    assert good[~np.isin(mesh.cells, mesh.cells[inside]).any(axis=1)].mean() > 0.9
    assert set(mesh.element) == set(range(net.n_edges))
    centres = mesh.points[mesh.cells].mean(axis=1)
    start, axis = net.nodes[net.edges[mesh.element, 0]], mesh.struts.axes[mesh.element]
    along = np.einsum("cd,cd->c", centres - start, axis)
    away = np.linalg.norm(centres - start - along[:, None] * axis, axis=1)
    assert (away < max(mesh.struts.joint_radius.max(), width.max() / 2)).all()


def test_the_area_of_a_straight_strut_and_its_joints_is_right():
    net = Network(np.array([[0.0, 0.0], [2.0, 0.0]]), np.array([[0, 1]]))
    mesh = make_mesh(Struts(net, np.array([0.2])), 0.5)
    r, w = mesh.struts.joint_radius[0], 0.2
    facets = 16 * r**2 * np.sin(2 * np.pi / 16) / 2  # a joint is a polygon of 16 corners
    below = r**2 * np.arcsin(w / 2 / r) + w / 2 * np.sqrt(r**2 - w**2 / 4)  # of the disc, in it
    area = volumes(mesh.points, mesh.cells).sum()
    assert area == pytest.approx(2.0 * w + 2 * (facets - below), rel=5e-3)


def test_round_struts_have_their_whole_cross_section():
    net = rod(3, 2.0)
    drawn, _ = mesh_and_velocity(Struts(net, np.full(2, 0.1)), 0.5)
    middle = np.abs((drawn.points[drawn.cells].mean(axis=1) - net.nodes[0]) @ drawn.struts.axes[0])
    assert quality(drawn.points, drawn.cells).min() > 0.1
    volume = volumes(drawn.points, drawn.cells)[(middle > 0.2) & (middle < 0.8)].sum()
    assert volume == pytest.approx(np.pi * 0.05**2 * 0.6, rel=0.03)  # ends are ragged by a cell


def test_crossing_struts_are_refused():
    net = Network(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]),
                  np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]]))  # fmt: skip
    with pytest.raises(InputError, match="Struts 4-5 overlap"):
        make_mesh(Struts(net, np.full(6, 0.05)), 0.5)


def test_struts_wider_than_long_are_refused():
    with pytest.raises(InputError, match="joints at both ends of bond 0"):
        Struts(rod(2), np.full(2, 0.6))


def test_a_missing_package_is_a_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "gmsh", None)
    with pytest.raises(MechlearnError, match="pip install"):
        make_mesh(Struts(rod(2), np.full(2, 0.1)), 0.5)


def hard_to_unite():
    """Struts that OpenCASCADE unites without one of them if it is let to."""
    net = delaunay(nodes=8, dim=3, seed=7)
    return Struts(net, np.full(net.n_edges, 0.14))


def test_no_strut_is_lost_in_space():
    """The mesh is as large as the struts, found without OpenCASCADE; each strut has its cells."""
    struts = hard_to_unite()
    drawn, _ = mesh_and_velocity(struts, 1.0)
    assert set(drawn.element) == set(range(struts.network.n_edges))
    assert volumes(drawn.points, drawn.cells).sum() == pytest.approx(kernels.volume(struts), 0.03)


def test_the_volume_of_round_struts_is_right():
    """Of one rod and the parts of its balls beyond it, in a formula."""
    net = Network(np.array([[0.0, 0, 0], [1, 0.5, 0.2]]), np.array([[0, 1]]))
    struts, r = Struts(net, np.array([0.2])), 0.1
    ball, length = struts.joint_radius[0], net.lengths[0]
    inside = np.sqrt(ball**2 - r**2)  # from here on, the rod is all there is
    lens = np.pi * (ball**2 * inside - inside**3 / 3)  # of half a ball, up to there
    exact = np.pi * r**2 * (length - 2 * inside) + 2 * (2 / 3 * np.pi * ball**3 + lens)
    assert kernels.volume(struts) == pytest.approx(exact, rel=2e-4)


def test_a_union_that_fails_is_tried_anew_and_refused_by_name(monkeypatch):
    """Crashes and losses are survived, and the struts named that are likely at fault."""
    struts, asked = Struts(tower(), np.full(9, 0.1)), []

    def crash_once(make, *arguments):
        asked.append(arguments[-1])
        return call_isolated(os.abort) if arguments[-1] == 0 else make(*arguments)

    monkeypatch.setattr(boolean, "call_isolated", crash_once)
    mesh = make_mesh(struts, 1.0)
    assert asked == [0, 1]
    assert set(mesh.element) == set(range(9))
    lost = []

    def always_loses(make, *arguments):
        if not lost:  # the others would be as this one, and take as long
            with pytest.raises(SolveError) as error:
                make(*arguments)
            lost.append(error.value)
        raise lost[0]

    monkeypatch.setattr(boolean, "call_isolated", always_loses)
    monkeypatch.setattr(kernels, "volume", lambda struts: 1.01 * volume)
    volume = volumes(mesh.points, mesh.cells).sum()
    with pytest.raises(SolveError, match=r"lost some of the struts.*Bonds \d and \d meet at"):
        make_mesh(struts, 1.0)


def test_the_struts_at_the_smallest_angle_are_named():
    angle = np.radians(7.0)
    nodes = np.array([[0.0, 0, 0], [0, 0, 1], [0, 1, 0], [np.cos(angle), np.sin(angle), 0],
                      [1.0, 0, 0]])  # fmt: skip
    net = Network(nodes, np.array([[0, 1], [2, 0], [0, 4], [3, 0]]))
    text = boolean.sharpest_angle(Struts(net, np.full(4, 0.02)))
    assert text.startswith("Bonds 2 and 3 meet at the smallest angle, 7 degrees, at node 0:")


def test_calls_apart_answer_raise_and_crash_alone(monkeypatch):
    """Results of another process come back; it knows nothing of MPI, and its end is not ours."""
    monkeypatch.setenv("PMI_RANK", "1")
    monkeypatch.setenv("HOME_OF_MINE", "here")
    assert call_isolated(os.getenv, "PMI_RANK") is None
    assert call_isolated(os.getenv, "HOME_OF_MINE") == "here"
    with pytest.raises(ZeroDivisionError):
        call_isolated(divmod, 1, 0)
    with pytest.raises(Crash, match="crashed with SIGABRT"):
        call_isolated(os.abort)
    with pytest.raises(Crash, match="exit code 3"):
        call_isolated(os._exit, 3)


# -- materials and elements ------------------------------------------------------------------------


@pytest.mark.parametrize("plane", ["stress", "strain"])
def test_the_patch_test(plane):
    model = solid(frame(), Solid(order=1, plane=plane), width=0.15)
    x = model.domain.places
    u = x @ np.array([[0.1, -0.05], [0.02, 0.07]]).T
    exact = u.ravel()
    stiffness, inside = matrix(model), ~on_surface(model)
    found = exact.copy()
    found[inside] = 0
    known = stiffness[inside] @ found
    found[inside] = spsolve(stiffness[inside][:, inside].tocsc(), -known)
    assert np.abs(found - exact).max() < 1e-10


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("material", ["neo_hookean", "st_venant_kirchhoff"])
def test_the_patch_test_at_finite_strain(material, order):
    model = solid(frame(), Solid(order=order, material=material), width=0.15)
    gradient = np.array([[0.3, -0.2], [0.4, -0.1]])
    model.put_state((model.domain.places @ gradient.T).ravel())
    assert np.abs(model.local_force()[~on_surface(model)]).max() < 1e-12


def matrix(model):
    mat = model.assemble_stiffness()
    rows, columns, values = mat.getValuesCSR()
    return sparse.csr_array((values, columns, rows), mat.size)


def on_surface(model):
    """Degrees of freedom on the surface."""
    domain, d = model.domain.mesh, model.places
    domain.topology.create_connectivity(d - 1, d)
    from mechlearn.fenics import mesh

    facets = mesh.exterior_facet_indices(domain.topology)
    blocks = fem.locate_dofs_topological(model.domain.space, d - 1, facets)
    out = np.zeros((len(model.domain.places), d), dtype=bool)
    out[blocks] = True
    return out.ravel()


def in_four(mesh):
    """The mesh with every triangle cut in four like ones: meshes that differ in size alone."""
    sides = np.sort(mesh.cells[:, [[1, 2], [0, 2], [0, 1]]].reshape(-1, 2), axis=1)
    sides, number = np.unique(sides, axis=0, return_inverse=True)
    (a, b, c), (u, v, w) = mesh.cells.T, len(mesh.points) + number.reshape(-1, 3).T
    cells = np.stack([(a, w, v), (w, b, u), (v, u, c), (u, v, w)]).transpose(0, 2, 1)
    points = np.concatenate([mesh.points, mesh.points[sides].mean(axis=1)])
    level = np.concatenate([mesh.level, np.ones(len(sides), dtype=int)])
    return SolidMesh(mesh.struts, points, cells.reshape(-1, 3), level)


@pytest.mark.parametrize("material", ["linear", "neo_hookean"])
@pytest.mark.parametrize("order", [1, 2])
def test_convergence_to_a_manufactured_solution(material, order, monkeypatch):
    net = Network(np.array([[0.0, 0.0], [2.0, 0.6]]), np.array([[0, 1]]))
    errors, mesh = [], make_mesh(Struts(net, np.array([0.8])), 0.25)
    for finer in (mesh, in_four(mesh)):
        monkeypatch.setattr("mechlearn.solids.domain.make_mesh", lambda *_, mesh=finer: mesh)
        model = solid(net, Solid(order=order, material=material), width=0.8)
        errors.append(manufactured_error(model))
    l2, energy = np.log2(np.array(errors[0]) / errors[1])
    assert l2 == pytest.approx(order + 1, abs=0.05)
    assert energy == pytest.approx(order, abs=0.05)


def manufactured_error(model):
    """Errors of displacement and strain (L2) for a solution that no element can hold."""
    domain, space = model.domain.mesh, model.domain.space
    x = ufl.SpatialCoordinate(domain)
    exact = 0.1 * ufl.as_vector([ufl.sin(2 * x[0]) * ufl.cos(x[1]), ufl.sin(x[0] + 2 * x[1])])
    energy = model.energy
    constants = fem.Constant(domain, energy.constants)
    gradient = ufl.variable(ufl.grad(exact))
    parts = density(energy, constants, gradient, ufl.Identity(2), None)
    stress = ufl.diff(parts[0] + parts[2](parts[1]), gradient)
    dx = ufl.dx(metadata={"quadrature_degree": 6})
    pushed = ufl.inner(-ufl.div(stress), ufl.TestFunction(space)) * dx
    load = fem.assemble_vector(fem.form(pushed)).array
    at = fem.Function(space)
    at.interpolate(fem.Expression(exact, space.element.interpolation_points))
    inside = ~on_surface(model)
    u = at.x.array.copy()
    for _ in range(20):
        model.put_state(u)
        pull = (model.local_force() - load)[inside]
        if np.abs(pull).max() < 1e-13:
            break
        u[inside] -= spsolve(matrix(model)[inside][:, inside].tocsc(), pull)
    model.put_state(u)
    miss = model.state - exact
    parts = (ufl.inner(miss, miss), ufl.inner(ufl.grad(miss), ufl.grad(miss)))
    return [np.sqrt(fem.assemble_scalar(fem.form(part * dx))) for part in parts]


@pytest.mark.parametrize(("dim", "plane"), [(2, "stress"), (2, "strain"), (3, "stress")])
def test_a_slender_strut_is_a_spring_of_stiffness_EA_over_l(dim, plane):
    net, width = rod(dim), 0.006
    modulus = 1 / (1 - 0.3**2) if plane == "strain" else 1.0
    area = width if dim == 2 else np.pi * width**2 / 4
    model = solid(net, Solid(plane=plane), held=range(3 * dim - 3), width=width)
    force = 1e-3 * modulus * area * model.domain.struts.axes[0]
    stretch = response(model, 2, force) @ model.domain.struts.axes[0]
    assert 1e-3 / stretch == pytest.approx(1.0, rel=0.01)


def response(model, node, force):
    """The node's displacement under a force at it."""
    d, width = model.places, model.width
    row = sparse.csr_array(
        (np.ones(d), (np.arange(d), width * node + np.arange(d))),
        (d, model.network.n_nodes * width),
    )
    rows = model.local_rows(row)
    solver = model.solver(definite=True)
    model.put_state(np.zeros(rows.shape[1]))
    model.assemble_stiffness()
    solver.factor()
    return rows @ solver.solve((rows.T @ force)[:, None])[:, 0]


def test_plane_stress_at_finite_strain_leaves_no_stress_across():
    """A sheet under plane stress stores what a cube stores whose thickness is free to relax."""
    from scipy.optimize import minimize_scalar

    nu, f = 0.4, np.array([[1.4, 0.2], [0.1, 0.9]])
    mu, la = 1 / (2 * (1 + nu)), nu / ((1 + nu) * (1 - 2 * nu))

    def cube(stretch):
        c, j = np.trace(f.T @ f) + stretch**2, np.linalg.det(f) * stretch
        return mu * (c - 3 - 2 * np.log(j)) / 2 + la * (j**2 - 1 - 2 * np.log(j)) / 4

    net = rod(2)
    model = solid(net, Solid(material="neo_hookean", poisson=nu, order=1), width=0.1)
    model.put_state((model.domain.places @ (f - np.eye(2)).T).ravel())
    area = volumes(model.domain.drawn.points, model.domain.drawn.cells).sum()
    relaxed = minimize_scalar(cube, bounds=(0.2, 3), options={"xatol": 1e-10}).fun
    assert model.total_energy() / area == pytest.approx(relaxed, rel=1e-9)


def test_what_is_said_of_nearly_incompressible_solids():
    def deflection(order, size, plane, poisson=0.49):
        energy = Solid(order=order, mesh_size=size, plane=plane, poisson=poisson)
        model = solid(frame(), energy, held=(0, 1, 2), width=0.2)
        said = model.warnings(np.zeros((len(model.local_free), 1)))
        return response(model, 8, np.array([0.0, 1e-3]))[1], said

    fine, _ = deflection(2, 0.35, "strain")
    coarse, quiet = deflection(2, 0.7, "strain")
    locked, said = deflection(1, 0.5, "strain")
    assert coarse == pytest.approx(fine, rel=0.03)
    assert quiet == []
    assert locked < 0.7 * fine
    assert [text for text in said if "order 1 lock" in text] == said[1:]
    kept = [
        deflection(1, 0.5, "stress", poisson)[0] / deflection(2, 0.35, "stress", poisson)[0]
        for poisson in (0.49, 0.3)
    ]
    assert kept[0] == pytest.approx(kept[1], rel=0.01)


def test_an_inverted_cell_has_no_energy():
    for material in ("neo_hookean", "st_venant_kirchhoff"):
        model = solid(rod(2), Solid(material=material, order=1), width=0.1)
        model.put_state((model.domain.places * [-1.5, 0.0]).ravel())
        assert np.isnan(model.total_energy())


# -- nodes as patches ------------------------------------------------------------------------------


@pytest.mark.parametrize("order", [1, 2])
@pytest.mark.parametrize("make", [frame, tower])
def test_nodes_follow_rigid_motions_exactly_at_every_width(make, order):
    net = make()
    model = solid(net, Solid(order=order), width=0.15)
    factor = 1 + 0.2 * np.random.default_rng(3).uniform(-1, 1, net.n_edges)
    model.set(width=0.15 * factor)
    spin = np.random.default_rng(4).normal(size=(net.dim, net.dim))
    spin = spin - spin.T
    points = model.domain.points_at(model.get("width"))
    u = np.empty((len(model.domain.places), net.dim))
    u[model.domain.block_of_point] = points @ spin.T + 0.3
    for side, ends in enumerate(SIDES[net.dim] if order == 2 else ()):
        blocks = model.domain.space.dofmap.list
        u[blocks[:, net.dim + 1 + side]] = u[blocks[:, ends]].mean(axis=1)
    turn = [spin[1, 0]] if net.dim == 2 else [spin[2, 1], spin[0, 2], spin[1, 0]]
    found = model.to_nodes(u.ravel())
    assert found[:, : net.dim] == pytest.approx(net.nodes @ spin.T + 0.3, abs=1e-11)
    assert found[:, net.dim :] == pytest.approx(np.tile(turn, (net.n_nodes, 1)), abs=1e-11)


@pytest.mark.parametrize("hinge", [None, HINGE], ids=["straight", "hinged"])
def test_the_response_does_not_depend_on_the_mesh(hinge):
    found = []
    for size in (0.7, 0.35, 0.2):
        model = solid(frame(), Solid(mesh_size=size, hinge=hinge), held=(0, 1, 2), width=0.15)
        found.append(response(model, 8, np.array([0.0, 1e-3])))
    # A force on one point of the mesh would sink in, the deeper the finer the mesh.
    assert np.linalg.norm(found[0] - found[2]) < 0.02 * np.linalg.norm(found[2])
    assert np.linalg.norm(found[1] - found[2]) < 0.01 * np.linalg.norm(found[2])


def test_a_support_holds_a_joint_so_that_it_cannot_turn():
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(nodes=[8], force=[0.0, 1e-3])],
        targets=[Target(nodes=[2, 6], strain=0.1)],
    )
    problem = pose(task, frame(), Solid().kinematics)
    assert len(problem.gauge) == 0


@pytest.mark.parametrize("make", [frame, tower])
def test_springs_at_joints_pull_at_their_mean_displacement(make):
    net = make()
    model = solid(net, Solid(order=2), width=0.15)
    dofs = [net.dim * (net.n_nodes - 1), net.dim * (net.n_nodes - 1) + 1]
    rows = model.patches[dofs]
    moves = np.random.default_rng(1).normal(size=len(model.local_free))
    matrix = model.assemble_stiffness()
    u, force = matrix.createVecRight(), matrix.createVecRight()
    u.array[:] = moves
    matrix.mult(u, force)
    bare, stored = force.array.copy(), []
    for _ in range(2):  # at first the matrix's pattern grows, then it is there
        model.stiffen(model.assemble_stiffness(), dofs, 3.0)
        stored.append(matrix.getInfo()["nz_allocated"])
        matrix.mult(u, force)
        assert force.array - bare == pytest.approx(3.0 * (rows.T @ (rows @ moves)), abs=1e-9)
    assert stored[0] == stored[1]


# -- contact and solvers ---------------------------------------------------------------------------


def test_springs_to_other_joints_do_not_lead_a_solver_astray():
    # They change where PETSc keeps the stiffness.
    model = solid(frame(), Solid(), width=0.1)
    joints = [[0, 1, 2], [4, 5, 6], [0, 1, 2]]
    solvers = [model.solver(definite=True) for _ in joints[:2]]
    random = np.random.default_rng(0)
    for width, dofs, solver in zip((0.1, 0.12, 0.15), joints, [*solvers, solvers[0]], strict=True):
        model.set(width=np.full(14, width))
        matrix = model.assemble_stiffness()
        model.stiffen(matrix, dofs, 1.0)
        solver.factor()
        wanted = random.standard_normal((matrix.size[0], 2))
        pointer, columns, values = matrix.getValuesCSR()
        dense = sparse.csr_array((values, columns, pointer)).toarray()
        assert solver.solve(dense @ wanted) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_overlapping_struts_are_found():
    mesh = make_mesh(Struts(frame(), np.full(14, 0.1)), 0.8)
    assert len(overlaps(mesh.points, mesh, None)) == 0
    squeezed = mesh.points.copy()
    right = squeezed[:, 0] > 1.5
    squeezed[right, 0] = 3.0 - squeezed[right, 0]  # fold one half onto the other
    assert len(overlaps(squeezed, mesh, None)) > 0


def test_overlapping_rods_are_found():
    nodes = np.array([[0.0, 0, 0], [1, 0, 0], [0.5, -1, 0.05], [0.5, 1, 0.05], [0.5, -1, 3]])
    edges = np.array([[0, 1], [2, 3], [3, 4]])
    rods = np.arange(3), nodes[edges], edges
    assert rod_overlaps(*rods, np.full(3, 0.06)).tolist() == [[0, 1]]
    assert len(rod_overlaps(*rods, np.full(3, 0.04))) == 0


def test_conjugate_gradients_find_what_the_direct_solver_finds(monkeypatch):
    found = []
    for least in (0, 10**9):
        monkeypatch.setattr("mechlearn.solids.model.ITERATIVE_FROM", least)
        model = solid(tower(), Solid(), held=range(6), width=0.15)
        kind = DirectSolver if least else IterativeSolver
        assert isinstance(model.solver(definite=True), kind)
        found.append(response(model, 4, np.array([1e-3, 2e-3, 0.0])))
    assert found[0] == pytest.approx(found[1], rel=1e-7)


def test_meshes_do_not_see_the_last_digits_of_widths():
    width = np.array([0.05, 0.0531219267, 12.3456789, 1e-4])
    drawn = rounded_widths(width)
    assert np.array_equal(rounded_widths(drawn), drawn)
    assert np.array_equal(rounded_widths(width * (1 + 1e-12)), drawn)
    assert drawn == pytest.approx(width, rel=5e-7)
    assert drawn[0] == width[0]
