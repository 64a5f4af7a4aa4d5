"""What streams out of a model: text as plain `str`, everything else as a small frozen value.

**A part is a piece.** Pieces of one `index` belong together; `content_of` puts them together, and that is
what the finished message keeps. Each such value is a slotted frozen dataclass of plain data, so it can stand
in a message, has a hash key, and goes through JSON with its `kind`.
"""

from collections.abc import Callable
from dataclasses import field, fields
from typing import ClassVar, Final, Literal, TypeAlias, cast

from pydantic import ConfigDict
from typing_extensions import override

from ._freeze import DataPath, FrozenValue, depth_of
from ._hash_key import HashWalk, class_name_of
from ._lazy_dataclass import lazy_dataclass

__all__ = [
    "AgentPart",
    "Citation",
    "Finish",
    "Part",
    "PartValue",
    "RateLimit",
    "Reasoning",
    "Refusal",
    "ResponseHeaders",
    "Restart",
    "Retry",
    "ToolCallDelta",
    "ToolResult",
    "Usage",
]


class PartValue(FrozenValue):
    """A frozen dataclass that may stand in a message.

    Example:
        >>> from miniagents.values import Finish
        >>> isinstance(Finish("stop"), PartValue)
        True
    """

    __slots__ = ()
    # As a declared field of a message: that one's `extra="allow"` is not for what has slots.
    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(
        extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )

    def as_data(self) -> dict[str, object]:
        """Return the fields by name, those of their default included.

        Example:
            >>> from miniagents import Finish
            >>> Finish("stop").as_data()
            {'reason': 'stop', 'kind': 'finish'}
        """
        return {each.name: getattr(self, each.name) for each in fields(self)}  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # its subclasses are dataclasses

    @override
    def __frozen_depth__(self) -> int:
        return 1 + max(map(depth_of, self.as_data().values()), default=0)

    @override
    def __hash_key_of__(self, path: DataPath) -> tuple[str, bool]:
        walk = HashWalk()
        data = {
            name: value for name, value in self.as_data().items() if value is not None or name not in _NEW
        }
        return walk.key(class_name_of(type(self)), data, path), walk.lasting


# Fields that were not there when users stored the first keys: one that is None is left out of the key.
_NEW: Final = frozenset({"cache_write_tokens"})


