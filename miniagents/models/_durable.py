"""``durable``: a run of many agents that was killed goes on from its finished calls."""

import hashlib
import json
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Protocol, Self

from miniagents.agents import InteractionContext, MiniAgents
from miniagents.values import Part, ToolCall

from ._call_keys import CallKey, RecordedFunction, function_of, key_of, question_of
from ._journal import AnyAgent, CallJournal, JournalEntry, MessageForm, is_recorded, play, record
from ._recordings import RecordedEvent, part_data, part_of_data
from ._tool_loop import TOOL_RECORDER, MakeParts, RecordTool

__all__ = ["DurableRun", "RunJournal", "durable"]

_LOG: Final = logging.getLogger("miniagents.models")
_WITHIN: Final[ContextVar[bool]] = ContextVar("miniagents_within_recorded", default=False)


class RunJournal(CallJournal, Protocol):
    """A journal that knows which calls belong to a run.

    Example:
        >>> from miniagents.ext.journal import Journal
        >>> def of_one_file(path: str) -> RunJournal:
        ...     return Journal(path)
    """

    async def calls_of(self, run: str, /) -> list[tuple[bytes, int, str]]:
        """The digest, the number and the name of each call of a run, in the order in which they were kept.

        Args:
            run: the id of the run.
        """
        ...

    def hold(self, run: str, /) -> AbstractAsyncContextManager[None]:
        """A block in which no other process or task works on a run.

        Args:
            run: the id of the run.

        Raises:
            JournalError: when it is entered: somebody works on it already.
        """
        ...


