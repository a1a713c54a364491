"""Pictures: what must be visible in them, and what must not."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from mechlearn.errors import InputError
from mechlearn.learning.dofs import Learn
from mechlearn.network import Network
from mechlearn.plots import plot_dofs, plot_error
from mechlearn.render import draw_setup, render, show
from mechlearn.render.colours import SOURCE, SUPPORT, TARGET
from mechlearn.render.deformation import reading, rigid_motion, round_factor
from mechlearn.render.geometry import fit_projection, segments, viewing_direction
from mechlearn.render.labels import free_places
from mechlearn.render.marks import marks
from mechlearn.render.offscreen import load_pyvista, picture
from mechlearn.render.run_view import Look, RunView
from mechlearn.render.scene import Scene
from mechlearn.runs.training import train
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task

SPACE_TASK = Task(
    sources=[Source(near=[0.1, 0.5, 0.5], strain=0.1)],
    targets=[Target(near=[0.9, 0.5, 0.5], strain=0.1)],
)


def lattice(columns: int, rows: int, periodic: bool = False) -> Network:
    """A triangular lattice, slightly disordered."""
    i, j = (a.ravel() for a in np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij"))
    height = np.sqrt(3) / 2
    nodes = np.column_stack([i + j % 2 / 2, j * height])
    nodes += np.random.default_rng(1).uniform(-0.1, 0.1, nodes.shape)
    edges, shifts = [], []
    for di, dj in ((1, 0), (0, 1), (-1, 1)):
        to_i, to_j = i + di + (dj * (j % 2)), j + dj
        wrap = np.column_stack([to_i // columns, to_j // rows])
        inside = (wrap == 0).all(axis=1) | periodic
        other = (to_i % columns) * rows + to_j % rows
        edges.append(np.column_stack([i * rows + j, other])[inside])
        shifts.append(wrap[inside])
    edges, shifts = np.concatenate(edges), np.concatenate(shifts)
    if periodic:
        return Network(nodes, edges, cell=np.diag([columns, rows * height]), shifts=shifts)
    return Network(nodes, edges)


TASK = Task(
    sources=[Source(near=[0.1, 0.5], strain=0.1)], targets=[Target(near=[0.9, 0.5], strain=0.1)]
)


@pytest.fixture(scope="module")
def run():
    learn = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0, spread=0.2)}
    run = train(lattice(7, 8), TASK, learn=learn, steps=200)
    assert run.converged
    return run


def pixels(path):
    return np.rint(255 * imread(path)[..., :3]).astype(int)


def count(image, colour, tolerance=3):
    rgb = 255 * np.array(to_rgb(colour))
    return int((np.abs(image - rgb) <= tolerance).all(axis=-1).sum())


def test_the_network_picture_shows_bonds_sources_and_targets(run, tmp_path, capfd):
    path = render(run, tmp_path / "network.png")
    assert capfd.readouterr() == ("", "")
    image = pixels(path)
    assert image.shape == (1000, 1600, 3)
    assert (image[:10] == 255).all()
    # The panel without colour bar and legend.
    panel = image[80:930, :1330]
    assert count(panel, SOURCE) > 200
    assert count(panel, TARGET) > 200
    assert count(panel, SUPPORT) == 0
    assert len(np.unique(panel.reshape(-1, 3), axis=0)) > 100
    assert (panel < 250).any(axis=(0, 2)).mean() > 0.4


def test_size_and_colour_can_be_chosen(run, tmp_path):
    plain = pixels(render(run, tmp_path / "a.png", size=(800, 500)))
    strain = pixels(render(run, tmp_path / "b.png", size=(800, 500), colour="strain"))
    larger = pixels(render(run, tmp_path / "c.png", size=(800, 500), amplify=3))
    assert plain.shape == strain.shape == (500, 800, 3)
    assert np.abs(plain - strain)[40:460, :660].mean() > 0.5
    assert np.abs(plain - larger)[40:460, :660].mean() > 0.5


def test_free_and_clamped_differ_before_training_and_coincide_after(run, tmp_path):
    image = pixels(render(run, tmp_path / "states.png"))
    panels = [image[top : top + 380, left : left + 685] for top in (120, 549) for left in (0, 692)]
    before, after = (np.abs(a - b).mean() for a, b in (panels[:2], panels[2:]))
    assert before > 0.5
    assert after < before / 5


def test_the_set_up_marks_supports_and_only_what_is_there(tmp_path):
    network = lattice(7, 6)
    task = Task(
        supports=[Support(nodes=list(range(6)))],
        sources=[Source(nodes=[20], force=[0.0, -1.0])],
        targets=[Target(nodes=[38], displacement=[0.1], components=["x"])],
    )
    image = pixels(draw_setup(network, pose(task, network), tmp_path / "x.png"))
    panel = image[80:930, :1330]
    assert min(count(panel, c) for c in (SUPPORT, SOURCE, TARGET)) > 200
    source, target = marks(pose(task, network))
    place, along, ends_there = source.arrows(network, network.nodes)[0]
    np.testing.assert_allclose(place, network.nodes[20])
    np.testing.assert_allclose(along, [0, -1])
    assert not ends_there
    np.testing.assert_allclose(target.arrows(network, network.nodes)[0][1], [1, 0])


@pytest.mark.parametrize("strain", [0.1, -0.1])
def test_arrows_of_a_pair_point_apart_or_together(strain):
    network = lattice(5, 5)
    task = Task(
        sources=[Source(nodes=[6, 17], strain=strain)], targets=[Target(nodes=[1, 3], strain=0.1)]
    )
    axis = network.nodes[17] - network.nodes[6]
    (_, first, a), (_, second, b) = marks(pose(task, network))[0].arrows(network, network.nodes)
    assert np.sign(first @ axis) == -np.sign(strain)
    assert np.sign(second @ axis) == np.sign(strain)
    assert a == b == (strain < 0)


def test_the_plane_is_seen_straight_on_and_marks_lie_where_labels_look(run):
    network = run.network
    scene = Scene(
        network,
        network.nodes,
        np.zeros((network.n_edges, 3), np.uint8),
        np.full(network.n_edges, 0.3),
        marks(run.problem),
    )
    sight = fit_projection(scene.points(), 2, (640, 480))
    plotter = load_pyvista().Plotter(off_screen=True, window_size=sight.size)
    sight.aim(plotter)
    assert plotter.camera.parallel_projection
    np.testing.assert_allclose(plotter.camera.direction, [0, 0, -1], atol=1e-12)
    np.testing.assert_allclose(plotter.camera.up, [0, 1, 0], atol=1e-12)
    plotter.close()
    image = picture(scene, sight)
    assert image.shape == (480, 640, 3)
    for mark in scene.marks:
        for x, y in sight.pixels(scene.nodes_of(mark)).astype(int):
            assert count(image[y - 1 : y + 2, x - 1 : x + 2], mark.colour) == 9
    spots = sight.pixels(scene.points())
    assert (spots > 0).all()
    assert (spots < sight.size).all()


def test_space_is_seen_from_the_side_where_the_terminals_are():
    points = np.random.default_rng(0).uniform(-1, 1, (50, 3))
    for corner in ([1, 1, 0], [-1, 1, 0], [-1, -1, 0]):
        out = viewing_direction(np.array([corner], dtype=float), np.empty((0, 3)))
        sight = fit_projection(points, 3, (400, 400), out)
        assert sight.out @ corner > 0.5
        np.testing.assert_allclose([sight.right @ sight.up, sight.up @ sight.out], 0, atol=1e-12)
        assert sight.up[2] > 0


def test_space_is_seen_from_where_places_are_apart_and_arrows_point_aside():
    """Two places in the middle of a diagonal: seen across it; an arrow along it, likewise."""
    diagonal, none = np.array([[1.0, 1.0, 0.0]]), np.empty((0, 3))
    for places, arrows in ((np.vstack([diagonal, -diagonal]), none), (none, diagonal)):
        out = viewing_direction(places, arrows)
        assert out @ diagonal[0] == pytest.approx(0)
        # Rounding does not turn the picture about.
        np.testing.assert_array_equal(viewing_direction(places + 1e-12, arrows + 1e-12), out)
        np.testing.assert_array_equal(viewing_direction(places - 1e-12, arrows - 1e-12), out)


def test_all_states_of_a_network_are_seen_from_the_same_place(space):
    run = train(space, SPACE_TASK, steps=1)
    moved, still = (RunView(run, 0, Look(amplify=1.0), moving=m).scenes[0] for m in (True, False))
    assert np.abs(moved.nodes - still.nodes).max() > 1e-3
    np.testing.assert_array_equal(moved.viewing_direction(), still.viewing_direction())


def test_bonds_that_cross_the_cell_are_drawn_as_halves_on_both_sides(tmp_path):
    network = lattice(6, 6, periodic=True)
    pieces = segments(network)
    crossing = network.shifts.any(axis=1)
    assert crossing.any()
    lengths = np.linalg.norm(pieces.ends[:, 1] - pieces.ends[:, 0], axis=1)
    np.testing.assert_allclose(
        np.bincount(pieces.bond, weights=lengths, minlength=network.n_edges), network.lengths
    )
    assert lengths.max() <= network.lengths.max()
    first, second = pieces.ends[pieces.fade[:, 1] == 1].reshape(2, -1, 2, 3)
    apart = network.shifts[crossing] @ network.cell
    np.testing.assert_allclose((first - second)[:, 1, :2], apart)
    image = pixels(draw_setup(network, pose(TASK, network), tmp_path / "x.png", size=(800, 500)))
    assert image.std() > 10


def test_removed_bonds_are_dashes_without_a_value(plane):
    """Strains of removed bonds have no colour, and do not stretch the scale of the others."""
    run = train(plane, TASK, learn=Learn(bounds=(0.01, 10), initial=1.0), steps=3)
    strain = np.abs(RunView(run, 0, Look("strain")).states[0].fields.strain)
    bond = int(np.argmax(strain))
    shown = RunView(run.cut([bond]), 0, Look("strain"))
    (scene,) = shown.scenes
    assert bond not in scene.pieces().bond
    assert len(scene.pieces().bond) == plane.n_edges - 1
    a, b = shown.run.network.edges[bond]
    dashes = scene.dashes()[..., :2]
    across = np.array([[0, -1], [1, 0]]) @ (scene.nodes[b] - scene.nodes[a])
    assert len(dashes) > 3
    assert np.abs((dashes - scene.nodes[a]) @ across).max() < 1e-12
    others = np.delete(shown.states[0].fields.strain, bond)
    assert shown.shades.high <= np.abs(others).max() * (1 + 1e-12)


@pytest.mark.parametrize(
    ("strain", "motion", "factor"),
    [
        (0.1, 0.0, 1),
        (0.05, 0.01, 1),
        (0.001, 0.2, 1),
        (0.0, 0.0, 1),
        (0.04, 0.0, 5),
        (0.02, 0.0, 10),
        (0.01, 0.0, 20),
        (0.01, 0.04, 2),
        (1e-4, 1e-5, 2000),
    ],
)
def test_small_deformations_are_amplified_by_a_round_factor(strain, motion, factor):
    assert round_factor(strain, motion) == factor


def test_rigid_motion_is_taken_out_of_what_floats(run):
    network = run.network
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = network.nodes @ turn.T + [3.0, 1.0] - network.nodes

    def floating(u, linear=True):
        return rigid_motion(network, run.problem, u, linear).relative(network.nodes, u)

    assert np.abs(floating(moved, linear=False)).max() < 1e-10
    spin = network.nodes[:, ::-1] * [-0.1, 0.1] + [3.0, 1.0]
    assert np.abs(floating(spin)).max() < 1e-10
    target = run.problem.ports[-1]
    u = run.displacements[0]
    assert reading(network, target, u) == pytest.approx(run.targets[0]["reached"], rel=1e-6)
    seen = floating(u)
    assert reading(network, target, seen) == pytest.approx(reading(network, target, u))


def test_labels_cover_nothing():
    ink = np.zeros((300, 400), dtype=bool)
    ink[60:240, 100:300] = True
    sizes = [(80.0, 30.0)] * 5
    places = free_places(ink, sizes, [np.array([[200.0, 150.0]])] * 5, 6)
    for x, y in places:
        box = ink[int(y) : int(y) + 30, int(x) : int(x) + 80]
        assert box.shape == (30, 80)
        assert not box.any()
        ink[int(y) : int(y) + 30, int(x) : int(x) + 80] = True


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("x.png", {"what": "film"}, "film"),
        ("x.jpg", {}, "jpg"),
        ("states.gif", {}, "png or .svg"),
        ("error.gif", {}, "pdf"),
        ("x.png", {"example": 2}, "1 to 1"),
        ("x.png", {"example": 0}, "example = 0"),
        ("x.png", {"colour": "mass"}, "stiffness"),
        ("x.png", {"amplify": -1.0}, "amplify"),
        ("x.png", {"size": (10, 10)}, "size"),
    ],
)
def test_what_cannot_be_drawn_is_refused(run, tmp_path, name, options, says):
    with pytest.raises(InputError, match=says):
        render(run, tmp_path / name, **options)
    assert not (tmp_path / name).exists()


def test_the_error_curve_is_the_history(run, tmp_path):
    from matplotlib import rcParams

    before = dict(rcParams)
    given = Figure().add_subplot()
    ax = plot_error(run, given)
    assert ax is given
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), run.history.step)
    np.testing.assert_array_equal(ax.lines[0].get_ydata(), run.history.error)
    assert ax.get_yscale() == "log"
    assert run.setup.train.tolerance in np.atleast_1d(ax.lines[1].get_ydata())
    for suffix in ("png", "svg", "pdf"):
        assert render(run, tmp_path / f"error.{suffix}").stat().st_size > 5000
    assert dict(rcParams) == before


def test_every_bond_is_in_the_histogram(run):
    ax = plot_dofs(run, Figure().add_subplot())
    assert sum(patch.get_height() for patch in ax.patches) == 2 * run.network.n_edges
    assert ax.get_xlabel() == "stiffness"
    with pytest.raises(InputError, match="stiffness"):
        plot_dofs(run, Figure().add_subplot(), dof="mass")


def test_ten_thousand_bonds_in_a_picture(tmp_path):
    network = lattice(60, 60)
    assert network.n_edges > 10_000
    task = Task(
        sources=[Source(near=[0.1, 0.5], strain=0.1)], targets=[Target(near=[0.9, 0.5], strain=0.1)]
    )
    image = pixels(draw_setup(network, pose(task, network), tmp_path / "x.png"))
    assert count(image[80:930, :1330], SOURCE) > 100
    assert image.std() > 20


def test_show_without_a_display_gives_the_picture(run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    image = np.asarray(show(run, window_size=(600, 400)))
    assert image.shape == (400, 600, 3)
    assert count(image.astype(int), SOURCE) > 30


def test_importing_the_module_does_not_import_what_draws():
    code = "import sys, mechlearn.render; print([m for m in ('pyvista', 'matplotlib', 'dolfinx') "
    code += "if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_supports_look_out_from_below_targets_on_their_nodes(plane, tmp_path):
    """A reaction is read at a node that is held: both must be seen."""
    task = Task(
        supports=[Support(nodes=[0, 5])],
        sources=[Source(nodes=[12], displacement=[0.05, 0.0])],
        targets=[Target(nodes=[5], components=["x"], force=[0.1])],
    )
    network, problem = plane, pose(task, plane)
    for name in ("x.png", "x.svg"):
        path = draw_setup(network, problem, tmp_path / name, size=(800, 500))
    assert path.read_text().count(SUPPORT.lower()) >= 2
    grey = np.zeros((network.n_edges, 3), np.uint8)
    scene = Scene(
        network, network.nodes, grey, np.ones(network.n_edges), marks(problem), np.array([0, 5])
    )
    alone, below = scene.support_sizes()
    assert alone < scene.mark  # as marks are
    assert below > 1.3 * scene.mark  # beyond the white rim of one
    sight = fit_projection(scene.points(), 2, (640, 480))
    corner = sight.pixels(network.nodes[[5]] + 0.95 * below)[0].astype(int)
    assert count(picture(scene, sight)[corner[1], corner[0]][None, None], SUPPORT) == 1
