"""The advisory lock of an open file (`flock`; on Windows one byte far behind its end).

A process that dies gives it back. Waiting is done by asking again, because a wait inside the system cannot be
given up.
"""

import errno
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

_FIRST_PAUSE, _LONGEST_PAUSE = 0.000_5, 0.05
_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK, errno.EINTR})

if sys.platform == "win32":
    import msvcrt

    # The highest offset the C library takes: a lock on Windows forbids others to read the bytes it covers.
    _PLACE = 0x7FFF_FFFE

    def _take(fd: int, *, exclusive: bool) -> None:  # noqa: ARG001 (Windows knows only exclusive locks here)
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)

    def _give_back(fd: int) -> None:
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(fd: int, *, exclusive: bool) -> None:
        fcntl.flock(fd, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | fcntl.LOCK_NB)

    def _give_back(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def file_lock(fd: int, *, exclusive: bool, timeout: float) -> Generator[None]:
    """Hold the lock of an open file.

    Args:
        fd: its descriptor.
        exclusive: True to write; readers share the lock with each other.
        timeout: how long to wait for it, in seconds.

    Raises:
        TimeoutError: another writer held it all that time.
        OSError: the file system has no locks.
    """
    deadline = time.monotonic() + timeout
    pause = _FIRST_PAUSE
    while True:
        try:
            _take(fd, exclusive=exclusive)
            break
        except OSError as error:
            if error.errno not in _BUSY:
                raise
            if time.monotonic() >= deadline:
                raise TimeoutError(
                    errno.ETIMEDOUT, f"another writer kept its lock for over {timeout:g} seconds"
                ) from error
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    try:
        yield
    finally:
        _give_back(fd)
