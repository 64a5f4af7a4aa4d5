"""`BaseAgent`: instances of a class that are agents."""

import asyncio
import gc
import pickle
import weakref
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Self, cast

import pytest
import reactivex as rx
from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)
from typing_extensions import override

from miniagents import (
    AgentCallNode,
    AssistantMessage,
    BaseAgent,
    ErrorMessage,
    FreezeError,
    InteractionContext,
    Message,
    MessagePromise,
    MessageValidationError,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    ToolCall,
    identity,
    miniagent,
    race,
    route,
)
from miniagents.operators import map_agent, resolve
from miniagents.testing import scripted_model
from miniagents.values import FrozenMapping


class Question(Message):
    """What is asked."""

    topic: str


class Answer(Message):
    """What is answered."""

    grade: int = 0


class Client:
    """Something that is no data."""


class Teacher(BaseAgent[Question, Answer]):
    """{AGENT_ALIAS} answers."""

    mark: str = "!"
    grade: int = Field(default=1, ge=0)
    client: Client | None = None

    @override
    async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
        """Answer each question."""
        async for promise in ctx.messages:
            ctx.reply(Answer(f"{(await promise).topic}{self.mark}", grade=self.grade))


class Repeater(BaseAgent):
    """Repeats."""

    times: int = 2
    words: tuple[str, ...] = ("a",)
    sizes: Mapping[str, tuple[int, ...]] = {"x": (1,)}

    @override
    async def run(self, ctx: InteractionContext) -> None:
        """Reply what it is sent, several times."""
        ctx.reply([ctx.messages for _ in range(self.times)])


class Speaker(BaseAgent):
    """Has a secret."""

    api_key: str
    token: SecretStr = SecretStr("")

    @override
    async def run(self, ctx: InteractionContext) -> None:
        """Say nothing of it."""


def untyped(method: object) -> Callable[..., object]:
    """Give a method arguments that its type refuses."""
    return cast("Callable[..., object]", method)


def data(value: object) -> object:
    """A field as it is, not as it is declared: a list becomes a tuple."""
    return value


async def test_an_instance_is_an_agent() -> None:
    """It is a `MiniAgent`, with an alias and a description, and is inquired as one."""
    teacher = Teacher(mark="?")
    async with MiniAgents():
        replies = await teacher.inquire([Question(topic="a"), Question(topic="b")])
    assert [str(reply) for reply in replies] == ["a?", "b?"]
    assert isinstance(teacher, MiniAgent)
    assert (teacher.alias, teacher.description) == ("TEACHER", "TEACHER answers.")
    assert repr(teacher) == "<Teacher TEACHER>"


async def test_its_types_hold() -> None:
    """What it is sent and what it replies is validated, with its alias in the error."""

    class Careless(BaseAgent[Message, Answer]):
        @override
        async def run(self, ctx: InteractionContext[Message, Answer]) -> None:
            cast("InteractionContext", ctx).reply({"grade": "x"})

    async with MiniAgents():
        reply = (await untyped(Teacher().inquire)({"topic": "a"}))[0]  # type: ignore[misc]
        assert reply == Answer("a!", grade=1)
        with pytest.raises(
            MessageValidationError, match=r"Agent TEACHER takes Question, .*topic: Field required"
        ):
            await untyped(Teacher().inquire)("x")  # type: ignore[misc]
        with pytest.raises(MessageValidationError, match=r"Agent CARELESS replies Answer, .*grade"):
            await Careless().inquire()


# -- fields ------------------------------------------------------------------------------------------------


