"""The Markdown file on the disk: its lock, its error, and what survives a crash."""

import errno
import logging
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from typing_extensions import override

from miniagents.ext._file_lock import file_lock
from miniagents.ext._history import HistoryFileError, MarkdownFile
from miniagents.ext._history._markdown_reader import scan
from miniagents.runs import Record
from miniagents.values import MiniAgentsError
from tests.ext.history.samples import RECORDS, added, file_of
from tests.support.forked import open_program


def test_it_is_an_error_of_the_library_and_of_the_system() -> None:
    """One `except` for either family catches it; its text is the sentence; the system's number is kept."""
    error = HistoryFileError("no room for it", "CHAT.md", OSError(errno.ENOSPC, "No space left"))
    assert isinstance(error, MiniAgentsError)
    assert isinstance(error, OSError)
    assert ("no room for it", errno.ENOSPC, "CHAT.md") == (str(error), error.errno, error.filename)
    assert HistoryFileError("wrong", "x").errno is None


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


_WRITER = """
import os, sys, time
from pathlib import Path
from miniagents.ext._history import MarkdownFile
from miniagents.runs import Record
path, name, count, piece = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
def write(fd, data):
    time.sleep(0.0001)  # the other one's chance to come in between
    return os.write(fd, data[:piece])
file = MarkdownFile(path, write=write)
sys.stdin.readline()
for number in range(count):
    file.append(Record("user", text=f"## user\\n\\n{name} {number}\\n" + "x" * (number % 50)))
    print(number, flush=True)
"""


_TORN_WRITER = """
import os, sys, time
from pathlib import Path
from miniagents.ext._history import MarkdownFile
from miniagents.runs import Record
def tear(fd, data):
    os.write(fd, data[:int(sys.argv[2])])
    print("torn", flush=True)
    sys.stdin.read()
path = Path(sys.argv[1])
MarkdownFile(path).append(Record("user", text="whole"))
MarkdownFile(path, write=tear).append(Record("user", text="never acknowledged " * 5))
"""


