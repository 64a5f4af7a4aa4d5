"""Runs that outlive their process: what is kept of one until it has ended, and what keeps it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, cast

from miniagents.core import Message

from ._durable import RunJournal
from ._message_records import Json, Registry

__all__ = ["RunRequest", "RunStore", "UnfinishedRun"]

_REGISTRY: Final = Registry()
_NO_KEYWORDS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What a run is asked: enough to begin it again in another process.

    Attributes:
        agent: the name of who is asked.
        version: of the agents.
        messages: what is asked. Those of classes that are not the library's come back as plain messages.
        keywords: of the agent; data that JSON has words for, messages, dates and the like.
        owner: whose run it is.
        topic: what it belongs to, the id of a chat for example.

    Example:
        >>> from miniagents.core import UserMessage
        >>> request = RunRequest("poet", "1", (UserMessage("Hi"),), {"lines": 4}, owner="ada")
        >>> RunRequest.from_json(request.to_json()) == request
        True
    """

    agent: str
    version: str
    messages: tuple[Message, ...]
    keywords: Mapping[str, object] = field(default_factory=lambda: _NO_KEYWORDS)
    owner: str = ""
    topic: str = ""

    def to_json(self) -> str:
        """Return it as a text.

        Raises:
            TypeError: something in it is of a type that cannot be kept.
        """
        data: dict[str, Json] = {
            "agent": self.agent,
            "version": self.version,
            "messages": [_REGISTRY.data_of(each) for each in self.messages],
            "keywords": _REGISTRY.data_of(self.keywords),
            "owner": self.owner,
            "topic": self.topic,
        }
        return json.dumps(data, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "RunRequest":
        """Return the request whose `to_json` this is.

        Args:
            text: of a store.

        Raises:
            ValueError: it is none.
        """
        match cast("Json", json.loads(text)):
            case {
                "agent": str(agent),
                "version": str(version),
                "messages": list(messages),
                "keywords": dict(keywords),
                "owner": str(owner),
                "topic": str(topic),
            }:
                asked = tuple(map(_REGISTRY.value_of, messages))
                given = _REGISTRY.value_of(keywords)
                if not isinstance(given, Mapping):
                    _refuse()
                known = tuple(each for each in asked if isinstance(each, Message))
                if len(known) < len(asked):
                    _refuse()
                return cls(agent, version, known, cast("Mapping[str, object]", given), owner, topic)
            case _:
                return _refuse()


def _refuse() -> NoReturn:
    raise ValueError("it is no request of a run")


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that has been begun, and has not ended.

    Attributes:
        run: its id.
        request: what was asked, of `RunRequest.to_json`.
        attempts: how many processes have begun it, this one included; but for those that left it in order.

    Example:
        >>> UnfinishedRun("7", "{}", 2).attempts
        2
    """

    run: str
    request: str
    attempts: int


class RunStore(RunJournal, Protocol):
    """A journal that also knows which runs are to go on: what `miniagents.ext.web.Runs` is given.

    A run is somebody's: `hold` and `unfinished_runs` see to it that one process at a time works on it. Where
    many processes use one store, that takes a lease, which is over when its holder is dead.

    Example:
        >>> from miniagents.ext.journal import Journal
        >>> def of_one_file(path: str) -> RunStore:
        ...     return Journal(path)
    """

    async def begin_run(self, run: str, request: str, /) -> None:
        """Keep what a new run is asked; it is safe when this returns.

        Args:
            run: its id.
            request: of `RunRequest.to_json`.
        """
        ...

    async def unfinished_runs(self) -> list[UnfinishedRun]:
        """Take over the runs on which no server works any more; each of them counts one attempt more."""
        ...

    async def leave_run(self, run: str, /) -> None:
        """Leave a run to the next process, in order: that it was begun here counts as no attempt.

        Args:
            run: its id.
        """
        ...

    async def end_run(self, run: str, /) -> None:
        """Forget a run that has ended, and its calls, which nobody is going to ask for again.

        Args:
            run: its id.
        """
        ...
