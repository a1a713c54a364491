"""Soft discs and spheres in a periodic box, brought to mechanical equilibrium.

Two particles of diameters ``a`` and ``b`` at distance ``r`` repel with the energy
``(1 - r/s)^2 / 2`` as long as ``r < s = (a + b)/2``: the harmonic model of C. S. O'Hern,
L. E. Silbert, A. J. Liu and S. R. Nagel, Phys. Rev. E 68, 011306 (2003),
https://doi.org/10.1103/PhysRevE.68.011306. Energies are in units of the contact's energy scale.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import cg, splu
from scipy.spatial import cKDTree

from mechlearn.errors import SolveError

#: Largest force left on a particle, in units of the mean contact force.
TOLERANCE = 1e-10
#: Above this many particles in 3D, fill-in makes a factorisation dearer than conjugate gradients.
FACTOR_LIMIT_3D = 1500
#: How far beyond contact the neighbour lists reach, in mean diameters.
SKIN = 0.3
#: Length of the first quasi-Newton step (L-BFGS-B makes it 1 in its own variables), small so that a
#: packing already close to balance is not thrown out of its basin.
START_STEP = 0.02


@dataclass(frozen=True, eq=False)
class Spheres:
    """Discs (2D) or spheres (3D) in a periodic square or cubic box.

    Attributes
    ----------
    positions : (n, d) array
        Centres, in ``[0, side)``.
    side : float
        Side of the box.
    diameters : (n,) array
    """

    positions: NDArray[np.float64]
    side: float
    diameters: NDArray[np.float64]

    def contacts(self) -> "Contacts":
        """The overlapping pairs."""
        return _overlapping(self.positions, self.side, self.diameters, self._near(0.0))

    def only(self, keep: NDArray) -> "Spheres":
        """The particles in ``keep`` (ids or a mask), where they are."""
        return Spheres(self.positions[keep], self.side, self.diameters[keep])

    def scaled(self) -> "Spheres":
        """The same in the unit of length that makes the mean diameter 1."""
        f = 1 / self.diameters.mean()
        return Spheres(self.positions * f, self.side * f, self.diameters * f)

    def _near(self, skin: float) -> NDArray[np.int64]:
        """Pairs closer than the largest diameter plus ``skin``, shape (k, 2)."""
        tree = cKDTree(_wrapped(self.positions, self.side), boxsize=self.side)
        return tree.query_pairs(self.diameters.max() + skin, output_type="ndarray")


@dataclass(frozen=True, eq=False)
class Contacts:
    """Overlapping pairs of :class:`Spheres`.

    Attributes
    ----------
    pairs : (m, 2) array
        Ids of the particles.
    vectors : (m, d) array
        From the first centre to the nearest image of the second.
    lengths, reach : (m,) arrays
        Their lengths, and the sum of the two radii.
    """

    pairs: NDArray[np.int64]
    vectors: NDArray[np.float64]
    lengths: NDArray[np.float64]
    reach: NDArray[np.float64]

    @property
    def overlaps(self) -> NDArray[np.float64]:
        """Relative overlaps ``1 - r/s``, shape (m,)."""
        return 1 - self.lengths / self.reach

    @property
    def forces(self) -> NDArray[np.float64]:
        """Repulsive contact forces, shape (m,)."""
        return self.overlaps / self.reach

    @property
    def energy(self) -> float:
        """The sum of the contact energies."""
        return 0.5 * float(self.overlaps @ self.overlaps)

    def net_forces(self, n: int) -> NDArray[np.float64]:
        """Sum of the contact forces on each of ``n`` particles, shape (n, d)."""
        f = (self.forces / self.lengths)[:, None] * self.vectors
        i, j = self.pairs.T
        return np.stack([np.bincount(j, c, n) - np.bincount(i, c, n) for c in f.T], axis=1)

    def virial(self) -> float:
        """Sum of force times distance: ``d * pressure * volume`` at equilibrium."""
        return float(self.forces @ self.lengths)


def random_spheres(
    diameters: NDArray, dim: int, fraction: float, rng: np.random.Generator
) -> Spheres:
    """Particles thrown at random into a box of which they fill ``fraction``, overlaps ignored."""
    volume = {2: np.pi / 4, 3: np.pi / 6}[dim] * (diameters**dim).sum()
    side = (volume / fraction) ** (1 / dim)
    return Spheres(rng.random((len(diameters), dim)) * side, side, diameters)


def relax(spheres: Spheres, pressure: float, patience: int = 35_000) -> Spheres:
    """Minimise the enthalpy ``E + p V`` over the positions and the box, to force balance.

    Far from equilibrium quasi-Newton steps (L-BFGS) lead; Newton's method with the exact Hessian
    finishes, because contacts near jamming have modes too soft for anything of first order.

    Parameters
    ----------
    spheres : Spheres
    pressure : float
        In units of contact energy over length^d.
    patience : int
        First-order steps to spend before giving up.

    Raises
    ------
    SolveError
        When forces do not balance to ``TOLERANCE`` of the mean contact force.
    """
    spent = 0
    for iterations in (0, 200, 300, 500, 500, 1000, 1000, 2000, 4000, 8000, 16000):
        spent += iterations
        if spent > patience:
            break
        if iterations:
            spheres = quench(spheres, pressure, iterations)
        if iterations < 2000 and not _nearly_balanced(spheres, pressure):
            continue
        spheres, balanced = _newton(spheres, pressure, steps=20)
        if balanced:
            return spheres
    raise SolveError(
        f"The packing of {len(spheres.diameters)} particles did not reach force balance at "
        f"pressure {pressure:g}; another seed or a higher pressure will do."
    )


def quench(spheres: Spheres, pressure: float | None, iterations: int) -> Spheres:
    """L-BFGS steps down the enthalpy; with ``pressure=None`` down the energy in a fixed box."""
    from scipy.optimize import minimize  # takes a tenth of a second

    n, d = spheres.positions.shape
    side, diameters = spheres.side, spheres.diameters
    # The strain of the box is scaled so that its curvature is comparable to a particle's.
    weight = np.sqrt(2.0 * d * n)
    near = spheres._near(SKIN)
    origin = spheres.positions

    def enthalpy(y: NDArray) -> tuple[float, NDArray]:
        nonlocal near, origin
        x, stretch = START_STEP * y[:-1].reshape(n, d), np.exp(START_STEP * y[-1] / weight)
        # A pair left out of the list was farther than reach: it cannot touch before this.
        moved = np.sqrt(((x - origin) ** 2).sum(axis=1).max())
        reach = diameters.max()
        if (reach + SKIN - 2 * moved) * min(stretch, 1.0) < reach:
            now = Spheres(x, side, diameters)
            near, origin = now._near(max(SKIN, (reach + SKIN) / stretch - reach)), x.copy()
        c = _overlapping(x * stretch, side * stretch, diameters, near)
        slope = np.empty_like(y)
        slope[:-1] = -c.net_forces(n).ravel() * stretch
        if pressure is None:
            slope[-1] = 0.0
            return c.energy, START_STEP * slope
        # Counted from the first volume: p V itself would drown the energy of slight overlaps in
        # rounding. In units of the pressure forces are of order one.
        work = pressure * side**d * np.expm1(d * START_STEP * y[-1] / weight)
        slope[-1] = (d * (work + pressure * side**d) - c.virial()) / weight
        return (c.energy + work) / pressure, slope * (START_STEP / pressure)

    start = np.append(spheres.positions.ravel() / START_STEP, 0.0)
    gtol = START_STEP * (1e-9 if pressure is None else 1e-4)
    y = minimize(
        enthalpy,
        start,
        jac=True,
        method="L-BFGS-B",
        options={
            "maxiter": iterations,
            "maxfun": 2 * iterations,
            "maxcor": 12,
            "gtol": gtol,
            "ftol": 0.0,
        },
    ).x
    stretch = np.exp(START_STEP * y[-1] / weight)
    x, side = START_STEP * y[:-1].reshape(n, d) * stretch, side * stretch
    return Spheres(_wrapped(x, side), float(side), diameters)


def _nearly_balanced(spheres: Spheres, pressure: float) -> bool:
    """Whether net forces are small enough beside contact forces for Newton's method to pay."""
    c, _, slope, strain_slope = _evaluate(
        spheres.positions,
        spheres.side,
        spheres.diameters,
        pressure,
        spheres.side ** spheres.positions.shape[1],
    )
    error = max(np.abs(slope).max(), abs(strain_slope) / len(slope))
    return len(c.pairs) > 0 and error < 1e-2 * c.forces.mean()


