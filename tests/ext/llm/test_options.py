"""The keywords of the providers' agents: the same for all, checked; what tools and schemas become."""

import ast
import inspect
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from math import inf
from types import MappingProxyType, ModuleType
from typing import cast

import pytest
from pydantic import BaseModel

from miniagents import (
    AnswerSchema,
    LLMConfigError,
    LLMStatusError,
    MiniAgentsError,
    SchemaError,
    tool,
)
from miniagents.ext.llm import Wanted, _options, anthropic, openai, openai_responses
from miniagents.ext.llm._options import ModelOptions, beside, options_of
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
        ({"tools": [now]}, SchemaError, "takes ToolSpecs, but this is a Tool; give functions and"),
        ({"tools": [now.spec, now.spec]}, SchemaError, "Two tools are called 'now'"),
        (
            {"tools": [now.spec], "tool_choice": "then"},
            SchemaError,
            "tool_choice='then' is not the name of a tool; give one of: now",
        ),
        ({"tool_choice": "now"}, SchemaError, "not the name of a tool; there are no tools"),
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


@pytest.mark.parametrize("wire", WIRES, ids=repr)
async def test_tools_of_both(wire: Wire) -> None:
    """W4: `extra={"tools": [...]}` is sent beside the tools of `with_tools` and of `as_type(mode="tool")`."""
    search = {"type": "web_search_20250305", "name": "web_search"}
    async with asking(wire, sse(*wire.good("Hello")), extra={"tools": [search]}) as asked:
        await asked.agent.with_tools(now).inquire("Hi")
        with pytest.raises(MiniAgentsError):
            await asked.agent.as_type(City, mode="tool", repairs=0).inquire("Hi")
        await asked.inquire("Hi")
        with pytest.raises(LLMConfigError, match="another name"):
            await asked.agent.with_tools(now).inquire("Hi", extra={"tools": [{"name": "now"}]})
        with pytest.raises(LLMConfigError, match="give a list"):
            await asked.agent.inquire("Hi", extra={"tools": {"name": "now"}})
        sent = [cast("list[dict[str, object]]", each.json["tools"]) for each in asked.server.requests]
    names = [
        [cast("dict[str, object]", each.get("function", each))["name"] for each in tools] for tools in sent
    ]
    assert [["now", "web_search"], ["answer", "web_search"], ["web_search"]] == names
    assert all(tools[-1] == search for tools in sent)


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


OWN_KEYWORDS = MappingProxyType(
    {
        "openai_agent": {"needs_finish_reason", "thinking_tag"},
        "openai_responses_agent": {"keep_reasoning"},
        "anthropic_agent": set[str](),
    }
)
"""What only one provider's agent takes."""
_ANTHROPIC_CLIENTS = "AsyncAnthropic | AsyncAnthropicBedrock | AsyncAnthropicVertex | None"
OWN_DEFAULTS = MappingProxyType(
    {
        "openai_agent": {},
        "openai_responses_agent": {
            "first_token_timeout": 300.0,  # these models think first
            "stall_timeout": 120.0,
            "total_timeout": 1200.0,
        },
        "anthropic_agent": {},
    }
)
"""What is other than in `ModelOptions` unless it is given."""
PROVIDERS = (openai, openai_responses, anthropic)


def tree_of(module: ModuleType) -> ast.Module:
    """The source of a module."""
    return ast.parse(inspect.getsource(module))


def keywords_of(module: ModuleType) -> tuple[str, dict[str, tuple[str, object]]]:
    """The agent of a provider's module: its name, and of each keyword the type and the default."""
    (function,) = [
        each
        for each in tree_of(module).body
        if isinstance(each, ast.AsyncFunctionDef) and each.name.endswith("_agent")
    ]
    defaults = [ast.literal_eval(each) for each in function.args.kw_defaults if each is not None]
    pairs = zip(function.args.kwonlyargs, defaults, strict=True)
    return function.name, {
        each.arg: (ast.unparse(cast("ast.expr", each.annotation)), default) for each, default in pairs
    }


def options_by_source() -> dict[str, tuple[str, object]]:
    """Of each field of `ModelOptions` the type and the default."""
    (options,) = [
        each
        for each in tree_of(_options).body
        if isinstance(each, ast.ClassDef) and each.name == "ModelOptions"
    ]
    return {
        ast.unparse(each.target): (ast.unparse(each.annotation), ast.literal_eval(each.value))
        for each in options.body
        if isinstance(each, ast.AnnAssign) and each.value is not None
    }


@pytest.mark.parametrize("module", PROVIDERS)
def test_one_type_of_options(module: ModuleType) -> None:
    """Every provider's agent takes the keywords of `ModelOptions`, of the same types, with its defaults."""
    name, keywords = keywords_of(module)
    shared = {each: what for each, what in keywords.items() if each not in OWN_KEYWORDS[name]}
    options = options_by_source()
    assert [each.name for each in fields(ModelOptions)] == list(options) == list(shared)
    assert keywords.keys() - shared.keys() == OWN_KEYWORDS[name]
    for each, (kind, default) in options.items():
        expected = OWN_DEFAULTS[name].get(each, default)
        # The class of the client is the SDK's own.
        assert shared[each] == (shared[each][0] if each == "client" else kind, expected), each
    assert shared["client"][0] in {"AsyncOpenAI | None", _ANTHROPIC_CLIENTS}


@pytest.mark.parametrize("module", PROVIDERS)
def test_all_options_are_passed_on(module: ModuleType) -> None:
    """Every keyword goes into the options under its own name: the first line of an agent takes them all."""
    name, keywords = keywords_of(module)
    function = next(
        each for each in tree_of(module).body if isinstance(each, ast.AsyncFunctionDef) and each.name == name
    )
    assert "options = options_of(locals())" == ast.unparse(function.body[1])
    assert {each.name for each in fields(ModelOptions)} <= set(keywords)
    given = dict.fromkeys(keywords, 7)
    assert ModelOptions(**dict.fromkeys((each.name for each in fields(ModelOptions)), 7)) == options_of(given)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("module", PROVIDERS)
def test_each_keyword_is_described_once(module: ModuleType) -> None:
    """The docstring of an agent describes what differs at its provider, and refers to `ModelOptions` else."""
    name, keywords = keywords_of(module)
    text = next(
        ast.get_docstring(each) or ""
        for each in tree_of(module).body
        if isinstance(each, ast.AsyncFunctionDef) and each.name == name
    )
    referred = re.findall(r"^    (\w+(?:, \w+)*): see `ModelOptions`\.$", text, re.MULTILINE)
    described = re.findall(
        r"^    (\w+): (?!see )", text.partition("Args:")[2].partition("Raises:")[0], re.MULTILINE
    )
    names = [*", ".join(referred).split(", "), *described]
    assert sorted(names) == sorted(["ctx", *keywords])
    assert OWN_KEYWORDS[name] <= set(described)


def test_options_that_make_no_sense() -> None:
    """Numbers that no provider takes, and limits of time that are none, are refused by their names."""
    with pytest.raises(LLMConfigError, match=r"^max_tokens=0 "):
        ModelOptions(max_tokens=0).check()
    with pytest.raises(LLMConfigError, match=r"^stall_timeout=inf is not a positive number"):
        _ = ModelOptions(stall_timeout=inf).timeouts
    assert ModelOptions().wanted == Wanted()
