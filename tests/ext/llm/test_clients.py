"""W11: each line of the tables of addresses and clients in docs/models.md: header, path, query and body."""

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest
from anthropic import (
    AsyncAnthropic,
    AsyncAnthropicAWS,
    AsyncAnthropicFoundry,
)
from anthropic.lib.bedrock import AsyncAnthropicBedrock
from anthropic.lib.vertex import AsyncAnthropicVertex
from openai import AsyncAzureOpenAI

from miniagents import LLMProtocolError, MiniAgents
from miniagents.ext.llm._aws_events import AWSEventDecoder
from miniagents.ext.llm._json import WireError
from tests.support import anthropic_wire
from tests.support.sse_server import Request, answer, serve, sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, Wire

PAGE: Final = Path(__file__).parents[3] / "docs" / "models.md"
WIRES: Final = {"openai_agent": CHAT, "openai_responses_agent": RESPONSES, "anthropic_agent": ANTHROPIC}
PATHS: Final = {
    "openai_agent": "/chat/completions",
    "openai_responses_agent": "/responses",
    "anthropic_agent": "/v1/messages",
}


def addresses() -> Iterator[tuple[str, str, str]]:
    """The lines of the table: a name, an agent, and the path of the address."""
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 4 and (found := re.fullmatch(r"`(https?://\S+)`", cells[3])):
            for agent in re.findall(r"`(\w+_agent)`", cells[2]):
                yield cells[1], agent, urlsplit(found[1]).path


@pytest.mark.parametrize(("name", "agent", "path"), [*addresses()], ids=str)
async def test_address(name: str, agent: str, path: str) -> None:
    """A server at an address of the table gets the key, the path and the body that it expects."""
    wire = WIRES[agent]
    async with serve(sse(*wire.good("Hello"))) as server, MiniAgents():
        model = wire.agent.fork(model="m-1", base_url=server.url + path, api_key="key of test")
        assert "Hello" == str(await model.inquire("Hi", max_tokens=5))
    (request,) = server.requests
    assert path + PATHS[agent] == request.path, name
    assert "Bearer key of test" == request.headers["authorization"]
    assert ("m-1", True) == (request.json["model"], request.json["stream"])
    assert 5 == request.json.get("max_tokens", request.json.get("max_output_tokens"))


def test_there_are_addresses() -> None:
    """The table names each provider once."""
    names = [(name, agent) for name, agent, _ in addresses()]
    assert len(names) == len(set(names)) >= 24


def azure(url: str) -> AsyncAzureOpenAI:
    """As the table makes it."""
    return AsyncAzureOpenAI(azure_endpoint=url, api_version="2024-10-21", api_key="key of test")


def vertex(url: str) -> AsyncAnthropicVertex:
    """As the table makes it, with a token in place of the credentials of Google."""
    return AsyncAnthropicVertex(
        region="global",
        project_id="p-1",
        access_token="key of test",  # noqa: S106 - of the test
        base_url=url,
    )


def bedrock(url: str) -> AsyncAnthropicBedrock:
    """As the table makes it, with a key in place of a signature, for which boto3 is needed."""
    return AsyncAnthropicBedrock(aws_region="us-east-1", api_key="key of test", base_url=url)


def foundry(url: str) -> AsyncAnthropicFoundry:
    """As the table makes it."""
    return AsyncAnthropicFoundry(base_url=f"{url}/anthropic/", api_key="key of test")


def aws(url: str) -> AsyncAnthropicAWS:
    """As the table makes it, with a key."""
    return AsyncAnthropicAWS(
        aws_region="us-east-1", workspace_id="w-1", api_key="key of test", base_url=f"{url}/anthropic"
    )


AZURE_PATH = "/openai/deployments/m-1/chat/completions?api-version=2024-10-21"
VERTEX_PATH = "/projects/p-1/locations/global/publishers/anthropic/models/m-1:streamRawPredict"
BEDROCK_PATH = "/model/m-1/invoke-with-response-stream"
Client = AsyncAzureOpenAI | AsyncAnthropic | AsyncAnthropicBedrock | AsyncAnthropicVertex


