"""Answers whose class a later run would not know.

Crosses modules: jobs, journals, typed answers.
"""

from pathlib import Path

import pytest
from pydantic import BaseModel

from miniagents import InteractionContext, Message, MiniAgents, miniagent
from miniagents.ext.jobs import map_rows
from miniagents.models import ParsedMessage
from miniagents.testing import scripted_model


class Verdict(BaseModel):
    """A typed answer."""

    mood: str


def test_a_class_that_the_next_run_does_not_know(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A job warns once, in its first run, of an answer whose class the journal does not know."""
    model = scripted_model(then='{"mood": "good"}').as_type(Verdict)

    @miniagent
    async def judge(ctx: InteractionContext) -> None:
        ctx.reply(model.inquire(ctx.messages))

    async def run(path: Path, *classes: type[Message]) -> list[Message]:
        return [
            row.value async for row in map_rows(judge, ["one", "two"], journal=path, message_classes=classes)
        ]

    async def both(path: Path, *classes: type[Message]) -> None:
        first, second = await run(path, *classes), await run(path, *classes)
        assert {ParsedMessage[Verdict]} == {type(each) for each in first}
        assert bool(classes) == isinstance(second[0], ParsedMessage)

    MiniAgents().run(both(tmp_path / "known", ParsedMessage[Verdict]))
    assert [] == [each for each in caplog.records if each.name != "asyncio"]  # which logs slow disks
    MiniAgents().run(both(tmp_path / "unknown"))
    assert 1 == caplog.text.count("message_classes=[ParsedMessage[Verdict]]")
