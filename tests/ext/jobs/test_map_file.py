"""``map_file``: every row stands in the file once, in order, whatever has happened in between.

Crosses modules: files, jobs and journals, in processes that are killed.
"""

import asyncio
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, cast

import pytest
from pydantic import BaseModel

from miniagents import AssistantMessage, InteractionContext, Message, MiniAgent, MiniAgents, Usage, miniagent
from miniagents.errors import GuardError, LLMStatusError, MaxTurnsError, TypedAnswerError
from miniagents.ext.jobs import JobResult, RowsError, map_file, map_rows
from miniagents.ext.journal import JournalError
from miniagents.testing import scripted_model
from tests.support.forked import open_program, run_program
from tests.support.kills import kills_wanted, run_and_kill

IN_FLIGHT, GROUP = 16, 256
ROWS: Final = 1500

_PROGRAM: Final = """
import asyncio, os, random, sys
from miniagents import MiniAgents, miniagent
from miniagents.ext.jobs import map_file

folder, notes = sys.argv[1:]
out = os.open(notes, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@miniagent(alias="WORK")
async def work(ctx):
    row = str(await ctx.messages)
    os.write(out, f"{row}\\n".encode())
    await asyncio.sleep(random.uniform(0, 0.008))
    if int(row) % 50 == 7:
        raise ValueError(f"bad {row}")
    ctx.reply(f"done {row}")

async def main():
    os.write(out, b"begin\\n")
    result = await map_file(
        work, f"{folder}/in.jsonl", f"{folder}/out.jsonl", message=lambda row: str(row["n"]), concurrency=16
    )
    print(result.done, result.failed, result.repeated)

MiniAgents().run(main())
"""


def write_rows(folder: Path, count: int = ROWS, *, blob: str = "") -> Path:
    """A file of numbered rows."""
    path = folder / "in.jsonl"
    rows = ({"n": n, "blob": blob} if blob else {"n": n} for n in range(count))
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def check_out(folder: Path, count: int = ROWS) -> None:
    """Every row stands in the file once, in order, with its answer; the failed ones stand in theirs."""
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [*range(count)] == [row["n"] for row in rows]
    for row in rows:
        bad = row["n"] % 50 == 7
        assert (None if bad else f"done {row['n']}") == row["output"]
        assert (f"ValueError: bad {row['n']}" if bad else None) == row["error"]
    failed = [json.loads(line) for line in (folder / "out.jsonl.errors.jsonl").read_text().splitlines()]
    assert [n for n in range(count) if n % 50 == 7] == sorted(each["index"] for each in failed)
    left = {
        "in.jsonl",
        "out.jsonl",
        "out.jsonl.errors.jsonl",
        "out.jsonl.journal",
        "out.jsonl.journal-lock",
        "notes",
    }
    assert left >= {path.name for path in folder.iterdir()}


def repeated(notes: Path) -> list[int]:
    """For each process but the first one, how many calls it made that had been made before."""
    lives: list[list[str]] = []
    for line in notes.read_text().splitlines():
        if line == "begin":
            lives.append([])
        else:
            lives[-1].append(line)
    seen, again = Counter[str](), list[int]()
    for life in lives:
        again.append(sum(1 for row in life if row in seen))
        seen.update(life)
    assert {str(n) for n in range(ROWS)} == set(seen)
    return again[1:]


@pytest.mark.gate("kills programs")
@pytest.mark.loop(timeout=600)
def test_kill_9(tmp_path: Path) -> None:
    """Killed at any moment, a job goes on: each row stands in the file once, few calls are made again."""
    wanted, kills, seed = kills_wanted(6), 0, 11
    again: list[int] = []
    while kills < wanted:
        folder = tmp_path / str(seed)
        folder.mkdir()
        write_rows(folder)
        kills += run_and_kill(
            _PROGRAM, str(folder), out=folder / "notes", kills=wanted - kills, within=0.5, seed=seed
        )
        check_out(folder)
        again += repeated(folder / "notes")
        seed += 1
    sys.stdout.write(f"{kills} kills; calls made again after each: {sorted(again)}\n")
    assert max(again) <= IN_FLIGHT + GROUP, f"seeds 11 to {seed}: {again}"


