"""What a class of agents says about them, and what is refused where it is defined."""

from abc import abstractmethod
from typing import ClassVar, Generic, TypeVar, cast

import pytest
from typing_extensions import override

from miniagents import BaseAgent, InteractionContext, Message
from miniagents.agents._annotations import MessageClasses
from miniagents.agents._base_agent import AgentClass


class Question(Message):
    """What is asked."""

    topic: str


class Deep(Question):
    """A narrower question."""


class Answer(Message):
    """What is answered."""


M = TypeVar("M", bound=Message)
N = TypeVar("N", bound=Message)


def known(made: type[BaseAgent[Deep, Message]]) -> AgentClass:
    """What was read from a class."""
    return made.__agent_class__


@pytest.mark.parametrize(
    ("name", "alias"),
    [("Poet", "POET"), ("PoetAgent", "POET_AGENT"), ("HTMLReader2", "HTML_READER2"), ("QAAgent", "QA_AGENT")],
)
def test_the_alias(name: str, alias: str) -> None:
    """The name of the class in capitals, its words apart, as that of a function would be."""

    async def run(self: object, ctx: InteractionContext) -> None: ...

    made = cast("type[BaseAgent]", type(name, (BaseAgent,), {"run": run}))
    assert known(made).alias == alias


def test_the_description() -> None:
    """The docstring of the class, with the alias filled in; not that of a class it comes from."""

    class Poet(BaseAgent):
        """{AGENT_ALIAS} writes poems.

        Short ones.
        """

        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    class Bard(Poet):
        tune: str = "la"

    assert Poet().description == "POET writes poems.\n\nShort ones."
    assert Bard().description == ""


def test_alias_and_description_are_given() -> None:
    """Both may be said in the class line; a class made of that one says its own."""

    class Poet(BaseAgent, alias="Bob", description="I am {AGENT_ALIAS}."):
        """Not shown."""

        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    class Bard(Poet): ...

    assert (Poet().alias, Poet().description) == ("Bob", "I am Bob.")
    assert (Bard().alias, Bard().description) == ("BARD", "")


def test_the_keywords_are_the_fields() -> None:
    """In their order, those of the class that it comes from before its own; no class variable is one."""

    class Poet(BaseAgent):
        metre: str
        forms: ClassVar[list[str]] = ["ode"]
        rhymes: bool = True

        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    class Bard(Poet):
        tune: str = "la"

    assert known(Bard).keywords.names == ("metre", "rhymes", "tune")
    assert ["ode"] == Poet.forms


def test_classes_from_the_brackets() -> None:
    """What stands in the brackets of the base is what its agents take and reply."""

    class Both(BaseAgent[Question, Answer]):
        @override
        async def run(self, ctx: InteractionContext[Question, Answer]) -> None: ...

    class Unannotated(BaseAgent[Question, Answer]):
        @override
        async def run(self, ctx) -> None: ...  # type: ignore[no-untyped-def]  # noqa: ANN001

    class One(BaseAgent[Question]):
        @override
        async def run(self, ctx: InteractionContext[Question]) -> None: ...

    assert known(Both).classes == MessageClasses((Question,), (Answer,))
    assert known(Unannotated).classes == MessageClasses((Question,), (Answer,))
    assert known(One).classes == MessageClasses((Question,), None)


def test_classes_from_the_context() -> None:
    """Without brackets the annotation of the context says it; without both any message will do."""

    class Annotated(BaseAgent):
        @override
        async def run(self, ctx: InteractionContext[Question, Answer]) -> None: ...  # type: ignore[override]

    class Quoted(BaseAgent):
        @override
        async def run(self, ctx: "InteractionContext[Question]") -> None: ...  # type: ignore[override]

    class Neither(BaseAgent):
        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    assert known(Annotated).classes == MessageClasses((Question,), (Answer,))
    assert known(Quoted).classes == MessageClasses((Question,), None)
    assert known(Neither).classes is None


def test_a_run_may_do_more() -> None:
    """A run may take wider messages and reply narrower ones; what its agents say of themselves stays."""

    class Wider(BaseAgent[Deep, Message]):
        @override
        async def run(self, ctx: InteractionContext[Question | Answer, Answer]) -> None: ...

    assert known(Wider).classes == MessageClasses((Deep,), None)


