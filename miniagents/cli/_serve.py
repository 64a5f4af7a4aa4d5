"""`miniagents mcp`: agents of a user's module as a server of MCP.

The only module of the command line that knows MCP; its SDK is imported when it is asked for.
"""

import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Protocol, cast

from miniagents.agents import MiniAgent
from miniagents.core import Message
from miniagents.models import AnyTool, Tool, ToolDefinitionError

from ._arguments import BadInputError
from ._named import named_object


class _Serving(Protocol):
    """What is used of `miniagents.ext.mcp`."""

    def serve_mcp(
        self, *agents: AnyTool, name: str, http: str | None, on_start: Callable[[str], object] | None
    ) -> Coroutine[object, object, None]:
        """Serve agents."""
        ...


def served_agents(named: Sequence[str]) -> tuple[AnyTool, ...]:
    """Import what is to be served; what a module prints meanwhile goes to stderr.

    Args:
        named: `MODULE:AGENT` each.

    Raises:
        BadInputError: there is no such module, or no such agent in it, or importing it fails.
    """
    return tuple(map(_agent, named))


def _agent(named: str) -> AnyTool:
    found = named_object(named, what="agent", example="MODULE:AGENT, such as my_agents:writer")
    if isinstance(found, MiniAgent):
        return cast("MiniAgent[Message, Message, ...]", found)
    if isinstance(found, Tool):
        return cast("Tool[..., object]", found)
    raise BadInputError(f"{named} is a {type(found).__name__}; name an agent, or a function with @tool")


def serving(named: Sequence[str], http: str | None) -> Coroutine[object, object, int]:
    """Import what is to be served, and what serves it: both can take seconds, so no event loop runs yet.

    Args:
        named: `MODULE:AGENT` each.
        http: where, as `HOST:PORT`; None for stdio.

    Returns:
        What serves until the client leaves, and returns the exit code.

    Raises:
        BadInputError: MCP is not installed, or there is no such agent; when awaited: one of them cannot be
            served, or nobody can listen there.
    """
    agents = served_agents(named)
    try:
        module = cast("_Serving", import_module("miniagents.ext.mcp"))
    except ImportError as error:
        raise BadInputError(str(error)) from error
    return _serve(module, agents, http)


async def _serve(module: _Serving, agents: Sequence[AnyTool], http: str | None) -> int:
    try:
        await module.serve_mcp(*agents, name="miniagents", http=http, on_start=None if http is None else _say)
    except (ToolDefinitionError, ValueError, OSError) as error:
        raise BadInputError(str(error)) from error
    return 0


def _say(address: str) -> None:
    sys.stderr.write(f"miniagents: serving at {address}; Ctrl-C ends it.\n")
    sys.stderr.flush()
