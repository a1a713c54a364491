"""Assembly: energy, forces and stiffness of finite-element models at their state.

Matrices share their memory with PETSc wherever one rank has them alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from mechlearn.fenics import MPI, PETSc, dolfinx, fem, la, mesh, ufl
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


class BaseModel:
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

    def mean_stiffness(self, matrix: PETSc.Mat, arm: NDArray | None = None) -> float:
        """Mean of a stiffness matrix's diagonal where no support holds.

        Rotations count as displacements at the end of an ``arm``, (owned dofs,), if given.
        """
        diagonal = matrix.getDiagonal().array
        free = self.local_free[: len(diagonal)]
        each = diagonal if arm is None else diagonal / arm[: len(diagonal)] ** 2
        whole, count = total(self.comm, np.array([each[free].sum(), np.count_nonzero(free)]))
        return float(whole / max(count, 1))

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

    def cell_stiffness(self) -> float:
        """Mean stiffness of a bond against strains of the cell; 0 where there is none."""
        return 0.0

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


class FormMatrix:
    """Sum of forms with the same pattern, with unit rows and columns at supports.

    On one rank DOLFINx assembles into memory that the PETSc matrix shares; PETSc's own insertion
    takes twice as long.

    Parameters
    ----------
    form : dolfinx.fem.Form
        One of those that will be summed.
    supports : sequence of dolfinx.fem.DirichletBC
    comm : MPI communicator
    width : int
        How many degrees of freedom a node has, one after the other.

    Attributes
    ----------
    matrix : PETSc.Mat
        Always the same.
    """

    def __init__(
        self, form: fem.Form, supports: Sequence[fem.DirichletBC], comm: MPI.Comm, width: int
    ) -> None:
        self._supports = supports
        self._shared: la.MatrixCSR | None = None
        if comm.size > 1:
            self.matrix = fem.petsc.create_matrix(form)
            return
        mode = dolfinx.cpp.la.BlockMode.expanded
        self._shared = shared = fem.create_matrix(form, block_mode=mode)
        size = len(shared.indptr) - 1
        self.matrix = in_place((size, size), shared.indptr, shared.indices, shared.data)
        self.matrix.setBlockSize(width)

    def start(self) -> None:
        """Begin with zero."""
        if self._shared is not None:
            self._shared.set_value(0.0)
        else:
            self.matrix.zeroEntries()

    def add(self, form: fem.Form, **given: Any) -> None:
        """Add a form; what is ``given`` are arguments of its assembly."""
        if self._shared is not None:
            fem.assemble_matrix(self._shared, form, bcs=self._supports, **given)
            return
        # Unit diagonals were inserted; without this, what is added next is dropped in silence.
        self.matrix.assemble(PETSc.Mat.AssemblyType.FLUSH)
        fem.petsc.assemble_matrix(self.matrix, form, bcs=self._supports, **given)

    def finish(self) -> PETSc.Mat:
        """The matrix, ready for a solver."""
        self.matrix.assemble()
        self.matrix.stateIncrease()
        return self.matrix


class BondStiffness:
    """Stiffness matrix of linear bonds, ``B^T D B``, with unit rows and columns at supports.

    ``B u`` are the strains of the bonds, and ``D`` their moduli, the second derivatives of the
    energy by the strains. ``B`` and the pattern stay as long as the network does; new parameters
    cost one product of a sparse matrix and a vector, and no pass over the mesh.

    Parameters
    ----------
    operator : (cells k, dofs) sparse array
        ``B``: the ``k`` strains of the first cell, then those of the second, and so on.
    strains : int
        ``k``.
    free : (dofs,) bool array
        Which degrees of freedom no support holds.
    width : int
        How many degrees of freedom a node has, one after the other.

    Attributes
    ----------
    matrix : PETSc.Mat
        On one rank; its pattern has the whole diagonal.
    """

    def __init__(
        self, operator: sparse.csr_array, strains: int, free: NDArray[np.bool_], width: int
    ) -> None:
        size = operator.shape[1]
        b = operator.tocoo()
        kept = free[b.col] & (b.data != 0)
        row, dof, value = b.row[kept], b.col[kept].astype(np.int64), b.data[kept]
        cell, strain = np.divmod(row, strains)
        # All pairs of entries of the same cell: each makes one term of one entry of K.
        order = np.argsort(cell, kind="stable")
        cell, strain, dof, value = (x[order] for x in (cell, strain, dof, value))
        starts = np.searchsorted(cell, np.arange(operator.shape[0] // strains + 1))
        count = np.diff(starts)[cell]
        first = np.repeat(np.arange(len(cell)), count)
        second = np.arange(len(first)) - np.repeat(np.cumsum(count) - count - starts[cell], count)
        keys = np.concatenate([dof[first] * size + dof[second], np.arange(size) * (size + 1)])
        pattern, place = np.unique(keys, return_inverse=True)
        modulus = (cell[first] * strains + strain[first]) * strains + strain[second]
        terms = sparse.csr_array(
            (value[first] * value[second], (place[: len(first)], modulus)),
            shape=(len(pattern), operator.shape[0] * strains),
        )
        unit = np.zeros(len(pattern))
        unit[place[len(first) :]] = ~free
        rows, columns = np.divmod(pattern, size)
        pointer = np.searchsorted(rows, np.arange(size + 1))
        values, self._moduli = unit.copy(), np.zeros(terms.shape[1])
        self.matrix = in_place((size, size), pointer, columns, values)
        self.matrix.setBlockSize(width)
        self._map = in_place(terms.shape, terms.indptr, terms.indices, terms.data)
        # The product is written to where the matrix has its numbers.
        self._vectors = [
            PETSc.Vec().createWithArray(array, comm=PETSc.COMM_SELF)
            for array in (self._moduli, unit, values)
        ]

    def assemble(self, moduli: NDArray) -> PETSc.Mat:
        """Stiffness matrix for given moduli, (cells, k, k); always the same Mat."""
        self._moduli[:] = moduli.ravel()
        self._map.multAdd(*self._vectors)
        self.matrix.assemble()
        self.matrix.stateIncrease()
        return self.matrix


class SparseProduct:
    """Products of one sparse matrix with blocks of columns on this rank, in reused memory.

    SciPy's take twice as long for a few columns, and most of that for small matrices before they
    begin.

    Parameters
    ----------
    matrix : scipy.sparse.csr_array
    """

    def __init__(self, matrix: sparse.csr_array) -> None:
        self._matrix = in_place(matrix.shape, matrix.indptr, matrix.indices, matrix.data)
        self._given = np.empty((0, 0))
        self._blocks: tuple[PETSc.Mat, ...] = ()
        self._found = np.empty((0, 0))

    def with_columns(self, given: NDArray) -> NDArray[np.float64]:
        """The product with every column of an array (columns, k), shape (k, rows).

        It is a view of what the next product is written to.
        """
        if given.shape != self._given.shape:
            for block in self._blocks:
                block.destroy()
            self._given = np.zeros(given.shape, order="F")
            block = PETSc.Mat().createDense(given.shape, array=self._given, comm=PETSc.COMM_SELF)
            block.assemble()
            self._blocks = block, self._matrix.matMult(block)
            self._found = self._blocks[1].getDenseArray().T
        self._given[:] = given
        self._matrix.matMult(*self._blocks)
        return self._found


def in_place(
    shape: tuple[int, int], pointer: NDArray, columns: NDArray, values: NDArray
) -> PETSc.Mat:
    """PETSc matrix of this rank alone that shares the memory of its ``values`` in CSR format."""
    pattern = (part.astype(PETSc.IntType, copy=False) for part in (pointer, columns))
    return PETSc.Mat().createAIJWithArrays(shape, (*pattern, values), comm=PETSc.COMM_SELF)
