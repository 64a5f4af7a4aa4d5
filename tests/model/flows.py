"""Random pipelines of messages about demand, against a model on lists of texts.

A flow is a source of messages, up to five steps (agents, operators on messages, and the forms in which
messages are passed on), and one to three readers. `prefetch` is 1 to 8, or that of everybody; readers are
slow, leave, are cancelled, or hold all messages before they read one. Some messages fail. No time counts:
each reader gets the texts and errors of the model (who leaves, a beginning of them), nothing waits for ever,
no task or generator is left, and nothing is logged but errors that no reader got. Of a flow with a limit of
time that expires, only the last three are checked.
"""

import asyncio
import gc
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from random import Random
from typing import Any, Final, TypeAlias, TypeVar

import reactivex as rx
from reactivex import Observable, operators as ops

from miniagents import (
    AWAIT,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MiniAgent,
    MiniAgents,
    MiniAgentsError,
    StopLoop,
    achain_loop,
    adialog_loop,
    fallback,
    identity,
    join_messages,
    miniagent,
    race,
    split_messages,
)
from miniagents.operators import (
    Overflow,
    as_messages,
    chunk,
    errors_as_messages,
    flatten,
    from_async,
    join,
    map_agent,
    map_async,
    map_messages,
    map_tokens,
    resolve,
    share_bounded,
    split,
    switch_map_async,
    to_async_iter,
    tokens,
    until,
)
from tests.model.loops import loop_of
from tests.model.pipes import Log, Outcome
from tests.support.loops import without_leaks

__all__ = ["Flow", "Reader", "Source", "Step", "Written", "check", "drawn"]

LIMIT: Final = 5_000.0
"""Seconds of virtual time after which a flow hangs; each takes less than one."""
LATER: Final = 2 * LIMIT
"""Seconds: a limit that nothing reaches."""

T = TypeVar("T")

FAILS: Final = "!"
"""Stands behind the text of a message that fails."""
PLANNED: Final = (
    *("ValueError('broken')", "ValueError('at the end')", "ValueError('behind the first')"),
    "memory may grow",
)
"""What may be logged: a reader, or an operator, may have left before it got these errors; a slow reader
of two streams may be taken for one that waits for something else."""
UNREAD: Final = ("AgentTimeoutError", "WithdrawnError", "the first attempt")
"""What may be logged if a limit of time expires, for the same reason."""

Real: TypeAlias = MessageSequencePromise[Message]
Texts: TypeAlias = list[str]
Ctx: TypeAlias = InteractionContext


@dataclass(frozen=True)
class Written:
    """A message.

    Attributes:
        tokens: its tokens.
        streams: whether they come one by one; else it is finished when it is sent.
        fails: whether it fails behind them.
    """

    tokens: tuple[str, ...]
    streams: bool = False
    fails: bool = False


@dataclass(frozen=True)
class Source:
    """The first messages.

    Attributes:
        messages: what they are.
        kind: what writes them: a `list`, a `generator`, an `observable`, or an `agent`.
        pause: seconds before each message of a generator and each token.
    """

    messages: tuple[Written, ...]
    kind: str = "list"
    pause: float = 0.0


@dataclass(frozen=True)
class Step:
    """What is done with messages.

    Attributes:
        name: one of `WAYS`.
        count: its number, if it has one: of messages, of calls at once.
    """

    name: str
    count: int = 1


@dataclass(frozen=True)
class Reader:
    """Who reads.

    Attributes:
        how: one of `READERS`.
        pause: seconds after each token or message.
        leaves: after how many tokens or messages it leaves; None: never.
        stops: after how many seconds it is cancelled; None: never.
    """

    how: str = "tokens"
    pause: float = 0.0
    leaves: int | None = None
    stops: float | None = None


@dataclass(frozen=True)
class Flow:
    """Messages, what is done with them, and who reads.

    Attributes:
        source: the first messages.
        steps: what is done with them.
        readers: who reads the last ones.
        together: whether the readers read at the same time; else one after the other.
        prefetch: that of the context.
        order: decides which of several tasks goes first.
    """

    source: Source
    steps: tuple[Step, ...]
    readers: tuple[Reader, ...]
    together: bool = False
    prefetch: int = 1
    order: int = 0


