"""What the wire does to an answer, over a real socket and through the real SDKs, for every provider."""

import asyncio
import gc
import re
from collections.abc import Callable

import pytest

from miniagents import (
    AssistantMessage,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MessageSequencePromise,
    MiniAgents,
)
from tests.support.sse_server import Script, answer, cut, hold, raw, refused_url, repeat, reset, serve, sse, wait
from tests.support.wires import ANTHROPIC, CHAT, KEY, WIRES, Wire, asking, reply_to

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)

ENOUGH = 0.1
"""Seconds within which a connection must be released."""

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


async def error_of(wire: Wire, script: Script, **keywords: object) -> LLMError:
    """Return the error that the agent ends with; it may not show the key, nor be longer than a paragraph."""
    with pytest.raises(LLMError) as caught:
        await reply_to(wire, script, **keywords)
    error = caught.value
    assert error.provider == wire.name
    assert error.model == "model-of-test"
    assert KEY not in f"{error} {error!r} {error.__cause__} {error.__cause__!r}"
    return error


async def test_stream(wire: Wire) -> None:
    """An answer arrives token by token, and its message carries what the provider told about it."""
    go = asyncio.Event()
    first, second, *rest = wire.begun("Hel")[-1], wire.piece("lo"), *wire.good()[-3:]
    begun = wire.begun("Hel")[:-1]
    async with asking(wire, sse(*begun, first, wait(go), second, *rest)) as asked:
        replies = asked.inquire()
        tokens: list[str] = []
        async for reply in replies:
            async for token in reply:
                tokens.append(token)
                go.set()  # the second token is not even sent before the first one is here
        (message,) = await replies
    assert tokens == ["Hel", "lo"]
    assert isinstance(message, AssistantMessage)
    assert message.text == "Hello"
    known: dict[str, object] = dict(message.model_extra or {})
    assert known["model"] == "model-of-server"
    assert known["finish_reason"] in {"stop", "end_turn"}
    assert str(known["response_id"]).endswith("-1")


async def test_whole_answer(wire: Wire) -> None:
    """Without streaming the answer is one token, with the same data."""
    message = await reply_to(wire, answer(200, wire.whole("Hello")), stream=False)
    assert message.text == "Hello"
    assert dict(message.model_extra or {})["usage"] == {"input_tokens": 7, "output_tokens": 3}


async def test_truncated_at_every_event(wire: Wire) -> None:
    """A stream that ends cleanly before its terminal marker is truncated, wherever it ends."""
    events = wire.good("Hel", "lo")
    last = events.index(wire.end)
    async with asking(wire, *(sse(*events[:count]) for count in range(last + 1))) as asked:
        for count in range(last + 1):
            with pytest.raises(LLMTruncatedError) as caught:
                await asked.inquire()
            text = "".join(text for text in ("Hel", "lo") if wire.piece(text) in events[:count])
            assert caught.value.partial_text == text


async def test_cut_between_bytes(wire: Wire) -> None:
    """A stream that ends cleanly at any byte is truncated or complete, never complete with text missing."""
    data = b"".join(wire.good("Hel", "lo"))
    offsets = range(1, len(data), 17)
    async with asking(wire, *(sse(data[:offset]) for offset in offsets)) as asked:
        for offset in offsets:
            try:
                (message,) = await asked.inquire()
            except LLMTruncatedError as error:
                assert "Hello".startswith(error.partial_text)
            except LLMProtocolError as error:  # half of an event's JSON
                assert "Hello".startswith(error.partial_text)
            else:
                assert message.text == "Hello"
                assert offset > data.index(wire.end)


@pytest.mark.parametrize("end", [cut, reset])
async def test_broken_in_the_middle(wire: Wire, end: Script) -> None:
    """A connection that breaks is a connection error, with the text that had arrived."""
    error = await error_of(wire, sse(*wire.begun("Hel"), end))
    assert isinstance(error, LLMConnectionError)
    assert error.partial_text == "Hel"


@pytest.mark.parametrize("how", [reset, hold, cut])
async def test_complete_whatever_comes_after(wire: Wire, how: Script) -> None:
    """After the terminal marker the message is complete, whatever the connection does then."""
    message = await reply_to(wire, sse(*wire.begun("Hello"), wire.end, how), stall_timeout=0.2)
    assert message.text == "Hello"


