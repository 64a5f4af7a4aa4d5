"""A plugin of pytest: what a test lets out to stderr turns the run red, though the test itself is green.

Looked at is what pytest has captured of descriptor 2, also from subprocesses, in the set-up,
the call and the end of a test and while modules are imported. What a test reads by `capsys` or `capfd` it is
about.

pytest hides another thing: Python writes a warning or an error of a log to stderr if it finds no handler,
and pytest always has one. Here it is written nevertheless. A test is about logs that it asks for by `caplog`,
that it takes with a handler of its own, or that it names: `@pytest.mark.logs("a part", ...)`.

Of asyncio's warnings that a step took long, those below `LONG` are only counted: development mode makes each
step slower by itself. What counts is what the thread has worked, for a busy machine lets it wait.
"""

import logging
import re
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from traceback import StackSummary
from types import FrameType
from typing import Final, Protocol, TypeAlias, cast
from unittest.mock import patch

import pytest
from typing_extensions import override

__all__ = ["LONG", "Written"]

LONG: Final = 1.0
"""Seconds of work from which on a step is too long."""

_TEXTS, _STEPS = "written", "long steps"
_STEP: Final = re.compile(r"Executing .* took ([\d.]+) seconds", re.DOTALL)


class _Node(Protocol):
    """A worker of pytest-xdist."""

    workeroutput: Mapping[str, object]


class _LastResort(logging.Handler):
    """Writes what only the handlers of before see, as Python does with what no handler sees.

    Args:
        about: what has one of these in it is not written.
        steps: gets the seconds of those that took long, but not too long.
    """

    def __init__(self, about: Sequence[str], steps: list[float]) -> None:
        super().__init__(logging.WARNING)
        self._about = about
        self._steps = steps
        self._began = time.thread_time()
        self._before = {id(each) for name in ("", "asyncio") for each in logging.getLogger(name).handlers}

    @override
    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        step = _STEP.match(text)
        seconds = 0.0 if step is None else min(float(step[1]), time.thread_time() - self._began)
        if step is not None and seconds < LONG:
            self._steps.append(seconds)
        elif logging.lastResort is not None and not self._expected(record, text):
            logging.lastResort.handle(record)

    def _expected(self, record: logging.LogRecord, text: str) -> bool:
        if any(part in text for part in self._about):
            return True
        logger: logging.Logger | None = logging.getLogger(record.name)
        found: list[logging.Handler] = []
        while logger is not None:
            found += logger.handlers
            logger = logger.parent
        return any(each is not self and id(each) not in self._before for each in found)


class Written:
    """What was written, by whom."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._steps: list[float] = []

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Write what the test logs."""
        if "caplog" in getattr(item, "fixturenames", ()):
            return (yield)
        about = [str(part) for marker in item.iter_markers("logs") for part in marker.args]
        handler = _LastResort(about, self._steps)
        logging.getLogger().addHandler(handler)
        try:
            return (yield)
        finally:
            logging.getLogger().removeHandler(handler)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Keep what was written while a module was imported."""
        self._keep(report)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep what was written by the test, in whatever of its phases."""
        self._keep(report)

    def _keep(self, report: pytest.CollectReport | pytest.TestReport) -> None:
        if report.capstderr:
            self._texts[report.nodeid] = report.capstderr  # the last one has all phases

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Turn a green run red; a worker of pytest-xdist tells what it has seen."""
        told: dict[str, object] | None = getattr(session.config, "workeroutput", None)
        if told is not None:  # of what was collected the main process gets no report
            told.update({_TEXTS: self._texts, _STEPS: self._steps})
        if self._texts and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: _Node) -> None:
        """Take over what a worker has seen."""
        told: Mapping[str, object] = getattr(node, "workeroutput", {})  # it has none if it was killed
        self._texts.update(cast("dict[str, str]", told.get(_TEXTS, {})))
        self._steps.extend(cast("list[float]", told.get(_STEPS, [])))

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Tell what was written."""
        for test, text in self._texts.items():
            terminalreporter.section(f"{test} wrote to stderr", sep="-")
            terminalreporter.line(text.rstrip("\n"))
        steps = (
            f"; {len(self._steps)} steps took up to {max(self._steps):.1f} s of work" if self._steps else ""
        )
        terminalreporter.line(f"{len(self._texts)} tests wrote to stderr{steps}")


def pytest_configure(config: pytest.Config) -> None:
    """Look from now on; of where each Future and handle was made, keep the innermost frame.

    In debug mode asyncio reads the whole stack for each of them, which would be half of all work.
    """
    config.pluginmanager.register(Written(), "written")
    patched = patch("traceback.StackSummary.extract", partial(_innermost, StackSummary.extract))
    patched.start()
    config.add_cleanup(patched.stop)


_Frames: TypeAlias = Iterator[tuple[FrameType, int]]


def _innermost(extract: Callable[..., StackSummary], frames: _Frames, **options: object) -> StackSummary:
    return extract(islice(frames, 1), **options)
