# reactivex 6.1.0
# Types of `reactivex.observable.mixins.windowing`: methods that emit groups, windows and lists.

from collections.abc import Callable
from typing import Generic, TypeVar, overload

from reactivex import abc, typing
from reactivex.observable import GroupedObservable, Observable
from reactivex.subject import Subject

_T_co = TypeVar("_T_co", covariant=True)
_A = TypeVar("_A")
_K = TypeVar("_K")
_V = TypeVar("_V")

class WindowingMixin(Generic[_T_co]):
    def _as_observable(self) -> Observable[_T_co]: ...
    def buffer(self, boundaries: Observable[object]) -> Observable[list[_T_co]]: ...
    @overload
    def group_by(
        self,
        key_mapper: Callable[[_T_co], _K],
        element_mapper: None = None,
        subject_mapper: Callable[[], Subject[_T_co]] | None = None,
    ) -> Observable[GroupedObservable[_K, _T_co]]: ...
    @overload
    def group_by(
        self,
        key_mapper: Callable[[_T_co], _K],
        element_mapper: Callable[[_T_co], _V],
        subject_mapper: Callable[[], Subject[_V]] | None = None,
    ) -> Observable[GroupedObservable[_K, _V]]: ...
    def partition(self, predicate: Callable[[_T_co], bool]) -> list[Observable[_T_co]]: ...
    def pairwise(self) -> Observable[tuple[_T_co, _T_co]]: ...
    def partition_indexed(
        self, predicate_indexed: Callable[[_T_co, int], bool]
    ) -> list[Observable[_T_co]]: ...
    def buffer_with_count(self, count: int, skip: int | None = None) -> Observable[list[_T_co]]: ...
    def buffer_with_time(
        self,
        timespan: typing.RelativeTime,
        timeshift: typing.RelativeTime | None = None,
        scheduler: abc.SchedulerBase | None = None,
    ) -> Observable[list[_T_co]]: ...
    def buffer_with_time_or_count(
        self, timespan: typing.RelativeTime, count: int, scheduler: abc.SchedulerBase | None = None
    ) -> Observable[list[_T_co]]: ...
    def buffer_when(self, closing_mapper: Callable[[], Observable[object]]) -> Observable[list[_T_co]]: ...
    def buffer_toggle(
        self, openings: Observable[_A], closing_mapper: Callable[[_A], Observable[object]]
    ) -> Observable[list[_T_co]]: ...
    def window(self, boundaries: Observable[object]) -> Observable[Observable[_T_co]]: ...
    def window_with_count(self, count: int, skip: int | None = None) -> Observable[Observable[_T_co]]: ...
    def window_with_time(
        self,
        timespan: typing.RelativeTime,
        timeshift: typing.RelativeTime | None = None,
        scheduler: abc.SchedulerBase | None = None,
    ) -> Observable[Observable[_T_co]]: ...
    def window_with_time_or_count(
        self, timespan: typing.RelativeTime, count: int, scheduler: abc.SchedulerBase | None = None
    ) -> Observable[Observable[_T_co]]: ...
    def window_when(
        self, closing_mapper: Callable[[], Observable[object]]
    ) -> Observable[Observable[_T_co]]: ...
    def window_toggle(
        self, openings: Observable[_A], closing_mapper: Callable[[_A], Observable[object]]
    ) -> Observable[Observable[_T_co]]: ...
    @overload
    def group_by_until(
        self,
        key_mapper: Callable[[_T_co], _K],
        element_mapper: None,
        duration_mapper: Callable[[GroupedObservable[_K, _T_co]], Observable[object]],
        subject_mapper: Callable[[], Subject[_T_co]] | None = None,
    ) -> Observable[GroupedObservable[_K, _T_co]]: ...
    @overload
    def group_by_until(
        self,
        key_mapper: Callable[[_T_co], _K],
        element_mapper: Callable[[_T_co], _V],
        duration_mapper: Callable[[GroupedObservable[_K, _V]], Observable[object]],
        subject_mapper: Callable[[], Subject[_V]] | None = None,
    ) -> Observable[GroupedObservable[_K, _V]]: ...
