"""`chat_routes` in an app, in process: begin, read, come back, stop; who may, and what a request may be."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, cast

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from typing_extensions import override

from miniagents import AssistantMessage, MiniAgents, ToolCall, ToolSpec, miniagent, tool
from miniagents.agents import InteractionContext
from miniagents.ext.journal import Journal, JournalError, Lease, MemoryJournal, RunRecord
from miniagents.ext.web import RunParked, Runs, chat_routes
from miniagents.testing import ScriptedModel, scripted_model
from miniagents.tools import ask
from tests.support.web_agents import Gate

PASSWORDS = {"type": "image", "path": "/etc/passwd"}


@miniagent
async def echo(ctx: InteractionContext) -> None:
    """Say what was said."""
    ctx.reply(f"you said: {await ctx.messages.final}")


@asynccontextmanager
async def client_of(agents: Any, **settings: Any) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of an app with these routes, in its context."""
    async with MiniAgents(app_wide=True, drain_timeout=0):
        app = Starlette(routes=[*chat_routes(agents, prefix="/chat", **settings)])
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            yield client


async def begin(client: httpx2.AsyncClient, **body: object) -> str:
    """Begin a run."""
    answer = await client.post("/chat/runs", json=body or {"text": "Hi"})
    assert 201 == answer.status_code, answer.text
    return str(answer.json()["run"])


def events(text: str) -> list[dict[str, Any]]:
    """The frames of a stream of events."""
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def text_of(stream: str) -> str:
    """The text of a stream of events."""
    return "".join(each["part"] for each in events(stream) if each["type"] == "part")


async def test_run() -> None:
    """A run is begun, read whole, read again, from any position on, and in other protocols."""
    async with client_of(echo) as client:
        run = await begin(client, text="Hi")
        first = (await client.get(f"/chat/runs/{run}")).text
        again = (await client.get(f"/chat/runs/{run}")).text
        assert ("you said: Hi", "finished") == (events(first)[1]["part"], events(first)[-1]["how"])
        assert first == again
        rest = await client.get(f"/chat/runs/{run}", headers={"last-event-id": "2"})
        assert events(first)[2:] == events(rest.text)
        rest = await client.get(f"/chat/runs/{run}?after=2&protocol=ndjson")
        assert ["message_ended", "run_ended"] == [json.loads(line)["type"] for line in rest.text.splitlines()]
        text = await client.get(f"/chat/runs/{run}", headers={"accept": "text/plain"})
        assert "you said: Hi" == text.text


async def test_many_frames_at_once() -> None:
    """`runs.frames` yields all frames of a run, also if many thousand come at the same time."""

    @miniagent
    async def counter(ctx: InteractionContext) -> None:
        for number in range(1000):
            ctx.reply(str(number))

    runs = Runs(agents={"counter": counter})
    async with MiniAgents(), asyncio.timeout(20):
        run = await runs.begin("counter", "Count.")
        positions = [position async for position, _ in runs.frames(run)]
    assert list(range(1, 3002)) == positions


async def test_half_of_a_surrogate_pair() -> None:
    """A text with half of a surrogate pair is escaped in every answer that is JSON: replies and questions."""

    @miniagent
    async def half(ctx: InteractionContext) -> None:
        ctx.reply("\ud800")

    @miniagent
    async def asker(ctx: InteractionContext) -> None:
        ctx.reply(await ask("Why \ud800?"))

    agents, runs = {"half": half, "asker": asker}, Runs(MemoryJournal())
    async with client_of(agents, runs=runs, protocols=["sse", "openai"]) as client:
        chat = {"model": "half", "messages": [{"role": "user", "content": "Hi"}]}
        answer = (await client.post("/chat/v1/chat/completions", json=chat)).json()
        assert "\ud800" == answer["choices"][0]["message"]["content"]
        answer = (await client.post("/chat/v1/responses", json={"model": "half", "input": "Hi"})).json()
        assert "\ud800" == answer["output"][0]["content"][0]["text"]
        run = await begin(client, text="Hi", agent="asker")
        async for _, frame in runs.frames(run):
            if isinstance(frame, RunParked):
                break
        asked = (await client.get(f"/chat/runs/{run}/questions")).json()["questions"]
        assert "Why \ud800?" == asked[0]["shown"]["text"]
        await client.post(f"/chat/runs/{run}/stop")


