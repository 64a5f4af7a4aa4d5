"""Dialogs whose answers a user has cut, and which go on in another process: agents are as they were.

Crosses modules: interactive agents, `compact`, tools, questions, runs, journals.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Literal

import pytest

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    Messages,
    MiniAgent,
    MiniAgents,
    ToolCall,
    ToolMessage,
    Usage,
    UserMessage,
    miniagent,
    tool,
)
from miniagents.ext.chat_history import compact
from miniagents.ext.journal import (
    Lease,
    MemoryJournal,
    RunRecord,
    answer_question,
    durable,
    open_questions,
)
from miniagents.ext.usage import RunUsage
from miniagents.ext.web import Frame, MessagePart, PageData, QuestionAnswered, RequestError, RunEnded, Runs
from miniagents.parts import Reasoning, ToolResult
from miniagents.testing import ScriptedModel, virtual_time
from miniagents.tools import Allow, QuestionError, approval, ask
from miniagents.types import InputMessage, InteractiveCall
from tests.runs.test_questions import asked, eventually, is_closed

LONG = [
    UserMessage("word " * 60),
    AssistantMessage("yes " * 60),
    UserMessage("word " * 50),
    AssistantMessage("no " * 60),
]
WORDS = [f"{number} " for number in range(100)]


@tool
async def pay(amount: int) -> str:
    """Pay an amount."""
    return f"{amount} paid"


def careful(agent: ScriptedModel) -> MiniAgent[Message, Message]:
    """A model whose calls need approval."""
    return agent.agent.with_tools(pay, approve=approval())


@pytest.mark.gate("restarts a dialog at many places")
def test_one_summary() -> None:
    """A dialog that was made shorter and waits for a person goes on with the same summary, made once.

    Whatever was said to it before, and whether it was parked or its process was killed.
    """

    async def main(when: str, *, kills: bool) -> None:
        texts: list[str] = []
        requests: list[list[str]] = []

        def agent() -> MiniAgent[Message, Message]:
            def summarize(seen: Messages) -> str:
                texts.append(str(seen))
                return f"Summary {len(texts)}."

            def reply(seen: Messages) -> AssistantMessage | list[str] | str:
                requests.append([str(each) for each in seen])
                if isinstance(seen[-1], ToolMessage):
                    return "Done."
                call = AssistantMessage(parts=[ToolCall("c", "pay", '{"amount": 5}')])
                return ["Wait", "ing"] if str(seen[-1]) == "Wait." else call

            short = compact(model_limit=200, keep=2, by=ScriptedModel(then=summarize, alias="WRITER").agent)
            both = short | careful(ScriptedModel(then=reply, alias="MODEL", delay=1))
            return (both.interactive() if when else both).bind()

        journal = MemoryJournal()
        async with MiniAgents(drain_timeout=0):
            runs = Runs(journal, agents={"agent": agent()}, linger=60 if kills else 0)
            run = await runs.begin("agent", [*LONG, "Wait." if when else "Pay."])
            if when:
                await asyncio.sleep(1.5)
                await runs.say(run, InputMessage("Pay.", when=when, input_id="m"))  # type: ignore[arg-type]
            question = await asked(runs, run)
            page = await journal.read(run)
            await asyncio.sleep(1)
        if kills:
            journal = MemoryJournal()
            await journal.begin(lease := Lease(RunRecord(run, restart="server")), page.events)
            for key, data in page.sent.items():
                await journal.send(run, key, data)
            await journal.leave(lease)
        before = len(requests)
        async with MiniAgents():
            runs = Runs(journal, agents={"agent": agent()})
            await runs.open()
            await runs.answer(run, question.id, Allow())
            frames = [frame async for _, frame in runs.frames(run)]
        assert RunEnded("finished") == frames[-1], (when, kills)
        assert (1, before + 1) == (len(texts), len(requests)), (when, kills)
        assert requests[before - 1] == requests[before][:-2], (when, kills)
        assert requests[before][0].endswith("Summary 1."), (when, kills)

    for when, kills in product(("", "steer", "queue", "interrupt", "rollback"), (False, True)):
        with virtual_time():
            asyncio.run(main(when, kills=kills))


def test_answers_of_people_before_a_cut() -> None:
    """A run goes on whose user has cut an answer in which a person had allowed a call, or said more."""

    def model() -> MiniAgent[Message, Message]:
        def reply(seen: Messages) -> AssistantMessage | list[str]:
            call = AssistantMessage(parts=[ToolCall(f"c{len(seen)}", "pay", '{"amount": 5}')])
            return WORDS if isinstance(seen[-1], ToolMessage) else call

        return careful(ScriptedModel(then=reply, alias="MODEL", delay=1))

    def asker() -> MiniAgent[Message, Message]:
        words = ScriptedModel(then=WORDS, alias="MODEL", delay=1).agent

        @miniagent(alias="ASKER")
        async def asker(ctx: InteractionContext) -> None:
            ctx.reply(words.inquire(await ask("Which flight?")))

        return asker

    async def main(make: Callable[[], MiniAgent[Message, Message]], answer: object) -> Frame:
        async with MiniAgents():
            runs = Runs(MemoryJournal(), agents={"agent": make().interactive().bind()})
            run = await runs.begin("agent", "Go.")
            await runs.answer(run, (await asked(runs, run)).id, answer)
            await asyncio.sleep(10)
            await runs.say(run, InputMessage("Again.", when="interrupt", input_id="m"))
            second = await asked(runs, run)
            await asyncio.sleep(1)  # it is parked, and goes on twice
            await runs.answer(run, second.id, answer)
            return [frame async for _, frame in runs.frames(run)][-1]

    for make, answer in ((model, Allow()), (asker, "MA 7")):
        with virtual_time():
            assert RunEnded("finished") == asyncio.run(main(make, answer))


async def _dialog(
    journal: MemoryJournal, agent: MiniAgent[Message, Message], beside: ScriptedModel | None = None
) -> list[str]:
    """Interrupt an agent after half a second, and let its second answer end; an agent beside it is asked."""
    async with MiniAgents(), durable(journal, run_id="7"):
        call: InteractiveCall[Message, Message] = agent.interactive().initiate_inquiry()
        call.send_message("Go.")
        replies = call.reply_sequence(finish_call=False)
        await asyncio.sleep(0.5)
        if beside is not None:
            await beside.agent.inquire("Hi")
        call.interrupt("Again.", id="m")
        await asyncio.sleep(1)
        call.finish()
        return [str(each) for each in await replies]


@pytest.mark.loop(virtual=True)
async def test_the_same_request_in_a_later_answer() -> None:
    """A request of a later answer that is equal to one that was cut is not made again after a restart."""
    journal, made = MemoryJournal(), list[int]()
    for _ in range(2):
        first = ScriptedModel(then="Yes.", alias="FIRST")
        second = ScriptedModel(["one ", "two "], ["three"], delay=0.3, alias="SECOND")

        @miniagent
        async def both(ctx: InteractionContext) -> None:
            await first.agent.inquire(ctx.messages)  # noqa: B023 - the same turn of the loop
            ctx.reply(second.agent.inquire("The same."))  # noqa: B023 - the same

        assert ["one ", "Again.", "three"] == await _dialog(journal, both)
        made.append(len(first.requests) + len(second.requests))
    assert [4, 0] == made


@pytest.mark.loop(virtual=True)
async def test_an_agent_beside_a_dialog() -> None:
    """What another agent of the block was answered before an answer was cut is not asked again."""
    journal, made = MemoryJournal(), list[int]()
    for _ in range(2):
        model = ScriptedModel(["one ", "two "], ["three"], delay=0.3, alias="MODEL")
        beside = ScriptedModel("Hello", alias="BESIDE")
        assert ["one ", "Again.", "three"] == await _dialog(journal, model.agent, beside)
        made.append(len(model.requests) + len(beside.requests))
    assert [3, 0] == made


def test_interrupted_while_it_waits_for_a_person() -> None:
    """What interrupts a run that waits is taken at once, and the question of the cut answer is closed.

    Whether the run was parked or not, also if its process is killed just then.
    """

    async def main(linger: int, *, kills: bool) -> None:
        model = ScriptedModel(then="Well.", alias="MODEL", delay=0.1)

        @miniagent(alias="ASKER")
        async def asker(ctx: InteractionContext) -> None:
            await model.agent.inquire(ctx.messages)
            ctx.reply(await ask("Which?"))

        journal = MemoryJournal()
        async with MiniAgents(drain_timeout=0):
            runs = Runs(journal, agents={"agent": asker.interactive().bind()}, linger=linger)
            run = await runs.begin("agent", "Go.")
            first = await asked(runs, run)
            await asyncio.sleep(1)
            await runs.say(run, InputMessage("Again.", when="interrupt", input_id="m"))
            await asyncio.sleep(0.01 if kills else 1)
            page = await journal.read(run)
        assert ["cut"] == [event[0] for event in page.events if event[0] == "cut"]
        journal = MemoryJournal()
        await journal.begin(lease := Lease(RunRecord(run, restart="server")), page.events)
        for key, data in page.sent.items():
            await journal.send(run, key, data)
        await journal.leave(lease)
        async with MiniAgents():
            runs = Runs(journal, agents={"agent": asker.interactive().bind()})
            await runs.open()
            await asyncio.sleep(1)
            second = await asked(runs, run)
            assert first.id != second.id
            await runs.answer(run, second.id, "Yes.")
            assert RunEnded("finished") == [frame async for _, frame in runs.frames(run)][-1]
        assert 2 + kills == len(model.requests)  # the one that was cut by the kill is made again

    for linger, kills in product((0, 60), (False, True)):
        with virtual_time():
            asyncio.run(main(linger, kills=kills))


def test_a_withdrawn_approval() -> None:
    """What interrupts a run that waits for an approval closes the question, and the call is not made.

    The question is not listed any more, its readers learn that, and an answer is refused. Whether the run
    was parked or not, and also after a restart.
    """

    async def main(when: Literal["interrupt", "rollback"], linger: int) -> None:
        calls = AssistantMessage(parts=[ToolCall("1", "pay", '{"amount": 5}')])
        model = ScriptedModel(calls, ["Well, ", "bye."], alias="MODEL", delay=1)
        journal = MemoryJournal()
        agents = {"agent": careful(model).interactive().bind()}
        async with MiniAgents(drain_timeout=0):
            runs = Runs(journal, agents=agents, linger=linger)
            run = await runs.begin("agent", "Pay.")
            question = await asked(runs, run)
            await asyncio.sleep(1)
            await runs.say(run, InputMessage("No!", when=when, input_id="m"))
            await eventually(partial(is_closed, runs, question))
            assert [] == await runs.questions(run)
            with pytest.raises(RequestError, match=r"has no question .* any more") as refused:
                await runs.answer(run, question.id, Allow(), digest=question.digest)
            assert (409, "changed") == (refused.value.status, refused.value.code)
            frames = [frame async for _, frame in runs.frames(run)]
            events = (await journal.read(run)).events
        assert RunEnded("finished") == frames[-1]
        assert [QuestionAnswered(question.id, "void")] == [
            each for each in frames if isinstance(each, QuestionAnswered)
        ]
        told = "pay was not called: the user interrupted before it was allowed."
        assert told in [
            each.part.text
            for each in frames
            if isinstance(each, MessagePart) and isinstance(each.part, ToolResult)
        ]
        sent = [each.text for each in model.requests[-1].messages]
        assert (["Pay.", "", told, "No!"] if when == "interrupt" else ["No!"]) == sent
        again = MemoryJournal()
        await again.begin(lease := Lease(RunRecord(run, restart="server")), events[:-1])
        await again.leave(lease)
        async with MiniAgents():
            runs = Runs(again, agents=agents)
            await runs.open()
            assert RunEnded("finished") == [frame async for _, frame in runs.frames(run)][-1]
        assert 1 == sum(event[0] == "void" for event in (await again.read(run)).events)
        assert 2 == len(model.requests)

    whens: tuple[Literal["interrupt", "rollback"], ...] = ("interrupt", "rollback")
    for when, linger in product(whens, (0, 60)):
        with virtual_time():
            asyncio.run(main(when, linger))


@pytest.mark.logs("had not ended drain_timeout")
def test_an_approval_that_is_given_up() -> None:
    """A call whose approval was given up in the code of the app is played after a restart as it was told."""
    approve = approval()

    async def hurried(call: ToolCall) -> bool | str | ToolCall:
        try:
            async with asyncio.timeout(1):
                return await approve(call)
        except TimeoutError:
            return "Too late."

    async def main() -> None:
        calls = AssistantMessage(parts=[ToolCall("1", "pay", '{"amount": 5}')])
        model = ScriptedModel(calls, ["Well, ", "bye."], "Bye.", alias="MODEL", delay=1)
        journal, agents = MemoryJournal(), {"agent": model.agent.with_tools(pay, approve=hurried).bind()}
        async with MiniAgents(drain_timeout=0):
            run = await Runs(journal, agents=agents, linger=60).begin("agent", "Pay.")
            await asyncio.sleep(3.5)
        async with MiniAgents():
            runs = Runs(journal, agents=agents)
            await runs.open()
            assert RunEnded("finished") == [frame async for _, frame in runs.frames(run)][-1]
        _, before, after = model.requests
        assert "Too late." == before.messages[-1].text
        assert before.messages == after.messages

    with virtual_time():
        asyncio.run(main())


@pytest.mark.parametrize("cut", [ToolCall("1", "pay", '{"amount": 5}'), Reasoning("Hm, ")])
def test_a_cut_in_a_call_or_a_thought(cut: ToolCall | Reasoning) -> None:
    """A run goes on whose model was interrupted while it wrote a call, or a thought, which readers have."""

    def agent() -> MiniAgent[Message, Message]:
        answers = AssistantMessage(parts=[cut, *WORDS]), "One moment."
        return ScriptedModel(*answers, then="So.", alias="MODEL", delay=1).agent.with_tools(pay).interactive()

    async def main() -> None:
        journal = MemoryJournal()
        async with MiniAgents(drain_timeout=0):
            runs = Runs(journal, agents={"agent": agent()})
            run = await runs.begin("agent", "Pay.")
            await asyncio.sleep(5.5)
            await runs.say(run, InputMessage("No.", when="interrupt"))
            await asyncio.sleep(1.5)
        async with MiniAgents():
            runs = Runs(journal, agents={"agent": agent()})
            frames = [frame async for _, frame in runs.frames(run)]
        assert RunEnded("finished") == frames[-1]

    with virtual_time():
        asyncio.run(main())


class MoodOfCutAnswers(AssistantMessage):
    """A message of a class of a program."""

    mood: str


def test_a_cut_behind_messages_of_other_classes() -> None:
    """What an answer had replied before it was cut is of the same class when the run goes on."""
    asked: list[Messages] = []

    @miniagent
    async def moody(ctx: InteractionContext) -> None:
        asked.append(Messages(await ctx.messages))
        ctx.reply(PageData(name="mood", data=1))
        ctx.reply(MoodOfCutAnswers("Well.", mood="good"))
        ctx.reply(ScriptedModel(then=WORDS, alias="MODEL", delay=1).agent.inquire(ctx.messages))

    async def main() -> None:
        journal = MemoryJournal()
        async with MiniAgents(drain_timeout=0):
            runs = Runs(journal, agents={"agent": moody.interactive()})
            run = await runs.begin("agent", "Talk.")
            await asyncio.sleep(5.5)
            await runs.say(run, InputMessage("No.", when="interrupt"))
            await asyncio.sleep(5.5)
        async with MiniAgents():
            runs = Runs(journal, agents={"agent": moody.interactive()})
            frames = [frame async for _, frame in runs.frames(run)]
        assert RunEnded("finished") == frames[-1]

    with virtual_time():
        asyncio.run(main())
    assert asked[1] == asked[-1]
    assert [type(each) for each in asked[1]] == [type(each) for each in asked[-1]]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("waits", [(1, 1, 1), (1, 0, 0), (0, 1, 1), (0, 0, 0)])
async def test_a_question_that_comes_later_than_its_dialog(waits: tuple[int, ...]) -> None:
    """A dialog that is played waits for its question, and takes as a part of it what was one before."""
    journal, found = MemoryJournal(), list[tuple[list[str], int]]()
    for times in ((1, 0, 1), waits):
        model = ScriptedModel(then=lambda seen: f"[{' '.join(map(str, seen))}]", alias="MODEL")
        async with MiniAgents(), durable(journal, run_id="7"):
            call = model.agent.interactive().initiate_inquiry()
            replies = call.reply_sequence(finish_call=False)
            for seconds, text in zip(times, "abc", strict=True):
                if seconds:
                    await asyncio.sleep(seconds)
                call.send_message(text)
            call.finish()
            found.append(([str(each) for each in await replies], len(model.requests)))
    assert [(["[a b]", "c", "[a b [a b] c]"], made) for made in (2, 0)] == found


@pytest.mark.loop(virtual=True)
async def test_a_dialog_behind_one_that_is_not_begun_again() -> None:
    """A dialog within an answer goes on after a restart; one within an answer that was cut is not begun."""
    journal, made = MemoryJournal(), list[int]()

    async def block() -> list[str]:
        model = ScriptedModel(then="Well.", alias="MODEL", delay=1)

        @miniagent
        async def clerk(ctx: InteractionContext) -> None:
            ctx.reply(await model.agent.inquire(ctx.messages))
            ctx.reply(await ask("Which?"))

        @miniagent
        async def desk(ctx: InteractionContext) -> None:
            call = clerk.interactive().initiate_inquiry()
            ctx.reply(call.send_message(str((await ctx.messages)[-1])).reply_sequence(finish_call=False))
            await asyncio.sleep(2)
            call.finish()

        try:
            async with MiniAgents(), durable(journal, run_id="7"):
                call = desk.interactive().initiate_inquiry()
                replies = call.send_message("a").reply_sequence(finish_call=False)
                await asyncio.sleep(0.5)
                call.rollback("b")
                call.finish()
                return [str(each) for each in await replies]
        finally:
            made.append(len(model.requests))

    with pytest.raises(QuestionError, match="waits for an answer"):
        await block()
    (question,) = await open_questions(journal)
    await answer_question(journal, question.run, question.id, "yes")
    assert (["b", "Well.", "yes"], [2, 0]) == (await block(), made)


@pytest.mark.loop(virtual=True)
async def test_what_a_cut_answer_used_is_counted_once() -> None:
    """What a cut answer used is not counted again when its dialog goes on after a restart."""
    journal, usage = MemoryJournal(), RunUsage()
    model = ScriptedModel(then=["Well.", Usage(1, 1)], alias="MODEL")

    @miniagent
    async def clerk(ctx: InteractionContext) -> None:
        ctx.reply(await model.agent.inquire(ctx.messages))
        ctx.reply(await ask("Which?"))

    @miniagent
    async def whole(ctx: InteractionContext) -> None:
        ctx.reply([await each async for each in ctx.messages])

    async def block() -> list[str]:
        async with MiniAgents(observers=[usage]), durable(journal, run_id="7"):
            call = clerk.interactive().initiate_inquiry()
            replies = whole.inquire(call.send_message("a").reply_sequence(finish_call=False))
            await asyncio.sleep(0.005)
            call.interrupt("b")
            call.finish()
            return [str(each) for each in await replies]

    with pytest.raises(QuestionError, match="waits for an answer"):
        await block()
    (question,) = await open_questions(journal)
    await answer_question(journal, question.run, question.id, "yes")
    assert ["Well.", "b", "Well.", "yes"] == await block()
    assert (2, 2) == (len(model.requests), usage.total.output_tokens)
