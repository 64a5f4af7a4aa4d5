"""The check against places: nothing that is committed knows the machine it was written on."""

import re
import subprocess
from pathlib import Path

__all__ = ["committed", "named_places"]

# Without the slash, so that this file does not name them itself.
_FOLDERS = "work|tmp|home|root|opt|mnt|srv|Users|private"
_PATHS = re.compile(rf"(?:(?<![\w./<>{{}}~*-])|(?<=://))/(?:{_FOLDERS})\b(?!/?>)")
_REGISTRIES = re.compile(r"\b(?:\w+\.)*(?:pypi|pythonhosted|npmjs|conda)\.(?:org|io|com)\b|\bindex-url\b")


def committed(root: Path) -> list[Path]:
    """Return the files that git tracks, or every file of an unpacked archive."""
    if (root / ".git").exists():
        command = ["git", "-C", str(root), "ls-files", "-z"]  # names as they are, not quoted
        listing = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - our own command
        files = [root / name for name in listing.decode().split("\0") if name]
    else:
        files = [path for path in root.rglob("*") if not any(part.startswith(".") for part in path.parts)]
    return sorted(path for path in files if path.is_file())


def named_places(root: Path, files: list[Path], allowed: frozenset[str]) -> list[str]:
    """Return a sentence for each line that names an absolute path of some machine, or a package registry.

    Args:
        root: what the files are under.
        files: what to look at; files that are no text are passed over.
        allowed: `file: what` pairs that have a reason.
    """
    found: list[str] = []
    for path in files:
        for number, line in enumerate(_suspects(path), start=1):
            named = [each.group() for pattern in (_PATHS, _REGISTRIES) for each in pattern.finditer(line)]
            name = path.relative_to(root).as_posix()
            found += [f"{name}:{number}: names {each}" for each in named if f"{name}: {each}" not in allowed]
    return found


def _suspects(path: Path) -> list[str]:
    """Return the lines of a text in which anything is named; to look at each line of each takes long."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return []
    return text.splitlines() if _PATHS.search(text) or _REGISTRIES.search(text) else []
