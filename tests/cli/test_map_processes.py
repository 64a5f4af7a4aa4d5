"""Crosses modules: `miniagents map` as a process, on pipes and at a terminal."""

import asyncio
import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TextIO

import pytest

from miniagents.cli import main
from tests.cli.processes import at_terminal, environment, imported_by, on_pipe
from tests.support.amounts import amount
from tests.support.forked import start_program
from tests.support.sse_server import answer, serve, sse
from tests.support.wires import CHAT

pytestmark = pytest.mark.gate("starts programs")

CTRL_C = "\x03"
SLOW = '''
"""An agent that takes its time, and notes what it was asked."""

import asyncio

from miniagents import miniagent


@miniagent
async def slow(ctx) -> None:
    """Say it loudly, after a while."""
    text = str(await ctx.messages)
    with open("asked.txt", "a") as file:
        file.write(f"{text}\\n")
    await asyncio.sleep(0.05)
    ctx.reply(text.upper())
'''
WAITING = '''
"""An agent that waits with its second row for a file."""

import asyncio
from pathlib import Path

from miniagents import miniagent


@miniagent
async def wait(ctx) -> None:
    """Say it loudly."""
    text = str(await ctx.messages)
    while text == "row 1" and not Path("go").exists():
        await asyncio.sleep(0.01)
    ctx.reply(text.upper())
'''
ROWS = "".join(f'{{"text": "row {at}"}}\n' for at in range(120))

PRINTING = """
from miniagents import miniagent

@miniagent
async def prints(ctx) -> None:
    (message,) = await ctx.messages
    print("looks at", message, flush=True)
    ctx.reply(str(message).upper())
"""


def rows_of(text: str) -> list[dict[str, object]]:
    """Lines of JSON."""
    return [json.loads(line) for line in text.splitlines()]


async def test_pipes(tmp_path: Path) -> None:
    """Rows come in on a pipe, and go out on one; all else is on stderr, and no file is left."""
    words = ("eliza", "-", "-o", "-", "--text-column", "text")
    done = await on_pipe(tmp_path, ROWS, *words, command="map", anew=True)  # as users start it
    assert done.code == 0
    rows = rows_of(done.out)
    assert [row["text"] for row in rows] == [f"row {at}" for at in range(120)]
    assert done.err.startswith("miniagents: 120 rows written: 120 answered; ")
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - it is done


async def test_what_an_agent_prints(tmp_path: Path) -> None:
    """If the rows go out on a pipe, what an agent prints goes to stderr."""
    (tmp_path / "printing_agents.py").write_text(PRINTING)
    words = ("printing_agents:prints", "-", "-o", "-", "--text-column", "text")
    done = await on_pipe(tmp_path, ROWS, *words, command="map")
    assert [f"ROW {at}" for at in range(120)] == [row["output"] for row in rows_of(done.out)]
    assert 120 == done.err.count("looks at row ")


