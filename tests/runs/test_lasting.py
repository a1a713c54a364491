"""Nothing lost: stopped or killed trainings, and those short of disk, go on as if never stopped."""

import errno
import os
import resource
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from paths import TESTS
from ranks import on_ranks

import mechlearn as ml
from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.parallel import rank
from mechlearn.runs.checkpoint import Checkpoints, Stopped
from mechlearn.runs.config import Setup
from mechlearn.runs.folder import BEFORE, CHECKPOINT, FILES, LOCK, locked, new_folder
from mechlearn.runs.run import Run
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import begin, train_setup

sys.path.insert(0, str(TESTS / "long"))
import kills

FLAWS = {"noise": 0.01, "read_noise": 0.01, "drift": 1e-3, "update_noise": 0.1, "stuck": 0.1}
EXAMPLES = [{"in": 0.08, "out": 0.04}, {"in": -0.05, "out": -0.03}, {}]
WIDTH = {"width": {"bounds": [0.05, 0.3]}}
#: What differs from a small training of springs, by kind of training.
KINDS = {
    "springs": {},
    "flawed": {"imperfections": FLAWS, "examples": EXAMPLES, "train": {"batch": 2}},
    "finite": {"energy": {"model": "finite_spring"}},
    "finite, batches": {
        "energy": {"model": "finite_spring"},
        "examples": EXAMPLES,
        "train": {"batch": 2},
    },
    "momentum": {"train": {"rate": 5.0, "optimiser": {"name": "momentum"}}},
    "frame": {"energy": {"model": "finite_beam", "segments": 2}, "learn": WIDTH},
    "pruning": {"rule": {"name": "pruning"}},
    **{
        method: {"rule": {"name": "gradient_free", "method": method}}
        for method in ("evolution", "cma", "perturbation", "pattern", "simplex")
    },
}


def setup_of(steps=12, **changes):
    """A small training, but for some tables."""
    changes = dict(changes)
    train = {"steps": steps, "tolerance": 1e-12} | changes.pop("train", {})
    return Setup.model_validate(
        {
            "network": {"generator": "triangular", "size": [5, 5], "disorder": 0.1, "seed": 2},
            "learn": {"stiffness": {"bounds": [0.1, 10.0], "initial": 1.0}},
            "sources": [{"name": "in", "nodes": [0, 6], "strain": 0.1}],
            "targets": [{"name": "out", "nodes": [17, 23], "strain": 0.03}],
            "train": train,
        }
        | changes
    )


def stop_at(step):
    """Ask the process to stop, as Ctrl-C does, in a step."""

    def watch(learner):
        if learner.updates == step:
            os.kill(os.getpid(), signal.SIGINT)

    return watch


def train(folder, setup, watch=None, resume=False, **options):
    return train_setup(setup, Path(), watch, Checkpoints(folder, setup, **options), resume)


def assert_same(one, two):
    assert np.array_equal(one.history["error"], two.history["error"])
    assert np.array_equal(one.history["output"], two.history["output"])
    assert np.array_equal(one.history["snapshot"], two.history["snapshot"])
    for name in one.learned:
        assert np.array_equal(one.learned[name], two.learned[name])
        assert np.array_equal(one.history[name], two.history[name])
    assert np.array_equal(one.response, two.response)


