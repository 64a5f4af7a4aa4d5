# reactivex 6.1.0
# Types of `reactivex.observable.mixins.combination`: methods that combine several streams.

from collections.abc import Callable, Iterable
from typing import Generic, TypeVar, overload

from reactivex import typing
from reactivex.observable import Observable

_T_co = TypeVar("_T_co", covariant=True)
_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")

class CombinationMixin(Generic[_T_co]):
    def _as_observable(self) -> Observable[_T_co]: ...
    @overload
    def merge(self: CombinationMixin[Observable[_A]], *, max_concurrent: int) -> Observable[_A]: ...
    @overload
    def merge(self, a: Observable[_A], /) -> Observable[_T_co | _A]: ...
    @overload
    def merge(self, a: Observable[_A], b: Observable[_B], /) -> Observable[_T_co | _A | _B]: ...
    @overload
    def merge(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[_T_co | _A | _B | _C]: ...
    @overload
    def merge(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[_T_co | _A | _B | _C | _D]: ...
    @overload
    def merge(self, *sources: Observable[_A], max_concurrent: None = None) -> Observable[_T_co | _A]: ...
    @overload
    def concat(self, a: Observable[_A], /) -> Observable[_T_co | _A]: ...
    @overload
    def concat(self, a: Observable[_A], b: Observable[_B], /) -> Observable[_T_co | _A | _B]: ...
    @overload
    def concat(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[_T_co | _A | _B | _C]: ...
    @overload
    def concat(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[_T_co | _A | _B | _C | _D]: ...
    @overload
    def concat(self, *sources: Observable[_A]) -> Observable[_T_co | _A]: ...
    @overload
    def zip(self, a: Observable[_A], /) -> Observable[tuple[_T_co, _A]]: ...
    @overload
    def zip(self, a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_T_co, _A, _B]]: ...
    @overload
    def zip(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[tuple[_T_co, _A, _B, _C]]: ...
    @overload
    def zip(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D]]: ...
    @overload
    def zip(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E]]: ...
    @overload
    def zip(
        self,
        a: Observable[_A],
        b: Observable[_B],
        c: Observable[_C],
        d: Observable[_D],
        e: Observable[_E],
        f: Observable[_F],
        /,
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E, _F]]: ...
    @overload
    def zip(self, *sources: Observable[_A]) -> Observable[tuple[_T_co | _A, ...]]: ...
    @overload
    def zip_latest(self, a: Observable[_A], /) -> Observable[tuple[_T_co, _A]]: ...
    @overload
    def zip_latest(self, a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_T_co, _A, _B]]: ...
    @overload
    def zip_latest(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[tuple[_T_co, _A, _B, _C]]: ...
    @overload
    def zip_latest(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D]]: ...
    @overload
    def zip_latest(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E]]: ...
    @overload
    def zip_latest(
        self,
        a: Observable[_A],
        b: Observable[_B],
        c: Observable[_C],
        d: Observable[_D],
        e: Observable[_E],
        f: Observable[_F],
        /,
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E, _F]]: ...
    @overload
    def zip_latest(self, *sources: Observable[_A]) -> Observable[tuple[_T_co | _A, ...]]: ...
    @overload
    def combine_latest(self, a: Observable[_A], /) -> Observable[tuple[_T_co, _A]]: ...
    @overload
    def combine_latest(self, a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_T_co, _A, _B]]: ...
    @overload
    def combine_latest(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[tuple[_T_co, _A, _B, _C]]: ...
    @overload
    def combine_latest(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D]]: ...
    @overload
    def combine_latest(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E]]: ...
    @overload
    def combine_latest(
        self,
        a: Observable[_A],
        b: Observable[_B],
        c: Observable[_C],
        d: Observable[_D],
        e: Observable[_E],
        f: Observable[_F],
        /,
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E, _F]]: ...
    @overload
    def combine_latest(self, *sources: Observable[_A]) -> Observable[tuple[_T_co | _A, ...]]: ...
    @overload
    def with_latest_from(self, a: Observable[_A], /) -> Observable[tuple[_T_co, _A]]: ...
    @overload
    def with_latest_from(
        self, a: Observable[_A], b: Observable[_B], /
    ) -> Observable[tuple[_T_co, _A, _B]]: ...
    @overload
    def with_latest_from(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[tuple[_T_co, _A, _B, _C]]: ...
    @overload
    def with_latest_from(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D]]: ...
    @overload
    def with_latest_from(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E]]: ...
    @overload
    def with_latest_from(
        self,
        a: Observable[_A],
        b: Observable[_B],
        c: Observable[_C],
        d: Observable[_D],
        e: Observable[_E],
        f: Observable[_F],
        /,
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E, _F]]: ...
    @overload
    def with_latest_from(self, *sources: Observable[_A]) -> Observable[tuple[_T_co | _A, ...]]: ...
    def start_with(self, *args: _A) -> Observable[_T_co | _A]: ...
    @overload
    def fork_join(self, a: Observable[_A], /) -> Observable[tuple[_T_co, _A]]: ...
    @overload
    def fork_join(self, a: Observable[_A], b: Observable[_B], /) -> Observable[tuple[_T_co, _A, _B]]: ...
    @overload
    def fork_join(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], /
    ) -> Observable[tuple[_T_co, _A, _B, _C]]: ...
    @overload
    def fork_join(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D]]: ...
    @overload
    def fork_join(
        self, a: Observable[_A], b: Observable[_B], c: Observable[_C], d: Observable[_D], e: Observable[_E], /
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E]]: ...
    @overload
    def fork_join(
        self,
        a: Observable[_A],
        b: Observable[_B],
        c: Observable[_C],
        d: Observable[_D],
        e: Observable[_E],
        f: Observable[_F],
        /,
    ) -> Observable[tuple[_T_co, _A, _B, _C, _D, _E, _F]]: ...
    @overload
    def fork_join(self, *others: Observable[_A]) -> Observable[tuple[_T_co | _A, ...]]: ...
    def switch_latest(
        self: CombinationMixin[Observable[_A] | typing.AnyFuture[_A]],
    ) -> Observable[_A]: ...
    def amb(self, right_source: Observable[_A] | typing.AnyFuture[_A]) -> Observable[_T_co | _A]: ...
    def concat_all(self: CombinationMixin[Observable[_A]]) -> Observable[_A]: ...
    def merge_all(self: CombinationMixin[Observable[_A] | typing.AnyFuture[_A]]) -> Observable[_A]: ...
    def zip_with_iterable(self, second: Iterable[_A]) -> Observable[tuple[_T_co, _A]]: ...
    def join(
        self,
        right: Observable[_A],
        left_duration_mapper: Callable[[_T_co], Observable[object]],
        right_duration_mapper: Callable[[_A], Observable[object]],
    ) -> Observable[tuple[_T_co, _A]]: ...
    def group_join(
        self,
        right: Observable[_A],
        left_duration_mapper: Callable[[_T_co], Observable[object]],
        right_duration_mapper: Callable[[_A], Observable[object]],
    ) -> Observable[tuple[_T_co, Observable[_A]]]: ...
