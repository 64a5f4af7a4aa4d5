"""Errors that no reader has been told yet.

**No error is swallowed, and none is told twice.** The same exception may end several streams on its way; one
reader of any of them is enough.
"""

import logging
from typing import Protocol

logger = logging.getLogger("miniagents")


class Failed(Protocol):
    """A stream that ended with an error."""


class UnhandledErrors:
    """The errors of one context that would be lost without it, each with the streams that it stands in."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: dict[int, tuple[BaseException, set[Failed]]] = {}  # by the identity of the error

    def watch(self, stream: Failed, error: BaseException) -> None:
        """``stream`` failed with ``error``, and no reader has been told yet."""
        self._streams.setdefault(id(error), (error, set()))[1].add(stream)

    def forget(self, error: BaseException) -> None:
        """A reader was told, through whatever stream."""
        self._streams.pop(id(error), None)

    def drop(self, stream: Failed, error: BaseException) -> None:
        """``stream`` has gone: log its error if no reader was told and it stands in no other stream."""
        _, streams = self._streams.get(id(error), (error, set[Failed]()))
        streams.discard(stream)
        if not streams:
            self._report(error)

    def report(self) -> None:
        """Log every error that no reader was told."""
        for error, _ in tuple(self._streams.values()):
            self._report(error)

    def _report(self, error: BaseException) -> None:
        if self._streams.pop(id(error), None) is not None:
            logger.error("No reader ever saw this error: %r", error, exc_info=error)
