"""A typed answer: its message, the replies that bring it, and what can be read while it streams.

That is: partials, elements of a list, the text of a field. Each is a :class:`Stream` that a transformer of
tokens writes from the parts of the answer, without a task, once for all who read it. What comes before the
first ``{`` is no JSON (a fence, a word of introduction) and is passed over.
"""

import json
from abc import ABC, abstractmethod
from asyncio import get_running_loop
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, Final, Generic, cast, overload

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypeVar, override

from miniagents.core import (
    AssistantMessage,
    FlatStream,
    Message,
    MessageSequencePromise,
    PartBuffer,
    Promise,
    ReplayBuffer,
    Stream,
    TokenFeed,
    TokenStream,
    TokenTransformer,
)
from miniagents.values import JsonEnd, JsonError, JsonEvent, JsonParser, JsonText, Part, Restart

from ._errors import SchemaError, TypedAnswerError
from ._partials import MISSING, Partials, item_type

__all__ = ["ParsedMessage", "ParsedReplies", "field_of"]

T = TypeVar("T", bound=BaseModel)
U = TypeVar("U")

AT_ONCE: Final = 256  # parts: of an answer that is there already, so many are parsed in a turn of the loop


class _AnswerFeed(TokenFeed):
    """A feed that leaves the event loop a turn between the parts of a long answer: parsing takes a while."""

    __slots__ = ()

    @override
    def step(self) -> bool:
        before = self._token_position
        more = super().step()
        if not more or self._token_position - before < AT_ONCE:
            return more
        try:
            get_running_loop().call_soon(self.deliver)
        except RuntimeError:  # it is read outside of any loop
            return True
        return False


class _AnswerTransformer(TokenTransformer[U], ABC, Generic[U]):
    """Finds the JSON in the parts of an answer, from its first character on."""

    __slots__ = ("_begun",)

    in_step: ClassVar[bool] = True  # nobody wants more of the answer than what is made of it

    def __init__(self, target: ReplayBuffer[U]) -> None:
        super().__init__(target)
        self._begun = False

    @override
    def pieces_of(self, buffer: ReplayBuffer[str], /) -> list[str]:
        return cast("list[str]", buffer.parts) if isinstance(buffer, PartBuffer) else buffer.items

    @override
    def tokens(self, tokens: list[str], /) -> None:
        for part in cast("list[Part]", tokens):
            if self.target.closed:  # the last reader has left
                return
            if isinstance(part, Restart):
                self._begun = False
                self.restart()
            elif isinstance(part, str):
                text = part if self._begun else part[part.find("{") :] if "{" in part else ""
                if text:
                    self._begun = True
                    self.feed(text)

    @abstractmethod
    def feed(self, text: str) -> None:
        """Take the next piece of the JSON; never empty."""

    @abstractmethod
    def restart(self) -> None:
        """The answer did not fit: another one begins."""


class _PartialAnswers(_AnswerTransformer[T]):
    """Writes the partials of an answer."""

    __slots__ = ("_model", "_partials")

    def __init__(self, target: ReplayBuffer[T], model: type[T]) -> None:
        super().__init__(target)
        self._model = model
        self._partials = Partials(model)

    @override
    def feed(self, text: str) -> None:
        partial_answer = self._partials.feed(text)
        if partial_answer is not None:
            self.target.append(partial_answer)

    @override
    def restart(self) -> None:
        self._partials = Partials(self._model)


class _FieldTransformer(_AnswerTransformer[U]):
    """Parses an answer for one of its fields.

    Attributes:
        depth: how deep what it is told of stands.
    """

    __slots__ = ("_field", "_key", "_model", "_parser")

    depth: ClassVar[int]

    def __init__(self, target: ReplayBuffer[U], model: type[BaseModel], field: str, key: str) -> None:
        super().__init__(target)
        self._model = model
        self._field = field
        self._key = key
        self._parser: JsonParser | None = JsonParser(self.depth, ignore_rest=True)

    @override
    def feed(self, text: str) -> None:
        if self._parser is None:
            return
        try:
            events = self._parser.feed(text)
        except JsonError:  # the answer does not fit: there will be another one, or an error
            self._parser = None
            return
        for event in events:
            self.event(event)

    @override
    def restart(self) -> None:
        self._parser = JsonParser(self.depth, ignore_rest=True)

    @abstractmethod
    def event(self, event: JsonEvent) -> None:
        """Take what the parser tells."""

    def changed(self, where: str = "") -> TypedAnswerError:
        """The error of a repaired answer that is not what was handed out."""
        return TypedAnswerError(
            f"{self._model.__name__}.{self._field}{where} was handed out, and is another one in the repaired "
            "answer; await the answer, or ask for it with repairs=0"
        )


