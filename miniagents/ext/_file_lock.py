"""The advisory lock of an open file (`flock`; on Windows one byte far behind its end).

A process that dies gives it back. Waiting with a limit is done by asking again, because a wait inside the
system cannot be given up; without a limit the system serves those that wait in turn.
"""

import errno
import math
import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

_FIRST_PAUSE, _LONGEST_PAUSE = 0.000_5, 0.05
_PRIVATE = 0o600
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
_BUSY = frozenset({errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK, errno.EINTR})

if sys.platform == "win32":
    import msvcrt

    # The highest offset the C library takes: a lock on Windows forbids others to read the bytes it covers.
    _PLACE = 0x7FFF_FFFE

    # Windows knows only exclusive locks here, and gives up waiting after 10 seconds.
    def _take(fd: int, *, exclusive: bool, waits: bool) -> None:  # noqa: ARG001
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_LOCK if waits else msvcrt.LK_NBLCK, 1)

    def _give_back(fd: int) -> None:
        os.lseek(fd, _PLACE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(fd: int, *, exclusive: bool, waits: bool) -> None:
        kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
        fcntl.flock(fd, kind if waits else kind | fcntl.LOCK_NB)

    def _give_back(fd: int) -> None:
        fcntl.flock(fd, fcntl.LOCK_UN)


@contextmanager
def file_lock(fd: int, *, exclusive: bool, timeout: float | None) -> Generator[None]:
    """Hold the lock of an open file.

    Args:
        fd: its descriptor.
        exclusive: True to write; readers share the lock with each other.
        timeout: how long to wait for it, in seconds; None: without a limit.

    Raises:
        TimeoutError: another writer held it all that time.
        OSError: the file system has no locks.
    """
    deadline = time.monotonic() + (math.inf if timeout is None else timeout)
    pause = _FIRST_PAUSE
    while True:
        try:
            _take(fd, exclusive=exclusive, waits=timeout is None)
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


@contextmanager
def lock_file(path: Path) -> Generator[None]:
    """Hold a lock by a file that is there as long, and has the number of this process.

    Args:
        path: of the file, in a folder that exists.

    Raises:
        TimeoutError: it is held already; the text says by whom.
        OSError: it cannot be written.
    """
    while True:
        fd = os.open(path, _FLAGS, _PRIVATE)
        try:
            _take(fd, exclusive=True, waits=False)
            with suppress(FileNotFoundError):
                if os.path.samestat(path.stat(), os.fstat(fd)):
                    break
        except OSError as error:
            holder = os.read(fd, 20).decode(errors="replace").strip()
            os.close(fd)
            if error.errno not in _BUSY:
                raise
            who = "this process" if holder == str(os.getpid()) else f"process {holder}"
            raise TimeoutError(errno.ETIMEDOUT, f"{who} uses it") from None
        os.close(fd)  # it was removed by the one that had it
    try:
        os.write(fd, str(os.getpid()).encode())
        yield
    finally:
        if os.name == "nt":  # where an open file cannot be removed
            os.close(fd)
        with suppress(OSError):
            path.unlink()
        if os.name != "nt":
            os.close(fd)
