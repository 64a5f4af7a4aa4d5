"""`identity` changes nothing."""

import asyncio

import pytest

from miniagents import MessageSequencePromise, MiniAgents, UserMessage, identity
from tests.support.speakers import Speaker, heard

OUT_OF_IDEAS = ValueError("out of ideas")


async def test_the_same_messages() -> None:
    """It replies the very messages, of whatever class."""
    message = UserMessage("x", parts=["x"])
    async with MiniAgents():
        (reply,) = await identity.inquire(message)
        assert reply is message
        assert len(await identity.inquire()) == 0


@pytest.mark.loop(virtual=True)
async def test_it_streams() -> None:
    """A token is there as it comes, not with the next one."""
    async with MiniAgents():
        reply = await anext(aiter(identity.inquire(Speaker("A", ["one", 60.0, "two"]).agent.inquire())))
        assert await anext(aiter(reply)) == "one"
        assert asyncio.get_running_loop().time() == 0


async def test_the_same_end() -> None:
    """It fails as its input fails: a message in its place, the whole at its end."""
    async with MiniAgents():
        failing = Speaker("A", ["half", OUT_OF_IDEAS], "after", OUT_OF_IDEAS).agent
        expected = [("half", OUT_OF_IDEAS), ("after",), OUT_OF_IDEAS]
        assert await heard(identity.inquire(failing.inquire())) == expected
        assert await heard((failing | identity).inquire()) == expected


async def test_an_open_input() -> None:
    """It replies while its input is still open."""
    async with MiniAgents():
        call = identity.initiate_inquiry().send_message("one")
        replies: MessageSequencePromise = call.reply_sequence(finish_call=False)
        assert str(await anext(aiter(replies))) == "one"
        call.finish()
        assert len(await replies) == 1
