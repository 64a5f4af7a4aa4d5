"""Agents and reactivex operators composed into one operator."""

from collections.abc import Callable
from typing import Generic, Protocol

from reactivex import Observable
from typing_extensions import TypeVar

A = TypeVar("A", contravariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
B = TypeVar("B", covariant=True)  # noqa: PLC0105
C = TypeVar("C")


class Operator(Protocol[A, B]):
    """From stream to stream: what an agent is that needs nothing but messages, and every pipeline."""

    def __call__(self, source: Observable[A], /) -> Observable[B]:
        """What becomes of ``source``."""
        ...


class Pipeline(Generic[A, B]):
    """One operator made of several; cold, like each of its parts.

    Args:
        operator: what it does.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.operators import resolve
        >>> @miniagent
        ... async def shout(ctx):
        ...     ctx.reply(str(await ctx.messages).upper())
        >>> pipeline = shout | resolve()
        >>> [str(message) for message in MiniAgents().run(pipeline(rx.of("hello")))]
        ['HELLO']
    """

    __slots__ = ("_operator",)

    def __init__(self, operator: Callable[[Observable[A]], Observable[B]]) -> None:
        self._operator = operator

    def __call__(self, source: Observable[A], /) -> Observable[B]:
        """What becomes of ``source``."""
        return self._operator(source)

    def then(self, operator: Callable[[Observable[B]], Observable[C]]) -> "Pipeline[A, C]":
        """This and then ``operator``, as one operator.

        Args:
            operator: from an Observable to an Observable; called for each use of the pipeline.
        """
        first = self._operator
        return Pipeline(lambda source: operator(first(source)))

    def __or__(self, other: Callable[[Observable[B]], Observable[C]]) -> "Pipeline[A, C]":
        if not callable(other):
            return NotImplemented
        return self.then(other)
