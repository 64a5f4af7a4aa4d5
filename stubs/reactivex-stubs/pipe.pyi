# reactivex 6.1.0
# Types of `reactivex.pipe`: up to twelve operators.

from collections.abc import Callable
from typing import TypeVar, overload

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
_M = TypeVar("_M")

@overload
def compose() -> Callable[[_A], _A]: ...
@overload
def compose(fn1: Callable[[_A], _B], /) -> Callable[[_A], _B]: ...
@overload
def compose(fn1: Callable[[_A], _B], fn2: Callable[[_B], _C], /) -> Callable[[_A], _C]: ...
@overload
def compose(
    fn1: Callable[[_A], _B], fn2: Callable[[_B], _C], fn3: Callable[[_C], _D], /
) -> Callable[[_A], _D]: ...
@overload
def compose(
    fn1: Callable[[_A], _B], fn2: Callable[[_B], _C], fn3: Callable[[_C], _D], fn4: Callable[[_D], _E], /
) -> Callable[[_A], _E]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    /,
) -> Callable[[_A], _F]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    /,
) -> Callable[[_A], _G]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    /,
) -> Callable[[_A], _H]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    /,
) -> Callable[[_A], _I]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    /,
) -> Callable[[_A], _J]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    fn10: Callable[[_J], _K],
    /,
) -> Callable[[_A], _K]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    fn10: Callable[[_J], _K],
    fn11: Callable[[_K], _L],
    /,
) -> Callable[[_A], _L]: ...
@overload
def compose(
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    fn10: Callable[[_J], _K],
    fn11: Callable[[_K], _L],
    fn12: Callable[[_L], _M],
    /,
) -> Callable[[_A], _M]: ...
@overload
def pipe(__value: _A, /) -> _A: ...
@overload
def pipe(__value: _A, fn1: Callable[[_A], _B], /) -> _B: ...
@overload
def pipe(__value: _A, fn1: Callable[[_A], _B], fn2: Callable[[_B], _C], /) -> _C: ...
@overload
def pipe(__value: _A, fn1: Callable[[_A], _B], fn2: Callable[[_B], _C], fn3: Callable[[_C], _D], /) -> _D: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    /,
) -> _E: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    /,
) -> _F: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    /,
) -> _G: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    /,
) -> _H: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    /,
) -> _I: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    /,
) -> _J: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    fn10: Callable[[_J], _K],
    /,
) -> _K: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    fn10: Callable[[_J], _K],
    fn11: Callable[[_K], _L],
    /,
) -> _L: ...
@overload
def pipe(
    __value: _A,
    fn1: Callable[[_A], _B],
    fn2: Callable[[_B], _C],
    fn3: Callable[[_C], _D],
    fn4: Callable[[_D], _E],
    fn5: Callable[[_E], _F],
    fn6: Callable[[_F], _G],
    fn7: Callable[[_G], _H],
    fn8: Callable[[_H], _I],
    fn9: Callable[[_I], _J],
    fn10: Callable[[_J], _K],
    fn11: Callable[[_K], _L],
    fn12: Callable[[_L], _M],
    /,
) -> _M: ...

__all__ = ["compose", "pipe"]
