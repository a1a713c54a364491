"""Importance of bonds for the response: susceptibility and removal.

Susceptibility is the exact derivative of the outputs by the logarithm of a parameter,
``d o / d log k_i = k_i do/dk_i``, from adjoint states (:meth:`mechlearn.System.jacobian`); that
it is measurable, and follows what bonds do for a function: Guzman et al. (2024),
https://arxiv.org/abs/2412.19356.

Removal takes a bond out altogether. All bonds at once follow from one factorisation: with ``A`` the
compliance between the ports, ``a_i`` the strains of bond ``i`` by unit forces at the ports, ``s_i``
its strains by its own unit tensions and ``D_i`` its moduli,
``A' = A + a_i^T (1 - D_i s_i)^-1 D_i a_i`` (Sherman, Morrison and Woodbury), as in Rocks et al.,
PNAS 114, 2520 (2017), https://doi.org/10.1073/pnas.1612139114. Where ``1 - D_i s_i`` is singular,
the bond alone stops a motion, and without it the response is not defined.
"""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mechlearn.analysis.result import Plotted, Subject, bonds_of, ends_of, linear_of, system_of
from mechlearn.errors import InputError, SolveError
from mechlearn.fem.superposition import BondResponse
from mechlearn.learning.system import System
from mechlearn.network import Network

#: Bonds whose removal leaves less than this part of their own constraint are holding the network.
HOLDING = 1e-8
#: Bonds whose removals are worked out at a time.
BLOCK = 512


@dataclass(frozen=True, eq=False, repr=False)
class Susceptibility(Plotted):
    """Exact slopes of the outputs by the logarithm of a parameter of the bonds.

    Attributes
    ----------
    network : Network
    name : str
        The parameter.
    slopes : (examples, t, m) array
        ``d o / d log L_i`` in the user's units (strains).
    targets : list of str
        Names of the outputs.
    ends : dict of (k,) arrays
        Nodes of the sources and of the targets.
    """

    network: Network
    name: str
    slopes: NDArray[np.float64]
    targets: list[str]
    ends: dict[str, NDArray[np.int64]]

    @property
    def importance(self) -> NDArray[np.float64]:
        """Root of the mean square over outputs and examples, (m,)."""
        return np.sqrt(np.mean(self.slopes**2, axis=(0, 1)))

    @property
    def total(self) -> float:
        """Root of the sum of squares of all slopes."""
        return float(np.linalg.norm(self.slopes))

    @property
    def participation(self) -> float:
        """Participation ratio of the bonds, 1/m to 1."""
        return float(participation(self.importance))


@dataclass(frozen=True, eq=False, repr=False)
class Removal(Plotted):
    """Outputs after removal of each bond.

    Attributes
    ----------
    network : Network
    outputs : (examples, t) array
        Those of the whole network, in the user's units.
    without : (m, examples, t) array
        Those without each bond; nan where there is no answer.
    error : (m,) array
        The task's error without each bond (see :meth:`Problem.error`); infinite without an answer.
    holding : (m,) bool array
        Bonds that hold the network: without one of them a motion costs nothing.
    targets : list of str
    """

    network: Network
    outputs: NDArray[np.float64]
    without: NDArray[np.float64]
    error: NDArray[np.float64]
    holding: NDArray[np.bool_]
    targets: list[str]
    ends: dict[str, NDArray[np.int64]]

    @property
    def change(self) -> NDArray[np.float64]:
        """Outputs without each bond less those with it, (m, examples, t)."""
        return self.without - self.outputs

    @property
    def importance(self) -> NDArray[np.float64]:
        """Root of the mean square of the change, (m,); infinite for bonds that hold the network."""
        size = np.sqrt(np.mean(self.change**2, axis=(1, 2)))
        return np.where(self.holding, np.inf, size)


def susceptibility(
    subject: Subject, name: str | None = None, *, learned: bool = True
) -> Susceptibility:
    """The exact slope of every output by the logarithm of every bond's parameter.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    name : str, optional
        The parameter, such as "stiffness"; the first that learned where left out.
    learned : bool
        Of a run: the learned network, or the one before training.
    """
    s = system_of(subject, learned)
    name = s.parameter(name)
    slopes = s.jacobian(name) * s.parameters[name]
    return Susceptibility(s.network, name, slopes, s.problem.output_names, ends_of(s))


