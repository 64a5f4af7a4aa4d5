"""The command line's arguments, and what is checked before a chat begins."""

import asyncio
import io
import os
import re
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

import pytest
from typing_extensions import override

from miniagents import Messages, UserMessage
from miniagents.cli._arguments import (
    BadInputError,
    ChatOptions,
    check_base_url,
    complain,
    open_history,
    parse_arguments,
)
from tests.cli.processes import environment
from tests.support.sse_server import refused_url


def test_it_is_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks become spaces, control characters go."""
    complain("one\r\n two\x1b[31m\x07\u2028three")
    assert ("", "miniagents: one two[31m three\n") == capsys.readouterr()


class Broken(io.StringIO):
    @override
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stderr", [None, Broken()])
def test_when_nobody_hears_it_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    """A closed stderr is no further error."""
    monkeypatch.setattr(sys, "stderr", stderr)
    complain("help")


def test_what_holds_when_nothing_is_said() -> None:
    """The history is kept in CHAT.md; the model is found out."""
    assert ChatOptions(None, None, None, Path("CHAT.md")) == parse_arguments(["chat"])


def test_every_option_is_taken() -> None:
    """Each option lands in its field."""
    words = [
        "chat",
        "--model",
        "openai:m",
        "--base-url",
        "http://x/v1",
        "--system",
        "Be kind",
        "--history",
        "h.md",
    ]
    assert ChatOptions("openai:m", "http://x/v1", "Be kind", Path("h.md")) == parse_arguments(words)
    nothing_kept = parse_arguments(["chat", "--no-history", "--system", ""])
    assert nothing_kept == ChatOptions(None, None, None, None)
    drawn = parse_arguments(["chat", "--timeline", "run.HTML"])
    assert drawn == ChatOptions(None, None, None, Path("CHAT.md"), Path("run.HTML"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: COMMAND"),
        (["sing"], "invalid choice: 'sing'"),
        (["chat", "--loud"], "unrecognized arguments: --loud"),
        (["chat", "--model"], "--model: expected one argument"),
        (["chat", "--mod", "eliza"], "unrecognized arguments: --mod "),
        (["chat", "--no-history", "--history", "x"], "not allowed with argument"),
        (["chat", "--history", ""], "argument --history: it needs the name of a file (see "),
        (["serve", "--journal", ""], "argument --journal: it needs the name of a file (see "),
        (["chat", "--history", "a\0b"], "argument --history: it needs the name of a file (see "),
        (["chat", "--timeline", ""], "argument --timeline: it needs the name of a file (see "),
        (["chat", "--timeline", "a\0.svg"], "argument --timeline: it needs the name of a file (see "),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(words: list[str], said: str) -> None:
    """The sentence says what is wrong and where help is."""
    with pytest.raises(BadInputError) as refused:
        parse_arguments(words)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "--help" in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("run.png", "'run.png' is not the name of a timeline; end it with .html or .svg."),
        ("nowhere/run.svg", "run.svg cannot be written; name a file in a folder where you may write"),
        ("folder.svg", "folder.svg cannot be written; name a file in a folder where you may write"),
    ],
)
def test_no_picture(name: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A timeline that could not be written at the end is refused at the start."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(BadInputError) as refused:
        parse_arguments(["chat", "--timeline", name])
    assert said in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["folder.svg"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--help"], "chat"),
        (["--version"], f"miniagents {version('miniagents')}\n"),
        (["chat", "--help"], "pip install 'miniagents[openai]'"),
    ],
)
def test_help_and_version_are_answered(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They go to stdout, and the exit code is 0."""
    with pytest.raises(SystemExit) as left:
        parse_arguments(words)
    assert 0 == left.value.code
    shown = capsys.readouterr()
    assert said in shown.out
    assert "" == shown.err


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)


@contextmanager
def listening() -> Generator[tuple[socket.socket, str]]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0)
        yield server, f"http://127.0.0.1:{server.getsockname()[1]}"


async def test_a_server_that_answers_is_left_in_peace() -> None:
    """One connection, not a byte on it, and it is closed again."""
    loop = asyncio.get_running_loop()
    with listening() as (server, url):
        await check_base_url(f"{url}/v1")
        connection, _ = await loop.sock_accept(server)
        with connection:
            assert b"" == await loop.sock_recv(connection, 1)


@pytest.mark.parametrize(
    "url", ["", "localhost:8000", "ftp://localhost", "http://", "http://x:99999", "http://[", "http://x:y/v1"]
)
async def test_what_is_no_address_is_refused(url: str) -> None:
    """The error shows how to write one."""
    with pytest.raises(
        BadInputError, match=re.escape(f"the base URL {url!r} is not an address; write it like http://")
    ):
        await check_base_url(url)


async def test_where_nobody_listens_nothing_answers() -> None:
    """A refused connection is said to be one, also when a name has several addresses."""
    url = refused_url()
    expected = f"no server answers at the base URL {url}: Connection refused"
    with pytest.raises(BadInputError, match=re.escape(expected)):
        await check_base_url(url)
    with pytest.raises(BadInputError, match=r"Connection refused|none of its addresses accepts a connection"):
        await check_base_url(url.replace("127.0.0.1", "localhost"))


@pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 300])
async def test_a_name_that_leads_nowhere_is_refused(host: str) -> None:
    """A name without an address, or one that can be none."""
    with pytest.raises(BadInputError, match="no server answers at the base URL"):
        await check_base_url(f"http://{host}/v1")


async def test_a_server_that_does_not_accept_is_not_waited_for() -> None:
    """The patience is bounded, and the error tells how long it was."""
    with listening() as (_, url), pytest.raises(BadInputError, match="within 0 seconds"):
        await check_base_url(url, patience=0)


async def test_behind_a_proxy_only_the_address_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that only the proxy reaches cannot be connected to from here."""
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    await check_base_url("http://nowhere.invalid/v1")
    with pytest.raises(BadInputError):
        await check_base_url("https://nowhere.invalid/v1")


async def test_a_history_is_opened_without_making_it(tmp_path: Path) -> None:
    """No file yet: nothing so far, and no file after looking either."""
    path = tmp_path / "CHAT.md"
    history, so_far = await open_history(path)
    assert () == so_far
    assert not path.exists()
    await history.append(Messages((UserMessage("hello"),)))
    _, so_far = await open_history(path)
    assert (UserMessage("hello"),) == so_far


async def test_without_a_file_it_is_kept_in_memory() -> None:
    """No history file, no file."""
    _, so_far = await open_history(None)
    assert () == so_far


async def test_a_folder_is_no_history(tmp_path: Path) -> None:
    """What cannot be read or written as a file is refused."""
    with pytest.raises(BadInputError, match=re.escape(str(tmp_path))):
        await open_history(tmp_path)
