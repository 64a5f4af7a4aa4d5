"""Looks at what an SDK hands out believe nothing."""

import pytest

from miniagents.ext.llm import ProviderError, WireError, integer_at, items_at, look, record, text_at


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


@pytest.mark.parametrize("value", [None, "text", b"", 1, 1.0, True, [], ()])
def test_record_refuses(value: object) -> None:
    """What has no fields is no record, and the error does not show what it was."""
    with pytest.raises(WireError, match=r"^a chunk is (null|a \w+), not an object$"):
        record(value, "a chunk")


def test_text() -> None:
    """A text is the text, none is empty, and anything else breaks the protocol."""
    assert text_at(Odd(), "text", "text") == "hello"
    assert text_at({}, "text", "text") == ""
    with pytest.raises(WireError, match="text is a list, not text"):
        text_at({"text": ["secret"]}, "text", "text")


def test_items() -> None:
    """A list is the list, none is empty, and anything else breaks the protocol."""
    assert list(items_at({"a": [1]}, "a", "a")) == [1]
    assert list(items_at({}, "a", "a")) == []
    with pytest.raises(WireError, match="a is a dict, not a list"):
        items_at({"a": {}}, "a", "a")


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
