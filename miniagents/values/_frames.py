"""Where a coroutine stands. Only to guess and to describe: nothing else may depend on it."""

from collections.abc import Iterator
from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import cast


def frames_within(awaited: object) -> Iterator[FrameType]:
    """Yield the frames in which a coroutine waits, inwards, as far as `inspect` documents the attributes.

    Args:
        awaited: a coroutine, or whatever a task runs; what is compiled has no frames.

    Example:
        >>> async def wait() -> None: ...
        >>> coroutine = wait()
        >>> [frame.f_code.co_name for frame in frames_within(coroutine)]
        ['wait']
        >>> coroutine.close()
    """
    frame: FrameType | None
    while True:
        if isinstance(awaited, CoroutineType):
            frame, awaited = awaited.cr_frame, awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            frame, awaited = awaited.ag_frame, awaited.ag_await
        elif isinstance(awaited, GeneratorType):
            frame, awaited = awaited.gi_frame, cast("object", awaited.gi_yieldfrom)  # pyright: ignore[reportUnknownMemberType]
        else:
            return
        if frame is not None:
            yield frame
