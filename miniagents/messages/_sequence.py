"""``MessageSequencePromise``: a flat stream of message promises."""

from collections.abc import AsyncIterable, Callable, Generator, Iterable
from contextvars import copy_context
from functools import partial
from html import escape
from typing import (
    TYPE_CHECKING,
    ClassVar,
    Final,
    Generic,
    NoReturn,
    Self,
    SupportsIndex,
    TypeAlias,
    cast,
    overload,
)

from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase, SchedulerBase
from reactivex.disposable import Disposable
from reactivex.scheduler import CurrentThreadScheduler
from typing_extensions import TypeVar, override

from miniagents.streams import Promise, Stream, StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import current_producer, extend_chain, together
from miniagents.streams._readers import raise_error, settled, until_done
from miniagents.streams._run_task import ProducerTask
from miniagents.streams._stream import TokenStream
from miniagents.values import MiniAgentsError, Part

from ._flattener import Flattener, filled, follow_observable
from ._message import M_co, Message, MessagePromise, message_buffers
from ._message_type import FlatStream, MessageType
from ._tokens import TokenTransformer, join_tokens, resolved, write_with

# -- messages -------------------------------------------------------------------------------------------
#
# ``Messages``: the value of a sequence of messages.

M = TypeVar("M", bound=Message, default=Message)
T = TypeVar("T")


class Messages(tuple[M_co, ...]):
    r"""An immutable tuple of messages; its text is their texts joined by a blank line.

    Awaiting it returns the same object, so code can ``await`` a value that may be a promise or its messages.

    Example:
        >>> from miniagents import Message, Messages
        >>> messages = Messages([Message("one"), Message("two")])
        >>> str(messages), f"{messages}", messages[0].text
        ('one\n\ntwo', 'one\n\ntwo', 'one')
    """

    __slots__ = ()

    @override
    def __str__(self) -> str:
        return "\n\n".join(str(message) for message in self)

    @override
    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    @override
    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {len(self)}>"

    def _repr_html_(self) -> str:
        """Show the texts, with the classes of the messages: notebooks look for this name."""
        return "".join(
            f"<div><b>{type(each).__name__}</b>"
            f'<pre style="white-space: pre-wrap; margin-top: 0">{escape(str(each))}</pre></div>'
            for each in self
        )

    @overload
    def __getitem__(self, index: SupportsIndex, /) -> M_co: ...
    @overload
    def __getitem__(self, index: slice, /) -> "Messages[M_co]": ...
    @override
    def __getitem__(self, index: SupportsIndex | slice, /) -> "M_co | Messages[M_co]":
        if isinstance(index, slice):
            return Messages(super().__getitem__(index))
        return super().__getitem__(index)

    @overload  # type: ignore[override]  # with more exact result types than those of tuple
    def __add__(self, other: "Messages[M]", /) -> "Messages[M_co | M]": ...
    @overload
    def __add__(self, other: tuple[M_co, ...], /) -> tuple[M_co, ...]: ...
    @overload
    def __add__(self, other: tuple[T, ...], /) -> tuple[M_co | T, ...]: ...
    @override
    def __add__(  # pyright: ignore[reportIncompatibleMethodOverride] - the same
        self, other: tuple[object, ...], /
    ) -> tuple[object, ...]:
        both = super().__add__(other)
        return Messages(cast("tuple[Message, ...]", both)) if isinstance(other, Messages) else both

    @override
    def __contains__(self, message: Message, /) -> bool:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride] - what is no message is a mistake
        found: object = message
        if isinstance(found, str):
            raise TypeError(
                f"Messages contain no text, so {found!r} is never in them. Look into their texts: "
                "`text in str(messages)`, or `any(each.text == text for each in messages)`."
            )
        return super().__contains__(message)

    def __await__(self) -> Generator[object, None, Self]:
        """Return itself, at once."""
        yield from ()  # only makes it a generator
        return self

    async def aresolve_messages(self) -> Self:
        """Return itself; the method exists because a promise of messages has it."""
        return self


