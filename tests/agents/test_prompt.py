"""Prompts: templates with slots through which what fills them streams."""

from collections.abc import AsyncIterator
from datetime import date
from decimal import Decimal

import pytest
import reactivex as rx

from miniagents import (
    AssistantMessage,
    Image,
    Message,
    MessageSequencePromise,
    MiniAgents,
    SystemMessage,
    UserMessage,
    identity,
    partial_text,
    prompt,
)
from miniagents.errors import MessageValidationError
from miniagents.operators import resolve
from miniagents.testing import scripted_model

_CAT = Image(url="https://example.org/cat.png")


async def test_what_fills_a_slot() -> None:
    """Texts, numbers, dates, messages, promises, sequences, streams and collections of these."""

    async def streamed() -> AsyncIterator[object]:
        yield "one"
        yield UserMessage("two")

    async with MiniAgents():
        model = scripted_model("from a model")
        given: list[tuple[object, str]] = [
            ("text", "text"),
            ("", ""),
            (3, "3"),
            (0.5, "0.5"),
            (Decimal("1.10"), "1.10"),
            (date(2024, 2, 29), "2024-02-29"),
            (AssistantMessage("said"), "said"),
            (scripted_model(["a", "b"]).inquire("Hi").tokens, "ab"),
            (model.inquire("Hi"), "from a model"),
            (["a", ["b", Message("c")]], "a\n\nb\n\nc"),
            ([], ""),
            (streamed(), "one\n\ntwo"),
            (rx.of("x", "y"), "x\n\ny"),
            ({"role": "user", "content": "from a dict"}, "from a dict"),
        ]
        for value, text in given:
            assert f"<{text}>" == str(await prompt("<{it}>").inquire(it=value)), value
        assert "<a\n\nb>" == str(await prompt("<{it}>").inquire(["a", "b"]))


async def test_what_fills_a_slot_is_no_template() -> None:
    """Braces in it stay, and name no other slot."""
    async with MiniAgents():
        agent = prompt("{a} {b} {{a}} {{}}", a="{b}{{{c.__class__}!r}")
        assert "{b}{{{c.__class__}!r} {a} {a} {}" == str(await agent.inquire("{a}"))


@pytest.mark.parametrize(
    "template",
    [
        "{}",
        "{0}",
        "{a.b}",
        "{a[0]}",
        "{a!r}",
        "{a:>9}",
        "{a:{b}}",
        "{a b}",
        "{",
        "}",
        "{a}}",
        "{a.__class__}",
    ],
)
def test_slots_are_plain_names(template: str) -> None:
    """Everything else in braces is refused when the prompt is made."""
    with pytest.raises(MessageValidationError, match=r"the prompt .*plain field names only"):
        prompt(template)
    with pytest.raises(MessageValidationError):
        prompt(SystemMessage(template))


