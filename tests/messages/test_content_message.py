"""Messages of parts: what is their text, what is their content."""

from collections.abc import AsyncGenerator

import pytest

from miniagents.messages import AssistantMessage, Message, ToolMessage, UserMessage
from miniagents.streams import PromisingContext
from miniagents.values import (
    Citation,
    Content,
    Image,
    Part,
    Reasoning,
    Refusal,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)

CAT = Image(path="cat.png")
CALL = ToolCall("call-1", "look")
RESULTS = (ToolResult("1", "a"), ToolResult("2", "b"))


@pytest.mark.parametrize(
    ("message", "text", "content"),
    [
        (UserMessage("Hi"), "Hi", ("Hi",)),
        (UserMessage(""), "", ()),
        (UserMessage("Hi", parts=[CAT]), "Hi", ("Hi", CAT)),
        (UserMessage(parts=[CAT]), "", (CAT, "")),
        (UserMessage(parts=["Is ", CAT, "a cat?"]), "Is a cat?", ("Is ", CAT, "a cat?")),
        (AssistantMessage(parts=[Refusal("No.")]), "No.", (Refusal("No."),)),
        (AssistantMessage("New", parts=[CALL, "Old", CALL]), "New", (CALL, "New", CALL)),
        (AssistantMessage("New", parts=[Reasoning("Hm."), CALL]), "New", ("New", Reasoning("Hm."), CALL)),
        (ToolMessage(parts=RESULTS), "a\n\nb", RESULTS),
    ],
)
def test_content(
    message: UserMessage | AssistantMessage | ToolMessage, text: str, content: tuple[Content, ...]
) -> None:
    """The text is that of the parts unless it is given; the content has both."""
    assert (message.text, message.content) == (text, tuple(each for each in content if each != ""))


@pytest.mark.parametrize(
    ("parts", "kept"),
    [
        (["Hi"], ()),
        (["Let me ", "look."], ()),
        (["Let me ", "look.", CALL, "Now", "."], ("Let me look.", CALL, "Now.")),
    ],
)
async def test_texts_in_a_row(parts: list[str | ToolCall], kept: tuple[Content, ...]) -> None:
    """Texts in a row are one, and text alone is no part: such messages are equal to those that stream."""
    message = AssistantMessage(parts=parts)
    assert (kept, "".join(each for each in parts if isinstance(each, str))) == (message.parts, message.text)

    async def stream(_: object) -> AsyncGenerator[Part]:
        for part in parts:
            yield ToolCallDelta(0, part.id, part.name, part.arguments) if isinstance(part, ToolCall) else part

    async with PromisingContext():
        streamed = await AssistantMessage.promise_of_parts(stream)
        assert message == streamed
        assert message.hash_key == streamed.hash_key


@pytest.mark.loop(timeout=10)
def test_many_texts_in_a_row() -> None:
    """Texts in a row are joined at once: 400,000 of them take some ms, not a minute."""
    assert "word " * 400_000 == AssistantMessage(parts=["word "] * 400_000).text


def test_changed_text() -> None:
    """A text that was changed takes the place of the old one; what is no text stays."""
    message = AssistantMessage(parts=[Reasoning("Hm."), "old", Citation("x"), " text"])
    changed = message.model_copy(update={"text": "new"})
    assert changed.content == changed.parts == (Reasoning("Hm."), "new", Citation("x"))
    assert "old" not in changed.model_dump_json()
    assert () == UserMessage("old", parts=["old", CAT]).model_copy(update={"text": "new", "parts": ()}).parts
    assert (CAT,) == UserMessage("old", parts=[CAT]).model_copy(update={"text": ""}).parts


def test_only_declared_classes_read_parts() -> None:
    """A plain message keeps what is called parts as data, like anything else."""
    assert Message("Hi", parts=["a"]).model_extra == {"parts": ("a",)}


def test_json() -> None:
    """Parts come back from JSON, each as what it was."""
    message = UserMessage("Hi", parts=[Image(data=b"\x00\xff", media_type="image/png"), "Hi"])
    assert UserMessage.model_validate_json(message.model_dump_json()) == message
    assert UserMessage("Hi").model_dump_json() == '{"text":"Hi"}'


@pytest.mark.parametrize("parts", [5, "text", [5], [{"kind": "poem"}], [{"text": "a"}]])
def test_wrong_parts(parts: object) -> None:
    """What is no content is refused."""
    with pytest.raises(ValueError, match="parts"):
        UserMessage.model_validate({"text": "Hi", "parts": parts})
