"""Limits around agents, in virtual time: at once, in a minute, and in all."""

import asyncio
import gc
import itertools
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import cast

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    Part,
    Usage,
    miniagent,
    partial_text,
    prompt,
)
from miniagents.errors import BudgetExceededError
from miniagents.ext.limits import budget, cache, limit, model_limits, rate_limit
from miniagents.models import ModelAgent, TypedAgent, model_agent
from miniagents.operators import map_agent
from miniagents.testing import scripted_model
from miniagents.values import RateLimit, ResponseHeaders
from tests.support.canaries import PROMPT, shows
from tests.support.sources import Source

GONE = ConnectionError("gone")


def now() -> float:
    """The time of the event loop, in seconds."""
    return asyncio.get_running_loop().time()


class Provider:
    """A model that counts who asks it; each answer takes a while for each of its words.

    Args:
        words: how many words an answer has, each of them a token.
        pace: seconds that a word takes.
        fails: whether each answer breaks at its end.
        headers: what its headers say.
    """

    def __init__(
        self,
        words: int = 1,
        *,
        pace: float = 1.0,
        fails: bool = False,
        headers: ResponseHeaders | None = None,
    ) -> None:
        self.running = self.most = self.asked = self.said = 0
        self.times: list[float] = []

        @model_agent(alias="MODEL")
        async def model(ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()) -> None:
            del tools

            async def parts(metadata: object) -> AsyncGenerator[Part]:
                del metadata
                self.asked += 1
                self.times.append(now())
                self.running += 1
                self.most = max(self.most, self.running)
                try:
                    if headers is not None:
                        yield headers
                    for _ in range(words):
                        await asyncio.sleep(pace)
                        self.said += 1
                        yield "word "
                    yield Usage(1, words)
                    if fails:
                        raise GONE
                finally:
                    self.running -= 1

            ctx.reply(AssistantMessage.promise_of_parts(parts, model="gpt-4o"))

        self.model: ModelAgent[...] = model


async def outcomes(calls: list[MessageSequencePromise[AssistantMessage]]) -> list[object]:
    """The text of each call, or the error that it ended with."""

    async def one(call: MessageSequencePromise[AssistantMessage]) -> object:
        try:
            return str(await call)
        except Exception as error:  # noqa: BLE001 - that is what is asked
            return error

    return list(await asyncio.gather(*map(one, calls)))


# -- at once ---------------------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_messages_of_a_limited_agent_need_no_reader() -> None:
    """The replies of an agent with a limit end, also if a message longer than `prefetch` is not read."""
    for around in (limit(concurrency=1), budget(tokens=100)):
        async with MiniAgents(prefetch=4):
            limited = scripted_model(then="one two three four five six seven").around(around)
            promises = [promise async for promise in limited.inquire("Count.")]
            assert "one two three four five six seven" == str(await promises[0])
            agent = prompt("Count: {text}") | limited
            counted = [str(await each) async for each in map_agent(agent, ordered=False)(["a", "b"])]
            assert ["one two three four five six seven"] * 2 == counted


@pytest.mark.loop(virtual=True)
async def test_a_row_of_a_limited_agent_ends_without_its_reader() -> None:
    """A row whose reader has left at an error goes on to its end, so that the next rows can follow."""
    failing = scripted_model(then=["one ", GONE], delay=1)
    limited = (failing & scripted_model(then="one two three four five six", delay=1)).around(limit(8))
    async with MiniAgents(prefetch=2):
        ended: list[str] = []
        async for replies in map_agent(limited, concurrency=1)(["a", "b"]):
            with pytest.raises(ConnectionError):
                await replies
            ended.append(replies.item)
    assert ["a", "b"] == ended


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("fails", [False, True])
async def test_concurrency(fails: bool) -> None:
    """So many calls stream at once, in the order in which they came, however they end."""
    provider = Provider(2, fails=fails)
    model = provider.model.around(limit(concurrency=3))
    async with MiniAgents():
        calls = [model.inquire("x") for _ in range(7)]
        ended = await outcomes(calls)
    assert ended == [GONE if fails else "word word "] * 7
    assert (provider.most, provider.asked) == (3, 7)
    assert provider.times == [0.0, 0.0, 0.0, 2.0, 2.0, 2.0, 4.0]


