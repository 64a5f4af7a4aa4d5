"""How runs end that are not waited for: stopped with what they began, and never silently for their readers.

Crosses modules: the beginner of a run, the run, and what it leaves behind have a part in its end.
"""

import asyncio
from collections.abc import AsyncGenerator

import pytest

from miniagents import (
    InquiryCancelledError,
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    MiniAgents,
    miniagent,
)
from tests.support.speakers import Speaker


class Model:
    """An agent whose run ends at once, while the message that it has replied goes on."""

    def __init__(self) -> None:
        self.closed_at: float | None = None
        self.agent = miniagent(alias="MODEL")(self._answer)

    async def _answer(self, ctx: InteractionContext) -> None:
        ctx.reply(Message.promise(self._tokens))

    async def _tokens(self, metadata_so_far: object) -> AsyncGenerator[str]:
        try:
            for second in range(100):
                await asyncio.sleep(1)
                yield f"{second} "
        finally:
            self.closed_at = asyncio.get_running_loop().time()


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("depth", [0, 1, 3])
async def test_an_unread_inquiry(depth: int) -> None:
    """Of a run that is cancelled, an answer that it asked for and has not read yet is stopped at once."""
    model = Model()
    inner = model.agent
    for _ in range(depth):  # agents that only pass on
        inner = _passing_on(inner)

    @miniagent
    async def asking_agent(ctx: InteractionContext) -> None:
        _unread = inner.inquire()
        await asyncio.sleep(3600)

    async with MiniAgents():
        replies = asking_agent.inquire()
        await asyncio.sleep(4.5)
        replies.cancel()
        await asyncio.sleep(0.1)
        assert model.closed_at == 4.5


def _passing_on(inner: MiniAgent) -> MiniAgent:
    @miniagent
    async def passing_agent(ctx: InteractionContext) -> None:
        ctx.reply(inner.inquire(ctx.messages))

    return passing_agent


@pytest.mark.loop(virtual=True)
async def test_an_unread_inquiry_of_one_that_fails() -> None:
    """The same for a run that fails."""
    model = Model()

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        _unread = model.agent.inquire()
        await asyncio.sleep(4.5)
        raise ValueError("no idea")

    async with MiniAgents():
        with pytest.raises(ValueError, match="no idea"):
            await failing_agent.inquire()
        await asyncio.sleep(0.1)
        assert model.closed_at == 4.5


@pytest.mark.loop(virtual=True)
async def test_what_was_passed_on_stays() -> None:
    """A message that a run has replied before it failed goes on, and so does one that somebody reads."""
    model, read = Model(), Model()
    seen: list[MessagePromise[Message]] = []

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        async for promise in model.agent.inquire():
            ctx.reply(promise)
        seen.extend([promise async for promise in read.agent.inquire()])
        await asyncio.sleep(4.5)
        raise ValueError("no idea")

    async with MiniAgents():
        replies = failing_agent.inquire()
        promise = await anext(aiter(replies))
        await asyncio.sleep(1)
        reading = asyncio.ensure_future(_text(seen[0]))
        assert len(str(await promise).split()) == 100
        assert len((await reading).split()) == 100
        with pytest.raises(ValueError, match="no idea"):
            await replies


@pytest.mark.loop(virtual=True)
async def test_what_somebody_holds_goes_on() -> None:
    """A message of an agent that another one has asked goes on for who holds it, when the run is left."""
    model = Model()

    @miniagent
    async def waiting_agent(ctx: InteractionContext) -> None:
        async for promise in model.agent.inquire():
            ctx.reply(promise)
        await asyncio.sleep(3600)

    async with MiniAgents():
        promise = await anext(aiter(waiting_agent.inquire()))
        await asyncio.sleep(4.5)
        assert len(str(await promise).split()) == 100


async def _text(promise: MessagePromise[Message]) -> str:
    return str(await promise)


