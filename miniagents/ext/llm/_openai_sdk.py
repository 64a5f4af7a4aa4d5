"""The official SDK of OpenAI, for both agents that speak through it: credentials, address, pool, errors."""

from typing import Final

from pydantic import SecretStr

from ._clients import NO_KEY, no_certificates, own_client, shared_client
from ._faults import SDKErrors
from ._settings import Endpoint, Provider

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
except ImportError as _error:
    raise ImportError(
        "openai_agent needs the SDK of OpenAI, which is not installed; pip install 'miniagents[openai]'"
    ) from _error

__all__ = ["OPENAI", "OPENAI_ERRORS", "AsyncOpenAI", "client_of"]

OPENAI: Final = Provider("openai", "https://api.openai.com/v1", ("openai.com", "openai.azure.com"))
OPENAI_ERRORS: Final = SDKErrors(
    status=APIStatusError,
    timeout=APITimeoutError,
    connection=APIConnectionError,
    reported=APIError,
    base=OpenAIError,
)
_SECONDS_TO_CONNECT: Final = 10.0


def client_of(
    client: object, api_key: SecretStr | str | None, base_url: str | None
) -> tuple[AsyncOpenAI, int, tuple[SecretStr, ...]]:
    """Return a client that does not ask again by itself, how often we should, and what no text may show.

    Args:
        client: the user's own, or None.
        api_key: the key, if there is no client.
        base_url: the address, if there is no client.

    Raises:
        LLMConfigError: a client and also one of the others, or no client of this SDK.
    """
    own = own_client(client, AsyncOpenAI, "openai_agent", api_key, base_url)
    if own is not None:
        return own.with_options(max_retries=0), own.max_retries, (SecretStr(own.api_key),)
    endpoint = OPENAI.endpoint(api_key, base_url)
    return shared_client(endpoint, AsyncOpenAI, _build), DEFAULT_MAX_RETRIES, endpoint.keys


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
