"""Retries of a call, as long as no piece of the answer has come.

The retries of the SDKs are switched off: an SDK does not report how often it has tried, and one of them obeys
a `Retry-After` of an hour. Here each attempt is counted and logged, and the timeouts of the call limit it.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from miniagents.values import Backoff, LLMError, Retry

from ._errors import CallRecord, SDKErrors, error_from, may_pass
from ._timeouts import Clock

T = TypeVar("T")

_LOG: Final = logging.getLogger("miniagents.ext.llm")
_BACKOFF: Final = Backoff(delay=0.5, max_delay=8.0, jitter=0.25)


async def ask_or_retry(
    ask: Callable[[], Awaitable[T]], call: CallRecord, clock: Clock, sdk: SDKErrors, max_retries: int
) -> T | Retry | LLMError:
    """Send the request once, and read until the first piece of an answer has come.

    Connection errors, the statuses 408, 409, 425, 429 and 5xx, and errors of an overloaded provider are tried
    again, unless the error says that the request is at fault. The delay is that of `Retry-After`, else 0.5,
    1, 2, ... up to 8 s. If the delay would end after a timeout of the call, there is no further attempt.

    Returns:
        The result of `ask`; or a `Retry`, if another attempt after its delay can help; or the error of the
        last attempt, which the caller raises when it has yielded the headers.
    """
    try:
        return await ask()
    except Exception as exc:  # noqa: BLE001 - the caller raises it
        error = error_from(exc, call, sdk)
        if error is not exc:
            error.__cause__ = exc
        if call.attempts > max_retries or not may_pass(exc, sdk):
            return error
        asked = error.retry_after
        delay = _BACKOFF.pause(call.attempts) if asked is None else asked
        if delay >= clock.remaining:
            error.add_note(f"The next attempt would be in {delay:.0f} s, after a timeout of this call.")
            return error
    _LOG.info("attempt %d failed, the next one is in %.1f s: %s", call.attempts, delay, error)
    return Retry(call.attempts, delay, str(error))
