"""``virtual_time``: waiting in a test takes no time."""

import asyncio
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from miniagents.core import running_loop

from ._virtual_loop import Now, VirtualEventLoop


class VirtualClock:
    """The clock of the event loops that are made while :func:`virtual_time` is in force.

    It starts at 0 and is never put back; all loops of one clock show the same time.

    Example:
        >>> import asyncio
        >>> from miniagents.testing import VirtualClock
        >>> clock = VirtualClock()
        >>> with asyncio.Runner(loop_factory=clock.new_event_loop) as runner:
        ...     runner.run(asyncio.sleep(0.5))
        >>> clock.time()
        0.5

    Args:
        io_patience: seconds of real time without traffic after which sockets that an event loop has connected
            to itself count as quiet.
    """

    __slots__ = ("_io_patience", "_now")

    def __init__(self, *, io_patience: float = 0.05) -> None:
        self._now = Now()
        self._io_patience = io_patience

    def time(self) -> float:
        """How far it has come, in seconds; what ``loop.time()`` says too."""
        return self._now.seconds

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """A new event loop with this clock: a ``loop_factory`` for ``asyncio.Runner``.

        Without :func:`virtual_time` around it, so also inside a running event loop.
        """
        return VirtualEventLoop(self._now, self._io_patience)


def has_virtual_time(loop: asyncio.AbstractEventLoop) -> bool:
    """Whether waiting takes no time on an event loop.

    Args:
        loop: any loop.

    Example:
        >>> import asyncio
        >>> from miniagents.testing import VirtualClock, has_virtual_time
        >>> async def main():
        ...     return has_virtual_time(asyncio.get_running_loop())
        >>> with asyncio.Runner(loop_factory=VirtualClock().new_event_loop) as runner:
        ...     runner.run(main())
        True
        >>> asyncio.run(main())
        False
    """
    return isinstance(loop, VirtualEventLoop)


@contextmanager
def virtual_time(*, io_patience: float = 0.05) -> Generator[VirtualClock]:
    """Give every event loop that is made inside the block virtual time: no test waits for a clock.

    When nothing on the loop is ready, its clock jumps to the next timer. So ``asyncio.sleep(3600)`` returns
    at once, in the order in which it would have returned, and a timeout of an hour can be tested.

    * When does it start? With the event loops made in the block: by ``asyncio.run``, ``asyncio.Runner`` or
      ``MiniAgents().run``. Inside a running event loop it is refused; that loop has real time already.
    * How often? Each loop made in the block has it, all with the same clock. Blocks may be nested.
    * What about real I/O? It works. Between a server and a client on one loop it takes no virtual time.
      While something from outside may come (a pipe, another process, a socket to elsewhere, a job of
      ``asyncio.to_thread`` or ``run_in_executor``), nothing jumps: time runs as real time does.
    * What does leaving do? Loops made afterwards have real time again.
    * When does an error come? When nothing is ready, no timer is set and no I/O is under way, all tasks would
      wait for ever: ``asyncio.run`` raises :class:`StuckLoopError`, which names the tasks and where they
      wait. A thread that asyncio does not run is not seen: the error comes even if it would wake the loop.

    Args:
        io_patience: seconds of real time without traffic after which sockets that a loop has connected to
            itself count as quiet.

    Yields:
        The clock.

    Raises:
        RuntimeError: an event loop is running already.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.testing import virtual_time
        >>> @miniagent
        ... async def sleepy(ctx) -> None:
        ...     await asyncio.sleep(3600)
        ...     ctx.reply("Good morning.")
        >>> async def main() -> None:
        ...     print(await sleepy.inquire())
        >>> with virtual_time() as clock:
        ...     MiniAgents().run(main())
        ...     clock.time()
        Good morning.
        3600.0
    """
    if running_loop() is not None:
        msg = (
            "virtual_time() was entered inside a running event loop, which keeps its real time; enter it "
            "before the loop is made, or make the loop with VirtualClock().new_event_loop."
        )
        raise RuntimeError(msg)
    clock = VirtualClock(io_patience=io_patience)
    with patch.object(_policy(), "new_event_loop", clock.new_event_loop):
        yield clock


def _policy() -> object:
    """The object that `asyncio.run` asks for a loop; there is no other way in than to patch its method."""
    with warnings.catch_warnings():
        if sys.version_info >= (3, 14):  # deprecated there, and yet what `asyncio.run` goes by
            warnings.simplefilter("ignore", DeprecationWarning)
        return asyncio.get_event_loop_policy()  # pyright: ignore[reportDeprecated]  # the same