async def test_data_after_the_end(wire: Wire) -> None:
    """What comes after the terminal marker is not text, not even an error."""
    script = sse(*wire.begun("Hello"), wire.end, wire.piece(" and more"), wire.malformed(b"{nonsense"))
    message = await reply_to(wire, script)
    assert message.text == "Hello"


async def test_endless_after_the_end(wire: Wire) -> None:
    """A stream that goes on for ever after the terminal marker does not hold the message up."""
    message = await reply_to(
        wire, sse(*wire.begun("Hello"), wire.end, repeat(wire.piece("x"), 0.01)), stall_timeout=0.2
    )
    assert message.text == "Hello"


async def test_no_answer(wire: Wire) -> None:
    """A server that says nothing is given up after `first_token_timeout`."""
    error = await error_of(wire, raw(hold), first_token_timeout=0.1)
    assert isinstance(error, LLMTimeoutError)
    assert "first_token_timeout" in str(error)


@pytest.mark.parametrize("silent", [True, False])
async def test_stall(wire: Wire, silent: bool) -> None:
    """A stall in the middle is given up after `stall_timeout`; comments, pings and empty events do not feed it."""
    how = hold if silent else repeat(wire.idle, 0.01)
    error = await error_of(wire, sse(*wire.begun("Hel"), how), stall_timeout=0.15)
    assert isinstance(error, LLMTimeoutError)
    assert "stall_timeout" in str(error)
    assert error.partial_text == "Hel"


async def test_keep_alives_before_the_first_token(wire: Wire) -> None:
    """A server that only keeps the connection alive is given up after `first_token_timeout`."""
    error = await error_of(wire, sse(repeat(wire.idle, 0.01)), first_token_timeout=0.15)
    assert "first_token_timeout" in str(error)


async def test_total_timeout(wire: Wire) -> None:
    """A stream that goes on for ever is given up after `total_timeout`."""
    script = sse(*wire.begun("x"), repeat(wire.piece("x"), 0.01))
    error = await error_of(wire, script, total_timeout=0.3)
    assert isinstance(error, LLMTimeoutError)
    assert "total_timeout" in str(error)
    assert set(error.partial_text) == {"x"}


async def test_total_timeout_of_a_whole_answer(wire: Wire) -> None:
    """Without streaming `total_timeout` alone bounds the call."""
    error = await error_of(wire, raw(hold), stream=False, total_timeout=0.1, first_token_timeout=0.01)
    assert "total_timeout" in str(error)


async def test_error_event(wire: Wire) -> None:
    """An error event in the middle is a status error with the provider's own type."""
    error = await error_of(wire, sse(*wire.begun("Hel"), wire.error("overloaded_error")))
    assert isinstance(error, LLMStatusError)
    assert "overloaded_error: It is too much." in str(error)
    assert error.partial_text == "Hel"
    assert error.status is None


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 529])
async def test_status(wire: Wire, status: int) -> None:
    """An error status is a status error with the request's id, and a key that the server echoes is covered."""
    body = {"type": "error", "error": {"type": "some_error", "message": f"Wrong key: {KEY}"}}
    error = await error_of(wire, answer(status, body, {wire.request_id: "req-9"}))
    assert isinstance(error, LLMStatusError)
    assert error.status == status
    assert error.request_id == "req-9"
    assert error.attempts == 1
    assert "some_error: Wrong key: [redacted]" in str(error)


async def test_refused(wire: Wire) -> None:
    """An address where nobody listens is a connection error that names it."""
    url = refused_url()
    error = await error_of(wire, hold, base_url=url)
    assert isinstance(error, LLMConnectionError)
    assert url.removeprefix("http://") in str(error)


@pytest.mark.parametrize("script", [raw(b""), raw(reset)])
async def test_closed_before_the_answer(wire: Wire, script: Script) -> None:
    """A connection that is closed without an answer is a connection error."""
    assert isinstance(await error_of(wire, script), LLMConnectionError)


@pytest.mark.parametrize("stream", [True, False])
async def test_html(wire: Wire, stream: bool) -> None:
    """A page of HTML is no answer."""
    page = answer(200, b"<html>Welcome to the proxy</html>", content_type="text/html")
    assert isinstance(await error_of(wire, page, stream=stream), LLMProtocolError)


