"""A language model that streams the answers that a test gives it."""

import asyncio
import re
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from miniagents.agents import InteractionContext
from miniagents.messages import AssistantMessage, Message, MessagePromise, Messages
from miniagents.models import ModelAgent, model_agent
from miniagents.streams._readers import NEXT_TURN
from miniagents.values import FrozenMapping, MiniAgentsError, Part, check_seconds, parts_of_content

Tokens: TypeAlias = Sequence[Part | Exception]
Answer: TypeAlias = str | Tokens | AssistantMessage | Exception | Callable[[Messages], "Answer"]
"""An answer of a scripted model. It may be:

* a text, which is streamed word by word,
* a sequence of tokens and parts (`Reasoning`, `ToolCallDelta`, ...); an exception in it is raised at its
  place,
* a message; its text and parts are streamed, and it keeps its own data,
* an exception, which is raised,
* a function that takes the conversation and returns one of these.
"""

_WORD = re.compile(r"\S+\s*|\s+")


@dataclass(frozen=True, slots=True)
class ScriptedAnswer:
    """One answer, ready to be streamed.

    Attributes:
        pieces: tokens and parts; an exception is raised at its place, and ends the answer.
        message_class: the class of the message.
        metadata: its data.
    """

    pieces: tuple[Part | Exception, ...]
    message_class: type[AssistantMessage] = AssistantMessage
    metadata: Mapping[str, object] = FrozenMapping()

    @classmethod
    def of(cls, answer: Answer, messages: Messages) -> "ScriptedAnswer":
        """Make the pieces of an answer to a conversation."""
        while callable(answer):
            answer = answer(messages)
        if isinstance(answer, AssistantMessage):
            return cls(_pieces(answer), type(answer), FrozenMapping(_data(answer)))
        if isinstance(answer, Exception):
            return cls((answer,))
        return cls(words(answer) if isinstance(answer, str) else tuple(answer))

    def promise(self, model: str, delay: float) -> MessagePromise[AssistantMessage]:
        """Begin to stream.

        Args:
            model: the `model` of the message, unless the answer sets it.
            delay: seconds before each piece.

        Returns:
            The promise of the message. Each piece takes at least a turn of the event loop, as if it came from
            a network.
        """

        async def parts(metadata_so_far: MutableMapping[str, object]) -> AsyncGenerator[Part]:
            for piece in self.pieces:
                if delay:
                    await asyncio.sleep(delay)
                else:
                    await NEXT_TURN
                if isinstance(piece, Exception):
                    raise piece
                yield piece
            metadata_so_far.setdefault("finish_reason", "stop")

        return self.message_class.promise_of_parts(parts, **{"model": model, **self.metadata})


def _pieces(answer: AssistantMessage) -> tuple[Part, ...]:
    pieces: list[Part] = []
    for part in parts_of_content(answer.content if answer.parts else [str(answer)]):
        pieces += words(part) if isinstance(part, str) else (part,)
    return tuple(pieces) if answer.usage is None else (*pieces, answer.usage)


def _data(answer: AssistantMessage) -> dict[str, object]:
    # Fields that the answer does not set are set while it streams.
    streamed = {"text", "parts", "usage"}
    return {name: value for name, value in answer if value is not None and name not in streamed}


def words(text: str) -> tuple[str, ...]:
    r"""Cut a text into words, each with the white space after it; joined, they are the text."""
    return tuple(_WORD.findall(text))


class ScriptEndedError(MiniAgentsError):
    """A scripted model was called more often than it has answers.

    Example:
        >>> from miniagents import MiniAgents
        >>> model = scripted_model("Hello!")
        >>> async def main():
        ...     await model.inquire("Hi")
        ...     await model.inquire("Are you there?")
        >>> MiniAgents().run(main())
        Traceback (most recent call last):
            ...
        miniagents...ScriptEndedError: The scripted model was asked for answer 2 but has 1; give it more ...
    """


