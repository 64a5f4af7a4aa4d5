"""``a.timeout(first_token=..., stall=..., total=...)``: stops an agent that takes too long.

The messages that the agent writes are passed on and only watched, not copied. When a limit expires, all open
messages end with the error, and their producers are stopped. Only a message that comes from outside of the
agent is copied, since it may have other readers, which the error must not affect.

**The time in which an agent is paused for its readers does not count.** To watch an agent is no demand for
its replies, so an agent with a limit is paused like any other one.
"""

import asyncio
from contextvars import Context as Variables
from dataclasses import dataclass
from functools import partial

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._copies import MessageCopy
from miniagents.messages._message import message_buffers
from miniagents.messages._parts import is_content, parts_in, text_so_far
from miniagents.messages._sequence import WholeRequest
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import current_context
from miniagents.streams._lifetime import current_producer, together
from miniagents.streams._promise import when_complete
from miniagents.streams._run_task import current_ancestry, pass_error_on
from miniagents.values import AgentTimeoutError, check_seconds, set_partial_text

from ._operands import Operand, ReplyContext, WhileNeeded, is_complete, named, replies_closed, until_read

LIMITS = ("first_token", "stall", "total")
NEVER = float("inf")


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """The wrapper of ``a.timeout(...)``; all limits in seconds, None for no limit.

    Attributes:
        first_token: from the end of its input to its first token, or to its first message without tokens.
        stall: between two tokens or ends of messages; it also counts before the first one if there is no
            ``first_token``.
        total: from the inquiry to the end of its last message.
    """

    first_token: float | None
    stall: float | None
    total: float | None

    def __post_init__(self) -> None:
        for name in LIMITS:
            check_seconds("timeout", name, getattr(self, name))

    def alias_around(self, part: Operand) -> str:
        """The alias of the agent, and its limits."""
        limits = ((name, getattr(self, name)) for name in LIMITS)
        given = ", ".join(f"{name}={seconds:g}" for name, seconds in limits if seconds is not None)
        return f"{named(part)}.timeout({given})"

    def description_around(self, part: Operand) -> str:
        """The agent that is stopped."""
        return f"{part.alias}, stopped when it takes too long."

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Pass the replies on until they and all their messages have ended, or a limit expires."""
        clock = Clock(self, call.alias)
        error: AgentTimeoutError | None = None
        try:
            async with asyncio.timeout(None) as block:
                clock.start(block, ctx.messages)
                try:
                    await self._pass_on(ctx, clock, call.inquire(ctx.messages))
                except Exception as failed:
                    try:
                        with WhileNeeded(*(each.buffer for each in clock.open)):
                            await clock.messages_ended()  # what it had replied is complete before its error
                    except asyncio.CancelledError:
                        pass_error_on(failed)  # no reader will get it
                        raise
                    raise
                if clock.open:
                    ctx.finish_early()
                    clock.only_messages = True
                    await clock.messages_ended()
        except TimeoutError:
            if clock.expired is None:  # an error of the agent
                raise
            written = bool(clock.open)
            error = clock.end_all(*clock.expired)
            # Else the messages have the error, and nothing could get it from the replies.
            if clock.only_messages or (written and replies_closed()):
                error = None
        finally:
            clock.stop()
        if error is not None:
            raise error

    async def _pass_on(self, ctx: ReplyContext, clock: "Clock", replies: MessageSequencePromise) -> None:
        clock.replies = replies.buffer
        async for promise in replies:
            ctx.reply(clock.watched(promise))
            clock.pause()
            await until_read()
            clock.resume()
            clock.rest()


class Clock:
    """Knows when a limit of a running agent expires.

    Args:
        limits: how long is waited.
        alias: the alias of the agent.

    Attributes:
        expired: the limit that has expired, and its seconds; None if none has.
        only_messages: whether the replies have ended, and only their messages are still open.
        open: the messages that the agent is writing.
        replies: the buffer of its replies; not the promise, which would keep the messages going.
    """

    def __init__(self, limits: TimeLimits, alias: str) -> None:
        self._limits = limits
        self._alias = alias
        self._loop = asyncio.get_running_loop()
        self._ancestry = current_ancestry()
        self._began = self._started = self._loop.time()  # the first one is moved on by pauses
        self._waiting_since: float | None = None  # None before its input is complete and a token has come
        self._paused_since: float | None = None
        self._signs = 0  # tokens and ends of messages
        self._tokens = 0  # of messages that have ended
        self._input: WholeRequest | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._block: asyncio.Timeout | None = None
        self._ended: asyncio.Future[None] | None = None
        self.expired: tuple[str, float] | None = None
        self.only_messages = False
        self.open: dict[WatchedMessage, None] = {}
        self.replies: ReplayBuffer[MessagePromise[Message]] | None = None

    def start(self, block: asyncio.Timeout, messages: MessageSequencePromise) -> None:
        """Let ``block`` end when a limit expires; ``messages`` are what the agent is sent."""
        self._block = block
        if is_complete(messages):
            self._waiting_since = self._began
        else:
            # In a chain all agents begin at once, but the limit begins when the input is complete; so it is
            # requested here: if the agent is stuck before it reads, the input would be paused for ever.
            self._input = WholeRequest(messages.buffer)
            when_complete(messages.buffer, partial(message_buffers, messages.buffer), self._input_ended)
        self._set_timer()

    def stop(self) -> None:
        """Stop the clock, and stop watching; messages that are still read go on."""
        if self._timer is not None:
            self._timer.cancel()
        if self._input is not None:
            self._input.leave()
        self._input = self._block = self.replies = None  # its input may hold this object
        for each in self.open:
            each.leave()
        self.open.clear()  # the same

    def watched(self, promise: MessagePromise[Message]) -> MessagePromise[Message]:
        """Watch a message of the agent, and return what to show for it."""
        if promise.buffer.closed:
            self._tokens += len(promise.buffer.items)
            self.sign()
            return promise
        if self._ancestry is None or not self._ancestry.began(promise.buffer.ancestry):
            promise = MessageCopy(promise).begin()  # it comes from outside
        message = WatchedMessage(self, promise.buffer)
        self.open[message] = None
        message.begin()
        return promise

    def sign(self) -> None:
        """Note a token or the end of a message."""
        self.resume()
        self._waiting_since = self._loop.time()
        self._signs += 1
        if self._signs == 1:  # later ones only postpone what expires next
            if self._input is not None:
                self._input.leave()  # from now on only the agent requests its input
            self._set_timer()

    def ended(self, message: "WatchedMessage") -> None:
        """Note that a message has ended, with or without an error."""
        if self.open.pop(message, self) is None:
            self._tokens += len(message.buffer.items)
            self.sign()
            self.rest()
            if not self.open and self._ended is not None and not self._ended.done():
                self._ended.set_result(None)

    async def messages_ended(self) -> None:
        """Wait until all messages have ended, without demand for them."""
        if self.open:
            self._ended = self._loop.create_future()
            await self._ended

    def end_all(self, limit: str, seconds: float) -> AgentTimeoutError:
        """End the agent, and everything that is still open, with the error; return the error."""
        elapsed = self._loop.time() - self._started
        tokens = self._tokens + sum(len(each.buffer.items) for each in self.open)
        error = AgentTimeoutError(
            # Without what may be another one when a run of a log goes on: a model may be told this.
            f"{self._alias} was stopped: its limit {limit}={seconds:g} s was up; tokens so far: {tokens}.",
            agent=self._alias,
            limit=limit,
            seconds=seconds,
            elapsed=elapsed,
            tokens=tokens,
            partial_text=next((text_so_far(each.buffer) for each in self.open), ""),
        )
        together(current_context(), partial(self._end_all, error))
        return error

    def _end_all(self, error: AgentTimeoutError) -> None:
        run = current_producer()
        handled = False
        for each in tuple(self.open):
            each.fail(error, () if run is None else (run.name,), handled=handled)
            handled = handled or each.buffer.error_handled
        if self.replies is not None:
            self.replies.cancel()
            self.replies.context.cancel_finished_early(self.replies)  # it may have closed its replies

    # -- pauses --------------------------------------------------------------------------------------------

    def pause(self) -> None:
        """Note that the agent may be waiting for its readers from now on."""
        if self._paused_since is None:
            self._paused_since = self._loop.time()

    def rest(self) -> None:
        """Note that the agent waits for its readers, if all that it is writing does."""
        if self.open and all(each.paused for each in self.open):
            self.pause()

    def resume(self) -> None:
        """Note that the agent is at work: the time since :meth:`pause` does not count."""
        if self._paused_since is not None:
            paused = self._loop.time() - self._paused_since
            self._paused_since = None
            self._began += paused
            if self._waiting_since is not None:
                self._waiting_since += paused

    # -- the limits ----------------------------------------------------------------------------------------

    def _input_ended(self, _: object) -> None:
        if self._waiting_since is None and self._input is not None:
            if self._paused_since is not None:
                self.resume()  # the pause before the limit began
                self.pause()
            self._waiting_since = self._loop.time()
            self._set_timer()

    def _next(self) -> tuple[str, float, float]:
        """Return the limit that expires next, its seconds, and when."""
        limits = self._limits
        found = (
            ("", NEVER, NEVER)
            if limits.total is None
            else ("total", limits.total, self._began + limits.total)
        )
        if self._waiting_since is None:
            return found
        first = limits.first_token is not None and not self._signs
        name, seconds = ("first_token", limits.first_token) if first else ("stall", limits.stall)
        if seconds is None or self._waiting_since + seconds >= found[2]:
            return found
        return name, seconds, self._waiting_since + seconds

    def _set_timer(self) -> None:
        """Look when the next limit could expire; most of what comes until then only postpones that."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        deadline = self._next()[2]
        if deadline < NEVER:
            self._call_at(deadline)

    def _call_at(self, when: float) -> None:
        # Without context variables: a cancelled timer would keep them, and so the run, until its time.
        self._timer = self._loop.call_at(when, self._look, context=Variables())

    def _look(self) -> None:
        self._timer = None
        if self._paused_since is not None and self.open and not all(each.paused for each in self.open):
            self.resume()
        limit, seconds, deadline = self._next()
        now = self._loop.time()
        if deadline <= (now if self._paused_since is None else self._paused_since):
            self.expired = limit, seconds
            if self._block is not None:
                self._block.reschedule(now)
        else:  # whatever comes, a limit that is paused does not expire before all its seconds have passed
            self._call_at(deadline if self._paused_since is None else now + seconds)


