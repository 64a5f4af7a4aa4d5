"""`pytest --doctest-modules miniagents/...`: modules are imported as Python does it, before pytest does.

To import a module of a package, pytest with `--import-mode=importlib` imports the package first. When that
imports the module, pytest imports it once more: its classes are there twice, and `except` does not know them.
"""

from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pytest

_ROOT = Path(__file__).parent


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> None:
    """Import a module of the package whose examples are collected."""
    if parent.config.getoption("--doctest-modules") and file_path.is_relative_to(_ROOT / "miniagents"):
        with suppress(ImportError):  # pytest tells of it
            import_module(
                ".".join(file_path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__")
            )
