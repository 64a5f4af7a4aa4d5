"""Agents whose calls are made by workers: the replies, streams, who leaves, errors and what is refused."""

import asyncio
import threading

import pytest

from miniagents import (
    AssistantMessage,
    ErrorMessage,
    Finish,
    InteractionContext,
    Message,
    MiniAgent,
    MiniAgents,
    Reasoning,
    Usage,
    miniagent,
    partial_text,
)
from miniagents.ext.limits import cache
from miniagents.ext.ray import RemoteError, remote
from miniagents.ext.usage import RunUsage
from miniagents.messages import MessagePromise
from miniagents.runs._call_keys import function_of, key_of
from miniagents.testing import scripted_model
from tests.ext.ray.agents import (
    Number,
    OddError,
    SilentError,
    Square,
    counter,
    local,
    pair,
    parrot,
    poet,
    square,
    started,
    stopped,
    strict,
)
from tests.support.fake_ray import FakeRay, fake_ray

__all__ = ["fake_ray"]

pytestmark = pytest.mark.loop(virtual=True)


async def until_stopped(name: str) -> None:
    """Return when the agent with that name has been stopped."""
    for _ in range(1000):
        if stopped[name]:
            return
        await asyncio.sleep(0.001)
    raise AssertionError(name)


async def test_typed_replies(fake_ray: FakeRay) -> None:
    """A remote agent replies messages of its class, as the agent does, with the keywords of the call."""
    agent = remote(square, replicas=2)
    async with MiniAgents():
        assert [9, 16] == [each.square for each in await agent.inquire([Number(number=3), Number(number=4)])]
        assert [10] == [each.square for each in await agent.fork(add=1).inquire(Number(number=3))]
        replies = await agent.inquire(Number(number=3), add=2)
        assert (Square, 11) == (type(replies[0]), replies[0].square)
        assert agent.alias == square.alias
        assert 2 == len(fake_ray.living)
    assert not fake_ray.living
    await fake_ray.ended()


async def test_streamed_message(fake_ray: FakeRay) -> None:
    """A message that streams has the same parts, data and class as without workers."""
    async with MiniAgents():
        here, there = poet.inquire("here"), remote(poet).inquire("there")
        parts = [
            [part async for promise in replies async for part in promise.parts] for replies in (here, there)
        ]
        assert [Reasoning("hm"), "0 ", "1 ", "2 ", Usage(7, 3), Finish("stop")] == parts[1] == parts[0]
        (one,), (other,) = await here, await there
        assert one == other
        assert isinstance(other, AssistantMessage)
        assert ("0 1 2 ", "m-1", ("so", "so")) == (str(other), other.model, dict(other)["rhymes"])
    await fake_ray.ended()


async def test_first_token(fake_ray: FakeRay) -> None:
    """A token is here when it has come, and not when the message is complete."""
    async with MiniAgents():
        async for message in remote(poet).inquire("slow", words=3, delay=0.05):
            async for token in message:
                assert "0 " == token
                assert not message.buffer.closed
                break
            break
    await fake_ray.ended()


async def test_concurrency(fake_ray: FakeRay) -> None:
    """A worker makes at most as many calls at once as it may; many calls go to it together."""
    started.clear()
    agent = remote(square, replicas=1, concurrency=5)
    async with MiniAgents():
        calls = [agent.inquire(Number(number=number), delay=0.05) for number in range(12)]
        await asyncio.sleep(0.03)
        assert 5 == started.total()
        assert [number**2 for number in range(12)] == [(await each)[0].square for each in calls]
        assert fake_ray.actors[0].sent <= 6
    await fake_ray.ended()