@dataclass(frozen=True, slots=True)
class ModelRequest:
    """The request of one call of a scripted model.

    Attributes:
        messages: the whole conversation.
        keywords: `model`, `temperature`, `system` and all other keywords of `fork` and `inquire`.

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
    """A language model without a network that records its requests.

    Args:
        *answers: in the order of the requests. A text is streamed word by word. A sequence contains the
            tokens themselves. An exception is raised, also in the middle of a sequence. A function takes the
            conversation, and returns any of these. An `AssistantMessage` keeps its own data.
        then: the answer to all further requests; without it they fail with `ScriptEndedError`.
        alias: the name of the agent in errors and records.
        delay: seconds before each piece of an answer. It costs no time in virtual time.

    Attributes:
        agent: the model as an agent; it takes any keywords, since it replaces agents of all providers.

    Raises:
        ValueError: `delay` is negative or NaN.
        TypeError: `delay` is not a number.

    Example:
        >>> from miniagents import MiniAgents
        >>> scripted = ScriptedModel("Hello!")
        >>> async def main():
        ...     print(await scripted.agent.inquire("Hi", temperature=0.5))
        ...     print(scripted.requests[0].messages, scripted.requests[0].keywords["temperature"])
        >>> MiniAgents().run(main())
        Hello!
        Hi 0.5
    """

    agent: ModelAgent[...]

    def __init__(
        self, *answers: Answer, then: Answer | None = None, alias: str = "SCRIPTED_MODEL", delay: float = 0.0
    ) -> None:
        check_seconds("scripted_model", "delay", delay)
        self._answers = deque(answers)
        self._delay = delay
        self._then = then
        self._requests: list[ModelRequest] = []
        self.agent = model_agent(
            alias=alias, description="Says what it is told to.", continues=True, server_tools="messages"
        )(self._answer)

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """The requests so far, in the order in which their conversations were complete."""
        return tuple(self._requests)

    @property
    def answers_left(self) -> int:
        """How many answers were not used yet; at the end of a test it should often be 0."""
        return len(self._answers)

    async def _answer(
        self, ctx: InteractionContext[Message, AssistantMessage], /, **keywords: object
    ) -> None:
        request = ModelRequest(await ctx.messages, FrozenMapping(keywords))
        self._requests.append(request)
        answer = ScriptedAnswer.of(self._next(), request.messages)
        ctx.reply(answer.promise(str(keywords.get("model", "scripted")), self._delay))

    def _next(self) -> Answer:
        if self._answers:
            return self._answers.popleft()
        if self._then is None:
            raise ScriptEndedError(
                f"The scripted model was asked for answer {len(self._requests)} but has "
                f"{len(self._requests) - 1}; give it more answers, or one for all further requests: then=..."
            )
        return self._then


def scripted_model(
    *answers: Answer, then: Answer | None = None, alias: str = "SCRIPTED_MODEL", delay: float = 0.0
) -> ModelAgent[...]:
    """Make a model that gives these answers; it is the `agent` of a :class:`ScriptedModel`.

    Args:
        *answers: in the order of the requests: texts, sequences of tokens, exceptions, messages, or functions
            of the conversation.
        then: the answer to all further requests; without it they fail with `ScriptEndedError`.
        alias: the name of the agent in errors and records.
        delay: seconds before each piece of an answer, such as each word of a text.

    Raises:
        ValueError: `delay` is negative or NaN.
        TypeError: `delay` is not a number.

    Example:
        >>> from miniagents import MiniAgents
        >>> async def main():
        ...     print(await scripted_model("Hello!").inquire("Hi"))
        >>> MiniAgents().run(main())
        Hello!
    """
    return ScriptedModel(*answers, then=then, alias=alias, delay=delay).agent


class ScriptedModels:
    """Makes models as :func:`scripted_model` does, and checks at the end that all answers were used.

    The fixture ``scripted_model`` is one.

    Example:
        >>> from miniagents import MiniAgents
        >>> from miniagents.testing import ScriptedModels
        >>> scripted_model = ScriptedModels()
        >>> model = scripted_model("Hello!", "Bye!")
        >>> async def main():
        ...     print(await model.inquire("Hi"), scripted_model.requests[0].messages)
        >>> MiniAgents().run(main())
        Hello! Hi
        >>> scripted_model.check()
        Traceback (most recent call last):
            ...
        AssertionError: SCRIPTED_MODEL was asked 1 time(s) and has 1 answer(s) left; ...
    """

    def __init__(self) -> None:
        self._models: list[ScriptedModel] = []

    def __call__(
        self, *answers: Answer, then: Answer | None = None, alias: str = "SCRIPTED_MODEL", delay: float = 0.0
    ) -> ModelAgent[...]:
        """Make a model.

        Args:
            *answers: in the order of the requests; see :class:`ScriptedModel`.
            then: the answer to all further requests; it need not be used.
            alias: the name of the agent in errors and records.
            delay: seconds before each piece of an answer.

        Raises:
            ValueError: `delay` is negative or NaN.
            TypeError: `delay` is not a number.
        """
        model = ScriptedModel(*answers, then=then, alias=alias, delay=delay)
        self._models.append(model)
        return model.agent

    @property
    def requests(self) -> tuple[ModelRequest, ...]:
        """The requests of its models, model by model, in the order in which these were made."""
        return tuple(request for model in self._models for request in model.requests)

    def check(self) -> None:
        """Check that all answers were used.

        Raises:
            AssertionError: a model has answers that were not used.
        """
        found = [
            f"{model.agent.alias} was asked {len(model.requests)} time(s) and has {model.answers_left} "
            "answer(s) left"
            for model in self._models
            if model.answers_left
        ]
        if found:
            raise AssertionError(
                f"{'; '.join(found)}; remove them if they are not needed, or find out why they were not used."
            )
