"""`openai_agent`: models of OpenAI, and of every server with the Chat Completions API.

Such servers are Ollama, vLLM and llama.cpp. Requests go through ``chat.completions.create`` of the official
async SDK. `_chat_decoder` decodes the answers, and describes which dialects of servers it understands.

Example, with a transport of httpx2 instead of the network:

    >>> import httpx2, json
    >>> from miniagents import MiniAgents
    >>> def server(request):
    ...     asked = json.loads(request.content)
    ...     text = f"{asked['model']} was asked: {asked['messages'][-1]['content']}"
    ...     choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    ...     return httpx2.Response(200, json={"id": "1", "model": asked["model"], "choices": [choice]})
    >>> model = openai_agent.fork(model="gpt-5.4-mini", stream=False)
    >>> async def main():
    ...     http_client = httpx2.AsyncClient(transport=httpx2.MockTransport(server))
    ...     async with AsyncOpenAI(api_key="a key", http_client=http_client) as client:
    ...         answer = await model.inquire("How are you?", client=client)
    ...         print(answer, answer[0].finish_reason)
    >>> MiniAgents().run(main())
    gpt-5.4-mini was asked: How are you? stop
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Final, Literal, cast

from pydantic import SecretStr

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message
from miniagents.models import AnswerSchema, ToolSpec, model_agent
from miniagents.values import Content, File, Image, Reasoning, Refusal, ToolCall, ToolResult, media_type_of

from ._answer import Decoded
from ._call import Wire, reply_with
from ._chat_decoder import ChunkDecoder, decode_completion
from ._conversation import Turn, data_url, encoded, name_of, not_of_user, unsendable
from ._json import arguments_as_text, plain
from ._opaque import opened
from ._openai_sdk import OPENAI, OPENAI_ERRORS, AsyncOpenAI, connection_of
from ._options import options_of
from ._question import Question, prepared
from ._sse import ServerEvent
from ._thinking_tag import TaggedThoughts

__all__ = ["create_openai_agent", "openai_agent"]

_RESERVED: Final = MappingProxyType(
    {
        "messages": "send them to the agent",
        "model": "give model=...",
        "stream": "give stream=...",
        "timeout": "give total_timeout=...",
        "n": "one inquiry is one answer, so inquire as often as you want answers",
    }
)


@model_agent(asks=OPENAI.asked, server_tools="other")
async def openai_agent(  # noqa: D417 - `ModelOptions` describes most; test_options.py compares
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str | None = None,
    stream: bool = True,
    max_tokens: int | None = None,
    temperature: float | None = None,
    system: str | None = None,
    client: AsyncOpenAI | None = None,
    api_key: SecretStr | str | None = None,
    base_url: str | None = None,
    first_token_timeout: float | None = 120.0,
    stall_timeout: float | None = 60.0,
    total_timeout: float | None = 600.0,
    max_retries: int | None = None,
    needs_finish_reason: bool = True,
    thinking_tag: str | None = None,
    refusal_is_error: bool = False,
    tools: Sequence[ToolSpec] = (),
    tool_choice: str | None = None,
    answer_schema: AnswerSchema | None = None,
    cache_prompt: Literal["auto"] | None = None,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of OpenAI, or of any server that is compatible with it.

    It sends the whole conversation, and streams one `AssistantMessage`.

    Args:
        ctx: the conversation.
        model, stream, temperature, system, client, api_key, base_url: see `ModelOptions`.
        first_token_timeout, stall_timeout, total_timeout, max_retries: see `ModelOptions`.
        max_tokens, refusal_is_error, tools, tool_choice, answer_schema: see `ModelOptions`.
        cache_prompt, extra: see `ModelOptions`.
        needs_finish_reason: False for a server that sends none.
        thinking_tag: such as "think", for thoughts in the text.

    Raises:
        LLMConfigError, SchemaError: a keyword or the tools make no sense.
        LLMError: readers get it.
    """
    options = options_of(locals())
    asked = await prepared(ctx, options, OPENAI, _RESERVED, connection_of)
    wire = _WIRE if thinking_tag is None else _tagged(thinking_tag)
    reply_with(ctx, asked.call(wire, "/chat/completions", _encode(asked), needs_finish=needs_finish_reason))


