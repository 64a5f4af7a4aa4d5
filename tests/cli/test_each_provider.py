"""Crosses modules: the whole command with each provider, several turns, at a server of one's own."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.cli.processes import at_terminal, environment, on_pipe
from tests.support.sse_server import Script, serve, sse
from tests.support.wires import ANTHROPIC, CHAT, RESPONSES, WIRES, Wire

pytestmark = [
    pytest.mark.gate("processes with an SDK each"),
    pytest.mark.parametrize("wire", WIRES, ids=repr),
]

PROMPT = "YOU:"
ENTER = "\r"


def name_of(wire: Wire) -> str:
    """The word before the colon of `--model`."""
    return "openai" if wire is CHAT else "anthropic" if wire is ANTHROPIC else "openai-responses"


def says(wire: Wire, *words: str) -> Script:
    """Answer with these words."""
    return sse(*wire.good(*words))


def said_in(body: Mapping[str, object], wire: Wire) -> str:
    """What a request sends of the conversation."""
    return json.dumps(body["input" if wire is RESPONSES else "messages"])


@pytest.mark.parametrize("where", ["flag", "environment"])
async def test_on_a_pipe(wire: Wire, where: str, tmp_path: Path) -> None:
    """Each line is answered; the address is that of the flag, or else of the environment."""
    async with serve(says(wire, "Hel", "lo"), says(wire, "Again")) as server:
        url = server.url + wire.path
        if where == "flag":
            flags, env = ["--base-url", url], environment()
        else:
            setting = f"{name_of(wire).partition('-')[0].upper()}_BASE_URL"
            flags, env = [], environment(**{setting: url})
        model = ["--model", f"{name_of(wire)}:m"]
        done = await on_pipe(tmp_path, "one\ntwo\n", *model, *flags, "--no-history", env=env)
    assert (0, "") == (done.code, done.err)
    assert f"m of {name_of(wire)} answers; nothing is kept.\nm: Hello\nm: Again\n" == done.out
    first, second = (said_in(request.json, wire) for request in server.requests)
    assert ("one" in first, "Hello" in first, "two" in first) == (True, False, False)
    assert ("one" in second, "Hello" in second, "two" in second) == (True, True, True)


async def test_at_a_terminal(wire: Wire, tmp_path: Path) -> None:
    """The prompt comes back after each answer, and the model is told what was said."""
    async with serve(says(wire, "Hel", "lo"), says(wire, "Again")) as server:
        options = ["--model", f"{name_of(wire)}:m", "--base-url", server.url + wire.path]
        async with at_terminal(tmp_path, *options) as terminal:
            for typed, answered in (("one", "m: Hello"), ("two", "m: Again")):
                await terminal.expect(PROMPT)
                terminal.type(typed + ENTER)
                await terminal.expect(answered)
            await terminal.expect(PROMPT)
            terminal.type("exit" + ENTER)
            assert 0 == await terminal.end()
            assert "Traceback" not in terminal.shown
    assert "Hello" in said_in(server.requests[1].json, wire)
