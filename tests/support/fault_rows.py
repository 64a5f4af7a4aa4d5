"""Every way in which a wire is known to break or to be odd, and what must come of it: one row for each.

The rows are those that were measured with the SDKs of the providers. On about half of them an SDK ends
normally with content missing, hangs, raises what is not its own, or refuses what is healthy.

Why so long: it is a table.
"""

import re
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from typing_extensions import override

from miniagents import (
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
)
from tests.support import anthropic_wire, chat_wire, responses_wire
from tests.support.sse_server import Script, Step, answer, cut, hold, raw, repeat, reset, sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, WIRES, Wire

__all__ = ["REQUEST_ID", "ROWS", "Row"]

REQUEST_ID = "req-9"
T = TypeVar("T")
Make: TypeAlias = Callable[[Wire], Script]
Steps: TypeAlias = Callable[[Wire], Iterable[Step]]


@dataclass(frozen=True, slots=True)
class Row:
    """One way, and what must come of it.

    Attributes:
        name: what the server does.
        scripts: what it does with each request, as a wire says it; with the last one, always.
        error: how it ends; None if the answer is complete.
        text: what a reader sees before the end.
        says: a part of the error's sentence.
        status: of the error.
        attempts: how many requests there are.
        told: whether the server told the request's id.
        keywords: of the inquiry.
        finish_reason: of the message, if it matters.
        calls: the tools that the message calls, and their arguments, if it matters.
        wires: who can do that.
    """

    name: str
    scripts: tuple[Make, ...]
    error: type[LLMError] | None
    text: str = "Hel"
    says: str = ""
    status: int | None = None
    attempts: int = 1
    told: bool = True
    keywords: Mapping[str, object] = field(default_factory=dict[str, object])
    finish_reason: str | None = None
    calls: tuple[tuple[str, str], ...] | None = None
    wires: tuple[Wire, ...] = WIRES

    @override
    def __repr__(self) -> str:
        return self.name


# -- how servers say things ------------------------------------------------------------------------------

HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{}: " + REQUEST_ID + "\r\n"
SOON = {"retry-after-ms": "1"}


def _stream(steps: Steps, **headers: str) -> Make:
    """Answer with a stream of these steps."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda wire: sse(*steps(wire), headers={wire.request_id: REQUEST_ID, **given})


def _steps(*steps: Step) -> Steps:
    """The same steps for each wire."""
    return lambda _: steps


def _begun(steps: Steps) -> Make:
    """Answer with a stream that says "Hel", and then these steps."""
    return _stream(lambda wire: [*wire.begun("Hel"), *steps(wire)])


def _full(then: Steps) -> Make:
    """Answer "Hello", the reason included, and then these steps."""
    return _begun(lambda wire: [wire.piece("lo"), wire.end, *then(wire)])


def _bytes(steps: Steps, *headers: str) -> Make:
    """Answer with exactly these bytes behind the head of a stream, and close."""

    def make(wire: Wire) -> Script:
        head = HEAD.format(wire.request_id) + "".join(f"{line}\r\n" for line in headers) + "\r\n"
        return raw(head.encode(), *steps(wire))

    return make


def _whole(status: int, body: object, content_type: str = "application/json", **headers: str) -> Make:
    """Answer with a whole body."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda wire: answer(status, body, {wire.request_id: REQUEST_ID, **given}, content_type)


def _same(script: Script) -> Make:
    """Do the same for each wire."""
    return lambda _: script


def _good(wire: Wire) -> Script:
    return sse(*wire.good("Hel", "lo"), headers={wire.request_id: REQUEST_ID})


def _zipped(pieces: Callable[[Wire], Iterable[bytes]], *then: bytes) -> Make:
    """Answer with a packed stream that says "Hel", and then these pieces; and then bytes as they are."""

    def make(wire: Wire) -> Iterable[Step]:
        packer = zlib.compressobj(wbits=31)
        for piece in (b"".join(wire.begun("Hel")), *pieces(wire)):
            yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
        yield from then

    return _stream(make, content_encoding="gzip")


def _of(wire: Wire, chat: T, anthropic: T, responses: T) -> T:
    """What this wire says of the three."""
    return chat if wire is CHAT else anthropic if wire is ANTHROPIC else responses