def framed(event: bytes) -> bytes:
    """An event as Bedrock sends it."""
    return _frame(json.dumps({"bytes": base64.b64encode(event).decode()}).encode())


def _frame(payload: bytes) -> bytes:
    headers = b"\x0b:event-type\x07\x00\x05chunk"
    prelude = (len(payload) + len(headers) + 16).to_bytes(4) + len(headers).to_bytes(4)
    message = prelude + zlib.crc32(prelude).to_bytes(4) + headers + payload
    return message + zlib.crc32(message).to_bytes(4)


def data_of(event: bytes) -> bytes:
    """The data of an event."""
    return event.partition(b"data: ")[2].strip()


@pytest.mark.parametrize(
    ("wire", "make", "path", "header", "field"),
    [
        (CHAT, azure, AZURE_PATH, ("api-key", "key of test"), "model"),
        (ANTHROPIC, vertex, VERTEX_PATH, ("authorization", "Bearer key of test"), "anthropic_version"),
        (ANTHROPIC, bedrock, BEDROCK_PATH, ("authorization", "Bearer key of test"), "anthropic_version"),
        (ANTHROPIC, foundry, "/anthropic/v1/messages", ("api-key", "key of test"), "model"),
        (ANTHROPIC, aws, "/anthropic/v1/messages", ("authorization", "Bearer key of test"), "model"),
    ],
    ids=["azure", "vertex", "bedrock", "foundry", "aws"],
)
async def test_client(
    wire: Wire, make: Callable[[str], Client], path: str, header: tuple[str, str], field: str
) -> None:
    """A client of another platform is taken; its server gets what the SDK of the platform sends."""
    events = wire.good("Hel", "lo")
    if make is bedrock:
        frames = [framed(data_of(event)) for event in events if data_of(event)]
        script = sse(*frames, content_type="application/vnd.amazon.eventstream")
    else:
        script = sse(*events)
    async with serve(script) as server, MiniAgents():
        client = make(server.url)
        try:
            replies = wire.agent.inquire("Hi", model="m-1", client=client)
            assert ["Hel", "lo"] == [token async for reply in replies async for token in reply]
        finally:
            await client.close()
    request: Request = server.requests[0]
    assert (path, header[1]) == (request.path, request.headers[header[0]])
    assert request.json[field]
    assert "Hi" in str(request.json["messages"])


async def test_a_whole_answer_of_bedrock() -> None:
    """Without streaming, the client of Bedrock is asked at its other path."""
    async with serve(answer(200, anthropic_wire.message("Hello"))) as server, MiniAgents():
        client = bedrock(server.url)
        assert "Hello" == str(await ANTHROPIC.agent.inquire("Hi", model="m-1", client=client, stream=False))
        await client.close()
    assert "/model/m-1/invoke" == server.requests[0].path


async def test_a_frame_that_is_no_base64() -> None:
    """A mistake of the server is told as one, and not as a wrong keyword of the caller."""
    script = sse(_frame(b'{"bytes": "abc"}'), content_type="application/vnd.amazon.eventstream")
    async with serve(script) as server, MiniAgents():
        client = bedrock(server.url)
        with pytest.raises(LLMProtocolError, match="not in Base64"):
            await ANTHROPIC.agent.inquire("Hi", model="m-1", client=client)
        await client.close()


def test_frames() -> None:
    """However the network cuts them, the frames of Bedrock are their events; a damaged one is refused."""
    whole = framed(b'{"type": "ping"}') * 2
    decoder = AWSEventDecoder()
    events = [event for at in range(len(whole)) for event in decoder.feed(whole[at : at + 1])]
    assert [b'{"type": "ping"}'] * 2 == [event.data for event in events]
    assert [] == decoder.rest()
    with pytest.raises(WireError, match="damaged"):
        AWSEventDecoder().feed(whole[:30] + b"?" + whole[31:])
    with pytest.raises(WireError, match="length"):
        AWSEventDecoder().feed(b"\xff" * 16)