@pytest.mark.parametrize("words", [100, 1000])
async def test_slow_reader(fake_ray: FakeRay, words: int) -> None:
    """A reader that takes its time slows the agent down, however much that has to say."""
    async with MiniAgents(prefetch=10):
        async for message in remote(poet, replicas=1).inquire("slow reader", words=words):
            async for token in message:
                assert "0 " == token
                await asyncio.sleep(0.05)
                worker = fake_ray.actors[0].worker
                (reading,) = worker._readings.values()
                assert 10 <= reading.sent <= 20
                break
            assert words == len(str(await message).split())
            break
    await fake_ray.ended()


async def test_leaving_stops_the_agent(fake_ray: FakeRay) -> None:
    """A reader that leaves stops the agent in its worker, within a tenth of a second."""
    stopped.clear()

    async def read_one() -> None:
        async for message in remote(poet, replicas=1).inquire("left", words=10_000, delay=0.001):
            async for _ in message:
                return

    async with MiniAgents():
        await read_one()
        before = asyncio.get_running_loop().time()
        await until_stopped("left")
        assert asyncio.get_running_loop().time() - before < 0.1
        assert not fake_ray.actors[0].worker._readings
    await fake_ray.ended()


async def test_cancelling_stops_the_agent(fake_ray: FakeRay) -> None:
    """What is cancelled here is stopped there."""
    stopped.clear()
    async with MiniAgents():
        replies = remote(poet, replicas=1).inquire("cancelled", words=10_000, delay=0.001)
        async for message in replies:
            async for _ in message:
                break
            break
        replies.cancel()
        await until_stopped("cancelled")
    await fake_ray.ended()


async def test_a_message_that_is_held(fake_ray: FakeRay) -> None:
    """Who has let go of the replies, and holds a message of them, gets all of it."""

    async def first() -> MessagePromise:
        async for message in remote(poet, replicas=1).inquire("held", words=20, delay=0.001):
            return message
        raise AssertionError

    async with MiniAgents():
        message = await first()
        await asyncio.sleep(0.005)
        assert 20 == len(str(await message).split())
    await fake_ray.ended()


async def test_call_that_waits_is_left(fake_ray: FakeRay) -> None:
    """A call that waits for a worker, and that nobody wants any more, is never made."""
    started.clear()
    agent = remote(square, replicas=1, concurrency=2)
    async with MiniAgents():
        calls = [agent.inquire(Number(number=number), delay=0.02) for number in range(8)]
        await asyncio.sleep(0.005)
        for left in (2, 4, 5):
            calls[left].cancel()
        assert [0, 1, 9, 36, 49] == [(await calls[each])[0].square for each in (0, 1, 3, 6, 7)]
    assert {"0", "1", "3", "6", "7"} == set(started)
    await fake_ray.ended()


async def test_errors(fake_ray: FakeRay) -> None:
    """An error is of the class and has the data that it had, and says where it was raised."""
    async with MiniAgents():
        with pytest.raises(OddError, match="13 is odd: it is") as caught:
            await remote(strict).inquire("13")
        assert 13 == caught.value.number
        assert [note for note in caught.value.__notes__ if "in a worker" in note and "agents.py" in note]
    await fake_ray.ended()


async def test_error_that_cannot_be_sent(fake_ray: FakeRay) -> None:
    """An error that cannot be pickled is told by a sentence."""
    async with MiniAgents():
        with pytest.raises(RemoteError, match="STRICT failed in a worker: UnsendableError: a secret place"):
            await remote(strict).inquire("unsendable")
    await fake_ray.ended()


async def test_replies_that_cannot_be_sent(fake_ray: FakeRay) -> None:
    """A reply that cannot be pickled fails its call, or its message; the worker and its other calls go on."""
    said = "What LOCAL replies cannot come from a worker: .* Define the classes of messages in a module"
    async with MiniAgents():
        agent = remote(local, replicas=1, concurrency=3)
        first, other = agent.inquire(), agent.inquire(streams=True)
        replies = aiter(first)
        assert "first" == str(await anext(replies))
        with pytest.raises(RemoteError, match=said) as caught:
            await anext(replies)
        assert 0 == caught.value.attempts
        whole, streamed, last = [each async for each in other]
        assert ["first", "last"] == [str(await whole), str(await last)]
        with pytest.raises(RemoteError, match=said):
            await streamed
        await asyncio.sleep(1)
        (actor,) = fake_ray.living
        assert not actor.worker._readings
    await fake_ray.ended()


