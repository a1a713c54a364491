"""Imports of DOLFINx and PETSc, from wheels or conda packages alike.

The PyPI wheel must set itself up before DOLFINx or petsc4py is imported; conda's package has no
such step. Everything that needs them says ``from mechlearn.fenics import PETSc, fem, mesh, ufl``.
"""

import importlib.util
import sys
from functools import singledispatchmethod
from unittest.mock import patch

from mechlearn.environment import prepare

if importlib.util.find_spec("dolfinx_solver"):
    import dolfinx_solver  # noqa: F401

import basix.ufl as basix_ufl
import petsc4py

# DOLFINx reads the arguments of the process, which are not for it, and may be no Unicode.
# Signals are Python's: PETSc would end the process where the reader of a pipe or socket has gone.
with patch.object(sys, "argv", ["mechlearn"]):
    prepare()
    petsc4py.init(["mechlearn", "-no_signal_handler"])
    import dolfinx

import dolfinx.cpp.log
import dolfinx.fem.petsc
import ufl
from dolfinx import fem, la, mesh
from mpi4py import MPI
from petsc4py import PETSc
from ufl.corealg.dag_traverser import DAGTraverser


def _no_method_caches(kind: type) -> None:
    """Switch off caches of methods by object, of UFL's traversers of expressions.

    Up to Python 3.13.1 they keep every object whose method was ever called, and with it the
    functions of its expressions and their communicators, of which MPI has 2,048:
    https://github.com/python/cpython/issues/127750.
    """
    for method in vars(kind).values():
        if isinstance(method, singledispatchmethod):
            method._method_cache = None  # type: ignore[attr-defined]
    others: list[type] = kind.__subclasses__()
    for other in others:
        _no_method_caches(other)


if sys.version_info < (3, 13, 2):
    _no_method_caches(DAGTraverser)

dolfinx.cpp.log.set_log_level(dolfinx.cpp.log.LogLevel.WARNING)
# Else PETSc prints a warning at the end of a run that stopped before its first factorisation.
PETSc.Options().setValue("options_left", "no")

__all__ = ["MPI", "PETSc", "basix_ufl", "dolfinx", "fem", "la", "mesh", "ufl"]