@pytest.mark.gate("interrupts a program")
def test_ctrl_c(tmp_path: Path) -> None:
    """After Ctrl-C what had ended is kept: only what was under way is asked again."""
    write_rows(tmp_path)
    notes = tmp_path / "notes"
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path), str(notes)]
    with open_program(*command, stderr=subprocess.DEVNULL) as process:
        while not (notes.exists() and notes.stat().st_size > 1000):
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        assert 0 != process.wait(20)
    assert not (tmp_path / "out.jsonl").exists()
    done = run_program(*command)
    assert 0 == done.returncode
    check_out(tmp_path)
    (again,) = repeated(notes)
    # The job also counts a row that had begun, and whose agent had not come to its first line.
    counted = int(done.stdout.split()[2])
    assert again <= counted <= 2 * IN_FLIGHT  # and what ended in the same turn of the loop


@pytest.mark.gate("runs programs whose disk is full")
@pytest.mark.parametrize("blob", [0, 12_000])
def test_full_disk(tmp_path: Path, blob: int) -> None:
    """A full disk ends a job with a sentence and without half a file; with more space it goes on."""
    write_rows(tmp_path, blob="x" * blob)
    notes = tmp_path / "notes"
    limit = 17_000_000 if blob else 100_000  # the file does not fit, or not even the journal
    full = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"
    first = run_program(sys.executable, "-c", full + _PROGRAM, str(tmp_path), str(notes))
    assert 1 == first.returncode
    assert re.search("JournalError|File too large", first.stderr.splitlines()[-1])
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "out.jsonl.part").exists()
    assert 0 == run_program(sys.executable, "-c", _PROGRAM, str(tmp_path), str(notes)).returncode
    check_out(tmp_path)
    (again,) = repeated(notes)
    assert again <= (0 if blob else IN_FLIGHT + GROUP)


@pytest.mark.gate("starts two programs")
def test_two_processes(tmp_path: Path) -> None:
    """A second process for the same file is refused with the number of the first, which goes on."""
    write_rows(tmp_path)
    notes = tmp_path / "notes"
    command = [sys.executable, "-c", _PROGRAM, str(tmp_path)]
    with open_program(*command, str(notes)) as first:
        while not (notes.exists() and notes.stat().st_size > 100):
            time.sleep(0.005)
        first.send_signal(signal.SIGSTOP)
        second = run_program(*command, os.devnull)
        first.send_signal(signal.SIGCONT)
        assert 0 == first.wait(30)
    assert 1 == second.returncode
    assert f"process {first.pid} uses it" in second.stderr
    check_out(tmp_path)


# -- in one process ------------------------------------------------------------------------------------


def noting(asked: list[int], also: Callable[[int], object] = int) -> MiniAgent:
    """The agent of the program, which notes what it is asked."""

    @miniagent(alias="WORK")
    async def work(ctx: InteractionContext) -> None:
        row = int(str(await ctx.messages))
        asked.append(row)
        also(row)
        if row % 50 == 7:
            raise ValueError(f"bad {row}")
        ctx.reply(f"done {row}")

    return work


async def run(folder: Path, agent: MiniAgent, version: str = "1", **more: bool) -> JobResult:
    """Run the job of the program."""
    async with MiniAgents():
        return await map_file(
            agent,
            folder / "in.jsonl",
            folder / "out.jsonl",
            message=lambda row: str(row["n"]),
            version=version,
            **more,  # type: ignore[arg-type]
        )


async def test_a_job_that_is_done(tmp_path: Path) -> None:
    """J8: a job whose file is complete says so; if the file is lost or edited, it is written again."""
    asked: list[int] = []
    write_rows(tmp_path, 100)
    out = tmp_path / "out.jsonl"
    result = await run(tmp_path, noting(asked))
    assert (100, 98, 2, 0, True, None) == (
        result.rows,
        result.done,
        result.failed,
        result.cached,
        result.finished,
        result.stopped,
    )
    check_out(tmp_path, 100)
    at = out.stat().st_mtime_ns
    result = await run(tmp_path, noting(asked))
    assert (100, 98, 2, 100, True) == (
        result.rows,
        result.done,
        result.failed,
        result.cached,
        result.finished,
    )
    assert at == out.stat().st_mtime_ns
    for edited in (False, True):
        out.unlink()
        if edited:
            out.write_text("edited")
        result = await run(tmp_path, noting(asked))
        assert (100, True) == (result.cached, result.finished)
        check_out(tmp_path, 100)
    assert 100 == len(asked)


