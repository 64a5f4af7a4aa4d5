import asyncio
import io
import os
import re
import signal
import sys
from pathlib import Path

import pytest

from miniagents import UserMessage
from miniagents.cli import main
from miniagents.cli._chat import Chat
from miniagents.cli._signals import StoppedError
from miniagents.ext.chat_history_md import ChatHistoryMD
from miniagents.ext.timeline import Timeline
from tests.cli.processes import COMMAND, environment, imported_by, on_pipe, quiet
from tests.support.forked import start_program
from tests.support.sse_server import refused_url


@pytest.fixture(autouse=True)
def _nothing_is_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in set(os.environ) - set(environment()):
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


async def kept(path: Path) -> list[tuple[str, str]]:
    return [(message.role, str(message)) for message in await ChatHistoryMD(path).load()]


# -- on a pipe --


@pytest.mark.gate("many processes")
async def test_a_pipe_is_talked_with_in_plain_lines(tmp_path: Path) -> None:
    """A pipe is told who answers and where it is kept, gets its answer, and the exit code is 0."""
    done = await on_pipe(tmp_path, "hello\nexit\nmore\n", anew=True)  # as users start it
    notice, opening, answer = done.out.splitlines()
    assert (0, "") == (done.code, done.err)
    assert "eliza (rules, no language model) answers; the conversation is kept in CHAT.md." == notice
    assert "not a language model" in opening
    assert "pip install 'miniagents[openai]'" in opening
    assert "ELIZA: Hello. How are you today?" == answer
    assert [("user", "hello"), ("assistant", "Hello. How are you today?")] == await kept(tmp_path / "CHAT.md")


def test_a_chat_goes_on_where_the_file_ends(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second time the old conversation is known: Eliza goes to her next answer."""
    for text in ("hello", "hi"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(text))
        assert 0 == main(["chat", "--history", "a.md"])
    out, err = capsys.readouterr()
    assert "" == err
    assert "continues in a.md (2 messages so far)." in out
    assert out.endswith("ELIZA: Hello again. What brings you here?\n")
    assert 4 == len(asyncio.run(kept(Path("a.md"))))


def test_a_file_that_ends_with_the_user_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A turn without an answer is no obstacle: it is part of the conversation."""
    asyncio.run(ChatHistoryMD("CHAT.md").append(UserMessage("my brother is angry")))
    monkeypatch.setattr(sys, "stdin", io.StringIO("hm hm"))
    assert 0 == main(["chat"])
    expected = "ELIZA: You told me that your brother is angry. Is that still on your mind?\n"
    assert capsys.readouterr().out.endswith(expected)


def test_nothing_is_kept_when_nothing_shall_be(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """`--no-history` leaves no file."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello"))
    assert 0 == main(["chat", "--no-history"])
    assert "nothing is kept." in capsys.readouterr().out
    assert [] == list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "begin"), [("run.html", "<!doctype html>"), ("run.svg", "<svg ")])
def test_a_timeline_is_drawn(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, begin: str
) -> None:
    """`--timeline` draws every answer of the chat, without its texts, and replaces what was there."""
    Path(name).write_text("old", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\nmy brother is angry\n"))
    assert 0 == main(["chat", "--model", "eliza", "--no-history", "--timeline", name])
    picture = Path(name).read_text(encoding="utf-8")
    assert picture.startswith(begin)
    assert "2 runs in" in picture
    assert not re.search("brother|How are you|angry", picture)
    assert "" == capsys.readouterr().err


def test_a_timeline_is_drawn_of_what_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Also a chat that is ended by a signal or an error has its picture; the exit code stays."""

    async def interrupted(_chat: Chat) -> bool:
        raise StoppedError(signal.SIGTERM)

    monkeypatch.setattr(Chat, "run", interrupted)
    assert 128 + signal.SIGTERM == main(["chat", "--no-history", "--timeline", "run.svg"])
    assert "Nothing has run yet." in Path("run.svg").read_text(encoding="utf-8")
    assert "" == capsys.readouterr().err


def test_a_timeline_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A picture that could not be written in the end is told in one line, and the exit code is 1."""

    def full(_timeline: Timeline, _path: Path) -> None:
        raise OSError(28, "No space left on device", "run.svg")

    monkeypatch.setattr(Timeline, "save", full)
    monkeypatch.setattr(sys, "stdin", io.StringIO("hello\n"))
    assert 1 == main(["chat", "--model", "eliza", "--no-history", "--timeline", "run.svg"])
    assert "miniagents: the timeline could not be written: " in capsys.readouterr().err


def test_no_picture_no_model(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is no picture's ends the command before anything is asked."""
    monkeypatch.setattr("miniagents.cli._main.choose_model", None)
    assert 2 == main(["chat", "--timeline", "run.png"])
    expected = "miniagents: --timeline: 'run.png' is not the name of a timeline; end it with .html or .svg.\n"
    assert ("", expected) == capsys.readouterr()


@pytest.mark.parametrize("device", [os.devnull, "in.txt"])
def test_a_device_or_a_file_is_an_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: str
) -> None:
    """`< /dev/null` and `< file` work like a pipe."""
    Path("in.txt").write_text("sorry", encoding="utf-8")
    with Path(device).open(encoding="utf-8") as source:
        monkeypatch.setattr(sys, "stdin", source)
        assert 0 == main(["chat"])
    out, err = capsys.readouterr()
    assert "" == err
    assert ("ELIZA: There is nothing" in out) == (device == "in.txt")


@pytest.mark.gate("starts programs")
async def test_an_output_that_nobody_reads_ends_quietly(tmp_path: Path) -> None:
    """`| head -1` gets its line, and there is neither a traceback nor a complaint."""
    command = f"{' '.join(COMMAND)} | head -1"
    shell = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"yes | {command}; exit ${{PIPESTATUS[1]}}"),
        cwd=tmp_path,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(20):
        out, err = await shell.communicate()
    assert ("", 0) == (quiet(err).replace("yes: standard output: Broken pipe\n", ""), shell.returncode)
    assert 1 == len(out.splitlines())


