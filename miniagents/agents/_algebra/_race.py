"""``race(a, b, ...)``: the first good reply counts, the other agents are stopped."""

import asyncio
from collections.abc import Awaitable, Callable
from inspect import isawaitable
from typing import TypeAlias, cast, overload

from typing_extensions import TypeVar

from miniagents.core import Message, Messages
from miniagents.values import lazy_dataclass

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
AnyPredicate: TypeAlias = Callable[..., bool | Awaitable[bool]]  # of whatever the agents reply


@lazy_dataclass(frozen=True, slots=True)
class Race:
    """What ``race(a, b)`` runs.

    Attributes:
        agents: all are asked at once; of two that are ready at once the first one counts.
        win: says of a complete reply whether it is good; None if every complete reply is.
    """

    agents: tuple[Operand, ...]
    win: AnyPredicate | None

    @property
    def alias(self) -> str:
        """The parts."""
        return f"race({', '.join(agent.alias for agent in self.agents)})"

    @property
    def description(self) -> str:
        """Who is asked."""
        return f"The first good reply of {', '.join(agent.alias for agent in self.agents)}."

    @property
    def components(self) -> tuple[Operand, ...]:
        """The parts."""
        return self.agents

    async def __call__(self, ctx: ReplyContext) -> None:
        """Ask all, reply what the first one replied, stop the others."""
        entrants = [Entrant(agent, ctx.messages) for agent in self.agents]
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
        except Exception as error:  # noqa: BLE001 - whatever it is, with it this agent has lost
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
        told = "; ".join(f"{alias}: {_reason(error)}" for alias, error in reasons)
        return RaceLostError(f"{self.alias}: all have lost. {told}", reasons=reasons, report=report)


def _reason(error: Exception | None) -> str:
    return "its reply was refused" if error is None else f"{type(error).__name__}: {error}"


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
@overload  # No other form fits it too: of two that do mypy makes an `Any` where a keyword is open.
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
    """Ask several agents at once; the first good reply counts.

    All are sent the same messages. The first whose complete reply is good has won: that reply is replied, so
    it comes as a whole and not token by token. The others are cancelled, and what they had cost goes to the
    ``on_persist_message`` handlers of the context as a :class:`RaceReport`. A race of one agent is that
    agent.

    Args:
        *agents: their required keywords are given before, with ``bind``.
        win: is given the complete reply of an agent and says whether it is good; it may be async. Without it
            every reply that comes without an error is. If it raises, the race fails with that.

    Returns:
        An agent; it takes what all of them take, and replies what one of them does.

    Raises:
        TypeError: no agent is given, an argument is no agent or lacks a required keyword, or ``win`` cannot
            be called.
        RaceLostError: for readers, when all have lost; it holds each one's reason.

    Example:
        >>> from miniagents import MiniAgents, race
        >>> from miniagents.testing import scripted_model
        >>> def is_long(replies):
        ...     return len(str(replies)) > 5
        >>> careful = race(scripted_model("No."), scripted_model("No, because."), win=is_long)
        >>> async def main():
        ...     print(await careful.inquire("Is it so?"))
        >>> MiniAgents().run(main())
        No, because.
    """
    if not agents:
        msg = "race() is made of agents: give it at least one."
        raise TypeError(msg)
    given: object = win
    if given is not None and not callable(given):
        msg = f"race(win={given!r}): it is a function that says whether a complete reply is good."
        raise TypeError(msg)
    parts = tuple(as_operand("race", agent, strict=True) for agent in agents)
    if len(parts) == 1 and win is None:
        return cast("MiniAgent[A]", agents[0])
    return composed(Race(parts, win))
