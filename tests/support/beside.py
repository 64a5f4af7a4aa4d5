"""Programs that run beside the tests: begun when the tests begin, waited for where a test wants their word.

The tests of one run need one processor. What takes long and is a program of its own anyway (a type checker,
tests in another order) uses the others meanwhile, and gives way to the tests wherever there are no others.

    CHECKER = Job("mypy", lambda folder: ["mypy", f"--cache-dir={folder}", "miniagents"])

    @pytest.mark.beside(CHECKER)
    def test_it(beside: Beside) -> None:
        assert beside.done(CHECKER).code == 0

Only the jobs of tests that were chosen are begun, in the order of these tests. This module is also what runs
them: a process that reads what to run, and says the name of each one that has ended.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pytest

__all__ = ["Beside", "Done", "Job", "jobs_of"]

ROOT: Final = Path(__file__).parents[2]
_AT_ONCE: Final = 2
_NICE: Final = 10  # who is as nice as this gets a tenth of a processor that somebody else wants, too
_CODE, _OUT, _ERR = "code", "out", "err"


@dataclass(frozen=True, slots=True)
class Job:
    """A program.

    Attributes:
        name: of its own.
        command: the module of Python and its arguments, given a folder that all jobs share.
        environment: what it sees beyond what everybody does.
        after: begins when that one has ended.
    """

    name: str
    command: Callable[[Path], Sequence[str]] = field(compare=False)
    environment: Mapping[str, str] = field(default_factory=dict[str, str], compare=False)
    after: "Job | None" = None


@dataclass(frozen=True, slots=True)
class Done:
    """How a program ended: its exit code, and what it said."""

    code: int
    out: str
    err: str


def jobs_of(items: Iterable[pytest.Item]) -> list[Job]:
    """The jobs that some tests wait for, and those that these wait for, each once and in order."""
    found: dict[str, Job] = {}

    def add(job: Job) -> None:
        if job.after is not None:
            add(job.after)
        found.setdefault(job.name, job)

    for item in items:
        for marker in item.iter_markers("beside"):
            for job in marker.args:
                add(job)
    return list(found.values())


class Beside:
    """The jobs of a run of the tests, at work from now on.

    Args:
        jobs: in the order in which they begin.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="beside-"))
        plan = [
            {
                "name": job.name,
                "command": [sys.executable, "-m", *job.command(self._folder)],
                "environment": dict(job.environment),
                "after": None if job.after is None else job.after.name,
            }
            for job in jobs
        ]
        self._ended: set[str] = set()
        # Its input is a pipe from here: it ends, with all that it runs, when that does.
        self._process = subprocess.Popen(  # noqa: S603 - our own words
            [sys.executable, "-m", __name__, json.dumps(plan), str(self._folder)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def done(self, job: Job) -> Done:
        """Wait for the end of a job.

        Raises:
            RuntimeError: nobody runs it.
        """
        while job.name not in self._ended:
            line = self._process.stdout.readline() if self._process.stdout is not None else ""
            if not line:
                raise RuntimeError(
                    f"Nobody runs {job.name!r}; name it in a @pytest.mark.beside of this test."
                )
            self._ended.add(line.rstrip("\n"))
        code, out, err = (_said(self._folder, job.name, what) for what in (_CODE, _OUT, _ERR))
        return Done(int(code), out, err)

    def stop(self) -> None:
        """Stop what is still at work, and forget what was said."""
        self._process.communicate()
        shutil.rmtree(self._folder, ignore_errors=True)


def _file(folder: Path, name: str, what: str) -> Path:
    return folder / f"{name.replace('/', '-')}.{what}"


def _said(folder: Path, name: str, what: str) -> str:
    return _file(folder, name, what).read_text(encoding="utf-8")


# -- the process that runs them ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Planned:
    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    after: str | None


async def _run_all(plan: Sequence[_Planned], folder: Path) -> None:
    free = asyncio.Semaphore(_AT_ONCE)
    ended = {job.name: asyncio.Event() for job in plan}
    async with asyncio.TaskGroup() as group:
        for job in plan:
            group.create_task(_run(job, folder, free, ended))


async def _run(
    job: _Planned, folder: Path, free: asyncio.Semaphore, ended: Mapping[str, asyncio.Event]
) -> None:
    if job.after is not None:
        await ended[job.after].wait()
    async with free:
        with _file(folder, job.name, _OUT).open("wb") as out, _file(folder, job.name, _ERR).open("wb") as err:
            process = await asyncio.create_subprocess_exec(
                *job.command,
                start_new_session=True,  # what it starts in turn ends with it
                env={**os.environ, **job.environment},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            try:
                code = await process.wait()
            except asyncio.CancelledError:
                _kill(process.pid)
                await process.wait()
                raise
    _file(folder, job.name, _CODE).write_text(str(code), encoding="utf-8")
    ended[job.name].set()
    sys.stdout.write(f"{job.name}\n")
    sys.stdout.flush()


def _kill(leader: int) -> None:
    if hasattr(os, "killpg"):
        os.killpg(leader, signal.SIGKILL)
    else:
        os.kill(leader, signal.SIGTERM)


async def _until_left(running: "asyncio.Task[None]") -> None:
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()
    running.cancel()


async def _main(plan: Sequence[_Planned], folder: Path) -> None:
    running = asyncio.create_task(_run_all(plan, folder))
    watching = asyncio.create_task(_until_left(running))
    await asyncio.wait([running])
    watching.cancel()


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(_NICE)
    # Not in debug mode, whatever the environment says: to start a program takes longer than a step should.
    asyncio.run(_main([_Planned(**each) for each in json.loads(sys.argv[1])], Path(sys.argv[2])), debug=False)
