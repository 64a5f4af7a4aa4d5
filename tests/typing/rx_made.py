"""Corpus: how streams are made, subscribed to and tested."""

import asyncio
from typing import Never, assert_type

import reactivex as rx
from reactivex import GroupedObservable, Observable, Subject, abc, operators as ops
from reactivex.disposable import Disposable
from reactivex.subject import BehaviorSubject, ReplaySubject
from reactivex.testing import ReactiveTest, Recorded, TestScheduler
from reactivex.testing.coldobservable import ColdObservable
from reactivex.testing.hotobservable import HotObservable
from reactivex.testing.marbles import marbles_testing
from reactivex.testing.mockobserver import MockObserver

from tests.typing.rx_items import Item


def made(future: asyncio.Future[str], count: int) -> None:
    assert_type(rx.of(1, 2), Observable[int])
    assert_type(rx.just("a"), Observable[str])
    assert_type(rx.return_value(1.5), Observable[float])
    assert_type(rx.from_iterable(["a"]), Observable[str])
    assert_type(rx.from_([1, 2]), Observable[int])
    assert_type(rx.from_list([b"a"]), Observable[bytes])
    assert_type(rx.from_future(future), Observable[str])
    assert_type(rx.start_async(lambda: future), Observable[str])
    assert_type(rx.from_callable(lambda: 1), Observable[int])
    assert_type(rx.start(lambda: "a"), Observable[str])
    assert_type(rx.range(5), Observable[int])
    assert_type(rx.interval(1), Observable[int])
    assert_type(rx.timer(1), Observable[int])
    assert_type(rx.empty(), Observable[Never])
    assert_type(rx.never(), Observable[Never])
    assert_type(rx.throw("no"), Observable[Never])
    assert_type(rx.repeat_value("a", 2), Observable[str])
    assert_type(rx.defer(lambda _: rx.of(1)), Observable[int])
    assert_type(rx.generate(count, lambda n: n < 9, lambda n: n + 1), Observable[int])
    assert_type(rx.for_in([1, 2], lambda n: rx.of(str(n))), Observable[str])
    assert_type(rx.using(Disposable, lambda _: rx.of(1)), Observable[int])
    assert_type(rx.to_async(len)("abc"), Observable[int])


def created(observer: abc.ObserverBase[str], scheduler: abc.SchedulerBase | None) -> abc.DisposableBase:
    observer.on_next("a")
    return Disposable()


def subscribed(items: Observable[Item], found: list[str]) -> None:
    assert_type(rx.create(created), Observable[str])
    assert_type(items.subscribe(lambda m: found.append(m.text)), abc.DisposableBase)
    assert_type(items.subscribe(on_error=lambda error: found.append(str(error))), abc.DisposableBase)
    assert_type(items.run().text, str)


async def awaited(items: Observable[Item], groups: Observable[GroupedObservable[str, Item]]) -> None:
    assert_type(await items, Item)
    assert_type(await items.pipe(ops.to_list()), list[Item])
    assert_type((await groups).key, str)


def subjects() -> None:
    assert_type(Subject[int]().pipe(ops.map(lambda n: n * 2)), Observable[int])
    assert_type(BehaviorSubject("a").pipe(ops.filter(lambda w: w.isupper())), Observable[str])
    assert_type(ReplaySubject[int](1).zip(rx.of("a")), Observable[tuple[int, str]])


def on_a_virtual_clock() -> None:
    scheduler = TestScheduler()
    first, last = ReactiveTest.on_next(210, "a"), ReactiveTest.on_completed(250)
    assert_type(first, Recorded[str])
    assert_type(scheduler.create_hot_observable(first, last), HotObservable[str])
    assert_type(scheduler.create_cold_observable(first, last), ColdObservable[str])
    assert_type(scheduler.create_hot_observable([first, last]), HotObservable[str])
    assert_type(scheduler.start(lambda: rx.of(1)), MockObserver[int])
    assert_type(scheduler.start(lambda: rx.of(1)).messages, list[Recorded[int]])
    with marbles_testing() as (start, cold, _hot, _exp):
        assert_type(start(cold("--a--|").pipe(ops.to_list(), ops.count())), list[Recorded[int]])
