"""JSON that comes in pieces is what `json.loads` makes of the whole."""

import json
import time
from itertools import pairwise
from typing import cast

import pytest
from hypothesis import given, settings, strategies as st

from miniagents.values import JsonEnd, JsonError, JsonEvent, JsonParser, JsonPath, JsonText
from miniagents.values._json_parser import JsonString, bare_value
from tests.support.amounts import amount


def decoded(encoded: str, size: int) -> tuple[str, str]:
    """What a string is decoded to: the pieces together, and its own text."""
    string = JsonString()
    body = encoded[1:]
    found = [string.feed(body[at : at + size])[1] for at in range(0, len(body), size)]
    assert string.closed
    return "".join(found), string.text


@given(st.text(), st.integers(1, 9), st.booleans())
def test_every_text_in_pieces_of_every_size(text: str, size: int, ascii_only: bool) -> None:
    """A string is what `json.loads` makes of it, in whatever pieces it comes."""
    assert decoded(json.dumps(text, ensure_ascii=ascii_only), size) == (text, text)


@pytest.mark.parametrize(
    ("encoded", "expected"),
    [
        (r'"\ud83d\ude00"', "\U0001f600"),
        (r'"\ud83d"', "\ufffd"),
        (r'"\ude00"', "\ufffd"),
        (r'"\ud83d!"', "\ufffd!"),
        (r'"\ud83d\n"', "\ufffd\n"),
        (r'"\ud83d\ud83d\ude00"', "\ufffd\U0001f600"),
        (r'"\/\b\f\n\r\t\"\\"', '/\b\f\n\r\t"\\'),
        (r'"\u00E9\u00e9"', "éé"),
    ],
)
def test_escapes(encoded: str, expected: str) -> None:
    """Both halves of a pair are one character, over any cut; a half alone becomes U+FFFD."""
    for size in (1, 2, 5, 6, 7, 100):
        assert decoded(encoded, size) == (expected, expected)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a\nb", "control character"),
        (r"\x", "an escape that is not valid JSON"),
        (r"\u12g4", "four hex digits"),
        ('\\u"', "four hex digits"),
        ("\\u\u0661111", "four hex digits"),
    ],
)
def test_what_no_string_can_have(text: str, sentence: str) -> None:
    """A control character or an unknown escape is an error that says so."""
    with pytest.raises(ValueError, match=sentence):
        JsonString().feed(text)


def test_text_while_it_is_open() -> None:
    """The text so far can be asked for at any time, and reading stops behind the closing quote."""
    string = JsonString()
    assert (string.text, string.closed) == ("", False)
    assert string.feed("ab\\") == (3, "ab")
    assert string.feed('tc", 1') == (3, "\tc")
    assert (string.text, string.closed) == ("ab\tc", True)


@given(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_and_literals(value: object) -> None:
    """A number or literal is what `json.loads` makes of it, and of its type."""
    found = bare_value(json.dumps(value))
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize("word", ["", "-", "01", "1.", ".5", "1e", "+1", "True", "nan", "1_0", "1" * 5000])
def test_words_that_are_no_values(word: str) -> None:
    """What `json.loads` refuses is refused."""
    with pytest.raises(ValueError, match=r"not valid JSON|digits"):
        bare_value(word)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)
STYLES = st.sampled_from([(None, None), (None, (",", ":")), (2, None)])


def read(pieces: list[str], depth: int = 2) -> tuple[object, list[JsonEvent]]:
    """The value of a document, and the events on the way."""
    machine = JsonParser(depth)
    events = [event for piece in pieces for event in machine.feed(piece)]
    return machine.finish(), events


def joined(events: list[JsonEvent]) -> list[JsonEvent]:
    """The same events with neighbouring pieces of one text as one."""
    found: list[JsonEvent] = []
    for event in events:
        last = found[-1] if found else None
        if isinstance(event, JsonText) and isinstance(last, JsonText) and event.path == last.path:
            found[-1] = JsonText(event.path, last.text + event.text)
        else:
            found.append(event)
    return found


def at_paths(value: object, depth: int, path: JsonPath = ()) -> list[JsonEvent]:
    """The events that a document of this value must bring, as plainly as it can be said."""
    if len(path) > depth:
        return []
    inner: list[JsonEvent] = []
    end = JsonEnd(path, value)
    if isinstance(value, dict):
        for key, item in cast("dict[str, object]", value).items():
            inner += at_paths(item, depth, (*path, key))
    if isinstance(value, list):
        for index, item in enumerate(cast("list[object]", value)):
            inner += at_paths(item, depth, (*path, index))
    if isinstance(value, str) and value:
        inner.append(JsonText(path, value))
    return [*inner, end] if path else inner


@given(VALUES, STYLES, st.booleans())
def test_every_cut_of_random_documents(
    value: object, style: tuple[int | None, tuple[str, str] | None], ascii_only: bool
) -> None:
    """A document is what `json.loads` makes of it, cut at any place, and character by character."""
    document = json.dumps(value, ensure_ascii=ascii_only, indent=style[0], separators=style[1])
    expected = json.loads(document)
    events = at_paths(expected, 2)
    for cut in range(len(document) + 1):
        result, found = read([document[:cut], document[cut:]])
        assert result == expected
        assert joined(found) == events
    result, found = read(list(document))
    assert (result, joined(found)) == (expected, events)


