"""The keywords of the agents of all providers, which are checked before anything is sent.

`ModelOptions` has the keywords that the agents of all providers take, and describes them. The signature of
each agent repeats them for type checkers; a test compares the two.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from math import isfinite
from typing import Final, Literal, cast

from pydantic import SecretStr

from miniagents.models import AnswerSchema, SchemaError, ServerTool, ToolSpec
from miniagents.values import LLMConfigError

from ._json import look, plain
from ._timeouts import Timeouts

_HIGHEST_TEMPERATURE: Final = 2
_OF_THE_SDK: Final = frozenset({"extra_headers", "extra_query", "extra_body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """The keywords that the agents of all providers take.

    The page "Models and servers" has their defaults and details.

    Attributes:
        model, system, temperature, max_tokens: of the answer.
        stream: False: the answer comes as a whole.
        client, api_key, base_url: of the server.
        first_token_timeout, stall_timeout, total_timeout: seconds; None for no limit.
        max_retries, refusal_is_error: how often; whether it is raised.
        tools, tool_choice, answer_schema: set by `with_tools` and `as_type`.
        cache_prompt, extra: caching; other fields of the request.

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
    cache_prompt: Literal["auto"] | None = None
    extra: Mapping[str, object] | None = None

    @property
    def timeouts(self) -> Timeouts:
        """The three timeouts."""
        return Timeouts(self.first_token_timeout, self.stall_timeout, self.total_timeout)

    @property
    def wanted(self) -> "Wanted":
        """The tools and the schema of the answer, checked."""
        if not self.tools and self.tool_choice is None and self.answer_schema is None:
            return NOTHING_WANTED
        return Wanted.of(self.tools, self.tool_choice, self.answer_schema)

    def check(self) -> None:
        """Refuse numbers that no provider accepts, and what is no number or no text where one is needed.

        Raises:
            LLMConfigError: a keyword is of another type, or out of range; the text names it.
        """
        for name in ("model", "system", "api_key", "base_url"):
            text: object = getattr(self, name)
            if text is not None and not isinstance(text, str | SecretStr):  # a key is not shown
                raise LLMConfigError(f"{name} is of type {type(text).__name__}; give a text")
        if self.extra is not None and not isinstance(cast("object", self.extra), Mapping):
            raise LLMConfigError(f"extra={self.extra!r} is not a mapping; give fields by name")
        for name in ("max_tokens", "temperature", "max_retries"):
            number: object = getattr(self, name)
            kind = int | float if name == "temperature" else int
            if number is not None and (isinstance(number, bool) or not isinstance(number, kind)):
                what = "a number" if name == "temperature" else "an integer"
                raise LLMConfigError(f"{name}={number!r} is not {what}")
        if self.max_tokens is not None and self.max_tokens < 1:
            raise LLMConfigError(f"max_tokens={self.max_tokens} leaves no room for an answer; give 1 or more")
        heat = self.temperature
        if heat is not None and not (isfinite(heat) and 0 <= heat <= _HIGHEST_TEMPERATURE):
            raise LLMConfigError(f"temperature={heat} is out of range; give a number from 0 to 2")
        if self.max_retries is not None and self.max_retries < 0:
            raise LLMConfigError(f"max_retries={self.max_retries} is negative; give 0 or more")


def options_of(given: Mapping[str, object]) -> ModelOptions:
    """Return the options among the parameters of the function of an agent.

    Args:
        given: ``locals()`` at the beginning of the function; a test compares its parameters with the options.
    """
    known = {each.name for each in fields(ModelOptions)}
    make = cast("Callable[..., ModelOptions]", ModelOptions)
    return make(**{name: value for name, value in given.items() if name in known})


