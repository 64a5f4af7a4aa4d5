"""What clients that mean ill send to `chat_routes`, in each protocol, on a real socket.

Crosses modules: routes, protocols, readers of requests, and the server around them. Bodies that are no
JSON and positions that are no numbers are tried in `test_routes.py`, changed bodies in `test_any_request.py`.
"""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, Final, cast
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from miniagents import InteractionContext, Message, MiniAgents, miniagent
from miniagents.agents import MiniAgent
from miniagents.ext.web import chat_routes
from tests.support.web import served
from tests.support.web_agents import Gate

SCRIPT: Final = "<script>alert(1)</script>"
INJECTED: Final = "x\r\nset-cookie: a=b\r\n\r\n<html>"
JSON: Final = {"content-type": "application/json"}


@miniagent(alias="echo")
async def echo(ctx: InteractionContext) -> None:
    """Say what was said."""
    ctx.reply(str(await ctx.messages.final))


def user_of(request: Request) -> str:
    """Who asks."""
    return request.headers.get("x-user", "nobody")


@miniagent(alias="WAITER")
async def waiter(ctx: InteractionContext, *, table: int, guest: object = None) -> None:
    """Say where a guest sits."""
    ctx.reply(f"{guest}: table {table}.")


@asynccontextmanager
async def serving(
    agent: MiniAgent[Message, Message] = echo, **settings: Any
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A client of a server that serves an agent in all protocols."""

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncGenerator[None]:
        async with MiniAgents(app_wide=True, drain_timeout=0):
            yield

    settings.setdefault("owner", "anyone")
    routes = chat_routes(
        agent,
        prefix="/chat",
        protocols=["sse", "ndjson", "text", "vercel", "openai"],
        **settings,
    )
    async with (
        served(Starlette(routes=routes, lifespan=lifespan)) as url,
        httpx2.AsyncClient(base_url=url, trust_env=False, verify=False, timeout=20) as client,
    ):
        yield client


def of_vercel(text: str, chat: str = "chat-1") -> dict[str, object]:
    """What the Vercel AI SDK sends."""
    said = {"id": "u", "role": "user", "parts": [{"type": "text", "text": text}]}
    return {"id": chat, "messages": [said]}


def asked(text: str) -> dict[str, dict[str, object]]:
    """The paths that begin something -> what they are sent."""
    messages = [{"role": "user", "content": text}]
    return {
        "/chat/runs": {"text": text},
        "/chat/vercel": of_vercel(text),
        "/chat/v1/chat/completions": {"model": "echo", "messages": messages, "stream": True},
        "/chat/v1/responses": {"model": "echo", "input": text, "stream": True},
    }


PATHS: Final = tuple(asked(""))


async def told(client: httpx2.AsyncClient, request: bytes) -> bytes:
    """All that the server of a client answers to some bytes, up to the end of the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(str(client.base_url)).port)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()


def assert_harmless(answer: httpx2.Response) -> None:
    """No browser takes it for a page or a script, and it sets nothing that a client said."""
    kind = answer.headers.get("content-type", "").partition(";")[0]
    assert kind in {"", "application/json", "application/x-ndjson", "text/event-stream", "text/plain"}
    if answer.content != b"Not Found":  # Starlette's own
        assert "nosniff" == answer.headers["x-content-type-options"]
    assert {"set-cookie", "access-control-allow-origin"}.isdisjoint(answer.headers)


@pytest.mark.parametrize("path", PATHS)
async def test_pages_of_others(path: str) -> None:
    """What a page of another site can send without asking begins nothing, and it can read no answer."""
    async with serving() as client:
        for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
            headers = {"origin": "https://evil.example", "content-type": kind}
            answer = await client.post(path, content=json.dumps(asked("Hi")[path]), headers=headers)
            assert 415 == answer.status_code
            assert_harmless(answer)
        answer = await client.options(
            path, headers={"origin": "https://evil.example", "access-control-request-method": "POST"}
        )
        assert (405, True) == (
            answer.status_code,
            "access-control-allow-origin" not in answer.headers,
        )


