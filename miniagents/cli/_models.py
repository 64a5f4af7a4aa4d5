"""Chooses the model that answers.

The only module of the command line that knows the providers. It imports only the chosen one, so that the
others need not be installed.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from types import MappingProxyType
from typing import Final, cast

from miniagents import MiniAgent
from miniagents.ext.eliza import eliza_agent
from miniagents.messages import Message

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
        name: the word before the colon of `--model`; with `_` for `-`, also the name of its module and agent.
        settings: the prefix of its environment variables, such as `OPENAI`.
        model: the model that answers if the user names none.
    """

    name: str
    settings: str
    model: str

    @property
    def key_variable(self) -> str:
        """The environment variable with the key."""
        return f"{self.settings}_API_KEY"

    def default_model(self, environ: Mapping[str, str]) -> str:
        """Return the model that answers if the user names none."""
        return environ.get(f"{self.settings}_MODEL") or self.model

    def base_url(self, environ: Mapping[str, str]) -> str | None:
        """Return the address that the environment sets, None if it sets none."""
        return environ.get(f"{self.settings}_BASE_URL") or None


# In this order a key is looked for. The two of OpenAI have the same key, so the first one is chosen.
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
        agent: gets the whole conversation, and replies the answer.
        title: its name in the notice at the start.
        alias: the name in front of its answers.
        name: the name of the model; None for Eliza, which is not a model.
        base_url: the address whose server must answer before the start; None for no such check.
        opening: its message at the start, None for none.
    """

    agent: MiniAgent[Message, Message]
    title: str
    alias: str
    name: str | None = None
    base_url: str | None = None
    opening: str | None = None


def is_model(name: str) -> bool:
    """Whether a name is that of a model, and not of an agent in a module.

    Args:
        name: `PROVIDER:NAME`, `PROVIDER` or `eliza`.

    Example:
        >>> is_model("openai:gpt-5.4-mini"), is_model("my_agents:writer")
        (True, False)
    """
    return name == "eliza" or name.partition(":")[0] in _PROVIDERS


def choose_model(
    options: ModelOptions, environ: Mapping[str, str], *, is_terminal: bool, option: str = "--model "
) -> ChatModel:
    """Choose the model that answers.

    Args:
        options: of the command line.
        environ: the environment variables.
        is_terminal: whether the answer is shown at a terminal.
        option: what the user writes in front of the name, for errors.

    Raises:
        BadInputError: the provider is unknown, its key or SDK is missing, or Eliza got an option for models.
    """
    provider, name = _named(options, environ, option)
    if provider is None:
        return _eliza(options, is_terminal=is_terminal)
    base_url = options.base_url or provider.base_url(environ)
    if base_url is None and not environ.get(provider.key_variable):  # servers of others may do without
        raise BadInputError(
            f"{provider.key_variable} is not set; set it to your key, or name a server that needs no key "
            f"with --base-url, or use {option}eliza"
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


def _named(options: ModelOptions, environ: Mapping[str, str], option: str) -> tuple[ChatProvider | None, str]:
    if options.model is None:
        provider = next((each for each in _PROVIDERS.values() if environ.get(each.key_variable)), None)
        return provider, "" if provider is None else provider.default_model(environ)
    kind, colon, name = options.model.partition(":")
    if options.model == "eliza":
        return None, ""
    provider = _PROVIDERS.get(kind)
    if provider is None:
        raise BadInputError(f"{option}{options.model}: unknown provider {kind!r}; write {_CHOICES}")
    if colon and not name.strip():
        raise BadInputError(f"{option}{options.model}: the name of the model is missing; write {_CHOICES}")
    return provider, name.strip() or provider.default_model(environ)


def _eliza(options: ModelOptions, *, is_terminal: bool) -> ChatModel:
    for option, value in (("--base-url", options.base_url), ("--system", options.system)):
        if value is not None:
            raise BadInputError(f"{option} is for language models, and eliza is none; leave it out")
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
