"""`as_type`: a model that answers with a value of a type."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, Self, TypeAlias, cast, get_args, overload

from pydantic import BaseModel, ValidationError
from typing_extensions import ParamSpec, TypeVar, Unpack, override

from miniagents.agents import CatchOptions, Caught, InteractionContext, MiniAgent, Stage, Wrapper
from miniagents.messages import (
    AssistantMessage,
    InputMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    ToolMessage,
    UserMessage,
)
from miniagents.messages._message import write_message
from miniagents.streams import Overflow
from miniagents.streams._concurrent_map import ConcurrencyLimits
from miniagents.values import Finish, LLMRefusalError, Part, Restart, ToolCallDelta, ToolResult, check_count

from ._answer_schema import AnswerSchema
from ._errors import SchemaError, TypedAnswerError
from ._json_begin import json_in
from ._parameters import sentence_of
from ._parsed import ParsedMessage, ParsedReplies
from ._tool import ToolSpec
from ._typed_map import TypedAgentMap

AnswerMode: TypeAlias = Literal["native", "tool"]
"""How a model is made to answer with a type: by the schema mode of its provider, or by a call of a tool."""

T = TypeVar("T", bound=BaseModel)
P = ParamSpec("P", default=[])
Q = ParamSpec("Q")
In1 = TypeVar("In1", bound=Message)
Out2 = TypeVar("Out2", bound=Message)

_TOOL = "answer"


@dataclass(frozen=True, slots=True)
class TypedAnswer(Generic[T]):
    """The function of an agent that requests a type from a model, and again if the answer does not fit.

    Attributes:
        model: replies messages; the last one is its answer.
        given: the keywords that make it answer with the type.
        asking: the model with these keywords.
        answer: the type.
        schema: the JSON schema of the type.
        repairs: how often the model is called again.
        mode: how the model is made to answer with the type.
        message_class: the class of the reply.

    Example:
        >>> TypedAnswer.__slots__[0]
        'model'
    """

    model: MiniAgent[Message, Message, ...]
    given: Mapping[str, object]
    asking: MiniAgent[Message, Message, ...]
    answer: type[T]
    schema: AnswerSchema
    repairs: int
    mode: AnswerMode
    message_class: "type[ParsedMessage[T]]"

    @property
    def components(self) -> tuple[MiniAgent[Message, Message, ...], ...]:
        """The model."""
        return (self.model,)

    async def __call__(
        self, ctx: "InteractionContext[Message, ParsedMessage[T]]", /, **keywords: object
    ) -> None:
        """Reply the answer; its message streams the conversation with the model.

        Args:
            ctx: the conversation.
            **keywords: those of the model.
        """
        model = self.model.fork(**keywords, **self.given) if keywords else self.asking
        ctx.reply(write_message(self.message_class, partial(self._parts, model, ctx.messages), {}))

    async def _parts(
        self,
        model: MiniAgent[Message, Message, ...],
        messages: MessageSequencePromise,
        metadata: MutableMapping[str, object],
    ) -> AsyncGenerator[Part]:
        """Yield the parts of the answer, of every attempt; the last attempt is the one that fits."""
        conversation: list[MessageType] = [messages]
        for attempt in range(self.repairs + 1):
            answers: list[Message] = []
            async for promise in model.inquire(conversation):
                if promise.message_class is not InputMessage:  # it was said to the model, not by it
                    if answers:
                        yield Restart()
                    async for part in self._shown(promise):
                        yield part
                answers.append(await promise)
            answer = answers[-1] if answers else Message("")
            problem = self._problem(answer, attempt, metadata)
            if problem is None:
                return
            yield Restart(problem)
            conversation += [answers, self._complaint(answer, problem)]

    async def _shown(self, promise: MessagePromise[Message]) -> AsyncGenerator[Part]:
        """Yield the parts of one message; in the tool mode the arguments of its first call are the text."""
        first: int | None = None
        async for part in promise.parts:
            if self.mode != "tool" or not isinstance(part, ToolCallDelta):
                yield part
                continue
            first = part.index if first is None else first  # there should be no other call
            if part.index == first and part.arguments:
                yield part.arguments

    def _problem(self, answer: Message, attempt: int, metadata: MutableMapping[str, object]) -> str | None:
        """Return None if an answer fits, else what is wrong with it.

        Raises:
            TypedAnswerError: the answer does not fit, even after the repairs.
            LLMRefusalError: the model refuses to answer.
        """
        problem = self._check(answer, metadata)
        if problem is None:
            return None
        if isinstance(answer, AssistantMessage) and Finish(answer.finish_reason or "").cut:
            raise TypedAnswerError(
                f"the answer was cut off ({answer.finish_reason}), so it is no {self.schema.name}; "
                "raise max_tokens, or ask for less at once",
                partial_text=str(answer),
            )
        if attempt == self.repairs:
            raise TypedAnswerError(
                f"the answer is no {self.schema.name} after {attempt} repairs: {problem}",
                partial_text=str(answer),
            )
        return problem

    def _check(self, answer: Message, metadata: MutableMapping[str, object]) -> str | None:
        """Keep the answer as `parsed`, or return what is wrong with it."""
        if isinstance(answer, AssistantMessage):
            if answer.refusal:
                raise LLMRefusalError(
                    # Without its text, which may repeat the prompt: errors are written to logs.
                    "the model refuses to answer; its text is the partial_text of this error",
                    partial_text=str(answer),
                )
            for name, value in (("model", answer.model), ("response_id", answer.response_id)):
                if value is not None:
                    metadata[name] = value
        text = self._json(answer)
        try:
            metadata["parsed"] = self.answer.model_validate_json(text)
        except ValidationError as error:
            return sentence_of(error)
        return None

    def _json(self, answer: Message) -> str:
        if self.mode == "tool" and isinstance(answer, AssistantMessage) and answer.tool_calls:
            return answer.tool_calls[0].arguments
        return json_in(str(answer))

    def _complaint(self, answer: Message, reason: str) -> Message:
        text = f"This is no {self.schema.name}: {reason}. Give the whole answer again, corrected."
        if self.mode == "tool" and isinstance(answer, AssistantMessage) and answer.tool_calls:
            results = [ToolResult(call.id, text, is_error=True, name=call.name) for call in answer.tool_calls]
            return ToolMessage(parts=results)
        return UserMessage(text)


def typed_answer(
    model: MiniAgent[Message, Message, ...], answer: type[T], repairs: int, mode: AnswerMode | None
) -> TypedAnswer[T]:
    """Check the type and the options before the model is called.

    Args:
        model: replies messages; the last one is its answer.
        answer: the type.
        repairs: how often the model is called again.
        mode: how the model is made to answer with the type; None for the schema mode of the provider if there
            is one.

    Raises:
        SchemaError: a model cannot answer with this type in this mode, or ``repairs`` is negative.
    """
    check_count("as_type", "repairs", repairs)
    if repairs < 0:
        raise SchemaError(f"repairs={repairs} is negative; give 0 or more.")
    known: tuple[str, ...] = get_args(AnswerMode)
    native = model.takes_keyword("answer_schema")
    chosen = mode or ("native" if native else "tool")
    if chosen not in known:
        raise SchemaError(f"mode={mode!r} is unknown; give 'native' or 'tool'.")
    if chosen == "native" and not native:
        raise SchemaError(
            f"{model.alias} has no schema mode: it does not take the keyword `answer_schema`; "
            "use as_type(..., mode='tool') of a model without tools."
        )
    schema = AnswerSchema.of(answer, strict=chosen == "native")
    # Errors of the model stay errors: otherwise their text would be taken for an answer that does not fit.
    model = model.errors_as_messages(enabled=False)
    message_class = cast("type[ParsedMessage[T]]", ParsedMessage.__class_getitem__(answer))
    given = _schema_keywords(model, schema, chosen)
    return TypedAnswer(model, given, model.fork(**given), answer, schema, repairs, chosen, message_class)


def _schema_keywords(
    model: MiniAgent[Message, Message, ...], schema: AnswerSchema, mode: AnswerMode
) -> Mapping[str, object]:
    """Return the keywords that make a model answer with a type."""
    if mode == "native":
        return {"answer_schema": schema}
    description = schema.description or f"Give the answer: a {schema.name}."
    spec = ToolSpec(_TOOL, description, schema.schema)
    must = {"tool_choice": _TOOL} if model.takes_keyword("tool_choice") else {}
    return {"tools": (spec,), **must}


class TypedAgent(MiniAgent[Message, "ParsedMessage[T]", P], Generic[T, P]):
    """A model that answers with a value of a type; :meth:`ModelAgent.as_type` makes it.

    It takes the keywords of its model, and replies one :class:`ParsedMessage`.

    Example:
        >>> from pydantic import BaseModel
        >>> from miniagents.testing import scripted_model
        >>> class City(BaseModel):
        ...     name: str
        >>> scripted_model().as_type(City)
        <MiniAgent SCRIPTED_MODEL_AS_CITY>
    """

    __slots__ = ("_answer",)

    _answer: type[T]

    @override
    def inquire(  # the first class of messages is where pyright finds what the agent takes
        self,
        messages: MessageSequencePromise[Message] | MessageType = None,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ParsedReplies[T]:
        # Without brackets at run time: a parametrized class would be looked up at each call.
        replies = cast("type[ParsedReplies[T]]", ParsedReplies)
        return replies.of_model(super().inquire(messages, *args, **kwargs), self._answer)

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "TypedAgent[T]":
        return cast("TypedAgent[T]", super().bind(*args, **kwargs))

    @override
    def _guarded(self, guard: Wrapper) -> Self:
        if getattr(guard, "replacement", None) is not None:
            raise TypeError(
                f"guard(replacement=...): {self.alias} answers with a value, and a text cannot take its "
                "place; leave the replacement out, and handle the GuardError, for example with catching."
            )
        return super()._guarded(guard)

    @override
    def __map_agent__(self, limits: ConcurrencyLimits, overflow: Overflow | None, /) -> TypedAgentMap[T]:
        """Return what :func:`map_agent` makes of it: rows with a value of the type.

        Args:
            limits: how many items at the same time, in which order, and what happens if an item fails.
            overflow: how many items of an Observable may wait, and what happens with more.
        """
        return TypedAgentMap(
            cast("MiniAgent[Message, ParsedMessage[T]]", self), limits, overflow, self._answer
        )

    @overload  # type: ignore[override]  # mypy does not see that these give what the forms of the base do
    def hedge(self, other: "TypedAgent[T, Q]", *, after: float) -> "TypedAgent[T]": ...
    @overload
    def hedge(self, other: Stage[In1, Out2], *, after: float) -> MiniAgent[In1, ParsedMessage[T] | Out2]: ...
    @override
    def hedge(  # pyright: ignore[reportIncompatibleMethodOverride] - as above
        self, other: object, *, after: float
    ) -> object:
        """As :meth:`MiniAgent.hedge`; if the other agent has the same type, the result has it, too.

        Args:
            other: it takes the same messages.
            after: seconds; 0 starts both at the same time.

        Raises:
            TypeError: it is not an agent, or a required keyword is missing.
            ValueError: ``after`` is negative.
        """
        made = MiniAgent.hedge(cast("MiniAgent", self), cast("MiniAgent", other), after=after)
        return self._typed(made) if self._is_like(other) else made

    @overload  # type: ignore[override]  # as above
    def catching(self, handler: "TypedAgent[T, Q]", **options: Unpack[CatchOptions]) -> "TypedAgent[T]": ...
    @overload
    def catching(
        self, handler: Stage[Message, Out2], **options: Unpack[CatchOptions]
    ) -> MiniAgent[Message, ParsedMessage[T] | Out2]: ...
    @overload
    def catching(
        self,
        handler: Callable[
            [Exception, InteractionContext[Message, ParsedMessage[T]]],
            "ParsedMessage[T] | TypedAgent[T] | Awaitable[ParsedMessage[T] | TypedAgent[T]]",
        ],
        **options: Unpack[CatchOptions],
    ) -> "TypedAgent[T]": ...
    @overload
    def catching(
        self,
        handler: Callable[
            [Exception, InteractionContext[Message, ParsedMessage[T]]],
            "Caught[Message] | Awaitable[Caught[Message]]",
        ],
        **options: Unpack[CatchOptions],
    ) -> MiniAgent[Message, Message]: ...
    @override
    def catching(  # pyright: ignore[reportIncompatibleMethodOverride] - as above
        self, handler: object, **options: Unpack[CatchOptions]
    ) -> object:
        """As :meth:`MiniAgent.catching`; if what takes over replies the same type, the result has it, too.

        Args:
            handler: an agent, or a function, async or not, of the error and the context of the run.
            **options: as of :meth:`MiniAgent.catching`.

        Raises:
            TypeError: as of :meth:`MiniAgent.catching`.
        """
        made = MiniAgent.catching(cast("MiniAgent", self), cast("MiniAgent", handler), **options)
        same = not isinstance(handler, MiniAgent) or self._is_like(cast("object", handler))
        return self._typed(made) if same else made

    def _is_like(self, other: object) -> bool:
        return isinstance(other, TypedAgent) and cast("TypedAgent[T]", other)._answer is self._answer  # noqa: SLF001 - same class

    def _typed(self, agent: MiniAgent[Message, Message]) -> "TypedAgent[T]":
        """Return ``agent`` as a typed agent of the same type."""
        typed = cast("TypedAgent[T]", agent._as_kind(TypedAgent))  # noqa: SLF001 - same class, here and below
        typed._answer = self._answer  # noqa: SLF001
        return typed


def typed_agent(function: TypedAnswer[T], model: MiniAgent[Message, Message, P]) -> TypedAgent[T, P]:
    """Return the agent that requests a type from ``model``.

    Args:
        function: calls the model, and again if the answer does not fit.
        model: the model; the agent takes its keywords.
    """
    alias = f"{model.alias}_AS_{function.schema.name.upper()}"
    agent = cast("TypedAgent[T, P]", model._over(TypedAgent, function, alias))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of its base
    agent._answer = function.answer  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
    return agent