def test_classes_of_generic_classes() -> None:
    """The brackets are followed through generic classes; a variable without a class is its bound."""

    class Echo(BaseAgent[M, M], Generic[M]):
        @override
        async def run(self, ctx: InteractionContext[M, M]) -> None: ...

    class Swapped(BaseAgent[N, M], Generic[M, N]):
        @override
        async def run(self, ctx: InteractionContext[N, M]) -> None: ...

    class Asking(Echo[Question]): ...

    class Answering(Swapped[Answer, Question]): ...

    class Further(Answering):
        more: int = 1

    assert known(Echo).classes is None
    assert known(Asking).classes == MessageClasses((Question,), (Question,))
    assert known(Further).classes == MessageClasses((Question,), (Answer,))


def test_a_base_of_several() -> None:
    """A class that declares its run as abstract may be defined, and cannot be an agent."""

    class Poet(BaseAgent):
        metre: str = "free"

        @override
        @abstractmethod
        async def run(self, ctx: InteractionContext) -> None: ...

    class Bard(Poet):
        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    assert Bard(metre="strict").metre == "strict"
    with pytest.raises(TypeError, match="abstract class Poet"):
        Poet()  # type: ignore[abstract]
    with pytest.raises(TypeError, match="Silent has no `run` method"):

        class Silent(Poet):  # pyright: ignore[reportUnusedClass]  # it does not come to be
            more: int = 1


RUN = "async def run(self, ctx): ..."


@pytest.mark.parametrize(
    ("line", "body", "sentence"),
    [
        ("", "size: int = 1", "Wrong has no `run` method; write `async def run(self, ctx):`."),
        ("", "def run(self, ctx): ...", "Wrong.run is not an `async def` function; an agent awaits messages"),
        ("", "run = 5", "Wrong.run is not an `async def` function"),
        ("", "async def run(self, ctx): yield ctx", "Wrong.run is an async generator"),
        ("", "async def run(self): ...", "Wrong.run takes no context; write `async def run(self, ctx):`."),
        ("", "async def run(): ...", "Wrong.run takes no context"),
        ("", "async def run(self, *, ctx): ...", "Wrong.run takes no context"),
        (
            "",
            "async def run(self, ctx, mark=1): ...",
            "Wrong.run takes 'mark' beside its context; the parameters of",
        ),
        ("", "async def run(self, ctx, *marks): ...", "Wrong.run takes 'marks' beside its context"),
        ("", "async def run(self, ctx: int): ...", "The first parameter of Wrong.run is annotated as int"),
        ("[int, Answer]", RUN, "Wrong is an agent for int; agents take and reply messages"),
        (
            "[Question, Answer]",
            "async def run(self, ctx: InteractionContext[Deep, Answer]): ...",
            "Wrong is a class of agents for Question to Answer, but the context of its run is for other",
        ),
        (
            "[Question, Answer]",
            "async def run(self, ctx: InteractionContext[Question, Message]): ...",
            "write `async def run(self, ctx: InteractionContext[Question, Answer])`.",
        ),
        (
            "",
            f"timeout: float = 1; {RUN}",
            "Wrong has a field 'timeout', a name that every agent uses already",
        ),
        (
            "",
            f"alias: str = 'Bob'; {RUN}",
            "Wrong has a field 'alias', a name that every agent uses already",
        ),
        (
            "",
            f"import pydantic; _seen: int = pydantic.PrivateAttr(0); {RUN}",
            "Wrong has a PrivateAttr '_seen'",
        ),
        ("", f"alias = 'Bob'; {RUN}", "Wrong sets 'alias' in its body; write `class Wrong(..., alias=...)`."),
        (
            "",
            f"def __init__(self): ...; {RUN}",
            "Wrong has an __init__ of its own; an agent of a class is made",
        ),
    ],
)
def test_what_is_refused(line: str, body: str, sentence: str) -> None:
    """A class that cannot have agents is refused where it is defined, with the reason."""
    lines = body.replace(f"; {RUN}", f"\n    {RUN}")
    with pytest.raises(TypeError) as caught:
        exec(f"class Wrong(BaseAgent{line}):\n    {lines}", globals())  # noqa: S102 - wrong to type checkers too
    assert sentence in str(caught.value)
