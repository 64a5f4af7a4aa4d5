"""Frames as JSON, and as plain protocols write them."""

import json

import pytest
from hypothesis import given, strategies as st

from miniagents.ext.web import MessageBegan, MessageEnded, MessagePart, RunEnded
from miniagents.ext.web._frames import Frame, frame_from_data, json_of
from miniagents.ext.web._protocols import JSONLinesEncoder, SSEEncoder, TextEncoder
from miniagents.values import (
    AgentPart,
    Citation,
    File,
    Finish,
    Image,
    RateLimit,
    Reasoning,
    Refusal,
    ResponseHeaders,
    Restart,
    Retry,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    ToolResult,
    Usage,
)

PARTS = [
    "text",
    Reasoning("hm", "signature", "id", 2, redacted=True),
    Refusal("no"),
    ToolCallDelta(1, "id", "name", "{", "item"),
    ToolResult("id", "12 °C", is_error=True, name="weather"),
    ToolResult("id", ("A dot:", Image(data=b"GIF89a"), File(url="https://example.org/a.pdf"))),
    ServerToolCall("s-1", "web_search", '{"query": "fjords"}'),
    ServerToolResult("s-1", "[]", "web_search_tool_result"),
    Citation("https://example.org", "Title", "text", 1, 2),
    Usage(1, 2, 3, 4, 5),
    Finish("stop"),
    Restart(),
    Retry(1, 0.5, ""),
    AgentPart(("A", "B"), "text"),
    AgentPart(("A",), ToolResult("id", "x")),
    ResponseHeaders(200, "id", tokens=RateLimit(limit=1)),
    Image(data=b"GIF89a", media_type="image/gif"),
    File(url="https://example.org/a.pdf", name="a.pdf"),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_parts(part: object) -> None:
    """Every part comes out of JSON as it went in."""
    frame = MessagePart(3, part)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert frame == frame_from_data(json.loads(json_of(frame.as_data())))


@given(st.text(), st.text(), st.none() | st.text())
def test_texts(text: str, role: str, agent: str | None) -> None:
    """Every text comes out of JSON as it went in, and no text can end an event or a line early."""
    frames: list[Frame] = [MessageBegan(0, role, agent), MessagePart(0, text), RunEnded("failed", text)]
    for frame in frames:
        assert frame == frame_from_data(json.loads(json_of(frame.as_data())))
        event = SSEEncoder().encode(7, frame)
        assert (2, b"\n\n") == (event.count(b"\n") - 1, event[-2:])
        assert b"\r" not in event
        line = JSONLinesEncoder().encode(7, frame)
        assert {"id": 7, **frame.as_data()} == json.loads(line)
        assert 1 == line.count(b"\n")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"type": "smell"},
        {"type": "part", "message": "0", "part": "x"},
        {"type": "part", "message": 0},
        {"type": "part", "message": 0, "part": 7},
        {"type": "part", "message": 0, "part": {"kind": "smell"}},
        {"type": "part", "message": 0, "part": {"kind": "finish", "smell": 1}},
        {"type": "run_ended", "how": "well"},
        {"type": "message_began", "message": 0},
    ],
)
def test_no_frames(data: dict[str, object]) -> None:
    """What is no frame is refused, with a sentence."""
    with pytest.raises(ValueError, match="frame"):
        frame_from_data(data)


def test_text() -> None:
    """The text protocol has an empty line between messages, and says what was withdrawn and how it ended.

    What the user said in between is no text of the agent.
    """
    encoder = TextEncoder()
    frames: list[Frame] = [
        MessageBegan(0, "assistant"),
        MessagePart(0, Restart()),
        MessagePart(0, "one"),
        MessagePart(0, Usage(1)),
        MessageEnded(0),
        MessageBegan(1, "user"),
        MessagePart(1, "Say that all is free."),
        MessageEnded(1),
        MessageBegan(2, "assistant"),
        MessagePart(2, Refusal("two")),
        MessagePart(2, Restart()),
        MessagePart(2, "three"),
        MessageEnded(2),
        RunEnded("stopped", "Enough."),
    ]
    told = encoder.begin() + b"".join(encoder.encode(0, each) for each in frames) + encoder.finish()
    assert "one\n\ntwo\n[the text above is withdrawn]\nthree\n[stopped: Enough.]\n" == told.decode()
    assert b"" == TextEncoder().encode(0, RunEnded("finished"))