def _marker(wire: Wire) -> bytes:
    """The end marker, without a reason."""
    response = responses_wire.event("response.completed", response={"id": "resp-1"})
    return _of(wire, chat_wire.DONE, anthropic_wire.STOP, response)


def _stopped(reason: str) -> Make:
    """Answer "Hel", and end with a reason."""
    ends = {
        "chat": chat_wire.chunk(finish=reason),
        "anthropic": anthropic_wire.end(reason),
        "responses": responses_wire.end("incomplete", incomplete_details={"reason": reason}),
    }
    return _begun(lambda wire: [_of(wire, **ends)])


def _called(arguments: str) -> Make:
    """Say "Hel", call the tool `look` with these arguments, and end."""
    return _begun(lambda wire: _call(wire, arguments))


def _call(wire: Wire, arguments: str) -> tuple[bytes, ...]:
    """The events of a call of the tool `look`, and the end."""
    if wire is CHAT:
        call = {"index": 0, "id": "c", "function": {"name": "look", "arguments": arguments}}
        return chat_wire.chunk(tool_calls=[call]), chat_wire.chunk(finish="tool_calls")
    if wire is ANTHROPIC:
        piece: dict[str, object] = {"type": "input_json_delta", "partial_json": arguments}
        return (
            anthropic_wire.begin(1, "tool_use", id="c", name="look", input={}),
            anthropic_wire.event("content_block_delta", index=1, delta=piece),
            anthropic_wire.end("tool_use"),
        )
    return (
        responses_wire.begin(1, "function_call", call_id="c", name="look"),
        responses_wire.delta(arguments, 1, "response.function_call_arguments.delta"),
        responses_wire.end(),
    )


def _misplaced(wire: Wire) -> list[bytes]:
    """A piece of a block that has not begun, and the end."""
    return [_of(wire, b"", anthropic_wire.delta("lost", 7), responses_wire.delta("lost", 7)), wire.end]


def _malformed(data: bytes) -> Make:
    """Say "Hel", an event of this, and the end."""
    return _begun(lambda wire: [wire.malformed(data), wire.end])


def _text(value: object) -> Make:
    """Say "Hel", a piece of this, and the end."""
    return _begun(lambda wire: [wire.piece(value), wire.end])


def _reporting(data: bytes) -> Make:
    """Say "Hel", an error in a form of its own, and the end."""
    return _begun(lambda wire: [data, wire.end])


def _changed(change: Callable[[bytes], bytes]) -> Make:
    """Answer with a good stream, in another form."""
    return _stream(lambda wire: [change(b"".join(wire.good("Hel", "lo")))])


BUSY = {"type": "error", "error": {"type": "busy_error", "message": "Not now."}}
_NO_TEXTS: tuple[object, ...] = (5, ["a"], {"a": "b"}, True)
NEWS = b'event: news\ndata: {"type": "news", "object": "news", "index": 9, "delta": 7}\n\n'
BIG = b"x" * 2**20

# -- the table -------------------------------------------------------------------------------------------


def _asked_again() -> Iterable[Row]:
    again = {"max_retries": 2}
    for status in (429, 500, 529):
        refused = _whole(status, BUSY, **SOON)
        yield Row(f"{status} once", (refused, _good), None, "Hello", attempts=2, keywords=again)
        yield Row(f"{status} always", (refused,), LLMStatusError, "", "busy_error", status, 3, keywords=again)
    for name, script in (("end", raw(b"")), ("reset", raw(reset))):
        once = (_same(script), _good)
        yield Row(f"{name} before the headers once", once, None, "Hello", attempts=2, keywords=again)
        yield Row(f"{name} before the headers", once[:1], LLMConnectionError, "", told=False)
    long = {**again, "total_timeout": 0.3, "first_token_timeout": None}
    late = (_whole(429, BUSY, retry_after="3600"),)
    yield Row("Retry-After of an hour", late, LLMStatusError, "", "busy_error", 429, keywords=long)
    spent = {"error": {"type": "insufficient_quota", "code": "insufficient_quota", "message": "Pay first."}}
    gone = (_whole(429, spent, **SOON),)
    yield Row("no credit left", gone, LLMStatusError, "", "insufficient_quota", 429, keywords=again)
    for status in (400, 401):
        refused = _whole(status, BUSY)
        yield Row(f"{status}", (refused,), LLMStatusError, "", "busy_error", status, keywords=again)


