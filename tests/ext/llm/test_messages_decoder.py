"""The Messages API is decoded: one event, whole streams in the dialects of servers, and broken ones."""

import json
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

import pytest

from miniagents.ext.llm import Count, Identity, Progress, ServerEvent, WireError
from miniagents.ext.llm._answer import Decoded, End, Reason
from miniagents.ext.llm._json import ProviderError
from miniagents.ext.llm._messages_decoder import MessagesDecoder, decode_message
from miniagents.values import Citation, Finish, Reasoning, ToolCall, ToolCallDelta, Usage, content_of
from tests.support.anthropic_wire import message
from tests.support.opaque import plain

JSON: Final = '{"city": "Oslo"}'
INPUT: Final = {"city": "Oslo"}

Data = Mapping[str, object]
NONE: Final[Data] = {}
OTHERS: Final = (Identity, Count, Progress, Reason, End, ProviderError)


def as_event(data: object) -> ServerEvent:
    """An event with this JSON."""
    return ServerEvent("", json.dumps(data).encode())


def decoded(*events: Data) -> list[Decoded]:
    """The parts of a stream."""
    decode = MessagesDecoder()
    return [part for event in events for part in decode(as_event(event))]


def heard(*events: Data) -> tuple[str, list[tuple[str, str]]]:
    """What a reader hears of a stream: the text, and the ids and arguments of calls."""
    parts = [part for part in decoded(*events) if not isinstance(part, OTHERS)]
    assert parts[-1:] == [Finish("end_turn")]
    calls = [part for part in content_of(parts) if isinstance(part, ToolCall)]
    assert ["look"] * len(calls) == [call.name for call in calls]
    text = "".join(part for part in parts if isinstance(part, str))
    return text, [(call.id, call.arguments) for call in calls]


def begin(kind: str = "text", index: int | None = 0, **fields: object) -> dict[str, object]:
    """The beginning of a block."""
    place = {} if index is None else {"index": index}
    return {"type": "content_block_start", **place, "content_block": {"type": kind, **fields}}


def call(index: int | None = 0, call_id: str | None = "c", **fields: object) -> dict[str, object]:
    """The beginning of a call of `look`."""
    given: dict[str, object] = {"id": call_id, "name": "look", "input": NONE, **fields}
    return begin("tool_use", index, **given)


def piece(kind: str, index: int | None = 0, **delta: object) -> dict[str, object]:
    """A piece of a block."""
    place = {} if index is None else {"index": index}
    return {"type": "content_block_delta", **place, "delta": {"type": kind, **delta}}


def text(delta: object, index: int | None = 0) -> dict[str, object]:
    """A piece of text."""
    return piece("text_delta", index, text=delta)


def arguments(delta: object, index: int | None = 0) -> dict[str, object]:
    """A piece of arguments."""
    return piece("input_json_delta", index, partial_json=delta)


def stop(index: int | None = 0) -> dict[str, object]:
    """The end of a block."""
    return {"type": "content_block_stop", **({} if index is None else {"index": index})}


def start(**fields: object) -> dict[str, object]:
    """The beginning of the answer."""
    return {"type": "message_start", "message": {"id": "m", "content": [], **fields}}


