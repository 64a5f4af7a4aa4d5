"""A run that its subscriber owns."""

from reactivex.abc import DisposableBase
from typing_extensions import override

from miniagents.promising import Message, MessageSequencePromise


class ColdRun(DisposableBase):
    """The subscription to a cold agent: leaving it abandons the run.

    Abandoned, not cancelled: after ``take(1)`` the message that was taken goes on streaming for whoever holds it,
    together with what it still needs of the input. The rest stops.

    Args:
        replies: of the run.
        received: its input.
        subscription: the observer's, to the replies.
    """

    __slots__ = ("_received", "_replies", "_subscription")

    def __init__(
        self,
        replies: MessageSequencePromise[Message],
        received: MessageSequencePromise[Message],
        subscription: DisposableBase,
    ) -> None:
        self._replies: MessageSequencePromise[Message] | None = replies
        self._received: MessageSequencePromise[Message] | None = received
        self._subscription = subscription

    @override
    def dispose(self) -> None:
        """Leave; idempotent."""
        replies, self._replies = self._replies, None
        received, self._received = self._received, None
        if replies is None or received is None:
            return
        self._subscription.dispose()
        received.log.was_read = True  # from now on it ends when nobody needs it any more
        producer = replies.log.producer
        if producer is not None:
            producer.abandon()
