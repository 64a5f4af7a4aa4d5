"""Questions to people: what an agent or a tool asks, and who carries it there.

A run of a server or of a journal carries questions (`CARRIER`); their answers are values that others give.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias, TypeVar, cast, overload

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from miniagents.values import MiniAgentsError, ToolCall, check_seconds, text_of_error

from ._errors import SchemaError, ToolArgumentsError
from ._parameters import check_numbers, json_object, sentence_of

if TYPE_CHECKING:
    from ._tool_loop import Callee

T = TypeVar("T")

Asked: TypeAlias = Mapping[str, object]
"""What is shown of a question, or its answer: plain data for JSON."""


Refusal: TypeAlias = Literal[
    "expired", "unknown", "ended", "answered", "changed", "invalid", "taken", "parked", "diverged"
]
"""Why a question cannot be answered, or a run cannot go on."""


class QuestionError(MiniAgentsError):
    """A question cannot be asked or answered.

    Args:
        text: the sentence.
        reason: why, if it is one of the expected cases.

    Attributes:
        reason: ``"expired"`` (it was not answered in time), ``"unknown"`` (there is no such question),
            ``"ended"`` (its run), ``"answered"`` (already, in another way), ``"changed"`` (something else was
            shown), ``"invalid"`` (the answer does not fit) or ``"taken"`` (another run waits for the event).
            Of a block of `durable`: ``"parked"`` (all that it does waits for answers; begin it again when
            there is one) or ``"diverged"`` (it was parked, and does not do the same again). None for any
            other problem.

    Example:
        >>> import asyncio
        >>> from miniagents.tools import QuestionError, ask
        >>> try:
        ...     asyncio.run(ask("Which flight?"))
        ... except QuestionError as error:
        ...     print(str(error).partition(";")[0])
        nothing carries the question 'Which flight?' to a person
    """

    def __init__(self, text: str = "", reason: Refusal | None = None) -> None:
        super().__init__(text)
        self.reason: Refusal | None = reason


@dataclass(frozen=True, slots=True)
class Allow:
    """A person allows the call of a tool.

    Attributes:
        arguments: replace those of the model; None to leave them.

    Example:
        >>> Allow({"amount": 5}).arguments
        {'amount': 5}
    """

    arguments: Mapping[str, object] | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """A person does not allow the call of a tool.

    Attributes:
        reason: the model gets it.

    Example:
        >>> Reject("Ask the owner first.").reason
        'Ask the owner first.'
    """

    reason: str = "The user does not allow this call."


class Carrier(Protocol):
    """Carries questions to people; the run of a server or of a journal does.

    Example:
        >>> class Yes:
        ...     async def carry(self, kind, shown, expires, check, /):
        ...         return {"value": "yes"}
        >>> carrier: Carrier = Yes()
    """

    async def carry(
        self, kind: str, shown: Asked, expires: float | None, check: Callable[[Asked], object], /
    ) -> Asked:
        """Return the answer to a question; ``{"expired": True}`` if there was none in time.

        Args:
            kind: ``"question"``, ``"approval"``, ``"sleep"`` (until it expires) or ``"event"`` (by name).
            shown: what people see of it.
            expires: seconds after which it is not answered any more; None: never.
            check: raises a ValueError if an answer does not fit; its text says why, in one line.
        """
        ...


_NO_DECISION: Final = "it neither allows nor rejects the call"

CARRIER: Final[ContextVar[Carrier | None]] = ContextVar("miniagents_questions", default=None)
"""Carries the questions of the running code."""


CALLED: Final[ContextVar["Callee | None"]] = ContextVar("miniagents_called_tool", default=None)
"""The tool whose call waits for approval."""

ALLOWED: Final[ContextVar[bool]] = ContextVar("miniagents_allowed", default=False)
"""Whether a person has allowed the call of the tool that is made."""


def _carrier(what: str) -> Carrier:
    carrier = CARRIER.get()
    if carrier is None:
        raise QuestionError(
            f"nothing carries {what} to a person; run the agent with Runs (a web app, miniagents serve), in "
            "a block of durable(journal, run_id=...), or with miniagents chat."
        )
    return carrier


@overload
async def ask(text: str, *, expires: float | None = None) -> str: ...
@overload
async def ask(text: str, answer: type[T], *, expires: float | None = None) -> T: ...
async def ask(text: str, answer: type[T] | type[str] = str, *, expires: float | None = None) -> T | str:
    """Ask a person, and wait for the answer, however long that takes; for agents and tools.

    The question is kept with the run: if its process ends, the run goes on in another one and waits again, or
    gets the answer that has come meanwhile. `Runs.answer` answers.

    Args:
        text: the question.
        answer: its type: any that pydantic knows.
        expires: seconds after which it is not answered any more; None: never.

    Raises:
        SchemaError: the type has no JSON schema.
        QuestionError: nothing carries questions here, or no answer came in time.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.ext.web import Runs
        >>> from miniagents.tools import ask
        >>> @miniagent
        ... async def booker(ctx):
        ...     ctx.reply(f"I book {await ask('How many?', int)}.")
        >>> async def main():
        ...     runs = Runs(agents={"booker": booker})
        ...     run = await runs.begin("booker")
        ...     frames = runs.frames(run)
        ...     await runs.answer(run, (await anext(frames))[1].question, 2)
        ...     print([frame.part async for _, frame in frames if hasattr(frame, "part")])
        >>> MiniAgents().run(main())
        ['I book 2.']
    """
    check_seconds("ask", "expires", expires, past=True)
    return await _value("question", f"the question {text!r}", {"text": text}, answer, expires)


async def _value(kind: str, what: str, shown: Asked, answer: type[T], expires: float | None) -> T:
    """Return the answer to a question, which is a value of a type."""
    try:
        adapter = TypeAdapter(answer)
        schema = adapter.json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError) as error:
        raise SchemaError(f"{what} cannot have an answer of the type {answer!r}: {error}") from None

    def check(data: Asked) -> T:
        try:
            return adapter.validate_python(data.get("value"), strict=False)
        except ValidationError as error:
            raise ValueError(sentence_of(error)) from None

    data = await _carrier(what).carry(kind, {**shown, "schema": schema}, expires, check)
    if data.get("expired"):
        raise QuestionError(f"{what} was not answered within {expires:g} s.", "expired")
    return check(data)


async def wait_for_event(name: str, value: type[T], *, expires: float | None = None) -> T:
    """Wait until another program says that something has happened, and return what it says.

    `Runs.send_event` says it, for example in a webhook; also before the run waits for it (such a value is
    dropped if it does not fit). As with `ask`, no process need be there meanwhile.

    Args:
        name: of what happens, such as ``"payment-17"``; only one wait at a time can have it.
        value: the type of what is said: any that pydantic knows.
        expires: seconds after which the wait ends; None: never.

    Raises:
        SchemaError: the type has no JSON schema.
        QuestionError: it did not happen in time, another run waits for the same name, or no run carries this.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.ext.web import Runs
        >>> @miniagent
        ... async def clerk(ctx):
        ...     ctx.reply(f"{await wait_for_event('payment-17', int)} euros have come.")
        >>> async def main():
        ...     runs = Runs(agents={"clerk": clerk})
        ...     await runs.send_event("payment-17", 5)
        ...     frames = runs.frames(await runs.begin("clerk"))
        ...     print([frame.part async for _, frame in frames if hasattr(frame, "part")])
        >>> MiniAgents().run(main())
        ['5 euros have come.']
    """
    check_seconds("wait_for_event", "expires", expires, past=True)
    return await _value("event", f"the event {name!r}", {"event": name}, value, expires)


async def sleep_until(when: datetime) -> None:
    """Wait until a time; no process need be there meanwhile.

    When the run goes on in another process, the time is the one that was given first, also if the code gives
    another one now.

    Args:
        when: with a time zone.

    Raises:
        ValueError: it has no time zone.
        QuestionError: no run carries this.

    Example:
        >>> from datetime import timedelta
        >>> from miniagents import MiniAgents, miniagent
        >>> from miniagents.ext.web import Runs
        >>> @miniagent
        ... async def late(ctx):
        ...     await sleep_until(datetime.now(UTC) + timedelta(milliseconds=20))
        ...     ctx.reply("Good morning.")
        >>> async def main():
        ...     runs = Runs(agents={"late": late})
        ...     frames = runs.frames(await runs.begin("late"))
        ...     print([frame.part async for _, frame in frames if hasattr(frame, "part")])
        >>> MiniAgents().run(main())
        ['Good morning.']
    """
    if when.utcoffset() is None:
        raise ValueError(
            f"sleep_until({when!r}) has no time zone; write datetime(..., tzinfo=UTC), or .astimezone()."
        )
    left = max((when - datetime.now(UTC)).total_seconds(), 0.0)
    shown = {"until": when.astimezone(UTC).isoformat()}
    await _carrier("a sleep").carry("sleep", shown, left, _check_nothing)


def _check_nothing(_: Asked) -> None:
    raise ValueError("only the time ends a sleep")


def approval(
    *, needs: Callable[[ToolCall], bool] = lambda _: True, expires: float | None = None
) -> Callable[[ToolCall], Awaitable[bool | str | ToolCall]]:
    """Return a function for ``with_tools(approve=...)`` that asks a person before a tool is called.

    A person allows the call, also with other arguments, or rejects it with a reason, which the model gets.
    Only a call that was allowed runs, with the arguments that were allowed.

    Args:
        needs: which calls need approval; by default all.
        expires: seconds after which the call is rejected; None: it waits.

    Raises:
        ValueError, TypeError: these are no seconds.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> from miniagents.tools import approval, tool
        >>> @tool
        ... def pay(amount: int) -> str:
        ...     return "paid"
        >>> asks = approval(needs=lambda call: call.name == "pay")
        >>> scripted_model("Hi").with_tools(pay, approve=asks).alias
        'SCRIPTED_MODEL_WITH_TOOLS'
    """
    check_seconds("approval", "expires", expires)

    async def approve(call: ToolCall) -> bool | str | ToolCall:
        if not needs(call):
            return True
        called = CALLED.get()
        try:
            arguments = json_object(call.arguments)
            shown = {"tool": call.name, "arguments": arguments, "call": call.id}
            if called is not None:
                called.check(call.arguments)
                shown |= {"description": called.spec.description, "schema": called.spec.parameters}
        except ToolArgumentsError as error:
            return text_of_error(error)  # no person has to look at a call that cannot be made

        carrier = _carrier(f"the call of {call.name}")
        data = await carrier.carry("approval", shown, expires, partial(_check_decision, called))
        if data.get("expired"):
            return "Nobody has allowed this call in time."
        if not data.get("allow"):
            return str(data.get("reason") or Reject().reason)
        ALLOWED.set(True)
        edited = data.get("arguments")
        return True if edited is None else replace(call, arguments=json.dumps(edited))

    return approve


def _check_decision(called: "Callee | None", data: Asked) -> None:
    """Refuse what is no decision about a call, and arguments that do not fit its tool."""
    given, refusal = data.get("arguments"), refusal_of("approval", data)
    if refusal is not None or not (given is None or isinstance(given, Mapping)):
        raise ValueError(refusal or _NO_DECISION)
    check_numbers(data.get("arguments"))
    if given is not None and called is not None:
        called.check(json.dumps(given))


def refusal_of(kind: str, data: Asked) -> str | None:
    """Return why an answer cannot belong to any question of a kind; None if it can.

    Args:
        kind: of the question.
        data: the answer.

    Example:
        >>> refusal_of("approval", {"value": 1})
        'it neither allows nor rejects the call'
    """
    if kind in {"question", "event"}:
        return None if "value" in data else "it has no value"
    fits = isinstance(data.get("allow"), bool) or (kind == "unknown" and "value" in data)
    return None if fits else _NO_DECISION


def answer_data(answer: object) -> dict[str, object]:
    """Return an answer as data for JSON.

    Args:
        answer: a decision about a call, or a value.

    Example:
        >>> answer_data(Reject("No.")), answer_data(7)
        ({'allow': False, 'reason': 'No.'}, {'value': 7})
    """
    if isinstance(answer, Allow):
        return {"allow": True, "arguments": None if answer.arguments is None else dict(answer.arguments)}
    if isinstance(answer, Reject):
        return {"allow": False, "reason": answer.reason}
    return {"value": cast("object", TypeAdapter(object).dump_python(answer, mode="json"))}
