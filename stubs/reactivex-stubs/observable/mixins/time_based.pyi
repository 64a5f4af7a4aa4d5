# reactivex 6.1.0
# Types of `reactivex.observable.mixins.time_based`: methods that select items by time.

from collections.abc import Callable
from typing import Generic, TypeVar

from reactivex import abc, typing
from reactivex.observable import Observable

_T_co = TypeVar("_T_co", covariant=True)

class TimeBasedMixin(Generic[_T_co]):
    def _as_observable(self) -> Observable[_T_co]: ...
    def sample(
        self, sampler: typing.RelativeTime | Observable[object], scheduler: abc.SchedulerBase | None = None
    ) -> Observable[_T_co]: ...
    def debounce(
        self, duetime: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
    ) -> Observable[_T_co]: ...
    def throttle_first(
        self, window_duration: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
    ) -> Observable[_T_co]: ...
    def throttle_with_mapper(
        self, throttle_duration_mapper: Callable[[_T_co], Observable[object]]
    ) -> Observable[_T_co]: ...
    def throttle_with_timeout(
        self, duetime: typing.RelativeTime, scheduler: abc.SchedulerBase | None = None
    ) -> Observable[_T_co]: ...
