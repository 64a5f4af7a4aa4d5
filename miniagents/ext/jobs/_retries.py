"""Rows that are sent again after a pause, by one layer alone."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from miniagents import MiniAgent, RetryPolicy
from miniagents.errors import LLMError
from miniagents.messages import Message
from miniagents.types import ModelAgent, TypedAgent

from ._calls import RowCall
from ._failures import may_pass

RowT = TypeVar("RowT")

_LONGEST: Final = 3600.0  # seconds: a server cannot make a row wait longer


class Retries(Generic[RowT]):
    """Rows that have failed and are sent again: those in a pause, and those whose pause is over.

    Args:
        retries: how often a row is sent again after an error that may pass; or a policy.
        on_due: called when a pause is over.

    Attributes:
        due: rows whose pause is over.
    """

    def __init__(self, retries: int | RetryPolicy, on_due: Callable[[], None]) -> None:
        self.due: deque[RowCall[RowT]] = deque()
        self._policy = (
            retries
            if isinstance(retries, RetryPolicy)
            else RetryPolicy(attempts=retries + 1, errors=may_pass)
        )
        self._on_due = on_due
        self._timers: set[asyncio.TimerHandle] = set()

    def schedule(self, call: RowCall[RowT], error: Exception) -> bool:
        """Send a row again after a pause, of the policy or of the provider; False if it is not sent again."""
        if call.figures.attempts >= self._policy.attempts or not self._policy.covers(error):
            return False
        pause = self._policy.pause(call.figures.attempts)
        if isinstance(error, LLMError) and error.retry_after is not None:
            pause = max(pause, min(error.retry_after, _LONGEST))

        if pause <= 0:  # no timer: a new row must not come first
            self._is_due(call)
            return True

        def over() -> None:
            self._timers.discard(timer)
            self._is_due(call)

        timer = asyncio.get_running_loop().call_later(pause, over)
        self._timers.add(timer)
        return True

    def _is_due(self, call: RowCall[RowT]) -> None:
        self.due.append(call)
        self._on_due()

    def cancel(self) -> None:
        """Cancel all retries."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.due.clear()


def without_retries(agent: MiniAgent[Message, Message]) -> MiniAgent[Message, Message]:
    """Return a model without retries of its own, because the job retries; any other agent unchanged."""
    kind: object = agent
    if isinstance(kind, ModelAgent | TypedAgent) and agent.takes_keyword("max_retries"):
        model: MiniAgent[Message, Message, ...] = agent
        return model.fork(max_retries=0)
    return agent
