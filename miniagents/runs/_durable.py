"""``durable``: a run of many agents whose process was killed continues after its finished calls."""

import logging
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import ClassVar, Final, Self

from miniagents.agents import InteractionContext, MiniAgents
from miniagents.messages._parts import current_watch
from miniagents.models import (
    CARRIER,
    TOOL_CONTEXT,
    TOOL_RECORDER,
    MakeParts,
    ToolContext,
    ToolSpec,
)
from miniagents.values import Part, ToolCall

from ._call_keys import function_of, key_of, key_of_tool, question_of
from ._message_records import Json
from ._recorded import WITHIN_RECORDED, AnyAgent, MessageForm, made_of, play
from ._recordings import RecordedEvent, part_data, part_of_data
from ._run_log import KeptCall, RunLog, kept_calls, kept_rows
from ._stores import Event, RunHead, RunRecord, RunStore

__all__ = ["DurableRun", "LoggedCalls", "durable"]

_LOG: Final = logging.getLogger("miniagents.runs")


class LoggedCalls:
    """A block whose calls of models and tools are written to the log of a run, and replayed from it.

    Args:
        log: of the run; this process is its writer.
        head: what is known of the run.
        events: what is in the log already.

    Attributes:
        played: how many calls were replayed from the log until now.
        made: how many calls were made and kept until now.
        models_only: True: only runs of models pass through it.

    Example:
        >>> from miniagents.ext.journal import LoggedCalls, MemoryJournal, RunHead, RunLog
        >>> from miniagents.testing import scripted_model
        >>> async def main():
        ...     journal, head = MemoryJournal(), RunHead("7")
        ...     await journal.begin(head, [["began", 0, None]])
        ...     async with LoggedCalls(RunLog(journal, "7"), head) as calls:
        ...         print(await scripted_model("Hi").inquire("Hello"), calls.made)
        >>> MiniAgents().run(main())
        Hi 1
    """

    models_only: ClassVar[bool] = True

    def __init__(self, log: RunLog, head: RunHead | RunRecord, events: Sequence[Event] = ()) -> None:
        self.played: int = 0
        self.made: int = 0
        self._log = log
        self._head = head
        self._version = head.version
        self._kept = kept_calls(events)
        self._context = MiniAgents(around=[self], observers=[log])
        self._variables = ExitStack()  # sets the context variables of the block back

    @property
    def unasked(self) -> tuple[str, ...]:
        """The names of calls in the log that were not made this time."""
        return tuple(call.name for calls in self._kept.values() for call in calls)

    async def __aenter__(self) -> Self:
        """Begin."""
        await self._context.__aenter__()
        known = ToolContext(run_id=self._head.run, owner=self._head.owner or None)
        self._variables.callback(TOOL_RECORDER.reset, TOOL_RECORDER.set(self._tool))
        self._variables.callback(TOOL_CONTEXT.reset, TOOL_CONTEXT.set(known))
        self._variables.callback(CARRIER.reset, CARRIER.set(self._log.questions))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all runs of the block."""
        self._variables.close()
        await self._context.__aexit__(kind, error, trace)

    def _take(self, *keys: str) -> KeptCall | None:
        """Return an equal call of the log, each once; None if the call must be made."""
        calls = next((self._kept[key] for key in keys if self._kept.get(key)), None)
        if calls is None:
            return None
        self.played += 1
        watch = current_watch()
        self._log.play(None if watch is None else watch.info)
        return calls.popleft()

    async def _keep(self, key: str, name: str, rows: list[Json]) -> None:
        self.made += 1
        span = self._log.span_now()
        self._log.add(["kept", span, key, name, self._version, rows])
        await self._log.flush(hard=True)

    async def __call__(self, ctx: InteractionContext, call: AnyAgent) -> None:
        """Replay the call of a model, or make and keep it."""
        if WITHIN_RECORDED.get():  # its journal keeps the call
            ctx.reply(call.inquire(ctx.messages))
            return
        function = function_of(call, call.alias, self._version)
        question = question_of(await ctx.messages)
        key = key_of(f"{function.name} {function.function}", self._version, call, question).hex()
        form = MessageForm.of(call)
        kept = self._take(key)
        if kept is not None:
            await play(kept.name, kept.events, form, ctx)
            return
        replies = call.inquire(ctx.messages)
        ctx.reply(replies)
        made = await made_of(form, replies)
        if made is not None and not made.failed:
            origins = {
                number: origin
                for number, promise in enumerate(replies.buffer.items)
                if (origin := self._log.origin_of(promise)) is not None
            }
            await self._keep(key, call.alias, kept_rows(made.events, origins))

    async def _tool(
        self,
        call: ToolCall,
        spec: ToolSpec,
        make: MakeParts,
        metadata: MutableMapping[str, object],
    ) -> AsyncGenerator[Part]:
        """Yield the parts of the result of a tool: from the log, or from a new call, which is kept."""
        digest, former = key_of_tool(self._version, call, spec)
        kept = self._take(digest.hex(), former.hex())
        if kept is not None:
            for event in kept.events:
                yield part_of_data(event.data)
            return
        events: list[RecordedEvent] = []
        async for part in make(call, metadata):
            data = part_data(part)
            if data is not None:
                events.append(RecordedEvent(0.0, "part", 0, data))
            yield part
        span = self._log.span_now()
        await self._keep(digest.hex(), call.name, kept_rows(events, {0: (span, 0)} if span else {}))


class DurableRun:
    """A run whose calls are kept in a journal; :func:`durable` makes it, for ``async with``.

    Args:
        journal: keeps the calls.
        run_id: of the run.
        version: of its agents.

    Attributes:
        run_id: of the run.
        unasked: when the block has ended: the names of recorded calls that the run has not made this time.

    Raises:
        ValueError: the id is empty.

    Example:
        >>> from miniagents.ext.journal import durable
        >>> durable.__name__
        'durable'
    """

    def __init__(self, journal: RunStore, run_id: str, version: str) -> None:
        if not run_id:
            raise ValueError(
                "durable(run_id='') has no id; give each run its own id, and the same id to continue it."
            )
        self.run_id: str = run_id
        self.unasked: tuple[str, ...] = ()
        self._journal = journal
        self._version = version
        self._log: RunLog | None = None
        self._calls: LoggedCalls | None = None

    @property
    def played(self) -> int:
        """How many calls were replayed from the journal until now."""
        return 0 if self._calls is None else self._calls.played

    @property
    def made(self) -> int:
        """How many calls were made and kept until now."""
        return 0 if self._calls is None else self._calls.made

    async def __aenter__(self) -> Self:
        """Find the recorded calls of the run, and begin.

        Raises:
            JournalError: another process or task works on the run, or the journal cannot be read.
        """
        head = RunHead(self.run_id, version=self._version, restart="program")
        if await self._journal.claim(self.run_id) is None:
            await self._journal.begin(head, [["began", 0, None]])
        try:
            events = (await self._journal.read(self.run_id)).events
            self._log = RunLog(self._journal, self.run_id, events)
            self._journal.listen(self.run_id, self._log.questions.on_sent)
            self._calls = LoggedCalls(self._log, head, events)
            await self._calls.__aenter__()
        except BaseException:
            await self._journal.leave(self.run_id)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Wait for all runs, and log a warning if recorded calls were not made this time."""
        log, calls = self._log, self._calls
        if log is None or calls is None:
            return
        how = ""
        try:
            await calls.__aexit__(kind, error, trace)
            how = "" if kind is not None else "finished"
        finally:
            await log.close(how)
        if kind is None:
            self.unasked = calls.unasked
            if self.unasked:
                _LOG.warning(
                    "Run %r made other calls than before: %d recorded calls were not used, of %s. Check "
                    "whether its input or the code of its agents has changed.",
                    self.run_id,
                    len(self.unasked),
                    ", ".join(sorted(set(self.unasked))),
                )


def durable(journal: RunStore, *, run_id: str, version: str = "1") -> DurableRun:
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
