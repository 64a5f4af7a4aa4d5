"""An answer and the reply that it becomes, over a real socket, for every provider."""

import asyncio
from typing import cast

import pytest
import reactivex as rx

from miniagents import (
    AssistantMessage,
    InquiryCancelledError,
    LLMTruncatedError,
    Usage,
    partial_text,
)
from miniagents.operators import to_async_iter, tokens
from tests.support.sse_server import (
    Script,
    answer,
    hold,
    sse,
    wait,
)
from tests.support.wires import WIRES, Wire, asking, error_of, reply_to

on_each_wire = pytest.mark.parametrize("wire", WIRES, ids=repr)

_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


@on_each_wire
async def test_stream(wire: Wire) -> None:
    """An answer arrives token by token, and its message carries what the provider told about it."""
    go = asyncio.Event()
    begun, events = wire.begun("Hel"), wire.good("Hel", "lo")
    at = events.index(wire.piece("lo")) if wire.piece("lo") in events else len(begun)
    async with asking(wire, sse(*events[:at], wait(go), *events[at:])) as asked:
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


@on_each_wire
async def test_whole_answer(wire: Wire) -> None:
    """Without streaming the answer is one token, with the same data."""
    message = await reply_to(wire, answer(200, wire.whole("Hello")), stream=False)
    assert message.text == "Hello"
    assert message.usage is not None
    assert (message.usage.input_tokens, message.usage.output_tokens) == (7, 3)


@on_each_wire
async def test_whole_answer_without_end(wire: Wire) -> None:
    """A whole answer without the terminal marker is truncated too."""
    error = await error_of(wire, answer(200, wire.whole("Hel", None)), stream=False)
    assert isinstance(error, LLMTruncatedError)
    assert error.partial_text == "Hel"


def _bytewise(*events: bytes) -> Script:
    return sse(*(bytes([byte]) for byte in b"".join(events)))


@on_each_wire
async def test_one_byte_at_a_time(wire: Wire) -> None:
    """Segments of one byte, which split characters, change nothing."""
    good = b"".join(wire.good("Gr", "ok")).replace(b'"Gr', '"Grüß😀'.encode())
    assert (await reply_to(wire, _bytewise(good))).text == "Grüß😀ok"


@on_each_wire
async def test_cancelling_the_replies(wire: Wire) -> None:
    """Cancelling the replies stops the message that is being written; what had arrived stays."""
    async with asking(wire, sse(*wire.begun("Hel"), hold)) as asked:
        replies = asked.inquire()
        async for reply in replies:
            async for first in reply:
                assert first == "Hel"
                break
            replies.cancel()
            with pytest.raises(InquiryCancelledError) as caught:
                await reply
            assert partial_text(caught.value) == "Hel"
            break
        await asked.server.connections[0].gone.wait()


@on_each_wire
async def test_leaving_the_block(wire: Wire) -> None:
    """Leaving the block of the replies stops the model."""
    async with asking(wire, sse(*wire.begun("Hel"), hold)) as asked:
        async with asked.inquire() as replies:
            async for reply in replies:
                async for _ in reply:
                    break
                break
        await asked.server.connections[0].gone.wait()


@on_each_wire
async def test_error_is_of_the_message(wire: Wire) -> None:
    """What goes wrong is an error of the message, after its tokens; the replies themselves end normally."""
    async with asking(wire, sse(*wire.begun("Hel"))) as asked:
        (reply,) = [reply async for reply in asked.inquire()]
        with pytest.raises(LLMTruncatedError) as caught:
            await reply
        assert caught.value.partial_text == "Hel"


@on_each_wire
async def test_known_at_once(wire: Wire) -> None:
    """Model and agent that were asked are known before the answer; the model that answered is in it."""
    async with asking(wire, sse(*wire.good("Hello"))) as asked:
        async for reply in asked.inquire():
            alias = asked.agent.alias
            assert reply.preliminary_metadata == {"model": "model-of-test", "agent_alias": alias}
            assert (await reply).model == "model-of-server"


@on_each_wire
async def test_in_a_pipe(wire: Wire) -> None:
    """In a pipe it is an operator: cold, token by token, and disposing stops the model."""
    async with asking(wire, sse(*wire.good("Hel", "lo")), sse(*wire.begun("Hel"), hold)) as asked:
        pipe = rx.of("Hello").pipe(asked.agent)
        assert asked.server.requests == []
        (reply,) = [reply async for reply in to_async_iter(pipe)]
        assert [token async for token in reply] == ["Hel", "lo"]

        began: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        subscription = pipe.pipe(tokens()).subscribe(began.set_result)
        assert await began == "Hel"
        subscription.dispose()
        await asked.server.connections[-1].gone.wait()


@on_each_wire
@pytest.mark.parametrize("count", [-1, -(10**9), 10**30])
async def test_counts_that_make_no_sense(wire: Wire, count: int) -> None:
    """A count of tokens such as -1, or more than there can be, is not known: it lowers no sum."""
    whole = wire.whole("Hello")
    usage = cast("dict[str, object]", whole["usage"])
    told = {name: count if isinstance(value, int) else value for name, value in usage.items()}
    message = await reply_to(wire, answer(200, whole | {"usage": told}), stream=False)
    counted = message.usage or Usage()
    assert ("Hello", None, None) == (message.text, counted.input_tokens, counted.output_tokens)