create_openai_agent: Final = openai_agent.fork
"""Another name of `openai_agent.fork`: makes an agent with other defaults."""


# -- encode: messages -> request -------------------------------------------------------------------------


def _encode(asked: Question) -> dict[str, object]:
    """Convert a question to a Chat Completions request."""
    options, conversation, wanted, extra = asked.options, asked.conversation, asked.wanted, asked.extras.body
    is_openai = OPENAI.is_own(asked.connection.base_url)
    messages: list[dict[str, object]] = []
    if conversation.system:
        messages.append({"role": "system", "content": conversation.system})
    shown: list[dict[str, object]] = []  # of the results before; a message may follow only the last of them
    for turn in _calls_together(conversation.turns):
        if turn.role != "tool":
            messages += _shown_by_user(shown)
            shown = []
        messages += _messages(turn)
        shown += [item for part in turn.content if isinstance(part, ToolResult) for item in _attached(part)]
    messages += _shown_by_user(shown)
    body: dict[str, object] = {
        "messages": messages,
        "max_completion_tokens" if is_openai else "max_tokens": options.max_tokens,
        "temperature": options.temperature,
        "stream_options": {"include_usage": True} if options.stream else None,
        "tool_choice": {"type": "function", "function": {"name": wanted.tool}} if wanted.tool else None,
        "response_format": {"type": "json_schema", "json_schema": _schema(wanted.answer)}
        if wanted.answer
        else None,
        "prompt_cache_key": asked.cache_key,
        **extra,
        "tools": wanted.told(_tool, extra.get("tools"), "other"),
    }
    return {name: value for name, value in body.items() if value is not None}


def _calls_together(turns: Iterable[Turn]) -> Iterator[Turn]:
    """Join texts after a call with the message of the call, since results must follow that message."""
    open_turn: Turn | None = None  # the last one, if it has calls
    for turn in turns:
        if open_turn is not None and turn.role == "assistant":
            open_turn = replace(open_turn, content=(*open_turn.content, *turn.content))
            continue
        if open_turn is not None:
            yield open_turn
            open_turn = None
        if turn.role == "assistant" and any(isinstance(part, ToolCall) for part in turn.content):
            open_turn = turn
        else:
            yield turn
    if open_turn is not None:
        yield open_turn


def _messages(turn: Turn) -> Iterator[dict[str, object]]:
    if turn.role == "tool":
        for part in turn.content:
            if isinstance(part, ToolResult):
                text = f"{part.text}\n\n{_FOLLOWS}".lstrip() if part.attached else part.text
                yield {"role": "tool", "tool_call_id": part.call_id, "content": text}
    elif turn.role == "assistant":
        yield _assistant(turn)
    elif all(isinstance(part, str) for part in turn.content):
        yield {"role": "user", "content": turn.text}
    else:
        yield {"role": "user", "content": [_item(part) for part in turn.content]}


def _assistant(turn: Turn) -> dict[str, object]:
    content: list[dict[str, object]] = []
    calls: list[dict[str, object]] = []
    thoughts: dict[str, object] = {}
    kept: dict[str, object] = {}
    for part in turn.content:
        match part:
            case str() | Refusal():
                content.append({"type": "text", "text": part if isinstance(part, str) else part.text})
            case ToolCall():
                function = {"name": part.name, "arguments": arguments_as_text(part.arguments)}
                more = cast("Mapping[str, object]", opened(part).get("call", {}))
                calls.append({"id": part.id, "type": "function", "function": function, **more})
            case Reasoning():
                _think(part, content, thoughts, kept)
            case _:
                pass
    if any(part["type"] != "text" for part in content):
        said: object = content
    else:
        said = "".join(str(part["text"]) for part in content) or None
    if not kept.keys().isdisjoint(_WITH_TEXT):
        thoughts = {}  # their text is in these fields
    message: dict[str, object] = {"role": "assistant", "content": said, **thoughts, **kept}
    return {**message, "tool_calls": calls} if calls else message


