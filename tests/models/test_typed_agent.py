"""Tests of models that answer with values of types."""

import asyncio
import json
import re
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import IPv4Address
from typing import Annotated
from zoneinfo import ZoneInfo

import pytest
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    HttpUrl,
    PlainSerializer,
    SecretStr,
    WithJsonSchema,
)

from miniagents import (
    AnswerSchema,
    AssistantMessage,
    Finish,
    InteractionContext,
    LLMRefusalError,
    Message,
    MiniAgents,
    ParsedMessage,
    Part,
    Reasoning,
    Refusal,
    Restart,
    SchemaError,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    ToolResult,
    ToolSpec,
    TypedAgent,
    TypedAnswerError,
    Usage,
    UserMessage,
    miniagent,
    model_agent,
    tool,
)
from miniagents.models import AnswerMode, ParsedReplies
from miniagents.models._json_begin import JsonBegin
from miniagents.runs import Registry
from miniagents.testing import ScriptedModel, scripted_model


class City(BaseModel):
    """A city."""

    name: str
    people: int


class Scores(BaseModel):
    by_name: dict[str, int]


GOOD = '{"name": "Oslo", "people": 717710}'
BAD = '{"name": "Oslo", "people": "many"}'
OSLO = City(name="Oslo", people=717710)


@dataclass
class Place:
    room: str
    hosts: list[IPv4Address]


class Meeting(BaseModel):
    link: HttpUrl
    places: list[Place]


MEETING = '{"link": "http://example.org/", "places": [{"room": "Owl", "hosts": ["10.0.0.%s"]}]}'


async def test_an_answer_with_urls_and_dataclasses() -> None:
    """An answer may have URLs, IP addresses and dataclasses; it has a hash key, and can be stored."""
    async with MiniAgents():
        model = scripted_model(MEETING % 1, MEETING % 1, MEETING % 2).as_type(Meeting)
        first, again, other = [await model.inquire("When?").final for _ in range(3)]
    assert first.parsed == Meeting(
        link=HttpUrl("http://example.org/"), places=[Place("Owl", [IPv4Address("10.0.0.1")])]
    )
    assert first.hash_key == again.hash_key != other.hash_key
    places = [{"room": "Owl", "hosts": ["10.0.0.1"]}]
    assert Registry().record_of(first).data["parsed"] == {"link": "http://example.org/", "places": places}


class CardNumber(str):
    """A text with a class of its own."""

    __slots__ = ()


class Celsius:
    """A class of another library, which knows nothing of pydantic."""

    def __init__(self, degrees: float) -> None:
        self.degrees: float = degrees


class Sample(BaseModel):
    """Fields of types that JSON has only as a text or a list."""

    share: Fraction
    form: re.Pattern[str]
    last: deque[Fraction]
    zone: ZoneInfo
    key: SecretStr
    card: Annotated[str, AfterValidator(CardNumber)]
    heat: Annotated[
        object,
        BeforeValidator(Celsius),
        PlainSerializer(lambda heat: heat.degrees),
        WithJsonSchema({"type": "number"}),
    ]


async def test_an_answer_of_any_types() -> None:
    """An answer may have what pydantic can read from JSON and write as JSON; it has a hash key."""
    card = "4000000000000002"
    told = {
        "share": "1/2",
        "form": "a+",
        "last": ["1/3"],
        "zone": "Europe/Oslo",
        "key": "k",
        "card": card,
        "heat": 2.5,
    }
    texts = [json.dumps(told), json.dumps(told), json.dumps({**told, "key": "l"})]
    async with MiniAgents():
        model = scripted_model(*texts).as_type(Sample, mode="tool")
        first, again, other = [await model.inquire("What is it?").final for _ in range(3)]
    found = first.parsed
    assert (Fraction(1, 2), deque([Fraction(1, 3)]), "k") == (
        found.share,
        found.last,
        found.key.get_secret_value(),
    )
    assert (re.compile("a+"), ZoneInfo("Europe/Oslo"), card) == (found.form, found.zone, found.card)
    assert first.hash_key == again.hash_key != other.hash_key
    assert Registry().record_of(first).data["parsed"] == {**told, "key": "**********"}