class _Elements(_FieldTransformer[object]):
    """Writes the elements of a list."""

    __slots__ = ("_adapter", "_seen", "_valid")

    depth: ClassVar[int] = 2

    def __init__(
        self,
        target: ReplayBuffer[object],
        model: type[BaseModel],
        field: str,
        key: str,
        adapter: TypeAdapter[object],
    ) -> None:
        super().__init__(target, model, field, key)
        self._adapter = adapter
        self._seen = 0  # of the answer that is read now
        self._valid = True

    @override
    def restart(self) -> None:
        super().restart()
        self._seen = 0
        self._valid = True

    @override
    def event(self, event: JsonEvent) -> None:
        if not self._valid or not isinstance(event, JsonEnd) or event.path[:-1] != (self._key,):
            return
        try:
            element = self._adapter.validate_json(json.dumps(event.value))
        except ValidationError:  # the answer does not fit: there will be another one, or an error
            self._valid = False
            return
        given, at = self.target.items, int(event.path[1])
        self._seen = at + 1
        if at == len(given):
            self.target.append(element)
        elif given[at] != element:
            raise self.changed(f"[{at}]")

    @override
    def finish(self) -> None:
        if self._seen < len(self.target.items):
            raise self.changed(f"[{self._seen}]")
        super().finish()


class _FieldTokens(_FieldTransformer[str]):
    """Writes the text of a field."""

    __slots__ = ("_at", "_given", "_text")

    depth: ClassVar[int] = 1

    def __init__(self, target: ReplayBuffer[str], model: type[BaseModel], field: str, key: str) -> None:
        super().__init__(target, model, field, key)
        self._text = ""  # what was handed out of answers that did not fit
        self._given = 0  # how many pieces these were
        self._at = 0  # how far the answer that is read now has come in it

    @override
    def restart(self) -> None:
        super().restart()
        self._text += "".join(self.target.items[self._given :])
        self._given = len(self.target.items)
        self._at = 0

    @override
    def event(self, event: JsonEvent) -> None:
        if not isinstance(event, JsonText) or event.path != (self._key,):
            return
        known = self._text[self._at : self._at + len(event.text)]
        if not event.text.startswith(known):
            raise self.changed()
        self._at += len(event.text)
        if new := event.text[len(known) :]:
            self.target.append(new)

    @override
    def finish(self) -> None:
        if self._at < len(self._text):
            raise self.changed()
        super().finish()


def _written_by(
    transformer: Callable[[ReplayBuffer[U]], TokenTransformer[U]], source: FlatStream[Message, object]
) -> ReplayBuffer[U]:
    """What a transformer makes of an answer; the feed of it starts now."""
    buffer: ReplayBuffer[U] = ReplayBuffer(source.buffer.context)
    _AnswerFeed(source, transformer(buffer)).start()
    return buffer


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


def _key(model: type[BaseModel], field: str) -> str:
    info = model.__pydantic_fields__[field]
    alias = info.validation_alias or info.alias or field
    if not isinstance(alias, str):
        raise SchemaError(f"{model.__name__}.{field} may have several keys in JSON; give it one alias.")
    return alias


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
        make = partial(_PartialAnswers[T], model=self._model)
        return self._view("partials", lambda: Stream(partial(_written_by, make, self._lease())))

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
        model, name = self._model, field_of(self._model, field)
        return self._view(f"elements of {name}", lambda: self._elements(model, name))

    def _elements(self, model: type[T], name: str) -> Stream[object]:
        item = item_type(model.__pydantic_fields__[name].annotation)
        if item is MISSING:
            raise SchemaError(f"{model.__name__}.{name} is no list, so it has no elements; use field.")
        adapter = TypeAdapter(cast("type[object]", item))
        make = partial(_Elements, model=model, field=name, key=_key(model, name), adapter=adapter)
        return Stream(partial(_written_by, make, self._lease()))

    def field(self, field: str | Callable[[T], str | None]) -> Stream[str]:
        """The text of a field, piece by piece as it comes; see :class:`Stream`.

        Args:
            field: ``lambda answer: answer.title``, or its name.

        Raises:
            SchemaError: there is no such field, or it is no text.
            TypedAnswerError: when read: a text that was handed out is another one in the repaired answer.
        """
        model, name = self._model, field_of(self._model, field)
        return self._view(f"field {name}", lambda: self._field(model, name))

    def _field(self, model: type[T], name: str) -> Stream[str]:
        annotation: object = model.__pydantic_fields__[name].annotation
        if annotation is not str and annotation != (str | None):
            raise SchemaError(f"{model.__name__}.{name} is no text; use elements or partials.")
        make = partial(_FieldTokens, model=model, field=name, key=_key(model, name))
        return TokenStream(partial(_written_by, make, self._lease()))
