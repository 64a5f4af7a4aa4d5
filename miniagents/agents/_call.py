"""``AgentCall``: an inquiry whose input is still open; ``InteractiveCall``: one of an interactive agent."""

from itertools import takewhile
from typing import Generic, Literal, NamedTuple, Self, cast, overload

from typing_extensions import TypeVar, override

from miniagents.messages import (
    InputMessage,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MessageType,
    MessageTypeOf,
)
from miniagents.messages._flattener import Flattener
from miniagents.messages._message import message_of
from miniagents.streams import Promise
from miniagents.streams._buffer import ReplayBuffer
from miniagents.values import InquiryCancelledError, MiniAgentsError

from ._algebra._interactive import When

In = TypeVar("In", bound=Message, default=Message, contravariant=True)  # noqa: PLC0105 - as in _agent
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105
C = TypeVar("C", bound="AgentCall[Message, Message]")


class AgentCall(Generic[In, Out]):
    """A conversation with one run of an agent: messages can be sent while replies are already coming.

    :meth:`MiniAgent.initiate_inquiry` makes it. When the call is dropped, it is finished too.

    * When does it start? At once: the agent runs, and waits when it needs a message.
    * How often? One run.
    * What is kept? Every message and every reply, as long as the promise of the replies exists.
    * What does ``break`` do? It ends that reader of the replies. If it was the last one, the run is stopped.
    * When does an error come? With the replies, after the replies before it.

    Args:
        alias: the alias of the agent, for errors.
        flattener: writes the input of the run.
        replies: the promise of the replies.

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def echo(ctx):
        ...     async for message in ctx.messages:
        ...         ctx.reply(f"{await message}?")
        >>> async def main():
        ...     call = echo.initiate_inquiry().send_message("one")
        ...     replies = aiter(call.reply_sequence(finish_call=False))
        ...     print(await (await anext(replies)))
        ...     call.send_message("two").finish()
        ...     print(await (await anext(replies)))
        >>> MiniAgents().run(main())
        one?
        two?
    """

    __slots__ = ("__weakref__", "_alias", "_flattener", "_replies")

    def __init__(self, alias: str, flattener: Flattener, replies: MessageSequencePromise[Out]) -> None:
        self._alias = alias
        self._flattener = flattener
        self._replies = replies

    @overload
    def send_message(self: C, message: MessageType) -> C: ...
    @overload
    def send_message(self, message: MessageTypeOf[In]) -> Self: ...
    def send_message(self, message: object) -> object:
        """Send messages; returns the call, so that calls can be chained.

        Args:
            message: any ``MessageType``; it is read at once.

        Raises:
            MiniAgentsError: the call is finished.
            TypeError: an item cannot become a message.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        if self._flattener.ended:
            raise MiniAgentsError(
                f"The call of {self._alias} is finished; start another one with initiate_inquiry(). To send "
                "more while replies are read, get them with reply_sequence(finish_call=False)."
            )
        self._flattener.context.check_place()
        self._sends(message)
        self._flattener.feed(message)
        return self

    def _sends(self, message: object) -> None:
        """Note that a message is about to be sent."""

    def reply_sequence(self, *, finish_call: bool = True) -> MessageSequencePromise[Out]:
        """Return the replies, the same promise every time.

        Args:
            finish_call: whether to close the input too. If False, replies can be read while messages are
                still sent. Code that awaits all replies before it finishes the call waits for itself: inside
                a run it gets a ``DeadlockError``; outside of every run it waits, since other code may finish
                the call.
        """
        if finish_call:
            self.finish()
        return self._replies

    def finish(self) -> None:
        """Close the input: nothing more will be sent. Idempotent.

        Raises:
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        if not self._flattener.ended:
            self._flattener.context.check_place()
            self._flattener.finish()

    def __del__(self) -> None:
        flattener: Flattener | None = getattr(self, "_flattener", None)
        if flattener is None or flattener.ended:
            return
        context = flattener.context
        if context.in_loop_thread():
            flattener.finish()
        else:
            context.call_soon(flattener.finish)


class Delivery(NamedTuple):
    """What became of a message that was sent to an interactive agent.

    Attributes:
        outcome: ``"taken"``; or ``"replaced"`` by a rollback, ``"failed"`` or ``"cancelled"`` with the run.
        position: the place of the message among the replies, if it was taken.

    Example:
        >>> Delivery("taken", 3).position
        3
    """

    outcome: Literal["taken", "replaced", "failed", "cancelled"]
    position: int | None = None


