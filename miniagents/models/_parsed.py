"""A typed answer: its message, the replies that bring it, and what can be read while it streams."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Generic, cast, overload

from pydantic import BaseModel
from typing_extensions import TypeVar, override

from miniagents.core import (
    AssistantMessage,
    MessageSequencePromise,
    Promise,
    ReplayBuffer,
    Stream,
    TokenStream,
)

from ._errors import SchemaError
from ._parsed_streams import ListField, TextField, write_elements, write_field, write_partials

__all__ = ["ParsedMessage", "ParsedReplies", "field_of"]

T = TypeVar("T", bound=BaseModel)


class _ParsedAnswer(Promise[T], Generic[T]):
    """The value of the final message, as a view of that: nothing is started for it."""

    __slots__ = ("_final",)

    _final: "Promise[ParsedMessage[T]]"

    @classmethod
    def of_final(cls, final: "Promise[ParsedMessage[T]]") -> "_ParsedAnswer[T]":
        """The value of a promised message."""
        promise = cls.quietly_over(final.buffer)
        promise._final = final  # noqa: SLF001 - same class
        return promise

    @override
    async def _whole(self) -> T:
        return (await self._final).parsed

    @classmethod
    @override
    def _public_name(cls) -> str:
        return "Promise"

    @override
    def _resolve(self) -> T:
        return self._final._resolve().parsed  # noqa: SLF001 - a promise, too

    @override
    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        return self._final._parts()  # noqa: SLF001 - a promise, too


def field_of(model: type[T], field: str | Callable[[T], object]) -> str:
    """Return the name of a field.

    Args:
        model: that has it.
        field: the name, or a function that returns the field of what it is given.

    Raises:
        SchemaError: there is no such field.
    """
    if isinstance(field, str):
        name: object = field
    else:
        found: object = field(cast("T", _Names()))
        name = found.name if isinstance(found, _Name) else None
    if not isinstance(name, str) or name not in model.__pydantic_fields__:
        raise SchemaError(
            f"{model.__name__} has no field {name!r}; its fields are: {', '.join(model.__pydantic_fields__)}."
            if isinstance(name, str)
            else f"{field!r} returns no field of {model.__name__}; write it like: lambda answer: answer.name"
        )
    return name


@dataclass(frozen=True, slots=True)
class _Name:
    """A field that was asked for."""

    name: str


class _Names:
    """Stands for an answer, and tells the name of the field that is asked for."""

    def __getattr__(self, name: str) -> _Name:
        return _Name(name)


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

    `partials`, `elements` and `field` are read while the tokens stream. Each is a :class:`Stream`, made once
    (of each field one) at its first read; it keeps what it gives, and making all of it costs linear time.
    When the answer did not fit and was given anew, partials go on with the new one; elements and texts that
    were handed out already must be the same in it, else it is an error. An error of the answer comes after
    what came before it.

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
        return self._view("parsed", lambda: _ParsedAnswer[T].of_final(self.final))

    @property
    def partials(self) -> Stream[T]:
        """The answer as far as it has come, each time that more of it is there; see :class:`Stream`.

        Each is of the right types: of a text there is what has come, a text or list that has not begun is
        empty, and a required number, which has no beginning, must be there first. What is complete is
        validated. The last one is the whole answer. Of large answers not each token makes a partial.
        """
        return self._view("partials", lambda: Stream(partial(write_partials, self._lease(), self._model)))

    @overload
    def elements(self, field: str) -> Stream[object]: ...
    @overload
    def elements(self, field: Callable[[T], Iterable[E] | None]) -> Stream[E]: ...
    def elements(self, field: str | Callable[[T], Iterable[E] | None]) -> Stream[object]:
        """The elements of a list, each when it is complete, validated; see :class:`Stream`.

        Args:
            field: of the list: ``lambda answer: answer.cities``, which type checkers understand, or its name.

        Raises:
            SchemaError: there is no such field, or it is no list.
            TypedAnswerError: when read: an element that was handed out is another one in the repaired answer,
                or is not in it.

        Example:
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> from pydantic import BaseModel
            >>> from reactivex import operators as ops
            >>> class Trip(BaseModel):
            ...     cities: list[str]
            >>> model = scripted_model(['{"cities": ["Oslo",', '"Bodø"]}'])
            >>> async def main():
            ...     cities = model.as_type(Trip).inquire("Plan a trip.").elements(lambda trip: trip.cities)
            ...     cities.pipe(ops.map(str.upper)).subscribe(print)
            ...     print(await cities)
            >>> MiniAgents().run(main())
            OSLO
            BODØ
            ('Oslo', 'Bodø')
        """
        name = field_of(self._model, field)

        def make() -> Stream[object]:
            return Stream(partial(write_elements, self._lease(), ListField.of(self._model, name)))

        return self._view(f"elements of {name}", make)

    def field(self, field: str | Callable[[T], str | None]) -> Stream[str]:
        """The text of a field, piece by piece as it comes; see :class:`Stream`.

        Args:
            field: ``lambda answer: answer.title``, or its name.

        Raises:
            SchemaError: there is no such field, or it is no text.
            TypedAnswerError: when read: a text that was handed out is another one in the repaired answer.
        """
        name = field_of(self._model, field)

        def make() -> Stream[str]:
            return TokenStream(partial(write_field, self._lease(), TextField.of(self._model, name)))

        return self._view(f"field {name}", make)
