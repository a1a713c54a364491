"""Invariants of any network and any task: round trips of files, independence of the order.

Networks, names and values are drawn by hypothesis; the answers are the network itself, or counted
by brute force.
"""

import itertools
import tempfile
from pathlib import Path

import numpy as np
import pytest
import tomli_w
from conftest import periodic_network, random_network
from hypothesis import given, settings
from hypothesis import strategies as st

from mechlearn.errors import plain
from mechlearn.io.meshfile import write_network
from mechlearn.network import Network, nearest_image
from mechlearn.networks import from_file, to_text
from mechlearn.networks.graphs import write_graphml
from mechlearn.networks.tables import write_csv, write_npz
from mechlearn.runs.config import Setup
from mechlearn.runs.taskfile import read_setup, to_toml
from mechlearn.tasks.ports import close_pairs

SEEDS = st.integers(0, 2**32 - 1)
SOME = settings(max_examples=25, deadline=None, derandomize=True)
#: Letters of every kind, but none that XML cannot hold.
NAMES = st.text(st.characters(codec="utf-8", categories=["L", "N", "Zs", "Pd"]), min_size=1).filter(
    lambda name: name == name.strip() and name not in ("x", "y", "z", "i", "j", "id", "node")
)
#: Formats that a process of its own reads, which takes longer.
APART = (".vtk", ".msh")
NUMBERS = st.floats(-1e100, 1e100).map(float)
WRITERS = {
    ".vtu": write_network,
    ".vtk": write_network,
    ".xdmf": write_network,
    ".msh": write_network,
    ".graphml": lambda path, net: write_graphml(path, net, {}, {}),
    ".npz": lambda path, net: write_npz(path, net, {}, {}),
    ".csv": lambda path, net: write_csv(path, net, {}, {}),
}


@st.composite
def networks(draw):
    """Finite ones in 2D and 3D and periodic ones, of any scale, with data and sets."""
    kind, seed = draw(st.sampled_from(["plane", "space", "torus"])), draw(SEEDS)
    net = {
        "plane": lambda: random_network(draw(st.integers(5, 20)), 2, seed),
        "space": lambda: random_network(draw(st.integers(6, 20)), 3, seed),
        "torus": lambda: periodic_network(draw(st.integers(4, 6)), seed),
    }[kind]()
    rng = np.random.default_rng(seed)
    order, scale = rng.permutation(net.n_edges), 10.0 ** draw(st.integers(-9, 9))
    turned = rng.random(net.n_edges) < 0.5
    edges = np.where(turned[:, None], net.edges[:, ::-1], net.edges)[order]
    shifts = None
    if net.periodic:
        shifts = np.where(turned[:, None], -net.shifts, net.shifts)[order]
    some = [draw(st.sets(st.integers(0, n - 1))) for n in (net.n_nodes, net.n_edges)]
    names = draw(st.lists(NAMES, min_size=2, max_size=2, unique=True))
    return Network(
        net.nodes * scale,
        edges,
        cell=net.cell * scale if net.periodic else None,
        shifts=shifts,
        node_sets={names[0]: sorted(some[0])},
        edge_sets={names[1]: sorted(some[1])},
        edge_data={"stiffness": 10 ** rng.uniform(-12, 12, net.n_edges)},
        node_data={
            "weight": rng.standard_normal(net.n_nodes),
            "a kind": np.array([f"{names[0]}{k % 3}" for k in range(net.n_nodes)]),
        },
        labels=[f"{names[1]}.{k}" for k in rng.permutation(net.n_nodes)],
    )


@pytest.mark.parametrize("suffix", [s for s in WRITERS if s not in APART])
@given(networks())
@SOME
def test_files_give_the_network_back(suffix, net):
    gives_back(suffix, net)


@pytest.mark.parametrize("suffix", APART)
@given(networks())
@settings(SOME, max_examples=6)
def test_files_read_apart_give_the_network_back(suffix, net):
    gives_back(suffix, net)


def gives_back(suffix, net):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"net{suffix}"
        WRITERS[suffix](path, net)
        again = from_file(path)
    size = np.abs(net.nodes).max()
    assert again.nodes == pytest.approx(net.nodes, rel=1e-12, abs=1e-12 * size)
    assert np.array_equal(again.edges, net.edges)
    assert again.periodic == net.periodic
    if net.periodic:
        assert again.cell == pytest.approx(net.cell, rel=1e-12, abs=1e-12 * size)
        assert np.array_equal(again.shifts, net.shifts)
    assert again.edge_data["stiffness"] == pytest.approx(net.edge_data["stiffness"], rel=1e-12)
    assert again.labels == net.labels
    assert np.array_equal(again.node_data["a kind"], net.node_data["a kind"])
    assert again.node_data["weight"] == pytest.approx(net.node_data["weight"], rel=1e-12)
    for mine, given_sets in ((again.node_sets, net.node_sets), (again.edge_sets, net.edge_sets)):
        assert {k: v.tolist() for k, v in mine.items()} == {
            k: v.tolist() for k, v in given_sets.items()
        }


@pytest.mark.parametrize("kind", ["f2", "f4", "i1", "u1", "i8"])
def test_shifts_of_any_width_are_read(kind, torus):
    shifts = np.abs(torus.shifts) if kind == "u1" else torus.shifts
    wide, narrow = (
        Network(torus.nodes, torus.edges, cell=torus.cell, shifts=s)
        for s in (shifts, shifts.astype(kind))
    )
    assert np.array_equal(wide.shifts, narrow.shifts)
    assert wide.shifts.dtype == narrow.shifts.dtype


