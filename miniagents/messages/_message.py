"""``Message`` and ``MessagePromise``: a message as a value, and as the stream from which it comes.

They share a module because they refer to each other: a message class makes promises (``Message.promise``,
``message.as_promise``), and a promise resolves to a message of its class.

The module is long because of these two classes and their examples.
"""

from collections.abc import AsyncIterable, Callable, Generator, Iterable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from itertools import groupby
from typing import ClassVar, Final, Generic, Protocol, Self, cast, overload

from pydantic import Field, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError
from typing_extensions import TypeVar, override

from miniagents.streams import Stream, StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lifetime
from miniagents.streams._observers import RunWatch
from miniagents.streams._promise import start_pump
from miniagents.streams._readers import waits
from miniagents.streams._run_task import ProducerTask
from miniagents.streams._stream import TokenStream
from miniagents.values import (
    ATOMS,
    Content,
    ContentField,
    FreezeError,
    Frozen,
    FrozenMapping,
    Part,
    Reasoning,
    Refusal,
    ToolCall,
    fill_with_atoms,
    freeze,
    made_of,
    parts_of_content,
    set_partial_text,
)

from ._parts import (
    PartBuffer,
    new_part_buffer,
    observed_buffer,
    parts_of_message,
    start_part_pump,
    text_so_far,
    told_by,
)

# -- message --------------------------------------------------------------------------------------------

M_co = TypeVar("M_co", bound="Message", covariant=True, default="Message")
# Without the bound: pyright takes a bound itself for what a generic operator makes behind another one, as in
# `pipe(resolve(), ops.take(1))`. A promise can only be made of a `Message` all the same.
Promised_co = TypeVar("Promised_co", covariant=True, default="Message")
M = TypeVar("M", bound="Message")
V = TypeVar("V")

TokenStreamer = Callable[[MutableMapping[str, object]], AsyncIterable[str]]
"""For ``Message.promise``: an async generator function of tokens, called with ``metadata_so_far``."""
PartStreamer = Callable[[MutableMapping[str, object]], AsyncIterable[Part]]
"""For ``Message.promise_of_parts``: like a token streamer, but it yields parts."""

_NOTHING: FrozenMapping[str, object] = FrozenMapping()
_new = object.__new__
_set = object.__setattr__  # bypasses `Frozen.__setattr__`


