"""What the architecture tests know of this project: a module that moves or changes its name, changes it here.

The layers are in `pyproject.toml`, as contracts of import-linter.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "ADAPTERS",
    "FOREIGN",
    "INTERNAL",
    "JUSTIFIED_ANY",
    "LONGER",
    "LOOP_STATE",
    "MAX_LINES",
    "NAMED_PUBLIC_MODULES",
    "OF_ANY_PACKAGE",
    "SHARED_STATE_NAMES",
    "STATE_OWNERS",
    "TESTED_ELSEWHERE",
    "WORDS_MEANT",
]

MAX_LINES: Final = 450
"""The most lines of a file, docstrings of its definitions not counted. The rule: one concept, about 400."""

LONGER: Final[Mapping[str, str]] = MappingProxyType({})
"""Files that have more lines, and why. One that has no more than the others is taken out here."""

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
            r"miniagents\.(values\..*|core\._message|agents\._base_agent|ext\.(llm\..*|_history\._comments))"
        ),
        "reactivex": r".*",  # not in values: see the import contracts
        "openai": r"miniagents\.ext\.llm\.(openai|openai_responses|_openai_sdk)",
        "anthropic": r"miniagents\.ext\.llm\.anthropic",
        "opentelemetry": r"miniagents\.ext\.otel",
        "mcp": r"miniagents\.ext\.mcp\._sdk",
        "mcp_types": r"miniagents\.ext\.mcp\._sdk",
        # Both come with the SDK of MCP, one of them also with what serves a page.
        "uvicorn": r"miniagents\.(ext\.mcp\._serve|server\._(serve|connections))",
        "anyio": r"miniagents\.ext\.mcp\.(_serve|_stdin)",
        "starlette": r"miniagents\.(ext\.web\._(bodies|chat|endpoints|response|(\w+_)?routes)|server\._\w+)",
        "rich": r"miniagents\.cli\._progress_bar",
        "pytest": r"miniagents\._pytest_plugin",
        "prompt_toolkit": r"miniagents\.(ext|cli)\.(\w+\.)*\w*console\w*(\.\w+)*",
    }
)
"""For each package of others, the modules that may import it."""

LOOP_STATE: Final = MappingProxyType({"miniagents/core/_context.py": "_APP_WIDE"})
"""The only thing that a module holds and changes: the app-wide context of each event loop."""

STATE_OWNERS: Final = MappingProxyType(
    {
        "miniagents/core/_lifetime.py": ("Lifetime", "TaskLife"),
        "miniagents/core/_flow.py": ("FlowControl",),
        "miniagents/core/_deadlocks.py": ("WaitingTask",),
    }
)
"""Module -> its classes whose attributes no other module assigns."""

SHARED_STATE_NAMES: Final = frozenset({"buffer", "context", "error", "parent", "part", "task"})
"""Names of such attributes that other classes have too: looked at where a class has them from its base."""

INTERNAL: Final = frozenset({"miniagents.core"})
"""Layers of which users get the names from public modules alone: what those list is described."""

TESTED_ELSEWHERE: Final = MappingProxyType(
    {
        # What type checkers take for `dataclass`.
        "miniagents/values/_lazy_dataclass.py": "tests/values/test_lazy_methods.py",
        # Names of the layer below, for users.
        "miniagents/ext/usage.py": "tests/models/test_run_usage.py",
        # What sessions and servers are made of: each is tried through these.
        "miniagents/ext/mcp/_sdk.py": "tests/ext/mcp/test_session.py",
        "miniagents/ext/mcp/_errors.py": "tests/ext/mcp/test_session.py",
        "miniagents/ext/mcp/_stdin.py": "tests/ext/mcp/test_serve.py",
        "miniagents/ext/limits.py": "tests/models/test_limits.py",
        # One contract for all logs of frames, and the store of one of them.
        "miniagents/ext/web/_frame_log.py": "tests/ext/web/test_frame_logs.py",
        "miniagents/ext/web/_memory_frames.py": "tests/ext/web/test_frame_logs.py",
        "miniagents/ext/web/_sqlite_frames.py": "tests/ext/web/test_frame_logs.py",
        "miniagents/ext/web/_sqlite_store.py": "tests/ext/web/test_frame_logs.py",
        "miniagents/ext/web/_redis_frames.py": "tests/ext/web/test_frame_logs.py",
        # What responses are written from, and how they end: tried by responses and servers.
        "miniagents/ext/web/_feeds.py": "tests/ext/web/test_response.py",
        "miniagents/ext/web/_protocols.py": "tests/ext/web/test_frames.py",
        "miniagents/ext/web/_encoders.py": "tests/ext/web/test_response.py",
        "miniagents/ext/web/_open_responses.py": "tests/ext/web/test_server.py",
        # What routes are made of: tried through them.
        "miniagents/ext/web/_runs.py": "tests/ext/web/test_routes.py",
        "miniagents/ext/web/_live_runs.py": "tests/ext/web/test_routes.py",
        "miniagents/ext/web/_chat.py": "tests/ext/web/test_routes.py",
        "miniagents/ext/web/_runs_routes.py": "tests/ext/web/test_routes.py",
        "miniagents/ext/web/_bodies.py": "tests/ext/web/test_routes.py",
        # What a page is served by: tried through its routes, and by real processes.
        "miniagents/server/_app.py": "tests/server/test_routes.py",
        "miniagents/server/_guard.py": "tests/server/test_routes.py",
        "miniagents/server/_login.py": "tests/server/test_routes.py",
        "miniagents/server/_threads.py": "tests/server/test_routes.py",
        "miniagents/server/_reload.py": "tests/cli/test_serve.py",
        "miniagents/server/_serve.py": "tests/cli/test_serve.py",
        # What is recorded and played, and the file: tried together, through the journal of users.
        "miniagents/models/_journal.py": "tests/ext/test_journal.py",
        "miniagents/ext/_journal/_journal.py": "tests/ext/test_journal.py",
        "miniagents/ext/_journal/_file.py": "tests/ext/test_journal.py",
        "miniagents/ext/_journal/_group_commit.py": "tests/ext/test_journal.py",
        # What is known before a file is asked; what rows of jobs are kept as.
        "miniagents/ext/_journal/_key_filter.py": "tests/ext/test_journal.py",
        "miniagents/models/_call_records.py": "tests/ext/jobs/test_map_rows.py",
        # What a job is made of: each is tried through jobs.
        "miniagents/ext/jobs/_job.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_again.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_calls.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_errors_file.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_failures.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_kept_rows.py": "tests/ext/jobs/test_map_file.py",
        "miniagents/ext/jobs/_options.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_rows.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_sources.py": "tests/ext/jobs/test_map_rows.py",
        "miniagents/ext/jobs/_tally.py": "tests/ext/jobs/test_map_rows.py",
        # What cassettes play: read by them, and by journals.
        "miniagents/models/_recordings.py": "tests/testing/test_cassettes.py",
        # What histories and journals are made of: seen through both.
        "miniagents/ext/_sqlite.py": "tests/ext/history/test_sqlite_file.py",
        "miniagents/ext/_file_lock.py": "tests/ext/history/test_markdown_file.py",
        "miniagents/ext/_history/_notes.py": "tests/ext/history/test_markdown_reader.py",
        # What drivers and workers are made of: each is tried through remote agents.
        "miniagents/ext/ray/_call.py": "tests/ext/ray/test_losses.py",
        "miniagents/ext/ray/_dispatcher.py": "tests/ext/ray/test_losses.py",
        "miniagents/ext/ray/_errors.py": "tests/ext/ray/test_remote.py",
        "miniagents/ext/ray/_library.py": "tests/ext/ray/test_two_nodes.py",
        "miniagents/ext/ray/_wire.py": "tests/ext/ray/test_remote.py",
        "miniagents/ext/ray/_worker.py": "tests/ext/ray/test_remote.py",
        # What limits know of calls: it is nothing without them.
        "miniagents/models/_watched_calls.py": "tests/models/test_limits.py",
        # Two functions under the models, tried through what they make.
        "miniagents/models/_agent_kinds.py": "tests/models/test_model_agent.py",
        # What an agent consists of: each of these is tried through agents.
        "miniagents/agents/_algebra/_around.py": "tests/agents/test_around.py",
        "miniagents/agents/_runnable_agent.py": "tests/agents/test_agent.py",
        "miniagents/agents/_wrapping.py": "tests/agents/test_around.py",
        "miniagents/agents/_run_context.py": "tests/agents/test_ends.py",
        "miniagents/agents/_message_run.py": "tests/models/test_typed_agent.py",
        "miniagents/models/_answer_writer.py": "tests/models/test_typed_agent.py",
        "miniagents/models/_typed_map.py": "tests/agents/test_around.py",
        # Protocols only: the classes that have these roles are tested with the buffer.
        "miniagents/core/_protocols.py": "tests/core/test_buffer.py",
        # The SDK behind two agents, each of which is tested against a server.
        "miniagents/ext/llm/_openai_sdk.py": "tests/ext/llm/test_openai.py",
        "miniagents/_pytest_plugin.py": "tests/test_pytest_plugin.py",
        "miniagents/testing/_scripted_models.py": "tests/test_pytest_plugin.py",
        # What of a call stands in a cassette, and its file: read and written by cassettes.
        "miniagents/testing/_cassette_data.py": "tests/testing/test_cassettes.py",
        "miniagents/testing/_cassette_file.py": "tests/testing/test_cassettes.py",
        # What marbles and the reader of tests read with.
        "miniagents/testing/_recorder.py": "tests/testing/test_marbles.py",
        # The life of runs without a task, tried through agents that have none.
        "miniagents/core/_taskless_life.py": "tests/agents/test_taskless_run.py",
        # What a context and the life of a stream are made of.
        "miniagents/core/_loop_bound.py": "tests/core/test_context.py",
        "miniagents/core/_task_owner.py": "tests/core/test_context.py",
        "miniagents/core/_ancestry.py": "tests/core/test_lifetime.py",
        # Three modules that tell one story: who watches, what notes the times, and the same as a stream.
        "miniagents/core/_observed_buffers.py": "tests/core/test_observers.py",
        "miniagents/core/_run_events.py": "tests/core/test_observers.py",
        # What stands in the events of two wires: read by their decoders.
        "miniagents/ext/llm/_messages_fields.py": "tests/ext/llm/test_messages_decoder.py",
        "miniagents/ext/llm/_responses_fields.py": "tests/ext/llm/test_responses_decoder.py",
        # What protocols of chat libraries are made of: seen by their clients.
        "miniagents/ext/web/_attachments.py": "tests/ext/web/test_vercel.py",
        "miniagents/ext/web/_summary.py": "tests/ext/web/test_vercel.py",
        "miniagents/ext/web/_openai_answer.py": "tests/ext/web/test_openai_chat.py",
        "miniagents/ext/web/_openai_errors.py": "tests/ext/web/test_openai_routes.py",
        "miniagents/ext/web/_endpoints.py": "tests/ext/web/test_openai_routes.py",
        "miniagents/ext/web/_request_errors.py": "tests/ext/web/test_user_messages.py",
        # What a picture is made of: seen in pictures of real runs.
        "miniagents/ext/_timeline/_lanes.py": "tests/ext/test_timeline.py",
        "miniagents/ext/_timeline/_rows.py": "tests/ext/test_timeline.py",
        "miniagents/ext/_timeline/_svg.py": "tests/ext/test_timeline.py",
        "miniagents/ext/_timeline/_html.py": "tests/ext/test_timeline.py",
        "miniagents/ext/_timeline/_characters.py": "tests/ext/test_timeline.py",
        # Files of rows, whichever form they have; the words and the bar of the command that uses them.
        "miniagents/ext/jobs/_row_files.py": "tests/ext/jobs/test_formats.py",
        "miniagents/ext/jobs/_parquet.py": "tests/ext/jobs/test_formats.py",
        "miniagents/cli/_map_arguments.py": "tests/cli/test_map.py",
        "miniagents/cli/_named.py": "tests/cli/test_mcp.py",
        "miniagents/cli/_progress_bar.py": "tests/cli/test_progress.py",
        # What `map_agent` runs on: it is nothing without inquiries, so it is tested with them.
        "miniagents/core/_concurrent_map.py": "tests/operators/test_map_agent.py",
    }
)
"""Module -> the test that covers it; the comment says why it has none of its own."""

ADAPTERS: Final = MappingProxyType(
    {
        "miniagents.core._async_adapters": ("from_async", "to_async_iter"),
        "miniagents.core._stream": ("Stream",),
        "miniagents.core._promise": ("Promise", "StreamedPromise"),
        "miniagents.core._message": ("MessagePromise",),
        "miniagents.core._sequence": ("MessageSequencePromise",),
        "miniagents.core._lift": ("Lifted",),
        "miniagents.operators": ("",),
        "miniagents.operators._map_agent": ("map_agent",),
        "miniagents.agents._call": ("AgentCall",),
    }
)
"""What leads from one kind of stream to another one: its docstring answers the five questions."""

WORDS_MEANT: Final = MappingProxyType(
    {
        "docs/examples.md": "econd floor",  # of a library
        "miniagents/ext/llm/_options.py": "leaves no room for an answer",
    }
)
"""File -> the words in which a word of `words.py` means the thing itself, and not a part of the code."""
