"""Eliza's answers, and the agent that gives them."""

import asyncio
from functools import cache

import pytest
from hypothesis import given, strategies as st

from miniagents import AssistantMessage, Message, MiniAgents, SystemMessage, UserMessage
from miniagents.ext.eliza import eliza_agent
from miniagents.ext.eliza._eliza import MAX_REMEMBERED, Eliza
from miniagents.ext.eliza._script import MAX_CLAUSE, MAX_WORD, load_script, read_script

SMALL = """
greeting = ["hello"]
farewell = ["bye", "so long"]
farewell_phrases = ["good bye"]
silence = ["mute"]
repeated = ["again"]
fallback = ["hm", "well"]
before = { "i'm" = "i am" }
reflect = { "i am" = "you are", i = "you", my = "your", you = "I" }
reflect_last = { you = "me" }
classes = { pet = ["dog", "cat"] }
keyword = [
    { name = "my", rank = 2, rule = [
        { when = "* my +", say = ["your {2}?", "so, your {2}"], remember = ["back to your {2}"] },
    ] },
    { name = "am", rank = 1, rule = [
        { when = "* i am +", say = ["why {2}?"] },
        { when = "am i *", goto = "deep" },
    ] },
    { name = "pet", words = ["dog", "cat"], rank = 5, rule = [{ when = "@pet *", say = ["a {1} {2}"] }] },
    { name = "deep", rank = 0, rule = [{ when = "* rich *", say = ["gold"] }] },
    { name = "so", rank = 3, rule = [{ when = "so *", goto = "deep" }] },
]
"""


@cache
def small() -> Eliza:
    return Eliza(read_script(SMALL))


@cache
def whole() -> Eliza:
    return Eliza(load_script())


def talk(eliza: Eliza, *texts: str) -> list[str]:
    answers: list[str] = []
    state = eliza.start
    for text in texts:
        state, answer = eliza.respond(state, text)
        answers.append(answer)
    return answers


def test_answers_of_a_rule_take_turns() -> None:
    """The same rule gives its answers one after the other, then from the first again."""
    assert ["Your a?", "So, your b", "Your c?"] == talk(small(), "my a", "my b", "my c")


def test_the_higher_rank_is_answered_first() -> None:
    """Of two keywords the one of the higher rank answers, wherever it stands, in whatever clause."""
    assert ["Your arm?"] == talk(small(), "I am sad about my arm")
    assert ["Your arm?"] == talk(small(), "I am sad. It is my arm")


def test_a_keyword_that_does_not_fit_leaves_it_to_the_next() -> None:
    """When no pattern of a keyword fits, the next keyword is asked, also through a goto."""
    assert ["Your dog?"] == talk(small(), "my dog")
    assert ["Why sad?"] == talk(small(), "so I am sad")


def test_goto_uses_the_rules_of_another_keyword() -> None:
    """A goto answers with the other keyword's rules."""
    assert ["Gold"] == talk(small(), "am I rich")


def test_pieces_are_said_back_from_the_other_side() -> None:
    """Pronouns turn round, short forms are read as whole words, names keep their capitals."""
    assert ["Why cross with you and Anna?"] == talk(small(), "Well, I'm cross with I and Anna")
    assert ["Why what I said to me?"] == talk(small(), "I am what you said to you")


def test_what_was_remembered_comes_back_when_nothing_fits() -> None:
    """The oldest remark comes first, each once; then the fallbacks take their turns."""
    answers = talk(small(), "my a", "my b", "x", "y", "z", "v", "w")
    assert ["Back to your a", "Back to your b", "Hm", "Well", "Hm"] == answers[2:]


def test_the_memory_is_bounded() -> None:
    """Only the latest remarks are kept."""
    state = small().replay(f"my {number}" for number in range(MAX_REMEMBERED + 5))
    assert MAX_REMEMBERED == len(state.remembered)
    assert "back to your 5" == state.remembered[0].lower()


def test_saying_goodbye_is_answered() -> None:
    """A farewell as a whole message is answered by one; inside a sentence it is none."""
    assert ["Bye", "So long", "Hm"] == talk(small(), "Good bye!", "good bye", "a good bye x")


@pytest.mark.parametrize("text", ["", " \n", "...", "\x00\x1b", "?!"])
def test_no_words_are_answered_as_silence(text: str) -> None:
    """A message without words is silence."""
    assert ["Mute"] == talk(small(), text)


def test_a_repetition_is_noticed() -> None:
    """The same words twice in a row are a repetition, whatever the punctuation; short answers are not."""
    assert ["Why very sad?", "Again"] == talk(small(), "I am very sad", "I am very sad!!")
    assert ["Hm", "Well"] == talk(small(), "yes", "yes")


def test_the_state_is_a_value() -> None:
    """The same state and text give the same answer, and the old state stays as it was."""
    state, _ = small().respond(small().start, "my a")
    assert small().respond(state, "my b") == small().respond(state, "my b")
    assert {} == small().start.used


REMARKS = st.sampled_from(["my dog", "I am sad", "because", "no", "bye"])


@given(st.lists(st.one_of(st.text(), REMARKS), max_size=6))
def test_replay_gives_the_state_the_conversation_came_to(texts: list[str]) -> None:
    """The state needs no keeping: it can be had from what the partner said."""
    state = whole().start
    for text in texts:
        state, _ = whole().respond(state, text)
    assert state == whole().replay(texts)


WORDS = st.sampled_from(sorted({word for keyword in load_script().keyword for word in keyword.heard}))


@given(st.one_of(st.text(), st.lists(st.one_of(WORDS, st.text(max_size=3)), max_size=20).map(" ".join)))
def test_any_text_has_an_answer_of_one_printable_line(text: str) -> None:
    """No text makes it raise, and nothing unprintable, no slot and no half sentence comes back."""
    state, answer = whole().respond(whole().start, text)
    assert answer
    assert answer.isprintable()
    assert len(answer) < 400 + 2 * MAX_CLAUSE * (MAX_WORD + 1)
    assert all(remark.isprintable() for remark in state.remembered)


def test_braces_of_the_partner_are_only_text() -> None:
    """What the partner says is no template."""
    assert ["Your x{1}x x{0}x x{x?"] == talk(small(), "my x{1}x x{0}x x{x")


def test_a_huge_text_takes_no_longer_than_what_is_read_of_it() -> None:
    """Ten million characters get an answer as short as a few do."""
    (answer,) = talk(whole(), "i am " * 2_000_000)
    assert len(answer) < 1_000


def test_every_answer_of_the_script_starts_with_a_capital_and_ends_a_sentence() -> None:
    """The script is written in whole sentences."""
    script = load_script()
    rules = [rule for keyword in script.keyword for rule in keyword.rule]
    lines = [line for rule in rules for line in (*rule.say, *rule.remember)]
    lines += [*script.fallback, *script.silence, *script.repeated, *script.farewell, *script.greeting]
    for line in lines:
        assert line[0].isupper() or line[0] == "{"
        assert line[-1] in ".?!"


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