async def test_an_error_without_a_text(fake_ray: FakeRay) -> None:
    """An error whose class cannot make its text is an error of the call."""
    async with MiniAgents():
        with pytest.raises(SilentError):
            await remote(strict).inquire("silent")
    await fake_ray.ended()


async def test_errors_as_messages(fake_ray: FakeRay) -> None:
    """Errors become messages where the context, or the agent, says so."""
    async with MiniAgents(errors_as_messages=True):
        (reply,) = await remote(strict).inquire("13")
        assert isinstance(reply, ErrorMessage)
        assert "13 is odd" in str(reply)
    await fake_ray.ended()


async def test_usage(fake_ray: FakeRay) -> None:
    """What replies say that they have used is counted here."""
    usage = RunUsage()
    async with MiniAgents(observers=[usage]):
        await remote(poet).inquire("counted")
        assert Usage(7, 3) == usage.total
    await fake_ray.ended()


async def test_several_messages(fake_ray: FakeRay) -> None:
    """Each message is here when it was replied."""
    async with MiniAgents():
        replies = aiter(remote(pair).inquire(None, delay=0.05))
        assert "one" == str(await (await anext(replies)))
        assert "two" == str(await (await anext(replies)))
        assert 2 == len(await remote(pair).inquire())
    await fake_ray.ended()


async def test_very_many_messages(fake_ray: FakeRay) -> None:
    """However many messages an agent replies, they come in order, as they are asked for."""
    started.clear()
    async with MiniAgents(prefetch=10):
        numbers: list[str] = []
        async for each in remote(counter, replicas=1).inquire("500"):
            numbers.append(str(await each))
            if len(numbers) == 20:
                await asyncio.sleep(0.5)
                assert started["counter"] < 100
        assert [str(number) for number in range(500)] == numbers
    await fake_ray.ended()


async def test_leaving_very_many_messages(fake_ray: FakeRay) -> None:
    """Who leaves after many messages stops the agent, too."""

    async def read(count: int) -> None:
        async for each in remote(counter, replicas=1).inquire("100000"):
            if str(await each) == str(count):
                return

    async with MiniAgents(prefetch=10):
        for count in (0, 5, 30):
            await read(count)
            await asyncio.sleep(0.01)
            assert not fake_ray.actors[-1].worker._readings
    await fake_ray.ended()


async def test_ray_is_not_initialised(fake_ray: FakeRay) -> None:
    """Without `ray.init` a call fails with a sentence that says so."""
    fake_ray.initialized = False
    async with MiniAgents():
        with pytest.raises(
            RemoteError, match=r"Ray is not initialised, so POET has no workers: call ray.init"
        ):
            await remote(poet).inquire("nobody")


async def test_agent_that_cannot_be_sent(fake_ray: FakeRay) -> None:
    """An agent that cannot be pickled is refused with a sentence that says what to do."""
    lock = threading.Lock()

    @miniagent
    async def locked(ctx: object) -> None:
        with lock:
            pass

    async with MiniAgents():
        with pytest.raises(
            RemoteError, match=r"LOCKED cannot be sent to workers: .*made by the agent's function"
        ):
            await remote(locked).inquire()


