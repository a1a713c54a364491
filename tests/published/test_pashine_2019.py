"""N. Pashine et al., Sci. Adv. 5, eaax4215 (2019), https://doi.org/10.1126/sciadv.aax4215."""

import mechlearn as ml
from mechlearn.tasks.task import Source, Target, Task


def test_aging_under_compression_makes_a_packing_auxetic():
    """Poisson's ratio falls below zero, measured at the trained strain."""
    net = ml.networks.packing(nodes=48, coordination=5.0, periodic=True, seed=2)
    task = Task(
        sources=[Source(cell="xx", strain=-0.05)], targets=[Target(cell="yy", poisson=-1.0)]
    )
    run = ml.train(
        net,
        task,
        energy=ml.FiniteSpring(),
        rule=ml.DirectedAging(),
        optimiser="plain",
        rate=100,
        steps=30,
        tolerance=0.8,
    )
    (found,) = run.targets
    assert found["initial"] > 0.2
    assert found["reached"] < -0.15
