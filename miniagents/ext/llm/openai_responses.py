"""`openai_responses_agent`: models of OpenAI that think, over the Responses API.

Everything goes through ``responses.create`` of the official async SDK. Nothing is stored at the provider: the
whole conversation is sent each time, with the thoughts of earlier turns in encrypted form.

Why so long: one provider is one file, and a third of it describes the keywords.

Example:
    >>> from miniagents import MiniAgents
    >>> async def main():
    ...     async for answer in openai_responses_agent.inquire("Why?", model="gpt-5.4"):
    ...         async for part in answer.parts:
    ...             print(part)
    >>> MiniAgents().run(main())  # doctest: +SKIP
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, cast

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
from ._json import ProviderError, WireError, arguments_as_text, integer_at, look, parsed, plain, untyped
from ._openai_sdk import OPENAI, OPENAI_ERRORS, AsyncOpenAI, connection_of
from ._options import NOTHING_WANTED, ModelOptions, Wanted, beside
from ._question import prepared
from ._sse import STRAY, ServerEvent, error_of
from ._transport import Response

__all__ = ["create_openai_responses_agent", "openai_responses_agent"]

_RESERVED: Final = MappingProxyType(
    {
        "input": "it is what the agent is sent",
        "instructions": "give system=..., or send a SystemMessage",
        "model": "give model=...",
        "stream": "give stream=...",
        "timeout": "give total_timeout=...",
        "background": "an answer is read while it is written",
    }
)


@model_agent
async def openai_responses_agent(  # noqa: D417 - `ModelOptions` describes most; test_options.py compares
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
    first_token_timeout: float | None = 300.0,
    stall_timeout: float | None = 120.0,
    total_timeout: float | None = 1200.0,
    max_retries: int | None = None,
    keep_reasoning: bool = True,
    refusal_is_error: bool = False,
    tools: Sequence[ToolSpec] = (),
    tool_choice: str | None = None,
    answer_schema: AnswerSchema | None = None,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of OpenAI that thinks first.

    It is sent the whole conversation, images and files too, and replies one `AssistantMessage`, streamed,
    with `model`, `response_id`, `finish_reason` ("completed", else why it is not: "max_output_tokens"),
    `usage`, and `reasoning` and `tool_calls` where there are some.

    `system` and all system messages become the request's instructions. Messages without text are left out. So
    are error messages: the model is not told of them.

    Args:
        ctx: the conversation.
        model, stream, system, client, api_key, base_url, first_token_timeout: see `ModelOptions`.
        stall_timeout, total_timeout, max_retries, refusal_is_error: see `ModelOptions`.
        tools, tool_choice, answer_schema, extra: see `ModelOptions`.
        max_tokens: the most tokens of the answer, those of its thoughts included.
        temperature: from 0 to 2; models that think take none.
        keep_reasoning: whether to ask for the thoughts in encrypted form, so that later turns can send them
            back. Set it to False for a model that does not think: those refuse to be asked.

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
        max_tokens=max_tokens,
        temperature=temperature,
        keep_reasoning=keep_reasoning,
        wanted=asked.wanted,
        extra=asked.extras.body,
    )

    def ask() -> AbstractAsyncContextManager[Response]:
        return used.responses.with_streaming_response.create(
            model=asked.model,
            input=[],  # in the body: the SDK would look at each for a millisecond, and change nothing
            stream=stream,
            extra_body={**request.body, "input": request.input},
            extra_headers={"Accept-Encoding": "identity", **asked.extras.headers},
            extra_query=asked.extras.query,
            timeout=used.timeout,
        )

    reply_with(ctx, asked.call(_WIRE, ask))


create_openai_responses_agent: Final = openai_responses_agent.fork
"""The same as `openai_responses_agent.fork`: an agent with other defaults."""


# -- encode: messages -> request -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _ResponsesRequest:
    """What is sent, apart from the model's name: the items, and all other fields of the body."""

    input: list[dict[str, object]]
    body: dict[str, object]


def _encode(
    conversation: Conversation,
    *,
    max_tokens: int | None,
    temperature: float | None,
    keep_reasoning: bool,
    wanted: Wanted = NOTHING_WANTED,
    extra: Mapping[str, object],
) -> _ResponsesRequest:
    """Turn a conversation into a request of the Responses API."""
    items = [item for turn in conversation.turns for item in _items(turn)]
    body: dict[str, object] = {
        "instructions": conversation.system or None,
        "max_output_tokens": max_tokens,
        "temperature": temperature,
        "store": False,
        "include": ["reasoning.encrypted_content"] if keep_reasoning else None,
        "tools": [_tool(spec) for spec in wanted.tools] or None,
        "tool_choice": {"type": "function", "name": wanted.tool} if wanted.tool else None,
        **extra,
        "text": beside(extra.get("text"), format=_format(wanted.answer) if wanted.answer else None),
    }
    return _ResponsesRequest(items, {name: value for name, value in body.items() if value is not None})


