"""Every public error can be pickled and copied, whatever its constructor wants."""

import copy
import inspect
import pickle
from collections.abc import Callable
from decimal import Decimal
from typing import cast

import pytest

from miniagents import RaceReport, errors
from miniagents.errors import MiniAgentsError
from miniagents.ext._history import HistoryFileError
from miniagents.ext.jobs import TooManyFailuresError
from miniagents.ext.ray import RemoteError
from miniagents.values import set_partial_text

GIVEN: dict[str, object] = {
    "abandoned": True,
    "agent": "A",
    "agent_alias": "A",
    "attempts": 3,
    "cases": ("Question",),
    "cause": FileNotFoundError(2, "none", "x.md"),
    "dollars": Decimal("1.50"),
    "elapsed": 9.0,
    "ended": 7,
    "failed": 6,
    "limit": "stall",
    "message": "what, where, what to do",
    "message_class": "Bug",
    "model": "m-1",
    "partial_text": "Hel",
    "path": "x.md",
    "provider": "openai",
    "reason": "ended",
    "reasons": (("A", None),),
    "report": RaceReport(),
    "request_id": "r-1",
    "retry_after": 2.5,
    "seconds": 5.0,
    "sentence": "what, where, what to do",
    "status": 429,
    "text": "what, where, what to do",
    "tokens": 11,
}
"""What constructors are given, by the names of their parameters; a new one has to be named here."""

PUBLIC = [
    found
    for name in errors.__all__
    if isinstance(found := getattr(errors, name), type) and issubclass(found, MiniAgentsError)
]
OF_LEAVES = [HistoryFileError, TooManyFailuresError, RemoteError]


def pickled(error: MiniAgentsError) -> MiniAgentsError:
    return cast("MiniAgentsError", pickle.loads(pickle.dumps(error)))  # noqa: S301 - our own bytes


def made(kind: type[MiniAgentsError]) -> MiniAgentsError:
    """An error with all that its constructor takes."""
    args: list[object] = []
    keywords: dict[str, object] = {}
    for name, parameter in list(inspect.signature(kind.__init__).parameters.items())[1:]:
        if parameter.kind is parameter.VAR_POSITIONAL:
            args.append("what, where, what to do")
        elif parameter.kind is parameter.KEYWORD_ONLY:
            keywords[name] = GIVEN[name]
        elif parameter.kind is not parameter.VAR_KEYWORD:
            args.append(GIVEN[name])
    return kind(*args, **keywords)


@pytest.mark.parametrize("kind", [*PUBLIC, *OF_LEAVES])
def test_pickled(kind: type[MiniAgentsError]) -> None:
    """A public error comes back from a plain pickle with its class, text, arguments, attributes and notes."""
    error = made(kind)
    set_partial_text(error, "Hel")
    error.add_note("in a worker")
    copied: list[Callable[[MiniAgentsError], MiniAgentsError]] = [pickled, copy.copy, copy.deepcopy]
    for again in copied:
        other = again(error)
        assert (type(other), str(other), other.__notes__) == (kind, str(error), ["in a worker"])
        assert other.args == error.args
        assert vars(other) == vars(error)
        for name in ("errno", "filename"):
            assert getattr(other, name, None) == getattr(error, name, None)


def test_all_are_looked_at() -> None:
    """The errors of the page of errors are all among them, and those whose constructors want more."""
    assert len(PUBLIC) >= 27
    assert errors.BudgetExceededError in PUBLIC
