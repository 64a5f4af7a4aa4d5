"""The lock of a file."""

import os
from pathlib import Path

import pytest

from miniagents.ext._history._file_lock import file_lock


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    """A second writer waits, and gives up with an error that says so; afterwards the lock is free."""
    path = tmp_path / "file"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        with (
            file_lock(first, exclusive=True, timeout=0),
            pytest.raises(TimeoutError, match=r"another writer kept its lock for over 0\.01 seconds"),
            file_lock(second, exclusive=True, timeout=0.01),
        ):
            pass
        with file_lock(second, exclusive=True, timeout=0):
            pass
    finally:
        os.close(first)
        os.close(second)


def test_readers_share(tmp_path: Path) -> None:
    """Readers do not wait for each other, only for writers."""
    path = tmp_path / "file"
    first, second = (os.open(path, os.O_RDWR | os.O_CREAT) for _ in range(2))
    try:
        with file_lock(first, exclusive=False, timeout=0), file_lock(second, exclusive=False, timeout=0):
            pass
        with (
            file_lock(first, exclusive=True, timeout=0),
            pytest.raises(TimeoutError),
            file_lock(second, exclusive=False, timeout=0),
        ):
            pass
    finally:
        os.close(first)
        os.close(second)


def test_what_cannot_be_locked_says_so() -> None:
    """An error of the system that is not about waiting comes through at once."""
    descriptor = os.open(os.devnull, os.O_RDONLY)
    os.close(descriptor)
    with (
        pytest.raises(OSError, match="Bad file descriptor"),
        file_lock(descriptor, exclusive=True, timeout=9),
    ):
        pass
