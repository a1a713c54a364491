"""Hardware in the loop: a device of which the network is only the model."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Hardware(Protocol):
    """A device that the model only imitates; see :class:`mechlearn.learning.device.Device`."""

    def outputs(
        self, parameters: Mapping[str, NDArray], examples: NDArray[np.int64], step: int
    ) -> NDArray[np.float64]:
        """Readings of its targets when its elements are set to ``parameters``, (examples, t)."""
