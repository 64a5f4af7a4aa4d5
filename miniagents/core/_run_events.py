"""What happens to the runs of a context, as a stream."""

from typing_extensions import override

from ._buffer import ReplayBuffer
from ._context import Context, current_context
from ._observers import Observer, RunEvent
from ._protocols import Producer
from ._stream import Stream


def run_events() -> Stream[RunEvent]:
    """What happens from now on to the runs of the active context, and of the contexts within it.

    The stream ends when the context has: read it in a task of your own, since a run of the same context that
    waits for its end keeps the context from ending. It is told of each part by itself, which costs more than
    an :class:`Observer` that takes them in batches. When its last reader has left, nothing is kept any more.

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
    buffer.expect_reader()  # what nobody can read any more is not kept
    recorder = _Recorder(context, buffer)
    buffer.produce_with(recorder)
    context.observe(recorder)
    context.on_close(recorder.context_ended)
    return Stream(buffer)


class _Recorder(Observer):
    """Writes what it is told into a buffer; the producer of that.

    Args:
        context: whose runs it is told of.
        buffer: what it writes.
    """

    batch = 1  # each part by itself
    name = "run_events"

    def __init__(self, context: Context, buffer: ReplayBuffer[RunEvent]) -> None:
        self._context = context
        self._buffer: ReplayBuffer[RunEvent] | None = buffer

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if self._buffer is not None:
            self._buffer.append(event)

    async def context_ended(self) -> None:
        """Nothing more will happen."""
        if self._buffer is not None:
            self._buffer.finish()
            self._stop()

    def blocked_by(self) -> Producer | None:
        """Nothing: what it waits for are runs."""
        return None

    def cancel(self) -> None:
        """No reader is left: end, and keep nothing more."""
        if self._buffer is not None:
            self._buffer.end_cancelled()
            self._stop()

    abandon = cancel

    def _stop(self) -> None:
        self._buffer = None
        self._context.stop_observing(self)
        self._context.forget_close(self.context_ended)
