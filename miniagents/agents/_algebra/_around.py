"""``a.around(function)``: each call of an agent goes through a function of the user's own."""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from ._operands import Operand, ReplyContext

# Users see it typed: their function is given an `InteractionContext`, and an agent of the class that it is.
AnyFunction: TypeAlias = Callable[..., Awaitable[None]]


class Around:
    """What ``a.around(function)`` puts around ``a``.

    Args:
        function: what the calls go through.

    Attributes:
        function: what the calls go through.
        runs_elsewhere: the function has the calls made in other processes, as its attribute of this name
            says. Then the runs of ``a`` here are those of ``a`` itself: of a model, if it is one.

    Raises:
        TypeError: it cannot be called.
    """

    __slots__ = ("function", "runs_elsewhere")

    def __init__(self, function: AnyFunction) -> None:
        check_around("around", function)
        self.function: AnyFunction = function
        self.runs_elsewhere: bool = getattr(function, "runs_elsewhere", False) is True

    def alias_around(self, part: Operand) -> str:
        """The agent is called as it was."""
        return part.alias

    def description_around(self, part: Operand) -> str:
        """It does what it did."""
        return part.description

    def __call__(self, ctx: ReplyContext, call: Operand) -> Awaitable[None]:
        """Hand a call to the function."""
        return self.function(ctx, call)


def check_around(operation: str, function: object) -> None:
    """Refuse what cannot go around a run.

    Args:
        operation: where it was given, for the error.
        function: what was given.

    Raises:
        TypeError: it cannot be called.
    """
    if not callable(function):
        msg = f"{operation}({function!r}): give an async function of the context and the called agent."
        raise TypeError(msg)
