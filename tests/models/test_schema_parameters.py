"""Tools of a JSON schema that is known only at run time: `Tool.from_schema`."""

import asyncio
import json
import sys
from collections.abc import AsyncGenerator, Mapping

import pytest

from miniagents import AssistantMessage, MiniAgents, SchemaError, Tool, ToolArgumentsError, ToolCall
from miniagents.parts import AgentPart, ToolResult
from miniagents.testing import scripted_model

CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "minLength": 2}, "days": {"type": "integer", "maximum": 9}},
    "required": ["city"],
    "additionalProperties": False,
}


def echo(given: dict[str, object]) -> dict[str, object]:
    return given


def of(schema: Mapping[str, object]) -> Tool[[dict[str, object]], dict[str, object]]:
    return Tool.from_schema("echo", "Says it again.", schema, echo)


async def test_called() -> None:
    """Arguments that fit are given as one dict, to a function, an async function or from Python."""

    async def later(given: dict[str, object]) -> str:
        await asyncio.sleep(0)
        return str(given["city"])

    assert await of(CITY).invoke('{"city": "Oslo"}') == '{"city":"Oslo"}'
    assert await Tool.from_schema("later", "", CITY, later).invoke('{"city": "Oslo"}') == "Oslo"
    assert of(CITY)({"city": "Oslo"}) == {"city": "Oslo"}
    assert of(CITY).spec.parameters["required"] == ("city",)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ("{}", "'city' is a required property"),
        ('{"city": "O"}', "city: 'O' is too short"),
        ('{"city": "Oslo", "days": 10}', "days: 10 is greater than the maximum of 9"),
        ('{"city": "Oslo", "day": 1}', "Additional properties are not allowed ('day' was unexpected)"),
        ('{"city": 1, "days": "x"}', "city: 1 is not of type 'string'; days: 'x' is not of type 'integer'"),
        ("[1]", "Input should be an object"),
        *(
            (
                f'{{"city": "Oslo", "days": {number}}}',
                "a number is infinite or NaN, which JSON does not have",
            )
            for number in ("NaN", "-Infinity", "1e999")
        ),
    ],
)
async def test_arguments_that_do_not_fit(arguments: str, text: str) -> None:
    """Each field that does not fit is named, with what is wrong; so are numbers that are no JSON."""
    with pytest.raises(ToolArgumentsError) as caught:
        await of(CITY).invoke(arguments)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({}, '{"anything": 1}', "[]"),
        ({"type": "object"}, "{}", '"text"'),
        ({"properties": {"x": True, "y": False}}, '{"x": 1}', '{"y": 1}'),
        (
            {"properties": {"x": {"$ref": "#/$defs/x"}}, "$defs": {"x": {"type": "integer"}}},
            '{"x": 1}',
            '{"x": "1"}',
        ),
        (
            {"properties": {"x": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}},
            '{"x": null}',
            '{"x": ""}',
        ),
        ({"type": ["object", "null"], "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}, '{"y": 1}', "{}"),
        (
            {
                "properties": {"x": {"$ref": "#/$defs/t"}},
                "$defs": {"t": {"items": {"$ref": "#/$defs/t"}, "type": "array"}},
            },
            '{"x": [[], [[]]]}',
            '{"x": [[1]]}',
        ),
        (
            {
                "$schema": "http://json-schema.org/draft-07/schema#",
                "properties": {"x": {"items": [{"type": "integer"}]}},
            },
            '{"x": [1]}',
            '{"x": [""]}',
        ),
    ],
)
async def test_odd_schemas(schema: Mapping[str, object], good: str, bad: str) -> None:
    """References, alternatives, boolean schemas, missing properties and older dialects are understood."""
    tool = of(schema)
    assert tool.spec.parameters["type"] == "object"
    assert "properties" in tool.spec.parameters
    await tool.invoke(good)
    with pytest.raises(ToolArgumentsError):
        await tool.invoke(bad)


async def test_patterns() -> None:
    """Regular expressions are told and not matched: one of a stranger could take for ever, or be none."""
    schema: dict[str, object] = {
        "properties": {"x": {"type": "string", "pattern": "(a+)+$"}, "y": {"pattern": r"\p{L}"}},
        "patternProperties": {"(b+)+$": False, r"\p{L}": False},
        "additionalProperties": False,
        "unevaluatedProperties": False,
    }
    tool = of(schema)
    await tool.invoke(f'{{"x": "{"a" * 200}!", "y": "1", "{"b" * 200}!": 1}}')
    assert "(a+)+$" in str(tool.spec.parameters)


async def test_checks_that_would_take_too_long() -> None:
    """If each level of nesting doubles the work, the check stops, and the model is told so."""
    lists: dict[str, object] = {"type": "array", "items": {"$ref": "#/$defs/lists"}}
    tool = of({"properties": {"x": lists}, "$defs": {"lists": {"anyOf": [lists, {**lists, "minItems": 1}]}}})
    assert await tool.invoke(f'{{"x": {"[" * 8}{"]" * 8}}}')
    with pytest.raises(ToolArgumentsError, match=r"take too long to check.*; give fewer of them"):
        await tool.invoke(f'{{"x": {"[" * 60}1{"]" * 60}}}')
    with pytest.raises(ToolArgumentsError, match=r"x: 1 is not of type 'array'"):
        await tool.invoke('{"x": 1}')


