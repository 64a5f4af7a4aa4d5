"""The roles around a buffer: its producer, the sink of a task, subscribers, and upstream."""

from typing import Protocol


class Producer(Protocol):
    """What writes a stream: a running task, or a processor of another stream.

    Example:
        >>> class Source:
        ...     name = "a source"
        ...     def blocked_by(self):
        ...         return None  # it can go on by itself
        ...     def cancel(self):
        ...         print("stopped")
        ...     abandon = cancel
        >>> producer: Producer = Source()
        >>> producer.cancel()
        stopped
    """

    @property
    def name(self) -> str:
        """The producer's name in errors; empty if it only connects two streams."""
        ...

    def blocked_by(self) -> "Producer | None":
        """The producer that this one is waiting for right now; None if it is not waiting for one."""
        ...

    def cancel(self) -> None:
        """Stop now; readers can still read what had been produced."""
        ...

    def abandon(self) -> None:
        """Stop, because no reader can read the rest any more."""
        ...


class Subscriber(Protocol):
    """A receiver to whom new pieces are pushed at once.

    Attributes:
        position: how many pieces it has taken; for a buffer without replay, how many of the kept ones.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import current_context
        >>> class Printer:
        ...     position = 0
        ...     def deliver(self):
        ...         print(buffer.items, buffer.closed)
        >>> async def main():
        ...     global buffer
        ...     buffer = ReplayBuffer(current_context())
        ...     buffer.attach(Printer())
        ...     buffer.append("one")
        ...     buffer.finish()
        >>> MiniAgents().run(main())
        ['one'] False
        ['one'] True
    """

    position: int

    def deliver(self) -> None:
        """Take all new pieces, then the end if the stream has ended. Must not raise."""
        ...


class Upstream(Protocol):
    """A writer of one stream that reads another one, and passes demand on to it.

    Example:
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> class Doubling:
        ...     def pass_demand_on(self, *, waiting):
        ...         print(f"{buffer.credit()} more", "now" if waiting else "at most")
        >>> buffer = ReplayBuffer(Context(prefetch=5))
        >>> buffer.write_from(Doubling())
        >>> buffer.request(8)
        8 more at most
    """

    def pass_demand_on(self, *, waiting: bool) -> None:
        """Pass on how much is requested now: more than before, or less, since a reader has left.

        Args:
            waiting: whether a reader of the stream that it writes waits for the next piece.
        """
        ...


class Sink(Protocol):
    """What a task writes to; a buffer is a sink.

    Example:
        >>> from miniagents.streams._buffer import ReplayBuffer
        >>> from miniagents.streams._context import Context
        >>> buffer = ReplayBuffer(Context())
        >>> sink: Sink = buffer
        >>> sink.finish()
        >>> buffer.closed
        True
    """

    def finish(self) -> None:
        """End normally: everything was produced."""
        ...

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """End with an error, after the pieces that are still on their way.

        Args:
            error: the error that ends it.
            chain: the aliases of the agents that the error went through.
        """
        ...

    def abort(self, error: Exception) -> None:
        """End with an error now; the pieces that are still on their way are dropped.

        Args:
            error: the error that ends it.
        """
        ...