class DurableRun:
    """What :func:`durable` makes, for ``async with``.

    Args:
        journal: keeps the calls.
        run_id: of the run.
        version: of its agents.

    Attributes:
        run_id: of the run.
        played: how many calls were played from the journal until now.
        made: how many were made, and kept.
        unasked: the names of recorded calls for which nobody has asked, when the block has ended.

    Raises:
        ValueError: the id is empty.

    Example:
        >>> from miniagents.ext.journal import durable
        >>> durable.__name__
        'durable'
    """

    def __init__(self, journal: RunJournal, run_id: str, version: str) -> None:
        if not run_id:
            raise ValueError(
                "durable(run_id='') is no run: give each run an id of its own, and the same one to go on."
            )
        self.run_id: str = run_id
        self.played: int = 0
        self.made: int = 0
        self.unasked: tuple[str, ...] = ()
        self._journal = journal
        self._version = version
        self._left: defaultdict[bytes, deque[tuple[int, str]]] = defaultdict(deque)
        self._next: Counter[bytes] = Counter()
        self._context = MiniAgents(around=[self._around])
        self._token: Token[RecordTool | None] | None = None
        self._held = AsyncExitStack()

    async def __aenter__(self) -> Self:
        """Find what was recorded, and begin.

        Raises:
            JournalError: the run is going on already, or the journal cannot be read.
        """
        async with AsyncExitStack() as held:
            await held.enter_async_context(self._journal.hold(self.run_id))
            await self._begin()
            self._held = held.pop_all()
        return self

    async def _begin(self) -> None:
        for digest, number, name in await self._journal.calls_of(self.run_id):
            self._left[digest].append((number, name))
            self._next[digest] = max(self._next[digest], number + 1)
        await self._context.__aenter__()
        self._token = TOOL_RECORDER.set(self._tool)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all runs, and say so if recorded calls were not asked for."""
        if self._token is not None:
            TOOL_RECORDER.reset(self._token)
        async with self._held:
            await self._context.__aexit__(kind, error, trace)
        if kind is None:
            self.unasked = tuple(name for each in self._left.values() for _, name in each)
            if self.unasked:
                _LOG.warning(
                    "Run %r took another way than before: %d recorded calls were not asked for, of %s. Was "
                    "its input or the code of its agents changed?",
                    self.run_id,
                    len(self.unasked),
                    ", ".join(sorted(set(self.unasked))),
                )

    def _take(self, digest: bytes) -> CallKey | None:
        """The recorded call that asks this, which is played once; None if it is to be made."""
        left = self._left.get(digest)
        if not left:
            return None
        number, _ = left.popleft()
        return CallKey(digest, self.run_id, number)

    async def _keep(self, digest: bytes, entry: JournalEntry) -> None:
        # Numbered when it has ended: a call that fails, or is cancelled, takes no number.
        number = self._next[digest]
        self._next[digest] += 1
        self.made += 1
        await self._journal.keep(CallKey(digest, self.run_id, number), entry)

    async def _around(self, ctx: InteractionContext, call: AnyAgent) -> None:
        if _WITHIN.get() or call.run_kind != "model":
            if is_recorded(call):  # it has a journal of its own, and is a leaf of this run
                _WITHIN.set(True)
            ctx.reply(call.inquire(ctx.messages))
            return
        function = function_of(call, call.alias, self._version)
        question = question_of(await ctx.messages)
        digest = key_of(f"{function.name} {function.function}", self._version, call, question)
        form = MessageForm.of(call)
        key = self._take(digest)
        found = None if key is None else await self._journal.find(key)
        if found is not None:
            self.played += 1
            await play(found, form, ctx)
            return
        made = await record(form, ctx, call)
        if made is not None and not made.failed:
            await self._keep(digest, JournalEntry(function, question, made.events))

    async def _tool(
        self,
        call: ToolCall,
        make: MakeParts,
        metadata: MutableMapping[str, object],
    ) -> AsyncGenerator[Part]:
        """The parts of the result of a tool: played, or made and kept."""
        asked = json.dumps([call.name, call.arguments, call.id])
        digest = hashlib.sha256(f"tool {self._version} {asked}".encode(errors="surrogatepass")).digest()
        key = self._take(digest)
        found = None if key is None else await self._journal.find(key)
        if found is not None:
            self.played += 1
            for event in found.events:
                yield part_of_data(event.data)
            return
        events: list[RecordedEvent] = []
        async for part in make(call, metadata):
            data = part_data(part)
            if data is not None:
                events.append(RecordedEvent(0.0, "part", 0, data))
            yield part
        await self._keep(
            digest, JournalEntry(RecordedFunction(call.name, self._version, ""), asked, tuple(events))
        )


def durable(journal: RunJournal, *, run_id: str, version: str = "1") -> DurableRun:
    """A block, what models and tools answered in which is kept: killed and run again, it goes on from there.

    The code of the block and of its agents runs again, and asks the same again. What had been answered is
    played from the journal, in the same parts; what had not is asked now. What an agent does by itself (time,
    chance, files) is not kept: let that be a tool, or an agent that is ``recorded``.

    Of calls that ask the same in one run each has its own answer. Calls that fail are not kept, and so
    are made again. When the block has ended and recorded calls were not asked for, a warning says so: the
    run took another way than before.

    Args:
        journal: keeps the calls.
        run_id: which run it is: the same one goes on, another one begins.
        version: of the agents; another one asks everything again.

    Raises:
        ValueError: the id is empty.
        JournalError: a block with this id is open already, or the journal cannot be read or written.

    Example:
        >>> import tempfile
        >>> from miniagents import MiniAgents
        >>> from miniagents.ext.journal import Journal, durable
        >>> from miniagents.testing import scripted_model
        >>> async def main(journal, model):
        ...     async with durable(journal, run_id="order-4711") as run:
        ...         print(await (model | model).inquire("Hi"), run.made, run.played)
        >>> with tempfile.TemporaryDirectory() as folder, Journal(f"{folder}/calls.journal") as journal:
        ...     MiniAgents().run(main(journal, scripted_model("Hello", "Good bye")))
        ...     MiniAgents().run(main(journal, scripted_model()))
        Good bye 2 0
        Good bye 0 2
    """
    return DurableRun(journal, run_id, version)
