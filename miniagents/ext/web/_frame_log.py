"""What keeps the frames of runs: the protocol of `MemoryFrames`, `SQLiteFrames` and `RedisFrames`.

A run has one writer, the server that began it, and any number of readers, in any process that has the log.
Its frames have positions, 1, 2, 3 and so on. The last one is a `RunEnded`; it is `lost` if the writer is gone
without having written one. Whoever finds that out writes it, once: from then on the old writer cannot append.
A run that is resumable is not lost then: its readers wait until another server takes it over and writes on.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeAlias

from miniagents.values import MiniAgentsError

from ._frames import Ending, Frame, RunEnded

__all__ = [
    "BATCH",
    "LOST",
    "FrameLog",
    "FrameLogError",
    "Positioned",
    "RunExistsError",
    "RunOverError",
    "RunRecord",
    "UnknownRunError",
    "run_exists",
    "unknown_run",
]

Positioned: TypeAlias = tuple[int, Frame]
"""A frame and where it stands in its run; the first one stands at 1."""

BATCH: Final = 512
"""The most frames that are read at once."""

LOST: Final = RunEnded("lost", "The server that wrote this answer is gone; what is missing is lost.")
"""What ends a run of a server that is gone."""


class FrameLogError(MiniAgentsError):
    """A log of frames cannot be read or written.

    Example:
        >>> raise FrameLogError("frames.db is of a newer version of this library.")
        Traceback (most recent call last):
            ...
        miniagents...FrameLogError: frames.db is of a newer version of this library.
    """


class UnknownRunError(FrameLogError):
    """There is no such run, or it is not kept any more.

    Example:
        >>> raise UnknownRunError("no run has the id '7'")
        Traceback (most recent call last):
            ...
        miniagents...UnknownRunError: no run has the id '7'
    """


class RunExistsError(FrameLogError):
    """A run of this id was begun before.

    Example:
        >>> raise RunExistsError("a run has the id '7' already")
        Traceback (most recent call last):
            ...
        miniagents...RunExistsError: a run has the id '7' already
    """


def unknown_run(run: str) -> UnknownRunError:
    """Return the error of a run that is not there.

    Args:
        run: its id.

    Example:
        >>> str(unknown_run("7"))
        "no run has the id '7', or it is not kept any more."
    """
    return UnknownRunError(f"no run has the id {run!r}, or it is not kept any more.")


def run_exists(run: str) -> RunExistsError:
    """Return the error of a run that was begun before.

    Args:
        run: its id.

    Example:
        >>> str(run_exists("7"))
        "a run has the id '7' already; ids are not used twice."
    """
    return RunExistsError(f"a run has the id {run!r} already; ids are not used twice.")


class RunOverError(FrameLogError):
    """The run has its last frame: nothing can be appended.

    Example:
        >>> raise RunOverError("the run '7' has ended")
        Traceback (most recent call last):
            ...
        miniagents...RunOverError: the run '7' has ended
    """


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a log knows of a run besides its frames.

    Attributes:
        run: its id.
        owner: who may read and stop it; `""` if whoever knows the id may.
        topic: what it belongs to, the id of a chat for example; `""` if to nothing.
        ended: its last frame is there.
        last: the position of its last frame so far; 0 if it has none.

    Example:
        >>> RunRecord("7", owner="ada").ended
        False
    """

    run: str
    owner: str = ""
    topic: str = ""
    ended: bool = False
    last: int = 0


class FrameLog(Protocol):
    """Keeps the frames of runs; what `Runs` is given.

    Example:
        >>> from miniagents.ext.web import MemoryFrames
        >>> log: FrameLog = MemoryFrames(keep=60)
    """

    async def open(self, on_stop: Callable[[str], None], /) -> None:
        """Begin to work on the running event loop.

        Args:
            on_stop: called with the id of a run of this server that another one was asked to stop.

        Raises:
            FrameLogError: it cannot be opened.
        """
        ...

    async def close(self) -> None:
        """End; runs that are written here and have not ended are lost, but for those that are resumable."""
        ...

    async def begin(self, run: str, /, *, owner: str = "", topic: str = "", resumable: bool = False) -> None:
        """Note a new run.

        Args:
            run: its id.
            owner: who may read and stop it.
            topic: what it belongs to.
            resumable: if this server dies, it is not lost: readers wait until another one takes it over.

        Raises:
            RunExistsError: there is one of this id.
        """
        ...

    async def take_over(self, run: str, /) -> RunRecord | None:
        """Write a run from now on, if it has not ended; what wrote it before can append nothing any more.

        Args:
            run: its id; no other process or task works on it.

        Returns:
            What is known of it; None if there is no such run.
        """
        ...

    async def append(self, run: str, frames: Sequence[Frame], /) -> None:
        """Keep frames; when this returns, readers can see them, and the death of this process loses none.

        Args:
            run: one that was begun here.
            frames: without the last one of the run.

        Raises:
            RunOverError: it has ended.
        """
        ...

    async def end(self, run: str, how: Ending, sentence: str = "", /) -> None:
        """Write the last frame of a run.

        Args:
            run: one that was begun here.
            how: as in `RunEnded`.
            sentence: as in `RunEnded`.

        Raises:
            RunOverError: it has ended already.
        """
        ...

    def read(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Positioned]]:
        """Yield what is kept, then what comes, up to the last frame; close it if it is left before that.

        Args:
            run: any.
            after: a position; what stands behind it is read. 0: everything.

        Raises:
            UnknownRunError: there is no such run.
        """
        ...

    async def find(self, run: str, /) -> RunRecord | None:
        """Return what is known of a run, or None.

        Args:
            run: its id.
        """
        ...

    async def latest(self, topic: str, /, *, owner: str = "") -> str | None:
        """Return the id of the run that was begun last for a topic, or None.

        Args:
            topic: what it belongs to.
            owner: whose it is.
        """
        ...

    async def delete(self, run: str, /) -> None:
        """Delete a run and its frames; nothing happens if there is none.

        Its readers get an `UnknownRunError`, and its writer can append nothing any more.

        Args:
            run: any; stop it first if it has not ended.
        """
        ...

    async def ask_to_stop(self, run: str, /) -> None:
        """Have the server that writes a run stop it, wherever that is; nothing happens if it has ended.

        Args:
            run: any.
        """
        ...
