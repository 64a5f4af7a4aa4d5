"""Which messages an agent function takes and replies, read from the annotation of its context."""

import functools
import typing
from collections.abc import Callable
from types import SimpleNamespace
from typing import Annotated, Any, Generic, Never, NoReturn, Protocol, TypeVar, Union, cast

import pytest
from typing_extensions import TypeAliasType

from miniagents import InteractionContext, Message
from miniagents.agents._annotations import MessageClasses


class Question(Message):
    """What is asked."""


class Answer(Message):
    """What is answered."""


class Like(Protocol):
    """What a context has."""

    def reply(self, messages: str) -> None:
        """Reply."""
        ...


T = TypeVar("T")
Q = TypeVar("Q", bound=Question)


class Box(Message, Generic[T]):
    """A message with a type parameter."""

    held: T


def read(annotation: object) -> MessageClasses | None:
    """What is read of a function that is annotated like this."""

    async def agent(ctx: object) -> None: ...

    agent.__annotations__["ctx"] = annotation
    return of(agent)


def of(function: Callable[..., object]) -> MessageClasses | None:
    """What is read of a function."""
    return MessageClasses.of(function, InteractionContext, "agent")


EITHER = TypeAliasType("EITHER", Answer | Question)
own_alias: Callable[[str, object], object] = getattr(typing, "TypeAliasType", TypeAliasType)
"""What a `type` statement makes, from Python 3.12 on."""
OWN = own_alias("OWN", EITHER | Question)
BOTH = MessageClasses((Question,), (Answer,))
PLAIN = (
    *(InteractionContext, InteractionContext[Message, Message], "InteractionContext", "m.InteractionContext"),
    *("'InteractionContext'", "InteractionContext[Message, Message]", Any, "Any", object, Like),
    InteractionContext[Any, Message],
)


@pytest.mark.parametrize("annotation", PLAIN, ids=str)
def test_any_message(annotation: object) -> None:
    """Without classes, or with `Message` for both, any message will do."""
    assert read(annotation) is None


def test_no_annotation() -> None:
    """A context without an annotation is one of any messages."""

    async def agent(ctx, mark: "Unknown" = None): ...  # type: ignore[no-untyped-def,name-defined]  # noqa: ANN001, ANN202, F821

    assert of(cast("Callable[..., object]", agent)) is None


@pytest.mark.parametrize(
    "annotation",
    [
        InteractionContext[Question, Answer],
        "InteractionContext[Question, Answer]",
        "InteractionContext['Question', Answer]",
        Annotated[InteractionContext[Question, Answer], "noted"],
    ],
    ids=str,
)
def test_classes(annotation: object) -> None:
    """The two classes are read, quoted or not."""
    assert read(annotation) == BOTH


def test_one_side() -> None:
    """`Message` on one side, or nothing, leaves that side open."""
    assert read(InteractionContext[Question]) == MessageClasses((Question,), None)
    assert read(InteractionContext[Message, Answer]) == MessageClasses(None, (Answer,))


def test_unions() -> None:
    """A union is its classes, in order; with `Message` in it any message; aliases are looked through."""
    assert read(InteractionContext[Question | Answer, EITHER]) == MessageClasses(
        (Question, Answer), (Answer, Question)
    )
    assert read("InteractionContext[OWN, Answer]") == MessageClasses((Answer, Question, Question), (Answer,))
    assert read(own_alias("CONTEXT", InteractionContext[Question, Answer])) == BOTH
    assert read(InteractionContext[Union[Question, Message], Answer]) == MessageClasses(None, (Answer,))  # noqa: UP007


def test_nothing() -> None:
    """`Never` is no class at all."""
    assert read(InteractionContext[Never, NoReturn]) == MessageClasses((), ())


def test_type_variables() -> None:
    """A type variable is its bound, or any message; a class with arguments is a class."""
    assert read("InteractionContext[Q, T]") == MessageClasses((Question,), None)
    assert read(InteractionContext[Box[int], Message]) == MessageClasses((Box[int],), None)


def test_local_names() -> None:
    """A quoted name may be one of the function around it, if the agent function uses it."""

    class Local(Message):
        pass

    async def agent(ctx: "InteractionContext[Local, Message]") -> None:
        ctx.reply(Local("x"))

    assert of(agent) == MessageClasses((Local,), None)


def test_wrapped_functions() -> None:
    """The names are those of the function's own module, through partials, methods, objects and wrappers."""

    async def agent(mark: str, ctx: "InteractionContext[Question, Answer]") -> None: ...

    class Greeter:
        async def greet(self, ctx: "InteractionContext[Question, Answer]") -> None: ...

        async def __call__(self, ctx: "InteractionContext[Question, Answer]") -> None: ...

    assert of(functools.partial(agent, "!")) == BOTH
    assert of(Greeter().greet) == BOTH
    assert of(Greeter()) == BOTH

    @functools.wraps(Greeter.greet)
    async def wrapper(*args: object) -> None: ...

    assert of(functools.partial(cast("Callable[..., object]", wrapper), Greeter())) == BOTH


def test_an_unknown_name() -> None:
    """A name that cannot be found is refused with what to do."""
    with pytest.raises(TypeError, match="'Nowhere' cannot be found in its module") as caught:
        read("InteractionContext[Nowhere, Answer]")
    assert str(caught.value).startswith("agent is an agent for InteractionContext[Nowhere, Answer], but ")


@pytest.mark.parametrize("annotation", [int, "str", Message, list[Message], Question | None, 5])
def test_no_context(annotation: object) -> None:
    """A first parameter that is annotated as something else is refused."""
    with pytest.raises(TypeError, match=r"The first parameter of agent is annotated as .*InteractionContext"):
        read(annotation)


@pytest.mark.parametrize("argument", [int, str, SimpleNamespace, list[Message], Question | None])
def test_no_message_class(argument: object) -> None:
    """An argument that is no message class is refused."""
    with pytest.raises(TypeError, match="agents take and reply messages, so give a subclass of Message"):
        MessageClasses.given((argument, Message), "agent")
