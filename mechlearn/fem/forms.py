"""UFL forms of a network of bonds, derived from an element's energy.

Most forms are compiled when they are first asked for.
"""

from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.energies.element import BondEnergy
from mechlearn.energies.gradients import gradient, lowered
from mechlearn.energies.kinematics import Bond
from mechlearn.fem.assembly import compiled_form
from mechlearn.fem.macroscopic_strain import strain_tensors
from mechlearn.fem.mesh import BondMesh
from mechlearn.fenics import fem, la, ufl


class BondForms:
    """Energy, strains and their derivatives on the mesh of a network of bonds.

    Parameters
    ----------
    mesh : BondMesh
    energy : BondEnergy

    Attributes
    ----------
    state, rate : dolfinx.fem.Function
        The state at which everything is evaluated, and a rate of change of it.
    cell_strain, cell_rate : dolfinx.fem.Function
        The same of the cell's unknowns, where it deforms.
    parameters : dict of names to dolfinx.fem.Function
        Those of the bonds.
    length : dolfinx.fem.Function
        Of a cell.
    values : dict of names to (cells,) arrays
        The numbers of the length and the parameters, of owned cells and then ghosts; writing here
        sets them.
    energy, force, stiffness : dolfinx.fem.Form
    bond_energy, strain : dolfinx.fem.Form
        Of every cell: its energy, its strains.
    """

    def __init__(self, mesh: BondMesh, energy: BondEnergy) -> None:
        # A model is its own mesh, and would not be freed at once if its forms kept it.
        self._domain, self._space, self._bond_of_cell = mesh.mesh, mesh.space, mesh.bond_of_cell
        self._cell_names, self._places = mesh.cell_names, mesh.places
        self._internal = range(mesh.internal)
        self._element, self.cell = energy, mesh.cell
        self._spaces: dict[tuple[int, ...], fem.FunctionSpace] = {}
        net, several = mesh.network, len(energy.strains)
        self._per_bond = self._space_of_cells()
        self.per_strain = self._space_of_cells(several) if several > 1 else self._per_bond
        self.state, self.rate = fem.Function(mesh.space), fem.Function(mesh.space)
        self.parameters = {p.name: fem.Function(self._per_bond) for p in energy.bond_parameters}
        self.length = self._of_bonds(net.lengths / energy.segments)
        functions = {"length": self.length, **self.parameters}
        self.values = {name: function.x.array for name, function in functions.items()}
        self._vector = self._of_bonds(net.vectors / energy.segments)
        direction = net.vectors / net.lengths[:, None]
        self._direction = self._of_bonds(direction)
        self._normals = tuple(self._of_bonds(n) for n in _normals(direction))
        if mesh.cell:
            of_cell = self._space_of_cells(mesh.cell)
            self.cell_strain, self.cell_rate = fem.Function(of_cell), fem.Function(of_cell)
        self._dx = ufl.Measure("dx", domain=mesh.mesh, metadata={"quadrature_degree": 0})
        self._share = ufl.TestFunction(self._per_bond)

        motion = self._motion(self.state, self.cell_strain if mesh.cell else None)
        self._moved = [tuple(ufl.variable(lowered(x)) for x in part) for part in motion]
        self._now = now = energy.strains_of(self._bond(self._moved))
        named = dict(zip(energy.strains, now, strict=True))
        density = energy.energy(**named, length=self.length, **self.parameters)
        self._total = self._on_bonds(density)
        self._force = self._by_state(density)
        self._strain = self._by_strain(now)
        self.energy = compiled_form(self._total)
        self.force = compiled_form(self._force)
        self.bond_energy = compiled_form(self._on_bonds(self._share * density))
        self.strain = compiled_form(self._strain)
        self._sensitivity: dict[str, fem.Form] = {}
        self._sensitivity_rate: dict[str, fem.Form] = {}

    # -- functions on cells --------------------------------------------------------------------

    def _space_of_cells(self, *shape: int) -> fem.FunctionSpace:
        if shape not in self._spaces:
            element = ("DG", 0, shape) if shape else ("DG", 0)
            self._spaces[shape] = fem.functionspace(self._domain, element)
        return self._spaces[shape]

    def _of_bonds(self, values: ArrayLike) -> fem.Function:
        """Numbers, or vectors, of the user's bonds as a function."""
        values = np.asarray(values, dtype=float)
        function = fem.Function(self._space_of_cells(*values.shape[1:]))
        function.x.array[:] = values[self._bond_of_cell].ravel()
        return function

    def _on_bonds(self, density: Any) -> Any:
        return density * self._dx

    def _by_strain(self, values: Any) -> Any:
        """Numbers of every cell, one for each of its strains."""
        each, several = ufl.TestFunction(self.per_strain), len(values) > 1
        return self._on_bonds(ufl.dot(each, ufl.as_vector(values) if several else values[0]))

    def _motion(self, w: Any, of_cell: Any = None) -> list[list[Any]]:
        """Jump, turn, rotation and internal unknowns of a nodal motion and cell strain."""
        # On intervals of length 1 the slope is the difference along the bond, wherever that is.
        jump, places = w.dx(0), self._places
        # Of quadratic functions, too, whose values in the middle are the internal unknowns.
        ends = w + jump.dx(0) / 8 if self._internal else w
        values, jumps, means = map(_numbers, (w, jump, ends))
        moved = _packed(jumps[:places])
        if of_cell is not None:
            moved = moved + ufl.dot(cell_tensor(of_cell, self._cell_names), self._vector)
        return [_numbers(moved), jumps[places:], means[places:], values[: len(self._internal)]]

    def _bond(self, motion: Sequence[Sequence[Any]]) -> Bond:
        """A bond by the numbers of :meth:`_motion`."""
        jump, turn, rotation, internal = motion
        return Bond(
            self._vector,
            self._direction,
            self._normals,
            self.length,
            _packed(jump),
            _packed(turn),
            _packed(rotation),
            ufl.dot,
            tuple(internal),
        )

    # -- derivatives ---------------------------------------------------------------------------

    @cached_property
    def stiffness(self) -> fem.Form:
        """The second derivative of the energy by the state."""
        motion = ufl.TrialFunction(self._space)
        return compiled_form(ufl.derivative(self._force, self.state, motion))

    @cached_property
    def border(self) -> "BorderForms":
        """Derivatives of the energy by the macroscopic strain."""
        return BorderForms(self._total, self._force, self.cell_strain, self.cell_rate)

    @cached_property
    def geometric(self) -> tuple[fem.Function, fem.Form, "BorderForms | None"]:
        """Stresses and geometric stiffness."""
        pull = fem.Function(self.per_strain)
        density = sum(p * strain for p, strain in zip(_numbers(pull), self._now, strict=True))
        work, force = self._on_bonds(density), self._by_state(density)
        motion = ufl.TrialFunction(self._space)
        form = compiled_form(ufl.derivative(force, self.state, motion))
        if not self.cell:
            return pull, form, None
        return pull, form, BorderForms(work, force, self.cell_strain, self.cell_rate)

    @cached_property
    def strain_rate(self) -> fem.Form:
        """Rate of the strains for a rate of the state."""
        return compiled_form(self._changing(self._strain))

    @cached_property
    def strain_of_motion(self) -> fem.Form:
        """Strains by motions from rest; of linear elements."""
        moved = self._motion(ufl.TrialFunction(self._space))
        return compiled_form(self._by_strain(self._element.strains_of(self._bond(moved))))

    @cached_property
    def strain_by_motion(self) -> fem.Form:
        """The derivative of the strains by the state."""
        motion = ufl.TrialFunction(self._space)
        return compiled_form(ufl.derivative(self._strain, self.state, motion))

    @cached_property
    def strain_by_cell(self) -> fem.Form:
        """Rate of the strains for a rate of the macroscopic strain."""
        return compiled_form(ufl.derivative(self._strain, self.cell_strain, self.cell_rate))

    def sensitivity(self, name: str) -> fem.Form:
        """The derivative of the energy of every cell by one of its parameters."""
        if name not in self._sensitivity:
            self._sensitivity[name] = compiled_form(self._by_parameter(name))
        return self._sensitivity[name]

    def sensitivity_rate(self, name: str) -> fem.Form:
        """Rate of :meth:`sensitivity` for a rate of the state."""
        if name not in self._sensitivity_rate:
            self._sensitivity_rate[name] = compiled_form(self._changing(self._by_parameter(name)))
        return self._sensitivity_rate[name]

    def _by_state(self, density: Any) -> Any:
        """The derivative of a density by the state."""
        rates = self._motion(ufl.TestFunction(self._space))
        moved, rates = (list(chain(*parts)) for parts in (self._moved, rates))
        slopes = gradient(density, moved)
        return self._on_bonds(sum(slope * r for slope, r in zip(slopes, rates, strict=True)))

    def _by_parameter(self, name: str) -> Any:
        return ufl.derivative(self._total, self.parameters[name], self._share)

    def _changing(self, form: Any) -> Any:
        """The rate of change of a form while the state changes at the rate."""
        change = ufl.derivative(form, self.state, self.rate)
        if self.cell:
            change += ufl.derivative(form, self.cell_strain, self.cell_rate)
        return change


