"""The same agent as one of another class, or with another function."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from miniagents.agents import MiniAgent
from miniagents.core import Message

__all__ = ["as_kind", "over"]

A = TypeVar("A", bound=MiniAgent[Message, Message, ...])

_SLOTS: Final = MiniAgent._copied_slots  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what every agent has


def as_kind(kind: type[A], agent: MiniAgent[Message, Message, ...]) -> A:
    """Return the same agent as one of another class.

    Args:
        kind: a class of agents; whoever makes one sets what that class has of its own.
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
        kind: its class.
        agent: whose keywords, defaults and description it has.
        function: is given the keywords of ``agent``; it may take and reply any messages.
        alias: its own.
    """
    made = as_kind(kind, agent)
    # What goes around `agent` goes around its runs, which `function` starts; not around the whole again.
    changed = {"_function": function, "_classes": None, "_wrapped": None, "alias": alias}
    for name, value in changed.items():
        setattr(made, name, value)
    return made
