"""Crosses modules: answers of independent servers are understood exactly, and broken ones are noticed.

Each of `tests/support/recorded_answers.py` is asked for over a real socket, with the agent of its wire, and
cut by the network in three ways. What is compared: each piece of text that a reader sees, the text and the
calls of the message, its reason; that a call whose arguments cannot be used is not made, and the model is
told; that a broken answer is an error, for who reads it and for who awaits it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import pytest

from miniagents import AssistantMessage, Citation, LLMError, MiniAgents, Tool, ToolMessage, ToolResult, tool
from miniagents.ext.llm import _transport
from tests.support.canaries import KEY
from tests.support.recorded_answers import SPLITS, RecordedAnswer, Split, as_json, recorded_answers
from tests.support.sse_server import Exchange, answer, serve, sse
from tests.support.wires import WIRES, Wire

AT_ONCE: Final = 16
"""How many answers are asked for at the same time."""


class Server:
    """Answers with the recording that is named in place of a model; when asked again, with "Told."."""

    def __init__(self, split: Split) -> None:
        self._split: Split = split
        self._recordings = {each.name: each for each in recorded_answers()}
        self._asked: set[object] = set()

    async def __call__(self, exchange: Exchange) -> None:
        """Follow the script of the recording."""
        model = exchange.request.json["model"]
        recording = self._recordings[str(model).partition("+")[0]]
        wire, script = recording.wire, recording.script(self._split)
        if model in self._asked:
            script = sse(*wire.good("Told.")) if recording.stream else answer(200, wire.whole("Told."))
        self._asked.add(model)
        await script(exchange)


@dataclass(slots=True)
class Ended:
    """What a reader saw of a reply, and how it ended for who reads and for who awaits."""

    read: str = ""
    message: AssistantMessage | None = None
    errors: list[LLMError] = field(default_factory=list[LLMError])


async def ended(recording: RecordedAnswer, url: str) -> Ended:
    """Ask for a recording, read it token by token, and await it."""
    agent = recording.wire.agent.fork(tools=recording.tools, **keywords(recording, url))
    replies = agent.inquire(recording.conversation)
    seen = Ended()
    try:
        async for reply in replies:
            async for token in reply:
                seen.read += token
    except LLMError as error:
        seen.errors.append(error)
    try:
        (seen.message,) = await replies
    except LLMError as error:
        seen.errors.append(error)
    return seen


def keywords(recording: RecordedAnswer, url: str, suffix: str = "") -> dict[str, object]:
    """What the agent is told, but for the tools."""
    return {
        "model": recording.name + suffix,
        "api_key": KEY,
        "base_url": url + recording.wire.path,
        "max_retries": 0,
        "stream": recording.stream,
        **recording.options,
    }


async def faults(recording: RecordedAnswer, url: str) -> list[str]:
    """Ask for a recording; what is wrong with what comes of it, in a sentence each."""
    seen = await ended(recording, url)
    expected, message = recording.expected, seen.message
    if expected is None:
        if message is not None:
            return [f"taken for whole: {message!r}"]
        return [
            f"{seen.read!r} was read, and the error tells of {error.partial_text!r}"
            for error in seen.errors
            if error.partial_text != seen.read
        ] + (["only one of reading and awaiting is an error"] if len(seen.errors) < 2 else [])
    if message is None:
        return [f"refused: {seen.errors[-1]}"]
    finish = message.finish_reason if expected.finish is not None else None
    calls = tuple((call.name, as_json(call.arguments)) for call in message.tool_calls)
    compared: tuple[tuple[str, object, object], ...] = (
        ("the pieces", expected.text, seen.read),
        ("the text", expected.text, message.text),
        ("the calls", expected.calls, calls),
        ("the reason", expected.finish, finish),
    )
    counted = {name: getattr(message.usage, name, None) for name in recording.counts}
    cited = tuple(each.source for each in message.parts if isinstance(each, Citation) and recording.cites)
    compared = (
        *compared,
        ("the counts", dict(recording.counts), counted),
        ("the sources", recording.cites, cited),
    )
    wrong = [f"{what}: {given!r}, not {wanted!r}" for what, wanted, given in compared if given != wanted]
    return wrong + (await not_told(recording, url) if recording.goes_back else [])


async def not_told(recording: RecordedAnswer, url: str) -> list[str]:
    """Ask for a recording, with tools; what is wrong if they are called, or the model is not told."""
    called: list[str] = []

    def recorded(name: str) -> Tool[[str | None], str]:
        @tool(name=name)
        def call(city: str | None = None) -> str:
            """Do what the tool of the recording did."""
            called.append(f"{name} was called with {city!r}")
            return "Rain."

        return call

    tools = [recorded(spec.name) for spec in recording.tools]
    agent = recording.wire.agent.fork(**keywords(recording, url, "+tools")).with_tools(*tools)
    try:
        messages = await agent.inquire(recording.conversation)
    except LLMError as error:
        return [f"the run ends: {error}"]
    results = [each for message in messages if isinstance(message, ToolMessage) for each in message.content]
    told = results and all(isinstance(each, ToolResult) and each.is_error for each in results)
    wrong = [] if told else [f"the model is told {results!r}"]
    last = messages[-1].text
    return called + wrong + ([] if last == "Told." else [f"the run ends with {last!r}"])


async def replay(wire: Wire, split: Split, *, few: bool) -> None:
    """Ask for the recordings of a wire, many at once; nothing may be wrong."""
    chosen = [each for each in recorded_answers() if each.wire is wire]
    # Each fifth, and short ones: the others are dialects of the same kind, or as long as a chapter.
    chosen = [each for each in chosen if len(b"".join(each.chunks)) < 4_000][::5] if few else chosen
    limit = asyncio.Semaphore(AT_ONCE)

    async def one(recording: RecordedAnswer, url: str) -> list[str]:
        async with limit:
            return await faults(recording, url)

    async with serve(Server(split)) as server, MiniAgents():
        found = await asyncio.gather(*(one(each, server.url) for each in chosen))
    pairs = zip(chosen, found, strict=True)
    wrong = [f"{each.name}: {'; '.join(sentences)}" for each, sentences in pairs if sentences]
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_some(wire: Wire) -> None:
    """Recorded answers are understood exactly, and broken ones are noticed."""
    await replay(wire, "chunks", few=True)


@pytest.mark.gate("each recording three times, over sockets")
@pytest.mark.loop(debug=False, timeout=120)
@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_all(wire: Wire, split: Split, monkeypatch: pytest.MonkeyPatch) -> None:
    """However the network cuts them, recorded answers are understood exactly, and broken ones are noticed."""
    if split == "bytes":  # the others over aiohttp, if it is installed
        monkeypatch.setattr(_transport, "find_spec", {"aiohttp": None}.get)
    await replay(wire, split, few=False)


def test_there_are_all() -> None:
    """Each recording has a name of its own."""
    names = [each.name for each in recorded_answers()]
    assert (len(names), len(set(names))) == (438, 438)
