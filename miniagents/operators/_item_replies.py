"""``ItemReplies``: the replies to one item of many, which know their item."""

from typing import Generic, cast

from typing_extensions import TypeVar

from miniagents.core import Message, MessageSequencePromise

Item = TypeVar("Item", covariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Out = TypeVar("Out", bound=Message, covariant=True, default=Message)  # noqa: PLC0105
T = TypeVar("T")
M = TypeVar("M", bound=Message)


class ItemReplies(MessageSequencePromise[Out], Generic[Item, Out]):
    """The replies to one item that :func:`map_agent` has sent to an agent.

    A promise like that of ``inquire``: awaitable, async iterable, an Observable by ``messages``. It raises
    what the inquiry of this item raised.

    Attributes:
        item: what the agent was sent.
        index: the place of the item among all items, from 0.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.operators import map_agent
        >>> @miniagent
        ... async def shout(ctx):
        ...     ctx.reply(str(await ctx.messages).upper())
        >>> async def main():
        ...     async for replies in map_agent(shout)(["a", "b"]):
        ...         print(replies.index, replies.item, await replies)
        >>> MiniAgents().run(main())
        0 a A
        1 b B
    """

    __slots__ = ("index", "item")

    item: Item
    index: int

    @staticmethod
    def to(item: T, index: int, replies: MessageSequencePromise[M]) -> "ItemReplies[T, M]":
        """The promise of an inquiry, with its item; handlers have been told of it already.

        Args:
            item: what the agent was sent.
            index: its place among all items, from 0.
            replies: what the inquiry of it gave.

        Example:
            >>> from miniagents import MessageSequencePromise, MiniAgents
            >>> from miniagents.operators import ItemReplies
            >>> async def main():
            ...     replies = ItemReplies.to("question", 0, MessageSequencePromise("answer"))
            ...     print(replies.item, await replies)
            >>> MiniAgents().run(main())
            question answer
        """
        promise = cast("ItemReplies[T, M]", object.__new__(ItemReplies))
        promise.show_for(item, index, replies)
        return promise

    def show_for(self, item: object, index: int, replies: MessageSequencePromise[Message]) -> None:
        """Become the replies to an item; for classes of rows.

        Args:
            item: what the agent was sent.
            index: its place among all items, from 0.
            replies: what the inquiry of it gave.
        """
        self.take(replies.buffer, announced=False)
        self.item, self.index = cast("Item", item), index
