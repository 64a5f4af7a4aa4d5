"""``miniagents journal``."""

import asyncio
import errno
import io
import json
import os
import shutil
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, gettempdir
from typing import cast
from unittest.mock import patch

import pytest
from typing_extensions import override

from miniagents import AssistantMessage, MiniAgents, SystemMessage, ToolCall, Usage, tool
from miniagents.cli import main
from miniagents.ext.journal import Event, Journal, Lease, RunRecord, durable, recorded
from miniagents.ext.web import MessagePart, Runs
from miniagents.parts import ToolResult
from miniagents.testing import Cassette, scripted_model
from miniagents.tools import approval, ask
from miniagents.types import ModelAgent
from tests.support.amounts import amount
from tests.support.postgres import postgres_server


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of two calls, one of which failed."""
    file = tmp_path / "calls.journal"

    async def ask(journal: Journal) -> None:
        model = recorded(scripted_model("Hello\x1b[31m!", ValueError("no")), journal, version="2")
        await model.inquire("Hi")
        with pytest.raises(ValueError, match="no"):
            await model.inquire("Again")

    with Journal(file, keep="text", clock=lambda: 1_800_000_000.0) as journal:
        MiniAgents().run(ask(journal))
    return file


def test_show(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It shows a line for each call, without control characters, also while somebody writes."""
    with Journal(path):
        assert 0 == main(["journal", "show", str(path)])
    first, second, last = capsys.readouterr().out.splitlines()
    assert first.startswith("2027-01-15T08:00:00Z SCRIPTED_MODEL 2: Hello")
    assert "\x1b" not in first
    assert second.endswith(": an error")
    assert last.startswith("2 calls, 1 of them failed, 0.0 MB")


