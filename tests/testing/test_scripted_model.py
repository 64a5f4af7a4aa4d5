"""A language model that says what it is told to."""

import asyncio
from collections.abc import AsyncIterable

import pytest
from hypothesis import given, strategies as st

from miniagents import AssistantMessage, Messages, MiniAgents, SystemMessage, miniagent, partial_text, tool
from miniagents.messages import Message
from miniagents.parts import Reasoning, ToolCallDelta, Usage
from miniagents.testing import ScriptedModel, ScriptedModels, scripted_model
from miniagents.testing._scripted_model import Answer, ScriptedAnswer, ScriptEndedError, words

NOTHING = Messages[Message]()


@given(st.text())
def test_words(text: str) -> None:
    """The words of a text are the text again, and each of them says something new."""
    assert "".join(words(text)) == text
    assert all(words(text))


def test_a_text_comes_word_by_word() -> None:
    """A text is cut into words with the white space behind them."""
    assert ScriptedAnswer.of(" one  two\n", NOTHING).pieces == (" ", "one  ", "two\n")
    assert ScriptedAnswer.of("", NOTHING).pieces == ()


def test_tokens_stay_as_they_are() -> None:
    """A sequence is the tokens, with an exception where it stands."""
    error = ValueError("cut")
    assert ScriptedAnswer.of(["o", "ne", error], NOTHING).pieces == ("o", "ne", error)
    assert ScriptedAnswer.of(error, NOTHING).pieces == (error,)


async def test_usage_streams() -> None:
    """W14: the usage of a scripted answer is a part of its stream, as that of a real one."""
    model = scripted_model(AssistantMessage("It rains.", usage=Usage(9, 4)))
    async with MiniAgents():
        replies = model.inquire("Rain?")
        assert ["It ", "rains.", Usage(9, 4)] == [part async for part in replies.parts]
        assert Usage(9, 4) == (await replies)[0].usage


def test_a_message_brings_its_data() -> None:
    """The class and the data of a message are those of the answer."""

    class Rated(AssistantMessage):
        stars: int

    script = ScriptedAnswer.of(Rated("Very good", stars=5), NOTHING)
    assert (script.pieces, script.message_class, script.metadata) == (("Very ", "good"), Rated, {"stars": 5})


def test_a_function_sees_the_conversation() -> None:
    """A function of the conversation gives any other answer, also another function."""
    conversation = Messages([Message("one"), Message("two")])
    assert ScriptedAnswer.of(lambda messages: [str(messages[-1])], conversation).pieces == ("two",)
    assert ScriptedAnswer.of(lambda _: lambda messages: str(messages[0]), conversation).pieces == ("one",)


async def test_answers_in_order() -> None:
    """Each request gets the next answer, streamed token by token."""
    model = scripted_model("Hello, you.", ["Good", "bye"])
    async with MiniAgents():
        first = model.inquire("Hi")
        assert [token async for reply in first async for token in reply] == ["Hello, ", "you."]
        assert [token async for reply in model.inquire("Bye") async for token in reply] == ["Good", "bye"]


async def test_tokens_come_one_by_one() -> None:
    """Between two tokens the event loop has a turn, so a reader may act after the first one."""
    async with MiniAgents():
        promise = scripted_model(["one", "two", "three"]).inquire()
        async for reply in promise:
            assert await anext(aiter(reply)) == "one"
            assert not reply.done


async def test_the_message_is_that_of_a_model() -> None:
    """It is an `AssistantMessage` that names the model and says why it ended."""
    async with MiniAgents():
        message = (await scripted_model("Hi").inquire("Hello", model="big-one"))[0]
    assert message == AssistantMessage("Hi", model="big-one", finish_reason="stop")


async def test_a_message_keeps_what_it_says_itself() -> None:
    """Data of a scripted message goes before what a model would say."""
    async with MiniAgents():
        message = (await scripted_model(AssistantMessage("He", finish_reason="length")).inquire())[0]
    assert message == AssistantMessage("He", model="scripted", finish_reason="length")


async def test_requests() -> None:
    """It can be looked at what was asked: the conversation, and the keywords of `fork` and `inquire`."""
    scripted = ScriptedModel("one", "two", "three")
    async with MiniAgents():
        await scripted.agent.fork(model="m").inquire([SystemMessage("Be brief."), "Hi"], temperature=0.5)
        await scripted.agent.inquire("Bye")
    assert [str(request.messages) for request in scripted.requests] == ["Be brief.\n\nHi", "Bye"]
    assert [dict(request.keywords) for request in scripted.requests] == [
        {"model": "m", "temperature": 0.5},
        {},
    ]
    assert scripted.answers_left == 1


async def test_errors() -> None:
    """An exception is raised; one among tokens after the tokens before it."""
    model = scripted_model(ValueError("no"), ["Hel", "lo", ValueError("cut")])
    async with MiniAgents():
        with pytest.raises(ValueError, match="no"):
            await model.inquire()
        with pytest.raises(ValueError, match="cut") as caught:
            await model.inquire()
    assert partial_text(caught.value) == "Hello"
    assert caught.value.__notes__ == ["agents: SCRIPTED_MODEL"]


