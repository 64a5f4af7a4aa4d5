"""Runs of this process: records their frames, and passes them to readers as they come."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context as Variables
from typing import Final

from miniagents.errors import JournalError
from miniagents.streams import PromisingContext

from ..journal import RunStore
from ._durable_runs import ANOTHER_WAY, AnotherWayError, Retelling
from ._frame_log import BATCH, FrameLog, FrameLogError, Positioned
from ._frames import Frame, RunEnded
from ._open_responses import OpenResponses
from ._source import ErrorText, FrameSource, Replies

__all__ = ["LiveFeed", "LiveRun"]

logger = logging.getLogger(__name__)

_NOT_KEPT: Final = RunEnded("lost", "The answer could not be recorded; the rest of it is lost.")
_RECORDING: Final = 5.0  # seconds that recording the end of a stopped run may take
_RECORDER_LIMIT: Final = 16_000_000
"""Characters that may wait for the log; if it is slower than the run, the run is stopped."""


class LiveRun:
    """A run of this process: its recorded frames, and the callbacks of its readers.

    Args:
        run: its id.
        log: keeps its frames.
        context: the context of the run.
        journal: with a journal, the run continues in another process if this one ends first.
        recorded: the frames that were recorded in an earlier process.

    Attributes:
        frames: the recorded frames.
        readers: called when there are more frames.
        recorder: the task that records; None before `start`.
    """

    def __init__(
        self,
        run: str,
        log: FrameLog,
        context: PromisingContext,
        journal: RunStore | None = None,
        recorded: Sequence[Frame] = (),
    ) -> None:
        self.context = context
        self.frames: list[Frame] = list(recorded)
        self._journal = journal
        self._retelling = None if journal is None else Retelling(recorded)
        self.readers: set[Callable[[], None]] = set()
        self.recorder: asyncio.Task[None] | None = None
        self._run = run
        self._log = log
        self._source: FrameSource | None = None
        self._stopped = False
        self._more: asyncio.Future[None] | None = None

    def start(
        self, replies: Replies, agent: str | None, error_text: ErrorText | None, live: "dict[str, LiveRun]"
    ) -> None:
        """Read the replies, and record them in a task.

        Args:
            replies: the replies of the agent.
            agent: its alias, for messages that do not name their agent.
            error_text: makes the sentence for clients from an error; None: one without its text.
            live: runs by their ids; this one is removed at its end.
        """
        source = self._source = FrameSource(
            replies, self._wake, agent=agent, limit=_RECORDER_LIMIT, error_text=error_text
        )
        self.recorder = asyncio.create_task(
            self._record(source), name=f"recorder of run {self._run}", context=Variables()
        )
        self.recorder.add_done_callback(lambda _: live.pop(self._run, None))
        if self._stopped:
            source.stop()

    def stop(self) -> None:
        """Stop it now; before `start`, it stops when it starts."""
        self._stopped = True
        if self._source is not None:
            self._source.stop()

    async def recorded(self) -> None:
        """Wait until the last frame of a run that was stopped is recorded.

        Raises:
            FrameLogError: it could not be recorded, or not within 5 seconds.
        """
        if self.recorder is not None:
            await asyncio.wait((self.recorder,), timeout=_RECORDING)
        if not self.frames or self.frames[-1] is _NOT_KEPT or not isinstance(self.frames[-1], RunEnded):
            raise FrameLogError(
                f"The run {self._run!r} was stopped, but the log of frames did not record this; if the "
                "server crashes now, the run can begin again. Look for the error of the log."
            )

    def _wake(self) -> None:
        more, self._more = self._more, None
        if more is not None and not more.done():
            more.set_result(None)

    async def _record(self, source: FrameSource) -> None:
        ended = False
        while not ended:
            frames = source.take()
            if frames:
                ended = await self._record_now(frames)
            else:
                self._more = asyncio.get_running_loop().create_future()
                await self._more

    async def _record_now(self, frames: list[Frame]) -> bool:
        """Record frames and pass them to readers; return whether the run has ended."""
        leaves = self._journal is not None and _is_shut_down(frames[-1])
        if self._retelling is not None:
            frames = self._new_frames(self._retelling, frames[:-1] if leaves else frames)
        if leaves:
            await self._leave(frames)
            return True
        if not frames:
            return False
        last = frames[-1]
        try:
            if isinstance(last, RunEnded):
                if len(frames) > 1:
                    await self._log.append(self._run, frames[:-1])
                await self._log.end(self._run, last.how, last.sentence)
                await self._note(lambda journal: journal.end_run(self._run))
            else:
                await self._log.append(self._run, frames)
        except Exception as error:
            # Else another server took it for lost, or over, or deleted it.
            if not isinstance(error, FrameLogError) or error.reason is None:
                logger.exception("A run cannot be recorded; it is stopped.")
            self.stop()
            frames = [_NOT_KEPT]
        self.frames.extend(frames)
        for wake in tuple(self.readers):
            wake()
        return isinstance(frames[-1], RunEnded)

    def _new_frames(self, retelling: Retelling, frames: list[Frame]) -> list[Frame]:
        try:
            return retelling.take(frames)
        except AnotherWayError as error:
            logger.error("A run cannot continue: %s.", error)  # noqa: TRY400 - the place in the code does not help
            self.stop()
            return [ANOTHER_WAY]

    async def _leave(self, frames: Sequence[Frame]) -> None:
        """The server ends: the run continues in the next one, and its readers reconnect."""
        try:
            if frames:
                await self._log.append(self._run, frames)
        except FrameLogError:
            logger.exception("The last frames of a run cannot be recorded.")
        await self._note(lambda journal: journal.leave_run(self._run))
        self.context.shared(OpenResponses).end()

    async def _note(self, note: Callable[[RunStore], Awaitable[None]]) -> None:
        """Write a note into the journal, if there is one."""
        try:
            if self._journal is not None:
                await note(self._journal)
        except JournalError:
            logger.exception("The journal of runs cannot be written.")


def _is_shut_down(frame: Frame) -> bool:
    """Whether a run has ended because its server ends."""
    return isinstance(frame, RunEnded) and frame.how == "lost"


class LiveFeed:
    """The recorded frames of a run of this process, for one reader; all readers share one list.

    Args:
        live: the run.
        after: the position behind which it is read.
    """

    def __init__(self, live: LiveRun, after: int) -> None:
        self.context = live.context
        self.resumable = True
        self._live = live
        self._position = max(after, 0)
        self._wake: Callable[[], None] | None = None

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin to read.

        Args:
            wake: called whenever there may be more to take.
        """
        self._wake = wake
        self._live.readers.add(wake)

    def take(self) -> Sequence[Positioned]:
        """Return recorded frames, at most `BATCH` at once."""
        frames = self._live.frames
        position = self._position
        if position >= len(frames):
            if position and frames and isinstance(frames[-1], RunEnded):
                # The reader is beyond the last frame, but has not seen it.
                return ((len(frames), frames[-1]),)
            return ()
        taken = frames[position : position + BATCH]
        self._position += len(taken)
        return list(enumerate(taken, start=position + 1))

    def cut(self) -> None:
        """Do nothing: the run continues without this reader."""

    def close(self) -> None:
        """Release the feed when the reader leaves."""
        if self._wake is not None:
            self._live.readers.discard(self._wake)
            self._wake = None
