"""Time per step and peak memory of 20 steps of training: python benchmarks/memory.py NODES."""

import json
import sys
import time

from suite.setups import Ours, allostery
from suite.timing import peak_memory

if __name__ == "__main__":
    began = time.perf_counter()
    ours = Ours(allostery(int(sys.argv[1])))
    built = time.perf_counter()
    for _ in range(20):
        ours.step()
    spent = (time.perf_counter() - built) / 20
    print(
        json.dumps(
            {
                "bonds": ours.learner.network.n_edges,
                "build_s": built - began,
                "step_s": spent,
                "peak_mb": peak_memory(),
            }
        )
    )
