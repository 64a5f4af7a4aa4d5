"""The class to extend, and the agent every history has."""

from collections.abc import AsyncIterator, MutableMapping

import pytest
from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext._history._chat_history import finished
from miniagents.ext.chat_history import ChatHistory
from miniagents.messages import Message, Messages, MessageSequencePromise, UserMessage
from miniagents.values import NoActiveContextError


class ListHistory(ChatHistory):
    """What a user would write."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.kept: list[Message] = []

    @override
    async def append(self, messages: Messages) -> None:
        self.calls.append([str(message) for message in messages])
        self.kept += messages

    @override
    async def load(self) -> Messages:
        return Messages(self.kept)


async def _tokens(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
    yield "strea"
    yield "med"


async def _failing(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
    yield "half"
    raise ValueError("the model is gone")


async def test_the_agent_keeps_and_replies() -> None:
    """Each message is kept once it is finished; the reply is the whole, old turns included."""
    history = ListHistory()
    async with MiniAgents():
        await history.agent.inquire("one")
        reply = await history.agent.inquire(["two", Message.promise(_tokens), UserMessage("four")])
        assert ["one", "two", "streamed", "four"] == [message.text for message in reply]
        assert history.kept == list(reply)
        assert () == await ListHistory().agent.inquire()
        assert reply == await history.agent.inquire()
    assert [["one"], ["two"], ["streamed"], ["four"]] == history.calls


async def test_a_failing_message_keeps_what_came_before() -> None:
    """The error reaches the reader; what had come is kept, the failed message and those behind it are not."""
    history = ListHistory()
    async with MiniAgents():
        with pytest.raises(ValueError, match="the model is gone"):
            await history.agent.inquire(["one", Message.promise(_failing), "three"])
        with pytest.raises(ValueError, match="wrong"):
            await history.agent.inquire(["two", ValueError("wrong")])
        assert "one\n\ntwo\n\nthree" == str(await history.agent.inquire("three"))


async def test_messages_in_every_form() -> None:
    """Texts and messages need no context; anything else that is messages works in one."""
    for given in ("a", Message("a"), Messages([Message("a")])):
        assert ["a"] == [str(message) async for message in finished(given)]
    assert [] == [message async for message in finished(Messages())]
    with pytest.raises(NoActiveContextError):
        _ = [message async for message in finished({"text": "a"})]
    async with MiniAgents():
        mixed = MessageSequencePromise(["a", [{"text": "b"}, Message.promise(_tokens)]])
        assert ["a", "b", "streamed"] == [str(message) async for message in finished(mixed)]
        assert [] == [message async for message in finished(None)]


def test_both_methods_must_be_written() -> None:
    """A history without `append` and `load` cannot be made."""
    with pytest.raises(TypeError, match="abstract"):
        ChatHistory()  # type: ignore[abstract]  # what is tested
