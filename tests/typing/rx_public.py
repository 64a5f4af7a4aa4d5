"""Corpus: pipelines as public programs on RxPY have them, and pipes of our own of the same shapes.

The shapes are those of programs; the lines were written for this file. `test_public` runs each line, and has
both checkers read them without our stubs, too. A line that mypy cannot infer stands in `rx_gaps.py`, in
`public_shapes`, and here in the form that works.
"""

# ruff: noqa: T201, PLR0915, PLW0108 - as programs are written

import json
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_type

import reactivex as rx
from reactivex import GroupedObservable, Observable, operators as ops
from reactivex.operators._timeinterval import TimeInterval
from reactivex.operators._timestamp import Timestamp
from reactivex.scheduler import ImmediateScheduler

from miniagents import Message
from miniagents.operators import map_tokens, resolve, tokens
from tests.typing.agent_kinds import answering_agent, any_agent as echo_agent
from tests.typing.message_classes import Answer, Question
from tests.typing.rx_items import Item, Reply, is_long, text_of

NOW = ImmediateScheduler()
NO = False


@dataclass(frozen=True)
class Event:
    kind: str
    who: str
    value: int = 1


@dataclass(frozen=True)
class State:
    opened: int = 0


def after(state: State, event: Event) -> State:
    return State(state.opened + event.value)


def opened(state: State) -> int:
    return state.opened


def is_open(event: Event) -> bool:
    return event.kind == "open"


def name(event: Event) -> str:
    return event.who


def value(event: Event) -> int:
    return event.value


def no_names() -> list[str]:
    return []


def no_tally() -> dict[str, int]:
    return {}


def appended(names: list[str], name: str) -> list[str]:
    return [*names, name]


def tallied(counts: dict[str, int], event: Event) -> dict[str, int]:
    return {**counts, event.who: counts.get(event.who, 0) + 1}


def merged(one: dict[str, int], other: dict[str, int]) -> dict[str, int]:
    return {**one, **other}


def group_size(group: GroupedObservable[str, Event]) -> Observable[int]:
    return group.pipe(ops.count())


def search(query: str) -> Observable[list[str]]:
    return rx.of([f"{query} 1", f"{query} 2"])


def first_of(texts: Sequence[str]) -> str:
    return texts[0]


def joined(seen: str, key: str) -> str:
    return seen + key


def second(both: tuple[str, str]) -> str:
    return both[1]


def second_of_mixed(both: tuple[int, str]) -> str:
    return both[1]


def first_int(both: tuple[int, bool]) -> int:
    return both[0]


def is_on(both: tuple[int, bool]) -> bool:
    return both[1]


def difference(both: tuple[int, int]) -> int:
    return both[1] - both[0]


def grows(both: tuple[int, int]) -> bool:
    return both[1] > both[0]


def add(one: int, other: int) -> int:
    return one + other


def half(number: int) -> float:
    return number / 2


def twice(number: int) -> int:
    return 2 * number


def is_b(word: str) -> bool:
    return word == "b"


def none_or_text(word: str) -> str | None:
    return word or None


def answer(item: Item) -> Observable[Reply]:
    return rx.of(Reply(item.text, item.size))


def stamped(stamp: Timestamp[Item]) -> Item:
    return stamp.value


def spaced(interval: TimeInterval[Item]) -> Item:
    return interval.value


def score(answer: Answer) -> float:
    return answer.score


def cleaned(source: Observable[str]) -> Observable[str]:
    return source.pipe(ops.map(str.strip), ops.filter(bool))


