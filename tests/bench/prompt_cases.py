"""What a prompt of three slots adds to each token that streams through one of them, and what a guard adds."""

from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping

from miniagents import Message, MessageSequencePromise, MiniAgent, identity, prompt

from .sources import Role, Source, bulk, expect, live, timed
from .timing import in_context

_TEXTS = 6  # tokens that are no message's: the literal texts of the prompt, and what fills two slots

PROMPT = prompt("Summarise in {language}, {words} words at most: {text}\n", language="English", words=100)


def _reading(agent: MiniAgent, count: int, more: int, source: Source) -> Callable[[], Awaitable[object]]:
    """Read a message that streams through an agent, token by token."""

    async def tokens(metadata: MutableMapping[str, object]) -> AsyncIterator[str]:
        del metadata
        async for token in source(count):
            yield token

    async def read() -> None:
        replies: MessageSequencePromise[Message] = agent.inquire(Message.promise(tokens))
        async for message in replies:
            await expect(aiter(message), count + more)

    return read


def passing(agent: MiniAgent, more: int, source: Source = live) -> Role:
    """The seconds that it takes."""
    return lambda count: in_context(lambda: timed(_reading(agent, count, more, source)))


def finds_nothing(text: str) -> None:
    """Check a text."""
    del text


GUARDED = identity.guard(during=finds_nothing)


prompt_limit = passing(identity, 0)
"""The message is passed on."""
prompt_ours = passing(PROMPT.bind(), _TEXTS)
"""It fills the last of three slots."""
guarded_limit = passing(identity, 0, bulk)
"""As `prompt_limit`, from a source that never waits."""
guarded_ours = passing(GUARDED, 0, bulk)
"""A guard finds nothing."""
guarded_live_ours = passing(GUARDED, 0)
"""The same; each token comes alone."""
