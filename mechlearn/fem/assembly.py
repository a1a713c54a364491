"""Assembly: energy, forces and stiffness of finite-element models at their state.

Matrices share their memory with PETSc wherever one rank has them alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.fenics import MPI, PETSc, dolfinx, fem, la, mesh, ufl
from mechlearn.linalg.solver import BorderedMatrix
from mechlearn.network import Network
from mechlearn.parallel import total

#: Compiled forms by their UFL signatures, without meshes or functions of their own.
_compiled: dict[str, dolfinx.fem.forms.CompiledForm] = {}


def compiled_form(form: ufl.Form) -> fem.Form:
    """A UFL form compiled for its mesh and functions.

    Loading a compiled form takes milliseconds; on one rank, each is loaded once in a process.
    """
    domain, signature = form.ufl_domain(), form.signature()
    on = mesh.Mesh(domain.ufl_cargo(), domain)
    # Compiling is collective: no rank of several may skip it.
    if on.comm.size > 1 or signature not in _compiled:
        _compiled[signature] = replace(fem.compile_form(on.comm, form), ufl_form=ufl.Form([]))
    return fem.create_form(
        replace(_compiled[signature], ufl_form=form),
        [argument.ufl_function_space() for argument in form.arguments()],
        on,
        {},
        {c: c for c in form.coefficients()},
        {c: c for c in form.constants()},
    )


class CellStrain:
    """Change of a periodic cell, the last degrees of freedom of the first rank.

    Attributes
    ----------
    network : Network
    cell : int
        How many unknowns the cell has as part of the state; 0 where it is rigid.
    cell_names : tuple of str
        Their names; see :mod:`mechlearn.fem.macroscopic_strain`.
    """

    network: Network
    cell: int
    cell_names: tuple[str, ...]
    _border: BorderedMatrix

    def cell_strain(self, local: NDArray) -> NDArray[np.float64]:
        """The cell's unknowns in a state (owned dofs, ...), on every rank, (c, ...)."""
        return self._border.split(local)[1]

    def affine(self, local: NDArray) -> NDArray[np.float64]:
        """Displacements of the nodes by the cell's strain, about their centre, (n, d, ...)."""
        x = self.network.nodes - self.network.nodes.mean(axis=0)
        tensors = strain_tensors(self.cell_strain(local), self.cell_names)
        return np.einsum("ij...,nj->ni...", tensors, x)

    def cell_stiffness(self) -> float:
        """Mean stiffness of a bond against strains of the cell; 0 where it is rigid."""
        each = self._border.C.diagonal() / np.square(self.network.lengths).sum()
        return float(np.abs(each).mean()) if self.cell else 0.0

    def stiffen_cell(self, unknowns: Iterable[int], stiffness: float) -> None:
        """Add springs to some unknowns of the cell, after the stiffness was assembled."""
        added = np.isin(np.arange(self.cell), list(unknowns))
        self._border.C = self._border.C + np.diag(stiffness * added)


