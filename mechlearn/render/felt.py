"""What bonds feel in a state of a run: strain, tension and energy; of solids, cell by cell."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.actuation import Actuation, Answer
from mechlearn.energies import BondEnergy
from mechlearn.render.deformation import bond_strains

if TYPE_CHECKING:
    from mechlearn.run import Run
    from mechlearn.solids.model import SolidModel


@dataclass(frozen=True, eq=False)
class Body:
    """The cells of a solid in a state.

    Attributes
    ----------
    rest, moves : (p, d) arrays
        Points of the mesh, and how far they move.
    cells : (c, d + 1) integer array
        Triangles or tetrahedra.
    strut : (c,) integer array
        Which strut every cell belongs to.
    density : (c,) array
        Energy over area or volume at rest.
    """

    rest: NDArray[np.float64]
    moves: NDArray[np.float64]
    cells: NDArray[np.int64]
    strut: NDArray[np.int64]
    density: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Felt:
    """A state of a network, and what its bonds feel in it.

    Attributes
    ----------
    state : (n, components) array
        Displacements (then rotations), or potentials.
    strain : (m,) array
        Change of the bonds' lengths over their lengths; of conductors the size of the drop.
    energy : (m,) array
        Energy of every bond.
    tension : (m,) array, or None where elements have no single one (solid struts)
        Force along every bond, positive where it draws its ends together; of conductors the size
        of the current.
    body : Body, optional
        The mesh of solid struts.
    """

    state: NDArray[np.float64]
    strain: NDArray[np.float64]
    energy: NDArray[np.float64]
    tension: NDArray[np.float64] | None
    body: Body | None = None


class Solved:
    """The states of a run in one example, each solved for when it is first asked for.

    Parameters
    ----------
    run : Run
    example : int
        Counted from 0.
    """

    def __init__(self, run: "Run", example: int) -> None:
        self.run, self.example = run, example
        self._found: dict[tuple[bool, bool], Felt] = {}

    def __call__(self, learned: bool = True, clamped: bool = False) -> Felt:
        """The free state, or the one with all outputs held at their targets too.

        Raises
        ------
        InputError
            Where outputs are not wanted at values, so that nothing can be held there.
        """
        if (learned, clamped) not in self._found:
            actuation = Actuation(self.run, self.example)
            if not learned:
                actuation.set(self.run.initial)
            free = actuation.answer(1.0)
            self._found[learned, False] = felt(actuation, free)
            if clamped:
                self._found[learned, True] = felt(actuation, actuation.clamped())
        return self._found[learned, clamped]

    def state(self, learned: bool = True, clamped: bool = False) -> NDArray[np.float64]:
        """The state alone, (n, components): of the learned network that of the run's folder."""
        if learned and not clamped and self.example < len(self.run.response):
            return self.run.response[self.example]
        return self(learned, clamped).state

    def contrast(self, learned: bool = True) -> NDArray[np.float64]:
        """What bonds store more in the clamped state than in the free one, (m,).

        It drives a stiffness that learns.
        """
        return self(learned, clamped=True).energy - self(learned).energy


def felt(actuation: Actuation, answer: Answer) -> Felt:
    """What the bonds feel in an answer; parameters must be as they were when it was given."""
    run, model = actuation.run, actuation.model
    model.put_state(answer.field)
    energy = model.to_bonds(model.local_energies())
    strain = bond_strains(run.network, answer.state, run.energy.linear)
    if not isinstance(run.energy, BondEnergy):
        return Felt(answer.state, strain, energy, None, _body(model, answer.field))
    tension = model.to_bonds(model.local_tensions())
    if len(run.problem.components) == 1:  # the sign of a current is that of the bond's direction
        tension = np.abs(tension)
    return Felt(answer.state, strain, energy, tension)


def _body(model: "SolidModel", field: NDArray) -> Body:
    moved = model.deformed(field)
    domain = model.domain
    rest = domain.points_at(model.get("width"))
    strut = np.empty(len(domain.drawn.cells), dtype=np.int64)
    owned = domain.owned_cells
    strut[domain.cell[:owned]] = domain.strut_of_cells()[:owned]
    density = model.cell_energies() / model.cell_volumes()
    return Body(rest, moved - rest, domain.drawn.cells, strut, density)
