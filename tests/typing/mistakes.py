"""Mistakes that the corpus must notice when somebody makes them in the types of the package."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Mutation:
    """One mistake somebody might make.

    Attributes:
        says: what is wrong then.
        file: where, in the package.
        old: the text that is replaced.
        new: what stands in its place; it may use `Any`.
    """

    says: str
    file: str
    old: str
    new: str

    def applied(self, text: str) -> str:
        """The file with the mistake in it.

        Raises:
            ValueError: the text to be replaced is not there, or more than once.
        """
        found = text.count(self.old)
        if found != 1:
            raise ValueError(
                f"The mutation {self.says!r} replaces a text that must stand once in miniagents/{self.file} "
                f"and stands there {found} times; say in tests/typing/mistakes.py what it is now:\n{self.old}"
            )
        return text.replace(self.old, self.new) + "\nfrom typing import Any\n"


MUTATIONS: Sequence[Mutation] = (
    Mutation(
        "a class of agents is made of fields by position",
        "agents/_base_agent.py",
        "@dataclass_transform(kw_only_default=True, ",
        "@dataclass_transform(kw_only_default=False, ",
    ),
    Mutation(
        "the fork of an agent of a class is any agent",
        "agents/_base_agent.py",
        "def fork(self, **fields: object) -> Self:",
        "def fork(self, **fields: object) -> MiniAgent[In, Out, ...]:",
    ),
    Mutation(
        "a class of agents may run with any context",
        "agents/_base_agent.py",
        "async def run(self, ctx: InteractionContext[In, Out]) -> None:",
        "async def run(self, ctx: Any) -> None:",
    ),
    Mutation(
        "a function with open keywords gives an agent of any messages",
        "agents/_decorator.py",
        "def miniagent(function: OpenFunction[A, B], /) -> MiniAgent[A, B, ...]: ...",
        "def miniagent(function: OpenFunction[A, B], /) -> MiniAgent[Any, Any, ...]: ...",
    ),
    Mutation(
        "In is covariant",
        "agents/_runnable_agent.py",
        'In = TypeVar("In", bound=Message, default=Message, contravariant=True)',
        'In = TypeVar("In", bound=Message, default=Message, covariant=True)',
    ),
    Mutation(
        "Out is contravariant",
        "agents/_runnable_agent.py",
        'Out = TypeVar("Out", bound=Message, default=Message, covariant=True)',
        'Out = TypeVar("Out", bound=Message, default=Message, contravariant=True)',
    ),
    Mutation(
        "what a context reads is invariant",
        "agents/_agent.py",
        'In_co = TypeVar("In_co", bound=Message, default=Message, covariant=True)',
        'In_co = TypeVar("In_co", bound=Message, default=Message)',
    ),
    Mutation(
        "what a context replies is covariant",
        "agents/_agent.py",
        'Out_contra = TypeVar("Out_contra", bound=Message, default=Message, contravariant=True)',
        'Out_contra = TypeVar("Out_contra", bound=Message, default=Message, covariant=True)',
    ),
    Mutation(
        "promises of messages are invariant",
        "messages/_message.py",
        'bound="Message", covariant=True, default="Message")',
        'bound="Message", default="Message")',
    ),
    Mutation(
        "promises of values are invariant",
        "streams/_promise.py",
        'TypeVar("T_co", covariant=True)',
        'TypeVar("T_co")',
    ),
    Mutation(
        "Messages are invariant",
        "messages/_sequence.py",
        "from ._message import M_co, Message, MessagePromise\n",
        "import typing_extensions as t\nfrom ._message import Message, MessagePromise\n"
        'M_co = t.TypeVar("M_co", bound=Message, default=Message)\n',
    ),
    Mutation(
        "inquire takes any keywords",
        "agents/_runnable_agent.py",
        "messages: MessageTypeOf[In] = None, /, *args: P.args, **kwargs: P.kwargs",
        "messages: MessageTypeOf[In] = None, /, *args: object, **kwargs: object",
    ),
    Mutation(
        "inquire gives a sequence of Any",
        "agents/_runnable_agent.py",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> MessageSequencePromise[Out]: ...",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> MessageSequencePromise[Any]: ...",
    ),
    Mutation(
        "inquire gives Any",
        "agents/_runnable_agent.py",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> MessageSequencePromise[Out]: ...",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> Any: ...",
    ),
    Mutation(
        "fork takes any keywords",
        "agents/_configuration.py",
        "def fork(self, *args: P.args, **kwargs: P.kwargs)",
        "def fork(self, *args: object, **kwargs: object)",
    ),
    Mutation(
        "fork forgets the keywords",
        "agents/_configuration.py",
        "def fork(self, *args: P.args, **kwargs: P.kwargs) -> Self:",
        'def fork(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[...]":',
    ),
    Mutation(
        "bind leaves the keywords open",
        "agents/_agent.py",
        'def bind(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out]":',
        'def bind(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out, P]":',
    ),
    Mutation(
        "an agent in a pipe takes anything",
        "agents/_runnable_agent.py",
        "self, source: Observable[MessageItemOf[In]], /",
        "self, source: Observable[Any], /",
    ),
    Mutation(
        "a chain of agents forgets what it replies",
        "agents/_agent.py",
        ') -> "MiniAgent[In1, Out2]": ...',
        ') -> "MiniAgent[In1, Message]": ...',
    ),
    Mutation(
        "ctx.reply takes anything",
        "agents/_agent.py",
        "def reply(self, messages: MessageTypeOf[Out_contra]) -> None: ...",
        "def reply(self, messages: object) -> None: ...",
    ),
    Mutation(
        "inquire takes anything that is messages, whatever the class",
        "agents/_runnable_agent.py",
        "self, messages: MessageTypeOf[In] = None, /",
        "self, messages: MessageType = None, /",
    ),
    Mutation(
        "@miniagent has no form without parentheses",
        "agents/_decorator.py",
        "    function: Callable[Concatenate[InteractionContext[A, B], P], Awaitable[None]], /\n"
        ") -> MiniAgent[A, B, P]: ...",
        "    *, alias: str\n) -> object: ...",
    ),
    Mutation(
        "@miniagent forgets the keywords",
        "agents/_decorator.py",
        "Awaitable[None]], /\n) -> MiniAgent[A, B, P]: ...",
        "Awaitable[None]], /\n) -> MiniAgent[A, B, ...]: ...",
    ),
    Mutation(
        "tokens are Any",
        "operators/_tokens.py",
        "Observable[str]]:\n",
        "Observable[Any]]:\n",
    ),
    Mutation(
        "resolve forgets the class",
        "operators/_resolve.py",
        "def resolve() -> Callable[[Observable[MessagePromise[M]]], Observable[M]]:",
        "def resolve() -> Callable[[Observable[MessagePromise[M]]], Observable[Message]]:",
    ),
    Mutation(
        "the fields of messages are unknown",
        "values/_frozen.py",
        "@dataclass_transform(",
        "(lambda **_: lambda kind: kind)(",
    ),
    Mutation(
        "fields can be set",
        "values/_frozen.py",
        "frozen_default=True",
        "frozen_default=False",
    ),
    Mutation(
        "awaiting gives Any",
        "streams/_promise.py",
        "def __await__(self) -> Generator[object, None, T_co]:",
        "def __await__(self) -> Generator[object, None, Any]:",
    ),
    Mutation(
        "iterating gives Any",
        "streams/_promise.py",
        "def __aiter__(self) -> AsyncGenerator[PIECE]:",
        "def __aiter__(self) -> AsyncGenerator[Any]:",
    ),
    Mutation(
        "an index into Messages gives Any",
        "messages/_sequence.py",
        "def __getitem__(self, index: SupportsIndex, /) -> M_co: ...",
        "def __getitem__(self, index: SupportsIndex, /) -> Any: ...",
    ),
    Mutation(
        "a promise is of plain messages",
        "messages/_message.py",
        '**preliminary_metadata: object) -> "MessagePromise[Self]":',
        '**preliminary_metadata: object) -> "MessagePromise[Message]":',
    ),
    Mutation(
        "anything is a message",
        "messages/_message_type.py",
        "MessageType: TypeAlias = Union[\n    str,",
        "MessageType: TypeAlias = Union[\n    object,",
    ),
    Mutation(
        "run gives a list of Any",
        "streams/_context.py",
        "def run(self, main: Observable[T]) -> list[T]: ...",
        "def run(self, main: Observable[T]) -> list[Any]: ...",
    ),
    Mutation(
        "the messages of a context are of any class",
        "agents/_agent.py",
        "def messages(self) -> MessageSequencePromise[In_co]:",
        "def messages(self) -> MessageSequencePromise[Message]:",
    ),
    Mutation(
        "what is composed may lack a keyword",
        "agents/_algebra/_chains.py",
        "def inquire(self, messages: MessageSequencePromise[In_contra], /)",
        "inquire: Any\n\n    def _inquire(self, messages: In_contra, /)",
    ),
    Mutation(
        "a & b takes what is not for b",
        "agents/_agent.py",
        "def __and__(self: Stage[In1, Out1], other: Stage[In1, Out2])",
        "def __and__(self: Stage[In1, Out1], other: Stage[Any, Out2])",
    ),
    Mutation(
        "a & b takes whatever a does, if that is anything",
        "agents/_agent.py",
        "def __and__(self: A, other: Beside[A, C]) -> C: ...",
        "def __and__(self: A, other: Beside[A, C]) -> Any: ...",
    ),
    Mutation(
        "what is beside an agent may need a keyword",
        "agents/_algebra/_chains.py",
        "def inquire(self, messages: MessageSequencePromise[Never], /) -> MessageSequencePromise[Message]:",
        "def alias_of(self, messages: Any) -> Any:",
    ),
    Mutation(
        "an agent is taken for a plain operator, too",
        "agents/_agent.py",
        "def __sizeof__(self, _: Never, /) -> int: ...",
        "def __sizeof__(self) -> int: ...",
    ),
    Mutation(
        "identity is an agent of messages behind a bar",
        "agents/_agent.py",
        'def __or__(self: Stage[In1, Out1], other: "Identity") -> "MiniAgent[In1, Out1]": ...',
        'def __or__(self: Stage[In1, Out1], other: "Identity") -> "MiniAgent[In1, Message]": ...',
    ),
    Mutation(
        "identity makes messages of what stands before a bar",
        "agents/_agent.py",
        "def __or__(self, other: Stage[In1, Out2]) -> MiniAgent[In1, Out2]: ...",
        "def __or__(self, other: Stage[In1, Out2]) -> MiniAgent[Message, Out2]: ...",
    ),
    Mutation(
        "a chain takes agents of any message only",
        "agents/_chain_loop.py",
        "MiniAgent[Never, Message, ...]\n    | AgentCall",
        "MiniAgent[Message, Message, ...]\n    | AgentCall",
    ),
    Mutation(
        "texts are asked of an agent that takes something else",
        "operators/_map_agent.py",
        'self: "AgentMap[Message, B]", source: AsyncIterable[Row]',
        "self, source: AsyncIterable[Row]",
    ),
    Mutation(
        "rows of models are not asked",
        "operators/_map_agent.py",
        "bound=str | Mapping[str, object] | BaseModel | MessagePromise[Message])",
        "bound=str | Mapping[str, object] | MessagePromise[Message])",
    ),
    Mutation(
        "a message of a model takes any field",
        "messages/_roles.py",
        "            usage: Usage | None = None,\n",
        "            usage: Usage | None = None,\n            **fields: Any,\n",
    ),
    Mutation(
        "a & b forgets what b replies",
        "agents/_agent.py",
        '(self: Stage[In1, Out1], other: Stage[In1, Out2]) -> "MiniAgent[In1, Out1 | Out2]": ...',
        '(self: Stage[In1, Out1], other: Stage[In1, Out2]) -> "MiniAgent[In1, Out1]": ...',
    ),
    Mutation(
        "the judge of a race is given anything",
        "agents/_algebra/_race.py",
        "win: Predicate[B1 | B2] | None",
        "win: AnyPredicate | None",
    ),
    Mutation(
        "a race is between agents for anything",
        "agents/_algebra/_race.py",
        "first: Stage[A, B1], second: Stage[A, B2], /,",
        "first: Stage[A, B1], second: Stage[Any, B2], /,",
    ),
    Mutation(
        "a case is for agents of any class",
        "agents/_algebra/_route.py",
        "message_class: type[M], agent: Stage[M, O] |",
        "message_class: type[M], agent: Stage[Any, O] |",
    ),
    Mutation(
        "a route forgets what its cases take",
        "agents/_algebra/_route.py",
        '-> "Route[In | M, Out | O]":',
        '-> "Route[M, Out | O]":',
    ),
    Mutation(
        "an error becomes anything",
        "agents/_agent.py",
        '"Caught[In1] | Awaitable[Caught[In1]]"',
        '"object"',
    ),
    Mutation(
        "a limit forgets what the agent replies",
        "agents/_wrapping.py",
        ') -> Self:\n        """Return this agent with time limits',
        ') -> "MiniAgent[Any, Message, ...]":\n        """Return this agent with time limits',
    ),
    Mutation(
        "map_agent forgets what is replied",
        "agents/_runnable_agent.py",
        ") -> AgentMap[In1, Out1]:\n",
        ") -> AgentMap[In1, Message]:\n",
    ),
    Mutation(
        "a mapped agent takes any items",
        "operators/_map_agent.py",
        "def __call__(self, source: Observable[A], /)",
        "def __call__(self, source: Observable[Any], /)",
    ),
    Mutation(
        "the items of replies are Any",
        "operators/_map_agent.py",
        "    item: Item\n",
        "    item: Any\n",
    ),
    Mutation(
        "a tool is called with anything",
        "models/_tool.py",
        "def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co:",
        "def __call__(self, *args: object, **kwargs: object) -> R_co:",
    ),
    Mutation(
        "with_tools takes anything for a tool",
        "models/_model_agent.py",
        "        *tools: AnyTool,\n",
        "        *tools: object,\n",
    ),
    Mutation(
        "with_tools forgets the keywords",
        "models/_model_agent.py",
        ') -> "ToolAgent[P]":\n        """Let the model call tools',
        ') -> "ToolAgent[...]":\n        """Let the model call tools',
    ),
    Mutation(
        "the final answer of a model with tools is any message",
        "models/_model_agent.py",
        "def final(self) -> Promise[AssistantMessage]:",
        "def final(self) -> Promise[AssistantMessage | ToolMessage]:",
    ),
    Mutation(
        "as_type gives replies of anything",
        "models/_typed_agent.py",
        "**kwargs: P.kwargs) -> ParsedReplies[T]:",
        "**kwargs: P.kwargs) -> ParsedReplies[Any]:",
    ),
    Mutation(
        "fields of an answer are not looked at",
        "models/_parsed.py",
        "def field(self, field: str | Callable[[T], str | None])",
        "def field(self, field: str | Callable[[Any], object])",
    ),
    Mutation(
        "elements of an answer are Any",
        "models/_parsed.py",
        "-> Stream[E]: ...",
        "-> Stream[Any]: ...",
    ),
    Mutation(
        "partials of an answer are Any",
        "models/_parsed.py",
        "def partials(self) -> Stream[T]:",
        "def partials(self) -> Stream[Any]:",
    ),
    Mutation(
        "the value of an answer is any model",
        "models/_parsed.py",
        "def parsed(self) -> Promise[T]:",
        "def parsed(self) -> Promise[BaseModel]:",
    ),
    Mutation(
        "a stream is awaited as any Observable: its last item",
        "streams/_stream.py",
        "def __await__(self) -> Generator[object, None, tuple[T_co, ...]]:",
        "def __await__(self) -> Generator[object, None, T_co]:",
    ),
    Mutation(
        "iterating a stream gives Any",
        "streams/_stream.py",
        "def __aiter__(self) -> AsyncGenerator[T_co]:",
        "def __aiter__(self) -> AsyncGenerator[Any]:",
    ),
    Mutation(
        "parts are Any",
        "messages/_sequence.py",
        "def parts(self) -> Stream[Part]:",
        "def parts(self) -> Stream[Any]:",
    ),
    Mutation(
        "whose types a message did not fit is unknown",
        "values/_errors.py",
        'agents: NEXT_YEAR\n    """\n\n    def __init__(self, text: str, agent_alias: str) -> None:\n'
        "        super().__init__(text, agent_alias)\n        self.agent_alias: str =",
        'agents: NEXT_YEAR\n    """\n\n    def __init__(self, text: str, agent_alias: str) -> None:\n'
        "        super().__init__(text, agent_alias)\n        self.agent_alias: object =",
    ),
    Mutation(
        "agents of a class have no fields",
        "agents/_base_agent.py",
        "@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(Field,))\n",
        "",
    ),
    Mutation(
        "a fork of an agent of a class is any agent",
        "agents/_base_agent.py",
        "def fork(self, **fields: object) -> Self:",
        "def fork(self, **fields: object) -> MiniAgent[In, Out, ...]:",
    ),
    Mutation(
        "agents of a class run with any messages",
        "agents/_base_agent.py",
        "async def run(self, ctx: InteractionContext[In, Out]) -> None:",
        "async def run(self, ctx: InteractionContext[Any, Any]) -> None:",
    ),
)

SOME: Sequence[Mutation] = tuple(
    mutation
    for mutation in MUTATIONS
    if mutation.says
    in {
        "In is covariant",
        "Out is contravariant",
        "inquire takes any keywords",
        "fork forgets the keywords",
        "inquire takes anything that is messages, whatever the class",
        "the fields of messages are unknown",
        "a & b forgets what b replies",
        "map_agent forgets what is replied",
        "with_tools forgets the keywords",
        "as_type gives replies of anything",
    }
)
"""What every run of the tests tries; all of them take a minute."""
