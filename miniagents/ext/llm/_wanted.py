"""What is wanted beside a text: tools that may be called, the one that must be, a schema of the answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

from miniagents.models import AnswerSchema, SchemaError, ToolDefinitionError, ToolSpec

__all__ = ["NOTHING_WANTED", "Wanted", "beside"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a request asks for, checked before anything is sent.

    Attributes:
        tools: what the model may call, each of another name.
        tool: the name of the one that it must call; None if it may choose.
        answer: what the answer is to be like; None if it is a text.

    Example:
        >>> now = ToolSpec("now", "Tells the time.", {"type": "object"})
        >>> Wanted.of([now], "now", None).tool
        'now'
    """

    tools: tuple[ToolSpec, ...] = ()
    tool: str | None = None
    answer: AnswerSchema | None = None

    @property
    def has_schemas(self) -> bool:
        """Whether there is a schema that a provider could refuse."""
        return bool(self.tools) or self.answer is not None

    @classmethod
    def of(cls, tools: Iterable[ToolSpec], tool: str | None, answer: AnswerSchema | None) -> "Wanted":
        """Check the keywords of an agent.

        Args:
            tools: its `tools`.
            tool: its `tool_choice`.
            answer: its `answer_schema`.

        Raises:
            ToolDefinitionError: something is no tool, two have one name, or the one that must be called is
                not among them.
            SchemaError: the schema is none.

        Example:
            >>> try:
            ...     Wanted.of([], "now", None)
            ... except ToolDefinitionError as error:
            ...     print(error)
            tool_choice='now' is none of the tools, and there are none; give its name.
        """
        specs = tuple(tools)
        names: list[str] = []
        for given in cast("tuple[object, ...]", specs):  # nobody checks types at run time
            if not isinstance(given, ToolSpec):
                raise ToolDefinitionError(
                    f"tools= takes ToolSpecs, and this is a {type(given).__name__}; "
                    "give functions and agents to with_tools(...), which also calls them."
                )
            if given.name in names:
                raise ToolDefinitionError(
                    f"Two tools are called {given.name!r}, and a model could not tell them apart; "
                    "give one of them another name."
                )
            names.append(given.name)
        if tool is not None and tool not in names:
            known = f"they are: {', '.join(names)}" if names else "there are none"
            raise ToolDefinitionError(
                f"tool_choice={tool!r} is none of the tools, and {known}; give its name."
            )
        schema = cast("object", answer)
        if not isinstance(schema, AnswerSchema | None):
            raise SchemaError(
                f"answer_schema is a {type(schema).__name__}; give AnswerSchema.of(...), or use as_type(...)."
            )
        return cls(specs, tool, answer)


NOTHING_WANTED: Final = Wanted()
"""A text."""


def beside(given: object, **ours: object) -> object:
    """Put fields of ours into a field of the request to which the user may have added others.

    Args:
        given: what the user said; None for nothing.
        **ours: fields; one of None is none.

    Returns:
        Both together, None if there is nothing; what is no mapping stays as the user gave it.

    Example:
        >>> beside({"verbosity": "low"}, format="json"), beside(None, format=None)
        ({'verbosity': 'low', 'format': 'json'}, None)
    """
    wanted = {name: value for name, value in ours.items() if value is not None}
    if not wanted or not isinstance(given, Mapping | None):
        return given
    return {**cast("Mapping[str, object]", given or {}), **wanted}
