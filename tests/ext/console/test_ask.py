import io
import sys

import pytest
from prompt_toolkit.application import create_app_session
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from miniagents.ext.console import Asker, _ask


async def test_lines_of_a_pipe_are_messages(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each line is a message, blank ones are none; nothing is written; then the input has ended."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("one\n\n  \n two \n"))
    asker = Asker()
    assert ["one", " two "] == [await asker.ask("YOU"), await asker.ask("YOU")]
    with pytest.raises(EOFError, match="the input has ended"):
        await asker.ask("YOU")
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize("word", ["exit", " EXIT "])
async def test_exit_is_the_end(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """`exit` as a whole message leaves, in any case; as a part of one it is text."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"exit?\n{word}\nmore\n"))
    asker = Asker()
    assert "exit?" == await asker.ask("YOU")
    with pytest.raises(EOFError, match="the user left"):
        await asker.ask("YOU")


async def test_at_a_terminal_it_prompts(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a terminal the prompt asks; Enter on an empty line asks again."""
    monkeypatch.setattr(_ask, "is_terminal", lambda: True)
    with create_pipe_input() as keys, create_app_session(input=keys, output=DummyOutput()):
        keys.send_text("\rhello\r")
        assert "hello" == await Asker().ask("YOU")
        keys.send_text("\x03")
        with pytest.raises(KeyError):
            await Asker(interrupt=KeyError).ask("YOU")
