"""Independent answers: dense NumPy for linear springs and frames, SciPy for finite springs.

Nothing here uses the package beyond the plain arrays of a Network.
"""

import numpy as np
from scipy.linalg import block_diag
from scipy.optimize import minimize


def bond_matrix(net):
    """Dense rows t_b . (u_j - u_i), written as a loop on purpose."""
    d = net.dim
    c = np.zeros((net.n_edges, net.n_nodes * d))
    for b, (i, j) in enumerate(net.edges):
        vector = net.nodes[j] - net.nodes[i]
        if net.cell is not None:
            vector = vector + net.shifts[b] @ net.cell
        t = vector / np.linalg.norm(vector)
        c[b, d * j : d * j + d] += t
        c[b, d * i : d * i + d] -= t
    return c


def pair_row(net, a, b):
    """The row that reads the extension of a pair's distance, to the nearest image."""
    d = net.dim
    vector = net.nodes[b] - net.nodes[a]
    if net.cell is not None:
        images = np.array(np.meshgrid(*[(-1, 0, 1)] * d)).reshape(d, -1).T @ net.cell + vector
        vector = images[np.argmin(np.linalg.norm(images, axis=1))]
    row = np.zeros(net.n_nodes * d)
    row[d * b : d * b + d] = vector / np.linalg.norm(vector)
    row[d * a : d * a + d] = -vector / np.linalg.norm(vector)
    return row, np.linalg.norm(vector)


def solve_linear(net, k, rows, values, load=None, rest=None):
    """Least-norm displacements and multipliers of springs k under rows @ u = values."""
    c = bond_matrix(net)
    stiffness = c.T @ np.diag(np.broadcast_to(k, net.n_edges)) @ c
    force = np.zeros(c.shape[1]) if load is None else np.array(load, dtype=float)
    if rest is not None:
        force = force + c.T @ (k * (rest - net.lengths))
    rows = np.atleast_2d(rows)
    m = len(rows)
    kkt = np.block([[stiffness, -rows.T], [rows, np.zeros((m, m))]])
    solution = np.linalg.lstsq(kkt, np.concatenate([force, values]), rcond=1e-13)[0]
    residual = kkt @ solution - np.concatenate([force, values])
    assert np.abs(residual).max() < 1e-9, "the reference has no solution"
    return solution[: len(force)], solution[len(force) :]


def finite_energy(net, k, rest, u, cubic=0.0):
    """Energy of springs at finite displacement, ``k e^2 / 2 + cubic e^4 / 4``, and its gradient."""
    d = net.dim
    x = np.asarray(u).reshape(-1, d)
    vector = net.vectors + x[net.edges[:, 1]] - x[net.edges[:, 0]]
    length = np.linalg.norm(vector, axis=1)
    stretch = length - rest
    pull = ((k * stretch + cubic * stretch**3) / length)[:, None] * vector
    gradient = np.zeros_like(x)
    np.add.at(gradient, net.edges[:, 1], pull)
    np.add.at(gradient, net.edges[:, 0], -pull)
    return np.sum(k * stretch**2 / 2 + cubic * stretch**4 / 4), gradient.ravel()


def minimise_finite(net, k, pairs, strains, start, held=(), cubic=0.0):
    """Minimise the finite energy with pair distances held, by SLSQP from ``start``."""
    d = net.dim
    free = np.setdiff1d(np.arange(net.n_nodes * d), held)
    full = np.zeros(net.n_nodes * d)

    def put(y):
        full[free] = y
        return full

    def distance(u, a, b):
        x = u.reshape(-1, d)
        return np.linalg.norm(net.separation(a, b) + x[b] - x[a])

    def slope(u, a, b):
        x = u.reshape(-1, d)
        vector = net.separation(a, b) + x[b] - x[a]
        out = np.zeros(len(u))
        out[d * b : d * b + d] = vector / np.linalg.norm(vector)
        out[d * a : d * a + d] = -vector / np.linalg.norm(vector)
        return out[free]

    constraints = [
        {
            "type": "eq",
            "fun": lambda y, a=a, b=b, s=s: (
                distance(put(y), a, b) - (1 + s) * np.linalg.norm(net.separation(a, b))
            ),
            "jac": lambda y, a=a, b=b: slope(put(y), a, b),
        }
        for (a, b), s in zip(pairs, strains, strict=True)
    ]
    result = minimize(
        lambda y: finite_energy(net, k, net.lengths, put(y), cubic)[0],
        np.asarray(start).ravel()[free],
        jac=lambda y: finite_energy(net, k, net.lengths, put(y), cubic)[1][free],
        constraints=constraints,
        method="SLSQP",
        options={"maxiter": 2000, "ftol": 1e-15},
    )
    assert result.success, result.message
    return put(result.x).reshape(-1, d).copy(), result.fun


def frame_stiffness(net, modulus, section, shear, poisson, joint=np.inf):
    """Dense stiffness of a frame by the force method, strut by strut, written as a loop on purpose.

    ``section`` is (area, second moment) per strut, ``shear`` the correction factor; in 3D sections
    are circles. ``joint`` is the stiffness of a rotational spring at both ends of every strut.
    """
    d = net.dim
    width = 3 if d == 2 else 6
    size = net.n_nodes * width
    k = np.zeros((size, size))
    parts = np.broadcast_arrays(modulus, *section, joint, net.lengths)
    for b, (i, j) in enumerate(net.edges):
        e, area, second, spring, length = (float(p[b]) for p in parts)
        t = net.vectors[b] / length
        bend, slide = length / (e * second), 1 / (shear * e / (2 * (1 + poisson)) * area * length)
        flexible = np.array(
            [
                [bend / 3 + slide + 1 / spring, -bend / 6 + slide],
                [-bend / 6 + slide, bend / 3 + slide + 1 / spring],
            ]
        )
        rows, stiff = [_axial(net, width, t, i, j)], [np.array([[e * area / length]])]
        if d == 2:
            planes = [(np.array([-t[1], t[0]]), np.array([1.0]))]
        else:
            one = np.linalg.svd(t[None])[2][1]
            two = np.cross(t, one)
            planes = [(one, two), (two, -one)]  # moving along one is turning about the other
            twist = np.zeros(size)
            twist[width * j + 3 : width * j + 6], twist[width * i + 3 : width * i + 6] = t, -t
            rows.append(twist)
            stiff.append(np.array([[e / (2 * (1 + poisson)) * 2 * second / length]]))
        for across, axis in planes:
            for node in (i, j):
                row = -_axial(net, width, across, i, j) / length
                row[width * node + d : width * node + width] += axis
                rows.append(row)
            stiff.append(np.linalg.inv(flexible))
        deform = np.array(rows)
        k += deform.T @ block_diag(*stiff) @ deform
    return k


def _axial(net, width, t, i, j):
    row = np.zeros(net.n_nodes * width)
    row[width * j : width * j + net.dim], row[width * i : width * i + net.dim] = t, -t
    return row
