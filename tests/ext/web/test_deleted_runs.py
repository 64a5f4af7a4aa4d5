"""`Runs.delete`: nothing is kept of a run, whether it has ended, goes on here, or in another process.

Crosses modules: runs and journals.
"""

import asyncio
from pathlib import Path

import pytest

from miniagents import MiniAgents
from miniagents.ext.journal import Journal, JournalError, Lease, MemoryJournal, RunRecord
from miniagents.ext.web import RunEnded, Runs
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


async def test_what_has_ended() -> None:
    """A run that has ended is deleted; it is not if somebody else asks; deleting it again changes nothing."""
    async with MiniAgents(app_wide=True):
        runs = Runs(MemoryJournal(), agents={"poet": scripted_model("Hello", then="Hello")})
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
    gate = Gate()
    async with (
        MemoryJournal() if kind == "memory" else Journal(tmp_path / "runs.journal") as journal,
        MiniAgents(app_wide=True),
    ):
        runs = Runs(journal, agents={"gate": gate.agent()})
        run = await runs.begin("gate", "Hi")
        reading = asyncio.create_task(ending(runs, run))
        await gate.begun.wait()
        assert await runs.delete(run)
        assert (True, "stopped") == (gate.left.is_set(), await reading)
        assert await is_gone(runs, run)
        assert [] == await journal.find()


async def test_what_goes_on_elsewhere(tmp_path: Path) -> None:
    """A run of another process is stopped there, and its readers there are told, before it is deleted."""
    gate, path = Gate(), tmp_path / "runs.journal"
    with Journal(path) as one, Journal(path) as two:
        async with MiniAgents(app_wide=True):
            there, here = Runs(one, agents={"gate": gate.agent()}), Runs(two)
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
    path = tmp_path / "runs.journal"
    with Journal(path) as silent, Journal(path) as journal:
        async with MiniAgents(app_wide=True):
            runs = Runs(journal)
            await silent.begin(lease := Lease(RunRecord("r")), [["began", 0, None]])
            assert await runs.delete("r")
            with pytest.raises(JournalError):
                await silent.end(lease, [], how="finished")
            assert await is_gone(runs, "r")


@pytest.mark.loop(virtual=True)
async def test_deleted_twice_at_once() -> None:
    """Two clients delete a run at the same time: both succeed, also if its process does not stop it."""
    journal = MemoryJournal()
    async with MiniAgents(app_wide=True):
        runs = Runs(journal)
        await journal.begin(Lease(RunRecord("r")), [["began", 0, None]])
        first = asyncio.create_task(runs.delete("r"))
        await asyncio.sleep(1.0)
        assert (True, True) == (await runs.delete("r"), await first)


async def test_deleted_while_it_is_written(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A run that another process has deleted is stopped with its next frame, and that is no error."""
    gate, path = Gate(), tmp_path / "runs.journal"
    with Journal(path) as one, Journal(path) as other:
        async with MiniAgents(app_wide=True):
            runs = Runs(one, agents={"gate": gate.agent()})
            run = await runs.begin("gate", "Hi")
            reading = asyncio.create_task(ending(runs, run))
            await gate.begun.wait()
            await asyncio.sleep(0.05)  # its first frames are kept
            await other.delete(run)
            gate.go.set()
            assert "lost" == await reading
            assert await is_gone(runs, run)
    assert [] == [each for each in caplog.records if each.name.startswith("miniagents")]
