"""Spans and metrics, with the real SDK of OpenTelemetry."""

import asyncio
import json
import time
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import AbstractAsyncContextManager
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Literal

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    Finish,
    InteractionContext,
    LLMError,
    Message,
    MiniAgents,
    Part,
    Retry,
    ToolCall,
    Usage,
    miniagent,
    race,
    tool,
)
from miniagents.ext.journal import MemoryJournal, durable, events_of_run
from miniagents.ext.llm import ModelCall, SDKErrors, Wire, reply_with
from miniagents.ext.llm._transport import Response
from miniagents.ext.otel import tracing
from miniagents.models import model_agent
from miniagents.observers import Observer
from miniagents.operators import map_agent
from miniagents.testing import scripted_model, virtual_time


class Traced:
    """An observer that traces into memory.

    Args:
        content: as of `tracing`.
        conventions: as of `tracing`.
    """

    def __init__(self, *, content: bool = False, conventions: Literal["1.41", "latest"] = "1.41") -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer_provider = TracerProvider()
        self.tracer_provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meter_provider = MeterProvider([self.reader])
        self.observer: Observer = tracing(
            tracer_provider=self.tracer_provider,
            meter_provider=self.meter_provider,
            content=content,
            conventions=conventions,
        )

    def span(self, name: str) -> ReadableSpan:
        """The only span of this name."""
        (found,) = (span for span in self.exporter.get_finished_spans() if span.name == name)
        return found

    @property
    def tree(self) -> list[str]:
        """Each span behind those above it."""
        spans = {span.context.span_id: span for span in self.exporter.get_finished_spans() if span.context}

        def path(span: ReadableSpan) -> str:
            above = "" if span.parent is None else f"{path(spans[span.parent.span_id])} > "
            return f"{above}{span.name}"

        return sorted(map(path, spans.values()))

    @property
    def metrics(self) -> dict[str, list[float]]:
        """The sum of each series of each metric."""
        found: dict[str, list[float]] = {}
        data = self.reader.get_metrics_data()
        for resource in () if data is None else data.resource_metrics:
            for scope in resource.scope_metrics:
                for metric in scope.metrics:
                    found[metric.name] = [point.sum for point in metric.data.data_points]  # type: ignore[union-attr]
        return found


@model_agent(alias="MODEL")
async def slow_model(
    ctx: InteractionContext[Message, AssistantMessage], *, tools: object = (), temperature: float = 0.0
) -> None:
    """Say two words, one each second."""
    del tools, temperature

    async def parts(metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        yield Retry(1, 1.0, "busy")
        await asyncio.sleep(1)
        for word in ("secret ", "words"):
            await asyncio.sleep(1)
            yield word
        metadata["model"] = "slow-1-2026"
        metadata["response_id"] = "r-1"
        yield Usage(7, 3, 2, 1, 4)
        yield Finish("stop")

    ctx.reply(AssistantMessage.promise_of_parts(parts))


@pytest.mark.loop(virtual=True)
async def test_an_answer() -> None:
    """A model is a `chat` span from the inquiry to the end of its stream, with what the conventions name."""
    traced = Traced()
    async with MiniAgents(observers=[traced.observer]):
        await slow_model.inquire("a secret question", temperature=0.0)
    span = traced.span("chat MODEL")
    assert span.kind is SpanKind.CLIENT
    assert span.start_time is not None
    assert span.end_time is not None
    assert (span.end_time - span.start_time) / 1e9 == pytest.approx(3.0, abs=1e-3)
    assert dict(span.attributes or {}) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.temperature": 0.0,
        "gen_ai.response.time_to_first_chunk": pytest.approx(2.0),
        "gen_ai.response.model": "slow-1-2026",
        "gen_ai.response.id": "r-1",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.usage.cache_read.input_tokens": 2,
        "gen_ai.usage.cache_creation.input_tokens": 4,
        "gen_ai.usage.reasoning.output_tokens": 1,
    }
    assert [event.name for event in span.events] == ["retry"]
    assert traced.metrics == {
        "gen_ai.client.operation.duration": [pytest.approx(3.0)],
        "gen_ai.client.operation.time_to_first_chunk": [pytest.approx(2.0)],
        "gen_ai.client.operation.time_per_output_chunk": [pytest.approx(3.0)],
        "gen_ai.client.token.usage": [7, 3],
    }
    assert "secret" not in span.to_json()


