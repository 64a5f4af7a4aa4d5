"""Runs `async def` tests, and looks after every test for what it left behind.

An `async def test_...` runs on a fresh event loop in debug mode; so does the coroutine under a `@given`, once
for each example. There are no async fixtures: use `async with` in the test. The loop has virtual time with
`@pytest.mark.loop(virtual=True)`.

In every test, no log and no error of a model may show the key or the prompt of the canary.

After every test, sync or async, these are errors: a pending task, an open async generator, an open socket, a
running thread, an open event loop, a changed context variable, a warning, an exception that could not be
raised, a coroutine that nobody awaited, an ERROR record of asyncio ("Task exception was never retrieved").

Each rule is proven able to fail in `tests/test_conftest.py`.
"""

import asyncio
import inspect
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Generator
from contextlib import contextmanager
from functools import partial, wraps
from typing import IO, TypeVar
from unittest.mock import patch

import pytest
from hypothesis import HealthCheck, settings
from typing_extensions import override

from tests.support.beside import Beside, jobs_of
from tests.support.canaries import watched
from tests.support.leaks import Snapshot, leaks_since
from tests.support.limits import Limits
from tests.support.loops import TIME_LIMIT, run_async
from tests.support.shuffled import loops

T = TypeVar("T")

pytest_plugins = ["pytester"]

# The same examples on every machine: a red gate must be red again for whoever looks at it.
_CI = settings(derandomize=True, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", _CI)
settings.register_profile("nightly", _CI, derandomize=False, max_examples=5_000)
settings.register_profile("few", _CI, max_examples=5)  # where another dimension is looked at
_PROFILE = os.environ.get("HYPOTHESIS_PROFILE", "ci")
settings.load_profile(_PROFILE)

_PATIENCE = 40 if _PROFILE == "nightly" else 1

_failed = pytest.StashKey[bool]()
_stderr = pytest.StashKey[IO[str]]()
_beside = pytest.StashKey[Beside]()
_limits = pytest.StashKey[Limits]()


class _Records(logging.Handler):
    """Keeps the records of a logger."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.records: list[logging.LogRecord] = []

    @override
    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that shuffles the loops."""
    parser.addoption(
        "--loop-seed", help="shuffle the ready queue of every event loop (tests/support/shuffled.py)"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Name the marker, and keep the real stderr for the last words of a process that hangs."""
    config.addinivalue_line(
        "markers",
        "loop(timeout=30.0, debug=True, virtual=False, fifo=False): how this test's event loop runs; "
        "timeout: seconds; virtual: time jumps to the next timer; fifo: --loop-seed does not shuffle it",
    )
    config.addinivalue_line(
        "markers", "beside(*jobs): programs that this test waits for (tests/support/beside.py)"
    )
    config.addinivalue_line(
        "markers", "logs(*parts): the test is about warnings of logs with one of these in them (tests/quiet)"
    )
    # Whoever starts the tests in the background may have had them ignore it, and so every program they start.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    # Output is not captured yet here; later, descriptor 2 is a file of pytest's.
    config.stash[_stderr] = os.fdopen(os.dup(2), "w")
    config.stash[_limits] = Limits(config.stash[_stderr])


def pytest_unconfigure(config: pytest.Config) -> None:
    """Close what `pytest_configure` opened."""
    config.stash[_limits].end()
    config.stash[_stderr].close()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin what runs beside the tests that were chosen."""
    if (jobs := jobs_of(session.items)) and not session.config.option.collectonly:
        session.config.stash[_beside] = Beside(jobs)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Stop what nobody has waited for."""
    if _beside in session.config.stash:
        session.config.stash[_beside].stop()


@pytest.fixture(scope="session")
def beside(request: pytest.FixtureRequest) -> Beside:
    """What runs beside the tests."""
    return request.config.stash[_beside]


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run an `async def` test on a loop of its own; leave all others to pytest."""
    run = _runner(pyfuncitem)
    inner: object = getattr(getattr(pyfuncitem.obj, "hypothesis", None), "inner_test", None)
    if inspect.iscoroutinefunction(inner):
        pyfuncitem.obj.hypothesis.inner_test = _synchronous(inner, run)
        return None
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in inspect.signature(pyfuncitem.obj).parameters}
    run(partial(pyfuncitem.obj, **arguments))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Stop a test that hangs, and remember if it failed: then its frames keep alive what it made."""
    item.config.stash[_failed] = False
    try:
        with item.config.stash[_limits].within(_limit(item)), _new_loops(loops(_seed(item))):
            return (yield)
    except BaseException:
        item.config.stash[_failed] = True
        raise


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Generator[None]:
    """Fail a test that passed but left something behind; the first fixture set up, the last torn down."""
    handler = _Records(logging.ERROR)
    logger = logging.getLogger("asyncio")
    logger.addHandler(handler)
    before = Snapshot()
    yield
    leaks = leaks_since(before)
    logger.removeHandler(handler)
    leaks += [
        f"an error in asyncio's log: {logging.Formatter().format(record)}" for record in handler.records
    ]
    if leaks and not request.config.stash.get(_failed, default=False):
        pytest.fail("the test left behind: " + "; ".join(leaks), pytrace=False)


@pytest.fixture(autouse=True)
def nothing_shown() -> Generator[list[str]]:
    """Fail a test in which a log or an error of a model shows the key or the prompt of the canary."""
    with watched() as shown:
        yield shown
    if shown:
        pytest.fail("a secret was shown: " + "; ".join(shown), pytrace=False)


@contextmanager
def _new_loops(factory: Callable[[], asyncio.AbstractEventLoop] | None) -> Generator[None]:
    """Have the loops that the test makes by itself made by `factory`, too."""
    if factory is None:
        yield
        return
    policy = asyncio.get_event_loop_policy()  # pyright: ignore[reportDeprecated]  # the gate has 3.11 to 3.13
    with patch.object(policy, "new_event_loop", factory):
        yield


def _limit(item: pytest.Item) -> float:
    return float(_option(item, "timeout", TIME_LIMIT)) * _PATIENCE


def _option(item: pytest.Item, name: str, default: T) -> T:
    marker = item.get_closest_marker("loop")
    return marker.kwargs.get(name, default) if marker else default


def _runner(item: pytest.Item) -> Callable[[Callable[[], Coroutine[object, object, object]]], object]:
    virtual = _option(item, "virtual", default=False)
    return partial(
        run_async,
        # No limit in virtual time: the clock would jump to it. The alarm of the real clock stays.
        timeout=None if virtual else _limit(item),
        debug=_option(item, "debug", default=True),
        loop_factory=loops(_seed(item), virtual=virtual),
    )


def _seed(item: pytest.Item) -> str | None:
    seed = item.config.getoption("--loop-seed")
    if seed is None or _option(item, "fifo", default=False):
        return None
    return f"{seed} {item.name}"  # so that a test alone has the order that it had among others


def _synchronous(
    test: Callable[..., Coroutine[object, object, object]],
    run: Callable[[Callable[[], Coroutine[object, object, object]]], object],
) -> Callable[..., object]:
    @wraps(test)
    def call(*args: object, **kwargs: object) -> None:
        run(partial(test, *args, **kwargs))

    return call
