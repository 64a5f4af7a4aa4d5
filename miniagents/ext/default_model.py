"""`default_model`: the language model whose key is set."""

import os
import sys
from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final, Protocol, TypeVar, cast, overload

from miniagents.agents import MiniAgent
from miniagents.models import ModelAgent

from .eliza import eliza_agent

__all__ = ["default_model"]

_Agent = TypeVar("_Agent", bound=MiniAgent)
_Bound_co = TypeVar("_Bound_co", covariant=True)

_MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {"openai": "gpt-5.4-mini", "anthropic": "claude-haiku-4-5"}
)
"""For each provider, in the order in which they are looked for, the model that is asked by default."""


class _Bindable(Protocol[_Bound_co]):
    """An agent, seen by what it is when its keywords are closed: a model stays one."""

    @property
    def alias(self) -> str:
        """How it is called."""
        ...

    def bind(self) -> _Bound_co:
        """The same agent with its keywords closed."""
        ...


@overload
def default_model(otherwise: None = None) -> MiniAgent: ...
@overload
def default_model(otherwise: _Bindable[_Agent]) -> _Agent: ...
def default_model(otherwise: _Bindable[MiniAgent] | None = None) -> MiniAgent:
    """Choose a model as an example or a first try does: the provider whose key is set.

    With `OPENAI_API_KEY` it is an agent of OpenAI, with `ANTHROPIC_API_KEY` one of Anthropic; `OPENAI_MODEL`
    and `ANTHROPIC_MODEL` say which model. Without a key it is `otherwise`, and one line on stderr says so.

    Args:
        otherwise: the agent that answers when no key is set; Eliza, a program of rules, by default.

    Returns:
        An agent whose keywords are closed; for type checkers a model, which can be given tools, only if the
        one that answers otherwise is a model too.

    Raises:
        ImportError: a key is set, but the SDK of its provider is not installed; the text has the `pip` line.

    Example:
        >>> from unittest.mock import patch
        >>> with patch.dict("os.environ", clear=True), patch("sys.stderr"):
        ...     default_model()
        <MiniAgent ELIZA_AGENT>
        >>> with patch.dict("os.environ", {"OPENAI_API_KEY": "a key"}, clear=True):
        ...     default_model()
        <MiniAgent OPENAI_AGENT>
    """
    for provider, model in _MODELS.items():
        if os.environ.get(f"{provider.upper()}_API_KEY"):
            # Only the chosen one is imported: the SDKs of the others need not be installed.
            module = import_module(f"miniagents.ext.llm.{provider}")
            agent = cast("ModelAgent[...]", getattr(module, f"{provider}_agent"))
            return agent.bind(model=os.environ.get(f"{provider.upper()}_MODEL") or model)
    chosen: _Bindable[MiniAgent] = eliza_agent if otherwise is None else otherwise
    sys.stderr.write(
        f"No key is set, so {chosen.alias} answers. For a language model: pip install 'miniagents[openai]' "
        "and set OPENAI_API_KEY, or 'miniagents[anthropic]' and ANTHROPIC_API_KEY.\n"
    )
    return chosen.bind()
