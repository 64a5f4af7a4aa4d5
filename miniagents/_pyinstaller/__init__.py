"""What PyInstaller is told: it reads the entry point ``pyinstaller40``, and runs the hooks in this folder.

Each hook is run when PyInstaller finds an import of the module in its name. It sees imports in the code, but
no files with data, and no modules that are imported by a name that is made at run time.
"""

from pathlib import Path

__all__ = ["hook_folders"]


def hook_folders() -> list[str]:
    """Return the folder of the hooks."""
    return [str(Path(__file__).parent)]
