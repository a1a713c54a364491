"""Damage after training: a learned network that has lost some of its bonds."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mechlearn.errors import InputError, listed
from mechlearn.runs.run import Run
from mechlearn.runs.summary import target_table


def without(run: Run, bonds: Sequence[int]) -> Run:
    """Run after cutting some of its bonds; see :meth:`mechlearn.Run.cut`.

    Raises
    ------
    InputError
        For bonds that do not exist, or are cut already, and where what is left is floppy or in
        pieces, or is no network of bonds.
    """
    if run.network.body is not None:
        raise InputError("cut: a body has no bonds that could be cut.")
    flaws = run.setup.imperfections
    bad = [b for b in bonds if not 0 <= b < run.network.n_edges or b in flaws.broken]
    if bad:
        raise InputError(
            f"cut: bond {listed(bad)} is cut already, or does not exist; the network has bonds "
            f"0 to {run.network.n_edges - 1}."
        )
    broken = sorted({*flaws.broken, *bonds})
    setup = run.setup.model_copy(
        update={"imperfections": flaws.model_copy(update={"broken": broken})}
    )
    whole = np.ones(run.network.n_edges, dtype=bool)
    whole[broken] = False
    removal = run.energy.removal
    initial, learned = (
        {name: np.where(whole | (name not in removal), v, 0.0) for name, v in values.items()}
        for values in (run.initial, run.learned)
    )
    out = replace(run, setup=setup, initial=initial, learned=learned, folder=None)
    system = out.system(out.setup.task)
    error, accuracy = system.error, system.accuracy
    summary = {
        **run.summary,
        "targets": target_table(out.problem, system.outputs, run.system().outputs),
        "error": error,
        "converged": bool(error <= run.setup.train.tolerance),
        **({} if accuracy is None else {"accuracy": accuracy}),
        "warnings": [
            *run.summary["warnings"],
            f"Cut after training: bond {listed(bonds)}; the history is that of before.",
        ],
    }
    return replace(out, response=system.free.states(), summary=summary)
