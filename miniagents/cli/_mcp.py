"""`miniagents mcp`: agents of a user's module as a server of MCP.

The only module of the command line that knows MCP; its SDK is imported when it is asked for.
"""

import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Protocol, cast

from miniagents.models import AnyTool, ToolDefinitionError

from ._arguments import BadInputError
from ._named import named_agents


class _Serving(Protocol):
    """What is used of `miniagents.ext.mcp`."""

    def serve_mcp(
        self, *agents: AnyTool, name: str, http: str | None, on_start: Callable[[str], object] | None
    ) -> Coroutine[object, object, None]:
        """Serve agents."""
        ...


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
    agents = named_agents(named)
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
