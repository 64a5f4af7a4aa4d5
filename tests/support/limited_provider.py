"""A provider that counts what it is asked, and refuses what is too much."""

import asyncio
from collections import deque
from collections.abc import AsyncGenerator

from miniagents import AssistantMessage, InteractionContext, Message, Part, Usage
from miniagents.errors import LLMStatusError
from miniagents.models import ModelAgent, model_agent
from miniagents.values import RateLimit, ResponseHeaders

__all__ = ["Provider", "model_of", "now"]

_TOO_MANY = 429


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
        self.refused: int = 0
        self.served: int = 0
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


def model_of(provider: Provider, *, headers: bool = True, tokens: int = 0) -> ModelAgent[...]:
    """A model that asks the provider, once for each call."""

    @model_agent(alias="MODEL")
    async def model(
        ctx: InteractionContext[Message, AssistantMessage],
        *,
        model: str = "m-1",
        api_key: str | None = None,
        base_url: str | None = None,
        tools: object = (),
    ) -> None:
        async def parts(metadata: object) -> AsyncGenerator[Part]:
            await asyncio.sleep(0.05)
            told = provider.ask(tokens)
            if headers:
                yield told
            if told.status == _TOO_MANY:
                raise LLMStatusError("too many requests", status=_TOO_MANY, retry_after=told.retry_after)
            yield "Hi"
            if tokens:
                yield Usage(tokens, 0)

        ctx.reply(AssistantMessage.promise_of_parts(parts, model=model))

    return model
