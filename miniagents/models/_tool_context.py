"""`ToolContext`: what a tool knows of the call that it answers, and of the run that the call belongs to."""

from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Final


def _unheard(_: str) -> None:
    """Do nothing: the tool is called by Python, where nothing reads its progress."""


@dataclass(frozen=True, slots=True)
class ToolContext:
    """The call of a tool: write it as the type of a parameter, most often the first one.

    Such a parameter is not in the schema. If a model calls the tool, the library fills it.

    Attributes:
        call_id: the id of the call by a model, as the provider names it.
        call_key: an idempotency key: the same if the run is killed and makes the call again.
        run_id: the id of the run on a server or in a journal.
        owner: the user whose run it is, as ``chat_routes(owner=...)`` found it.
        note: called with each note of :meth:`progress`; for a test of a tool, give ``notes.append``.

    Example:
        >>> from miniagents import tool
        >>> from miniagents.tools import ToolContext
        >>> @tool
        ... def count(ctx: ToolContext, to: int) -> int:
        ...     for number in range(to):
        ...         ctx.progress(f"{number + 1} of {to}")
        ...     return to
        >>> notes = []
        >>> count(ToolContext(note=notes.append), 2), notes
        (2, ['1 of 2', '2 of 2'])
    """

    call_id: str | None = None
    call_key: str | None = None
    run_id: str | None = None
    owner: str | None = None
    note: Callable[[str], object] = field(default=_unheard, repr=False, compare=False)

    def progress(self, note: str) -> None:
        """Show a note while the tool works: readers of parts get it as an `AgentPart` under its name.

        The model does not get it. It may be called from any thread.

        Args:
            note: a text for people.
        """
        self.note(note)


_NO_CALL: Final = ToolContext()

TOOL_CONTEXT: Final[ContextVar[ToolContext]] = ContextVar("miniagents_tool_context", default=_NO_CALL)
"""The run that the running code belongs to, its owner, and the call. What starts runs for users sets
``replace(TOOL_CONTEXT.get(), run_id=..., owner=...)`` before it inquires the agent."""
