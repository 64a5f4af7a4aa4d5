"""Chat histories: objects that keep a conversation: in memory, in a Markdown file, in an SQLite file."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Self, cast

from typing_extensions import override

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.core import Message, Messages, MessageSequencePromise, MessageType, flat_messages
from miniagents.models import Registry

from ._markdown_file import MarkdownFile
from ._serial_executor import SerialExecutor
from ._sqlite_file import HistoryThread, SQLiteFile


class ChatHistory(ABC):
    """Keeps a conversation; extend it with the two methods `append` and `load`.

    Example:
        >>> from miniagents import Message, Messages, MiniAgents
        >>> class ListHistory(ChatHistory):
        ...     def __init__(self) -> None:
        ...         self.kept: list[Message] = []
        ...     async def append(self, messages: Messages) -> None:
        ...         self.kept.extend(messages)
        ...     async def load(self) -> Messages:
        ...         return Messages(self.kept)
        >>> async def main():
        ...     history = ListHistory()
        ...     await history.agent.inquire("Hi!")
        ...     print(await history.agent.inquire(["How", "are you?"]))
        >>> MiniAgents().run(main())
        Hi!
        <BLANKLINE>
        How
        <BLANKLINE>
        are you?
    """

    @abstractmethod
    async def append(self, messages: Messages) -> None:
        """Keep these finished messages behind all others, in their order.

        Args:
            messages: finished ones; a history may take more than these, such as promises.
        """

    @abstractmethod
    async def load(self) -> Messages:
        """The whole conversation, from the first message on."""

    @property
    def agent(self) -> MiniAgent[Message, Message]:
        """An agent that keeps each message it is sent when it is finished, and replies all of them.

        When a message fails, those before it are kept, and the reader of the reply gets the error.
        """
        return _chat_history_agent.bind(history=self)


@miniagent(alias="CHAT_HISTORY_AGENT")
async def _chat_history_agent(ctx: InteractionContext, history: ChatHistory) -> None:
    """Keeps what it is sent and replies the whole conversation."""
    await keep_and_reply(ctx, history)


async def keep_and_reply(ctx: InteractionContext, history: ChatHistory) -> None:
    """What every history agent does."""
    async for message in finished(ctx.message_promises):
        await history.append(Messages((message,)))
    ctx.reply(await history.load())


async def finished(messages: MessageType) -> AsyncIterator[Message]:
    """Yield finished messages from anything that is messages, each as soon as it is finished.

    Raises:
        NoActiveContextError: there are promises among them, and no context is active.
        TypeError: something in it is no message.
        Exception: one that stands among them; those before it have been yielded.
    """
    given = flat_messages(messages)
    for at, each in enumerate(given):
        if isinstance(each, Exception):
            raise each
        if not isinstance(each, Message):  # it streams, so from here on a context is needed
            async for promise in MessageSequencePromise(given[at:]):
                yield await promise
            return
        yield each


class InMemoryChatHistory(ChatHistory):
    """Keeps a conversation in this object, as long as the object lives.

    Args:
        messages: what was said before.

    Example:
        >>> import asyncio
        >>> from miniagents import UserMessage
        >>> history = InMemoryChatHistory([UserMessage("Hi!")])
        >>> print(asyncio.run(history.load()))
        Hi!
    """

    def __init__(self, messages: Iterable[Message] = ()) -> None:
        self._messages: list[Message] = list(messages)
        self._loaded: Messages | None = None  # what `load` returned, as long as nothing was added

    @override
    async def append(self, messages: MessageType) -> None:
        """Keep anything that is messages; promises are waited for.

        Raises:
            NoActiveContextError: there are promises among them, and no context is active.
        """
        async for message in finished(messages):
            self._messages.append(message)
            self._loaded = None

    @override
    async def load(self) -> Messages:
        """The whole conversation."""
        if self._loaded is None:
            self._loaded = Messages(self._messages)
        return self._loaded


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
        self._executor = SerialExecutor()

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
            await self._executor.run(self._file.append, self._registry.record_of(message))

    @override
    async def load(self) -> Messages:
        """The whole conversation; nothing if there is no file.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._load)

    async def check(self) -> None:
        """Find out now whether the file can be read and written, without making it.

        Raises:
            HistoryFileError: it cannot.
        """
        await self._executor.run(self._file.check)

    def _load(self) -> Messages:
        return Messages(self._registry.message_of(record) for record in self._file.load())


