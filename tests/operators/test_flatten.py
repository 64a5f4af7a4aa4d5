"""`flatten`: sequences of messages become their messages."""

import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops
from reactivex.subject import Subject

from miniagents import InteractionContext, Message, MessageSequencePromise, MiniAgents, miniagent
from miniagents.operators import flatten, to_async_iter
from tests.support.pipes import Outcome, outcomes, promises, texts, typed
from tests.support.typewriter import Typewriter

LISTS = st.lists(st.lists(st.text(max_size=3).map(Message), max_size=3), max_size=4)


@miniagent
async def plus_agent(ctx: InteractionContext) -> None:
    """Add a mark to each message."""
    async for message_promise in ctx.message_promises:
        ctx.reply(f"{await message_promise}+")


@given(LISTS)
def test_all_messages_in_order(lists: list[list[Message]]) -> None:
    """The result is the messages of every item, in order."""
    source: Observable[list[Message]] = rx.of(*lists)
    assert texts(source.pipe(flatten())) == [message.text for one in lists for message in one]


@given(st.lists(LISTS, max_size=3))
def test_associative(nested: list[list[list[Message]]]) -> None:
    """It does not matter whether the inner or the outer level is flattened first."""
    outer_first: Observable[list[Message]] = rx.of(*[one for lists in nested for one in lists])
    inner_first: Observable[list[Message]] = rx.of(*[[m for one in lists for m in one] for lists in nested])
    assert texts(outer_first.pipe(flatten())) == texts(inner_first.pipe(flatten()))


def test_flat_already() -> None:
    """Messages that are flat already stay as they are."""
    assert texts(promises("a", "b").pipe(ops.map(lambda item: [item]), flatten())) == ["a", "b"]


def test_an_empty_source() -> None:
    """No items and empty items give nothing."""
    nothing: Observable[list[Message]] = rx.of()
    empty: Observable[list[Message]] = rx.of(list[Message](), list[Message]())
    assert texts(nothing.pipe(flatten())) == texts(empty.pipe(flatten())) == []


def test_every_item_its_own_inquiry() -> None:
    """`map` to inquiries and `flatten` is an inquiry for each item."""

    async def main() -> list[str]:
        stream = rx.of("a", "b").pipe(ops.map(plus_agent.inquire), flatten())
        return [str(await item) async for item in to_async_iter(stream)]

    assert MiniAgents().run(main()) == ["a+", "b+"]


async def test_in_parallel_in_order() -> None:
    """The sequences run at the same time; what comes is in the order of the items."""
    slow, quick = Typewriter(), Typewriter("q")
    quick.stop()
    async with MiniAgents():
        source = rx.of(*(MessageSequencePromise(Message.promise(each)) for each in (slow, quick)))
        stream = to_async_iter(source.pipe(flatten()))
        first = await anext(stream)
        await quick.closed.wait()
        slow.type("s")
        slow.stop()
        assert [str(await first), *[str(await item) async for item in stream]] == ["s", "q"]


async def test_a_sequence_that_is_still_open() -> None:
    """The messages of a sequence come when they come."""
    inner: Subject[Message] = Subject()
    async with MiniAgents():
        outcome = Outcome(rx.of(MessageSequencePromise(inner)).pipe(flatten(), ops.map(str)))
        inner.on_next(Message("a"))
        assert (outcome.items, outcome.ended) == (["a"], False)
        inner.on_completed()
    assert outcome.ended is True


def test_a_failing_sequence() -> None:
    """A sequence that fails is a failing message at its place; the next items still arrive."""
    error = ValueError("broken")

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        ctx.reply("before")
        raise error

    def make(scheduler: object) -> Observable[MessageSequencePromise[Message]]:
        return rx.of(failing_agent.inquire(), plus_agent.inquire("after"))

    assert outcomes(rx.defer(make).pipe(flatten())) == ["before", error, "after+"]


def test_a_failing_source() -> None:
    """The error of the source comes after its items."""
    error = ValueError("source")
    source: Observable[list[Message]] = rx.concat(rx.of([Message("a")]), rx.throw(error))
    assert outcomes(source.pipe(flatten())) == ["a", error]


async def test_leaving() -> None:
    """Disposing stops the sequences that are not held elsewhere."""
    typewriter = Typewriter("a")
    async with MiniAgents():
        source = rx.concat(promises("x"), typed(typewriter)).pipe(ops.map(lambda item: [item]))
        stream = source.pipe(flatten(), ops.take(1))
        assert [str(item) async for item in to_async_iter(stream)] == ["x"]
    assert typewriter.started.is_set() == typewriter.closed.is_set()
