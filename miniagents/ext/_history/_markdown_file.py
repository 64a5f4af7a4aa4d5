"""The Markdown file on the disk: opened, locked, read, appended to. All of it blocks: keep it off the loop.

One message is one `os.write` at the end of the file, under an exclusive lock, and `fsync` before the append
counts as done: what was appended survives kill -9 and a power cut. When the system writes less (disk full),
the file is cut back to what it was and the error raised. When even that is not possible (kill -9 in the
middle), the next append seals the torn rest. Nothing but such a seal is ever written in front of a message,
and nothing already in the file is changed.

The lock is an advisory lock on the file itself (`flock`; on Windows one byte far behind its end), so no lock
file is left behind and a process that dies gives it back. Waiting is done by asking again, because a wait
inside the system cannot be given up.

A new file is readable for its owner only (mode 0600: a conversation is private); the mode of an existing one
stays. Folders are not made.
"""

import errno
import logging
import os
import stat
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from typing_extensions import override

from miniagents.runs import Record
from miniagents.values import MiniAgentsError

from .._file_lock import file_lock
from ._comments import end_mark
from ._markdown_format import write_record
from ._markdown_reader import Note, Scan, scan


class HistoryFileError(MiniAgentsError, OSError):
    """A history file cannot be read or written; what is in it already is unharmed.

    It is an `OSError` too: `errno` and `filename` say what the system said.

    Args:
        sentence: what was wrong, where, and what to do.
        path: the file.
        cause: the error of the system, if there was one.

    Example:
        >>> import asyncio
        >>> from miniagents.ext.chat_history_md import ChatHistoryMD
        >>> try:
        ...     asyncio.run(ChatHistoryMD("no/such/folder/CHAT.md").append("Hello"))
        ... except HistoryFileError as error:
        ...     print(error.errno, error.filename)
        2 no/such/folder/CHAT.md
    """

    def __init__(self, sentence: str, path: str, cause: OSError | None = None) -> None:
        super().__init__(cause.errno if cause else None, sentence, path)
        self.sentence = sentence

    @classmethod
    def of(cls, path: Path, what: str, error: Exception, reason: str = "") -> "HistoryFileError":
        """Return the error for a file that cannot be read or written.

        Args:
            path: the file.
            what: ``"read"`` or ``"written"``.
            error: why.
            reason: the same in words; ``""`` if the error has them.
        """
        if isinstance(error, HistoryFileError):
            return error
        cause = error if isinstance(error, OSError) else None
        why = reason or (cause and cause.strerror) or str(error)
        return cls(f"the history file {path} cannot be {what}: {why}", str(path), cause)

    @override
    def __str__(self) -> str:
        return self.sentence


logger = logging.getLogger(__name__)

