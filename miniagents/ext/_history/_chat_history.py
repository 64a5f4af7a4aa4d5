"""Chat histories: keep a conversation in memory, in a Markdown file, or in a SQLite file."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Iterable
from copy import copy
from os import PathLike
from pathlib import Path
from typing import Self, cast

from typing_extensions import override

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.messages import Message, Messages, MessageSequencePromise, MessageType, Summary
from miniagents.messages._message_type import flat_messages
from miniagents.runs import Registry
from miniagents.values import check_seconds

from ._markdown_file import MarkdownFile
from ._serial_executor import SerialExecutor
from ._sqlite_file import HistoryThread, SQLiteFile


class ChatHistory(ABC):
    """Keeps a conversation; a subclass has the two methods `append` and `load`.

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
        """Add finished messages at the end of the conversation, in their order.

        Args:
            messages: the messages; a subclass may accept more, such as promises.
        """

    @abstractmethod
    async def load(self) -> Messages:
        """Return the whole conversation, from the first message on."""

    @property
    def agent(self) -> MiniAgent[Message, Message]:
        """An agent that keeps each finished message that it gets, and replies the whole conversation.

        If a message fails, those before it are kept, and the reader of the reply gets the error.
        """
        return _chat_history_agent.bind(history=self)


@miniagent(alias="CHAT_HISTORY_AGENT")
async def _chat_history_agent(ctx: InteractionContext, history: ChatHistory) -> None:
    """Keeps the messages that it gets, and replies the whole conversation."""
    await keep_and_reply(ctx, history)


async def keep_and_reply(
    ctx: InteractionContext, history: ChatHistory, compact: MiniAgent[Message, Message] | None = None
) -> None:
    """Keep the messages of a run in a history, and reply the whole conversation, or a shorter one."""
    async for message in finished(ctx.message_promises):
        await history.append(Messages((message,)))
    whole = await history.load()
    if compact is None:
        ctx.reply(whole)
        return
    sent = await compact.inquire(whole)
    await history.append(Messages([each for each in sent if isinstance(each, Summary) and each not in whole]))
    ctx.reply(sent)


