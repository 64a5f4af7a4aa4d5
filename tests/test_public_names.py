"""The names that users import: few in `miniagents` itself, the rest in public modules, none lost.

Crosses modules: the package itself and its public modules.
"""

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from inspect import formatannotation, get_annotations, getdoc, getsource, isfunction, unwrap
from pathlib import Path
from textwrap import dedent
from typing import get_overloads

import pytest

import miniagents
from tests.architecture.project import INTERNAL

MOST_OF_0_2 = 200
"""How many of the names of 0.2.0 all public modules may have together."""

# A name that is new goes here, and onto a page.
SINCE_0_2 = frozenset(
    {
        "Allow",
        "JSON",
        "Question",
        "QuestionAnswered",
        "QuestionAsked",
        "QuestionError",
        "Reject",
        "answer_question",
        "approval",
        "ask",
        "open_journal",
        "open_questions",
        "CallRecords",
        "CallStore",
        "Delivery",
        "Event",
        "Guard",
        "GuardError",
        "InputMessage",
        "InteractiveAgent",
        "InteractiveCall",
        "Lease",
        "MemoryJournal",
        "PartSeen",
        "PostgresJournal",
        "RunPage",
        "RunParked",
        "ServerToolCall",
        "ServerToolResult",
        "Stage",
        "Summary",
        "ToolContext",
        "Toolbox",
        "WithdrawnError",
        "chunk",
        "code_execution",
        "compact",
        "end_on_signals",
        "events_of_run",
        "fallback",
        "loop_scheduler",
        "map_async",
        "message_of_role",
        "redact_keys",
        "server_tool",
        "send_event",
        "share_bounded",
        "sleep_until",
        "strip_control",
        "switch_map_async",
        "until",
        "wait_for_event",
        "web_search",
    }
)
MOST_SINCE_0_2 = 53

MOST_IN_A_HOVER = 1500
"""How many characters a signature and its docstring may have together: editors show all of them."""

# Their overloads alone are about as long; where such a function is called, editors show one of them.
MANY_OVERLOADS = frozenset({"miniagents.race", "miniagents.ext.jobs.map_rows"})

PUBLIC = (
    *("errors", "messages", "miniagents", "operators", "parts", "promising", "streams", "testing", "tools"),
    *("types", "utils"),
)

# What could be imported from `miniagents` when all of it stood in `__all__`, but for the names of which
# CHANGELOG.md says what to write instead. It does not shrink otherwise.
EVER = frozenset(
    [
        "AWAIT",
        "CLEAR",
        "AgentCall",
        "AgentCallNode",
        "AgentPart",
        "AgentReplyNode",
        "AgentTimeoutError",
        "AnswerSchema",
        "AnyTool",
        "AssistantMessage",
        "BaseAgent",
        "Citation",
        "Content",
        "DeadlockError",
        "ErrorMessage",
        "File",
        "Finish",
        "FreezeError",
        "Frozen",
        "Image",
        "InquiryCancelledError",
        "InteractionContext",
        "LLMConfigError",
        "LLMConnectionError",
        "LLMError",
        "LLMProtocolError",
        "LLMRefusalError",
        "LLMStatusError",
        "LLMTimeoutError",
        "LLMTruncatedError",
        "MaxTurnsError",
        "Message",
        "MessagePromise",
        "MessageSequencePromise",
        "MessageType",
        "MessageTypeOf",
        "MessageValidationError",
        "Messages",
        "MiniAgent",
        "MiniAgents",
        "MiniAgentsError",
        "ModelAgent",
        "NestingError",
        "NoActiveContextError",
        "ParsedMessage",
        "Part",
        "Promise",
        "PromisingContext",
        "RaceLostError",
        "RaceReport",
        "Reasoning",
        "Refusal",
        "Restart",
        "Retry",
        "RetryPolicy",
        "SchemaError",
        "StopLoop",
        "StreamOverflowError",
        "StreamedPromise",
        "SystemMessage",
        "Tool",
        "ToolAgent",
        "ToolArgumentsError",
        "ToolCall",
        "ToolCallDelta",
        "ToolMessage",
        "ToolResult",
        "ToolSpec",
        "TypedAgent",
        "TypedAnswerError",
        "UnresolvedPromiseError",
        "Usage",
        "UserMessage",
        "WrongLoopError",
        "achain_loop",
        "adialog_loop",
        "identity",
        "join_messages",
        "miniagent",
        "model_agent",
        "partial_text",
        "prompt",
        "race",
        "route",
        "split_messages",
        "tool",
    ]
)


def test_no_name_was_lost() -> None:
    """Every name that could ever be imported from `miniagents` still can; type checkers see it too."""
    assert [] == [name for name in sorted(EVER) if not hasattr(miniagents, name)]
    assert set() == EVER - _seen_by_type_checkers()


def test_nothing_else_can_be_imported() -> None:
    """What can be imported from `miniagents` is in `__all__`, a public module, or an old name."""
    assert _seen_by_type_checkers() - set(miniagents.__all__) - set(PUBLIC) <= EVER
    with pytest.raises(AttributeError):
        getattr(miniagents, "TextSplitter")  # noqa: B009 - of values, and no public name here


@pytest.mark.parametrize("name", sorted(EVER - set(miniagents.__all__)))
def test_each_name_has_a_public_module(name: str) -> None:
    """What is not listed in `miniagents` is listed in one of its public modules."""
    assert [module for module in PUBLIC if name in import_module(f"miniagents.{module}").__all__]


