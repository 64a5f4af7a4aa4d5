"""``a.timeout(first_token=..., stall=..., total=...)``: an agent that is not waited for without end.

Nothing is copied: the messages that the agent writes are shown as they are and only watched. When a limit is
up, what is still open ends with the error, and its producer is stopped. Only a message that comes from
outside of the agent, and may have readers there, is copied, so that its end here does not affect them.

Why so long: what is heard of an agent and which limit is up next turn on the same few numbers.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from miniagents.core import (
    Context,
    MessagePromise,
    MessageSequencePromise,
    PartBuffer,
    ReplayBuffer,
    current_ancestry,
    current_producer,
    raise_error,
)
from miniagents.values import AgentTimeoutError, Part, check_seconds, set_partial_text

from ._copy import MessageCopy
from ._operands import Operand, ReplyContext, input_complete, is_complete, is_content, named

LIMITS = ("first_token", "stall", "total")
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """What ``a.timeout(...)`` puts around ``a``; all limits in seconds, None for none.

    Attributes:
        first_token: from the end of its input to its first token, or first message without any.
        stall: between two signs of it; before the first one it counts if there is no ``first_token``.
        total: from the inquiry to the end of its last message.
        answers: what comes out is what the agent replies.
    """

    first_token: float | None
    stall: float | None
    total: float | None
    answers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name in LIMITS:
            check_seconds("timeout", name, getattr(self, name))

    def alias_around(self, part: Operand) -> str:
        """The agent and its limits."""
        limits = ((name, getattr(self, name)) for name in LIMITS)
        given = ", ".join(f"{name}={seconds:g}" for name, seconds in limits if seconds is not None)
        return f"{named(part)}.timeout({given})"

    def description_around(self, part: Operand) -> str:
        """Who is waited for."""
        return f"{part.alias}, stopped when it takes too long."

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Pass the replies on until a limit is up."""
        watch = Watch(self, ctx, call.alias, call.inquire(ctx.messages))
        try:
            await watch.until_over()
        finally:
            await watch.leave()


