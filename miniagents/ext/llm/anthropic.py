"""`anthropic_agent`: models of Anthropic.

Requests go through ``messages.create`` of the official async SDK. Fields for which it has no parameter any
more (`temperature`) are sent in its ``extra_body``.

Why so long: one provider is one file, and a third of it describes the keywords.

Example, with a transport of httpx2 instead of the network:

    >>> import httpx2, json
    >>> from miniagents import MiniAgents
    >>> def server(request):
    ...     asked = json.loads(request.content)
    ...     text = f"{asked['model']} was asked: {asked['messages'][-1]['content']}"
    ...     return httpx2.Response(200, json={
    ...         "id": "1", "type": "message", "role": "assistant", "model": asked["model"],
    ...         "content": [{"type": "text", "text": text}], "stop_reason": "end_turn",
    ...         "usage": {"input_tokens": 3, "output_tokens": 7},
    ...     })
    >>> model = anthropic_agent.fork(model="claude-haiku-4-5", stream=False)
    >>> async def main():
    ...     http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    ...     async with AsyncAnthropic(api_key="a key", http_client=http_client) as client:
    ...         answer = await model.inquire("How are you?", client=client)
    ...         print(answer, answer[0].finish_reason)
    >>> MiniAgents().run(main())
    claude-haiku-4-5 was asked: How are you? end_turn
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Final, Literal, cast

from pydantic import SecretStr

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message
from miniagents.models import AnswerSchema, ToolSpec, model_agent
from miniagents.values import (
    Attachment,
    Citation,
    Content,
    File,
    Image,
    LLMConfigError,
    Reasoning,
    Refusal,
    ServerToolCall,
    ServerToolResult,
    ToolCall,
    ToolResult,
    media_type_of,
)

from ._call import Wire, reply_with
from ._conversation import Turn, encoded, joined_turns, unsendable
from ._errors import SDKErrors
from ._json import arguments_object, plain
from ._messages_decoder import MessagesDecoder, decode_message
from ._messages_fields import THOUGHTS
from ._opaque import opened
from ._options import beside, options_of
from ._question import Question, connected, prepared
from ._settings import Provider

try:
    import anthropic
    from anthropic import AsyncAnthropic

    # To type checkers `anthropic` itself does not export these.
    from anthropic.lib.bedrock import AsyncAnthropicBedrock, AsyncAnthropicBedrockMantle
    from anthropic.lib.vertex import AsyncAnthropicVertex
except ImportError as _error:
    raise ImportError(
        "anthropic_agent needs Anthropic's SDK, which is not installed; pip install 'miniagents[anthropic]'"
    ) from _error

__all__ = ["anthropic_agent", "create_anthropic_agent"]

_PROVIDER: Final = Provider(
    "anthropic", "https://api.anthropic.com", ("anthropic.com",), (("", "[a-zA-Z0-9_-]+"),)
)
_RESERVED: Final = MappingProxyType(
    {
        "messages": "send them to the agent",
        "model": "give model=...",
        "stream": "give stream=...",
        "max_tokens": "give max_tokens=...",
        "system": "give system=..., or send a SystemMessage",
        "timeout": "give total_timeout=...",
    }
)
_MAX_TOKENS: Final = 8192
_OPENING: Final = "(The conversation begins with your words.)"


@model_agent(asks=_PROVIDER.asked, continues=True, server_tools="messages")
async def anthropic_agent(  # noqa: D417 - `ModelOptions` describes most; test_options.py compares
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str | None = None,
    stream: bool = True,
    max_tokens: int | None = None,
    temperature: float | None = None,
    system: str | None = None,
    client: AsyncAnthropic | AsyncAnthropicBedrock | AsyncAnthropicVertex | None = None,
    api_key: SecretStr | str | None = None,
    base_url: str | None = None,
    first_token_timeout: float | None = 120.0,
    stall_timeout: float | None = 60.0,
    total_timeout: float | None = 600.0,
    max_retries: int | None = None,
    refusal_is_error: bool = False,
    tools: Sequence[ToolSpec] = (),
    tool_choice: str | None = None,
    answer_schema: AnswerSchema | None = None,
    cache_prompt: Literal["auto"] | None = None,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of Anthropic.

    It sends the whole conversation, and streams one `AssistantMessage`.

    Args:
        ctx: the conversation.
        model, stream, temperature, system, client, api_key, base_url: see `ModelOptions`.
        first_token_timeout, stall_timeout, total_timeout, max_retries: see `ModelOptions`.
        refusal_is_error, tools, tool_choice, answer_schema, cache_prompt, extra: see `ModelOptions`.
        max_tokens: of the answer; 8192 by default.

    Raises:
        LLMConfigError, SchemaError: a keyword or the tools make no sense.
        LLMError: readers get it.
    """
    options = options_of(locals())
    asked = await prepared(ctx, options, _PROVIDER, _RESERVED, _connection)
    reply_with(ctx, asked.call(_WIRE, "/v1/messages", _encode(asked)))


