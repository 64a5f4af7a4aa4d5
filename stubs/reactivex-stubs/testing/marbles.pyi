# reactivex 6.1.0
# Types of `reactivex.testing.marbles`: upstream's functions have defaults, which `Callable` cannot express.

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol, TypeVar

from reactivex import Observable, typing
from reactivex.notification import Notification
from reactivex.scheduler import NewThreadScheduler

from .recorded import Recorded

_T = TypeVar("_T")

new_thread_scheduler: NewThreadScheduler

class _Start(Protocol):
    def __call__(self, create: Observable[_T] | Callable[[], Observable[_T]]) -> list[Recorded[_T]]: ...

class _Stream(Protocol):
    def __call__(
        self,
        string: str,
        lookup: dict[str | float, Any] | None = None,
        error: Exception | None = None,
    ) -> Observable[Any]: ...

class _Expect(Protocol):
    def __call__(
        self,
        string: str,
        lookup: dict[str | float, Any] | None = None,
        error: Exception | None = None,
    ) -> list[Recorded[Any]]: ...

class MarblesContext(NamedTuple):
    start: _Start
    cold: _Stream
    hot: _Stream
    exp: _Expect

def marbles_testing(timespan: typing.RelativeTime = 1.0) -> AbstractContextManager[MarblesContext]: ...
def messages_to_records(
    messages: list[tuple[typing.RelativeTime, Notification[Any]]],
) -> list[Recorded[Any]]: ...
