"""Pipelines with time, and what they emit when: under virtual time, and in the time of RxPY."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias, cast

import reactivex as rx
from reactivex import Observable, abc, operators as ops
from reactivex.disposable import CompositeDisposable
from reactivex.internal.constants import UTC_ZERO
from reactivex.operators._timeinterval import TimeInterval
from reactivex.scheduler import HistoricalScheduler

from miniagents import MiniAgents
from miniagents.streams import from_async, loop_scheduler

Event: TypeAlias = tuple[float, str, object]
"""When (in seconds), what (`next`, `error`, `completed`), and the item."""

Timeline: TypeAlias = Sequence[tuple[float, object]]
"""The times of items, and the items; the last one is the time of the end, with `END` or an error."""

Pipeline: TypeAlias = Callable[[Observable[Any], Observable[Any]], Observable[Any]]

END: Final = "|"
MOST: Final = 60  # items of a pipeline that does not end
UNTIL: Final = 30.0  # seconds


def scheduled(timeline: Timeline) -> Observable[Any]:
    """Return a cold Observable that emits by the scheduler of its subscriber."""

    def subscribe(
        observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase:
        assert scheduler is not None, "the scheduler was not passed on"

        def emit(item: object) -> Callable[[abc.SchedulerBase, object], None]:
            def action(_: abc.SchedulerBase, __: object = None) -> None:
                if item == END:
                    observer.on_completed()
                elif isinstance(item, Exception):
                    observer.on_error(item)
                else:
                    observer.on_next(item)

            return action

        return CompositeDisposable([scheduler.schedule_relative(at, emit(item)) for at, item in timeline])

    return rx.create(subscribe)


def asynchronous(timeline: Timeline) -> Observable[Any]:
    """Return a cold Observable of an async generator that sleeps."""

    class Source:
        async def __aiter__(self) -> AsyncIterator[object]:
            begun = asyncio.get_running_loop().time()
            for at, item in timeline:
                await asyncio.sleep(begun + at - asyncio.get_running_loop().time())
                if isinstance(item, Exception):
                    raise item
                if item != END:
                    yield item

    return from_async(Source())


def _comparable(value: object) -> object:
    match value:
        case datetime():
            return round((value - UTC_ZERO).total_seconds(), 6)
        case timedelta():
            return round(value.total_seconds(), 6)
        case Exception():
            return repr(value)
        case list() | tuple():  # also a Timestamp
            return tuple(_comparable(each) for each in cast("Sequence[object]", value))
        case TimeInterval():
            timed = cast("TimeInterval[object]", value)
            return (_comparable(timed.value), _comparable(timed.interval))
        case _:
            return value


def _subscribe(
    pipe: Observable[Any],
    scheduler: abc.SchedulerBase,
    seconds: Callable[[], float],
    ended: Callable[[], object],
) -> tuple[list[Event], abc.DisposableBase]:
    events: list[Event] = []

    def note(kind: str, value: object = None) -> None:
        events.append((round(seconds(), 6), kind, _comparable(value)))
        if kind != "next":
            ended()

    disposable = pipe.pipe(ops.take(MOST)).subscribe(
        lambda item: note("next", item),
        lambda error: note("error", error),
        lambda: note("completed"),
        scheduler=scheduler,
    )
    return events, disposable


def in_rxpy(pipeline: Callable[[], Observable[Any]]) -> list[Event]:
    """Return what a pipeline emits in the time of RxPY's own virtual scheduler."""
    scheduler = HistoricalScheduler()

    def seconds() -> float:
        return (scheduler.now - UTC_ZERO).total_seconds()

    events, disposable = _subscribe(pipeline(), scheduler, seconds, lambda: None)
    scheduler.advance_to(UTC_ZERO + timedelta(seconds=UNTIL))
    disposable.dispose()
    return events


def on_loop(pipeline: Callable[[], Observable[Any]], scheduler: Any = None) -> list[Event]:
    """Return what a pipeline emits under the loop scheduler; the event loop must have virtual time."""

    async def main() -> list[Event]:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        ended = asyncio.Event()
        events, disposable = _subscribe(
            pipeline(),
            loop_scheduler() if scheduler is None else scheduler(loop),
            lambda: loop.time() - begun,
            ended.set,
        )
        try:
            async with asyncio.timeout(UNTIL):
                await ended.wait()
        except TimeoutError:
            pass
        disposable.dispose()
        return events

    return MiniAgents().run(main())


def _lists(source: Observable[Any]) -> Observable[Any]:
    """Return the items of inner Observables, a list of each."""
    return source.pipe(ops.flat_map(lambda inner: inner.pipe(ops.to_list())))


def _with_itself(shared: Observable[Any]) -> Observable[Any]:
    return rx.merge(shared, shared.pipe(ops.map(str)))


def _slow(item: Any) -> Observable[Any]:
    return rx.timer(0.05 * (1 + hash(item) % 5)).pipe(ops.map(lambda _: f"slow {item}"))


