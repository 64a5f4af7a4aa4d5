"""Runs that continue after their process has ended: the stored request of a run, and the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, NoReturn, Protocol, cast

from miniagents.messages import Message

from ._durable import RunJournal
from ._message_records import Json, Registry

__all__ = ["RunRequest", "RunStore", "UnfinishedRun"]

_REGISTRY: Final = Registry()
_NO_KEYWORDS: Final[Mapping[str, object]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The request of a run: enough to begin the run again in another process.

    Attributes:
        agent: the name of the agent.
        version: of the agents.
        messages: that are sent to the agent. Messages of your own classes are read as plain messages.
        keywords: of the agent: JSON data, messages, dates and the like.
        owner: the user who may read and stop the run.
        topic: what the run belongs to, such as the id of a chat.

    Example:
        >>> from miniagents.messages import UserMessage
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
        """Return the request as JSON.

        Raises:
            TypeError: a value in it is of a type that cannot be kept.
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
        """Convert JSON back to the request from which `to_json` made it.

        Args:
            text: of a store.

        Raises:
            ValueError: it is not the JSON of a request.
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
                values = tuple(map(_REGISTRY.value_of, messages))
                given = _REGISTRY.value_of(keywords)
                if not isinstance(given, Mapping):
                    _refuse()
                known = tuple(each for each in values if isinstance(each, Message))
                if len(known) < len(values):
                    _refuse()
                return cls(agent, version, known, cast("Mapping[str, object]", given), owner, topic)
            case _:
                return _refuse()


def _refuse() -> NoReturn:
    raise ValueError("it is not the request of a run")


@dataclass(frozen=True, slots=True)
class UnfinishedRun:
    """A run that has begun and not ended.

    Attributes:
        run: its id.
        request: the JSON of `RunRequest.to_json`.
        attempts: how many processes have worked on it, including this one. A process that handed it over
            with `leave_run` does not count.

    Example:
        >>> UnfinishedRun("7", "{}", 2).attempts
        2
    """

    run: str
    request: str
    attempts: int


class RunStore(RunJournal, Protocol):
    """A journal that also knows which runs are unfinished: for `miniagents.ext.web.Runs`.

    Only one process at a time works on a run: `hold` and `unfinished_runs` see to that. A store that several
    processes use needs a lease for this, which expires when the process that has it is gone.

    Example:
        >>> from miniagents.ext.journal import Journal
        >>> def of_one_file(path: str) -> RunStore:
        ...     return Journal(path)
    """

    async def begin_run(self, run: str, request: str, /) -> None:
        """Keep the request of a new run. It is stored safely when this returns.

        Args:
            run: its id.
            request: the JSON of `RunRequest.to_json`.
        """
        ...

    async def unfinished_runs(self) -> list[UnfinishedRun]:
        """Take over the runs on which no server works any more; the attempts of each increase by one."""
        ...

    async def leave_run(self, run: str, /) -> None:
        """Hand a run over to the next process; the work of this process does not count as an attempt.

        Args:
            run: its id.
        """
        ...

    async def end_run(self, run: str, /) -> None:
        """Forget a run that has ended, and its calls, which are not needed any more.

        Args:
            run: its id.
        """
        ...
