"""`anthropic_agent`: models of Anthropic.

Everything goes through ``messages.create`` of the official async SDK; what it has no parameter for any more
(`temperature`) goes through its ``extra_body``.

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
from ._conversation import Conversation, Turn, conversation_of, joined_turns
from ._faults import SDKErrors
from ._look import ProviderError, WireError, integer_at, items_at, look, record, text_at
from ._parts import Finish, Identity, Part, Progress, Usage
from ._reply import reply_with
from ._settings import Endpoint, Extras, Provider, check_numbers, server_of
from ._timeouts import Timeouts

try:
    from anthropic import (
        DEFAULT_MAX_RETRIES,
        AnthropicError,
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AsyncAnthropic,
        DefaultAsyncHttpxClient,
        Timeout,
    )
    from anthropic.types import MessageParam
except ImportError as _error:
    raise ImportError(
        "anthropic_agent needs Anthropic's SDK, which is not installed; pip install 'miniagents[anthropic]'"
    ) from _error

__all__ = ["anthropic_agent", "create_anthropic_agent"]

_PROVIDER: Final = Provider("anthropic", "https://api.anthropic.com", ("anthropic.com",))
_RESERVED: Final = (
    ("messages", "they are what the agent is sent"),
    ("model", "give model=..."),
    ("stream", "give stream=..."),
    ("max_tokens", "give max_tokens=..."),
    ("system", "give system=..., or send a SystemMessage"),
    ("timeout", "give total_timeout=..."),
)
_MAX_TOKENS: Final = 8192
_SECONDS_TO_CONNECT: Final = 10.0
_OPENING: Final = "(The conversation begins with your words.)"


@miniagent
async def anthropic_agent(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str | None = None,
    stream: bool = True,
    max_tokens: int | None = None,
    temperature: float | None = None,
    system: str | None = None,
    client: AsyncAnthropic | None = None,
    api_key: SecretStr | str | None = None,
    base_url: str | None = None,
    first_token_timeout: float | None = 120.0,
    stall_timeout: float | None = 60.0,
    total_timeout: float | None = 600.0,
    max_retries: int | None = None,
    extra: Mapping[str, object] | None = None,
) -> None:
    """Answers a conversation with a model of Anthropic.

    It is sent the whole conversation and replies one `AssistantMessage`, streamed, with `model`,
    `response_id`, `finish_reason` (in Anthropic's own word: "end_turn"; "max_tokens" means that they were not
    enough) and `usage` (`input_tokens`, cached ones included, `output_tokens`, and `cached_tokens` where some
    were read from a cache).

    `system` and all system messages become the request's system text. Anthropic wants the roles to alternate,
    so neighbours of one role are joined by a blank line, and a conversation that begins with the assistant
    gets a short user turn before it. Messages without text are left out. So are error messages: the model is
    not told of them.

    Args:
        ctx: the conversation.
        model: which model; else the `ANTHROPIC_MODEL` setting of the environment.
        stream: whether the answer comes piece by piece; of a whole one only `total_timeout` is watched.
        max_tokens: the most tokens of the answer; 8192 unless given, since Anthropic wants a number.
        temperature: from 0 to 2.
        system: the system text.
        client: a client of your own, used as it is and never closed; it must belong to this event loop.
        api_key: else the `ANTHROPIC_API_KEY` setting. Servers other than Anthropic's may do without.
        base_url: where the server is; else the `ANTHROPIC_BASE_URL` setting, else Anthropic.
        first_token_timeout: seconds until the first piece of the answer; None for no limit, as with the other
            two.
        stall_timeout: seconds between two pieces; pings and empty events are no pieces.
        total_timeout: seconds for everything. Time in which readers hold the stream back is not counted.
        max_retries: how often to ask again while nothing has come; else as the client is made, else 2.
        extra: any further fields of the request (`top_k`, `thinking`, ...), also ones that the SDK does not
            know; one of None is not sent. `extra_headers` and `extra_query` go where their names say.

    Raises:
        LLMConfigError: no model, no key, nothing to answer, or a keyword that makes no sense; nothing was
        sent. LLMError: what went wrong afterwards is an error of the reply, after the text that had arrived.
    """
    conversation = conversation_of(await ctx.messages, system)
    check_numbers(max_tokens, temperature, max_retries)
    name = _PROVIDER.model(model)
    used, retries, secrets = _client(client, api_key, base_url)
    extras = Extras.of(extra, dict(_RESERVED))
    request = _encode(conversation, temperature=temperature, extra=extras.body)

    async def ask() -> object:
        return await used.messages.create(
            model=name,
            messages=request.messages,
            max_tokens=max_tokens or _MAX_TOKENS,
            stream=stream,
            extra_body=request.body,
            extra_headers={"Accept-Encoding": "identity", **extras.headers},
            extra_query=extras.query,
            timeout=used.timeout,  # so that the SDK does not refuse long answers that do not stream
        )

    call = ModelCall(
        wire=_WIRE,
        ask=ask,
        model=name,
        server=server_of(str(used.base_url)),
        secrets=secrets,
        stream=stream,
        timeouts=Timeouts(first_token_timeout, stall_timeout, total_timeout),
        max_retries=retries if max_retries is None else max_retries,
    )
    reply_with(ctx, call)


create_anthropic_agent: Final = anthropic_agent.fork
"""The same as `anthropic_agent.fork`: an agent with other defaults."""


@dataclass(frozen=True, slots=True)
class _MessagesRequest:
    """What is sent, apart from model and `max_tokens`: the messages, and all other fields of the body."""

    messages: list[MessageParam]
    body: dict[str, object]


def _encode(
    conversation: Conversation, *, temperature: float | None, extra: Mapping[str, object]
) -> _MessagesRequest:
    """Turn a conversation into a request of the Messages API."""
    turns = joined_turns(conversation.turns)
    if turns[0].role == "assistant":
        turns = (Turn("user", _OPENING), *turns)
    messages: list[MessageParam] = []
    for turn in turns:
        if turn.role == "user":
            messages.append({"role": "user", "content": turn.text})
        else:
            messages.append({"role": "assistant", "content": turn.text})
    if turns[-1].role == "assistant":
        # The model goes on from here, and a text to go on from may not end in white space.
        messages[-1] = {"role": "assistant", "content": turns[-1].text.rstrip()}
    body: dict[str, object] = {"system": conversation.system or None, "temperature": temperature, **extra}
    return _MessagesRequest(messages, {name: value for name, value in body.items() if value is not None})


class _StreamDecoder:
    """Turns the events of one stream into parts; it remembers which blocks have begun."""

    def __init__(self) -> None:
        self._begun: set[int] = set()

    def __call__(self, event: object) -> list[Part]:
        """Return the parts of an event; none for a type it does not know.

        Raises:
            WireError: if it is no event of the protocol, or belongs to no block.
            ProviderError: if it is an error.
        """
        kind = text_at(record(event, "an event"), "type", "the event's type")
        match kind:
            case "content_block_delta":
                self._require_begun(event)
                return list(_from_delta(look(event, "delta")))
            case "message_start":
                message = record(look(event, "message"), "message")
                return [_identity(message), *_usage(message, final=False)]
            case "content_block_start":
                self._begun.add(self._index(event))
                return list(_from_block(look(event, "content_block")))
            case "message_delta":
                reason = text_at(look(event, "delta"), "stop_reason", "stop_reason")
                return [*([Finish(reason)] if reason else []), *_usage(event, final=bool(reason))]
            case "error":
                raise ProviderError(
                    str(look(event, "error", "type") or ""), str(look(event, "error", "message") or "")
                )
            case "":
                raise WireError("an event has no type")
            case _:
                return []

    def _require_begun(self, event: object) -> None:
        if self._index(event) not in self._begun:
            raise WireError("a piece came for a block that has not begun")

    def _index(self, event: object) -> int:
        index = integer_at(event, "index")
        if index is None:
            raise WireError("a block has no index")
        return index


def _decode_message(answer: object) -> list[Part]:
    """Turn a whole answer into parts.

    Raises:
        WireError: if it is no message of the Messages API.
        ProviderError: if it is an error.
    """
    record(answer, "the answer")
    if look(answer, "type") == "error":
        raise ProviderError(
            str(look(answer, "error", "type") or ""), str(look(answer, "error", "message") or "")
        )
    if look(answer, "content") is None:
        raise WireError("the answer has no content")
    parts: list[Part] = [_identity(answer)]
    for block in items_at(answer, "content", "content"):
        parts += _from_block(record(block, "a block"))
    parts += _usage(answer, final=True)
    if reason := text_at(answer, "stop_reason", "stop_reason"):
        parts.append(Finish(reason))
    return parts


def _from_block(block: object) -> Iterable[Part]:
    if text_at(record(block, "a block"), "type", "the block's type") != "text":
        yield Progress()
    elif text := text_at(block, "text", "text"):
        yield text


def _from_delta(delta: object) -> Iterable[Part]:
    kind = text_at(record(delta, "delta"), "type", "the delta's type")
    if kind == "text_delta":
        yield text_at(delta, "text", "delta.text")
    elif any(look(delta, name) for name in ("thinking", "partial_json", "signature", "citation")):
        yield Progress()


def _identity(message: object) -> Identity:
    return Identity(text_at(message, "id", "id"), text_at(message, "model", "model"))


def _usage(message: object, *, final: bool) -> Iterable[Part]:
    usage = look(message, "usage")
    if usage is None:
        return
    fresh = integer_at(usage, "input_tokens")
    read = integer_at(usage, "cache_read_input_tokens")
    written = integer_at(usage, "cache_creation_input_tokens")
    whole = None if fresh is None else fresh + (read or 0) + (written or 0)
    yield Usage(input=whole, output=integer_at(usage, "output_tokens"), cached=read or None, final=final)


def _client(
    client: object, api_key: SecretStr | str | None, base_url: str | None
) -> tuple[AsyncAnthropic, int, tuple[SecretStr, ...]]:
    """Return a client that does not ask again by itself, how often we should, and what no text may show."""
    if client is None:
        endpoint = _PROVIDER.endpoint(api_key, base_url)
        room = ClientRoom.of(PromisingContext.current())
        key = (endpoint.api_key,) if endpoint.api_key else ()
        return room.get(endpoint, AsyncAnthropic, _build), DEFAULT_MAX_RETRIES, key
    if api_key is not None or base_url is not None:
        raise LLMConfigError(
            "anthropic_agent was given client and also api_key or base_url; the client has both"
        )
    if not isinstance(client, AsyncAnthropic):
        raise LLMConfigError(f"client is a {type(client).__name__}; give an anthropic.AsyncAnthropic")
    keys = tuple(SecretStr(key) for key in (client.api_key, client.auth_token) if key)
    return client.with_options(max_retries=0), client.max_retries, keys


def _build(endpoint: Endpoint) -> AsyncAnthropic:
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY
    tls = no_certificates(endpoint)
    # Every wait is bounded by the call's own limits; the SDK has no total one.
    return AsyncAnthropic(
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
        base=AnthropicError,
    ),
    decoder=_StreamDecoder,
    decode_whole=_decode_message,
    request_id_header="request-id",
    terminal="stop_reason",
)
