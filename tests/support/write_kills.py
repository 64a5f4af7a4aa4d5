"""Processes with a run of `Runs` that are killed before or after one of their writes to the journal."""

import asyncio
import json
import os
import signal
import sys
import textwrap
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import TypeAlias
from uuid import uuid4

from miniagents.ext.journal import Journal, PostgresJournal

from .forked import start_program

__all__ = ["AnyJournal", "Place", "kill_at_writes", "text_of"]

AnyJournal: TypeAlias = Journal | PostgresJournal
Place: TypeAlias = tuple[Mapping[str, object], int, bool]
"""What a program is told, at which of its writes it is killed, and whether after that."""

_BEGIN = """
import asyncio, json, os, signal, sys
from miniagents import AssistantMessage, MiniAgents, ToolCall, ToolMessage, model_agent, tool
from miniagents.ext.journal import Journal, PostgresJournal
from miniagents.ext.web import RequestError, Runs

class Writes:
    def __init__(self, at, after):
        self.number, self.at, self.after = 0, at, after

    def count(self, now_after):
        self.number += not now_after
        if self.number == self.at and now_after == self.after:
            os.kill(os.getpid(), signal.SIGKILL)

    def counted(self, write):
        async def counting(*args, **kwargs):
            self.count(False)
            done = await write(*args, **kwargs)
            self.count(True)
            return done
        return counting

async def begun(path, dsn, schema, at, after, **told):
    writes = Writes(at, after)
    journal = PostgresJournal(dsn, schema=schema) if dsn else Journal(path)
    for name in ("begin", "append", "end", "leave", "take", "send"):
        setattr(journal, name, writes.counted(getattr(journal, name)))
    async with journal, MiniAgents():
        await main(journal, path, writes.count, **told)
"""
_END = """
for line in sys.stdin:
    child = os.fork()  # before it has threads
    if not child:
        code = 1
        try:
            asyncio.run(begun(**json.loads(line)))
            code = 0
        finally:
            os._exit(code)
    print(os.waitpid(child, 0)[1], flush=True)
"""


def text_of(file: Path) -> str:
    """What a file has, if it is there."""
    return file.read_text() if file.exists() else ""


@asynccontextmanager
async def _processes(main: str) -> AsyncGenerator[asyncio.subprocess.Process]:
    """A program that makes processes, each of which runs a line of what it is sent."""
    program = await start_program(
        *(sys.executable, "-c", f"{_BEGIN}{textwrap.dedent(main)}{_END}"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        start_new_session=True,
    )
    try:
        yield program
    finally:
        os.killpg(program.pid, signal.SIGKILL)  # with the processes that it has made
        await program.wait()


async def kill_at_writes(
    main: str,
    places: Iterable[Place],
    wanted: int,
    *,
    folder: Path,
    dsn: str,
    beside: Callable[[AnyJournal, Path], AbstractAsyncContextManager[None]],
    check: Callable[[Path, Mapping[str, object], str], None],
) -> int:
    """Kill so many processes, each at another write; let the next one go on, and look what became of it.

    Args:
        main: the text of `async def main(journal, path, count, **told)`, which lets one run go on to its end.
        places: where they are killed.
        wanted: how many of them are to be killed.
        folder: of the journals, and of what the programs write beside these.
        dsn: of a Postgres server; `""` for SQLite.
        beside: what other processes do with the journal meanwhile.
        check: looks at what a program has left; it gets what the program was told, and where it was killed.

    Returns:
        How many were killed.
    """
    killed = 0
    async with _processes(main) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        for number, (told, at, after) in enumerate(places):
            if killed >= wanted:
                break
            path, schema = folder / f"{number}.journal", f"t{uuid4().hex}"
            codes: list[int] = []
            journal = PostgresJournal(dsn, schema=schema) if dsn else Journal(path)
            async with journal, beside(journal, path):
                for each in (at, 0):
                    place = {"path": str(path), "dsn": dsn, "schema": schema, "at": each, "after": after}
                    program.stdin.write(f"{json.dumps({**told, **place})}\n".encode())
                    codes.append(int(await program.stdout.readline()))
                    if not codes[0]:
                        break  # it has not so many writes
                (record,) = await journal.find()
            where = f"{told}: write {at}, after: {after} (number {number})"
            assert ([9, 0] if codes[0] else [0], "finished") == (codes, record.how), where
            killed += bool(codes[0])
            check(path, told, where)
    return killed
