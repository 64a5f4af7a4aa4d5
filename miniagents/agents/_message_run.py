"""A run of an agent that replies one message and writes it itself: one task for both."""

from collections.abc import Awaitable, Mapping, MutableMapping
from typing import Protocol

from typing_extensions import override

from miniagents.core import (
    Context,
    Flattener,
    Lifetime,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageSink,
    Outcome,
    PartBuffer,
    ProducerTask,
    ReplayBuffer,
    RunWatch,
    new_part_buffer,
    outcome_of,
    text_message,
)


class WritesMessage(Protocol):
    """The function of an agent that replies one message and writes it itself."""

    @property
    def message_class(self) -> type[Message]:
        """The class of the message."""
        ...

    async def write(
        self,
        received: MessageSequencePromise[Message],
        keywords: Mapping[str, object],
        buffer: PartBuffer,
        metadata: MutableMapping[str, object],
        /,
    ) -> None:
        """Write the parts of the message into its buffer, and its data into ``metadata``."""
        ...


class MessageRun(ProducerTask):
    """One run of an agent that replies one message: the task that writes the message is the run.

    So such a run needs one task and not two. Its replies are there from the beginning: that one message.

    Args:
        alias: whose run it is.
        context: who owns it.
        function: writes the message.
        received: what it was sent; a text becomes a sequence when the run begins.
        keywords: what it was called with.
        pending: writes the input, if that may still be given some before the run begins.
        watch: for those who observe it, if anybody does.

    Attributes:
        message: the buffer of the message.
    """

    __slots__ = (
        "_function",
        "_keywords",
        "_pending",
        "_received",
        "_sequence",
        "message",
        "metadata",
    )

    def __init__(
        self,
        alias: str,
        context: Context,
        function: WritesMessage,
        *,
        received: MessageSequencePromise[Message] | str,
        keywords: Mapping[str, object],
        pending: Flattener | None,
        watch: RunWatch | None = None,
    ) -> None:
        self.metadata: dict[str, object] = {}
        self.message: PartBuffer = (
            PartBuffer(context) if watch is None else new_part_buffer(context, self.metadata, watch)
        )
        sink = MessageSink(self.message, function.message_class, self.metadata)
        super().__init__(alias, context, self.message, sink)
        self._function = function
        self._received = received
        self._keywords = keywords
        self._pending = pending
        self.message.contain()
        promise = MessagePromise.of_tokens(self.message, function.message_class)
        self._sequence: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(context, [promise], closed=True)
        self._sequence.produce_with(self, self.ancestry)  # cancelling the replies cancels the message

    @property
    def sequence(self) -> ReplayBuffer[MessagePromise[Message]]:
        """The replies: the one message."""
        return self._sequence

    @override
    def work(self) -> Awaitable[None]:
        if self._pending is not None and self._pending.feeder is None:
            self._pending.finish()
        received, self._received = self._received, ""
        if isinstance(received, str):
            received = sequence_of(self.context, received)
        return self._function.write(received, self._keywords, self.message, self.metadata)

    @override
    def seen(self) -> tuple[Lifetime[object], ...]:
        return (self._sequence.seen_as(), self.message.seen_as())

    @override
    def abandon(self) -> None:
        if not self.message.reachable:  # else somebody has let go of the replies, and holds the message
            super().abandon()

    @property
    def outcome(self) -> tuple[Outcome, BaseException | None]:
        """How it ended, when it has, and why it failed."""
        return outcome_of(self.message.error)


def sequence_of(context: Context, text: str) -> MessageSequencePromise[Message]:
    """What a run was sent that was given a text."""
    received = MessageSequencePromise.of_message(context, text_message(text))
    received.buffer.expect_reader()  # the run is its reader: when that ends, so does this
    return received
