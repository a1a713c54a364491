"""Web page of a view: controls in the browser, rendering and solving here (trame)."""

import asyncio
import socket
import webbrowser
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError, MechlearnError, listed, plain
from mechlearn.extensions import load
from mechlearn.parallel import size
from mechlearn.render.captions import heading, percent
from mechlearn.render.pictures import check_options
from mechlearn.render.run_view import Look
from mechlearn.runs.run import Run
from mechlearn.tasks.quantities import quantities
from mechlearn.view.interactive import InteractiveView
from mechlearn.view.live import LiveTraining, error_curve, shown_step

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from mechlearn.runs.training import Training

#: Style of the page, and its panel: a template of Vue.
FILES = ("style.css", "panel.html")
#: Only this machine may look.
HOST = "127.0.0.1"
#: Seconds without a new choice after which the picture is drawn once more, finely.
REST = 0.25
#: Seconds between slices of training, in which others are answered.
PAUSE = 0.02
#: Seconds between looks at whether a picture is encoded, and how often to look.
ENCODING, LOOKS = 0.003, 300


class Page:
    """Trame server of a view; applies what is chosen in the page.

    Parameters
    ----------
    live : LiveTraining
        The view, and the training of its network.
    name : str
        Of the server; one per page in a process.
    """

    sight: Any

    def __init__(self, live: LiveTraining, name: str = "mechlearn") -> None:
        from trame.app import get_server

        self.live, self.view = live, live.view
        view = self.view
        self.server = get_server(name, client_type="vue3")
        self._wanted: set[str] = set()
        self._task: asyncio.Task | None = None
        self._rest: asyncio.TimerHandle | None = None
        state = self.server.state
        state.trame__title = heading(view.run)
        state.trame__favicon = None
        state.update(
            {
                "title": heading(view.run),
                "step": view.step,
                "amplitude": view.amplitude,
                "colour": view.colour,
                "colourings": view.colourings,
                "saves": live.folder is not None,
                "wanted": "0.1",
                "choosing": False,
                "answered": 0,
            }
        )
        self._press: tuple[float, float] | None = None
        #: Names in the state that are chosen in the page.
        self.choices = ("step", "amplitude", "colour", "wanted")
        self._tell()
        for key in ("step", "amplitude", "colour"):
            state.change(key)(self._later(key))
        buttons = [(name, getattr(self, name)) for name in ("run", "choose", "aim", "reset")]
        simple = ("one", "save") if state.saves else ("one",)
        buttons += [(name, partial(self._act_soon, name)) for name in simple]
        for name, action in buttons:
            self.server.controller.trigger(name)(action)
        self._lay_out()

    def _lay_out(self) -> None:
        """Fill the page: the picture, and beside it the panel of controls and tables."""
        from trame.ui.html import DivLayout
        from trame.widgets import client, html, vtk

        style, panel = (files("mechlearn.view").joinpath(f).read_text("utf-8") for f in FILES)
        with DivLayout(self.server):
            client.Style(style)
            with html.Div(classes="page"):
                with html.Div(classes="sight"):
                    self.sight = vtk.VtkRemoteView(
                        self.view.plotter.render_window,
                        interactive_ratio=1,
                        still_quality=92,
                        interactor_events=("events", ["LeftButtonPress", "LeftButtonRelease"]),
                        LeftButtonPress=(self.begin_click, "[utils.vtk.event($event)]"),
                        LeftButtonRelease=(self.end_click, "[utils.vtk.event($event)]"),
                    )
                # Titles and names are texts of the state, never parts of what is compiled here.
                html.Div(panel, classes="side")

    # -- what is chosen --------------------------------------------------------------------------

    def _later(self, key: str) -> "Callable[..., None]":
        """Schedule the handling of a choice after all pending messages.

        A slider sends more values than can be drawn; those between are skipped.
        """

        def note(**_: Any) -> None:
            if self.server.state[key] == getattr(self.view, key, None):
                return
            self._act_soon(key)

        return note

    def _act_soon(self, key: str) -> None:
        self._wanted.add(key)
        if self._rest is not None:
            self._rest.cancel()
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._soon())

    async def _soon(self) -> None:
        self.view.fine(False)
        while self._wanted or self.live.running:
            # Whatever else has arrived is read first.
            await asyncio.sleep(PAUSE if self.live.running else 0)
            wanted, self._wanted = self._wanted, set()
            with self.server.state:
                self.act(wanted)
            await self._send()
            with self.server.state as state:
                state.answered += 1
        self._rest = asyncio.get_running_loop().call_later(REST, self._refine)

    def _refine(self) -> None:
        self.view.fine(True)
        with self.server.state:
            self._tell()
        asyncio.ensure_future(self._send())  # noqa: RUF006 (the loop holds it while it waits)

    async def _send(self) -> None:
        """Render, and send the picture once it is encoded in a thread.

        Left to itself trame would send the last picture now, and this one half a second later.
        """
        window = self.view.plotter.render_window
        self.sight.update()
        delivery, _ = self.server.protocol.getRPCMethod("viewport.image.push")
        for _ in range(LOOKS):
            if not delivery.app.GetHasImagesBeingProcessed(window):
                break
            await asyncio.sleep(ENCODING)
            delivery.push_render(str(delivery.get_global_id(window)))

    def act(self, wanted: set[str]) -> None:
        """Apply step, amplitude and colour of the page's state, train if that is on, and draw."""
        state, view = self.server.state, self.view
        if wanted:
            state.trouble = ""
        if "colour" in wanted and isinstance(state.colour, str):
            view.colour = state.colour if state.colour in view.colourings else view.colour
        step = _number(state.step, len(view.run.recorded_steps) - 1, view.step)
        amplitude = _number(state.amplitude, 1.0, view.amplitude)
        try:
            if (step, amplitude) != (view.step, view.amplitude):
                view.go(int(step), amplitude)
            if "aim" in wanted or "also" in wanted:
                self.live.aim(str(state.wanted), "aim" in wanted)
                state.choosing = False
            if "save" in wanted:
                self.live.save()
            if self.live.running or "one" in wanted:
                self.live.advance(0.0 if "one" in wanted else None)
        except MechlearnError as error:
            state.trouble = str(error)
        view.draw()
        self._tell()

    def _tell(self) -> None:
        """Copy the view's readings to the page's state."""
        state, view, live = self.server.state, self.view, self.live
        run, shades = view.run, view.shades
        state.last = len(run.recorded_steps) - 1
        state.step, state.amplitude = view.step, view.amplitude
        step = shown_step(view)
        state.step_text = f"{step:,} of {run.recorded_steps[-1]:,}"
        state.curve, state.spot, state.goal = error_curve(run, step)
        state.error_name = (
            run.summary["error_is"].replace(" target", "").replace("_", " ").capitalize()
        )
        error = float(run.history["error"].values[step])
        state.error_text = f"{error:.3g}" if "accuracy" in run.summary else percent(error)
        state.running, state.status = live.running, live.status
        many = {1: "Node", 2: "Nodes"}.get(len(view.chosen))
        names = plain(listed(run.network.described(view.chosen)))
        state.chosen = f"{many} {names}" if many else "Click a node, or two that are a pair."
        axes = f" ({', '.join('xyz'[: run.network.dim])})" * quantities[live.quantity].vector
        state.quantity = f"{live.quantity}{axes}" if many else ""
        state.amplitude_text = f"{100 * view.amplitude:.0f} %"
        state.targets = [list(row) for row in view.targets()]
        state.sources = [[name, [list(row) for row in rows]] for name, rows in view.sources()]
        picked = view.picked
        state.bond = "" if picked is None else f"Bond {picked}"
        state.numbers = [] if picked is None else [list(r) for r in view.about_bond(picked)]
        stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in shades.ramp(9))
        state.legend = view.legend
        state.bar = f"background: linear-gradient(90deg, {stops})"
        state.low, state.high = (shades.number(end) for end in (shades.low, shades.high))
        scale = "to scale" if view.factor == 1 else f"amplified ×{view.factor:g}"
        state.scale = f"Deformation {scale}." if view.moves else ""

    # -- what is clicked -------------------------------------------------------------------------

    def run(self) -> None:
        """Start the training, or pause it."""
        self.live.running = not self.live.running
        self._act_soon("run")

    def choose(self) -> None:
        """Begin to choose nodes of a new target, or stop it."""
        self.server.state.choosing, self.view.chosen = not self.server.state.choosing, []
        self._act_soon("choose")

    def aim(self, alone: bool) -> None:
        """Make the chosen nodes the only target, or a further one."""
        self._act_soon("aim" if alone else "also")

    def begin_click(self, event: dict[str, Any] | None = None, **_: Any) -> None:
        """Note where the button was pressed."""
        self._press = _place(event)

    def end_click(self, event: dict[str, Any] | None = None, **_: Any) -> None:
        """Pick a bond, or choose a node, after a click without a drag."""
        x, y = _place(event)
        if self._press is None or np.hypot(x - self._press[0], y - self._press[1]) > 3:
            return
        w, h = self.view.plotter.render_window.GetSize()
        pick = self.view.choose if self.server.state.choosing else self.view.pick
        pick(x, h - y, (w, h))
        self._act_soon("bond")

    def reset(self) -> None:
        """Reset the camera."""
        self.view.aim()
        self.sight.update()


