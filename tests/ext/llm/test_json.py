"""JSON of the wire: typed, looked into, written, and never quoted."""

import json
from itertools import pairwise

import pytest
from hypothesis import given, strategies as st
from pydantic import TypeAdapter
from typing_extensions import TypedDict

from miniagents.ext.llm import ServerEvent, WireError, parsed
from miniagents.ext.llm._json import (
    ProviderError,
    SurrogateJoiner,
    arguments_as_text,
    arguments_object,
    encodable,
    integer_at,
    look,
    plain,
    untyped,
)
from miniagents.ext.llm._sse import STRAY
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
        (b'{"text": "secret', "not JSON"),
        (b'"secret\xff"', "not UTF-8"),
        (b'{"a": "\\ud83d", "text": 7}', "not what it should be"),
        (b"[" * 100_000, "not JSON"),
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
    error = event.error
    assert (None if error is None else str(error)) == text
    assert error is None or isinstance(error, ProviderError)


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
    assert type(integer_at({"n": 7.0}, "n")) is int


@pytest.mark.parametrize(
    ("kind", "message", "text"),
    [("a", "b", "a: b"), ("a", "", "a"), ("", "b", "b"), ("", "", "no text was given")],
)
def test_provider_error(kind: str, message: str, text: str) -> None:
    """An error of the provider says all that it told."""
    assert str(ProviderError(kind, message)) == text


NO_OBJECTS = ('{"a": ', "{'a': 1}", '{"a": 1}}', "[1]", "7", "null", '{"a": NaN}', "[" * 100_000, '"\ud83d')


@pytest.mark.parametrize("arguments", NO_OBJECTS)
def test_arguments_that_are_no_object(arguments: str) -> None:
    """What a model wrote in place of an object goes back to its server inside of one."""
    assert arguments_object(arguments) == {"no object": arguments}
    assert json.loads(arguments_as_text(arguments)) == {"no object": arguments}
    arguments_as_text(arguments).encode()


@pytest.mark.parametrize("arguments", ['{"a": 1}', ' {"a":\n"\\ud83d"}', '{"no object": "b"}'])
def test_arguments_that_are_one(arguments: str) -> None:
    """Arguments that are an object go back as the model wrote them, to the last space."""
    assert arguments_as_text(arguments) == arguments
    assert arguments_object(arguments) == json.loads(arguments)
    assert (arguments_as_text(" "), arguments_object(" ")) == ("{}", {})


UTF_16 = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("\ud83d\ude00\udbff\udfff")))


@given(UTF_16, st.lists(st.integers(0, 30)))
def test_cuts_change_nothing(text: str, cuts: list[int]) -> None:
    """However a text is cut into pieces, they make the same encodable text together."""
    joiner = SurrogateJoiner()
    edges = [0, *sorted(cuts), len(text)]
    pieces = [joiner.feed(text[start:end]) for start, end in pairwise(edges)]
    joined = "".join(pieces) + joiner.rest()
    assert joined == encodable(text)
    for piece in pieces:
        piece.encode()


@given(st.text())
def test_good_text_stays(text: str) -> None:
    """A text without single halves is not changed, and not held back."""
    assert SurrogateJoiner().feed(text) == text


def test_single_half() -> None:
    """A half that stays alone becomes U+FFFD."""
    joiner = SurrogateJoiner()
    assert [joiner.feed("a\ud83d"), joiner.feed("b"), joiner.feed("\ud83d"), joiner.rest()] == [
        "a",
        "\N{REPLACEMENT CHARACTER}b",
        "",
        "\N{REPLACEMENT CHARACTER}",
    ]
