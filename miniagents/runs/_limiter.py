"""``Limiter``: limits the requests and tokens per minute of the calls of a model.

Requests start in the order in which they came, spread over the minute, with bursts of at most one second:
providers count in windows shorter than a minute, and refuse a client that sends the requests of a whole
minute at once. The tokens of a call are estimated before it, and corrected after it. A provider may report
limits of all tokens, of input tokens and of output tokens; the limiter obeys all of them.

If the program gives no limits, those in the headers of the provider apply. If there are none either, the
limiter finds the rate as TCP CUBIC does: slow start, multiplicative decrease when too many requests are
refused, then a fast return to the last good rate, a while near it, and a careful search above it.

A few refusals are normal: servers refuse some requests at random, when one of their machines is busy. A
decrease for each of them would make the rate fall to almost nothing, as TCP does on a line that loses
packets. So the limiter slows down only when more than a small share of the last requests was refused. What is
refused after the rate fell, and before it is back, is refused at random, and its share is added to the normal
one: otherwise the rate would fall again and again if a server refuses about as many at random.
"""

import asyncio
import math
from asyncio import AbstractEventLoop, Future, TimerHandle
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Final, cast

from miniagents.streams._threads import running_loop
from miniagents.values import RateLimit, ResponseHeaders

_MINUTE: Final = 60.0
_BURST: Final = 1.0  # seconds
_START: Final = 20.0  # requests a second if no limit is known; each answer allows one more
_LESS: Final = 0.7  # times the rate at which too many requests were refused
_MUCH_LESS: Final = 0.5  # times that rate, if no request was accepted since the rate fell
_LEAST: Final = 0.2  # requests a second, or
_LEAST_SHARE: Final = 0.01  # times the last good rate: if slower, the end of an outage is noticed late
_RETURN: Final = 8.0  # seconds until the rate is back there, if the rate fell only once
_RETURN_CALLS: Final = 40  # but at least the time of so many requests
_NORMAL: Final = 0.04  # the share of refused requests that does not slow down
_BELOW: Final = 0.8  # times the last good rate: requests that are refused below it are refused at random
_AT_RANDOM_CALLS: Final = 50  # their share is that of about so many last requests at such a rate,
_MOST_AT_RANDOM: Final = 0.05  # and never counts as more than this, so that a limit is still noticed
_IN_A_ROW: Final = 5  # so many refusals, one after the other, are not normal, whatever their share
_HIGHEST: Final = 0.1  # the share never counts as more than this, so that it is soon normal again
_SHARE_CALLS: Final = 200  # the share is that of about so many last requests,
_SHARE_SECONDS: Final = 5.0  # or of the requests of so many seconds, if those are more
_QUIET: Final = 60.0  # seconds without requests after which refusals are forgotten
_FRESH: Final = 0.9  # the share of a limit that is left at the beginning of a window
_SHORTEST: Final = 3.0  # seconds of a window; headers are rounded to seconds
_LONGEST: Final = 3600.0  # seconds: a header cannot make the limiter wait longer


