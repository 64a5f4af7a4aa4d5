"""Copies: a stream that is written from one other stream, piece by piece and without a task.

They differ in what becomes of the end, and in who is stopped with whom:

| copy | reads | at the end of its source | `cancel` | readers left |
|---|---|---|---|---|
| `TokenMessage` | tokens | a message of the tokens | the source goes on | the source goes on |
| `_Validated` | messages | the same end | cancels the source, which it stands for | both stop |
| `_ValidatedMessage` | a message | the validated message, or the error | cancels the source | both stop |
| `MessageCopy` | a message | the same | the source goes on | both stop |

Many streams become one in the flattener (`_flattener.py`); messages become other text in a token feed
(`_tokens.py`). Everything else that reads one stream and writes another one has a task (a message:
`agents/_algebra/_rewritten.py`).
"""

from typing import Generic, cast

from typing_extensions import TypeVar, override

from miniagents.streams import StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._derived import Processor
from miniagents.streams._run_task import current_ancestry
from miniagents.streams._stream import Stream, TokenStream
from miniagents.values import InquiryCancelledError, set_partial_text

from ._message import Message, MessagePromise, MessageSink
from ._parts import PartBuffer, text_so_far

T = TypeVar("T")


class Copy(Processor, Generic[T]):
    """Writes the pieces of one stream into another buffer as they come, as far as that is read.

    Args:
        source: the stream to copy; kept alive until the copy has ended.
        target: the buffer that gets the pieces.
    """

    __slots__ = ("_source", "target")

    def __init__(self, source: "StreamedPromise[T, object] | Stream[T]", target: ReplayBuffer[T]) -> None:
        super().__init__()
        self._source: StreamedPromise[T, object] | Stream[T] | None = source
        self.target: ReplayBuffer[T] = target
        target.produce_with(self, self._buffer_of(source).ancestry)
        target.write_from(self)

    @staticmethod
    def _buffer_of(source: "StreamedPromise[T, object] | Stream[T]") -> ReplayBuffer[T]:
        return source.shown if isinstance(source, Stream) else source.buffer

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        source = self._source
        return None if source is None else cast("ReplayBuffer[object]", self._buffer_of(source))

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return cast("ReplayBuffer[object]", self.target)

    def start(self, *, reads: bool = True) -> None:
        """Begin to copy; pieces that have come already are copied at once.

        Args:
            reads: whether the source counts as read; False if it counts when the copy is read.
        """
        reading = self.reading
        if reading is not None:
            reading.attach(self, unbounded=False, reads=reads)
            if reading.unread:
                self.target.run_unread()
            self.pass_demand_on(waiting=self.target.waited_for)
            self.deliver()

    @override
    def step(self) -> bool:
        """Copy the new pieces, then the end."""
        source = self._source
        if source is None or self.target.closed:
            return False
        buffer = self._buffer_of(source)
        if self._copy(buffer):
            return True
        if buffer.closed:
            self._end(source, buffer)
        return False

    @override
    def pass_demand_on(self, *, waiting: bool) -> None:
        reading = self.reading
        if reading is not None:  # tokens are counted, and not the other parts of a message
            self._request.pass_on(reading, len(self.target.items), self.target.credit(), waiting=waiting)

    def _copy(self, buffer: ReplayBuffer[T]) -> bool:
        """Copy new pieces; return whether there were any."""
        parts = cast("list[T]", buffer.parts) if isinstance(buffer, PartBuffer) else buffer.items
        batch = parts[self.position :]
        self.position += len(batch)
        if isinstance(self.target, PartBuffer):
            for part in cast("list[str]", batch):
                self.target.put(part)
        else:
            self.target.extend(batch)
        return bool(batch)

    def _end(self, source: object, buffer: ReplayBuffer[T]) -> None:
        """End as the source has ended; ``source`` keeps its error from being logged meanwhile."""
        self.leave()
        if buffer.error is None:
            self.finish(source)
        else:
            self.target.takes_error_of(buffer)
            self.fail(buffer.error, buffer.chain)
            buffer.pass_error_on(self.target)

    def finish(self, source: object) -> None:
        """End normally; a subclass makes the result.

        Args:
            source: the promise that has ended.
        """
        del source
        self.target.finish()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with ``error``, after the pieces that came.

        Args:
            error: the error that ends it.
            chain: the aliases of the agents that it went through.
        """
        self.target.fail(error, chain)

    @override
    def leave(self) -> None:
        reading, self._source = self.reading, None
        if reading is not None:
            self._request.release()
            reading.detach(self, unbounded=False)


class TokenMessage(Copy[str]):
    """One message of a stream of tokens that is given where messages are accepted.

    If the tokens fail, the message fails with the same error, after the tokens before it. Cancelling the
    message, or leaving it, does not cancel the tokens, which belong to another stream.

    Args:
        context: the owner of the message.
        tokens: the tokens of its text; kept alive as long as they are read.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     tokens = MessageSequencePromise(["Hel", "lo"]).tokens
        ...     print([str(message) for message in await MessageSequencePromise(tokens)])
        >>> MiniAgents().run(main())
        ['Hello']
    """

    __slots__ = ("_sink",)

    def __init__(self, context: Context, tokens: TokenStream) -> None:
        super().__init__(tokens, ReplayBuffer(context))
        self._sink = MessageSink(self.target, Message, {})

    def begin(self) -> MessagePromise[Message]:
        """Begin to read, and return the promise of the message; once."""
        promise = MessagePromise.of_tokens(self.target, Message)
        self.start()
        return promise

    @override
    def finish(self, source: object) -> None:
        self._sink.finish()

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        self._sink.fail(error, chain)


class MessageCopy(Copy[str]):
    """A copy of a streaming message that can be ended before its source ends.

    It belongs to the run that makes it. **It keeps its source going, and only its readers keep the copy
    going**: the object that makes a copy does not count as a reader.

    Args:
        source: the message.
    """

    __slots__ = ("_message",)

    def __init__(self, source: MessagePromise[Message]) -> None:
        context, parts = source.buffer.context, isinstance(source.buffer, PartBuffer)
        super().__init__(source, PartBuffer(context) if parts else ReplayBuffer(context))
        self.target.ancestry = current_ancestry()
        self._message = source.message_class, source.preliminary_metadata

    def begin(self) -> MessagePromise[Message]:
        """Begin to copy, and return the promise of the copy; once."""
        promise = MessagePromise.of_tokens(self.target, *self._message)
        self.start(reads=False)
        return promise

    @override
    def finish(self, source: object) -> None:
        self.target.finish(cast("MessagePromise[Message]", source).buffer.result)

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        self.leave()
        if not self.target.closed:
            set_partial_text(error, text_so_far(self.target))
            self.target.fail(error, chain)

    @override
    def cancel(self) -> None:
        """Stop copying; the source goes on."""
        if self._source is not None:
            self.fail(InquiryCancelledError())

    @override
    def abandon(self) -> None:
        self.cancel()
