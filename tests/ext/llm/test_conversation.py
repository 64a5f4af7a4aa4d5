"""Messages become turns."""

import pytest

from miniagents import AssistantMessage, ErrorMessage, LLMConfigError, Message, SystemMessage, UserMessage
from miniagents.ext.llm import Conversation, Turn, conversation_of, joined_turns


def test_roles() -> None:
    """The role is that of the class, or a plain message's own data."""
    messages = [Message("a"), UserMessage("b"), AssistantMessage("c"), Message("d", role="assistant")]
    conversation = conversation_of(messages)
    assert [turn.role for turn in conversation.turns] == ["user", "user", "assistant", "assistant"]


def test_system() -> None:
    """The system texts are gathered in order, the agent's own first, wherever they stand."""
    messages = [SystemMessage("one"), Message("a"), SystemMessage("two"), Message("three", role="developer")]
    expected = Conversation("zero\n\none\n\ntwo\n\nthree", (Turn("user", "a"),))
    assert conversation_of(messages, "zero") == expected


def test_left_out() -> None:
    """Errors and messages without text are left out."""
    messages = [Message("a"), ErrorMessage("it broke"), Message("  "), Message(""), AssistantMessage("b")]
    assert conversation_of(messages, " ") == Conversation("", (Turn("user", "a"), Turn("assistant", "b")))


def test_data_and_templates() -> None:
    """A message without text is shown as its data, as everywhere."""
    assert conversation_of([Message(number=7)]).turns[0].text == '{"number":7}'


@pytest.mark.parametrize(
    ("messages", "hint"),
    [([], "nothing"), ([SystemMessage("x")], "nothing"), ([ErrorMessage("x")], "1 error message left out")],
)
def test_nothing_to_answer(messages: list[Message], hint: str) -> None:
    """A conversation in which nobody said anything is refused, and why is told."""
    with pytest.raises(LLMConfigError, match=hint):
        conversation_of(messages)


def test_unknown_role() -> None:
    """An unknown role is refused, with its place."""
    with pytest.raises(LLMConfigError, match="message 1 has the unknown role 'tool'"):
        conversation_of([Message("a"), Message("b", role="tool")])


def test_halves_of_characters() -> None:
    """Text that no request could carry is made encodable."""
    assert conversation_of([Message("a")], "x\ud83d").system == "x\N{REPLACEMENT CHARACTER}"


def test_joined_turns() -> None:
    """Neighbours of one role become one turn; others stay."""
    turns = [Turn("user", "a"), Turn("user", "b"), Turn("assistant", "c"), Turn("user", "d")]
    assert joined_turns(turns) == (Turn("user", "a\n\nb"), Turn("assistant", "c"), Turn("user", "d"))
    assert joined_turns([]) == ()