class InteractiveCall(AgentCall[In, Out]):
    """A conversation with one run of an interactive agent; see :meth:`MiniAgent.interactive`.

    Each of `steer`, `queue`, `interrupt` and `rollback` sends one message, and returns the promise of a
    :class:`Delivery`. An id counts once in a run: a message that is sent again under it has the same promise.

    Args:
        alias: the alias of the agent, for errors.
        flattener: writes the input of the run.
        replies: the promise of the replies.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import scripted_model
        >>> model = scripted_model("In France.", "In Texas.")
        >>> async def main():
        ...     call = model.interactive().initiate_inquiry()
        ...     call.steer("Where is Paris?")
        ...     taken = await call.queue("I meant Paris, Texas.")
        ...     print(taken.outcome, [str(reply) for reply in await call.reply_sequence()])
        >>> MiniAgents().run(main())
        taken ['Where is Paris?', 'In France.', 'I meant Paris, Texas.', 'In Texas.']
    """

    __slots__ = ("_deliveries",)

    def __init__(self, alias: str, flattener: Flattener, replies: MessageSequencePromise[Out]) -> None:
        super().__init__(alias, flattener, replies)
        self._deliveries = _Deliveries(cast("ReplayBuffer[MessagePromise[Message]]", replies.buffer))

    def steer(self, message: str | In, *, id: str = "") -> Promise[Delivery]:  # noqa: A002 - as in the routes
        """Send what the next request to a model has; if none follows in this answer, the next answer begins.

        Args:
            message: a text, or a complete message.
            id: an id of yours, under which the message may be sent again.

        Raises:
            MiniAgentsError: the call is finished, or the run has ended.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        return self._say(message, "steer", id)

    def queue(self, message: str | In, *, id: str = "") -> Promise[Delivery]:  # noqa: A002 - the same
        """Send what gets an answer of its own, after everything that came before; else as :meth:`steer`.

        Args:
            message: a text, or a complete message.
            id: an id of yours, under which the message may be sent again.

        Raises:
            MiniAgentsError: the call is finished, or the run has ended.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        return self._say(message, "queue", id)

    def interrupt(self, message: str | In, *, id: str = "") -> Promise[Delivery]:  # noqa: A002 - the same
        """End the answer that is being written, as what has come of it, and go on; else as :meth:`steer`.

        Args:
            message: a text, or a complete message.
            id: an id of yours, under which the message may be sent again.

        Raises:
            MiniAgentsError: the call is finished, or the run has ended.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        return self._say(message, "interrupt", id)

    def rollback(self, message: str | In, *, id: str = "") -> Promise[Delivery]:  # noqa: A002 - the same
        """Do as :meth:`interrupt`; the answer, its question and waiting steers leave the conversation.

        Args:
            message: a text, or a complete message.
            id: an id of yours, under which the message may be sent again.

        Raises:
            MiniAgentsError: the call is finished, or the run has ended.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        return self._say(message, "rollback", id)

    @override
    def _sends(self, message: object) -> None:
        if not isinstance(message, InputMessage) or not message.input_id:
            self._deliveries.note_plain()

    def _say(self, message: str | Message, when: When, given_id: str) -> Promise[Delivery]:
        known = self._deliveries.of(given_id)
        if known is None:
            if self._replies.done:
                raise MiniAgentsError(f"The run of {self._alias} has ended; start another one.")
            key = given_id or self._deliveries.new_id()
            whole = Message(message) if isinstance(message, str) else message
            data = {name: value for name, value in whole if name != "text"}
            marked = message_of(InputMessage, whole.text, {**data, "when": when, "input_id": key})
            self.send_message(marked)  # type: ignore[arg-type]  # agents of a class get their class of it
            known = self._deliveries.expect(key, when)
        return known


class _Deliveries:
    """What was sent, until it is among the replies, or cannot be any more. It is no reader of these."""

    __slots__ = ("_before_plain", "_open", "_promised", "_replies", "_taken", "position")

    def __init__(self, replies: ReplayBuffer[MessagePromise[Message]]) -> None:
        self._replies = replies
        self._promised: dict[str, Promise[Delivery]] = {}
        self._open: dict[str, tuple[When, ReplayBuffer[object]]] = {}
        self._taken: dict[str, int] = {}  # id -> position
        self._before_plain: tuple[str, ...] = ()  # what was open at the last one without an id
        self.position: int = 0
        replies.attach(self, unbounded=False, reads=False)

    def new_id(self) -> str:
        """Return an id for a message without one."""
        return next(
            key for at in range(len(self._promised), -1, -1) if (key := f"~{at}") not in self._promised
        )

    def note_plain(self) -> None:
        """Note that a message without an id is sent: if it is a rollback, it replaces what is open now."""
        self._before_plain = tuple(self._open)

    def of(self, key: str) -> Promise[Delivery] | None:
        """Return what was promised for an id; None if it is new."""
        return self._promised.get(key)

    def expect(self, key: str, when: When) -> Promise[Delivery]:
        """Promise what becomes of a message that was sent just now."""
        buffer: ReplayBuffer[object] = ReplayBuffer(self._replies.context)
        self._open[key] = when, buffer
        promise = self._promised[key] = Promise[Delivery].over(buffer)
        if key in self._taken:  # it was sent again, and has come before
            self._settle(key, Delivery("taken", self._taken[key]))
        self.deliver()
        return promise

    def deliver(self) -> None:
        """Look at what was replied."""
        replies = self._replies
        while self.position < len(replies.items):
            message = replies.items[self.position].given
            if isinstance(message, InputMessage):
                own = message.input_id
                if message.when == "rollback":
                    before = takewhile(own.__ne__, tuple(self._open)) if own else self._before_plain
                    for key in before:
                        if key in self._open and self._open[key][0] != "queue":
                            self._settle(key, Delivery("replaced"))
                if own:
                    self._taken[own] = self.position
                if own in self._open:
                    self._settle(own, Delivery("taken", self.position))
            self.position += 1
        if replies.closed:
            replies.detach(self, unbounded=False)
            failed = [each.buffer.error for each in replies.items if each.given is None]
            error = next((each for each in (*failed, replies.error) if each is not None), None)
            stopped = error is None or isinstance(error, InquiryCancelledError)
            for key in tuple(self._open):
                self._settle(key, Delivery("cancelled" if stopped else "failed"))

    def _settle(self, key: str, delivery: Delivery) -> None:
        self._open.pop(key)[1].finish(delivery)