_PRIVATE = 0o600
_FLAGS = getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
_NOT_UTF_8 = "{} is UTF-16 text; save it as UTF-8 in an editor first"
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class MarkdownFile:
    """A history file; any number of objects, threads and processes may use the same one.

    Args:
        path: the file; it need not exist, its folder must.
        write: writes bytes to a descriptor and tells how many; `os.write`, or what a test puts there.
        lock_timeout: how long to wait while others write, in seconds.
    """

    def __init__(
        self, path: Path, *, write: Callable[[int, bytes], int] = os.write, lock_timeout: float = 30.0
    ) -> None:
        self.path = path
        self._write = write
        self._lock_timeout = lock_timeout
        self._mutex = threading.Lock()
        self._anchor, self._last_id = 0, ""  # where the last end mark that this object knows ends, and its id

    def load(self) -> tuple[Record, ...]:
        """All messages of the file; none if there is no file. What is not as it was written is logged.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        try:
            with self._opened(os.O_RDONLY) as fd:
                data = self._read_shared(fd)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise HistoryFileError.of(self.path, "read", error) from error
        found = scan(data)
        # What is behind a message without an end would be its text: the next append must find the place.
        self._anchor, self._last_id = (0, "") if found.repair else (found.anchor, found.last_id)
        self._log(found.notes, data)
        return found.records

    def append(self, record: Record) -> None:
        """Add one message; it is on the disk when this returns.

        Raises:
            HistoryFileError: it could not be written, and the file is as it was.
            ValueError: the data of the message cannot be written as JSON.
        """
        try:
            with self._mutex, self._opened(os.O_RDWR | os.O_CREAT | os.O_APPEND) as fd:
                self._append_locked(fd, record)
        except OSError as error:
            raise HistoryFileError.of(self.path, "written", error) from error

    def check(self) -> None:
        """Find out now whether the file can be read and written, without making it.

        Raises:
            HistoryFileError: it cannot.
        """
        folder = self.path.parent
        try:
            try:
                with self._opened(os.O_RDWR | os.O_APPEND):
                    pass
            except FileNotFoundError:
                if not folder.is_dir():
                    raise
                if not os.access(folder, os.W_OK | os.X_OK):
                    raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(self.path)) from None
        except OSError as error:
            raise HistoryFileError.of(self.path, "written", error) from error

    def _append_locked(self, fd: int, record: Record) -> None:
        found = self._scan_end(fd)
        data = found.repair + write_record(record, found.last_id)
        size = os.fstat(fd).st_size
        try:
            self._write_all(fd, data)
            os.fsync(fd)
        except BaseException:
            # If this fails too, the torn record stays; the next append seals it.
            with suppress(OSError):
                os.ftruncate(fd, size)
            raise
        written = scan(data, len(found.repair))
        self._anchor, self._last_id = size + written.anchor, written.last_id

    def _write_all(self, fd: int, data: bytes) -> None:
        """One write; more only when the system took less than all: then the next one says why."""
        rest = memoryview(data)
        while rest:
            written = self._write(fd, bytes(rest))
            if written <= 0:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            rest = rest[written:]

    def _scan_end(self, fd: int) -> Scan:
        """What must be known before something is added, from the last known end mark on."""
        mark = end_mark(self._last_id)
        start = self._anchor - len(mark)
        if start >= 0:
            data = _read_from(fd, start)
            if data.startswith(mark):
                return scan(data, len(mark), self._last_id)
        return scan(self._read_checked(fd))

    @contextmanager
    def _opened(self, flags: int) -> Generator[int]:
        """The file, open and (to write) locked; an editor may put another file in its place while we wait."""
        writing = bool(flags & os.O_APPEND)
        while True:
            fd = os.open(self.path, flags | _FLAGS, _PRIVATE)
            try:
                if not stat.S_ISREG(os.fstat(fd).st_mode):
                    sentence = f"{self.path} is not a regular file; give another path"
                    raise HistoryFileError(sentence, str(self.path))
                if not writing:
                    yield fd
                    return
                with file_lock(fd, exclusive=True, timeout=self._lock_timeout):
                    if self._is_still(fd):
                        yield fd
                        return
            finally:
                os.close(fd)

    def _is_still(self, fd: int) -> bool:
        try:
            return os.path.samestat(os.fstat(fd), self.path.stat())
        except FileNotFoundError:
            return False

    def _read_shared(self, fd: int) -> bytes:
        try:
            with file_lock(fd, exclusive=False, timeout=self._lock_timeout):
                return self._read_checked(fd)
        except TimeoutError:
            raise
        except OSError:
            # No locks on this file system: then no writer can append either, and a torn end does no harm.
            return self._read_checked(fd)

    def _read_checked(self, fd: int) -> bytes:
        data = _read_from(fd, 0)
        if data.startswith(_UTF_16):
            raise HistoryFileError(_NOT_UTF_8.format(self.path), str(self.path))
        return data

    def _log(self, notes: tuple[Note, ...], data: bytes) -> None:
        line, counted = 1, 0
        for note in sorted(notes, key=lambda note: note.offset):
            line += data.count(b"\n", counted, note.offset)
            counted = note.offset
            level = logging.INFO if note.settled else logging.WARNING
            logger.log(level, "%s:%d: %s", self.path, line, note.sentence)


def _read_from(fd: int, start: int) -> bytes:
    with open(fd, "rb", closefd=False) as file:
        file.seek(start)
        return file.read()
