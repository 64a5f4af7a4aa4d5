"""Corpus: our operators that need an event loop, in pipes of any operators."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import assert_type

from reactivex import Observable, operators as ops

from miniagents.operators import (
    Overflow,
    chunk,
    from_async,
    map_async,
    share_bounded,
    switch_map_async,
    to_async_iter,
    until,
)
from tests.typing.rx_items import Item


async def fetch(item: Item) -> str:
    return item.text


async def length(text: str) -> int:
    return len(text)


def what_a_function_returns(items: Observable[Item], words: Observable[str]) -> None:
    assert_type(items.pipe(map_async(fetch)), Observable[str])
    assert_type(items.pipe(map_async(fetch, 4, ordered=False)), Observable[str])
    assert_type(items.pipe(map_async(fetch), map_async(length)), Observable[int])
    assert_type(items.pipe(map_async(fetch), ops.map(len), ops.sum()), Observable[int])
    assert_type(items.pipe(switch_map_async(fetch)), Observable[str])
    assert_type(items.pipe(ops.take(1), switch_map_async(fetch), ops.to_list()), Observable[list[str]])
    words.pipe(map_async(fetch))  # type: ignore[arg-type]
    words.pipe(switch_map_async(fetch))  # type: ignore[arg-type]
    words.pipe(map_async(len))  # type: ignore[arg-type]


def what_is_put_together(items: Observable[Item], words: Observable[str], ints: Observable[int]) -> None:
    assert_type(items.pipe(chunk(10)), Observable[Sequence[Item]])
    assert_type(words.pipe(chunk(10, 0.5), ops.map(len)), Observable[int])
    assert_type(ints.pipe(chunk(seconds=0.5), ops.map(len), ops.sum()), Observable[int])


def what_stays_the_same(items: Observable[Item], words: Observable[str], event: asyncio.Event) -> None:
    assert_type(items.pipe(until(event)), Observable[Item])
    assert_type(items.pipe(until(event), ops.take(1), until(event)), Observable[Item])
    assert_type(words.pipe(share_bounded()), Observable[str])
    assert_type(words.pipe(ops.map(len), share_bounded(replay=1, grace=5.0)), Observable[int])
    assert_type(words.pipe(share_bounded(replay=None, pace="slowest"), map_async(length)), Observable[int])
    assert_type(words.pipe(ops.concat_map(lambda w: from_async(letters(w)))), Observable[str])
    assert_type(to_async_iter(words.pipe(map_async(length))), AsyncGenerator[int])
    words.pipe(share_bounded(pace="quickest"))  # type: ignore[arg-type]


def note(item: Item) -> None: ...


def note_all(item: object) -> None: ...


def what_takes_the_items_that_are_dropped(items: Observable[Item], words: Observable[str]) -> None:
    dropped: list[Item] = []
    assert_type(Overflow.drop_oldest(5, on_drop=note), Overflow[Item])
    assert_type(Overflow.drop_newest(on_drop=dropped.append), Overflow[Item])
    assert_type(Overflow("drop_oldest", 5, note), Overflow[Item])
    assert_type(Overflow.drop_oldest(5), Overflow[object])
    assert_type(Overflow.block(), Overflow[object])
    assert_type(Overflow.fail(5), Overflow[object])
    bare: Overflow = Overflow.drop_newest(5, on_drop=note_all)
    assert_type(to_async_iter(items, overflow=Overflow.drop_oldest(5, on_drop=note)), AsyncGenerator[Item])
    assert_type(
        to_async_iter(items, overflow=Overflow.drop_oldest(5, on_drop=note_all)), AsyncGenerator[Item]
    )
    assert_type(to_async_iter(words, overflow=Overflow.block(5)), AsyncGenerator[str])
    assert_type(to_async_iter(words, overflow=bare), AsyncGenerator[str])
    to_async_iter(words, overflow=Overflow.drop_oldest(5, on_drop=note))  # type: ignore[misc]


async def letters(word: str) -> AsyncGenerator[str]:
    for letter in word:
        yield letter
