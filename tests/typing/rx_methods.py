"""Corpus: operators as methods keep the type, too."""

import asyncio
from typing import assert_type

import reactivex as rx
from reactivex import ConnectableObservable, GroupedObservable, Notification, Observable

from tests.typing.rx_items import Item, is_reply, total


def fewer(items: Observable[Item], clock: Observable[int]) -> None:
    assert_type(items.filter(lambda m: m.size > 1), Observable[Item])
    assert_type(items.filter(is_reply), Observable[Item])
    assert_type(items.filter_indexed(lambda m, i: m.size > i), Observable[Item])
    assert_type(items.take(1), Observable[Item])
    assert_type(items.take_last(1), Observable[Item])
    assert_type(items.take_while(lambda m: m.size > 1), Observable[Item])
    assert_type(items.take_while_indexed(lambda m, i: m.size > i), Observable[Item])
    assert_type(items.take_until(clock), Observable[Item])
    assert_type(items.take_last_buffer(2), Observable[list[Item]])
    assert_type(items.skip(1), Observable[Item])
    assert_type(items.skip_last(1), Observable[Item])
    assert_type(items.skip_while(lambda m: m.size > 1), Observable[Item])
    assert_type(items.skip_while_indexed(lambda m, i: m.size > i), Observable[Item])
    assert_type(items.skip_until(clock), Observable[Item])
    assert_type(items.first(), Observable[Item])
    assert_type(items.first(lambda m: m.size > 1), Observable[Item])
    assert_type(items.last(), Observable[Item])
    assert_type(items.single(), Observable[Item])
    assert_type(items.element_at(1), Observable[Item])
    assert_type(items.distinct(lambda m: m.kind), Observable[Item])
    assert_type(items.distinct_until_changed(), Observable[Item])
    assert_type(items.first_or_default(), Observable[Item | None])
    assert_type(items.first_or_default(None, 0), Observable[Item | int])
    assert_type(items.last_or_default(), Observable[Item | None])
    assert_type(items.single_or_default(), Observable[Item | None])
    assert_type(items.element_at_or_default(1), Observable[Item | None])
    assert_type(items.default_if_empty(), Observable[Item | None])
    assert_type(items.throttle_with_mapper(lambda m: rx.timer(m.size)), Observable[Item])


def other(items: Observable[Item], words: Observable[str], ints: Observable[int]) -> None:
    assert_type(items.map(lambda m: m.text), Observable[str])
    assert_type(items.map_indexed(lambda m, i: (i, m)), Observable[tuple[int, Item]])
    assert_type(items.flat_map(lambda m: rx.of(m.text)), Observable[str])
    assert_type(items.flat_map(lambda m: m.text.split()), Observable[str])
    assert_type(items.flat_map_indexed(lambda m, i: rx.of(m.size + i)), Observable[int])
    assert_type(items.flat_map_latest(lambda m: rx.of(m.size)), Observable[int])
    assert_type(items.concat_map(lambda m: rx.of(m.text)), Observable[str])
    assert_type(items.switch_map(lambda m: rx.of(m.text)), Observable[str])
    assert_type(items.scan(total, 0), Observable[int])
    assert_type(items.scan(lambda a, m: a + m.size, 0), Observable[int])
    assert_type(ints.reduce(lambda a, b: a + b), Observable[int])
    assert_type(ints.sum(), Observable[int])
    assert_type(items.sum(lambda m: m.size), Observable[int])
    assert_type(items.average(lambda m: m.size), Observable[float])
    assert_type(items.count(), Observable[int])
    assert_type(items.min(lambda a, b: a.size - b.size), Observable[Item])
    assert_type(items.max_by(lambda m: m.size), Observable[list[Item]])
    assert_type(items.all(lambda m: m.size > 1), Observable[bool])
    assert_type(items.find(lambda m, i, _: m.size > i), Observable[Item | None])
    assert_type(words.contains("a"), Observable[bool])
    assert_type(rx.of({"a": 1}).pluck("a"), Observable[int])
    assert_type(rx.of((1, "a")).starmap(lambda n, w: w * n), Observable[str])
    assert_type(words.materialize(), Observable[Notification[str]])
    assert_type(words.materialize().dematerialize(), Observable[str])
    assert_type(words.timestamp().map(lambda t: t.value), Observable[str])
    assert_type(words.time_interval().map(lambda t: t.value), Observable[str])
    assert_type(words.to_future(), asyncio.Future[str])


def collected(items: Observable[Item], streams: Observable[Observable[str]]) -> None:
    assert_type(items.to_list(), Observable[list[Item]])
    assert_type(items.to_set(), Observable[set[Item]])
    assert_type(items.to_dict(lambda m: m.kind), Observable[dict[str, Item]])
    assert_type(items.to_dict(lambda m: m.kind, lambda m: m.size), Observable[dict[str, int]])
    assert_type(items.group_by(lambda m: m.kind), Observable[GroupedObservable[str, Item]])
    assert_type(items.group_by(lambda m: m.kind, lambda m: m.size), Observable[GroupedObservable[str, int]])
    assert_type(items.group_by(lambda m: m.kind).map(lambda g: g.key), Observable[str])
    assert_type(items.partition(lambda m: m.size > 1), list[Observable[Item]])
    assert_type(items.pairwise().map(lambda p: p[0].size - p[1].size), Observable[int])
    assert_type(items.buffer_with_count(2), Observable[list[Item]])
    assert_type(items.window_with_count(2), Observable[Observable[Item]])
    assert_type(streams.merge_all(), Observable[str])
    assert_type(streams.merge(max_concurrent=2), Observable[str])
    assert_type(streams.concat_all(), Observable[str])
    assert_type(streams.switch_latest(), Observable[str])
    assert_type(streams.exclusive(), Observable[str])
    assert_type(items.publish(), ConnectableObservable[Item])
    assert_type(items.publish().ref_count(), Observable[Item])
    assert_type(items.publish().auto_connect(), Observable[Item])
    assert_type(items.replay(1), ConnectableObservable[Item])
    assert_type(items.multicast(), ConnectableObservable[Item])
    assert_type(items.publish_value(None), ConnectableObservable[Item | None])
    assert_type(
        items.filter(lambda m: m.size > 1).map(lambda m: m.text).take(3).start_with("a").to_list(),
        Observable[list[str]],
    )
