"""``virtual_time``: event loops in tests on which waiting takes no time."""

import asyncio
import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from unittest.mock import patch

from miniagents.streams._threads import running_loop

from ._virtual_loop import Now, VirtualEventLoop


class VirtualClock:
    """The clock of the event loops that are made inside :func:`virtual_time`.

    It starts at 0 and never goes back; all loops of one clock have the same time.

    Example:
        >>> import asyncio
        >>> from miniagents.testing import VirtualClock
        >>> clock = VirtualClock()
        >>> with asyncio.Runner(loop_factory=clock.new_event_loop) as runner:
        ...     runner.run(asyncio.sleep(0.5))
        >>> clock.time()
        0.5

    Args:
        io_patience: seconds of real time without data after which sockets that an event loop has connected to
            itself count as quiet.
    """

    def __init__(self, *, io_patience: float = 0.05) -> None:
        self._now = Now()
        self._io_patience = io_patience

    def time(self) -> float:
        """Return its time, in seconds; the same as ``loop.time()``."""
        return self._now.seconds

    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        """Make an event loop with this clock: a ``loop_factory`` for ``asyncio.Runner``.

        It does not need :func:`virtual_time`, so it also works inside a running event loop.
        """
        return VirtualEventLoop(self._now, self._io_patience)

    @staticmethod
    def drives(loop: asyncio.AbstractEventLoop) -> bool:
        """Return whether an event loop has virtual time, of whatever clock, so that waiting takes no time.

        Args:
            loop: any loop.

        Example:
            >>> import asyncio
            >>> async def main():
            ...     return VirtualClock.drives(asyncio.get_running_loop())
            >>> with asyncio.Runner(loop_factory=VirtualClock().new_event_loop) as runner:
            ...     runner.run(main())
            True
            >>> asyncio.run(main())
            False
        """
        return isinstance(loop, VirtualEventLoop)


@contextmanager
def virtual_time(*, io_patience: float = 0.05) -> Generator[VirtualClock]:
    """Give virtual time to all event loops that are made inside the block, so that no test waits for a clock.

    When nothing on the loop is ready, its clock jumps to the next timer: ``asyncio.sleep(3600)`` returns at
    once.

    * When does it start? With loops that are made in the block, by ``asyncio.run`` or ``MiniAgents().run``.
    * How often? All loops of the block have one clock. Blocks may be nested.
    * What about real I/O? While data may come from outside, the clock runs as a real one.
    * What does leaving do? Loops that are made afterwards have real time.
    * When does an error come? If all tasks would wait forever, ``asyncio.run`` raises a
      :class:`StuckLoopError`, which names them.

    Args:
        io_patience: seconds of real time after which sockets between tasks of a loop count as quiet.

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
        raise RuntimeError(
            "virtual_time() was entered inside a running event loop, which keeps its real time; enter it "
            "before the loop is made, or make the loop with VirtualClock().new_event_loop."
        )
    clock = VirtualClock(io_patience=io_patience)
    with patch.object(_policy(), "new_event_loop", clock.new_event_loop):
        yield clock


def _policy() -> object:
    """Return the object of which `asyncio.run` gets its loop; the only way is to patch its method."""
    with warnings.catch_warnings():
        if sys.version_info >= (3, 14):  # deprecated there, but `asyncio.run` still uses it
            warnings.simplefilter("ignore", DeprecationWarning)
        return asyncio.get_event_loop_policy()  # pyright: ignore[reportDeprecated]  # the same
