# reactivex 6.1.0
# The type variables that a lambda's parameter can have as its type; upstream has no module of this name.
#
# mypy first checks each argument of an overloaded call, such as `pipe`, without its context. There the
# parameter of `ops.map(lambda m: m.text)` is still the bare type variable, and mypy would refuse `.text`,
# although the real check, in context, knows the type. The bound `Any` silences that first check only. pyright
# needs no help, and with the bound it would infer `Any`. `MYPY` is true for mypy only, which knows the name.
# pyrefly reads both branches of an unknown condition, and makes unions of them; so a condition with the name
# that pyrefly knows hides mypy's branch from it.
# ruff: noqa: PYI002 - nothing else tells mypy from pyright
# ruff: noqa: PYI018, PYI047 - the other stubs use them

from collections.abc import Callable, Iterable
from typing import (
    Any,
    Final,
    Generic,
    Never,
    Protocol,
    TypeAlias,
    TypeVar,
    TypeVarTuple,
    overload,
    type_check_only,
)

from reactivex import Observable

_A = TypeVar("_A")
_B = TypeVar("_B")
_U = TypeVar("_U")  # an item of the source of an operator that takes no function

MYPY: Final = False
TYPE_CHECKING_WITH_PYREFLY: Final = False

if not TYPE_CHECKING_WITH_PYREFLY and MYPY:
    _T = TypeVar("_T", bound=Any)
    _R = TypeVar("_R", bound=Any)
    _S = TypeVar("_S", bound=Any)
    _K = TypeVar("_K", bound=Any)
    _V = TypeVar("_V", bound=Any)

    _In_contra = TypeVar("_In_contra", contravariant=True)
    _Out_co = TypeVar("_Out_co", covariant=True)

    @type_check_only
    class _Operator(Protocol[_In_contra, _Out_co]):
        def __call__(self, source: _In_contra, /) -> _Out_co: ...
        def __dir__(self) -> Iterable[str]: ...

    _First: TypeAlias = _Operator[_A, _B] | Callable[[_A], Never]
    _Sink: TypeAlias = Callable[[object], None]
if not MYPY:
    _T = TypeVar("_T")  # an item of the source
    _R = TypeVar("_R")  # a result
    _S = TypeVar("_S")  # a state
    _K = TypeVar("_K")  # a key
    _V = TypeVar("_V")  # a value at a key

    _First: TypeAlias = Callable[[_A], _B]
    _Sink: TypeAlias = Callable[[], None]

_Number = TypeVar("_Number", bound=float)  # a sum is what it is a sum of
_Ts = TypeVarTuple("_Ts")  # the items of a tuple

# An operator that adds items of another type. Not two overloads of a function: mypy takes the first overload
# if it does not know the source yet, and then refuses the source.
@type_check_only
class _With(Generic[_A]):
    @overload
    def __call__(self, source: Observable[_A], /) -> Observable[_A]: ...
    @overload
    def __call__(self, source: Observable[_U], /) -> Observable[_U | _A]: ...
    def __dir__(self, _: Never, /) -> Iterable[str]: ...  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]

# No stream: the method `map` emits the coroutines of an async function, and awaits none of them. Of the
# operator this cannot be said: with a further overload no checker knows the type of a lambda in it any more.
@type_check_only
class _MapDoesNotAwait: ...

# What checkers name when a `for` without `async` reads a stream.
@type_check_only
class _OnlyAsyncForReadsIt: ...
