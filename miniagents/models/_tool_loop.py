"""The tool loop: call the model, call the tools that it wants, send it the results, until it calls none.

A toolbox contains the tools of one model, functions and agents, by name. Each call needs approval, if there
is a function for that, and has a timeout. The model is sent the outcome in any case.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, MutableMapping, Sequence
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Never, Protocol, TypeAlias, cast

from miniagents.agents import NOT_ALLOWED_YET, Boundaries, InteractionContext, MiniAgent
from miniagents.messages import AssistantMessage, Message, MessagePromise, ToolMessage
from miniagents.messages._message import CALLS_MADE, write_message
from miniagents.messages._parts import PartBuffer, current_watch, watch_run
from miniagents.streams._buffer import ReplayBuffer
from miniagents.streams._context import current_context
from miniagents.streams._observers import RunWatch, outcome_of
from miniagents.streams._run_task import pass_error_on
from miniagents.values import (
    AgentPart,
    DeadlockError,
    Finish,
    NestingError,
    Part,
    ResultContent,
    StopLoop,
    ToolCall,
    ToolResult,
    text_of_error,
)

from ._agent_tool import AgentTool
from ._errors import MaxTurnsError, SchemaError, ToolArgumentsError
from ._parameters import json_object
from ._questions import ALLOWED, CALLED, Reject
from ._server_tool import ServerTool
from ._tool import Tool, ToolSpec
from ._tool_context import TOOL_CONTEXT

AnyTool: TypeAlias = Tool[..., object] | MiniAgent[Never, Message, ...] | ServerTool
"""What `with_tools` takes: a function with `@tool`, any agent, or a tool that the provider runs."""


class Callee(Protocol):
    """A tool as the loop sees it.

    Example:
        >>> from miniagents import tool
        >>> @tool
        ... def now() -> str:
        ...     return "noon"
        >>> callee: Callee = now
        >>> callee.spec.name
        'now'
    """

    @property
    def spec(self) -> ToolSpec:
        """The description that the model gets."""
        ...

    @property
    def timeout(self) -> float | None:
        """Seconds that a call may take; None if it has no timeout of its own."""
        ...

    def check(self, arguments: str, /) -> None:
        """Check the arguments of a call.

        Args:
            arguments: a JSON object.

        Raises:
            ToolArgumentsError: they do not fit.
        """
        ...

    def run(self, arguments: str, /) -> AsyncGenerator[AgentPart | ResultContent]:
        """Call the tool: yield the parts that it streams, and then its result, as the model gets it.

        Args:
            arguments: a JSON object.
        """
        ...


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The tools of a model, by name.

    Attributes:
        callees: the tools by their names, in the order in which they were given.
        of_provider: the tools that the provider of the model runs.

    Example:
        >>> from miniagents import tool
        >>> @tool
        ... def now() -> str:
        ...     return "noon"
        >>> list(Toolbox.of([now]).callees)
        ['now']
    """

    callees: Mapping[str, Callee]
    of_provider: tuple[ServerTool, ...] = ()

    @classmethod
    def of(cls, tools: Iterable[AnyTool]) -> "Toolbox":
        """Make a toolbox of tools.

        Args:
            tools: functions, agents, and tools that the provider runs.

        Raises:
            SchemaError: there are none, two have the same name, or one is not a tool.
        """
        callees: dict[str, Callee] = {}
        of_provider: dict[str, ServerTool] = {}
        for each in tools:
            callee = each if isinstance(each, ServerTool) else _callee(each)
            name = callee.name if isinstance(callee, ServerTool) else callee.spec.name
            if name in callees or name in of_provider:
                raise SchemaError(
                    f"Two tools are called {name!r}, and a model could not tell them apart; "
                    "give one of them another name, with @tool(name=...) or agent.described(alias=...)."
                )
            if isinstance(callee, ServerTool):
                of_provider[name] = callee
            else:
                callees[name] = callee
        if not callees and not of_provider:
            raise SchemaError("with_tools was given no tools; without them, inquire the model itself.")
        return cls(callees, tuple(of_provider.values()))

    @property
    def specs(self) -> tuple[ToolSpec, ...]:
        """The descriptions that the model gets."""
        return (*(callee.spec for callee in self.callees.values()), *self.of_provider)


