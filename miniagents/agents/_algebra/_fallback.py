"""``fallback(a, b, ...)``: the next agent answers if one fails, also in the middle of its answer."""

from functools import reduce
from typing import Protocol, cast, overload

from typing_extensions import TypeVar

from miniagents.messages import Message

from .._agent import MiniAgent
from ._chains import Stage
from ._operands import Errors

A = TypeVar("A", bound=Message)
B1 = TypeVar("B1", bound=Message)
B2 = TypeVar("B2", bound=Message)
B3 = TypeVar("B3", bound=Message)
B = TypeVar("B", bound=Message)


class Model(Protocol):
    """The type of a model, for type checkers: of models, a fallback is a model like the first one."""

    def asks(self, **keywords: object) -> object:
        """Return which model it calls."""
        ...


M = TypeVar("M", bound=Model)


@overload
def fallback(first: M, second: Model, /, *models: Model, on: Errors = ..., hold: bool = ...) -> M: ...
@overload
def fallback(
    first: Stage[A, B1], second: Stage[A, B2], /, *, on: Errors = ..., hold: bool = ...
) -> MiniAgent[A, B1 | B2]: ...
@overload
def fallback(
    first: Stage[A, B1], second: Stage[A, B2], third: Stage[A, B3], /, *, on: Errors = ..., hold: bool = ...
) -> MiniAgent[A, B1 | B2 | B3]: ...
@overload
def fallback(
    first: Stage[A, B],
    second: Stage[A, B],
    third: Stage[A, B],
    fourth: Stage[A, B],
    /,
    *agents: Stage[A, B],
    on: Errors = ...,
    hold: bool = ...,
) -> MiniAgent[A, B]: ...
def fallback(*agents: object, on: Errors = (Exception,), hold: bool = False) -> object:
    """Return an agent that asks several agents one after the other until one does not fail.

    It is ``a.catching(b, restart=True).catching(c, restart=True)``. If an agent fails before its first token,
    the next one answers. If it fails in the middle, readers of ``parts`` get a ``Restart``, which withdraws
    what they have shown, and the next one answers anew in the same message. So the message has one text.
    Readers of tokens get a :class:`WithdrawnError` at its end.

    Args:
        *agents: two or more agents; give their required keywords before, with ``bind``.
        on: the errors after which the next one is asked: a tuple of classes, or a function of the error.
        hold: whether a message is shown only when it is complete; then nothing is ever withdrawn.

    Returns:
        An agent; it takes messages that all of them take, and replies what one of them replies. If all are
        models, it is a model too: with ``with_tools`` and ``as_type``, and the keywords of the first one.

    Raises:
        TypeError: fewer than two agents are given, an argument is not an agent or lacks a required keyword,
            or ``on`` is a class.

    Example:
        >>> from miniagents import MiniAgents, fallback
        >>> from miniagents.testing import scripted_model
        >>> cheap = scripted_model(["The answer", " is", ConnectionError("gone")])
        >>> async def main():
        ...     replies = fallback(cheap, scripted_model("It is 42.")).inquire("What is it?")
        ...     print([part async for part in replies.parts])
        ...     print(await replies)
        >>> MiniAgents().run(main())
        ['The answer', ' is', Restart(reason='ConnectionError: gone'), 'It ', 'is ', '42.']
        It is 42.
    """
    if len(agents) < 2:  # noqa: PLR2004 - one has nothing to fall back to
        msg = f"fallback() is made of two agents or more, and this one of {len(agents)}."
        raise TypeError(msg)
    known = cast("tuple[MiniAgent, ...]", agents)
    made = reduce(lambda a, b: a.catching(b, on=on, restart=True, hold=hold), known)
    alias = f"fallback({', '.join(agent.alias for agent in known)})"
    return made.described(alias=alias)
