"""What one would write without mechlearn, written well: coupled learning of one pair by another.

Every baseline makes the same step on the same network as mechlearn does: the free state (the source
pair strained), the clamped state (the target pair held a little nearer to what is wanted too), and
a step of Adam on the logarithm of every stiffness by the difference of its energies.
"""

import numpy as np
import scipy.linalg
import scipy.optimize
import scipy.sparse as sp
from scipy.sparse.linalg import splu

from mechlearn.learning import RuleLearner

ETA, RATE, FORGET, FLOOR = 0.01, 0.1, (0.5, 0.95), 1e-6
BOUNDS = 0.1, 10.0
#: Factorisation by SuperLU as it is fastest for symmetric matrices.
SYMMETRIC = {"permc_spec": "MMD_AT_PLUS_A", "diag_pivot_thresh": 0.0,
             "options": {"SymmetricMode": True}}  # fmt: skip


class Springs:
    """Linear springs: arrays that every baseline starts from."""

    def __init__(self, learner: RuleLearner) -> None:
        net, problem = learner.network, learner.problem
        d, n = net.dim, net.n_nodes
        a, b = net.edges.T
        self.vectors, self.lengths = net.vectors, net.lengths
        t = self.vectors / self.lengths[:, None]
        m = np.arange(net.n_edges)
        axes = np.arange(d)
        rows = np.repeat(m, 2 * d)
        dofs = np.hstack([d * a[:, None] + axes, d * b[:, None] + axes])
        full = sp.csr_array((np.hstack([-t, t]).ravel(), (rows, dofs.ravel())), (len(m), d * n))
        self.free = np.setdiff1d(np.arange(d * n), problem.fixed)
        self.size, self.dofs, self.dim = d * n, dofs, d
        self.edges = net.edges
        self.b = sp.csr_array(full[:, self.free])
        self.bt = sp.csr_array(self.b.T)
        pairs = np.array([p.nodes for p in problem.ports])
        vectors = net.nodes[pairs[:, 1]] - net.nodes[pairs[:, 0]]
        self.pairs, self.pair_lengths = pairs, np.linalg.norm(vectors, axis=1)
        n_ = vectors / self.pair_lengths[:, None]
        rows = np.zeros((2, d * n))
        for k, (i, j) in enumerate(pairs):
            rows[k, d * i : d * i + d], rows[k, d * j : d * j + d] = -n_[k], n_[k]
        self.columns = rows[:, self.free].T.copy()
        self.source = float(problem.values[0, 0])
        self.wanted = float(problem.wanted[0, 0])
        self.restart()

    def restart(self) -> None:
        """Forget what was learned."""
        self.k = np.ones(len(self.lengths))
        self._mean = self._square = 0.0
        self._count = 0

    def entries(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What bonds add to a dense stiffness: flat places, factors of the stiffness, bonds."""
        n, rows = len(self.free), self.b.tocoo()
        count = np.bincount(rows.row, minlength=len(self.lengths))
        first = np.repeat(np.arange(rows.nnz), count[rows.row])
        start = np.cumsum(count) - count
        turn = np.arange(len(first)) - np.repeat(
            np.cumsum(count[rows.row]) - count[rows.row], count[rows.row]
        )
        second = start[rows.row[first]] + turn
        places = rows.col[first].astype(np.int64) * n + rows.col[second]
        return places, rows.data[first] * rows.data[second], rows.row[first]

    def learn(self, x: np.ndarray) -> None:
        """The step, from the displacements ``x`` by unit forces at both pairs, (dofs, 2)."""
        a = self.columns.T @ x
        free = np.array([self.source / a[0, 0], 0.0])
        out = a[1] @ free
        held = np.array([self.source, out + ETA * (self.wanted - out)])
        e = (self.b @ x) @ np.column_stack([free, np.linalg.solve(a, held)])
        self.change(e[:, 0], e[:, 1])

    def change(self, free: np.ndarray, clamped: np.ndarray) -> None:
        """Change the stiffness by what the springs feel in both states."""
        self.adam((clamped**2 - free**2) / (2 * ETA) * self.k)

    def adam(self, signal: np.ndarray) -> None:
        """A step of Adam on the logarithm of the stiffness."""
        a, b = FORGET
        self._count += 1
        if self._count == 1:
            self._floor = FLOOR * np.sqrt(np.mean(signal**2))
        self._mean = a * self._mean + (1 - a) * signal
        self._square = b * self._square + (1 - b) * signal**2
        mean = self._mean / (1 - a**self._count)
        size = np.sqrt(self._square / (1 - b**self._count)) + self._floor
        self.k = np.clip(self.k * np.exp(-RATE * mean / size), *BOUNDS)


class Dense(Springs):
    """NumPy: a dense stiffness matrix, scattered together, and one solve for both pairs."""

    def __init__(self, learner: RuleLearner) -> None:
        super().__init__(learner)
        self.places, self.parts, self.bonds = self.entries()

    def step(self) -> None:
        n = len(self.free)
        weights = self.parts * self.k[self.bonds]
        stiffness = np.bincount(self.places, weights, n * n).reshape(n, n)
        self.learn(np.linalg.solve(stiffness, self.columns))


class Sparse(Springs):
    """SciPy: a sparse stiffness matrix, factorised once by SuperLU."""

    def step(self) -> None:
        stiffness = (self.bt @ sp.diags_array(self.k) @ self.b).tocsc()
        self.learn(splu(stiffness, **SYMMETRIC).solve(self.columns))


class Jax(Springs):
    """JAX: the gradient of the squared error through a dense solve."""

    def __init__(self, learner: RuleLearner) -> None:
        super().__init__(learner)
        import jax

        jax.config.update("jax_enable_x64", True)
        import jax.numpy as jnp

        places, parts, bonds = map(jnp.asarray, self.entries())
        columns, n = jnp.asarray(self.columns), len(self.free)

        def loss(k):
            stiffness = jnp.zeros(n * n).at[places].add(parts * k[bonds]).reshape(n, n)
            x = jnp.linalg.solve(stiffness, columns)
            a = columns.T @ x
            return (a[1, 0] / a[0, 0] * self.source - self.wanted) ** 2 / 2

        self._gradient = jax.jit(jax.grad(loss))

    def step(self) -> None:
        self.adam(np.asarray(self._gradient(self.k)) * self.k)


class Minimised(Springs):
    """SciPy's L-BFGS on the energy, pairs held by stiff springs, started at the last state."""

    stiff = 1e3

    def restart(self) -> None:
        super().restart()
        self._at = [np.zeros(len(self.free)), np.zeros(len(self.free))]

    def _settle(self, start: np.ndarray, held: list[float]) -> np.ndarray:
        c = self.columns[:, : len(held)]

        def energy(u):
            e, gap = self.b @ u, c.T @ u - held
            force = self.bt @ (self.k * e) + c @ (self.stiff * gap)
            return (self.k @ e**2 + self.stiff * gap @ gap) / 2, force

        options = {"maxiter": 100_000, "maxfun": 200_000, "gtol": 1e-8, "ftol": 0.0}
        return scipy.optimize.minimize(
            energy, start, jac=True, method="L-BFGS-B", options=options
        ).x

    def step(self) -> None:
        free = self._at[0] = self._settle(self._at[0], [self.source])
        out = self.columns[:, 1] @ free
        held = [self.source, out + ETA * (self.wanted - out)]
        clamped = self._at[1] = self._settle(self._at[1], held)
        self.change(self.b @ free, self.b @ clamped)


class FiniteSprings(Springs):
    """SciPy: springs at any displacement, Newton's method with a sparse bordered matrix.

    Pairs are held at their distance by a Lagrange multiplier. Both states start at the last ones,
    or, where not ``warm``, the free state at rest and the clamped one at the free state. ``plain``
    leaves SuperLU's options as they come.
    """

    tolerance = 1e-8

    def __init__(self, learner: RuleLearner, *, warm: bool = True, plain: bool = False) -> None:
        self.warm, self._points = warm, learner.network.nodes
        self._options = {} if plain else SYMMETRIC
        super().__init__(learner)
        n = self.size
        pattern = np.stack(np.broadcast_arrays(self.dofs[:, :, None], self.dofs[:, None, :]))
        self._rows, self._cols = pattern.reshape(2, -1)
        number = np.full(n, -1)
        number[self.free] = np.arange(len(self.free))
        rows, cols = number[self._rows], number[self._cols]
        self._kept = (rows >= 0) & (cols >= 0)
        self._rows, self._cols = rows[self._kept], cols[self._kept]
        self.iterations = 0

    def restart(self) -> None:
        super().restart()
        self._states = [(np.zeros(self.size), np.zeros(1)), (np.zeros(self.size), np.zeros(2))]

    def _pair(self, u: np.ndarray, count: int) -> tuple:
        """Distances of the pairs, their slopes (pairs, dofs) and second derivatives."""
        x = self._points + u.reshape(-1, self.dim)
        values, slopes, curvatures = [], np.zeros((count, self.size)), []
        for k, (i, j) in enumerate(self.pairs[:count]):
            v = x[j] - x[i]
            r = np.linalg.norm(v)
            t = v / r
            dofs = np.r_[self.dim * i + np.arange(self.dim), self.dim * j + np.arange(self.dim)]
            slopes[k, dofs] = np.r_[-t, t]
            h = (np.eye(self.dim) - np.outer(t, t)) / r
            curvatures.append((dofs, np.block([[h, -h], [-h, h]])))
            values.append(r - self.pair_lengths[k])
        return np.array(values), slopes, curvatures

    def _settle(self, state: tuple, held: np.ndarray) -> tuple:
        u, f = state[0].copy(), state[1].copy()
        a, b = self.edges.T
        d = self.dim
        for _ in range(60):
            v = self.vectors + u.reshape(-1, d)[b] - u.reshape(-1, d)[a]
            r = np.linalg.norm(v, axis=1)
            t, tension = v / r[:, None], self.k * (r - self.lengths)
            force = np.zeros(self.size)
            np.add.at(force, self.dofs, np.hstack([-t, t]) * tension[:, None])
            value, slope, curvature = self._pair(u, len(held))
            pull, gap = (force - slope.T @ f)[self.free], held - value
            if max(np.abs(pull).max(), np.abs(gap).max()) < self.tolerance:
                return u, f, r - self.lengths
            self.iterations += 1
            one = t[:, :, None] * t[:, None, :]
            h = self.k[:, None, None] * one + (tension / r)[:, None, None] * (np.eye(d) - one)
            blocks = np.concatenate(
                [np.concatenate([h, -h], axis=2), np.concatenate([-h, h], axis=2)], axis=1
            ).ravel()
            size = len(self.free)
            k = sp.coo_array((blocks[self._kept], (self._rows, self._cols)), (size, size)).tocsc()
            for force_, (dofs, c) in zip(f, curvature, strict=True):
                at = np.searchsorted(self.free, dofs)
                inside = (at < size) & (self.free[np.minimum(at, size - 1)] == dofs)
                at, c = at[inside], c[np.ix_(inside, inside)]
                rows, cols = np.repeat(at, len(at)), np.tile(at, len(at))
                k = k - sp.csc_array((force_ * c.ravel(), (rows, cols)), (size, size))
            c = slope[:, self.free]
            solution = splu(sp.csc_array(k), **self._options).solve(np.column_stack([c.T, -pull]))
            x, y = solution[:, :-1], solution[:, -1]
            df = np.linalg.solve(c @ x, gap - c @ y)
            u[self.free] += y + x @ df
            f += df
        raise RuntimeError("Newton's method did not converge.")

    def step(self) -> None:
        rest = np.zeros(self.size), np.zeros(1)
        u, f, e = self._settle(self._states[0] if self.warm else rest, np.array([self.source]))
        self._states[0] = u, f
        out = self._pair(u, 2)[0][1]
        held = np.array([self.source, out + ETA * (self.wanted - out)])
        start = self._states[1] if self.warm else (u, np.append(f, 0.0))
        u, f, clamped = self._settle(start, held)
        self._states[1] = u, f
        self.change(e, clamped)
