"""Which process this is, and whether another one of this machine has ended."""

import os
from pathlib import Path
from typing import Final

_PROC: Final = Path("/proc")


def this_process() -> str:
    """Return what tells this process from all others; empty where the system cannot tell."""
    return _named(os.getpid())


def is_gone(process: str) -> bool:
    """Whether a process has certainly ended: it was one of this machine, and is not there any more.

    Args:
        process: what :func:`this_process` returned in it.
    """
    machine, _, rest = process.rpartition(" ")
    number, _, _ = rest.partition(":")
    return bool(machine) and machine == _machine() and _named(int(number)) != process


def _named(number: int) -> str:
    """The machine with its process namespace, the number, and when the process began."""
    try:
        words = (_PROC / str(number) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    machine = _machine()
    ended = words[0] in "ZX"  # its parent has not looked yet
    return f"{machine} {number}:{words[19]}" if machine and not ended else ""


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {(_PROC / 'self/ns/pid').readlink()}"
    except OSError:
        return ""
