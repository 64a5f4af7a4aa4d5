"""The ASGI app of the page: its routes, its files, and the context in which agents run."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from importlib.resources.abc import Traversable
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from miniagents.utils import redact_keys

try:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "miniagents serve needs Starlette, which is not installed; pip install 'miniagents[web]'",
        name=_error.name,
    ) from _error

from miniagents import MiniAgent, MiniAgents
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.journal import JournalError, RunStore, open_journal
from miniagents.ext.web import Runs, chat_routes
from miniagents.ext.web_guard import Guard
from miniagents.messages import Message
from miniagents.utils import strip_control

from .._arguments import BadInputError
from ._page import FOLDER, page_routes
from ._routes import About, api_routes
from ._threads import Threads

_KEEP_RUNS: Final = 86_400.0  # seconds; after that, the history alone has the messages
_LAST_STEPS: Final = 0.5  # seconds that runs get for their clean-up when the server ends
_NOT_PAGES: Final = frozenset({"/runs"})  # a route of `chat_routes`; here each run belongs to a conversation
_PUBLIC: Final = ("/", "/page/", "/api/login")
_LONGEST_REASON: Final = 500  # characters
_LOG_IN: Final = "Log in first: POST /api/login with the token of the server."


@dataclass(frozen=True, slots=True)
class Place:
    """The address of a server, and its token.

    Attributes:
        host: the host name or IP address to listen at.
        port: the port to listen at; 0 for any free port.
        token: the secret that clients must send; None if they need none. Then all users of the machine can
            read, change and delete all conversations.
        names: the host names of proxies in front of the server, such as one with TLS; with their ports,
            unless these are the usual ones.

    Example:
        >>> Place(port=0).host
        '127.0.0.1'
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What a server serves.

    Attributes:
        agent: the agent that answers.
        about: what the page shows about it.
        history: the file that keeps the conversations; None to keep them until the server ends.
        journal: the file, or the address of the database, that keeps what runs do; None for a file next to
            the history.
        page: the folder with the files of the page.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> Serving(agent=scripted_model("Hello"), about=About("POET")).history is None
        True
    """

    agent: MiniAgent[Message, Message, ...]
    about: About
    history: Path | None = None
    journal: str | Path | None = None
    page: Traversable = FOLDER


@asynccontextmanager
async def page_app(serving: Serving, place: Place, address: str, port: int) -> AsyncGenerator[ASGIApp]:
    """Make the app; at the end of the block, open runs are stopped, and what they replied is kept.

    Args:
        serving: the agent, and the files.
        place: the address as the user gave it.
        address: the IP address at which the server listens.
        port: its port.

    Raises:
        BadInputError: a file cannot be used.
    """
    cancelled: asyncio.CancelledError | None = None
    context = MiniAgents(app_wide=True, drain_timeout=0.0, shutdown_timeout=_LAST_STEPS)
    with ExitStack() as stack:
        history, journal = await _files(serving, stack)
        async with context:
            # Only the user of this machine reads it, who also reads the log; others get a general sentence.
            alone = ip_address(address.partition("%")[0]).is_loopback and not place.names
            error_text = _reason if alone else None
            agents = {serving.agent.alias: serving.agent}
            runs = Runs(journal, agents=agents, keep=_KEEP_RUNS, error_text=error_text)
            threads = Threads(serving.agent.alias, history, runs)
            try:
                going = await journal.find(ended=False, limit=sys.maxsize)
                await runs.open()  # runs of an earlier server continue
                await threads.take_up({each.topic for each in going} - {""})
            except (OSError, JournalError) as error:
                raise BadInputError(str(error)) from error
            context.on_close(threads.close)  # after the runs have ended, before their file is closed
            guard = Guard(
                place.host, address, port, place.names, token=place.token, public=_PUBLIC, how=_LOG_IN
            )
            app = Starlette(
                routes=[
                    *page_routes(serving.page),
                    *api_routes(threads, journal, serving.about, guard),
                    *(each for each in chat_routes(serving.agent, runs=runs) if each.path not in _NOT_PAGES),
                ]
            )
            app.router.redirect_slashes = False
            try:
                yield guard.around(app)
            except asyncio.CancelledError as error:  # a normal end for the runs: their answers are kept
                cancelled = error
    if cancelled is not None:
        raise cancelled


def _reason(error: Exception) -> str:
    """The sentence for the page of a user who runs the server alone."""
    text = " ".join(strip_control(f"{type(error).__name__}: {redact_keys(error)}".removesuffix(": ")).split())
    cut = text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]}…"
    return f"The agent failed: {cut}"


async def _files(serving: Serving, stack: ExitStack) -> tuple[ChatHistorySQLite, RunStore]:
    """The history and the journal; without a history, they are in a temporary folder.

    Raises:
        BadInputError: one of them cannot be used.
    """
    file = serving.history
    if file is None:
        folder = TemporaryDirectory(prefix="miniagents-", ignore_cleanup_errors=True)
        file = Path(stack.enter_context(folder), "history.db")
    history = ChatHistorySQLite(file)
    try:
        await history.check()
        return history, stack.enter_context(open_journal(serving.journal or journal_beside(file)))
    except (OSError, JournalError) as error:
        raise BadInputError(str(error)) from error


def journal_beside(history: Path) -> Path:
    """Return the default file for the journal.

    Args:
        history: the file of the history.

    Example:
        >>> journal_beside(Path("CHAT.db")).name
        'CHAT.journal'
    """
    return history.with_name(f"{history.stem}.journal")