LISTED: Final[Sequence[Callable[[Any], Any]]] = (ops.to_list(), flatten())
"""Operators that emit nothing before the end of what they get."""


# -- agents -----------------------------------------------------------------------------------------------


@miniagent
async def echo(ctx: Ctx) -> None:
    """Pass on all at once."""
    ctx.reply(ctx.messages)


@miniagent
async def each(ctx: Ctx) -> None:
    """Pass on message by message."""
    async for message in ctx.messages:
        ctx.reply(message)


@miniagent
async def upper(ctx: Ctx) -> None:
    """Write each message anew, token by token."""

    async def raised(message: MessagePromise[Message], _: object) -> AsyncGenerator[str]:
        async for token in message:
            yield token.upper()

    async for message in ctx.messages:
        ctx.reply(Message.promise(partial(raised, message)))


@miniagent
async def one_by_one(ctx: Ctx) -> None:
    """Await each message."""
    async for message in ctx.messages:
        ctx.reply(str(await message))


@miniagent
async def at_last(ctx: Ctx) -> None:
    """Await all messages."""
    ctx.reply(list(await ctx.messages))


@miniagent
async def piped(ctx: Ctx) -> None:
    """Reply a pipe."""
    ctx.reply(ctx.messages.messages.pipe(map_tokens(str.upper)))


@miniagent
async def twice(ctx: Ctx) -> None:
    """Pass on all, and again."""
    ctx.reply(ctx.messages)
    ctx.reply(ctx.messages)


@miniagent
async def collected(ctx: Ctx) -> None:
    """Reply a pipe that emits nothing before its end."""
    ctx.reply(ctx.messages.messages.pipe(*LISTED))


@miniagent
async def first_two(ctx: Ctx) -> None:
    """Leave behind the second message."""
    count = 0
    async for message in ctx.messages:
        ctx.reply(message)
        count += 1
        if count == 2:
            break


@miniagent
async def looks(ctx: Ctx) -> None:
    """Read one token of each message, and pass the message on."""
    async for message in ctx.messages:
        async for _ in message:
            break
        ctx.reply(message)


@miniagent
async def fails_at_the_end(ctx: Ctx) -> None:
    """Fail when all is passed on."""
    async for message in ctx.messages:
        ctx.reply(message)
    raise ValueError("at the end")


@miniagent
async def fails_behind_the_first(ctx: Ctx) -> None:
    """Fail when the first message is complete."""
    async for message in ctx.messages:
        ctx.reply(message)
        await message
        raise ValueError("behind the first")


@miniagent
async def called(ctx: Ctx) -> None:
    """Send a running agent message by message."""
    call = echo.initiate_inquiry()
    ctx.reply(call.reply_sequence(finish_call=False))
    async for message in ctx.messages:
        call.send_message(message)
    call.finish()


@miniagent
async def waits(ctx: Ctx) -> None:
    """Pass on all, and wait for something else."""
    ctx.reply(ctx.messages)
    ctx.wait_for(asyncio.sleep(0.005))


@miniagent
async def goes_on(ctx: Ctx) -> None:
    """Close the replies early."""
    ctx.reply(ctx.messages)
    ctx.finish_early()
    await asyncio.sleep(0.005)


@miniagent
async def in_a_block(ctx: Ctx) -> None:
    """Ask in a block."""
    async with each.inquire(ctx.messages) as answer:
        ctx.reply(answer)
        await answer


