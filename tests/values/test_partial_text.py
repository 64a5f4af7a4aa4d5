"""Tests of the text that had arrived before an error."""

import copy
import pickle
from dataclasses import dataclass

import pytest

from miniagents.values import LLMError, partial_text, set_partial_text


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
