r"""`llm_logger`: a Markdown file for each call of a model. Nothing is logged unless it is asked for.

Example:
    >>> import tempfile
    >>> from pathlib import Path
    >>> from miniagents import MiniAgents
    >>> from miniagents.testing import scripted_model
    >>> async def main(folder):
    ...     model = llm_logger(scripted_model("Air scatters blue light."), folder)
    ...     print(await model.inquire("Why is the sky blue?", temperature=0.2))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     MiniAgents().run(main(folder))
    ...     (page,) = Path(folder).iterdir()
    ...     print(page.read_text().partition("## Answer")[0].partition("## ")[2])
    Air scatters blue light.
    Prompt
    <BLANKLINE>
    ### user
    <BLANKLINE>
    ```text
    Why is the sky blue?
    ```
    <BLANKLINE>
    <BLANKLINE>
"""

import asyncio
import os
from dataclasses import dataclass
from functools import partial
from typing import cast

from typing_extensions import ParamSpec

from miniagents.agents import InteractionContext
from miniagents.core import AssistantMessage, Message
from miniagents.models import ModelAgent

from ._llm_log import LogFolder, LoggedCall

__all__ = ["llm_logger"]

P = ParamSpec("P")


def llm_logger(model: ModelAgent[P], folder: str | os.PathLike[str] = "llm_logs") -> ModelAgent[P]:
    """Make an agent that does what a model does, and writes a Markdown file for each call.

    The file has the time, the keywords that are harmless, the prompt with the tools and the schema, every
    part of the answer and when it came, usage, and the error if there was one. There is never a key in it.
    It holds prompts and answers, so only its owner can read it; ordinary logs get nothing of it.

    The log changes nothing about a call: the parts go through one by one, and the file is written in a
    thread when the answer has ended or is no longer read. If that fails, there is one warning for the folder.

    Args:
        model: the model. If it is given tools or a type later, each of its turns is a file.
        folder: where the files are written; made with the first one.

    Raises:
        TypeError: ``model`` is no model.

    Returns:
        A model with the same keywords, defaults and alias.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> llm_logger(scripted_model("Hi"))
        <MiniAgent SCRIPTED_MODEL>
    """
    given = cast("object", model)
    if not isinstance(given, ModelAgent):
        msg = (
            f"llm_logger logs models, and {given!r} is none; give openai_agent, a fork of it, or another one."
        )
        raise TypeError(msg)
    return model.around(_Logger(LogFolder(folder)))


@dataclass(frozen=True, slots=True)
class _Logger:
    """Goes around the calls of a model."""

    folder: LogFolder

    async def __call__(
        self,
        ctx: InteractionContext[Message, AssistantMessage],
        model: ModelAgent[...],
    ) -> None:
        """Call it, and write down what happens."""
        call = LoggedCall(model.alias, model.defaults)
        ends: list[asyncio.Future[None]] = []
        try:
            async for promise in model.inquire(ctx.messages):
                data = promise.preliminary_metadata
                said = promise.message_class.promise_of_parts(partial(call.passing, promise), **data)
                # No promise is held here while it streams: dropping the reply stops the call.
                ends.append(asyncio.get_running_loop().create_future())
                said.buffer.when_closed(partial(_set, ends[-1]))
                ctx.reply(said)
                del said, promise
            ctx.finish_early()
            for end in ends:
                await end
        except Exception as error:
            call.error = error
            raise
        finally:
            call.end()
            await self._write(call, ctx)

    async def _write(self, call: LoggedCall, ctx: InteractionContext[Message, AssistantMessage]) -> None:
        if ctx.messages.done:
            try:
                call.prompt = await ctx.messages
            except Exception:  # noqa: BLE001 - the model had the same error, and it stands in the answer
                call.prompt = None
        await self.folder.write(call)


def _set(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)
