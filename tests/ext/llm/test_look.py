"""Looks at what came untyped believe nothing."""

import pytest

from miniagents.ext.llm import ProviderError, integer_at, look


class Odd:
    """An object with a field."""

    text = "hello"


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"a": {"b": 1}}, ("a", "b"), 1),
        ({"a": None}, ("a", "b"), None),
        (Odd(), ("text",), "hello"),
        (Odd(), ("more", "text"), None),
        (None, ("a",), None),
    ],
)
def test_look(value: object, path: tuple[str, ...], expected: object) -> None:
    """A look goes along keys and fields, and finds None where there is nothing."""
    assert look(value, *path) == expected


@pytest.mark.parametrize("count", [None, "7", True, 1.5])
def test_count(count: object) -> None:
    """A count that is no number is unknown, not an error."""
    assert integer_at({"n": count}, "n") is None
    assert integer_at({"n": 7}, "n") == 7


@pytest.mark.parametrize(
    ("kind", "message", "text"),
    [("a", "b", "a: b"), ("a", "", "a"), ("", "b", "b"), ("", "", "no text was given")],
)
def test_provider_error(kind: str, message: str, text: str) -> None:
    """An error of the provider says all that it told."""
    assert str(ProviderError(kind, message)) == text
