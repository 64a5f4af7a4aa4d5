"""Reads the headers of a response: the id of the request, rate limits, and how long to wait.

OpenAI and compatible servers send ``x-ratelimit-remaining-tokens`` and similar headers, Anthropic sends
``anthropic-ratelimit-tokens-remaining``. The time at which a limit is reset is a duration (``6m0s``), a
number of seconds or a date. **Headers are not trusted**: a value that is not a number, or makes no sense (a
limit of 0 or -1 requests), is treated as not known.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite
from typing import Final

from miniagents.values import RateLimit, ResponseHeaders

_COUNT: Final = re.compile(r"[0-9]{1,15}(?:\.0*)?")
_SECONDS: Final = re.compile(r"[0-9]{1,15}(?:\.[0-9]{1,15})?")
_DURATION: Final = re.compile(
    r"(?=.)(?:([0-9]{1,6})d)?(?:([0-9]{1,6})h)?(?:([0-9]{1,6})m)?"
    r"(?:([0-9]{1,9}(?:\.[0-9]{1,12})?)s)?(?:([0-9]{1,12}(?:\.[0-9]{1,12})?)ms)?"
)
_UNITS: Final = (86_400, 3_600, 60, 1, 0.001)
_LIMITED: Final = ("requests", "tokens", "input-tokens", "output-tokens")
_LONGEST_ID: Final = 200
_LATEST: Final = 10**9
"""Seconds; a greater number is a date, in seconds or milliseconds since 1970."""


def response_headers(
    headers: Mapping[str, object], *, status: int | None = None, request_id: str | None = None
) -> ResponseHeaders | None:
    """Return what the headers contain; None if they contain nothing that is known here.

    Args:
        headers: by name; the case of names does not matter.
        status: the HTTP status.
        request_id: the id of the request, from the provider.

    Example:
        >>> told = {"x-ratelimit-limit-requests": "500", "x-ratelimit-reset-requests": "120ms"}
        >>> response_headers(told, status=200)
        ResponseHeaders(status=200, ..., requests=RateLimit(limit=500, remaining=None, resets_in=0.12), ...)
    """
    headers = {name.lower(): value for name, value in headers.items()}  # each look-up in theirs takes 2 µs
    limited = any("ratelimit" in name for name in headers)
    found = ResponseHeaders(
        status,
        request_id[:_LONGEST_ID] if request_id else None,
        retry_after(headers),
        *(_limit(headers, what) if limited else None for what in _LIMITED),
    )
    return None if found == ResponseHeaders(status) else found


def retry_after(headers: Mapping[str, object]) -> float | None:
    """Return the seconds to wait that the server asks for; None if it asks for none.

    Args:
        headers: by name.

    Example:
        >>> retry_after({"retry-after-ms": "20", "retry-after": "1"})
        0.02
    """
    for name, per_second in (("retry-after-ms", 1000), ("retry-after", 1)):
        seconds = _number(headers.get(name))
        if seconds is not None:
            return seconds / per_second
    return _until(headers.get("retry-after"), headers.get("date"))


def _limit(headers: Mapping[str, object], what: str) -> RateLimit | None:
    """Return the limit of one kind, from the headers of OpenAI or Anthropic."""
    limit, remaining, reset = (
        headers.get(f"anthropic-ratelimit-{what}-{field}") or headers.get(f"x-ratelimit-{field}-{what}")
        for field in ("limit", "remaining", "reset")
    )
    found = RateLimit(_count(limit) or None, _count(remaining), _reset(reset, headers.get("date")))
    return None if found == RateLimit() else found


def _count(value: object) -> int | None:
    """Return the whole number in a header; None if it is not one."""
    return int(value.partition(".")[0]) if isinstance(value, str) and _COUNT.fullmatch(value) else None


def _reset(value: object, now: object) -> float | None:
    """Return the seconds until a limit is reset, from a duration, a number or a date."""
    if not isinstance(value, str) or not value:
        return None
    if _SECONDS.fullmatch(value):
        return _from_epoch(float(value), now)
    if duration := _DURATION.fullmatch(value):
        return sum(
            float(count) * unit for count, unit in zip(duration.groups(), _UNITS, strict=True) if count
        )
    try:
        return _between(datetime.fromisoformat(value), now)
    except ValueError:
        return _until(value, now)


def _from_epoch(seconds: float, now: object) -> float | None:
    """Return a number of seconds; of a large number, which is a date since 1970, the seconds until then."""
    if seconds < _LATEST:
        return seconds
    try:
        moment = datetime.fromtimestamp(seconds if seconds < _LATEST * 100 else seconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return _between(moment, now)


def _number(value: object) -> float | None:
    """Return the number in a header; None if it is not a number, or negative."""
    try:
        number = float(value) if isinstance(value, str) else -1.0
    except ValueError:
        return None
    return number if number >= 0 and isfinite(number) else None


def _until(when: object, now: object) -> float | None:
    """Return the seconds between two dates in headers; None if one of them is not a date."""
    # Both times come from the server, so a wrong clock on this machine does no harm.
    if not isinstance(when, str) or not isinstance(now, str):
        return None
    try:
        return _between(parsedate_to_datetime(when), now)
    except (ValueError, TypeError):
        return None


def _between(when: datetime, now: object) -> float | None:
    """Return the seconds until a moment, by the clock of the server if its headers have the time."""
    try:
        present = parsedate_to_datetime(now) if isinstance(now, str) else datetime.now(UTC)
        return max((_in_utc(when) - _in_utc(present)).total_seconds(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _in_utc(moment: datetime) -> datetime:
    """Return a moment with its time zone; UTC if it has none."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
