"""An answer, piece by piece and whole, over a real socket, for every provider."""

import asyncio

import pytest

from miniagents import (
    AssistantMessage,
    LLMTruncatedError,
)
from tests.support.sse_server import (
    Script,
    answer,
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


async def test_whole_answer_without_end(wire: Wire) -> None:
    """A whole answer without the terminal marker is truncated too."""
    error = await error_of(wire, answer(200, wire.whole("Hel", None)), stream=False)
    assert isinstance(error, LLMTruncatedError)
    assert error.partial_text == "Hel"


def _bytewise(*events: bytes) -> Script:
    return sse(*(bytes([byte]) for byte in b"".join(events)))


async def test_one_byte_at_a_time(wire: Wire) -> None:
    """Segments of one byte, which split characters, change nothing."""
    good = b"".join(wire.good("Gr", "ok"))
    good = good.replace(b'"Gr"', '"Grüß😀"'.encode())
    assert (await reply_to(wire, _bytewise(good))).text == "Grüß😀ok"