async def test_the_answer_is_a_message_with_a_value() -> None:
    """The reply is one message: its text is the JSON, `parsed` the value, and it streams like any."""
    scripted = ScriptedModel([Reasoning("Hm."), GOOD[:9], GOOD[9:], Usage(3, 4)])
    async with MiniAgents():
        replies = scripted.agent.as_type(City).inquire("Which city?", temperature=0.0)
        assert isinstance(replies, ParsedReplies)
        (answer,) = await replies
        assert isinstance(answer, ParsedMessage)
        assert (answer.parsed, str(answer), answer.reasoning, answer.usage) == (
            OSLO,
            GOOD,
            "Hm.",
            Usage(3, 4),
        )
        assert answer.model == "scripted"
        assert (await replies.parsed, (await replies.final).parsed) == (OSLO, OSLO)
        assert [part async for part in replies.parts][:3] == [Reasoning("Hm."), GOOD[:9], GOOD[9:]]
    (request,) = scripted.requests
    assert request.keywords["answer_schema"] == AnswerSchema.of(City)
    assert request.keywords["temperature"] == 0.0


async def test_what_does_not_fit_is_repaired() -> None:
    """The model is told what is wrong and asked again; the message is made of the answer that fits."""
    scripted = ScriptedModel([BAD], ["Sorry. ", GOOD])
    async with MiniAgents():
        replies = scripted.agent.as_type(City).inquire("Which city?")
        (answer,) = await replies
        assert (answer.parsed, str(answer)) == (OSLO, f"Sorry. {GOOD}")
        reason = "people: Input should be a valid integer, unable to parse string as an integer"
        assert [part async for part in replies.parts] == [BAD, Restart(reason), "Sorry. ", GOOD]
    complaint = f"This is no City: {reason}. Give the whole answer again, corrected."
    messages = scripted.requests[1].messages
    assert [str(message) for message in messages] == ["Which city?", BAD, complaint]
    assert [message.role for message in messages] == ["user", "assistant", "user"]


@pytest.mark.parametrize("repairs", [0, 2])
async def test_what_never_fits_is_an_error(repairs: int) -> None:
    """After the last repair it is a typed error, with what the model said."""
    scripted = ScriptedModel(then=BAD)
    async with MiniAgents():
        with pytest.raises(
            TypedAnswerError, match=f"no City after {repairs} repairs: people: Input"
        ) as caught:
            await scripted.agent.as_type(City, repairs=repairs).inquire("Which city?")
    assert caught.value.partial_text == BAD
    assert len(scripted.requests) == repairs + 1


@pytest.mark.parametrize(
    "text", [f"```json\n{GOOD}\n```", f"Here it is: {GOOD} Good?", f"{GOOD} Is {{it}}?", GOOD]
)
async def test_text_around_the_json(text: str) -> None:
    """A fence or a word around the JSON does no harm."""
    async with MiniAgents():
        assert await scripted_model(text).as_type(City, repairs=0).inquire("City?").parsed == OSLO


@pytest.mark.parametrize(
    "text", [f"<think>A {{city}}?</think>{GOOD}", f"\n<think>\n{{}}\n</think>\n\n```json\n{GOOD}\n```"]
)
async def test_a_thought_before_the_json(text: str) -> None:
    """W9: a leading thought of a server without a field for it is skipped, whole and while it streams."""
    async with MiniAgents():
        replies = scripted_model(list(text)).as_type(City, repairs=0).inquire("City?")
        assert "Oslo" == "".join([piece async for piece in replies.field(lambda city: city.name)])
        assert OSLO == await replies.parsed


def test_white_space_before_the_json() -> None:
    """Each of the line ends that a model writes without an end, as in some JSON modes, costs the same."""
    begin = JsonBegin()
    began = time.process_time()
    assert "" == "".join(begin.feed(" \n") for _ in range(80_000))
    assert GOOD == begin.feed(f"\n{GOOD}")
    assert time.process_time() - began < 3.0  # 0.1; 16 if each looks at all before it


@pytest.mark.parametrize("cut", [1, 3, 7, 100])
def test_several_thoughts_before_the_json(cut: int) -> None:
    """Wherever the text is cut, a brace in any of the leading thoughts does not begin the answer."""
    said, begin = f"<think>{{</think> <reasoning>{{}}</reasoning>\n<i>: {GOOD}", JsonBegin()
    assert GOOD == "".join(begin.feed(said[at : at + cut]) for at in range(0, len(said), cut))


