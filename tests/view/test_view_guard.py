"""Access to the live page by other sites and other processes; markup in a run's own words."""

import asyncio
import contextlib
import json
import re
import signal
import struct
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import aiohttp
import pytest
from clients import talk

from mechlearn.learning.dofs import Learn
from mechlearn.runs.training import train
from mechlearn.tasks.task import Source, Target, Task

TITLE = "{{[].constructor.constructor(`window.PWN=2`)()}} <img src=x onerror=window.PWN=3> </h1>"
NAME = "{{7*7}}<b>'\"&"
#: A message of one piece that claims 1 GiB.
CLAIM = struct.pack("<III", 100, 0, 2**30) + b"x"


@pytest.fixture(scope="module")
def served(plane, tmp_path_factory):
    """The address of a page and its process, which must end quietly whatever it was sent."""
    folder = tmp_path_factory.mktemp("guard")
    task = Task(
        sources=[Source(nodes=[3, 30], strain=0.1)],
        targets=[Target(name=NAME, nodes=[12, 25], strain=0.1)],
    )
    learn = {"stiffness": Learn(bounds=(0.01, 10), initial=1.0)}
    train(plane, task, learn=learn, steps=2, title=TITLE).save(folder / "run")
    command = [sys.executable, "-m", "mechlearn", "view", folder / "run", "--serve"]
    with (
        (folder / "errors").open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as process,
    ):
        yield re.search(r"http://\S+/", process.stdout.readline()).group(), process
        assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) in (0, 130)
    assert (folder / "errors").read_text().replace("mechlearn: Stopped.\n", "") == ""


@pytest.fixture
def address(served):
    return served[0]


def root(address):
    return re.match(r"http://[^/]+", address).group()


def ask(address, method="GET", **headers):
    request = urllib.request.Request(address, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def test_every_start_has_another_secret_in_its_address(address):
    from mechlearn.view.guard import Guard

    assert len({Guard("127.0.0.1", 1, ()).address for _ in range(20)}) == 20
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[0-9a-f]{48}/", address)
    assert ask(address)[0] == 200


@pytest.mark.parametrize("path", ["", "/", "/index.html", "/ws", "/paraview/", "/0/index.html"])
def test_who_does_not_know_the_address_gets_nothing(address, path):
    assert ask(root(address) + path)[0] == 403
    assert ask(root(address) + path, "POST")[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example", "Origin": "http://evil.example"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
def test_no_other_site_gets_anything_even_where_it_knows_the_address(address, headers):
    for path, method in (("index.html", "GET"), ("paraview/", "POST"), ("ws", "GET")):
        code, text = ask(address + path, method, **headers)
        assert code == 403
        assert address.split("/")[3] not in text


def memory(process):
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) / 2**10


def test_without_the_secret_a_socket_says_nothing(address):
    async def talking(client, greeted):
        return greeted["message"], (await client.call("trame.state.get"))["message"]

    refused = "Authentication failed", "Unauthorized: Skip message processing"
    assert talk(address, talking, secret="wslink-secret") == refused


@pytest.mark.parametrize("method", ["application.exit", "application.exit.later"])
def test_a_client_cannot_end_the_server(served, method):
    address, process = served

    async def talking(client, greeted):
        assert "clientID" in greeted
        return await client.call(method, 0)

    assert talk(address, talking)["message"] == "Unregistered method called"
    time.sleep(0.3)
    assert process.poll() is None
    assert ask(address)[0] == 200


def test_a_client_cannot_change_the_page(address):
    changes = [
        {"key": key, "value": "<h1>owned</h1>"}
        for key in (
            "trame__template_main",
            "title",
            "targets",
            "bar",
            "running",
            "choosing",
            "curve",
        )
    ]

    async def talking(client, _):
        before = (await client.call("trame.state.get"))["state"]
        await client.call("trame.state.update", changes)
        return before, (await client.call("trame.state.get"))["state"]

    before, after = talk(address, talking)
    assert before == after
    assert "owned" not in json.dumps(after)


@pytest.mark.parametrize(
    "changes",
    [[{"key": "step", "value": value}] for value in ("abc", {}, [], None, 1e300, -5, float("nan"))]
    + [[{"key": "amplitude", "value": {}}], [{"key": "colour", "value": ["x"]}]]
    + [[{"key": [], "value": 1}], [{"value": 1}], ["x"], 7, None, {}],
)
def test_choices_that_make_no_sense_change_nothing_that_is_shown(address, changes):
    async def talking(client, _):
        await client.call("trame.state.update", changes)
        await asyncio.sleep(0.1)
        return (await client.call("trame.state.get"))["state"]

    state = talk(address, talking)
    assert state["trouble"] == ""
    assert re.fullmatch(r"\d of 2", state["step_text"])


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("trame.trigger", ["trigger__1", [7], {}]),
        ("trame.trigger", ["none", [], {}]),
        ("trame.trigger", [{}, 3, 4]),
        ("trame.trigger", []),
        ("trame.lifecycle.update", ["server_ready"]),
        ("trame.lifecycle.update", [[]]),
        ("viewport.image.push", [{"view": "x", "size": [10**9, 10**9]}]),
        ("viewport.image.push.original.size", [1, 1e9, 1e9]),
        ("viewport.mouse.interaction", [{}]),
        ("trame.error.client", [TITLE]),
    ],
)
def test_calls_that_make_no_sense_do_nothing(address, method, arguments):
    async def talking(client, _):
        await client.call(method, *arguments)
        return await client.call("trame.state.get")

    assert "state" in talk(address, talking)


