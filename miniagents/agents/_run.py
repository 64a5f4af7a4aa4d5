"""One run of an agent: a driver that fills a flattener of replies.

Each agent boundary adds one log, the replies; the messages that go in and out are passed on as they are.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import TypeAlias

from typing_extensions import TypeVar

from miniagents.promising import (
    Flattener,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    Owner,
    replace_errors,
)
from miniagents.streams import Driver, Log, Producer
from miniagents.values import MiniAgentsError

from ._miniagents import MiniAgents
from ._records import record_run
from ._signals import signals

M_co = TypeVar("M_co", bound=Message, covariant=True, default=Message)

logger = logging.getLogger("miniagents")


Function: TypeAlias = Callable[["Replies"], Awaitable[None]]


class Inquiry(MessageSequencePromise[M_co]):
    """The replies of one run.

    Attributes:
        pending: writes the input of a run that was called without messages and has not begun yet, so that a
            chain can still hand it the replies of the agent before.
    """

    __slots__ = ("pending",)

    pending: Flattener | None

    def adopt(self) -> bool:
        """Keep the input of the run open, to hand it messages later; False if it has begun without any."""
        if self.pending is None or self.pending.ended:
            return False
        self.pending.feeder = _Adopter()
        return True

    def hand(self, messages: MessageType) -> None:
        """Give the run all its input, if it was adopted."""
        if self.pending is not None and not self.pending.ended:
            self.pending.feed(messages)
            self.pending.finish()


class _Adopter:
    """Whoever is going to hand a run its input: it cannot be stopped through the run."""

    name = ""

    def blocked_by(self) -> Producer | None:
        """Nobody knows."""
        return None

    def cancel(self) -> None:
        """The input is not wanted any more; that is all."""

    abandon = cancel


class Replies:
    """Where a run replies to, and how long that stays open.

    Args:
        alias: whose replies they are.
        flattener: takes them.
    """

    __slots__ = ("_aborted", "_alias", "_flattener", "_open", "_waits")

    def __init__(self, alias: str, flattener: Flattener) -> None:
        self._alias = alias
        self._flattener = flattener
        self._open = True
        self._aborted = False
        self._waits: list[asyncio.Future[object]] | None = None

    async def collect(self, function: Function, pending: Flattener | None) -> None:
        """Run the agent function, then wait for what has to be waited for; leave nothing behind.

        Args:
            function: begins the agent function when it is given its replies.
            pending: writes the input, if that could still be given some before the run began.
        """
        if pending is not None and pending.feeder is None:
            pending.finish()
        try:
            await function(self)
            if self._waits:
                await self._settle(self._waits)
        finally:
            if self._waits:
                await self._release(self._waits)

    def add(self, value: object) -> None:
        """Reply anything that is messages.

        Raises:
            MiniAgentsError: the replies are closed already.
            TypeError: it is nothing that can become messages.
        """
        if self._aborted:
            return  # the run was cancelled and learns it at its next await
        if not self._open:
            msg = (
                f"Agent {self._alias} replied after its replies were closed (by finish_early, or by its end)."
            )
            raise MiniAgentsError(msg)
        self._flattener.feed(value)

    def wait_for(self, awaitable: Awaitable[object]) -> None:
        """Stay open until ``awaitable`` is done; an error of it is an error of the run."""
        if self._waits is None:
            self._waits = []
        self._waits.append(asyncio.ensure_future(awaitable))

    async def _settle(self, waits: "list[asyncio.Future[object]]") -> None:
        while waits:
            await waits[0]
            del waits[0]

    async def _release(self, waits: "list[asyncio.Future[object]]") -> None:
        """Leave none of the awaited tasks behind."""
        for wait in waits:
            wait.cancel()
        await asyncio.gather(*waits, return_exceptions=True)
        waits.clear()

    # -- the sink of the driver ----------------------------------------------------------------------------

    def finish(self) -> None:
        """No more replies."""
        self._open = False
        self._flattener.finish()

    def fail(self, error: Exception) -> None:
        """The run failed; if its replies are closed already, all that can be done is to say so."""
        if self._open:
            self._open = False
            self._flattener.fail(error)
        else:
            text = "Agent %s failed after its replies were closed: %r"
            logger.error(text, self._alias, error, exc_info=error)

    def abort(self, error: Exception) -> None:
        """The run was cancelled."""
        self._open = False
        self._aborted = True
        self._flattener.abort(error)


def start_run(
    alias: str,
    received: MessageSequencePromise[Message],
    pending: Flattener | None,
    keywords: Mapping[str, object],
    function: Function,
    *,
    errors_as_messages: bool | None,
) -> "Inquiry[Message]":
    """Schedule a run in the active context.

    Args:
        alias: of the agent.
        received: what it was sent.
        pending: writes ``received`` if that may still be given something before the run begins.
        keywords: what it was called with, for the record.
        function: begins the agent function when it is given its replies.
        errors_as_messages: whether errors become messages; None leaves it to the context.

    Returns:
        The promise of its replies.
    """
    context = Owner.current()
    log: Log[MessagePromise[Message]] = Log(context)
    flattener = Flattener(context, log)
    replies = Replies(alias, flattener)
    driver = Driver(alias, context, log, replies)
    flattener.feeder = driver

    driver.start(partial(replies.collect, function, pending))
    shown = log
    if isinstance(context, MiniAgents):
        if context.errors_as_messages if errors_as_messages is None else errors_as_messages:
            shown = replace_errors(MessageSequencePromise.over(log), alias, but=signals())
        if context.persists:
            record_run(context, alias, keywords, received.log, shown)
    promise: Inquiry[Message] = Inquiry.over(shown)
    promise.pending = pending
    return promise