def serve(
    shown: "Run | Training",
    *,
    output: "Path | None" = None,
    example: int = 1,
    port: int = 0,
    browser: bool = True,
    say: "Callable[[str], None]" = print,
) -> None:
    """Serve the page of a run, or of a training, on this machine until interrupted.

    Parameters
    ----------
    shown : Run or Training
        A run is trained on from what it learned, once that is wished.
    output : path, optional
        The folder in which the page saves the run.
    example : int
        Which example of the task, counted from 1.
    port : int
        Where the page is served; a free one where 0.
    browser : bool
        Whether to open the page in a browser.
    say : called with the page's address once it is served

    Raises
    ------
    InputError
        Where trame is missing, the port is taken, the example does not exist, or there are several
        ranks.
    """
    if size() > 1:
        raise InputError("view runs on one rank; it answers one person.")
    training = None if isinstance(shown, Run) else shown
    run = shown if isinstance(shown, Run) else shown.pause()
    check_options(run, example, Look())
    _check_trame()
    from mechlearn.view.guard import Guard

    port = _port(port)
    page = Page(LiveTraining(InteractiveView(run, example - 1), training, output))
    guard = Guard(HOST, port, page.choices)

    def ready(**_: Any) -> None:
        say(f"Open {guard.address} (Ctrl-C ends it)")
        if browser:
            webbrowser.open(guard.address)

    server = page.server
    server.controller.on_server_bind.add(guard.stand)
    server.controller.on_server_ready.add(ready)
    # This process's own arguments are not for trame.
    options = server.cli.parse_args(guard.arguments())
    server.cli.parse_known_args = lambda *_: (options, [])
    server.start(
        port=port, host=HOST, timeout=0, open_browser=False, show_connection_info=False,
        disable_logging=True, backend="aiohttp", exec_mode="main",
    )  # fmt: skip


def _number(value: Any, most: float, now: float) -> float:
    """Number from 0 that the page gives, or the present one where it gives none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not np.isfinite(value):
        return now
    return min(max(float(value), 0.0), most)


def _place(event: Any) -> tuple[float, float]:
    """Place of a mouse event in the picture; negative numbers if it does not say."""
    place = event.get("position") if isinstance(event, dict) else None
    x, y = (place.get(k) for k in "xy") if isinstance(place, dict) else (None, None)
    return _number(x, np.inf, -1.0), _number(y, np.inf, -1.0)


def _check_trame() -> None:
    for module in ("trame.app", "trame.widgets.vtk"):
        load(module, "view", "view needs")


def _port(port: int) -> int:
    """Requested port if available, or a free one."""
    if not 0 <= port < 65536:
        raise InputError(f"port = {port} must be from 1 to 65535, or 0 for a free one.")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise InputError(f"port = {port} cannot be used: {error.strerror}.") from None
        return probe.getsockname()[1]
