"""Corpus: every other operator, and pipes of named functions up to twelve operators long."""

import asyncio
from typing import assert_type

import reactivex as rx
from reactivex import ConnectableObservable, Notification, Observable, operators as ops
from reactivex.operators._timeinterval import TimeInterval
from reactivex.operators._timestamp import Timestamp
from reactivex.subject import Subject

from tests.typing.rx_items import Item, is_long, text_of, total


def same_type(items: Observable[Item], clock: Observable[int]) -> None:
    assert_type(items.pipe(), Observable[Item])
    assert_type(items.pipe(ops.as_observable()), Observable[Item])
    assert_type(items.pipe(ops.debounce(1)), Observable[Item])
    assert_type(items.pipe(ops.delay(1)), Observable[Item])
    assert_type(items.pipe(ops.element_at(1)), Observable[Item])
    assert_type(items.pipe(ops.finally_action(print)), Observable[Item])
    assert_type(items.pipe(ops.repeat(2)), Observable[Item])
    assert_type(items.pipe(ops.retry(2)), Observable[Item])
    assert_type(items.pipe(ops.sample(clock)), Observable[Item])
    assert_type(items.pipe(ops.share()), Observable[Item])
    assert_type(items.pipe(ops.skip(1)), Observable[Item])
    assert_type(items.pipe(ops.skip_until(clock)), Observable[Item])
    assert_type(items.pipe(ops.slice(1, 5, 2)), Observable[Item])
    assert_type(items.pipe(ops.take(1)), Observable[Item])
    assert_type(items.pipe(ops.take_last(1)), Observable[Item])
    assert_type(items.pipe(ops.take_until(clock)), Observable[Item])
    assert_type(items.pipe(ops.throttle_first(1)), Observable[Item])
    assert_type(items.pipe(ops.timeout(1)), Observable[Item])
    assert_type(items.pipe(ops.do(Subject[Item]())), Observable[Item])
    assert_type(items[1:5], Observable[Item])


def defaults(items: Observable[Item], words: Observable[str]) -> None:
    assert_type(items.pipe(ops.first_or_default()), Observable[Item | None])
    assert_type(items.pipe(ops.first_or_default(None, "none")), Observable[Item | str])
    assert_type(items.pipe(ops.first_or_default(default_value=0)), Observable[Item | int])
    assert_type(words.pipe(ops.first_or_default(None, "")), Observable[str])
    assert_type(items.pipe(ops.last_or_default()), Observable[Item | None])
    assert_type(words.pipe(ops.last_or_default("")), Observable[str])
    assert_type(words.pipe(ops.single_or_default()), Observable[str | None])
    assert_type(words.pipe(ops.single_or_default(None, "")), Observable[str])
    assert_type(words.pipe(ops.element_at_or_default(1)), Observable[str | None])
    assert_type(words.pipe(ops.element_at_or_default(1, "")), Observable[str])
    assert_type(words.pipe(ops.default_if_empty()), Observable[str | None])
    assert_type(words.pipe(ops.default_if_empty("")), Observable[str])
    assert_type(words.pipe(ops.default_if_empty(0)), Observable[str | int])
    assert_type(words.pipe(ops.start_with("a", "b")), Observable[str])
    assert_type(words.pipe(ops.start_with(0)), Observable[str | int])


