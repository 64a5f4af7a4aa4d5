"""The official SDK of OpenAI, for both agents that use it: credentials, address, clients, errors."""

from functools import partial
from typing import Final

from ._errors import SDKErrors
from ._question import connected
from ._settings import Provider

try:
    import openai
    from openai import AsyncOpenAI
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
    status=openai.APIStatusError,
    timeout=openai.APITimeoutError,
    connection=openai.APIConnectionError,
    reported=openai.APIError,
    base=openai.OpenAIError,
)
connection_of: Final = partial(
    connected,
    provider=OPENAI,
    kind=AsyncOpenAI,
    http=(openai.DefaultAioHttpClient, openai.DefaultAsyncHttpxClient),
    timeout=openai.Timeout,
    retries=openai.DEFAULT_MAX_RETRIES,
)
"""Returns the client that the user gave, or the one that the context keeps for this address and key."""
