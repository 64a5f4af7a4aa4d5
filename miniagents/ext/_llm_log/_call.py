"""What is noted of one call of a model, while it goes on.

Rule of this room: **a call is as it is without a log.** The parts go through one by one, at the pace of who
reads them; the message that they make is the same, and so is the error.
"""

import os
import time
from collections.abc import AsyncGenerator, Mapping, MutableMapping
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import SecretStr

from miniagents.core import Message, MessagePromise, Messages
from miniagents.values import Part, is_secret_name

__all__ = ["LoggedCall"]


@dataclass(slots=True)
class LoggedCall:
    """One call of a model.

    Attributes:
        alias: of the agent.
        keywords: what it was given; a page shows only those that are known to be harmless.
        began: when, in UTC.
        since: the same moment of the clock that the other times are read from, in seconds.
        prompt: the conversation; None if it never came.
        parts: everything that came, each with the seconds since the beginning.
        message: what it all made; None if that did not come to be.
        error: how it ended, if it failed.
        seconds: how long it took; None as long as it goes on.

    Example:
        >>> call = LoggedCall("OPENAI_AGENT", {"model": "m-1", "api_key": "sk-1"})
        >>> call.secrets
        ('sk-1',)
    """

    alias: str
    keywords: Mapping[str, object]
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    since: float = field(default_factory=time.monotonic)
    prompt: Messages[Message] | None = None
    parts: list[tuple[float, Part]] = field(default_factory=list[tuple[float, Part]])
    message: Message | None = None
    error: Exception | None = None
    seconds: float | None = None

    async def passing(
        self, promise: MessagePromise[Message], metadata: MutableMapping[str, object]
    ) -> AsyncGenerator[Part]:
        """Pass on what a message streams, and note it.

        Args:
            promise: of the message.
            metadata: gets the data of the message.

        Yields:
            Its parts.

        Raises:
            Exception: the error of the message.
        """
        try:
            async with aclosing(aiter(promise.parts)) as parts:
                async for part in parts:
                    self.parts.append((time.monotonic() - self.since, part))
                    yield part
            message = await promise
            metadata.update(
                {
                    name: value
                    for name, value in message
                    if value is not None and name not in {"text", "parts"}
                }
            )
            self.message = message
        except Exception as error:
            self.error = error
            raise

    def end(self) -> None:
        """Note the time."""
        self.seconds = time.monotonic() - self.since

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no page may show: keys that the call was given, and those of the environment."""
        client = self.keywords.get("client")
        given = [value for name, value in self.keywords.items() if is_secret_name(name)]
        given += [getattr(client, name, None) for name in ("api_key", "auth_token")]
        given += [value for name, value in os.environ.items() if is_secret_name(name)]
        shown = (each.get_secret_value() if isinstance(each, SecretStr) else each for each in given)
        return tuple(each for each in shown if isinstance(each, str) and each.strip())
