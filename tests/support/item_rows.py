"""More rows of the matrix: what servers say of items (Responses) and of blocks (Messages) in their own way.

Each group is one thing that servers really do; a row says whether that is healthy, and then what is heard, or
how it is refused.

Why so long: it is a table.
"""

from collections.abc import Iterable, Mapping

from miniagents import LLMProtocolError, LLMTruncatedError
from tests.support import anthropic_wire, responses_wire
from tests.support.anthropic_wire import START, STOP
from tests.support.fault_rows import REQUEST_ID, Row
from tests.support.responses_wire import CREATED, event
from tests.support.sse_server import answer, sse
from tests.support.wires import ANTHROPIC, RESPONSES, Wire

__all__ = ["ITEM_ROWS"]

JSON = '{"city": "Oslo"}'
CALLED = (("look", JSON),)
TWICE = (*CALLED, ("look", '{"city": "Rome"}'))


def _row(
    name: str, wire: Wire, *events: bytes, calls: tuple[tuple[str, str], ...] = (), text: str = "Hello"
) -> Row:
    """A stream that is healthy."""
    script = sse(*events, headers={wire.request_id: REQUEST_ID})
    return Row(name, (lambda _: script,), None, text, calls=calls, wires=(wire,))


def _broken(name: str, wire: Wire, *events: bytes, text: str, says: str) -> Row:
    """A stream that is refused."""
    script = sse(*events, headers={wire.request_id: REQUEST_ID})
    return Row(name, (lambda _: script,), LLMProtocolError, text, says, wires=(wire,))


def _whole(name: str, wire: Wire, body: Mapping[str, object], row: Row) -> Row:
    """The same of an answer that does not stream."""
    script = answer(200, body, {wire.request_id: REQUEST_ID})
    keywords = {"stream": False}
    return Row(
        name,
        (lambda _: script,),
        row.error,
        row.text,
        row.says,
        keywords=keywords,
        calls=row.calls,
        wires=(wire,),
    )


# -- Responses -------------------------------------------------------------------------------------------

TEXT = "response.output_text.delta"
ARGUMENTS = "response.function_call_arguments.delta"


def _message(text: str, item_id: str | None = "m") -> dict[str, object]:
    named = {} if item_id is None else {"id": item_id}
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text}],
        **named,
    }


def _call(arguments: str, item_id: str | None = "f", call_id: str = "c") -> dict[str, object]:
    named = {} if item_id is None else {"id": item_id}
    return {"type": "function_call", "call_id": call_id, "name": "look", "arguments": arguments, **named}


def _added(item: Mapping[str, object], **fields: object) -> bytes:
    nothing: dict[str, object] = {"content": None} if item["type"] == "message" else {"arguments": ""}
    return event("response.output_item.added", item={**item, **nothing}, **fields)


def _done(item: Mapping[str, object], **fields: object) -> bytes:
    return event("response.output_item.done", item=item, **fields)


def _pieces(*texts: str, **fields: object) -> list[bytes]:
    return [event(TEXT, delta=text, **fields) for text in texts]


def _end(*output: Mapping[str, object]) -> bytes:
    return responses_wire.end(output=list(output))


