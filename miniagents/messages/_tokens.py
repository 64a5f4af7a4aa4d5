"""The token feed: reads the tokens of a sequence of messages and passes them to a transformer.

Everything that makes new text from messages (joining, splitting, mapping tokens) is a
:class:`TokenTransformer`. One feed calls it for each token, without a task.
"""

from collections.abc import Mapping
from functools import partial
from typing import ClassVar, Generic, TypeVar, cast

from typing_extensions import override

from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._deadlocks import waits_for
from miniagents.streams._demand import UNBOUNDED, Request
from miniagents.streams._derived import Processor
from miniagents.streams._lifetime import present_stop, together
from miniagents.streams._run_task import TasklessPart, current_ancestry
from miniagents.streams._stops import Stop
from miniagents.values import DeadlockError, InquiryCancelledError

from ._message import Message, MessagePromise, MessageSink, freeze_metadata
from ._message_type import FlatStream
from ._parts import PartBuffer

# -- token feed -----------------------------------------------------------------------------------------

BATCH = 1024  # at most so many tokens are passed together; then a reader that got them can leave

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class TokenTransformer(Generic[T]):
    """The base class of objects that get tokens from a feed and write a buffer; override what you need.

    By default a message that fails ends the target with its error, and so does a sequence that fails.

    Args:
        target: the buffer that it writes.

    Attributes:
        within_message: whether each written message is made of a single message that is read.
        in_step: whether it writes as many pieces as it reads, so that demand can be passed on one to one.
        replaces: whether readers get the written stream in the place of the one that is read.
        part_of_run: whether what it writes is a part of the run that makes it, and is stopped with it.
        all_parts: whether it gets all parts, and not only the tokens.
        at_once: whether it gets each token when it comes. Otherwise it gets the tokens of one turn of the
            event loop together, which costs less if they come in bursts, and more if they come one by one.
        whole_messages: whether it writes only of whole messages, so that it misses no withdrawn token.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> from miniagents.streams import StreamedPromise
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> class Lengths(TokenTransformer[int]):
        ...     def token(self, token):
        ...         self.target.append(len(token))
        >>> async def main():
        ...     lengths = Lengths(ReplayBuffer(current_context()))
        ...     TokenFeed(MessageSequencePromise(["one", "three"]), lengths).start()
        ...     print(await StreamedPromise.over(lengths.target))
        >>> MiniAgents().run(main())
        (3, 5)
    """

    __slots__ = ("target",)

    within_message: ClassVar[bool] = True  # no message that is written needs more than one that is read
    replaces: ClassVar[bool] = False
    part_of_run: ClassVar[bool] = False
    all_parts: ClassVar[bool] = False
    at_once: ClassVar[bool] = False
    whole_messages: ClassVar[bool] = False
    in_step: ClassVar[bool] = False  # whole messages are read, however slow the readers of the target are

    def __init__(self, target: ReplayBuffer[T]) -> None:
        self.target: ReplayBuffer[T] = target

    def pieces_of(self, buffer: ReplayBuffer[str], /) -> list[str]:
        """Return the list of a message's pieces that the feed passes on: its tokens, or all parts.

        Args:
            buffer: the buffer of the message.
        """
        if self.all_parts and isinstance(buffer, PartBuffer):
            return cast("list[str]", buffer.parts)
        return buffer.items

    def writing(self) -> ReplayBuffer[str] | None:
        """Return the buffer of the message that is being written; None if it does not write messages."""
        return None

    def start_message(self, promise: MessagePromise[Message], /) -> None:
        """Take note that the next message begins.

        Args:
            promise: the message.
        """

    def token(self, token: str, /) -> None:
        """Take a token of the current message.

        Args:
            token: a piece of its text.
        """

    def tokens(self, tokens: list[str], /) -> None:
        """Take several tokens of the current message at once.

        Args:
            tokens: at least one.
        """
        for token in tokens:
            self.token(token)

    def end_message(self, message: Message, /) -> None:
        """Take note that the current message is complete.

        Args:
            message: the complete message.
        """

    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        """Take note that the current message failed.

        Args:
            error: the error that ends it.
            chain: the aliases of the agents that the error came through.

        Returns:
            Whether the feed must go on with the next message.
        """
        self.fail(error, chain)
        return False

    def finish(self) -> None:
        """Take note that there are no more messages."""
        self.target.finish()

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """Take note that the sequence failed, or that the feed was stopped.

        Args:
            error: the error that ends it.
            chain: the aliases of the agents that the error came through.
        """
        self.target.fail(error, chain)


