"""Kinds of agents: the same agent, seen as one that can do more."""

from typing import TypeVar

from miniagents.agents import MiniAgent
from miniagents.promising import Message

__all__ = ["as_kind"]

A = TypeVar("A", bound=MiniAgent[Message, Message, ...])


def as_kind(kind: type[A], agent: MiniAgent[Message, Message, ...]) -> A:
    """Return the same agent as one of another class.

    Args:
        kind: a class of agents that has nothing of its own but methods.
        agent: any agent.

    Example:
        >>> from miniagents import MiniAgent, miniagent
        >>> class Loud(MiniAgent):
        ...     __slots__ = ()
        ...     def shout(self):
        ...         return self.alias + "!"
        >>> @miniagent
        ... async def poet(ctx):
        ...     ...
        >>> as_kind(Loud, poet).shout()
        'POET!'
    """
    same = kind.__new__(kind)
    for name in MiniAgent.__slots__:
        setattr(same, name, getattr(agent, name))
    return same
