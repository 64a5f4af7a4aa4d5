"""``race(a, b, ...)``: inquires several agents, replies the first good reply, and stops the others."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from inspect import isawaitable
from typing import TypeAlias, cast, overload

from typing_extensions import TypeVar

from miniagents.messages import Message, Messages
from miniagents.values import text_of_error

from .._agent import MiniAgent, as_operand, composed
from ._chains import Stage
from ._entrant import Entrant, ended, first_good, report_on
from ._operands import Operand, ReplyContext
from ._race_report import RaceLostError, RaceReport

A = TypeVar("A", bound=Message)
B1 = TypeVar("B1", bound=Message)
B2 = TypeVar("B2", bound=Message)
B3 = TypeVar("B3", bound=Message)
B4 = TypeVar("B4", bound=Message)
B = TypeVar("B", bound=Message)

Predicate: TypeAlias = Callable[[Messages[B]], bool | Awaitable[bool]]
AnyPredicate: TypeAlias = Callable[..., bool | Awaitable[bool]]  # the class of the agents' replies


@dataclass(frozen=True, slots=True)
class Race:
    """The agent function of ``race(a, b)``.

    Attributes:
        components: the agents, all inquired at once; if two are ready at once, the first one of them counts.
        win: returns whether a complete reply is good; None if every complete reply is good.
    """

    components: tuple[Operand, ...]
    win: AnyPredicate | None

    @property
    def alias(self) -> str:
        """The parts."""
        return f"race({', '.join(agent.alias for agent in self.components)})"

    @property
    def description(self) -> str:
        """The agents that it inquires."""
        return f"The first good reply of {', '.join(agent.alias for agent in self.components)}."

    async def __call__(self, ctx: ReplyContext) -> None:
        """Inquire all agents, reply the first good reply, stop the others."""
        entrants = [Entrant(agent, ctx.messages) for agent in self.components]
        tasks = [asyncio.ensure_future(self._good(entrant)) for entrant in entrants]
        winner: Entrant | None = None
        try:
            place = await first_good(tasks)
            winner = None if place is None else entrants[place]
        finally:
            await ended(tasks)
            for entrant in entrants:
                if entrant is not winner:
                    entrant.stop()
        report = report_on(self.alias, entrants, winner)
        if winner is None:
            raise self._all_lost(entrants, report) from entrants[0].error
        ctx.reply(winner.replies)

    async def _good(self, entrant: Entrant) -> bool:
        try:
            messages = await entrant.replies
        except asyncio.CancelledError:  # this task has ended
            return False
        except Exception as error:  # noqa: BLE001 - with any error this agent has lost
            entrant.end("failed", error)
            return False
        good = True
        if self.win is not None:
            verdict = self.win(messages)
            good = await verdict if isawaitable(verdict) else verdict
        if not good:
            entrant.end("refused")
        return good

    def _all_lost(self, entrants: list[Entrant], report: RaceReport) -> RaceLostError:
        reasons = tuple((entrant.alias, entrant.error) for entrant in entrants)
        shown = "; ".join(f"{alias}: {_reason(error)}" for alias, error in reasons)
        return RaceLostError(f"{self.alias}: all have lost. {shown}", reasons=reasons, report=report)


def _reason(error: Exception | None) -> str:
    return "its reply was refused" if error is None else text_of_error(error)


@overload
def race(agent: Stage[A, B1], /, *, win: Predicate[B1] | None = None) -> MiniAgent[A, B1]: ...
@overload
def race(
    first: Stage[A, B1], second: Stage[A, B2], /, *, win: Predicate[B1 | B2] | None = None
) -> MiniAgent[A, B1 | B2]: ...
@overload
def race(
    first: Stage[A, B1],
    second: Stage[A, B2],
    third: Stage[A, B3],
    /,
    *,
    win: Predicate[B1 | B2 | B3] | None = None,
) -> MiniAgent[A, B1 | B2 | B3]: ...
@overload
def race(
    first: Stage[A, B1],
    second: Stage[A, B2],
    third: Stage[A, B3],
    fourth: Stage[A, B4],
    /,
    *,
    win: Predicate[B1 | B2 | B3 | B4] | None = None,
) -> MiniAgent[A, B1 | B2 | B3 | B4]: ...
@overload  # No other overload fits too: if two fit and a keyword is open, mypy infers `Any`.
def race(
    first: Stage[A, B],
    second: Stage[A, B],
    third: Stage[A, B],
    fourth: Stage[A, B],
    fifth: Stage[A, B],
    /,
    *agents: Stage[A, B],
    win: Predicate[B] | None = None,
) -> MiniAgent[A, B]: ...
def race(*agents: Stage[A, Message], win: AnyPredicate | None = None) -> MiniAgent[A]:
    """Return an agent that inquires several agents at once and replies the first good reply.

    The reply is complete when it comes. The other agents are cancelled, and the ``on_persist_message``
    handlers of the context get a :class:`RaceReport` with their cost.

    Args:
        *agents: the agents; give their required keywords before, with ``bind``.
        win: called with the complete reply of an agent; it returns whether the reply is good, and may be
            async. By default every reply without an error is good. If it raises, the race fails.

    Raises:
        TypeError: no agent, or an argument that is none or lacks a keyword; ``win`` cannot be called.
        RaceLostError: readers get it if all agents have lost; it has the reason for each.

    Example:
        >>> from miniagents import MiniAgents, race
        >>> from miniagents.testing import scripted_model
        >>> careful = race(scripted_model("No."), scripted_model("Why?"), win=lambda each: str(each) != "No.")
        >>> async def main():
        ...     print(await careful.inquire("Is it so?"))
        >>> MiniAgents().run(main())
        Why?
    """
    if not agents:
        raise TypeError("race() is made of agents: give it at least one.")
    given: object = win
    if given is not None and not callable(given):
        raise TypeError(f"race(win={given!r}): it is a function that says whether a complete reply is good.")
    parts = tuple(as_operand("race", agent, strict=True) for agent in agents)
    if len(parts) == 1 and win is None:
        return cast("MiniAgent[A]", agents[0])
    return composed(Race(parts, win))
