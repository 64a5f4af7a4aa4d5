"""Any agent as a tool: the arguments become a message, and the replies become the result."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from miniagents.agents import MiniAgent
from miniagents.messages import AssistantMessage, Message, ToolMessage, UserMessage
from miniagents.values import AgentPart, ResultContent, freeze

from ._errors import SchemaError, ToolArgumentsError
from ._parameters import json_object, json_schema, sentence_of
from ._partials import key_of
from ._tool import ToolSpec, result_of_messages


@dataclass(frozen=True, slots=True)
class AgentTool:
    """An agent that a model may call.

    Attributes:
        agent: is inquired once for each call.
        takes: the class of message that the arguments become.
        spec: the description that the model gets.
        timeout: None: an agent has no timeout of its own.

    Example:
        >>> from miniagents.testing import scripted_model
        >>> AgentTool.of(scripted_model("Hi", alias="POLITE")).spec.name
        'POLITE'
    """

    agent: MiniAgent[Message, Message, ...]
    takes: type[Message]
    spec: ToolSpec
    timeout: float | None = None

    @classmethod
    def of(cls, agent: MiniAgent[Message, Message, ...]) -> "AgentTool":
        """Make an agent a tool.

        Args:
            agent: its alias becomes the name, and its description the description. The schema has the fields
                that its class of messages declares itself; if there are none, one text.

        Raises:
            SchemaError: the alias is not a name that providers accept, or the agent takes messages of
                several classes.
            TypeError: a keyword of the agent has no value, and a model cannot give it one.
        """
        takes = _taken(agent)
        schema = _schema(takes)
        spec = ToolSpec(agent.alias, agent.description, cast("Mapping[str, object]", freeze(schema)))
        # The model gets its errors as errors, even if the context turns errors into messages.
        return cls(agent.as_operand(strict=True), takes, spec)

    async def run(self, arguments: str, /) -> AsyncGenerator[AgentPart | ResultContent]:
        """Inquire the agent.

        Args:
            arguments: the JSON of a message.

        Yields:
            The parts that it streams, each with the aliases of the agents that it came through; then the
            result: the text of all replies, without the turns in which the agent called tools itself, and
            their images and files.

        Raises:
            ToolArgumentsError: the arguments do not fit the message that the agent takes.
            Exception: any error that the agent raises.
        """
        replies = self.agent.inquire(self._message(arguments))
        try:
            async with aclosing(aiter(replies.parts)) as parts:
                async for part in parts:
                    if isinstance(part, AgentPart):
                        yield AgentPart((self.agent.alias, *part.agents), part.part)
                    else:
                        yield AgentPart((self.agent.alias,), part)
            yield result_of_messages(each for each in await replies if not _is_on_the_way(each))
        finally:
            # In any case the agent stops at once, even if an error still has a reference to its replies.
            replies.cancel()

    def check(self, arguments: str, /) -> None:
        """Check that arguments fit the message that the agent takes.

        Args:
            arguments: the JSON of a message.

        Raises:
            ToolArgumentsError: they do not fit.
        """
        self._message(arguments)

    def _message(self, arguments: str) -> Message:
        given = json_object(arguments)
        try:
            # A message takes any data, and some of it has a meaning (`role`), which the model must not set.
            for name in (
                given.keys() - cast("Mapping[str, object]", self.spec.parameters["properties"]).keys()
            ):
                raise ToolArgumentsError(f"{name}: Extra inputs are not permitted")
            message = self.takes.model_validate_json(arguments if arguments.strip() else "{}")
        except ValidationError as error:
            raise ToolArgumentsError(sentence_of(error)) from error
        if not _own_fields(self.takes) and not message.text:
            raise ToolArgumentsError("text: Field required")
        return message


def _taken(agent: MiniAgent[Message, Message, ...]) -> type[Message]:
    """The class of messages that the arguments become."""
    takes = (Message,) if agent.takes is None else agent.takes
    if len(takes) != 1:
        names = " or ".join(each.__name__ for each in takes) or "no messages"
        raise SchemaError(
            f"The agent {agent.alias} takes {names}, but the arguments of a tool have one schema; "
            "give an agent that takes messages of one class."
        )
    return takes[0]


def _own_fields(message_class: type[Message]) -> list[str]:
    """Return the fields that a class of messages declares in addition to those of `UserMessage`."""
    known = UserMessage.__pydantic_fields__
    return [name for name in message_class.__pydantic_fields__ if name not in known]


def _schema(message_class: type[Message]) -> dict[str, object]:
    own = _own_fields(message_class)
    if not own:
        return {
            "type": "object",
            "properties": {"text": {"type": "string", "description": "What to say to it."}},
            "required": ["text"],
            "additionalProperties": False,
        }
    schema = json_schema(message_class)
    if "$ref" in schema:  # a class that contains itself: its definition is the root as well
        definitions = cast("Mapping[str, Mapping[str, object]]", schema["$defs"])
        schema |= definitions[str(schema.pop("$ref")).removeprefix("#/$defs/")]
    fields = message_class.__pydantic_fields__.items()
    others = {key_of(name, info) for name, info in fields if name not in own}  # which a model does not set
    properties = cast("Mapping[str, object]", schema["properties"])
    required = cast("list[str]", schema.get("required", []))
    schema |= {
        "properties": {key: each for key, each in properties.items() if key not in others},
        "required": [key for key in required if key not in others],
        "additionalProperties": False,
    }
    schema.pop("description", None)
    return schema


def _is_on_the_way(message: Message) -> bool:
    return isinstance(message, ToolMessage) or (
        isinstance(message, AssistantMessage) and bool(message.tool_calls)
    )
