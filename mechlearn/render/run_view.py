"""Views of a run: deformed states, with quantities that colour and size the bonds."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mechlearn.energies.kinematics import Displacements
from mechlearn.errors import InputError
from mechlearn.plots.style import in_words
from mechlearn.render.captions import percent, scale, which_example
from mechlearn.render.colours import DECADES, PLAIN, TINTED, Shades, rgb
from mechlearn.render.deformation import (
    RigidMotion,
    amplification,
    bent,
    bond_strains,
    rigid_motion,
    shares,
)
from mechlearn.render.fields import Body, RunStates, State
from mechlearn.render.marks import held_nodes, marks
from mechlearn.render.scene import Scene
from mechlearn.render.scene import Solid as DrawnSolid

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: Table of the bonds.
EDGES = "edges"
#: Widths that are no quantity: all alike, and those of the struts themselves.
EVEN, TRUE = "even", "true"


@dataclass(frozen=True)
class Look:
    """Options of the appearance of bonds.

    Attributes
    ----------
    colour : str, optional
        The quantity that colours the bonds, one of :func:`quantities`.
    thickness : str, optional
        The quantity that sets their widths, or "even"; of bars and beams also "true", their own
        widths to scale. As ``colour`` where left out.
    amplify : float, optional
        Factor on the displacements; a round one where left out.
    whole : bool
        Whether bonds that cross the periodic cell are drawn whole, not as two halves.
    """

    colour: str | None = None
    thickness: str | None = None
    amplify: float | None = None
    whole: bool = False

    def check(self, run: "Run") -> None:
        """Raise InputError for an appearance that a run cannot have, with those it can."""
        known = quantities(run)
        if self.colour is not None and self.colour not in known:
            raise InputError(
                f"colour = {self.colour!r} is not known; known are {', '.join(known)}."
            )
        sized = not run.energy.continuum and run.energy.section(run.parameters) is not None
        known += [EVEN, TRUE] if sized else [EVEN]
        if self.thickness is not None and self.thickness not in known:
            raise InputError(
                f"thickness = {self.thickness!r} is not known; known are {', '.join(known)}."
            )
        if self.amplify is not None and not (np.isfinite(self.amplify) and self.amplify > 0):
            raise InputError(f"amplify = {self.amplify} must be a number above 0.")
        if self.whole and not run.network.periodic:
            raise InputError("whole: only bonds of a periodic network can be unwrapped.")


def quantities(run: "Run") -> list[str]:
    """Quantities that can colour and size the bonds of a run, learned ones first."""
    from mechlearn.equilibrium.strength import has_stress  # waits for DOLFINx

    fixed = [k for k, v in run.parameters.items() if k not in run.learned and np.isfinite(v).all()]
    drop, through = _words(run)
    values = [drop, "energy"] if run.energy.continuum else [drop, through, "energy"]
    contrast = ["contrast"] if run.setup.task.cost.has_values else []
    stressed = run.energy.continuum or has_stress(run.energy, run.parameters)
    stress = ["stress"] if stressed else []
    used = ["utilisation"] if stress and _strength(run) else []
    return [*run.learned, *fixed, "change", *values, *contrast, *stress, *used]


def _strength(run: "Run") -> float | None:
    """Strength of the material, where the run has one."""
    return None if run.setup.made_of is None else run.setup.made_of.strength


def _words(run: "Run") -> tuple[str, str]:
    """Names of a bond's strain and stress: strain and tension, or as in tasks."""
    kinematics = run.energy.kinematics
    if isinstance(kinematics, Displacements):
        return kinematics.drop, "tension"
    return kinematics.drop, kinematics.through


class StateView:
    """Displacements and strains of a run's states as they are drawn, in one example.

    Attributes
    ----------
    run : Run
    example : int
        Counted from 0.
    moves : bool
        Whether nodes move; else they have potentials.
    factor : float
        By which displacements are amplified.
    """

    factor = 1.0

    def __init__(self, run: "Run", example: int) -> None:
        self.run, self.example = run, example
        self.moves = isinstance(run.energy.kinematics, Displacements)

    def rigid_motion(self, state: NDArray) -> RigidMotion:
        """Rigid motion that is subtracted from a state."""
        return rigid_motion(self.run.network, self.run.problem, state, self.run.energy.linear)

    def displacements(self, state: NDArray) -> NDArray[np.float64]:
        """Displacements of the nodes, (n, d), not amplified; zero where they have potentials."""
        rest = self.run.network.nodes
        if not self.moves:
            return np.zeros_like(rest)
        return self.rigid_motion(state).relative(rest, state[:, : rest.shape[1]])

    def amplification(self, states: Iterable[NDArray]) -> float:
        """Factor by which the displacements of some states are best shown."""
        run, seen = self.run, [self.displacements(u) for u in states]
        linear = run.energy.linear
        return amplification(run.network, run.problem, seen, linear) if self.moves else 1.0

    def strains(self, state: NDArray, cell: NDArray | None = None) -> NDArray[np.float64]:
        """Strains of all bonds in a state, or potential drops."""
        return bond_strains(self.run.network, state, self.run.energy.linear, cell)

    def strain_shades(self, strains: Sequence[NDArray]) -> Shades:
        """Colours of strains or potential drops."""
        drop = self.run.energy.kinematics.drop
        title = drop if self.moves else f"{drop} drop"
        return Shades(np.concatenate(strains), title, diverging=self.moves)

    def solid(self, state: NDArray, body: Body, colours: NDArray) -> DrawnSolid:
        """The body of solid struts in a state, with the colours of its cells."""
        moves = self.factor * self.rigid_motion(state).relative(body.rest, body.moves)
        return DrawnSolid(body.rest + moves, body.cells, colours)


