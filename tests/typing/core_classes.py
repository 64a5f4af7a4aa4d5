"""Corpus: classes of agents. Their constructors are exact; in all else they are agents as any other.

Each comment is a mistake that both checkers must see.
"""

from abc import abstractmethod
from typing import Generic, assert_type

from reactivex import Observable
from typing_extensions import TypeVar, override

from miniagents import (
    AgentCall,
    BaseAgent,
    ErrorMessage,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MiniAgent,
    race,
    route,
)
from miniagents.agents import Pipeline
from miniagents.operators import map_agent, resolve
from miniagents.testing import scripted_model
from tests.typing.agent_kinds import any_agent, grading_agent
from tests.typing.message_classes import Answer, HardQuestion, Question

M = TypeVar("M", bound=Message)


class Plain(BaseAgent):
    @override
    async def run(self, ctx: InteractionContext) -> None:
        assert_type(ctx.messages, MessageSequencePromise[Message])
        ctx.reply("text")
        ctx.reply(5)  # type: ignore[call-overload]


class Teacher(BaseAgent[Question, Answer], alias="MISS", description="Teaches."):
    subject: str
    strict: bool = False
    marks: tuple[int, ...] = ()
    helper: MiniAgent[Question, Answer] | None = None

    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        assert_type(self.subject, str)
        assert_type(await ctx.messages, Messages[Question])
        ctx.reply(Answer(self.subject))
        ctx.reply("text")  # type: ignore[arg-type]
        self.subject = "other"  # type: ignore[misc]


class Professor(Teacher):
    chair: str = "none"

    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        await super().run(ctx)


class Echo(BaseAgent[M, M], Generic[M]):
    @override
    async def run(self, ctx: InteractionContext[M, M]) -> None:
        ctx.reply(ctx.messages)


class Shared(BaseAgent[Question, Answer]):
    size: int = 1

    @override
    @abstractmethod
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None: ...


class Wider(BaseAgent[HardQuestion, Message]):
    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        ctx.reply(Answer("a"))


def constructors(teacher: Teacher) -> None:
    """A class without fields takes nothing; the others take their fields, by keyword."""
    assert_type(Plain(), Plain)
    assert_type(Teacher(subject="maths"), Teacher)
    assert_type(Professor(subject="maths", strict=True, chair="3", helper=teacher).chair, str)
    assert_type(teacher.marks, tuple[int, ...])
    Plain(size=1)  # type: ignore[call-arg]
    Plain("x")  # type: ignore[call-arg]
    Teacher()  # type: ignore[call-arg]
    Teacher("maths")  # type: ignore[call-arg]
    Teacher(subject=5)  # type: ignore[arg-type]
    Teacher(subject="maths", strcit=True)  # type: ignore[call-arg]
    Professor(chair="3")  # type: ignore[call-arg]
    Professor(subject="maths", helper=Plain())  # type: ignore[arg-type]
    Shared()  # type: ignore[abstract]
    teacher.strict = True  # type: ignore[misc]


async def inquiries(teacher: Teacher, question: Question, echo: Echo[Question]) -> None:
    assert_type(teacher.inquire(question), MessageSequencePromise[Answer])
    assert_type(teacher.inquire(question, strict=True), MessageSequencePromise[Answer])
    assert_type((await teacher.inquire([question]))[0].score, float)
    assert_type(teacher.initiate_inquiry(), AgentCall[Question, Answer])
    assert_type(Plain().inquire("text"), MessageSequencePromise[Message])
    assert_type(echo.inquire(question), MessageSequencePromise[Question])
    assert_type(Echo[Answer]().inquire(Answer("a")), MessageSequencePromise[Answer])
    teacher.inquire("text")  # type: ignore[arg-type]
    teacher.inquire(Answer("a"))  # type: ignore[arg-type]
    teacher.initiate_inquiry().send_message("text")  # type: ignore[arg-type]
    echo.inquire("text")  # type: ignore[arg-type]
    Plain().inquire(5)  # type: ignore[call-overload]


async def mapped(teacher: Teacher, questions: list[Question]) -> None:
    async for replies in map_agent(teacher)(questions):
        assert_type(replies.item, Question)
        assert_type(await replies, Messages[Answer])


def variants(teacher: Teacher) -> None:
    """They are of the same class."""
    assert_type(teacher.fork(strict=True), Teacher)
    assert_type(teacher.fork().fork().subject, str)
    assert_type(teacher.described(alias="B"), Teacher)
    assert_type(teacher.bind(strict=True), Teacher)
    assert_type(teacher.errors_as_messages().bind(), MiniAgent[Question, Answer | ErrorMessage])
    assert_type(teacher.alias, str)
    teacher.fork(True)  # type: ignore[call-arg]  # noqa: FBT003
    teacher.fork().chair  # type: ignore[attr-defined]  # noqa: B018


def algebra(teacher: Teacher, professor: Professor, questions: Observable[Question]) -> None:
    assert_type(teacher | grading_agent, MiniAgent[Question, Message])
    assert_type(teacher | Plain(), MiniAgent[Question, Message])
    assert_type(teacher & professor, MiniAgent[Question, Answer])
    assert_type(teacher & any_agent, MiniAgent[Question, Answer | Message])
    assert_type(race(teacher, professor), MiniAgent[Question, Answer])
    assert_type(teacher.hedge(professor, after=1), MiniAgent[Question, Answer])
    assert_type(teacher.timeout(total=1), Teacher)
    assert_type(questions.pipe(teacher), Observable[MessagePromise[Answer]])
    assert_type(questions.pipe(teacher, grading_agent, resolve()), Observable[Message])
    pipeline: Pipeline[Question, Answer] = teacher | resolve()
    route().case(Question, teacher).otherwise(any_agent)
    scripted_model("a").with_tools(teacher, Plain(), professor)
    as_agent: MiniAgent[HardQuestion, Message] = professor
    print(pipeline, as_agent)  # noqa: T201
    teacher | teacher  # type: ignore[operator]
    teacher | 5  # type: ignore[operator]
    route().case(Answer, teacher)  # type: ignore[arg-type]
    narrower: MiniAgent[Message, Answer] = teacher  # type: ignore[assignment]
    print(narrower)  # noqa: T201


class TakesLess(BaseAgent[Question, Answer]):
    @override
    async def run(self, ctx: InteractionContext[HardQuestion, Answer]) -> None: ...  # type: ignore[override]


class RepliesMore(BaseAgent[Question, Answer]):
    @override
    async def run(self, ctx: InteractionContext[Question]) -> None: ...  # type: ignore[override]


class NotAsync(BaseAgent):
    @override
    def run(self, ctx: InteractionContext) -> None: ...  # type: ignore[override]


class Numbers(BaseAgent[int, Answer]): ...  # type: ignore[type-var]


class Runless(BaseAgent): ...


Runless()  # type: ignore[abstract]