class WatchedMessage:
    """A message that the agent is writing: reports each of its parts, without demand for them.

    It holds the buffer and not the promise, so that it does not count as a reader of the message.

    Args:
        clock: takes note of the parts.
        buffer: the buffer of the message.

    Attributes:
        buffer: the buffer of the message.
        position: how many parts have come.
    """

    __slots__ = ("_clock", "_parts", "buffer", "position")

    def __init__(self, clock: Clock, buffer: ReplayBuffer[str]) -> None:
        self._clock = clock
        self.buffer = buffer
        self._parts = parts_in(buffer)
        self.position: int = 0

    def begin(self) -> None:
        """Begin to watch."""
        self.buffer.attach(self, unbounded=False, reads=False)
        self.deliver()

    def deliver(self) -> None:
        """Report the new parts, then the end."""
        clock = self._clock
        if self.position < len(self._parts):
            new = self._parts[self.position :]
            self.position += len(new)
            if any(map(is_content, new)):
                clock.sign()
        if self.buffer.closed:
            self.leave()
            clock.ended(self)
        elif self.paused:
            clock.rest()

    @property
    def paused(self) -> bool:
        """Whether its source waits for readers."""
        return self.buffer.credit() <= 0

    def fail(self, error: Exception, chain: tuple[str, ...], *, handled: bool) -> None:
        """End the message with ``error``, after the tokens that came, and stop its producer."""
        producer = self.buffer.producer
        if not self.buffer.closed:
            set_partial_text(error, text_so_far(self.buffer))
            self.buffer.fail(error, chain, handled=handled)
        if producer is not None:
            producer.cancel()

    def leave(self) -> None:
        """Stop watching; idempotent."""
        self.buffer.detach(self, unbounded=False)
