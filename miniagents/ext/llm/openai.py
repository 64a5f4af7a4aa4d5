"""`openai_agent`: models of OpenAI, and of every server that speaks Chat Completions.

Such are Ollama, vLLM and llama.cpp. Everything goes through ``chat.completions.create`` of the official
async SDK. What a server of its own dialect says (chunks without choices, comments, events of unknown types)
is passed over; what breaks the protocol is an error.

Why so long: one provider is one file, and a third of it describes the keywords.

Example, with a transport of httpx2 in the place of the network:

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
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeAlias, cast

from pydantic import SecretStr, TypeAdapter
from typing_extensions import TypedDict

from miniagents.agents import InteractionContext
from miniagents.core import AssistantMessage, Message
from miniagents.models import AnswerSchema, ToolSpec, model_agent
from miniagents.values import (
    Citation,
    Content,
    File,
    Finish,
    Image,
    LLMConfigError,
    Reasoning,
    Refusal,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    Usage,
)

from ._answer import Count, Decoded, Identity, Progress
from ._call import Wire, reply_with
from ._conversation import Conversation, Turn, data_url, name_of
from ._json import ProviderError, WireError, integer_at, look, parsed, plain
from ._openai_sdk import OPENAI, OPENAI_ERRORS, AsyncOpenAI, connection_of
from ._options import NOTHING_WANTED, ModelOptions, Wanted
from ._question import prepared
from ._sse import STRAY, ServerEvent, error_of
from ._transport import Response

__all__ = ["create_openai_agent", "openai_agent"]

_RESERVED: Final = MappingProxyType(
    {
        "messages": "they are what the agent is sent",
        "model": "give model=...",
        "stream": "give stream=...",
        "timeout": "give total_timeout=...",
        "n": "one inquiry is one answer, so inquire as often as you want answers",
    }
)


@model_agent
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
    refusal_is_error: bool = False,
    tools: Sequence[ToolSpec] = (),
    tool_choice: str | None = None,
    answer_schema: AnswerSchema | None = None,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of OpenAI, or of any server that is compatible with it.

    It is sent the whole conversation, images and files too, and replies one `AssistantMessage`, streamed,
    with `model`, `response_id`, `finish_reason` (in the server's own word; "length" means that `max_tokens`
    were not enough), `usage`, and `reasoning` and `tool_calls` where there are some.

    `system` and all system messages become one system message, which comes first. Messages without text are
    left out. So are error messages: the model is not told of them.

    Args:
        ctx: the conversation.
        model, stream, temperature, system, client, api_key, base_url: see `ModelOptions`.
        first_token_timeout, stall_timeout, total_timeout, max_retries: see `ModelOptions`.
        refusal_is_error, tools, tool_choice, answer_schema, extra: see `ModelOptions`.
        max_tokens: the most tokens of the answer. OpenAI is sent `max_completion_tokens`, its name of today;
            other servers are sent `max_tokens`, since many of them know only that.
        needs_finish_reason: whether an answer without a `finish_reason` is an error. Set it to False for a
            server that never sends one: then the count of tokens, which comes last, marks the end.

    Raises:
        LLMConfigError: no model, no key, nothing to answer, or a keyword that makes no sense; nothing was
            sent.
        ToolDefinitionError: the tools make no sense; nothing was sent.
        LLMError: what went wrong afterwards is an error of the reply, after the text that had arrived.
    """
    options = ModelOptions(
        model=model,
        stream=stream,
        max_tokens=max_tokens,
        temperature=temperature,
        system=system,
        client=client,
        api_key=api_key,
        base_url=base_url,
        first_token_timeout=first_token_timeout,
        stall_timeout=stall_timeout,
        total_timeout=total_timeout,
        max_retries=max_retries,
        refusal_is_error=refusal_is_error,
        tools=tools,
        tool_choice=tool_choice,
        answer_schema=answer_schema,
        extra=extra,
    )
    asked = await prepared(ctx, options, OPENAI, _RESERVED, connection_of)
    used = asked.connection.client
    request = _encode(
        asked.conversation,
        stream=stream,
        max_tokens=max_tokens,
        temperature=temperature,
        is_openai=OPENAI.is_own(asked.connection.base_url),
        wanted=asked.wanted,
        extra=asked.extras.body,
    )

    def ask() -> AbstractAsyncContextManager[Response]:
        return used.chat.completions.with_streaming_response.create(
            model=asked.model,
            messages=[],  # in the body: the SDK would look at each for half a millisecond, and change nothing
            stream=stream,
            extra_body={**request.body, "messages": request.messages},
            extra_headers={"Accept-Encoding": "identity", **asked.extras.headers},
            extra_query=asked.extras.query,
            timeout=used.timeout,
        )

    reply_with(ctx, asked.call(_WIRE, ask, needs_finish=needs_finish_reason))


create_openai_agent: Final = openai_agent.fork
"""The same as `openai_agent.fork`: an agent with other defaults."""


