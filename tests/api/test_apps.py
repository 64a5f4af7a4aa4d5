"""The context of an app: web frameworks, their threads and tasks, and what they share.

Crosses modules: the context, agents, the clients of models, and real servers.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeAlias

import anyio.from_thread
import httpx2
import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.responses import StreamingResponse
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from typing_extensions import override

from miniagents import InteractionContext, Message, MessagePromise, MiniAgent, MiniAgents, miniagent
from miniagents.agents import PersistMessageHandler
from miniagents.ext.limits import limit
from miniagents.observers import Observer, RunBegan, RunEvent
from miniagents.streams._context import Context
from tests.support.sse_server import ScriptedServer, serve, sse
from tests.support.web import served
from tests.support.wires import KEY, WIRES, Wire

pytestmark = pytest.mark.loop(fifo=True)  # uvicorn and asyncio's transports count on the order of callbacks

AnyAgent: TypeAlias = MiniAgent[Message, Message, ...]
Lifespan: TypeAlias = Callable[[Starlette], AbstractAsyncContextManager[None]]


@miniagent
async def echo_agent(ctx: InteractionContext) -> None:
    """Reply what it is told."""
    ctx.reply(ctx.message_promises)


def lifespan(context: MiniAgents | None = None) -> Lifespan:
    """A lifespan with an app-wide context."""

    @asynccontextmanager
    async def within(_: Starlette) -> AsyncGenerator[None]:
        async with context or MiniAgents(app_wide=True):
            yield

    return within


async def text_of(url: str) -> str:
    """What a client gets, which must be an answer."""
    async with httpx2.AsyncClient(trust_env=False, verify=False) as client:
        response = await client.get(url)
    assert response.status_code == 200, response.text
    return response.text


async def ask(text: str) -> str:
    """What any code of an app may do."""
    return str(await echo_agent.inquire(text))


# -- FastAPI and Starlette -------------------------------------------------------------------------------


async def test_fastapi() -> None:  # noqa: C901 - one app with many handlers
    """Handlers of FastAPI, tasks, background tasks, streams and threads use the context of the lifespan."""
    app = FastAPI(lifespan=lifespan())
    told, done = list[str](), asyncio.Event()

    @app.get("/ask")
    async def _ask(q: str) -> str:
        return await ask(q)

    @app.get("/task")
    async def _task(q: str) -> str:
        return await asyncio.create_task(ask(q))

    @app.get("/background")
    async def _background(q: str, tasks: BackgroundTasks) -> str:
        async def later() -> None:
            told.append(await ask(q))
            done.set()

        tasks.add_task(later)
        return "soon"

    @app.get("/stream")
    async def _stream(q: str) -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            async with echo_agent.inquire(q) as replies:
                async for token in replies.tokens:
                    yield token

        return StreamingResponse(tokens(), media_type="text/plain")

    @app.get("/sync")
    def _sync(q: str) -> str:
        return str(MiniAgents.from_thread(echo_agent.inquire, q))

    @app.get("/anyio")
    def _anyio(q: str) -> str:
        return anyio.from_thread.run(ask, q)

    async with served(app) as url:
        for path in ("ask", "task", "sync", "anyio"):
            assert '"Hi"' == await text_of(f"{url}/{path}?q=Hi")
        assert "Hi" == await text_of(f"{url}/stream?q=Hi")
        await text_of(f"{url}/background?q=later")
        await done.wait()
    assert ["later"] == told


async def test_starlette() -> None:
    """So do those of Starlette; two apps one after the other on a loop have a context each."""
    seen: list[Context] = []

    async def handler(request: Request) -> PlainTextResponse:
        seen.append(MiniAgents.current())
        return PlainTextResponse(await ask(request.query_params["q"]))

    def blocking(request: Request) -> PlainTextResponse:
        return PlainTextResponse(MiniAgents.from_thread(ask, request.query_params["q"]))

    contexts = [MiniAgents(app_wide=True), MiniAgents(app_wide=True)]
    for context in contexts:
        routes = [Route("/ask", handler), Route("/sync", blocking)]
        async with served(Starlette(routes=routes, lifespan=lifespan(context))) as url:
            assert ["Hi", "Ho"] == [await text_of(f"{url}/ask?q=Hi"), await text_of(f"{url}/sync?q=Ho")]
    assert contexts == seen


async def test_without_a_lifespan() -> None:
    """Where a framework has functions for its begin and end only, these start and stop the context."""
    agents = MiniAgents(app_wide=True)

    async def handler(request: Request) -> PlainTextResponse:
        return PlainTextResponse(await ask(request.query_params["q"]))

    @asynccontextmanager
    async def hooks(_: Starlette) -> AsyncGenerator[None]:
        await asyncio.create_task(begin())  # each in a task of its own
        yield
        await asyncio.create_task(agents.stop())

    async def begin() -> None:
        await agents.start()

    async with served(Starlette(routes=[Route("/ask", handler)], lifespan=hooks)) as url:
        assert "Hi" == await text_of(f"{url}/ask?q=Hi")
    assert agents.ended


async def test_a_plain_context_is_not_the_app() -> None:
    """A plain context in the lifespan is not that of the handlers: they are told both ways."""
    errors: list[str] = []

    async def handler(_: Request) -> PlainTextResponse:
        try:
            return PlainTextResponse(await ask("Hi"))
        except RuntimeError as error:
            errors.append(str(error))
            return PlainTextResponse("no")

    app = Starlette(routes=[Route("/ask", handler)], lifespan=lifespan(MiniAgents()))
    async with served(app) as url:
        assert "no" == await text_of(f"{url}/ask")
    assert "`MiniAgents(app_wide=True)` for a whole app" in errors[0]


async def test_a_client_that_leaves() -> None:
    """`async with agent.inquire(...)` in a stream stops the run when the client leaves, at once."""
    stopped = asyncio.Event()

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        ctx.reply("first")
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async def handler(_: Request) -> StreamingResponse:
        async def tokens() -> AsyncIterator[str]:
            async with endless_agent.inquire() as replies:
                async for token in replies.tokens:
                    yield token

        return StreamingResponse(tokens())

    async with (
        served(Starlette(routes=[Route("/", handler)], lifespan=lifespan())) as url,
        httpx2.AsyncClient(trust_env=False, verify=False) as client,
    ):
        async with client.stream("GET", url) as response:
            assert "first" == await anext(response.aiter_text())
        await asyncio.wait_for(stopped.wait(), 1)


@pytest.mark.logs("had not ended drain_timeout=0.05")
async def test_a_shutdown() -> None:
    """A run that goes on without a request delays the end of the server by `drain_timeout`, and no longer."""
    ended: list[str] = []

    @miniagent
    async def slow_agent(ctx: InteractionContext) -> None:
        try:
            await asyncio.sleep(8)
        finally:
            ended.append("cancelled")

    async def handler(_: Request) -> PlainTextResponse:
        slow_agent.inquire()
        return PlainTextResponse("begun")

    context = MiniAgents(app_wide=True, drain_timeout=0.05)
    app = Starlette(routes=[Route("/", handler)], lifespan=lifespan(context))
    async with served(app) as url:
        await text_of(url)
        begun = asyncio.get_running_loop().time()
    assert asyncio.get_running_loop().time() - begun < 2
    assert ["cancelled"] == ended


# -- contexts in requests --------------------------------------------------------------------------------


def agent_of(wire: Wire, server: ScriptedServer) -> AnyAgent:
    """An agent that asks a scripted server."""
    return wire.agent.fork(model="model-of-test", api_key=KEY, base_url=server.url + wire.path)


async def connections(app_wide: MiniAgents, wire: Wire) -> int:
    """How many connections to its model an app makes for four requests with a context each."""
    async with serve(sse(*wire.good("Hello"))) as server:
        agent = agent_of(wire, server)

        async def handler(_: Request) -> PlainTextResponse:
            async with MiniAgents():
                return PlainTextResponse(str(await agent.inquire("Hi")))

        app = Starlette(routes=[Route("/", handler)], lifespan=lifespan(app_wide))
        async with served(app) as url:
            for _ in range(4):
                assert "Hello" == await text_of(url)
        return len(server.connections)


async def test_requests_share_connections() -> None:
    """Four requests with a context each make one connection to the model; without the app's, four."""
    assert 1 == await connections(MiniAgents(app_wide=True), WIRES[0])
    assert 4 == await connections(MiniAgents(), WIRES[0])