_WITH_TEXT: Final = frozenset({"reasoning_details", "thinking_blocks"})


def _think(
    thought: Reasoning, content: list[dict[str, object]], thoughts: dict[str, object], kept: dict[str, object]
) -> None:
    """Put a thought where its server expects it: `_chat_thoughts` has the forms."""
    known = opened(thought)
    if isinstance(name := known.get("field"), str):
        thoughts[name] = f"{thoughts.get(name, '')}{thought.text}"
    if isinstance(tag := known.get("tag"), str):
        text = f"<{tag}>{thought.text}</{tag}>{known.get('after', '')}"
        content.append({"type": "text", "text": text})
    if isinstance(part := known.get("part"), Mapping):
        before = content[-1] if content and content[-1].get("type") == "thinking" else None
        if before is None or "signature" in before:
            before = dict[str, object](thinking=[])
            content.append(before)
        texts = cast("list[dict[str, object]]", before["thinking"])
        if thought.text:
            texts.append({"type": "text", "text": thought.text})
        before.update(cast("Mapping[str, object]", part))
    if isinstance(fields := known.get("message"), Mapping):
        kept.update(cast("Mapping[str, object]", fields))


_FOLLOWS: Final = "(Images and files of this result follow in a message of the user.)"


def _shown_by_user(content: list[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Yield a message of the user with this content, if there is any."""
    if content:
        yield {"role": "user", "content": content}


def _attached(result: ToolResult) -> Iterator[dict[str, object]]:
    """Yield the images and files of a result after the name of the call, for a message of the user."""
    if files := result.attached:
        yield _item(f"Result of the call {result.call_id} of {result.name or 'a tool'}:")
        yield from map(_item, files)


def _item(part: Content) -> dict[str, object]:
    match part:
        case str():
            return {"type": "text", "text": part}
        case Image():
            address = {"url": data_url(part), **({"detail": part.detail} if part.detail else {})}
            return {"type": "image_url", "image_url": address}
        case File(data=bytes()) if (sound := _SOUNDS.get(media_type_of(part))) is not None:
            return {"type": "input_audio", "input_audio": {"data": encoded(part), "format": sound}}
        case File(url=str()):
            raise unsendable("Chat Completions does not accept the URL of a file; give its data or path")
        case File():
            return {"type": "file", "file": {"filename": name_of(part), "file_data": data_url(part)}}
        case _:
            raise not_of_user(part)


_SOUNDS: Final = MappingProxyType(
    {"audio/wav": "wav", "audio/x-wav": "wav", "audio/mpeg": "mp3", "audio/mp3": "mp3"}
)


def _tool(spec: ToolSpec) -> dict[str, object]:
    function = {"name": spec.name, "description": spec.description, "parameters": plain(spec.parameters)}
    return {"type": "function", "function": function}


def _schema(answer: AnswerSchema) -> dict[str, object]:
    described = {"description": answer.description} if answer.description else {}
    return {"name": answer.name, **described, "schema": plain(answer.schema), "strict": answer.strict}


_WIRE: Final = Wire(
    provider=OPENAI.name,
    sdk=OPENAI_ERRORS,
    decoder=ChunkDecoder,
    decode_whole=decode_completion,
    request_id_header="x-request-id",
    terminal="finish_reason",
)


def _tagged(tag: str) -> Wire:
    """Return the protocol of a server that writes thoughts into the text."""

    def decode_whole(event: ServerEvent) -> list[Decoded]:
        return TaggedThoughts(decode_completion, tag)(event)

    return replace(_WIRE, decoder=lambda: TaggedThoughts(ChunkDecoder(), tag), decode_whole=decode_whole)
