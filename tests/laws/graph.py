"""A realistic graph of agents, for what is cancelled in the middle of it.

A job is one inquiry with everything below it, and its reader: chains, fans, races, hedges, models with tools
and types, rows, timeouts, retries, nested inquiries, calls, pipelines, readers that leave. Sources and agents
sleep in virtual time, and their clean-ups wait. Each counts that it has begun, and that it has ended.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Awaitable, Callable, Generator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import reactivex as rx
from pydantic import BaseModel
from reactivex import Observable

from miniagents import (
    AWAIT,
    AssistantMessage,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MiniAgent,
    MiniAgentsError,
    RetryPolicy,
    StopLoop,
    ToolCall,
    achain_loop,
    join_messages,
    miniagent,
    race,
    split_messages,
    tool,
)
from miniagents.operators import as_messages, join, map_agent, map_tokens, resolve, split, to_async_iter
from miniagents.testing import scripted_model

__all__ = ["JOBS", "Got", "Job", "PlannedError", "ReaderLeftError"]

Agent: TypeAlias = MiniAgent[Message, Message]

REQUEST: ContextVar[str] = ContextVar("request", default="nobody")
PAUSE: Final = 1.0


class PlannedError(Exception):
    """An error that belongs to the graph."""


class ReaderLeftError(Exception):
    """Stands for the rest of a message that a reader has left."""


class City(BaseModel):
    """What a model is asked for."""

    name: str
    streets: list[str]


@dataclass(frozen=True, slots=True)
class Got:
    """What a reader got of one message.

    Attributes:
        text: what had come.
        error: what came then; None if the message was complete.
    """

    text: str
    error: Exception | None = None


@dataclass
class Job:
    """One inquiry and its reader.

    Attributes:
        name: of the job; what runs in it must see it as the request of its context.
        begun: how many sources and agents have begun.
        ended: how many of them have ended, whatever way.
        disturbed: how often a clean-up after a cancellation was cancelled again.
        wrong: what must not be.
        got: what the reader got, message by message.
        end: how the reader ended, None by itself.
        unread: the messages that would come if the reader did not leave by itself.
        mended: messages that may come, as often as they like, where an error is handled.
        promises: what can be cancelled.
        leave: the reader is to leave at the next token.
    """

    name: str
    begun: int = 0
    ended: int = 0
    disturbed: int = 0
    wrong: list[str] = field(default_factory=list[str])
    got: list[Got] = field(default_factory=list[Got])
    end: BaseException | None = None
    unread: tuple[str, ...] = ()
    mended: tuple[str, ...] = ()
    promises: list[MessageSequencePromise[Message]] = field(
        default_factory=list[MessageSequencePromise[Message]]
    )
    leave: bool = False

    async def run(self) -> None:
        """Read it to its end, and keep how it ended."""
        token = REQUEST.set(self.name)
        try:
            await JOBS[self.name](self)
        except BaseException as error:  # noqa: BLE001 - it is looked at
            self.end = error
        finally:
            self.promises.clear()
            self._see(self.name)
            REQUEST.reset(token)

    def asked(self, promise: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        """Note a promise that can be cancelled."""
        self.promises.append(promise)
        return promise

    # -- what runs -----------------------------------------------------------------------------------------

    @contextmanager
    def _running(self) -> Generator[None]:
        self.begun += 1
        self._see(self.name)
        try:
            yield
        finally:
            self._see(self.name)
            self.ended += 1

    def _see(self, request: str) -> None:
        if REQUEST.get() != request:
            self.wrong.append(f"something of {self.name} ran in the context of {REQUEST.get()}")

    async def _clean_up(self) -> None:
        task = asyncio.current_task()
        stopped = task is not None and task.cancelling()
        try:
            await asyncio.sleep(0.25)
        except asyncio.CancelledError:
            self.disturbed += stopped
            raise

    async def numbers(self, count: int, pause: float = PAUSE) -> AsyncGenerator[str]:
        """Count, slowly."""
        with self._running():
            try:
                for number in range(count):
                    await asyncio.sleep(pause)
                    yield f"{self.name}{number} "
            finally:
                await self._clean_up()

    def says(self, *tokens: str, pause: float = PAUSE) -> MessagePromise[Message]:
        """A message that is being written."""

        async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
            with self._running():
                try:
                    for token in tokens:
                        await asyncio.sleep(pause)
                        yield token
                finally:
                    await self._clean_up()

        return Message.promise(stream)

    def agent(self, name: str, speak: Callable[[InteractionContext], Awaitable[None]]) -> Agent:
        """An agent that is counted."""

        async def counted(ctx: InteractionContext) -> None:
            with self._running():
                try:
                    await speak(ctx)
                finally:
                    await self._clean_up()

        return miniagent(alias=name)(counted)

    @property
    def upper(self) -> Agent:
        """An agent that streams each message in capitals."""

        async def speak(ctx: InteractionContext) -> None:
            async for promise in ctx.messages:
                ctx.reply(self._mapped(promise))

        return self.agent("upper", speak)

    def _mapped(self, promise: MessagePromise[Message]) -> MessagePromise[Message]:
        async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
            with self._running():
                try:
                    async for token in promise:
                        yield token.upper()
                finally:
                    await self._clean_up()

        return Message.promise(stream)

    @property
    def whole(self) -> Agent:
        """An agent that awaits all it is sent, and replies slowly."""

        async def speak(ctx: InteractionContext) -> None:
            text = str(await ctx.messages)
            await asyncio.sleep(PAUSE)
            ctx.reply(self.says(text[:2], text[2:]))

        return self.agent("whole", speak)

    def stuck(self, *tokens: str) -> Agent:
        """An agent that streams this and comes to no end."""

        async def speak(ctx: InteractionContext) -> None:
            ctx.reply(self.says(*tokens))
            await asyncio.Event().wait()

        return self.agent("stuck", speak)

    def failing(self, *replies: str) -> Agent:
        """An agent that fails after these replies."""

        async def speak(ctx: InteractionContext) -> None:
            for reply in replies:
                ctx.reply(reply)
                await asyncio.sleep(PAUSE)
            raise PlannedError(self.name)

        return self.agent("failing", speak)

    # -- how it is read ------------------------------------------------------------------------------------

    async def read(self, replies: AsyncIterable[MessagePromise[Message]], limit: int = 1_000) -> None:
        """Read token by token, that many at most."""
        async for promise in replies:
            text = ""
            try:
                async for token in promise:
                    text += token
                    limit -= 1
                    if self.leave or limit == 0:
                        self.got.append(Got(text, ReaderLeftError()))
                        return
            except Exception as error:  # noqa: BLE001 - it is looked at
                self.got.append(Got(text, error))
            else:
                self.got.append(Got(text))

    async def await_all(self, replies: MessageSequencePromise[Message]) -> None:
        """Await the whole."""
        self.got += [Got(str(message)) for message in await replies]


# -- the jobs --------------------------------------------------------------------------------------------


async def _chain(job: Job) -> None:
    agent = job.upper | job.upper | job.whole | job.upper
    await job.read(job.asked(agent.inquire([job.says("chain ", "of "), job.says("agents")])))


async def _both(job: Job) -> None:
    replies = job.asked((job.upper & job.whole & job.upper).inquire(job.says("fan ", "out")))
    await job.read(replies)


async def _race(job: Job) -> None:
    fast = job.agent("fast", lambda ctx: _reply(ctx, job.says("the ", "answer", pause=0.9)))
    slow = job.agent("slow", lambda ctx: _reply(ctx, job.says("the ", "answer", pause=3.1)))
    await job.read(job.asked(race(slow, fast, job.failing("no")).inquire("who?")))


async def _reply(ctx: InteractionContext, message: MessagePromise[Message]) -> None:
    await ctx.messages
    ctx.reply(message)


async def _hedge(job: Job) -> None:
    backup = job.agent("backup", lambda ctx: _reply(ctx, job.says("here ", "I ", "am")))
    late = job.agent("late", lambda ctx: _reply(ctx, job.says("here ", "I ", "am", pause=100)))
    await job.read(job.asked(late.hedge(backup, after=1.7).inquire(job.says("any", "one?"))))


async def _tools(job: Job) -> None:
    @tool
    async def look_up(word: str) -> str:
        """Look up a word."""
        await asyncio.sleep(0.7)
        return str(await job.upper.inquire(job.says(word, pause=0.3)))

    wanted = [ToolCall(f"call-{number}", "look_up", f'{{"word": "w{number}"}}') for number in range(3)]
    model = scripted_model(AssistantMessage(parts=wanted), ["They ", "mean ", "nothing."], then="I give up.")
    replies = job.asked(model.with_tools(look_up).inquire(job.says("what ", "does it ", "mean?")))
    await job.read(replies)


async def _typed(job: Job) -> None:
    answer = scripted_model('{"name": "Oslo", ', '{"name": "Oslo", "streets": ["Karl Johan", "Bygdøy"]}')
    replies = answer.as_type(City).inquire(job.says("which ", "city?"))
    job.asked(replies)
    async for partial in replies.partials:
        if job.leave:
            return
        assert "Oslo".startswith(partial.name)
    job.got.append(Got((await replies.parsed).name))


async def _rows(job: Job) -> None:
    mapped = map_agent(job.upper, concurrency=2, ordered=True)(job.numbers(5, 0.4))
    async for replies in mapped:
        job.asked(replies)
        await job.read(replies)
        if job.leave:
            break


async def _rows_as_they_come(job: Job) -> None:
    mapped = map_agent(job.whole, concurrency=3, ordered=False)(job.numbers(4, 0.4))
    async for replies in mapped:
        await job.read(replies)
        if job.leave:
            break


async def _timeout(job: Job) -> None:
    job.mended = ("", "so ", "too slow")
    agent = job.stuck("so ", "far").timeout(stall=3.3).catching(lambda error, ctx: job.says("too ", "slow"))
    await job.read(job.asked(agent.inquire("go on")))


async def _retry(job: Job) -> None:
    shaky = scripted_model(PlannedError("1"), PlannedError("2"), ["at ", "last"], then="never")
    agent = shaky.retry(RetryPolicy(attempts=4, delay=0.9, jitter=0.0))
    await job.read(job.asked((job.upper | agent | job.upper).inquire(job.says("try"))))


async def _nested(job: Job) -> None:
    async def speak(ctx: InteractionContext) -> None:
        async def later() -> None:
            await asyncio.sleep(2.1)
            ctx.reply(job.says("later"))

        ctx.wait_for(later())
        first, second = (job.upper.inquire(ctx.messages) for _ in range(2))
        ctx.reply([first, [job.whole.inquire(second)]])
        texts = await asyncio.gather(*(job.whole.inquire(word) for word in ("x", "y")))
        ctx.reply("".join(map(str, texts)))

    await job.read(job.asked(job.agent("nested", speak).inquire([job.says("ask ", "others"), "now"])))


async def _call(job: Job) -> None:
    call = job.upper.initiate_inquiry()
    replies = job.asked(call.reply_sequence(finish_call=False))
    reading = asyncio.ensure_future(job.read(replies))
    try:
        for word in ("one", "two", "three"):
            await asyncio.sleep(0.6)
            call.send_message(job.says(word, "."))
        call.finish()
        await reading
    except MiniAgentsError:  # an inquiry that was cancelled takes no more messages
        assert replies.done
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _pipeline(job: Job) -> None:
    words: Observable[MessageType] = rx.of("a\n\nb", job.says("c\n\n", "d"), job.says("e"))
    stream = words.pipe(as_messages(), job.upper, map_tokens(str.lower), join("\n\n"), split(), resolve())
    async for message in to_async_iter(stream):
        job.got.append(Got(str(message)))
        if job.leave:
            break


async def _block(job: Job) -> None:
    job.unread = ("LEFT IN THE MIDDLE", "X")
    async with job.upper.inquire([job.says("left ", "in ", "the ", "middle"), job.says("x")]) as replies:
        job.asked(replies)
        await job.read(replies, limit=2)


async def _unread(job: Job) -> None:
    job.asked((job.upper | job.whole).inquire(job.says("nobody ", "reads ", "this")))


async def _left(job: Job) -> None:
    job.unread = ("LEFT AT ONCE!", "X")
    replies = (job.upper | job.upper).inquire([job.says("left ", "at ", "once", "!"), job.says("x")])
    await job.read(replies, limit=3)


async def _slow_reader(job: Job) -> None:
    replies = job.asked(job.upper.inquire(job.numbers(12, 0.1)))
    async for promise in replies:
        await asyncio.sleep(PAUSE)
        job.got.append(Got(str(await promise)))
        if job.leave:
            break


async def _failing(job: Job) -> None:
    await job.read(job.asked((job.upper | job.failing("one", "two") | job.upper).inquire(job.says("x"))))


async def _awaited(job: Job) -> None:
    await job.await_all(job.asked((job.upper & (job.upper | job.whole)).inquire(job.says("await ", "it"))))


async def _joined(job: Job) -> None:
    replies = job.asked(job.upper.inquire([job.says("a\n\n", "b"), job.says("c")]))
    await job.read(split_messages(join_messages([replies, job.says("d\n\n", "e")])))


async def _subscribed(job: Job) -> None:
    replies = job.asked(job.upper.inquire([job.says("sub", "scribed"), job.says("to")]))
    told: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    heard: list[str] = []

    def end(error: Exception | None = None) -> None:
        job.got.append(Got("".join(heard), error))
        if not told.done():
            told.set_result(None)

    with replies.tokens.subscribe(heard.append, end, end):
        await told


async def _two_readers(job: Job) -> None:
    replies = job.asked(job.upper.inquire([job.says("shared ", "by ", "two"), job.says("readers")]))

    async def impatient() -> None:
        try:
            async with asyncio.timeout(1.6):
                await replies
        except TimeoutError:
            pass

    reading = asyncio.ensure_future(impatient())
    try:
        await job.read(replies)
        await reading
    finally:
        reading.cancel()
        await asyncio.wait([reading])


async def _loop(job: Job) -> None:
    turns = iter(range(3))

    async def ask(ctx: InteractionContext) -> None:
        await ctx.messages
        if next(turns) == 2:
            raise StopLoop
        ctx.reply(job.says("and ", "then?"))

    job.got += [Got(str(each)) for each in await achain_loop([job.agent("asking", ask), AWAIT, job.upper])]


JOBS: dict[str, Callable[[Job], Awaitable[None]]] = {
    each.__name__.strip("_"): each
    for each in (
        *(_chain, _both, _race, _hedge, _tools, _typed, _rows, _rows_as_they_come, _timeout, _retry, _nested),
        *(_call, _pipeline, _block, _unread, _left, _slow_reader, _failing, _awaited, _joined, _subscribed),
        *(_two_readers, _loop),
    )
}
"""Each by its name."""
