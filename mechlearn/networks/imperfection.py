"""Imperfections: nodes a little aside of where they should be."""

from dataclasses import replace

import numpy as np

from mechlearn.network import Network
from mechlearn.networks import _check


def imperfect(network: Network, amplitude: float, seed: int = 0) -> Network:
    """Network whose nodes are moved a little at random, without stress.

    A path of a perfect structure goes on along its symmetric states where it could buckle; with an
    imperfection it follows the pattern that buckles first.

    Parameters
    ----------
    network : Network
    amplitude : float
        Each coordinate moves by a uniform random amount within this part of the mean bond length,
        0 to 0.2.
    seed : int

    Raises
    ------
    InputError
        For arguments out of range.
    """
    amplitude = _check.number("The imperfection of a network", amplitude, 0, 0.2)
    random = np.random.default_rng(_check.integer("The seed of an imperfection", seed, 0))
    moves = random.uniform(-1, 1, network.nodes.shape) * amplitude * network.lengths.mean()
    return replace(network, nodes=network.nodes + moves)
