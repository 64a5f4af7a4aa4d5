"""The table of the end of a run in `docs/journal.md` is true: each cell of it is driven.

Crosses modules: the page, the log of a run, and a journal.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from typing_extensions import override

from miniagents import MiniAgents
from miniagents.ext.journal import Event, JournalError, Lease, MemoryJournal, RunRecord, durable
from miniagents.runs import RunLog
from miniagents.testing import scripted_model

PAGE = Path(__file__).parents[2] / "docs" / "journal.md"
FINAL = {
    "ended": "ended",
    "parked": "parked",
    "left": "left",
    "let go": "live",
    "taken": "live",
    "lost": "live",
}
DECISIONS = ("ends", "parks", "leaves")
WAYS = {  # how a run comes into a state whose batch is being written
    "going": (),
    "ending": ("ends",),
    "parking": ("parks",),
    "leaving": ("leaves",),
    "retreating": ("going", "not kept"),
    "giving up": ("going", "not kept for good"),
    "ended": ("ends", "kept"),
    "parked": ("parks", "kept"),
    "left": ("leaves", "kept"),
    "let go": ("going", "not kept", "not kept"),
    "taken": ("going", "refused"),
    "lost": ("going", "not kept for good", "not kept"),
}


def _table() -> dict[str, dict[str, str]]:
    text = PAGE.read_text().split("<!-- table: end of a run -->\n")[1].partition("\n\n")[0]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()]
    cells = {row[0]: dict(zip(rows[0][2:], row[2:], strict=True)) for row in rows[2:]}
    return cells | {state: dict.fromkeys(rows[0][2:], "") for state in FINAL}


class HeldJournal(MemoryJournal):
    """A journal whose writes wait until the test says what becomes of them."""

    def __init__(self) -> None:
        super().__init__()
        self.results: asyncio.Queue[str] = asyncio.Queue()

    async def _wait(self) -> None:
        match await self.results.get():
            case "refused":
                raise JournalError("another process writes it.", "taken")
            case "kept":
                pass
            case _:
                raise JournalError("The disk is full.")

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        await self._wait()
        await super().append(lease, events, hard=hard)

    @override
    async def end(
        self, lease: Lease, events: Sequence[Event], /, *, how: str, keep: float | None = None
    ) -> None:
        await self._wait()
        await super().end(lease, events, how=how, keep=keep)

    @override
    async def leave(
        self,
        lease: Lease,
        events: Sequence[Event] = (),
        /,
        *,
        wake_at: float | None = None,
        heard: int = 0,
        counts: bool = False,
    ) -> None:
        await self._wait()
        await super().leave(lease, events, wake_at=wake_at, heard=heard, counts=counts)


class Work:
    """What a process writes of one run."""

    def __init__(self, journal: HeldJournal) -> None:
        self.journal = journal
        self.lease = Lease(RunRecord("7"))
        self.log = RunLog(journal, self.lease, may_begin_again=lambda: self.may)
        self.may = True

    async def happens(self, event: str) -> None:
        """One of the columns; `going` is a batch that is being written."""
        match event:
            case "going":
                self.log.add(["frame", 0, {}])
            case "ends":
                self.log.end.how = "finished"
                self.log.end.wishes.add("ends")
                self.log.wake()
            case "parks":
                self.log.park(1e12, 0)
            case "leaves":
                self.log.end.wishes.add("leaves")
                self.log.wake()
            case _:
                self.may = event != "not kept for good"
                self.journal.results.put_nowait(event)
        for _ in range(10):
            await asyncio.sleep(0)


async def test_each_cell() -> None:
    """In each state, each event leads to the state on the page; the journal has the run in that state."""
    table = _table()
    assert list(table) == list(WAYS)
    for state, cells in table.items():
        for event, then in cells.items():
            work = Work(journal := HeldJournal())
            await journal.begin(work.lease, [["began", 0, None]])
            for each in WAYS[state]:
                await work.happens(each)
            assert state == work.log.end.state
            if state == "going" and event not in DECISIONS:
                await work.happens("going")
            if state not in FINAL or event in DECISIONS:
                await work.happens(event)
            assert (state, event, then or state) == (state, event, work.log.end.state)
            [record] = await journal.find()
            assert FINAL.get(work.log.end.state, "live") == record.state
            assert "lost" not in {state, then} or record.how == ""
            assert state != "giving up" or then != "ended" or record.how == "lost"
            while work.log.end.state not in FINAL and work.log.end.state != "going":
                await work.happens("kept")  # nothing waits at the end


class FullOnce(MemoryJournal):
    """A journal that cannot be written once."""

    failed = False

    @override
    async def append(self, lease: Lease, events: Sequence[Event], /, *, hard: bool = False) -> None:
        if not self.failed:
            self.failed = True
            raise JournalError("The disk is full.")
        await super().append(lease, events, hard=hard)


async def test_a_block_goes_on_after_an_error_of_its_journal() -> None:
    """A block whose log could not be written for a moment can begin again in the same process."""
    journal, outcomes = FullOnce(), list[str]()
    async with MiniAgents():
        for _ in range(2):
            try:
                async with durable(journal, run_id="7"):
                    outcomes.append(str(await scripted_model("Hi").inquire("Hello")))
            except JournalError as error:
                outcomes.append(str(error))
    assert ["The disk is full.", "Hi"] == outcomes
