"""Settings are usable, or a clear error that shows no key."""

import math
from collections.abc import Callable
from datetime import timedelta
from typing import cast

import pytest
from pydantic import SecretStr

from miniagents import LLMConfigError, MiniAgent, MiniAgents, SystemMessage
from miniagents.ext.llm import Provider
from miniagents.ext.llm._options import Extras, ModelOptions
from miniagents.ext.llm._settings import Endpoint, server_of
from miniagents.ext.llm.openai import openai_agent

ACME = Provider("acme", "https://api.acme.test/v1", ("acme.test",))


def test_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is the one that is given, else the one of the environment, else an error that names both."""
    with pytest.raises(LLMConfigError, match=r"give model=\.\.\., or set ACME_MODEL"):
        ACME.model(None)
    monkeypatch.setenv("ACME_MODEL", "small")
    assert ACME.model(None) == "small"
    assert ACME.model("large") == "large"


def test_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key is the one that is given, else the one of the environment, else an error that names both."""
    with pytest.raises(LLMConfigError, match=r"give api_key=\.\.\., or set ACME_API_KEY"):
        ACME.endpoint(None, None)
    monkeypatch.setenv("ACME_API_KEY", " from-environment\n")
    assert ACME.endpoint(None, None) == Endpoint("acme", ACME.base_url, SecretStr("from-environment"))
    assert ACME.endpoint("plain", None) == ACME.endpoint(SecretStr("plain"), None)
    assert "plain" not in repr(ACME.endpoint("plain", None))


def test_key_is_not_needed_elsewhere() -> None:
    """A server that is not the provider's own may do without a key."""
    assert ACME.endpoint(None, "http://localhost:8000/v1").api_key is None
    with pytest.raises(LLMConfigError):
        ACME.endpoint(None, "https://eu.acme.test/v1")


@pytest.mark.parametrize("key", ["schlüssel", "two\nlines"])
def test_impossible_key(key: str) -> None:
    """A key that no header can carry is refused before any call, and not shown."""
    with pytest.raises(LLMConfigError, match="characters that no key has") as caught:
        ACME.endpoint(key, None)
    assert key not in str(caught.value)


def test_base_url(monkeypatch: pytest.MonkeyPatch) -> None:
    """The address is the one that is given, else the one of the environment, else the provider's."""
    monkeypatch.setenv("ACME_API_KEY", "key")
    assert ACME.endpoint(None, None).base_url == ACME.base_url
    monkeypatch.setenv("ACME_BASE_URL", "http://proxy/v1")
    assert ACME.endpoint(None, None).base_url == "http://proxy/v1"
    assert ACME.endpoint("key", "http://other").base_url == "http://other"


@pytest.mark.parametrize(
    "url", ["localhost:8000", "ftp://host", "http://", "http://[::1", "http://host:99999"]
)
def test_no_address(url: str) -> None:
    """What is no address is refused before any call."""
    with pytest.raises(LLMConfigError, match="is not an address"):
        ACME.endpoint("key", url)


@pytest.mark.parametrize(
    ("url", "own"),
    [
        ("https://acme.test", True),
        ("https://eu.acme.test/v1", True),
        ("https://notacme.test", False),
        ("[", False),
    ],
)
def test_own(url: str, own: bool) -> None:
    """The provider's own addresses are told from others, and from look-alikes."""
    assert ACME.is_own(url) is own


def test_the_key_of_the_environment_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """W12: if the environment's key goes to another server, one warning names it, and says what to do."""
    monkeypatch.setenv("ACME_API_KEY", "sk-secret-of-acme")
    with pytest.warns(UserWarning, match="ACME_API_KEY is sent to api.other.example") as caught:
        assert ACME.endpoint(None, "https://api.other.example/v1").api_key is not None
    (warning,) = caught
    assert "api_key=os.environ['ACME_API_KEY']" in str(warning.message)
    assert "secret" not in str(warning.message)
    for url in ("https://eu.acme.test/v1", "http://localhost:1/v1", "http://127.0.0.1:1", "http://[::1]:1"):
        ACME.endpoint(None, url)
    ACME.endpoint("its own", "https://api.other.example/v1")
    monkeypatch.setenv("ACME_BASE_URL", "https://api.other.example/v1")  # said where the key is said
    ACME.endpoint(None, None)


def test_server() -> None:
    """A server is named with its port, and without credentials."""
    assert server_of("http://me:secret@localhost:8000/v1") == "localhost:8000"


def test_extras() -> None:
    """Fields go to the body, headers and query parameters where their names say."""
    extra = {"top_k": 5, "extra_headers": {"A": 1}, "extra_query": {"q": "x"}, "extra_body": {"seed": 7}}
    assert Extras.of(extra, {}) == Extras({"top_k": 5, "seed": 7}, {"A": "1"}, {"q": "x"})
    assert Extras.of(None, {}) == Extras()


def test_reserved_extras() -> None:
    """A field that has a keyword of its own is refused, and so is what is no mapping."""
    with pytest.raises(LLMConfigError, match="'model' cannot be given through extra; give model="):
        Extras.of({"extra_body": {"model": "x"}}, {"model": "give model=..."})
    with pytest.raises(LLMConfigError, match=r"extra\['extra_headers'\] is a list; give a mapping"):
        Extras.of({"extra_headers": ["x"]}, {})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("max_tokens", ModelOptions(max_tokens=0)),
        ("temperature", ModelOptions(temperature=-0.1)),
        ("temperature", ModelOptions(temperature=2.1)),
        ("temperature", ModelOptions(temperature=math.nan)),
        ("max_retries", ModelOptions(max_retries=-1)),
    ],
)
def test_numbers(name: str, options: ModelOptions) -> None:
    """A number that no provider takes is refused by its name."""
    with pytest.raises(LLMConfigError, match=f"^{name}="):
        options.check()
    ModelOptions(max_tokens=1, temperature=0.0, max_retries=0).check()
    ModelOptions(temperature=1).check()
    ModelOptions().check()


@pytest.mark.parametrize("name", ["model", "system", "api_key", "base_url", "extra"])
async def test_no_texts(name: str) -> None:
    """What is no text, such as a message as system=, or no mapping as extra=, is refused by its name."""
    given = {"model": "m", "api_key": "none", name: SystemMessage("Be brief.")}
    async with MiniAgents():
        with pytest.raises(
            LLMConfigError, match=f"^{name}( is of type SystemMessage; give a t|=.* is not a m)"
        ):
            await cast("Callable[..., MiniAgent]", openai_agent.fork)(**given).inquire("Hi")


@pytest.mark.parametrize("name", ["max_tokens", "temperature", "max_retries"])
@pytest.mark.parametrize("wrong", ["3", True, timedelta(seconds=3)])
async def test_no_numbers(name: str, wrong: object) -> None:
    """What is no number, such as a text of the environment, is refused by its name before any call."""
    fork = cast("Callable[..., MiniAgent]", openai_agent.fork)
    async with MiniAgents():
        with pytest.raises(LLMConfigError, match=f"^{name}=.* is not a"):
            await fork(model="m", api_key="none", **{name: wrong}).inquire("Hi")
