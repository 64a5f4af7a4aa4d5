"""Each check of `tests/conftest.py` goes red when it should: a check that cannot fail is a defect.

The `conftest.py` of the project is tried last.
"""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from textwrap import dedent

import pytest

from tests.support.eager import SUPPORTED
from tests.support.forked import run_program

ROOT = Path(__file__).parents[1]

needs_uvloop = pytest.mark.skipif(find_spec("uvloop") is None, reason="uvloop is not there for this platform")
needs_eager_tasks = pytest.mark.skipif(not SUPPORTED, reason="eager tasks came with Python 3.12")

LEAVERS = """
import asyncio
import contextvars
import socket
import threading
import time
import warnings

import pytest
from hypothesis import given, strategies as st

KEPT = []
STOP = threading.Event()
LEVEL = contextvars.ContextVar("LEVEL", default=0)


async def endless():
    await asyncio.Event().wait()


async def numbers():
    for number in range(3):
        yield number
        await asyncio.sleep(0)


async def test_task():
    KEPT.append(asyncio.create_task(endless()))


@pytest.mark.asyncio(loop_scope="session")
async def test_task_on_a_shared_loop():
    KEPT.append(asyncio.create_task(endless()))


async def test_generator():
    KEPT.append(numbers())
    await anext(KEPT[-1])


async def test_task_exception():
    async def fail():
        raise ValueError("nobody looks")
    task = asyncio.create_task(fail())
    await asyncio.wait([task])


def test_socket():
    KEPT.append(socket.socket())


async def test_socket_in_garbage():
    one = socket.socket()
    cycle = [one]
    cycle.append(cycle)


async def test_server():
    KEPT.append(await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0))


def test_loop():
    KEPT.append(asyncio.new_event_loop())


def test_thread():
    threading.Thread(target=STOP.wait, args=(60,), daemon=True, name="left-thread").start()


def test_context():
    LEVEL.set(1)


def test_warning():
    warnings.warn("an old way", DeprecationWarning)


async def test_warning_in_a_callback():
    asyncio.get_running_loop().call_soon(warnings.warn, "an old way")
    await asyncio.sleep(0)


def test_unraisable():
    class Closing:
        def __del__(self):
            raise ValueError("nobody can catch this")
    Closing()


def test_unraisable_in_a_cycle():
    class Closing:
        def __del__(self):
            raise ValueError("nobody can catch this")
    closing = Closing()
    closing.itself = closing


def test_coroutine():
    endless()


async def test_coroutine_in_async():
    asyncio.sleep(1)


def test_thread_exception():
    def fail():
        raise ValueError("nobody looks")
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()


@pytest.mark.loop(timeout=0.2)
async def test_hang():
    await endless()


@pytest.mark.loop(virtual=True)
async def test_hang_in_virtual_time():
    await endless()


@given(st.just(1))
async def test_task_in_an_example(number):
    KEPT.append(asyncio.create_task(endless()))
"""

RED = {
    "test_task": "task <Task pending name=",
    "test_task_on_a_shared_loop": "task <Task pending name=",
    "test_generator": "async generator <async_generator object numbers",
    "test_task_exception": "Task exception was never retrieved",
    "test_socket": "an open socket",
    "test_socket_in_garbage": "ResourceWarning: unclosed <socket",
    "test_server": "an open socket",
    "test_loop": "an open event loop",
    "test_thread": "a running thread: <Thread(left-thread",
    "test_context": "a changed context variable: <ContextVar name='LEVEL'",
    "test_warning": "DeprecationWarning: an old way",
    "test_warning_in_a_callback": "UserWarning: an old way",
    "test_unraisable": "ValueError: nobody can catch this",
    "test_unraisable_in_a_cycle": "ValueError: nobody can catch this",
    "test_coroutine": "coroutine 'endless' was never awaited",
    "test_coroutine_in_async": "coroutine 'sleep' was never awaited",
    "test_thread_exception": "PytestUnhandledThreadExceptionWarning",
    "test_hang": "the test took longer than 0.2 s",
    "test_hang_in_virtual_time": "StuckLoopError: Nothing can happen any more at 0 s of virtual time",
    "test_task_in_an_example": "task <Task pending name=",
}