class Message(Frozen, deferred=True):
    """A frozen value that agents exchange: a text, and any further keywords as data.

    Args:
        text: the text; None for a message of data only, whose ``str`` is its filled template or its JSON.
        **fields: declared fields of the class, frozen on all levels; ``Message`` itself, and a subclass with
            ``extra="allow"``, take any other fields too.

    Raises:
        pydantic.ValidationError: a declared field does not fit, or a subclass has no such field; the error
            suggests the nearest name.
        TypeError: a value is not of an allowed type; the error names the field's path.

    Example:
        >>> from miniagents import Message
        >>> message = Message("Hello", tags=["a", "b"])
        >>> print(message, message.tags)
        Hello ('a', 'b')
    """

    role: ClassVar[str] = "user"
    text: str | None = Field(default=None, kw_only=False)

    def __init__(self, /, text: str | None = None, **fields: object) -> None:
        if type(self) is Message and type(text) is str and not fields:
            fill_with_atoms(self, {"text": text})  # as in `text_message`: it is valid and frozen already
            return
        kind = type(self)
        # A constructor of a subclass declares its own parameters.
        if fields and kind is not Message and kind.__init__ is _OWN_INIT:
            kind.__frozen_facts__.refuse_unknown(fields)
        if text is not None:  # a class may have a default text
            fields["text"] = text  # in the mapping: `text` is not declared on Frozen
        super().__init__(**fields)

    # pydantic makes the values that it validates without the constructor; these keep any further data.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]

    @property
    def as_promise(self) -> "MessagePromise[Self]":
        """Return a finished promise of this message.

        Raises:
            NoActiveContextError: no context is active.
        """
        return MessagePromise(self)

    def _streamed(self) -> list[Part]:
        """Return the parts that it would stream while it is written; empty if that is only its text."""
        return []

    @classmethod
    def promise(cls, token_streamer: TokenStreamer, **preliminary_metadata: object) -> "MessagePromise[Self]":
        """Return a promise of a message whose tokens come from an async generator function.

        Args:
            token_streamer: called once, at once, with a mutable mapping ``metadata_so_far``; yields tokens
                (``str``). What it puts into the mapping becomes data of the final message. The generator is
                closed when the last reader and the last reference to the message are gone.
            **preliminary_metadata: data that is known already; the mapping starts with it.

        Returns:
            A promise of a message of this class.

        Raises:
            NoActiveContextError: no context is active.

        Example:
            >>> from miniagents import Message, MiniAgents
            >>> async def tokens(metadata_so_far):
            ...     yield "Hel"
            ...     yield "lo"
            ...     metadata_so_far["finish_reason"] = "stop"
            >>> async def main():
            ...     message = await Message.promise(tokens, model="none")
            ...     print(message, message.model, message.finish_reason)
            >>> MiniAgents().run(main())
            Hello none stop
        """
        context = Context.current()
        known = freeze_metadata(preliminary_metadata)
        metadata: dict[str, object] = dict(known)
        name = getattr(token_streamer, "__name__", "token_streamer")
        observed = observed_buffer(context, metadata)
        buffer: ReplayBuffer[str] = ReplayBuffer(context) if observed is None else observed
        sink = MessageSink(buffer, cls, metadata)
        if observed is None:
            start_pump(name, lambda: token_streamer(metadata), buffer, sink)
        else:
            start_part_pump(name, lambda: token_streamer(metadata), observed, sink)
        return MessagePromise.of_tokens(buffer, cls, known)

    @classmethod
    def promise_of_parts(
        cls, part_streamer: PartStreamer, **preliminary_metadata: object
    ) -> "MessagePromise[Self]":
        """Return a promise of a message whose parts come from an async generator function.

        Text is plain `str`; everything else is a value like `Reasoning` or `ToolCallDelta`. The message gets
        `finish_reason` and `usage` from the last `Finish` and `Usage`. If anything but text came, it also
        gets `parts`, its whole content in order. Otherwise it is as :meth:`promise`.

        Args:
            part_streamer: called once, at once, with a mutable mapping ``metadata_so_far``; yields parts.
            **preliminary_metadata: data that is known already; the mapping starts with it.

        Returns:
            A promise of a message of this class.

        Raises:
            NoActiveContextError: no context is active.

        Example:
            >>> from miniagents import AssistantMessage, Finish, MiniAgents, Reasoning
            >>> async def parts(metadata_so_far):
            ...     yield Reasoning("They greet me.")
            ...     yield "Hello"
            ...     yield Finish("stop")
            >>> async def main():
            ...     promise = AssistantMessage.promise_of_parts(parts)
            ...     print([token async for token in promise], len([part async for part in promise.parts]))
            ...     message = await promise
            ...     print(message, message.reasoning, message.finish_reason)
            >>> MiniAgents().run(main())
            ['Hello'] 3
            Hello They greet me. stop
        """
        return write_message(cls, part_streamer, preliminary_metadata)


def write_message(
    kind: type[M],
    part_streamer: PartStreamer,
    preliminary_metadata: Mapping[str, object],
    watch: RunWatch | None = None,
) -> "MessagePromise[M]":
    """Do what :meth:`Message.promise_of_parts` does; observers can see it as the run of a tool.

    Args:
        kind: the class of the message.
        part_streamer: called once, at once, with a mutable mapping ``metadata_so_far``; yields parts.
        preliminary_metadata: data that is known already.
        watch: reports the call of a tool; None if the message belongs to the run that writes it.

    Raises:
        NoActiveContextError: no context is active.
    """
    context = Context.current()
    known = freeze_metadata(preliminary_metadata)
    metadata: dict[str, object] = dict(known)
    buffer = new_part_buffer(context, metadata, watch)
    name = getattr(part_streamer, "__name__", "part_streamer")
    sink = MessageSink(buffer, kind, metadata)
    start_part_pump(name, lambda: part_streamer(metadata), buffer, sink, watch=watch)
    return MessagePromise.of_tokens(buffer, kind, known)


_OWN_INIT: Final = Message.__init__


