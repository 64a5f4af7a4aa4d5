"""Makes a question from the messages and keywords of an agent: all that is the same for every provider.

An inquiry begins in this order: `prepared` waits for the messages, checks the keywords, and finds the client.
The provider makes its request from the `Question`. `Question.call` returns the call that sends the request.
"""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final, Protocol, Self, TypedDict, TypeVar, cast

from pydantic import SecretStr
from typing_extensions import override

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message
from miniagents.streams import PromisingContext
from miniagents.streams._context import Closable

from ._call import ModelCall, Wire
from ._conversation import Conversation
from ._json import look
from ._opaque import Origin
from ._options import Extras, ModelOptions, Wanted
from ._prompt_cache import Warming, at_once, beginning_of, key_of
from ._settings import NO_KEY, Endpoint, Provider, server_of
from ._timeouts import Timeouts
from ._transport import MakesHTTPClient, Response, http_client, own_client, shared_client

_UNREAD: Final = "X-Stainless-Raw-Response"
"""With this header the SDKs return a response before its body was read."""


class _Client(Closable, Protocol):
    """What the clients of the SDKs have in common."""

    @property
    def max_retries(self) -> int: ...

    @property
    def base_url(self) -> object: ...

    def with_options(self, *, max_retries: int) -> Self: ...


S = TypeVar("S", bound=_Client)


class RequestSettings(TypedDict):
    """The settings of a request that SDKs take."""

    headers: Mapping[str, str]
    params: Mapping[str, object]
    timeout: object


class _Posts(Protocol):
    """What the clients of the SDKs have for requests of any kind."""

    @property
    def timeout(self) -> object: ...

    def post(
        self, path: str, *, cast_to: type[object], body: dict[str, object], options: RequestSettings
    ) -> Awaitable[object]: ...


@dataclass(frozen=True, slots=True)
class _Sent(AbstractAsyncContextManager["Response"]):
    """A request whose response is not read by the SDK; the reader of the response closes it."""

    response: Awaitable[object]

    @override
    async def __aenter__(self) -> Response:
        return cast("Response", await self.response)

    @override
    async def __aexit__(self, *_: object) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Connection:
    """The client of a call, and its settings.

    Attributes:
        client: of an SDK; it does not retry by itself.
        base_url: the address of its server.
        max_retries: how often to try again, if the keywords do not say.
        secrets: that must not be in any text.
    """

    client: object
    base_url: str
    max_retries: int
    secrets: tuple[SecretStr, ...]


_KEYS: Final = ("api_key", "auth_token", "access_token", "aws_secret_key", "aws_session_token")
_SECONDS_TO_CONNECT: Final = 10.0


def connected(
    options: ModelOptions,
    *,
    provider: Provider,
    kind: type[S],
    http: tuple[MakesHTTPClient[object], MakesHTTPClient[object]],
    timeout: Callable[..., object],
    retries: int,
    others: tuple[type[object], ...] = (),
) -> Connection:
    """Return the client that the user gave, or the one that the context keeps for this address and key.

    Args:
        options: the keywords of the agent.
        provider: whose environment variables are used.
        kind: the class of clients of the SDK.
        http: its HTTP clients: over aiohttp, and the usual one.
        timeout: its class of timeouts.
        retries: how often it tries again by default.
        others: classes of clients with the same methods, for other platforms.
    """
    agent = f"{provider.name}_agent"
    own = own_client(options.client, kind, agent, options.api_key, options.base_url, others=others)
    if own is not None:
        keys = tuple(SecretStr(key) for name in _KEYS if isinstance(key := look(own, name), str) and key)
        # A copy, which takes 0.25 ms, only if the client would retry by itself.
        client = own if own.max_retries == 0 else own.with_options(max_retries=0)
        return Connection(client, str(own.base_url), own.max_retries, keys)

    def build(endpoint: Endpoint) -> S:
        # The timeouts of the call limit every wait; the SDK has no timeout for the whole call.
        return cast("Callable[..., S]", kind)(
            api_key=endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY,
            base_url=endpoint.base_url,
            max_retries=0,  # `ModelCall` does that
            timeout=timeout(None, connect=_SECONDS_TO_CONNECT),
            http_client=http_client(endpoint, *http),
        )

    endpoint = provider.endpoint(options.api_key, options.base_url)
    return Connection(shared_client(endpoint, kind, build), endpoint.base_url, retries, endpoint.keys)


