"""The folder that a log is written into: one file a call, and never a word of it anywhere else."""

import logging
import os
import re
from itertools import count
from pathlib import Path
from typing import Final

from .._history._off_loop import OffLoop
from ._call import LoggedCall
from ._page import markdown

__all__ = ["LogFolder"]

_LOG: Final = logging.getLogger("miniagents.ext.llm_logger")
_STRANGE: Final = re.compile(r"[^A-Za-z0-9_-]+")
_LONGEST_ALIAS: Final = 80


class LogFolder:
    """Writes pages into a folder, in a thread; a folder that cannot be written into is one warning.

    Args:
        path: of the folder; it is made with the first page. What is in it can be read by its owner only.

    Example:
        >>> import asyncio, tempfile
        >>> with tempfile.TemporaryDirectory() as path:
        ...     asyncio.run(LogFolder(path).write(LoggedCall("OPENAI_AGENT", {})))
        ...     [name.name.partition("_")[2] for name in Path(path).iterdir()]
        ['OPENAI_AGENT.md']
    """

    __slots__ = ("_off_loop", "_path", "_warned")

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = Path(path)
        self._off_loop = OffLoop()
        self._warned = False

    async def write(self, call: LoggedCall) -> None:
        """Write the page of a call.

        Args:
            call: that has ended.
        """
        await self._off_loop.run(self._write, call)

    def _write(self, call: LoggedCall) -> None:
        try:
            text = markdown(call).encode("utf-8", "backslashreplace")
            self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
            with os.fdopen(self._new_file(call), "wb") as file:
                file.write(text)
        except Exception as error:  # noqa: BLE001 - a log must not break what it logs
            # Without the text of the error, which may quote the page.
            if not self._warned:
                self._warned = True
                reason = f"{type(error).__name__}, {error.strerror}" if isinstance(error, OSError) else ""
                _LOG.warning(
                    "llm_logger cannot write into %s (%s); models are called without a log of it",
                    self._path,
                    reason or type(error).__name__,
                )

    def _new_file(self, call: LoggedCall) -> int:
        name = f"{call.began:%Y-%m-%dT%H-%M-%S.%f}_{_STRANGE.sub('-', call.alias)[:_LONGEST_ALIAS]}"
        for number in count(1):
            path = self._path / (f"{name}.md" if number == 1 else f"{name}-{number}.md")
            try:
                return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            except FileExistsError:
                continue
        raise AssertionError  # there is always another number
