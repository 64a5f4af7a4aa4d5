"""Messages become turns; images and files are read before anything is sent."""

from collections.abc import AsyncGenerator, MutableMapping
from functools import partial
from pathlib import Path

import pytest

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    File,
    Image,
    LLMConfigError,
    Message,
    MiniAgents,
    Part,
    Reasoning,
    SystemMessage,
    ToolCall,
    ToolMessage,
    ToolResult,
    UserMessage,
)
from miniagents.ext.llm import Conversation
from miniagents.ext.llm._conversation import Turn, data_url, joined_turns, name_of


def test_roles() -> None:
    """The role is that of the class, or a plain message's own data."""
    messages = [Message("a"), UserMessage("b"), AssistantMessage("c"), Message("d", role="assistant")]
    conversation = Conversation.of(messages)
    assert [turn.role for turn in conversation.turns] == ["user", "user", "assistant", "assistant"]


def test_system() -> None:
    """The system texts are gathered in order, the agent's own first, wherever they stand."""
    messages = [SystemMessage("one"), Message("a"), SystemMessage("two"), Message("three", role="developer")]
    expected = Conversation("zero\n\none\n\ntwo\n\nthree", (Turn("user", ("a",)),))
    assert Conversation.of(messages, "zero") == expected


def test_left_out() -> None:
    """Errors and messages without text are left out."""
    messages = [Message("a"), ErrorMessage("it broke"), Message("  "), Message(""), AssistantMessage("b")]
    assert Conversation.of(messages, " ") == Conversation(
        "", (Turn("user", ("a",)), Turn("assistant", ("b",)))
    )


def test_data_and_templates() -> None:
    """A message without text is shown as its data, as everywhere."""
    assert Conversation.of([Message(number=7)]).turns[0].text == '{"number":7}'


@pytest.mark.parametrize(
    ("messages", "hint"),
    [([], "nothing"), ([SystemMessage("x")], "nothing"), ([ErrorMessage("x")], "1 error message left out")],
)
def test_nothing_to_answer(messages: list[Message], hint: str) -> None:
    """A conversation without a word is refused, and why is told."""
    with pytest.raises(LLMConfigError, match=hint):
        Conversation.of(messages)


def test_unknown_role() -> None:
    """An unknown role is refused, with its place."""
    with pytest.raises(LLMConfigError, match="message 1 has the unknown role 'poet'"):
        Conversation.of([Message("a"), Message("b", role="poet")])


def test_halves_of_characters() -> None:
    """Text that no request could carry is made encodable."""
    assert Conversation.of([Message("a")], "x\ud83d").system == "x\N{REPLACEMENT CHARACTER}"


def test_joined_turns() -> None:
    """Neighbours of one role become one turn; others stay."""
    turns = [Turn("user", ("a",)), Turn("user", ("b",)), Turn("assistant", ("c",)), Turn("user", ("d",))]
    assert joined_turns(turns) == (Turn("user", ("a\n\nb",)), Turn("assistant", ("c",)), Turn("user", ("d",)))
    assert joined_turns([]) == ()


CALL = ToolCall("c-1", "look", '{"at": "sky"}')
RESULT = ToolResult("c-1", "blue")


def test_parts() -> None:
    """A turn has everything that a message is made of; blank texts are left out."""
    cat = Image(path="cat.png")
    messages = [UserMessage("What?", parts=[cat]), AssistantMessage(parts=[Reasoning("Hm."), " ", CALL])]
    assert Conversation.of(messages).turns == (
        Turn("user", ("What?", cat)),
        Turn("assistant", (Reasoning("Hm."), CALL)),
    )
    assert Conversation.of(messages).attached
    assert not Conversation.of(messages[1:]).attached


def test_tools_in_an_answer() -> None:
    """An answer that holds results of tools is several turns, as the provider has seen it."""
    answer = AssistantMessage(parts=["Let me look.", CALL, RESULT, "It is blue."])
    expected = (
        Turn("assistant", ("Let me look.", CALL)),
        Turn("tool", (RESULT,)),
        Turn("assistant", ("It is blue.",)),
    )
    assert Conversation.of([answer]).turns == expected
    assert Conversation.of([ToolMessage(parts=[RESULT])]).turns == (Turn("tool", (RESULT,)),)


