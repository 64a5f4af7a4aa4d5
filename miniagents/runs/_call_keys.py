"""The key of a call: calls with the same key send the same messages to the same agent."""

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
from miniagents.messages import InputMessage, Message, Messages, UserMessage
from miniagents.models import ToolLoop, ToolSpec, TypedAnswer
from miniagents.streams._observers import public_data
from miniagents.values import ToolCall

from ._message_records import Json, Registry, encode_data

NOT_ASKED: Final = frozenset(
    {
        *("cache_prompt", "extra_query", "first_token_timeout", "max_retries"),
        *("stall_timeout", "total_timeout"),
    }
)
"""Keywords that do not change the answer of a model: timeouts, retries, caches, and queries for proxies."""

_REGISTRY: Final = Registry()
_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode
_FORMAT: Final = 2
_OFFERS: Final = ("tools", "answer_schema")  # keywords of a model: what it may call, how it has to answer
_NOTHING: Final = (None, ())
# Data about how an answer was made. It is different each time, and no model is sent it.
_HOW: Final = frozenset({"request_id", "response_id", "usage"})


@dataclass(frozen=True, slots=True)
class CallKey:
    r"""Identifies a call in a journal.

    Attributes:
        digest: SHA-256 of the agent, its configuration and the messages: 32 bytes.
        scope: what the call belongs to, such as a job; empty for a call that all can find.
        number: how many equal calls were made before; 0 if equal calls share one answer.

    Example:
        >>> CallKey(b"\x01" * 32).scope
        ''
    """

    digest: bytes
    scope: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True)
class RecordedFunction:
    """The function whose calls are recorded.

    Attributes:
        name: the name under which the calls are recorded.
        version: of the function.
        function: its module and name.
        source: a hash of its source code; empty if the code is not available.

    Example:
        >>> RecordedFunction("JUDGE", "2", "reviews:judge").version
        '2'
    """

    name: str
    version: str
    function: str
    source: str = ""


def key_of(name: str, version: str, agent: MiniAgent[Message, Message, ...], question: str) -> bytes:
    """Return the digest of a call.

    Args:
        name: under which the agent is recorded.
        version: of what it does.
        agent: with the keywords of the call as its ``defaults``.
        question: the messages, of :func:`question_of`.
    """
    identity = identity_of(name, version, agent)
    return hashlib.sha256(f"{identity}\n{question}".encode(errors="surrogatepass")).digest()


def identity_of(name: str, version: str, agent: MiniAgent[Message, Message, ...]) -> str:
    """Return the configuration of an agent as JSON: the part that the keys of all its calls have in common.

    With tools or an answer schema it has a number of its format. Version 0.2.0 left these out, so its keys of
    such calls are not found; all others are as they were.

    Args:
        name: under which the agent is recorded.
        version: of what it does.
        agent: with its keywords as its ``defaults``.
    """
    parts = [name, version, _configuration(agent)]
    return _canonical([_FORMAT, *parts] if _has_offers(agent) else parts)


def key_of_tool(version: str, call: ToolCall, spec: ToolSpec) -> bytes:
    """Return the digest of a call of a tool.

    Args:
        version: of the agents.
        call: the call.
        spec: the description of the tool.
    """
    call_text = json.dumps([call.name, call.arguments, call.id])
    described = _canonical([_FORMAT, "tool", version, call_text, _data(spec)])
    return hashlib.sha256(described.encode(errors="surrogatepass")).digest()


def question_of_text(text: str) -> str:
    """Return :func:`question_of` of a message with only a text, faster: most rows of jobs are such messages.

    Args:
        text: of the message.
    """
    return f'[["Message","user",{_canonical(encode_data(text))},{{}}]]'


def question_of(messages: Messages) -> str:
    """Return messages as JSON: the class, role, text and data of each message.

    Args:
        messages: all of them.
    """
    return _canonical([_message(each) for each in messages])


def _message(message: Message) -> list[Json]:
    if isinstance(message, InputMessage):  # a model is sent a message of the user
        message = UserMessage(message.text, parts=message.parts)
    record = _REGISTRY.record_of(message)
    data = {
        name: value for name, value in record.data.items() if name not in _HOW and value not in (None, [])
    }
    return [record.class_name, record.role, encode_data(record.text), cast("Json", data)]


def _configuration(agent: MiniAgent[Message, Message, ...]) -> Json:
    """Return the keywords of an agent and of the agents that it is made of; no clients, keys or timeouts."""
    given: dict[str, Json] = {}
    for name, value in public_data(agent.defaults).items():
        if value not in _NOTHING and name not in NOT_ASKED and not name.lower().endswith("headers"):
            shown = _without_user(value) if name == "base_url" and isinstance(value, str) else value
            given[name] = _data(shown)
    for name in _OFFERS:  # not all of a schema is frozen, as other data is
        if (offered := agent.defaults.get(name)) not in _NOTHING:
            given[name] = _data(offered)
    parts: list[Json] = [[each.alias, _configuration(each)] for each in agent.components]
    return [given, _asked_in_addition(agent), parts]


def _has_offers(agent: MiniAgent[Message, Message, ...]) -> bool:
    own = any(agent.defaults.get(name) not in _NOTHING for name in _OFFERS)
    return own or any(map(_has_offers, agent.components))


def _asked_in_addition(agent: MiniAgent[Message, Message, ...]) -> Json:
    """Return the schema of a typed answer, or the tools of a model with tools; else None."""
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
        fields_data = {each.name: _data(cast("object", getattr(value, each.name))) for each in fields(value)}
        return [type(value).__name__, fields_data]
    if isinstance(value, type):
        return value.__qualname__
    return type(value).__qualname__  # frozen, and of a type without data that could be written


def function_of(agent: MiniAgent[Message, Message, ...], name: str, version: str) -> RecordedFunction:
    """Return the function whose calls are recorded under a name.

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
    return RecordedFunction(name, version, place_of(agent), source)


def place_of(agent: MiniAgent[Message, Message, ...]) -> str:
    """Return where an agent is defined, as its `RecordedFunction` says it.

    Args:
        agent: any.
    """
    defined = _defined(agent)
    if isinstance(defined, FunctionType) or isinstance(agent, BaseAgent):
        return f"{_module(defined.__module__)}:{defined.__qualname__}"
    parts = ", ".join(place_of(each) for each in agent.components)
    return f"{defined.__qualname__}({parts})"


def _defined(agent: MiniAgent[Message, Message, ...]) -> FunctionType | type[object]:
    """Return the function or class that defines what an agent does."""
    if isinstance(agent, BaseAgent):
        return type(agent)
    function: object = agent._function  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - what it runs
    function = inspect.unwrap(function) if callable(function) else function
    return function if isinstance(function, FunctionType) else type(function)


def _module(name: str) -> str:
    """Return the name under which a module is imported, even if it runs as the program (``__main__``)."""
    if name != "__main__":
        return name
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    file = cast("str | None", getattr(main, "__file__", None))
    if spec is not None:
        return str(spec.name)
    return Path(file).stem if file else name