@dataclass(frozen=True, slots=True)
class Extras:
    """The fields, headers and query parameters that a user adds to a request.

    Attributes:
        body: additional fields.
        headers: additional headers.
        query: additional query parameters.

    Example:
        >>> Extras.of({"seed": 7, "extra_headers": {"X-Team": "owls"}}, reserved={})
        Extras(body={'seed': 7}, headers={'X-Team': 'owls'}, query={})
    """

    body: dict[str, object] = field(default_factory=dict[str, object])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    query: dict[str, object] = field(default_factory=dict[str, object])

    @classmethod
    def of(cls, extra: Mapping[str, object] | None, reserved: Mapping[str, str]) -> "Extras":
        """Divide the `extra` keyword of an agent into fields, headers and query parameters.

        `extra_headers`, `extra_query` and `extra_body` mean the same as in the SDK. Every other name is a
        field of the body, whether the SDK knows it or not.

        Args:
            extra: from the user.
            reserved: names that are refused, each with what to do instead.

        Raises:
            LLMConfigError: a name is reserved, or one of the three is not a mapping.
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


@dataclass(frozen=True, slots=True)
class Wanted:
    """The tools and the answer schema of a request, checked before anything is sent.

    Attributes:
        tools: the tools that the model may call, each with a different name.
        tool: the name of the tool that it must call; None if it may choose.
        answer: the schema of the answer; None for a text.

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
            SchemaError: something is not a `ToolSpec`, two tools have the same name, or the tool that
                must be called is not among them.
            SchemaError: the schema is not an `AnswerSchema`.

        Example:
            >>> try:
            ...     Wanted.of([], "now", None)
            ... except SchemaError as error:
            ...     print(error)
            tool_choice='now' is not the name of a tool; there are no tools.
        """
        specs = tuple(tools)
        names: list[str] = []
        for given in cast("tuple[object, ...]", specs):  # a caller without types may give anything
            if not isinstance(given, ToolSpec):
                raise SchemaError(
                    f"tools= takes ToolSpecs, but this is a {type(given).__name__}; "
                    "give functions and agents to with_tools(...), which also calls them."
                )
            if given.name in names:
                raise SchemaError(
                    f"Two tools are called {given.name!r}, and a model could not tell them apart; "
                    "give one of them another name."
                )
            names.append(given.name)
        if tool is not None and tool not in names:
            known = f"give one of: {', '.join(names)}" if names else "there are no tools"
            raise SchemaError(f"tool_choice={tool!r} is not the name of a tool; {known}.")
        schema = cast("object", answer)
        if not isinstance(schema, AnswerSchema | None):
            raise SchemaError(
                f"answer_schema is a {type(schema).__name__}; give AnswerSchema.of(...), or use as_type(...)."
            )
        return cls(specs, tool, answer)

    def told(self, tell: Callable[[ToolSpec], object], given: object, api: str) -> list[object] | None:
        """Return the tools in a request: those of this library, and those that the user adds to it.

        Args:
            tell: converts a tool to the form of the provider.
            given: the field ``tools`` of `extra`, in the form of the provider.
            api: in whose form are the tools that the provider runs.

        Returns:
            All of them; None if there are none.

        Raises:
            LLMConfigError: `given` is not a list, or two tools have one name.
        """
        if not isinstance(given, list | tuple | None):
            raise LLMConfigError(f"extra['tools'] is a {type(given).__name__}; give a list of tools")
        added = list(cast("Sequence[object]", given or ()))
        for each in added:
            name = look(each, "name") or look(each, "function", "name")
            if name in {spec.name for spec in self.tools}:
                raise LLMConfigError(
                    f"extra['tools'] has a tool called {name!r}, and so has the agent; give it another name"
                )
        told = [plain(tool.form(api)) if isinstance(tool, ServerTool) else tell(tool) for tool in self.tools]
        return [*told, *added] or None


NOTHING_WANTED: Final = Wanted()
"""A request for a text, without tools."""


def beside(given: object, **ours: object) -> object:
    """Add fields of this library to a field of the request for which the user may have given fields, too.

    Args:
        given: from the user; None for nothing.
        **ours: the fields of this library; a field that is None is not added.

    Returns:
        Both together; None if there are no fields. A value that is not a mapping is returned unchanged.

    Example:
        >>> beside({"verbosity": "low"}, format="json"), beside(None, format=None)
        ({'verbosity': 'low', 'format': 'json'}, None)
    """
    wanted = {name: value for name, value in ours.items() if value is not None}
    if not wanted or not isinstance(given, Mapping | None):
        return given
    return {**cast("Mapping[str, object]", given or {}), **wanted}
