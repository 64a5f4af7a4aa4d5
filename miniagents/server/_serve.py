"""`serve_page`: the page and its routes on a socket, until it is cancelled."""

import asyncio
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from urllib.parse import quote

import uvicorn
from starlette.applications import Starlette
from typing_extensions import override

from miniagents.agents import MiniAgents, Stage
from miniagents.core import Message
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite, HistoryFileError
from miniagents.ext.web import FrameLogError, Runs, SQLiteFrames, chat_routes, end_responses

from ._connections import SilentConnections, protocol_of
from ._guard import Guard, Hosts
from ._login import Login
from ._page import FOLDER, page_routes
from ._pictures import RunPictures
from ._routes import Told, api_routes
from ._threads import Threads

__all__ = ["Place", "ServeError", "Serving", "address_of", "listen", "serve_page"]

_KEEP_FRAMES: Final = 86_400.0  # seconds; the history has what was said
_LAST_RESPONSES: Final = 0.3  # seconds that responses have when the server ends
_LAST_STEPS: Final = 0.5  # seconds that runs have then for their clean-up
_HIGHEST_PORT: Final = 65_535
_NOT_PAGES: Final = frozenset({"/runs"})  # of `chat_routes`: here a run belongs to a conversation
_PUBLIC: Final = ("/", "/page/", "/api/login")


class ServeError(Exception):
    """The server cannot be; the text says why, and what to do.

    Example:
        >>> raise ServeError("127.0.0.1:80 cannot be listened at: Permission denied.")
        Traceback (most recent call last):
            ...
        miniagents...ServeError: 127.0.0.1:80 cannot be listened at: Permission denied.
    """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server is, and who may come.

    Attributes:
        host: a name or an address.
        port: 0 for one that is free.
        token: what clients have to know; None: whoever reaches it may.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is served.

    Attributes:
        agent: who answers.
        told: what pages are told of it.
        history: the file that keeps the conversations; None: they are kept until the server ends.
        frames: the file that keeps the answers while they come; None: beside the history.
        page: the folder of the page.
    """

    agent: Stage[Message, Message]
    told: Told
    history: Path | None = None
    frames: Path | None = None
    page: Path = FOLDER


def listen(place: Place) -> socket.socket:
    """Listen; whoever connects from now on waits until it is served.

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
    if place.token is None and not _is_loopback(str(address[0])):
        raise ServeError(
            f"{place.host} can be reached from other machines; give a --token that clients have to know, "
            "or leave --host out."
        )
    try:
        return socket.create_server((str(address[0]), place.port), family=family, backlog=1024)
    except OSError as error:
        why = error.strerror or str(error)
        raise ServeError(
            f"{where} cannot be listened at: {why}; give another --port, or 0 for a free one."
        ) from error


def address_of(place: Place, listener: socket.socket) -> str:
    """Return what a browser on this machine opens; a token stands behind the ``#``, which is sent to nobody.

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
    """
    pictures = RunPictures()
    cancelled: asyncio.CancelledError | None = None
    with listener, _kept(serving) as (history_file, frames_file):
        history = ChatHistorySQLite(history_file)
        context = MiniAgents(
            app_wide=True, drain_timeout=0.0, shutdown_timeout=_LAST_STEPS, observers=[pictures]
        )
        async with context:
            runs = Runs(SQLiteFrames(frames_file, keep=_KEEP_FRAMES))
            await _check(history, runs)
            threads = Threads(serving.agent, history, runs, pictures)
            context.on_close(threads.close)  # after the runs have ended, before their log closes
            bound, port = listener.getsockname()[:2]
            login = None if place.token is None else Login(place.token, port)
            app = Starlette(
                routes=[
                    *page_routes(serving.page),
                    *api_routes(threads, pictures, serving.told, login),
                    *(each for each in chat_routes(serving.agent, runs=runs) if each.path not in _NOT_PAGES),
                ]
            )
            guard = Guard(app, Hosts.of(place.host, bound, port), login, _PUBLIC)
            if on_start is not None:
                on_start(address_of(place, listener))
            try:
                await _served(guard, listener)
            except asyncio.CancelledError as error:  # a normal end for the runs: what they said is kept
                cancelled = error
    if cancelled is not None:
        raise cancelled


@contextmanager
def _kept(serving: Serving) -> Generator[tuple[Path, Path]]:
    """The files; if nothing is to be kept, in a folder that goes at the end."""
    if serving.history is not None:
        yield serving.history, serving.frames or frames_beside(serving.history)
        return
    with TemporaryDirectory(prefix="miniagents-", ignore_cleanup_errors=True) as folder:
        yield Path(folder, "history.db"), serving.frames or Path(folder, "frames.db")


def frames_beside(history: Path) -> Path:
    """Return where the frames of a history are kept if nobody says it.

    Args:
        history: its file.

    Example:
        >>> frames_beside(Path("CHAT.db")).name
        'CHAT-frames.db'
    """
    return history.with_name(f"{history.stem}-frames{history.suffix}")


async def _check(history: ChatHistorySQLite, runs: Runs) -> None:
    try:
        await history.check()
        await runs.find("")  # opens it
    except (HistoryFileError, FrameLogError) as error:
        raise ServeError(str(error)) from error


async def _served(app: Guard, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        http=protocol_of(SilentConnections()),
        ws="none",
        lifespan="off",
        log_config=None,
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=1,
    )
    web = _WebServer(config)
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
