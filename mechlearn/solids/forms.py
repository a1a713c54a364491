"""UFL forms of a solid: the material's energy, pulled back to the mesh at reference widths.

Other widths move the points of the mesh by the design velocities, ``X = Y + D``; a sensitivity to a
width is one to those moves.
"""

from mechlearn.energies.solid import Solid
from mechlearn.fem.assembly import compiled_form
from mechlearn.fenics import fem, ufl
from mechlearn.solids.domain import Domain
from mechlearn.solids.materials import density


class SolidForms:
    """Energy of a solid on its mesh, and its derivatives.

    Parameters
    ----------
    domain : Domain
    element : Solid

    Attributes
    ----------
    state, rate : dolfinx.fem.Function
        The displacements at which everything is evaluated, and a rate of change of them.
    moves : dolfinx.fem.Function
        Of the points, ``D``: the ``velocity`` (sparse) times the change of the widths.
    parameters : dict of names to dolfinx.fem.Function
        Those of the cells, the width left out.
    energy, force, stiffness : dolfinx.fem.Form
    cell_energy : dolfinx.fem.Form
        The energy of every cell.
    inverted : dolfinx.fem.Form, optional
        The volume that is turned inside out; None of linear solids.
    """

    def __init__(self, domain: Domain, element: Solid) -> None:
        mesh, space = domain.mesh, domain.space
        d = domain.drawn.points.shape[1]
        self.moves, self.velocity = domain.mesh_motion()
        self.state, self.rate = fem.Function(space), fem.Function(space)
        per_cell = fem.functionspace(mesh, ("DG", 0))
        names = [p.name for p in element.parameters if p.name != "width"]
        self.parameters = {name: fem.Function(per_cell) for name in names}
        axis = fem.Function(fem.functionspace(mesh, ("DG", 0, (d,))))
        axis.x.array[:] = domain.drawn.axes[domain.element_of_cells()].ravel()
        constant = [fem.Constant(mesh, float(c)) for c in (element.poisson, 0.0)]
        law = density(element.material, d == 2 and element.plane == "stress", *constant)
        degree = 2 * (element.order - 1)
        dx = ufl.Measure("dx", domain=mesh, metadata={"quadrature_degree": degree})
        shape = ufl.Identity(d) + ufl.grad(self.moves)
        gradient = ufl.grad(self.state) * ufl.inv(shape)
        scale = self.parameters["modulus"] * ufl.det(shape)
        if d == 2:
            scale = scale * self.parameters["thickness"]
        energy = scale * law(gradient, self.parameters["eigenstrain"], axis)
        jacobian = ufl.det(ufl.Identity(d) + gradient)
        inside_out = ufl.conditional(ufl.gt(jacobian, 0.0), 0.0, 1.0)
        self.inverted = None if element.linear else compiled_form(inside_out * dx)
        force = ufl.derivative(energy * dx, self.state, ufl.TestFunction(space))
        self.energy, self.force = compiled_form(energy * dx), compiled_form(force)
        self.stiffness = compiled_form(ufl.derivative(force, self.state, ufl.TrialFunction(space)))
        share = ufl.TestFunction(per_cell)
        self.cell_energy = compiled_form(share * energy * dx)
        by = {name: (function, share) for name, function in self.parameters.items()}
        by["width"] = (self.moves, ufl.TestFunction(self.moves.function_space))
        self._by_parameter = {
            name: ufl.derivative(energy * dx, function, test)
            for name, (function, test) in by.items()
        }
        self._sensitivity: dict[str, fem.Form] = {}
        self._sensitivity_rate: dict[str, fem.Form] = {}

    def sensitivity(self, name: str) -> fem.Form:
        """Derivative of the energy by a parameter of cells, or by widths via mesh motion."""
        if name not in self._sensitivity:
            self._sensitivity[name] = compiled_form(self._by_parameter[name])
        return self._sensitivity[name]

    def sensitivity_rate(self, name: str) -> fem.Form:
        """Directional derivative of :meth:`sensitivity` along a rate of the state."""
        if name not in self._sensitivity_rate:
            change = ufl.derivative(self._by_parameter[name], self.state, self.rate)
            self._sensitivity_rate[name] = compiled_form(change)
        return self._sensitivity_rate[name]
