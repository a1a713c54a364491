"""Simulated device: imperfect elements, programmed with learned values and measured.

A network is trained on a computer model, then its values are written to real elements, which take
few levels, are written with errors, or are stuck; wires have a resistance, and outputs are read
with noise. :meth:`Device.outputs` is the forward pass on such hardware. Given to a training
(``ml.train(..., device=device)``), errors are measured on the device while the model says how to
change: hardware-aware, or physics-aware, training. L. G. Wright et al., Nature 601, 549 (2022),
https://doi.org/10.1038/s41586-021-04223-6.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies import Element, Resistor
from mechlearn.errors import InputError, brief
from mechlearn.learning.imperfections import at_levels
from mechlearn.learning.system import System
from mechlearn.network import Network
from mechlearn.tasks.task import Task


class Device:
    """Device of imperfect elements.

    Parameters
    ----------
    network : Network
        Its first bonds are the elements that are programmed, in the order of the model's; it may
        have more, such as wires.
    task : Task
        That of the model; its sources and targets are at the same node ids.
    energy : Element
        What the bonds are, resistors unless given; their first parameter is programmed.
    bounds : (low, high)
        The smallest and largest value that an element can be written to.
    material : mapping, optional
        Values of the bonds' parameters; of the first one those of bonds that are not programmed
        count, such as the conductance of the wires.
    levels : int, optional
        Elements only take so many values, evenly spaced between the bounds.
    write_noise : float
        Standard deviation of the value that is written, relative to the one meant; new with every
        programming.
    read_noise : float
        Standard deviation of an output, in units of the root mean square output.
    stuck : float
        Part of the elements that stay at one of the bounds, at random.
    seed : int
        Of all that is random.

    Raises
    ------
    InputError
        For fewer than two levels, and parts and noises that make no sense.
    """

    def __init__(
        self,
        network: Network,
        task: Task,
        *,
        bounds: tuple[float, float],
        energy: Element | None = None,
        material: Mapping[str, ArrayLike] = MappingProxyType({}),
        levels: int | None = None,
        write_noise: float = 0.0,
        read_noise: float = 0.0,
        stuck: float = 0.0,
        seed: int = 0,
    ) -> None:
        if levels is not None and levels < 2:
            raise InputError(f"A device needs at least two levels, not {levels}.")
        if not 0 <= stuck < 1 or min(write_noise, read_noise) < 0:
            raise InputError(
                "A device's write_noise and read_noise must be at least 0, and its stuck part "
                "from 0 to below 1."
            )
        self.network, self.bounds, self.levels = network, bounds, levels
        self.write_noise, self.read_noise, self.stuck, self.seed = (
            write_noise,
            read_noise,
            stuck,
            seed,
        )
        values: dict[str, Any] = dict(material)
        self.system = System(network, task, energy or Resistor(), **values)
        self._name = self.system.energy.stiffness_parameter
        self._others = self.system.parameters[self._name]

    def __repr__(self) -> str:
        names = ("bounds", "levels", "write_noise", "read_noise", "stuck", "seed")
        given = {name: value for name in names if (value := getattr(self, name))}
        said = ", ".join(f"{name} {brief(value)}" for name, value in given.items())
        return f"<Device: {self.network.n_edges} bonds, programmed {self._name}; {said}>"

    def program(self, values: ArrayLike, step: int = 0) -> NDArray[np.float64]:
        """Actual parameters after programming ``values`` for the ``step``-th time."""
        low, high = self.bounds
        values = np.asarray(values, dtype=float)
        random = np.random.default_rng([self.seed, 0])
        lost = random.random(len(values)) < self.stuck
        at = np.where(random.random(len(values)) < 0.5, low, high)
        if self.levels:
            values = at_levels(values, low, high, self.levels)
        noise = np.random.default_rng([self.seed, 1, step]).standard_normal(len(values))
        written = values * np.maximum(1 + self.write_noise * noise, 0.0)
        return np.where(lost, at, np.maximum(written, 1e-9 * high))

    def outputs(
        self,
        parameters: Mapping[str, NDArray],
        examples: NDArray[np.int64] | None = None,
        step: int = 0,
    ) -> NDArray[np.float64]:
        """Measured outputs for programmed ``parameters``, (examples, t).

        Parameters
        ----------
        parameters : the model's learned parameters by name, of which the first one is programmed
        examples : numbers of the examples to run, all unless given
        step : how often the device was programmed before; errors of writing differ

        Raises
        ------
        InputError
            Where other parameters were learned than a device can be programmed with.
        """
        if list(parameters) != [self._name]:
            raise InputError(
                f"A device is programmed with a {self._name}, not with {', '.join(parameters)}."
            )
        values = parameters[self._name]
        if len(values) > self.network.n_edges:
            raise InputError(
                f"{len(values)} values do not fit a device of {self.network.n_edges} bonds."
            )
        true = self._others.copy()
        true[: len(values)] = self.program(values, step)
        solver = self.system.solver
        solver.consider(examples)
        solver.update(**{self._name: true})
        out = solver.outputs(solver.free())
        if self.read_noise:
            size = np.sqrt(np.mean(out**2))
            noise = np.random.default_rng([self.seed, 2, step]).standard_normal(out.shape)
            out = out + self.read_noise * size * noise
        return out
