"""The only pump from async iterables."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from itertools import count

import pytest

from miniagents.messages import Message
from miniagents.streams import PromisingContext, Stream, StreamedPromise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import Context
from miniagents.streams._lifetime import Lease
from miniagents.streams._pump import fill, pump
from miniagents.streams._readers import iterate, until_closed
from miniagents.streams._run_task import ProducerTask
from miniagents.values import InquiryCancelledError
from tests.support.sources import Recorder, Source, keep, turns


def open_context(*, prefetch: int = 1024) -> Context:
    """A context of the running loop."""
    context = Context(prefetch=prefetch, shutdown_timeout=1)
    context.open()
    return context


def start(context: Context, source: Source[int]) -> ReplayBuffer[int]:
    """The buffer that `source` is pumped into."""
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    vars(context)[f"lease {id(buffer)}"] = Lease(buffer)  # as a promise of it would be
    ProducerTask("pump", buffer, buffer).start(lambda: fill(buffer, source))
    return buffer


async def test_every_piece_in_order() -> None:
    """Every piece of the source arrives, in order, and the source is iterated once and closed."""
    context, source = open_context(), Source(range(5))
    buffer = start(context, source)
    assert [0, 1, 2, 3, 4] == [item async for item in iterate(buffer, None)]
    await context.drain()
    assert (1, 1) == (source.runs, source.closed)


async def test_pump_with_a_function() -> None:
    """`pump` hands every piece to a function."""
    context, source, taken = open_context(), Source(range(3)), list[int]()
    status: ReplayBuffer[object] = ReplayBuffer(context)
    await pump(source, status, taken.append)
    assert ([0, 1, 2], 1) == (taken, source.closed)


@pytest.mark.parametrize("prefetch", [1, 2, 3, 10])
async def test_at_most_prefetch_ahead(prefetch: int) -> None:
    """A source runs at most `prefetch` pieces ahead of its fastest reader, and no piece further."""
    context, source = open_context(prefetch=prefetch), Source(range(100))
    buffer = start(context, source)
    await turns(20)
    assert prefetch == source.produced
    fast, slow = iterate(buffer, None), iterate(buffer, None)
    for index in range(2 * prefetch + 1):
        assert index == await anext(fast)
        await turns(5)
        assert source.produced <= index + 1 + prefetch
    assert 0 == await anext(slow)
    await turns(5)
    assert source.produced <= 3 * prefetch + 1
    assert list(range(2 * prefetch + 1, 100)) == [item async for item in fast]
    assert 100 == source.produced
    await slow.aclose()
    await context.drain()


async def test_a_paused_source_resumes_when_awaited() -> None:
    """Who awaits the whole lets a paused source run to its end."""
    context, source = open_context(prefetch=2), Source(range(100))
    buffer = start(context, source)
    await turns(20)
    assert 2 == source.produced
    await until_closed(buffer)
    assert (100, 1) == (source.produced, source.closed)


async def test_a_paused_source_resumes_for_a_subscriber() -> None:
    """A subscriber takes everything at once, so a paused source runs to its end for it."""
    context, source, recorder = open_context(prefetch=2), Source(range(100)), Recorder[int]()
    buffer = start(context, source)
    await turns(20)
    Stream(buffer).subscribe(recorder)
    await until_closed(buffer)
    assert list(range(100)) == recorder.items


async def test_a_paused_source_resumes_when_the_context_drains() -> None:
    """When the context drains, a paused source runs to its end; so does one that is started meanwhile."""
    context, source, later = open_context(prefetch=2), Source(range(100)), Source(range(50))
    start(context, source)
    await turns(20)
    draining = asyncio.create_task(context.drain())
    await turns(1)
    start(context, later)
    await draining
    assert (100, 50) == (source.produced, later.produced)


async def test_it_pauses_again() -> None:
    """When those who took everything at once have left, the source is paused again at `prefetch`."""
    context, source = open_context(prefetch=2), Source(count(), hold_at=10)
    buffer = start(context, source)
    waiting = asyncio.create_task(until_closed(buffer))
    subscription = Stream(buffer).subscribe()
    await turns(5)
    assert 10 == source.produced
    waiting.cancel()
    await turns(2)
    subscription.dispose()
    source.go.set()
    await turns(20)
    assert 11 == source.produced  # one more than was requested: it is paused after the piece
    await context.cancel_all()


@pytest.mark.loop(fifo=True)  # it counts what comes in a turn
async def test_a_source_that_never_suspends_starves_nobody() -> None:
    """A source of 1,000,000 pieces that never suspends lets the loop turn every few thousand pieces."""
    context = open_context(prefetch=10_000_000)
    source = Source(range(1_000_000))
    buffer = start(context, source)
    waiting = asyncio.create_task(until_closed(buffer))
    loop_turns, largest, before = 0, 0, 0
    while not waiting.done():
        await asyncio.sleep(0)
        loop_turns += 1
        largest, before = max(largest, source.produced - before), source.produced
    assert 1_000_000 == len(buffer.items)
    assert largest <= 2048
    assert loop_turns > 400


async def test_the_error_comes_last() -> None:
    """An error of the source comes after all its pieces, the very object."""
    context, error = open_context(), ValueError("broken")
    source = Source(range(2), error=error)
    buffer, read = start(context, source), list[int]()
    with pytest.raises(ValueError, match="broken") as caught:
        await keep(read, iterate(buffer, None))
    assert caught.value is error
    assert ([0, 1], 1) == (read, source.closed)


async def test_cancelled_while_it_waits_for_the_source() -> None:
    """A cancelled pump closes its source, lets its clean-up wait, and gives nothing more."""
    context, source = open_context(), Source(range(5), hold_at=2)
    buffer = start(context, source)
    await turns(5)
    assert buffer.producer is not None
    buffer.producer.cancel()
    await context.drain()
    assert 1 == source.closed
    assert [0, 1] == buffer.items
    assert isinstance(buffer.error, InquiryCancelledError)


async def test_cancelled_while_it_is_paused() -> None:
    """A pump that is cancelled in its pause closes its source."""
    context, source = open_context(prefetch=1), Source(range(5))
    buffer = start(context, source)
    await turns(5)
    assert buffer.producer is not None
    buffer.producer.cancel()
    await context.drain()
    assert (1, 1) == (source.produced, source.closed)


async def test_cancelled_by_who_takes_the_piece() -> None:
    """A reader that cancels on a piece closes the source: no more is asked, its clean-up may wait."""
    context, source = open_context(), Source(range(5))
    buffer = start(context, source)

    def stop(_: int) -> None:
        assert buffer.producer is not None
        buffer.producer.cancel()

    Stream(buffer).subscribe(stop, lambda _: None)
    await context.drain()
    assert (1, 1) == (source.produced, source.closed)
    assert [0] == buffer.items


async def test_a_source_that_goes_on_after_the_end() -> None:
    """What a source still gives after it was cancelled is ignored."""
    context = open_context()
    closed: list[bool] = []

    async def stubborn() -> AsyncGenerator[int]:
        try:
            yield 1
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                yield 2
                yield 3
        finally:
            closed.append(True)

    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    ProducerTask("stubborn", buffer, buffer).start(lambda: fill(buffer, stubborn()))
    await turns(3)
    assert buffer.producer is not None
    buffer.producer.cancel()
    await context.drain()
    assert ([1], [True]) == (buffer.items, closed)


async def test_an_error_of_the_taker_closes_the_source() -> None:
    """A source is closed also by an error of the function that takes its pieces."""
    context, source = open_context(), Source(range(5))

    def bad(_: int) -> None:
        raise RuntimeError("no more")

    status: ReplayBuffer[object] = ReplayBuffer(context)
    with pytest.raises(RuntimeError, match="no more"):
        await pump(source, status, bad)
    assert (1, 1) == (source.produced, source.closed)


async def test_an_iterator_without_aclose() -> None:
    """An async iterator that is no generator need not be closable."""

    class Numbers:
        def __init__(self) -> None:
            self.left = 3

        def __aiter__(self) -> "Numbers":
            return self

        async def __anext__(self) -> int:
            if not self.left:
                raise StopAsyncIteration
            self.left -= 1
            return self.left

    context = open_context()
    buffer: ReplayBuffer[int] = ReplayBuffer(context)
    await fill(buffer, Numbers())
    assert [2, 1, 0] == buffer.items


async def test_a_source_that_begins_while_the_context_drains() -> None:
    """Once the context drains no source waits any more, not even a turn of the loop for each piece."""
    context, source, hanging = open_context(prefetch=2), Source(range(1000)), Source([0], hold_at=0)
    start(context, hanging)
    draining = asyncio.create_task(context.drain())
    await turns(2)
    start(context, source)
    await turns(10)
    assert 1000 == source.produced
    hanging.go.set()
    await draining


async def returned(*_: object) -> str:
    """Return a text, where a generator would yield it."""
    return "text"


def listed(*_: object) -> list[str]:
    """Return all pieces at once."""
    return ["text"]


@pytest.mark.parametrize("make", [StreamedPromise, Message.promise, Message.promise_of_parts])
@pytest.mark.parametrize(("streamer", "name"), [(returned, "coroutine"), (listed, "list")])
async def test_a_streamer_that_yields_nothing(
    make: Callable[[Callable[..., object]], Awaitable[object]],
    streamer: Callable[..., object],
    name: str,
) -> None:
    """Of a function without a `yield`, or without `async`, a reader gets an error that says what to write."""
    async with PromisingContext():
        with pytest.raises(
            TypeError, match=f"returned a value of type {name}; .* an async function with `yield`"
        ):
            await make(streamer)


async def test_an_endless_source_after_the_end() -> None:
    """When a buffer is ended by somebody else its source is not asked any more, and closed."""
    context, source = open_context(), Source(count())
    buffer = start(context, source)
    await turns(2)
    buffer.finish()
    await context.drain()
    assert 1 == source.closed


async def test_the_whole_is_awaited_by_another_one() -> None:
    """Who leaves does not bound a source that somebody else takes as a whole, by awaiting or subscribing."""
    for subscribes in (False, True):
        context, source = open_context(prefetch=2), Source(range(100), hold_at=10)
        buffer = start(context, source)
        leaving = asyncio.create_task(until_closed(buffer))
        staying = None if subscribes else asyncio.create_task(until_closed(buffer))
        subscription = Stream(buffer).subscribe() if subscribes else None
        await turns(5)
        leaving.cancel()
        await turns(2)
        source.go.set()
        await turns(20)
        assert 100 == source.produced
        await context.drain()
        if staying is not None:
            await staying
        if subscription is not None:
            subscription.dispose()


async def test_it_pauses_again_without_who_awaited_it() -> None:
    """When the only one who awaited the whole has left, the source is paused again."""
    context, source = open_context(prefetch=2), Source(count(), hold_at=10)
    buffer = start(context, source)
    waiting = asyncio.create_task(until_closed(buffer))
    await turns(5)
    waiting.cancel()
    await turns(2)
    source.go.set()
    await turns(20)
    assert 11 == source.produced  # one more than was requested: it is paused after the piece
    await context.cancel_all()
