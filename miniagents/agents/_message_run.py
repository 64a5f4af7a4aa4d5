"""`MessageRun`: the run of an agent that replies one message, written from other streams; it has no task."""

from collections.abc import Mapping
from functools import partial
from typing import Protocol, cast

from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._flattener import Flattener
from miniagents.messages._message import MessageSink, text_message
from miniagents.messages._parts import PartBuffer, new_part_buffer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lifetime
from miniagents.streams._observers import RunWatch

from ._taskless_run import TasklessRun, Work


class WritesMessage(Protocol):
    """The function of an agent that replies one message and writes it without a task."""

    @property
    def message_class(self) -> type[Message]:
        """The class of the message."""
        ...

    def writing(
        self, run: "MessageRun", received: MessageSequencePromise | str, keywords: Mapping[str, object], /
    ) -> Work:
        """Return the writer of the message: it writes parts into the buffer, and data into ``metadata``."""
        ...


class MessageRun(TasklessRun):
    """One run of an agent that replies one message: the run itself writes the message.

    Its replies are complete from the beginning: they are that one message.

    Args:
        alias: the alias of the agent.
        context: the owner of the run.
        function: writes the message.
        received: the messages that it was sent.
        keywords: the keywords of the call.
        pending: writes the input, if a chain may still hand over messages before the run begins.
        watch: reports the run to observers; None if there are none.

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
        promise = MessagePromise.of_tokens(self.message, function.message_class)
        self._sequence: ReplayBuffer[MessagePromise[Message]] = ReplayBuffer(context, [promise], closed=True)
        self._sequence.run_unread()
        self.message.contain(self._sequence)
        self._sequence.produce_with(self, self.ancestry)  # cancelling the replies cancels the message

    @property
    def sequence(self) -> ReplayBuffer[MessagePromise[Message]]:
        """The replies: a sequence of the one message."""
        return self._sequence

    @staticmethod
    def _writing(run: TasklessRun, received: MessageSequencePromise | str, pending: Flattener | None) -> Work:
        own = cast("MessageRun", run)
        if pending is not None:
            run.context.loop.call_soon(partial(_close, pending))  # until then a chain can hand over messages
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
        if not self.message.reachable:  # else the replies were dropped, and only the message is held
            super().abandon()


def _close(pending: Flattener) -> None:
    """Close the input, unless a chain has adopted it to hand over messages."""
    if pending.feeder is None:
        pending.finish()


def sequence_of(context: Context, text: str) -> MessageSequencePromise[Message]:
    """Return a sequence of one message for a run that was sent a text."""
    received = MessageSequencePromise.of_message(context, text_message(text))
    received.buffer.expect_reader()  # the run is its reader, so it ends with the run
    return received
