"""A compressed body, unpacked in steps: a small body cannot become a large one before its size is checked."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from ._json import WireError

__all__ = ["Unpack", "unpacker"]

Unpack: TypeAlias = Callable[[bytes], Iterable[bytes]]

_STEP: Final = 2**16  # bytes
_AUTOMATIC: Final = 32 + zlib.MAX_WBITS  # gzip or zlib, as the first bytes say


def unpacker(encoding: str) -> Unpack | None:
    """Return what unpacks the pieces of a body with this ``Content-Encoding``, None if it is not packed."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return None
    if name in {"gzip", "x-gzip", "deflate"}:
        return _Inflater().feed
    raise WireError(f"the body is packed as {name!r}, which was not asked for")


class _Inflater:
    """Unpacks one body, in order."""

    __slots__ = ("_inflate",)

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_AUTOMATIC)

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield what a piece of the body unpacks to, in steps."""
        try:
            while data and not self._inflate.eof:
                if out := self._inflate.decompress(data, _STEP):
                    yield out
                data = self._inflate.unconsumed_tail
        except zlib.error:
            raise ConnectionError("the compressed body is damaged") from None