def windows(words: Observable[str], ints: Observable[int], events: Observable[Event]) -> None:
    """Windows: readings are collected, cleaned and summed."""
    assert_type(
        words.pipe(ops.filter(bool), ops.distinct(), ops.buffer_with_time(1), ops.filter(bool)),
        Observable[list[str]],
    )
    assert_type(
        words.pipe(ops.share(), ops.take(1), ops.buffer_with_count(2), ops.take(1)), Observable[list[str]]
    )
    assert_type(
        words.pipe(ops.distinct_until_changed(), ops.buffer_with_count(2), ops.distinct_until_changed()),
        Observable[list[str]],
    )
    assert_type(ints.pipe(ops.skip(1), ops.buffer_with_count(2), ops.skip(1)), Observable[list[int]])
    assert_type(
        ints.pipe(ops.filter(lambda n: n > 0), ops.buffer_with_time(2), ops.take(1)), Observable[list[int]]
    )
    assert_type(
        ints.pipe(ops.filter(lambda n: n >= 0), ops.buffer_with_time(1)).filter(lambda batch: len(batch) > 0),
        Observable[list[int]],
    )
    assert_type(
        events.pipe(ops.map(lambda e: e.who), ops.buffer_with_time(5), ops.map(set), ops.first()),
        Observable[set[str]],
    )
    assert_type(
        events.pipe(
            ops.map(lambda e: e.who),
            ops.buffer_with_count(9),
            ops.map(set),
            ops.first(),
            ops.flat_map(list),
            ops.map(lambda who: (who, None)),
        ),
        Observable[tuple[str, None]],
    )
    assert_type(ints.pipe(ops.take(5), ops.window_with_count(2), ops.take(2)), Observable[Observable[int]])
    assert_type(ints.pipe(ops.window_with_count(2), ops.concat_all()), Observable[int])
    assert_type(ints.pipe(ops.window_with_count(2), ops.merge_all(), ops.take(3)), Observable[int])
    assert_type(ints.pipe(ops.share(), ops.pairwise(), ops.share()), Observable[tuple[int, int]])
    assert_type(ints.pipe(ops.pairwise(), ops.map(difference), ops.filter(bool)), Observable[int])
    assert_type(ints.pipe(ops.pairwise(), ops.map(grows), ops.distinct_until_changed()), Observable[bool])
    assert_type(
        ints.pipe(ops.distinct(), ops.pairwise(), ops.distinct(), ops.take(2)), Observable[tuple[int, int]]
    )
    assert_type(
        ints.pipe(ops.distinct(), ops.pairwise(), ops.distinct(), ops.to_list(), ops.take(1)),
        Observable[list[tuple[int, int]]],
    )
    assert_type(
        words.pipe(
            ops.distinct(), ops.buffer_with_count(1), ops.take(3), ops.buffer_with_count(2), ops.take(1)
        ),
        Observable[list[list[str]]],
    )
    assert_type(
        words.pipe(ops.take(1), ops.to_list(), ops.take(1), ops.to_list(), ops.take(1)),
        Observable[list[list[str]]],
    )
    assert_type(
        ints.pipe(ops.share(), ops.buffer_with_time_or_count(1, 2), ops.filter(bool)).pipe(ops.share()),
        Observable[list[int]],
    )
    assert_type(
        words.pipe(ops.buffer_with_time_or_count(0.5, 10))
        .filter(lambda batch: len(batch) > 0)
        .map(lambda batch: [word.upper() for word in batch]),
        Observable[list[str]],
    )
    assert_type(ints.pipe(ops.buffer_with_count(3)).map(lambda window: sum(window)), Observable[int])
    assert_type(ints.pipe(ops.buffer_with_count(3)).map(sum), Observable[int])
    assert_type(
        ints.buffer_with_count(3, 1).pipe(ops.filter(lambda window: len(window) == 3), ops.map(max)),
        Observable[int],
    )
    assert_type(
        ints.pipe(ops.buffer_with_count(4)).pipe(
            ops.map(lambda w: sum(w) / len(w)), ops.filter(lambda mean: mean > 0)
        ),
        Observable[float],
    )
    assert_type(
        words.pipe(ops.buffer_with_count(2)).flat_map(lambda pair: rx.from_iterable(pair)), Observable[str]
    )
    assert_type(
        words.buffer_with_time(0.1).map(lambda batch: batch[-2:]).flat_map(rx.from_iterable), Observable[str]
    )
    assert_type(
        ints.pipe(ops.take(5), ops.window_with_count(2)).flat_map(lambda w: w.pipe(ops.sum())),
        Observable[int],
    )
    assert_type(
        ints.pipe(ops.window_with_count(2)).pipe(ops.map(lambda w: w.pipe(ops.count())), ops.merge_all()),
        Observable[int],
    )
    assert_type(
        ints.pipe(ops.window_with_time(1)).pipe(
            ops.flat_map(lambda w: w.pipe(ops.to_list())), ops.filter(bool)
        ),
        Observable[list[int]],
    )


