"""Workers that die: what is made again, what readers see of it, and what it costs the calls of others.

Crosses modules: who makes a call again is the dispatcher, and what its readers see is that of the call.
"""

import asyncio
import random
import subprocess
import sys

import pytest

from miniagents import (
    InteractionContext,
    MessageSequencePromise,
    MiniAgents,
    Part,
    Restart,
    miniagent,
    partial_text,
)
from miniagents.errors import WithdrawnError
from miniagents.ext.ray import RemoteError, remote
from miniagents.messages import MessagePromise
from tests.ext.ray.agents import Number, Square, pair, poet, square, started
from tests.support.amounts import amount
from tests.support.fake_ray import FakeActor, FakeRay, fake_ray

__all__ = ["fake_ray"]

pytestmark = [pytest.mark.loop(virtual=True), pytest.mark.logs("was lost, with")]


@miniagent
async def deadly(ctx: InteractionContext[Number, Square]) -> None:
    """Square numbers, but for 13, which kills the process."""
    (message,) = await ctx.messages
    await asyncio.sleep(0.01)
    if message.number == 13:
        FakeActor.here().die()
    ctx.reply(Square(square=message.number**2))


def busy(fake: FakeRay) -> FakeActor:
    """The worker that makes calls."""
    return next(each for each in fake.living if each.worker._readings)


async def test_nothing_was_told(fake_ray: FakeRay) -> None:
    """A call of which nothing had come is made again by another worker, and its caller does not notice."""
    started.clear()
    async with MiniAgents():
        replies = remote(square, replicas=2).inquire(Number(number=3), delay=0.02)
        await asyncio.sleep(0.01)
        fake_ray.kill(busy(fake_ray))
        assert [9] == [each.square for each in await replies]
    assert 2 == started["3"]
    await fake_ray.ended()


async def test_in_the_middle_of_a_message(fake_ray: FakeRay) -> None:
    """A message that was streaming begins anew behind a `Restart`, and is right in the end."""
    async with MiniAgents():
        (message,) = [each async for each in remote(poet).inquire("twice", words=20, delay=0.002)]
        parts: list[Part] = []
        async for part in message.parts:
            parts.append(part)
            if part == "4 " and len(parts) < 10:
                fake_ray.kill(busy(fake_ray))
        restart = next(at for at, each in enumerate(parts) if isinstance(each, Restart))
        assert "A worker was lost" in str(parts[restart])
        assert [f"{number} " for number in range(20)] == [
            each for each in parts[restart:] if isinstance(each, str)
        ]
        assert "".join(f"{number} " for number in range(20)) == str(await message)
    await fake_ray.ended()


async def test_what_waits_for_its_reader(fake_ray: FakeRay) -> None:
    """Parts of a lost attempt that wait for a slow reader are not read any more."""
    words = "".join(f"{number} " for number in range(100))
    async with MiniAgents(prefetch=4):
        async for message in remote(poet).inquire("slow", words=100):
            count = 0
            async for _ in message.parts:
                count += 1
                if count == 5:
                    await asyncio.sleep(0.05)  # until no more may come
                    fake_ray.kill(busy(fake_ray))
                    await asyncio.sleep(0.05)
            assert words == str(await message)
    await fake_ray.ended()


async def test_missing_parts(fake_ray: FakeRay) -> None:
    """A worker of which parts are missing counts as lost; readers of tokens get an error at the end."""
    async with MiniAgents():
        replies = remote(poet, replicas=1).inquire("gap", words=50, delay=0.002)
        async for message in replies:
            with pytest.raises(WithdrawnError, match="part 7 of a message came, and part 6 should have"):  # noqa: PT012
                async for word in message:
                    if word == "4 " and len(fake_ray.actors) == 1:
                        readings = busy(fake_ray).worker._readings
                        next(each for (_, number), each in readings.items() if number == 0).sent += 1
            assert "".join(f"{number} " for number in range(50)) == str(await message)
    assert 2 == len(fake_ray.actors)
    await fake_ray.ended()


async def test_nothing_has_come(fake_ray: FakeRay) -> None:
    """Of a message that had begun, and of which nothing had come, there is no `Restart`."""
    async with MiniAgents():
        async for message in remote(poet).inquire("early", delay=0.02):
            fake_ray.kill(busy(fake_ray))
            assert not [part async for part in message.parts if isinstance(part, Restart)]
            assert "0 1 2 " == str(await message)
    await fake_ray.ended()


async def test_after_a_complete_message(fake_ray: FakeRay) -> None:
    """A call of which a message is complete is not made again: its reader is told, behind that message."""
    async with MiniAgents():
        replies = aiter(remote(pair).inquire(None, delay=0.2))
        assert "one" == str(await (await anext(replies)))
        fake_ray.kill(busy(fake_ray))
        with pytest.raises(
            RemoteError, match="PAIR was lost after 1 of its messages were complete"
        ) as caught:
            await anext(replies)
        assert 1 == caught.value.attempts
    await fake_ray.ended()


