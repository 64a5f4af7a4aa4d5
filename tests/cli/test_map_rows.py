"""What of a row is sent."""

import pytest

from miniagents.cli._arguments import BadInputError
from miniagents.cli._map_arguments import MapOptions
from miniagents.cli._map_rows import message_maker
from miniagents.ext.jobs import RowsError


def sent(prompt: str, **row: object) -> str:
    """What is sent of a row."""
    message = message_maker(MapOptions(agent="a", source="s", out="o", prompt=prompt))
    assert message is not None
    return message(row)


def test_template() -> None:
    """Names of columns in braces become what stands there: texts as they are, all else as JSON."""
    assert sent("Judge {text}!", text="{other}") == "Judge {other}!"
    assert sent("{a}{b} {{}} {c d}", a=1, b=True, **{"c d": {"e": ["ä"]}}) == '1true {} {"e": ["ä"]}'


@pytest.mark.parametrize("prompt", ["no column", "{}", "{text!r}", "{text:>9}", "{text", "text}", "{a} {}"])
def test_no_template(prompt: str) -> None:
    """What is no name of a column is refused: a template runs nothing."""
    with pytest.raises(BadInputError, match="--prompt"):
        sent(prompt, text="x")


def test_nothing_there() -> None:
    """A row without the column, or with null, has nothing to send."""
    with pytest.raises(RowsError, match="column 'text' of this row is missing"):
        sent("{text}", other="x")
    with pytest.raises(RowsError, match="column 'text' of this row is null"):
        sent("{text}", text=None)
