"""`adialog_loop`: a user and an assistant, and one history that somebody keeps."""

import asyncio
import random

import pytest

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    Image,
    InteractionContext,
    Message,
    Messages,
    MessageType,
    MiniAgent,
    MiniAgents,
    Reasoning,
    StopLoop,
    SystemMessage,
    UserMessage,
    adialog_loop,
    miniagent,
)
from miniagents.ext.chat_history import InMemoryChatHistory
from miniagents.ext.history_agents import in_memory_history_agent
from miniagents.ext.journal import MemoryJournal, durable
from miniagents.testing import ScriptedModel, scripted_model
from miniagents.types import InputMessage
from tests.support.amounts import amount
from tests.support.typewriter import Typewriter


class History:
    """A stand-in for a chat history: it keeps what its agent is sent, and knows how often that was asked."""

    def __init__(self, *kept: Message) -> None:
        self.kept: list[Message] = list(kept)
        self.turns: list[list[str]] = []
        history = self

        @miniagent
        async def history_agent(ctx: InteractionContext) -> None:
            messages = await ctx.messages
            history.kept.extend(messages)
            history.turns.append([str(message) for message in messages])
            ctx.reply(history.kept)

        self.agent = history_agent

    @property
    def spoken(self) -> list[tuple[str, str]]:
        """The role and the text of each message."""
        return [(message.role, str(message)) for message in self.kept]


class Talk:
    """A user with a list of lines, and an assistant that remembers what it was given."""

    def __init__(self, *lines: MessageType, end: type[Exception] = EOFError) -> None:
        self.lines = list(lines)
        self.answers: list[str] = []
        self.given: list[Messages] = []
        self.own_history: list[object] = []
        talk = self

        @miniagent
        async def user_agent(ctx: InteractionContext, chat_history: object = None) -> None:
            talk.own_history.append(chat_history)
            talk.answers.append(str(await ctx.messages))
            if not talk.lines:
                raise end
            ctx.reply(talk.lines.pop(0))

        @miniagent
        async def assistant_agent(ctx: InteractionContext) -> None:
            talk.given.append(await ctx.messages)
            ctx.reply(f"re:{len(talk.given)}")

        self.user_agent = user_agent
        self.assistant_agent: MiniAgent[Message, Message] = assistant_agent

    @property
    def heard(self) -> list[list[tuple[str, str]]]:
        """Role and text of what the assistant was given in each turn."""
        return [[(message.role, str(message)) for message in messages] for messages in self.given]


WHOLE = [("user", "one"), ("assistant", "re:1"), ("user", "two"), ("assistant", "re:2")]


@pytest.mark.parametrize("end", [EOFError, StopLoop])
async def test_turns(end: type[Exception]) -> None:
    """They speak in turns until one ends it; the assistant is sent the whole conversation, with roles."""
    talk = Talk("one", "two", end=end)
    async with MiniAgents():
        last = await adialog_loop(talk.user_agent, talk.assistant_agent)
    assert talk.heard == [WHOLE[:1], WHOLE[:3]]
    assert talk.answers == ["", "re:1", "re:2"]
    assert [(type(message), message.text) for message in last] == [(AssistantMessage, "re:2")]


async def test_a_dialog_without_turns() -> None:
    """A user who leaves at once ends it; the last answer is none."""
    talk = Talk()
    async with MiniAgents():
        assert await adialog_loop(talk.user_agent, talk.assistant_agent) == ()
    assert talk.given == []


async def test_an_explicit_history_agent() -> None:
    """An explicit history agent keeps the conversation, each turn once; nothing else does."""
    history, own = History(), History()
    talk = Talk("one", "two")
    async with MiniAgents():
        await adialog_loop(
            user_agent=talk.user_agent.fork(chat_history=own),
            assistant_agent=talk.assistant_agent,
            history_agent=history.agent,
        )
    assert history.spoken == WHOLE
    assert history.turns == [["one"], ["re:1"], ["two"], ["re:2"]]
    assert own.kept == []
    assert talk.own_history == [None] * 3