def test_tool_without_results() -> None:
    """What a tool says must name the call that it answers."""
    with pytest.raises(LLMConfigError, match="message 0 has the role tool and no results"):
        Conversation.of([Message("blue", role="tool")])


def test_prompt() -> None:
    """The prompt has every text that is sent, also of tools."""
    prompt = Conversation.of(
        [SystemMessage("one"), Message("two"), AssistantMessage(parts=[CALL, RESULT])]
    ).prompt
    assert all(text in prompt for text in ("one", "two", "sky", "blue"))


PNG = b"\x89PNG\r\n\x1a\n0000"


async def test_loaded(tmp_path: Path) -> None:
    """What stands at a path becomes bytes, with its type and name; the rest stays."""
    tmp_path.joinpath("cat").write_bytes(PNG)
    tmp_path.joinpath("notes.txt").write_bytes(b"Hi")
    web = Image(url="https://example.org/cat.png")
    turn = Turn("user", ("Hi", Image(path=tmp_path / "cat"), File(path=str(tmp_path / "notes.txt")), web))
    (read,) = (await Conversation("", (turn,)).loaded()).turns
    assert read.content == (
        "Hi",
        Image(data=PNG, media_type="image/png"),
        File(data=b"Hi", media_type="text/plain", name="notes.txt"),
        web,
    )


@pytest.mark.parametrize(
    ("address", "read"),
    [
        ("data:image/png;base64,Y2F0", Image(data=b"cat", media_type="image/png")),
        ("data:image/png;x=1;base64,Y2%460", Image(data=b"cat", media_type="image/png")),
        ("DATA:;BASE64,R0lGODlh", Image(data=b"GIF89a")),
        ("data:image/svg+xml,%3Csvg/%3E", Image(data=b"<svg/>", media_type="image/svg+xml")),
    ],
)
async def test_address_with_data(address: str, read: Image) -> None:
    """An address that holds its data is those bytes, for providers that read no such addresses."""
    given = Conversation("", (Turn("user", (Image(url=address),)),))
    assert (Turn("user", (read,)),) == (await given.loaded()).turns


@pytest.mark.parametrize("address", ["data:image/png;base64,", "data:image/png;base64,Y2F", "data:image/png"])
async def test_address_without_data(address: str) -> None:
    """An address that should hold data and does not is refused before anything is sent."""
    with pytest.raises(LLMConfigError, match="contains no data; give the bytes as data="):
        await Conversation("", (Turn("user", (Image(url=address),)),)).loaded()


@pytest.mark.parametrize(("content", "hint"), [(None, "cannot be read"), (b"", "is empty")])
async def test_not_loaded(tmp_path: Path, content: bytes | None, hint: str) -> None:
    """What cannot be read is told by its path."""
    path = tmp_path / "cat.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LLMConfigError, match=rf"cat\.png {hint}"):
        await Conversation("", (Turn("user", (Image(path=path),)),)).loaded()


def test_forms() -> None:
    """An attachment has an address and a name, whatever it is made of."""
    assert data_url(Image(url="https://example.org/a.png")) == "https://example.org/a.png"
    assert data_url(Image(data=b"GIF89a")) == "data:image/gif;base64,R0lGODlh"
    assert name_of(File(data=b"%PDF-")) == "file.pdf"


async def test_edited_arguments() -> None:
    """The model gets the arguments that a person has given a call, before its result."""
    note = '(A person changed the arguments of this call: it ran with {"amount": 5}.)'
    picture = Image(data=b"x")

    async def parts(result: ToolResult, metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        metadata["edited_arguments"] = '{"amount": 5}'
        yield result

    for content, sent in (("5 paid", f"{note}\n5 paid"), (("5", picture), (note, "5", picture))):
        async with MiniAgents():
            message = await ToolMessage.promise_of_parts(partial(parts, ToolResult("1", content)))
        (turn,) = Conversation.of([message]).turns
        assert (ToolResult("1", sent),) == turn.content
