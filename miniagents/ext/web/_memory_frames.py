"""A log of frames in memory: for one process, until it ends."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace

from ._frame_log import (
    BATCH,
    FrameLogError,
    Positioned,
    RunRecord,
    run_exists,
    unknown_run,
)
from ._frames import Ending, Frame, RunEnded

__all__ = ["MemoryFrames"]


@dataclass(slots=True)
class _Kept:
    """A run, its frames, and the readers that wait for more."""

    record: RunRecord
    frames: list[Frame] = field(default_factory=list[Frame])
    waiting: list[asyncio.Future[None]] = field(default_factory=list[asyncio.Future[None]])
    until: float = 0.0  # loop time, once it has ended

    def add(self, frames: Sequence[Frame]) -> None:
        self.frames.extend(frames)
        waiting, self.waiting = self.waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)


class MemoryFrames:
    """Keeps the frames of runs in this process; a restart of the server loses all of them.

    Args:
        keep: seconds that a run is kept after its end.
        max_ended: how many ended runs are kept at most; the oldest are removed first.

    Example:
        >>> async def main():
        ...     log = MemoryFrames()
        ...     await log.open(print)
        ...     await log.begin("7")
        ...     await log.end("7", "finished")
        ...     async for frames in log.read("7"):
        ...         print(frames)
        ...     await log.close()
        >>> asyncio.run(main())
        [(1, RunEnded(how='finished', sentence=''))]
    """

    def __init__(self, *, keep: float = 600.0, max_ended: int = 1_000) -> None:
        self._keep = keep
        self._max_ended = max_ended
        self._runs: dict[str, _Kept] = {}
        self._ended: dict[str, _Kept] = {}  # in the order of their ends
        self._topics: dict[tuple[str, str], str] = {}

    async def open(self, on_stop: Callable[[str], None], /) -> None:
        """Do nothing; all runs are of this process.

        Args:
            on_stop: not called.
        """
        del on_stop

    async def close(self) -> None:
        """Remove all runs."""
        self._runs.clear()
        self._ended.clear()
        self._topics.clear()

    async def begin(self, run: str, /, *, owner: str = "", topic: str = "", resumable: bool = False) -> None:
        """Record that a run begins.

        Args:
            run: its id.
            owner: the user who may read and stop it.
            topic: what the run belongs to.
            resumable: has no effect, because the frames are lost with the server.

        Raises:
            FrameLogError: a run with this id exists.
        """
        del resumable
        self._forget_old()
        if run in self._runs:
            raise run_exists(run)
        self._runs[run] = _Kept(RunRecord(run, owner, topic))
        if topic:
            self._topics[owner, topic] = run

    async def take_over(self, run: str, /) -> RunRecord | None:
        """Return the record of a run; this process is its writer already.

        Args:
            run: its id.
        """
        return await self.find(run)

    async def append(self, run: str, frames: Sequence[Frame], /) -> None:
        """Keep frames.

        Args:
            run: a run that was begun here.
            frames: frames of the run, but not the last one.

        Raises:
            FrameLogError: the run has ended.
            FrameLogError: the run does not exist.
        """
        kept = self._of(run)
        if kept.record.ended:
            raise FrameLogError(f"the run {run!r} has ended; no frame can be appended.", "ended")
        kept.add(frames)

    async def end(self, run: str, how: Ending, sentence: str = "", /) -> None:
        """Write the last frame of a run.

        Args:
            run: a run that was begun here.
            how: as in `RunEnded`.
            sentence: as in `RunEnded`.

        Raises:
            FrameLogError: the run has ended.
            FrameLogError: the run does not exist.
        """
        await self.append(run, [RunEnded(how, sentence)])
        kept = self._of(run)
        kept.record = replace(kept.record, ended=True)
        kept.until = asyncio.get_running_loop().time() + self._keep
        self._ended[run] = kept
        self._forget_old()

    async def read(self, run: str, after: int = 0, /) -> AsyncGenerator[Sequence[Positioned]]:
        """Yield the kept frames, then new ones as they come, up to the last frame.

        Args:
            run: any.
            after: the position after which to read; 0 for all frames.

        Raises:
            FrameLogError: the run does not exist.
        """
        kept = self._of(run)
        position = max(after, 0)
        while True:
            if frames := kept.frames[position : position + BATCH]:
                yield list(enumerate(frames, start=position + 1))
                position += len(frames)
            elif kept.record.ended:
                if position > len(kept.frames):  # the reader is beyond the last frame, but has not seen it
                    yield [(len(kept.frames), kept.frames[-1])]
                return
            elif self._runs.get(run) is not kept:
                raise unknown_run(run)
            else:
                more: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                kept.waiting.append(more)
                try:
                    await more
                finally:
                    if more in kept.waiting:
                        kept.waiting.remove(more)

    async def find(self, run: str, /) -> RunRecord | None:
        """Return the record of a run, or None.

        Args:
            run: its id.
        """
        self._forget_old()
        kept = self._runs.get(run)
        return None if kept is None else replace(kept.record, last=len(kept.frames))

    async def latest(self, topic: str, /, *, owner: str = "") -> str | None:
        """Return the id of the newest run of a topic, or None.

        Args:
            topic: what the run belongs to.
            owner: the owner of the run.
        """
        self._forget_old()
        return self._topics.get((owner, topic))

    async def delete(self, run: str, /) -> None:
        """Delete a run and its frames; nothing happens if there is none.

        Args:
            run: any; its readers get a `FrameLogError`.
        """
        kept = self._runs.get(run)
        if kept is not None:
            self._drop(run, kept)
            kept.add(())

    async def ask_to_stop(self, run: str, /) -> None:
        """Do nothing: there is no other process.

        Args:
            run: any.
        """
        del run

    def _of(self, run: str) -> _Kept:
        kept = self._runs.get(run)
        if kept is None:
            raise unknown_run(run)
        return kept

    def _forget_old(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._ended:
            run, kept = next(iter(self._ended.items()))
            if kept.until > now and len(self._ended) <= self._max_ended:
                return
            self._drop(run, kept)

    def _drop(self, run: str, kept: _Kept) -> None:
        del self._runs[run]
        self._ended.pop(run, None)
        place = (kept.record.owner, kept.record.topic)
        if self._topics.get(place) == run:
            del self._topics[place]