@pytest.mark.parametrize(
    "content",
    [b"", b"x", CLAIM, struct.pack("<III", 1, 5, 1) + b"xyz", b"\1" + bytes(11)]
    + [struct.pack("<III", 1, 0, len(m)) + m for m in (b"\x01", b"\xc1", b"\x81\xa2id\x01")],
)
def test_messages_that_are_none_end_the_talk_and_take_no_memory(served, content):
    address, process = served
    before = memory(process)

    async def talking(client, _):
        await client.socket.send_bytes(content)
        return await client.closed()

    assert talk(address, talking)
    assert memory(process) < before + 200
    assert ask(address)[0] == 200


def test_many_messages_that_never_end_are_too_much(served):
    address, process = served
    before = memory(process)

    async def talking(client, _):
        with contextlib.suppress(ConnectionError, aiohttp.ClientError):
            for number in range(10_000):
                await client.socket.send_bytes(struct.pack("<III", number, 0, 2**19) + b"x")
        return await client.closed()

    assert talk(address, talking)
    assert memory(process) < before + 200


# -- in a browser ----------------------------------------------------------------------------------

ATTACK = """
const [root, path, done] = arguments, got = {};
const tried = (name, promise) => promise.then(v => got[name] = v, e => got[name] = 'refused');
const socket = (name, url) => tried(name, new Promise((yes, no) => {
  const s = new WebSocket(url);
  s.onopen = () => yes('open');
  s.onerror = no;
}));
const frame = document.createElement('iframe');
frame.src = root + path + 'index.html';
document.body.append(frame);
Promise.all([
  tried('page', fetch(root + '/index.html').then(r => r.text())),
  tried('known page', fetch(root + path + 'index.html').then(r => r.text())),
  tried('launcher', fetch(root + '/paraview/', {method: 'POST', body: '{}'}).then(r => r.text())),
  tried('known launcher', fetch(root + path + 'paraview/', {method: 'POST'}).then(r => r.text())),
  socket('socket', root.replace('http', 'ws') + '/ws'),
  socket('known socket', root.replace('http', 'ws') + path + 'ws'),
  tried('script', new Promise((yes, no) => {
    const s = document.createElement('script');
    s.src = root + path + 'vue.global.js';
    s.onload = () => yes(String(window.Vue));
    s.onerror = no;
    document.body.append(s);
  })),
]).then(() => setTimeout(() => {
  try { got.frame = frame.contentDocument.body.innerHTML || 'refused'; }
  catch { got.frame = 'refused'; }
  done(got);
}, 300));
"""


def test_in_a_browser_a_page_of_another_origin_gets_nothing(address, browser, tmp_path):
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    (tmp_path / "index.html").write_text("<!doctype html><title>evil</title><body></body>")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=tmp_path)) as other:
        threading.Thread(target=other.serve_forever, daemon=True).start()
        try:
            browser.get(f"http://127.0.0.1:{other.server_port}/index.html")
            path = address.removeprefix(root(address))
            got = browser.execute_async_script(ATTACK, root(address), path)
        finally:
            other.shutdown()
            browser.get("about:blank")
            browser.get_log("browser")
    assert set(got.values()) == {"refused"}, got
    assert len(got) == 8


def test_in_a_browser_the_words_of_a_run_are_words(address, browser):
    from selenium.webdriver.support.ui import WebDriverWait

    browser.get("about:blank")
    for _ in range(2):  # and once more when the page is loaded again
        browser.get(address) if browser.current_url == "about:blank" else browser.refresh()
        head = WebDriverWait(browser, 20).until(
            lambda b: b.execute_script("return document.querySelector('.side h1')?.textContent")
        )
        assert head == TITLE
        cell = browser.find_element("css selector", "#targets tr:nth-child(2) td")
        assert cell.get_attribute("textContent") == NAME
        assert browser.execute_script("return window.PWN") is None
    browser.get("about:blank")
    browser.get_log("browser")


def test_an_answer_to_a_client_that_left_is_dropped_and_other_errors_are_not():
    from mechlearn.view.guard import _to_the_present

    async def send(error):
        raise error

    asyncio.run(_to_the_present(send)(aiohttp.ClientConnectionResetError("closing")))
    with pytest.raises(ValueError, match="wrong"):
        asyncio.run(_to_the_present(send)(ValueError("wrong")))


def test_a_client_that_left_is_no_error_but_anything_else_is_reported():
    from mechlearn.view.guard import _without_hangups

    reported = []

    async def serving():
        loop = asyncio.get_running_loop()
        loop.default_exception_handler = reported.append
        loop.set_exception_handler(_without_hangups)
        loop.call_exception_handler({"exception": aiohttp.ClientConnectionResetError("gone")})
        loop.call_exception_handler({"exception": ValueError("wrong")})

    asyncio.run(serving())
    assert [str(context["exception"]) for context in reported] == ["wrong"]
