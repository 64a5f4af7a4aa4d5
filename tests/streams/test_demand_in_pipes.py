"""Demand goes through every operator: the seven rules, and how far sources run ahead."""

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from typing import Any

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import Message, MessageSequencePromise, MiniAgents
from miniagents.operators import map_async, share_bounded
from miniagents.streams import Overflow, StreamedPromise, from_async, to_async_iter
from miniagents.testing import scripted_model, virtual_time
from tests.support.docs_pages import ROOT
from tests.support.piped import PIPES, READ, UNLIMITED, beyond, echo_agent

UNDER_WAY = {"map_async": 1, "merge(max_concurrent=2)": 2}  # calls and inner sources, which are added
ON_THEIR_WAY = 2  # items, beyond those that wait for the reader
PASSES_ON = "`prefetch`, and a few that are on their way"
PACES = ((0.0, 0.0), (0.0, 0.001), (0.001, 0.0))
"""Pauses of source and reader: none, a slow reader, a slow source."""


class Made:
    """A source that counts what it has made.

    Attributes:
        made: how many items.
        closed: whether it was closed.
    """

    def __init__(self, most: int = 1_000) -> None:
        self.made = 0
        self.closed = False
        self._most = most

    async def __aiter__(self) -> AsyncIterator[int]:
        try:
            for number in range(self._most):
                self.made += 1
                yield number
                await asyncio.sleep(0)
        finally:
            self.closed = True

    @property
    def observable(self) -> Observable[int]:
        """The source as an Observable."""
        return from_async(self)


async def read(items: AsyncGenerator[Any], count: int) -> list[Any]:
    """Read so many items."""
    return [await anext(items) for _ in range(count)]


async def settle() -> None:
    """Give everything its turns."""
    for _ in range(60):
        await asyncio.sleep(0)


@pytest.mark.gate("33 pipes, each at several paces")
@pytest.mark.parametrize("prefetch", [1, 3])
@pytest.mark.parametrize("name", PIPES)
def test_how_far_a_source_runs_ahead(name: str, prefetch: int) -> None:
    """It makes at most twice `prefetch` items that nothing has read, at any pace."""
    if name in UNLIMITED:
        return
    with virtual_time():
        for source, reader in PACES:
            most = 2 * prefetch + UNDER_WAY.get(name, 0)
            assert asyncio.run(beyond(name, prefetch, source, reader)) <= most


def rules() -> dict[str, str]:
    """Return how far the page says that a source runs ahead, by the operator between it and its reader."""
    page = (ROOT / "docs" / "streams.md").read_text(encoding="utf-8")
    rows = page.split("| between the source and the reader | at most |\n|---|---|\n")[1].split("\n\n")[0]
    cells = [row.strip("| ").split(" | ") for row in rows.splitlines()]
    return {name: rule for names, rule in cells for name in re.findall(r"`(\w+)`", names)}


def most_of(rule: str, prefetch: int) -> float:
    """Return how many items a rule of the page allows, without calls that run."""
    if rule == "no limit":
        return float("inf")
    times = 2.0 if rule.startswith("twice") else 1.5 if rule.startswith("1.5 times") else 1.0
    return times * prefetch + ON_THEIR_WAY


@pytest.mark.gate("66 pipes, some with thousands of items")
@pytest.mark.parametrize("prefetch", [1, 3, 1024])
def test_the_table_of_the_page(prefetch: int) -> None:
    """A source runs no further ahead than the page says, whatever the pace."""
    page = rules()
    assert {"map", "combine_latest", "map_async", "chunk", "share"} <= page.keys()
    for name in PIPES.keys() - UNLIMITED:
        most = most_of(page.get(name, PASSES_ON), prefetch) + UNDER_WAY.get(name, 0)
        with virtual_time():
            for source, reader in PACES:
                assert asyncio.run(beyond(name, prefetch, source, reader)) <= most
    assert all(page[name] == "no limit" for name in UNLIMITED)


