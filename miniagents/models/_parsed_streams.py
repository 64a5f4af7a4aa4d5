"""The streams of a typed answer: its partials, the elements of a list, the text of a field.

A transformer of tokens writes each of them from the parts of the answer, without a task, once for all
readers. Text before the first ``{`` is not JSON (a Markdown fence, an introduction), and is skipped.
"""

import json
from abc import ABC, abstractmethod
from asyncio import get_running_loop
from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar, Final, Generic, cast

from pydantic import BaseModel, TypeAdapter, ValidationError
from typing_extensions import TypeVar, override

from miniagents.messages import ErrorMessage, Message, MessagePromise
from miniagents.messages._message_type import FlatStream
from miniagents.messages._tokens import TokenFeed, TokenTransformer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import JsonEnd, JsonError, JsonEvent, JsonParser, Part, Restart, unaliased

from ._errors import SchemaError, TypedAnswerError, no_answer
from ._json_begin import JsonBegin
from ._partials import MISSING, Partials, adapter_of, item_type, key_of

T = TypeVar("T", bound=BaseModel)
U = TypeVar("U")

AT_ONCE: Final = 256  # parts of a complete answer that are parsed in one turn of the event loop


class _AnswerFeed(TokenFeed):
    """A feed that lets the event loop run between the parts of a long answer, since parsing takes time."""

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

    __slots__ = ("_begin", "_begun")

    all_parts: ClassVar[bool] = True
    in_step: ClassVar[bool] = True  # the answer is read no faster than the readers of this stream request

    def __init__(self, target: ReplayBuffer[U]) -> None:
        super().__init__(target)
        self._begin = JsonBegin()
        self._begun = False  # a message has come

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        if isinstance(promise.given, ErrorMessage):
            raise no_answer(promise.given)
        if self._begun:  # what `catching` puts behind an answer that broke
            self._begin_again()
        self._begun = True

    @override
    def tokens(self, tokens: list[str], /) -> None:
        for part in cast("list[Part]", tokens):
            if self.target.closed:  # the last reader has left
                return
            if isinstance(part, Restart):
                self._begin_again()
            elif isinstance(part, str) and (text := self._begin.feed(part)):
                self.feed(text)

    @override
    def end_message(self, message: Message, /) -> None:
        # pydantic may take what is not JSON (`NaN`), and code of the model may make a value of what does not
        # fit the type of its field. What could not be read while it came is written now.
        value: object = getattr(message, "parsed", None)
        if isinstance(value, BaseModel) and not self.target.closed:
            self.whole(value)

    def _begin_again(self) -> None:
        self._begin = JsonBegin()
        self.restart()

    @abstractmethod
    def feed(self, text: str) -> None:
        """Take the next piece of the JSON; never empty."""

    @abstractmethod
    def restart(self) -> None:
        """Begin again with another answer, since the last one did not fit, or broke."""

    @abstractmethod
    def whole(self, value: BaseModel) -> None:
        """Take the value of the whole answer; write what is missing."""


class _PartialAnswers(_AnswerTransformer[T]):
    """Writes the partials of an answer."""

    __slots__ = ("_model", "_partials")

    def __init__(self, target: ReplayBuffer[T], model: type[T]) -> None:
        super().__init__(target)
        self._model = model
        self._partials = Partials(model)

    @override
    def feed(self, text: str) -> None:
        answer = self._partials.feed(text)
        if answer is not None:
            self.target.append(answer)

    @override
    def restart(self) -> None:
        self._partials = Partials(self._model)

    @override
    def whole(self, value: BaseModel) -> None:
        if [value] != self.target.items[-1:]:
            self.target.append(cast("T", value))


class _FieldTransformer(_AnswerTransformer[U]):
    """Parses an answer for one of its fields.

    Args:
        target: the stream to write.
        model: the class that has the field.
        field: its name.

    Attributes:
        depth: the depth in the JSON of the values that it takes.
    """

    __slots__ = ("_field", "_key", "_name", "_parser")

    depth: ClassVar[int]

    def __init__(self, target: ReplayBuffer[U], model: type[BaseModel], field: str) -> None:
        super().__init__(target)
        self._field = field
        self._name = f"{model.__name__}.{field}"
        self._key = _key(model, field)
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
        """Take an event of the parser."""

    def changed(self, where: str = "") -> TypedAnswerError:
        """Return the error of an answer that differs from what readers have got of the one before."""
        return TypedAnswerError(
            f"{self._name}{where} was already read, and is different in the answer that counts; await the "
            "whole answer, or show none that may be replaced: repairs=0, fallback(..., hold=True)"
        )