class ChatHistorySQLite(ChatHistory):
    """Keeps many conversations (threads) in one SQLite file, for many processes at once.

    A message is on the disk when `append` returns, with its data and its class. Readers wait for nobody,
    writers for each other. A new file is private (mode 0600). To read it by hand: ``sqlite3 CHAT.db "SELECT
    thread, role, text FROM message ORDER BY number"``.

    Args:
        path: the file; made when the first message is kept. Its folder must be there.
        thread: the name of the conversation that this object is about.
        message_classes: subclasses of `Message` that are read back as such; others become `Message` with all
            their data.
        lock_timeout: how long to wait while another process writes, in seconds.

    Raises:
        TypeError: one of the classes is no subclass of `Message`.
        ValueError: two classes have the same name, or the name of the thread has halves of characters.

    Example:
        >>> import asyncio, tempfile
        >>> from miniagents import AssistantMessage, UserMessage
        >>> async def main(path):
        ...     poems = ChatHistorySQLite(path, "poems")
        ...     await poems.append([UserMessage("A poem!"), AssistantMessage("Roses ...")])
        ...     await poems.in_thread("bills").append("How much is it?")
        ...     print(await ChatHistorySQLite(path, "poems").load())
        ...     print([(thread.name, thread.messages) for thread in await poems.threads()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(main(f"{folder}/CHAT.db"))
        A poem!
        <BLANKLINE>
        Roses ...
        [('bills', 1), ('poems', 2)]
    """

    def __init__(
        self,
        path: str | PathLike[str] = "CHAT.db",
        thread: str = "main",
        *,
        message_classes: Iterable[type[Message]] = (),
        lock_timeout: float = 30.0,
    ) -> None:
        self.path: Path = Path(path)
        self.thread: str = _thread_name(thread)
        self._registry = Registry(message_classes)
        self._file = SQLiteFile(self.path, lock_timeout=lock_timeout)
        self._executor = SerialExecutor()

    @override
    def __repr__(self) -> str:
        return f"ChatHistorySQLite({str(self.path)!r}, {self.thread!r})"

    def in_thread(self, thread: str) -> Self:
        """The same file with another conversation; the connection is shared.

        Args:
            thread: its name; it need not be there.

        Raises:
            ValueError: the name has halves of characters.
        """
        other = copy(self)
        other.thread = _thread_name(thread)
        return other

    @override
    async def append(self, messages: MessageType) -> None:
        """Keep anything that is messages; then it is on the disk.

        What is finished already (`Messages`) is kept all at once or not at all; else each message is kept as
        soon as it is finished. Calls are served in their order.

        Raises:
            HistoryFileError: a message could not be written; the file is as it was before it.
            TypeError: a message holds data that cannot be kept; nothing of it was written.
            ValueError: it holds a number too long to be written.
            NoActiveContextError: there are promises among them, and no context is active.
        """
        if isinstance(messages, Messages):
            await self._append(cast("Messages", messages))
            return
        async for message in finished(messages):
            await self._append((message,))

    @override
    async def load(self) -> Messages:
        """The whole conversation; nothing if there is no file, or no such thread in it.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._load)

    async def threads(self) -> tuple[HistoryThread, ...]:
        """All conversations of the file, the one that was written to last comes first.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._file.threads)

    async def find(self) -> HistoryThread | None:
        """This conversation, as `threads` tells it; None if nothing is kept of it.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._file.thread, self.thread)

    async def set_title(self, title: str) -> None:
        """Give this conversation a title, which `threads` tells; then it is one also if it is empty.

        Args:
            title: for people.

        Raises:
            HistoryFileError: the file cannot be written, and is as it was.
        """
        await self._executor.run(self._file.set_title, self.thread, title)

    async def keep_first(self, count: int, then: Iterable[Message] = ()) -> int:
        """Remove all messages of this conversation but the first ones, for example to answer anew.

        Args:
            count: how many are kept; 0 removes the conversation, and its title.
            then: finished messages that take the place of the others; both happens, or nothing.

        Returns:
            How many were removed.

        Raises:
            HistoryFileError: the file cannot be written, and is as it was.
            TypeError: a message holds data that cannot be kept; nothing was changed.
            ValueError: ``count`` is negative, or a message holds a number too long to be written.
        """
        if count < 0:
            raise ValueError(f"count is {count}: give how many messages are kept, 0 or more")
        records = [self._registry.record_of(message) for message in then]
        return await self._executor.run(self._file.keep_first, self.thread, count, records)

    async def check(self) -> None:
        """Find out now whether the file can be read and written, without making it.

        Raises:
            HistoryFileError: it cannot.
        """
        await self._executor.run(self._file.check)

    async def _append(self, messages: Iterable[Message]) -> None:
        records = [self._registry.record_of(message) for message in messages]
        if records:
            await self._executor.run(self._file.append, self.thread, records)

    def _load(self) -> Messages:
        return Messages(self._registry.message_of(record) for record in self._file.load(self.thread))


def _thread_name(name: str) -> str:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"the name of a thread, {name!r}, has halves of characters; leave them out"
        ) from error
    return name
