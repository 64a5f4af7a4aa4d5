"""Runs of this process: writes their logs, and passes their frames to readers as they are kept."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from contextvars import Context as Variables
from typing import Final

from miniagents.messages import Message, MessagePromise
from miniagents.streams import PromisingContext

from ..journal import Event, JournalError, RunLog, RunStore
from ._durable_runs import ANOTHER_WAY, AnotherWayError, Retelling
from ._feeds import LogFeed
from ._frame_view import FrameView, event_of
from ._frames import BATCH, Frame, Positioned, RunEnded
from ._open_responses import OpenResponses
from ._source import ErrorText, FrameSource, Replies, ReplyOf

__all__ = ["LiveFeed", "LiveRun"]

logger = logging.getLogger(__name__)

_NOT_KEPT: Final = RunEnded("lost", "The answer could not be recorded; the rest of it is lost.")
_RECORDING: Final = 5.0  # seconds that recording the end of a stopped run may take
_RECORDER_LIMIT: Final = 16_000_000
"""Characters that may wait for the log; if it is slower than the run, the run is stopped."""


class LiveRun:
    """A run of this process: its frames that are kept, and the callbacks of its readers.

    Args:
        run: its id.
        journal: keeps its log; this process is the writer.
        context: the context of the run.
        resumable: whether it continues in another process if this one ends first.
        keep: for how many seconds it is kept after its end.
        events: what is in the log already.

    Attributes:
        frames: the frames that are kept.
        log: the log of the run.
        readers: called when there are more frames.
        closed: done when its log is closed; False if not even its end could be recorded.
        moved: whether it goes on without this process, so that readers get the rest from the journal.
    """

    def __init__(
        self,
        run: str,
        journal: RunStore,
        context: PromisingContext,
        *,
        resumable: bool,
        keep: float | None,
        events: Sequence[Event] = (),
    ) -> None:
        self.context = context
        self._view = FrameView()
        self.frames: list[Frame] = self._view.take(events)
        self.readers: set[Callable[[], None]] = set()
        self.closed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.log = RunLog(
            journal, run, events, collect=self._collect, on_kept=self._show, on_error=self._not_kept
        )
        self.moved: bool = False
        self.run = run
        self.journal = journal
        self._ending: asyncio.Task[None] | None = None
        self._resumable = resumable
        self._keep = keep
        self._retelling = Retelling(self.frames) if resumable else None
        self._source: FrameSource | None = None
        self._stopped = False
        self._new: list[Frame] = []  # of the batch that is being written

    def start(self, replies: Replies, agent: str | None, error_text: ErrorText | None) -> None:
        """Read the replies, and write them into the log.

        Args:
            replies: the replies of the agent.
            agent: its alias, for messages that do not name their agent.
            error_text: makes the sentence for clients from an error; None: one without its text.
        """
        self._source = FrameSource(
            replies,
            self.log.wake,
            agent=agent,
            limit=_RECORDER_LIMIT,
            error_text=error_text,
            origin=self._origin,
        )
        if self._stopped:
            self._source.stop()

    @property
    def started(self) -> bool:
        """Whether its replies are read."""
        return self._source is not None

    def _origin(self, number: int, promise: MessagePromise[Message]) -> tuple[int, int] | None:
        known = self._retelling is not None and number < self._retelling.known
        return None if known else self.log.origin_of(promise)

    def stop(self) -> None:
        """Stop it now; before `start`, it stops when it starts."""
        self._stopped = True
        if self._source is not None:
            self._source.stop()

    def on_sent(self, key: str, data: object) -> None:
        """Take what was sent to the run: an answer, or that it stops.

        Args:
            key: what was sent.
            data: of an answer.
        """
        if key == "stop":
            self.stop()
        else:
            self.log.questions.on_sent(key, data)

    async def stopped(self) -> None:
        """Wait until the last frame of a run that was stopped is kept.

        Raises:
            JournalError: it could not be kept, or not within 5 seconds.
        """
        await asyncio.wait((self.closed,), timeout=_RECORDING)
        if not self.closed.done() or not self.closed.result():
            raise JournalError(
                f"The run {self.run!r} was stopped, but the journal did not record this; if the server "
                "crashes now, the run can begin again. Look for the error of the journal."
            )

    # -- the log -----------------------------------------------------------------------------------------

    def _collect(self, events: list[Event]) -> list[Event]:
        """Add what is new of the replies to a batch."""
        items = [] if self._source is None else self._source.take_all()
        last = items[-1] if items else None
        leaves = self._resumable and isinstance(last, RunEnded) and last.how == "lost"
        items = self._untold(items[:-1] if leaves else items)
        ended = items[-1] if items and isinstance(items[-1], RunEnded) else None
        events += map(event_of, items if ended is None else items[:-1])
        self._new = self._view.take(events)
        if leaves:
            self.log.ending = "", None
        elif ended is not None:
            self._new.append(ended)
            position = len(self.frames) + len(self._new)
            events.append(["ended", 0, ended.how, ended.sentence, position])
            self.log.ending = ended.how, self._keep
        return events

    def _untold(self, items: list[Frame | ReplyOf]) -> list[Frame | ReplyOf]:
        if self._retelling is None:
            return items
        try:
            return self._retelling.take(items)
        except AnotherWayError as error:
            logger.error("A run cannot continue: %s.", error)  # noqa: TRY400 - the place in the code does not help
            self.stop()
            return [ANOTHER_WAY]

    def _show(self) -> None:
        """Pass the frames of a batch to readers: it is kept."""
        new, self._new = self._new, []
        if new:
            self.frames += new
            for wake in tuple(self.readers):
                wake()
        if self.log.ending is not None:
            if not self.log.ending[0]:  # the server ends: readers reconnect to the next one
                self.context.shared(OpenResponses).end()
                self._move()
            self._close()

    def _move(self) -> None:
        self.moved = True
        for wake in tuple(self.readers):
            wake()

    def _not_kept(self, error: JournalError) -> None:
        self.stop()
        self._new = []
        if error.reason is not None:  # another server took it over, or it was deleted
            self._move()
            self._close()
            return
        self.frames.append(_NOT_KEPT)
        for wake in tuple(self.readers):
            wake()
        logger.error("A run cannot be recorded; it is stopped: %s", error)
        self._ending = asyncio.create_task(self._end(), name=f"end of run {self.run}", context=Variables())

    async def _end(self) -> None:
        """Try to record that the rest is lost; if that fails too, readers get it from here."""
        event: Event = ["ended", 0, _NOT_KEPT.how, _NOT_KEPT.sentence, len(self.frames)]
        try:
            await self.journal.end(self.run, [event], how=_NOT_KEPT.how, keep=self._keep)
        except Exception:  # a store of somebody else may raise anything
            logger.exception("Nor can the end of the run.")
            self._close(kept=False)
        else:
            self._close()

    def _close(self, *, kept: bool = True) -> None:
        if not self.closed.done():
            self.closed.set_result(kept)


class LiveFeed:
    """The kept frames of a run of this process, for one reader; all readers share one list.

    If the run goes on without this process, the rest comes from the journal.

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
        self._rest: LogFeed | None = None

    @property
    def left(self) -> bool:
        """Whether all was read, the server ends, and the next one goes on with the run."""
        live = self._live
        return live.moved and live.context.draining and self._position >= len(live.frames)

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin to read.

        Args:
            wake: called whenever there may be more to take.
        """
        self._wake = wake
        self._live.readers.add(wake)

    def take(self) -> Sequence[Positioned]:
        """Return kept frames, at most `BATCH` at once."""
        frames = self._live.frames
        position = self._position
        if self._rest is not None:
            return self._rest.take()
        if position >= len(frames):
            if self._live.moved and self._wake is not None and not self.left:
                self._rest = LogFeed(self._live.journal, self._live.run, position, self.context)
                self._rest.open(self._wake)
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
        if self._rest is not None:
            self._rest.close()
