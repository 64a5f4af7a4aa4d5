"""Corpus: several streams become one, as operators, as methods and as functions."""

from typing import assert_type

import reactivex as rx
from reactivex import Observable, operators as ops


def operators_of_several(a: Observable[int], b: Observable[str], c: Observable[bytes]) -> None:
    assert_type(a.pipe(ops.zip(b)), Observable[tuple[int, str]])
    assert_type(a.pipe(ops.zip(b, c)), Observable[tuple[int, str, bytes]])
    assert_type(a.pipe(ops.zip(b, c, a, b, c, a)), Observable[tuple[int, str, bytes, int, str, bytes, int]])
    assert_type(a.pipe(ops.zip(*[b, b])), Observable[tuple[int | str, ...]])
    assert_type(a.pipe(ops.zip_with_iterable(["a"])), Observable[tuple[int, str]])
    assert_type(a.pipe(ops.zip_latest(b)), Observable[tuple[int, str]])
    assert_type(a.pipe(ops.combine_latest(b)), Observable[tuple[int, str]])
    assert_type(a.pipe(ops.combine_latest(b, c)), Observable[tuple[int, str, bytes]])
    assert_type(a.pipe(ops.with_latest_from(b)), Observable[tuple[int, str]])
    assert_type(a.pipe(ops.with_latest_from(b, c)), Observable[tuple[int, str, bytes]])
    assert_type(a.pipe(ops.fork_join(b)), Observable[tuple[int, str]])
    assert_type(a.pipe(ops.merge(b)), Observable[int | str])
    assert_type(a.pipe(ops.merge(b, c)), Observable[int | str | bytes])
    assert_type(a.pipe(ops.merge(a)), Observable[int])
    assert_type(a.pipe(ops.concat(b)), Observable[int | str])
    assert_type(a.pipe(ops.concat(a, a)), Observable[int])
    assert_type(a.pipe(ops.amb(b)), Observable[int | str])
    assert_type(a.pipe(ops.catch(b)), Observable[int | str])
    assert_type(a.pipe(ops.on_error_resume_next(b)), Observable[int | str])
    assert_type(a.pipe(ops.timeout(1, b)), Observable[int | str])
    assert_type(
        a.pipe(ops.join(b, lambda n: rx.timer(n), lambda w: rx.timer(len(w)))),  # noqa: PLW0108
        Observable[tuple[int, str]],
    )
    assert_type(
        a.pipe(ops.group_join(b, lambda n: rx.timer(n), lambda w: rx.timer(len(w)))),  # noqa: PLW0108
        Observable[tuple[int, Observable[str]]],
    )


def another_type_in_a_later_place(a: Observable[int], b: Observable[str], c: Observable[bytes]) -> None:
    """What comes before the second operator is known when mypy infers it, and after it what both give."""
    assert_type(a.pipe(ops.filter(bool), ops.merge(b)), Observable[int | str])
    assert_type(b.pipe(ops.map(len), ops.merge(b, c)), Observable[int | str | bytes])
    assert_type(b.pipe(ops.map(len), ops.concat(b), ops.count()), Observable[int])
    assert_type(b.pipe(ops.map(len), ops.amb(b)), Observable[int | str])
    assert_type(b.pipe(ops.map(len), ops.catch(b)), Observable[int | str])
    assert_type(b.pipe(ops.map(len), ops.on_error_resume_next(c)), Observable[int | bytes])
    assert_type(b.pipe(ops.map(len), ops.start_with("")), Observable[int | str])
    assert_type(b.pipe(ops.map(len), ops.default_if_empty("")), Observable[int | str])
    assert_type(b.pipe(ops.map(len), ops.merge(a), ops.take(1)), Observable[int])


def methods_of_several(a: Observable[int], b: Observable[str], c: Observable[bytes]) -> None:
    assert_type(a.zip(b), Observable[tuple[int, str]])
    assert_type(a.zip(b, c), Observable[tuple[int, str, bytes]])
    assert_type(a.zip_latest(b), Observable[tuple[int, str]])
    assert_type(a.zip_with_iterable(["a"]), Observable[tuple[int, str]])
    assert_type(a.combine_latest(b), Observable[tuple[int, str]])
    assert_type(a.combine_latest(b, c), Observable[tuple[int, str, bytes]])
    assert_type(a.with_latest_from(b), Observable[tuple[int, str]])
    assert_type(a.fork_join(b), Observable[tuple[int, str]])
    assert_type(a.merge(b), Observable[int | str])
    assert_type(a.merge(a), Observable[int])
    assert_type(a.concat(b), Observable[int | str])
    assert_type(a.concat(rx.empty()), Observable[int])
    assert_type(a.amb(b), Observable[int | str])
    assert_type(a.catch(b), Observable[int | str])
    assert_type(a.catch(lambda _, source: source), Observable[int])
    assert_type(a.on_error_resume_next(b), Observable[int | str])
    assert_type(a.start_with(0), Observable[int])
    assert_type(a.start_with("a"), Observable[int | str])
    assert_type(a + b, Observable[int | str])
    assert_type(a + a, Observable[int])
    assert_type(a.join(b, rx.timer, lambda w: rx.timer(len(w))), Observable[tuple[int, str]])


def functions_of_several(a: Observable[int], b: Observable[str], c: Observable[bytes]) -> None:
    assert_type(rx.zip(a, b), Observable[tuple[int, str]])
    assert_type(rx.zip(a, b, c, a, b), Observable[tuple[int, str, bytes, int, str]])
    assert_type(rx.zip(*[a, a]), Observable[tuple[int, ...]])
    assert_type(rx.zip_latest(a, b), Observable[tuple[int, str]])
    assert_type(rx.combine_latest(a, b), Observable[tuple[int, str]])
    assert_type(rx.combine_latest(a, b, c), Observable[tuple[int, str, bytes]])
    assert_type(rx.with_latest_from(a, b), Observable[tuple[int, str]])
    assert_type(rx.fork_join(a, b, c), Observable[tuple[int, str, bytes]])
    assert_type(rx.merge(a, b), Observable[int | str])
    assert_type(rx.merge(a, a), Observable[int])
    assert_type(rx.merge(*[a, a]), Observable[int])
    assert_type(rx.concat(a, b, c), Observable[int | str | bytes])
    assert_type(rx.concat(a, a), Observable[int])
    assert_type(rx.amb(a, b), Observable[int | str])
    assert_type(rx.catch(a, a), Observable[int])
    assert_type(rx.if_then(lambda: True, a, b), Observable[int | str])
    assert_type(rx.if_then(lambda: True, a), Observable[int])
    assert_type(rx.case(lambda: "x", {"x": a}), Observable[int])
