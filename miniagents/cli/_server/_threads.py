"""The conversations of a server. Their runs do not depend on the clients that read them.

The user's message is in the history before the run begins. The agent's messages are made from the frames of
the run when it has ended; if the server was killed before that, when the conversation is read next.
"""

import asyncio
import logging
import secrets
from collections.abc import Collection, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from miniagents.ext.chat_history_sqlite import ChatHistorySQLite, HistoryThread
from miniagents.ext.journal import JournalError
from miniagents.ext.web import RequestError, RunEnded, Runs
from miniagents.messages import Message

from ._messages import conversation_of, messages_of_run, run_in, turn_in, user_message

logger = logging.getLogger(__name__)

_TITLE: Final = 80
_KEEPING: Final = 5.0  # seconds that saving the last answers may take when the server ends


class BeingAnsweredError(Exception):
    """The conversation has a run that has not ended.

    Args:
        run: the id of the run.
    """

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run


@dataclass(frozen=True, slots=True)
class _Live:
    """A run of this server that has not ended, and the task that saves its answer."""

    run: str
    keeper: asyncio.Task[None]


class Threads:
    """Conversations with one agent.

    Args:
        agent: the name of the agent that answers.
        history: the history of any thread in the file that keeps the messages.
        runs: have the agent, and write what it does to a journal.
    """

    def __init__(self, agent: str, history: ChatHistorySQLite, runs: Runs) -> None:
        self._agent = agent
        self._history = history
        self._runs = runs
        self._live: dict[str, _Live] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # -- threads -----------------------------------------------------------------------------------------

    async def listed(self, before: str | None, limit: int) -> tuple[tuple[HistoryThread, ...], str | None]:
        """Return conversations, the newest first, and the value of `before` for the next ones (or None).

        Args:
            before: the conversation after which the list begins; None for the newest ones.
            limit: how many at most.

        Raises:
            RequestError: the conversation ``before`` does not exist.
            OSError: the file cannot be read.
        """
        for thread in tuple(self._live):
            await self._kept(thread)
        threads = await self._history.threads()
        names = [each.name for each in threads]
        if before is not None and before not in names:
            raise _no_thread()
        begin = 0 if before is None else names.index(before) + 1
        found = threads[begin : begin + limit]
        return found, names[begin + limit - 1] if len(threads) > begin + limit else None

    def run_of(self, thread: str) -> str | None:
        """Return the run of a conversation that has not ended, or None.

        Args:
            thread: its name.
        """
        live = self._live.get(thread)
        return None if live is None else live.run

    async def make(self, title: str) -> str:
        """Create a conversation, and return its name.

        Args:
            title: its title; `""` to take it from the user's first message.

        Raises:
            OSError: the file cannot be written.
        """
        name = secrets.token_urlsafe(12)
        await self._history.in_thread(name).set_title(title)
        return name

    async def rename(self, thread: str, title: str) -> None:
        """Give a conversation another title.

        Args:
            thread: its name.
            title: the new title.

        Raises:
            RequestError: the conversation does not exist.
            OSError: the file cannot be written.
        """
        async with self._turn(thread):
            history, _ = await self._found(thread)
            await history.set_title(title)

    async def remove(self, thread: str) -> None:
        """Stop the run of a conversation, and delete its messages, frames and timelines.

        Args:
            thread: its name.

        Raises:
            RequestError: the conversation does not exist.
            OSError: the file cannot be written.
            JournalError: the frames cannot be deleted; the conversation is still there.
        """
        history, _ = await self._found(thread)
        live = self._live.get(thread)
        if live is not None:
            await self._runs.stop(live.run)
            await asyncio.wait((live.keeper,))
        async with self._turn(thread):
            messages = await history.load()
            _, last = await self._last_run(messages)  # whose answer perhaps could not be saved
            # The runs first, because only the history knows which runs these are.
            await self._delete_runs({*map(run_in, messages), last or ""})
            await history.keep_first(0)

    async def read(self, thread: str) -> tuple[HistoryThread, list[Message], str | None]:
        """Return a conversation, its messages, and its run that has not ended (or None).

        Args:
            thread: its name.

        Raises:
            RequestError: the conversation does not exist.
            OSError: the file cannot be read, or an answer cannot be saved.
        """
        history, found = await self._found(thread)
        await self._kept(thread)
        async with self._turn(thread):
            messages, run = await self._settled(history)
        return found, messages, run

    # -- turns -------------------------------------------------------------------------------------------

    async def say(self, thread: str, text: str | None, *, edit: int | None = None) -> str:
        """Add a message of the user, and start a run that answers it.

        Args:
            thread: the name of the conversation.
            text: the text of the message; None to answer the user's last message again: the old answer is
                deleted.
            edit: the index of the user's message to replace; all messages after it are deleted. None to add
                the message at the end.

        Returns:
            The id of the run.

        Raises:
            RequestError: the conversation or the message does not exist, or the server has too many runs.
            BeingAnsweredError: the conversation has a run that has not ended.
            OSError: the file cannot be written.
            JournalError: the run cannot be recorded.
        """
        await self._kept(thread)
        async with self._turn(thread):
            history, found = await self._found(thread)
            messages, going = await self._settled(history)
            if going is not None:
                raise BeingAnsweredError(going)
            count = _last_turn(messages) if text is None else len(messages) if edit is None else edit
            if count is None:
                sentence = "This conversation has no message to answer yet."
                raise RequestError(sentence, code="nothing_to_answer")
            if edit is not None and (not 0 <= edit < len(messages) or turn_in(messages[edit]) is None):
                raise RequestError('"edit" must be the index of a message of the user.', param="edit")
            turn = secrets.token_urlsafe(12)
            question = user_message(messages[count].text or "" if text is None else text, turn)
            await history.keep_first(count, then=[question])
            sent = conversation_of([*messages[:count], question])
            began = asyncio.get_running_loop().time()
            try:
                if text is not None and not found.title:
                    await history.set_title(_title_of(text))
                run = await self._runs.begin(self._agent, sent, topic=turn)
            except BaseException:  # what the new message was to replace is still the conversation
                await history.keep_first(count, then=messages[count:])
                await history.set_title(found.title)
                raise
            self._follow(history, turn, run, began)
        try:
            await self._delete_runs({*map(run_in, messages[count:])})
        except JournalError:  # they go by themselves later
            logger.exception("The frames of an answer that was replaced cannot be deleted.")
        return run

    # -- answers -----------------------------------------------------------------------------------------

    async def take_up(self, going: Collection[str]) -> None:
        """Save the answers of an earlier server's runs when they end, also if no client reads them.

        Args:
            going: the names of the turns whose runs have not ended.

        Raises:
            OSError: the file cannot be read.
            JournalError: the journal cannot be used.
        """
        for thread in await self._history.threads() if going else ():
            history = self._history.in_thread(thread.name)
            turn, run = await self._last_run(await history.load())
            if run is not None and turn in going:
                self._follow(history, turn, run, None)

    def _follow(self, history: ChatHistorySQLite, turn: str, run: str, began: float | None) -> None:
        # A task of its own, which does not end with the request.
        keeper = asyncio.create_task(
            self._keep(history, turn, run, began), name=f"keeper of run {run}", context=Variables()
        )
        self._live[history.thread] = _Live(run, keeper)

    async def _keep(self, history: ChatHistorySQLite, turn: str, run: str, began: float | None) -> None:
        """Save an answer in the history when its run has ended, also if the server ends."""
        await asyncio.sleep(0)  # an eager task could end before it is in `_live`
        try:
            frames = [frame async for _, frame in self._runs.frames(run)]
            if not frames or not isinstance(frames[-1], RunEnded):
                return  # the next server goes on with it
            seconds = None if began is None else round(asyncio.get_running_loop().time() - began, 3)
            async with self._turn(history.thread):
                replies = messages_of_run(run, frames, seconds)
                await _add(history, list(await history.load()), turn, replies)
        except Exception:  # the frames are kept: the next request tries again
            logger.exception("An answer could not be kept in the history.")
        finally:
            del self._live[history.thread]  # until then no other run begins in the conversation

    async def _kept(self, thread: str) -> None:
        """Wait until the last answer is saved, if its run has ended: a client may know that already."""
        live = self._live.get(thread)
        if live is not None:
            record = await self._runs.find(live.run)
            if record is None or record.ended:
                await asyncio.wait((live.keeper,))

    async def _settled(self, history: ChatHistorySQLite) -> tuple[list[Message], str | None]:
        """All messages, with the last answer if its run has ended; and the run if it has not."""
        live = self._live.get(history.thread)
        messages = list(await history.load())
        if live is not None:
            return messages, live.run
        turn, run = await self._last_run(messages)
        if run is None or _has_run(messages, run):
            return messages, None
        record = await self._runs.find(run)
        if record is None or not record.ended:
            return messages, run
        frames = [frame async for _, frame in self._runs.frames(run)]
        return await _add(history, messages, turn, messages_of_run(run, frames, None)), None

    async def _last_run(self, messages: Sequence[Message]) -> tuple[str, str | None]:
        """The last turn, and the run that answers it (or None)."""
        at = _last_turn(messages)
        turn = "" if at is None else turn_in(messages[at]) or ""
        return turn, await self._runs.latest(turn)

    async def _delete_runs(self, runs: set[str]) -> None:
        """Delete what is kept of runs; `""` is none."""
        for run in runs - {""}:
            await self._runs.delete(run)

    async def kept_runs(self, messages: Sequence[Message]) -> set[str]:
        """Return the runs of which more is kept than their messages.

        Args:
            messages: of a conversation.
        """
        runs = {*map(run_in, messages)} - {""}
        return {run for run in runs if await self._runs.find(run) is not None}

    async def close(self) -> None:
        """Wait until the answers of all runs are saved that have ended; the next server has the others."""
        keepers = [each.keeper for each in self._live.values()]
        if keepers:
            _, late = await asyncio.wait(keepers, timeout=_KEEPING)
            for keeper in late:
                keeper.cancel()
            if late:
                await asyncio.wait(late)

    async def _found(self, thread: str) -> tuple[ChatHistorySQLite, HistoryThread]:
        try:
            history = self._history.in_thread(thread)
        except ValueError:
            raise _no_thread() from None
        found = await history.find()
        if found is None:
            raise _no_thread()
        return history, found

    def _turn(self, thread: str) -> asyncio.Lock:
        """The lock for adding messages to a conversation."""
        return self._turns.setdefault(thread, asyncio.Lock())


async def _add(
    history: ChatHistorySQLite, messages: list[Message], turn: str, replies: list[Message]
) -> list[Message]:
    """Add the messages of a run to a history, unless they are there; return all messages."""
    at = _last_turn(messages)
    if at is None or turn_in(messages[at]) != turn or _has_run(messages, run_in(replies[-1])):
        return messages
    # It replaces and does not append, because another server with the same file may do the same.
    await history.keep_first(len(messages), then=replies)
    return [*messages, *replies]


def _has_run(messages: list[Message], run: str) -> bool:
    return any(run_in(message) == run for message in messages)


def _no_thread() -> RequestError:
    return RequestError("This conversation does not exist.", 404, code="no_such_thread")


def _last_turn(messages: Sequence[Message]) -> int | None:
    return next((at for at in reversed(range(len(messages))) if turn_in(messages[at]) is not None), None)


def _title_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1].rstrip()}…"
