"""A message whose tokens a test types one by one, so that no test has to wait for time.

Example:
    >>> typewriter = Typewriter("Hel")
    >>> typewriter.type("lo")  # at any time; `Message.promise(typewriter)` is the message
    >>> typewriter.stop()
"""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping

__all__ = ["Typewriter"]


class Typewriter:
    """A token streamer driven by hand.

    Attributes:
        started: set when the first token is asked for.
        closed: set when the generator has ended, in whatever way.
        metadata: what the final message will have as data; set by the test before `stop`.
    """

    def __init__(self, *tokens: str) -> None:
        self.started = asyncio.Event()
        self.closed = asyncio.Event()
        self.metadata: dict[str, object] = {}
        self._keys: asyncio.Queue[str | Exception | None] = asyncio.Queue()
        self.type(*tokens)

    def type(self, *tokens: str) -> None:
        """Have these tokens written next."""
        for token in tokens:
            self._keys.put_nowait(token)

    def stop(self) -> None:
        """End the message after what was typed."""
        self._keys.put_nowait(None)

    def fail(self, error: Exception) -> None:
        """Fail with `error` after what was typed."""
        self._keys.put_nowait(error)

    async def __call__(self, metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[str]:
        """Yield what is typed."""
        self.started.set()
        try:
            while (key := await self._keys.get()) is not None:
                if isinstance(key, Exception):
                    raise key
                yield key
            metadata_so_far.update(self.metadata)
        finally:
            self.closed.set()
