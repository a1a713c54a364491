"""Layout of the page: picture, controls of training and load, tables."""

from typing import TYPE_CHECKING, Any

from mechlearn.render.colours import GHOST, SOURCE, SUPPORT, TARGET
from mechlearn.render.marks import held_nodes

if TYPE_CHECKING:
    from mechlearn.view.page import Page

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
.line :last-child, button { white-space: nowrap; }
.side input[type=range] { width: 100%; margin: .3rem 0 0; accent-color: #35608d; }
.side select, .side button { font: inherit; color: inherit; background: #fff; padding: .3rem .6rem;
  border: 1px solid #c3c9d1; border-radius: 6px; }
.side select { width: 100%; margin-top: .2rem; }
.side button { flex: 1 1 auto; cursor: pointer; }
.side button.on { background: #20242a; color: #fff; border-color: #20242a; }
.bar { height: .7rem; border-radius: 2px; }
.side table { width: 100%; border-collapse: collapse; font-variant-numeric: tabular-nums;
  font-size: .95rem; margin-bottom: 1rem; }
.side th, .side td { text-align: right; padding: .15rem 0 .15rem .5rem;
  border-bottom: 1px solid #dfe3e8; }
.side th:first-child, .side td:first-child { text-align: left; padding-left: 0; }
.side button:disabled { color: #9aa1ab; cursor: default; }
.side input[type=text] { font: inherit; width: 6rem; padding: .2rem .5rem;
  border: 1px solid #c3c9d1; border-radius: 6px; }
.curve { display: block; width: calc(100% - 16px); height: 4.5rem; margin: .2rem 8px 0; }
.curve * { fill: none; stroke: #35608d; stroke-width: 1.5; vector-effect: non-scaling-stroke; }
.curve .shown { stroke: #FFC400; stroke-width: 2.5; }
.curve .goal { stroke: #9aa1ab; stroke-dasharray: 4 3; }
.quiet { color: #5b626d; font-size: .88rem; }
.trouble { border-left: 4px solid #b23b12; background: #fdf3ee; padding: .4rem .7rem;
  margin-bottom: 1rem; }
@media (max-width: 760px) {
  .page { flex-direction: column; }
  .sight { min-height: 45vh; }
  .side { width: auto; border: 0; border-top: 1px solid #dfe3e8; max-height: 55vh; }
}
"""


def lay_out(page: "Page") -> Any:
    """Layout of a page, bound to its state and its handlers."""
    from trame.ui.html import DivLayout
    from trame.widgets import client, html, vtk

    with DivLayout(page.server) as layout:
        client.Style(STYLE)
        with html.Div(classes="page"):
            with html.Div(classes="sight"):
                page.sight = vtk.VtkRemoteView(
                    page.view.plotter.render_window,
                    interactive_ratio=1,
                    still_quality=92,
                    interactor_events=("events", ["LeftButtonPress", "LeftButtonRelease"]),
                    LeftButtonPress=(page.begin_click, "[utils.vtk.event($event)]"),
                    LeftButtonRelease=(page.end_click, "[utils.vtk.event($event)]"),
                )
            with html.Div(classes="side"):
                html.H1(
                    "{{ title }}"
                )  # a title is what its run calls itself, and nothing to be run
                html.Div("{{ trouble }}", classes="trouble", v_if=("trouble", ""))
                _training(html, page)
                _picture(html, page)
                _numbers(html, page)
    return layout


def _training(html: Any, page: "Page") -> None:
    """Buttons and error curve of the training, and the choice of a target."""
    from trame_client.widgets.core import AbstractElement  # type: ignore[import-untyped]

    with html.Div(classes="row"):
        html.Button("{{ running ? 'Pause' : 'Train' }}", type="button", id="run", click=page.run)
        html.Button("One step", type="button", id="one", click=page.one, disabled=("running",))
        if page.live.folder is not None:
            html.Button("Save", type="button", id="save", click=page.save)
    html.P("{{ status }}", id="status", classes="quiet")
    with html.Label():
        with html.Span(classes="line"):
            html.Span("{{ error_name }}")
            html.Span("{{ error_text }}", id="error")
        box = ['viewBox="0 0 100 40"', 'preserveAspectRatio="none"', 'aria-hidden="true"']
        with html.Svg(classes="curve", raw_attrs=box):
            for name, line in (
                ("shown", ':x1="spot" y1="0" :x2="spot" y2="40"'),
                ("goal", 'x1="0" :y1="goal" x2="100" :y2="goal"'),
            ):
                AbstractElement("line", classes=name, raw_attrs=[line])
            AbstractElement("polyline", raw_attrs=[':points="curve"'])
    _slider(html, "Training step", "step", "step_text", "last", 1)
    with html.Div(classes="row"):
        for text, step, on in (("Before", "0", "step == 0"), ("After", "last", "step == last")):
            html.Button(text, type="button", click=f"step = {step}", classes=(f"{{on: {on}}}",))
        pressed = ("{on: choosing}",)
        html.Button("New target", type="button", id="choose", click=page.choose, classes=pressed)
    with html.Div(v_if=("choosing",), id="aim"):
        html.P("{{ chosen }}", classes="quiet")
        with html.Div(v_if=("quantity",)):
            with html.Label("{{ quantity }} "):
                html.Input(type="text", id="wanted", v_model=("wanted",))
            with html.Div(classes="row"):
                html.Button("Only this", type="button", id="alone", click=(page.aim, "[true]"))
                html.Button("This, too", type="button", id="also", click=(page.aim, "[false]"))


def _picture(html: Any, page: "Page") -> None:
    """Load, and the colours of the bonds."""
    _slider(html, "Load", "amplitude", "amplitude_text", "1", 0.01)
    with html.Label("Colour"), html.Select(v_model=("colour",), id="colour"):
        for name in page.view.colourings:
            html.Option(name, value=name)
    html.Div(classes="bar", style=("bar",))
    with html.Div(classes="line row"):
        html.Span("{{ low }}")
        html.Span("{{ high }}")


def _numbers(html: Any, page: "Page") -> None:
    """Readings of targets, sources and the picked bond, and the legend."""
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
        html.Button("Reset view", type="button", click=page.reset)
    view = page.view
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


def _slider(html: Any, words: str, key: str, text: str, top: str, step: float) -> None:
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
