"""Parts, as a type checker sees them: `match` narrows the union to nothing, and messages are typed."""

from typing import assert_never, assert_type

from miniagents import (
    AgentPart,
    AssistantMessage,
    Citation,
    File,
    Finish,
    Image,
    Message,
    MessagePromise,
    Part,
    Reasoning,
    Refusal,
    Restart,
    Retry,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)
from miniagents.parts import ResponseHeaders, ServerToolCall, ServerToolResult
from miniagents.values import RateLimit


def kind_of(part: Part) -> str:  # noqa: C901, PLR0911, PLR0912 - one line for each kind
    """Every kind has its case; one that is left out is an error of types."""
    match part:
        case str():
            return part
        case Reasoning():
            return part.text
        case Refusal():
            return part.text
        case ToolCallDelta(index, _, _, arguments):
            assert_type(index, int)
            return arguments
        case ToolResult():
            assert_type(part.content, str | tuple[str | Image | File, ...])
            assert_type(part.attached, tuple[Image | File, ...])
            return part.text
        case ServerToolCall():
            return part.arguments
        case ServerToolResult():
            return part.content
        case Image() | File():
            assert_type(part.data, bytes | None)
            return part.media_type or ""
        case Citation():
            return part.source
        case Usage():
            assert_type(part.input_tokens, int | None)
            return ""
        case Finish(reason):
            return assert_type(reason, str)
        case Restart(reason):
            return reason
        case Retry(attempt, delay, reason):
            assert_type(attempt, int)
            assert_type(delay, float)
            return reason
        case ResponseHeaders():
            assert_type(part.tokens, RateLimit | None)
            return part.request_id or ""
        case AgentPart(agents, inner):
            assert_type(agents, tuple[str, ...])
            return kind_of(inner)
        case _:
            assert_never(part)


def one_is_missing(part: str | Usage | Finish) -> None:
    """A case that is missing is told of."""
    match part:
        case str() | Usage():
            pass
        case _:
            assert_never(part)  # type: ignore[arg-type]


async def readers(promise: MessagePromise[AssistantMessage]) -> None:
    """Tokens are text, parts are parts."""
    async for token in promise:
        assert_type(token, str)
    async for part in promise.parts:
        assert_type(part, Part)


def message(said: AssistantMessage) -> None:
    """What a provider told is typed."""
    assert_type(said.usage, Usage | None)
    assert_type(said.finish_reason, str | None)
    assert_type(said.reasoning, str | None)
    assert_type(said.tool_calls, tuple[ToolCall, ...])
    assert_type(said.model, str | None)
    assert_type(said.response_id, str | None)
    assert_type(AssistantMessage("Hi", model="m").as_promise, MessagePromise[AssistantMessage])
    assert_type(Message("Hi").text, str | None)
