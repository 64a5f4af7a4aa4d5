"""The record of a race, with the cost of each agent, and the error if all agents have lost."""

from miniagents.messages import Message
from miniagents.streams._context import current_context
from miniagents.streams._promise import post_event
from miniagents.values import Frozen, MiniAgentsError, NoActiveContextError, Usage

from .._miniagents import MiniAgents


class RaceEntry(Frozen, deferred=True):
    """One agent in a race or a hedge, with its state when the race was decided.

    It has only numbers that are known. Providers send ``usage`` at the end of a message (some send that of
    the input at its beginning), so an agent that was stopped in the middle often has tokens but no usage. It
    is not known what a provider charges for text that it writes after the connection was closed.

    Args:
        agent_alias: which agent.
        outcome: ``"won"``; ``"refused"`` by ``win``; ``"failed"``; ``"cancelled"`` because another agent had
            won.
        error: the type and text of its error, if it failed.
        seconds: from its inquiry to its outcome.
        messages: how many messages it had begun.
        tokens: how many pieces of text had come, as the provider sent them.
        characters: how many characters these are.
        usage: the sum of the usages of its messages that are known; None if none is.

    Example:
        >>> RaceEntry(agent_alias="SLOW_AGENT", outcome="cancelled", tokens=7).outcome
        'cancelled'
    """

    agent_alias: str
    outcome: str
    error: str | None = None
    seconds: float = 0.0
    messages: int = 0
    tokens: int = 0
    characters: int = 0
    usage: Usage | None = None


class RaceReport(Message, deferred=True):
    """The record of a decided race or hedge: which agent won, and the cost of each until it was stopped.

    The ``on_persist_message`` handlers of the context get it, as they get the records of runs.

    Args:
        agent_alias: the alias of the race.
        winner: the alias of the agent that won; None if all lost.
        entries: each agent that was inquired, in the order of the race.

    Example:
        >>> import asyncio
        >>> from miniagents import MiniAgents, RaceReport, miniagent, race
        >>> @miniagent
        ... async def quick_agent(ctx):
        ...     ctx.reply("done")
        >>> @miniagent
        ... async def slow_agent(ctx):
        ...     ctx.reply("let me think")
        ...     await asyncio.Event().wait()
        >>> context = MiniAgents()
        >>> @context.on_persist_message
        ... async def show(promise, message):
        ...     if isinstance(message, RaceReport):
        ...         for entry in message.entries:
        ...             print(entry.agent_alias, entry.outcome, entry.tokens)
        >>> async def main():
        ...     await race(slow_agent, quick_agent).inquire()
        >>> context.run(main())
        SLOW_AGENT cancelled 1
        QUICK_AGENT won 1
    """

    agent_alias: str = ""
    winner: str | None = None
    entries: tuple[RaceEntry, ...] = ()

    def record(self) -> None:
        """Call the handlers of the active context with it, if there are any."""
        try:
            context = current_context()
        except NoActiveContextError:
            return
        if isinstance(context, MiniAgents) and context.persists:
            post_event(context, lambda: context.persist(self))


class RaceLostError(MiniAgentsError):
    """All agents of a race have lost.

    Args:
        message: the sentence.
        reasons: for each agent, in the order of the race, its alias and its error; None instead of an error
            if ``win`` refused its reply.
        report: the record, with the cost of each agent.

    Example:
        >>> from miniagents import MiniAgents, race
        >>> from miniagents.testing import scripted_model
        >>> wrong = scripted_model("No.", alias="WRONG")
        >>> broken = scripted_model(ConnectionError("gone"), alias="BROKEN")
        >>> async def main():
        ...     try:
        ...         await race(wrong, broken, win=lambda replies: "Yes" in str(replies)).inquire("Is it?")
        ...     except RaceLostError as error:
        ...         print(error)
        ...         print([entry.outcome for entry in error.report.entries])
        >>> MiniAgents().run(main())
        race(WRONG, BROKEN): all have lost. WRONG: its reply was refused; BROKEN: ConnectionError: gone
        ['refused', 'failed']
    """

    reasons: tuple[tuple[str, Exception | None], ...]
    report: RaceReport

    def __init__(
        self,
        message: str = "all agents of a race have lost",
        *,
        reasons: tuple[tuple[str, Exception | None], ...] = (),
        report: RaceReport | None = None,
    ) -> None:
        super().__init__(message)
        self.reasons = reasons
        self.report = RaceReport() if report is None else report