@pytest.mark.parametrize("path", PATHS)
async def test_bodies(path: str) -> None:
    """A body that is too large, says so or not, or comes too slowly, is refused, and cut."""
    async with serving(max_body=10_000, body_timeout=0.05) as client:
        large = await client.post(path, json=asked("x" * 10_001)[path])
        assert 413 == large.status_code
        assert_harmless(large)
        head = f"POST {path} HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n".encode()
        unsaid = b"transfer-encoding: chunked\r\n\r\n4000\r\n" + b" " * 0x4000
        for rest, status in ((unsaid, b"413"), (b"content-length: 99\r\n\r\n{", b"408")):
            answer = await told(client, head + rest)
            assert status == answer.split()[1]
            assert b"nosniff" in answer


async def test_the_rest_of_a_large_body() -> None:
    """A client that sends all of a body that is too large before it reads gets the 413."""
    async with serving() as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(str(client.base_url)).port)
        head = "POST /chat/runs HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
        try:
            writer.write(f"{head}content-length: 8000000\r\n\r\n".encode())
            for _ in range(80):
                writer.write(b" " * 100_000)
                await writer.drain()
            received = await reader.read()
        except ConnectionError:
            received = b""
        writer.close()
        assert received.startswith(b"HTTP/1.1 413 ")


async def test_runs_of_others() -> None:
    """A chat, a run and its stop are their owner's; somebody else with the same ids is told of none."""
    gate = Gate()
    ada, bob = {"x-user": "ada"}, {"x-user": "bob"}
    async with serving(gate.agent(), owner=user_of) as client:
        answer = asyncio.create_task(client.post("/chat/vercel", json=of_vercel("Hi"), headers=ada))
        await gate.begun.wait()
        assert 204 == (await client.get("/chat/vercel/chat-1/stream", headers=bob)).status_code
        stopped = await client.post("/chat/vercel/chat-1/stop", headers=bob)
        assert {"success": True, "stopped": False} == stopped.json()
        other = asyncio.create_task(client.post("/chat/vercel", json=of_vercel("Hi"), headers=bob))
        run = (await client.post("/chat/runs", json={"text": "Hi"}, headers=ada)).json()["run"]
        for path in (f"/chat/runs/{run}", f"/chat/runs/{run}?after=1", f"/chat/runs/{run}?protocol=ndjson"):
            assert 404 == (await client.get(path, headers=bob)).status_code
        assert 404 == (await client.post(f"/chat/runs/{run}/stop", headers=bob)).status_code
        gate.go.set()
        for each in (await answer, await other, await client.get(f"/chat/runs/{run}", headers=ada)):
            assert "done." in each.text


async def test_ids_and_names() -> None:
    """Line ends in ids, names and positions are no headers, and no events of a stream."""
    wild, file = quote(INJECTED, safe=""), {"type": "file", "mediaType": "application/pdf"}
    async with serving() as client:
        posts: list[tuple[str, dict[str, Any]]] = [
            ("/chat/vercel", of_vercel("Hi", INJECTED)),
            ("/chat/vercel", {**of_vercel("Hi"), "agent": INJECTED}),
            ("/chat/runs", {"text": "Hi", "agent": INJECTED}),
            ("/chat/v1/chat/completions", {**asked("Hi")["/chat/v1/chat/completions"], "model": INJECTED}),
        ]
        for name in (INJECTED, "../../etc/passwd", "C:\\x", "\x00", "x" * 10_000):
            with_file = of_vercel("Hi")
            part = {**file, "url": "data:application/pdf;base64,JVBERi0=", "filename": name}
            with_file["messages"] = [{"id": "u", "role": "user", "parts": [part]}]
            posts.append(("/chat/vercel", with_file))
        for path, body in posts:
            answer = await client.post(path, json=body)
            assert answer.status_code in {200, 404}, answer.text
            assert_harmless(answer)
            if answer.headers["content-type"].startswith("text/event-stream"):
                lines = [line for line in answer.text.splitlines() if line]
                assert all(line.startswith((": ", "data: {", "data: [DONE]")) for line in lines), lines
        for path in (
            f"/chat/vercel/{wild}/stream",
            f"/chat/runs/{wild}",
            f"/chat/v1/models/{wild}",
            f"/chat/runs/x?after={wild}",
            f"/chat/runs/x?protocol={wild}",
        ):
            answer = await client.get(path)
            assert answer.status_code in {204, 400, 404}
            assert_harmless(answer)