async def test_the_end_of_the_script() -> None:
    """One request too many is an error that says so, unless there is an answer for all further ones."""
    ended, endless = scripted_model("one"), scripted_model("one", then=lambda messages: f"{messages}?")
    async with MiniAgents():
        await ended.inquire()
        with pytest.raises(ScriptEndedError, match=r"asked for answer 2 but has 1; .* then="):
            await ended.inquire()
        replies = [str(await endless.inquire(said)) for said in ("a", "b", "c")]
    assert replies == ["one", "b?", "c?"]


def yes(_: Messages) -> str:
    return "yes"


@pytest.mark.parametrize("answer", ["yes", ["y", "es"], AssistantMessage("yes"), yes])
async def test_every_kind_of_answer(answer: Answer) -> None:
    """Whatever kind of answer it is, it is one message."""
    async with MiniAgents():
        assert [message.text for message in await scripted_model(answer).inquire()] == ["yes"]


@pytest.mark.loop(fifo=True)  # the order in which they begin is asyncio's
async def test_parallel_requests() -> None:
    """Requests made at once get their answers in the order in which they were made."""
    model = scripted_model("one", "two", "three")
    async with MiniAgents():
        assert [str(each) for each in await asyncio.gather(*(model.inquire() for _ in range(3)))] == [
            "one",
            "two",
            "three",
        ]


async def _times(stream: AsyncIterable[object]) -> list[tuple[float, object]]:
    """When each piece came, in seconds, and the piece."""
    loop = asyncio.get_running_loop()
    return [(loop.time(), piece) async for piece in stream]


@pytest.mark.loop(virtual=True)
async def test_a_slow_answer() -> None:
    """With a delay, each piece of every kind of answer comes so many seconds after the one before."""
    thought = Reasoning("Hm")
    rated = AssistantMessage("Very good", finish_reason="length")
    model = scripted_model("Hello, you.", [thought, "lo"], rated, lambda _: "yes", delay=5)
    async with MiniAgents():
        assert await _times(model.inquire().tokens) == [(5, "Hello, "), (10, "you.")]
        assert (await _times(model.inquire().parts))[:2] == [(15, thought), (20, "lo")]
        assert await _times(model.inquire().tokens) == [(25, "Very "), (30, "good")]
        assert await _times(model.inquire().tokens) == [(35, "yes")]


@pytest.mark.loop(virtual=True)
async def test_a_slow_error_and_a_slow_turn_after_a_tool() -> None:
    """An exception comes after the delay, too, and so does the first piece of the turn after a tool call."""
    slow = scripted_model(["Hel", ValueError("cut")], delay=2)
    caller = scripted_model([ToolCallDelta(0, "1", "wait", "{}")], "Done.", delay=2)

    @tool
    async def wait() -> str:
        """Waits."""
        await asyncio.sleep(1)
        return "waited"

    async with MiniAgents():
        loop = asyncio.get_running_loop()
        with pytest.raises(ValueError, match="cut"):
            await slow.inquire()
        assert loop.time() == 4
        assert await _times(caller.with_tools(wait).inquire("Hi").tokens) == [(9, "Done.")]


@pytest.mark.loop(virtual=True)
async def test_stopping_a_slow_answer() -> None:
    """A reader that leaves between two pieces stops the answer at once; nothing of it lives on."""
    async with MiniAgents():
        async with scripted_model("one two three", delay=60).inquire() as replies:
            assert await anext(aiter(replies.tokens)) == "one "
            await asyncio.sleep(30)
        assert asyncio.get_running_loop().time() == 90


@pytest.mark.parametrize(
    ("delay", "error"), [(-1, ValueError), (float("nan"), ValueError), ("1 s", TypeError)]
)
def test_a_delay_that_is_none(delay: float, error: type[Exception]) -> None:
    """A delay that is not a number of seconds, 0 or more, is refused when the model is made."""
    with pytest.raises(error, match=r"scripted_model\(delay=.*\): give a number of seconds"):
        scripted_model("a", delay=delay)
    with pytest.raises(error, match="give a number of seconds"):
        ScriptedModels()("a", delay=delay)


@pytest.mark.loop(virtual=True)
async def test_a_slow_model_of_the_fixture() -> None:
    """The fixture `scripted_model` makes slow models, too."""
    async with MiniAgents():
        assert await _times(ScriptedModels()("Hello!", delay=3).inquire().tokens) == [(3, "Hello!")]


async def test_it_is_an_ordinary_agent() -> None:
    """It has an alias, and stands in a pipe like any other agent."""
    model = scripted_model("one", lambda messages: f"{messages} two", alias="WRITER")
    async with MiniAgents():
        assert str(await (model | model).inquire("go")) == "one two"
    assert model.alias == "WRITER"


async def test_leaving_it() -> None:
    """An answer that is cancelled in the middle stops; nothing of it lives on."""

    @miniagent
    async def impatient_agent(ctx: object) -> None:
        async with scripted_model(["one", "two"]).inquire() as replies:
            async for reply in replies:
                async for _ in reply:
                    return

    async with MiniAgents():
        await impatient_agent.inquire()
