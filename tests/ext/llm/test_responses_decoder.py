"""The Responses API is decoded: one event, whole streams in the dialects of servers, and broken ones."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import product
from typing import Final

import pytest

from miniagents import Citation, Finish, Reasoning, Refusal, ToolCallDelta, Usage
from miniagents.ext.llm import Count, Identity, Progress, ServerEvent, WireError
from miniagents.ext.llm._answer import Decoded, End, Reason
from miniagents.ext.llm._json import ProviderError
from miniagents.ext.llm._responses_decoder import ResponsesDecoder, decode_response
from miniagents.values import ToolCall, content_of
from tests.support.opaque import plain
from tests.support.responses_wire import response

TEXT: Final = "response.output_text.delta"
ARGUMENTS: Final = "response.function_call_arguments.delta"
SUMMARY: Final = "response.reasoning_summary_text.delta"
JSON: Final = '{"city": "Oslo"}'

Data = Mapping[str, object]
OTHERS: Final = (Identity, Count, Progress, Reason, End, ProviderError)


def as_event(data: object) -> ServerEvent:
    """An event with this JSON."""
    return ServerEvent("", json.dumps(data).encode())


def decoded(*events: Data) -> list[Decoded]:
    """The parts of a stream."""
    decode = ResponsesDecoder()
    return [part for event in events for part in decode(as_event(event))]


def heard(*events: Data) -> tuple[str, list[tuple[str, str]]]:
    """What a reader hears of a stream: the text, and the names and arguments of calls."""
    parts = [part for part in decoded(*events) if not isinstance(part, OTHERS)]
    assert parts[-1:] == [Finish("completed")]
    calls = [part for part in content_of(parts) if isinstance(part, ToolCall)]
    text = "".join(part for part in parts if isinstance(part, str))
    return text, [(call.name, call.arguments) for call in calls]


def message(text: str, **fields: object) -> dict[str, object]:
    """A message as an item."""
    return {"type": "message", "content": [{"type": "output_text", "text": text}] if text else [], **fields}


def call(arguments: object, **fields: object) -> dict[str, object]:
    """A call of `look` as an item."""
    return {"type": "function_call", "call_id": "c", "name": "look", "arguments": arguments, **fields}


def added(item: Data, **fields: object) -> dict[str, object]:
    """The event that begins an item."""
    return {"type": "response.output_item.added", "item": item, **fields}


def done(item: Data, **fields: object) -> dict[str, object]:
    """The event that ends an item."""
    return {"type": "response.output_item.done", "item": item, **fields}


def text(delta: object, **fields: object) -> dict[str, object]:
    """A piece of text."""
    return {"type": TEXT, "delta": delta, **fields}


def arguments(delta: object, **fields: object) -> dict[str, object]:
    """A piece of arguments."""
    return {"type": ARGUMENTS, "delta": delta, **fields}


def part(event: str, said: object, **fields: object) -> dict[str, object]:
    """The beginning or the end of a part of a message."""
    return {
        "type": f"response.content_part.{event}",
        "part": {"type": "output_text", "text": said},
        **fields,
    }


def whole(said: object, **fields: object) -> dict[str, object]:
    """The whole of a text."""
    return {"type": "response.output_text.done", "text": said, **fields}


def end(*output: Data, **fields: object) -> dict[str, object]:
    """The end of the answer."""
    return {
        "type": "response.completed",
        "response": {"status": "completed", "output": list(output), **fields},
    }


CREATED: Final[Data] = {"type": "response.created", "response": {"id": "r"}}


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ({"type": "response.in_progress", "response": {"id": "a", "model": "b"}}, [Identity("a", "b")]),
        ({"type": "response.output_text.delta", "output_index": 0, "delta": "x"}, ["x"]),
        ({"type": "response.refusal.delta", "output_index": 0, "delta": "x"}, [Refusal("x")]),
        (
            {"type": SUMMARY, "output_index": 0, "item_id": "r", "delta": "x"},
            [Reasoning("x", id="r", index=1)],
        ),
        (
            {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
            [Progress()],
        ),
        ({"type": ARGUMENTS, "output_index": 1, "delta": "{"}, [Progress()]),
        (
            {
                "type": "response.output_item.added",
                "output_index": 2,
                "item": {"type": "function_call", "id": "i", "call_id": "c", "name": "n"},
            },
            [ToolCallDelta(1, "c", "n", item_id="i")],
        ),
        ({"type": "response.output_item.added", "output_index": 2, "item": {"type": "news"}}, [Progress()]),
        (
            {
                "type": "response.output_item.done",
                "output_index": 0,
                "item": {"type": "reasoning", "id": "r", "encrypted_content": "s"},
            },
            [Reasoning("", "s", "r", 1)],
        ),
        (
            {
                "type": "response.output_text.annotation.added",
                "annotation": {
                    "type": "url_citation",
                    "url": "u",
                    "title": "t",
                    "start_index": 1,
                    "end_index": 2,
                },
            },
            [Citation("u", "t", start=1, end=2)],
        ),
        (
            {
                "type": "response.incomplete",
                "response": {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            },
            [Finish("max_output_tokens")],
        ),
        (
            {"type": "response.completed", "response": {"status": "completed", "usage": {"input_tokens": 7}}},
            [Count(Usage(7)), Finish("completed")],
        ),
        ({"type": "response.news.delta", "delta": {"a": 1}, "output_index": "x"}, []),
        ({"type": "response.audio.delta", "delta": "x"}, []),
        ({"type": "response.queued"}, []),
    ],
)
def test_decode(data: Mapping[str, object], parts: list[Decoded]) -> None:
    """An event becomes its parts, and an unknown one becomes none."""
    decode = ResponsesDecoder()
    decode(as_event({"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}))
    assert plain(decode(as_event(data))) == parts


@pytest.mark.parametrize(
    "data",
    [
        {"delta": "x"},
        {"type": 5},
        {"type": TEXT, "output_index": 0},
        {"type": TEXT, "output_index": 0, "delta": 5},
        {"type": TEXT, "output_index": 0, "delta": ["x"]},
        {"type": ARGUMENTS},
        {"type": ARGUMENTS, "delta": 5},
        {"type": "response.output_item.added", "output_index": 0},
        {"type": "response.output_item.done", "item": "x"},
        {"type": "response.completed", "response": [1]},
        {"type": "response.completed", "response": {"output": ["x"]}},
    ],
)
def test_decode_refuses(data: object) -> None:
    """What is no event of the protocol breaks it."""
    with pytest.raises(WireError):
        ResponsesDecoder()(as_event(data))


@pytest.mark.parametrize(
    "event",
    [
        {"error": {"type": "boom", "message": "No."}},
        {"type": "error", "code": "boom", "message": "No."},
        {"type": "response.error", "error": {"code": "boom", "message": "No."}},
        {"type": "response.failed", "response": {"error": {"code": "boom", "message": "No."}}},
        {"type": "response.failed", "response": {"status": "completed", "error": {"code": "boom"}}},
        {"type": "response.completed", "response": {"status": "failed", "error": {"code": "boom"}}},
    ],
)
def test_errors(event: Data) -> None:
    """An error is one in each form in which servers write it."""
    with pytest.raises(ProviderError, match="boom"):
        decoded(text("Hel"), event)


HEALTHY: Final[Mapping[str, tuple[Data, ...]]] = {
    "nothing but pieces": (text("Hel"), text("lo"), {"type": "response.completed"}),
    "pieces that are empty or null": (text("Hello"), text(""), text(None), arguments(None), end()),
    "no type in the item": (added({"content": []}), text("Hello"), end({"content": "Hello"})),
    "an id that is a number": (
        added(message("", id=7)),
        text("Hello", item_id=7),
        end(message("Hello", id=7)),
    ),
    "another id with each event": (
        added(message("", id="a"), output_index=0),
        text("Hel", item_id="b", output_index=0),
        text("lo", item_id="c", output_index=0),
        whole("Hello", item_id="d", output_index=0),
        done(message("Hello", id="e"), output_index=0),
        end(message("Hello", id="f")),
    ),
    "text in the beginning": (added(message("Hel", id="m")), text("lo", item_id="m"), end(message("Hello"))),
    "text in the beginning of a part": (part("added", "Hel"), text("lo"), part("done", "Hello"), end()),
    "text in both beginnings": (
        added(message("Hel")),
        part("added", "Hel"),
        text("lo"),
        end(message("Hello")),
    ),
    "only the end of a part": (part("added", ""), part("done", "Hello"), end(message("Hello"))),
    "only the end of a text": (whole("Hello"), done(message("Hello")), end(message("Hello"))),
    "only the whole item": (done(message("Hello")), end(message("Hello"))),
    "only the end": (end(message("Hello")),),
    "only the text of the end": (end(output_text="Hello"),),
    "a text as content": (end({"type": "message", "content": "Hello"}),),
    "another type of text": (end({"type": "message", "content": [{"type": "text", "text": "Hello"}]}),),
    "the end tells the first piece": (text("Hel", item_id="m"), text("lo", item_id="m"), end(message("Hel"))),
    "the end tells less than a .done": (text("Hel"), text("lo"), whole("Hello"), end(message("Hel"))),
    "the end says that it goes on": (text("Hello"), end(status="in_progress")),
    "the end has no output": (text("Hello"), {"type": "response.completed", "response": {"output": None}}),
    "a .done says nothing": (text("Hello"), whole(""), whole(None), done(message("")), end()),
    "two parts": (
        text("Hel", content_index=0),
        whole("Hel", content_index=0),
        text("lo", content_index=1),
        whole("lo", content_index=1),
        end({"type": "message", "content": [{"type": "text", "text": each} for each in ("Hel", "lo")]}),
    ),
    "two parts without numbers": (
        part("added", ""),
        text("Hel"),
        part("done", "Hel"),
        part("added", ""),
        text("lo"),
        part("done", "lo"),
        end(message("Hello")),
    ),
    "parts that are numbered in two ways": (text("Hello"), whole("Hello", content_index=1), end()),
    "two items that the end joins": (
        added(message("", id="a")),
        text("Hel", item_id="a"),
        added(message("", id="b")),
        text("lo", item_id="b"),
        end(message("Hello")),
    ),
    "a second beginning before all pieces": (CREATED, CREATED, added(message("")), text("Hello"), end()),
    "an item that begins twice before its pieces": (
        added(message("", id="a")),
        added(message("", id="a")),
        text("Hello", item_id="a"),
        end(),
    ),
    "a beginning after the first piece": (
        text("Hel", item_id="a"),
        added(message("", id="a")),
        text("lo", item_id="a"),
        end(message("Hello", id="a")),
    ),
    "a thought without an end": (added({"type": "reasoning", "id": "t"}), text("Hello", item_id="m"), end()),
    "thought and text under one id": (
        {"type": "response.reasoning_text.delta", "delta": "Hm.", "item_id": "a", "output_index": 0},
        text("Hello", item_id="a", output_index=0),
        end(message("Hello", id="a")),
    ),
    "data and no types": (text("Hello"), {}, {"sequence_number": 3}, end()),
    "an item that follows the last one, not begun": (
        added({"type": "reasoning", "id": "t"}, output_index=0),
        text("Hello", output_index=1),
        end(),
    ),
}


@pytest.mark.parametrize("events", HEALTHY.values(), ids=HEALTHY)
def test_healthy(events: Iterable[Data]) -> None:
    """What a server leaves out or adds changes nothing where no text can be lost by it."""
    assert ("Hello", []) == heard(*events)


CALLS: Final[Mapping[str, tuple[Data, ...]]] = {
    "all at the beginning": (added(call(JSON)), end()),
    "all at the beginning, and again": (added(call(JSON, id="i")), arguments(JSON, item_id="i"), end()),
    "the first piece at the beginning": (added(call('{"city": ')), arguments('"Oslo"}'), end()),
    "an object": (added(call({})), done(call({"city": "Oslo"})), end(call(JSON))),
    "pieces that are objects": (added(call("")), arguments({"city": "Oslo"}), end()),
    "another writing at the end": (added(call("")), arguments(JSON), end(call('{"city":"Oslo"}'))),
    "the first piece at the end": (
        added(call("")),
        arguments('{"city"'),
        arguments(': "Oslo"}'),
        end(call('{"city"')),
    ),
    "the name at the end": (arguments(JSON, item_id="i"), done(call(JSON, id="i")), end()),
    "the name at the very end": (arguments(JSON, item_id="i"), end(call(JSON, id="i"))),
    "the name in the .done": (
        arguments('{"city": '),
        arguments('"Oslo"}'),
        {"type": ARGUMENTS.replace("delta", "done"), "arguments": JSON, "name": "look"},
        end(),
    ),
    "new ids at the end": (
        added(call("", id="i")),
        arguments(JSON, item_id="i"),
        end(call(JSON, call_id="d", id="j")),
    ),
    "new ids with the item": (
        added(call("", id="i"), output_index=0),
        arguments(JSON, item_id="i", output_index=0),
        done(call(JSON, call_id="d", id="j"), output_index=0),
        end(),
    ),
    "begun twice": (added(call("")), added(call("")), arguments(JSON), end(call(JSON))),
}


@pytest.mark.parametrize("events", CALLS.values(), ids=CALLS)
def test_one_call(events: Iterable[Data]) -> None:
    """A call is one call, with all its arguments, wherever they stand."""
    said, calls = heard(*events)
    assert ("", ["look"], json.loads(JSON)) == (said, [name for name, _ in calls], json.loads(calls[0][1]))


def test_two_calls_in_one_place() -> None:
    """Two calls with ids of their own under one index are two calls, also without arguments."""
    one, other = call("", call_id="a"), call("", call_id="b")
    assert [("look", ""), ("look", "")] == heard(
        added(one, output_index=0), added(other, output_index=0), end()
    )[1]
    events = (added(one, output_index=0), arguments("1", output_index=0), added(other, output_index=0))
    assert [("look", "1"), ("look", "2")] == heard(*events, arguments("2", output_index=0), end())[1]


def test_calls_that_take_turns() -> None:
    """Pieces of two calls that take turns are told apart by whatever names the call."""
    for one, other in (({"item_id": "a"}, {"item_id": "b"}), ({"output_index": 0}, {"output_index": 1})):
        begun = (
            added(call("", id="a", call_id="x"), output_index=one.get("output_index")),
            added(call("", id="b", call_id="y"), output_index=other.get("output_index")),
        )
        pieces = (
            arguments("[2", **other),
            arguments("[1", **one),
            arguments("]", **other),
            arguments("]", **one),
        )
        assert ("", [("look", "[1]"), ("look", "[2]")]) == heard(*begun, *pieces, end())


BROKEN: Final[Mapping[str, tuple[str, tuple[Data, ...]]]] = {
    "lost before .done": ("3 characters in all, but as a whole it has 5", (text("Hel"), whole("Hello"))),
    "lost before the part's end": ("pieces of 3 char", (text("Hel"), part("done", "Hello"))),
    "lost before the item's end": ("pieces of 3 char", (text("Hel"), done(message("Hello")))),
    "lost before the end": ("pieces of 3 char", (text("Hel"), end(message("Hello")))),
    "lost before the end, with ids": (
        "pieces of 3 char",
        (text("Hel", item_id="a"), end(message("Hello", id="a"))),
    ),
    "twice": ("pieces of 7 char", (text("Hel"), text("lo"), text("lo"), whole("Hello"))),
    "twice at the end": ("pieces of 7 char", (text("Hel"), text("lo"), text("lo"), end(message("Hello")))),
    "in another order": ("different ones", (text("lo"), text("Hel"), end(message("Hello")))),
    "other arguments": ("call of the tool 'look'", (added(call("")), arguments("[1]"), end(call("[2]")))),
    "lost arguments": ("call of the tool 'look'", (added(call("")), arguments("[1"), done(call("[1]")))),
    "another tool": (
        "has a second name, 'go'",
        (added(call("", id="i")), done(call("", id="i", name="go"))),
    ),
    "no name": ("without the name of its tool", (arguments("[1]"), end())),
    "no name in the item": ("without the name of its tool", (added(call("", name="")), end())),
    "a second answer": ("began a second time, after 1 of its items", (text("Hel"), CREATED)),
    "a second item": (
        "began a second time",
        (added(message("", id="a")), text("x", item_id="a"), added(message("", id="a"))),
    ),
    "a text after its end": ("text that has ended", (text("Hel"), whole("Hel"), text("lo"))),
    "a text after its item": ("item that has ended", (added(message("")), done(message("")), text("lo"))),
    "a text of an item that is missing": (
        "has not begun",
        (added(message(""), output_index=0), text("x", output_index=7)),
    ),
    "a text for a call": (
        "an item of the type function_call",
        (added(call("", id="a")), text("x", item_id="a")),
    ),
    "arguments for a text": (
        "an item of the type message",
        (added(message("", id="a")), arguments("x", item_id="a")),
    ),
    "arguments of either call": (
        "does not name its call",
        (added(call("", call_id="a")), added(call("", call_id="b")), arguments("1")),
    ),
    "an earlier text that comes late": (
        "a text came after the text that follows it",
        (
            added(message("", id="a")),
            added(message("", id="b")),
            text("x", item_id="b"),
            done(message("y", id="a")),
        ),
    ),
    "an earlier text at the end": (
        "a text came after the text that follows it",
        (text("x", item_id="b"), end(message("y", id="a"), message("z", id="c"), message("x", id="b"))),
    ),
    "nothing that is known": ("have unknown types", ({"type": "response.song.delta", "delta": "la"}, end())),
    "a number in the end": (
        "not a string",
        (end({"type": "message", "content": [{"type": "text", "text": 7}]}),),
    ),
}


@pytest.mark.parametrize(("told", "events"), BROKEN.values(), ids=BROKEN)
def test_broken(told: str, events: Iterable[Data]) -> None:
    """What lost text, a call or an order on its way is refused, in a sentence that says what."""
    with pytest.raises(WireError, match=told):
        decoded(*events)


def test_after_the_end() -> None:
    """What follows the end is no part of the answer."""
    assert decoded(text("Hello"), end(), text(" more"), CREATED, {"type": 5})[-1] == Finish("completed")


def test_not_json() -> None:
    """An end marker of another API and blank data bring nothing; what else is no JSON is refused."""
    decode = ResponsesDecoder()
    assert [] == decode(ServerEvent("", b"[DONE]")) == decode(ServerEvent("", b" "))
    with pytest.raises(WireError):
        decode(ServerEvent("", b"{"))


def test_event_names() -> None:
    """The type may stand in the name of the event alone."""
    decode = ResponsesDecoder()
    assert ["Hi"] == decode(ServerEvent(TEXT, b'{"delta": "Hi"}'))
    assert [Finish("completed")] == decode(ServerEvent("response.completed", b"{}"))


def test_thoughts() -> None:
    """A thought comes in pieces, else as a whole, and with its signature wherever that stands."""
    item = {"type": "reasoning", "id": "t", "content": [{"type": "reasoning_text", "text": "Hm."}]}
    whole_thought = {"type": "response.reasoning_text.done", "text": "Hm.", "item_id": "t"}
    signed = {**item, "encrypted_content": "s"}
    piece = {"type": "response.reasoning_text.delta", "delta": "Hm.", "item_id": "t"}
    for events, parts in (
        ((piece, whole_thought, done(item)), [Reasoning("Hm.", id="t"), Reasoning("", id="t")]),
        ((whole_thought, done(item)), [Reasoning("Hm.", id="t"), Reasoning("", id="t")]),
        ((done(signed), end(signed)), [Reasoning("Hm.", "s", "t"), Finish("completed")]),
        ((piece, end(signed)), [Reasoning("Hm.", id="t"), Reasoning("", "s", "t"), Finish("completed")]),
    ):
        assert parts == plain(each for each in decoded(*events) if not isinstance(each, Progress))


def test_many_parts_of_a_thought() -> None:
    """A part of a thought, or of a text, costs the same however many came before it."""
    decode, count = ResponsesDecoder(), 12_000
    began = time.process_time()
    for n in range(count):
        decode(as_event({"type": SUMMARY, "delta": "Hm.", "item_id": "t", "summary_index": n}))
        told = {"type": "response.output_text.done", "text": f"{n} ", "item_id": "m", "content_index": n}
        assert [f"{n} "] == decode(as_event(told))
    assert time.process_time() - began < 4.0  # 0.5; 20 if each looks at all before it


PLACE: Final[Data] = {"item_id": "m", "output_index": 0, "content_index": 0}
MANY: Final = 12_000


def hostile() -> Iterator[list[Data]]:
    """Streams in which an event could cost as much as all that came before."""
    part, whole = "response.content_part.added", "response.output_text.done"
    pieces: list[Data] = [{**PLACE, "type": TEXT, "delta": "x"}] * 100_000
    empty: list[Data] = [
        {**PLACE, "type": part, "part": {"type": "output_text"}, "content_index": at} for at in range(MANY)
    ]
    yield [*empty, *[added({"type": "message", "id": "m"}, output_index=0)] * MANY]
    yield [*empty, *({**PLACE, "type": whole, "text": "x", "content_index": MANY + at} for at in range(MANY))]
    yield [{**PLACE, "type": TEXT, "delta": "x", "content_index": -at} for at in range(MANY)]
    yield [*pieces, *[done(message("", id="m"), output_index=0)] * MANY]
    spaces: Data = {**PLACE, "type": TEXT, "delta": f"x{' ' * 1_000_000}"}
    yield [spaces, *[{**PLACE, "type": whole, "text": "x"}] * MANY]
    yield [spaces, *[{**PLACE, "type": part, "part": {"type": "output_text", "text": "x"}}] * MANY]
    long = json.dumps({"a": "y" * 1_000_000})
    ends: Data = {"type": ARGUMENTS.replace("delta", "done"), "item_id": "f", "output_index": 0}
    piece = {**ends, "type": ARGUMENTS, "delta": long}
    yield [added(call(long, id="f"), output_index=0), piece, *[ends] * MANY]


@pytest.mark.gate("decodes streams of thousands of events")
@pytest.mark.parametrize("number", range(7))
def test_time_is_linear_in_what_came(number: int) -> None:
    """No order of events, and no repetition of the end of a long text or call, takes long."""
    events = [as_event(each) for each in [*hostile()][number]]
    decode = ResponsesDecoder()
    began = time.process_time()
    with suppress(WireError):
        for event in events:
            decode(event)
    assert time.process_time() - began < 3.0  # a second at most; it was four, and up to minutes


def test_citations_once() -> None:
    """Citations come as they are told, each item's once."""
    cited = {"type": "output_text", "text": "Hi", "annotations": [{"url": "u"}]}
    item = {"type": "message", "id": "m", "content": [cited]}
    event = {"type": "response.output_text.annotation.added", "annotation": {"url": "u"}, "item_id": "m"}
    for events in (
        (text("Hi", item_id="m"), event, done(item), end(item)),
        (done(item), end(item)),
        (end(item),),
    ):
        assert 1 == decoded(*events).count(Citation("u"))