async def test_changes_between_runs(tmp_path: Path) -> None:
    """Another version asks all again, another row one, `retry_failed` what failed; a changed file is said."""
    asked: list[int] = []
    path = write_rows(tmp_path, 100)
    await run(tmp_path, noting(asked))
    options: list[dict[str, bool]] = [{}, {"refresh": True}, {"retry_failed": True}]
    for version, more, times in zip("211", options, (100, 100, 2), strict=True):
        asked.clear()
        result = await run(tmp_path, noting(asked), version, **more)
        assert (times, False) == (len(asked), result.changed)
        check_out(tmp_path, 100)
    path.write_text('{"n": 1000}\n' + path.read_text())
    asked.clear()
    result = await run(tmp_path, noting(asked))
    assert ([1000], True, 100) == (asked, result.changed, result.cached)


async def test_another_message_is_another_question(tmp_path: Path) -> None:
    """A job that is done is not taken for one with another prompt."""
    write_rows(tmp_path, 3)
    outs: list[str] = []
    async with MiniAgents():
        for prompt in ("Judge {n}.", "Rate {n}.", "Judge {n}."):
            await map_file(
                scripted_model(then=lambda messages: f"to {messages}"),
                tmp_path / "in.jsonl",
                tmp_path / "out.jsonl",
                message=lambda row, prompt=prompt: prompt.format(**row),  # type: ignore[misc]
            )
            outs.append(json.loads((tmp_path / "out.jsonl").read_text().splitlines()[1])["output"])
    assert ["to Judge 1.", "to Rate 1.", "to Judge 1."] == outs


async def test_another_message_of_some_rows(tmp_path: Path) -> None:
    """If ``message=`` makes another message of some rows only, these are sent, also if the job was done."""
    source, asked = write_rows(tmp_path, 200), list[str]()

    @miniagent
    async def note(ctx: InteractionContext) -> None:
        asked.append(str(await ctx.messages))
        ctx.reply(asked[-1])

    for how, count in (("", 200), (" with care", 5), (" with care", 0)):
        asked.clear()
        async with MiniAgents():
            await map_file(
                note,
                source,
                tmp_path / "out.jsonl",
                message=lambda row, how=how: f"{row['n']}{how if row['n'] >= 195 else ''}",  # type: ignore[misc]
            )
        assert count == len(asked)
        last = json.loads((tmp_path / "out.jsonl").read_text().splitlines()[-1])
        assert f"199{how}" == last["output"]


async def test_a_file_that_changes_while_the_job_runs(tmp_path: Path) -> None:
    """If the input changes while the job runs, that is said, and no file is written; then it goes on."""
    asked: list[int] = []
    path = write_rows(tmp_path, 300)

    def change(row: int) -> None:
        if row == 150:
            new = tmp_path / "new"
            new.write_text(path.read_text().replace('{"n": 10}', '{"n": 1010}'))
            new.replace(path)

    with pytest.raises(JournalError, match="changed while the job ran"):
        await run(tmp_path, noting(asked, change))
    assert not (tmp_path / "out.jsonl").exists()
    assert not (tmp_path / "out.jsonl.part").exists()
    asked.clear()
    result = await run(tmp_path, noting(asked))
    assert ([1010], 300) == (asked, result.rows)


async def test_budget(tmp_path: Path) -> None:
    """A job whose money is spent says so, and writes no file; with more it goes on, and counts all of it."""
    write_rows(tmp_path, 20)
    made = [0]

    def answer(_: object) -> AssistantMessage:
        made[0] += 1
        return AssistantMessage("fine", model="m", usage=Usage(1, 0))

    async with MiniAgents():
        for budget, done, stopped in (("0.05", 5, "budget"), ("0.12", 12, "budget"), ("1", 20, None)):
            result = await map_file(
                scripted_model(then=answer),
                tmp_path / "in.jsonl",
                tmp_path / "out.jsonl",
                message=lambda row: str(row["n"]),
                budget=budget,
                price=lambda usage, model, provider: Decimal("0.01") * (usage.input_tokens or 0),
            )
            assert (done, stopped, done) == (result.done, result.stopped, made[0])
            assert Decimal("0.01") * done == result.cost
            assert (stopped is None) == (tmp_path / "out.jsonl").exists()


