# reactivex 6.1.0
# Types of `reactivex.operators`.
# The file is long because upstream has one module for all operators, and a stub mirrors its module.
# ruff: noqa: A001, A004 - upstream's names

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TypeVar, overload

from reactivex import ConnectableObservable, GroupedObservable, Notification, Observable, abc, typing
from reactivex.subject import Subject

from .._keepers import (
    distinct as distinct,
    distinct_until_changed as distinct_until_changed,
    do_action as do_action,
    filter as filter,
    first as first,
    keeps,
    last as last,
    max as max,
    min as min,
    single as single,
    timeout as timeout,
)
from .._letters import _K, _R, _S, _T, _V, _Number, _Ts, _With
from ._timeinterval import TimeInterval
from ._timestamp import Timestamp

_U = TypeVar("_U")  # an item of the source of an operator that takes no function
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")

def all(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[bool]]: ...
def amb(right_source: Observable[_A] | typing.AnyFuture[_A]) -> _With[_A]: ...
@keeps
def as_observable() -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def average(key_mapper: None = None) -> Callable[[Observable[float]], Observable[float]]: ...
@overload
def average(key_mapper: Callable[[_T], float]) -> Callable[[Observable[_T]], Observable[float]]: ...
def buffer(boundaries: Observable[object]) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
def buffer_when(
    closing_mapper: Callable[[], Observable[object]],
) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
def buffer_toggle(
    openings: Observable[_A], closing_mapper: Callable[[_A], Observable[object]]
) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
def buffer_with_count(
    count: int, skip: int | None = None
) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
def buffer_with_time(
    timespan: typing.RelativeTime,
    timeshift: typing.RelativeTime | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
def buffer_with_time_or_count(
    timespan: typing.RelativeTime, count: int, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
@overload
def catch(
    handler: Callable[[Exception, Observable[_T]], Observable[_A]],
) -> Callable[[Observable[_T]], Observable[_T | _A]]: ...
@overload
def catch(handler: Observable[_A]) -> _With[_A]: ...
@overload
def combine_latest(a: Observable[_A], /) -> Callable[[Observable[_U]], Observable[tuple[_U, _A]]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B]]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C]]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D]]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E]]]: ...
@overload
def combine_latest(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E, _F]]]: ...
@overload
def combine_latest(
    *others: Observable[_A],
) -> Callable[[Observable[_U]], Observable[tuple[_U | _A, ...]]]: ...
@overload
def zip_latest(a: Observable[_A], /) -> Callable[[Observable[_U]], Observable[tuple[_U, _A]]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B]]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C]]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D]]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E]]]: ...
@overload
def zip_latest(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E, _F]]]: ...
@overload
def zip_latest(*others: Observable[_A]) -> Callable[[Observable[_U]], Observable[tuple[_U | _A, ...]]]: ...
@overload
def concat(a: Observable[_A], /) -> _With[_A]: ...
@overload
def concat(a: Observable[_A], b: Observable[_B], /) -> _With[_A | _B]: ...
@overload
def concat(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> _With[_A | _B | _C]: ...
@overload
def concat(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> _With[_A | _B | _C | _D]: ...
@overload
def concat(*sources: Observable[_A]) -> _With[_A]: ...
def concat_all() -> Callable[[Observable[Observable[_U]]], Observable[_U]]: ...
def concat_map(project: Callable[[_T], Observable[_R]]) -> Callable[[Observable[_T]], Observable[_R]]: ...
def contains(
    value: _V, comparer: Callable[[_T, _V], bool] | None = None
) -> Callable[[Observable[_T]], Observable[bool]]: ...
@overload
def count(predicate: None = None) -> Callable[[Observable[object]], Observable[int]]: ...
@overload
def count(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[int]]: ...
@keeps
def debounce(
    duetime: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...

throttle_with_timeout = debounce

@overload
def default_if_empty(default_value: None = None) -> Callable[[Observable[_U]], Observable[_U | None]]: ...
@overload
def default_if_empty(default_value: _A) -> _With[_A]: ...
@keeps
def delay_subscription(
    duetime: typing.AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def delay_with_mapper(
    subscription_delay: Callable[[_T], Observable[object]],
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@overload
def delay_with_mapper(
    subscription_delay: Observable[object] | None = None,
    delay_duration_mapper: Callable[[_T], Observable[object]] | None = None,
) -> Callable[[Observable[_T]], Observable[_T]]: ...
def dematerialize() -> Callable[[Observable[Notification[_U]]], Observable[_U]]: ...
@keeps
def delay(
    duetime: typing.AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
def do(observer: abc.ObserverBase[_T]) -> Callable[[Observable[_T]], Observable[_T]]: ...
def do_while(
    condition: Callable[[Observable[_T]], bool],
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@keeps
def element_at(index: int) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def element_at_or_default(
    index: int, default_value: None = None
) -> Callable[[Observable[_U]], Observable[_U | None]]: ...
@overload
def element_at_or_default(
    index: int, default_value: _A
) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
def exclusive() -> Callable[[Observable[Observable[_U]]], Observable[_U]]: ...
def expand(mapper: Callable[[_T], Observable[_T]]) -> Callable[[Observable[_T]], Observable[_T]]: ...
def filter_indexed(
    predicate_indexed: Callable[[_T, int], bool] | None = None,
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@keeps
def finally_action(action: typing.Action) -> Callable[[Observable[_U]], Observable[_U]]: ...
def find(
    predicate: Callable[[_T, int, Observable[_T]], bool],
) -> Callable[[Observable[_T]], Observable[_T | None]]: ...
def find_index(
    predicate: Callable[[_T, int, Observable[_T]], bool],
) -> Callable[[Observable[_T]], Observable[int]]: ...
@overload
def first_or_default(
    predicate: None = None, default_value: None = None
) -> Callable[[Observable[_U]], Observable[_U | None]]: ...
@overload
def first_or_default(
    predicate: Callable[[_T], bool], default_value: None = None
) -> Callable[[Observable[_T]], Observable[_T | None]]: ...
@overload
def first_or_default(
    predicate: Callable[[_T], bool], default_value: _A
) -> Callable[[Observable[_T]], Observable[_T | _A]]: ...
@overload
def first_or_default(
    predicate: None, default_value: _A
) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
@overload
def first_or_default(*, default_value: _A) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
@overload
def flat_map(
    mapper: Callable[[_T], Observable[_R] | typing.AnyFuture[_R] | Iterable[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def flat_map(
    mapper: Observable[_R] | typing.AnyFuture[_R] | Iterable[_R],
) -> Callable[[Observable[object]], Observable[_R]]: ...
@overload
def flat_map_indexed(
    mapper_indexed: Callable[[_T, int], Observable[_R] | typing.AnyFuture[_R] | Iterable[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def flat_map_indexed(
    mapper_indexed: Observable[_R] | typing.AnyFuture[_R] | Iterable[_R],
) -> Callable[[Observable[object]], Observable[_R]]: ...
def flat_map_latest(
    mapper: Callable[[_T], Observable[_R] | typing.AnyFuture[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def fork_join(a: Observable[_A], /) -> Callable[[Observable[_U]], Observable[tuple[_U, _A]]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B]]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C]]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D]]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E]]]: ...
@overload
def fork_join(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E, _F]]]: ...
@overload
def fork_join(*others: Observable[_A]) -> Callable[[Observable[_U]], Observable[tuple[_U | _A, ...]]]: ...
@overload
def group_by(
    key_mapper: Callable[[_T], _K],
    element_mapper: None = None,
    subject_mapper: Callable[[], Subject[_T]] | None = None,
) -> Callable[[Observable[_T]], Observable[GroupedObservable[_K, _T]]]: ...
@overload
def group_by(
    key_mapper: Callable[[_T], _K],
    element_mapper: Callable[[_T], _V],
    subject_mapper: Callable[[], Subject[_V]] | None = None,
) -> Callable[[Observable[_T]], Observable[GroupedObservable[_K, _V]]]: ...
@overload
def group_by_until(
    key_mapper: Callable[[_T], _K],
    element_mapper: None,
    duration_mapper: Callable[[GroupedObservable[_K, _T]], Observable[object]],
    subject_mapper: Callable[[], Subject[_T]] | None = None,
) -> Callable[[Observable[_T]], Observable[GroupedObservable[_K, _T]]]: ...
@overload
def group_by_until(
    key_mapper: Callable[[_T], _K],
    element_mapper: Callable[[_T], _V],
    duration_mapper: Callable[[GroupedObservable[_K, _V]], Observable[object]],
    subject_mapper: Callable[[], Subject[_V]] | None = None,
) -> Callable[[Observable[_T]], Observable[GroupedObservable[_K, _V]]]: ...
def group_join(
    right: Observable[_A],
    left_duration_mapper: Callable[[_T], Observable[object]],
    right_duration_mapper: Callable[[_A], Observable[object]],
) -> Callable[[Observable[_T]], Observable[tuple[_T, Observable[_A]]]]: ...
@keeps
def ignore_elements() -> Callable[[Observable[_U]], Observable[_U]]: ...
def is_empty() -> Callable[[Observable[object]], Observable[bool]]: ...
def join(
    right: Observable[_A],
    left_duration_mapper: Callable[[_T], Observable[object]],
    right_duration_mapper: Callable[[_A], Observable[object]],
) -> Callable[[Observable[_T]], Observable[tuple[_T, _A]]]: ...
@overload
def last_or_default(
    default_value: None = None, predicate: None = None
) -> Callable[[Observable[_U]], Observable[_U | None]]: ...
@overload
def last_or_default(
    default_value: None = None, *, predicate: Callable[[_T], bool]
) -> Callable[[Observable[_T]], Observable[_T | None]]: ...
@overload
def last_or_default(
    default_value: None, predicate: Callable[[_T], bool]
) -> Callable[[Observable[_T]], Observable[_T | None]]: ...
@overload
def last_or_default(
    default_value: _A, predicate: None = None
) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
@overload
def last_or_default(
    default_value: _A, predicate: Callable[[_T], bool]
) -> Callable[[Observable[_T]], Observable[_T | _A]]: ...
@overload
def map(mapper: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def map(mapper: Callable[[_T], _R]) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def map_indexed(mapper_indexed: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def map_indexed(mapper_indexed: Callable[[_T, int], _R]) -> Callable[[Observable[_T]], Observable[_R]]: ...
def materialize() -> Callable[[Observable[_U]], Observable[Notification[_U]]]: ...
def max_by(
    key_mapper: Callable[[_T], _K], comparer: Callable[[_K, _K], float] | None = None
) -> Callable[[Observable[_T]], Observable[list[_T]]]: ...
@overload
def merge(*, max_concurrent: int) -> Callable[[Observable[Observable[_U]]], Observable[_U]]: ...
@overload
def merge(a: Observable[_A], /) -> _With[_A]: ...
@overload
def merge(a: Observable[_A], b: Observable[_B], /) -> _With[_A | _B]: ...
@overload
def merge(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> _With[_A | _B | _C]: ...
@overload
def merge(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> _With[_A | _B | _C | _D]: ...
@overload
def merge(*sources: Observable[_A], max_concurrent: None = None) -> _With[_A]: ...
def merge_all() -> Callable[[Observable[Observable[_U] | typing.AnyFuture[_U]]], Observable[_U]]: ...
def min_by(
    key_mapper: Callable[[_T], _K], comparer: Callable[[_K, _K], float] | None = None
) -> Callable[[Observable[_T]], Observable[list[_T]]]: ...
@overload
def multicast(
    subject: abc.SubjectBase[_T] | None = None,
    *,
    subject_factory: None = None,
    mapper: None = None,
) -> Callable[[Observable[_T]], ConnectableObservable[_T]]: ...
@overload
def multicast(
    *,
    subject_factory: Callable[[abc.SchedulerBase | None], abc.SubjectBase[_T]],
    mapper: Callable[[Observable[_T]], Observable[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def multicast(
    *,
    subject_factory: Callable[[abc.SchedulerBase | None], abc.SubjectBase[_T]],
    mapper: None = None,
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@keeps
def observe_on(scheduler: abc.SchedulerBase) -> Callable[[Observable[_U]], Observable[_U]]: ...
def on_error_resume_next(second: Observable[_A]) -> _With[_A]: ...
def pairwise() -> Callable[[Observable[_U]], Observable[tuple[_U, _U]]]: ...
def partition(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], list[Observable[_T]]]: ...
def partition_indexed(
    predicate_indexed: Callable[[_T, int], bool],
) -> Callable[[Observable[_T]], list[Observable[_T]]]: ...
def pluck(key: _K) -> Callable[[Observable[Mapping[_K, _V]]], Observable[_V]]: ...
def pluck_attr(prop: str) -> Callable[[Observable[object]], Observable[Any]]: ...
@overload
def publish(mapper: None = None) -> Callable[[Observable[_U]], ConnectableObservable[_U]]: ...
@overload
def publish(
    mapper: Callable[[Observable[_T]], Observable[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def publish_value(
    initial_value: _A, mapper: None = None
) -> Callable[[Observable[_U]], ConnectableObservable[_U | _A]]: ...
@overload
def publish_value(
    initial_value: _A, mapper: Callable[[Observable[_T | _A]], Observable[_R]]
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def reduce(accumulator: Callable[[_T, _T], _T]) -> Callable[[Observable[_T]], Observable[_T]]: ...
@overload
def reduce(accumulator: Callable[[_S, _T], _S], seed: _S) -> Callable[[Observable[_T]], Observable[_S]]: ...
def ref_count() -> Callable[[ConnectableObservable[_U]], Observable[_U]]: ...
@keeps
def repeat(repeat_count: int | None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def replay(
    buffer_size: int | None = None,
    window: typing.RelativeTime | None = None,
    *,
    mapper: None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[_U]], ConnectableObservable[_U]]: ...
@overload
def replay(
    buffer_size: int | None = None,
    window: typing.RelativeTime | None = None,
    *,
    mapper: Callable[[Observable[_T]], Observable[_R]],
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@keeps
def retry(retry_count: int | None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def sample(
    sampler: typing.RelativeTime | Observable[object], scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def scan(accumulator: Callable[[_T, _T], _T]) -> Callable[[Observable[_T]], Observable[_T]]: ...
@overload
def scan(accumulator: Callable[[_S, _T], _S], seed: _S) -> Callable[[Observable[_T]], Observable[_S]]: ...
def sequence_equal(
    second: Observable[_T] | Iterable[_T], comparer: Callable[[_T, _T], bool] | None = None
) -> Callable[[Observable[_T]], Observable[bool]]: ...
@keeps
def share() -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def single_or_default(
    predicate: None = None, default_value: None = None
) -> Callable[[Observable[_U]], Observable[_U | None]]: ...
@overload
def single_or_default(
    predicate: Callable[[_T], bool], default_value: None = None
) -> Callable[[Observable[_T]], Observable[_T | None]]: ...
@overload
def single_or_default(
    predicate: Callable[[_T], bool], default_value: _A
) -> Callable[[Observable[_T]], Observable[_T | _A]]: ...
@overload
def single_or_default(
    predicate: None, default_value: _A
) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
@overload
def single_or_default(*, default_value: _A) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
@overload
def single_or_default_async(
    has_default: Literal[False] = False, default_value: None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def single_or_default_async(
    has_default: bool, default_value: None = None
) -> Callable[[Observable[_U]], Observable[_U | None]]: ...
@overload
def single_or_default_async(
    has_default: bool, default_value: _A
) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
@keeps
def skip(count: int) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def skip_last(count: int) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def skip_last_with_time(
    duration: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def skip_until(
    other: Observable[object] | typing.AnyFuture[Any],
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def skip_until_with_time(
    start_time: typing.AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
def skip_while(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...
def skip_while_indexed(
    predicate: Callable[[_T, int], bool],
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@keeps
def skip_with_time(
    duration: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def slice(
    start: int | None = None, stop: int | None = None, step: int | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def some(predicate: None = None) -> Callable[[Observable[object]], Observable[bool]]: ...
@overload
def some(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[bool]]: ...
@overload
def starmap(mapper: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def starmap(
    mapper: Callable[[*_Ts], _R],
) -> Callable[[Observable[tuple[*_Ts]]], Observable[_R]]: ...
def starmap_indexed(
    mapper: Callable[[*_Ts, int], _R],
) -> Callable[[Observable[tuple[*_Ts, int]]], Observable[_R]]: ...
def start_with(*args: _A) -> _With[_A]: ...
@keeps
def subscribe_on(scheduler: abc.SchedulerBase) -> Callable[[Observable[_U]], Observable[_U]]: ...
@overload
def sum(key_mapper: None = None) -> Callable[[Observable[_Number]], Observable[_Number]]: ...
@overload
def sum(key_mapper: Callable[[_T], _Number]) -> Callable[[Observable[_T]], Observable[_Number]]: ...
def switch_latest() -> Callable[[Observable[Observable[_U] | typing.AnyFuture[_U]]], Observable[_U]]: ...
@overload
def switch_map(project: None = None) -> Callable[[Observable[Observable[_U]]], Observable[_U]]: ...
@overload
def switch_map(
    project: Callable[[_T], Observable[_R] | typing.AnyFuture[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@overload
def switch_map_indexed(project: None = None) -> Callable[[Observable[Observable[_U]]], Observable[_U]]: ...
@overload
def switch_map_indexed(
    project: Callable[[_T, int], Observable[_R] | typing.AnyFuture[_R]],
) -> Callable[[Observable[_T]], Observable[_R]]: ...
@keeps
def take(count: int) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def take_last(count: int) -> Callable[[Observable[_U]], Observable[_U]]: ...
def take_last_buffer(count: int) -> Callable[[Observable[_U]], Observable[list[_U]]]: ...
@keeps
def take_last_with_time(
    duration: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def take_until(
    other: Observable[object] | typing.AnyFuture[Any],
) -> Callable[[Observable[_U]], Observable[_U]]: ...
@keeps
def take_until_with_time(
    end_time: typing.AbsoluteOrRelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
def take_while(
    predicate: Callable[[_T], bool], inclusive: bool = False
) -> Callable[[Observable[_T]], Observable[_T]]: ...
def take_while_indexed(
    predicate: Callable[[_T, int], bool], inclusive: bool = False
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@keeps
def take_with_time(
    duration: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
def tap(
    on_next: Callable[[_T], None] | None = None,
    on_error: typing.OnError | None = None,
    on_completed: typing.OnCompleted | None = None,
) -> Callable[[Observable[_T]], Observable[_T]]: ...
@keeps
def throttle_first(
    window_duration: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[_U]]: ...
def throttle_with_mapper(
    throttle_duration_mapper: Callable[[_T], Observable[object]],
) -> Callable[[Observable[_T]], Observable[_T]]: ...
def timestamp(
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[_U]], Observable[Timestamp[_U]]]: ...
def timeout_with_mapper(
    first_timeout: Observable[object] | None = None,
    timeout_duration_mapper: Callable[[_T], Observable[object]] | None = None,
    other: Observable[_T] | None = None,
) -> Callable[[Observable[_T]], Observable[_T]]: ...
def time_interval(
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[_U]], Observable[TimeInterval[_U]]]: ...
@overload
def to_dict(
    key_mapper: Callable[[_T], _K], element_mapper: None = None
) -> Callable[[Observable[_T]], Observable[dict[_K, _T]]]: ...
@overload
def to_dict(
    key_mapper: Callable[[_T], _K], element_mapper: Callable[[_T], _V]
) -> Callable[[Observable[_T]], Observable[dict[_K, _V]]]: ...
@overload
def to_future(future_ctor: None = None) -> Callable[[Observable[_U]], asyncio.Future[_U]]: ...
@overload
def to_future(
    future_ctor: Callable[[], asyncio.Future[_T]],
) -> Callable[[Observable[_T]], asyncio.Future[_T]]: ...
def to_iterable() -> Callable[[Observable[_U]], Observable[list[_U]]]: ...

to_list = to_iterable

def to_marbles(
    timespan: typing.RelativeTime = 0.1, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[object]], Observable[str]]: ...
def to_set() -> Callable[[Observable[_U]], Observable[set[_U]]]: ...
def while_do(
    condition: Callable[[Observable[_T]], bool],
) -> Callable[[Observable[_T]], Observable[_T]]: ...
def window(boundaries: Observable[object]) -> Callable[[Observable[_U]], Observable[Observable[_U]]]: ...
def window_when(
    closing_mapper: Callable[[], Observable[object]],
) -> Callable[[Observable[_U]], Observable[Observable[_U]]]: ...
def window_toggle(
    openings: Observable[_A], closing_mapper: Callable[[_A], Observable[object]]
) -> Callable[[Observable[_U]], Observable[Observable[_U]]]: ...
def window_with_count(
    count: int, skip: int | None = None
) -> Callable[[Observable[_U]], Observable[Observable[_U]]]: ...
def window_with_time(
    timespan: typing.RelativeTime,
    timeshift: typing.RelativeTime | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Callable[[Observable[_U]], Observable[Observable[_U]]]: ...
def window_with_time_or_count(
    timespan: typing.RelativeTime, count: int, scheduler: abc.SchedulerBase | None = None
) -> Callable[[Observable[_U]], Observable[Observable[_U]]]: ...
@overload
def with_latest_from(a: Observable[_A], /) -> Callable[[Observable[_U]], Observable[tuple[_U, _A]]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B]]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C]]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D]]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E]]]: ...
@overload
def with_latest_from(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E, _F]]]: ...
@overload
def with_latest_from(
    *sources: Observable[_A],
) -> Callable[[Observable[_U]], Observable[tuple[_U | _A, ...]]]: ...
@overload
def zip(a: Observable[_A], /) -> Callable[[Observable[_U]], Observable[tuple[_U, _A]]]: ...
@overload
def zip(
    a: Observable[_A], b: Observable[_B], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B]]]: ...
@overload
def zip(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C]]]: ...
@overload
def zip(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D]]]: ...
@overload
def zip(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E]]]: ...
@overload
def zip(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A, _B, _C, _D, _E, _F]]]: ...
@overload
def zip(*args: Observable[_A]) -> Callable[[Observable[_U]], Observable[tuple[_U | _A, ...]]]: ...
def zip_with_iterable(
    second: Iterable[_A],
) -> Callable[[Observable[_U]], Observable[tuple[_U, _A]]]: ...

zip_with_list = zip_with_iterable

__all__ = [
    "all",
    "amb",
    "as_observable",
    "average",
    "buffer",
    "buffer_toggle",
    "buffer_when",
    "buffer_with_count",
    "buffer_with_time",
    "buffer_with_time_or_count",
    "catch",
    "combine_latest",
    "concat",
    "concat_all",
    "concat_map",
    "contains",
    "count",
    "debounce",
    "default_if_empty",
    "delay",
    "delay_subscription",
    "delay_with_mapper",
    "dematerialize",
    "distinct",
    "distinct_until_changed",
    "do",
    "do_action",
    "do_while",
    "element_at",
    "element_at_or_default",
    "exclusive",
    "expand",
    "filter",
    "filter_indexed",
    "finally_action",
    "find",
    "find_index",
    "first",
    "first_or_default",
    "flat_map",
    "flat_map_indexed",
    "flat_map_latest",
    "fork_join",
    "group_by",
    "group_by_until",
    "group_join",
    "ignore_elements",
    "is_empty",
    "join",
    "last",
    "last_or_default",
    "map",
    "map_indexed",
    "materialize",
    "max",
    "max_by",
    "merge",
    "merge_all",
    "min",
    "min_by",
    "multicast",
    "observe_on",
    "on_error_resume_next",
    "pairwise",
    "partition",
    "partition_indexed",
    "pluck",
    "pluck_attr",
    "publish",
    "publish_value",
    "reduce",
    "ref_count",
    "repeat",
    "replay",
    "retry",
    "sample",
    "scan",
    "sequence_equal",
    "share",
    "single",
    "single_or_default",
    "single_or_default_async",
    "skip",
    "skip_last",
    "skip_last_with_time",
    "skip_until",
    "skip_until_with_time",
    "skip_while",
    "skip_while_indexed",
    "skip_with_time",
    "slice",
    "some",
    "starmap",
    "starmap_indexed",
    "start_with",
    "subscribe_on",
    "sum",
    "switch_latest",
    "switch_map",
    "switch_map_indexed",
    "take",
    "take_last",
    "take_last_buffer",
    "take_last_with_time",
    "take_until",
    "take_until_with_time",
    "take_while",
    "take_while_indexed",
    "take_with_time",
    "tap",
    "throttle_first",
    "throttle_with_mapper",
    "throttle_with_timeout",
    "time_interval",
    "timeout",
    "timeout_with_mapper",
    "timestamp",
    "to_dict",
    "to_future",
    "to_iterable",
    "to_list",
    "to_marbles",
    "to_set",
    "while_do",
    "window",
    "window_toggle",
    "window_when",
    "window_with_count",
    "window_with_time",
    "window_with_time_or_count",
    "with_latest_from",
    "zip",
    "zip_latest",
    "zip_with_iterable",
    "zip_with_list",
]
