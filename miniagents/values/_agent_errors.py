"""The errors of agents and their compositions: which one, why, and what had come."""

from typing_extensions import override

from ._errors import MiniAgentsError
from ._partial_text import partial_text as partial_text_of, set_partial_text


class AgentTimeoutError(MiniAgentsError, TimeoutError):
    """An agent was stopped because a limit of ``agent.timeout(...)`` was up.

    Args:
        message: the sentence.
        agent: the alias of the agent that was too slow.
        limit: which limit: ``"first_token"``, ``"stall"`` or ``"total"``.
        seconds: that limit.
        elapsed: seconds from the inquiry to the error.
        tokens: how many tokens had come, of all its messages.
        partial_text: the text that had come of the message it was writing.

    Example:
        >>> error = AgentTimeoutError("too slow", agent="A", limit="stall", seconds=5.0, partial_text="Hel")
        >>> error.agent, error.limit, error.seconds, error.partial_text
        ('A', 'stall', 5.0, 'Hel')
    """

    agent: str
    limit: str
    seconds: float
    elapsed: float
    tokens: int

    def __init__(
        self,
        message: str = "",
        *,
        agent: str = "",
        limit: str = "",
        seconds: float = 0.0,
        elapsed: float = 0.0,
        tokens: int = 0,
        partial_text: str = "",
    ) -> None:
        super().__init__(message)
        self.agent = agent
        self.limit = limit
        self.seconds = seconds
        self.elapsed = elapsed
        self.tokens = tokens
        set_partial_text(self, partial_text)

    @property
    def partial_text(self) -> str:
        """The text that had come of the message it was writing."""
        return partial_text_of(self)

    @override
    def __str__(self) -> str:
        return super().__str__() or "an agent took too long"


class AgentFieldError(MiniAgentsError, ValueError):
    """A field of an agent of a class was given a value that does not fit.

    The text names the agent, the fields and their values, these shortened and never a secret.

    Args:
        text: what is wrong.
        agent_alias: whose fields they are.

    Example:
        >>> from miniagents import BaseAgent
        >>> class Translator(BaseAgent):
        ...     language: str
        ...     async def run(self, ctx): ...
        >>> Translator(language="German").fork(language=5)
        Traceback (most recent call last):
            ...
        miniagents...AgentFieldError: Agent TRANSLATOR ... language: Input should be a valid string (got 5)
    """

    def __init__(self, text: str, agent_alias: str) -> None:
        super().__init__(text, agent_alias)
        self.agent_alias: str = agent_alias

    @override
    def __str__(self) -> str:
        return str(self.args[0])


class UnroutedMessageError(MiniAgentsError, TypeError):
    """A message came to a ``route()`` that has no case for its class, and no ``otherwise``.

    Args:
        message: the sentence.
        message_class: the name of the class of the message.
        cases: the names of the classes that there are cases for.

    Example:
        >>> error = UnroutedMessageError("no case", message_class="Bug", cases=("Question",))
        >>> error.message_class, error.cases
        ('Bug', ('Question',))
    """

    message_class: str
    cases: tuple[str, ...]

    def __init__(self, message: str = "", *, message_class: str = "", cases: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message_class = message_class
        self.cases = cases

    @override
    def __str__(self) -> str:
        return super().__str__() or "a message has a class that no case is for"
