"""What `python -m tests.release` takes, and what it gives to the programs that it starts."""

import os
import re
import tomllib
from collections.abc import Mapping, Sequence
from typing import cast

import pytest

from tests.release.__main__ import OF_SOURCES, ROOT, TRIALS, main, surroundings
from tests.release.extras import GIVES

SETTINGS = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
README = (ROOT / "README.md").read_text(encoding="utf-8")
NOT_OF_USERS = {"bench", "browser", "docs", "test"}


def test_a_wrong_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A name that is none of the trials is refused before anything is built."""
    with pytest.raises(SystemExit) as left:
        main(["lowst", "--", "-n", "1"])
    assert 2 == left.value.code
    assert f"'lowst' is none of {', '.join(TRIALS)}" in capsys.readouterr().err


def test_nothing_of_ours_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs get our variables, but those that lead to the sources, other versions or a real model."""
    names = {"PYTHONPATH", "PIP_CONSTRAINT", "PYTEST_ADDOPTS", "OPENAI_API_KEY", "ANTHROPIC_BASE_URL"}
    for name in names | {"PIP_INDEX_URL"}:
        monkeypatch.setenv(name, "value")
    assert set(os.environ) - names >= set(surroundings())
    assert "PIP_INDEX_URL" in surroundings()


def test_what_is_left_out_is_there() -> None:
    """What is left out because it needs the sources is a folder of tests or a file of them."""
    paths = [ROOT / path for path in OF_SOURCES]
    assert [] == [path for path in paths if not (path.is_file() or any(path.glob("test_*.py")))]


def test_each_extra_is_tried() -> None:
    """There is a program for each extra that users install."""
    extras = cast("Mapping[str, object]", SETTINGS["project"]["optional-dependencies"])
    assert set(extras) - NOT_OF_USERS == set(GIVES)


def test_the_readme_on_an_index() -> None:
    """On a package index, no link and no picture of the README leads to a file; its code is as it was."""
    shown = README
    hook = SETTINGS["tool"]["hatch"]["metadata"]["hooks"]["fancy-pypi-readme"]
    for each in cast("Sequence[Mapping[str, str]]", hook["substitutions"]):
        shown = re.sub(each["pattern"], each["replacement"], shown)
    assert ["](docs/index.md)"] == re.findall(r"\]\(docs/index\.md\)", README)[:1]
    assert [] == [to for to in re.findall(r"\]\(([^)]*)\)", _prose(shown)) if not to.startswith("http")]
    assert re.findall(r"https?://\S+", README) == re.findall(r"https?://\S+", shown)
    assert _blocks(README) == _blocks(shown)


def _blocks(page: str) -> list[str]:
    return re.findall(r"^```.*?^```$", page, re.MULTILINE | re.DOTALL)


def _prose(page: str) -> str:
    return re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
