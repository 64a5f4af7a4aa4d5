"""The runs within workers, as observers here are told of them."""

import asyncio

import pytest
from typing_extensions import override

from miniagents import MiniAgents, Usage, identity
from miniagents.ext.ray import remote
from miniagents.ext.usage import RunUsage
from miniagents.observers import Observer, RunBegan, RunEnded, RunEvent
from tests.ext.ray.agents import judge, parrot, poet
from tests.support.fake_ray import FakeRay, fake_ray

__all__ = ["fake_ray"]

pytestmark = [pytest.mark.loop(virtual=True), pytest.mark.logs("was lost, with")]


class Watcher(Observer):
    """Keeps who began within whom, and how they ended."""

    def __init__(self) -> None:
        self.began: list[str] = []
        self.ended: list[str] = []

    @override
    def on_event(self, event: RunEvent, /) -> None:
        names = [event.run.alias]
        run = event.run
        while run.parent is not None:
            run = run.parent
            names.append(run.alias)
        shown = f"{event.run.kind} {' < '.join(names)}"
        if isinstance(event, RunBegan):
            self.began.append(shown)
        elif isinstance(event, RunEnded):
            self.ended.append(f"{shown}: {event.outcome}")


async def test_models_within(fake_ray: FakeRay) -> None:
    """The models that an agent asks in its worker are runs here, within that of the agent, and count once."""
    usage, watcher = RunUsage(), Watcher()
    async with MiniAgents(observers=[usage, watcher]):
        replies = remote(judge).inquire("Hi")
        assert "Good: Hi 1" == str(await replies)
        assert Usage(2, 4) == usage.of(replies).total
    assert ["agent JUDGE", "model PARROT < JUDGE", "model PARROT < JUDGE"] == watcher.began
    assert ["model PARROT < JUDGE: done", "model PARROT < JUDGE: done", "agent JUDGE: done"] == watcher.ended
    assert {"JUDGE": Usage(2, 4)} == dict(usage.by_agent)
    await fake_ray.ended()


async def test_a_model_itself(fake_ray: FakeRay) -> None:
    """A remote model is one run, and what it uses counts once."""
    usage, watcher = RunUsage(), Watcher()
    async with MiniAgents(observers=[usage, watcher]):
        await remote(parrot).inquire("Hi")
    assert (["model PARROT"], ["model PARROT: done"]) == (watcher.began, watcher.ended)
    assert Usage(1, 2) == usage.total
    await fake_ray.ended()


async def test_a_lost_worker(fake_ray: FakeRay) -> None:
    """The runs of a worker that is lost have failed; they begin anew with the call."""
    watcher = Watcher()
    async with MiniAgents(observers=[watcher]):
        replies = remote(judge).inquire("Hi", delay=0.05)
        await asyncio.sleep(0.02)
        fake_ray.kill(next(each for each in fake_ray.living if each.worker._readings))
        assert "Good: Hi 1" == str(await replies)
    assert "model PARROT < JUDGE: failed" not in watcher.ended  # it had ended before the worker was lost
    assert 3 == watcher.began.count("model PARROT < JUDGE")
    assert "agent JUDGE: done" == watcher.ended[-1]
    await fake_ray.ended()


async def test_left(fake_ray: FakeRay) -> None:
    """Runs of a call that was left have ended here."""
    watcher = Watcher()

    async def read_one() -> None:
        async for message in remote(poet.fork(words=10_000, delay=0.001) | identity).inquire("left"):
            async for _ in message:
                return

    async with MiniAgents(observers=[watcher]):
        await read_one()
    assert 3 == len(watcher.began) == len(watcher.ended)
    await fake_ray.ended()
