"""Imperfect elements: in the training itself, or as a device on which a model is trained.

The :class:`ImperfectElements` of a training put the table ``[imperfections]`` between what elements
are set to and what they are. Everything random is drawn for all elements of the network in their
own order, from the seed and the number of the step alone: trainings repeat, resume, and do not
depend on the number of ranks.

A :class:`Device` is programmed with what another network, its model, has learned: its elements take
few levels, are written with errors, or are stuck; wires have a resistance, and outputs are read
with noise. Given to a training (``ml.train(..., device=device)``), errors are measured on the
device while the model says how to change: hardware-aware, or physics-aware, training. L. G. Wright
et al., Nature 601, 549 (2022), https://doi.org/10.1038/s41586-021-04223-6.
"""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from types import MappingProxyType
from typing import Annotated, Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field

from mechlearn.energies.element import Element
from mechlearn.energies.spring import Resistor
from mechlearn.errors import InputError, brief, listed, numbers_of
from mechlearn.extensions import Registry, name_of
from mechlearn.learning.dofs import LearningDof
from mechlearn.learning.optimisers import Seed
from mechlearn.network import Network
from mechlearn.schema import Table, checked
from mechlearn.tasks.keys import Part, Positive, Size
from mechlearn.tasks.task import Id, Task

_Levels = Annotated[int, Field(ge=2, strict=True)]

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

    noise: Size = 0.0
    bias: Size = 0.0
    read_noise: Size = 0.0
    drift: Size = 0.0
    update_noise: Size = 0.0
    quantum: Positive | None = None
    levels: _Levels | None = None
    spread: Part = 0.0
    stuck: Part = 0.0
    broken: list[Id] = Field(default_factory=list)


class ImperfectElements:
    """Imperfections of the elements of one network, drawn from a seed.

    Parameters
    ----------
    given : Imperfections
    network : Network
    seed : int

    Attributes
    ----------
    noisy_strains : bool
        Whether strains are measured with errors.
    any_broken : bool
        Whether bonds are cut.
    intact : (m,) bool array
        The bonds that are not.
    """

    def __init__(self, given: Imperfections, network: Network, seed: int) -> None:
        self.given, self._m, self._seed = given, network.n_edges, seed
        if network.body is not None and given != Imperfections():
            raise InputError("imperfections: they are of bonds; regions of a body have none.")
        if given.drift and given.levels:
            raise InputError(
                "imperfections: dofs that only take levels cannot drift; leave one out."
            )
        self.noisy_strains = given.noise > 0 or given.bias > 0
        self.broken = given.broken
        bad = [b for b in self.broken if b >= network.n_edges]
        if bad:
            raise InputError(
                f"imperfections: broken names bond {listed(bad)}; the network has bonds 0 to "
                f"{network.n_edges - 1}."
            )
        self.intact = np.ones(network.n_edges, dtype=bool)
        self.intact[self.broken] = False
        self.any_broken = not self.intact.all()
        #: The unit of noise and bias of every strain, (k, 1, 1), once it is known.
        self.strain_unit = np.zeros((1, 1, 1))

    def _random(self, *what: object) -> np.random.Generator:
        """Random numbers for one purpose, the same whenever they are asked for."""
        purpose = blake2b(repr(what).encode(), digest_size=8).digest()
        return np.random.default_rng([self._seed, int.from_bytes(purpose)])

    def apply_initial(self, dof: LearningDof) -> None:
        """Freeze stuck elements, and round initial values to those elements can have."""
        if self.given.stuck:
            dof.learns &= self._random("stuck").random(len(dof.values)) >= self.given.stuck
        dof.values = np.where(dof.learns, self._representable(dof, dof.values), dof.values)

    def actual_values(
        self, values: Mapping[str, NDArray], removal: Sequence[str]
    ) -> dict[str, NDArray]:
        """Actual parameters of elements programmed to ``values``.

        ``removal`` names the parameters that are zero in a broken bond.
        """
        out = {}
        for name, aimed in values.items():
            out[name] = aimed
            if self.given.spread:
                error = self._random("spread", name).standard_normal(len(aimed))
                out[name] = aimed * np.maximum(1 + self.given.spread * error, 0.01)
            if self.any_broken and name in removal:
                out[name] = np.where(self.intact, out[name], 0.0)
        return out

    def apply_step(self, dof: LearningDof, step: NDArray, moment: Moment) -> None:
        """Step of a dof as its elements can take it."""
        g, before = self.given, dof.values
        if not (g.update_noise or g.quantum or g.drift or g.levels):
            dof.move(step)
            return
        random = self._random("change", dof.name, moment)
        if g.update_noise:
            step = step * (1 + g.update_noise * random.standard_normal(len(step)))
        dof.move(step)
        moved = dof.values
        if g.quantum:
            moved = before + g.quantum * np.rint((moved - before) / g.quantum)
        moved = self._representable(dof, moved)
        if g.drift and moment[1] <= 1:  # once per step, in its first batch
            moved = moved * (1 + g.drift * random.standard_normal(len(moved)))
        inside = np.clip(moved, dof.low, dof.high)
        dof.values = np.where(dof.learns, inside, before)

    def _representable(self, dof: LearningDof, values: NDArray) -> NDArray[np.float64]:
        if not self.given.levels:
            return values
        if not (np.isfinite(dof.low) & np.isfinite(dof.high)).all() or (dof.high > 1e300).any():
            raise InputError(f"imperfections: levels needs bounds of {dof.name}.")
        return at_levels(values, dof.low, dof.high, self.given.levels)

    def measured_strain(
        self, strain: NDArray, what: str, moment: Moment, phase: int
    ) -> NDArray[np.float64]:
        """Measured strains, or rates of strain, of all bonds, (k, examples, m)."""
        g, unit = self.given, self.strain_unit
        if what == "rate":  # a strain per nudge, measured as well as that allows
            unit = np.sqrt(np.mean(strain**2, axis=(1, 2)))[:, None, None]
        noise = self._random("noise", what, moment, phase).standard_normal(strain.shape)
        bias = self._random("bias", what, phase).standard_normal((len(strain), 1, self._m))
        return strain + unit * (g.noise * noise + g.bias * bias)

    def measured_outputs(
        self, outputs: NDArray, scale: NDArray, moment: Moment
    ) -> NDArray[np.float64]:
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