@given(VALUES, st.integers(0, 4), st.lists(st.integers(0, 1000), max_size=6))
def test_events_of_every_depth(value: object, depth: int, cuts: list[int]) -> None:
    """Every value and text down to the asked depth is told once, in the order of the document."""
    document = json.dumps(value)
    places = [0, *sorted(cut % (len(document) + 1) for cut in cuts), len(document)]
    _, found = read([document[start:end] for start, end in pairwise(places)], depth)
    assert joined(found) == at_paths(json.loads(document), depth)


@settings(max_examples=amount(30, 300))
@given(st.text('{}[]",:\\ 01-.eEtruefalsnu\n', max_size=12))
def test_accepts_what_json_accepts(text: str) -> None:
    """Exactly the texts that are JSON are read; any other one is an error, and nothing else."""
    try:
        expected = json.loads(text)
    except ValueError:
        with pytest.raises(JsonError):
            read(list(text))
    else:
        assert read(list(text))[0] == expected


@given(VALUES)
def test_no_beginning_of_a_document_is_one(value: object) -> None:
    """A document that ends too early is an error, never a smaller document."""
    document = json.dumps({"it": value})
    for cut in range(len(document)):
        with pytest.raises(JsonError, match="ends after"):
            read([document[:cut]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[1, 2", "it ends after 5 characters before it is complete"),
        ("", "it ends after 0 characters"),
        ("[1 2]", r"at character 3: '2' cannot stand here"),
        ("[1,]", r"at character 3: ']' cannot stand here"),
        ('{"a" 1}', r"at character 5: '1' cannot stand here"),
        ("{1: 2}", "at character 1: '1' cannot stand here"),
        ("[}", "at character 1: '}' cannot stand here"),
        ("]", "at character 0: ']' cannot stand here"),
        ("1 2", "at character 2: '2' cannot stand here"),
        ("[ü]", "text outside of a string"),
        ("[01]", "the number or literal that ends here is not valid JSON"),
        ("[nul]", "the number or literal that ends here is not valid JSON"),
        ("[NaN]", "'N' cannot stand here"),
        ('["a\nb"]', "at character 2: a string has a control character"),
        ("[" * 201, "nested more than 200 levels deep"),
        ("[" + "1" * 5000 + "]", "at character 1: "),
    ],
)
def test_errors_name_the_character(text: str, sentence: str) -> None:
    """What is no JSON is an error that names where, however the text came."""
    with pytest.raises(JsonError, match=sentence):
        read([text])
    with pytest.raises(JsonError, match="this is not JSON"):
        read(list(text))


def test_errors_do_not_quote_the_text() -> None:
    """No more than one character of what a model said stands in an error."""
    with pytest.raises(JsonError) as caught:
        read(['{"a": geheim}'])
    assert "geheim" not in repr(caught.value)


def test_repeated_keys() -> None:
    """Of a key that comes twice the last value holds, as with `json.loads`."""
    assert read(['{"a": 1, "a": 2}'])[0] == {"a": 2}


def test_what_follows_can_be_ignored() -> None:
    """With `ignore_rest` anything may follow the document, in the same piece and later."""
    machine = JsonParser(ignore_rest=True)
    events = machine.feed('{"a": 1}\n``` and [so')
    assert (events, machine.closed, machine.feed("on}")) == ([JsonEnd(("a",), 1)], True, [])
    assert machine.finish() == {"a": 1}


def test_what_is_open_can_be_looked_at() -> None:
    """The open containers and the open text are there between two pieces."""
    machine = JsonParser()
    machine.feed('{"a": [1, {"b": "x')
    assert [frame.value for frame in machine.frames] == [{}, [1], {}]
    assert [frame.key for frame in machine.frames] == ["a", None, "b"]
    seen = [(machine.open_text, machine.open_length, machine.closed)]
    machine.feed('y"')
    assert [*seen, (machine.open_text, machine.open_length, machine.closed)] == [
        ("x", 1, False),
        (None, 0, False),
    ]
    assert machine.frames[-1].value == {"b": "xy"}


@pytest.mark.gate("times a document and one eight times as large")
@pytest.mark.parametrize(
    "unit",
    ['{"name": "n", "value": 12.5, "tags": [true, null]}', '"a text of words"', '"\\n\\u00e9\\""', "12"],
)
def test_time_is_linear(unit: str) -> None:
    """Eight times the text takes about eight times as long, token by token: nothing is read twice."""

    def seconds(count: int) -> float:
        document = "[" + ",".join([unit] * count) + "]"
        pieces = [document[at : at + 4] for at in range(0, len(document), 4)]
        best = 1e9
        for _ in range(3):
            start = time.process_time()
            read(pieces)
            best = min(best, time.process_time() - start)
        return best

    count = 12_000 // len(unit)
    assert seconds(8 * count) < 24 * seconds(count)