class _Elements(_FieldTransformer[object]):
    """Writes the elements of a list."""

    __slots__ = ("_adapter", "_seen", "_valid")

    depth: ClassVar[int] = 2

    def __init__(
        self, target: ReplayBuffer[object], model: type[BaseModel], field: str, adapter: TypeAdapter[object]
    ) -> None:
        super().__init__(target, model, field)
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
    def whole(self, value: BaseModel) -> None:
        found: object = getattr(value, self._field)
        items, given = cast("Sequence[object]", found), len(self.target.items)
        if isinstance(found, list | tuple) and [*items[:given]] == self.target.items:
            for each in items[given:]:
                self.target.append(each)
            self._seen = len(items)
        elif not self._valid:  # what did not fit is no part of the value: its key has come twice
            raise self.changed()

    @override
    def finish(self) -> None:
        if self._seen < len(self.target.items):
            raise self.changed(f"[{self._seen}]")
        super().finish()


class _FieldTokens(_FieldTransformer[str]):
    """Writes the text of a field."""

    __slots__ = ("_at", "_given", "_text")

    depth: ClassVar[int] = 1

    def __init__(self, target: ReplayBuffer[str], model: type[BaseModel], field: str) -> None:
        super().__init__(target, model, field)
        self._text = ""  # what readers have got of answers that did not fit
        self._given = 0  # how many pieces of it
        self._at = 0  # the position in that text to which the current answer has repeated it

    @override
    def restart(self) -> None:
        super().restart()
        self._text += "".join(self.target.items[self._given :])
        self._given = len(self.target.items)
        self._at = 0

    @override
    def event(self, event: JsonEvent) -> None:
        if event.path != (self._key,):
            return
        if isinstance(event, JsonEnd):
            if isinstance(event.value, str | None) and self._at != len(event.value or ""):
                raise self.changed()  # the key has come twice: the last value counts
            return
        known = self._text[self._at : self._at + len(event.text)]
        if not event.text.startswith(known):
            raise self.changed()
        self._at += len(event.text)
        if new := event.text[len(known) :]:
            self.target.append(new)

    @override
    def whole(self, value: BaseModel) -> None:
        text: object = getattr(value, self._field)
        given = "".join(self.target.items)
        if isinstance(text, str) and text.startswith(given):
            if text != given:
                self.target.append(text[len(given) :])
            self._at = len(text)

    @override
    def finish(self) -> None:
        if self._at < len(self._text):
            raise self.changed()
        super().finish()


def partials_of(source: FlatStream[Message, object], model: type[T]) -> Callable[[], ReplayBuffer[T]]:
    """Return the function that begins to write the partials of an answer.

    Args:
        source: the replies that bring it.
        model: its type.
    """
    return partial(_write, source, partial(_PartialAnswers, model=model))


def elements_of(
    source: FlatStream[Message, object], model: type[BaseModel], field: str
) -> Callable[[], ReplayBuffer[object]]:
    """Return the function that begins to write the elements of a list of an answer.

    Args:
        source: the replies that bring it.
        model: its type.
        field: the name of the list.

    Raises:
        SchemaError: the field is not a list, or may have several keys.
    """
    item = item_type(unaliased(model.__pydantic_fields__[field].annotation))
    if item is MISSING:
        raise SchemaError(f"{model.__name__}.{field} is not a list, so it has no elements; use field.")
    _key(model, field)
    return partial(
        _write, source, partial(_Elements, model=model, field=field, adapter=adapter_of(item, model))
    )


def text_of_field(
    source: FlatStream[Message, object], model: type[BaseModel], field: str
) -> Callable[[], ReplayBuffer[str]]:
    """Return the function that begins to write the text of a field of an answer.

    Args:
        source: the replies that bring it.
        model: its type.
        field: the name of the field.

    Raises:
        SchemaError: the field is not a text, or may have several keys.
    """
    annotation = unaliased(model.__pydantic_fields__[field].annotation)
    if annotation is not str and annotation != (str | None):
        raise SchemaError(f"{model.__name__}.{field} is not a text; use elements or partials.")
    _key(model, field)
    return partial(_write, source, partial(_FieldTokens, model=model, field=field))


def _key(model: type[BaseModel], field: str) -> str:
    key = key_of(field, model.__pydantic_fields__[field])
    if key is None:
        raise SchemaError(f"{model.__name__}.{field} may have several keys in JSON; give it one alias.")
    return key


def _write(
    source: FlatStream[Message, object], transformer: Callable[[ReplayBuffer[U]], _AnswerTransformer[U]]
) -> ReplayBuffer[U]:
    buffer: ReplayBuffer[U] = ReplayBuffer(source.buffer.context)
    _AnswerFeed(source, transformer(buffer)).start()
    return buffer
