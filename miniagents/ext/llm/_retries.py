"""Asking again, before anything of the answer has come.

The SDK's own retries are switched off: it does not tell how often it asked, and one of the SDKs obeys a
`Retry-After` of an hour. Here every attempt is counted, logged and bounded by the call's clock.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from miniagents.values import Backoff, Retry

from ._errors import CallRecord, SDKErrors, error_from, may_pass
from ._timeouts import Clock

__all__ = ["ask_or_retry"]

T = TypeVar("T")

_LOG: Final = logging.getLogger("miniagents.ext.llm")
_BACKOFF: Final = Backoff(delay=0.5, max_delay=8.0, jitter=0.25)


async def ask_or_retry(
    ask: Callable[[], Awaitable[T]], call: CallRecord, clock: Clock, sdk: SDKErrors, max_retries: int
) -> T | Retry:
    """Send the request once, and read until the first piece of an answer is there.

    Connection failures, 408, 409, 425, 429, 5xx, and a provider that says that it is overloaded are tried
    again, unless it says that the request is at fault. The wait is what `Retry-After` says, else 0.5, 1, 2,
    ... up to 8 s. One that would end after the call's deadline is not begun.

    Returns:
        What `ask` returned; or a `Retry`, if asking again after its delay can help.

    Raises:
        LLMError: what the last attempt failed with.
    """
    try:
        return await ask()
    except Exception as exc:
        error = error_from(exc, call, sdk)
        if call.attempts > max_retries or not may_pass(exc, sdk):
            raise error from exc
        asked = error.retry_after
        delay = _BACKOFF.pause(call.attempts) if asked is None else asked
        if delay >= clock.remaining:
            error.add_note(f"It asked to wait {delay:.0f} s, which is longer than this call may take.")
            raise error from exc
    _LOG.info("attempt %d failed, the next one is in %.1f s: %s", call.attempts, delay, error)
    return Retry(call.attempts, delay, str(error))
