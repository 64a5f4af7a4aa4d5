"""Turns: a response ends where its run waits for approvals, which the next request of the client has."""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from miniagents.parts import AgentPart, Restart, ToolCall, ToolCallDelta, ToolResult
from miniagents.streams import PromisingContext

from ._feeds import Feed
from ._frames import (
    BATCH,
    STOPPED,
    Frame,
    MessageBegan,
    MessagePart,
    Positioned,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
)

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
        self.resumable: bool = feed.resumable
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

    def cut(self) -> None:
        """End an attached run now."""
        self._feed.cut()

    def close(self) -> None:
        """Release the feed."""
        self._feed.close()
        on_left, self._on_left = self._on_left, None
        if on_left is not None:
            self._stopped = True
            on_left()
            if self._wake is not None:
                self._wake()
