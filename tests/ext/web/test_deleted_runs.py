"""`Runs.delete`: nothing is kept of a run, whether it has ended, goes on here, or in another process.

Crosses modules: runs, logs of frames, journals.
"""

import asyncio
from pathlib import Path

import pytest

from miniagents import MiniAgents
from miniagents.ext.journal import Journal
from miniagents.ext.web import FrameLog, FrameLogError, MemoryFrames, RunEnded, Runs, SQLiteFrames
from miniagents.runs import RunRequest
from miniagents.testing import scripted_model
from tests.support.web_agents import Gate


async def ending(runs: Runs, run: str) -> str:
    """How a run has ended, for one of its readers."""
    [last] = [frame async for _, frame in runs.frames(run) if isinstance(frame, RunEnded)]
    return last.how


async def is_gone(runs: Runs, run: str) -> bool:
    """Whether nothing is known of a run."""
    feed = await runs.read(run)
    return (None, None, False) == (await runs.find(run), feed, await runs.stop(run))


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_has_ended(kind: str, tmp_path: Path) -> None:
    """A run that has ended is deleted; it is not if somebody else asks; deleting it again changes nothing."""
    log: FrameLog = MemoryFrames() if kind == "memory" else SQLiteFrames(tmp_path / "frames.db")
    async with MiniAgents(app_wide=True):
        runs = Runs(log, agents={"poet": scripted_model("Hello", then="Hello")})
        one, other = [await runs.begin("poet", "Hi", owner="ada") for _ in range(2)]
        for run in (one, other):
            assert [_ async for _ in runs.frames(run, owner="ada")]
        assert not await runs.delete(one, owner="bob")
        assert await runs.delete(one, owner="ada")
        assert not await runs.delete(one, owner="ada")
        assert await is_gone(runs, one)
        assert await runs.find(other, owner="ada") is not None


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
async def test_what_goes_on(kind: str, tmp_path: Path) -> None:
    """A run that goes on is stopped before it is deleted: its agent ends, and its readers are told."""
    log: FrameLog = MemoryFrames() if kind == "memory" else SQLiteFrames(tmp_path / "frames.db")
    gate = Gate()
    async with MiniAgents(app_wide=True):
        runs = Runs(log, agents={"gate": gate.agent()})
        run = await runs.begin("gate", "Hi")
        reading = asyncio.create_task(ending(runs, run))
        await gate.begun.wait()
        assert await runs.delete(run)
        assert (True, "stopped") == (gate.left.is_set(), await reading)
        assert await is_gone(runs, run)


async def test_what_goes_on_elsewhere(tmp_path: Path) -> None:
    """A run of another process is stopped there, and its readers there are told, before it is deleted."""
    gate = Gate()
    async with MiniAgents(app_wide=True):
        there, here = (Runs(SQLiteFrames(tmp_path / "frames.db")) for _ in range(2))
        there.add_agents({"gate": gate.agent()})
        run = await there.begin("gate", "Hi")
        reading = asyncio.create_task(ending(there, run))
        await gate.begun.wait()
        async with asyncio.timeout(4):  # it is told, and not only cut
            assert await here.delete(run)
        assert (True, "stopped") == (gate.left.is_set(), await reading)
        assert await is_gone(here, run)


async def test_a_server_that_does_not_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the process of a run does not stop it, it is deleted after a time, and can be written no more."""
    monkeypatch.setattr("miniagents.ext.web._runs._STOPPING", 0.05)
    async with MiniAgents(app_wide=True):
        silent, runs = SQLiteFrames(tmp_path / "frames.db"), Runs(SQLiteFrames(tmp_path / "frames.db"))
        await silent.open(lambda _: None)
        await silent.begin("r")
        assert await runs.delete("r")
        with pytest.raises(FrameLogError):
            await silent.end("r", "finished")
        assert await is_gone(runs, "r")
        await silent.close()


async def test_deleted_while_it_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run whose frames another process has deleted is stopped with its next frame, and that is no error."""
    gate = Gate()
    async with MiniAgents(app_wide=True):
        runs, other = Runs(SQLiteFrames(tmp_path / "frames.db")), SQLiteFrames(tmp_path / "frames.db")
        runs.add_agents({"gate": gate.agent()})
        await other.open(print)
        run = await runs.begin("gate", "Hi")
        reading = asyncio.create_task(ending(runs, run))
        await gate.begun.wait()
        await asyncio.sleep(0.05)  # its first frames are kept
        await other.delete(run)
        gate.go.set()
        assert "lost" == await reading
        assert await is_gone(runs, run)
        await other.close()
    assert [] == caplog.records


async def test_the_journal(tmp_path: Path) -> None:
    """Of a durable run that is deleted the journal has nothing either."""
    gate = Gate()
    with Journal(tmp_path / "calls.journal") as journal:
        async with MiniAgents(app_wide=True):
            runs = Runs(SQLiteFrames(tmp_path / "frames.db"), agents={"gate": gate.agent()}, journal=journal)
            run = await runs.begin("gate", "Hi")
            await gate.begun.wait()
            assert await runs.delete(run)
            assert ([], []) == (await journal.unfinished_runs(), list(journal.calls()))


async def test_the_journal_of_another_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A durable run that waits for the next server does not go on there once it is deleted."""
    monkeypatch.setattr("miniagents.ext.web._runs._STOPPING", 0.05)
    with Journal(tmp_path / "calls.journal") as journal:
        async with MiniAgents(app_wide=True):
            runs = Runs(SQLiteFrames(tmp_path / "frames.db"), journal=journal)
            await runs.open()
            dead = SQLiteFrames(tmp_path / "frames.db")
            await dead.open(print)
            await journal.begin_run("r", RunRequest("poet", "1", (), {}, "", "").to_json())
            await dead.begin("r", resumable=True)
            await dead.close()
            assert await runs.delete("r")
            assert [] == await journal.unfinished_runs()
