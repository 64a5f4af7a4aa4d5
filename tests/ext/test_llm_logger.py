"""Tests of `llm_logger`: the calls are as they are without it, and each leaves a page."""

import asyncio
import logging
from collections.abc import AsyncGenerator, MutableMapping
from pathlib import Path

import pytest

from miniagents import (
    AssistantMessage,
    Finish,
    InteractionContext,
    Message,
    MiniAgents,
    ModelAgent,
    Part,
    Reasoning,
    ToolCallDelta,
    ToolSpec,
    Usage,
    model_agent,
    tool,
)
from miniagents.ext.eliza import eliza_agent
from miniagents.ext.llm_logger import llm_logger
from miniagents.testing import ScriptedModel, scripted_model
from tests.support.sse_server import sse
from tests.support.wires import WIRES, Wire, asking


def pages(folder: Path) -> list[str]:
    """All pages, in the order in which the calls began."""
    return [file.read_text(encoding="utf-8") for file in sorted(folder.iterdir())]


async def test_a_call_is_the_same(tmp_path: Path) -> None:
    """Parts, message, data and keywords are as without a log; the page tells of them."""
    parts: list[Part] = [Reasoning("Hm.", "signed"), "It ", "snows.", Usage(1, 2), Finish("stop")]
    plain, watched = ScriptedModel(parts), ScriptedModel(parts)
    logged = llm_logger(watched.agent, tmp_path)
    assert isinstance(logged, ModelAgent)
    assert logged.alias == watched.agent.alias
    async with MiniAgents():
        expected = plain.agent.fork(model="m-1").inquire("Weather?", temperature=0.5)
        replies = logged.fork(model="m-1").inquire("Weather?", temperature=0.5)
        async for promise in replies:
            assert promise.preliminary_metadata["model"] == "m-1"
        assert [part async for part in replies.parts] == parts
        (message,) = await replies
        assert message.hash_key == (await expected)[0].hash_key
    assert [request.keywords for request in watched.requests] == [
        request.keywords for request in plain.requests
    ]
    (page,) = pages(tmp_path)
    assert "| model | m-1 |\n| temperature | 0.5 |" in page
    assert "\nWeather?\n" in page
    assert "\nIt snows.\n" in page


async def test_every_turn_is_a_call(tmp_path: Path) -> None:
    """A model that is given tools leaves a page of each of its turns."""

    @tool
    def weather(city: str) -> str:
        """Tell the weather."""
        return f"snow in {city}"

    call = ToolCallDelta(0, "c-1", "weather", '{"city": "Oslo"}')
    model = llm_logger(scripted_model([call], "Take a coat."), tmp_path).with_tools(weather)
    async with MiniAgents():
        assert str(await model.inquire("Coat?").final) == "Take a coat."
    first, second = pages(tmp_path)
    assert "### call of weather (c-1), " in first
    assert "### result of weather (c-1) of tool\n\n```text\nsnow in Oslo\n" in second


async def test_errors_are_the_same(tmp_path: Path) -> None:
    """An error comes after the text that had come, is the very same, and stands on the page."""
    early, late = ValueError("no model"), ConnectionError("cut")
    model = llm_logger(scripted_model(early, ["It ", late]), tmp_path)
    async with MiniAgents():
        with pytest.raises(ValueError, match="no model") as caught:
            await model.inquire("Hi")
        assert caught.value is early
        (message,) = [promise async for promise in model.inquire("Hi")]
        tokens = aiter(message)
        assert await anext(tokens) == "It "
        with pytest.raises(ConnectionError) as caught_late:
            await anext(tokens)
        assert caught_late.value is late
    first, second = pages(tmp_path)
    assert "ValueError: no model" in first
    assert "\nIt \n" in second
    assert "ConnectionError: cut" in second


