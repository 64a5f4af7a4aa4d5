"""Time runs on the loop."""

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
import reactivex as rx
from reactivex import Observable, operators as ops
from reactivex.scheduler.eventloop import AsyncIOScheduler

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.operators import map_agent, resolve
from miniagents.streams import Overflow, from_async, loop_scheduler, to_async_iter
from miniagents.testing import virtual_time
from tests.support.timed import FAILING, PIPELINES, PLAIN, TIES, asynchronous, in_rxpy, on_loop, scheduled


@pytest.mark.parametrize("name", PIPELINES)
def test_as_in_the_time_of_rxpy(name: str) -> None:
    """A pipeline emits what it emits under RxPY's own virtual scheduler, at the same times."""
    pipeline = PIPELINES[name]
    for first, second in (PLAIN, TIES):
        expected = in_rxpy(lambda: pipeline(scheduled(first), scheduled(second)))  # noqa: B023
        with virtual_time():
            assert expected == on_loop(lambda: pipeline(scheduled(first), scheduled(second)))  # noqa: B023


@pytest.mark.gate("as many loops as pipelines")
@pytest.mark.parametrize("name", PIPELINES)
def test_a_source_that_sleeps(name: str) -> None:
    """The same of async generators, which emit in a later turn of the event loop."""
    pipeline = PIPELINES[name]
    first, second = PLAIN
    expected = in_rxpy(lambda: pipeline(scheduled(first), scheduled(second)))
    with virtual_time():
        assert expected == on_loop(lambda: pipeline(asynchronous(first), asynchronous(second)))


@pytest.mark.gate("as many loops as pipelines")
@pytest.mark.parametrize("name", PIPELINES)
def test_a_source_that_fails(name: str) -> None:
    """The same of a source that ends with an error."""
    pipeline = PIPELINES[name]
    first, second = FAILING
    expected = in_rxpy(lambda: pipeline(scheduled(first), scheduled(second)))
    with virtual_time():
        assert expected == on_loop(lambda: pipeline(scheduled(first), scheduled(second)))


def test_at_least_238_comparisons() -> None:
    """There are at least 238 of these comparisons."""
    assert 4 * len(PIPELINES) >= 238