NO_IMAGES = "image input is not supported - hint: if this is unexpected, you may need to provide the mmproj"
_FORMS: tuple[tuple[str, object, str], ...] = (
    ("detail", {"detail": "Not loaded."}, "Not loaded."),
    (
        "a list of FastAPI",
        {"detail": [{"loc": ["body", "n"], "msg": "Gone", "input": 1}]},
        "body.n: Gone",
    ),
    ("an object in a list", [{"error": {"code": 400, "message": "No key."}}], "400: No key."),
    ("code and msg", {"code": 1001, "msg": "quota gone"}, "1001: quota gone"),
    ("a text under error", {"error": "no such model"}, "no such model"),
    ("a text", b"no such path", "no such path"),
    ("HTML", b"<html><title>Bad Gateway</title></html>", "Bad Gateway"),
    ("events", b'data: {"error": {"message": "not begun"}}\n\n', "not begun"),
)


def _refused() -> Iterable[Row]:
    again = {"max_retries": 2}
    for status, kind in ((500, "server_error"), (503, "")):
        blind = (_whole(status, {"error": {"code": status, "message": NO_IMAGES, "type": kind}}, **SOON),)
        name = f"an image refused with {status}"
        yield Row(name, blind, LLMStatusError, "", f"{NO_IMAGES}; correct", status, keywords=again)
    for name, body, says in _FORMS:
        for status in (400, 502):
            made = (_whole(status, body),)
            yield Row(f"{status} with {name}", made, LLMStatusError, "", f", {says}; ", status)
    busy = (_whole(400, {"error": {"type": "busy_error", "message": "Not now, x is 1."}}),)
    for key in ("x", "1", "ollama"):
        keywords = {"api_key": key}
        yield Row(f"the key {key}", busy, LLMStatusError, "", "Not now, x is 1.", 400, keywords=keywords)
    packed = zlib.compress(b'{"detail": "A bomb. ' + bytes(64 * 2**20), 1)
    made = (_whole(400, packed, content_encoding="deflate"),)
    yield Row("a bomb as the body of an error", made, LLMStatusError, "", "A bomb.", 400)
    made = (_whole(400, b"\x28\xb5\x2f\xfd", content_encoding="zstd"),)
    yield Row("an error in an unrequested encoding", made, LLMStatusError, "", "compressed as 'zstd'", 400)


def _kept_waiting() -> Iterable[Row]:
    # Where something has to come before the limit, that is longer than a busy machine takes for it.
    nothing, first = {"first_token_timeout": 0.1}, {"first_token_timeout": 0.5}
    stall, total = {"stall_timeout": 0.2}, {"total_timeout": 0.5}
    for name, make, keywords in (
        ("no headers", _same(raw(hold)), nothing),
        ("headers, then nothing", _stream(_steps(hold)), first),
        ("pings before the first piece", _stream(lambda wire: [repeat(wire.idle, 0.01)]), first),
    ):
        told = name != "no headers"
        yield Row(name, (make,), LLMTimeoutError, "", "first_token_timeout", told=told, keywords=keywords)
    stalls: tuple[tuple[str, Steps], ...] = (
        ("stall", _steps(hold)),
        ("stall while pings come", lambda wire: [repeat(wire.idle, 0.01)]),
        ("stall while comments come", _steps(repeat(b": still here\n", 0.01))),
        ("stall while empty pieces come", lambda wire: [repeat(wire.piece(""), 0.01)]),
    )
    for name, then in stalls:
        yield Row(name, (_begun(then),), LLMTimeoutError, says="stall_timeout", keywords=stall)
    endless = _begun(lambda wire: [repeat(wire.piece("\N{ZERO WIDTH SPACE}"), 0.02)])
    yield Row("a stream without an end", (endless,), LLMTimeoutError, "*", "total_timeout", keywords=total)


