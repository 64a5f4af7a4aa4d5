"""Tests of results and errors as the texts that a model is told."""

from dataclasses import dataclass
from datetime import date

import pytest
from pydantic import BaseModel

from miniagents import Message, Messages
from miniagents.models._results import error_text, result_text


class City(BaseModel):
    name: str


@dataclass
class Degrees:
    celsius: float


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("as it is", "as it is"),
        (None, ""),
        (True, "true"),
        (12.5, "12.5"),
        ({"a": [1, None]}, '{"a":[1,null]}'),
        (City(name="Oslo"), '{"name":"Oslo"}'),
        ([Degrees(-3)], '[{"celsius":-3}]'),
        (date(2024, 2, 29), '"2024-02-29"'),
        (Message("Hello"), "Hello"),
        (Messages([Message("one"), Message("two")]), "one\n\ntwo"),
        ("ü", "ü"),
        (["ü"], '["ü"]'),
    ],
)
def test_results(value: object, text: str) -> None:
    """Texts and messages are told as they are, data as JSON, nothing as nothing."""
    assert result_text(value, "weather") == text


@pytest.mark.parametrize("value", [object(), {"a": object()}, b"\xff"])
def test_results_that_cannot_be_told(value: object) -> None:
    """What cannot be JSON is an error that names the tool and the type."""
    with pytest.raises(TypeError, match=f"The tool weather returned a {type(value).__name__}"):
        result_text(value, "weather")


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ValueError("no such city"), "ValueError: no such city"),
        (ValueError(), "ValueError"),
        (RuntimeError("key sk-abcdefghijkl was refused"), "RuntimeError: key [redacted] was refused"),
    ],
)
def test_errors(error: Exception, text: str) -> None:
    """An error is told by its type and text, never with a key."""
    assert error_text(error) == text