def _newton(spheres: Spheres, pressure: float, steps: int) -> tuple[Spheres, bool]:
    """Damped Newton steps (Levenberg-Marquardt) until forces balance; False when they do not."""
    n, d = spheres.positions.shape
    x, side, s = spheres.positions, spheres.side, spheres.diameters
    damping = 1e-7
    volume = side**d
    now = _evaluate(x, side, s, pressure, volume)
    for _ in range(steps):
        c, value, slope, strain_slope = now
        if len(c.pairs) < n:
            return spheres, False
        scale = c.forces.mean()
        # Distances are only known to rounding, which near jamming is not small beside overlaps.
        enough = max(TOLERANCE, 20 * np.finfo(float).eps * side / c.overlaps.mean()) * scale
        error = max(np.abs(slope).max(), abs(strain_slope) / n)
        if error <= enough:
            return Spheres(_wrapped(x, side), side, s), True
        stiffness, coupling, strain_stiffness = _hessian(c, n, pressure * side**d)
        while True:
            step = _solve(stiffness, damping, np.stack([slope.ravel(), coupling], axis=1), d, n)
            if step is not None:
                a, b = step.T
                bulk = strain_stiffness + damping * n - coupling @ b
                strain = -(strain_slope - coupling @ a) / (bulk if bulk > 0 else strain_stiffness)
                dx = (-a - b * strain).reshape(n, d)
                longest = np.sqrt((dx**2).sum(axis=1).max()) + abs(strain) * side / 2
                cut = min(1.0, 0.2 / longest) if np.isfinite(longest) else 0.0
                stretch = np.exp(cut * strain)
                trial_x, trial_side = (x + cut * dx) * stretch, side * stretch
                trial = _evaluate(trial_x, trial_side, s, pressure, volume)
                trial_error = max(np.abs(trial[2]).max(), abs(trial[3]) / n)
                # At the end the enthalpy changes by less than rounding: there forces decide.
                lower = trial[1] < value - 1e-13 * abs(value)
                if cut > 0 and (
                    lower or (trial_error < 0.5 * error and trial[1] < value + 1e-12 * abs(value))
                ):
                    x, side, now = trial_x, trial_side, trial
                    damping = max(damping / 10, 1e-9)
                    break
            damping = max(damping * 30, 1e-6)
            # So much damping is slow descent, which L-BFGS does better.
            if damping > 1e-2:
                return Spheres(_wrapped(x, side), side, s), False
    return Spheres(_wrapped(x, side), side, s), False