# -- sequence -------------------------------------------------------------------------------------------


class _Parts(TokenTransformer[Part]):
    """Writes every part of every message."""

    __slots__ = ()

    all_parts: ClassVar[bool] = True
    in_step: ClassVar[bool] = True

    @override
    def tokens(self, tokens: list[str], /) -> None:
        self.target.extend(cast("list[Part]", tokens))


class _Tokens(TokenTransformer[str]):
    """Writes every token of every message."""

    __slots__ = ()

    in_step: ClassVar[bool] = True

    @override
    def tokens(self, tokens: list[str], /) -> None:
        self.target.extend(tokens)


class MessageSequencePromise(FlatStream[M_co, Messages[M_co]]):
    """A sequence of messages that may still be arriving: await all, iterate their promises, or subscribe.

    * When does it start? ``agent.inquire(...)`` has started it.
    * How often? Once, for any number of readers.
    * What is kept? Every message promise with its tokens: each reader starts at the first one.
    * What does ``break`` do? It ends that reader. When none is left or can come, the run is stopped.
    * When does an error come? In the place of its message, and later ones still arrive; that of the sequence
      at its end.

    Args:
        prefill_pieces: any ``MessageType``; each becomes a message promise.
        replay: False: a message is dropped when all present readers have passed it.

    Raises:
        NoActiveContextError: no context is active.
        UnresolvedPromiseError: when awaited after the first messages were dropped.
        TypeError: a piece cannot become a message; the text names its type and position.

    Example:
        >>> from miniagents import Message, MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     promise = MessageSequencePromise(prefill_pieces=[Message("one"), "two"])
        ...     print([str(await message) async for message in promise], (await promise)[1].text)
        >>> MiniAgents().run(main())
        ['one', 'two'] two
    """

    __slots__ = ()

    def __init__(self, prefill_pieces: MessageType = (), *, replay: bool = True) -> None:
        self.take(filled(Context.current(), prefill_pieces, replay=replay))

    @staticmethod
    def of_message(context: Context, message: M) -> "MessageSequencePromise[M]":
        """Return a sequence of one finished message, in any context.

        Args:
            context: the context.
            message: the message.
        """
        promise = MessagePromise.of_message(context, message)
        buffer = ReplayBuffer(context, [promise], closed=True)
        promise.contain(buffer)
        return MessageSequencePromise.over(buffer)  # pyright: ignore[reportReturnType] - a cast is a call

    @property
    def messages(self) -> Stream[MessagePromise[M_co]]:
        """The message promises, each as soon as it begins; see :class:`Stream`."""
        return self._view("messages", lambda: Stream(self.buffer))

    @property
    def tokens(self) -> Stream[str]:
        """The tokens of all messages as they come, message after message; one that fails ends the stream.

        See :class:`Stream`.
        """
        return self._view("tokens", lambda: TokenStream(partial(_tokens, self._lease())))

    @property
    def parts(self) -> Stream[Part]:
        """Every part of all messages, in order: text as `str`, reasoning, calls of tools, their results.

        A message that fails ends the stream. See :class:`Stream`.

        Example:
            >>> from miniagents import AssistantMessage, MessageSequencePromise, MiniAgents
            >>> async def main():
            ...     turns = MessageSequencePromise([AssistantMessage("one", finish_reason="stop"), "two"])
            ...     print(await turns.parts)
            >>> MiniAgents().run(main())
            ('one', Finish(reason='stop'), 'two')
        """
        return self._view("parts", lambda: Stream(partial(_parts, self._lease())))

    @property
    def final(self) -> Promise[M_co]:
        """A promise of the last message; for a model with tools, it is the answer.

        Raises:
            MiniAgentsError: when awaited, if no message came.

        Example:
            >>> from miniagents import MessageSequencePromise, MiniAgents
            >>> async def main():
            ...     print(await MessageSequencePromise(["Let me look.", "It is cold."]).final)
            >>> MiniAgents().run(main())
            It is cold.
        """
        make = partial(FinalMessage[M_co].over, self.buffer, announced=False)
        return self._view("final", make)

    def _lease(self) -> "FlatStream[Message, object]":
        """Return another promise of the same messages for derived streams, which must not hold this one."""
        return cast("FlatStream[Message, object]", self._again()())

    async def aresolve_messages(self) -> Messages[M_co]:
        """Return the same as ``await`` of the sequence."""
        return await self

    def as_single_promise(
        self,
        delimiter: str = "\n\n",
        strip_leading_newlines: bool = False,
        reference_original_messages: bool = True,
        **metadata: object,
    ) -> MessagePromise[Message]:
        """Return one streaming message of all texts, as :func:`join_messages` does.

        Args:
            delimiter: the text between two messages.
            strip_leading_newlines: leave out the newlines at the start of each message.
            reference_original_messages: keep the messages as ``original_messages`` of the joined one.
            **metadata: data of the joined message.

        Raises:
            NoActiveContextError: no context is active.
            FreezeError: a value of ``metadata`` is not of an allowed type.
        """
        return join_tokens(
            self,
            delimiter=delimiter,
            strip_leading_newlines=strip_leading_newlines,
            reference_original_messages=reference_original_messages,
            metadata=metadata,
        )

    @override
    def cancel(self) -> None:
        """Stop the run, and every message that this run, or a run that it began, is still writing.

        Messages that others write (a message that the agent was sent and passed on) go on. Idempotent.
        """
        together(self.buffer.context, self._cancel_all)

    def _cancel_all(self) -> None:
        super().cancel()
        self.buffer.context.cancel_finished_early(self.buffer)
        ancestry = self.buffer.ancestry
        for promise in tuple(self.buffer.items):
            if (
                ancestry is not None
                and promise.given is None
                and not promise.buffer.closed
                and ancestry.began(promise.buffer.ancestry)
            ):
                promise.cancel()
        if self.buffer.left_by is not None:  # last: these messages may have been their readers
            self.buffer.left_by.cancel_left_behind()

    @override
    async def _whole(self) -> Messages[M_co]:
        await _until_complete(self.buffer)
        return self._resolve()

    @override
    def _fold(self, buffer: ReplayBuffer[object]) -> object:
        buffer.keep_all()
        return Messages([resolved(promise) for promise in self.buffer.items])

    @override
    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        return message_buffers(cast("ReplayBuffer[MessagePromise[Message]]", self.buffer))