async def test_what_stands_in_the_file(tmp_path: Path) -> None:
    """An answer is its text, or an object of its fields; the columns can be named."""

    class Mood(Message):
        """An answer of data."""

        mood: str
        words: tuple[str, ...] = ()

    @miniagent
    async def judge(ctx: InteractionContext[Message, Mood]) -> None:
        ctx.reply(Mood(mood="good", words=("a", "b")))

    write_rows(tmp_path, 1)
    agents: list[tuple[MiniAgent, object]] = [
        (scripted_model("fine"), "fine"),
        (judge, {"mood": "good", "words": ["a", "b"]}),
        (scripted_model('{"name": "Oslo"}').as_type(City), {"name": "Oslo"}),
        (scripted_model('{"name": "Oslo"}').as_type(City).retry(), {"name": "Oslo"}),
    ]
    async with MiniAgents():
        for at, (agent, expected) in enumerate(agents):
            out = tmp_path / f"{at}.jsonl"
            await map_file(
                agent,
                tmp_path / "in.jsonl",
                out,
                message=lambda row: str(row["n"]),
                output_column="mood",
                error_column="why",
            )
            assert {"n": 0, "mood": expected, "why": None} == json.loads(out.read_text())


class OwnError(Exception):
    """An error of a user."""


class City(BaseModel):
    """A typed answer."""

    name: str


FAILURES: tuple[Exception, ...] = (
    ValueError("wrong"),
    KeyError("name"),
    KeyError(object),
    OwnError("mine"),
    TypedAnswerError("the answer is no City", partial_text="Os"),
    MaxTurnsError("still calls tools"),
    LLMStatusError("no such model", status=404),
    GuardError("too long"),
    ExceptionGroup("two", [ValueError("one"), OwnError("two")]),
)


async def test_errors_of_earlier_runs(tmp_path: Path) -> None:
    """The error of a row has one class and text: in OUT, in the errors file, and in a later run."""
    write_rows(tmp_path, len(FAILURES) + 1)

    @miniagent
    async def fail(ctx: InteractionContext) -> None:
        number = int(str(await ctx.messages))
        if number < len(FAILURES):
            raise FAILURES[number]
        City.model_validate({"name": 1})

    errors: list[list[dict[str, object]]] = []
    async with MiniAgents():
        for out in ("out.jsonl", "again.jsonl"):
            await map_file(
                fail,
                tmp_path / "in.jsonl",
                tmp_path / out,
                message=lambda row: str(row["n"]),
                journal=tmp_path / "journal",
                errors=tmp_path / "errors.jsonl",
            )
            lines = (tmp_path / "errors.jsonl").read_text().splitlines()
            errors.append(sorted((json.loads(line) for line in lines), key=lambda line: str(line["index"])))
            said = [json.loads(line)["error"] for line in (tmp_path / out).read_text().splitlines()]
            found = [cast("dict[str, str]", line["error"]) for line in errors[-1]]
            assert [f"{error['type']}: {error['text']}" for error in found] == said
        job = map_rows(fail, range(len(FAILURES)), message=str, journal=tmp_path / "journal")
        rows = [row async for row in job]
    assert errors[0] == errors[1]
    kinds = [type(each).__name__ for each in FAILURES]
    assert [*kinds, "ValidationError"] == [
        cast("dict[str, str]", line["error"])["type"] for line in errors[0]
    ]
    assert kinds == [type(row.error).__name__ for row in rows]
    assert [True] * len(rows) == [row.cached for row in rows]
    assert isinstance(rows[4].error, TypedAnswerError)
    assert isinstance(rows[1].error, KeyError)
    copied: object = pickle.loads(pickle.dumps(rows[3].error))  # noqa: S301 - our own bytes
    assert ("OwnError", "mine") == (type(copied).__name__, str(copied))


