"""K. Mattiasson, Int. J. Numer. Methods Eng. 17, 145 (1981),
https://doi.org/10.1002/nme.1620170113.
"""

import numpy as np
import pytest
from scipy.optimize import brentq
from scipy.special import ellipe, ellipeinc, ellipk, ellipkinc

import mechlearn as ml


@pytest.mark.parametrize("load", [1.0, 5.0])
def test_tip_of_a_slender_cantilever_follows_the_elastica(load):
    """By elliptic integrals."""
    stiff = 1e-3**3 / 12

    def miss(k):
        phi = np.arcsin(np.sqrt(0.5) / k)
        return ellipk(k**2) - ellipkinc(phi, k**2) - np.sqrt(load)

    k = brentq(miss, np.sqrt(0.5) + 1e-12, 1 - 1e-12)
    phi, root = np.arcsin(np.sqrt(0.5) / k), np.sqrt(load)
    sag = 1 - 2 / root * (ellipe(k**2) - ellipeinc(phi, k**2))
    bar = ml.Network([[0.0, 0.0], [1.0, 0.0]], [[0, 1]])
    task = ml.Task(
        supports=[ml.Support(nodes=[0])],
        sources=[ml.Source(name="P", nodes=[1], force=[0.0, load * stiff])],
        targets=[ml.Target(source="P", components=["y"], displacement=[0.5])],
    )
    given = {"width": ml.Learn(bounds=(1e-4, 1.0), initial=1e-3)}
    run = ml.train(bar, task, energy=ml.FiniteBeam(segments=48), learn=given, steps=0)
    assert run.targets[0]["reached"] == pytest.approx(sag, rel=1e-3)
    curve = run.curve("P", samples=9)
    assert float(curve["work"][-1]) == pytest.approx(float(curve["energy"][-1]), rel=1e-4)
    rows = run.summary["sources"]
    assert rows[0]["work"] == pytest.approx(float(curve["energy"][-1]), rel=1e-8)