def _items(turn: Turn) -> Iterator[dict[str, object]]:
    if turn.role == "user":
        if all(isinstance(part, str) for part in turn.content):
            yield {"role": "user", "content": turn.text}
        else:
            yield {"role": "user", "content": [_said_by_user(part) for part in turn.content]}
        return
    for part in turn.content:
        match part:
            case str():
                yield {"role": "assistant", "content": part}
            case Refusal(text):
                yield {"role": "assistant", "content": text}
            case Reasoning(text, signature, str(item_id)) if signature:
                # Only a thought that this API has encrypted may go back to it.
                summary = [{"type": "summary_text", "text": text}] if text else []
                yield {"type": "reasoning", "id": item_id, "summary": summary, "encrypted_content": signature}
            case ToolCall(call_id, name, arguments):
                call = {"type": "function_call", "call_id": call_id, "name": name}
                yield {**call, "arguments": arguments_as_text(arguments)}
            case ToolResult(call_id, content):
                yield {"type": "function_call_output", "call_id": call_id, "output": content}
            case _:
                pass


def _said_by_user(part: Content) -> dict[str, object]:
    match part:
        case str():
            return {"type": "input_text", "text": part}
        case Image():
            return {"type": "input_image", "image_url": data_url(part), "detail": part.detail or "auto"}
        case File(url=str()):
            return {"type": "input_file", "file_url": part.url}
        case File():
            return {"type": "input_file", "filename": name_of(part), "file_data": data_url(part)}
        case _:
            raise LLMConfigError(f"a user cannot say a {type(part).__name__}; give texts, images and files")


def _tool(spec: ToolSpec) -> dict[str, object]:
    parameters = plain(spec.parameters)
    # Strict mode has rules of its own for schemas; what a tool is given is checked here anyway.
    return {
        "type": "function",
        "name": spec.name,
        "description": spec.description,
        "parameters": parameters,
        "strict": False,
    }


def _format(answer: AnswerSchema) -> dict[str, object]:
    described = {"description": answer.description} if answer.description else {}
    schema = {"name": answer.name, **described, "schema": plain(answer.schema), "strict": answer.strict}
    return {"type": "json_schema", **schema}


# -- decode: events -> parts -----------------------------------------------------------------------------


class _Item(TypedDict, total=False):
    type: str | None
    id: str | None
    call_id: str | None
    name: str | None
    arguments: str | None
    encrypted_content: str | None
    content: object
    summary: object


class _Answer(TypedDict, total=False):
    id: str | None
    model: str | None
    status: str | None
    output: list[_Item] | None
    usage: object
    error: object
    incomplete_details: object


class _Event(TypedDict, total=False):
    type: str | None
    delta: str | None
    output_index: int | None
    item_id: str | None
    item: _Item | None
    summary_index: int | None
    annotation: object
    response: _Answer | None


_EVENT: Final = TypeAdapter(_Event)
_ANSWER: Final = TypeAdapter(_Answer)
_ERRORS: Final = frozenset({"error", STRAY})
_KNOWN: Final = frozenset(
    {
        "error",
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.output_item.done",
        "response.output_text.delta",
        "response.output_text.annotation.added",
        "response.refusal.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.reasoning_summary_part.added",
        "response.function_call_arguments.delta",
        "response.completed",
        "response.incomplete",
        "response.failed",
    }
)


class _EventDecoder:
    """Turns the events of one stream into parts; it remembers which items have begun, and which spoke.

    Raises:
        WireError: from a call, if the event is none of the protocol, or belongs to no item.
        ProviderError: from a call, if it is an error.
    """

    __slots__ = ("_begun", "_spoke")

    def __init__(self) -> None:
        self._begun: set[int] = set()
        self._spoke: set[int] = set()

    def __call__(self, event: ServerEvent) -> list[Decoded]:
        """Return the parts of an event; none for a type it does not know."""
        if event.name in _ERRORS:
            return _raise(event)
        try:
            known = parsed(_EVENT, event.data)
        except WireError:
            # A field may mean something else in an event that is younger than this file.
            kind = look(untyped(event.data), "type")
            if isinstance(kind, str) and kind not in _KNOWN:
                return []
            raise
        kind = known.get("type")
        if kind is None:
            raise WireError("an event has no type")
        if kind.endswith(".delta"):
            return self._piece(kind, known) if kind in _KNOWN else []
        return list(self._rarer(kind, known, event))

    def _piece(self, kind: str, event: _Event) -> list[Decoded]:
        piece, index = event.get("delta"), event.get("output_index")
        if piece is None or index is None:
            raise WireError("a piece has no text or no place")
        if index not in self._begun:
            raise WireError("a piece came for an item that has not begun")
        self._spoke.add(index)
        match kind:
            case "response.output_text.delta":
                return [piece]
            case "response.refusal.delta":
                return [Refusal(piece)]
            case "response.function_call_arguments.delta":
                return [ToolCallDelta(index, arguments=piece)] if piece else []
            case _:
                return [Reasoning(piece, id=event.get("item_id"), index=index)]

    def _rarer(self, kind: str, event: _Event, raw: ServerEvent) -> Iterable[Decoded]:
        match kind:
            case "response.created" | "response.in_progress":
                begun = event.get("response") or {}
                yield Identity(begun.get("id"), begun.get("model"))
            case "response.output_item.added":
                index, item = self._place(event)
                self._begun.add(index)
                yield from _begin(item, index)
            case "response.output_item.done":
                index, item = self._place(event)
                self._begun.add(index)
                yield from _end(item, index, spoke=index in self._spoke)
            case "response.reasoning_summary_part.added":
                index = event.get("output_index") or 0
                if event.get("summary_index"):
                    yield Reasoning("\n\n", id=event.get("item_id"), index=index)
            case "response.output_text.annotation.added":
                yield from _citations([event.get("annotation")])
            case "response.completed" | "response.incomplete" | "response.failed":
                answer = event.get("response")
                if answer is None:
                    raise WireError("the end has no response")
                yield from self._not_streamed(answer)
                yield from _finish(answer)
            case "error":
                _raise(ServerEvent("error", raw.data))
            case _:
                return

    def _not_streamed(self, answer: _Answer) -> Iterator[Decoded]:
        """What stands at the end alone, as some servers have it."""
        for index, item in enumerate(answer.get("output") or ()):
            if index not in self._begun:
                yield from _begin(item, index)
                yield from _end(item, index, spoke=False)

    def _place(self, event: _Event) -> tuple[int, _Item]:
        index, item = event.get("output_index"), event.get("item")
        if index is None or item is None:
            raise WireError("an item has no place or no content")
        return index, item