async def test_agent_that_no_worker_can_make(fake_ray: FakeRay, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where workers do not find the agent's module, each call fails with a sentence; later ones try again."""

    def missing(_: bytes) -> object:
        raise ModuleNotFoundError("No module named 'mine'")

    async with MiniAgents():
        agent = remote(poet, replicas=2)
        with monkeypatch.context() as patch:
            patch.setattr("miniagents.ext.ray._worker.loads", missing)
            with pytest.raises(
                RemoteError, match="POET cannot be made in a worker: ModuleNotFoundError: No mod"
            ):
                await agent.inquire("nobody")
        assert "0 1 2 " == str(await agent.inquire("now"))
    await fake_ray.ended()


async def test_keyword_that_cannot_be_sent(fake_ray: FakeRay) -> None:
    """A keyword that cannot be pickled fails its call, and no other one."""

    @miniagent
    async def open_agent(ctx: object, **keywords: object) -> None:
        raise AssertionError

    async with MiniAgents():
        agent = remote(square)
        with pytest.raises(
            RemoteError,
            match="SQUARE cannot be called in a worker, because its keywords cannot be pickled: Type",
        ):
            await agent.inquire(Number(number=1), add=threading.Lock())  # type: ignore[arg-type]
        assert 1 == (await agent.inquire(Number(number=1)))[0].square
    await fake_ray.ended()


@pytest.mark.parametrize("number", ["replicas", "concurrency", "attempts"])
def test_numbers(number: str) -> None:
    """A number that leaves nothing to make calls with is refused."""
    with pytest.raises(ValueError, match=rf"remote\({number}=0\) could make no call; give 1 or more"):
        remote(poet, **{number: 0})  # type: ignore[arg-type]


def test_processors() -> None:
    """So is a negative number of processors."""
    with pytest.raises(
        ValueError, match=r"remote\(num_cpus=-1\) is not a number of processors; give 0 or more"
    ):
        remote(poet, num_cpus=-1)


async def test_options(fake_ray: FakeRay) -> None:
    """Ray is told what the workers need, and never to make a call again by itself."""
    async with MiniAgents():
        await remote(square, num_cpus=0.5, options={"resources": {"gpu": 1}}).inquire(Number(number=1))
    expected = {"num_cpus": 0.5, "resources": {"gpu": 1}, "max_task_retries": 0, "max_restarts": 0}
    assert expected.items() <= fake_ray.options.items()
    await fake_ray.ended()


async def test_partial_text(fake_ray: FakeRay) -> None:
    """An error in the middle of a message knows what had come of it."""
    async with MiniAgents():
        replies = remote(poet.timeout(total=0.05), replicas=1).inquire("slow", words=1000, delay=0.01)
        with pytest.raises(TimeoutError) as caught:
            await replies
        assert partial_text(caught.value).startswith("0 1 ")
    await fake_ray.ended()


async def test_it_is_the_agent(fake_ray: FakeRay) -> None:
    """To limits, journals and observers a remote model is the model: journals play its answers."""
    model = scripted_model("Hello!", alias="MODEL")
    journal = cache()
    async with MiniAgents():
        assert "Hello!" == str(await model.around(journal).inquire("Hi"))
        there = remote(model)
        assert ("model", ()) == (there.run_kind, there.components)
        assert "Hello!" == str(await there.around(journal).inquire("Hi"))
        assert not fake_ray.actors
        chain = poet | pair
        assert chain.components == remote(chain).components
    for agent in (model, chain):
        assert key_of("x", "1", agent, "[]") == key_of("x", "1", remote(agent), "[]")
        assert function_of(agent, "x", "1") == function_of(remote(agent), "x", "1")


async def test_limits_hold_here(fake_ray: FakeRay) -> None:
    """What the context puts around models goes around remote ones, too."""
    asked: list[str] = []

    async def limited(ctx: InteractionContext, call: MiniAgent[Message, Message, ...]) -> None:
        asked.append(call.alias)
        ctx.reply(call.inquire(ctx.messages))

    limited.models_only = True  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
    async with MiniAgents(around=[limited]):
        assert "Hi 5" == str(await remote(parrot).inquire("Hi", times=5))
        await remote(poet).inquire("not limited")
    assert ["PARROT"] == asked
    await fake_ray.ended()
