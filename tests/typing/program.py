"""A support desk: five hundred lines as a user writes them, from the README and the pages of docs.

Pipelines, a job over rows, events for a web page, agents of classes, an algebra of agents of several types, generic
helpers, decorators, dicts of agents. It is checked as it stands, and run by `test_program.py`.
"""

import asyncio
import json
from collections import Counter
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, ClassVar, Generic, TypeVar

import reactivex as rx
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel, Field
from reactivex import Observable, operators as ops
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from typing_extensions import ParamSpec, override

from miniagents import (
    AWAIT,
    AssistantMessage,
    BaseAgent,
    InteractionContext,
    Message,
    MessagePromise,
    Messages,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    RetryPolicy,
    StopLoop,
    SystemMessage,
    ToolCall,
    Usage,
    UserMessage,
    achain_loop,
    identity,
    miniagent,
    model_agent,
    prompt,
    race,
    route,
    tool,
)
from miniagents.ext.web import Runs, chat_routes, stream_response
from miniagents.operators import (
    Overflow,
    join,
    map_agent,
    map_messages,
    map_tokens,
    resolve,
    to_async_iter,
    tokens,
)
from miniagents.operators._map_agent import ItemReplies
from miniagents.testing import scripted_model
from miniagents.tools import ToolSpec
from miniagents.types import ChainItem, ModelAgent

I = TypeVar("I", bound=Message)
O = TypeVar("O", bound=Message)
O2 = TypeVar("O2", bound=Message)
A = TypeVar("A", bound=MiniAgent[Any, Any, ...])
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)
P = ParamSpec("P")


# -- messages --------------------------------------------------------------------------------------------------


class Topic(str, Enum):
    BILLING = "billing"
    CRASH = "crash"
    OTHER = "other"


class Ticket(Message):
    text_template: ClassVar[str] = "#{number} {title}"
    number: int
    title: str
    tags: tuple[str, ...] = ()

    @property
    def urgent(self) -> bool:
        return "urgent" in self.tags


class Crash(Ticket):
    stack: tuple[str, ...] = ()


class Bill(Ticket):
    amount: float = 0.0


class Reply(Message):
    text: str = Field(kw_only=False)
    number: int
    confidence: float = 1.0


class Escalation(Message):
    number: int
    reason: str


class Score(Message):
    good: bool
    why: str = ""


class Address(BaseModel):
    street: str
    city: str


class Customer(BaseModel):
    name: str
    address: Address
    orders: list[int] = []


class Row(BaseModel):
    id: int
    text: str


# -- agents of functions ---------------------------------------------------------------------------------------


@miniagent
async def solver(ctx: InteractionContext[Ticket, Reply], *, tone: str = "kind", depth: int = 1) -> None:
    for ticket in await ctx.messages:
        words = " ".join([tone] * depth)
        ctx.reply(Reply(f"{words}: {ticket.title}", number=ticket.number, confidence=1 / depth))


@miniagent
async def crash_solver(ctx: InteractionContext[Crash, Reply]) -> None:
    async for promise in ctx.messages:
        crash = await promise
        last = crash.stack[-1] if crash.stack else "nowhere"
        ctx.reply(Reply(f"It broke in {last}.", number=crash.number))


@miniagent
async def accountant(ctx: InteractionContext[Bill, Reply | Escalation], limit: float = 100.0) -> None:
    for bill in await ctx.messages:
        if bill.amount > limit:
            ctx.reply(Escalation(number=bill.number, reason=f"{bill.amount:.2f} is too much"))
        else:
            ctx.reply(Reply("Paid back.", number=bill.number))


@miniagent
async def judge(ctx: InteractionContext[Reply, Score], *, least: float) -> None:
    for reply in await ctx.messages:
        good = reply.confidence >= least
        ctx.reply(Score(good=good, why="" if good else f"{reply.confidence} < {least}"))


@miniagent(alias="LETTERBOX", description="Whatever does not fit anywhere.")
async def letterbox(ctx: InteractionContext) -> None:
    ctx.reply(f"Thank you for: {await ctx.messages}")


@miniagent
async def parser(ctx: InteractionContext[Message, Ticket]) -> None:
    for message in await ctx.messages:
        data: dict[str, Any] = json.loads(str(message))
        ctx.reply(Crash(**data) if "stack" in data else Ticket(**data))


