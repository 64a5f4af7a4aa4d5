"""A log of calls of models: what is noted, its page, and its folder."""

import logging
import stat
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import BaseModel, SecretStr
from typing_extensions import override

from miniagents import (
    AnswerSchema,
    AssistantMessage,
    Citation,
    Finish,
    Image,
    Message,
    Messages,
    MiniAgents,
    Part,
    Reasoning,
    Refusal,
    SystemMessage,
    ToolCall,
    ToolCallDelta,
    ToolMessage,
    ToolResult,
    Usage,
    UserMessage,
    tool,
)
from miniagents.ext._llm_log import LogFolder, LoggedCall, markdown
from miniagents.testing import scripted_model


async def test_parts_go_through() -> None:
    """Every part is passed on and noted with its time, and the data of the message goes on too."""
    data = {"usage": Usage(1, 2), "finish_reason": "stop", "lang": "en"}
    said = AssistantMessage.model_validate({"parts": [Reasoning("Hm."), "Hi"], **data})
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


@tool
def look(where: str) -> str:
    """Look."""
    return where


class City(BaseModel):
    """A city."""

    name: str


ANSWER = AssistantMessage("Oslo.", model="m-1-of-today", response_id="r-1", finish_reason="stop")
CALL = LoggedCall(
    "OPENAI_AGENT",
    {"model": "m-1", "temperature": 0.2, "stream": True, "base_url": "http://me:pass@localhost", "extra": {}},
    began=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC),
    since=0.0,
    prompt=Messages([SystemMessage("Be brief."), UserMessage("What is this?", parts=[Image(data=b"GIF8")])]),
    parts=[
        (0.25, Reasoning("Fa")),
        (0.5, Reasoning("r north.")),
        (0.75, "Os"),
        (1.0, "lo."),
        (1.0, Usage(9, 5, 4, 2)),
        (1.0, Finish("stop")),
    ],
    message=ANSWER,
    seconds=1.25,
)
PAGE = """\
# OPENAI_AGENT, 2026-01-02 03:04:05.678901 UTC

| | |
|---|---|
| model | m-1 |
| stream | True |
| temperature | 0.2 |
| answered by | m-1-of-today |
| response | r-1 |
| finish | stop |
| tokens in | 9, 4 of them cached |
| tokens out | 5, 2 of them reasoning |
| first part after | 0.250 s |
| whole after | 1.250 s |

## Prompt

### system

```text
Be brief.
```

### user

```text
What is this?
```

### image of user

```text
image/gif, 4 bytes
```

## Answer

### reasoning, 0.250 s to 0.500 s

```text
Far north.
```

### text, 0.750 s to 1.000 s

```text
Oslo.
```
"""


def test_a_whole_page() -> None:
    """The page has the times, the harmless keywords, usage, the prompt, and the parts put together."""
    assert markdown(CALL) == PAGE


def headings(page: str) -> list[str]:
    """The headings of a page, as a viewer sees them: not what stands in fences."""
    found: list[str] = []
    fence = ""
    for line in page.splitlines():
        if line.startswith("```"):
            marks = line[: len(line) - len(line.lstrip("`"))]
            fence = ("" if marks == fence and line == marks else fence) if fence else marks
        elif not fence and line.startswith("#"):
            found.append(line)
    assert fence == ""
    return found


def test_every_kind_of_part() -> None:
    """Texts before and behind something else are two; pieces of calls that come by turns are put together."""
    parts: list[Part] = [
        "Let me look.",
        ToolCallDelta(0, "c-1", "look", '{"where": '),
        ToolCallDelta(1, "c-2", "look"),
        ToolCallDelta(0, arguments='"here"}'),
        "And so.",
        Refusal("No, "),
        Refusal("never."),
        Citation("https://example.org", "Example", "words"),
        Reasoning("", "signed", redacted=True),
    ]
    page = markdown(replace(CALL, parts=[(float(at), part) for at, part in enumerate(parts)]))
    assert headings(page)[headings(page).index("## Answer") + 1 :] == [
        "### text, 0.000 s",
        "### call of look (c-1), 1.000 s to 3.000 s",
        "### call of look (c-2), 2.000 s",
        "### text, 4.000 s",
        "### refusal, 5.000 s to 6.000 s",
        "### citation, 7.000 s",
        "### reasoning, 8.000 s",
    ]
    assert '\n{"where": "here"}\n' in page
    assert "\nNo, never.\n" in page
    assert "\nExample https://example.org\nwords\n" in page
    assert "\n(hidden)\n" in page


