"""A typed answer: the message that it comes in, and the replies of who gives it."""

from collections.abc import AsyncIterable, Callable, Iterable
from typing import Generic, overload

from pydantic import BaseModel
from typing_extensions import TypeVar

from miniagents.core import AssistantMessage, MessageSequencePromise, Promise

from ._incremental import Elements, FieldTokens, PartialAnswers, field_of

__all__ = ["ParsedMessage", "ParsedReplies"]

T = TypeVar("T", bound=BaseModel)
T_co = TypeVar("T_co", bound=BaseModel, covariant=True)
E = TypeVar("E")


class ParsedMessage(AssistantMessage, Generic[T_co], deferred=True):
    """What a model says when it is asked for a type: its text is the JSON.

    Attributes:
        parsed: the answer.

    Example:
        >>> from pydantic import BaseModel
        >>> class City(BaseModel):
        ...     name: str
        >>> ParsedMessage[City]('{"name": "Oslo"}', parsed=City(name="Oslo")).parsed.name
        'Oslo'
    """

    parsed: T_co


class ParsedReplies(MessageSequencePromise["ParsedMessage[T]"], Generic[T]):
    """The reply of a model that was asked for a type: one :class:`ParsedMessage`, read as it comes.

    `partials`, `elements` and `field` read the tokens while they stream. Each iteration begins at the first
    one and keeps nothing; reading all costs linear time. When the answer did not fit and was given anew,
    partials go on with the new one; elements and texts that were handed out already must be the same in it,
    else it is an error. An error of the answer comes after what came before it.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> from pydantic import BaseModel
        >>> class Trip(BaseModel):
        ...     title: str
        ...     cities: list[str] = []
        >>> model = scripted_model(['{"title": "No', 'rth", "cities": ["Oslo",', '"Bodø"]}'])
        >>> async def main():
        ...     trip = model.as_type(Trip).inquire("Plan a trip.")
        ...     print([len(partial.cities) async for partial in trip.partials])
        ...     print([city async for city in trip.elements(lambda answer: answer.cities)])
        ...     print([token async for token in trip.field("title")])
        ...     print((await trip.final).parsed, (await trip.parsed).title)
        >>> MiniAgents().run(main())
        [0, 1, 2]
        ['Oslo', 'Bodø']
        ['No', 'rth']
        title='North' cities=['Oslo', 'Bodø'] North
    """

    # No slots: a class that derives from this and from another one with slots of its own could not have both.
    _model: type[T]

    @classmethod
    def of_model(
        cls, replies: "MessageSequencePromise[ParsedMessage[T]]", model: type[T]
    ) -> "ParsedReplies[T]":
        """Another view of the same replies; handlers are told of the first one only.

        Args:
            replies: those of a typed agent.
            model: the type of the answer.
        """
        view = cls.__new__(cls)
        view.take(replies.buffer, announced=False)
        view.read_as(model)
        return view

    def read_as(self, model: type[T]) -> None:
        """Know the type of the answer; for classes of replies.

        Args:
            model: the type.
        """
        self._model = model

    @property
    def parsed(self) -> Promise[T]:
        """The answer itself, when it is there.

        Raises:
            TypedAnswerError: when awaited: it does not fit, also after the repairs.
        """

        async def parsed() -> T:
            return (await self.final).parsed

        return Promise(parsed)

    @property
    def partials(self) -> AsyncIterable[T]:
        """The answer as far as it has come, each time that more of it is there.

        Each is of the right types: of a text there is what has come, a text or list that has not begun is
        empty, and a required number, which has no beginning, must be there first. What is complete is
        validated. The last one is the whole answer. Of large answers not each token makes a partial.
        """
        return PartialAnswers(self, self._model)

    @overload
    def elements(self, field: str) -> AsyncIterable[object]: ...
    @overload
    def elements(self, field: Callable[[T], Iterable[E] | None]) -> AsyncIterable[E]: ...
    def elements(self, field: str | Callable[[T], Iterable[E] | None]) -> AsyncIterable[object]:
        """The elements of a list, each when it is complete, validated.

        Args:
            field: of the list: ``lambda answer: answer.cities``, which type checkers understand, or its name.

        Raises:
            SchemaError: there is no such field, or it is no list.
            TypedAnswerError: when iterated: an element that was handed out is another one in the repaired
                answer.
        """
        return Elements(self, field_of(self._model, field), self._model)

    def field(self, field: str | Callable[[T], str | None]) -> AsyncIterable[str]:
        """The text of a field, piece by piece as it comes.

        Args:
            field: ``lambda answer: answer.title``, or its name.

        Raises:
            SchemaError: there is no such field, or it is no text.
            TypedAnswerError: when iterated: a text that was handed out is another one in the repaired answer.
        """
        return FieldTokens(self, field_of(self._model, field), self._model)