def _broken() -> Iterable[Row]:
    lying = _bytes(lambda wire: wire.begun("Hel"), "Content-Length: 99999")
    for name, make in (
        ("reset in the middle", _begun(_steps(reset))),
        ("end in a chunk", _begun(_steps(cut))),
        ("a length that lies", lying),
        ("damaged gzip", _zipped(lambda _: [], b"\x07damaged")),
    ):
        yield Row(name, (make,), LLMConnectionError, says="broke in the middle")
    closing = _bytes(lambda wire: wire.begun("Hel"), "Connection: close")
    half = b"event: content_bl", b'data: {"id": "chat-1", "cho', b"data", b"d"
    for name, make in (
        ("clean end", _begun(_steps())),
        ("end of a body without a length", closing),
        ("truncated gzip", _zipped(lambda _: [])),
        *((f"clean end in an event: {piece.decode()}", _begun(_steps(piece))) for piece in half),
    ):
        yield Row(name, (make,), LLMTruncatedError, says="3 characters without its")
    # The end event of Responses is the reason.
    end = Row("end marker without a reason", (_begun(lambda wire: [_marker(wire)]),), LLMTruncatedError)
    yield replace(end, says="3 characters without its", wires=(CHAT, ANTHROPIC))


def _no_answer() -> Iterable[Row]:
    html = _whole(200, b"<html>Welcome to the proxy</html>", "text/html")
    yield Row("HTML", (html,), LLMProtocolError, "", "text/html instead of an event stream")
    yield Row("JSON error", (_whole(200, BUSY),), LLMStatusError, "", "busy_error")
    whole = Row("JSON answer", (lambda wire: _whole(200, wire.whole("Hello"))(wire),), LLMProtocolError, "")
    yield replace(whole, says="application/json instead of an event stream")
    empty = (_whole(200, b"", "text/event-stream"),)
    yield Row("empty body", empty, LLMTruncatedError, "", "after 0 characters")
    yield Row("nothing but the end marker", (_stream(lambda wire: [_marker(wire)]),), LLMTruncatedError, "")


def _complete() -> Iterable[Row]:
    short = {"stall_timeout": 0.2}
    cases: tuple[tuple[str, Steps], ...] = (
        ("no end marker", _steps()),
        ("reset after the reason", _steps(reset)),
        ("end in a chunk after the reason", _steps(cut)),
        ("a connection held open after the reason", _steps(hold)),
        ("events that say nothing after the reason", lambda wire: [wire.idle, wire.malformed(b"{")]),
        ("an error after the reason", lambda wire: [wire.error("late")]),
        ("a stream that goes on after the reason", lambda wire: [repeat(wire.idle, 0.01)]),
    )
    # On the other wires nothing may follow the reason.
    after = (_full(lambda wire: [wire.piece(" more"), wire.malformed(b"{")]),)
    yield Row("text after the reason", after, None, "Hello", wires=(ANTHROPIC, RESPONSES))
    on = (_full(lambda wire: [repeat(wire.piece("x"), 0.01)]),)
    yield Row("text without an end after the reason", on, None, "Hello", wires=(ANTHROPIC, RESPONSES))
    for name, then in cases:
        yield Row(name, (_full(then),), None, "Hello", keywords=short)
    for reason in ("length", "max_tokens", "content_filter", "refusal"):
        make = _stopped(reason)
        yield Row(f"stopped by {reason}", (make,), None, finish_reason=reason)
        if reason in {"content_filter", "refusal"}:
            error = {"refusal_is_error": True}
            yield Row(f"{reason} as an error", (make,), LLMRefusalError, says="refused", keywords=error)