def open_sequence() -> tuple[Flattener, MessageSequencePromise[Message]]:
    """Return a sequence that is still open: the flattener that writes it, and its promise.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     flattener, sequence = open_sequence()
        ...     flattener.feed("one")
        ...     print(sequence.done)
        ...     flattener.finish()
        ...     print(await sequence)
        >>> MiniAgents().run(main())
        False
        one
    """
    context = Context.current()
    buffer: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(context)
    return Flattener(context, buffer), MessageSequencePromise.over(buffer)


# What a parameter accepts that takes messages of one class only. `MessageType` takes any message, and texts
# and mappings, which become a `Message`. These need not become an `M`, so users write `M(...)`. Nested
# collections are not accepted, because to type checkers `str` is an iterable of `str`.

AnyM = TypeVar("AnyM", bound=Message)

MessageItemOf: TypeAlias = (
    AnyM | MessagePromise[AnyM] | MessageSequencePromise[AnyM] | Messages[AnyM] | Exception
)
"""One item where messages of class ``M`` are accepted."""

if TYPE_CHECKING:
    _Alias = TypeVar("_Alias")

    # It is an exception class because exceptions are accepted anyway, so the alias accepts nothing new.
    class _Itself(Exception, Generic[_Alias]):  # noqa: N818 - it only stands for an alias
        """A class without instances: errors of mypy show an alias that refers to itself by its name."""

    _ByName: TypeAlias = _Itself["MessageTypeOf[AnyM]"]
