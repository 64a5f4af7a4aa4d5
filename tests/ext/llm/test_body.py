"""Bodies are unpacked piece by piece."""

import gzip
import zlib

import pytest

from miniagents.ext.llm import WireError
from miniagents.ext.llm._body import unpacker

TEXT = b"data: hello\n\n" * 1000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("", TEXT),
        ("identity", TEXT),
        ("gzip", gzip.compress(TEXT, mtime=0)),  # with a time, each process would have a test of its own
        (" GZIP", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
def test_unpacked(encoding: str, data: bytes) -> None:
    """What is packed comes out as it was, also byte by byte."""
    assert b"".join(unpacker(encoding)(data)) == TEXT
    unpack = unpacker(encoding)
    assert b"".join(piece for at in range(len(data)) for piece in unpack(data[at : at + 1])) == TEXT


def test_steps() -> None:
    """A small body that becomes a large one comes in small steps, so whoever counts can stop."""
    bomb = gzip.compress(bytes(10_000_000))
    assert max(map(len, unpacker("gzip")(bomb))) <= 2**16


def test_damaged() -> None:
    """A damaged body is told, and so is one that is packed in another way."""
    data = bytearray(gzip.compress(TEXT))
    data[12] ^= 0xFF
    with pytest.raises(ConnectionError, match="damaged"):
        list(unpacker("gzip")(bytes(data)))
    with pytest.raises(WireError, match="'br', which was not asked for"):
        unpacker("br")
