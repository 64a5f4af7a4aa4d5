"""Tests of the errors of language models."""

import copy
import pickle
from collections.abc import Callable

import pytest

from miniagents.values import (
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
)

FAMILY = (
    *(LLMConfigError, LLMConnectionError, LLMError, LLMProtocolError, LLMRefusalError),
    *(LLMStatusError, LLMTimeoutError, LLMTruncatedError),
)
NAMES = ("provider", "model", "status", "request_id", "attempts", "partial_text")


def pickled(error: LLMError) -> LLMError:
    loaded = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(loaded, LLMError)
    return loaded


@pytest.mark.parametrize("error", FAMILY)
def test_defaults(error: type[LLMError]) -> None:
    """Without keywords an error knows only its sentence."""
    one = error("the stream ended early")
    assert str(one) == "the stream ended early"
    assert [None, None, None, None, 1, ""] == [getattr(one, name) for name in NAMES]


@pytest.mark.parametrize("error", FAMILY)
@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
def test_copies_and_pickles(error: type[LLMError], again: Callable[[LLMError], LLMError]) -> None:
    """Everything an error knows survives a pickle and a copy."""
    one = error(
        "too many requests",
        provider="openai",
        model="m",
        status=429,
        request_id="r",
        attempts=3,
        partial_text="Hel",
    )
    one.add_note("A → B")
    other = again(one)
    assert type(one) is type(other)
    assert str(one) == str(other)
    assert ["openai", "m", 429, "r", 3, "Hel"] == [getattr(other, name) for name in NAMES]
    assert other.__notes__ == ["A → B"]


def test_no_key_in_the_text() -> None:
    """A key that the provider echoed is nowhere in the error, neither shown nor pickled."""
    error = LLMStatusError("Incorrect API key provided: sk-secret0123456789", status=401)
    for shown in (str(error), repr(error), str(error.args), str(pickle.dumps(error))):
        assert "secret0123456789" not in shown


def test_no_cause_in_a_pickle() -> None:
    """The SDK's exception, which knows the headers, stays in memory only."""
    error = LLMConnectionError("the connection broke")
    error.__cause__ = ValueError("sk-secret0123456789")
    assert b"secret" not in pickle.dumps(error)


def test_builtin_kin() -> None:
    """A timeout is a TimeoutError, and a broken connection a ConnectionError, as `except` clauses expect."""
    assert isinstance(LLMTimeoutError("late"), TimeoutError)
    assert isinstance(LLMConnectionError("broken"), ConnectionError)


def test_says_something_always() -> None:
    """An error without a sentence still says one."""
    assert "language model" in str(LLMError())
