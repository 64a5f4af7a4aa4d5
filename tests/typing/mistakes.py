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
        "In is covariant",
        "agents/_agent.py",
        'In = TypeVar("In", bound=Message, default=Message, contravariant=True)',
        'In = TypeVar("In", bound=Message, default=Message, covariant=True)',
    ),
    Mutation(
        "Out is contravariant",
        "agents/_agent.py",
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
        "promising/_message.py",
        'bound="Message", covariant=True, default="Message")',
        'bound="Message", default="Message")',
    ),
    Mutation(
        "promises of values are invariant",
        "promising/_promise.py",
        'TypeVar("T_co", covariant=True)',
        'TypeVar("T_co")',
    ),
    Mutation(
        "Messages are invariant",
        "promising/_messages.py",
        "from ._message import M_co, Message\n",
        "import typing_extensions as t\nfrom ._message import Message\n"
        'M_co = t.TypeVar("M_co", bound=Message, default=Message)\n',
    ),
    Mutation(
        "inquire takes any keywords",
        "agents/_agent.py",
        "messages: MessageTypeOf[In] = None, /, *args: P.args, **kwargs: P.kwargs",
        "messages: MessageTypeOf[In] = None, /, *args: object, **kwargs: object",
    ),
    Mutation(
        "inquire gives a sequence of Any",
        "agents/_agent.py",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> MessageSequencePromise[Out]: ...",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> MessageSequencePromise[Any]: ...",
    ),
    Mutation(
        "inquire gives Any",
        "agents/_agent.py",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> MessageSequencePromise[Out]: ...",
        "*args: P.args, **kwargs: P.kwargs\n    ) -> Any: ...",
    ),
    Mutation(
        "fork takes any keywords",
        "agents/_agent.py",
        "def fork(self, *args: P.args, **kwargs: P.kwargs)",
        "def fork(self, *args: object, **kwargs: object)",
    ),
    Mutation(
        "fork forgets the keywords",
        "agents/_agent.py",
        'def fork(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out, P]":',
        'def fork(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out, ...]":',
    ),
    Mutation(
        "bind leaves the keywords open",
        "agents/_agent.py",
        'def bind(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out]":',
        'def bind(self, *args: P.args, **kwargs: P.kwargs) -> "MiniAgent[In, Out, P]":',
    ),
    Mutation(
        "an agent in a pipe takes anything",
        "agents/_agent.py",
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
        "agents/_agent.py",
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
        "values/_meta.py",
        "@dataclass_transform(",
        "(lambda **_: lambda kind: kind)(",
    ),
    Mutation(
        "fields can be set",
        "values/_meta.py",
        "frozen_default=True",
        "frozen_default=False",
    ),
    Mutation(
        "awaiting gives Any",
        "promising/_promise.py",
        "def __await__(self) -> Generator[object, None, T_co]:",
        "def __await__(self) -> Generator[object, None, Any]:",
    ),
    Mutation(
        "iterating gives Any",
        "promising/_streamed.py",
        "def __aiter__(self) -> AsyncGenerator[PIECE]:",
        "def __aiter__(self) -> AsyncGenerator[Any]:",
    ),
    Mutation(
        "an index into Messages gives Any",
        "promising/_messages.py",
        "def __getitem__(self, index: SupportsIndex, /) -> M_co: ...",
        "def __getitem__(self, index: SupportsIndex, /) -> Any: ...",
    ),
    Mutation(
        "a promise is of plain messages",
        "promising/_message.py",
        '**preliminary_metadata: object) -> "MessagePromise[Self]":',
        '**preliminary_metadata: object) -> "MessagePromise[Message]":',
    ),
    Mutation(
        "anything is a message",
        "promising/_message_type.py",
        "MessageType: TypeAlias = Union[\n    str,",
        "MessageType: TypeAlias = Union[\n    object,",
    ),
    Mutation(
        "run gives a list of Any",
        "promising/_context.py",
        "def run(self, main: Observable[T]) -> list[T]: ...",
        "def run(self, main: Observable[T]) -> list[Any]: ...",
    ),
)
