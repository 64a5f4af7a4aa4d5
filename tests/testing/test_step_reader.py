"""A reader that reads step by step.

Crosses modules: `_recorder` says what is read of a thing.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping

import pytest
import reactivex as rx

from miniagents import AssistantMessage, MiniAgents, Promise
from miniagents.testing import Marbles, StepReader

pytestmark = pytest.mark.loop(virtual=True)


async def test_steps() -> None:
    """Values, silence and the end are read one after the other; what came during silence is not lost."""
    async with MiniAgents(), StepReader(Marbles().model("a 1s bc 2s |").inquire("Hi")) as stream:
        assert await stream.next() == "a"
        await stream.expect_no_more(within=1)
        await stream.expect_no_more(within=0.0005)
        await stream.expect("b", "c")
        await stream.expect_no_more(within=1)
        await stream.expect_end()
        await stream.expect_end(within=0)
        await stream.expect_no_more(within=1)
        assert await stream.rest() == []


async def test_demand() -> None:
    """Nothing is requested of the source before a step asks, but what may run ahead."""
    yielded: list[int] = []

    async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        for number in range(100):
            yielded.append(number)
            yield str(number)

    async def source() -> AsyncGenerator[int]:
        for number in range(100):
            yielded.append(number)
            yield number

    async with StepReader(source()) as stream:
        await asyncio.sleep(1)
        assert yielded == []
        await stream.expect(0, 1)
        await asyncio.sleep(1)
        assert yielded == [0, 1]
    yielded.clear()
    async with MiniAgents(prefetch=2), StepReader(AssistantMessage.promise_of_parts(parts)) as tokens:
        await tokens.expect("0")
        await asyncio.sleep(1)
        assert len(yielded) < 8
        assert await tokens.rest() == [str(number) for number in range(1, 100)]


async def test_leaving() -> None:
    """Leaving the block leaves the stream, also while a step is under way."""
    marbles = Marbles()
    model = marbles.model("-a 60m b|")
    async with MiniAgents():
        async with StepReader(model.inquire("Hi")) as stream:
            await stream.expect("a")
            await stream.expect_no_more(within=0.0025)
        await stream.leave()
        await marbles.expect_reads(model).to_be("^---!")


async def test_what_can_be_read() -> None:
    """Observables, promises and streams are read, too."""
    async with StepReader(rx.of(1, 2)) as numbers:
        assert await numbers.rest() == [1, 2]
    async with MiniAgents():
        async with StepReader(Promise(lambda: asyncio.sleep(5, "five"))) as value:
            await value.expect("five")
            await value.expect_end()
        async with StepReader(Marbles().model("ab|").inquire("Hi").parts) as parts:
            await parts.expect("a", "b")


async def test_errors() -> None:
    """An error is expected by its class, and returned."""
    failed = ConnectionError("gone")
    async with MiniAgents(), StepReader(Marbles().model("a#", error=failed).inquire("Hi")) as stream:
        await stream.expect("a")
        assert await stream.expect_error(OSError) is failed


@pytest.mark.parametrize(
    ("diagram", "step", "told"),
    [
        ("b|", "value", "Value 1 is 'b', but 'a' was expected."),
        ("|", "value", "Value 1 was expected, but the stream has ended."),
        ("#", "value", "Value 1 was expected, but the stream failed with MarbleError("),
        ("5s a|", "value", "Value 1 was expected, but nothing came in 3 s."),
        ("b|", "end", "The end was expected, but value 1 is 'b'."),
        ("#", "end", "The end was expected, but the stream failed with MarbleError("),
        ("5s |", "end", "The end was expected, but nothing came in 3 s."),
        ("2s b|", "no more", "No more was expected, but value 1 is 'b'."),
        ("2s #", "no more", "No more was expected, but the stream failed with MarbleError("),
        ("b|", "error", "An error of class ValueError was expected, but value 1 is 'b'."),
        ("|", "error", "An error of class ValueError was expected, but the stream has ended."),
        ("#", "error", "An error of class ValueError was expected, but the stream failed with MarbleError("),
        ("5s #", "error", "An error of class ValueError was expected, but nothing came in 3 s."),
    ],
)
async def test_failures(diagram: str, step: str, told: str) -> None:
    """A step that brings something else says what came."""
    async with MiniAgents():
        replies = Marbles().model(diagram).inquire("Hi")
        async with StepReader(replies, within=3) as stream:
            steps: dict[str, Callable[[], Awaitable[object]]] = {
                "value": lambda: stream.expect("a"),
                "end": stream.expect_end,
                "no more": lambda: stream.expect_no_more(within=3),
                "error": lambda: stream.expect_error(ValueError),
            }
            with pytest.raises(AssertionError) as caught:
                await steps[step]()
        replies.cancel()
    assert str(caught.value).startswith(told)
