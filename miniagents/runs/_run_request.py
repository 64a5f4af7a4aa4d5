"""The request of a run, which begins the log of the run."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, cast

from miniagents.messages import Message
from miniagents.values import FrozenMapping, is_secret_name

from ._message_records import Json, Registry

_REGISTRY: Final = Registry()


@dataclass(frozen=True, slots=True)
class RunRequest:
    """The request of a run: enough to begin the run again in another process.

    Attributes:
        agent: the name of the agent.
        messages: that are sent to the agent. Messages of your own classes are read as plain messages.
        keywords: of the agent: JSON data, messages, dates and the like.

    Example:
        >>> from miniagents.messages import UserMessage
        >>> request = RunRequest("poet", (UserMessage("Hi"),), {"lines": 4})
        >>> RunRequest.of_data(request.as_data()) == request
        True
    """

    agent: str
    messages: tuple[Message, ...]
    keywords: Mapping[str, object] = FrozenMapping()

    def as_data(self) -> Json:
        """Return the request as data for JSON.

        Raises:
            TypeError: a value in it is of a type that cannot be kept, or named like a key.
        """
        for name in filter(is_secret_name, self.keywords):
            raise TypeError(
                f"{name}= would be written to the journal with the run; give the agent its keys before."
            )
        messages = [_REGISTRY.data_of(each) for each in self.messages]
        try:
            keywords = _REGISTRY.data_of(self.keywords)
        except TypeError as error:
            names = ", ".join(self.keywords)
            raise TypeError(f"the keywords ({names}) cannot be kept with the run: {error}") from None
        return {"agent": self.agent, "messages": messages, "keywords": keywords}

    @classmethod
    def of_data(cls, data: Json) -> "RunRequest":
        """Convert data back to the request from which `as_data` made it.

        Args:
            data: of a log.

        Raises:
            ValueError: it is not the data of a request.
        """
        match data:
            case {"agent": str(agent), "messages": list(messages), "keywords": dict(keywords)}:
                values = tuple(map(_REGISTRY.value_of, messages))
                given = _REGISTRY.value_of(keywords)
                known = tuple(each for each in values if isinstance(each, Message))
                if isinstance(given, Mapping) and len(known) == len(values):
                    return cls(agent, known, cast("Mapping[str, object]", given))
            case _:
                pass
        raise ValueError("it is not the request of a run")