def keep_change_keep(words: Observable[str], ints: Observable[int]) -> None:
    """Keep, change, keep: what is filtered, throttled, shared, watched on both sides of a change."""
    assert_type(words.pipe(ops.take(1), ops.map(len), ops.take(1)), Observable[int])
    assert_type(words.pipe(ops.take(1), ops.take(1), ops.map(len), ops.take(1), ops.take(2)), Observable[int])
    assert_type(words.pipe(ops.distinct(), ops.map(len), ops.distinct()), Observable[int])
    assert_type(
        words.pipe(
            ops.debounce(0.3),
            ops.distinct_until_changed(),
            ops.map(len),
            ops.debounce(0.3),
            ops.distinct_until_changed(),
        ),
        Observable[int],
    )
    assert_type(words.pipe(ops.share(), ops.map(len), ops.share(), ops.delay(1)), Observable[int])
    assert_type(words.pipe(ops.retry(3), ops.map(len), ops.retry(2)), Observable[int])
    assert_type(words.pipe(ops.timeout(5), ops.map(len), ops.timeout(5), ops.retry(2)), Observable[int])
    assert_type(words.pipe(ops.do_action(print), ops.map(len), ops.do_action(print)), Observable[int])
    assert_type(
        words.pipe(ops.do_action(lambda w: print(w.upper())), ops.map(len), ops.do_action(print)),
        Observable[int],
    )
    assert_type(words.pipe(ops.filter(bool), ops.map(len), ops.filter(bool)), Observable[int])
    assert_type(words.pipe(ops.first(), ops.map(len), ops.first()), Observable[int])
    assert_type(words.pipe(ops.last(), ops.map(len), ops.last()), Observable[int])
    assert_type(
        words.pipe(ops.skip(1), ops.skip_last(1), ops.map(len), ops.skip(0), ops.take_last(1)),
        Observable[int],
    )
    assert_type(
        words.pipe(ops.delay(1), ops.map(len), ops.delay(1), ops.delay_subscription(1)), Observable[int]
    )
    assert_type(words.pipe(ops.throttle_first(0.1), ops.map(len), ops.throttle_first(0.1)), Observable[int])
    assert_type(words.pipe(ops.sample(0.1), ops.map(len), ops.sample(0.1)), Observable[int])
    assert_type(
        words.pipe(ops.take_until(rx.timer(9)), ops.map(len), ops.take_until(rx.timer(9))), Observable[int]
    )
    assert_type(words.pipe(ops.skip_until(rx.of(1)), ops.map(len), ops.skip_until(rx.of(1))), Observable[int])
    assert_type(words.pipe(ops.take_with_time(9), ops.map(len), ops.skip_with_time(0)), Observable[int])
    assert_type(words.pipe(ops.repeat(2), ops.map(len), ops.repeat(2), ops.take(4)), Observable[int])
    assert_type(
        words.pipe(ops.finally_action(print), ops.map(len), ops.finally_action(print)), Observable[int]
    )
    assert_type(words.pipe(ops.as_observable(), ops.map(len), ops.as_observable()), Observable[int])
    assert_type(words.pipe(ops.ignore_elements(), ops.map(len), ops.ignore_elements()), Observable[int])
    assert_type(words.pipe(ops.slice(0, 2), ops.map(len), ops.slice(0, 1)), Observable[int])
    assert_type(words.pipe(ops.element_at(0), ops.map(len), ops.element_at(0)), Observable[int])
    assert_type(
        words.pipe(ops.observe_on(NOW), ops.map(len), ops.observe_on(NOW), ops.subscribe_on(NOW)),
        Observable[int],
    )
    assert_type(words.pipe(ops.subscribe_on(NOW), ops.map(len), ops.subscribe_on(NOW)), Observable[int])
    assert_type(
        words.pipe(ops.take_last_with_time(9), ops.map(len), ops.skip_last_with_time(0)), Observable[int]
    )
    assert_type(ints.pipe(ops.min(), ops.map(str), ops.take(1)), Observable[str])
    assert_type(ints.pipe(ops.max(), ops.map(abs), ops.min()), Observable[int])
    assert_type(words.pipe(ops.single(is_b), ops.map(len), ops.single()), Observable[int])
    assert_type(words.pipe(ops.share(), ops.to_set(), ops.share(), ops.retry(1)), Observable[set[str]])
    assert_type(
        ints.pipe(ops.share(), ops.map(str), ops.share(), ops.filter(bool), ops.take(2)), Observable[str]
    )
    assert_type(
        ints.pipe(ops.share(), ops.map(str), ops.share(), ops.map(str.upper), ops.share()), Observable[str]
    )
    assert_type(
        ints.pipe(ops.take(3), ops.map(half), ops.take(2), ops.map(abs), ops.take(1)), Observable[float]
    )
    assert_type(
        words.pipe(ops.take(2), ops.map(len), ops.take(2), ops.to_list(), ops.take(1), ops.retry(1)),
        Observable[list[int]],
    )
    assert_type(
        words.pipe(
            ops.take(2), ops.map(len), ops.take(2), ops.to_list(), ops.take(1), ops.map(bool), ops.take(1)
        ),
        Observable[bool],
    )
    assert_type(
        words.pipe(
            ops.filter(bool),
            ops.distinct(),
            ops.share(),
            ops.map(len),
            ops.filter(bool),
            ops.distinct(),
            ops.share(),
        ),
        Observable[int],
    )
    assert_type(
        words.pipe(
            ops.filter(bool),
            ops.distinct(),
            ops.share(),
            ops.delay(1),
            ops.map(len),
            ops.filter(bool),
            ops.distinct(),
            ops.share(),
            ops.delay(1),
        ),
        Observable[int],
    )