def test_fields_are_validated() -> None:
    """A wrong value, a missing field and an unknown one are errors of pydantic's, as in all its classes."""
    for given in ({"grade": -1}, {"mark": 5}, {"nark": "?"}, {"client": 5}):
        with pytest.raises(ValidationError, match=next(iter(given))):
            untyped(Teacher)(**given)
    with pytest.raises(ValidationError, match=r"api_key\s+Field required"):
        untyped(Speaker)()
    with pytest.raises(
        ValidationError, match=r"Teacher takes no keyword 'nark'; it knows: mark, grade, client"
    ) as it:
        untyped(Teacher)(nark="my secret")
    assert "my secret" not in str(it.value)
    with pytest.raises(
        TypeError, match=r"Teacher takes its fields by keyword; it knows: mark, grade, client\."
    ):
        untyped(Teacher)(5)


def test_validators() -> None:
    """Validators of fields and of the whole are called, for forks too."""

    class Range(BaseAgent):
        first: int = 0
        last: int = 0

        @field_validator("last")
        @classmethod
        def _shift(cls, value: int) -> int:
            return abs(value)

        @model_validator(mode="after")
        def _ordered(self) -> Self:
            if self.first > self.last:
                raise ValueError("last comes before first")
            return self

        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    assert Range(first=1, last=-2).last == 2
    with pytest.raises(ValidationError, match="last comes before first"):
        Range(first=1)
    assert Range().fork(first=3, last=4).last == 4
    with pytest.raises(
        MessageValidationError, match=r"Agent RANGE cannot have these fields: .*last comes before first"
    ):
        Range().fork(first=3)


def test_data_is_frozen() -> None:
    """Data in fields is frozen as it is when the agent is made, defaults too; what is no data stays."""
    client, words = Client(), ["x"]
    repeater = untyped(Repeater)(words=words)
    assert isinstance(repeater, Repeater)
    words.append("y")
    assert data(repeater.words) == ("x",)
    assert data(Repeater().words) == data(Repeater.words) == ("a",)
    assert type(data(Repeater().sizes)) is FrozenMapping
    assert data(Repeater().sizes) == {"x": (1,)}
    assert data(repeater.fork(words=words).words) == ("x", "y")
    assert Teacher(client=client).client is client


def test_a_default_of_any_kind() -> None:
    """A default may be a pydantic model, or anything else that a dataclass refuses; no agent shares it."""

    class Row(BaseModel):
        size: int

    class Bag:
        __hash__ = None  # type: ignore[assignment]

    class Keeper(BaseAgent):
        row: Row = Row(size=1)
        rows: tuple[Row, ...] = (Row(size=2),)
        bag: Bag = Bag()

        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    first, second = Keeper(), Keeper()
    assert (first.row.size, first.rows[0].size, type(first.bag)) == (1, 2, Bag)
    assert first.row is not second.row
    assert first.fork(row={"size": 3}).row == Row(size=3)


def test_it_never_changes() -> None:
    """Neither a field nor anything else can be set or deleted; the error says what to do."""
    teacher = Teacher()
    for name in ("mark", "seen"):
        with pytest.raises(AttributeError, match=r"Agent TEACHER never changes, .*fork makes a copy"):
            setattr(teacher, name, "?")
        with pytest.raises(AttributeError, match=f"'{name}' cannot be set or deleted"):
            delattr(teacher, name)


def test_what_is_derived() -> None:
    """What is made of the fields is a property, also one that is made once; a fork has its own."""

    class Circle(BaseAgent):
        radius: int = 1

        @cached_property
        def width(self) -> int:
            return 2 * self.radius

        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    circle = Circle()
    assert (circle.width, circle.fork(radius=3).width, circle.described(alias="B").width) == (2, 6, 2)


async def test_an_agent_as_a_field() -> None:
    """An agent may have agents, of any class or of one; it keeps them as they are."""

    class School(BaseAgent[Question, Message]):
        teacher: MiniAgent[Question, Answer]
        other: Teacher = Teacher(mark="...")

        @override
        async def run(self, ctx: InteractionContext[Question, Message]) -> None:
            ctx.reply([self.teacher.inquire(ctx.messages), self.other.inquire(ctx.messages)])

    renamed = Teacher(mark="?").described(alias="Bob")
    school = School(teacher=renamed, other=renamed)
    assert (school.teacher, school.other, school.fork().other) == (renamed, renamed, renamed)
    assert (school.other.alias, school.fork().other.alias) == ("Bob", "Bob")
    async with MiniAgents():
        assert str(await School(teacher=renamed).inquire(Question(topic="a"))) == "a?\n\na..."
    with pytest.raises(ValidationError, match="instance of MiniAgent"):
        untyped(School)(teacher=5)


