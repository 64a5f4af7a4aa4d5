import io
import sys

import pytest
from typing_extensions import override

from miniagents.cli._complain import complain


def test_it_is_one_printable_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks become spaces, control characters go."""
    complain("one\r\n two\x1b[31m\x07\u2028three")
    assert ("", "miniagents: one two[31m three\n") == capsys.readouterr()


class Broken(io.StringIO):
    @override
    def write(self, _text: str) -> int:
        raise BrokenPipeError


@pytest.mark.parametrize("stderr", [None, Broken()])
def test_when_nobody_hears_it_nothing_happens(
    monkeypatch: pytest.MonkeyPatch, stderr: io.StringIO | None
) -> None:
    """A closed stderr is no further error."""
    monkeypatch.setattr(sys, "stderr", stderr)
    complain("help")
