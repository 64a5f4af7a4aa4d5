"""`serve_page`: serves the page and its routes on a socket until it is cancelled."""

import asyncio
import os
import socket
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

try:
    import uvicorn
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "miniagents serve needs uvicorn, which is not installed; pip install 'miniagents[web]'",
        name=_error.name,
    ) from _error

from starlette.types import ASGIApp

from miniagents.ext.web import end_responses
from miniagents.ext.web_guard import Guard

from .._arguments import BadInputError
from ._app import Place, Serving, page_app
from ._connections import SilentConnections, protocol_of

_LAST_RESPONSES: Final = 0.15  # seconds that open responses get when the server ends
_HIGHEST_PORT: Final = 65_535


def listen(place: Place) -> socket.socket:
    """Make a socket that listens; clients that connect wait until `serve_page` serves them.

    Args:
        place: the address to listen at.

    Raises:
        BadInputError: the address cannot be used, or other machines could reach it without a token.

    Example:
        >>> with listen(Place(port=0)) as listener:
        ...     print(listener.getsockname()[0])
        127.0.0.1
    """
    where = f"[{place.host}]:{place.port}" if ":" in place.host else f"{place.host}:{place.port}"
    if not 0 <= place.port <= _HIGHEST_PORT:
        raise BadInputError(
            f"{place.port} is not a port; give a number up to {_HIGHEST_PORT}, or 0 for any free port."
        )
    wrong = next((each for each in place.names if not Guard.is_name(each)), None)
    if wrong is not None:
        raise BadInputError(f"{wrong} is not a host name; write it like chat.example.com.")
    if place.token is None and place.names:
        raise BadInputError(
            f"With --name {place.names[0]}, other machines can reach the page, so it needs a token; give one "
            "with --token, or leave --no-token out for a random one."
        )
    refusal = BadInputError(
        f"{place.host} can be reached from other machines, so it needs a token; give one with --token, "
        "leave --no-token out for a random one, or leave --host out to serve only this machine."
    )
    try:
        return Guard.listen(place.host, place.port, refusal=refusal if place.token is None else None)
    except (socket.gaierror, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not a valid host name"
        raise BadInputError(f"{place.host} is not an address of this machine: {reason}.") from error
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else str(error)
        raise BadInputError(
            f"{where} cannot be listened at: {why}; give another --port, or 0 for any free port."
        ) from error


def address_of(place: Place, listener: socket.socket) -> str:
    """Return the URL of the page for a browser on this machine.

    A token is put after the ``#``, so that browsers do not send it with the request.

    Args:
        place: the address of the server.
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
    secret = "" if place.token is None else f"#token={quote(place.token, safe='')}"
    return f"http://{shown}:{port}/{secret}"


async def serve_page(
    serving: Serving, place: Place, listener: socket.socket, on_start: Callable[[str], object] | None = None
) -> None:
    """Serve the page until this is cancelled; then it ends within a second.

    Args:
        serving: the agent, and the files.
        place: the address of the server.
        listener: the socket of `listen`; it is closed at the end.
        on_start: called with the URL of the page when the server is ready.

    Raises:
        BadInputError: a file cannot be used.

    Example:
        >>> from miniagents.cli._server._routes import About
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     place, begun = Place(port=0), asyncio.Event()
        ...     serving = Serving(agent=scripted_model("Hello"), about=About("POET"))
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
    """Return the configuration of uvicorn for an app.

    Args:
        app: the app to serve.
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
    web = uvicorn.Server(config_of(app))

    def end() -> None:
        end_responses()
        asyncio.get_running_loop().call_later(_LAST_RESPONSES, _cut, web)

    await Guard.serve(web, listener, end)


def _cut(web: uvicorn.Server) -> None:
    """Close the connections that are still open."""
    for connection in tuple(web.server_state.connections):
        connection.transport.abort()