def removal(subject: Subject, *, learned: bool = True) -> Removal:
    """Outputs after removal of each bond, by rank-one updates of one solution.

    Elements that are not linear are solved anew for every bond.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For elements that cannot be removed: finite beams, and struts of a solid.
    """
    s = system_of(subject, learned)
    energy = bonds_of(s, what := "The response without a bond")
    if energy.linear:
        raw = without_bonds(s, what, np.arange(s.network.n_edges)[:, None])
    elif energy.removal and energy.segments == 1:
        whole = {name: s.parameters[name] for name in energy.removal}
        left = ~np.eye(s.network.n_edges, dtype=bool)
        raw = responses(s, ({n: np.where(k, v, 0.0) for n, v in whole.items()} for k in left))
    else:
        raise InputError(f"The response without a bond is not found for a {energy.name}.")
    units = s.problem.units
    holding = np.isnan(raw).all(axis=(1, 2))
    errors = np.full(len(raw), np.inf)
    for b in np.flatnonzero(~holding):
        errors[b] = s.problem.error(raw[b])
    names = s.problem.output_names
    return Removal(s.network, s.outputs, raw / units, errors, holding, names, ends_of(s))


def participation(weights: NDArray) -> NDArray[np.float64]:
    """Participation ratio ``(sum w^2)^2 / (n sum w^4)`` along the last axis, 1/n to 1."""
    square = np.square(weights)
    square = square / np.maximum(square.max(axis=-1, keepdims=True, initial=0.0), 1e-300)
    fourth = square.shape[-1] * np.square(square).sum(axis=-1)
    return square.sum(axis=-1) ** 2 / np.maximum(fourth, 1e-300)


def without_bonds(system: System, what: str, sets: NDArray) -> NDArray[np.float64]:
    """Outputs without each of the ``sets`` of bonds, (sets, n), as (sets, examples, t).

    NaN where a motion costs nothing without them. ``what`` is found, for errors.

    Raises
    ------
    InputError
        For elements that are not linear, and solids.
    """
    at, energy = linear_of(system, what), bonds_of(system, what)
    model, n, k = at.model, sets.shape[1], len(energy.strains)
    # (k, columns, m) to (m, k, columns), bonds in the user's order.
    strains = np.moveaxis(model.to_bonds(at.superposition.columns), -1, 0)
    moduli = model.tangent_moduli()[model.cells_in_order()]
    known = {**system.parameters, "length": system.network.lengths}
    ports = len(system.problem.ports)
    out = np.full((len(sets), *system.problem.wanted.shape), np.nan)
    step = max(BLOCK // n, 1)
    for start in range(0, len(sets), step):
        lost = sets[start : start + step]
        some, place = np.unique(lost, return_inverse=True)
        place = place.reshape(lost.shape)
        between = at.bond_compliance(some).reshape(len(some), k, len(some), k)
        own = between[place[:, :, None], :, place[:, None, :], :]
        own = np.moveaxis(own, 3, 2).reshape(len(lost), n * k, n * k)
        stiff = np.zeros((len(lost), n, k, n, k))
        stiff[:, np.arange(n), :, np.arange(n)] = np.moveaxis(moduli[lost], 1, 0)
        stiff = stiff.reshape(own.shape)
        left = np.eye(n * k) - stiff @ own
        # The part of their constraint that bonds leave to the others, in its weakest direction.
        good = np.abs(np.linalg.eigvals(left)).min(axis=1) > HOLDING
        lost, own, factor = lost[good], own[good], np.linalg.solve(left[good], stiff[good])
        strain = strains[lost].reshape(len(lost), n * k, strains.shape[-1])
        a = strain[..., :ports]
        rest = np.tile(at.reading_at_rest, (len(lost), 1))
        if at.prestressed:
            # Their own tension at rest goes with them.
            here = {name: values[lost.ravel()] for name, values in known.items()}
            tension = BondResponse(energy, here, np.zeros(k)).stresses()
            tension = tension.T.reshape(len(lost), n * k, 1)
            carried = tension + factor @ (strain[..., ports:] + own @ tension)
            rest += (a.mT @ carried)[..., 0]
        out[start : start + step][good] = at.outputs_by(at.compliance + a.mT @ factor @ a, rest)
    return out


def responses(system: System, sets: Iterable[Mapping[str, NDArray]]) -> NDArray[np.float64]:
    """Outputs at many values of parameters, solved anew for each, (sets, examples, t).

    NaN where there is no equilibrium.
    """
    out, at = [], system.copy().equilibrium
    for values in sets:
        found = np.full(system.problem.wanted.shape, np.nan)
        at.forget()
        with suppress(SolveError):
            at.update(**values)
            found[:] = at.outputs(at.free())
        out.append(found)
    return np.array(out)