# -- agents of classes -----------------------------------------------------------------------------------------


class Desk(BaseAgent[Ticket, Reply | Escalation]):
    """A desk that knows some words."""

    words: tuple[str, ...]
    answers: Mapping[str, str] = Field(default_factory=dict)
    patience: int = Field(default=3, ge=1)

    def answer_to(self, ticket: Ticket) -> str | None:
        known = [word for word in self.words if word in ticket.title]
        return self.answers.get(known[0], f"We know {known[0]}.") if known else None

    @override
    async def run(self, ctx: InteractionContext[Ticket, Reply | Escalation]) -> None:
        for ticket in (await ctx.messages)[: self.patience]:
            answer = self.answer_to(ticket)
            if answer is None:
                ctx.reply(Escalation(number=ticket.number, reason="unknown"))
            else:
                ctx.reply(Reply(answer, number=ticket.number))


class Every(BaseAgent[I, O], Generic[I, O]):
    """Asks another agent for each message."""

    inner: MiniAgent[I, O]

    @override
    async def run(self, ctx: InteractionContext[I, O]) -> None:
        async for promise in ctx.messages:
            ctx.reply(self.inner.inquire(promise))


class Counting(BaseAgent[Message, Message]):
    counts: "Counts"

    @override
    async def run(self, ctx: InteractionContext) -> None:
        for message in await ctx.messages:
            self.counts.seen[type(message).__name__] += 1
            ctx.reply(message)


@dataclass
class Counts:
    seen: Counter[str] = field(default_factory=Counter[str])


# -- decorators and generic helpers ----------------------------------------------------------------------------


