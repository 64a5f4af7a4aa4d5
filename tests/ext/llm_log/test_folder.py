"""Tests of the folder of a log."""

import logging
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typing_extensions import override

from miniagents.ext._llm_log import LogFolder, LoggedCall

CALL = LoggedCall("MY AGENT/../x", {}, began=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [file.name for file in folder.iterdir()]


async def test_a_file_each(tmp_path: Path) -> None:
    """Each call has a file of its own, named by time and agent, also two of one moment; I alone read it."""
    folder = LogFolder(tmp_path / "deep" / "logs")
    await folder.write(CALL)
    await folder.write(CALL)
    files = sorted((tmp_path / "deep" / "logs").iterdir())
    assert [file.name for file in files] == [
        "2026-01-02T03-04-05.000006_MY-AGENT-x-2.md",
        "2026-01-02T03-04-05.000006_MY-AGENT-x.md",
    ]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert files[0].read_text(encoding="utf-8").startswith("# MY AGENT/../x, 2026-01-02")


async def test_one_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that cannot be written into is one warning, however often that happens."""
    (tmp_path / "file").write_text("here")
    folder = LogFolder(tmp_path / "file" / "logs")
    with caplog.at_level(logging.DEBUG):
        for _ in range(3):
            await folder.write(CALL)
    (record,) = (each for each in caplog.records if each.name.startswith("miniagents"))
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert "(NotADirectoryError, Not a directory); models are called without a log" in record.getMessage()


async def test_what_cannot_be_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also a page that cannot be made breaks nothing, and the warning does not quote it."""

    class NastyError(Exception):
        @override
        def __str__(self) -> str:
            raise ValueError("canary")

    await LogFolder(tmp_path).write(LoggedCall("MODEL", {}, error=NastyError()))
    assert names(tmp_path) == []
    (record,) = (each for each in caplog.records if each.name.startswith("miniagents"))
    assert "(ValueError); models are called without" in record.getMessage()
    assert "canary" not in record.getMessage()
