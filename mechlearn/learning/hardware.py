"""Hardware in the loop: interface of physical devices."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from mechlearn.extensions import Registry


class Hardware(Protocol):
    """Physical device beside the model; see :class:`mechlearn.learning.device.Device`."""

    def outputs(
        self, parameters: Mapping[str, NDArray], examples: NDArray[np.int64], step: int
    ) -> NDArray[np.float64]:
        """Readings of its targets when its elements are set to ``parameters``, (examples, t)."""


#: Devices by the name that task files use; all of them are users' own.
devices = Registry("device", "outputs", "a device: an object with a method outputs", ())
