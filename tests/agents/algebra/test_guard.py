"""`a.guard(...)`: checks see what an agent says before any reader does."""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from random import Random

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
    Usage,
    fallback,
    identity,
    miniagent,
    partial_text,
    tool,
)
from miniagents.errors import GuardError, WithdrawnError
from miniagents.parts import Part
from miniagents.testing import ScriptedModel, scripted_model
from tests.support.amounts import amount
from tests.support.speakers import Speaker, heard


class City(BaseModel):
    """A city."""

    name: str


class Source:
    """A model that streams parts, and counts those that were taken.

    Args:
        parts: what it streams; a number is a pause in seconds, an exception its error.
    """

    def __init__(self, parts: Sequence[Part | float | Exception]) -> None:
        self._steps = parts
        self.taken = 0
        self.closed = False

    async def _stream(self, _: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        try:
            for step in self._steps:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, int | float):
                    await asyncio.sleep(step)
                else:
                    self.taken += 1
                    yield step
        finally:
            self.closed = True

    @property
    def agent(self) -> MiniAgent[Message, AssistantMessage]:
        """The agent."""

        @miniagent
        async def source(ctx: InteractionContext[Message, AssistantMessage]) -> None:
            ctx.reply(AssistantMessage.promise_of_parts(self._stream))

        return source


def drawn(chance: Random) -> list[Part | float | Exception]:
    """Return random parts with pauses, and perhaps an error; thoughts have letters of their own."""
    steps: list[Part | float | Exception] = []
    for number in range(chance.randrange(12)):
        word = "".join(chance.choices("abc ", k=chance.randrange(1, 8)))
        thought = Reasoning("".join(chance.choices("xyz", k=chance.randrange(1, 8))))
        call = ToolCallDelta(0, word, word)
        parts: list[Part] = [word, word, word, word, thought, Usage(output_tokens=number), call]
        steps.append(chance.choice(parts))
        if chance.random() < 0.4:
            steps.append(chance.choice([1.0, 2.0]))
    if chance.random() < 0.15:
        steps.append(ValueError("broken"))
    return steps


def said(parts: Sequence[object]) -> str:
    """Return the text of parts."""
    return "".join(part for part in parts if isinstance(part, str))


def thought(parts: Sequence[object]) -> str:
    """Return the thoughts among parts."""
    return "".join(part.text for part in parts if isinstance(part, Reasoning))


class Judge:
    """A check for a word.

    Args:
        word: must not be said.
        source: of the parts.
        slow: whether it takes time.
    """

    def __init__(self, word: str, source: Source, *, slow: bool) -> None:
        self._word = word
        self._source = source
        self._slow = slow
        self.passed = ["", ""]
        self.taken = -1

    async def check(self, text: str) -> str | None:
        """Look for the word."""
        if self._slow:
            await asyncio.sleep(1.5)
        if self._word in text:
            self.taken = self._source.taken
            return f"it says {self._word}"
        self.passed[text[0] in "xyz"] = text
        return None

    def look(self, shown: Sequence[Part], hold: int) -> None:
        """Check what a reader has seen so far."""
        assert self.passed[0].startswith(said(shown))
        assert self.passed[1].startswith(thought(shown))
        if not self._source.closed:
            assert not any(isinstance(part, ToolCallDelta) for part in shown)
            seen = len(said(shown)) + len(thought(shown))
            assert not seen or sum(map(len, self.passed)) - seen >= hold


@pytest.mark.loop(virtual=True)
@pytest.mark.logs("No reader ever saw")
async def test_the_laws_of_guard() -> None:
    """Laws, in 400 random answers with words that must not be said, fast and slow checks, and any `hold`.

    * No reader ever sees a character that the check has not passed, nor, before the end, the last `hold`.
    * After a trip nothing is taken from the source, which is closed, and readers see no call of a tool.
    * A guard that does not trip changes nothing: the parts, the message and its error are the same.
    * After a trip the message has the text of the replacement; or its error, with the text that was shown.
    """
    chance = Random(5)  # noqa: S311 - the same cases in each run
    trips = 0
    async with MiniAgents():
        for _ in range(amount(130, 400)):
            steps = drawn(chance)
            word = "".join(chance.choices(chance.choice(["abc", "xyz"]), k=chance.randrange(1, 4)))
            hold, replacement = chance.choice([0, 1, 3, 40]), chance.choice([None, "No."])
            source = Source(steps)
            judge = Judge(word, source, slow=chance.random() < 0.3)
            agent = source.agent.guard(during=judge.check, hold=hold, replacement=replacement)
            (promise,) = [each async for each in agent.inquire("Hi")]
            shown: list[Part] = []
            after: list[Part] = []
            error: Exception | None = None
            try:
                async for part in promise.parts:
                    if after or isinstance(part, Restart) or part == replacement:
                        after.append(part)
                    else:
                        shown.append(part)
                        judge.look(shown, hold)
                whole = str(await promise)
            except (GuardError, ValueError) as raised:
                error, whole = raised, partial_text(raised)
            parts = [step for step in steps if not isinstance(step, int | float | Exception)]
            if word in said(parts) or word in thought(parts):
                trips += 1
                await asyncio.sleep(10)
                assert parts[: len(shown)] == shown
                assert (judge.taken, True) == (source.taken, source.closed)
                assert not any(isinstance(part, ToolCallDelta) for part in shown)
                begun = any(not isinstance(part, Usage) for part in shown)
                restart = [Restart(f"it says {word}")] if begun else []
                assert after == ([] if replacement is None else [*restart, replacement])
                assert whole == (said(shown) if replacement is None else replacement)
                assert str(error) == ("None" if replacement else f"it says {word}")
            else:
                assert (parts, []) == (shown, after)
                broken = [step for step in steps if isinstance(step, Exception)]
                assert broken == ([] if error is None else [error])
                assert whole == said(parts)
    assert amount(25, 100) < trips < 300


