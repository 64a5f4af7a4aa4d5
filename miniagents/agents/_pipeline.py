"""``Pipeline``: agents and reactivex operators, composed into one operator."""

import inspect
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeAlias

from reactivex import Observable
from typing_extensions import TypeVar, override

from ._keywords import takes

A = TypeVar("A", contravariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
B = TypeVar("B", covariant=True)  # noqa: PLC0105
C = TypeVar("C")


class Operator(Protocol[A, B]):
    """A function from stream to stream: every pipeline, and every agent that needs nothing but messages."""

    def __call__(self, source: Observable[A], /) -> Observable[B]:
        """What becomes of ``source``."""
        ...


MYPY: Final = False  # mypy knows this name, and assumes that it is true
TYPE_CHECKING_WITH_PYREFLY: bool = False  # for pyrefly, which reads both branches of other conditions
if not TYPE_CHECKING_WITH_PYREFLY:  # noqa: SIM102 - mypy only knows conditions of a single name
    if MYPY:

        class PlainOperator(Protocol[A, B]):  # pyright: ignore[reportRedeclaration]
            """An operator that is not an agent.

            Every object has a `__sizeof__`, and that of an agent is declared with another type, so no value
            is both an agent and an operator. If two overloads fit and a keyword of the agent is open, mypy
            infers `Any`. pyright does not, and infers less from a protocol of two members.
            """

            def __call__(self, source: Observable[A], /) -> Observable[B]:
                """What becomes of ``source``."""
                ...

            @override
            def __sizeof__(self) -> int: ...


if not MYPY:
    PlainOperator: TypeAlias = Callable[[Observable[A]], Observable[B]]


class Pipeline(Generic[A, B]):
    """One operator made of several; cold, like each of its parts.

    Args:
        operator: the operator to call.

    Raises:
        TypeError: it cannot be called with an Observable.

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
        check_operator(operator)
        self._operator = operator

    def __call__(self, source: Observable[A], /) -> Observable[B]:
        """What becomes of ``source``."""
        return self._operator(source)

    def then(self, operator: Callable[[Observable[B]], Observable[C]]) -> "Pipeline[A, C]":
        """Return this pipeline followed by ``operator``, as one operator.

        Args:
            operator: from an Observable to an Observable; called for each use of the pipeline.

        Raises:
            TypeError: it cannot be called with an Observable.
        """
        check_operator(operator)
        first = self._operator
        return Pipeline(lambda source: operator(first(source)))

    def __or__(self, other: Callable[[Observable[B]], Observable[C]]) -> "Pipeline[A, C]":
        if not callable(other):
            return NotImplemented
        return self.then(other)


def check_operator(operator: object) -> None:
    """Check an operator when the pipeline is written, and not only when it is subscribed to.

    Raises:
        TypeError: it cannot be called with an Observable.
    """
    name = getattr(operator, "__name__", None)
    shown = f"a value of type {type(operator).__name__}" if name is None else str(name)
    if inspect.iscoroutinefunction(operator):
        raise TypeError(
            f"{shown} is an async function, and no operator; make an agent of it with @miniagent, or call it "
            "for each item with map_async."
        )
    if callable(operator) and takes(operator, 1):
        return
    hint = f" Do you mean {name}(...)?" if shown.isidentifier() and callable(operator) else ""
    raise TypeError(
        f"An operator takes an Observable and returns one; {shown} cannot be called with it.{hint}"
    )
