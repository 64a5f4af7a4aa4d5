"""What a server of OpenAI's Responses API says, as bytes for `sse_server`."""

import json

__all__ = ["CREATED", "begin", "delta", "done", "end", "event", "responded", "response"]


def event(kind: str, **fields: object) -> bytes:
    """One event."""
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **fields})}\n\n".encode()


def _answer(status: str, **fields: object) -> dict[str, object]:
    return {
        "id": "resp-1",
        "object": "response",
        "created_at": 1,
        "model": "model-of-server",
        "status": status,
        "output": [],
        **fields,
    }


_USAGE = {
    "input_tokens": 7,
    "output_tokens": 3,
    "total_tokens": 10,
    "input_tokens_details": {"cached_tokens": 2},
    "output_tokens_details": {"reasoning_tokens": 1},
}
CREATED = event("response.created", response=_answer("in_progress", usage=None))


def begin(index: int = 0, kind: str = "message", **fields: object) -> bytes:
    """The beginning of an item."""
    item = {"id": f"item-{index}", "type": kind, **fields}
    return event("response.output_item.added", output_index=index, item=item)


def delta(text: object, index: int = 0, kind: str = "response.output_text.delta") -> bytes:
    """A piece of an item."""
    return event(kind, item_id=f"item-{index}", output_index=index, content_index=0, delta=text)


def done(index: int = 0, kind: str = "message", **fields: object) -> bytes:
    """The end of an item."""
    item = {"id": f"item-{index}", "type": kind, **fields}
    return event("response.output_item.done", output_index=index, item=item)


def end(status: str = "completed", **fields: object) -> bytes:
    """The event with the end."""
    return event(f"response.{status}", response=_answer(status, usage=_USAGE, **fields))


def responded(*texts: str) -> tuple[bytes, ...]:
    """All events of a good answer."""
    content: list[dict[str, object]] = [{"type": "output_text", "text": "".join(texts), "annotations": []}]
    return (CREATED, begin(), *map(delta, texts), done(content=content), end())


def response(text: str, status: str | None = "completed") -> dict[str, object]:
    """A whole answer."""
    content: list[dict[str, object]] = [{"type": "output_text", "text": text, "annotations": []}]
    output: list[dict[str, object]] = [
        {"id": "item-0", "type": "message", "role": "assistant", "content": content}
    ]
    return {**_answer(status or "in_progress"), "output": output, "usage": _USAGE}
