"""Images and files: one source each, and a type that is seen where it is not said."""

from pathlib import Path

import pytest

from miniagents.values import File, Image, media_type_of

PNG = b"\x89PNG\r\n\x1a\n0000"


def test_one_source() -> None:
    """Exactly one of data, path and url is given."""
    with pytest.raises(ValueError, match="Image was given nothing; give exactly one of"):
        Image()
    with pytest.raises(ValueError, match="File was given data and url"):
        File(data=b"x", url="https://example.org/x")
    assert Image(data=PNG).data == PNG
    assert Image(path=Path("a.png")).path == Path("a.png")


@pytest.mark.parametrize(
    ("attachment", "media_type"),
    [
        (Image(data=b"anything", media_type="image/heic"), "image/heic"),
        (Image(data=PNG), "image/png"),
        (Image(data=b"\xff\xd8\xff\xe0"), "image/jpeg"),
        (Image(data=b"GIF89a"), "image/gif"),
        (Image(data=b"RIFF1234WEBPVP8 "), "image/webp"),
        (File(data=b"%PDF-1.7"), "application/pdf"),
        (Image(path="cat.jpg"), "image/jpeg"),
        (Image(url="https://example.org/cat.gif?size=9"), "image/gif"),
        (File(data=b"a,b", name="table.csv"), "text/csv"),
        (File(data=b"????"), "application/octet-stream"),
    ],
)
def test_media_type(attachment: Image | File, media_type: str) -> None:
    """What is said counts, then the bytes, then the name."""
    assert media_type_of(attachment) == media_type


def test_media_type_of_what_was_read() -> None:
    """The bytes that were read from a path tell more than its name."""
    assert media_type_of(Image(path="cat.jpg"), PNG) == "image/png"


def test_no_content_in_repr() -> None:
    """Bytes are never shown."""
    assert "PNG" not in repr(Image(data=PNG))
