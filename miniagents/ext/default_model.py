"""`default_model`: the language model whose API key is set."""

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
"""The default model of each provider, in the order in which their keys are looked for."""


class _Bindable(Protocol[_Bound_co]):
    """An agent with `bind`; its type is that of the bound agent, so that a model stays a model."""

    @property
    def alias(self) -> str:
        """The name of the agent."""
        ...

    def bind(self) -> _Bound_co:
        """Return the same agent without keywords."""
        ...


@overload
def default_model(otherwise: None = None) -> MiniAgent: ...
@overload
def default_model(otherwise: _Bindable[_Agent]) -> _Agent: ...
def default_model(otherwise: _Bindable[MiniAgent] | None = None) -> MiniAgent:
    """Return a model of the provider whose API key is set, for an example or a first try.

    If the environment variable `OPENAI_API_KEY` is set, it is a model of OpenAI; if `ANTHROPIC_API_KEY` is
    set, one of Anthropic. `OPENAI_MODEL` and `ANTHROPIC_MODEL` name the model. Without a key, it is
    `otherwise`, and a line on stderr says so.

    Args:
        otherwise: the agent that answers if no key is set; by default Eliza, a program with fixed rules.

    Returns:
        An agent that takes no keywords. For type checkers it is a model, which can be given tools, only if
        `otherwise` is a model, too.

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
            # Only the SDK of this provider is imported: the others need not be installed.
            module = import_module(f"miniagents.ext.llm.{provider}")
            agent = cast("ModelAgent[...]", getattr(module, f"{provider}_agent"))
            return agent.bind(model=os.environ.get(f"{provider.upper()}_MODEL") or model)
    chosen: _Bindable[MiniAgent] = eliza_agent if otherwise is None else otherwise
    sys.stderr.write(
        f"No key is set, so {chosen.alias} answers. For a language model: pip install 'miniagents[openai]' "
        "and set OPENAI_API_KEY, or 'miniagents[anthropic]' and ANTHROPIC_API_KEY.\n"
    )
    return chosen.bind()
