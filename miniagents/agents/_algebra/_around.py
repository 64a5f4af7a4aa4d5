"""``a.around(function)``: a function of the user handles each call of an agent."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from miniagents.values import name_of

from .._keywords import takes
from ._operands import Operand, ReplyContext

# The public method is typed: the function gets an `InteractionContext`, and an agent of its own class.
AnyFunction: TypeAlias = Callable[..., Awaitable[None]]


class Around:
    """The wrapper of ``a.around(function)``.

    Args:
        function: what the calls go through.

    Attributes:
        function: what the calls go through.
        runs_elsewhere: whether the function makes the calls in other processes; it has an attribute of this
            name. Then the runs here count as runs of ``a`` itself: of a model, if it is one.
        stands_in: whether the function stands in for the agent, so that what a context puts around the calls
            of ``a`` is around the function, and not between it and ``a``; it has an attribute of this name.

    Raises:
        TypeError: it cannot be called.
    """

    def __init__(self, function: AnyFunction) -> None:
        check_around("around", function)
        self.function: AnyFunction = function
        self.runs_elsewhere: bool = getattr(function, "runs_elsewhere", False) is True
        self.stands_in: bool = getattr(function, "stands_in", False) is True

    def alias_around(self, part: Operand) -> str:
        """The alias of the agent, unchanged."""
        return part.alias

    def description_around(self, part: Operand) -> str:
        """The description of the agent, unchanged."""
        return part.description

    def __call__(self, ctx: ReplyContext, call: Operand) -> Awaitable[None]:
        """Pass a call on to the function."""
        return handled(self.function, ctx, call)


def handled(function: AnyFunction, ctx: ReplyContext, call: Operand) -> Awaitable[None]:
    """Call a function that handles a call of an agent.

    Args:
        function: of the user.
        ctx: the context of the call.
        call: the agent that is called.

    Raises:
        TypeError: the function is not async.
    """
    handling = function(ctx, call)
    if not isinstance(handling, Awaitable):  # pyright: ignore[reportUnnecessaryIsInstance] - to mypy a lambda may return nothing
        raise TypeError(
            f"around({name_of(function)}) needs an async function, and this one has returned {handling!r}."
        )
    return handling


def check_around(operation: str, function: object) -> None:
    """Check that a value can be called with a context and an agent, so that it can wrap runs.

    Args:
        operation: the name of the operation, for the error.
        function: the value.

    Raises:
        TypeError: it cannot be called so.
    """
    if not callable(function):
        raise TypeError(
            f"{operation}({function!r}): give an async function of the context and the called agent."
        )
    if not takes(function, 2):
        name = name_of(function)
        raise TypeError(
            f"{operation}({name}): {name} cannot be called with the context and the called agent. "
            f"Do you mean {operation}({name}(...))?"
        )
