"""The time limits of rows. Time in which a row waits for a limit of requests or tokens does not count."""

import asyncio
from asyncio import Task
from collections.abc import Awaitable, Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import ClassVar, Final, TypeAlias, cast

from typing_extensions import override

from miniagents import InteractionContext, MiniAgent
from miniagents.errors import AgentTimeoutError
from miniagents.messages import Message
from miniagents.observers import Observer, PartsCame, RunBegan, RunEnded, RunEvent, RunInfo

_LONGEST_TICK: Final = 1.0  # seconds


_Around: TypeAlias = Callable[[InteractionContext, MiniAgent[Message, Message, ...]], Awaitable[None]]


class RowClock:
    """The time of one attempt of a row.

    Args:
        task: sends the row; it is cancelled when a limit expires.
        now: the time of the event loop, in seconds.

    Attributes:
        expired: which limit has expired, and its seconds; None if none has.
        last_sign: when the row gave a sign of life: a part of an answer, or a run that began or ended.
        waiting: calls of models that wait until their limit lets them go.
    """

    def __init__(self, task: Task[None], now: float) -> None:
        self._task = task
        self._counted = 0.0
        self._since = now
        self.expired: tuple[str, float] | None = None
        self.last_sign: float = now
        self.waiting: set[object] = set()

    def seconds(self, now: float) -> float:
        """Return how long the attempt has taken, without the time in which it waited for limits."""
        return self._counted + (0.0 if self.waiting else now - self._since)

    def wait(self, call: object, now: float) -> None:
        """Stop the clock while a call of a model waits."""
        if not self.waiting:
            self._counted += now - self._since
        self.waiting.add(call)

    def go(self, call: object, now: float) -> None:
        """Go on when the call waits no more."""
        if call in self.waiting:
            self.waiting.remove(call)
            self.last_sign = self._since = now

    def expire(self, limit: str, seconds: float) -> None:
        """Stop the attempt."""
        self.expired = limit, seconds
        self._task.cancel()

    def error(self, alias: str, now: float, text: str) -> AgentTimeoutError:
        """Return the error of an attempt that has expired, after this text had come."""
        limit, seconds = self.expired or ("total", 0.0)
        what = (
            f"did not answer within {seconds:g} s (timeout)"
            if limit == "total"
            else f"gave no sign of life for {seconds:g} s (stall_timeout)"
        )
        return AgentTimeoutError(
            f"{alias} {what}; time in which it waited for limits is not counted.",
            agent=alias,
            limit=limit,
            seconds=seconds,
            elapsed=self.seconds(now),
            partial_text=text,
        )


# None for a run of another context, such as one that a worker of Ray begins for a row.
_CLOCK: Final[ContextVar[RowClock | None]] = ContextVar("miniagents_row_clock", default=None)
_CALL: Final[ContextVar[object]] = ContextVar("miniagents_row_call", default=None)


class RowClocks(Observer):
    """Stops attempts that take too long.

    It is an observer of the context that sends the rows, and delays their calls of models with `around`.

    Args:
        limits: delays the calls of models.
        total: seconds of an attempt; None for no limit.
        stall: seconds between two signs of life; None for no limit.
    """

    batch: int = 8
    models_only: ClassVar[bool] = True

    def __init__(self, limits: _Around, total: float | None, stall: float | None) -> None:
        self._limits = limits
        self._total = total
        self._stall = stall
        self._clocks: set[RowClock] = set()
        self._of_run: dict[RunInfo, RowClock] = {}

    @contextmanager
    def attempt(self) -> Generator[RowClock]:
        """A block in which the current task makes an attempt."""
        task = cast("Task[None]", asyncio.current_task())
        clock = RowClock(task, asyncio.get_running_loop().time())
        _CLOCK.set(clock)
        self._clocks.add(clock)
        try:
            yield clock
        finally:
            self._clocks.discard(clock)

    async def __call__(self, ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        """Call a model when its limits allow it; until then, the clock of the row stands still."""
        clock = _CLOCK.get()
        if clock is None:
            await self._limits(ctx, call)
            return
        now = asyncio.get_running_loop().time
        waiting = object()
        _CALL.set(waiting)
        clock.wait(waiting, now())
        try:
            await self._limits(ctx, call)
        finally:
            clock.go(waiting, now())

    async def watch(self) -> None:
        """Stop attempts when their limits expire, until this is cancelled."""
        limits = [each for each in (self._total, self._stall) if each is not None]
        tick = min([_LONGEST_TICK, *(each / 4 for each in limits)])
        now = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(tick)
            for clock in tuple(self._clocks):
                if clock.expired is not None or clock.waiting:
                    continue
                if self._total is not None and clock.seconds(now()) >= self._total:
                    clock.expire("total", self._total)
                elif self._stall is not None and now() - clock.last_sign >= self._stall:
                    clock.expire("stall", self._stall)

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if isinstance(event, PartsCame) and not event.times:
            return  # a message without parts has ended: its run ends, too
        run, now = event.run, event.times[-1] if isinstance(event, PartsCame) else event.at
        clock = _CLOCK.get() if isinstance(event, RunBegan) else self._of_run.get(run)
        if clock is None:
            return
        if isinstance(event, RunBegan):
            self._of_run[run] = clock
            if run.kind == "model":  # its limit has let it go
                clock.go(_CALL.get(), now)
        elif isinstance(event, RunEnded):
            del self._of_run[run]
        clock.last_sign = now
