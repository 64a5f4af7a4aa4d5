"""``a.retry(policy)``: inquires an agent again after an error, if nothing of its reply was passed on yet."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import TypeVar, cast

from typing_extensions import override

from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.messages._parts import PartBuffer
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._demand import request_upstream
from miniagents.streams._derived import Processor
from miniagents.streams._protocols import Producer
from miniagents.values import Backoff, DeadlockError, InquiryCancelledError, Part, StopLoop, lazy_dataclass

from .._taskless_run import Call, TasklessRun
from ._operands import Operand, is_content, named

T = TypeVar("T")

# These mean that the run must end, or that a retry would fail in the same way.
_FINAL = (InquiryCancelledError, StopLoop, EOFError, DeadlockError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(Backoff):
    """How often an agent is inquired, after which errors, and with which pauses.

    The pauses are those of a :class:`Backoff`.

    Attributes:
        attempts: how often it is inquired at most, including the first time.
        errors: the errors after which it is inquired again: classes, or a function that gets the error. There
            is never a retry after a cancellation, a deadlock, or a signal that ends a loop (``StopLoop``,
            ``EOFError``).
        delay: the first pause, in seconds.
        factor: each further pause is this many times as long as the one before.
        max_delay: the longest pause, in seconds.
        jitter: from 0 (pauses are exact) to 1 (a pause is random between 0 and its full length).
        chance: a function that returns random numbers from 0 to 1, for the jitter.

    Raises:
        ValueError: a number is out of its range; the text names it.
        TypeError: ``errors`` is a class and not a tuple.

    Example:
        >>> policy = RetryPolicy(attempts=5, delay=1.0, max_delay=5.0, jitter=0.0)
        >>> [policy.pause(after) for after in (1, 2, 3, 4)]
        [1.0, 2.0, 4.0, 5.0]
        >>> policy.covers(ConnectionError()), policy.covers(EOFError())
        (True, False)
    """

    attempts: int = 3
    errors: tuple[type[Exception], ...] | Callable[[Exception], bool] = (Exception,)

    @override
    def __post_init__(self) -> None:
        errors: object = self.errors
        if isinstance(errors, type):  # a class can be called too, and would accept any error
            msg = f"RetryPolicy(errors={errors.__name__}): give a tuple, ({errors.__name__},)."
            raise TypeError(msg)
        self._check("attempts", self.attempts, least=1)
        Backoff.__post_init__(self)  # not super(): it refers to the first of two classes

    def covers(self, error: Exception) -> bool:
        """Return whether to inquire the agent again after ``error``.

        Args:
            error: the error of the attempt.
        """
        if isinstance(error, _FINAL):
            return False
        return self.errors(error) if callable(self.errors) else isinstance(error, self.errors)


@lazy_dataclass(frozen=True, slots=True)
class Retrying:
    """The wrapper of ``a.retry(policy)``.

    Attributes:
        policy: how often, and when.
    """

    policy: RetryPolicy

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.policy), RetryPolicy):
            msg = f"retry({self.policy!r}): give a RetryPolicy(attempts=...), which says how often and when."
            raise TypeError(msg)

    def alias_around(self, part: Operand) -> str:
        """The alias of the agent, and the number of attempts."""
        return f"{named(part)}.retry({self.policy.attempts})"

    def description_around(self, part: Operand) -> str:
        """The agent that is inquired again."""
        return f"{part.alias}, asked up to {self.policy.attempts} times until it begins to reply."

    def watch(self, run: TasklessRun, call: Call, /) -> "Attempts":
        """Inquire until a first token has come; from then on pass everything on, also errors."""
        return Attempts(self.policy, f"{named(call)}.retry({self.policy.attempts})", run, call)


class Attempts(Processor):
    """One run of an agent with retries: it passes on the replies of the attempt that begins.

    It has no task: it handles the pieces of an attempt when they arrive, and has a timer for the pauses.

    Args:
        policy: how often, and when.
        alias: the alias of the agent with retries, for the note of an error.
        run: shows the replies.
        call: of the agent.
    """

    __slots__ = (
        *("_alias", "_attempt", "_begun", "_call", "_first", "_looked_at", "_policy", "_replies"),
        *("_run", "_timer"),
    )

    def __init__(self, policy: RetryPolicy, alias: str, run: TasklessRun, call: Call) -> None:
        super().__init__()
        self._policy = policy
        self._alias = alias
        self._run = run
        self._call: Call | None = call  # until the end, since it holds the messages that the run was sent
        self._attempt = 0
        self._begun = False  # whether the replies of this attempt are passed on
        self._replies: MessageSequencePromise | None = None
        self._first: ReplayBuffer[str] | None = None  # the first message, while it has no content
        self._looked_at = 0
        self._timer: asyncio.Handle | None = None

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        return None if self._replies is None else cast("ReplayBuffer[object]", self._replies.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return cast("ReplayBuffer[object]", self._run.buffer)

    @override
    def blocked_by(self) -> Producer | None:
        return super().blocked_by() if self._first is None else self._first.producer

    def begin(self) -> None:
        """Begin the next attempt."""
        self._timer = None
        if self._call is None:
            return
        self._attempt += 1
        self._replies = replies = self._call.inquire()
        if self._attempt == 1:
            self.writing.write_from(self)
        replies.buffer.attach(self, unbounded=False)
        self.deliver()

    @override
    def step(self) -> bool:
        replies = self._replies
        if replies is None:
            return False
        buffer = replies.buffer
        if not self._begun:
            return self._has_begun(buffer)
        if self.position < len(buffer.items):
            batch = buffer.items[self.position :]
            self.position += len(batch)
            for promise in batch:
                self._run.reply(promise)
            return True
        if buffer.closed:
            if buffer.error is None:
                self._run.finished()
            else:
                buffer.mark_error_handled()
                self._run.failed(buffer.error, buffer.chain)
        return False

    # -- before the first sign -----------------------------------------------------------------------------

    def _has_begun(self, buffer: ReplayBuffer[MessagePromise[Message]]) -> bool:
        """Return whether content, a first message without any, or an end without messages has come."""
        if self._timer is not None:  # the policy is being asked about its error
            return False
        if self._first is None:
            if not buffer.items:
                return self._has_ended(buffer) if buffer.closed else False
            promise = buffer.items[0]
            if promise.given is not None:
                return self._show()
            first = promise.buffer
            if not first.closed:
                self._first = first
                first.attach(self, unbounded=False)
            return self._looked(first)
        return self._looked(self._first)

    def _looked(self, first: ReplayBuffer[str]) -> bool:
        parts = cast("Sequence[Part]", first.parts if isinstance(first, PartBuffer) else first.items)
        while self._looked_at < len(parts):
            if is_content(parts[self._looked_at]):
                return self._show()
            self._looked_at += 1
        if first.closed:
            return self._has_ended(first)
        if len(first.items) >= first.requested:  # parts without content have used up the demand
            request_upstream(first, len(first.items), 1, waiting=True)
        return False

    def _has_ended(self, buffer: ReplayBuffer[T]) -> bool:
        """Pass on an attempt that ended without content, unless it failed and there is another one."""
        error = buffer.error
        if error is None:
            return self._show()
        buffer.mark_error_handled()
        # In a turn of its own: the policy calls code of the user.
        variables = self._run.variables
        self._timer = self._run.context.loop.call_soon(self._judge, error, buffer.chain, context=variables)
        return False

    def _judge(self, error: Exception, chain: tuple[str, ...]) -> None:
        """Try again after ``error``, or pass it on."""
        self._timer = None
        try:
            again = self._attempt < self._policy.attempts and self._policy.covers(error)
            pause = self._policy.pause(self._attempt) if again else 0.0
        except Exception as failure:  # noqa: BLE001 - an error of the policy
            self._run.failed(failure, chain if failure is error else ())
            return
        if again:
            self._drop()
            # Without context variables: a cancelled timer would keep them, and so the run, until its time.
            self._timer = self._run.context.loop.call_later(pause, self._again, context=Variables())
            return
        if self._attempt > 1:
            error.add_note(f"{self._alias} gave up after {self._attempt} attempts.")
        self._show()
        self.deliver()

    def _again(self) -> None:
        if self._run.variables is not None:
            self._run.variables.run(self.begin)

    def _drop(self) -> None:
        """Cancel an attempt of which nothing was passed on."""
        replies = self._stop_reading()
        if replies is not None:
            replies.cancel()

    def _show(self) -> bool:
        """Pass on the replies of the attempt from now on."""
        self._begun = True
        self._leave_first()
        return True

    def _leave_first(self) -> None:
        first, self._first = self._first, None
        self._looked_at = 0
        if first is not None:
            first.detach(self, unbounded=False)

    def _stop_reading(self) -> MessageSequencePromise | None:
        self._leave_first()
        replies, self._replies = self._replies, None
        if replies is not None:
            replies.buffer.detach(self, unbounded=False)
        return replies

    @override
    def leave(self) -> object:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        call, self._call = self._call, None
        return call, self._stop_reading()
