"""The parts that a model streams: text as plain `str`, everything else as a small frozen value.

**A part is a piece.** Pieces with the same `index` belong together; `content_of` joins them, and the finished
message keeps the result. Each such value is a slotted frozen dataclass of plain data, so it can be a field of
a message, has a hash key, and can be written as JSON with its `kind`.

**What is `opaque` goes back.** Servers need some of what they send back in the next request: a signature, the
thought before a call, the result of a search. A part keeps it in `opaque`, a JSON object as a text, with the
server that it came from. It is sent to this server and to no other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast

from ._attachments import File, Image
from ._part_value import PartValue


@dataclass(frozen=True, slots=True)
class Reasoning(PartValue):
    """What a model thinks before and while it answers: a piece in a stream, a whole block in a message.

    Attributes:
        text: the thought, or the summary that the provider shows.
        signature: a signature, or the encrypted thought; the provider needs it back unchanged in a later
            turn.
        id: the provider's id of the block.
        index: which block of the answer this is, so that pieces can be put together.
        redacted: whether the provider hides the text; then only the signature has the thought.
        opaque: what the server that it came from needs back; None if nothing.
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
    opaque: str | None = field(default=None, kw_only=True, repr=False)
    kind: Literal["reasoning"] = field(default="reasoning", kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Refusal(PartValue):
    """A piece of the text with which a model refuses to answer; readers of tokens get it like any text.

    Attributes:
        text: the text, or a piece of it.
        kind: which part this is, for JSON.

    Example:
        >>> Refusal("I cannot help with that.").text
        'I cannot help with that.'
    """

    text: str
    kind: Literal["refusal"] = field(default="refusal", kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class ToolCallDelta(PartValue):
    """A piece of a call of a tool.

    Attributes:
        index: which call of the answer this is.
        id: the provider's name of the call; on the first piece, None afterwards.
        name: the name of the tool; on the first piece, None afterwards.
        arguments: a piece of the JSON of the arguments.
        item_id: the provider's name of the item around the call, where it has one.
        opaque: what the server that it came from needs back; None if nothing.
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
    opaque: str | None = field(default=None, kw_only=True, repr=False)
    kind: Literal["tool_call_delta"] = field(default="tool_call_delta", kw_only=True, repr=False)


ResultContent: TypeAlias = str | tuple[str | Image | File, ...]
"""What a model gets as the result of a call: a text, or texts, images and files in order."""


@dataclass(frozen=True, slots=True)
class ToolResult(PartValue):
    """The result of a tool call.

    Attributes:
        call_id: the id of the call.
        content: what the model gets: a text, or a tuple of texts, images and files.
        is_error: whether the content is the text of an error.
        name: the name of the tool.
        kind: which part this is, for JSON.

    Example:
        >>> ToolResult("call-1", "12 °C").content
        '12 °C'
        >>> ToolResult("call-2", ("A cat:", Image(path="cat.png"))).text
        'A cat:'
    """

    call_id: str
    content: ResultContent
    is_error: bool = False
    name: str | None = None
    kind: Literal["tool_result"] = field(default="tool_result", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        """Make a list of the content a tuple, for callers without a type checker."""
        if isinstance(cast("object", self.content), list):
            object.__setattr__(self, "content", tuple(self.content))

    @property
    def text(self) -> str:
        """The texts of the content, without images and files."""
        if isinstance(self.content, str):
            return self.content
        return "\n\n".join(each for each in self.content if isinstance(each, str))

    @property
    def attached(self) -> tuple[Image | File, ...]:
        """The images and files of the content."""
        given = () if isinstance(self.content, str) else self.content
        return tuple(each for each in given if not isinstance(each, str))


@dataclass(frozen=True, slots=True)
class ServerToolCall(PartValue):
    """A call of a tool that the provider runs itself, such as a search: nothing needs to be called here.

    Attributes:
        id: the provider's name of the call.
        name: the name of the tool.
        arguments: the JSON of the arguments.
        opaque: what the server that it came from needs back; None if nothing.
        kind: which part this is, for JSON.

    Example:
        >>> ServerToolCall("srvtoolu-1", "web_search", '{"query": "fjords"}').name
        'web_search'
    """

    id: str
    name: str
    arguments: str = "{}"
    opaque: str | None = field(default=None, kw_only=True, repr=False)
    kind: Literal["server_tool_call"] = field(default="server_tool_call", kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class ServerToolResult(PartValue):
    """The result of a tool that the provider runs itself; the model has it already.

    Attributes:
        call_id: the id of the call.
        content: the result, as the provider shows it: a text, or JSON.
        name: the provider's name for this kind of result.
        opaque: what the server that it came from needs back; None if nothing.
        kind: which part this is, for JSON.

    Example:
        >>> ServerToolResult("srvtoolu-1", '[{"url": "https://example.org"}]').call_id
        'srvtoolu-1'
    """

    call_id: str
    content: str
    name: str | None = None
    opaque: str | None = field(default=None, kw_only=True, repr=False)
    kind: Literal["server_tool_result"] = field(default="server_tool_result", kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Citation(PartValue):
    """A source that the model names for what it has just said.

    Attributes:
        source: its URL, or the provider's name of the document.
        title: its title.
        text: the words that are cited.
        start: where they begin: an index in the source or in the answer, depending on the provider.
        end: where they end.
        opaque: what the server that it came from needs back; None if nothing.
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
    opaque: str | None = field(default=None, kw_only=True, repr=False)
    kind: Literal["citation"] = field(default="citation", kw_only=True, repr=False)


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Usage(PartValue):
    """Tokens that the provider has counted so far; the last `Usage` of an answer is valid. None: not known.

    Attributes:
        input_tokens: tokens of the whole input, including cached ones.
        output_tokens: tokens of the answer, including reasoning.
        cached_tokens: those of the input that came from a cache.
        reasoning_tokens: those of the output that were reasoning.
        cache_write_tokens: those of the input that were written to a cache.
        kind: which part this is, for JSON.

    `+`, `sum` and `-` work on usages: a number that is not known counts as 0; if both are unknown, the result
    is None.

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
        """Return the tokens since ``other``; a number that is unknown in ``other`` counts as 0.

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
        """Return the same tokens, because `sum` begins with 0."""
        return self if other == 0 else NotImplemented


def _sum(one: int | None, other: int | None) -> int | None:
    """Return the sum of what is known."""
    return other if one is None else one if other is None else one + other


def _difference(one: int | None, other: int | None) -> int | None:
    """Return the difference of what is known."""
    return one if other is None else (one or 0) - other


# The words of all providers for: too long, not allowed, or not at its end yet.
_CUT: Final = frozenset(
    {
        *("length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"),
        *("content_filter", "refusal", "sensitive", "pause_turn"),
    }
)


@dataclass(frozen=True, slots=True)
class Finish(PartValue):
    """The end of an answer, in the provider's own word ("stop", "end_turn", "length", "tool_use").

    Attributes:
        reason: the provider's word.
        kind: which part this is, for JSON.

    Example:
        >>> Finish("length").reason
        'length'
    """

    reason: str
    kind: Literal["finish"] = field(default="finish", kw_only=True, repr=False)

    @property
    def cut(self) -> bool:
        """Whether the model was stopped before it had finished: the end of the answer may be missing.

        Example:
            >>> Finish("max_tokens").cut, Finish("tool_use").cut
            (True, False)
        """
        return self.reason in _CUT


@dataclass(frozen=True, slots=True)
class Restart(PartValue):
    """The answer begins again here: what came before is not part of it.

    It is part of the stream only: the message contains what comes after the last `Restart`.

    Attributes:
        reason: why, for people and for the model; `""` if what came before was only a step towards the
            answer.
        kind: which part this is, for JSON.

    Example:
        >>> Restart("name: Field required").reason
        'name: Field required'
    """

    reason: str = ""
    kind: Literal["restart"] = field(default="restart", kw_only=True, repr=False)


@dataclass(frozen=True, slots=True)
class Retry(PartValue):
    """The request is sent again: the answer had not begun, and the error may be temporary.

    It is part of the stream only, before everything else.

    Attributes:
        attempt: the number of the attempt that failed; the first one is 1.
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


@dataclass(frozen=True, slots=True)
class RateLimit(PartValue):
    """A rate limit, as the provider reports it; None: not known.

    Attributes:
        limit: how much is allowed in a period.
        remaining: how much of it is left.
        resets_in: seconds until all of it is available again.

    Example:
        >>> RateLimit(limit=500, remaining=499, resets_in=0.12).remaining
        499
    """

    limit: int | None = None
    remaining: int | None = None
    resets_in: float | None = None


@dataclass(frozen=True, slots=True)
class ResponseHeaders(PartValue):
    """The headers of a provider's response: the id of the request, and the rate limits.

    It is part of the stream only, before the result of the response: an answer, a `Retry`, or an error. A
    value that the headers do not have is None.

    Attributes:
        status: the HTTP status.
        request_id: the provider's id of the request.
        retry_after: how many seconds the provider asks the client to wait.
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


_OwnPart: TypeAlias = (
    str
    | Reasoning
    | Refusal
    | ToolCallDelta
    | ToolResult
    | ServerToolCall
    | ServerToolResult
    | Citation
    | Image
    | File
    | Usage
    | Finish
    | Restart
    | Retry
    | ResponseHeaders
)


@dataclass(frozen=True, slots=True)
class AgentPart(PartValue):
    """What an agent that the model called as a tool streams before its result is complete.

    It is part of the stream only: the message keeps the result.

    Attributes:
        agents: the aliases from the called agent to the agent that writes the part.
        part: what that agent streams; never an `AgentPart`, since `agents` has the whole path.
        kind: which part this is, for JSON.

    Example:
        >>> AgentPart(("RESEARCHER", "READER"), "The page says").agents[-1]
        'READER'
    """

    agents: tuple[str, ...]
    part: _OwnPart
    kind: Literal["agent_part"] = field(default="agent_part", kw_only=True, repr=False)


Part: TypeAlias = _OwnPart | AgentPart
"""A piece of a model's answer; type checkers see that a `match` over all its classes is complete."""
