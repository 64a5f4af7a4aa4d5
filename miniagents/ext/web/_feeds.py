"""The sources of frames for a response: an attached run, or a log; either of them up to the end of a turn.

A turn ends where the run waits for approvals, which the next request of the client has.
"""

import asyncio
import logging
from collections import deque
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Sequence
from contextlib import aclosing
from typing import Final, Protocol

from miniagents.parts import AgentPart, Restart, ToolCall, ToolCallDelta, ToolResult
from miniagents.streams import PromisingContext

from ..journal import JournalError, RunStore
from ._frames import (
    BATCH,
    ENDINGS,
    STOPPED,
    Frame,
    MessageBegan,
    MessagePart,
    Positioned,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
)
from ._source import FrameView, in_steps, server_ends

logger = logging.getLogger(__name__)

_PAUSE: Final = 1.0  # seconds until a journal that is away is asked again
_PATIENCE: Final = 60.0  # seconds after which its readers have to come again


class Feed(Protocol):
    """The frames of one run for one reader.

    Attributes:
        context: in which the run is, and all that lives as long.
    """

    context: PromisingContext

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

    def close(self) -> None:
        """Release the feed when the reader leaves; an attached run stops at once. Idempotent."""
        ...


async def frames_of_feed(feed: Feed) -> AsyncGenerator[Positioned]:
    """Yield the frames of a feed, up to the last one, or until the server ends and leaves the run.

    Args:
        feed: is opened, and closed at the end.
    """
    more = asyncio.Event()
    feed.open(more.set)
    try:
        while True:
            frames = feed.take()
            for position, frame in frames:
                yield position, frame
                if isinstance(frame, RunEnded):
                    return
            if len(frames) >= BATCH:  # there may be more, for which the feed does not wake it
                await asyncio.sleep(0)
                continue
            if feed.left:
                return
            await more.wait()
            more.clear()
    finally:
        feed.close()


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
            while not self.left:
                try:
                    return await self._read_on()
                except JournalError as error:
                    if error.reason is not None:
                        raise
                    self._went_away(error)
                await asyncio.sleep(_PAUSE)
        except Exception as error:
            if isinstance(error, JournalError) and error.reason == "unknown":
                self._end("This run is not kept any more.")
                return None
            logger.exception("The frames of a run cannot be read.")
            self._end("The frames of this run cannot be read.")

    async def _read_on(self) -> None:
        """Read the log on from where it was read."""
        async with aclosing(self._journal.follow(self._run, self._events)) as batches:
            async for events in batches:
                if self._closed:  # the client of the database may have swallowed the cancellation
                    return
                self._events += len(events)
                self._away_since = None
                for frames in in_steps(self._view, events):
                    self._take(frames)
                    await asyncio.sleep(0)
                    while len(self._read) >= BATCH:  # so that memory does not grow
                        self._taken.clear()
                        await self._taken.wait()
        if not self._ended:  # a run of `durable` has no last frame: its record says how it ended
            (record,) = await self._journal.find(run=self._run)
            sentence = "" if record.how == "finished" else "The end of this run was not recorded."
            self._read.append((self._position + 1, RunEnded(ENDINGS[record.how], sentence)))
            self._wake()

    def _take(self, frames: Sequence[Frame]) -> None:
        for frame in frames:
            self._position += 1
            self._ended = isinstance(frame, RunEnded)
            # The last frame is for a reader beyond it, too, which has not seen it.
            if self._position > self._after or self._ended:
                self._read.append((self._position, frame))
        self._wake()

    def _went_away(self, error: JournalError) -> None:
        """Note since when the journal is away; after some time, its readers have to come again."""
        now = asyncio.get_running_loop().time()
        if self._away_since is None:
            self._away_since = now
            logger.warning("The reader of a run waits for its journal: %s", error)
        self.left = now - self._away_since >= _PATIENCE or server_ends(self.context)
        if self.left:
            self._wake()

    def _end(self, sentence: str) -> None:
        self._read.append((self._after, RunEnded("lost", sentence)))
        self._wake()

    def take(self) -> Sequence[Positioned]:
        """Return the frames that were read."""
        taken = tuple(self._read)
        self._read.clear()
        self._taken.set()
        return taken

    def close(self) -> None:
        """Stop reading."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()


OF_ITS_CLIENT: Final = "of its client"
"""The topic of runs that end with their client, unless they wait for its approval."""


class Turn:
    """Knows from the frames of a run whether it waits for nothing but approvals of calls that clients see.

    Args:
        frames: of the run, from the first one on.
        answered: the ids of questions that are answered already.

    Attributes:
        seen: the ids of approvals, and of calls with a result.

    Example:
        >>> turn = Turn()
        >>> asked = QuestionAsked("q", "approval", {"call": "1"}, "")
        >>> for frame in (MessagePart(0, ToolCall("1", "pay")), asked, QuestionAnswered("q", "")):
        ...     turn.take(frame)
        ...     print(turn.waits)
        False
        True
        False
    """

    def __init__(self, frames: Iterable[Frame] = (), answered: Iterable[str] = ()) -> None:
        self.seen: set[str] = set()
        self._answered = set(answered)
        self._open: dict[str, str] = {}  # approval -> the id of its call
        self._calls: dict[str, int] = {}  # calls without a result -> their message
        self._agents: dict[int, str] = {}  # message -> the call of the agent that works in it
        for frame in frames:
            self.take(frame)

    @property
    def waits(self) -> bool:
        """Whether each call without a result waits for an approval, and there is one."""
        around = {self._agents.get(message) for message in self._calls.values()}
        return bool(self._open) and self._calls.keys() - around <= set(self._open.values())

    def take(self, frame: Frame) -> None:
        """Take the next frame.

        Args:
            frame: of the run.
        """
        match frame:
            case MessageBegan(message, call=str(call)):
                self._agents[message] = call
            case MessagePart(message, AgentPart(_, part)):
                self.take(MessagePart(message, part))
            case MessagePart(message, ToolCall(id=str(call)) | ToolCallDelta(id=str(call))):
                self._calls[call] = message
            case MessagePart(_, ToolResult(call)):
                self._calls.pop(call, None)
                self.seen.add(call)
            case MessagePart(message, Restart()):
                self._calls = {call: each for call, each in self._calls.items() if each != message}
            case QuestionAsked(question, "approval", shown) if str(shown["call"]) in self._calls:
                self.seen.add(question)
                if question not in self._answered:
                    self._open[question] = str(shown["call"])
            case QuestionAnswered(question):
                self._open.pop(question, None)
            case _:
                pass


def end_of_turn(frames: Iterable[Frame], seen: Collection[str]) -> int:
    """Return the position of the last frame of the turn that a client has.

    Args:
        frames: of the run, from the first one on.
        seen: the ids of the approvals, and of the calls with a result, that the client has.
    """
    turn, last = Turn(), 0
    for position, frame in enumerate(frames, start=1):
        missed = not turn.seen.issuperset(seen)
        turn.take(frame)
        if turn.seen.issuperset(seen):
            if turn.waits:
                return position
            last = position if missed else last
    return last


class TurnFeed:
    """Frames of a run up to the end of a turn, which is told as the end of the run.

    Args:
        feed: the frames of the run.
        turn: has taken those before.
        on_left: called if the reader leaves before the end of the turn.
    """

    def __init__(self, feed: Feed, turn: Turn, on_left: Callable[[], object] | None = None) -> None:
        self.context: PromisingContext = feed.context
        self._feed = feed
        self._turn = turn
        self._on_left = on_left
        self._wake: Callable[[], None] | None = None
        self._stopped = False

    @property
    def left(self) -> bool:
        """Whether the server ends and has left the run to the next one."""
        return self._feed.left

    def open(self, wake: Callable[[], None], /) -> None:
        """Begin."""
        self._wake = wake
        self._feed.open(wake)

    def take(self) -> Sequence[Positioned]:
        """Return the frames that have come."""
        if self._stopped:
            return ((0, STOPPED),)
        frames = self._feed.take()
        for _, frame in frames:
            self._turn.take(frame)
        ended = bool(frames) and isinstance(frames[-1][1], RunEnded)
        if not ended and len(frames) < BATCH and self._turn.waits:
            frames, ended = [*frames, (frames[-1][0] if frames else 0, RunEnded("finished"))], True
        if ended:
            self._on_left = None
        return frames

    def close(self) -> None:
        """Release the feed."""
        self._feed.close()
        on_left, self._on_left = self._on_left, None
        if on_left is not None:
            self._stopped = True
            on_left()
            if self._wake is not None:
                self._wake()