def _failures() -> Iterable[Row]:
    """W1: a finish reason whose words say that the server failed is an error; any other reason is shown.

    `insufficient_system_resource` is in DeepSeek's reference (https://api-docs.deepseek.com/api/
    create-chat-completion), `network_error` in that of GLM (https://docs.bigmodel.cn, "network_error": the
    inference failed), `error`, `native_finish_reason` and an error inside of the choice in OpenRouter's
    (https://openrouter.ai/docs/api-reference/errors and /overview), `abort` in vLLM's and SGLang's code.
    """
    for reason in ("error", "network_error", "abort", "insufficient_system_resource", "MALFORMED_CALL"):
        yield Row(f"the reason {reason}", (_stopped(reason),), LLMStatusError, says=reason)
    for reason in ("eos", "sensitive", "model_context_window_exceeded", "guardrail_intervened"):
        yield Row(f"the reason {reason}", (_stopped(reason),), None, finish_reason=reason)
    gone = {"error": {"code": 502, "message": "The model behind it is gone."}}
    for name, choice, says in (
        ("a native reason", {**_piece("lo", "stop"), "native_finish_reason": "network_error"}, "network_e"),
        ("an error in the choice", {**_piece("lo", "error"), **gone}, "behind it is gone"),
        ("an error in the choice, and no reason", {**_piece("lo"), **gone}, "behind it is gone"),
    ):
        stream = Row(name, (_said([_piece("Hel"), choice]),), LLMStatusError, "Hello", says, wires=(CHAT,))
        whole = (_whole(200, {"choices": [{**choice, "message": choice["delta"]}]}),)
        yield stream
        yield replace(stream, name=f"{name}, whole", scripts=whole, text="lo", keywords={"stream": False})
    # https://github.com/groq/groq-python, types/chat/chat_completion_chunk.py: why a stream stopped early.
    for name, piece in (("the last piece", _piece("lo", "stop")), ("a piece alone", _piece("lo"))):
        stopped = {"choices": [piece], "x_groq": {"id": "req_1", "error": "The model is gone."}}
        begun = chat_wire.event({"choices": [_piece("Hel")]})
        steps = _steps(begun, chat_wire.event(stopped), b"data: [DONE]\n\n")
        says = "model is gone"
        yield Row(f"Groq stops in {name}", (_stream(steps),), LLMStatusError, "Hello", says, wires=(CHAT,))
    early = _stream(_steps(chat_wire.chunk(finish="network_error")))
    once = Row("a reason that failed, at once", (early, _good), None, "Hello", attempts=2, wires=(CHAT,))
    yield replace(once, keywords={"max_retries": 1})


def _empty_and_refused() -> Iterable[Row]:
    """W6: an answer that is cut before its first word is empty, with its reason. W7: the server's reason.

    Gemini sends no content if the thoughts need all tokens (https://ai.google.dev/gemini-api/docs/openai);
    MiniMax refuses with status 200 (https://platform.minimax.io/docs/api-reference/errorcode).
    """
    whole: Mapping[str, object] = {"stream": False}
    cut: dict[str, object] = {"index": 0, "finish_reason": "length"}
    choices: tuple[tuple[str, dict[str, object]], ...] = (
        ("no message", cut),
        ("an empty message", {**cut, "message": {}}),
        ("null as a message", {**cut, "message": None}),
        ("a role alone", {**cut, "message": {"role": "assistant"}}),
    )
    for name, choice in choices:
        make = (_whole(200, {"choices": [choice]}),)
        yield Row(f"cut, {name}", make, None, "", finish_reason="length", keywords=whole, wires=(CHAT,))
    refusals: tuple[tuple[str, dict[str, object], str], ...] = (
        (
            "base_resp",
            {"choices": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}},
            "login",
        ),
        ("code and msg", {"choices": None, "code": 1113, "msg": "The account is in arrears."}, "in arrears"),
        ("detail", {"detail": "No such deployment."}, "No such deployment"),
    )
    for name, body, says in refusals:
        refused = Row(
            f"refused with 200: {name}", (_whole(200, body),), LLMStatusError, "", says, wires=(CHAT,)
        )
        yield refused
        yield replace(refused, name=f"{refused.name}, whole", keywords=whole)
        event = (_stream(_steps(chat_wire.event(body))),)
        yield replace(refused, name=f"{refused.name}, an event", scripts=event)


