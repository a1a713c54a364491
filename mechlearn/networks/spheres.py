"""Soft discs and spheres in a periodic box, relaxed to mechanical equilibrium.

Two particles of diameters ``a`` and ``b`` at distance ``r`` repel with the energy
``(1 - r/s)^2 / 2`` as long as ``r < s = (a + b)/2``: the harmonic model of C. S. O'Hern,
L. E. Silbert, A. J. Liu and S. R. Nagel, Phys. Rev. E 68, 011306 (2003),
https://doi.org/10.1103/PhysRevE.68.011306. Energies are in units of the contact's energy scale.

A way to equilibrium near jamming is chaotic: a last digit that differs grows until other particles
touch. Everything on it is therefore computed by operations that IEEE 754 rounds in one way
(+, -, *, /, square roots), in one order: by ``spheres.c``, and here without BLAS, powers or
logarithms. What comes out is the same to the last bit on every processor.
"""

import ctypes
import hashlib
import math
import os
import platform
import shutil
import subprocess
import sysconfig
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mechlearn.environment import cache_folder
from mechlearn.errors import MechlearnError, SolveError

#: Largest force left on a particle, in units of the mean contact force; or what rounding allows.
TOLERANCE = 1e-10
#: What Newton's method aims at.
POLISHED = 1e-13
#: No multiplication and addition is fused, nothing reordered, and no instruction used that only
#: some processors have: the code then gives the same numbers, to the last bit, on all.
FLAGS = ("-O2", "-fPIC", "-shared", "-ffp-contract=off", "-fno-fast-math")


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
        """Overlapping pairs."""
        pairs, vectors, lengths, reach = self._near(0.0)
        touch = lengths < reach
        return Contacts(pairs[touch], vectors[touch], lengths[touch], reach[touch])

    def contact_margin(self) -> float:
        """Smallest ``|1 - r/s|`` of all pairs, over the mean relative overlap."""
        _, _, lengths, reach = self._near(1e-3)
        gaps = 1 - lengths / reach
        return float(np.abs(gaps).min() * np.count_nonzero(gaps > 0) / math.fsum(gaps[gaps > 0]))

    def only(self, keep: NDArray) -> "Spheres":
        """A subset of the particles, by ids or a mask."""
        return Spheres(self.positions[keep], self.side, self.diameters[keep])

    def scaled(self) -> "Spheres":
        """The packing in units of its mean diameter."""
        f = len(self.diameters) / math.fsum(self.diameters)
        return Spheres(self.positions * f, self.side * f, self.diameters * f)

    def _near(self, skin: float) -> tuple[NDArray, NDArray, NDArray, NDArray]:
        """Pairs closer than contact plus ``skin``: ids, vectors, distances, sums of the radii."""
        x, a = np.ascontiguousarray(self.positions), np.ascontiguousarray(self.diameters)
        n, d = x.shape
        room = 8 * n
        while True:
            pairs = np.empty((room, 2), dtype=np.int32)
            count = _code().mechlearn_near(
                n, d, _at(x), self.side, _at(a), skin, pairs.ctypes.data, room
            )
            if count < 0:
                raise MemoryError
            if count <= room:
                break
            room = count
        i, j = pairs = pairs[:count].T.astype(np.int64)
        v = x[j] - x[i]
        v -= self.side * np.rint(v / self.side)
        return pairs.T, v, np.sqrt(_squared_lengths(v)), 0.5 * (a[i] + a[j])


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


def random_spheres(
    diameters: NDArray, dim: int, fraction: float, rng: np.random.Generator
) -> Spheres:
    """Random particles in a box of which they fill ``fraction``, overlaps ignored."""
    squares = diameters * diameters
    volume = math.fsum(squares * math.pi / 4 if dim == 2 else squares * diameters * math.pi / 6)
    side = box_side(volume / fraction, dim)
    return Spheres(rng.random((len(diameters), dim)) * side, side, diameters)


def box_side(value: float, dim: int) -> float:
    """Side of a square (``dim`` 2) or cube (3) of this size, equal on all processors."""
    if dim == 2:
        return math.sqrt(value)
    side = max(value, 1.0)
    while True:
        lower = side - (side - value / (side * side)) / 3
        if lower >= side:  # Newton's method falls towards the root until rounding stops it
            return side
        side = lower


