"""One call of a tool: approved, timed, and told to the model whatever becomes of it."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias, cast

from miniagents.core import MessagePromise, ToolMessage
from miniagents.values import DeadlockError, Part, StopLoop, ToolCall, ToolResult

from ._errors import ToolDefinitionError
from ._results import error_text
from ._toolbox import Callee, Toolbox

__all__ = ["Approval", "Calls"]

Approval: TypeAlias = Callable[[ToolCall], Awaitable[bool | str]]
"""Asked before each call of a tool: True lets it happen; False, or a reason as a text, does not."""

_LOG: Final = logging.getLogger("miniagents.models")


@dataclass(frozen=True, slots=True)
class Calls:
    """How the calls of a model are answered.

    Attributes:
        toolbox: the tools.
        timeout: seconds for a call of a tool that does not say itself; None for no limit.
        approve: asked before each call, if it is there.
    """

    toolbox: Toolbox
    timeout: float | None
    approve: Approval | None

    def start(self, call: ToolCall, *, cut: bool = False) -> MessagePromise[ToolMessage]:
        """Begin a call.

        Args:
            call: what the model wrote.
            cut: it was stopped in the middle of its answer, so nobody knows whether this is all of the call;
                then nothing is called.

        Returns:
            The promise of its result. What an agent streams while it works are its parts. A failure of the
            tool is a result, too, which says so; what the approval raises, and `StopLoop`, are errors of it.
        """
        streamer = partial(self._not_called if cut else self._parts, call)
        return ToolMessage.promise_of_parts(streamer, tool=call.name, call_id=call.id)

    async def _not_called(self, call: ToolCall, _: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        yield _error(call, f"Your answer was cut off, so {call.name} was not called; call it again.")

    async def _parts(self, call: ToolCall, _: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        callee = self.toolbox.callees.get(call.name)
        if callee is None:
            names = ", ".join(self.toolbox.callees)
            yield _error(call, f"There is no tool called {call.name!r}; there are: {names}.")
            return
        approved = True if self.approve is None else await self._asked(self.approve, call)
        if approved is not True:
            reason = approved or "The user does not allow this call."
            yield _error(call, reason)
            return
        try:
            async with aclosing(self._timed(callee, call)) as pieces:
                async for piece in pieces:
                    yield ToolResult(call.id, piece, name=call.name) if isinstance(piece, str) else piece
        except (StopLoop, DeadlockError):
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            yield _error(call, f"{call.name} waited for something that was cancelled.")
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is told to the model
            # Without its text, which may be what the model or a user said.
            _LOG.info("tool %s failed with %s; the model is told", call.name, type(error).__name__)
            yield _error(call, error_text(error))

    async def _asked(self, approve: Approval, call: ToolCall) -> bool | str:
        answer = cast("object", approve(call))
        if isinstance(answer, Awaitable):
            return await cast("Awaitable[bool | str]", answer)
        raise ToolDefinitionError(
            f"approve returned a {type(answer).__name__} for a call of {call.name}, and is awaited; "
            "write it as an async function."
        )

    async def _timed(self, callee: Callee, call: ToolCall) -> AsyncGenerator[Part]:
        seconds = self.timeout if callee.timeout is None else callee.timeout
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        pieces = callee.run(call.arguments)
        try:
            while True:
                # The limit is set anew for each piece: none may be held over a `yield`.
                limit = asyncio.timeout_at(deadline)
                try:
                    async with limit:
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    msg = f"{call.name} did not end within {seconds} s."
                    raise TimeoutError(msg) from error
                yield piece
        finally:
            await pieces.aclose()


def _error(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call.id, text, is_error=True, name=call.name)
