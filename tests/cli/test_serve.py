"""`miniagents serve`: what it is told, what is wrong in one line, and real processes: signals, kills."""

import asyncio
import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, closing, suppress
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx2
import pytest

from miniagents.cli import main
from miniagents.cli._arguments import ServeOptions, parse_arguments
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite
from miniagents.ext.journal import Journal
from tests.cli.processes import at_terminal, environment, imported_by
from tests.support.forked import run_program, start_program
from tests.support.mcp_servers import ROOT
from tests.support.pages import Page

TOKEN = "x"  # noqa: S105 - of these tests
AGENTS = """
import asyncio, time
from miniagents import Message, miniagent, tool

@miniagent
async def talker(ctx):
    async def tokens(_):
        for number in range(100_000):
            yield f"{number} "
            await asyncio.sleep(0.01)
    ctx.reply(Message.promise(tokens))

@miniagent
async def echo(ctx):
    ctx.reply(f"you said: {(await ctx.messages)[-1]}")

@miniagent
async def blocked(ctx):
    ctx.reply("...")
    await asyncio.to_thread(time.sleep, 60)

@miniagent
async def waiter(ctx, *, table):
    ctx.reply("...")

@tool
def now() -> str:
    return "noon"
"""


@pytest.fixture(autouse=True)
def _folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Generator[None]:
    """A folder with a module of agents, and no settings."""
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "my_talkers.py").write_text(AGENTS)
    (tmp_path / "my_broken_talkers.py").write_text("1 / 0")
    yield
    sys.modules.pop("my_talkers", None)


# -- what it is told -----------------------------------------------------------------------------------------


