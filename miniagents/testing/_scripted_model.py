"""`scripted_model`: a language model that says what it is told to."""

from collections import deque
from dataclasses import dataclass

from miniagents.agents import InteractionContext
from miniagents.core import AssistantMessage, Message, Messages
from miniagents.models import ModelAgent, model_agent
from miniagents.values import FrozenMapping, MiniAgentsError

from ._answers import Answer, Script


class ScriptEndedError(MiniAgentsError):
    """A scripted model was asked more often than it has answers.

    Example:
        >>> from miniagents import MiniAgents
        >>> model = scripted_model("Hello!")
        >>> async def main():
        ...     await model.inquire("Hi")
        ...     await model.inquire("Are you there?")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...ScriptEndedError: The scripted model was asked for answer 2 and has 1; give it more ...
    """


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """What a scripted model was asked.

    Attributes:
        messages: the whole conversation.
        keywords: `model`, `temperature`, `system` and all others it was given, by `fork` or by `inquire`.

    Example:
        >>> from miniagents import MiniAgents
        >>> scripted = ScriptedModel("Hello!")
        >>> async def main():
        ...     await scripted.agent.fork(model="m-1").inquire("Hi")
        >>> MiniAgents().run(main())
        >>> (request,) = scripted.requests
        >>> str(request.messages), request.keywords["model"]
        ('Hi', 'm-1')
    """

    messages: Messages
    keywords: FrozenMapping[str, object]


class ScriptedModel:
    """A language model without a network, and a look at what it was asked.

    Args:
        *answers: in the order of the requests. A text is streamed word by word; a sequence of texts is the
            tokens themselves; an exception is raised, also in the middle of a sequence; a function of the
            conversation gives any of these; an `AssistantMessage` brings data of its own.
        then: the answer to every further request; without it they fail with `ScriptEndedError`.
        alias: how the agent is called in errors and records.

    Attributes:
        agent: an ordinary agent; it takes any keywords, since it stands in for agents of any provider.

    Example:
        >>> from miniagents import MiniAgents
        >>> scripted = ScriptedModel("Hello!", ["Good", "bye."])
        >>> async def main():
        ...     print(await scripted.agent.inquire("Hi", temperature=0.5))
        ...     print(scripted.requests[0].messages, scripted.requests[0].keywords["temperature"])
        ...     print([token async for reply in scripted.agent.inquire("Bye") async for token in reply])
        >>> MiniAgents().run(main())
        Hello!
        Hi 0.5
        ['Good', 'bye.']
    """

    __slots__ = ("_answers", "_requests", "_then", "agent")

    agent: ModelAgent[...]

    def __init__(self, *answers: Answer, then: Answer | None = None, alias: str = "SCRIPTED_MODEL") -> None:
        self._answers = deque(answers)
        self._then = then
        self._requests: list[ModelRequest] = []
        self.agent = model_agent(alias=alias, description="Says what it is told to.")(self._answer)

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """What it was asked so far, in the order in which the conversations were complete."""
        return tuple(self._requests)

    @property
    def answers_left(self) -> int:
        """How many answers nobody has asked for yet; a test may want it to be 0 at its end."""
        return len(self._answers)

    async def _answer(
        self, ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object
    ) -> None:
        request = ModelRequest(await ctx.messages, FrozenMapping(keywords))
        self._requests.append(request)
        ctx.reply(Script.of(self._next(), request.messages).promise(str(keywords.get("model", "scripted"))))

    def _next(self) -> Answer:
        if self._answers:
            return self._answers.popleft()
        if self._then is None:
            msg = (
                f"The scripted model was asked for answer {len(self._requests)} and has "
                f"{len(self._requests) - 1}; give it more answers, or one for all further requests: then=..."
            )
            raise ScriptEndedError(msg)
        return self._then


def scripted_model(
    *answers: Answer, then: Answer | None = None, alias: str = "SCRIPTED_MODEL"
) -> ModelAgent[...]:
    """Make an agent that gives these answers; the `agent` of a :class:`ScriptedModel`, which can do more.

    Args:
        *answers: in the order of the requests: texts, tokens, exceptions, messages, functions of the dialog.
        then: the answer to every further request; without it they fail with `ScriptEndedError`.
        alias: how the agent is called in errors and records.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     print(await scripted_model("Hello!").inquire("Hi"))
        >>> MiniAgents().run(main())
        Hello!
    """
    return ScriptedModel(*answers, then=then, alias=alias).agent
