"""Tests of what is noted of a call."""

import pytest
from pydantic import SecretStr

from miniagents import AssistantMessage, Finish, MiniAgents, Reasoning, Usage
from miniagents.ext._llm_log import LoggedCall
from miniagents.testing import scripted_model


async def test_parts_go_through() -> None:
    """Every part is passed on and noted with its time, and the data of the message goes on too."""
    data = {"usage": Usage(1, 2), "finish_reason": "stop", "lang": "en"}
    said = AssistantMessage(None, parts=[Reasoning("Hm."), "Hi"], **data)
    call = LoggedCall("MODEL", {})
    metadata: dict[str, object] = {}
    async with MiniAgents():
        parts = [part async for part in call.passing(said.as_promise, metadata)]
    assert parts == [Reasoning("Hm."), "Hi", Usage(1, 2), Finish("stop")]
    assert [part for _, part in call.parts] == parts
    times = [since for since, _ in call.parts]
    assert times == sorted(times)
    assert metadata == data
    assert (call.message, call.error, call.seconds) == (said, None, None)
    call.end()
    assert call.seconds is not None
    assert call.seconds >= times[-1]


async def test_errors_go_through() -> None:
    """The error of the message is noted and is the very one that the reader gets."""
    call = LoggedCall("MODEL", {})
    error = ConnectionError("cut")
    async with MiniAgents():
        promises = [each async for each in scripted_model(error).inquire("Hi")]
        with pytest.raises(ConnectionError) as caught:
            _ = [part async for part in call.passing(promises[0], {})]
    assert caught.value is error
    assert (call.error, call.message) == (error, None)


def test_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys are known wherever they were given: as a keyword, in a client, in the environment."""

    class Client:
        api_key = "key-of-client"
        auth_token = None

    monkeypatch.setenv("ACME_API_KEY", "key-of-environment")
    monkeypatch.setenv("ACME_MODEL", "m-1")
    keywords = {"api_key": SecretStr("key-of-keyword"), "client": Client(), "max_tokens": 9}
    secrets = LoggedCall("MODEL", keywords).secrets
    assert {"key-of-keyword", "key-of-client", "key-of-environment"} <= set(secrets)
    assert not {"m-1", "9", ""} & set(secrets)
