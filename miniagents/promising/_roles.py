"""Messages that say who speaks.

For a type checker a subclass of ``Message`` takes its declared fields only. Those here that declare none say
that they take any further keyword as data, as ``Message`` does.
"""

from typing import TYPE_CHECKING, ClassVar

from ._message import Message


class UserMessage(Message):
    """What a user says.

    Example:
        >>> from miniagents import UserMessage
        >>> UserMessage("Hi").role
        'user'
    """

    role: ClassVar[str] = "user"

    if TYPE_CHECKING:

        def __init__(self, /, text: str | None = None, **fields: object) -> None: ...


class SystemMessage(Message):
    """Instructions for a model; each provider gets them where it wants them."""

    role: ClassVar[str] = "system"

    if TYPE_CHECKING:

        def __init__(self, /, text: str | None = None, **fields: object) -> None: ...


class AssistantMessage(Message):
    """What a model says."""

    role: ClassVar[str] = "assistant"

    if TYPE_CHECKING:

        def __init__(self, /, text: str | None = None, **fields: object) -> None: ...


class ErrorMessage(Message):
    """An error in the place where it would have been raised (``errors_as_messages``).

    Args:
        text: the type and the text of the error.
        error_type: the name of the exception's class.
        error_text: what the exception says.
        agent_alias: the agent that raised it, None if it came from outside of every agent.
    """

    role: ClassVar[str] = "error"
    error_type: str = ""
    error_text: str = ""
    agent_alias: str | None = None
