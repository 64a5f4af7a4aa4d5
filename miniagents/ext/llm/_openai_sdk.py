"""The official SDK of OpenAI, for both agents that use it: credentials, address, clients, errors."""

from typing import Final

from pydantic import SecretStr

from ._errors import SDKErrors
from ._options import ModelOptions
from ._question import Connection
from ._settings import NO_KEY, Endpoint, Provider
from ._transport import http_client, own_client, shared_client

try:
    from openai import (
        DEFAULT_MAX_RETRIES,
        APIConnectionError,
        APIError,
        APIStatusError,
        APITimeoutError,
        AsyncOpenAI,
        DefaultAioHttpClient,
        DefaultAsyncHttpxClient,
        OpenAIError,
        Timeout,
    )
except ImportError as _error:
    raise ImportError(
        "openai_agent needs the SDK of OpenAI, which is not installed; pip install 'miniagents[openai]'"
    ) from _error

__all__ = ["OPENAI", "OPENAI_ERRORS", "AsyncOpenAI", "connection_of"]

OPENAI: Final = Provider(
    "openai",
    "https://api.openai.com/v1",
    ("openai.com", "openai.azure.com"),
    (("mistral.ai", "[a-zA-Z0-9]{9}"), ("openai.com", ".{1,40}"), ("openai.azure.com", ".{1,40}")),
)
OPENAI_ERRORS: Final = SDKErrors(
    status=APIStatusError,
    timeout=APITimeoutError,
    connection=APIConnectionError,
    reported=APIError,
    base=OpenAIError,
)
_SECONDS_TO_CONNECT: Final = 10.0


def connection_of(options: ModelOptions) -> Connection[AsyncOpenAI]:
    """Return the client that the user gave, or the one that the context keeps for this address and key."""
    own = own_client(options.client, AsyncOpenAI, "openai_agent", options.api_key, options.base_url)
    if own is not None:
        # A copy, which takes 0.25 ms, only if the client would retry by itself.
        client = own if own.max_retries == 0 else own.with_options(max_retries=0)
        return Connection(client, str(own.base_url), own.max_retries, (SecretStr(own.api_key),))
    endpoint = OPENAI.endpoint(options.api_key, options.base_url)
    client = shared_client(endpoint, AsyncOpenAI, _build)
    return Connection(client, endpoint.base_url, DEFAULT_MAX_RETRIES, endpoint.keys)


def _build(endpoint: Endpoint) -> AsyncOpenAI:
    """Make the client of an endpoint."""
    key = endpoint.api_key.get_secret_value() if endpoint.api_key else NO_KEY
    # The timeouts of the call limit every wait; the SDK has no timeout for the whole call.
    return AsyncOpenAI(
        api_key=key,
        base_url=endpoint.base_url,
        max_retries=0,  # `_retries` does that
        timeout=Timeout(None, connect=_SECONDS_TO_CONNECT),
        http_client=http_client(endpoint, DefaultAioHttpClient, DefaultAsyncHttpxClient),
    )
