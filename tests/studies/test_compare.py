"""Rules side by side on one task, and what their nudges do."""

import csv
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mechlearn.cli import main
from mechlearn.errors import InputError
from mechlearn.plots import plot_learning
from mechlearn.runs.taskfile import read_setup
from mechlearn.studies.compare import all_rules, compare, nudge_study, table

TASK = """
title = "comparison"
[network]
generator = "triangular"
size = [6, 6]
disorder = 0.1
seed = 2
[learn.stiffness]
bounds = [0.1, 10.0]
initial = 1.0
[[sources]]
near = [0.2, 0.2]
strain = 0.1
[[targets]]
name = "one"
near = [0.8, 0.8]
strain = 0.04
{more}
[train]
steps = 150
"""
SECOND = '[[targets]]\nname = "two"\nnear = [0.8, 0.6]\nstrain = 0.02\n'


@pytest.fixture
def task(tmp_path):
    def write(more="") -> Path:
        path = tmp_path / "task.toml"
        path.write_text(TASK.format(more=more))
        return path

    return write


def test_all_rules_with_a_target_learn_it_and_aging_does_not(task):
    trials = compare(read_setup(task()), seeds=2)
    rows = {row["rule"]: row for row in table(trials)}
    assert set(rows) == set(all_rules(1.0))
    for name, row in rows.items():
        if name in ("CMA", "1+1", "pattern"):  # trials go further than 150, and must not go back
            errors = [t.error for t in trials if t.rule == name]
            assert all(e[-1] < e[0] for e in errors)
        elif name == "prune":  # greedy: it may end where no single bond helps
            assert row["reached"] >= 1
        else:
            assert row["reached"] == (0 if name == "aging" else 2)
    for name, angle in (("GD", 1e-12), ("EP C", 1e-4), ("CpL C", 1e-9)):
        assert rows[name]["first_cosine"] > 1 - angle
    assert rows["CL"]["first_cosine"] < 0.99


def test_starts_are_the_same_for_all_rules(task):
    trials = compare(read_setup(task()), names=["GD", "CpL C"], seeds=2)
    first = {(t.rule, t.seed): t.error[0] for t in trials}
    assert first["GD", 0] == first["CpL C", 0]
    assert first["GD", 1] == first["CpL C", 1]
    assert first["GD", 0] != first["GD", 1]


def test_curves_of_rules_are_over_steps_and_those_of_searches_over_trials(task):
    trials = compare(read_setup(task()), names=["GD", "CpL C"], seeds=1)
    ax = plot_learning(trials, 1e-3)
    assert ax.get_xlabel() == "step"
    full, dotted = ax.lines[:2]
    assert {full.get_label(), dotted.get_label()} == {"GD", "CpL C"}
    heights = {line.get_label(): line.get_zorder() for line in ax.lines}
    assert heights["CpL C"] > heights["GD"]  # dots that full lines hide are no curve
    found = [replace(trials[0], rule="pattern"), *trials]
    assert plot_learning(found, 1e-3).get_xlabel() == "step (of pattern: trial)"


@pytest.mark.parametrize("more", ["", SECOND])
def test_powers_and_limits_of_the_nudge(task, more):
    studies = {s.rule: s for s in nudge_study(read_setup(task(more)))}
    for variant in "PN":
        assert studies[f"CpL {variant}"].powers == pytest.approx((2, 1), abs=1e-3)
    assert studies["CpL C"].powers[1] == pytest.approx(1, abs=1e-3)
    assert np.isnan(studies["CpL C"].powers[0])
    assert studies["EP C"].angle[-1] < 1e-9
    if more:  # with several outputs coupled learning does not tend to the gradient
        assert studies["CpL C"].angle[-1] > 1e-5
        assert studies["CpL C, one output"].angle[-1] < 1e-9
    else:
        assert studies["CpL C"].angle[-1] < 1e-9


def assert_aligned(lines, headings):
    """Cells begin under their heading, with two spaces before them."""
    for start in map(lines[0].index, headings):
        assert all(line[start] != " " for line in lines)
        assert all(line[max(start - 2, 0) : start].isspace() for line in lines) or not start


def test_command_writes_tables_and_figures(task, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(
            [
                "compare",
                str(task()),
                "-o",
                str(tmp_path / "out"),
                "--seeds",
                "1",
                "--rules",
                "GD",
                "--rules",
                "CpL P",
            ]
        )
    assert stop.value.code in (0, None)
    rows = list(csv.DictReader((tmp_path / "out" / "rules.csv").read_text().splitlines()))
    assert [row["rule"] for row in rows] == ["GD", "CpL P"]
    rules, nudges = capsys.readouterr().out.split("\n\n")
    assert_aligned(rules.splitlines(), ["rule", "reached", "final error", "steps"])
    assert_aligned(nudges.splitlines()[:-1], ["rule", "in update", "1 - cosine at"])
    (centred,) = (line.split() for line in nudges.splitlines() if line.startswith("CpL C"))
    assert centred[2] == "-"  # the contrast of centred coupled learning has no power
    assert "nan" not in nudges
    for name in ("learning.png", "nudges.png", "nudges.csv"):
        assert (tmp_path / "out" / name).stat().st_size > 1000


def test_unknown_rule_is_named(task):
    with pytest.raises(InputError, match="rules = 'CpL-P' is not known; did you mean 'CpL P'"):
        compare(read_setup(task()), names=["CpL-P"])
    with pytest.raises(InputError, match="did you mean 'CpL P'"):
        compare(read_setup(task()), names=["cpl"])


def test_rules_that_do_not_fit_a_task_are_left_out_with_the_reason(task):
    """A cross-entropy cannot be clamped to; what is asked for by name is an error."""
    shares = SECOND.replace("0.02", "0.96") + '[cost]\nname = "cross_entropy"\n'
    setup = read_setup(task(shares))
    setup = setup.model_copy(update={"train": setup.train.model_copy(update={"steps": 2})})
    rows = {row["rule"]: row for row in table(compare(setup, seeds=1))}
    assert "clamps outputs at values" in rows["CpL P"]["trouble"]
    assert rows["EP C"]["first_cosine"] > 1 - 1e-3
    assert not any(study.rule.startswith("CpL") for study in nudge_study(setup))
    with pytest.raises(InputError, match="clamps outputs at values"):
        compare(setup, names=["CpL P"])