async def test_the_same_message() -> None:
    """A message that has passed is the very object that the agent replied, of its class, with its data."""
    whole = AssistantMessage("Hello", model="m-1", usage=Usage(1, 2))
    async with MiniAgents():
        (got,) = await identity.guard(during=lambda text: None, after=lambda text: None).inquire(whole)
        assert got is whole
        agent = Speaker("A", ["a", "b"], [], "c", ValueError("end")).agent
        expected = await heard(agent.inquire())
        assert expected == await heard(agent.guard(during=lambda text: None).inquire())


@tool
async def delete(name: str) -> str:
    """Delete a file."""
    DELETED.append(name)
    return "deleted"


DELETED: list[str] = []


def no_secret(text: str) -> str | None:
    """Refuse one word."""
    return "a secret" if "secret" in text else None


@pytest.mark.parametrize("where", ["on the model", "on the model with tools", "outside of a retry"])
async def test_calls_of_tools(where: str) -> None:
    """A8: a guard keeps calls of tools: they are made when the whole answer has passed, not if it trips."""
    DELETED.clear()
    call = ToolCall("1", "delete", '{"name": "a"}')
    for text, replacement, expected in (
        ("The log. ", None, (["The log. ", "deleted", "Done."], ["a"])),
        ("The secret. ", "No.", (["No."], ["a"])),
    ):
        model = scripted_model(AssistantMessage(parts=[call, text]), "Done.")
        if where == "on the model":
            agent = model.guard(during=no_secret, replacement=replacement).with_tools(delete)
        elif where == "on the model with tools":
            agent = model.with_tools(delete).guard(during=no_secret, replacement=replacement)
        else:
            agent = model.with_tools(delete).retry().guard(during=no_secret, replacement=replacement)
        async with MiniAgents():
            assert expected == ([str(each) for each in await agent.inquire("Delete a.")], DELETED)
            with pytest.raises(GuardError, match="a secret"):
                await scripted_model("secret").with_tools(delete).guard(during=no_secret).inquire("?")


@pytest.mark.loop(virtual=True)
async def test_before_and_after() -> None:
    """`before` judges the input while the agent works; `after` the whole, of which nothing is seen before."""
    source = Source(["one ", 5.0, "two ", 5.0, "secret"])
    loop = asyncio.get_running_loop()

    async def slowly(text: str) -> str | None:
        await asyncio.sleep(7)
        return no_secret(text)

    async with MiniAgents():
        guarded = source.agent.guard(before=slowly)
        times = [(loop.time(), token) async for token in guarded.inquire("Hi").tokens]
        assert [(7, "one "), (7, "two "), (10, "secret")] == times
        source = Source([1.0, "one ", 50.0, "two"])
        with pytest.raises(GuardError, match="a secret"):
            await source.agent.guard(before=slowly).inquire(["My", "secret"])
        assert (loop.time(), source.taken) == (17, 1)
        await asyncio.sleep(1)
        assert (source.taken, source.closed) == (1, True)
        assert "No." == str(await source.agent.guard(before=no_secret, replacement="No.").inquire("secret"))
        source = Source(["one ", 5.0, "two"])
        began = loop.time()
        whole = source.agent.guard(after=slowly).inquire("Hi")
        assert [(12, "one "), (12, "two")] == [(loop.time() - began, token) async for token in whole.tokens]
        (heard_parts,) = await heard(Source(["a ", "secret"]).agent.guard(after=no_secret).inquire("Hi"))
        assert "(GuardError('a secret'),)" == str(heard_parts)


@pytest.mark.loop(virtual=True)
async def test_the_agent_is_stopped() -> None:
    """After a trip the whole agent is stopped, and its replies end; what it was sent by others goes on."""
    speaker = Speaker("A", "fine", ["secret ", 3600.0], 3600.0, "more")
    async with MiniAgents():
        replies = speaker.agent.guard(during=no_secret).inquire()
        assert "[('fine',), (GuardError('a secret'),)]" == str(await heard(replies))
        await asyncio.sleep(1)
        assert ["cancelled"] == speaker.ended
        (sent,) = [each async for each in Speaker("B", ["secret ", 5.0, "plan"]).agent.inquire()]
        with pytest.raises(GuardError):
            await identity.guard(during=no_secret).inquire(sent)
        assert "secret plan" == str(await sent)


