"""What a scripted model may be told to say."""

from hypothesis import given, strategies as st

from miniagents.core import AssistantMessage, Message, Messages
from miniagents.testing._answers import Script, words

NOTHING = Messages[Message]()


@given(st.text())
def test_words(text: str) -> None:
    """The words of a text are the text again, and each of them says something new."""
    assert "".join(words(text)) == text
    assert all(words(text))


def test_a_text_comes_word_by_word() -> None:
    """A text is cut into words with the white space behind them."""
    assert Script.of(" one  two\n", NOTHING).pieces == (" ", "one  ", "two\n")
    assert Script.of("", NOTHING).pieces == ()


def test_tokens_stay_as_they_are() -> None:
    """A sequence is the tokens, with an exception where it stands."""
    error = ValueError("cut")
    assert Script.of(["o", "ne", error], NOTHING).pieces == ("o", "ne", error)
    assert Script.of(error, NOTHING).pieces == (error,)


def test_a_message_brings_its_data() -> None:
    """The class and the data of a message are those of the answer."""

    class Rated(AssistantMessage):
        stars: int

    script = Script.of(Rated("Very good", stars=5), NOTHING)
    assert (script.pieces, script.message_class, script.metadata) == (("Very ", "good"), Rated, {"stars": 5})


def test_a_function_sees_the_conversation() -> None:
    """A function of the conversation gives any other answer, also another function."""
    conversation = Messages([Message("one"), Message("two")])
    assert Script.of(lambda messages: [str(messages[-1])], conversation).pieces == ("two",)
    assert Script.of(lambda _: lambda messages: str(messages[0]), conversation).pieces == ("one",)
