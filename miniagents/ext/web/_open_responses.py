"""The responses that are being written, and how they end before their server does.

A server that is told to end waits for its responses, and these wait for runs. So they are ended first, when
the signal comes; runs that go on without a reader have until the end of their context.
"""

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Final, TypeAlias, cast

from miniagents.streams import PromisingContext

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_Handler: TypeAlias = Callable[[int, FrameType | None], object]


class OpenResponses:
    """The responses of a context that are being written; shared by all that are in it."""

    def __init__(self) -> None:
        self._responses: set[Callable[[], None]] = set()
        self._loop = asyncio.get_running_loop()
        self._before: dict[signal.Signals, _Handler] = {}
        self._ending = False

    def end_on_signals(self) -> None:
        """Call the handlers that a server has for SIGINT and SIGTERM behind one that ends the responses."""
        if threading.current_thread() is not threading.main_thread():  # only there can handlers be set
            return
        for number in _SIGNALS:
            handler = signal.getsignal(number)
            if callable(handler) and handler not in {signal.default_int_handler, self._on_signal}:
                self._before[number] = cast("_Handler", handler)
                signal.signal(number, self._on_signal)

    def add(self, cut: Callable[[], None]) -> None:
        """Add a response when it begins.

        Args:
            cut: ends it; called when the server is about to end, at once if it is already.
        """
        self._responses.add(cut)
        if self._ending:
            cut()

    def discard(self, cut: Callable[[], None]) -> None:
        """Remove a response when it has ended.

        Args:
            cut: what was added.
        """
        self._responses.discard(cut)

    def end(self) -> None:
        """End all responses, and those that begin from now on."""
        self._ending = True
        for cut in tuple(self._responses):
            cut()

    async def close(self) -> None:
        """Restore the handlers of the signals."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, handler)
        self._before.clear()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(self.end)
        self._before[signal.Signals(number)](number, frame)


def end_on_signals() -> None:
    """Let SIGINT and SIGTERM end all responses that stream, before the server handles the signal itself.

    A server that is told to end waits for its responses, and these wait for their runs; so call it at the
    start of an app, in its context. The handlers that the server has set are called as before. They are
    restored when the context ends. Where no server has set a handler, and in other threads than the main
    one, it does nothing.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> async def lifespan():
        ...     async with MiniAgents(app_wide=True):
        ...         end_on_signals()
        >>> asyncio.run(lifespan())
    """
    PromisingContext.current().shared(OpenResponses).end_on_signals()


def end_responses() -> None:
    """End all responses that stream, as `end_on_signals` does; call it when a program ends its server.

    Attached runs are stopped, and their clients told so; an `EventSource` is cut, and comes back to the next
    server. Detached runs go on until their context ends. Responses that begin from now on end at once.

    Raises:
        NoActiveContextError: no context is active.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     async with MiniAgents():
        ...         end_responses()  # then: server.should_exit = True
        >>> asyncio.run(main())
    """
    PromisingContext.current().shared(OpenResponses).end()
