"""`MODULE:AGENT` of the command line: agents and tools of the user's modules."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import cast

from miniagents.agents import MiniAgent
from miniagents.core import Message
from miniagents.models import AnyTool, Tool

from ._arguments import BadInputError


def named_agents(named: Sequence[str]) -> tuple[AnyTool, ...]:
    """Import agents and tools; what a module prints meanwhile goes to stderr.

    Args:
        named: `MODULE:AGENT` each.

    Raises:
        BadInputError: there is no such module, or no such agent in it, or importing it fails.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    with redirect_stdout(sys.stderr):
        return tuple(map(_agent, named))


def _agent(named: str) -> AnyTool:
    module_name, colon, path = named.partition(":")
    if not colon or not module_name or not path:
        raise BadInputError(f"{named} names no agent; write MODULE:AGENT, such as my_agents:writer")
    try:
        found: object = import_module(module_name)
    except Exception as error:
        raise BadInputError(
            f"the module {module_name} cannot be imported: {type(error).__name__}: {error}"
        ) from error
    for step in path.split("."):
        try:
            found = cast("object", getattr(found, step))
        except AttributeError:
            raise BadInputError(f"the module {module_name} has no {path}") from None
    if isinstance(found, MiniAgent):
        return cast("MiniAgent[Message, Message, ...]", found)
    if isinstance(found, Tool):
        return cast("Tool[..., object]", found)
    raise BadInputError(f"{named} is a {type(found).__name__}; name an agent, or a function with @tool")
