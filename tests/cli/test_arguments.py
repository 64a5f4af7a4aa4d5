from pathlib import Path

import pytest

from miniagents.cli._arguments import ChatOptions, parse_arguments
from miniagents.cli._complain import BadInputError


def test_what_holds_when_nothing_is_said() -> None:
    """The history is kept in CHAT.md; the model is found out."""
    assert ChatOptions(None, None, None, Path("CHAT.md")) == parse_arguments(["chat"])


def test_every_option_is_taken() -> None:
    """Each option lands in its field."""
    words = [
        "chat",
        "--model",
        "openai:m",
        "--base-url",
        "http://x/v1",
        "--system",
        "Be kind",
        "--history",
        "h.md",
    ]
    assert ChatOptions("openai:m", "http://x/v1", "Be kind", Path("h.md")) == parse_arguments(words)
    assert parse_arguments(["chat", "--no-history"]).history is None
    assert parse_arguments(["chat", "--system", ""]).system is None


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "required: COMMAND"),
        (["sing"], "invalid choice: 'sing'"),
        (["chat", "--loud"], "unrecognized arguments: --loud"),
        (["chat", "--model"], "--model: expected one argument"),
        (["chat", "--mod", "eliza"], "unrecognized arguments: --mod eliza"),
        (["chat", "--no-history", "--history", "x"], "not allowed with argument"),
        (["chat", "--history", ""], "--history needs the name of a file"),
        (["chat", "--history", "a\0b"], "--history needs the name of a file"),
    ],
)
def test_wrong_words_are_refused_in_one_sentence(words: list[str], said: str) -> None:
    """The sentence says what is wrong and where help is."""
    with pytest.raises(BadInputError) as refused:
        parse_arguments(words)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert "--help" in str(refused.value) or "--history needs" in str(refused.value)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--help"], "chat"),
        (["--version"], "miniagents 0."),
        (["chat", "--help"], "pip install 'miniagents[openai]'"),
    ],
)
def test_help_and_version_are_answered(
    words: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """They go to stdout, and the exit code is 0."""
    with pytest.raises(SystemExit) as left:
        parse_arguments(words)
    assert 0 == left.value.code
    shown = capsys.readouterr()
    assert said in shown.out
    assert "" == shown.err
