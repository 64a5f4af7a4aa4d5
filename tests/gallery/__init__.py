"""The pictures of `docs/gallery.md`, made from real runs on virtual time by `python -m tests.gallery`."""
