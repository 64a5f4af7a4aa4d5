"""``map_agent``: inquires an agent for each item, a limited number at once; each result has its item."""

from collections.abc import AsyncGenerator, AsyncIterable, Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, cast, overload

from pydantic import BaseModel
from reactivex import Observable
from typing_extensions import TypeVar

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._message import message_buffers
from miniagents.streams import Overflow
from miniagents.streams._adapters import results_of_calls
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._concurrent_map import ConcurrencyLimits, map_concurrently
from miniagents.streams._context import Context
from miniagents.streams._demand import UNBOUNDED

Item = TypeVar("Item", covariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Out = TypeVar("Out", bound=Message, covariant=True, default=Message)  # noqa: PLC0105
T = TypeVar("T")
M = TypeVar("M", bound=Message)


class ItemReplies(MessageSequencePromise[Out], Generic[Item, Out]):
    """The replies to one item that :func:`map_agent` has sent to an agent.

    A promise like that of ``inquire``: awaitable, async iterable, and an Observable through ``messages``. Its
    errors are those of the inquiry of this item.

    Attributes:
        item: what the agent was sent.
        index: the number of the item among all items, from 0.

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
        """Return the promise of an inquiry with its item. Handlers do not get it a second time.

        Args:
            item: what the agent was sent.
            index: its place among all items, from 0.
            replies: what the inquiry of it gave.

        Example:
            >>> from miniagents import MessageSequencePromise, MiniAgents
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
        """Make this the replies to an item; for subclasses.

        Args:
            item: what the agent was sent.
            index: its place among all items, from 0.
            replies: what the inquiry of it gave.
        """
        self.take(replies.buffer, announced=False)
        self.item, self.index = cast("Item", item), index


In = TypeVar("In", bound=Message, contravariant=True)  # noqa: PLC0105 - users see these in hints; short is readable there
Row = TypeVar("Row", bound=str | Mapping[str, object] | BaseModel | MessagePromise[Message])

_ONE: tuple[type[object], ...] = (str, Mapping, BaseModel)  # these are iterables, but each is one item


class Inquired(Protocol[In, Out]):
    """The type of an agent that can be mapped over items: one that needs nothing but messages.

    A protocol, because agents are in a layer above operators.

    Example:
        >>> from miniagents import MiniAgent, miniagent
        >>> @miniagent
        ... async def translate(ctx, language: str): ...
        >>> to_german: Inquired = translate.bind(language="German")
    """

    def inquire(self, messages: MessageSequencePromise[In], /) -> MessageSequencePromise[Out]:
        """Inquire the agent and return its replies.

        Args:
            messages: the messages to send.
        """
        ...


A = TypeVar("A", bound=Message)
B = TypeVar("B", bound=Message)
K = TypeVar("K")
Dropped = TypeVar("Dropped")
Map_co = TypeVar("Map_co", covariant=True)


class MapsItself(Protocol[Map_co]):
    """An agent with an ``AgentMap`` of its own, whose results have what its replies have.

    Example:
        >>> from pydantic import BaseModel
        >>> from miniagents.operators import map_agent
        >>> from miniagents.testing import scripted_model
        >>> class City(BaseModel):
        ...     name: str
        >>> type(map_agent(scripted_model().as_type(City))).__name__
        'TypedAgentMap'
    """

    def __map_agent__(self, limits: ConcurrencyLimits, overflow: Overflow | None, /) -> Map_co:
        """Return the object that maps it over items.

        Args:
            limits: how many items run at once, in which order results come, and what an item that fails does.
            overflow: how many unread items of an Observable are kept, and what happens to one more.
        """
        ...


@dataclass(frozen=True, slots=True)
class AgentMap(Generic[A, B]):
    """An agent mapped over items; what :func:`map_agent` returns.

    Attributes:
        agent: the agent to inquire.
        limits: how many items run at once, in which order results come, and what an item that fails does.
        overflow: how many unread items of an Observable are kept, and what happens to one more.

    Example:
        >>> from miniagents import miniagent
        >>> from miniagents.operators import map_agent
        >>> @miniagent
        ... async def shout(ctx):
        ...     ctx.reply(str(await ctx.messages).upper())
        >>> map_agent(shout, concurrency=2).limits.concurrency
        2
    """

    agent: Inquired[A, B]
    limits: ConcurrencyLimits
    overflow: Overflow | None

    # An agent that takes any message takes any `MessageType`; any other agent takes its own classes only.
    @overload
    def __call__(
        self: "AgentMap[Message, B]", source: Observable[Row], /
    ) -> Observable[ItemReplies[Row, B]]: ...
    @overload
    def __call__(
        self: "AgentMap[Message, B]", source: AsyncIterable[Row] | Iterable[Row], /
    ) -> AsyncGenerator[ItemReplies[Row, B]]: ...
    @overload
    def __call__(self, source: Observable[A], /) -> Observable[ItemReplies[A, B]]: ...
    @overload
    def __call__(
        self, source: Observable[MessagePromise[A]], /
    ) -> Observable[ItemReplies[MessagePromise[A], B]]: ...
    @overload
    def __call__(self, source: AsyncIterable[A] | Iterable[A], /) -> AsyncGenerator[ItemReplies[A, B]]: ...
    @overload
    def __call__(
        self, source: AsyncIterable[MessagePromise[A]] | Iterable[MessagePromise[A]], /
    ) -> AsyncGenerator[ItemReplies[MessagePromise[A], B]]: ...
    def __call__(
        self, source: Observable[object] | AsyncIterable[object] | Iterable[object], /
    ) -> Observable[ItemReplies[object, B]] | AsyncGenerator[ItemReplies[object, B]]:
        """Map the agent over the items of ``source``; see :func:`map_agent`.

        Raises:
            TypeError: the source is a single message, or has no items.
        """
        if isinstance(source, Observable):
            return results_of_calls(source, self.limits.concurrency, self.overflow, self.read)
        if isinstance(source, AsyncIterable):
            return self.read(source)
        return self.read(_lazily(_checked(source)))

    def read(self, source: AsyncIterable[object]) -> AsyncGenerator[ItemReplies[object, B]]:
        """Yield the replies to each item of an async iterable; an item that is not a message gives an error.

        Args:
            source: iterated once, beginning when the first result is requested.

        Example:
            >>> from miniagents import MiniAgents, miniagent
            >>> from miniagents.operators import map_agent
            >>> @miniagent
            ... async def echo(ctx):
            ...     ctx.reply(ctx.messages)
            >>> async def rows():
            ...     yield "a"
            ...     yield 1
            >>> async def main():
            ...     async for replies in map_agent(echo).read(rows()):
            ...         try:
            ...             print(await replies)
            ...         except TypeError as error:
            ...             print(f"{replies.item} is wrong")
            >>> MiniAgents().run(main())
            a
            1 is wrong
        """
        name = f"map_agent({getattr(self.agent, 'alias', type(self.agent).__name__)})"
        return map_concurrently(source, self._ask, self.limits, name, _messages_of)

    def _ask(self, item: object, index: int) -> ItemReplies[object, B]:
        try:
            replies = self.agent.inquire(
                cast("MessageSequencePromise[A]", item)
            )  # or any other type that an agent takes
        except Exception as error:  # noqa: BLE001 - it is the error of this item
            buffer: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(Context.current())
            buffer.fail(error)
            replies = cast("MessageSequencePromise[B]", MessageSequencePromise.over(buffer))
        return self._row(item, index, replies)

    def _row(self, item: object, index: int, replies: MessageSequencePromise[B]) -> ItemReplies[object, B]:
        """Return the replies to one item."""
        return ItemReplies[object, B].to(item, index, replies)


def _messages_of(sequence: ReplayBuffer[object]) -> list[ReplayBuffer[object]]:
    """Return the messages of a sequence that has ended; none of them waits for a reader any more."""
    parts = message_buffers(cast("ReplayBuffer[MessagePromise[Message]]", sequence))
    for part in parts:
        part.request(UNBOUNDED, waiting=True)
    return parts


def _checked(source: object) -> Iterable[object]:
    kind = type(source).__name__
    if isinstance(source, Iterable) and not isinstance(source, _ONE):
        return cast("Iterable[object]", source)
    raise TypeError(
        f"map_agent was given a value of type {kind}; it inquires the agent once for each item "
        "of an Observable, an iterable or an async iterable. For one value use agent.inquire(...)."
    )


async def _lazily(items: Iterable[object]) -> AsyncGenerator[object]:
    for item in items:
        yield item


def map_agent(
    agent: MapsItself[Map_co],
    concurrency: int = 8,
    ordered: bool = True,
    *,
    on_error: Literal["keep_going", "stop"] = "keep_going",
    key: Callable[[K], Hashable] | None = None,
    overflow: Overflow[Dropped] | None = None,
) -> Map_co:
    """``Observable[In] -> Observable[ItemReplies[In, Out]]``: inquire the agent once for each item.

    Use it in a ``pipe``, or call it with an iterable or async iterable to get an async generator.

    * When does it start? At the first result that is requested.
    * How often? Once per reader.
    * What is kept? At most ``concurrency`` running items, with unread results ``prefetch``.
    * What does ``break`` do? It closes the source and cancels what runs.
    * When does an error come? When the replies of its item are read.

    Args:
        agent: its keywords must all have values; see ``bind``.
        concurrency: how many items may run at once.
        ordered: False: as they end.
        on_error: ``"stop"``: the first error ends all.
        key: items with the same key run in turn.
        overflow: how many unread items are kept.

    Raises:
        ValueError, TypeError: an argument does not fit.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     async for replies in map_agent(scripted_model("Yes."))(["One?"]):
        ...         print(replies.item, await replies)
        >>> MiniAgents().run(main())
        One? Yes.
    """
    if not callable(getattr(agent, "inquire", None)):
        raise TypeError(
            f"map_agent was given a value of type {type(agent).__name__} as its agent; give it an agent."
        )
    if on_error not in {"keep_going", "stop"}:
        raise ValueError(f"on_error is {on_error!r}; it is 'keep_going' or 'stop'.")
    if key is not None and not callable(cast("object", key)):
        raise TypeError(f"key is {key!r}; it is a function of an item.")
    lanes = cast("Callable[[object], Hashable] | None", key)
    limits = ConcurrencyLimits(concurrency=concurrency, ordered=ordered, stop=on_error == "stop", key=lanes)
    of_any = cast("Overflow | None", overflow)
    if hasattr(agent, "__map_agent__"):
        return agent.__map_agent__(limits, of_any)
    # An object that is not an agent of this library but can be inquired.
    return cast("Map_co", AgentMap(cast("Inquired[Message, Message]", agent), limits, of_any))