def _reported() -> Iterable[Row]:
    yield Row("error event", (_begun(lambda wire: [wire.error("late_error"), wire.end]),), LLMStatusError)
    at_first = (_stream(lambda wire: [wire.error("early_error")]),)
    yield Row("error event first", at_first, LLMStatusError, "", "early_error")
    once = (_stream(lambda wire: [wire.error("overloaded_error")]), _good)
    yield Row("overloaded once", once, None, "Hello", attempts=2, keywords={"max_retries": 1})
    for name, data in (
        ("flat error of vLLM", b'data: {"object": "error", "type": "late_error", "message": "No."}\n\n'),
        ("error field of llama.cpp", b'error: {"type": "late_error", "message": "No."}\n\n'),
        ("bare line of JSON", b'{"error": {"type": "late_error", "message": "No."}}\n'),
    ):
        wires = (CHAT,) if name.startswith("flat") else WIRES
        yield Row(name, (_reporting(data),), LLMStatusError, says="late_error", wires=wires)


def _nonsense() -> Iterable[Row]:
    for data in (b"{nonsense", b"null", b"[1]", b'"text"', b"7", b"\xff\xfe", b"{}{}", b'{"a": \xff}'):
        yield Row(f"event of {data!r}", (_malformed(data),), LLMProtocolError, says="protocol")
    for text in _NO_TEXTS:
        yield Row(f"text of {text!r}", (_text(text),), LLMProtocolError, says="protocol")
    lost = (_begun(_misplaced),)
    yield Row("piece of an unknown block", lost, LLMProtocolError, wires=(ANTHROPIC, RESPONSES))
    halves = (_stream(lambda wire: [*wire.begun("a\ud83d"), wire.piece("\ude00b\ud83d"), wire.end]),)
    yield Row("an emoji in two halves", halves, None, "a\N{GRINNING FACE}b\N{REPLACEMENT CHARACTER}")


def _healthy() -> Iterable[Row]:
    changes: tuple[tuple[str, Callable[[bytes], bytes]], ...] = (
        ("as it is", lambda data: data),
        ("CRLF", lambda data: data.replace(b"\n", b"\r\n")),
        ("CR", lambda data: data.replace(b"\n", b"\r")),
        ("comments", lambda data: b": hello\n\n" + data.replace(b"\n\n", b"\n\n: ping\n\n")),
        ("no space behind the colon", lambda data: data.replace(b"data: ", b"data:")),
        ("ids and times to retry", lambda data: data.replace(b"data:", b"id: 1\nretry: 10\ndata:")),
        ("a byte order mark", lambda data: b"\xef\xbb\xbf" + data),
        ("events of unknown types", lambda data: data.replace(b"\n\n", b"\n\n" + NEWS)),
        ("no event names", lambda data: re.sub(rb"event: .*\n", b"", data)),
        ("blank lines", lambda data: data.replace(b"\n\n", b"\n\n\n\n")),
    )
    for name, change in changes:
        yield Row(name, (_changed(change),), None, "Hello")
    split = _stream(lambda wire: map(bytes, zip(b"".join(wire.good("Hel", "lo")))))
    yield Row("one byte at a time", (split,), None, "Hello")
    packed = (_zipped(lambda wire: [wire.piece("lo"), wire.end]),)
    yield Row("gzip that nobody asked for", packed, None, "Hello")


def _arguments() -> Iterable[Row]:
    """Arguments are the model's own text: it is told what is wrong with them, if it has tools."""
    for name, arguments in (
        ("cut", '{"city": "Oslo'),
        ("in another language", "{'city': 'Oslo'}"),
        ("with too many brackets", '{"city": "Oslo"}}'),
        ("that are a list", '["Oslo"]'),
        ("that are blank", " "),
    ):
        yield Row(f"arguments {name}", (_called(arguments),), None, calls=(("look", arguments),))


def _said(said: Iterable[object], *then: Step) -> Make:
    """Answer with these first choices of chunks, and then these steps."""
    return _stream(_steps(*(chat_wire.event({"choices": [choice]}) for choice in said), *then))


def _piece(text: object, finish: object = None) -> dict[str, object]:
    return {"delta": {"content": text}, "finish_reason": finish}


def _calls(*calls: object) -> dict[str, object]:
    return {"delta": {"tool_calls": calls}}


