"""Runs of this process: writes their logs, and passes their frames to readers as they are kept.

A run that continues in the next server after a crash starts again from its beginning. The answers of its
models and tools come from the journal, so it replies the same as before, and then more. Clients have the
first frames already and do not get them again, except for the message during which the server crashed: it is
withdrawn by a `Restart`, and streamed again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from miniagents import InteractionContext, MiniAgent, miniagent
from miniagents.errors import MiniAgentsError
from miniagents.messages import Message, MessagePromise, MessageSequencePromise
from miniagents.parts import File, Finish, Image, Part, Reasoning, Restart, ToolCall, content_of
from miniagents.runs import LoggedCalls, RunLog, RunRequest
from miniagents.streams import PromisingContext

from ..journal import Event, JournalError, Lease, RunStore
from ._feeds import LogFeed
from ._frames import (
    BATCH,
    STOPPED,
    Frame,
    FramePart,
    MessageBegan,
    MessageEnded,
    MessagePart,
    Positioned,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
    json_of,
)
from ._open_responses import OpenResponses
from ._page_data import DataPart
from ._source import ErrorText, FrameSource, FrameView, Replies, ReplyOf, event_of, server_ends

logger = logging.getLogger(__name__)

_NOT_KEPT: Final = RunEnded("lost", "The answer could not be recorded; the rest of it is lost.")
_RECORDING: Final = 5.0  # seconds that recording the end of a stopped run may take
_RECORDER_LIMIT: Final = 16_000_000
"""Characters that may wait for the log; if it is slower than the run, the run is stopped."""


Agent: TypeAlias = MiniAgent[Message, Message, ...]
"""Any agent that takes messages; what it needs of keywords, its run has."""

_ANOTHER_WAY: Final = RunEnded(
    "lost", "After a restart of the server the agent answered differently than before; the rest is lost."
)


def ask_logged(agent: Agent, request: RunRequest, *, block: LoggedCalls) -> MessageSequencePromise[Message]:
    """Run an agent in a block whose calls are written to a log, and replayed from it after a restart.

    Args:
        agent: the agent that answers.
        request: the messages and keywords for it.
        block: the block.
    """

    @miniagent(alias=agent.alias)
    async def in_a_block(ctx: InteractionContext) -> None:
        async with block:
            replies = agent.inquire(ctx.messages, **request.keywords)
            ctx.reply(replies)
            await replies  # an error ends the block, as it ends the run

    return in_a_block.inquire(request.messages)


def _content(parts: Sequence[FramePart]) -> list[bytes]:
    """The content of a message, without what was withdrawn, independent of its parts, and of JSON."""
    whole = (Image, File, DataPart)
    since = max((at for at, each in enumerate(parts) if isinstance(each, Restart)), default=0)
    content = content_of(cast("Part", each) for each in parts[since:] if not isinstance(each, whole))
    if Finish("interrupted") in parts:  # its calls and thoughts may be incomplete, so they were not kept
        content = tuple(each for each in content if not isinstance(each, ToolCall | Reasoning))
    shown = [each for each in parts[since:] if isinstance(each, whole)]
    return [json_of(MessagePart(0, each).as_data()) for each in (*content, *shown)]


class AnotherWayError(MiniAgentsError):
    """A run that continues does not reply the same as before.

    Example:
        >>> raise AnotherWayError("message 0 is another one than before")
        Traceback (most recent call last):
            ...
        miniagents...AnotherWayError: message 0 is another one than before
    """


@dataclass(slots=True)
class _KnownMessage:
    """The part of a message that clients have got."""

    role: str
    parts: list[FramePart] = field(default_factory=list[FramePart])
    ended: bool = False


class Retelling:
    """Takes the frames of a run that started again, and returns those that clients do not have yet.

    The end of a message is held back until another frame follows: the call that made the message may not be
    kept yet, and if the server crashed now, it would be made again, with another answer.

    Args:
        known: the frames that clients have; empty for a run that starts for the first time.

    Attributes:
        known: how many messages clients have got, also in parts.

    Example:
        >>> known = [MessageBegan(0, "assistant"), MessagePart(0, "Hel"), MessagePart(0, "lo")]
        >>> for frame in Retelling(known).take([MessageBegan(0, "assistant"), MessagePart(0, "Hi")]):
        ...     print(frame)
        MessagePart(message=0, part=Restart(reason=''))
        MessagePart(message=0, part='Hi')
    """

    def __init__(self, known: Sequence[Frame] = ()) -> None:
        self._known: list[_KnownMessage] = []
        for frame in known:
            match frame:
                case MessageBegan(role=role):
                    self._known.append(_KnownMessage(role))
                case MessagePart(number, part):
                    self._known[number].parts.append(part)
                case MessageEnded(number):
                    self._known[number].ended = True
                case _:
                    pass
        self.known = len(self._known)
        self._again: list[FramePart] = []  # parts of a message that clients have already
        self._begun = 0  # how many messages have begun again
        self._withdrawn = False  # whether the message during which the server crashed was withdrawn
        self._held: MessageEnded | None = None

    def take(self, frames: Sequence[Frame | ReplyOf], *, all_kept: bool = False) -> list[Frame | ReplyOf]:
        """Return the frames that clients get now.

        Args:
            frames: the next frames of the run.
            all_kept: whether all calls that ended are kept, so that no end has to be held back.

        Raises:
            AnotherWayError: a message that clients have completely is different now.
        """
        new: list[Frame | ReplyOf] = [] if self._held is None else [self._held]
        self._held = None
        for frame in frames:
            new.extend(self._new(frame))
        if not all_kept and new and isinstance(last := new[-1], MessageEnded):
            self._held = last
            new.pop()
        return new

    def _new(self, frame: Frame | ReplyOf) -> Iterator[Frame | ReplyOf]:
        if isinstance(frame, RunEnded):
            if frame.how == "finished" and self._begun < self.known:
                raise AnotherWayError("the run has ended with fewer messages than before")
            yield frame
        elif (
            isinstance(frame, QuestionAsked | QuestionAnswered | RunParked | ReplyOf)
            or frame.message >= self.known
        ):
            yield frame
        else:
            known = self._known[frame.message]
            if isinstance(frame, MessageBegan):
                if frame.role != known.role:
                    raise AnotherWayError(f"message {frame.message} is one of {frame.role}")
                self._again.clear()
                self._begun = frame.message + 1
            elif known.ended:
                self._compare(known, frame)
            else:
                if known.parts and not self._withdrawn:
                    yield MessagePart(frame.message, Restart())
                self._withdrawn = True
                yield frame

    def _compare(self, known: _KnownMessage, frame: MessagePart | MessageEnded) -> None:
        """Compare a frame with the message that clients have already."""
        if isinstance(frame, MessagePart):
            self._again.append(frame.part)
        elif _content(self._again) != _content(known.parts):
            raise AnotherWayError(f"message {frame.message} is another one than before")


class LiveRun:
    """A run of this process: its frames that are kept, and the callbacks of its readers.

    Args:
        lease: under which its log is written.
        journal: keeps its log.
        context: the context of the run.
        keep: for how many seconds it is kept after its end.
        may_retry: returns whether the run may begin again if its log could not be written.
        events: what is in the log already.

    Attributes:
        frames: the frames that are kept.
        log: the log of the run.
        listens: whether its agent takes what is said to it while it works.
        readers: called when there are more frames.
        closed: done when its log is closed; False if not even its end could be recorded.
        moved: whether it goes on without this process, so that readers get the rest from the journal.
    """

    def __init__(
        self,
        lease: Lease,
        journal: RunStore,
        context: PromisingContext,
        *,
        keep: float | None,
        may_retry: Callable[[], bool],
        events: Sequence[Event] = (),
    ) -> None:
        self.context = context
        resumable = lease.record.restart == "server"  # it continues in another process if this one ends first
        self._view = FrameView()
        self.frames: list[Frame] = self._view.take(events)
        self.readers: set[Callable[[], None]] = set()
        self.closed: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self.log = RunLog(
            *(journal, lease, events),
            collect=self._collect,
            on_kept=self._show,
            on_end=self._ended,
            may_begin_again=lambda: resumable and self._stopped is None and may_retry(),
        )
        self.log.end.keep = keep
        self.listens: bool = False
        self.moved: bool = False
        self.run: str = lease.run
        self.journal = journal
        self._resumable = resumable
        self._retelling = Retelling(self.frames) if resumable else None
        self._source: FrameSource | None = None
        self._stopped: RunEnded | None = None
        self._heard: set[str] = set()  # keys of what was sent
        # The messages of calls whose parts the log has as those of a reply; another reply has its own.
        self._told: set[tuple[int, int]] = set()
        self._last: RunEnded | None = None  # if it cannot go on
        self._level = logging.INFO  # at which the log says that it is lost: its server ends
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
            agent=agent,
            limit=_RECORDER_LIMIT,
            error_text=error_text,
            origin=self._origin,
            run=self.run,
        )
        self._source.open(self.log.wake)
        if self._stopped is not None:
            self._source.close(self._stopped)

    @property
    def not_kept(self) -> bool:
        """Whether it was left because its log could not be written, though the journal is not away."""
        error = self.log.error
        return self.log.end.state == "left" and error is not None and error.reason is None

    def _origin(self, number: int, promise: MessagePromise[Message]) -> tuple[int, int] | None:
        known = self._retelling is not None and number < self._retelling.known
        origin = None if known else self.log.origin_of(promise)
        if origin is None or origin in self._told:
            return None
        self._told.add(origin)
        return origin

    def stop(self, ending: RunEnded = STOPPED) -> None:
        """Stop it now; before `start`, it stops when it starts.

        Args:
            ending: the last frame; one that is `lost` leaves a run that can continue to the next server.
        """
        self._stopped = ending
        if self._source is not None:
            self._source.close(ending)

    def on_sent(self, key: str, data: object) -> None:
        """Take what was sent to the run: an answer, or that it stops.

        Args:
            key: what was sent.
            data: of an answer.
        """
        if key in self._heard:
            return
        self._heard.add(key)
        if key == "stop":
            self.stop()
        else:
            self.log.on_sent(key, data)

    def park(self, wake_at: float) -> None:
        """Let go of it: all its calls wait for answers.

        Args:
            wake_at: when it goes on without one, in seconds since 1970.
        """
        self.log.park(wake_at, len(self._heard))

    def diverged(self, error: Exception) -> None:
        """End it as lost: after a restart, it does not do the same again.

        Args:
            error: what it does.
        """
        self.end(RunEnded("lost", str(error)), logging.ERROR)
        self.stop()

    def end(self, last: RunEnded, level: int = logging.INFO) -> None:
        """End it, whatever its agent replies.

        Args:
            last: the last frame.
            level: at which the log says that it is lost.
        """
        self._last, self._level = last, level
        self.log.wake()

    async def stopped(self) -> None:
        """Wait until the last frame of a run that was stopped is kept; not if its replies are not read yet.

        Raises:
            JournalError: it could not be kept, or not within 5 seconds.
        """
        if self._source is None:
            return
        await asyncio.wait((self.closed,), timeout=_RECORDING)
        if not self.closed.done() or not self.closed.result():
            raise JournalError(
                f"The run {self.run!r} was stopped, but the journal did not record this; if the server "
                "crashes now, the run can begin again. Look for the error of the journal."
            )

    # -- the log -----------------------------------------------------------------------------------------

    def _collect(self, events: list[Event]) -> list[Event]:
        """Add what is new of the replies to a batch."""
        end = self.log.end
        items = [] if self._source is None else self._source.take_all()
        if end.state == "retreating":
            items = []
        elif end.state == "giving up":
            items = [_NOT_KEPT]
        else:
            if self._resumable and items and isinstance(items[-1], RunEnded) and items[-1].how == "lost":
                end.wishes.add("leaves")  # its server ends
                items.pop()
            items = self._untold(items)
        parked = [events.pop()] if events and events[-1][0] == "parked" else []
        self._new = self._view.take(events)
        for item in items:
            self._view.add(item, self._new)
            if isinstance(item, RunEnded):
                parked.clear()
                if item.how == "lost":
                    logger.log(self._level, "A run is lost (%s): %s", self.run, item.sentence)
                events.append(["ended", 0, item.how, item.sentence, len(self.frames) + len(self._new)])
                end.how = item.how
                end.wishes.add("ends")
            else:
                events.append(event_of(item))
        self._new += self._view.take(parked)  # after the end of the message that was held back
        return events + parked

    def _untold(self, items: list[Frame | ReplyOf]) -> list[Frame | ReplyOf]:
        if self._last is not None:
            return [self._last]
        if self._retelling is None:
            return items
        try:
            return self._retelling.take(items, all_kept="parks" in self.log.end.wishes)
        except AnotherWayError as error:
            # Without the place in the code, which does not help.
            logger.error("A run cannot continue (%s): %s.", self.run, error)  # noqa: TRY400
            self.stop()
            return [_ANOTHER_WAY]

    def _show(self) -> None:
        """Pass the frames of a batch to readers: it is kept."""
        if self._new:
            self.frames += self._new
            self._wake_readers()

    def _wake_readers(self) -> None:
        for wake in tuple(self.readers):
            wake()

    def _ended(self) -> None:
        """Let go of it: the work of this process on it ends, or its log could not be written."""
        end = self.log.end
        self.stop()
        if not end.over:
            logger.error("A run cannot be recorded; it is stopped (%s): %s", self.run, self.log.error)
            return
        if end.state == "left" and "leaves" in end.wishes:  # readers reconnect to the next server
            self.context.shared(OpenResponses).end()
        if end.elsewhere:
            self.moved = True
            self._wake_readers()
        elif end.state == "lost":
            logger.error("Nor can the end of the run: %s", self.log.error)
            self._new = [_NOT_KEPT]
            self._show()
        self.closed.set_result(end.state != "lost")


class LiveFeed:
    """The kept frames of a run of this process, for one reader; all readers share one list.

    If the run goes on without this process, the rest comes from the journal.

    Args:
        live: the run.
        after: the position behind which it is read.
    """

    def __init__(self, live: LiveRun, after: int) -> None:
        self.context = live.context
        self._live = live
        self._position = max(after, 0)
        self._wake: Callable[[], None] | None = None
        self._rest: LogFeed | None = None

    @property
    def left(self) -> bool:
        """Whether all was read, and the next server goes on with the run; or the journal is away."""
        if self._rest is not None and self._rest.left:
            return True
        live = self._live
        return live.moved and server_ends(live.context) and self._position >= len(live.frames)

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
        taken = frames[position : position + BATCH]
        self._position += len(taken)
        if self._position >= len(frames) and self._live.moved and self._wake is not None and not self.left:
            self._rest = LogFeed(self._live.journal, self._live.run, self._position, self.context)
            self._rest.open(self._wake)
        if frames and position >= len(frames) and isinstance(frames[-1], RunEnded):
            # The reader is beyond the last frame, but has not seen it.
            return ((len(frames), frames[-1]),)
        return list(enumerate(taken, start=position + 1))

    def close(self) -> None:
        """Release the feed when the reader leaves."""
        if self._wake is not None:
            self._live.readers.discard(self._wake)
            self._wake = None
        if self._rest is not None:
            self._rest.close()
