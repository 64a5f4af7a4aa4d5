"""Calls that were recorded part by part, as data, and how they are replayed."""

import asyncio
import builtins
from ast import literal_eval
from base64 import b64encode
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import PurePath
from types import MappingProxyType
from typing import Final, Never, cast

from typing_extensions import override

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.messages import Message
from miniagents.messages._parts import PartBuffer, told_by
from miniagents.models import MaxTurnsError, TypedAnswer, TypedAnswerError
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import (
    AgentTimeoutError,
    InquiryCancelledError,
    LLMConfigError,
    LLMConnectionError,
    LLMError,
    LLMProtocolError,
    LLMRefusalError,
    LLMStatusError,
    LLMTimeoutError,
    LLMTruncatedError,
    MiniAgentsError,
    Part,
    PartValue,
    ResponseHeaders,
    part_from_data,
    redact_keys,
)

from ._message_records import Json, Record, Registry

AnyAgent = MiniAgent[Message, Message, ...]

_LLM_ERRORS: Final = (
    *(LLMError, LLMStatusError, LLMTimeoutError, LLMConnectionError, LLMTruncatedError, LLMProtocolError),
    *(LLMRefusalError, LLMConfigError, MaxTurnsError, TypedAnswerError),
)
_LLM_FIELDS: Final = ("provider", "model", "status", "attempts", "partial_text", "retry_after")
_FIELDS: Final = MappingProxyType[type, tuple[str, ...]](
    {
        AgentTimeoutError: ("agent", "limit", "seconds", "elapsed", "tokens", "partial_text"),
        **dict.fromkeys(_LLM_ERRORS, _LLM_FIELDS),
    }
)
_KINDS: Final = MappingProxyType({kind.__name__: kind for kind in _FIELDS})
_AFTER_CANCELLATION: Final = 1.0  # seconds that the replay of a cancelled call waits to be cancelled, too


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """Something that happened in a call.

    Attributes:
        at: when, in seconds since the beginning of the call.
        what: `message` (one begins), `part`, `end` (of a message or of the call), `error` or `cancelled`.
        message: the position of the message in the call, from 0; None for the call itself.
        data: the class of a message that begins, a part, the data of a message that ends, or an error.

    Example:
        >>> RecordedEvent(0.5, "part", 0, "Hello").message
        0
    """

    at: float
    what: str
    message: int | None = None
    data: Json = None


def part_data(part: Part) -> Json:
    """Convert a part to JSON; None for response headers, which are not recorded.

    Args:
        part: of an answer.

    Example:
        >>> part_data("Hello")
        'Hello'
    """
    return None if isinstance(part, ResponseHeaders) else plain_data(part)


def plain_data(value: object, *, sparse: bool = False) -> Json:
    """Convert a part, or a value that parts have, to JSON.

    Args:
        value: the part, or the value.
        sparse: whether fields that are None are left out.

    Example:
        >>> plain_data((b"Hello", None))
        ['SGVsbG8=', None]
    """
    data = value
    match value:
        case str() | int() | None:  # the most frequent case
            pass
        case PartValue():
            items = value.as_data().items()
            data = {
                name: plain_data(item, sparse=sparse) for name, item in items if not (sparse and item is None)
            }
        case bytes():
            data = b64encode(value).decode()
        case PurePath():
            data = str(value)
        case tuple():
            data = [plain_data(each, sparse=sparse) for each in cast("tuple[object, ...]", value)]
        case Mapping():
            data = dict(cast("Mapping[str, object]", value))
        case _:
            pass
    return cast("Json", data)


def part_of_data(data: Json) -> Part:
    """Convert JSON back to the part from which :func:`part_data` made it.

    Args:
        data: of a journal or a cassette.

    Raises:
        ValueError: it is not a part.

    Example:
        >>> part_of_data({"kind": "finish", "reason": "stop"})
        Finish(reason='stop')
    """
    if isinstance(data, str):
        return data
    if not isinstance(data, dict):
        raise ValueError(f"{data!r} is not a part")  # noqa: TRY004 - it is wrong in a file, not in a call
    return cast("Part", part_from_data(data))


