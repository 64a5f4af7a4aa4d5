"""The event loops on which programs run; time is virtual on each of them."""

import asyncio
from collections.abc import Callable
from contextvars import Context
from heapq import heappop, heappush
from importlib import import_module
from random import Random
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVarTuple

from typing_extensions import override

from miniagents.testing import VirtualClock
from tests.support.eager import start_eagerly
from tests.support.shuffled import ShuffledVirtualLoop

__all__ = ["LOOPS", "loop_of"]

Ts = TypeVarTuple("Ts")

LOOPS: Final = ("asyncio", "eager", "uvloop")

TURNS: Final = 50_000
"""How many turns of its loop a program may take; it needs some hundreds."""


class BoundedLoop(ShuffledVirtualLoop):
    """A shuffled loop with virtual time that ends what goes round for ever."""

    turns = 0

    def _run_once(self) -> None:
        self.turns += 1
        if self.turns > TURNS:
            self.turns = 0
            raise EndlessError
        super()._run_once()  # type: ignore[misc]  # a method that the types do not show


class EndlessError(Exception):
    """The loop of a program never rests."""


if TYPE_CHECKING:
    _UVLoop: TypeAlias = asyncio.SelectorEventLoop
else:
    try:
        _UVLoop = import_module("uvloop").Loop
    except ImportError:
        _UVLoop = object


class VirtualUVLoop(_UVLoop):
    """uvloop, with timers of its own: when nothing is ready, time goes on to the next one.

    It looks once in each turn whether anything else has been made ready since the last one. A program does no
    input or output, so nothing else can happen.
    """

    def __init__(self) -> None:
        super().__init__()
        self._virtual_now = 0.0
        self._heap: list[tuple[float, int, asyncio.TimerHandle]] = []
        self._made_ready = self._seen = self._turns = 0
        self._looks = False

    @override
    def time(self) -> float:
        return self._virtual_now

    @override
    def call_soon(
        self, callback: Callable[[*Ts], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self._made_ready += 1
        return super().call_soon(callback, *args, context=context)

    @override
    def call_later(
        self,
        delay: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._virtual_now + delay, callback, *args, context=context)

    @override
    def call_at(
        self,
        when: float,
        callback: Callable[[*Ts], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._made_ready += 1
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heappush(self._heap, (when, self._made_ready, timer))
        if not self._looks:
            self._looks = True
            super().call_soon(self._look)
        return timer

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Do nothing: a cancelled timer is skipped."""

    def _look(self) -> None:
        self._turns += 1
        if self._turns > TURNS:
            self.stop()  # the program has not ended, and that is an error
            return
        if self._made_ready == self._seen:
            while self._heap and self._heap[0][2].cancelled():
                heappop(self._heap)
            if self._heap:
                self._virtual_now = max(self._virtual_now, self._heap[0][0])
            while self._heap and self._heap[0][0] <= self._virtual_now:
                timer = heappop(self._heap)[2]
                if not timer.cancelled():
                    timer._run()
                del timer  # an error could refer to this frame
        self._seen = self._made_ready
        self._looks = bool(self._heap)
        if self._looks:
            super().call_soon(self._look)


def loop_of(loops: str, order: int) -> asyncio.AbstractEventLoop:
    """Return a new event loop.

    Args:
        loops: which one: see `LOOPS`.
        order: decides which of several tasks goes first, where asyncio leaves that open; uvloop decides it
            itself.
    """
    if loops == "uvloop":
        return VirtualUVLoop()
    loop = BoundedLoop(Random(order), VirtualClock()._now)  # noqa: S311 - no secret
    if loops == "eager":
        start_eagerly(loop)
    return loop
