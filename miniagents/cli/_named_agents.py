"""`MODULE:AGENT` of the command line: agents and tools of the user's modules."""

from collections.abc import Sequence
from typing import cast

from miniagents.agents import MiniAgent
from miniagents.core import Message
from miniagents.models import AnyTool, Tool

from ._arguments import BadInputError
from ._named import named_object


def named_agents(named: Sequence[str]) -> tuple[AnyTool, ...]:
    """Import agents and tools; what a module prints during the import goes to stderr.

    Args:
        named: `MODULE:AGENT` each.

    Raises:
        BadInputError: a module or an agent does not exist, or the import fails.
    """
    return tuple(map(_agent, named))


def _agent(named: str) -> AnyTool:
    found = named_object(named, what="agent", example="MODULE:AGENT, such as my_agents:writer")
    if isinstance(found, MiniAgent):
        return cast("MiniAgent[Message, Message, ...]", found)
    if isinstance(found, Tool):
        return cast("Tool[..., object]", found)
    raise BadInputError(f"{named} is a {type(found).__name__}; name an agent, or a function with @tool")
