"""The part of Ray that the library uses. Only this module imports Ray.

It does so when a worker starts, because importing Ray takes most of a second.
"""

from collections.abc import AsyncIterator, Callable, Generator
from importlib import import_module
from typing import Protocol, cast

__all__ = ["ActorHandle", "Frames", "Ray", "ray_library"]


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

    @property
    def open(self) -> Method:
        """Begin."""
        ...

    @property
    def send(self) -> Method:
        """Take commands."""
        ...

    @property
    def frames(self) -> StreamMethod:
        """Give frames."""
        ...

    @property
    def close(self) -> Method:
        """Stop everything."""
        ...


class ActorClass(Protocol):
    """A class whose instances are actors."""

    def remote(self) -> ActorHandle:
        """Start one."""
        ...


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
    def exceptions(self) -> _Exceptions:
        """Its errors."""
        ...

    @property
    def cloudpickle(self) -> _Pickles:
        """Its pickles."""
        ...

    def is_initialized(self) -> bool:
        """Whether this process belongs to a cluster."""
        ...

    def remote(self, **options: object) -> Callable[[type], ActorClass]:
        """Make a class one of actors."""
        ...

    def cancel(self, waitable: Frames, /) -> None:
        """Stop a generator."""
        ...

    def kill(self, actor: ActorHandle, /) -> None:
        """End the process of an actor."""
        ...


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