# -- whatever servers leave out --------------------------------------------------------------------------

ITEMS: Final = (
    ("reasoning", "rs_1", "Hm, let me see."),
    ("message", "msg_1", "Hello my world"),
    ("function_call", "fc_1", JSON),
    ("function_call", "fc_2", '{"city": "Rome"}'),
    ("message", "msg_2", "Good bye"),
)
PIECES: Final = {"reasoning": SUMMARY, "message": TEXT, "function_call": ARGUMENTS}


def stream(  # noqa: C901 - each way of leaving something out is a branch
    ids: str, places: str, *, begins: bool, parts: bool, wholes: bool, ends: bool, output: str
) -> Iterator[Data]:
    """An answer of all items, as a server tells it that names items in these ways and leaves out the others.

    Args:
        ids: "own", "none", "new" ones with each event, or the "same" for all.
        places: "own", "none", or the "same" for all.
        begins: whether items are begun.
        parts: whether parts of messages are begun and numbered.
        wholes: whether the wholes of texts and arguments are told.
        ends: whether the wholes of items are told.
        output: of the end: "all", "no thoughts", or "none".
    """
    number = 0

    def name(item_id: str, field: str) -> dict[str, object]:
        nonlocal number
        number += 1
        chosen = {"own": item_id, "new": f"n{number}", "same": "same", "none": None}[ids]
        return {} if chosen is None else {field: chosen}

    def place(index: int) -> dict[str, object]:
        return {} if places == "none" else {"output_index": index if places == "own" else 0}

    def item(index: int, *, full: bool) -> dict[str, object]:
        kind, item_id, said = ITEMS[index]
        told = said if full else ""
        if kind == "message":
            return message(told, **name(item_id, "id"))
        if kind == "function_call":
            return call(told, **{**name(item_id, "id"), "call_id": item_id})
        summary = [{"type": "summary_text", "text": said}] if full else []
        return {"type": kind, "summary": summary, **name(item_id, "id")}

    yield CREATED
    for index, (kind, item_id, said) in enumerate(ITEMS):
        numbered = {"content_index": 0} if parts and kind == "message" else {}
        if begins:
            yield added(item(index, full=False), **place(index))
        if numbered:
            yield part("added", "", **numbered, **name(item_id, "item_id"), **place(index))
        for piece in (said[:4], said[4:6], said[6:]):
            yield {
                "type": PIECES[kind],
                "delta": piece,
                **numbered,
                **name(item_id, "item_id"),
                **place(index),
            }
        if wholes:
            told = {"arguments" if kind == "function_call" else "text": said}
            yield {
                "type": PIECES[kind].replace(".delta", ".done"),
                **told,
                **numbered,
                **name(item_id, "item_id"),
                **place(index),
            }
        if ends:
            yield done(item(index, full=True), **place(index))
    told_items = [
        index for index, (kind, *_) in enumerate(ITEMS) if output != "no thoughts" or kind != "reasoning"
    ]
    yield end(*(item(index, full=True) for index in (told_items if output != "none" else ())))


