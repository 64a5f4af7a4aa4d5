"""`cache_prompt="auto"`: how much of a prompt comes from the cache, of what a perfect cache could give.

Crosses modules: three wires, `map_rows`, and what `RunUsage` says.
"""

import asyncio
from decimal import Decimal
from typing import cast

import pytest

from miniagents import (
    AssistantMessage,
    LLMError,
    Message,
    MiniAgents,
    ToolCall,
    Usage,
    UserMessage,
    tool,
)
from miniagents.ext.jobs import map_rows
from miniagents.ext.usage import RunUsage
from miniagents.testing import scripted_model
from tests.support.amounts import amount
from tests.support.prefix_cache import PrefixCache
from tests.support.sse_server import Exchange, answer, serve, sse, wait
from tests.support.wires import ANTHROPIC, CHAT, KEY, RESPONSES, WIRES, Wire

RULES = "Judge a review by these rules. " + "A rule that is as long as others. " * 160


@tool
def look() -> str:
    """Look out of the window."""
    return "rain " * 200


def agent(wire: Wire, url: str, **keywords: object):  # type: ignore[no-untyped-def]  # noqa: ANN201 - of any wire
    settings = {
        "model": "m",
        "api_key": KEY,
        "base_url": url + wire.path,
        "system": RULES,
        "cache_prompt": "auto",
    }
    return wire.agent.fork(**{**settings, **keywords})


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(each, marks=pytest.mark.gate("the same on another wire") if at else ())
        for at, each in enumerate(WIRES)
    ],
    ids=repr,
)
async def test_a_dialog(wire: Wire) -> None:
    """Over 20 turns, nine tenths or more of what is possible comes from the cache."""
    usage, cache = RunUsage(), PrefixCache(wire)
    async with serve(cache) as server, MiniAgents(observers=[usage]):
        model = agent(wire, server.url, tools=[look.spec])
        talk: list[Message] = []
        for turn in range(20):
            talk.append(UserMessage(f"Review {turn}: " + "it is good. " * 20))
            talk += await model.inquire(talk)
    assert (20, cache.read) == (cache.requests, usage.total.cached_tokens)
    assert 0.9 <= cache.read / cache.possible, (cache.read, cache.possible, cache.sent)


@pytest.mark.loop(timeout=60.0)
@pytest.mark.parametrize(
    ("wire", "count"),
    [
        (ANTHROPIC, amount(20, 60)),
        *(pytest.param(each, amount(200, 200, 1_000), marks=pytest.mark.gate("200 calls")) for each in WIRES),
    ],
    ids=repr,
)
async def test_rows(wire: Wire, count: int) -> None:
    """Of rows with a common beginning, the first goes ahead, and the others find it in the cache."""
    usage, cache = RunUsage(), PrefixCache(wire)
    async with serve(cache) as server, MiniAgents(observers=[usage]):
        rows = [f"Review {number} of the day." for number in range(count)]
        done = [row async for row in map_rows(agent(wire, server.url), rows, concurrency=min(64, count // 5))]
    assert count == len([row for row in done if row.error is None])
    assert cache.read == usage.total.cached_tokens
    assert 0.9 <= cache.read / cache.possible, (cache.read, cache.possible, cache.sent)


async def test_the_first_call_fails() -> None:
    """If the call that goes ahead fails, or is cancelled, the others do not wait any longer."""
    held, arrived = asyncio.Event(), asyncio.Event()

    async def note(_: Exchange) -> None:
        arrived.set()

    refused = answer(400, {"error": {"type": "invalid_request_error", "message": "no"}})
    async with serve(refused, sse(*CHAT.good("Hi"))) as server, MiniAgents():
        model = agent(CHAT, server.url, max_retries=0)
        first, other = model.inquire("One"), model.inquire("Two")
        with pytest.raises(LLMError, match="no"):
            await first
        assert "Hi" == str(await other)
    async with serve(sse(note, wait(held)), sse(*CHAT.good("Hi"))) as server, MiniAgents():
        model = agent(CHAT, server.url)
        first, other = model.inquire("One"), model.inquire("Two")
        await arrived.wait()
        first.cancel()
        assert "Hi" == str(await other)
        assert 2 == len(server.requests)


async def test_marks() -> None:
    """Anthropic: the last tool, the system text, the last message if it has results, else the one before."""
    thought = AssistantMessage(parts=["Hm.", ToolCall("1", "look")])
    async with serve(sse(*ANTHROPIC.good("Hi"))) as server, MiniAgents():
        model = agent(ANTHROPIC, server.url, tools=[look.spec])
        results = await scripted_model(thought, "Done.").with_tools(look).inquire("Look.")
        await model.inquire([UserMessage("Look."), *results[:2]])
        await model.inquire([UserMessage("Look."), *results, UserMessage("Thanks.")])
        await model.inquire("Look.", cache_prompt=None)
        first, second, plain = (request.json for request in server.requests)
    mark = {"cache_control": {"type": "ephemeral"}}
    for body, at in ((first, -1), (second, -2)):
        assert [{"type": "text", "text": RULES, **mark}] == body["system"]
        turns = cast("list[object]", body["messages"])
        assert [turns[at]] == [turn for turn in turns if "cache_control" in str(turn)]
        assert 3 == str(body).count("cache_control")
    assert "cache_control" not in str(plain)


@pytest.mark.parametrize("wire", [CHAT, RESPONSES], ids=repr)
async def test_the_key(wire: Wire) -> None:
    """OpenAI: calls of one agent have one key; with another model, system text or tool it is another one."""
    others = {"model": "n"}, {"system": "Rhyme."}, {"tools": [look.spec]}
    async with serve(sse(*wire.good("Hi"))) as server, MiniAgents():
        talk: list[Message] = []
        for settings in ({}, {}, *others, {"cache_prompt": None}):
            talk.append(UserMessage("And now?"))
            talk += await agent(wire, server.url, **settings).inquire(talk)
        first, again, *changed, none = (each.json.get("prompt_cache_key") for each in server.requests)
    assert isinstance(first, str)
    assert (first, None) == (again, none)
    assert 4 == len({first, *changed})


def test_what_was_saved() -> None:
    """The dollars that a cache has saved are those without it less those with it; writing can cost more."""

    def price(usage: Usage, *_: object) -> Decimal:
        read, wrote = usage.cached_tokens or 0, usage.cache_write_tokens or 0
        return Decimal((usage.input_tokens or 0) - read - wrote) + Decimal(read) / 10 + Decimal(wrote) * 5 / 4

    usage = RunUsage(price)

    async def main() -> None:
        said = [Usage(100, cache_write_tokens=80), Usage(100, cached_tokens=80)]
        model = scripted_model(*(AssistantMessage("Hi", usage=each) for each in said))
        await model.inquire("One")
        assert Decimal(-20) == usage.saved
        await model.inquire("Two")

    MiniAgents(observers=[usage]).run(main())
    assert Decimal(52) == usage.saved == usage.report.saved
