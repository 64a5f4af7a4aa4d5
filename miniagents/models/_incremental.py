"""A typed answer while it streams: partials, elements of a list, the text of a field.

Each is an async iterable that reads the parts of the answer anew: it keeps nothing, and runs in its reader.
What comes before the first ``{`` is no JSON (a fence, a word of introduction) and is passed over.
"""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from pydantic import BaseModel, TypeAdapter, ValidationError

from miniagents.core import Message, MessageSequencePromise
from miniagents.values import JsonEnd, JsonError, JsonEvent, JsonMachine, JsonText, Restart

from ._errors import SchemaError, TypedAnswerError
from ._partials import Partials
from ._plans import MISSING, item_type

__all__ = ["Elements", "FieldTokens", "PartialAnswers", "field_of"]

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
    machine: JsonMachine | None = JsonMachine(depth=2, ignore_rest=True)
    async with aclosing(_pieces(replies)) as pieces:
        async for piece in pieces:
            if piece is None:
                machine = JsonMachine(depth=2, ignore_rest=True)
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

    Example:
        >>> class City(BaseModel):
        ...     name: str
        >>> field_of(City, "name"), field_of(City, lambda city: city.name)
        ('name', 'name')
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
