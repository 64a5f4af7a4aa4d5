"""A source that a test feeds by hand, seen as an async iterable and as an Observable."""

import asyncio
from collections.abc import AsyncGenerator, Callable

import reactivex as rx
from reactivex import Observable
from reactivex.abc import DisposableBase, ObserverBase
from reactivex.disposable import Disposable

__all__ = ["Fed"]

Said = str | Exception | None


class Fed:
    """What was said is said to every run from the beginning: to each async iterator and each subscriber.

    Attributes:
        opened: how many runs there were.
        left: how many of them are over, at their end or because they were left.
    """

    def __init__(self) -> None:
        self.opened = 0
        self.left = 0
        self._said: list[Said] = []  # an exception or None ends it
        self._hearers: list[Callable[[], None]] = []

    def emit(self, *texts: str) -> None:
        """Say these next."""
        for text in texts:
            self._say(text)

    def complete(self) -> None:
        """End normally."""
        self._say(None)

    def fail(self, error: Exception) -> None:
        """End with an error."""
        self._say(error)

    def _say(self, said: Said) -> None:
        self._said.append(said)
        for hearer in tuple(self._hearers):
            hearer()

    async def iterate(self, *_: object) -> AsyncGenerator[str]:
        """One run as an async generator; what is there comes without suspending."""
        self.opened += 1
        more = asyncio.Event()
        self._hearers.append(more.set)
        position = 0
        try:
            while True:
                while position < len(self._said):
                    said = self._said[position]
                    position += 1
                    if isinstance(said, Exception):
                        raise said
                    if said is None:
                        return
                    yield said
                more.clear()
                await more.wait()
        finally:
            self._hearers.remove(more.set)
            self.left += 1

    def __aiter__(self) -> AsyncGenerator[str]:
        """One run."""
        return self.iterate()

    @property
    def observable(self) -> Observable[str]:
        """Each subscription is a run; what is there comes at once."""

        def subscribe(observer: ObserverBase[str], scheduler: object) -> DisposableBase:
            run = _Run(self, self._said, observer)
            self.opened += 1
            self._hearers.append(run.push)
            run.push()
            return Disposable(run.leave)

        return rx.create(subscribe)

    def forget(self, run: "_Run") -> None:
        """A subscription is over."""
        self._hearers.remove(run.push)
        self.left += 1


class _Run:
    """One subscription."""

    def __init__(self, fed: Fed, said: list[Said], observer: ObserverBase[str]) -> None:
        self._fed = fed
        self._said = said
        self._observer: ObserverBase[str] | None = observer
        self._position = 0
        self._pushing = False

    def push(self) -> None:
        """Say what is new; what a subscriber has said meanwhile comes afterwards."""
        if self._pushing:
            return
        self._pushing = True
        try:
            while (observer := self._observer) is not None and self._position < len(self._said):
                said = self._said[self._position]
                self._position += 1
                if isinstance(said, str):
                    observer.on_next(said)
                    continue
                self.leave()
                if said is None:
                    observer.on_completed()
                else:
                    observer.on_error(said)
        finally:
            self._pushing = False

    def leave(self) -> None:
        """Idempotent."""
        if self._observer is not None:
            self._observer = None
            self._fed.forget(self)