@pytest.mark.loop(virtual=True)
async def test_fire_and_forget() -> None:
    """A run that ends normally leaves what it began: it goes on to its end."""
    model = Model()

    @miniagent
    async def starting_agent(ctx: InteractionContext) -> None:
        _ = model.agent.inquire()
        ctx.reply("started")

    async with MiniAgents():
        assert str(await starting_agent.inquire()) == "started"
    assert model.closed_at == 100


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("errors_as_messages", [False, True])
@pytest.mark.parametrize("by_block", [False, True])
async def test_cancelling_after_finish_early(*, by_block: bool, errors_as_messages: bool) -> None:
    """A run that has closed its replies and goes on is stopped by `cancel`, and by leaving the block."""
    ended: list[str] = []

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply("all there is")
        ctx.finish_early()
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            ended.append("cancelled")
            raise

    async with MiniAgents(errors_as_messages=errors_as_messages):
        replies = early_agent.inquire()
        assert str(await replies) == "all there is"
        if by_block:
            async with replies:
                pass
        else:
            replies.cancel()
        await asyncio.sleep(1)
        assert ended == ["cancelled"]
        assert str(await replies) == "all there is"
        replies.cancel()  # and again: idempotent


async def test_cancelling_after_the_context() -> None:
    """When the context has ended, `cancel` has nothing to stop, also of a run that had closed its replies."""

    @miniagent
    async def early_agent(ctx: InteractionContext) -> None:
        ctx.reply("all there is")
        ctx.finish_early()
        await asyncio.sleep(0)

    async with MiniAgents():
        replies = early_agent.inquire()
    replies.cancel()
    assert str(await replies) == "all there is"


class Outcome(BaseException):
    """What pytest.fail raises is of this kind: no Exception."""


@pytest.mark.loop(virtual=True)
@pytest.mark.parametrize("read", [False, True])
async def test_an_error_that_is_no_exception(*, read: bool) -> None:
    """It comes out of the block as itself, at once, and whatever else runs there is cancelled."""
    other = Speaker("OTHER", 3600.0)

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        await asyncio.sleep(1)
        raise Outcome("mine")

    async def block() -> None:
        async with MiniAgents():
            _other = other.agent.inquire()
            replies = failing_agent.inquire()
            if read:
                await replies
            else:
                await asyncio.sleep(3600)

    raised: BaseException | None = None
    try:
        await block()
    except Outcome as error:
        raised = error
    assert str(raised) == "mine"
    assert other.ended == ["cancelled"]
    await asyncio.sleep(1)  # the task that has caught it is not cancelled
    assert asyncio.get_running_loop().time() == 1 + 1


@pytest.mark.loop(fifo=True)  # else the reader may be cancelled with its block before it has looked
def test_an_error_that_is_no_exception_out_of_run() -> None:
    """It leaves through `run`, also without a reader; a reader is told of it as the cause."""
    causes: list[BaseException | None] = []

    @miniagent
    async def failing_agent(ctx: InteractionContext) -> None:
        raise Outcome("mine")

    @miniagent
    async def reading_agent(ctx: InteractionContext) -> None:
        try:
            await failing_agent.inquire()
        except InquiryCancelledError as error:
            causes.append(error.__cause__)
            raise

    async def main(agent: MiniAgent) -> None:
        agent.inquire()

    for agent in (failing_agent, reading_agent):
        with pytest.raises(Outcome, match="mine"):
            MiniAgents().run(main(agent))
    assert [str(cause) for cause in causes] == ["mine"]


@pytest.mark.loop(virtual=True)
async def test_an_echo_of_itself() -> None:
    """An agent that is sent its own replies goes on for ever, and yet timeouts and cancellation run."""

    @miniagent
    async def echo(ctx: InteractionContext) -> None:
        async for promise in ctx.messages:
            ctx.reply(promise)

    async with MiniAgents():
        call = echo.initiate_inquiry().send_message("x")
        replies: MessageSequencePromise = call.reply_sequence(finish_call=False)
        call.send_message(replies)
        for _ in range(10):
            await asyncio.sleep(0)
        states = [replies.done]
        replies.cancel()
        await asyncio.sleep(0)
        states.append(replies.done)
        call.finish()
    assert states == [False, True]


@pytest.mark.loop(virtual=True)
async def test_who_was_cancelled() -> None:
    """The error of a message that was cut names the agent that wrote it, not the function of its tokens."""
    model = Model()
    async with MiniAgents():
        async with model.agent.inquire() as replies:
            async for _ in replies.tokens:
                break
        with pytest.raises(InquiryCancelledError, match=r"^MODEL was cancelled"):
            await replies
