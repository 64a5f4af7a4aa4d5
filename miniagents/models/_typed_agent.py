"""`as_type`: a model that answers with a value of a type.

Why so long: asking, reading and asking again are one conversation; the agent on it stands beside it.
"""

from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from contextvars import Context as Variables, copy_context
from dataclasses import dataclass
from typing import Generic, Literal, Protocol, TypeAlias, cast, get_args, overload

from pydantic import BaseModel, ValidationError
from typing_extensions import ParamSpec, TypeVar, override

from miniagents.agents import Caught, InteractionContext, MiniAgent, Stage
from miniagents.core import (
    AssistantMessage,
    ConcurrencyLimits,
    Context,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageSink,
    MessageType,
    Overflow,
    PartBuffer,
    ToolMessage,
    UserMessage,
    until_closed,
)
from miniagents.values import Finish, LLMRefusalError, ToolResult

from ._agent_kinds import as_kind, over
from ._answer_schema import AnswerSchema
from ._answer_writer import AnswerEnd, AnswerWriter
from ._errors import SchemaError, TypedAnswerError
from ._parameters import sentence_of
from ._parsed import ParsedMessage, ParsedReplies
from ._tool import ToolSpec
from ._typed_map import TypedAgentMap

__all__ = ["AnswerMode", "TypedAgent", "TypedAnswer", "typed_agent", "typed_answer"]

AnswerMode: TypeAlias = Literal["native", "tool"]
"""How a model is made to answer in a type: by its provider's own schema mode, or as a call of a tool."""

T = TypeVar("T", bound=BaseModel)
M = TypeVar("M", bound=Message)
P = ParamSpec("P", default=[])
Q = ParamSpec("Q")
In1 = TypeVar("In1", bound=Message)
Out2 = TypeVar("Out2", bound=Message)

_TOOL = "answer"


class AnswerRun(AnswerEnd, Protocol):
    """A run that writes an answer."""

    @property
    def message(self) -> PartBuffer:
        """The answer."""
        ...

    @property
    def metadata(self) -> MutableMapping[str, object]:
        """The data of the answer."""
        ...

    @property
    def variables(self) -> Variables | None:
        """The context variables of the run."""
        ...


@dataclass(frozen=True, slots=True)
class _End(Generic[M]):
    """Ends the message of an answer."""

    sink: MessageSink[M]

    def finished(self) -> None:
        """The answer fits."""
        self.sink.finish()

    def failed(self, error: Exception, chain: tuple[str, ...] = ()) -> None:
        """There is no answer."""
        self.sink.fail(error, chain)


