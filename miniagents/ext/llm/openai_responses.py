"""`openai_responses_agent`: reasoning models of OpenAI, over the Responses API.

Requests go through ``responses.create`` of the official async SDK. Nothing is stored at the provider: each
request has the whole conversation, with the encrypted reasoning of earlier turns.

Why so long: one provider is one file, and a third of it describes the keywords.

Example:
    >>> from miniagents import MiniAgents
    >>> async def main():
    ...     async for answer in openai_responses_agent.inquire("Why?", model="gpt-5.4"):
    ...         async for part in answer.parts:
    ...             print(part)
    >>> MiniAgents().run(main())  # doctest: +SKIP
"""

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final, Literal, cast

from pydantic import SecretStr

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message
from miniagents.models import AnswerSchema, ServerTool, ToolSpec, model_agent
from miniagents.values import Content, File, Image, Reasoning, Refusal, ServerToolCall, ToolCall, ToolResult

from ._call import Wire, reply_with
from ._conversation import Turn, data_url, name_of, not_of_user
from ._json import arguments_as_text, look, plain
from ._opaque import opened
from ._openai_sdk import OPENAI, OPENAI_ERRORS, AsyncOpenAI, connection_of
from ._options import Wanted, beside, options_of
from ._question import Question, prepared
from ._responses_decoder import ResponsesDecoder, decode_response
from ._settings import is_at

__all__ = ["openai_responses_agent"]

_RESERVED: Final = MappingProxyType(
    {
        "input": "send it to the agent",
        "instructions": "give system=..., or send a SystemMessage",
        "model": "give model=...",
        "stream": "give stream=...",
        "timeout": "give total_timeout=...",
        "background": "an answer is read while it is written",
    }
)


@model_agent(asks=OPENAI.asked, server_tools="responses")
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
    cache_prompt: Literal["auto"] | None = None,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of OpenAI that reasons before it answers.

    It sends the whole conversation, and streams one `AssistantMessage`.

    Args:
        ctx: the conversation.
        model, stream, system, client, api_key, base_url, first_token_timeout: see `ModelOptions`.
        stall_timeout, total_timeout, max_retries, refusal_is_error: see `ModelOptions`.
        tools, tool_choice, answer_schema, cache_prompt, extra: see `ModelOptions`.
        max_tokens: of the answer and its reasoning.
        temperature: not for reasoning models.
        keep_reasoning: False for a model that does not reason.

    Raises:
        LLMConfigError, SchemaError: a keyword or the tools make no sense.
        LLMError: readers get it.
    """
    options = options_of(locals())
    asked = await prepared(ctx, options, OPENAI, _RESERVED, connection_of)
    reply_with(ctx, asked.call(_WIRE, "/responses", _encode(asked, keep_reasoning=keep_reasoning)))


# -- encode: messages -> request -------------------------------------------------------------------------


def _encode(asked: Question, *, keep_reasoning: bool) -> dict[str, object]:
    """Convert a question to a request of the Responses API."""
    options, conversation, wanted, extra = asked.options, asked.conversation, asked.wanted, asked.extras.body
    items = [item for turn in conversation.turns for item in _items(turn)]
    # OpenRouter refuses a call without an id of its own. To OpenAI an id is a reference, so a call gets none
    # there but the one that it came with.
    if is_at(asked.connection.base_url, "openrouter.ai"):
        items = [
            {"id": f"fc_{item['call_id']}", **item} if item.get("type") == "function_call" else item
            for item in items
        ]
    body: dict[str, object] = {
        "input": items,
        "instructions": conversation.system or None,
        "max_output_tokens": options.max_tokens,
        "temperature": options.temperature,
        "store": False,
        "include": list(_included(wanted, keep_reasoning=keep_reasoning)) or None,
        "tool_choice": {"type": "function", "name": wanted.tool} if wanted.tool else None,
        "prompt_cache_key": asked.cache_key,
        **extra,
        "tools": wanted.told(_tool, extra.get("tools"), "responses"),
        "text": beside(extra.get("text"), format=_format(wanted.answer) if wanted.answer else None),
    }
    return {name: value for name, value in body.items() if value is not None}


def _included(wanted: Wanted, *, keep_reasoning: bool) -> Iterator[str]:
    """Yield what the server sends only if the request asks for it."""
    if keep_reasoning:
        yield "reasoning.encrypted_content"
    for tool in wanted.tools:
        if isinstance(tool, ServerTool) and (more := _RESULTS.get(tool.form("responses").get("type"))):
            yield more


_RESULTS: Final = MappingProxyType[object, str](
    {"web_search": "web_search_call.action.sources", "code_interpreter": "code_interpreter_call.outputs"}
)


def _items(turn: Turn) -> Iterator[dict[str, object]]:
    if turn.role == "user":
        text = all(isinstance(part, str) for part in turn.content)
        yield {"role": "user", "content": turn.text if text else [*map(_said_by_user, turn.content)]}
    else:
        yield from _said_by_model(turn)


def _said_by_model(turn: Turn) -> Iterator[dict[str, object]]:
    # An id may go back only with the thought before it: the server looks for that thought.
    whole = all(_goes_back(part) for part in turn.content if isinstance(part, Reasoning))
    said: dict[str, object] = {}  # the last text
    for part in turn.content:
        match part:
            case str() | Refusal():
                text = part if isinstance(part, str) else part.text
                # OpenAI accepts it without the type, other servers (llama.cpp) do not.
                said = {"type": "message", "role": "assistant", "content": text}
                yield said
            case Reasoning():
                said.update(cast("Mapping[str, object]", opened(part).get("message", {})))
                yield from _thought(part)
            case ToolCall(call_id, name, arguments):
                call = {"type": "function_call", "call_id": call_id, "name": name}
                more = cast("Mapping[str, object]", opened(part).get("rest", {}))
                rest = {field: value for field, value in more.items() if whole or field != "id"}
                yield {**call, "arguments": arguments_as_text(arguments), **rest}
            case ToolResult(call_id, content):
                output = [*map(_said_by_user, content)] if part.attached else part.text
                yield {"type": "function_call_output", "call_id": call_id, "output": output}
            case ServerToolCall() if isinstance(item := opened(part).get("item"), Mapping) and whole:
                yield dict(cast("Mapping[str, object]", item))
            case _:
                pass


def _thought(part: Reasoning) -> Iterator[dict[str, object]]:
    known = opened(part)
    if isinstance(item := known.get("item"), Mapping) and _goes_back(part):
        yield dict(cast("Mapping[str, object]", item))
    elif part.signature and part.id and not known:
        # Only reasoning that this API has encrypted may go back to it.
        summary = [{"type": "summary_text", "text": part.text}] if part.text else []
        thought = {"type": "reasoning", "id": part.id, "summary": summary}
        yield {**thought, "encrypted_content": part.signature}


def _goes_back(thought: Reasoning) -> bool:
    """Return whether a thought can go back: the server encrypted it, or shows it; a summary is not enough."""
    item = opened(thought).get("item")
    return item is None or bool(look(item, "encrypted_content") or look(item, "content"))


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
            raise not_of_user(part)


def _tool(spec: ToolSpec) -> dict[str, object]:
    parameters = plain(spec.parameters)
    # Strict mode has its own rules for schemas, and the arguments of tools are checked here anyway.
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


_WIRE: Final = Wire(
    provider=OPENAI.name,
    sdk=OPENAI_ERRORS,
    decoder=ResponsesDecoder,
    decode_whole=decode_response,
    request_id_header="x-request-id",
    terminal="response.completed",
)
