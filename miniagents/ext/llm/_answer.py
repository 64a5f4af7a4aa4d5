"""Converts the decoded events of an answer to the parts that a reader gets, and to the data of the message.

The `Decode` of a provider returns the meaning of one event. `AnswerAssembler` takes the events of one answer
in order. It decides when the answer is complete, whether a part of it is missing, and what the reader gets.
This is the same for all providers.

**The rule for all providers:** an answer is refused only if accepting it could lose a text, a call, the order
or the end, or make it wrong. If a server deviates from the protocol, its answer is accepted if it can have
only one meaning. What is neither text nor a call nor an end is ignored.

The arguments of a call are text of the model, and go into the message as they came, JSON or not. They are
checked when the tool is called: if they do not fit, the tool is not called, and the model is sent the reason
(`miniagents.models`). A call without the name of a tool is refused, since the name was lost.
"""

import re
from collections.abc import Callable, Iterable, MutableMapping
from dataclasses import dataclass, fields, replace
from typing import Final, TypeAlias

from miniagents.values import (
    Citation,
    File,
    Finish,
    Image,
    Part,
    Reasoning,
    Refusal,
    ServerToolCall,
    ServerToolResult,
    ToolCallDelta,
    Usage,
)

from ._json import ProviderError, SurrogateJoiner, WireError, encodable
from ._opaque import Origin, made_id
from ._sse import ServerEvent


@dataclass(frozen=True, slots=True)
class Identity:
    """The id of an answer, and the model that gives it.

    Attributes:
        response_id: the id of the answer, from the provider.
        model: the name of the model, from the provider.

    Example:
        >>> Identity("chat-1", "gpt-x").model
        'gpt-x'
    """

    response_id: str | None
    model: str | None


@dataclass(frozen=True, slots=True)
class Progress:
    """A sign that the model is working, without any part for the reader.

    Example:
        >>> Progress()
        Progress()
    """


@dataclass(frozen=True, slots=True)
class Count:
    """The usage that the provider has reported so far; numbers that are None have not changed.

    Attributes:
        usage: the numbers.
        final: True if these are the last numbers.

    Example:
        >>> from miniagents import Usage
        >>> Count(Usage(7, 3)).final
        True
    """

    usage: Usage
    final: bool = True


@dataclass(frozen=True, slots=True)
class Reason:
    """A finish reason after which the answer may continue; after a `Finish` it never does.

    Some servers write a finish reason into each event, also the first one. So pieces after it still belong to
    the answer, and the last reason is the finish reason of the message.

    Attributes:
        reason: as the server sends it.

    Example:
        >>> Reason("stop").reason
        'stop'
    """

    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """The end marker of an answer, if the protocol has one that is not the finish reason; no part follows.

    Example:
        >>> End()
        End()
    """


Decoded: TypeAlias = Part | Identity | Progress | Count | Reason | End | ProviderError
"""Anything that an event of a provider can mean; an error ends the answer behind the parts before it."""

Decode: TypeAlias = Callable[[ServerEvent], Iterable[Decoded]]
"""Decodes one event, without I/O; it raises `WireError` and `ProviderError`."""

# Finish reasons of servers that could not finish ("network_error", "insufficient_system_resource", "abort").
_FAILURE: Final = re.compile(
    r"error|fail|abort|cancel|exception|time_?d?_?out|unavailable|overload|insufficient|interrupt|disconnect|"
    r"malformed|crash",
    re.IGNORECASE,
)


def is_failure(reason: str) -> bool:
    """Return whether the words of a finish reason say that the server could not finish the answer."""
    return _FAILURE.search(reason) is not None


_COUNTS: Final = tuple(each.name for each in fields(Usage) if each.name != "kind")