async def _ticks(count: int) -> AsyncIterator[int]:
    for number in range(count):
        await asyncio.sleep(0.1)
        yield number


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the threads that are started from now on."""
    started: list[str] = []
    start = threading.Thread.start

    def noted(thread: threading.Thread) -> None:
        started.append(thread.name)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", noted)
    return started


TIMED: tuple[Callable[[Observable[int]], Observable[object]], ...] = (
    ops.debounce(0.01),
    ops.delay(0.01),
    ops.sample(0.03),
    ops.timeout(1.0),
    ops.throttle_first(0.01),
    ops.buffer_with_time(0.02),
    ops.buffer_with_time_or_count(0.02, 3),
    ops.take_with_time(0.2),
    ops.skip_with_time(0.01),
    ops.delay_subscription(0.01),
    ops.timestamp(),
    ops.time_interval(),
    ops.merge(rx.interval(0.02)),
    ops.flat_map(lambda _: rx.timer(0.01)),
)


@pytest.mark.parametrize("operator", TIMED, ids=range(len(TIMED)))
def test_no_thread_is_started(
    operator: Callable[[Observable[int]], Observable[object]], threads: list[str]
) -> None:
    """No operator with time starts a thread: iterated, collected, replied, or with an agent."""

    @miniagent
    async def echo(ctx: InteractionContext) -> None:
        ctx.reply(ctx.messages)

    def pipe() -> Observable[object]:
        timed: Observable[object] = operator(from_async(_ticks(4)))
        return timed.pipe(ops.take(3))

    async def main() -> None:
        assert [item async for item in to_async_iter(pipe())]
        assert [item async for item in to_async_iter(pipe(), overflow=Overflow.drop_oldest(5))]
        assert await echo.inquire(pipe().pipe(ops.map(str)))
        assert [reply async for reply in map_agent(echo)(to_async_iter(pipe().pipe(ops.map(str))))]
        replies: Observable[object] = pipe().pipe(ops.map(str)).pipe(echo).pipe(ops.take(1))
        assert [reply async for reply in to_async_iter(replies)]
        ended = asyncio.Event()
        pipe().subscribe(on_completed=ended.set, scheduler=loop_scheduler())
        await ended.wait()

    with virtual_time():
        MiniAgents().run(main())
        assert MiniAgents().run(pipe())
    assert [] == threads


def test_an_interval_into_an_agent() -> None:
    """`rx.interval(0.1) | agent` works under virtual time."""

    @miniagent
    async def shout(ctx: InteractionContext) -> None:
        async for message in ctx.messages:
            ctx.reply(f"{await message}!")

    with virtual_time() as clock:
        ticks = rx.interval(0.1).pipe(ops.take(3), ops.map(str), shout, resolve(), ops.map(str))
        assert ["0!", "1!", "2!"] == MiniAgents().run(ticks)
        assert pytest.approx(0.3) == clock.time()


def test_the_scheduler_of_the_user_goes_through() -> None:
    """A scheduler that the user passes reaches what is in front of an agent."""

    @miniagent
    async def echo(ctx: InteractionContext) -> None:
        ctx.reply(ctx.messages)

    seen: list[object] = []

    def source(scheduler: object) -> Observable[str]:
        seen.append(scheduler)
        return rx.of("one")

    async def main() -> None:
        scheduler = AsyncIOScheduler(asyncio.get_running_loop())
        ended = asyncio.Event()
        rx.defer(source).pipe(echo).subscribe(on_completed=ended.set, scheduler=scheduler)
        await ended.wait()
        assert [scheduler] == seen

    MiniAgents().run(main())


def test_timers_of_the_same_time_keep_their_order() -> None:
    """On a loop with virtual time, timers of the same time are called in the order in which they were set."""
    order: list[int] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        for number in range(20):
            loop.call_at(1.0, order.append, number)
        await asyncio.sleep(2.0)

    with virtual_time():
        asyncio.run(main())
    assert list(range(20)) == order


COLOUR: contextvars.ContextVar[str] = contextvars.ContextVar("COLOUR", default="none")


def test_context_variables_of_the_subscriber() -> None:
    """Delayed work sees the context variables of the subscriber, also if an item is pushed from elsewhere."""
    seen: list[str] = []

    async def main() -> None:
        subject = rx.subject.Subject[int]()
        COLOUR.set("red")
        subject.pipe(ops.delay(0.1)).subscribe(
            lambda _: seen.append(COLOUR.get()), scheduler=loop_scheduler()
        )
        asyncio.get_running_loop().call_soon(subject.on_next, 1, context=contextvars.Context())
        await asyncio.sleep(1)

    with virtual_time():
        asyncio.run(main())
    assert ["red"] == seen


def test_from_another_thread() -> None:
    """A timer that another thread sets calls back on the thread of the loop, and can be cancelled there."""
    seen: list[int] = []

    async def main() -> None:
        scheduler = loop_scheduler()
        here = threading.get_ident()

        def set_timers() -> None:
            scheduler.schedule_relative(0.01, lambda _, __: seen.append(threading.get_ident() - here))
            scheduler.schedule_relative(0.01, lambda _, __: seen.append(1)).dispose()
            timer.dispose()

        timer = scheduler.schedule_relative(0.05, lambda _, __: seen.append(2))
        await asyncio.to_thread(set_timers)
        await asyncio.sleep(0.1)

    asyncio.run(main())
    assert [0] == seen


def test_a_late_tick_delays_no_other() -> None:
    """No tick of an interval is early, also after one that was late."""
    ticks: list[float] = []

    async def main() -> None:
        scheduler = loop_scheduler()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        ticks_of = scheduler.schedule_periodic(0.02, lambda _: ticks.append(loop.time() - begun))
        await asyncio.sleep(0.13)
        ticks_of.dispose()

    asyncio.run(main())
    assert ticks
    assert all(number * 0.02 - 0.001 <= tick for number, tick in enumerate(ticks, start=1))


def test_a_date_of_the_calendar() -> None:
    """A date that a user gives is a date of the calendar."""

    async def main() -> None:
        soon = datetime.now(UTC) + timedelta(seconds=0.05)
        assert [0] == [tick async for tick in to_async_iter(rx.timer(soon))]

    asyncio.run(asyncio.wait_for(main(), 2.0))


def test_undelayed_work_runs_at_once() -> None:
    """A source without time emits while it is subscribed to, as without the scheduler."""
    seen: list[int] = []

    async def main() -> None:
        rx.merge(rx.range(3), rx.of(7, 8)).subscribe(seen.append, scheduler=loop_scheduler())
        plain: list[int] = []
        rx.merge(rx.range(3), rx.of(7, 8)).subscribe(plain.append)
        assert plain == seen

    asyncio.run(main())
    assert seen


def test_needs_a_running_loop() -> None:
    """Outside of an event loop `loop_scheduler()` says what to do."""
    with pytest.raises(RuntimeError, match="no event loop is running; call it inside an async function"):
        loop_scheduler()
