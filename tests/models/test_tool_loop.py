"""The tool loop: the toolbox, single calls, and whole conversations."""

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from random import Random
from typing import cast

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
    MiniAgent,
    MiniAgents,
    NestingError,
    Part,
    Reasoning,
    SchemaError,
    StopLoop,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.messages import MessageType
from miniagents.models import TOOL_CONTEXT, AnyTool, Approval
from miniagents.models._tool_loop import Toolbox, ToolCalls
from miniagents.parts import ServerToolCall
from miniagents.testing import ScriptedModel, scripted_model
from miniagents.tools import ToolContext
from miniagents.types import ModelAgent
from tests.support.loops import run_async
from tests.support.shuffled import ShuffledLoop


@tool
def look(where: str) -> str:
    """Look around."""
    return f"dark {where}"


@tool(name="RESEARCHER")
def namesake() -> str:
    """Is called as an agent."""
    return "me"


@miniagent
async def researcher(ctx: InteractionContext) -> None:
    """Finds things out."""
    ctx.reply("found")


def test_tools_by_name() -> None:
    """The model is told of every tool, in the order in which they were given."""
    box = Toolbox.of([look, researcher])
    assert [(spec.name, spec.description) for spec in box.specs] == [
        ("look", "Look around."),
        ("RESEARCHER", "Finds things out."),
    ]


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ([], "with_tools was given no tools"),
        ([look, look], "Two tools are called 'look'"),
        ([researcher, namesake], "Two tools are called 'RESEARCHER'"),
        (
            [cast("AnyTool", print)],
            "A builtin_function_or_method is not a tool; decorate a function with",
        ),
        ([cast("AnyTool", lambda: 1)], "A function is not a tool"),
        ([cast("AnyTool", [look])], r"A list is not a tool; give its items: with_tools\(\*tools\)"),
        ([researcher | researcher], "'RESEARCHER | RESEARCHER' cannot be the name of a tool"),
    ],
)
def test_what_is_refused(tools: Iterable[AnyTool], sentence: str) -> None:
    """Tools that cannot be told apart, none, and what is no tool are refused before any model is asked."""
    with pytest.raises(SchemaError, match=sentence.replace("|", r"\|")):
        Toolbox.of(tools)


async def test_a_function_runs() -> None:
    """A function gives its result as the only piece."""
    (callee,) = Toolbox.of([look]).callees.values()
    run: Callable[[str], object] = callee.run
    assert callable(run)
    assert [piece async for piece in callee.run('{"where": "here"}')] == ["dark here"]


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
        message = await ToolCalls(BOX, seconds, approve).start(ToolCall("call-1", name, arguments))
        (result,) = (part for part in message.parts if isinstance(part, ToolResult))
        assert (result.call_id, result.name, str(message)) == ("call-1", name, result.content)
        return result


