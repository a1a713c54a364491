"""Web page of a view: controls in the browser, rendering and solving here (trame)."""

import asyncio
import socket
import webbrowser
from typing import TYPE_CHECKING, Any

import numpy as np

from mechlearn.errors import InputError, MechlearnError
from mechlearn.extensions import load
from mechlearn.parallel import size
from mechlearn.render.captions import heading
from mechlearn.render.colours import GHOST, SOURCE, SUPPORT, TARGET
from mechlearn.render.marks import held_nodes
from mechlearn.view.interactive import InteractiveView, check_example

if TYPE_CHECKING:
    from collections.abc import Callable

    from mechlearn.runs.run import Run

#: Only this machine may look.
HOST = "127.0.0.1"
#: Seconds without a new choice after which the picture is drawn once more, finely.
REST = 0.25
#: Seconds between looks at whether a picture is encoded, and how often to look.
ENCODING, LOOKS = 0.003, 300
STYLE = """
html, body, #app { height: 100%; margin: 0; }
body { font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; color: #20242a; }
.page { display: flex; height: 100vh; }
.sight { flex: 1; min-width: 0; min-height: 0; position: relative; }
.side { width: 21rem; overflow-y: auto; padding: 1.1rem 1.2rem; box-sizing: border-box;
  background: #f5f7f9; border-left: 1px solid #dfe3e8; }
.side h1 { font-size: 1.2rem; line-height: 1.25; margin: 0 0 1rem; }
.side label, .row { display: block; margin: 0 0 .9rem; }
.row { display: flex; gap: .5rem; }
.line { display: flex; justify-content: space-between; font-variant-numeric: tabular-nums; }
.side input[type=range] { width: 100%; margin: .3rem 0 0; accent-color: #35608d; }
.side select, .side button { font: inherit; color: inherit; background: #fff; padding: .3rem .7rem;
  border: 1px solid #c3c9d1; border-radius: 6px; }
.side select { width: 100%; margin-top: .2rem; }
.side button { flex: 1; cursor: pointer; }
.side button.on { background: #20242a; color: #fff; border-color: #20242a; }
.bar { height: .7rem; border-radius: 2px; }
.side table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .95rem; margin-bottom: 1rem; }
.side th, .side td { text-align: right; padding: .15rem 0 .15rem .5rem;
  border-bottom: 1px solid #dfe3e8; }
.side th:first-child, .side td:first-child { text-align: left; padding-left: 0; }
.quiet { color: #5b626d; font-size: .88rem; }
.trouble { border-left: 4px solid #b23b12; background: #fdf3ee; padding: .4rem .7rem;
  margin-bottom: 1rem; }
@media (max-width: 760px) {
  .page { flex-direction: column; }
  .sight { min-height: 45vh; }
  .side { width: auto; border: 0; border-top: 1px solid #dfe3e8; max-height: 55vh; }
}
"""


