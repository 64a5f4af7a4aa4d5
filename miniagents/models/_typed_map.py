"""A typed agent that is called once for each of many items; each row has its item and its value."""

from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, cast, overload

from pydantic import BaseModel
from reactivex import Observable
from typing_extensions import TypeVar, override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.operators._map_agent import AgentMap, ItemReplies

from ._parsed import ParsedMessage, ParsedReplies

T = TypeVar("T", bound=BaseModel)
Item = TypeVar("Item", covariant=True)  # noqa: PLC0105 - users see these in hints
Row = TypeVar("Row", bound=str | Mapping[str, object] | BaseModel | MessagePromise[Message])


class TypedItemReplies(ItemReplies[Item, ParsedMessage[T]], ParsedReplies[T], Generic[Item, T]):
    """The reply to one item that :func:`map_agent` has sent to a typed agent.

    It has the `item`, its `index`, and all that :class:`ParsedReplies` have: `parsed`, `partials`, `elements`
    and `field`.

    Example:
        >>> from pydantic import BaseModel
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import map_agent
        >>> from miniagents.testing import scripted_model
        >>> class City(BaseModel):
        ...     name: str
        >>> async def main():
        ...     cities = map_agent(scripted_model(then='{"name": "Oslo"}').as_type(City))
        ...     async for row in cities(["the capital of Norway"]):
        ...         print(row.item, (await row.parsed).name)
        >>> MiniAgents().run(main())
        the capital of Norway Oslo
    """

    __slots__ = ()


@dataclass(frozen=True)
class TypedAgentMap(AgentMap[Message, ParsedMessage[T]], Generic[T]):
    """A typed agent that is mapped over items; :func:`map_agent` makes it.

    Attributes:
        answer: the type.

    Example:
        >>> from pydantic import BaseModel
        >>> from miniagents.operators import map_agent
        >>> from miniagents.testing import scripted_model
        >>> class City(BaseModel):
        ...     name: str
        >>> map_agent(scripted_model().as_type(City), concurrency=2).limits.concurrency
        2
    """

    answer: type[T]

    @overload  # type: ignore[override]  # a message is a row, which mypy does not see
    def __call__(self, source: Observable[Row], /) -> Observable[TypedItemReplies[Row, T]]: ...
    @overload
    def __call__(
        self, source: AsyncIterable[Row] | Iterable[Row], /
    ) -> AsyncGenerator[TypedItemReplies[Row, T]]: ...
    @override
    def __call__(  # pyright: ignore[reportIncompatibleMethodOverride] - the same
        self, source: Observable[object] | AsyncIterable[object] | Iterable[object], /
    ) -> Observable[TypedItemReplies[object, T]] | AsyncGenerator[TypedItemReplies[object, T]]:
        """Return the replies to the items of ``source``; see :func:`map_agent`.

        Raises:
            TypeError: ``source`` is a single message, or has no items.
        """
        mapped = super().__call__(cast("Iterable[str]", source))
        return cast("AsyncGenerator[TypedItemReplies[object, T]]", mapped)

    @override
    def _row(
        self, item: object, index: int, replies: MessageSequencePromise[ParsedMessage[T]]
    ) -> TypedItemReplies[object, T]:
        row = cast("TypedItemReplies[object, T]", object.__new__(TypedItemReplies))
        row.show_for(item, index, replies)
        row.read_as(self.answer)
        return row
