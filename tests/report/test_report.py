"""A run as a page: what it says, and that it moves in a browser."""

import base64
import re

import numpy as np
import pytest
from ranks import command_on_ranks, run_command

from mechlearn.energies import FiniteSpring, Resistor
from mechlearn.errors import InputError
from mechlearn.learning.dofs import Learn
from mechlearn.learning.rules import GradientDescent
from mechlearn.network import Network
from mechlearn.report import report
from mechlearn.report.description import amount, duration, in_sentences, number
from mechlearn.report.modes import softest
from mechlearn.report.motion import moving_picture
from mechlearn.runs.run import Run
from mechlearn.runs.training import train, train_file
from mechlearn.tasks.costs import CrossEntropy
from mechlearn.tasks.task import Source, Support, Target, Task

PULL = Task(
    sources=[Source(name="pinch", near=[0.1, 0.5], strain=0.1)],
    targets=[Target(name="answer", near=[0.9, 0.5], strain=0.05)],
)
STIFFNESS = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0)}


def unpack(text, kind="<f4"):
    return np.frombuffer(base64.b64decode(text), dtype=kind)


@pytest.fixture(scope="module")
def run(plane, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    title = "Pulled <here> & there"
    train(plane, PULL, learn=STIFFNESS, steps=60, title=title).save(folder)
    return Run.load(folder)


@pytest.fixture(scope="module")
def page(run, tmp_path_factory):
    return report(run, tmp_path_factory.mktemp("page") / "deep" / "page.html")


@pytest.fixture(scope="module")
def classes(plane):
    task = Task(
        supports=[Support(nodes=[0])],
        sources=[Source(name="in", nodes=[5], voltage=[0.0])],
        targets=[Target(name=n, nodes=[k], voltage=[0.0]) for n, k in (("a", 9), ("b", 12))],
        examples=[{"in": 1.0, "a": k % 2, "b": 1 - k % 2} for k in range(6)],
        cost=CrossEntropy(),
    )
    learn = {"conductance": Learn(bounds=(0.1, 10), initial=1.0)}
    return train(plane, task, energy=Resistor(), learn=learn, rule=GradientDescent(), steps=3)


# -- the load path ---------------------------------------------------------------------------------


def test_under_the_full_load_the_network_answers_as_the_run_says(run):
    system = run.system()
    full, half = system.response(), system.load(0.5).response()
    np.testing.assert_allclose(full.state, run.response[0], atol=1e-9)
    np.testing.assert_allclose(half.state, run.response[0] / 2, atol=1e-9)
    assert half.energy == pytest.approx(full.energy / 4)
    assert system.load(1.0).outputs[0, 0] == pytest.approx(run.targets[0]["reached"])
    system.set(**run.recorded(0))
    assert system.outputs[0, 0] == pytest.approx(run.targets[0]["initial"])


def test_every_recorded_step_answers_as_it_did_in_training(run):
    system = run.system()
    for number_, step in enumerate(run.recorded_steps):
        expected = run.history.output.values[step]
        found = system.set(**run.recorded(number_)).outputs
        np.testing.assert_allclose(found, expected, rtol=1e-8)


def test_a_finite_response_is_the_same_on_the_way_and_from_rest(plane):
    run = train(plane, PULL, energy=FiniteSpring(), learn=STIFFNESS, steps=5)
    system = run.system()
    path = [system.load(factor).response() for factor in (0.0, 0.4, 1.0, 0.4)]
    assert np.abs(path[0].state).max() < 1e-9
    np.testing.assert_allclose(path[1].state, path[3].state, atol=1e-8)
    np.testing.assert_allclose(path[2].state, run.response[0], atol=1e-8)
    # To second order the answer is not in proportion.
    assert path[1].outputs[0] != pytest.approx(0.4 * path[2].outputs[0], rel=1e-4)


def test_only_examples_that_exist_are_pulled(run):
    with pytest.raises(InputError, match="example = 1 is not one of the task's: 0 to 0"):
        run.system(example=1)


# -- what the page is made of ----------------------------------------------------------------------


def test_the_viewer_gets_the_states_that_were_solved(run):
    scene = moving_picture(run)
    n, m = run.network.n_nodes, run.network.n_edges
    (example,) = scene["examples"]
    moved = unpack(example["after"]["moved"]).reshape(2, n, 3)
    assert scene["amplitudes"] == [0.0, 1.0]
    assert not moved[0].any()
    assert not moved[1, :, 2].any()
    pair = run.problem.ports[-1].nodes
    x = unpack(scene["nodes"]).reshape(n, 3)
    apart = x[pair[1]] - x[pair[0]]
    stretch = apart @ (moved[1, pair[1]] - moved[1, pair[0]]) / (apart @ apart)
    assert stretch == pytest.approx(run.targets[0]["reached"], rel=1e-4)
    strains = unpack(example["after"]["strains"]).reshape(2, m)
    state = run.response[0].reshape(-1)
    expected = run.network.compatibility() @ state / run.network.lengths
    np.testing.assert_allclose(strains[1], expected, atol=1e-6)
    np.testing.assert_allclose(
        unpack(scene["colourings"][0]["after"]), run.learned["stiffness"], rtol=1e-6
    )
    kinds = [mark["source"] for mark in example["marks"]]
    assert kinds == [True, False]
    assert scene["notes"] == []


def test_the_softest_motion_of_a_chain_is_the_one_on_paper():
    # Three springs in a triangle, all of stiffness k: 3k/2 twice, and 3k.
    triangle = Network([[0, 0], [1, 0], [0.5, np.sqrt(0.75)]], [[0, 1], [1, 2], [2, 0]])
    task = Task(
        sources=[Source(nodes=[0, 1], strain=0.1)], targets=[Target(nodes=[1, 2], strain=0.1)]
    )
    run = train(triangle, task, learn=STIFFNESS, steps=0)
    np.testing.assert_allclose(softest(run, run.initial), [1.5, 1.5, 3.0], rtol=1e-9)


def test_sparse_and_dense_find_the_same_softest_motions(run, monkeypatch):
    dense = softest(run, run.learned)
    monkeypatch.setattr("mechlearn.report.modes.DENSE", 0)
    sparse = softest(run, run.learned)
    np.testing.assert_allclose(sparse, dense[: len(sparse)], rtol=1e-6)
    assert len(sparse) >= 3


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (number(-1.5e-7), "−1.5·10⁻⁷"),
        (number([0.5, -2]), "(0.5, −2)"),
        (number([-0.049]), "−0.049"),
        (amount(0.1, "strain"), "+10\u00a0%"),
        (duration(0.0021), "2.1 ms"),
        (duration(7300), "2.03 h"),
    ],
)
def test_numbers_are_written_for_people(text, says):
    assert text == says