class TokenFeed(Processor):
    """Reads a flat stream of messages and calls ``transformer`` for each token and each end.

    Args:
        source: the messages; kept alive as long as the feed goes on.
        transformer: gets everything; when its target can have no reader any more, the feed ends.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> class Printer(TokenTransformer[None]):
        ...     def token(self, token):
        ...         print("token:", token)
        ...     def finish(self):
        ...         print("the end")
        >>> async def main():
        ...     printer = Printer(ReplayBuffer(current_context()))
        ...     TokenFeed(MessageSequencePromise(["one", "two"]), printer).start()
        >>> MiniAgents().run(main())
        token: one
        token: two
        the end
    """

    __slots__ = (
        "_batched",
        "_held",
        "_message",
        "_part",
        "_pieces",
        "_read",
        "_request_messages",
        "_source",
        "_token_position",
        "_transformer",
    )

    position: int

    def __init__(self, source: FlatStream[Message, object], transformer: TokenTransformer[T]) -> None:
        super().__init__()
        self._source: FlatStream[Message, object] | None = source
        # The type of the target's pieces does not matter here.
        self._transformer = cast("TokenTransformer[object]", transformer)
        self._message: MessagePromise[Message] | None = None
        self._read: ReplayBuffer[str] | None = None  # that of the message; needed at each token
        self._pieces: list[str] = []  # the pieces of the message that are passed on
        self._held: ReplayBuffer[str] | None = None
        self._token_position = 0
        self._batched = False
        self._part: TasklessPart | None = None
        self._request_messages = Request()  # of the sequence; `_request` is that of the message
        transformer.target.produce_with(self, current_ancestry())
        transformer.target.write_from(self)

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        """The buffer of the current message, else of the sequence."""
        if self._read is not None:
            return cast("ReplayBuffer[object]", self._read)
        return None if self._source is None else cast("ReplayBuffer[object]", self._source.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return self._transformer.target

    def start(self) -> None:
        """Begin to read; what has come already is passed on at once."""
        if self._source is not None:
            if self._transformer.part_of_run:
                self._part = TasklessPart(self._transformer.target, part=not self._transformer.replaces)
            self._source.buffer.attach(self, unbounded=False)
            self.deliver()

    @override
    def step(self) -> bool:
        """Pass on what is next; request more when nothing is left."""
        try:
            if self._told():
                return True
            self._ask()
        except Exception as error:  # noqa: BLE001 - an error of the transformer ends its target only
            self.leave()
            self._transformer.fail(error)
        return False

    def _told(self) -> bool:
        if self._held is not None and self._held.closed:
            self.leave()
        if self._message is not None and self._read is not None:
            return self._told_within(self._message, self._read)
        if self._source is None:
            return False
        buffer = self._source.buffer
        if self.position < len(buffer.items):
            self._message = buffer.items[self.position]
            self._read = self._message.buffer
            self._pieces = self._transformer.pieces_of(self._read)
            self.position += 1
            self._token_position = 0
            between = waits_for(self._read.producer, self)
            if between is not None:
                raise DeadlockError(" → ".join(["a message", *between, "a message"]))
            self._listen_to(self._message)
            return True
        if buffer.closed and (not self._transformer.replaces or self.is_settled(buffer)):
            self._conclude(buffer)
        return False

    def _listen_to(self, message: MessagePromise[Message]) -> None:
        self._transformer.start_message(message)
        if self._message is message:  # else it stopped reading during that call
            self._batched = not (self._transformer.at_once or self._is_pushed())
            message.buffer.attach(self, batched=self._batched, unbounded=False)
            self._pass_on()

    def _is_pushed(self) -> bool:
        """Return whether a subscriber of the target needs each token at once."""
        written = self._transformer.writing()
        return (self._transformer.target if written is None else written).pushed

    def _told_within(self, message: MessagePromise[Message], buffer: ReplayBuffer[str]) -> bool:
        pieces, position = self._pieces, self._token_position
        count = len(pieces) - position
        if count > 0:
            count = min(count, BATCH)
            self._token_position = position + count
            self._transformer.tokens(pieces[position : position + count])
            if count == BATCH and buffer.context.pushing:
                buffer.context.dispatch(self.deliver)  # first the subscribers of these
                return False
            # Check again only if there may be more: most often one token has come, and was taken.
            if self._token_position < len(pieces) or self._read is not buffer or self._held is not None:
                return True
        if not buffer.closed:
            if self._batched and self._is_pushed():
                self._batched = False
                buffer.detach(self, unbounded=False)
                buffer.attach(self, unbounded=False)
            return False
        return self._end_message(message, buffer, pieces)

    def _end_message(
        self, message: MessagePromise[Message], buffer: ReplayBuffer[str], pieces: list[str]
    ) -> bool:
        if self._transformer.replaces and not self.is_settled(buffer):
            return False
        self._leave_message()
        error = buffer.error  # not raised: it would keep what called this
        if error is None and not self._transformer.whole_messages:
            error = buffer.withdrawn(pieces)
        if error is None:
            self._transformer.end_message(resolved(message))
            return True
        go_on = self._transformer.fail_message(error, buffer.chain)
        buffer.pass_error_on(self._transformer.target)
        if go_on:
            return True
        self.leave()
        return False

    def _conclude(self, buffer: ReplayBuffer[MessagePromise[Message]]) -> None:
        source = self._source  # a lease: the error is not logged before it is passed on
        self.leave()
        if buffer.error is None:
            self._transformer.finish()
        else:
            self._transformer.fail(buffer.error, buffer.chain)
            buffer.pass_error_on(self._transformer.target)
        del source

    def _leave_message(self) -> None:
        read, self._read = self._read, None
        self._message, self._pieces = None, []
        if read is not None:
            self._request.release()
            read.detach(self, unbounded=False)

    @override
    def leave(self) -> None:
        self._leave_message()
        self._leave_source()
        part, self._part = self._part, None
        if part is not None:
            part.has_ended()

    def _leave_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            self._request_messages.release()
            source.buffer.detach(self, unbounded=False)

    # -- demand ------------------------------------------------------------------------------------------

    @override
    def pass_demand_on(self, *, waiting: bool) -> None:
        """Pass demand on to the message that is being read, else to the sequence.

        Args:
            waiting: whether a reader waits for the next piece.
        """
        written = self._transformer.writing()
        if waiting and written is not None and self._read is not None:
            written.expect_reader()
        self._pass_on(waiting=waiting)

    def _pass_on(self, *, waiting: bool = False) -> None:
        if self._read is not None:
            self._request.pass_on(self._read, self._tokens_read(self._read), self._credit(), waiting=waiting)
        elif self._source is not None:
            credit = max(self._source_credit(), waiting)
            self._request_messages.pass_on(self._source.buffer, self.position, credit, waiting=waiting)

    def _ask(self) -> None:
        """Request more of the stream from which everything that was requested has been read."""
        if self._transformer.in_step:
            written = self._transformer.writing()
            if written is not None:
                written.write_from(self)
        self._pass_on()

    def _tokens_read(self, buffer: ReplayBuffer[str]) -> int:
        """Return how many tokens of the message have been read, without other parts, as its buffer counts."""
        return self._token_position - len(self._pieces) + len(buffer.items)

    def _source_credit(self) -> int:
        """Return how many more messages are requested."""
        credit, written = self._transformer.target.credit(), self._transformer.writing()
        if written is not None and written.was_read and written.credit() > 0:
            return max(credit, 1)  # a written message may end only with the next message that is read
        return credit

    def _credit(self) -> int:
        """Return how many more tokens of the message are requested."""
        transformer = self._transformer
        if not transformer.in_step:
            return UNBOUNDED
        target, writing = transformer.target, transformer.writing()
        if writing is None:
            return target.credit()
        if target.needed and not target.closed:
            return UNBOUNDED  # the next message comes only when this one is complete
        if target.credit() <= 0 and not writing.was_read and not target.closed:
            return 0
        return writing.credit()

    # -- its life ----------------------------------------------------------------------------------------

    def shown_for(self, buffer: object) -> ReplayBuffer[object] | None:
        """Return the buffer that readers get in the place of ``buffer``; None if this is an ordinary reader.

        Args:
            buffer: the sequence or the message that is being read.
        """
        transformer = self._transformer
        if not transformer.replaces:
            return None
        written = None
        if self._read is not None and buffer is self._read:
            written = cast("ReplayBuffer[object] | None", transformer.writing())
        return transformer.target if written is None else written

    @override
    def cancel(self) -> None:
        """Stop; the messages that are read go on, unless the target replaces them."""
        if self._transformer.replaces:
            together(self._transformer.target.context, self._cancel_with_source)
        else:
            self._stop()

    def _cancel_with_source(self) -> None:
        source = self._source
        self._stop(present_stop())
        if source is not None:
            source.cancel()

    def _stop(self, stop: Stop | None = None) -> None:
        if self._source is not None or self._message is not None:
            self.leave()
            self._fail_stopped(stop)

    def _fail_stopped(self, stop: Stop | None) -> None:
        if stop is None or stop.is_through():
            self._transformer.fail(InquiryCancelledError())
        else:  # readers would go on behind a message in place of the error, before they are stopped too
            stop.when_through(partial(self._fail_stopped, stop))

    @override
    def abandon(self) -> None:
        """Stop; a message that is being written goes on if something still holds it."""
        held = self._transformer.writing()
        if held is None or held.closed or not held.reachable:
            self._stop()
        elif self._held is None:
            self._held = held
            held.expect_reader()
            self._transformer.target.end_cancelled()
            if self._transformer.within_message:
                self._leave_source()
            self._transformer.target.forget()  # a message that only the sequence held is stopped too


def write_with(source: FlatStream[Message, object], transformer: TokenTransformer[T]) -> ReplayBuffer[T]:
    """Let a transformer read ``source`` from now on; return what it writes.

    Args:
        source: the messages.
        transformer: a new one.
    """
    TokenFeed(source, transformer).start()
    return transformer.target


def resolved(promise: MessagePromise[M]) -> M:
    """Return the message of a promise that has ended normally; it was made when the last token came.

    Args:
        promise: a complete promise.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> async def main():
        ...     print(resolved(Message("one").as_promise))
        >>> MiniAgents().run(main())
        one
    """
    given = promise.given
    return cast("M", promise.buffer.result) if given is None else given


# -- join -----------------------------------------------------------------------------------------------
#
# ``join_messages``: joins many messages into one streaming message.


class _Joiner(TokenTransformer[str]):
    """Writes the tokens of all messages into one buffer, with a delimiter between two messages."""

    __slots__ = ("_at_start", "_delimiter", "_first", "_originals", "_sink", "_strip")

    in_step: ClassVar[bool] = True
    part_of_run: ClassVar[bool] = True

    def __init__(
        self,
        sink: MessageSink[Message],
        delimiter: str,
        *,
        strip_leading_newlines: bool,
        originals: list[Message] | None,
    ) -> None:
        super().__init__(sink.buffer)
        self._sink = sink
        self._delimiter = delimiter
        self._strip = strip_leading_newlines
        self._originals = originals
        self._first = True
        self._at_start = True

    @override
    def start_message(self, promise: MessagePromise[Message], /) -> None:
        del promise
        if not self._first and self._delimiter:
            self.target.append(self._delimiter)
        self._first = False
        self._at_start = True

    @override
    def token(self, token: str, /) -> None:
        if self._strip and self._at_start:
            token = token.lstrip("\r\n")
            self._at_start = not token
        if token:
            self.target.append(token)

    @override
    def end_message(self, message: Message, /) -> None:
        if self._originals is not None:
            self._originals.append(message)

    @override
    def finish(self) -> None:
        self._sink.finish()

    @override
    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        self._sink.fail(error, chain)


def join_tokens(
    source: FlatStream[Message, object],
    *,
    delimiter: str,
    strip_leading_newlines: bool,
    reference_original_messages: bool,
    metadata: Mapping[str, object],
) -> MessagePromise[Message]:
    """Join a flat stream of messages; see :func:`join_messages`, which takes any `MessageType`.

    Args:
        source: the messages.
        delimiter: the text between two messages.
        strip_leading_newlines: leave out the newlines at the start of each message.
        reference_original_messages: keep the messages as ``original_messages`` of the joined one.
        metadata: data of the joined message.

    Returns:
        A promise of one message, which streams as they stream.

    Raises:
        NoActiveContextError: no context is active.
        FreezeError: a value of ``metadata`` is not of an allowed type.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     options = {"strip_leading_newlines": False, "reference_original_messages": False}
        ...     source = MessageSequencePromise(["one", "two"])
        ...     print(await join_tokens(source, delimiter=" + ", metadata={}, **options))
        >>> MiniAgents().run(main())
        one + two
    """
    buffer: ReplayBuffer[str] = ReplayBuffer(Context.current())
    known = freeze_metadata(metadata)
    originals = list[Message]() if reference_original_messages else None
    data = dict(known) if originals is None else {**known, "original_messages": originals}
    joiner = _Joiner(
        MessageSink(buffer, Message, data),
        delimiter,
        strip_leading_newlines=strip_leading_newlines,
        originals=originals,
    )
    TokenFeed(source, joiner).start()
    return MessagePromise.of_tokens(buffer, Message, known)