async def test_once_at_most(fake_ray: FakeRay) -> None:
    """With one attempt a lost call is not made again; its error has what had come."""
    async with MiniAgents():
        replies = remote(poet, attempts=1).inquire("once", words=1000, delay=0.002)
        (message,) = [each async for each in replies]
        async for word in message:
            if word == "4 ":
                fake_ray.kill(busy(fake_ray))
                break
        with pytest.raises(
            RemoteError, match="The worker that ran POET was lost; the call was made once"
        ) as caught:
            await message
        assert partial_text(caught.value).startswith("0 1 2 3 4 ")
    await fake_ray.ended()


async def test_a_held_message_comes_again(fake_ray: FakeRay) -> None:
    """A message is made again also for somebody who has let go of the replies."""

    async def first() -> MessagePromise:
        async for message in remote(poet).inquire("held on", words=20, delay=0.002):
            return message
        raise AssertionError

    async with MiniAgents():
        message = await first()
        await asyncio.sleep(0.01)
        fake_ray.kill(busy(fake_ray))
        assert "".join(f"{number} " for number in range(20)) == str(await message)
        await asyncio.sleep(0.01)
        assert not [each for each in fake_ray.living if each.worker._readings]
    await fake_ray.ended()


async def test_the_last_attempt_is_made_alone(fake_ray: FakeRay) -> None:
    """A call that kills each worker that makes it fails after three attempts, and harms no other call."""
    async with MiniAgents():
        agent = remote(deadly, replicas=2)
        calls = [agent.inquire(Number(number=number)) for number in range(40)]
        results = await asyncio.gather(*map(squared, calls), return_exceptions=True)
    assert isinstance(results.pop(13), RemoteError)
    assert [number**2 for number in range(40) if number != 13] == results
    await fake_ray.ended()


@pytest.mark.parametrize("seed", range(amount(2, 5)))
async def test_many_deaths(fake_ray: FakeRay, seed: int) -> None:
    """However many workers die, every call has its own reply, once."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    async with MiniAgents():
        agent = remote(square, replicas=3, concurrency=8, attempts=100)
        calls = [agent.inquire(Number(number=number), delay=0.003) for number in range(200)]
        results = asyncio.gather(*[squared(each) for each in calls])
        for _ in range(10):
            await asyncio.sleep(chance.random() * 0.01)
            if fake_ray.living:
                fake_ray.kill(chance.choice(fake_ray.living))
        assert [number**2 for number in range(200)] == await results
    await fake_ray.ended()


async def test_workers_that_cannot_begin(fake_ray: FakeRay) -> None:
    """If one worker after the other dies before it has begun, calls fail with a sentence; later ones work."""
    fake_ray.broken = 3
    async with MiniAgents():
        agent = remote(square, replicas=1)
        with pytest.raises(
            RemoteError, match=r"No worker of SQUARE can be started. FakeActorError: The actor died"
        ):
            await agent.inquire(Number(number=1))
        assert 4 == await squared(agent.inquire(Number(number=2)))
    await fake_ray.ended()


async def test_context_ends(fake_ray: FakeRay) -> None:
    """A context that ends by an error stops the calls in the workers, and the workers."""

    async def fail() -> None:
        async with MiniAgents():
            remote(square).inquire(Number(number=1), delay=10)
            await asyncio.sleep(0.01)
            raise KeyError

    with pytest.raises(KeyError):
        await fail()
    assert not fake_ray.living
    await fake_ray.ended()


async def squared(replies: MessageSequencePromise[Square]) -> int:
    """What `square` replied."""
    return (await replies)[0].square


LEAVES = """
import asyncio, sys, threading
from miniagents import miniagent
from miniagents.ext.ray._pickles import dumps
from miniagents.ext.ray._wire import Call
from miniagents.ext.ray._worker import Worker

@miniagent
async def leaves(ctx):
    sys.exit("I leave")

async def serve():
    worker = Worker()
    await worker.open(dumps(leaves), {})
    await worker.send([Call(1, (), b"", 64, False)])
    await asyncio.Event().wait()

thread = threading.Thread(target=asyncio.new_event_loop().run_until_complete, args=(serve(),))  # as Ray does
thread.start()
thread.join()
print("lives on")
"""


@pytest.mark.gate("starts a program")
def test_an_agent_that_exits() -> None:
    """A `SystemExit` in an agent ends its worker, so that its driver learns of it."""
    command = [sys.executable, "-c", LEAVES]
    done = subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603 - our own program
    assert (1, b"") == (done.returncode, done.stdout)