class BaseModel(CellStrain, ABC):
    """Energy and forces of a finite-element model at its state.

    Subclasses set the attributes, and make the forms of the energy and of its derivative
    (``_energy_form``, ``_force_form``) and a vector for the latter (``_vector``).

    Attributes
    ----------
    comm : MPI communicator
    state : dolfinx.fem.Function
    local_free : (owned dofs,) bool array
        Which degrees of freedom no support holds by itself.
    """

    comm: MPI.Comm
    state: fem.Function
    local_free: NDArray[np.bool_]
    n_owned: int
    #: Unknowns of the cell.
    cell = 0
    _energy_form: fem.Form
    _force_form: fem.Form
    _vector: la.Vector

    def put_state(self, local: NDArray) -> None:
        """Set the state from owned degrees of freedom, and tell the neighbouring ranks."""
        self.state.x.array[: self.n_owned] = local[: self.n_owned]
        self.state.x.scatter_forward()

    def _given(self, form: fem.Form) -> dict[str, Any]:
        """Assembly arguments of a form, from cached coefficients."""
        return {}

    def load_at_rest(self) -> NDArray[np.float64] | None:
        """Forces of prestress at zero displacement, or None.

        The state is then at rest.
        """
        self.put_state(np.zeros(len(self.local_free)))
        load = self.local_force()
        return load if total(self.comm, int(np.any(load))) else None

    def total_energy(self) -> float:
        """Elastic energy of the whole model at the state."""
        form = self._energy_form
        return total(self.comm, fem.assemble_scalar(form, **self._given(form)))

    def energy_at_rest(self) -> float:
        """Elastic energy of the whole model at zero displacement."""
        self.put_state(np.zeros(len(self.local_free)))
        return self.total_energy()

    def local_force(self) -> NDArray[np.float64]:
        """``dU/du`` at the owned degrees of freedom, zero at supports."""
        b, n = self._vector, self.n_owned
        force = b.array
        force[:] = 0
        fem.assemble_vector(force, self._force_form, **self._given(self._force_form))
        b.scatter_reverse(la.InsertMode.add)
        return self.obeyed(force[:n])

    def obeyed(self, local: NDArray) -> NDArray[np.float64]:
        """Projection of displacements, or forces, (owned dofs,), on the supports."""
        return np.where(self.local_free[: len(local)], local, 0.0)

    def shift(self, matrix: PETSc.Mat, springs: NDArray) -> None:
        """Add springs to the ground, one per owned degree of freedom, to a stiffness matrix."""
        diagonal = matrix.createVecLeft()
        diagonal.array[:] = springs[: self.n_owned]
        matrix.setDiagonal(diagonal, addv=PETSc.InsertMode.ADD_VALUES)
        diagonal.destroy()
        if self.cell:
            # The cell's strain moves all bonds at once, and its stiffness grows with their number.
            each = self._border.split(springs)[1]
            self._border.C = self._border.C + np.diag(each * self.network.n_edges)

    def stiffen_along(self, matrix: PETSc.Mat, rows: sparse.csr_array, moduli: NDArray) -> None:
        """Add ``rows^T moduli rows`` to a matrix; rows (k, owned dofs) are of one node each."""
        first = matrix.getOwnershipRange()[0]
        entries = (rows.T @ sparse.csr_array(moduli) @ rows).tocoo()
        for i, j, value in zip(*entries.coords, entries.data, strict=True):
            matrix.setValue(first + i, first + j, value, addv=PETSc.InsertMode.ADD_VALUES)
        matrix.assemble()

    def mean_stiffness(self, matrix: PETSc.Mat, arm: NDArray | None = None) -> float:
        """Mean of a stiffness matrix's diagonal where no support holds.

        Rotations count as displacements at the end of an ``arm``, (owned dofs,), if given.
        """
        diagonal = matrix.getDiagonal().array
        free = self.local_free[: len(diagonal)]
        each = diagonal if arm is None else diagonal / arm[: len(diagonal)] ** 2
        whole, count = total(self.comm, np.array([each[free].sum(), np.count_nonzero(free)]))
        return float(whole / max(count, 1))

    @abstractmethod
    def to_bonds(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned bonds, shape (..., bonds), as one row per bond on every rank."""

    def to_elements(self, name: str, local: NDArray) -> NDArray[np.float64]:
        """Values of the owned elements with a parameter, (..., owned), of all on every rank."""
        return self.to_bonds(local)

    # -- what only models know whose mesh depends on the parameters --------------------------------

    def renew(self) -> bool:
        """Remesh for the present parameters; True if that was needed."""
        return False

    def memory(self) -> dict[str, NDArray]:
        """State of the mesh beside network and parameters."""
        return {}

    def recall(self, memory: Mapping[str, NDArray]) -> bool:
        """Restore the mesh of a :meth:`memory`; True if it differs from the present one."""
        return False

    # -- what only bonds know ----------------------------------------------------------------------

    def superpose(self, columns: NDArray) -> Any:
        """Superposition of some states (owned dofs, columns), or None: of linear bonds only."""
        return None

    # -- what only bodies know ---------------------------------------------------------------------

    def inverted(self) -> bool:
        """True if cells are inverted in the state; never for bonds."""
        return False

    def counts(self) -> dict[str, int]:
        """Sizes of the mesh for summary.json."""
        return {}

    def warnings(self, states: NDArray) -> list[str]:
        """Warnings about some states (owned dofs, k), in sentences."""
        return []


class PackedCoefficients:
    """Coefficients of forms on all owned cells, packed and cached between assemblies.

    DOLFINx gathers the numbers of every function anew for each form that it assembles. For bonds,
    whose forms are short, that is half of the work; the forms of one network take the same
    functions, and from one evaluation to the next only its state is another.

    Parameters
    ----------
    form : dolfinx.fem.Form
        One that has the functions.
    state : dolfinx.fem.Function
        One of them, on an element whose numbers need no transformation, as those of intervals.
    """

    def __init__(self, form: fem.Form, state: fem.Function) -> None:
        self._form, self._state = form, state
        self._functions = _functions(form)
        self._known: dict[fem.Form, bool] = {}
        self._constants = fem.pack_constants(form)
        self._numbers: dict[Any, NDArray] = {}
        sizes = [f.function_space.element.space_dimension for f in self._functions]
        place = [f is state._cpp_object for f in self._functions].index(True)
        first = sum(sizes[:place])
        self._columns = slice(first, first + sizes[place])
        self._moved = False

    def renew(self) -> None:
        """Note that functions have changed."""
        self._numbers = {}

    def move(self) -> None:
        """Note that only the state has changed."""
        self._moved = True

    @cached_property
    def _dofs(self) -> NDArray[np.int32]:
        """State dofs of every cell."""
        dofmap = self._state.function_space.dofmap
        parts = np.arange(dofmap.bs, dtype=np.int32)
        return (dofmap.bs * dofmap.list[:, :, None] + parts).reshape(
            len(dofmap.list), dofmap.list.shape[1] * dofmap.bs
        )

    def given(self, form: fem.Form) -> dict[str, Any]:
        """Arguments for an assembly of a form; none where it has other functions."""
        if form not in self._known:
            theirs = _functions(form)
            alike = [a is b for a, b in zip(theirs, self._functions, strict=False)]
            self._known[form] = all(alike) and len(theirs) == len(self._functions)
        if not self._known[form]:
            return {}
        if not self._numbers:
            self._numbers = fem.pack_coefficients(self._form)
        elif self._moved:
            (numbers,) = self._numbers.values()
            numbers[:, self._columns] = self._state.x.array.take(self._dofs[: len(numbers)])
        self._moved = False
        return {"constants": self._constants, "coeffs": self._numbers}


def _functions(form: fem.Form) -> list[Any]:
    """The functions in a form, in the order of their numbers."""
    return list(form._cpp_object.coefficients)