class Hardware(Protocol):
    """Physical device beside the model; see :class:`Device`."""

    def outputs(
        self, parameters: Mapping[str, NDArray], examples: NDArray[np.int64], step: int
    ) -> NDArray[np.float64]:
        """Readings of its targets when its elements are set to ``parameters``, (examples, t)."""


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

    @checked(
        network=Network, task=Task, bounds=tuple[Size, Size], material=Mapping, levels=_Levels,
        write_noise=Size, read_noise=Size, stuck=Part, seed=Seed,
    )  # fmt: skip
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
        from mechlearn.learning.system import System  # waits for DOLFINx until it is needed

        if bounds[0] > bounds[1]:
            raise InputError(
                f"Device: bounds = {list(bounds)} must be a smaller and a larger number."
            )
        self.network, self.bounds, self.levels = network, bounds, levels
        self.write_noise, self.read_noise = write_noise, read_noise
        self.stuck, self.seed = stuck, seed
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
        values = np.asarray(values, dtype=float).clip(low, high)
        random = np.random.default_rng([self.seed, 0])
        lost = random.random(len(values)) < self.stuck
        at = np.where(random.random(len(values)) < 0.5, low, high)
        if self.levels:
            values = at_levels(values, low, high, self.levels)
        noise = np.random.default_rng([self.seed, 1, step]).standard_normal(len(values))
        written = values * np.maximum(1 + self.write_noise * noise, 0.0)
        return np.where(lost, at, np.maximum(written, 1e-9 * high))

    @checked(parameters=Mapping)
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
            Where other parameters were learned than a device can be programmed with, and for
            examples that the task has not.
        """
        if list(parameters) != [self._name]:
            raise InputError(
                f"A device is programmed with a {self._name}, not with {', '.join(parameters)}."
            )
        values = parameters[self._name]
        count = self.system.problem.n_examples
        if examples is not None and not set(np.ravel(examples).tolist()) <= set(range(count)):
            raise InputError(
                f"device: examples = {examples!r} must be numbers from 0 to {count - 1}."
            )
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


def readings(
    device: Hardware,
    parameters: Mapping[str, NDArray],
    examples: NDArray[np.int64],
    step: int,
    targets: int,
) -> NDArray[np.float64]:
    """Outputs of a ``device``, (examples, targets), in all its ``examples`` and ``targets``.

    For programmed ``parameters``, as in :meth:`Hardware.outputs`, the ``step``-th time; raises
    InputError where it fails, or returns anything else.
    """
    where, given = f"device {name_of(device)}: its reading", (parameters, examples, step)
    shape = (len(examples), targets)
    return numbers_of(device.outputs, where, given, shape, "examples by targets")


#: Devices by the name that task files use; all of them are users' own.
devices = Registry("device", "outputs", "a device: an object with a method outputs", ())
