"""``a.retry(policy)``: ask again, as long as nobody has seen anything of the reply that failed."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

from typing_extensions import override

from miniagents.core import (
    Message,
    MessagePromise,
    MessageSequencePromise,
    PartBuffer,
    Processor,
    ReplayBuffer,
    request_upstream,
)
from miniagents.values import Backoff, DeadlockError, InquiryCancelledError, Part, StopLoop

from ._operands import Operand, ReplyContext, WatchedRun, first_sign, is_content, named, relay

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
        jitter: from 0 (the pause is exact) to 1 (it is anything down to none).
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


@dataclass(frozen=True, slots=True)
class Retrying:
    """What ``a.retry(policy)`` puts around ``a``.

    Attributes:
        policy: how often, and when.
        answers: what comes out is what the agent replies.
    """

    policy: RetryPolicy
    answers: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.policy), RetryPolicy):
            msg = f"retry({self.policy!r}): how often, and when, is told by a RetryPolicy(attempts=...)."
            raise TypeError(msg)

    def alias_around(self, part: Operand) -> str:
        """The agent, and how often it is asked."""
        return f"{named(part)}.retry({self.policy.attempts})"

    def description_around(self, part: Operand) -> str:
        """Who is asked again."""
        return f"{part.alias}, asked up to {self.policy.attempts} times until it begins to reply."

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Ask until a first token has come; from there on pass on what comes, errors too."""
        await self.asked(ctx, call, 1)

    async def asked(self, ctx: ReplyContext, call: Operand, attempt: int) -> None:
        """Ask until a first token has come, from the attempt of this number on."""
        while not await self._is_final(attempt, call, replies := call.inquire(ctx.messages)):
            replies.cancel()
            await asyncio.sleep(self.policy.pause(attempt))
            attempt += 1
        await relay(ctx, replies)

    def watch(self, ctx: ReplyContext, call: Operand, run: WatchedRun) -> "FirstAttempt":
        """The same, and without a task as long as nothing has failed."""
        attempt = FirstAttempt(self, ctx, call, run)
        attempt.start()
        return attempt

    async def again(self, ctx: ReplyContext, call: Operand) -> None:
        """Ask again, after the first attempt has failed."""
        await asyncio.sleep(self.policy.pause(1))
        await self.asked(ctx, call, 2)

    async def _is_final(self, attempt: int, call: Operand, replies: MessageSequencePromise) -> bool:
        try:
            await first_sign(replies)
        except Exception as error:  # noqa: BLE001 - the policy knows which errors are meant
            if attempt < self.policy.attempts and self.policy.covers(error):
                return False
            if attempt > 1:
                error.add_note(f"{self.alias_around(call)} gave up after {attempt} attempts.")
        return True


class FirstAttempt(Processor):
    """The first run of an agent that may be asked again: its replies are passed on from its first sign on.

    Args:
        retrying: whether to ask again.
        ctx: where the replies go.
        call: the agent.
        run: is told of the end; it becomes a task when the agent has to be asked again.

    Attributes:
        replies: what is watched; None if that is over.
    """

    __slots__ = ("_begun", "_call", "_ctx", "_message", "_retrying", "_run", "replies")

    def __init__(self, retrying: Retrying, ctx: ReplyContext, call: Operand, run: WatchedRun) -> None:
        super().__init__()
        self._retrying = retrying
        self._ctx = ctx
        self._call = call
        self._run = run
        self._begun = False  # a first token has come, or whatever else can only be passed on
        self._message: ReplayBuffer[str] | None = None  # the first one, as long as it has said nothing
        self.replies: MessageSequencePromise | None = call.inquire(ctx.messages)

    @property
    @override
    def reading(self) -> ReplayBuffer[object] | None:
        return None if self.replies is None else cast("ReplayBuffer[object]", self.replies.buffer)

    @property
    @override
    def writing(self) -> ReplayBuffer[object]:
        return self._run.buffer

    def start(self) -> None:
        """Begin to watch."""
        reading = self.reading
        if reading is not None:
            self.writing.write_from(self)
            reading.attach(self, unbounded=False)
            request_upstream(reading, 0, self.writing.credit())
            self.deliver()

    @override
    def step(self) -> bool:
        if self.replies is None:
            return False
        buffer = self.replies.buffer
        if not self._begun:
            return self._looked(buffer)
        if self.position < len(buffer.items):
            self.position += 1
            self._ctx.reply(buffer.items[self.position - 1])
            return True
        if buffer.closed:
            if buffer.error is not None:
                buffer.mark_error_handled()
            self._run.end(buffer.error, buffer.chain)
            self.leave()
        return False

    def _looked(self, buffer: ReplayBuffer[MessagePromise[Message]]) -> bool:
        """Look for the first token, a first message without any, or an end without a message."""
        if not buffer.items:
            return buffer.closed and self._has_begun(buffer.error)
        message = buffer.items[0].buffer
        parts = cast("Sequence[Part]", message.parts if isinstance(message, PartBuffer) else message.items)
        if any(map(is_content, parts)):
            return self._has_begun(None)
        if message.closed:
            return self._has_begun(message.error)
        if self._message is None:
            self._message = message
            message.attach(self, unbounded=False)
            request_upstream(cast("ReplayBuffer[object]", message), 0, 1, waiting=True)
        return False

    def _has_begun(self, error: Exception | None) -> bool:
        """Pass on what there is, unless it is an error after which the agent is asked again."""
        policy = self._retrying.policy
        if error is not None and policy.attempts > 1:
            try:
                again = policy.covers(error)
            except Exception as raised:  # noqa: BLE001 - it is the user's function
                self._run.end(raised)
                return False
            if again:
                self._ask_again()
                return False
        self._begun = True
        self._leave_message()
        return True

    def _ask_again(self) -> None:
        retrying, ctx, call, replies = self._retrying, self._ctx, self._call, self.replies
        if replies is not None:
            for each in replies.buffer.items[:1]:
                each.buffer.mark_error_handled()
            replies.buffer.mark_error_handled()
            self.leave()
            replies.cancel()
        self._run.go_on(lambda: retrying.again(ctx, call))

    def _leave_message(self) -> None:
        message, self._message = self._message, None
        if message is not None:
            message.detach(self, unbounded=False)

    @override
    def leave(self) -> None:
        self._leave_message()
        replies, self.replies = self.replies, None
        if replies is not None:
            replies.buffer.detach(self, unbounded=False)
