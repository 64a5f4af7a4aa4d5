"""Turns the command line into checked options, or into one line on stderr that says what is wrong.

Files and addresses are checked at the start, so that an error comes before the user types a message.
"""

import argparse
import asyncio
import os
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, fields
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from typing_extensions import override

from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.timeline import Timeline
from miniagents.messages import Messages
from miniagents.utils import strip_control

from ._help import HelpFormatter, adder, path
from ._journal import JournalOptions, add_journal, journal_name, journal_options
from ._map_arguments import MapOptions, add_map, map_options


class BadInputError(Exception):
    """The input is wrong; the text says how, and what to do. The exit code is 2."""


def complain(text: str) -> None:
    """Write one line to stderr; if stderr is closed, nothing happens.

    Args:
        text: any text; line breaks become spaces, control characters are removed.
    """
    with suppress(OSError, AttributeError):  # stderr is closed, or there is none
        sys.stderr.write(f"miniagents: {' '.join(strip_control(text).split())}\n")
        sys.stderr.flush()


_MAIN_EPILOG = """\
Examples:
  miniagents chat --model openai:gpt-5.4-mini
  miniagents serve my_agents:writer
  miniagents map eliza reviews.csv -o answers.jsonl --text-column text

miniagents COMMAND --help explains a command. chat, serve and map also work without a key: then eliza
answers, a small program of rules.
"""


_EPILOG = """\
Example:
  miniagents chat --model openai:gpt-5.4-mini --system 'Answer in one sentence.'
  miniagents chat my_agents:writer

Python looks for MODULE in the current folder first. If an agent or a tool asks the user, the next line that
is typed is the answer. Without MODULE:AGENT, a model answers.

Without --model, the key in the environment decides which provider answers. With OPENAI_API_KEY it is the
model OPENAI_MODEL of OpenAI (gpt-5.4-mini if that is not set). With ANTHROPIC_API_KEY it is the model
ANTHROPIC_MODEL of Anthropic (claude-haiku-4-5 if that is not set). If both keys are set, OpenAI answers.
Without a key, eliza answers: a small program of rules, not a language model.

openai uses the Chat Completions API, which most servers have; openai-responses uses the Responses API.
Both read OPENAI_API_KEY, OPENAI_MODEL and OPENAI_BASE_URL. Each provider needs its SDK:
  pip install 'miniagents[openai]'       or [anthropic], or [all]

Without --base-url, requests go to the address in OPENAI_BASE_URL or ANTHROPIC_BASE_URL, or, if that is not
set, to the provider itself. With an address of your own, no key is required.

In a terminal, Enter sends the message, Ctrl+Space begins a new line (with miniagents[chat]), and Ctrl-C
stops an answer. To leave, type exit, or press Ctrl-D, or press Ctrl-C at the prompt. If stdin is a pipe,
each line is a message.

Exit code: 0 for a normal end; 1 if the output could not be written, or, on a pipe, if a model failed, the
conversation could not be saved, or the input ended at a question of the agent; 2 for wrong input; 128 plus
the number of the signal that ended it.
"""


_SERVE_EPILOG = """\
Examples:
  miniagents serve --open
  miniagents serve my_agents:writer --port 8080 --reload

Python looks for MODULE in the current folder first. Without MODULE:AGENT, a model answers. Without --model,
the key in the environment decides which one, as for miniagents chat; without a key, eliza answers, a small
program of rules.

By default only this machine can open the page, and only with the token in the address that is printed. The
token is a new one at each start; --token keeps one. Set it in MINIAGENTS_TOKEN if other users of this machine
must not see it: they can see the options of a command. With --no-token, every user of this machine can read
and delete the conversations. To serve other machines too, give --host.

This command needs:
  pip install 'miniagents[web]'

Exit code: 2 for wrong input; else 128 plus the number of the signal that ended it (130 for Ctrl-C).
"""


