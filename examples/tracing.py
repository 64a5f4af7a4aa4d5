"""Traces of OpenTelemetry: a span for each agent, answer and tool, with times, tokens and errors.

It needs `pip install 'miniagents[otel]' opentelemetry-sdk`. The spans are printed here; to send them to a
collector, give the provider a `BatchSpanProcessor(OTLPSpanExporter())` in place of the exporter in memory.
"""

import asyncio
from collections.abc import AsyncIterator, MutableMapping

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgents,
    ToolMessage,
    Usage,
    miniagent,
    tool,
)
from miniagents.ext.otel import tracing
from miniagents.models import model_agent
from miniagents.parts import Finish, Part, ToolCallDelta
from miniagents.testing import virtual_time


@tool
async def weather(city: str) -> str:
    """Tell the weather of a city."""
    await asyncio.sleep({"Oslo": 0.7, "Lima": 1.3}.get(city, 0.3))
    return {"Oslo": "snow", "Lima": "sun"}[city]  # nobody knows of Atlantis


@model_agent(alias="MODEL")
async def slow_model(ctx: InteractionContext[Message, AssistantMessage], *, tools: object = ()) -> None:
    """Stand in for a model: call tools first, and then speak."""
    messages = await ctx.messages
    told = not tools or any(isinstance(message, ToolMessage) for message in messages)
    words = ["Take a coat ", "to Oslo, ", "and a hat ", "to Lima."]
    calls = [
        ToolCallDelta(at, f"call-{at}", "weather", f'{{"city": "{city}"}}')
        for at, city in enumerate(("Oslo", "Lima", "Atlantis"))
    ]

    async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[Part]:
        metadata_so_far["model"] = "slow-1-mini"
        await asyncio.sleep(0.5)
        for part in words if told else calls:
            yield part
            await asyncio.sleep(0.1)
        yield Usage(input_tokens=160 if told else 90, output_tokens=12 if told else 45)
        yield Finish("stop" if told else "tool_calls")

    ctx.reply(AssistantMessage.promise_of_parts(parts))


@miniagent(alias="GUIDE")
async def guide_agent(ctx: InteractionContext) -> None:
    """Ask a model that can ask for the weather."""
    ctx.reply(slow_model.with_tools(weather).inquire(ctx.messages))


def shown(spans: tuple[ReadableSpan, ...]) -> list[str]:
    """Draw each span below the one that began it."""
    seconds = {span: ((span.start_time or 0) / 1e9, (span.end_time or 0) / 1e9) for span in spans}
    zero = min(begin for begin, _ in seconds.values())
    lines: list[str] = []

    def draw(parent: int | None, depth: int) -> None:
        below = [span for span in spans if (span.parent.span_id if span.parent else None) == parent]
        for span in sorted(below, key=lambda span: seconds[span]):
            begin, end = (round((at - zero) * 10) for at in seconds[span])
            told = span.attributes or {}
            name = f"{'  ' * depth}{span.name}"
            bar = f"{' ' * begin}{'=' * (end - begin)}"
            usage = f"{told.get('gen_ai.usage.input_tokens')}+{told.get('gen_ai.usage.output_tokens')} tokens"
            note = usage if span.name.startswith("chat") else str(told.get("error.type", ""))
            lines.append(f"{name:34}|{bar:30}| {(end - begin) / 10} s {note}".rstrip())
            draw(span.context.span_id if span.context else None, depth + 1)

    draw(None, 0)
    return lines


async def main() -> None:
    """Ask the guide."""
    print(await guide_agent.inquire("What should I pack?").final)


if __name__ == "__main__":
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))

    # The observer is all there is to do. It records no text: for that, say tracing(content=True).
    with virtual_time():  # so that nobody waits, and the spans are the same each time
        MiniAgents(observers=[tracing(tracer_provider=provider)]).run(main())
    print(*shown(exporter.get_finished_spans()), sep="\n")
