"""Some hundred broken inputs on every run of the tests; ``tests/long/fuzz.py`` has the others."""

import gc
import random

import fuzzing
import judging
import mutations
import pytest
import rightinput
import tomli_w

INPUTS, SEED = 160, 2


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    """Right files to break, and a place to break them in."""
    return rightinput.Bench(tmp_path_factory.mktemp("fuzz") / "bench")


def test_broken_input_ends_in_one_line(bench):
    found = [fuzzing.run_case(bench, SEED, number) for number in range(INPUTS)]
    gc.collect()  # where files that readers left open would warn
    assert [(n, t, v.trouble) for n, (t, v) in enumerate(found) if v.trouble] == []
    assert {t for t, _ in found} == set(fuzzing.TARGETS)
    ends = [v.ended for _, v in found]
    assert ends.count("exit 2") > INPUTS / 2  # what is broken is refused ...
    assert ends.count("exit 0") > INPUTS / 20  # ... and some changes are none


@pytest.mark.parametrize("name", rightinput.TASKS)
def test_what_is_broken_was_right(bench, name):
    bench.clear()
    (bench.work / "task.toml").write_text(tomli_w.dumps(rightinput.TASKS[name]))
    verdict = judging.judge(bench, judging.Case(["check", "task.toml"]))
    assert (verdict.ended, verdict.trouble, verdict.said) == ("exit 0", "", "")


@pytest.mark.parametrize(
    ("act", "trouble"),
    [
        (lambda: [][0], "traceback: IndexError"),
        (lambda: print("\x1b[31m", file=judging.sys.stderr), "stray line"),
        (lambda: (judging.Path("../../x")).write_text(""), "writes outside"),
        (lambda: judging.Path("task.toml").write_text("x"), "writes outside"),
        (lambda: judging.sys.exit(3), "exit code 3"),
        (lambda: judging.sys.exit(1), "exit code 1 without a word"),
    ],
)
def test_the_judge_sees(bench, monkeypatch, act, trouble):
    bench.clear()
    (bench.work / "task.toml").write_text("")
    monkeypatch.setattr(judging, "main", lambda arguments: act())
    assert judging.judge(bench, judging.Case(["check"])).trouble.startswith(trouble)


def test_the_judge_sees_what_hangs(bench, monkeypatch):
    bench.clear()
    monkeypatch.setattr(judging, "SECONDS", 0.05)

    def main(arguments):
        while True:
            pass

    monkeypatch.setattr(judging, "main", main)
    assert judging.judge(bench, judging.Case(["check"])).trouble.startswith("hang")


def test_an_input_is_always_the_same():
    texts = [mutations.text(random.Random("0:7"), b"a b\nc d\n") for _ in range(2)]
    assert texts[0] == texts[1]