@pytest.mark.parametrize(
    ("name", "arguments", "content"),
    [
        ("double", '{"number": "many"}', "ToolArgumentsError: number: Input should be a valid integer"),
        ("double", '{"number": ', "ToolArgumentsError: Invalid JSON"),
        ("fail", "{}", "LookupError: nothing found, key [redacted]"),
        (
            "shapeless",
            "{}",
            "TypeError: The tool shapeless returned a object, which cannot be converted",
        ),
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
    assert result.text.startswith(content)


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


async def test_edited_arguments() -> None:
    """A call runs with the arguments that the approval has changed; its message has them for the model."""

    async def approve(call: ToolCall) -> ToolCall:
        return replace(call, arguments='{"number": 3}')

    call = ToolCall("call-1", "double", '{"number": 2}')
    async with MiniAgents():
        message = await ToolCalls(BOX, None, approve).start(call)
        unchanged = await ToolCalls(BOX, None, approve).start(replace(call, arguments='{"number": 3}'))
    assert ("6", '{"number": 3}') == (message.text, message.model_dump()["edited_arguments"])
    assert ('{"number": 3}', None) == (message.edited_arguments, unchanged.edited_arguments)
    assert "edited_arguments" not in unchanged.model_dump()


@pytest.mark.parametrize("arguments", ['{"number": ', "{'number': 2}", '{"number": 2}}', "[2]", "2", "null"])
@pytest.mark.parametrize("name", ["double", "fail", "BROKEN"])
async def test_arguments_that_are_no_object(name: str, arguments: str) -> None:
    """A call whose arguments cannot be used is not made, nobody is asked to allow it, the model is told."""
    asked: list[str] = []

    async def approve(call: ToolCall) -> bool:
        asked.append(call.name)
        return True

    result = await called(name, arguments, approve=approve)
    assert (result.is_error, asked) == (True, [])
    assert result.text.startswith("ToolArgumentsError: I")


async def test_an_approval_that_raises() -> None:
    """What the approval raises is the error of the call: nothing was decided."""

    async def approve(call: ToolCall) -> bool:
        raise PermissionError(call.name)

    with pytest.raises(PermissionError, match="double"):
        await called("double", '{"number": 2}', approve=approve)


async def test_what_tools_say_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log names the tool and the type of the error, and nothing of what was said."""
    with caplog.at_level(logging.DEBUG):
        await called("fail")
    assert [record.getMessage() for record in caplog.records if record.name.startswith("miniagents")] == [
        "tool fail failed with LookupError; the model is sent the error"
    ]


async def test_a_thread_that_is_late_holds_up_nobody() -> None:
    """A function that is not async is given up in time, although its thread goes on."""

    @tool(timeout=0.01)
    def sleep() -> None:
        time.sleep(0.2)

    start = time.monotonic()
    async with MiniAgents():
        message = await ToolCalls(Toolbox.of([sleep]), None, None).start(ToolCall("1", "sleep"))
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
        message = await ToolCalls(Toolbox.of([endless]), 0.01, None).start(call)
        assert str(message) == "TimeoutError: ENDLESS did not end within 0.01 s."
        await asyncio.wait_for(cleaned.wait(), 5)


async def test_a_tool_that_was_cancelled_by_something_else() -> None:
    """A tool that waits for what is cancelled has failed; the inquiry was not cancelled."""

    @tool
    async def wait() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with MiniAgents():
        message = await ToolCalls(Toolbox.of([wait]), None, None).start(ToolCall("1", "wait"))
        assert str(message) == "wait waited for something that was cancelled."
        assert message.parts == (ToolResult("1", str(message), is_error=True, name="wait"),)


async def test_an_approval_that_is_not_async() -> None:
    """An approval that cannot be awaited is an error that says how to write it, and nothing is called."""

    def approve(call: ToolCall) -> bool:
        return True

    with pytest.raises(SchemaError, match="approve returned a bool for a call of double, which can"):
        await called("double", '{"number": 2}', approve=approve)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def test_an_approval_of_other_arguments() -> None:
    """A call that is allowed with other arguments keeps its id; what says neither yes nor no is an error."""

    async def approve(call: ToolCall) -> bool | str | ToolCall:
        return ToolCall("other", "double", '{"number": 3}') if call.name == "double" else cast("bool", 1)

    result = await called("double", '{"number": 2}', approve=approve)
    assert ("call-1", "6") == (result.call_id, result.content)
    with pytest.raises(SchemaError, match="approve returned a int for a call of fail; return True, a reason"):
        await called("fail", approve=approve)


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


async def test_a_tool_that_fails_in_a_task_group() -> None:
    """The model is told of the errors of the tasks."""

    @tool
    async def both() -> str:
        """Look at both."""
        async with asyncio.TaskGroup() as group:
            group.create_task(fails())
        return "both"

    async def fails() -> None:
        raise KeyError("Rome")

    async with MiniAgents():
        called = AssistantMessage(parts=[ToolCall("1", "both")])
        result = (await scripted_model(called, "So.").with_tools(both).inquire("Go."))[1]
        assert str(result).endswith("(1 sub-exception): KeyError: 'Rome'")


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


async def test_a_pause_is_not_the_end() -> None:
    """W5: a model that pauses is asked to go on, with what it has said, as often as `max_turns` allows."""
    paused: list[Part] = ["Let me ", ServerToolCall("s", "web_search"), Finish("pause_turn")]
    scripted = ScriptedModel(paused, paused, "It rains.")
    async with MiniAgents():
        replies = await scripted.agent.with_tools(look).inquire("Rain?")
        assert ["Let me ", "Let me ", "It rains."] == [reply.text for reply in replies]
        assert replies[:2] == scripted.requests[2].messages[1:]
        with pytest.raises(MaxTurnsError, match="in turn 3"):
            await ScriptedModel(then=paused).agent.with_tools(look, max_turns=3).inquire("Rain?")


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
        with pytest.raises(SchemaError, match=r"got tools= in addition to with_tools"):
            await scripted.agent.fork(tools=(add.spec,)).with_tools(weather).inquire("Go.")
    assert scripted.requests == ()


async def test_calls_without_a_result_are_made_first() -> None:
    """If the messages end with calls without a result, they are made, with approval, before the model is."""
    approved: list[str] = []

    async def approve(call: ToolCall) -> bool:
        approved.append(call.id)
        return True

    @tool
    def shout(text: str) -> str:
        """Shout."""
        return text.upper()

    calls = [ToolCall(str(number), "shout", json.dumps({"text": f"t{number}"})) for number in (1, 2)]
    history: list[MessageType] = [
        "Shout.",
        AssistantMessage(parts=calls),
        ToolMessage(parts=[ToolResult("1", "T1", name="shout")]),
    ]
    model = scripted_model(lambda messages: " ".join(map(str, messages)))
    async with MiniAgents():
        replies = await model.with_tools(shout, approve=approve).inquire(history)
    assert (["2"], "T2") == (approved, str(replies[0]))
    assert str(replies[1]).endswith("T1 T2")


@pytest.mark.loop(virtual=True)
async def test_calls_that_a_wrapper_drops(caplog: pytest.LogCaptureFixture) -> None:
    """A8: a function of `around` that makes a message of tokens drops the calls; the log says so, once."""

    async def only_text(ctx: InteractionContext, call: MiniAgent) -> None:
        async def tokens(_: object) -> AsyncGenerator[str]:
            async for token in call.inquire(ctx.messages).tokens:
                yield token

        ctx.reply(AssistantMessage.promise(tokens))

    async def as_it_is(ctx: InteractionContext, call: MiniAgent) -> None:
        ctx.reply(call.inquire(ctx.messages))

    def refused(text: str) -> str | None:
        return "a look" if "see" in text else None

    async def replied(model: ModelAgent[...]) -> list[str]:
        caplog.clear()
        return [str(each) for each in await model.with_tools(look).inquire("?")]

    def model() -> ModelAgent[...]:
        called = AssistantMessage(parts=["Let me see. ", ToolCall("1", "look", '{"where": "up"}')])
        return scripted_model(called, then="Dark.")

    async with MiniAgents():
        assert ["Let me see. "] == await replied(model().around(only_text))
        (line,) = caplog.messages
        assert line.startswith("SCRIPTED_MODEL called tools, but what wraps it replied an answer without")
        made = ["Let me see. ", "dark up", "Dark."]
        assert (made, []) == (await replied(model()), caplog.messages)
        assert (made, []) == (await replied(model().around(as_it_is)), caplog.messages)
        for guarded in ("during", "after"):
            careful = model().guard(replacement="No.", **{guarded: refused})  # type: ignore[arg-type]
            assert (["No."], []) == (await replied(careful), caplog.messages)


async def test_an_answer_has_a_limit_of_calls() -> None:
    """Of more calls than `max_calls` the first ones are made; the model is sent an error for the others."""
    made: list[str] = []

    @tool
    def note(text: str) -> str:
        """Note."""
        made.append(text)
        return text

    calls = [ToolCall(str(number), "note", json.dumps({"text": str(number)})) for number in range(5)]
    model = scripted_model(AssistantMessage(parts=calls), "Done.")
    async with MiniAgents():
        replies = await model.with_tools(note, max_calls=2).inquire("Go.")
    assert ["0", "1"] == made
    assert "note was not called: an answer may have 2 calls; make fewer at once." == str(replies[3])


async def test_agents_that_are_tools_have_a_limit_of_depth() -> None:
    """An agent that calls itself as a tool ends with an error that names it and the limit."""
    call = ToolCall("1", "AGAIN", json.dumps({"text": "Again."}))
    depth = 0

    @miniagent(alias="AGAIN")
    async def again(ctx: InteractionContext) -> None:
        nonlocal depth
        depth += 1
        model = scripted_model(then=AssistantMessage(parts=[call]))
        ctx.reply(model.with_tools(again, max_depth=3).inquire(ctx.messages))

    async with MiniAgents():
        with pytest.raises(NestingError, match="more than max_depth=3 deep, here AGAIN"):
            await again.inquire("Go.")
    assert 4 == depth


@tool
async def slow_count(ctx: ToolContext, to: int) -> str:
    """Counts, and says who asked."""
    for number in range(to):
        ctx.progress(f"{number + 1}")
        await asyncio.sleep(1)
    return f"{ctx.call_id}, {ctx.run_id}, {ctx.owner}"


@tool
def thread_count(to: int, ctx: ToolContext) -> str:
    """Counts in a thread."""
    for number in range(to):
        ctx.progress(f"{number + 1}")
    return f"{ctx.call_id}, {ctx.run_id}, {ctx.owner}"


@pytest.mark.loop(virtual=True)
async def test_the_context_of_a_call() -> None:
    """A tool knows its call, the run and its owner; its notes stream while it works, and are no result."""
    calls = [ToolCall("c1", "slow_count", '{"to": 2}'), ToolCall("c2", "thread_count", '{"to": 3}')]
    model = ScriptedModel(AssistantMessage(parts=calls), "Done.")
    before = TOOL_CONTEXT.set(replace(TOOL_CONTEXT.get(), run_id="r1", owner="ada"))
    began = asyncio.get_running_loop().time()
    async with MiniAgents():
        replies = model.agent.with_tools(slow_count, thread_count).inquire("Count.")
        seen = [
            (asyncio.get_running_loop().time() - began, part)
            async for part in replies.parts
            if isinstance(part, AgentPart | ToolResult)
        ]
        results = [str(each) for each in await replies if isinstance(each, ToolMessage)]
    TOOL_CONTEXT.reset(before)
    assert ["c1, r1, ada", "c2, r1, ada"] == results
    assert [
        AgentPart(("slow_count",), "1"),
        AgentPart(("slow_count",), "2"),
        ToolResult("c1", "c1, r1, ada", name="slow_count"),
        *(AgentPart(("thread_count",), str(number)) for number in (1, 2, 3)),
        ToolResult("c2", "c2, r1, ada", name="thread_count"),
    ] == [part for _, part in seen]
    assert [0.0, 1.0, 2.0] == [pytest.approx(at, abs=0.1) for at, _ in seen[:3]]


@pytest.mark.loop(virtual=True)
async def test_a_tool_with_a_context_is_stopped() -> None:
    """A time limit, and an error of the tool, end it as any other tool; nothing goes on."""
    ended = asyncio.Event()

    @tool(timeout=0.5)
    async def stuck(ctx: ToolContext) -> str:
        """Never ends."""
        try:
            ctx.progress("begun")
            await asyncio.Event().wait()
        finally:
            ended.set()
        return ""

    @tool
    async def broken(ctx: ToolContext) -> str:
        """Fails."""
        raise ValueError("no")

    model = ScriptedModel(AssistantMessage(parts=[ToolCall("1", "stuck"), ToolCall("2", "broken")]), "Done.")
    async with MiniAgents():
        replies = await model.agent.with_tools(stuck, broken).inquire("Go.")
    assert ended.is_set()
    expected = ["TimeoutError: stuck did not end within 0.5 s.", "ValueError: no"]
    assert expected == [str(each) for each in replies[1:3]]


def test_a_call_that_is_cancelled_before_it_begins() -> None:
    """A tool that shows its progress leaves nothing if its call is cancelled at once, whatever goes first."""

    @tool
    async def count(ctx: ToolContext) -> str:
        """Count."""
        ctx.progress("one")
        return "two"

    async def cancelled() -> None:
        calling = asyncio.ensure_future(anext(count.run()))
        await asyncio.sleep(0)
        calling.cancel()
        await asyncio.wait([calling])

    for order in range(30):
        run_async(cancelled, loop_factory=partial(ShuffledLoop, Random(order)))  # noqa: S311 - no secret
