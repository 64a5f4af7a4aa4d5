"""`map_agent`: bounds, order, errors, leaving, and replies that know their item."""

import asyncio
import gc
import tracemalloc
import weakref
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from threading import Thread
from typing import cast

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from pydantic import BaseModel
from reactivex import Observable, operators as ops
from typing_extensions import override

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgents,
    Promise,
    StreamOverflowError,
    identity,
    miniagent,
)
from miniagents.errors import MessageValidationError
from miniagents.observers import Observer, RunBegan, RunEvent
from miniagents.operators import Overflow, flatten, map_agent, resolve, to_async_iter
from miniagents.operators._map_agent import ItemReplies
from tests.support.sources import Source, turns


async def test_it_is_the_promise_with_its_item() -> None:
    """It shows the stream of the promise it is made of, and knows the item and its place."""
    async with MiniAgents():
        promise = MessageSequencePromise(["a", "b"])
        replies = ItemReplies.to("question", 7, promise)
        assert ("question", 7) == (replies.item, replies.index)
        assert await promise == await replies
        assert isinstance(replies, MessageSequencePromise)


async def test_it_is_taken_where_messages_are() -> None:
    """It can be given wherever messages are taken."""
    async with MiniAgents():
        replies = ItemReplies.to(1, 0, MessageSequencePromise("a"))
        assert "a" == str(await MessageSequencePromise([replies]))


async def test_handlers_are_told_once() -> None:
    """What has been announced is not announced again because it has an item."""
    told: list[object] = []

    async def tell(promise: Promise[object], result: object) -> None:
        told.append(result)

    async with MiniAgents(on_promise_resolved=tell):
        replies = ItemReplies.to("question", 0, MessageSequencePromise(Message("a")))
        await replies
    assert [Message("a"), (Message("a"),)] == told


@dataclass(eq=False)
class Desk:
    """Where inquiries wait to be let go, and where is written down what became of them.

    Attributes:
        begun: the texts, in the order in which they were begun.
        most: how many were under way at the same time.
        gates: an inquiry with a gate of its text waits for it.
        cancelled: those that were cancelled.
    """

    begun: list[str] = field(default_factory=list[str])
    cancelled: list[str] = field(default_factory=list[str])
    gates: dict[str, asyncio.Event] = field(default_factory=dict[str, asyncio.Event])
    under_way: int = 0
    most: int = 0

    def gate(self, *texts: str) -> None:
        """Make these wait."""
        self.gates.update({text: asyncio.Event() for text in texts})


