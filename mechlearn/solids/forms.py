"""UFL forms of a solid: the material's energy, pulled back to the mesh at reference widths.

Other widths move the points of the mesh by the design velocities, ``X = Y + D``; a sensitivity to a
width is one to those moves.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from mechlearn.energies.solid import Continuum
from mechlearn.fem.assembly import compiled_form
from mechlearn.fem.forms import BorderForms, cell_tensor
from mechlearn.fenics import basix_ufl, fem, ufl
from mechlearn.solids.domain import Domain
from mechlearn.solids.materials import Law, density, law_of


class SolidForms:
    """Energy of a solid on its mesh, and its derivatives.

    Parameters
    ----------
    domain : Domain
    element : Continuum
    cell : sequence of str
        Names of the unknowns of the periodic cell, none where it is rigid.

    Attributes
    ----------
    state, rate : dolfinx.fem.Function
        The displacements at which everything is evaluated, and a rate of change of them.
    moves : dolfinx.fem.Function
        Of the points, ``D``: the ``velocity`` (sparse) times the change of the widths.
    parameters : dict of names to dolfinx.fem.Function
        Those of the cells, the width left out.
    cell_strain, cell_rate : dolfinx.fem.Function
        The strain of the periodic cell, the same everywhere, and its rate; where it deforms.
    energy, force, stiffness : dolfinx.fem.Form
    border, correction_border : BorderForms, optional
        Derivatives by the cell's strain, where it deforms, of the energy and the ``correction``.
    cell_energy : dolfinx.fem.Form
        The energy of every cell.
    inverted : dolfinx.fem.Form, optional
        The volume that is turned inside out; None of linear solids.
    pressure : dolfinx.fem.Function, optional
        A change of the pressures in the cells; None where dilatations are not those of cells.
    expected_pressure : dolfinx.fem.Form, optional
        Pressures, to first order after the ``rate``.
    correction : dolfinx.fem.Form, optional
        What the ``pressure`` adds to the stiffness.
    """

    def __init__(self, domain: Domain, element: Continuum, cell: Sequence[str] = ()) -> None:
        mesh, space = domain.mesh, domain.space
        self._domain, self._element = domain, element
        d = domain.drawn.points.shape[1]
        self.moves, self.velocity = domain.mesh_motion()
        self.state, self.rate = fem.Function(space), fem.Function(space)
        per_cell = fem.functionspace(mesh, ("DG", 0))
        names = [p.name for p in element.parameters if p.name != "width"]
        self.parameters = {name: fem.Function(per_cell) for name in names}
        self._constants = fem.Constant(mesh, element.constants)
        self._degree = 2 * (element.order - 1)
        shape = ufl.Identity(d) + ufl.grad(self.moves)
        gradient = ufl.grad(self.state) * ufl.inv(shape)
        self.cell = cell
        if cell:
            of_cell = fem.functionspace(mesh, ("DG", 0, (len(cell),)))
            self.cell_strain, self.cell_rate = fem.Function(of_cell), fem.Function(of_cell)
            gradient = gradient + cell_tensor(self.cell_strain, cell)
        scale = self.parameters["modulus"] * ufl.det(shape)
        if d == 2:
            scale = scale * self.parameters["thickness"]
        growth = ufl.Identity(d)
        if "eigenstrain" in self.parameters:
            axis = fem.Function(fem.functionspace(mesh, ("DG", 0, (d,))))
            axis.x.array[:] = domain.drawn.axes[domain.element_of_cells()].ravel()
            growth = growth + self.parameters["eigenstrain"] * ufl.outer(axis, axis)
        self._across: fem.Function | None = None
        distortion, dilatation, volumetric = density(
            element, self._constants, gradient, growth, self._solved
        )
        dx, middle = (
            ufl.Measure("dx", domain=mesh, metadata={"quadrature_degree": degree})
            for degree in (self._degree, 0)
        )
        # One dilatation per cell, where it cannot be kept at every point.
        spread = middle if element.averages_volume(d) else dx
        kept = scale * volumetric(dilatation)

        def integrated(weight: Any) -> Any:
            return weight * scale * distortion * dx + weight * kept * spread

        jacobian = ufl.det(ufl.Identity(d) + gradient)
        inside_out = ufl.conditional(ufl.gt(jacobian, 0.0), 0.0, 1.0)
        self.inverted = None if element.linear else compiled_form(inside_out * dx)
        energy = integrated(1)
        test, trial = ufl.TestFunction(space), ufl.TrialFunction(space)
        force = ufl.derivative(energy, self.state, test)
        self.energy, self.force = compiled_form(energy), compiled_form(force)
        self.border = self._border(energy, force)
        share = ufl.TestFunction(per_cell)
        self.pressure: fem.Function | None = None
        self.expected_pressure = self.correction = self.correction_border = None
        if spread is middle and not element.linear:
            self.pressure = fem.Function(per_cell)
            at = ufl.variable(dilatation)
            slope = ufl.diff(volumetric(at), at)
            ahead = slope + ufl.diff(slope, at) * self._changing(dilatation)
            self.expected_pressure = compiled_form(share * ahead / ufl.CellVolume(mesh) * middle)
            work = scale * self.pressure * dilatation * middle
            pull = ufl.derivative(work, self.state, test)
            self.correction = compiled_form(ufl.derivative(pull, self.state, trial))
            self.correction_border = self._border(work, pull)
        self.stiffness = compiled_form(ufl.derivative(force, self.state, trial))
        self.cell_energy = compiled_form(integrated(share))
        by = {name: (function, share) for name, function in self.parameters.items()}
        by["width"] = (self.moves, ufl.TestFunction(self.moves.function_space))
        self._by_parameter = {
            name: ufl.derivative(energy, function, test) for name, (function, test) in by.items()
        }
        self._sensitivity: dict[str, fem.Form] = {}
        self._sensitivity_rate: dict[str, fem.Form] = {}

    def _solved(self, law: Law, trace: Any, j: Any) -> Any:
        """``C33`` as an expression whose value and derivatives are those of the solution."""
        mesh = self._domain.mesh
        element = basix_ufl.quadrature_element("triangle", degree=self._degree)
        self._across = fem.Function(fem.functionspace(mesh, element))
        points = basix_ufl.quadrature_element("triangle", degree=self._degree).custom_quadrature()[
            0
        ]
        self._invariants = fem.Expression(ufl.as_vector([trace, j]), points)
        numbers = np.asarray(self._element.constants)
        self._law = law_of(self._element.material, numbers, np.log)
        at = ufl.variable(self._across)
        slope = ufl.diff(law.of_plane(trace, j, at), at)
        return self._across - slope / ufl.diff(slope, at)

    def copy_parameters(self, other: "SolidForms") -> None:
        """Take parameters, widths and the cell's strain over from forms on the same mesh."""
        functions = [(self.moves, other.moves)]
        functions += [(function, other.parameters[k]) for k, function in self.parameters.items()]
        if self.cell:
            functions.append((self.cell_strain, other.cell_strain))
        for function, of_other in functions:
            function.x.array[:] = of_other.x.array
        self.refresh()

    def refresh(self) -> None:
        """Solve for ``C33`` at the state, where it has no closed form."""
        if self._across is None:
            return
        cells = np.arange(len(self._domain.cell), dtype=np.int32)
        found = self._invariants.eval(self._domain.mesh, cells).reshape(len(cells), -1, 2)
        with np.errstate(all="ignore"):
            across = self._law.solved(found[..., 0], found[..., 1])
        self._across.x.array[self._across.function_space.dofmap.list] = across

    def sensitivity(self, name: str) -> fem.Form:
        """Derivative of the energy by a parameter of cells, or by widths via mesh motion."""
        if name not in self._sensitivity:
            self._sensitivity[name] = compiled_form(self._by_parameter[name])
        return self._sensitivity[name]

    def sensitivity_rate(self, name: str) -> fem.Form:
        """Directional derivative of :meth:`sensitivity` along a rate of the state."""
        if name not in self._sensitivity_rate:
            change = self._changing(self._by_parameter[name])
            self._sensitivity_rate[name] = compiled_form(change)
        return self._sensitivity_rate[name]

    def _border(self, energy: Any, force: Any) -> BorderForms | None:
        """Derivatives of an energy by the cell's strain, where it deforms."""
        return BorderForms(energy, force, self.cell_strain, self.cell_rate) if self.cell else None

    def _changing(self, form: Any) -> Any:
        """Rate of change of a form, or expression, while the state changes at the rate."""
        change = ufl.derivative(form, self.state, self.rate)
        if self.cell:
            change += ufl.derivative(form, self.cell_strain, self.cell_rate)
        return change
