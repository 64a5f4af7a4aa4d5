"""A typed answer: its message, its replies, and what can be read while it streams."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, cast, overload

from pydantic import BaseModel, model_validator
from typing_extensions import TypeVar, override

from miniagents.messages import AssistantMessage, ErrorMessage, Message, MessageSequencePromise
from miniagents.streams import Promise, Stream
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._stream import TokenStream

from ._errors import SchemaError, no_answer
from ._json_begin import json_in
from ._parsed_streams import elements_of, partials_of, text_of_field

T = TypeVar("T", bound=BaseModel)


class _ParsedAnswer(Promise[T], Generic[T]):
    """A promise of the value of the final message; it needs no task."""

    __slots__ = ("_final",)

    _final: "Promise[ParsedMessage[T]]"

    @classmethod
    def of_final(cls, final: "Promise[ParsedMessage[T]]") -> "_ParsedAnswer[T]":
        """Make the promise of the value of a promised message."""
        promise = cls.over(final.buffer, announced=False)
        promise._final = final  # noqa: SLF001 - same class
        return promise

    @override
    async def _whole(self) -> T:
        return _value_of(await self._final)

    @classmethod
    @override
    def _public_name(cls) -> str:
        return "Promise"

    if not TYPE_CHECKING:  # type checkers report unknown attributes themselves
        # Not for all promises: with this method, each look at any attribute of a class takes longer.
        def __getattr__(self, name: str) -> object:
            raise _no_attribute(name)

    @override
    def _resolve(self) -> T:
        return _value_of(self._final._resolve())  # noqa: SLF001 - a promise, too

    @override
    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        return self._final._parts()  # noqa: SLF001 - a promise, too


def _value_of(answer: "ParsedMessage[T]") -> T:
    message: Message = answer  # where errors become messages, it may be one
    if isinstance(message, ErrorMessage):
        raise no_answer(message)
    return answer.parsed


def _no_attribute(name: str) -> AttributeError:
    if name.startswith("_"):  # a slot that is not set, or a protocol that it does not have
        return AttributeError(name)
    return AttributeError(f"A Promise has no attribute {name!r}: it is a promise; await it first.")


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
        try:
            found: object = field(cast("T", _Names()))
        except (AttributeError, TypeError):  # it does more with the field than to return it
            found = None
        name = found.name if isinstance(found, _Name) else None
    if not isinstance(name, str) or name not in model.__pydantic_fields__:
        raise SchemaError(
            f"{model.__name__} has no field {name!r}; its fields are: {', '.join(model.__pydantic_fields__)}."
            if isinstance(name, str)
            else f"{field!r} returns no field of {model.__name__} itself; "
            "write it like: lambda answer: answer.name"
        )
    return name


@dataclass(frozen=True, slots=True)
class _Name:
    """The name of a field that a function has returned."""

    name: str


class _Names:
    """Takes the place of an answer: each of its attributes is the name of the field."""

    def __getattr__(self, name: str) -> _Name:
        return _Name(name)


T_co = TypeVar("T_co", bound=BaseModel, covariant=True)
E = TypeVar("E")


class ParsedMessage(AssistantMessage, Generic[T_co], deferred=True):
    """The answer of a typed agent: its text is the JSON, and `parsed` is the value.

    Attributes:
        parsed: the value, of the type that was requested.

    Example:
        >>> from pydantic import BaseModel
        >>> class City(BaseModel):
        ...     name: str
        >>> ParsedMessage[City]('{"name": "Oslo"}', parsed=City(name="Oslo")).parsed.name
        'Oslo'
    """

    parsed: T_co

    @model_validator(mode="before")
    @classmethod
    def _parsed_of_text(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        fields = cast("dict[str, object]", data)
        parsed = None if "parsed" in fields else _in_text(cls, fields.get("text"))
        return fields if parsed is None else {**fields, "parsed": parsed}


def is_in_text(message: Message) -> bool:
    """Return whether a typed answer is the value that its text says, so that a file need not keep both.

    Args:
        message: of any class.

    Example:
        >>> class City(BaseModel):
        ...     name: str
        >>> is_in_text(ParsedMessage[City]('{"name": "Oslo"}', parsed=City(name="Oslo")))
        True
    """
    if not isinstance(message, ParsedMessage):
        return False
    answer = cast("ParsedMessage[BaseModel]", message)
    return _in_text(type(answer), answer.text) == answer.parsed


def _in_text(kind: "type[ParsedMessage[T]]", text: object) -> T | None:
    """Return the value that is in the text of an answer; None if there is none."""
    model = cast("type[T]", kind.__pydantic_fields__["parsed"].annotation)
    try:
        return model.model_validate_json(json_in(cast("str", text)))
    except Exception:  # noqa: BLE001 - of a validator of the user, which expects another text
        return None


class ParsedReplies(MessageSequencePromise["ParsedMessage[T]"], Generic[T]):
    """The reply of a typed agent: one :class:`ParsedMessage`, which can be read while it streams.

    `partials`, `elements` and `field` can be read while the tokens come. Each is a :class:`Stream` (for each
    field one), which starts at its first read and keeps its values. All of it takes linear time.

    If the answer does not fit and the model answers again, partials continue with the new answer. Elements
    and texts that a reader has got already must be the same in the new answer, otherwise the stream ends with
    an error. If the answer fails, the streams end with its error, after the values that came before it.

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
        """Return another view of the same replies. Handlers are called for the first view only.

        Args:
            replies: those of a typed agent.
            model: the type of the answer.
        """
        view = cls.over(replies.buffer, announced=False)
        view.read_as(model)
        return view

    def read_as(self, model: type[T]) -> None:
        """Set the type of the answer; for classes of replies.

        Args:
            model: the type.
        """
        self._model = model

    @property
    def parsed(self) -> Promise[T]:
        """A promise of the value of the answer.

        Raises:
            TypedAnswerError: when awaited: the answer does not fit, even after the repairs.
        """
        return self._view("parsed", lambda: _ParsedAnswer[T].of_final(self.final))

    @property
    def partials(self) -> Stream[T]:
        """A stream of the answer as far as it has come, each time more of it comes; see :class:`Stream`.

        Each partial has the right types. A text contains what has come of it; a text or list that has not
        begun is empty. A number (or another type that cannot be cut) must be complete: there is no partial
        until each required one has come. Complete values are validated by their types; code of the model,
        such as a `field_validator`, sees only the whole answer, which is the last partial. In a large answer,
        not every token makes a partial.
        """
        return self._view("partials", lambda: Stream(partials_of(self._lease(), self._model)))

    @overload
    def elements(self, field: str) -> Stream[object]: ...
    @overload
    def elements(self, field: Callable[[T], Iterable[E] | None]) -> Stream[E]: ...
    def elements(self, field: str | Callable[[T], Iterable[E] | None]) -> Stream[object]:
        """A stream of the elements of a list, validated, each when it is complete; see :class:`Stream`.

        Args:
            field: the list: ``lambda answer: answer.cities``, which type checkers understand, or its name.

        Raises:
            SchemaError: there is no such field, or it is not a list.
            TypedAnswerError: when read: an element that a reader has got is different or missing in the
                answer that counts (a repaired one, or that of another model).

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
        return self._view(
            f"elements of {name}", lambda: Stream(elements_of(self._lease(), self._model, name))
        )

    def field(self, field: str | Callable[[T], str | None]) -> Stream[str]:
        """A stream of the pieces of a text field, as they come; see :class:`Stream`.

        Args:
            field: ``lambda answer: answer.title``, or its name.

        Raises:
            SchemaError: there is no such field, or it is not a text.
            TypedAnswerError: when read: the text that a reader has got is different in the answer that
                counts.
        """
        name = field_of(self._model, field)
        return self._view(
            f"field {name}", lambda: TokenStream(text_of_field(self._lease(), self._model, name))
        )
