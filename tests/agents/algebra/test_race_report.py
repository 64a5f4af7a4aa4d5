"""What the losers of a race have cost."""

import pytest

from miniagents import Message, MessagePromise, MiniAgents, RaceLostError, RaceReport, Usage, race
from miniagents.agents import RaceEntry
from tests.support.speakers import Speaker


class Reports:
    """Keeps the reports among the messages that are stored."""

    def __init__(self) -> None:
        self.kept: list[RaceReport] = []

    async def __call__(self, promise: MessagePromise[Message], message: Message) -> None:
        """Keep a report."""
        if isinstance(message, RaceReport):
            self.kept.append(message)


@pytest.mark.loop(virtual=True)
async def test_what_is_told() -> None:
    """Each one's outcome, time, messages, tokens, characters, and usage, as far as it was told."""
    reports = Reports()
    cut_off = Speaker("CUT_OFF", ["all ", "done"], ["half ", 60.0, "more"], usage={"input_tokens": 7})
    winner = Speaker("WINNER", [10.0, "yes"], usage={"input_tokens": 5, "output_tokens": 1})
    refused = Speaker("REFUSED", [3.0, "no"])
    failed = Speaker("FAILED", [4.0, "oh", ValueError("out of ideas")])
    async with MiniAgents(on_persist_message=reports):
        agents = [speaker.agent for speaker in (cut_off, winner, refused, failed)]
        await race(*agents, win=lambda messages: str(messages) == "yes").inquire()
    (report,) = reports.kept
    assert (report.agent_alias, report.winner) == ("race(CUT_OFF, WINNER, REFUSED, FAILED)", "WINNER")
    assert report.entries == (
        RaceEntry(
            agent_alias="CUT_OFF",
            outcome="cancelled",
            seconds=10.0,
            messages=2,
            tokens=3,
            characters=13,
            usage=Usage(14),
        ),
        RaceEntry(
            agent_alias="WINNER",
            outcome="won",
            seconds=10.0,
            messages=1,
            tokens=1,
            characters=3,
            usage=Usage(5, 1),
        ),
        RaceEntry(agent_alias="REFUSED", outcome="refused", seconds=3.0, messages=1, tokens=1, characters=2),
        RaceEntry(
            agent_alias="FAILED",
            outcome="failed",
            error="ValueError: out of ideas",
            seconds=4.0,
            messages=1,
            tokens=1,
            characters=2,
        ),
    )


@pytest.mark.loop(virtual=True)
async def test_a_hedge_is_told_of_too() -> None:
    """A hedge that had to ask both is reported; one that had not is nothing to tell of."""
    reports = Reports()
    slow = Speaker("SLOW", 60.0)
    async with MiniAgents(on_persist_message=reports):
        await slow.agent.hedge(Speaker("B", ["b"]).agent, after=5).inquire()
        await Speaker("A", ["a"]).agent.hedge(slow.agent, after=5).inquire()
    (report,) = reports.kept
    assert [(entry.agent_alias, entry.outcome, entry.seconds) for entry in report.entries] == [
        ("SLOW", "cancelled", 5.0),
        ("B", "won", 0.0),
    ]


def test_an_error_without_a_word() -> None:
    """The error says what it is, and has an empty report, if it is made of nothing."""
    error = RaceLostError()
    assert (str(error), error.reasons, error.report.entries) == ("all agents of a race have lost", (), ())