async def test_rows_come_while_later_ones_wait(tmp_path: Path) -> None:
    """On a pipe, a row comes as soon as it and all rows before it have ended."""
    (tmp_path / "waiting_agents.py").write_text(WAITING)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    command = [sys.executable, "-m", "miniagents", "map", "waiting_agents:wait", "rows.jsonl", "-o", "-"]
    process = await start_program(
        *(*command, "--text-column", "text"), imported=imported_by("map"),
        cwd=tmp_path, env=environment(), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    assert process.stdout is not None
    first = rows_of((await process.stdout.readline()).decode())
    (tmp_path / "go").touch()
    rest = rows_of((await process.stdout.read()).decode())
    assert [f"ROW {at}" for at in range(120)] == [row["output"] for row in first + rest]
    assert 0 == await process.wait()


async def test_a_reader_that_leaves(tmp_path: Path) -> None:
    """A reader who has enough, such as head, ends the job at once and without an error."""
    (tmp_path / "slow_agents.py").write_text(SLOW)
    (tmp_path / "rows.jsonl").write_text(ROWS * 10)
    words = "map slow_agents:slow rows.jsonl -o - --text-column text --concurrency 4"
    command = f"{sys.executable} -m miniagents {words} | head -1"
    process = await asyncio.create_subprocess_exec(
        "bash", "-c", f"set -o pipefail; {command}", cwd=tmp_path, env=environment(),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await process.communicate()
    assert (process.returncode, out.count(b"\n")) == (0, 1)
    assert b"" == err
    assert len((tmp_path / "asked.txt").read_text().splitlines()) < 120, "of 1,200"


async def test_a_reader_that_leaves_while_a_row_is_slow(tmp_path: Path) -> None:
    """When the reader leaves, the job ends at once and without an error, also if no row ends any more."""
    (tmp_path / "waiting_agents.py").write_text(WAITING)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    reading, writing = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "miniagents", "map", "waiting_agents:wait", "rows.jsonl", "-o", "-",
        "--text-column", "text", cwd=tmp_path, env=environment(),
        stdout=writing, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    os.close(writing)
    with os.fdopen(reading) as reader:
        assert "ROW 0" in await asyncio.to_thread(reader.readline)
    _, err = await asyncio.wait_for(process.communicate(), 20)
    assert (0, b"") == (process.returncode, err)


async def test_ctrl_c_and_go_on(tmp_path: Path) -> None:
    """At a terminal a bar shows how far it is; after Ctrl-C the command that is printed goes on."""
    (tmp_path / "slow_agents.py").write_text(SLOW)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    words = [
        "slow_agents:slow",
        "rows.jsonl",
        "-o",
        "out.jsonl",
        "--text-column",
        "text",
        "--concurrency",
        "2",
    ]
    async with at_terminal(tmp_path, *words, command="map") as terminal:
        await terminal.expect("/120 rows")
        await terminal.expect("rows/s")
        await terminal.expect("left")
        terminal.type(CTRL_C)
        assert 128 + signal.SIGINT == await terminal.end()
        await terminal.expect("miniagents: stopped after ")
        await terminal.expect(
            "are in out.jsonl.journal. Continue with: miniagents map slow_agents:slow rows.jsonl"
        )
        assert "Traceback" not in terminal.shown
    assert not (tmp_path / "out.jsonl").exists()
    asked = len((tmp_path / "asked.txt").read_text().splitlines())
    assert 0 < asked < 120
    done = await on_pipe(tmp_path, None, *words, command="map")
    assert done.code == 0
    rows = rows_of((tmp_path / "out.jsonl").read_text())
    assert [row["output"] for row in rows] == [f"ROW {at}" for at in range(120)]
    asked = len((tmp_path / "asked.txt").read_text().splitlines())
    assert 120 <= asked <= 122, "what was in flight at Ctrl-C is asked again, and nothing else"


async def test_a_model(tmp_path: Path) -> None:
    """A model of a provider is asked through its SDK; a row that it refuses fails alone."""
    refused = answer(400, {"error": {"message": "no such thing", "type": "invalid_request_error"}})
    (tmp_path / "rows.jsonl").write_text(ROWS.splitlines(keepends=True)[0] * 3)
    async with serve(sse(*CHAT.good("Fine")), refused, sse(*CHAT.good("Good"))) as server:
        done = await on_pipe(
            tmp_path,
            None,
            "openai:m",
            "rows.jsonl",
            "-o",
            "out.jsonl",
            "--base-url",
            server.url + CHAT.path,
            "--prompt",
            "Judge: {text}",
            "--system",
            "Be kind",
            *("--max-tokens", "7", "--temperature", "0.5", "--param", "top_p=0.9"),
            "--concurrency",
            "1",
            command="map",
        )
    assert done.code == 3
    rows = rows_of((tmp_path / "out.jsonl").read_text())
    assert [row["output"] for row in rows] == ["Fine", None, "Good"]
    assert "no such thing" in str(rows[1]["error"])
    assert "Judge: row 0" in json.dumps(server.requests[0].json)
    assert "Be kind" in json.dumps(server.requests[0].json)
    assert (7, 0.5, 0.9) == tuple(
        server.requests[0].json[name] for name in ("max_tokens", "temperature", "top_p")
    )
    assert "3 rows in out.jsonl: 2 answered, 1 failed (out.jsonl.errors.jsonl); 3 calls" in done.err


_COMMAND = """
import sys
from miniagents.cli import main

class Begun:
    def find_spec(self, name, path=None, target=None):
        if name == "miniagents.cli._main":
            sys.stdout.write("begun\\n")
            sys.stdout.flush()

sys.meta_path.insert(0, Begun())
sys.exit(main())
"""


async def _interrupted(folder: Path, seconds: float, times: int, *words: str) -> tuple[int, str]:
    """How a program ends that gets Ctrl-C so many seconds after its first line; it starts anew."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _COMMAND, "map", *words, cwd=folder, env=environment(),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdout is not None
    await process.stdout.readline()
    await asyncio.sleep(seconds)
    # Not `send_signal` of the process: if it has just ended, that takes its exit code from asyncio.
    for _ in range(times):
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
    ended = asyncio.ensure_future(process.communicate())
    while not (await asyncio.wait([ended], timeout=1.5))[0]:
        # While a module is imported, Python itself may lose one: who presses the keys does it again.
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGINT)
    assert process.returncode is not None
    return process.returncode, (await ended)[1].decode()


@pytest.mark.loop(timeout=120)
async def test_ctrl_c_at_any_moment(tmp_path: Path) -> None:
    """J8: at any moment, also before its first row, Ctrl-C ends the command with a line and exit 130."""
    (tmp_path / "slow_agents.py").write_text(SLOW)
    (tmp_path / "rows.jsonl").write_text(ROWS * 20)  # more than all of these programs together can answer
    words = (
        "slow_agents:slow",
        "rows.jsonl",
        "-o",
        "out.jsonl",
        "--text-column",
        "text",
        "--concurrency",
        "2",
    )
    count = amount(8, 8, 16)
    for step in range(count):
        after = 0.02 + step * 0.8 / count
        code, err = await _interrupted(tmp_path, after, 1 + step % 2, *words)
        assert "Traceback" not in err, f"after {after:.2f} s: {err}"
        assert (130, True) == (code, "stopped" in err), f"after {after:.2f} s: {err}"


IMPORTED = """
import signal, weakref

def interrupt(_=None):
    signal.raise_signal(signal.SIGINT)

class Attribute:
    def __set_name__(self, owner, name):
        interrupt()  # Python 3.11 makes a RuntimeError of what is raised here

class Agent:
    attribute = Attribute()

agent = Agent()
watched = weakref.ref(agent, interrupt)
del agent  # and what is raised here is lost
open("imported", "x").close()
"""


def test_ctrl_c_during_an_import(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """J8: Ctrl-C does not break off an import, where Python and C code lose it; it stops at its end."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "interrupted_agents.py").write_text(IMPORTED)
    (tmp_path / "rows.jsonl").write_text(ROWS)
    assert 130 == main(["map", "interrupted_agents:Agent", "rows.jsonl", "-o", "out.jsonl"])
    assert "miniagents: stopped before any row was sent.\n" == capsys.readouterr().err
    assert (tmp_path / "imported").exists()
    assert signal.default_int_handler is signal.getsignal(signal.SIGINT)


async def test_a_full_disk_at_the_output(tmp_path: Path) -> None:
    """J8: a full disk at stdout, or where stdin is copied to, ends the command with a line and exit 1."""
    (tmp_path / "rows.jsonl").write_text(ROWS * 10)
    command = (sys.executable, "-m", "miniagents", "map", "eliza", "-o", "-", "--text-column", "text")
    err = ""
    for more in ((), ("--journal", "out.journal")):
        with Path("/dev/full").open("w") as full:  # noqa: ASYNC230 - it is no file
            code, err = await _ended(*command, "rows.jsonl", *more, folder=tmp_path, stdout=full)
        assert (1, 1) == (code, err.count("cannot be written: No space left on device")), err
        assert "Traceback" not in err
    assert "the answers so far are in out.journal. Continue with: " in err
    piped = f"trap '' XFSZ; ulimit -f 8; cat rows.jsonl | {' '.join(command)} -"
    code, err = await _ended("bash", "-c", piped, folder=tmp_path)
    assert (1, True) == (code, "cannot be written: File too large" in err), err
    assert "Traceback" not in err


async def _ended(*command: str, folder: Path, stdout: TextIO | None = None) -> tuple[int | None, str]:
    process = await start_program(
        *command, imported=imported_by("map"), cwd=folder, env=environment(), stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await process.communicate()
    return process.returncode, err.decode()
