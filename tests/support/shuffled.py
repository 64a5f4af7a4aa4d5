"""An event loop whose tasks run in a random order, as far as asyncio permits.

What asyncio promises stays: what becomes ready in one turn of the loop runs before what becomes ready in the
next one, the steps of one task are in order, and callbacks (of futures, of transports, of `call_soon`) run in
the order in which they were registered. Nothing is promised about who of several tasks goes first, and
nothing about tasks and callbacks. So within a turn each task, and the callbacks together, form a queue, and
which queue goes on is drawn.
"""

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable
from random import Random
from typing import TypeVarTuple, cast

from typing_extensions import override

from miniagents.testing import VirtualClock
from miniagents.testing._virtual_loop import Now, VirtualEventLoop

__all__ = ["ShuffledLoop", "ShuffledVirtualLoop", "Shuffling", "loops", "shuffled"]

Ts = TypeVarTuple("Ts")


def shuffled(handles: list[asyncio.Handle], random: Random) -> list[asyncio.Handle]:
    """Interleave the queues of one turn: those of the same task stay in order, and so do all callbacks."""
    queues: dict[object, deque[asyncio.Handle]] = {}
    for handle in handles:
        queues.setdefault(_queue_of(handle), deque()).append(handle)
    order = [key for key, queue in queues.items() for _ in queue]
    random.shuffle(order)
    return [queues[key].popleft() for key in order]


def _queue_of(handle: asyncio.Handle) -> object:
    owner: object = getattr(getattr(handle, "_callback", None), "__self__", None)
    return id(cast("object", owner)) if isinstance(owner, asyncio.Task) else None


class Shuffling(asyncio.BaseEventLoop):
    """Gives each callback a place in its turn, and draws at the beginning of a turn who takes which."""

    _random: Random

    def _begin(self, random: Random) -> None:
        self._random = random
        self._registered: list[asyncio.Handle] = []
        self._turn: deque[asyncio.Handle] = deque()
        self._own_context = contextvars.Context()

    @override
    def call_soon(
        self,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: contextvars.Context | None = None,
    ) -> asyncio.Handle:
        super().call_soon(self._next, context=self._own_context)
        handle = asyncio.Handle(callback, args, self, context)
        self._registered.append(handle)
        return handle

    def _next(self) -> None:
        if not self._turn:
            registered, self._registered = self._registered, []  # a garbage collection may register more now
            self._turn.extend(shuffled(registered, self._random))
            del registered  # while a callback runs, nothing may hold it
        handle = self._turn.popleft()
        if not handle.cancelled():
            handle._run()
        del handle  # as asyncio's loops do: an error could refer to this frame


class ShuffledLoop(Shuffling, asyncio.SelectorEventLoop):
    """The ordinary loop, shuffled."""

    def __init__(self, random: Random) -> None:
        self._begin(random)
        super().__init__()


class ShuffledVirtualLoop(Shuffling, VirtualEventLoop):
    """The loop with virtual time, shuffled."""

    def __init__(self, random: Random, now: Now) -> None:
        self._begin(random)
        super().__init__(now, 0.05)


def loops(seed: str | None, *, virtual: bool = False) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loop factory of one test; None for ordinary loops.

    Args:
        seed: what decides the order, every loop of the test has it anew; None for the order of asyncio.
        virtual: whether its loops have virtual time.
    """
    if virtual:
        clock = VirtualClock()
        if seed is None:
            return clock.new_event_loop
        return lambda: ShuffledVirtualLoop(Random(seed), clock._now)  # noqa: S311 - no secret
    return None if seed is None else lambda: ShuffledLoop(Random(seed))  # noqa: S311
