"""Images and files are read before anything is sent."""

from pathlib import Path

import pytest

from miniagents import File, Image, LLMConfigError
from miniagents.ext.llm import Conversation, Turn, data_url, loaded, name_of

PNG = b"\x89PNG\r\n\x1a\n0000"


async def test_loaded(tmp_path: Path) -> None:
    """What stands at a path becomes bytes, with its type and name; the rest stays."""
    tmp_path.joinpath("cat").write_bytes(PNG)
    tmp_path.joinpath("notes.txt").write_bytes(b"Hi")
    web = Image(url="https://example.org/cat.png")
    turn = Turn("user", ("Hi", Image(path=tmp_path / "cat"), File(path=str(tmp_path / "notes.txt")), web))
    (read,) = (await loaded(Conversation("", (turn,)))).turns
    assert read.content == (
        "Hi",
        Image(data=PNG, media_type="image/png"),
        File(data=b"Hi", media_type="text/plain", name="notes.txt"),
        web,
    )


@pytest.mark.parametrize(("content", "hint"), [(None, "cannot be read"), (b"", "is empty")])
async def test_not_loaded(tmp_path: Path, content: bytes | None, hint: str) -> None:
    """What cannot be read is told by its path."""
    path = tmp_path / "cat.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(LLMConfigError, match=rf"cat\.png {hint}"):
        await loaded(Conversation("", (Turn("user", (Image(path=path),)),)))


def test_forms() -> None:
    """An attachment has an address and a name, whatever it is made of."""
    assert data_url(Image(url="https://example.org/a.png")) == "https://example.org/a.png"
    assert data_url(Image(data=b"GIF89a")) == "data:image/gif;base64,R0lGODlh"
    assert name_of(File(data=b"%PDF-")) == "file.pdf"
