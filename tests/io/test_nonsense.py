"""Nonsense in keys, addresses and the environment: a sentence, soon."""

import time

import pytest

from mechlearn import parallel as ranks
from mechlearn.errors import InputError
from mechlearn.runs.progress import patience
from mechlearn.runs.taskfile import DEEP, read_setup
from mechlearn.studies.sweep import _cluster


@pytest.mark.parametrize(
    "text",
    [
        ".".join(["a"] * 100_000) + " = 1",
        "[" + ".".join(["a"] * 100_000) + "]\nx = 1",
        "x = { " + " . ".join(['"a b"'] * 100_000) + " = 1 }",
        "\n".join(".".join(["a"] * 200 + [f"b{i}"]) + " = 1" for i in range(1000)),
    ],
)
def test_a_key_of_too_many_parts_is_refused(text, tmp_path):
    (tmp_path / "task.toml").write_text(text)
    with pytest.raises(InputError, match="has a key of more than 20 parts"):
        read_setup(tmp_path / "task.toml")


@pytest.mark.parametrize(
    "text",
    [
        "title = 'mechlearn.runs.taskfile.read_setup of www.example.org'",
        "a = [1.5, 2.5, 3.5]" * 30,
        "x" * 3_000_000,
        "x." * 19 + "x",
        "'" * 1_000_000,
    ],
)
def test_what_others_write_is_no_such_key(text):
    assert not DEEP.search(text)


@pytest.mark.parametrize(
    ("name", "value"), [("PMI_RANK", "abc"), ("PMI_SIZE", "0"), ("OMPI_COMM_WORLD_RANK", "-1")]
)
def test_a_launcher_that_talks_nonsense_is_told(name, value, monkeypatch, capsys):
    monkeypatch.setitem(ranks.sys.modules, "mpi4py.MPI", None)
    monkeypatch.delitem(ranks.sys.modules, "mpi4py.MPI")
    for other in (*ranks._RANK, *ranks._SIZE):
        monkeypatch.delenv(other, raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(InputError, match=f"The environment variable {name} = '{value}' should be"):
        ranks.size() if "SIZE" in name else ranks.rank()
    if "RANK" in name:
        with pytest.raises(SystemExit) as stop:
            ranks.fail("told", 2)
        assert stop.value.code == 2
        assert capsys.readouterr().err == "told\n"


@pytest.mark.parametrize("address", ["garbage", "ftp://x:1", "tcp://", "tcp://[::", "1"])
def test_an_address_that_is_none_is_told(address):
    with pytest.raises(InputError, match="nobody answers"), _cluster(None, address):
        raise AssertionError("somebody answered")


def test_what_takes_long_says_so_once(capsys):
    with patience("quick"):
        pass
    with patience("slow", 0.0):
        time.sleep(0.2)
    assert capsys.readouterr().err == "slow: still at it; large networks take minutes\n"