@pytest.mark.parametrize(("prefetch", "concurrency", "waiting"), [(64, 2, 8), (64, 20, 20), (8, 20, 8)])
@pytest.mark.loop(virtual=True)
async def test_while_only_calls_are_slow(prefetch: int, concurrency: int, waiting: int) -> None:
    """An eighth of `prefetch` waits for calls, or `concurrency` items if that is more."""

    async def call(item: int) -> int:
        await asyncio.sleep(1)
        return item

    source = Made()
    async with MiniAgents(prefetch=prefetch):
        items = to_async_iter(source.observable.pipe(map_async(call, concurrency)))
        for count in range(1, 101):
            await anext(items)
            assert source.made - count <= waiting + concurrency + ON_THEIR_WAY
        await items.aclose()


@pytest.mark.loop(virtual=True)
async def test_rule_1_nothing_unread_holds_nothing() -> None:
    """A source whose items a filter drops runs on: its reader has read everything."""
    source = Made(5_000)
    async with MiniAgents(prefetch=1):
        pipe = source.observable.pipe(ops.filter(lambda n: n == 4_999))
        assert [4_999] == [item async for item in to_async_iter(pipe)]


@pytest.mark.loop(virtual=True)
async def test_rule_2_an_observable_is_read_next() -> None:
    """The newest item is an Observable, whose reader needs the source: a group is read to its end."""
    async with MiniAgents(prefetch=1):
        groups = to_async_iter(Made(30).observable.pipe(ops.group_by(lambda n: n % 3)))
        first = await anext(groups)
        assert list(range(3, 30, 3)) == [item async for item in to_async_iter(first)]


@pytest.mark.loop(virtual=True)
async def test_rule_3_a_task_that_reads_two() -> None:
    """A reader that waits for one pipe releases the others that its task reads."""
    source = Made(50)
    async with MiniAgents(prefetch=1):
        seen: rx.subject.Subject[int] = rx.subject.Subject()
        first = to_async_iter(source.observable.pipe(ops.do_action(seen.on_next)))
        late = to_async_iter(seen.pipe(ops.filter(lambda n: n == 40)))
        reading = asyncio.ensure_future(anext(first))
        await settle()

        async def both() -> int:
            await anext(first)
            return await anext(late)

        async with asyncio.timeout(0.5):
            assert 0 == await reading
            assert 40 == await asyncio.create_task(both())


@pytest.mark.loop(virtual=True)
async def test_rule_3_a_pipe_for_each_item(caplog: pytest.LogCaptureFixture) -> None:
    """A reader that reads another pipe for each item releases no more than 1,024 items of the first one."""
    source = Made(100_000)
    model = scripted_model(then="one two", delay=1.0)
    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str)))
        for _ in range(20):
            answer = model.inquire(await anext(items)).tokens.pipe(ops.map(str.upper))
            assert ["ONE ", "TWO"] == [token async for token in to_async_iter(answer)]
        assert source.made <= 20 + 4 + 1_024 + ON_THEIR_WAY
        await items.aclose()
    assert [] == caplog.records


@pytest.mark.logs("had to wait, because")
@pytest.mark.loop(virtual=True)
async def test_rule_3_what_comes_late() -> None:
    """If what it waits for comes later than that, it comes nevertheless."""
    async with MiniAgents(prefetch=4):
        seen: rx.subject.Subject[int] = rx.subject.Subject()
        items = to_async_iter(Made(5_000).observable.pipe(ops.do_action(seen.on_next)))
        late = to_async_iter(seen.pipe(ops.filter(lambda n: n == 4_000)))
        await anext(items)
        async with asyncio.timeout(20):
            assert 4_000 == await anext(late)
        await items.aclose()