_MCP_EPILOG = """\
Examples:
  miniagents mcp my_agents:writer my_agents:critic
  miniagents mcp my_agents:writer --http 8000

Python looks for MODULE in the current folder first. Over stdio, only the protocol is written to stdout: what
agents print goes to stderr. With --http, clients must send the token if there is one; without a token, every
program on this machine can use the agents. Any address but one of this machine alone needs a token. Set it in
MINIAGENTS_TOKEN if other users of this machine must not see it: they can see the options of a command.

This command needs:
  pip install 'miniagents[mcp]'

Exit code: 0 when the client has disconnected; 2 for wrong input; 128 plus the number of the signal that
ended it (130 for Ctrl-C).
"""


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The options that choose a model.

    Attributes:
        model: `PROVIDER:NAME`, `PROVIDER` or `eliza`; None for the provider whose key is set, or else Eliza.
        base_url: the address of the provider's API, None for the usual one.
        system: instructions for the model, None for none.
    """

    model: str | None = None
    base_url: str | None = None
    system: str | None = None


@dataclass(frozen=True, slots=True)
class ChatOptions(ModelOptions):
    """The arguments of `miniagents chat`.

    Attributes:
        history: the file that keeps the conversation, None to keep nothing.
        timeline: the file for a picture of the runs, None for no picture.
        agent: `MODULE:AGENT`, None for a model.
    """

    history: Path | None = None
    timeline: Path | None = None
    agent: str | None = None


@dataclass(frozen=True, slots=True)
class ServeOptions(ModelOptions):
    """The arguments of `miniagents serve`.

    Attributes:
        agent: `MODULE:AGENT`, None for a model.
        host: the address to listen at.
        port: the port to listen at; 0 for any free one.
        token: the secret that clients must send, None for a random one.
        no_token: clients need no token.
        names: the host names of proxies in front of the server.
        history: the file that keeps the conversations, None to keep nothing.
        journal: the file, or the address of the database, that keeps what runs do, None for a file next to
            the history.
        reload: whether to restart when the code changes.
        open: whether to open the page in a browser.
    """

    agent: str | None = None
    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    no_token: bool = False
    names: tuple[str, ...] = ()
    history: Path | None = None
    journal: str | Path | None = None
    reload: bool = False
    open: bool = False


@dataclass(frozen=True, slots=True)
class McpOptions:
    """The arguments of `miniagents mcp`.

    Attributes:
        agents: `MODULE:AGENT` each.
        http: the address to listen at, `HOST:PORT`; None for stdio.
        token: the secret that clients must send, None if they need none.
        names: the host names of proxies in front of the server.
    """

    agents: tuple[str, ...]
    http: str | None
    token: str | None = None
    names: tuple[str, ...] = ()


class _Parser(argparse.ArgumentParser):
    """Raises its errors, so that `main` prints them in one line."""

    @override
    def error(self, message: str) -> NoReturn:
        raise BadInputError(f"{message} (see {self.prog} --help)")


def parse_arguments(
    words: Sequence[str],
) -> ChatOptions | McpOptions | ServeOptions | JournalOptions | MapOptions:
    """Read the command line.

    Args:
        words: the arguments, without the name of the program.

    Raises:
        BadInputError: an option or its value is wrong.
        SystemExit: `--help` or `--version` was printed.
    """
    parser = _Parser(
        prog="miniagents",
        description="Agents on language models: in the terminal, on a web page, for each row of a file, or "
        "as an MCP server.",
        epilog=_MAIN_EPILOG,
        formatter_class=HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"miniagents {version('miniagents')}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", dest="command")
    command = partial(commands.add_parser, formatter_class=HelpFormatter, allow_abbrev=False)
    chat = command(
        "chat",
        help="talk with an agent or a model in the terminal; a Markdown file keeps the conversation",
        description="Talk with an agent or a model. A Markdown file keeps the conversation; the next chat "
        "continues it.",
        epilog=_EPILOG,
    )
    _add_agent(chat)
    keeping = adder(chat.add_mutually_exclusive_group())
    keeping(
        "--history FILE",
        "Markdown file that keeps the conversation; if it exists, the chat continues it (default: "
        "%(default)s)",
        type=path,
        default="CHAT.md",
    )
    keeping("--no-history", "do not save the conversation")
    adder(chat)(
        "--timeline FILE",
        "at the end, draw a picture of the runs, without their texts; FILE ends with .html or .svg "
        "(default: no picture)",
        type=path,
    )
    _add_serve(
        command(
            "serve",
            help="talk with an agent or a model on a web page",
            description="Serve a web page on which people talk with an agent or a model.",
            epilog=_SERVE_EPILOG,
        )
    )
    mcp = command(
        "mcp",
        help="offer agents as tools of an MCP server",
        description="Run an MCP server (Model Context Protocol) whose tools are your agents.",
        epilog=_MCP_EPILOG,
    )
    add = adder(mcp)
    add("agents MODULE:AGENT", "an agent, or a function with @tool, and its Python module", nargs="+")
    add(
        "--http HOST:PORT",
        "listen at this address for streamable HTTP; a port alone listens at 127.0.0.1 (default: use stdio)",
    )
    add(
        "--token TEXT",
        "secret that clients must send as 'Authorization: Bearer TEXT' (default: MINIAGENTS_TOKEN, or none)",
    )
    _add_names(mcp)
    add_map(command("map", help="send each row of a file to an agent or a model, and write the answers"))
    add_journal(command("journal", help="show, export or prune the calls that a job has recorded"))
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
        if http is None and (given.token is not None or given.name):
            raise BadInputError("--token and --name are for --http; over stdio, there is one client only")
        token = None if http is None else _token_in(given.token)
        address = f"127.0.0.1:{http}" if here else http
        return McpOptions(tuple(given.agents), address, token, tuple(given.name))
    return _talk_options(given)


def _talk_options(given: argparse.Namespace) -> ChatOptions | ServeOptions:
    """The arguments of `chat` or `serve` as checked options."""
    given.system = given.system or None
    given.history = None if given.no_history else given.history
    model = [each.name for each in fields(ModelOptions)]
    named = [f"--{name.replace('_', '-')}" for name in model if getattr(given, name) is not None]
    if given.agent is not None and named:
        raise BadInputError(f"{given.agent} answers, so {named[0]} has no effect; leave one of them out")
    kind: type[ChatOptions | ServeOptions] = ChatOptions
    if given.command == "chat":
        _check_picture(given.timeline)
    else:
        kind = ServeOptions
        if not given.host:
            raise BadInputError("--host is empty; leave it out to serve only this machine")
        given.token = None if given.no_token else _token_in(given.token)
        given.names = tuple(given.name)
    return kind(**{each.name: getattr(given, each.name) for each in fields(kind)})


def _add_agent(command: argparse.ArgumentParser) -> None:
    """Add what answers: an agent, or a model."""
    add = adder(command)
    add(
        "agent MODULE:AGENT",
        "the agent that answers, and its Python module (default: a model answers)",
        nargs="?",
    )
    add("--model MODEL", "openai:NAME, openai-responses:NAME, anthropic:NAME, or eliza (default: see below)")
    add(
        "--base-url URL",
        "address of another server with the API of that provider, such as http://localhost:11434/v1 "
        "(default: the provider)",
    )
    add("--system TEXT", "instructions for the model (default: none)")


def _add_serve(serve: argparse.ArgumentParser) -> None:
    _add_agent(serve)
    add = adder(serve)
    add(
        "--host HOST",
        "address to listen at; 0.0.0.0 for all of this machine (default: %(default)s)",
        default="127.0.0.1",
    )
    add(
        "--port PORT", "port to listen at; 0 for any free port (default: %(default)s)", type=int, default=8000
    )
    token = adder(serve.add_mutually_exclusive_group())
    token("--token TEXT", "secret that clients must send (default: MINIAGENTS_TOKEN, or a random one)")
    token("--no-token", "need no token: every user of this machine can read and delete the conversations")
    _add_names(serve)
    keeping = adder(serve.add_mutually_exclusive_group())
    keeping(
        "--history FILE",
        "SQLite file that keeps the conversations (default: %(default)s)",
        type=path,
        default="CHAT.db",
    )
    keeping("--no-history", "keep nothing when the server ends")
    add(
        "--journal FILE",
        "SQLite file that keeps what runs do, so that they continue after a restart, or the address of a "
        "Postgres database (default: next to --history, such as CHAT.journal)",
        type=journal_name,
    )
    add("--reload", "restart the server when a Python file in the current folder changes")
    add("--open", "open the page in the browser")


def _add_names(command: argparse.ArgumentParser) -> None:
    adder(command)(
        "--name HOST",
        "host name of a proxy in front of this server, such as chat.example.com; repeat for each name",
        action="append",
        default=[],
    )


def _token_in(token: str | None) -> str | None:
    """The token of the command line, else that of the environment."""
    found = os.environ.get("MINIAGENTS_TOKEN") if token is None else token
    if found is not None and not found.strip():
        raise BadInputError("--token is empty; give a text that is hard to guess")
    return found


def _check_picture(file: Path | None) -> None:
    """Check the name of a picture; the file is neither changed nor created.

    Raises:
        BadInputError: the name does not end with .html or .svg, or the file cannot be written.
    """
    if file is None:
        return
    try:
        Timeline.check_path(file)
    except ValueError as error:
        raise BadInputError(f"--timeline: {error}") from error
    if file.is_dir() or not os.access(file if file.exists() else file.parent, os.W_OK):
        raise BadInputError(
            f"--timeline: {file} cannot be written; name a file in a folder where you may write"
        )


_PATIENCE = 5.0
"""How long a server may take to accept a connection, in seconds."""


async def check_base_url(url: str, *, patience: float = _PATIENCE) -> None:
    """Check that a server accepts connections at an address.

    If the environment sets a proxy for the server, only the form of the address is checked.

    Args:
        url: an http or https address.
        patience: how long to wait, in seconds.

    Raises:
        BadInputError: the address is not of this form, or no server accepts a connection.
    """
    scheme, host, port = _address(url)
    if scheme in getproxies() and not proxy_bypass(host):
        return
    try:
        async with asyncio.timeout(patience):
            _, writer = await asyncio.open_connection(host, port)
    except TimeoutError as error:
        raise BadInputError(
            f"no server answers at the base URL {url} within {patience:g} seconds; check the address"
        ) from error
    except (OSError, UnicodeError) as error:
        raise BadInputError(
            f"no server answers at the base URL {url}: {_reason(error)}; check the address"
        ) from error
    writer.transport.abort()


def _reason(error: OSError | UnicodeError) -> str:
    if isinstance(error, socket.gaierror):
        return error.strerror or str(error)
    if isinstance(error, OSError):
        # asyncio puts the address into `strerror`, and no number when several addresses were tried.
        return os.strerror(error.errno) if error.errno else "none of its addresses accepts a connection"
    return "this is not a valid host name"


def _address(url: str) -> tuple[str, str, int]:
    no_address = f"the base URL {url!r} is not an address; write it like http://localhost:11434/v1"
    try:
        parts = urlsplit(url)
        port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    except (ValueError, KeyError):
        raise BadInputError(no_address) from None
    if not parts.hostname:
        raise BadInputError(no_address)
    return parts.scheme, parts.hostname, port


async def open_history(path: Path | None) -> tuple[ChatHistory, Messages]:
    """Load the conversation so far; the file is neither changed nor created.

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
