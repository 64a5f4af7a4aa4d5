"""The plugin that pytest loads by itself: fixtures and marks for tests of agents; see docs/testing.md.

It does nothing in tests that do not use its fixtures and marks, and imports no layer before one does:
`miniagents` imports its names when they are used.
"""

import asyncio
import functools
import hashlib
import inspect
import re
from collections.abc import Callable, Coroutine, Generator
from contextlib import ExitStack
from importlib import import_module
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast

import pytest

import miniagents

if TYPE_CHECKING:
    from miniagents.ext.timeline import Timeline

AsyncTest: TypeAlias = Callable[..., Coroutine[object, object, object]]


_LONGEST_NAME: Final = 220  # characters; file systems allow 255 bytes, with the ending
_picture: Final = pytest.StashKey["Timeline"]()
_checks: Final = pytest.StashKey[list[Callable[[], None]]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options for cassettes and timelines."""
    parser.getgroup("miniagents").addoption(
        "--cassettes",
        choices=("replay", "record", "rewrite"),
        default="replay",
        help="replay: replay the recorded calls, and call no model (default); record: make and record the "
        "calls that are not recorded; rewrite: make and record all calls",
    )
    parser.getgroup("miniagents").addoption(
        "--timelines",
        metavar="FOLDER",
        help="save a page with the picture of each failing test with the fixture run_timeline in this folder "
        "(default: none is saved)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Describe the marks."""
    config.addinivalue_line(
        "markers",
        "virtual_time(io_patience=0.05): the event loop of the test has virtual time, so that waiting takes "
        "no time",
    )
    config.addinivalue_line(
        "markers",
        "cassette(file): record and replay the calls of the models that are given to the fixture `cassette`; "
        "file: relative to the test, by default cassettes/<module>/<test>.jsonl",
    )


@pytest.fixture(autouse=True)
def _miniagents_virtual_time(request: pytest.FixtureRequest) -> Generator[None]:  # pyright: ignore[reportUnusedFunction]  # by pytest
    """Give a marked test virtual time, before its event loop is made.

    Its scope is the function: a loop of a wider scope is made earlier, and keeps real time.
    """
    node: pytest.Item = request.node
    mark = node.get_closest_marker("virtual_time")
    entered = ExitStack()
    if mark is not None:
        entered.enter_context(miniagents.testing.virtual_time(**mark.kwargs))
    yield
    entered.close()


@pytest.fixture
def marbles(request: pytest.FixtureRequest) -> "miniagents.testing.Marbles":
    """Marble diagrams, for a test with `@pytest.mark.virtual_time`; all of them must be compared."""
    made = miniagents.testing.Marbles()
    _at_the_end(request, made.close)
    return made


@pytest.fixture
def scripted_model(request: pytest.FixtureRequest) -> "miniagents.testing.ScriptedModels":
    """Makes scripted models; the test fails if an answer was not used."""
    made = miniagents.testing.ScriptedModels()
    _at_the_end(request, made.check)
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Fail an async test that is marked for virtual time and has none; run the checks of the fixtures."""
    patch = pytest.MonkeyPatch()
    try:
        if isinstance(item, pytest.Function) and item.get_closest_marker("virtual_time") is not None:
            _check_time(item, patch)
        result = yield
    finally:
        patch.undo()
    records = item.get_closest_marker("cassette") is not None
    if records and "cassette" not in getattr(item, "fixturenames", ()):
        pytest.fail(
            "The test is marked with cassette but records nothing: take the fixture `cassette`, and give it "
            "the model: cassette(model).",
            pytrace=False,
        )
    for check in item.stash.get(_checks, list[Callable[[], None]]()):
        try:
            check()
        except AssertionError as error:
            why = str(error)
        else:
            continue
        pytest.fail(why, pytrace=False)
    return result


@pytest.fixture
def cassette(request: pytest.FixtureRequest) -> "miniagents.testing.Cassette":
    """Records and replays calls: ``cassette(model)`` in a test with `@pytest.mark.cassette`."""
    node: pytest.Item = request.node
    mark = node.get_closest_marker("cassette")
    if mark is None:
        pytest.fail("The fixture cassette needs a test with @pytest.mark.cassette.", pytrace=False)
    file = str(mark.args[0]) if mark.args else f"cassettes/{node.path.stem}/{_file_name(node)}.jsonl"
    mode = cast('Literal["replay", "record", "rewrite"]', node.config.getoption("--cassettes"))
    made = miniagents.testing.Cassette(node.path.parent / file, mode=mode)
    _at_the_end(request, made.check)
    return made


@pytest.fixture
def run_timeline(request: pytest.FixtureRequest) -> "Timeline":
    """A `Timeline` for `MiniAgents(observers=[run_timeline])`: if the test fails, it shows what ran when."""
    module = import_module("miniagents.ext.timeline")
    made = cast("Callable[[], Timeline]", module.Timeline)()
    node: pytest.Item = request.node
    node.stash[_picture] = made
    return made


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the picture of a test that fails."""
    report = yield
    picture = item.stash.get(_picture, None)
    if picture is None or call.when != "call" or not report.failed:
        return report
    shown = str(picture)
    folder = cast("str | None", item.config.getoption("--timelines"))
    if folder is not None:
        file = item.config.invocation_params.dir / folder / f"{_file_name(item)}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file)
        shown += f"\nwith times and tokens: {file}"
    report.sections.append(("what ran", shown))
    return report


def _file_name(node: pytest.Item) -> str:
    """Return a file name for a test; different tests of a module have different names."""
    classes = [each.name for each in node.listchain() if isinstance(each, pytest.Class)]
    own = ".".join([*classes, node.name])
    name = re.sub(r"[^\w.\[\]-]", "_", own)
    if name == own and len(name) <= _LONGEST_NAME:
        return name
    return f"{name[:_LONGEST_NAME]}-{hashlib.sha256(own.encode()).hexdigest()[:8]}"


def _at_the_end(request: pytest.FixtureRequest, check: Callable[[], None]) -> None:
    """Run a check after the test if it has passed; a test that failed has its reason already."""
    node: pytest.Item = request.node
    node.stash.setdefault(_checks, []).append(check)


def _check_time(item: pytest.Function, patch: pytest.MonkeyPatch) -> None:
    test: object = item.obj
    hypothesis: object = getattr(test, "hypothesis", None)
    inner: object = getattr(hypothesis, "inner_test", None)
    if inspect.iscoroutinefunction(inner):
        patch.setattr(hypothesis, "inner_test", _in_virtual_time(cast("AsyncTest", inner)))
    elif inspect.iscoroutinefunction(test):
        patch.setattr(item, "obj", _in_virtual_time(cast("AsyncTest", test)))


def _in_virtual_time(test: AsyncTest) -> AsyncTest:
    @functools.wraps(test)
    async def checked(*args: object, **keywords: object) -> object:
        why = _why_not_virtual()
        if why:
            pytest.fail(f"The test is marked with virtual_time, but {why}", pytrace=False)
        return await test(*args, **keywords)

    return checked


def _why_not_virtual() -> str | None:
    """Return why the event loop has no virtual time; None if it has."""
    try:
        loop = asyncio.get_running_loop()
    except RuntimeError:
        return "it does not run on asyncio. With anyio, let anyio_backend be 'asyncio'."
    if miniagents.testing.VirtualClock.drives(loop):
        return None
    return (
        f"its event loop ({type(loop).__module__}.{type(loop).__qualname__}) has real time: it was made "
        "before the test, in a wider scope (a loop_scope of pytest-asyncio, a fixture of anyio that is wider "
        "than a function), or by a loop factory or policy of its own. Give it the scope of a function and "
        "asyncio's own loop, or use VirtualClock().new_event_loop as the factory."
    )
