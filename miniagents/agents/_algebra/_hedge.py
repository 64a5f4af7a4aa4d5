"""``a.hedge(b, after=seconds)``: inquires a second agent too if the first one is slow to begin."""

import asyncio
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, Protocol

from miniagents.values import check_seconds, notes_of

from ._entrant import Entrant, ended, first_good, report_on
from ._operands import Operand, ReplyContext, first_sign, handle_first_error, input_complete, named, relay


class HedgeLog(Protocol):
    """What the log of a run notes of its hedges.

    Attributes:
        timers: how many times that first agents have to begin are running.
    """

    timers: int

    def leave_out(self, alias: str, /) -> None:
        """Note that the running agent does not inquire this agent, as it may have done before.

        Args:
            alias: of the agent.
        """


HEDGE_LOG: Final[ContextVar[HedgeLog | None]] = ContextVar("miniagents_hedge_log", default=None)
"""The log of the run that the running code belongs to."""


@dataclass(frozen=True, slots=True)
class Hedge:
    """The agent function of ``a.hedge(b, after=seconds)``.

    Attributes:
        first: the agent that is inquired at once.
        second: the agent that is inquired too if the first one takes too long to begin, or fails before that.
        after: the time that the first one has to begin after its input is complete, in seconds.
    """

    first: Operand
    second: Operand
    after: float

    def __post_init__(self) -> None:
        check_seconds("hedge", "after", self.after)

    @property
    def alias(self) -> str:
        """The parts and the time between them."""
        return f"{named(self.first)}.hedge({self.second.alias}, after={self.after:g})"

    @property
    def description(self) -> str:
        """The agents that it inquires."""
        first, second = self.first.alias, self.second.alias
        return f"{first}, or {second} if that begins before it, {self.after:g} s later."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return self.first, self.second

    async def __call__(self, ctx: ReplyContext) -> None:
        """Find out which agent begins first, stop the other one, and pass the replies on."""
        entrants = [Entrant(self.first, ctx.messages)]
        tasks = [asyncio.ensure_future(_begun(entrants[0]))]
        decided = False
        try:
            if not await self._in_time(ctx, tasks[0]):
                entrants.append(Entrant(self.second, ctx.messages))
                tasks.append(asyncio.ensure_future(_begun(entrants[1])))
            elif (log := HEDGE_LOG.get()) is not None:
                log.leave_out(self.second.alias)
            place = await first_good(tasks)
            decided = True
        finally:
            await ended(tasks)
            if not decided:
                for entrant in entrants:
                    _stop(entrant)
        chosen = entrants[place or 0]
        for entrant in entrants:
            if entrant is not chosen:
                _stop(entrant)
                if place is None and chosen.error is not None:
                    notes_of(chosen.error).append(
                        f"{self.second.alias}, inquired too, failed with {entrant.error!r}"
                    )
        if len(entrants) > 1:
            report_on(self.alias, entrants, None if place is None else chosen)
        await relay(ctx, chosen.replies)

    async def _in_time(self, ctx: ReplyContext, begun: "asyncio.Task[bool]") -> bool:
        """Return whether the first agent has begun in time."""
        complete = input_complete(ctx.messages)
        try:
            await asyncio.wait((complete, begun), return_when=asyncio.FIRST_COMPLETED)
        finally:
            await ended((complete,))
        log = HEDGE_LOG.get()
        if log is not None:
            log.timers += 1
        try:
            await asyncio.wait((begun,), timeout=self.after)
        finally:
            if log is not None:
                log.timers -= 1
        return begun.done() and begun.result()


def _stop(entrant: Entrant) -> None:
    if entrant.error is not None:
        handle_first_error(entrant.replies)
    entrant.stop()


async def _begun(entrant: Entrant) -> bool:
    try:
        await first_sign(entrant.replies)
    except asyncio.CancelledError:  # this task has ended
        return False
    except Exception as error:  # noqa: BLE001 - after any error this agent will not begin any more
        entrant.end("failed", error)
        return False
    return True