async def finished(messages: MessageType) -> AsyncIterator[Message]:
    """Yield each message as soon as it is finished.

    Raises:
        NoActiveContextError: there are promises among the messages, and no context is active.
        TypeError: something is not a message.
        Exception: an error among the messages; those before it have been yielded.
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
        messages: the conversation so far.

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
        """Add messages; this waits for promises.

        Raises:
            NoActiveContextError: there are promises among them, and no context is active.
        """
        async for message in finished(messages):
            self._messages.append(message)
            self._loaded = None

    @override
    async def load(self) -> Messages:
        """Return the whole conversation."""
        if self._loaded is None:
            self._loaded = Messages(self._messages)
        return self._loaded


class ChatHistoryMD(ChatHistory):
    """Keeps a conversation in a Markdown file, which people can read and edit.

    Every text is read back byte for byte, with its data and its class. A crash damages no message that was
    kept. Several objects, threads and processes may append to one file. You may edit the file, and add a
    message as a line `## user` and a text. A new file is private (mode 0600). A damaged or edited message is
    logged when the file is loaded.

    Args:
        path: the file; it is created with the first message. Its folder must exist.
        message_classes: subclasses of `Message` that are read back as such.
        lock_timeout: seconds to wait while another process writes.

    Raises:
        TypeError: one of the classes is not a subclass of `Message`.
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
        check_seconds(type(self).__name__, "lock_timeout", lock_timeout)
        self.path: Path = Path(path)
        self._registry = Registry(message_classes)
        self._file = MarkdownFile(self.path, lock_timeout=lock_timeout)
        self._executor = SerialExecutor()

    @override
    def __repr__(self) -> str:
        return f"ChatHistoryMD({str(self.path)!r})"

    @override
    async def append(self, messages: MessageType) -> None:
        """Add messages, each as soon as it is finished; they are on the disk when this returns.

        Messages are written in the order in which they are finished, also those of several calls. A call that
        is cancelled has written only complete messages.

        Raises:
            HistoryFileError: a message could not be written; the file is as it was before this message.
            TypeError: a message has data that cannot be kept; nothing of it was written.
            ValueError: a message has a number that is too long to be written.
            NoActiveContextError: there are promises among them, and no context is active.
        """
        async for message in finished(messages):
            await self._executor.run(self._file.append, self._registry.record_of(message))

    @override
    async def load(self) -> Messages:
        """Return the whole conversation; an empty one if the file does not exist.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._load)

    async def check(self) -> None:
        """Check that the file can be read and written, without creating it.

        Raises:
            HistoryFileError: it cannot.
        """
        await self._executor.run(self._file.check)

    def _load(self) -> Messages:
        return Messages(self._registry.message_of(record) for record in self._file.load())


class ChatHistorySQLite(ChatHistory):
    """Keeps many conversations (threads) in one SQLite file, which many processes may use.

    A message is on the disk when `append` returns, with its data and its class. Readers never wait; writers
    wait for each other.

    Args:
        path: the file; it is created with the first message. Its folder must exist.
        thread: the name of the conversation of this object.
        message_classes: subclasses of `Message` that are read back as such.
        lock_timeout: seconds to wait while another process writes.

    Raises:
        TypeError: one of the classes is not a subclass of `Message`.
        ValueError: two classes have the same name, or the name of the thread has half of a surrogate pair.

    Example:
        >>> import asyncio, tempfile
        >>> async def main(path):
        ...     poems = ChatHistorySQLite(path, "poems")
        ...     await poems.append(["A poem!", "A long one."])
        ...     await poems.in_thread("bills").append("How much is it?")
        ...     print([(thread.name, thread.messages) for thread in await poems.threads()])
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     asyncio.run(main(f"{folder}/CHAT.db"))
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
        check_seconds(type(self).__name__, "lock_timeout", lock_timeout)
        self.path: Path = Path(path)
        self.thread: str = _thread_name(thread)
        self._registry = Registry(message_classes)
        self._file = SQLiteFile(self.path, lock_timeout=lock_timeout)
        self._executor = SerialExecutor()

    @override
    def __repr__(self) -> str:
        return f"ChatHistorySQLite({str(self.path)!r}, {self.thread!r})"

    def in_thread(self, thread: str) -> Self:
        """Return the history of another conversation in the same file; both share one connection.

        Args:
            thread: the name of the conversation; it need not exist.

        Raises:
            ValueError: the name has half of a surrogate pair.
        """
        other = copy(self)
        other.thread = _thread_name(thread)
        return other

    @override
    async def append(self, messages: MessageType) -> None:
        """Add messages; they are on the disk when this returns.

        Finished messages (`Messages`) are written all together or not at all; other messages are written one
        by one, each as soon as it is finished: those of several calls, too.

        Raises:
            HistoryFileError: a message could not be written; the file is as it was before this message.
            TypeError: a message has data that cannot be kept; nothing of it was written.
            ValueError: a message has a number that is too long to be written.
            NoActiveContextError: there are promises among them, and no context is active.
        """
        if isinstance(messages, Messages):
            await self._append(cast("Messages", messages))
            return
        async for message in finished(messages):
            await self._append((message,))

    @override
    async def load(self) -> Messages:
        """Return the whole conversation; an empty one if the file or the thread does not exist.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._load)

    async def threads(self) -> tuple[HistoryThread, ...]:
        """Return all conversations of the file; the one that was written last comes first.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._file.threads)

    async def find(self) -> HistoryThread | None:
        """Return this conversation as in `threads`; None if it does not exist.

        Raises:
            HistoryFileError: the file cannot be read.
        """
        return await self._executor.run(self._file.thread, self.thread)

    async def set_title(self, title: str) -> None:
        """Give this conversation a title; it then exists, even without a message.

        Args:
            title: the title, which `threads` returns.

        Raises:
            HistoryFileError: the file cannot be written, and is as it was.
        """
        await self._executor.run(self._file.set_title, self.thread, title)

    async def keep_first(self, count: int, then: Iterable[Message] = ()) -> int:
        """Remove all messages of this conversation but the first ones, such as to answer again.

        Args:
            count: how many messages are kept; 0 also removes the title.
            then: finished messages to add after them. Both changes are made, or none.

        Returns:
            How many were removed.

        Raises:
            HistoryFileError: the file cannot be written, and is as it was.
            TypeError: a message has data that cannot be kept; nothing was changed.
            ValueError: ``count`` is negative, or a message has a number that is too long to be written.
        """
        if count < 0:
            raise ValueError(f"count={count} is negative; give how many messages to keep, 0 or more")
        records = [self._registry.record_of(message) for message in then]
        return await self._executor.run(self._file.keep_first, self.thread, count, records)

    async def check(self) -> None:
        """Check that the file can be read and written, without creating it.

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
            f"the name of a thread, {name!r}, has half of a surrogate pair; leave it out"
        ) from error
    return name
