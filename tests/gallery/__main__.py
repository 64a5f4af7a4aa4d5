"""Write `docs/gallery.md`, its pictures, the diagrams, and `docs/examples.md`."""

from tests.gallery.page import DOCS, files

if __name__ == "__main__":
    for name, text in files().items():
        (DOCS / name).parent.mkdir(exist_ok=True)
        (DOCS / name).write_text(text, encoding="utf-8")