async def test_unique_items() -> None:
    """Whether items are unique is found in linear time; true is not 1, and 1.0 is."""
    tool = of({"properties": {"x": {"uniqueItems": True}}})
    await tool.invoke(json.dumps({"x": [{"number": number} for number in range(10_000)]}))
    await tool.invoke(
        '{"x": [1, true, [1], [true], {"a": 0}, {"a": false}, {}, [], null, "1", [1, 2], [2, 1]]}'
    )
    for same in ("1, 1.0", '{"a": 1, "b": [2]}, {"b": [2.0], "a": 1}', "[true], 3, [true]", "null, null"):
        with pytest.raises(ToolArgumentsError, match=r"x: .* has non-unique elements"):
            await tool.invoke(f'{{"x": [{same}]}}')
    assert await of({"properties": {"x": {"uniqueItems": False}}}).invoke('{"x": [1, 1]}')


@pytest.mark.parametrize(
    ("schema", "text"),
    [
        ({"type": "string"}, 'has the type "string", but arguments are an object'),
        ({"type": ["array", "null"]}, "but arguments are an object"),
        ({"type": "strange"}, "arguments are an object"),
        ({"properties": {"x": {"type": "strange"}}}, "is not a JSON schema: 'strange' is not valid"),
        ({"properties": []}, "is not a JSON schema"),
        ({"default": object()}, "is not JSON: it contains an object of type object"),
        ({"default": float("nan")}, "is not JSON"),
        ({"description": "x" * 1_000_001}, "at most 1,000,000 are read"),
        (True, "is a bool; give a JSON schema as a dict"),
    ],
)
def test_no_schemas(schema: Mapping[str, object], text: str) -> None:
    """What is no schema of an object is refused, and the text names the tool."""
    with pytest.raises(SchemaError) as caught:
        of(schema)
    assert str(caught.value).startswith("The schema of the tool echo ")
    assert text in str(caught.value)


async def test_references_that_lead_nowhere() -> None:
    """A reference without end, or to what is not there, is an error that says so; nothing is fetched."""
    with pytest.raises(SchemaError, match="refers to itself without end"):
        await of({"properties": {"x": {"$ref": "#/properties/x"}}}).invoke('{"x": 1}')
    with pytest.raises(SchemaError, match="has a reference that it does not define"):
        await of({"properties": {"x": {"$ref": "http://127.0.0.1:9/x"}}}).invoke('{"x": 1}')
    nested: dict[str, object] = {}
    for _ in range(5000):
        nested = {"not": nested}
    with pytest.raises(SchemaError):
        of({"properties": {"x": nested}})


def test_refused() -> None:
    """Names and timeouts are refused as those of other tools."""
    with pytest.raises(SchemaError, match="cannot be the name of a tool"):
        Tool.from_schema("a.b", "", {}, echo)
    with pytest.raises(SchemaError, match="is not a positive number"):
        Tool.from_schema("echo", "", {}, echo, timeout=0)


def test_without_jsonschema(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without jsonschema the error says what to install."""
    monkeypatch.setitem(sys.modules, "jsonschema.validators", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'miniagents\[schema\]'"):
        of({})


async def test_streams() -> None:
    """What an async generator yields on the way streams; it is closed as soon as its result is there."""
    steps: list[str] = []

    async def count(given: dict[str, object]) -> AsyncGenerator[AgentPart | object]:
        try:
            yield AgentPart(("count",), "one, ")
            yield AgentPart(("count",), "two, ")
            yield {"last": given["last"]}
            steps.append("too far")
        finally:
            steps.append("closed")

    tool = Tool.from_schema("count", "Counts.", {}, count)
    call = ToolCall("1", "count", '{"last": 3}')
    model = scripted_model(AssistantMessage(parts=[call]), "Done.")
    async with MiniAgents():
        parts = [part async for part in model.with_tools(tool).inquire("Count!").parts]
    ways = [part for part in parts if isinstance(part, AgentPart)]
    results = [part for part in parts if isinstance(part, ToolResult)]
    assert ways == [AgentPart(("count",), "one, "), AgentPart(("count",), "two, ")]
    assert results == [ToolResult("1", '{"last":3}', name="count")]
    assert steps == ["closed"]
    assert await tool.invoke('{"last": 3}') == '{"last":3}'


async def test_a_generator_without_a_result() -> None:
    """An async generator that yields no result has the empty one."""

    async def silent(_: dict[str, object]) -> AsyncGenerator[AgentPart]:
        yield AgentPart(("silent",), "...")

    assert await Tool.from_schema("silent", "", {}, silent).invoke() == ""
