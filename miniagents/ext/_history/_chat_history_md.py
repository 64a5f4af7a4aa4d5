"""A history in a Markdown file."""

from collections.abc import Iterable
from os import PathLike
from pathlib import Path

from typing_extensions import override

from miniagents.core import Message, Messages, MessageType

from ._chat_history import ChatHistory, finished
from ._markdown_file import MarkdownFile
from ._off_loop import OffLoop
from ._registry import Registry


class ChatHistoryMD(ChatHistory):
    """Keeps a conversation in a Markdown file that reads well, survives crashes and cannot be forged.

    Any text comes back byte for byte, with its data and its class. Several objects, threads and processes may
    append to one file. The file may be edited by hand, also by adding a line `## user` and a text. Old plain
    files (`user` over a line of `=`) are read. A new file is private (mode 0600). What was damaged or edited
    is logged when it is loaded, never an error.

    Args:
        path: the file; made when the first message is kept. Its folder must be there.
        message_classes: subclasses of `Message` that are read back as such; others become `Message` with all
            their data.
        lock_timeout: how long to wait while another process writes, in seconds.

    Raises:
        TypeError: one of the classes is no subclass of `Message`.
        ValueError: two classes have the same name.

    Example:
        >>> import asyncio, tempfile
        >>> from miniagents import AssistantMessage
        >>> async def main(path):
        ...     await ChatHistoryMD(path).append(AssistantMessage("# Hi!", model="m-1"))
        ...     messages = await ChatHistoryMD(path).load()
        ...     print(messages, messages[0].role, messages[0].model)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(main(f"{folder}/CHAT.md"))
        # Hi! assistant m-1
    """

    def __init__(
        self,
        path: str | PathLike[str] = "CHAT.md",
        *,
        message_classes: Iterable[type[Message]] = (),
        lock_timeout: float = 30.0,
    ) -> None:
        self.path: Path = Path(path)
        self._registry = Registry(message_classes)
        self._file = MarkdownFile(self.path, lock_timeout=lock_timeout)
        self._off_loop = OffLoop()

    @override
    def __repr__(self) -> str:
        return f"ChatHistoryMD({str(self.path)!r})"

    @override
    async def append(self, messages: MessageType) -> None:
        """Keep anything that is messages, each as soon as it is finished; then it is on the disk.

        Calls are served in their order. A call that is cancelled has written whole messages only.

        Raises:
            HistoryFileError: a message could not be written; the file is as it was before it.
            TypeError: a message holds data that cannot be kept; nothing of it was written.
            ValueError: it holds a number too long to be written.
            NoActiveContextError: there are promises among them, and no context is active.
        """
        async for message in finished(messages):
            await self._off_loop.run(self._file.append, self._registry.record_of(message))

    @override
    async def load(self) -> Messages:
        """The whole conversation; nothing if there is no file.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._off_loop.run(self._load)

    async def check(self) -> None:
        """Find out now whether the file can be read and written, without making it.

        Raises:
            HistoryFileError: it cannot.
        """
        await self._off_loop.run(self._file.check)

    def _load(self) -> Messages:
        return Messages(self._registry.message_of(record) for record in self._file.load())
