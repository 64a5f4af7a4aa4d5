"""Errors that no reader has got yet.

**Every error is either raised to a reader or logged, never both.** The same exception may end several streams
on its way; one reader of any of them is enough.
"""

import logging
from typing import Protocol

logger = logging.getLogger("miniagents")


class Failed(Protocol):
    """A stream that ended with an error."""


class UnhandledErrors:
    """The errors of one context that no reader has got yet, each with the streams that ended with it."""

    __slots__ = ("_streams",)

    def __init__(self) -> None:
        self._streams: dict[int, tuple[BaseException, set[Failed]]] = {}  # the key is the id of the error

    def watch(self, stream: Failed, error: BaseException) -> None:
        """Note that ``stream`` failed with ``error``, and no reader has got it yet."""
        self._streams.setdefault(id(error), (error, set()))[1].add(stream)

    def forget(self, error: BaseException) -> None:
        """Forget an error that a reader has got, from any stream."""
        self._streams.pop(id(error), None)

    def drop(self, stream: Failed, error: BaseException) -> None:
        """Log the error of a dropped ``stream`` if no reader has got it and no other stream has it."""
        _, streams = self._streams.get(id(error), (error, set[Failed]()))
        streams.discard(stream)
        if not streams:
            self._report(error)

    def report(self) -> None:
        """Log every error that no reader has got."""
        for error, _ in tuple(self._streams.values()):
            self._report(error)

    def _report(self, error: BaseException) -> None:
        if self._streams.pop(id(error), None) is not None:
            logger.error("No reader ever saw this error: %r", error, exc_info=error)
