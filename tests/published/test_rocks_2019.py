"""J. W. Rocks et al., PNAS 116, 2506 (2019), https://doi.org/10.1073/pnas.1806790116."""

import numpy as np
from paths import ROOT

import mechlearn as ml


def test_capacity_study_finds_more_in_larger_networks(monkeypatch):
    """Several bonds that must each answer by a tenth more."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from capacity import RISE, trial

    few, many = ([trial(16, n, seed) for seed in range(8)] for n in (2, 12))
    assert sum(r.converged for r in few) >= 6
    assert sum(r.converged for r in many) <= 2
    between = [trial(16, 6, seed) for seed in range(5)]
    changes = [np.diff(r.history.stiffness.values, axis=0) for r in between]
    assert any((change > 0).any() for change in changes)  # bonds are put back, too
    assert sum(r.converged for r in (trial(64, 12, seed) for seed in range(8))) >= 4
    for run in few:
        ratios = [t["reached"] / t["wanted"] * (1 + RISE) for t in run.targets]
        assert not run.converged or min(ratios) > 1 + RISE - 2e-4
        kept = run.learned["stiffness"] > 0
        assert not ml.rigidity(run.network.keep_edges(kept)).floppy