@dataclass(frozen=True, slots=True)
class Question:
    """The conversation, the model and the settings of a call: all that is the same for every provider.

    Attributes:
        options: the keywords.
        model: the name of the model.
        connection: the client and its settings.
        conversation: its images and files have been read.
        wanted: the tools and the schema of the answer.
        extras: what the user adds to the request.
        timeouts: of the call.
    """

    options: ModelOptions
    model: str
    connection: Connection
    conversation: Conversation
    wanted: Wanted
    extras: Extras
    timeouts: Timeouts

    @property
    def cache_key(self) -> str | None:
        """The key of what calls of this agent begin with, for providers that find a cache by a key."""
        if not self.options.cache_prompt:
            return None
        return key_of(self.model, beginning_of(self.conversation, self.wanted, turns=False))

    def call(
        self, wire: Wire, path: str, body: Mapping[str, object], *, needs_finish: bool = True
    ) -> ModelCall:
        """Return the call that sends the request.

        Args:
            wire: the protocol of the provider.
            path: of the request, after the base URL of the client.
            body: the fields of the request, without those that are None, the model and `stream`.
            needs_finish: as of `ModelCall`.
        """
        options, connection, conversation = self.options, self.connection, self.conversation
        post = cast("_Posts", connection.client)
        headers = {"Accept-Encoding": "identity", _UNREAD: "stream", **self.extras.headers}
        whole = {"model": self.model, "stream": options.stream, **body}

        def ask() -> _Sent:
            # The methods of the resources check each message against types, for 0.2 to 0.5 ms.
            sent: RequestSettings = {"headers": headers, "params": self.extras.query, "timeout": post.timeout}
            return _Sent(post.post(path, cast_to=object, body=dict(whole), options=sent))

        goes_ahead: Callable[[], Awaitable[Callable[[], None]]] = at_once
        if options.cache_prompt:
            begins = beginning_of(conversation, self.wanted, turns=True)
            warming = PromisingContext.current().shared(Warming)
            goes_ahead = partial(warming.begin, f"{self.model} {connection.base_url}", begins)
        return ModelCall(
            wire=wire,
            ask=ask,
            model=self.model,
            server=server_of(connection.base_url),
            secrets=connection.secrets,
            prompt=conversation.prompt,
            attached=conversation.attached,
            schemas=self.wanted.has_schemas,
            stream=options.stream,
            timeouts=self.timeouts,
            max_retries=connection.max_retries if options.max_retries is None else options.max_retries,
            needs_finish=needs_finish,
            refusal_is_error=options.refusal_is_error,
            goes_ahead=goes_ahead,
        )


async def prepared(
    ctx: InteractionContext[Message, AssistantMessage],
    options: ModelOptions,
    provider: Provider,
    reserved: Mapping[str, str],
    connect: Callable[[ModelOptions], Connection],
) -> Question:
    """Check the keywords and return the question; after this, the provider only has to make its request."""
    messages = await ctx.message_promises
    options.check()
    wanted, timeouts = options.wanted, options.timeouts
    model = provider.model(options.model)
    extras = Extras.of(options.extra, reserved)
    connection = connect(options)
    origin = Origin(provider.name, server_of(connection.base_url), provider.ids_at(connection.base_url))
    conversation = Conversation.of(messages, options.system, origin)
    return Question(options, model, connection, await conversation.loaded(), wanted, extras, timeouts)
