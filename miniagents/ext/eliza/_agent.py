"""`eliza_agent`: the partner as an agent. It keeps nothing; the conversation it is given says it all.

Example:
    >>> from miniagents import MiniAgents
    >>> async def main():
    ...     print(await eliza_agent.inquire("My brother is angry with me."))
    >>> MiniAgents().run(main())
    How do you know that your brother is angry with you?
"""

import asyncio
import re
from collections.abc import AsyncGenerator, MutableMapping
from functools import cache

from miniagents.agents import InteractionContext, miniagent
from miniagents.core import AssistantMessage

from ._engine import Eliza
from ._script import load_script

_WORD = re.compile(r"\S+\s*")


@miniagent
async def eliza_agent(ctx: InteractionContext, delay: float = 0.0) -> None:
    """Answers the last user message, word by word. No language model, no network, no chance.

    It is given the whole conversation each time, and answers as if it had taken part in all of it. A
    conversation without a word of the user gets the greeting.

    Args:
        ctx: the conversation.
        delay: how long it waits before each further word, in seconds.
    """
    said = [str(message) for message in await ctx.messages if message.role == "user"]
    answer = await asyncio.to_thread(_answer, said)  # a long conversation takes its time

    async def words(_metadata: MutableMapping[str, object]) -> AsyncGenerator[str]:
        for place, word in enumerate(_WORD.findall(answer)):
            if place and delay > 0:
                await asyncio.sleep(delay)
            yield word

    ctx.reply(AssistantMessage.promise(words, model="eliza", agent_alias=ctx.this_agent.alias))


@cache
def _eliza() -> Eliza:
    """The partner with the script of the package; a value, so one for all is enough."""
    return Eliza(load_script())


def _answer(said: list[str]) -> str:
    eliza = _eliza()
    if not said:
        return eliza.greeting
    return eliza.respond(eliza.replay(said[:-1]), said[-1])[1]