async def test_json_instead_of_a_stream(wire: Wire) -> None:
    """A whole JSON body where a stream was asked for is no answer, and the error says what it was."""
    error = await error_of(wire, answer(200, wire.whole("Hello")))
    assert isinstance(error, LLMProtocolError)
    assert "application/json" in str(error)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"{nonsense", b'{"content": 5, "choices": 5}'])
async def test_json_that_is_no_answer(wire: Wire, body: bytes) -> None:
    """A body that is not what the protocol says is no answer."""
    assert isinstance(await error_of(wire, answer(200, body), stream=False), LLMProtocolError)


async def test_empty_stream(wire: Wire) -> None:
    """A stream without any event is truncated."""
    assert isinstance(await error_of(wire, sse()), LLMTruncatedError)


async def test_whole_answer_without_end(wire: Wire) -> None:
    """A whole answer without the terminal marker is truncated too."""
    error = await error_of(wire, answer(200, wire.whole("Hel", None)), stream=False)
    assert isinstance(error, LLMTruncatedError)
    assert error.partial_text == "Hel"


@pytest.mark.parametrize("data", [b"{nonsense", b"null", b"[1]", b'"text"', b"7", b"\xff\xfe", b"{}{}"])
async def test_malformed_event(wire: Wire, data: bytes) -> None:
    """An event that is no JSON, no UTF-8 or no object breaks the protocol; what had arrived is kept."""
    error = await error_of(wire, sse(*wire.begun("Hel"), wire.malformed(data), wire.end))
    assert isinstance(error, LLMProtocolError)
    assert error.partial_text == "Hel"


@pytest.mark.parametrize("text", [5, ["a"], {"a": "b"}, True])
async def test_text_of_another_type(wire: Wire, text: object) -> None:
    """A piece of text that is no text breaks the protocol."""
    error = await error_of(wire, sse(*wire.begun("Hel"), wire.piece(text), wire.end))
    assert isinstance(error, LLMProtocolError)
    assert error.partial_text == "Hel"


async def test_emoji_in_two_halves(wire: Wire) -> None:
    """An emoji whose halves come in two pieces is put together; a half alone becomes U+FFFD."""
    halves = sse(*wire.begun("a\ud83d"), wire.piece("\ude00b\ud83d"), wire.end)
    assert (await reply_to(wire, halves)).text == "a😀b\N{REPLACEMENT CHARACTER}"


def _bytewise(*events: bytes) -> Script:
    return sse(*(bytes([byte]) for byte in b"".join(events)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda data: data.replace(b"\n", b"\r\n"), id="CRLF"),
        pytest.param(lambda data: b": hello\n\n" + data.replace(b"\n\n", b"\n\n: ping\n\n"), id="comments"),
        pytest.param(lambda data: data.replace(b"data: ", b"data:"), id="no space"),
        pytest.param(lambda data: b"id: 1\nretry: 10\n" + data, id="other fields"),
    ],
)
async def test_healthy_forms(wire: Wire, change: Callable[[bytes], bytes]) -> None:
    """Every form that the event stream format allows is healthy."""
    message = await reply_to(wire, sse(change(b"".join(wire.good("Grüße", " 😀")))))
    assert message.text == "Grüße 😀"


async def test_one_byte_at_a_time(wire: Wire) -> None:
    """Segments of one byte, which split characters, change nothing."""
    good = b"".join(wire.good("Gr", "ok"))
    good = good.replace(b'"Gr"', '"Grüß😀"'.encode())
    assert (await reply_to(wire, _bytewise(good))).text == "Grüß😀ok"


async def test_unknown_events(wire: Wire) -> None:
    """Events of types that nobody knows yet are passed over."""
    unknown = b'event: news\ndata: {"type": "news", "object": "news", "n": 1}\n\n'
    message = await reply_to(wire, sse(*wire.begun("He"), unknown, wire.piece("llo"), unknown, wire.end))
    assert message.text == "Hello"


async def test_no_length(wire: Wire) -> None:
    """A body that ends with the connection is complete if it has the terminal marker, and else truncated."""
    head = _HEAD + b"Connection: close\r\n\r\n"
    assert (await reply_to(wire, raw(head, *wire.good("Hello")))).text == "Hello"
    error = await error_of(wire, raw(head, *wire.begun("Hel")))
    assert isinstance(error, LLMTruncatedError)


