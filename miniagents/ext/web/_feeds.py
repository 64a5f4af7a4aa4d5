"""The sources of frames for a response: an attached run, a run of this process, or a log."""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Final, Protocol

from miniagents.streams import PromisingContext

from ..journal import Event, JournalError, RunStore
from ._frame_view import FrameView
from ._frames import BATCH, ENDINGS, Positioned, RunEnded
from ._source import ErrorText, FrameSource, Replies, server_ends

logger = logging.getLogger(__name__)

SHUT_DOWN: Final = RunEnded("lost", "The server is shutting down.")
"""The last frame for a reader whose server ends."""

_PAUSE: Final = 1.0  # seconds until a journal that is away is asked again
_PATIENCE: Final = 60.0  # seconds after which its readers have to come again


class Feed(Protocol):
    """The frames of one run for one reader.

    Attributes:
        context: in which the run is, and all that lives as long.
        resumable: whether the run continues without this reader, which may come back.
    """

    context: PromisingContext
    resumable: bool

    @property
    def left(self) -> bool:
        """Whether nothing more comes here, because the server ends and has left the run to the next one."""
        ...

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin.

        Args:
            wake: called whenever there may be more to take.
        """
        ...

    def take(self) -> Sequence[Positioned]:
        """Return the frames that have come, all of them or at least `BATCH`; a `RunEnded` is the last one."""
        ...

    def cut(self) -> None:
        """End an attached run now, because the server ends."""
        ...

    def close(self) -> None:
        """Release the feed when the reader leaves; an attached run stops at once. Idempotent."""
        ...


async def frames_of_feed(feed: Feed, more: asyncio.Event) -> AsyncGenerator[Positioned]:
    """Yield the frames of a feed, up to the last one, or until the server ends and leaves the run.

    Args:
        feed: open; the caller that opened it closes it.
        more: what its `wake` sets.
    """
    while True:
        for position, frame in feed.take():
            yield position, frame
            if isinstance(frame, RunEnded):
                return
        if feed.left:
            return
        await more.wait()
        more.clear()


class AttachedFeed:
    """A run with one reader: it is read when the feed is opened, and stops when the reader leaves.

    Args:
        replies: of the agent.
        agent: its alias, for messages that do not say who wrote them.
        limit: characters that may wait for the reader; with more, the run is stopped.
        error_text: what clients are told of an error; None: `sentence_of`.
    """

    def __init__(
        self,
        replies: Replies,
        *,
        agent: str | None = None,
        limit: int | None = None,
        error_text: ErrorText | None = None,
    ) -> None:
        self.context: PromisingContext = replies.buffer.context
        self.resumable = False
        self._replies: Replies | None = replies
        self._source: FrameSource | None = None
        self._source_of = partial(FrameSource, agent=agent, limit=limit, error_text=error_text)
        self._position = 0

    @property
    def left(self) -> bool:
        """Never."""
        return False

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin to read the replies.

        Args:
            wake: called whenever there may be more to take.
        """
        replies, self._replies = self._replies, None
        if replies is not None:
            self._source = self._source_of(replies, wake)

    def take(self) -> Sequence[Positioned]:
        """Return the frames that have come; tokens are joined."""
        if self._source is None:
            return ()
        frames = self._source.take()
        taken = list(enumerate(frames, start=self._position + 1))
        self._position += len(frames)
        return taken

    def cut(self) -> None:
        """Stop the run; its last frame says that the server ends."""
        if self._source is not None:
            self._source.stop(SHUT_DOWN)

    def close(self) -> None:
        """Stop the run, if it has not ended."""
        if self._source is not None:
            self._source.stop()
        elif self._replies is not None:
            self._replies.cancel()
            self._replies = None


class LogFeed:
    """The frames of a run from its log, also while another process writes it.

    Args:
        journal: has the log.
        run: its id.
        after: the position behind which it is read.
        context: that of the reader.

    Attributes:
        left: whether nothing more comes here, since the journal is away for too long.
    """

    def __init__(self, journal: RunStore, run: str, after: int, context: PromisingContext) -> None:
        self.context = context
        self.resumable = True
        self._journal = journal
        self._run = run
        self._after = after
        self._wake: Callable[[], None]  # of `open`
        self._read: deque[Positioned] = deque()
        self._taken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closed = False
        self._view = FrameView()
        self._events = 0  # that were read
        self._position = 0  # of the last frame in them
        self._ended = False
        self._away_since: float | None = None
        self.left = False

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin to read the log.

        Args:
            wake: called whenever there may be more to take.
        """
        self._wake = wake
        self._task = asyncio.create_task(self._follow(), name=f"frames of {self._run}")

    async def _follow(self) -> None:
        try:
            while not await self._read_on():  # noqa: ASYNC110 - another process or the network ends it
                await asyncio.sleep(_PAUSE)
        except Exception as error:
            if isinstance(error, JournalError) and error.reason == "unknown":
                self._end("This run is not kept any more.")
                return
            logger.exception("The frames of a run cannot be read.")
            self._end("The frames of this run cannot be read.")

    async def _read_on(self) -> bool:
        """Read the log on from where it was read; return False if the journal went away."""
        try:
            async with aclosing(self._journal.follow(self._run, self._events)) as batches:
                async for events in batches:
                    if self._closed:  # the client of the database may have swallowed the cancellation
                        return True
                    self._events += len(events)
                    self._away_since = None
                    self._take(events)
                    while len(self._read) >= BATCH:  # so that memory does not grow
                        self._taken.clear()
                        await self._taken.wait()
            if not self._ended:  # a run of `durable` has no last frame: its record says how it ended
                (record,) = await self._journal.find(run=self._run)
                sentence = "" if record.how == "finished" else "The end of this run was not recorded."
                self._read.append((self._position + 1, RunEnded(ENDINGS[record.how], sentence)))
                self._wake()
        except JournalError as error:
            if error.reason is not None:
                raise
            return not self._waits_for_the_journal(error)
        return True

    def _take(self, events: Sequence[Event]) -> None:
        for frame in self._view.take(events):
            self._position += 1
            self._ended = isinstance(frame, RunEnded)
            # The last frame is for a reader beyond it, too, which has not seen it.
            if self._position > self._after or self._ended:
                self._read.append((self._position, frame))
        self._wake()

    def _waits_for_the_journal(self, error: JournalError) -> bool:
        """Return whether to ask the journal again; if not, the response ends, and the client comes again."""
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
            logger.warning("The reader of a run waits for its journal: %s", error)
        self.left = now - self._away_since >= _PATIENCE or server_ends(self.context)
        if self.left:
            self._wake()
        return not self.left

    def _end(self, sentence: str) -> None:
        self._read.append((self._after, RunEnded("lost", sentence)))
        self._wake()

    def take(self) -> Sequence[Positioned]:
        """Return the frames that were read."""
        taken = tuple(self._read)
        self._read.clear()
        self._taken.set()
        return taken

    def cut(self) -> None:
        """Do nothing: the run is not of this process."""

    def close(self) -> None:
        """Stop reading."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()