@pytest.mark.loop(virtual=True)
async def test_concurrency_and_cancelling() -> None:
    """A call that is cancelled while it waits takes no turn; one that streams gives its turn back at once."""
    provider = Provider(10)
    model = provider.model.around(limit(concurrency=1))
    async with MiniAgents():
        first, second, third = (model.inquire("x") for _ in range(3))
        await asyncio.sleep(1.5)
        second.cancel()
        first.cancel()
        assert str(await third) == "word " * 10
        assert now() == pytest.approx(11.5)
        with pytest.raises(InquiryCancelledError):
            await first
        left = model.inquire("x")
        message = await anext(aiter(left))
        await anext(aiter(message))
        del left, message
        assert str(await model.inquire("y")) == "word " * 10
        assert now() == pytest.approx(22.5)
    assert provider.most == 1


def with_two_calls(agent: MiniAgent) -> MiniAgent:
    """An agent with two calls at once."""
    return agent.around(limit(concurrency=2))


def with_two_reserved(agent: MiniAgent) -> MiniAgent:
    """An agent with a budget that is reserved for two calls."""
    return agent.around(budget(tokens=100, reserve=50))


@pytest.mark.parametrize("limited", [with_two_calls, with_two_reserved])
def test_event_loops_of_several_threads(limited: Callable[[MiniAgent], MiniAgent]) -> None:
    """Calls of several event loops, each on a thread of its own, share a limit: all are made, two at once."""
    running: set[object] = set()
    at_once: list[int] = []

    @miniagent
    async def busy(ctx: InteractionContext) -> None:
        running.add(ctx)
        at_once.append(len(running))
        await asyncio.sleep(0.001)
        running.remove(ctx)
        ctx.reply("done")

    model = limited(busy)

    async def calls() -> list[str]:
        async with asyncio.timeout(20):
            return [str(each) for each in await asyncio.gather(*[model.inquire() for _ in range(5)])]

    with ThreadPoolExecutor(4) as pool:
        answers = [pool.submit(lambda: MiniAgents().run(calls())) for _ in range(8)]
    assert [["done"] * 5] * 8 == [each.result() for each in answers]
    assert (40, 2) == (len(at_once), max(at_once))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("streams", ["a message", "many messages"])
async def test_a_reader_that_leaves(streams: str) -> None:
    """What a limit is around is stopped when its last reader leaves, and the next call has its turn."""

    @miniagent
    async def endless(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(source) if streams == "a message" else source())

    limited = {
        "limit": endless.around(limit(concurrency=1)),
        "rate_limit": endless.around(rate_limit(requests_per_minute=6_000)),
        "budget": endless.around(budget(tokens=1_000_000)),
    }
    gc.disable()  # what only it would let go counts as held
    try:
        for name, agent in limited.items():
            source = Source(["a", "b"], hold_at=1)
            async with MiniAgents():
                for calls in (1, 2):
                    await asyncio.wait_for(_first_token(agent.inquire("Hi")), 5)
                    await asyncio.sleep(0.1)
                    assert (name, calls, calls) == (name, source.runs, source.closed)
    finally:
        gc.enable()


async def _first_token(replies: MessageSequencePromise[Message]) -> str:
    async for message in replies:
        async for token in message:
            return token
    raise AssertionError("no token")


def test_no_concurrency() -> None:
    """A limit that lets nothing go is refused."""
    with pytest.raises(ValueError, match=r"limit\(concurrency=0\): it must be at least 1\."):
        limit(concurrency=0)


class City(BaseModel):
    """A city."""

    name: str


