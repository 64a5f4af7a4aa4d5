"""Asking again, before anything of the answer has come.

The SDK's own retries are switched off: it does not tell how often it asked, and one of them obeys a
`Retry-After` of an hour. Here every attempt is counted, logged and bounded by the call's clock.
"""

import logging
import random
from collections.abc import Awaitable, Callable
from email.utils import parsedate_to_datetime
from typing import Final, TypeVar

from miniagents.values import Retry

from ._faults import Call, SDKErrors, fault, headers_of
from ._look import ProviderError, integer_at
from ._timeouts import Clock

__all__ = ["ask_or_retry"]

T = TypeVar("T")

_LOG: Final = logging.getLogger("miniagents.ext.llm")
_AGAIN: Final = frozenset({408, 409, 429})
_SERVER_ERROR: Final = 500
_PASSING: Final = frozenset(
    {"overloaded_error", "rate_limit_error", "api_error", "timeout_error", "server_error"}
)
_FIRST_DELAY: Final = 0.5
_LONGEST_DELAY: Final = 8.0
_JITTER: Final = 0.25


async def ask_or_retry(
    ask: Callable[[], Awaitable[T]], call: Call, clock: Clock, sdk: SDKErrors, max_retries: int
) -> T | Retry:
    """Send the request once, and read until the first piece of an answer is there.

    Connection failures, 408, 409, 429, 5xx, and a provider that says that it is overloaded are tried again,
    after what `Retry-After` says, else after 0.5, 1, 2, ... up to 8 s. A wait that would end
    after the call's deadline is not begun.

    Args:
        ask: sends the request and reads until something came that a reader may see.
        call: counts the attempts.
        clock: the limits of the call.
        sdk: what the SDK's exceptions mean.
        max_retries: how many times to ask again.

    Returns:
        What `ask` returned; or a `Retry`, if asking again after its delay can help.

    Raises:
        LLMError: what the last attempt failed with.
    """
    try:
        return await ask()
    except Exception as exc:
        error = fault(exc, call, sdk)
        if call.attempts > max_retries or not _worth_it(exc, sdk):
            raise error from exc
        delay = _delay(exc, call.attempts)
        if delay >= clock.remaining:
            error.add_note(f"It asked to wait {delay:.0f} s, which is longer than this call may take.")
            raise error from exc
    _LOG.info("attempt %d failed, the next one is in %.1f s: %s", call.attempts, delay, error)
    return Retry(call.attempts, delay, str(error))


def _worth_it(exc: Exception, sdk: SDKErrors) -> bool:
    if isinstance(exc, ProviderError):
        return exc.kind in _PASSING
    if not isinstance(exc, sdk.status):
        return sdk.is_timeout(exc) or sdk.is_connection(exc)
    told = headers_of(exc).get("x-should-retry")
    if told in {"true", "false"}:
        return told == "true"
    status = integer_at(exc, "status_code") or 0
    return status in _AGAIN or status >= _SERVER_ERROR


def _delay(exc: Exception, attempts: int) -> float:
    asked = _retry_after(exc)
    if asked is not None:
        return asked
    steady: float = min(_FIRST_DELAY * 2 ** min(attempts - 1, 10), _LONGEST_DELAY)
    return steady * (1 - _JITTER * random.random())  # noqa: S311 - spreads clients, hides nothing


def _retry_after(exc: Exception) -> float | None:
    headers = headers_of(exc)
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return seconds / per_second
    return _until(headers.get("retry-after"), headers.get("date"))


def _number(value: object) -> float | None:
    try:
        number = float(value) if isinstance(value, str) else -1.0
    except ValueError:
        return None
    return number if number >= 0 else None


def _until(when: object, now: object) -> float | None:
    # Both times are the server's own, so a wrong clock here does no harm.
    if not isinstance(when, str) or not isinstance(now, str):
        return None
    try:
        return max((parsedate_to_datetime(when) - parsedate_to_datetime(now)).total_seconds(), 0.0)
    except (ValueError, TypeError):
        return None
