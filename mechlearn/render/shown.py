"""What of a run is shown: deformed nodes, and values that colour the bonds."""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mechlearn.kinematics import Displacements
from mechlearn.plots import in_words, pick_dof
from mechlearn.render.colours import Shades
from mechlearn.render.deformation import amplification, bond_strains, without_rigid_motion
from mechlearn.render.marks import held_nodes, marks
from mechlearn.render.scene import Scene
from mechlearn.render.words import percent, scale, which_example

if TYPE_CHECKING:
    from mechlearn.run import Run


class Shown:
    """States of a run in one example, their displacements amplified alike.

    Parameters
    ----------
    run : Run
    example : int
        Counted from 0.
    fields : list of (n, components) arrays
        Displacements (and rotations), or potentials, of every state.
    values : list of (m,) arrays
        What colours the bonds of every state.
    shades : Shades
    amplify : float, optional
        Factor on the displacements; a round one where left out.

    Attributes
    ----------
    factor : float
        By which the displacements are amplified.
    scenes : list of Scene
        One per state.
    """

    def __init__(
        self,
        run: "Run",
        example: int,
        fields: list[NDArray],
        values: list[NDArray],
        shades: Shades,
        amplify: float | None,
    ) -> None:
        network, problem, linear = run.network, run.problem, run.energy.linear
        self.moves = isinstance(problem.kinematics, Displacements)
        if self.moves:
            moved = [u[:, : network.dim] for u in fields]
            seen = [without_rigid_motion(network, problem, u, linear) for u in moved]
            self.factor = amplify or amplification(network, problem, seen, linear)
        else:  # potentials move nothing
            seen, self.factor = [np.zeros_like(network.nodes)] * len(fields), 1.0
        self.run, self.example, self.fields, self.shades = run, example, fields, shades
        self.scenes = [
            Scene(
                network,
                network.nodes + self.factor * u,
                shades.colours(v),
                shades.widths(v),
                marks(problem, example),
                held_nodes(problem),
                ghost=network.nodes,
            )
            for u, v in zip(seen, values, strict=True)
        ]

    @property
    def scale_and_example(self) -> list[str]:
        """How much the deformation is amplified, and which of several examples it is."""
        how = [scale(self.factor)] if self.moves else []
        return [*how, *which_example(self.run.problem, self.example)]


def learned_state(run: "Run", example: int, colour: str | None, amplify: float | None) -> Shown:
    """The learned network in its free state."""
    field = run.response[example]
    values, shades = _bond_values(run, colour, field)
    return Shown(run, example, [field], [values], shades, amplify)


def four_states(run: "Run", example: int, colour: str | None, amplify: float | None) -> Shown:
    """Free and clamped before training, free and clamped after; solved for here."""
    before, after = run.states(learned=False), run.states()
    fields = [s[example] for s in (before.free, before.clamped, after.free, after.clamped)]
    if colour in (None, "strain"):
        values = [bond_strains(run.network, u, run.energy.linear) for u in fields]
        shades = _strain_shades(run, np.concatenate(values))
    elif colour == "change":
        changed, shades = _bond_values(run, colour, fields[2])
        none = np.ones_like(changed) if shades.log else np.zeros_like(changed)
        values = [none, none, changed, changed]
    else:
        dof = pick_dof(run, colour)
        old, new = np.asarray(run.initial[dof]), np.asarray(run.learned[dof])
        values = [old, old, new, new]
        shades = Shades(np.concatenate([old, new]), in_words(dof))
    return Shown(run, example, fields, values, shades, amplify)


def learned_caption(shown: Shown) -> str:
    """What the picture of the learned network shows, and how well it learned."""
    summary = shown.run.summary
    parts = [f"free state after {summary['steps']} steps", *shown.scale_and_example]
    if not shown.run.converged:
        if "accuracy" in summary:
            parts.append(f"{percent(summary['accuracy'])} classified right")
        else:
            parts.append(f"not converged, largest error {percent(summary['error'])}")
    return ", ".join(parts)


def _strain_shades(run: "Run", values: NDArray) -> Shades:
    kinematics = run.energy.kinematics
    if isinstance(kinematics, Displacements):
        return Shades(values, "strain", diverging=True)
    return Shades(values, f"{kinematics.drop} drop")


def _bond_values(run: "Run", colour: str | None, field: NDArray) -> tuple[NDArray, Shades]:
    """What colours the bonds of the learned network, and the shades to show it in."""
    if colour == "strain":
        values = bond_strains(run.network, field, run.energy.linear)
        return values, _strain_shades(run, values)
    dof = pick_dof(run, None if colour == "change" else colour)
    before, after = np.asarray(run.initial[dof]), np.asarray(run.learned[dof])
    if colour != "change":
        return after, Shades(after, in_words(dof))
    if before.min() > 0 and after.min() > 0:
        values = after / before
        return values, Shades(values, f"{in_words(dof)}\nlearned / initial", True, log=True)
    return after - before, Shades(after - before, f"change of\n{in_words(dof)}", True)