async def test_classes_are_kept() -> None:
    """An agent keeps its class behind each limit."""
    typed = scripted_model('{"name": "Oslo"}').as_type(City)
    limited = typed.around(limit(1)).around(rate_limit()).around(budget(tokens=100))
    assert isinstance(limited, TypedAgent)
    async with MiniAgents():
        assert (await limited.inquire("?").parsed).name == "Oslo"


# -- in a minute -----------------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
async def test_requests_per_minute() -> None:
    """Calls are spread over the minute, shared by all agents that the limit goes around."""
    provider = Provider()
    shared = rate_limit(requests_per_minute=120)
    one, two = provider.model.around(shared), (provider.model.around(shared))
    async with MiniAgents():
        await outcomes([agent.inquire("x") for _ in range(5) for agent in (one, two)])
    assert provider.times == pytest.approx([0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0])


@pytest.mark.loop(virtual=True)
async def test_tokens_per_minute() -> None:
    """What calls cost is estimated before them, and settled by what they told: the minute's tokens hold."""
    provider = Provider(59, pace=0)  # and one token of its prompt
    model = provider.model.around(rate_limit(tokens_per_minute=60, estimate=1))
    async with MiniAgents():
        await model.inquire("x")  # costs 60 and was estimated at 1
        begun = now()
        await model.inquire("x")
    assert provider.times[1] - begun == pytest.approx(59, abs=1.5)


@pytest.mark.loop(virtual=True)
async def test_headers() -> None:
    """What the provider says in its headers holds for the next calls, while the answer still streams."""
    told = ResponseHeaders(200, requests=RateLimit(limit=600, remaining=0, resets_in=30.0))
    provider = Provider(100, headers=told)
    model = provider.model.around(rate_limit())
    async with MiniAgents():
        replies = model.inquire("x")
        await asyncio.sleep(1)
        model.inquire("x")
        await asyncio.sleep(60)
        assert provider.times == [0.0, pytest.approx(30.0)]
        del replies


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("sent", "answered", "seconds"), [(600, 6_000, 0.1), (6_000, 600, 1.0), (60, 60, 1.0)]
)
async def test_headers_tell_sent_and_answered(sent: int, answered: int, seconds: float) -> None:
    """The limits of tokens that are sent and of those that are answered hold each by itself."""
    told = ResponseHeaders(
        200,
        requests=RateLimit(limit=6_000),
        input_tokens=RateLimit(limit=sent),
        output_tokens=RateLimit(limit=answered),
    )
    words = 1 if sent == answered else 10
    provider = Provider(words, pace=0, headers=told)
    model = provider.model.around(rate_limit(estimate=1))
    async with MiniAgents():
        await outcomes([model.inquire("x") for _ in range(3)])
        await outcomes([model.inquire("x") for _ in range(40)])
    gaps = [later - earlier for earlier, later in itertools.pairwise(provider.times[20:])]
    assert sum(gaps) / len(gaps) == pytest.approx(seconds, rel=0.05)


# -- in all ----------------------------------------------------------------------------------------------


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("reserve", [None, 10, 50])
async def test_concurrent_calls_cannot_pass_a_budget(reserve: int | None) -> None:
    """Of many calls at once so many are made as the budget allows, whatever is set aside for each."""
    provider = Provider(9)  # 10 tokens with the prompt
    shared = budget(tokens=50, reserve=reserve)
    model = provider.model.around(shared)
    async with MiniAgents():
        ended = await outcomes([model.inquire("x") for _ in range(20)])
    texts = [each for each in ended if isinstance(each, str)]
    assert texts == ["word " * 9] * 5
    errors = [each for each in ended if isinstance(each, BudgetExceededError)]
    assert len(errors) == 15
    assert {str(error) for error in errors} == {"The budget of 50 tokens is spent: 50 tokens."}
    assert {error.tokens for error in errors} == {50}
    assert shared.spent == 50
    assert provider.asked == 5


