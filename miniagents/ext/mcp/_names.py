"""Converts the names of tools on a server to names that every provider accepts."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from hashlib import sha256
from types import MappingProxyType
from typing import Final

from miniagents.errors import SchemaError

_LONGEST: Final = 64
_REFUSED: Final = re.compile(r"[^A-Za-z0-9_-]")
_DIGITS: Final = 8


def tool_names(names: Iterable[str], prefix: str = "") -> Mapping[str, str]:
    """Return the names for a model by the names on the server, in order.

    A name that providers accept is not changed. Each character that they refuse becomes ``_``. If the result
    is too long, or equal to another name, it ends with a digest of the original name, so that it is the same
    each time.

    Args:
        names: on the server; a name that comes twice counts once.
        prefix: is added before each name.

    Raises:
        SchemaError: the prefix has characters that providers refuse, or is too long.

    Example:
        >>> dict(tool_names(["read", "files.list"], "fs_"))
        {'read': 'fs_read', 'files.list': 'fs_files_list'}
    """
    if _REFUSED.search(prefix) or len(prefix) > _LONGEST // 2:
        raise SchemaError(
            f"The prefix {prefix!r} cannot begin the name of a tool; give up to {_LONGEST // 2} letters, "
            "digits, _ and -."
        )
    wanted = {name: prefix + _REFUSED.sub("_", name) for name in names}
    exact = {name for name, mapped in wanted.items() if name and mapped == prefix + name and _fits(mapped)}
    taken = {wanted[name] for name in exact}
    shared = Counter(wanted.values())
    mapping: dict[str, str] = {}
    for name, mapped in wanted.items():
        alone = name and _fits(mapped) and mapped not in taken and shared[mapped] == 1
        unique, turn = mapped, 0
        while not (alone or name in exact) and (unique in taken or unique in shared):
            digest = sha256(f"{name}{turn or ''}".encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]
            unique, turn = f"{mapped[: _LONGEST - _DIGITS - 1]}_{digest}", turn + 1
        taken.add(unique)
        mapping[name] = unique
    return MappingProxyType(mapping)


def _fits(name: str) -> bool:
    return 0 < len(name) <= _LONGEST
