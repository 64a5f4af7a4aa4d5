"""``MessageSequencePromise``: a flat stream of message promises."""

from collections.abc import Iterable
from typing import cast

from reactivex import Observable
from typing_extensions import TypeVar, override

from miniagents.streams import Log, LogObservable, iterate

from ._flattener import Flattener
from ._join import join_tokens
from ._message import M_co, Message, MessagePromise
from ._message_type import FlatStream, MessageType
from ._messages import Messages
from ._owner import Owner
from ._streamed import StreamedPromise
from ._walk import Listener, TokenWalk, resolved

M = TypeVar("M", bound=Message, default=Message)


class _Tokens(Listener[str]):
    """Writes every token of every message."""

    __slots__ = ()

    @override
    def token(self, token: str, /) -> None:
        self.target.append(token)


class MessageSequencePromise(FlatStream[M_co, Messages[M_co]]):
    """Messages that may still be coming: await them all, iterate their promises, or subscribe.

    It starts, keeps, stops and fails as :class:`StreamedPromise` says. A failing message fails where it
    stands, the ones after it still arrive. What failed as a whole raises after the messages that came before.

    Args:
        prefill_pieces: any ``MessageType``; each becomes a message promise.

    Raises:
        NoActiveContextError: no context is active.
        TypeError: a piece cannot become a message; the text names its type and where it stands.

    Example:
        >>> from miniagents import Message, MessageSequencePromise, MiniAgents
        >>> async def main():
        ...     promise = MessageSequencePromise(prefill_pieces=[Message("one"), "two"])
        ...     print([str(await message) async for message in promise], (await promise)[1].text)
        >>> MiniAgents().run(main())
        ['one', 'two'] two
    """

    __slots__ = ()

    def __init__(self, prefill_pieces: MessageType = ()) -> None:
        context = Owner.current()
        log: Log[MessagePromise[Message]] = Log(context)
        flattener = Flattener(context, log)
        flattener.feed(prefill_pieces)
        flattener.finish()
        self._show(cast("Log[object]", log))

    @property
    def messages(self) -> Observable[MessagePromise[M_co]]:
        """The message promises as an Observable, replayed from the first one to every subscriber."""
        return LogObservable(self.log, self)

    @property
    def tokens(self) -> Observable[str]:
        """The tokens of all messages as they come, message after message."""
        return tokens_of(cast("FlatStream[Message]", self)).pieces

    async def aresolve_messages(self) -> Messages[M_co]:
        """The same as awaiting it."""
        return await self

    def as_single_promise(
        self,
        delimiter: str = "\n\n",
        strip_leading_newlines: bool = False,
        reference_original_messages: bool = True,
        **metadata: object,
    ) -> MessagePromise[Message]:
        """One streaming message of all texts; the same as :func:`join_messages` of it."""
        return join_tokens(
            self,
            delimiter=delimiter,
            strip_leading_newlines=strip_leading_newlines,
            reference_original_messages=reference_original_messages,
            metadata=metadata,
        )

    @override
    def cancel(self) -> None:
        """Stop the run, and every message in it that the run, or one that it began, is still writing.

        What others write (a message that was sent to the agent and passed on) goes on. Idempotent.
        """
        super().cancel()
        lineage = self.log.lineage
        if lineage is None:
            return
        for promise in tuple(self.log.items):
            if not promise.log.closed and lineage.began(promise.log.lineage):
                promise.cancel()

    @override
    async def _whole(self) -> Messages[M_co]:
        # Message by message, so that a failing one is raised without waiting for those behind it.
        async for promise in iterate(self.log, self):
            if not promise.log.closed or promise.log.error is not None:
                await promise
        return self._resolve()

    @override
    def _fold(self, log: Log[object]) -> object:
        return Messages([resolved(promise) for promise in self.log.items])

    @override
    def _parts(self) -> Iterable[Log[object]]:
        return (cast("Log[object]", promise.log) for promise in self.log.items)


def open_sequence() -> tuple[Flattener, MessageSequencePromise[Message]]:
    """A sequence that is still open: what writes it, and the promise of it."""
    context = Owner.current()
    log: Log[MessagePromise[Message]] = Log(context)
    return Flattener(context, log), MessageSequencePromise.over(log)


def tokens_of(source: FlatStream[Message, object]) -> StreamedPromise[str, object]:
    """The tokens of all messages as they come, message after message."""
    log: Log[str] = Log(source.log.scope)
    TokenWalk(source, _Tokens(log)).start()
    return StreamedPromise[str, object].over(log)
