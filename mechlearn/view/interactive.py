"""Interactive view of a run: one recorded step under a fraction of its load.

No page and no server here: what is chosen goes in, a drawn plotter and words come out.
"""

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mechlearn.equilibrium.driving import LARGEST, known_of, source_table
from mechlearn.equilibrium.states import Response
from mechlearn.errors import listed, plain
from mechlearn.plots.style import in_words
from mechlearn.render.captions import percent, signed
from mechlearn.render.colours import Shades, rgb
from mechlearn.render.drawing import draw_bonds, draw_marks
from mechlearn.render.fields import Body, body
from mechlearn.render.geometry import Projection, space
from mechlearn.render.marks import Mark, held_nodes, marks
from mechlearn.render.offscreen import load_pyvista
from mechlearn.render.run_view import StateView
from mechlearn.render.scene import Scene
from mechlearn.render.scene import Solid as DrawnSolid
from mechlearn.tasks.ports import NodePort, PairPort
from mechlearn.tasks.quantities import amount
from mechlearn.tasks.task import Target
from mechlearn.units import typeset

if TYPE_CHECKING:
    from mechlearn.runs.run import Run

#: The colour of a picked bond, and how near to a bond a click must be, in pixels.
PICKED, NEAR = "#FFC400", 12.0
#: Samples per pixel of a fine picture.
SAMPLES = 4
#: Unknowns up to which work is summed along the load while a slider moves.
QUICK = 1000


