"""The routes of `miniagents serve` on a real socket: conversations, runs, pictures, who may.

Crosses modules: routes, conversations, the history and the frames behind them.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest

from miniagents import AssistantMessage, InteractionContext, Message, UserMessage, miniagent, tool
from miniagents.cli._server import _threads
from miniagents.cli._server._messages import messages_of_run
from miniagents.ext._history._sqlite_file import SQLiteFile
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.journal import Journal, JournalError
from miniagents.ext.web import PageData, Runs, json_body
from miniagents.parts import Reasoning, ToolCall, ToolCallDelta, Usage
from miniagents.runs import Registry
from miniagents.testing import ScriptedModel, scripted_model
from tests.support.pages import Page, page_of
from tests.support.web_agents import Gate

TOKEN = "open sesame"  # noqa: S105 - of these tests


async def first_token(page: Page, run: str) -> None:
    """Wait until the first token of a run is told."""
    async with (
        page.client.stream("GET", f"/runs/{run}") as response,
        aclosing(cast("AsyncGenerator[str]", response.aiter_lines())) as lines,
    ):
        async for line in lines:
            if '"type":"part"' in line:
                return


def error(response: httpx2.Response) -> tuple[int, object]:
    """The status and the code of a refusal, which has a sentence."""
    said = response.json()["error"]
    assert said["message"].endswith("."), said
    return response.status_code, said["code"]


async def test_a_conversation(tmp_path: Path) -> None:
    """What is said and answered is kept, with who said it, the tokens and the time, and is told again."""
    model = ScriptedModel(["Hello!", Usage(7, 3)], "Fine.", alias="MODEL")
    async with page_of(model.agent, tmp_path) as page:
        thread = await page.thread()
        frames = await page.say(thread, "Hi  there,\nyou")
        assert ("finished", "") == (frames[-1]["how"], frames[-1]["sentence"])
        read = await page.read(thread)
        user, said = read["messages"]
        assert ("Hi there, you", None) == (read["title"], read["run"])
        nobody = {"agent": None, "model": None, "tool": None, "call": None, "usage": None, "seconds": None}
        ended = {"ended": None, "sentence": "", "run": None, "decided": None}
        expected = {
            "role": "user",
            "text": "Hi  there,\nyou",
            "parts": ["Hi  there,\nyou"],
            **nobody,
            **ended,
        }
        assert expected == user
        assert isinstance(said.pop("seconds"), float)
        assert said.pop("run") is not None
        assert {
            "role": "assistant",
            "text": "Hello!",
            "parts": ["Hello!"],
            "agent": "MODEL",
            "model": "scripted",
            "tool": None,
            "call": None,
            "ended": "finished",
            "sentence": "",
            "decided": None,
            "usage": {"input_tokens": 7, "output_tokens": 3},
        } == said
        await page.say(thread, "How are you?")
    # The agent is sent what was said, and nothing of what the server notes.
    assert (UserMessage("Hi  there,\nyou"), UserMessage("How are you?")) == (
        model.requests[1].messages[0],
        model.requests[1].messages[2],
    )
    assert "served" not in dict(model.requests[1].messages[1])
    async with page_of(model.agent, tmp_path) as page:  # another server, later
        expected_texts = [("user", "Hi  there,\nyou"), ("assistant", "Hello!")]
        expected_texts += [("user", "How are you?"), ("assistant", "Fine.")]
        assert expected_texts == await page.texts(thread)


async def test_threads(tmp_path: Path) -> None:
    """Conversations are made, named, listed with the newest first, page by page, and forgotten."""
    async with page_of(scripted_model(then="Yes."), tmp_path) as page:
        client = page.client
        one, two, three = [await page.thread(**each) for each in ({}, {"title": " a \n title "}, {})]
        await page.say(one, "x" * 100)
        listed = (await client.get("/api/threads")).json()
        assert {one, two, three} == {each["id"] for each in listed["threads"]}
        assert [one, "x" * 79 + "…", None] == [listed["threads"][0][name] for name in ("id", "title", "run")]
        assert None is listed["next"]
        renamed = await client.patch(f"/api/threads/{one}", json={"title": "Another"})
        assert {"id": one, "title": "Another"} == renamed.json()
        first = (await client.get("/api/threads?limit=2")).json()
        assert 2 == len(first["threads"])
        rest = (await client.get("/api/threads", params={"limit": 2, "before": first["next"]})).json()
        assert (1, None) == (len(rest["threads"]), rest["next"])
        pages = [each["title"] for each in first["threads"] + rest["threads"]]
        assert "Another" == pages[0]
        assert {"a title", ""} == set(pages[1:])
        assert 204 == (await client.delete(f"/api/threads/{one}")).status_code
        for method, path in (
            ("GET", one),
            ("PATCH", one),
            ("DELETE", one),
            ("GET", "x" * 300),
            ("GET", "%00"),
        ):
            gone = await client.request(method, f"/api/threads/{path}", json={"title": "x"})
            assert (404, "no_such_thread") == error(gone)
        gone = await client.post(f"/api/threads/{one}/runs", json={"text": "Hi"})
        assert (404, "no_such_thread") == error(gone)
        assert (404, "no_such_thread") == error(await client.get(f"/api/threads?before={one}"))


async def test_data_for_the_page(tmp_path: Path) -> None:
    """Data that an agent sends to the page are kept with the conversation, and told again."""

    @miniagent
    async def forecaster(ctx: InteractionContext) -> None:
        ctx.reply(PageData(name="weather", data={"city": "Oslo", "degrees": [12, None]}, id="w1"))
        ctx.reply("It is fresh.")

    async with page_of(forecaster, tmp_path) as page:
        thread = await page.thread()
        [part] = [
            each["part"]
            for each in await page.say(thread, "Hi")
            if each.get("message") == 0 and "part" in each
        ]
        assert ("weather", {"city": "Oslo", "degrees": [12, None]}, "w1") == (
            part["name"],
            part["data"],
            part["id"],
        )
        read = await page.read(thread)
        assert [("user", ["Hi"]), ("data", [part]), ("assistant", ["It is fresh."])] == [
            (each["role"], each["parts"]) for each in read["messages"]
        ]


async def test_the_run_of_a_thread(tmp_path: Path) -> None:
    """While a run goes on, its conversation names it, has what the user said, and takes nothing more."""
    gate = Gate()
    async with page_of(gate.agent(), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        read = await page.read(thread)
        assert (run, ["Hi"]) == (read["run"], [each["text"] for each in read["messages"]])
        assert run == (await page.client.get("/api/threads")).json()["threads"][0]["run"]
        for body in ({"text": "more"}, {"regenerate": True}, {"edit": 0, "text": "else"}):
            refused = await page.client.post(f"/api/threads/{thread}/runs", json=body)
            assert (409, "run_goes_on") == error(refused)
            assert run == refused.json()["error"]["run"]
        gate.go.set()
        assert "finished" == (await page.told(run))[-1]["how"]
        # Whoever has seen the end finds the answer.
        read = await page.read(thread)
        assert (None, "Begun done.") == (read["run"], read["messages"][-1]["text"])


async def test_stop(tmp_path: Path) -> None:
    """A stopped answer is kept as far as it was said, and says so; the agent is sent it from then on."""
    gate = Gate()
    async with page_of(gate.agent(), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        await first_token(page, run)
        assert {"stopped": True} == (await page.client.post(f"/runs/{run}/stop")).json()
        await asyncio.wait_for(gate.left.wait(), 1)
        assert "stopped" == (await page.told(run))[-1]["how"]
        said = (await page.read(thread))["messages"][1]
        assert ("Begun ", "stopped", "The answer was stopped.") == (
            said["text"],
            said["ended"],
            said["sentence"],
        )
        gate.go.set()
        await page.say(thread, "Go on")
        assert ["Hi", "Begun ", "Go on"] == gate.asked[-1]


async def test_regenerate(tmp_path: Path) -> None:
    """The user's last message is answered again; the old answer leaves the history."""
    model = ScriptedModel("one", "two", "three")
    async with page_of(model.agent, tmp_path) as page:
        thread = await page.thread()
        refused = await page.client.post(f"/api/threads/{thread}/runs", json={"regenerate": True})
        assert (400, "nothing_to_answer") == error(refused)
        await page.say(thread, "Hi")
        await page.told(await page.begin(thread, regenerate=True))
        assert [("user", "Hi"), ("assistant", "two")] == await page.texts(thread)
        assert ["Hi"] == [str(each) for each in model.requests[1].messages]
        await page.told(await page.begin(thread, regenerate=True))
        assert [("user", "Hi"), ("assistant", "three")] == await page.texts(thread)