def _callee(each: object) -> Callee:
    if isinstance(each, Tool):
        cast("Tool[..., object]", each).check_bound()
        return cast("Tool[..., object]", each)
    if isinstance(each, MiniAgent):
        return AgentTool.of(cast("MiniAgent[Message, Message, ...]", each))
    hints = ("decorate a function with @tool, or give an agent", "give its items: with_tools(*tools)")
    hint = hints[isinstance(each, list | tuple)]
    raise SchemaError(f"A {type(each).__name__} is not a tool; {hint}.")


Approval: TypeAlias = Callable[[ToolCall], Awaitable[bool | str | ToolCall]]
"""Called before each call of a tool: True allows it, and so does a `ToolCall`, whose arguments are used;
False, or a reason as a text, refuses it."""

_LOG: Final = logging.getLogger("miniagents.models")
_PAUSED: Final = "pause_turn"
"""The reason of an answer that a provider has stopped while it ran its own tools; it is asked to go on."""
_DROPPED: Final = (
    "%s called tools, but what wraps it replied an answer without these calls, so none was made. A message "
    "made of tokens has only the text: reply the answer itself, or a message of its parts; to check what a "
    "model says, use agent.guard(...)."
)
_NO_SUCH_TOOL: Final = "(no such tool)"
"""The name that observers get for a tool that does not exist: the model has made it up."""


MakeParts: TypeAlias = Callable[[ToolCall, MutableMapping[str, object]], AsyncGenerator[Part]]
"""Makes the parts of the result of a call."""

RecordTool: TypeAlias = Callable[
    [ToolCall, ToolSpec | None, MakeParts, MutableMapping[str, object]], AsyncGenerator[Part]
]
"""Makes the parts of the result of a call, or plays those that were kept; None: the tool is an agent."""

TOOL_RECORDER: Final[ContextVar[RecordTool | None]] = ContextVar("miniagents_tool_recorder", default=None)
"""Records the calls of tools; it gets the call and the function that makes its parts. None: no recording."""

TOOL_INTENT: Final[ContextVar[Callable[[ToolCall], Awaitable[ToolResult | None]] | None]] = ContextVar(
    "miniagents_tool_intent", default=None
)
"""Writes that a call with effects begins. It returns the result if the call was made before."""


MAX_CALLS: Final = 128  # of one answer
MAX_DEPTH: Final = 16
_DEPTH: Final[ContextVar[int]] = ContextVar("miniagents_tool_depth", default=0)
"""In how many agents that are tools the running code is nested."""