@pytest.mark.parametrize("protocol", ["sse", "openai"])
async def test_tools_that_are_bound_to_the_user(protocol: str) -> None:
    """`keywords=` gives the agent the user of a request, and it binds its tools to that; models see none."""
    call = AssistantMessage(parts=[ToolCall("1", "refund", '{"cents": 5}')])
    models: list[ScriptedModel] = []

    @tool
    async def refund(user: str, cents: int) -> str:
        """Pay money back."""
        return f"{user} got {cents}. "

    @miniagent
    async def desk(ctx: InteractionContext, *, user: str) -> None:
        models.append(ScriptedModel(call, lambda messages: str(messages[-1])))
        ctx.reply(models[-1].agent.with_tools(refund.bind(user)).inquire(ctx.messages))

    async def user_of(request: Request) -> dict[str, str]:
        return {"user": request.headers["x-user"]}

    settings = {"protocols": ["sse", protocol], "keywords": user_of}
    async with client_of({"desk": desk}, **settings) as client:
        for user in ("ada", "bob"):
            client.headers["x-user"] = user
            if protocol == "sse":
                run = await begin(client, text="Hi", user="eve")
                told = (await client.get(f"/chat/runs/{run}")).text
            else:
                body = {"model": "desk", "messages": [{"role": "user", "content": "Hi"}], "user": "eve"}
                told = (await client.post("/chat/v1/chat/completions", json=body)).text
            assert f"{user} got 5. " in told
            (spec,) = cast("Sequence[ToolSpec]", models[-1].requests[0].keywords["tools"])
            assert ["cents"] == list(cast("dict[str, object]", spec.parameters["properties"]))


async def test_no_content() -> None:
    """An EventSource that comes back after the last frame is told to stay away: 204."""
    async with client_of(echo) as client:
        run = await begin(client)
        last = [line for line in (await client.get(f"/chat/runs/{run}")).text.splitlines() if "id: " in line]
        answer = await client.get(f"/chat/runs/{run}", headers={"last-event-id": last[-1][4:]})
        assert (204, "") == (answer.status_code, answer.text)


async def test_beyond_the_end() -> None:
    """A client beyond the last frame has not seen it: it gets it, with its position, and then 204."""
    async with client_of(echo) as client:
        run = await begin(client)
        told = (await client.get(f"/chat/runs/{run}")).text
        last = len(events(told))
        beyond = (await client.get(f"/chat/runs/{run}?after={last + 5}")).text
        assert ([events(told)[-1]], True) == (events(beyond), f"id: {last}\n" in beyond)
        again = await client.get(f"/chat/runs/{run}", headers={"last-event-id": str(last)})
        assert 204 == again.status_code


async def test_detach() -> None:
    """A run goes on without its readers; two that come at different times read the same."""
    gate = Gate()
    async with client_of(gate.agent()) as client:
        run = await begin(client)
        early = asyncio.create_task(client.get(f"/chat/runs/{run}"))
        await gate.begun.wait()
        leaver = asyncio.create_task(client.get(f"/chat/runs/{run}"))
        await asyncio.sleep(0.01)
        leaver.cancel()
        await asyncio.wait((leaver,))
        assert not gate.left.is_set()
        gate.go.set()
        await gate.left.wait()
        late = await client.get(f"/chat/runs/{run}")
        texts = [text_of(each.text) for each in (await early, late)]
        assert ["Begun done."] * 2 == texts


async def test_stop() -> None:
    """A run that is stopped ends at once, and its readers are told so; one that has ended is not stopped."""
    gate = Gate()
    async with client_of(gate.agent()) as client:
        run = await begin(client)
        reading = asyncio.create_task(client.get(f"/chat/runs/{run}"))
        await gate.begun.wait()
        head = await client.head(f"/chat/runs/{run}")
        assert (200, "") == (head.status_code, head.text)  # and does not wait for the end
        assert {"stopped": True} == (await client.post(f"/chat/runs/{run}/stop")).json()
        async with asyncio.timeout(0.05):
            await gate.left.wait()
        assert "stopped" == events((await reading).text)[-1]["how"]
        assert {"stopped": False} == (await client.post(f"/chat/runs/{run}/stop")).json()


async def test_owner() -> None:
    """Runs of somebody else cannot be told from runs that are none, by reading and by stopping."""

    async def owner(request: Request) -> str:
        return request.headers.get("x-user", "")

    gate = Gate()
    async with client_of(gate.agent(), owner=owner) as client:
        ada, bob = {"x-user": "ada"}, {"x-user": "bob"}
        run = (await client.post("/chat/runs", json={"text": "Hi"}, headers=ada)).json()["run"]
        for path, method in ((run, "GET"), (f"{run}/stop", "POST")):
            other = await client.request(method, f"/chat/runs/{path}", headers=bob)
            none = await client.request(method, f"/chat/runs/{path.replace(run, 'x' * 22)}", headers=bob)
            assert (404, other.text) == (none.status_code, none.text)
            nobody = await client.request(method, f"/chat/runs/{path}")
            assert (401, "not_authenticated") == (nobody.status_code, nobody.json()["error"]["code"])
        assert not gate.left.is_set()
        assert (await client.post(f"/chat/runs/{run}/stop", headers=ada)).json()["stopped"]


