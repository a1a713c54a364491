"""Small periodic cells: nodes joined several times, and to their own images.

The cells of metamaterials are such; their moduli do not depend on how many of them are taken.
"""

from functools import cache

import numpy as np
import pytest
from ranks import on_ranks

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.fem.macroscopic_strain import cell_components
from mechlearn.networks import cubic, fcc, from_file, honeycomb, kagome, square, triangular

ROOT2, ROOT3 = np.sqrt(2), np.sqrt(3)
CORNERS = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
#: Sites of a unit cube (square), and how long bonds are.
CELLS = {
    "square": ([[0, 0]], [1, ROOT2]),
    "SC": ([[0, 0, 0]], [1, ROOT2]),
    "BCC": ([[0, 0, 0], [0.5, 0.5, 0.5]], [ROOT3 / 2, 1]),
    "FCC, octet truss": (CORNERS, [ROOT2 / 2]),
    "octet truss, braced": ([*CORNERS, [0.25, 0.25, 0.25]], [ROOT2 / 2, ROOT3 / 4]),
}

#: Of struts that bend, without diagonals.
BARE = {
    "SC, struts": ([[0, 0, 0]], [1]),
    "BCC, struts": ([[0, 0, 0], [0.5, 0.5, 0.5]], [ROOT3 / 2]),
}


@cache
def cells(name: str, n: int) -> ml.Network:
    """So many cells along every axis."""
    basis, reach = (CELLS | BARE)[name]
    basis = np.array(basis, dtype=float)
    d = basis.shape[1]
    grid = np.argwhere(np.ones((n,) * d))
    nodes = (grid[:, None] + basis).reshape(-1, d)
    steps = np.argwhere(np.ones((5,) * d)) - 2
    edges, shifts = [], []
    for g in grid:
        for i, start in enumerate(basis):
            for j, end in enumerate(basis):
                for step in steps:
                    v = end + step - start
                    ahead = [x for x in v if abs(x) > 1e-9]
                    if np.isclose(np.linalg.norm(v), reach).any() and ahead[0] > 0:
                        shift, there = np.divmod(g + step, n)
                        edges.append([np.ravel_multi_index(x, (n,) * d) for x in (g, there)])
                        edges[-1] = [len(basis) * edges[-1][k] + (i, j)[k] for k in (0, 1)]
                        shifts.append(shift)
    return ml.Network(nodes, np.array(edges), cell=n * np.eye(d), shifts=np.array(shifts))


def assert_same(found, expected, tolerance=1e-12):
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


@pytest.mark.parametrize("name", CELLS)
@pytest.mark.parametrize("kind", ["spring", "beam"])
def test_moduli_do_not_depend_on_how_many_cells_are_taken(name, kind):
    energy = ml.Spring() if kind == "spring" else ml.Beam()
    one, two, three = (ml.moduli(cells(name, n), energy).compliance for n in (1, 2, 3))
    # Stresses are densities, as energies are.
    assert_same(one, three)
    assert_same(two, three)


#: C11, C12, C44 for struts of a diameter in cells of size 1, E = 1.
LATTICES = {
    ("SC, struts", 0.1): (7.85398163421e-3, 0.0, 2.87638249619e-5),
    ("BCC, struts", 0.1): (6.16317739539e-3, 5.98740805552e-3, 6.07529304078e-3),
    ("FCC, octet truss", 0.1): (2.25325975623e-2, 1.09481799263e-2, 1.12662025671e-2),
    ("SC, struts", 0.01): (None, 0.0, 2.94454909e-9),
    ("BCC, struts", 0.01): (6.04721394782e-5, None, None),
    ("FCC, octet truss", 0.01): (2.22179450e-4, None, None),
}