@pytest.mark.parametrize("text", ["", "I do not know.", "{", "}{", '{"name": "Oslo"'])
async def test_no_json(text: str) -> None:
    """An answer without JSON does not fit."""
    async with MiniAgents():
        with pytest.raises(TypedAnswerError):
            await scripted_model(text).as_type(City, repairs=0).inquire("City?")


async def test_as_a_tool() -> None:
    """As a call of a tool any schema goes; the arguments are the text, and a repair answers the call."""
    bad = ToolCall("1", "answer", '{"by_name": {"Ada": "x"}}')
    good: list[Part] = [
        ToolCallDelta(0, "2", "answer", '{"by_name": '),
        ToolCallDelta(0, arguments='{"Ada": 1}}'),
    ]
    scripted = ScriptedModel(AssistantMessage(parts=[bad]), good)
    async with MiniAgents():
        replies = scripted.agent.as_type(Scores, mode="tool").inquire("Scores?")
        (answer,) = await replies
        assert (answer.parsed, str(answer)) == (Scores(by_name={"Ada": 1}), '{"by_name": {"Ada": 1}}')
    first, second = scripted.requests
    assert (first.keywords["tool_choice"], [spec.name for spec in _specs(first.keywords["tools"])]) == (
        "answer",
        ["answer"],
    )
    (result,) = (
        part for message in second.messages if isinstance(message, ToolMessage) for part in message.parts
    )
    assert isinstance(result, ToolResult)
    assert (result.call_id, result.is_error) == ("1", True)


def _specs(value: object) -> list[AnswerSchema]:
    return list(value) if isinstance(value, tuple) else []  # pyright: ignore[reportUnknownArgumentType]


async def test_after_tools() -> None:
    """A model may call tools first: their turns stand in the stream, and the message is the answer."""

    @tool
    def look(where: str) -> str:
        """Look."""
        return f"people of {where}: 717710"

    call = AssistantMessage(parts=["Let me look.", ToolCall("1", "look", '{"where": "Oslo"}')])
    scripted = ScriptedModel(call, GOOD)
    async with MiniAgents():
        replies = scripted.agent.with_tools(look).as_type(City).inquire("City?")
        (answer,) = await replies
        assert (answer.parsed, str(answer), answer.tool_calls) == (OSLO, GOOD, ())
        parts = [part async for part in replies.parts]
        assert ToolResult("1", "people of Oslo: 717710", name="look") in parts
        assert parts.count(Restart()) == 2
        assert [each async for each in replies.field("name")] == ["Oslo"]
    assert {"tools", "answer_schema"} <= scripted.requests[0].keywords.keys()


async def test_a_refusal_is_not_repaired() -> None:
    """A model that refuses is not asked again."""
    scripted = ScriptedModel([Refusal("I would rather not.")], GOOD)
    async with MiniAgents():
        with pytest.raises(LLMRefusalError, match="the model refuses to answer; its text") as caught:
            await scripted.agent.as_type(City).inquire("City?")
    assert caught.value.partial_text == "I would rather not."
    assert scripted.answers_left == 1


async def test_errors_of_the_model() -> None:
    """An error of the model is the error of the answer."""
    async with MiniAgents():
        with pytest.raises(ConnectionError, match="cut"):
            await scripted_model([GOOD[:9], ConnectionError("cut")]).as_type(City).inquire("City?")


async def test_it_is_an_agent_like_others() -> None:
    """It forks, and its answers go on into other agents."""

    @miniagent
    async def census(ctx: InteractionContext[Message, Message]) -> None:
        for message in await ctx.messages:
            ctx.reply(f"{message.text} counted")

    typed = scripted_model(then=GOOD).as_type(City)
    assert [type(each) for each in (typed.fork(model="x"), typed.described(alias="X"))] == [
        TypedAgent,
        TypedAgent,
    ]
    async with MiniAgents():
        assert await typed.fork(model="x").inquire(UserMessage("City?")).parsed == OSLO
        assert str(await (typed | census).inquire("City?")) == f"{GOOD} counted"


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: scripted_model().as_type(Scores), "Scores.by_name has keys of any name"),
        (lambda: scripted_model().as_type(City, repairs=-1), "repairs=-1 is negative"),
        (lambda: scripted_model().as_type(City, mode=_mode("other")), "mode='other' is unknown"),
    ],
)
def test_what_is_refused(make: Callable[[], object], sentence: str) -> None:
    """A type that a provider would refuse is an error before anything is asked."""
    with pytest.raises(SchemaError, match=sentence):
        make()


