"""L. Altman et al., Phys. Rev. Applied 22, 024053 (2024),
https://doi.org/10.1103/PhysRevApplied.22.024053.
"""

import numpy as np
import pytest
from paths import TASKS

import mechlearn as ml
from mechlearn.runs.taskfile import read_setup
from mechlearn.runs.training import train_setup


@pytest.mark.parametrize("model", ["spring", "finite_spring"])
@pytest.mark.parametrize(("eta", "rate"), [(1.0, 0.16), (1.0, 0.32), (1.0, 0.48), (0.25, 0.4)])
def test_motion_divider_error_shrinks_by_an_exact_factor(model, eta, rate):
    """With unit stiffness, each step shrinks the error by 1 - rate * eta."""
    setup = read_setup(TASKS / "motion-divider.toml")
    setup = setup.model_copy(
        update={
            "energy": setup.energy.model_validate({"model": model}),
            "rule": setup.rule.model_validate(
                {"name": "coupled_learning", "eta": eta, "normalise": False}
            ),
            "train": setup.train.model_copy(update={"rate": rate, "steps": 12, "tolerance": 1e-9}),
        }
    )
    error = train_setup(setup, TASKS).history["error"].values
    assert error[1:] / error[:-1] == pytest.approx(1 - rate * eta, abs=1e-10)


def test_self_symmetrising_network_becomes_its_mirror_image():
    run = ml.train_file(TASKS / "self-symmetrising.toml")
    error = run.history["error"].values
    assert run.converged
    assert error[-1] < 1e-3 * error[0]
    x = run.network.nodes + run.displacements[0]
    distance = {
        n: np.linalg.norm(x[a] - x[b])
        for n, (a, b) in {"AE": (0, 4), "BE": (1, 4), "CF": (2, 5), "DF": (3, 5)}.items()
    }
    assert distance["AE"] == pytest.approx(distance["DF"], abs=2.1e-6)
    assert distance["BE"] == pytest.approx(distance["CF"], abs=2.1e-6)
