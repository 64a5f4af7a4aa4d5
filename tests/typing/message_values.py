"""Messages as values: how they are made, what they have, and that they cannot be changed."""

from typing import Any, assert_type

from pydantic import ValidationError

from miniagents import (
    AgentCallNode,
    AgentReplyNode,
    AssistantMessage,
    ErrorMessage,
    Frozen,
    Message,
    Messages,
    SystemMessage,
    ToolMessage,
    UserMessage,
)
from miniagents.parts import Content, Image, ToolCall, ToolResult, Usage
from tests.typing.message_classes import Answer, Citation, HardQuestion, Question


def a_message_takes_its_text_and_any_keyword(data: dict[str, str]) -> None:
    assert_type(Message(), Message)
    assert_type(Message("hi"), Message)
    assert_type(Message(text="hi"), Message)
    assert_type(Message(None), Message)
    assert_type(Message("hi", custom_field="x", tags=["a"]), Message)
    assert_type(Message(**data), Message)


def the_roles_take_what_they_have(parts: list[ToolCall | str], results: tuple[ToolResult, ...]) -> None:
    """Parts are given as any iterable, and are a tuple then."""
    assert_type(UserMessage("hi", parts=["hi", Image(path="cat.png")]), UserMessage)
    assert_type(UserMessage(parts=(each for each in parts)).parts, tuple[Content, ...])
    assert_type(ToolMessage(parts=results), ToolMessage)
    assert_type(ToolMessage(parts=results).edited_arguments, str | None)
    assert_type(SystemMessage(text="hi"), SystemMessage)
    assert_type(AssistantMessage("hi", model="m", usage=Usage(1, 2), parts=parts), AssistantMessage)
    assert_type(AssistantMessage("hi").usage, Usage | None)
    assert_type(ErrorMessage("E: no", error_type="E", error_text="no", agent_alias=None), ErrorMessage)
    assert_type(UserMessage("hi").role, str)


def a_subclass_takes_its_declared_fields() -> None:
    assert_type(Question("Why?", topic="physics"), Question)
    assert_type(Question(text="Why?", topic="physics", hints=("think",)), Question)
    assert_type(Question(topic="physics"), Question)
    assert_type(HardQuestion("Why?", topic="physics", points=3), HardQuestion)
    assert_type(Answer(), Answer)
    assert_type(Answer("42", score=0.5, sources=("guide",)), Answer)
    assert_type(Citation("As I said.", url="https://example.org"), Citation)


def what_a_message_has(message: Message, question: HardQuestion, answer: Answer, citation: Citation) -> None:
    assert_type(message.text, str | None)
    assert_type(message.role, str)
    assert_type(message.hash_key, str)
    assert_type(str(message), str)
    assert_type(question.topic, str)
    assert_type(question.hints, tuple[str, ...])
    assert_type(question.points, int)
    assert_type(answer.score, float)
    assert_type(answer.sources, tuple[str, ...])
    assert_type(citation.text, str)
    assert_type(citation.url, str | None)


def a_copy_is_of_the_same_class(question: Question) -> None:
    assert_type(question.model_copy(update={"topic": "maths"}), Question)
    assert_type(Question.model_validate({"topic": "maths"}), Question)
    assert_type(question.model_dump(), dict[str, Any])  # as pydantic has it


def the_records_of_runs_are_messages(call: AgentCallNode, reply: AgentReplyNode) -> None:
    assert_type(call.agent_alias, str)
    assert_type(call.messages, tuple[Message, ...])
    assert_type(reply.call, AgentCallNode)
    assert_type(reply.error, str | None)


def a_frozen_value_of_ones_own() -> None:
    class Point(Frozen):
        x: int
        y: int = 0

    assert_type(Point(x=1), Point)
    assert_type(Point(x=1).y, int)
    assert_type(hash(Point(x=1)), int)
    Point(1)  # type: ignore[call-arg]
    Point()  # type: ignore[call-arg]


def what_is_no_text_is_refused() -> None:
    Message(1)  # type: ignore[arg-type]
    Message(text=b"hi")  # type: ignore[arg-type]
    Message("hi", "there")  # type: ignore[call-arg]
    UserMessage(["hi"])  # type: ignore[arg-type]
    Citation(None)  # type: ignore[arg-type]
    Citation(url="https://example.org")  # type: ignore[call-arg]


def what_a_role_does_not_have_is_refused() -> None:
    """A misspelt field, one of a wrong type, and one that is none."""
    UserMessage(txt="typo")  # type: ignore[call-arg]
    SystemMessage(txt="typo")  # type: ignore[call-arg]
    ErrorMessage(txt="typo")  # type: ignore[call-arg]
    UserMessage("hi", name="Ann")  # type: ignore[call-arg]
    UserMessage(parts=5)  # type: ignore[arg-type]
    UserMessage(parts=[Usage(1, 2)])  # type: ignore[list-item]
    AssistantMessage(model=5)  # type: ignore[arg-type]
    AssistantMessage(modell="m")  # type: ignore[call-arg]
    AssistantMessage(usage={"input_tokens": 1})  # type: ignore[arg-type]
    ToolMessage(parts=5)  # type: ignore[arg-type]


def a_wrong_field_is_refused() -> None:
    Question("Why?")  # type: ignore[call-arg]
    Question("Why?", topic=1)  # type: ignore[arg-type]
    Question("Why?", "physics")  # type: ignore[call-arg]
    Question("Why?", topic="physics", hint="think")  # type: ignore[call-arg]
    HardQuestion("Why?", topic="physics")  # type: ignore[call-arg]
    Answer("42", score="much")  # type: ignore[arg-type]
    ErrorMessage("E: no", error_type=ValueError)  # type: ignore[arg-type]


def nothing_of_it_changes(message: Message, question: Question) -> None:
    message.text = "ho"  # type: ignore[misc]
    question.topic = "maths"  # type: ignore[misc]
    question.hints[0] = "think"  # type: ignore[index]
    question.nope  # type: ignore[attr-defined]  # noqa: B018


def tuples_of_messages(messages: Messages[Question], plain: Messages) -> None:
    """A bare `Messages` is of `Message`; an index is exact, a slice is `Messages` again."""
    assert_type(Messages([Question(topic="a")]), Messages[Question])
    assert_type(Messages[Message](), Messages[Message])
    assert_type(plain, Messages[Message])
    assert_type(messages[0], Question)
    assert_type(messages[-1].topic, str)
    assert_type(messages[1:], Messages[Question])
    assert_type([each.topic for each in messages], list[str])
    assert_type(messages + plain, Messages[Question | Message])
    assert_type(messages + (1, 2), tuple[Question | int, ...])  # noqa: RUF005
    assert_type(str(messages), str)
    first, *others = messages
    assert_type(first, Question)
    assert_type(others, list[Question])
    assert_type(plain[0] in messages, bool)
    "text" in messages  # type: ignore[operator]  # noqa: B015
    Messages(["text"])  # type: ignore[type-var]
    Messages[str]()  # type: ignore[type-var]
    messages[0] = Question(topic="a")  # type: ignore[index]
    messages["a"]  # type: ignore[call-overload]


def its_errors_are_pydantics() -> None:
    try:
        Question.model_validate({})
    except ValidationError as error:
        assert_type(error.error_count(), int)
