"""Element fields of a state of a run: strain, tension and energy; of solids, cell by cell."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.errors import InputError, SolveError
from mechlearn.render.deformation import bond_strains

if TYPE_CHECKING:
    from mechlearn.equilibrium.states import Response
    from mechlearn.learning.system import System
    from mechlearn.runs.run import Run
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
class StateFields:
    """A state of a network with its strains, tensions and energies.

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
    outputs : (t,) array
        What the targets read, in the user's units.
    body : Body, optional
        The mesh of solid struts.
    cell : (d, d) array, optional
        Strain of the periodic cell.
    stress : (m,) array, optional
        Largest equivalent stress of every strut; see :mod:`mechlearn.equilibrium.strength`. Of
        solids that of every cell.
    """

    state: NDArray[np.float64]
    strain: NDArray[np.float64]
    energy: NDArray[np.float64]
    tension: NDArray[np.float64] | None
    outputs: NDArray[np.float64]
    body: Body | None = None
    cell: NDArray[np.float64] | None = None
    stress: NDArray[np.float64] | None = None


class State:
    """A state of a network and its element fields, solved for on first access.

    Parameters
    ----------
    parameters : mapping of names to (m,) arrays
        All parameters of the bonds.
    find, clamp : callables
        What finds the state, and the one with all outputs held at their targets too.
    field : (n, components) array, optional
        The state itself, where it is known without that.
    """

    def __init__(
        self,
        parameters: Mapping[str, NDArray],
        find: Callable[[], StateFields],
        clamp: Callable[[], StateFields],
        field: NDArray | None = None,
    ) -> None:
        self.parameters = parameters
        self._find, self._clamp, self._field = find, clamp, field

    @cached_property
    def fields(self) -> StateFields:
        """Element fields of the state."""
        return self._find()

    @property
    def nodal(self) -> NDArray[np.float64]:
        """Displacements (then rotations), or potentials, (n, components)."""
        return self.fields.state if self._field is None else self._field

    @cached_property
    def contrast(self) -> NDArray[np.float64]:
        """Energy of the clamped state less that of this one, (m,): the signal of a stiffness."""
        return self._clamp().energy - self.fields.energy


class RunStates:
    """Free and clamped states of a run in one example, before training and after.

    Parameters
    ----------
    run : Run
    example : int
        Counted from 0.
    """

    def __init__(self, run: "Run", example: int) -> None:
        self.run, self.example = run, example

    def __call__(self, learned: bool = True, clamped: bool = False) -> State:
        """The free state, or the one with all outputs held at their targets too."""
        run = self.run
        known = learned and not clamped and self.example < len(run.response)
        return State(
            run.parameters if learned else {**run.parameters, **run.initial},
            lambda: self._found(learned, clamped),
            lambda: self._found(learned, True),
            # Of a solid, joints and mesh shall be of one solution.
            run.response[self.example] if known and not run.energy.continuum else None,
        )

    @cache  # noqa: B019 (lives as long as one picture is made)
    def _system(self, learned: bool) -> "System":
        return self.run.system(learned=learned, example=self.example, alone=True)

    @cache  # noqa: B019
    def _found(self, learned: bool, clamped: bool) -> StateFields:
        system = self._system(learned)
        return state_fields(system, system.response(system.clamped if clamped else system.free))


def loaded_states(
    run: "Run", example: int, amplitudes: Iterable[float]
) -> Iterator[tuple[State, "Response"]]:
    """The learned network under growing parts of its load, each found from the one before.

    Raises
    ------
    SolveError
        Where one has no equilibrium; the message says under which part of the load.
    """
    system = run.system(example=example, alone=True)
    for amplitude in amplitudes:
        try:
            answer = system.load(float(amplitude)).response()
        except SolveError as error:
            raise SolveError(f"At {amplitude:.0%} of the load: {error}") from None
        found = state_fields(system, answer)
        yield State(run.parameters, _constant(found), _unclamped), answer


def recorded_states(
    run: "Run", example: int, numbers: Iterable[int], contrast: bool = False
) -> Iterator[State]:
    """The free states of recorded steps of the training, by their places in the history.

    With ``contrast``, the clamped ones are found as well.
    """
    system = run.system(example=example, alone=True)
    for number in numbers:
        parameters = run.recorded(number)
        free = state_fields(system.set(**parameters), system.response())
        clamp = _unclamped
        if contrast:
            clamp = _constant(state_fields(system, system.response(system.clamped)))
        yield State({**run.parameters, **parameters}, _constant(free), clamp)


def _constant(fields: StateFields) -> Callable[[], StateFields]:
    return lambda: fields


def _unclamped() -> StateFields:
    raise InputError("contrast: it is that of the full load, and not followed along the way there.")


def state_fields(system: "System", answer: "Response") -> StateFields:
    """Element fields of an answer; parameters must be as they were when it was given."""
    from mechlearn.equilibrium.strength import has_stress, strut_stresses
    from mechlearn.solids.stress import cell_stresses

    model, element = system.model, system.energy
    model.put_state(answer.field)
    energy = model.to_bonds(model.local_energies())
    strain = bond_strains(system.network, answer.state, element.linear, answer.cell)
    if element.continuum:
        drawn, of_cells = body(model, answer.field), cell_stresses(model)
        return StateFields(
            answer.state, strain, energy, None, answer.outputs, drawn, stress=of_cells
        )
    tension = model.to_bonds(model.local_tensions())
    if len(system.problem.components) == 1:  # the sign of a current is that of the bond's direction
        tension = np.abs(tension)
    values = {p.name: model.get(p.name) for p in element.parameters}
    stress = strut_stresses(model) if has_stress(element, values) else None
    return StateFields(
        answer.state, strain, energy, tension, answer.outputs, cell=answer.cell, stress=stress
    )


def body(model: "SolidModel", field: NDArray) -> Body:
    """The cells of a solid in a state (owned dofs) of its present parameters; on every rank."""
    moved = model.deformed(field)
    domain = model.domain
    rest = model.points
    density = model.cell_energies() / model.cell_volumes()
    return Body(rest, moved - rest, domain.drawn.cells, domain.drawn.element, density)