class BorderForms:
    """Derivatives of an energy by the cell's strain: its force, and the border of the stiffness.

    The latter in the direction of ``rate``, which is set when they are assembled.
    """

    def __init__(self, energy: Any, force: Any, strain: fem.Function, rate: fem.Function) -> None:
        self._rate = rate
        of_cell = ufl.derivative(energy, strain, ufl.TestFunction(strain.function_space))
        self.force = compiled_form(of_cell)
        self._columns = compiled_form(ufl.derivative(force, strain, rate))
        self._corner = compiled_form(ufl.derivative(of_cell, strain, rate))

    def assemble(self, mesh: Any, vector: la.Vector) -> tuple[NDArray, NDArray]:
        """Border columns (owned dofs of points, c) and corner (c, c), of this rank.

        ``mesh`` is a model; ``vector`` is one of its points, to work in.
        """
        c = self._rate.function_space.dofmap.bs
        rate, force = self._rate.x.array.reshape(-1, c), vector.array
        columns, corner = np.empty((mesh.n_owned, c)), np.empty((c, c))
        for k in range(c):
            rate[:] = np.eye(c)[k]
            force[:] = 0
            fem.assemble_vector(force, self._columns)
            vector.scatter_reverse(la.InsertMode.add)
            columns[:, k] = force[: mesh.n_owned]
            corner[:, k] = mesh.per_cell(self._corner).sum(axis=1)
        return columns, corner


def _normals(t: NDArray) -> tuple[NDArray[np.float64], ...]:
    """Unit normals of directions: one in 2D, two in 3D."""
    if t.shape[1] == 2:
        return (np.column_stack([-t[:, 1], t[:, 0]]),)
    axis = np.eye(3)[np.argmin(np.abs(t), axis=1)]
    one = np.cross(t, axis)
    one /= np.linalg.norm(one, axis=1)[:, None]
    return one, np.cross(t, one)


def cell_tensor(components: Any, names: Sequence[str]) -> Any:
    """Tensor ``F - I`` of the unknowns of a cell, in UFL."""
    number = strain_tensors(np.arange(len(names)), names).astype(int)
    return ufl.as_matrix([[components[int(k)] for k in row] for row in number])


def _numbers(w: Any) -> list[Any]:
    """Components of a vector, or a number alone."""
    return [w[c] for c in range(w.ufl_shape[0])] if w.ufl_shape else [w]


def _packed(numbers: Sequence[Any]) -> Any:
    """A vector of several numbers, or the only one; None of none."""
    return ufl.as_vector(numbers) if len(numbers) > 1 else numbers[0] if numbers else None
