"""Messages that say who speaks."""

from collections.abc import Callable
from typing import ClassVar, assert_type, cast

import pytest
from pydantic import ValidationError

from miniagents.messages import (
    AssistantMessage,
    ErrorMessage,
    Message,
    MessagePromise,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.streams import PromisingContext
from miniagents.values import FreezeError
from tests.support.sources import Source


@pytest.mark.parametrize(
    ("kind", "role"),
    [
        (Message, "user"),
        (UserMessage, "user"),
        (SystemMessage, "system"),
        (AssistantMessage, "assistant"),
        (ErrorMessage, "error"),
    ],
)
async def test_each_role(kind: type[Message], role: str) -> None:
    """The class says who speaks, of a message, of one that was streamed, and without any message."""
    async with PromisingContext():
        streamed = await kind.promise(Source(["streamed"]))
    assert (role, role, role) == (kind.role, kind("said").role, streamed.role)
    assert type(streamed) is kind
    assert "said" == str(kind("said"))
    assert "role" not in kind("said").model_dump()


def test_content_as_a_keyword() -> None:
    """The name that other libraries have for the text is refused, with what to write."""
    with pytest.raises(
        FreezeError, match=r"UserMessage\(content=\.\.\.\): give the text first, UserMessage\('"
    ):
        UserMessage(content="Hi")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_kinds_are_different() -> None:
    """Messages of the same text by different speakers are not equal and have different hash keys."""
    messages = [
        kind("same") for kind in (Message, UserMessage, SystemMessage, AssistantMessage, ErrorMessage)
    ]
    assert 5 == len(set(messages)) == len({message.hash_key for message in messages})


def test_data() -> None:
    """Each takes its own fields only where it is made; what is validated keeps any further data."""
    for kind in (UserMessage, SystemMessage, AssistantMessage, ToolMessage, ErrorMessage):
        make = cast("Callable[..., Message]", kind)
        with pytest.raises(
            ValidationError, match=rf"{kind.__name__} has no field 'txt' \(did you mean 'text'\?\)"
        ):
            make(txt="hi")
        assert {"name": "ann"} == kind.model_validate({"text": "hi", "name": "ann"}).model_extra
    assert {"name": "ann"} == Message("hi", name="ann").model_extra


def test_a_role_as_data() -> None:
    """A message may carry a role of its own, which stays with it and says nothing about its class."""
    message = Message("said", role="tool")
    assert ("tool", "user") == (message.role, Message("said").role)
    assert {"role": "tool"} == message.model_extra
    assert message != Message("said")


def test_a_class_of_ones_own() -> None:
    """A subclass has the role of its base, or one of its own."""

    class Poet(AssistantMessage):
        metre: str = "iambic"

    class Tool(Message):
        role: ClassVar[str] = "tool"

    assert ("assistant", "tool") == (Poet("said").role, Tool("said").role)


def test_an_error() -> None:
    """An error message tells the type, the text and the agent of the error, as far as they are known."""
    message = ErrorMessage("ValueError: no", error_type="ValueError", error_text="no", agent_alias="A")
    assert ("ValueError", "no", "A") == (message.error_type, message.error_text, message.agent_alias)
    assert ("", "", None) == (
        ErrorMessage("no").error_type,
        ErrorMessage("no").error_text,
        ErrorMessage("no").agent_alias,
    )
    with pytest.raises(ValidationError, match="error_type"):
        ErrorMessage("no", error_type=ValueError)  # type: ignore[arg-type]


async def test_typed_promises() -> None:
    """Promises of them are typed with their class."""
    async with PromisingContext():
        assert_type(UserMessage.promise(Source(["a"])), MessagePromise[UserMessage])
        assert_type(SystemMessage("a").as_promise, MessagePromise[SystemMessage])
        assert_type(await AssistantMessage("a").as_promise, AssistantMessage)
