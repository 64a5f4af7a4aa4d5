"""The keywords of the agents on models: one type for all providers, checked before anything is sent.

`ModelOptions` has the keywords that every provider's agent takes, and describes them. An agent's own
signature spells them out for type checkers; a test compares the two.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Final, cast

from pydantic import SecretStr

from miniagents.models import AnswerSchema, SchemaError, ToolDefinitionError, ToolSpec
from miniagents.values import LLMConfigError

from ._timeouts import Timeouts

__all__ = ["NOTHING_WANTED", "Extras", "ModelOptions", "Wanted", "beside", "check_numbers"]

_HIGHEST_TEMPERATURE: Final = 2
_OF_THE_SDK: Final = frozenset({"extra_headers", "extra_query", "extra_body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """The keywords that the agents on models of all providers take.

    Attributes:
        model: which model; else the setting of the environment (`OPENAI_MODEL`, `ANTHROPIC_MODEL`).
        stream: whether the answer comes piece by piece; of a whole one only `total_timeout` is watched.
        max_tokens: the most tokens of the answer.
        temperature: from 0 to 2.
        system: the system text.
        client: a client of your own, of the provider's SDK, used as it is and never closed; it must belong to
            this event loop.
        api_key: else the setting of the environment (`OPENAI_API_KEY`, `ANTHROPIC_API_KEY`). Servers other
            than the provider's own may do without.
        base_url: where the server is; else the setting of the environment (`OPENAI_BASE_URL`,
            `ANTHROPIC_BASE_URL`), else the provider.
        first_token_timeout: seconds until the first piece of the answer, a thought included; None for no
            limit, as with the other two.
        stall_timeout: seconds between two pieces; comments, pings and empty events are no pieces.
        total_timeout: seconds for everything. Time in which readers hold the stream back is not counted.
        max_retries: how often to ask again while nothing has come; else as the client is made, else 2.
        refusal_is_error: whether an answer that the model refuses, or that a filter stops, is an error.
        tools: what the model may call; it asks for it in the `tool_calls` of its answer. `with_tools` gives
            them, and calls them.
        tool_choice: the name of the tool that the model must call.
        answer_schema: what the answer is to be like; `as_type` gives it, and checks the answer.
        extra: any further fields of the request (`seed`, `top_k`, `{"reasoning": {"effort": "high"}}`), also
            ones that the SDK does not know; one of None is not sent. `extra_headers` and `extra_query` go
            where their names say.

    Example:
        >>> ModelOptions(model="m-1", total_timeout=30).timeouts
        Timeouts(first_token=120.0, stall=60.0, total=30)
    """

    model: str | None = None
    stream: bool = True
    max_tokens: int | None = None
    temperature: float | None = None
    system: str | None = None
    client: object = None
    api_key: SecretStr | str | None = None
    base_url: str | None = None
    first_token_timeout: float | None = 120.0
    stall_timeout: float | None = 60.0
    total_timeout: float | None = 600.0
    max_retries: int | None = None
    refusal_is_error: bool = False
    tools: Sequence[ToolSpec] = ()
    tool_choice: str | None = None
    answer_schema: AnswerSchema | None = None
    extra: Mapping[str, object] | None = None

    @property
    def timeouts(self) -> Timeouts:
        """The three limits."""
        return Timeouts(self.first_token_timeout, self.stall_timeout, self.total_timeout)

    @property
    def wanted(self) -> "Wanted":
        """The tools, and the schema of the answer."""
        if not self.tools and self.tool_choice is None and self.answer_schema is None:
            return NOTHING_WANTED
        return Wanted.of(self.tools, self.tool_choice, self.answer_schema)

    def check(self) -> None:
        """Refuse numbers that no provider takes.

        Raises:
            LLMConfigError: naming the keyword.
        """
        check_numbers(self.max_tokens, self.temperature, self.max_retries)


@dataclass(frozen=True, slots=True)
class Extras:
    """What the user adds to a request.

    Attributes:
        body: further fields.
        headers: further headers.
        query: further query parameters.

    Example:
        >>> Extras.of({"seed": 7, "extra_headers": {"X-Team": "owls"}}, reserved={})
        Extras(body={'seed': 7}, headers={'X-Team': 'owls'}, query={})
    """

    body: dict[str, object] = field(default_factory=dict[str, object])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    query: dict[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def of(cls, extra: Mapping[str, object] | None, reserved: Mapping[str, str]) -> "Extras":
        """Sort the `extra` keyword of an agent.

        `extra_headers`, `extra_query` and `extra_body` are what they are for the SDK; every other name is a
        field of the body, whether the SDK knows it or not.

        Args:
            extra: what the user gave.
            reserved: names that belong elsewhere, each with where.

        Raises:
            LLMConfigError: if a name is reserved, or one of the three is no mapping.
        """
        if not extra:
            return cls()
        rest = dict(extra)
        query = _mapping(rest, "extra_query")
        headers = {name: str(value) for name, value in _mapping(rest, "extra_headers").items()}
        merged = {**rest, **_mapping(rest, "extra_body")}
        body = {name: value for name, value in merged.items() if name not in _OF_THE_SDK}
        for name in body:
            if name in reserved:
                raise LLMConfigError(f"{name!r} cannot be given through extra; {reserved[name]}")
        return cls(body, headers, query)


def _mapping(extra: Mapping[str, object], name: str) -> dict[str, object]:
    """Return the mapping under a name, empty if there is none."""
    value = extra.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise LLMConfigError(f"extra[{name!r}] is a {type(value).__name__}; give a mapping")
    return dict(cast("Mapping[str, object]", value))


def check_numbers(max_tokens: int | None, temperature: float | None, max_retries: int | None) -> None:
    """Refuse numbers that no provider takes; None is nothing to refuse.

    Args:
        max_tokens: how long an answer may become, in tokens.
        temperature: from 0 to 2.
        max_retries: how many times to ask again.

    Raises:
        LLMConfigError: naming the keyword.

    Example:
        >>> check_numbers(max_tokens=0, temperature=None, max_retries=None)
        Traceback (most recent call last):
            ...
        miniagents...LLMConfigError: max_tokens=0 leaves no room for an answer; give 1 or more
    """
    if max_tokens is not None and max_tokens < 1:
        raise LLMConfigError(f"max_tokens={max_tokens} leaves no room for an answer; give 1 or more")
    if temperature is not None and not (isfinite(temperature) and 0 <= temperature <= _HIGHEST_TEMPERATURE):
        raise LLMConfigError(f"temperature={temperature} is out of range; give a number from 0 to 2")
    if max_retries is not None and max_retries < 0:
        raise LLMConfigError(f"max_retries={max_retries} is no count; give 0 or more")


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
        for given in cast("tuple[object, ...]", specs):  # a caller without types may give anything
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
