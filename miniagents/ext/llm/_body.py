"""The bytes of a response body, unpacked by ourselves.

Rule of this room: **a small body cannot become a large one.** The server is asked for no compression; one
that compresses nevertheless is unpacked in steps, so that whoever counts the bytes can stop.
"""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from ._look import WireError

__all__ = ["Unpack", "unpacker"]

Unpack: TypeAlias = Callable[[bytes], Iterable[bytes]]
"""What becomes of one piece of a body as it came from the network."""

_STEP: Final = 2**16
_AUTOMATIC: Final = 32 + zlib.MAX_WBITS  # gzip or zlib, as the first bytes say


def unpacker(encoding: str) -> Unpack:
    r"""Return what unpacks the pieces of one body, in order.

    Args:
        encoding: the response's ``Content-Encoding``, ``""`` if there is none.

    Raises:
        WireError: it is one that nobody asked for.
        ConnectionError: by what is returned; the body was damaged on its way.

    Example:
        >>> list(unpacker("")(b"data: 1\n\n"))
        [b'data: 1\n\n']
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return _as_it_is
    if name in {"gzip", "x-gzip", "deflate"}:
        return _Packed().feed
    raise WireError(f"the body is packed as {name!r}, which was not asked for")


def _as_it_is(data: bytes) -> Iterable[bytes]:
    return (data,)


class _Packed:
    __slots__ = ("_inflate",)

    def __init__(self) -> None:
        self._inflate = zlib.decompressobj(_AUTOMATIC)

    def feed(self, data: bytes) -> Iterator[bytes]:
        try:
            while data and not self._inflate.eof:
                if out := self._inflate.decompress(data, _STEP):
                    yield out
                data = self._inflate.unconsumed_tail
        except zlib.error:
            raise ConnectionError("the compressed body is damaged") from None
