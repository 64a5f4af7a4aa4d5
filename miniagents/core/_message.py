"""``Message`` and ``MessagePromise``: one thing seen twice, as the value and as the stream it comes from.

They share a module because they speak of each other: a message class makes promises (``Message.promise``,
``message.as_promise``), and a promise resolves to a message of its class.

Why so long: two classes that cannot be named apart from each other, each form with an example.
"""

from collections.abc import AsyncIterable, Callable, Generator, Mapping, MutableMapping
from typing import ClassVar, Final, Generic, Self, cast

from pydantic import Field
from typing_extensions import TypeVar, override

from miniagents.values import (
    ATOMS,
    Frozen,
    FrozenMapping,
    Part,
    fill_with_atoms,
    freeze,
    made_of,
    set_partial_text,
)

from ._buffer import ReplayBuffer
from ._context import Context
from ._lifetime import Lifetime
from ._part_buffer import PartBuffer, parts_of_message, start_part_pump, told_by
from ._promise import StreamedPromise, start_pump
from ._stream import Stream, TokenStream

M_co = TypeVar("M_co", bound="Message", covariant=True, default="Message")
M = TypeVar("M", bound="Message")
V = TypeVar("V")

TokenStreamer = Callable[[MutableMapping[str, object]], AsyncIterable[str]]
"""What ``Message.promise`` takes: an async generator function of tokens, given ``metadata_so_far``."""
PartStreamer = Callable[[MutableMapping[str, object]], AsyncIterable[Part]]
"""What ``Message.promise_of_parts`` takes: as a token streamer, but it yields parts."""

_NOTHING: FrozenMapping[str, object] = FrozenMapping()
_new = object.__new__
_set = object.__setattr__  # around the guard of `Frozen.__setattr__`


class Message(Frozen, deferred=True):
    """A frozen value that flows between agents: a text, and any further keywords as data.

    Args:
        text: what it says; None for a message of data only, which is shown by its template or as JSON.
        **fields: declared fields of the class, kept frozen all the way down; ``Message`` itself, and a
            subclass that says ``extra="allow"``, take any others, too.

    Raises:
        pydantic.ValidationError: a declared field does not fit, or a subclass has no such field; the error
            has the nearest name.
        TypeError: a value is none of the allowed types; the error names the field's path.

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
            fill_with_atoms(self, {"text": text})  # as in `text_message`: valid and frozen as it is
            return
        kind = type(self)
        # A constructor of a subclass says itself what it takes.
        if fields and kind is not Message and kind.__init__ is _OWN_INIT:
            kind.__frozen_facts__.refuse_unknown(fields)
        if text is not None:  # a class may have a text of its own where none is given
            fields["text"] = text  # in the mapping: `text` is not declared on Frozen
        super().__init__(**fields)

    # What pydantic validates it makes without the constructor: there any further data is kept.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]

    @property
    def as_promise(self) -> "MessagePromise[Self]":
        """A finished promise of this very message.

        Raises:
            NoActiveContextError: no context is active.
        """
        return MessagePromise(self)

    def _streamed(self) -> list[Part]:
        """What it streams as if it were still being written; empty if that is its text alone."""
        return []

    @classmethod
    def promise(cls, token_streamer: TokenStreamer, **preliminary_metadata: object) -> "MessagePromise[Self]":
        """A message that is still being written: its tokens come from an async generator function.

        Args:
            token_streamer: called once, at once, with a mutable mapping ``metadata_so_far``; yields tokens
                (``str``). What it puts there lands in the final message. It is closed when the last
                reader and the last holder of the message have gone.
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
        buffer: ReplayBuffer[str] = ReplayBuffer(context)
        sink = MessageSink(buffer, cls, metadata)
        name = getattr(token_streamer, "__name__", "token_streamer")
        start_pump(context, name, lambda: token_streamer(metadata), buffer, sink)
        return MessagePromise.of_tokens(buffer, cls, known)

    @classmethod
    def promise_of_parts(
        cls, part_streamer: PartStreamer, **preliminary_metadata: object
    ) -> "MessagePromise[Self]":
        """A message that is more than text: as :meth:`promise`, from an async generator function of parts.

        Text is plain `str`; everything else is a value like `Reasoning` or `ToolCallDelta`. The message gets
        `finish_reason` and `usage` from the last `Finish` and `Usage`, and, if anything but text came,
        `parts`: all of its content in order.

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
        context = Context.current()
        known = freeze_metadata(preliminary_metadata)
        metadata: dict[str, object] = dict(known)
        buffer = PartBuffer(context)
        name = getattr(part_streamer, "__name__", "part_streamer")
        start_part_pump(
            context, name, lambda: part_streamer(metadata), buffer, MessageSink(buffer, cls, metadata)
        )
        return MessagePromise.of_tokens(buffer, cls, known)


_OWN_INIT: Final = Message.__init__


def text_message(text: str) -> Message:
    """``Message(text)``, for less: one of text alone is valid and frozen as it is.

    Args:
        text: what it says.

    Example:
        >>> from miniagents import Message
        >>> from miniagents.core import text_message
        >>> text_message("Hello") == Message("Hello")
        True
    """
    if type(text) is not str:  # what is more (a member of an enumeration) is pydantic's to make a str of
        return Message(text)
    # `values.of_atoms` written out: every text that flows between agents becomes one.
    message = _new(Message)
    _set(message, "__dict__", {"text": text})
    _set(message, "__pydantic_fields_set__", {"text"})
    _set(message, "__pydantic_extra__", _NOTHING)
    _set(message, "__pydantic_private__", None)
    return message


def message_of(kind: type[M], text: str | None, data: Mapping[str, object]) -> M:
    """``kind(text, **data)`` with any further data; cheap where the data are of exactly the declared types.

    Args:
        kind: the class of the message.
        text: what it says; None if it has only data.
        data: its declared fields and whatever else.

    Raises:
        pydantic.ValidationError: as the constructor of the class.
        FreezeError: as that.

    Example:
        >>> from miniagents import AssistantMessage
        >>> from miniagents.core import message_of
        >>> message_of(AssistantMessage, "Hello", {"model": "m-1"})
        AssistantMessage(text='Hello', parts=(), model='m-1', ...)
    """
    if kind is Message and not data and text is not None:
        return cast("M", text_message(text))
    if kind.__init__ is _OWN_INIT:
        return made_of(kind, data if text is None else {"text": text, **data})
    return kind(text, **data)


def freeze_metadata(metadata: Mapping[str, object]) -> FrozenMapping[str, object]:
    """The data of a message that is known before its text.

    Args:
        metadata: taken as it is now.

    Raises:
        FreezeError: a value is none of the allowed types; the text names the field's path.

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


