"""From the words of the command line to checked options, or one line on stderr that says what is wrong.

The options are tried out at the start, so that an error comes before the user types a message.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from typing_extensions import override

from miniagents.core import Messages
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.timeline import check_picture_path
from miniagents.values import strip_control

from ._journal import JournalOptions, add_journal, journal_options
from ._map_arguments import MapOptions, add_map, map_options


class BadInputError(Exception):
    """An option cannot be used; the text says what is wrong and what to do. The exit code is 2."""


def complain(text: str) -> None:
    """Say what is wrong in one line on stderr; if stderr is closed, nothing happens.

    Args:
        text: any text; line breaks become spaces, control characters go.
    """
    with suppress(OSError, AttributeError):  # stderr is closed, or there is none
        sys.stderr.write(f"miniagents: {' '.join(strip_control(text).split())}\n")
        sys.stderr.flush()


_EPILOG = """\
Without --model the provider whose key is set answers: with OPENAI_API_KEY the model
OPENAI_MODEL (else gpt-5.4-mini), with ANTHROPIC_API_KEY the model ANTHROPIC_MODEL
(else claude-haiku-4-5). Without any key eliza answers: a small program of rules, no
language model. What a provider needs comes with: pip install 'miniagents[openai]'
(or [anthropic], or [all]). openai speaks Chat Completions, as most servers do,
openai-responses the Responses API; both have the settings of OpenAI.

Without --base-url the server is the one of OPENAI_BASE_URL or ANTHROPIC_BASE_URL,
else the provider. A server of your own may do without a key.

At a terminal Enter sends, Ctrl+Space breaks a line, Ctrl-C stops an answer; 'exit',
Ctrl-D, or Ctrl-C at the prompt ends. On a pipe each line is a message.

Exit code: 0; 1 when a model failed on a pipe or the conversation could not be kept;
2 for wrong input.
"""


_SERVE_EPILOG = """\
The module is looked for in the current folder first. Without MODULE:AGENT a model
answers, chosen as by miniagents chat: the provider whose key is set, or else eliza, a
small program of rules.

The page is for this machine alone; with --host for others too, and then they need the
token (or the one in MINIAGENTS_TOKEN, which other users of this machine do not see).
Conversations are kept in --history, and answers, while they come, in --frames. It needs
what comes with: pip install 'miniagents[web]'.

Exit code: 128 and the number of the signal that ended it (130 for Ctrl-C); 2 for wrong
input.
"""


_MCP_EPILOG = """\
The module is looked for in the current folder first. Over stdio, stdout is the
protocol's: what agents print goes to stderr. --http with a port alone listens at
127.0.0.1. There is no sign-on: whoever reaches the address can use the agents. It needs
what comes with: pip install 'miniagents[mcp]'.

Exit code: 0 when the client has left; 2 for wrong input.
"""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Which model answers.

    Attributes:
        model: `PROVIDER:NAME`, `PROVIDER` or `eliza`; None for the provider whose key is set, or else Eliza.
        base_url: where the provider's API is, None for the usual place.
        system: instructions for the model, None for none.
    """

    model: str | None = None
    base_url: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class ChatOptions(ModelOptions):
    """What `miniagents chat` was told.

    Attributes:
        history: the file that keeps the conversation, None to keep nothing.
        timeline: the file that gets a picture of what ran, None for no picture.
    """

    history: Path | None = None
    timeline: Path | None = None


@dataclass(frozen=True, slots=True)
class ServeOptions(ModelOptions):
    """What `miniagents serve` was told.

    Attributes:
        agent: `MODULE:AGENT`, None for a model.
        host: where it listens.
        port: there; 0 for one that is free.
        token: what clients have to know, None if all clients may.
        names: of a server in front of it.
        history: the file that keeps the conversations, None to keep nothing.
        frames: the file that keeps answers while they come, None for one beside the history.
        reload: begin again when the code changes.
        open: show it in a browser.
    """

    agent: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    names: tuple[str, ...] = ()
    history: Path | None = None
    frames: Path | None = None
    reload: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class McpOptions:
    """What `miniagents mcp` was told.

    Attributes:
        agents: `MODULE:AGENT` each.
        http: `HOST:PORT`, None for stdio.
    """

    agents: tuple[str, ...]
    http: str | None


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (see {self.prog} --help)")