@pytest.mark.skipif(sys.platform == "win32", reason="folders have other rights there")
@pytest.mark.parametrize(
    ("what", "ahead", "said"),
    [
        ("show", "", "2 calls, 1 of them failed, "),
        ("show", "calls", "so copy it, with calls.journal-wal, to one where"),
        ("runs", "", "Permission denied; its folder cannot be written, so copy it, with calls.journal-wal, "),
    ],
)
def test_where_nothing_can_be_written(
    path: Path, what: str, ahead: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Calls of a journal in a folder that cannot be written are shown; else it says how to see it."""
    usual = Path(gettempdir())  # another user may not enter it if the gate has made it
    open_to_all = (each for each in (usual, *usual.parents) if each.stat().st_mode & 0o002)
    with TemporaryDirectory(dir=next(open_to_all, None)) as folder, ExitStack() as stack:
        Path(folder, "calls.journal-wal").write_text(ahead, encoding="ascii")
        file = shutil.copy(path, folder)
        Path(file).chmod(0o444)
        Path(folder).chmod(0o555)
        stack.callback(Path(folder).chmod, 0o755)
        if os.getuid() == 0:  # who may write everywhere; others may not read what is imported
            assert 0 == main(["journal", "show", str(path)])
            stack.enter_context(patch("miniagents.cli._arguments.version", return_value="0"))
            os.setresuid(1, 1, 0)
            stack.callback(os.setresuid, 0, 0, 0)
        capsys.readouterr()
        assert (2 if "copy it" in said else 0) == main(["journal", what, file])
    assert said in "".join(capsys.readouterr())


def test_export(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It writes each call as a line of JSON."""
    assert 0 == main(["journal", "export", str(path)])
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert ("Hello\x1b[31m!", False, True) == (first["text"], first["failed"], second["failed"])
    assert "Hi" in json.dumps(first["asked"])


@pytest.mark.parametrize("what", ["show", "export"])
def test_a_reader_who_leaves(
    path: Path, what: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A reader who has enough, such as head, ends it without an error."""
    read, write = os.pipe()
    os.close(read)
    with os.fdopen(write, "w", buffering=1, encoding="utf-8") as out:
        monkeypatch.setattr(sys, "stdout", out)
        assert 0 == main(["journal", what, str(path)])
        assert "" == capsys.readouterr().err


class FullOutput(io.StringIO):
    @override
    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_an_output_that_cannot_take_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A full output is one line and exit code 1; what the encoding does not have is written as `?`."""
    file = tmp_path / "calls.journal"

    async def answer(journal: Journal) -> None:
        await recorded(scripted_model("H\u00e9llo"), journal, version="1").inquire("Hi")

    with Journal(file) as journal:
        MiniAgents().run(answer(journal))
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert 0 == main(["journal", "show", str(file)])
    assert b": H?llo\n" in raw.getvalue()
    for what in ("show", "export"):
        monkeypatch.setattr(sys, "stdout", FullOutput())
        assert 1 == main(["journal", what, str(file)])
        assert (
            "miniagents: the output cannot be written: No space left on device\n" == capsys.readouterr().err
        )


def test_prune(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It removes calls, and says how many."""
    assert 0 == main(["journal", "prune", str(path), "--max-size", "1B"])
    assert "2 calls and ended runs removed" in capsys.readouterr().out
    with Journal(path) as journal:
        assert [] == list(journal.calls())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "{folder}/none"], "none does not exist."),
        (["prune", "{folder}/none", "--older-than", "1d"], "none does not exist."),
        (["show", "{folder}/text"], "cannot be read"),
        (["runs", "{folder}/empty"], "is not a journal"),
        (["show", ""], "argument FILE: it needs the name of a file"),
        (
            ["runs", "postgresql+psycopg://me:open-sesame@h/x"],
            "begins with postgresql://, not postgresql+psycopg://.",
        ),
        (["prune", "{file}"], "give --older-than"),
        (["prune", "{file}", "--older-than", "tomorrow"], "'tomorrow' is not a time"),
        (["prune", "{file}", "--max-size", "12"], "'12' is not a size"),
        (["look", "{file}"], "invalid choice"),
        (["questions", "{folder}/none"], "none does not exist."),
        (["answer", "{file}", "RUN", "Q"], "one of the arguments --allow --arguments --reject --value"),
        (["answer", "{file}", "RUN", "Q", "--value", "Friday"], "write a text in quotes"),
        (["answer", "{file}", "RUN", "Q", "--arguments", "5"], "is not a JSON object"),
        (["answer", "{file}", "RUN", "Q", "--allow"], "no run has the id 'RUN'"),
    ],
)
def test_wrong_input(path: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong input is told in one line, with exit code 2, and no file is made."""
    (path.parent / "text").write_text("no journal" * 100)
    (path.parent / "empty").touch()
    given = [each.format(folder=path.parent, file=path) for each in words]
    assert 2 == main(["journal", *given])
    said = capsys.readouterr().err
    assert why in said
    assert 1 == said.count("\n")
    assert not (path.parent / "none").exists()
    assert not (path.parent / "empty").stat().st_size


def test_without_the_package_of_databases(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without its package, the address of a database is told in one line, which says what to install."""
    monkeypatch.setitem(sys.modules, "psycopg", None)
    assert 2 == main(["journal", "runs", "postgresql://127.0.0.1:1/x"])
    said = capsys.readouterr().err
    assert "pip install 'miniagents[postgres]'" in said
    assert 1 == said.count("\n")


@pytest.mark.gate("starts a Postgres")
def test_a_database_without_a_journal(capsys: pytest.CaptureFixture[str]) -> None:
    """A database that has no journal is told in one line, and nothing is made in it."""
    with postgres_server() as address:
        for action in ("runs", "show", "prune --older-than 1d", "runs"):
            name, *options = action.split()
            assert 2 == main(["journal", name, address, *options])
            said = capsys.readouterr().err
            assert "The database has no journal in the schema miniagents" in said
            assert 1 == said.count("\n")


def test_in_use(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal is pruned while it is in use."""
    with Journal(path):
        assert 0 == main(["journal", "prune", str(path), "--older-than", "0s"])
    assert "runs removed" in capsys.readouterr().out


@tool
async def pay(amount: int) -> str:
    """Pay."""
    return f"{amount} paid, {await ask('For what?')}"


async def run_command(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str]:
    """Run the command beside the server of this process: its exit code, and what it wrote."""
    code = await asyncio.to_thread(main, ["journal", *words])
    captured = capsys.readouterr()
    return code, captured.out + captured.err


@pytest.mark.gate("half a second of real time")
async def test_questions(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A question is a line with all that is asked; the run goes on at once when it is answered from here."""
    file = tmp_path / "runs.journal"
    call = AssistantMessage(parts=[ToolCall("1", "pay", '{"amount": 100}')])
    model = scripted_model(call, "Done.", call, "Done.").with_tools(pay, approve=approval())

    async def line(after: str = "") -> list[str]:
        """The first question that is not the one after which it comes."""
        for _ in range(1000):
            shown = (await run_command(capsys, "questions", str(file)))[1].split(maxsplit=2)
            if shown and shown[1] != after:
                return shown
            await asyncio.sleep(0.01)
        raise AssertionError("no question is shown")

    async def answered(*words: str) -> tuple[int, str]:
        return await run_command(capsys, "answer", str(file), *(await line())[:2], *words)

    async def result(run: str) -> str:
        parts = [each.part async for _, each in runs.frames(run) if isinstance(each, MessagePart)]
        (found,) = (each.text for each in parts if isinstance(each, ToolResult))
        return found

    async with Journal(file) as journal, MiniAgents():
        runs = Runs(journal, agents={"payer": model.bind()})
        run = await runs.begin("payer", "Pay.")
        shown = await line()
        assert (run, 'approval pay {"amount": 100}\n') == (shown[0], shown[2])
        code, why = await answered("--value", "1")
        assert (2, True) == (code, "neither allows nor rejects the call" in why), why
        assert (0, "answered\n") == await answered("--arguments", '{"amount": 5}')
        assert (0, "answered\n") == await run_command(
            capsys, "answer", str(file), run, shown[1], "--arguments", '{"amount": 5}'
        )
        shown = await line(after=shown[1])
        assert 'question For what? {"type": "string"}\n' == shown[2]
        assert (0, "answered\n") == await answered("--value", '"a book"')
        assert "5 paid, a book" == await result(run)
        code, why = await run_command(capsys, "answer", str(file), run, shown[1], "--value", '"a pen"')
        assert (2, True) == (code, "answered already" in why), why
        run = await runs.begin("payer", "Pay.")
        assert (0, "answered\n") == await answered("--reject", "Too much.")
        assert "Too much." == await result(run)


async def test_an_answer_without_a_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While no server works on the run, an answer is recorded, and the command says what is still to come.

    The question is shown as answered, with the version whose server checks this; the right answer may follow.
    """
    monkeypatch.setattr("miniagents.cli._journal._CHECKED", amount(1, 20) / 10)  # seconds; 2 of them are real
    file = str(tmp_path / "runs.journal")
    asked: Event = ["question", 0, "q", "question", {"text": "How many?"}, "", None]
    async with Journal(file) as journal:
        await journal.begin(Lease(RunRecord("7", version="5")), [asked])
        for value, *by in (('"many"',), ("3", "--by", "ada")):
            code, said = await run_command(capsys, "answer", file, "7", "q", "--value", value, *by)
            assert (0, True) == (code, said.startswith("recorded; the run checks it when a server"))
        sent = [cast("dict[str, object]", each) for each in (await journal.read("7")).sent.values()]
        assert [("many", None), (3, "ada")] == [(each["value"], each.get("by")) for each in sent]
        _, said = await run_command(capsys, "questions", file)
        assert said.endswith(" (answered by ada; a server of version 5 checks it)\n")


async def test_a_line_for_each(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No text of a client or a model can look like a line about another run or question."""
    file, other = str(tmp_path / "runs.journal"), "\u20288 q approval pay {}\n"
    asked: Event = ["question", 0, "q", "approval", {"tool": "pay", "arguments": {"to": other}}, "", None]
    async with Journal(file) as journal:
        await journal.begin(Lease(RunRecord("7", f"ada{other}", f"chat{other}")), [asked])
        for what in ("runs", "questions"):
            _, said = await run_command(capsys, what, file)
            assert (1, True) == (len(said.splitlines()), "7 " in said), said


async def test_runs_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A run that waits, or was left, is shown with its state, and whether its version has a server."""
    file = str(tmp_path / "runs.journal")
    async with Journal(file) as journal:
        part = await journal.join("2", lambda: None)
        for version, wake_at in (("1", 1e12), ("1", None), ("2", 1e12)):
            await journal.begin(
                lease := Lease(RunRecord(f"v{version}-{wake_at}", "", "", version, "server")), []
            )
            await journal.leave(lease, wake_at=wake_at)
        await journal.begin(Lease(RunRecord("works", "", "", "1", "server")), [])
        _, said = await run_command(capsys, "runs", file)
        part()
    assert [
        "works 1 live",
        "v2-1000000000000.0 2 parked",
        "v1-None 1 left (no server of its version is there)",
        "v1-1000000000000.0 1 parked (no server of its version is there)",
    ] == [line.split(" ", 1)[1] for line in said.splitlines()]


@pytest.mark.gate("half a second of real time")
def test_cassette(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The calls of models in a run are a cassette: a test replays them without a model, with their pauses."""

    @tool
    async def look(what: str) -> str:
        return f"{what} is blue"

    asks = AssistantMessage(parts=["I look.", ToolCall("1", "look", '{"what": "sky"}')])
    answer = AssistantMessage("It is blue.", model="gpt-4o", usage=Usage(7, 3))

    async def run(model: ModelAgent[...], where: Path) -> list[str]:
        async with Journal(where) as journal, durable(journal, run_id="r"):
            looker = model.fork(temperature=0.5).with_tools(look)
            replies = await (looker | model).inquire(["Which colour?", SystemMessage("Be short.")])
            return [f"{type(each).__name__} {each}" for each in replies]

    model = scripted_model(asks, answer, "Yes.", delay=0.01, alias="MODEL")
    made = MiniAgents().run(run(model, tmp_path / "first"))
    assert 0 == main(["journal", "cassette", str(tmp_path / "first"), "r"])
    lines = capsys.readouterr().out
    (cassette := tmp_path / "run.jsonl").write_text(lines)
    with Cassette(cassette) as player:
        again = MiniAgents().run(run(player(scripted_model(alias="MODEL")), tmp_path / "again"))
    assert made == again
    assert 0 == main(["journal", "export", str(tmp_path / "first"), "r"])
    assert (2, 1) == (lines.count("Be short."), capsys.readouterr().out.count("Be short."))
    assert max(json.loads(line).get("at", 0) for line in lines.splitlines()) >= 0.02
