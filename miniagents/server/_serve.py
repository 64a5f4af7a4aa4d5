"""`serve_page`: the page and its routes on a socket, until it is cancelled."""

import asyncio
import os
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from ipaddress import ip_address
from typing import Final
from urllib.parse import quote

try:
    import uvicorn
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "miniagents.server needs uvicorn, which is not installed; pip install 'miniagents[web]'",
        name=_error.name,
    ) from _error

from starlette.types import ASGIApp
from typing_extensions import override

from miniagents.ext.web import end_responses

from ._app import Place, ServeError, Serving, page_app
from ._connections import SilentConnections, protocol_of
from ._guard import is_host

__all__ = ["address_of", "config_of", "listen", "serve_page"]

_LAST_RESPONSES: Final = 0.15  # seconds that responses have when the server ends
_HIGHEST_PORT: Final = 65_535


def listen(place: Place) -> socket.socket:
    """Listen; clients that connect from now on wait until they are served.

    Args:
        place: where.

    Raises:
        ServeError: nobody can listen there, or others than this machine would reach it without a token.

    Example:
        >>> with listen(Place(port=0)) as listener:
        ...     print(listener.getsockname()[0])
        127.0.0.1
    """
    where = f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}"
    if not 0 <= place.port <= _HIGHEST_PORT:
        raise ServeError(
            f"{place.port} is no port; give a number up to {_HIGHEST_PORT}, or 0 for a free one."
        )
    try:
        found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it can be no name"
        raise ServeError(f"{place.host} is no address of this machine: {reason}.") from error
    wrong = next((each for each in place.names if not is_host(each)), None)
    if wrong is not None:
        raise ServeError(f"{wrong} is no name of a server; write it like chat.example.com.")
    if place.token is None and place.names:
        raise ServeError(f"{place.names[0]} is for others; give a --token that clients have to know.")
    if place.token is None and not _is_loopback(str(address[0])):
        raise ServeError(
            f"{place.host} can be reached from other machines; give a --token that clients have to know, "
            "or leave --host out."
        )
    try:
        return socket.create_server((str(address[0]), place.port), family=family, backlog=1024)
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise ServeError(
            f"{where} cannot be listened at: {why}; give another --port, or 0 for a free one."
        ) from error


def address_of(place: Place, listener: socket.socket) -> str:
    """Return what a browser on this machine opens; a token stands behind the ``#``, and is not sent.

    Args:
        place: where the server is.
        listener: its socket.

    Example:
        >>> place = Place(port=0, token="open sesame")
        >>> with listen(place) as listener:
        ...     address_of(place, listener).replace(str(listener.getsockname()[1]), "8000")
        'http://127.0.0.1:8000/#token=open%20sesame'
    """
    bound, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(bound, place.host)  # noqa: S104 - compared with
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}/" + (
        "" if place.token is None else f"#token={quote(place.token, safe='')}"
    )


async def serve_page(
    serving: Serving, place: Place, listener: socket.socket, on_start: Callable[[str], object] | None = None
) -> None:
    """Serve the page, until this is cancelled: then it ends within a second.

    Args:
        serving: what is served.
        place: where.
        listener: of `listen`; it is closed at the end.
        on_start: called with the address when all that can go wrong at the start has gone well.

    Raises:
        ServeError: a file cannot be used.

    Example:
        >>> from miniagents.server import Told
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     place, begun = Place(port=0), asyncio.Event()
        ...     serving = Serving(agent=scripted_model("Hello"), told=Told("POET"))
        ...     server = asyncio.create_task(serve_page(serving, place, listen(place), lambda _: begun.set()))
        ...     await begun.wait()
        ...     server.cancel()
        ...     await asyncio.wait((server,))
        ...     print(server.cancelled())
        >>> asyncio.run(main())
        True
    """
    bound, port = listener.getsockname()[:2]
    with listener:
        async with page_app(serving, place, bound, port) as app:
            if on_start is not None:
                on_start(address_of(place, listener))
            await _served(app, listener)


def config_of(app: ASGIApp) -> uvicorn.Config:
    """Return how an app is served.

    Args:
        app: what is served.
    """
    return uvicorn.Config(
        app,
        http=protocol_of(SilentConnections()),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )


async def _served(app: ASGIApp, listener: socket.socket) -> None:
    web = _WebServer(config_of(app))
    server = asyncio.create_task(web.serve(sockets=[listener]))
    try:
        await asyncio.shield(server)
    finally:
        end_responses()
        web.should_exit = True
        cutting = asyncio.get_running_loop().call_later(_LAST_RESPONSES, web.cut)
        while not server.done():
            await asyncio.wait((server,))
        cutting.cancel()


class _WebServer(uvicorn.Server):
    """Leaves signals to the program around it."""

    @contextmanager
    @override
    def capture_signals(self) -> Generator[None]:
        yield

    def cut(self) -> None:
        """Leave the clients that are still there."""
        for connection in tuple(self.server_state.connections):
            connection.transport.abort()


def _is_loopback(address: str) -> bool:
    return ip_address(address.partition("%")[0]).is_loopback
