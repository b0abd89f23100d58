"""Server of the live page: the page's few files, and one websocket for each tab.

It is built on `websockets` alone: MuJoCo depends on it already, and it answers plain GET requests, of which a
page without a build step needs seven. starlette and uvicorn would be two more dependencies, need `websockets`
(or wsproto) themselves, and bring routing, forms and templates that one page has no use for.

Nothing but the files of `page/`, read when the server starts, can be asked for: a request's path is looked up
in a dictionary, and no file is opened for it.
"""

import asyncio
import http
import json
from collections.abc import Callable
from contextlib import suppress
from importlib import resources
from typing import Any

from websockets.asyncio.server import Server as WebSocketServer
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from . import commands as c
from .guard import Guard
from .hub import Hub, Tab
from .session import Session

TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
SOCKET = "/socket"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Content security policy: nothing from elsewhere, and no script in the page's text."""
SAFE = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def assets() -> dict[str, tuple[str, bytes]]:
    """Content type and content of what can be asked for, by path."""
    found = {}
    for file in resources.files(__package__ or "").joinpath("page").iterdir():
        suffix = file.name[file.name.rfind(".") :]
        if suffix in TYPES:
            found[f"/{file.name}"] = (f"{TYPES[suffix]}; charset=utf-8", file.read_bytes())
    found["/"] = found["/index.html"]
    return found


class LivePage:
    """A session, its tabs, and where it listens. `publisher` methods may be called from any thread."""

    def __init__(self, make_session: Callable[["LivePage"], Session], host: str, port: int) -> None:
        """
        Args:
            make_session: the session that publishes to this page.
            host: address or name to listen on.
            port: 0 for any free one.

        Raises:
            ValueError: `host` is empty.
        """
        self._guard = Guard.of(host)
        self._port = port
        self._assets = assets()
        self._hub = Hub()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.session = make_session(self)

    async def run(self, ready: Callable[[str], None] = lambda url: None) -> None:
        """Serves until it is cancelled.

        Args:
            ready: is given the address of the page, with the token if one is needed.

        Raises:
            OSError: the port is taken.
        """
        self._loop = asyncio.get_running_loop()
        async with serve(
            self._serve_tab,
            self._guard.host,
            self._port,
            process_request=self._answer,
            compression=None,  # pictures are compressed already
            max_size=c.LONGEST,
            max_queue=64,
            server_header=None,
        ) as server:
            ready(self.address(server))
            self.session.start()
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await asyncio.to_thread(self.session.close)

    def address(self, server: WebSocketServer) -> str:
        """Address of the page."""
        port = next(iter(server.sockets)).getsockname()[1]
        name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "::1": "[::1]"}.get(self._guard.host, self._guard.host)
        token = "" if self._guard.token is None else f"?token={self._guard.token}"
        return f"http://{name}:{port}/{token}"

    def state(self, kind: str, state: dict[str, Any]) -> None:
        """Publishes a state (see `publisher.Publisher`)."""
        self._later(lambda: self._hub.state(kind, state))

    def picture(self, scene: int, header: dict[str, Any], images: list[bytes]) -> None:
        """Publishes a picture."""
        self._later(lambda: self._hub.picture(scene, header, images))

    def forget(self, scene: int) -> None:
        """A scene is gone."""
        self._later(lambda: self._hub.forget(scene))

    def note(self, text: str, *, is_error: bool = False) -> None:
        """Publishes a sentence for people."""
        self._later(lambda: self._hub.note(text, is_error=is_error))

    def file(self, name: str, content: bytes) -> None:
        """Sends a file to the tab that controls."""
        header = json.dumps({"file": name}).encode()
        # Number 0 is no picture's.
        message = b"".join([(0).to_bytes(8, "big"), len(header).to_bytes(4, "big"), header, content])
        self._later(lambda: self._hub.controller and self._hub.controller.put(message))

    def _later(self, action: Callable[[], Any]) -> None:
        loop = self._loop
        if loop is not None:
            with suppress(RuntimeError):  # the loop is closed: nobody watches any more
                loop.call_soon_threadsafe(action)

    def _answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """The response to a request; None lets a websocket open."""
        headers = request.headers
        if len(headers.get_all("Host")) != 1:
            return _plain(http.HTTPStatus.BAD_REQUEST, "the request has no valid Host")
        if reason := self._guard.refuses_host(headers["Host"]):
            return _plain(http.HTTPStatus.FORBIDDEN, reason)
        if not self._guard.admits(request.path, headers.get("Cookie")):
            text = "this page needs the token: open the address that `vla live` printed"
            return _plain(http.HTTPStatus.FORBIDDEN, text)
        path = request.path.partition("?")[0]
        if path == SOCKET:
            origins = headers.get_all("Origin")
            reason = self._guard.refuses_origin(origins[0] if len(origins) == 1 else None, headers["Host"])
            return _plain(http.HTTPStatus.FORBIDDEN, reason) if reason else None
        if path not in self._assets:
            return _plain(http.HTTPStatus.NOT_FOUND, "there is no such page")
        kind, content = self._assets[path]
        return _response(http.HTTPStatus.OK, kind, content, self._guard.set_cookie)

    async def _serve_tab(self, connection: ServerConnection) -> None:
        tab = self._hub.join()
        if tab is None:
            await connection.close(1013, "too many tabs watch already")
            return
        self.session.watched(True)
        sender = asyncio.create_task(_send(connection, tab))
        try:
            async for message in connection:
                self._take(tab, message)
        except ConnectionClosed:
            pass
        finally:
            sender.cancel()
            self._hub.leave(tab)
            if not self._hub.tabs:
                self.session.watched(False)

    def _take(self, tab: Tab, message: str | bytes) -> None:
        try:
            command = c.parse(message)
        except c.CommandError as error:
            self._hub.note(str(error), tab, is_error=True)
            return
        if isinstance(command, c.Ack):
            tab.acknowledge(command.number)
        elif isinstance(command, c.Claim):
            self._hub.claim(tab)
        elif tab is self._hub.controller:
            self.session.submit(command)
        else:
            self._hub.note("This tab watches. Take control first.", tab, is_error=True)


async def _send(connection: ServerConnection, tab: Tab) -> None:
    with suppress(ConnectionClosed):
        while True:
            await connection.send(await tab.next())


def _plain(status: http.HTTPStatus, text: str) -> Response:
    return _response(status, "text/plain; charset=utf-8", f"{text}\n".encode(), None)


def _response(status: http.HTTPStatus, kind: str, content: bytes, cookie: str | None) -> Response:
    headers = Headers(
        {**SAFE, "Content-Type": kind, "Content-Length": str(len(content)), "Connection": "close"}
    )
    if cookie is not None:
        headers["Set-Cookie"] = cookie
    return Response(status.value, status.phrase, headers, content)
