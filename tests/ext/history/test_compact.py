"""`compact`: a long conversation gets a summary in the place of its beginning."""

from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from miniagents import (
    AssistantMessage,
    Message,
    Messages,
    MiniAgent,
    MiniAgents,
    Reasoning,
    StopLoop,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
    adialog_loop,
)
from miniagents.ext._history._compact import estimated
from miniagents.ext.chat_history import ChatHistory, InMemoryChatHistory, compact
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.history_agents import in_memory_history_agent, markdown_history_agent
from miniagents.messages import Summary
from miniagents.testing import ScriptedModel
from tests.support.amounts import amount

LIMIT = 1000
YES = AssistantMessage("Yes.")  # the same object, several times


class Writer:
    """A model that writes short summaries, each with a number; it counts them."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.agent = ScriptedModel(then=self._answer).agent

    def _answer(self, messages: Messages) -> str:
        self.texts.append(str(messages))
        return f"Summary {len(self.texts)}."


def turn(chance: Random, number: int) -> list[Message]:
    """Return the messages of a random turn: a question, perhaps calls with their results, and an answer."""
    words = "word " * chance.randrange(5, 60)
    turn: list[Message] = [UserMessage(f"{number} {words}")]
    for at in range(chance.choice([0, 0, 1, 2])):
        ids = [f"call-{number}-{at}-{each}" for each in range(chance.randrange(1, 3))]
        thought = Reasoning("hm", opaque='{"signature": "s"}')
        turn.append(AssistantMessage(parts=[thought, *(ToolCall(each, "look", '{"a": 1}') for each in ids)]))
        results = [ToolResult(each, words, name="look") for each in ids]
        groups = [results] if chance.random() < 0.5 else [[each] for each in results]
        turn += [ToolMessage(parts=group) for group in groups]
    if chance.random() < 0.15:
        turn.insert(0, SystemMessage(f"rule {number}"))
    return [*turn, YES if chance.random() < 0.2 else AssistantMessage(f"answer {number} {words}")]


def check_laws(whole: Sequence[Message], sent: Sequence[Message], threshold: int) -> None:
    """Check what holds for every conversation and what is sent of it."""
    plain = [each for each in whole if not isinstance(each, Summary)]
    spoken = [each for each in plain if each.role != "system"]
    summaries = [each for each in sent if isinstance(each, Summary)]
    kept = [each for each in sent if not isinstance(each, Summary)]
    assert len(summaries) <= 1
    known = {id(each) for each in whole}
    assert all(id(each) in known for each in kept)
    system = [each for each in plain if each.role == "system"]
    assert system == [each for each in kept if each.role == "system"]
    if not summaries:
        assert [id(each) for each in plain] == [id(each) for each in sent]
        assert estimated(plain) < threshold
        return
    (summary,) = summaries
    count = len(summary.replaces)
    assert [each.hash_key for each in spoken[:count]] == list(summary.replaces)
    assert [id(each) for each in spoken[count:]] == [id(each) for each in kept if each.role != "system"]
    calls = {call.id for each in kept if isinstance(each, AssistantMessage) for call in each.tool_calls}
    results = {
        part.call_id for each in kept for part in getattr(each, "parts", ()) if isinstance(part, ToolResult)
    }
    assert calls == results
    last = [each for each in kept if each.role != "system"]
    assert estimated(sent) < threshold or estimated(last) > threshold / 2


async def test_the_laws_of_compact() -> None:
    """Laws, in 20 random dialogs of up to 25 turns, each of them sent on as it grows: 300 conversations.

    * Below the threshold the same objects are passed on; above it, only the first messages are replaced.
    * System messages stay. What stays is the same object, so parts that are opaque stay whole.
    * A call keeps its results, or goes with them.
    * A summary names what it replaces: the first messages, by their hash keys.
    * The same conversation gets the same summary; one that has grown begins with the same messages, until it
      is too long again: so a provider's cache of prompts stays warm.
    * An agent that never saw the conversation uses the summary that is kept among its messages.
    """
    chance = Random(7)  # noqa: S311 - the same cases in each run
    made = conversations = warm = 0
    async with MiniAgents():
        for _ in range(amount(7, 20)):
            writer = Writer()
            keep, at = chance.randrange(1, 9), chance.choice([0.5, 0.8])
            short = compact(model_limit=LIMIT, at=at, keep=keep, by=writer.agent)
            whole: list[Message] = [SystemMessage("Be brief.")] if chance.random() < 0.5 else []
            before: Sequence[Message] = ()
            for number in range(chance.randrange(5, 25)):
                whole += turn(chance, number)
                summaries = len(writer.texts)
                sent = await short.inquire(whole)
                check_laws(whole, sent, int(LIMIT * at))
                again = await short.inquire(list(whole))
                assert [id(each) for each in sent] == [id(each) for each in again]
                conversations += 1
                if len(writer.texts) == summaries:
                    assert list(before) == list(sent[: len(before)])
                    warm += 1
                before = sent
            made += len(writer.texts)
            kept = [each for each in before if isinstance(each, Summary)]
            stranger = Writer()
            other = compact(model_limit=LIMIT, at=at, keep=keep, by=stranger.agent)
            assert list(before) == list(await other.inquire([*whole, *kept]))
            assert [] == stranger.texts
    assert made > amount(15, 50)
    assert warm > conversations / 2


async def test_what_a_summary_is_made_of() -> None:
    """The agent gets one text: the earlier summary, and what came since, with calls and results."""
    writer = Writer()
    short = compact(model_limit=100, keep=1, by=writer.agent)
    called = AssistantMessage(parts=["Let me see.", ToolCall("1", "look", "{}")])
    answered = ToolMessage(parts=[ToolResult("1", "rain", name="look")])
    said: list[Message] = [
        UserMessage("weather? " * 20),
        called,
        answered,
        AssistantMessage("Rain."),
        UserMessage("Hm"),
    ]
    async with MiniAgents():
        (summary, last) = await short.inquire(said)
        assert "Hm" == str(last)
        assert "Summary of the conversation so far:\n\nSummary 1." == str(summary)
        assert writer.texts[0].endswith(
            "\n\nassistant: Let me see. [calls look({})]\n\ntool: [look returns: rain]\n\nassistant: Rain."
        )
        await short.inquire([*said, AssistantMessage("Sun. " * 80), UserMessage("Oh")])
        assert "user: Summary of the conversation so far:\n\nSummary 1.\n\nuser: Hm" in writer.texts[1]
        assert "rain" not in writer.texts[1]


async def test_the_count_of_a_provider() -> None:
    """What the last answer reports counts, if it is from after the summary; an estimate of the rest."""
    writer = Writer()
    short = compact(model_limit=1000, keep=2, by=writer.agent)
    said: list[Message] = [
        UserMessage("Hi"),
        AssistantMessage("Hello", usage=Usage(780, 30)),
        UserMessage("a"),
        UserMessage("b"),
    ]
    async with MiniAgents():
        sent = await short.inquire(said)
        assert [Summary, UserMessage, UserMessage] == [type(each) for each in sent]
        assert 4 == len(await short.inquire([*said, UserMessage("c")]))
        said += [AssistantMessage("c", usage=Usage(700, 10)), UserMessage("d")]
        assert 5 == len(await short.inquire(said))
        said += [AssistantMessage("c", usage=Usage(790, 10)), UserMessage("e")]
        assert 3 == len(await short.inquire(said))
        assert 2 == len(writer.texts)
        fewer = [AssistantMessage("Hello", usage=Usage(500, 30)), UserMessage("a")]
        assert fewer == list(await short.inquire(fewer))


@pytest.mark.parametrize("kind", ["memory", "markdown", "sqlite"])
async def test_histories_keep_both(kind: str, tmp_path: Path) -> None:
    """A dialog keeps all messages and the summaries; the next start of the program uses the same summary."""

    def opened() -> ChatHistory:
        if kind == "memory":
            return memory
        return (
            ChatHistoryMD(tmp_path / "c.md") if kind == "markdown" else ChatHistorySQLite(tmp_path / "c.db")
        )

    memory = InMemoryChatHistory()
    questions = [f"question {number} {'word ' * 40}" for number in range(6)]
    models: list[ScriptedModel] = []
    writers: list[Writer] = []
    async with MiniAgents():
        for part in (questions[:4], questions[4:5]):
            models.append(ScriptedModel(then="An answer."))
            writers.append(Writer())
            short = compact(model_limit=300, keep=2, by=writers[-1].agent)
            user = ScriptedModel(*part, StopLoop()).agent
            await adialog_loop(user, models[-1].agent, opened().agent, compact=short)
        whole = await opened().load()
    said = [each for each in whole if not isinstance(each, Summary)]
    assert questions[:5] == [str(each) for each in said[::2]]
    assert 10 == len(said)
    summaries = [each for each in whole if isinstance(each, Summary)]
    assert [len(writer.texts) for writer in writers] == [len(summaries), 0]
    sent = models[1].requests[0].messages
    assert str(summaries[-1]) == str(sent[0])
    assert len(said) > len(sent)


async def test_history_agents(tmp_path: Path) -> None:
    """The history agents take it as a keyword: they keep everything, and reply the short conversation."""
    agents: list[MiniAgent[Message, Message]] = []
    writer = Writer()
    short = compact(model_limit=100, keep=1, by=writer.agent)
    agents.append(in_memory_history_agent.fork(compact=short).bind())
    agents.append(markdown_history_agent.fork(history_md_file=tmp_path / "c.md", compact=short).bind())
    async with MiniAgents():
        for agent in agents:
            sent = Messages[Message]()
            for number in range(3):
                sent = await agent.inquire(UserMessage(f"{number} {'word ' * 60}"))
            assert [Summary, UserMessage] == [type(each) for each in sent]
        kept = await ChatHistoryMD(tmp_path / "c.md").load()
    assert 3 == sum(type(each) is UserMessage for each in kept)
    assert any(isinstance(each, Summary) for each in kept)


def test_what_is_refused() -> None:
    """Numbers that make no sense, and a summarizer that is no agent, are refused where they are written."""
    agent = Writer().agent
    for wrong in ({"model_limit": 0}, {"at": 0.0}, {"at": 1.5}, {"keep": 0}):
        with pytest.raises(ValueError, match=r"compact\(model_limit="):
            compact(**{"model_limit": 10, "by": agent, **wrong})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="give an agent that writes a summary"):
        compact(model_limit=10, by=print)  # type: ignore[arg-type]
    assert "compact(SCRIPTED_MODEL)" == compact(model_limit=10, by=agent).alias
