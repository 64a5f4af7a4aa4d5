"""`ItemReplies`: the replies to one item of many, which know their item."""

from miniagents import Message, MessageSequencePromise, MiniAgents, Promise
from miniagents.operators import ItemReplies


async def test_it_is_the_promise_with_its_item() -> None:
    """It shows the stream of the promise it is made of, and knows the item and its place."""
    async with MiniAgents():
        promise = MessageSequencePromise(["a", "b"])
        replies = ItemReplies.to("question", 7, promise)
        assert ("question", 7) == (replies.item, replies.index)
        assert await promise == await replies
        assert isinstance(replies, MessageSequencePromise)


async def test_it_is_taken_where_messages_are() -> None:
    """It can be given wherever messages are taken."""
    async with MiniAgents():
        replies = ItemReplies.to(1, 0, MessageSequencePromise("a"))
        assert "a" == str(await MessageSequencePromise([replies]))


async def test_handlers_are_told_once() -> None:
    """What has been announced is not announced again because it has an item."""
    told: list[object] = []

    async def tell(promise: Promise[object], result: object) -> None:
        told.append(result)

    async with MiniAgents(on_promise_resolved=tell):
        replies = ItemReplies.to("question", 0, MessageSequencePromise(Message("a")))
        await replies
    assert [Message("a"), (Message("a"),)] == told
