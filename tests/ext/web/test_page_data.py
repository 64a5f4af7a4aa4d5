"""Data that an agent sends to the page: what it may be, and what clients of each protocol are told.

Crosses modules: the message, the source of frames, frames through JSON, protocols, and their clients.
"""

import json
from typing import Any

import pytest

from miniagents import InteractionContext, MiniAgents, miniagent
from miniagents.ext.web import DataPart, Frame, MessageBegan, MessageEnded, MessagePart, PageData
from miniagents.ext.web._frames import frame_from_data, json_of
from miniagents.ext.web._response import ENCODERS
from miniagents.ext.web._source import FrameSource
from tests.support.vercel_chat import vercel_chat
from tests.support.web_agents import chatting

WEATHER = {"city": "Oslo", "degrees": [12, 3.5, None]}


@miniagent(alias="forecaster")
async def forecaster(ctx: InteractionContext) -> None:
    """Shows that it works, says something, and shows the weather."""
    ctx.reply(PageData(name="progress", data=0.5, transient=True))
    ctx.reply("It is fresh.")
    ctx.reply(PageData(name="weather", data={}, id="w1"))
    ctx.reply(PageData(name="weather", data=WEATHER, id="w1"))


async def told() -> list[Frame]:
    """The frames of the agent."""
    async with MiniAgents():
        replies = forecaster.inquire()
        await replies
        source = FrameSource(replies)
        source.open(lambda: None)
        return [frame for _, frame in source.take()]


def written(protocol: str, frames: list[Frame]) -> str:
    """What a protocol makes of frames."""
    encoder = ENCODERS[protocol]()
    data = [encoder.encode(at, frame) for at, frame in enumerate(frames, 1)]
    return b"".join([encoder.begin(), *data, encoder.finish()]).decode()


async def test_frames() -> None:
    """Data are a message of their own among the others, and go through JSON as they are."""
    frames = await told()
    assert [
        MessageBegan(0, "data"),
        MessagePart(0, DataPart("progress", 0.5, None, transient=True)),
        MessageEnded(0),
    ] == frames[:3]
    again = [frame_from_data(json.loads(json_of(each.as_data()))) for each in frames]
    assert [json_of(each.as_data()) for each in again] == [json_of(each.as_data()) for each in frames]
    last = again[-3]
    assert isinstance(last, MessagePart)
    assert DataPart("weather", WEATHER, "w1") == last.part


def test_lists_of_objects() -> None:
    """Data are read as they were written, whatever they look like: they are no parts of a message."""
    rows = [{"kind": "image", "data": "x"}, {"city": None}, "row"]
    frame = MessagePart(0, DataPart("rows", rows))
    assert frame == frame_from_data(json.loads(json_of(frame.as_data())))


async def test_vercel() -> None:
    """The Vercel AI SDK has them as `data-NAME`, beside the steps of the answer."""
    lines = written("vercel", await told()).split("\n\n")
    chunks: list[dict[str, Any]] = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert [
        "start",
        "data-progress",
        *("start-step", "text-start", "text-delta", "text-end", "data-weather", "data-weather"),
        *("finish-step", "finish"),
    ] == [each["type"] for each in chunks]
    assert {"type": "data-progress", "data": 0.5, "transient": True} == chunks[1]
    assert {"type": "data-weather", "data": WEATHER, "id": "w1"} == chunks[7]


@pytest.mark.logs("cannot be shown")
async def test_what_would_end_their_client() -> None:
    """Data that their client takes for an attack are left out, and the answer goes on."""
    attack = DataPart("x", {"__proto__": {"admin": True}})
    assert "data-x" not in written("vercel", [MessageBegan(0, "data"), MessagePart(0, attack)])


@pytest.mark.parametrize("protocol", ["text", "openai", "responses"])
async def test_texts(protocol: str) -> None:
    """Clients that show text alone are told the text alone."""
    text = written(protocol, await told())
    assert ("fresh" in text, "Oslo" in text) == (True, False)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"name": "agent"}, "take another name"),
        ({"name": "x y"}, "should match pattern"),
        ({"name": "x", "data": object()}, "cannot be written as JSON"),
        ({"name": "x", "data": [float("nan")]}, "not JSON compliant"),
    ],
)
def test_refused(wrong: dict[str, Any], sentence: str) -> None:
    """A name or data that no page could be told are refused where they are made."""
    with pytest.raises(ValueError, match=sentence):
        PageData(**wrong)


@pytest.mark.gate("installs the package of the client, and starts node")
async def test_real_client() -> None:
    """Their client keeps the last data of an id, in the message, and shows what is transient once."""
    async with chatting(forecaster) as url, vercel_chat() as chat:
        await chat.open(api=f"{url}/vercel", id="chat-1")
        await chat.send("Hi")
        shown = await chat.wait()
    assert ("ready", "It is fresh.") == (shown.status, shown.text)
    kept = [part for part in shown.parts if str(part["type"]).startswith("data-")]
    assert [{"type": "data-weather", "id": "w1", "data": WEATHER}] == kept
    assert ["data-progress", "data-weather", "data-weather"] == [each["type"] for each in shown.data]