CLEAN = """
import asyncio
import socket
import threading

import pytest
import pytest_asyncio
from hypothesis import given, strategies as st

LOOPS = []


@pytest.fixture
def one():
    with socket.socket() as open_socket:
        yield open_socket


@pytest.fixture(scope="module")
def server():
    with socket.socket() as open_socket:
        yield open_socket


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def kept():
    task = asyncio.create_task(asyncio.Event().wait())
    yield task
    task.cancel()


async def numbers():
    yield 1
    yield 2


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("number", [1, 2])
async def test_beside_a_task_of_a_fixture(kept, number):
    assert kept in asyncio.all_tasks()


async def test_async(one, server):
    assert not asyncio.get_running_loop().get_debug()
    LOOPS.append(asyncio.get_running_loop())


async def test_a_loop_of_its_own(tmp_path):
    assert asyncio.get_running_loop() is not LOOPS[0]
    assert tmp_path.exists()


@pytest.mark.parametrize("number", [1, 2])
@pytest.mark.loop(debug=True)
async def test_parameters(number):
    assert asyncio.get_running_loop().get_debug()


async def test_on_the_way_out():
    task = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    task.cancel()


async def test_break():
    async for number in numbers():
        break


async def test_executor():
    await asyncio.to_thread(threading.get_ident)


@pytest.mark.loop(virtual=True, timeout=1)
async def test_virtual_time():
    await asyncio.sleep(3600)
    assert 3600 == asyncio.get_running_loop().time()


OF_EXAMPLES = []


@given(st.integers())
async def test_examples(number):
    assert asyncio.get_running_loop() not in OF_EXAMPLES
    OF_EXAMPLES.append(asyncio.get_running_loop())
    await asyncio.sleep(0)


def test_after_the_examples():
    assert len(OF_EXAMPLES) > 5
    assert all(loop.is_closed() for loop in OF_EXAMPLES)


@pytest.mark.loop(virtual=True, debug=True)
@given(st.integers())
async def test_virtual_examples(number):
    await asyncio.sleep(60)
    assert (60, True) == (asyncio.get_running_loop().time(), asyncio.get_running_loop().get_debug())


def test_sync(server):
    assert LOOPS
"""


KINDS = """
import asyncio

import pytest
from hypothesis import given, strategies as st

from miniagents import MiniAgents
from miniagents.testing import virtual_time

EXPECTED = {expected}


async def kind():
    begun = []

    async def begin():
        begun.append(True)

    task = asyncio.create_task(begin())
    eager = bool(begun)
    await task
    return type(asyncio.get_running_loop()).__module__.partition(".")[0], eager


async def test_async():
    assert EXPECTED == await kind()


@given(st.just(1))
async def test_examples(number):
    assert EXPECTED == await kind()


@pytest.mark.parametrize("run", [asyncio.run, MiniAgents().run])
def test_loops_of_its_own(run):
    assert EXPECTED == run(kind())


async def test_in_a_thread():
    assert EXPECTED == await asyncio.to_thread(lambda: asyncio.run(kind()))


def test_virtual_time_by_hand():
    with virtual_time():
        assert ("miniagents", EXPECTED[1]) == asyncio.run(kind())


@pytest.mark.loop(virtual=True)
async def test_virtual_time():
    assert ("miniagents", EXPECTED[1]) == await kind()


@pytest.mark.no_uvloop("it is about asyncio's own loop")
@pytest.mark.no_eager_tasks("it is about the order of tasks")
async def test_left_out():
    assert ("asyncio", False) == await kind()
"""


# What pytest and our conftest import, but for plugins and what has the name of one, such as asyncio.
IMPORTED = ("pytest", "hypothesis", "pydantic.fields")


def run(
    pytester: pytest.Pytester, tests: str, monkeypatch: pytest.MonkeyPatch, *options: str
) -> pytest.RunResult:
    """Run a file of tests under our conftest and our settings, in a process of its own."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for setting in ("PYTHONASYNCIODEBUG", "PYTHONDEVMODE", "PYTHONWARNINGS"):  # of tests.quiet
        monkeypatch.delenv(setting, raising=False)
    pytester.makeconftest((ROOT / "tests/conftest.py").read_text())
    pytester.makepyprojecttoml((ROOT / "pyproject.toml").read_text())
    file = pytester.path / "test_inner.py"
    file.write_text(dedent(tests))
    done = run_program(
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, str(file)),
        imported=IMPORTED,
        cwd=pytester.path,
    )
    sys.stdout.write(done.stdout + done.stderr)  # pytest shows it if the test fails
    return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), 0.0)


def sections(output: str) -> dict[str, str]:
    """Split a report into what it says of each test that failed, in its call or after it."""
    parts = re.split(r"^_{3,} (?:ERROR at \w+ of )?(test_\w+) _{3,}$", output, flags=re.MULTILINE)
    found: dict[str, str] = {}
    for name, text in zip(parts[1::2], parts[2::2], strict=True):
        found[name] = found.get(name, "") + text
    return found


@pytest.mark.gate("pytest in pytest, with waits")
def test_what_is_left_behind_is_red(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test that leaves something behind fails, under its own name, and the report says what it left."""
    result = run(pytester, LEAVERS, monkeypatch)
    reported = sections(result.stdout.str())
    assert set(RED) == set(reported)
    assert [] == [(name, reported[name]) for name, sentence in RED.items() if sentence not in reported[name]]
    assert "ResourceWarning: unclosed <socket" in result.stderr.str()  # and once more, of the interpreter


