"""What the checkers say of likely mistakes: their own first line, which must be short and name what is wrong.

Above a mistake stands what it is about, which the line must name, and the line itself: of mypy, and of pyright.
`test_messages.py` takes the comments behind the mistakes away, and compares. Where no line names it, the mistake
stands under `VAGUE`, and in `docs/types.md`.
"""

from reactivex import Observable, operators as ops
from typing_extensions import override

from miniagents import BaseAgent, InteractionContext, Message, MiniAgent, UserMessage, miniagent, route
from miniagents.ext.llm.openai import openai_agent
from miniagents.operators import map_agent, resolve
from tests.typing.agent_kinds import answering_agent, any_agent, grading_agent, keyed_agent, tuned_agent
from tests.typing.message_classes import Answer, HardQuestion, Question


class Critic(BaseAgent[Question, Answer]):
    """An agent with a field that must be given."""

    subject: str

    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        """Say what it is about."""
        ctx.reply(Answer(self.subject))


async def messages_and_keywords(question: Question, ctx: InteractionContext[Question, Answer]) -> None:
    # must name: inquire, Question
    # by mypy: Argument 1 to "inquire" of "MiniAgent" has incompatible type "str"; expected "MessageTypeOf[Question]"
    # by pyright: Argument of type "Literal['Why?']" cannot be assigned to parameter "messages" of type "MessageTypeOf[Question]" in function "inquire"
    answering_agent.inquire("Why?")  # type: ignore[arg-type]
    # must name: reply, Answer
    # by mypy: Argument 1 to "reply" of "InteractionContext" has incompatible type "str"; expected "MessageTypeOf[Answer]"
    # by pyright: Argument of type "Literal['Because.']" cannot be assigned to parameter "messages" of type "MessageTypeOf[Answer]" in function "reply"
    ctx.reply("Because.")  # type: ignore[arg-type]
    # must name: Answer, scoer
    # by mypy: "Answer" has no attribute "scoer"; maybe "score"?
    # by pyright: Cannot access attribute "scoer" for class "Answer"
    (await answering_agent.inquire(question))[0].scoer  # type: ignore[attr-defined]
    # must name: MessageSequencePromise[Answer]
    # by mypy: Value of type "MessageSequencePromise[Answer]" is not indexable
    # by pyright: "__getitem__" method not defined on type "MessageSequencePromise[Answer]"
    answering_agent.inquire(question)[0]  # type: ignore[index]
    # must name: temperatur
    # by mypy: Unexpected keyword argument "temperatur" for "fork" of "MiniAgent"; did you mean "temperature"?
    # by pyright: No parameter named "temperatur"
    openai_agent.fork(temperatur=1.0)  # type: ignore[call-arg]
    # must name: temperature, fork, float
    # by mypy: Argument "temperature" to "fork" of "MiniAgent" has incompatible type "str"; expected "float"
    # by pyright: Argument of type "Literal['hot']" cannot be assigned to parameter "temperature" of type "float" in function "fork"
    tuned_agent.fork(temperature="hot")  # type: ignore[arg-type]
    # must name: key
    # by mypy: Missing positional argument "key" in call to "bind" of "MiniAgent"
    # by pyright: Argument missing for parameter "key"
    keyed_agent.bind()  # type: ignore[call-arg]
    # must name: txt
    # by mypy: Unexpected keyword argument "txt" for "UserMessage"; did you mean "text"?
    # by pyright: No parameter named "txt"
    UserMessage(txt="Hello")  # type: ignore[call-arg]
    # must name: topic, str
    # by mypy: Argument "topic" to "Question" has incompatible type "int"; expected "str"
    # by pyright: Argument of type "Literal[5]" cannot be assigned to parameter "topic" of type "str" in function "__init__"
    Question(topic=5)  # type: ignore[arg-type]
    # must name: subject
    # by mypy: Missing named argument "subject" for "Critic"
    # by pyright: Argument missing for parameter "subject"
    Critic()  # type: ignore[call-arg]
    # must name: MiniAgent[Message, Message
    # by mypy: Incompatible types in assignment (expression has type "MiniAgent[Message, Message, [str, int]]", variable has type "MiniAgent[Message, Message, []]")
    # by pyright: Type "MiniAgent[Message, Message, (key: str, tries: int = 1)]" is not assignable to declared type "MiniAgent[Message, Message, ()]"
    _agent: MiniAgent = keyed_agent  # type: ignore[assignment]


def compositions() -> None:
    # must name: |, MiniAgent[Question, Answer
    # by mypy: Unsupported operand types for | ("MiniAgent[Question, Answer, []]" and "MiniAgent[Question, Answer, []]")
    # by pyright: Operator "|" not supported for types "MiniAgent[Question, Answer, ()]" and "MiniAgent[Question, Answer, ()]"
    answering_agent | answering_agent  # type: ignore[operator]
    # must name: |, str, int
    # by mypy: Unsupported operand types for | ("MiniAgent[Message, Message, [str, int]]" and "MiniAgent[Message, Message, []]")
    # by pyright: Operator "|" not supported for types "MiniAgent[Message, Message, (key: str, tries: int = 1)]" and "MiniAgent[Message, Message, ()]"
    keyed_agent | any_agent  # type: ignore[operator]
    # must name: MiniAgent[Answer, Message, case
    # by mypy: Argument 2 to "case" of "Route" has incompatible type "MiniAgent[Answer, Message, [bool]]"; expected "Stage[HardQuestion, Never] | Callable[[HardQuestion], Never]"
    # by pyright: Argument of type "MiniAgent[Answer, Message, (strict: bool = False)]" cannot be assigned to parameter "agent" of type "Stage[M@case, O@case] | ((M@case) -> Never)" in function "case"
    route().case(HardQuestion, grading_agent)  # type: ignore[arg-type]


def pipelines(questions: Observable[Question], words: Observable[str]) -> None:
    # must name: Answer, nope
    # by mypy: "Answer" has no attribute "nope"
    # by pyright: Cannot access attribute "nope" for class "Answer"
    questions.pipe(answering_agent, resolve(), ops.map(lambda answer: answer.nope))  # type: ignore[attr-defined]
    # must name: pipe, MiniAgent[Question, Answer, Observable[str]
    # by mypy: Argument 1 to "pipe" of "Observable" has incompatible type "MiniAgent[Question, Answer, []]"; expected "Callable[[Observable[str]], Observable[MessagePromise[Answer]]]"
    # by pyright: Argument of type "MiniAgent[Question, Answer, ()]" cannot be assigned to parameter "op1" of type "(Observable[str]) -> _A@pipe" in function "pipe"
    words.pipe(answering_agent)  # type: ignore[arg-type]


# -- VAGUE: mistakes of which a first line says only where they are ------------------------------------------


async def what_is_asked() -> None:
    """`inquire` has two forms; of what fits neither, mypy names no missing keyword, and pyright no keyword."""
    tuned_agent.inquire("Hello", modle="m")  # type: ignore[call-overload]
    keyed_agent.inquire("Hello")  # type: ignore[call-overload]
    tuned_agent.inquire("Hello", temperature="hot")  # type: ignore[call-overload]
    map_agent(answering_agent)(["Why?"])  # type: ignore[list-item]


def agents_of_several_types() -> None:
    """mypy: what agents with other messages or keywords have in common is an `object`."""
    agents = {"answer": answering_agent, "grade": grading_agent}
    agents["answer"].inquire(Question(topic="ice"))  # type: ignore[attr-defined]


@miniagent  # type: ignore[arg-type]
def no_coroutine(ctx: InteractionContext) -> None:
    ctx.reply(Message("Hello"))
