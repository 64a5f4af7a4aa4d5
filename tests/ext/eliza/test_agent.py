import asyncio

import pytest

from miniagents import AssistantMessage, Message, MiniAgents, SystemMessage, UserMessage
from miniagents.ext.eliza import eliza_agent


async def test_it_answers_the_last_user_message() -> None:
    """The answer is an assistant message that says who gave it."""
    async with MiniAgents():
        (reply,) = await eliza_agent.inquire("My brother is angry with me.")
    assert "How do you know that your brother is angry with you?" == str(reply)
    assert isinstance(reply, AssistantMessage)
    assert "eliza" == reply.model


async def test_it_streams_word_by_word() -> None:
    """Each word is a token, the space behind it with it."""
    async with MiniAgents():
        (promise,) = [promise async for promise in eliza_agent.inquire("sorry")]
        tokens = [token async for token in promise]
        assert "".join(tokens) == str(await promise)
        assert len(str(await promise).split()) == len(tokens)


async def test_what_it_says_depends_on_the_conversation_only() -> None:
    """With the whole conversation it goes on where it was: rules take turns, remarks come back."""
    talk: list[Message] = [SystemMessage("Be kind.")]
    answers: list[str] = []
    async with MiniAgents():
        for text in ["my brother is angry", "yes", "yes", "hm"]:
            talk.append(UserMessage(text))
            talk.extend(await eliza_agent.inquire(talk))
            answers.append(str(talk[-1]))
        assert answers[1] != answers[2]
        assert "brother" in answers[3]
        assert answers[3] == str(await eliza_agent.inquire(talk[:-1]))


async def test_without_a_user_message_it_greets() -> None:
    """Nothing said yet: the greeting."""
    async with MiniAgents():
        assert "Good to see you. What would you like to talk about?" == str(await eliza_agent.inquire())


@pytest.mark.loop(virtual=True)
async def test_between_words_it_waits_as_long_as_it_is_told() -> None:
    """A long delay lets the first word through at once, and only that."""
    async with MiniAgents():
        promise = await anext(aiter(eliza_agent.inquire("sorry", delay=3600.0)))
        tokens = aiter(promise)
        assert "There " == await anext(tokens)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(tokens), timeout=3599.0)
        promise.cancel()
