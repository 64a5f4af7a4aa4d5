"""`fallback` and `a.catching(b, ...)`: another agent takes over, also in the middle of an answer."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, reduce
from random import Random
from typing import TypeAlias, cast

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    Reasoning,
    Restart,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    Usage,
    fallback,
    identity,
    miniagent,
    model_agent,
    partial_text,
    tool,
)
from miniagents.agents._algebra._operands import Errors
from miniagents.errors import TypedAnswerError, WithdrawnError
from miniagents.parts import Part
from miniagents.testing import ScriptedModel, scripted_model
from tests.support.amounts import amount
from tests.support.speakers import Speaker, heard


class City(BaseModel):
    """A city."""

    name: str


Step: TypeAlias = Part | float | Exception


class Gone(Exception):  # noqa: N818 - the name of an error of a server
    """The model of a name."""


def model_of(name: str, steps: Sequence[Step]) -> MiniAgent[Message, AssistantMessage]:
    """Return a model that streams parts, pauses for seconds, and raises errors."""

    @miniagent(alias=name)
    async def model(ctx: InteractionContext[Message, AssistantMessage]) -> None:
        async def stream(_: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            for step in steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                else:
                    yield step

        ctx.reply(AssistantMessage.promise_of_parts(stream))

    return model


def parts_of(steps: Sequence[Step]) -> list[Part]:
    """Return what a model streams."""
    return [step for step in steps if not isinstance(step, int | float | Exception)]


def script(chance: Random, name: str) -> list[Step]:
    """Return a random answer, which may fail anywhere."""
    steps: list[Step] = []
    for number in range(chance.randrange(5)):
        word = f"{name}{number} "
        parts: list[Part] = [word, word, Reasoning(word), Usage(output_tokens=number), ToolCallDelta(0, word)]
        steps.append(chance.choice(parts))
        if chance.random() < 0.3:
            steps.append(chance.choice([1.0, 2.5]))
    if chance.random() < 0.6:
        steps.insert(chance.randrange(len(steps) + 1), Gone(name))
        steps = steps[: next(at for at, step in enumerate(steps) if isinstance(step, Gone)) + 1]
    return steps


def foreseen(scripts: Sequence[list[Step]]) -> tuple[list[Part], int, Exception | None]:
    """Return all parts that readers get, which model answers, and the error of its answer."""
    seen: list[Part] = []
    for place, steps in enumerate(scripts):
        error = next((step for step in steps if isinstance(step, Exception)), None)
        parts = parts_of(steps)
        if error is None or place == len(scripts) - 1:
            return [*seen, *parts], place, error
        if seen or any(not isinstance(part, Usage) for part in parts):  # it had begun
            seen = [*seen, *parts, Restart(f"Gone: {error}")]
    raise AssertionError


def tokens_of(parts: Sequence[Part], error: Exception | None) -> list[str]:
    """Return what readers of tokens get: nothing after what is withdrawn, and then the name of an error."""
    tokens: list[str] = []
    withdrawn = False
    for part in parts:
        if isinstance(part, Restart):
            withdrawn = withdrawn or bool(tokens)
        elif isinstance(part, str) and not withdrawn:
            tokens.append(part)
    if error is not None:
        return [*tokens, "Gone"]
    return [*tokens, "WithdrawnError"] if withdrawn else tokens


@dataclass(frozen=True)
class Read:
    """What readers of one message got."""

    parts: list[Part]
    tokens: list[str]
    whole: Message | Exception


async def read(agent: MiniAgent[Message, Message], *, at_once: bool = True) -> Read:
    """Return what readers get of the only reply of an agent: at once, or when it is complete."""
    (promise,) = [each async for each in agent.inquire("Hi")]
    if not at_once:
        await asyncio.sleep(100)
    parts: list[Part] = []
    tokens: list[str] = []

    async def read_parts() -> None:
        with suppress(Gone):
            async for part in promise.parts:
                parts.append(part)  # noqa: PERF401 - what came before an error counts

    async def read_tokens() -> None:
        try:
            async for token in promise:
                tokens.append(token)  # noqa: PERF401 - the same
        except (Gone, WithdrawnError) as error:
            tokens.append(type(error).__name__)

    await asyncio.gather(read_parts(), read_tokens())
    try:
        return Read(parts, tokens, await promise)
    except Gone as error:
        return Read(parts, tokens, error)


@pytest.mark.loop(virtual=True)
async def test_the_laws_of_fallback() -> None:
    """Laws, in 150 random chains of 2 to 4 models that fail anywhere, or do not.

    * One text: the message is that of the model that answers, as if it was inquired alone.
    * What was shown of the others is withdrawn by a `Restart`; what had not begun leaves no trace.
    * Readers of tokens get the tokens, and a `WithdrawnError` at the end if some of them were withdrawn.
    * With `hold=True` nothing is withdrawn: parts and tokens are those of the model that answers.
    * It is associative: the grouping does not change the message.
    """
    chance = Random(28)  # noqa: S311 - the same cases in each run
    restarts = 0
    async with MiniAgents():
        for _ in range(amount(50, 150)):
            scripts = [script(chance, name) for name in "abcd"[: chance.randrange(2, 5)]]
            models = [model_of(name, steps) for name, steps in zip("abcd", scripts, strict=False)]
            seen, place, error = foreseen(scripts)
            alone = await read(models[place])
            for at_once in (True, False):
                got = await read(reduce(fallback, models), at_once=at_once)
                assert Read(seen, tokens_of(seen, error), alone.whole) == got
            assert alone == await read(reduce(partial(fallback, hold=True), models))
            grouped = await read(reduce(lambda rest, first: fallback(first, rest), reversed(models)))
            assert alone.whole == grouped.whole
            if isinstance(alone.whole, Gone):
                assert "".join(alone.tokens[:-1]) == partial_text(alone.whole)
            restarts += any(isinstance(part, Restart) for part in seen)
    assert restarts > amount(10, 30)


@pytest.mark.loop(virtual=True)
async def test_going_on() -> None:
    """`after="continue"`: the other model gets the text, and appends; 100 random answers that are cut."""
    chance = Random(6)  # noqa: S311 - the same cases in each run
    async with MiniAgents():
        for _ in range(amount(35, 100)):
            words = [f"{number} " for number in range(chance.randrange(1, 6))]
            cut = chance.randrange(len(words) + 1)
            thought: list[Part] = [Reasoning("hm")] if chance.random() < 0.3 else []
            first, other = scripted_model([*thought, *words[:cut], Gone("a")]), ScriptedModel(words[cut:])
            got = await read(first.catching(other.agent, after="continue"))
            goes_on = cut > 0 and not thought
            begun = ["".join(words[:cut])] if goes_on else []
            assert ["Hi", *begun] == [str(message) for message in other.requests[0].messages]
            assert "".join(words if goes_on else words[cut:]) == str(got.whole)
            assert (not goes_on and bool(cut or thought)) == (Restart("Gone: a") in got.parts)
            assert "scripted" == getattr(got.whole, "model", None)


async def test_before_it_begins() -> None:
    """An agent that fails before it replies is replaced; what another one had replied stays."""
    async with MiniAgents():
        agent = fallback(Speaker("A", ValueError("no")).agent, Speaker("B", ["b1", "b2"], "more").agent)
        assert await heard(agent.inquire()) == [("b1", "b2"), ("more",)]
        agent = Speaker("A", "kept", ["half", ValueError("no")], "late").agent
        assert await heard(agent.catching(Speaker("B", "b1", "b2").agent).inquire()) == [
            *(("kept",), ("half",), ("b1",), ("b2",)),
        ]
        (kept, half, more) = await agent.catching(Speaker("B", "b1", "b2").agent, restart=True).inquire()
        assert ["kept", "b1", "b2"] == [str(kept), str(half), str(more)]


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("goes_on", [False, True])
async def test_a_message_that_is_read_alone(goes_on: bool) -> None:
    """Who has left the replies and holds a message gets what another agent writes in it."""
    for leaves in (False, True):
        failing, other = Speaker("A", ["one ", 5.0, Gone("a")], 3600.0), ScriptedModel(["two", " three"])
        catching = failing.agent.catching
        agent = catching(other.agent, after="continue") if goes_on else catching(other.agent, restart=True)
        async with MiniAgents():
            held = [await anext(aiter(agent.inquire()))]
            await asyncio.sleep(1)
            assert failing.ended == ["cancelled"]
            if leaves:
                held.clear()
                await asyncio.sleep(60)
                assert not other.requests
            else:
                await asyncio.sleep(5)
                assert ("one two three" if goes_on else "two three") == str(await held[0])


async def test_a_fallback_of_models() -> None:
    """Models that take over from each other are a model: with tools and types, which each of them gets."""

    @tool
    async def look() -> str:
        """Look."""
        return "rain"

    calling = AssistantMessage(parts=["Let me see. ", ToolCall("1", "look")])
    first = ScriptedModel(["I ", Gone("a")], "It rains.")
    second = ScriptedModel(calling)
    agent = fallback(first.agent, second.agent).with_tools(look)
    async with MiniAgents():
        assert ["Let me see. ", "rain", "It rains."] == [str(each) for each in await agent.inquire("?")]
        assert ["look"] == [
            spec.name for spec in cast("Sequence[ToolSpec]", second.requests[0].keywords["tools"])
        ]
        typed = fallback(scripted_model(Gone("a")), scripted_model('{"name": "Oslo"}')).as_type(City)
        assert City(name="Oslo") == await typed.inquire("?").parsed
        again = (
            scripted_model('{"name": ')
            .as_type(City, repairs=0)
            .catching(scripted_model('{"name": "Rome"}').as_type(City), restart=True)
        )
        assert City(name="Rome") == await again.inquire("?").parsed


def test_what_is_no_fallback() -> None:
    """One agent, and what is none, are refused with what to write."""
    with pytest.raises(TypeError, match=r"fallback\(\) is made of two agents or more, and this one of 1\."):
        fallback(identity)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]
    with pytest.raises(TypeError, match=r"is a value of type list; give its items: \*agents"):
        fallback([identity, identity])  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue]


async def test_fields_of_an_answer_that_is_withdrawn() -> None:
    """A reader of a field that another model answers anew gets an error that says what to do: `hold=True`."""
    first, second = scripted_model(then=['{"name": "Os', Gone("a")]), scripted_model(then='{"name": "Rome"}')
    async with MiniAgents():
        shown = fallback(first, second).as_type(City).inquire("?").field("name")
        with pytest.raises(TypedAnswerError, match=r"City\.name was already read.*, hold=True\)"):
            await shown
        held = fallback(first, second, hold=True).as_type(City).inquire("?")
        assert "Rome" == "".join(await held.field("name"))


async def test_which_errors() -> None:
    """`on` chooses the errors: by their classes, or by a function; all others are raised, in their place."""
    async with MiniAgents():
        cases: list[tuple[Errors, list[tuple[str, ...]]]] = [
            ((KeyError, ValueError), [("a",), ("b",)]),
            ((KeyError,), [("a", "no")]),
            (lambda error: str(error) == "no", [("a",), ("b",)]),
            (lambda error: not error.args, [("a", "no")]),
        ]
        for on, expected in cases:
            failing = Speaker("A", ["a", ValueError("no")]).agent
            agent = failing.catching(Speaker("B", "b").agent, on=on)
            assert expected == [
                tuple(map(str, cast("tuple[object]", each))) for each in await heard(agent.inquire())
            ]


def test_what_is_refused() -> None:
    """One agent, a class of errors that is no tuple, and models of which one cannot go on are refused."""
    model = scripted_model("Hi", alias="MODEL")
    assert "fallback(MODEL, identity, MODEL)" == fallback(model, identity, model).alias
    assert ["MODEL", "identity"] == [each.alias for each in model.catching(identity).components]
    with pytest.raises(TypeError, match="two agents or more, and this one of 1"):
        fallback(model)  # type: ignore[call-overload]
    with pytest.raises(TypeError, match=r"catching\(on=ValueError\): give a tuple, \(ValueError,\)"):
        fallback(model, model, on=ValueError)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"catching\(identity, after='continue'\): it cannot go on"):
        model.catching(identity, after="continue")

    @model_agent
    async def parrot(
        ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
    ) -> None:
        """Say nothing."""

    assert model.catching(fallback(model, model), after="continue")
    for either in (fallback(model, parrot), fallback(parrot, model)):
        with pytest.raises(TypeError, match="it cannot go on"):
            model.catching(either, after="continue")
