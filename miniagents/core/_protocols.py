"""The roles around a buffer: its producer, the sink of a task, subscribers, and upstream."""

from typing import Protocol


class Producer(Protocol):
    """What has to act before a stream can grow: a running task, or a processor of another stream.

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
        """How the producer is called in errors; empty if it is only a link between two streams."""
        ...

    def blocked_by(self) -> "Producer | None":
        """The producer that this one is waiting for right now, None while it can go on by itself."""
        ...

    def cancel(self) -> None:
        """Stop now; what had been produced stays readable."""
        ...

    def abandon(self) -> None:
        """Stop, because nothing can read the rest any more."""
        ...


class Subscriber(Protocol):
    """Somebody to whom new pieces are pushed at once.

    Attributes:
        position: how many pieces it has taken; of a buffer without replay, how many of the kept ones.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.core import ReplayBuffer, current_context
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
        """Take everything that is new, then the end if it is there. Must not raise."""
        ...


class Upstream(Protocol):
    """What writes a stream from another one: what is requested of the one is requested of the other.

    Example:
        >>> from miniagents.core import Context, ReplayBuffer
        >>> class Doubling:
        ...     def pass_demand_on(self, buffer, *, waiting):
        ...         print(f"{buffer.credit()} more", "now" if waiting else "at most")
        ...     def withdraw_demand(self):
        ...         print("the last reader that took everything has left")
        >>> buffer = ReplayBuffer(Context(prefetch=5))
        >>> buffer.write_from(Doubling())
        >>> buffer.request(8)
        8 more at most
    """

    def pass_demand_on(self, buffer: object, *, waiting: bool) -> None:
        """More may be written.

        Args:
            buffer: where; it knows how much.
            waiting: a reader there waits for the next piece.
        """
        ...

    def withdraw_demand(self) -> None:
        """The last reader that took everything at once has left."""
        ...


class Sink(Protocol):
    """What a task fills; a buffer is one.

    Example:
        >>> from miniagents.core import Context, ReplayBuffer
        >>> buffer = ReplayBuffer(Context())
        >>> sink: Sink = buffer
        >>> sink.finish()
        >>> buffer.closed
        True
    """

    def finish(self) -> None:
        """Everything was produced."""
        ...

    def fail(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """It ends with an error after what is still on its way.

        Args:
            error: the terminal.
            chain: the aliases of the agents that the error went through.
        """
        ...

    def abort(self, error: Exception) -> None:
        """It ends now; what is still on its way is given up.

        Args:
            error: the terminal.
        """
        ...
