"""The pictures of `docs/gallery.md`, made from real runs on virtual time: `python -m tests.gallery` writes them."""
