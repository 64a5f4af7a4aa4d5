"""``durable``: a run of many agents whose process was killed continues after its finished calls."""

import json
import logging
from collections import Counter, defaultdict, deque
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from contextvars import ContextVar, Token
from types import TracebackType
from typing import Final, Protocol, Self

from miniagents.agents import InteractionContext, MiniAgents
from miniagents.models import TOOL_RECORDER, MakeParts, RecordTool, ToolSpec
from miniagents.values import Part, ToolCall

from ._call_keys import CallKey, RecordedFunction, function_of, key_of, key_of_tool, question_of
from ._recorded import AnyAgent, CallJournal, JournalEntry, MessageForm, is_recorded, play, record
from ._recordings import RecordedEvent, part_data, part_of_data

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
        """Return digest, number and name of each call of a run, in the order in which they were kept.

        Args:
            run: the id of the run.
        """
        ...

    def hold(self, run: str, /) -> AbstractAsyncContextManager[None]:
        """Return a block in which no other process or task works on a run.

        Args:
            run: the id of the run.

        Raises:
            JournalError: when it is entered: another process or task works on the run.
        """
        ...


class DurableRun:
    """A run whose calls are kept in a journal; :func:`durable` makes it, for ``async with``.

    Args:
        journal: keeps the calls.
        run_id: of the run.
        version: of its agents.

    Attributes:
        run_id: of the run.
        played: how many calls were replayed from the journal until now.
        made: how many calls were made and kept until now.
        unasked: when the block has ended: the names of recorded calls that the run has not made this time.

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
                "durable(run_id='') has no id; give each run its own id, and the same id to continue it."
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
        """Find the recorded calls of the run, and begin.

        Raises:
            JournalError: another process or task works on the run, or the journal cannot be read.
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
        """Wait for all runs, and log a warning if recorded calls were not made this time."""
        if self._token is not None:
            TOOL_RECORDER.reset(self._token)
        async with self._held:
            await self._context.__aexit__(kind, error, trace)
        if kind is None:
            self.unasked = tuple(name for each in self._left.values() for _, name in each)
            if self.unasked:
                _LOG.warning(
                    "Run %r made other calls than before: %d recorded calls were not used, of %s. Check "
                    "whether its input or the code of its agents has changed.",
                    self.run_id,
                    len(self.unasked),
                    ", ".join(sorted(set(self.unasked))),
                )

    def _take(self, digest: bytes) -> CallKey | None:
        """Return the key of an equal recorded call, each once; None if the call must be made."""
        left = self._left.get(digest)
        if not left:
            return None
        number, _ = left.popleft()
        return CallKey(digest, self.run_id, number)

    async def _keep(self, digest: bytes, entry: JournalEntry) -> None:
        # A call gets its number when it has ended: a call that fails or is cancelled gets none.
        number = self._next[digest]
        self._next[digest] += 1
        self.made += 1
        await self._journal.keep(CallKey(digest, self.run_id, number), entry)

    async def _around(self, ctx: InteractionContext, call: AnyAgent) -> None:
        if _WITHIN.get() or call.run_kind != "model":
            if is_recorded(call):  # it has a journal of its own: the calls inside are not recorded here
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
        spec: ToolSpec,
        make: MakeParts,
        metadata: MutableMapping[str, object],
    ) -> AsyncGenerator[Part]:
        """Yield the parts of the result of a tool: from the journal, or from a new call, which is kept."""
        digest, former = key_of_tool(self._version, call, spec)
        key = self._take(digest) or self._take(former)
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
        asked = json.dumps([call.name, call.arguments, call.id])
        function = RecordedFunction(call.name, self._version, "")
        await self._keep(digest, JournalEntry(function, asked, tuple(events)))


def durable(journal: RunJournal, *, run_id: str, version: str = "1") -> DurableRun:
    """Make a block that can be run again after its process was killed, and continues where it stopped.

    The block keeps the answers of models and tools in a journal. When it runs again with the same ``run_id``,
    your code and its agents start from the beginning and make the same calls again. Calls that had ended are
    replayed from the journal, in the same parts; all others are made now. Other things that an agent does are
    not kept, such as reading a clock, a random number or a file: do these in a tool, or in an agent that is
    ``recorded``.

    Each of several equal calls in one run has its own answer. Calls that failed are not kept, so they are
    made again. If the block ends and recorded calls were not used, a warning in the log says that the run
    made other calls than before.

    Args:
        journal: keeps the calls.
        run_id: identifies the run: a known id continues that run, a new id begins one.
        version: of the agents; with a new version, all calls are made again.

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