def _decode_response(event: ServerEvent) -> list[Decoded]:
    """Turn a whole answer into parts.

    Raises:
        WireError: if it is no response of the Responses API.
        ProviderError: if it is an error.
    """
    answer = parsed(_ANSWER, event.data)
    items = answer.get("output")
    if items is None:
        _raise(event)
        raise WireError("the answer has no output")
    parts: list[Decoded] = [Identity(answer.get("id"), answer.get("model"))]
    for index, item in enumerate(items):
        parts += _begin(item, index)
        parts += _end(item, index, spoke=False)
    return [*parts, *_finish(answer)]


def _raise(event: ServerEvent) -> list[Decoded]:
    if (error := error_of(event)) is not None:
        raise error
    return []


def _begin(item: _Item, index: int) -> Iterator[Decoded]:
    match item.get("type"):
        case "function_call":
            yield ToolCallDelta(index, item.get("call_id"), item.get("name"), item_id=item.get("id"))
        case "message":
            return
        case _:
            yield Progress()


def _end(item: _Item, index: int, *, spoke: bool) -> Iterator[Decoded]:
    """What is only known at the end of an item, and all of an item that came without pieces."""
    match item.get("type"):
        case "reasoning":
            text = "" if spoke else "\n\n".join(_texts(item.get("summary"), "summary_text"))
            yield Reasoning(text, item.get("encrypted_content"), item.get("id"), index)
        case "function_call":
            if not spoke and (arguments := item.get("arguments")):
                yield ToolCallDelta(index, arguments=arguments)
        case "message":
            if not spoke:
                yield from _texts(item.get("content"), "output_text")
                for refusal in _texts(item.get("content"), "refusal"):
                    yield Refusal(refusal)
                for part in _list(item.get("content")):
                    yield from _citations(_list(look(part, "annotations")))
        case _:
            return


def _list(value: object) -> list[object]:
    return cast("list[object]", value) if isinstance(value, list) else []


def _texts(content: object, kind: str) -> Iterator[str]:
    for part in _list(content):
        text = look(part, "refusal" if kind == "refusal" else "text")
        if look(part, "type") == kind and isinstance(text, str):
            yield text


def _citations(annotations: Iterable[object]) -> Iterator[Citation]:
    for each in annotations:
        source = look(each, "url") or look(each, "file_id")
        title = look(each, "title") or look(each, "filename")
        if isinstance(source, str):
            yield Citation(
                source,
                title if isinstance(title, str) else None,
                start=integer_at(each, "start_index"),
                end=integer_at(each, "end_index"),
            )


def _finish(answer: _Answer) -> Iterator[Decoded]:
    status = answer.get("status") or ""
    if status in {"failed", "cancelled"}:
        error = answer.get("error")
        raise ProviderError(str(look(error, "code") or status), str(look(error, "message") or ""))
    usage = answer.get("usage")
    if usage is not None:
        counted = Usage(
            integer_at(usage, "input_tokens"),
            integer_at(usage, "output_tokens"),
            integer_at(usage, "input_tokens_details", "cached_tokens"),
            integer_at(usage, "output_tokens_details", "reasoning_tokens"),
        )
        yield Count(counted, final=True)
    if status == "completed":
        yield Finish(status)
    elif status == "incomplete":
        yield Finish(str(look(answer.get("incomplete_details"), "reason") or status))


_WIRE: Final = Wire(
    provider=OPENAI.name,
    sdk=OPENAI_ERRORS,
    decoder=_EventDecoder,
    decode_whole=_decode_response,
    request_id_header="x-request-id",
    terminal="response.completed",
)
