"""Hands requests on to a server that refuses what it does not know, without what only vLLM knows.

`python -m tests.servers.relay http://127.0.0.1:8000 8001` listens on port 8001.
"""

import json
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route

__all__ = ["main"]

# vLLM's router adds them to each request of Chat Completions.
_OF_VLLM: Final = {
    "continue_final_message",
    "ignore_eos",
    "include_reasoning",
    "no_stop_trim",
    "return_hidden_states",
    "separate_reasoning",
    "skip_special_tokens",
    "stream_reasoning",
}


def main(words: Sequence[str]) -> None:
    """Listen until the process is ended.

    Args:
        words: the address of the server behind, and the port.
    """
    behind, port = words
    client = httpx2.AsyncClient(base_url=behind, timeout=60)

    @asynccontextmanager
    async def closing(_app: Starlette) -> AsyncGenerator[None]:
        async with client:
            yield

    async def handed_on(request: Request) -> StreamingResponse:
        body = await request.body()
        if body:
            kept = {name: value for name, value in json.loads(body).items() if name not in _OF_VLLM}
            body = json.dumps(kept).encode()
        asked = client.build_request(
            request.method, request.url.path, content=body, headers={"content-type": "application/json"}
        )
        answer = await client.send(asked, stream=True)
        headers = {"content-type": answer.headers.get("content-type", "application/json")}
        return StreamingResponse(answer.aiter_raw(), answer.status_code, headers)

    app = Starlette(routes=[Route("/{path:path}", handed_on, methods=["GET", "POST"])], lifespan=closing)
    uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning")


if __name__ == "__main__":
    main(sys.argv[1:])