@pytest.mark.parametrize(
    ("server", "told"),
    [
        ("localhost:11434", {"server.address": "localhost", "server.port": 11434}),
        ("api.openai.com", {"server.address": "api.openai.com"}),
        ("[::1]:8000", {"server.address": "::1", "server.port": 8000}),
        ("[::1]", {"server.address": "::1"}),
    ],
)
async def test_the_server(server: str, told: Mapping[str, object]) -> None:
    """W14: the address of a server is its host; the port is an attribute of its own."""

    def ask() -> AbstractAsyncContextManager[Response]:
        raise ConnectionError("no route")

    @miniagent(alias="ASKS")
    async def asks(ctx: InteractionContext) -> None:
        errors = SDKErrors(OSError, TimeoutError, ConnectionError, OSError, OSError)
        wire = Wire("acme", errors, lambda: lambda _: [], lambda _: [], "x-id", "end")
        reply_with(ctx, ModelCall(wire, ask, model="m-1", server=server, max_retries=0))

    traced = Traced()
    async with MiniAgents(observers=[traced.observer]):
        with pytest.raises(LLMError):
            await asks.inquire("Hi")
    (span,) = [
        each for each in traced.exporter.get_finished_spans() if "server.address" in (each.attributes or {})
    ]
    known = span.attributes or {}
    assert told == {name: known[name] for name in ("server.address", "server.port") if name in known}


async def test_the_newest_names() -> None:
    """The newest conventions have names of their own for the metrics."""
    traced = Traced(conventions="latest")
    async with MiniAgents(observers=[traced.observer]):
        await scripted_model(AssistantMessage("Hi", usage=Usage(7, 3, 2, 1))).inquire("Hello")
    assert {name.removeprefix("gen_ai.client.inference.") for name in traced.metrics} >= {
        "duration",
        "usage.input_tokens",
        "usage.output_tokens",
        "usage.cache_read.input_tokens",
        "usage.reasoning.output_tokens",
    }
    with pytest.raises(ValueError, match=r"conventions='1' is not known; give one of '1\.41', 'latest'\."):
        tracing(conventions="1")  # type: ignore[arg-type]


@tool
async def look_up(word: str) -> str:
    """Look a word up."""
    return f"secret of {await leaf_agent.inquire(word)}"


@miniagent(alias="LEAF")
async def leaf_agent(ctx: InteractionContext) -> None:
    """Reply the same."""
    ctx.reply(ctx.messages)


@miniagent(alias="SLOW")
async def slow_agent(ctx: InteractionContext) -> None:
    """Reply the same, after an hour."""
    await asyncio.sleep(3600)
    ctx.reply(ctx.messages)


