"""Units: the same structure in other units of length and force learns the same, in those units."""

import numpy as np
import pytest

import mechlearn as ml
from mechlearn.errors import MechlearnError
from mechlearn.networks import delaunay, packing

#: Units of length and of stiffness (modulus, conductance).
UNITS = [(1e-9, 1.0), (1e12, 1.0), (1.0, 1e-20), (1.0, 1e20), (1e-9, 1e20), (1e12, 1e-20)]
#: Elements, with the parameter that learns, the range of that, and what else is given.
KINDS = {
    "spring": (ml.Spring(), "stiffness", False),
    "finite spring": (ml.FiniteSpring(), "stiffness", False),
    "bar": (ml.Bar(), "width", True),
    "beam": (ml.Beam(), "width", True),
    "finite beam": (ml.FiniteBeam(), "width", True),
    "resistor": (ml.Resistor(), "conductance", False),
}


@pytest.fixture(scope="module")
def plain():
    return delaunay(nodes=20, seed=3)


def learned(plain: ml.Network, kind: str, length: float, force: float, held: bool) -> np.ndarray:
    """Outputs, and learned values in units of the initial ones, after three steps."""
    energy, name, wide = KINDS[kind]
    x = plain.nodes
    order = np.argsort(x[:, 0]).tolist()
    low, high = (int(np.argmin(x @ v)) for v in ((1, 1), (-1, 1)))
    quantity = "voltage" if kind == "resistor" else "strain"
    supports = [
        ml.Support(nodes=[low], components=["x", "y"]),
        ml.Support(nodes=[high], components=["y"]),
    ]
    task = ml.Task(
        supports=supports if held else [],
        sources=[ml.Source(nodes=[order[1], order[9]], **{quantity: 0.05})],
        targets=[ml.Target(nodes=[order[-2], order[-9]], **{quantity: 0.02})],
    )
    unit = length if wide else force
    first = 0.1 * unit if wide else unit
    run = ml.train(
        ml.Network(length * x, plain.edges),
        task,
        energy=energy,
        material={"thickness": length, "modulus": force} if wide else {},
        learn={name: ml.Learn(bounds=(0.1 * first, 10 * first), initial=first)},
        rule=ml.CoupledLearning(eta=0.05),
        steps=3,
        tolerance=1e-12,
    )
    return np.append(run.learned[name] / unit, [t["reached"] for t in run.targets])


@pytest.mark.parametrize("held", [False, True], ids=["floating", "supported"])
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_learned_has_no_units(plain, kind, held):
    if kind == "resistor" and held:
        held = False  # nothing is displaced
    expected = learned(plain, kind, 1.0, 1.0, held)
    for length, force in UNITS:
        assert learned(plain, kind, length, force, held) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("kind", KINDS)
def test_units_at_the_ends_of_double_precision_change_nothing_or_are_refused(plain, kind):
    expected = learned(plain, kind, 1.0, 1.0, False)
    for length, force in ((1e-150, 1.0), (1e90, 1.0), (1e150, 1.0), (1.0, 1e-150), (1.0, 1e150)):
        try:
            found = learned(plain, kind, length, force, False)
        except MechlearnError:
            continue
        assert found == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 3e8, 1e9, 1e90])
def test_rigidity_does_not_depend_on_the_unit_of_length(scale):
    network = packing(nodes=40, coordination=4.2, seed=1)
    counts = ml.rigidity(ml.Network(network.nodes * scale, network.edges))
    assert (counts.zero_modes, counts.rigid_motions, len(counts.floppy_modes)) == (3, 3, 0)
    assert counts.self_stress_states == ml.rigidity(network).self_stress_states


@pytest.mark.parametrize("scale", [1e-9, 1e9])
def test_modes_of_frames_do_not_depend_on_the_unit_of_length(plain, scale):
    task = ml.Task(
        sources=[ml.Source(nodes=[0, 1], strain=0.01)],
        targets=[ml.Target(nodes=[2, 3], strain=0.01)],
    )
    soft = []
    for length in (1.0, scale):
        run = ml.train(
            ml.Network(length * plain.nodes, plain.edges),
            task,
            energy=ml.Beam(),
            material={"thickness": length, "width": 0.1 * length},
            learn={"modulus": ml.Learn(initial=1.0)},
            steps=0,
        )
        found = ml.analysis.spectrum(run)
        assert found.rigid_motions == 3
        soft.append(np.sort(np.asarray(found.eigenvalues))[3:] / length)
    assert soft[1] == pytest.approx(soft[0], rel=1e-6)


@pytest.mark.parametrize(
    ("nodes", "material", "steps"),
    [
        ([[0, 0], [1, 0], [0.5, 0.9]], "linear", 2),
        ([[0, 0], [1, 0], [0.5, 0.9]], "neo_hookean", 2),
        ([[0, 0, 0], [1, 0, 0], [0.5, 0.9, 0.2]], "linear", 0),
    ],
    ids=["plane", "plane, finite", "space"],
)
def test_solids_have_no_units(nodes, material, steps):
    task = ml.Task(
        supports=[ml.Support(nodes=[0], components=["x", "y", "z"][: len(nodes[0])])],
        sources=[ml.Source(nodes=[0, 1], strain=0.01)],
        targets=[ml.Target(nodes=[1, 2], strain=0.002)],
    )
    found = []
    for length, force in [(1.0, 1.0), (1e-9, 1e20), (1e12, 1e-20)]:
        run = ml.train(
            ml.Network(length * np.array(nodes), [[0, 1], [0, 2], [1, 2]]),
            task,
            energy=ml.Solid(material=material, order=1),
            material={"width": 0.15 * length},
            learn={"modulus": ml.Learn(initial=force)},
            rule=ml.CoupledLearning(eta=0.05),
            steps=steps,
            tolerance=1e-12,
        )
        found.append(np.append(run.learned["modulus"] / force, run.targets[0]["reached"]))
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-8)