async def test_made_of_data() -> None:
    """Out of a mapping pydantic makes one where a field, or a whole, is to be an agent of the class."""

    class School(BaseModel):
        teacher: Teacher

    school = School.model_validate({"teacher": {"mark": "?"}})
    alone = TypeAdapter(Teacher).validate_python({"mark": "?"})
    async with MiniAgents():
        assert str(await school.teacher.inquire(Question(topic="a"))) == "a?"
        assert str(await alone.fork(grade=2).inquire(Question(topic="a"))) == "a?"


class Node(BaseAgent):
    """Knows a class that is defined below it."""

    leaf: "Leaf | None" = None
    size: int = 1

    @override
    async def run(self, ctx: InteractionContext) -> None:
        """Say how large it is."""
        ctx.reply(str(self.size if self.leaf is None else self.leaf.size))


class Leaf(BaseModel):
    """What is known later."""

    size: int


async def test_a_class_known_later() -> None:
    """A field may name a class that is defined later in the module."""
    async with MiniAgents():
        node = Node(leaf=Leaf(size=7))
        assert [str(await each.inquire()) for each in (node, node.fork(leaf=None, size=3))] == ["7", "3"]
        with pytest.raises(MessageValidationError, match="Agent NODE cannot have these fields: size"):
            node.fork(size="x")


# -- fork --------------------------------------------------------------------------------------------------


async def test_fork() -> None:
    """A copy of the same class with other fields; the first stays as it was."""
    teacher = Teacher(grade=3)
    forked = teacher.fork(mark="?")
    assert type(forked) is Teacher
    assert (forked.mark, forked.grade, teacher.mark) == ("?", 3, "!")
    assert forked.defaults == {"mark": "?", "grade": 3, "client": None}
    async with MiniAgents():
        assert str(await forked.inquire(Question(topic="a"))) == "a?"
        assert str(await forked.bind(mark=".").inquire(Question(topic="a"))) == "a."


async def test_inquire_beats_fork() -> None:
    """Fields given to a call hold for that run alone, whichever way it is called."""
    teacher = Teacher(mark="?")
    question = Question(topic="a")
    async with MiniAgents():
        assert str(await teacher.inquire(question, mark=".")) == "a."
        assert str(await teacher.initiate_inquiry(mark=",").send_message(question).reply_sequence()) == "a,"
        assert str(await teacher(rx.of(question), mark=";").pipe(resolve())) == "a;"
        assert str(await teacher.inquire(question)) == "a?"


async def test_an_unknown_field() -> None:
    """`fork` and every call name the agent, the keyword and the fields it has; nothing runs."""
    sentence = r"Agent TEACHER takes no keyword 'nark'; it knows: mark, grade, client\."
    teacher = Teacher()
    async with MiniAgents():
        for method in (teacher.fork, teacher.bind, teacher.inquire, teacher.initiate_inquiry):
            with pytest.raises(TypeError, match=sentence):
                untyped(method)(nark="?")
        with pytest.raises(TypeError, match=sentence):
            teacher(rx.of(Question(topic="a")), nark="?")


async def test_a_value_that_does_not_fit() -> None:
    """`fork` and every call name the agent, the field and the value, where they are written."""
    sentence = r"Agent Bob cannot have these fields: grade: .*greater than or equal to 0 \(got -1\)"
    teacher = Teacher().described(alias="Bob")
    async with MiniAgents():
        for method in (teacher.fork, teacher.bind, teacher.inquire, teacher.initiate_inquiry):
            with pytest.raises(MessageValidationError, match=sentence) as caught:
                untyped(method)(grade=-1)
            error = caught.value
            assert error.agent_alias == "Bob"
            assert error.__context__ is None
            copied = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
            assert (str(copied), copied.agent_alias) == (str(error), "Bob")


