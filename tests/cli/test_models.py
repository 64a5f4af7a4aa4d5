import re
import sys
from pathlib import Path

import pytest

from miniagents import MiniAgents
from miniagents.cli._arguments import BadInputError, ChatOptions
from miniagents.cli._models import ChatModel, choose_model
from miniagents.ext.llm.anthropic import anthropic_agent
from miniagents.ext.llm.openai import openai_agent
from miniagents.ext.llm.openai_responses import openai_responses_agent

OPENAI = {"OPENAI_API_KEY": "k"}
ANTHROPIC = {"ANTHROPIC_API_KEY": "k"}


def chosen(
    environ: dict[str, str],
    model: str | None = None,
    base_url: str | None = None,
    system: str | None = None,
) -> ChatModel:
    return choose_model(ChatOptions(model, base_url, system, Path("x")), environ, is_terminal=False)


@pytest.mark.parametrize(
    ("environ", "model", "title"),
    [
        ({}, None, "eliza (rules, no language model)"),
        (OPENAI, "eliza", "eliza (rules, no language model)"),
        (OPENAI, None, "gpt-5.4-mini of openai"),
        (ANTHROPIC, None, "claude-haiku-4-5 of anthropic"),
        (OPENAI | ANTHROPIC, None, "gpt-5.4-mini of openai"),
        (ANTHROPIC | {"OPENAI_API_KEY": ""}, None, "claude-haiku-4-5 of anthropic"),
        (OPENAI | {"OPENAI_MODEL": "big"}, None, "big of openai"),
        (ANTHROPIC | {"ANTHROPIC_MODEL": "big"}, None, "big of anthropic"),
        (OPENAI | ANTHROPIC, "anthropic:c", "c of anthropic"),
        (OPENAI | {"OPENAI_MODEL": "big"}, "openai", "big of openai"),
        (OPENAI, "openai:library/m:7b", "library/m:7b of openai"),
        (OPENAI, "openai-responses:m", "m of openai-responses"),
        (OPENAI | {"OPENAI_MODEL": "big"}, "openai-responses", "big of openai-responses"),
    ],
)
def test_who_answers(environ: dict[str, str], model: str | None, title: str) -> None:
    """`--model` decides; else the key that is set; else eliza."""
    assert title == chosen(environ, model).title


def test_the_address_to_look_at() -> None:
    """`--base-url` beats the environment; without both there is none to look at."""
    assert chosen(OPENAI).base_url is None
    environ = OPENAI | {"OPENAI_BASE_URL": "http://env"}
    assert "http://env" == chosen(environ).base_url
    assert "http://said" == chosen(environ, base_url="http://said").base_url
    environ = {"OPENAI_BASE_URL": "http://one", "ANTHROPIC_BASE_URL": "http://other"}
    for model in ("openai:m", "openai-responses:m"):
        assert "http://one" == chosen(environ, model).base_url
    assert "http://other" == chosen(environ, "anthropic:m").base_url


def test_the_agent_is_told_what_was_said() -> None:
    """Model, address and instructions are the agent's keywords; what was not said is left as it was."""
    agent = chosen(OPENAI, "openai:m", "http://said", "Be kind").agent
    said = {"model": "m", "base_url": "http://said", "system": "Be kind"}
    assert {**openai_agent.defaults, **said} == agent.defaults
    agent = chosen(OPENAI, "openai-responses:m", "http://said", "Be kind").agent
    assert {**openai_responses_agent.defaults, **said} == agent.defaults
    agent = chosen(ANTHROPIC, "anthropic:m").agent
    assert {**anthropic_agent.defaults, "model": "m"} == agent.defaults


async def test_eliza_says_what_she_is() -> None:
    """Only eliza opens the conversation: no language model, and how to get one. She answers at once."""
    eliza = chosen({})
    assert eliza.opening is not None
    assert "not a language model" in eliza.opening
    assert "OPENAI_API_KEY" in eliza.opening
    assert chosen(OPENAI).opening is None
    async with MiniAgents():
        assert "Hello. How are you today?" == str(await eliza.agent.inquire("hello"))


@pytest.mark.parametrize(
    ("model", "said"),
    [
        ("acme:m", "--model acme:m: unknown provider 'acme'; write openai:NAME, openai-responses:NAME, "),
        ("", "unknown provider ''"),
        ("OPENAI:m", "unknown provider 'OPENAI'"),
        ("eliza:2", "unknown provider 'eliza'"),
        ("openai:", "the name of the model is missing"),
        ("anthropic: ", "the name of the model is missing"),
        ("openai:m", "OPENAI_API_KEY is not set"),
        ("anthropic:m", "ANTHROPIC_API_KEY is not set"),
        ("openai-responses:m", "OPENAI_API_KEY is not set"),
        ("openai_responses:m", "unknown provider 'openai_responses'"),
    ],
)
def test_what_cannot_answer_is_refused(model: str, said: str) -> None:
    """The error says what is missing."""
    with pytest.raises(BadInputError, match=re.escape(said)):
        chosen({}, model)


@pytest.mark.parametrize(("base_url", "environ"), [("http://x", {}), (None, {"OPENAI_BASE_URL": "http://x"})])
def test_a_server_of_someone_else_may_do_without_a_key(base_url: str | None, environ: dict[str, str]) -> None:
    """With an address of its own no key is asked for."""
    assert "m of openai" == chosen(environ, "openai:m", base_url).title


@pytest.mark.parametrize(("base_url", "system"), [("http://x", None), (None, "Be kind")])
def test_eliza_has_no_address_and_takes_no_instructions(base_url: str | None, system: str | None) -> None:
    """An option that would do nothing is refused."""
    with pytest.raises(BadInputError, match="is for language models, and eliza is none"):
        chosen({}, None, base_url, system)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_a_missing_sdk_is_said_with_the_line_to_install_it(
    monkeypatch: pytest.MonkeyPatch, provider: str
) -> None:
    """The error has the `pip install` line, in one line; the other provider is not needed."""
    monkeypatch.setitem(sys.modules, provider, None)
    for module in (provider, "_openai_sdk"):
        monkeypatch.delitem(sys.modules, f"miniagents.ext.llm.{module}", raising=False)
    with pytest.raises(BadInputError) as refused:
        chosen(OPENAI | ANTHROPIC, f"{provider}:m")
    assert f"pip install 'miniagents[{provider}]'" in str(refused.value).replace('"', "'")
    assert "\n" not in str(refused.value)
