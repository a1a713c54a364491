"""Models are freed with the systems that they are of, as MPI has few communicators."""

import gc
import weakref

import pytest

import mechlearn as ml

ENERGIES = [
    ml.Spring(), ml.FiniteSpring(), ml.Beam(), ml.FiniteBeam(segments=2), ml.Solid(),
]  # fmt: skip


@pytest.mark.parametrize("energy", ENERGIES, ids=lambda energy: energy.name)
def test_functions_of_a_model_are_freed(energy):
    """Forms, and functions in their expressions, which keep communicators, once rubbish is out."""
    net = ml.networks.triangular((3, 3))
    task = ml.Task(
        supports=[ml.Support(nodes=[0, 2])],
        sources=[ml.Source(nodes=[6], displacement=[0.01, 0.0])],
        targets=[ml.Target(nodes=[8], displacement=[0.01, 0.0])],
    )
    system = ml.System(net, task, energy)
    system.gradient()
    kept = [weakref.ref(system.model), weakref.ref(system.model.state)]
    del system
    gc.collect()
    assert [ref() for ref in kept] == [None, None]