async def test_an_agent_that_judges() -> None:
    """A check may be an agent: OK passes, any other reply is the reason."""
    judge = ScriptedModel(lambda messages: "OK." if "fine" in str(messages) else "It is rude.")
    async with MiniAgents():
        assert "All is fine." == str(
            await scripted_model("All is fine.").guard(after=judge.agent).inquire("?")
        )
        judge = ScriptedModel("It is rude.")
        with pytest.raises(GuardError, match="It is rude"):
            await scripted_model("Go away.").guard(after=judge.agent).inquire("?")
    assert "Go away." == str(judge.requests[0].messages)


async def test_an_agent_that_does_not_judge() -> None:
    """An empty verdict lets nothing pass. A message of calls alone has no text, and no agent is asked."""
    called: list[str] = []

    @tool
    async def look(word: str) -> str:
        called.append(word)
        return "found"

    judge = ScriptedModel("", alias="JUDGE")
    async with MiniAgents():
        with pytest.raises(GuardError, match="JUDGE did not say whether it is OK"):
            await scripted_model("Go away.").guard(after=judge.agent).inquire("?")
        judge = ScriptedModel(then="OK")
        asks = AssistantMessage(parts=[ToolCall("1", "look", '{"word": "x"}')])
        model = scripted_model(asks, "All is fine.").guard(after=judge.agent).with_tools(look)
        assert "All is fine." == str((await model.inquire("?"))[-1])
    assert ["x"] == called
    assert ["All is fine."] == [str(each.messages) for each in judge.requests]


@pytest.mark.parametrize("way", ["during", "after"])
async def test_what_was_withdrawn_while_it_waited(way: str) -> None:
    """What a guard holds back and another model replaces is never shown, and needs no `Restart`."""
    seen: list[str] = []

    def check(text: str) -> str | None:
        seen.append(text)
        return "secret" if "sk-abcdefg" in text else None

    first = scripted_model(then=["key ", "sk-abc", ConnectionError("cut")])
    both = fallback(first, scripted_model(then="Sorry."))
    agent = both.guard(during=check) if way == "during" else both.guard(after=check)
    async with MiniAgents():
        (message,) = [each async for each in agent.inquire("?")]
        parts = [part async for part in message.parts]
        assert "Sorry." == str(await message)
        assert "Sorry." == "".join([token async for token in agent.inquire("?").tokens])
    assert ["Sorry."] == [part for part in parts if isinstance(part, str | Restart)]
    assert "Sorry." == seen[-1]


class Priced(Message):
    """A message that needs data."""

    cents: int


async def test_a_replacement_of_another_class() -> None:
    """The replacement is of the class of the message, unless that requires data that a text does not have."""

    @miniagent
    async def seller(ctx: InteractionContext) -> None:
        ctx.reply([Priced("A secret", cents=5)])

    async with MiniAgents():
        for agent in (seller, scripted_model("A secret")):
            (message,) = await agent.guard(during=no_secret, replacement="No.").inquire("?")
            assert (AssistantMessage, "No.") == (type(message), str(message))


async def test_a_check_that_fails() -> None:
    """The error of a check is that of the message, of which no more is seen; also a wrong result is one."""

    def broken(text: str) -> str | None:
        raise KeyError(text)

    async with MiniAgents():
        with pytest.raises(KeyError, match="Hello"):
            await scripted_model("Hello").guard(during=broken).inquire("?")
        with pytest.raises(
            TypeError, match="The check <lambda> of guard returned a bool; return None, or a text"
        ):
            await scripted_model("Hello").guard(during=lambda text: True).inquire("?")  # type: ignore[arg-type, return-value]


@pytest.mark.loop(virtual=True)
async def test_tokens_of_what_is_withdrawn() -> None:
    """Readers of tokens get an error where a replacement takes the place of text that they got."""
    source = Source(["a long beginning, ", 5.0, "secret"])
    agent = source.agent.guard(during=no_secret, hold=0, replacement="No.")
    async with MiniAgents():
        tokens: list[str] = []
        with pytest.raises(WithdrawnError, match=r"was withdrawn \(a secret\)"):  # noqa: PT012 - what comes before it counts
            async for token in agent.inquire("?").tokens:
                tokens.append(token)  # noqa: PERF401 - what came before the error counts
        assert ["a long beginning, "] == tokens


def test_what_it_is_called() -> None:
    """Its alias names the checks; what is no check is refused where it is written."""
    model = scripted_model("Hi", alias="MODEL")
    assert (
        "MODEL.guard(during=no_secret, after=identity)" == model.guard(during=no_secret, after=identity).alias
    )
    with pytest.raises(TypeError, match=r"guard\(\): give during=, before= or after="):
        model.guard()
    with pytest.raises(TypeError, match=r"guard\(during=5\): give during="):
        model.guard(during=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="AS_CITY answers with a value, and a text cannot take its place"):
        model.as_type(City).guard(during=no_secret, replacement="No.")
    with pytest.raises(ValueError, match=r"guard\(hold=-1\)"):
        model.guard(during=no_secret, hold=-1)