@dataclass(frozen=True, slots=True)
class TypedAnswer(Generic[T]):
    """The function of an agent that asks a model for a type, and again if the answer does not fit.

    Attributes:
        model: replies messages, the last of which is its answer.
        told: the keywords that make it answer so.
        asked: the model with these.
        answer: the type.
        schema: what the model is told of it.
        repairs: how often it is asked again.
        mode: how it is made to answer so.
        message_class: the class of the reply.
    """

    model: MiniAgent[Message, Message, ...]
    told: Mapping[str, object]
    asked: MiniAgent[Message, Message, ...]
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
        """Reply the answer; for those who call it as any agent function.

        Args:
            ctx: the conversation.
            **keywords: those of the model.
        """
        buffer = PartBuffer(Context.current())
        metadata: dict[str, object] = {}
        end = _End(MessageSink(buffer, self.message_class, metadata))
        writer = self._writer(
            ctx.messages, keywords, buffer=buffer, metadata=metadata, variables=copy_context(), end=end
        )
        buffer.produce_with(writer)
        ctx.reply(MessagePromise.of_tokens(buffer, self.message_class))
        writer.begin()
        try:
            await until_closed(buffer)
        finally:
            writer.cancel()

    def writing(
        self, run: "AnswerRun", received: MessageSequencePromise | str, keywords: Mapping[str, object], /
    ) -> AnswerWriter:
        """What writes the answer in a run that needs no task.

        Args:
            run: one of the agent.
            received: the conversation.
            keywords: those of the model.
        """
        variables = run.variables or copy_context()
        return self._writer(
            received, keywords, buffer=run.message, metadata=run.metadata, variables=variables, end=run
        )

    def _writer(
        self,
        received: MessageSequencePromise | str,
        keywords: Mapping[str, object],
        *,
        buffer: PartBuffer,
        metadata: MutableMapping[str, object],
        variables: Variables,
        end: AnswerEnd,
    ) -> AnswerWriter:
        return AnswerWriter(
            self.model if keywords else self.asked,
            received,
            {**keywords, **self.told} if keywords else keywords,
            judge=self._judge,
            buffer=buffer,
            metadata=metadata,
            variables=variables,
            end=end,
            calls=self.mode == "tool",
        )

    def _judge(
        self, answer: Message, attempt: int, metadata: MutableMapping[str, object], /
    ) -> tuple[str, Message] | None:
        """None if an answer fits; else what is wrong with it, and what the model is told.

        Raises:
            TypedAnswerError: the answer does not fit, also after the repairs.
            LLMRefusalError: the model refuses to answer.
        """
        reason = self._check(answer, metadata)
        if reason is None:
            return None
        if isinstance(answer, AssistantMessage) and Finish(answer.finish_reason or "").cut:
            raise TypedAnswerError(
                f"the answer was cut off ({answer.finish_reason}), so it is no {self.schema.name}; "
                "raise max_tokens, or ask for less at once",
                partial_text=str(answer),
            )
        if attempt == self.repairs:
            raise TypedAnswerError(
                f"the answer is no {self.schema.name} after {attempt} repairs: {reason}",
                partial_text=str(answer),
            )
        return reason, self._complaint(answer, reason)

    def _check(self, answer: Message, metadata: MutableMapping[str, object]) -> str | None:
        """Keep the answer as `parsed`, or say what is wrong with it."""
        if isinstance(answer, AssistantMessage):
            if answer.refusal:
                raise LLMRefusalError(
                    # Not in its words, which may repeat the prompt: errors stand in logs.
                    "the model refuses to answer; its words are the partial_text of this error",
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
        text = str(answer)
        return text[max(text.find("{"), 0) : text.rfind("}") + 1] or text

    def _complaint(self, answer: Message, reason: str) -> Message:
        text = f"This is no {self.schema.name}: {reason}. Give the whole answer again, corrected."
        if self.mode == "tool" and isinstance(answer, AssistantMessage) and answer.tool_calls:
            results = [ToolResult(call.id, text, is_error=True, name=call.name) for call in answer.tool_calls]
            return ToolMessage(parts=results)
        return UserMessage(text)


def typed_answer(
    model: MiniAgent[Message, Message, ...], answer: type[T], repairs: int, mode: AnswerMode | None
) -> TypedAnswer[T]:
    """Check the type, before anything is asked.

    Args:
        model: replies messages, the last of which is its answer.
        answer: the type.
        repairs: how often it is asked again.
        mode: how it is made to answer so; None for the provider's own schema mode where there is one.

    Raises:
        SchemaError: it is no type that a model can answer in so, or the number makes no sense.
    """
    if repairs < 0:
        raise SchemaError(f"repairs={repairs} is no count; give 0 or more.")
    known: tuple[str, ...] = get_args(AnswerMode)
    native = model.takes_keyword("answer_schema")
    chosen = mode or ("native" if native else "tool")
    if chosen not in known:
        raise SchemaError(f"mode={mode!r} is unknown; give 'native' or 'tool'.")
    if chosen == "native" and not native:
        raise SchemaError(
            f"{model.alias} has no schema mode of its own: it does not take the keyword `answer_schema`; "
            "use as_type(..., mode='tool') of a model without tools."
        )
    schema = AnswerSchema.of(answer, strict=chosen == "native")
    # Errors of the model stay errors: an answer that failed is not one that does not fit.
    model = model.errors_as_messages(enabled=False)
    message_class = cast("type[ParsedMessage[T]]", ParsedMessage.__class_getitem__(answer))
    told = _told(model, schema, chosen)
    return TypedAnswer(model, told, model.fork(**told), answer, schema, repairs, chosen, message_class)


def _told(
    model: MiniAgent[Message, Message, ...], schema: AnswerSchema, mode: AnswerMode
) -> Mapping[str, object]:
    """The keywords that make a model answer in a type."""
    if mode == "native":
        return {"answer_schema": schema}
    told = schema.description or f"Give the answer: a {schema.name}."
    spec = ToolSpec(_TOOL, told, schema.schema)
    must = {"tool_choice": _TOOL} if model.takes_keyword("tool_choice") else {}
    return {"tools": (spec,), **must}


class TypedAgent(MiniAgent[Message, "ParsedMessage[T]", P], Generic[T, P]):
    """A model that answers with a value of a type; made by :meth:`ModelAgent.as_type`.

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
    def inquire(self, messages: MessageType = None, /, *args: P.args, **kwargs: P.kwargs) -> ParsedReplies[T]:
        # Without brackets at run time: to look a parametrized class up would be done for each call.
        replies = cast("type[ParsedReplies[T]]", ParsedReplies)
        return replies.of_model(super().inquire(messages, *args, **kwargs), self._answer)

    @override
    def _writer(self) -> TypedAnswer[T] | None:
        function: object = self._function  # of a hedge, say, it is another one
        return cast("TypedAnswer[T]", function) if isinstance(function, TypedAnswer) else None

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "TypedAgent[T]":
        return cast("TypedAgent[T]", super().bind(*args, **kwargs))

    @override
    def __map_agent__(self, limits: ConcurrencyLimits, overflow: Overflow | None, /) -> TypedAgentMap[T]:
        """What :func:`map_agent` makes of it: rows with a value of the type.

        Args:
            limits: how many at once, in which order, and what a failing item does.
            overflow: how many items of an Observable may wait, and what becomes of one too many.
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
        """As :meth:`MiniAgent.hedge`; with another model for the same type the whole has that type, too.

        Args:
            other: it takes the same messages.
            after: seconds; 0 asks both at once.

        Raises:
            TypeError: it is no agent, or a required keyword is missing.
            ValueError: ``after`` is negative.
        """
        made = MiniAgent.hedge(cast("MiniAgent", self), cast("MiniAgent", other), after=after)
        same = isinstance(other, TypedAgent) and cast("TypedAgent[T]", other)._answer is self._answer  # noqa: SLF001
        return self._typed(made) if same else made

    @overload
    def catching(
        self,
        handler: Callable[
            [Exception, InteractionContext[Message, ParsedMessage[T]]],
            "ParsedMessage[T] | TypedAgent[T] | Awaitable[ParsedMessage[T] | TypedAgent[T]]",
        ],
    ) -> "TypedAgent[T]": ...
    @overload
    def catching(
        self,
        handler: Callable[
            [Exception, InteractionContext[Message, ParsedMessage[T]]],
            "Caught[Message] | Awaitable[Caught[Message]]",
        ],
    ) -> MiniAgent[Message, Message]: ...
    @override
    def catching(self, handler: Callable[..., object]) -> object:
        """As :meth:`MiniAgent.catching`; with a handler that gives the same type the whole has it, too.

        Args:
            handler: a function or an async function of the error and the context of the run.

        Raises:
            TypeError: it cannot be called, or a required keyword is missing.
        """
        made = MiniAgent.catching(cast("MiniAgent", self), cast("Callable[..., str]", handler))
        return self._typed(made)

    def _typed(self, agent: MiniAgent[Message, Message]) -> "TypedAgent[T]":
        """``agent``, seen as one that answers in the same type."""
        typed = cast("TypedAgent[T]", as_kind(TypedAgent, agent))
        typed._answer = self._answer  # noqa: SLF001 - same class
        return typed


def typed_agent(function: TypedAnswer[T], model: MiniAgent[Message, Message, P]) -> TypedAgent[T, P]:
    """The agent that asks ``model`` for a type.

    Args:
        function: asks the model, and again.
        model: whose keywords it takes.
    """
    alias = f"{model.alias}_AS_{function.schema.name.upper()}"
    agent = cast("TypedAgent[T, P]", over(TypedAgent, model, function, alias))
    agent._answer = function.answer  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of this module
    return agent