def test_the_task_is_told_in_words(run, classes):
    text = " ".join(in_sentences(run))
    a, b = run.problem.ports[0].nodes
    assert f"the distance of nodes {a} and {b} changes by +10\u00a0%" in text
    assert "by coupled learning (eta = 0.01" in text
    assert "Nothing holds it" in text
    text = " ".join(in_sentences(classes))
    assert "Node 0 is held" in text
    assert "stands for this class" in text
    assert "6 examples" in text


# -- the page --------------------------------------------------------------------------------------


def test_the_page_needs_nothing_else(page):
    text = page.read_text()
    assert page.stat().st_size < 1_000_000
    addresses = re.findall(r'(?:src|href)="([^"]*)"', text)
    assert addresses
    assert all(a.startswith("data:") for a in addresses)
    assert not re.search(r"@import|url\(\s*[\"']?http", text)
    assert "Pulled &lt;here&gt; &amp; there" in text
    assert "<here>" not in text


def test_the_files_in_the_page_repeat_the_run(run, page, tmp_path):
    for name in ("task.toml", "network.vtu"):
        (address,) = re.findall(f'download="{name}" href="data:[^,]*,([^"]*)"', page.read_text())
        (tmp_path / name).write_bytes(base64.b64decode(address))
    again = train_file(tmp_path / "task.toml")
    np.testing.assert_allclose(again.learned["stiffness"], run.learned["stiffness"], rtol=1e-12)


def test_the_page_of_classes_shows_their_confusion(classes, tmp_path):
    text = report(classes, tmp_path / "page.html").read_text()
    assert text.count('class="confusion"') == 2
    # Both classes have the same input, so one of them is always wrong.
    assert "Before training: 50 % right" in text
    assert "After training: 50 % right" in text
    assert [int(n) for n in re.findall(r'<td class="cell"[^>]*>(\d+)</td>', text)].count(3) == 4


def test_what_cannot_be_written_is_refused(run, tmp_path):
    with pytest.raises(InputError, match=r"\.html"):
        report(run, tmp_path / "page.pdf")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        report(run, tmp_path / "file" / "page.html")


