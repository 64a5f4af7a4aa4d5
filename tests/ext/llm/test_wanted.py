"""Tests of tools and schemas in requests: what each provider is sent, and what is refused before that."""

from collections.abc import Mapping, Sequence
from typing import cast

import pytest
from pydantic import BaseModel

from miniagents import (
    AnswerSchema,
    LLMConfigError,
    LLMStatusError,
    MiniAgentsError,
    SchemaError,
    ToolDefinitionError,
    tool,
)
from miniagents.ext.llm import Wanted, beside
from tests.support.chat_wire import chat
from tests.support.sse_server import answer, sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, WIRES, Wire, asking, reply_to


@tool
def now() -> str:
    """Tell the time."""
    return "noon"


class City(BaseModel):
    """A city."""

    name: str


class Tree(BaseModel):
    branches: "list[Tree]"


SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}},
    "required": ["name"],
    "additionalProperties": False,
}


def test_what_is_wanted() -> None:
    """Keywords that make sense are taken as they are."""
    schema = AnswerSchema.of(City)
    assert Wanted.of([now.spec], "now", schema) == Wanted((now.spec,), "now", schema)
    assert Wanted.of((), None, None) == Wanted()


@pytest.mark.parametrize(
    ("keywords", "error", "sentence"),
    [
        ({"tools": [now]}, ToolDefinitionError, "takes ToolSpecs, and this is a Tool; give functions and"),
        ({"tools": [now.spec, now.spec]}, ToolDefinitionError, "Two tools are called 'now'"),
        (
            {"tools": [now.spec], "tool_choice": "then"},
            ToolDefinitionError,
            "tool_choice='then' is none of the tools, and they are: now",
        ),
        ({"tool_choice": "now"}, ToolDefinitionError, "none of the tools, and there are none"),
        ({"answer_schema": City}, SchemaError, "answer_schema is a ModelMetaclass; give AnswerSchema.of"),
    ],
)
@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_what_is_refused(
    wire: Wire, keywords: Mapping[str, object], error: type[MiniAgentsError], sentence: str
) -> None:
    """What makes no sense is an error that says what to do, before anything is sent."""
    async with asking(wire, sse(*wire.good("Hello"))) as asked:
        with pytest.raises(error, match=sentence):
            await asked.inquire(**keywords)
        assert asked.server.requests == []


REQUESTS: list[tuple[Wire, Mapping[str, object], Mapping[str, object]]] = [
    (
        CHAT,
        {},
        {
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "now",
                        "description": "Tell the time.",
                        "parameters": {
                            "type": "object",
                            "properties": {},
                            "additionalProperties": False,
                        },
                    },
                }
            ],
            "tool_choice": {"type": "function", "function": {"name": "now"}},
            "response_format": {
                "type": "json_schema",
                "json_schema": {
                    "name": "City",
                    "description": "A city.",
                    "schema": SCHEMA,
                    "strict": True,
                },
            },
        },
    ),
    (
        RESPONSES,
        {"text": {"verbosity": "low"}},
        {
            "tools": [
                {
                    "type": "function",
                    "name": "now",
                    "description": "Tell the time.",
                    "parameters": {"type": "object", "properties": {}, "additionalProperties": False},
                    "strict": False,
                }
            ],
            "tool_choice": {"type": "function", "name": "now"},
            "text": {
                "verbosity": "low",
                "format": {
                    "type": "json_schema",
                    "name": "City",
                    "description": "A city.",
                    "schema": SCHEMA,
                    "strict": True,
                },
            },
        },
    ),
    (
        ANTHROPIC,
        {"output_config": {"effort": "low"}},
        {
            "tools": [
                {
                    "name": "now",
                    "description": "Tell the time.",
                    "input_schema": {"type": "object", "properties": {}, "additionalProperties": False},
                }
            ],
            "tool_choice": {"type": "tool", "name": "now"},
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SCHEMA}},
        },
    ),
]


@pytest.mark.parametrize(("wire", "extra", "fields"), REQUESTS, ids=["chat", "responses", "anthropic"])
async def test_requests(wire: Wire, extra: Mapping[str, object], fields: Mapping[str, object]) -> None:
    """Tools, the one that must be called, and the schema stand where the provider wants them."""
    async with asking(wire, sse(*wire.good("Hello")), extra=extra) as asked:
        await asked.inquire(tools=[now.spec], tool_choice="now", answer_schema=AnswerSchema.of(City))
        await asked.inquire()
    told, plain = (request.json for request in asked.server.requests)
    assert {name: told[name] for name in fields} == fields
    assert {name: plain.get(name) for name in fields} == {
        name: extra.get(name) for name in fields
    }  # nothing of it where nothing is wanted


async def test_anthropic_takes_no_recursion() -> None:
    """A type that contains itself is refused by Anthropic's schema mode, so it is not sent."""
    async with asking(ANTHROPIC, sse(*ANTHROPIC.good("Hello"))) as asked:
        with pytest.raises(LLMConfigError, match=r"Tree does; use as_type\(..., mode='tool'\)"):
            await asked.inquire(answer_schema=AnswerSchema.of(Tree))
        assert asked.server.requests == []
    said = await reply_to(CHAT, sse(*chat("Hello")), answer_schema=AnswerSchema.of(Tree))
    assert str(said) == "Hello"


def test_beside() -> None:
    """What the user added stays; what is no mapping is the provider's to refuse."""
    assert beside({"a": 1}, b=2, c=None) == {"a": 1, "b": 2}
    assert beside("words", b=2) == "words"
    assert beside({"a": 1}, b=None) == {"a": 1}


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_every_provider_can_be_given_tools(wire: Wire) -> None:
    """`with_tools` sends the specs of the tools, and an answer without calls is the final one."""
    async with asking(wire, sse(*wire.good("Hello"))) as asked:
        assert str(await asked.agent.with_tools(now).inquire("Hi").final) == "Hello"
    (request,) = asked.server.requests
    (told,) = cast("Sequence[Mapping[str, object]]", request.json["tools"])
    assert "now" in str(told)


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_a_schema_that_is_refused(wire: Wire) -> None:
    """A provider that refuses a schema is a typed error that says what to do; nothing is asked again."""
    told = {"error": {"type": "invalid_request_error", "message": "Invalid schema for 'now': too deep."}}
    async with asking(wire, answer(400, told)) as asked:
        with pytest.raises(LLMStatusError) as caught:
            await asked.agent.with_tools(now).inquire("Hi")
        with pytest.raises(LLMStatusError) as caught_too:
            await asked.agent.as_type(City).inquire("Hi")
        with pytest.raises(LLMStatusError) as caught_without:
            await asked.inquire()
    for error in (caught.value, caught_too.value):
        assert "Invalid schema for 'now': too deep.; correct what it complains about; if it is a" in str(
            error
        )
        assert "use as_type(..., mode='tool')" in str(error)
        assert error.status == 400
    assert "as_type" not in str(caught_without.value)
    assert len(asked.server.requests) == 3