class Talk:
    """A model that talks as long as it is read, and counts."""

    def __init__(self) -> None:
        self.said = 0
        self.stopped = asyncio.Event()
        self.agent = model_agent(alias="TALK")(self._answer)

    async def _answer(
        self, ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
    ) -> None:
        ctx.reply(AssistantMessage.promise_of_parts(self._words))

    async def _words(self, _: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        try:
            while True:
                self.said += 1
                yield f"{self.said} "
                await asyncio.sleep(0)
        finally:
            self.stopped.set()


async def test_who_leaves_ends_the_call(tmp_path: Path) -> None:
    """A call that is no longer read is stopped as it is without a logger, and its page says so."""
    talk = Talk()

    async def listen() -> None:
        async for promise in llm_logger(talk.agent, tmp_path).inquire("Hi"):
            async for _ in promise:
                return

    async with MiniAgents(prefetch=4):
        await listen()
        await asyncio.wait_for(talk.stopped.wait(), 5)
    (page,) = pages(tmp_path)
    assert "| end | stopped: its readers had left |" in page
    assert "\n1 2" in page


async def test_a_log_reads_no_further_than_its_reader(tmp_path: Path) -> None:
    """A model is held back by who reads it, and not let run because a log wants to know."""
    talk = Talk()
    async with MiniAgents(prefetch=4):
        async with llm_logger(talk.agent, tmp_path).inquire("Hi") as replies:
            (promise,) = [each async for each in replies]  # the replies end long before the message does
            tokens = aiter(promise)
            assert await anext(tokens) == "1 "
            for _ in range(200):
                await asyncio.sleep(0)
            assert talk.said < 20
            await tokens.aclose()
            del promise, tokens
        await asyncio.wait_for(talk.stopped.wait(), 5)


async def test_a_folder_that_is_not_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log that cannot be written costs one warning, and no answer."""
    (tmp_path / "file").write_text("here")
    model = llm_logger(scripted_model(then="Hello!"), tmp_path / "file")
    async with MiniAgents():
        for _ in range(3):
            assert str(await model.inquire("Hi")) == "Hello!"
    assert [record.levelname for record in caplog.records if record.name.startswith("miniagents")] == [
        "WARNING"
    ]


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_keys_and_prompts(wire: Wire, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """No page has a key, and no ordinary log has anything of the prompt or the answer."""
    key = "key-of-this-test-4711"  # it stands in records, as a part of the prompt; that of all tests must not
    with caplog.at_level(logging.DEBUG):
        async with asking(wire, sse(*wire.good(f"Your key {key} is ", "canary-answer"))) as asked:
            model = llm_logger(asked.agent.fork(api_key=key), tmp_path)
            await model.inquire(f"canary-prompt {key}", system="canary-system")
    (page,) = pages(tmp_path)
    assert key not in page
    assert "canary-prompt [redacted]" in page
    assert "Your key [redacted] is canary-answer" in page
    assert "canary-system" in page
    ours = [record.getMessage() for record in caplog.records if record.name.startswith("miniagents")]
    assert "canary" not in "".join(ours)


async def test_nothing_is_logged_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without it no file comes to be."""
    monkeypatch.chdir(tmp_path)
    async with MiniAgents():
        await scripted_model("Hello!").inquire("Hi")
    assert pages(tmp_path) == []


async def test_errors_as_messages(tmp_path: Path) -> None:
    """Where errors become messages, they still stand as errors on the page."""
    async with MiniAgents(errors_as_messages=True):
        (message,) = await llm_logger(scripted_model(ValueError("no")), tmp_path).inquire("Hi")
    assert message.role == "error"
    (page,) = pages(tmp_path)
    assert "### error\n\n```text\nValueError: no\n" in page


def test_only_models_are_logged() -> None:
    """An agent that is no model is refused, with what to give."""
    with pytest.raises(TypeError, match="llm_logger takes a model, and <MiniAgent ELIZA_AGENT> is not one"):
        llm_logger(eliza_agent)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