async def test_wrong_files(tmp_path: Path) -> None:
    """A wrong file, column or ending is one clear error, before anything is asked or written."""
    asked: list[int] = []
    path = write_rows(tmp_path, 2)
    async with MiniAgents():
        with pytest.raises(RowsError, match=r".csv files are not written"):
            await map_file(noting(asked), path, tmp_path / "out.csv")
        with pytest.raises(ValueError, match=r"already has a column 'n'"):
            await map_file(noting(asked), path, tmp_path / "out.jsonl", output_column="n")
        with pytest.raises(JournalError, match=r"cannot write .* No such file"):
            await map_file(noting(asked), path, tmp_path / "no folder" / "out.jsonl")
        path.write_text(path.read_text() + "{no json\n")
        with pytest.raises(RowsError, match=r"in.jsonl, line 3: this is not JSON"):
            await map_file(noting(asked), path, tmp_path / "out.jsonl")
    assert [] == asked
    assert not (tmp_path / "out.jsonl").exists()


async def test_a_file_is_used_once(tmp_path: Path) -> None:
    """The files of rows, answers, errors and the journal are four: none replaces another."""
    path = write_rows(tmp_path, 2)
    before, out = path.read_bytes(), tmp_path / "out.jsonl"
    refused = r"map_file\(errors='.*in\.jsonl'\): it is also the file of source=; name another\."
    async with MiniAgents():
        with pytest.raises(ValueError, match=refused):
            await map_file(noting([]), path, out, errors=path)
        with pytest.raises(ValueError, match=r"map_file\(out=.* file of source="):
            await map_file(noting([]), path, path)
        with pytest.raises(ValueError, match=r"map_file\(journal=.* file of out="):
            await map_file(noting([]), path, out, journal=tmp_path / "." / "out.jsonl")
    assert before == path.read_bytes()
    assert not out.exists()


# -- a stream ------------------------------------------------------------------------------------------


def piped() -> tuple[BinaryIO, BinaryIO]:
    """The two ends of a pipe."""
    reading, writing = os.pipe()
    return open(reading, "rb"), open(writing, "wb")  # noqa: PTH123 - descriptors


async def test_a_row_is_written_while_later_rows_wait(tmp_path: Path) -> None:
    """In a stream, a row comes as soon as it and all rows before it have ended, with or without a journal."""
    path = write_rows(tmp_path, 4)
    for journal in (None, tmp_path / "journal"):
        last, third = asyncio.Event(), asyncio.Event()

        @miniagent
        async def work(
            ctx: InteractionContext, last: asyncio.Event = last, third: asyncio.Event = third
        ) -> None:
            number = int(str(await ctx.messages))
            if number == 2:
                await third.wait()
            elif number == 3:
                last.set()
            ctx.reply(f"done {number}")

        reader, out = piped()
        with reader, out:
            async with MiniAgents():
                job = asyncio.create_task(
                    map_file(work, path, out, message=lambda row: str(row["n"]), journal=journal)
                )
                early = [json.loads(await asyncio.to_thread(reader.readline)) for _ in range(2)]
                await last.wait()
                assert not job.done()
                third.set()
                result = await job
            out.close()
            rows = [*early, *map(json.loads, reader)]
        assert [{"n": n, "output": f"done {n}", "error": None} for n in range(4)] == rows
        assert (4, True, None) == (result.done, result.finished, result.stopped)


async def test_a_reader_that_is_slow(tmp_path: Path) -> None:
    """A job goes on while the reader of its stream reads nothing, and all rows come when it reads."""
    path = write_rows(tmp_path, 100)
    asked: list[int] = []
    all_asked = asyncio.Event()

    @miniagent
    async def work(ctx: InteractionContext) -> None:
        asked.append(int(str(await ctx.messages)))
        if len(asked) == 100:
            all_asked.set()
        ctx.reply("x" * 5_000)  # the pipe has no room for a fifth of the rows

    reader, out = piped()
    with reader, out:
        async with MiniAgents():
            job = asyncio.create_task(map_file(work, path, out, message=lambda row: str(row["n"])))
            await all_asked.wait()
            rows = [json.loads(await asyncio.to_thread(reader.readline)) for _ in range(100)]
            await job
    assert [*range(100)] == [row["n"] for row in rows]
    assert {5_000} == {len(row["output"]) for row in rows}


