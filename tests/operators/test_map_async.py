"""`map_async` and `switch_map_async`: coroutines in a pipe."""

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import reactivex as rx
from hypothesis import given, strategies as st
from reactivex import operators as ops
from reactivex.subject import Subject

from miniagents import MiniAgents
from miniagents.operators import from_async, map_agent, map_async, switch_map_async, to_async_iter
from miniagents.streams import Overflow, loop_scheduler
from miniagents.testing import scripted_model, virtual_time

COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


class Calls:
    """An async function that sleeps, and notes what it does.

    Attributes:
        most: how many calls ran at the same time.
        cancelled: the items whose calls were cancelled.
        begun: the items whose calls have begun.
    """

    def __init__(self) -> None:
        self.running = self.most = 0
        self.begun: list[float] = []
        self.cancelled: list[float] = []

    async def __call__(self, seconds: float) -> float:
        """Sleep so long; fail if it is negative."""
        self.begun.append(seconds)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await asyncio.sleep(abs(seconds))
            if seconds < 0:
                raise ValueError(f"{seconds}")
        except asyncio.CancelledError:
            self.cancelled.append(seconds)
            raise
        finally:
            self.running -= 1
        return seconds


async def read(pipe: rx.Observable[float]) -> tuple[list[float], Exception | None]:
    """The items of a pipe, and its error."""
    items: list[float] = []
    try:
        async for item in to_async_iter(pipe):
            items.append(item)  # noqa: PERF401 - also the items before an error
    except ValueError as error:
        return items, error
    return items, None


@given(st.lists(st.integers(1, 50), max_size=8), st.integers(1, 5), st.booleans(), st.booleans())
def test_the_law(pauses: list[int], concurrency: int, ordered: bool, inside: bool) -> None:
    """Ordered, it is `map`; else each result comes when its call ends; at most so many calls run at once."""
    calls = Calls()
    seconds = [
        pause / 10 + 0.001371 * 2**place for place, pause in enumerate(pauses)
    ]  # no two sums are equal

    async def main() -> None:
        pipe = rx.from_iterable(seconds).pipe(map_async(calls, concurrency, ordered))
        assert (_by_end(seconds, concurrency, ordered), None) == await read(pipe)
        assert (min(concurrency, len(seconds)), seconds) == (calls.most, calls.begun)
        assert [] == calls.cancelled

    with virtual_time():
        if inside:
            MiniAgents().run(main())
        else:
            asyncio.run(main())


def _by_end(seconds: list[float], concurrency: int, ordered: bool) -> list[float]:
    """The items in the order in which their calls end, so many at once."""
    if ordered:
        return seconds
    running: list[tuple[float, float]] = []
    order: list[float] = []
    for pause in seconds:
        begins = 0.0
        if len(running) == concurrency:
            running.sort()
            begins, first = running.pop(0)
            order.append(first)
        running.append((round(begins + pause, 6), pause))
    return order + [pause for _, pause in sorted(running)]


@pytest.mark.parametrize("ordered", [True, False])
async def test_the_first_error_ends_it(*, ordered: bool) -> None:
    """The first error comes after the results before it, and cancels the other calls; nothing is logged."""
    calls = Calls()
    pipe = rx.of(0.0, -0.01, 60.0, 70.0).pipe(map_async(calls, 3, ordered))
    items, error = await read(pipe)
    assert ([0.0], "-0.01") == (items, str(error))
    await asyncio.sleep(0.01)
    assert [60.0] == calls.cancelled[:1]
    assert 0 == calls.running


async def test_leaving_cancels_the_calls() -> None:
    """Closing the reader cancels the calls and closes the source."""
    calls = Calls()
    closed = asyncio.Event()

    async def source() -> AsyncIterator[float]:
        try:
            yield 0.0
            yield 60.0
            await asyncio.sleep(60)
        finally:
            closed.set()

    results = to_async_iter(from_async(source()).pipe(map_async(calls)))
    assert 0.0 == await anext(results)
    await results.aclose()
    await asyncio.wait_for(closed.wait(), 1)
    await asyncio.sleep(0)
    assert (0, [60.0]) == (calls.running, calls.cancelled)


@pytest.mark.loop(virtual=True)
async def test_a_source_is_not_read_ahead() -> None:
    """An async source waits while an eighth of `prefetch`, 128 items, waits for its calls."""
    made: list[int] = []

    async def source() -> AsyncIterator[float]:
        for number in range(10_000):
            made.append(number)
            yield 60.0

    calls = Calls()
    results = to_async_iter(from_async(source()).pipe(map_async(calls, 4)))
    reading = asyncio.ensure_future(anext(results))
    await asyncio.sleep(59)
    assert len(calls.begun) == 4
    assert 4 < len(made) <= 128 + 4
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def test_context_variables() -> None:
    """The calls see the context variables of the subscriber."""
    COLOUR.set("red")

    async def colour(_: int) -> str:
        await asyncio.sleep(0)
        return COLOUR.get()

    assert ["red"] == [each async for each in to_async_iter(rx.of(1).pipe(map_async(colour)))]
    assert ["red"] == [each async for each in to_async_iter(rx.of(1).pipe(switch_map_async(colour)))]


