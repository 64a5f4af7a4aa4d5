"""``fallback(a, b, ...)``: the next agent answers if one fails, also in the middle of its answer."""

from functools import reduce
from typing import TYPE_CHECKING, Protocol, overload

from pydantic import BaseModel
from typing_extensions import ParamSpec, TypeVar

from miniagents.messages import Message

from .._agent import MiniAgent, checked_agent
from ._chains import Stage
from ._operands import Errors

if TYPE_CHECKING:  # of a layer above
    from miniagents.models import TypedAgent

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
T = TypeVar("T", bound=BaseModel)
P1 = ParamSpec("P1")
P2 = ParamSpec("P2")


@overload
def fallback(first: M, second: Model, /, *models: Model, on: Errors = ..., hold: bool = ...) -> M: ...
@overload
def fallback(
    first: "TypedAgent[T, P1]",
    second: "TypedAgent[T, P2]",
    /,
    *typed: "TypedAgent[T, ...]",
    on: Errors = ...,
    hold: bool = ...,
) -> "TypedAgent[T]": ...
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

    Args:
        *agents: two or more; ``bind`` their required keywords.
        on: after which errors: classes, or a function.
        hold: whether messages are shown when complete.

    Raises:
        TypeError: an argument does not fit.

    Example:
        >>> from miniagents.ext.eliza import eliza_agent
        >>> fallback(eliza_agent, eliza_agent).alias
        'fallback(ELIZA_AGENT, ELIZA_AGENT)'
    """
    known = [checked_agent("fallback", each) for each in agents]
    if len(known) < 2:  # noqa: PLR2004 - one has nothing to fall back to
        raise TypeError(f"fallback() is made of two agents or more, and this one of {len(known)}.")
    made = reduce(lambda a, b: a.catching(b, on=on, restart=True, hold=hold), known)
    alias = f"fallback({', '.join(agent.alias for agent in known)})"
    return made.described(alias=alias)