def test_secrets_stay_secret() -> None:
    """The error of a secret field does not show its value; nor does the agent."""
    speaker = Speaker(api_key="k1")
    for field in ("api_key", "token"):
        with pytest.raises(MessageValidationError, match=f"{field}: not valid") as caught:
            speaker.fork(**{field: 12345})
        assert "12345" not in str(caught.value)
    assert "k1" not in repr(speaker)


async def test_variants() -> None:
    """Renamed, with errors as messages, forked after that: it stays of its class and keeps all that."""
    bob = Teacher(mark="?").described(alias="Bob", description="Hi.")
    bold = bob.errors_as_messages()
    assert isinstance(bold, Teacher)
    for each in (bob, bold, bob.fork(grade=2), bold.fork(grade=2)):
        assert (type(each), each.alias, each.description) == (Teacher, "Bob", "Hi.")
    async with MiniAgents():
        (reply,) = await untyped(bold.fork(grade=2).inquire)("x")  # type: ignore[misc]
        assert isinstance(reply, ErrorMessage)
        again = bold.errors_as_messages(enabled=False)
        with pytest.raises(MessageValidationError):
            await untyped(again.inquire)("x")  # type: ignore[misc]


# -- runs --------------------------------------------------------------------------------------------------


async def test_runs_share_nothing() -> None:
    """Two runs of one agent at once each have their own variables."""
    both = asyncio.Barrier(2)

    class Counter(BaseAgent):
        @override
        async def run(self, ctx: InteractionContext) -> None:
            seen: list[str] = []
            for message in await ctx.messages:
                seen.append(str(message))
                await both.wait()
            ctx.reply(",".join(seen))

    counter = Counter()
    async with MiniAgents():
        found = await asyncio.gather(counter.inquire(["a", "b"]), counter.inquire(["c", "d"]))
    assert [str(each) for each in found] == ["a,b", "c,d"]


async def test_this_agent() -> None:
    """The context names the agent that runs: the fork, if fields were given to the call."""
    seen: list[object] = []

    class Mirror(BaseAgent):
        size: int = 1

        @override
        async def run(self, ctx: InteractionContext) -> None:
            seen.extend([self, ctx.this_agent])

    mirror = Mirror()
    async with MiniAgents():
        await mirror.inquire()
        await mirror.inquire(None, size=2)
    assert seen[:2] == [mirror, mirror]
    assert seen[2] is seen[3]
    assert cast("Mirror", seen[3]).size == 2


async def test_a_run_may_be_extended() -> None:
    """A class may add to the run of the one it comes from."""

    class Polite(Teacher):
        @override
        async def run(self, ctx: InteractionContext[Question, Answer]) -> None:
            await super().run(ctx)
            ctx.reply(Answer("Thank you."))

    async with MiniAgents():
        assert str(await Polite(mark=".").inquire(Question(topic="a"))) == "a.\n\nThank you."


async def test_records() -> None:
    """The record of a call has the fields that are data, and no secret."""
    kept: list[AgentCallNode] = []

    async def keep(promise: MessagePromise[Message], message: Message, /) -> None:
        if isinstance(message, AgentCallNode):
            kept.append(message)

    async with MiniAgents(on_persist_message=keep):
        await Teacher(client=Client()).inquire(Question(topic="a"), mark="?")
        await Speaker(api_key="k1", token=SecretStr("k2")).inquire()
    assert [dict(call.keywords) for call in kept] == [{"mark": "?", "grade": 1}, {}]
    assert [call.agent_alias for call in kept] == ["TEACHER", "SPEAKER"]


