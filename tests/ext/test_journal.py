"""``Journal`` and ``recorded``: calls that are made once, kept in a file, and played from there.

Crosses modules: what is recorded and played stands in `models`, the file in `ext`.
"""

import asyncio
import sqlite3
import stat
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final, Literal

import pytest
from pydantic import BaseModel

from miniagents import (
    AssistantMessage,
    InteractionContext,
    LLMStatusError,
    Message,
    MessageType,
    MiniAgent,
    MiniAgents,
    Reasoning,
    Usage,
    miniagent,
)
from miniagents.ext.journal import Journal, JournalError, recorded
from miniagents.testing import scripted_model
from tests.support.kills import kills_wanted, run_and_kill
from tests.support.noting import noting


class Total(Message):
    """A message without a text."""

    total: int


class City(BaseModel):
    """A typed answer."""

    name: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal is."""
    return tmp_path / "calls.journal"


async def test_made_once(path: Path) -> None:
    """A call is made once; from then on it is played, also after the file was closed."""
    made: list[str] = []
    for _ in range(2):
        with Journal(path) as journal:
            async with MiniAgents():
                agent = recorded(noting(made), journal, version="1")
                assert ["A", "B", "A"] == [str(await agent.inquire(each)) for each in "aba"]
    assert ["a", "b"] == made


async def test_the_same_at_once(path: Path) -> None:
    """Of calls that ask the same at the same time one is made, and the others play it."""
    made: list[str] = []
    with Journal(path) as journal:
        async with MiniAgents():
            agent = recorded(noting(made), journal, version="1")
            replies = [agent.inquire("a") for _ in range(10)]
            assert ["A"] * 10 == [str(await each) for each in replies]
    assert ["a"] == made


async def test_parts_are_played(path: Path) -> None:
    """An answer is played as a stream of the same parts, with the same data."""
    thought = Reasoning("Hm.", signature="s")
    answer = AssistantMessage(parts=[thought, "Hel", "lo"], usage=Usage(3, 2), model="m")
    seen: list[object] = []
    for model in (scripted_model(answer), scripted_model()):
        with Journal(path) as journal:
            async with MiniAgents():
                (promise,) = [each async for each in recorded(model, journal, version="1").inquire("Hi")]
                seen.append(([part async for part in promise.parts], await promise))
    assert 2 == len(seen)
    assert seen[0] == seen[1]


async def test_classes(path: Path) -> None:
    """Typed replies are played as messages of their class: with a text, without one, and parsed."""

    @miniagent
    async def add(ctx: InteractionContext[Message, Total]) -> None:
        ctx.reply(Total(total=3))
        ctx.reply(Total("four", total=4))

    for model in (scripted_model('{"name": "Oslo"}'), scripted_model()):
        with Journal(path) as journal:
            async with MiniAgents():
                messages = await recorded(add, journal, version="1").inquire()
                assert (Total(total=3), Total("four", total=4)) == tuple(messages)
                assert (
                    City(name="Oslo")
                    == await recorded(model.as_type(City), journal, version="1").inquire("Which?").parsed
                )


async def test_errors(path: Path) -> None:
    """An error is not played, unless that is asked for; then it is of the same class."""
    made: list[str] = []

    def fail(_: str) -> MessageType:
        return LLMStatusError("No.", provider="p", model="m", status=500)

    with Journal(path) as journal:
        async with MiniAgents():
            for errors, times in ((False, 1), (False, 2), (True, 2)):
                agent = recorded(noting(made, fail), journal, version="1", errors=errors)
                with pytest.raises(LLMStatusError, match="No") as caught:
                    await agent.inquire("a")
                assert (500, times) == (caught.value.status, len(made))
            agent = recorded(noting(made), journal, version="1")
            assert "A" == str(await agent.inquire("a"))
            assert "A" == str(await agent.inquire("a"))
    assert 3 == len(made)


async def test_cancelled_is_not_kept(path: Path) -> None:
    """A call that was cancelled in the middle is made again."""
    never = asyncio.Event()

    @miniagent(alias="SLOW")
    async def slow(ctx: InteractionContext) -> None:
        ctx.reply("so far")
        await never.wait()

    with Journal(path) as journal:
        async with MiniAgents():
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(
                    recorded(slow, journal, version="1").timeout(total=0.01).inquire("a"), timeout=5
                )
        assert [] == list(journal.calls())


async def test_version_and_name(path: Path) -> None:
    """Another version, name, keyword or input is another call."""
    made: list[str] = []

    @miniagent
    async def judge(ctx: InteractionContext, *, model: str = "small", api_key: str = "") -> None:
        made.append(model)
        ctx.reply("fine")

    with Journal(path) as journal:
        async with MiniAgents():
            one = recorded(judge, journal, version="1")
            for agent, times in (
                (one, 1),
                (one.fork(api_key="another"), 1),  # a key is no part of what is asked
                (one.fork(model="large"), 2),
                (recorded(judge, journal, version="2"), 3),
                (recorded(judge, journal, version="1", name="OTHER"), 4),
            ):
                await agent.inquire("a")
                assert times == len(made)


async def test_another_function_is_refused(path: Path) -> None:
    """Another function under the same name and version is refused, with what to do."""

    def other() -> MiniAgent:
        @miniagent(alias="NOTING")
        async def different(ctx: InteractionContext) -> None:
            ctx.reply("other")

        return different

    with Journal(path) as journal:
        async with MiniAgents():
            await recorded(noting([]), journal, version="1").inquire("a")
            with pytest.raises(
                JournalError, match=r"NOTING of version '1' is .* with another name= or version="
            ):
                await recorded(other(), journal, version="1").inquire("a")


async def test_what_is_kept_of_questions(path: Path) -> None:
    """A question is kept as a hash, or as a text without what looks like a key."""
    kinds: tuple[Literal["hash", "text"], ...] = ("hash", "text")
    for keep in kinds:
        with Journal(path.with_suffix(f".{keep}"), keep=keep) as journal:
            async with MiniAgents():
                await recorded(noting([]), journal, version="1").inquire("secret: sk-abcdefgh12345 and words")
            (call,) = journal.calls()
            if keep == "hash":
                assert call.asked is None
            else:
                assert call.asked is not None
                assert ("and words" in call.asked, "sk-abc" in call.asked) == (True, False)


def test_private(path: Path) -> None:
    """A new file can be read by its owner only."""
    with Journal(path):
        assert 0o600 == stat.S_IMODE(path.stat().st_mode)


def test_wrong_files(tmp_path: Path) -> None:
    """What is no journal, is of a later version, or cannot be written, is refused with a sentence."""
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as connection:
        connection.execute("CREATE TABLE t (x)")
    connection.close()
    text = tmp_path / "text"
    text.write_text("no database, but a text that is long enough to be looked at" * 20)
    later = tmp_path / "later"
    Journal(later).close()
    with sqlite3.connect(later) as connection:
        connection.execute("PRAGMA user_version = 9")
    connection.close()
    for file, why in (
        (other, "database of another program"),
        (text, "not a SQLite database"),
        (later, "newer version"),
        (tmp_path / "none" / "x", "No such file"),
    ):
        with pytest.raises(JournalError, match=why):
            Journal(file)
    with pytest.raises(JournalError, match="is not a journal"):
        list(Journal.read_calls(other))


async def test_closed(path: Path) -> None:
    """A journal that is closed says so."""
    journal = Journal(path)
    journal.close()
    journal.close()
    async with MiniAgents():
        with pytest.raises(JournalError, match="it is closed"):
            await recorded(noting([]), journal, version="1").inquire("a")
    with pytest.raises(JournalError, match="make another one for each block"), journal:
        pass  # as an app that is started twice does


@pytest.mark.logs("cannot be read")
async def test_damaged_call(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A call that was changed by hand is not played: that is logged, and the call is made again."""
    with Journal(path) as journal:
        async with MiniAgents():
            await recorded(noting([]), journal, version="1").inquire("a")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE calls SET output = x'0102'")
    connection.close()
    with Journal(path) as journal:
        async with MiniAgents():
            assert "A" == str(await recorded(noting([]), journal, version="1").inquire("a"))
    assert "cannot be read" in caplog.text


