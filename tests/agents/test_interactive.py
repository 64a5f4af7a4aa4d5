"""`agent.interactive()`: what is said to an agent while it works. Its laws are in `tests/model/live.py`."""

import asyncio
from collections.abc import AsyncIterator, MutableMapping

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    MiniAgentsError,
    SystemMessage,
    ToolCall,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.ext.journal import MemoryJournal, recorded
from miniagents.parts import Reasoning
from miniagents.testing import ScriptedModel, scripted_model
from miniagents.types import Delivery, InputMessage

pytestmark = pytest.mark.loop(virtual=True)


class City(BaseModel):
    """A city."""

    name: str


CALL = AssistantMessage(parts=["Let me look.", ToolCall("1", "look")])


@tool
async def look() -> str:
    """Look for a second."""
    await asyncio.sleep(1)
    return "Paris is in France."


def shown(messages: tuple[Message, ...]) -> list[str]:
    """The messages as texts, each with who says it."""
    return [f"{type(each).__name__[:1]}: {each.text}" for each in messages]


async def test_a_steer_comes_into_the_next_request() -> None:
    """What is said while a tool runs is among the replies behind its result, and in the next request."""
    model = ScriptedModel(CALL, "In Texas.")
    async with MiniAgents():
        call = model.agent.with_tools(look).interactive().initiate_inquiry()
        call.send_message("Where is Paris?")
        await asyncio.sleep(0.5)
        assert Delivery("taken", 2) == await call.steer("Paris, Texas!")
        replies = await call.reply_sequence()
    wanted = ["A: Let me look.", "T: Paris is in France.", "I: Paris, Texas!", "A: In Texas."]
    assert wanted == shown(replies)
    assert ["M: Where is Paris?", *wanted[:3]] == shown(model.requests[1].messages)


async def test_a_typed_answer_has_not_what_was_said() -> None:
    """What a typed answer has taken while it was written comes behind it, and is no part of it."""
    model = ScriptedModel(CALL, '{"name": "Paris, Texas"}')
    async with MiniAgents():
        call = model.agent.with_tools(look).as_type(City).interactive().initiate_inquiry()
        call.send_message("Where is Paris?")
        await asyncio.sleep(0.5)
        await call.steer("Paris, Texas!")
        replies = call.reply_sequence()
        answer, said = await replies
        tokens = await replies.tokens
    assert ['P: {"name": "Paris, Texas"}', "I: Paris, Texas!"] == shown((answer, said))
    assert "Let me look." + f"{answer}{said}" == "".join(tokens)
    assert "I: Paris, Texas!" == shown(model.requests[1].messages)[-1]


async def test_an_interrupt_ends_what_is_open() -> None:
    """An open message ends as what came, without calls and unsigned thoughts; tools are cancelled."""
    ended: list[str] = []

    @tool
    async def wait() -> str:
        """Wait."""
        try:
            await asyncio.sleep(100)
        finally:
            ended.append("tool")
        return ""

    calls = AssistantMessage(parts=[ToolCall("1", "wait")])
    model = ScriptedModel(calls, [Reasoning("Hm."), "I th", "ink"], "Yes.", delay=1)
    async with MiniAgents():
        call = model.agent.with_tools(wait).interactive().initiate_inquiry()
        call.send_message("Wait.")
        await asyncio.sleep(2.5)
        await call.interrupt("Stop!")
        await asyncio.sleep(2.5)
        assert ["tool"] == ended
        await call.interrupt("Well?")
        replies = await call.reply_sequence()
    result, cut = replies[1], replies[3]
    assert "T: The user interrupted wait; its result is not known." == shown((result,))[0]
    assert isinstance(cut, AssistantMessage)
    assert ("I th", "interrupted", None) == (cut.text, cut.finish_reason, cut.reasoning)
    assert ["I: Stop!", "A: I th", "I: Well?", "A: Yes."] == shown(replies[2:])


@pytest.mark.parametrize(
    ("after", "told"),
    [
        (0.5, "T: look was not called: the user interrupted before it was allowed."),
        (1.5, "T: The user interrupted look; its result is not known."),
    ],
)
async def test_an_interrupt_before_a_call_is_allowed(after: float, told: str) -> None:
    """The model is told that a call was not made if its approval waits; else that its result is not known."""

    async def approve(_: ToolCall) -> bool:
        await asyncio.sleep(1)
        return True

    model = ScriptedModel(CALL, "Yes.")
    async with MiniAgents():
        call = model.agent.with_tools(look, approve=approve).interactive().initiate_inquiry()
        call.send_message("Where is Paris?")
        await asyncio.sleep(after)
        await call.interrupt("Stop!")
        replies = await call.reply_sequence()
    assert ["A: Let me look.", told, "I: Stop!", "A: Yes."] == shown(replies)
    assert ["M: Where is Paris?", *shown(replies)[:3]] == shown(model.requests[1].messages)
    assert {"text", "parts", "edited_arguments", "tool", "call_id"} == {name for name, _ in replies[1]}