async def test_several_agents() -> None:
    """Of several agents the body names one; another name is refused with those that there are."""
    async with client_of({"echo": echo, "model": scripted_model(["Hello"])}) as client:
        run = await begin(client, text="Hi", agent="model")
        assert "Hello" == events((await client.get(f"/chat/runs/{run}")).text)[1]["part"]
        for body in ({"text": "Hi"}, {"text": "Hi", "agent": "x"}, {"text": "Hi", "agent": ["echo"]}):
            answer = await client.post("/chat/runs", json=body)
            assert (404, '"agent" must be one of: echo, model.') == (
                answer.status_code,
                answer.json()["error"]["message"],
            )


@pytest.mark.parametrize(
    ("status", "code", "request_"),
    [
        (415, "no_json", {"content": b'{"text":"x"}', "headers": {"content-type": "text/plain"}}),
        (415, "no_json", {"content": b'{"text":"x"}'}),
        (400, "no_json", {"content": b"{", "headers": {"content-type": "application/json"}}),
        (400, "no_json", {"json": ["text"]}),
        (400, "no_json", {"content": b"[" * 900_000, "headers": {"content-type": "application/json"}}),
        (413, "too_large", {"json": {"text": "x" * 1_000_001}}),
        (413, "too_large", {"json": {"messages": [{"role": "user", "content": "x"}] * 1_001}}),
        (400, "invalid_request", {"json": {}}),
        (
            400,
            "invalid_request",
            {"json": {"messages": [{"role": "user", "content": [{"type": "image", "path": "/etc"}]}]}},
        ),
    ],
)
async def test_bodies(status: int, code: str, request_: dict[str, Any]) -> None:
    """A body that is no JSON object, too large, or asks for what clients may not have, begins nothing."""
    async with client_of(echo) as client:
        answer = await client.post("/chat/runs", **request_)
        assert (status, code) == (answer.status_code, answer.json()["error"]["code"]), answer.text


async def test_chunked_body() -> None:
    """A body whose length is not said is cut, after what is read of bodies that are too large."""
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 20_000_000:
            sent += 100_000
            yield b" " * 100_000

    async with client_of(echo, max_body=1_000) as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/chat/runs", content=chunks(), headers=headers)
        assert (413, True) == (answer.status_code, sent < 11_000_000)


async def test_slow_body() -> None:
    """A body that does not come in time is not waited for."""

    async def chunks() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.sleep(10)

    async with client_of(echo, body_timeout=0.05) as client:
        headers = {"content-type": "application/json"}
        answer = await client.post("/chat/runs", content=chunks(), headers=headers)
        assert (408, "too_slow") == (answer.status_code, answer.json()["error"]["code"])


@pytest.mark.parametrize("position", ["-1", "x", "9" * 16, "1e3", "²"])
async def test_positions(position: str) -> None:
    """A position that is no number is refused."""
    async with client_of(echo) as client:
        run = await begin(client)
        answer = await client.get(f"/chat/runs/{run}", params={"after": position})
        assert 400 == answer.status_code


async def test_too_many_runs() -> None:
    """More runs than may go on at once are refused until one has ended, and cost nothing."""
    gate = Gate()
    async with client_of(gate.agent(), runs=Runs(max_live=1)) as client:
        run = await begin(client)
        answer = await client.post("/chat/runs", json={"text": "Hi"})
        assert (429, "too_many_runs") == (answer.status_code, answer.json()["error"]["code"])
        await client.post(f"/chat/runs/{run}/stop")
        await client.get(f"/chat/runs/{run}")
        await begin(client)


async def test_restart() -> None:
    """A run that the end of the app cut continues after a restart, and its readers read on."""
    gate, journal = Gate(), MemoryJournal()
    agent = gate.agent()
    async with client_of(agent, runs=Runs(journal)) as client:
        run = await begin(client)
        await gate.begun.wait()
        await asyncio.sleep(0.05)  # its frames are kept
    gate.go.set()
    async with client_of(agent, runs=Runs(journal)) as client:
        told = events((await client.get(f"/chat/runs/{run}")).text)
        assert ["Begun ", "finished"] == [told[1]["part"], told[-1]["how"]]
        assert 204 == (await client.get(f"/chat/runs/{run}?after={len(told)}")).status_code


@pytest.mark.logs("cannot be recorded", "cannot be written")
async def test_log_fails() -> None:
    """A run whose frames cannot be kept is stopped, and its readers are told that the rest is lost."""

    class Broken(MemoryJournal):
        @override
        async def append(self, lease: Lease, events: object, /, *, hard: bool = False) -> None:
            if "Begun" in str(events):
                raise OSError("the disk is full")

    gate = Gate()
    async with client_of(gate.agent(), runs=Runs(Broken())) as client:
        run = await begin(client)
        told = events((await client.get(f"/chat/runs/{run}")).text)
        assert ("lost", True) == (told[-1]["how"], "recorded" in told[-1]["sentence"])
        await gate.left.wait()


