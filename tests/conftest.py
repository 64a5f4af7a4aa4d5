"""How the tests run, and what each of them is looked at for when it ends.

pytest-asyncio runs `async def` tests, each on a fresh event loop, and pytest-xdist uses all processors. What
they leave open is done here:

* under `@given` each example has a fresh loop of its own, not one for all examples;
* a task or an async generator that a coroutine leaves running is an error, not silently cancelled;
* `@pytest.mark.loop(...)` chooses the loop of a test: virtual time, debug mode, its time limit;
* `--loop-seed` shuffles the order of tasks, `PYTHONASYNCIODEBUG=1` has all loops in debug mode;
* `--uvloop` runs on uvloop what has no loop of a kind of its own, `--eager-tasks` starts tasks at once.

There is one async fixture, which keeps a browser for many tests; else use `async with` in the test.

In every test, no log and no error of a model may show the key or the prompt of the canary.

After every test, sync or async, these are errors: a pending task, an open async generator, an open socket, a
running thread, an open event loop, a changed context variable, a warning, an exception that could not be
raised, a coroutine that was never awaited, an ERROR record of asyncio ("Task exception was never retrieved").

Each rule is proven able to fail in `tests/test_conftest.py`.
"""

import asyncio
import gc
import inspect
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache, partial, wraps
from importlib.util import find_spec
from pathlib import Path
from shutil import disk_usage
from typing import IO, TypeAlias, TypeVar
from unittest.mock import patch

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, settings
from typing_extensions import override

from tests.support.browser import one_browser
from tests.support.canaries import watched
from tests.support.eager import SUPPORTED, eager_tasks
from tests.support.leaks import Snapshot, leaks_since
from tests.support.limits import Limits
from tests.support.loops import TIME_LIMIT, run_async, without_leaks
from tests.support.shuffled import loops

T = TypeVar("T")

pytest_plugins = ["pytester"]

# The same examples on every machine: a red gate must be red again when somebody looks at it.
_CI = settings(derandomize=True, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("quick", _CI, max_examples=15)
settings.register_profile("ci", _CI, max_examples=50)  # what .ci/run has
settings.register_profile("nightly", _CI, derandomize=False, max_examples=5_000)
settings.register_profile("few", _CI, max_examples=5)  # where another dimension is looked at
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "quick")
settings.load_profile(_PROFILE)

# Where there is such a file system, what tests write waits for no disk. In a container it may be tiny.
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - pytest makes a folder of its own there
_ROOM = 1 << 30  # bytes; the tests of a run write a tenth of it

# Each client of a test reads the certificates that it trusts: this is one, those of a system are a hundred.
_CERTIFICATE = Path(__file__).parent / "support" / "localhost.pem"

_PATIENCE = 40 if _PROFILE == "nightly" else 1

_failed = pytest.StashKey[bool]()
_stderr = pytest.StashKey[IO[str]]()
_limits = pytest.StashKey[Limits]()
_loops = pytest.StashKey["_Loops"]()
_mode = pytest.StashKey[ExitStack]()

LoopFactory: TypeAlias = Callable[[], asyncio.AbstractEventLoop]


