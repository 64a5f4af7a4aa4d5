"""Crosses modules: the whole command with a language model, through the real SDK and a real socket."""

import asyncio
import json
from pathlib import Path

import pytest

from miniagents.ext.chat_history_md import ChatHistoryMD
from tests.cli.processes import at_terminal, environment, on_pipe
from tests.support.sse_server import Exchange, Script, ScriptedServer, Step, answer, hold, serve, sse

PROMPT = "YOU:"
ENTER, CTRL_C = "\r", "\x03"


def chunk(text: str, finish_reason: str | None = None) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish_reason}
    event = {
        "id": "c-1",
        "object": "chat.completion.chunk",
        "model": "m-1",
        "created": 1,
        "choices": [choice],
    }
    return f"data: {json.dumps(event)}\n\n".encode()


def says(*words: str) -> Script:
    return sse(*map(chunk, words), chunk("", "stop"), b"data: [DONE]\n\n")


def begins(*steps: Step) -> Script:
    return sse(chunk("Once"), chunk(" upon"), *steps)


def options(server: ScriptedServer) -> list[str]:
    return ["--model", "openai:m", "--base-url", f"{server.url}/v1"]


@pytest.mark.gate("processes with an SDK each")
async def test_a_model_on_a_pipe(tmp_path: Path) -> None:
    """The model is asked with instructions and the whole history; its answer is shown and kept."""
    async with serve(says("Hel", "lo"), says("Again")) as server:
        kind = ("--system", "Be kind")
        first = await on_pipe(tmp_path, "one\n", *options(server), *kind, anew=True)  # as users start it
        second = await on_pipe(tmp_path, "two\n", *options(server), env=environment(OPENAI_API_KEY="k"))
    assert (0, "", 0, "") == (first.code, first.err, second.code, second.err)
    assert "m of openai answers; the conversation is kept in CHAT.md.\nm: Hello\n" == first.out
    assert (
        "m of openai answers; the conversation continues in CHAT.md (2 messages so far).\nm: Again\n"
        == second.out
    )
    asked = [request.json["messages"] for request in server.requests]
    assert [{"role": "system", "content": "Be kind"}, {"role": "user", "content": "one"}] == asked[0]
    expected = [("user", "one"), ("assistant", "Hello"), ("user", "two")]
    assert [{"role": role, "content": content} for role, content in expected] == asked[1]
    _, hello, _, _ = await ChatHistoryMD(tmp_path / "CHAT.md").load()
    assert ("Hello", "stop") == (hello.text, hello.finish_reason)  # type: ignore[attr-defined]  # data


@pytest.mark.gate("the program with the SDK in a process of its own")
async def test_an_error_of_the_model_on_a_pipe(tmp_path: Path) -> None:
    """It is one clear line on stderr, the next line is answered, and the exit code is 1."""
    refused = answer(400, {"error": {"message": "no such model", "type": "invalid_request_error"}})
    async with serve(refused, says("Hello")) as server:
        done = await on_pipe(tmp_path, "one\ntwo\n", *options(server))
    assert 1 == done.code
    assert done.out.endswith("\nm: Hello\n")
    assert 1 == done.err.count("\n")
    assert "no such model" in done.err
    messages = await ChatHistoryMD(tmp_path / "CHAT.md").load()
    assert ["one", "two", "Hello"] == [message.text for message in messages]


@pytest.mark.gate("the program with the SDK in a process of its own")
async def test_ctrl_c_stops_the_answer_and_the_model(tmp_path: Path) -> None:
    """The connection is left, what was shown is kept and marked, and the chat goes on."""
    async with (
        serve(begins(hold), says("Hello")) as server,
        at_terminal(tmp_path, *options(server)) as terminal,
    ):
        await terminal.expect(PROMPT)
        terminal.type("a story" + ENTER)
        await terminal.expect("m: Once upon")
        terminal.type(CTRL_C)
        await server.connections[0].gone.wait()
        await terminal.expect("(stopped)")
        await terminal.expect(PROMPT)
        terminal.type("hello" + ENTER)
        await terminal.expect("m: Hello")
        await terminal.expect(PROMPT)
        terminal.type("exit" + ENTER)
        assert 0 == await terminal.end()
        assert "Traceback" not in terminal.shown
    _, stopped, _, _ = await ChatHistoryMD(tmp_path / "CHAT.md").load()
    assert ("Once upon", "interrupted") == (stopped.text, stopped.finish_reason)  # type: ignore[attr-defined]


@pytest.mark.gate("the program with the SDK in a process of its own")
async def test_ctrl_c_before_the_first_word(tmp_path: Path) -> None:
    """A model that has not begun to answer is stopped as well; nothing of it is kept."""
    asked = asyncio.Event()

    async def tell(_exchange: Exchange) -> None:
        asked.set()

    async with serve(sse(tell, hold)) as server, at_terminal(tmp_path, *options(server)) as terminal:
        await terminal.expect(PROMPT)
        terminal.type("a story" + ENTER)
        await asked.wait()
        terminal.type(CTRL_C)
        await server.connections[0].gone.wait()
        await terminal.expect("(stopped)")
        await terminal.expect(PROMPT)
        terminal.type(CTRL_C)
        assert 0 == await terminal.end()
    assert ["a story"] == [message.text for message in await ChatHistoryMD(tmp_path / "CHAT.md").load()]


@pytest.mark.gate("the program with the SDK in a process of its own")
async def test_killed_while_the_model_speaks(tmp_path: Path) -> None:
    """A kill -9 loses the unfinished answer only; the next chat tells the model the rest."""
    async with serve(begins(hold), says("Hello")) as server:
        async with at_terminal(tmp_path, *options(server)) as terminal:
            await terminal.expect(PROMPT)
            terminal.type("a story" + ENTER)
            await terminal.expect("m: Once upon")
            terminal.process.kill()
            await terminal.end()
        done = await on_pipe(tmp_path, "hello", *options(server))
    assert (0, "") == (done.code, done.err)
    assert done.out.endswith("(1 message so far).\nm: Hello\n")
    messages = await ChatHistoryMD(tmp_path / "CHAT.md").load()
    assert ["a story", "hello", "Hello"] == [message.text for message in messages]


@pytest.mark.gate("the program with the SDK in a process of its own")
async def test_a_model_that_breaks_off_at_a_terminal(tmp_path: Path) -> None:
    """What came is shown and kept, the error is one line, and the prompt comes back."""
    async with serve(begins(), says("Hello")) as server, at_terminal(tmp_path, *options(server)) as terminal:
        await terminal.expect(PROMPT)
        terminal.type("a story" + ENTER)
        await terminal.expect("m: Once upon")
        await terminal.expect("miniagents: LLMTruncatedError: ")
        await terminal.expect(PROMPT)
        terminal.type(CTRL_C)
        assert 0 == await terminal.end()
        assert "Traceback" not in terminal.shown
    _, broken = await ChatHistoryMD(tmp_path / "CHAT.md").load()
    assert ("Once upon", "error") == (broken.text, broken.finish_reason)  # type: ignore[attr-defined]  # data
