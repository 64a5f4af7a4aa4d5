"""`miniagents.ext.chat_history` as documented: the class to extend, and the one in memory."""

from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory
from miniagents.messages import Messages


class Counted(InMemoryChatHistory):
    """A history of a user's own, made from the one in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.loads = 0

    @override
    async def load(self) -> Messages:
        self.loads += 1
        return await super().load()


async def test_a_history_of_ones_own() -> None:
    """What a user derives from a history is one, with an agent that uses what was written anew."""
    history = Counted()
    assert isinstance(history, ChatHistory)
    async with MiniAgents():
        assert "one\n\ntwo" == str(await history.agent.inquire(["one", "two"]))
    assert 1 == history.loads


async def test_messages_of_an_inquiry_can_be_appended() -> None:
    """`append` takes anything that is messages, and waits for promises."""
    history = InMemoryChatHistory()
    async with MiniAgents():
        await history.append(InMemoryChatHistory().agent.inquire(["one", {"text": "two"}]))
    assert "one\n\ntwo" == f"{await history.load()}"