@pytest.mark.loop(virtual=True)
async def test_parents() -> None:
    """Each span stands below the run that began it, also in tools, chains, races, hedges and maps."""
    traced = Traced()
    tracer = traced.tracer_provider.get_tracer("mine")
    call = AssistantMessage(parts=[ToolCall("1", "look_up", '{"word": "x"}')], usage=Usage(1, 2))
    model = scripted_model(call, AssistantMessage("done", usage=Usage(10, 20)), alias="MODEL")
    async with MiniAgents(observers=[traced.observer]):
        with tracer.start_as_current_span("mine"):
            await model.with_tools(look_up).inquire("x")
            replies = race(leaf_agent, slow_agent).inquire("x")
        await replies
        await (leaf_agent | leaf_agent).inquire("x")
        await leaf_agent.hedge(slow_agent, after=1).inquire("x")
        async for row in map_agent(leaf_agent)(["a", "b"]):
            await row
        await asyncio.sleep(1)
    tree = traced.tree
    agent = "mine > invoke_agent MODEL_WITH_TOOLS"
    assert tree.count(f"{agent} > chat MODEL") == 2
    assert f"{agent} > execute_tool look_up > invoke_agent LEAF" in tree
    assert sum(path.endswith("> invoke_agent SLOW") and path.startswith("mine") for path in tree) == 1
    assert tree.count("invoke_agent LEAF") == 2
    assert sum(path.endswith("> invoke_agent LEAF") for path in tree) == 5
    whole = traced.span("invoke_agent MODEL_WITH_TOOLS").attributes or {}
    assert (whole["miniagents.usage.input_tokens"], whole["miniagents.usage.output_tokens"]) == (11, 22)
    called = traced.span("execute_tool look_up").attributes or {}
    assert (called["gen_ai.tool.name"], called["gen_ai.tool.call.id"]) == ("look_up", "1")
    everything = "".join(span.to_json() for span in traced.exporter.get_finished_spans())
    assert "secret" not in everything
    assert "word" not in everything


async def test_content() -> None:
    """Content is recorded if it is asked for: messages, arguments and results of tools, and errors."""
    traced = Traced(content=True)
    call = AssistantMessage(parts=[ToolCall("1", "look_up", '{"word": "x"}')])
    failing = scripted_model(ValueError("of the model"), alias="FAILING")
    async with MiniAgents(observers=[traced.observer]):
        await scripted_model(call, "done", alias="MODEL").with_tools(look_up).inquire("a question")
        with pytest.raises(ValueError, match="of the model"):
            await failing.inquire("x")
    called = traced.span("execute_tool look_up").attributes or {}
    assert called["gen_ai.tool.call.arguments"] == '{"word": "x"}'
    assert called["gen_ai.tool.call.result"] == "secret of x"
    chats = [span for span in traced.exporter.get_finished_spans() if span.name == "chat MODEL"]
    asked = json.loads(str((chats[-1].attributes or {})["gen_ai.input.messages"]))
    assert [message["role"] for message in asked] == ["user", "assistant", "tool"]
    assert asked[0]["parts"] == [{"type": "text", "content": "a question"}]
    assert asked[1]["parts"][0] | {"id": "1", "name": "look_up"} == asked[1]["parts"][0]
    assert asked[2]["parts"] == [{"type": "tool_call_response", "id": "1", "response": "secret of x"}]
    assert "of the model" in traced.span("chat FAILING").to_json()


async def test_content_of_any_text() -> None:
    """Content with half of a surrogate pair can be exported; the half is a question mark."""
    traced = Traced(content=True)
    call = AssistantMessage(parts=["\ud83d", ToolCall("1", "look_up", '{"word": "\ud83d"}')])
    failing = scripted_model(ValueError("of \ud83d"), alias="FAILING")
    async with MiniAgents(observers=[traced.observer]):
        await scripted_model(call, "done", alias="MODEL").with_tools(look_up).inquire("a \ud83d")
        with pytest.raises(ValueError, match="of"):
            await failing.inquire("x")
    spans = traced.exporter.get_finished_spans()
    texts = [text for span in spans for text in (span.attributes or {}).values()]
    texts += [text for span in spans for event in span.events for text in (event.attributes or {}).values()]
    assert not [text for text in map(str, texts) if "\ud83d" in text]
    said = (traced.span("invoke_agent MODEL_WITH_TOOLS").attributes or {})["gen_ai.input.messages"]
    (asked,) = json.loads(str(said))
    assert [{"type": "text", "content": "a ?"}] == asked["parts"]