else:
    _ByName = MessageItemOf

MessageTypeOf: TypeAlias = (
    MessageItemOf[AnyM]
    | Iterable[MessageItemOf[AnyM]]
    | AsyncIterable[MessageItemOf[AnyM]]
    | Observable[MessageItemOf[AnyM]]
    | _ByName[AnyM]
    | None
)
"""What is accepted where messages of class ``M`` are taken: one item, many items, or None."""


class FinalMessage(Promise[M_co], Generic[M_co]):
    """The last message of a sequence; it reads the sequence's buffer and starts nothing."""

    __slots__ = ()

    @override
    async def _whole(self) -> M_co:
        await _until_complete(cast("ReplayBuffer[MessagePromise[Message]]", self.buffer))
        return self._resolve()

    @override
    def _resolve(self) -> M_co:
        promises = cast("list[MessagePromise[M_co]]", self.buffer.items)
        if not promises:
            raise MiniAgentsError(
                "no message came, so there is no final message; read the messages of the sequence instead"
            )
        return resolved(promises[-1])

    @override
    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        return message_buffers(cast("ReplayBuffer[MessagePromise[Message]]", self.buffer))


class WholeRequest:
    """Requests everything of a sequence and of each of its messages, for what waits until all have ended.

    Without it a message would wait at `prefetch` for its turn. It holds no promise.

    Args:
        buffer: the sequence.

    Attributes:
        position: always 0, since it takes no pieces.
    """

    __slots__ = ("_buffer", "_count", "_messages", "position")

    def __init__(self, buffer: ReplayBuffer[MessagePromise[M]]) -> None:
        self.position: int = 0
        self._buffer = cast("ReplayBuffer[MessagePromise[Message]]", buffer)
        self._count = 0
        self._messages: list[ReplayBuffer[str]] = []
        buffer.attach(self)
        self.deliver()

    def deliver(self) -> None:
        """Request all of the messages that have come."""
        items = self._buffer.items
        while self._count < len(items):
            promise = items[self._count]
            self._count += 1
            if promise.given is None and not promise.buffer.closed:
                promise.buffer.request_all()
                self._messages.append(promise.buffer)

    def leave(self) -> None:
        """Take the requests back; idempotent."""
        self._buffer.detach(self)
        while self._messages:
            self._messages.pop().withdraw()


async def _until_complete(buffer: ReplayBuffer[MessagePromise[M]]) -> None:
    """Wait for every message in order; raise the error of the first one that fails, before later ones come.

    Raises:
        Exception: the error of the first message that failed, or of the sequence.
    """
    items = buffer.items
    position = 0
    whole: WholeRequest | None = None  # most sequences are complete, or consist of finished messages
    buffer.keep_all()
    buffer.reader_came()
    try:
        while True:
            while position < len(items):
                promise = items[position]
                position += 1
                if promise.given is None and (not promise.buffer.closed or promise.buffer.error is not None):
                    whole = whole or WholeRequest(buffer)
                    try:
                        await promise
                    except Exception as error:
                        _note_writer(buffer, error)
                        raise
            if buffer.closed:
                break
            await until_done(buffer, buffer.wait())
    finally:
        buffer.reader_left()
        if whole is not None:
            whole.leave()
    if buffer.error is not None:
        await settled(buffer)
    raise_error(buffer)


def _note_writer(buffer: ReplayBuffer[MessagePromise[M]], error: Exception) -> None:
    """Add the run that passed a message on to the note of the message's error."""
    writer, reader = buffer.ancestry, current_producer()
    if writer is None or not isinstance(reader, ProducerTask):
        return
    received = reader.received_as(error)
    if received is not None:
        received.chain = extend_chain(error, received.chain, writer.name)


def _tokens(source: FlatStream[Message, object]) -> ReplayBuffer[str]:
    return write_with(source, _Tokens(ReplayBuffer(source.buffer.context)))


