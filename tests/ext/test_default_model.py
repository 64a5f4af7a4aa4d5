"""Whichever language model there is a key for."""

import pytest

from miniagents.ext.default_model import default_model
from miniagents.testing import scripted_model

KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OPENAI_MODEL", "ANTHROPIC_MODEL")


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the keys of the developer who runs the tests."""
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def test_without_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key Eliza answers, and one line says how to get a model."""
    assert default_model().alias == "ELIZA_AGENT"
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("No key is set, so ELIZA_AGENT answers. ")
    assert said.err.count("\n") == 1
    assert all(name in said.err for name in ("miniagents[openai]", "OPENAI_API_KEY", "ANTHROPIC_API_KEY"))


def test_otherwise(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a key it is the one that was given for that."""
    assert default_model(otherwise=scripted_model("Hi", alias="A_SCRIPT")).alias == "A_SCRIPT"
    assert "so A_SCRIPT answers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("provider", "model"), [("openai", "gpt-5.4-mini"), ("anthropic", "claude-haiku-4-5")]
)
def test_with_a_key(
    provider: str, model: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a key it is that provider's agent, and nothing is said."""
    monkeypatch.setenv(f"{provider.upper()}_API_KEY", "a key")
    agent = default_model(otherwise=scripted_model())
    assert (agent.alias, agent.defaults["model"]) == (f"{provider.upper()}_AGENT", model)
    assert capsys.readouterr().err == ""


def test_the_model_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment says which model of the provider."""
    monkeypatch.setenv("OPENAI_API_KEY", "a key")
    monkeypatch.setenv("OPENAI_MODEL", "gpt-of-my-own")
    assert default_model().defaults["model"] == "gpt-of-my-own"


def test_an_empty_key(capsys: pytest.CaptureFixture[str]) -> None:
    """An empty key is no key."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", "")
        assert default_model().alias == "ELIZA_AGENT"
    assert capsys.readouterr().err
