"""The key of a call: two calls with the same one ask the same thing of the same agent."""

import hashlib
import inspect
import json
import sys
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import FunctionType
from typing import Final, cast
from urllib.parse import urlsplit, urlunsplit

from pydantic import BaseModel

from miniagents.agents import BaseAgent, MiniAgent
from miniagents.core import Message, Messages, public_data

from ._message_records import Json, Registry, encode_data
from ._tool_loop import ToolLoop
from ._typed_agent import TypedAnswer

__all__ = [
    "NOT_ASKED",
    "CallKey",
    "RecordedFunction",
    "function_of",
    "key_of",
    "question_of",
    "question_of_text",
    "told_of",
]

NOT_ASKED: Final = frozenset(
    {"extra_query", "first_token_timeout", "max_retries", "stall_timeout", "total_timeout"}
)
"""Keywords that are no part of what a model is asked: how long it may take, and what proxies want."""

_REGISTRY: Final = Registry()
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_NOTHING: Final = (None, ())
# How an answer came to be, which differs each time: no model is sent it.
_HOW: Final = frozenset({"request_id", "response_id", "usage"})


@dataclass(frozen=True, slots=True)
class CallKey:
    r"""Which call it is.

    Attributes:
        digest: SHA-256 of what was asked of whom: 32 bytes.
        run: the run that it belongs to; empty for none.
        number: how many times the same had been asked in the run before.

    Example:
        >>> CallKey(b"\x01" * 32).run
        ''
    """

    digest: bytes
    run: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class RecordedFunction:
    """Whose calls are recorded.

    Attributes:
        name: under which they are.
        version: of what the function does.
        function: its module and name.
        source: a hash of its source text; empty if that is not known.

    Example:
        >>> RecordedFunction("JUDGE", "2", "reviews:judge").version
        '2'
    """

    name: str
    version: str
    function: str
    source: str = ""


def key_of(name: str, version: str, agent: MiniAgent[Message, Message, ...], question: str) -> bytes:
    """The digest of a call.

    Args:
        name: under which the agent is recorded.
        version: of what it does.
        agent: with the keywords of the call as its ``defaults``.
        question: what it is sent, of :func:`question_of`.
    """
    told = told_of(name, version, agent)
    return hashlib.sha256(f"{told}\n{question}".encode(errors="surrogatepass")).digest()


def told_of(name: str, version: str, agent: MiniAgent[Message, Message, ...]) -> str:
    """Who is asked, as JSON: what the keys of all calls of an agent have in common.

    Args:
        name: under which the agent is recorded.
        version: of what it does.
        agent: with its keywords as its ``defaults``.
    """
    return _canonical([name, version, _configuration(agent)])


def question_of_text(text: str) -> str:
    """:func:`question_of` a message of a text alone, for less: that is what rows of jobs mostly are.

    Args:
        text: what the agent is sent.
    """
    return f'[["Message","user",{_canonical(encode_data(text))},{{}}]]'


def question_of(messages: Messages) -> str:
    """What an agent is sent, as JSON: of each message its class, role, text and data.

    Args:
        messages: all of them.
    """
    return _canonical([_message(each) for each in messages])


def _message(message: Message) -> list[Json]:
    record = _REGISTRY.record_of(message)
    data = {
        name: value for name, value in record.data.items() if name not in _HOW and value not in (None, [])
    }
    return [record.class_name, record.role, encode_data(record.text), cast("Json", data)]


def _configuration(agent: MiniAgent[Message, Message, ...]) -> Json:
    """What an agent is configured with, and what it is made of; no client, no key, no time limit."""
    given: dict[str, Json] = {}
    for name, value in public_data(agent.defaults).items():
        if value not in _NOTHING and name not in NOT_ASKED and not name.lower().endswith("headers"):
            shown = _without_user(value) if name == "base_url" and isinstance(value, str) else value
            given[name] = _data(shown)
    parts: list[Json] = [[each.alias, _configuration(each)] for each in agent.components]
    return [given, _asked_in_addition(agent), parts]


def _asked_in_addition(agent: MiniAgent[Message, Message, ...]) -> Json:
    """The schema of a typed answer, the tools of a model that has some."""
    function: object = agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
    if isinstance(function, TypedAnswer):
        answer = cast("TypedAnswer[BaseModel]", function)
        return [_data(answer.schema), answer.mode, answer.repairs]
    if isinstance(function, ToolLoop):
        return [_data(function.calls.toolbox.specs), function.max_turns]
    return None


def _without_user(url: str) -> str:
    try:
        parts = urlsplit(url)
        return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
    except ValueError:
        return ""


def _data(value: object) -> Json:
    return encode_data(value, _other)


def _other(value: object) -> Json:
    if isinstance(value, Message):
        return _message(value)
    if isinstance(value, BaseModel):
        return [type(value).__name__, _data(dict(value))]
    if is_dataclass(value) and not isinstance(value, type):
        said = {each.name: _data(cast("object", getattr(value, each.name))) for each in fields(value)}
        return [type(value).__name__, said]
    if isinstance(value, type):
        return value.__qualname__
    return type(value).__qualname__  # frozen, and of a type that has no data to show


def function_of(agent: MiniAgent[Message, Message, ...], name: str, version: str) -> RecordedFunction:
    """Whose calls are recorded under a name.

    Args:
        agent: any.
        name: under which its calls are recorded.
        version: of what it does.
    """
    defined = _defined(agent)
    try:
        source = hashlib.sha256(inspect.getsource(defined).encode()).hexdigest()[:16]
    except (OSError, TypeError):
        source = ""
    return RecordedFunction(name, version, _identity(agent), source)


def _identity(agent: MiniAgent[Message, Message, ...]) -> str:
    defined = _defined(agent)
    if isinstance(defined, FunctionType) or isinstance(agent, BaseAgent):
        return f"{_module(defined.__module__)}:{defined.__qualname__}"
    parts = ", ".join(_identity(each) for each in agent.components)
    return f"{defined.__qualname__}({parts})"


def _defined(agent: MiniAgent[Message, Message, ...]) -> FunctionType | type[object]:
    """Where it is written what an agent does: its function, or a class."""
    if isinstance(agent, BaseAgent):
        return type(agent)
    function: object = agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
    function = inspect.unwrap(function) if callable(function) else function
    return function if isinstance(function, FunctionType) else type(function)


def _module(name: str) -> str:
    """The name of a module, also of one that runs as a program: under which it would be imported."""
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    file = cast("str | None", getattr(main, "__file__", None))
    if spec is not None:
        return str(spec.name)
    return Path(file).stem if file else name