@pytest.mark.parametrize(("name", "diameter"), LATTICES)
def test_moduli_of_lattices_of_beams_are_those_published(name, diameter):
    """CPShub/sim-data (CC BY 4.0), lattices_secondgradient_homogenization, nu = 0.33."""
    beams = ml.Beam(shear_factor=5 / 6)
    found = ml.moduli(cells(name, 1), beams, radius=diameter / 2, poisson=0.33)
    ours = found.stiffness[[0, 0, 3], [0, 1, 3]]
    for ours_is, wanted in zip(ours, LATTICES[name, diameter], strict=True):
        if wanted is not None:
            assert ours_is == pytest.approx(wanted, rel=2e-5, abs=1e-15)
    assert found.zener == pytest.approx(2 * ours[2] / (ours[0] - ours[1]))


def test_twist_and_shear_follow_their_factors():
    """A cantilever: M l / (G J) and F (l^3 / (3 E I) + l / (kappa G A))."""
    strut, radius, nu, kappa = ml.Network([[0, 0, 0], [2.0, 0, 0]], [[0, 1]]), 0.4, 0.25, 0.7
    twisted, bent = (
        ml.System(
            strut,
            ml.Task(
                supports=[ml.Support(nodes=0)],
                sources=[ml.Source(name="load", nodes=1, components=[along], force=[1.0])],
                targets=[ml.Target(name="answer", source="load", displacement=[1.0])],
            ),
            ml.Beam(shear_factor=kappa, torsion_factor=0.5), radius=radius, poisson=nu,
        ).outputs[0, 0]
        for along in ("rx", "y")
    )  # fmt: skip
    area, second, shear = np.pi * radius**2, np.pi / 4 * radius**4, 1 / (2 * (1 + nu))
    assert twisted == pytest.approx(2.0 / (shear * 0.5 * 2 * second), rel=1e-10)
    assert bent == pytest.approx(8.0 / (3 * second) + 2.0 / (kappa * shear * area), rel=1e-10)


def test_moduli_of_small_cells_have_closed_forms():
    # Square of unit springs: its sides carry one axis each, its diagonals share the load.
    m = ml.moduli(cells("square", 1), stiffness=1.0)
    c11, c12 = 1 + 1, 1.0
    assert m.bulk == pytest.approx((c11 + c12) / 2, rel=1e-12)
    assert m.young() == pytest.approx(c11 - c12**2 / c11, rel=1e-12)
    assert m.shear() == pytest.approx(1.0, rel=1e-12)
    # Cauchy's: C11 = 2 C12 = 2 C44 = sqrt(2) k / r, with bonds of length r.
    m = ml.moduli(cells("FCC, octet truss", 1), stiffness=1.0)
    r = ROOT2 / 2
    c11 = ROOT2 / r
    assert m.shear() == pytest.approx(c11 / 2, rel=1e-12)
    assert m.bulk == pytest.approx(2 * c11 / 3, rel=1e-12)


@pytest.mark.parametrize("name", CELLS)
def test_finite_springs_answer_a_strain_alike(name):
    stresses = []
    for n in (1, 2, 3):
        network = cells(name, n)
        names = cell_components(network.dim)
        strain = np.where([a[0] == a[1] for a in names], 0.03, -0.02)
        strain[0] = -0.01
        task = ml.Task(
            sources=[ml.Source(name="pull", cell=names, strain=strain.tolist())],
            targets=[ml.Target(name="felt", cell=names, stress=[0.0] * len(names), scale=1.0)],
        )
        run = ml.train(
            network,
            task,
            energy=ml.FiniteSpring(),
            learn={"stiffness": ml.Learn(initial=1.0)},
            steps=0,
        )
        stresses.append(run.system(task).outputs)
    assert_same(stresses[0], stresses[2], 1e-10)
    assert_same(stresses[1], stresses[2], 1e-10)