def test_tools_and_schema() -> None:
    """The page tells of the tools that could be called, of those that were, and of the schema."""
    answered = AssistantMessage(parts=[ToolCall("c-1", "look", '{"where": "here"}')])
    results = ToolMessage(
        parts=[ToolResult("c-1", "here", name="look"), ToolResult("c-2", "dark", is_error=True, name="look")]
    )
    page = markdown(
        replace(
            CALL,
            keywords={"tools": (look.spec,), "answer_schema": AnswerSchema.of(City)},
            prompt=Messages([Message("Look."), answered, results]),
        )
    )
    assert headings(page)[1:-3] == [
        "## Prompt",
        "### user",
        "### call of look (c-1) of assistant",
        "### result of look (c-1) of tool",
        "### error of look (c-2) of tool",
        "## Tools",
        "### look",
        "## Schema: City",
    ]
    assert '"where": {\n' in page
    assert '"name": {\n' in page


def test_no_text_forges_a_heading() -> None:
    """Whatever was said or called so stays inside its fence; control characters are shown, not obeyed."""
    nasty = "```\n# forged\n````\n## Answer\n`````text\n\x1b[2J\u2028\ud800"
    call = ToolCall("c-1\n# forged", "look|\n# forged", nasty)
    prompt = Messages([Message(nasty), AssistantMessage(parts=[call])])
    page = markdown(replace(CALL, prompt=prompt, parts=[(0.0, nasty)], error=ValueError(nasty)))
    assert headings(page) == [
        "# OPENAI_AGENT, 2026-01-02 03:04:05.678901 UTC",
        "## Prompt",
        "### user",
        "### call of look\\| # forged (c-1 # forged) of assistant",
        "## Answer",
        "### text, 0.000 s",
        "### error",
    ]
    assert page.count("\\u001b[2J\\u2028\\ud800") == 4


def test_no_key_stands_in_a_page() -> None:
    """Keys are covered wherever they were said: those that are known, and what looks like one."""
    key = "canary-9f3b"
    call = replace(
        CALL,
        keywords={"api_key": key, "system": f"I have {key}", "model": key},
        prompt=Messages([Message(f"My key is {key}, and sk-abcdef123456 too")]),
        parts=[(0.0, f"{key[:5]}"), (0.1, key[5:])],
        error=ValueError(f"wrong key {key}"),
    )
    page = markdown(call)
    assert key not in page
    assert "sk-abcdef" not in page
    assert page.count("[redacted]") == 6


def test_what_did_not_end() -> None:
    """A call that failed or was left says so."""
    failed = markdown(replace(CALL, message=None, error=ConnectionError("cut"), seconds=2.0))
    assert "| end | an error |" in failed
    assert failed.endswith("### error\n\n```text\nConnectionError: cut\n```\n")
    left = markdown(replace(CALL, message=None, parts=[], prompt=None))
    assert "| end | stopped: its readers had left |" in left
    assert "first part after" not in left
    assert "## Prompt\n\nIt could not be read.\n" in left


CALL_FOLDER = LoggedCall("MY AGENT/../x", {}, began=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))


def names(folder: Path) -> list[str]:
    """What is in a folder."""
    return [file.name for file in folder.iterdir()]


async def test_a_file_each(tmp_path: Path) -> None:
    """Each call has a file of its own, named by time and agent, also two of one moment; I alone read it."""
    folder = LogFolder(tmp_path / "deep" / "logs")
    await folder.write(CALL_FOLDER)
    await folder.write(CALL_FOLDER)
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
            await folder.write(CALL_FOLDER)
    (record,) = (each for each in caplog.records if each.name.startswith("miniagents"))
    assert (record.levelname, record.exc_info) == ("WARNING", None)
    assert (
        "(NotADirectoryError, Not a directory); calls of models are not logged there" in record.getMessage()
    )


async def test_what_cannot_be_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Also a page that cannot be made breaks nothing, and the warning does not quote it."""

    class NastyError(Exception):
        @override
        def __str__(self) -> str:
            raise ValueError("canary")

    await LogFolder(tmp_path).write(LoggedCall("MODEL", {}, error=NastyError()))
    assert names(tmp_path) == []
    (record,) = (each for each in caplog.records if each.name.startswith("miniagents"))
    assert "(ValueError); calls of models are not logged" in record.getMessage()
    assert "canary" not in record.getMessage()
