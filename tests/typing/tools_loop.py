"""Type facts: what a model with tools takes and replies."""

from decimal import Decimal
from typing import assert_type

from miniagents import (
    AgentPart,
    AssistantMessage,
    Citation,
    File,
    Finish,
    Image,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    ModelAgent,
    Part,
    Reasoning,
    Refusal,
    Restart,
    Retry,
    ToolAgent,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    ToolResult,
    ToolSpec,
    Usage,
    miniagent,
    model_agent,
    tool,
)
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.usage import RunUsage
from miniagents.models import ToolReplies
from miniagents.parts import ResponseHeaders, ServerToolCall, ServerToolResult
from miniagents.testing import scripted_model
from miniagents.tools import AnyTool, code_execution, server_tool, web_search


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


@model_agent
async def parrot(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str = "grey",
    tools: tuple[ToolSpec, ...] = (),
) -> None:
    """Say it again."""


class Sum(Message):
    """Numbers."""

    numbers: tuple[int, ...]


@miniagent
async def add(ctx: InteractionContext[Sum, Message], unit: str = "") -> None:
    """Add numbers."""


async def allow(call: ToolCall) -> bool | str:
    """Allow it."""
    return call.name == "now" or "Not that."


async def loop() -> None:
    """The replies are typed, and so is the final one."""
    tooled = parrot.with_tools(now, add, max_turns=3, timeout=None, approve=allow)
    replies = tooled.inquire("What time is it?", model="red")
    assert_type(replies, ToolReplies)
    assert_type(await replies, Messages[AssistantMessage | ToolMessage])
    assert_type(await replies.final, AssistantMessage)
    assert_type(await parrot.inquire("hi"), Messages[AssistantMessage])
    async for promise in replies:
        assert_type(promise, MessagePromise[AssistantMessage | ToolMessage])
    async for part in replies.parts:
        assert_type(part, Part)
        assert_type(shown(part), str)


def shown(part: Part) -> str:
    """Every part is one of these: `match` needs no other case."""
    match part:
        case str() as text:
            return text
        case Reasoning() | Refusal() | Citation() | ToolResult():
            return part.text or ""
        case ToolCallDelta() | ServerToolCall():
            return part.arguments
        case ServerToolResult():
            return part.content
        case AgentPart():
            return f"{part.agents}: {shown(part.part)}"
        case Image() | File() | Usage() | Finish() | Restart() | Retry() | ResponseHeaders():
            return ""


def kinds() -> None:
    """Forks stay what they are, and keywords are checked."""
    assert_type(scripted_model("hi"), ModelAgent[...])
    assert_type(scripted_model("hi").with_tools(now), ToolAgent[...])
    parrot.with_tools(now).fork(model="red").inquire("hi", model="blue")
    parrot.with_tools(now).fork(colour="red")  # type: ignore[call-arg]
    parrot.with_tools(now).inquire("hi", model=1)  # type: ignore[arg-type]
    parrot.with_tools(print)  # type: ignore[arg-type]
    parrot.with_tools(now, approve=print)  # type: ignore[arg-type]


def tools_of_the_provider() -> None:
    """What makes them has types, and they stand beside tools and agents."""
    given: list[AnyTool] = [
        web_search(domains=["a.example"]),
        code_execution(),
        server_tool({"type": "x"}),
        now,
    ]
    assert_type(scripted_model("Hi").with_tools(*given), ToolAgent[...])
    web_search(domain="a.example")  # type: ignore[call-arg]
    server_tool("web_search")  # type: ignore[arg-type]


def a_prompt_that_is_cached() -> None:
    """What caches a prompt is one word; what it has saved is dollars."""
    openai_agent.fork(cache_prompt="auto")
    openai_agent.fork(cache_prompt="always")  # type: ignore[arg-type]
    assert_type(RunUsage().saved, Decimal | None)
