"""Corpus: wrong programs. Each comment is needed by both checkers, so both see the mistake before it."""

from collections.abc import Callable

import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import Message, MessagePromise
from miniagents.operators import map_tokens, resolve, tokens
from tests.typing.rx_items import Item, is_reply, text_of


async def slow(item: Item) -> None:
    print(item)  # noqa: T201


def a_loop_that_never_ends(items: Observable[Item]) -> None:
    for _ in items:  # type: ignore[operator]
        pass
    list(items)  # type: ignore[call-overload]


def wrong_lambdas(items: Observable[Item], words: Observable[str]) -> None:
    items.pipe(ops.map(lambda m: m.nope))  # type: ignore[attr-defined]
    items.pipe(ops.filter(lambda m: m.nope > 1))  # type: ignore[attr-defined]
    items.pipe(ops.take(1), ops.map(lambda m: m.nope))  # type: ignore[attr-defined]
    items.pipe(ops.map(lambda m: m.text), ops.map(lambda t: t.nope))  # type: ignore[attr-defined]
    items.pipe(ops.map(lambda m: m.text), ops.take(1), ops.map(lambda t: t.nope))  # type: ignore[attr-defined]
    items.pipe(ops.map(lambda m: m.size + "a"))  # type: ignore[operator]
    words.pipe(ops.group_by(lambda w: w.nope))  # type: ignore[attr-defined]
    words.pipe(ops.flat_map(lambda w: len(w)))  # type: ignore[arg-type, return-value]  # noqa: PLW0108
    words.pipe(ops.scan(lambda a, w: a + w, 0))  # type: ignore[operator]


def wrong_functions(items: Observable[Item], words: Observable[str], ints: Observable[int]) -> None:
    items.pipe(ops.map(str.upper))  # type: ignore[arg-type]
    words.pipe(ops.map(text_of))  # type: ignore[arg-type]
    words.pipe(ops.take(1), ops.map(text_of))  # type: ignore[arg-type]
    items.pipe(ops.map(text_of), ops.map(text_of))  # type: ignore[arg-type]
    words.pipe(ops.sum())  # type: ignore[arg-type]
    words.pipe(ops.merge_all())  # type: ignore[arg-type]
    words.pipe(ops.dematerialize())  # type: ignore[arg-type]
    words.pipe(ops.take("1"))  # type: ignore[arg-type]
    words.pipe(3)  # type: ignore[call-overload]
    words.pipe(ops.take)  # type: ignore[arg-type]
    rx.zip(words, 3)  # type: ignore[call-overload]
    ints.pipe(ops.starmap(lambda a, b: (a, b)))  # type: ignore[arg-type]


def wrong_methods(items: Observable[Item], words: Observable[str]) -> None:
    items.filter(lambda m: m.nope)  # type: ignore[attr-defined]
    items.map(lambda m: m.nope)  # type: ignore[attr-defined]
    items.map(lambda m: m.text).map(lambda t: t.nope)  # type: ignore[attr-defined]
    items.take(1).map(lambda m: m.nope)  # type: ignore[attr-defined]
    items.zip(words).map(lambda p: p[2])  # type: ignore[misc]
    items.group_by(lambda m: m.kind).map(lambda g: g.nope)  # type: ignore[attr-defined]
    words.filter(is_reply)  # type: ignore[arg-type]
    words.merge_all()  # type: ignore[misc]
    words.sum()  # type: ignore[call-arg]
    words.publish().nope()  # type: ignore[attr-defined]
    items.subscribe(slow)  # type: ignore[arg-type]


def wrong_results(items: Observable[Item], words: Observable[str]) -> None:
    _texts: Observable[int] = items.pipe(ops.map(lambda m: m.text))  # type: ignore[arg-type, return-value]
    _items: Observable[str] = items.pipe(ops.filter(lambda m: m.size > 1))  # type: ignore[arg-type]
    _first: Observable[Item] = items.first_or_default()  # type: ignore[assignment]
    _some: Observable[Item] = items.filter(is_reply).merge(words)  # type: ignore[arg-type]
    _group: Observable[list[int]] = items.map(text_of).to_list()  # type: ignore[assignment]
    _op: Callable[[Observable[Item]], Observable[int]] = ops.map(lambda m: m.nope)  # type: ignore[attr-defined]


def wrong_agents(promises: Observable[MessagePromise[Message]], words: Observable[str]) -> None:
    words.pipe(tokens())  # type: ignore[arg-type]
    words.pipe(resolve())  # type: ignore[arg-type]
    promises.pipe(resolve(), ops.map(lambda m: m.nope()))  # type: ignore[attr-defined]
    promises.pipe(tokens(), ops.map(lambda token: token.nope))  # type: ignore[attr-defined]
    promises.pipe(map_tokens(len))  # type: ignore[arg-type]