create_anthropic_agent: Final = anthropic_agent.fork
"""Another name of `anthropic_agent.fork`: makes an agent with other defaults."""


# -- encode: messages -> request -------------------------------------------------------------------------


def _encode(asked: Question) -> dict[str, object]:
    """Convert a question to a request of the Messages API."""
    options, conversation, wanted, extra = asked.options, asked.conversation, asked.wanted, asked.extras.body
    signed = _PROVIDER.is_own(asked.connection.base_url)  # other servers take thoughts without a signature
    # The Messages API expects results of tools in the turns of the user.
    sides = [
        Turn("user" if turn.role == "tool" else turn.role, content)
        for turn in conversation.turns
        if (content := tuple(part for part in turn.content if _is_taken(part, signed=signed)))
    ]
    turns = list(joined_turns(sides))
    if turns[0].role == "assistant":
        turns.insert(0, Turn("user", (_OPENING,)))
    last = turns[-1]
    if last.role == "assistant" and isinstance(said := last.content[-1], str):
        # The model continues this text, which must not end with white space then.
        turns[-1] = Turn("assistant", (*last.content[:-1], said.rstrip()))
    messages = [{"role": turn.role, "content": _content(turn)} for turn in turns]
    body: dict[str, object] = {
        "messages": messages,
        "max_tokens": options.max_tokens or _MAX_TOKENS,
        "system": conversation.system or None,
        "temperature": options.temperature,
        "tool_choice": {"type": "tool", "name": wanted.tool} if wanted.tool else None,
        **extra,
        "tools": wanted.told(_tool, extra.get("tools"), "messages"),
        "output_config": beside(extra.get("output_config"), format=_format(wanted.answer)),
    }
    body = {name: value for name, value in body.items() if value is not None}
    if options.cache_prompt:
        _mark(body)
    return body


def _mark(body: dict[str, object]) -> None:
    """Mark what the provider caches: up to the last tool, the system text, and the last stable message.

    The last message is stable if it has results of tools, because the next request has it again. Else it is
    the one before.
    """
    if tools := cast("list[dict[str, object]]", body.get("tools")):
        tools[-1] = {**tools[-1], **_MARK}
    if isinstance(system := body.get("system"), str):
        body["system"] = [{"type": "text", "text": system, **_MARK}]
    turns = cast("list[dict[str, object]]", body["messages"])
    has_results = any(block["type"] == "tool_result" for block in _blocks_in(turns[-1]))
    for turn in turns[-1:] if has_results else turns[-2:-1]:
        blocks = _blocks_in(turn)
        at = next((at for at in reversed(range(len(blocks))) if blocks[at]["type"] not in THOUGHTS), None)
        if at is not None:
            blocks[at] = {**blocks[at], **_MARK}
            turn["content"] = blocks


_MARK: Final = MappingProxyType({"cache_control": {"type": "ephemeral"}})


def _blocks_in(turn: Mapping[str, object]) -> list[dict[str, object]]:
    """Return the content of a turn as blocks."""
    content = turn["content"]
    text = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return [*cast("list[dict[str, object]]", text)]


def _content(turn: Turn) -> object:
    if len(turn.content) == 1 and isinstance(turn.content[0], str):
        return turn.content[0]
    # Results must come before all other blocks of their turn.
    ordered = sorted(turn.content, key=lambda part: not isinstance(part, ToolResult))
    blocks: list[dict[str, object]] = []
    for part in ordered:
        if not isinstance(part, Citation):
            blocks += _blocks(part)
        elif (cited := opened(part).get("citation")) and blocks and blocks[-1]["type"] == "text":
            blocks[-1] = {
                **blocks[-1],
                "citations": [*cast("list[object]", blocks[-1].get("citations", [])), cited],
            }
    return blocks


