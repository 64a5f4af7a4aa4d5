"""Write `docs/examples.md`."""

from tests.examples.page import PAGE, page

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