async def test_scripts() -> None:
    """HTML that a user or an agent says is data in each protocol, also where it is quoted in a refusal."""
    async with serving() as client:
        run = (await client.post("/chat/runs", json={"text": SCRIPT})).json()["run"]
        answers = [
            await client.get(f"/chat/runs/{run}?protocol={each}") for each in ("sse", "ndjson", "text")
        ]
        answers += [await client.post(path, json=asked(SCRIPT)[path]) for path in PATHS[1:]]
        for answer in answers:
            assert (200, True) == (answer.status_code, "alert(1)" in answer.text)
            assert_harmless(answer)
        refused = [
            await client.post(
                "/chat/vercel", json={"id": "c", "messages": [{"role": "user", "parts": [each]}]}
            )
            for each in ({"type": SCRIPT}, SCRIPT)
        ]
        refused.append(await client.get(f"/chat/v1/models/{quote(SCRIPT)}"))
        refused.append(await client.get(f"/chat/runs/{run}", params={"protocol": SCRIPT}))
        for answer in refused:
            assert answer.status_code in {400, 404}
            assert_harmless(answer)


async def test_events_in_texts() -> None:
    """A text with the line ends of every system is one event, and stays as it is."""
    text = '\n\nid: 99\ndata: {"type":"run_ended"}\n\n\r\rdata: x\u2028\u2029\x85\x00'
    async with serving() as client:
        run = (await client.post("/chat/runs", json={"text": text})).json()["run"]
        told = (await client.get(f"/chat/runs/{run}")).content.decode()
    events = [block for block in told.split("\n\n") if block.startswith("id: ")]
    assert 4 == len(events)
    assert text == json.loads(events[1].partition("data: ")[2])["part"]
    assert "\r" not in told


@pytest.mark.parametrize(
    "path",
    [
        "/chat/runs/../../../../etc/passwd",
        "/chat/runs/..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/chat/runs/%2e%2e/%2e%2e/etc/passwd",
        "/chat/v1/models/../../../etc/passwd",
        "/chat/vercel/../../../etc/passwd/stream",
        "/chat/runs//etc/passwd",
        "/chat/runs/\\..\\..\\etc\\passwd",
    ],
)
async def test_paths(path: str) -> None:
    """No path leads to a file of the server."""
    async with serving() as client:
        answer = await told(
            client, f"GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n".encode()
        )
    assert answer.split()[1] in {b"204", b"404", b"405"}
    assert b"root:" not in answer


@pytest.mark.gate("1,000 connections")
async def test_connections_that_send_nothing() -> None:
    """1,000 connections that send nothing, half a head or half a body keep nobody from being answered."""
    head = b"POST /chat/runs HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n"
    body = head + b"content-length: 99\r\n\r\n{"
    begins = (b"", b"POST /chat/runs HTTP/1.1\r\nhost: te", body)
    async with serving(body_timeout=0.5) as client:
        port = urlsplit(str(client.base_url)).port
        before = len(asyncio.all_tasks())
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1_000)]
        for number, (_, writer) in enumerate(opened):
            writer.write(begins[number % len(begins)])
        async with asyncio.timeout(5):
            run = (await client.post("/chat/runs", json={"text": "Hi"})).json()["run"]
            assert '"part":"Hi"' in (await client.get(f"/chat/runs/{run}")).text
        # Those whose body does not come are told so, and nothing of them is left.
        for reader, _ in opened[2::3]:
            assert (await reader.readline()).startswith(b"HTTP/1.1 408")
        for _, writer in opened:
            writer.close()
        async with asyncio.timeout(5):
            while len(asyncio.all_tasks()) > before + 5:  # noqa: ASYNC110 - what is waited for sets no event
                await asyncio.sleep(0.01)