PIPELINES: Final[Mapping[str, Pipeline]] = {
    # without time of their own
    "as it is": lambda a, b: a,
    "map": lambda a, b: a.pipe(ops.map(lambda x: (x, x))),
    "filter": lambda a, b: a.pipe(ops.filter(lambda x: hash(x) % 2 == 0)),
    "scan": lambda a, b: a.pipe(ops.scan(lambda all_, x: [*all_, x], list[Any]())),
    "take": lambda a, b: a.pipe(ops.take(3)),
    "skip": lambda a, b: a.pipe(ops.skip(2)),
    "take_last": lambda a, b: a.pipe(ops.take_last(2)),
    "skip_last": lambda a, b: a.pipe(ops.skip_last(2)),
    "pairwise": lambda a, b: a.pipe(ops.pairwise()),
    "distinct_until_changed": lambda a, b: a.pipe(ops.distinct_until_changed(lambda x: hash(x) % 2)),
    "merge": rx.merge,
    "concat": rx.concat,
    "zip": rx.zip,
    "combine_latest": rx.combine_latest,
    "with_latest_from": lambda a, b: a.pipe(ops.with_latest_from(b)),
    "amb": rx.amb,
    "take_until": lambda a, b: a.pipe(ops.take_until(b.pipe(ops.skip(1)))),
    "skip_until": lambda a, b: a.pipe(ops.skip_until(b)),
    "sample by another": lambda a, b: a.pipe(ops.sample(b)),
    "buffer by another": lambda a, b: a.pipe(ops.buffer(b)),
    "window by another": lambda a, b: _lists(a.pipe(ops.window(b))),
    "switch_latest": lambda a, b: a.pipe(
        ops.map(lambda x: b.pipe(ops.map(lambda y: (x, y)))), ops.switch_latest()
    ),
    "flat_map": lambda a, b: a.pipe(ops.flat_map(lambda x: b.pipe(ops.map(lambda y: (x, y))))),
    "concat_map": lambda a, b: a.pipe(ops.concat_map(lambda x: b.pipe(ops.map(lambda y: (x, y))))),
    "merge of two at once": lambda a, b: a.pipe(
        ops.map(lambda x: b.pipe(ops.map(lambda y: (x, y)))), ops.merge(max_concurrent=2)
    ),
    "exclusive": lambda a, b: a.pipe(ops.map(lambda x: b), ops.exclusive()),
    "retry": lambda a, b: rx.concat(a, rx.throw(ValueError("x"))).pipe(ops.retry(2)),
    "catch": lambda a, b: rx.concat(a, rx.throw(ValueError("x"))).pipe(ops.catch(b)),
    "on_error_resume_next": rx.on_error_resume_next,
    "repeat": lambda a, b: a.pipe(ops.repeat(2)),
    "group_by": lambda a, b: _lists(a.pipe(ops.group_by(lambda x: hash(x) % 2))),
    "materialize": lambda a, b: a.pipe(ops.materialize(), ops.map(str)),
    "start_with": lambda a, b: a.pipe(ops.start_with("first")),
    "to_list": lambda a, b: a.pipe(ops.to_list()),
    "fork_join": rx.fork_join,
    "publish": lambda a, b: a.pipe(
        ops.publish(lambda shared: rx.merge(shared, shared.pipe(ops.delay(0.17))))
    ),
    "share": lambda a, b: _with_itself(a.pipe(ops.share())),
    "defer": lambda a, b: rx.defer(lambda _: a),
    "expand": lambda a, b: a.pipe(ops.take(2), ops.expand(lambda x: rx.timer(0.3)), ops.take(8)),
    # with time
    "delay": lambda a, b: a.pipe(ops.delay(0.33)),
    "delay of nothing": lambda a, b: a.pipe(ops.delay(0.0)),
    "delay_subscription": lambda a, b: a.pipe(ops.delay_subscription(0.4)),
    "delay_with_mapper": lambda a, b: a.pipe(ops.delay_with_mapper(_slow)),
    "debounce": lambda a, b: a.pipe(ops.debounce(0.15)),
    "debounce as long as a pause": lambda a, b: a.pipe(ops.debounce(0.2)),
    "throttle_with_timeout": lambda a, b: a.pipe(ops.throttle_with_timeout(0.12)),
    "throttle_with_mapper": lambda a, b: a.pipe(ops.throttle_with_mapper(_slow)),
    "throttle_first": lambda a, b: a.pipe(ops.throttle_first(0.25)),
    "sample": lambda a, b: a.pipe(ops.sample(0.3)),
    "sample as long as a pause": lambda a, b: a.pipe(ops.sample(0.1)),
    "buffer_with_time": lambda a, b: a.pipe(ops.buffer_with_time(0.35)),
    "buffer_with_time, moving": lambda a, b: a.pipe(ops.buffer_with_time(0.4, 0.3)),
    "buffer_with_time, gaps": lambda a, b: a.pipe(ops.buffer_with_time(0.2, 0.5)),
    "buffer_with_time_or_count": lambda a, b: a.pipe(ops.buffer_with_time_or_count(0.35, 2)),
    "buffer_with_count": lambda a, b: a.pipe(ops.buffer_with_count(2)),
    "window_with_time": lambda a, b: _lists(a.pipe(ops.window_with_time(0.35))),
    "window_with_time, moving": lambda a, b: _lists(a.pipe(ops.window_with_time(0.5, 0.2))),
    "window_with_time_or_count": lambda a, b: _lists(a.pipe(ops.window_with_time_or_count(0.35, 2))),
    "window_with_count": lambda a, b: _lists(a.pipe(ops.window_with_count(2, 1))),
    "group_by_until": lambda a, b: _lists(
        a.pipe(ops.group_by_until(lambda x: hash(x) % 2, None, lambda _: rx.timer(0.45)))
    ),
    "timeout": lambda a, b: a.pipe(ops.timeout(0.25)),
    "timeout with another": lambda a, b: a.pipe(ops.timeout(0.25, b)),
    "timeout_with_mapper": lambda a, b: a.pipe(
        ops.timeout_with_mapper(rx.timer(0.2), lambda _: rx.timer(0.3), b)
    ),
    "take_with_time": lambda a, b: a.pipe(ops.take_with_time(0.65)),
    "skip_with_time": lambda a, b: a.pipe(ops.skip_with_time(0.35)),
    "take_last_with_time": lambda a, b: a.pipe(ops.take_last_with_time(0.45)),
    "skip_last_with_time": lambda a, b: a.pipe(ops.skip_last_with_time(0.25)),
    "take_until_with_time": lambda a, b: a.pipe(ops.take_until_with_time(0.55)),
    "skip_until_with_time": lambda a, b: a.pipe(ops.skip_until_with_time(0.25)),
    "timestamp": lambda a, b: a.pipe(ops.timestamp()),
    "time_interval": lambda a, b: a.pipe(ops.time_interval()),
    "interval": lambda a, b: rx.interval(0.13).pipe(ops.take(9)),
    "timer": lambda a, b: rx.timer(0.4),
    "timer, again and again": lambda a, b: rx.timer(0.05, 0.21).pipe(ops.take(7)),
    "timer at a date": lambda a, b: rx.timer(UTC_ZERO + timedelta(seconds=0.7)),
    "generate_with_relative_time": lambda a, b: rx.generate_with_relative_time(
        int("0"), lambda n: n < 6, lambda n: n + 1, lambda n: 0.1 * (n + 1)
    ),
    "interval merged": lambda a, b: rx.merge(a, rx.interval(0.1).pipe(ops.take(5))),
    "interval zipped": lambda a, b: rx.zip(a, rx.interval(0.27)),
    "interval latest": lambda a, b: rx.interval(0.19).pipe(ops.with_latest_from(a), ops.take(6)),
    "flat_map of timers": lambda a, b: a.pipe(ops.flat_map(_slow)),
    "switch_latest of timers": lambda a, b: a.pipe(ops.map(_slow), ops.switch_latest()),
    "concat_map of timers": lambda a, b: a.pipe(ops.concat_map(_slow)),
    "two delays": lambda a, b: a.pipe(ops.delay(0.1), ops.delay(0.2)),
    "delay and debounce": lambda a, b: a.pipe(ops.delay(0.1), ops.debounce(0.11), ops.timestamp()),
    "batches of a merge": lambda a, b: rx.merge(a, b).pipe(
        ops.buffer_with_time(0.3), ops.filter(lambda batch: batch != [])
    ),
    "retry after a while": lambda a, b: rx.concat(
        a.pipe(ops.take(2)), rx.timer(0.3).pipe(ops.flat_map(rx.throw(KeyError("k"))))
    ).pipe(ops.retry(2)),
    "replay": lambda a, b: a.pipe(
        ops.replay(2, mapper=lambda shared: rx.concat(shared, shared.pipe(ops.take(2))))
    ),
    "join": lambda a, b: a.pipe(ops.join(b, lambda _: rx.timer(0.2), lambda _: rx.timer(0.1))),
    "do_action": lambda a, b: a.pipe(ops.do_action(lambda _: None)),
    "default_if_empty": lambda a, b: a.pipe(ops.filter(lambda _: False), ops.default_if_empty("none")),
}

PLAIN: Final[tuple[Timeline, Timeline]] = (
    ((0.113, 1), (0.247, 2), (0.266, 3), (0.577, 4), (0.914, 5), (1.037, 6), (1.368, END)),
    ((0.161, 10), (0.419, 20), (0.833, 30), (0.971, END)),
)
TIES: Final[tuple[Timeline, Timeline]] = (
    ((0.1, 1), (0.2, 2), (0.2, 3), (0.4, 4), (0.7, 5), (0.7, 6), (0.9, END)),
    ((0.2, 10), (0.4, 20), (0.4, 30), (0.5, END)),
)
FAILING: Final[tuple[Timeline, Timeline]] = (
    ((0.11, 1), (0.24, 2), (0.57, 3), (0.79, ValueError("broken"))),
    ((0.16, 10), (0.41, 20), (0.83, 30), (0.97, END)),
)
