"""Makes a question from the messages and keywords of an agent: all that is the same for every provider.

An inquiry begins in this order: `prepared` waits for the messages, checks the keywords, and finds the client.
The provider makes its request from the `Question`. `Question.call` returns the call that sends the request.
"""

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import SecretStr

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message

from ._call import ModelCall, Wire
from ._conversation import Conversation, conversation_of, loaded
from ._opaque import Origin
from ._options import Extras, ModelOptions, Wanted
from ._settings import Provider, server_of
from ._timeouts import Timeouts
from ._transport import Response

__all__ = ["Connection", "Question", "prepared"]

C = TypeVar("C")


@dataclass(frozen=True, slots=True)
class Connection(Generic[C]):
    """The client of a call, and its settings.

    Attributes:
        client: of an SDK; it does not retry by itself.
        base_url: the address of its server.
        max_retries: how often to try again, if the keywords do not say.
        secrets: that must not be in any text.
    """

    client: C
    base_url: str
    max_retries: int
    secrets: tuple[SecretStr, ...]


@dataclass(frozen=True, slots=True)
class Question(Generic[C]):
    """The conversation, the model and the settings of a call: all that is the same for every provider.

    Attributes:
        options: the keywords.
        model: the name of the model.
        connection: the client and its settings.
        conversation: its images and files have been read.
        wanted: the tools and the schema of the answer.
        extras: what the user adds to the request.
        timeouts: of the call.
    """

    options: ModelOptions
    model: str
    connection: Connection[C]
    conversation: Conversation
    wanted: Wanted
    extras: Extras
    timeouts: Timeouts

    def call(
        self,
        wire: Wire,
        ask: Callable[[], AbstractAsyncContextManager[Response]],
        *,
        needs_finish: bool = True,
    ) -> ModelCall:
        """Return the call that sends the request."""
        options, connection, conversation = self.options, self.connection, self.conversation
        return ModelCall(
            wire=wire,
            ask=ask,
            model=self.model,
            server=server_of(connection.base_url),
            secrets=connection.secrets,
            prompt=conversation.prompt,
            attached=conversation.attached,
            schemas=self.wanted.has_schemas,
            stream=options.stream,
            timeouts=self.timeouts,
            max_retries=connection.max_retries if options.max_retries is None else options.max_retries,
            needs_finish=needs_finish,
            refusal_is_error=options.refusal_is_error,
        )


async def prepared(
    ctx: InteractionContext[Message, AssistantMessage],
    options: ModelOptions,
    provider: Provider,
    reserved: Mapping[str, str],
    connect: Callable[[ModelOptions], Connection[C]],
) -> Question[C]:
    """Check the keywords and return the question; after this, the provider only has to make its request."""
    messages = await ctx.message_promises
    options.check()
    wanted, timeouts = options.wanted, options.timeouts
    model = provider.model(options.model)
    extras = Extras.of(options.extra, reserved)
    connection = connect(options)
    origin = Origin(provider.name, server_of(connection.base_url), provider.ids_at(connection.base_url))
    conversation = conversation_of(messages, options.system, origin)
    return Question(options, model, connection, await loaded(conversation), wanted, extras, timeouts)