def tangled(seed: int, d: int) -> ml.Network:
    """A random network whose few nodes are joined many times, and to their own images."""
    random = np.random.default_rng(seed)
    n = int(random.integers(1, 5))
    m = int(random.integers(d * n + d * d, 4 * (d * n + d * d)))
    ends = random.integers(0, n, (m, 2))
    ends[: n - 1] = np.column_stack([np.arange(n - 1), np.arange(1, n)])
    shifts = random.integers(-2, 3, (m, d))
    once = {}
    for (i, j), shift in zip(ends.tolist(), shifts.tolist(), strict=True):
        if i > j or (i == j and shift < [0] * d):
            i, j, shift = j, i, [-x for x in shift]
        if i != j or any(shift):
            once[i, j, *shift] = None
    table = np.array(list(once))
    order = random.permutation(len(table))
    cell = np.eye(d) + random.uniform(-0.2, 0.2, (d, d))
    nodes = random.uniform(0, 1, (n, d)) @ cell
    return ml.Network(nodes, table[order, :2], cell=cell, shifts=table[order, 2:])


def moduli_of_springs(network: ml.Network, stiffness: np.ndarray) -> np.ndarray:
    """Compliance of a cell of springs, by dense algebra on its definition."""
    d, n = network.dim, network.n_nodes
    unit = network.vectors / network.lengths[:, None]
    of_nodes = np.zeros((len(unit), n * d))
    for b, (i, j) in enumerate(network.edges):
        of_nodes[b, d * j : d * j + d] += unit[b]
        of_nodes[b, d * i : d * i + d] -= unit[b]
    of_cell = []
    for name in cell_components(d):
        tensor = np.zeros((d, d))
        a, b = ("xyz".index(c) for c in name)
        tensor[a, b] = tensor[b, a] = 1
        of_cell.append(np.einsum("bi,ij,bj->b", unit, tensor, network.vectors))
    of_cell = np.array(of_cell).T
    k = np.diag(stiffness)
    relax = np.linalg.pinv(of_nodes.T @ k @ of_nodes, rcond=1e-10) @ of_nodes.T @ k @ of_cell
    relaxed = of_cell - of_nodes @ relax
    energy = relaxed.T @ k @ relaxed / abs(np.linalg.det(network.cell))
    # Stress is the partner of the strain tensor, in which shear stands twice.
    twice = np.array([1.0 if a[0] == a[1] else 2.0 for a in cell_components(d)])
    return np.linalg.inv(energy) * twice


@pytest.mark.parametrize("d", [2, 3])
@pytest.mark.parametrize("seed", range(12))
def test_tangled_cells_have_the_moduli_of_dense_algebra(d, seed):
    network = tangled(seed, d)
    stiffness = np.random.default_rng(seed).uniform(0.5, 2.0, network.n_edges)
    found = ml.moduli(network, stiffness=stiffness).compliance
    assert_same(found, moduli_of_springs(network, stiffness), 1e-9)


def test_nodes_joined_twice_conduct_as_two_resistors_side_by_side():
    # A ring of two nodes along every axis; bonds to own images carry nothing.
    network = square((2, 2), periodic=True)
    pairs = [set(e) for e in network.edges.tolist()]
    assert len(pairs) == 8
    assert all(pairs.count(p) == 2 for p in pairs)
    laplacian = np.zeros((4, 4))
    for i, j in network.edges:
        laplacian[[i, j], [i, j]] += 1
        laplacian[[i, j], [j, i]] -= 1
    a, b, c = 0, 1, 3
    task = ml.Task(
        sources=[ml.Source(name="in", nodes=[a, b], voltage=1.0)],
        targets=[ml.Target(name="out", nodes=[a, c], voltage=0.5)],
    )
    run = ml.train(network, task, energy=ml.Resistor(), steps=0)
    potential = np.linalg.pinv(laplacian) @ (np.eye(4)[a] - np.eye(4)[b])
    expected = (potential[a] - potential[c]) / (potential[a] - potential[b])
    assert run.system(task).outputs.ravel() == pytest.approx([expected], rel=1e-12)


