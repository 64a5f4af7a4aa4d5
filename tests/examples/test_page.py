"""The page of the examples is made from them, and from what they are expected to print."""

from tests.examples.page import PAGE, page


def test_up_to_date() -> None:
    """The page says what the examples say of themselves, and shows what they print."""
    assert PAGE.read_text(encoding="utf-8") == page(), "python -m tests.examples writes it anew"
