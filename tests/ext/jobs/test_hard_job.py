"""A job of 3,000 rows that is killed, with a full disk, a row that hangs, and answers that are cut off.

Crosses modules: files, jobs and journals, in processes that end in every way.
"""

import json
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from random import Random
from typing import Final

import pytest

from tests.support.forked import open_program, run_program
from tests.support.kills import kills_wanted

ROWS: Final = 3000
AT_ONCE: Final = 32
GROUP: Final = 256  # rows that may have ended and are not on the disk when a process is killed
HANGS: Final = 1234

_PROGRAM: Final = f"""
import asyncio, os, random, sys
from decimal import Decimal
from miniagents import AssistantMessage, MiniAgents, Usage, miniagent
from miniagents.errors import JournalError
from miniagents.ext.jobs import map_file

folder = sys.argv[1]
out = os.open(f"{{folder}}/notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)

@miniagent(alias="WORK")
async def work(ctx):
    row = str(await ctx.messages)
    os.write(out, f"{{row}}\\n".encode())
    if row == "{HANGS}":
        await asyncio.Event().wait()
    await asyncio.sleep(random.uniform(0, 0.15))
    n = int(row)
    reason = "length" if n % 40 == 3 else "stop"
    text = "" if n % 40 == 5 else f"done {{row}}"
    ctx.reply(AssistantMessage(text, model="m", finish_reason=reason, usage=Usage(n, 1)))

async def main():
    os.write(out, b"begin\\n")
    result = await map_file(
        work, f"{{folder}}/in.jsonl", f"{{folder}}/out.jsonl", message=lambda row: str(row["n"]),
        concurrency={AT_ONCE}, timeout=1, retries=0, columns=["finish", "usage", "cost"],
        price=lambda usage, model, provider: Decimal(usage.output_tokens or 0),
    )
    return 3 if result.failed else 0

try:
    code = MiniAgents().run(main())
except (JournalError, OSError) as error:
    print(error, file=sys.stderr)
    code = 1
sys.exit(code)
"""


def full(limit: int) -> str:
    """The beginning of a program: no file may become larger than this, as on a full disk."""
    return f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))\n"


def check_out(folder: Path) -> None:
    """Every row stands in the file once, in order, with its own answer, or with its own error."""
    rows = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [*range(ROWS)] == [row["n"] for row in rows]
    failed = 0
    for row in rows:
        n = row["n"]
        wanted = (
            "AgentTimeoutError: WORK did not answer" if n == HANGS
            else "LLMTruncatedError: The answer was cut off (length)" if n % 40 == 3
            else "LLMError: The answer is empty" if n % 40 == 5
            else None
        )  # fmt: skip
        if wanted is None:
            assert (f"done {n}", None, "stop", 1.0) == (
                row["output"],
                row["error"],
                row["finish"],
                row["cost"],
            )
            assert n == row["usage"]["input_tokens"]
        else:
            failed += 1
            assert row["output"] is None
            assert str(row["error"]).startswith(wanted), row
    errors = [
        json.loads(line)["index"] for line in (folder / "out.jsonl.errors.jsonl").read_text().splitlines()
    ]
    assert failed == len(errors) == len(set(errors))


def made_again(notes: Path) -> list[int]:
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
@pytest.mark.loop(timeout=900)
def test_a_hard_job(tmp_path: Path) -> None:
    """Done-when 4: whatever happens, no row is lost, doubled or wrong, and none counts that was cut off."""
    wanted, killed, disk_full, seed = kills_wanted(6), 0, 0, 24
    random = Random(seed)  # noqa: S311 - when it is killed
    (tmp_path / "in.jsonl").write_text("".join(f'{{"n": {n}}}\n' for n in range(ROWS)))
    journal, notes = tmp_path / "out.jsonl.journal", tmp_path / "notes"
    while True:
        is_full = disk_full < 2 and killed >= wanted * (disk_full + 1) // 3
        files = [each for each in (journal, Path(f"{journal}-wal")) if each.exists()]
        size = max((each.stat().st_size for each in files), default=0)
        before = notes.stat().st_size if notes.exists() else 0
        program = f"{full(size + 60_000) if is_full else ''}{_PROGRAM}"
        with open_program(sys.executable, "-c", program, str(tmp_path), stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            while process.poll() is None and (not notes.exists() or notes.stat().st_size <= before + 6):
                time.sleep(0.005)  # for another process, which cannot be awaited
            if killed < wanted and not is_full:
                time.sleep(random.uniform(0, 2.5 / max(wanted, 1)))
                process.kill()
                killed += 1
            err = process.stderr.read()
            code = process.wait(60)
        if code == -signal.SIGKILL:
            assert not (tmp_path / "out.jsonl").exists()
        elif is_full and code == 1:
            disk_full += 1
            assert "cannot be written" in err or "File too large" in err, err
            assert not (tmp_path / "out.jsonl").exists()
        else:
            assert 3 == code, err
            break
    check_out(tmp_path)
    again = made_again(notes)
    sys.stdout.write(f"{killed} kills, {disk_full} full disks; calls made again after each: {again}\n")
    assert (wanted, 2) == (killed, disk_full)
    assert max(again) <= AT_ONCE + GROUP
    assert 3 == run_program(sys.executable, "-c", _PROGRAM, str(tmp_path)).returncode  # it is done
    assert ROWS <= sum(1 for line in notes.read_text().splitlines() if line != "begin")
    check_out(tmp_path)