async def test_a_reader_that_leaves(tmp_path: Path) -> None:
    """If the reader of a stream leaves, the job stops, and a journal has every row that had ended."""
    path = write_rows(tmp_path, 1000)
    asked: list[int] = []
    reader, out = piped()

    def leave(row: int) -> None:
        if row == 500:
            reader.close()

    async with MiniAgents():
        with pytest.raises(BrokenPipeError):
            await map_file(
                noting(asked, leave),
                path,
                out,
                message=lambda row: str(row["n"]),
                concurrency=4,
                journal=tmp_path / "journal",
            )
        with suppress(BrokenPipeError):  # if a row was not written any more
            out.close()
        assert 500 < len(asked) < 1000
        stopped = len(asked)
        result = await map_file(
            noting(asked),
            path,
            tmp_path / "out.jsonl",
            message=lambda row: str(row["n"]),
            journal=tmp_path / "journal",
        )
    assert stopped - 4 <= result.cached <= stopped
    lines = (tmp_path / "out.jsonl").read_text().splitlines()
    assert [*range(1000)] == [json.loads(line)["n"] for line in lines]


async def test_a_reader_that_leaves_while_rows_are_slow(tmp_path: Path) -> None:
    """A job stops its calls as soon as the reader of its stream leaves, without a next row; none begins."""
    path = write_rows(tmp_path, 100)
    asked: list[int] = []
    stopped: list[int] = []
    all_wait = asyncio.Event()

    @miniagent
    async def slow(ctx: InteractionContext) -> None:
        row = int(str(await ctx.messages))
        asked.append(row)
        if row:
            if len(asked) == 5:
                all_wait.set()
            try:
                await asyncio.Event().wait()
            finally:
                stopped.append(row)
        ctx.reply("done")

    reader, out = piped()
    with reader, out:
        async with asyncio.timeout(10), MiniAgents():
            job = asyncio.create_task(
                map_file(slow, path, out, message=lambda row: str(row["n"]), concurrency=4)
            )
            assert "done" == json.loads(await asyncio.to_thread(reader.readline))["output"]
            await all_wait.wait()
            reader.close()
            (error,) = await asyncio.gather(job, return_exceptions=True)
    assert isinstance(error, BrokenPipeError)
    assert ([0, 1, 2, 3, 4], [1, 2, 3, 4]) == (sorted(asked), sorted(stopped))


async def test_a_stream_of_a_job_that_stops(tmp_path: Path) -> None:
    """If a job stops, its stream has the rows that had ended, up to the first one that was not sent."""
    path = write_rows(tmp_path, 20)
    out = BytesIO()
    async with MiniAgents():
        result = await map_file(
            scripted_model(then=lambda _: AssistantMessage("fine", model="m", usage=Usage(1, 0))),
            path,
            out,
            message=lambda row: str(row["n"]),
            budget="0.05",
            price=lambda usage, model, provider: Decimal("0.01") * (usage.input_tokens or 0),
        )
    assert ("budget", 5, False) == (result.stopped, result.done, result.finished)
    assert [*range(5)] == [json.loads(line)["n"] for line in out.getvalue().splitlines()]


@pytest.mark.logs("which it does not declare")
async def test_answers_of_classes_that_are_not_declared(tmp_path: Path) -> None:
    """The file of the first run has the answers of undeclared classes as the file of a later run has them."""
    path = write_rows(tmp_path, 2)
    model = scripted_model(then='{"name": "Oslo"}').as_type(City)

    @miniagent
    async def judge(ctx: InteractionContext) -> None:
        ctx.reply(model.inquire(ctx.messages))

    async with MiniAgents():
        for out in ("out.jsonl", "again.jsonl"):
            journal = tmp_path / "journal"
            await map_file(judge, path, tmp_path / out, message=lambda row: str(row["n"]), journal=journal)
    assert (tmp_path / "out.jsonl").read_text() == (tmp_path / "again.jsonl").read_text()


async def test_cancelled(tmp_path: Path) -> None:
    """Cancelled, a job keeps what has ended, leaves no half a file, and goes on the next time."""
    asked: list[int] = []
    write_rows(tmp_path, 100)
    ended = asyncio.Event()

    def stop(row: int) -> None:
        if row == 99:
            ended.set()

    task = asyncio.create_task(run(tmp_path, noting(asked, stop)))
    await ended.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not (tmp_path / "out.jsonl").exists()
    result = await run(tmp_path, noting(asked))
    check_out(tmp_path, 100)
    assert 100 - result.cached == len(asked) - 100 == result.repeated
