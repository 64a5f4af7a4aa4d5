"""The reply of a model agent, until it is complete or nobody wants it."""

import asyncio

import pytest
import reactivex as rx

from miniagents import InquiryCancelledError, LLMTruncatedError, partial_text
from miniagents.operators import to_async_iter, tokens
from tests.support.sse_server import hold, sse
from tests.support.wires import WIRES, Wire, asking

pytestmark = pytest.mark.parametrize("wire", WIRES, ids=repr)


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


async def test_leaving_the_block(wire: Wire) -> None:
    """Leaving the block of the replies stops the model."""
    async with asking(wire, sse(*wire.begun("Hel"), hold)) as asked:
        async with asked.inquire() as replies:
            async for reply in replies:
                async for _ in reply:
                    break
                break
        await asked.server.connections[0].gone.wait()


async def test_error_is_of_the_message(wire: Wire) -> None:
    """What goes wrong is an error of the message, after its tokens; the replies themselves end normally."""
    async with asking(wire, sse(*wire.begun("Hel"))) as asked:
        (reply,) = [reply async for reply in asked.inquire()]
        with pytest.raises(LLMTruncatedError) as caught:
            await reply
        assert caught.value.partial_text == "Hel"


async def test_known_at_once(wire: Wire) -> None:
    """Model and agent that were asked are known before the answer; the model that answered is in it."""
    async with asking(wire, sse(*wire.good("Hello"))) as asked:
        async for reply in asked.inquire():
            alias = asked.agent.alias
            assert reply.preliminary_metadata == {"model": "model-of-test", "agent_alias": alias}
            assert (await reply).model == "model-of-server"


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
