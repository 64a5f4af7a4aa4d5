"""The operators that do what a function of a sequence of messages does, while the messages stream."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias, TypeVar, cast

from reactivex import Observable

from miniagents.messages import Message, MessagePromise, MessageSequencePromise, MessageType
from miniagents.messages._errors_as_messages import replace_errors
from miniagents.messages._join_and_split import split_tokens
from miniagents.messages._message import Finished
from miniagents.messages._sequence import lifted, tokens_of
from miniagents.streams import StreamedPromise

M = TypeVar("M")

Several: TypeAlias = (
    StreamedPromise[MessagePromise[M], object] | Iterable[MessagePromise[M]] | Iterable[Finished[M]]
)


def as_messages() -> Callable[[Observable[MessageType]], Observable[MessagePromise[Message]]]:
    """``Observable[MessageType] -> Observable[MessagePromise[Message]]``.

    Texts, mappings, collections and promises become message promises, in order. An item that cannot become a
    message becomes a message that fails, in its place; the items after it still arrive.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, resolve
        >>> source = rx.of("one", {"text": "two"}, ["three", ["four"]])
        >>> [message.text for message in MiniAgents().run(source.pipe(as_messages(), resolve()))]
        ['one', 'two', 'three', 'four']
    """
    return lifted(lambda received: received)


def errors_as_messages() -> Callable[
    [Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]
]:
    """``Observable[MessagePromise[M]] -> Observable[MessagePromise[Message]]``, which does not fail.

    If a message fails, the text before its error becomes a message, and an ``ErrorMessage`` follows it.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, errors_as_messages, resolve
        >>> source = rx.of("one", ValueError("two"), "three")
        >>> messages = MiniAgents().run(source.pipe(as_messages(), errors_as_messages(), resolve()))
        >>> [message.text for message in messages]
        ['one', 'ValueError: two', 'three']
    """
    return lifted(lambda received: MessageSequencePromise.over(replace_errors(received, None)))


def flatten() -> Callable[[Observable[Several[M]]], Observable[MessagePromise[M]]]:
    """``Observable[MessageSequencePromise[M]] -> Observable[MessagePromise[M]]``.

    It emits the messages of every item, in the order of the items. The sequences themselves run in parallel.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import Message, MiniAgents
        >>> from miniagents.operators import flatten, resolve
        >>> source = rx.of([Message("one"), Message("two")], [Message("three")])
        >>> [message.text for message in MiniAgents().run(source.pipe(flatten(), resolve()))]
        ['one', 'two', 'three']
    """
    flat = lifted(lambda received: received)
    return cast("Callable[[Observable[Several[M]]], Observable[MessagePromise[M]]]", flat)


def join(
    delimiter: str = "\n\n",
    *,
    strip_leading_newlines: bool = False,
    reference_original_messages: bool = True,
    **metadata: object,
) -> Callable[[Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]]:
    """``Observable[MessagePromise[M]] -> Observable[MessagePromise[Message]]``: one message of all texts.

    It is emitted on subscribing and streams while the messages come; see :func:`miniagents.join_messages`.

    Args:
        delimiter: the text between two messages.
        strip_leading_newlines: leave out the newlines at the start of each message.
        reference_original_messages: keep the messages as ``original_messages`` of the joined one.
        **metadata: data of the joined message.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, join, resolve
        >>> MiniAgents().run(rx.of("one", "two").pipe(as_messages(), join(" + "), resolve()))[0].text
        'one + two'
    """

    def transform(received: MessageSequencePromise[Message]) -> MessageSequencePromise[Message]:
        joined = received.as_single_promise(
            delimiter,
            strip_leading_newlines=strip_leading_newlines,
            reference_original_messages=reference_original_messages,
            **metadata,
        )
        return MessageSequencePromise(joined)

    return lifted(transform)


def split(
    delimiter: str = "\n\n", *, code_block_delimiter: str | None = "```", **metadata: object
) -> Callable[[Observable[MessagePromise[Message]]], Observable[MessagePromise[Message]]]:
    r"""``Observable[MessagePromise[M]] -> Observable[MessagePromise[Message]]``.

    The text is cut while it streams; see :func:`miniagents.split_messages`.

    Args:
        delimiter: where to split.
        code_block_delimiter: a block between two of these is one message, and delimiters in it do not count;
            None switches this off.
        **metadata: data of every resulting message.

    Returns:
        A cold operator.

    Raises:
        ValueError: on subscribing, when a delimiter is empty.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, resolve, split
        >>> source = rx.of("one\n\ntwo")
        >>> [message.text for message in MiniAgents().run(source.pipe(as_messages(), split(), resolve()))]
        ['one', 'two']
    """
    return lifted(
        partial(
            split_tokens,
            delimiter=delimiter,
            code_block_delimiter=code_block_delimiter,
            metadata=metadata,
        )
    )


def tokens() -> Callable[[Observable[MessagePromise[Message]]], Observable[str]]:
    """``Observable[MessagePromise[M]] -> Observable[str]``: emit tokens as they come, message after message.

    Returns:
        A cold operator.

    Example:
        >>> import reactivex as rx
        >>> from miniagents import MiniAgents
        >>> from miniagents.operators import as_messages, tokens
        >>> MiniAgents().run(rx.of("one", "two").pipe(as_messages(), tokens()))
        ['one', 'two']
    """
    return lifted(tokens_of)