class _Records(logging.Handler):
    """Keeps the records of a logger."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)


class _Loops:
    """Makes the event loops of pytest-asyncio, which asks for its factory before it knows the test.

    Attributes:
        factory: makes the loop of the test that runs now; None for an ordinary one.
    """

    def __init__(self) -> None:
        self.factory: LoopFactory | None = None

    def __call__(self) -> asyncio.AbstractEventLoop:
        """Return a new loop for the test that runs now."""
        return asyncio.new_event_loop() if self.factory is None else self.factory()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options that choose the loops of all tests."""
    parser.addoption(
        "--loop-seed", help="shuffle the ready queue of every event loop (tests/support/shuffled.py)"
    )
    parser.addoption(
        "--uvloop",
        action="store_true",
        help="run on uvloop what is neither on virtual time, which is left out, nor shuffled",
    )
    parser.addoption(
        "--eager-tasks",
        action="store_true",
        help="have every event loop start its tasks at once, by asyncio.eager_task_factory (Python 3.12)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Read the environment, and keep the real stderr for the last words of a process that hangs."""
    # The programs that tests run, and the workers, start in half the time if byte code is kept.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False  # nor does this process explain the same assertions anew in each run
    if _IN_MEMORY.is_dir() and os.access(_IN_MEMORY, os.W_OK) and disk_usage(_IN_MEMORY).free > _ROOM:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(_IN_MEMORY))  # where pytest makes `tmp_path`
    if config.option.markexpr == "not gate":  # no test of these leaves the machine
        os.environ["SSL_CERT_FILE"] = str(_CERTIFICATE)
    if sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG"):
        config.option.asyncio_debug = True  # pytest-asyncio's own option: it does not read the environment
    # A shell that starts the tests in the background may have them, and all their children, ignore it.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Output is not captured yet here; later, descriptor 2 is a file of pytest's.
    config.stash[_stderr] = os.fdopen(os.dup(2), "w")
    config.stash[_limits] = Limits(config.stash[_stderr])
    config.stash[_loops] = _Loops()
    if config.getoption("--uvloop") and find_spec("uvloop") is None:
        raise pytest.UsageError(
            "--uvloop needs uvloop, which pip install -e '.[test]' installs where it can."
        )
    if config.getoption("--uvloop") and config.getoption("--eager-tasks"):
        raise pytest.UsageError("--uvloop and --eager-tasks are for two runs: choose one.")
    if config.getoption("--eager-tasks") and not SUPPORTED:
        raise pytest.UsageError("--eager-tasks needs Python 3.12 or newer; asyncio has none before.")
    config.stash[_mode] = ExitStack()
    if config.getoption("--eager-tasks"):
        config.stash[_mode].enter_context(eager_tasks())


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what `pytest_configure` opened."""
    if _mode in config.stash:  # not if an option was refused
        config.stash[_mode].close()
    config.stash[_limits].end()
    config.stash[_stderr].close()


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int | None:
    """Run some files or tests right here: for them, to start workers takes longer than to run them."""
    if config.option.collectonly or _named(config):
        return 0
    if sys.flags.dev_mode:  # there, time is watched
        return None  # xdist counts the processors
    # Those of the gate wait most of their time: for processes, servers, browsers.
    return (os.cpu_count() or 1) + (2 if config.option.markexpr == "gate" else 0)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Import all tests without the garbage collector: it would look at a million objects that stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """For `-m gate`, import only files that have its marker; every other run proves that none is missed."""
    if config.option.markexpr != "gate" or not collection_path.name.startswith("test_"):
        return None
    return not _names_the_gate(collection_path) or None


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(
    collector: pytest.Collector, name: str, obj: object
) -> list[pytest.Item] | None:
    """Do not make the items of the gate only to leave them out, a sixth of all, in each worker.

    Of files and tests that are named, pytest itself leaves them out, and says how many.
    """
    config = collector.config
    if config.option.markexpr != "not gate" or not name.startswith(("test", "Test")) or _named(config):
        return None
    own: list[pytest.Mark] = getattr(obj, "pytestmark", [])
    gate = collector.get_closest_marker("gate") or any(mark.name == "gate" for mark in own)
    return [] if gate and _names_the_gate(collector.path) else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is not about the loops that the options ask for; begin the gate with long ones."""
    for item in items:
        if item.get_closest_marker("gate") and not _names_the_gate(item.path):
            raise pytest.UsageError(
                f"{item.nodeid} has the marker gate from another file, where `pytest -m gate` does not look; "
                "write pytest.mark.gate(...) in its own."
            )
    if config.option.markexpr == "gate":
        items.sort(key=_limit, reverse=True)  # so that at the end no worker is left alone with a long one
    if config.getoption("--uvloop"):
        virtual = [item for item in items if _option(item, "virtual", default=False)]
        config.hook.pytest_deselected(items=virtual)
        items[:] = [item for item in items if not _option(item, "virtual", default=False)]
    for option, name in (("--uvloop", "no_uvloop"), ("--eager-tasks", "no_eager_tasks")):
        if config.getoption(option):
            for item in items:
                if marker := item.get_closest_marker(name):
                    item.add_marker(pytest.mark.skip(f"not with {option}: {marker.args[0]}"))


