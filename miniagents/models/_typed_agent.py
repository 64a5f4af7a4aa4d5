"""`as_type`: a model that answers with a value of a type."""

from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Generic, Literal, TypeAlias, cast, get_args

from pydantic import BaseModel, ValidationError
from typing_extensions import ParamSpec, TypeVar, override

from miniagents.agents import InteractionContext, MiniAgent
from miniagents.core import AssistantMessage, Message, MessageType, Parts, ToolMessage, UserMessage
from miniagents.values import Finish, LLMRefusalError, Part, Restart, ToolCallDelta, ToolResult

from ._answer_schema import AnswerSchema
from ._errors import SchemaError, TypedAnswerError
from ._parameters import sentence_of
from ._parsed import ParsedMessage, ParsedReplies
from ._tool import ToolSpec

__all__ = ["AnswerMode", "TypedAgent", "TypedAnswer", "typed_answer"]

AnswerMode: TypeAlias = Literal["native", "tool"]
"""How a model is made to answer in a type: by its provider's own schema mode, or as a call of a tool."""

T = TypeVar("T", bound=BaseModel)
P = ParamSpec("P", default=[])

_TOOL = "answer"


@dataclass(frozen=True, slots=True)
class TypedAnswer(Generic[T]):
    """The function of an agent that asks a model for a type, and again if the answer does not fit.

    Attributes:
        model: replies messages, the last of which is its answer; it is told the schema already.
        fixed: the keywords by which it is told.
        answer: the type.
        schema: what the model is told of it.
        repairs: how often it is asked again.
        mode: how it is made to answer so.
        message_class: of the reply.
    """

    model: MiniAgent[Message, Message, ...]
    fixed: frozenset[str]
    answer: type[T]
    schema: AnswerSchema
    repairs: int
    mode: AnswerMode
    message_class: type[ParsedMessage[T]]

    async def __call__(
        self, ctx: "InteractionContext[Message, ParsedMessage[T]]", /, **keywords: object
    ) -> None:
        """Reply the answer, which streams.

        Args:
            ctx: the conversation.
            **keywords: those of the model.
        """
        given = {name: value for name, value in keywords.items() if name not in self.fixed}
        ctx.reply(self.message_class.promise_of_parts(partial(self._parts, ctx.messages, given)))

    async def _parts(
        self, messages: MessageType, given: Mapping[str, object], metadata: MutableMapping[str, object]
    ) -> AsyncGenerator[Part]:
        """The parts of all attempts; what is only on the way to an answer is set apart by a `Restart`."""
        asked: list[MessageType] = [messages]
        conversation = messages  # itself, as long as nothing follows it: a list of it would be copied
        for attempt in range(self.repairs + 1):
            said: list[Message] = []
            async with aclosing(aiter(self.model.inquire(conversation, **given))) as promises:
                async for promise in promises:
                    if said:
                        yield Restart()
                    native = self.mode == "native"
                    async with aclosing(
                        aiter(promise.parts) if native else _arguments(promise.parts)
                    ) as parts:
                        async for part in parts:
                            yield part
                    said.append(await promise)
            answer = said[-1] if said else Message("")
            reason = self._check(answer, metadata)
            if reason is None:
                return
            self._give_up(answer, reason, attempt)
            yield Restart(reason)
            asked += [said, self._complaint(answer, reason)]
            conversation = asked

    def _give_up(self, answer: Message, reason: str, attempt: int) -> None:
        """Raise if asking again would not help, or not be allowed."""
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


async def _arguments(parts: Parts) -> AsyncGenerator[Part]:
    """The parts of an answer that is given as a call: the arguments of the first call are its text."""
    first: int | None = None
    async with aclosing(aiter(parts)) as each:
        async for part in each:
            if not isinstance(part, ToolCallDelta):
                yield part
                continue
            # There should be no other call.
            first = part.index if first is None else first
            if part.index == first and part.arguments:
                yield part.arguments


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
    told = _told(model, schema, chosen)
    # Errors of the model stay errors: an answer that failed is not one that does not fit.
    strict = model.errors_as_messages(enabled=False).fork(**told)
    message_class = cast("type[ParsedMessage[T]]", ParsedMessage.__class_getitem__(answer))
    return TypedAnswer(strict, frozenset(told), answer, schema, repairs, chosen, message_class)


def _told(
    model: MiniAgent[Message, Message, ...], schema: AnswerSchema, mode: AnswerMode
) -> dict[str, object]:
    """The keywords by which a model is told the type of its answer."""
    if mode == "native":
        return {"answer_schema": schema}
    spec = ToolSpec(_TOOL, schema.description or f"Give the answer: a {schema.name}.", schema.schema)
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

    __slots__ = ()

    @override
    def inquire(self, messages: MessageType = None, /, *args: P.args, **kwargs: P.kwargs) -> ParsedReplies[T]:
        answer = cast("TypedAnswer[T]", self._function).answer
        return ParsedReplies[T].of_model(super().inquire(messages, *args, **kwargs), answer)

    @override
    def fork(self, *args: P.args, **kwargs: P.kwargs) -> "TypedAgent[T, P]":
        return cast("TypedAgent[T, P]", super().fork(*args, **kwargs))

    @override
    def described(self, *, alias: str | None = None, description: str | None = None) -> "TypedAgent[T, P]":
        return cast("TypedAgent[T, P]", super().described(alias=alias, description=description))
