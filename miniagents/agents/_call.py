"""``AgentCall``: an inquiry whose input is still open."""

from typing import Generic, overload

from typing_extensions import TypeVar

from miniagents.core import Flattener, Message, MessageSequencePromise, MessageType, MessageTypeOf
from miniagents.values import MiniAgentsError

In = TypeVar("In", bound=Message, default=Message, contravariant=True)  # noqa: PLC0105 - as in _agent
Out = TypeVar("Out", bound=Message, default=Message, covariant=True)  # noqa: PLC0105


class AgentCall(Generic[In, Out]):
    """A conversation with one run of an agent: messages can be sent while replies are already coming.

    It is made by :meth:`MiniAgent.initiate_inquiry`. Dropping it finishes it, too.

    * When does it start? At once: the agent runs, and waits for messages when it wants some.
    * How often? One run.
    * What is kept? Every message and every reply, as long as somebody holds the promise of the replies.
    * What does ``break`` do? A reader of the replies that leaves ends the run when it was the last one.
    * When does an error come? With the replies, after those that came before it.

    Args:
        alias: of the agent, for errors.
        flattener: writes the input of the run.
        replies: the promise of what the run replies.

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
        """Send what ``inquire`` takes; returns the call, so that calls can be chained.

        Args:
            message: any ``MessageType``, taken as it is now.

        Raises:
            MiniAgentsError: the call is finished.
            TypeError: it is nothing that can become messages.
            WrongLoopError: it is sent from another event loop, thread or process.
        """
        if self._finished or self._flattener.ended:
            msg = f"The call of {self._alias} is finished; start another one with initiate_inquiry()."
            raise MiniAgentsError(msg)
        self._flattener.context.check_place()
        self._flattener.feed(message)
        return self

    def reply_sequence(self, *, finish_call: bool = True) -> MessageSequencePromise[Out]:
        """The replies, the same promise every time.

        Args:
            finish_call: close the input too. Without it, replies can be read while messages are still being
                sent. Code that awaits all of them and finishes the call after that waits for itself: in a run
                that is a ``DeadlockError``; outside of every run it waits, since something else may finish
                the call.
        """
        if finish_call:
            self.finish()
        return self._replies

    def finish(self) -> None:
        """Nothing more will be sent. Idempotent.

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