def text_message(text: str) -> Message:
    """Return ``Message(text)`` at a lower cost: a plain text is valid and frozen already.

    Args:
        text: the text.

    Example:
        >>> from miniagents import Message
        >>> from miniagents.messages._message import text_message
        >>> text_message("Hello") == Message("Hello")
        True
    """
    if type(text) is not str:  # pydantic turns anything more (a member of an enumeration) into a str
        return Message(text)
    # `values.fill_with_atoms`, inlined: every text between agents becomes a message.
    message = _new(Message)
    _set(message, "__dict__", {"text": text})
    _set(message, "__pydantic_fields_set__", {"text"})
    _set(message, "__pydantic_extra__", _NOTHING)
    _set(message, "__pydantic_private__", None)
    return message


def message_of(kind: type[M], text: str | None, data: Mapping[str, object]) -> M:
    """Return ``kind(text, **data)`` with any further data; fast if the data have exactly the declared types.

    Args:
        kind: the class of the message.
        text: the text; None if it has only data.
        data: its declared fields and any further data.

    Raises:
        pydantic.ValidationError: as the constructor of the class.
        FreezeError: as that.

    Example:
        >>> from miniagents import AssistantMessage
        >>> from miniagents.messages._message import message_of
        >>> message_of(AssistantMessage, "Hello", {"model": "m-1"})
        AssistantMessage(text='Hello', parts=(), model='m-1', ...)
    """
    if kind is Message and not data and text is not None:
        return cast("M", text_message(text))
    if kind.__init__ is _OWN_INIT:
        return made_of(kind, data if text is None else {"text": text, **data})
    return kind(text, **data)


def freeze_metadata(metadata: Mapping[str, object]) -> FrozenMapping[str, object]:
    """Return the frozen data of a message that are known before its text.

    Args:
        metadata: the data; they are copied.

    Raises:
        FreezeError: a value is not of an allowed type; the text names the field's path.

    Example:
        >>> freeze_metadata({"tags": ["a", "b"]})
        FrozenMapping({'tags': ('a', 'b')})
    """
    if not metadata:
        return _NOTHING
    for value in metadata.values():
        if type(value) not in ATOMS:
            return cast("FrozenMapping[str, object]", freeze(dict(metadata)))
    return FrozenMapping(metadata)


def _with_names(
    error: ValidationError, kind: type[Message], metadata: Mapping[str, object]
) -> ValidationError:
    """Return an error that says which fields are missing, and which names were given that are no fields.

    Any other error is returned as it is. The new one contains no values.
    """
    problems = error.errors(include_url=False, include_context=False, include_input=False)
    if any(each["type"] != "missing" for each in problems):
        return error
    fields = kind.__pydantic_fields__
    aliases = (alias for field in fields.values() for alias in (field.validation_alias, field.alias))
    known = {*fields, *(alias for alias in aliases if isinstance(alias, str))}
    unknown = ", ".join(repr(name) for name in metadata if name not in known)
    problem = PydanticCustomError(
        "missing_data",
        "{owner} needs this field, and its stream ended without it{given}; it has: {fields}. Give it to "
        "{owner}.promise(...), or put it into metadata_so_far",
        {
            "owner": kind.__qualname__,
            "given": f" (it was also given {unknown}, which it has no field for)" if unknown else "",
            "fields": ", ".join(fields),
        },
    )
    details = [InitErrorDetails(type=problem, loc=each["loc"], input=None) for each in problems]
    return ValidationError.from_exception_data(kind.__qualname__, details, hide_input=True)


CALLS_MADE: Final[ContextVar[set[str] | None]] = ContextVar("miniagents_calls_made", default=None)
"""Gets the names of the tools that answers call; None: nothing wants them."""