def _mode(text: str) -> AnswerMode:
    modes: dict[str, AnswerMode] = {"other": "native"}
    modes["other"] = text  # type: ignore[assignment]  # pyright: ignore[reportArgumentType]
    return modes[text]


@model_agent
async def simple(
    ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
) -> None:
    """A model without a schema mode, and nothing can be forced."""
    (spec,) = tools
    ctx.reply(AssistantMessage(parts=[ToolCall("1", spec.name, GOOD)]))


@model_agent
async def able(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    tools: tuple[ToolSpec, ...] = (),
    answer_schema: AnswerSchema | None = None,
) -> None:
    """A model with a schema mode."""
    assert answer_schema is not None
    assert tools == ()
    ctx.reply(AssistantMessage(GOOD))


async def test_the_mode_is_the_providers_own_where_it_has_one() -> None:
    """Else the answer is a call of a tool; who asks for what is not there is told so."""
    async with MiniAgents():
        assert await able.as_type(City).inquire("City?").parsed == OSLO
        assert await simple.as_type(City).inquire("City?").parsed == OSLO
    with pytest.raises(SchemaError, match="SIMPLE has no schema mode: it does not"):
        simple.as_type(City, mode="native")
    with pytest.raises(SchemaError, match="SIMPLE_WITH_TOOLS has no schema mode"):
        simple.with_tools(tool(int_of)).as_type(City)


def int_of(text: str) -> int:
    """Make a number."""
    return int(text)


async def test_a_failure_is_not_repaired() -> None:
    """A model that fails has not answered: its error is the message, where errors become messages."""
    scripted = ScriptedModel(ConnectionError("cut"), GOOD)
    async with MiniAgents(errors_as_messages=True):
        (error,) = await scripted.agent.as_type(City).inquire("City?")
    assert (error.role, str(error)) == ("error", "ConnectionError: cut")
    assert scripted.answers_left == 1


async def test_what_was_cut_off_is_not_repaired() -> None:
    """An answer that had not enough tokens would not fit again: the error says what to do."""
    scripted = ScriptedModel(["{", Finish("length")], GOOD)
    async with MiniAgents():
        with pytest.raises(TypedAnswerError, match=r"cut off \(length\), so it is no City; raise max_tokens"):
            await scripted.agent.as_type(City).inquire("City?")
    assert scripted.answers_left == 1


async def test_several_calls_of_one_answer() -> None:
    """A model that gives its answer twice has given the first one; no reader is shown a mixture."""
    twice: list[Part] = [
        ToolCallDelta(0, "1", "answer"),
        ToolCallDelta(0, arguments=GOOD[:9]),
        ToolCallDelta(1, "2", "answer", BAD),
        ToolCallDelta(0, arguments=GOOD[9:]),
    ]
    async with MiniAgents():
        replies = scripted_model(twice).as_type(City, mode="tool", repairs=0).inquire("City?")
        assert (await replies.parsed, str(await replies)) == (OSLO, GOOD)
        assert [part async for part in replies.parts] == [GOOD[:9], GOOD[9:]]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("ending", ["cancelled", "failed"])
@pytest.mark.parametrize("errors_as_messages", [False, True])
async def test_an_answer_that_was_not_read(ending: str, *, errors_as_messages: bool) -> None:
    """A typed inquiry that its run did not read ends with it, however that ends."""
    left: list[str] = []

    @model_agent
    async def slow_model(
        ctx: InteractionContext[Message, AssistantMessage],
        *,
        tools: tuple[ToolSpec, ...] = (),
        answer_schema: AnswerSchema | None = None,
    ) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            left.append("model")

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        replies = slow_model.as_type(City).inquire("Which city?")
        await asyncio.sleep(1)
        if ending == "failed":
            raise ValueError("broken")
        await asyncio.sleep(60)
        ctx.reply(replies)

    async with MiniAgents(errors_as_messages=errors_as_messages):
        replies = asking_agent.inquire()
        await asyncio.sleep(0.5)
        if ending == "cancelled":
            replies.cancel()
        await asyncio.sleep(1)
        assert left == ["model"]
        replies.buffer.mark_error_handled()