def parse_arguments(
    words: Sequence[str],
) -> ChatOptions | McpOptions | ServeOptions | JournalOptions | MapOptions:
    """Read the command line.

    Args:
        words: without the name of the program.

    Raises:
        BadInputError: an option or its value is wrong.
        SystemExit: `--help` or `--version` was answered.
    """
    parser = _Parser(prog="miniagents", description="Agents on language models.", allow_abbrev=False)
    parser.add_argument("--version", action="version", version=f"miniagents {version('miniagents')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")
    chat = commands.add_parser(
        "chat",
        help="talk with a model; the conversation is kept in a Markdown file",
        description="Talk with a model. A Markdown file keeps the conversation; it goes on where it ended.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_model(chat)
    keeping = chat.add_mutually_exclusive_group()
    keeping.add_argument(
        "--history", metavar="FILE", default="CHAT.md", help="keeps the conversation (default: %(default)s)"
    )
    keeping.add_argument("--no-history", action="store_true", help="keep nothing")
    chat.add_argument(
        "--timeline",
        metavar="FILE",
        help="at the end, draw what ran: FILE ends with .html or .svg; without texts",
    )
    _add_serve(
        commands.add_parser(
            "serve",
            help="talk with an agent or a model on a page in the browser",
            description="Serve a page on which people talk with an agent or a model.",
            epilog=_SERVE_EPILOG,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
    )
    mcp = commands.add_parser(
        "mcp",
        help="serve agents as the tools of an MCP server",
        description="Serve agents as the tools of an MCP server (Model Context Protocol).",
        epilog=_MCP_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    mcp.add_argument("agents", metavar="MODULE:AGENT", nargs="+", help="an agent or a tool of a module")
    mcp.add_argument(
        "--http", metavar="HOST:PORT", help="serve streamable HTTP there, such as 127.0.0.1:8000; else stdio"
    )
    add_map(
        commands.add_parser(
            "map", help="send each row of a file to an agent; no row is lost", allow_abbrev=False
        )
    )
    add_journal(
        commands.add_parser(
            "journal", help="show, export or prune a file of recorded calls", allow_abbrev=False
        )
    )
    given = parser.parse_args(words)
    try:
        if given.command == "map":
            return map_options(given, words)
        if given.command == "journal":
            return journal_options(given)
    except argparse.ArgumentTypeError as error:
        raise BadInputError(f"{error} (see {parser.prog} {given.command} --help)") from None
    if given.command == "mcp":
        http: str | None = given.http
        here = http is not None and http.isdecimal()
        return McpOptions(agents=tuple(given.agents), http=f"127.0.0.1:{http}" if here else http)
    model = {"model": given.model, "base_url": given.base_url, "system": given.system or None}
    history = None if given.no_history else _path("--history", given.history)
    if given.command == "serve":
        return _serve_options(given, model, history)
    return ChatOptions(
        **model,
        history=history,
        timeline=None if given.timeline is None else _picture(given.timeline),
    )


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model", metavar="MODEL", help="openai:NAME, openai-responses:NAME, anthropic:NAME, or eliza"
    )
    command.add_argument(
        "--base-url", metavar="URL", help="where a compatible server of that provider answers"
    )
    command.add_argument("--system", metavar="TEXT", help="instructions for the model")


def _add_serve(serve: argparse.ArgumentParser) -> None:
    serve.add_argument("agent", metavar="MODULE:AGENT", nargs="?", help="an agent of a module; else a model")
    _add_model(serve)
    serve.add_argument(
        "--host", metavar="HOST", default="127.0.0.1", help="where it listens (default: %(default)s)"
    )
    serve.add_argument(
        "--port", metavar="PORT", type=int, default=8000, help="0: one that is free (default: %(default)s)"
    )
    serve.add_argument("--token", metavar="TEXT", help="what clients have to know")
    serve.add_argument(
        "--name",
        metavar="HOST",
        action="append",
        default=[],
        help="of a server in front of it, such as one with TLS; may be given more than once",
    )
    keeping = serve.add_mutually_exclusive_group()
    keeping.add_argument(
        "--history", metavar="FILE", default="CHAT.db", help="keeps the conversations (default: %(default)s)"
    )
    keeping.add_argument("--no-history", action="store_true", help="keep nothing when it ends")
    serve.add_argument(
        "--frames", metavar="FILE", help="keeps answers while they come (default: beside the history)"
    )
    serve.add_argument("--reload", action="store_true", help="begin again when Python files here change")
    serve.add_argument("--open", action="store_true", help="show it in the browser")


def _serve_options(
    given: argparse.Namespace, model: Mapping[str, str | None], history: Path | None
) -> ServeOptions:
    named = [f"--{name.replace('_', '-')}" for name, value in model.items() if value is not None]
    if given.agent is not None and named:
        raise BadInputError(f"{given.agent} answers, so {named[0]} has no use; leave one of them out")
    token: str | None = os.environ.get("MINIAGENTS_TOKEN") if given.token is None else given.token
    if token is not None and not token.strip():
        raise BadInputError("--token is empty; give a text that is hard to guess")
    if not given.host:
        raise BadInputError("--host is empty; leave it out to listen at this machine alone")
    return ServeOptions(
        **model,
        agent=given.agent,
        host=given.host,
        port=given.port,
        token=token,
        names=tuple(given.name),
        history=history,
        frames=None if given.frames is None else _path("--frames", given.frames),
        reload=given.reload,
        open=given.open,
    )


def _path(option: str, name: str) -> Path:
    if not name or "\0" in name:
        raise BadInputError(f"{option} needs the name of a file")
    return Path(name)


def _picture(name: str) -> Path:
    """The file of a picture; it is neither changed nor created.

    Raises:
        BadInputError: it is no name for a picture, or cannot be written.
    """
    path = _path("--timeline", name)
    try:
        check_picture_path(path)
    except ValueError as error:
        raise BadInputError(f"--timeline: {error}") from error
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise BadInputError(f"--timeline: {path} cannot be written; name a file in a folder of yours")
    return path


_PATIENCE = 5.0
"""How long a server may take to accept a connection, in seconds."""


async def check_base_url(url: str, *, patience: float = _PATIENCE) -> None:
    """Connect to the server at the address, and close the connection.

    If the environment sets a proxy for the server, only the form of the address is checked.

    Args:
        url: an http or https address.
        patience: how long to wait, in seconds.

    Raises:
        BadInputError: it is no such address, or nothing answers there.
    """
    scheme, host, port = _address(url)
    if scheme in getproxies() and not proxy_bypass(host):
        return
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError as error:
        raise BadInputError(f"nothing answers at the base URL {url} within {patience:g} seconds") from error
    except (OSError, UnicodeError) as error:
        raise BadInputError(f"nothing answers at the base URL {url}: {_reason(error)}") from error
    writer.transport.abort()


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError):
        # asyncio puts the address into `strerror`, and no number when several addresses were tried.
        return os.strerror(error.errno) if error.errno else "none of its addresses takes a connection"
    return "that can be no name of a server"


def _address(url: str) -> tuple[str, str, int]:
    no_address = f"the base URL {url} is no address; write it like http://localhost:11434/v1"
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise BadInputError(no_address) from None
    if not parts.hostname:
        raise BadInputError(no_address)
    return parts.scheme, parts.hostname, port


async def open_history(path: Path | None) -> tuple[ChatHistory, Messages]:
    """Open the history of the conversation; a file is neither changed nor created.

    Args:
        path: the file, None to keep the conversation in memory.

    Returns:
        The history, and the conversation so far.

    Raises:
        BadInputError: the file cannot be read or written.
    """
    if path is None:
        return InMemoryChatHistory(), Messages()
    history = ChatHistoryMD(path)
    try:
        await history.check()
        return history, await history.load()
    except OSError as error:
        raise BadInputError(str(error)) from error
