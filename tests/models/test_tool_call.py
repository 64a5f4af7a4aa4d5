"""Tests of single calls of tools: whatever becomes of one is told to the model."""

import asyncio
import logging
import time

import pytest

from miniagents import (
    InteractionContext,
    MiniAgents,
    ToolCall,
    ToolDefinitionError,
    ToolResult,
    miniagent,
    tool,
)
from miniagents.models import Approval
from miniagents.models._tool_call import Calls
from miniagents.models._toolbox import Toolbox


@tool
def double(number: int) -> int:
    """Double a number."""
    return 2 * number


@tool
def fail() -> str:
    """Fail."""
    raise LookupError("nothing found, key sk-abcdefghijklmnop")


@tool
def shapeless() -> object:
    """Return what cannot be told."""
    return object()


@tool(timeout=0.01)
async def forever() -> None:
    """Never end."""
    await asyncio.Event().wait()


@tool
async def never() -> None:
    """Never end, and say nothing about it."""
    await asyncio.Event().wait()


@tool
async def gives_up() -> None:
    """Give up by itself."""
    raise TimeoutError("the database did not answer")


@miniagent
async def broken(ctx: InteractionContext) -> None:
    """Fails."""
    ctx.reply("So far")
    raise ValueError("no further")


@miniagent
async def slow(ctx: InteractionContext) -> None:
    """Never ends."""
    ctx.reply("Wait")
    await asyncio.Event().wait()


BOX = Toolbox.of([double, fail, shapeless, forever, never, gives_up, broken, slow])


async def called(
    name: str, arguments: str = "{}", *, seconds: float | None = None, approve: Approval | None = None
) -> ToolResult:
    """The result of one call."""
    async with MiniAgents():
        message = await Calls(BOX, seconds, approve).start(ToolCall("call-1", name, arguments))
        (result,) = (part for part in message.parts if isinstance(part, ToolResult))
        assert (result.call_id, result.name, str(message)) == ("call-1", name, result.content)
        return result


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("double", '{"number": "many"}', "ToolArgumentsError: number: Input should be a valid integer"),
        ("double", '{"number": ', "ToolArgumentsError: Invalid JSON"),
        ("fail", "{}", "LookupError: nothing found, key [redacted]"),
        ("shapeless", "{}", "TypeError: The tool shapeless returned a object, which cannot be JSON"),
        ("gives_up", "{}", "TimeoutError: the database did not answer"),
        ("BROKEN", '{"text": "go"}', "ValueError: no further"),
        ("BROKEN", "{}", "ToolArgumentsError: text: Field required"),
        ("nowhere", "{}", "There is no tool called 'nowhere'; there are: double, fail,"),
    ],
)
async def test_failures_are_results(name: str, arguments: str, content: str) -> None:
    """A failing tool gives a result that says what was wrong, and never a key."""
    result = await called(name, arguments)
    assert result.is_error
    assert result.content.startswith(content)


async def test_success() -> None:
    """A result is no error."""
    assert await called("double", '{"number": 2}') == ToolResult("call-1", "4", name="double")


@pytest.mark.parametrize(
    ("name", "common", "seconds"),
    [("forever", None, 0.01), ("forever", 60, 0.01), ("never", 0.02, 0.02), ("SLOW", 0.02, 0.02)],
)
async def test_timeouts(name: str, common: float | None, seconds: float) -> None:
    """A tool's own limit, else the common one, ends it; the model is told."""
    arguments = '{"text": "go"}' if name == "SLOW" else "{}"
    assert await called(name, arguments, seconds=common) == ToolResult(
        "call-1", f"TimeoutError: {name} did not end within {seconds} s.", is_error=True, name=name
    )


async def test_approval() -> None:
    """A call happens only if it is allowed; the model is told why not."""
    asked: list[ToolCall] = []

    async def approve(call: ToolCall) -> bool | str:
        asked.append(call)
        return {"double": True, "fail": False}.get(call.name, "Not today.")

    assert (await called("double", '{"number": 2}', approve=approve)).content == "4"
    assert (await called("fail", approve=approve)).content == "The user does not allow this call."
    assert (await called("shapeless", approve=approve)).content == "Not today."
    assert asked == [
        ToolCall("call-1", "double", '{"number": 2}'),
        ToolCall("call-1", "fail"),
        ToolCall("call-1", "shapeless"),
    ]


async def test_an_approval_that_raises() -> None:
    """What the approval raises is the error of the call: nobody decided."""

    async def approve(call: ToolCall) -> bool:
        raise PermissionError(call.name)

    with pytest.raises(PermissionError, match="double"):
        await called("double", '{"number": 2}', approve=approve)


async def test_what_tools_say_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The buffer names the tool and the type of the error, and nothing of what was said."""
    with caplog.at_level(logging.DEBUG):
        await called("fail")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("miniagents")] == [
        "tool fail failed with LookupError; the model is told"
    ]


async def test_a_thread_that_is_late_holds_up_nobody() -> None:
    """A function that is not async is given up in time, although its thread goes on."""

    @tool(timeout=0.01)
    def sleep() -> None:
        time.sleep(0.2)

    start = time.monotonic()
    async with MiniAgents():
        message = await Calls(Toolbox.of([sleep]), None, None).start(ToolCall("1", "sleep"))
    assert time.monotonic() - start < 0.15
    assert str(message) == "TimeoutError: sleep did not end within 0.01 s."


async def test_an_agent_that_is_late_is_stopped() -> None:
    """An agent that did not end in time ends then, with its clean-up."""
    cleaned = asyncio.Event()

    @miniagent
    async def endless(ctx: InteractionContext) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with MiniAgents():
        call = ToolCall("1", "ENDLESS", '{"text": "go"}')
        message = await Calls(Toolbox.of([endless]), 0.01, None).start(call)
        assert str(message) == "TimeoutError: ENDLESS did not end within 0.01 s."
        await asyncio.wait_for(cleaned.wait(), 5)


async def test_a_tool_that_was_cancelled_by_something_else() -> None:
    """A tool that waits for what is cancelled has failed; nobody has cancelled the inquiry."""

    @tool
    async def wait() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with MiniAgents():
        message = await Calls(Toolbox.of([wait]), None, None).start(ToolCall("1", "wait"))
        assert str(message) == "wait waited for something that was cancelled."
        assert message.parts == (ToolResult("1", str(message), is_error=True, name="wait"),)


async def test_an_approval_that_is_not_async() -> None:
    """An approval that cannot be awaited is an error that says how to write it, and nothing is called."""

    def approve(call: ToolCall) -> bool:
        return True

    with pytest.raises(ToolDefinitionError, match="approve returned a bool for a call of double, and is aw"):
        await called("double", '{"number": 2}', approve=approve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