async def test_the_history_of_the_user_agent() -> None:
    """Without one, the user agent's own `chat_history` keeps it, and the user agent itself does not."""
    own = History()
    talk = Talk("one", "two")
    async with MiniAgents():
        await adialog_loop(talk.user_agent.fork(chat_history=own), talk.assistant_agent)
    assert own.spoken == WHOLE
    assert talk.own_history == [None] * 3


async def test_the_history_in_the_signature() -> None:
    """A `chat_history` that is the default of the user agent's function is its own, too."""
    own = History()
    talk = Talk("one")

    @miniagent
    async def user_agent(ctx: InteractionContext, chat_history: object = own) -> None:
        assert chat_history is None
        ctx.reply(talk.user_agent.inquire(ctx.messages))

    async with MiniAgents():
        await adialog_loop(user_agent, talk.assistant_agent)
    assert own.spoken == WHOLE[:2]


async def test_old_turns() -> None:
    """What the history kept before is sent to the assistant with the first turn."""
    history = History(SystemMessage("be brief"), UserMessage("hi"), AssistantMessage("hello"))
    talk = Talk("one")
    async with MiniAgents():
        await adialog_loop(talk.user_agent, talk.assistant_agent, history.agent)
    assert talk.heard == [[("system", "be brief"), ("user", "hi"), ("assistant", "hello"), ("user", "one")]]


@pytest.mark.parametrize("history", [None, in_memory_history_agent])
async def test_no_history_is_shared(history: MiniAgent | None) -> None:
    """Two dialogs at once have a history each, also if it is kept by the same agent in memory."""
    talks = [Talk("one", "two"), Talk("one", "two")]
    async with MiniAgents():
        await asyncio.gather(
            *(adialog_loop(talk.user_agent, talk.assistant_agent, history) for talk in talks)
        )
    assert [talk.heard for talk in talks] == [[WHOLE[:1], WHOLE[:3]]] * 2


async def test_roles_of_plain_replies() -> None:
    """Plain messages get the role of their speaker and keep their data; those with a class keep it."""

    class Note(Message):
        """A message of a class of its own."""

    history = History()
    talk = Talk([Message("one", lang="en"), SystemMessage("rule"), Note("note")])
    async with MiniAgents():
        await adialog_loop(talk.user_agent, talk.assistant_agent, history.agent)
    one, rule, note, answer = history.kept
    assert (type(one), one.model_extra) == (UserMessage, {"lang": "en"})
    assert [type(rule), type(note), type(answer)] == [SystemMessage, Note, AssistantMessage]


@pytest.mark.parametrize("interactive", [False, True])
async def test_a_model_in_the_place_of_the_user(interactive: bool) -> None:
    """What a model asks is a message of a user, with its images and without its thoughts."""
    picture = Image(data=b"GIF89a...")
    asks = AssistantMessage(parts=[Reasoning("Be short."), "What is this?", picture], finish_reason="stop")
    model = ScriptedModel("A cat.", "No.")
    async with MiniAgents():
        user = scripted_model(asks, "Really?", StopLoop())
        await adialog_loop(user, model.agent, interactive=interactive)
    first, _, second = model.requests[-1].messages
    assert isinstance(first, UserMessage)
    assert isinstance(second, UserMessage)
    assert (first.content, str(second)) == (("What is this?", picture), "Really?")


async def test_the_answer_streams_to_the_user() -> None:
    """The user agent gets the answer while it is written."""
    typewriter = Typewriter("a")
    tokens: list[str] = []
    first = asyncio.Event()

    @miniagent
    async def user_agent(ctx: InteractionContext) -> None:
        async for message_promise in ctx.message_promises:
            async for token in message_promise:
                tokens.append(token)
                first.set()
        if tokens:
            raise EOFError
        ctx.reply("hi")

    @miniagent
    async def assistant_agent(ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(typewriter))

    async with MiniAgents():
        dialog = asyncio.ensure_future(adialog_loop(user_agent, assistant_agent))
        await first.wait()
        assert (tokens, typewriter.closed.is_set()) == (["a"], False)
        typewriter.type("b")
        typewriter.stop()
        assert str(await dialog) == "ab"
    assert tokens == ["a", "b"]


