"""What drivers and workers tell each other: commands that go to a worker, frames that come from one.

An id stands for one attempt of one call, so that what is told of two attempts can never be mixed up.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple, TypeAlias

from miniagents.core import Message
from miniagents.values import Part

__all__ = [
    "REPLIES",
    "Began",
    "Call",
    "Came",
    "Command",
    "Credit",
    "Ended",
    "Failed",
    "Frame",
    "Leave",
    "PackedError",
    "Whole",
    "data_of",
]

REPLIES: Final = -1
"""In the place of the number of a message: the sequence of all messages of a call."""


class Call(NamedTuple):
    """Make a call.

    Attributes:
        id: of this attempt.
        messages: what the agent is sent.
        keywords: those of the call that the agent has not; pickled, empty for none.
        window: how many parts of a message may come before there is more credit; and how many messages.
    """

    id: int
    messages: tuple[Message, ...]
    keywords: bytes
    window: int


class Credit(NamedTuple):
    """More parts of a message may come, or more messages.

    Attributes:
        id: of the attempt.
        message: which message of it, or `REPLIES`.
        until: how many may come in all.
    """

    id: int
    message: int
    until: int


class Leave(NamedTuple):
    """Nobody reads a message any more, or the replies.

    Attributes:
        id: of the attempt.
        message: which message of it, or `REPLIES`.
    """

    id: int
    message: int


Command: TypeAlias = Call | Credit | Leave


class PackedError(NamedTuple):
    """An error on its way.

    Attributes:
        pickled: it, if it can be pickled and comes out of that as it was; else empty.
        sentence: its class and its text.
        trace: where it was raised.
    """

    pickled: bytes
    sentence: str
    trace: str


class Began(NamedTuple):
    """A message begins.

    Attributes:
        id: of the attempt.
        message: its number.
        kind: its class.
        data: what is known of it already.
    """

    id: int
    message: int
    kind: type[Message]
    data: Mapping[str, object]


class Whole(NamedTuple):
    """A message that does not stream.

    Attributes:
        id: of the attempt.
        message: its number.
        value: it.
    """

    id: int
    message: int
    value: Message


class Came(NamedTuple):
    """Parts of a message.

    Attributes:
        id: of the attempt.
        message: its number.
        position: how many parts had come before.
        parts: what has come; the worker adds to it until it is sent.
    """

    id: int
    message: int
    position: int
    parts: list[Part]


class Ended(NamedTuple):
    """A message is complete, or the replies are.

    Attributes:
        id: of the attempt.
        message: its number, or `REPLIES`.
        data: of the message, but what its parts say.
    """

    id: int
    message: int
    data: Mapping[str, object]


class Failed(NamedTuple):
    """A message ends with an error, or the replies do.

    Attributes:
        id: of the attempt.
        message: its number, or `REPLIES`.
        error: why.
    """

    id: int
    message: int
    error: PackedError


Frame: TypeAlias = Began | Whole | Came | Ended | Failed


def data_of(message: Message) -> dict[str, object]:
    """What is known of a message, as its constructor takes it.

    Args:
        message: any.
    """
    known: dict[str, object] = dict(message)
    given = message.model_fields_set
    return {name: value for name, value in known.items() if value is not None or name in given}