async def test_an_interrupt_where_a_part_has_failed() -> None:
    """If one of two agents has failed when the answer is cut, the dialog goes on with what was said."""

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        if len(await ctx.messages) == 1:
            raise ValueError("broken")

    model = ScriptedModel(["I th", "ink"], "Yes.", delay=1)
    async with MiniAgents():
        call = (failing_agent & model.agent).interactive().initiate_inquiry()
        call.send_message("Think.")
        await asyncio.sleep(1.5)
        await call.interrupt("Well?")
        replies: list[str] = []
        async for promise in call.reply_sequence():
            try:
                replies += shown((await promise,))
            except ValueError as error:
                replies.append(str(error))
    assert ["broken", "A: I th", "I: Well?", "A: Yes."] == replies
    assert ["M: Think.", "A: I th", "I: Well?"] == shown(model.requests[1].messages)


async def test_a_rollback_takes_the_question_back() -> None:
    """Question, answer and waiting steers leave the conversation; a system message stays."""
    model = ScriptedModel(["Let ", "me."], "Yes.", delay=1)
    async with MiniAgents():
        call = model.agent.interactive().initiate_inquiry()
        call.send_message([SystemMessage("Be brief."), "Wrong question"])
        await asyncio.sleep(1.5)
        steer = call.steer("and more of it")
        assert "taken" == (await call.rollback("Right question?")).outcome
        assert Delivery("replaced") == await steer
        replies = await call.reply_sequence()
    assert ["A: Let ", "I: Right question?", "A: Yes."] == shown(replies)
    taken = replies[1]
    assert isinstance(taken, InputMessage)
    assert 2 == taken.replaces
    assert ["S: Be brief.", "I: Right question?"] == shown(model.requests[1].messages)


async def test_a_transcript_is_a_conversation() -> None:
    """A later dialog goes on with the question and the replies; what was taken back is out."""
    model = ScriptedModel(["Let ", "me."], "Yes.", "Good bye.", delay=1)
    async with MiniAgents():
        call = model.agent.interactive().initiate_inquiry()
        call.send_message("Wrong question")
        await asyncio.sleep(1.5)
        await call.rollback("Right question?")
        replies = await call.reply_sequence()
        later = model.agent.interactive().initiate_inquiry()
        later.send_message(["Wrong question", replies, "Bye!"])
        await later.reply_sequence()
    assert ["I: Right question?", "A: Yes.", "M: Bye!"] == shown(model.requests[2].messages)


async def test_a_rollback_by_a_plain_message_replaces_what_waits() -> None:
    """Who sent what a plain message has taken back is told so at once; what was sent behind it is taken."""
    async with MiniAgents():
        model = scripted_model("No.", "Yes.", delay=1)
        call = model.interactive(unmarked="rollback").initiate_inquiry()
        call.send_message("Wrong question")
        await asyncio.sleep(0.5)
        before = call.steer("and more of it")
        call.send_message("Right question?")
        behind = call.steer("Please!")
        assert Delivery("replaced") == await before
        assert Delivery("taken", 2) == await behind
        assert ["I: Right question?", "I: Please!", "A: Yes."] == shown(await call.reply_sequence())[1:]


async def test_an_id_counts_once() -> None:
    """What is sent again under its id is taken once, and has the same delivery."""
    async with MiniAgents():
        call = scripted_model(then="Yes.").interactive().initiate_inquiry()
        first, again = call.queue("Now?", id="7"), call.queue("Now?", id="7")
        assert first is again
        call.send_message(InputMessage("Now?", when="queue", input_id="7"))
        assert ["I: Now?", "A: Yes."] == shown(await call.reply_sequence())


async def test_what_is_not_delivered_is_known() -> None:
    """If the answer fails, or the replies are cancelled, each message that waits says so."""
    for stops, outcome in ((False, "failed"), (True, "cancelled")):
        async with MiniAgents():
            call = scripted_model(["a", ValueError("no")], delay=1).interactive().initiate_inquiry()
            call.send_message("Hi")
            waits = call.queue("And?")
            replies = call.reply_sequence(finish_call=False)
            await asyncio.sleep(0.5)
            if stops:
                replies.cancel()
            with pytest.raises(Exception, match="was cancelled" if stops else "no"):
                await replies
            assert Delivery(outcome) == await waits  # type: ignore[arg-type]
            with pytest.raises(MiniAgentsError, match=r"has ended; start another one"):
                call.steer("Hello?")


