"""The runs within a worker, as observers of the driver are told of them.

What models of a worker use must count here: budgets and reports are of the driver. So each run that a call
causes there is a run here, within the run of the call. Its parts stay where they are: those of the reply
come anyhow, and the others nobody would pay for.
"""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Final

from typing_extensions import override

from miniagents.messages._parts import current_watch
from miniagents.observers import ModelAsked, Observer, PartSeen, RunBegan, RunEnded, RunEvent, RunInfo
from miniagents.parts import Usage
from miniagents.streams._observers import RunWatch

from ._errors import pack_error, unpack_error
from ._wire import Outcome, RunBegun, RunCall, RunDone, RunFrame, RunUsed

__all__ = ["OBSERVED_CALL", "RemoteRuns", "RunReporter", "RunWatch", "current_watch"]

OBSERVED_CALL: Final[ContextVar[int | None]] = ContextVar("miniagents_observed_call", default=None)
"""The id of the attempt that causes what runs here, if its driver has observers."""


class RunReporter(Observer):
    """Tells the driver of the runs that its calls cause.

    Args:
        tell: takes frames.
    """

    batch = 2**31  # nobody is told of parts

    def __init__(self, tell: Callable[[RunFrame], None]) -> None:
        self._tell = tell
        self._calls: dict[RunInfo, int] = {}

    @override
    def on_event(self, event: RunEvent, /) -> None:
        if isinstance(event, RunBegan):
            call = OBSERVED_CALL.get()
            if call is not None:
                run, parent = event.run, event.run.parent
                self._calls[run] = call
                inside = None if parent is None else parent.number
                self._tell(RunBegun(call, run.number, inside, run.alias, run.kind, dict(run.keywords)))
            return
        call = self._calls.get(event.run)
        if call is None:
            return
        number = event.run.number
        if isinstance(event, ModelAsked):
            self._tell(RunCall(call, number, event.provider, event.model, event.server, event.stream))
        elif isinstance(event, PartSeen) and isinstance(event.part, Usage):
            self._tell(RunUsed(call, number, event.message, event.part, event.model))
        elif isinstance(event, RunEnded):
            del self._calls[event.run]
            error = None if event.error is None else pack_error(event.error)
            self._tell(RunDone(call, number, event.outcome, error))


class RemoteRuns:
    """The runs of one call, for observers of the driver.

    Args:
        agent: the alias of the agent, for errors.
        call: the run of the call here, which is that of the agent there.
    """

    def __init__(self, agent: str, call: RunWatch) -> None:
        self._agent = agent
        self._call = call
        self._runs: dict[int, RunWatch] = {}
        self._messages: dict[tuple[int, int], int] = {}

    def take(self, frame: RunFrame) -> None:
        """Tell observers.

        Args:
            frame: of the last attempt.
        """
        if isinstance(frame, RunBegun):
            self._begin(frame)
            return
        watch = self._runs.get(frame.run)
        if watch is None:
            return
        match frame:
            case RunCall():
                watch.asked(frame.provider, frame.model, frame.server, stream=frame.stream)
            case RunUsed() if watch is not self._call:  # what the agent itself replies is told with its parts
                key = frame.run, frame.message
                if key not in self._messages:
                    self._messages[key] = watch.next_message({"model": frame.model})
                watch.began_to_write = True  # it had, and that is not told
                watch.one_came(self._messages[key], frame.usage, watch.clock())
            case RunDone() if watch is not self._call:
                del self._runs[frame.run]
                error = None if frame.error is None else unpack_error(frame.error, self._agent)
                watch.ended(frame.outcome, error)
            case _:
                pass

    def _begin(self, frame: RunBegun) -> None:
        if frame.parent is None:
            self._runs[frame.run] = self._call
            return
        observers = self._call.observers
        parent = self._runs.get(frame.parent, self._call)
        info = RunInfo(frame.alias, frame.kind, parent.info, frame.keywords, observers.anchor)
        watch = self._runs[frame.run] = RunWatch(info, observers, self._call.clock)
        watch.began(None)

    def end(self, outcome: Outcome, error: Exception | None = None) -> None:
        """Nothing more is told of them.

        Args:
            outcome: of those that have not ended.
            error: why they failed.
        """
        runs, self._runs = self._runs, {}
        for watch in reversed(runs.values()):
            if watch is not self._call:
                watch.ended(outcome, error)
        self._messages.clear()