async def test_edit(tmp_path: Path) -> None:
    """A message of the user is said otherwise; what came behind it is forgotten."""
    model = ScriptedModel("one", "two", "three")
    async with page_of(model.agent, tmp_path) as page:
        thread = await page.thread()
        await page.say(thread, "a")
        await page.say(thread, "b")
        for wrong in (1, 4, -1, "0", True, 1.0):
            refused = await page.client.post(f"/api/threads/{thread}/runs", json={"edit": wrong, "text": "x"})
            assert (400, "invalid_request") == error(refused)
        assert 4 == len(await page.texts(thread))
        await page.told(await page.begin(thread, edit=0, text="c"))
        assert [("user", "c"), ("assistant", "three")] == await page.texts(thread)
        assert ["c"] == [str(each) for each in model.requests[2].messages]


@pytest.mark.logs("A run failed")
async def test_failures(tmp_path: Path) -> None:
    """A run that fails says so in a sentence, with what was said before, also when it is told again."""
    model = ScriptedModel(["Hel", ValueError("sk-123456789")], [ValueError("sk-123456789")], "three")
    async with page_of(model.agent, tmp_path) as page:
        thread = await page.thread()
        assert "failed" == (await page.say(thread, "a"))[-1]["how"]
        await page.say(thread, "b")
        sentence = "The agent failed: ValueError: [redacted]"
        read = (await page.read(thread))["messages"]
        assert [("user", "a"), ("assistant", "Hel"), ("user", "b"), ("error", sentence)] == [
            (each["role"], each["text"]) for each in read
        ]
        assert [(None, ""), ("failed", sentence)] * 2 == [(each["ended"], each["sentence"]) for each in read]
        assert [sentence] == read[3]["parts"]
        assert "sk-123456789" not in json.dumps(read)
        await page.say(thread, "c")
        # An error is nothing that a model is sent.
        assert ["a", "Hel", "b", "c"] == [str(each) for each in model.requests[2].messages]