def test_options(monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual place is this machine alone, and the files stand beside that of a chat."""
    assert ServeOptions(history=Path("CHAT.db")) == parse_arguments(["serve"])
    words = ["serve", "a:b", "--host", "::1", "--port", "0", "--token", TOKEN, "--reload", "--open"]
    words += ["--history", "h", "--journal", "f", "--name", "c.example", "--name", "d.example"]
    given = ServeOptions(
        names=("c.example", "d.example"),
        agent="a:b",
        host="::1",
        history=Path("h"),
        journal=Path("f"),
        port=0,
        token=TOKEN,
        reload=True,
        open=True,
    )
    assert given == parse_arguments(words)
    other = f"{TOKEN}!"
    monkeypatch.setenv("MINIAGENTS_TOKEN", other)
    without = [each for each in words if each not in {"--token", TOKEN}]
    assert replace(given, token=other) == parse_arguments(without)
    assert replace(given, token=None, no_token=True) == parse_arguments([*without, "--no-token"])
    words = ["serve", "--model", "openai:m", "--base-url", "http://x", "--system", "Hi", "--no-history"]
    monkeypatch.delenv("MINIAGENTS_TOKEN")
    assert ServeOptions("openai:m", "http://x", "Hi") == parse_arguments(words)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            ["--port", "{port}"],
            "127.0.0.1:{port} cannot be listened at: Address already in use; give another",
        ),
        (["--port", "65536"], "65536 is not a port; give a number up to 65535, or 0 for any free port."),
        (["--port", "-1"], "-1 is not a port"),
        (["--port", "x"], "argument --port: invalid int value: 'x' (see miniagents serve --help)"),
        (["--no-token", "--host", "0.0.0.0"], "0.0.0.0 can be reached from other machines, so it needs"),  # noqa: S104
        (["--no-token", "--host", "::"], ":: can be reached from other machines, so it needs a token"),
        (["--no-token", "--token", "x"], "not allowed with argument"),
        (["--host", "no.such.host.invalid"], "no.such.host.invalid is not an address of this machine: "),
        (["--host", "x" * 300], "is not an address of this machine: it is not a valid host name."),
        (["--host", ""], "--host is empty"),
        (
            ["--name", "https://x.example", "--token", "x"],
            "https://x.example is not a host name; write it like",
        ),
        (["--no-token", "--name", "x.example"], "With --name x.example, other machines can reach the page,"),
        (["--token", " "], "--token is empty; give a text that is hard to guess"),
        (["nobody"], "nobody names no agent; write MODULE:AGENT"),
        (["no_such_module:echo"], "the module no_such_module cannot be imported: ModuleNotFoundError"),
        (["my_broken_talkers:echo"], "cannot be imported: ZeroDivisionError: division by zero"),
        (["my_talkers:nobody"], "the module my_talkers has no nobody"),
        (["my_talkers:now"], "my_talkers:now is a tool; name an agent to talk with"),
        (["my_talkers:waiter"], "my_talkers:waiter cannot answer: Agent WAITER needs a value for: table"),
        (["my_talkers:asyncio"], "my_talkers:asyncio is a module; name an agent"),
        (["my_talkers:echo", "--model", "eliza"], "my_talkers:echo answers, so --model has no effect"),
        (["--model", "acme:m"], "unknown provider 'acme'"),
        (["--model", "openai:m"], "OPENAI_API_KEY is not set"),
        (["--base-url", "http://127.0.0.1:1"], "--base-url is for language models"),
        (
            ["--history", "nowhere/CHAT.db"],
            "the history file nowhere/CHAT.db cannot be written: No such file",
        ),
        (["--history", "."], "it is a folder; give the path of a file"),
        (["--history", "my_talkers.py"], "it is not a SQLite database; give another path"),
        (["--history", ""], "argument --history: it needs the name of a file"),
        (["--journal", "nowhere/f.db"], "nowhere/f.db cannot be opened: No such file or directory"),
        (["--journal", "my_talkers.py"], "my_talkers.py cannot be opened: it is not a SQLite"),
        (["--journal", "other.db"], "other.db is a database of another program"),
        (["--history", "a", "--no-history"], "not allowed with argument"),
    ],
)
def test_wrong_input(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """What cannot be served is told in one line, with the exit code 2, and no file is touched."""
    with closing(sqlite3.connect("other.db")) as other:
        other.execute("CREATE TABLE x (y)")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        words = [each.replace("{port}", port) for each in options]
        if "--port" not in words:
            words += ["--port", "0"]
        assert 2 == main(["serve", *words])
    told = capsys.readouterr()
    assert ("", 1) == (told.out, told.err.count("\n"))
    assert said.replace("{port}", port) in told.err
    kept = {path.name for path in tmp_path.iterdir()} - {"__pycache__", "CHAT.journal"}
    kept = {name for name in kept if not name.endswith("-lock")}
    assert {"my_talkers.py", "my_broken_talkers.py", "other.db"} == kept


@pytest.mark.gate("starts programs")
def test_missing_packages(tmp_path: Path) -> None:
    """Without the packages of the extra, one line says what to install; other commands need none of them."""

    def run(*words: str, without: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        hidden = "".join(f"sys.modules[{package!r}] = None; " for package in without)
        program = f"import sys; {hidden}from miniagents.cli import main; sys.exit(main())"
        command = (sys.executable, "-W", "error", "-c", program, *words)
        env = environment(PYTHONPATH=str(ROOT))
        # It starts anew, because it is about imports.
        return run_program(*command, anew=True, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL)

    packages = ("starlette", "uvicorn")
    for package in packages:
        done = run("serve", without=(package,))
        said = f"serve needs {package}, which is not installed; pip install 'miniagents[web]'"
        assert (2, "", f"miniagents: miniagents {said}\n") == (done.returncode, done.stdout, done.stderr)
    assert 0 == run("chat", "--no-history", without=packages).returncode


# -- processes -----------------------------------------------------------------------------------------------


@asynccontextmanager
async def serving(
    folder: Path, *options: str, anew: bool = False, **env: str
) -> AsyncGenerator[tuple[asyncio.subprocess.Process, Page]]:
    """A server in a process of its own; it is killed at the end if it is still there."""
    process = await start_program(
        *(sys.executable, "-W", "error", "-m", "miniagents", "serve", "--port", "0", *options),
        imported=imported_by("serve"),
        anew=anew,
        cwd=folder,
        env=environment(PYTHONPATH=str(ROOT), **env),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            address = (await process.stdout.readline()).decode().strip()
        async with httpx2.AsyncClient(
            base_url=address.partition("#")[0],
            headers=logged_in(address),
            trust_env=False,
            verify=False,
            timeout=20,
        ) as client:
            yield process, Page(client, address)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


def logged_in(address: str) -> dict[str, str]:
    """The header with the token of an address that a server has printed; none if there is none."""
    token = unquote(urlsplit(address).fragment.removeprefix("token="))
    return {"authorization": f"Bearer {token}"} if token else {}


@asynccontextmanager
async def followed(page: Page, run: str) -> AsyncGenerator[asyncio.StreamReader]:
    """What an EventSource reads of a run, after the first three tokens."""
    reader, writer = await asyncio.open_connection("127.0.0.1", page.port)
    head = f"GET /runs/{run} HTTP/1.1\r\nhost: 127.0.0.1:{page.port}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in logged_in(page.address).items())
    writer.write(f"{head}\r\n".encode())
    for _ in range(3):
        await reader.readuntil(b'"type":"part"')
    try:
        yield reader
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def ended_by(number: signal.Signals, folder: Path) -> float:
    """Have a signal end a server that is at work; the seconds that it took."""
    loop = asyncio.get_running_loop()
    async with serving(folder, "my_talkers:talker") as (process, page):
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        _, silent = await asyncio.open_connection("127.0.0.1", page.port)
        _, slow = await asyncio.open_connection("127.0.0.1", page.port)
        head = f"host: 127.0.0.1:{page.port}\r\ncontent-type: application/json\r\ncontent-length: 9"
        slow.write(f"POST /api/threads HTTP/1.1\r\n{head}\r\n\r\n{{".encode())
        async with followed(page, run) as events:
            began = loop.time()
            process.send_signal(number)
            rest = await events.read()
            code = await process.wait()
            took = loop.time() - began
        assert process.stderr is not None
        err = (await process.stderr.read()).decode()
        assert (128 + number, 1) == (code, err.count("\n")), err
        assert b"run_ended" not in rest  # an EventSource comes back, to the next server
        for writer in (silent, slow):
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
    async with Journal(folder / "CHAT.journal") as journal:
        assert "left" == (await journal.find(run=run))[0].state
    assert ["Hi"] == [str(each) for each in await ChatHistorySQLite(folder / "CHAT.db", thread).load()]
    return took


@pytest.fixture
def _heard() -> Generator[None]:
    """Programs hear SIGHUP also if these tests were started by `nohup`, whose programs do not."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.gate("starts servers")
@pytest.mark.usefixtures("_heard")
@pytest.mark.loop(timeout=240)  # eleven servers, if the machine is busy
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
async def test_signals(tmp_path: Path, number: signal.Signals) -> None:
    """A signal ends it within a second, with an EventSource open; the next server goes on with its run."""
    took = await ended_by(number, tmp_path)
    for _ in range(10):  # a machine that does something else is no fault of the program
        if took < 1.0:
            break
        took = await ended_by(number, tmp_path)
    assert took < 1.0


@pytest.mark.gate("starts a server")
async def test_ctrl_c_at_a_terminal(tmp_path: Path) -> None:
    """Ctrl-C at a terminal ends it at once, without a traceback."""
    loop = asyncio.get_running_loop()
    options = ("my_talkers:talker", "--port", "0")
    env = environment(PYTHONPATH=str(ROOT))
    async with at_terminal(tmp_path, *options, env=env, command="serve") as terminal:
        await terminal.expect("Ctrl-C ends it.")
        address = next(line for line in terminal.shown.splitlines() if line.startswith("http"))
        base, headers = address.partition("#")[0], logged_in(address)
        async with httpx2.AsyncClient(
            base_url=base, headers=headers, trust_env=False, verify=False
        ) as client:
            page = Page(client, address)
            run = await page.begin(await page.thread(), text="Hi")
            async with followed(page, run):
                began = loop.time()
                terminal.type("\x03")
                code = await terminal.end()
                assert (130, True) == (code, loop.time() - began < 15.0)
        assert "Traceback" not in terminal.shown
        assert 2 == terminal.shown.replace("^C", "").strip().count("\n") + 1


@pytest.mark.gate("starts a server")
async def test_an_agent_that_blocks_a_thread(tmp_path: Path) -> None:
    """An agent that has left a thread which goes on for a minute does not hold up the end."""
    loop = asyncio.get_running_loop()
    async with serving(tmp_path, "my_talkers:blocked", "--no-history") as (process, page):
        await page.begin(await page.thread(), text="Hi")
        await asyncio.sleep(0.3)
        began = loop.time()
        process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == await process.wait()
        assert loop.time() - began < 10.0  # and not a minute


@pytest.mark.gate("starts two servers")
async def test_kill_and_go_on(tmp_path: Path) -> None:
    """After kill -9 in mid-answer the next server goes on with the answer, and keeps it."""
    async with serving(tmp_path, "my_talkers:talker") as (process, page):
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        async with followed(page, run):
            await asyncio.sleep(0.2)
            process.kill()
    async with serving(tmp_path, "my_talkers:talker") as (_, page):
        assert run == (await page.read(thread))["run"]
        async with followed(page, run) as events:
            await events.readuntil(b'"kind":"restart"')
        await page.client.post(f"/runs/{run}/stop")
        assert "stopped" == (await page.told(run))[-1]["how"]


@pytest.mark.gate("starts two servers")
async def test_kill(tmp_path: Path) -> None:
    """After kill -9 a server without the agent tells what was kept, and that the rest is lost."""
    async with serving(tmp_path, "my_talkers:talker") as (process, page):
        thread = await page.thread()
        run = await page.begin(thread, text="Hi")
        async with followed(page, run) as events:
            await asyncio.sleep(0.2)
            process.kill()
            seen = 3 + (await events.read()).count(b'"type":"part"')
    async with serving(tmp_path, "my_talkers:echo") as (_, page):
        frames = await page.told(run)
        assert ("lost", True) == (frames[-1]["how"], len(frames) - 2 >= seen)
        said = "".join(each["part"] for each in frames if each["type"] == "part")
        read = await page.read(thread)
        assert (None, said, "lost") == (
            read["run"],
            read["messages"][1]["text"],
            read["messages"][1]["ended"],
        )
        await page.told(await page.begin(thread, regenerate=True))
        assert [("user", "Hi"), ("assistant", "you said: Hi")] == await page.texts(thread)


@pytest.mark.gate("starts a server that starts others")
async def test_reload(tmp_path: Path) -> None:
    """When the code changes it is served anew at the same address, also after code that is broken."""
    # The server starts others, as Python does; so it starts anew, too.
    options = ("my_talkers:echo", "--reload")
    async with serving(tmp_path, *options, anew=True, PYTHONDONTWRITEBYTECODE="1") as (process, page):
        thread = await page.thread()
        await page.say(thread, "Hi")
        file = tmp_path / "my_talkers.py"
        assert process.stderr is not None
        assert b"ECHO answers" in await process.stderr.readline()
        file.write_text("1 / 0")
        assert b"my_talkers.py has changed; the server restarts." in await process.stderr.readline()
        assert b"cannot be imported: ZeroDivisionError" in await process.stderr.readline()
        (tmp_path / ".venv").mkdir()
        (tmp_path / ".venv" / "other.py").write_text("")
        file.write_text(AGENTS.replace("you said", "he said"))
        assert b"has changed" in await process.stderr.readline()
        assert b"ECHO answers" in await process.stderr.readline()
        await page.say(thread, "Hi")
        texts = [text for role, text in await page.texts(thread) if role == "assistant"]
        assert ["you said: Hi", "he said: Hi"] == texts
        loop = asyncio.get_running_loop()
        began = loop.time()
        process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == await process.wait()
        assert loop.time() - began < 15.0
        assert b"" == await process.stderr.read()


@pytest.mark.gate("starts a server")
async def test_reload_of_what_is_not_there(tmp_path: Path) -> None:
    """What is wrong from the start ends it also with --reload."""
    async with serving(tmp_path, "my_talkers:nobody", "--reload", anew=True) as (process, _):
        out, err = await process.communicate()
    assert (2, b"") == (process.returncode, out)
    assert b"the module my_talkers has no nobody" in err


@pytest.mark.gate("starts a server")
async def test_eliza(tmp_path: Path) -> None:
    """Without anything it serves Eliza, offline; --no-history leaves nothing; --open shows the address."""
    browser = tmp_path / "browser.sh"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/asked\ncp "${{1#file://}}" {tmp_path}/opened\n')
    browser.chmod(0o700)
    options = ("--no-history", "--open", "--token", "a b")
    async with serving(tmp_path, *options, BROWSER=f"{browser} %s", TMPDIR=str(tmp_path)) as (process, page):
        assert (await page.client.post("/api/login", json={"token": "a b"})).is_success
        info = (await page.client.get("/api/info")).json()
        assert ("ELIZA", None, True) == (info["agent"], info["model"], "pip install" in info["opening"])
        frames = await page.say(await page.thread(), "hello")
        text = "".join(each["part"] for each in frames if each["type"] == "part")
        assert "Hello. How are you today?" == text
        async with asyncio.timeout(20):
            opened = tmp_path / "opened"
            while not (opened.exists() and f'url={page.address}"' in opened.read_text()):  # noqa: ASYNC110 - no event
                await asyncio.sleep(0.05)
        assert "token" not in (tmp_path / "asked").read_text()  # other users see command lines
        assert page.address.endswith("/#token=a%20b")
        process.send_signal(signal.SIGTERM)
        await process.wait()
    assert {"my_talkers.py", "my_broken_talkers.py", "browser.sh", "asked", "opened"} == set(
        os.listdir(tmp_path)  # noqa: PTH208 - the other way is one for threads
    )


@pytest.mark.gate("starts servers")
async def test_random_token(tmp_path: Path) -> None:
    """P2: other users of the machine get nothing: each start has its own token, which it prints."""
    addresses: list[str] = []
    thread = ""
    for _ in range(2):
        async with serving(tmp_path, "my_talkers:echo") as (_, page):
            addresses.append(page.address)
            thread = await page.thread()
            for method, path in [
                ("GET", "/api/info"),
                ("GET", f"/api/threads/{thread}"),
                ("DELETE", f"/api/threads/{thread}"),
                ("POST", f"/api/threads/{thread}/runs"),
            ]:
                stranger = await page.client.request(method, path, headers={"authorization": ""})
                assert 401 == stranger.status_code
            assert [] == (await page.read(thread))["messages"]
    tokens = [each.partition("/#token=")[2] for each in addresses]
    assert 2 == len(set(tokens))
    assert all(len(each) >= 32 for each in tokens)
    async with serving(tmp_path, "my_talkers:echo", "--no-token") as (_, page):
        assert page.address.endswith("/")
        assert thread in (await page.client.get("/api/threads")).text


@pytest.mark.gate("starts a server")
async def test_another_address(tmp_path: Path) -> None:
    """At all addresses it is for who has the token, by any address of the machine, and by no foreign name."""
    async with serving(tmp_path, "--host", "0.0.0.0", "--token", "x") as (_, page):  # noqa: S104
        assert page.address.startswith("http://127.0.0.1:")
        await page.client.post("/api/login", json={"token": "x"})
        port = page.port
        names = [
            f"10.1.2.3:{port}",
            f"localhost:{port}",
            f"{socket.gethostname()}:{port}",
            "[::1]:9",
            "10.1.2.3",
        ]
        for host in names:
            told = await page.client.get("/api/info", headers={"host": host, "origin": f"http://{host}"})
            assert 200 == told.status_code, host
        for host in (f"evil.example:{port}", f"10.1.2.3.evil.example:{port}", f"x.{socket.gethostname()}"):
            assert 403 == (await page.client.get("/api/info", headers={"host": host})).status_code