def check_limits(requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
    """Refuse limits that allow nothing.

    Args:
        requests_per_minute: None for no limit.
        tokens_per_minute: None for no limit.

    Raises:
        ValueError: one is not greater than 0.
        TypeError: one is no number.
    """
    for name, limit in (("requests", requests_per_minute), ("tokens", tokens_per_minute)):
        if limit is None:
            continue
        if isinstance(limit, bool) or not isinstance(cast("object", limit), int | float):
            raise TypeError(f"{name}_per_minute={limit!r}: give a number.")
        if not limit > 0:
            raise ValueError(f"{name}_per_minute={limit} allows no {name}; give a number greater than 0.")


class _Bucket:
    """A token bucket: it fills at a steady rate, and requests take from it.

    Args:
        rate: how much it fills in a second; None for no limit.
    """

    def __init__(self, rate: float | None) -> None:
        self.rate: float | None = rate
        self._level = self._capacity
        self._last: float | None = None

    @property
    def _capacity(self) -> float:
        return 0.0 if self.rate is None else max(1.0, self.rate * _BURST)

    def change(self, rate: float | None, now: float) -> None:
        """Fill at another rate from now on."""
        self._fill(now)
        new = self.rate is None
        self.rate = rate
        self._level = self._capacity if new else min(self._level, self._capacity)

    def wait(self, weight: float, now: float) -> float:
        """Return the seconds until ``weight`` may be taken; for more than a burst: until it is full."""
        if self.rate is None:
            return 0.0
        self._fill(now)
        missing = min(weight, self._capacity) - self._level
        return max(0.0, missing / self.rate) if missing > 1e-9 else 0.0  # noqa: PLR2004 - what floats lose

    def take(self, weight: float) -> None:
        """Take ``weight``. The level may become negative, so that later requests wait longer."""
        self._level -= weight

    def empty(self) -> None:
        """Allow no burst before it has filled again."""
        self._level = min(self._level, 0.0)

    def restart(self) -> None:
        """Count with another clock from now on."""
        self._last = None

    def _fill(self, now: float) -> None:
        if self.rate is not None and self._last is not None:
            self._level = min(self._capacity, self._level + (now - self._last) * self.rate)
        self._last = now


class _Window:
    """Finds out in how many seconds a limit is counted: a minute, unless the headers show a shorter window.

    In a window of fixed length, nearly all of the limit is left at its beginning, and all of it is available
    again only at its end. A limit that refills steadily is never like that: if little is used, it is full
    soon. So the longest such time is the window, when it was seen in two windows.
    """

    def __init__(self) -> None:
        self._end = float("-inf")
        self._longest = 0.0
        self._seen = 0

    def seconds(self, limit: int, told: RateLimit, now: float) -> float:
        """Take headers into account, and return the seconds of the window."""
        left, resets_in = told.remaining, told.resets_in or 0.0
        if left is not None and left >= limit * _FRESH and _SHORTEST <= resets_in < _MINUTE:
            refill = (limit - left) * _MINUTE / limit
            if resets_in > 2 * refill + 1:
                self._longest = max(self._longest, resets_in)
                if now + resets_in > self._end + resets_in / 2:
                    self._seen += 1
                    self._end = now + resets_in
        return self._longest if self._seen > 1 else _MINUTE


class Limiter:
    """Delays requests to the rate that a provider allows, in the order in which they came.

    Args:
        requests_per_minute: how many requests may start in a minute; None for the limit that the provider
            reports.
        tokens_per_minute: how many tokens, input and output together, they may use in a minute; None for the
            limit that the provider reports.

    Raises:
        ValueError: a limit is not greater than 0.

    Example:
        >>> import asyncio
        >>> async def main():
        ...     limiter = Limiter(requests_per_minute=60_000)
        ...     for _ in range(3):
        ...         await limiter.acquire()
        ...     return "three requests"
        >>> asyncio.run(main())
        'three requests'
    """

    def __init__(
        self, *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        check_limits(requests_per_minute, tokens_per_minute)
        self._given_requests = requests_per_minute is not None
        self._given_tokens = tokens_per_minute is not None
        rate = _START if requests_per_minute is None else requests_per_minute / _MINUTE
        self._requests = _Bucket(rate)
        self._tokens = _Bucket(None if tokens_per_minute is None else tokens_per_minute / _MINUTE)
        self._sent = _Bucket(None)
        self._answered = _Bucket(None)
        self._windows: dict[_Bucket, _Window] = {}
        self._told = False  # the headers of the provider report its limits
        self._not_before = 0.0
        self._waiting: deque[tuple[Future[None], float, float]] = deque()
        self._timer: TimerHandle | None = None
        self._loop: AbstractEventLoop | None = None
        self._in_a_row = 0  # refusals
        self._share = 0.0  # of the last requests that were refused
        self._at_random = 0.0  # the share of these since the rate fell, below the last good rate
        self._last_good: float | None = None  # requests a second, before too many were refused
        self._good = True  # a request that was sent after the rate fell was not refused
        self._delayed = False  # a request had to wait since the last answer
        self._slowed_at = float("-inf")
        self._slowed_to = 0.0
        self._used_at = float("-inf")

    @property
    def requests_per_minute(self) -> float | None:
        """How many requests may start in a minute; None as long as no limit is known."""
        known = self._given_requests or self._told or self._last_good is not None
        return None if self._requests.rate is None or not known else self._requests.rate * _MINUTE

    @property
    def tokens_per_minute(self) -> float | None:
        """How many tokens, input and output together, may be used in a minute; None if no limit is known."""
        kinds = (self._sent.rate, self._answered.rate)
        rate = sum(each or 0.0 for each in kinds) or None if self._tokens.rate is None else self._tokens.rate
        return None if rate is None else rate * _MINUTE

    def give(self, requests_per_minute: float | None, tokens_per_minute: float | None) -> None:
        """Obey other limits from now on; with None, the limit that the provider reports.

        Args:
            requests_per_minute: how many requests may start in a minute.
            tokens_per_minute: how many tokens, input and output together, they may use in a minute.

        Raises:
            ValueError: a limit is not greater than 0.
            RuntimeError: requests of another event loop are waiting.
        """
        check_limits(requests_per_minute, tokens_per_minute)
        loop = self._here()
        now = loop.time()
        if requests_per_minute is not None:
            self._requests.change(requests_per_minute / _MINUTE, now)
        elif self._given_requests:
            self._requests.change(_START, now)
        if tokens_per_minute is not None:
            self._tokens.change(tokens_per_minute / _MINUTE, now)
            self._sent.change(None, now)
            self._answered.change(None, now)
        elif self._given_tokens:
            self._tokens.change(None, now)
        self._given_requests = requests_per_minute is not None
        self._given_tokens = tokens_per_minute is not None
        self._set_timer(loop)

    async def acquire(self, tokens: float = 0, answered: float = 0) -> None:
        """Wait until one more request may start. If the wait is cancelled, nothing is counted.

        Args:
            tokens: an estimate of the tokens that the request will use; `settle` corrects it afterwards.
            answered: how many of these are output tokens.

        Raises:
            RuntimeError: requests of another event loop are waiting.
        """
        loop = self._here()
        if not self._waiting:
            self._forget_refusals(loop.time())
        if not self._waiting and self._delay(tokens, answered, loop.time()) <= 0:
            self._take(1, tokens, answered)
            return
        turn: Future[None] = loop.create_future()
        self._waiting.append((turn, tokens, answered))
        self._delayed = True
        self._set_timer(loop)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._waiting = deque(each for each in self._waiting if each[0] is not turn)
            else:  # its turn had come in the same moment
                self._take(-1, -tokens, -answered)
            self._set_timer(loop)
            raise

    def settle(self, tokens: float, answered: float = 0) -> None:
        """Correct the estimate of a request that has ended.

        Args:
            tokens: how many more it used than were given to :meth:`acquire`; negative if it used fewer.
            answered: how many of these are output tokens.
        """
        if self._passed_on(partial(self.settle, tokens, answered)):
            return
        self._take(0, tokens, answered)
        if self._loop is not None and not self._loop.is_closed():
            self._set_timer(self._loop)

    def told(self, headers: ResponseHeaders, *, sent: float | None = None) -> None:
        """Learn the limits from the headers of a response; values that make no sense are ignored.

        Args:
            headers: of the response.
            sent: when the request was sent, in seconds of the event loop; None for a second ago.

        Raises:
            RuntimeError: no event loop is running.
        """
        if self._passed_on(partial(self.told, headers, sent=sent)):
            return
        now = self._here().time()
        self._learn(self._requests, headers.requests, now, given=self._given_requests)
        self._learn(self._tokens, headers.tokens, now, given=self._given_tokens)
        self._learn(self._sent, headers.input_tokens, now, given=self._given_tokens)
        self._learn(self._answered, headers.output_tokens, now, given=self._given_tokens)
        if headers.retry_after is not None:
            self._wait_until(now + headers.retry_after)
        self._used_at = now
        refused = headers.status == 429  # noqa: PLR2004 - too many requests
        self._answer(refused=refused, sent=now - _BURST if sent is None else sent, now=now)
        self._set_timer(self._here())

    def _learn(self, bucket: _Bucket, limit: RateLimit | None, now: float, *, given: bool) -> None:
        if limit is None:
            return
        if limit.limit is not None and limit.limit > 0 and not given:
            self._told = True
            window = self._windows.setdefault(bucket, _Window())
            rate = limit.limit / window.seconds(limit.limit, limit, now)
            if bucket.rate != rate:
                bucket.change(rate, now)
        if limit.remaining is not None and limit.remaining <= 0 and (limit.resets_in or 0) > 0:
            self._wait_until(now + (limit.resets_in or 0))

    def _wait_until(self, at: float) -> None:
        now = self._here().time()
        if now < at:
            self._not_before = max(self._not_before, min(at, now + _LONGEST))

    def _answer(self, *, refused: bool, sent: float, now: float) -> None:
        """Change the rate after an answer."""
        rate = self._requests.rate
        if self._given_requests or rate is None:
            return
        weight = 1 / max(_SHARE_CALLS, rate * _SHARE_SECONDS)
        self._share = min(_HIGHEST, self._share + weight * (refused - self._share))
        self._in_a_row = self._in_a_row + 1 if refused else 0
        if sent >= self._slowed_at and rate < _BELOW * (self._last_good or 0.0):
            self._at_random += (refused - self._at_random) / _AT_RANDOM_CALLS
        at_random = min(self._at_random, _MOST_AT_RANDOM)
        if not refused:
            self._speed_up(rate, sent, now)
        elif sent >= self._slowed_at and (self._share > _NORMAL + at_random or self._in_a_row >= _IN_A_ROW):
            self._slow_down(rate, now)

    def _slow_down(self, rate: float, now: float) -> None:
        """Slow down. Refusals of requests that were sent before that do not slow down again."""
        less = _LESS
        if self._good or self._last_good is None:
            self._last_good = rate
        else:
            less = _MUCH_LESS
        self._good = False
        self._at_random = 0.0
        self._slowed_at = now
        self._slowed_to = max(rate * less, min(_LEAST, self._last_good * _LEAST_SHARE), 1 / _MINUTE)
        self._requests.change(self._slowed_to, now)
        self._requests.empty()

    def _speed_up(self, rate: float, sent: float, now: float) -> None:
        self._good = self._good or sent >= self._slowed_at
        tried, self._delayed = self._delayed or bool(self._waiting), False
        if self._told or not tried:  # requests slower than the rate say nothing about a higher one
            return
        most = min(rate + 1.0, rate * 2)
        if self._last_good is not None:
            most = min(most, self._cubic(self._last_good, now - self._slowed_at))
        if most > rate:
            self._requests.change(most, now)

    def _cubic(self, last_good: float, seconds: float) -> float:
        """Return the rate so many seconds after it fell.

        It rises fast, is flat near the last good rate, and rises again.
        """
        slope = (1 - _LESS) / max(_RETURN, _RETURN_CALLS / last_good) ** 3
        back = math.cbrt(max(0.0, (1 - self._slowed_to / last_good) / slope))
        return last_good * (1 + slope * (seconds - back) ** 3)

    def _forget_refusals(self, now: float) -> None:
        """After a quiet minute, go on at the last good rate."""
        quiet, self._used_at = now - self._used_at, now
        if quiet < _QUIET or self._last_good is None or self._given_requests or self._told:
            return
        self._share = 0.0
        if self._requests.rate is not None and self._requests.rate < self._last_good:
            self._requests.change(self._last_good, now)

    def _passed_on(self, step: Callable[[], None]) -> bool:
        """Pass a step on to the event loop whose requests are waiting; return whether that is another one."""
        loop = self._loop
        if loop is None or loop is running_loop() or not self._is_waited_for():
            return False
        loop.call_soon_threadsafe(step)
        return True

    def _is_waited_for(self) -> bool:
        """Return whether requests are waiting on an event loop that is not closed."""
        if self._loop is None or self._loop.is_closed():
            return False
        return any(not waiting[0].done() for waiting in tuple(self._waiting))

    def _here(self) -> AbstractEventLoop:
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            if self._is_waited_for():
                raise RuntimeError(
                    "Requests of another event loop wait for this limiter; make one limiter for each loop."
                )
            self._waiting.clear()
            self._loop = loop
            self._timer = None
            self._not_before = 0.0
            self._slowed_at = self._used_at = float("-inf")
            self._good = True
            for bucket in (self._requests, self._tokens, self._sent, self._answered):
                bucket.restart()
        return loop

    def _delay(self, tokens: float, answered: float, now: float) -> float:
        return max(
            self._requests.wait(1, now),
            self._tokens.wait(tokens, now),
            self._sent.wait(tokens - answered, now),
            self._answered.wait(answered, now),
            self._not_before - now,
        )

    def _take(self, requests: int, tokens: float, answered: float) -> None:
        self._requests.take(requests)
        self._tokens.take(tokens)
        self._sent.take(tokens - answered)
        self._answered.take(answered)

    def _set_timer(self, loop: AbstractEventLoop) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting and self._waiting[0][0].done():
            self._waiting.popleft()
        if self._waiting:
            _, tokens, answered = self._waiting[0]
            delay = self._delay(tokens, answered, loop.time())
            self._timer = loop.call_later(delay, self._let_go, loop)

    def _let_go(self, loop: AbstractEventLoop) -> None:
        self._timer = None
        while self._waiting:
            turn, tokens, answered = self._waiting[0]
            if not turn.done():
                if self._delay(tokens, answered, loop.time()) > 0:
                    break
                self._take(1, tokens, answered)
                turn.set_result(None)
            self._waiting.popleft()
        self._set_timer(loop)
