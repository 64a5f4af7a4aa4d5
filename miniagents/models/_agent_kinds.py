"""Makes copies of an agent with another class or another function."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from miniagents.agents import MiniAgent
from miniagents.messages import Message

__all__ = ["as_kind", "over"]

A = TypeVar("A", bound=MiniAgent[Message, Message, ...])

_SLOTS: Final = MiniAgent._copied_slots  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what every agent has


def as_kind(kind: type[A], agent: MiniAgent[Message, Message, ...]) -> A:
    """Return the same agent as one of another class.

    Args:
        kind: a class of agents; the caller sets the attributes that only this class has.
        agent: any agent.
    """
    same = kind.__new__(kind)
    for name in _SLOTS:
        setattr(same, name, getattr(agent, name))
    return same


def over(
    kind: type[A],
    agent: MiniAgent[Message, Message, ...],
    function: Callable[..., Awaitable[None]],
    alias: str,
) -> A:
    """Return an agent with another function, which takes the same keywords and has the same defaults.

    Args:
        kind: the class of the new agent.
        agent: the agent whose keywords, defaults and description it gets.
        function: gets the keywords of ``agent``; it may take and reply any messages.
        alias: of the new agent.
    """
    made = as_kind(kind, agent)
    # The function around `agent` (`_wrapped`) stays around its runs, which `function` starts. It is not added
    # to the new agent again.
    changed = {"_function": function, "_classes": None, "_wrapped": None, "_alias": alias}
    for name, value in changed.items():
        setattr(made, name, value)
    return made