async def test_errors_inside_are_part_of_the_dialog() -> None:
    """With `errors_as_messages` and `catching` inside, a dialog goes on after an error."""
    for inner in (
        scripted_model(ValueError("no"), "Yes.").errors_as_messages(),
        scripted_model(ValueError("no"), "Yes.").catching(lambda error, _: f"It was {error}."),
    ):
        async with MiniAgents():
            call = inner.interactive(unmarked="queue").initiate_inquiry()
            call.send_message("One?")
            await call.queue("Two?")
            assert ["I: Two?", "A: Yes."] == shown(await call.reply_sequence())[1:]


async def test_an_idle_dialog_ends() -> None:
    """A dialog ends when nothing has come for a time; an answer that takes longer is no pause."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    async with MiniAgents():
        call = scripted_model(["a", "b"], delay=50).interactive(idle=10).initiate_inquiry()
        call.send_message("Hi")
        assert ["A: ab"] == shown(await call.reply_sequence(finish_call=False))
    assert 110 == loop.time() - begun


async def test_in_a_chain_each_reply_is_one_input() -> None:
    """What an agent in front says comes one by one, each when it is complete."""

    @miniagent
    async def user(ctx: InteractionContext) -> None:
        for text in ("One?", "Two?"):
            ctx.reply(UserMessage(text))
            await asyncio.sleep(1)

    model = ScriptedModel(then="Yes.")
    async with MiniAgents():
        replies = await (user | model.agent.interactive(unmarked="queue")).inquire()
    assert ["A: Yes.", "I: Two?", "A: Yes."] == shown(replies)
    assert [1, 3] == [len(each.messages) for each in model.requests]


async def test_a_message_from_outside_is_not_ended() -> None:
    """An interrupt ends what is shown of a message of somebody else; that message itself goes on."""

    async def write(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        yield "Once "
        await asyncio.sleep(9)
        yield "upon a time"

    async with MiniAgents():
        news = Message.promise(write)

        @miniagent
        async def reader(ctx: InteractionContext) -> None:
            ctx.reply(news if len(await ctx.messages) == 1 else "Bye.")

        call = reader.interactive().initiate_inquiry()
        call.send_message("Read!")
        await asyncio.sleep(1)
        await call.interrupt("Stop!")
        assert ["M: Once ", "I: Stop!", "M: Bye."] == shown(await call.reply_sequence())
        assert "Once upon a time" == str(await news)


async def test_an_agent_keeps_its_keywords_and_its_class_of_input() -> None:
    """Keywords go to every answer; messages of a class of one's own stay what they are."""

    class Question(Message):
        city: str

    @miniagent
    async def mayor(ctx: InteractionContext[Question, Message], greeting: str = "Hi") -> None:
        ctx.reply(f"{greeting}, {(await ctx.messages)[-1].city}!")

    async with MiniAgents():
        call = mayor.interactive().fork(greeting="Hello").initiate_inquiry()
        call.send_message(Question(city="Oslo"))
        assert ["M: Hello, Oslo!"] == shown(await call.reply_sequence())


def _timeout(agent: MiniAgent[Message, Message]) -> object:
    return agent.interactive().timeout(stall=5)


async def test_what_makes_no_sense_is_refused() -> None:
    """Limits that would begin when the input ends, a recorded dialog and unknown modes are errors."""
    model = scripted_model("Hi")
    with pytest.raises(TypeError, match=r"Limit each answer: agent\.timeout\(\.\.\.\)\.interactive\(\)\."):
        _timeout(model)
    with pytest.raises(TypeError, match=r"recorded\(agent, \.\.\.\)\.interactive\(\)"):
        recorded(model.interactive(), MemoryJournal(), version="1")
    with pytest.raises(ValueError, match="unmarked='later'"):
        model.interactive(unmarked="later")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="idle"):
        model.interactive(idle=-1)


async def test_pieces_of_the_input_may_stream() -> None:
    """A message that streams has come when it is complete; until then the run waits."""

    async def write(_: MutableMapping[str, object]) -> AsyncIterator[str]:
        yield "Where is "
        await asyncio.sleep(1)
        yield "Paris?"

    model = ScriptedModel("In France.")
    async with MiniAgents():
        sent = MessageSequencePromise([Message.promise(write)])
        call = model.agent.interactive().initiate_inquiry()
        call.send_message(sent)
        assert ["A: In France."] == shown(await call.reply_sequence())
    assert ["M: Where is Paris?"] == shown(model.requests[0].messages)
