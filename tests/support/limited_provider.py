"""A provider that counts what it is asked, and refuses what is too much."""

import asyncio
from collections import deque

from miniagents.values import RateLimit, ResponseHeaders

__all__ = ["Provider", "now"]


def now() -> float:
    """The time of the event loop, in seconds."""
    return asyncio.get_running_loop().time()


class Provider:
    """Refuses what is more than its limits in a sliding second, as the real ones do.

    Args:
        requests: how many it takes in a minute.
        tokens: how many tokens it takes in a minute.
        tells: whether it tells its limits in its headers.
    """

    def __init__(self, requests: float, tokens: float = float("inf"), *, tells: bool = False) -> None:
        self.requests = requests
        self.tokens = tokens
        self.tells = tells
        self.refused = 0
        self.served = 0
        self._taken: deque[tuple[float, float]] = deque()

    def ask(self, tokens: float) -> ResponseHeaders:
        """Serve a request, or refuse it."""
        while self._taken and self._taken[0][0] <= now() - 1:
            self._taken.popleft()
        # A tenth more than the limit: windows of providers are no clockwork either.
        many = len(self._taken) + 1 > 2.2 * self.requests / 60
        costly = sum(cost for _, cost in self._taken) + tokens > 2.2 * self.tokens / 60
        if many or costly:
            self.refused += 1
            return ResponseHeaders(429, retry_after=1.0)
        self.served += 1
        self._taken.append((now(), tokens))
        told = RateLimit(limit=int(self.requests)) if self.tells else None
        return ResponseHeaders(200, requests=told)