def auxetic(network: ml.Network, **options) -> ml.Run:
    """A training towards half of Poisson's ratio that a cell has."""
    task = ml.Task(
        sources=[ml.Source(name="pull", cell="xx", strain=0.01)],
        targets=[ml.Target(name="across", cell="yy", strain=-0.001)],
    )
    return ml.train(network, task, steps=60, tolerance=1e-4, **options)


@pytest.mark.parametrize(
    "energy",
    [ml.Spring(), ml.FiniteSpring(), ml.Beam(), ml.FiniteBeam(segments=2)],
    ids=["spring", "finite spring", "beam", "finite beam"],
)
def test_a_cell_learns_is_saved_and_drawn(energy, tmp_path):
    run = auxetic(cells("square", 1), energy=energy)
    assert run.converged
    run.save(tmp_path / "run")
    again = ml.Run.load(tmp_path / "run")
    for name in ("edges", "shifts", "nodes", "cell"):
        assert np.array_equal(getattr(again.network, name), getattr(run.network, name))
    assert np.array_equal(again.displacements, run.displacements)
    for what in ("network", "states"):
        run.picture(what, size=(400, 300))
    for suffix in (".csv", ".vtu", ".graphml"):
        run.export(tmp_path / f"cell{suffix}")
    # What pulls at the cell holds the length of one bond of four, which has nothing to learn.
    (name,) = run.learned
    for n in (2, 3):
        more = auxetic(cells("square", n), energy=energy)
        each = np.tile(run.learned[name], n**2)
        assert np.sort(more.learned[name]) == pytest.approx(np.sort(each), rel=1e-9)


def compliances():
    return [
        ml.moduli(net, energy).compliance
        for net, energy in (
            (square((1, 1), periodic=True, diagonals=True), ml.Beam()),
            (square((2, 2), periodic=True, diagonals=True), ml.Spring()),
            (cubic((2, 2, 1), periodic=True, diagonals=True), ml.Beam()),
        )
    ]


def test_ranks_agree_on_cells():
    alone = compliances()
    # On three some ranks own nothing.
    for size in (2, 3):
        for found in on_ranks(size, compliances):
            for other, one in zip(found, alone, strict=True):
                assert_same(other, one)


@pytest.mark.parametrize("make", [triangular, square, honeycomb, kagome, cubic, fcc])
def test_periodic_lattices_of_any_size_repeat_themselves(make):
    d = 3 if make in (cubic, fcc) else 2
    bonds = []
    for n in (1, 2, 4):
        network = make((n,) * d, periodic=True)
        assert np.allclose(network.lengths, 1.0)
        bonds.append(network.n_edges / n**d)
    assert bonds[0] == bonds[1] == bonds[2]


@pytest.mark.parametrize(
    ("edges", "shifts", "text"),
    [
        ([[0, 0]], [[0, 0]], "Edge 0 joins a node to itself"),
        ([[0, 0], [0, 0]], [[1, 0], [-1, 0]], "Edge 1 repeats another"),
        ([[0, 0], [0, 0]], [[1, 0], [1, 0]], "Edge 1 repeats another"),
        ([[0, 0], [0, 0]], [[0, 1], [0, -1]], "Edge 1 repeats another"),
    ],
)
def test_bonds_to_own_images_need_an_image_and_count_once(edges, shifts, text):
    with pytest.raises(InputError, match=text):
        ml.Network([[0.0, 0.0]], edges, cell=np.eye(2), shifts=shifts)


def test_cells_are_written_and_read(tmp_path):
    network = cells("BCC", 1)
    run = ml.train(
        network,
        ml.Task(
            sources=[ml.Source(name="pull", cell="xx", strain=0.01)],
            targets=[ml.Target(name="across", cell="yy", strain=-0.001)],
        ),
        steps=0,
    )
    for suffix in (".vtu", ".graphml"):
        path = run.export(tmp_path / f"cell{suffix}")
        again = from_file(path)
        assert np.array_equal(again.edges, network.edges)
        assert np.array_equal(again.shifts, network.shifts)