async def test_an_agent_that_says_nothing(tmp_path: Path) -> None:
    """An agent that replies nothing has answered, once, and is sent no empty message."""

    @miniagent
    async def silent(ctx: InteractionContext) -> None:
        """Say nothing."""

    async with page_of(silent, tmp_path) as page:
        thread = await page.thread()
        await page.say(thread, "Hi")
        for _ in range(2):
            read = (await page.read(thread))["messages"]
            assert [("Hi", None), ("", "finished")] == [(each["text"], each["ended"]) for each in read]


async def test_parts(tmp_path: Path) -> None:
    """Thoughts, calls of tools and their results are told as they streamed, and go back to the model."""

    @tool
    def look(city: str) -> str:
        """Look at the weather."""
        return f"rain in {city}"

    first = AssistantMessage(
        parts=[Reasoning("Where?"), "Let me look.", ToolCall("c1", "look", '{"city": "Oslo"}')]
    )
    model = ScriptedModel(first, "It rains.", "Still.")
    async with page_of(model.agent.with_tools(look), tmp_path) as page:
        thread = await page.thread()
        frames = await page.say(thread, "Weather?")
        read = (await page.read(thread))["messages"]
        assert ["user", "assistant", "tool", "assistant"] == [each["role"] for each in read]
        kinds = [part if isinstance(part, str) else part["kind"] for part in read[1]["parts"]]
        assert ["reasoning", "Let me look.", "tool_call_delta"] == kinds
        call, result = read[1]["parts"][2], read[2]["parts"][0]
        assert ("c1", "look", '{"city": "Oslo"}') == (call["id"], call["name"], call["arguments"])
        assert ("c1", "look", "rain in Oslo") == (result["call_id"], result["name"], result["content"])
        assert ("look", "c1") == (read[2]["tool"], read[2]["call"])
        assert [None, None, None, "finished"] == [each["ended"] for each in read]
        streamed = [each["part"] for each in frames if each["type"] == "part" and each["message"] == 1]
        assert streamed == read[2]["parts"]
        await page.say(thread, "And now?")
    _, answer, result, *_ = model.requests[2].messages
    assert isinstance(answer, AssistantMessage)
    assert ("Where?", "c1", "rain in Oslo") == (answer.reasoning, answer.tool_calls[0].id, result.text)


