# reactivex 6.1.0
# Types of `reactivex`: functions that make streams.
# `empty`, `never` and `throw` emit no item, so they are `Observable[Never]` and fit everywhere.
# ruff: noqa: A001 - upstream's names

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Never, ParamSpec, TypeVar, overload

from . import abc, typing
from ._letters import _K, _R, _S, _T
from ._version import __version__
from .notification import Notification
from .observable import ConnectableObservable, GroupedObservable, Observable
from .observer import Observer
from .pipe import compose, pipe
from .subject import Subject

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_G = TypeVar("_G")
_P = ParamSpec("_P")
_Resource = TypeVar("_Resource", bound=abc.DisposableBase | None)

@overload
def amb(a: Observable[_A], b: Observable[_B], /) -> Observable[_A | _B]: ...
@overload
def amb(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> Observable[_A | _B | _C]: ...
@overload
def amb(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[_A | _B | _C | _D]: ...
@overload
def amb(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[_A | _B | _C | _D | _E]: ...
@overload
def amb(*sources: Observable[_T]) -> Observable[_T]: ...
def case(
    mapper: Callable[[], _K],
    sources: Mapping[_K, Observable[_T]],
    default_source: Observable[_T] | typing.AnyFuture[_T] | None = None,
) -> Observable[_T]: ...
@overload
def catch(a: Observable[_A], b: Observable[_B], /) -> Observable[_A | _B]: ...
@overload
def catch(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> Observable[_A | _B | _C]: ...
@overload
def catch(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[_A | _B | _C | _D]: ...
@overload
def catch(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[_A | _B | _C | _D | _E]: ...
@overload
def catch(*sources: Observable[_T]) -> Observable[_T]: ...
def catch_with_iterable(sources: Iterable[Observable[_T]]) -> Observable[_T]: ...
def create(subscribe: typing.Subscription[_T]) -> Observable[_T]: ...
@overload
def combine_latest(a: Observable[_A], /) -> Observable[tuple[_A]]: ...
@overload
def combine_latest(a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_A, _B]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Observable[tuple[_A, _B, _C]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[tuple[_A, _B, _C, _D]]: ...
@overload
def combine_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def combine_latest(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def combine_latest(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    g: Observable[_G],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F, _G]]: ...
@overload
def combine_latest(*sources: Observable[_T]) -> Observable[tuple[_T, ...]]: ...
@overload
def zip_latest(a: Observable[_A], /) -> Observable[tuple[_A]]: ...
@overload
def zip_latest(a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_A, _B]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Observable[tuple[_A, _B, _C]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[tuple[_A, _B, _C, _D]]: ...
@overload
def zip_latest(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def zip_latest(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def zip_latest(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    g: Observable[_G],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F, _G]]: ...
@overload
def zip_latest(*sources: Observable[_T]) -> Observable[tuple[_T, ...]]: ...
@overload
def concat(a: Observable[_A], b: Observable[_B], /) -> Observable[_A | _B]: ...
@overload
def concat(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> Observable[_A | _B | _C]: ...
@overload
def concat(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[_A | _B | _C | _D]: ...
@overload
def concat(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[_A | _B | _C | _D | _E]: ...
@overload
def concat(*sources: Observable[_T]) -> Observable[_T]: ...
def concat_with_iterable(sources: Iterable[Observable[_T]]) -> Observable[_T]: ...
def defer(
    factory: Callable[[abc.SchedulerBase], Observable[_T] | typing.AnyFuture[_T]],
) -> Observable[_T]: ...
def empty(scheduler: abc.SchedulerBase | None = None) -> Observable[Never]: ...
def for_in(values: Iterable[_T], mapper: Callable[[_T], Observable[_R]]) -> Observable[_R]: ...
@overload
def fork_join(a: Observable[_A], /) -> Observable[tuple[_A]]: ...
@overload
def fork_join(a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_A, _B]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Observable[tuple[_A, _B, _C]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[tuple[_A, _B, _C, _D]]: ...
@overload
def fork_join(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def fork_join(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def fork_join(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    g: Observable[_G],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F, _G]]: ...
@overload
def fork_join(*sources: Observable[_T]) -> Observable[tuple[_T, ...]]: ...
def from_callable(
    supplier: Callable[[], _R], scheduler: abc.SchedulerBase | None = None
) -> Observable[_R]: ...
@overload
def from_callback(
    func: Callable[..., Callable[..., None]], mapper: None = None
) -> Callable[..., Observable[Any]]: ...
@overload
def from_callback(
    func: Callable[..., Callable[..., None]], mapper: Callable[[list[Any]], _R]
) -> Callable[..., Observable[_R]]: ...
def from_future(future: typing.AnyFuture[_T]) -> Observable[_T]: ...
def from_iterable(iterable: Iterable[_T], scheduler: abc.SchedulerBase | None = None) -> Observable[_T]: ...
def from_(iterable: Iterable[_T], scheduler: abc.SchedulerBase | None = None) -> Observable[_T]: ...
def from_list(iterable: Iterable[_T], scheduler: abc.SchedulerBase | None = None) -> Observable[_T]: ...
def from_marbles(
    string: str,
    timespan: typing.RelativeTime = 0.1,
    scheduler: abc.SchedulerBase | None = None,
    lookup: Mapping[str | float, Any] | None = None,
    error: Exception | None = None,
) -> Observable[Any]: ...
def cold(
    string: str,
    timespan: typing.RelativeTime = 0.1,
    scheduler: abc.SchedulerBase | None = None,
    lookup: Mapping[str | float, Any] | None = None,
    error: Exception | None = None,
) -> Observable[Any]: ...
def generate_with_relative_time(
    initial_state: _S,
    condition: Callable[[_S], bool],
    iterate: Callable[[_S], _S],
    time_mapper: Callable[[_S], typing.RelativeTime],
) -> Observable[_S]: ...
def generate(
    initial_state: _S, condition: Callable[[_S], bool], iterate: Callable[[_S], _S]
) -> Observable[_S]: ...
def hot(
    string: str,
    timespan: typing.RelativeTime = 0.1,
    duetime: typing.AbsoluteOrRelativeTime = 0.0,
    scheduler: abc.SchedulerBase | None = None,
    lookup: Mapping[str | float, Any] | None = None,
    error: Exception | None = None,
) -> Observable[Any]: ...
@overload
def if_then(
    condition: Callable[[], bool],
    then_source: Observable[_A] | typing.AnyFuture[_A],
    else_source: None = None,
) -> Observable[_A]: ...
@overload
def if_then(
    condition: Callable[[], bool],
    then_source: Observable[_A] | typing.AnyFuture[_A],
    else_source: Observable[_B] | typing.AnyFuture[_B],
) -> Observable[_A | _B]: ...
def interval(period: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None) -> Observable[int]: ...
@overload
def merge(a: Observable[_A], b: Observable[_B], /) -> Observable[_A | _B]: ...
@overload
def merge(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> Observable[_A | _B | _C]: ...
@overload
def merge(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[_A | _B | _C | _D]: ...
@overload
def merge(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[_A | _B | _C | _D | _E]: ...
@overload
def merge(*sources: Observable[_T]) -> Observable[_T]: ...
def never() -> Observable[Never]: ...
def of(*args: _T) -> Observable[_T]: ...
def on_error_resume_next(
    *sources: Observable[_T] | typing.AnyFuture[_T] | Callable[[Exception | None], Observable[_T]],
) -> Observable[_T]: ...
def range(
    start: int,
    stop: int | None = None,
    step: int | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Observable[int]: ...
def return_value(value: _T, scheduler: abc.SchedulerBase | None = None) -> Observable[_T]: ...
def just(value: _T, scheduler: abc.SchedulerBase | None = None) -> Observable[_T]: ...
def repeat_value(value: _T, repeat_count: int | None = None) -> Observable[_T]: ...
def start(func: Callable[[], _R], scheduler: abc.SchedulerBase | None = None) -> Observable[_R]: ...
def start_async(function_async: Callable[[], typing.AnyFuture[_R]]) -> Observable[_R]: ...
def throw(exception: str | Exception, scheduler: abc.SchedulerBase | None = None) -> Observable[Never]: ...
def timer(
    duetime: typing.AbsoluteOrRelativeTime,
    period: typing.RelativeTime | None = None,
    scheduler: abc.SchedulerBase | None = None,
) -> Observable[int]: ...
def to_async(
    func: Callable[_P, _R], scheduler: abc.SchedulerBase | None = None
) -> Callable[_P, Observable[_R]]: ...
def using(
    resource_factory: Callable[[], _Resource], observable_factory: Callable[[_Resource], Observable[_T]]
) -> Observable[_T]: ...
@overload
def with_latest_from(a: Observable[_A], /) -> Observable[tuple[_A]]: ...
@overload
def with_latest_from(a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_A, _B]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], /
) -> Observable[tuple[_A, _B, _C]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[tuple[_A, _B, _C, _D]]: ...
@overload
def with_latest_from(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def with_latest_from(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def with_latest_from(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    g: Observable[_G],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F, _G]]: ...
@overload
def with_latest_from(*sources: Observable[_T]) -> Observable[tuple[_T, ...]]: ...
@overload
def zip(a: Observable[_A], /) -> Observable[tuple[_A]]: ...
@overload
def zip(a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_A, _B]]: ...
@overload
def zip(a: Observable[_A], b: Observable[_B], c: Observable[_C], /) -> Observable[tuple[_A, _B, _C]]: ...
@overload
def zip(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
) -> Observable[tuple[_A, _B, _C, _D]]: ...
@overload
def zip(
    a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
) -> Observable[tuple[_A, _B, _C, _D, _E]]: ...
@overload
def zip(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F]]: ...
@overload
def zip(
    a: Observable[_A],
    b: Observable[_B],
    c: Observable[_C],
    d: Observable[_D],
    e: Observable[_E],
    f: Observable[_F],
    g: Observable[_G],
    /,
) -> Observable[tuple[_A, _B, _C, _D, _E, _F, _G]]: ...
@overload
def zip(*args: Observable[_T]) -> Observable[tuple[_T, ...]]: ...

__all__ = [
    "ConnectableObservable",
    "GroupedObservable",
    "Notification",
    "Observable",
    "Observer",
    "Subject",
    "__version__",
    "abc",
    "amb",
    "case",
    "catch",
    "catch_with_iterable",
    "combine_latest",
    "compose",
    "concat",
    "concat_with_iterable",
    "create",
    "defer",
    "empty",
    "fork_join",
    "from_callable",
    "from_callback",
    "from_future",
    "from_iterable",
    "never",
    "of",
    "on_error_resume_next",
    "pipe",
    "range",
    "repeat_value",
    "return_value",
    "start",
    "start_async",
    "throw",
    "timer",
    "to_async",
    "typing",
    "using",
    "with_latest_from",
    "zip",
    "zip_latest",
]
