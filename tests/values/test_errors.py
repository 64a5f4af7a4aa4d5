"""Tests of the error family."""

import copy
import pickle

import pytest

from miniagents.values import (
    DeadlockError,
    FreezeError,
    HashKeyError,
    InquiryCancelledError,
    LLMError,
    MiniAgentsError,
    NestingError,
    NoActiveContextError,
    StopLoop,
    TemplateError,
    UnresolvedPromiseError,
    WrongLoopError,
)

FAMILY = (
    *(DeadlockError, FreezeError, HashKeyError, InquiryCancelledError, LLMError, NestingError),
    *(NoActiveContextError, StopLoop, TemplateError, UnresolvedPromiseError, WrongLoopError),
)


@pytest.mark.parametrize("error", FAMILY)
def test_one_base(error: type[MiniAgentsError]) -> None:
    """Every error of the library can be caught by its one base, and none is a BaseException only."""
    assert issubclass(error, MiniAgentsError)
    assert issubclass(MiniAgentsError, Exception)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (NoActiveContextError, RuntimeError),
        (FreezeError, TypeError),
        (NestingError, TypeError),
        (TemplateError, ValueError),
        (HashKeyError, ValueError),
    ],
)
def test_builtin_kin(error: type[Exception], builtin: type[Exception]) -> None:
    """An error is of the builtin kind that a user would expect, too."""
    assert issubclass(error, builtin)


def test_no_context_says_what_to_do() -> None:
    """The error of a promise without a context names the line that helps."""
    expected = "no MiniAgents context is active; use `async with MiniAgents():`"
    assert expected == str(NoActiveContextError())


@pytest.mark.parametrize(
    "error", [NoActiveContextError, UnresolvedPromiseError, InquiryCancelledError, WrongLoopError, StopLoop]
)
def test_each_speaks_without_being_told(error: type[MiniAgentsError]) -> None:
    """An error raised without a text still says a sentence; one with a text says that."""
    assert len(str(error())) > 20
    assert str(error("my words")) == "my words"


@pytest.mark.parametrize("error", FAMILY)
def test_copies_and_pickles(error: type[MiniAgentsError]) -> None:
    """Errors go between processes."""
    one = error("what, where, what to do")
    for other in (pickle.loads(pickle.dumps(one)), copy.copy(one), copy.deepcopy(one)):  # noqa: S301 - our own bytes
        assert (type(one), one.args, str(one)) == (type(other), other.args, str(other))
