"""What is used of Ray: the one module that imports it, and says what to install where it is missing.

Ray is imported when a worker is started, and not before: to import it takes most of a second.
"""

from collections.abc import AsyncIterator, Callable, Generator
from importlib import import_module
from typing import Protocol, cast

__all__ = ["ActorHandle", "Frames", "Ray", "ray_library"]


class Ref(Protocol):
    """What an actor is going to answer."""

    def __await__(self) -> Generator[object, None, object]: ...


class Frames(Protocol):
    """What a generator of an actor gives."""

    def __aiter__(self) -> AsyncIterator[Ref]: ...


class Method(Protocol):
    """An async method of an actor."""

    def remote(self, *args: object) -> Ref: ...


class StreamMethod(Protocol):
    """An async generator of an actor."""

    def remote(self, *args: object) -> Frames: ...


class ActorHandle(Protocol):
    """A `Worker`, in a process of its own."""

    @property
    def open(self) -> Method: ...
    @property
    def send(self) -> Method: ...
    @property
    def frames(self) -> StreamMethod: ...
    @property
    def close(self) -> Method: ...


class ActorClass(Protocol):
    """A class whose instances are actors."""

    def remote(self) -> ActorHandle: ...


class _Exceptions(Protocol):
    @property
    def RayActorError(self) -> type[Exception]: ...  # noqa: N802 - its name
    @property
    def RayTaskError(self) -> type[Exception]: ...  # noqa: N802 - its name


class _Pickles(Protocol):
    @property
    def CloudPickler(self) -> type: ...  # noqa: N802 - its name


class Ray(Protocol):
    """The module ``ray``."""

    @property
    def exceptions(self) -> _Exceptions: ...
    @property
    def cloudpickle(self) -> _Pickles: ...
    def is_initialized(self) -> bool: ...
    def remote(self, **options: object) -> Callable[[type], ActorClass]: ...
    def cancel(self, waitable: Frames, /) -> None: ...
    def kill(self, actor: ActorHandle, /) -> None: ...


def ray_library() -> Ray:
    """The library.

    Raises:
        ImportError: it is not installed.
    """
    try:
        return cast("Ray", import_module("ray"))
    except ImportError as error:
        raise ImportError(
            "remote(...) needs Ray, which is not installed; pip install 'miniagents[ray]'"
        ) from error