@pytest.mark.parametrize("module", PUBLIC)
def test_a_name_means_one_thing(module: str) -> None:
    """A name that two public modules have, or one and `miniagents`, is the same object in both."""
    here = import_module(f"miniagents.{module}")
    assert "miniagents" == here.__name__.partition(".")[0]
    others = [miniagents, *(import_module(f"miniagents.{each}") for each in PUBLIC)]
    differ = [
        (other.__name__, name)
        for other in others
        for name in here.__all__
        if getattr(other, name, getattr(here, name)) is not getattr(here, name)
    ]
    assert [] == differ


def test_every_error_is_in_errors() -> None:
    """Each error that the layers make public stands in `miniagents.errors`."""
    layers = [
        import_module(f"miniagents.{each}") for each in ("values", "streams", "messages", "agents", "models")
    ]
    found = {name: getattr(each, name) for each in layers for name in each.__all__}
    named = {
        name
        for name, value in found.items()
        if isinstance(value, type) and issubclass(value, miniagents.MiniAgentsError)
    }
    assert set() == named - set(import_module("miniagents.errors").__all__)


def test_public_names_are_few() -> None:
    """All public modules together have at most so many names, and each of them is on a page."""
    names = {name for each in _what_users_import() for name in _all_of(each)}
    assert SINCE_0_2 <= names
    assert len(names - SINCE_0_2) <= MOST_OF_0_2
    assert len(SINCE_0_2) <= MOST_SINCE_0_2
    assert set() == names - _words_of_pages()


@pytest.mark.gate("reads each public name")
def test_names_fit_into_a_hover() -> None:
    """The signature and docstring of a public class, function or method have at most 1,500 characters."""
    hovers = {path: _hover(path, value) for module in _what_users_import() for path, value in _public(module)}
    assert len(hovers) > 500
    assert {} == {path: len(text) for path, text in hovers.items() if len(text) > MOST_IN_A_HOVER}


def _public(module: str) -> Iterator[tuple[str, object]]:
    """What a public module lists, and the members of its classes, each with its path."""
    for name in _all_of(module):
        value: object = getattr(import_module(module), name)
        members: Mapping[str, object] = vars(value) if isinstance(value, type) else {}
        for path, each in [(name, value), *((f"{name}.{member}", each) for member, each in members.items())]:
            if not path.rpartition(".")[2].startswith("_"):
                yield f"{module}.{path}", each


def _hover(path: str, value: object) -> str:
    """What an editor shows of a name: its signatures, and its docstring."""
    if isinstance(value, miniagents.MiniAgent):
        return value.description
    if isinstance(value, type):
        made = vars(value).get("__init__")
        if isfunction(made) and made.__module__ == value.__module__:
            return "\n".join([*_signatures(path, made), getdoc(value) or ""])
        fields = [f"    {name}: {_plain(type_)}" for name, type_ in get_annotations(value).items()]
        return "\n".join([*fields, getdoc(value) or ""])
    inner: object = getattr(value, "__func__", value)  # of a class method
    return "\n".join([*_signatures(path, inner), getdoc(value) or ""])


def _signatures(path: str, value: object) -> list[str]:
    """The signatures of a function; none of another object."""
    function: object = unwrap(value) if isfunction(value) else None
    if not isfunction(function):
        return []
    found = [_signature(each) for each in get_overloads(function) or [function]]
    return [max(found, key=len)] if path in MANY_OVERLOADS else found


def _signature(function: Callable[..., object]) -> str:
    """The signature of a function, with a line for each parameter."""
    try:
        (node,) = ast.parse(dedent(getsource(function))).body
    except OSError:  # a dataclass makes its methods without a source
        return ""
    assert isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    node.body, node.decorator_list = [], []
    return ast.unparse(node).replace(", ", ",\n    ")


def _plain(type_: object) -> str:
    """A type without the modules of its names."""
    return re.sub(r"[\w.]+\.", "", formatannotation(type_))


def _seen_by_type_checkers() -> set[str]:
    """What the package imports for type checkers: as a name of `__all__`, or as itself."""
    lines = [each for each in ast.walk(ast.parse(getsource(miniagents))) if isinstance(each, ast.ImportFrom)]
    names = {alias.name for line in lines for alias in line.names if alias.asname == alias.name}
    return names | {alias.name for line in lines for alias in line.names if alias.name in miniagents.__all__}


def _what_users_import() -> list[str]:
    """The modules of the package whose names are public, but layers."""
    package = Path(miniagents.__file__).parent
    paths = [each.relative_to(package.parent).with_suffix("") for each in package.rglob("*.py")]
    parts = [[part for part in each.parts if part != "__init__"] for each in paths]
    return sorted(
        ".".join(each)
        for each in parts
        if not any(part.startswith("_") for part in each) and (len(each) == 1 or each[1] not in INTERNAL)
    )


def _all_of(module: str) -> list[str]:
    """What a public module lists, none if it lists nothing."""
    return getattr(import_module(module), "__all__", [])


def _words_of_pages() -> set[str]:
    """The words of the code in README and docs (but the reference), and of examples."""
    root = Path(__file__).parents[1]
    pages = [root / "README.md", *root.glob("docs/**/*.md"), *root.glob("examples/**/*.py")]
    texts = [_code_of(each) for each in pages if "reference" not in each.parts]
    return {word for text in texts for word in re.findall(r"\w+", text)}


def _code_of(page: Path) -> str:
    """The blocks and words of code of a page; all of a program."""
    text = page.read_text(encoding="utf-8")
    if page.suffix == ".py":
        return text
    pieces = re.split(r"^```.*$", text, flags=re.MULTILINE)
    spans = [span for prose in pieces[::2] for span in re.findall(r"`([^`]+)`", prose)]
    return "\n".join([*pieces[1::2], *spans])
