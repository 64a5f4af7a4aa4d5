"""Which calls are the same."""

from collections.abc import Callable
from typing import cast

import pytest
from pydantic import BaseModel, SecretStr
from typing_extensions import override

from miniagents import (
    AssistantMessage,
    BaseAgent,
    InteractionContext,
    Message,
    MiniAgent,
    SystemMessage,
    Usage,
    miniagent,
    tool,
)
from miniagents.messages import Messages
from miniagents.models import AnswerSchema, ModelAgent, ToolSpec, model_agent
from miniagents.runs._call_keys import function_of, key_of, question_of


@model_agent
async def a_model(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str = "small",
    base_url: str | None = None,
    api_key: SecretStr | None = None,
    client: object = None,
    temperature: float | None = None,
    total_timeout: float | None = None,
    extra_headers: object = None,
    tools: tuple[ToolSpec, ...] = (),
) -> None:
    """A model that takes what those of providers take."""
    ctx.reply(AssistantMessage("Hi"))


@model_agent
async def typed_model(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    tools: tuple[ToolSpec, ...] = (),
    answer_schema: AnswerSchema | None = None,
) -> None:
    """A model with a schema mode."""
    ctx.reply(AssistantMessage("Hi"))


class Poet(BaseAgent):
    """An agent of a class."""

    lines: int = 4

    @override
    async def run(self, ctx: InteractionContext) -> None:
        """Reply nothing."""


class Rhyme(BaseModel):
    """A typed answer."""

    text: str


class OtherRhyme(BaseModel):
    """Another one."""

    text: str
    lines: int


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


def key(agent: object, *messages: Message) -> bytes:
    """The key of a call."""
    assert isinstance(agent, MiniAgent)
    asked = cast("MiniAgent[Message, Message, ...]", agent)
    return key_of("NAME", "1", asked, question_of(Messages(messages)))


ASKED: ModelAgent[...] = a_model.fork(model="m", base_url="https://host/v1")


@pytest.mark.parametrize(
    "other",
    [
        lambda: ASKED.fork(api_key=SecretStr("another")),
        lambda: ASKED.fork(client=object()),
        lambda: ASKED.fork(total_timeout=5.0),
        lambda: ASKED.fork(extra_headers={"x-trace": "1"}),
        lambda: ASKED.fork(base_url="https://user:secret@host/v1?key=k"),
        lambda: ASKED.fork(temperature=None),
    ],
    ids=["key", "client", "time limit", "headers", "credentials in the URL", "what is not given"],
)
def test_the_same(other: Callable[[], object]) -> None:
    """Keys, clients, headers, time limits and credentials in URLs are no part of what is asked."""
    assert key(ASKED) == key(other())


@pytest.mark.parametrize(
    "other",
    [
        lambda: ASKED.fork(model="n"),
        lambda: ASKED.fork(base_url="https://other/v1"),
        lambda: ASKED.fork(temperature=0.5),
        lambda: ASKED.with_tools(now),
        lambda: ASKED.as_type(Rhyme),
        lambda: ASKED.as_type(OtherRhyme),
        lambda: ASKED | ASKED,
        Poet,
        lambda: Poet(lines=5),
    ],
)
def test_not_the_same(other: Callable[[], object]) -> None:
    """The model, its address, its parameters, tools and schema, and what an agent is made of, are."""
    assert key(ASKED) != key(other())


def test_schemas_and_parts_differ() -> None:
    """Two types, two classes' fields, and two models in a chain are different."""
    assert key(ASKED.as_type(Rhyme)) != key(ASKED.as_type(OtherRhyme))
    assert key(Poet()) != key(Poet(lines=5))
    assert key(ASKED | ASKED) != key(ASKED | ASKED.fork(model="n"))


def test_what_a_model_is_offered() -> None:
    """C11: tools and an answer schema that a call gives to its model are part of its key."""
    later = ToolSpec("now", "Tell the time.", {"type": "object", "properties": {"zone": {"type": "string"}}})
    city, bug = (AnswerSchema(name, "", {"type": "object", "title": name}) for name in ("City", "Bug"))
    offering = (
        typed_model,
        typed_model.fork(tools=(now.spec,)),
        typed_model.fork(tools=(later,)),
        typed_model.fork(answer_schema=city),
        typed_model.fork(answer_schema=bug),
    )
    assert len(offering) == len({*map(key, offering)})


def test_keys_of_before() -> None:
    """C11: the key of a call without tools and schema is that of 0.2.0, so its answer is found."""
    made = [key(agent, Message("Hi")).hex()[:8] for agent in (ASKED, ASKED | Poet(), ASKED.with_tools(now))]
    assert ["e79140b6", "58e9f022", "1e2330bd"] == made


def test_messages() -> None:
    """Text, class and data of what is sent count; what an earlier answer has used does not."""
    said = AssistantMessage("Hi", usage=Usage(1, 2), response_id="r1")
    assert key(ASKED, said) == key(ASKED, AssistantMessage("Hi", usage=Usage(3, 4), response_id="r2"))
    different = [said, AssistantMessage("Ho"), SystemMessage("Hi"), Message("Hi"), Message("Hi", mood="good")]
    assert len(different) == len({key(ASKED, each) for each in different})
    assert key(ASKED, Message("a"), Message("b")) != key(ASKED, Message("ab"))


def test_functions() -> None:
    """A function is known by its module and name, a class by its own, a composition by its parts."""

    @miniagent
    async def here(ctx: InteractionContext) -> None:
        """Reply nothing."""

    found = function_of(here, "HERE", "1")
    assert f"{__name__}:test_functions.<locals>.here" == found.function
    assert 16 == len(found.source)
    assert f"{__name__}:Poet" == function_of(Poet(), "POET", "1").function
    assert f"Stages({__name__}:Poet, {__name__}:a_model)" == function_of(Poet() | ASKED, "BOTH", "1").function
    timed = here.timeout(total=5)
    assert found.function == function_of(timed, "HERE", "1").function
