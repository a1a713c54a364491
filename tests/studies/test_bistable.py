"""The shipped arch that learns to be bistable: its two states, and the barrier between them."""

import pytest
from paths import ROOT


@pytest.mark.parametrize("seed", [0, 4])
def test_an_arch_learns_a_second_state_where_it_is_wanted(seed, monkeypatch):
    """Pushed by a force and let go; both states are minima that SciPy finds by itself."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from bistable import trial

    found = trial(seed)
    assert found.least_force > 0  # one state alone, to begin with
    assert found.converged
    assert found.off < 1e-6
    assert abs(found.second / -3.0 - 1) < 0.02
    assert found.barrier > 0.05
    assert found.counts