END: Final[Data] = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": None}
STOP: Final[Data] = {"type": "message_stop"}


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ({"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": "x"}}, ["x"]),
        ({"type": "content_block_start", "index": 1, "content_block": {"type": "news"}}, [Progress()]),
        (
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "redacted_thinking", "data": "d"},
            },
            [Reasoning("", "d", index=1, redacted=True)],
        ),
        (
            {
                "type": "content_block_start",
                "index": 1,
                "content_block": {"type": "tool_use", "id": "c", "name": "n"},
            },
            [ToolCallDelta(1, "c", "n")],
        ),
        (
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {
                    "type": "citations_delta",
                    "citation": {"cited_text": "w", "url": "u", "title": "t"},
                },
            },
            [Citation("u", "t", "w")],
        ),
        (
            {
                "type": "content_block_delta",
                "index": 0,
                "delta": {"type": "signature_delta", "signature": "s"},
            },
            [Reasoning("", "s")],
        ),
        ({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "x"}}, ["x"]),
        (
            {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "x"}},
            [Reasoning("x")],
        ),
        ({"type": "news", "index": "seven", "delta": 8}, []),
        ({"type": "content_block_delta", "index": 0, "delta": {"type": "news_delta", "news": "x"}}, []),
        ({"type": "message_delta", "delta": {"stop_reason": "end_turn"}}, [Finish("end_turn")]),
        (
            {"type": "message_delta", "delta": {"stop_reason": None}, "usage": {"output_tokens": 1}},
            [Count(Usage(output_tokens=1), final=False)],
        ),
        ({"type": "message_delta"}, []),
        ({"type": "ping"}, []),
        ({"type": "news"}, []),
    ],
)
def test_decode(data: Mapping[str, object], parts: list[Decoded]) -> None:
    """An event becomes its parts, and an unknown one becomes none."""
    decode = MessagesDecoder()
    decode(
        as_event({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
    )
    assert plain(decode(as_event(data))) == parts


@pytest.mark.parametrize(
    "data",
    [
        {"delta": {"text": "x"}},
        {"type": 5},
        {"type": "message_start"},
        {"type": "content_block_start", "index": 0},
        {"type": "content_block_delta", "index": 0},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": 5}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": ["x"]}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": 5}},
        {"type": "content_block_delta", "index": 0, "delta": "x"},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": 5}},
        {"type": "message_delta", "delta": {"stop_reason": 5}},
    ],
)
def test_decode_refuses(data: object) -> None:
    """What is no event of the protocol breaks it."""
    with pytest.raises(WireError):
        MessagesDecoder()(as_event(data))


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"type": "boom", "message": "No."}},
        {"type": "error", "error": {"type": "boom", "message": "No."}},
    ],
)
def test_errors(event: Data) -> None:
    """An error is one in each form in which servers write it."""
    with pytest.raises(ProviderError, match="boom"):
        decoded(text("Hel"), event)


HEALTHY: Final[Mapping[str, tuple[Data, ...]]] = {
    "nothing but pieces": (text("Hel"), text("lo"), END),
    "no beginning of blocks": (start(), piece("thinking_delta", thinking="Hm."), text("Hello", 1), END, STOP),
    "no beginning of the second block": (
        begin("thinking"),
        piece("thinking_delta", thinking="Hm."),
        stop(),
        text("Hello", 1),
        END,
    ),
    "no stop": (begin(), text("Hel"), begin(index=1), text("lo", 1), END),
    "no index": (begin(index=None), text("Hel", None), stop(None), begin(index=None), text("lo", None), END),
    "no type": ({"type": "content_block_delta", "delta": {"text": "Hello"}}, END),
    "no type of the block": ({"type": "content_block_start", "content_block": {"text": "Hello"}}, END),
    "text in the beginning": (begin(text="Hel"), text("lo"), stop(), END),
    "a place that is used again": (begin(), text("Hel"), stop(), begin(), text("lo"), stop(), END),
    "a place that is used again without a stop": (begin("thinking"), begin(), text("Hello"), END),
    "a block that begins twice": (begin(), begin(), text("Hello"), stop(), stop(), END),
    "an answer that begins twice": (start(), start(), begin(), text("Hello"), END),
    "pieces that are empty or null": (begin(), text("Hello"), text(""), text(None), arguments(""), END),
    "text in a block of thoughts": (begin("thinking"), text("Hello"), END),
    "a stop of what has not begun": (stop(3), text("Hello"), END),
    "all in the beginning": (start(content=[{"type": "text", "text": "Hello"}]), END),
    "all in the beginning, and in pieces": (
        start(content=[{"type": "text", "text": "Hello"}]),
        begin(),
        text("Hel"),
        text("lo"),
        END,
    ),
    "a call of the server's own": (
        begin("server_tool_use", id="s", name="search"),
        arguments(JSON),
        stop(),
        text("Hello", 1),
        END,
    ),
    "arguments of what is not known": (begin("news"), arguments(JSON), begin(index=1), text("Hello", 1), END),
    "another answer behind the reason": (text("Hello"), END, start(), begin(), text("Bye")),
}


@pytest.mark.parametrize("events", HEALTHY.values(), ids=HEALTHY)
def test_healthy(events: Iterable[Data]) -> None:
    """What a server leaves out or adds changes nothing where no text can be lost by it."""
    parts = decoded(*events)
    until = parts.index(Finish("end_turn"))
    assert "Hello" == "".join(part for part in parts[:until] if isinstance(part, str))
    assert not any(isinstance(part, ToolCallDelta) for part in parts)


