"""What `stream_response` sends, when it ends, and that whoever leaves stops the agent."""

import asyncio
import gc
import json
from collections.abc import AsyncGenerator, Callable, MutableMapping
from typing import Any, cast

import pytest

from miniagents import Message, MiniAgents, Reasoning, Restart, miniagent
from miniagents.agents import InteractionContext
from miniagents.ext.journal import MemoryJournal
from miniagents.ext.web import Runs, stream_response
from miniagents.ext.web._protocols import SSEEncoder
from miniagents.ext.web._response import FrameResponse
from miniagents.testing import scripted_model


class Client:
    """One side of an ASGI call; what it was sent, and how it leaves or stops reading."""

    def __init__(self, *, reads: bool = True) -> None:
        self.sent: list[MutableMapping[str, Any]] = []
        self.left = asyncio.Event()
        self.reads = asyncio.Event()
        self.came = asyncio.Event()
        if reads:
            self.reads.set()

    async def receive(self) -> MutableMapping[str, Any]:
        """Wait until the client leaves."""
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        """Take a message, if it reads."""
        self.sent.append(message)
        self.came.set()
        if not self.left.is_set():  # as uvicorn: silent after a disconnect
            await self.reads.wait()

    @property
    def body(self) -> str:
        """What came, as text."""
        return b"".join(message.get("body", b"") for message in self.sent).decode()

    def frames(self) -> list[dict[str, Any]]:
        """The events that came."""
        return [json.loads(line[6:]) for line in self.body.splitlines() if line.startswith("data: ")]


def talker(every: float = 0.01, count: int = 1_000, text: str = "x") -> tuple[Any, list[str]]:
    """An agent that talks on, and what happened to its source."""
    events: list[str] = []

    @miniagent
    async def talk(ctx: InteractionContext) -> None:
        async def tokens(_: MutableMapping[str, object]) -> AsyncGenerator[str]:
            try:
                for _turn in range(count):
                    yield text
                    await asyncio.sleep(every)
            finally:
                events.append("closed")

        ctx.reply(Message.promise(tokens))

    return talk, events


async def until(condition: Callable[[], bool]) -> None:
    while not condition():  # noqa: ASYNC110 - what is waited for sets no event
        await asyncio.sleep(0.001)


async def test_sse() -> None:
    """An answer comes as events: a comment first, text and other parts in order, the last frame, the end."""
    client = Client()
    async with MiniAgents():
        model = scripted_model([Reasoning("hm"), "Hel", "lo", Restart("why"), "Hi"])
        await stream_response(model.inquire("?"))({"type": "http"}, client.receive, client.send)
    start = client.sent[0]
    assert (200, [(b"content-type", b"text/event-stream; charset=utf-8")]) == (
        start["status"],
        [each for each in start["headers"] if each[0] == b"content-type"],
    )
    assert client.body.startswith(": ok\n")
    kinds = [(each["type"], each.get("part")) for each in client.frames()]
    assert [
        ("message_began", None),
        ("part", {"text": "hm", "index": 0, "redacted": False, "kind": "reasoning"}),
        ("part", "Hel"),
        ("part", "lo"),
        ("part", {"reason": "", "kind": "restart"}),
        ("part", "Hi"),
        ("message_ended", None),
        ("run_ended", None),
    ] == kinds
    assert [True] * (len(client.sent) - 2) + [False] == [each["more_body"] for each in client.sent[1:]]


async def test_joined() -> None:
    """What has come while nothing could be sent is sent together, as one part."""
    client = Client(reads=False)
    async with MiniAgents():
        talk, events = talker(every=0, count=500)
        response = stream_response(talk.inquire("?"))
        serving = asyncio.create_task(response({"type": "http"}, client.receive, client.send))
        await until(lambda: events == ["closed"])
        client.reads.set()
        await serving
    texts = [each["part"] for each in client.frames() if each["type"] == "part"]
    assert ("x" * 500, True) == ("".join(texts), len(texts) == 1)


@pytest.mark.parametrize("protocol", ["sse", "ndjson", "text", "vercel", "openai", "responses"])
async def test_leaving(protocol: Any) -> None:
    """A client that leaves frees its run at once, without the garbage collector, in each protocol."""
    client = Client()
    async with MiniAgents() as context:
        talk, events = talker()
        response = stream_response(talk.inquire("?"), protocol)
        gc.disable()
        try:
            serving = asyncio.create_task(response({"type": "http"}, client.receive, client.send))
            await until(lambda: len(client.sent) > 3)
            client.left.set()
            async with asyncio.timeout(0.05):
                await until(lambda: events == ["closed"] and not context.tasks)
            await serving
        finally:
            gc.enable()


async def test_leaves_while_nothing_is_read() -> None:
    """A client that leaves while a send waits for it frees its run, too."""
    client = Client(reads=False)
    async with MiniAgents():
        talk, events = talker()
        serving = asyncio.create_task(
            stream_response(talk.inquire("?"))({"type": "http"}, client.receive, client.send)
        )
        await client.came.wait()
        await asyncio.sleep(0.03)
        client.left.set()
        async with asyncio.timeout(0.05):
            await until(lambda: events == ["closed"])
        client.reads.set()
        await serving


