"""``AgentCall``: an inquiry whose input is still open."""

from typing import Generic, overload

from typing_extensions import TypeVar

from miniagents.messages import Message, MessageSequencePromise, MessageType, MessageTypeOf
from miniagents.messages._flattener import Flattener
from miniagents.values import MiniAgentsError

In = TypeVar("In", bound=Message, default=Message, contravariant=True)  # noqa: PLC0105 - as in _agent
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105


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

    __slots__ = ("__weakref__", "_alias", "_finished", "_flattener", "_replies")

    def __init__(self, alias: str, flattener: Flattener, replies: MessageSequencePromise[Out]) -> None:
        self._alias = alias
        self._flattener = flattener
        self._replies = replies
        self._finished = False

    @overload
    def send_message(self: "AgentCall[Message, Out]", message: MessageType) -> "AgentCall[Message, Out]": ...
    @overload
    def send_message(self, message: MessageTypeOf[In]) -> "AgentCall[In, Out]": ...
    def send_message(self, message: object) -> object:
        """Send messages; returns the call, so that calls can be chained.

        Args:
            message: any ``MessageType``; it is read at once.

        Raises:
            MiniAgentsError: the call is finished.
            TypeError: an item cannot become a message.
            WrongLoopError: the call comes from another event loop, thread or process.
        """
        if self._finished or self._flattener.ended:
            msg = f"The call of {self._alias} is finished; start another one with initiate_inquiry()."
            raise MiniAgentsError(msg)
        self._flattener.context.check_place()
        self._flattener.feed(message)
        return self

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
        if not self._finished:
            self._flattener.context.check_place()
            self._finished = True
            self._flattener.finish()

    def __del__(self) -> None:
        flattener: Flattener | None = getattr(self, "_flattener", None)
        if flattener is None or self._finished:
            return
        context = flattener.context
        if context.in_loop_thread():
            flattener.finish()
        else:
            context.call_soon(flattener.finish)