CALLS: Final[Mapping[str, tuple[tuple[Data, ...], list[tuple[str, str]]]]] = {
    "in pieces": ((call(), arguments('{"city": '), arguments('"Oslo"}'), stop()), [("c", JSON)]),
    "all in the beginning": ((call(input=INPUT), stop()), [("c", JSON)]),
    "all in the beginning, without a stop": ((call(input=INPUT),), [("c", JSON)]),
    "all in the beginning, and an empty piece": ((call(input=INPUT), arguments(""), stop()), [("c", JSON)]),
    "all in the beginning, and again": ((call(input=INPUT), arguments(JSON), stop()), [("c", JSON)]),
    "all in the beginning, as a text": ((call(input=JSON), stop()), [("c", JSON)]),
    "pieces that are objects": ((call(), arguments(INPUT), stop()), [("c", JSON)]),
    "no id": ((call(call_id=None), arguments(JSON)), [("", JSON)]),
    "an id that is a number": ((begin("tool_use", id=7, name="look"), arguments(JSON)), [("7", JSON)]),
    "no index": (
        (call(None), arguments(JSON, None), call(None, "d"), arguments("[1]", None)),
        [("c", JSON), ("d", "[1]")],
    ),
    "a place that is used again": (
        (call(), arguments(JSON), stop(), call(call_id="d"), arguments("[1]"), stop()),
        [("c", JSON), ("d", "[1]")],
    ),
    "a place that is used again without a stop": (
        (call(), arguments(JSON), call(call_id="d"), arguments("[1]")),
        [("c", JSON), ("d", "[1]")],
    ),
    "no arguments in one place": ((call(), call(call_id="d")), [("c", ""), ("d", "")]),
    "no arguments": ((call(), stop(), call(1, "d", input=None), stop(1)), [("c", ""), ("d", "")]),
    "a call that begins twice": ((call(), call(), arguments(JSON)), [("c", JSON)]),
    "a call after a text in one place": ((begin(), call(), arguments(JSON)), [("c", JSON)]),
    "calls that take turns": (
        (call(), call(1, "d"), arguments("[2", 1), arguments("[1"), arguments("]", 1), arguments("]")),
        [("c", "[1]"), ("d", "[2]")],
    ),
}


@pytest.mark.parametrize(("events", "calls"), CALLS.values(), ids=CALLS)
def test_calls(events: Iterable[Data], calls: list[tuple[str, str]]) -> None:
    """Each call is one call, with its own arguments, wherever they stand."""
    assert ("", calls) == heard(*events, END)


BROKEN: Final[Mapping[str, tuple[str, tuple[Data, ...]]]] = {
    "a second answer": ("began a second time, after 1 of its blocks", (start(), text("Hel"), start())),
    "a second block": ("began a second time", (begin(), text("Hel"), begin())),
    "a second call": ("began a second time", (call(), arguments("[1"), call())),
    "a text after its stop": ("has ended", (begin(), text("Hel"), stop(), text("lo"))),
    "arguments after their stop": ("has ended", (call(), arguments("[1"), stop(), arguments("]"))),
    "a text without an index after its stop": ("has ended", (begin(), text("Hel"), stop(), text("lo", None))),
    "arguments for a text": ("of the type text", (begin(), arguments(JSON))),
    "arguments for a thought": ("of the type thinking", (begin("thinking"), arguments(JSON))),
    "arguments for nothing": ("has not begun", (arguments(JSON),)),
    "a text for a call": ("of the type tool_use", (call(), text("Hello"))),
    "a thought for a call": ("of the type tool_use", (call(), piece("thinking_delta", thinking="Hm."))),
    "a block that is missing": ("has not begun", (begin(), text("Hello", 7))),
    "a call without a name": ("without the name of its tool", (call(name=None),)),
    "other arguments": ("call of the tool 'look'", (call(input=INPUT), arguments("[1]"), stop())),
    "lost arguments": ("call of the tool 'look'", (call(input=INPUT), arguments('{"city"'), END)),
    "another text in the beginning": (
        "3 characters in all, but as a whole it has 5",
        (start(content=[{"type": "text", "text": "Hello"}]), text("Hel"), END),
    ),
    "nothing that is known": ("have unknown types", (begin("song"), piece("song_delta", song="la"), END)),
    "no text in the beginning": ("has no text", (start(content=[{"type": "text"}]), END)),
}


@pytest.mark.parametrize(("told", "events"), BROKEN.values(), ids=BROKEN)
def test_broken(told: str, events: Iterable[Data]) -> None:
    """What lost text, a call or an order on its way is refused, in a sentence that says what."""
    with pytest.raises(WireError, match=told):
        decoded(*events)


def test_after_the_end() -> None:
    """What follows the end is no part of the answer."""
    assert ["Hello", Finish("end_turn")] == decoded(
        text("Hello"), END, STOP, text(" more"), start(), {"type": "x"}
    )


