"""Calls of models that are recorded and replayed.

Crosses modules: `_cassettes` writes and reads what `_requests` says.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping, Sequence
from pathlib import Path
from typing import Final

import pytest
from pydantic import BaseModel, SecretStr

from miniagents import (
    AssistantMessage,
    Image,
    InteractionContext,
    LLMStatusError,
    Message,
    MiniAgent,
    MiniAgents,
    MiniAgentsError,
    Part,
    Reasoning,
    SystemMessage,
    ToolCall,
    Usage,
    UserMessage,
    miniagent,
    partial_text,
    tool,
)
from miniagents.ext.journal import MemoryJournal
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.web import MessagePart, Runs
from miniagents.models import ModelAgent
from miniagents.parts import Finish, ResponseHeaders
from miniagents.testing import Cassette, Marbles, ScriptedModel, cassette, scripted_model
from miniagents.testing._cassettes import CassetteError, CassetteMode
from miniagents.testing._scripted_model import Answer
from miniagents.tools import ask
from tests.support.canaries import KEY
from tests.support.chat_wire import chat
from tests.support.sse_server import serve, sse

pytestmark = pytest.mark.loop(virtual=True)

MODES: Final[tuple[CassetteMode, ...]] = ("record", "replay")


class City(BaseModel):
    """A city."""

    name: str


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"snow in {city}"


def lines(file: Path) -> list[dict[str, object]]:
    """What stands in a cassette."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("text", ["a\u2028b\u2029c\x85d\x0b\x0c\x1c\r\n\re", "half: \ud83d", "\udc00\u2028"])
async def test_any_text(text: str, tmp_path: Path) -> None:
    """Any text can be recorded and replayed, in a question and in an answer: line ends, half surrogates."""
    call = ToolCall("1", "weather", f'{{"city": "{text}"}}')
    for mode in MODES:
        model = scripted_model([text, "."], AssistantMessage(parts=[call])) if mode == "record" else None
        play = Cassette(tmp_path / "any.jsonl", mode=mode)(model or scripted_model())
        async with MiniAgents():
            assert f"{text}." == str(await play.inquire(text))
            (message,) = await play.inquire("Call it.")
            assert (call,) == message.parts


async def test_gaps_are_kept(tmp_path: Path) -> None:
    """A replay streams the same parts with the same gaps, and asks no model."""
    marbles = Marbles()
    diagram = "2s (rh) a 5s b 10ms (uf|)"
    values: dict[str, Part] = {
        "r": Reasoning("Hm.", "signed"),
        "h": ResponseHeaders(200, "req-1"),
        "a": "Hel",
        "b": "lo",
        "u": Usage(7, 2),
        "f": Finish("stop"),
    }
    model = marbles.model(diagram, values)
    file = tmp_path / "deep" / "gaps.jsonl"
    async with MiniAgents():
        (recorded,) = await cassette(model, file, mode="record").inquire("Hi")
        marbles.start()
        replies = cassette(model, file).inquire("Hi")
        await marbles.expect(replies.parts).to_be(
            diagram.replace("(rh)", "r---"), {name: part for name, part in values.items() if name != "h"}
        )
        await marbles.expect_reads(model).to_be()
        (replayed,) = await replies
    assert (replayed.text, replayed.parts, replayed.usage) == ("Hello", recorded.parts, recorded.usage)
    assert dict(replayed) == dict(recorded)


async def test_the_file(tmp_path: Path) -> None:
    """The file has its version, and a line for each call and each thing that happened, with its time."""
    file = tmp_path / "two.jsonl"
    async with MiniAgents():
        model = cassette(Marbles().model("a 1s |", {"a": "Hello"}), file, mode="record")
        await model.inquire([SystemMessage("Be brief."), "Hi"], temperature=0.5)
    assert lines(file) == [
        {"cassette": 1},
        {
            "call": 1,
            "request": {
                "messages": [
                    {"class": "SystemMessage", "text": "Be brief."},
                    {"class": "Message", "text": "Hi"},
                ],
                "keywords": {"temperature": 0.5},
            },
        },
        {"call": 1, "at": 0.0, "what": "message", "message": 0, "data": "AssistantMessage"},
        {"call": 1, "at": 0.0, "what": "end"},
        {"call": 1, "at": 0.0, "what": "part", "message": 0, "data": "Hello"},
        {
            "call": 1,
            "at": 1.001,
            "what": "end",
            "message": 0,
            "data": {"model": "marbles", "finish_reason": "stop"},
        },
    ]