async def test_a_call_that_was_cut(tmp_path: Path) -> None:
    """A call of a tool that was stopped before its result is shown, and no model is sent it."""
    called = asyncio.Event()

    @tool
    async def wait() -> str:
        """Wait for ever."""
        called.set()
        await asyncio.Event().wait()
        return ""

    model = ScriptedModel(["Let me ", ToolCallDelta(0, "c1", "wait", "{}")], "Fine.")
    async with page_of(model.agent.with_tools(wait), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        await called.wait()
        await page.client.post(f"/runs/{run}/stop")
        await page.told(run)
        read = (await page.read(thread))["messages"]
        assert ("wait", "stopped") == (read[1]["parts"][1]["name"], read[-1]["ended"])
        await page.say(thread, "Never mind")
    assert ["Hi", "Let me ", "Never mind"] == [str(each) for each in model.requests[1].messages]
    assert () == getattr(model.requests[1].messages[1], "tool_calls", None)


async def test_two_readers(tmp_path: Path) -> None:
    """Two tabs read one run, one from the first frame and one from where it was, to the same end."""
    gate = Gate()
    async with page_of(gate.agent(), tmp_path) as page:
        run = await page.begin(await page.thread(), text="Hi")
        await first_token(page, run)
        one = asyncio.create_task(page.client.get(f"/runs/{run}"))
        other = asyncio.create_task(page.client.get(f"/runs/{run}", headers={"last-event-id": "2"}))
        await asyncio.sleep(0.05)
        gate.go.set()
        whole, rest = (await one).text, (await other).text
        assert whole.endswith(rest[rest.index("id: ") :])
        last = rest[rest.rindex("id: ") + 4 :].split("\n")[0]
        assert 204 == (await page.client.get(f"/runs/{run}", headers={"last-event-id": last})).status_code


async def test_removing_what_goes_on(tmp_path: Path) -> None:
    """A conversation that is forgotten in mid-answer stops its run, and nothing of it comes back."""
    gate = Gate()
    async with page_of(gate.agent(), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        await first_token(page, run)
        assert 204 == (await page.client.delete(f"/api/threads/{thread}")).status_code
        assert gate.left.is_set()
        assert 404 == (await page.client.get(f"/runs/{run}")).status_code
        assert [] == (await page.client.get("/api/threads")).json()["threads"]
    assert () == await ChatHistorySQLite(tmp_path / "CHAT.db").threads()


async def runs_in(folder: Path) -> set[str]:
    """The runs of which something is kept on disk."""
    async with Journal(folder / "CHAT.journal") as journal:
        return {each.run for each in await journal.find()}


async def test_what_is_removed_does_not_come_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another tab says in a conversation, or calls it, while it is deleted does not bring it back."""
    deleting, go, delete = asyncio.Event(), asyncio.Event(), Journal.delete

    async def slowly(journal: Journal, run: str) -> None:
        deleting.set()
        await go.wait()
        await delete(journal, run)

    async with page_of(scripted_model("One"), tmp_path) as page:
        thread = await page.thread()
        await page.say(thread, "Hi")
        monkeypatch.setattr(Journal, "delete", slowly)
        address, client = f"/api/threads/{thread}", page.client
        removing = asyncio.create_task(client.delete(address))
        await deleting.wait()
        said = asyncio.create_task(client.post(f"{address}/runs", json={"text": "Go on"}))
        named = asyncio.create_task(client.patch(address, json={"title": "Mine"}))
        await asyncio.wait((said, named), timeout=0.2)
        go.set()
        assert [204, 404, 404] == [(await each).status_code for each in (removing, said, named)]
        assert [] == (await client.get("/api/threads")).json()["threads"]


async def test_what_is_removed_is_not_kept(tmp_path: Path) -> None:
    """With a conversation goes what is kept of all its answers, and of no other."""
    async with page_of(scripted_model("One", then="More"), tmp_path) as page:
        thread, other = await page.thread(), await page.thread()
        runs = [await page.begin(thread, text="Hi")]
        await page.told(runs[0])
        runs.append(await page.begin(thread, text="Go on"))
        await page.told(runs[1])
        kept = await page.begin(other, text="Hi")
        await page.told(kept)
        assert {*runs, kept} == await runs_in(tmp_path)
        assert 204 == (await page.client.delete(f"/api/threads/{thread}")).status_code
        assert {kept} == await runs_in(tmp_path)
        for run in runs:
            assert 404 == (await page.client.get(f"/runs/{run}")).status_code
            assert 404 == (await page.client.get(f"/api/runs/{run}/timeline")).status_code
        assert 200 == (await page.client.get(f"/api/runs/{kept}/timeline")).status_code
        await page.client.delete(f"/api/threads/{other}")
        assert set() == await runs_in(tmp_path)


async def test_what_is_replaced_is_not_kept(tmp_path: Path) -> None:
    """The frames of an answer that is given again, or stands behind an edited message, are deleted."""
    async with page_of(scripted_model("One", then="More"), tmp_path) as page:
        thread, run = await page.thread(), ""
        for body in ({"text": "Hi"}, {"regenerate": True}, {"text": "Go on"}, {"edit": 0, "text": "Hello"}):
            run = await page.begin(thread, **body)
            await page.told(run)
            await page.read(thread)
        assert {run} == await runs_in(tmp_path)


@pytest.mark.logs("A request gets the status 50")
async def test_a_run_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page gets of a journal that is away, or damaged, is what the routes of runs say."""

    async def read(*_: object) -> None:
        raise failure

    async with page_of(scripted_model("One"), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        await page.told(run)
        monkeypatch.setattr(Journal, "read", read)
        failure = JournalError("CHAT.journal cannot be read: the disk is gone.")
        assert (503, "journal_away") == error(await page.client.get(f"/api/runs/{run}/timeline"))
        failure = JournalError("The run cannot be read: its log is damaged.", "damaged")
        assert (500, "damaged_run") == error(await page.client.get(f"/api/runs/{run}/timeline"))


@pytest.mark.logs("A request gets the status 50", "cannot be deleted")
async def test_frames_that_cannot_be_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the frames cannot be deleted, the conversation is still there, and can be removed later."""

    async def full(*_: object) -> None:
        raise JournalError("CHAT.journal cannot be written: the disk is full.")

    async with page_of(scripted_model("One", then="More"), tmp_path) as page:
        thread = await page.thread()
        await page.say(thread, "Hi")
        with monkeypatch.context() as broken:
            broken.setattr(Journal, "delete", full)
            refused = await page.client.delete(f"/api/threads/{thread}")
            assert (503, "journal_away") == error(refused)
            assert [("user", "Hi"), ("assistant", "One")] == await page.texts(thread)
            await page.told(await page.begin(thread, regenerate=True))  # it is only logged
        assert 204 == (await page.client.delete(f"/api/threads/{thread}")).status_code


@pytest.mark.logs("could not be kept")
async def test_removing_what_is_only_in_frames(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a conversation go the frames of an answer that could not be put into the history."""
    async with page_of(scripted_model("One"), tmp_path) as page:
        thread = await page.thread()
        with monkeypatch.context() as broken:
            broken.setattr(Runs, "frames", _no_frames)
            await page.say(thread, "Hi")
            await asyncio.sleep(0.05)
        assert 1 == len(await runs_in(tmp_path))
        assert 204 == (await page.client.delete(f"/api/threads/{thread}")).status_code
        assert set() == await runs_in(tmp_path)


async def test_the_server_ends_in_mid_answer(tmp_path: Path) -> None:
    """An answer that the end of the server cuts goes on in the next one, and is kept whole."""
    gate = Gate()
    async with page_of(gate.agent(), tmp_path) as page:
        thread = await page.thread()
        await first_token(page, await page.begin(thread, text="Hi"))
    gate.go.set()
    async with page_of(gate.agent(), tmp_path) as page:
        run = (await page.read(thread))["run"]
        if run is not None:
            await page.told(run)
        assert [("user", "Hi"), ("assistant", "Begun done.")] == await page.texts(thread)


async def test_an_answer_that_nobody_reads(tmp_path: Path) -> None:
    """An answer that goes on in the next server is in the history when it ends, also if no page is open."""
    gate = Gate()
    async with page_of(gate.agent(), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        await first_token(page, run)
    gate.go.set()
    async with page_of(gate.agent(), tmp_path) as page:
        await page.told(run)
    async with Journal(tmp_path / "CHAT.journal") as journal:
        await journal.delete(run)  # after a day
    async with page_of(gate.agent(), tmp_path) as page:
        assert [("user", "Hi"), ("assistant", "Begun done.")] == await page.texts(thread)


async def test_died_before_the_run_began(tmp_path: Path) -> None:
    """A user's message that was kept and never answered can be answered."""
    await ChatHistorySQLite(tmp_path / "CHAT.db", "t").append(UserMessage("Hi"))
    async with page_of(scripted_model("Hello"), tmp_path) as page:
        read = await page.read("t")
        assert (None, ["Hi"]) == (read["run"], [each["text"] for each in read["messages"]])
        await page.told(await page.begin("t", regenerate=True))
        assert [("user", "Hi"), ("assistant", "Hello")] == await page.texts("t")


async def test_a_history_of_others(tmp_path: Path) -> None:
    """Conversations that agents have kept in the file are told as any other, and go on."""
    history = ChatHistorySQLite(tmp_path / "CHAT.db", "t")
    await history.append([UserMessage("a"), AssistantMessage("b", model="m"), Message("c")])
    model = ScriptedModel("d")
    async with page_of(model.agent, tmp_path) as page:
        assert [("user", "a"), ("assistant", "b"), ("assistant", "c")] == await page.texts("t")
        half = b'{"text": "\\ud800 half a character"}'
        json_type = {"content-type": "application/json"}
        begun = await page.client.post("/api/threads/t/runs", content=half, headers=json_type)
        await page.told(begun.json()["run"])
        assert "\ud800 half a character" == (await page.texts("t"))[3][1]
    assert ["a", "b", "c"] == [str(each) for each in model.requests[0].messages][:3]


async def test_bodies(tmp_path: Path) -> None:
    """A body that cannot be used begins nothing and says in a sentence what is wrong."""
    cases: tuple[tuple[int, dict[str, Any]], ...] = (
        (415, {"content": b'{"text":"x"}', "headers": {"content-type": "text/plain"}}),
        (400, {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, {"json": ["text"]}),
        (413, {"json": {"text": "x" * 1_000_001}}),
        (400, {"json": {}}),
        (400, {"json": {"text": " \n"}}),
        (400, {"json": {"text": 7}}),
        (400, {"json": {"regenerate": False}}),
        (400, {"json": {"regenerate": True, "text": "x"}}),
    )
    async with page_of(scripted_model(), tmp_path) as page:
        thread = await page.thread()
        for status, body in cases:
            assert status == error(await page.client.post(f"/api/threads/{thread}/runs", **body))[0], body
        assert [] == await page.texts(thread)


async def test_other_parameters(tmp_path: Path) -> None:
    """Titles, limits and tokens that cannot be used are refused in a sentence."""
    async with page_of(scripted_model(), tmp_path) as page:
        for limit in ("0", "x", "-1", "9" * 9, "²"):
            assert 400 == error(await page.client.get("/api/threads", params={"limit": limit}))[0]
        thread = await page.thread()
        for title in (7, "x" * 201, None):
            refused = await page.client.patch(f"/api/threads/{thread}", json={"title": title})
            assert 400 == error(refused)[0]
        assert 400 == error(await page.client.post("/api/threads", json={"title": 7}))[0]
        bare = await page.client.post("/api/threads")
        assert 201 == bare.status_code
        assert 204 == (await page.client.post("/api/login", json={"token": "any"})).status_code
        for path in ("/api/nothing", "/runs", "/api/runs/x/stop"):
            assert 404 == (await page.client.post(path, json={})).status_code


async def test_pictures(tmp_path: Path) -> None:
    """A run has a picture, also after a restart; one that is not known has none, and the page knows that."""
    async with page_of(scripted_model("secret words"), tmp_path) as page:
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        await page.told(run)
        assert run == (await page.read(thread))["messages"][-1]["run"]
        picture = await page.client.get(f"/api/runs/{run}/timeline")
        assert ("image/svg+xml", True) == (picture.headers["content-type"], picture.text.startswith("<svg"))
        assert "secret" not in picture.text
        assert "sandbox" in picture.headers["content-security-policy"]
        assert (404, "no_picture") == error(await page.client.get("/api/runs/x/timeline"))
    async with page_of(scripted_model(), tmp_path) as page:
        assert run == (await page.read(thread))["messages"][-1]["run"]
        assert 200 == (await page.client.get(f"/api/runs/{run}/timeline")).status_code


async def test_info(tmp_path: Path) -> None:
    """A page is told who answers; answers of the API are kept by no browser."""
    async with page_of(scripted_model(), tmp_path) as page:
        told = await page.client.get("/api/info")
        said = told.json()
        assert ("POET", "m-1", "Hello, I am a poet.") == tuple(
            said[name] for name in ("agent", "model", "opening")
        )
        assert "no-store" == told.headers["cache-control"]
        assert "server" not in told.headers


async def test_whoever_saw_the_end_finds_the_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that asks right after the last frame waits until the answer is kept."""
    keep = _threads._add

    async def slowly(*arguments: Any) -> list[Message]:
        await asyncio.sleep(0.02)
        return await keep(*arguments)

    monkeypatch.setattr(_threads, "_add", slowly)
    async with page_of(scripted_model("one", then="two"), tmp_path) as page:
        thread = await page.thread()
        await page.say(thread, "Hi")
        read = await page.read(thread)
        assert (None, "one", True) == (
            read["run"],
            read["messages"][-1]["text"],
            read["messages"][-1]["seconds"] is not None,
        )
        await page.say(thread, "Hi")
        await page.told(await page.begin(thread, regenerate=True))  # and is not refused


async def test_another_server_was_quicker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that another server with the same files has kept is not kept twice."""
    thread = ""

    def quicker(*arguments: Any) -> list[Message]:
        said = messages_of_run(*arguments)
        SQLiteFile(tmp_path / "CHAT.db").append(thread, map(Registry().record_of, said))
        return said

    monkeypatch.setattr(_threads, "messages_of_run", quicker)
    async with page_of(scripted_model("one"), tmp_path) as page:
        thread = await page.thread()
        await page.say(thread, "Hi")
        assert [("user", "Hi"), ("assistant", "one")] == await page.texts(thread)


@pytest.mark.logs("cannot be", "could not be kept")
async def test_a_history_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If what the user says cannot be kept, no run begins, and a sentence says so."""
    model = ScriptedModel("one")
    async with page_of(model.agent, tmp_path) as page:
        thread = await page.thread()
        (tmp_path / "CHAT.db").unlink()
        (tmp_path / "CHAT.db").mkdir()
        refused = await page.client.post(f"/api/threads/{thread}/runs", json={"text": "Hi"})
        assert (503, "not_kept") == error(refused)
        assert str(tmp_path) not in refused.text
    assert () == tuple(model.requests)


@pytest.mark.logs("A request gets the status 503")
async def test_a_run_that_cannot_begin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If an answer cannot begin, the conversation is what it was: nothing is replaced, and nothing said."""

    async def full(*_: object) -> None:
        raise JournalError("CHAT.journal cannot be written: the disk is full.")

    async with page_of(scripted_model("One", "Two"), tmp_path) as page:
        thread, new = await page.thread(), await page.thread()
        await page.say(thread, "Hi")
        await page.say(thread, "Go on")
        before = await page.read(thread), await page.read(new)
        monkeypatch.setattr(Journal, "begin", full)
        for where, body in (
            (thread, {"edit": 0, "text": "Hello"}),
            (thread, {"regenerate": True}),
            (new, {"text": "Hey"}),
        ):
            refused = await page.client.post(f"/api/threads/{where}/runs", json=body)
            assert (503, "journal_away") == error(refused)
        assert before == (await page.read(thread), await page.read(new))


@pytest.mark.logs("could not be kept")
async def test_an_answer_that_could_not_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that could not be kept at its end is kept when somebody looks, from its frames."""
    gate = Gate()
    gate.go.set()
    async with page_of(gate.agent(), tmp_path) as page:
        thread = await page.thread()
        with monkeypatch.context() as broken:
            broken.setattr(Runs, "frames", _no_frames)
            run = await page.begin(thread, text="Hi")
            await page.told(run)
            await asyncio.sleep(0.05)
        read = await page.read(thread)
        assert ["Hi", "Begun done."] == [each["text"] for each in read["messages"]]
        assert ("finished", None) == (read["messages"][1]["ended"], read["messages"][1]["seconds"])


async def _no_frames(_: Runs, __: str) -> AsyncGenerator[None]:
    await _full()
    yield


async def _full() -> None:
    raise OSError("the disk is full")


# -- who may -------------------------------------------------------------------------------------------------


async def test_other_sites(tmp_path: Path) -> None:
    """What comes from a page of another site, or under another name (DNS rebinding), reaches no route."""
    async with page_of(scripted_model(), tmp_path) as page:
        for headers in (
            {"host": "evil.example"},
            {"host": f"evil.example:{page.port}"},
            {"host": "127.0.0.1"},
            {"host": "127.0.0.1:1"},
            {"host": f"127.0.0.1:{page.port}@evil.example"},
            {"host": f"localhost.:{page.port}"},
            {"host": ""},
            {"origin": "http://evil.example"},
            {"origin": "null"},
            {"origin": f"http://localhost:{page.port}"},
            {"origin": f"https://127.0.0.1:{page.port}"},
            {"origin": f"http://127.0.0.1:{page.port}.evil.example"},
        ):
            for method, path in (
                ("GET", "/"),
                ("GET", "/api/info"),
                ("POST", "/api/threads"),
                ("GET", "/runs/x"),
            ):
                refused = await page.client.request(method, path, headers=headers)
                assert 403 == error(refused)[0], (headers, path)
        assert [] == (await page.client.get("/api/threads")).json()["threads"]


async def test_names_of_this_machine(tmp_path: Path) -> None:
    """The names of this machine, and a page of this server, are let in."""
    async with page_of(scripted_model(), tmp_path) as page:
        for name in ("127.0.0.1", "localhost", "LocalHost", "[::1]", "[0:0::1]"):
            host = f"{name}:{page.port}"
            for origin in ({}, {"origin": f"http://{host}"}):
                told = await page.client.get("/api/info", headers={"host": host, **origin})
                assert 200 == told.status_code, (name, origin)


async def test_a_server_in_front(tmp_path: Path) -> None:
    """Behind a server with TLS its name is let in, whether that says it or not, and the cookie is for it."""
    names = ("Chat.example.com", "chat.example.com:8443")
    async with page_of(scripted_model(), tmp_path, token=TOKEN, names=names) as page:
        here = f"127.0.0.1:{page.port}"
        for host in ("chat.example.com", "chat.example.com:8443", here):
            for name in ("chat.example.com", "chat.example.com:8443"):
                headers = {"host": host, "origin": f"https://{name}"}
                logged = await page.client.post("/api/login", json={"token": TOKEN}, headers=headers)
                assert (204, True) == (logged.status_code, "; Secure" in logged.headers["set-cookie"])
        wrong = [("chat.example.com:1", None), ("x.chat.example.com", None), (here, "https://example.com")]
        wrong += [
            (here, f"https://{here}"),
            ("chat.example.com", f"http://{here}"),
            (here, "ftp://chat.example.com"),
        ]
        for host, origin in wrong:
            headers = {"host": host} | ({} if origin is None else {"origin": origin})
            assert 403 == (await page.client.get("/", headers=headers)).status_code, (host, origin)
        plain = await page.client.post("/api/login", json={"token": TOKEN})
        assert "Secure" not in plain.headers["set-cookie"]


async def test_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a token, whoever has not given it gets the files of the page, and nothing else."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<!doctype html>")
    async with page_of(scripted_model(), tmp_path, token=TOKEN, files=tmp_path / "page") as page:
        assert page.address.endswith("/#token=open%20sesame")
        client = page.client
        assert 200 == (await client.get("/")).status_code
        routes = [("GET", "/api/info"), ("GET", "/api/threads"), ("POST", "/api/threads"), ("GET", "/runs/x")]
        routes += [("POST", "/runs/x/stop"), ("GET", "/api/runs/x/timeline"), ("GET", "/api/login/x")]
        routes += [("GET", "/page/../api/info"), ("GET", "//api/info"), ("GET", "/api%2finfo")]
        for method, path in routes:
            assert (401, "not_authenticated") == error(await client.request(method, path)), path
        for wrong in ("open", "", 7, None):
            assert (401, "wrong_token") == error(await client.post("/api/login", json={"token": wrong}))
        logged = await client.post("/api/login", json={"token": "open sesame"})
        cookie = logged.headers["set-cookie"]
        assert 204 == logged.status_code
        assert "sesame" not in cookie
        assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
        assert 200 == (await client.get("/api/info")).status_code  # the client has the cookie now
        client.cookies.clear()
        value = cookie.partition(";")[0]
        for given in (value[:-1], f"{value}0", "x=y", value.replace("=", "-=", 1), value.partition("=")[0]):
            assert 401 == (await client.get("/api/info", headers={"cookie": given})).status_code
        several = {"cookie": f"other=1; {value}; more=2"}
        assert 200 == (await client.get("/api/info", headers=several)).status_code
        bearer = {"authorization": "Bearer open sesame"}
        assert 200 == (await client.get("/api/info", headers=bearer)).status_code
        no_bearer = {"authorization": "Bearer open"}
        assert 401 == (await client.get("/api/info", headers=no_bearer)).status_code
    async with page_of(scripted_model(), tmp_path, token=TOKEN) as page:
        name = f"miniagents-{page.port}={value.partition('=')[2]}"
        assert 200 == (await page.client.get("/api/info", headers={"cookie": name})).status_code
    async with page_of(scripted_model(), tmp_path, token=f"{TOKEN}!") as page:
        name = f"miniagents-{page.port}={value.partition('=')[2]}"
        assert 401 == (await page.client.get("/api/info", headers={"cookie": name})).status_code


def _ours(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name.startswith("miniagents")]


async def test_guesses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """P3: wrong tokens in any header and at the login have one budget, and one line in the log.

    Then not even the right token is checked for a while; users who are logged in are not shut out.
    """
    now = [0.0]
    monkeypatch.setattr("miniagents.ext._login.monotonic", lambda: now[0])
    async with page_of(scripted_model(), tmp_path, token=TOKEN) as page:
        client = page.client

        async def bearer(token: str) -> int:
            return (await client.get("/api/info", headers={"authorization": f"Bearer {token}"})).status_code

        async def login(token: str) -> tuple[int, dict[str, str]]:
            answer = await client.post("/api/login", json={"token": token})
            client.cookies.clear()
            return answer.status_code, dict(answer.headers)

        cookie = (await login(TOKEN))[1]["set-cookie"].partition(";")[0]
        forged = f"{cookie[:-1]}{'0' if cookie[-1] != '0' else '1'}"
        assert [401] * 30 == [await bearer("the same") for _ in range(30)]  # no new guess
        assert [401] * 5 == [await bearer(f"wrong {number}") for number in range(5)]
        assert [401] * 3 == [(await login(f"wrong {number}"))[0] for number in range(5, 8)]
        assert [] == _ours(caplog)
        assert 401 == (await client.get("/api/info", headers={"cookie": forged})).status_code
        assert [429, 429] == [await bearer("wrong 9"), await bearer(TOKEN)]
        assert 429 == (await login(TOKEN))[0]
        assert 200 == (await client.get("/api/info", headers={"cookie": cookie})).status_code
        assert 401 == (await client.get("/api/info", headers={"cookie": forged})).status_code  # known
        refused = await client.get("/api/info", headers={"authorization": f"Bearer {TOKEN}"})
        assert ("6", "too_many_attempts") == (refused.headers["retry-after"], error(refused)[1])
        now[0] += 6.0
        assert [401, 429] == [await bearer("wrong 10"), await bearer("wrong 11")]
        (line,) = _ours(caplog)
        assert line.startswith("Clients have sent 10 wrong tokens within a minute")
        assert "wrong 1" not in caplog.text
        now[0] += 60.0
        assert 200 == await bearer(TOKEN)


async def test_a_slow_body(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While one client sends its body slowly, others are served; after a time it is told so, and cut."""
    monkeypatch.setattr("miniagents.cli._server._routes.json_body", partial(json_body, body_timeout=0.1))
    async with page_of(scripted_model(), tmp_path) as page:
        reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
        head = f"POST /api/threads HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\ncontent-length: 99\r\n"
        writer.write(f"{head}content-type: application/json\r\n\r\n{{".encode())
        await writer.drain()
        assert 200 == (await page.client.get("/api/info")).status_code
        answer = await reader.read()
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"The body did not come within 0.1 seconds." in answer
        writer.close()
        await writer.wait_closed()


def test_umask(tmp_path: Path) -> None:
    """Files are private whatever the umask is."""
    modes: set[int] = set()
    before = os.umask(0)
    try:

        async def main() -> None:
            async with page_of(scripted_model("x"), tmp_path) as page:
                await page.say(await page.thread(), "Hi")
                modes.update(path.stat().st_mode & 0o777 for path in list(tmp_path.iterdir()))  # noqa: ASYNC240

        asyncio.run(main())
    finally:
        os.umask(before)
    assert {0o600} == modes
