"""One contract for all stores of runs and calls: any store, also one of your own, can be run through it.

Crosses modules: the protocols, the journal in memory, and those in a database.

For a store of your own, add to `KINDS` a function that returns what opens a journal with the lease `LEASE`;
all journals that it opens share what they keep, as processes do.
"""

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AsyncExitStack,
    aclosing,
    asynccontextmanager,
    contextmanager,
)
from pathlib import Path
from typing import Final, Protocol, Self, cast
from uuid import uuid4

import pytest
from typing_extensions import override

from miniagents.ext.journal import (
    Journal,
    MemoryJournal,
    PostgresJournal,
    answer_question,
    open_questions,
)
from miniagents.runs import (
    CallKey,
    CallStore,
    Event,
    JournalEntry,
    JournalError,
    Json,
    Lease,
    RecordedEvent,
    RecordedFunction,
    RunRecord,
    RunStore,
)
from miniagents.runs._stores import wall_time
from miniagents.tools import Allow
from tests.support.postgres import postgres_server

LEASE: Final = 0.6
EVENTS: Final[list[Event]] = [
    ["began", 0, {"text": 'Hel "lo"\n😀 \x00 \ud800'}],
    ["parts", 1, 0, ["a", "b"], [0.5, 1]],
    ["call_end", 1, None, True],
]
MORE: Final[list[Event]] = [["ended", 0, "finished", ""]]
ANSWER: Final = RecordedFunction("JUDGE", "1", "reviews:judge")


class Store(RunStore, CallStore, AbstractAsyncContextManager["Store"], Protocol):
    """A journal of this contract."""

    @override
    async def __aenter__(self) -> Self: ...


Make = Callable[[], AbstractAsyncContextManager[Store]]


def memory(_: pytest.FixtureRequest) -> Make:
    """One journal: nothing is shared."""
    journal = MemoryJournal()
    return lambda: journal


def sqlite(request: pytest.FixtureRequest) -> Make:
    """A file."""
    path = cast("Path", request.getfixturevalue("tmp_path")) / "runs.journal"
    return lambda: Journal(path, lease=LEASE)


def postgres(request: pytest.FixtureRequest) -> Make:
    """A schema of its own in a server that all these tests share."""
    dsn, schema = cast("str", request.getfixturevalue("server")), f"t{uuid4().hex}"
    return lambda: PostgresJournal(dsn, schema=schema, lease=LEASE)


KINDS: Final = {"memory": memory, "sqlite": sqlite, "postgres": postgres}
SHARED: Final = ["sqlite", pytest.param("postgres", marks=pytest.mark.gate("starts a server"))]
ALL: Final = ["memory", *SHARED]


@pytest.fixture(scope="session")
def server() -> Generator[str]:
    """A server of Postgres."""
    with postgres_server() as dsn:
        yield dsn


@pytest.fixture
def make(kind: str, request: pytest.FixtureRequest) -> Make:
    """What opens journals of one kind."""
    return KINDS[kind](request)


@contextmanager
def refused(reason: str, match: str | None = None) -> Generator[None]:
    """A block that ends with the error of a store that has this reason."""
    with pytest.raises(JournalError, match=match) as caught:
        yield
    assert reason == caught.value.reason


async def followed(store: RunStore, run: str, after: int = 0) -> list[Event]:
    """All events of a run behind a position; it must end."""
    async with aclosing(store.follow(run, after)) as batches:
        return [event async for batch in batches for event in batch]


async def whole(store: RunStore, run: str, after: int = 0) -> list[Event]:
    return [*(await store.read(run, after)).events]