async def test_a_long_recording(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many calls were recorded before, another one costs as much as the first ones."""
    made, dumps = 0, json.dumps

    def counted(value: object, *, ensure_ascii: bool = True, sort_keys: bool = False) -> str:
        nonlocal made
        made += 1
        return dumps(value, ensure_ascii=ensure_ascii, sort_keys=sort_keys)

    monkeypatch.setattr(json, "dumps", counted)
    costs: list[int] = []
    async with MiniAgents():
        model = cassette(scripted_model(then="one two"), tmp_path / "long.jsonl", mode="record")
        for number in range(20):
            before = made
            await model.inquire(f"question {number}")
            costs.append(made - before)
    assert costs[0] + 1 >= costs[-1], costs


async def test_matching(tmp_path: Path) -> None:
    """Calls are found by messages, tools, schema and keywords, in any order; the same ones in their own."""
    file = tmp_path / "many.jsonl"
    call = ToolCall("call-1", "weather", '{"city": "Oslo"}')
    script: list[Answer] = [
        "one",
        "two",
        "warm",
        AssistantMessage(parts=[call]),
        "Take a coat.",
        '{"name": "Oslo"}',
        "pic",
    ]

    async def talk(model: ModelAgent[...], *, order: Sequence[int]) -> list[str]:
        picture = UserMessage(parts=["See:", Image(data=b"\x89PNG", media_type="image/png")])
        talks: list[Callable[[], Awaitable[object]]] = [
            lambda: model.inquire("Hi"),
            lambda: model.inquire("Hi"),
            lambda: model.inquire("Hi", temperature=1.0),
            lambda: model.with_tools(weather).inquire("Do I need a coat in Oslo?"),
            lambda: model.as_type(City).inquire("Which city?"),
            lambda: model.inquire(picture),
        ]
        said = [(number, str(await talks[number]())) for number in order]
        return [text for _, text in sorted(said)]

    async with MiniAgents():
        with Cassette(file, mode="record") as recorder:
            first = await talk(recorder(scripted_model(*script)), order=range(6))
        with Cassette(file) as player:
            again = await talk(player(scripted_model()), order=(5, 4, 3, 2, 0, 1))
    assert first == again
    assert first[:3] == ["one", "two", "warm"]


async def test_a_typed_agent(tmp_path: Path) -> None:
    """What a typed agent answers has its type also if it is replayed."""
    for mode, model in zip(MODES, (scripted_model('{"name": "Oslo"}'), scripted_model()), strict=True):
        async with MiniAgents():
            agent = cassette(model.as_type(City), tmp_path / "city.jsonl", mode=mode)
            assert City(name="Oslo") == await agent.inquire("Which city?").parsed


async def test_errors(tmp_path: Path) -> None:
    """Errors are raised again, of their class, with their fields and the text that had come."""
    file = tmp_path / "errors.jsonl"
    status = LLMStatusError(
        "too many requests", provider="acme", model="m", status=429, attempts=3, retry_after=2.5
    )
    odd = type("QuotaError", (MiniAgentsError,), {})("none is left")
    errors: list[Exception] = [status, ConnectionError("gone"), odd]
    async with MiniAgents():
        answers: list[Answer] = [["Hel", error] for error in errors]
        model = cassette(scripted_model(*answers), file, mode="record")
        for error in errors:
            with pytest.raises(type(error)):
                await model.inquire("Hi")
        player = Cassette(file)
        model = player(scripted_model())
        raised: list[Exception] = []
        for kind in (LLMStatusError, ConnectionError, MiniAgentsError):
            with pytest.raises(kind) as caught:
                await model.inquire("Hi")
            raised.append(caught.value)
        assert [partial_text(error) for error in raised] == ["Hel"] * 3
        fields = ("provider", "model", "status", "attempts", "retry_after")
        assert [getattr(raised[0], name) for name in fields] == ["acme", "m", 429, 3, 2.5]
        assert ("QuotaError", "none is left") == (type(raised[2]).__name__, str(raised[2]))
        player.check()


async def test_an_agent_that_fails_itself(tmp_path: Path) -> None:
    """An error of the call itself, before any message, is recorded too; any agent can be."""

    @miniagent
    async def broken(ctx: InteractionContext) -> None:
        await asyncio.sleep(3)
        raise TimeoutError("no answer")

    file = tmp_path / "broken.jsonl"
    loop = asyncio.get_running_loop()
    async with MiniAgents():
        for mode in MODES:
            begun = loop.time()
            with pytest.raises(TimeoutError, match="no answer"):
                await cassette(broken, file, mode=mode).inquire("Hi")
            assert loop.time() - begun == pytest.approx(3)


async def test_cancellations(tmp_path: Path) -> None:
    """A cancelled call is replayed up to there; if it is not cancelled then, that is an error."""
    file = tmp_path / "cancelled.jsonl"
    marbles = Marbles()
    async with MiniAgents():
        for mode in MODES:
            model = cassette(marbles.model("a 5s b|"), file, mode=mode)
            marbles.start()
            replies = model.inquire("Hi")
            await marbles.expect(replies).to_be("a 1s -")
            replies.cancel()
            del replies
            await asyncio.sleep(0)
        assert [line["what"] for line in lines(file)[2:]][-1] == "cancelled"
        with pytest.raises(CassetteError, match=r"was cancelled after 1\.\d+ s when it was recorded"):
            await cassette(scripted_model(), file).inquire("Hi")


async def test_missing(tmp_path: Path) -> None:
    """A cassette that is not there is an error that says how to record it; no model is asked."""
    scripted = ScriptedModel("Hello")
    async with MiniAgents():
        with pytest.raises(CassetteError, match=r"There is no cassette '.*no\.jsonl'; record it with"):
            await cassette(scripted.agent, tmp_path / "no.jsonl").inquire("Hi")
    assert scripted.requests == ()
    with pytest.raises(CassetteError, match="There is no cassette"), Cassette(tmp_path / "no.jsonl"):
        pass


async def test_unmatched_and_unplayed(tmp_path: Path) -> None:
    """A call that is not there shows how the nearest one differs; one that was not made is told."""
    file = tmp_path / "calls.jsonl"
    async with MiniAgents():
        model = cassette(scripted_model(then="Hello"), file, mode="record")
        await model.inquire("What is the capital of Norway?", temperature=0.5)
        await model.inquire("Something else altogether.", system="Be brief.")
        player = Cassette(file)
        model = player(scripted_model(then="never"))
        with pytest.raises(CassetteError) as caught:
            await model.inquire("What is the capital of Sweden?", temperature=0.5)
        told = str(caught.value)
        assert "has no call that asks this. The nearest one is call 1:" in told
        assert '-      "text": "What is the capital of Norway?"' in told
        assert '+      "text": "What is the capital of Sweden?"' in told
        assert "Record it with `pytest --cassettes=record`" in told
        await model.inquire("Something else altogether.", system="Be brief.")
        with pytest.raises(CassetteError, match="once more: it was replayed as often as"):
            await model.inquire("Something else altogether.", system="Be brief.")
        with pytest.raises(CassetteError, match=r"1 of 2 calls of the cassette .* were not made.*Norway"):
            player.check()


async def test_modes(tmp_path: Path) -> None:
    """`record` asks only for what is not there, `rewrite` for everything, and the file is replaced."""
    file = tmp_path / "modes.jsonl"
    async with MiniAgents():
        await cassette(scripted_model("one"), file, mode="record").inquire("1")
        scripted = ScriptedModel("two")
        model = cassette(scripted.agent, file, mode="record")
        assert [str(await model.inquire(text)) for text in ("1", "2")] == ["one", "two"]
        assert len(scripted.requests) == 1
        assert sum("request" in line for line in lines(file)) == 2
        assert str(await cassette(scripted_model("three"), file, mode="rewrite").inquire("2")) == "three"
        assert sum("request" in line for line in lines(file)) == 1
        assert str(await cassette(scripted_model(), file).inquire("2")) == "three"
    assert os.listdir(tmp_path) == ["modes.jsonl"]  # noqa: PTH208 - in an async test


async def test_no_call(tmp_path: Path) -> None:
    """What calls no model, or none any more, has a cassette without calls, with which it is replayed."""
    file = tmp_path / "none.jsonl"
    async with MiniAgents():
        for before in ("record", "rewrite"):
            with Cassette(file, mode=before):
                pass
            with Cassette(file):
                pass
            await cassette(scripted_model("one"), file, mode="record").inquire("1")
    with Cassette(file, mode="record"):
        pass
    assert sum("request" in line for line in lines(file)) == 1


async def test_two_models_in_one_file(tmp_path: Path) -> None:
    """Two models that record their calls in one file, each with a cassette of its own, lose none."""
    file = tmp_path / "both.jsonl"
    async with MiniAgents():
        await cassette(scripted_model("zero"), file, mode="record").inquire("0")
        one, two = (cassette(scripted_model(then=text), file, mode="record") for text in ("one", "two"))
        for n in range(3):
            await one.inquire(f"one {n}")
            await two.inquire(f"two {n}")
            await two.inquire("Hi")
            await one.inquire("Hi")
        with Cassette(file) as player:
            model = player(scripted_model())
            asked = ["0", *(f"{who} {n}" for who in ("two", "one") for n in range(3)), *["Hi"] * 6]
            answers = [str(await model.inquire(each)) for each in asked]
    assert ["zero", *["two"] * 3, *["one"] * 3] == answers[:7]
    assert [*["one"] * 3, *["two"] * 3] == sorted(answers[7:])


async def test_no_key_and_no_header(tmp_path: Path) -> None:
    """No key, no header and no client stands in a cassette, wherever it was given."""
    file = tmp_path / "canary.jsonl"
    sk = f"sk-{KEY}"

    async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[object]:
        metadata_so_far["request_id"] = f"req-{KEY}"
        metadata_so_far["api_key"] = KEY
        metadata_so_far["headers"] = {"x": KEY}
        yield ResponseHeaders(200, f"req-{KEY}")
        yield "Hello"
        if len(asked) == 2:
            raise ConnectionError(f"Incorrect API key provided: {sk}. Authorization: Bearer {KEY}")

    asked: list[object] = []

    async def answer(ctx: InteractionContext[Message, AssistantMessage], **keywords: object) -> None:
        asked.append(keywords)
        ctx.reply(AssistantMessage.promise_of_parts(parts))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # parts

    keywords = {
        "api_key": KEY,
        "token": SecretStr(KEY),
        "client": object(),
        "base_url": f"https://user:{KEY}@example.org/?key={KEY}",
        "extra": {"extra_headers": {"X-Auth": KEY}, "extra_query": {"key": KEY}, "api_key": KEY, "seed": 7},
        "extra_body": {"credentials": {"private_key": KEY}, "refresh_token": KEY, "passwd": KEY},
        "default_headers": {"Authorization": f"Bearer {KEY}"},
        "system": f"My key is {sk}.",
    }
    async with MiniAgents():
        model: MiniAgent[Message, Message, ...] = miniagent(answer)
        model = cassette(model, file, mode="record")
        await model.inquire(f"The password: {KEY}", **keywords)
        with pytest.raises(ConnectionError):
            await model.inquire(["Again", Message("x", access_token=KEY)], **keywords)
        text = file.read_text()
        assert KEY not in text
        assert '"seed": 7' in text
        player = Cassette(file)
        await player(scripted_model()).inquire("The password: another", **{**keywords, "api_key": "other"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is empty"),
        ("{", "Line 1 of the cassette"),
        ("[" * 100_000, "Line 1 of the cassette"),
        ('{"cassette": 2}\n', "its version is 2, but this miniagents reads version 1"),
        ('{"request": {}}\n', "its version is None"),
        ('{"cassette": 1}\n7\n', "Line 2 .* it is not a JSON object"),
        (
            '{"cassette": 1}\n{"call": 1, "at": 0, "what": "end"}\n',
            "it does not belong to the call before it",
        ),
        (
            '{"cassette": 1}\n{"call": 1, "request": {}}\n{"call": 1, "at": NaN, "what": "end"}\n',
            "its time is nan",
        ),
        (
            '{"cassette": 1}\n{"call": 1, "request": {}}\n{"call": 1, "at": -1, "what": "end"}\n',
            "its time is -1",
        ),
        (
            '{"cassette": 1}\n{"call": 1, "request": {}}\n{"call": 1, "at": 1, "what": "exec"}\n',
            "its event is 'exec', which",
        ),
    ],
)
async def test_broken_files(tmp_path: Path, text: str, why: str) -> None:
    """A file that is no cassette, or one of another version, is an error that names the line."""
    file = tmp_path / "broken.jsonl"
    file.write_text(text)
    async with MiniAgents():
        with pytest.raises(CassetteError, match=why):
            await cassette(scripted_model(), file).inquire("Hi")


async def test_broken_parts(tmp_path: Path) -> None:
    """A part that is none is an error that names the cassette."""
    file = tmp_path / "parts.jsonl"
    async with MiniAgents():
        await cassette(scripted_model(["Hello"]), file, mode="record").inquire("Hi")
        file.write_text(file.read_text().replace('"data": "Hello"', '"data": {"kind": "os.system"}'))
        with pytest.raises(
            CassetteError, match=r"A part in the cassette .* cannot be read: 'os.system' is no kind"
        ):
            await cassette(scripted_model(), file).inquire("Hi")


@pytest.mark.parametrize("lingers", [(9.0, 0.0), (0.0, 9.0)])
async def test_a_run_that_waits(tmp_path: Path, lingers: tuple[float, float]) -> None:
    """What the log of a run has is not asked of the cassette again, whether the run was parked or not."""
    told: list[list[str]] = []
    for mode, linger in zip(MODES, lingers, strict=True):
        with Cassette(tmp_path / "waits.jsonl", mode=mode) as play:
            model = play(scripted_model("One.", "Two."))

            @miniagent
            async def clerk(ctx: InteractionContext, model: ModelAgent[...] = model) -> None:
                ctx.reply(model.inquire("a"))
                ctx.reply(await ask("Go on?"))
                ctx.reply(model.inquire("b"))

            async with MiniAgents():
                runs = Runs(MemoryJournal(), agents={"clerk": clerk}, linger=linger)
                run = await runs.begin("clerk")
                await asyncio.sleep(5.0)
                (question,) = await runs.questions(run)
                await runs.answer(run, question.id, "yes")
                frames = [frame async for _, frame in runs.frames(run)]
        told.append([str(each.part) for each in frames if isinstance(each, MessagePart)])
    assert [["One.", "yes", "Two."]] * 2 == told


async def test_a_provider(tmp_path: Path) -> None:
    """A real SDK is recorded over a socket, and replayed when nobody listens there any more."""
    file = tmp_path / "provider.jsonl"
    async with MiniAgents():
        async with serve(sse(*chat("Hel", "lo"))) as server:
            model = openai_agent.fork(model="m-1", api_key=KEY, base_url=server.url)
            recorded = await cassette(model, file, mode="record").inquire("Hi")
        replayed = cassette(openai_agent, file).inquire("Hi", model="m-1", api_key="other")
        assert await replayed.tokens == ("Hel", "lo")
        assert str(await replayed) == str(recorded) == "Hello"
    assert KEY not in file.read_text()
    assert "127.0.0.1" not in file.read_text()
