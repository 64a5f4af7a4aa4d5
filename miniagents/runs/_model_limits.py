"""``model_limits``: limits the rate of all model calls in a context, with one limiter for each model."""

from collections import defaultdict
from collections.abc import Hashable
from typing import ClassVar
from weakref import WeakKeyDictionary

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.messages import Message
from miniagents.models import ModelAgent
from miniagents.streams._context import Context

from ._limiter import Limiter, check_limits
from ._limits import RateLimiter

_FIRST_ESTIMATE = 1000


def model_limits(
    *, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
) -> "ModelLimits":
    """Limit the calls, and the tokens, in a minute of each model that is called in a context.

    Give it to a context: ``MiniAgents(around=[...])``. It delays calls of models as :func:`rate_limit` does.
    Calls share one limiter if their model, server and API key are the same, even if different agents or forks
    make them. The limiter belongs to the outermost context, so all contexts and jobs inside share it. If
    several of them give limits, the lowest one applies to all, as long as the one that gave it exists.

    Args:
        requests_per_minute: how many calls of a model; None for the limit that the provider reports.
        tokens_per_minute: how many tokens, of prompts and answers together; None for the limit that the
            provider reports.

    Raises:
        ValueError: a limit is not greater than 0.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.limits import model_limits
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     model = scripted_model("one", "two")
        ...     print([str(message) for message in await (model & model).inquire("Count.")])
        >>> MiniAgents(around=[model_limits(requests_per_minute=500)]).run(main())
        ['one', 'two']
    """
    return ModelLimits(requests_per_minute, tokens_per_minute)


class ModelLimits:
    """Limits the rate of each model; :func:`model_limits` makes it, for ``MiniAgents(around=[...])``.

    Args:
        requests_per_minute: how many calls of a model; None for the limit that the provider reports.
        tokens_per_minute: how many tokens, of prompts and answers together; None for the limit that the
            provider reports.

    Attributes:
        models_only: True: only runs of models pass through it.
        requests_per_minute: how many calls of a model; None for the limit that the provider reports.
        tokens_per_minute: how many tokens, of prompts and answers together; None for the limit that the
            provider reports.

    Raises:
        ValueError: a limit is not greater than 0.

    Example:
        >>> ModelLimits(500, 200_000).in_force()
        (None, None)
    """

    models_only: ClassVar[bool] = True

    def __init__(
        self, requests_per_minute: float | None = None, tokens_per_minute: float | None = None
    ) -> None:
        check_limits(requests_per_minute, tokens_per_minute)
        self.requests_per_minute: float | None = requests_per_minute
        self.tokens_per_minute: float | None = tokens_per_minute
        self._used: list[_SharedLimiter] = []

    def in_force(self) -> tuple[float | None, float | None]:
        """Return how many requests, and how many tokens, are allowed in a minute now; None if not known.

        If several models were called, these are the sums for all of them.
        """
        limiters = [each.calls.limiter for each in self._used]
        return (
            _sum([each.requests_per_minute for each in limiters]),
            _sum([each.tokens_per_minute for each in limiters]),
        )

    async def __call__(self, ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        """Call the model when it is its turn."""
        shared = Context.current().shared(_Limiters)[called_model(call)]
        if shared.obey(self):
            self._used.append(shared)
        await shared.calls(ctx, call)


def _sum(limits: list[float | None]) -> float | None:
    known = [limit for limit in limits if limit is not None]
    return sum(known) if known and len(known) == len(limits) else None


class _SharedLimiter:
    """The limiter of one model, and the `ModelLimits` that gave it limits.

    Attributes:
        calls: delays the calls.
    """

    def __init__(self) -> None:
        self.calls: RateLimiter = RateLimiter(Limiter(), _FIRST_ESTIMATE)
        self._given: WeakKeyDictionary[ModelLimits, None] = WeakKeyDictionary()
        self._obeyed = 0

    def obey(self, limits: ModelLimits) -> bool:
        """Obey the lowest of all limits that still exist; return whether these are new."""
        new = limits not in self._given
        if new:
            self._given[limits] = None
        if new or len(self._given) != self._obeyed:  # some are gone, with their jobs
            self._obeyed = len(self._given)
            requests = [each.requests_per_minute for each in self._given]
            tokens = [each.tokens_per_minute for each in self._given]
            self.calls.limiter.give(_lowest(requests), _lowest(tokens))
        return new


def _lowest(limits: list[float | None]) -> float | None:
    return min((limit for limit in limits if limit is not None), default=None)


class _Limiters(defaultdict[Hashable, _SharedLimiter]):
    """The limiters of a context and of the contexts inside it, one for each model."""

    def __init__(self) -> None:
        super().__init__(_SharedLimiter)

    async def close(self) -> None:
        """Forget them."""
        self.clear()


def called_model(call: MiniAgent[Message, Message, ...]) -> Hashable:
    """Return what identifies a model: its server, its key and its name. Unknown ones count as equal."""
    if not isinstance(call, ModelAgent):
        return call.alias
    called = call.asks()
    return called.server, called.key, called.model
