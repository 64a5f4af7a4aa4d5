"""Programs that are forked (`tests/support/forked.py`) run as those that Python starts anew."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.forked import Options, open_program, run_program, start_program

pytestmark = pytest.mark.gate("starts programs")

ROOT = Path(__file__).parents[1]
PIPES = Options(stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

FACTS = """
import os, signal, sys
print(sys.argv, sys.orig_argv, sys.path, sep="\\n")
print(sys.flags, sys.warnoptions, sep="\\n")
print(__name__, globals().get("__file__"), sys.modules["__main__"].__dict__ is globals())
for each in (sys.stdin, sys.stdout, sys.stderr):
    print(each, each.errors, each.line_buffering, each.write_through, each.fileno(), type(each.buffer))
for each in signal.valid_signals():
    print(each, signal.getsignal(each))
print(os.getcwd(), sorted(os.environ.items()), os.listdir("/dev/fd"), sep="\\n")
print(sys.stdin.readline(), sys.stdin.read())
"""


@pytest.mark.parametrize("form", ["-c", "-m", "file"])
@pytest.mark.parametrize("options", [(), ("-X", "dev", "-W", "error"), ("-u", "-Wdefault")])
def test_what_a_program_finds(form: str, options: tuple[str, ...], tmp_path: Path) -> None:
    """A program that is forked finds what it finds when it starts anew."""
    (tmp_path / "facts.py").write_text(FACTS)
    words = {"-c": ("-c", FACTS), "-m": ("-m", "facts"), "file": (str(tmp_path / "facts.py"),)}[form]
    environ = {"PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8", "HOME": "here"}
    found: list[list[str]] = []
    for anew in (True, False):
        how: Options = {**PIPES, "cwd": tmp_path, "env": environ, "anew": anew}
        with open_program(sys.executable, *options, *words, "-m", "a b", **how) as process:
            out, err = process.communicate("one\ntwo\n")
        found.append([*out.splitlines(), *err.splitlines(), str(process.returncode)])
    assert ["one", " two", "", "0"] == found[0][-4:]
    assert found[0] == found[1]


@pytest.mark.parametrize(
    "program",
    [
        "def f():\n    1 / 0\nf()",
        "1 +",
        "import sys; sys.exit(3)",
        "import sys; sys.exit('a text')",
        "import os; os._exit(7)",
        "import os; os.kill(os.getpid(), 9)",
        "import signal; signal.raise_signal(2)",
        "import socket; never_closed = socket.socket()",
        "import atexit; atexit.register(print, 'last'); print('first')",
        "import threading; threading.Timer(0.1, print, ['last']).start(); print('first')",
    ],
)
def test_how_a_program_ends(program: str, tmp_path: Path) -> None:
    """It ends as one that starts anew: with its code or signal, its traceback, and what it has left open."""
    command = (sys.executable, "-X", "dev", "-c", program)
    anew, forked = (run_program(*command, cwd=tmp_path, anew=each) for each in (True, False))
    assert (anew.stdout, anew.stderr, anew.returncode) == (forked.stdout, forked.stderr, forked.returncode)


def test_ignored_signals() -> None:
    """It ignores the signals that the process ignores which starts it, as they are then, and no others."""
    program = "import signal\nfor each in signal.valid_signals(): print(each, signal.getsignal(each))"
    env = {**os.environ, "PYTHONHASHSEED": "7"}  # no other test has it: what forks starts here, ignoring them
    found: list[list[str]] = []
    for handler in (signal.SIG_IGN, signal.SIG_DFL):
        before = {number: signal.signal(number, handler) for number in (signal.SIGHUP, signal.SIGUSR1)}
        try:
            command = (sys.executable, "-c", program)
            found.append([run_program(*command, env=env, anew=anew).stdout for anew in (True, False)])
        finally:
            for number, was in before.items():
                signal.signal(number, was)
    assert [found[0][0], found[1][0]] == [found[0][1], found[1][1]]
    assert found[0] != found[1]


async def test_a_process_of_a_loop() -> None:
    """In an event loop it is a process as any other: it is written to, signalled, killed and waited for."""
    program = "import sys\nfor line in sys.stdin: print(line.upper(), end='', flush=True)"
    process = await start_program(sys.executable, "-c", program, **PIPES)
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"one\n")
    assert b"ONE\n" == await process.stdout.readline()
    assert process.returncode is None
    process.send_signal(signal.SIGINT)
    out, err = await process.communicate(b"")
    assert (b"", b"KeyboardInterrupt") == (out, err.split()[-1])
    assert -signal.SIGINT == await process.wait()
    process = await start_program(sys.executable, "-c", program, stdin=asyncio.subprocess.PIPE)
    process.kill()
    assert -signal.SIGKILL == await process.wait()


def test_files() -> None:
    """It has the files that it is given, with their numbers, whatever has these numbers elsewhere."""
    program = "import os, sys\nfor each in sys.argv[1:]: os.write(int(each), b'x')"
    run_program(sys.executable, "-c", program)  # so that what forks it is there, and has files of its own
    reading, writing = os.pipe()
    files = [os.dup(writing) for _ in range(30)]
    with open_program(sys.executable, "-c", program, *map(str, files), pass_fds=files) as process:
        process.wait()
    for file in (*files, writing):
        os.close(file)
    with os.fdopen(reading, "rb") as read:
        assert b"x" * 30 == read.read()


def test_a_session() -> None:
    """It has a session of its own if it is to have one."""
    command = (sys.executable, "-c", "import os; print(os.getsid(0))")
    for own in (True, False):
        with open_program(*command, stdout=subprocess.PIPE, start_new_session=own) as process:
            out, _ = process.communicate()
        assert own == (process.pid == int(out))


@pytest.mark.skipif(sys.platform != "linux", reason="programs are forked on Linux")
def test_what_is_imported() -> None:
    """What a program imports at its beginning, and what its test names, is imported before it begins."""
    program = "import sys\nbefore = {*sys.modules}\nimport difflib\nprint({'difflib', 'colorsys'} <= before)"
    for anew in (False, True):
        done = run_program(sys.executable, "-c", program, imported=["colorsys"], anew=anew)
        assert f"{not anew}\n" == done.stdout


@pytest.mark.parametrize("ends", ["1 / 0", "os.kill(os.getpid(), 9)"])
def test_nothing_is_left(ends: str) -> None:
    """The process that forks programs ends with the one that starts them, however that ends."""
    program = f"""
        import os, sys
        from tests.support.forked import run_program
        run_program(sys.executable, "-c", "pass")
        {ends}
    """
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = run_program(sys.executable, "-c", dedent(program), env=environ, anew=True)
    # Its pipes have ended, which the other process has, too.
    assert 0 != done.returncode
