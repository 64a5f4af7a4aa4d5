"""Tests of the tool loop: who is asked what, and what is replied."""

import asyncio
from collections.abc import Sequence

import pytest

from miniagents import (
    AgentPart,
    AssistantMessage,
    Finish,
    InquiryCancelledError,
    InteractionContext,
    MaxTurnsError,
    Message,
    Messages,
    MiniAgents,
    Part,
    Reasoning,
    StopLoop,
    ToolCall,
    ToolCallDelta,
    ToolDefinitionError,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.testing import ScriptedModel, scripted_model


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"snow in {city}"


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def calls(*wanted: ToolCall, text: str = "") -> AssistantMessage:
    """An answer that says something and calls tools."""
    return AssistantMessage(parts=[*([text] if text else []), *wanted])


OSLO = ToolCall("call-1", "weather", '{"city": "Oslo"}')
SUM = ToolCall("call-2", "add", '{"a": 2, "b": 3}')


def results(messages: Sequence[Message]) -> list[ToolResult]:
    """The results of tools in some messages."""
    return [
        part
        for message in messages
        if isinstance(message, ToolMessage)
        for part in message.parts
        if isinstance(part, ToolResult)
    ]


async def test_every_turn_is_replied_in_order() -> None:
    """Answers and results come as messages of their own, and the final answer is a projection of them."""
    first: list[Part] = [
        Reasoning("They need facts.", signature="signed"),
        "Let me",
        " look.",
        ToolCallDelta(0, "call-1", "weather", '{"city": '),
        ToolCallDelta(1, "call-2", "add"),
        ToolCallDelta(0, arguments='"Oslo"}'),
        ToolCallDelta(1, arguments='{"a": 2, "b": 3}'),
        Usage(5, 6),
        Finish("tool_use"),
    ]
    last: list[Part] = ["It ", "snows. ", "5.", Finish("stop")]
    async with MiniAgents():
        replies = scripted_model(first, last).with_tools(weather, add).inquire("Weather in Oslo? 2 + 3?")
        assert [part async for part in replies.parts] == [
            *first,
            ToolResult("call-1", "snow in Oslo", name="weather"),
            ToolResult("call-2", "5", name="add"),
            *last,
        ]
        messages = await replies
        assert [str(message) for message in messages] == ["Let me look.", "snow in Oslo", "5", "It snows. 5."]
        assert [type(message) for message in messages] == [
            AssistantMessage,
            ToolMessage,
            ToolMessage,
            AssistantMessage,
        ]
        assert await replies.final == messages[-1]


async def test_the_model_is_sent_back_what_it_said() -> None:
    """Each turn has the whole conversation: reasoning with its signature, calls with their ids, results."""
    thought = Reasoning("They need facts.", signature="signed")
    scripted = ScriptedModel(AssistantMessage(parts=[thought, OSLO]), calls(SUM, text="And now"), "Done.")
    question = UserMessage("Weather? Sum?")
    async with MiniAgents():
        answers = await scripted.agent.with_tools(weather, add).inquire(question, temperature=0.5)
    first, second, third = (request.messages for request in scripted.requests)
    assert first == (question,)
    assert second == (question, *answers[:2])
    assert third == (question, *answers[:4])
    assert [message.parts for message in second if isinstance(message, AssistantMessage)] == [(thought, OSLO)]
    assert results(third) == [
        ToolResult("call-1", "snow in Oslo", name="weather"),
        ToolResult("call-2", "5", name="add"),
    ]
    specs = (weather.spec, add.spec)
    assert [request.keywords["tools"] for request in scripted.requests] == [specs] * 3
    assert [request.keywords["temperature"] for request in scripted.requests] == [0.5] * 3


async def test_fifty_turns() -> None:
    """A long conversation is exact, part by part."""

    def answer(messages: Messages) -> AssistantMessage:
        turn = sum(isinstance(message, AssistantMessage) for message in messages)
        if turn == 50:
            return AssistantMessage("Done.")
        return calls(ToolCall(f"call-{turn}", "add", f'{{"a": {turn}, "b": 1}}'), text=f"Turn {turn}.")

    async with MiniAgents():
        replies = scripted_model(then=answer).with_tools(add, max_turns=51).inquire("Count.")
        messages = await replies
        assert len(messages) == 101
        assert results(messages) == [
            ToolResult(f"call-{turn}", str(turn + 1), name="add") for turn in range(50)
        ]
        texts = [str(message) for message in messages if isinstance(message, AssistantMessage)]
        assert texts == [*(f"Turn {turn}." for turn in range(50)), "Done."]


async def test_calls_of_one_answer_run_at_once() -> None:
    """Two tools that wait for each other both end."""
    meeting = asyncio.Barrier(2)

    @tool
    async def meet(name: str) -> str:
        await meeting.wait()
        return name

    wanted = [ToolCall(str(at), "meet", f'{{"name": "{at}"}}') for at in range(2)]
    async with MiniAgents():
        replies = await scripted_model(calls(*wanted), "Met.").with_tools(meet).inquire("Meet.")
        assert [result.content for result in results(replies)] == ["0", "1"]


async def test_a_tool_begins_while_its_result_can_already_be_watched() -> None:
    """The promise of a result is there, with the name of its tool, before the tool has ended."""
    go_on = asyncio.Event()

    @tool
    async def wait() -> str:
        await go_on.wait()
        return "waited"

    async with MiniAgents():
        replies = scripted_model(calls(ToolCall("1", "wait")), "Done.").with_tools(wait).inquire("Wait.")
        promises = aiter(replies)
        await anext(promises)
        result = await anext(promises)
        assert (result.done, result.preliminary_metadata["tool"], result.preliminary_metadata["call_id"]) == (
            False,
            "wait",
            "1",
        )
        go_on.set()
        assert str(await result) == "waited"
        assert str(await replies.final) == "Done."


async def test_too_many_turns() -> None:
    """A model that never comes to an end is a typed error, after everything that was said."""
    async with MiniAgents():
        replies = (
            scripted_model(then=calls(OSLO, text="Again.")).with_tools(weather, max_turns=2).inquire("Go.")
        )
        promises = aiter(replies)
        seen = [str(await (await anext(promises))) for _ in range(4)]
        assert seen == ["Again.", "snow in Oslo", "Again.", "snow in Oslo"]
        with pytest.raises(MaxTurnsError, match="SCRIPTED_MODEL still calls tools in turn 2"):
            await anext(promises)


async def test_an_error_of_the_model() -> None:
    """What the model raises is the error of the whole, after what came before it."""
    async with MiniAgents():
        replies = (
            scripted_model(calls(OSLO), ["It", ConnectionError("cut")]).with_tools(weather).inquire("Go.")
        )
        with pytest.raises(ConnectionError, match="cut"):
            await replies
        with pytest.raises(ConnectionError, match="cut"):
            await replies.final


async def test_cancelling_cancels_running_tools() -> None:
    """Cancelling the inquiry, or leaving its block, ends the tools that run, with their clean-up."""
    started, cleaned = asyncio.Event(), asyncio.Event()

    @tool
    async def forever() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with MiniAgents():
        async with scripted_model(calls(ToolCall("1", "forever"))).with_tools(forever).inquire("Go."):
            await started.wait()
        await asyncio.wait_for(cleaned.wait(), 5)


async def test_a_tool_may_stop_a_loop() -> None:
    """`StopLoop` is a signal and no failure of a tool: it ends the inquiry."""

    @tool
    def leave() -> None:
        raise StopLoop

    async with MiniAgents():
        with pytest.raises(StopLoop):
            await scripted_model(calls(ToolCall("1", "leave"))).with_tools(leave).inquire("Go.")


@miniagent
async def reader(ctx: InteractionContext) -> None:
    """Reads a page."""
    ctx.reply(f"The page says {await ctx.messages}.")


async def test_agents_as_tools_are_visible_with_their_path() -> None:
    """What an agent streams while it works is seen, however deep it stands; the model is told its answer."""
    inner = scripted_model(calls(ToolCall("in", "READER", '{"text": "42"}')), "Found 42.", alias="RESEARCHER")
    researcher = inner.with_tools(reader).described(alias="RESEARCHER", description="Finds things out.")
    scripted = ScriptedModel(calls(ToolCall("out", "RESEARCHER", '{"text": "Find it."}')), "It is 42.")
    async with MiniAgents():
        replies = scripted.agent.with_tools(researcher).inquire("What is it?")
        seen = [part async for part in replies.parts if isinstance(part, AgentPart | ToolResult)]
        words = {"RESEARCHER": "", "RESEARCHER READER": ""}
        for part in seen:
            if isinstance(part, AgentPart) and isinstance(part.part, str):
                words[" ".join(part.agents)] += part.part
        assert words == {"RESEARCHER": "Found 42.", "RESEARCHER READER": "The page says 42."}
        assert AgentPart(("RESEARCHER",), ToolResult("in", "The page says 42.", name="READER")) in seen
        assert seen[-1] == ToolResult("out", "Found 42.", name="RESEARCHER")
        assert results(scripted.requests[1].messages) == [seen[-1]]
        assert str(await replies.final) == "It is 42."


@pytest.mark.parametrize("reason", ["length", "max_tokens", "max_output_tokens", "content_filter"])
async def test_what_was_cut_off_is_not_called(reason: str) -> None:
    """A model that was stopped may not have said all of a call: it is told, and may try again."""
    called: list[str] = []

    @tool
    def remove(pattern: str = "*") -> str:
        called.append(pattern)
        return "removed"

    cut: list[Part] = [ToolCallDelta(0, "1", "remove"), Finish(reason)]
    whole = calls(ToolCall("2", "remove", '{"pattern": "*.tmp"}'))
    async with MiniAgents():
        replies = await scripted_model(cut, whole, "Done.").with_tools(remove).inquire("Clean up.")
    assert results(replies) == [
        ToolResult(
            "1",
            "Your answer was cut off, so remove was not called; call it again.",
            is_error=True,
            name="remove",
        ),
        ToolResult("2", "removed", name="remove"),
    ]
    assert called == ["*.tmp"]


async def test_errors_end_the_loop_where_errors_become_messages() -> None:
    """A model that fails is not asked again; its error becomes a message of the whole, once."""
    scripted = ScriptedModel(calls(OSLO), ConnectionError("cut"), "Never said.")
    async with MiniAgents(errors_as_messages=True):
        messages = await scripted.agent.with_tools(weather).inquire("Go.")
    assert [message.role for message in messages] == ["assistant", "tool", "error"]
    assert scripted.answers_left == 1


async def test_cancelling_cancels_agents_that_are_called() -> None:
    """An agent that was called as a tool ends with the inquiry that called it."""
    started, cleaned = asyncio.Event(), asyncio.Event()

    @miniagent
    async def digger(ctx: InteractionContext) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.set()

    async with MiniAgents():
        model = scripted_model(calls(ToolCall("1", "DIGGER", '{"text": "Dig."}'))).with_tools(digger)
        replies = model.inquire("Go.")
        await started.wait()
        replies.cancel()
        await asyncio.wait_for(cleaned.wait(), 5)
        with pytest.raises(InquiryCancelledError):
            await replies


async def test_tools_beside_with_tools() -> None:
    """Specs that come with the keywords would never be called, so they are refused."""
    scripted = ScriptedModel("Never said.")
    async with MiniAgents():
        with pytest.raises(ToolDefinitionError, match="was given tools= beside with_tools"):
            await scripted.agent.fork(tools=(add.spec,)).with_tools(weather).inquire("Go.")
    assert scripted.requests == ()