def a_search_box(words: Observable[str], keys: Observable[str]) -> None:
    """User input: a search box."""
    assert_type(
        keys.pipe(ops.debounce(0.3), ops.distinct_until_changed(), ops.filter(lambda query: len(query) > 2)),
        Observable[str],
    )
    assert_type(
        keys.pipe(
            ops.debounce(0.3),
            ops.distinct_until_changed(),
            ops.filter(lambda query: len(query) > 0),
            ops.switch_map(search),
        ),
        Observable[list[str]],
    )
    assert_type(
        keys.pipe(
            ops.map(str.strip),
            ops.filter(bool),
            ops.debounce(0.2),
            ops.distinct_until_changed(),
            ops.flat_map_latest(search),
        ),
        Observable[list[str]],
    )
    assert_type(
        keys.pipe(
            ops.map(lambda k: k.strip()),
            ops.filter(lambda k: k != ""),
            ops.throttle_first(0.2),
            ops.switch_map(search),
        ),
        Observable[list[str]],
    )
    assert_type(
        keys.pipe(
            ops.throttle_with_timeout(0.2), ops.distinct_until_changed(), ops.map(search), ops.switch_latest()
        ),
        Observable[list[str]],
    )
    assert_type(
        keys.pipe(ops.debounce(0.1), ops.flat_map(search), ops.map(first_of), ops.distinct_until_changed()),
        Observable[str],
    )
    assert_type(
        keys.pipe(ops.distinct_until_changed(), ops.flat_map(search), ops.filter(bool), ops.map(first_of)),
        Observable[str],
    )
    assert_type(
        keys.pipe(ops.map(str.lower), ops.scan(joined, ""), ops.start_with(""), ops.distinct_until_changed()),
        Observable[str],
    )
    assert_type(
        keys.pipe(ops.scan(lambda seen, key: seen + key, ""), ops.filter(lambda seen: len(seen) > 1)),
        Observable[str],
    )
    assert_type(
        keys.pipe(ops.with_latest_from(words), ops.filter(lambda both: both[0] != both[1])),
        Observable[tuple[str, str]],
    )
    assert_type(keys.pipe(ops.with_latest_from(words), ops.map(second)), Observable[str])
    assert_type(
        keys.pipe(ops.combine_latest(words), ops.map(second), ops.distinct_until_changed()), Observable[str]
    )


def states(ints: Observable[int], events: Observable[Event]) -> None:
    """States: scans."""
    assert_type(
        ints.pipe(ops.scan(lambda total, n: total + n, 0), ops.start_with(0), ops.share()), Observable[int]
    )
    assert_type(ints.pipe(ops.scan(operator.add, 0)), Observable[int])
    assert_type(
        ints.pipe(
            ops.scan(add, 0), ops.start_with(0), ops.distinct_until_changed(), ops.replay(1), ops.ref_count()
        ),
        Observable[int],
    )
    assert_type(ints.pipe(ops.scan(add), ops.last()), Observable[int])
    assert_type(ints.pipe(ops.reduce(add, 0), ops.map(abs)), Observable[int])
    assert_type(ints.pipe(ops.reduce(lambda a, b: max(a, b)), ops.take(1)), Observable[int])
    assert_type(
        events.pipe(ops.scan(after, State()), ops.start_with(State()), ops.share()), Observable[State]
    )
    assert_type(
        events.pipe(
            ops.filter(lambda e: e.kind == "open"), ops.scan(after, State()), ops.distinct_until_changed()
        ),
        Observable[State],
    )
    assert_type(events.pipe(ops.scan(after, State()), ops.take_last(1)), Observable[State])
    assert_type(
        events.pipe(
            ops.scan(after, State()), ops.map(lambda state: state.opened), ops.distinct_until_changed()
        ),
        Observable[int],
    )
    assert_type(
        events.pipe(ops.scan(after, State()), ops.map(opened), ops.pairwise(), ops.map(difference)),
        Observable[int],
    )
    assert_type(
        events.pipe(
            ops.map(lambda e: e.kind), ops.distinct_until_changed(), ops.map(lambda kind: kind.upper())
        ),
        Observable[str],
    )
    assert_type(
        events.pipe(ops.map(is_open), ops.distinct_until_changed(), ops.share(), ops.start_with(NO)),
        Observable[bool],
    )
    assert_type(events.pipe(ops.scan(lambda names, e: [*names, e.who], no_names())), Observable[list[str]])
    assert_type(
        events.pipe(ops.map(name), ops.scan(appended, no_names()), ops.take(2)), Observable[list[str]]
    )
    assert_type(
        events.pipe(ops.scan(tallied, no_tally()), ops.last(), ops.share()), Observable[dict[str, int]]
    )
    assert_type(events.pipe(ops.to_dict(lambda e: e.who, lambda e: e.value)), Observable[dict[str, int]])
    assert_type(events.pipe(ops.filter(is_open), ops.to_dict(lambda e: e.who)), Observable[dict[str, Event]])


