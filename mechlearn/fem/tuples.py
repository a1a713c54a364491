"""Elements on tuples of nodes, such as angles and creases: forms on a mesh of their own.

An element on three and more nodes has no cell of a mesh: it is a row of node numbers, and its
strain a UFL expression of these nodes' vectors. FFCx compiles that for a mesh with one cell per
element, or piece of one, on which the nodes' vectors are constants. A rank evaluates the elements
whose first nodes it owns.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from mechlearn.energies.tuples import TupleEnergy
from mechlearn.fem.assembly import compiled_form
from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.fem.mesh import BondMesh
from mechlearn.fenics import MPI, fem, mesh, ufl


class TupleForms:
    """Energy of elements on node tuples and its derivatives, element by element.

    The strain of an element is a sum over its *pieces*, such as the sides of a polygon, of which
    there may be any number. FFCx compiles that of a piece and its derivatives; the energy, a
    function of the strain, is NumPy's.

    Parameters
    ----------
    energy : TupleEnergy
    reference : (n, k, d) array
        Where the nodes of every element are at rest; in a periodic network side by side.
    pieces : (p, q) integer array, optional
        Which of its nodes each piece has; as the element says unless given.
    """

    def __init__(
        self, energy: TupleEnergy, reference: NDArray, pieces: NDArray | None = None
    ) -> None:
        self.energy, self.shape = energy, reference.shape
        n, k, d = reference.shape
        self._pieces = energy.pieces(k) if pieces is None else pieces
        p, q = self._pieces.shape
        self._whole = np.array_equal(self._pieces, np.arange(k)[None])
        domain = mesh.create_interval(MPI.COMM_SELF, n * p, (0.0, 1.0))
        # DOLFINx numbers cells as it likes.
        self._order = np.asarray(domain.topology.original_cell_index)
        each = fem.functionspace(domain, ("DG", 0, (len(energy.strains),)))
        nodes = fem.functionspace(domain, ("DG", 0, (q * d,)))
        rest, self._state = fem.Function(nodes), fem.Function(nodes)
        self._put(rest, reference)
        before = _vectors(rest, q, d)
        now = [x + u for x, u in zip(before, _vectors(self._state, q, d), strict=True)]
        strains = ufl.as_vector(energy.strain(now, before))
        # The integral over a cell is the number of its piece.
        dx = ufl.dx(domain=domain, metadata={"quadrature_degree": 0})
        change = strains[0] / ufl.CellVolume(domain) * dx
        share = ufl.TestFunction(each) / ufl.CellVolume(domain)
        slopes = ufl.derivative(change, self._state, ufl.TestFunction(nodes))
        self._strains = compiled_form(ufl.inner(share, strains) * dx)
        self._slopes = compiled_form(slopes)
        self._curvatures = compiled_form(
            ufl.derivative(slopes, self._state, ufl.TrialFunction(nodes))
        )
        self._matrix = fem.petsc.create_matrix(self._curvatures)
        self._values: dict[str, NDArray] = {}
        self.put_state(np.zeros(self.shape))
        # What has a size at rest is measured in its own sense.
        size = self._summed(self._of_pieces(self._strains))[:, 1:]
        self._sense = np.sign(size[:, 0]) if size.size else np.ones(n)

    def set(self, **parameters: ArrayLike) -> None:
        """Set parameters, each one number or one per element."""
        for name, values in parameters.items():
            self._values[name] = np.broadcast_to(values, self.shape[0])

    def put_state(self, moves: NDArray) -> None:
        """Set the displacements of the nodes of every element, (n, k, d)."""
        self._put(self._state, moves)
        self._known: dict[str, NDArray] = {}

    def energies(self) -> NDArray[np.float64]:
        """Energy of every element, (n,)."""
        return self._energy()

    def forces(self) -> NDArray[np.float64]:
        """Derivatives of the energy by the nodes of every element, (n, k, d)."""
        return self._energy(self._by)[:, None, None] * self.strain_slopes()

    def stiffnesses(self) -> NDArray[np.float64]:
        """Second derivatives, (n, k d, k d)."""
        n, k, d = self.shape
        p, q = self._pieces.shape
        self._matrix.zeroEntries()
        fem.petsc.assemble_matrix(self._matrix, self._curvatures)
        self._matrix.assemble()
        found = np.empty((n * p, q * d, q * d))
        found[self._order] = self._matrix.getValuesCSR()[2].reshape(found.shape)
        found = found.reshape(n, p, q * d, q * d) * self._sense[:, None, None, None]
        if self._whole:
            curvatures = found[:, 0]
        else:
            curvatures = np.zeros((n, k * d, k * d))
            dofs = (d * self._pieces[..., None] + np.arange(d)).reshape(p, q * d)
            each = np.arange(n)[:, None, None, None]
            np.add.at(curvatures, (each, dofs[:, :, None], dofs[:, None]), found)
        slopes = self.strain_slopes().reshape(n, -1)
        tension, modulus = self._energy(self._by), self._energy(self._by, self._by)
        straining = slopes[:, :, None] * slopes[:, None]
        return tension[:, None, None] * curvatures + modulus[:, None, None] * straining

    def sensitivities(self, name: str) -> NDArray[np.float64]:
        """Derivatives of every element's energy by a parameter of it, (n,)."""
        return self._energy(name)

    def sensitivity_rates(self, name: str, moves: NDArray) -> NDArray[np.float64]:
        """Rates of :meth:`sensitivities` as the nodes of every element move, (n, k, d)."""
        return self._energy(name, self._by) * (self.strain_slopes() * moves).sum(axis=(1, 2))

    def strain(self) -> NDArray[np.float64]:
        """Change of every element from the reference configuration, (n,)."""
        return self._at()[:, 0]

    def strain_slopes(self) -> NDArray[np.float64]:
        """Derivatives of :meth:`strain` by the nodes of every element, (n, k, d)."""
        if "slopes" not in self._known:
            n, k, d = self.shape
            p, q = self._pieces.shape
            found = self._of_pieces(self._slopes).reshape(n, p, q, d)
            if self._whole:
                out = found[:, 0]
            else:
                out = np.zeros((n, k, d))
                np.add.at(out, (np.arange(n)[:, None, None], self._pieces[None]), found)
            self._known["slopes"] = self._sense[:, None, None] * out
        return self._known["slopes"]

    @property
    def _by(self) -> str:
        return self.energy.strains[0]

    def _at(self) -> NDArray[np.float64]:
        """All strains of every element, (n, strains)."""
        if "strains" not in self._known:
            found = self._summed(self._of_pieces(self._strains))
            self._known["strains"] = self._sense[:, None] * found
        return self._known["strains"]

    def _energy(self, *by: str) -> NDArray[np.float64]:
        """Energy of every element, or a derivative by names, (n,)."""
        strains = dict(zip(self.energy.strains, self._at().T, strict=True))
        found = self.energy.derivative(*by)(**strains, **self._values)
        return np.broadcast_to(found, self.shape[:1]).astype(float)

    def _of_pieces(self, form: fem.Form) -> NDArray[np.float64]:
        """Numbers of every piece, (n, p, ...)."""
        n, p = self.shape[0], len(self._pieces)
        found = fem.assemble_vector(form).array.reshape(n * p, -1)
        out = np.empty_like(found)
        out[self._order] = found
        return out.reshape(n, p, -1)

    def _summed(self, of_pieces: NDArray) -> NDArray[np.float64]:
        return of_pieces.sum(axis=1)

    def _put(self, function: fem.Function, values: NDArray) -> None:
        """Set the vectors of the nodes of all pieces from those of elements, (n, k, d)."""
        of_pieces = values[:, self._pieces].reshape(len(self._order), -1)
        function.x.array[:] = of_pieces[self._order].ravel()


def _vectors(function: fem.Function, k: int, d: int) -> list:
    """Vectors of the nodes of a piece."""
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
        # Elements of the same pieces have one form.
        alike: dict[bytes, tuple[NDArray, NDArray, list[int]]] = {}
        for k, row in enumerate(rows[mine]):
            first, pieces = energy.distinct(row[row >= 0])
            alike.setdefault(pieces.tobytes(), (first, pieces, []))[2].append(k)
        self._groups = [np.array(group) for _, _, group in alike.values()]
        self._own, self._n = mine, network.count(table)
        self._forms, self._dofs, self._affine = [], [], []
        d = network.dim
        for (first, pieces, _), group in zip(alike.values(), self._groups, strict=True):
            x = places[mine[group]][:, first]
            self._forms.append(TupleForms(energy, x, pieces))
            self._dofs.append(mesh.dofs_of_nodes(rows[mine[group]][:, first])[..., :d])
            if self.cell:
                units = strain_tensors(np.eye(self.cell), mesh.cell_names)  # (d, d, c)
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
