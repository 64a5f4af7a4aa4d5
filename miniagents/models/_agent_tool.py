"""Any agent as a tool: its arguments are a message, its result is what it replies."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import cast

from pydantic import ValidationError

from miniagents.agents import MiniAgent
from miniagents.core import AssistantMessage, Message, Messages, ToolMessage, UserMessage
from miniagents.values import AgentPart, freeze

from ._errors import ToolArgumentsError, ToolDefinitionError
from ._parameters import json_object, json_schema, sentence_of
from ._tool import ToolSpec

__all__ = ["AgentTool"]


@dataclass(frozen=True, slots=True)
class AgentTool:
    """An agent that a model may call.

    Attributes:
        agent: is inquired once for each call.
        takes: the class of message that the arguments become.
        spec: what the model is told.
        timeout: an agent does not say how long it may take.
    """

    agent: MiniAgent[Message, Message, ...]
    takes: type[Message]
    spec: ToolSpec
    timeout: float | None = None

    @classmethod
    def of(cls, agent: MiniAgent[Message, Message, ...]) -> "AgentTool":
        """Make a tool of an agent.

        Args:
            agent: its alias is the name, its description the description, the class of messages that it takes
                the schema: the fields that the class declares itself, or a text if there are none.

        Raises:
            ToolDefinitionError: no provider takes its alias as a name, or it takes messages of several
                classes.
            TypeError: it has a keyword without a value; a model cannot give it one.
        """
        takes = _taken(agent)
        schema = _schema(takes)
        spec = ToolSpec(agent.alias, agent.description, cast("Mapping[str, object]", freeze(schema)))
        # Its errors are told to the model as errors, also where errors become messages.
        return cls(agent.as_operand(strict=True), takes, spec)

    async def run(self, arguments: str, /) -> AsyncGenerator[AgentPart | str]:
        """Inquire the agent.

        Args:
            arguments: the JSON of a message.

        Yields:
            What it streams, with the aliases of the agents that it comes through; last, as a text, its
            result: all replies, without the turns in which it called tools itself.

        Raises:
            ToolArgumentsError: the arguments are not the message that it takes.
            Exception: whatever the agent raises.
        """
        replies = self.agent.inquire(self._message(arguments))
        try:
            async with aclosing(aiter(replies.parts)) as parts:
                async for part in parts:
                    if isinstance(part, AgentPart):
                        yield AgentPart((self.agent.alias, *part.agents), part.part)
                    else:
                        yield AgentPart((self.agent.alias,), part)
            yield str(Messages([each for each in await replies if not _is_on_the_way(each)]))
        finally:
            # Whatever ended this: the agent stops at once, also while an error still holds its replies.
            replies.cancel()

    def _message(self, arguments: str) -> Message:
        given = json_object(arguments)
        try:
            # A message takes any data, and some of it has a meaning (`role`): that is not the model's to say.
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
        raise ToolDefinitionError(
            f"The agent {agent.alias} takes {names}, and the arguments of a tool have one form; "
            "give an agent that takes messages of one class."
        )
    return takes[0]


def _own_fields(message_class: type[Message]) -> list[str]:
    """What a class of messages declares beyond a text and the parts of one."""
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
    properties = cast("Mapping[str, object]", schema["properties"])
    required = cast("list[str]", schema.get("required", []))
    schema |= {
        "properties": {name: properties[name] for name in own},
        "required": [name for name in required if name in own],
        "additionalProperties": False,
    }
    schema.pop("description", None)
    return schema


def _is_on_the_way(message: Message) -> bool:
    return isinstance(message, ToolMessage) or (
        isinstance(message, AssistantMessage) and bool(message.tool_calls)
    )
