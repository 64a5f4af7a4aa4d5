"""The part of Ray that the library uses. Only this module imports Ray.

It does so when a worker starts, because importing Ray takes most of a second.
"""

from collections.abc import AsyncIterator, Generator
from importlib import import_module
from types import ModuleType
from typing import Protocol


class Ref(Protocol):
    """The future answer of an actor."""

    def __await__(self) -> Generator[object, None, object]: ...


class Frames(Protocol):
    """The answers of a generator of an actor."""

    def __aiter__(self) -> AsyncIterator[Ref]: ...


class Method(Protocol):
    """An async method of an actor."""

    def remote(self, *args: object) -> Ref:
        """Call it."""
        ...


class StreamMethod(Protocol):
    """An async generator of an actor."""

    def remote(self, *args: object) -> Frames:
        """Call it."""
        ...


class ActorHandle(Protocol):
    """A `Worker`, in a process of its own."""

    open: Method
    send: Method
    frames: StreamMethod
    close: Method


class ActorClass(Protocol):
    """A class whose instances are actors."""

    def remote(self) -> ActorHandle:
        """Start one."""
        ...


def ray_library() -> ModuleType:
    """The library.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return import_module("ray")
    except ImportError as error:
        raise ImportError(
            "remote(...) needs Ray, which is not installed; pip install 'miniagents[ray]'"
        ) from error
