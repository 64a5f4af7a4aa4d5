"""``a.retry(policy)``: ask again, as long as nothing of the reply that failed was passed on."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, cast

from typing_extensions import override

from miniagents.core import MessageSequencePromise
from miniagents.values import Backoff, DeadlockError, InquiryCancelledError, StopLoop

from ._operands import Operand, ReplyContext, first_sign, named, relay

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
            msg = f"retry({self.policy!r}): give a RetryPolicy(attempts=...), which says how often and when."
            raise TypeError(msg)

    def alias_around(self, part: Operand) -> str:
        """The agent, and how often it is asked."""
        return f"{named(part)}.retry({self.policy.attempts})"

    def description_around(self, part: Operand) -> str:
        """Who is asked again."""
        return f"{part.alias}, asked up to {self.policy.attempts} times until it begins to reply."

    async def __call__(self, ctx: ReplyContext, call: Operand) -> None:
        """Ask until a first token has come; from there on pass on what comes, errors too."""
        attempt = 1
        while not await self._is_final(attempt, call, replies := call.inquire(ctx.messages)):
            replies.cancel()
            await asyncio.sleep(self.policy.pause(attempt))
            attempt += 1
        await relay(ctx, replies)

    async def _is_final(self, attempt: int, call: Operand, replies: MessageSequencePromise) -> bool:
        try:
            await first_sign(replies)
        except Exception as error:  # noqa: BLE001 - the policy knows which errors are meant
            if attempt < self.policy.attempts and self.policy.covers(error):
                return False
            if attempt > 1:
                error.add_note(f"{self.alias_around(call)} gave up after {attempt} attempts.")
        return True
