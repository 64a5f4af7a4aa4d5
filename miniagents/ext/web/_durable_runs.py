"""Runs that continue in the next server after a crash: how they start again, and which frames clients get.

Such a run starts again from its beginning. The answers of its models and tools come from the journal, so it
replies the same as before, and then more. Clients have the first frames already and do not get them again,
except for the message during which the server crashed: it is withdrawn by a `Restart`, and streamed again.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from miniagents import InteractionContext, MiniAgent, miniagent
from miniagents.errors import MiniAgentsError
from miniagents.messages import Message, MessageSequencePromise
from miniagents.parts import File, Image, Part, Restart, content_of
from miniagents.runs import LoggedCalls, RunRequest

from ._frames import (
    Frame,
    FramePart,
    MessageBegan,
    MessageEnded,
    MessagePart,
    QuestionAnswered,
    QuestionAsked,
    RunEnded,
    RunParked,
    json_of,
)
from ._page_data import DataPart
from ._source import ReplyOf

Agent: TypeAlias = MiniAgent[Message, Message, ...]
"""Any agent that takes messages; what it needs of keywords, its run has."""

ANOTHER_WAY: Final = RunEnded(
    "lost",
    "After a restart of the server the agent answered differently than before; the rest is lost.",
)
"""The last frame of a run whose agent does not reply the same again."""


def ask_logged(
    agent: Agent,
    request: RunRequest,
    *,
    block: LoggedCalls,
) -> MessageSequencePromise[Message]:
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
        self._again: list[FramePart] = []  # parts of a message that clients have already
        self._begun = 0  # how many messages have begun again
        self._withdrawn = False  # whether the message during which the server crashed was withdrawn
        self._held: MessageEnded | None = None

    @property
    def known(self) -> int:
        """How many messages clients have got, also in parts."""
        return len(self._known)

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
            if frame.how == "finished" and self._begun < len(self._known):
                raise AnotherWayError("the run has ended with fewer messages than before")
            yield frame
        elif isinstance(frame, QuestionAsked | QuestionAnswered | RunParked | ReplyOf) or (
            frame.message >= len(self._known)
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
