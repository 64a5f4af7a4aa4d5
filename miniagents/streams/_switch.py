"""``Switch``: of several calls only the newest one runs."""

from collections.abc import Callable
from contextvars import copy_context
from functools import partial
from typing import Generic, TypeVar

from reactivex import Observable, abc
from reactivex.disposable import Disposable, SingleAssignmentDisposable

from ._concurrent_map import AsyncCall
from ._context import context_here
from ._safe_observer import SafeObserver
from ._scheduler import LoopScheduler

T = TypeVar("T")
R = TypeVar("R")


class Switch(Generic[T, R]):
    """One subscription: begins a call for each item, and cancels the call before it.

    Args:
        begin: begins the call of an item.
        observer: gets what the calls return.
    """

    def __init__(self, begin: Callable[[T], AsyncCall[R]], observer: abc.ObserverBase[R]) -> None:
        self._begin = begin
        self._call: AsyncCall[R] | None = None
        self._source_ended = False
        self._source = SingleAssignmentDisposable()
        self._variables = copy_context()
        self._subscriber = SafeObserver(observer, self._leave)

    def follow(self, source: Observable[T], scheduler: abc.SchedulerBase | None) -> Disposable:
        """Subscribe to the source, which may push from any thread."""
        on_loop_thread = context_here().on_loop_thread
        self._source.disposable = source.subscribe(
            on_loop_thread(self._next),
            on_loop_thread(self._subscriber.fail),
            on_loop_thread(self._complete),
            scheduler=LoopScheduler() if scheduler is None else scheduler,
        )
        return Disposable(self._subscriber.dispose)

    def _next(self, item: T) -> None:
        if self._subscriber.left:
            return
        self._cancel_call()
        try:
            call = self._call = self._variables.copy().run(self._begin, item)
        except Exception as error:  # noqa: BLE001 - it ends the results, as an error of a call does
            self._subscriber.fail(error)
            return
        call.stream.when_closed(partial(self._ended, call))

    def _ended(self, call: AsyncCall[R]) -> None:
        if self._call is not call:
            return  # it was cancelled
        self._call = None
        error = call.stream.error
        if error is not None:
            call.stream.mark_error_handled()
            self._subscriber.fail(error)
            return
        self._variables.copy().run(self._subscriber.next, call.value)
        if self._source_ended:
            self._complete()

    def _complete(self) -> None:
        self._source_ended = True
        if self._call is None:
            self._subscriber.complete()

    def _leave(self) -> None:
        self._cancel_call()
        self._source.dispose()

    def _cancel_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.stream.expect_reader()  # its cancellation is no error of anything
            call.cancel()
