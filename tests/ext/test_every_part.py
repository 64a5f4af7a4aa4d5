"""Crosses modules: each kind of part that models and tools make, in histories, journals, traces and logs."""

import json
from pathlib import Path
from typing import Final

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from miniagents import (
    AssistantMessage,
    Citation,
    File,
    Image,
    Message,
    MiniAgents,
    Reasoning,
    ToolCallDelta,
    tool,
)
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.journal import Journal, recorded
from miniagents.ext.llm_logger import llm_logger
from miniagents.ext.otel import tracing
from miniagents.ext.timeline import Timeline
from miniagents.messages import Summary
from miniagents.parts import Finish, Part, Refusal, Restart, ServerToolCall, ServerToolResult, Usage
from miniagents.testing import scripted_model

OPAQUE: Final = '{"from": "anthropic api.anthropic.com", "signature": "s"}'
PARTS: Final[list[Part]] = [
    "Withdrawn.",
    Restart("why"),
    Reasoning("hm", opaque=OPAQUE),
    "It rains. ",
    ServerToolCall("s1", "web_search", '{"query": "rain"}', opaque=OPAQUE),
    ServerToolResult("s1", '[{"url": "u"}]', "web_search_tool_result", opaque=OPAQUE),
    Citation("https://a.example", start=0, end=4),
    Image(data=b"GIF89a1"),
    File(data=b"RIFF", media_type="audio/wav", name="a.wav"),
    Refusal("I stop."),
    ToolCallDelta(0, "c1", "look", "{}", opaque=OPAQUE),
    Usage(1, 2, 3, 4, 5),
    Finish("tool_calls"),
]


@tool
def look() -> list[str | Image | File]:
    """Look."""
    return ["See:", Image(data=b"GIF89a2"), File(data=b"%PDF", media_type="application/pdf")]


async def test_every_part(tmp_path: Path) -> None:
    """Histories and journals keep every part, also what is opaque; traces, timelines and logs name each."""
    spans, timeline = InMemorySpanExporter(), Timeline(content=True)
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    traced = tracing(content=True, tracer_provider=provider)
    async with MiniAgents(observers=[traced, timeline]), Journal(tmp_path / "calls.journal") as journal:
        model = recorded(scripted_model(PARTS, "Done."), journal, version="1")
        agent = llm_logger(model, tmp_path / "log").with_tools(look)
        said: list[Message] = [*await agent.inquire("Rain?"), Summary("Short.", replaces=["x"], among=1)]
        again = await recorded(scripted_model(), journal, version="1").with_tools(look).inquire("Rain?")
        assert said[:-1] == list(again)
        for history in (
            InMemoryChatHistory(),
            ChatHistoryMD(tmp_path / "TALK.md"),
            ChatHistorySQLite(tmp_path / "TALK.db", "talk"),
        ):
            await history.append(said)
            assert said == list(await history.load())
    answer = said[0]
    assert isinstance(answer, AssistantMessage)
    kinds = [type(part) for part in answer.parts]
    outputs = [
        json.loads(str((span.attributes or {}).get("gen_ai.output.messages", "[]")))
        for span in spans.get_finished_spans()
    ]
    told = next(output for output in outputs if len(output) == 3)
    assert len(kinds) == len({part["type"] for part in told[0]["parts"]} | {"refusal"})
    assert {"type": "citation", "source": "https://a.example"} in told[0]["parts"]
    assert "See: [image] [file]" == told[1]["parts"][0]["response"]
    log = "".join(page.read_text() for page in (tmp_path / "log").iterdir())
    for word in ("web_search", "https://a.example", "image/gif, 7 bytes", "audio/wav, 4 bytes", "I stop."):
        assert word in log
    assert "web_search" in timeline.to_html()