def error_data(error: BaseException) -> dict[str, Json]:
    """Convert an error to JSON, without anything that looks like an API key.

    Args:
        error: of a model.

    Example:
        >>> error_data(ValueError("no"))
        {'type': 'ValueError', 'text': 'no'}
    """
    data: dict[str, Json] = {"type": type(error).__name__, "text": redact_keys(error)}
    kind = next((each for each in type(error).__mro__ if each in _FIELDS), None)
    if kind is not None:
        data |= {name: cast("Json", getattr(error, name)) for name in _FIELDS[kind]}
        data["type"] = kind.__name__
    return data


def error_from_data(data: Mapping[str, Json]) -> Exception:
    """Convert JSON back to an error of the same class; to a `MiniAgentsError` of its name if it is not known.

    Args:
        data: of a journal or a cassette.
    """
    name, text = str(data.get("type")), str(data.get("text"))
    if name in _KINDS:
        known = _KINDS[name]
        fields = {each: data[each] for each in _FIELDS[known] if data.get(each) is not None}
        return cast("Exception", known(text, **fields))
    kind: object = getattr(builtins, name, None)
    if isinstance(kind, type) and issubclass(kind, Exception):
        # Not if it takes more than a text, or quotes what it takes.
        with suppress(TypeError, ValueError, SyntaxError):
            return kind(literal_eval(text) if kind is KeyError else text)
    return _named_error(name, text)


class _NamedError(MiniAgentsError):
    """An error of a class that is not known here; it has a subclass with the name of that class."""

    @override
    def __reduce__(self) -> tuple[object, ...]:
        return _named_error, (type(self).__name__, str(self)), self.__dict__


def _named_error(name: str, text: str) -> Exception:
    return cast("type[_NamedError]", type(name, (_NamedError,), {}))(text)


class MessageForm(Registry):
    """Converts the messages of an agent to events of a journal, and back, without loss; reads cassettes, too.

    Args:
        classes: of its messages, in addition to those of the library.

    Example:
        >>> MessageForm().begun("UserMessage").__name__
        'UserMessage'
    """

    @classmethod
    def of(cls, agent: AnyAgent, classes: Iterable[type[Message]] = ()) -> "MessageForm":
        """Return the form of the messages of one agent.

        Args:
            agent: the classes of replies that it and its components declare are known.
            classes: other classes of its replies.
        """
        known = cls((*classes, *_replied(agent)))
        inside = {each.__name__: each for part in agent.components for each in _replied_inside(part)}
        return cls((inside | dict(known._classes)).values())

    def events_of(
        self, number: int, kind: type[Message], buffer: ReplayBuffer[object], *, stopped: float | None = None
    ) -> list[RecordedEvent]:
        """Return the events of one message that has ended.

        Args:
            number: the position of the message in the call, from 0.
            kind: its class.
            buffer: the buffer of the message.
            stopped: when it was stopped if it was, in seconds since the call began. None: it is closed.
        """
        if stopped is not None and not has_ended(buffer):
            last = RecordedEvent(0.0, "cancelled", number, stopped)
            return [RecordedEvent(0.0, "message", number, kind.__name__), *_parts(number, buffer), last]
        if buffer.error is not None:
            last = RecordedEvent(0.0, "error", number, error_data(buffer.error))
            return [RecordedEvent(0.0, "message", number, kind.__name__), *_parts(number, buffer), last]
        message = cast("Message", buffer.result)
        record = self.record_of(message)
        data: Json = [record.role, record.class_name, dict(record.data)]
        if record.text is None:  # it has no parts, and is read as its data
            return [RecordedEvent(0.0, "message", number, data)]
        # Its parts are what has come; but a message may be others: those of a prompt are known at its end.
        came = told_by(buffer.parts).get("parts", ()) if isinstance(buffer, PartBuffer) else ()
        same = came == getattr(message, "parts", ())
        own_fields = {name: value for name, value in record.data.items() if name != "parts" or not same}
        return [
            RecordedEvent(0.0, "message", number, record.class_name),
            *_parts(number, buffer),
            RecordedEvent(0.0, "end", number, [record.role, record.class_name, cast("Json", own_fields)]),
        ]

    def begun(self, data: Json) -> type[Message] | Message:
        """Return the class of a message that begins; the message itself if it has no parts.

        Args:
            data: of the event.
        """
        match data:
            case [str(role), str(name), dict(fields)]:
                return self.message_of(Record(role, name, data=fields))
            case _:
                return self.class_of(str(data)) or Message

    def ended(self, data: Json) -> Mapping[str, object]:
        """Return the fields of a message that has ended.

        Args:
            data: of the event.
        """
        match data:
            case dict():  # of a cassette
                return data
            case [str(role), str(name), dict(fields)]:
                unknown = self.class_of(name) is None and role != Message.role
                return {**({"role": role} if unknown else {}), **self.fields_of(fields)}
            case _:
                return {}


