"""``miniagents journal``."""

import json
import os
import sys
from pathlib import Path

import pytest

from miniagents import MiniAgents
from miniagents.cli import main
from miniagents.ext.journal import Journal, recorded
from miniagents.testing import scripted_model


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


def test_prune(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It removes calls, and says how many."""
    assert 0 == main(["journal", "prune", str(path), "--max-size", "1B"])
    assert "2 calls removed" in capsys.readouterr().out
    with Journal(path) as journal:
        assert [] == list(journal.calls())


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (["show", "{folder}/none"], "none does not exist."),
        (["prune", "{folder}/none", "--older-than", "1d"], "none does not exist."),
        (["show", "{folder}/text"], "cannot be read"),
        (["prune", "{file}"], "give --older-than"),
        (["prune", "{file}", "--older-than", "tomorrow"], "'tomorrow' is not a time"),
        (["prune", "{file}", "--max-size", "12"], "'12' is not a size"),
        (["look", "{file}"], "invalid choice"),
    ],
)
def test_wrong_input(path: Path, words: list[str], why: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong input is told in one line, with exit code 2, and no file is made."""
    (path.parent / "text").write_text("no journal" * 100)
    given = [each.format(folder=path.parent, file=path) for each in words]
    assert 2 == main(["journal", *given])
    said = capsys.readouterr().err
    assert why in said
    assert 1 == said.count("\n")
    assert not (path.parent / "none").exists()


def test_in_use(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A journal is pruned while it is in use."""
    with Journal(path):
        assert 0 == main(["journal", "prune", str(path), "--older-than", "0s"])
    assert "calls removed" in capsys.readouterr().out