def _items() -> Iterable[Row]:
    """Point 1: items are told in many ways."""
    hello, called = _message("Hello"), _call(JSON)
    whole = event("response.output_text.done", text="Hello", item_id="m")
    yield _row(
        "items without places",
        RESPONSES,
        CREATED,
        _added(hello),
        *_pieces("Hel", "lo", item_id="m"),
        whole,
        _done(hello),
        _end(hello),
    )
    yield _row(
        "items that nothing begins",
        RESPONSES,
        CREATED,
        *_pieces("Hel", "lo", item_id="m", output_index=0),
        _end(hello),
    )
    yield _row("items without names", RESPONSES, *_pieces("Hel", "lo"), _end())
    yield _row(
        "new ids with each event",
        RESPONSES,
        _added(hello, output_index=0),
        *_pieces("Hel", item_id="a", output_index=0),
        *_pieces("lo", item_id="b", output_index=0),
        _done(_message("Hello", "d"), output_index=0),
        _end(_message("Hello", "e")),
    )
    yield _row("items told as wholes only", RESPONSES, CREATED, _done(hello), _end(hello))
    yield _row("nothing but the end", RESPONSES, _end(hello, called), calls=CALLED)
    bare = _call(JSON, None)
    piece = event(ARGUMENTS, delta=JSON, item_id="c")
    yield _row(
        "a call that is named by its call id",
        RESPONSES,
        _added(bare),
        piece,
        _done(bare),
        _end(bare),
        text="",
        calls=CALLED,
    )
    other = _call('{"city": "Rome"}', "g", "d")
    turns = [event(ARGUMENTS, delta=each["arguments"], item_id=each["id"]) for each in (other, called)]
    yield _row(
        "calls that take turns",
        RESPONSES,
        _added(called),
        _added(other),
        *turns,
        _end(called, other),
        text="",
        calls=TWICE,
    )
    in_one = [
        _added(called, output_index=0),
        event(ARGUMENTS, delta=JSON, item_id="f", output_index=0),
        _done(called, output_index=0),
    ]
    second = [
        _added(other, output_index=0),
        event(ARGUMENTS, delta=other["arguments"], item_id="g", output_index=0),
        _done(other, output_index=0),
    ]
    yield _row("calls in one place", RESPONSES, *in_one, *second, _end(called, other), text="", calls=TWICE)
    named_late = event(ARGUMENTS, delta=JSON, item_id="f")
    yield _row(
        "a call whose name comes at the end", RESPONSES, named_late, _end(called), text="", calls=CALLED
    )
    yield _broken("a call without a name", RESPONSES, named_late, _end(), text="", says="without the name")
    yield _broken(
        "arguments for a message",
        RESPONSES,
        _added(hello),
        event(ARGUMENTS, delta=JSON, item_id="m"),
        _end(),
        text="",
        says="function_call came",
    )


def _told_twice() -> Iterable[Row]:
    """Point 10: what is told as a whole must have come in pieces."""
    hello = _message("Hello")
    wholes = {
        "the text": event("response.output_text.done", text="Hello", item_id="m"),
        "the part": event(
            "response.content_part.done", part={"type": "output_text", "text": "Hello"}, item_id="m"
        ),
        "the item": _done(hello),
        "the answer": _end(hello),
    }
    for name, whole in wholes.items():
        for texts, length in ((("Hel",), 3), (("Hel", "lo", "lo"), 7), (("lo", "Hel"), 5)):
            pieces = _pieces(*texts, item_id="m", output_index=0)
            says = f"in pieces of {length} characters in all, but as a whole it has 5"
            yield _broken(
                f"{''.join(texts)} where {name} is Hello",
                RESPONSES,
                CREATED,
                *pieces,
                whole,
                _end(),
                text="".join(texts),
                says=says,
            )
    pieces = _pieces("Hel", "lo", item_id="m", output_index=0)
    yield _row("an end that repeats the first piece", RESPONSES, CREATED, *pieces, _end(_message("Hel")))
    yield _row("an end without the text", RESPONSES, CREATED, *pieces, _end(_message("")))
    begun, piece = _added(_call("")), event(ARGUMENTS, delta=JSON, item_id="f")
    for other in ('{"city": "Rome"}', "{}"):
        done = event("response.function_call_arguments.done", arguments=other, item_id="f")
        says = f"pieces of {len(JSON)} characters in all, but as a whole it has {len(other)}"
        yield _broken(
            f"arguments of a call and {other}", RESPONSES, begun, piece, done, _end(), text="", says=says
        )
    spaced = event("response.function_call_arguments.done", arguments='{"city":"Oslo"}', item_id="f")
    yield _row(
        "arguments that are written in another way",
        RESPONSES,
        begun,
        piece,
        spaced,
        _end(),
        text="",
        calls=CALLED,
    )