async def test_a_failing_assistant() -> None:
    """The error of the assistant is raised; the user is not asked any more, and that run is stopped."""
    history = History()
    asked: list[str] = []

    @miniagent
    async def user_agent(ctx: InteractionContext) -> None:
        asked.append("begun")
        await ctx.messages
        asked.append("asked")
        ctx.reply("one")

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        raise ConnectionError("no model")

    async with MiniAgents():
        with pytest.raises(ConnectionError, match="no model"):
            await adialog_loop(user_agent, failing_agent, history.agent)
    assert asked == ["begun", "asked", "begun"]
    assert history.spoken == [("user", "one")]


async def test_a_failing_assistant_whose_errors_are_messages() -> None:
    """With `errors_as_messages` the error is the answer, is kept, and the dialog goes on to its end."""
    history = History()
    talk = Talk("one", "two")

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        raise ConnectionError("no model")

    async with MiniAgents(errors_as_messages=True):
        last = await adialog_loop(talk.user_agent, failing_agent, history.agent)
    assert [type(message) for message in history.kept] == [UserMessage, ErrorMessage] * 2
    assert str(last) == "ConnectionError: no model"


async def test_a_failing_history() -> None:
    """The error of a history is raised: no turn goes on that is not kept."""

    @miniagent
    async def history_agent(ctx: InteractionContext) -> None:
        raise OSError("disk full")

    talk = Talk("one")
    async with MiniAgents():
        with pytest.raises(OSError, match="disk full"):
            await adialog_loop(talk.user_agent, talk.assistant_agent, history_agent)
    assert talk.given == []


async def test_a_cancelled_dialog() -> None:
    """Cancelling the dialog stops the turn that is waited for."""
    begun, stopped = asyncio.Event(), asyncio.Event()

    @miniagent
    async def silent_agent(ctx: InteractionContext) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    async with MiniAgents():
        dialog = asyncio.ensure_future(adialog_loop(silent_agent, Talk().assistant_agent))
        await begun.wait()
        dialog.cancel()
        await asyncio.wait([dialog])
        await stopped.wait()
    assert dialog.cancelled()


async def test_a_dialog_that_is_cancelled_when_its_user_has_left(caplog: pytest.LogCaptureFixture) -> None:
    """If the dialog is cancelled when its user has just left, nothing is logged: `StopLoop` is no error."""

    @miniagent
    async def leaving_agent(ctx: InteractionContext) -> None:
        dialog.cancel()
        raise StopLoop

    async with MiniAgents():
        dialog = asyncio.ensure_future(adialog_loop(leaving_agent, Talk().assistant_agent))
        await asyncio.wait([dialog])
    assert dialog.cancelled()
    assert caplog.messages == []


class Speaker:
    """A user who says things at certain times, whatever is being written; then reads it, and leaves.

    Attributes:
        plan: seconds to wait, and what is said then, again and again.
    """

    def __init__(self, *plan: tuple[float, MessageType]) -> None:
        self.plan = list(plan)
        speaker = self

        @miniagent
        async def speaker_agent(ctx: InteractionContext, interactive: bool = False) -> None:
            assert interactive
            while speaker.plan:
                wait, said = speaker.plan.pop(0)
                await asyncio.sleep(wait)
                ctx.reply(said)
                if not ctx.messages.buffer.items:  # the question
                    return
            await ctx.messages
            raise StopLoop

        self.agent = speaker_agent


def kept(messages: Messages) -> list[str]:
    """The messages as texts, each with what it is."""
    return [f"{type(each).__name__[:1]}: {each.text}" for each in messages]