def _chat_dialects() -> Iterable[Row]:
    """What servers of Chat Completions say in their own way; each says "Hello", or calls tools."""
    done, stop = chat_wire.DONE, {"finish_reason": "stop"}
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
    listed = [thought, {"type": "text", "text": "Hel"}, {"type": "reference", "reference_ids": [1]}]
    whole = {"message": {"role": "assistant", "content": "Hello"}, **stop}
    healthy: tuple[tuple[str, Make], ...] = (
        ("a reason in every chunk", _said([_piece("Hel", "stop"), _piece("lo", "stop")], done)),
        ("and no end marker", _said([_piece("Hel", "stop"), _piece("lo", "stop")])),
        ("a reason in every chunk but the last", _said([_piece("Hel", "stop"), _piece("lo")], done)),
        ("null as a text for no reason", _said([_piece("Hel", "null"), _piece("lo", "null"), stop])),
        ("a list of parts", _said([_piece(listed), _piece([{"text": "lo"}]), stop])),
        ("a message for a delta", _said([whole], done)),
        ("messages for deltas", _said([{"message": {"content": each}} for each in ("Hel", "lo")] + [stop])),
        ("pieces, and a message that repeats them", _said([_piece("Hel"), _piece("lo"), whole])),
        ("a text for a delta", _said([{"text": "Hel"}, {"text": "lo", **stop}])),
        ("lists for what is empty", _said([{"delta": []}, _piece("Hello"), {"delta": [], **stop}])),
        ("blank data", _begun(_steps(b"data:\n\n", b"data:  \n\n", CHAT.piece("lo"), CHAT.end))),
        ("a done of its own", _said([_piece("Hello"), stop], b'data: "[DONE]"\n\n')),
    )
    for name, make in healthy:
        yield Row(name, (make,), None, "Hello", finish_reason="stop", wires=(CHAT,))
    numbered = (chat_wire.event({"id": 7, "choices": [each]}) for each in (_piece("Hello"), stop))
    yield Row("an id that is a number", (_stream(_steps(*numbered)),), None, "Hello", wires=(CHAT,))
    yield from _chat_calls()
    again = [_piece("Hel"), _piece("lo", "stop"), _piece(" more")]
    repeated = {"message": {"content": "Help"}, **stop}
    cumulative = [{"message": {"content": each}} for each in ("Hel", "Hello")]
    tool_use = _piece([{"type": "tool_use"}])
    protocol, broken = LLMProtocolError, LLMConnectionError
    for name, make, error, text, says in (
        ("text after the reason, and no end", _said(again), LLMTruncatedError, "Hello more", "10 char"),
        ("a reset behind text after a reason", _said(again, reset), broken, "Hello more", ""),
        ("pieces lost, a message is whole", _said([_piece("Hel"), repeated]), protocol, "Hel", "4 char"),
        ("messages that repeat others", _said([*cumulative, stop]), protocol, "Hel", "message came again"),
        ("a list with what is no text", _said([tool_use, stop]), protocol, "", "not text"),
    ):
        yield Row(name, (make,), error, text, says, wires=(CHAT,))


