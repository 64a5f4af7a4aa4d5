"""``a.timeout(first_token=..., stall=..., total=...)``: stops an agent that takes too long.

The messages that the agent writes are passed on and only watched, not copied. When a limit expires, all open
messages end with the error, and their producers are stopped. Only a message that comes from outside of the
agent is copied, since it may have other readers, which the error must not affect.

The module is long because watching the agent and finding the next limit use the same few numbers.
"""

import asyncio
from collections.abc import Sequence
from contextvars import Context as Variables
from typing import cast

from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._parts import PartBuffer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import AgentTimeoutError, Part, check_seconds, lazy_dataclass, set_partial_text

from .._taskless_run import Call, TasklessRun
from ._copy import MessageCopy
from ._operands import InputEnd, Operand, is_complete, is_content, named

LIMITS = ("first_token", "stall", "total")
NEVER = float("inf")


@lazy_dataclass(frozen=True, slots=True)
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

    def watch(self, run: TasklessRun, call: Call, /) -> "Watch":
        """Pass the replies on until a limit expires."""
        return Watch(self, run, call)


class Watch:
    """Watches the replies of one run, and stops the run when a limit expires.

    It has no task: it works when tokens arrive, and in a timer.

    Args:
        limits: how long is waited.
        run: shows the replies.
        call: of the agent.

    Attributes:
        position: how many messages have been passed on.
    """

    __slots__ = (
        *("_alias", "_ancestry", "_begun", "_buffer", "_call", "_context", "_ended", "_input", "_limits"),
        *("_loop", "_open", "_over", "_replies", "_run", "_signs", "_timer", "_tokens", "_waiting_since"),
        "position",
    )

    def __init__(self, limits: TimeLimits, run: TasklessRun, call: Call) -> None:
        self._limits = limits
        self._run = run
        self._alias = call.alias
        self._call: Call | None = call  # until the end, since it holds the messages that the run was sent
        self._replies: MessageSequencePromise | None = None  # None when all of them have been passed on
        self._buffer = cast("ReplayBuffer[MessagePromise[Message]]", run.buffer)  # None before they exist
        self._context = run.context
        self._loop = run.context.loop
        self._ancestry = run.ancestry
        self._begun = self._loop.time()
        self._waiting_since: float | None = None  # None before its input is complete and a token has come
        self._signs = 0  # tokens and ends of messages
        self._tokens = 0
        self._open: dict[Open | MessageCopy, None] = {}
        self._ended = False  # whether all messages have come and the replies were closed
        self._input: InputEnd | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._over = False
        self.position = 0

    def begin(self) -> None:
        """Inquire the agent, and watch its replies until they and all their messages have ended."""
        call = self._call
        if call is None:
            return
        if isinstance(call.received, str) or is_complete(call.received):
            self._waiting_since = self._begun
        else:
            self._input = InputEnd(call.received, self._input_came)
            self._input.begin()
        self._replies = call.inquire()
        self._buffer = self._replies.buffer
        self._buffer.attach(self)
        self._set_timer()
        self.deliver()

    def blocked_by(self) -> None:
        """None: when the time is over, it goes on by itself."""

    def _is_over(self) -> bool:
        passed_on = self._ended or (self._buffer.closed and self.position == len(self._buffer.items))
        return passed_on and not self._open

    # -- events of the agent ---------------------------------------------------------------------------------

    def deliver(self) -> None:
        """Pass new messages on."""
        buffer = self._buffer
        while self.position < len(buffer.items):
            promise = buffer.items[self.position]
            self.position += 1
            if promise.buffer.closed:  # nothing to stop; a copy would end the run before it is passed on
                self._run.reply(promise)
                if promise.buffer.error is None:
                    self._tokens += len(promise.buffer.items)
                    self.sign()
            elif self._ancestry is not None and self._ancestry.began(promise.buffer.ancestry):
                self._watch_own(promise)
            else:
                self._copy_foreign(promise)
        if buffer.closed:
            if buffer.error is None and self._open and not self._ended:
                self._ended = True
                self._run.finish_early()
                buffer.detach(self)
                self._replies = None  # it would keep the messages going after their readers have left
            self.look()

    def _watch_own(self, promise: MessagePromise) -> None:
        self._run.reply(promise)
        buffer = promise.buffer
        limits = self._limits
        # A limit of the total time need not be notified of each token.
        whole = limits.stall is None and (
            self._signs > 0 or (limits.first_token is None and self._input is None)
        )
        watched = Open(self, buffer) if whole else OpenInSteps(self, buffer)
        self._open[watched] = None
        watched.begin()

    def _copy_foreign(self, promise: MessagePromise) -> None:
        copy = MessageCopy(promise, self._context, self._copied)
        copy.buffer.produce_with(copy, self._ancestry)  # the caller belongs to another run
        self._open[copy] = None
        self._run.reply(copy.show())

    def _copied(self, copy: MessageCopy, part: Part | None) -> None:
        if part is None:
            self.closed(copy)
        elif is_content(part):
            self._tokens += isinstance(part, str)
            self.sign()

    def came(self, parts: Sequence[Part]) -> None:
        """Note a part of one of its messages."""
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
        """Note that a message has ended, with or without an error."""
        if self._open.pop(message, self) is None:
            self._tokens += message.uncounted
            self.sign()
            if not self._open:
                self.look()

    def sign(self) -> None:
        """Note a token or the end of a message."""
        self._waiting_since = self._loop.time()
        self._signs += 1
        if self._signs == 1 and self._input is not None:
            self._input.leave()  # from now on only the agent requests its input

    def _input_came(self) -> None:
        if self._waiting_since is None:
            self._waiting_since = self._loop.time()
            if self._timer is not None:  # the stall limit counts from now on
                self._timer.cancel()
                self._set_timer()

    def look(self) -> None:
        """End the run if everything has ended."""
        if self._over or not self._is_over():
            return
        self._over = True
        buffer = self._buffer
        if buffer.error is None:
            self._run.finished()
        else:
            buffer.mark_error_handled()
            self._run.failed(buffer.error, buffer.chain)

    # -- the limits ------------------------------------------------------------------------------------------

    def _next(self) -> tuple[str, float, float]:
        """Return the limit that expires next, its seconds, and when."""
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
        """Check the limits when the next one could expire; tokens until then only postpone that."""
        limits = self._limits
        given = [each for each in (limits.first_token, limits.stall, limits.total) if each is not None]
        if given:
            # Whatever comes until then, no limit expires before the shortest one has passed.
            self._call_at(self._loop.time() + min(given))

    def _call_at(self, when: float) -> None:
        # Without context variables: a cancelled timer would keep them, and so the run, until its time.
        self._timer = self._loop.call_at(when, self._time_is_up, context=Variables())

    def _time_is_up(self) -> None:
        self._timer = None
        limit, seconds, deadline = self._next()
        if self._loop.time() < deadline:
            if deadline == NEVER:  # its input is not complete yet
                self._set_timer()
            else:
                self._call_at(deadline)
        elif not self._over and self._run.variables is not None:
            self._run.variables.run(self._stop, limit, seconds)

    def _stop(self, limit: str, seconds: float) -> None:
        """End everything that is still open with the error, and stop the agent."""
        elapsed = self._loop.time() - self._begun
        tokens = self._tokens + sum(each.uncounted for each in self._open)
        error = AgentTimeoutError(
            f"{self._alias} was stopped after {elapsed:.3g} s: its limit {limit}={seconds:g} s was up; "
            f"tokens so far: {tokens}.",
            agent=self._alias,
            limit=limit,
            seconds=seconds,
            elapsed=elapsed,
            tokens=tokens,
            partial_text=next((each.text for each in self._open), ""),
        )
        self._over = True  # the ends that follow are not events of the agent
        for each in tuple(self._open):
            each.fail(error, (self._run.name,))
        if self._replies is not None:
            self._replies.cancel()
        else:  # a run that had closed its replies may still go on
            self._buffer.context.cancel_finished_early(self._buffer)
        if self._ended:  # only messages were left, and each of them has its error
            self._run.finished()
        else:
            self._run.failed(error)

    def leave(self) -> object:
        """Stop watching; messages that are still held go on."""
        self._over = True
        if self._timer is not None:
            self._timer.cancel()
        self._buffer.detach(self)
        for each in tuple(self._open):
            each.release()
        self._open.clear()  # a reference cycle would keep the replies until the next garbage collection
        if self._input is not None:
            self._input.leave()
        held = (self._replies, self._call)
        self._replies = self._call = None
        return held