class InteractiveView(StateView):
    """Run at a chosen recorded step and load, solved and drawn.

    Parameters
    ----------
    run : Run
    example : int
        Counted from 0.
    size : pair of int
        Width and height of the picture in pixels, until the page says otherwise.

    Attributes
    ----------
    plotter : pyvista.Plotter
        Off-screen; drawn anew by :meth:`draw`.
    step : int
        Place of the step among ``run.recorded_steps``.
    amplitude : float
        Part of the load.
    colour : str
        What colours the bonds, one of :attr:`colourings`.
    picked : int or None
        A bond that is drawn in a colour of its own.
    chosen : list of int
        One or two nodes that are drawn as a target to be.
    factor : float
        By which displacements are amplified.
    legend : list of (str, str, str)
        Sign, words and colour of what is drawn beside the bonds.
    """

    def __init__(self, run: "Run", example: int = 0, size: tuple[int, int] = (1000, 800)) -> None:
        super().__init__(run, example)
        self.amplitude, self.colour = 1.0, ""
        self.picked: int | None = None
        self.chosen: list[int] = []
        self._quick = False
        self._body: tuple[Response | None, Body | None] = None, None
        self._driven: tuple[Response | None, int, list] = None, 0, []
        self.show(run)
        self.plotter = load_pyvista().Plotter(off_screen=True, window_size=size)
        self.plotter.background_color = "white"
        if run.network.dim == 2:
            self.plotter.enable_2d_style()
        self.aim()
        self.draw()

    @property
    def colourings(self) -> list[str]:
        """Quantities that can colour the bonds."""
        return list(self._shades)

    @property
    def shades(self) -> Shades:
        """Colour scale of the chosen quantity."""
        return self._shades[self.colour]

    def show(self, run: "Run") -> None:
        """Show the last step of a run, of any task on the network; the camera stays.

        Raises
        ------
        SolveError
            Where it has no response; the view then stays what it was.
        """
        system = run.system(example=self.example, alone=True)
        ends = [system.set(**run.recorded(k)).response() for k in (0, -1)]
        self._first, self.answer = ends
        self.run, self.system, self.step = run, system, len(run.recorded_steps) - 1
        self.parameters, self.amplitude, self.chosen = run.recorded(-1), 1.0, []
        self.factor = self.amplification([a.state for a in ends])
        self._shades = self._make_shades(ends)
        self.colour = self.colour or self.colourings[0]
        self._marks = marks(run.problem, self.example)
        self._held = held_nodes(run.problem)

    def follow(self, run: "Run") -> None:
        """Show the run of the same training at a later step, if the last step is shown now."""
        now, steps = self.run.recorded_steps, run.recorded_steps
        last = self.step == len(now) - 1
        self.go(len(steps) - 1 if last else int(np.searchsorted(steps, now[self.step])), run=run)
        self._shades = self._make_shades([self._first, self.answer])

    def go(
        self, step: int | None = None, amplitude: float | None = None, run: "Run | None" = None
    ) -> None:
        """Solve for the response at a recorded step under a fraction of the load.

        Under another load it is found from the last state; at another step from rest.

        Raises
        ------
        SolveError
            Where there is none; the view then stays what it was.
        """
        before, run = self.parameters, run or self.run
        step = self.step if step is None else int(np.clip(step, 0, len(run.recorded_steps) - 1))
        amplitude = self.amplitude if amplitude is None else float(amplitude)
        try:
            if (step, run) != (self.step, self.run):
                self.parameters = run.recorded(step)
                self.system.set(**self.parameters)
            self.answer = self.system.load(amplitude).response()
        except Exception:
            self.parameters = before
            self.system.set(**self.parameters)
            raise
        self.run, self.step, self.amplitude = run, step, amplitude

    def values(self) -> NDArray[np.float64]:
        """Values that colour the bonds, (m,)."""
        if self.colour not in self._changes:
            dof = self._dofs.get(self.colour)
            return self._now() if dof is None else np.asarray(self.parameters[dof])
        dof = self._changes[self.colour]
        now, initial = np.asarray(self.parameters[dof]), np.asarray(self.run.initial[dof])
        return now / initial if self.shades.log else now - initial

    def _now(self) -> NDArray[np.float64]:
        """Strains of all bonds, or potential drops."""
        return self.strains(self.answer.state, self.answer.cell)

    def scene(self) -> Scene:
        """Scene of the present state."""
        network, values, shades = self.run.network, self.values(), self.shades
        colours, widths = shades.colours(values), shades.widths(values)
        if self.picked is not None:
            colours, widths = colours.copy(), np.array(widths)
            colours[self.picked] = rgb(PICKED)
            widths[self.picked] = max(widths[self.picked], 0.8)
        places = self._places()
        strain = self.factor * self.answer.cell if self.run.problem.cell else None
        return Scene(
            network, places, colours, widths, self._seen_marks(), self._held, ghost=self.moves,
            strain=strain, solid=self._solid(colours), factor=self.factor, quick=self._quick,
        )  # fmt: skip

    def draw(self) -> None:
        """Draw the scene into the plotter; the camera stays."""
        plotter, scene = self.plotter, self.scene()
        self.legend = scene.legend()
        plotter.suppress_rendering = True  # or it would draw once per part
        plotter.clear_actors()
        draw_bonds(plotter, scene)
        draw_marks(plotter, scene, in_front=True)
        plotter.suppress_rendering = False
        plotter.reset_camera_clipping_range()

    def fine(self, fine: bool) -> None:
        """Draw smooth edges and round tubes, or quickly: there may be no graphics card."""
        again, self._quick = fine and self._quick, not fine
        if again:
            self.draw()
        self.plotter.render_window.SetMultiSamples(SAMPLES if fine else 0)

    def aim(self) -> None:
        """Reset the camera."""
        self.scene().projection(tuple(self.plotter.window_size)).aim(self.plotter)
        self.plotter.camera_set = True

    def pick(self, x: float, y: float, size: tuple[int, int]) -> int | None:
        """Pick the bond at a place of a picture of that size, from its top left; or none.

        Of several bonds within a few pixels the nearest to the viewer counts.
        """
        pieces = self.scene().pieces()
        at, depth = self._projected(pieces.ends, size)
        a, along = at[:, 0], at[:, 1] - at[:, 0]
        long = np.maximum((along**2).sum(axis=1), 1e-12)
        t = np.clip((([x, y] - a) * along).sum(axis=1) / long, 0, 1)
        away = np.linalg.norm(a + t[:, None] * along - [x, y], axis=1)
        near = np.flatnonzero(away <= min(NEAR, away.min() + 3))
        self.picked = None
        if len(near) and away[near].min() <= NEAR:
            deep = depth[near, 0] + t[near] * (depth[near, 1] - depth[near, 0])
            rank = deep if self.run.network.dim == 3 else away[near]
            self.picked = int(pieces.bond[near[rank.argmin()]])
        return self.picked

    def choose(self, x: float, y: float, size: tuple[int, int]) -> list[int]:
        """Choose the node at a place of a picture, as :meth:`pick` a bond; a third one begins anew.

        One that is chosen already is no more.
        """
        at, depth = self._projected(space(self._places()), size)
        away = np.linalg.norm(at - [x, y], axis=1)
        if away.min() <= 2 * NEAR:
            near = np.flatnonzero(away <= away.min() + 3)
            rank = depth if self.run.network.dim == 3 else away
            node = int(near[rank[near].argmin()])
            if node in self.chosen:
                self.chosen.remove(node)
            else:
                self.chosen = [*self.chosen[: len(self.chosen) % 2], node]
        return self.chosen

    def about_bond(self, bond: int) -> list[tuple[str, str]]:
        """Numbers of a bond, as names and values."""
        i, j = self.run.network.edges[bond]
        out = [
            ("nodes", listed(self.run.network.described([i, j]))),
            ("length", f"{self.run.network.lengths[bond]:.4g}"),
        ]
        for name in self.run.learned:
            initial, now, learned = (
                np.asarray(v[name])[bond]
                for v in (self.run.initial, self.parameters, self.run.learned)
            )
            out += [
                (in_words(name), f"{now:.4g}"),
                ("at first, at last", f"{initial:.4g}, {learned:.4g}"),
            ]
        strain = self._now()[bond]
        out.append(
            ("strain", percent(strain, signed=True)) if self.moves else ("drop", f"{strain:.4g}")
        )
        return out

    def targets(self) -> list[tuple[str, str, str]]:
        """Name, wanted value and reading of every target, in this example under this load."""
        problem = self.system.problem
        units = problem.units
        # What is over the imposed strain reads nan at rest; nothing follows it.
        read = np.nan_to_num(self.answer.outputs) * units
        wanted = (problem.wanted[0] + problem.match @ read) / units
        names = self.run.history["target"].values
        rows = []
        for k in np.flatnonzero(problem.active[0]):
            o = self.answer.outputs[k]
            rows.append((str(names[k]), signed(wanted[k]), "-" if np.isnan(o) else signed(o)))
            if problem.relative[problem.targets[k]]:
                absolute = self.answer.absolute.items()
                rows += [(f"{names[k]}, {word}", "", signed(read[k])) for word, read in absolute]
        return rows

    def sources(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Name of every source, and its displacement, force, stiffness and work, as words.

        While a slider moves, work that would take long to sum is left out.
        """
        answer, most, said = self._driven
        largest = QUICK if self._quick else LARGEST
        if answer is not self.answer or most < largest:
            said = []
            for row in source_table(self.system.equilibrium, self.system.free, largest):
                rows = [(k, typeset(amount(v, k, 4))) for k, v in known_of(row).items()]
                said.append((plain(row["name"]), rows))
            self._driven = self.answer, largest, said
        return said

    # -- parts -----------------------------------------------------------------------------------

    def _seen_marks(self) -> list[Mark]:
        """Marks of the task, and one for the nodes that are chosen."""
        if not self.chosen:
            return self._marks
        nodes, none = tuple(self.chosen), np.zeros(1)
        port = NodePort("", nodes, component=0) if len(nodes) == 1 else PairPort("", nodes)
        target = Target(nodes=self.chosen, strain=0.0)
        return [*self._marks, Mark(target, (port,), none, False, self.moves, False, none)]

    def _solid(self, colours: NDArray) -> DrawnSolid | None:
        """The deformed body of solid struts, each in its colour."""
        run, answer = self.run, self.answer
        if not run.energy.continuum:
            return None
        shape = self._body[1]
        if shape is None or self._body[0] is not answer:
            shape = body(self.system.model, answer.field)
            self._body = answer, shape
        return self.solid(answer.state, shape, colours[shape.strut])

    def _places(self) -> NDArray[np.float64]:
        return self.run.network.nodes + self.factor * self.displacements(self.answer.state)

    def _make_shades(self, answers: list[Response]) -> dict[str, Shades]:
        """Colour scales by name, equal at all steps and loads."""
        run, out = self.run, {}
        self._dofs = {in_words(name): name for name in run.learned}
        self._changes = {f"change of {words}": name for words, name in self._dofs.items()}
        for words, name in self._dofs.items():
            out[words] = Shades(run.history[name].values.ravel(), words)
        for title, name in self._changes.items():
            initial, all_steps = np.asarray(run.initial[name]), run.history[name].values
            ratio = bool(min(initial.min(), all_steps.min()) > 0)
            changed = np.asarray(all_steps[-1] / initial if ratio else all_steps[-1] - initial)
            out[title] = Shades(changed, title, diverging=True, log=ratio)
        shades = self.strain_shades([self.strains(a.state, a.cell) for a in answers])
        return out | {shades.title: shades}

    def _projected(
        self, points: ArrayLike, size: tuple[int, int]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Pixels from the top left of a picture of that size, and the distance from the viewer."""
        seen = Projection.of(self.plotter, size)
        return seen.pixels(points), seen.depths(points)
