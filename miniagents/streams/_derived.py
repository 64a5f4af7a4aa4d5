"""Processors: objects that read one stream and write another one, without a task.

The term is from Reactive Streams. A processor is a subscriber of the stream that it reads and the producer of
the stream that it writes, and it passes demand on from the second to the first. The flattener, the token feed
and the copies of messages are processors.

Steps are never nested. A step may cause a push to the same processor; the next step takes what was pushed. So
the order is kept, and the call stack does not grow.
"""

from abc import ABC, abstractmethod
from typing import TypeVar

from miniagents.values import InquiryCancelledError

from ._buffer import ReplayBuffer
from ._demand import Request
from ._protocols import Producer
from ._readers import open_stop

T = TypeVar("T")


class Processor(ABC):
    """Reads a stream step by step, and writes another one.

    Attributes:
        position: how many pieces it has taken from the stream that it reads.

    Example:
        >>> class Countdown(Processor):
        ...     left = 2
        ...     reading = writing = None
        ...     def step(self) -> bool:
        ...         if self.left:
        ...             print(self.left)
        ...             self.left -= 1
        ...             self.deliver()  # comes back at once: this step is not over
        ...         return False
        ...     def leave(self) -> None: ...
        >>> Countdown().deliver()
        2
        1
    """

    __slots__ = ("_pushed", "_request", "_stepping", "position")

    name = ""  # it has no name in the text of a `DeadlockError`

    def __init__(self) -> None:
        self._stepping = self._pushed = False
        self._request = Request()
        self.position: int = 0

    @property
    @abstractmethod
    def reading(self) -> ReplayBuffer[object] | None:
        """The buffer that it reads right now; None if it reads nothing."""

    @property
    @abstractmethod
    def writing(self) -> ReplayBuffer[object]:
        """The buffer that it writes."""

    @abstractmethod
    def step(self) -> bool:
        """Do the next step; return whether there may be another step to do now.

        Raises:
            Exception: :meth:`deliver` raises every error of a step; it can be called again afterwards.
        """

    @abstractmethod
    def leave(self) -> None:
        """Stop reading; idempotent."""

    def deliver(self) -> None:
        """Do as many steps as are possible now."""
        if self._stepping:
            self._pushed = True
            return
        self._stepping = True
        try:
            while self.step() or self._pushed:  # perhaps by its last step, which has requested more
                self._pushed = False
        finally:
            self._stepping = self._pushed = False

    def is_settled(self, source: ReplayBuffer[T]) -> bool:
        """Return whether to go on behind a stream that has ended: what was stopped waits (see `settled`)."""
        cancelled = isinstance(source.error, InquiryCancelledError)  # no error that is logged could be late
        stop = open_stop(source) if cancelled else None
        if stop is None:
            return True
        stop.when_through(self._go_on)
        return False

    def _go_on(self) -> None:
        if self.writing.context.ended:
            self.cancel()
        else:
            self.deliver()

    # -- demand ------------------------------------------------------------------------------------------

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Pass demand on: request from the stream that is read what readers request from the written one.

        Args:
            waiting: whether a reader of the written stream waits for the next piece.
        """
        reading = self.reading
        if reading is not None:
            credit = self.writing.credit_to_pass_on()
            self._request.pass_on(reading, self.position, credit, waiting=waiting and credit > 0)

    # -- its life ----------------------------------------------------------------------------------------

    def blocked_by(self) -> Producer | None:
        """The producer of the stream that it reads."""
        reading = self.reading
        return None if reading is None else reading.producer

    def cancel(self) -> None:
        """Stop; the stream that it reads belongs to others and goes on."""
        if not self.writing.closed:
            self.leave()
            self.writing.end_cancelled()

    def abandon(self) -> None:
        """Stop, because nothing can read the rest."""
        self.cancel()
        self.writing.forget()
