"""Networks that many tests share. Small, rigid, and made without any generator under test."""

import hashlib
import os
import pickle
import shutil
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from scipy.spatial import Delaunay

os.environ.setdefault("OMP_NUM_THREADS", "1")

from mechlearn.io.writing import replaced_file
from mechlearn.network import Network


def pytest_configure():
    """Hear Ctrl-C, which jobs in the background of a script, and commands they start, ignore."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def pytest_collection_modifyitems(items):
    """Begin with the files that take longest, so that no worker ends with one of them."""
    place = {name: k for k, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(place)))


#: Files of tests that take more than ten seconds, the longest first.
LONGEST = (
    "test_notebooks.py", "test_commands.py", "test_export.py", "test_sweep.py", "test_lasting.py",
    "test_solids.py", "test_docs.py", "test_solid_supports.py", "test_solids_learning.py",
    "test_view_live.py", "test_small_cells.py", "test_beams.py", "test_pictures.py",
    "test_faults.py", "test_view.py", "test_baseline.py", "test_units.py", "test_finite.py",
    "test_meshes.py", "test_fuzz.py",
)  # fmt: skip


def random_network(nodes=40, dim=2, seed=0):
    """A finite Delaunay network of random points."""
    x = np.random.default_rng(seed).random((nodes, dim))
    simplices = Delaunay(x).simplices
    pairs = np.vstack([simplices[:, [a, b]] for a in range(dim + 1) for b in range(a)])
    return Network(x, np.unique(np.sort(pairs, axis=1), axis=0))


def periodic_network(size=5, seed=0):
    """A disordered triangular lattice on a torus."""
    rng = np.random.default_rng(seed)
    cell = size * np.array([[1.0, 0.0], [0.5, np.sqrt(0.75)]])
    i, j = np.divmod(np.arange(size * size), size)
    x = np.stack([i, j], axis=1) @ cell / size
    edges, shifts = [], []
    for di, dj in ((1, 0), (0, 1), (1, -1)):
        a, b = i + di, j + dj
        edges.append(np.stack([i * size + j, (a % size) * size + b % size], axis=1))
        shifts.append(np.stack([a // size, b // size], axis=1))
    x = x + 0.15 * rng.uniform(-1, 1, x.shape)
    return Network(x, np.vstack(edges), cell=cell, shifts=np.vstack(shifts))


@pytest.fixture(scope="session")
def plane():
    """A finite network in 2D."""
    return random_network()


@pytest.fixture(scope="session")
def space():
    """A finite network in 3D."""
    return random_network(30, dim=3, seed=3)


@pytest.fixture(scope="session")
def torus():
    """A periodic network in 2D."""
    return periodic_network()


@pytest.fixture(scope="session")
def stiffnesses():
    """Random stiffnesses over two decades for a network."""

    def make(net, seed=5):
        return 10 ** np.random.default_rng(seed).uniform(-1, 1, net.n_edges)

    return make


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """A real browser without a window; tests that need one are skipped where there is none.

    It ends with its module: a page that moves, or whose server is gone, keeps a processor busy.
    """
    from selenium import webdriver

    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("no chromium with chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for flag in (
        "headless", "no-sandbox", "disable-gpu", "use-gl=angle", "use-angle=swiftshader",
        "enable-unsafe-swiftshader", "disable-quic", "no-first-run", "disable-sync",
        "disable-background-networking", "disable-component-update", "window-size=1100,900",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):  # fmt: skip
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(programs[1]))
    driver.set_script_timeout(20)
    yield driver
    driver.quit()


@pytest.fixture(scope="session", autouse=True)
def unions(tmp_path_factory):
    """Bodies that are made once for all tests and workers: each takes a process of its own."""
    from mechlearn.io.isolated import call_isolated
    from mechlearn.solids import boolean

    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent  # what the workers have in common

    def once(function, *arguments):
        asked = pickle.dumps((function, arguments))
        made = folder / f"{hashlib.sha256(asked).hexdigest()}.body"
        try:
            return pickle.loads(made.read_bytes())
        except FileNotFoundError:
            body = call_isolated(function, *arguments)
        with replaced_file(made) as place:
            place.write_bytes(pickle.dumps(body))
        return body

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(boolean, "call_isolated", once)
        yield


def train_inline(patch):
    """Members of sweeps are trained here, one after the other: starting workers takes seconds."""

    class Done:
        def __init__(self, value):
            self.result = lambda: value

    class Client:
        def submit(self, function, *arguments, pure):
            return Done(function(*arguments))

    @contextmanager
    def here(*_):
        yield Client()

    patch.setattr("mechlearn.studies.sweep._cluster", here)
    patch.setattr("distributed.as_completed", iter)


@pytest.fixture
def inline(monkeypatch):
    """Sweeps in this process, without Dask."""
    train_inline(monkeypatch)


@pytest.fixture(scope="module")
def scheduler():
    """Address of a scheduler of Dask whose one worker is a thread of this process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp://", host="127.0.0.1",
        dashboard_address="127.0.0.1:0", silence_logs=50,
    ) as cluster:  # fmt: skip
        yield cluster.scheduler_address


@pytest.fixture
def own_extensions():
    """Forget afterwards what a test registers."""
    from mechlearn import extensions

    there = [(r, dict(r), dict(r.own)) for r in extensions.registries()]
    plugins = list(extensions.plugins)
    yield
    for registry, known, own in there:
        registry.clear(), registry.update(known)
        registry.own.clear(), registry.own.update(own)
    extensions.plugins[:] = plugins
