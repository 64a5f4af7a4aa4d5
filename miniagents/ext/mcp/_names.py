"""Names of tools that every provider takes, made of names that servers give."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from itertools import count
from types import MappingProxyType
from typing import Final

from miniagents.models import ToolDefinitionError

__all__ = ["tool_names"]

_LONGEST: Final = 64
_REFUSED: Final = re.compile(r"[^A-Za-z0-9_-]")
_DIGITS: Final = 8


def tool_names(names: Iterable[str], prefix: str = "") -> Mapping[str, str]:
    """Return the names for a model by the names of the server, in order.

    A name that fits stays as it is. What no provider takes becomes ``_``; a name that is too long then, or
    that would be another one's, ends in a digest of the server's own, so it is the same the next time.

    Args:
        names: the server's own; one that comes twice counts once.
        prefix: stands before each.

    Raises:
        ToolDefinitionError: no provider takes the prefix, or it leaves no space for a name.

    Example:
        >>> dict(tool_names(["read", "files.list"], "fs_"))
        {'read': 'fs_read', 'files.list': 'fs_files_list'}
    """
    if _REFUSED.search(prefix) or len(prefix) > _LONGEST // 2:
        raise ToolDefinitionError(
            f"The prefix {prefix!r} cannot begin the name of a tool; give up to {_LONGEST // 2} letters, "
            "digits, _ and -."
        )
    wanted = {name: prefix + _REFUSED.sub("_", name) for name in names}
    exact = {name for name, mapped in wanted.items() if name and mapped == prefix + name and _fits(mapped)}
    taken = {wanted[name] for name in exact}
    shared = Counter(wanted.values())
    told: dict[str, str] = {}
    for name, mapped in wanted.items():
        if name in exact:
            told[name] = mapped
            continue
        unique = mapped
        for turn in count():
            if name and _fits(unique) and unique not in taken and shared[unique] <= 1:
                break
            digest = sha256(f"{name}{turn or ''}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
            unique = f"{mapped[: _LONGEST - _DIGITS - 1]}_{digest}"
            if unique not in taken and unique not in shared:
                break
        taken.add(unique)
        told[name] = unique
    return MappingProxyType(told)


def _fits(name: str) -> bool:
    return 0 < len(name) <= _LONGEST
