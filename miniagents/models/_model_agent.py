"""`ModelAgent`: an agent that calls a language model; `ToolAgent`: the same with tools, and its replies."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from itertools import product
from typing import Concatenate, Final, Generic, Self, cast, overload

from pydantic import BaseModel, SecretStr
from typing_extensions import ParamSpec, TypeVar, Unpack, override

from miniagents.agents import CatchOptions, Caught, InteractionContext, MiniAgent, Stage, Wrapper, miniagent
from miniagents.messages import AssistantMessage, Message, MessageSequencePromise, MessageType, ToolMessage
from miniagents.streams import Promise
from miniagents.streams._observers import RunKind
from miniagents.values import check_count

from ._asked_model import AskedModel, TellsModel
from ._errors import SchemaError
from ._tool import check_timeout
from ._tool_loop import MAX_CALLS, MAX_DEPTH, AnyTool, Approval, Toolbox, ToolCalls, ToolLoop
from ._typed_agent import AnswerMode, TypedAgent, typed_agent, typed_answer


class ToolReplies(MessageSequencePromise[AssistantMessage | ToolMessage]):
    """The answers of a model and the results of the tools that it called, in order.

    `parts` is one stream of the parts of all these messages; `final` is the last answer, in which the model
    calls no tool.

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
        """Return another view of the same replies. Handlers are called for the first view only.

        Args:
            replies: those of a model with tools.
        """
        return cls.over(replies.buffer, announced=False)

    @property
    @override
    def final(self) -> Promise[AssistantMessage]:
        """A promise of the last answer, in which the model calls no tool."""
        return cast("Promise[AssistantMessage]", super().final)


P = ParamSpec("P", default=[])
T = TypeVar("T", bound=BaseModel)
Q = ParamSpec("Q")
Out2 = TypeVar("Out2", bound=Message)

_OF_CALLS: Final = ("tools", "tool_choice", "answer_schema")
"""Keywords of a call that do not say which model is called: another model that takes over gets them too."""


