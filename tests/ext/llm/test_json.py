"""JSON of the wire: typed, and never quoted."""

import pytest
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from miniagents.ext.llm import STRAY, ProviderError, ServerEvent, WireError, error_of, parsed, plain, untyped
from miniagents.values import freeze


class Said(TypedDict, total=False):
    """What a test says."""

    text: str


SAID = TypeAdapter(Said)


def test_parsed() -> None:
    """What fits comes out as it is; halves of characters do too, and unknown fields are left out."""
    assert parsed(SAID, b'{"text": "a", "news": [1]}') == {"text": "a"}
    assert parsed(SAID, b'{"text": "\\ud83d"}') == {"text": "\ud83d"}


@pytest.mark.parametrize(
    ("data", "hint"),
    [
        (b"null", "it: "),
        (b'{"text": 5}', "text: "),
        (b'{"text": ["secret"]}', "text: "),
        (b'{"text": "secret', "no JSON"),
        (b'"secret\xff"', "no UTF-8"),
        (b'{"a": "\\ud83d", "text": 7}', "not what it should be"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_refused(data: bytes, hint: str) -> None:
    """What does not fit is told by its place, and what came is not quoted."""
    with pytest.raises(WireError, match=hint) as caught:
        parsed(SAID, data)
    assert "secret" not in str(caught.value)


def test_untyped() -> None:
    """Any JSON is some value."""
    assert untyped(b'{"a": [1]}') == {"a": [1]}


def test_plain() -> None:
    """Frozen data becomes what every JSON writer takes."""
    assert plain(freeze({"a": [1, {"b": (2,)}]})) == {"a": [1, {"b": [2]}]}


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (ServerEvent("error", b'{"error": {"type": "busy", "message": "Later."}}'), "busy: Later."),
        (ServerEvent("error", b'{"message": "Later.", "code": 503}'), "503: Later."),
        (ServerEvent("error", b"too much"), "too much"),
        (ServerEvent(STRAY, b'{"error": "too much"}'), "too much"),
        (ServerEvent(STRAY, b'{"choices": []}'), None),
        (ServerEvent(STRAY, b"{"), None),
    ],
)
def test_errors(event: ServerEvent, text: str | None) -> None:
    """Errors are found in the forms that servers write."""
    error = error_of(event)
    assert (None if error is None else str(error)) == text
    assert error is None or isinstance(error, ProviderError)
