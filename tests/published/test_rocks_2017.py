"""J. W. Rocks et al., PNAS 114, 2520 (2017), https://doi.org/10.1073/pnas.1612139114."""

import numpy as np
from paths import ROOT

import mechlearn as ml


def test_packings_reach_response_ratios_of_plus_and_minus_one(monkeypatch):
    """Nearly every pair, by removing a few per cent of the bonds. Here 1 %
    tolerance on packings of 64 nodes; the full study is benchmarks/pruning_rate.py."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    from pruning_rate import trial

    results = []
    for seed in range(10):
        net = ml.networks.packing(nodes=64, periodic=True, coordination=4.5, seed=seed)
        results += [trial(net, ratio, 100 * seed, 1e-2) for ratio in (1.0, -1.0)]
    assert sum(r.converged for r in results) >= 19
    assert (
        2
        < np.mean([np.count_nonzero(r.learned["stiffness"] == 0) for r in results if r.converged])
        < 8
    )
