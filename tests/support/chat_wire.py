"""What a Chat Completions server says, as bytes for `sse_server`."""

import json

__all__ = ["DONE", "USAGE", "chat", "chunk", "completion", "event"]

DONE = b"data: [DONE]\n\n"


def event(data: object) -> bytes:
    """One event with this JSON."""
    return f"data: {json.dumps(data)}\n\n".encode()


def chunk(text: str | None = None, finish: str | None = None, **delta: object) -> bytes:
    """One chunk with a piece of the first choice."""
    said = {"content": text, **delta} if text is not None else delta
    return event(
        {
            "id": "chat-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": "model-of-server",
            "choices": [{"index": 0, "delta": said, "finish_reason": finish}],
        }
    )


USAGE = event(
    {
        "id": "chat-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "model-of-server",
        "choices": [],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
)


def chat(*texts: str, finish: str = "stop") -> tuple[bytes, ...]:
    """All events of a good answer."""
    return (chunk("", role="assistant"), *map(chunk, texts), chunk(finish=finish), USAGE, DONE)


def completion(text: str | None, finish: str | None = "stop", **message: object) -> dict[str, object]:
    """A whole answer."""
    return {
        "id": "chat-1",
        "object": "chat.completion",
        "created": 1,
        "model": "model-of-server",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text, **message},
                "finish_reason": finish,
            }
        ],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
    }
