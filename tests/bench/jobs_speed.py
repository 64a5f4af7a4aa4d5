"""How many rows a second a job does (S12), and what a large one takes: ``python -m tests.bench.jobs_speed``.

``--rows 1000000`` is the large one, some minutes: what it adds to the memory of a process that has pyarrow,
how soon it is recognised when it is done, and how fast rows are looked up when the file has changed.
It fails if it adds more than 100 MB, or is recognised after more than 2 s.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from miniagents import InteractionContext, MiniAgents, Usage, miniagent
from miniagents.ext.jobs import JobResult, Limits, Progress, map_file

__all__ = ["main"]

_MB = 1 << 20
_MOST_MB, _MOST_SECONDS = 100, 2


@miniagent
async def judge(ctx: InteractionContext) -> None:
    """Reply as a model does that is infinitely fast."""
    ctx.reply("positive")


def free(usage: Usage, model: str, provider: str | None) -> Decimal | None:
    """The price of nothing."""
    assert usage == Usage(), (model, provider)
    return Decimal()


def write_rows(path: Path, count: int) -> None:
    """Reviews of a line each."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            text = f"Review number {number}, which says something about a product."
            file.write(json.dumps({"id": number, "text": text}) + "\n")


def job(folder: Path) -> JobResult:
    """One run, with everything on: journal, limits, budget, progress."""
    told: list[Progress] = []

    async def work() -> JobResult:
        return await map_file(
            judge,
            folder / "in.jsonl",
            folder / "out.jsonl",
            message=lambda row: str(row["text"]),
            limits=Limits(rpm=10_000_000, tpm=1_000_000_000),
            budget=Decimal(1000),
            price=free,
            progress=told.append,
        )

    return MiniAgents().run(work())


def timed(work: Callable[[], JobResult]) -> tuple[JobResult, float, float]:
    """What it returns, the seconds that it took, and those of a processor."""
    began, used = time.perf_counter(), time.process_time()
    result = work()
    return result, time.perf_counter() - began, time.process_time() - used


def resident() -> float:
    """The memory of this process, in MB."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / _MB


def say(text: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def small(rows: int, rounds: int) -> None:
    """How many rows a second."""
    for _ in range(rounds):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            write_rows(folder / "in.jsonl", rows)
            result, seconds, used = timed(lambda: job(folder))  # noqa: B023 - called at once
            assert rows == result.done
        say(f"{rows:,} rows: {rows / seconds:,.0f} a second, {rows / used:,.0f} a second of a processor")


def large(rows: int) -> None:
    """What a large job takes."""
    import_module("pyarrow")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "in.jsonl"
        write_rows(path, 1000)
        job(folder)  # whatever is imported at the first use is there
        for each in folder.glob("out.*"):
            each.unlink()
        write_rows(path, rows)
        before = resident()
        result, seconds, used = timed(lambda: job(folder))
        assert rows == result.done
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        say(f"{rows:,} rows: {rows / seconds:,.0f} a second, {rows / used:,.0f} a second of a processor")
        say(f"{peak - before:.0f} MB were added to {before:.0f} MB")
        assert peak - before <= _MOST_MB
        say(f"the journal has {(folder / 'out.jsonl.journal').stat().st_size / rows:.0f} bytes a row")
        result, seconds, _ = timed(lambda: job(folder))
        assert result.finished
        say(f"the job is recognised as done in {seconds:.2f} s")
        assert seconds <= _MOST_SECONDS
        with path.open("a", encoding="utf-8") as file:
            file.write('{"id": -1, "text": "One more."}\n')
        result, seconds, _ = timed(lambda: job(folder))
        assert (rows, rows + 1) == (result.cached, result.done)
        say(f"one row more: {seconds:.1f} s, {rows / seconds:,.0f} rows a second looked up and written again")


def main() -> None:
    """Measure, and print it."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.jobs_speed", description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000, help="more than 100,000: the large job")
    parser.add_argument("--rounds", type=int, default=5, help="of the small one")
    wanted = parser.parse_args()
    if wanted.rows > 100_000:
        large(wanted.rows)
    else:
        small(wanted.rows, wanted.rounds)


if __name__ == "__main__":
    main()
