"""`miniagents mcp`: agents of a user's module as an MCP server.

The only module of the command line that knows MCP. It imports the SDK when the command runs.
"""

import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import Protocol, cast

from miniagents.models import AnyTool, ToolDefinitionError

from ._arguments import BadInputError
from ._named import named_agents


class _Serving(Protocol):
    """The part of `miniagents.ext.mcp` that this module uses."""

    def serve_mcp(
        self, *agents: AnyTool, name: str, http: str | None, on_start: Callable[[str], object] | None
    ) -> Coroutine[object, object, None]:
        """Serve agents."""
        ...


def serving(named: Sequence[str], http: str | None) -> Coroutine[object, object, int]:
    """Import the agents and the MCP server; both can take seconds, so no event loop runs yet.

    Args:
        named: `MODULE:AGENT` each.
        http: the address to listen at, `HOST:PORT`; None for stdio.

    Returns:
        A coroutine that serves until the client disconnects, and returns the exit code.

    Raises:
        BadInputError: MCP is not installed, or an agent does not exist. When awaited: an agent cannot be
            served, or the address cannot be listened at.
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
    except OSError as error:
        raise BadInputError(error.strerror or str(error)) from error
    except (ToolDefinitionError, ValueError) as error:
        raise BadInputError(str(error)) from error
    return 0


def _say(address: str) -> None:
    sys.stderr.write(f"miniagents: serving at {address}; Ctrl-C ends it.\n")
    sys.stderr.flush()