# -- going on ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_stopped_training_goes_on_bit_by_bit(kind, tmp_path):
    setup = setup_of(8 if kind in ("frame", "pruning") else 12, **KINDS[kind])
    whole = train_setup(setup)
    last = whole.summary["steps"]
    assert last >= 3
    with pytest.raises(Stopped) as caught:
        train(tmp_path, setup, stop_at(last // 2))
    assert "--resume" in str(caught.value)
    assert f"step {last // 2}" in str(caught.value)
    assert_same(train(tmp_path, setup, resume=True), whole)


class Averaging(ml.Rule):
    """Mean of the signals of all steps, a state of the rule's own."""

    name = "averaging"
    phases = (ml.Phase("clamp", 0.0), ml.Phase("clamp", 0.1))

    def __init__(self):
        self.mean, self.count = None, 0

    def signal(self, sensitivities):
        free, clamped = sensitivities
        self.count += 1
        self.mean = (clamped - free) + (0.0 if self.mean is None else self.mean)
        return self.mean / self.count


def test_numbers_and_arrays_that_a_rule_keeps_go_on_with_it(tmp_path):
    setup = setup_of()
    setup = setup.with_objects(setup.element(setup.build_network()), setup.task.cost, Averaging())
    whole = train_setup(setup)
    with pytest.raises(Stopped):
        train(tmp_path, setup, stop_at(6))
    assert_same(train(tmp_path, setup, resume=True), whole)
    live = begin(setup)
    for _ in range(3):
        live.advance(steps=4)
        run = live.pause()
    assert_same(run, whole)


def test_large_indefinite_systems_go_on_bit_by_bit(tmp_path):
    """The analysis of MUMPS must not depend on the numbers it saw first."""
    network = {"generator": "triangular", "size": [30, 30], "disorder": 0.2, "seed": 1}
    setup = setup_of(4, energy={"model": "finite_spring"}, network=network)
    whole = train_setup(setup)
    with pytest.raises(Stopped):
        train(tmp_path, setup, stop_at(2))
    assert_same(train(tmp_path, setup, resume=True), whole)


def test_thinned_snapshots_go_on_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr("mechlearn.learning.history.SNAPSHOTS", 4)
    whole = train_setup(setup_of(40))
    assert 4 <= whole.history.sizes["snapshot"] <= 9
    for step in (7, 8, 15, 16, 17):
        folder = tmp_path / str(step)
        folder.mkdir()
        with pytest.raises(Stopped):
            train(folder, setup_of(40), stop_at(step))
        assert_same(train(folder, setup_of(40), resume=True), whole)


def test_checkpoints_come_every_so_many_steps_or_seconds(tmp_path):
    saved = []

    class Noted(Checkpoints):
        def _write(self, state, network):
            saved.append(int(state["updates"]))
            super()._write(state, network)

    setup = setup_of(9)
    train_setup(setup, checkpoints=Noted(tmp_path, setup, steps=4))
    assert saved == [0, 4, 8, 9]
    saved.clear()
    train_setup(setup, checkpoints=Noted(tmp_path, setup, seconds=0))
    assert saved == [*range(10), 9]


def test_kills_at_random_moments_change_nothing(tmp_path):
    rng = np.random.default_rng(5)
    done, troubles, fell = kills.survive("springs", tmp_path, 3, rng, steps=100, fork=True)
    assert (done, troubles) == (3, [])
    assert sum(fell.values()) == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_finish_the_step_and_say_how_to_go_on(number, tmp_path):
    task = tmp_path / "task.toml"
    task.write_text(kills.TASKS["springs"].replace("1200", "1000000"))
    process = subprocess.Popen(
        [arg for arg in kills.command(task, tmp_path / "run") if arg != "-q"],
        stderr=subprocess.PIPE,
        text=True,
    )
    next(line for line in process.stderr if "step 0" in line)
    process.send_signal(number)
    said = process.communicate(timeout=60)[1].splitlines()
    assert process.returncode == 128 + number
    assert said[-1].startswith(f"mechlearn: {task}: stopped at step ")
    assert said[-1].endswith("saved; the same command with --resume goes on from there.")
    assert not (tmp_path / "run" / LOCK).exists()
    assert (tmp_path / "run" / CHECKPOINT).is_file()


def test_a_reader_that_goes_away_ends_a_command_quietly_and_loses_nothing(tmp_path):
    task = tmp_path / "task.toml"
    task.write_text(kills.TASKS["springs"].replace("1200", "3"))
    command = [arg for arg in kills.command(task, tmp_path / "run") if arg != "-q"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        said = process.stderr.read()
        process.wait(timeout=60)
    assert process.returncode == 128 + signal.SIGPIPE, said
    assert b"ERROR" not in said
    assert b"Traceback" not in said
    assert Run.load(tmp_path / "run").summary["steps"] == 3


# -- damage ------------------------------------------------------------------------------------


@pytest.fixture
def stopped(tmp_path):
    """A folder of a training that was stopped in step 6, saved in every second one."""
    with pytest.raises(Stopped):
        train(tmp_path, setup_of(), stop_at(6), steps=2)
    return tmp_path


@pytest.mark.parametrize("damage", ["empty", "cut", "flipped", "gone"])
def test_where_the_last_is_damaged_the_one_before_serves(stopped, damage):
    last = stopped / CHECKPOINT
    data = bytearray(last.read_bytes())
    if damage == "gone":
        last.unlink()
    elif damage == "flipped":
        data[len(data) // 2] ^= 4
        last.write_bytes(data)
    else:
        last.write_bytes(data[: {"empty": 0, "cut": len(data) // 2}[damage]])
    told = []
    run = train(stopped, setup_of(), resume=True, tell=told.append)
    assert_same(run, train_setup(setup_of()))
    if damage == "gone":  # killed between two renames: nothing is lost
        assert told == []
        return
    [text] = told
    assert f"{last} " in text
    assert "goes on from the checkpoint before it, of step 4" in text


def test_a_damaged_checkpoint_never_replaces_the_good_one_before(stopped, monkeypatch):
    (stopped / CHECKPOINT).write_bytes(b"rubbish")
    good = (stopped / BEFORE).read_bytes()
    seen = []
    write = Checkpoints._write

    def look(self, state, network):
        seen.append((stopped / BEFORE).read_bytes() == good)
        write(self, state, network)
        seen.append((stopped / BEFORE).exists())

    monkeypatch.setattr(Checkpoints, "_write", look)
    with pytest.raises(Stopped):
        train(stopped, setup_of(), stop_at(4), resume=True)
    assert seen == [True, False]


def test_where_both_are_damaged_the_answer_names_both(stopped):
    for name in (CHECKPOINT, BEFORE):
        (stopped / name).write_bytes(b"rubbish")
    with pytest.raises(InputError) as caught:
        train(stopped, setup_of(), resume=True)
    for name in (CHECKPOINT, BEFORE):
        assert str(stopped / name) in str(caught.value)
    assert "No other checkpoint is left." in str(caught.value)


def test_a_task_that_changed_is_named_key_by_key(stopped):
    other = setup_of(rule={"name": "coupled_learning", "eta": 0.5}, train={"seed": 3})
    with pytest.raises(InputError) as caught:
        train(stopped, other, resume=True)
    assert "rule.eta was not given and is 0.5" in str(caught.value)
    assert "train.seed was 0 and is 3" in str(caught.value)
    assert "only train.steps and train.tolerance may change" in str(caught.value)


def test_crafted_checkpoints_take_no_memory_and_run_no_code(stopped):
    import pickle
    import zipfile

    claims = {"descr": "<f8", "fortran_order": False, "shape": (10**12,)}
    with zipfile.ZipFile(stopped / CHECKPOINT, "w") as archive, archive.open("a.npy", "w") as file:
        np.lib.format.write_array_header_1_0(file, claims)
    (stopped / BEFORE).unlink()
    with pytest.raises(InputError, match="is not as large as it claims"):
        train(stopped, setup_of(), resume=True)
    np.savez_compressed(stopped / CHECKPOINT, a=np.zeros(10**7))
    with pytest.raises(InputError, match="would unpack to"):
        train(stopped, setup_of(), resume=True)
    np.savez(stopped / CHECKPOINT, a=np.array([{}], dtype=object))
    with pytest.raises(InputError, match="holds object, which is not read"):
        train(stopped, setup_of(), resume=True)
    (stopped / CHECKPOINT).write_bytes(pickle.dumps({"format": 5}))
    with pytest.raises(InputError, match="is damaged"):
        train(stopped, setup_of(), resume=True)


# -- folders -----------------------------------------------------------------------------------


def test_a_folder_in_use_is_refused_and_a_dead_process_does_not_block(tmp_path):
    folder = new_folder(tmp_path / "run")
    holds = (
        "import sys; from mechlearn.runs.folder import locked\n"
        "with locked(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", holds, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout.readline() == b"held\n"
    with pytest.raises(InputError, match=f"is in use by process {process.pid} on "):
        locked(folder).__enter__()
    with pytest.raises(InputError, match="is in use"):
        train_setup(setup_of(1)).save(folder)
    process.kill()
    process.communicate()
    assert (folder / LOCK).exists()
    with locked(folder), locked(folder):  # the same process may
        assert str(os.getpid()) in (folder / LOCK).read_text()
    assert not (folder / LOCK).exists()


def test_what_an_early_death_leaves_is_no_obstacle(tmp_path, capsys):
    task = tmp_path / "task.toml"
    task.write_text(kills.TASKS["springs"].replace("1200", "2"))
    for more in ([], ["--resume"]):
        folder = tmp_path / f"run{len(more)}"
        folder.mkdir()
        (folder / LOCK).write_text("process 1 on elsewhere")
        (folder / f"{CHECKPOINT}.part").write_bytes(b"half")
        with pytest.raises(SystemExit) as stop:
            main(["train", str(task), "-o", str(folder), "-q", *more])
        assert stop.value.code in (0, None)
        assert Run.load(folder).summary["steps"] == 2
        assert ("starts from the beginning" in capsys.readouterr().err) == bool(more)


def test_resume_needs_something_to_resume(tmp_path, capsys):
    task = tmp_path / "task.toml"
    task.write_text(kills.TASKS["springs"])
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("")
    for name, said in (("none", "There is no folder"), ("other", "holds no checkpoint")):
        with pytest.raises(SystemExit) as stop:
            main(["train", str(task), "-o", str(tmp_path / name), "--resume", "-q"])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


# -- disks that fail ---------------------------------------------------------------------------


class Failing:
    """Lets the n-th call of a function of the system fail, and all later ones if asked."""

    def __init__(self, monkeypatch, name, number, nth, lasting=False):
        self.calls, self.nth, self.lasting, self.real = 0, nth, lasting, getattr(os, name)
        self.number = number
        monkeypatch.setattr(os, name, self)

    def __call__(self, *arguments, **options):
        self.calls += 1
        if self.calls == self.nth or (self.lasting and self.calls > self.nth):
            raise OSError(self.number, os.strerror(self.number))
        return self.real(*arguments, **options)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EROFS])
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_a_checkpoint_that_cannot_be_written_is_told_and_tried_again(
    name, number, tmp_path, monkeypatch
):
    whole = train_setup(setup_of())
    told = []
    # Two calls of fsync, and one or two of replace, belong to a checkpoint.
    with monkeypatch.context() as patch:
        Failing(patch, name, number, nth=8)
        run = train(tmp_path, setup_of(), steps=1, tell=told.append)
    assert_same(run, whole)
    [text] = told
    assert text == (
        f"{tmp_path / CHECKPOINT} cannot be written: {os.strerror(number)}. "
        "Training goes on, and saving is tried again."
    )
    assert_same(train(tmp_path, setup_of(), resume=True), whole)


@pytest.mark.parametrize("name", ["fsync", "replace"])
@pytest.mark.parametrize("nth", range(4, 12))
def test_whatever_call_fails_the_last_good_state_stays(name, nth, tmp_path, monkeypatch):
    """From some call on the disk is full for good; what was saved before goes on elsewhere."""
    with monkeypatch.context() as patch:
        Failing(patch, name, errno.ENOSPC, nth, lasting=True)
        with pytest.raises(Stopped, match="could not be saved"):
            train(tmp_path, setup_of(), stop_at(8), steps=1)
    assert_same(train(tmp_path, setup_of(), resume=True), train_setup(setup_of()))


def test_the_first_checkpoint_fails_at_once(tmp_path, monkeypatch):
    seen = []
    with monkeypatch.context() as patch:
        Failing(patch, "fsync", errno.ENOSPC, 1, lasting=True)
        with pytest.raises(InputError, match="No space left"):
            train(tmp_path, setup_of(), lambda learner: seen.append(learner.updates))
    assert seen == [0]
    assert list(tmp_path.iterdir()) == []


@contextmanager
def files_no_larger_than(size):
    """Let the kernel refuse to write more than that into any file, as a full disk does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [0, 100, 3000, 7000])
def test_a_write_that_stops_half_way_leaves_the_last_good_state(size, stopped):
    files = {p.name: p.read_bytes() for p in stopped.iterdir()}
    with files_no_larger_than(size), pytest.raises(InputError, match="File too large"):
        train(stopped, setup_of(), resume=True)
    assert {p.name: p.read_bytes() for p in stopped.iterdir()} == files
    run = train(stopped, setup_of(), resume=True)
    assert_same(run, train_setup(setup_of()))
    with files_no_larger_than(size), pytest.raises(InputError, match="File too large"):
        run.save(stopped / "run")
    assert not any((stopped / "run").iterdir())


def test_a_run_that_cannot_be_written_leaves_no_half_run(tmp_path, monkeypatch):
    first, second = train_setup(setup_of(3)), train_setup(setup_of(9))
    calls = 0
    for name in ("fsync", "replace"):
        nth = 1
        while True:
            folder = tmp_path / f"{name}{nth}"
            first.save(folder)
            with monkeypatch.context() as patch:
                failing = Failing(patch, name, errno.ENOSPC, nth)
                said = ""
                try:
                    second.save(folder, overwrite=True)
                except InputError as error:
                    said = str(error)
            if failing.calls >= nth:
                assert said.startswith(f"{folder}")
                assert said.endswith("cannot be written: No space left on device.")
            if failing.calls < nth:
                break
            # Whole, or not a run: never parts of both.
            if (folder / FILES[-1]).exists():
                assert Run.load(folder).summary["steps"] in (3, 9)
            else:
                with pytest.raises(InputError, match="is no finished run"):
                    Run.load(folder)
            nth, calls = nth + 1, calls + 1
    assert calls >= 10


def stop_and_resume(folder):
    setup = setup_of(6, **KINDS["finite"])
    # One rank alone is asked to stop.
    with pytest.raises(Stopped, match="step 4"):
        train(folder, setup, stop_at(4) if rank() else None)
    parts, whole = train(folder, setup, resume=True), train_setup(setup)
    assert parts.summary["ranks"] == 2
    for name in ("error", "output", "stiffness"):
        np.testing.assert_allclose(parts.history[name], whole.history[name], rtol=1e-10, atol=1e-10)


def test_two_ranks_resume_to_the_same(tmp_path):
    on_ranks(2, stop_and_resume, tmp_path)


def test_signals_that_are_ignored_stay_ignored(tmp_path):
    """As nohup, and & in a script, leave them."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = train(tmp_path, setup_of(), stop_at(3))
    finally:
        signal.signal(signal.SIGINT, before)
    assert run.summary["steps"] == 12


def test_a_lost_terminal_stops_a_training_that_is_saved(tmp_path):
    def hang_up(learner):
        if learner.updates == 3:
            os.kill(os.getpid(), signal.SIGHUP)

    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    try:
        with pytest.raises(Stopped, match="step 3, and saved") as caught:
            train(tmp_path, setup_of(), hang_up)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert caught.value.exit_code == 128 + signal.SIGHUP


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "2>/dev/full"])
def test_a_training_needs_nobody_to_talk_to(streams, tmp_path):
    task = tmp_path / "task.toml"
    task.write_text(kills.TASKS["springs"].replace("steps = 1200", "steps = 3"))
    command = f'"{sys.executable}" -m mechlearn train "{task}" -o "{tmp_path / "run"}" {streams}'
    assert subprocess.run(command, shell=True, check=False).returncode == 0
    assert Run.load(tmp_path / "run").summary["steps"] == 3


def started(**environment):
    """A process that starts DOLFINx and says where it keeps compiled forms."""
    start = "import os, mechlearn.fenics; print(os.environ.get('XDG_CACHE_HOME'))"
    return subprocess.run(
        [sys.executable, "-c", start],
        env={k: v for k, v in os.environ.items() if k != "XDG_CACHE_HOME"} | environment,
        capture_output=True,
        text=True,
    )


def test_forms_are_kept_elsewhere_where_the_home_cannot_be_written(tmp_path):
    own = tmp_path / f"mechlearn-{os.getuid()}"
    assert started(HOME=str(tmp_path)).stdout.strip() == "None"
    ended = started(HOME="/proc", TMPDIR=str(tmp_path))
    assert (ended.stdout.strip(), ended.stderr) == (str(own), "")
    assert own.stat().st_mode & 0o077 == 0
    own.chmod(0o777)  # anybody could put code there
    ended = started(HOME="/proc", TMPDIR=str(tmp_path))
    assert "set XDG_CACHE_HOME to a folder of your own" in ended.stderr


def test_a_folder_that_is_gone_is_said(tmp_path):
    here, task = tmp_path / "here", tmp_path / "task.toml"
    here.mkdir()
    task.write_text(kills.TASKS["springs"])
    train = f'"{sys.executable}" -m mechlearn train "{task}" -o "{tmp_path}/run"'
    ended = subprocess.run(
        f'rmdir "{here}"; {train}', shell=True, cwd=here, capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert "The folder this was started in is gone" in ended.stderr


def test_a_task_of_another_encoding_is_said_with_its_line(tmp_path):
    task = tmp_path / "task.toml"
    task.write_bytes('# one\ntitle = "Käse"\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 \(at line 2\)"):
        read_setup(task)