def _responses() -> Iterable[Row]:
    """Points 7, 8, 11 and 12 on this wire."""
    hello = _message("Hello")
    unsaid = event("response.completed", response={"id": "resp-1"})
    yield _row("an end without a status", RESPONSES, CREATED, *_pieces("Hel", "lo"), unsaid)
    yield _row(
        "an end that says it goes on",
        RESPONSES,
        *_pieces("Hello"),
        event("response.completed", response={"status": "in_progress"}),
    )
    numbers = event(TEXT, delta="Hello", item_id=7)
    yield _row(
        "ids that are numbers", RESPONSES, event("response.created", response={"id": 5}), numbers, _end()
    )
    yield _row(
        "blank data",
        RESPONSES,
        *_pieces("Hel"),
        b"data:\n\n",
        b"data: {}\n\n",
        *_pieces("lo"),
        _end(),
        b"data: [DONE]\n\n",
    )
    yield _row(
        "usage that is null",
        RESPONSES,
        *_pieces("Hello"),
        event("response.completed", response={"status": "completed", "usage": None}),
    )
    again = _broken(
        "an answer that begins again",
        RESPONSES,
        CREATED,
        *_pieces("Hel"),
        CREATED,
        *_pieces("Hello"),
        _end(),
        text="Hel",
        says="began a second time",
    )
    yield again
    yield _broken(
        "an item that begins again",
        RESPONSES,
        _added(hello),
        *_pieces("Hel", item_id="m"),
        _added(hello),
        _end(),
        text="Hel",
        says="began a second time",
    )
    yield _broken(
        "text after the end of an item",
        RESPONSES,
        _added(hello),
        *_pieces("Hel", item_id="m"),
        _done(_message("Hel")),
        *_pieces("lo", item_id="m"),
        _end(),
        text="Hel",
        says="has ended",
    )
    yield _broken(
        "pieces of unknown types only",
        RESPONSES,
        event("response.song.delta", delta="la"),
        _end(),
        text="",
        says="unknown types",
    )
    number = {**hello, "content": [{"type": "output_text", "text": 7}]}
    refused = Row("", (), LLMProtocolError, "", "a text is not a string")
    yield _whole(
        "a whole answer with a number as text",
        RESPONSES,
        {"status": "completed", "output": [number]},
        refused,
    )
    good = Row("", (), None, "Hello", calls=CALLED)
    yield _whole(
        "a whole answer, its content a text",
        RESPONSES,
        {"status": "completed", "output": [{"type": "message", "content": "Hello"}, _call(JSON)]},
        good,
    )
    unended = Row("", (), LLMTruncatedError, "Hello", "without its")
    yield _whole("a whole answer without a status", RESPONSES, {"output": [hello]}, unended)


# -- Messages --------------------------------------------------------------------------------------------


def _begin(kind: str = "text", index: int = 0, **fields: object) -> bytes:
    return anthropic_wire.begin(index, kind, **fields)


def _tool(call_id: str = "c", index: int = 0, **fields: object) -> bytes:
    given: dict[str, object] = {"id": call_id, "name": "look", "input": None, **fields}
    return _begin("tool_use", index, **given)


def _piece(index: int = 0, **delta: object) -> bytes:
    return anthropic_wire.event("content_block_delta", index=index, delta=delta)


def _arguments(piece: str, index: int = 0) -> bytes:
    return _piece(index, type="input_json_delta", partial_json=piece)


def _text(piece: str, index: int = 0) -> bytes:
    return anthropic_wire.delta(piece, index)


def _stop(index: int = 0) -> bytes:
    return anthropic_wire.event("content_block_stop", index=index)


END = anthropic_wire.end()


def _inputs() -> Iterable[Row]:
    """Point 3: a call has the input of its beginning; point 5: a place is used again."""
    city = {"city": "Oslo"}
    yield _row(
        "a call whose input is in its beginning",
        ANTHROPIC,
        START,
        _tool(input=city),
        _stop(),
        END,
        STOP,
        text="",
        calls=CALLED,
    )
    yield _row(
        "the same, and an empty piece",
        ANTHROPIC,
        START,
        _tool(input=city),
        _arguments(""),
        _stop(),
        END,
        text="",
        calls=CALLED,
    )
    yield _row(
        "the same, and in pieces",
        ANTHROPIC,
        START,
        _tool(input=city),
        _arguments(JSON),
        _stop(),
        END,
        text="",
        calls=CALLED,
    )
    yield _row("the same, without a stop", ANTHROPIC, START, _tool(input=city), END, text="", calls=CALLED)
    yield _broken(
        "the same, and other pieces",
        ANTHROPIC,
        START,
        _tool(input=city),
        _arguments("{}"),
        _stop(),
        END,
        text="",
        says="'look' came in pieces of 2 char",
    )
    other = _arguments('{"city": "Rome"}')
    yield _row(
        "two calls in one place",
        ANTHROPIC,
        START,
        _tool(),
        _arguments(JSON),
        _stop(),
        _tool("d"),
        other,
        _stop(),
        END,
        text="",
        calls=TWICE,
    )
    yield _row(
        "two calls in one place, without stops",
        ANTHROPIC,
        START,
        _tool(),
        _arguments(JSON),
        _tool("d"),
        other,
        END,
        text="",
        calls=TWICE,
    )
    yield _row(
        "calls without arguments in one place",
        ANTHROPIC,
        START,
        _tool(),
        _tool("d"),
        END,
        text="",
        calls=(("look", ""), ("look", "")),
    )
    yield _row(
        "texts in one place",
        ANTHROPIC,
        START,
        _begin(),
        _text("Hel"),
        _stop(),
        _begin(),
        _text("lo"),
        _stop(),
        END,
    )


