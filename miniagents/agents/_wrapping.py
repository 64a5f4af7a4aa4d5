"""The part of ``MiniAgent`` that wraps runs: in timeouts, retries, or a function of the user.

The wrapper is part of a copy of the agent, which has the same class: a typed agent is still typed, and an
agent of a class keeps its fields.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, Self, cast

from typing_extensions import ParamSpec, override

from miniagents.values import FrozenMapping

from . import _algebra
from ._algebra._around import Around
from ._algebra._operands import Operand, Watching
from ._annotations import MessageClasses
from ._configuration import Keywords, MiniAgent as ConfiguredAgent

P = ParamSpec("P", default=[])


# Other modules import it as `WrappedAgent`; `_configuration` explains its name.
class MiniAgent(ConfiguredAgent[P], Generic[P]):
    """An agent that may have wrappers around each of its runs.

    Args:
        function: called by a run, with the context and the keywords.
        keywords: the keywords that it takes.
        alias: its name.
        description: what it does.
        defaults: values of keywords that the caller does not give.
        errors_as_messages: whether its errors become messages; None: as the context is set.
        classes: the classes of the messages that it takes and replies; None if it takes and replies any
            message.
    """

    __slots__ = ("_around_done", "_wrapped")

    # The same agent without its outermost wrapper, and that wrapper.
    _wrapped: "tuple[Self, Around | Watching] | None"
    # How many of the functions that the context puts around every run are around this agent already.
    _around_done: int

    @override
    def __init__(
        self,
        function: Callable[..., Awaitable[None]],
        keywords: Keywords,
        *,
        alias: str,
        description: str,
        defaults: Mapping[str, object],
        errors_as_messages: bool | None = None,
        classes: MessageClasses | None = None,
    ) -> None:
        super().__init__(
            function,
            keywords,
            alias=alias,
            description=description,
            defaults=defaults,
            errors_as_messages=errors_as_messages,
            classes=classes,
        )
        self._wrapped = None
        self._around_done = 0

    def timeout(
        self, *, first_token: float | None = None, stall: float | None = None, total: float | None = None
    ) -> Self:
        """Return this agent with time limits: it is stopped when one expires; in seconds, None for no limit.

        Pieces that had come are kept; the message that was being written, and the replies, end with an
        :class:`AgentTimeoutError`. A slow reader does not count as a slow agent: an agent with a limit is
        never paused for its readers. It takes the same keywords as before, and a typed agent is still typed.

        Args:
            first_token: from the end of its input to the first piece of its reply, which may be a thought, as
                ``first_token_timeout`` of a provider. (In a chain all agents begin at once; the time in which
                an agent waits for the one before is not counted.)
            stall: between two tokens or ends of messages; without ``first_token`` also before the first one.
            total: from the inquiry to the end of the last message.

        Raises:
            ValueError: a limit is negative.
            TypeError: a limit is not a number.

        Example:
            >>> import asyncio
            >>> from miniagents import AgentTimeoutError, MiniAgents, miniagent
            >>> @miniagent
            ... async def stuck_agent(ctx):
            ...     await asyncio.Event().wait()
            >>> async def main():
            ...     try:
            ...         await stuck_agent.timeout(first_token=0.01, total=60).inquire()
            ...     except AgentTimeoutError as error:
            ...         print(error.agent, error.limit, error.tokens)
            >>> MiniAgents().run(main())
            STUCK_AGENT first_token 0
        """
        return self._wrapped_in(_algebra.TimeLimits(first_token, stall, total))

    def retry(self, policy: "_algebra.RetryPolicy | None" = None) -> Self:
        """Return this agent with retries: it is inquired again after an error if its reply had not begun.

        A reply begins with its first content: a token, a thought or a tool call. From then on it streams, and
        readers would see it begin again; so from then on they get an error.

        Args:
            policy: how often to retry, after which errors, and with which pauses; by default
                ``RetryPolicy()``.

        Raises:
            TypeError: ``policy`` is not a ``RetryPolicy``.

        Example:
            >>> from miniagents import MiniAgents, RetryPolicy
            >>> from miniagents.testing import scripted_model
            >>> shaky = scripted_model(ConnectionError("gone"), "Hello!").retry(RetryPolicy(delay=0.01))
            >>> async def main():
            ...     print(await shaky.inquire("Hi"))
            >>> MiniAgents().run(main())
            Hello!
        """
        return self._wrapped_in(_algebra.Retrying(_algebra.RetryPolicy() if policy is None else policy))

    def _wrapped_in(self, wrapper: Around | Watching) -> Self:
        """Return a copy of this agent with ``wrapper`` around its runs."""
        inner = self._variant(errors_as_messages=False)
        part = cast("Operand", self)
        outer = self._variant(alias=wrapper.alias_around(part), description=wrapper.description_around(part))
        outer._wrapped = (inner, wrapper)  # noqa: SLF001 - same class
        return outer

    def _bound_to(self, given: Mapping[str, object]) -> Self:
        """Return this agent for one call of a wrapper: with the keywords of the call; errors stay errors."""
        if given is self._defaults and self._errors_as_messages is False:
            return self  # most often nothing has to change
        bound = self._copied()
        bound._defaults = FrozenMapping(given)  # noqa: SLF001 - same class, here and below
        bound._errors_as_messages = False  # noqa: SLF001
        return bound
