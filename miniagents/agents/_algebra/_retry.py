"""``a.retry(policy)``: inquires an agent again after an error, if nothing of its reply was passed on yet."""

import asyncio
from dataclasses import dataclass
from typing import cast

from typing_extensions import override

from miniagents.messages import MessageSequencePromise
from miniagents.values import (
    Backoff,
    DeadlockError,
    InquiryCancelledError,
    NestingError,
    StopLoop,
    check_count,
    notes_of,
)

from ._operands import (
    Errors,
    Operand,
    ReplyContext,
    check_errors,
    covers,
    first_sign,
    handle_first_error,
    named,
    relay,
)

# These mean that the run must end, or that a retry would fail in the same way.
_FINAL = (InquiryCancelledError, StopLoop, EOFError, DeadlockError, NestingError)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy(Backoff):
    """How often an agent is inquired, after which errors, and with which pauses.

    There is never a retry after a cancellation, a deadlock, or a signal that ends a loop (``StopLoop``,
    ``EOFError``). The pauses are those of a :class:`Backoff`.

    Attributes:
        attempts: how often it is inquired at most, including the first time.
        errors: after which it is inquired again: classes, or a function that gets the error.
        delay, max_delay: the first and the longest pause, in seconds.
        factor: each further pause is this many times as long as the one before.
        jitter: from 0 (pauses are exact) to 1 (a pause is random between 0 and its full length).
        chance: a function that returns random numbers from 0 to 1, for the jitter.

    Raises:
        ValueError: a number is out of its range.
        TypeError: ``attempts`` is no integer, or ``errors`` is a class and not a tuple.

    Example:
        >>> policy = RetryPolicy(attempts=5, delay=1.0, max_delay=5.0, jitter=0.0)
        >>> [policy.pause(after) for after in (1, 2, 3, 4)]
        [1.0, 2.0, 4.0, 5.0]
        >>> policy.covers(ConnectionError()), policy.covers(EOFError())
        (True, False)
    """

    attempts: int = 3
    errors: Errors = (Exception,)

    @override
    def __post_init__(self) -> None:
        check_errors("RetryPolicy", "errors", self.errors)
        check_count("RetryPolicy", "attempts", self.attempts, least=1)
        Backoff.__post_init__(self)  # not super(): it refers to the first of two classes

    def covers(self, error: Exception) -> bool:
        """Return whether to inquire the agent again after ``error``.

        Args:
            error: the error of the attempt.
        """
        if isinstance(error, _FINAL):
            return False
        return covers(self.errors, error)


@dataclass(frozen=True, slots=True)
class Retrying:
    """The wrapper of ``a.retry(policy)``.

    Attributes:
        policy: how often, and when.
    """

    policy: RetryPolicy

    def __post_init__(self) -> None:
        if not isinstance(cast("object", self.policy), RetryPolicy):
            raise TypeError(
                f"retry({self.policy!r}): give a RetryPolicy(attempts=...), which says how often and when."
            )

    def alias_around(self, part: Operand) -> str:
        """The alias of the agent, and the number of attempts."""
        return f"{named(part)}.retry({self.policy.attempts})"

    def description_around(self, part: Operand) -> str:
        """The agent that is inquired again."""
        return f"{part.alias}, asked up to {self.policy.attempts} times until it begins to reply."

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Inquire until a reply begins; from then on pass everything on, also errors."""
        attempt = 1
        while True:
            replies = call.inquire(ctx.messages)
            try:
                await first_sign(replies)
                break
            except Exception as error:  # noqa: BLE001 - the policy decides which errors it covers
                if attempt == self.policy.attempts or not self._covers(error, replies):
                    if attempt > 1:
                        notes_of(error).append(f"{self.alias_around(call)} gave up after {attempt} attempts.")
                    break
            handle_first_error(replies)
            replies.cancel()
            await asyncio.sleep(self.policy.pause(attempt))
            attempt += 1
        await relay(ctx, replies)

    def _covers(self, error: Exception, replies: MessageSequencePromise) -> bool:
        """Ask the policy; if it fails, its error has this one as its context, so this one is not lost."""
        try:
            return self.policy.covers(error)
        except Exception:
            handle_first_error(replies)
            raise