def test_what_makes_no_prompt() -> None:
    """A value without a slot, no text, and what streams are refused when the prompt is made."""
    with pytest.raises(TypeError, match="takes no keyword 'languge'; it knows: language, text"):
        prompt("{language}: {text}", languge="French")
    with pytest.raises(TypeError, match="has at least one text"):
        prompt()
    with pytest.raises(MessageValidationError, match="without a text cannot be part of a prompt"):
        prompt(Message(city="Oslo"))
    with pytest.raises(TypeError, match="a value of type int"):
        prompt(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - what is tested
    with pytest.raises(TypeError, match="a value of type ValueError; use it as the value of a slot"):
        prompt(ValueError("no"))


async def test_slots_without_a_value_are_named() -> None:
    """One slot may be left to the messages; if more are, calling and composing the prompt names them."""
    agent = prompt("{a} {b} {c}")
    for attempt in (
        lambda: agent.inquire("x", b=1),
        lambda: agent.bind(b=1),
        lambda: agent.fork(b=1) | identity,
        lambda: rx.of("x").pipe(agent.fork(b=1)),
    ):
        with pytest.raises(TypeError, match=r"Agent PROMPT has no value for its slots a, c\. Give all"):
            attempt()
    with pytest.raises(TypeError, match="takes no keyword 'd'; it knows: a, b, c"):
        agent.fork(d=1)
    async with MiniAgents():
        assert "1 2 x" == str(await agent.fork(a=1).inquire("x", b=2))


async def test_a_slot_that_nothing_fills_is_an_error() -> None:
    """A slot left to the messages is no empty text if none is sent; the text before it has come by then."""
    async with MiniAgents():
        with pytest.raises(
            MessageValidationError, match=r"the slot \{text\} of a prompt was given no value"
        ) as caught:
            await prompt("Summarise: {text}").inquire()
        assert "Summarise: " == partial_text(caught.value)
        assert "Summarise: " == str(await prompt("Summarise: {text}").inquire(""))
        with pytest.raises(TypeError, match=r"the slot \{text\} of a prompt was given None"):
            await prompt("Summarise: {text}").inquire(text=None)
        with pytest.raises(TypeError, match=r"\{text\} of a prompt cannot be filled: a value of type object"):
            await prompt("Summarise: {text}").inquire(text=object())


async def test_messages_of_a_prompt_keep_their_class_and_data() -> None:
    """Roles as messages or as dicts, few-shot answers, images of the prompt itself: nothing else changes."""
    async with MiniAgents():
        agent = prompt(
            {"role": "system", "content": "Be {tone}."},
            [UserMessage("2 + 2?"), AssistantMessage("4", model="m-{tone}")],
            UserMessage(parts=["Is {it} ", _CAT, "?"]),
            "And you?",
            tone="brief",
        )
        assert (
            SystemMessage("Be brief."),
            UserMessage("2 + 2?"),
            AssistantMessage("4", model="m-{tone}"),
            UserMessage(parts=["Is he ", _CAT, "?"]),
            UserMessage("And you?"),
        ) == await agent.inquire("he")


async def test_what_fills_no_slot_goes_on() -> None:
    """If keywords fill all slots, or there is none, what is sent comes behind the prompt as it is."""
    async with MiniAgents():
        instructions = prompt(SystemMessage("Answer in {language}."), language="French")
        conversation = [UserMessage("Hi"), AssistantMessage("Salut"), UserMessage("Why?")]
        assert (SystemMessage("Answer in French."), *conversation) == await instructions.inquire(conversation)
        assert ["Hi {}", "you"] == [str(each) for each in await prompt("Hi {{}}").inquire("you")]
        assert ["Hi"] == [str(each) for each in await prompt("Hi").inquire()]


async def test_a_prompt_is_an_agent() -> None:
    """It stands in chains and pipes, and is forked, bound, described and wrapped as any other."""
    model = scripted_model(lambda messages: "|".join(f"{each.role}: {each}" for each in messages))
    ask = prompt(SystemMessage("Be {tone}."), "Explain {text}")
    async with MiniAgents():
        chain = ask.bind(tone="brief") | model
        assert "system: Be brief.|user: Explain rain" == str(await chain.inquire("rain"))
        assert "PROMPT | " in chain.alias
        kind = ask.fork(tone="kind").described(alias="ASK").timeout(total=60).retry()
        assert "Be kind.\n\nExplain snow" == str(await kind.inquire("snow"))
        assert "Be curt.\n\nExplain snow" == str(await kind.inquire("snow", tone="curt"))
        piped = rx.of("fog").pipe(ask.bind(tone="dry"), resolve())
        assert ["Be dry.", "Explain fog"] == [str(each) for each in await MessageSequencePromise(piped)]
        both = (prompt("A {x}") & prompt("B {x}")).inquire("y")
        assert ["A y", "B y"] == [str(each) for each in await both]
    assert "<MiniAgent PROMPT>" == repr(ask)
    assert "Fills in the prompt: Be {tone}. Explain {text}" == ask.description


async def test_slots_may_have_any_name() -> None:
    """Also those of parameters of the library and of Python."""
    names = ("self", "ctx", "values", "messages", "class", "alias")
    async with MiniAgents():
        agent = prompt(" ".join(f"{{{name}}}" for name in names))
        assert "self ctx values messages class alias" == str(
            await agent.inquire(**{name: name for name in names})
        )


async def test_a_typed_prompt() -> None:
    """The parameters of a function are its keywords, with their defaults; its body is never run."""

    @prompt(SystemMessage("Be {tone}."), "Summarise in {language}: {text}").typed
    def summarise(language: str, tone: str = "brief") -> None:
        """Asks for a summary."""
        raise AssertionError

    assert ("SUMMARISE", "Asks for a summary.") == (summarise.alias, summarise.description)
    async with MiniAgents():
        assert "Be brief.\n\nSummarise in French: x" == str(await summarise.inquire("x", language="French"))
        assert "Be dry.\n\nSummarise in French: x" == str(await summarise.inquire("x", "French", tone="dry"))
    with pytest.raises(TypeError, match="Agent SUMMARISE needs a value for: language"):
        summarise.inquire("x")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue] - what is tested
    with pytest.raises(TypeError, match="takes no keyword 'text'; it knows: language, tone"):
        summarise.fork(text="x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue] - what is tested


def test_a_typed_prompt_fits_its_slots() -> None:
    """A parameter that is no slot, several slots without a parameter, and open parameters are refused."""
    with pytest.raises(
        TypeError, match="The parameter 'languge' of f is no slot of the prompt; it has: a, b"
    ):

        @prompt("{a} {b}").typed
        def f(languge: str) -> None: ...

    with pytest.raises(
        TypeError, match=r"g has no parameter for the slots a, b\. The messages that are sent"
    ):

        @prompt("{a} {b}").typed
        def g() -> None: ...

    with pytest.raises(TypeError, match="The parameter 'slots' of h cannot be given by keyword"):

        @prompt("{a} {b}").typed
        def h(**slots: str) -> None: ...
