"""`main`: from the command line to an exit code."""

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path

from miniagents import MiniAgents
from miniagents.ext.console import OutputError, Screen
from miniagents.ext.journal import JournalError
from miniagents.ext.timeline import Timeline

from ._arguments import (
    BadInputError,
    ChatOptions,
    McpOptions,
    ServeOptions,
    check_base_url,
    complain,
    open_history,
    parse_arguments,
)
from ._chat import Chat
from ._imports import whole_imports
from ._journal import JournalOptions, run_journal
from ._map_arguments import MapOptions
from ._mcp import serving
from ._models import ChatModel, choose_model
from ._named import named_talker
from ._signals import StoppedError, until_signal

_WEB = frozenset({"h11", "starlette", "uvicorn"})  # what `miniagents[web]` brings
_FAILED = 1
_WRONG_INPUT = 2


def main(words: Sequence[str] | None = None) -> int:
    """Run the command line; see :func:`miniagents.cli.main`."""
    given = sys.argv[1:] if words is None else words
    try:
        return _run(parse_arguments(given))
    except (BadInputError, JournalError) as error:
        complain(str(error))
        return _WRONG_INPUT
    except OutputError as error:
        if isinstance(error.__cause__, BrokenPipeError):  # the reader of the pipe has left: a normal end
            return 0
        complain(str(error))
        return _FAILED
    except KeyboardInterrupt:
        if (
            "map" in given[:1]
        ):  # a second Ctrl-C while the first one is reported, or one before the job begins
            complain("stopped.")
        return StoppedError(signal.SIGINT).exit_code
    except StoppedError as stopped:
        return stopped.exit_code
    finally:
        _leave_output()


def _run(options: ChatOptions | McpOptions | ServeOptions | JournalOptions | MapOptions) -> int:
    if isinstance(options, JournalOptions):
        return run_journal(options)
    if isinstance(options, MapOptions):
        # Imported here: its imports would make the start of a chat a sixth slower.
        with whole_imports():
            run_map: Callable[[MapOptions, Mapping[str, str]], int] = import_module(
                "miniagents.cli._map"
            ).run_map
        return run_map(options, os.environ)
    if isinstance(options, ServeOptions):
        return _serving()(options)
    # Outside of the event loop, because importing the package of a provider takes a second.
    if isinstance(options, McpOptions):
        with whole_imports():
            work = serving(options)
    else:
        screen = Screen.of_process(interrupt=EOFError)
        with whole_imports():
            model = _model(options, screen)
        work = _chat(options, model, screen)
    return asyncio.run(until_signal(work, "SIGTERM", "SIGHUP"))


def _model(options: ChatOptions, screen: Screen) -> ChatModel:
    if options.agent is None:
        return choose_model(options, os.environ, is_terminal=screen.is_terminal)
    agent = named_talker(options.agent)
    return ChatModel(agent, agent.alias, agent.alias)


def _serving() -> Callable[[ServeOptions], int]:
    """Import the module of `serve`; only this command needs its packages."""
    try:
        with whole_imports():
            run_serve: Callable[[ServeOptions], int] = import_module("miniagents.cli._serve").run_serve
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _WEB:
            raise
        raise BadInputError(
            f"miniagents serve needs {package}, which is not installed; pip install 'miniagents[web]'"
        ) from error
    return run_serve


async def _chat(options: ChatOptions, model: ChatModel, screen: Screen) -> int:
    if model.base_url is not None:
        await check_base_url(model.base_url)
    history, so_far = await open_history(options.history)
    screen.line(f"{model.title} answers; {_where(options, len(so_far))}")
    chat = Chat(model, history, screen, list(so_far))
    timeline = None if options.timeline is None else Timeline()
    saved = True
    try:
        async with MiniAgents(observers=[] if timeline is None else [timeline]):
            went_well = await chat.run()
    finally:  # also if the chat fails
        if timeline is not None and options.timeline is not None:
            saved = _save(timeline, options.timeline)
    return 0 if (went_well and saved) or screen.is_terminal else _FAILED


def _save(timeline: Timeline, file: Path) -> bool:
    try:
        timeline.save(file)
    except OSError as error:
        complain(f"the timeline could not be written: {error}")
        return False
    return True


def _where(options: ChatOptions, messages: int) -> str:
    if options.history is None:
        return "nothing is kept."
    if messages:
        count = "1 message" if messages == 1 else f"{messages} messages"
        return f"the conversation continues in {options.history} ({count} so far)."
    return f"the conversation is kept in {options.history}."


def _leave_output() -> None:
    """Replace stdout if its reader has left, so that the interpreter can flush it without an error."""
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):
        if sys.stdout is not None:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
