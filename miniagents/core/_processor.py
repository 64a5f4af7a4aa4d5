"""Processors: what reads one stream and writes another, pushed, without a task.

A processor is both ends at once (Reactive Streams call it so): to the stream that it reads it is a
subscriber, to the one that it writes it is the producer, and it passes the demand for the one on to the
other. The flattener, the token feed and the copies of messages are processors.

No step is taken within a step: what a step sets free may push to the one who makes it. What came by that is
taken by the next step, so that the order holds and no stack grows.
"""

from abc import ABC, abstractmethod

from ._buffer import ReplayBuffer
from ._flow import request_upstream
from ._protocols import Producer


class Processor(ABC):
    """Reads a stream step by step, and writes another one.

    Attributes:
        position: how many pieces of what it reads it has taken.

    Example:
        >>> class Countdown(Processor):
        ...     left = 2
        ...     reading = writing = None
        ...     def step(self) -> bool:
        ...         print(self.left)
        ...         self.left -= 1
        ...         self.deliver()  # comes back at once: this step is not over
        ...         return self.left > 0
        ...     def leave(self) -> None: ...
        >>> Countdown().deliver()
        2
        1
    """

    __slots__ = ("_stepping", "position")

    name = ""  # in a circle of waiting it is only a link

    def __init__(self) -> None:
        self._stepping = False
        self.position: int = 0

    @property
    @abstractmethod
    def reading(self) -> ReplayBuffer[object] | None:
        """What is being read right now, None if nothing is."""

    @property
    @abstractmethod
    def writing(self) -> ReplayBuffer[object]:
        """What is written."""

    @abstractmethod
    def step(self) -> bool:
        """Do what is next; whether there may be more to do now.

        Raises:
            Exception: whatever the step raises leaves :meth:`deliver`, which can be called again.
        """

    @abstractmethod
    def leave(self) -> object:
        """Read no more; idempotent. What it returns is nobody's concern but a run's without a task."""

    def deliver(self) -> None:
        """Move on as far as that is possible now."""
        if self._stepping:
            return
        self._stepping = True
        try:
            while self.step():
                pass
        finally:
            self._stepping = False

    # -- demand ------------------------------------------------------------------------------------------

    def pass_demand_on(self, buffer: object, *, waiting: bool) -> None:
        """What is requested of what is written is requested of what is read.

        Args:
            buffer: what is written.
            waiting: a reader of that waits for the next piece.
        """
        del buffer
        reading = self.reading
        if reading is not None:
            request_upstream(reading, self.position, self.writing.credit(), waiting=waiting)

    def withdraw_demand(self) -> None:
        """The last reader that took everything at once has left, so it is not to be taken here either."""
        reading = self.reading
        if reading is not None:
            reading.withdraw()

    # -- its life ----------------------------------------------------------------------------------------

    def blocked_by(self) -> Producer | None:
        """What writes the stream that is being read."""
        reading = self.reading
        return None if reading is None else reading.producer

    def cancel(self) -> None:
        """Stop; what is read is somebody else's."""
        if not self.writing.closed:
            self.leave()
            self.writing.end_cancelled()

    def abandon(self) -> None:
        """Stop, because nothing can read the rest."""
        self.cancel()
        self.writing.forget()
