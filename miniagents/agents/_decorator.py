"""``@miniagent``: an async function becomes an agent."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Concatenate, overload

from typing_extensions import ParamSpec, TypeVar

from miniagents.promising import Message

from ._agent import InteractionContext, MiniAgent
from ._keywords import Keywords

A = TypeVar("A", bound=Message)
B = TypeVar("B", bound=Message)
P = ParamSpec("P")


@overload
def miniagent(
    function: Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]], /
) -> MiniAgent[A, B, P]: ...
@overload
def miniagent(
    *, alias: str | None = None, description: str | None = None, **defaults: object
) -> Callable[[Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]]], MiniAgent[A, B, P]]: ...
def miniagent(
    function: Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]] | None = None,
    /,
    *,
    alias: str | None = None,
    description: str | None = None,
    **defaults: object,
) -> (
    MiniAgent[A, B, P]
    | Callable[[Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]]], MiniAgent[A, B, P]]
):
    """Make an agent of ``async def f(ctx, ...)``; usable with and without parentheses.

    Args:
        function: its first parameter is the :class:`InteractionContext`; any further ones become keywords of
            ``fork`` and ``inquire``, checked by name and type.
        alias: how the agent is called in errors and records; the upper-cased name of the function by default.
        description: what it does; the docstring by default, with ``{AGENT_ALIAS}`` filled in.
        **defaults: keywords to start with.

    Returns:
        The agent.

    Raises:
        TypeError: the function is not async, takes no context, or does not take one of the defaults.

    Example:
        >>> from miniagents import InteractionContext, miniagent
        >>> @miniagent
        ... async def my_agent(ctx: InteractionContext, temperature: float = 1.0) -> None:
        ...     '''{AGENT_ALIAS} says hello.'''
        ...     ctx.reply("hello")
        >>> my_agent, my_agent.description
        (<MiniAgent MY_AGENT>, 'MY_AGENT says hello.')
    """

    def decorate(
        function: Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]],
    ) -> MiniAgent[A, B, P]:
        name = getattr(function, "__name__", type(function).__name__)
        keywords = Keywords.of(function, name)
        shown = name.upper() if alias is None else alias
        text = inspect.getdoc(function) or "" if description is None else description
        return MiniAgent(
            function,
            keywords,
            alias=shown,
            description=text.replace("{AGENT_ALIAS}", shown),
            defaults=keywords.taken(shown, (), defaults),
        )

    return decorate if function is None else decorate(function)
