"""Errors that no reader has got yet; a cancellation and ``StopLoop`` are signals, and none.

**Every error is either raised to a reader or logged, never both.** The same exception may end several streams
on its way; one reader of any of them is enough, and it is logged when the last of them is dropped.
"""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Final, Protocol

from miniagents.values import InquiryCancelledError, StopLoop

if TYPE_CHECKING:
    from ._context import PromisingContext

logger = logging.getLogger("miniagents")

_SIGNALS: Final = (InquiryCancelledError, StopLoop)


class FailedStream(Protocol):
    """A stream that ended with an error.

    Attributes:
        error_handled: whether the error was raised to a reader, or logged.
        context: of the stream.
    """

    error_handled: bool
    context: "PromisingContext"


class PassingError:
    """An error that a subscriber is getting.

    Args:
        error: the error.
        chain: the aliases of the agents that it went through.

    Attributes:
        passed_on: whether another stream has ended with it, so that the subscriber has not handled it.
    """

    __slots__ = ("chain", "error", "passed_on")

    def __init__(self, error: Exception, chain: tuple[str, ...]) -> None:
        self.error: Exception = error
        self.chain: tuple[str, ...] = chain
        self.passed_on: bool = False


class UnhandledErrors:
    """The errors that no reader has got yet, each with the streams that ended with it.

    Nested contexts share them, since the run that reads a stream of an inner context may fail with its error.
    """

    def __init__(self) -> None:
        self._streams: dict[
            int, tuple[BaseException, set[FailedStream]]
        ] = {}  # the key is the id of the error
        # By the ids of errors that readers have got in this turn of the event loop: who has got it last, and
        # the traceback before that, without the frames of that reader.
        self.raised: dict[int, tuple[object, TracebackType | None]] = {}

    def watch(self, stream: FailedStream, error: BaseException) -> None:
        """Note that ``stream`` failed with ``error``, and no reader has got it yet."""
        if not isinstance(error, _SIGNALS):
            self._streams.setdefault(id(error), (error, set()))[1].add(stream)

    def forget(self, error: BaseException) -> None:
        """Forget an error that a reader has got, from any stream."""
        _, streams = self._streams.pop(id(error), (error, ()))
        for stream in streams:
            stream.error_handled = True

    def drop(self, stream: FailedStream, error: BaseException) -> None:
        """Log the error of a dropped ``stream`` if no reader has got it, or will, and no other one has it."""
        _, streams = self._streams.get(id(error), (error, set[FailedStream]()))
        streams.discard(stream)
        if not streams and any(each.left for each in stream.context.path()):
            self.forget(error)
        elif not streams:
            self._report(error)

    def report(self, goes_on: Callable[[FailedStream], bool] = lambda _: False) -> None:
        """Log every error that no reader has got.

        Args:
            goes_on: whether readers may still come to a stream, so that its error is not logged now.
        """
        for error, streams in tuple(self._streams.values()):
            if not any(map(goes_on, streams)):
                self._report(error)

    def _report(self, error: BaseException) -> None:
        if id(error) in self._streams:
            self.forget(error)
            logger.error("No reader ever saw this error: %r", error, exc_info=error)