def test_keywords_that_requests_do_not_have() -> None:
    """A2: an agent with a required keyword is refused when the routes are made, and not at each request."""
    refused = (
        r"The agent 'WAITER' cannot be served: .*needs a value for: table.*write chat_routes\(agent\.bind"
    )
    with pytest.raises(TypeError, match=refused):
        chat_routes(cast("MiniAgent[Message, Message]", waiter))
    with pytest.raises(TypeError, match="The agent 'b' cannot be served"):
        chat_routes({"a": echo, "b": cast("MiniAgent[Message, Message]", waiter)})
    assert 6 == len(chat_routes(waiter.bind(table=7)))
    agents = cast("dict[str, MiniAgent[Message, Message]]", {"echo": echo, "waiter": waiter})
    refused = r"'echo' takes no keyword 'table', which 'waiter' needs.*keywords=\{'waiter': \.\.\.\}"
    with pytest.raises(TypeError, match=refused):
        chat_routes(agents, keywords=lambda _: {"table": 7})
    with pytest.raises(ValueError, match="a function for 'cook'; the agents are: echo, waiter"):
        chat_routes(agents, keywords={"cook": lambda _: {}})
    with pytest.raises(TypeError, match="The agent 'waiter' cannot be served"):
        chat_routes(agents, keywords={"echo": lambda _: {}})


@pytest.mark.logs("The agent 'waiter' cannot begin")
@pytest.mark.parametrize(
    ("keywords", "why"),
    [
        ({"table": 7, "gest": "Ada"}, "takes no keyword 'gest'"),
        ({"guest": "Ada"}, "needs a value for: table"),
        ({"table": 7, "guest": object()}, "the keywords (table, guest) cannot be kept with the run: a file"),
    ],
)
async def test_keywords_that_do_not_fit(
    keywords: dict[str, object], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A2: a request whose keywords do not fit begins no run: its client gets a 500 with a sentence.

    The log says what does not fit. `keywords={name: function}` is for the agent of this name alone.
    """
    agents = cast("MiniAgent[Message, Message]", {"waiter": waiter, "echo": echo})
    hi = [{"role": "user", "content": "Hi"}]
    bodies: dict[str, dict[str, object]] = {
        "runs": {"text": "Hi"},
        "v1/chat/completions": {"messages": hi},
        "v1/responses": {"input": "Hi"},
    }
    if "kept" in why:
        del bodies["v1/chat/completions"]  # nothing of it is kept

    def of_waiter(_: Request) -> dict[str, object]:
        return keywords

    async with serving(agents, keywords={"waiter": of_waiter}) as client:
        for path, body in bodies.items():
            for name, status in (("waiter", 500), ("echo", 201 if path == "runs" else 200)):
                told = await client.post(f"/chat/{path}", json={**body, "model": name, "agent": name})
                assert status == told.status_code
                assert (status == 500) == ("'waiter' cannot begin; the log of the server" in told.text)
    said = [each.getMessage() for each in caplog.records if "cannot begin" in each.getMessage()]
    assert [True] * len(bodies) == [why in each for each in said]


def test_owner_of_chats() -> None:
    """A3: where clients choose the ids of chats, their owner must be known; "anyone" says it on purpose."""
    with pytest.raises(ValueError, match=r"The protocol \"vercel\" needs owner=.*or owner='anyone'"):
        chat_routes(echo, protocols=["sse", "vercel"])
    assert 5 == len(chat_routes(echo, protocols=["vercel"], owner="anyone"))


@pytest.mark.logs("A run failed")
async def test_what_the_log_has(caplog: pytest.LogCaptureFixture) -> None:
    """A5: the log has the error of a failed run, its id and place, without keys and control characters."""

    @miniagent
    async def failing(ctx: InteractionContext) -> None:
        msg = "\x1b[2Jpostgres://u:p4ss@db said ghp_0123456789abcdef"
        raise ValueError(msg)

    async with serving(failing) as client:
        run = (await client.post("/chat/runs", json={"text": "Hi"})).json()["run"]
        assert '"how":"failed"' in (await client.get(f"/chat/runs/{run}")).text
    (record,) = [each for each in caplog.records if "A run failed" in each.getMessage()]
    assert record.exc_info is None
    said = record.getMessage()
    assert said.startswith(f"A run failed ({run}); ")
    assert "test_safety.py" in said
    assert "ValueError: [2Jpostgres://u:[redacted]@db said [redacted]" in said.splitlines()