class AnswerAssembler:
    """Takes the events of one answer, in order, and returns their parts.

    Args:
        decode: decodes one event.
        metadata: gets the data of the message: `model` and `response_id`.
        origin: the server of the answer.
        prompt: that is answered; each of its answers can give other ids to calls that have none.
        needs_finish: True: an answer is complete only with a finish reason. False: the end marker of the
            protocol, or the last count of tokens, is enough.

    Attributes:
        failure: the error that ended the answer, behind its last parts; None if there is none.
        finished: whether the answer is complete, even if the connection breaks now.
        may_go_on: whether the finish reason came with the first piece, so that more pieces may follow.
        finish_reason: the last finish reason of the model.
        refused: whether the model has refused to answer.
        usage_known: whether the provider has reported its last numbers of tokens.
        progressed: whether the last event had a part of the answer.
    """

    def __init__(
        self,
        decode: Decode,
        metadata: MutableMapping[str, object],
        *,
        origin: Origin = Origin("", ""),  # noqa: B008 - it is frozen
        prompt: str = "",
        needs_finish: bool = True,
    ) -> None:
        self._decode = decode
        self._origin = origin
        self._prompt = prompt
        self._metadata = metadata
        self._needs_finish = needs_finish
        self._joiner = SurrogateJoiner()
        self._thoughts = SurrogateJoiner()
        self._usage = Usage()
        self._calls: dict[int, _ToolCall] = {}
        self._begun = False  # an earlier event had a part of the answer
        self._behind_reason = False  # the present event comes after a finish reason
        self._ended = False  # events that come now do not belong to the answer
        self._reason_is_last = False  # no piece has come after the finish reason
        self._resumed = False  # pieces came after a finish reason, so it does not mark the end
        self._told = ""  # the finish reason that the reader has got
        self.failure: ProviderError | None = None
        self.finished = False
        self.may_go_on = False
        self.finish_reason = ""
        self.refused = False
        self.usage_known = False
        self.progressed = False

    def take(self, event: ServerEvent) -> list[Part]:
        """Return the parts of an event for the reader; none of them is empty.

        Raises:
            WireError: the event does not fit the protocol of the provider.
            ProviderError: the event is an error.
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
                    # Nearly all text needs no joining, so the call is avoided.
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
        """Take an event after a finish reason, and note whether it continues the answer."""
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
        """Return the halves of characters that were held back, when no event comes any more."""
        text = self._joiner.rest()
        rest: list[Part] = [text] if text else []
        for index, call in self._calls.items():
            if arguments := call.rest():
                rest.append(ToolCallDelta(index, arguments=arguments))
        return rest

    def conclude(self) -> list[Part]:
        """Return the finish reason if the reader has not got it, when no event comes any more.

        Raises:
            WireError: a call has no name.
        """
        if not Finish(self.finish_reason).cut and not all(call.name for call in self._calls.values()):
            raise WireError("a call names no tool, so a part of it is missing")
        return self._untold()

    @property
    def complete(self) -> bool:
        """Whether the answer is complete if the body ends here without an error."""
        if self.finished or self._reason_is_last:
            return True
        return self.usage_known and not self._needs_finish

    def _other(self, part: Part | Progress | Reason | End | ProviderError, out: list[Part]) -> None:
        """Take a part that is not text."""
        match part:
            case ProviderError():
                self._ended, self.failure = True, part
            case Progress():
                self.progressed = True
            case Reason() | Finish() | End():
                self._mark(part, out)
            case Reasoning():
                self.progressed = self.progressed or bool(part.text or part.signature)
                out.append(replace(self._origin.mark(part), text=self._thoughts.feed(part.text)))
            case Refusal(text):
                self.refused = True
                self.progressed = self.progressed or bool(text)
                if whole := self._joiner.feed(text):
                    out.append(Refusal(whole))
            case ToolCallDelta():
                self.progressed = True
                if part.index not in self._calls:
                    self._calls[part.index] = _ToolCall()
                    part = part if part.id else replace(part, id=self._made_id(part.index))
                out.append(self._origin.mark(self._calls[part.index].take(part)))
            case Usage():
                self._count(Count(part), out)
            case _:
                out.append(self._whole(part))

    def _whole(self, part: Part) -> Part:
        """Take a part that comes as a whole."""
        match part:
            case Citation():
                return self._origin.mark(replace(part, text=encodable(part.text)))
            case ServerToolCall():
                part = self._origin.mark(replace(part, arguments=encodable(part.arguments)))
            case ServerToolResult():
                part = self._origin.mark(replace(part, content=encodable(part.content)))
            case Image() | File():
                pass
            case _:
                return part
        self.progressed = True
        return part

    def _made_id(self, index: int) -> str:
        """Return an id for a call that the server gives none: the result of a call must have one."""
        return made_id(self._prompt, str(self._metadata.get("response_id", "")), str(index))

    def _mark(self, mark: Reason | Finish | End, out: list[Part]) -> None:
        """Take a finish reason or an end marker."""
        if not isinstance(mark, End) and is_failure(mark.reason):
            self._other(ProviderError(mark.reason, "the answer is not complete"), out)
            return
        self._ended = not isinstance(mark, Reason)
        if isinstance(mark, End):
            self.usage_known = True  # no more numbers will come
        else:
            # A reason that comes with the first piece, or with pieces after another reason, may be in each
            # event.
            resumes = self._resumed or (bool(self.finish_reason) and self.progressed)
            self.may_go_on = self.may_go_on or not (self.finish_reason or self._begun)
            self.finish_reason = mark.reason
            self._reason_is_last = True
            if self._ended or not (resumes or self.may_go_on):
                out += self._untold()
        self._settle()

    def _untold(self) -> list[Part]:
        """Return the finish reason, if there is one that the reader has not got."""
        if self._told == self.finish_reason:
            return []
        self._told = self.finish_reason
        return [Finish(self.finish_reason)]

    def _settle(self) -> None:
        """Decide whether the answer is complete."""
        if self._ended:
            self.finished = bool(self.finish_reason) or not self._needs_finish
            self.may_go_on = False
        else:
            self.finished = self._reason_is_last and not self._resumed

    def _identify(self, identity: Identity) -> None:
        """Note the id and the model, as data of the message."""
        if identity.response_id:
            self._metadata["response_id"] = identity.response_id
        if identity.model:
            self._metadata["model"] = identity.model

    def _count(self, count: Count, out: list[Part]) -> None:
        """Take the counts of tokens, and give them to the reader if they have changed."""
        # The last number of each kind counts: providers repeat the numbers, and increase them.
        new = {name: number for name in _COUNTS if (number := getattr(count.usage, name)) is not None}
        usage = replace(self._usage, **new)
        if usage != self._usage:
            self._usage = usage
            out.append(usage)
        self.usage_known = count.final


class _ToolCall:
    """The pieces of one tool call of the model."""

    def __init__(self) -> None:
        self.name = ""
        self._arguments = SurrogateJoiner()

    def take(self, piece: ToolCallDelta) -> ToolCallDelta:
        """Return a piece without halves of characters."""
        self.name = self.name or piece.name or ""
        arguments = self._arguments.feed(piece.arguments)
        return piece if arguments == piece.arguments else replace(piece, arguments=arguments)

    def rest(self) -> str:
        """Return the half of a character in the arguments that is still held back."""
        return self._arguments.rest()
