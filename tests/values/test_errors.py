"""Errors: sentences, what they hold, pickles, and the text that had arrived before."""

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from miniagents.values import (
    AgentTimeoutError,
    DeadlockError,
    FreezeError,
    InquiryCancelledError,
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MessageValidationError,
    MiniAgentsError,
    NestingError,
    NoActiveContextError,
    StopLoop,
    UnresolvedPromiseError,
    WrongLoopError,
    partial_text,
    set_partial_text,
)

FAMILY = (
    *(DeadlockError, FreezeError, MessageValidationError, InquiryCancelledError, LLMError, NestingError),
    *(NoActiveContextError, StopLoop, MessageValidationError, UnresolvedPromiseError, WrongLoopError),
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
        (MessageValidationError, ValueError),
    ],
)
def test_builtin_kin(error: type[Exception], builtin: type[Exception]) -> None:
    """An error is of the builtin kind that a user would expect, too."""
    assert issubclass(error, builtin)


def test_no_context_says_what_to_do() -> None:
    """The error of a promise without a context names what helps: a block, the app's context, a call."""
    told = str(NoActiveContextError())
    assert told.startswith("no MiniAgents context is active; use `async with MiniAgents():`")
    assert "`MiniAgents(app_wide=True)`" in told
    assert "`MiniAgents.from_thread(...)`" in told


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


@dataclass(frozen=True)
class FrozenError(Exception):
    """An exception that refuses attributes."""

    code: int = 1


class SlottedError(Exception):
    __slots__ = ("code",)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("x"),
        KeyboardInterrupt(),
        FrozenError(),
        SlottedError(),
        ExceptionGroup("g", [ValueError()]),
    ],
)
def test_stored_on_any_exception(error: BaseException) -> None:
    """Any exception can carry the text, and says "" before it does."""
    assert partial_text(error) == ""
    set_partial_text(error, "Hel")
    assert partial_text(error) == "Hel"


def test_the_first_text_stays() -> None:
    """An error on its way through many streams keeps the text of the stream in which it arose."""
    error = ValueError("x")
    set_partial_text(error, "inner")
    set_partial_text(error, "outer")
    assert partial_text(error) == "inner"


def test_of_a_language_model() -> None:
    """An `LLMError` tells its own; one that does not know can be told."""
    assert partial_text(LLMError("x", partial_text="Hel")) == "Hel"
    error = LLMError("x")
    assert partial_text(error) == ""
    set_partial_text(error, "Hello")
    assert partial_text(error) == "Hello"
    told = LLMError("x", partial_text="Hel")
    set_partial_text(told, "Hello")
    assert partial_text(told) == "Hel"


def test_survives_copies() -> None:
    """The text goes with the exception into a pickle and a copy."""
    error = ValueError("x")
    set_partial_text(error, "Hel")
    loaded = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert [partial_text(loaded), partial_text(copy.copy(error))] == ["Hel", "Hel"]


TIMEOUT = AgentTimeoutError(
    "too slow", agent="A", limit="stall", seconds=5.0, elapsed=9.0, tokens=3, partial_text="Hel"
)
UNROUTED = MessageValidationError("no case", "route()")


def test_families() -> None:
    """They are errors of the library, and of the built-in class that fits."""
    assert isinstance(TIMEOUT, MiniAgentsError)
    assert isinstance(TIMEOUT, TimeoutError)
    assert isinstance(UNROUTED, MiniAgentsError)
    assert isinstance(UNROUTED, ValueError)


@pytest.mark.parametrize("error", [TIMEOUT, UNROUTED], ids=lambda error: type(error).__name__)
def test_they_travel(error: MiniAgentsError) -> None:
    """Pickled or copied they know what they knew."""
    for again in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - our own
        assert (type(again), str(again), again.__dict__) == (type(error), str(error), error.__dict__)


def test_the_text_that_had_come() -> None:
    """`partial_text` of the error is what had come when it was made, whatever is stored later."""
    set_partial_text(TIMEOUT, "Hello")
    assert (TIMEOUT.partial_text, partial_text(TIMEOUT)) == ("Hel", "Hel")
    assert AgentTimeoutError().partial_text == ""


def test_without_a_word() -> None:
    """They say what they are if they are given no text."""
    assert str(AgentTimeoutError()) == "an agent took too long"


LLM_FAMILY = (
    *(LLMConfigError, LLMConnectionError, LLMError, LLMProtocolError, LLMRefusalError),
    *(LLMStatusError, LLMTimeoutError, LLMTruncatedError),
)
NAMES = ("provider", "model", "status", "request_id", "attempts", "partial_text")


def pickled(error: LLMError) -> LLMError:
    loaded = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    assert isinstance(loaded, LLMError)
    return loaded


@pytest.mark.parametrize("error", LLM_FAMILY)
def test_defaults(error: type[LLMError]) -> None:
    """Without keywords an error knows only its sentence."""
    one = error("the stream ended early")
    assert str(one) == "the stream ended early"
    assert [None, None, None, None, 1, ""] == [getattr(one, name) for name in NAMES]


@pytest.mark.parametrize("error", LLM_FAMILY)
@pytest.mark.parametrize("again", [pickled, copy.copy, copy.deepcopy])
def test_llm_errors_are_copied_and_pickled(
    error: type[LLMError], again: Callable[[LLMError], LLMError]
) -> None:
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


def test_builtin_kin_of_llm_errors() -> None:
    """A timeout is a TimeoutError, and a broken connection a ConnectionError, as `except` clauses expect."""
    assert isinstance(LLMTimeoutError("late"), TimeoutError)
    assert isinstance(LLMConnectionError("broken"), ConnectionError)


def test_says_something_always() -> None:
    """An error without a sentence still says one."""
    assert "language model" in str(LLMError())