@miniagent
async def in_tasks(ctx: Ctx) -> None:
    """Await each message in a task of its own."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_whole(message)) async for message in ctx.messages]
    ctx.reply([task.result() for task in tasks])


async def _whole(message: MessagePromise[Message]) -> str:
    return str(await message)


@miniagent
async def dialog(ctx: Ctx) -> None:
    """Let two agents say each message to each other; then pass on what was heard."""
    await _talks(ctx, adialog_loop)


@miniagent
async def loop(ctx: Ctx) -> None:
    """Let a loop of agents do it."""
    await _talks(ctx, lambda user, other: achain_loop([user, AWAIT, other]))


async def _talks(ctx: Ctx, talk: Callable[[MiniAgent, MiniAgent], Awaitable[object]]) -> None:
    said = aiter(ctx.messages)
    heard: list[str] = []

    @miniagent
    async def user(ctx: Ctx) -> None:
        heard.extend([str(message) for message in await ctx.messages])
        async for message in said:
            ctx.reply(message)
            return
        raise StopLoop

    @miniagent
    async def other(ctx: Ctx) -> None:
        *_, last = [message async for message in ctx.messages]
        ctx.reply(last)

    await talk(user, other)
    ctx.reply(heard)


def _flaky() -> MiniAgent:
    fails = iter([True])

    @miniagent
    async def flaky(ctx: Ctx) -> None:
        async for message in ctx.messages:
            if next(fails, False):
                await message
                raise ValueError("the first attempt")
            ctx.reply(message)

    return flaky.retry()


async def _asks(ctx: Ctx, agent: MiniAgent) -> None:
    ctx.reply(agent.inquire(ctx.messages))


# -- what is done with messages, and what becomes of the texts ----------------------------------------------


@dataclass(frozen=True)
class Way:
    """What a step does.

    Attributes:
        build: does it.
        model: what becomes of the texts.
        rereads: whether it begins to read again what it has read.
    """

    build: Callable[[Real, int], Real]
    model: Callable[[Texts, int], Texts]
    rereads: bool = False


def _same(texts: Texts, _: int) -> Texts:
    return texts


def _raised(texts: Texts, _: int) -> Texts:
    return [text.upper() for text in texts]


def _doubled(texts: Texts, _: int) -> Texts:
    return texts + texts


def _repeated(texts: Texts, _: int) -> Texts:
    return [text for text in texts for _ in range(2)]


def _joined(texts: Texts, _: int) -> Texts:
    return [_cut("+".join(texts))]


def _parted(texts: Texts, _: int) -> Texts:
    return [text for text in "+".join(texts).split("+") if text]


def _cut(text: str) -> str:
    came, failed, _ = text.partition(FAILS)
    return came + failed


def _told(texts: Texts, _: int = 0) -> Texts:
    told: Texts = []
    for text in texts:
        came = text.removesuffix(FAILS)
        if came or not text:
            told.append(came)
        if came != text:
            told.append("ValueError: broken")
    return told


def _asked(agent: MiniAgent, model: Callable[[Texts, int], Texts] = _same, *, rereads: bool = False) -> Way:
    return Way(lambda given, _: agent.inquire(given), model, rereads)


def _through(*operators: Callable[[Any], Any], model: Callable[[Texts, int], Texts] = _same) -> Way:
    return _counted(lambda _: operators, model)


def _passed_on(
    build: Callable[[Real], MessageType],
    model: Callable[[Texts, int], Texts] = _same,
    *,
    rereads: bool = False,
) -> Way:
    return Way(lambda given, _: MessageSequencePromise(build(given)), model, rereads)


def _counted(
    operators: Callable[[int], Sequence[Callable[[Any], Any]]], model: Callable[[Texts, int], Texts] = _same
) -> Way:
    return Way(lambda given, count: MessageSequencePromise(given.messages.pipe(*operators(count))), model)


def _itself(message: MessagePromise[Message]) -> MessagePromise[Message]:
    return message


def _two(message: MessagePromise[Message]) -> Observable[MessagePromise[Message]]:
    return rx.of(message, message)


def _louder(message: Message) -> Message:
    return Message(str(message).upper())


def _halves(given: Real) -> Observable[Any]:
    first, second = given.messages.pipe(ops.take(2)), given.messages.pipe(ops.skip(2))
    return rx.concat(first, second)


async def _raise(message: MessagePromise[Message]) -> str:
    return str(await message).upper()


async def _read(given: Real) -> AsyncGenerator[MessagePromise[Message]]:
    async for message in given:
        yield message


async def _two_generators(given: Real) -> AsyncGenerator[MessageType]:
    yield _read(given)
    yield given.messages


def _broken(given: Real) -> Observable[Any]:
    message = Message.promise(lambda _: slowly(["half"], 0.0, fails=True))
    return rx.concat(given.messages, rx.of(message)).pipe(as_messages(), errors_as_messages())


WAYS: Final[Mapping[str, Way]] = {
    # agents
    "echo": _asked(echo),
    "each": _asked(each),
    "upper": _asked(upper, _raised),
    "one_by_one": _asked(one_by_one),
    "at_last": _asked(at_last),
    "piped": _asked(piped, _raised),
    "collected": _asked(collected),
    "first_two": _asked(first_two, lambda texts, _: texts[:2]),
    "looks": _asked(looks),
    "identity": _asked(identity),
    "chain": _asked(echo | upper | each, _raised),
    "fork": _asked(echo.fork()),
    "around": _asked(echo.around(_asks)),
    "timeout": _asked(each.timeout(stall=LATER)),
    "hedge": _asked(each.hedge(echo, after=LATER)),
    "hedge_at_once": _asked(each.hedge(echo, after=0.0), rereads=True),
    "race": _asked(race(echo, each), rereads=True),
    "guards": _asked(echo.guard(before=lambda _: None, during=lambda _: None, after=lambda _: None)),
    "guard": _asked(echo.guard(during=lambda _: None, hold=2)),
    "catching": _asked(each.catching(lambda _, __: "E")),
    "hold": _asked(each.catching(echo, hold=True)),
    "fallback": _asked(fallback(each, echo)),
    "agent_errors_as_messages": _asked(each.errors_as_messages(), _told),
    "caught": _asked(fails_at_the_end.catching(lambda _, __: "E"), lambda texts, _: [*texts, "E"]),
    "told": _asked(
        fails_at_the_end.errors_as_messages(), lambda texts, _: [*_told(texts), "ValueError: at the end"]
    ),
    "taken_over": _asked(
        fails_behind_the_first.catching(echo), lambda texts, _: texts[:1] + texts, rereads=True
    ),
    "retry": Way(lambda given, _: _flaky().inquire(given), _same, rereads=True),
    "twice": _asked(twice, _doubled, rereads=True),
    "both": _asked(echo & each, _doubled, rereads=True),
    "called": _asked(called),
    "waits": _asked(waits),
    "goes_on": _asked(goes_on),
    "in_a_block": _asked(in_a_block),
    "in_tasks": _asked(in_tasks),
    "dialog": _asked(dialog),
    "loop": _asked(loop),
    "total": _asked(each.timeout(total=0.005)),
    "stall": _asked(upper.timeout(stall=0.0005)),
    "hedge_late": _asked(at_last.hedge(upper, after=0.002), rereads=True),
    "given_up": _asked(fallback(each.timeout(total=0.003), upper), rereads=True),
    "caught_late": _asked(upper.timeout(total=0.004).catching(each, restart=True), rereads=True),
    # operators
    "map": _through(ops.map(_itself)),
    "map_tokens": _through(map_tokens(str.upper), model=_raised),
    "map_messages": _through(map_messages(_louder), model=_raised),
    "map_async": _counted(lambda count: [map_async(_raise, count)], _raised),
    "map_agent": _counted(lambda count: [map_agent(echo, count), flatten()]),
    "chunk": _counted(lambda count: [chunk(count), flatten()]),
    "take": _counted(lambda count: [ops.take(count)], lambda texts, count: texts[:count]),
    "to_list": _through(*LISTED),
    "repeat": _through(ops.concat_map(_two), model=_repeated),
    "start_with": _through(ops.start_with("y"), model=lambda texts, _: ["y", *texts]),
    "resolve": _through(resolve()),
    "operator_join": _through(join("+"), model=_joined),
    "operator_split": _through(split("+", code_block_delimiter=None), model=_parted),
    "flatten": _through(flatten()),
    "errors_as_messages": _through(errors_as_messages(), model=_told),
    "as_messages": _through(as_messages()),
    "agent_in_a_pipe": _through(echo),
    "upper_in_a_pipe": _through(upper, model=_raised),
    "pipeline": _through(each | map_tokens(str.upper), model=_raised),
    "share_bounded": _through(share_bounded()),
    "share": _through(ops.share()),
    "filter": _through(ops.filter(lambda _: True)),
    "skip": _counted(lambda count: [ops.skip(count)], lambda texts, count: texts[count:]),
    "buffer": _counted(lambda count: [ops.buffer_with_count(count), flatten()]),
    "replay": _counted(lambda _: [ops.replay(), ops.ref_count()]),
    "merge_two": _passed_on(_halves, rereads=True),
    "until": Way(lambda given, _: MessageSequencePromise(given.messages.pipe(until(asyncio.Event()))), _same),
    "until_late": Way(
        lambda given, _: MessageSequencePromise(given.messages.pipe(until(asyncio.sleep(0.004)))), _same
    ),
    "newest": _through(switch_map_async(_raise)),
    "merge": _through(ops.merge(rx.of("m"))),
    "concat": _passed_on(lambda given: rx.concat(given.messages, rx.of("z")), lambda texts, _: [*texts, "z"]),
    "broken": _passed_on(_broken, lambda texts, _: [*_told(texts), *_told(["half!"])]),
    "read_in_a_pipe": _passed_on(lambda given: from_async(to_async_iter(given.messages))),
    # forms
    "join": _passed_on(lambda given: join_messages(given, "+"), _joined),
    "split": _passed_on(lambda given: split_messages(given, "+", code_block_delimiter=None), _parted),
    "list": _passed_on(lambda given: [given]),
    "generator": _passed_on(_read),
    "generators": _passed_on(_two_generators, _doubled, rereads=True),
    "twice_in_a_list": _passed_on(lambda given: [given, given], _doubled, rereads=True),
    "sequence": _passed_on(lambda given: given),
    "once": Way(lambda given, _: MessageSequencePromise(given, replay=False), _same),
    "tokens": _passed_on(lambda given: given.tokens, lambda texts, _: [_cut("".join(texts))]),
}
"""All steps by name."""
COUNTED: Final = {"map_async", "map_agent", "chunk", "take", "skip", "buffer"}
"""Those that have a number."""
TOLD: Final = {"agent_errors_as_messages", "told", "errors_as_messages", "broken"}
"""Those behind which no message fails."""
STOPPED: Final = {
    *(
        "one_by_one",
        "at_last",
        "looks",
        "retry",
        "race",
        "hedge",
        "hedge_at_once",
        "catching",
        "caught",
        "taken_over",
        "hold",
    ),
    *("in_tasks", "dialog", "loop", "in_a_block"),
    *("fallback", "guards", "map_messages", "map_async", "resolve", "operator_split", "split"),
}
"""Those of which the model does not say what they do with a message that fails."""

LOOSE: Final = {
    *("total", "stall", "hedge_late", "given_up", "caught_late"),
    *("until_late", "newest", "merge"),
}
"""Those whose texts depend on time."""

READERS: Final = (
    *("messages", "whole", "resolve", "held", "backwards"),
    *("tokens", "all_tokens", "parts", "pipe", "operators", "block", "subscribe"),
)
"""How readers read: messages, or only their tokens."""


async def _lines(message: MessagePromise[Message]) -> AsyncGenerator[str]:
    yield "\n"
    try:
        async for token in message:
            yield token
    except (ValueError, MiniAgentsError):
        yield FAILS


async def texts_read(how: str, given: Real) -> AsyncGenerator[str]:  # noqa: C901, PLR0912 - a case for each reader
    """Yield what a reader gets, piece by piece; one that knows messages writes a line for each."""
    match how:
        case "messages":
            async for message in given:
                async for token in _lines(message):
                    yield token
        case "whole":
            for whole in await given:
                yield f"\n{whole}"
        case "resolve":
            async for whole in to_async_iter(given.messages.pipe(resolve())):
                yield f"\n{whole}"
        case "held":
            for message in [message async for message in given]:
                async for token in _lines(message):
                    yield token
        case "backwards":
            messages = [message async for message in given]
            lines = ["".join([token async for token in _lines(message)]) for message in reversed(messages)]
            for line in reversed(lines):
                yield line
        case "tokens":
            async for token in given.tokens:
                yield token
        case "all_tokens":
            for token in await given.tokens:
                yield token
        case "parts":
            async for part in given.parts:
                yield str(part)
        case "pipe":
            letters = given.tokens.pipe(ops.concat_map(lambda token: rx.from_iterable(list(token))))
            async for token in to_async_iter(letters):
                yield token
        case "operators":
            async for token in to_async_iter(given.messages.pipe(map_tokens(str), tokens())):
                yield token
        case "block":
            joined = given.messages.pipe(join(""), tokens())
            async for token in to_async_iter(joined, overflow=Overflow.block(2)):
                yield token
        case _:
            got, end = list[str](), asyncio.get_running_loop().create_future()
            with given.tokens.subscribe(got.append, end.set_result, lambda: end.set_result(None)):
                await asyncio.wait([end])
            error = end.result()
            for token in got:
                yield token
            if error is not None:
                raise error


# -- the generator ------------------------------------------------------------------------------------------


def drawn(seed: int) -> Flow:
    """Return the flow of a seed."""
    random = Random(f"flow {seed}")  # noqa: S311 - no secret
    lengths = random.choice([[0], [0, 1], [0, 1, 2, 12], [5, 12]])
    messages = [_written(random, lengths) for _ in range(random.choice([0, 1, 2, 5, 9, 15, 40]))]
    kind = random.choice(["list", "generator", "observable", "agent"])
    names = [random.choice([*WAYS]) for _ in range(random.randrange(6))]
    steps = [Step(name, random.randrange(1, 6) if name in COUNTED else 1) for name in names]
    readers = [drawn_reader(random, READERS) for _ in range(random.choice([1, 1, 1, 2, 3]))]
    for place, step in enumerate(steps):
        if step.name == "once":  # nothing behind it begins to read again what was dropped
            steps[place:] = [step for step in steps[place:] if not WAYS[step.name].rereads]
            del readers[1:]
            break
    untold = {step.name for step in takewhile(lambda step: step.name not in TOLD, steps)}
    if messages and untold.isdisjoint(STOPPED) and random.random() < 0.4:
        place = random.randrange(len(messages))
        messages[place] = replace(messages[place], streams=True, fails=True)
    return Flow(
        Source(tuple(messages), kind, random.choice([0.0, 0.0, 0.001])),
        tuple(steps),
        tuple(readers),
        together=random.random() < 0.5,
        prefetch=random.choice([1, 1, 2, 3, 4, 8, 1024]),
        order=random.randrange(1000),
    )


def drawn_reader(random: Random, known: Sequence[str]) -> Reader:
    """Return a reader.

    Args:
        random: decides.
        known: how readers read.
    """
    return Reader(
        random.choice(known),
        random.choice([0.0, 0.001, 0.02]),
        random.randrange(1, 6) if random.random() < 0.25 else None,
        random.choice([0.0, 0.001, 0.003, 0.01]) if random.random() < 0.15 else None,
    )


def _written(random: Random, lengths: Sequence[int]) -> Written:
    texts = tuple(random.choice(["a", "b+", "c", "+", "d"]) for _ in range(random.choice(lengths)))
    return Written(texts, streams=random.random() < 0.7)


# -- the run ------------------------------------------------------------------------------------------------


def expected(flow: Flow) -> Texts:
    """Return the texts of the messages that readers get."""
    texts = ["".join(message.tokens) + FAILS * message.fails for message in flow.source.messages]
    for step in flow.steps:
        texts = WAYS[step.name].model(texts, step.count)
    return texts


def check(flow: Flow, loops: str = "asyncio") -> Outcome:
    """Run a flow, and compare it with the model."""
    texts = expected(flow)
    got: list[list[str]] = [[] for _ in flow.readers]
    wrong: list[str] = []
    log = Log()
    logging.getLogger("miniagents").addHandler(log)
    loop = loop_of(loops, flow.order)
    try:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(without_leaks(lambda: _run(flow, got), None))
    except BaseException as error:  # noqa: BLE001 - also that something is left, or that nothing can happen
        wrong.append(f"{type(error).__name__}: {error!s}"[:400])
    loose = not LOOSE.isdisjoint(step.name for step in flow.steps)
    if wrong:
        gc.collect()  # what it has left must not be seen in the next flow
    logging.getLogger("miniagents").removeHandler(log)
    for reader, pieces in zip(flow.readers, got, strict=True):
        due, came = due_of(reader.how, texts), "".join(pieces)
        some = loose or due.startswith(came.removesuffix(FAILS))
        # An error overtakes what `concat_map` still has.
        may_be_some = loose or reader.stops is not None or len(pieces) == reader.leaves
        may_be_some = may_be_some or (reader.how == "pipe" and came.endswith(FAILS))
        if not wrong and not (some if may_be_some else due == came):
            wrong.append(f"texts: {came!r}, not {due!r}")
    planned = (*PLANNED, *UNREAD) if loose else PLANNED
    logged = [text for text in log.texts if not any(error in text for error in planned)]
    return Outcome(wrong + [f"log: {text}" for text in logged])


def due_of(how: str, texts: Texts) -> str:
    """Return what a reader gets."""
    if how in {"messages", "held", "backwards"}:
        return "".join(f"\n{text}" for text in texts)
    fails = any(FAILS in text for text in texts)
    if fails and how in {"whole", "all_tokens"}:
        return FAILS
    if how == "whole":
        return "".join(f"\n{text}" for text in texts)
    if how == "resolve":
        whole = list(takewhile(lambda text: FAILS not in text, texts))
        return "".join(f"\n{text}" for text in whole) + FAILS * fails
    return _cut("".join(texts))


async def _run(flow: Flow, got: Sequence[list[str]]) -> None:
    async with asyncio.timeout(LIMIT), MiniAgents(prefetch=flow.prefetch):
        given = _first(flow.source)
        for step in flow.steps:
            given = WAYS[step.name].build(given, step.count)
        if not flow.together:
            for reader, pieces in zip(flow.readers, got, strict=True):
                await reads(reader, given, pieces)
            return
        async with asyncio.TaskGroup() as group:
            for reader, pieces in zip(flow.readers, got, strict=True):
                group.create_task(reads(reader, given, pieces))


async def reads(
    reader: Reader,
    given: Real,
    got: list[str],
    read: Callable[[str, Any], AsyncGenerator[str]] = texts_read,
) -> None:
    """Note what a reader gets."""
    try:
        async with asyncio.timeout(reader.stops), aclosing(read(reader.how, given)) as texts:
            async for text in texts:
                got.append(text)
                if len(got) == reader.leaves:
                    return
                if reader.pause:
                    await asyncio.sleep(reader.pause)
    except (ValueError, MiniAgentsError, ExceptionGroup):
        got.append(FAILS)
    except TimeoutError:
        assert reader.stops is not None


def _first(source: Source) -> Real:
    messages = [_message(message, source.pause) for message in source.messages]
    match source.kind:
        case "list":
            return MessageSequencePromise(messages)
        case "observable":
            return MessageSequencePromise(rx.from_iterable(messages))
        case "generator":
            return MessageSequencePromise(slowly(messages, source.pause))
        case _:
            return echo.inquire(slowly(messages, source.pause))


def _message(message: Written, pause: float) -> MessageType:
    if not message.streams:
        return "".join(message.tokens)
    return Message.promise(lambda _: slowly(message.tokens, pause, message.fails))


async def slowly(items: Sequence[T], pause: float, fails: bool = False) -> AsyncGenerator[T]:
    """Yield what is given, each after a pause; and perhaps fail."""
    for item in items:
        if pause:
            await asyncio.sleep(pause)
        yield item
    if fails:
        raise ValueError("broken")