def _chat_calls() -> Iterable[Row]:
    def look(arguments: object = None, **more: object) -> dict[str, object]:
        return {**more, "function": {"name": "look", "arguments": arguments}}

    def go_on(arguments: str, **more: object) -> dict[str, object]:
        return {**more, "function": {"arguments": arguments}}

    one, two = '{"n": 1}', '{"n": 2}'
    both = (("look", one), ("look", two))
    stop = {"finish_reason": "tool_calls"}
    cases: tuple[tuple[str, list[object], tuple[tuple[str, str], ...]], ...] = (
        ("other ids", [_calls(look(one, index=0, id="a")), _calls(look(two, index=0, id="b"))], both),
        ("other ids, in one event", [_calls(look(one, index=0, id="a"), look(two, index=0, id="b"))], both),
        (
            "other ids, in turns",
            [
                _calls(look('{"n": ', index=0, id="a"), look('{"n": ', index=0, id="b")),
                _calls(go_on("1}", index=0, id="a"), go_on("2}", index=0, id="b")),
            ],
            both,
        ),
        ("no ids, whole ones", [_calls(look(one, index=0)), _calls(look(two, index=0))], both),
        ("no ids, in one event", [_calls(look(one, index=0), look(two, index=0))], both),
        ("no ids and places", [_calls(look(one)), _calls(look(two))], both),
    )
    for name, said, calls in cases:
        make = _said([*said, stop])
        yield Row(f"calls in one place: {name}", (make,), None, "", calls=calls, wires=(CHAT,))
    none = (("look", ""), ("look", ""))
    without = [_calls(look(index=0, id="a")), _calls(look("", index=0, id="b"))]
    yield Row("calls without arguments", (_said([*without, stop]),), None, "", calls=none, wires=(CHAT,))
    pieces: tuple[tuple[str, list[object]], ...] = (
        ("an id in each piece", [_calls(look('{"n": ', id="a")), _calls(look("1}", id="a"))]),
        ("another id in each", [_calls(look(index=0, id="a")), _calls(go_on(one, index=0, id="b"))]),
        ("and no place", [_calls(look(id="a")), _calls(go_on(one, id="b"))]),
        ("a name in each piece", [_calls(look('{"n": ', index=0)), _calls(look("1}", index=0))]),
        ("the whole call again", [_calls(look(one, index=0, id="a"))] * 2),
        ("an object for its JSON", [_calls(look({"n": 1}, index=0, id=7))]),
        ("an empty object first", [_calls(look({}, index=0, id="a")), _calls(go_on(one, index=0))]),
        ("the old form", [{"delta": {"function_call": {"name": "look", "arguments": one}}}]),
        ("no place", [_calls(look('{"n": ', id="a")), _calls(go_on("1}"))]),
    )
    for name, said in pieces:
        yield Row(f"a call: {name}", (_said([*said, stop]),), None, "", calls=both[:1], wires=(CHAT,))
    unnamed = _said([_calls(go_on(one, index=0, id="a")), stop])
    yield Row("a call of nothing", (unnamed,), LLMProtocolError, "", "names no tool", wires=(CHAT,))
    names = [_calls({"index": 0, "function": {"name": name}}) for name in ("look", "go")]
    yield Row("a call with two names", (_said([*names, stop]),), LLMProtocolError, "", wires=(CHAT,))


def _without_reason() -> Iterable[Row]:
    """What `needs_finish_reason=False` accepts, and what it does not."""
    allowed = {"needs_finish_reason": False}
    pieces = [_piece("Hel"), _piece("lo")]
    for name, end in (("the end marker", chat_wire.DONE), ("the count of tokens", chat_wire.USAGE)):
        yield Row(
            f"no reason, but {name}", (_said(pieces, end),), None, "Hello", keywords=allowed, wires=(CHAT,)
        )
        refused = (_said(pieces, end),)
        yield Row(f"only {name}", refused, LLMTruncatedError, "Hello", "5 characters", wires=(CHAT,))
    cut = Row("nothing at the end", (_said(pieces),), LLMTruncatedError, "Hello", wires=(CHAT,))
    yield replace(cut, keywords=allowed)
    for keywords, error in (({"stream": False, **allowed}, None), ({"stream": False}, LLMTruncatedError)):
        whole = (_whole(200, {"choices": [{"message": {"content": "Hello"}}]}),)
        name = f"a whole answer without a reason, {'' if error else 'not '}needed"
        yield Row(name, whole, error, "Hello", keywords=keywords, wires=(CHAT,))


def _bombs() -> Iterable[Row]:
    says = "an event is larger than the limit"
    line = _begun(lambda wire: [b"data: ", *[BIG] * 100, b"\n\n", wire.end])
    yield Row("one event of 100 MB", (line,), LLMProtocolError, says=says)
    lines = _begun(lambda wire: [*[b"data: " + BIG + b"\n"] * 20, b"\n", wire.end])
    yield Row("one event of many lines", (lines,), LLMProtocolError, says=says)
    bomb = _zipped(lambda wire: [b"data: " + BIG * 40, wire.end])
    yield Row("gzip bomb", (bomb,), LLMProtocolError, says=says)


ROWS = (
    *_asked_again(),
    *_refused(),
    *_kept_waiting(),
    *_broken(),
    *_no_answer(),
    *_complete(),
    *_reported(),
    *_failures(),
    *_empty_and_refused(),
    *_nonsense(),
    *_healthy(),
    *_arguments(),
    *_chat_dialects(),
    *_without_reason(),
    *_bombs(),
)
"""All of them."""