@pytest.mark.loop(virtual=True)
async def test_what_is_said_while_it_answers() -> None:
    """What is said meanwhile is taken meanwhile, and kept where it was taken; a cut answer is kept as cut."""
    history, model = InMemoryChatHistory(), ScriptedModel(["One, ", "two"], "Sure.", "Bye.", delay=1)
    stop, later = InputMessage("Stop!", when="interrupt"), InputMessage("Later?", when="queue")
    user = Speaker((0, "Count!"), (1.5, stop), (0, later))
    async with MiniAgents():
        last = await adialog_loop(user.agent, model.agent, history.agent, interactive=True)
    wanted = ["U: Count!", "A: One, ", "I: Stop!", "A: Sure.", "I: Later?", "A: Bye."]
    assert wanted == kept(await history.load())
    assert wanted[1:] == kept(last)
    assert [wanted[:1], wanted[:3], wanted[:5]] == [kept(each.messages) for each in model.requests]


@pytest.mark.loop(virtual=True)
async def test_a_rollback_leaves_the_conversation() -> None:
    """The history has what was rolled back; later requests do not have it, also after a restart."""
    history, model = InMemoryChatHistory(), ScriptedModel(["One, ", "two"], then="Yes.", delay=1)
    users = Speaker((0, "Wrong?"), (1.5, InputMessage("Right?", when="rollback"))), Speaker((0, "Well?"))
    async with MiniAgents():
        for user in users:
            await adialog_loop(user.agent, model.agent, history.agent, interactive=True)
    wanted = ["U: Wrong?", "A: One, ", "I: Right?", "A: Yes.", "U: Well?", "A: Yes."]
    assert wanted == kept(await history.load())
    assert wanted[2:5] == kept(model.requests[2].messages)


@pytest.mark.loop(virtual=True)
async def test_what_is_said_is_kept_if_the_answer_fails() -> None:
    """The error is raised; what came of the answer before, and what the user said, are in the history."""
    history = InMemoryChatHistory()
    user = Speaker((0, "Hi"), (0.5, InputMessage("And?", when="queue")))
    async with MiniAgents():
        model = scripted_model(["a", ValueError("no")], delay=1)
        with pytest.raises(ValueError, match="no"):
            await adialog_loop(user.agent, model, history.agent, interactive=True)
    assert ["U: Hi", "U: And?"] == kept(await history.load())


@pytest.mark.loop(virtual=True)
async def test_whenever_something_is_said() -> None:
    """At any moment, also when an answer ends: each message is kept and sent once, in order, and answered."""
    for seed in range(amount(20, 60)):
        chance = random.Random(seed)  # noqa: S311 - when something is said
        said = [str(number) for number in range(6)]
        modes = ["steer", "queue", "interrupt"]
        plan = [
            (chance.choice([0, 0.5, 1, 2, 3]), InputMessage(text, when=chance.choice(modes)))  # type: ignore[arg-type]
            for text in said
        ]
        history, model = InMemoryChatHistory(), ScriptedModel(then=["a", "b"], delay=1)

        @miniagent
        async def helper(ctx: InteractionContext, agent: MiniAgent = model.agent) -> None:
            await adialog_loop(Speaker(*plan).agent, agent, history.agent, interactive=True)  # noqa: B023

        async with MiniAgents():
            await helper.inquire()
        conversation = await history.load()
        users = [each for each in conversation if isinstance(each, UserMessage)]
        assert said == sorted(map(str, users)), f"seed {seed}"
        for when in modes:
            order = [int(str(each)) for each in users if getattr(each, "when", "queue") == when]
            assert sorted(order) == order, f"seed {seed}: {when}"
        assert isinstance(conversation[-1], AssistantMessage), f"seed {seed}"
        last = model.requests[-1].messages
        assert list(map(str, conversation[: len(last)])) == list(map(str, last)), f"seed {seed}"


async def test_live_input_in_a_durable_block() -> None:
    """A user agent would say again what is in the log, so this is refused, with what to do instead."""
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"Call the agent with \.interactive\(\) there"):
            async with durable(MemoryJournal(), run_id="7"):
                await adialog_loop(Talk().user_agent, scripted_model("Hi"), interactive=True)


async def test_an_agent_that_listens_already() -> None:
    """The loop makes the agent interactive itself."""
    model = scripted_model("Hi")
    async with MiniAgents():
        with pytest.raises(TypeError, match=r"give it the agent without \.interactive\(\)"):
            await adialog_loop(Talk().user_agent, model.interactive(), interactive=True)
