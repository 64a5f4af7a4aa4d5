"""`ModelAgent`: an agent on a language model, which can be given tools, and what it replies then."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Concatenate, Generic, cast, overload

from pydantic import BaseModel, SecretStr
from typing_extensions import ParamSpec, TypeVar, override

from miniagents.agents import InteractionContext, MiniAgent, miniagent
from miniagents.core import (
    AssistantMessage,
    Message,
    MessageSequencePromise,
    MessageType,
    Promise,
    RunKind,
    ToolMessage,
)

from ._agent_kinds import as_kind, over
from ._asked_model import AskedModel, TellsModel
from ._errors import ToolDefinitionError
from ._tool import check_timeout
from ._tool_loop import AnyTool, Approval, Toolbox, ToolCalls, ToolLoop
from ._typed_agent import AnswerMode, TypedAgent, typed_agent, typed_answer

__all__ = ["ModelAgent", "ToolAgent", "ToolReplies", "model_agent"]


class ToolReplies(MessageSequencePromise[AssistantMessage | ToolMessage]):
    """The answers of a model and the results of the tools that it called, in order.

    `parts` is everything that all of them stream, in one stream; `final` the answer in which the model called
    nothing any more. Nothing is lost between a first text and the end.

    Example:
        >>> from miniagents import AssistantMessage, MiniAgents, ToolCall, tool
        >>> from miniagents.testing import scripted_model
        >>> @tool
        ... def weather(city: str) -> str:
        ...     '''Tell the weather.'''
        ...     return f"snow in {city}"
        >>> call = ToolCall("call-1", "weather", '{"city": "Oslo"}')
        >>> model = scripted_model(AssistantMessage(parts=["Let me look.", call]), "Take a coat.")
        >>> async def main():
        ...     replies = model.with_tools(weather).inquire("Do I need a coat in Oslo?")
        ...     print([str(message) for message in await replies])
        ...     print(await replies.final)
        >>> MiniAgents().run(main())
        ['Let me look.', 'snow in Oslo', 'Take a coat.']
        Take a coat.
    """

    __slots__ = ()

    @classmethod
    def of(cls, replies: MessageSequencePromise[AssistantMessage | ToolMessage]) -> "ToolReplies":
        """Another view of the same replies; handlers are told of the first one only.

        Args:
            replies: those of a model with tools.
        """
        view = cls.__new__(cls)
        view.take(replies.buffer, announced=False)
        return view

    @property
    @override
    def final(self) -> Promise[AssistantMessage]:
        """The final answer, when it is there."""
        return cast("Promise[AssistantMessage]", super().final)


P = ParamSpec("P", default=[])
T = TypeVar("T", bound=BaseModel)
Q = ParamSpec("Q")


class ToolAgent(MiniAgent[Message, AssistantMessage | ToolMessage, P], Generic[P]):
    """A model that calls tools until it has its answer; made by :meth:`ModelAgent.with_tools`.

    It takes the keywords of its model, and replies everything that is said on the way.

    Example:
        >>> from miniagents import tool
        >>> from miniagents.testing import scripted_model
        >>> @tool
        ... def now() -> str:
        ...     '''Tell the time.'''
        ...     return "noon"
        >>> scripted_model("It is noon.").with_tools(now)
        <MiniAgent SCRIPTED_MODEL_WITH_TOOLS>
    """

    __slots__ = ()

    @override
    def inquire(self, messages: MessageType = None, /, *args: P.args, **kwargs: P.kwargs) -> ToolReplies:
        return ToolReplies.of(super().inquire(messages, *args, **kwargs))

    def as_type(self, answer: type[T], *, repairs: int = 1) -> "TypedAgent[T, P]":
        """Let the model answer with a value of a type, after it has called what tools it wants to.

        It is asked in its provider's own schema mode; otherwise as :meth:`ModelAgent.as_type`. The parts of
        all turns stand in the stream of the one reply.

        Args:
            answer: a subclass of pydantic's `BaseModel`.
            repairs: how often the model is asked again, with all its tools.

        Raises:
            SchemaError: a model cannot answer in this type; the text names the field and what to do.
        """
        return typed_agent(typed_answer(self, answer, repairs, "native"), self)

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "ToolAgent":
        return cast("ToolAgent", super().bind(*args, **kwargs))


class ModelAgent(MiniAgent[Message, AssistantMessage, P], Generic[P]):
    """An agent on a language model: it replies one `AssistantMessage`, and can be given tools.

    It is made by :func:`model_agent`, and its function takes the keyword ``tools``, a tuple of `ToolSpec`.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> isinstance(scripted_model("Hi"), ModelAgent)
        True
    """

    __slots__ = ("_tells",)

    _tells: TellsModel | None

    @property
    @override
    def run_kind(self) -> RunKind:
        """``"model"``; but what goes around a model (``model.timeout(...)``) is an agent that asks it."""
        return "agent" if self.components else "model"

    def asks(self, **keywords: object) -> AskedModel:
        """Which model an inquiry with these keywords would ask, as far as that is known before it is asked.

        Args:
            **keywords: what would be given to ``inquire``.

        Example:
            >>> from miniagents.testing import scripted_model
            >>> model = scripted_model("Hi").fork(model="m-1")
            >>> model.asks().model, model.asks(model="m-2").model, scripted_model("Hi").asks().model
            ('m-1', 'm-2', None)
        """
        given = {**self.defaults, **keywords}
        return _asked_with(self._function, given) if self._tells is None else self._tells(given)

    def with_tools(
        self,
        *tools: AnyTool,
        max_turns: int = 20,
        timeout: float | None = 120.0,
        approve: Approval | None = None,
    ) -> "ToolAgent[P]":
        """Let the model call tools, as often as it wants to, before it answers.

        All calls of one answer run at once. Whatever becomes of a call is told to the model: its result, or
        that the arguments did not fit, that the tool raised, took too long, was not allowed or is not there.
        So a failing tool ends nothing. Cancelling the inquiry, or leaving it, cancels the tools that run.

        Args:
            *tools: functions made tools by `tool`, and agents, which are called by their alias with the
                fields of the message class that they take.
            max_turns: how many answers the model may give, the final one included.
            timeout: seconds for a call of a tool that has no ``timeout`` of its own; None for no limit. A
                function that is not async goes on in its thread after that, and its result is dropped.
            approve: awaited before each call. True lets it happen; False does not, and a text tells the model
                why not. What it raises ends the inquiry.

        Returns:
            An agent with the keywords of this one. It replies every answer and, as a `ToolMessage` each,
            every result, in order; `final` of its replies is the answer in which nothing was called any more.

        Raises:
            ToolDefinitionError: there are no tools, two have one name, or a number makes no sense.

        Example:
            >>> from miniagents import AssistantMessage, MiniAgents, ToolCall, tool
            >>> from miniagents.testing import scripted_model
            >>> @tool
            ... def add(a: int, b: int) -> int:
            ...     '''Add two numbers.'''
            ...     return a + b
            >>> call = ToolCall("1", "add", '{"a": 2, "b": 3}')
            >>> model = scripted_model(AssistantMessage(parts=[call]), "It is 5.")
            >>> async def main():
            ...     print(await model.with_tools(add).inquire("What is 2 + 3?").final)
            >>> MiniAgents().run(main())
            It is 5.
        """
        check_timeout(timeout, "with_tools")
        if max_turns < 1:
            raise ToolDefinitionError(f"max_turns={max_turns} leaves no turn for an answer; give 1 or more.")
        # The keywords come with each call: those of this agent are the defaults of the one that is made.
        # Its errors stay errors, which end the loop; the whole has the policy of the model.
        model = cast("MiniAgent[Message, AssistantMessage, ...]", self.errors_as_messages(enabled=False))
        loop = ToolLoop(model, ToolCalls(Toolbox.of(tools), timeout, approve), max_turns)
        return cast("ToolAgent[P]", over(ToolAgent, self, loop, f"{self.alias}_WITH_TOOLS"))

    def as_type(
        self, answer: type[T], *, repairs: int = 1, mode: AnswerMode | None = None
    ) -> "TypedAgent[T, P]":
        """Let the model answer with a value of a type.

        What it says is validated; if it does not fit, the model is told why and asked again. While it
        streams, the reply gives `partials` of the answer, `elements` of its lists and the text of a `field`.

        Args:
            answer: a subclass of pydantic's `BaseModel`.
            repairs: how often the model is asked again.
            mode: ``"native"`` uses the provider's own schema mode, which takes a part of JSON schema only;
                ``"tool"`` makes the model call a tool, which takes any, also with servers that know no schema
                mode. None is ``"native"`` for every model that takes the keyword ``answer_schema``.

        Returns:
            An agent with the keywords of this one. It replies one :class:`ParsedMessage`, whose text is the
            JSON.

        Raises:
            SchemaError: a model cannot answer in this type; the text names the field and what to do.

        Example:
            >>> from pydantic import BaseModel, SecretStr
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> class City(BaseModel):
            ...     name: str
            ...     people: int
            >>> bad, good = '{"name": "Oslo", "people": "many"}', '{"name": "Oslo", "people": 717710}'
            >>> model = scripted_model(bad, good)
            >>> async def main():
            ...     print(repr(await model.as_type(City).inquire("Which city?").parsed))
            >>> MiniAgents().run(main())
            City(name='Oslo', people=717710)
        """
        return typed_agent(typed_answer(self, answer, repairs, mode), self)

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "ModelAgent":
        return cast("ModelAgent", super().bind(*args, **kwargs))


@overload
def model_agent(
    function: Callable[Concatenate[InteractionContext[Message, AssistantMessage], Q], Awaitable[None]], /
) -> ModelAgent[Q]: ...
@overload
def model_agent(
    *, alias: str | None = None, description: str | None = None, asks: TellsModel | None = None
) -> Callable[
    [Callable[Concatenate[InteractionContext[Message, AssistantMessage], Q], Awaitable[None]]], ModelAgent[Q]
]: ...
def model_agent(
    function: Callable[..., Awaitable[None]] | None = None,
    /,
    *,
    alias: str | None = None,
    description: str | None = None,
    asks: TellsModel | None = None,
) -> object:
    """Make an agent on a language model, as `miniagent` makes an agent: for a provider of your own.

    Args:
        function: its context takes any messages and it replies one `AssistantMessage`. Its keyword ``tools``
            is given the `ToolSpec`s of what the model may call; the calls stand in the parts of the answer,
            and it is asked again with the whole conversation when there are results. If it takes
            ``tool_choice``, that is the name of the tool that the model must call; if it takes
            ``answer_schema``, that is an `AnswerSchema` for the provider's own schema mode.
        alias: as of `miniagent`.
        description: as of `miniagent`.
        asks: tells from the keywords of a call which model it asks, at which server, with which key, so that
            agents that ask the same share its limits and budgets know its price; without it the keywords
            ``model``, ``base_url``, ``api_key`` and ``client`` do, and what is not given stays unknown.

    Returns:
        The agent; it has `with_tools`, `as_type`, and what every agent has: ``around`` puts a limiter, a
        budget or a log around each call.

    Raises:
        TypeError: as `miniagent`, or the function does not take ``tools``.

    Example:
        >>> from miniagents import AssistantMessage, InteractionContext, Message, ToolSpec
        >>> @model_agent
        ... async def parrot(
        ...     ctx: InteractionContext[Message, AssistantMessage], *, tools: tuple[ToolSpec, ...] = ()
        ... ) -> None:
        ...     ctx.reply(AssistantMessage(f"I have {len(tools)} tools."))
        >>> parrot
        <MiniAgent PARROT>
    """

    def decorate(function: Callable[..., Awaitable[None]]) -> ModelAgent[...]:
        make = cast(
            "Callable[..., MiniAgent[Message, Message, ...]]", miniagent(alias=alias, description=description)
        )
        agent = make(function)
        if not agent.takes_keyword("tools"):
            msg = (
                f"The model {agent.alias} does not take the keyword `tools`; add "
                "`tools: tuple[ToolSpec, ...] = ()` to its function, or make it an agent with @miniagent."
            )
            raise TypeError(msg)
        model = cast("ModelAgent[...]", as_kind(ModelAgent, agent))
        model._tells = asks  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it is being made here
        return model

    return decorate if function is None else decorate(function)


def _asked_with(function: object, given: Mapping[str, object]) -> AskedModel:
    """Which model is asked by a function that does not tell it: what is not given, only it knows."""
    key = given.get("api_key")
    plain = key.get_secret_value() if isinstance(key, SecretStr) else key
    name, client, address = given.get("model"), given.get("client"), given.get("base_url")
    if address is not None:
        server: object = str(address).rstrip("/")
    else:
        server = id(function if client is None else client)
    return AskedModel(
        name if isinstance(name, str) else None, server=server, key=None if plain is None else hash(plain)
    )
