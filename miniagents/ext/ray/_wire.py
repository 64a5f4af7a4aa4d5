"""What drivers and workers tell each other: commands that go to a worker, frames that come from one.

An id stands for one attempt of one call, so that what is told of two attempts can never be mixed up.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, TypeAlias

from miniagents.messages import Message
from miniagents.parts import Part, Usage

REPLIES: Final = -1
"""In the place of the number of a message: the sequence of all messages of a call."""


Outcome: TypeAlias = Literal["done", "failed", "cancelled", "abandoned"]
"""How a run ended; see `RunEnded`."""


class Call(NamedTuple):
    """Make a call.

    Attributes:
        id: of this attempt.
        messages: what the agent is sent.
        keywords: those of the call that the agent has not; pickled, empty for none.
        window: how many parts of a message may come before there is more credit; and how many messages.
        observed: whether the driver is told of the runs that it causes.
    """

    id: int
    messages: tuple[Message, ...]
    keywords: bytes
    window: int
    observed: bool = False


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
        whole: it, if it does not stream: nothing more of it comes.
    """

    id: int
    message: int
    kind: type[Message]
    data: Mapping[str, object]
    whole: Message | None = None


class Pieces(NamedTuple):
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
    """A message ends, or the replies do.

    Attributes:
        id: of the attempt.
        message: its number, or `REPLIES`.
        data: of the message, but what its parts say.
        error: why it is not complete.
    """

    id: int
    message: int
    data: Mapping[str, object]
    error: PackedError | None = None


class RunBegun(NamedTuple):
    """A run within a call has begun.

    Attributes:
        id: of the attempt.
        run: its number in the worker.
        parent: that of the run that began it; None for that of the call.
        alias: of its agent.
        kind: of it.
        keywords: with which it was called.
    """

    id: int
    run: int
    parent: int | None
    alias: str
    kind: Literal["agent", "model", "tool"]
    keywords: Mapping[str, object]


class RunCall(NamedTuple):
    """A run asks a provider.

    Attributes:
        id: of the attempt.
        run: its number in the worker.
        provider: which one.
        model: that is asked for.
        server: that is asked.
        stream: whether the answer comes in pieces.
    """

    id: int
    run: int
    provider: str
    model: str
    server: str
    stream: bool


class RunUsed(NamedTuple):
    """A run tells what an answer has cost until now.

    Attributes:
        id: of the attempt.
        run: its number in the worker.
        message: the number of the answer in the run.
        usage: the tokens.
        model: the name of the model, if that is known.
    """

    id: int
    run: int
    message: int
    usage: Usage
    model: str | None


class RunDone(NamedTuple):
    """A run has ended.

    Attributes:
        id: of the attempt.
        run: its number in the worker.
        outcome: how.
        error: why it failed.
    """

    id: int
    run: int
    outcome: Outcome
    error: PackedError | None


RunFrame: TypeAlias = RunBegun | RunCall | RunUsed | RunDone
Frame: TypeAlias = Began | Pieces | Ended | RunFrame


def data_of(message: Message) -> dict[str, object]:
    """What is known of a message, as its constructor takes it.

    Args:
        message: any.
    """
    known: dict[str, object] = dict(message)
    given = message.model_fields_set
    return {name: value for name, value in known.items() if value is not None or name in given}
