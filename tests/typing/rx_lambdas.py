"""Corpus: lambdas that use their argument, in `pipe`, are inferred from the source on their left."""

from typing import assert_type

import reactivex as rx
from reactivex import GroupedObservable, Observable, operators as ops

from tests.typing.rx_items import Item, is_long


def one_operator(items: Observable[Item], words: Observable[str], ints: Observable[int]) -> None:
    assert_type(items.pipe(ops.map(lambda m: m.text)), Observable[str])
    assert_type(items.pipe(ops.map(lambda m: m.text.upper())), Observable[str])
    assert_type(items.pipe(ops.map(lambda m: (m.text, m.size))), Observable[tuple[str, int]])
    assert_type(items.pipe(ops.map(lambda m: [m.text])), Observable[list[str]])
    assert_type(items.pipe(ops.map(lambda m: {m.kind: m.size})), Observable[dict[str, int]])
    assert_type(items.pipe(ops.map(lambda m: m.size / 2)), Observable[float])
    assert_type(items.pipe(ops.map(lambda m: m.size > 1 and m.kind == "note")), Observable[bool])
    assert_type(items.pipe(ops.filter(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.filter_indexed(lambda m, i: m.size > i)), Observable[Item])
    assert_type(items.pipe(ops.map_indexed(lambda m, i: f"{i} {m.text}")), Observable[str])
    assert_type(words.pipe(ops.map(lambda w: w.split())), Observable[list[str]])
    assert_type(words.pipe(ops.map(lambda w: len(w))), Observable[int])  # noqa: PLW0108 - a lambda on purpose
    assert_type(words.pipe(ops.flat_map(lambda w: w.split())), Observable[str])
    assert_type(words.pipe(ops.flat_map(lambda w: rx.of(len(w)))), Observable[int])
    assert_type(items.pipe(ops.flat_map(lambda m: rx.of(m.text))), Observable[str])
    assert_type(items.pipe(ops.flat_map_indexed(lambda m, i: rx.of(m.size + i))), Observable[int])
    assert_type(items.pipe(ops.flat_map_latest(lambda m: rx.of(m.size))), Observable[int])
    assert_type(items.pipe(ops.concat_map(lambda m: rx.of(m.text))), Observable[str])
    assert_type(items.pipe(ops.switch_map(lambda m: rx.of(m.text))), Observable[str])
    assert_type(items.pipe(ops.switch_map_indexed(lambda m, i: rx.of(m.size + i))), Observable[int])
    assert_type(ints.pipe(ops.expand(lambda n: rx.of(n + 1))), Observable[int])
    assert_type(ints.pipe(ops.reduce(lambda a, b: a + b)), Observable[int])
    assert_type(ints.pipe(ops.scan(lambda a, b: a * b)), Observable[int])
    assert_type(items.pipe(ops.reduce(lambda a, m: a + m.size, 0)), Observable[int])
    assert_type(items.pipe(ops.scan(lambda a, m: a + m.text, "")), Observable[str])


def questions(items: Observable[Item], words: Observable[str]) -> None:
    assert_type(items.pipe(ops.all(lambda m: m.size > 1)), Observable[bool])
    assert_type(items.pipe(ops.some(lambda m: m.size > 1)), Observable[bool])
    assert_type(items.pipe(ops.count(lambda m: m.size > 1)), Observable[int])
    assert_type(items.pipe(ops.first(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.last(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.single(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.find(lambda m, i, _: m.size > i)), Observable[Item | None])
    assert_type(items.pipe(ops.find_index(lambda m, i, _: m.size > i)), Observable[int])
    assert_type(items.pipe(ops.first_or_default(lambda m: m.size > 1)), Observable[Item | None])
    assert_type(items.pipe(ops.last_or_default(None, lambda m: m.size > 1)), Observable[Item | None])
    assert_type(items.pipe(ops.take_while(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.take_while_indexed(lambda m, i: m.size > i)), Observable[Item])
    assert_type(items.pipe(ops.skip_while(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.skip_while_indexed(lambda m, i: m.size > i)), Observable[Item])
    assert_type(items.pipe(ops.distinct(lambda m: m.kind)), Observable[Item])
    assert_type(items.pipe(ops.distinct_until_changed(lambda m: m.kind)), Observable[Item])
    assert_type(items.pipe(ops.min_by(lambda m: m.size)), Observable[list[Item]])
    assert_type(items.pipe(ops.max_by(lambda m: m.size)), Observable[list[Item]])
    assert_type(items.pipe(ops.min(lambda a, b: a.size - b.size)), Observable[Item])
    assert_type(items.pipe(ops.max(lambda a, b: a.size - b.size)), Observable[Item])
    assert_type(items.pipe(ops.sum(lambda m: m.size)), Observable[int])
    assert_type(items.pipe(ops.average(lambda m: m.size)), Observable[float])
    assert_type(words.pipe(ops.partition(lambda w: w.isupper())), list[Observable[str]])
    assert_type(words.pipe(ops.partition_indexed(lambda w, i: len(w) > i)), list[Observable[str]])


def keys_and_time(items: Observable[Item]) -> None:
    assert_type(items.pipe(ops.group_by(lambda m: m.kind)), Observable[GroupedObservable[str, Item]])
    assert_type(
        items.pipe(ops.group_by(lambda m: m.kind, lambda m: m.size)), Observable[GroupedObservable[str, int]]
    )
    assert_type(
        items.pipe(ops.group_by_until(lambda m: m.kind, None, lambda g: rx.timer(len(g.key)))),
        Observable[GroupedObservable[str, Item]],
    )
    assert_type(items.pipe(ops.to_dict(lambda m: m.kind)), Observable[dict[str, Item]])
    assert_type(items.pipe(ops.to_dict(lambda m: m.kind, lambda m: m.size)), Observable[dict[str, int]])
    assert_type(items.pipe(ops.do_action(lambda m: print(m.text))), Observable[Item])  # noqa: T201
    assert_type(items.pipe(ops.tap(on_next=lambda m: print(m.text))), Observable[Item])  # noqa: T201
    assert_type(items.pipe(ops.catch(lambda _, source: source)), Observable[Item])
    assert_type(items.pipe(ops.throttle_with_mapper(lambda m: rx.timer(m.size))), Observable[Item])
    assert_type(items.pipe(ops.delay_with_mapper(lambda m: rx.timer(m.size))), Observable[Item])
    assert_type(items.pipe(ops.publish(lambda s: s.pipe(ops.map(lambda m: m.text)))), Observable[str])


def pairs(items: Observable[Item], words: Observable[str]) -> None:
    assert_type(items.pipe(ops.take(1), ops.filter(lambda m: m.size > 1)), Observable[Item])
    assert_type(items.pipe(ops.filter(lambda m: m.size > 1), ops.map(lambda m: m.text)), Observable[str])
    assert_type(items.pipe(ops.filter(is_long), ops.map(lambda m: m.text)), Observable[str])
    assert_type(items.pipe(ops.map(lambda m: m.text), ops.map(lambda t: t.split())), Observable[list[str]])
    assert_type(items.pipe(ops.map(lambda m: m.text), ops.flat_map(lambda t: t.split())), Observable[str])
    assert_type(
        items.pipe(ops.map(lambda m: m.text), ops.filter(lambda t: t != ""), ops.take(1)), Observable[str]
    )
    assert_type(
        items.pipe(ops.flat_map(lambda m: m.text.split()), ops.map(lambda w: w.upper())), Observable[str]
    )
    assert_type(items.pipe(ops.do_action(print), ops.map(lambda m: m.size)), Observable[int])
    assert_type(items.pipe(ops.scan(lambda a, m: a + m.size, 0), ops.map(lambda n: n / 2)), Observable[float])
    assert_type(words.pipe(ops.start_with("a"), ops.map(lambda w: w.upper())), Observable[str])
    assert_type(words.pipe(ops.merge(words), ops.filter(lambda w: w != ""), ops.take(1)), Observable[str])
    assert_type(words.pipe(ops.catch(words), ops.map(lambda w: w.upper())), Observable[str])
    assert_type(words.pipe(ops.take(1), ops.concat(words), ops.to_list(), ops.count()), Observable[int])
    assert_type(words.pipe(ops.filter(lambda w: w != ""), ops.first_or_default()), Observable[str | None])


def chains(items: Observable[Item], words: Observable[str]) -> None:
    assert_type(
        items.pipe(
            ops.filter(lambda m: m.size > 1), ops.map(lambda m: m.text), ops.map(lambda t: len(t) / 2)
        ),
        Observable[float],
    )
    assert_type(
        items.pipe(
            ops.group_by(lambda m: m.kind),
            ops.flat_map(lambda group: group.pipe(ops.count(), ops.map(lambda n: (group.key, n)))),
        ),
        Observable[tuple[str, int]],
    )
    assert_type(
        words.pipe(
            ops.map(lambda w: w.strip()),
            ops.filter(lambda w: w != ""),
            ops.map(lambda w: (w, len(w))),
            ops.filter(lambda pair: pair[1] > 1),
            ops.map(lambda pair: pair[0]),
            ops.scan(lambda all_, w: all_ + w, ""),
        ),
        Observable[str],
    )
    assert_type(words.pipe(ops.buffer_with_count(2), ops.map(lambda b: " ".join(b))), Observable[str])  # noqa: PLW0108
    assert_type(
        items.pipe(ops.map(lambda m: m.text or None), ops.filter(lambda t: t is not None)),
        Observable[str | None],
    )
    assert_type(items.pipe(lambda source: source.pipe(ops.count())), Observable[int])
    assert_type(
        items.pipe(ops.first_or_default(lambda m: m.size > 1), ops.map(lambda m: m.text if m else "none")),
        Observable[str],
    )


def in_the_third_place(items: Observable[Item], words: Observable[str]) -> None:
    """What stands before it keeps the items."""
    assert_type(
        items.pipe(ops.filter(lambda m: m.size > 1), ops.take(1), ops.map(lambda m: m.text)), Observable[str]
    )
    assert_type(
        words.pipe(ops.map(lambda w: len(w)), ops.distinct_until_changed(), ops.map(lambda n: n / 2)),  # noqa: PLW0108
        Observable[float],
    )
    assert_type(
        words.pipe(ops.map(len), ops.skip(1), ops.filter(lambda n: n > 1), ops.to_list()),
        Observable[list[int]],
    )
    items.pipe(ops.map(lambda m: m.text), ops.take(1), ops.map(lambda t: t.nope))  # type: ignore[attr-defined]