def groups(words: Observable[str], events: Observable[Event]) -> None:
    """Groups."""
    assert_type(
        events.pipe(
            ops.group_by(lambda e: e.who),
            ops.flat_map(lambda g: g.pipe(ops.count(), ops.map(lambda n: (g.key, n)))),
        ),
        Observable[tuple[str, int]],
    )
    assert_type(
        events.pipe(ops.group_by(lambda e: e.who), ops.flat_map(lambda g: g.pipe(ops.sample(1)))),
        Observable[Event],
    )
    assert_type(
        events.pipe(
            ops.group_by(name), ops.flat_map(lambda g: g.pipe(ops.debounce(3), ops.do_action(print)))
        ),
        Observable[Event],
    )
    assert_type(
        events.pipe(ops.group_by(name), ops.flat_map(lambda g: g.pipe(ops.take(1))), ops.take(3)),
        Observable[Event],
    )
    assert_type(events.pipe(ops.group_by(name), ops.map(lambda g: g.key), ops.distinct()), Observable[str])
    assert_type(events.pipe(ops.group_by(name), ops.map(lambda g: g.key)), Observable[str])
    assert_type(
        events.pipe(ops.group_by(name, value), ops.flat_map(lambda g: g.pipe(ops.sum()))), Observable[int]
    )
    assert_type(events.pipe(ops.group_by(name, value), ops.merge_all()), Observable[int])
    assert_type(
        events.pipe(ops.filter(is_open), ops.group_by(name), ops.flat_map(group_size), ops.filter(bool)),
        Observable[int],
    )
    assert_type(
        events.pipe(ops.filter(is_open), ops.filter(is_open), ops.group_by(name), ops.flat_map(group_size)),
        Observable[int],
    )
    assert_type(
        words.pipe(ops.group_by(len), ops.flat_map(lambda g: g.pipe(ops.map(len), ops.to_list()))),
        Observable[list[int]],
    )
    assert_type(
        events.pipe(
            ops.group_by(name),
            ops.flat_map(lambda g: g.pipe(ops.count(), ops.map(lambda n: {g.key: n}))),
            ops.reduce(merged),
        ),
        Observable[dict[str, int]],
    )
    assert_type(
        events.pipe(ops.group_by_until(name, None, lambda g: rx.timer(9)), ops.map(lambda g: g.key)),
        Observable[str],
    )
    assert_type(
        events.pipe(ops.group_by(name), ops.flat_map(lambda g: g.to_list().map(lambda es: (g.key, es)))),
        Observable[tuple[str, list[Event]]],
    )