def _messages() -> Iterable[Row]:
    """Points 8, 11 and 12 on this wire."""
    ping = b"event: ping\ndata: {}\n\n"
    yield _row(
        "pings that are empty objects",
        ANTHROPIC,
        ping,
        START,
        _begin(),
        ping,
        _text("Hello"),
        _stop(),
        END,
        STOP,
    )
    yield _row(
        "blank data on this wire",
        ANTHROPIC,
        START,
        b"data:\n\n",
        b"event: ping\ndata:\n\n",
        _begin(),
        _text("Hello"),
        END,
    )
    yield _row("blocks that nothing begins", ANTHROPIC, START, _text("Hel"), _text("lo"), END, STOP)
    thought = _piece(type="thinking_delta", thinking="Hm.")
    yield _row("thoughts that nothing begins or signs", ANTHROPIC, START, thought, _text("Hello", 1), END)
    yield _row("pieces without a type", ANTHROPIC, START, _begin(), _piece(text="Hello"), END)
    yield _row("text in the beginning", ANTHROPIC, START, _begin(text="Hel"), _text("lo"), _stop(), END)
    start = {"id": 7, "model": "m", "content": [{"type": "text", "text": "Hello"}], "usage": None}
    yield _row("all in the first event", ANTHROPIC, anthropic_wire.event("message_start", message=start), END)
    yield _row(
        "pieces of unknown types",
        ANTHROPIC,
        START,
        _begin(),
        _piece(type="x_delta", x=1),
        _text("Hello"),
        END,
    )
    yield _broken(
        "an answer that begins once more",
        ANTHROPIC,
        START,
        _begin(),
        _text("Hel"),
        START,
        _begin(),
        _text("Hello"),
        END,
        text="Hel",
        says="began a second time",
    )
    yield _broken(
        "a block that begins once more",
        ANTHROPIC,
        START,
        _begin(),
        _text("Hel"),
        _begin(),
        _text("Hello"),
        END,
        text="Hel",
        says="began a second time",
    )
    yield _broken(
        "text after the stop",
        ANTHROPIC,
        START,
        _begin(),
        _text("Hel"),
        _stop(),
        _text("lo"),
        END,
        text="Hel",
        says="has ended",
    )
    yield _broken(
        "arguments for a text",
        ANTHROPIC,
        START,
        _begin(),
        _text("Hel"),
        _arguments(JSON),
        _stop(),
        END,
        text="Hel",
        says="of the type text",
    )
    yield _broken(
        "arguments for nothing", ANTHROPIC, START, _arguments(JSON), END, text="", says="has not begun"
    )
    yield _broken(
        "text for a call",
        ANTHROPIC,
        START,
        _tool(),
        _text("Hello"),
        END,
        text="",
        says="of the type tool_use",
    )
    number = {"content": [{"type": "text", "text": 7}], "stop_reason": "end_turn"}
    yield _whole(
        "a whole message with a number as text",
        ANTHROPIC,
        number,
        Row("", (), LLMProtocolError, "", "a text is not a string"),
    )
    called = {"type": "tool_use", "id": "c", "name": "look", "input": {"city": "Oslo"}}
    good = {"content": [{"type": "text", "text": "Hello"}, called], "stop_reason": "tool_use", "usage": None}
    yield _whole("a whole message that calls", ANTHROPIC, good, Row("", (), None, "Hello", calls=CALLED))


ITEM_ROWS = (*_items(), *_told_twice(), *_responses(), *_inputs(), *_messages())
"""All of them."""
