"""Imperfections of elements: noise of measurements and updates, spread, stuck elements.

Everything random is drawn for all elements of the network in their own order, from the seed and the
number of the step alone: trainings repeat, resume, and do not depend on the number of ranks.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mechlearn.errors import InputError, listed
from mechlearn.learning.dofs import LearningDof
from mechlearn.network import Network
from mechlearn.schema import Table
from mechlearn.tasks.task import Id

_Size = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_Part = Annotated[float, Field(ge=0, lt=1)]

#: A step, and the number of the batch in it.
Moment = tuple[int, int]


class Imperfections(Table):
    """Device non-idealities of a training; the table ``[imperfections]``.

    Parameters
    ----------
    noise : float (≥ 0), optional
        Standard deviation of every measured strain, in units of the root mean square strain of
        the network before training.
    bias : float (≥ 0), optional
        Standard deviation of a constant offset of every strain sensor, in the same units; the
        networks of two states have sensors of their own.
    read_noise : float (≥ 0), optional
        Standard deviation of every measured output, in units of the target's scale: the errors
        that clamps and nudges follow are measured with it.
    drift : float (≥ 0), optional
        Standard deviation of a random relative change of every dof per step.
    update_noise : float (≥ 0), optional
        Standard deviation of every change of a dof, relative to the change.
    quantum : float (> 0), optional
        Dofs change by whole multiples of this; smaller changes are lost.
    levels : int (≥ 2), optional
        Dofs only take so many values, evenly spaced between their bounds; changes too small to
        reach the next are lost.
    spread : float (≥ 0, < 1), optional
        Standard deviation of the true value of every dof, relative to the one aimed at; fixed
        for every element.
    stuck : float (≥ 0, < 1), optional
        Part of the elements, at random, that never change.
    broken : list of int, optional
        Bonds that are cut.
    """

    noise: _Size = 0.0
    bias: _Size = 0.0
    read_noise: _Size = 0.0
    drift: _Size = 0.0
    update_noise: _Size = 0.0
    quantum: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    levels: Annotated[int, Field(ge=2, strict=True)] | None = None
    spread: _Part = 0.0
    stuck: _Part = 0.0
    broken: list[Id] = Field(default_factory=list)


class DeviceModel:
    """Imperfections of the elements of one network, drawn from a seed.

    Parameters
    ----------
    given : Imperfections
    network : Network
    seed : int

    Attributes
    ----------
    senses : bool
        Whether strains are measured with errors.
    cuts : bool
        Whether bonds are cut.
    whole : (m,) bool array
        The bonds that are not.
    """

    def __init__(self, given: Imperfections, network: Network, seed: int) -> None:
        self.given, self._m, self._seed = given, network.n_edges, seed
        if given.drift and given.levels:
            raise InputError(
                "imperfections: dofs that only take levels cannot drift; leave one out."
            )
        self.senses = given.noise > 0 or given.bias > 0
        bad = [b for b in given.broken if b >= network.n_edges]
        if bad:
            raise InputError(
                f"imperfections: broken names bond {listed(bad)}; the network has bonds 0 to "
                f"{network.n_edges - 1}."
            )
        self.whole = np.ones(network.n_edges, dtype=bool)
        self.whole[given.broken] = False
        self.cuts = not self.whole.all()
        #: The unit of noise and bias of every strain, (k, 1, 1), once it is known.
        self.unit = np.zeros((1, 1, 1))

    def _random(self, *what: object) -> np.random.Generator:
        """Random numbers for one purpose, the same whenever they are asked for."""
        purpose = blake2b(repr(what).encode(), digest_size=8).digest()
        return np.random.default_rng([self._seed, int.from_bytes(purpose)])

    def apply_initial(self, dof: LearningDof) -> None:
        """Freeze stuck elements, and round initial values to those elements can have."""
        if self.given.stuck:
            dof.learns &= self._random("stuck").random(self._m) >= self.given.stuck
        dof.values = np.where(dof.learns, self._possible(dof, dof.values), dof.values)

    def true(self, values: Mapping[str, NDArray], removal: Sequence[str]) -> dict[str, NDArray]:
        """Actual parameters of elements programmed to ``values``.

        ``removal`` names the parameters that are zero in a broken bond.
        """
        out = {}
        for name, aimed in values.items():
            out[name] = aimed
            if self.given.spread:
                error = self._random("spread", name).standard_normal(self._m)
                out[name] = aimed * np.maximum(1 + self.given.spread * error, 0.01)
            if name in removal and self.cuts:
                out[name] = np.where(self.whole, out[name], 0.0)
        return out

    def change(self, dof: LearningDof, step: NDArray, moment: Moment) -> None:
        """Step of a dof as its elements can take it."""
        g, before = self.given, dof.values
        if not (g.update_noise or g.quantum or g.drift or g.levels):
            dof.move(step)
            return
        random = self._random("change", dof.name, moment)
        if g.update_noise:
            step = step * (1 + g.update_noise * random.standard_normal(self._m))
        dof.move(step)
        moved = dof.values
        if g.quantum:
            moved = before + g.quantum * np.rint((moved - before) / g.quantum)
        moved = self._possible(dof, moved)
        if g.drift and moment[1] <= 1:  # once per step, in its first batch
            moved = moved * (1 + g.drift * random.standard_normal(self._m))
        inside = np.clip(moved, dof.low, dof.high)
        dof.values = np.where(dof.learns, inside, before)

    def _possible(self, dof: LearningDof, values: NDArray) -> NDArray[np.float64]:
        if not self.given.levels:
            return values
        if not (np.isfinite(dof.low) & np.isfinite(dof.high)).all() or (dof.high > 1e300).any():
            raise InputError(f"imperfections: levels needs bounds of {dof.name}.")
        return at_levels(values, dof.low, dof.high, self.given.levels)

    def sense(self, strain: NDArray, what: str, moment: Moment, phase: int) -> NDArray[np.float64]:
        """Measured strains, or rates of strain, of all bonds, (k, examples, m)."""
        g, unit = self.given, self.unit
        if what == "rate":  # a strain per nudge, measured as well as that allows
            unit = np.sqrt(np.mean(strain**2, axis=(1, 2)))[:, None, None]
        noise = self._random("noise", what, moment, phase).standard_normal(strain.shape)
        bias = self._random("bias", what, phase).standard_normal((len(strain), 1, self._m))
        return strain + unit * (g.noise * noise + g.bias * bias)

    def read(self, outputs: NDArray, scale: NDArray, moment: Moment) -> NDArray[np.float64]:
        """Measured outputs, (examples, t)."""
        if not self.given.read_noise:
            return outputs
        noise = self._random("read", moment).standard_normal(outputs.shape)
        return outputs + self.given.read_noise * scale * noise


def at_levels(
    values: NDArray, low: NDArray | float, high: NDArray | float, levels: int
) -> NDArray[np.float64]:
    """Values rounded to the nearest of so many, evenly spaced from ``low`` to ``high``."""
    spacing = (high - low) / (levels - 1)
    return low + spacing * np.rint((values - low) / spacing)