@pytest.mark.gate("pytest in pytest")
def test_what_is_clean_is_green(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests that clean up pass, with fixtures, parameters, markers, examples, executors, shared servers."""
    run(pytester, CLEAN, monkeypatch).assert_outcomes(passed=14)


@pytest.mark.parametrize(
    ("options", "expected", "left_out"),
    [
        ([], ("asyncio", False), {}),
        pytest.param(["--uvloop"], ("uvloop", False), {"skipped": 1, "deselected": 1}, marks=needs_uvloop),
        pytest.param(["--eager-tasks"], ("asyncio", True), {"skipped": 1}, marks=needs_eager_tasks),
    ],
)
@pytest.mark.gate("pytest in pytest")
def test_an_option_chooses_the_loops(
    options: list[str],
    expected: tuple[str, bool],
    left_out: dict[str, int],
    pytester: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Every loop of a test is of the kind that an option asks for; what is about another kind is left out."""
    result = run(pytester, KINDS.replace("{expected}", repr(expected)), monkeypatch, "-rs", *options)
    result.assert_outcomes(passed=8 - sum(left_out.values()), **left_out)
    if left_out:
        result.stdout.fnmatch_lines(["*not with --*: it is about *"])


@pytest.mark.gate("a pytest in a process of its own")
@pytest.mark.skipif(SUPPORTED, reason="this Python has eager tasks")
def test_eager_tasks_need_python_3_12(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python 3.11 refuses the option, with a sentence."""
    result = run(pytester, KINDS, monkeypatch, "--eager-tasks")
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["ERROR: --eager-tasks needs Python 3.12 or newer*"])


@pytest.mark.gate("pytest in pytest")
def test_a_marker_from_elsewhere_is_refused(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test of the gate says so in its own file: `-m gate` imports no other."""
    elsewhere = "import pytest\n@getattr(pytest.mark, 'gate')('slow')\ndef test_slow():\n    pass\n"
    result = run(pytester, elsewhere, monkeypatch)
    assert pytest.ExitCode.USAGE_ERROR == result.ret
    result.stderr.fnmatch_lines(["ERROR: *::test_slow has the marker gate from another file*"])


@pytest.mark.gate("pytest in pytest")
def test_failures_are_told_alone(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stuck synchronous code is stopped by an alarm; what a failed test left is not told on top."""
    failing = """
        import socket
        import time
        from tests.support import limits
        limits._ALARM_AFTER = 0.2
        import pytest

        @pytest.mark.loop(timeout=0)
        def test_stuck():
            while True:
                time.sleep(60)

        @pytest.mark.loop(timeout=0)
        def test_stuck_in_what_swallows_errors():
            try:
                while True:
                    time.sleep(60)
            except Exception:
                pass

        def test_next():
            assert True

        def test_fails():
            one = socket.socket()
            assert one is None
    """
    result = run(pytester, failing, monkeypatch)
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(["*TimeoutError: the test is stuck in synchronous code; see the traceback"])


@pytest.mark.gate("a pytest in a process of its own")
def test_what_nothing_else_stops_ends_the_process(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A test that no alarm reaches ends the process, with the stack of where it is stuck."""
    stuck = """
        import signal
        import time
        import pytest
        from tests.support import limits
        limits._EXIT_AFTER = limits._EXIT_WITHIN = 0.1

        @pytest.mark.loop(timeout=0)
        def test_stuck():
            signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
            while True:
                time.sleep(60)
    """
    result = run(pytester, stuck, monkeypatch)
    assert result.ret == 1
    result.stderr.fnmatch_lines(["Timeout (0:00:00.200000)!", "*in test_stuck"])


@pytest.mark.gate("a pytest in a process of its own")
def test_examples_of_a_single_module() -> None:
    """`pytest --doctest-modules FILE` imports the module once: `except` knows the classes of its examples."""
    file = "miniagents/values/_errors.py"
    words = [sys.executable, "-m", "pytest", "-n0", "-p", "no:cacheprovider", "--doctest-modules"]
    done = subprocess.run([*words, file], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    assert (0, "") == (done.returncode, done.stderr), done.stdout