class Open:
    """A message that the watched agent is writing, until it ends.

    It holds the buffer and not the promise, so that it does not count as a reader of the message.

    Args:
        watch: notified of the end.
        buffer: the buffer of the message.
    """

    __slots__ = ("_buffer", "_watch")

    def __init__(self, watch: Watch, buffer: ReplayBuffer[str]) -> None:
        self._watch: Watch | None = watch
        self._buffer = buffer

    def begin(self) -> None:
        """Watch it: its producer does not wait for readers any more, and its end is reported."""
        self._buffer.reader_came()
        self._buffer.request_all()
        self._buffer.when_closed(self._closed)

    def _closed(self) -> None:
        watch = self._watch
        self.release()
        if watch is not None:
            watch.closed(self)

    @property
    def uncounted(self) -> int:
        """Return how many tokens have come that the watch was not notified of."""
        return len(self._buffer.items)

    @property
    def text(self) -> str:
        """The text that has come so far."""
        return "".join(self._buffer.items)

    def fail(self, error: Exception, chain: tuple[str, ...]) -> None:
        """End the message with ``error``, after the tokens that came, and stop its producer."""
        producer = self._buffer.producer
        self.release()
        if not self._buffer.closed:
            set_partial_text(error, self.text)
            self._buffer.fail(error, chain)
        if producer is not None:
            producer.cancel()

    def release(self) -> None:
        """Stop watching it; idempotent."""
        if self._watch is not None:
            self._watch = None
            self._leave()

    def _leave(self) -> None:
        self._buffer.reader_left()
        self._buffer.withdraw()


class OpenInSteps(Open):
    """An open message that notifies the watch of each part.

    Attributes:
        position: how many parts have come.
    """

    __slots__ = ("_parts", "position")

    def __init__(self, watch: Watch, buffer: ReplayBuffer[str]) -> None:
        super().__init__(watch, buffer)
        self._parts = cast("Sequence[Part]", buffer.parts if isinstance(buffer, PartBuffer) else buffer.items)
        self.position: int = 0

    @override
    def begin(self) -> None:
        self._buffer.attach(self)
        self.deliver()

    @property
    @override
    def uncounted(self) -> int:
        return 0

    def deliver(self) -> None:
        """Report the new parts, then the end."""
        watch = self._watch
        if watch is None:
            return
        if self.position < len(self._parts):
            new = self._parts[self.position :]
            self.position += len(new)
            watch.came(new)
        if self._buffer.closed:
            self._closed()

    @override
    def _leave(self) -> None:
        self._buffer.detach(self)