def relax(spheres: Spheres, pressure: float, patience: int = 200_000) -> Spheres:
    """Minimise the enthalpy ``E + p V`` over the positions and the box, to force balance.

    Far from equilibrium quasi-Newton steps (L-BFGS) lead; Newton's method in a trust region, with
    the exact Hessian, finishes, because contacts near jamming have modes too soft for anything of
    first order.

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
    relaxed, error = _minimised(spheres, pressure, POLISHED, patience)
    overlaps = relaxed.contacts().overlaps
    # Distances are only known to rounding, which near jamming is not small beside overlaps.
    finest = (
        20 * np.finfo(float).eps * relaxed.side * len(overlaps) / max(math.fsum(overlaps), 1e-300)
    )
    if not len(overlaps) or not error <= max(TOLERANCE, finest):
        raise SolveError(
            f"The packing of {len(spheres.diameters)} particles did not reach force balance at "
            f"pressure {pressure:g}; another seed or a higher pressure will do."
        )
    return relaxed


def quench(spheres: Spheres, iterations: int) -> Spheres:
    """L-BFGS minimisation of the energy in a fixed box, to a rough tolerance."""
    return _minimised(spheres, None, 1e-2, iterations)[0]


def largest_ball(
    centres: NDArray, radii: NDArray, overlap: float
) -> tuple[NDArray[np.float64], float]:
    """Centre and radius of the largest ball near the origin between given balls.

    Parameters
    ----------
    centres : (k, d) array
    radii : (k,) array
    overlap : float
        By how much it overlaps those that hold it, on average.
    """
    centres, radii = np.ascontiguousarray(centres), np.ascontiguousarray(radii)
    d = centres.shape[1]
    y = np.zeros(d)
    radius = ctypes.c_double((np.sqrt(_squared_lengths(centres)) - radii).min())
    _code().mechlearn_swell(
        len(radii), d, _at(centres), _at(radii), overlap, _at(y), ctypes.byref(radius)
    )
    return y, radius.value


def _minimised(
    spheres: Spheres, pressure: float | None, tolerance: float, steps: int
) -> tuple[Spheres, float]:
    """Particles after minimisation, and the largest net force over the mean contact force."""
    if not np.isfinite(spheres.positions).all() or not 0 < spheres.side < np.inf:
        raise SolveError("The particles are not at finite places in a box of a finite size.")
    side = ctypes.c_double(spheres.side)
    # Neighbours in space become neighbours in memory.
    order = np.lexsort(np.floor(spheres.positions / 2).T)
    x = np.ascontiguousarray(spheres.positions[order])
    diameters = np.ascontiguousarray(spheres.diameters[order])
    n, d = x.shape
    error = _code().mechlearn_relax(
        n, d, _at(x), ctypes.byref(side), _at(diameters), pressure or 0.0, pressure is not None,
        tolerance, steps,
    )  # fmt: skip
    if error < 0:
        raise MemoryError
    positions = np.empty_like(x)
    positions[order] = x
    return Spheres(positions, side.value, spheres.diameters), error


def _squared_lengths(v: NDArray) -> NDArray[np.float64]:
    """Squared lengths of vectors, summed in a fixed order."""
    total = v[:, 0] * v[:, 0]
    for c in v.T[1:]:
        total = total + c * c
    return total


def _at(a: NDArray) -> int:
    assert a.dtype == np.float64
    assert a.flags.c_contiguous
    return a.ctypes.data


@cache
def _code() -> ctypes.CDLL:
    """Functions of ``spheres.c``."""
    code = library(Path(__file__).with_suffix(".c"))
    number, whole, array = ctypes.c_double, ctypes.c_int, ctypes.c_void_p
    code.mechlearn_relax.restype = number
    code.mechlearn_relax.argtypes = [
        whole, whole, array, array, array, number, whole, number, whole,
    ]  # fmt: skip
    code.mechlearn_near.restype = whole
    code.mechlearn_near.argtypes = [whole, whole, array, number, array, number, array, whole]
    code.mechlearn_swell.restype = None
    code.mechlearn_swell.argtypes = [whole, whole, array, array, number, array, array]
    return code


@cache
def library(source: Path) -> ctypes.CDLL:
    """The shared library compiled from a C file.

    Parameters
    ----------
    source : Path

    Raises
    ------
    MechlearnError
        Where there is no compiler, or it refuses; the message has its last words.
    """
    code = source.read_bytes()
    key = hashlib.sha256(code + repr((FLAGS, platform.machine(), os.name)).encode()).hexdigest()
    kept = cache_folder() / f"libmechlearn_{source.stem}_{key[:20]}.so"
    if kept.exists():
        try:
            return ctypes.CDLL(str(kept))
        except OSError:
            pass  # half of a file, or of another system that shares the folder
    with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
        made = Path(folder, kept.name)
        _compile(source, made)
        os.replace(made, kept)  # at once: other processes may be looking for it
    return ctypes.CDLL(str(kept))


def _compile(source: Path, target: Path) -> None:
    named = [os.environ.get("CC"), sysconfig.get_config_var("CC"), "cc", "gcc", "clang"]
    found = next((c for c in named if c and shutil.which(c.split()[0])), None)
    if found is None:
        raise MechlearnError(
            "No C compiler was found, and packings need one as DOLFINx does: install gcc or clang, "
            "or name one in the environment variable CC."
        )
    done = subprocess.run(
        [*found.split(), *FLAGS, "-o", str(target), str(source), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise MechlearnError(
            f"The C compiler '{found}' could not compile {source.name}: "
            f"{done.stderr.strip()[-500:]}"
        )
