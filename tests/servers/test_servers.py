"""What talks with real servers: the tiny model is whole, servers start and stop, answers are compared."""

import asyncio
import json
import struct
import sys
from pathlib import Path
from typing import cast
from urllib.error import URLError
from urllib.request import urlopen

import pytest

from tests.servers.running import serving
from tests.servers.talks import APIS, talk
from tests.servers.tiny_model import write_tiny_model
from tests.support.chat_wire import chat, completion
from tests.support.sse_server import Exchange, Script, answer, serve, sse

LISTENING = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "{port}")


def test_tiny_model(tmp_path: Path) -> None:
    """The same seed writes the same files; the weights are as many bytes as their header says."""
    for name, seed in (("one", 7), ("same", 7), ("other", 8)):
        write_tiny_model(tmp_path / name, seed)
    one, same, other = (
        (tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "same", "other")
    )
    assert one == same != other
    (length,) = struct.unpack("<Q", one[:8])
    header = cast("dict[str, dict[str, list[int]]]", json.loads(one[8 : 8 + length]))
    ends = [each["data_offsets"][1] for name, each in header.items() if name != "__metadata__"]
    assert len(one) == 8 + length + max(ends)
    tokenizer = json.loads((tmp_path / "one" / "tokenizer.json").read_text())
    vocabulary = cast("dict[str, int]", tokenizer["model"]["vocab"])
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))
    assert header["lm_head.weight"]["shape"][0] == len(vocabulary)


@pytest.mark.gate("a program in a process of its own")
def test_server_is_stopped(tmp_path: Path) -> None:
    """A server answers inside of the block, and is gone after it."""
    with serving(LISTENING, tmp_path, "/") as url, urlopen(url) as response:  # noqa: S310 - our own address
        assert response.status == 200
    with pytest.raises(URLError):
        urlopen(url)  # noqa: S310 - our own address


@pytest.mark.gate("a program in a process of its own")
def test_server_that_ends(tmp_path: Path) -> None:
    """Of a server that ends before it answers, the error has what it wrote."""
    ends = (sys.executable, "-c", "print('no model')")
    with pytest.raises(RuntimeError, match="no model"), serving(ends, tmp_path, "/"):
        pass


def scripted(streamed: tuple[str, ...], whole: str) -> Script:
    """A server of Chat Completions that says this in pieces, and that as a whole."""

    async def script(exchange: Exchange) -> None:
        said = (
            sse(*chat(*streamed)) if exchange.request.json.get("stream") else answer(200, completion(whole))
        )
        await said(exchange)

    return script


@pytest.mark.gate("talks in two ways")
async def test_conversation_is_compared() -> None:
    """A conversation is returned if all who ask are told the same, in pieces; else it is an error."""
    async with serve(scripted(("Hel", "lo"), "Hello")) as server:
        told = await talk(APIS["chat"], server.url, "tiny")
        asked = [request.json for request in server.requests]
    assert [line for line in told if line.startswith(">")] == told[::2]
    assert set(told[1::2]) == {"Hello"}
    # The agent in pieces, the agent as a whole, the SDK: with all that was said before.
    assert [len(cast("list[object]", each["messages"])) for each in asked] == [1, 1, 1, 3, 3, 3, 5, 5, 5]
    for streamed, whole in ((("Hel", "lo"), "Hello!"), (("Hello",), "Hello"), (("",), "")):
        async with serve(scripted(streamed, whole)) as server:
            with pytest.raises(AssertionError):
                await talk(APIS["chat"], server.url, "tiny")
            await asyncio.sleep(0)
