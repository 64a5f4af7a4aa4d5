"""`chunk` and `until`."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops

from miniagents.operators import chunk, from_async, to_async_iter, until
from miniagents.streams import loop_scheduler
from miniagents.testing import virtual_time


def _chunks(times: list[float], size: int | None, seconds: float | None) -> list[tuple[float, ...]]:
    """What `chunk` is: of the times of items, which are the items."""
    chunks: list[list[float]] = []
    for at in times:
        full = chunks and size is not None and len(chunks[-1]) >= size
        over = chunks and seconds is not None and at >= chunks[-1][0] + seconds
        if not chunks or full or over:
            chunks.append([])
        chunks[-1].append(at)
    return [tuple(each) for each in chunks]


@given(
    st.lists(st.integers(1, 40), max_size=15),
    st.one_of(st.none(), st.integers(1, 4)),
    st.one_of(st.none(), st.integers(1, 60)),
)
def test_the_law_of_chunk(pauses: list[int], size: int | None, tenths: int | None) -> None:
    """No item is lost; a chunk ends with its last item, or so many seconds after its first one."""
    if size is None and tenths is None:
        return
    seconds = None if tenths is None else tenths / 10 + 0.05
    times = [sum(pauses[: place + 1]) / 10 for place in range(len(pauses))]

    async def source() -> AsyncIterator[float]:
        for pause, at in zip(pauses, times, strict=True):
            await asyncio.sleep(pause / 10)
            yield at

    async def main() -> list[Sequence[float]]:
        return [each async for each in to_async_iter(from_async(source()).pipe(chunk(size, seconds)))]

    with virtual_time():
        assert _chunks(times, size, seconds) == asyncio.run(main())


def test_when_a_chunk_comes() -> None:
    """It comes at its time, also if no item follows, and an error comes after a last chunk."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        seen: list[tuple[float, object]] = []
        ticks = rx.concat(rx.interval(1.0).pipe(ops.take(4)), rx.throw(ValueError("broken")))
        ticks.pipe(chunk(seconds=1.5)).subscribe(
            lambda items: seen.append((loop.time(), items)),
            lambda error: seen.append((loop.time(), str(error))),
            scheduler=loop_scheduler(),
        )
        await asyncio.sleep(10)
        assert [(2.5, (0, 1)), (4.0, (2, 3)), (4.0, "broken")] == seen

    with virtual_time():
        asyncio.run(main())


async def test_a_chunk_without_a_scheduler() -> None:
    """Under a plain `subscribe` it uses the running loop."""
    seen: list[Sequence[int]] = []
    ended = asyncio.Event()

    def see(items: Sequence[int]) -> None:
        seen.append(items)
        ended.set()

    rx.concat(rx.of(1, 2), rx.never()).pipe(chunk(seconds=0.01)).subscribe(see)
    await asyncio.wait_for(ended.wait(), 1)
    assert [(1, 2)] == seen


@pytest.mark.parametrize(
    ("size", "seconds", "text"),
    [
        (None, None, "chunk needs a size"),
        (0, None, r"chunk\(size=0\): it must be at least 1"),
        (None, 0.0, "seconds of chunk are 0.0"),
    ],
)
def test_what_is_wrong_with_a_chunk(size: int | None, seconds: float | None, text: str) -> None:
    """Sizes and times that are nothing are refused."""
    with pytest.raises(ValueError, match=text):
        chunk(size, seconds)


@pytest.mark.parametrize("kind", ["event", "task", "coroutine", "future"])
def test_until_it_comes(kind: str) -> None:
    """The items before the signal come, then the end, at the time of the signal; the source is left."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        event, future = asyncio.Event(), loop.create_future()
        loop.call_later(0.35, event.set)
        loop.call_later(0.35, future.set_result, None)
        signals: dict[str, Callable[[], asyncio.Event | Awaitable[object]]] = {
            "event": lambda: event,
            "task": lambda: asyncio.ensure_future(asyncio.sleep(0.35)),
            "coroutine": lambda: asyncio.sleep(0.35),
            "future": lambda: future,
        }
        signal = signals[kind]()
        closed: list[float] = []
        ticks = rx.interval(0.1).pipe(ops.finally_action(lambda: closed.append(loop.time())), until(signal))
        assert [[0, 1, 2]] * 2 == list(await asyncio.gather(_read(ticks), _read(ticks)))
        assert [0.35, 0.35] == closed
        assert [] == await _read(ticks)  # it has come

    with virtual_time():
        asyncio.run(main())


async def _read(pipe: rx.Observable[int]) -> list[int]:
    return [item async for item in to_async_iter(pipe)]


@pytest.mark.parametrize("kind", ["event", "task", "coroutine"])
async def test_until_at_a_second_subscription(kind: str) -> None:
    """A source that is tried again goes on; a coroutine, which can be awaited only once, is an error."""
    tries: list[int] = []

    async def source() -> AsyncIterator[int]:
        tries.append(len(tries))
        yield tries[-1]
        if len(tries) < 3:
            raise ConnectionError("the line is cut")

    task = asyncio.ensure_future(asyncio.sleep(60))
    signals: dict[str, Callable[[], asyncio.Event | Awaitable[object]]] = {
        "event": asyncio.Event,
        "task": lambda: task,
        "coroutine": lambda: asyncio.sleep(60),
    }
    pipe = rx.defer(lambda _: from_async(source())).pipe(until(signals[kind]()), ops.retry(5))
    if kind == "coroutine":
        with pytest.raises(RuntimeError, match=r"give until an asyncio\.Event or a task"):
            await _read(pipe)
    else:
        assert [0, 1, 2] == await _read(pipe)
    task.cancel()


async def test_after_the_current_item() -> None:
    """An event that is set while an item is read ends it after that item."""
    stop = asyncio.Event()
    seen: list[int] = []

    def look(item: int) -> None:
        seen.append(item)
        if item == 2:
            stop.set()

    async with asyncio.timeout(1):
        await _read(from_async(_numbers()).pipe(until(stop), ops.do_action(look)))
    assert [0, 1, 2] == seen


async def _numbers() -> AsyncIterator[int]:
    number = 0
    while True:
        await asyncio.sleep(0)
        yield number
        number += 1


async def test_nothing_is_left_waiting() -> None:
    """What ends before its signal leaves no task, and the event works for another subscription."""
    stop = asyncio.Event()
    assert [1, 2] == await _read(rx.of(1, 2).pipe(until(stop)))
    await asyncio.sleep(0)
    assert 1 == len(asyncio.all_tasks())
    stop.set()
    assert [] == await _read(rx.of(1, 2).pipe(until(stop)))


async def test_a_signal_that_fails() -> None:
    """An error of the awaitable ends it with that error."""

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("no signal")

    with pytest.raises(ValueError, match="no signal"):
        await _read(rx.concat(rx.of(1), rx.never()).pipe(until(fail())))


def test_what_is_no_signal() -> None:
    """What cannot be awaited is refused."""
    with pytest.raises(TypeError, match=r"until was given a value of type int; give it an asyncio\.Event"):
        until(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