@given(networks().filter(lambda net: not net.periodic))
@SOME
def test_the_text_format_keeps_every_digit(net):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "net.txt"
        to_text(net, path)
        again = from_file(path)
    assert np.array_equal(again.nodes, net.nodes)
    assert np.array_equal(again.edges, net.edges)
    assert np.array_equal(again.edge_data["stiffness"], net.edge_data["stiffness"])


@given(networks(), SEEDS)
@SOME
def test_numbering_says_nothing(net, seed):
    """Nodes in another order, with their bonds: the same lengths and the same count of modes."""
    new = np.random.default_rng(seed).permutation(net.n_nodes)
    place = np.empty_like(new)
    place[new] = np.arange(net.n_nodes)
    other = Network(net.nodes[new], place[net.edges], cell=net.cell, shifts=net.shifts)
    assert other.lengths == pytest.approx(net.lengths, rel=1e-12)
    ranks = [np.linalg.matrix_rank(n.compatibility().toarray()) for n in (net, other)]
    assert ranks[0] == ranks[1]


@given(networks())
@SOME
def test_extensions_are_differences_of_lengths(net):
    """Moved by little, bonds change their lengths by what the compatibility matrix says."""
    size = net.lengths.min()
    u = np.random.default_rng(0).standard_normal(net.nodes.shape) * size
    h = 1e-4
    moved = [
        Network(net.nodes + s * h * u, net.edges, cell=net.cell, shifts=net.shifts).lengths
        for s in (-1, 1)
    ]
    said = net.compatibility() @ u.ravel()
    assert (moved[1] - moved[0]) / (2 * h) == pytest.approx(said, abs=1e-5 * size, rel=1e-5)


@given(
    st.lists(st.floats(-3, 3), min_size=4, max_size=4), st.lists(NUMBERS, min_size=2, max_size=2)
)
@SOME
def test_no_image_is_nearer_than_the_nearest(rows, vector):
    cell = np.array(rows).reshape(2, 2) + 4 * np.eye(2)
    if abs(np.linalg.det(cell)) < 0.5:
        return
    v = np.fmod(vector, 100.0)
    found = np.linalg.norm(v + nearest_image(v, cell) @ cell)
    start = np.rint(-v @ np.linalg.inv(cell))
    around = [start + step for step in itertools.product(range(-4, 5), repeat=2)]
    assert found <= min(np.linalg.norm(v + k @ cell) for k in around) * (1 + 1e-9)


def test_where_all_are_joined_no_pair_is_close_and_apart():
    corners = Network([[0, 0], [1, 0], [0, 1]], [[0, 1], [1, 2], [0, 2]])
    assert close_pairs(corners).shape == (0, 2)
    chain = Network([[0, 0], [1, 0], [0, 1]], [[0, 1], [0, 2]])
    assert close_pairs(chain).tolist() == [[1, 2]]


# -- tasks -------------------------------------------------------------------------------------

STRAINS = st.floats(-0.99, 1e100, allow_nan=False)
POSITIVE = st.floats(1e-300, 1e100)


def _some(**keys):
    return st.fixed_dictionaries({}, optional=keys)


@st.composite
def tasks(draw):
    """Task files as tables: any names, any values, any of the keys."""
    names = draw(st.lists(st.text(min_size=1), min_size=3, max_size=3, unique=True))
    names = [n for n in names if n.isprintable()] + ["a", "b", "c"]
    names = list(dict.fromkeys(names))[:3]
    bounds = sorted(draw(st.lists(POSITIVE, min_size=2, max_size=2, unique=True)))
    value = st.one_of(STRAINS, st.just("free"))
    return {
        "title": draw(st.text()),
        "network": draw(
            st.sampled_from([{"generator": "triangular", "size": [4, 4]}, {"file": "é ü.vtu"}])
        ),
        "energy": {"model": "spring"} | draw(_some(stiffness=POSITIVE)),
        "learn": {
            "stiffness": {"bounds": bounds}
            | draw(_some(frozen=st.lists(st.integers(0, 30)), spread=st.floats(0, 0.99)))
        },
        "supports": draw(st.lists(st.just({"nodes": [0], "components": ["x"]}), max_size=2)),
        "sources": [
            {"name": names[0], "nodes": [0, 5], "strain": draw(STRAINS)},
            {"name": names[1], "near": draw(st.tuples(NUMBERS, NUMBERS).map(list)), "strain": 0.1},
        ],
        "targets": [
            {"name": names[2], "nodes": [10, 15], "strain": draw(STRAINS)}
            | draw(_some(limit=st.sampled_from(["at_least", "at_most"]), scale=POSITIVE))
        ],
        "examples": draw(st.lists(_some(**dict.fromkeys(names, value)), max_size=4)),
        "train": draw(
            _some(
                steps=st.integers(0, 10**12),
                tolerance=POSITIVE,
                seed=st.integers(0, 2**63 - 1),
                rate=POSITIVE,
                batch=st.integers(1, 100),
            )
        ),
    }


@given(tasks())
@settings(SOME, max_examples=60)
def test_a_task_written_is_the_task_read(task):
    """Exactly: by its text, and by the text of what was read."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "task.toml"
        path.write_bytes(tomli_w.dumps(task).encode())
        setup = read_setup(path)
        assert setup == Setup.model_validate(task)
        path.write_bytes(to_toml(setup).encode())
        again = read_setup(path)
    assert again == setup
    assert to_toml(again) == to_toml(setup)


@given(st.text(), st.integers(10, 100))
@SOME
def test_what_is_said_is_one_line_that_prints(text, limit):
    said = plain(text, limit)
    assert said.isprintable()
    assert len(said.splitlines()) <= 1
    assert len(said) <= limit + 5
    assert said == text or not (text.isprintable() and len(text) <= limit)
