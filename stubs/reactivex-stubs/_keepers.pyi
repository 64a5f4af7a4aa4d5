# reactivex 6.1.0
# Operators that change no item: `@keeps` makes one, and those that do so in one of their forms stand here.
# Upstream has no module of this name; what reads which branch is explained in `_letters`.
# ruff: noqa: A001, PYI002 - upstream's names; nothing else tells mypy from pyright

from collections.abc import Callable, Iterable
from typing import Final, Generic, Never, ParamSpec, Protocol, TypeVar, overload, type_check_only

from reactivex import Observable, abc, typing
from reactivex._letters import _K, _T, _Sink

_A = TypeVar("_A")
_U = TypeVar("_U")  # an item of the source of an operator that takes no function
_Function = TypeVar("_Function")
_Function_co = TypeVar("_Function_co", covariant=True)
_P = ParamSpec("_P")

MYPY: Final = False
TYPE_CHECKING_WITH_PYREFLY: Final = False

if not TYPE_CHECKING_WITH_PYREFLY and MYPY:
    # An operator that changes no item. It is a class, because mypy must know its result as the first one of a
    # `pipe`: it does not know the result of a generic function yet when it checks a lambda after it.
    @type_check_only
    class _Keeper(Generic[_Function_co]):
        @property
        def __call__(self) -> _Function_co: ...
        def __dir__(self, _: Never, /) -> Iterable[str]: ...  # type: ignore[override]

    # What makes such an operator. Two operators in a pipe must not share a type variable. mypy makes new ones
    # when it looks up a method, but not for a function whose result is a class: so these are objects.
    @type_check_only
    class _Keeping(Protocol[_P]):
        def __call__(
            self, *args: _P.args, **kwargs: _P.kwargs
        ) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...

    def keeps(function: Callable[_P, object], /) -> _Keeping[_P]: ...
    @type_check_only
    class _Distinct(Protocol):
        @overload
        def __call__(
            self, key_mapper: None = None, comparer: None = None
        ) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...
        @overload
        def __call__(
            self, key_mapper: None = None, *, comparer: Callable[[_T, _T], bool]
        ) -> Callable[[Observable[_T]], Observable[_T]]: ...
        @overload
        def __call__(
            self, key_mapper: Callable[[_T], _K], comparer: Callable[[_K, _K], bool] | None = None
        ) -> Callable[[Observable[_T]], Observable[_T]]: ...

    @type_check_only
    class _DoAction(Protocol):
        @overload
        def __call__(
            self,
            on_next: _Sink | None = None,
            on_error: typing.OnError | None = None,
            on_completed: typing.OnCompleted | None = None,
        ) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...
        @overload
        def __call__(
            self,
            on_next: Callable[[_T], None],
            on_error: typing.OnError | None = None,
            on_completed: typing.OnCompleted | None = None,
        ) -> Callable[[Observable[_T]], Observable[_T]]: ...

    @type_check_only
    class _Filter(Protocol):
        @overload
        def __call__(self, predicate: type[bool]) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...
        @overload
        def __call__(self, predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...

    @type_check_only
    class _OfPredicate(Protocol):
        @overload
        def __call__(self, predicate: None = None) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...
        @overload
        def __call__(self, predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...

    @type_check_only
    class _Extreme(Protocol):
        @overload
        def __call__(self, comparer: None = None) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...
        @overload
        def __call__(
            self, comparer: Callable[[_T, _T], float]
        ) -> Callable[[Observable[_T]], Observable[_T]]: ...

    @type_check_only
    class _Timeout(Protocol):
        @overload
        def __call__(
            self,
            duetime: typing.AbsoluteOrRelativeTime,
            other: None = None,
            scheduler: abc.SchedulerBase | None = None,
        ) -> _Keeper[Callable[[Observable[_U]], Observable[_U]]]: ...
        @overload
        def __call__(
            self,
            duetime: typing.AbsoluteOrRelativeTime,
            other: Observable[_A] | typing.AnyFuture[_A],
            scheduler: abc.SchedulerBase | None = None,
        ) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...

    distinct: _Distinct
    distinct_until_changed: _Distinct
    do_action: _DoAction
    filter: _Filter
    first: _OfPredicate
    last: _OfPredicate
    max: _Extreme
    min: _Extreme
    single: _OfPredicate
    timeout: _Timeout
if not MYPY:
    # What no operator is: `pipe` has forms that are for mypy only.
    @type_check_only
    class _Keeper(Generic[_A]): ...

    def keeps(function: _Function, /) -> _Function: ...
    @overload
    def distinct(
        key_mapper: None = None, comparer: None = None
    ) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def distinct(
        key_mapper: None = None, *, comparer: Callable[[_T, _T], bool]
    ) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def distinct(
        key_mapper: Callable[[_T], _K], comparer: Callable[[_K, _K], bool] | None = None
    ) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def distinct_until_changed(
        key_mapper: None = None, comparer: None = None
    ) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def distinct_until_changed(
        key_mapper: None = None, *, comparer: Callable[[_T, _T], bool]
    ) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def distinct_until_changed(
        key_mapper: Callable[[_T], _K], comparer: Callable[[_K, _K], bool] | None = None
    ) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def do_action(
        on_next: Callable[[], None] | None = None,
        on_error: typing.OnError | None = None,
        on_completed: typing.OnCompleted | None = None,
    ) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def do_action(
        on_next: Callable[[_T], None],
        on_error: typing.OnError | None = None,
        on_completed: typing.OnCompleted | None = None,
    ) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def filter(predicate: type[bool]) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def filter(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def first(predicate: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def first(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def last(predicate: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def last(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def max(comparer: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def max(comparer: Callable[[_T, _T], float]) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def min(comparer: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def min(comparer: Callable[[_T, _T], float]) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def single(predicate: None = None) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def single(predicate: Callable[[_T], bool]) -> Callable[[Observable[_T]], Observable[_T]]: ...
    @overload
    def timeout(
        duetime: typing.AbsoluteOrRelativeTime,
        other: None = None,
        scheduler: abc.SchedulerBase | None = None,
    ) -> Callable[[Observable[_U]], Observable[_U]]: ...
    @overload
    def timeout(
        duetime: typing.AbsoluteOrRelativeTime,
        other: Observable[_A] | typing.AnyFuture[_A],
        scheduler: abc.SchedulerBase | None = None,
    ) -> Callable[[Observable[_U]], Observable[_U | _A]]: ...
