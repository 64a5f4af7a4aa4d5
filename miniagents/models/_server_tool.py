"""Tools that the provider of a model runs itself: a model gets them in the form of its provider."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from typing_extensions import override

from miniagents.values import freeze

from ._errors import SchemaError
from ._tool import ToolSpec

_ANY: Final = ""


@dataclass(frozen=True, slots=True)
class ServerTool(ToolSpec):
    """A tool that the provider runs; `parameters` has the form of each provider, by the name of its API.

    Example:
        >>> from miniagents.tools import server_tool
        >>> server_tool({"type": "web_search_20250305", "name": "web_search"}).form("messages")["type"]
        'web_search_20250305'
    """

    @override
    def __post_init__(self) -> None:
        """Accept any name: it is the provider's."""

    def form(self, api: str | None) -> Mapping[str, object]:
        """Return what a request contains.

        Args:
            api: ``"messages"`` or ``"responses"``; ``"other"`` knows none by name; None takes no such tools.

        Raises:
            SchemaError: there is no form for it.
        """
        form = self.parameters.get(api or _ANY) or self.parameters.get(_ANY)
        if api is None or not isinstance(form, Mapping):
            raise SchemaError(
                f"This model has no tool {self.name!r} that its provider runs; use anthropic_agent or "
                "openai_responses_agent, or give server_tool({...}) to a model whose server knows it."
            )
        return cast("Mapping[str, object]", form)


def _made(name: str, description: str, **forms: Mapping[str, object]) -> ServerTool:
    return ServerTool(name, description, cast("Mapping[str, object]", freeze(forms)))


def web_search(*, domains: Sequence[str] = ()) -> ServerTool:
    """Make a tool that searches the web, which Anthropic and OpenAI (Responses) run themselves.

    Its calls and results are `ServerToolCall` and `ServerToolResult` parts of the answer, and what the answer
    cites are `Citation` parts.

    Args:
        domains: only pages of these domains are found; none given: of all.

    Returns:
        A tool for `with_tools`.

    Example:
        >>> web_search(domains=["python.org"]).name
        'web_search'
    """
    allowed = {"allowed_domains": list(domains)} if domains else {}
    return _made(
        "web_search",
        "Searches the web; the provider runs it.",
        messages={"type": "web_search_20250305", "name": "web_search", **allowed},
        responses={"type": "web_search", **({"filters": allowed} if allowed else {})},
    )


def code_execution() -> ServerTool:
    """Make a tool that runs Python code, which Anthropic and OpenAI (Responses) run themselves.

    Returns:
        A tool for `with_tools`.

    Example:
        >>> code_execution().name
        'code_execution'
    """
    return _made(
        "code_execution",
        "Runs code; the provider runs it.",
        messages={"type": "code_execution_20250825", "name": "code_execution"},
        responses={"type": "code_interpreter", "container": {"type": "auto"}},
    )


def server_tool(form: Mapping[str, object]) -> ServerTool:
    """Make a tool of any other kind that a provider runs.

    Args:
        form: as the provider expects it in ``tools`` of a request; it is sent as it is.

    Returns:
        A tool for `with_tools`.

    Raises:
        SchemaError: the form has no ``type``.

    Example:
        >>> server_tool({"type": "file_search", "vector_store_ids": ["vs-1"]}).name
        'file_search'
    """
    name = form.get("name") or form.get("type")
    if not isinstance(name, str):
        raise SchemaError(
            'server_tool got a form without a "type"; give it as the provider\'s documentation has it.'
        )
    forms = cast("Mapping[str, object]", freeze({_ANY: dict(form)}))
    return ServerTool(name, "The provider runs it.", forms)