def pytest_asyncio_loop_factories(config: pytest.Config) -> Mapping[str, LoopFactory]:
    """Have pytest-asyncio take its loops from here."""
    return {"fresh": config.stash[_loops]}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Choose the loop of the test before pytest-asyncio makes it."""
    item.config.stash[_loops].factory = _factory(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Stop a test that hangs, and remember if it failed: then its frames keep alive what it made."""
    item.config.stash[_failed] = False
    try:
        with item.config.stash[_limits].within(_limit(item)), _new_loops(_ordinary(item)):
            if isinstance(item, pytest.Function) and inspect.iscoroutinefunction(item.obj):
                item.obj = _without_leaks(item.obj, item)
            return (yield)
    except BaseException:
        item.config.stash[_failed] = True
        raise


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Give each example of a property a loop of its own; pytest-asyncio has one for all of them."""
    inner: object = getattr(getattr(pyfuncitem.obj, "hypothesis", None), "inner_test", None)
    coroutine = inspect.unwrap(inner, stop=inspect.iscoroutinefunction) if callable(inner) else None
    if coroutine is None or not inspect.iscoroutinefunction(coroutine):
        return (yield)
    with patch.object(pyfuncitem.obj.hypothesis, "inner_test", _on_fresh_loops(coroutine, pyfuncitem)):
        return (yield)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def the_browser() -> AsyncGenerator[None]:
    """Keep a browser for tests that have the marks `ONE_BROWSER`."""
    async with one_browser():
        yield


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Generator[list[str]]:
    """Fail a test that passed but left something behind, or in which the key or the prompt was shown.

    It is the first fixture set up and the last torn down. It is one for both, since each costs every test.
    """
    handler = _Records(logging.ERROR)
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    before = Snapshot()
    with watched() as shown:
        yield shown
    leaks = leaks_since(before)
    logger.removeHandler(handler)
    leaks += [
        f"an error in asyncio's log: {logging.Formatter().format(record)}" for record in handler.records
    ]
    if shown:
        pytest.fail("a secret was shown: " + "; ".join(shown), pytrace=False)
    if leaks and not request.config.stash.get(_failed, default=False):
        pytest.fail("the test left behind: " + "; ".join(leaks), pytrace=False)


@pytest.fixture
def nothing_shown(nothing_left: list[str]) -> list[str]:
    """Return what logs and errors of models have shown of the canary up to now; the test may clear it."""
    return nothing_left


def _named(config: pytest.Config) -> bool:
    return all("::" in each or each.endswith(".py") for each in config.args)


@cache
def _names_the_gate(path: Path) -> bool:
    return "mark.gate" in path.read_text(encoding="utf-8")


@contextmanager
def _new_loops(factory: LoopFactory | None) -> Generator[None]:
    """Have the loops that the test makes by itself made by `factory`, too."""
    if factory is None:
        yield
        return
    policy = asyncio.get_event_loop_policy()  # pyright: ignore[reportDeprecated]  # the gate has 3.11 to 3.13
    with patch.object(policy, "new_event_loop", factory):
        yield


def _limit(item: pytest.Item) -> float:
    return float(_option(item, "timeout", TIME_LIMIT)) * _PATIENCE


def _timeout(item: pytest.Item) -> float | None:
    # No limit in virtual time: the clock would jump to it. The alarm of the real clock stays.
    return None if _option(item, "virtual", default=False) else _limit(item)


def _debug(item: pytest.Item) -> bool:
    marked: bool | None = _option(item, "debug", None)
    return bool(item.config.getoption("asyncio_debug")) if marked is None else marked


def _factory(item: pytest.Item) -> LoopFactory | None:
    """Return what makes the loop of an async test."""
    virtual = _option(item, "virtual", default=False)
    return loops(_seed(item), virtual=True) if virtual else _ordinary(item)


def _ordinary(item: pytest.Item) -> LoopFactory | None:
    """Return what makes the loops that a test makes by itself."""
    factory = loops(_seed(item))
    if factory is None and item.config.getoption("--uvloop"):
        from uvloop import new_event_loop  # noqa: PLC0415 - not every platform has it

        return new_event_loop
    return factory


def _option(item: pytest.Item, name: str, default: T) -> T:
    marker = item.get_closest_marker("loop")
    return marker.kwargs.get(name, default) if marker else default


def _seed(item: pytest.Item) -> str | None:
    seed = item.config.getoption("--loop-seed")
    if seed is None or _option(item, "fifo", default=False):
        return None
    return f"{seed} {item.name}"  # so that a test alone has the order that it had among others


def _without_leaks(
    test: Callable[..., Coroutine[object, object, object]], item: pytest.Item
) -> Callable[..., Coroutine[object, object, object]]:
    """Have a coroutine fail for what it leaves running: pytest-asyncio would only cancel that."""

    @wraps(test)
    async def checked(*args: object, **kwargs: object) -> None:
        loop = asyncio.get_running_loop()
        if loop.get_debug() != _debug(item):
            loop.set_debug(_debug(item))
            await asyncio.sleep(0)  # the loop still watches this step as it did
        await without_leaks(partial(test, *args, **kwargs), _timeout(item))

    return checked


def _on_fresh_loops(
    test: Callable[..., Coroutine[object, object, object]], item: pytest.Item
) -> Callable[..., object]:
    @wraps(test)
    def call(*args: object, **kwargs: object) -> None:
        run_async(
            partial(test, *args, **kwargs),
            timeout=_timeout(item),
            debug=_debug(item),
            loop_factory=_factory(item),
        )

    return call