@dataclass(frozen=True, slots=True)
class ToolCalls:
    """Answers the tool calls of a model.

    Attributes:
        toolbox: the tools.
        timeout: seconds for a call of a tool without a timeout of its own; None for no limit.
        approve: is awaited before each call; None: no approval is needed.
        max_calls: how many calls of one answer are made.
        max_depth: how deep agents that are tools may be nested.
    """

    toolbox: Toolbox
    timeout: float | None
    approve: Approval | None
    max_calls: int = MAX_CALLS
    max_depth: int = MAX_DEPTH

    def start_all(
        self, calls: Iterable[ToolCall], finish_reason: str | None
    ) -> list[MessagePromise[ToolMessage]]:
        """Begin the calls of one answer, all at the same time.

        Args:
            calls: what the model wrote.
            finish_reason: why its answer ended.
        """
        cut = Finish(finish_reason or "").cut
        return [self.start(call, number, cut=cut) for number, call in enumerate(calls)]

    def start(self, call: ToolCall, number: int = 0, *, cut: bool = False) -> MessagePromise[ToolMessage]:
        """Begin a call.

        Args:
            call: what the model wrote.
            number: how many calls of the same answer came before it.
            cut: True if the answer of the model was cut off: the call may be incomplete, and no tool is
                called.

        Returns:
            The promise of its result. The parts that an agent streams while it works are parts of it. If the
            tool fails, the result is a text that says so. Errors of the approval, and `StopLoop`, become
            errors of the promise.
        """
        refused: str | None = None
        if cut:
            refused = f"Your answer was cut off, so {call.name} was not called; call it again."
        elif number >= self.max_calls:
            limit = f"an answer may have {self.max_calls} calls"
            refused = f"{call.name} was not called: {limit}; make fewer at once."
        make, keep = self._parts if refused is None else partial(_refused, refused), TOOL_RECORDER.get()
        callee = self.toolbox.callees.get(call.name)
        if refused is not None or keep is None or callee is None:
            streamer = partial(make, call)
        else:
            # A call of an agent is not recorded itself: the calls of the models and tools inside it are.
            streamer = partial(keep, call, callee.spec if isinstance(callee, Tool) else None, make)
        data = {"tool": call.name, "call_id": call.id}
        context = current_context()
        if context.observers is None:
            return write_message(ToolMessage, streamer, data)
        keywords = {"arguments": call.arguments}
        name = call.name
        if name not in self.toolbox.callees:  # the model may have written any text: it is content, not a name
            name, keywords["name"] = _NO_SUCH_TOOL, call.name
        watch = watch_run(context, context.observers, name, "tool", keywords)
        result = write_message(ToolMessage, streamer, data, watch)
        result.buffer.when_closed(partial(_report_end, watch, result.buffer))
        return result

    async def _parts(self, call: ToolCall, metadata: MutableMapping[str, object]) -> AsyncGenerator[Part]:
        callee = self.toolbox.callees.get(call.name)
        if callee is None:
            names = ", ".join(self.toolbox.callees)
            yield _error(call, f"There is no tool called {call.name!r}; there are: {names}.")
            return
        allowed = await self._allowed(call, callee, metadata)
        if isinstance(allowed, ToolResult):
            yield allowed
            return
        if allowed.arguments != call.arguments:
            metadata["edited_arguments"] = allowed.arguments  # the model gets them with the result
        call = allowed
        self._nest(callee)
        TOOL_CONTEXT.set(replace(TOOL_CONTEXT.get(), call_id=call.id))  # each call has variables of its own
        try:
            async with aclosing(self._timed(callee, call)) as pieces:
                async for piece in pieces:
                    yield (
                        piece if isinstance(piece, AgentPart) else ToolResult(call.id, piece, name=call.name)
                    )
        except (StopLoop, DeadlockError, NestingError):
            raise
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            yield _error(call, f"{call.name} waited for something that was cancelled.")
        except Exception as error:  # noqa: BLE001 - the model is sent every error of a tool
            # The log has no text of the error: it may repeat what the model or a user wrote.
            _LOG.info("tool %s failed with %s; the model is sent the error", call.name, type(error).__name__)
            watch = current_watch()
            if watch is not None:
                watch.failure = error
            yield _error(call, text_of_error(error))

    async def _allowed(
        self, call: ToolCall, callee: Callee, metadata: MutableMapping[str, object]
    ) -> ToolCall | ToolResult:
        """Return the call that is made now; or the result, if none is."""
        try:
            json_object(call.arguments)
        except ToolArgumentsError as error:
            # The arguments are checked first: no approval is requested for a call that cannot be made.
            return _error(call, text_of_error(error))
        approved: ToolCall | str = call
        if self.approve is not None:
            metadata[NOT_ALLOWED_YET] = True  # for who cuts it
            approved = await self._approval(self.approve, call, callee)
        metadata.pop(NOT_ALLOWED_YET, None)
        if isinstance(approved, str):
            return _error(call, approved)
        intend = TOOL_INTENT.get()
        if intend is None or not isinstance(callee, Tool):
            return approved
        by_person = self.approve is not None and ALLOWED.get()
        effects = cast("Tool[..., object]", callee).effects == "write"
        return (await intend(approved) if effects or by_person else None) or approved

    def _nest(self, callee: Callee) -> None:
        """Count one more level of agents that are tools, for all that this call begins.

        Raises:
            NestingError: there would be more than ``max_depth`` of them.
        """
        if not isinstance(callee, AgentTool):
            return
        depth = _DEPTH.get() + 1
        if depth > self.max_depth:
            raise NestingError(
                f"Agents that are tools are nested more than max_depth={self.max_depth} deep, here "
                f"{callee.spec.name}: an agent calls itself, perhaps through others. Do not make it a tool "
                "of its own, or give with_tools a larger max_depth."
            )
        _DEPTH.set(depth)  # each call has context variables of its own

    async def _approval(self, approve: Approval, call: ToolCall, callee: Callee) -> ToolCall | str:
        """Return the call that is allowed; a text if none is."""
        CALLED.set(callee)
        ALLOWED.set(False)
        answer = cast("object", approve(call))
        if not isinstance(answer, Awaitable):
            raise SchemaError(
                f"approve returned a {type(answer).__name__} for a call of {call.name}, which cannot be "
                "awaited; write it as an async function."
            )
        allowed = await cast("Awaitable[object]", answer)
        if isinstance(allowed, ToolCall):  # the result is for the call that the model has made
            return replace(call, arguments=allowed.arguments)
        if allowed is True:
            return call
        if isinstance(allowed, str) and allowed:
            return allowed
        if not allowed:
            return Reject().reason
        raise SchemaError(
            f"approve returned a {type(allowed).__name__} for a call of {call.name}; return True, a reason "
            "against it, or a ToolCall."
        )

    async def _timed(self, callee: Callee, call: ToolCall) -> AsyncGenerator[AgentPart | ResultContent]:
        seconds = self.timeout if callee.timeout is None else callee.timeout
        deadline = None if seconds is None else asyncio.get_running_loop().time() + seconds
        pieces = callee.run(call.arguments)
        try:
            while True:
                # Each piece gets a new `timeout_at`: none may be open during a `yield`.
                limit = asyncio.timeout_at(deadline)
                try:
                    async with limit:
                        piece = await anext(pieces)
                except StopAsyncIteration:
                    return
                except TimeoutError as error:
                    if not limit.expired():
                        raise
                    raise TimeoutError(f"{call.name} did not end within {seconds} s.") from error
                yield piece
        finally:
            await pieces.aclose()