@pytest.mark.parametrize("share", ["share", "publish", "replay"])
@pytest.mark.loop(virtual=True)
async def test_rule_4_a_shared_source_never_waits(share: str) -> None:
    """Sharing has no limit: a slow reader does not disturb the other ones."""
    source = Made(500)
    async with MiniAgents(prefetch=2):
        connectable = {"share": ops.publish(), "publish": ops.publish(), "replay": ops.replay()}[share]
        shared: Observable[int] = source.observable.pipe(ops.map(lambda n: n), connectable, ops.ref_count())
        slow = to_async_iter(shared)
        assert 0 == await anext(slow)
        seen: list[int] = []
        shared.subscribe(seen.append)
        await asyncio.sleep(1)
        assert 500 == source.made
        assert 499 == seen[-1]
        assert 499 == len([item async for item in slow])


@pytest.mark.loop(virtual=True)
async def test_rule_5_a_reader_that_leaves() -> None:
    """A terminal that leaves releases the sources, also one that something else reads too."""
    source = Made(300)
    async with MiniAgents(prefetch=2):
        items = to_async_iter(source.observable)
        await read(items, 3)
        await settle()
        assert (False, True) == (source.closed, source.made < 10)
        await items.aclose()
        await settle()
        assert source.closed


@pytest.mark.parametrize("policy", [Overflow.drop_oldest, Overflow.fail])
@pytest.mark.logs("unread items were dropped")
@pytest.mark.loop(virtual=True)
async def test_rule_6_dropping_never_waits(policy: Any) -> None:
    """A reader that drops items, or fails at one too many, never holds the source."""
    source = Made(300)
    async with MiniAgents(prefetch=2):
        items = to_async_iter(source.observable, overflow=policy(5))
        await anext(items)
        await settle()
        await asyncio.sleep(1)
        assert source.made > 100 or source.closed
        await items.aclose()


def merged_shares(one: Observable[int], other: Observable[int]) -> Observable[int]:
    """Return the merge of two sources, each behind `share_bounded`."""
    return rx.merge(one.pipe(share_bounded()), other.pipe(share_bounded()))


def merged_replies(one: Observable[int], other: Observable[int]) -> Observable[object]:
    """Return the merge of what two agents reply."""
    return rx.merge(one.pipe(ops.map(str), echo_agent), other.pipe(ops.map(str), echo_agent))


def last_ones(one: Observable[int], other: Observable[int]) -> Observable[int]:
    """Return the last items of two sources, which come at their end."""
    return rx.merge(one, other).pipe(ops.concat_map(lambda number: rx.of(number, number)), ops.take_last(30))


JOINED: Mapping[str, tuple[Callable[[Observable[int], Observable[int]], Observable[object]], int]] = {
    "merge": (rx.merge, 80),
    "merge of shared ones": (merged_shares, 80),
    "merge of replies": (merged_replies, 80),
    "zip": (rx.zip, 40),
    "the last ones": (last_ones, 30),
}


@pytest.mark.parametrize("name", JOINED)
@pytest.mark.parametrize("capacity", [1, 2, 7])
@pytest.mark.loop(virtual=True)
async def test_rule_6_blocking_waits(name: str, capacity: int) -> None:
    """Sources that can wait do so for `block`, also several: every item comes, at any pace of the reader."""
    join, count = JOINED[name]
    async with MiniAgents(prefetch=4):
        pipe = join(Made(40).observable, Made(40).observable)
        items: list[object] = []
        async for item in to_async_iter(pipe, overflow=Overflow.block(capacity)):
            items.append(item)
            await asyncio.sleep(0.1 * (len(items) % 3))
    assert count == len(items)


@pytest.mark.parametrize("capacity", [1, 2, 7])
@pytest.mark.loop(virtual=True)
async def test_rule_6_each_source_looks_after_each_item(capacity: int) -> None:
    """Of several sources before `block`, each makes at most one item for which there is no space."""
    sources = [Made(40) for _ in range(3)]
    items = to_async_iter(rx.merge(*(each.observable for each in sources)), overflow=Overflow.block(capacity))
    await anext(items)
    await asyncio.sleep(5)
    assert sum(each.made for each in sources) <= 1 + capacity + len(sources)
    await items.aclose()


