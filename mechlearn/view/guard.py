"""Access control of the served page: secret address, allowed origins and calls.

A browser lets any web site reach servers of this machine, so that these are checked: the ``Host``
and ``Origin`` of every request, a secret in the path that is drawn anew at every start, the length
of messages, and what they call and set. What is refused is refused without a word in the terminal.
"""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from inspect import isawaitable
from typing import Any

from wslink.chunking import UnChunker

#: Calls that the page makes; all others, such as those that end the server, are taken away.
CALLS = (
    "trame.state.get", "trame.state.update", "trame.trigger", "trame.lifecycle.update",
    "viewport.camera.reset", "viewport.camera.update", "viewport.mouse.interaction",
    "viewport.mouse.zoom.wheel", "viewport.image.push", "viewport.image.push.enabled",
    "viewport.image.push.invalidate.cache", "viewport.image.push.observer.add",
    "viewport.image.push.observer.remove", "viewport.image.push.original.size",
    "viewport.image.push.quality",
)  # fmt: skip
#: Names of life cycles that a page reports.
CYCLES = ("client_connected", "client_mounted", "client_unmounted", "client_exited")
#: Bytes that all messages of a client which are not yet whole may claim, and how many they may be.
LARGEST, UNFINISHED = 2**20, 8
#: Pixels of a picture's side.
WIDEST = 10_000
#: What a page may load, and where it may call: nothing but this server.
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws://{host}; frame-ancestors 'none'; "
    "form-action 'none'; object-src 'none'"
)


class Refused(Exception):
    """Invalid call of a client."""


class Pieces(UnChunker):  # type: ignore[misc]  # wslink has no types
    """Message fragments with a bound on claimed sizes."""

    def set_max_message_size(self, size: int) -> None:
        """Ignore wslink's wish to lift the bound to 4 GiB."""

    def process_chunk(self, chunk: bytes) -> Any:
        """Add a fragment; returns the message that it completes."""
        self.max_message_size = LARGEST
        found = super().process_chunk(chunk)
        left = [len(message["content"]) for message in self.pending_messages.values()]
        if sum(left) > LARGEST or len(left) > UNFINISHED:
            raise Refused
        return found


class Guard:
    """Guard of a page's server: secret address, checks of Host and Origin, allowed calls.

    Parameters
    ----------
    port : int
    host : str
    choices : collection of str
        Names in the page's state that a client may set.
    """

    def __init__(self, host: str, port: int, choices: Collection[str]) -> None:
        self.host, self.choices = f"{host}:{port}", frozenset(choices)
        self.secret = secrets.token_hex(24)  # the client turns addresses into lower case

    @property
    def address(self) -> str:
        """Address of the page, with its secret."""
        return f"http://{self.host}/{self.secret}/"

    def arguments(self) -> list[str]:
        """Arguments of trame's own command line."""
        return ["--ws-endpoint", f"{self.secret}/ws", "--authKey", self.secret]

    def stand(self, server: Any) -> None:
        """Install the checks in a server that is about to start (wslink's, on aiohttp)."""
        from aiohttp import web

        @web.middleware
        async def check(request: web.Request, handler: Callable[..., Awaitable]) -> Any:
            origin = request.headers.get("Origin")
            known = request.host == self.host and origin in (None, f"http://{self.host}")
            inside = secrets.compare_digest(
                request.path.encode()[: len(self.secret) + 2], f"/{self.secret}/".encode()
            )
            if not (known and inside):
                raise web.HTTPForbidden(text="Open the address that mechlearn view has printed.\n")
            return await handler(request)

        async def start(_: web.Request) -> web.Response:
            raise web.HTTPFound("index.html")

        async def launch(_: web.Request) -> web.Response:
            # The page's client asks first where its socket is, as of a launcher.
            socket = f"ws://{self.host}/{self.secret}/ws"
            return web.json_response({"sessionURL": socket, "secret": self.secret})

        async def mark(_: web.Request, response: web.StreamResponse) -> None:
            response.headers.update(
                {
                    "Content-Security-Policy": POLICY.format(host=self.host),
                    "Cross-Origin-Resource-Policy": "same-origin",
                    "Referrer-Policy": "no-referrer",
                    "X-Content-Type-Options": "nosniff",
                }
            )

        async def forgive(_: web.Application) -> None:
            asyncio.get_running_loop().set_exception_handler(_without_hangups)

        app = server.app
        app.on_startup.append(forgive)
        app.middlewares.append(check)
        app.on_response_prepare.append(mark)
        app.router.add_get(f"/{self.secret}/", start)
        app.router.add_post(f"/{self.secret}/paraview/", launch)
        files = server.config.get("static", {})
        for route in sorted(files, reverse=True):  # the longest first, as any matches the shortest
            app.router.add_static(f"/{self.secret}/{route.strip('/')}", files[route])
        server._default_routes = []
        for handler in server._ws_handlers:
            self._watch(handler)

    def _watch(self, handler: Any) -> None:
        """Restrict a socket handler to complete and valid messages, and to clients still there."""
        connect, take = handler.onConnect, handler.onMessage
        handler.sendWrappedMessage = _to_the_present(handler.sendWrappedMessage)
        handler.sendWrappedError = _to_the_present(handler.sendWrappedError)

        async def onConnect(request: Any, client: str) -> None:
            await connect(request, client)
            handler.unchunkers[client] = Pieces()

        async def onMessage(is_binary: bool, message: Any, client: str) -> None:
            try:
                if not is_binary:
                    raise Refused
                await take(is_binary, message, client)
            except Exception:  # whatever nonsense does to the libraries that read it
                await handler.connections[client].close()

        handler.onConnect, handler.onMessage = onConnect, onMessage
        handler.functionMap = {
            name: (of, self._checked(name, function))
            for name, (of, function) in handler.functionMap.items()
            if name in CALLS
        }

    def _checked(self, name: str, function: Callable[..., Any]) -> Callable[..., Awaitable[Any]]:
        """Call that is ignored where its arguments are invalid."""

        async def call(of: Any, *arguments: Any, **options: Any) -> Any:
            try:
                arguments = self._sensible(name, arguments)
                if name == "trame.trigger" and not of.server.controller.trigger_fn(arguments[0]):
                    raise Refused
                found = function(of, *arguments, **options)
                return await found if isawaitable(found) else found
            except (Refused, TypeError, ValueError, LookupError, AttributeError, OverflowError):
                return None

        return call

    def _sensible(self, name: str, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        """Validated arguments of a call; raises Refused where none are valid."""
        if name == "trame.state.update":
            (changes,) = arguments
            return ([c for c in changes if c.get("key") in self.choices],)
        if name == "trame.lifecycle.update" and arguments[0] not in CYCLES:
            raise Refused
        if name.startswith("viewport.") and not all(map(_small, arguments)):
            raise Refused
        return arguments


def _without_hangups(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Report of an error in the background, unless a client left while it was being answered."""
    if not isinstance(context.get("exception"), ConnectionError):
        loop.default_exception_handler(context)


def _to_the_present(send: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Answer that is dropped where its client has left meanwhile."""

    async def answer(*content: Any, **options: Any) -> None:
        with suppress(ConnectionError):
            await send(*content, **options)

    return answer


def _small(value: Any) -> bool:
    """True if all numbers in nested lists and tables are finite, and none too large."""
    if isinstance(value, float | int):
        return math.isfinite(value) and abs(value) <= WIDEST
    if isinstance(value, dict):
        return all(map(_small, value.values()))
    return not isinstance(value, list | tuple) or all(map(_small, value))
