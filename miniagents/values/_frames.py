"""Where a coroutine stands. Only to guess and to describe: nothing else may depend on it."""

from types import AsyncGeneratorType, CoroutineType, FrameType, GeneratorType
from typing import cast


def innermost_frame(awaited: object) -> FrameType | None:
    """Return the frame in which a coroutine waits, as deep as the attributes show that `inspect` documents.

    Args:
        awaited: a coroutine, or whatever a task runs.

    Returns:
        None if there is none, as where coroutines are compiled.

    Example:
        >>> async def wait() -> None: ...
        >>> coroutine = wait()
        >>> innermost_frame(coroutine).f_code.co_name
        'wait'
        >>> coroutine.close()
    """
    frame: FrameType | None = None
    while True:
        if isinstance(awaited, CoroutineType):
            frame, awaited = awaited.cr_frame or frame, awaited.cr_await
        elif isinstance(awaited, AsyncGeneratorType):
            frame, awaited = awaited.ag_frame or frame, awaited.ag_await
        elif isinstance(awaited, GeneratorType):
            frame, awaited = awaited.gi_frame or frame, cast("object", awaited.gi_yieldfrom)  # pyright: ignore[reportUnknownMemberType]
        else:
            return frame
