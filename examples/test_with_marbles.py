"""Tests of agents by timelines, in virtual time: with pytest, or as a script that runs them.

A diagram is a timeline: `-` is a millisecond, a letter a token, `|` the end, `#` an error, and `5s` with
spaces around it lets five seconds pass. It needs `pip install pytest pytest-asyncio`; docs/testing.md tells
more.
"""

import os
import sys
from collections.abc import AsyncGenerator, MutableMapping

import pytest

from miniagents import InteractionContext, Message, MiniAgents, miniagent, race
from miniagents.testing import Marbles, StepReader

pytestmark = [pytest.mark.asyncio, pytest.mark.virtual_time]


@miniagent
async def shouting_agent(ctx: InteractionContext) -> None:
    """Repeats what it is told in capitals, token by token."""
    ctx.reply(Message.promise(lambda metadata_so_far: _louder(ctx, metadata_so_far)))


async def _louder(ctx: InteractionContext, _: MutableMapping[str, object]) -> AsyncGenerator[str]:
    async for message in ctx.messages:
        async for token in message:
            yield token.upper()


async def test_tokens_are_not_held_back(marbles: Marbles) -> None:
    """Each token is passed on in the millisecond in which it comes."""
    async with MiniAgents():
        replies = (marbles.model("-a--b 5s c|") | shouting_agent).inquire("Hi")
        await marbles.expect(replies).to_be("-A--B 5s C|")


async def test_the_loser_is_cancelled(marbles: Marbles) -> None:
    """The first whole answer wins, and the model that is slower is stopped in that moment."""
    slow, fast = marbles.model("1m a|"), marbles.model("--b-c|")
    async with MiniAgents():
        await marbles.expect(race(slow, fast).inquire("Hi")).to_be("-----(bc|)")
        await marbles.expect_reads(fast).to_be("^----|")
        await marbles.expect_reads(slow).to_be("^----!")


async def test_a_timeout(marbles: Marbles) -> None:
    """A model that is silent for too long is given up, with what it had said."""
    model = marbles.model("a 1m b|")
    async with MiniAgents():
        replies = model.timeout(first_token=10, stall=10).inquire("Hi")
        await marbles.expect(replies).to_be("a 9999ms #", error=TimeoutError)
        await marbles.expect_reads(model).to_be("^ 9999ms !")


async def test_step_by_step(marbles: Marbles) -> None:
    """The same can be read in steps."""
    model = marbles.model("a 5s b|", {"a": "Hel", "b": "lo"})
    async with MiniAgents(), StepReader(model.inquire("Hi")) as stream:
        assert await stream.next() == "Hel"
        await stream.expect_no_more(within=5)
        assert await stream.next() == "lo"
        await stream.expect_end()


if __name__ == "__main__":
    quiet = ["-qq", "-p", "no:cacheprovider", "-o", "console_output_style=classic"]
    of_their_own = ["-c", os.devnull, "-o", "asyncio_default_fixture_loop_scope=function"]
    of_their_own += ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # `miniagents` is imported already
    sys.exit(pytest.main([__file__, *quiet, *of_their_own]))
