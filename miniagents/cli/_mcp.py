"""`miniagents mcp`: agents of a user's module as an MCP server.

The only module of the command line that knows MCP. It imports the SDK when the command runs.
"""

import sys
from collections.abc import Callable, Coroutine, Sequence
from importlib import import_module
from typing import TypeAlias

from miniagents.errors import SchemaError
from miniagents.tools import AnyTool

from ._arguments import BadInputError, McpOptions
from ._named import named_agents

_Serve: TypeAlias = Callable[..., Coroutine[object, object, None]]


def serving(options: McpOptions) -> Coroutine[object, object, int]:
    """Import the agents and the MCP server; both can take seconds, so no event loop runs yet.

    Args:
        options: the arguments of the command line.

    Returns:
        A coroutine that serves until the client disconnects, and returns the exit code.

    Raises:
        BadInputError: MCP is not installed, or an agent does not exist. When awaited: an agent cannot be
            served, or the address cannot be listened at.
    """
    agents = named_agents(options.agents)
    try:
        serve: _Serve = import_module("miniagents.ext.mcp").serve_mcp
    except ImportError as error:
        raise BadInputError(str(error)) from error
    return _serve(serve, agents, options)


async def _serve(serve: _Serve, agents: Sequence[AnyTool], options: McpOptions) -> int:
    try:
        await serve(
            *agents,
            name="miniagents",
            http=options.http,
            token=options.token,
            hosts=options.names,
            on_start=None if options.http is None else _say,
        )
    except OSError as error:
        raise BadInputError(error.strerror or str(error)) from error
    except (SchemaError, ValueError) as error:
        raise BadInputError(str(error)) from error
    return 0


def _say(address: str) -> None:
    sys.stderr.write(f"miniagents: serving at {address}; Ctrl-C ends it.\n")
    sys.stderr.flush()