def other_types(items: Observable[Item], words: Observable[str], ints: Observable[int]) -> None:
    assert_type(words.pipe(ops.buffer(ints)), Observable[list[str]])
    assert_type(words.pipe(ops.buffer_with_time(1)), Observable[list[str]])
    assert_type(words.pipe(ops.take_last_buffer(2)), Observable[list[str]])
    assert_type(words.pipe(ops.window(ints)), Observable[Observable[str]])
    assert_type(words.pipe(ops.window_with_count(2)), Observable[Observable[str]])
    assert_type(words.pipe(ops.pairwise()), Observable[tuple[str, str]])
    assert_type(words.pipe(ops.to_list()), Observable[list[str]])
    assert_type(words.pipe(ops.to_iterable()), Observable[list[str]])
    assert_type(words.pipe(ops.to_set()), Observable[set[str]])
    assert_type(words.pipe(ops.to_future()), asyncio.Future[str])
    assert_type(words.pipe(ops.materialize()), Observable[Notification[str]])
    assert_type(words.pipe(ops.materialize(), ops.dematerialize()), Observable[str])
    assert_type(words.pipe(ops.timestamp()), Observable[Timestamp[str]])
    assert_type(words.pipe(ops.time_interval()), Observable[TimeInterval[str]])
    assert_type(words.pipe(ops.is_empty()), Observable[bool])
    assert_type(words.pipe(ops.contains("a")), Observable[bool])
    assert_type(words.pipe(ops.sequence_equal(["a"])), Observable[bool])
    assert_type(words.pipe(ops.publish()), ConnectableObservable[str])
    assert_type(words.pipe(ops.publish(), ops.ref_count()), Observable[str])
    assert_type(words.pipe(ops.replay(1), ops.ref_count()), Observable[str])
    assert_type(ints.pipe(ops.sum()), Observable[int])
    assert_type(ints.pipe(ops.average()), Observable[float])
    assert_type(items.pipe(ops.map(text_of)), Observable[str])
    assert_type(items.pipe(ops.filter(is_long)), Observable[Item])
    assert_type(items.pipe(ops.scan(total, 0)), Observable[int])
    assert_type(items.pipe(ops.reduce(total, 0)), Observable[int])
    assert_type(words.pipe(ops.map(len)), Observable[int])
    assert_type(words.pipe(ops.map(str.upper)), Observable[str])
    assert_type(ints.pipe(ops.map(str)), Observable[str])
    assert_type(rx.of({"a": 1}).pipe(ops.pluck("a")), Observable[int])
    assert_type(rx.of((1, "a")).pipe(ops.starmap(lambda n, w: w * n)), Observable[str])


def nested(streams: Observable[Observable[str]], futures: Observable[asyncio.Future[str]]) -> None:
    assert_type(streams.pipe(ops.merge_all()), Observable[str])
    assert_type(streams.pipe(ops.concat_all()), Observable[str])
    assert_type(streams.pipe(ops.switch_latest()), Observable[str])
    assert_type(streams.pipe(ops.exclusive()), Observable[str])
    assert_type(streams.pipe(ops.merge(max_concurrent=2)), Observable[str])
    assert_type(futures.pipe(ops.merge_all()), Observable[str])


def long_pipes(items: Observable[Item]) -> None:
    take, text = ops.take(9), ops.map(text_of)
    assert_type(
        items.pipe(
            ops.skip(1), ops.skip(1), ops.skip(1), ops.skip(1), ops.skip(1), ops.skip(1), ops.skip(1), text
        ),
        Observable[str],
    )
    assert_type(items.pipe(take, take, take, take, take, take, take, take, take, text), Observable[str])
    assert_type(
        items.pipe(
            ops.filter(lambda m: m.size > 1),
            ops.map(lambda m: m.text),
            ops.map(lambda t: t.split()),
            ops.filter(lambda ws: len(ws) > 1),
            ops.flat_map(lambda ws: rx.from_iterable(ws)),  # noqa: PLW0108
            ops.distinct(),
            ops.map(lambda w: len(w)),  # noqa: PLW0108
            ops.pairwise(),
            ops.map(lambda p: p[0] - p[1]),
            ops.filter(lambda d: d > 0),
            ops.scan(lambda a, d: a + d, 0),
            ops.to_list(),
        ),
        Observable[list[int]],
    )
    assert_type(rx.pipe(3, str, len), int)
    assert_type(rx.compose(str, len, float, str, len, float, str, len)(object()), int)
