"""Crossbars and devices: Ohm's law, wires, programming; what a model does not know."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import InputError
from mechlearn.learning.device import Device

ROWS, COLUMNS = 6, 3
VOLTAGES = np.random.default_rng(1).uniform(-1, 1, (4, ROWS))
CONDUCTANCE = np.random.default_rng(2).uniform(0.1, 1, ROWS * COLUMNS)


def task(wanted=0.0):
    return ml.Task(
        sources=[ml.Source(name=f"r{k}", nodes=[k], voltage=0.0) for k in range(ROWS)],
        targets=[
            ml.Target(name=f"c{k}", nodes=[ROWS + k], current=wanted, scale=1.0)
            for k in range(COLUMNS)
        ],
        examples=[{f"r{k}": v for k, v in enumerate(row)} for row in VOLTAGES.tolist()],
    )


def device(wires=None, **flaws):
    net = ml.networks.crossbar(ROWS, COLUMNS, wires=wires is not None)
    material = {}
    if wires is not None:
        conductance = np.full(net.n_edges, float(wires))
        material = {"conductance": conductance}
    return Device(net, task(), bounds=(0.1, 1.0), material=material, **flaws)


def outputs(made, step=0):
    return made.outputs({"conductance": CONDUCTANCE}, step=step)


def test_columns_at_virtual_ground_sum_the_currents():
    """I_j = -sum_i G_ij V_i: currents count as positive where they flow into the network."""
    expected = -VOLTAGES @ CONDUCTANCE.reshape(ROWS, COLUMNS)
    assert outputs(device()) == pytest.approx(expected, abs=1e-12)


def test_wires_by_nodal_analysis():
    """Against a dense Laplacian with the ends of rows and columns held."""
    net = ml.networks.crossbar(ROWS, COLUMNS, wires=True)
    assert net.n_edges == 3 * ROWS * COLUMNS
    g = np.r_[CONDUCTANCE, np.full(2 * ROWS * COLUMNS, 5.0)]
    c = np.zeros((net.n_edges, net.n_nodes))
    c[np.arange(net.n_edges), net.edges[:, 0]] = -1
    c[np.arange(net.n_edges), net.edges[:, 1]] = 1
    laplacian = c.T @ np.diag(g) @ c
    ends, inner = np.arange(ROWS + COLUMNS), np.arange(ROWS + COLUMNS, net.n_nodes)
    held = np.hstack([VOLTAGES, np.zeros((len(VOLTAGES), COLUMNS))])
    v = np.linalg.solve(laplacian[np.ix_(inner, inner)], -laplacian[np.ix_(inner, ends)] @ held.T)
    current = laplacian[np.ix_(ends, ends)] @ held.T + laplacian[np.ix_(ends, inner)] @ v
    assert outputs(device(wires=5.0)) == pytest.approx(current[ROWS:].T, abs=1e-12)


def test_thick_wires_are_no_wires():
    off = [np.abs(outputs(device(wires=g)) - outputs(device())).max() for g in (1e3, 1e4)]
    assert off[0] / off[1] == pytest.approx(10, rel=0.02)


def test_programming():
    made = device(levels=4, write_noise=0.1)
    written = made.program(np.full(1000, 0.45))
    assert np.mean(written) == pytest.approx(0.4, rel=0.02)  # the nearest of 0.1, 0.4, 0.7, 1.0
    assert np.std(written) == pytest.approx(0.04, rel=0.1)
    assert made.program(np.full(9, 0.45), 1).tolist() != made.program(np.full(9, 0.45), 2).tolist()
    stuck = device(stuck=0.3)
    first, second = (stuck.program(np.full(1000, v)) for v in (0.4, 0.5))
    assert np.mean(first == second) == pytest.approx(0.3, abs=0.05)
    assert set(first[first == second]) == {0.1, 1.0}


def test_reading_is_noisy():
    made = device(read_noise=0.05)
    exact = outputs(device())
    errors = np.array([outputs(made, step) - exact for step in range(200)])
    assert np.std(errors) == pytest.approx(0.05 * np.sqrt(np.mean(exact**2)), rel=0.05)


def test_training_on_the_device_makes_up_for_what_the_model_does_not_know():
    """Errors of the device with thin wires and stuck elements, after training on the model alone
    and after training with errors measured on the device."""
    truth = np.random.default_rng(3).uniform(0.2, 0.8, (ROWS, COLUMNS))
    wanted = -VOLTAGES @ truth * 0.8
    asked = task()
    examples = [
        {**e, **{f"c{k}": v for k, v in enumerate(row)}}
        for e, row in zip(asked.examples, wanted.tolist(), strict=True)
    ]
    asked = asked.model_copy(update={"examples": examples})
    net = ml.networks.crossbar(ROWS, COLUMNS)
    options = {
        "energy": ml.Resistor(),
        "learn": ml.Learn(bounds=(0.1, 1.0), initial=0.5, scale="linear"),
        "rule": ml.GradientDescent(),
        "steps": 300,
        "tolerance": 1e-3,
    }
    real = Device(
        ml.networks.crossbar(ROWS, COLUMNS, wires=True),
        asked,
        bounds=(0.1, 1.0),
        material={"conductance": np.full(3 * ROWS * COLUMNS, 20.0)},
        stuck=0.1,
        seed=2,
    )
    errors = []
    for aware in (None, real):
        run = ml.train(net, asked, device=aware, **options)
        errors.append(np.abs(real.outputs(run.learned) - wanted).max())
        if aware:  # the run says what the device reads
            assert run.summary["error"] == pytest.approx(run.history.error.values[-1], rel=1e-9)
            assert "measured on a device" in run.summary["warnings"][0]
    assert errors[1] < 0.1 * errors[0]


def test_bad_devices_are_refused():
    with pytest.raises(InputError, match="levels = 1: it should be greater than or equal to 2"):
        device(levels=1)
    with pytest.raises(InputError, match=r"stuck = 1\.0: it should be less than 1"):
        device(stuck=1.0)
    with pytest.raises(InputError, match="programmed with a conductance"):
        device().outputs({"width": CONDUCTANCE})
    with pytest.raises(InputError, match="at least one row"):
        ml.networks.crossbar(0, 3)
