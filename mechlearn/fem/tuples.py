"""Elements on tuples of nodes, such as angles and creases: forms on a mesh of their own.

An element on three and more nodes has no cell of a mesh: it is a row of node numbers, and its
energy a UFL expression of these nodes' vectors. FFCx compiles that for a mesh with one cell per
element, on which the nodes' vectors are constants. A rank evaluates the elements whose first nodes
it owns.
"""

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.energies.tuples import TupleEnergy
from mechlearn.fem.assembly import compiled_form
from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.fem.mesh import BondMesh
from mechlearn.fenics import MPI, PETSc, fem, mesh, ufl


class TupleForms:
    """Energy of elements on node tuples and its derivatives, element by element.

    Parameters
    ----------
    energy : TupleEnergy
    reference : (n, k, d) array
        Where the nodes of every element are at rest; in a periodic network side by side.
    """

    def __init__(self, energy: TupleEnergy, reference: NDArray) -> None:
        self.energy, self.shape = energy, reference.shape
        n, k, d = reference.shape
        domain = mesh.create_interval(MPI.COMM_SELF, n, (0.0, 1.0))
        # DOLFINx numbers cells as it likes.
        self._order = np.asarray(domain.topology.original_cell_index)
        self._each = fem.functionspace(domain, ("DG", 0))
        self._nodes = fem.functionspace(domain, ("DG", 0, (k * d,)))
        rest, self._state, self._move = (fem.Function(self._nodes) for _ in range(3))
        self._put(rest, reference)
        self._parameters = {p.name: fem.Function(self._each) for p in energy.parameters}
        before = _vectors(rest, k, d)
        now = [x + u for x, u in zip(before, _vectors(self._state, k, d), strict=True)]
        self._strains = energy.strain(now, before)
        named = dict(zip(energy.strains, self._strains, strict=True))
        # The integral over a cell is the energy of its element.
        self._dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 0})
        self._density = energy.energy(**named, **self._parameters) / ufl.CellVolume(domain)
        self._force = ufl.derivative(
            self._density * self._dx, self._state, ufl.TestFunction(self._nodes)
        )
        self._forms: dict[str, fem.Form] = {}

    def set(self, **parameters: ArrayLike) -> None:
        """Set parameters, each one number or one per element."""
        for name, values in parameters.items():
            self._put(self._parameters[name], np.broadcast_to(values, self.shape[0]))

    def put_state(self, moves: NDArray) -> None:
        """Set the displacements of the nodes of every element, (n, k, d)."""
        self._put(self._state, moves)

    def energies(self) -> NDArray[np.float64]:
        """Energy of every element, (n,)."""
        share = ufl.TestFunction(self._each)
        return self._per_element("energies", lambda: share * self._density * self._dx)

    def forces(self) -> NDArray[np.float64]:
        """Derivatives of the energy by the nodes of every element, (n, k, d)."""
        return self._per_element("forces", lambda: self._force).reshape(self.shape)

    def stiffnesses(self) -> NDArray[np.float64]:
        """Second derivatives, (n, k d, k d)."""
        n, k, d = self.shape
        form, matrix = self._tangent
        matrix.zeroEntries()
        fem.petsc.assemble_matrix(matrix, form)
        matrix.assemble()
        out = np.empty((n, k * d, k * d))
        out[self._order] = matrix.getValuesCSR()[2].reshape(out.shape)
        return out

    @cached_property
    def _tangent(self) -> tuple[fem.Form, PETSc.Mat]:
        by = ufl.derivative(self._force, self._state, ufl.TrialFunction(self._nodes))
        form = compiled_form(by)
        return form, fem.petsc.create_matrix(form)

    def sensitivities(self, name: str) -> NDArray[np.float64]:
        """Derivatives of every element's energy by a parameter of it, (n,)."""
        return self._per_element(f"by {name}", lambda: self._by(name))

    def sensitivity_rates(self, name: str, moves: NDArray) -> NDArray[np.float64]:
        """Rates of :meth:`sensitivities` as the nodes of every element move, (n, k, d)."""
        self._put(self._move, moves)
        return self._per_element(
            f"rate by {name}", lambda: ufl.derivative(self._by(name), self._state, self._move)
        )

    def strain(self) -> NDArray[np.float64]:
        """Change of every element from the reference configuration, (n,)."""
        share, volume = ufl.TestFunction(self._each), ufl.CellVolume(self._each.mesh)
        return self._per_element("strain", lambda: share * self._strains[0] / volume * self._dx)

    def strain_slopes(self) -> NDArray[np.float64]:
        """Derivatives of :meth:`strain` by the nodes of every element, (n, k, d)."""
        test, volume = ufl.TestFunction(self._nodes), ufl.CellVolume(self._each.mesh)
        density = self._strains[0] / volume * self._dx
        found = self._per_element(
            "strain slopes", lambda: ufl.derivative(density, self._state, test)
        )
        return found.reshape(self.shape)

    def _by(self, name: str) -> Any:
        parameter, share = self._parameters[name], ufl.TestFunction(self._each)
        return ufl.derivative(self._density * self._dx, parameter, share)

    def _form(self, name: str, make: Callable[[], Any]) -> fem.Form:
        if name not in self._forms:
            self._forms[name] = compiled_form(make())
        return self._forms[name]

    def _per_element(self, name: str, make: Callable[[], Any]) -> NDArray[np.float64]:
        found = fem.assemble_vector(self._form(name, make)).array.reshape(self.shape[0], -1)
        out = np.empty_like(found)
        out[self._order] = found
        return out[:, 0] if out.shape[1] == 1 else out

    def _put(self, function: fem.Function, values: NDArray) -> None:
        function.x.array[:] = np.reshape(values, (self.shape[0], -1))[self._order].ravel()


