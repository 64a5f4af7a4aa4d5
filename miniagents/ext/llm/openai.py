"""`openai_agent`: models of OpenAI, and of every server that speaks Chat Completions.

Such are Ollama, vLLM and llama.cpp. Everything goes through ``chat.completions.create`` of the official
async SDK. What a server of its own dialect says (chunks without choices, comments, events of unknown types)
is passed over; what breaks the protocol is an error.

Why so long: one provider is one file, and a third of it describes the keywords.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from pydantic import SecretStr

from miniagents.agents import InteractionContext, miniagent
from miniagents.promising import AssistantMessage, Message, PromisingContext
from miniagents.values import LLMConfigError

from ._answer import ModelCall, Wire
from ._clients import NO_KEY, ClientRoom, no_certificates
from ._conversation import Conversation, conversation_of
from ._faults import SDKErrors
from ._look import ProviderError, WireError, integer_at, items_at, look, record, text_at
from ._parts import Finish, Identity, Part, Progress, Refusal, Usage
from ._reply import reply_with
from ._settings import Endpoint, Extras, Provider, check_numbers, server_of
from ._timeouts import Timeouts

try:
    from openai import (
        DEFAULT_MAX_RETRIES,
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AsyncOpenAI,
        DefaultAsyncHttpxClient,
        OpenAIError,
        Timeout,
    )
    from openai.types.chat import ChatCompletionMessageParam
except ImportError as _error:
    raise ImportError(
        "openai_agent needs the SDK of OpenAI, which is not installed; pip install 'miniagents[openai]'"
    ) from _error

__all__ = ["create_openai_agent", "openai_agent"]

_PROVIDER: Final = Provider("openai", "https://api.openai.com/v1", ("openai.com", "openai.azure.com"))
_RESERVED: Final = (
    ("messages", "they are what the agent is sent"),
    ("model", "give model=..."),
    ("stream", "give stream=..."),
    ("timeout", "give total_timeout=..."),
    ("n", "one inquiry is one answer, so inquire as often as you want answers"),
)
_SECONDS_TO_CONNECT: Final = 10.0


@miniagent
async def openai_agent(
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
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of OpenAI, or of any server that is compatible with it.

    It is sent the whole conversation and replies one `AssistantMessage`, streamed, with `model`,
    `response_id`, `finish_reason` (in the server's own word; "length" means that `max_tokens` were not
    enough) and `usage` (`input_tokens`, `output_tokens`, and `cached_tokens`, `reasoning_tokens` where the
    server counts them).

    `system` and all system messages become one system message, which comes first. Messages without text are
    left out. So are error messages: the model is not told of them.

    Args:
        ctx: the conversation.
        model: which model; else the `OPENAI_MODEL` setting of the environment.
        stream: whether the answer comes piece by piece; of a whole one only `total_timeout` is watched.
        max_tokens: the most tokens of the answer. OpenAI is sent `max_completion_tokens`, its name of today;
            other servers are sent `max_tokens`, since many of them know only that.
        temperature: from 0 to 2.
        system: the system text.
        client: a client of your own, used as it is and never closed; it must belong to this event loop.
        api_key: else the `OPENAI_API_KEY` setting. Servers other than OpenAI's may do without.
        base_url: where the server is; else the `OPENAI_BASE_URL` setting, else OpenAI.
        first_token_timeout: seconds until the first piece of the answer; None for no limit, as with the other
            two.
        stall_timeout: seconds between two pieces; comments and empty events are no pieces.
        total_timeout: seconds for everything. Time in which readers hold the stream back is not counted.
        max_retries: how often to ask again while nothing has come; else as the client is made, else 2.
        needs_finish_reason: whether an answer without a `finish_reason` is an error. Set it to False for a
            server that never sends one: then the count of tokens, which comes last, marks the end.
        extra: any further fields of the request, also ones that the SDK does not know; one of None is not
            sent. `extra_headers` and `extra_query` go where their names say.

    Raises:
        LLMConfigError: no model, no key, nothing to answer, or a keyword that makes no sense; nothing was
        sent. LLMError: what went wrong afterwards is an error of the reply, after the text that had arrived.
    """
    conversation = conversation_of(await ctx.messages, system)
    check_numbers(max_tokens, temperature, max_retries)
    name = _PROVIDER.model(model)
    used, retries, secrets = _client(client, api_key, base_url)
    url = str(used.base_url)
    extras = Extras.of(extra, dict(_RESERVED))
    request = _encode(
        conversation,
        stream=stream,
        max_tokens=max_tokens,
        temperature=temperature,
        is_openai=_PROVIDER.is_own(url),
        extra=extras.body,
    )

    async def ask() -> object:
        return await used.chat.completions.create(
            model=name,
            messages=request.messages,
            stream=stream,
            extra_body=request.body,
            extra_headers={"Accept-Encoding": "identity", **extras.headers},
            extra_query=extras.query,
        )

    call = ModelCall(
        wire=_WIRE,
        ask=ask,
        model=name,
        server=server_of(url),
        secrets=secrets,
        stream=stream,
        timeouts=Timeouts(first_token_timeout, stall_timeout, total_timeout),
        max_retries=retries if max_retries is None else max_retries,
        needs_finish=needs_finish_reason,
    )
    reply_with(ctx, call)


create_openai_agent: Final = openai_agent.fork
"""The same as `openai_agent.fork`: an agent with other defaults."""


@dataclass(frozen=True, slots=True)
class _ChatRequest:
    """What is sent, apart from the model's name: the messages, and all other fields of the body."""

    messages: list[ChatCompletionMessageParam]
    body: dict[str, object]


