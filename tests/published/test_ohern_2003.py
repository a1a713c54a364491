"""C. S. O'Hern et al., Phys. Rev. E 68, 011306 (2003),
https://doi.org/10.1103/PhysRevE.68.011306.
"""

import numpy as np
import pytest

from mechlearn.networks import packing


@pytest.mark.parametrize("dim", [2, 3])
def test_coordination_falls_to_isostaticity_with_the_root_of_the_pressure(dim):
    """Bonds are at least those of one state of self-stress, ``n d - d + 1``, which force balance
    needs. Beyond them are one for each rattler swollen to be held, about 5 in 100 (2D) and 3 (3D)
    at most, and ``z - z_iso`` of 5 (2D) or 12 (3D) times the root of the pressure: fig. 9."""
    n = {2: 64, 3: 50}[dim]
    excess = {}
    for pressure in (1e-5, 1e-3, 1e-1) if dim == 2 else (1e-4, 1e-1):
        bonds = [
            packing(n, dim, periodic=True, seed=s, pressure=pressure).n_edges for s in range(8)
        ]
        assert min(bonds) >= n * dim - dim + 1
        excess[pressure] = np.mean(bonds) - (n * dim - dim)
    low = min(excess)
    assert excess[low] <= 1 + 0.06 * n + {2: 5, 3: 12}[dim] * np.sqrt(low) * n / 2
    assert list(excess.values()) == sorted(excess.values())
    assert excess[1e-1] * 2 / n == pytest.approx({2: 5, 3: 12}[dim] * np.sqrt(0.1), rel=0.3)
