"""What `python -m tests.release` takes, and what it gives to the programs that it starts."""

import os

import pytest

from tests.release.__main__ import OF_SOURCES, ROOT, TRIALS, main, surroundings


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
    """The folders of tests that need the sources are folders of tests."""
    assert [] == [folder for folder in OF_SOURCES if not any((ROOT / folder).glob("test_*.py"))]