@pytest.mark.loop(virtual=True)
async def test_an_answer_that_grows_too_long() -> None:
    """An answer that grows beyond what is left is stopped upstream, with what had come."""
    provider = Provider(10_000)
    model = provider.model.around(budget(tokens=100))
    async with MiniAgents():
        with pytest.raises(BudgetExceededError) as caught:
            await model.inquire("x")
        assert 100 < provider.said <= 100 + 2 * 16
        assert caught.value.tokens > 100
        assert len(partial_text(caught.value).split()) == provider.said
        await asyncio.sleep(1)
        assert provider.running == 0
        with pytest.raises(BudgetExceededError, match=r"The budget of 100 tokens is spent"):
            await model.inquire("x")
        assert provider.asked == 1


@pytest.mark.loop(virtual=True)
async def test_what_is_given_back() -> None:
    """What a call did not use is given back when it has ended, also if it failed or was cancelled."""
    provider, failing = Provider(9), Provider(9, fails=True)
    shared = budget(tokens=100, reserve=60)
    async with MiniAgents():
        first = failing.model.around(shared).inquire("x")
        second = provider.model.around(shared).inquire("x")
        await asyncio.sleep(1)
        assert (failing.asked, provider.asked) == (1, 0), "only one of them fits"
        with pytest.raises(ConnectionError):
            await first
        assert str(await second) == "word " * 9
        third = provider.model.around(shared).inquire("x")
        await asyncio.sleep(3.5)
        third.cancel()
        await asyncio.sleep(1)
        assert shared.spent == 20 + 3, "three words had come"
        assert shared.left == 100 - shared.spent


@pytest.mark.loop(virtual=True)
async def test_all_that_an_agent_asks() -> None:
    """A budget around an agent holds for all models that it asks, and stops what it is doing."""
    provider = Provider(19)

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        for _ in range(10):
            ctx.reply(await provider.model.inquire(ctx.messages))

    async with MiniAgents():
        with pytest.raises(BudgetExceededError):
            await asking_agent.around(budget(tokens=50)).inquire("x")
    assert provider.asked == 3


@pytest.mark.loop(virtual=True)
async def test_dollars() -> None:
    """A budget of money holds by the price of what models tell; a model without a price is an error."""
    provider = Provider(9)
    model = provider.model.around(budget(dollars="0.0003"))  # 9 * 10 + 1 * 2.5 dollars for a million
    async with MiniAgents():
        for _ in range(3):
            await model.inquire("x")
        with pytest.raises(BudgetExceededError) as caught:
            await model.inquire("x")
        assert caught.value.dollars == Decimal("0.00037")
        assert caught.value.tokens == 30, "of the calls that have ended"
        answer = AssistantMessage("x", model="unheard-of", usage=Usage(1, 1))
        unknown = scripted_model(answer, answer).around(budget(dollars=1))
        for _ in range(2):  # as soon as it has told what it used, and from then on
            with pytest.raises(LookupError, match="The price of unheard-of is not known"):
                await unknown.inquire("x")
        priced = scripted_model(answer).around(
            budget(dollars=1, price=lambda usage, model, provider: Decimal("0.5"))
        )
        assert str(await priced.inquire("x")) == "x"


@pytest.mark.loop(virtual=True)
async def test_a_price_that_fails() -> None:
    """If the function of prices fails, or returns no Decimal, each call ends with an error that says so."""

    def as_float(usage: Usage, _: str, __: str | None) -> Decimal | None:
        return cast("Decimal", 1e-6 * (usage.output_tokens or 0))

    def broken(_: Usage, name: str, __: str | None) -> Decimal | None:
        return Decimal(int(name))

    for price in (as_float, broken):
        model = scripted_model(then=AssistantMessage("x", model="m", usage=Usage(1, 1)))
        async with MiniAgents():
            limited = model.around(budget(dollars=1, price=price))
            for _ in range(2):
                with pytest.raises(LookupError, match=r"price failed with (TypeError|ValueError): "):
                    await limited.inquire("x")


