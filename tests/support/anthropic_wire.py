"""What a server of Anthropic's Messages API says, as bytes for `sse_server`."""

import json

__all__ = ["PING", "START", "STOP", "answered", "begin", "delta", "end", "event", "message"]


def event(kind: str, **fields: object) -> bytes:
    """One event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


PING = event("ping")
STOP = event("message_stop")
START = event(
    "message_start",
    message={
        "id": "msg-1",
        "type": "message",
        "role": "assistant",
        "model": "model-of-server",
        "content": [],
        "stop_reason": None,
        "usage": {"input_tokens": 7, "output_tokens": 1, "cache_read_input_tokens": 2},
    },
)


def begin(index: int = 0, kind: str = "text", **fields: object) -> bytes:
    """The beginning of a block."""
    block = {"type": kind, "text": "", **fields} if kind == "text" else {"type": kind, **fields}
    return event("content_block_start", index=index, content_block=block)


def delta(text: object, index: int = 0) -> bytes:
    """A piece of a text block."""
    return event("content_block_delta", index=index, delta={"type": "text_delta", "text": text})


def end(reason: str | None = "end_turn") -> bytes:
    """The event with the stop reason."""
    return event(
        "message_delta", delta={"stop_reason": reason, "stop_sequence": None}, usage={"output_tokens": 3}
    )


def answered(*texts: str, reason: str | None = "end_turn") -> tuple[bytes, ...]:
    """All events of a good answer."""
    blocks = (begin(), PING, *map(delta, texts), event("content_block_stop", index=0))
    return (START, *blocks, end(reason), STOP)


def message(text: str, reason: str | None = "end_turn") -> dict[str, object]:
    """A whole answer."""
    return {
        "id": "msg-1",
        "type": "message",
        "role": "assistant",
        "model": "model-of-server",
        "content": [{"type": "text", "text": text}],
        "stop_reason": reason,
        "usage": {"input_tokens": 7, "output_tokens": 3},
    }
