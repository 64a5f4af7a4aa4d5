"""Which model answers.

The only module of the command line that knows the providers. Only the chosen one is imported, so that the
others need not be installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from miniagents.agents import MiniAgent
from miniagents.core import Message
from miniagents.ext.eliza import eliza_agent

from ._arguments import BadInputError, ModelOptions

_WORD_DELAY = 0.03
"""How long Eliza waits between two words at a terminal, in seconds."""

_NOT_A_MODEL = (
    "I am Eliza, a small program of rules and not a language model. To talk with one: "
    "pip install 'miniagents[openai]' and set OPENAI_API_KEY (or 'miniagents[anthropic]' and "
    "ANTHROPIC_API_KEY), then start again; or see miniagents chat --help. "
    "But what would you like to talk about?"
)


@dataclass(frozen=True, slots=True)
class ChatProvider:
    """A provider of language models.

    Attributes:
        name: the word before the colon of `--model`; with `_` also the name of the module, and of its agent.
        settings: what its settings in the environment begin with.
        model: the model that is asked if the user names none.
    """

    name: str
    settings: str
    model: str

    @property
    def key_variable(self) -> str:
        """The environment variable with the key."""
        return f"{self.settings}_API_KEY"

    def default_model(self, environ: Mapping[str, str]) -> str:
        """Return the model that is asked if the user names none."""
        return environ.get(f"{self.settings}_MODEL") or self.model

    def base_url(self, environ: Mapping[str, str]) -> str | None:
        """Return the address that the environment sets, None if it sets none."""
        return environ.get(f"{self.settings}_BASE_URL") or None


# In the order in which a key is looked for: the two of OpenAI have the same settings, so the first is found.
_PROVIDERS: Final[Mapping[str, ChatProvider]] = MappingProxyType(
    {
        each.name: each
        for each in (
            ChatProvider("openai", "OPENAI", "gpt-5.4-mini"),
            ChatProvider("openai-responses", "OPENAI", "gpt-5.4-mini"),
            ChatProvider("anthropic", "ANTHROPIC", "claude-haiku-4-5"),
        )
    }
)
_CHOICES = "openai:NAME, openai-responses:NAME, anthropic:NAME or eliza"


@dataclass(frozen=True, slots=True)
class ChatModel:
    """The model that answers, and how it is shown.

    Attributes:
        agent: is sent the whole conversation, replies the answer.
        title: how the notice at the start calls it.
        alias: the name in front of its answers.
        name: of the model, None if it is none.
        base_url: the address that must answer, None when that is not to be checked.
        opening: what it says at the start, None for nothing.
    """

    agent: MiniAgent[Message, Message]
    title: str
    alias: str
    name: str | None = None
    base_url: str | None = None
    opening: str | None = None


def choose_model(options: ModelOptions, environ: Mapping[str, str], *, is_terminal: bool) -> ChatModel:
    """Choose the model that answers.

    Args:
        options: of the command line.
        environ: the environment variables.
        is_terminal: whether the answer is shown at a terminal.

    Raises:
        BadInputError: no such provider, no key, no SDK, or an option that the model does not have.
    """
    provider, name = _named(options, environ)
    if provider is None:
        return _eliza(options, is_terminal=is_terminal)
    base_url = options.base_url or provider.base_url(environ)
    if base_url is None and not environ.get(provider.key_variable):  # servers of others may do without
        raise BadInputError(
            f"{provider.key_variable} is not set; put your key there, or name a server that needs none with "
            "--base-url, or use --model eliza"
        )
    agent = _agent_of(provider)
    settings = {"model": name, "base_url": options.base_url, "system": options.system}
    return ChatModel(
        agent=agent.fork(**{setting: value for setting, value in settings.items() if value is not None}),
        title=f"{name} of {provider.name}",
        alias=name,
        name=name,
        base_url=base_url,
    )


def _named(options: ModelOptions, environ: Mapping[str, str]) -> tuple[ChatProvider | None, str]:
    if options.model is None:
        provider = next((each for each in _PROVIDERS.values() if environ.get(each.key_variable)), None)
        return provider, "" if provider is None else provider.default_model(environ)
    kind, colon, name = options.model.partition(":")
    if options.model == "eliza":
        return None, ""
    provider = _PROVIDERS.get(kind)
    if provider is None:
        raise BadInputError(f"--model {options.model}: unknown provider {kind!r}; write {_CHOICES}")
    if colon and not name.strip():
        raise BadInputError(f"--model {options.model}: the name of the model is missing; write {_CHOICES}")
    return provider, name.strip() or provider.default_model(environ)


def _eliza(options: ModelOptions, *, is_terminal: bool) -> ChatModel:
    for option, value in (("--base-url", options.base_url), ("--system", options.system)):
        if value is not None:
            raise BadInputError(f"{option} is for language models; eliza has none")
    return ChatModel(
        agent=eliza_agent.fork(delay=_WORD_DELAY if is_terminal else 0.0).bind(),
        title="eliza (rules, no language model)",
        alias="ELIZA",
        opening=_NOT_A_MODEL,
    )


def _agent_of(provider: ChatProvider) -> MiniAgent[Message, Message, ...]:
    name = provider.name.replace("-", "_")
    try:
        module = import_module(f"miniagents.ext.llm.{name}")
    except ImportError as error:
        raise BadInputError(" ".join(str(error).split())) from error
    return cast("MiniAgent[Message, Message, ...]", getattr(module, f"{name}_agent"))