def test_no_numbers() -> None:
    """A number of a limit that is a text, or no number at all, is refused at once."""
    text, day = cast("float", "500"), cast("float", timedelta(days=1))
    for make in (rate_limit, model_limits):
        with pytest.raises(TypeError, match=r"requests_per_minute='500': give a number\."):
            make(requests_per_minute=text)
    with pytest.raises(TypeError, match=r"cache\(ttl=.*\): give a number of seconds\."):
        cache(ttl=day)
    with pytest.raises(TypeError, match=r"cache\(max_entries='500'\): give an integer\."):
        cache(max_entries=cast("int", text))


def test_no_budget() -> None:
    """A budget of nothing, of both or of neither is refused."""
    with pytest.raises(ValueError, match="exactly one of tokens= and dollars="):
        budget()
    with pytest.raises(ValueError, match="exactly one of tokens= and dollars="):
        budget(tokens=1, dollars=1)
    with pytest.raises(ValueError, match="The budget is 0, which allows nothing"):
        budget(tokens=0)
    with pytest.raises(ValueError, match="The budget is -1, which allows nothing"):
        budget(dollars="-1")
    with pytest.raises(ValueError, match="The reserve is 0, which allows nothing"):
        budget(tokens=5, reserve=0)


@pytest.mark.loop(virtual=True)
async def test_nothing_is_kept() -> None:
    """Calls that have ended leave nothing behind in a limit."""
    provider = Provider()
    model = provider.model.around(limit(5)).around(rate_limit()).around(budget(tokens=10**6))
    async with MiniAgents():
        for _ in range(50):
            await model.inquire("x")
        gc.collect()
        kept = [each for each in gc.get_objects() if type(each).__name__ in {"WatchedCall", "RunInfo"}]
        assert len(kept) <= 3


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("how", ["done", "failed", "cancelled", "spent"])
async def test_limits_of_one_request(how: str) -> None:
    """A limit that is made for one call is told of nothing after it, however the call ended."""
    provider = Provider(fails=how == "failed")
    async with MiniAgents(app_wide=True) as app:
        for _ in range(3):
            spending = budget(tokens=1 if how == "spent" else 1000)
            model = provider.model.around(spending).around(rate_limit(requests_per_minute=1000))
            replies = model.inquire("x")
            await asyncio.sleep(0.5)
            if how == "cancelled":
                replies.cancel()
            with suppress(ConnectionError, InquiryCancelledError, BudgetExceededError):
                await replies
                await model.inquire("y")
            await asyncio.sleep(5)
            assert app.observers is None


@pytest.mark.loop(virtual=True)
async def test_a_limit_of_nested_contexts() -> None:
    """A limit that is used in a context and in one within it counts each call once."""
    spending = budget(tokens=1000)
    provider = Provider(words=4)
    model = provider.model.around(spending)
    async with MiniAgents():
        outer = model.inquire("x")
        async with MiniAgents():
            inner = [model.inquire("y"), model.inquire("z")]
            await asyncio.gather(outer, *inner)
    alone = budget(tokens=1000)
    async with MiniAgents():
        for _ in range(3):
            await Provider(words=4).model.around(alone).inquire("x")
    assert alone.left == spending.left < 1000


@pytest.mark.loop(virtual=True)
async def test_an_unknown_price_quotes_no_server() -> None:
    """The error about a price that is not known tells no text that a server put in place of a name."""
    answer = AssistantMessage("x", model=PROMPT, usage=Usage(1, 1))
    model = scripted_model(then=answer).around(budget(dollars=1))
    async with MiniAgents():
        ended = await outcomes([model.inquire("x") for _ in range(2)])
    errors = [each for each in ended if isinstance(each, LookupError)]
    assert 2 == len(errors)
    for error in errors:
        assert str(error).startswith("The price of a model without a name is not known")
        assert shows(error) == []