# -- encode: messages -> request -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ChatRequest:
    """What is sent, apart from the model's name: the messages, and all other fields of the body."""

    messages: list[dict[str, object]]
    body: dict[str, object]


def _encode(
    conversation: Conversation,
    *,
    stream: bool,
    max_tokens: int | None,
    temperature: float | None,
    is_openai: bool,
    wanted: Wanted = NOTHING_WANTED,
    extra: Mapping[str, object],
) -> _ChatRequest:
    """Turn a conversation into a Chat Completions request."""
    messages: list[dict[str, object]] = []
    if conversation.system:
        messages.append({"role": "system", "content": conversation.system})
    for turn in conversation.turns:
        messages += _messages(turn)
    body: dict[str, object] = {
        "max_completion_tokens" if is_openai else "max_tokens": max_tokens,
        "temperature": temperature,
        "stream_options": {"include_usage": True} if stream else None,
        "tools": [_tool(spec) for spec in wanted.tools] or None,
        "tool_choice": {"type": "function", "function": {"name": wanted.tool}} if wanted.tool else None,
        "response_format": {"type": "json_schema", "json_schema": _schema(wanted.answer)}
        if wanted.answer
        else None,
        **extra,
    }
    return _ChatRequest(messages, {name: value for name, value in body.items() if value is not None})


def _messages(turn: Turn) -> Iterator[dict[str, object]]:
    if turn.role == "tool":
        for part in turn.content:
            if isinstance(part, ToolResult):
                yield {"role": "tool", "tool_call_id": part.call_id, "content": part.content}
    elif turn.role == "assistant":
        yield _assistant(turn)
    elif all(isinstance(part, str) for part in turn.content):
        yield {"role": "user", "content": turn.text}
    else:
        yield {"role": "user", "content": [_item(part) for part in turn.content]}


def _assistant(turn: Turn) -> dict[str, object]:
    said = [part.text if isinstance(part, Refusal) else part for part in turn.content]
    calls = [
        {
            "id": part.id,
            "type": "function",
            "function": {"name": part.name, "arguments": part.arguments or "{}"},
        }
        for part in turn.content
        if isinstance(part, ToolCall)
    ]
    text = "".join(part for part in said if isinstance(part, str))
    message: dict[str, object] = {"role": "assistant", "content": text or None}
    return {**message, "tool_calls": calls} if calls else message


def _item(part: Content) -> dict[str, object]:
    match part:
        case str():
            return {"type": "text", "text": part}
        case Image():
            address = {"url": data_url(part), **({"detail": part.detail} if part.detail else {})}
            return {"type": "image_url", "image_url": address}
        case File(url=str()):
            raise LLMConfigError("Chat Completions takes no address of a file; give its data or its path")
        case File():
            return {"type": "file", "file": {"filename": name_of(part), "file_data": data_url(part)}}
        case _:
            raise LLMConfigError(f"a user cannot say a {type(part).__name__}; give texts, images and files")


def _tool(spec: ToolSpec) -> dict[str, object]:
    function = {"name": spec.name, "description": spec.description, "parameters": plain(spec.parameters)}
    return {"type": "function", "function": function}


def _schema(answer: AnswerSchema) -> dict[str, object]:
    described = {"description": answer.description} if answer.description else {}
    return {"name": answer.name, **described, "schema": plain(answer.schema), "strict": answer.strict}


# -- decode: events -> parts -----------------------------------------------------------------------------


class _Function(TypedDict, total=False):
    name: str | None
    arguments: str | None


class _Call(TypedDict, total=False):
    index: int | None
    id: str | None
    function: _Function | None


class _Said(TypedDict, total=False):
    content: str | None
    refusal: str | None
    tool_calls: list[_Call] | None
    annotations: object
    # Reasoning has no field in the protocol; these are the names that servers give it.
    reasoning_content: object
    reasoning: object


class _Choice(TypedDict, total=False):
    index: int | None
    delta: _Said | None
    message: _Said | None
    finish_reason: str | None


_Anything: TypeAlias = object  # one of the fields has this name


class _Chunk(TypedDict, total=False):
    id: str | None
    model: str | None
    choices: list[_Choice] | None
    usage: _Anything
    error: _Anything
    object: _Anything


_CHUNK: Final = TypeAdapter(_Chunk)