async def test_never_reads() -> None:
    """The agent does not wait for a client; one that reads nothing is cut at the bound, and is told so."""
    client = Client(reads=False)
    async with MiniAgents():
        talk, events = talker(every=0.0001, text="x" * 100)
        replies = talk.inquire("?")
        serving = asyncio.create_task(
            stream_response(replies, limit=10_000)({"type": "http"}, client.receive, client.send)
        )
        await until(lambda: events == ["closed"])
        client.reads.set()
        await serving
    last = client.frames()[-1]
    assert ("run_ended", "stopped", True) == (last["type"], last["how"], "did not read" in last["sentence"])
    assert 10_000 <= len(client.body) < 20_000


@pytest.mark.loop(virtual=True)
async def test_stall() -> None:
    """A client that does not read for a minute is cut, whatever waits for it."""
    client = Client(reads=False)
    async with MiniAgents():
        talk, events = talker(every=1)
        began = asyncio.get_running_loop().time()
        await stream_response(talk.inquire("?"))({"type": "http"}, client.receive, client.send)
        assert 60 == pytest.approx(asyncio.get_running_loop().time() - began, abs=16)
        await until(lambda: events == ["closed"])


@pytest.mark.loop(virtual=True)
async def test_ping() -> None:
    """A silent answer is kept open by a comment every 15 seconds."""
    client = Client()
    async with MiniAgents():
        talk, _ = talker(every=40, count=2)
        await stream_response(talk.inquire("?"))({"type": "http"}, client.receive, client.send)
    assert 4 == client.body.count(": ping\n\n")


@pytest.mark.logs("A run failed")
async def test_errors() -> None:
    """What fails ends with a sentence that has nothing of the error; the app may give another one."""

    @miniagent
    async def fails(ctx: InteractionContext) -> None:
        ctx.reply("one")
        raise ValueError("the key sk-1234567890 was refused for the prompt PROMPT")

    for given, told in ((None, "The agent failed; the log of the server says why."), (repr, "ValueError")):
        client = Client()
        async with MiniAgents():
            response = stream_response(fails.inquire("?"), error_text=given)
            await response({"type": "http"}, client.receive, client.send)
        last = client.frames()[-1]
        assert ("failed", True) == (last["how"], last["sentence"].startswith(told))
        assert given is not None or "PROMPT" not in client.body


@pytest.mark.logs("A run failed", "error_text failed")
async def test_a_sentence_that_fails() -> None:
    """If `error_text` fails, or returns no text, the client gets the usual one, and the log the error."""

    @miniagent
    async def fails(ctx: InteractionContext) -> None:
        raise ValueError

    def fails_too(error: Exception) -> str:
        return str(cast("object", error.args[0]))

    def no_text(_: Exception) -> str:
        return cast("str", None)

    for given in (fails_too, no_text):
        client = Client()
        async with MiniAgents(), asyncio.timeout(5):
            response = stream_response(fails.inquire("?"), error_text=given)
            await response({"type": "http"}, client.receive, client.send)
        assert "The agent failed; the log of the server says why." == client.frames()[-1]["sentence"]


async def test_cancelled() -> None:
    """A server that cancels its handlers has the client told how it ended."""
    client = Client()
    async with MiniAgents():
        talk, events = talker()
        serving = asyncio.create_task(
            stream_response(talk.inquire("?"))({"type": "http"}, client.receive, client.send)
        )
        await until(lambda: len(client.sent) > 3)
        serving.cancel()
        await asyncio.wait((serving,))
        assert (True, "lost") == (serving.cancelled(), client.frames()[-1]["how"])
        await until(lambda: events == ["closed"])


async def test_message() -> None:
    """One message can be streamed as well as all replies; what it is not asked for is no response."""
    client = Client()
    async with MiniAgents():
        [message] = [each async for each in scripted_model(["Hel", "lo"]).inquire("?")]
        await stream_response(message, "text")({"type": "http"}, client.receive, client.send)
        with pytest.raises(ValueError, match="'smoke' is not a protocol; give one of sse"):
            stream_response(message, "smoke")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert "Hello" == client.body


async def test_a_long_log_in_pieces() -> None:
    """Between the pieces in which a long log is read and written, the other tasks have their turn."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    pieces: list[tuple[int, int]] = []

    async def send(message: MutableMapping[str, Any]) -> None:
        pieces.append((turns, message.get("body", b"").count(b"id: ")))

    journal = MemoryJournal()
    async with MiniAgents():
        runs = Runs(journal, agents={"thinker": scripted_model([Reasoning("hm")] * 3_000)})
        run = await runs.begin("thinker", "Think.")
        assert 3_000 < len([frame async for frame in runs.frames(run)])
        feed = await Runs(journal).read(run)
        assert feed is not None
        beside = asyncio.create_task(others())
        await FrameResponse(feed, SSEEncoder())({"type": "http"}, Client().receive, send)
        before = turns
        await Runs(journal).question(run, "?")
        assert 5 < turns - before
        beside.cancel()
    assert 5 < len({turn for turn, _ in pieces})
    assert 512 == max(count for _, count in pieces)