def _report_end(watch: RunWatch, buffer: ReplayBuffer[str]) -> None:
    """Notify the observers of the end of a tool call; an error result counts as a failure."""
    outcome, error = outcome_of(buffer.error)
    parts = buffer.parts if isinstance(buffer, PartBuffer) else ()
    if outcome == "done" and any(isinstance(part, ToolResult) and part.is_error for part in parts[-1:]):
        outcome, error = "failed", watch.failure
    result = buffer.result
    replied = (result,) if watch.observers.content and isinstance(result, Message) else ()
    watch.ended(outcome, error, (), replied)


async def _refused(reason: str, call: ToolCall, _: MutableMapping[str, object]) -> AsyncGenerator[Part]:
    """Yield the result of a call that is not made."""
    yield _error(call, reason)


def _unanswered(messages: Iterable[Message]) -> tuple[AssistantMessage, list[ToolCall]] | None:
    """Return the answer at the end of a conversation, and its calls without a result, if there are any."""
    answered: set[str] = set()
    for message in reversed(tuple(messages)):
        if isinstance(message, ToolMessage):
            answered |= {part.call_id for part in message.parts if isinstance(part, ToolResult)}
        elif isinstance(message, AssistantMessage):
            calls = [call for call in message.tool_calls if call.id not in answered]
            return (message, calls) if calls else None
        else:
            return None
    return None


def _error(call: ToolCall, text: str) -> ToolResult:
    return ToolResult(call.id, text, is_error=True, name=call.name)