class MessageSink(Generic[M]):
    """Ends a buffer of tokens with the message that they make.

    Args:
        buffer: the tokens.
        message_class: the class of the message.
        metadata: its data; read when the last token has come.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> from miniagents.messages import MessagePromise
        >>> from miniagents.messages._message import MessageSink
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context())
        ...     sink = MessageSink(buffer, Message, {"lang": "en"})
        ...     buffer.extend(["Hel", "lo"])
        ...     sink.finish()
        ...     message = await MessagePromise.of_tokens(buffer, Message)
        ...     print(message, message.lang)
        >>> MiniAgents().run(main())
        Hello en
    """

    __slots__ = ("buffer", "message_class", "metadata")

    def __init__(
        self, buffer: ReplayBuffer[str], message_class: type[M], metadata: MutableMapping[str, object]
    ) -> None:
        self.buffer: ReplayBuffer[str] = buffer
        self.message_class: type[M] = message_class
        self.metadata: MutableMapping[str, object] = metadata

    def finish(self) -> None:
        """Make the message; an error of its constructor becomes the error of the stream."""
        if self.buffer.closed:
            return
        try:
            data = {name: value for name, value in self.metadata.items() if name != "text"}
            if isinstance(self.buffer, PartBuffer):
                given = {"parts": data["parts"]} if "parts" in data else {}  # those of a played message
                data |= {**told_by(self.buffer.parts), **given}
                if "parts" in data and (made := CALLS_MADE.get()) is not None:
                    parts = cast("Sequence[object]", data["parts"])
                    made.update(part.name for part in parts if isinstance(part, ToolCall))
            # If the answer began again, only the last attempt is the text.
            text = str(data.pop("text")) if "text" in data else _join(self.buffer.items)
            message = message_of(self.message_class, text, data)
        except ValidationError as error:
            self.fail(_with_names(error, self.message_class, self.metadata))
        except Exception as error:  # noqa: BLE001 - validation is user code
            self.fail(error)
        else:
            self.buffer.finish(message)

    def fail(self, error: Exception, chain: tuple[str, ...] = (), *, handled: bool = False) -> None:
        """End with ``error``; :func:`partial_text` of it is the text that had arrived.

        Args:
            error: the error that ends the buffer.
            chain: the aliases of the agents that it went through.
            handled: whether readers get it elsewhere, so that it is not logged here.
        """
        if not self.buffer.closed:
            set_partial_text(error, text_so_far(self.buffer))
            self.buffer.fail(error, chain, handled=handled)

    abort = fail


def _join(tokens: list[str]) -> str:
    try:
        return "".join(tokens)
    except TypeError:
        pieces: list[object] = [*tokens]
        index, wrong = next(pair for pair in enumerate(pieces) if not isinstance(pair[1], str))
        raise TypeError(
            f"Token {index} of a message is of type {type(wrong).__name__}; a token streamer must yield str. "
            "Put data into metadata_so_far instead, or stream parts with promise_of_parts."
        ) from None


class Finished(Protocol[Promised_co]):
    """A message, by the promise that it can become: type checkers infer its class, and take nothing else."""

    @property
    def as_promise(self) -> "MessagePromise[Promised_co]":
        """Return a finished promise of this message."""
        ...


