# reactivex 6.1.0
# Types of `reactivex.observable.mixins.multicasting`: methods whose result must be connected return a
# `ConnectableObservable`.

from collections.abc import Callable
from typing import Generic, TypeVar, overload

from reactivex import abc, typing
from reactivex.observable import ConnectableObservable, Observable

_T_co = TypeVar("_T_co", covariant=True)
_A = TypeVar("_A")
_R = TypeVar("_R")

class MulticastingMixin(Generic[_T_co]):
    def _as_observable(self) -> Observable[_T_co]: ...
    def share(self) -> Observable[_T_co]: ...
    @overload
    def publish(self, mapper: None = None) -> ConnectableObservable[_T_co]: ...
    @overload
    def publish(self, mapper: Callable[[Observable[_T_co]], Observable[_R]]) -> Observable[_R]: ...
    @overload
    def replay(
        self,
        buffer_size: int | None = None,
        window: typing.RelativeTime | None = None,
        *,
        mapper: None = None,
        scheduler: abc.SchedulerBase | None = None,
    ) -> ConnectableObservable[_T_co]: ...
    @overload
    def replay(
        self,
        buffer_size: int | None = None,
        window: typing.RelativeTime | None = None,
        *,
        mapper: Callable[[Observable[_T_co]], Observable[_R]],
        scheduler: abc.SchedulerBase | None = None,
    ) -> Observable[_R]: ...
    def multicast(
        self: MulticastingMixin[_A], subject: abc.SubjectBase[_A] | None = None
    ) -> ConnectableObservable[_A]: ...
    def ref_count(self) -> Observable[_T_co]: ...
    @overload
    def publish_value(self, initial_value: _A, mapper: None = None) -> ConnectableObservable[_T_co | _A]: ...
    @overload
    def publish_value(
        self, initial_value: _A, mapper: Callable[[Observable[_T_co | _A]], Observable[_R]]
    ) -> Observable[_R]: ...