def several_sources(
    words: Observable[str], keys: Observable[str], ints: Observable[int], flags: Observable[bool]
) -> None:
    """Several sources."""
    assert_type(ints.pipe(ops.zip(words), ops.take(2)), Observable[tuple[int, str]])
    assert_type(ints.pipe(ops.zip(words), ops.filter(lambda pair: pair[0] > 1)), Observable[tuple[int, str]])
    assert_type(rx.zip(ints, words).pipe(ops.map(lambda pair: pair[1] * pair[0])), Observable[str])
    assert_type(rx.zip(ints, words).pipe(ops.starmap(lambda n, w: w * n)), Observable[str])
    assert_type(
        rx.zip(ints, words, flags).pipe(ops.filter(lambda t: t[2]), ops.map(lambda t: t[1])), Observable[str]
    )
    assert_type(
        rx.combine_latest(ints, words).pipe(ops.distinct_until_changed(), ops.share()),
        Observable[tuple[int, str]],
    )
    assert_type(
        rx.combine_latest(ints, flags).pipe(ops.filter(lambda p: p[1]), ops.map(lambda p: p[0])),
        Observable[int],
    )
    assert_type(ints.pipe(ops.combine_latest(flags, words), ops.take(1)), Observable[tuple[int, bool, str]])
    assert_type(
        ints.pipe(ops.with_latest_from(flags), ops.filter(is_on), ops.map(first_int)), Observable[int]
    )
    assert_type(rx.merge(ints, ints).pipe(ops.distinct(), ops.to_list(), ops.map(len)), Observable[int])
    assert_type(rx.merge(ints, words).pipe(ops.distinct()), Observable[int | str])
    assert_type(
        rx.merge(ints, rx.of(7)).pipe(ops.scan(add, 0), ops.distinct_until_changed()), Observable[int]
    )
    assert_type(words.pipe(ops.merge(keys), ops.distinct(), ops.map(str.upper)), Observable[str])
    assert_type(words.pipe(ops.merge(keys, keys), ops.map(lambda w: w.upper())), Observable[str])
    assert_type(words.pipe(ops.start_with("a"), ops.distinct(), ops.start_with("b")), Observable[str])
    assert_type(words.pipe(ops.start_with("a"), ops.map(len), ops.start_with(0)), Observable[int])
    assert_type(words.pipe(ops.merge(keys), ops.map(len), ops.merge(ints)), Observable[int])
    assert_type(words.pipe(ops.concat(keys), ops.map(len), ops.concat(ints), ops.take(9)), Observable[int])
    assert_type(words.pipe(ops.catch(keys), ops.map(len), ops.catch(ints), ops.retry(3)), Observable[int])
    assert_type(words.pipe(ops.default_if_empty("-"), ops.map(len), ops.default_if_empty(0)), Observable[int])
    assert_type(
        words.pipe(ops.on_error_resume_next(keys), ops.map(len), ops.on_error_resume_next(ints)),
        Observable[int],
    )
    assert_type(words.pipe(ops.amb(keys), ops.map(len), ops.amb(ints)), Observable[int])
    assert_type(rx.concat(words, keys).pipe(ops.take(3), ops.map(str.title)), Observable[str])
    assert_type(words.pipe(ops.start_with(0)), Observable[str | int])
    assert_type(words.pipe(ops.merge(ints), ops.take(1)), Observable[str | int])
    assert_type(words.pipe(ops.take(1), ops.merge(ints), ops.take(1)), Observable[str | int])
    assert_type(words.pipe(ops.map(len), ops.merge(words), ops.take(1)), Observable[int | str])
    assert_type(words.pipe(ops.merge(ints), ops.to_list()), Observable[list[str | int]])
    assert_type(words.pipe(ops.map(len), ops.start_with("a"), ops.to_list()), Observable[list[int | str]])
    assert_type(words.pipe(ops.merge(ints), ops.map(lambda either: either)), Observable[str | int])
    assert_type(words.pipe(ops.map(len), ops.start_with("a"), ops.distinct(), ops.map(str)), Observable[str])
    assert_type(
        words.pipe(ops.start_with(None), ops.map(lambda _: 1), ops.distinct_until_changed()), Observable[int]
    )
    assert_type(ints.pipe(ops.to_list(), ops.start_with([1])), Observable[list[int]])
    assert_type(words.pipe(ops.map(none_or_text), ops.start_with(None)), Observable[str | None])
    assert_type(words.pipe(ops.zip_with_iterable([1, 2, 3]), ops.take(2)), Observable[tuple[str, int]])
    assert_type(ints.pipe(ops.map(twice), ops.zip(ints), ops.take(2)), Observable[tuple[int, int]])
    assert_type(words.pipe(ops.skip(1), ops.zip(words), ops.share()), Observable[tuple[str, str]])
    assert_type(words.pipe(ops.flat_map(lambda w: rx.of(w, w.upper())), ops.distinct()), Observable[str])
    assert_type(
        words.pipe(ops.flat_map(lambda w: ints.pipe(ops.map(lambda n: (w, n))))), Observable[tuple[str, int]]
    )
    assert_type(
        words.pipe(ops.flat_map(lambda w: ints.pipe(ops.take(1), ops.map(lambda n: (w, n)))), ops.take(2)),
        Observable[tuple[str, int]],
    )
    assert_type(rx.interval(1).pipe(ops.take(3), ops.map(twice), ops.take(2)), Observable[int])
    assert_type(
        rx.interval(1).pipe(ops.start_with(0), ops.flat_map(lambda _: ints), ops.take(3)), Observable[int]
    )
    assert_type(rx.interval(1).pipe(ops.zip(words), ops.map(second_of_mixed)), Observable[str])
    assert_type(rx.timer(1, 1).pipe(ops.take(2), ops.repeat(2), ops.map(abs)), Observable[int])
    assert_type(rx.from_iterable([1, 2, 3]).pipe(ops.map(lambda n: n * 10), ops.reduce(add)), Observable[int])
    assert_type(rx.from_iterable({"a": 1}).pipe(ops.map(str.upper), ops.take(1)), Observable[str])
    assert_type(rx.of(1, 2, 3).pipe(ops.flat_map(lambda n: rx.of(n, n * 2))), Observable[int])
    assert_type(rx.of(1, 2, 3).pipe(ops.concat_map(lambda n: rx.of(n, n * 2)), ops.take(4)), Observable[int])
    assert_type(rx.of(1, 2, 3).pipe(ops.switch_map(lambda n: rx.of(n, n * 2))), Observable[int])
    assert_type(rx.defer(lambda _: rx.of(1)).pipe(ops.retry(2), ops.map(abs)), Observable[int])
    assert_type(
        rx.just(3).pipe(ops.expand(lambda n: rx.of(n - 1) if n else rx.empty()), ops.to_list(), ops.map(len)),
        Observable[int],
    )
    assert_type(
        rx.range(0, 10).pipe(ops.filter(lambda n: n % 2 == 0), ops.map(lambda n: n * n)).sum(),
        Observable[int],
    )