@pytest.mark.loop(virtual=True)
async def test_rule_6_blocking_waits_for_ever(caplog: pytest.LogCaptureFixture) -> None:
    """A reader with `block` may take as long as it wants for one item, whatever it waits for meanwhile."""
    source = Made(20)
    items = to_async_iter(source.observable, overflow=Overflow.block(4))
    assert 0 == await anext(items)
    await driver(3_600)
    assert 1 + 4 == source.made
    assert list(range(1, 20)) == [item async for item in items]
    assert [] == caplog.records


@pytest.mark.logs("had to wait, because")
@pytest.mark.parametrize("prefetch", [1, 3, 64])
def test_rule_7_a_default_never_hangs(prefetch: int, caplog: pytest.LogCaptureFixture) -> None:
    """A reader that waits for what a later item brings gets it; one warning names the pipe."""
    caplog.set_level(logging.WARNING)

    async def sleep(until: asyncio.Future[None]) -> None:
        """Wait in a function that has only the name of `asyncio.sleep`."""
        await until

    async def main() -> None:
        far: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def look(number: int) -> None:
            if number == 700:
                far.set_result(None)

        async with MiniAgents(prefetch=prefetch):
            items = to_async_iter(Made(1_000).observable.pipe(ops.do_action(look)))
            assert 0 == await anext(items)
            await sleep(far)
            assert list(range(1, 1_000)) == [item async for item in items]

    with virtual_time():
        asyncio.run(main())
    assert 1 == len(caplog.records)
    assert "from_async(Made) had to wait, because" in caplog.text


def five_times(digit: str) -> Observable[str]:
    """Return a digit five times."""
    return rx.from_iterable([digit] * 5)


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("prefetch", [1, 2, 3, 8])
async def test_a_held_stream_goes_on(prefetch: int) -> None:
    """However many items a stream becomes in a pipe, its reader gets all of them."""

    async def digits() -> AsyncIterator[str]:
        for digit in "0123456789":
            yield digit

    async with MiniAgents(prefetch=prefetch):
        pipe = StreamedPromise(digits).pieces.pipe(ops.flat_map(five_times))
        assert 50 == len([digit async for digit in to_async_iter(pipe)])


def passed_on(text: str) -> MessageSequencePromise[Message]:
    """Return ten messages that a pipe passes on."""
    ten = MessageSequencePromise([Message(text) for _ in range(10)])
    return MessageSequencePromise(ten.messages.pipe(ops.map(lambda message: message)))


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("text", ["a", ""])
async def test_messages_that_a_pipe_holds(text: str) -> None:
    """They go on for a pipe that emits nothing before its end, and for a reader of tokens that have none."""
    async with MiniAgents(prefetch=3):
        collected = passed_on(text).messages.pipe(ops.take_last(10))
        assert 10 == len(await MessageSequencePromise(collected))
        assert 10 * text == "".join([token async for token in passed_on(text).tokens])


@pytest.mark.loop(virtual=True)
async def test_a_slow_reader_is_not_impatience(caplog: pytest.LogCaptureFixture) -> None:
    """A reader that sleeps for hours opens nothing."""
    source = Made()
    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str)))
        for _ in range(20):
            await anext(items)
            await asyncio.sleep(3_600)
        assert source.made <= 28
        await items.aclose()
    assert [] == caplog.records


