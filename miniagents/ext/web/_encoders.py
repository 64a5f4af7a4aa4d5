"""Which protocols there are, by the names that users write."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from ._openai_chat import ChatCompletionEncoder
from ._openai_responses import ResponseEncoder
from ._protocols import Encoder, JSONLinesEncoder, SSEEncoder, TextEncoder
from ._vercel import VercelEncoder

__all__ = ["ENCODERS", "ProtocolName"]

ProtocolName: TypeAlias = Literal["sse", "ndjson", "text", "vercel", "openai", "responses"]
"""The protocols in which an answer can be streamed; "openai" are Chat Completions."""

ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = MappingProxyType(
    {
        "sse": SSEEncoder,
        "ndjson": JSONLinesEncoder,
        "text": TextEncoder,
        "vercel": VercelEncoder,
        "openai": ChatCompletionEncoder,
        "responses": ResponseEncoder,
    }
)
"""Name of a protocol -> what makes the encoder of a response."""
