"""From what the events of an answer mean to the parts that a reader sees, and to the data of the message.

A provider's `Decode` says what one event means. `AnswerAssembler` takes the events of one answer in order: it
decides when the answer is complete, whether what came is whole, and what goes on to the reader. That is the
same for all providers.

**The rule, for all of them:** an answer is refused only if text, a call, an order or an end could be lost or
wrong by accepting it. What a server says in its own way is understood where it can mean one thing only, and
passed over where it is neither text nor a call nor an end.

The arguments of a call are the model's own text, and go into the message as they came, JSON or not. Whether
they can be used is seen where the call would be made: a call whose arguments cannot be used is not made, and
the model is told (`miniagents.models`). A call of no tool at all is refused: its name was lost.
"""

from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias

from miniagents.values import Citation, Finish, Part, Reasoning, Refusal, ToolCallDelta, Usage

from ._json import SurrogateJoiner, WireError, encodable
from ._sse import ServerEvent

__all__ = ["AnswerAssembler", "Count", "Decode", "Decoded", "End", "Identity", "Progress", "Reason"]


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


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the model stopped, where the answer may go on nevertheless; behind a `Finish` it never does.

    Some servers write a reason into every event, the first one included. So pieces that follow are pieces,
    and the last reason is the one of the message.

    Attributes:
        reason: in the server's own word.

    Example:
        >>> Reason("stop").reason
        'stop'
    """

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """The wire's own mark behind an answer, where it has one that is not the reason; nothing follows.

    Example:
        >>> End()
        End()
    """


Decoded: TypeAlias = Part | Identity | Progress | Count | Reason | End
"""Anything that an event of the wire can mean."""

Decode: TypeAlias = Callable[[ServerEvent], Iterable[Decoded]]
"""What becomes of one event; it does no I/O, and raises `WireError` and `ProviderError`."""


_COUNTS: Final = tuple(each.name for each in fields(Usage) if each.name != "kind")


class AnswerAssembler:
    """Takes the events of one answer, in order.

    Args:
        decode: what becomes of one event.
        metadata: where the data of the message goes: `model` and `response_id`.
        needs_finish: whether only a reason makes an answer complete; else the wire's own end marker does, or
            the last count of tokens.

    Attributes:
        finished: whether the answer is complete, whatever the connection does now.
        may_go_on: whether the reason came with the first piece: then others may follow, as late as pieces do.
        finish_reason: what the model last gave as its reason.
        refused: whether the model refused.
        usage_known: whether the provider has told its last numbers.
        progressed: whether the last event brought the answer forward.
    """

    __slots__ = (
        "_begun",
        "_behind_reason",
        "_calls",
        "_decode",
        "_ended",
        "_joiner",
        "_metadata",
        "_needs_finish",
        "_reason_is_last",
        "_resumed",
        "_thoughts",
        "_told",
        "_usage",
        "finish_reason",
        "finished",
        "may_go_on",
        "progressed",
        "refused",
        "usage_known",
    )

    def __init__(
        self, decode: Decode, metadata: MutableMapping[str, object], *, needs_finish: bool = True
    ) -> None:
        self._decode = decode
        self._metadata = metadata
        self._needs_finish = needs_finish
        self._joiner = SurrogateJoiner()
        self._thoughts = SurrogateJoiner()
        self._usage = Usage()
        self._calls: dict[int, _ToolCall] = {}
        self._begun = False  # an event before this one brought the answer forward
        self._behind_reason = False  # the event that is taken comes after a reason
        self._ended = False  # nothing that comes now belongs to the answer
        self._reason_is_last = False  # no piece came after the reason
        self._resumed = False  # pieces came after a reason, so a reason does not mean that the answer ends
        self._told = ""  # the reason that the reader knows
        self.finished = False
        self.may_go_on = False
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
        if self.finish_reason and not self._behind_reason:
            return self._take_behind_reason(event)
        out: list[Part] = []
        ended = self._ended
        if self.progressed:
            self._begun = True
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
            elif not ended:
                self._other(part, out)
        return out

    def _take_behind_reason(self, event: ServerEvent) -> list[Part]:
        """Take an event that comes after a reason, and see whether it goes on with the answer."""
        was_last, self._reason_is_last = self._reason_is_last, False
        self._behind_reason = True
        try:
            parts = self.take(event)
        finally:
            self._behind_reason = False
        if self.progressed:
            self._resumed, self._told = True, ""
        else:
            self._reason_is_last = self._reason_is_last or was_last
            if self.may_go_on and self.usage_known:
                self.may_go_on = False
                parts = [*self._untold(), *parts]
        self._settle()
        return parts

    def rest(self) -> list[Part]:
        """Return what was held back, when no event comes any more: halves of characters."""
        text = self._joiner.rest()
        rest: list[Part] = [text] if text else []
        for index, call in self._calls.items():
            if arguments := call.rest():
                rest.append(ToolCallDelta(index, arguments=arguments))
        return rest

    def conclude(self) -> list[Part]:
        """Return the reason, if the reader has not been told yet, when no event comes any more.

        Raises:
            WireError: a call has no name.
        """
        if not Finish(self.finish_reason).cut and not all(call.name for call in self._calls.values()):
            raise WireError("a call names no tool, so a part of it is missing")
        return self._untold()

    @property
    def complete(self) -> bool:
        """Whether a body that ends here in an orderly way has been a complete answer."""
        if self.finished or self._reason_is_last:
            return True
        return self.usage_known and not self._needs_finish

    def _other(self, part: Part | Progress | Reason | End, out: list[Part]) -> None:
        """Take a part that is more than text."""
        match part:
            case Progress():
                self.progressed = True
            case Reason() | Finish() | End():
                self._mark(part, out)
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
                out.append(self._calls.setdefault(part.index, _ToolCall()).take(part))
            case Citation():
                out.append(replace(part, text=encodable(part.text)))
            case Usage():
                self._count(Count(part), out)
            case _:
                out.append(part)

    def _mark(self, mark: Reason | Finish | End, out: list[Part]) -> None:
        """Take what says that the model stopped, or that the answer has ended."""
        self._ended = not isinstance(mark, Reason)
        if isinstance(mark, End):
            self.usage_known = True  # what has not been counted now is not
        else:
            # One that comes with the first piece, or with pieces behind another one, may stand in each event.
            resumes = self._resumed or (bool(self.finish_reason) and self.progressed)
            self.may_go_on = self.may_go_on or not (self.finish_reason or self._begun)
            self.finish_reason = mark.reason
            self._reason_is_last = True
            if self._ended or not (resumes or self.may_go_on):
                out += self._untold()
        self._settle()

    def _untold(self) -> list[Part]:
        """Return the reason, if there is one that the reader does not know."""
        if self._told == self.finish_reason:
            return []
        self._told = self.finish_reason
        return [Finish(self.finish_reason)]

    def _settle(self) -> None:
        """See whether the answer is complete."""
        if self._ended:
            self.finished = bool(self.finish_reason) or not self._needs_finish
            self.may_go_on = False
        else:
            self.finished = self._reason_is_last and not self._resumed

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

    __slots__ = ("_arguments", "name")

    def __init__(self) -> None:
        self.name = ""
        self._arguments = SurrogateJoiner()

    def take(self, piece: ToolCallDelta) -> ToolCallDelta:
        """Return a piece without halves of characters."""
        self.name = self.name or piece.name or ""
        arguments = self._arguments.feed(piece.arguments)
        return piece if arguments == piece.arguments else replace(piece, arguments=arguments)

    def rest(self) -> str:
        """Return what is still held back of the arguments."""
        return self._arguments.rest()