@asynccontextmanager
async def both(make: Make) -> AsyncGenerator[tuple[Store, Store]]:
    """Two journals that share what they keep."""
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(make()), await stack.enter_async_context(make())


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that another process or thread does."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - it tells by no event
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("kind", ALL)
class TestRuns:
    async def test_who_answered(self, make: Make) -> None:
        """Who answers a question, and when, is kept with the answer; the first one who said so counts."""
        async with make() as store:
            asked: Event = ["question", 0, "q", "approval", {"tool": "pay"}, "", None]
            await store.begin(Lease(RunRecord("r")), [asked])
            for by in ("ada", "eve", None):
                await answer_question(store, "r", "q", Allow(), by=by)
            (kept,) = (await store.read("r")).sent.values()
            assert isinstance(kept, dict)
            at = kept.pop("at")
            assert {"by": "ada", "allow": True, "arguments": None} == kept
            assert isinstance(at, float)
            assert 0 <= wall_time() - at < 60
            assert ["ada"] == [each.by for each in await open_questions(store, "r", answered=True)]

    async def test_positions(self, make: Make) -> None:
        """Events are read as they were kept, behind any position, and an end ends those who follow."""
        async with make() as store:
            await store.begin(lease := Lease(RunRecord("r", "ada", "chat", "2", "server")), EVENTS[:1])
            async with asyncio.TaskGroup() as group:
                early = [group.create_task(followed(store, "r", after)) for after in (0, 0, 2)]
                await asyncio.sleep(0.01)
                await store.append(lease, EVENTS[1:2])
                late = group.create_task(followed(store, "r", 1))
                await store.append(lease, EVENTS[2:], hard=True)
                page = await store.read("r", 1)
                assert (EVENTS[1:], 3, "live", {}) == (
                    [*page.events],
                    page.record.last,
                    page.record.state,
                    page.sent,
                )
                await store.end(lease, MORE, how="finished")
            every = [*EVENTS, *MORE]
            assert [every, every, every[2:], every[1:]] == [each.result() for each in (*early, late)]
            assert [every[after:] for after in range(6)] == [await whole(store, "r", n) for n in range(6)]
            assert [every[after:] for after in range(6)] == [await followed(store, "r", n) for n in range(6)]
            (record,) = await store.find(run="r")
            assert record.began > 0
            known = RunRecord("r", "ada", "chat", "2", "server", "ended", 1, 4, record.began, "finished")
            assert (known, known) == (record, (await store.read("r")).record)

    async def test_open_questions(self, make: Make) -> None:
        """A page has what is known of open questions, wherever that is, if the store keeps it apart."""
        asked: dict[str, Event] = {q: ["question", 0, q, "question", {"text": q}, "", None] for q in "abcd"}
        refused: dict[str, Event] = {q: ["refused", 0, q, f"answer:{q}:1", "no"] for q in "ad"}
        async with make() as store:
            await store.begin(lease := Lease(RunRecord("r", agent="guide")), [EVENTS[0], *asked.values()])
            await store.append(lease, [["void", 0, "d"], refused["a"], ["answer", 0, "b", {"value": 1}]])
            await store.append(lease, [*EVENTS, asked["d"], refused["d"]])
            page = await store.read("r", 12)
            assert [refused["d"]] == [*page.events]
            wanted = [asked["a"], refused["a"], asked["c"], asked["d"], refused["d"]]
            assert page.asked is None or sorted(wanted, key=str) == sorted(page.asked, key=str)
            assert page.record.agent in {"", "guide"}
            await store.end(lease, [["void", 0, q] for q in "acd"], how="finished")
            assert not (await store.read("r", 12)).asked

    async def test_reasons(self, make: Make) -> None:
        """An id is used once; nothing is added to a run that has ended, was deleted, or never was."""
        async with make() as store:
            await store.begin(lease := Lease(RunRecord("r")), EVENTS)
            with refused("exists", "'r'"):
                await store.begin(Lease(RunRecord("r")), EVENTS)
            with refused("busy", "'r'"):
                await store.claim("r")
            await store.end(lease, [], how="stopped")
            for write in (
                store.append(lease, EVENTS),
                store.end(lease, EVENTS, how="finished"),
                store.leave(lease, EVENTS),
            ):
                with refused("ended", "'r' has ended"):
                    await write
            other = Lease(RunRecord("s"))
            for use in (
                store.append(other, EVENTS),
                store.end(other, EVENTS, how="finished"),
                store.leave(other),
                store.send("s", "stop", 1),
                store.read("s"),
                followed(store, "s"),
            ):
                with refused("unknown", "'s'"):
                    await use
            assert (None, []) == (await store.claim("s"), await store.find(run="s"))
            await store.delete("s")
            await store.delete("r", topic="another")
            assert EVENTS == await whole(store, "r")

    async def test_find(self, make: Make) -> None:
        """Records are found by id, topic, owner and state, newest first, each as it is now."""
        async with make() as store:
            leases = [
                Lease(RunRecord(run, owner, topic)) for run, owner, topic in ("1aX", "2bX", "3aY", "4aX")
            ]
            for lease in leases:
                await store.begin(lease, [])
            await store.append(leases[1], EVENTS)
            await store.end(leases[2], EVENTS, how="failed")

            async def found(
                run: str | None = None,
                topic: str | None = None,
                owner: str | None = None,
                ended: bool | None = None,
            ) -> str:
                records = await store.find(run=run, topic=topic, owner=owner, ended=ended)
                return "".join(each.run for each in records)

            assert ("4321", "431", "421", "41", "2", "", "", "3", "41") == (
                await found(),
                await found(owner="a"),
                await found(topic="X"),
                await found(owner="a", topic="X"),
                await found(run="2"),
                await found(run="2", owner="a"),
                await found(topic=""),
                await found(ended=True),
                await found(owner="a", topic="X", ended=False),
            )
            latest = await store.find(limit=3)
            assert [("live", 0), ("ended", 3), ("live", 3)] == [(each.state, each.last) for each in latest]

    async def test_claim(self, make: Make) -> None:
        """A run that was left or has ended is claimed, and goes on; who left it in order does not count."""
        async with make() as store:
            await store.begin(lease := Lease(RunRecord("r", restart="program")), EVENTS[:1])
            await store.leave(lease, EVENTS[1:])
            assert ("left", 0, 3) == _state((await store.read("r")).record)
            claimed = await store.claim("r")
            assert claimed is not None
            assert ("live", 1, 3) == _state(claimed.record)
            await store.append(claimed, EVENTS)
            await store.end(claimed, [], how="finished")
            assert ("ended", 1, 6) == _state((await store.read("r")).record)
            again = await store.claim("r")
            assert again is not None
            assert (("live", 2, 6), "") == (_state(again.record), again.record.how)
            await store.append(again, MORE)
            await store.end(again, [], how="failed")
            assert [*EVENTS, *EVENTS, *MORE] == await followed(store, "r")

    async def test_leases(self, make: Make) -> None:
        """Who has let go of a run can write nothing more of it, also if the same process goes on."""
        async with make() as store:
            old = Lease(RunRecord("r", restart="server"))
            await store.begin(old, EVENTS)
            await store.leave(old)
            (new,) = await store.take("1", 9)
            for write in (
                store.append(old, EVENTS),
                store.append(Lease(new.record), EVENTS),
                store.end(old, EVENTS, how="lost"),
                store.leave(old, EVENTS),
            ):
                with refused("taken", "'r'"):
                    await write
            await store.append(new, MORE)
            late = [asyncio.create_task(store.append(new, MORE)), asyncio.create_task(store.delete("r"))]
            await asyncio.gather(*late, return_exceptions=True)
            await store.begin(again := Lease(RunRecord("r")), EVENTS)
            with refused("taken", "'r'"):
                await store.append(new, MORE)
            await store.end(again, MORE, how="finished")
            assert [*EVENTS, *MORE] == await whole(store, "r")

    async def test_sent(self, make: Make) -> None:
        """What is sent to a run arrives once for each key, also early; to one that has ended nothing is."""
        async with make() as store:
            heard: list[tuple[str, Json]] = []
            await store.begin(lease := Lease(RunRecord("r")), EVENTS)
            await store.send("r", "stop", {"by": "ada"})
            await store.send("r", "stop", "again")
            store.listen(lease, lambda key, data: heard.append((key, data)))
            await until(lambda: len(heard) == 1)
            await store.send("r", "answer", [1, None])
            await store.send("r", "answer", 2)
            await until(lambda: len(heard) == 2)
            sent: dict[str, Json] = {"stop": {"by": "ada"}, "answer": [1, None]}
            assert (sent, [*sent.items()]) == ((await store.read("r")).sent, heard)
            await store.end(lease, [], how="stopped")
            await store.send("r", "stop", "once more")
            with refused("ended", "'r'"):
                await store.send("r", "late", 3)
            assert (sent, 2) == ((await store.read("r")).sent, len(heard))

    async def test_sent_in_order(self, make: Make) -> None:
        """What was sent to a run is read, and arrives, in the order in which it was sent."""
        async with make() as store:
            heard: list[tuple[str, Json]] = []
            lease = Lease(RunRecord("r"))
            await store.begin(lease, EVENTS)
            sent: list[tuple[str, Json]] = [("c", 1), ("a", 2), ("d", 3), ("b", 4)]
            for key, data in sent:
                await store.send("r", key, data)
            assert sent == [*(await store.read("r")).sent.items()]
            store.listen(lease, lambda key, data: heard.append((key, data)))
            await until(lambda: len(heard) == len(sent))
            assert sent == heard

    async def test_parked(self, make: Make) -> None:
        """A run that waits is taken when something is sent, or its time has come; once, and not before."""
        async with make() as store:
            left: list[int] = []
            leave = await store.join("1", lambda: left.append(1))
            a, b, c, d = [Lease(RunRecord(run, restart="server")) for run in "abcd"]
            for lease in (a, b, c, d):
                await store.begin(lease, EVENTS)
            await store.send("b", "early", 1)
            await store.leave(a, MORE, wake_at=math.inf)
            await store.leave(b, wake_at=math.inf, heard=0)  # it has not heard what was sent
            await store.leave(c, wake_at=time.time() + 0.6)
            await store.send("d", "early", 1)
            await store.leave(d, wake_at=math.inf, heard=1)
            assert [("parked", 0, 3)] * 2 == [_state((await store.find(run=run))[0]) for run in "cd"]
            assert ["b"] == [each.run for each in await store.take("1", 9)]
            await store.send("a", "answer", 2)
            (taken,) = await store.take("1", 9)
            assert ("a", "live", 1, 4) == (taken.run, *_state(taken.record))
            left.clear()
            assert [] == await store.take("1", 9)
            await until(lambda: bool(left))
            assert ["c"] == [each.run for each in await store.take("1", 9)]
            claimed = await store.claim("d")
            assert claimed is not None
            assert ("live", 1, 3) == _state(claimed.record)
            leave()

    async def test_delete(self, make: Make) -> None:
        """A deleted run is unknown to its writer and to its readers; its id can be used again."""
        async with make() as store:
            await store.begin(lease := Lease(RunRecord("r")), EVENTS)
            reader = asyncio.create_task(followed(store, "r"))
            await asyncio.sleep(0.02)
            await store.delete("r")
            with refused("unknown"):
                await reader
            with refused("unknown"):
                await store.append(lease, EVENTS)
            await store.begin(lease := Lease(RunRecord("r")), MORE)
            await store.end(lease, [], how="finished")
            assert MORE == await whole(store, "r")
            await store.delete("r")
            assert [] == await store.find()

    async def test_readers_of_a_closed_journal(self, make: Make) -> None:
        """Who follows a run when its journal is closed gets an error, and does not wait for ever."""
        async with make() as store:
            await store.begin(Lease(RunRecord("r")), EVENTS)
            reader = asyncio.create_task(followed(store, "r"))
            await asyncio.sleep(0.02)
        with pytest.raises(JournalError):
            await asyncio.wait_for(reader, 1)

    async def test_keep(self, make: Make) -> None:
        """A run is forgotten when it has been kept as long as its end said, and its id is free then."""
        async with make() as store:
            for run, keep in (("long", 60.0), ("for ever", None), ("short", 0.05)):
                await store.begin(lease := Lease(RunRecord(run)), EVENTS)
                await store.end(lease, [], how="finished", keep=keep)
            assert EVENTS == await whole(store, "short")
            await asyncio.sleep(0.06)
            assert ["for ever", "long"] == [each.run for each in await store.find()]
            with refused("unknown"):
                await store.read("short")
            assert await store.claim("short") is None
            await store.begin(lease := Lease(RunRecord("short")), MORE)
            await store.end(lease, [], how="finished")
            assert MORE == await whole(store, "short")

    async def test_many(self, make: Make) -> None:
        """64 runs at once each have their own events, in order; large ones, too."""
        async with make() as store:

            async def write(run: str, size: int) -> list[Event]:
                await store.begin(lease := Lease(RunRecord(run)), [["began", 0, run]])
                reader = asyncio.create_task(followed(store, run))
                for at in range(20):
                    await store.append(lease, [["part", 1, f"{run}.{at}", "x" * size]], hard=at == 7)
                await store.end(lease, MORE, how="finished")
                events = await whole(store, run)
                assert events == await reader
                return events

            got = await asyncio.gather(*[write(str(run), 8000 if run == 7 else run) for run in range(64)])
            texts = [[event[2] for event in events[1:-1]] for events in got]
            assert [[f"{run}.{at}" for at in range(20)] for run in range(64)] == texts

    async def test_long_texts(self, make: Make) -> None:
        """Images and other long texts are as they were, and so is what looks like a name of one."""
        async with make() as store:
            image, other = "aé\ud800" * 30_000, "b" * 9000
            looks = "\0text:" + "0" * 64
            expected: list[Event] = [
                ["began", 0, {"image": image, "n": [looks, {looks: 1}, "\0text:", other]}]
            ]
            for run in "ab":
                await store.begin(lease := Lease(RunRecord(run)), [])
                reader = asyncio.create_task(followed(store, run))
                await store.append(lease, expected)
                await store.append(lease, [["call_end", 1, other]])
                await store.end(lease, [], how="finished")
                assert [*expected, ["call_end", 1, other]] == await reader
            await store.delete("a")
            assert [*expected, ["call_end", 1, other]] == await whole(store, "b")

    async def test_at_once(self, make: Make) -> None:
        """Appends that are not awaited one by one are kept in their order, before the end."""
        async with make() as store:
            await store.begin(lease := Lease(RunRecord("r")), [])
            events: list[Event] = [["part", 0, number] for number in range(500)]
            await asyncio.gather(
                *[store.append(lease, [each]) for each in events], store.end(lease, [], how="ok")
            )
            assert events == await whole(store, "r")


