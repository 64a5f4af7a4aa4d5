"""A history in memory."""

from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.messages import Message, Messages, UserMessage


async def test_it_keeps_what_it_is_given() -> None:
    """In order, with what was there before; what was loaded earlier does not change."""
    history = InMemoryChatHistory([Message("zero")])
    before = await history.load()
    await history.append("one")
    await history.append(Messages([UserMessage("two"), Message("three")]))
    assert ["zero", "one", "two", "three"] == [message.text for message in await history.load()]
    assert ["zero"] == [message.text for message in before]


async def test_two_are_two() -> None:
    """No history is shared."""
    first, second = InMemoryChatHistory(), InMemoryChatHistory()
    await first.append("one")
    assert () == await second.load()
