"""Agents that say what a test tells them to, in virtual time, and what a reader gets of them.

Example:
    >>> from miniagents import MiniAgents
    >>> speaker = Speaker("A", ["one ", 5.0, "two"], ["three"], ValueError("enough"))
    >>> async def main():
    ...     return await heard(speaker.agent.inquire())
    >>> from miniagents.testing import virtual_time
    >>> with virtual_time():
    ...     MiniAgents().run(main())
    [('one ', 'two'), ('three',), ValueError('enough')]
"""

import asyncio
from collections.abc import AsyncGenerator, MutableMapping, Sequence
from typing import TypeAlias

from miniagents import (
    InteractionContext,
    Message,
    MessagePromise,
    MessageSequencePromise,
    MiniAgent,
    miniagent,
)

__all__ = ["Heard", "Script", "Speaker", "heard"]

Word: TypeAlias = str | float | Exception
Script: TypeAlias = Word | Sequence[Word]
Heard: TypeAlias = tuple[str | Exception, ...] | Exception


class Speaker:
    """An agent with a script.

    Args:
        alias: of the agent.
        *script: one after the other: a list is a message, with a text for a token, a number for a pause in
            seconds, and an exception for its error; a number is a pause between messages, an exception the
            error of the agent; a text is a message of one token.
        usage: the usage that a message tells once it has begun.

    Attributes:
        agent: the agent.
        asked: what each run was sent, as text, when that was complete; not waited for before it speaks.
        runs: how many runs there were.
        ended: how each run has ended: ``"done"``, ``"cancelled"`` or ``"failed"``.
    """

    def __init__(self, alias: str, *script: Script, usage: dict[str, int] | None = None) -> None:
        self._script = script
        self._usage = usage
        self.runs = 0
        self.ended: list[str] = []
        self.agent: MiniAgent[Message, Message] = miniagent(alias=alias)(self._speak)

    async def _speak(self, ctx: InteractionContext) -> None:
        self.runs += 1
        outcome = "failed"
        try:
            for part in self._script:
                if isinstance(part, Exception):
                    raise part
                if isinstance(part, int | float):
                    await asyncio.sleep(part)
                else:
                    ctx.reply(self._message([part] if isinstance(part, str) else part))
            outcome = "done"
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        finally:
            self.ended.append(outcome)

    def _message(self, words: Sequence[Word]) -> MessagePromise[Message]:
        async def stream(metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
            if self._usage is not None:
                metadata["usage"] = self._usage
            for word in words:
                if isinstance(word, Exception):
                    raise word
                if isinstance(word, int | float):
                    await asyncio.sleep(word)
                else:
                    yield word

        return Message.promise(stream)


async def heard(replies: MessageSequencePromise[Message]) -> list[Heard]:
    """Return what a reader gets: each message as its tokens and its error, then the error at the end."""
    got: list[Heard] = []
    try:
        async for promise in replies:
            tokens: list[str | Exception] = []
            try:
                async for token in promise:
                    tokens.append(token)  # noqa: PERF401 - what came before an error counts
            except Exception as error:  # noqa: BLE001 - whatever it is, it is looked at
                tokens.append(error)
            got.append(tuple(tokens))
    except Exception as error:  # noqa: BLE001 - the same
        got.append(error)
    return got
