"""A question as the providers get it, for tests of the requests that they make."""

from miniagents.ext.llm import Conversation, ModelOptions
from miniagents.ext.llm._options import Extras
from miniagents.ext.llm._question import Connection, Question

__all__ = ["question"]


def question(
    conversation: Conversation,
    options: ModelOptions | None = None,
    *,
    base_url: str = "http://localhost:1",
    **extra: object,
) -> Question:
    """A question to a server, with these fields in addition."""
    given = options or ModelOptions(stream=False)
    connection = Connection(None, base_url, 0, ())
    return Question(given, "m-1", connection, conversation, given.wanted, Extras(extra), given.timeouts)