def _parts(source: FlatStream[Message, object]) -> ReplayBuffer[Part]:
    return write_with(source, _Parts(ReplayBuffer(source.buffer.context)))


def tokens_of(source: FlatStream[Message, object]) -> StreamedPromise[str, object]:
    """Return a stream of the tokens of all messages as they come, message after message.

    Args:
        source: the messages; the first one that fails ends the stream with its error.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     tokens = tokens_of(scripted_model(["Hel", "lo"]).inquire())
        ...     print([token async for token in tokens])
        >>> MiniAgents().run(main())
        ['Hel', 'lo']
    """
    return StreamedPromise[str, object].over(_tokens(source))


# -- lift -----------------------------------------------------------------------------------------------
#
# `Lifted`: turns a function of a promise of messages into an operator on Observables.

B = TypeVar("B")

_NO_ITEMS: Final = (
    "An Observable has no items yet: subscribe to it, or await it first with `pipe(operators.to_list())` "
    "for a list of all items."
)


class Lifted(Observable[B]):
    """The result of ``transform`` for the messages of ``source``, computed again for each subscriber.

    * When does it start? At each subscription, in the subscriber's contextvars and context.
    * How often? Once per subscription.
    * What is kept? The messages of that subscription, until it ends.
    * What does ``break`` do? Disposing unsubscribes from ``source`` and abandons what ``transform`` began.
    * When does an error come? After everything that came before it.

    Args:
        source: an Observable whose items may be any ``MessageType``.
        transform: called with a promise of the messages that ``source`` emits; the subscriber gets its
            result.

    Attributes:
        source: the Observable to subscribe to.

    Raises:
        NoActiveContextError: on subscribing, when no context is active.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.messages._sequence import Lifted, tokens_of
        >>> MiniAgents().run(Lifted(rx.of("one", "two"), tokens_of))
        ['one', 'two']
    """

    def __init__(
        self,
        source: Observable[object],
        transform: Callable[[MessageSequencePromise[Message]], StreamedPromise[B, object]],
    ) -> None:
        super().__init__()
        self.source: Observable[object] = source
        self._transform = transform

    if not TYPE_CHECKING:  # for type checkers no Observable has it; without it `for` would never end

        def __iter__(self) -> NoReturn:
            raise TypeError(_NO_ITEMS)

    # Overridden, and not given to the constructor: a bound method in an attribute is a circle of references.
    @override
    def _subscribe_core(
        self, observer: ObserverBase[B], scheduler: SchedulerBase | None = None
    ) -> DisposableBase:
        flattener, received = open_sequence()
        source = self.source
        received.buffer.expect_reader()  # it ends when nothing needs it any more
        result = self._transform(received)
        del received
        subscription = result.pieces.subscribe(observer, scheduler=scheduler)
        held = [result]  # until the subscriber leaves
        variables = copy_context()

        def leave() -> None:
            subscription.dispose()
            # Weaker than cancelling it: after `take(1)` the taken message goes on streaming if something
            # holds it, together with the input that it needs. The rest stops.
            held.pop().buffer.abandon()

        def follow_source(*_: object) -> None:
            if flattener.ended:  # the subscriber has left already
                return
            try:
                variables.run(follow_observable, flattener, source, scheduler)
            except Exception as error:  # noqa: BLE001 - any error of a source is its terminal event
                flattener.fail(error)

        # Not here: each operator of a long pipeline would subscribe to the one before it on a deeper stack.
        CurrentThreadScheduler.singleton().schedule(follow_source)
        return Disposable(leave)


def lifted(
    transform: Callable[[MessageSequencePromise[Message]], StreamedPromise[B, object]],
) -> Callable[[Observable[object]], Observable[B]]:
    """Return the operator whose result is :class:`Lifted`.

    Args:
        transform: as of `Lifted`.
    """
    return partial(Lifted, transform=transform)
