"""Effective dimension of a network's response.

The participation of the singular values ``sigma`` of the response to many sources,
``(sum sigma^2)^2 / sum sigma^4``: 1 where everything answers along one motion, as many as there are
motions where all are equally soft. Training lowers it. M. Stern, A. J. Liu, V. Balasubramanian
(2023), https://arxiv.org/abs/2306.12928.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mechlearn.analysis.importance import participation
from mechlearn.analysis.result import Plotted, Subject, system_of
from mechlearn.analysis.tangent import tangent
from mechlearn.errors import InputError

#: With all unit sources the response is a dense matrix; larger ones need random sources.
LARGEST = 3000


@dataclass(frozen=True, eq=False, repr=False)
class Dimension(Plotted):
    """Singular values of the response to many sources.

    Attributes
    ----------
    singular_values : (k,) array
        From large to small.
    sources : str
        What they were.
    """

    singular_values: NDArray[np.float64]
    sources: str

    @property
    def effective(self) -> float:
        """``(sum sigma^2)^2 / sum sigma^4``."""
        return float(len(self.singular_values) * participation(self.singular_values))


def dimension(
    subject: Subject,
    *,
    of: Literal["nodes", "bonds"] = "nodes",
    sources: int | Literal["all"] = "all",
    seed: int = 0,
    example: int = 0,
    learned: bool = True,
) -> Dimension:
    """The effective dimension of a network's response.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    of : "nodes" or "bonds"
        Displacements of all nodes by forces on nodes, or strains of all bonds by tensions of bonds.
    sources : "all" or int
        All unit sources, or so many random ones (normal, balanced).
    seed : int
        Of random sources.
    example : int
        At finite displacement, about the free state of this example, from 0.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For all unit sources of a large network, and for solids.
    """
    s = system_of(subject, learned)
    if of not in ("nodes", "bonds"):
        raise InputError(f"of = {of!r} must be 'nodes' or 'bonds'.")
    if sources != "all" and not (isinstance(sources, int) and sources > 0):
        raise InputError(f"sources = {sources!r} must be 'all' or a number from 1.")
    t = tangent(s, example)
    size = t.n if of == "nodes" else t.strains.shape[0]
    if sources == "all":
        if size > LARGEST:
            raise InputError(
                f"All {size:,} unit sources make too large a matrix; ask for random ones, such as "
                "sources = 500."
            )
        loads = np.diag(1 / t.arm) if of == "nodes" else t.strains.T.toarray()
    else:
        random = np.random.default_rng(seed).standard_normal((size, sources))
        loads = random / t.arm[:, None] if of == "nodes" else t.strains.T @ random
    response = t.solve(loads)
    response = response / t.arm[:, None] if of == "nodes" else t.strains @ response
    name = f"all {size}" if sources == "all" else f"{sources} random"
    if sources == "all":  # symmetric, by reciprocity
        found = np.sort(np.abs(np.linalg.eigvalsh((response + response.T) / 2)))[::-1]
    else:
        found = np.linalg.svd(response, compute_uv=False)
    return Dimension(found, f"{name} {'forces' if of == 'nodes' else 'tensions'}")