CALLED: Final = [("look", JSON), ("look", '{"city": "Rome"}')]
WAYS: Final = ("own", "none", "new", "same")


def in_all_ways() -> Iterator[tuple[str, str, bool, list[Data]]]:
    """Streams of the same answer: how items are named, whether they are begun, and the events."""
    for ids, places, begins, ends, output in product(
        WAYS, ("own", "none", "same"), (True, False), (True, False), ("all", "no thoughts", "none")
    ):
        for parts, wholes in product((True, False), repeat=2):
            events = stream(ids, places, begins=begins, parts=parts, wholes=wholes, ends=ends, output=output)
            yield ids, places, begins or ends, list(events)


@pytest.mark.gate("reads a thousand streams")
def test_never_wrong() -> None:
    """However little names an item, no text and no call comes out wrong: what cannot be known is refused."""
    understood = 0
    for ids, places, begins, events in in_all_ways():
        try:
            answer = heard(*events)
        except WireError:
            assert not begins or places != "own" or ids not in {"own", "none"}
            continue
        understood += 1
        assert ("Hello my worldGood bye", CALLED) == answer, (ids, places, events)
    assert understood > 300


@pytest.mark.parametrize(
    ("ids", "places"), [("own", "own"), ("own", "none"), ("none", "own"), ("new", "own"), ("own", "same")]
)
@pytest.mark.parametrize(
    "output",
    [
        "all",
        *(
            pytest.param(each, marks=pytest.mark.gate("the same of others"))
            for each in ("no thoughts", "none")
        ),
    ],
)
def test_lost_and_doubled(ids: str, places: str, output: str) -> None:
    """Of an answer that tells its wholes, no event can get lost or come twice so that it comes out wrong."""
    events = list(stream(ids, places, begins=True, parts=True, wholes=True, ends=True, output=output))
    pieces = [at for at, event in enumerate(events) if str(event["type"]).endswith(".delta")]
    for at in range(len(events) - 1):
        for broken in (events[:at] + events[at + 1 :], events[: at + 1] + events[at:]):
            try:
                answer = heard(*broken)
            except WireError:
                continue
            assert ("Hello my worldGood bye", CALLED) == answer, events[at]
            assert at not in pieces or events[at]["type"] == SUMMARY


