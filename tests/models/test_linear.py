"""Crosses modules: a byte of a typed answer costs no more to read in a large answer than in a small one.

Counted, not timed: every call of a function, of Python or of C, and what is copied into partials. So the
figures are the same on every machine; seconds are measured in `tests/bench`.
"""

import cProfile
from collections.abc import Awaitable, Callable

import pytest

from miniagents import MiniAgents
from miniagents.models import ParsedReplies
from miniagents.testing import scripted_model
from tests.bench.answer_cases import Trip, read

Replies = ParsedReplies[Trip]
TOKEN = 64
COPIED = 24  # a partial may be left out if it costs too much: so much is copied for each byte at most
NAME = "house " * 60


async def partials(replies: Replies) -> int:
    """Read all partials, and tell how much was copied into them: items, and 64 characters count as one."""
    return sum([len(partial.sights) + len(partial.title) // 64 async for partial in replies.partials])


async def elements(replies: Replies) -> int:
    """Read all elements."""
    found = [each async for each in replies.elements(lambda answer: answer.sights)]
    assert {each.name for each in found} == {NAME}
    return 0


async def field(replies: Replies) -> int:
    """Read the text of a field."""
    await read(replies.field("title"))
    return 0


def answer(length: int, of_it_title: float) -> list[str]:
    """An answer of about ``length`` bytes in tokens; so much of it is a text, the rest a list."""
    title = "fjord " * int(length * of_it_title / 6)
    element = f'{{"name": "{NAME}", "minutes": 60, "tags": []}}'
    elements = ", ".join([element] * max(int(length * (1 - of_it_title) / len(element)), 1))
    text = f'{{"title": "{title}", "sights": [{elements}]}}'
    return [text[at : at + TOKEN] for at in range(0, len(text), TOKEN)]


async def calls(tokens: list[str], face: Callable[[Replies], Awaitable[int]]) -> int:
    """How many calls of functions it takes to read an answer that is there."""
    replies = scripted_model(tokens).as_type(Trip).inquire("Plan a trip.")
    await replies
    with cProfile.Profile() as profile:
        copied = await face(replies)
    assert copied <= COPIED * sum(map(len, tokens))
    return sum(each.callcount for each in profile.getstats())


@pytest.mark.gate("a document of 1 MB")
@pytest.mark.loop(debug=False)
@pytest.mark.parametrize(("face", "of_it_title"), [(partials, 0.9), (elements, 0.1), (field, 0.9)])
async def test_a_byte_costs_the_same_in_a_large_answer(
    face: Callable[[Replies], Awaitable[int]], of_it_title: float
) -> None:
    """From 100 kB to 1 MB a byte costs less than half as much again as from 1 kB to 10 kB."""
    async with MiniAgents():
        counted = [
            await calls(answer(length, of_it_title), face) for length in (1_000, 10_000, 100_000, 1_000_000)
        ]
    first, last = (counted[1] - counted[0]) / 9_000, (counted[3] - counted[2]) / 900_000
    assert last / first < 1.5, f"{face.__name__}: {first:.2f} and {last:.2f} calls a byte"