async def test_the_order_of_what_is_told() -> None:  # noqa: C901 - three kinds that are told
    """Observers, `around` and handlers of the app come first, then those of the request."""
    told: list[str] = []

    class Seen(Observer):
        """Notes that runs began."""

        def __init__(self, name: str) -> None:
            self.name = name

        @override
        def on_event(self, event: RunEvent, /) -> None:
            if isinstance(event, RunBegan):
                told.append(f"{self.name} observes {event.run.alias}")

    def around(name: str) -> Callable[[InteractionContext, AnyAgent], Awaitable[None]]:
        async def go_around(ctx: InteractionContext, call: AnyAgent) -> None:
            told.append(f"around of the {name}")
            ctx.reply(call.inquire(ctx.messages))

        return go_around

    def stores(name: str) -> PersistMessageHandler:
        async def store(_: MessagePromise[Message], message: Message) -> None:
            if type(message) is Message:
                told.append(f"{name} stores {message}")

        return store

    def context(name: str, *, app_wide: bool = False) -> MiniAgents:
        return MiniAgents(
            app_wide=app_wide,
            observers=[Seen(name)],
            around=[around(name)],
            on_persist_message=stores(name),
        )

    async def handler(_: Request) -> PlainTextResponse:
        async with context("request"):
            return PlainTextResponse(await ask("Hi"))

    app = Starlette(routes=[Route("/", handler)], lifespan=lifespan(context("app", app_wide=True)))
    async with served(app) as url:
        assert "Hi" == await text_of(url)
    of = {kind: [each for each in told if kind in each] for kind in ("observes", "around", "stores")}
    assert [f"{name} observes ECHO_AGENT" for _ in range(3) for name in ("app", "request")] == of["observes"]
    assert ["around of the app", "around of the request"] == of["around"]
    assert ["app stores Hi", "request stores Hi"] == of["stores"]


