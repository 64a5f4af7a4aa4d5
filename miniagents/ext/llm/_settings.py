"""Which model, at which address, with which key: from keywords and the environment, or a clear error."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from miniagents.models import AskedModel
from miniagents.values import LLMConfigError

__all__ = ["Endpoint", "Provider", "server_of"]


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider, as its settings see it.

    Attributes:
        name: in lower case; its settings in the environment begin with it in capitals (`OPENAI_API_KEY`).
        base_url: its own address.
        own_hosts: the domains that are the provider's own.

    Example:
        >>> acme = Provider("acme", "https://api.acme.example", ("acme.example",))
        >>> acme.model("m-1"), acme.is_own("https://eu.acme.example/v1"), acme.is_own("http://localhost:8000")
        ('m-1', True, False)
    """

    name: str
    base_url: str
    own_hosts: tuple[str, ...]

    def model(self, given: str | None) -> str:
        """Return the model to ask.

        Args:
            given: what the agent was told; None for the setting in the environment.

        Raises:
            LLMConfigError: if none is given and none is set.
        """
        variable = f"{self.name.upper()}_MODEL"
        if model := given or os.environ.get(variable):
            return model
        raise LLMConfigError(
            f"no model is chosen for {self.name}_agent; give model=..., or set {variable} in the environment",
            provider=self.name,
        )

    def endpoint(self, api_key: SecretStr | str | None, base_url: str | None) -> "Endpoint":
        """Return where to ask, and with which key.

        A key in the environment goes to whatever address is given, as with the SDK. An address that is not
        the provider's own may do without a key.

        Args:
            api_key: what the agent was told; None for the setting in the environment.
            base_url: the same, and then the provider's own.

        Raises:
            LLMConfigError: if there is no key, or the address is none.
        """
        url = base_url or os.environ.get(f"{self.name.upper()}_BASE_URL") or self.base_url
        if not _is_address(url):
            raise LLMConfigError(
                f"the base URL {url!r} is no address; write it like {self.base_url}", provider=self.name
            )
        variable = f"{self.name.upper()}_API_KEY"
        plain = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        key = (plain or os.environ.get(variable) or "").strip()
        if not key and self.is_own(url):
            raise LLMConfigError(
                f"{self.name} needs a key; give api_key=..., or set {variable} in the environment",
                provider=self.name,
            )
        if not (key.isascii() and key.isprintable()):
            raise LLMConfigError(
                f"the key for {self.name} has characters that no key has; copy {variable} or api_key again",
                provider=self.name,
            )
        return Endpoint(self.name, url, SecretStr(key) if key else None)

    def asked(self, given: Mapping[str, object]) -> AskedModel:
        """Which model a call asks, at which server, with which key: what is not given is what is set.

        Args:
            given: its keywords.

        Example:
            >>> acme = Provider("acme", "https://api.acme.example", ("acme.example",))
            >>> acme.asked({"model": "m-1"}) == acme.asked({"model": "m-1", "base_url": acme.base_url})
            True
        """
        client, settings = given.get("client"), self.name.upper()
        name = given.get("model") or os.environ.get(f"{settings}_MODEL")
        if client is None:
            url = given.get("base_url") or os.environ.get(f"{settings}_BASE_URL") or self.base_url
            key = given.get("api_key") or os.environ.get(f"{settings}_API_KEY")
        else:
            url = cast("object", getattr(client, "base_url", None)) or self.base_url
            key = cast("object", getattr(client, "api_key", None) or getattr(client, "auth_token", None))
        plain = key.get_secret_value() if isinstance(key, SecretStr) else key
        known = hash(plain.strip()) if isinstance(plain, str) else None
        return AskedModel(
            str(name) if name else None,
            self.name,
            str(url).rstrip("/"),
            f"client {id(client)}" if known is None and client is not None else known,
        )

    def is_own(self, url: str) -> bool:
        """Whether the address is one of the provider's own.

        Args:
            url: any address.
        """
        host = _host_of(url)
        return any(host == own or host.endswith(f".{own}") for own in self.own_hosts)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to ask, and with which key; equal endpoints can share a client.

    Attributes:
        provider: the provider's name.
        base_url: its address, or that of a server that speaks like it.
        api_key: None if the server needs none; it is never shown.

    Example:
        >>> Endpoint("acme", "https://api.acme.example", SecretStr("a key"))
        Endpoint(provider='acme', base_url='https://api.acme.example', api_key=SecretStr('**********'))
    """

    provider: str
    base_url: str
    api_key: SecretStr | None

    @property
    def keys(self) -> tuple[SecretStr, ...]:
        """What no text may show."""
        return () if self.api_key is None else (self.api_key,)


def server_of(url: str) -> str:
    """Return the server of an address, for sentences: host and port, without credentials.

    Args:
        url: an address.

    Example:
        >>> server_of("http://me:secret@localhost:11434/v1")
        'localhost:11434'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def _is_address(url: str) -> bool:
    """Whether a request can be sent there."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port, or half of an IPv6 address
        return False


def _host_of(url: str) -> str:
    """Return the host of an address; empty if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