def test_settings() -> None:
    """What routes cannot be made of is refused where they are made."""
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"protocols": ["smoke"]}, "'smoke' is not a protocol; give one of sse"),
        ({"protocols": []}, "is not a protocol"),
        ({"prefix": "chat"}, "must begin with a slash"),
        ({"prefix": "/chat/"}, "must begin with a slash"),
    ]
    for settings, sentence in wrong:
        with pytest.raises(ValueError, match=sentence):
            chat_routes(echo, **settings)
    with pytest.raises(ValueError, match="no agent"):
        chat_routes({})


class Away(MemoryJournal):
    """A journal whose database can be away."""

    error: Exception | None = None

    @override
    async def find(self, **which: Any) -> list[RunRecord]:
        if self.error is not None:
            raise self.error
        return await super().find(**which)

    @override
    async def begin(self, lease: Lease, events: Any, /) -> None:
        if self.error is not None:
            raise self.error
        await super().begin(lease, events)


@pytest.mark.logs("A request gets the status 500", "The frames of a run cannot be read")
async def test_a_run_whose_log_is_damaged(tmp_path: Path) -> None:
    """Of a run whose log is damaged, readers get a last frame at once, and the routes say what it is."""
    path = tmp_path / "runs.journal"
    with Journal(path) as journal:
        await journal.begin(lease := Lease(RunRecord("7")), [["began", 0, None]])
        await journal.end(lease, [["ended", 0, "finished", "", 1]], how="finished")
        await journal.begin(lease := Lease(RunRecord("8")), [["began", 0, None]])
        await journal.leave(lease, wake_at=1e12)
        with closing(sqlite3.connect(path)) as database:
            database.execute("UPDATE packed SET data = x'5b5d01020304'")
            database.commit()
        async with asyncio.timeout(20), client_of(echo, runs=Runs(journal), owner="anyone") as client:
            for place in ("7", "8/questions"):
                answer = await client.get(f"/chat/runs/{place}")
                assert (500, "damaged_run") == (answer.status_code, answer.json()["error"]["code"])
                assert str(tmp_path) not in answer.text
            assert 500 == (await client.head("/chat/runs/7")).status_code  # a page does not come again
            assert "lost" == events((await client.get("/chat/runs/8")).text)[-1]["how"]


async def test_an_id_that_no_store_can_look_for() -> None:
    """A run whose id has a character that Postgres refuses does not exist, and the journal is not away."""
    journal = Away()
    async with client_of(echo, runs=Runs(journal), owner="anyone") as client:
        journal.error = JournalError("PostgreSQL text fields cannot contain NUL bytes.")
        for method, path in (("GET", ""), ("GET", "/questions"), ("POST", "/stop")):
            gone = await client.request(method, f"/chat/runs/a%00b{path}", json={})
            assert (404, "no_such_run") == (gone.status_code, gone.json()["error"]["code"]), path


@pytest.mark.logs("A request gets the status 503")
async def test_a_journal_that_is_away() -> None:
    """While the database of the journal is away, all routes answer 503 and when to come back.

    The sentence names no place; an error that is none of the database stays one.
    """
    journal = Away()
    messages = [{"role": "user", "content": "Hi"}]
    asked = [{"id": "m", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}]
    protocols = ("sse", "vercel", "openai")
    async with client_of(echo, runs=Runs(journal), protocols=protocols, owner="anyone") as client:
        run = await begin(client)
        posts: list[tuple[str, dict[str, object]]] = [
            ("/chat/runs", {"text": "Hi"}),
            (f"/chat/runs/{run}/stop", {}),
            (f"/chat/runs/{run}/say", {"text": "Hi"}),
            (f"/chat/runs/{run}/questions/q", {"digest": "", "allow": True}),
            ("/chat/vercel", {"id": "c", "trigger": "submit-message", "messages": asked}),
            ("/chat/v1/responses", {"input": messages}),
        ]

        async def answers() -> list[httpx2.Response]:
            return [
                *[await client.post(path, json=body) for path, body in posts],
                *[await client.get(f"/chat/runs/{run}{path}") for path in ("", "/questions")],
            ]

        journal.error = JournalError("The journal at db.example.com cannot be read: no route.")
        for answer in await answers():
            assert (503, "5") == (answer.status_code, answer.headers["retry-after"]), answer.request.url
            assert "try again in a few seconds" in answer.text
            assert "example" not in answer.text
            if "/runs" in str(answer.request.url):
                assert "journal_away" == answer.json()["error"]["code"]
        journal.error = JournalError.taken(run)
        with pytest.raises(JournalError, match="another process"):
            await client.get(f"/chat/runs/{run}")
        journal.error = None
        assert {503}.isdisjoint(each.status_code for each in await answers())
