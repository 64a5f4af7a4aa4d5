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
    """Instructions for a model; each provider gets them where it wants them.

    Example:
        >>> from miniagents import SystemMessage
        >>> SystemMessage("Answer in one sentence.").role
        'system'
    """

    role: ClassVar[str] = "system"

    if TYPE_CHECKING:

        def __init__(self, /, text: str | None = None, **fields: object) -> None: ...


class AssistantMessage(Message):
    """What a model says.

    Example:
        >>> from miniagents import AssistantMessage
        >>> answer = AssistantMessage("Hello!", model="m-1")
        >>> answer.role, answer.model
        ('assistant', 'm-1')
    """

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

    Example:
        >>> from miniagents import MiniAgents, miniagent
        >>> @miniagent
        ... async def oracle(ctx):
        ...     raise ValueError("the fumes are bad today")
        >>> async def main():
        ...     (message,) = await oracle.errors_as_messages().inquire()
        ...     print(message.error_type, "of", message.agent_alias, "|", message)
        >>> MiniAgents().run(main())
        ValueError of ORACLE | ValueError: the fumes are bad today
    """

    role: ClassVar[str] = "error"
    error_type: str = ""
    error_text: str = ""
    agent_alias: str | None = None