async def test_lying_length(wire: Wire) -> None:
    """A body that is shorter than it said is a connection error."""
    error = await error_of(wire, raw(_HEAD + b"Content-Length: 99999\r\n\r\n", *wire.begun("Hel")))
    assert isinstance(error, LLMConnectionError)


def _cancelled(replies: MessageSequencePromise[AssistantMessage]) -> None:
    replies.cancel()


def _dropped(replies: MessageSequencePromise[AssistantMessage]) -> None:
    pass


@pytest.mark.parametrize("leave", [_cancelled, _dropped])
async def test_released(
    wire: Wire, leave: Callable[[MessageSequencePromise[AssistantMessage]], None]
) -> None:
    """Cancelling, and dropping what was read, release the connection at once."""
    async with asking(wire, sse(*wire.begun("Hel"), hold)) as asked:
        replies = asked.inquire()
        async for reply in replies:
            async for _ in reply:
                break
            break
        left_at = asyncio.get_running_loop().time()
        leave(replies)
        del replies, reply
        gc.collect()
        (connection,) = asked.server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - left_at < ENOUGH


async def test_released_before_the_answer(wire: Wire) -> None:
    """Cancelling while the server has not said anything yet releases the connection at once."""
    arrived = asyncio.Event()

    async def script(exchange: object) -> None:
        arrived.set()
        await hold(exchange)  # type: ignore[arg-type]  # it is an Exchange

    async with asking(wire, script) as asked:
        replies = asked.inquire()
        await arrived.wait()
        left_at = asyncio.get_running_loop().time()
        replies.cancel()
        (connection,) = asked.server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - left_at < ENOUGH


async def test_released_by_an_error(wire: Wire) -> None:
    """An error in the stream releases the connection at once, also if the server holds on to it."""
    async with asking(wire, sse(*wire.begun("Hel"), wire.malformed(b"{nonsense"), hold)) as asked:
        with pytest.raises(LLMProtocolError):
            await asked.inquire()
        ended_at = asyncio.get_running_loop().time()
        (connection,) = asked.server.connections
        await connection.gone.wait()
        assert connection.gone_at is not None
        assert connection.gone_at - ended_at < ENOUGH


async def test_connection_is_used_again(wire: Wire) -> None:
    """A second inquiry goes over the connection of the first one, which was read to its end."""
    async with asking(wire, sse(*wire.good("Hello"))) as asked:
        await asked.inquire()
        await asked.inquire()
        assert len(asked.server.requests) == 2
        assert len(asked.server.connections) == 1


async def test_context_ends_by_an_error(wire: Wire) -> None:
    """A context that is left by an error cancels the call and closes the connection."""
    async with serve(sse(*wire.begun("Hel"), hold)) as server:
        with pytest.raises(ZeroDivisionError):
            async with MiniAgents():
                settings: dict[str, object] = {"model": "m", "base_url": server.url + wire.path, "api_key": KEY}
                async for reply in wire.agent.fork(**settings).inquire("Hello"):
                    async for _ in reply:
                        raise ZeroDivisionError
        await server.connections[0].gone.wait()


async def test_slow_reader(wire: Wire) -> None:
    """While its reader holds a stream back, the clock stands still."""
    async with serve(sse(*wire.begun(*"abcdefgh"), wire.end)) as server:
        async with MiniAgents(prefetch=1):
            settings: dict[str, object] = {"model": "m", "base_url": server.url + wire.path, "api_key": KEY}
            agent = wire.agent.fork(**settings, stall_timeout=0.2, total_timeout=0.2)
            (message,) = await agent.inquire("Hello")
            never = asyncio.Event()
            text = ""
            async for reply in agent.inquire("Hello"):
                async for token in reply:
                    if token in "bf":
                        with pytest.raises(TimeoutError):
                            await asyncio.wait_for(never.wait(), 0.25)
                    text += token
    assert message.text == text == "abcdefgh"


def test_wires_are_told_apart(wire: Wire) -> None:
    """The two wires of these tests are really two."""
    assert CHAT.name != ANTHROPIC.name
    assert re.fullmatch("openai|anthropic", wire.name)
