"""Questions to people: what an agent or a tool asks, and who carries it there.

A run of a server or of a journal carries questions (`CARRIER`); their answers are values that others give.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Final, Literal, Protocol, TypeAlias, TypeVar, cast, overload

from pydantic import PydanticSchemaGenerationError, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema

from miniagents.values import MiniAgentsError, ToolCall

from ._errors import SchemaError
from ._parameters import json_object
from ._tool import ToolSpec

__all__ = [
    "CARRIER",
    "TOOL_SPEC",
    "Allow",
    "Asked",
    "Carrier",
    "QuestionError",
    "Reject",
    "answer_data",
    "approval",
    "ask",
    "reason_of",
    "refusal_of",
]

T = TypeVar("T")

Asked: TypeAlias = Mapping[str, object]
"""What is shown of a question, or its answer: plain data for JSON."""


Refusal: TypeAlias = Literal["expired", "unknown", "answered", "changed", "invalid"]
"""Why a question cannot be answered."""


class QuestionError(MiniAgentsError):
    """A question cannot be asked or answered.

    Args:
        text: the sentence.
        reason: why, if it is one of the expected cases.

    Attributes:
        reason: ``"expired"`` (it was not answered in time), ``"unknown"`` (there is no such question),
            ``"answered"`` (already, in another way), ``"changed"`` (something else was shown) or
            ``"invalid"`` (the answer does not fit); None for any other problem.

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
            kind: ``"question"`` or ``"approval"``.
            shown: what people see of it.
            expires: seconds after which it is not answered any more; None: never.
            check: raises a ValueError if an answer does not fit.
        """
        ...


CARRIER: Final[ContextVar[Carrier | None]] = ContextVar("miniagents_questions", default=None)
"""Carries the questions of the running code."""

TOOL_SPEC: Final[ContextVar[ToolSpec | None]] = ContextVar("miniagents_tool_spec", default=None)
"""The tool whose call waits for approval."""


def _carrier(what: str) -> Carrier:
    carrier = CARRIER.get()
    if carrier is None:
        raise QuestionError(
            f"nothing carries {what} to a person; run the agent with Runs (a web app, miniagents serve) or "
            "in a block of durable(journal, run_id=...)."
        )
    return carrier


@overload
async def ask(text: str, *, expires: float | None = None) -> str: ...
@overload
async def ask(text: str, answer: type[T], *, expires: float | None = None) -> T: ...
async def ask(text: str, answer: type[T] | type[str] = str, *, expires: float | None = None) -> T | str:
    """Ask a person, and wait for the answer, however long that takes; for agents and tools.

    The question is kept with the run: if its process ends, the run goes on in another one and waits again, or
    gets the answer that has come meanwhile. `Runs.questions` lists open questions, `Runs.answer` answers.

    Args:
        text: the question.
        answer: the type of the answer: any that pydantic knows.
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
        ...     ctx.reply(f"I book {await ask('How many seats?', int)}.")
        >>> async def main():
        ...     runs = Runs(agents={"booker": booker})
        ...     run = await runs.begin("booker")
        ...     frames = runs.frames(run)
        ...     question = (await anext(frames))[1]
        ...     await runs.answer(run, question.question, 2)
        ...     print([frame.part async for _, frame in frames if hasattr(frame, "part")])
        >>> MiniAgents().run(main())
        ['I book 2.']
    """
    adapter: TypeAdapter[T | str] = TypeAdapter(answer)
    try:
        schema = adapter.json_schema()
    except (PydanticInvalidForJsonSchema, PydanticSchemaGenerationError) as error:
        raise SchemaError(f"ask({text!r}) cannot show a person the type {answer!r}: {error}") from None

    def check(data: Asked) -> T | str:
        return adapter.validate_python(data.get("value"), strict=False)

    carrier = _carrier(f"the question {text!r}")
    data = await carrier.carry("question", {"text": text, "schema": schema}, expires, check)
    if data.get("expired"):
        raise QuestionError(f"the question {text!r} was not answered within {expires:g} s.", "expired")
    return check(data)


def approval(
    *, needs: Callable[[ToolCall], bool] = lambda _: True, expires: float | None = None
) -> Callable[[ToolCall], Awaitable[bool | str | ToolCall]]:
    """Return a function for ``with_tools(approve=...)`` that asks a person before a tool is called.

    A person allows the call, also with other arguments, or rejects it with a reason, which the model gets.
    Only a call that was allowed runs, with the arguments that were allowed.

    Args:
        needs: which calls need approval; by default all.
        expires: seconds after which the call is rejected; None: it waits.

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

    async def approve(call: ToolCall) -> bool | str | ToolCall:
        if not needs(call):
            return True
        spec = TOOL_SPEC.get()
        shown = {"tool": call.name, "arguments": json_object(call.arguments), "call": call.id}
        if spec is not None:
            shown |= {"description": spec.description, "schema": spec.parameters}

        def check(data: Asked) -> None:
            given = data.get("arguments")
            if not isinstance(data.get("allow"), bool) or not (given is None or isinstance(given, Mapping)):
                raise ValueError("it neither allows nor rejects the call")

        data = await _carrier(f"the call of {call.name}").carry("approval", shown, expires, check)
        if data.get("expired"):
            return "Nobody has allowed this call in time."
        if not data.get("allow"):
            return str(data.get("reason") or Reject().reason)
        arguments = data.get("arguments")
        return True if arguments is None else replace(call, arguments=json.dumps(arguments))

    return approve


def refusal_of(kind: str, data: Asked) -> str | None:
    """Return why an answer cannot belong to any question of a kind; None if it can.

    Args:
        kind: of the question.
        data: the answer.

    Example:
        >>> refusal_of("approval", {"value": 1})
        'it neither allows nor rejects the call'
    """
    if kind == "approval" and not isinstance(data.get("allow"), bool):
        return "it neither allows nor rejects the call"
    return "it has no value" if kind == "question" and "value" not in data else None


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


def reason_of(error: ValueError) -> str:
    """Return why an answer does not fit, in one line.

    Args:
        error: of a check.

    Example:
        >>> reason_of(ValueError("no"))
        'no'
    """
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(map(str, each['loc']))}: {each['msg']}".removeprefix(": ") for each in error.errors()
        )
    return str(error)
