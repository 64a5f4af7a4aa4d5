# reactivex 6.1.0
# Types of `reactivex.testing.recorded`: a record is covariant in the type of its item.

from typing import Any, Generic, TypeVar

from reactivex import Notification

from .reactivetest import OnErrorPredicate, OnNextPredicate

_T_co = TypeVar("_T_co", covariant=True)

class Recorded(Generic[_T_co]):
    time: int
    value: Notification[Any] | OnNextPredicate[Any] | OnErrorPredicate[Any]
    def __init__(
        self,
        time: int,
        value: Notification[_T_co] | OnNextPredicate[_T_co] | OnErrorPredicate[_T_co],
    ) -> None: ...
    def __eq__(self, other: object) -> bool: ...
    def equals(self, other: object) -> bool: ...
