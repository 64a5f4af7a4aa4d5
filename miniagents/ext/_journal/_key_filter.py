"""Knows which calls are certainly not in a journal, so that most new calls need no query."""

from typing import Final

_BITS: Final = 26  # 8 MB, of which the system allocates only the used pages
_PIECE: Final = 1 << 16


class KeyFilter:
    """A set of digests that may say yes too often, and no only rightly.

    It takes 8 MB, however many there are: of 1,000,000 calls, 1.5 % of those that are new look as if they
    might be there, and the file is asked.

    Example:
        >>> known = KeyFilter()
        >>> known.add(b"0123")
        >>> known.may_have(b"0123"), known.may_have(b"4567")
        (True, False)
    """

    __slots__ = ("_bits",)

    def __init__(self) -> None:
        self._bits = bytearray(1 << (_BITS - 3))

    def add(self, digest: bytes) -> None:
        """Take a digest, or its first bytes.

        Args:
            digest: 4 bytes or more, of any hash.
        """
        bit = int.from_bytes(digest[:4], "big") >> (32 - _BITS)
        self._bits[bit >> 3] |= 1 << (bit & 7)

    def may_have(self, digest: bytes) -> bool:
        """Whether a digest may have been taken; if not, it certainly was not.

        Args:
            digest: as for :meth:`add`.
        """
        bit = int.from_bytes(digest[:4], "big") >> (32 - _BITS)
        return bool(self._bits[bit >> 3] & 1 << (bit & 7))

    def add_all(self, other: "KeyFilter") -> None:
        """Take what another one has taken, which a thread may have filled in the meantime.

        Args:
            other: nobody adds to it any more.
        """
        mine, theirs = self._bits, other._bits  # noqa: SLF001 - same class
        for at in range(0, len(mine), _PIECE):
            piece = slice(at, at + _PIECE)
            both = int.from_bytes(mine[piece], "little") | int.from_bytes(theirs[piece], "little")
            mine[piece] = both.to_bytes(_PIECE, "little")
