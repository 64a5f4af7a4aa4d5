"""The conversations of a server: asked, kept, told, with readers or without.

What the user says is in the history before the run begins. What the agent says is put there from the frames
of its run, when that has ended, or, if the server was killed, when somebody looks next.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Sequence
from contextvars import Context as Variables
from dataclasses import dataclass
from typing import Final
from weakref import WeakValueDictionary

from miniagents.agents import Stage
from miniagents.core import Message, MessageSequencePromise
from miniagents.ext.chat_history_sqlite import ChatHistorySQLite, HistoryThread
from miniagents.ext.web import FrameLogError, RequestError, Runs, TooManyRunsError

from ._pictures import RunPictures
from ._said import conversation_of, run_in, said_by_user, said_in_run, turn_in

__all__ = ["BeingAnsweredError", "Threads"]

logger = logging.getLogger(__name__)

_TITLE: Final = 80
_KEEPING: Final = 5.0  # seconds that the last answers have to be kept when the server ends


class BeingAnsweredError(Exception):
    """A run goes on in the conversation.

    Args:
        run: its id.
    """

    def __init__(self, run: str) -> None:
        super().__init__(run)
        self.run = run


@dataclass(frozen=True, slots=True)
class _Live:
    """A run of this server that goes on, and what keeps its answer at the end."""

    run: str
    keeper: asyncio.Task[None]


class Threads:
    """Conversations with one agent.

    Args:
        agent: who answers.
        history: keeps what was said; any thread of the file.
        runs: keep what is said while it is said.
        pictures: of the runs.
    """

    def __init__(
        self, agent: Stage[Message, Message], history: ChatHistorySQLite, runs: Runs, pictures: RunPictures
    ) -> None:
        self._agent = agent
        self._history = history
        self._runs = runs
        self._pictures = pictures
        self._live: dict[str, _Live] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    # -- threads -----------------------------------------------------------------------------------------

    async def listed(self, before: str | None, limit: int) -> tuple[tuple[HistoryThread, ...], str | None]:
        """Return conversations, the newest first, and, if there are more, what those are listed with.

        Args:
            before: the one behind which the list begins; None for the newest ones.
            limit: how many at most.

        Raises:
            RequestError: there is no conversation ``before``.
            HistoryFileError: the file cannot be read.
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
        """Return the run of this server that goes on in a conversation, or None.

        Args:
            thread: its name.
        """
        live = self._live.get(thread)
        return None if live is None else live.run

    async def make(self, title: str) -> str:
        """Make a conversation, and return its name.

        Args:
            title: `""` for one that is taken from what the user says first.

        Raises:
            HistoryFileError: it cannot be kept.
        """
        name = secrets.token_urlsafe(12)
        await self._history.in_thread(name).set_title(title)
        return name

    async def rename(self, thread: str, title: str) -> None:
        """Give a conversation another title.

        Args:
            thread: its name.
            title: for people.

        Raises:
            RequestError: there is none of this name.
            HistoryFileError: it cannot be kept.
        """
        history, _ = await self._found(thread)
        await history.set_title(title)

    async def remove(self, thread: str) -> None:
        """Stop the run that goes on in a conversation, and delete all that was said, also its frames.

        Args:
            thread: its name.

        Raises:
            RequestError: there is none of this name.
            HistoryFileError: the file cannot be written.
            FrameLogError: the frames cannot be deleted; the conversation is still there.
        """
        history, _ = await self._found(thread)
        live = self._live.get(thread)
        if live is not None:
            await self._runs.stop(live.run)
            await asyncio.wait((live.keeper,))
        async with self._turn(thread):
            messages = await history.load()
            at = _last_turn(messages)
            turn = "" if at is None else turn_in(messages[at])
            last = await self._runs.latest(turn) if turn else None  # of an answer that could not be kept
            # First: without the history nobody knows which runs these are.
            await self._delete_runs({*map(run_in, messages), last or ""})
            await history.keep_first(0)

    async def read(self, thread: str) -> tuple[HistoryThread, list[Message], str | None]:
        """Return a conversation, all that was said, and the run that goes on in it, if one does.

        Args:
            thread: its name.

        Raises:
            RequestError: there is none of this name.
            HistoryFileError: the file cannot be read, or what was lost cannot be kept.
        """
        history, found = await self._found(thread)
        await self._kept(thread)
        async with self._turn(thread):
            messages, run = await self._settled(history)
        return found, messages, run

    # -- turns -------------------------------------------------------------------------------------------

    async def say(self, thread: str, text: str, *, edit: int | None = None) -> str:
        """Have the agent answer something that the user says.

        Args:
            thread: the name of the conversation.
            text: what the user says.
            edit: the index of the user's message in whose place it is said; all behind it goes. None: it is
                said last.

        Returns:
            The id of the run.

        Raises:
            RequestError: there is no such conversation, no such message, or too many runs go on.
            BeingAnsweredError: a run goes on in the conversation.
            HistoryFileError: it cannot be kept.
            FrameLogError: the run cannot be recorded.
        """

        def cut(messages: list[Message]) -> tuple[int, str]:
            if edit is None:
                return len(messages), text
            if not 0 <= edit < len(messages) or turn_in(messages[edit]) is None:
                raise RequestError('"edit" has to be the index of a message of the user.', param="edit")
            return edit, text

        history, found = await self._found(thread)
        if not found.title:
            await history.set_title(_title_of(text))
        return await self._answered(history, cut)

    async def answer_again(self, thread: str) -> str:
        """Have the agent answer the user's last message again; the old answer is forgotten.

        Args:
            thread: the name of the conversation.

        Returns:
            The id of the run.

        Raises:
            RequestError: there is no such conversation, nothing to answer, or too many runs go on.
            BeingAnsweredError: a run goes on in the conversation.
            HistoryFileError: it cannot be kept.
            FrameLogError: the run cannot be recorded.
        """

        def cut(messages: list[Message]) -> tuple[int, str]:
            at = _last_turn(messages)
            if at is None:
                raise RequestError("There is nothing to answer yet.", code="nothing_to_answer")
            return at, messages[at].text or ""

        history, _ = await self._found(thread)
        return await self._answered(history, cut)

    async def _answered(
        self, history: ChatHistorySQLite, cut: Callable[[list[Message]], tuple[int, str]]
    ) -> str:
        await self._kept(history.thread)
        async with self._turn(history.thread):
            messages, going = await self._settled(history)
            if going is not None:
                raise BeingAnsweredError(going)
            count, text = cut(messages)
            turn = secrets.token_urlsafe(12)
            asked = said_by_user(text, turn)
            await history.keep_first(count, then=[asked])
            sent = conversation_of([*messages[:count], asked])
            replies = self._agent.inquire(MessageSequencePromise(sent))
            began = asyncio.get_running_loop().time()
            try:
                run = await self._runs.start(replies, topic=turn, agent=self._agent.alias)
            except TooManyRunsError as error:
                raise RequestError(str(error), 429, code="too_many_runs") from error
            self._pictures.name(run, replies)
            # A task of its own, which no request ends.
            keeper = asyncio.create_task(
                self._keep(history, turn, run, began), name=f"keeper of run {run}", context=Variables()
            )
            self._live[history.thread] = _Live(run, keeper)
        try:
            await self._delete_runs({*map(run_in, messages[count:])})
        except FrameLogError:  # they go by themselves later
            logger.exception("The frames of an answer that was replaced cannot be deleted.")
        return run

    # -- answers -----------------------------------------------------------------------------------------

    async def _keep(self, history: ChatHistorySQLite, turn: str, run: str, began: float) -> None:
        """Put an answer into the history when it has ended, also if that is with the server."""
        await asyncio.sleep(0)  # an eager task could end before anybody knows it
        try:
            frames = [frame async for _, frame in self._runs.frames(run)]
            seconds = asyncio.get_running_loop().time() - began
            async with self._turn(history.thread):
                said = said_in_run(run, frames, round(seconds, 3))
                await _add(history, list(await history.load()), turn, said)
        except Exception:  # what is recorded is there: the next request tries again
            logger.exception("An answer could not be kept in the history.")
        finally:
            del self._live[history.thread]  # while it is there no other run begins in the conversation

    async def _kept(self, thread: str) -> None:
        """Wait until the last answer is in the history, if its run has ended: a client may have seen that."""
        live = self._live.get(thread)
        if live is not None:
            record = await self._runs.find(live.run)
            if record is None or record.ended:
                await asyncio.wait((live.keeper,))

    async def _settled(self, history: ChatHistorySQLite) -> tuple[list[Message], str | None]:
        """All that was said, the last answer too, if it has ended; and its run, if it has not."""
        live = self._live.get(history.thread)
        messages = list(await history.load())
        if live is not None:
            return messages, live.run
        at = _last_turn(messages)
        turn = "" if at is None else turn_in(messages[at])
        run = await self._runs.latest(turn) if turn else None
        if not turn or run is None or _has_run(messages, run):
            return messages, None
        record = await self._runs.find(run)
        if record is None or not record.ended:
            return messages, run
        frames = [frame async for _, frame in self._runs.frames(run)]
        return await _add(history, messages, turn, said_in_run(run, frames, None)), None

    async def _delete_runs(self, runs: set[str]) -> None:
        """Delete the frames and the pictures of runs; `""` is none."""
        for run in runs - {""}:
            await self._runs.delete(run)
            self._pictures.delete(run)

    async def close(self) -> None:
        """Wait until the answers of all runs, which have ended, are kept."""
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
        """What is held by whoever adds to a conversation."""
        return self._turns.setdefault(thread, asyncio.Lock())


async def _add(
    history: ChatHistorySQLite, messages: list[Message], turn: str, said: list[Message]
) -> list[Message]:
    """Put what a run said behind the messages of a history, if it is not there; and return all."""
    at = _last_turn(messages)
    if at is None or turn_in(messages[at]) != turn or _has_run(messages, run_in(said[-1])):
        return messages
    # In this way and not as an addition: another server with the same file may be doing the same.
    await history.keep_first(len(messages), then=said)
    return [*messages, *said]


def _has_run(messages: list[Message], run: str) -> bool:
    return any(run_in(message) == run for message in messages)


def _no_thread() -> RequestError:
    return RequestError("There is no such conversation.", 404, code="no_such_thread")


def _last_turn(messages: Sequence[Message]) -> int | None:
    return next((at for at in reversed(range(len(messages))) if turn_in(messages[at]) is not None), None)


def _title_of(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1].rstrip()}…"
