"""From what the events of an answer mean to the parts that a reader sees, and to the data of the message.

A provider's `Decode` says what one event means. `AnswerAssembler` takes the events of one answer in order: it
decides when the answer is complete, whether what came is whole, and what goes on to the reader. That is the
same for all providers.
"""

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias

from pydantic_core import from_json

from miniagents.values import Citation, Finish, Part, Reasoning, Refusal, ToolCallDelta, Usage

from ._json import SurrogateJoiner, WireError, encodable
from ._sse import ServerEvent

__all__ = ["AnswerAssembler", "Count", "Decode", "Decoded", "Identity", "Progress"]


@dataclass(frozen=True, slots=True)
class Identity:
    """Who answers.

    Attributes:
        response_id: the provider's id of the answer.
        model: the model that it says it is.

    Example:
        >>> Identity("chat-1", "gpt-x").model
        'gpt-x'
    """

    response_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """The model works, but nothing came that a reader could see.

    Example:
        >>> Progress()
        Progress()
    """


@dataclass(frozen=True, slots=True)
class Count:
    """Tokens counted by the provider so far; what it leaves out is as it was.

    Attributes:
        usage: the numbers.
        final: no further ones will come.

    Example:
        >>> from miniagents import Usage
        >>> Count(Usage(7, 3)).final
        True
    """

    usage: Usage
    final: bool = True


Decoded: TypeAlias = Part | Identity | Progress | Count
"""Anything that an event of the wire can mean."""

Decode: TypeAlias = Callable[[ServerEvent], Iterable[Decoded]]
"""What becomes of one event; it does no I/O, and raises `WireError` and `ProviderError`."""


_COUNTS: Final = tuple(each.name for each in fields(Usage) if each.name != "kind")


class AnswerAssembler:
    """Takes the events of one answer, in order.

    Args:
        decode: what becomes of one event.
        metadata: where the data of the message goes: `model` and `response_id`.

    Attributes:
        finished: whether the terminal marker has come. What comes after it is not text any more.
        finish_reason: what the marker said.
        refused: whether the model refused.
        usage_known: whether the provider has told its last numbers.
        progressed: whether the last event brought the answer forward.
    """

    __slots__ = (
        "_calls",
        "_decode",
        "_joiner",
        "_metadata",
        "_thoughts",
        "_usage",
        "finish_reason",
        "finished",
        "progressed",
        "refused",
        "usage_known",
    )

    def __init__(self, decode: Decode, metadata: MutableMapping[str, object]) -> None:
        self._decode = decode
        self._metadata = metadata
        self._joiner = SurrogateJoiner()
        self._thoughts = SurrogateJoiner()
        self._usage = Usage()
        self._calls: dict[int, _ToolCall] = {}
        self.finished = False
        self.finish_reason = ""
        self.refused = False
        self.usage_known = False
        self.progressed = False

    def take(self, event: ServerEvent) -> list[Part]:
        """Return the parts that an event brings to the reader; none of them is empty.

        Raises:
            WireError: if the event is not what the provider's protocol says.
            ProviderError: if the event is an error.
        """
        out: list[Part] = []
        ended = self.finished
        self.progressed = False
        for part in self._decode(event):
            if type(part) is str:
                if part and not ended:
                    self.progressed = True
                    # Nearly all text needs no joining, and is not worth a call.
                    whole = part if part.isascii() and not self._joiner.held else self._joiner.feed(part)
                    if whole:
                        out.append(whole)
            elif isinstance(part, Count):
                self._count(part, out)
            elif isinstance(part, Identity):
                self._identify(part)
            elif isinstance(part, Progress):
                self.progressed = True
            elif not ended:
                self._other(part, out)
        return out

    def rest(self) -> str:
        """Return the text that was held back, when no event comes any more."""
        return self._joiner.rest()

    def _other(self, part: Part, out: list[Part]) -> None:
        """Take a part that is more than text."""
        match part:
            case Reasoning():
                self.progressed = self.progressed or bool(part.text or part.signature)
                out.append(replace(part, text=self._thoughts.feed(part.text)))
            case Refusal(text):
                self.refused = True
                self.progressed = self.progressed or bool(text)
                if whole := self._joiner.feed(text):
                    out.append(Refusal(whole))
            case ToolCallDelta():
                self.progressed = True
                self._calls.setdefault(part.index, _ToolCall()).take(part)
                out.append(part)
            case Citation():
                out.append(replace(part, text=encodable(part.text)))
            case Usage():
                self._count(Count(part), out)
            case Finish():
                self._finish(part)
                out.append(part)
            case _:
                out.append(part)

    def _finish(self, finish: Finish) -> None:
        """Take the terminal marker."""
        if not finish.cut:
            for call in self._calls.values():
                call.check()  # first: once it has finished, nothing can be wrong any more
        self.finished = True
        self.finish_reason = finish.reason

    def _identify(self, identity: Identity) -> None:
        """Note who answers, as data of the message."""
        if identity.response_id:
            self._metadata["response_id"] = identity.response_id
        if identity.model:
            self._metadata["model"] = identity.model

    def _count(self, count: Count, out: list[Part]) -> None:
        """Take the counts of tokens, and tell the reader when they changed."""
        # The last number of each kind holds: providers repeat them, and count up.
        new = {name: number for name in _COUNTS if (number := getattr(count.usage, name)) is not None}
        usage = replace(self._usage, **new)
        if usage != self._usage:
            self._usage = usage
            out.append(usage)
        self.usage_known = count.final


class _ToolCall:
    """The pieces of one call of a tool that the model makes."""

    __slots__ = ("_arguments", "_name")

    def __init__(self) -> None:
        self._name = ""
        self._arguments: list[str] = []

    def take(self, piece: ToolCallDelta) -> None:
        """Add a piece."""
        self._name = self._name or piece.name or ""
        self._arguments.append(piece.arguments)

    def check(self) -> None:
        """See whether the arguments are whole; no arguments at all are none."""
        arguments = "".join(self._arguments)
        try:
            if arguments.strip():
                from_json(arguments)
        except ValueError:
            raise WireError(f"the arguments of a call of the tool {self._name!r} are no whole JSON") from None