async def test_prune(path: Path) -> None:
    """Calls are removed by age, by use and by size: first those that were not used for longest."""
    now = 1_000_000.0
    made: list[str] = []
    with Journal(path, clock=lambda: now) as journal:
        async with MiniAgents():
            agent = recorded(noting(made), journal, version="1")
            for each in "abc":
                await agent.inquire(each)
                now += 100
            await agent.inquire("a")  # it is used
            assert 1 == journal.prune(unused_for=150)  # "b"; "c" is 100 s old
            assert ["A", "C"] == sorted(call.text for call in journal.calls())
            assert 1 == journal.prune(older_than=250)
            assert ["C"] == [call.text for call in journal.calls()]
            now += 1
            await agent.inquire("d")
            size = [call.size for call in journal.calls()][-1]
            assert 1 == journal.prune(max_bytes=size)
            assert ["D"] == [call.text for call in journal.calls()]
            await agent.inquire("a")
    assert ["a", "b", "c", "d", "a"] == made


async def test_changed_source_is_warned_of(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A function whose source has changed under the same version is played, and warned of once."""
    with Journal(path) as journal:
        async with MiniAgents():
            await recorded(noting([]), journal, version="1").inquire("a")
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE functions SET source = 'another'")
    connection.close()
    for _ in range(2):
        with Journal(path) as journal:
            async with MiniAgents():
                assert "A" == str(await recorded(noting([]), journal, version="1").inquire("a"))
    assert 1 == caplog.text.count("The source of NOTING has changed")


_PROGRAM: Final = """
import asyncio, os, sys
from miniagents import MiniAgents, miniagent
from miniagents.ext.journal import Journal, recorded

out = os.open(sys.argv[3], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@miniagent(alias="WORK")
async def work(ctx):
    row = str(await ctx.messages)
    os.write(out, f"made {row}\\n".encode())
    await asyncio.sleep(0.002)
    ctx.reply(f"done {row}")

async def main(journal):
    agent = recorded(work, journal, version="1")
    rows = iter(range(int(sys.argv[2])))
    async def worker():
        for row in rows:
            answer = await agent.inquire(str(row))
            os.write(out, f"{answer}\\n".encode())
    await asyncio.gather(*[worker() for _ in range(8)])

with Journal(sys.argv[1]) as journal:
    MiniAgents().run(main(journal))
"""


@pytest.mark.gate("kills programs")
@pytest.mark.loop(timeout=30 + 3 * kills_wanted(6))
def test_kills(path: Path, tmp_path: Path) -> None:
    """However often a process is killed, no call that had ended is made again, and every answer is right."""
    seed, out, wanted = 7, tmp_path / "out", kills_wanted(6)
    rows = 60 * wanted
    kills = run_and_kill(_PROGRAM, str(path), str(rows), out=out, kills=wanted, within=0.12, seed=seed)
    made, done = Counter[str](), set[str]()
    for line in out.read_text().splitlines():
        what, row = line.split()
        if what == "made":
            assert row not in done, f"{row} was made again; seed {seed}"
            made[row] += 1
        else:
            done.add(row)
    assert {str(row) for row in range(rows)} == done
    repeated = sum(made.values()) - len(made)
    assert kills >= wanted // 2
    assert repeated <= 8 * kills, f"{kills} kills, {repeated} calls made again; seed {seed}"
    assert {f"done {row}" for row in done} == {call.text for call in Journal.read_calls(path)}


_FULL: Final = """
import asyncio, random, resource, signal, sys
from miniagents import MiniAgents, miniagent
from miniagents.ext.journal import Journal, JournalError, recorded

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

@miniagent(alias="WORK")
async def work(ctx):
    ctx.reply(random.randbytes(20_000).hex())

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

async def main(journal):
    agent = recorded(work, journal, version="1")
    for row in range(1000):
        try:
            await agent.inquire(str(row))
        except JournalError as error:
            print(error, file=sys.stderr)
            break
    else:
        sys.exit("nothing was refused")
    limit(resource.RLIM_INFINITY)  # there is room again
    await agent.inquire("again")
    print(row)

with Journal(sys.argv[1]) as journal:
    limit(500_000)
    MiniAgents().run(main(journal))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit for the size of files")
@pytest.mark.gate("starts programs")
def test_full_disk(path: Path) -> None:
    """A full disk is an error of the call that could not be kept; what was kept is whole, and it goes on."""
    ended = subprocess.run(  # noqa: S603 - a program of this test
        [sys.executable, "-c", _FULL, str(path)], capture_output=True, text=True, check=False, timeout=60
    )
    assert 0 == ended.returncode, ended.stderr
    rows = int(ended.stdout)
    assert f"The journal {path} cannot be written: " in ended.stderr
    assert rows > 2
    assert rows + 1 == len(list(Journal.read_calls(path)))
    with sqlite3.connect(path) as connection:
        assert ("ok",) == connection.execute("PRAGMA integrity_check").fetchone()
    connection.close()


async def test_a_clock_that_is_set_back(path: Path) -> None:
    """A clock that is set back loses no call, changes no order, and has nothing removed before its time."""
    now = 1_000_000.0
    made: list[str] = []
    with Journal(path, clock=lambda: now) as journal:
        async with MiniAgents():
            agent = recorded(noting(made), journal, version="1")
            await agent.inquire("a")
            now -= 500_000
            await agent.inquire("b")
            assert ["A", "B"] == [str(await agent.inquire(each)) for each in "ab"]
            assert 0 == journal.prune(older_than=10, unused_for=10)
            assert ["A", "B"] == [call.text for call in journal.calls()]
            now += 100
            assert 1 == journal.prune(older_than=10)
            assert ["A"] == [call.text for call in journal.calls()]
    assert ["a", "b"] == made