class MessagePromise(StreamedPromise[str, Promised_co]):
    """A message that may still be streaming: await it, iterate its tokens, or subscribe to them.

    * When does it start? It has started: a running agent, or :meth:`Message.promise`, writes it.
    * How often? It is written once, for any number of readers.
    * What is kept? Every token: each reader starts at the first one and reads at its own pace.
    * What does ``break`` do? It ends that reader. When none is left or can come, the source is stopped.
    * When does an error come? After every token before it; ``partial_text(error)`` is the text that had come.

    Args:
        message: the finished message.

    Attributes:
        held: the stream; None for a finished text that was not read yet.
        given: the finished message; None if it was streamed.
        preliminary_metadata: the data that was known when the promise was made.
        message_class: the class of the message.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> async def write(metadata_so_far):
        ...     yield "Hel"
        ...     yield "lo"
        >>> async def main():
        ...     promise = Message.promise(write)
        ...     print([token async for token in promise], await promise)
        >>> MiniAgents().run(main())
        ['Hel', 'lo'] Hello
    """

    __slots__ = ("_context", "given", "message_class", "preliminary_metadata")

    preliminary_metadata: FrozenMapping[str, object]
    message_class: type[Promised_co]
    given: Promised_co | None
    held: Lifetime[object] | None

    @overload
    def __init__(self, message: Finished[Promised_co]) -> None: ...
    @overload
    def __init__(self: "MessagePromise[M]", message: M) -> None: ...
    # What is `Finished` is a message; a cast would be a call.
    def __init__(self: "MessagePromise[Message]", message: Message) -> None:  # type: ignore[misc]  # pyright: ignore[reportInconsistentOverload]
        self.preliminary_metadata = _NOTHING
        self.message_class = type(message)
        self._stand_for(Context.current(), message, announced=True)

    @staticmethod
    def of_message(context: Context, message: M, *, announced: bool = True) -> "MessagePromise[M]":
        """Return a finished promise of ``message``, in any context.

        Args:
            context: the context.
            message: the finished message.
            announced: whether handlers get it, as they get every promise; False for a promise that is made
                for handlers.
        """
        # No `typing.cast`, which is a call: this runs for each message.
        promise: MessagePromise[M] = object.__new__(MessagePromise)  # pyright: ignore[reportAssignmentType]
        promise.preliminary_metadata = _NOTHING
        promise.message_class = type(message)
        promise._stand_for(context, message, announced=announced)
        return promise

    def _stand_for(self: "MessagePromise[M]", context: Context, message: M, *, announced: bool) -> None:
        """Make this the promise of ``message``; the stream of a plain text is only made when it is used.

        Most of these promises are only awaited, and the stream is most of a promise's cost.
        """
        self.given = message
        if type(message) is Message and message.text is not None and not (announced and context.announcing):
            self.held = None
            self._context = context
        else:
            self.take(_finished(context, message), announced=announced)

    # It is made at its first use, so it is a property here and an attribute of other promises.
    @property  # type: ignore[override,explicit-override]
    @override
    def buffer(self) -> ReplayBuffer[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The stream of the promise, for code of this layer; users read the promise."""
        held = self.held
        if held is None:
            self.take(_finished(self._context, cast("Message", self.given)), announced=False)
            held = self.held
        # No `typing.cast`, which is a call: this runs several times for each message.
        return held  # type: ignore[return-value] # pyright: ignore[reportReturnType] - it is what was taken

    @buffer.setter
    def buffer(self, buffer: ReplayBuffer[str]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Ignore the value: the property returns `held`."""

    @staticmethod
    def of_tokens(
        buffer: ReplayBuffer[str], message_class: type[M], metadata: FrozenMapping[str, object] = _NOTHING
    ) -> "MessagePromise[M]":
        """Return the promise of a buffer of tokens; the buffer's result is the message.

        Args:
            buffer: the tokens, in pieces of text.
            message_class: the class of the message.
            metadata: the data that is known already.
        """
        promise = cast("MessagePromise[M]", object.__new__(MessagePromise))
        promise.preliminary_metadata = metadata
        promise.message_class = message_class
        promise.given = None
        promise.take(buffer)
        return promise

    @override
    def __await__(self) -> Generator[object, None, Promised_co]:
        """Wait for the message and return it."""
        if self.given is not None:  # a finished message needs no coroutine
            return _ready(self.given)
        return waits(self._whole())

    @override
    def _resolve(self) -> Promised_co:
        return super()._resolve() if self.given is None else self.given

    @override
    def _again(self) -> "Callable[[], MessagePromise[Promised_co]]":
        buffer, message_class, metadata = self.buffer, self.message_class, self.preliminary_metadata
        given = self.given

        def view() -> MessagePromise[Promised_co]:
            promise = cast("MessagePromise[Promised_co]", object.__new__(MessagePromise))
            promise.given = given
            promise.take(buffer, announced=False)
            promise.message_class, promise.preliminary_metadata = message_class, metadata
            return promise

        return view

    @property
    def tokens(self) -> Stream[str]:
        """The tokens of the text; see :class:`Stream`."""
        return self._view("tokens", lambda: TokenStream(self.buffer))

    @property
    def parts(self) -> Stream[Part]:
        """All parts of the message, in order: its tokens and what came between them.

        Example:
            >>> from miniagents import AssistantMessage, MiniAgents, ToolCall
            >>> async def main():
            ...     message = AssistantMessage("Let me look.", parts=["Let me look.", ToolCall("1", "look")])
            ...     print([type(part).__name__ async for part in message.as_promise.parts])
            >>> MiniAgents().run(main())
            ['str', 'ToolCallDelta']
        """
        return self._view("parts", lambda: parts_of_message(self.buffer))


def _ready(value: V) -> Generator[object, None, V]:
    """Return a value that is ready, as a generator for `await`."""
    yield from ()  # makes it a generator
    return value


def parts_of_finished(message: Message) -> Sequence[Part]:
    """Return the parts of a finished message; if it has none, its text as one token.

    Args:
        message: a finished message.
    """
    streamed = message._streamed()  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
    text = str(message)
    return streamed or ([text] if text else [])


def _finished(context: Context, message: Message) -> ReplayBuffer[str]:
    """Return the buffer of a finished message: one token, or its parts if it has any."""
    if type(message) is Message:
        text = message.text  # only once: attributes of pydantic models are slow to look up
        if text is not None:  # the most frequent case; `str` of it is its text
            return ReplayBuffer(context, [text] if text else [], closed=True, result=message)
    if streamed := message._streamed():  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
        return PartBuffer(context, streamed, closed=True, result=message)
    text = str(message)
    return ReplayBuffer(context, [text] if text else [], closed=True, result=message)


def message_buffers(sequence: ReplayBuffer[MessagePromise[Message]]) -> list[ReplayBuffer[object]]:
    """Return the streams of the messages that have come in a sequence."""
    return [cast("ReplayBuffer[object]", promise.buffer) for promise in sequence.items]


def failed_message(
    context: Context, error: Exception, chain: tuple[str, ...] = ()
) -> MessagePromise[Message]:
    """Return a promise of a message that fails.

    Args:
        context: the owner of the promise.
        error: the error that its readers get.
        chain: the aliases of the agents that the error came through.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._context import current_context
        >>> async def main():
        ...     await failed_message(current_context(), ValueError("no such city"))
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        ValueError: no such city
    """
    buffer: ReplayBuffer[str] = ReplayBuffer(context)
    buffer.fail(error, chain)
    return MessagePromise.of_tokens(buffer, Message)


def metadata_so_far(promise: MessagePromise[Message]) -> MutableMapping[str, object]:
    """Return the data of an open message, as what writes it has them now.

    Args:
        promise: of the message.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def parts(metadata_so_far):
        ...     metadata_so_far["mood"] = "good"
        ...     yield "Hel"
        ...     await asyncio.Event().wait()
        >>> async def main():
        ...     promise = Message.promise_of_parts(parts)
        ...     await anext(aiter(promise))
        ...     print(metadata_so_far(promise))
        ...     promise.cancel()
        >>> import asyncio
        >>> MiniAgents().run(main())
        {'mood': 'good'}
    """
    producer = promise.buffer.producer
    sink = producer.sink if isinstance(producer, ProducerTask) else None
    return sink.metadata if isinstance(sink, MessageSink) else {**promise.preliminary_metadata}


def end_early(promise: MessagePromise[Message], told: Part | None = None) -> None:
    """End an open message now, as a message of what has come, and stop what writes it.

    Calls of tools, and thoughts without a signature, may be incomplete: they are left out.

    Args:
        promise: of the message.
        told: a last part of it; None for none.

    Example:
        >>> from miniagents import AssistantMessage, Finish, MiniAgents
        >>> async def parts(metadata_so_far):
        ...     yield "Hel"
        ...     await asyncio.Event().wait()
        >>> async def main():
        ...     promise = AssistantMessage.promise_of_parts(parts)
        ...     await anext(aiter(promise))
        ...     end_early(promise, Finish("interrupted"))
        ...     message = await promise
        ...     print(message, message.finish_reason)
        >>> import asyncio
        >>> MiniAgents().run(main())
        Hel interrupted
    """
    buffer, kind = promise.buffer, promise.message_class
    producer, data = buffer.producer, metadata_so_far(promise)
    if told is not None and isinstance(buffer, PartBuffer):
        buffer.put(told)
    buffer.finish(message_so_far(buffer, kind, data))
    if producer is not None:
        producer.cancel()


def message_so_far(buffer: ReplayBuffer[str], kind: type[Message], metadata: Mapping[str, object]) -> Message:
    """Return the message of what has come, of its class; of the nearest base if that requires more data.

    Calls of tools, and thoughts without a signature, may be incomplete: they are left out.

    Args:
        buffer: of the message.
        kind: its class.
        metadata: its fields that are known besides its parts.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._context import current_context
        >>> async def main():
        ...     buffer = ReplayBuffer(current_context(), ["Hel", "lo"])
        ...     print(message_so_far(buffer, Message, {}))
        >>> MiniAgents().run(main())
        Hello
    """
    data = dict(metadata)
    if isinstance(buffer, PartBuffer):
        data |= told_by(buffer.parts)
        parts = cast("tuple[Content, ...]", data.get("parts", ()))
        data["parts"] = tuple(each for each in parts if not _is_cut(each))
    data.pop("text", None)
    text = text_so_far(buffer)
    for each in kind.__mro__:
        if issubclass(each, Message):
            with suppress(Exception):  # it requires data that did not come
                return message_of(each, text, data)
    return text_message(text)


def _is_cut(part: Content) -> bool:
    """Return whether a part of a message that ended early may be incomplete."""
    return isinstance(part, ToolCall) or (isinstance(part, Reasoning) and not (part.signature or part.opaque))


# -- content message ------------------------------------------------------------------------------------
#
# `ContentMessage`: a message with text and other parts, such as images and tool calls.


class ContentMessage(Message, deferred=True):
    """A message with `parts`; without parts it is only its text.

    Attributes:
        parts: its whole content, in order, including its texts. Empty if it is only a text.
    """

    __validators_of_one_field__: ClassVar[Mapping[str, str]] = {"_text_from_parts": "parts"}

    role: ClassVar[str] = "user"
    parts: tuple[ContentField, ...] = Field(default=(), exclude_if=lambda parts: not parts)

    @model_validator(mode="before")
    @classmethod
    def _text_from_parts(cls, data: object) -> object:
        if not isinstance(data, dict):
            return data
        fields = cast("dict[str, object]", data)
        if "content" in fields:
            name = cls.__name__
            raise FreezeError(
                f"{name}(content=...): give the text first, {name}('...'), and what is no text as parts=[...]"
            )
        parts = fields.get("parts")
        if not parts or isinstance(parts, str | bytes | Mapping) or not isinstance(parts, Iterable):
            return fields
        whole: list[object] = []
        # Joined at once: what a client sends may have any number of them.
        for is_text, found in groupby(cast("Iterable[object]", parts), lambda part: isinstance(part, str)):
            row = [*found]
            whole += ["".join(cast("list[str]", row))] if is_text else row
        text = fields.get("text") or cls._text_of(cast("list[Content]", whole))
        only_text = len(whole) == 1 and isinstance(whole[0], str)
        return {**fields, "parts": () if only_text else whole, "text": text}

    @classmethod
    def _text_of(cls, parts: Iterable[Content]) -> str:
        texts = (part.text if isinstance(part, Refusal) else part for part in parts)
        return "".join(text for text in texts if isinstance(text, str))

    @property
    def content(self) -> tuple[Content, ...]:
        """The whole content, in order: its parts, including its text.

        If ``text`` differs from the text of the parts (it was given separately, or changed later), it
        replaces the texts among the parts, at the place of the first one. If there are none, it comes first.
        """
        text = self.text or ""
        return self._with_text(text, self.parts) or ((text,) if text else ())

    @classmethod
    def _with_text(cls, text: str, parts: Sequence[Content]) -> tuple[Content, ...]:
        """Return the parts with a text in the place of theirs; none if there is only the text."""
        if cls._text_of(parts) != text:
            others: list[Content] = [part for part in parts if not isinstance(part, str | Refusal)]
            before = next((at for at, part in enumerate(parts) if isinstance(part, str | Refusal)), 0)
            parts = [*others[:before], *([text] if text else []), *others[before:]]
        return () if len(parts) == 1 and isinstance(parts[0], str) else tuple(parts)

    @override
    def model_copy(self, *, update: Mapping[str, object] | None = None, deep: bool = False) -> Self:
        """Do what every message does; a text that is changed is also changed among the parts."""
        if update and "text" in update and "parts" not in update:
            update = {**update, "parts": self._with_text(str(update["text"] or ""), self.parts)}
        return super().model_copy(update=update, deep=deep)

    @override
    def _streamed(self) -> list[Part]:
        return list(parts_of_content(self.content)) if self.parts else []
