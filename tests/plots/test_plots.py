"""Plots: what their lines are, checked against numbers found in other ways."""

import csv

import numpy as np
import pytest
from matplotlib.figure import Figure

from mechlearn import CrossEntropy, GradientDescent, Learn, Source, Support, Target, Task, train
from mechlearn.energies import Resistor
from mechlearn.errors import InputError
from mechlearn.plots import confusion, plot_bands, plot_spectrum, stiffness_spectrum

PAIRS = Task(
    sources=[Source(near=[0.1, 0.5], strain=0.05)], targets=[Target(near=[0.9, 0.5], strain=0.04)]
)


def axes():
    return Figure().add_subplot()


@pytest.fixture(scope="module")
def run(plane):
    learn = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0, spread=0.2)}
    return train(plane, PAIRS, learn=learn, steps=3, tolerance=1e-9)


@pytest.fixture(scope="module")
def classes(plane):
    names = ["a", "b"]
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(name=n, nodes=[k], voltage=0.0) for n, k in zip("xy", (1, 2), strict=True)],
        targets=[
            Target(name=n, nodes=[k], voltage=0.0) for n, k in zip(names, (30, 35), strict=True)
        ],
        cost=CrossEntropy(of="softmax", temperature=0.1),
        examples=[
            {"x": x, "y": y, "a": float(x > y), "b": float(x <= y)}
            for x, y in np.random.default_rng(0).random((12, 2)).tolist()
        ],
    )  # fmt: skip
    learn = {"conductance": Learn(bounds=(0.1, 10), initial=1.0)}
    return train(
        plane, task, energy=Resistor(), learn=learn, rule=GradientDescent(), steps=3, tolerance=1e-9
    )


def test_the_spectrum_is_that_of_the_stiffness(run):
    net, k = run.network, run.learned["stiffness"]
    c = net.compatibility().toarray()
    values = stiffness_spectrum(run)
    wanted = np.linalg.eigvalsh(c.T @ np.diag(k) @ c)
    np.testing.assert_allclose(values, np.abs(wanted), atol=1e-10 * wanted[-1])
    lines = plot_spectrum(run, axes()).lines
    assert [line.get_label() for line in lines] == ["before, 3 zero modes", "after, 3 zero modes"]
    np.testing.assert_allclose(lines[1].get_xdata(), values[3:])
    assert lines[1].get_ydata()[-1] == 1


def test_bands_are_medians_over_the_seeds(run, tmp_path):
    runs = []
    for seed in range(3):
        folder = tmp_path / f"{seed}"
        made = train(
            run.network, PAIRS, steps=2 + seed, seed=seed, tolerance=1e-9,
            learn={"stiffness": Learn(bounds=(0.01, 10), initial=1.0, spread=0.2)},
        )  # fmt: skip
        made.save(folder)
        runs.append(made.history.error.values)
    rows = [{"member": s, "train.seed": s, "rule.eta": 0.1, "error": 0} for s in range(3)]
    rows.append({"member": "gone", "train.seed": 9, "rule.eta": 0.2, "error": 0})
    with (tmp_path / "sweep.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    (line,) = plot_bands(tmp_path, axes()).lines
    assert line.get_label() == "rule.eta = 0.1 (3)"
    np.testing.assert_allclose(line.get_ydata()[:3], np.median([r[:3] for r in runs], axis=0))
    assert line.get_ydata()[-1] == np.median([r[-1] for r in runs])
    assert len(line.get_ydata()) == 5
    with pytest.raises(InputError, match="no table"):
        plot_bands(tmp_path / "nowhere.csv")


def test_the_confusion_counts_every_example_once(classes):
    counts, names = confusion(classes)
    assert names == ["a", "b"]
    wanted = [e["a"] for e in classes.setup.examples]
    np.testing.assert_array_equal(counts.sum(axis=1), [sum(wanted), 12 - sum(wanted)])
    outputs = classes.respond(classes.setup.examples) * classes.problem.units
    assert np.trace(counts) / 12 == pytest.approx(classes.problem.accuracy(outputs))
    before, _ = confusion(classes, learned=False)
    np.testing.assert_array_equal(before.sum(axis=1), counts.sum(axis=1))
    ax = classes.plot("confusion", ax=axes())
    assert [int(t.get_text()) for t in ax.texts] == counts.ravel().tolist()


def test_plots_that_make_no_sense_are_refused(run):
    with pytest.raises(InputError, match="classifies"):
        run.plot("confusion")
    with pytest.raises(InputError, match="spectrum"):
        run.plot("colour")
    assert run.plot("dofs", ax=axes()).get_ylabel() == "bonds"