@lazy_dataclass(frozen=True, slots=True)
class Reasoning(PartValue):
    """What a model thinks before and while it answers; a piece in a stream, a whole block in a message.

    Attributes:
        text: the thought, or what the provider shows of it.
        signature: what the provider wants back unchanged in a later turn: a signature, or the encrypted
            thought itself.
        id: the provider's name of the block.
        index: which block of the answer this is, so that pieces can be put together.
        redacted: the provider hides the text; only the signature tells.
        kind: which part this is, for JSON.

    Example:
        >>> Reasoning("The user wants a poem.")
        Reasoning(text='The user wants a poem.', signature=None, id=None, index=0, redacted=False)
    """

    text: str = ""
    signature: str | None = None
    id: str | None = None
    index: int = 0
    redacted: bool = False
    kind: Literal["reasoning"] = field(default="reasoning", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class Refusal(PartValue):
    """A piece of the text with which a model refuses; readers of tokens are shown it like any text.

    Attributes:
        text: what it says, or a piece of it.
        kind: which part this is, for JSON.

    Example:
        >>> Refusal("I cannot help with that.").text
        'I cannot help with that.'
    """

    text: str
    kind: Literal["refusal"] = field(default="refusal", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class ToolCallDelta(PartValue):
    """A piece of a call of a tool.

    Attributes:
        index: which call of the answer this is.
        id: the provider's name of the call; on the first piece, None afterwards.
        name: the name of the tool; on the first piece, None afterwards.
        arguments: a fragment of the JSON of the arguments.
        item_id: the provider's name of the item around the call, where it has one.
        kind: which part this is, for JSON.

    Example:
        >>> ToolCallDelta(0, arguments='{"city":').arguments
        '{"city":'
    """

    index: int = 0
    id: str | None = None
    name: str | None = None
    arguments: str = ""
    item_id: str | None = None
    kind: Literal["tool_call_delta"] = field(default="tool_call_delta", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class ToolResult(PartValue):
    """What a tool said to a call.

    Attributes:
        call_id: the id of the call.
        content: what the model is told.
        is_error: it is the text of an error.
        name: the name of the tool.
        kind: which part this is, for JSON.

    Example:
        >>> ToolResult("call-1", "12 °C").content
        '12 °C'
    """

    call_id: str
    content: str
    is_error: bool = False
    name: str | None = None
    kind: Literal["tool_result"] = field(default="tool_result", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class Citation(PartValue):
    """A source that the model names for what it has just said.

    Attributes:
        source: its address, or the provider's name of the document.
        title: its title.
        text: the words that are cited.
        start: where they begin in the source, or in the answer, as the provider counts.
        end: where they end.
        kind: which part this is, for JSON.

    Example:
        >>> Citation("https://example.org", title="Examples").title
        'Examples'
    """

    source: str = ""
    title: str | None = None
    text: str = ""
    start: int | None = None
    end: int | None = None
    kind: Literal["citation"] = field(default="citation", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class Usage(PartValue):
    """Tokens counted by the provider so far; the last one of an answer holds, and None is not known.

    Attributes:
        input_tokens: of the whole input, cached ones included.
        output_tokens: of the answer, reasoning included.
        cached_tokens: those of the input that came from a cache.
        reasoning_tokens: those of the output that were reasoning.
        cache_write_tokens: those of the input that were written to a cache.
        kind: which part this is, for JSON.

    Usages are added, with `+` and with `sum`, and subtracted: the numbers that are known, None where none is.

    Example:
        >>> Usage(7, 3).output_tokens
        3
        >>> sum([Usage(7, 3), Usage(5, 4, cached_tokens=2)], Usage()).cached_tokens
        2
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    cache_write_tokens: int | None = None
    kind: Literal["usage"] = field(default="usage", kw_only=True, repr=False)

    def __add__(self, other: "Usage") -> "Usage":
        """Return the tokens of both.

        Example:
            >>> Usage(7, 3) + Usage(5, None)
            Usage(input_tokens=12, output_tokens=3, ...)
        """
        if not isinstance(cast("object", other), Usage):
            return NotImplemented
        return self._joined(other, _sum)

    def __sub__(self, other: "Usage") -> "Usage":
        """Return what has come since ``other``; what that does not know counts as nothing.

        Example:
            >>> Usage(12, 3) - Usage(5)
            Usage(input_tokens=7, output_tokens=3, ...)
        """
        if not isinstance(cast("object", other), Usage):
            return NotImplemented
        return self._joined(other, _difference)

    def _joined(self, other: "Usage", join: Callable[[int | None, int | None], int | None]) -> "Usage":
        return Usage(
            join(self.input_tokens, other.input_tokens),
            join(self.output_tokens, other.output_tokens),
            join(self.cached_tokens, other.cached_tokens),
            join(self.reasoning_tokens, other.reasoning_tokens),
            join(self.cache_write_tokens, other.cache_write_tokens),
        )

    def __radd__(self, other: int) -> "Usage":
        """Return these tokens: `sum` begins with 0."""
        return self if other == 0 else NotImplemented


def _sum(one: int | None, other: int | None) -> int | None:
    """Return the sum of what is known."""
    return other if one is None else one if other is None else one + other


def _difference(one: int | None, other: int | None) -> int | None:
    """Return the difference of what is known."""
    return one if other is None else (one or 0) - other


# In the words of all providers: too long, or not allowed.
_CUT: Final = frozenset({"length", "max_tokens", "max_output_tokens", "content_filter", "refusal"})


@lazy_dataclass(frozen=True, slots=True)
class Finish(PartValue):
    """The end of an answer, in the provider's own word ("stop", "end_turn", "length", "tool_use").

    Attributes:
        reason: the word.
        kind: which part this is, for JSON.

    Example:
        >>> Finish("length").reason
        'length'
    """

    reason: str
    kind: Literal["finish"] = field(default="finish", kw_only=True, repr=False)

    @property
    def cut(self) -> bool:
        """Whether the model was stopped in the middle: what it was writing then need not be whole.

        Example:
            >>> Finish("max_tokens").cut, Finish("tool_use").cut
            (True, False)
        """
        return self.reason in _CUT


@lazy_dataclass(frozen=True, slots=True)
class Restart(PartValue):
    """What came before is not the answer: it begins anew here.

    It stands in the stream only: the message is made of what comes behind the last one.

    Attributes:
        reason: why, for people and for the model; `""` if what came before was only on the way.
        kind: which part this is, for JSON.

    Example:
        >>> Restart("name: Field required").reason
        'name: Field required'
    """

    reason: str = ""
    kind: Literal["restart"] = field(default="restart", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class Retry(PartValue):
    """The provider is asked again: nothing of the answer had come yet, and what went wrong may pass.

    It stands in the stream only, before everything else.

    Attributes:
        attempt: which attempt is over; the first one is 1.
        delay: seconds until the next one.
        reason: what went wrong.
        kind: which part this is, for JSON.

    Example:
        >>> Retry(1, 0.5, "openai (gpt-x): refused with status 429").attempt
        1
    """

    attempt: int
    delay: float
    reason: str
    kind: Literal["retry"] = field(default="retry", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class RateLimit(PartValue):
    """How much of something a provider still gives, as it says; None is not known.

    Attributes:
        limit: how much there is in a period.
        remaining: how much of it is left.
        resets_in: seconds until all of it is there again.

    Example:
        >>> RateLimit(limit=500, remaining=499, resets_in=0.12).remaining
        499
    """

    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None


@lazy_dataclass(frozen=True, slots=True)
class ResponseHeaders(PartValue):
    """What the headers of a provider's response say: its id, and how much may still be asked.

    It stands in the stream only, before what the response brings: an answer, a `Retry`, or an error. None is
    what the headers do not say.

    Attributes:
        status: the HTTP status.
        request_id: the provider's id of the request.
        retry_after: seconds that the provider asks to wait.
        requests: the limit of requests.
        tokens: the limit of tokens of both kinds.
        input_tokens: the limit of tokens that are sent.
        output_tokens: the limit of tokens that are answered.
        kind: which part this is, for JSON.

    Example:
        >>> headers = ResponseHeaders(200, "req-1", tokens=RateLimit(limit=30_000, remaining=29_000))
        >>> headers.tokens.remaining
        29000
    """

    status: int | None = None
    request_id: str | None = None
    retry_after: float | None = None
    requests: RateLimit | None = None
    tokens: RateLimit | None = None
    input_tokens: RateLimit | None = None
    output_tokens: RateLimit | None = None
    kind: Literal["response_headers"] = field(default="response_headers", kw_only=True, repr=False)


@lazy_dataclass(frozen=True, slots=True)
class AgentPart(PartValue):
    """What an agent that was called as a tool streams, while its result is not there yet.

    It stands in the stream only: the message keeps the result.

    Attributes:
        agents: the aliases on the way to who speaks, the called agent first.
        part: what it streams; never an `AgentPart`, since the way is one.
        kind: which part this is, for JSON.

    Example:
        >>> AgentPart(("RESEARCHER", "READER"), "The page says").agents[-1]
        'READER'
    """

    agents: tuple[str, ...]
    part: (
        str
        | Reasoning
        | Refusal
        | ToolCallDelta
        | ToolResult
        | Citation
        | Usage
        | Finish
        | Restart
        | Retry
        | ResponseHeaders
    )
    kind: Literal["agent_part"] = field(default="agent_part", kw_only=True, repr=False)


Part: TypeAlias = (
    str
    | Reasoning
    | Refusal
    | ToolCallDelta
    | ToolResult
    | Citation
    | Usage
    | Finish
    | AgentPart
    | Restart
    | Retry
    | ResponseHeaders
)
"""Anything that a model's answer streams; `match` over the classes narrows it to nothing."""