def _state(record: RunRecord) -> tuple[str, int, int]:
    return record.state, record.attempts, record.last


@pytest.mark.parametrize("kind", SHARED)
class TestProcesses:
    async def test_follow(self, make: Make) -> None:
        """What one process writes, readers of another get: all of it, once, up to the end."""
        async with both(make) as (one, two):
            await one.begin(lease := Lease(RunRecord("r")), EVENTS[:1])
            async with asyncio.TaskGroup() as group:
                readers = [group.create_task(followed(two, "r", after)) for after in (0, 1, 3)]
                for each in EVENTS[1:]:
                    await asyncio.sleep(0.03)
                    await one.append(lease, [each])
                assert ("live", 1, 3) == _state((await two.find())[0])
                await one.end(lease, MORE, how="finished")
            every = [*EVENTS, *MORE]
            assert [every, every[1:], every[3:]] == [each.result() for each in readers]

    async def test_one_writer(self, make: Make) -> None:
        """A run that another process writes cannot be written, begun or claimed; what was left can be."""
        async with both(make) as (one, two):
            await one.begin(lease := Lease(RunRecord("r")), EVENTS)
            with refused("taken"):
                await two.append(lease, EVENTS)
            with refused("exists"):
                await two.begin(Lease(RunRecord("r")), EVENTS)
            with refused("busy"):
                await two.claim("r")
            await one.leave(lease)
            claimed = await two.claim("r")
            assert claimed is not None
            with refused("taken"):
                await one.append(lease, EVENTS)
            await two.append(claimed, MORE)
            assert [*EVENTS, *MORE] == await whole(one, "r")

    async def test_take(self, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
        """What was left is taken once, oldest first, by those who serve its version, or if none does."""
        monkeypatch.setattr("miniagents.ext._journal._runs._PATIENCE", 0.2)  # and not ten leases
        async with both(make) as (one, two):
            left: list[str] = []
            leave = await two.join("2", lambda: left.append("2"))
            leases = (
                Lease(RunRecord("a", version="1", restart="server")),
                Lease(RunRecord("b", version="2", restart="never")),
                Lease(RunRecord("c", version="2", restart="server")),
                Lease(RunRecord("mine", version="2", restart="program")),
            )
            for lease in leases:
                await one.begin(lease, EVENTS)
            served = await one.join("1", lambda: left.append("1"))
            assert [] == await two.take("2", 9)
            for lease in leases:
                await one.leave(lease, MORE)
            await until(lambda: set(left) == {"1", "2"})
            assert (["b"], ["c"], []) == tuple([[each.run for each in await two.take("2", 1)] for _ in "123"])
            served()
            taken: list[Lease] = []
            async with asyncio.timeout(20 * LEASE):
                while not taken:
                    await asyncio.sleep(0.02)
                    taken = await two.take("2", 9)
            assert [("a", "live", 1, 4)] == [(each.run, *_state(each.record)) for each in taken]
            leave()

    async def test_sent(self, make: Make) -> None:
        """What any process sends to a run, its writer gets once; a process that takes the run over, too."""
        async with both(make) as (one, two):
            heard: list[list[tuple[str, Json]]] = [[], []]
            await one.begin(lease := Lease(RunRecord("r", restart="server")), [])
            one.listen(lease, lambda key, data: heard[0].append((key, data)))
            await two.send("r", "stop", 1)
            await until(lambda: heard[0] == [("stop", 1)])
            await one.send("r", "stop", 2)
            await one.leave(lease)
            await one.send("r", "answer", 3)
            (lease,) = await two.take("1", 1)
            two.listen(lease, lambda key, data: heard[1].append((key, data)))
            await until(lambda: len(heard[1]) == 2)
            assert ([("stop", 1)], [("stop", 1), ("answer", 3)]) == (heard[0], heard[1])

    async def test_sent_by_two(self, make: Make) -> None:
        """What two processes send under one key, the writer has once a send of its own process returns."""
        async with both(make) as (one, two):
            heard: list[tuple[str, Json]] = []
            await one.begin(lease := Lease(RunRecord("r")), [])
            one.listen(lease, lambda key, data: heard.append((key, data)))
            sent: list[tuple[str, Json]] = [(f"say:{each}", each) for each in range(20)]
            for key, each in sent:
                await two.send("r", key, each)
                await one.send("r", key, "another")
                assert (key, each) == heard[-1]
            assert sent == heard

    async def test_delete(self, make: Make) -> None:
        """A run that another process deletes is lost to its writer, and to readers."""
        async with both(make) as (one, two):
            await one.begin(lease := Lease(RunRecord("r")), EVENTS)
            readers = [asyncio.create_task(followed(store, "r")) for store in (one, two)]
            await asyncio.sleep(0.05)
            await two.delete("r")
            for each in readers:
                with refused("unknown"):
                    await each
            with refused("unknown"):
                await one.append(lease, MORE)
            await one.begin(Lease(RunRecord("s")), MORE)
            assert ["s"] == [each.run for each in await two.find()]

    async def test_close(self, make: Make) -> None:
        """The runs of a journal that was closed are free at once, with all that was written."""
        async with make() as two:
            async with make() as one:
                await one.begin(lease := Lease(RunRecord("r", restart="program")), EVENTS)
                await one.append(lease, MORE)
                await one.begin(Lease(RunRecord("s", restart="server")), EVENTS)
                reader = asyncio.create_task(followed(one, "r"))
                await asyncio.sleep(0.02)
            with pytest.raises(JournalError, match="closed"):
                await reader
            claimed = await two.claim("r")
            assert claimed is not None
            (taken,) = await two.take("1", 9)
            assert [("live", 2, 4), ("live", 2, 3)] == [_state(claimed.record), _state(taken.record)]
            assert [*EVENTS, *MORE] == await whole(two, "r")


@pytest.mark.parametrize("kind", ALL)
class TestCalls:
    async def test_by_key(self, make: Make) -> None:
        """A call is found by its whole key, as it was kept last; others are None."""
        async with make() as store:
            await store.check(ANSWER)
            keys = [
                CallKey(bytes([byte]) * 32, scope, n)
                for byte in (1, 2)
                for scope in ("", "s")
                for n in (0, 1)
            ]
            assert [None] * 8 == await store.find_all(keys)
            calls = [(key, entry(str(at))) for at, key in enumerate(keys)]
            await store.keep_all(calls[:6])
            await asyncio.gather(*[store.keep_all([each]) for each in calls[5:7]])
            found = await store.find_all(keys[::-1])
            assert [None, *"6543210"] == [_text(each) for each in found]
            await store.keep_all([(keys[0], entry("new", failed=True))])
            (again,) = await store.find_all(keys[:1])
            assert again is not None
            assert ("new", True) == (_text(again), again.failed)
            assert [] == await store.find_all([])

    async def test_names(self, make: Make) -> None:
        """Another function under the same name and version is refused."""
        async with make() as store:
            await store.check(ANSWER)
            await store.check(ANSWER)
            await store.check(RecordedFunction("JUDGE", "2", "reviews:other"))
            with pytest.raises(JournalError, match="reviews:judge"):
                await store.check(RecordedFunction("JUDGE", "1", "reviews:other"))


@pytest.mark.parametrize("kind", SHARED)
async def test_calls_of_another_process(make: Make) -> None:
    """What one process keeps, another finds, and what both keep at once is kept."""
    async with both(make) as (one, two):
        keys = [CallKey(bytes([byte]) * 32) for byte in range(40)]
        await asyncio.gather(
            *(
                store.keep_all([(key, entry(key.digest.hex()))])
                for at, key in enumerate(keys)
                for store in ((one, two)[at % 2 :] or (one,))
            )
        )
        expected = [key.digest.hex() for key in keys]
        assert [expected, expected] == [[_text(each) for each in await s.find_all(keys)] for s in (one, two)]


def entry(text: str, *, failed: bool = False) -> JournalEntry:
    """A call with an answer of one part."""
    events: Sequence[RecordedEvent] = (
        RecordedEvent(0.0, "message", 0, "Message"),
        RecordedEvent(0.0, "part", 0, text),
        RecordedEvent(0.0, "end", 0, ["user", "Message", {}]),
    )
    return JournalEntry(ANSWER, "[]", tuple(events), failed)


def _text(found: JournalEntry | None) -> Json:
    return None if found is None else found.events[1].data


@pytest.mark.loop(virtual=True)
async def test_timers_of_a_closed_journal() -> None:
    """A journal in memory that was closed does not say any more that a parked run can be taken."""
    said: list[int] = []
    async with MemoryJournal() as journal:
        await journal.join("1", lambda: said.append(1))
        await journal.begin(lease := Lease(RunRecord("r", version="1", restart="server")), EVENTS)
        await journal.leave(lease, wake_at=wall_time() + 5)
    await asyncio.sleep(10)
    assert [] == said


async def test_a_plain_block() -> None:
    """A journal in memory is used in a block as one in a file is; after it, it has forgotten everything."""
    with MemoryJournal() as journal:
        await journal.begin(Lease(RunRecord("r")), EVENTS)
        assert EVENTS == (await journal.read("r")).events
    assert [] == await journal.find()


class _Counted(float):
    """Seconds that count how often a time that was made of them is compared."""

    compared = 0

    @override
    def __radd__(self, other: float) -> "_Counted":
        return _Counted(other + float(self))

    def _count(self) -> float:
        _Counted.compared += 1
        return float(self)

    @override
    def __lt__(self, other: float) -> bool:
        return self._count() < other

    @override
    def __le__(self, other: float) -> bool:
        return self._count() <= other

    @override
    def __gt__(self, other: float) -> bool:
        return self._count() > other


async def test_ended_runs_cost_nothing() -> None:
    """To write an event costs the same in a journal in memory with no ended run, and with hundreds."""
    async with MemoryJournal() as journal:
        for number in range(500):
            await journal.begin(lease := Lease(RunRecord(str(number))), EVENTS)
            await journal.end(lease, [], how="finished", keep=_Counted(60.0))
        await journal.begin(lease := Lease(RunRecord("r")), EVENTS)
        before = _Counted.compared
        for _ in range(100):
            await journal.append(lease, EVENTS)
        assert _Counted.compared - before <= 200