class _ChunkDecoder:
    """Turns the events of one stream into parts.

    Raises:
        WireError: from a call, if the event is no chunk.
        ProviderError: from a call, if it is an error, in whichever form servers write one.
    """

    __slots__ = ("_calls", "_id")

    def __init__(self) -> None:
        self._id: str | None = None
        self._calls = _Calls()

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none for what says nothing."""
        if event.name in _ERRORS:
            return _raise(error_of(event))
        if event.data.startswith(b"[DONE]"):
            return []
        chunk = parsed(_CHUNK, event.data)
        choices = chunk.get("choices")
        if not choices or choices[0].get("index"):
            return self._rarer(chunk, _first(chunk), event)
        choice = choices[0]
        said = choice.get("delta")
        text = said.get("content") if said and len(said) == 1 else None
        more = choice.get("finish_reason") or chunk.get("usage") or chunk.get("error")
        more = more or chunk.get("object") == "error"
        if text and not more and (chunk.get("id") or "") == self._id:
            return [text]  # most events are no more than text
        return self._rarer(chunk, choice, event)

    def _rarer(self, chunk: _Chunk, choice: _Choice | None, event: ServerEvent) -> list[Decoded]:
        """Return all that an event may bring."""
        _check_error(chunk, event)
        said = None if choice is None else choice.get("delta")
        parts: list[Decoded] = [] if said is None else list(_parts_of(said, self._calls))
        finish = "" if choice is None else choice.get("finish_reason") or ""
        if finish:
            parts.append(Finish(finish))
        answer_id = chunk.get("id") or ""
        if answer_id != self._id:
            self._id = answer_id
            parts.append(Identity(answer_id, chunk.get("model")))
        usage = chunk.get("usage")
        if usage is not None:
            # The last count stands in a chunk without choices, or beside the end; some count in every chunk.
            parts.append(_count(usage, final=choice is None or bool(finish)))
        return parts


def _decode_completion(event: ServerEvent) -> list[Decoded]:
    """Turn a whole answer into parts.

    Raises:
        WireError: if it is no Chat Completion.
        ProviderError: if it is an error in the shape of one.
    """
    answer = parsed(_CHUNK, event.data)
    _check_error(answer, event)
    choice = _first(answer)
    said = None if choice is None else choice.get("message")
    if choice is None or said is None:
        raise WireError("the answer has no choices")
    parts: list[Decoded] = [Identity(answer.get("id"), answer.get("model")), *_parts_of(said, _Calls())]
    if (usage := answer.get("usage")) is not None:
        parts.append(_count(usage, final=True))
    if finish := choice.get("finish_reason"):
        parts.append(Finish(finish))
    return parts


_ERRORS: Final = frozenset({"error", STRAY})


def _raise(error: ProviderError | None) -> list[Decoded]:
    if error is not None:
        raise error
    return []


def _check_error(chunk: _Chunk, event: ServerEvent) -> None:
    if chunk.get("error") or chunk.get("object") == "error":  # the second is vLLM's flat form
        _raise(error_of(ServerEvent("error", event.data)))


def _first(chunk: _Chunk) -> _Choice | None:
    for choice in chunk.get("choices") or ():
        if not choice.get("index"):
            return choice
    return None


def _parts_of(said: _Said, calls: "_Calls") -> Iterator[Decoded]:
    if text := said.get("content"):
        yield text
        if len(said) == 1:  # most pieces are no more than text
            return
    thought = said.get("reasoning_content") or said.get("reasoning")
    if thought:
        yield Reasoning(thought) if isinstance(thought, str) else Progress()
    if refusal := said.get("refusal"):
        yield Refusal(refusal)
    for call in said.get("tool_calls") or ():
        yield calls.delta(call)
    annotations = said.get("annotations")
    if isinstance(annotations, list):
        yield from _citations(cast("list[object]", annotations))


class _Calls:
    """Which call a piece belongs to: some servers give no index, and begin each call with an id.

    Some give no id either; then it is made up, since the result of the call must name one.
    """

    __slots__ = ("_begun", "_last")

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self._last = -1

    def delta(self, call: _Call) -> ToolCallDelta:
        index = call.get("index")
        if index is None:
            index = self._last + 1 if call.get("id") or self._last < 0 else self._last
        self._last = index
        made_up = None if index in self._begun else f"call-{index}"
        self._begun.add(index)
        function = call.get("function") or {}
        return ToolCallDelta(
            index, call.get("id") or made_up, function.get("name") or None, function.get("arguments") or ""
        )


def _citations(annotations: Iterable[object]) -> Iterator[Citation]:
    for each in annotations:
        cited = look(each, "url_citation")
        address, title = look(cited, "url"), look(cited, "title")
        if isinstance(address, str):
            yield Citation(
                address,
                title if isinstance(title, str) else None,
                start=integer_at(cited, "start_index"),
                end=integer_at(cited, "end_index"),
            )


def _count(usage: object, *, final: bool) -> Count:
    counted = Usage(
        integer_at(usage, "prompt_tokens"),
        integer_at(usage, "completion_tokens"),
        integer_at(usage, "prompt_tokens_details", "cached_tokens"),
        integer_at(usage, "completion_tokens_details", "reasoning_tokens"),
        integer_at(usage, "prompt_tokens_details", "cache_write_tokens"),
    )
    return Count(counted, final=final)


_WIRE: Final = Wire(
    provider=OPENAI.name,
    sdk=OPENAI_ERRORS,
    decoder=_ChunkDecoder,
    decode_whole=_decode_completion,
    request_id_header="x-request-id",
    terminal="finish_reason",
)
