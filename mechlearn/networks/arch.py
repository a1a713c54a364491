"""Arches: strips of a triangular lattice bent upwards, which may snap through."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mechlearn.errors import InputError
from mechlearn.network import Network
from mechlearn.networks import _check
from mechlearn.networks.lattice import triangular


def arch(
    size: Sequence[int] = (14, 2),
    rise: float = 1.5,
    spacing: float = 1.0,
    disorder: float = 0.0,
    seed: int = 0,
) -> Network:
    """Strip of a triangular lattice whose middle is higher than its ends, along a parabola.

    Has the node sets ``left``, ``right``, ``bottom`` and ``top``, and ``apex``, the node at the top
    in the middle.

    Parameters
    ----------
    size : (nx, ny)
        Nodes per row, and rows.
    rise : float
        How much higher the middle is, in spacings.
    spacing : float
        Length of a bond of the strip before it is bent.
    disorder : float
        Each coordinate moves by a uniform random amount within this fraction of the spacing,
        0 to 0.4.
    seed : int
        Of the disorder.

    Raises
    ------
    InputError
        For arguments out of range.
    """
    rise = _check.number("The rise of an arch", rise)
    strip = triangular(size, spacing=spacing, disorder=disorder, seed=seed)
    x, height = strip.nodes.T
    half = np.ptp(x) / 2
    if not half:
        raise InputError(f"An arch of {size[0]} nodes per row has no span; take more.")
    aside = (x - x.min()) / half - 1
    nodes = np.column_stack([x, height + rise * spacing * (1 - aside**2)])
    top = strip.node_sets["top"]
    apex = top[[np.argmin(np.abs(aside[top]))]]
    return replace(strip, nodes=nodes, node_sets={**strip.node_sets, "apex": apex})