@pytest.mark.gate("starts programs")
async def test_a_full_output_is_one_line_and_exit_1(tmp_path: Path) -> None:
    """An output that cannot be written is no traceback."""
    with Path("/dev/full").open("w") as full:  # noqa: ASYNC230 - it is no file
        chat = await start_program(
            *COMMAND,
            imported=imported_by("chat"),
            cwd=tmp_path,
            env=environment(),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=full,
            stderr=asyncio.subprocess.PIPE,
        )
    async with asyncio.timeout(20):
        _, err = await chat.communicate()
    assert 1 == chat.returncode
    assert "miniagents: the output cannot be written: No space left on device\n" == quiet(err)


# -- wrong input --

OPENAI = ("--model", "openai:m", "--no-history")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--model", "acme:m"], "unknown provider 'acme'; write openai:NAME, openai-responses:NAME, "),
        (["--model", "gpt-5"], "unknown provider 'gpt-5'"),
        (["--model", "openai:"], "the name of the model is missing"),
        (["--model", "openai:m"], "OPENAI_API_KEY is not set"),
        (["--model", "anthropic:m"], "ANTHROPIC_API_KEY is not set"),
        (["--system", "Be kind"], "--system is for language models"),
        (["--history", "folder"], "folder"),
        (["--history", "nowhere/CHAT.md"], "nowhere/CHAT.md"),
        (["--history", "CHAT.md/CHAT.md"], "CHAT.md/CHAT.md"),
        (["--history", "x" * 5000], "name too long"),
        (["--history", "/dev/null"], "not a regular file"),
        (["--loud"], "unrecognized arguments: --loud"),
    ],
)
def test_wrong_input_is_one_line_and_exit_2(
    options: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on stdout, one line on stderr that says what is wrong, and no file is touched."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "CHAT.md").write_text("as it was", encoding="utf-8")
    assert 2 == main(["chat", *options])
    shown = capsys.readouterr()
    assert "" == shown.out
    assert 1 == shown.err.count("\n")
    assert said.lower() in shown.err.lower()
    assert "as it was" == (tmp_path / "CHAT.md").read_text(encoding="utf-8")
    assert ["CHAT.md", "folder"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_missing_sdk_gives_the_line_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2, and the `pip install` line, for either provider."""
    for provider in ("openai", "anthropic"):
        monkeypatch.setenv(f"{provider.upper()}_API_KEY", "k")
        monkeypatch.setitem(sys.modules, provider, None)
        for module in (provider, "_openai_sdk"):
            monkeypatch.delitem(sys.modules, f"miniagents.ext.llm.{module}", raising=False)
        assert 2 == main(["chat", "--model", f"{provider}:m", "--no-history"])
        shown = capsys.readouterr()
        assert f"pip install 'miniagents[{provider}]'" in shown.err.replace('"', "'")
        assert 1 == shown.err.count("\n")


def test_a_base_url_that_answers_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit 2 before anybody types a message; also for the address that the environment names."""
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    url = refused_url()
    assert 2 == main(["chat", *OPENAI, "--base-url", f"{url}/v1"])
    assert f"no server answers at the base URL {url}/v1: " in capsys.readouterr().err
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    assert 2 == main(["chat", *OPENAI])
    assert f"no server answers at the base URL {url}: " in capsys.readouterr().err