@pytest.mark.parametrize(
    ("variable", "recorded"), [("true", True), ("span_only", True), ("false", False), ("", False)]
)
def test_content_by_the_environment(monkeypatch: pytest.MonkeyPatch, variable: str, recorded: bool) -> None:
    """The standard environment variable asks for content where the keyword does not say."""
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", variable)
    assert tracing().content is recorded
    assert tracing(content=True).content
    assert not tracing(content=False).content


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize(
    ("how", "status"),
    [("failed", StatusCode.ERROR), ("cancelled", StatusCode.UNSET), ("abandoned", StatusCode.UNSET)],
)
async def test_ends(how: str, status: StatusCode) -> None:
    """A span ends with its stream, however that ended; of an error it tells the class only."""
    traced = Traced()

    @model_agent(alias="BROKEN")
    async def broken_model(ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()) -> None:
        del tools

        async def parts(metadata: object) -> AsyncGenerator[Part]:
            del metadata
            yield Usage(5)
            yield "one"
            await asyncio.sleep(1)
            if how == "failed":
                raise ConnectionError("secret")
            await asyncio.sleep(3600)

        ctx.reply(AssistantMessage.promise_of_parts(parts))

    async with MiniAgents(observers=[traced.observer]):
        replies = broken_model.inquire()
        message = await anext(aiter(replies))
        assert await anext(aiter(message)) == "one"
        if how == "failed":
            with pytest.raises(ConnectionError):
                await replies
        elif how == "cancelled":
            replies.cancel()
        del message, replies
        await asyncio.sleep(2)
        span = traced.span("chat BROKEN")
    assert span.status.status_code is status
    attributes = span.attributes or {}
    assert attributes["miniagents.outcome"] == how
    assert attributes.get("error.type") == ("ConnectionError" if how == "failed" else None)
    assert attributes["gen_ai.usage.input_tokens"] == 5
    assert "secret" not in span.to_json()


@pytest.mark.gate
def test_a_collector() -> None:
    """Spans go over OTLP to a collector as they were recorded."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        @override
        def log_message(self, format: str, *args: object) -> None:
            del format, args

    server = HTTPServer(("127.0.0.1", 0), Collector)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        provider = TracerProvider()
        exporter = OTLPSpanExporter(f"http://127.0.0.1:{server.server_port}/v1/traces")
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        observer = tracing(tracer_provider=provider)

        async def main() -> None:
            await (scripted_model("Hi", alias="MODEL") | leaf_agent).inquire("Hello")

        MiniAgents(observers=[observer]).run(main())
        provider.shutdown()
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
    resources = [
        each for body in bodies for each in ExportTraceServiceRequest.FromString(body).resource_spans
    ]
    names = [span.name for each in resources for scope in each.scope_spans for span in scope.spans]
    assert {"chat MODEL", "invoke_agent LEAF"} <= set(names)
    assert len(names) == 3


def test_a_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spans and metrics of the log of a run are those of the live run; its times have microseconds."""
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000.0)  # rounding depends on it

    @tool
    async def look(what: str) -> str:
        return f"{what} is blue"

    asks = AssistantMessage(parts=["I look.", ToolCall("1", "look", '{"what": "sky"}')])
    model = scripted_model(asks, AssistantMessage("Blue.", model="gpt-4o", usage=Usage(7, 3)), delay=1 / 64)
    fails = scripted_model(LLMError("no"), alias="FAILS")

    async def main() -> None:
        journal = MemoryJournal()
        with pytest.raises(LLMError, match="no"):
            async with durable(journal, run_id="7"), MiniAgents(observers=[live.observer]):
                await (model.with_tools(look) | fails).inquire("Which colour?")
        await events_of_run(journal, "7", logged.observer)

    live, logged = Traced(), Traced()
    with virtual_time():
        MiniAgents().run(main())
    assert (live.tree, _facts(live)) == (logged.tree, _facts(logged))


def _facts(traced: Traced) -> list[object]:
    """What stands in spans, but their ids and the traceback of errors, and in metrics."""
    return [
        *sorted(
            (
                span.name,
                [round((each or 0) / 1e3) for each in (span.start_time, span.end_time)],
                sorted((span.attributes or {}).items()),
                span.status.status_code.name,
                [event.name for event in span.events],
            )
            for span in traced.exporter.get_finished_spans()
        ),
        {name: [round(each, 5) for each in sorted(sums)] for name, sums in traced.metrics.items()},
    ]
