"""Walking through the tokens of a sequence of messages, pushed, without a task.

Whatever makes new text from messages (joining, splitting, mapping tokens) listens to one walk. It is a link
in the chain of who waits for whom: the walk waits for the message it is in, or for the next one.

Why so long: the walk, how far it may go and who waits for whom all turn on one position.
"""

from typing import ClassVar, Generic, TypeVar, cast

from typing_extensions import override

from miniagents.core import (
    UNBOUNDED,
    Producer,
    ReentrancyGuard,
    ReplayBuffer,
    chain_to,
    current_ancestry,
    demand,
)
from miniagents.values import DeadlockError, InquiryCancelledError

from ._message import Message, MessagePromise
from ._message_type import FlatStream

BATCH = 1024  # tokens that are taken together at most: then whoever was told may leave, and wants no more

T = TypeVar("T")
M = TypeVar("M", bound=Message)


class TokenTransformer(Generic[T]):
    """What hears a walk and writes a buffer; override what is of interest.

    By default a failing message ends the target with its error, and so does a failing sequence.

    Args:
        target: the buffer that is written.

    Attributes:
        within_message: no message that is written needs more than one that is read.
        in_step: what is written is as long as what is read, so reading may wait for readers.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> from miniagents.core import StreamedPromise
        >>> from miniagents.core import ReplayBuffer, current_context
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
    in_step: ClassVar[bool] = False  # whole messages are taken, however slowly what becomes of them is read

    def __init__(self, target: ReplayBuffer[T]) -> None:
        self.target: ReplayBuffer[T] = target

    def writing(self) -> ReplayBuffer[str] | None:
        """The tokens of the message that is being written, if messages are what is written."""
        return None

    def start_message(self, promise: MessagePromise[Message], /) -> None:
        """The next message begins.

        Args:
            promise: the message.
        """

    def token(self, token: str, /) -> None:
        """A token of the current message.

        Args:
            token: a piece of its text.
        """

    def tokens(self, tokens: list[str], /) -> None:
        """Several tokens of the current message at once, as they came.

        Args:
            tokens: at least one.
        """
        for token in tokens:
            self.token(token)

    def end_message(self, message: Message, /) -> None:
        """The current message is complete.

        Args:
            message: what its tokens made.
        """

    def fail_message(self, error: Exception, chain: tuple[str, ...], /) -> bool:
        """The current message failed.

        Args:
            error: its terminal.
            chain: the aliases of the agents that the error came through.

        Returns:
            Whether to walk on.
        """
        self.target.chain = chain
        self.fail(error)
        return False

    def finish(self) -> None:
        """There are no more messages."""
        self.target.finish()

    def fail(self, error: Exception) -> None:
        """The sequence failed, or the walk was stopped.

        Args:
            error: its terminal.
        """
        self.target.fail(error)


class TokenFeed(ReentrancyGuard):
    """Follows a flat stream of messages and tells ``listener`` what comes.

    Args:
        source: the messages; kept alive as long as the walk goes on.
        listener: hears everything; when nobody can read its target any more, the walk ends.

    Example:
        >>> from miniagents import MessageSequencePromise, MiniAgents
        >>> from miniagents.core import ReplayBuffer, current_context
        >>> class Printer(TokenTransformer[None]):
        ...     def token(self, token):
        ...         print("token:", token)
        ...     def finish(self):
        ...         print("the end")
        >>> async def main():
        ...     TokenFeed(MessageSequencePromise(["one", "two"]), Printer(ReplayBuffer(current_context()))).start()
        >>> MiniAgents().run(main())
        token: one
        token: two
        the end
    """

    __slots__ = (
        "_held",
        "_lagging",
        "_listener",
        "_message",
        "_source",
        "_token_position",
        "position",
    )

    name = ""  # in a chain of waiting it is only a link

    def __init__(self, source: FlatStream[Message, object], listener: TokenTransformer[T]) -> None:
        super().__init__()
        self._source: FlatStream[Message, object] | None = source
        self._listener = cast("TokenTransformer[object]", listener)  # what it writes is not of interest here
        self._message: MessagePromise[Message] | None = None
        self._held: ReplayBuffer[str] | None = None
        self.position: int = 0
        self._token_position = 0
        self._lagging = False
        listener.target.producer = listener.target.demand_link = self
        listener.target.ancestry = current_ancestry()

    def start(self) -> None:
        """Begin to listen; what is there already is told at once."""
        if self._source is not None:
            self._source.buffer.attach(self, eager=False)
            self.deliver()

    @override
    def step(self) -> bool:
        """Tell what is next; ask for more when that was all."""
        try:
            if self._told():
                return True
            self._ask()
        except Exception as error:  # noqa: BLE001 - what cannot be made of the messages harms only what is made
            self._leave()
            self._listener.fail(error)
        return False

    def _told(self) -> bool:
        if self._held is not None and self._held.closed:
            self._leave()
        if self._message is not None:
            return self._told_within(self._message)
        if self._source is None:
            return False
        buffer = self._source.buffer
        if self.position < len(buffer.items):
            self._message = buffer.items[self.position]
            self.position += 1
            self._token_position = 0
            chain = chain_to(self, self._message.buffer.producer)
            if chain is not None:
                raise DeadlockError(" → ".join(["a message", *chain, "a message"]))
            self._listen_to(self._message)
            return True
        if buffer.closed:
            self._conclude(buffer)
        return False

    def _listen_to(self, message: MessagePromise[Message]) -> None:
        self._listener.start_message(message)
        if self._message is message:  # else left by whoever was told
            self._lagging = not self._is_pushed()
            message.buffer.attach(self, lagging=self._lagging, eager=False)
            demand(cast("ReplayBuffer[object]", message.buffer), 0, self._room())

    def _is_pushed(self) -> bool:
        """Whether somebody wants each token of what is written at once."""
        written = self._listener.writing()
        return (self._listener.target if written is None else written).pushed

    def _told_within(self, message: MessagePromise[Message]) -> bool:
        buffer = message.buffer
        batch = buffer.items[self._token_position : self._token_position + BATCH]
        if batch:
            self._token_position += len(batch)
            self._listener.tokens(batch)
            if len(batch) < BATCH or not buffer.context.pushing:
                return True
            buffer.context.dispatch(self.deliver)  # first those who are to be told of these
            return False
        if not buffer.closed:
            if self._lagging and self._is_pushed():
                self._lagging = False
                buffer.detach(self, eager=False)
                buffer.attach(self, eager=False)
            return False
        self._leave_message()
        if buffer.error is None:
            self._listener.end_message(resolved(message))
            return True
        buffer.mark_error_handled()
        if self._listener.fail_message(buffer.error, buffer.chain):
            return True
        self._leave()
        return False

    def _conclude(self, buffer: ReplayBuffer[MessagePromise[Message]]) -> None:
        listener, error = self._listener, buffer.error
        if error is not None:
            buffer.mark_error_handled()  # first: the source may go by being left
        self._leave()
        if error is None:
            listener.finish()
        else:
            listener.target.chain = buffer.chain
            listener.fail(error)

    def _leave_message(self) -> None:
        message, self._message = self._message, None
        if message is not None:
            message.buffer.detach(self, eager=False)

    def _leave(self) -> None:
        self._leave_message()
        self._leave_source()

    def _leave_source(self) -> None:
        source, self._source = self._source, None
        if source is not None:
            source.buffer.detach(self, eager=False)

    # -- DemandLink -------------------------------------------------------------------------------------------

    def pass_on(self, buffer: object, *, hungry: bool) -> None:
        """What is wanted here is wanted of what is being read.

        Args:
            buffer: the buffer that this writes, or the tokens of the message that is being written.
            hungry: a reader waits for the next piece.
        """
        whole = hungry and buffer is self._listener.target
        if self._message is not None:
            writing = self._listener.writing()
            if whole and writing is not None and writing.requested < UNBOUNDED:
                writing.grant(UNBOUNDED)  # what comes after it is waited for; it passes that on by itself
            else:
                if hungry and writing is not None:
                    writing.was_read = True  # it is being read from now on
                demand(cast("ReplayBuffer[object]", self._message.buffer), self._token_position, self._room())
        elif self._source is not None:
            room = max(self._source_room(), hungry)
            demand(cast("ReplayBuffer[object]", self._source.buffer), self.position, room, hungry=hungry)

    def slow_down(self) -> None:
        """Whoever took everything at once has left, so it is not to be taken here either."""
        for read in (self._message, self._source):
            if read is not None:
                read.buffer.pace()

    def _ask(self) -> None:
        """Ask for more of what has been read to the end of what was requested."""
        if self._listener.in_step:
            writing = self._listener.writing()
            if writing is not None:
                writing.demand_link = self
        if self._message is not None:
            if self._token_position >= self._message.buffer.requested:
                demand(cast("ReplayBuffer[object]", self._message.buffer), self._token_position, self._room())
        elif self._source is not None and self.position >= self._source.buffer.requested:
            demand(cast("ReplayBuffer[object]", self._source.buffer), self.position, self._source_room())

    def _source_room(self) -> int:
        """How many more messages are wanted."""
        room, writing = self._listener.target.credits_left(), self._listener.writing()
        if writing is not None and writing.was_read and writing.credits_left() > 0:
            return max(room, 1)  # what is being written may end only with the next one that is read
        return room

    def _room(self) -> int:
        """How many more tokens of the message are wanted."""
        listener = self._listener
        if not listener.in_step:
            return UNBOUNDED
        target, writing = listener.target, listener.writing()
        if writing is None:
            return target.credits_left()
        if target.requested >= UNBOUNDED and not target.closed:
            return UNBOUNDED
        if target.credits_left() <= 0 and not writing.was_read and not target.closed:
            return 0
        return writing.credits_left()

    # -- Producer ----------------------------------------------------------------------------------------

    def blocked_by(self) -> Producer | None:
        """Whoever makes the message the walk is in, else whoever makes the sequence."""
        if self._message is not None:
            return self._message.buffer.producer
        return None if self._source is None else self._source.buffer.producer

    def cancel(self) -> None:
        """Stop walking; the messages themselves are somebody else's."""
        if self._source is not None or self._message is not None:
            self._leave()
            self._listener.fail(InquiryCancelledError())
            self._listener.target.mark_error_handled()

    def abandon(self) -> None:
        """Stop walking, but for the message that is being written, if somebody holds that."""
        held = self._listener.writing()
        if held is None or held.closed or not held.reachable:
            self.cancel()
        elif self._held is None:
            self._held = held
            held.was_read = True  # from now on dropping it ends it
            self._listener.target.fail(InquiryCancelledError())
            self._listener.target.mark_error_handled()
            if self._listener.within_message:
                self._leave_source()
            self._listener.target.forget()  # a message that only the sequence held ends too


def resolved(promise: MessagePromise[M]) -> M:
    """The message of a promise that has ended normally; it was made when the last token came.

    Args:
        promise: a complete one.

    Example:
        >>> from miniagents import Message, MiniAgents
        >>> async def main():
        ...     print(resolved(Message("one").as_promise))
        >>> MiniAgents().run(main())
        one
    """
    return cast("M", promise.buffer.result)