class RunView(StateView):
    """States of a run in one example, with the same amplification and the same colours.

    Parameters
    ----------
    run : Run
    example : int
        Counted from 0.
    look : Look
    states : sequence of State, optional
        The free state of the learned network if left out.
    moving : bool
        Whether deformed networks are drawn, with the one at rest behind; else that at rest alone.

    Attributes
    ----------
    nodal : list of (n, components) arrays
        Displacements (and rotations), or potentials, of every state.
    removed : list of (m,) bool arrays
        Which bonds are cut or pruned away in every state: no quantity is theirs.
    shades : Shades
        Of the colours.
    factor : float
        By which the displacements are amplified.
    scenes : list of Scene
        One per state.
    """

    def __init__(
        self,
        run: "Run",
        example: int,
        look: Look,
        states: Sequence[State] | None = None,
        moving: bool = True,
    ) -> None:
        look.check(run)
        super().__init__(run, example)
        self.look = look
        self.states = [RunStates(run, example)()] if states is None else states
        self.deforms = moving and self.moves
        self.nodal = [s.nodal for s in self.states]
        colour = look.colour or _usual(run)
        self.removed = [_removed(run, s) for s in self.states]
        self._table = self._table_of(colour)
        self._values, self.shades = self._quantity(colour)
        self._widths = self._thickness(colour)
        if self.deforms:
            self.factor = look.amplify or self.amplification(self.nodal)

    @property
    def scale_and_example(self) -> list[str]:
        """Amplification, and number of the example, in words."""
        how = [scale(self.factor)] if self.deforms else []
        return [*how, *which_example(self.run.problem, self.example)]

    @property
    def reached(self) -> dict[str, Any]:
        """Readings of the learned network's targets in the example, by name."""
        mine = [t for t in self.run.targets if t.get("example", 1) == self.example + 1]
        return {t["name"]: t["reached"] for t in mine}

    @property
    def sizes_in_words(self) -> list[str]:
        """Meaning of bond widths, where it differs from that of colours."""
        thickness = self.look.thickness
        if thickness in (None, EVEN, self.look.colour or _usual(self.run)):
            return []
        return ["widths to scale" if thickness == TRUE else f"width: {in_words(thickness)}"]

    @cached_property
    def scenes(self) -> list[Scene]:
        """Scenes of the states."""
        return [self._scene(k) for k in range(len(self.states))]

    # -- states --------------------------------------------------------------------------------

    def _scene(self, k: int) -> Scene:
        run, net, values = self.run, self.run.network, self._values[k]
        moves = self.factor * self.displacements(self.nodal[k]) * self.deforms
        body = self.states[k].fields.body if run.energy.continuum else None
        colours = np.tile(rgb(PLAIN), (net.n_edges, 1))
        if body is None and self._table == EDGES:
            colours = self.shades.colours(values)
        exact = self.look.thickness == TRUE
        section = run.energy.section(self.states[k].parameters) if exact else None
        return Scene(
            net,
            net.nodes + moves,
            colours,
            self._widths[k],
            marks(run.problem, self.example),
            held_nodes(run.problem),
            ghost=self.deforms,
            strain=self._cell_strain(k),
            lines=self._lines(k, moves),
            solid=None if body is None else self._solid(k, body),
            true_radii=None if section is None else section.width / 2,
            whole=self.look.whole,
            factor=self.factor,
            removed=self.removed[k],
            tuples={} if body is not None else self._tuples(k),
        )

    def _table_of(self, name: str) -> str:
        """Table whose elements have a quantity: that of bonds, or of node tuples."""
        name = next(iter(self.run.learned)) if name == "change" else name
        parameters = {p.name: p.table for p in self.run.energy.parameters}
        return parameters.get(name, EDGES)

    def _tuples(self, k: int) -> dict[str, NDArray[np.uint8]]:
        """Colours of the elements on node tuples, by their tables."""
        colours = {}
        for kind in self.run.energy.tuples:
            plain = np.tile(rgb(TINTED), (self.run.network.count(kind.table), 1))
            shown = kind.table == self._table
            colours[kind.table] = self.shades.colours(self._values[k]) if shown else plain
        return colours

    def _cell_strain(self, k: int) -> NDArray[np.float64] | None:
        """Shown strain of a deformable periodic cell."""
        cell = self.states[k].fields.cell if self.deforms and self.run.problem.cell else None
        return None if cell is None else self.factor * cell

    def _lines(self, k: int, moves: NDArray) -> NDArray[np.float64] | None:
        run, net = self.run, self.run.network
        bends = run.energy.kinematics.rotations(net.dim) and not run.energy.continuum
        if not self.deforms or not bends:
            return None
        turns = run.energy.kinematics.rotation_vectors(self.nodal[k][:, net.dim :])
        turns = self.factor * self.rigid_motion(self.nodal[k]).relative_rotations(turns)
        parts = shares(run.energy, net.lengths, self.states[k].parameters)
        return bent(net, moves, turns, parts, run.energy.linear, self._cell_strain(k))

    def _solid(self, k: int, body: Body) -> DrawnSolid:
        values = self._values[k]
        per_cell = values if len(values) == len(body.cells) else values[body.strut]
        colours = self.shades.colours(per_cell)
        if not self.deforms:
            return DrawnSolid(body.rest, body.cells, colours)
        return self.solid(self.nodal[k], body, colours)

    # -- quantities ----------------------------------------------------------------------------

    def _left(self, values: list[NDArray]) -> NDArray[np.float64]:
        """Values in all states without removed bonds."""
        if self.run.energy.continuum or self._table != EDGES:
            return np.concatenate(values)
        return np.concatenate([v[~gone] for v, gone in zip(values, self.removed, strict=True)])

    def _quantity(self, name: str) -> tuple[list[NDArray], Shades]:
        """A quantity in every state, per bond (or per cell of a solid), and colours for all."""
        run, (drop, through) = self.run, _words(self.run)
        if name == "change":
            return self._change()
        if name == drop:
            values = [self._strain(k) for k in range(len(self.states))]
            return values, self.strain_shades([self._left(values)])
        if name == through:
            values = [t for s in self.states if (t := s.fields.tension) is not None]
            return values, Shades(self._left(values), name, diverging=self.moves)
        if name in ("stress", "utilisation"):
            unit = _strength(run) if name == "utilisation" else None
            found = [t for s in self.states if (t := s.fields.stress) is not None]
            values = [stress / (unit or 1.0) for stress in found]
            sign = run.setup.units.of(name) if run.setup.units else ""
            return values, Shades(self._left(values), f"{name} {sign}".rstrip())
        if name == "energy":
            fields = [s.fields for s in self.states]
            values = [f.energy if f.body is None else f.body.density for f in fields]
            title = "energy\ndensity" if run.energy.continuum else name
            return values, Shades(self._left(values), title, decades=DECADES)
        if name == "contrast":
            values = [s.contrast for s in self.states]
            title = "contrast\nclamped − free"
            return values, Shades(self._left(values), title, diverging=True)
        values = [s.parameters[name] for s in self.states]
        return values, Shades(self._left(values), in_words(name))

    def _strain(self, k: int) -> NDArray[np.float64]:
        if self.run.problem.cell:
            return self.states[k].fields.strain
        return self.strains(self.nodal[k])

    def _change(self) -> tuple[list[NDArray], Shades]:
        """Learned over initial first parameter, or their difference where not positive."""
        run = self.run
        dof = next(iter(run.learned))
        before, now = np.asarray(run.initial[dof]), [s.parameters[dof] for s in self.states]
        words = in_words(dof)
        if before.min() > 0 and self._left(now).min() > 0:
            changed = [after / before for after in now]
            title, log = f"{words}\nlearned / initial", True
        else:
            changed = [after - before for after in now]
            title, log = f"change of\n{words}", False
        return changed, Shades(self._left(changed), title, diverging=True, log=log)

    def _thickness(self, colour: str) -> list[NDArray]:
        """Relative thickness of bonds, 0 to 1, in every state."""
        name, m = self.look.thickness or colour, self.run.network.n_edges
        of_tuples = self._table_of(name) != EDGES
        if name in (EVEN, TRUE) or self.run.energy.continuum or of_tuples:
            return [np.full(m, 0.4)] * len(self.states)
        values, shades = self._quantity(name)
        return [shades.widths(v) for v in values]


def _removed(run: "Run", state: State) -> NDArray[np.bool_]:
    """Mask of bonds that are cut, or pruned away."""
    zero = [np.asarray(state.parameters[name]) == 0 for name in run.energy.removal]
    return np.all(zero, axis=0) if zero else np.zeros(run.network.n_edges, dtype=bool)


def _usual(run: "Run") -> str:
    """Default colouring: the learned parameter; of solids the energy."""
    return "energy" if run.energy.continuum else next(iter(run.learned))


def learned_caption(shown: RunView) -> str:
    """Caption of the picture of the learned network."""
    summary = shown.run.summary
    parts = [f"free state after {summary['reported_step']} steps", *shown.scale_and_example]
    parts += shown.sizes_in_words
    if not shown.run.converged:
        if "accuracy" in summary:
            parts.append(f"{percent(summary['accuracy'])} classified right")
        else:
            parts.append(f"not converged, largest error {percent(summary['error'])}")
    return ", ".join(parts)
