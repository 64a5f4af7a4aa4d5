"""`as_messages`: anything that is messages becomes message promises."""

import asyncio
from collections.abc import AsyncGenerator
from typing import cast

import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import Observable, operators as ops
from reactivex.subject import Subject

from miniagents import Message, MessagePromise, MessageSequencePromise, MessageType, MiniAgents, UserMessage
from miniagents.operators import as_messages, to_async_iter
from tests.support.pipes import Outcome, outcomes, promises, texts
from tests.support.typewriter import Typewriter

NESTED: st.SearchStrategy[MessageType] = st.recursive(
    st.text(max_size=3), lambda inner: st.lists(inner, max_size=3) | st.tuples(inner, inner), max_leaves=8
)


def flat(item: MessageType) -> list[str]:
    """Return the texts in a nested collection."""
    if isinstance(item, str):
        return [item]
    return [text for inner in cast("list[MessageType]", item) for text in flat(inner)]


def test_every_type() -> None:
    """Texts, mappings, messages, models and collections become message promises, in order."""
    stream = promises("one", {"text": "two"}, Message("three"), ["four", ("five", [UserMessage("six")])], [])
    assert texts(stream) == ["one", "two", "three", "four", "five", "six"]
    assert all(type(item) is MessagePromise for item in MiniAgents().run(stream))


@given(st.lists(NESTED, max_size=4))
def test_nesting(items: list[MessageType]) -> None:
    """However items are nested, their texts come in the order in which they are written."""
    assert texts(promises(*items)) == [text for item in items for text in flat(item)]


def test_an_empty_source() -> None:
    """An empty source gives an empty result."""
    assert texts(rx.empty().pipe(as_messages())) == []


def test_twice() -> None:
    """Doing it twice is doing it once."""
    assert texts(promises("a", ["b"]).pipe(as_messages(), as_messages())) == ["a", "b"]


def test_what_is_no_message() -> None:
    """An item that cannot become a message fails where it stands; those after it still arrive."""
    first, wrong, last = outcomes(promises("a", cast("MessageType", 5), "b"))
    assert (first, last) == ("a", "b")
    assert isinstance(wrong, TypeError)
    assert "type int" in str(wrong)


def test_an_exception_as_item() -> None:
    """An exception is a failing message where it stands, that very object."""
    error = ValueError("item")
    assert outcomes(promises("a", ["b", error], "c")) == ["a", "b", error, "c"]


def test_a_failing_source() -> None:
    """The error of the source comes after what the source gave."""
    error = ValueError("source")
    assert outcomes(rx.concat(rx.of("a"), rx.throw(error)).pipe(as_messages())) == ["a", error]


async def test_each_item_when_it_comes() -> None:
    """An item is emitted when the source emits it."""
    source: Subject[MessageType] = Subject()
    async with MiniAgents():
        outcome = Outcome(source.pipe(as_messages(), ops.map(str)))
        source.on_next("a")
        assert outcome.items == ["a"]
        source.on_next(["b", "c"])
        assert outcome.items == ["a", "b", "c"]
        source.on_completed()
        assert outcome.ended is True


async def test_streams_as_items() -> None:
    """Items that are streams themselves are put one after the other, while all of them run."""
    slow, quick = Typewriter(), Typewriter("q")
    quick.stop()

    async def generator() -> AsyncGenerator[MessageType]:
        yield Message.promise(slow)

    async with MiniAgents():
        items: Observable[MessageType] = rx.of(generator(), MessageSequencePromise([Message.promise(quick)]))
        stream = to_async_iter(items.pipe(as_messages()))
        first = await anext(stream)
        await quick.closed.wait()
        slow.type("s")
        slow.stop()
        assert [str(await first), *[str(await item) async for item in stream]] == ["s", "q"]


async def test_leaving() -> None:
    """Disposing unsubscribes from the source, and stops what only the subscriber could read."""
    typewriter = Typewriter("a")
    source: Subject[MessageType] = Subject()
    async with MiniAgents():
        outcome = Outcome(source.pipe(as_messages()))
        source.on_next(Message.promise(typewriter))
        await typewriter.started.wait()
        outcome.subscription.dispose()
        assert source.observers == []
        source.on_next("late")
        (message,) = outcome.items
        assert isinstance(message, MessagePromise)
        letters = aiter(cast("MessagePromise[Message]", message))
        assert await anext(letters) == "a"
        del message, letters
        outcome.items.clear()
        await typewriter.closed.wait()
    assert outcome.ended is False


async def test_each_subscription_is_its_own() -> None:
    """Each subscriber subscribes to the source anew."""
    subscribed: list[int] = []

    def make(scheduler: object) -> Observable[MessageType]:
        subscribed.append(1)
        return rx.of("a")

    async with MiniAgents():
        stream = rx.defer(make).pipe(as_messages())
        assert subscribed == []
        outcomes_ = [Outcome(stream), Outcome(stream)]
        await asyncio.sleep(0)
    assert subscribed == [1, 1]
    assert [outcome.ended for outcome in outcomes_] == [True, True]