def logged(into: list[str]) -> Callable[[A], A]:
    def decorate(agent: A) -> A:
        async def call_and_log(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
            replies = call.inquire(ctx.messages)
            ctx.reply(replies)
            into.append(f"{call.alias}: {len(await replies)}")

        return agent.around(call_and_log)

    return decorate


def cached(agent: MiniAgent[I, O, P]) -> MiniAgent[I, O, P]:
    known: dict[str, Messages[O]] = {}

    async def look_up(ctx: InteractionContext[I, O], call: MiniAgent[I, O, ...]) -> None:
        messages = await ctx.messages
        key = "/".join(message.hash_key for message in messages)
        if key not in known:
            known[key] = await call.inquire(messages)
        ctx.reply(known[key])

    return agent.around(look_up)


def twice(agent: MiniAgent[I, O]) -> MiniAgent[I, O]:
    @miniagent
    async def asked_twice(ctx: InteractionContext[I, O]) -> None:
        ctx.reply(agent.inquire(ctx.messages))
        ctx.reply(agent.inquire(ctx.messages))

    return asked_twice


def both(first: MiniAgent[I, O], second: MiniAgent[I, O2]) -> MiniAgent[I, O | O2]:
    return first & second


def chained(first: MiniAgent[I, O], second: MiniAgent[O, O2]) -> MiniAgent[I, O2]:
    return first | second


async def ask_all(agents: Iterable[MiniAgent[I, O]], message: I) -> list[O]:
    asked = [agent.inquire(message) for agent in agents]
    return [reply for replies in await asyncio.gather(*asked) for reply in replies]


async def first_reply(replies: MessageSequencePromise[O]) -> O:
    async for promise in replies:
        return await promise
    raise LookupError("no reply")


async def extract(model: ModelAgent[...], kind: type[M], text: str) -> M:
    return await model.as_type(kind).inquire(text).parsed


def collected(stream: Observable[T]) -> Observable[list[T]]:
    return stream.pipe(ops.to_list())


async def timed(work: Awaitable[T]) -> tuple[T, bool]:
    loop = asyncio.get_running_loop()
    started = loop.time()
    result = await work
    return result, loop.time() - started < 5


# -- the algebra -----------------------------------------------------------------------------------------------


def is_sure(replies: Messages[Reply]) -> bool:
    return all(reply.confidence > 0.4 for reply in replies)


def excuse(error: Exception, ctx: InteractionContext[Ticket, Reply]) -> Message:
    return Message(f"Sorry: {type(error).__name__}")


careful = solver.bind(depth=2)
hasty = solver.fork(tone="short").bind()
judged: MiniAgent[Ticket, Score] = careful | judge.bind(least=0.4)
fastest = race(careful, hasty, win=is_sure)
hedged = careful.hedge(hasty, after=0.5)
opinions = careful & (hasty | judge.bind(least=0.9))
steady = solver.retry(RetryPolicy(attempts=2, delay=0.01)).timeout(total=5)
safe = steady.bind().catching(excuse)
reception = route().case(Crash, crash_solver).case(Bill, accountant.bind()).case(Ticket, careful)
front = reception.otherwise(letterbox)
everything = identity | front | identity

DESKS: Mapping[Topic, MiniAgent[Ticket, Reply | Escalation]] = {
    Topic.BILLING: Desk(words=("refund", "invoice"), answers={"refund": "Refunded."}).bind(),
    Topic.CRASH: Desk(words=("crash",), patience=1).bind(),
    Topic.OTHER: careful,
}

VOICES: dict[str, MiniAgent[Ticket, Reply, ...]] = {"kind": solver, "careful": careful, "hedged": hedged}


def topic_of(ticket: Ticket) -> Topic:
    if isinstance(ticket, Bill) or "refund" in ticket.title:
        return Topic.BILLING
    return Topic.CRASH if isinstance(ticket, Crash) else Topic.OTHER


@miniagent
async def dispatcher(ctx: InteractionContext[Ticket, Reply | Escalation]) -> None:
    async for promise in ctx.messages:
        ticket = await promise
        ctx.reply(DESKS[topic_of(ticket)].inquire(ticket))


# -- models ----------------------------------------------------------------------------------------------------


@tool
async def orders_of(customer: str, at_most: int = 3) -> list[int]:
    """Look up orders.

    Args:
        customer: the name.
        at_most: how many.
    """
    return {"Ada": [7, 8, 9, 10]}.get(customer, [])[:at_most]


@tool
def refund(order: int) -> str:
    """Give the money back."""
    return f"order {order} is refunded"


@model_agent
async def parrot(
    ctx: InteractionContext[Message, AssistantMessage],
    *,
    model: str = "grey",
    tools: tuple[ToolSpec, ...] = (),
) -> None:
    words = str(await ctx.messages).split()

    async def speak(metadata_so_far: MutableMapping[str, object]) -> AsyncIterator[str]:
        for word in words[-2:]:
            yield f"{word} "
        metadata_so_far["finish_reason"] = "stop"

    ctx.reply(AssistantMessage.promise(speak, model=model))


summarise = prompt(SystemMessage("Be {tone}."), "Summarise: {text}", tone="brief")


@prompt("Translate into {language}: {text}").typed
def translate(language: str = "French") -> None:
    """Asks for a translation."""


async def models() -> None:
    calls = [ToolCall("1", "orders_of", '{"customer": "Ada"}'), ToolCall("2", "refund", '{"order": 7}')]
    model = scripted_model(AssistantMessage(parts=calls, usage=Usage(5, 7)), "Done.")
    replies = model.with_tools(orders_of, refund).inquire("Refund the first order of Ada.")
    print([f"{message.role}: {message}" for message in await replies])
    print((await replies.final).text)
    spent = sum(
        (each.usage for each in await replies if isinstance(each, AssistantMessage) and each.usage), Usage()
    )
    print(spent.output_tokens)

    written = Customer(name="Ada", address=Address(street="Main", city="Oslo"), orders=[7]).model_dump_json()
    typed = scripted_model(then=written).as_type(Customer)
    customer = typed.timeout(total=5).inquire("Who is it?")
    print((await customer.parsed).address.city.upper())
    print([partial.name async for partial in customer.partials][-1])
    print([order + 1 async for order in customer.elements(lambda answer: answer.orders)])
    print((await extract(scripted_model(then=written), Customer, "Who?")).orders[0])

    print(await (parrot | identity).inquire("Who is a pretty bird?"))
    print((await first_reply(parrot.inquire("Polly", model="red"))).model_dump_json())
    print(await summarise.inquire("A long story.", tone="funny"))
    print(await (summarise.bind(tone="dry") | translate.bind(language="German")).inquire("A story."))


# -- pipelines -------------------------------------------------------------------------------------------------


def shouted(message: Reply) -> Reply:
    return message.model_copy(update={"text": str(message).upper()})


def number_of(ticket: Ticket) -> int:
    return ticket.number


async def pipelines(tickets: Sequence[Ticket]) -> None:
    source = rx.from_iterable(tickets)
    titles = source.pipe(ops.map(lambda ticket: ticket.title), ops.filter(lambda title: "a" in title))
    print(await collected(titles))

    replies = source.pipe(careful, resolve())
    print([reply.number async for reply in to_async_iter(replies)])
    print(await replies.map(lambda reply: reply.confidence).sum())
    print(await replies.pipe(ops.scan(lambda total, reply: total + reply.number, 0), ops.to_list()))

    loud = source.pipe(careful, map_messages(shouted), resolve())
    print([str(reply) async for reply in to_async_iter(loud)])
    louder = source.pipe(careful, map_tokens(str.upper), tokens(), ops.to_list())
    print("".join(await louder)[:10])
    print([str(each) async for each in to_async_iter(source.pipe(letterbox, join(), resolve()))])

    line = careful | resolve() | ops.map(str)
    print(await line(source).pipe(ops.first()))
    numbers = source.pipe(ops.map(number_of), ops.buffer_with_count(2)).map(sum)
    print(await numbers.pipe(ops.to_list()))
    grouped = source.pipe(
        ops.group_by(topic_of),
        ops.flat_map(lambda group: group.pipe(ops.count(), ops.map(lambda count: (group.key.value, count)))),
        ops.to_list(),
    )
    print(sorted(await grouped))
    pairs = source.pipe(ops.pairwise()).pipe(ops.map(lambda pair: pair[1].number - pair[0].number))
    print(await collected(pairs))
    zipped = replies.zip(source).map(lambda pair: pair[0].number == pair[1].number)
    print(await zipped.pipe(ops.all(bool)))


# -- a job -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    index: int
    text: str
    failed: bool = False


def rows(count: int) -> Iterator[Row]:
    for number in range(count):
        yield Row(id=number, text="love" if number % 2 else "")


@miniagent
async def mood(ctx: InteractionContext) -> None:
    text = str(await ctx.messages)
    if "love" not in text:
        raise ValueError("nothing to judge")
    ctx.reply("glad")


async def outcome_of(replies: ItemReplies[Row, Message]) -> Outcome:
    try:
        return Outcome(replies.index, f"{replies.item.id}: {await replies}")
    except ValueError as error:
        return Outcome(replies.index, str(error), failed=True)


async def job() -> None:
    outcomes = [await outcome_of(replies) async for replies in map_agent(mood, concurrency=2)(rows(4))]
    print(Counter(outcome.failed for outcome in outcomes), outcomes[1].text)

    tickets = [Ticket(number=number, title=f"t{number}") for number in range(3)]
    mapped = map_agent(careful, 2, on_error="stop", overflow=Overflow.block(10))
    async for answered in mapped(tickets):
        reply = await first_reply(answered)
        assert reply.number == answered.item.number
    best = rx.from_iterable(tickets).pipe(map_agent(judged), ops.map(lambda scored: scored.item.number))
    print(sorted(await best.pipe(ops.to_list())))

    cities = scripted_model(then='{"street": "Main", "city": "Oslo"}').as_type(Address)
    print([(await row.parsed).city async for row in map_agent(cities)(["Where is Ada?"])])


# -- a web page ------------------------------------------------------------------------------------------------

Handler = Callable[[Mapping[str, str]], AsyncIterator[str]]


def event(kind: str, data: object) -> str:
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"


async def stream_answer(query: Mapping[str, str]) -> AsyncIterator[str]:
    answers = parrot.inquire([SystemMessage("Be brief."), UserMessage(query["q"])])
    async for message in answers:
        async for token in message:
            yield event("token", token)
        yield event("done", (await message).finish_reason)


async def stream_tickets(query: Mapping[str, str]) -> AsyncIterator[str]:
    ticket = Ticket(number=int(query["number"]), title=query.get("title", ""))
    async for promise in dispatcher.inquire(ticket):
        match await promise:
            case Reply() as reply:
                yield event("reply", {"text": reply.text, "number": reply.number})
            case Escalation(reason=reason):
                yield event("escalation", reason)


PATHS: dict[str, Handler] = {"/answer": stream_answer, "/tickets": stream_tickets}


class Asked(BaseModel):
    number: int
    title: str = ""


async def ask(request: Request) -> Response:
    asked = Asked.model_validate_json(await request.body())
    replies = dispatcher.inquire(Ticket(number=asked.number, title=asked.title))
    return stream_response(replies, protocol="ndjson" if "json" in request.query_params else "text")


def current_user(request: Request) -> str:
    return request.cookies.get("user", "")


runs = Runs()
app = Starlette(
    routes=[
        Route("/ask", ask, methods=["POST"]),
        *chat_routes({"parrot": parrot, "desk": everything}, runs=runs, prefix="/chat", owner=current_user),
    ]
)


async def page() -> None:
    async with AsyncClient(transport=ASGITransport(app), base_url="http://desk") as client:
        print((await client.post("/ask", json={"number": 4, "title": "refund"})).text)
        print((await client.post("/chat/runs", json={"text": "Hi"})).status_code)
    for path, query in (("/answer", {"q": "Who are you?"}), ("/tickets", {"number": "4", "title": "refund"})):
        print([line async for line in PATHS[path](query)])


# -- all of it -------------------------------------------------------------------------------------------------


async def agents(tickets: Sequence[Ticket]) -> None:
    log: list[str] = []
    quick = logged(log)(cached(solver))
    for _ in range(2):
        print((await quick.inquire(tickets[0], tone="calm").final).text)
    desk = logged(log)(Desk(words=("refund",)))
    print(desk.fork(patience=2).patience, await desk.inquire(tickets))
    print(log)

    print([score.good for score in await judged.inquire(tickets)])
    print(
        len(await twice(careful).inquire(tickets[:1])), len(await both(careful, judged).inquire(tickets[:1]))
    )
    print([type(each).__name__ for each in await opinions.inquire(tickets[:1])])
    print(await chained(careful, judge.bind(least=0.1)).inquire(tickets[0]))
    for agent in (fastest, hedged, careful):
        print((await agent.inquire(tickets[0]).final).confidence)
    print(sorted(reply.confidence for reply in await ask_all([careful, hasty], tickets[0])))
    print(await safe.inquire(tickets[0]))
    print([type(each).__name__ for each in await front.inquire(tickets)], await everything.inquire("Hello"))
    print({name: (await voice.inquire(tickets[0]).final).number for name, voice in VOICES.items()})

    counting = Counting(counts=Counts())
    print(len(await (counting | letterbox).inquire(tickets)), counting.counts.seen.most_common(1))
    print(len(await Every(inner=careful).inquire(tickets)))
    parsed = await parser.inquire(
        ['{"number": 1, "title": "a"}', '{"number": 2, "title": "b", "stack": ["f"]}']
    )
    print([ticket.title for ticket in parsed if not ticket.urgent])
    (whole, quickly) = await timed(dispatcher.inquire(tickets))
    print(len(whole), quickly)


async def dialog() -> None:
    questions = iter(["Hi", "Bye"])

    @miniagent
    async def user(ctx: InteractionContext) -> None:
        question = next(questions, None)
        if question is None:
            raise StopLoop
        ctx.reply(UserMessage(question))

    seen: list[str] = []

    @miniagent
    async def screen(ctx: InteractionContext) -> None:
        seen.append(str(await ctx.messages))

    chain: list[ChainItem] = [user, parrot, screen, AWAIT]
    await achain_loop(chain)
    print(seen)


async def main() -> None:
    tickets: list[Ticket] = [
        Crash(number=1, title="a crash", stack=("main", "draw")),
        Bill(number=2, title="refund", amount=250),
        Ticket(number=3, title="a question", tags=("urgent",)),
    ]
    await agents(tickets)
    await models()
    await pipelines(tickets)
    await job()
    await page()
    await dialog()
    held: MessagePromise[Reply] | None = None
    async for held in careful.inquire(tickets):  # noqa: B007 - it is held behind the loop
        break
    print(held is not None and (await held).text)


if __name__ == "__main__":
    MiniAgents().run(main())