def lines_and_requests(lines: Observable[str], requests: Observable[Item]) -> None:
    """Files, lines and requests."""
    assert_type(lines.pipe(ops.map(str.strip), ops.filter(bool), ops.map(str.lower)), Observable[str])
    assert_type(
        lines.pipe(ops.map(lambda line: line.split("#")[0]), ops.filter(lambda line: line != "")),
        Observable[str],
    )
    assert_type(
        lines.pipe(ops.flat_map(lambda line: rx.from_iterable(line.split())), ops.map(lambda w: w.lower())),
        Observable[str],
    )
    assert_type(
        lines.pipe(ops.flat_map(lambda line: line.split()), ops.map(str.lower), ops.distinct()),
        Observable[str],
    )
    assert_type(
        lines.pipe(ops.flat_map(lambda line: line.split()), ops.group_by(lambda w: w)).flat_map(
            lambda g: g.pipe(ops.count(), ops.map(lambda n: (g.key, n)))
        ),
        Observable[tuple[str, int]],
    )
    assert_type(lines.pipe(ops.map(str.split), ops.map(len), ops.filter(bool)), Observable[int])
    assert_type(lines.pipe(ops.skip(1), ops.map(str.split), ops.map(len), ops.sum()), Observable[int])
    assert_type(lines.pipe(ops.map(lambda line: len(line)), ops.sum()), Observable[int])
    assert_type(lines.pipe(ops.map(len), ops.average()), Observable[float])
    assert_type(lines.pipe(ops.map_indexed(lambda line, i: f"{i}: {line}"), ops.take(2)), Observable[str])
    assert_type(lines.pipe(ops.filter_indexed(lambda line, i: i > 0), ops.map(str.strip)), Observable[str])
    assert_type(lines.pipe(ops.take_while(lambda line: line != ""), ops.map(str.strip)), Observable[str])
    assert_type(lines.pipe(ops.skip_while(lambda line: line == ""), ops.first()), Observable[str])
    assert_type(lines.pipe(ops.first_or_default()), Observable[str | None])
    assert_type(lines.pipe(ops.first_or_default(None, ""), ops.map(str.strip)), Observable[str])
    assert_type(lines.pipe(ops.map(json.dumps), ops.map(str.strip)), Observable[str])
    assert_type(lines.pipe(ops.map(str.encode), ops.filter(bool)), Observable[bytes])
    assert_type(
        lines.pipe(ops.map(lambda line: line.encode()), ops.buffer_with_count(2), ops.map(b"".join)),
        Observable[bytes],
    )
    assert_type(lines.pipe(ops.to_list()), Observable[list[str]])
    assert_type(lines.pipe(ops.to_list(), ops.map("\n".join)), Observable[str])
    assert_type(lines.pipe(ops.to_list(), ops.map(lambda all_lines: "\n".join(all_lines))), Observable[str])
    assert_type(lines.pipe(ops.to_iterable(), ops.map(first_of)), Observable[str])
    assert_type(lines.pipe(ops.count(), ops.map(abs)), Observable[int])
    assert_type(lines.pipe(ops.some(lambda line: "x" in line)), Observable[bool])
    assert_type(lines.pipe(ops.all(bool), ops.start_with(NO)), Observable[bool])
    assert_type(lines.pipe(ops.contains("a")), Observable[bool])
    assert_type(lines.pipe(ops.is_empty(), ops.take(1)), Observable[bool])
    assert_type(requests.pipe(ops.flat_map(answer), ops.timeout(9), ops.retry(2)), Observable[Reply])
    assert_type(
        requests.pipe(ops.flat_map(answer), ops.catch(lambda error, source: source), ops.retry()),
        Observable[Reply],
    )
    assert_type(requests.pipe(ops.map(answer), ops.merge(max_concurrent=2)), Observable[Reply])
    assert_type(
        requests.pipe(ops.map(answer), ops.concat_all(), ops.filter(lambda reply: reply.size > 0)),
        Observable[Reply],
    )
    assert_type(requests.pipe(ops.concat_map(answer), ops.do_action(print), ops.share()), Observable[Reply])
    assert_type(requests.pipe(ops.concat_map(answer), ops.map(lambda reply: reply.text)), Observable[str])
    assert_type(
        requests.pipe(ops.flat_map(answer), ops.map(lambda reply: reply.text), ops.distinct()),
        Observable[str],
    )
    assert_type(requests.pipe(ops.flat_map(answer), ops.map(text_of), ops.map(str.upper)), Observable[str])
    assert_type(
        requests.pipe(
            ops.delay(0.1), ops.flat_map(lambda item: answer(item).pipe(ops.map(lambda reply: reply.text)))
        ),
        Observable[str],
    )
    assert_type(
        requests.pipe(
            ops.flat_map(
                lambda item: answer(item).pipe(ops.timeout(9), ops.map(text_of), ops.catch(rx.of("none")))
            )
        ),
        Observable[str],
    )
    assert_type(
        requests.pipe(ops.flat_map(lambda item: answer(item).pipe(ops.map(lambda reply: (item, reply))))),
        Observable[tuple[Item, Reply]],
    )
    assert_type(
        requests.pipe(ops.filter(is_long), ops.distinct(lambda item: item.text), ops.take(2)),
        Observable[Item],
    )
    assert_type(
        requests.pipe(ops.distinct_until_changed(lambda item: item.kind), ops.do_action(on_next=print)),
        Observable[Item],
    )
    assert_type(
        requests.pipe(
            ops.tap(lambda item: print(item.text)),
            ops.map(text_of),
            ops.tap(lambda text: print(text.upper())),
        ),
        Observable[str],
    )
    assert_type(
        requests.pipe(
            ops.do_action(lambda item: print(item.text)),
            ops.map(text_of),
            ops.do_action(lambda text: print(text.upper())),
        ),
        Observable[str],
    )
    assert_type(
        requests.pipe(
            ops.do_action(print, print),
            ops.map(text_of),
            ops.do_action(on_completed=print),
            ops.finally_action(print),
        ),
        Observable[str],
    )
    assert_type(requests.pipe(ops.map(lambda item: item.size), ops.max()), Observable[int])
    assert_type(requests.pipe(ops.map(lambda item: item.size), ops.distinct(), ops.sum()), Observable[int])
    assert_type(requests.pipe(ops.max_by(lambda item: item.size), ops.take(1)), Observable[list[Item]])
    assert_type(requests.pipe(ops.pluck_attr("text"), ops.map(str)), Observable[str])
    assert_type(
        requests.pipe(ops.materialize(), ops.delay(1), ops.dematerialize(), ops.delay(1)), Observable[Item]
    )
    assert_type(requests.pipe(ops.publish(), ops.ref_count(), ops.take(1)), Observable[Item])
    assert_type(requests.pipe(ops.replay(2), ops.ref_count(), ops.retry(2)), Observable[Item])
    assert_type(
        requests.pipe(ops.publish(lambda shared: shared.pipe(ops.map(text_of))), ops.take(1)), Observable[str]
    )
    assert_type(requests.pipe(ops.timestamp(), ops.take(2), ops.count()), Observable[int])
    assert_type(requests.pipe(ops.timestamp(), ops.map(stamped)), Observable[Item])
    assert_type(requests.pipe(ops.time_interval(), ops.take(1), ops.map(spaced)), Observable[Item])