def _vectors(function: fem.Function, k: int, d: int) -> list:
    """Vectors of the nodes of an element."""
    return [ufl.as_vector([function[d * i + c] for c in range(d)]) for i in range(k)]


class TupleElements:
    """Elements of one kind on the node tuples of a network, those of this rank.

    Parameters
    ----------
    energy : TupleEnergy
    mesh : BondMesh
        With the nodes of this rank's tuples among its own and its ghosts.

    Attributes
    ----------
    values : dict of (t,) arrays
        Parameters by name, in the order of the network's table.
    """

    def __init__(self, energy: TupleEnergy, mesh: BondMesh) -> None:
        self.energy, self.mesh, self.cell = energy, mesh, mesh.cell
        network, table = mesh.network, energy.table
        rows, places = network.tuples[table], network.tuple_places(table)
        mine = mesh.tuples_owned(table)
        count = (rows[mine] >= 0).sum(axis=1)
        # Polygons of one number of nodes have one form.
        sizes = np.unique(count)
        self._groups = [np.flatnonzero(count == k) for k in sizes]
        self._own, self._n = mine, network.count(table)
        self._forms, self._dofs, self._affine = [], [], []
        d = network.dim
        for k, group in zip(sizes, self._groups, strict=True):
            x = places[mine[group], :k]
            self._forms.append(TupleForms(energy, x))
            self._dofs.append(mesh.dofs_of_nodes(rows[mine[group], :k])[..., :d])
            if self.cell:
                units = strain_tensors(np.eye(self.cell), d)  # (d, d, c)
                self._affine.append(np.einsum("ijc,nkj->nkic", units, x))
        self.values = {p.name: p.values(network) for p in energy.parameters}
        self.set(**self.values)

    @property
    def nodes(self) -> list[NDArray[np.int64]]:
        """Blocks of degrees of freedom of the nodes of elements, (n, k) by their number."""
        return [dofs[..., 0] // self.mesh.width for dofs in self._dofs]

    def set(self, **parameters: NDArray) -> None:
        """Set parameters, (t,) each, in the order of the network's table."""
        for name, values in parameters.items():
            self.values[name] = np.broadcast_to(values, self._n).astype(float)
            for group, forms in zip(self._groups, self._forms, strict=True):
                forms.set(**{name: self.values[name][self._own[group]]})

    def put_state(self, state: NDArray, strain: NDArray) -> None:
        """Set the state, (local dofs,) with ghosts, and the cell's strain, (c,)."""
        for forms, moves in zip(self._forms, self._moves(state, strain), strict=True):
            forms.put_state(moves)

    def _moves(self, state: NDArray, strain: NDArray) -> list[NDArray[np.float64]]:
        moves = [state[dofs] for dofs in self._dofs]
        return (
            [m + a @ strain for m, a in zip(moves, self._affine, strict=True)]
            if self.cell
            else moves
        )

    def energies(self) -> NDArray[np.float64]:
        """Energy of every owned element."""
        return self._gathered(forms.energies() for forms in self._forms)

    def add_forces(self, into: NDArray) -> NDArray[np.float64]:
        """Add derivatives by the state to (local dofs,); returns those by the cell's strain."""
        by_cell = np.zeros(self.cell)
        for k, (forms, dofs) in enumerate(zip(self._forms, self._dofs, strict=True)):
            forces = forms.forces()
            np.add.at(into, dofs, forces)
            if self.cell:
                by_cell += np.einsum("nkic,nki->c", self._affine[k], forces)
        return by_cell

    def stiffness(self, size: int) -> tuple[sparse.coo_array, NDArray, NDArray]:
        """Second derivatives by the state, (size, size), by it and the cell's strain, by this."""
        rows, columns, values = [], [], []
        border, corner = np.zeros((size, self.cell)), np.zeros((self.cell, self.cell))
        for k, (forms, dofs) in enumerate(zip(self._forms, self._dofs, strict=True)):
            flat, each = dofs.reshape(len(dofs), -1), forms.stiffnesses()
            wide = flat.shape[1]
            rows.append(np.repeat(flat, wide, axis=1).ravel())
            columns.append(np.tile(flat, (1, wide)).ravel())
            values.append(each.ravel())
            if self.cell:
                affine = self._affine[k].reshape(*flat.shape, self.cell)
                pull = each @ affine
                np.add.at(border, flat, pull)
                corner += np.einsum("nia,nib->ab", affine, pull)
        if not values:
            return sparse.coo_array((size, size)), border, corner
        entries = np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))
        return sparse.coo_array(entries, shape=(size, size)), border, corner

    def sensitivities(self, name: str) -> NDArray[np.float64]:
        """Derivatives of every owned element's energy by a parameter."""
        return self._gathered(forms.sensitivities(name) for forms in self._forms)

    def sensitivity_rates(self, name: str, rate: NDArray, strain: NDArray) -> NDArray[np.float64]:
        """Rates of :meth:`sensitivities` for rates of the state and of the cell's strain."""
        moves = self._moves(rate, strain)
        return self._gathered(
            forms.sensitivity_rates(name, move)
            for forms, move in zip(self._forms, moves, strict=True)
        )

    def strain(self) -> NDArray[np.float64]:
        """Change of every owned element from the reference configuration."""
        return self._gathered(forms.strain() for forms in self._forms)

    def to_all(self, local: NDArray) -> NDArray[np.float64]:
        """Values of owned elements, (..., owned), as (..., t) in the user's order on every rank."""
        out = np.zeros((*local.shape[:-1], self._n))
        out[..., self._own] = local
        if self.mesh.comm.size > 1:
            self.mesh.comm.Allreduce(MPI.IN_PLACE, out, op=MPI.SUM)
        return out

    def _gathered(self, parts: Any) -> NDArray[np.float64]:
        out = np.empty(len(self._own))
        for group, part in zip(self._groups, parts, strict=True):
            out[group] = part
        return out