def test_switch_cancels_the_call_before() -> None:
    """`switch_map_async` emits what a call returns if no item comes before that; the last call is awaited."""
    calls = Calls()

    async def main() -> None:
        items: Subject[float] = Subject()
        results: list[float | str] = []
        items.pipe(switch_map_async(calls)).subscribe(
            results.append, on_completed=lambda: results.append("end"), scheduler=loop_scheduler()
        )
        items.on_next(1.0)
        await asyncio.sleep(0.5)
        items.on_next(2.0)
        await asyncio.sleep(2.5)
        items.on_next(3.0)
        items.on_completed()
        assert [2.0] == results
        await asyncio.sleep(3.5)
        assert [2.0, 3.0, "end"] == results
        assert [1.0] == calls.cancelled

    with virtual_time():
        asyncio.run(main())


async def test_switch_ends_with_an_error() -> None:
    """An error of a call, of the function or of the source ends it at once, and cancels the running call."""
    calls = Calls()
    items, error = await read(rx.of(-0.01).pipe(switch_map_async(calls)))
    assert ([], "-0.01") == (items, str(error))
    broken = rx.concat(rx.of(60.0), rx.throw(ValueError("source")))
    items, error = await read(broken.pipe(switch_map_async(calls)))
    assert ([], "source") == (items, str(error))
    await asyncio.sleep(0)
    assert 0 == calls.running


async def test_switch_is_left() -> None:
    """Disposing cancels the running call."""
    calls = Calls()
    source: Subject[float] = Subject()
    subscription = source.pipe(switch_map_async(calls)).subscribe(scheduler=loop_scheduler())
    source.on_next(60.0)
    await asyncio.sleep(0)
    subscription.dispose()
    await asyncio.sleep(0)
    assert ([60.0], []) == (calls.cancelled, source.observers)


def test_switch_is_the_switch_of_rxpy() -> None:
    """It emits what `switch_latest` over timers emits."""

    async def main() -> None:
        def ticks() -> rx.Observable[int]:
            return rx.interval(0.7).pipe(ops.take(9))

        def pause(tick: int) -> float:
            return [0.1, 0.9, 0.2, 1.5, 0.6, 0.65, 3.0, 0.05, 0.8][tick]

        expected = ticks().pipe(
            ops.map(lambda tick: rx.timer(pause(tick)).pipe(ops.map(lambda _: pause(tick)))),
            ops.switch_latest(),
        )
        ours = ticks().pipe(ops.map(pause), switch_map_async(Calls()))
        assert (await read(expected)) == (await read(ours))

    with virtual_time():
        asyncio.run(main())


def test_what_is_wrong() -> None:
    """What is not a function, and a concurrency that is too small, are refused with a sentence."""
    with pytest.raises(TypeError, match="map_async was given a value of type int; give it an async function"):
        map_async(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(TypeError, match="switch_map_async was given a value of type int"):
        switch_map_async(3)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="concurrency is 0; it must be at least 1"):
        map_async(asyncio.sleep, 0)


@pytest.mark.parametrize("operator", [map_async, switch_map_async])
async def test_a_function_that_is_not_async(operator: Callable[..., Any]) -> None:
    """The error names the operator and the function, and what it returned."""
    says = rf"{operator.__name__}\(len\): the function returned a value of type int; give it an async"
    with pytest.raises(TypeError, match=says):
        await anext(to_async_iter(rx.of("a").pipe(operator(len))))


@pytest.mark.parametrize("operator", [map_async, switch_map_async])
async def test_a_function_that_returns_a_future(operator: Callable[..., Any]) -> None:
    """A function may return anything that can be awaited."""

    def soon(item: float) -> asyncio.Future[float]:
        future: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        future.set_result(item)
        return future

    assert ([1.0], None) == await read(rx.of(1.0).pipe(operator(soon)))


async def _same(item: str) -> str:
    await asyncio.sleep(0.01)
    return item


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("kind", ["map_async", "map_agent", "overflow"])
async def test_a_hot_source(kind: str) -> None:
    """What a hot source pushes right after the subscription is not missed; when that ends, it is left."""
    operators: dict[str, Callable[[rx.Observable[str]], rx.Observable[object]]] = {
        "map_async": map_async(_same),
        "map_agent": map_agent(scripted_model(then="Hi")),
        "overflow": map_agent(scripted_model(then="Hi"), overflow=Overflow.drop_oldest(10)),
    }
    async with MiniAgents():
        subject, got = Subject[str](), list[object]()
        subscription = subject.pipe(operators[kind]).subscribe(got.append)
        subject.on_next("a")
        await asyncio.sleep(1)
        subject.on_next("b")
        await asyncio.sleep(1)
        assert ["a", "b"] == [getattr(each, "item", each) for each in got]
        subscription.dispose()
        assert [] == subject.observers
        subject.pipe(operators[kind]).subscribe(got.append).dispose()
        assert [] == subject.observers


async def test_the_first_of_each_group() -> None:
    """Behind `group_by`, the first item of each group is there, also if nothing waits between the items."""
    pairs = rx.of("a1", "b1", "a2", "b2").pipe(
        ops.group_by(lambda item: item[0]), ops.flat_map(lambda group: group.pipe(map_async(_same)))
    )
    assert ["a1", "a2", "b1", "b2"] == sorted([item async for item in to_async_iter(pairs)])