@dataclass(frozen=True, slots=True)
class ToolLoop:
    """The function of an agent that lets a model call tools.

    It replies each answer of the model, and the result of each tool call, as messages of their own, in order,
    while they stream. All tool calls of one answer run at the same time. The answers go back to the model
    unchanged, so the provider finds its signatures and call ids. If the conversation ends with calls without
    a result, these are answered first. Before each request, it takes and replies what has come from the user.

    Attributes:
        model: replies one message, and takes the keyword ``tools``.
        calls: answers the calls.
        max_turns: how many answers the model may give.

    Example:
        >>> from miniagents import MiniAgents, miniagent, tool
        >>> from miniagents.testing import scripted_model
        >>> @tool
        ... def now() -> str:
        ...     return "noon"
        >>> model = scripted_model(AssistantMessage(parts=[ToolCall("1", "now", "{}")]), "It is noon.")
        >>> loop = ToolLoop(model, ToolCalls(Toolbox.of([now]), None, None), max_turns=2)
        >>> async def main():
        ...     print(*await miniagent(loop, alias="CLOCK").inquire("How late is it?"), sep="|")
        >>> MiniAgents().run(main())
        |noon|It is noon.
    """

    model: MiniAgent[Message, AssistantMessage, ...]
    calls: ToolCalls
    max_turns: int

    @property
    def components(self) -> tuple[MiniAgent[Message, Message, ...], ...]:
        """The model."""
        return (cast("MiniAgent[Message, Message, ...]", self.model),)

    async def __call__(
        self, ctx: InteractionContext[Message, AssistantMessage | ToolMessage], /, **keywords: object
    ) -> None:
        """Run the loop.

        Args:
            ctx: the conversation.
            **keywords: those of the model.

        Raises:
            SchemaError: ``tools`` is among the keywords.
            MaxTurnsError: the model still calls tools in its last turn. (Errors of the model, and of the
                approval of a call, are in the replies, at their place.)
        """
        if keywords.get("tools"):
            raise SchemaError(
                f"{self.model.alias} got tools= in addition to with_tools, and these would not be called; "
                "give all of them to with_tools."
            )
        given: Mapping[str, object] = {**keywords, "tools": self.calls.toolbox.specs}
        conversation: list[Sequence[Message]] = []
        sent: Sequence[Message] = ()
        try:
            sent = await ctx.messages
        except Exception as error:  # noqa: BLE001 - the replies of the model, which is sent them, have it
            pass_error_on(error)
        boundaries, unanswered, paused = Boundaries(sent), _unanswered(sent), False
        if unanswered is not None:
            answer, calls = unanswered
            results = self.calls.start_all(calls, answer.finish_reason)
            ctx.reply(results)
            try:
                conversation.append([await result for result in results])
            except Exception as error:  # noqa: BLE001 - the replies have it already, at its place
                pass_error_on(error)
                return
        for left in reversed(range(self.max_turns)):
            if not paused and (new := boundaries.take(conversation)):  # what has come from the user
                ctx.reply(cast("list[AssistantMessage]", new))  # it is among the replies of any model
                conversation.append(new)
            made = set[str]()
            before = CALLS_MADE.set(made)
            turn = self.model.inquire([ctx.messages, *conversation], **given)
            CALLS_MADE.reset(before)
            ctx.reply(turn)
            try:
                answers = await turn
                results = [
                    result
                    for answer in answers
                    for result in self.calls.start_all(answer.tool_calls, answer.finish_reason)
                ]
                ctx.reply(results)
                conversation += [answers, [await result for result in results]]
            except Exception as error:  # noqa: BLE001 - the replies have it already, at its place
                pass_error_on(error)
                return
            if made and not results and not boundaries.over:
                _LOG.warning(_DROPPED, self.model.alias)
            paused = any(answer.finish_reason == _PAUSED for answer in answers)
            if not results and not paused and boundaries.end(conversation, last=not left):
                return
        raise MaxTurnsError(
            f"{self.model.alias} still calls tools in turn {self.max_turns}, its last one; "
            "raise max_turns, or tell the model in its prompt to finish."
        )