def test_it_is_let_go() -> None:
    """An agent without a reference is gone without the garbage collector: nothing in it names itself."""

    class Weak(BaseAgent):
        @override
        async def run(self, ctx: InteractionContext) -> None: ...

    gc.disable()
    try:
        agent = Weak()
        reference = weakref.ref(agent)
        del agent
        assert reference() is None
    finally:
        gc.enable()


# -- where an agent may stand ------------------------------------------------------------------------------


@miniagent
async def loud_agent(ctx: InteractionContext) -> None:
    """Shout."""
    ctx.reply(str(await ctx.messages).upper())


async def test_in_the_algebra() -> None:
    """Every operation on agents takes one of a class, on either side."""
    teacher, question = Teacher(), Question(topic="a")

    def excuse(error: Exception, ctx: InteractionContext[Question, Answer]) -> str:
        return f"Sorry: {error}"

    composed: list[tuple[MiniAgent[Question, Message], str]] = [
        (teacher | loud_agent, "A!"),
        (teacher | Repeater(), "a!\n\na!"),
        (loud_agent | Repeater() | loud_agent, '{"TOPIC":"A"}\n\n{"TOPIC":"A"}'),
        (teacher & teacher.fork(mark="?"), "a!\n\na?"),
        (race(teacher, Teacher(mark="?")), "a!"),
        (teacher.hedge(Teacher(mark="?"), after=60), "a!"),
        (teacher.timeout(total=60), "a!"),
        (teacher.retry(RetryPolicy(delay=0)), "a!"),
        (teacher.catching(excuse), "a!"),
        (route().case(Question, teacher).otherwise(loud_agent), "a!"),
        (teacher | identity, "a!"),
    ]
    async with MiniAgents():
        for agent, said in composed:
            assert str(await agent.inquire(question)) == said


async def test_as_an_operator() -> None:
    """It stands in a pipe, in `then`, in `map_agent`, and in a chain with operators."""
    questions = [Question(topic="a"), Question(topic="b")]
    async with MiniAgents():
        assert str(await rx.of(questions[0]).pipe(Teacher(), loud_agent, resolve())) == "A!"
        assert str(await (Teacher() | resolve())(rx.of(questions[0]))) == "a!"
        assert str(await Teacher().then(resolve())(rx.of(questions[0]))) == "a!"
        mapped = map_agent(Teacher(), concurrency=2)(questions)
        assert [str(await replies) async for replies in mapped] == ["a!", "b!"]


async def test_as_a_tool() -> None:
    """A model calls it by its alias with the fields of what it takes, and reads its replies."""
    calls = [ToolCall("1", "REPEATER", '{"text": "hello"}'), ToolCall("2", "TEACHER", '{"topic": "a"}')]
    script = scripted_model(AssistantMessage(parts=calls), "Done.")
    async with MiniAgents():
        messages = await script.with_tools(Repeater(), Teacher(mark="?")).inquire("Please repeat.")
    assert [str(message) for message in messages][-3:] == ["hello\n\nhello", "a?", "Done."]


async def test_it_is_no_message() -> None:
    """An agent that is given where messages are wanted is refused."""
    async with MiniAgents():
        for wrong in (Teacher(), [Teacher()], {"text": Teacher()}):
            with pytest.raises(TypeError, match="Teacher"):
                await untyped(loud_agent.inquire)(wrong)  # type: ignore[misc]


def test_a_field_that_could_be_changed_is_refused() -> None:
    """Its value would be frozen: the error says what to write, where the class is defined."""
    with pytest.raises(
        FreezeError, match=r"\.Lister\.words is declared as list\[str\], .* write tuple\[str, \.\.\.\]"
    ):

        class Lister(BaseAgent):  # pyright: ignore[reportUnusedClass]  # it must not come to be
            words: list[str]

            @override
            async def run(self, ctx: InteractionContext) -> None:
                """Do nothing."""