def _evaluate(
    x: NDArray, side: float, diameters: NDArray, pressure: float, volume: float
) -> tuple[Contacts, float, NDArray[np.float64], float]:
    """Contacts, enthalpy (counted from ``volume``), and its slopes by positions and by strain."""
    n, d = x.shape
    c = Spheres(x, side, diameters).contacts()
    work = pressure * (side**d - volume)
    return c, c.energy + work, -c.net_forces(n), d * pressure * side**d - c.virial()


def _hessian(
    c: Contacts, n: int, work: float
) -> tuple[sparse.csc_array, NDArray[np.float64], float]:
    """Second derivatives by positions (sparse), mixed, and by the strain of the box."""
    d = c.vectors.shape[1]
    t = c.vectors / c.lengths[:, None]
    stiff = 1 / c.reach**2
    tension = -c.forces
    tt = t[:, :, None] * t[:, None, :]
    across = (tension / c.lengths)[:, None, None] * (np.eye(d) - tt)
    block = stiff[:, None, None] * tt + across
    i, j = c.pairs.T
    rows = np.concatenate([i, j, i, j])
    cols = np.concatenate([i, j, j, i])
    blocks = np.concatenate([block, block, -block, -block])
    at = np.arange(d)
    r = np.broadcast_to((d * rows)[:, None, None] + at[:, None], blocks.shape)
    k = np.broadcast_to((d * cols)[:, None, None] + at, blocks.shape)
    stiffness = sparse.csc_array((blocks.ravel(), (r.ravel(), k.ravel())), shape=(n * d, n * d))
    mixed = (stiff * c.lengths + tension)[:, None] * t
    coupling = np.stack(
        [np.bincount(j, m, n) - np.bincount(i, m, n) for m in mixed.T], axis=1
    ).ravel()
    strain = float(stiff @ c.lengths**2 + tension @ c.lengths) + d * d * work
    return stiffness, coupling, strain


def _solve(
    stiffness: sparse.csc_array, damping: float, right: NDArray, d: int, n: int
) -> NDArray[np.float64] | None:
    """Solve (K + damping) X = right; None when that is singular."""
    matrix = stiffness + sparse.eye_array(n * d, format="csc") * damping
    if d == 3 and n > FACTOR_LIMIT_3D:
        inverse = sparse.diags_array(1 / np.maximum(np.abs(matrix.diagonal()), 1e-3))
        return np.stack(
            [cg(matrix, b, rtol=1e-7, maxiter=1000, M=inverse)[0] for b in right.T], axis=1
        )
    try:
        # Almost always positive definite: diagonal pivots in a symmetric order keep it sparse.
        return splu(
            matrix,
            permc_spec="MMD_AT_PLUS_A",
            diag_pivot_thresh=0.0,
            options={"SymmetricMode": True},
        ).solve(right)
    except RuntimeError:
        return None


def _overlapping(x: NDArray, side: float, diameters: NDArray, near: NDArray) -> Contacts:
    i, j = near.T
    v = x[j] - x[i]
    v -= side * np.rint(v / side)
    r2 = np.einsum("ij,ij->i", v, v)
    s = 0.5 * (diameters[i] + diameters[j])
    touch = np.flatnonzero(r2 < s * s)
    r = np.sqrt(r2[touch])
    # Centres that coincide have no direction; a random start never does that in practice.
    return Contacts(near[touch], v[touch], np.maximum(r, 1e-300), s[touch])


def _wrapped(x: NDArray, side: float) -> NDArray[np.float64]:
    x = x - side * np.floor(x / side)
    # Rounding may give exactly the side, which is outside the half-open box.
    return np.where(x >= side, 0.0, x)
