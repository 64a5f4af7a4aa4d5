# reactivex 6.1.0
# Types of `reactivex.observable.mixins.testing`: methods that test items and emit a bool.

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from reactivex.observable import Observable

_T_co = TypeVar("_T_co", covariant=True)
_V = TypeVar("_V")

class TestingMixin(Generic[_T_co]):
    def _as_observable(self) -> Observable[_T_co]: ...
    def all(self, predicate: Callable[[_T_co], bool]) -> Observable[bool]: ...
    def some(self, predicate: Callable[[_T_co], bool] | None = None) -> Observable[bool]: ...
    def is_empty(self) -> Observable[bool]: ...
    def contains(
        self, value: _V, comparer: Callable[[_T_co, _V], bool] | None = None
    ) -> Observable[bool]: ...
    def sequence_equal(
        self,
        second: Observable[_T_co] | Iterable[_T_co],
        comparer: Callable[[_T_co, _T_co], bool] | None = None,
    ) -> Observable[bool]: ...
