# reactivex 6.1.0
# Types of `reactivex.testing.reactivetest`: the record of an end has the item type `Never`, so it fits beside
# every item.

from collections.abc import Callable
from types import FunctionType
from typing import Generic, Never, TypeVar

from .recorded import Recorded
from .subscription import Subscription

_T = TypeVar("_T")

def is_prime(i: int) -> bool: ...

class OnNextPredicate(Generic[_T]):
    predicate: Callable[[_T], bool]
    def __init__(self, predicate: Callable[[_T], bool]) -> None: ...
    def __eq__(self, other: object) -> bool: ...

class OnErrorPredicate(Generic[_T]):
    predicate: Callable[[_T], bool]
    def __init__(self, predicate: Callable[[_T], bool]) -> None: ...
    def __eq__(self, other: object) -> bool: ...

class ReactiveTest:
    created: int
    subscribed: int
    disposed: int
    @staticmethod
    def on_next(ticks: int, value: _T) -> Recorded[_T]: ...
    @staticmethod
    def on_error(ticks: int, error: Exception | str | FunctionType) -> Recorded[Never]: ...
    @staticmethod
    def on_completed(ticks: int) -> Recorded[Never]: ...
    @staticmethod
    def subscribe(start: int, end: int) -> Subscription: ...