# -- whole answers ---------------------------------------------------------------------------------------


def test_decode_whole() -> None:
    """A whole answer becomes the same parts."""
    said = {"type": "output_text", "text": "Hi", "annotations": [{"url": "u"}]}
    output = [
        {"type": "reasoning", "id": "r", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "message", "content": [said, {"type": "refusal", "refusal": "No."}]},
        {"type": "function_call", "call_id": "c", "name": "n", "arguments": "{}"},
    ]
    answer = {**response(""), "output": output, "usage": None}
    assert plain(decode_response(as_event(answer))) == [
        Identity("resp-1", "model-of-server"),
        Reasoning("Hm.", None, "r"),
        "Hi",
        Refusal("No."),
        Citation("u"),
        ToolCallDelta(2, "c", "n"),
        ToolCallDelta(2, arguments="{}"),
        Finish("completed"),
    ]


@pytest.mark.parametrize(
    ("answer", "finish"),
    [
        ({"status": "completed"}, "completed"),
        (
            {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}},
            "max_output_tokens",
        ),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "in_progress"}, None),
        ({}, "completed"),
        ({"status": None, "output": [message("Hi", status="incomplete")]}, "incomplete"),
        ({"output": [message("Hi")]}, None),
        ({"output": []}, None),
    ],
)
def test_end_of_a_whole(answer: Data, finish: str | None) -> None:
    """A whole answer ends as it says, else as its items say; else it has no end."""
    parts = decode_response(as_event({"output": [message("Hi", status="completed")], **answer}))
    assert finish == next((each.reason for each in parts if isinstance(each, Finish)), None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, WireError),
        ({}, WireError),
        ({"output": None}, WireError),
        ({"output": ["x"]}, WireError),
        ({"output": [{"type": "message", "content": [{"type": "output_text", "text": 7}]}]}, WireError),
        ({"output": [call("{}", name=None)], "status": "completed"}, WireError),
        ({"output": [call(7)]}, WireError),
        ({"error": {"message": "No."}}, ProviderError),
        ({"output": [], "status": "failed", "error": {"message": "No."}}, ProviderError),
    ],
)
def test_broken_whole(answer: object, error: type[Exception]) -> None:
    """A whole answer without what it should have is no empty one."""
    with pytest.raises(error):
        decode_response(as_event(answer))
