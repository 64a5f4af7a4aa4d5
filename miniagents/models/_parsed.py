"""A typed answer: its message, the replies that bring it, and what can be read while it streams.

That is: partials, elements of a list, the text of a field. Each is an async iterable that reads the parts
of the answer anew: it keeps nothing, and runs in its reader. What comes before the first ``{`` is no JSON
(a fence, a word of introduction) and is passed over.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, cast, overload

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypeVar

from miniagents.core import AssistantMessage, Message, MessageSequencePromise, Promise
from miniagents.values import JsonEnd, JsonError, JsonEvent, JsonParser, JsonText, Restart

from ._errors import SchemaError, TypedAnswerError
from ._partials import MISSING, Partials, item_type

__all__ = ["Elements", "FieldTokens", "ParsedMessage", "ParsedReplies", "PartialAnswers", "field_of"]

T = TypeVar("T", bound=BaseModel)


async def _pieces(replies: MessageSequencePromise[Message]) -> AsyncGenerator[str | None]:
    """The JSON of the answer in pieces, from its first character on; None where it begins anew."""
    begun = False
    async with aclosing(aiter(replies.parts)) as parts:
        async for part in parts:
            if isinstance(part, Restart):
                begun = False
                yield None
            elif isinstance(part, str):
                text = part if begun else part[part.find("{") :] if "{" in part else ""
                begun = begun or bool(text)
                if text:
                    yield text


async def _events(replies: MessageSequencePromise[Message]) -> AsyncGenerator[JsonEvent | None]:
    """What the JSON of the answer tells, down to the elements of its fields; None where it begins anew."""
    machine: JsonParser | None = JsonParser(depth=2, ignore_rest=True)
    async with aclosing(_pieces(replies)) as pieces:
        async for piece in pieces:
            if piece is None:
                machine = JsonParser(depth=2, ignore_rest=True)
                yield None
            elif machine is not None:
                try:
                    events = machine.feed(piece)
                except JsonError:  # the answer does not fit: there will be another one, or an error
                    machine = None
                    continue
                for event in events:
                    yield event


@dataclass(frozen=True, slots=True)
class PartialAnswers(Generic[T]):
    """The partials of an answer.

    Attributes:
        replies: with the answer.
        model: its type.
    """

    replies: MessageSequencePromise[Message]
    model: type[T]

    async def __aiter__(self) -> AsyncGenerator[T]:
        partials = Partials(self.model)
        async with aclosing(_pieces(self.replies)) as pieces:
            async for piece in pieces:
                if piece is None:
                    partials = Partials(self.model)
                elif (partial := partials.feed(piece)) is not None:
                    yield partial


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of a list of an answer.

    Attributes:
        replies: with the answer.
        field: the name of the list.
        model: the type of the answer.

    Raises:
        SchemaError: the field is no list.
    """

    replies: MessageSequencePromise[Message]
    field: str
    model: type[BaseModel]

    def __post_init__(self) -> None:
        """Check the field."""
        self._adapter()

    def _adapter(self) -> TypeAdapter[object]:
        item = item_type(self.model.__pydantic_fields__[self.field].annotation)
        if item is MISSING:
            raise SchemaError(
                f"{self.model.__name__}.{self.field} is no list, so it has no elements; use field."
            )
        return TypeAdapter(cast("type[object]", item))

    async def __aiter__(self) -> AsyncGenerator[object]:
        adapter, key = self._adapter(), _key(self.model, self.field)
        given: list[object] = []
        valid = True
        async with aclosing(_events(self.replies)) as events:
            async for event in events:
                valid = valid or event is None
                if not valid or not isinstance(event, JsonEnd) or event.path[:-1] != (key,):
                    continue
                try:
                    element = adapter.validate_json(json.dumps(event.value))
                except ValidationError:  # the answer does not fit: there will be another one, or an error
                    valid = False
                    continue
                at = int(event.path[1])
                if at == len(given):
                    given.append(element)
                    yield element
                elif given[at] != element:
                    raise _changed(self.model, f"{self.field}[{at}]")


@dataclass(frozen=True, slots=True)
class FieldTokens:
    """The text of a field of an answer.

    Attributes:
        replies: with the answer.
        field: its name.
        model: the type of the answer.

    Raises:
        SchemaError: the field is no text.
    """

    replies: MessageSequencePromise[Message]
    field: str
    model: type[BaseModel]

    def __post_init__(self) -> None:
        """Check the field."""
        annotation: object = self.model.__pydantic_fields__[self.field].annotation
        if annotation is not str and annotation != (str | None):
            raise SchemaError(f"{self.model.__name__}.{self.field} is no text; use elements or partials.")

    async def __aiter__(self) -> AsyncGenerator[str]:
        path = (_key(self.model, self.field),)
        given: list[str] = []  # what was handed out, and how far a repaired answer has come in it
        whole, at = "", 0
        async with aclosing(_events(self.replies)) as events:
            async for event in events:
                if event is None:
                    whole, at = whole + "".join(given), 0
                    given.clear()
                elif isinstance(event, JsonText) and event.path == path:
                    known = whole[at : at + len(event.text)]
                    if not event.text.startswith(known):
                        raise _changed(self.model, self.field)
                    at += len(event.text)
                    if new := event.text[len(known) :]:
                        given.append(new)
                        yield new


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


def _key(model: type[BaseModel], field: str) -> str:
    info = model.__pydantic_fields__[field]
    alias = info.validation_alias or info.alias or field
    if not isinstance(alias, str):
        raise SchemaError(f"{model.__name__}.{field} may have several keys in JSON; give it one alias.")
    return alias


def _changed(model: type[BaseModel], path: str) -> TypedAnswerError:
    return TypedAnswerError(
        f"{model.__name__}.{path} was handed out, and is another one in the repaired answer; "
        "await the answer, or ask for it with repairs=0"
    )


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