def _is_taken(part: Content, *, signed: bool) -> bool:
    """Return whether the server takes a part; of thoughts only those that it has signed, or sent unsigned."""
    if not isinstance(part, Reasoning) or (part.signature and part.id is None):
        return True
    return part.opaque is not None and not part.signature and not signed


def _blocks(part: Content) -> Iterator[dict[str, object]]:
    match part:
        case str() | Refusal():
            yield {"type": "text", "text": part if isinstance(part, str) else part.text}
        case Reasoning(text, signature):
            thought = {"type": "thinking", "thinking": text, "signature": signature}
            hidden = {"type": "redacted_thinking", "data": signature}
            yield {
                name: each
                for name, each in (hidden if part.redacted else thought).items()
                if each is not None
            }
        case ToolCall(call_id, name, arguments):
            call = {"type": "tool_use", "id": call_id, "name": name, "input": arguments_object(arguments)}
            yield {**call, **cast("Mapping[str, object]", opened(part).get("rest", {}))}
        case ServerToolCall() | ServerToolResult():
            yield from cast("list[dict[str, object]]", [opened(part).get("block")] if part.opaque else [])
        case ToolResult(call_id, content, is_error):
            blocks = [block for each in content for block in _blocks(each)] if part.attached else part.text
            result: dict[str, object] = {"type": "tool_result", "tool_use_id": call_id, "content": blocks}
            yield {**result, "is_error": True} if is_error else result
        case Image():
            yield {"type": "image", "source": _where(part)}
        case File():
            yield _document(part)
        case Citation():
            pass


def _where(attachment: Attachment) -> dict[str, object]:
    if attachment.url is not None:
        return {"type": "url", "url": attachment.url}
    return {"type": "base64", "media_type": media_type_of(attachment), "data": encoded(attachment)}


def _document(file: File) -> dict[str, object]:
    title = {"title": file.name} if file.name else {}
    media_type = media_type_of(file)
    if file.data is not None and media_type.startswith("text/"):
        try:
            text = file.data.decode()
        except UnicodeDecodeError:
            raise unsendable("a text file is not in UTF-8; give it as text in UTF-8") from None
        return {
            "type": "document",
            "source": {"type": "text", "media_type": "text/plain", "data": text},
            **title,
        }
    return {"type": "document", "source": _where(file), **title}


def _tool(spec: ToolSpec) -> dict[str, object]:
    return {"name": spec.name, "description": spec.description, "input_schema": plain(spec.parameters)}


def _format(answer: AnswerSchema | None) -> dict[str, object] | None:
    if answer is None:
        return None
    if answer.recursive:
        raise LLMConfigError(
            f"the schema mode of Anthropic does not accept a type that contains itself, as {answer.name} "
            "does; use as_type(..., mode='tool')"
        )
    return {"type": "json_schema", "schema": plain(answer.schema)}


# -- the network -----------------------------------------------------------------------------------------


# The clients of Bedrock and Vertex have the methods of `AsyncAnthropic`, but are no subclasses of it.
_connection: Final = partial(
    connected,
    provider=_PROVIDER,
    kind=AsyncAnthropic,
    http=(anthropic.DefaultAioHttpClient, anthropic.DefaultAsyncHttpxClient),
    timeout=anthropic.Timeout,
    retries=anthropic.DEFAULT_MAX_RETRIES,
    others=(AsyncAnthropicBedrock, AsyncAnthropicBedrockMantle, AsyncAnthropicVertex),
)

_WIRE: Final = Wire(
    provider=_PROVIDER.name,
    sdk=SDKErrors(
        status=anthropic.APIStatusError,
        timeout=anthropic.APITimeoutError,
        connection=anthropic.APIConnectionError,
        reported=anthropic.APIError,
        base=anthropic.AnthropicError,
    ),
    decoder=MessagesDecoder,
    decode_whole=decode_message,
    request_id_header="request-id",
    terminal="stop_reason",
)