async def driver(seconds: float) -> None:
    """Wait as for a database, a socket or a thread: for a Future, which is no sleep."""
    done = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().call_later(seconds, done.set_result, None)
    await done


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("overflow", [None, Overflow(capacity=4, policy="block")], ids=str)
@pytest.mark.parametrize("seconds", [0.05, 1.0])
async def test_a_reader_that_waits_for_each_item(
    seconds: float, overflow: Overflow | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A reader that takes item after item does not stand still, whatever it waits for in between."""
    source = Made()
    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str)), overflow=overflow)
        for _ in range(200):
            await anext(items)
            await driver(seconds)
        assert source.made <= 208
        await items.aclose()
    assert [] == caplog.records


@pytest.mark.loop(virtual=True)
async def test_a_reader_that_awaits_slow_answers(caplog: pytest.LogCaptureFixture) -> None:
    """A reader that awaits what a model takes hours for, item after item, opens nothing."""
    source = Made()
    model = scripted_model(then="so", delay=3_600.0)
    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str)))
        for _ in range(20):
            await model.inquire(await anext(items))
            await model.inquire("again").tokens
            async for message in model.inquire("again"):
                await message
        assert source.made <= 28
        await items.aclose()
    assert [] == caplog.records


@pytest.mark.loop(virtual=True)
async def test_a_reader_of_slow_tokens(caplog: pytest.LogCaptureFixture) -> None:
    """A reader that reads for each item what a model takes hours to write, token by token, opens nothing."""
    source = Made()
    model = scripted_model(then="one two", delay=3_600.0)

    async def shouted(text: str) -> AsyncIterator[str]:
        async for token in model.inquire(text).tokens:
            yield token.upper()

    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str)))
        for _ in range(20):
            assert ["ONE ", "TWO"] == [token async for token in shouted(await anext(items))]
        assert source.made <= 28
        await items.aclose()
    assert [] == caplog.records


async def test_a_thread_of_a_reader() -> None:
    """A thread that the reader of a pipe has begun may begin to read what is complete, without a loop."""
    async with MiniAgents():
        answer = scripted_model("Hello").inquire("Hi")
        await answer
        async for _ in to_async_iter(Made(1).observable.pipe(ops.map(str))):
            reader = await asyncio.to_thread(aiter, answer.tokens)
            assert "Hello" == await anext(reader)
            await reader.aclose()


@pytest.mark.loop(virtual=True)
async def test_a_slow_reader_behind_an_agent(caplog: pytest.LogCaptureFixture) -> None:
    """A reader of what an agent replies that sleeps for hours opens nothing in front of the agent."""
    source = Made()
    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str), echo_agent))
        for _ in range(20):
            await anext(items)
            await asyncio.sleep(3_600)
        assert source.made <= 28
        await items.aclose()
    assert [] == caplog.records


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("share_bounded had to wait")
async def test_a_reader_of_a_stream_of_the_same_source() -> None:
    """A reader that waits for a stream of ours, which a later item of its own pipe writes, gets that item."""
    async with MiniAgents(prefetch=4):
        numbers = Made(400).observable.pipe(share_bounded(pace="slowest"), ops.map(str))
        rest = echo_agent.inquire(numbers.pipe(ops.filter(lambda number: number == "50")))
        items = to_async_iter(numbers)
        assert "0" == await anext(items)
        assert "50" == (await (await anext(aiter(rest)))).text
        await items.aclose()


@pytest.mark.loop(virtual=True)
async def test_a_context_that_ends_lets_sources_run() -> None:
    """Nothing is paused while a context drains."""
    source = Made()
    async with MiniAgents(prefetch=4):
        items = to_async_iter(source.observable.pipe(ops.map(str)))
        await anext(items)
    assert 1_000 == source.made
    assert 999 == len([item async for item in items])


@pytest.mark.loop(virtual=True)
async def test_outside_of_a_context() -> None:
    """The same holds without a `MiniAgents`, with 1,024 items."""
    source = Made(10_000)
    items = to_async_iter(source.observable.pipe(ops.map(str)))
    await read(items, READ)
    await asyncio.sleep(5)
    assert source.made <= READ + 2 * 1024
    await items.aclose()


@pytest.mark.loop(virtual=True)
async def test_nothing_is_left_of_a_held_source() -> None:
    """A reader that leaves while a source waits leaves no task and no timer."""
    items = to_async_iter(Made(10_000).observable.pipe(ops.map(str)))
    await anext(items)
    await asyncio.sleep(5)
    await items.aclose()
    await settle()
    assert 1 == len(asyncio.all_tasks())
