"""The prompt caches of providers: what calls have in common, and the first one of them goes ahead.

A provider can read what a request begins with from its cache if an earlier request began in the same way, and
the answer to that one has begun. So of calls with one beginning, which a program makes at the same time, the
first one goes ahead, and the others wait until its answer begins.
"""

import asyncio
import json
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from ._conversation import Conversation
from ._json import plain
from ._options import Wanted

_SHORTEST: Final = 3_000  # characters; providers cache nothing that is shorter than 1,024 tokens
_SECONDS: Final = 240.0  # providers keep a prefix for five minutes after its last use
_MOST: Final = 1_000


def beginning_of(conversation: Conversation, wanted: Wanted, *, turns: bool) -> str:
    """Return what calls of one agent begin with: its tools and system text, and maybe the earlier turns.

    Args:
        conversation: of the request.
        wanted: with the tools.
        turns: whether all turns but the last one are part of it.
    """
    tools = [[tool.name, tool.description, plain(tool.parameters)] for tool in wanted.tools]
    said = [conversation.system, repr(conversation.turns[:-1]) if turns and conversation.turns[1:] else ""]
    return "".join((json.dumps(tools) if tools else "", *said))


def key_of(*texts: str) -> str:
    """Return a short key of texts."""
    return sha256("\0".join(texts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Warming:
    """The beginnings of the calls of a context: which are in the cache of their provider, and which soon."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[asyncio.Event, float]] = {}  # the oldest first

    async def begin(self, server: str, beginning: str) -> Callable[[], None]:
        """Wait while the first call with this beginning goes ahead.

        Args:
            server: and the model.
            beginning: of the request.

        Returns:
            A function to call when the answer has begun, or the call has ended in any way.
        """
        now = asyncio.get_running_loop().time()
        if len(beginning) < _SHORTEST:
            return _nothing
        key = key_of(server, beginning)
        cached, until = self._known.get(key, (None, 0.0))
        if cached is not None and (until > now or not cached.is_set()):
            await cached.wait()
            return _nothing
        self._known.pop(key, None)
        begun = asyncio.Event()
        self._known[key] = begun, now + _SECONDS
        self._forget(list(self._known)[:-_MOST])
        return begun.set

    def _forget(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._known.pop(key)[0].set()

    async def close(self) -> None:
        """Let all that wait go on."""
        self._forget(list(self._known))


async def at_once() -> Callable[[], None]:
    """Wait for nothing."""
    return _nothing


def _nothing() -> None:
    """Do nothing: no call waits for this one."""