# -- in a browser ----------------------------------------------------------------------------------

PICTURE = """
    const shown = document.querySelector('#viewer canvas');
    const copy = Object.assign(document.createElement('canvas'),
                               {width: shown.width, height: shown.height});
    const pen = copy.getContext('2d', {willReadFrequently: true});
    pen.drawImage(shown, 0, 0);
    const p = pen.getImageData(0, 0, copy.width, copy.height).data;
    let inked = 0, sum = 0;
    for (let k = 0; k < p.length; k += 4) {
      if (p[k + 3]) { inked++; sum = (sum * 31 + p[k] + 7 * k) % 1e9; }
    }
    return [inked, sum];
"""


def opened(browser, path):
    browser.get(path.as_uri())
    assert browser.execute_script("return document.getElementById('viewer').dataset.ready") == "yes"


def complaints(browser):
    """Warnings and errors in the log of a browser."""
    return [e for e in browser.get_log("browser") if e["level"] != "INFO"]


def settled(browser):
    """The picture of the canvas after the next frame."""
    wait = "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))"
    browser.execute_async_script(wait)
    return browser.execute_script(PICTURE)


def test_in_a_browser_the_network_moves_and_turns(browser, page):
    opened(browser, page)
    first = settled(browser)
    assert first[0] > 5000
    # Nothing moves by itself.
    assert settled(browser) == first
    seen = [first[1]]
    slide = """
        const e = document.querySelector('[data-control=amplitude]');
        e.value = arguments[0]; e.dispatchEvent(new Event('input'));
    """
    browser.execute_script(slide, 0)
    seen.append(settled(browser)[1])
    browser.execute_script("document.querySelector('[data-control=before]').click()")
    seen.append(settled(browser)[1])
    browser.execute_script(slide, 1000)
    seen.append(settled(browser)[1])
    turn = """
        const c = document.querySelector('#viewer canvas');
        c.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0]}));
    """
    for key in ("ArrowLeft", "ArrowUp", "+"):
        browser.execute_script(turn, key)
        seen.append(settled(browser)[1])
    assert len(set(seen)) == len(seen)
    browser.execute_script(turn, "0")
    browser.execute_script("document.querySelector('[data-control=after]').click()")
    assert settled(browser) == first
    assert complaints(browser) == []


def test_in_a_browser_a_tapped_bond_says_its_numbers(browser, run, page):
    from selenium.webdriver.common.action_chains import ActionChains

    opened(browser, page)
    canvas = browser.find_element("css selector", "#viewer canvas")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    # The network is centred; some bond is within reach of some of these places.
    said = ""
    for x in range(-60, 60, 15):
        ActionChains(browser).move_to_element_with_offset(canvas, x, 0).click().perform()
        said = browser.find_element("css selector", "[data-control=bond]").text
        if said.startswith("Bond"):
            break
    bond, i, j = map(int, re.match(r"Bond (\d+), nodes (\d+) and (\d+)", said).groups())
    assert run.network.edges[bond].tolist() == [i, j]
    shown = float(re.search(r"stiffness \S+ → (\S+)", said).group(1))
    assert shown == pytest.approx(run.learned["stiffness"][bond], rel=1e-3)


@pytest.mark.parametrize("kind", ["space", "torus", "conductors"])
def test_in_a_browser_other_networks_are_drawn_too(browser, kind, classes, tmp_path, request):
    if kind == "conductors":
        shown = classes
    else:
        net = request.getfixturevalue(kind)
        task = Task(
            sources=[Source(nodes=[0, 7], strain=0.1)], targets=[Target(nodes=[12, 18], strain=0.1)]
        )
        shown = train(net, task, learn=STIFFNESS, steps=2)
    opened(browser, report(shown, tmp_path / "page.html"))
    assert settled(browser)[0] > 3000
    assert complaints(browser) == []


def test_on_a_phone_nothing_is_wider_than_the_page(browser, page):
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        opened(browser, page)
        assert browser.execute_script("return document.documentElement.scrollWidth") <= 390
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


# -- from the command line -------------------------------------------------------------------------


def test_the_command_names_a_run_that_is_missing(tmp_path):
    done = run_command(["report", str(tmp_path / "none")])
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "none" in done.stderr


def test_two_ranks_write_the_same_page_as_one(run, page, tmp_path):
    out = tmp_path / "page.html"
    done = command_on_ranks(2, "report", run.folder, "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert out.read_text() == page.read_text()
