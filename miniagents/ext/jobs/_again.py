"""Rows that are asked again after a pause, by one layer alone."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from miniagents.agents import MiniAgent, RetryPolicy
from miniagents.messages import Message
from miniagents.models import ModelAgent, TypedAgent
from miniagents.values import LLMError

from ._calls import RowCall
from ._failures import may_pass

__all__ = ["AskedAgain", "asked_once"]

RowT = TypeVar("RowT")


class AskedAgain(Generic[RowT]):
    """Rows that have failed and are asked again: those in a pause, and those whose pause is over.

    Args:
        retries: how often a row is asked again after an error that may pass; or a policy.
        tell: that a pause is over.

    Attributes:
        due: rows whose pause is over.
    """

    def __init__(self, retries: int | RetryPolicy, tell: Callable[[], None]) -> None:
        self.due: deque[RowCall[RowT]] = deque()
        self._policy = (
            retries
            if isinstance(retries, RetryPolicy)
            else RetryPolicy(attempts=retries + 1, errors=may_pass)
        )
        self._tell = tell
        self._pausing: set[asyncio.TimerHandle] = set()

    def take(self, call: RowCall[RowT], error: Exception) -> bool:
        """Send a row again after a pause; False if the policy does not allow it.

        The pause is that of the policy, or what the provider asked to wait, if that is longer.

        Args:
            call: that failed.
            error: why.
        """
        if call.attempts >= self._policy.attempts or not self._policy.covers(error):
            return False
        pause = self._policy.pause(call.attempts)
        if isinstance(error, LLMError) and error.retry_after is not None:
            pause = max(pause, error.retry_after)

        def over() -> None:
            self._pausing.discard(timer)
            self.due.append(call)
            self._tell()

        timer = asyncio.get_running_loop().call_later(pause, over)
        self._pausing.add(timer)
        return True

    def cancel(self) -> None:
        """Cancel all retries."""
        for timer in self._pausing:
            timer.cancel()
        self._pausing.clear()
        self.due.clear()


def asked_once(agent: MiniAgent[Message, Message]) -> MiniAgent[Message, Message]:
    """Return an agent without retries of its own, because the job retries.

    Args:
        agent: any; only a single model changes. An agent of several models keeps their retries.
    """
    kind: object = agent
    if isinstance(kind, ModelAgent | TypedAgent) and agent.takes_keyword("max_retries"):
        model: MiniAgent[Message, Message, ...] = agent
        return model.fork(max_retries=0)
    return agent