async def test_requests_share_limits() -> None:
    """What limits the runs of the app limits those of all requests together."""
    running, most = list[str](), list[int]()

    @miniagent
    async def busy_agent(ctx: InteractionContext) -> None:
        running.append("run")
        most.append(len(running))
        await asyncio.sleep(0.001)
        running.pop()

    async def request() -> None:
        async with MiniAgents():
            await busy_agent.inquire()

    async def requests() -> int:
        most.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(6):
                group.create_task(request())
        return max(most)

    app = await MiniAgents(app_wide=True, around=[limit(2)]).start()
    assert await requests() == 2
    await app.stop()
    assert await requests() == 6


async def test_the_end_of_a_request() -> None:
    """A context in a request ends the runs of that request with it, and none of another one."""
    ended: list[str] = []
    others, go = asyncio.Event(), asyncio.Event()

    @miniagent
    async def waiting_agent(ctx: InteractionContext, name: str) -> None:
        try:
            others.set()
            await go.wait()
            ctx.reply("done")
        finally:
            ended.append(name)

    async def patient(_: Request) -> PlainTextResponse:
        async with MiniAgents():
            return PlainTextResponse(str(await waiting_agent.inquire(name="patient")))

    async def failing(_: Request) -> PlainTextResponse:
        try:
            async with MiniAgents():
                waiting_agent.inquire(name="failing")
                await asyncio.sleep(0)
                raise ValueError  # noqa: TRY301 - what is tried
        except ValueError:
            return PlainTextResponse(f"ended: {ended}")

    routes = [Route("/patient", patient), Route("/failing", failing)]
    async with served(Starlette(routes=routes, lifespan=lifespan())) as url:
        waiting = asyncio.create_task(text_of(f"{url}/patient"))
        await others.wait()
        await text_of(f"{url}/failing")
        assert "patient" not in ended
        go.set()
        assert "done" == await waiting


async def test_a_nested_run_in_a_request() -> None:
    """A blocking run in a handler has a loop of its own, and is no child of the app's context."""

    async def parent() -> Context | None:
        await ask("Hi")
        return MiniAgents.current().parent

    def blocking() -> Context | None:
        return MiniAgents().run(parent())

    async with MiniAgents(app_wide=True, prefetch=3):
        assert MiniAgents().run(parent()) is None
        assert await run_in_threadpool(blocking) is None


# -- workers ---------------------------------------------------------------------------------------------


async def test_workers_of_a_task_group() -> None:
    """Workers of a task group ask agents; when one fails, the others and their runs are stopped."""
    begun, stopped, all_ask = list[str](), list[str](), asyncio.Event()

    @miniagent
    async def endless_agent(ctx: InteractionContext) -> None:
        begun.append("run")
        if len(begun) == 3:
            all_ask.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.append("run")

    async def worker(number: int) -> None:
        assert f"Task {number}" == await ask(f"Task {number}")
        if number == 3:
            await asyncio.wait_for(all_ask.wait(), 1)
            raise ValueError("broken")
        async with endless_agent.inquire() as replies:
            await replies

    async def work() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(worker(number))

    async with MiniAgents(app_wide=True):
        with pytest.raises(ExceptionGroup, match="unhandled errors"):
            await work()
        assert len(stopped) == 3