def functions_of_their_own(words: Observable[str], ints: Observable[int]) -> None:
    """Parts of pipes that are functions of their own."""
    assert_type(words.pipe(cleaned), Observable[str])
    assert_type(words.pipe(cleaned, ops.take(1)), Observable[str])
    assert_type(words.pipe(ops.share(), cleaned, ops.share()), Observable[str])
    assert_type(words.pipe(cleaned, ops.map(len), ops.distinct()), Observable[int])
    assert_type(words.pipe(rx.compose(ops.map(str.strip), ops.filter(bool))), Observable[str])
    assert_type(words.pipe(lambda source: source.pipe(ops.map(str.upper))), Observable[str])
    assert_type(
        words.pipe(ops.map(lambda w: w)).pipe(ops.map(lambda w: w.upper())).pipe(ops.share()), Observable[str]
    )
    assert_type(
        ints.pipe(ops.map(lambda n: n * 2)).pipe(ops.pairwise()).pipe(ops.filter(lambda p: p[0] != p[1])),
        Observable[tuple[int, int]],
    )
    assert_type(words.map(str.strip).filter(lambda w: w != "").map(lambda w: w.upper()), Observable[str])
    assert_type(
        ints.filter(lambda n: n > 1).map(lambda n: n + 1).scan(lambda a, b: a + b).distinct_until_changed(),
        Observable[int],
    )
    assert_type(ints.buffer_with_count(2).map(sum).filter(lambda n: n > 0), Observable[int])
    assert_type(words.to_list().map(len), Observable[int])


def agents(words: Observable[str], questions: Observable[Question]) -> None:
    """Agents in pipes."""
    assert_type(words.pipe(ops.filter(bool), echo_agent, resolve(), ops.take(1)), Observable[Message])
    assert_type(words.pipe(ops.distinct(), echo_agent, resolve(), ops.distinct()), Observable[Message])
    assert_type(words.pipe(ops.take(2), echo_agent, tokens(), ops.filter(bool)), Observable[str])
    assert_type(words.pipe(ops.take(2), echo_agent, resolve(), ops.map(str), ops.take(1)), Observable[str])
    assert_type(
        words.pipe(ops.share(), echo_agent, tokens(), ops.buffer_with_count(2), ops.share()),
        Observable[list[str]],
    )
    assert_type(words.pipe(echo_agent, resolve(), ops.to_list(), ops.take(1)), Observable[list[Message]])
    assert_type(questions.pipe(answering_agent, resolve(), ops.take(1)), Observable[Answer])
    assert_type(questions.pipe(answering_agent, resolve(), ops.share(), ops.first()), Observable[Answer])
    assert_type(
        questions.pipe(ops.share(), answering_agent, resolve(), ops.last(), ops.retry(1)), Observable[Answer]
    )
    assert_type(questions.pipe(answering_agent, resolve(), ops.to_list()), Observable[list[Answer]])
    assert_type(
        questions.pipe(ops.repeat(2), answering_agent, resolve(), ops.buffer_with_count(1)),
        Observable[list[Answer]],
    )
    assert_type(
        questions.pipe(ops.take(1), answering_agent, map_tokens(str.upper), resolve()), Observable[Answer]
    )
    assert_type(
        questions.pipe(answering_agent, resolve()).map(lambda answer: answer.score), Observable[float]
    )
    assert_type(questions.pipe(answering_agent, resolve(), ops.map(score)), Observable[float])
    assert_type(
        questions.pipe(ops.take(1), answering_agent, resolve(), ops.map(score), ops.max()), Observable[float]
    )
    assert_type(
        questions.pipe(answering_agent, resolve()).pipe(
            ops.group_by(score), ops.flat_map(lambda g: g.pipe(ops.count(), ops.map(lambda n: (g.key, n))))
        ),
        Observable[tuple[float, int]],
    )
