"""What the architecture tests know of this project: a module that moves or changes its name, changes it here.

The layers are in `pyproject.toml`, as contracts of import-linter.
"""

from types import MappingProxyType
from typing import Final

__all__ = [
    "ADAPTERS",
    "EXTENSIONS",
    "EXTENSIONS_NEED",
    "FOREIGN",
    "INTERNAL",
    "JUSTIFIED_ANY",
    "LOOP_STATE",
    "NAMED_PUBLIC_MODULES",
    "OF_ANY_PACKAGE",
    "OPEN_LAYERS",
]

NAMED_PUBLIC_MODULES: Final = frozenset({"miniagents.promising.sentinels", "miniagents.ext.misc_agents"})
"""Public modules that are neither an `__init__.py` nor a documented module of the root."""

OF_ANY_PACKAGE: Final = frozenset({"miniagents._lazy_names"})
"""Private modules of the root that the `__init__.py` of any layer may import: they know no layer."""

JUSTIFIED_ANY: Final[frozenset[str]] = frozenset()
"""`module:name` of each public definition that may say `Any`; the comment says why."""

FOREIGN: Final = MappingProxyType(
    {
        "typing_extensions": r".*",
        "pydantic": r".*",
        "pydantic_core": (
            r"miniagents\.(values\..*|messages\._message|agents\._base_agent|ext\.(llm\..*|_history\._comments|_journal\._codec))"
        ),
        "reactivex": r".*",  # not in values: see the import contracts
        "openai": r"miniagents\.ext\.llm\.(openai|openai_responses|_openai_sdk)",
        "anthropic": r"miniagents\.ext\.llm\.anthropic",
        "opentelemetry": r"miniagents\.ext\.otel",
        "mcp": r"miniagents\.ext\.mcp\._(sdk|serve|session|questions)",
        "mcp_types": r"miniagents\.ext\.mcp\._(sdk|serve|session|questions|results)",
        # Both come with the SDK of MCP, one of them also with what serves a page.
        "uvicorn": r"miniagents\.(ext\.(mcp\._serve|web_guard)|cli\._server\._(serve|connections))",
        "anyio": r"miniagents\.ext\.mcp\.(_serve|_stdin)",
        "starlette": r"miniagents\.(ext\.(web\._(bodies|chat|request_errors|response|(\w+_)?routes)"
        r"|mcp\._serve|web_guard|_login)|cli\._server\._\w+)",
        "rich": r"miniagents\.cli\._progress_bar",
        "pytest": r"miniagents\._pytest_plugin",
        "prompt_toolkit": r"miniagents\.ext\.console\._prompt",
    }
)
"""For each package of others, the modules that may import it."""

LOOP_STATE: Final = MappingProxyType({"miniagents/streams/_context.py": "_APP_WIDE"})
"""The only thing that a module holds and changes: the app-wide context of each event loop."""

EXTENSIONS: Final = ("ext.web", "ext.jobs", "ext.ray", "ext.mcp", "cli")
"""Packages that stand on the public library: what they import from the rest of it, users can import."""

EXTENSIONS_NEED: Final = MappingProxyType(
    {
        "miniagents.ext.web._page_data: miniagents.values.PartValue": (
            "the base class decides under which key users have stored data of a page, and keys never change"
        ),
        "miniagents.ext.web._chat: miniagents.models.TOOL_CONTEXT": (
            "what a tool knows of the user whose request it answers is set where the request is known"
        ),
        "miniagents.cli._chat: miniagents.models.CARRIER": (
            "the user at the terminal answers the questions of agents; other programs have Runs and journals"
        ),
        "miniagents.cli._journal: miniagents.runs.cassette_of_run": (
            "the command is the whole feature: a program replays what `Cassette` has recorded"
        ),
        "miniagents.ext.mcp._serve: miniagents.models.CARRIER": (
            "the same, for the person at the client of a server"
        ),
        "miniagents.ext.mcp._session: miniagents.models.CARRIER": (
            "what a server asks is a question of the run that calls its tool"
        ),
        "miniagents.ext.mcp._questions: miniagents.models.Carrier": "the same",
        "miniagents.ext.web._live_run: miniagents.runs.LoggedCalls": (
            "the log of a run is written and read by `Runs` and `durable`; users get it by these"
        ),
        "miniagents.ext.web._live_run: miniagents.runs.RunRequest": "the same",
        "miniagents.ext.web._frames: miniagents.runs.part_of_data": "the same",
        "miniagents.ext.web._frames: miniagents.runs.plain_data": "the same",
        "miniagents.ext.web._live_run: miniagents.runs.RunLog": "the same",
        "miniagents.ext.web._runs: miniagents.runs.LoggedCalls": "the same",
        "miniagents.ext.web._runs: miniagents.runs.RunLog": "the same",
        "miniagents.ext.web._runs: miniagents.runs.RunRequest": "the same",
        "miniagents.ext.ray._runs: miniagents.messages._parts.current_watch": (
            "a run of another process is reported to the observers of this one as if it were here"
        ),
        "miniagents.ext.ray._runs: miniagents.streams._observers.RunWatch": "the same",
        "miniagents.ext.jobs._job_usage: miniagents.values.tokens_in": (
            "an answer that broke off is estimated as `compact` does it; users get the estimate by these two"
        ),
        "miniagents.ext.jobs._map_file: miniagents.ext._file_lock.lock_file": (
            "of two jobs with the same output, the second is refused; no user needs a lock from this library"
        ),
        "miniagents.ext.jobs._map_file: miniagents.streams._pipe.watched_reader": (
            "a job stops when its reader leaves, as a chat does; no user needs a watch from this library"
        ),
        "miniagents.cli._signals: miniagents.streams._pipe.watched_reader": "the same",
        "miniagents.ext.jobs._options: miniagents.values.check_count": (
            "what is no number for an option is refused as everywhere; users get the error"
        ),
        "miniagents.ext.jobs._options: miniagents.values.is_limit": "the same",
        "miniagents.ext.web._routes: miniagents.values.check_count": "the same",
        "miniagents.ext.web._routes: miniagents.values.check_seconds": "the same",
        "miniagents.ext.web._runs: miniagents.values.check_count": "the same",
        "miniagents.ext.web._runs: miniagents.values.check_seconds": "the same",
    }
)
"""What they need besides, and why: each `importer: what it imports`."""

INTERNAL: Final = frozenset({"agents", "models", "runs", "values", "cli"})
"""Layers that users do not import: what is in them they import from the public modules."""

OPEN_LAYERS: Final = frozenset({"streams", "messages", "operators"})
"""Layers whose private modules the rest of the package may import."""

ADAPTERS: Final = MappingProxyType(
    {
        "miniagents.streams._adapters": ("from_async", "to_async_iter"),
        "miniagents.streams._stream": ("Stream",),
        "miniagents.streams._promise": ("Promise", "StreamedPromise"),
        "miniagents.messages._message": ("MessagePromise",),
        "miniagents.messages._sequence": ("MessageSequencePromise", "Lifted"),
        "miniagents.operators": ("",),
        "miniagents.operators._map_agent": ("map_agent",),
        "miniagents.agents._call": ("AgentCall",),
    }
)
"""What leads from one kind of stream to another one: its docstring answers the five questions."""
