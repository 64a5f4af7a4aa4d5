"""What ends a loop gets through `errors_as_messages`, within a loop and nowhere else."""

import pytest

from miniagents import (
    ErrorMessage,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgents,
    StopLoop,
    miniagent,
)
from miniagents.agents._signals import END_OF_LOOP, looping, signals

END = pytest.mark.parametrize("end", END_OF_LOOP)


@miniagent
async def ending_agent(ctx: InteractionContext, end: type[Exception] = StopLoop) -> None:
    """Reply, then end the loop."""
    ctx.reply("bye")
    raise end


@miniagent
async def outer_agent(ctx: InteractionContext, end: type[Exception] = StopLoop) -> None:
    """Reply what another agent replies."""
    ctx.reply(ending_agent.inquire(end=end))


async def kinds(promise: MessageSequencePromise[Message]) -> list[object]:
    """Return what came: texts, and the class of each error."""
    got: list[object] = []
    try:
        async for item in promise:
            message = await item
            got.append(message.error_type if isinstance(message, ErrorMessage) else message.text)
    except END_OF_LOOP as error:
        got.append(type(error))
    return got


def test_only_in_the_block() -> None:
    """Within `looping` there are signals, before and after it none; blocks may be nested."""
    seen = [signals()]
    with looping():
        seen.append(signals())
        with looping():
            pass
        seen.append(signals())
    seen.append(signals())
    assert seen == [(), END_OF_LOOP, END_OF_LOOP, ()]


@END
async def test_within_a_loop(end: type[Exception]) -> None:
    """A signal reaches the loop after what was replied before it, through other runs as well."""
    async with MiniAgents(errors_as_messages=True):
        with looping():
            inquiries = [ending_agent.inquire(end=end), outer_agent.inquire(end=end)]
        for inquiry in inquiries:
            assert await kinds(inquiry) == ["bye", end]


@END
async def test_outside_of_a_loop(end: type[Exception]) -> None:
    """Outside of a loop it is an error like any other."""
    async with MiniAgents(errors_as_messages=True):
        assert await kinds(ending_agent.inquire(end=end)) == ["bye", end.__name__]
        assert await kinds(outer_agent.inquire(end=end)) == ["bye", end.__name__]


async def test_other_errors_within_a_loop() -> None:
    """Other errors are messages within a loop, too."""
    async with MiniAgents(errors_as_messages=True):
        with looping():
            inquiry = ending_agent.inquire(end=KeyError)
        assert await kinds(inquiry) == ["bye", "KeyError"]
