"""Where an answer ends, and what is healthy, over a real socket, for every provider."""

import asyncio
from collections.abc import Callable

import pytest

from miniagents import (
    AssistantMessage,
    LLMTruncatedError,
)
from tests.support.sse_server import (
    Script,
    answer,
    cut,
    hold,
    raw,
    repeat,
    reset,
    sse,
    wait,
)
from tests.support.wires import WIRES, Wire, asking, error_of, reply_to

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


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
    assert message.model == "model-of-server"
    assert message.finish_reason in {"stop", "end_turn", "completed"}
    assert str(message.response_id).endswith("-1")


async def test_whole_answer(wire: Wire) -> None:
    """Without streaming the answer is one token, with the same data."""
    message = await reply_to(wire, answer(200, wire.whole("Hello")), stream=False)
    assert message.text == "Hello"
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 3)


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


async def test_empty_stream(wire: Wire) -> None:
    """A stream without any event is truncated."""
    assert isinstance(await error_of(wire, sse()), LLMTruncatedError)


async def test_whole_answer_without_end(wire: Wire) -> None:
    """A whole answer without the terminal marker is truncated too."""
    error = await error_of(wire, answer(200, wire.whole("Hel", None)), stream=False)
    assert isinstance(error, LLMTruncatedError)
    assert error.partial_text == "Hel"


async def test_emoji_in_two_halves(wire: Wire) -> None:
    """An emoji whose halves come in two pieces is put together; a half alone becomes U+FFFD."""
    halves = sse(*wire.begun("a\ud83d"), wire.piece("\ude00b\ud83d"), wire.end)
    assert (await reply_to(wire, halves)).text == "a😀b\N{REPLACEMENT CHARACTER}"


def _bytewise(*events: bytes) -> Script:
    return sse(*(bytes([byte]) for byte in b"".join(events)))


def _crlf(data: bytes) -> bytes:
    return data.replace(b"\n", b"\r\n")


def _comments(data: bytes) -> bytes:
    return b": hello\n\n" + data.replace(b"\n\n", b"\n\n: ping\n\n")


def _no_space(data: bytes) -> bytes:
    return data.replace(b"data: ", b"data:")


def _other_fields(data: bytes) -> bytes:
    return b"id: 1\nretry: 10\n" + data


@pytest.mark.parametrize("change", [_crlf, _comments, _no_space, _other_fields])
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