class ToolAgent(MiniAgent[Message, AssistantMessage | ToolMessage, P], Generic[P]):
    """A model that calls tools until it has its answer; :meth:`ModelAgent.with_tools` makes it.

    It takes the keywords of its model. Its replies are all answers of the model and all results of tools.

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
    def inquire(  # the first class of messages is where pyright finds what the agent takes
        self,
        messages: MessageSequencePromise[Message] | MessageType = None,
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> ToolReplies:
        return ToolReplies.of(super().inquire(messages, *args, **kwargs))

    def as_type(self, answer: type[T], *, repairs: int = 1) -> "TypedAgent[T, P]":
        """Let the model answer with a value of a type, after it has called the tools that it needs.

        This is :meth:`ModelAgent.as_type` with the mode ``"native"``. The one reply streams the parts of all
        turns.

        Args:
            answer: a subclass of pydantic's `BaseModel`.
            repairs: how often the model is called again, with all its tools, if the answer does not fit.

        Raises:
            SchemaError: a model cannot answer in this type; the text names the field and what to do.
        """
        return typed_agent(typed_answer(self, answer, repairs, "native"), self)

    @override
    def _guarded(self, guard: Wrapper) -> Self:
        """Put a guard on the model: so no tool is called before an answer has passed."""
        if self._wrapped is not None:
            inner, wrapper = self._wrapped
            guarded = inner._guarded(guard)._wrapped_in(wrapper)  # noqa: SLF001 - same class, here and below
            guarded._errors_as_messages = self._errors_as_messages  # noqa: SLF001
            return guarded
        loop = cast("ToolLoop", self._function)
        model = loop.model._guarded(guard)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of its base
        return self._over(type(self), replace(loop, model=model), f"{model.alias}_WITH_TOOLS")

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "ToolAgent":
        return cast("ToolAgent", super().bind(*args, **kwargs))


class ModelAgent(MiniAgent[Message, AssistantMessage, P], Generic[P]):
    """An agent that calls a language model, and replies one `AssistantMessage`; it can be given tools.

    :func:`model_agent` makes it. Its function takes the keyword ``tools``, a tuple of `ToolSpec`.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> isinstance(scripted_model("Hi"), ModelAgent)
        True
    """

    __slots__ = ("_continues", "_server_tools", "_tells")

    _continues: bool
    _server_tools: tuple[str | None, ...]  # of each model that may answer
    _tells: TellsModel | None

    @property
    @override
    def run_kind(self) -> RunKind:
        """``"model"``; for an agent that wraps a model, such as ``model.timeout(...)``, it is ``"agent"``."""
        return "agent" if self.components else "model"

    @property
    @override
    def continues(self) -> bool:
        return self._continues

    def asks(self, **keywords: object) -> AskedModel:
        """Return which model an inquiry with these keywords would call, as far as the keywords show it.

        Args:
            **keywords: as they would be given to ``inquire``.

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
        max_calls: int = MAX_CALLS,
        max_depth: int = MAX_DEPTH,
    ) -> "ToolAgent[P]":
        """Let the model call tools, as often as it wants to, before it answers.

        The calls of one answer run at the same time. The model is sent the outcome of each: the result, or an
        error text.

        Args:
            *tools: functions with `@tool`, agents, and tools that the provider runs.
            max_turns: how many answers the model may give.
            timeout: seconds for a call.
            approve: awaited before each call; True, or the reason why not, for the model.
            max_calls: how many calls of one answer are made.
            max_depth: how deep agents that are tools may be nested.

        Raises:
            SchemaError: wrong tools, or a wrong number.

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
        for name, limit in (("max_turns", max_turns), ("max_calls", max_calls), ("max_depth", max_depth)):
            check_count("with_tools", name, limit)
        if max_turns < 1:
            raise SchemaError(f"max_turns={max_turns} leaves no turn for an answer; give 1 or more.")
        for name, limit in (("max_calls", max_calls), ("max_depth", max_depth)):
            if limit < 1:
                raise SchemaError(f"{name}={limit} allows no call of a tool; give 1 or more.")
        # The keywords come with each call: the defaults of this agent are those of the new one.
        # Errors of the model stay errors here, and end the loop. The new agent has the policy of this one.
        model = cast("MiniAgent[Message, AssistantMessage, ...]", self.errors_as_messages(enabled=False))
        toolbox = Toolbox.of(tools)
        for each, api in product(toolbox.of_provider, self._server_tools):
            each.form(api)
        calls = ToolCalls(toolbox, timeout, approve, max_calls, max_depth)
        loop = ToolLoop(model, calls, max_turns)
        return cast("ToolAgent[P]", self._over(ToolAgent, loop, f"{self.alias}_WITH_TOOLS"))

    def as_type(
        self, answer: type[T], *, repairs: int = 1, mode: AnswerMode | None = None
    ) -> "TypedAgent[T, P]":
        """Let the model answer with a value of a type: its replies are one :class:`ParsedMessage`.

        The answer is validated. If it does not fit, the model is called again, and sent the reason. While the
        answer streams, the reply has `partials` of it, `elements` of its lists and the text of a `field`.

        Args:
            answer: a subclass of pydantic's `BaseModel`.
            repairs: how often the model is called again if the answer does not fit.
            mode: ``"native"`` for the schema mode of the provider, ``"tool"`` for a call of a tool, which
                supports every schema. None: ``"native"`` if the model can, else ``"tool"``.

        Raises:
            SchemaError: a model cannot answer in this type; the text names the field and what to do.

        Example:
            >>> from pydantic import BaseModel, SecretStr
            >>> from miniagents import MiniAgents
            >>> from miniagents.testing import scripted_model
            >>> class City(BaseModel):
            ...     name: str
            ...     people: int
            >>> model = scripted_model('{"name": "Oslo"}', '{"name": "Oslo", "people": 717710}')
            >>> async def main():
            ...     print(repr(await model.as_type(City).inquire("Which city?").parsed))
            >>> MiniAgents().run(main())
            City(name='Oslo', people=717710)
        """
        return typed_agent(typed_answer(self, answer, repairs, mode), self)

    @overload  # type: ignore[override]  # mypy does not see that these give what the forms of the base do
    def catching(  # type: ignore[overload-overlap]  # a model is more than an agent
        self, handler: "ModelAgent[Q]", **options: Unpack[CatchOptions]
    ) -> Self: ...
    @overload
    def catching(
        self, handler: Stage[Message, Out2], **options: Unpack[CatchOptions]
    ) -> MiniAgent[Message, AssistantMessage | Out2]: ...
    @overload
    def catching(
        self,
        handler: Callable[
            [Exception, InteractionContext[Message, AssistantMessage]],
            "Caught[Message] | Awaitable[Caught[Message]]",
        ],
        **options: Unpack[CatchOptions],
    ) -> MiniAgent[Message, Message]: ...
    @override
    def catching(  # pyright: ignore[reportIncompatibleMethodOverride] - as above
        self, handler: object, **options: Unpack[CatchOptions]
    ) -> object:
        """As :meth:`MiniAgent.catching`; of two models, the result is a model, with the keywords of this one.

        Args:
            handler: a model or another agent, or a function of the error and the context of the run. A model
                gets the tools and the answer type of each call.
            **options: as of :meth:`MiniAgent.catching`.

        Raises:
            TypeError: as of :meth:`MiniAgent.catching`.
        """
        other = cast("MiniAgent", handler)
        if isinstance(handler, ModelAgent):
            both = self._backed_by(other, _OF_CALLS, options)
            both._continues = self._continues and handler._continues  # noqa: SLF001 - same class, here and below
            both._server_tools = (*self._server_tools, *handler._server_tools)  # noqa: SLF001
            return both
        return MiniAgent.catching(cast("MiniAgent", self), other, **options)

    @override
    def bind(self, *args: P.args, **kwargs: P.kwargs) -> "ModelAgent":
        return cast("ModelAgent", super().bind(*args, **kwargs))


@overload
def model_agent(
    function: Callable[Concatenate[InteractionContext[Message, AssistantMessage], Q], Awaitable[None]], /
) -> ModelAgent[Q]: ...
@overload
def model_agent(
    *,
    alias: str | None = None,
    description: str | None = None,
    asks: TellsModel | None = None,
    continues: bool = False,
    server_tools: str | None = None,
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
    continues: bool = False,
    server_tools: str | None = None,
) -> object:
    """Make an agent that calls a language model from a function: `miniagent` for models.

    The page "Wrapping agents, and providers of your own" has an example with tools.

    Args:
        function: replies one `AssistantMessage`; it takes ``tools``.
        alias: as of `miniagent`.
        description: as of `miniagent`.
        asks: returns model, server and key of a call, from its keywords.
        server_tools: whose forms of server tools it sends; None: none.
        continues: whether its server goes on after a text of the assistant.

    Raises:
        TypeError: as `miniagent`, or it does not take ``tools``.

    Example:
        >>> from miniagents import AssistantMessage, InteractionContext, Message, ToolSpec
        >>> @model_agent
        ... async def parrot(
        ...     ctx: InteractionContext[Message, AssistantMessage], tools: tuple[ToolSpec, ...] = ()
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
            raise TypeError(
                f"The model {agent.alias} does not take the keyword `tools`; add "
                "`tools: tuple[ToolSpec, ...] = ()` to its function, or make it an agent with @miniagent."
            )
        made: object = agent._as_kind(ModelAgent)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - of its base
        model = cast("ModelAgent[...]", made)
        model._tells = asks  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - it is being made here
        model._continues = continues  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        model._server_tools = (server_tools,)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - the same
        return model

    return decorate if function is None else decorate(function)


def _asked_with(function: object, given: Mapping[str, object]) -> AskedModel:
    """Return the model that a function without ``asks`` calls, as far as the keywords show it."""
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