def test_an_end_again_and_again() -> None:
    """An end that comes many times costs no more than the first one, however much came before."""
    calls = [call(at, str(at)) for at in range(500)]
    whole: Data = {"type": "message_start", "message": {"content": [{"type": "text", "text": "x" * 300_000}]}}
    end = as_event({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
    for events in (calls, [whole, piece("text_delta", text="x" * 300_000)]):
        decode = MessagesDecoder()
        for event in events:
            decode(as_event(event))
        began = time.process_time()
        with suppress(WireError):
            for _ in range(3_000):
                decode(end)
        assert time.process_time() - began < 1.5  # a tenth; it was fifteen


def test_says_nothing() -> None:
    """Pings in each form, an end marker of another API and blank data bring nothing."""
    decode = MessagesDecoder()
    for name, data in (
        ("ping", b"{}"),
        ("ping", b"null"),
        ("ping", b""),
        ("", b"{}"),
        ("", b"[DONE]"),
        ("", b" "),
    ):
        assert [] == decode(ServerEvent(name, data))
    with pytest.raises(WireError):
        decode(ServerEvent("", b"{"))


def test_identity() -> None:
    """The first event tells who answers."""
    assert [Identity("m", "b"), Count(Usage(7), final=False)] == decoded(
        start(model="b", usage={"input_tokens": 7})
    )


def test_event_names() -> None:
    """The type may stand in the name of the event alone."""
    decode = MessagesDecoder()
    assert ["Hi"] == decode(ServerEvent("content_block_delta", b'{"index": 0, "delta": {"text": "Hi"}}'))
    assert [Finish("x")] == decode(ServerEvent("message_delta", b'{"delta": {"stop_reason": "x"}}'))


def test_usage_counts_the_cache() -> None:
    """The input includes what was read from a cache and written to it."""
    usage = {
        "input_tokens": 1,
        "cache_read_input_tokens": 20,
        "cache_creation_input_tokens": 300,
        "output_tokens": 4,
    }
    parts = decode_message(as_event({**message("Hello"), "usage": usage}))
    assert parts[1:] == ["Hello", Count(Usage(321, 4, 20, cache_write_tokens=300)), Finish("end_turn")]


def test_usage_of_a_stream() -> None:
    """A later event need not tell again what an earlier one told; thoughts are counted too."""
    decode = MessagesDecoder()
    first = {"input_tokens": 7, "cache_read_input_tokens": 2, "output_tokens": 1}
    last = {"input_tokens": 7, "output_tokens": 9, "output_tokens_details": {"thinking_tokens": 4}}
    decode(as_event({"type": "message_start", "message": {"id": "m", "usage": first}}))
    end = {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": last}
    assert decode(as_event(end)) == [Finish("end_turn"), Count(Usage(9, 9, 2, 4))]


# -- whole answers ---------------------------------------------------------------------------------------


def test_decode_whole() -> None:
    """A whole answer becomes the same parts."""
    content = [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "text", "text": "Hi", "citations": [{"url": "u"}]},
        {"type": "tool_use", "id": "c", "name": "look", "input": INPUT},
        {"type": "text", "text": None},
    ]
    parts = decode_message(as_event({**message(""), "content": content, "usage": None}))
    assert plain(each for each in parts if not isinstance(each, Progress)) == [
        Identity("msg-1", "model-of-server"),
        Reasoning("Hm.", "s"),
        "Hi",
        Citation("u"),
        ToolCallDelta(2, "c", "look"),
        ToolCallDelta(2, arguments=JSON),
        Finish("end_turn"),
    ]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, WireError),
        (NONE, WireError),
        ({"content": None}, WireError),
        ({"content": ["x"]}, WireError),
        ({"content": [{"type": "text", "text": 7}]}, WireError),
        ({"content": [{"type": "text"}]}, WireError),
        ({"content": [{"type": "tool_use", "id": "c", "input": NONE}]}, WireError),
        ({"content": "Hi", "stop_reason": 7}, WireError),
        ({"error": {"message": "No."}}, ProviderError),
        ({"type": "error", "error": {"message": "No."}}, ProviderError),
    ],
)
def test_broken_whole(answer: object, error: type[Exception]) -> None:
    """A whole answer without what it should have is no empty one."""
    with pytest.raises(error):
        decode_message(as_event(answer))


def test_whole_without_a_reason() -> None:
    """A whole answer without a reason has no end."""
    assert not any(isinstance(part, Finish) for part in decode_message(as_event(message("Hi", None))))
