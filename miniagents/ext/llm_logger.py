r"""`llm_logger`: writes a Markdown file for each call of a model. Models without it are not logged.

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
from miniagents.messages import AssistantMessage, Message
from miniagents.models import ModelAgent

from ._llm_log import LogFolder, LoggedCall

__all__ = ["llm_logger"]

P = ParamSpec("P")


def llm_logger(model: ModelAgent[P], folder: str | os.PathLike[str] = "llm_logs") -> ModelAgent[P]:
    """Return a model that writes a Markdown file for each call.

    The file has the time, keywords that cannot be secret, the prompt with the tools and the schema, each part
    of the answer with its time, the usage, and the error if there was one. It never contains an API key. It
    contains prompts and answers, so only its owner can read it. Nothing of it goes to the log of Python.

    The calls do not change: the parts are passed on one by one. The file is written in a thread when the
    answer has ended, or its last reader has left. If a file cannot be written, one warning is logged for the
    folder.

    Args:
        model: the model. If it gets tools or a type later, each of its turns is one file.
        folder: the folder for the files; it is made with the first file.

    Raises:
        TypeError: ``model`` is not a model.

    Returns:
        A model with the same keywords, defaults and alias.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> llm_logger(scripted_model("Hi"))
        <MiniAgent SCRIPTED_MODEL>
    """
    given = cast("object", model)
    if not isinstance(given, ModelAgent):
        raise TypeError(
            f"llm_logger takes a model, and {given!r} is not one; "
            "give openai_agent, a fork of it, or another model."
        )
    return model.around(_Logger(LogFolder(folder)))


@dataclass(frozen=True, slots=True)
class _Logger:
    """The function around each call of a model."""

    folder: LogFolder

    async def __call__(
        self, ctx: InteractionContext[Message, AssistantMessage], model: ModelAgent[...]
    ) -> None:
        """Call the model, and write the log of the call."""
        call = LoggedCall(model.alias, model.defaults)
        ends: list[asyncio.Future[None]] = []
        try:
            async for promise in model.inquire(ctx.messages):
                data = promise.preliminary_metadata
                said = promise.message_class.promise_of_parts(partial(call.passing, promise), **data)
                # This task keeps no promise while it streams, so that dropping the reply stops the call.
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
            except Exception:  # noqa: BLE001 - the model had the same error, and the answer has it
                call.prompt = None
        await self.folder.write(call)


def _set(end: asyncio.Future[None]) -> None:
    if not end.done():
        end.set_result(None)
