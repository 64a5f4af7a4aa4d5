"""What is not inferred, written down: a better checker or stub turns it red.

mypy only, if nothing else is said. The lambdas themselves are checked; a method or a named function gives the
precise type.
"""

# pyright: reportUnnecessaryTypeIgnoreComment=false
from typing import Any, assert_type

import reactivex as rx
from reactivex import Observable, operators as ops

from tests.typing.rx_items import Item


def after_an_operator_without_arguments(items: Observable[Item], words: Observable[str]) -> None:
    """The first operator is still generic when mypy infers what the lambda returns."""
    assert_type(items.pipe(ops.take(1), ops.map(lambda m: m.text)), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.pairwise(), ops.map(lambda p: p[0] + p[1])), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.timestamp(), ops.map(lambda t: t.value)), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    assert_type(words.pipe(ops.zip(words), ops.map(lambda p: p[0] + p[1])), Observable[Any])  # pyright: ignore[reportAssertTypeFailure]


def in_the_third_place(items: Observable[Item]) -> None:
    """Inference has two passes in mypy: the first operator, then all others at once."""
    third = items.pipe(ops.filter(lambda m: m.size > 1), ops.take(1), ops.map(lambda m: m.text))
    assert_type(third, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]
    third = items.pipe(ops.map(lambda m: m.text), ops.map(lambda t: t.split()), ops.map(lambda ws: ws[0]))
    assert_type(third, Observable[Any])  # pyright: ignore[reportAssertTypeFailure]


def a_union_in_the_middle(items: Observable[Item], ints: Observable[int]) -> None:
    """Mypy does not solve `T | int` when another generic operator follows: it is refused; methods are not."""
    items.pipe(ops.merge(ints), ops.take(1))  # type: ignore[arg-type]
    items.pipe(ops.first_or_default(), ops.take(1))  # type: ignore[arg-type]
    assert_type(items.merge(ints).pipe(ops.take(1)), Observable[Item | int])
    assert_type(items.first_or_default().pipe(ops.take(1)), Observable[Item | None])


def a_bare_lambda_first(items: Observable[Item]) -> None:
    """A lambda as the first of several operators is refused; alone, or as a function, it is not."""
    items.pipe(lambda source: source.pipe(ops.take(1)), ops.count())  # type: ignore[return-value]
    assert_type(items.pipe(lambda source: source.pipe(ops.take(1), ops.count())), Observable[int])


def pyright_only(items: Observable[Item]) -> None:
    """A handler that does not use its source says nothing of it."""
    items.pipe(ops.catch(lambda error, _: rx.of(str(error))))  # pyright: ignore[reportUnknownArgumentType]
    assert_type(items.catch(lambda error, _: rx.of(str(error))), Observable[Item | str])


def not_typable() -> None:
    """An attribute by its name, and marbles: nothing says what they are."""
    assert_type(rx.of(1).pipe(ops.pluck_attr("real")), Observable[Any])
    assert_type(rx.cold("--1--|"), Observable[Any])
