# reactivex 6.1.0
# Types of `reactivex.observable.observable`: `pipe` with up to twelve operators, and `+`.

import threading
from collections.abc import Callable, Generator
from typing import Any, ClassVar, TypeVar, overload

from reactivex import abc
from reactivex._keepers import _Keeper
from reactivex._letters import _First, _OnlyAsyncForReadsIt, _With

from .mixins import (
    CombinationMixin,
    ConditionalMixin,
    ErrorHandlingMixin,
    FilteringMixin,
    MathematicalMixin,
    MulticastingMixin,
    TestingMixin,
    TimeBasedMixin,
    TransformationMixin,
    UtilityMixin,
    WindowingMixin,
)

_A = TypeVar("_A")
_B = TypeVar("_B")
_C = TypeVar("_C")
_D = TypeVar("_D")
_E = TypeVar("_E")
_F = TypeVar("_F")
_G = TypeVar("_G")
_H = TypeVar("_H")
_I = TypeVar("_I")
_J = TypeVar("_J")
_K = TypeVar("_K")
_L = TypeVar("_L")
_W = TypeVar("_W")
_T_co = TypeVar("_T_co", covariant=True)

class Observable(
    abc.ObservableBase[_T_co],
    TransformationMixin[_T_co],
    FilteringMixin[_T_co],
    CombinationMixin[_T_co],
    MathematicalMixin[_T_co],
    ConditionalMixin[_T_co],
    ErrorHandlingMixin[_T_co],
    UtilityMixin[_T_co],
    TimeBasedMixin[_T_co],
    WindowingMixin[_T_co],
    MulticastingMixin[_T_co],
    TestingMixin[_T_co],
):
    lock: threading.RLock
    def __init__(self, subscribe: abc.Subscription[_T_co] | None = None) -> None: ...
    def _subscribe_core(
        self, observer: abc.ObserverBase[_T_co], scheduler: abc.SchedulerBase | None = None
    ) -> abc.DisposableBase: ...
    def subscribe(
        self,
        on_next: abc.ObserverBase[_T_co] | abc.OnNext[_T_co] | None = None,
        on_error: abc.OnError | None = None,
        on_completed: abc.OnCompleted | None = None,
        *,
        scheduler: abc.SchedulerBase | None = None,
    ) -> abc.DisposableBase: ...
    @overload
    def pipe(self) -> Observable[_T_co]: ...  # not Self: a list of operators may be empty
    @overload
    def pipe(self, op1: Callable[[Observable[_T_co]], _A], /) -> _A: ...
    @overload
    def pipe(self, op1: _Keeper[object], op2: Callable[[Observable[_T_co]], _B], /) -> _B: ...
    @overload
    def pipe(self, op1: _With[_W], op2: Callable[[Observable[_T_co | _W]], _B], /) -> _B: ...
    @overload
    def pipe(self, op1: _First[Observable[_T_co], _A], op2: Callable[[_A], _B], /) -> _B: ...
    @overload
    def pipe(
        self, op1: _Keeper[object], op2: Callable[[Observable[_T_co]], _B], op3: Callable[[_B], _C], /
    ) -> _C: ...
    @overload
    def pipe(
        self, op1: _Keeper[object], op2: _With[_W], op3: Callable[[Observable[_T_co | _W]], _C], /
    ) -> _C: ...
    @overload
    def pipe(
        self, op1: _With[_W], op2: Callable[[Observable[_T_co | _W]], _B], op3: Callable[[_B], _C], /
    ) -> _C: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _Keeper[object],
        op3: Callable[[Observable[_A]], _B],
        /,
    ) -> _B: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _With[_W],
        op3: Callable[[Observable[_A | _W]], _B],
        /,
    ) -> _B: ...
    @overload
    def pipe(
        self, op1: _First[Observable[_T_co], _A], op2: _First[_A, _B], op3: _Keeper[object], /
    ) -> _B: ...
    @overload
    def pipe(self, op1: _First[Observable[_T_co], _A], op2: _First[_A, _B], op3: _First[_B, _C], /) -> _C: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        /,
    ) -> _D: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: _With[_W],
        op3: Callable[[Observable[_T_co | _W]], _C],
        op4: Callable[[_C], _D],
        /,
    ) -> _D: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        /,
    ) -> _D: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _Keeper[object],
        op3: Callable[[Observable[_A]], _B],
        op4: Callable[[_B], _C],
        /,
    ) -> _C: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _With[_W],
        op3: Callable[[Observable[_A | _W]], _B],
        op4: Callable[[_B], _C],
        /,
    ) -> _C: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: _First[_A, _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        /,
    ) -> _D: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        /,
    ) -> _E: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        /,
    ) -> _E: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _Keeper[object],
        op3: Callable[[Observable[_A]], _B],
        op4: Callable[[_B], _C],
        op5: Callable[[_C], _D],
        /,
    ) -> _D: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _With[_W],
        op3: Callable[[Observable[_A | _W]], _B],
        op4: Callable[[_B], _C],
        op5: Callable[[_C], _D],
        /,
    ) -> _D: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: _First[_A, _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        /,
    ) -> _E: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        /,
    ) -> _F: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        /,
    ) -> _F: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _Keeper[object],
        op3: Callable[[Observable[_A]], _B],
        op4: Callable[[_B], _C],
        op5: Callable[[_C], _D],
        op6: Callable[[_D], _E],
        /,
    ) -> _E: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], Observable[_A]],
        op2: _With[_W],
        op3: Callable[[Observable[_A | _W]], _B],
        op4: Callable[[_B], _C],
        op5: Callable[[_C], _D],
        op6: Callable[[_D], _E],
        /,
    ) -> _E: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: _First[_A, _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        /,
    ) -> _F: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        /,
    ) -> _G: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        /,
    ) -> _G: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: Callable[[_A], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        /,
    ) -> _G: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        /,
    ) -> _H: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        /,
    ) -> _H: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: Callable[[_A], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        /,
    ) -> _H: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        /,
    ) -> _I: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        /,
    ) -> _I: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: Callable[[_A], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        /,
    ) -> _I: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        /,
    ) -> _J: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        /,
    ) -> _J: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: Callable[[_A], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        /,
    ) -> _J: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        op11: Callable[[_J], _K],
        /,
    ) -> _K: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        op11: Callable[[_J], _K],
        /,
    ) -> _K: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: Callable[[_A], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        op11: Callable[[_J], _K],
        /,
    ) -> _K: ...
    @overload
    def pipe(
        self,
        op1: _Keeper[object],
        op2: Callable[[Observable[_T_co]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        op11: Callable[[_J], _K],
        op12: Callable[[_K], _L],
        /,
    ) -> _L: ...
    @overload
    def pipe(
        self,
        op1: _With[_W],
        op2: Callable[[Observable[_T_co | _W]], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        op11: Callable[[_J], _K],
        op12: Callable[[_K], _L],
        /,
    ) -> _L: ...
    @overload
    def pipe(
        self,
        op1: _First[Observable[_T_co], _A],
        op2: Callable[[_A], _B],
        op3: Callable[[_B], _C],
        op4: Callable[[_C], _D],
        op5: Callable[[_D], _E],
        op6: Callable[[_E], _F],
        op7: Callable[[_F], _G],
        op8: Callable[[_G], _H],
        op9: Callable[[_H], _I],
        op10: Callable[[_I], _J],
        op11: Callable[[_J], _K],
        op12: Callable[[_K], _L],
        /,
    ) -> _L: ...
    def run(self, scheduler: abc.SchedulerBase | None = None) -> _T_co: ...
    def __await__(self) -> Generator[Any, None, _T_co]: ...
    def __add__(self, other: Observable[_A]) -> Observable[_T_co | _A]: ...
    def __iadd__(self, other: Observable[_A]) -> Observable[_T_co | _A]: ...
    def __getitem__(self, key: slice | int) -> Observable[_T_co]: ...
    # With `__getitem__` alone, a `for` over it never ends, and pyright accepts it.
    __iter__: ClassVar[_OnlyAsyncForReadsIt]

__all__ = ["Observable"]