def _writer(path: Path, name: str, count: int, piece: int = 1_000_000) -> "subprocess.Popen[str]":
    command = (sys.executable, "-c", _WRITER, str(path), name, str(count), str(piece))
    return open_program(*command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def _start(writer: "subprocess.Popen[str]") -> None:
    """It waits for this, so that several begin at once."""
    assert writer.stdin is not None
    writer.stdin.write("\n")
    writer.stdin.flush()


def _texts(file: MarkdownFile) -> list[str]:
    return [str(record.text) for record in file.load()]


def test_a_file_that_is_not_there_is_empty(tmp_path: Path) -> None:
    """Loading makes no file."""
    path = tmp_path / "CHAT.md"
    assert () == MarkdownFile(path).load()
    assert not path.exists()


def test_what_was_appended_is_loaded(tmp_path: Path) -> None:
    """In order, by the same object and by another one, with texts of any kind."""
    path = tmp_path / "CHAT.md"
    file = MarkdownFile(path)
    for record in RECORDS:
        file.append(record)
    assert RECORDS == file.load() == MarkdownFile(path).load()


def test_a_new_file_is_private(tmp_path: Path) -> None:
    """A conversation is for its owner only; the mode of a file that is there already stays."""
    path = tmp_path / "CHAT.md"
    MarkdownFile(path).append(RECORDS[2])
    assert 0o600 == stat.S_IMODE(path.stat().st_mode)
    path.chmod(0o644)
    MarkdownFile(path).append(RECORDS[2])
    assert 0o644 == stat.S_IMODE(path.stat().st_mode)


def test_appending_changes_nothing_that_is_there(tmp_path: Path) -> None:
    """The old bytes stay, byte for byte, also an old plain file and a torn end."""
    path = tmp_path / "CHAT.md"
    for before in (b"user\n====\n\nHi!", b"notes \xff", b"<!-- minia"):
        path.write_bytes(before)
        MarkdownFile(path).append(RECORDS[2])
        assert path.read_bytes().startswith(before)


def test_one_message_is_one_write(tmp_path: Path) -> None:
    """The repair, if any, and the message go to the system in one call."""
    path = tmp_path / "CHAT.md"
    path.write_bytes(b"<!-- minia")
    calls = list[int]()

    def write(descriptor: int, data: bytes) -> int:
        calls.append(len(data))
        return os.write(descriptor, data)

    file = MarkdownFile(path, write=write)
    file.append(RECORDS[2])
    file.append(RECORDS[3])
    assert 2 == len(calls)
    assert path.stat().st_size == sum(calls) + len(b"<!-- minia")


@pytest.mark.logs("not written to its end")
def test_an_append_reads_only_what_is_new(tmp_path: Path) -> None:
    """A long chat does not get slower: from the end mark it knows on, an object reads what others added."""
    path = tmp_path / "CHAT.md"
    file = MarkdownFile(path)
    file.append(Record("user", text="one"))
    file.append(Record("user", text="two"))
    # The old message now looks torn: who reads the file from its beginning would seal it.
    path.write_bytes(
        path.read_bytes().replace(b"one", b"xne").replace(b"/mini", b"/nini", 1).replace(b"after", b"later")
    )
    assert () == MarkdownFile(path).load()
    file.append(Record("user", text="three"))
    assert b"miniagents cut" not in path.read_bytes()
    MarkdownFile(path).append(Record("user", text="four"))
    assert b"miniagents cut" in path.read_bytes()


@pytest.mark.logs("not written to its end")
def test_the_first_append_to_a_file_without_marks(tmp_path: Path) -> None:
    """An old or typed file of any length goes on, its turns unread; what was torn in it is sealed."""
    path = tmp_path / "CHAT.md"
    typed = "".join(f"## user\n\ntyped {number}\n\n" for number in range(2_000)).encode()
    for torn in (b"", b"<!-- minia", b"and more"):
        path.write_bytes(b"\xef\xbb\xbf" + typed + torn)
        before = _texts(MarkdownFile(path))
        MarkdownFile(path).append(Record("user", text="next"))
        assert [*before, "next"] == _texts(MarkdownFile(path))
        assert 2_001 == len(before) + 1


@pytest.mark.logs("not written to its end")
@pytest.mark.gate("reads a file for each of its bytes")
def test_a_cut_at_every_byte_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever a file is cut, an object that has not seen it appends soundly, whatever the texts say."""
    monkeypatch.setattr(os, "fsync", str)  # which does nothing with the disk
    path = tmp_path / "CHAT.md"
    first = file_of(RECORDS[2], Record("assistant", text="yes"))
    forged = Record("assistant", text=first.decode() + "\n\n" + first.decode())
    data = added(first, forged)
    for cut in range(len(first), len(data) + 1, 3):
        path.write_bytes(data[:cut])
        before = scan(data[:cut]).records
        MarkdownFile(path).append(RECORDS[3])
        assert (*before, RECORDS[3]) == scan(path.read_bytes()).records, cut


@pytest.mark.logs("not written to its end")
@pytest.mark.parametrize("loads", [False, True])
def test_what_was_damaged_in_the_middle_is_sealed(tmp_path: Path, *, loads: bool) -> None:
    """What is appended to a long file that is damaged far from its end is read, loaded before or not."""
    path = tmp_path / "CHAT.md"
    data = file_of(*[Record("user", text=f"{number} " + "x" * 500) for number in range(100)])
    middle = data.index(b"50 x")
    damaged = data[:middle] + data[data.index(b"53 x") :]
    path.write_bytes(damaged)
    file = MarkdownFile(path)
    if loads:
        assert 50 == len(file.load())
    file.append(Record("user", text="next"))
    assert "next" == _texts(MarkdownFile(path))[-1]


def _emptied(data: bytes) -> bytes:
    return data[:0]


def _prefixed(data: bytes) -> bytes:
    return b"user\n====\n" + data


def _torn(data: bytes) -> bytes:
    return data[:-40]


@pytest.mark.logs("not written to its end")
@pytest.mark.parametrize("edit", [_emptied, _prefixed, _torn])
def test_an_edited_file_is_looked_at_anew(tmp_path: Path, edit: Callable[[bytes], bytes]) -> None:
    """Whatever somebody made of the file between two appends, the second one is sound."""
    path = tmp_path / "CHAT.md"
    file = MarkdownFile(path)
    for text in ("a", "bb", "ccc"):
        file.append(Record("user", text=text))
    path.write_bytes(edit(path.read_bytes()))
    before = _texts(MarkdownFile(path))
    file.append(Record("user", text="next"))
    assert [*before, "next"] == _texts(file)


@pytest.mark.parametrize("room", range(0, 200, 7))
def test_a_full_disk(tmp_path: Path, room: int) -> None:
    """A write that fails in the middle is an error, and the file is as it was, ready for the next."""
    path = tmp_path / "CHAT.md"
    MarkdownFile(path).append(RECORDS[2])
    before = path.read_bytes()
    left = room

    def write(descriptor: int, data: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written = os.write(descriptor, data[:left])
        left -= written
        return written

    file = MarkdownFile(path, write=write)
    with pytest.raises(
        HistoryFileError, match=r"CHAT\.md cannot be written: No space left on device"
    ) as caught:
        file.append(Record("user", text="x" * 200))
    assert errno.ENOSPC == caught.value.errno
    assert before == path.read_bytes()
    left = 10_000
    file.append(RECORDS[3])
    assert (RECORDS[2], RECORDS[3]) == file.load()


def test_a_message_counts_when_the_disk_has_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the disk refuses only when it is asked to keep it is an error too, and the file is as it was."""
    path = tmp_path / "CHAT.md"
    file = MarkdownFile(path)
    file.append(RECORDS[2])
    before = path.read_bytes()

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", refuse)
        with pytest.raises(HistoryFileError, match="Disk quota exceeded"):
            file.append(RECORDS[3])
    assert before == path.read_bytes()
    file.append(RECORDS[3])
    assert (RECORDS[2], RECORDS[3]) == file.load()


@pytest.mark.gate("starts programs")
def test_a_limit_of_the_system(tmp_path: Path) -> None:
    """The same with a real limit on the size of files, in a process of its own."""
    path = tmp_path / "CHAT.md"
    script = f"import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (1_000, 1_000))\n{_WRITER}"
    # Without byte code: what it writes of that would be cut, too, and be read by others.
    arguments = [sys.executable, "-B", "-c", script, str(path), "limited", "100", "1000000"]
    ended = subprocess.run(  # noqa: S603 (our own interpreter)
        arguments, input="\n", capture_output=True, text=True, check=False
    )
    done = ended.stdout.split()
    assert 1 == ended.returncode
    assert "HistoryFileError: the history file" in ended.stderr
    assert "File too large" in ended.stderr
    file = MarkdownFile(path)
    assert len(done) == len(file.load()) > 1
    file.append(RECORDS[2])
    assert len(done) + 1 == len(file.load())


_SLOW_WRITER = """
import os, sys
from pathlib import Path
from miniagents.ext._history import MarkdownFile
from miniagents.runs import Record
def write(fd, data):
    half = os.write(fd, data[:len(data) // 2])
    print("half", flush=True)
    sys.stdin.readline()
    return half + os.write(fd, data[half:])
MarkdownFile(Path(sys.argv[1]), write=write).append(Record("user", text="theirs " * 20))
print("done", flush=True)
"""


@pytest.mark.gate("starts programs")
def test_nobody_writes_into_the_message_of_another_process(tmp_path: Path) -> None:
    """While one process is in the middle of a message, others that append or load wait for its end."""
    path = tmp_path / "CHAT.md"
    mine = Record("user", text="mine")
    arguments = [sys.executable, "-c", _SLOW_WRITER, str(path)]
    with open_program(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        assert "half\n" == writer.stdout.readline()
        half = path.read_bytes()
        hurried = MarkdownFile(path, lock_timeout=0.05)
        with pytest.raises(HistoryFileError, match="another writer kept its lock"):
            hurried.append(mine)
        with pytest.raises(HistoryFileError, match="another writer kept its lock"):
            hurried.load()
        assert half == path.read_bytes()
        patient = threading.Thread(target=MarkdownFile(path).append, args=(mine,))
        patient.start()
        _start(writer)
        assert "done\n" == writer.stdout.readline()
        patient.join()
    assert ["theirs " * 20, "mine"] == _texts(hurried)


@pytest.mark.gate("processes of their own")
def test_two_processes(tmp_path: Path) -> None:
    """Two processes that append at once lose nothing, and each keeps its order."""
    path = tmp_path / "CHAT.md"
    count = 40
    # In small pieces: only the lock keeps one out of the messages of the other.
    writers = [_writer(path, "left", count, 11), _writer(path, "right", count, 13)]
    for writer in writers:
        _start(writer)
    for writer in writers:
        assert count == len(writer.communicate()[0].split())
        assert 0 == writer.returncode
    texts = _texts(MarkdownFile(path))
    assert 2 * count == len(texts)
    for name in ("left", "right"):
        mine = [int(text.split()[3]) for text in texts if f"\n{name} " in text]
        assert list(range(count)) == mine


def test_threads(tmp_path: Path) -> None:
    """Threads that share one object, or have their own, lose nothing either."""
    path = tmp_path / "CHAT.md"
    shared = MarkdownFile(path)
    files = [shared, shared, MarkdownFile(path)]

    def work(name: int) -> None:
        for number in range(10):
            files[name].append(Record("user", text=f"{name} {number}"))

    threads = [threading.Thread(target=work, args=(name,)) for name in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {f"{name} {number}" for name in range(3) for number in range(10)} == set(_texts(shared))


@pytest.mark.gate("kills processes")
@pytest.mark.logs("not written to its end")
@pytest.mark.parametrize(
    "tear", [120, *(pytest.param(tear, marks=pytest.mark.gate("kills processes")) for tear in (1, 199))]
)
def test_kill_9(tmp_path: Path, tear: int) -> None:
    """Processes killed in the middle of writing a message lose that one only, and spoil nothing."""
    path = tmp_path / "CHAT.md"
    arguments = [sys.executable, "-c", _TORN_WRITER, str(path), str(tear)]
    for round_ in range(2):
        with open_program(*arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as writer:
            assert writer.stdout is not None
            assert "torn\n" == writer.stdout.readline()
            writer.kill()
        assert -signal.SIGKILL == writer.returncode
        assert path.read_bytes().endswith(b" -->\n\n") is False
        assert ["whole"] * (round_ + 1) == _texts(MarkdownFile(path))


@pytest.mark.gate("kills processes in a loop of appends")
def test_kill_9_at_any_moment(tmp_path: Path) -> None:
    """A process killed in a loop of appends has lost nothing that it said was there."""
    path = tmp_path / "CHAT.md"
    for name in ("first", "second"):
        known = len(MarkdownFile(path).load())
        writer = _writer(path, name, 10_000, 3)
        _start(writer)
        assert writer.stdout is not None
        assert "0\n" == writer.stdout.readline()
        writer.kill()
        # `communicate` alone would miss what was read with the first line.
        done = 1 + len(writer.stdout.read().split())
        writer.communicate()
        texts = [text for text in _texts(MarkdownFile(path)) if f"\n{name} " in text]
        assert list(range(len(texts))) == [int(text.split()[3]) for text in texts]
        assert len(texts) in {done, done + 1}
        assert known + len(texts) == len(MarkdownFile(path).load())


def test_damage_is_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What is not as it was written is told with its line; damage already sealed only in detail."""
    path = tmp_path / "CHAT.md"
    file = MarkdownFile(path)
    file.append(Record("user", text="one"))
    file.append(Record("user", text="two"))
    path.write_bytes(path.read_bytes().replace(b"one", b"1")[:-45])
    with caplog.at_level(logging.WARNING):
        file.load()
        file.append(Record("user", text="three"))
        file.load()
    messages = [record.getMessage() for record in caplog.records]
    assert ["edited", "not written to its end", "edited"] == [
        next(word for word in ("edited", "not written to its end") if word in message) for message in messages
    ]
    assert messages[0].startswith(f"{path}:1: ")
    assert messages[1].startswith(f"{path}:8: ")


def test_what_is_no_history_file(tmp_path: Path) -> None:
    """A folder, a pipe, UTF-16 and a missing folder are refused with a sentence; `check` finds out before."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    wide = tmp_path / "wide.md"
    wide.write_text("user\n====\n", encoding="utf-16")
    record = RECORDS[2]
    for path, sentence in (
        (tmp_path, "cannot be written: Is a directory"),
        (pipe, "not a regular file"),
        (tmp_path / "missing" / "CHAT.md", "cannot be written: No such file or directory"),
        (wide, "UTF-16"),
    ):
        with pytest.raises(HistoryFileError, match=sentence):
            MarkdownFile(path).append(record)
        if path != wide:
            with pytest.raises(HistoryFileError, match=sentence):
                MarkdownFile(path).check()
    for path, sentence in ((tmp_path, "not a regular file"), (pipe, "not a regular file"), (wide, "UTF-16")):
        with pytest.raises(HistoryFileError, match=sentence):
            MarkdownFile(path).load()


def test_a_new_file_in_a_folder_that_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no file can be made, `check` says that it may not be, and not that there is none."""

    def refuses(*_: object) -> bool:  # as root, every folder can be written
        return False

    monkeypatch.setattr(os, "access", refuses)
    with pytest.raises(HistoryFileError, match=r"CHAT\.md cannot be written: Permission denied"):
        MarkdownFile(tmp_path / "CHAT.md").check()


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    """A path that will do is not made by asking."""
    path = tmp_path / "CHAT.md"
    MarkdownFile(path).check()
    assert not path.exists()
    path.write_text("")
    MarkdownFile(path).check()


def test_waiting_has_an_end(tmp_path: Path) -> None:
    """A writer that never gives the lock back makes an error, not a hang."""
    path = tmp_path / "CHAT.md"
    MarkdownFile(path).append(RECORDS[2])
    file = MarkdownFile(path, lock_timeout=0.01)
    descriptor = os.open(path, os.O_RDWR)
    try:
        with file_lock(descriptor, exclusive=True, timeout=0):
            for call in (partial(file.append, RECORDS[2]), file.load):
                with pytest.raises(
                    HistoryFileError, match=r"another writer kept its lock for over 0\.01 seconds"
                ):
                    call()
    finally:
        os.close(descriptor)


def test_a_file_put_in_the_place_of_the_other(tmp_path: Path) -> None:
    """An editor that saves by renaming does not make a waiting append go to the old file."""
    path, other = tmp_path / "CHAT.md", tmp_path / "other.md"
    MarkdownFile(path).append(Record("user", text="old"))
    MarkdownFile(other).append(Record("user", text="new"))
    descriptor = os.open(path, os.O_RDWR)
    opened = threading.Event()

    class Waiting(MarkdownFile):
        @override
        def _is_still(self, fd: int) -> bool:
            opened.set()
            return super()._is_still(fd)

    with file_lock(descriptor, exclusive=True, timeout=0):
        thread = threading.Thread(target=lambda: Waiting(path).append(Record("user", text="next")))
        thread.start()
        other.replace(path)
    os.close(descriptor)
    thread.join()
    assert opened.is_set()
    assert ["new", "next"] == _texts(MarkdownFile(path))