def _replied(agent: AnyAgent) -> Iterator[type[Message]]:
    """Yield the classes of messages that an agent says it replies."""
    declared = agent._classes  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it says of itself
    if declared is not None and declared.replies is not None:
        yield from declared.replies
    function: object = agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
    if isinstance(function, TypedAnswer):
        yield cast("TypedAnswer[Never]", function).message_class


def _replied_inside(agent: AnyAgent) -> Iterator[type[Message]]:
    """Yield those of its components, and then its own."""
    for part in agent.components:
        yield from _replied_inside(part)
    yield from _replied(agent)


def has_ended(buffer: ReplayBuffer[object]) -> bool:
    """Return whether a stream has ended, with or without an error, and was not stopped before.

    Args:
        buffer: of the stream.
    """
    return buffer.closed and not isinstance(buffer.error, InquiryCancelledError)


def _parts(number: int, buffer: ReplayBuffer[object]) -> Iterable[RecordedEvent]:
    parts = buffer.parts if isinstance(buffer, PartBuffer) else cast("list[str]", buffer.items)
    for part in parts:
        data = part_data(part)
        if data is not None:
            yield RecordedEvent(0.0, "part", number, data)


@dataclass(slots=True, eq=False)
class CallPlayer:
    """Replays one call: the same replies, with the same pauses, and the same error.

    Args:
        events: what happened, in order.
        form: of its messages.
        broken: makes the error if an event cannot be replayed, from the event and the reason.

    Example:
        >>> from miniagents import Message, MiniAgents, miniagent
        >>> came = [(0.0, "message", 0, "Message"), (0.0, "part", 0, "Hello"), (0.0, "end", 0, {})]
        >>> @miniagent
        ... async def player(ctx):
        ...     events = [RecordedEvent(*each) for each in came]
        ...     await CallPlayer(events, MessageForm(), lambda _, why: ValueError(why)).play(ctx)
        >>> async def main():
        ...     print(await player.inquire())
        >>> MiniAgents().run(main())
        Hello
    """

    _events: Sequence[RecordedEvent]
    _form: MessageForm
    _broken: Callable[[RecordedEvent, str], Exception]
    _began: float = field(default_factory=lambda: asyncio.get_running_loop().time(), init=False)

    async def play(self, ctx: InteractionContext) -> None:
        """Replay the recorded replies, at the recorded times.

        Args:
            ctx: of the call.
        """
        for event in self._events:
            if event.what == "message" and event.message is not None:
                await self._until(event.at)
                found = self._form.begun(event.data)
                if isinstance(found, Message):
                    ctx.reply(found)
                else:
                    ctx.reply(found.promise_of_parts(self._parts(event.message)))
            elif event.message is None:
                await self._until(event.at)
                await self._ends(event)

    def _parts(self, number: int) -> Callable[[MutableMapping[str, object]], AsyncGenerator[Part]]:
        async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            for event in self._events:
                if event.message != number or event.what == "message":
                    continue
                await self._until(event.at)
                if event.what == "part":
                    yield self._part(event)
                elif event.what == "end":
                    metadata_so_far.update(self._form.ended(event.data))
                else:
                    await self._ends(event)

        return parts

    def _part(self, event: RecordedEvent) -> Part:
        try:
            return part_of_data(event.data)
        except ValueError as error:
            raise self._broken(event, str(error)) from None

    async def _ends(self, event: RecordedEvent) -> None:
        """Raise the error with which the call or message ended."""
        if event.what == "error":
            raise error_from_data(event.data if isinstance(event.data, dict) else {})
        if event.what == "cancelled":
            if isinstance(event.data, float):
                await self._until(event.data)
            await asyncio.sleep(_AFTER_CANCELLATION)
            raise self._broken(event, "it was cancelled")

    async def _until(self, at: float) -> None:
        delay = self._began + at - asyncio.get_running_loop().time()
        if delay > 0:
            await asyncio.sleep(delay)
