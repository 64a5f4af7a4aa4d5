"""A run of an agent that replies one message and writes it from what other agents reply: it needs no task."""

from collections.abc import Mapping
from functools import partial
from typing import Protocol, cast

from typing_extensions import override

from miniagents.core import (
    Context,
    Flattener,
    Lifetime,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageSink,
    PartBuffer,
    ReplayBuffer,
    RunWatch,
    new_part_buffer,
    text_message,
)

from ._taskless_run import TasklessRun, Work


class WritesMessage(Protocol):
    """The function of an agent that replies one message and writes it itself."""

    @property
    def message_class(self) -> type[Message]:
        """The class of the message."""
        ...

    def writing(
        self, run: "MessageRun", received: MessageSequencePromise | str, keywords: Mapping[str, object], /
    ) -> Work:
        """What writes the parts of the message into its buffer, and its data into its ``metadata``."""
        ...


class MessageRun(TasklessRun):
    """One run of an agent that replies one message: what writes the message is the run.

    Its replies are there from the beginning: that one message.

    Args:
        alias: whose run it is.
        context: who owns it.
        function: writes the message.
        received: what it was sent.
        keywords: what it was called with.
        pending: writes the input, if that may still be given some before the run begins.
        watch: for those who observe it, if anybody does.

    Attributes:
        message: the buffer of the message.
        metadata: the data of the message.
    """

    __slots__ = ("_function", "_keywords", "_sequence", "_sink", "message", "metadata")

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
        self._sink = MessageSink(self.message, function.message_class, self.metadata)
        super().__init__(alias, self.message, MessageRun._writing, received, pending)
        self._function = function
        self._keywords = keywords
        self.message.contain()
        promise = MessagePromise.of_tokens(self.message, function.message_class)
        self._sequence: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(context, [promise], closed=True)
        self._sequence.produce_with(self, self.ancestry)  # cancelling the replies cancels the message

    @property
    def sequence(self) -> ReplayBuffer[MessagePromise[Message]]:
        """The replies: the one message."""
        return self._sequence

    @staticmethod
    def _writing(run: TasklessRun, received: MessageSequencePromise | str, pending: Flattener | None) -> Work:
        own = cast("MessageRun", run)
        if pending is not None:
            run.context.loop.call_soon(partial(_close, pending))  # until then a chain can still hand it some
        return own._function.writing(own, received, own._keywords)  # noqa: SLF001 - same class

    @override
    def end(self) -> None:
        self._sink.finish()

    @override
    def end_failed(self, error: Exception, chain: tuple[str, ...]) -> None:
        self._sink.fail(error, chain)

    @override
    def abort(self, error: Exception) -> None:
        self._sink.abort(error)

    @override
    def seen(self) -> tuple[Lifetime[object], ...]:
        return (self._sequence.seen_as(), self.message.seen_as())

    @override
    def abandon(self) -> None:
        if not self.message.reachable:  # else somebody has let go of the replies, and holds the message
            super().abandon()


def _close(pending: Flattener) -> None:
    """No input comes any more, unless a chain has said that it is going to hand some."""
    if pending.feeder is None:
        pending.finish()


def sequence_of(context: Context, text: str) -> MessageSequencePromise[Message]:
    """What a run was sent that was given a text."""
    received = MessageSequencePromise.of_message(context, text_message(text))
    received.buffer.expect_reader()  # the run is its reader: when that ends, so does this
    return received
