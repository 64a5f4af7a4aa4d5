"""``@miniagent``: makes an agent of an async function."""

from collections.abc import Awaitable, Callable
from typing import Any, Concatenate, Never, Protocol, overload

from typing_extensions import ParamSpec, TypeVar

from miniagents.messages import Message
from miniagents.values import doc_of, name_of

from ._agent import In, InteractionContext, MiniAgent, Out
from ._annotations import MessageClasses
from ._keywords import Keywords

A = TypeVar("A", bound=Message, default=Message)
# Not `Message`: if the function's context has a type variable, as in `def twice(agent: MiniAgent[I, O]) ->
# MiniAgent[I, O]`, pyright finds no `B` and would refuse the agent that is made there.
B = TypeVar("B", bound=Message, default=Any)
P = ParamSpec("P", default=[])


class OpenFunction(Protocol[In, Out]):
    """A function with `**keywords`; no other one, since mypy makes `Any` of what fits two overloads.

    mypy does not accept `(ctx, **keywords)` as `(ctx, /, **keywords)`, since `ctx` could be a keyword.
    """

    def __call__(self, ctx: InteractionContext[In, Out], **keywords: Never) -> Awaitable[None]: ...


class AgentDecorator(Protocol):
    """The type of ``@miniagent(...)`` with parentheses: it makes an agent of an async function."""

    @overload
    def __call__(  # type: ignore[overload-overlap]
        self, function: Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]], /
    ) -> MiniAgent[A, B, P]: ...
    @overload
    def __call__(self, function: OpenFunction[A, B], /) -> MiniAgent[A, B, ...]: ...


@overload
def miniagent(  # type: ignore[overload-overlap]
    function: Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]], /
) -> MiniAgent[A, B, P]: ...
@overload
def miniagent(function: OpenFunction[A, B], /) -> MiniAgent[A, B, ...]: ...
@overload
def miniagent(
    *, alias: str | None = None, description: str | None = None, **defaults: object
) -> AgentDecorator: ...
def miniagent(
    function: Callable[..., Awaitable[None]] | None = None,
    /,
    *,
    alias: str | None = None,
    description: str | None = None,
    **defaults: object,
) -> object:
    """Make an agent of ``async def f(ctx, ...)``; usable with and without parentheses.

    Args:
        function: takes the :class:`InteractionContext`; any further parameters become keywords.
        alias: its name in errors and records; by default that of the function in upper case.
        description: what it does; by default the docstring, with ``{AGENT_ALIAS}`` filled in.
        **defaults: default values of keywords.

    Raises:
        TypeError: no async function of a context, or parameters, a default or classes that do not fit.
        FreezeError: a keyword is declared as a list, a dict or a set: its values are frozen.

    Example:
        >>> from miniagents import InteractionContext, miniagent
        >>> @miniagent
        ... async def my_agent(ctx: InteractionContext) -> None:
        ...     '''{AGENT_ALIAS} says hello.'''
        ...     ctx.reply("hello")
        >>> my_agent, my_agent.description
        (<MiniAgent MY_AGENT>, 'MY_AGENT says hello.')
    """

    def decorate(function: Callable[..., Awaitable[None]]) -> MiniAgent[Message, Message, ...]:
        name = name_of(function)
        keywords = Keywords.of(function, name)
        shown = name.upper() if alias is None else alias
        text = doc_of(function) if description is None else description
        return MiniAgent(
            function,
            keywords,
            alias=shown,
            description=text.replace("{AGENT_ALIAS}", shown),
            defaults=keywords.taken(shown, (), defaults),
            classes=MessageClasses.of(function, InteractionContext, name),
        )

    return decorate if function is None else decorate(function)