class Page:
    """Trame server of a view; applies what is chosen in the page.

    Parameters
    ----------
    view : InteractiveView
    name : str
        Of the server; one per page in a process.
    """

    def __init__(self, view: InteractiveView, name: str = "mechlearn") -> None:
        from trame.app import get_server

        self.view = view
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
                "last": len(view.run.recorded_steps) - 1,
                "answered": 0,
            }
        )
        self._press: tuple[float, float] | None = None
        #: Names in the state that are chosen in the page.
        self.choices = ("step", "amplitude", "colour")
        self._tell()
        for key in self.choices:
            state.change(key)(self._later(key))
        self._lay_out()

    # -- what is chosen --------------------------------------------------------------------------

    def _later(self, key: str) -> "Callable[..., None]":
        """Schedule the handling of a choice after all pending messages.

        A slider sends more values than can be drawn; those between are skipped.
        """

        def note(**_: Any) -> None:
            self._wanted.add(key)
            if self._rest is not None:
                self._rest.cancel()
            if self._task is None or self._task.done():
                self._task = asyncio.ensure_future(self._soon())

        return note

    async def _soon(self) -> None:
        self.view.fine(False)
        while self._wanted:
            await asyncio.sleep(0)  # whatever else has arrived is read first
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
        """Apply step, amplitude and colour of the page's state, and draw."""
        state, view = self.server.state, self.view
        state.trouble = ""
        if "colour" in wanted and isinstance(state.colour, str):
            view.colour = state.colour if state.colour in view.colourings else view.colour
        step = _number(state.step, len(view.run.recorded_steps) - 1, view.step)
        amplitude = _number(state.amplitude, 1.0, view.amplitude)
        if (step, amplitude) != (view.step, view.amplitude):
            try:
                view.go(int(step), amplitude)
            except MechlearnError as error:
                state.trouble = str(error)
        view.draw()
        self._tell()

    def _tell(self) -> None:
        """Copy the view's readings to the page's state."""
        state, view = self.server.state, self.view
        steps, shades = view.run.recorded_steps, view.shades
        state.step_text = f"{steps[view.step]:,} of {steps[-1]:,}"
        state.amplitude_text = f"{100 * view.amplitude:.0f} %"
        state.targets = [list(row) for row in view.targets()]
        state.sources = [[name, [list(row) for row in rows]] for name, rows in view.sources()]
        picked = view.picked
        state.bond = "" if picked is None else f"Bond {picked}"
        state.numbers = [] if picked is None else [list(r) for r in view.about_bond(picked)]
        colours = np.asarray(shades.map(np.linspace(0, 1, 9), bytes=True))[:, :3]
        stops = ", ".join(f"rgb({r} {g} {b})" for r, g, b in colours)
        state.bar = f"background: linear-gradient(90deg, {stops})"
        percent = view.moves and view.colour == "strain"
        say = (lambda v: f"{100 * v:.3g} %") if percent else (lambda v: f"{v:.3g}")
        state.low, state.high = say(shades.low), say(shades.high)
        scale = "to scale" if view.factor == 1 else f"amplified ×{view.factor:g}"
        state.scale = f"Deformation {scale}." if view.moves else ""

    def _begin_click(self, event: dict[str, Any] | None = None, **_: Any) -> None:
        self._press = _place(event)

    def _end_click(self, event: dict[str, Any] | None = None, **_: Any) -> None:
        """Pick a bond after a click without a drag."""
        x, y = _place(event)
        if self._press is None or np.hypot(x - self._press[0], y - self._press[1]) > 3:
            return
        w, h = self.view.plotter.render_window.GetSize()
        self.view.pick(x, h - y, (w, h))
        self._later("bond")()

    def _aim(self) -> None:
        self.view.aim()
        self.sight.update()

    def _go_to(self, step: int) -> None:
        self.server.state.step = step

    # -- the page --------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        from trame.ui.html import DivLayout
        from trame.widgets import client, html, vtk

        with DivLayout(self.server) as layout:
            client.Style(STYLE)
            with html.Div(classes="page"):
                with html.Div(classes="sight"):
                    self.sight = vtk.VtkRemoteView(
                        self.view.plotter.render_window,
                        interactive_ratio=1,
                        still_quality=92,
                        interactor_events=(
                            "events",
                            ["LeftButtonPress", "LeftButtonRelease"],
                        ),
                        LeftButtonPress=(self._begin_click, "[utils.vtk.event($event)]"),
                        LeftButtonRelease=(self._end_click, "[utils.vtk.event($event)]"),
                    )
                with html.Div(classes="side"):
                    self._lay_out_side(html)
        self.layout = layout

    def _lay_out_side(self, html: Any) -> None:
        html.H1("{{ title }}")  # a title is what its run calls itself, and nothing to be run
        html.Div("{{ trouble }}", classes="trouble", v_if=("trouble", ""))
        with html.Div(classes="row"):
            for text, step, on in (("Before", "0", "step == 0"), ("After", "last", "step == last")):
                html.Button(text, type="button", click=f"step = {step}", classes=(f"{{on: {on}}}",))
        self._slider(html, "Training step", "step", "step_text", "last", 1)
        self._slider(html, "Load", "amplitude", "amplitude_text", "1", 0.01)
        with html.Label("Colour"), html.Select(v_model=("colour",), id="colour"):
            for name in self.view.colourings:
                html.Option(name, value=name)
        html.Div(classes="bar", style=("bar",))
        with html.Div(classes="line row"):
            html.Span("{{ low }}")
            html.Span("{{ high }}")
        with html.Table(id="targets"):
            with html.Tr():
                for head in ("target", "wanted", "now"):
                    html.Th(head)
            with html.Tr(v_for="row in targets", key="row[0]"):
                html.Td("{{ cell }}", v_for="cell in row")
        with html.Table(id="sources", v_if=("sources.length",)):
            with html.Template(v_for="[name, rows] in sources", key="name"):
                with html.Tr():
                    html.Th("{{ name }}", colspan="2")
                with html.Tr(v_for="row in rows", key="name + row[0]"):
                    html.Td("{{ cell }}", v_for="cell in row")
        html.Div("{{ bond }}", id="bond", v_if=("bond",))
        with html.Table(v_if=("bond",)), html.Tr(v_for="row in numbers"):
            html.Td("{{ cell }}", v_for="cell in row")
        html.P("Click a bond to see its numbers.", classes="quiet", v_if=("!bond",))
        with html.Div(classes="row"):
            html.Button("Reset view", type="button", click=self._aim)
        view = self.view
        with html.P(classes="quiet"):
            for there, sign, words, colour in (
                (view.run.problem.task.sources, "●", "source", SOURCE),
                (True, "●", "target", TARGET),
                (len(held_nodes(view.run.problem)), "■", "support", SUPPORT),
                (view.moves, "━", "at rest", GHOST),
            ):
                if there:
                    with html.Span(style="white-space: nowrap; margin-right: 1ex"):
                        html.Span(f"{sign} ", style=f"color: {colour}")
                        html.Span(words)
                    html.Span(" ")
        with html.P(classes="quiet"):
            html.Span("{{ scale }} Every answer is solved for; nothing is interpolated.")
        html.Span("{{ answered }}", id="answered", style="display: none")

    def _slider(self, html: Any, words: str, key: str, text: str, top: str, step: float) -> None:
        with html.Label():
            with html.Span(classes="line"):
                html.Span(words)
                html.Span(f"{{{{ {text} }}}}", id=text)
            html.Input(
                type="range",
                id=key,
                min="0",
                max=(top,),
                step=str(step),
                value=(key,),
                input=f"{key} = Number($event.target.value)",
                __events=["input"],
            )


def serve(
    run: "Run",
    *,
    example: int = 1,
    port: int = 0,
    browser: bool = True,
    say: "Callable[[str], None]" = print,
) -> None:
    """Serve a run's page on this machine until interrupted.

    Parameters
    ----------
    run : Run
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
    check_example(run, example)
    _check_trame()
    from mechlearn.view.guard import Guard

    port = _port(port)
    page = Page(InteractiveView(run, example - 1))
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
