"""Crosses modules: what readers of tokens get of `retry`, `hedge`, `fallback`, `catching` and `guard`."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from miniagents import (
    AgentTimeoutError,
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    Part,
    Restart,
    fallback,
    miniagent,
    partial_text,
)
from miniagents.errors import GuardError, MessageValidationError, WithdrawnError
from miniagents.testing import scripted_model
from tests.agents.algebra.test_fallback import Gone, model_of

Heard: TypeAlias = tuple[float, str]
"""When a token came, in seconds, and the token; of an error its name."""

FAILS_FIRST = model_of("A", [Gone("a")])
FAILS_LATE = model_of("A", ["a1 ", 5.0, Gone("a")])
SLOW = model_of("A", [20.0, "a1 "])
SECRET = model_of("A", ["a1 ", 5.0, "secret", 60.0])
GOOD = model_of("B", ["b1 ", 5.0, "b2"])
TURNS = model_of("A", ["a1 ", 5.0, "a2"])


class Year(Message):
    """What has a number."""

    year: int


async def restarted(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[Part]:
    """Withdraw a text, and stop in the middle of the next one, or end."""
    yield "OLD"
    yield Restart("busy")
    yield "NEW"
    if metadata_so_far.get("stuck"):
        await asyncio.Event().wait()


@miniagent
async def stuck(ctx: InteractionContext[Message, AssistantMessage]) -> None:
    """Reply a message that never ends."""
    ctx.reply(AssistantMessage.promise_of_parts(restarted, stuck=True))


@miniagent
async def typed(ctx: InteractionContext[Message, Year]) -> None:
    """Reply a message of another class."""
    ctx.reply(AssistantMessage.promise_of_parts(restarted))  # type: ignore[arg-type]  # it becomes a Year


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("agent", [stuck.timeout(total=1), stuck.timeout(stall=1), typed], ids=repr)
async def test_the_text_of_an_error(agent: MiniAgent) -> None:
    """The partial text of an error is the text that stands, not the one that was withdrawn."""
    async with MiniAgents():
        with pytest.raises((AgentTimeoutError, MessageValidationError)) as caught:
            await agent.inquire("x")
    assert "NEW" == partial_text(caught.value)


def no_secret(text: str) -> str | None:
    """Refuse one word."""
    return "a secret" if "secret" in text else None


@dataclass(frozen=True)
class Row:
    """A row of the table in docs/algebra.md.

    Attributes:
        name: as in the table.
        agent: a case of it.
        tokens: what a reader of tokens gets.
        restarts: how many `Restart` parts readers of parts get.
        texts: of the messages; those of an error have its name.
    """

    name: str
    agent: MiniAgent[Message, AssistantMessage]
    tokens: list[Heard]
    restarts: int
    texts: list[str]


GOOD_AT_ONCE: list[Heard] = [(0, "b1 "), (5, "b2")]
GOOD_LATE: list[Heard] = [(5, "b1 "), (10, "b2")]
AT_THE_END: list[Heard] = [(5, "a1 "), (5, "a2")]
BOTH = ["a1 ", "b1 b2"]
ROWS = (
    Row("retry", TURNS.retry(), [(0, "a1 "), (5, "a2")], 0, ["a1 a2"]),
    Row("hedge", SLOW.hedge(GOOD, after=2), [(2, "b1 "), (7, "b2")], 0, ["b1 b2"]),
    Row("fallback before the first token", fallback(FAILS_FIRST, GOOD), GOOD_AT_ONCE, 0, ["b1 b2"]),
    Row("fallback", fallback(FAILS_LATE, GOOD), [(0, "a1 "), (10, "WithdrawnError")], 1, ["b1 b2"]),
    Row(
        "catching, restart=True",
        FAILS_LATE.catching(GOOD, restart=True),
        [(0, "a1 "), (10, "WithdrawnError")],
        1,
        ["b1 b2"],
    ),
    Row(
        "guard(during), replacement",
        SECRET.guard(during=no_secret, hold=0, replacement="No."),
        [(0, "a1 "), (5, "WithdrawnError")],
        1,
        ["No."],
    ),
    Row(
        "guard(during)",
        SECRET.guard(during=no_secret, hold=0),
        [(0, "a1 "), (5, "GuardError")],
        0,
        ["GuardError"],
    ),
    Row(
        "guard(during), nothing found",
        TURNS.guard(during=no_secret, hold=0),
        [(0, "a1 "), (5, "a2")],
        0,
        ["a1 a2"],
    ),
    Row("guard(after)", TURNS.guard(after=no_secret), AT_THE_END, 0, ["a1 a2"]),
    Row("hold=True, the first one", fallback(TURNS, GOOD, hold=True), AT_THE_END, 0, ["a1 a2"]),
    Row("hold=True, the last one", fallback(FAILS_LATE, GOOD, hold=True), GOOD_LATE, 0, ["b1 b2"]),
    Row(
        "hold=True around one that began anew",
        fallback(FAILS_LATE, GOOD).catching(TURNS, restart=True, hold=True),
        [(10, "b1 b2")],
        0,
        ["b1 b2"],
    ),
    Row("catching", FAILS_LATE.catching(GOOD), [(0, "a1 "), (5, "b1 "), (10, "b2")], 0, BOTH),
    Row(
        "after='continue'",
        FAILS_LATE.catching(scripted_model(then=["c1 ", "c2"]), after="continue"),
        [(0, "a1 "), (5, "c1 "), (5, "c2")],
        0,
        ["a1 c1 c2"],
    ),
)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_the_table(row: Row) -> None:
    """Readers of tokens get each token as it comes, or at the end; or an error if some were withdrawn."""
    loop = asyncio.get_running_loop()
    async with MiniAgents():
        began, heard = loop.time(), list[Heard]()
        try:
            async for token in row.agent.inquire("Hi").tokens:
                heard.append((loop.time() - began, token))
        except (GuardError, WithdrawnError) as error:
            heard.append((loop.time() - began, type(error).__name__))
        assert row.tokens == heard
        replies, texts, restarts = row.agent.inquire("Hi"), list[str](), 0
        async for promise in replies:
            try:
                restarts += sum(type(part).__name__ == "Restart" for part in await promise.parts)
                texts.append(str(await promise))
            except GuardError as error:
                texts.append(type(error).__name__)
        assert (row.restarts, row.texts) == (restarts, texts)
