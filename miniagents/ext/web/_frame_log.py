"""`FrameLog`: keeps the frames of runs. `MemoryFrames`, `SQLiteFrames` and `RedisFrames` have this protocol.

A run has one writer, the server that began it, and any number of readers, in any process that has the log.
Its frames have the positions 1, 2, 3 and so on. The last one is a `RunEnded`. If the writer crashed without
writing one, the first reader that notices writes a `RunEnded("lost")`, or `STOPPED` if a client had stopped
the run; from then on the old writer cannot append. A resumable run is not lost then: its readers wait until
another server takes it over.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias

from miniagents.errors import MiniAgentsError

from ._frames import Ending, Frame, RunEnded

__all__ = [
    "BATCH",
    "LOST",
    "STOPPED",
    "FrameLog",
    "FrameLogError",
    "Positioned",
    "RunRecord",
    "run_exists",
    "unknown_run",
]

Positioned: TypeAlias = tuple[int, Frame]
"""A frame and its position in its run; the first position is 1."""

BATCH: Final = 512
"""The most frames that are read at once."""

LOST: Final = RunEnded("lost", "The server that wrote this answer has stopped; the rest of it is lost.")
"""The last frame of a run whose server has crashed."""

STOPPED: Final = RunEnded("stopped", "The answer was stopped.")
"""The last frame of a run that a client has stopped."""


class FrameLogError(MiniAgentsError):
    """A log of frames cannot do what was requested; ``reason`` says which of the expected cases it is.

    A log raises it for a run that does not exist (any more), for an id that exists already, and for a run
    that has ended or that another server writes. Every other problem has no reason.

    Args:
        text: the sentence.
        reason: ``"unknown"``, ``"exists"`` or ``"ended"``; None for any other problem.

    Attributes:
        reason: ``"unknown"``, ``"exists"`` or ``"ended"``; None for any other problem.

    Example:
        >>> FrameLogError("no run has the id '7'", "unknown").reason
        'unknown'
    """

    def __init__(self, text: str, reason: Literal["unknown", "exists", "ended"] | None = None) -> None:
        super().__init__(text)
        self.reason: Literal["unknown", "exists", "ended"] | None = reason


def unknown_run(run: str) -> FrameLogError:
    """Return the error for an unknown run.

    Args:
        run: its id.

    Example:
        >>> str(unknown_run("7"))
        "no run has the id '7', or it is no longer kept."
    """
    return FrameLogError(f"no run has the id {run!r}, or it is no longer kept.", "unknown")


def run_exists(run: str) -> FrameLogError:
    """Return the error for an id that exists already.

    Args:
        run: its id.

    Example:
        >>> str(run_exists("7"))
        "a run already has the id '7'; give each run an id of its own."
    """
    return FrameLogError(f"a run already has the id {run!r}; give each run an id of its own.", "exists")


@dataclass(frozen=True, slots=True)
class RunRecord:
    """The facts about a run that a log keeps besides its frames.

    Attributes:
        run: its id.
        owner: the user who may read and stop it; `""` if every client that knows the id may.
        topic: what the run belongs to, such as the id of a chat; `""` for nothing.
        ended: whether its last frame is written.
        last: the position of its last frame so far; 0 if it has none.
        stopping: whether a client of another process has asked to stop it.

    Example:
        >>> RunRecord("7", owner="ada").ended
        False
    """

    run: str
    owner: str = ""
    topic: str = ""
    ended: bool = False
    last: int = 0
    stopping: bool = False


class FrameLog(Protocol):
    """Keeps the frames of runs for `Runs`.

    Example:
        >>> from miniagents.ext.web import MemoryFrames
        >>> log: FrameLog = MemoryFrames(keep=60)
    """

    async def open(self, on_stop: Callable[[str], None], /) -> None:
        """Open the log on the running event loop.

        Args:
            on_stop: called with the id of a run of this server that a client of another server stops.

        Raises:
            FrameLogError: it cannot be opened.
        """
        ...

    async def close(self) -> None:
        """Close the log; runs of this server that have not ended are lost, unless they are resumable."""
        ...

    async def begin(self, run: str, /, *, owner: str = "", topic: str = "", resumable: bool = False) -> None:
        """Record that a run begins.

        Args:
            run: its id.
            owner: the user who may read and stop it.
            topic: what the run belongs to.
            resumable: whether its readers wait for another server if this one crashes; else it is lost.

        Raises:
            FrameLogError: a run with this id exists.
        """
        ...

    async def take_over(self, run: str, /) -> RunRecord | None:
        """Become the writer of a run that has not ended; its earlier writer can no longer append.

        Args:
            run: its id; no other process or task works on it.

        Returns:
            The record of the run; None if it does not exist.
        """
        ...

    async def append(self, run: str, frames: Sequence[Frame], /) -> None:
        """Keep frames; when this returns, readers can see them, and they survive a crash of this process.

        Args:
            run: a run that was begun here.
            frames: frames of the run, but not the last one.

        Raises:
            FrameLogError: the run has ended.
        """
        ...

    async def end(self, run: str, how: Ending, sentence: str = "", /) -> None:
        """Write the last frame of a run.

        Args:
            run: a run that was begun here.
            how: as in `RunEnded`.
            sentence: as in `RunEnded`.

        Raises:
            FrameLogError: the run has ended.
        """
        ...

    def read(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Positioned]]:
        """Yield the kept frames, then new ones, up to the last frame; close it if you leave earlier.

        Args:
            run: any.
            after: the position after which to read; 0 for all frames.

        Raises:
            FrameLogError: the run does not exist.
        """
        ...

    async def find(self, run: str, /) -> RunRecord | None:
        """Return the record of a run, or None.

        Args:
            run: its id.
        """
        ...

    async def latest(self, topic: str, /, *, owner: str = "") -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the owner of the run.
        """
        ...

    async def delete(self, run: str, /) -> None:
        """Delete a run and its frames; nothing happens if there is none.

        Its readers get a `FrameLogError`, and its writer can append nothing any more.

        Args:
            run: any; stop it first if it has not ended.
        """
        ...

    async def ask_to_stop(self, run: str, /) -> None:
        """Ask the server that writes a run to stop it; if the run has ended, nothing happens.

        When this returns, the request is recorded: a server that takes the run over finds it, too.

        Args:
            run: any.
        """
        ...
