"""Whatever a body has, it is read or refused: nothing a client sends is an error of the server.

Crosses modules: what reads the bodies of all protocols.
"""

import copy
from collections.abc import Callable, Mapping
from functools import partial
from random import Random
from typing import Final, TypeAlias, cast

import pytest

from miniagents.ext.web._openai_requests import read_chat_request, read_responses_request
from miniagents.ext.web._request_errors import RequestError
from miniagents.ext.web._user_messages import messages_of_body
from miniagents.ext.web._vercel_messages import read_vercel_request
from tests.support.amounts import amount

Body: TypeAlias = Mapping[str, object]

_PNG: Final = "data:image/png;base64,iVBORw0KGgo="
_CHAT: Final[Body] = {
    "model": "poet",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "Hi"},
                {"type": "image_url", "image_url": {"url": _PNG, "detail": "low"}},
                {"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}},
                {"type": "image", "source": {"type": "base64", "data": "AAAA", "media_type": "image/png"}},
            ],
        },
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Hm."}],
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "look", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "12"},
    ],
    "stream": True,
    "stream_options": {"include_usage": True},
    "tools": [{"type": "function", "function": {"name": "look"}}],
}
_RESPONSES: Final[Body] = {
    "model": "poet",
    "instructions": "Be brief.",
    "input": [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]},
        {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
        {"type": "function_call", "id": "fc_1", "call_id": "c", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "12"}]},
    ],
    "tools": [{"type": "function", "name": "look"}],
}
_VERCEL: Final[Body] = {
    "id": "chat-1",
    "messages": [
        {
            "id": "u",
            "role": "user",
            "parts": [
                {"type": "text", "text": "Hi"},
                {"type": "file", "mediaType": "image/png", "url": _PNG, "filename": "a.png"},
                {"type": "file", "mediaType": "text/plain", "url": "data:,Hello"},
            ],
        },
        {
            "id": "a",
            "role": "assistant",
            "parts": [
                {"type": "step-start"},
                {"type": "reasoning", "text": "Hm", "providerMetadata": {"miniagents": {"signature": "s"}}},
                {
                    "type": "tool-look",
                    "toolCallId": "c",
                    "state": "output-available",
                    "input": {"city": "Oslo"},
                    "output": [1],
                },
                {
                    "type": "dynamic-tool",
                    "toolName": "x",
                    "toolCallId": "d",
                    "state": "output-error",
                    "errorText": "no",
                },
                {
                    "type": "tool-pay",
                    "toolCallId": "e",
                    "state": "approval-responded",
                    "approval": {"id": "q", "approved": False, "reason": "no"},
                },
                {"type": "text", "text": "Hello"},
            ],
        },
    ],
}
_APPROVED: Final[Body] = {
    "model": "poet",
    "input": [
        {"type": "mcp_approval_request", "id": "mcpr_r_q", "name": "pay", "arguments": "{}"},
        {
            "type": "mcp_approval_response",
            "approval_request_id": "mcpr_r_q",
            "approve": False,
            "reason": "no",
        },
        {"type": "mcp_approval_response", "approval_request_id": "mcpr_r_p", "approve": True},
    ],
}


def _readers() -> Mapping[str, tuple[Callable[[Body], object], Body]]:
    runs = {"messages": cast("list[object]", _CHAT["messages"])[1:]}
    return {
        "chat": (partial(read_chat_request, system=True), _CHAT),
        "responses": (partial(read_responses_request, system=True), _RESPONSES),
        "approvals": (read_responses_request, _APPROVED),
        "vercel": (read_vercel_request, _VERCEL),
        "runs": (messages_of_body, runs),
    }


_LIST: Final[list[object]] = []
_OBJECT: Final[dict[str, object]] = {}
_ANYTHING: Final[tuple[object, ...]] = (
    *(None, True, 0, -1, 1e300, float("nan"), float("inf"), 10**400, "", "x", "\ud800", "\x00", "user"),
    *("__proto__", "data:", "data:;base64,!", "data:image/png;base64,", "http://[", "file:///etc/passwd"),
    *(
        _LIST,
        [None],
        [_LIST],
        _OBJECT,
        {"type": None},
        {"role": "user"},
        {"type": "text"},
        {"path": "/etc/passwd"},
    ),
)


def changed(body: Mapping[str, object], random: Random) -> dict[str, object]:
    """The body with some of its values, anywhere, taken out or exchanged for something else."""
    copied = copy.deepcopy(dict(body))
    for _ in range(random.randrange(1, 4)):
        inside: object = copied
        while True:
            keys: list[object] = (
                [*cast("dict[object, object]", inside)]
                if isinstance(inside, dict)
                else [*range(len(cast("list[object]", inside)))]
            )
            if not keys:
                break
            container, key = cast("dict[object, object]", inside), random.choice(keys)
            inside = container[key]
            if not isinstance(inside, dict | list) or random.random() < 0.15:
                if random.random() < 0.2:
                    del container[key]
                else:
                    container[key] = random.choice(_ANYTHING)
                break
    return copied


@pytest.mark.parametrize("protocol", _readers())
def test_read_or_refused(protocol: str) -> None:
    """Any change of a good body leaves one that is read, or refused with a sentence, and nothing else."""
    read, body = _readers()[protocol]
    read(body)
    sentences: set[str] = set()
    for seed in range(amount(400, 2_000)):
        tried = changed(body, Random(f"{protocol} {seed}"))  # noqa: S311 - no secret
        try:
            read(tried)
        except RequestError as error:
            sentences.add(error.sentence)
        except Exception as error:
            raise AssertionError((seed, tried)) from error
    assert len(sentences) > (4 if protocol == "approvals" else 10)
    assert max(map(len, sentences)) <= 500


@pytest.mark.parametrize(
    "address", ["http://[", "http://\u2100.com/a.png", "data:,\ud800", "data:;base64,\ud800"]
)
def test_addresses_that_are_none(address: str) -> None:
    """An address of a file that cannot be read is refused with a sentence, also where addresses are taken."""
    part = {"type": "file", "mediaType": "image/png", "url": address}
    body = {"id": "chat-1", "messages": [{"role": "user", "parts": [part]}]}
    with pytest.raises(RequestError, match="data"):
        read_vercel_request(body, urls=True)
