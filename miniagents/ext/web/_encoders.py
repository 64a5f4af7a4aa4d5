"""The encoders by the names of their protocols."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, Literal, TypeAlias

from ._openai_chat import ChatCompletionEncoder
from ._openai_responses import ResponseEncoder
from ._protocols import Encoder, JSONLinesEncoder, SSEEncoder, TextEncoder
from ._vercel import VercelEncoder

ProtocolName: TypeAlias = Literal["sse", "ndjson", "text", "vercel", "openai", "responses"]
"""The protocols of `stream_response`."""

_ENCODERS: Final[Mapping[str, Callable[[], Encoder]]] = MappingProxyType(
    {
        "sse": SSEEncoder,
        "ndjson": JSONLinesEncoder,
        "text": TextEncoder,
        "vercel": VercelEncoder,
        "openai": ChatCompletionEncoder,
        "responses": ResponseEncoder,
    }
)


def encoder_of(protocol: str) -> Encoder:
    """Return a new encoder.

    Args:
        protocol: its name.

    Raises:
        ValueError: the protocol does not exist.

    Example:
        >>> encoder_of("text").media_type
        'text/plain; charset=utf-8'
        >>> encoder_of("smoke")
        Traceback (most recent call last):
            ...
        ValueError: 'smoke' is not a protocol; give one of sse, ndjson, text, vercel, openai, responses.
    """
    make = _ENCODERS.get(protocol)
    if make is None:
        raise ValueError(f"{protocol!r} is not a protocol; give one of {', '.join(_ENCODERS)}.")
    return make()
