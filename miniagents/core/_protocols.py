"""The roles around a buffer: who produces it, what a producer fills, who follows."""

from typing import Protocol


class Producer(Protocol):
    """Whoever has to act before a buffer can grow: a running task, or a link to another buffer.

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
        """How the producer is called in errors."""
        ...

    def blocked_by(self) -> "Producer | None":
        """The producer that this one is waiting for right now, None while it can go on by itself."""
        ...

    def cancel(self) -> None:
        """Stop now; what had been produced stays readable."""
        ...

    def abandon(self) -> None:
        """Stop, because nobody can read the rest any more."""
        ...


class Subscriber(Protocol):
    """Somebody to whom new pieces are pushed at once.

    Attributes:
        position: how many pieces it has taken; of a buffer that lets go of them, how many of the kept ones.

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
        """Take everything that is new, then the terminal if it is there. Must not raise."""
        ...


class DemandLink(Protocol):
    """Whoever writes a buffer from another one: what is wanted of the one is asked of the other.

    Example:
        >>> from miniagents.core import ReplayBuffer, Context
        >>> class Doubling:
        ...     def pass_on(self, buffer, *, hungry):
        ...         print(f"{buffer.credits_left()} more", "now" if hungry else "at most")
        ...     def slow_down(self):
        ...         print("nobody takes everything any more")
        >>> buffer = ReplayBuffer(Context(prefetch=5))
        >>> buffer.demand_link = Doubling()
        >>> buffer.grant(8)
        8 more at most
    """

    def pass_on(self, buffer: object, *, hungry: bool) -> None:
        """More may be written.

        Args:
            buffer: where; it knows how much.
            hungry: a reader there waits for the next piece.
        """
        ...

    def slow_down(self) -> None:
        """Whoever took everything at once has left."""
        ...


class Sink(Protocol):
    """What a driver fills; a buffer is one.

    Example:
        >>> from miniagents.core import ReplayBuffer, Context
        >>> buffer = ReplayBuffer(Context())
        >>> sink: Sink = buffer
        >>> sink.finish()
        >>> buffer.closed
        True
    """

    def finish(self) -> None:
        """Everything was produced."""
        ...

    def fail(self, error: Exception) -> None:
        """It ends with an error after what is still on its way.

        Args:
            error: the terminal.
        """
        ...

    def abort(self, error: Exception) -> None:
        """It ends now; what is still on its way is given up.

        Args:
            error: the terminal.
        """
        ...