class Watch:
    """Watches the replies of one run, and stops it when the last sign of it came too long ago.

    It wakes the run that it belongs to once, at the end: all else happens where tokens arrive, and in a
    timer.

    Args:
        limits: how long is waited.
        ctx: where the replies go.
        alias: of the agent, for the error.
        replies: what is watched.

    Attributes:
        position: how many messages have been passed on.
    """

    __slots__ = (
        *(
            "_alias",
            "_ancestry",
            "_begun",
            "_buffer",
            "_complete",
            "_context",
            "_ctx",
            "_ended",
            "_limits",
            "_loop",
        ),
        *(
            "_open",
            "_over",
            "_replies",
            "_run_name",
            "_signs",
            "_timer",
            "_tokens",
            "_waiting_since",
            "position",
        ),
    )

    def __init__(
        self, limits: TimeLimits, ctx: ReplyContext, alias: str, replies: MessageSequencePromise
    ) -> None:
        self._limits = limits
        self._ctx = ctx
        self._alias = alias
        self._replies: MessageSequencePromise | None = replies  # None when all of them have been passed on
        self._buffer = replies.buffer
        self._loop = asyncio.get_running_loop()
        self._context = Context.current()
        self._ancestry = current_ancestry()
        run = current_producer()
        self._run_name = alias if run is None else run.name
        self._begun = self._loop.time()
        self._waiting_since: float | None = None  # None before it has its input and gave a sign
        self._signs = 0  # tokens and ends of messages
        self._tokens = 0
        self._open: dict[Open | MessageCopy, None] = {}
        self._ended = False  # there are no further messages, and the replies say so
        self._complete: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over: asyncio.Future[None] | None = None
        self.position = 0

    async def until_over(self) -> None:
        """Wait until the replies and all their messages have ended, or a limit is up.

        Raises:
            AgentTimeoutError: a limit is up, and the replies were still open.
            Exception: the error of the replies.
        """
        if is_complete(self._ctx.messages):
            self._waiting_since = self._begun
        else:
            self._complete = input_complete(self._ctx.messages)
            self._complete.add_done_callback(self._input_came)
        self.deliver()
        if not self._is_over():
            self._over = self._loop.create_future()
            self._buffer.attach(self)
            self._set_timer()
            await self._over
        raise_error(self._buffer)

    def _is_over(self) -> bool:
        passed_on = self._ended or (self._buffer.closed and self.position == len(self._buffer.items))
        return passed_on and not self._open

    # -- what is heard of the agent --------------------------------------------------------------------------

    def deliver(self) -> None:
        """Pass on the messages that are new."""
        buffer = self._buffer
        while self.position < len(buffer.items):
            promise = buffer.items[self.position]
            self.position += 1
            if promise.buffer.closed and promise.buffer.error is None:
                self._tokens += len(promise.buffer.items)
                self._ctx.reply(promise)
                self.sign()
            elif self._ancestry is not None and self._ancestry.began(promise.buffer.ancestry):
                self._watch_own(promise)
            else:
                self._copy_foreign(promise)
        if buffer.closed:
            if buffer.error is None and self._open and not self._ended:
                self._ended = True
                self._ctx.finish_early()
                buffer.detach(self)
                self._replies = None  # it would keep the messages going when their readers have left
            self.look()

    def _watch_own(self, promise: MessagePromise) -> None:
        self._ctx.reply(promise)
        if not promise.buffer.closed:
            watched = Open(self, promise.buffer)
            self._open[watched] = None
            promise.buffer.attach(watched)
            watched.deliver()

    def _copy_foreign(self, promise: MessagePromise) -> None:
        copy = MessageCopy(promise, self._context, self._copied)
        copy.buffer.produce_with(copy, self._ancestry)  # what delivers this is another run
        self._open[copy] = None
        self._ctx.reply(copy.show())

    def _copied(self, copy: MessageCopy, part: Part | None) -> None:
        if part is None:
            self.closed(copy)
        elif is_content(part):
            self._tokens += isinstance(part, str)
            self.sign()

    def came(self, parts: Sequence[Part]) -> None:
        """Note what one of its messages has streamed."""
        said = False
        for part in parts:
            if isinstance(part, str):
                self._tokens += 1
                said = True
            elif is_content(part):
                said = True
        if said:
            self.sign()

    def closed(self, message: "Open | MessageCopy") -> None:
        """Note that a message has ended, however it did."""
        if self._open.pop(message, self) is None:
            self.sign()
            if not self._open:
                self.look()

    def sign(self) -> None:
        """The agent has been heard of."""
        self._waiting_since = self._loop.time()
        self._signs += 1
        if self._signs == 1 and self._complete is not None:
            self._complete.cancel()  # from now on the agent alone says how much of its input is wanted

    def _input_came(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and self._waiting_since is None:
            self._waiting_since = self._loop.time()
            if self._timer is not None and self._over is not None:  # it counts from now on
                self._timer.cancel()
                self._set_timer()

    def look(self) -> None:
        """Wake the run if all has ended."""
        if self._over is not None and not self._over.done() and self._is_over():
            self._over.set_result(None)

    # -- the limits ------------------------------------------------------------------------------------------

    def _next(self) -> tuple[str, float, float]:
        """Which limit would be up next, of how many seconds, and when."""
        limits = self._limits
        found = (
            ("", NEVER, NEVER)
            if limits.total is None
            else ("total", limits.total, self._begun + limits.total)
        )
        if self._waiting_since is None:
            return found
        first = limits.first_token is not None and not self._signs
        name, seconds = ("first_token", limits.first_token) if first else ("stall", limits.stall)
        if seconds is None or self._waiting_since + seconds >= found[2]:
            return found
        return name, seconds, self._waiting_since + seconds

    def _set_timer(self) -> None:
        """Have the limits looked at when the next one could be up; a sign until then only moves that."""
        limits = self._limits
        given = [each for each in (limits.first_token, limits.stall, limits.total) if each is not None]
        if given:
            # Whatever comes until then, none is up before the shortest of them has passed.
            self._timer = self._loop.call_at(self._loop.time() + min(given), self._time_is_up)

    def _time_is_up(self) -> None:
        self._timer = None
        limit, seconds, deadline = self._next()
        if self._loop.time() < deadline:
            if deadline == NEVER:  # it has not got its input yet
                self._set_timer()
            else:
                self._timer = self._loop.call_at(deadline, self._time_is_up)
        elif self._over is not None and not self._over.done():
            self._stop(limit, seconds)

    def _stop(self, limit: str, seconds: float) -> None:
        """End what is still open with the error, and the agent with it."""
        elapsed = self._loop.time() - self._begun
        error = AgentTimeoutError(
            f"{self._alias} was stopped after {elapsed:.3g} s: its limit {limit}={seconds:g} s was up; "
            f"tokens so far: {self._tokens}.",
            agent=self._alias,
            limit=limit,
            seconds=seconds,
            elapsed=elapsed,
            tokens=self._tokens,
            partial_text=next((each.text for each in self._open), ""),
        )
        over, self._over = self._over, None  # what ends now is no end that is waited for
        for each in tuple(self._open):
            each.fail(error, (self._run_name,))
        if self._replies is not None:
            self._replies.cancel()
        else:  # a run that had closed its replies may work on
            self._buffer.context.cancel_finished_early(self._buffer)
        if over is None:
            return
        if self._ended:  # all that was left were messages, and each has its error
            over.set_result(None)
        else:
            over.set_exception(error)

    async def leave(self) -> None:
        """Watch no more; messages that somebody holds go on for them."""
        self._over = None
        if self._timer is not None:
            self._timer.cancel()
        self._buffer.detach(self)
        for each in tuple(self._open):
            each.release()
        self._open.clear()  # a circle would keep the replies until the next garbage collection
        if self._complete is not None and not self._complete.done():
            self._complete.cancel()
            await asyncio.gather(self._complete, return_exceptions=True)


class Open:
    """A message that the watched agent is writing, as long as it is open.

    It holds the buffer and not the promise, so that it does not count as somebody who can read the message.

    Args:
        watch: is told what comes.
        buffer: of the message.

    Attributes:
        position: how many parts have come.
    """

    __slots__ = ("_buffer", "_parts", "_watch", "position")

    def __init__(self, watch: Watch, buffer: ReplayBuffer[str]) -> None:
        self._watch = watch
        self._buffer = buffer
        self._parts = cast("Sequence[Part]", buffer.parts if isinstance(buffer, PartBuffer) else buffer.items)
        self.position = 0

    def deliver(self) -> None:
        """Tell of the parts that are new, and of the end."""
        if self.position < len(self._parts):
            new = self._parts[self.position :]
            self.position += len(new)
            self._watch.came(new)
        if self._buffer.closed:
            self._buffer.detach(self)
            self._watch.closed(self)

    @property
    def text(self) -> str:
        """What has come so far."""
        return "".join(self._buffer.items)

    def fail(self, error: Exception, chain: tuple[str, ...]) -> None:
        """End the message with ``error`` after what came, and stop who writes it."""
        producer = self._buffer.producer
        self._buffer.detach(self)
        if not self._buffer.closed:
            set_partial_text(error, self.text)
            self._buffer.fail(error, chain)
        if producer is not None:
            producer.cancel()

    def release(self) -> None:
        """It is not watched any more."""
        self._buffer.detach(self)
