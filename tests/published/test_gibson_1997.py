"""L. J. Gibson, M. F. Ashby, Cellular Solids (1997), https://doi.org/10.1017/CBO9781139878326."""

import numpy as np
import pytest
from problems import equilibrium

from mechlearn.energies import Beam
from mechlearn.fem.model import Model
from mechlearn.network import Network
from mechlearn.tasks.formulate import pose
from mechlearn.tasks.task import Source, Support, Target, Task

NU = 0.3


@pytest.mark.parametrize("direction", [0, 1])
@pytest.mark.parametrize("slenderness", [0.01, 0.15])
def test_honeycomb_has_its_known_modulus(slenderness, direction):
    """E* / E = (4 / sqrt 3) (t / l)^3 / (1 + (2.4 (1 + nu) + 3) (t / l)^2), in both directions.

    Section 4.3 with the shear correction 5/6: bending, shear and stretching of the walls. The part
    of the infinite honeycomb between mirrors is one slanted wall and two halves of upright ones, of
    half the thickness, as they lie on one.
    """
    c, s = np.sqrt(0.75), 0.5
    net = Network([[0, -0.5], [0, 0], [c, s], [c, s + 0.5]], [[0, 1], [1, 2], [2, 3]])
    strain, size = 1e-3, np.array([c, 1.5])
    supports = [
        Support(nodes=[0, 1], components=["x", "rz"]),
        Support(nodes=[2, 3], components=["rz"]),
        Support(nodes=[0], components=["y"]),
    ]
    # Pulled one way, and let go the other: there the sides stay straight but may move.
    pulled = [
        Source(name=f"pull {n}", nodes=[n], components=["xy"[direction]],
               displacement=[strain * size[direction]])
        for n in ((2, 3) if direction == 0 else (3,))
    ]  # fmt: skip
    if direction == 1:  # both nodes of the right side move alike: it is one wall, with no bending
        pulled.append(Source(name="side", nodes=[3], components=["x"], force=[0.0]))
    task = Task(
        supports=supports,
        sources=pulled,
        targets=[Target(nodes=[1], components=["y"], displacement=[0.0])],
    )
    beam = Beam()
    problem = pose(task, net, beam.kinematics)
    solver = equilibrium(Model(net, beam, problem.fixed), problem)
    solver.update(width=slenderness, thickness=[0.5, 1.0, 0.5])
    free = solver.free()
    force = free.forces[0, : len(pulled)].sum()
    modulus = force / size[1 - direction] / strain
    expected = 4 / np.sqrt(3) * slenderness**3 / (1 + (2.4 * (1 + NU) + 3) * slenderness**2)
    assert modulus == pytest.approx(expected, rel=1e-9)
    if slenderness == 0.01:
        assert modulus == pytest.approx(4 / np.sqrt(3) * slenderness**3, rel=1e-2)
