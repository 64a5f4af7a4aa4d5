"""Server-sent events: however the bytes are cut, the events are the same; what may grow is capped."""

import time
from itertools import pairwise

import pytest
from hypothesis import example, given, settings, strategies as st

from miniagents.ext.llm import ServerEvent, WireError
from miniagents.ext.llm._sse import STRAY, SSEDecoder
from tests.support.amounts import amount


def decoded(*chunks: bytes) -> list[ServerEvent]:
    """All events of these bytes, and what had begun at their end."""
    decoder = SSEDecoder()
    return [event for chunk in chunks for event in decoder.feed(chunk)] + decoder.rest()


@pytest.mark.parametrize(
    ("data", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: a\n\n", [("", b"a")]),
        (b"data:a\n\n", [("", b"a")]),
        (b"data:  a\n\n", [("", b" a")]),
        (b"data\n\n", []),
        (b"data:\n\n", []),
        (b"data:  \ndata:\n\n", []),
        (b"data: a\n\ndata:  \n\ndata: b\n\n", [("", b"a"), ("", b"b")]),
        (b"event: x\ndata: \n\ndata: b\n\n", [("", b"b")]),
        (b"event: error\ndata:\n\n", [("error", b"")]),
        (b"data: a\r\n\r\n", [("", b"a")]),
        (b"data: a\r\rdata: b\r\r", [("", b"a"), ("", b"b")]),
        (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [("x", b"a"), ("", b"b")]),
        (b"event: x\n\ndata: b\n\n", [("", b"b")]),
        (b"\xef\xbb\xbfdata: a\n\n", [("", b"a")]),
        (b": comment\ndata: a\n: more\n\n", [("", b"a")]),
        (b"id: 1\nretry: 5\nnews: x\ndata: a\n\n", [("", b"a")]),
        (b"data: \xf0\x9f\x98\x80\n\n", [("", "\N{GRINNING FACE}".encode())]),
        (b'error: {"a": 1}\n\n', [("error", b'{"a": 1}')]),
        (b'{"error": 1}\n', [(STRAY, b'{"error": 1}')]),
        (b"data: a", [("", b"a")]),
        (b"data: a\ndat", [("", b"a")]),
    ],
)
def test_events(data: bytes, events: list[tuple[str, bytes]]) -> None:
    """Bytes become events, as the standard says and servers write, however they are cut."""
    expected = [ServerEvent(*event) for event in events]
    assert decoded(data) == expected
    assert decoded(*(data[at : at + 1] for at in range(len(data)))) == expected


PIECES = st.sampled_from(
    [
        *(b"data: a", b"data:b", b"\r", b"\n", b"\r\n", b": c", b"event: x", b"\xf0\x9f", b"\x98\x80"),
        *(b"\n\n", b"data: dd\n\n", b"event: y\ndata: e\n\n"),
    ]
)


@example([b"data: dd\n\n", b"data: a", b"\n", b"event: y\ndata: e\n\n", b"data: dd\n\n", b": c"], [13])
@example([b": c\n", b"event: x", b"\n", b"data: dd\n\n", b"data: dd\n\n"], [7, 13])
@example([b": c\n", b"data: a", b"\r", b"data: dd\n\n"], [4])
@settings(max_examples=amount(30, 300))
@given(st.lists(PIECES, max_size=30), st.lists(st.integers(0, 200), max_size=8))
def test_cuts_do_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    """The events do not depend on where the bytes are cut; byte by byte, each line is taken for itself."""
    data = b"".join(pieces)
    places = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    chunks = [data[start:end] for start, end in pairwise(places)]
    byte_by_byte = decoded(*(data[at : at + 1] for at in range(len(data))))
    assert [byte_by_byte, byte_by_byte] == [decoded(*chunks), decoded(data)]


def test_caps() -> None:
    """A line, an event and a stream that are too large are refused; up to the cap they are not."""
    assert SSEDecoder(max_event=10).feed(b"data: 123\n\n") == [ServerEvent("", b"123")]
    with pytest.raises(WireError, match="event is larger"):
        SSEDecoder(max_event=10).feed(b"data: 1234567890")
    with pytest.raises(WireError, match="event is larger"):
        SSEDecoder(max_event=10).feed(b"data: 12345\n" * 3)
    many = SSEDecoder(max_event=10)
    assert [b"1", b"2"] == [event.data for event in many.feed(b":\n") + many.feed(b"data: 1\n\ndata: 2\n\n")]
    with pytest.raises(WireError, match="event is larger"):
        many.feed(b"data: 1234567890\n\n")
    comments = SSEDecoder(max_stream=100)
    for _ in range(7):
        assert comments.feed(b": still here\n\n") == []
    with pytest.raises(WireError, match="answer is larger"):
        comments.feed(b": still here\n\n")
    cut = SSEDecoder(max_stream=50)
    assert cut.feed(b":\ndata: 1") == []
    assert [b"1", b"2", b"3"] == [event.data for event in cut.feed(b"\n\ndata: 2\n\ndata: 3\n\ndata: 4")]
    with pytest.raises(WireError, match="answer is larger"):
        cut.feed(b"\n\ndata: 5\n\ndata: 6\n\n")


@pytest.mark.gate("times a stream and a larger one")
def test_linear() -> None:
    """Ten times the bytes, one by one within one line, take about ten times as long."""

    def seconds(count: int) -> float:
        decoder = SSEDecoder()
        decoder.feed(b"data: ")
        start = time.process_time()
        for _ in range(count):
            decoder.feed(b"x")
        return time.process_time() - start

    seconds(1_000)
    assert min(seconds(100_000) for _ in range(3)) < 40 * min(seconds(10_000) for _ in range(3))
