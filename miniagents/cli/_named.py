"""`MODULE:NAME` of the command line: what a user's module has, imported."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from typing import cast

from miniagents import MiniAgent
from miniagents.messages import Message
from miniagents.tools import AnyTool, Tool

from ._arguments import BadInputError


def named_agents(named: Sequence[str]) -> tuple[AnyTool, ...]:
    """Import agents and tools; what a module prints during the import goes to stderr.

    Args:
        named: `MODULE:AGENT` each.

    Raises:
        BadInputError: a module or an agent does not exist, or the import fails.
    """
    return tuple(map(_agent, named))


def named_talker(named: str) -> MiniAgent[Message, Message]:
    """Import an agent that people talk with.

    Args:
        named: `MODULE:AGENT`.

    Raises:
        BadInputError: it does not exist, is a tool, or needs a keyword.
    """
    (agent,) = named_agents([named])
    if not isinstance(agent, MiniAgent):
        raise BadInputError(f"{named} is a tool; name an agent to talk with")
    talker = cast("MiniAgent[Message, Message]", agent)
    try:
        talker.bind()
    except TypeError as error:
        raise BadInputError(f"{named} cannot answer: {error}") from error
    return talker


def named_object(named: str, *, what: str, example: str) -> object:
    """Import an object of a module; what the module prints during the import goes to stderr.

    Python looks for the module in the current folder first.

    Args:
        named: `MODULE:NAME`, where the name may have dots.
        what: the noun for the object in errors, such as `agent`.
        example: a correct value, for errors.

    Raises:
        BadInputError: the module or the name does not exist, or the import fails.
    """
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    module_name, colon, path = named.partition(":")
    if not colon or not module_name or not path:
        raise BadInputError(f"{named} names no {what}; write {example}")
    if module_name.endswith(".py") or "/" in module_name or "\\" in named:
        raise BadInputError(f"{named} is the path of a file, and not its module; write {example}")
    with redirect_stdout(sys.stderr):
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
            raise BadInputError(f"the module {module_name} has no {path}; check the name") from None
    return found


def _agent(named: str) -> AnyTool:
    found = named_object(named, what="agent", example="MODULE:AGENT, such as my_agents:writer")
    if isinstance(found, MiniAgent):
        return cast("MiniAgent[Message, Message, ...]", found)
    if isinstance(found, Tool):
        return cast("Tool[..., object]", found)
    raise BadInputError(f"{named} is a {type(found).__name__}; name an agent, or a function with @tool")
