"""Robustness of the response to noise, loss of bonds and other amplitudes."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.analysis.importance import responses, without_bonds
from mechlearn.analysis.result import Plotted, Subject, bonds_of, linear_of, system_of
from mechlearn.errors import InputError, SolveError
from mechlearn.learning.system import System
from mechlearn.networks._check import integer

#: Strains of bonds that are lost together.
LARGEST = 8000


@dataclass(frozen=True, eq=False, repr=False)
class Robustness(Plotted):
    """Response samples at several levels of a perturbation.

    Attributes
    ----------
    levels : (l,) array
    level : str
        What they are.
    outputs : (l, samples, examples, t) array
        In the user's units; nan where there was no answer.
    errors : (l, samples) array
        The task's error (see :meth:`Problem.error`); infinite where there was no answer.
    wanted : (examples, t) array
    targets : list of str
    """

    levels: NDArray[np.float64]
    level: str
    outputs: NDArray[np.float64]
    errors: NDArray[np.float64]
    wanted: NDArray[np.float64]
    targets: list[str]

    @property
    def median(self) -> NDArray[np.float64]:
        """Median error at every level, (l,)."""
        return self.quantile(0.5)

    @property
    def collapsed(self) -> NDArray[np.float64]:
        """Fraction of samples without a solution, (l,)."""
        return np.isinf(self.errors).mean(axis=1)

    def quantile(self, q: float) -> NDArray[np.float64]:
        """Quantile of the error at every level, (l,)."""
        return np.quantile(self.errors, q, axis=1, method="inverted_cdf")


@dataclass(frozen=True, eq=False, repr=False)
class Curve(Plotted):
    """Response of a network to growing amplitudes of its sources.

    Attributes
    ----------
    amplitudes : (a,) array
        Factors on the values of the sources.
    outputs : (a, t) array
        What the targets read, in the user's units; nan beyond a collapse.
    wanted : (t,) array
        At amplitude 1.
    targets : list of str
    """

    amplitudes: NDArray[np.float64]
    outputs: NDArray[np.float64]
    wanted: NDArray[np.float64]
    targets: list[str]

    @property
    def errors(self) -> NDArray[np.float64]:
        """Errors relative to wanted values times amplitude, (a, t)."""
        ideal = self.amplitudes[:, None] * self.wanted
        size = np.where(ideal != 0, np.abs(ideal), np.nan)
        return np.abs(self.outputs - ideal) / size


def noise(
    subject: Subject,
    levels: float | Sequence[float] = (0.01, 0.03, 0.1, 0.3),
    *,
    samples: int = 200,
    seed: int = 0,
    name: str | None = None,
    learned: bool = True,
) -> Robustness:
    """The response with random errors of a learning parameter.

    Parameters that are positive are multiplied by ``exp(level * xi)``, others by
    ``1 + level * xi``, ``xi`` normal.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    levels : float or several
        Relative errors.
    samples, seed : int
        How many draws, the same ones at all levels, and of which seed.
    name : str, optional
        The parameter; the first that learned where left out.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For levels below 0, no sample, and a parameter that the element does not have.
    """
    s = system_of(subject, learned)
    amounts, name = _levels(levels, "levels", 0.0), s.parameter(name)
    integer("samples", samples, low=1)
    xi = np.random.default_rng(seed).standard_normal((samples, s.network.n_edges))
    positive = s.energy.parameter(name).positive
    outputs = []
    for level in amounts:
        factor = np.exp(level * xi) if positive else 1 + level * xi
        outputs.append(responses(s, ({name: row} for row in s.parameters[name] * factor)))
    return _robustness(s, amounts, f"relative noise of the {name.replace('_', ' ')}", outputs)


def bond_loss(
    subject: Subject,
    counts: ArrayLike = (1, 2, 4, 8),
    *,
    samples: int = 200,
    seed: int = 0,
    learned: bool = True,
) -> Robustness:
    """The response after the loss of some bonds at random, by low-rank updates of one solution.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System` of linear elements
    counts : int or several
        How many bonds are lost.
    samples, seed : int
        How many draws, and of which seed.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For elements that are not linear, and more bonds than there are.
    """
    s, what = system_of(subject, learned), "The loss of bonds"
    k, model = len(bonds_of(s, what).strains), linear_of(s, what).model
    many = _levels(counts, "counts", 1.0).astype(int)
    integer("samples", samples, low=1)
    moduli = model.tangent_moduli()[model.cells_in_order()]
    there = np.flatnonzero(np.abs(moduli).any(axis=(1, 2)))
    if many.max() > len(there):
        raise InputError(f"counts = {many.max()}: the network has {len(there)} bonds to lose.")
    if k * many.max() > LARGEST:
        raise InputError(
            f"counts = {many.max()} needs more memory than is wise; ask for fewer bonds."
        )
    rng, outputs = np.random.default_rng(seed), []
    for count in many:
        lost = np.array([rng.choice(there, count, replace=False) for _ in range(samples)])
        outputs.append(without_bonds(s, what, lost))
    return _robustness(s, many.astype(float), "bonds lost", outputs)


def amplitude(
    subject: Subject, amplitudes: ArrayLike | None = None, *, example: int = 0, learned: bool = True
) -> Curve:
    """Response curve: outputs for growing amplitudes of the sources of one example.

    Each equilibrium is found from the one before, so that the path is that of slow loading. Beyond
    a collapse there are none.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    amplitudes : array, optional
        Factors on the sources' values, in the order of loading; 20 from 0.1 to 2 where left out.
    example : int
        Counted from 0.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For an example that there is not, and amplitudes that are no finite numbers.
    SolveError
        Where there is no answer to the first of them.
    """
    s = system_of(subject, learned)
    factors = np.linspace(0.1, 2.0, 20) if amplitudes is None else np.atleast_1d(amplitudes)
    if factors.ndim != 1 or not np.isfinite(factors).all():
        raise InputError("amplitudes must be finite numbers.")
    at = s.copy(example=example)
    problem = at.problem
    outputs = np.full((len(factors), len(problem.targets)), np.nan)
    for k, factor in enumerate(factors):
        try:
            outputs[k] = at.load(float(factor)).outputs[0]
        except SolveError:
            if k == 0:
                raise
            break
    wanted = np.where(problem.active, problem.wanted, np.nan)[0] / problem.units
    return Curve(factors.astype(float), outputs, wanted, s.problem.output_names)


def _levels(given: object, name: str, least: float) -> NDArray[np.float64]:
    try:
        levels = np.atleast_1d(np.asarray(given, dtype=float))
    except (TypeError, ValueError):
        levels = np.array([np.nan])
    if levels.ndim != 1 or not len(levels) or not (levels >= least).all():
        raise InputError(f"{name} = {given!r} must be one or several numbers from {least:g}.")
    return levels


def _robustness(s: System, levels: NDArray, level: str, raw: list[NDArray]) -> Robustness:
    outputs = np.array(raw)
    errors = np.full(outputs.shape[:2], np.inf)
    for where in zip(*np.nonzero(np.isfinite(outputs).all(axis=(2, 3))), strict=True):
        errors[where] = s.problem.error(outputs[where])
    wanted = np.where(s.problem.active, s.problem.wanted, np.nan) / s.problem.units
    outputs = outputs / s.problem.units
    return Robustness(levels, level, outputs, errors, wanted, s.problem.output_names)