class MessageSink(Generic[M]):
    """Closes a buffer of tokens with the message that they make together.

    Args:
        buffer: the tokens.
        message_class: the class of the message.
        metadata: its data, read when the last token has come.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> from miniagents.core import MessagePromise, MessageSink
        >>> from miniagents.core import ReplayBuffer, current_context
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
        """Make the message; if it cannot be made, that is the error of the stream."""
        if self.buffer.closed:
            return
        try:
            data = {name: value for name, value in self.metadata.items() if name != "text"}
            if isinstance(self.buffer, PartBuffer):
                data |= told_by(self.buffer.parts)
            # Of an answer that began anew, only the new one is the text.
            text = str(data.pop("text")) if "text" in data else _join(self.buffer.items)
            message = message_of(self.message_class, text, data)
        except Exception as error:  # noqa: BLE001 - validation is user code
            self.fail(error)
        else:
            self.buffer.finish(message)

    def fail(self, error: Exception, chain: tuple[str, ...] = (), *, handled: bool = False) -> None:
        """End with ``error``; :func:`partial_text` of it is what had arrived.

        Args:
            error: the terminal of the buffer.
            chain: the aliases of the agents that it went through.
            handled: its readers are told elsewhere, so it is not logged here.
        """
        if not self.buffer.closed:
            set_partial_text(error, "".join(str(token) for token in self.buffer.items))
            self.buffer.fail(error, chain, handled=handled)

    abort = fail


def _join(tokens: list[str]) -> str:
    try:
        return "".join(tokens)
    except TypeError:
        pieces: list[object] = [*tokens]
        index, wrong = next(pair for pair in enumerate(pieces) if not isinstance(pair[1], str))
        msg = (
            f"Token {index} of a message is of type {type(wrong).__name__}; a token streamer must yield str. "
            "Put data into metadata_so_far instead, or stream parts with promise_of_parts."
        )
        raise TypeError(msg) from None


class MessagePromise(StreamedPromise[str, M_co]):
    """A message that may still be streaming: await it, iterate its tokens, or subscribe to them.

    * When does it start? What made it has started it: a running agent, or :meth:`Message.promise`.
    * How often? It is written once, however many read it.
    * What is kept? Every token: each reader starts at the first, at its own pace.
    * What does ``break`` do? That reader is gone. When none can come any more, the source is stopped and
      closed.
    * When does an error come? After every token that came before it, the very exception that was raised;
      ``partial_text(error)`` is what had arrived.

    Args:
        message: the finished message it stands for. (One that is still being written is made with
            :meth:`Message.promise`.)

    Attributes:
        held: the stream, None until something looks at that of a text that was there from the start.
        given: the message that it was made of; None if that is or was being written.
        preliminary_metadata: the data that was known when the promise was made; it never changes.
        message_class: the class of the message that is going to come.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> async def write(metadata_so_far):
        ...     yield "Hel"
        ...     yield "lo"
        >>> async def main():
        ...     promise = Message.promise(write, lang="en")
        ...     print(promise.preliminary_metadata["lang"], [token async for token in promise])
        ...     promise.tokens.subscribe(print)
        ...     print(await promise)
        >>> MiniAgents().run(main())
        en ['Hel', 'lo']
        Hel
        lo
        Hello
    """

    __slots__ = ("_context", "given", "message_class", "preliminary_metadata")

    preliminary_metadata: FrozenMapping[str, object]
    message_class: type[M_co]
    given: M_co | None
    held: Lifetime[object] | None

    def __init__(self, message: M_co) -> None:
        self.preliminary_metadata = _NOTHING
        self.message_class = type(message)
        self._stand_for(Context.current(), message, announced=True)

    @staticmethod
    def of_message(context: Context, message: M, *, announced: bool = True) -> "MessagePromise[M]":
        """The finished promise of ``message`` in a context that need not be the active one.

        Args:
            context: the context.
            message: what has come to be.
            announced: handlers are told of it, as of every promise; False for one that is made for them.
        """
        # `typing.cast` is a call, and this is done for each message that there is.
        promise: MessagePromise[M] = object.__new__(MessagePromise)  # pyright: ignore[reportAssignmentType]
        promise.preliminary_metadata = _NOTHING
        promise.message_class = type(message)
        promise._stand_for(context, message, announced=announced)
        return promise

    def _stand_for(self, context: Context, message: M_co, *, announced: bool) -> None:  # type: ignore[misc]  # as in a constructor
        """Be the promise of ``message``; of a text alone the stream is made when something looks at it.

        Most of them are read as the value that they are, and a stream is most of what a promise costs.
        """
        self.given = message
        if type(message) is Message and message.text is not None and not (announced and context.announcing):
            self.held = None
            self._context = context
        else:
            self.take(_finished(context, message), announced=announced)

    # Made at the first look, so it is a property here and an attribute of every other promise.
    @property  # type: ignore[override,explicit-override]
    @override
    def buffer(self) -> ReplayBuffer[str]:  # pyright: ignore[reportIncompatibleVariableOverride]
        """The stream underneath, for code of this layer; readers use the three faces."""
        if self.held is None:
            self.take(_finished(self._context, cast("Message", self.given)), announced=False)
        return cast("ReplayBuffer[str]", self.held)

    @buffer.setter
    def buffer(self, buffer: ReplayBuffer[str]) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Nothing: what is shown is what is held."""

    @staticmethod
    def of_tokens(
        buffer: ReplayBuffer[str], message_class: type[M], metadata: FrozenMapping[str, object] = _NOTHING
    ) -> "MessagePromise[M]":
        """The promise that shows a buffer of tokens; the buffer's result is the message.

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
    def __await__(self) -> Generator[object, None, M_co]:
        """The message, when it is there."""
        if self.given is not None:  # what is there needs no coroutine
            return _ready(self.given)
        return self._whole().__await__()

    @override
    def _resolve(self) -> M_co:
        return super()._resolve() if self.given is None else self.given

    @override
    def _again(self) -> "Callable[[], MessagePromise[M_co]]":
        buffer, message_class, metadata = self.buffer, self.message_class, self.preliminary_metadata
        given = self.given

        def view() -> MessagePromise[M_co]:
            promise = cast("MessagePromise[M_co]", object.__new__(MessagePromise))
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
        """Everything that the message streams, in order: its tokens and what came between them.

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
    """What `await` takes of a value that is there."""
    yield from ()  # makes it a generator
    return value


def _finished(context: Context, message: Message) -> ReplayBuffer[str]:
    """The buffer of a message that is there: one token, or the parts of a message that has more."""
    if type(message) is Message:
        text = message.text  # once: an attribute of a pydantic model is looked up slowly
        if text is not None:  # what comes most, and is its own text
            return ReplayBuffer(context, [text] if text else [], closed=True, result=message)
    if streamed := message._streamed():  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
        return PartBuffer(context, streamed, closed=True, result=message)
    text = str(message)
    return ReplayBuffer(context, [text] if text else [], closed=True, result=message)


def failed_message(
    context: Context, error: Exception, chain: tuple[str, ...] = ()
) -> MessagePromise[Message]:
    """A message that fails where it stands.

    Args:
        context: who owns it.
        error: what its readers are going to get.
        chain: the aliases of the agents that the error came through.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import current_context
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
