"""``MessageSequencePromise``: a flat stream of message promises."""

from collections.abc import AsyncIterable, Iterable
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Generic, TypeAlias, cast

from reactivex import Observable
from typing_extensions import TypeVar, override

from miniagents.values import MiniAgentsError, Part

from ._ancestry import extend_chain
from ._buffer import ReplayBuffer
from ._context import Context
from ._deadlocks import current_producer
from ._flattener import Flattener, filled
from ._join import join_tokens
from ._lifetime import Lease
from ._message import M_co, Message, MessagePromise
from ._message_type import FlatStream, MessageType
from ._messages import Messages
from ._part_buffer import PartBuffer
from ._producer_task import ProducerTask
from ._promise import Promise, StreamedPromise
from ._readers import raise_error, until_more
from ._stream import Stream, TokenStream
from ._token_feed import TokenFeed, TokenTransformer, resolved

M = TypeVar("M", bound=Message, default=Message)


class _Parts(TokenTransformer[Part]):
    """Writes every part of every message."""

    __slots__ = ()

    in_step: ClassVar[bool] = True

    @override
    def pieces_of(self, buffer: ReplayBuffer[str], /) -> list[str]:
        return cast("list[str]", buffer.parts) if isinstance(buffer, PartBuffer) else buffer.items

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

    * When does it start? It has started already: ``agent.inquire(...)`` starts the run at once.
    * How often? Once, for any number of readers.
    * What is kept? Every message promise, with its tokens: each reader starts at the first message and reads
      at its own pace.
    * What does ``break`` do? It ends that reader. When no reader is left and none can come any more, the run
      is stopped.
    * When does an error come? A message that fails raises its error in its place, and the messages after it
      still arrive. An error of the sequence itself is raised after the messages that came before it.

    Args:
        prefill_pieces: any ``MessageType``; each becomes a message promise.
        replay: keep every message for later readers. If it is False, a message is dropped when all present
            readers have passed it, so that memory does not grow with the sequence, and a later reader begins
            with the oldest message that is kept. To get the whole, await it before the first message is
            dropped.

    Raises:
        NoActiveContextError: no context is active.
        NotReplayedError: when awaited, with ``replay=False``, after the first messages were dropped.
        TypeError: a piece cannot become a message; the text names its type and its position.

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
        promise.contain()
        buffer = ReplayBuffer(context, [promise], closed=True)
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
        return self._view("final", lambda: cast("FinalMessage[M_co]", FinalMessage.quietly_over(self.buffer)))

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
        super().cancel()
        self.buffer.context.cancel_finished_early(self.buffer)
        ancestry = self.buffer.ancestry
        if ancestry is None:
            return
        for promise in tuple(self.buffer.items):
            if (
                promise.given is None
                and not promise.buffer.closed
                and ancestry.began(promise.buffer.ancestry)
            ):
                promise.cancel()

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
        return cast("list[ReplayBuffer[object]]", [promise.buffer for promise in self.buffer.items])


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
        return [cast("ReplayBuffer[object]", each.buffer) for each in cast("list[Lease]", self.buffer.items)]


async def _until_complete(buffer: ReplayBuffer[MessagePromise[M]]) -> None:
    """Wait for every message in order; raise the error of the first one that fails, before later ones come.

    Raises:
        Exception: the error of the first message that failed, or of the sequence.
    """
    items = buffer.items
    position = 0
    buffer.keep_all()
    buffer.reader_came()
    try:
        while True:
            while position < len(items):
                promise = items[position]
                position += 1
                if promise.given is None and (not promise.buffer.closed or promise.buffer.error is not None):
                    try:
                        await promise
                    except Exception as error:
                        _note_writer(buffer, error)
                        raise
            if buffer.closed:
                break
            await until_more(buffer)
    finally:
        buffer.reader_left()
    raise_error(buffer)


def _note_writer(buffer: ReplayBuffer[MessagePromise[M]], error: Exception) -> None:
    """Add the run that passed a message on to the note of the message's error."""
    writer, reader = buffer.ancestry, current_producer()
    if writer is None or not isinstance(reader, ProducerTask):
        return
    if reader.received is not None and reader.received[0] is error:
        reader.received = (error, extend_chain(error, reader.received[1], writer.name))


def _tokens(source: FlatStream[Message, object]) -> ReplayBuffer[str]:
    buffer: ReplayBuffer[str] = ReplayBuffer(source.buffer.context)
    TokenFeed(source, _Tokens(buffer)).start()
    return buffer


def _parts(source: FlatStream[Message, object]) -> ReplayBuffer[Part]:
    buffer: ReplayBuffer[Part] = ReplayBuffer(source.buffer.context)
    TokenFeed(source, _Parts(buffer)).start()
    return buffer


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
