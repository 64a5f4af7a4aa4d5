"""``run_events``: the events of the runs of a context, as a stream."""

from typing_extensions import override

from ._buffer import ReplayBuffer
from ._context import Context, current_context
from ._observers import Observer, RunEvent
from ._protocols import Producer
from ._stream import Stream


def run_events() -> Stream[RunEvent]:
    """Return a stream of the events of all runs that begin from now on in the active context or inside it.

    The stream ends when the context has ended. Read it in a task of your own: a run of the same context that
    waits for the end of this stream keeps the context from ending. Each part is an event of its own, which
    costs more than an :class:`Observer` that takes parts in batches. When the last reader has left, no more
    events are stored.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.observers import run_events
        >>> @miniagent
        ... async def hello(ctx):
        ...     ctx.reply("Hello")
        >>> async def main():
        ...     events = run_events()
        ...     await hello.inquire()
        ...     async for event in events:
        ...         print(type(event).__name__, event.run.alias)
        ...         if type(event).__name__ == "RunEnded":
        ...             break
        >>> MiniAgents().run(main())
        RunBegan HELLO
        FirstPart HELLO
        PartsCame HELLO
        RunEnded HELLO
    """
    context = current_context()
    buffer: ReplayBuffer[RunEvent] = ReplayBuffer(context)
    buffer.expect_reader()  # so that it is stopped if it is dropped unread
    recorder = _Recorder(context, buffer)
    buffer.produce_with(recorder)
    context.observe(recorder)
    context.on_close(recorder.context_ended)
    return Stream(buffer)


class _Recorder(Observer):
    """An observer that writes each event into a buffer; it is the producer of that buffer.

    Args:
        context: the context that it observes.
        buffer: the buffer that it writes.
    """

    batch = 1  # each part in an event of its own
    name = "run_events"

    def __init__(self, context: Context, buffer: ReplayBuffer[RunEvent]) -> None:
        self._context = context
        self._buffer: ReplayBuffer[RunEvent] | None = buffer

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if self._buffer is not None:
            self._buffer.append(event)

    async def context_ended(self) -> None:
        """End the stream: there are no further events."""
        if self._buffer is not None:
            self._buffer.finish()
            self._stop()

    def blocked_by(self) -> Producer | None:
        """None: it waits for events of runs, not for a producer."""
        return None

    def cancel(self) -> None:
        """End the stream, and store no more events."""
        if self._buffer is not None:
            self._buffer.end_cancelled()
            self._stop()

    abandon = cancel

    def _stop(self) -> None:
        self._buffer = None
        self._context.stop_observing(self)
        self._context.forget_close(self.context_ended)
