"""Decompresses a body in steps, so that its size can be checked before it becomes large."""

import zlib
from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias

from ._json import WireError

Unpack: TypeAlias = Callable[[bytes], Iterable[bytes]]

_STEP: Final = 2**16  # bytes
_AUTOMATIC: Final = 32 + zlib.MAX_WBITS  # gzip or zlib, depending on the first bytes


def unpacker(encoding: str) -> Unpack | None:
    """Return a function that decompresses a body with this ``Content-Encoding``; None if none is needed."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return None
    if name in {"gzip", "x-gzip", "deflate"}:
        return _inflater()
    raise WireError(f"the body is compressed as {name!r}, which the request did not ask for")


def _inflater() -> Unpack:
    """Return a function that decompresses one body, in order."""
    inflate = zlib.decompressobj(_AUTOMATIC)

    def feed(data: bytes) -> Iterator[bytes]:
        """Yield the decompressed bytes of a piece of the body, in steps; of a damaged one, those before."""
        while data and not inflate.eof:
            before = inflate.copy()
            try:
                out = inflate.decompress(data, _STEP)
            except zlib.error:
                yield from _before_damage(before.decompress, data)
                raise ConnectionError("the compressed body is damaged") from None
            if out:
                yield out
            data = inflate.unconsumed_tail

    return feed


def _before_damage(inflate: Callable[[bytes], bytes], data: bytes) -> Iterator[bytes]:
    """Yield what a damaged piece of a body has before its damage."""
    for at in range(len(data)):
        try:
            out = inflate(data[at : at + 1])
        except zlib.error:
            return
        if out:
            yield out