def _encode(
    conversation: Conversation,
    *,
    stream: bool,
    max_tokens: int | None,
    temperature: float | None,
    is_openai: bool,
    extra: Mapping[str, object],
) -> _ChatRequest:
    """Turn a conversation into a Chat Completions request."""
    messages: list[ChatCompletionMessageParam] = []
    if conversation.system:
        messages.append({"role": "system", "content": conversation.system})
    for turn in conversation.turns:
        if turn.role == "user":
            messages.append({"role": "user", "content": turn.text})
        else:
            messages.append({"role": "assistant", "content": turn.text})
    body: dict[str, object] = {
        "max_completion_tokens" if is_openai else "max_tokens": max_tokens,
        "temperature": temperature,
        "stream_options": {"include_usage": True} if stream else None,
        **extra,
    }
    return _ChatRequest(messages, {name: value for name, value in body.items() if value is not None})


def _decode_chunk(event: object) -> list[Part]:
    """Turn one chunk of a stream into parts.

    Raises:
        WireError: if it is no chunk.
        ProviderError: if it is an error in the shape of a chunk.
    """
    choice = _first_choice(_without_error(record(event, "a chunk")))
    parts: list[Part] = [Identity(text_at(event, "id", "id"), text_at(event, "model", "model"))]
    finish = ""
    if choice is not None:
        finish = text_at(choice, "finish_reason", "finish_reason")
        parts += _said(look(choice, "delta"), "delta")
        if finish:
            parts.append(Finish(finish))
    # The last count stands in a chunk without choices, or beside the end; some servers count in every chunk.
    parts += _usage(event, final=choice is None or bool(finish))
    return parts


def _decode_completion(answer: object) -> list[Part]:
    """Turn a whole answer into parts.

    Raises:
        WireError: if it is no Chat Completion.
        ProviderError: if it is an error in the shape of one.
    """
    choice = _first_choice(_without_error(record(answer, "the answer")))
    if choice is None:
        raise WireError("the answer has no choices")
    parts: list[Part] = [Identity(text_at(answer, "id", "id"), text_at(answer, "model", "model"))]
    parts += _said(record(look(choice, "message"), "the message"), "message")
    parts += _usage(answer, final=True)
    if finish := text_at(choice, "finish_reason", "finish_reason"):
        parts.append(Finish(finish))
    return parts


def _said(said: object, where: str) -> Iterable[Part]:
    if said is None:
        return
    record(said, where)
    if text := text_at(said, "content", f"{where}.content"):
        yield text
    if refusal := text_at(said, "refusal", f"{where}.refusal"):
        yield Refusal(refusal)
    # Reasoning has no field in the protocol; these are the names that servers give it.
    if any(look(said, name) for name in ("tool_calls", "reasoning_content", "reasoning")):
        yield Progress()


def _first_choice(event: object) -> object:
    for choice in items_at(event, "choices", "choices"):
        if look(record(choice, "a choice"), "index") in {0, None}:
            return choice
    return None


def _usage(event: object, *, final: bool) -> Iterable[Part]:
    usage = look(event, "usage")
    if usage is not None:
        yield Usage(
            input=integer_at(usage, "prompt_tokens"),
            output=integer_at(usage, "completion_tokens"),
            cached=integer_at(usage, "prompt_tokens_details", "cached_tokens"),
            reasoning=integer_at(usage, "completion_tokens_details", "reasoning_tokens"),
            final=final,
        )


def _without_error(event: object) -> object:
    error = look(event, "error")
    if not error and look(event, "object") == "error":  # vLLM's flat form
        error = event
    if error:
        told = look(error, "message") or (error if isinstance(error, str) else "")
        raise ProviderError(str(look(error, "type") or look(error, "code") or ""), str(told))
    return event


def _client(
    client: object, api_key: SecretStr | str | None, base_url: str | None
) -> tuple[AsyncOpenAI, int, tuple[SecretStr, ...]]:
    """Return a client that does not ask again by itself, how often we should, and what no text may show."""
    if client is None:
        endpoint = _PROVIDER.endpoint(api_key, base_url)
        room = ClientRoom.of(PromisingContext.current())
        key = (endpoint.api_key,) if endpoint.api_key else ()
        return room.get(endpoint, AsyncOpenAI, _build), DEFAULT_MAX_RETRIES, key
    if api_key is not None or base_url is not None:
        raise LLMConfigError(
            "openai_agent was given client and also api_key or base_url; the client has both"
        )
    if not isinstance(client, AsyncOpenAI):
        raise LLMConfigError(f"client is a {type(client).__name__}; give an openai.AsyncOpenAI")
    return client.with_options(max_retries=0), client.max_retries, (SecretStr(client.api_key),)


def _build(endpoint: Endpoint) -> AsyncOpenAI:
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY
    tls = no_certificates(endpoint)
    # Every wait is bounded by the call's own limits; the SDK has no total one.
    return AsyncOpenAI(
        api_key=key,
        base_url=endpoint.base_url,
        max_retries=0,  # asking again is ours
        timeout=Timeout(None, connect=_SECONDS_TO_CONNECT),
        http_client=None if tls is None else DefaultAsyncHttpxClient(verify=tls),
    )


_WIRE: Final = Wire(
    provider=_PROVIDER.name,
    sdk=SDKErrors(
        status=APIStatusError,
        timeout=APITimeoutError,
        connection=APIConnectionError,
        reported=APIError,
        base=OpenAIError,
    ),
    decoder=lambda: _decode_chunk,
    decode_whole=_decode_completion,
    request_id_header="x-request-id",
    terminal="finish_reason",
)
