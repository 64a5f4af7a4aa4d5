"""``a.retry(policy)``: ask again, as long as nothing of the reply that failed was passed on."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import TypeVar, cast

from typing_extensions import override

from miniagents.core import (
    Message,
    MessagePromise,
    MessageSequencePromise,
    PartBuffer,
    Processor,
    Producer,
    ReplayBuffer,
    request_upstream,
)
from miniagents.values import Backoff, DeadlockError, InquiryCancelledError, Part, StopLoop, lazy_dataclass

from .._taskless_run import Call, TasklessRun
from ._operands import Operand, is_content, named

T = TypeVar("T")

# Somebody wants the run to end, or asking again would do the very same.
_FINAL = (InquiryCancelledError, StopLoop, EOFError, DeadlockError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(Backoff):
    """How often an agent is asked, after which errors, and how long is waited in between.

    The pauses in between are those of a :class:`Backoff`.

    Attributes:
        attempts: how often it is asked at most, the first time included.
        errors: after which errors it is asked again; classes, or a function that is shown the error. Never
            after a cancellation, a deadlock, or what ends a loop (``StopLoop``, ``EOFError``).
        delay: the first pause, in seconds.
        factor: how much longer each further pause is.
        max_delay: the longest pause, in seconds.
        jitter: from 0 (pauses are exact) to 1 (a pause is drawn between none and its full length).
        chance: gives numbers from 0 to 1, for the jitter.

    Raises:
        ValueError: a number makes no sense; the text names it.
        TypeError: ``errors`` is one class and no tuple.

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
        if isinstance(errors, type):  # a class can be called, and any error would do
            msg = f"RetryPolicy(errors={errors.__name__}): give a tuple, ({errors.__name__},)."
            raise TypeError(msg)
        self._check("attempts", self.attempts, least=1)
        Backoff.__post_init__(self)  # not super(): a class with slots is made twice, and that knows the first

    def covers(self, error: Exception) -> bool:
        """Whether to ask again after ``error``.

        Args:
            error: how the attempt ended.
        """
        if isinstance(error, _FINAL):
            return False
        return self.errors(error) if callable(self.errors) else isinstance(error, self.errors)


@lazy_dataclass(frozen=True, slots=True)
class Retrying:
    """What ``a.retry(policy)`` puts around ``a``.

    Attributes:
        policy: how often, and when.
    """

    policy: RetryPolicy

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.policy), RetryPolicy):
            msg = f"retry({self.policy!r}): give a RetryPolicy(attempts=...), which says how often and when."
            raise TypeError(msg)

    def alias_around(self, part: Operand) -> str:
        """The agent, and how often it is asked."""
        return f"{named(part)}.retry({self.policy.attempts})"

    def description_around(self, part: Operand) -> str:
        """Who is asked again."""
        return f"{part.alias}, asked up to {self.policy.attempts} times until it begins to reply."

    def watch(self, run: TasklessRun, call: Call, /) -> "Attempts":
        """Ask until a first token has come; from there on pass on what comes, errors too."""
        return Attempts(self.policy, f"{named(call)}.retry({self.policy.attempts})", run, call)


class Attempts(Processor):
    """One run of an agent that is asked again: it shows the replies of the attempt that begins.

    It has no task: what an attempt gives is looked at where it arrives, and in between there is a timer.

    Args:
        policy: how often, and when.
        alias: of the whole, for the note on an error.
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
        self._call: Call | None = call  # until the end, since it holds what the run was sent
        self._attempt = 0
        self._begun = False  # it has given a sign, or is the last one: its replies are shown
        self._replies: MessageSequencePromise | None = None
        self._first: ReplayBuffer[str] | None = None  # the first message, as long as that has no content
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
        """Ask once more."""
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
        """Whether there is a first token, a first message without any, or an end without a message."""
        if self._timer is not None:  # how this attempt has ended is being judged
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
        if len(first.items) >= first.requested:  # parts without content have used up what was requested
            request_upstream(first, len(first.items), 1, waiting=True)
        return False

    def _has_ended(self, buffer: ReplayBuffer[T]) -> bool:
        """Show an attempt that has ended without a sign, unless it failed and another one is to come."""
        error = buffer.error
        if error is None:
            return self._show()
        buffer.mark_error_handled()
        # In a turn of its own: what the policy calls is code of the user's.
        variables = self._run.variables
        self._timer = self._run.context.loop.call_soon(self._judge, error, buffer.chain, context=variables)
        return False

    def _judge(self, error: Exception, chain: tuple[str, ...]) -> None:
        """Ask again after ``error``, or show it."""
        self._timer = None
        try:
            again = self._attempt < self._policy.attempts and self._policy.covers(error)
            pause = self._policy.pause(self._attempt) if again else 0.0
        except Exception as failure:  # noqa: BLE001 - the policy's own
            self._run.failed(failure, chain if failure is error else ())
            return
        if again:
            self._drop()
            # In no context variables: a cancelled timer keeps its own until its time, and with these the run.
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
        """Cancel an attempt of which nothing was shown."""
        replies = self._stop_reading()
        if replies is not None:
            replies.cancel()

    def _show(self) -> bool:
        """From now on show what the attempt replies."""
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
