"""Which model an agent is going to ask, as it tells before it asks."""

import copy
from collections.abc import Mapping

import pytest
from openai import AsyncOpenAI
from pydantic import SecretStr

from miniagents import AssistantMessage, InteractionContext, Message
from miniagents.ext.llm.openai import openai_agent
from miniagents.models import AskedModel, ModelAgent, model_agent

Asking = InteractionContext[Message, AssistantMessage]


def told(given: Mapping[str, object]) -> AskedModel:
    return AskedModel(f"acme/{given.get('model')}", "acme", "acme.example")


@model_agent(asks=told)
async def acme(ctx: Asking, *, model: str = "m-1", tools: object = ()) -> None: ...


@model_agent
async def silent(
    ctx: Asking,
    *,
    model: str | None = None,
    base_url: str | None = None,
    api_key: SecretStr | None = None,
    client: object = None,
    tools: object = (),
) -> None: ...


def test_told_by_the_provider() -> None:
    """What a provider tells holds for every copy and fork of its agent, with the keywords of each call."""
    for agent in (acme, acme.fork(), acme.timeout(total=5), acme.bind(), copy.copy(acme)):
        assert AskedModel("acme/m-1", "acme", "acme.example") == agent.asks()
    assert ("acme/m-2", "acme/m-3") == (acme.fork(model="m-2").asks().model, acme.asks(model="m-3").model)


def test_keywords() -> None:
    """Without that, the keywords tell: the same model, server and key are equal, and others are not."""
    plain: ModelAgent[...] = silent
    here = plain.fork(model="m-1", base_url="http://x/v1", api_key="k")
    assert here.asks() == here.fork(base_url="http://x/v1/", api_key=SecretStr("k")).asks()
    for other in ({"model": "m-2"}, {"base_url": "http://y/v1"}, {"api_key": "k-2"}, {"api_key": None}):
        assert here.asks() != here.fork(**other).asks()
    assert plain.asks() == plain.fork(model=None).asks() != plain.fork(client=object()).asks()
    assert (None, "m-1") == (plain.asks().model, here.asks().model)


@pytest.mark.parametrize("key", ["sk-secret-1234567890", SecretStr("sk-secret-1234567890")])
def test_no_key_is_shown(key: str | SecretStr, monkeypatch: pytest.MonkeyPatch) -> None:
    """What stands for a key does not show it."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    client = AsyncOpenAI(api_key="sk-secret-1234567890")
    for asked in (openai_agent.asks(api_key=key), openai_agent.asks(client=client)):
        assert "secret" not in repr(asked)
        assert asked.key is not None
    assert openai_agent.asks().key is None
