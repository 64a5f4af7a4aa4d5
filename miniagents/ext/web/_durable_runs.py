"""Runs that go on in the next server: how they are asked, and how they are told for the second time.

A run that goes on runs again from its begin. What its models and tools had answered is played from the
journal, so it says the same again as far as it had come, and then more. Clients have been told the first
part: of it they are told nothing again, but for the message in whose middle the server died. That is
withdrawn by a `Restart`, and streamed anew.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias, cast

from miniagents.agents import InteractionContext, MiniAgent, Stage, miniagent
from miniagents.core import Message, MessageSequencePromise
from miniagents.models import RunRequest, RunStore, durable
from miniagents.values import Attachment, MiniAgentsError, Part, PartValue, Restart, content_of

from ._frames import Frame, MessageBegan, MessageEnded, MessagePart, RunEnded, json_of
from ._page_data import DataPart

__all__ = ["ANOTHER_WAY", "Agent", "AnotherWayError", "Retelling", "ask_durably"]

Agent: TypeAlias = Stage[Message, Message]
"""What can be talked to: any agent that takes messages and needs no keywords."""

ANOTHER_WAY: Final = RunEnded(
    "lost",
    "After a restart of the server the agent said something else than before; what is missing is lost.",
)
"""What ends a run whose agent does not say again what it had said."""


def ask_durably(
    agent: Agent, request: RunRequest, *, run: str, store: RunStore
) -> MessageSequencePromise[Message]:
    """Ask an agent in a block in which what models and tools answer is kept, and played if it is there.

    Args:
        agent: who is asked.
        request: what.
        run: the id of the run.
        store: keeps the calls.
    """

    @miniagent(alias=agent.alias)
    async def in_a_block(ctx: InteractionContext) -> None:
        async with durable(store, run_id=run, version=request.version):
            any_agent = cast("MiniAgent[Message, Message, ...]", agent)
            replies = any_agent.inquire(ctx.messages, **request.keywords)
            ctx.reply(replies)
            await replies  # what fails ends the block as it ends the run

    return in_a_block.inquire(request.messages)


def _content(parts: Sequence[str | PartValue]) -> list[bytes]:
    """What a message says, however it was cut into parts, and whether it has been through JSON or not."""
    whole = (Attachment, DataPart)
    said = content_of(cast("Part", each) for each in parts if not isinstance(each, whole))
    shown = [each for each in parts if isinstance(each, whole)]
    return [json_of(MessagePart(0, each).as_data()) for each in (*said, *shown)]


class AnotherWayError(MiniAgentsError):
    """A run that goes on does not say what it had said.

    Example:
        >>> raise AnotherWayError("message 0 is another one than before")
        Traceback (most recent call last):
            ...
        miniagents...AnotherWayError: message 0 is another one than before
    """


@dataclass(slots=True)
class _ToldMessage:
    """A message as far as clients have been told of it."""

    role: str
    parts: list[str | PartValue] = field(default_factory=list[str | PartValue])
    ended: bool = False


class Retelling:
    """Takes the frames of a run that runs again, and returns those that clients have not been told.

    The end of a message is held back until something follows: its call may not be kept yet, and if the
    server died now, it would be made again and answered otherwise.

    Args:
        told: the frames that clients have been told; empty for a run that runs for the first time.

    Example:
        >>> told = [MessageBegan(0, "assistant"), MessagePart(0, "Hel"), MessagePart(0, "lo")]
        >>> for frame in Retelling(told).take([MessageBegan(0, "assistant"), MessagePart(0, "Hi")]):
        ...     print(frame)
        MessagePart(message=0, part=Restart(reason=''))
        MessagePart(message=0, part='Hi')
    """

    def __init__(self, told: Sequence[Frame] = ()) -> None:
        self._told: list[_ToldMessage] = []
        for frame in told:
            match frame:
                case MessageBegan(role=role):
                    self._told.append(_ToldMessage(role))
                case MessagePart(number, part):
                    self._told[number].parts.append(part)
                case MessageEnded(number):
                    self._told[number].ended = True
                case RunEnded():
                    pass
        self._again: list[str | PartValue] = []  # of a message that is not told again
        self._came = 0  # how many messages have begun again
        self._withdrawn = False  # what was told of the message in the middle of which the server died
        self._held: MessageEnded | None = None

    def take(self, frames: Sequence[Frame]) -> list[Frame]:
        """Return what clients are to be told now.

        Args:
            frames: the next ones of the run.

        Raises:
            AnotherWayError: a message that clients have been told to its end is another one now.
        """
        new = [] if self._held is None else [cast("Frame", self._held)]
        self._held = None
        for frame in frames:
            new.extend(self._new(frame))
        if new and isinstance(new[-1], MessageEnded):
            self._held = new[-1]
            new.pop()
        return new

    def _new(self, frame: Frame) -> Iterator[Frame]:
        if isinstance(frame, RunEnded):
            if frame.how == "finished" and self._came < len(self._told):
                raise AnotherWayError("the run has ended, and said less than before")
            yield frame
        elif frame.message >= len(self._told):
            yield frame
        else:
            told = self._told[frame.message]
            if isinstance(frame, MessageBegan):
                if frame.role != told.role:
                    raise AnotherWayError(f"message {frame.message} is one of {frame.role}")
                self._again.clear()
                self._came = frame.message + 1
            elif told.ended:
                self._compare(told, frame)
            else:
                if told.parts and not self._withdrawn:
                    yield MessagePart(frame.message, Restart())
                self._withdrawn = True
                yield frame

    def _compare(self, told: _ToldMessage, frame: MessagePart | MessageEnded) -> None:
        """Take what clients have been told already."""
        if isinstance(frame, MessagePart):
            self._again.append(frame.part)
        elif _content(self._again) != _content(told.parts):
            raise AnotherWayError(f"message {frame.message} is another one than before")
