"""A compressed body comes in steps, however it is cut."""

import gzip
import zlib

import pytest

from miniagents.ext.llm import WireError
from miniagents.ext.llm._unpacking import unpacker

TEXT = b"data: hello\n\n" * 1000


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(TEXT, mtime=0)),
        (" GZIP", gzip.compress(TEXT, mtime=0)),
        ("deflate", zlib.compress(TEXT)),
    ],
)
def test_unpacked(encoding: str, data: bytes) -> None:
    """What is packed comes out as it was, also byte by byte."""
    whole, unpack = unpacker(encoding), unpacker(encoding)
    assert whole is not None
    assert unpack is not None
    assert b"".join(whole(data)) == TEXT
    assert b"".join(piece for at in range(len(data)) for piece in unpack(data[at : at + 1])) == TEXT


@pytest.mark.parametrize("encoding", ["", "identity", " Identity"])
def test_not_packed(encoding: str) -> None:
    """A body that is not packed needs nothing."""
    assert unpacker(encoding) is None


def test_steps() -> None:
    """A small body that becomes a large one comes in small steps, so a reader that counts can stop."""
    unpack = unpacker("gzip")
    assert unpack is not None
    assert max(map(len, unpack(gzip.compress(bytes(10_000_000))))) <= 2**16


def test_damaged() -> None:
    """A damaged body is told, and so is one that is packed in another way."""
    data = bytearray(gzip.compress(TEXT))
    data[12] ^= 0xFF
    unpack = unpacker("gzip")
    assert unpack is not None
    with pytest.raises(ConnectionError, match="damaged"):
        list(unpack(bytes(data)))
    with pytest.raises(WireError, match="'br', which the request did not ask for"):
        unpacker("br")
