"""Curvature of the cost over the learning parameters, and its stiff directions.

``H = mean_e [ J^T C'' J + sum_t C'_t d2 o_t / dL dL ]`` with ``J`` the output Jacobian; the first
term alone is that of Gauss and Newton, equal to ``H`` where the task is learned. The second is
exact for linear networks: with ``x`` the free and ``y`` the adjoint state, ``p = d2u/dL de`` at
``x``, ``q = d3u/dL de de . e(y)`` and ``S`` the strains of bonds by tensions of bonds while sources
are held, ``d2 o / dL_i dL_j = -q_i S_ij p_j - p_i S_ij q_j + delta_ij d3u/dL dL de . e(y)``.

Learning is a double optimisation: the network minimises its energy, training the cost. Stiff modes
of the cost go with soft modes of the network: M. Stern, M. Guzman, F. Martins, A. J. Liu,
V. Balasubramanian, Phys. Rev. Lett. 134, 147402 (2025), https://arxiv.org/abs/2406.09689.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mechlearn.analysis.modes import modes_of
from mechlearn.analysis.result import Plotted, Subject, bonds_of, linear_of, system_of
from mechlearn.analysis.tangent import tangent
from mechlearn.energies.element import BondEnergy
from mechlearn.equilibrium.states import output_jacobian
from mechlearn.errors import InputError
from mechlearn.learning.system import System

#: More learning parameters than this would need too large a dense matrix.
LARGEST = 6000
#: Step along a direction in which the change of the free state is measured.
STEP = 1e-4


@dataclass(frozen=True, eq=False, repr=False)
class Hessian(Plotted):
    """Hessian of the cost (mean over examples, user's units) over the learning parameters.

    Attributes
    ----------
    matrix : (p, p) array
    gradient : (p,) array
    names, bonds : (p,) arrays
        Which parameter of which bond every row is about; frozen bonds are left out.
    logarithmic : (p,) bool array
        Whether it is about the parameter's logarithm.
    method : "full" or "gauss_newton"
    """

    matrix: NDArray[np.float64]
    gradient: NDArray[np.float64]
    names: NDArray[np.str_]
    bonds: NDArray[np.int64]
    logarithmic: NDArray[np.bool_]
    method: str

    @property
    def eigenvalues(self) -> NDArray[np.float64]:
        """From large to small, (p,)."""
        return np.linalg.eigvalsh(self.matrix)[::-1]

    def directions(self, count: int) -> NDArray[np.float64]:
        """The stiffest directions, one row each, (count, p)."""
        return np.linalg.eigh(self.matrix)[1][:, ::-1][:, :count].T


@dataclass(frozen=True, eq=False, repr=False)
class Correspondence(Plotted):
    """Stiff modes of the cost against modes of the network.

    Attributes
    ----------
    cost, stiffness : (c,) and (k,) arrays
        Eigenvalues of the cost's Hessian from stiff to soft, and of the stiffness from soft to
        stiff.
    shift : (c, k) array
        Rate of ``log lambda_k`` of the network along the direction of the cost.
    response : (c, k) array
        Part of the squared change of the free response, along the direction of the cost, that lies
        in mode ``k`` of the network.
    """

    cost: NDArray[np.float64]
    stiffness: NDArray[np.float64]
    shift: NDArray[np.float64]
    response: NDArray[np.float64]


def hessian(
    subject: Subject,
    *,
    method: Literal["full", "gauss_newton"] | None = None,
    scale: Literal["log", "linear"] | None = None,
    learned: bool = True,
) -> Hessian:
    """Hessian of the cost over all learning parameters.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    method : "full" or "gauss_newton"
        Left out: full for linear networks, else that of Gauss and Newton.
    scale : "log" or "linear"
        By the logarithms of the parameters, or themselves; left out, as every parameter learns.
    learned : bool
        Of a run: the learned network, or the one before training.

    Raises
    ------
    InputError
        For the full Hessian of elements that are not linear, and for too many parameters.
    """
    s = system_of(subject, learned)
    simple = s.energy.linear and not s.energy.continuum and not s.problem.relative.any()
    method = method or ("full" if simple else "gauss_newton")
    if method not in ("full", "gauss_newton"):
        raise InputError(f"method = {method!r} must be 'full' or 'gauss_newton'.")
    if scale not in (None, "log", "linear"):
        raise InputError(f"scale = {scale!r} must be 'log' or 'linear'.")
    m, names = s.network.n_edges, tuple(s.learns)
    if m * len(names) > LARGEST:
        raise InputError(
            f"The Hessian is found for up to {LARGEST:,} parameters; here learn {m * len(names):,}."
        )
    p = s.problem
    outputs = s.equilibrium.outputs(s.free)
    by_name = output_jacobian(s.equilibrium, s.free, names)
    jacobian = np.concatenate([by_name[name] for name in names], axis=2)
    # A wanted value that follows an output moves with it.
    follow = np.eye(len(p.targets)) - p.match
    slopes = p.slopes(outputs) @ follow
    curvature = follow.T @ p.curvatures(outputs) @ follow
    gradient = np.einsum("et,eti->i", slopes, jacobian) / p.n_examples
    bent = np.swapaxes(curvature, 1, 2) @ jacobian
    size = jacobian.shape[2]
    matrix = jacobian.reshape(-1, size).T @ bent.reshape(-1, size) / p.n_examples
    if method == "full":
        matrix = matrix + _second(s, slopes) / p.n_examples
    values = np.concatenate([s.parameters[name] for name in names])
    log = np.repeat([_is_log(s, name, scale) for name in names], m)
    rate = np.where(log, values, 1.0)
    matrix = matrix * rate[:, None] * rate
    if method == "full":
        matrix[np.diag_indices(size)] += np.where(log, gradient * values, 0.0)
    keep = np.concatenate([s.learns[name] for name in names])
    return Hessian(
        matrix=((matrix + matrix.T) / 2)[np.ix_(keep, keep)],
        gradient=(gradient * rate)[keep],
        names=np.repeat(names, m)[keep],
        bonds=np.tile(np.arange(m), len(names))[keep],
        logarithmic=log[keep],
        method=method,
    )


def correspondence(
    subject: Subject, *, count: int = 5, modes: int | None = None, learned: bool = True
) -> Correspondence:
    """Effect of the stiffest directions of the cost on the modes of the network.

    Parameters
    ----------
    subject : a run, or a :class:`mechlearn.System`
    count : int
        How many directions of the cost.
    modes : int, optional
        How many of the softest modes of the network; all where left out.
    learned : bool
        Of a run: the learned network, or the one before training.
    """
    s = system_of(subject, learned)
    energy = bonds_of(s, what := "The correspondence of modes")
    linear_of(s, what)
    h = hessian(s)
    directions = h.directions(min(count, len(h.matrix)))
    t = tangent(s)
    found = modes_of(t, modes)
    keep = slice(found.zero_modes, None)
    values = found.eigenvalues[keep]
    arm = np.ones(s.network.n_nodes * t.size[1])
    arm[t.free] = t.arm
    basis = found.flat[keep]
    strains = t.strains @ (basis[:, t.free] * t.arm).T
    cells, k = t.moduli.shape[:2]
    strains = strains.reshape(cells, k, -1)
    lambdas, raw = np.zeros((len(directions), len(values))), list[NDArray]()
    at = s.copy().equilibrium
    before = {name: s.parameters[name] for name in s.learns}
    none = dict.fromkeys(before, np.zeros(s.network.n_edges))
    now = np.concatenate([before[name][learns] for name, learns in s.learns.items()])
    for c, w in enumerate(directions):
        for name, step in _placed(h, w * np.where(h.logarithmic, now, 1.0), none).items():
            slope = _moduli_slope(s, energy, name) * step[:, None, None]
            lambdas[c] += np.einsum("mka,mkl,mla->a", strains, slope, strains)
        ends = []
        for step in (-STEP * w, STEP * w):
            moved = np.where(h.logarithmic, now * np.exp(step), now + step)
            at.update(**_placed(h, moved, before))
            ends.append(at.free().states())
        raw.append((ends[1] - ends[0]).reshape(s.problem.n_examples, -1) / arm)
    return Correspondence(h.eigenvalues[: len(directions)], values, lambdas / values,
                          found.shares(np.array(raw)))  # fmt: skip


def _is_log(s: System, name: str, scale: str | None) -> bool:
    return (scale or s.energy.parameter(name).scale) == "log"


def _placed(h: Hessian, rows: NDArray, on: Mapping[str, NDArray]) -> dict[str, NDArray[np.float64]]:
    """Values of the rows of a Hessian at their bonds, ``on`` those of all bonds, per name (m,)."""
    out = {name: values.copy() for name, values in on.items()}
    for name, values in out.items():
        mine = h.names == name
        values[h.bonds[mine]] = rows[mine]
    return out


def _at_rest(s: System, energy: BondEnergy) -> dict[str, NDArray]:
    rest = dict.fromkeys(energy.strains, np.zeros(s.network.n_edges))
    return {**s.parameters, **rest, "length": s.network.lengths}


def _moduli_slope(s: System, energy: BondEnergy, name: str) -> NDArray[np.float64]:
    """``dD/dL`` of every bond, (m, k, k)."""
    strains, at, m = energy.strains, _at_rest(s, energy), s.network.n_edges
    out = np.empty((m, len(strains), len(strains)))
    for j, k in np.ndindex(out.shape[1:]):
        out[:, j, k] = energy.derivative(name, strains[j], strains[k])(**at)
    return out


def _second(s: System, slopes: NDArray) -> NDArray[np.float64]:
    """Sum over examples and outputs of the cost's slope times the output's second derivative."""
    what, m = "The full Hessian", s.network.n_edges
    energy, at = bonds_of(s, what), linear_of(s, what)
    strains, names, k = energy.strains, tuple(s.learns), len(energy.strains)
    x = at.model.to_bonds((free := at.free()).strains())
    if s.problem.relative.any():
        raise InputError(
            "The full Hessian is found of targets that are measured from the reference; of those "
            'from the unloaded network, take method = "gauss_newton".'
        )
    rates = (state.parts[0][1] for state in at.adjoints(free))
    y = np.stack([at.model.to_bonds(rate.strains()) for rate in rates])
    # The adjoint of the whole cost, (k, examples, m): outputs enter linearly.
    y = np.einsum("et,tkem->kem", slopes, y)
    here = {**_at_rest(s, energy), **dict(zip(strains, x, strict=True))}
    p = {
        n: np.stack([_full(energy.derivative(n, e)(**here), x[0]) for e in strains]) for n in names
    }
    q = {n: np.einsum("mjl,lem->jem", _moduli_slope(s, energy, n), y) for n in names}
    columns = at.model.to_bonds(at.superposition.columns)
    columns = np.moveaxis(columns, -1, 0).reshape(m * k, -1)
    between = at.bond_compliance()
    out = np.zeros((len(names) * m,) * 2)
    for some in at.source_groups:
        e, h = some.examples, some.held
        inside = between
        if len(h):
            inverse = np.linalg.inv(at.compliance[np.ix_(h, h)])
            inside = between - columns[:, h] @ inverse @ columns[:, h].T
        inside = inside.reshape(m, k, m, k)
        for a, b in np.ndindex(len(names), len(names)):
            block = out[a * m : (a + 1) * m, b * m : (b + 1) * m]
            for i, j in np.ndindex(k, k):
                product = q[names[a]][i][e].T @ p[names[b]][j][e]
                product += p[names[a]][i][e].T @ q[names[b]][j][e]
                block -= product * inside[:, i, :, j]
    for a, b in np.ndindex(len(names), len(names)):
        for j, strain in enumerate(strains):
            third = _full(energy.derivative(names[a], names[b], strain)(**here), x[0])
            own = (third * y[j]).sum(axis=0)
            out[a * m + np.arange(m), b * m + np.arange(m)] += own
    return out


def _full(values: NDArray | float, like: NDArray) -> NDArray[np.float64]:
    return np.broadcast_to(values, like.shape)
