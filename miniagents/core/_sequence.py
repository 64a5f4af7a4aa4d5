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
    """Messages that may still be coming: await them all, iterate their promises, or subscribe.

    * When does it start? What made it has started it: ``agent.inquire(...)`` does at once.
    * How often? It is made once, however many read it.
    * What is kept? Every message promise, with its tokens: each reader starts at the first, at its own pace.
    * What does ``break`` do? That reader is gone. When none can come any more, the run is stopped.
    * When does an error come? A failing message fails where it stands, and the ones after it still arrive.
      An error of the sequence itself is raised after the messages that came before it.

    Args:
        prefill_pieces: any ``MessageType``; each becomes a message promise.
        replay: keep every message for readers yet to come. Without it a message goes when all who read have
            passed it, so that memory does not grow with the sequence: a later reader begins with the oldest
            one that is kept. Await the whole before the first one has gone.

    Raises:
        NoActiveContextError: no context is active.
        NotReplayedError: when awaited, with ``replay=False``, after readers have passed the beginning.
        TypeError: a piece cannot become a message; the text names its type and where it stands.

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
        """The sequence of one message that is there, in a context that need not be the active one.

        Args:
            context: the context.
            message: the only one.
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
        """The tokens of all messages as they come, message after message; a failing message ends them.

        See :class:`Stream`.
        """
        return self._view("tokens", lambda: TokenStream(partial(_tokens, self._lease())))

    @property
    def parts(self) -> Stream[Part]:
        """Every part of all messages, in order: text as `str`, reasoning, calls of tools, their results.

        A failing message ends them. See :class:`Stream`.

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
        """The last message, when all have come: of a model with tools, its answer.

        Raises:
            MiniAgentsError: when awaited: no message came.

        Example:
            >>> from miniagents import MessageSequencePromise, MiniAgents
            >>> async def main():
            ...     print(await MessageSequencePromise(["Let me look.", "It is cold."]).final)
            >>> MiniAgents().run(main())
            It is cold.
        """
        return self._view("final", lambda: cast("FinalMessage[M_co]", FinalMessage.quietly_over(self.buffer)))

    def _lease(self) -> "FlatStream[Message, object]":
        """Another view of the same messages, for what is made of them: it must not hold this one."""
        return cast("FlatStream[Message, object]", self._again()())

    async def aresolve_messages(self) -> Messages[M_co]:
        """The same as awaiting it."""
        return await self

    def as_single_promise(
        self,
        delimiter: str = "\n\n",
        strip_leading_newlines: bool = False,
        reference_original_messages: bool = True,
        **metadata: object,
    ) -> MessagePromise[Message]:
        """One streaming message of all texts; the same as :func:`join_messages` of it.

        Args:
            delimiter: stands between two messages.
            strip_leading_newlines: leave out the newlines at the start of each message.
            reference_original_messages: keep the messages as ``original_messages`` of the joined one.
            **metadata: data of the joined message.

        Raises:
            NoActiveContextError: no context is active.
            FreezeError: a value of ``metadata`` is none of the allowed types.
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
        """Stop the run, and every message in it that the run, or one that it began, is still writing.

        What others write (a message that was sent to the agent and passed on) goes on. Idempotent.
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
    """A sequence that is still open: what writes it, and the promise of it.

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


# What may be given where only messages of a class are taken. `MessageType`, where any message will do, takes
# texts, mappings and whatever else becomes a `Message`; none of these is known to become an `M`: write
# `M(...)`. Nested collections are left out for a reason of type checkers: `str` is an iterable of `str`.

AnyM = TypeVar("AnyM", bound=Message)

MessageItemOf: TypeAlias = (
    AnyM | MessagePromise[AnyM] | MessageSequencePromise[AnyM] | Messages[AnyM] | Exception
)
"""One piece of what may be given where messages of class ``M`` are taken."""

if TYPE_CHECKING:
    _Alias = TypeVar("_Alias")

    # An exception, so that nothing is added to what may be given anyway.
    class _Itself(Exception, Generic[_Alias]):  # noqa: N818 - an alias is no error
        """Nothing is one. An alias that speaks of itself is told by its name in errors of mypy."""

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
"""What may be given where messages of class ``M`` are taken: a piece, many of them, or nothing."""


class FinalMessage(Promise[M_co], Generic[M_co]):
    """The last message of a sequence, as a view of that: nothing is started for it."""

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
                "no message came, so there is no final one; look at the messages themselves"
            )
        return resolved(promises[-1])

    @override
    def _parts(self) -> Iterable[ReplayBuffer[object]]:
        return [cast("ReplayBuffer[object]", each.buffer) for each in cast("list[Lease]", self.buffer.items)]


async def _until_complete(buffer: ReplayBuffer[MessagePromise[M]]) -> None:
    """Wait for every message, one after the other: a failing one is raised before those behind it come.

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
    """Write on the error of a message that it came through the run that passed the message on."""
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
    """The tokens of all messages as they come, message after message.

    Args:
        source: the messages; the first one that fails ends the tokens with its error.

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
