"""Crosses modules: the whole command, as people meet it at a terminal."""

import signal
from pathlib import Path

import pytest

from miniagents import AssistantMessage
from miniagents.ext.chat_history_md import ChatHistoryMD
from tests.cli.processes import at_terminal, environment, on_pipe

CTRL_C, CTRL_D, CTRL_SPACE, ENTER = "\x03", "\x04", "\x00", "\r"
PROMPT = "YOU:"


async def kept(path: Path) -> list[tuple[str, str]]:
    return [(message.role, str(message)) for message in await ChatHistoryMD(path).load()]


@pytest.mark.gate("a process with a terminal")
async def test_at_a_terminal(tmp_path: Path) -> None:
    """Prompt, colours, an answer, two lines, Ctrl-C in an answer, Ctrl-C at the prompt: exit 0."""
    async with at_terminal(tmp_path, anew=True) as terminal:  # as users start it
        await terminal.expect("not a language model")
        await terminal.expect("Enter sends, Ctrl+Space begins a new line")
        await terminal.expect(PROMPT)
        terminal.type("hello" + ENTER)
        await terminal.expect("ELIZA: Hello. How are you today?")
        await terminal.expect(PROMPT)
        terminal.type("are you an ai" + CTRL_SPACE + "or not" + ENTER)
        await terminal.expect("ELIZA: No. I am")
        terminal.type(CTRL_C)
        await terminal.expect("(stopped)")
        await terminal.expect(PROMPT)
        terminal.type("half a mess" + CTRL_C)
        assert 0 == await terminal.end()
        assert b"\x1b[0;34;1mELIZA" in terminal.raw.replace(b"\x1b[34;1m", b"\x1b[0;34;1m")
        assert "Traceback" not in terminal.shown
    messages = await ChatHistoryMD(tmp_path / "CHAT.md").load()
    assert "are you an ai\nor not" == str(messages[2])
    answer = messages[3]
    assert isinstance(answer, AssistantMessage)
    assert str(answer).startswith("No. I am")
    assert "interrupted" == answer.finish_reason


_PAYER = """
from miniagents import AssistantMessage, ToolCall
from miniagents.testing import scripted_model
from miniagents.tools import approval, ask, tool

@tool
async def pay(amount: int) -> str:
    return f"{amount} paid: {await ask('For what?')}"

def calls():
    return AssistantMessage("I pay.", parts=[ToolCall("1", "pay", '{"amount": 100}')])

model = scripted_model(*[calls(), lambda seen: str(seen[-1])] * 3, alias="PAYER")
payer = model.with_tools(pay, approve=approval())
"""


@pytest.mark.gate("a process with a terminal")
async def test_questions(tmp_path: Path) -> None:
    """An agent asks at the terminal: other arguments, a reason, a text; Ctrl-C stops the answer only."""
    (tmp_path / "paying.py").write_text(_PAYER)
    async with at_terminal(tmp_path, "paying:payer", "--no-history") as terminal:
        await terminal.expect(PROMPT)
        for keys, shown in (('{"amount": 5}', "For what?"), ("no, too much", "PAYER_WITH_TOOLS: too much")):
            terminal.type("Pay." + ENTER)
            await terminal.expect("PAYER_WITH_TOOLS: I pay.")
            await terminal.expect('May it call pay {"amount": 100}? Write yes, or no')
            await terminal.expect(PROMPT)
            terminal.type(keys + ENTER)
            await terminal.expect(shown)
            await terminal.expect(PROMPT)
            if shown == "For what?":
                terminal.type("a book" + ENTER)
                await terminal.expect("PAYER_WITH_TOOLS: 5 paid: a book")
                await terminal.expect(PROMPT)
        terminal.type("Pay." + ENTER)
        await terminal.expect("May it call")
        await terminal.expect(PROMPT)
        terminal.type(CTRL_C)
        await terminal.expect("(stopped)")
        await terminal.expect(PROMPT)
        terminal.type(CTRL_D)
        assert 0 == await terminal.end()
        assert "Traceback" not in terminal.shown


@pytest.mark.gate("starts programs")
async def test_without_its_extra(tmp_path: Path) -> None:
    """Without prompt-toolkit the chat reads plain lines; Ctrl-C stops an answer or leaves the prompt."""
    (tmp_path / "prompt_toolkit.py").write_text("raise ModuleNotFoundError(name=__name__)\n")
    env = environment(PYTHONPATH=str(tmp_path))
    async with at_terminal(tmp_path, env=env, anew=True) as terminal:  # it is about imports
        await terminal.expect("Enter sends, Ctrl-C stops an answer; type exit to leave.")
        await terminal.expect(PROMPT)
        terminal.type("hello\n")
        await terminal.expect("ELIZA: Hello. How are you today?")
        await terminal.expect(PROMPT)
        terminal.type("are you an ai\n")
        await terminal.expect("ELIZA: No. I am")
        terminal.type(CTRL_C)
        await terminal.expect("(stopped)")
        await terminal.expect(PROMPT)
        terminal.type(CTRL_C)
        assert 0 == await terminal.end()
        assert "Traceback" not in terminal.shown
    assert ("user", "hello") == (await kept(tmp_path / "CHAT.md"))[0]


@pytest.mark.gate("starts programs")
@pytest.mark.parametrize("keys", [CTRL_C, CTRL_D, "exit" + ENTER])
async def test_leaving_at_the_prompt(tmp_path: Path, keys: str) -> None:
    """Ctrl-C, Ctrl-D and `exit` end with exit 0 and no traceback, and the terminal is as it was."""
    async with at_terminal(tmp_path, "--no-history") as terminal:
        await terminal.expect(PROMPT)
        terminal.type(keys)
        assert 0 == await terminal.end()
        assert "Traceback" not in terminal.shown


@pytest.mark.gate("starts programs")
async def test_a_signal_ends_it_cleanly(tmp_path: Path) -> None:
    """SIGTERM in the middle of an answer: what was shown is kept, no traceback, the shell's exit code."""
    async with at_terminal(tmp_path) as terminal:
        await terminal.expect(PROMPT)
        terminal.type("are you an ai" + ENTER)
        await terminal.expect("ELIZA: No. I am")
        terminal.process.send_signal(signal.SIGTERM)
        assert 128 + signal.SIGTERM == await terminal.end()
        assert "Traceback" not in terminal.shown
    _, answer = await kept(tmp_path / "CHAT.md")
    assert answer[1].startswith("No. I am")


@pytest.mark.gate("a process with a terminal")
async def test_killed_in_the_middle_of_an_answer(tmp_path: Path) -> None:
    """Kill -9 loses at most the unfinished message, and the next chat goes on."""
    async with at_terminal(tmp_path) as terminal:
        await terminal.expect(PROMPT)
        terminal.type("are you an ai" + ENTER)
        await terminal.expect("ELIZA: No. I am")
        terminal.process.kill()
        await terminal.end()
    assert [("user", "are you an ai")] == await kept(tmp_path / "CHAT.md")
    done = await on_pipe(tmp_path, "hello")
    assert (0, "") == (done.code, done.err)
    assert "continues in CHAT.md (1 message so far)." in done.out
    assert ["user", "user", "assistant"] == [role for role, _ in await kept(tmp_path / "CHAT.md")]