@miniagent
async def desk_agent(ctx: InteractionContext, desk: Desk) -> None:
    """Replies the text twice, in between it waits at its gate; fails if the text says so."""
    text = str(await ctx.messages)
    desk.begun.append(text)
    desk.under_way += 1
    desk.most = max(desk.most, desk.under_way)
    ctx.reply(text)
    try:
        await asyncio.sleep(0)
        if text in desk.gates:
            await desk.gates[text].wait()
    except asyncio.CancelledError:
        desk.cancelled.append(text)
        raise
    finally:
        desk.under_way -= 1
    if text.startswith("bad"):
        raise ValueError(text)
    ctx.reply(text)


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Replies what it was sent."""
    ctx.reply(await ctx.messages)


class Answer(Message):
    """A typed reply."""

    n: int


class Question(Message):
    """A typed item."""

    n: int


@miniagent
async def typed_agent(ctx: InteractionContext[Question, Answer]) -> None:
    """Replies the number of each question."""
    for question in await ctx.messages:
        ctx.reply(Answer(n=getattr(question, "n", 0)))


async def texts(replies: ItemReplies[object, Message]) -> list[str]:
    """Return the texts of the replies to one item."""
    return [str(message) for message in await replies]


@given(st.lists(st.text(max_size=3), max_size=12), st.integers(1, 5), st.booleans())
async def test_one_inquiry_an_item(items: list[str], concurrency: int, ordered: bool) -> None:
    """Every item is asked once; its replies know it and its place; never are more under way than allowed."""
    desk = Desk()
    async with MiniAgents():
        mapped = map_agent(desk_agent.bind(desk=desk), concurrency, ordered)(items)
        got = [(replies.index, replies.item, await texts(replies)) async for replies in mapped]
    expected = [(index, item, [item, item]) for index, item in enumerate(items)]
    assert expected == (got if ordered else sorted(got))
    assert items == desk.begun
    assert desk.most <= concurrency


async def test_as_many_at_once_as_allowed() -> None:
    """While one item is slow the others go on, up to the number that is allowed."""
    desk = Desk()
    desk.gate("a")
    async with MiniAgents():
        stream = map_agent(desk_agent.bind(desk=desk), concurrency=2)(["a", "b", "c", "d"])
        first = await anext(stream)
        await turns(30)
        assert (["a", "b", "c", "d"], 2) == (desk.begun, desk.most)
        desk.gates["a"].set()
        assert [["a", "a"], ["b", "b"], ["c", "c"], ["d", "d"]] == [
            await texts(first),
            *[await texts(replies) async for replies in stream],
        ]


async def test_the_first_one_streams() -> None:
    """In the order of the items, replies can be read while they are being written."""
    desk = Desk()
    desk.gate("a")
    async with MiniAgents():
        async for replies in map_agent(desk_agent.bind(desk=desk))(["a"]):
            messages = aiter(replies)
            assert "a" == str(await (await anext(messages)))
            desk.gates["a"].set()
            assert "a" == str(await (await anext(messages)))


async def test_as_they_are_complete() -> None:
    """Without order, what is complete comes first."""
    desk = Desk()
    desk.gate("slow")
    async with MiniAgents():
        stream = map_agent(desk_agent.bind(desk=desk), ordered=False)(["slow", "fast"])
        first = await anext(stream)
        assert ("fast", 1, True) == (first.item, first.index, first.done)
        desk.gates["slow"].set()
        assert ["slow"] == [replies.item async for replies in stream]


@pytest.mark.parametrize("ordered", [True, False])
async def test_a_failing_item_is_an_error_in_its_place(ordered: bool) -> None:
    """The items behind a failing one still arrive; its replies raise the very error, after what came."""
    outcomes: list[tuple[str, object]] = []
    async with MiniAgents():
        async for replies in map_agent(desk_agent.bind(desk=Desk()), 2, ordered)(["a", "bad", "c"]):
            try:
                outcomes.append((replies.item, await texts(replies)))
            except ValueError as error:
                outcomes.append((replies.item, str(error)))
    expected = [("a", ["a", "a"]), ("bad", "bad"), ("c", ["c", "c"])]
    assert expected == (outcomes if ordered else sorted(outcomes, key=lambda outcome: outcome[0]))


async def test_the_first_failing_item_ends_all() -> None:
    """With `on_error="stop"` its error comes in its place; what is under way is cancelled."""
    desk = Desk()
    desk.gate("slow", "bad", "c")
    items: list[str] = []
    async with MiniAgents():
        stream = map_agent(desk_agent.bind(desk=desk), 3, on_error="stop")(["slow", "bad", "c", "d"])
        reading = asyncio.ensure_future(_keep(items, stream))
        await turns(10)
        assert ["slow", "bad", "c"] == desk.begun
        desk.gates["bad"].set()
        await turns(10)
        assert not reading.done()
        desk.gates["slow"].set()
        with pytest.raises(ValueError, match="bad"):
            await reading
        await turns()
        assert (["slow"], ["slow", "bad", "c"], ["c"]) == (items, desk.begun, desk.cancelled)


async def test_the_first_to_fail_ends_all() -> None:
    """Without order, the item that fails first ends all, though one before it is under way."""
    desk = Desk()
    desk.gate("slow")
    items: list[str] = []
    async with MiniAgents():
        agent = desk_agent.bind(desk=desk)
        with pytest.raises(ValueError, match="bad"):
            await _keep(items, map_agent(agent, ordered=False, on_error="stop")(["slow", "bad"]))
        await turns()
        assert ([], ["slow"]) == (items, desk.cancelled)


async def _keep(items: list[str], stream: AsyncGenerator[ItemReplies[str, Message]]) -> None:
    async for replies in stream:
        items.append(replies.item)  # noqa: PERF401 - what came before an error stays


async def test_break_cancels_what_is_under_way() -> None:
    """`break` closes the source and cancels the runs, but for the one that somebody holds."""
    desk = Desk()
    desk.gate("a", "b", "c")
    source = Source(["a", "b", "c", "d"])
    async with MiniAgents():
        held: list[ItemReplies[str, Message]] = []
        async for replies in map_agent(desk_agent.bind(desk=desk), concurrency=3)(source):
            await turns(5)
            assert ["a", "b", "c"] == desk.begun
            held.append(replies)
            break
        await turns(5)
        assert (["b", "c"], 1, 3) == (sorted(desk.cancelled), source.closed, source.produced)
        desk.gates["a"].set()
        assert ["a", "a"] == await texts(held[0])


async def test_dropped_on_another_thread() -> None:
    """A reader that another thread drops (by a garbage collection) ends on its loop what is under way."""
    desk = Desk()
    desk.gate("a", "b")
    source = Source(["a", "b", "c"])
    async with MiniAgents():
        readers = [map_agent(desk_agent.bind(desk=desk), concurrency=2)(source)]
        held = await anext(readers[0])
        await turns(5)
        thread = Thread(target=readers.clear)
        thread.start()
        thread.join()
        await turns(5)
        assert (["b"], 1, 2) == (desk.cancelled, source.closed, source.produced)
        desk.gates["a"].set()
        assert ["a", "a"] == await texts(held)


async def test_cancelling_the_reader() -> None:
    """A reader that is cancelled takes the runs and the source with it, also those it had let go."""
    desk = Desk()
    desk.gate("a", "b")
    source = Source(["a", "b", "c"])

    async def read() -> None:
        async for _ in map_agent(desk_agent.bind(desk=desk), concurrency=2)(source):
            pass

    async with MiniAgents():
        reading = asyncio.ensure_future(read())
        await turns(10)
        reading.cancel()
        await asyncio.wait([reading])
        del reading  # its traceback holds the replies it was looking at
        await turns(10)
        assert (["a", "b"], 1) == (sorted(desk.cancelled), source.closed)


async def test_a_cancelled_run_takes_its_items_with_it() -> None:
    """When the run that maps is cancelled, the runs of its items are, too."""
    desk = Desk()
    desk.gate("a", "b")

    @miniagent
    async def mapping_agent(ctx: InteractionContext) -> None:
        ctx.reply(map_agent(desk_agent.bind(desk=desk))(["a", "b"]))

    async with MiniAgents():
        inquiry = mapping_agent.inquire()
        await turns(20)
        assert ["a", "b"] == desk.begun
        inquiry.cancel()
        await turns(5)
        assert ["a", "b"] == sorted(desk.cancelled)


async def test_unread_replies_run_to_their_end() -> None:
    """A caller who only wants the effects need not read the replies."""
    desk = Desk()
    async with MiniAgents():
        async for _ in map_agent(desk_agent.bind(desk=desk), concurrency=2)(["a", "b", "c"]):
            pass
    assert (["a", "b", "c"], [], 0) == (desk.begun, desk.cancelled, desk.under_way)


async def test_a_half_read_item_is_given_up() -> None:
    """Replies that were dropped after the first one are not written to their end; the next item follows."""
    desk = Desk()
    desk.gate("a")
    async with MiniAgents():
        async for replies in map_agent(desk_agent.bind(desk=desk), concurrency=2)(["a", "b", "c"]):
            async for promise in replies:
                assert replies.item == str(await promise)
                break
    assert (["a", "b", "c"], "a") == (desk.begun, desk.cancelled[0])


async def test_an_error_nobody_read_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """The error of a failing item whose replies are not read is in the log."""
    async with MiniAgents():
        async for _ in map_agent(desk_agent.bind(desk=Desk()))(["bad"]):
            pass
    assert ["No reader ever saw this error: ValueError('bad')"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_an_error_of_the_source_comes_last() -> None:
    """It comes after the items before it, complete though they are not when it is raised."""
    desk = Desk()
    items: list[str] = []
    async with MiniAgents():
        stream = map_agent(desk_agent.bind(desk=desk), ordered=False)(
            Source(["a", "b"], error=OSError("disk"))
        )
        with pytest.raises(OSError, match="disk"):
            await _keep(items, stream)
    assert ["a", "b"] == sorted(items)


async def test_a_wrong_item_is_an_error_in_its_place() -> None:
    """An item that can be no message is an error in its place."""
    async with MiniAgents():
        rows: Iterable[object] = ["a", 1, "b"]
        outcomes: list[object] = []
        async for replies in map_agent(echo_agent).read(Source(rows)):
            try:
                outcomes.append(await texts(replies))
            except TypeError as error:
                outcomes.append((replies.item, str(error).split(";")[0].split(".")[0]))
    assert [["a"], (1, "a value of type int cannot become a message"), ["b"]] == outcomes


@pytest.mark.parametrize("wrong", ["text", {"text": "row"}, Message("row"), 5])
def test_one_value_is_refused(wrong: str) -> None:
    """What is one item and not many is refused where it is given."""
    with pytest.raises(TypeError, match=r"map_agent was given a value of type \w+;.* agent\.inquire"):
        map_agent(echo_agent)(wrong)


def test_what_is_no_agent_is_refused() -> None:
    """Only what can be inquired can be mapped."""
    with pytest.raises(
        TypeError, match=r"map_agent was given a value of type int as its agent; give it an agent."
    ):
        map_agent(5)  # type: ignore[arg-type]


def test_no_concurrency_is_refused() -> None:
    """At least one item must be allowed to be under way."""
    with pytest.raises(ValueError, match="concurrency is 0"):
        map_agent(echo_agent, concurrency=0)


def test_items_in_the_place_of_the_concurrency_are_refused() -> None:
    """Items that are given beside the agent are refused with the form that works."""
    with pytest.raises(TypeError, match=r"of type list; .* map_agent\(agent\)\(items\)"):
        map_agent(echo_agent, ["a"])  # type: ignore[arg-type]


def test_as_an_operator() -> None:
    """In a pipe it is cold, each subscription asks anew; typed by what the agent takes and gives."""
    questions: Observable[Question] = rx.of(Question(n=1), Question(n=2), Question(n=3))
    answers = questions.pipe(map_agent(typed_agent, concurrency=2), flatten(), resolve())
    numbers: Observable[int] = answers.pipe(ops.map(lambda answer: answer.n))
    assert [1, 2, 3] == MiniAgents().run(numbers)
    assert [1, 2, 3] == MiniAgents().run(numbers)


async def test_disposing() -> None:
    """Disposing a subscription cancels what is under way."""
    desk = Desk()
    desk.gate("a", "b")
    async with MiniAgents():
        mapped = rx.of("a", "b").pipe(map_agent(desk_agent.bind(desk=desk)), flatten())
        got: list[MessagePromise[Message]] = []
        subscription = mapped.subscribe(got.append)
        await turns(10)
        got.clear()
        subscription.dispose()
        await turns(5)
        assert ["a", "b"] == sorted(desk.cancelled)


async def test_too_many_items_of_an_observable() -> None:
    """An Observable that pushes more than may wait goes by the policy that was named."""
    async with MiniAgents():
        mapped = rx.range(0, 100).pipe(
            ops.map(str), map_agent(echo_agent, concurrency=1, overflow=Overflow.fail(10))
        )
        with pytest.raises(StreamOverflowError, match="10 unread items"):
            async for _ in to_async_iter(mapped):
                pass


async def test_the_source_is_paused() -> None:
    """No reader, no more than `prefetch` items; each one that is taken lets one more in."""
    source = Source([str(number) for number in range(100)])
    async with MiniAgents(prefetch=10):
        stream = map_agent(echo_agent, concurrency=4)(source)
        first = await anext(stream)
        await turns(100)
        assert 11 == source.produced
        await anext(stream)
        await turns(20)
        assert 12 == source.produced
        assert "0" == str(await first)
        await stream.aclose()
        await turns()
    assert (12, 1) == (source.produced, source.closed)


async def test_the_end_of_the_context_lets_it_run_on() -> None:
    """A paused source goes on when the context drains; what came can be read afterwards."""
    source = Source([str(number) for number in range(30)])
    async with MiniAgents(prefetch=10):
        stream = map_agent(echo_agent, concurrency=2)(source)
        await anext(stream)
    assert 30 == source.produced
    assert [str(number) for number in range(1, 30)] == [replies.item async for replies in stream]


@pytest.mark.loop(debug=False)
@pytest.mark.parametrize("ordered", [True, False])
async def test_long_replies_do_not_hold_up_the_items(ordered: bool) -> None:
    """Replies longer than `prefetch` that are not read yet do not keep an item under way for ever."""

    @miniagent
    async def long_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(Source(["x"] * 100)))

    async with MiniAgents(prefetch=10):
        got = [replies async for replies in map_agent(long_agent, 2, ordered)(["a", "b", "c", "d", "e"])]
        assert [100] * 5 == [len(str(await replies)) for replies in got]


@pytest.mark.gate("asks 4,400 times")
@pytest.mark.loop(timeout=60, debug=False)
async def test_memory_is_flat() -> None:
    """4,000 rows take no more memory than 400 do; if rows or replies were kept it were megabytes more."""

    def rows(count: int) -> Iterator[str]:
        for number in range(count):
            yield f"row {number} " * 10

    async def peak(count: int) -> int:
        gc.collect()
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            read = 0
            async for replies in map_agent(echo_agent)(rows(count)):
                read += len(await replies)
            assert count == read
            return tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()

    async with MiniAgents():
        few, many = await peak(400), await peak(4_000)
    assert many < few * 1.5 + 200_000, f"{few:,} bytes for 400 rows, {many:,} for 4,000"
    print(f"peak of 400 rows {few:,} bytes, of 4,000 rows {many:,}")  # noqa: T201 - the figure of the test


async def test_more_at_once_than_are_kept() -> None:
    """As many items as allowed are under way at once, also where less is kept for slow readers."""
    desk = Desk()
    desk.gate("a", "b", "c", "d", "e")
    async with MiniAgents(prefetch=2):
        stream = map_agent(desk_agent.bind(desk=desk), concurrency=5)(
            "abcdefg"[number] for number in range(7)
        )
        first = asyncio.ensure_future(anext(stream))
        await turns(30)
        assert (["a", "b", "c", "d", "e"], 5) == (desk.begun, desk.most)
        for gate in desk.gates.values():
            gate.set()
        assert "a" == (await first).item
        assert 6 == len([replies async for replies in stream])


class Need(Message):
    """What an agent takes that takes nothing else."""

    n: int


class Row(BaseModel):
    """A row of a table."""

    n: int


class WrongRow(BaseModel):
    """A row without a number."""

    name: str = "x"


@miniagent
async def needing_agent(ctx: InteractionContext[Need, Message]) -> None:
    async for promise in ctx.messages:
        ctx.reply(f"{(await promise).n + 1}")


async def test_rows_are_validated_as_an_inquiry_is() -> None:
    """A row becomes what the agent takes, or is an error in its place, which tells what does not fit."""
    items: list[object] = [Need(n=1), {"n": 2}, Row(n=3), "text", WrongRow(), {"n": "x"}]
    mapped = cast(
        "Callable[[Iterable[object]], AsyncGenerator[ItemReplies[object, Message]]]", map_agent(needing_agent)
    )
    told: list[str] = []
    async with MiniAgents():
        async for replies in mapped(items):
            try:
                told.append(str(await replies))
            except MessageValidationError as error:
                told.append(str(error))
    assert ["2", "3", "4"] == told[:3]
    assert ["Need", "Need", "Need"] == [text.split(" takes ")[1][:4] for text in told[3:]]
    assert ["n: Field required", "n: Field required"] == [text[-17:] for text in told[3:5]]
    assert "n: " in told[5]


async def test_a_row_is_what_it_was() -> None:
    """Also a row of a class of its own, and one of a model that is no message."""
    items: list[Need | Row] = [Need(n=1), Row(n=2)]
    async with MiniAgents():
        assert items == [replies.item async for replies in map_agent(identity)(items)]


@pytest.mark.loop(virtual=True)
@given(
    keys=st.lists(st.sampled_from("abc"), max_size=14),
    concurrency=st.integers(1, 4),
    ordered=st.booleans(),
    prefetch=st.integers(1, 5),
)
async def test_rows_of_one_key(keys: list[str], concurrency: int, ordered: bool, prefetch: int) -> None:
    """Rows of one key run one after the other, in their order; no more than `concurrency` run at once."""
    running: list[str] = []
    begun: list[int] = []
    most = 0

    @miniagent
    async def work(ctx: InteractionContext) -> None:
        nonlocal most
        number = int(str(await ctx.messages))
        assert keys[number] not in running
        running.append(keys[number])
        begun.append(number)
        most = max(most, len(running))
        await asyncio.sleep(1 + number % 3)
        running.remove(keys[number])
        ctx.reply(str(number))

    def key_of(row: str) -> str:
        return keys[int(row)]

    async with MiniAgents(prefetch=prefetch):
        rows = map_agent(work, concurrency, ordered, key=key_of)(map(str, range(len(keys))))
        done = [int(str(await row)) async for row in rows]
    assert [*range(len(keys))] == (done if ordered else sorted(done))
    for key in set(keys):
        of_key = [number for number in range(len(keys)) if keys[number] == key]
        assert of_key == [number for number in begun if keys[number] == key]
    assert most <= concurrency


async def test_a_row_that_waits_for_its_key_belongs_to_the_map() -> None:
    """The next row of a key begins as the first one did, and not within what has ended last."""
    word, began = ContextVar("word", default="outside"), list[tuple[str, str | None]]()

    class Watch(Observer):
        """Notes who has begun which run."""

        @override
        def on_event(self, event: RunEvent, /) -> None:
            if isinstance(event, RunBegan):
                parent = event.run.parent
                began.append((event.run.alias, None if parent is None else parent.alias))

    @miniagent(alias="INNER")
    async def inner(ctx: InteractionContext) -> None:
        word.set("inside")
        await asyncio.sleep(0)
        ctx.reply(ctx.messages)

    @miniagent(alias="ROW")
    async def row(ctx: InteractionContext) -> None:
        ctx.reply([word.get(), inner.inquire(ctx.messages)])

    async with MiniAgents(observers=[Watch()]):
        rows = map_agent(row, key=lambda _: 1)(["a", "b", "c"])
        assert [["outside", each] for each in "abc"] == [[*map(str, await each)] async for each in rows]
    assert [("ROW", None), ("INNER", "ROW")] * 3 == began


async def test_a_key_that_waits_for_nothing_is_forgotten() -> None:
    """A key is kept only while a row of it runs or waits; an error of the function ends the results."""

    class Key:
        """A key that can be looked for."""

    kept: list[weakref.ref[Key]] = []

    def key_of(row: str) -> Key:
        if row == "bad":
            raise ValueError("no key")
        key = Key()
        kept.append(weakref.ref(key))
        return key

    async with MiniAgents():
        rows = map_agent(identity, 2, key=key_of)(["a", "b", "c", "bad"])
        assert ["a", "b", "c"] == [str(await (await anext(rows))) for _ in range(3)]
        assert [None] * 3 == [each() for each in kept]
        with pytest.raises(ValueError, match="no key"):
            await anext(rows)


async def test_a_row_that_waits_for_its_key_is_dropped() -> None:
    """With `on_error="stop"`, and when the reader leaves, rows that wait for their key are never sent."""
    seen: list[str] = []

    @miniagent
    async def fail(ctx: InteractionContext) -> None:
        seen.append(str(await ctx.messages))
        raise ValueError(seen[-1])

    async with MiniAgents():
        rows = map_agent(fail, 4, on_error="stop", key=lambda row: len(str(row)))(["a", "b", "c"])
        with pytest.raises(ValueError, match="a"):
            await anext(rows)
        assert ["a"] == seen
        left = map_agent(identity, 4, key=lambda row: len(str(row)))(["a", "b", "c"])
        assert "a" == str(await (await anext(left)))
        await left.aclose()


@pytest.mark.parametrize("wrong", [{"on_error": "ignore"}, {"key": "user"}])
def test_no_such_option(wrong: dict[str, object]) -> None:
    """What `on_error` or `key` cannot be is refused when the operator is made, not at the first row."""
    make = cast("Callable[..., object]", map_agent)
    with pytest.raises((TypeError, ValueError), match="it is "):
        make(identity, **wrong)
