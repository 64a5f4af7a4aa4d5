"""Finds the model, the address and the API key of a call, in its keywords or the environment."""

import os
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final, cast
from urllib.parse import urlsplit

from pydantic import SecretStr

from miniagents.models import AskedModel
from miniagents.values import LLMConfigError

NO_KEY: Final = "no-key"
"""The API key for a server that needs none, since the SDKs require one."""


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider, and how its settings are found.

    Attributes:
        name: in lower case; its environment variables begin with it in capitals (`OPENAI_API_KEY`).
        base_url: its address.
        own_hosts: the domains that belong to the provider.
        ids: for domains that refuse some ids of calls: a pattern of those that they accept; the first domain
            counts, and `""` is any domain.

    Example:
        >>> acme = Provider("acme", "https://api.acme.example", ("acme.example",))
        >>> acme.model("m-1"), acme.is_own("https://eu.acme.example/v1"), acme.is_own("http://localhost:8000")
        ('m-1', True, False)
    """

    name: str
    base_url: str
    own_hosts: tuple[str, ...]
    ids: tuple[tuple[str, str], ...] = ()

    def model(self, given: str | None) -> str:
        """Return the name of the model to call.

        Args:
            given: the keyword of the agent; None for the environment variable.

        Raises:
            LLMConfigError: neither is set.
        """
        variable = f"{self.name.upper()}_MODEL"
        if model := given or os.environ.get(variable):
            return model
        raise LLMConfigError(
            f"no model is chosen for {self.name}_agent; give model=..., or set {variable} in the environment",
            provider=self.name,
        )

    def endpoint(self, api_key: SecretStr | str | None, base_url: str | None) -> "Endpoint":
        """Return the address and the API key of a call.

        A key in the environment is sent to any address that is given, as the SDK does. Since it may be the
        key of another provider, there is a warning if the address is given in code, and is neither one of the
        provider nor on this machine. Only the addresses of the provider itself require a key.

        Args:
            api_key: the keyword of the agent; None for the environment variable.
            base_url: the keyword of the agent; None for the environment variable, else the provider itself.

        Raises:
            LLMConfigError: the key is missing or not a key, or the address is not an address.
        """
        url = base_url or os.environ.get(f"{self.name.upper()}_BASE_URL") or self.base_url
        if not _is_address(url):
            raise LLMConfigError(
                f"the base URL {url!r} is not an address; write it like {self.base_url}", provider=self.name
            )
        variable = f"{self.name.upper()}_API_KEY"
        plain = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        key = (plain or os.environ.get(variable) or "").strip()
        if not key and self.is_own(url):
            raise LLMConfigError(
                f"{self.name} needs a key; give api_key=..., or set {variable} in the environment",
                provider=self.name,
            )
        if key and not plain and base_url and not (self.is_own(url) or _is_loopback(_host_of(url))):
            host = _host_of(url)
            warnings.warn(
                f"the key in {variable} is sent to {host}; if it is the key for {host}, say so with "
                f"api_key=os.environ[{variable!r}]; if not, give its own key, or api_key={NO_KEY!r} for none",
                stacklevel=2,
            )
        if not (key.isascii() and key.isprintable()):
            raise LLMConfigError(
                f"the key for {self.name} has characters that no key has; copy {variable} or api_key again",
                provider=self.name,
            )
        return Endpoint(self.name, url, SecretStr(key) if key else None)

    def asked(self, given: Mapping[str, object]) -> AskedModel:
        """Return the model, the server and the key of a call, from its keywords and the environment.

        Args:
            given: the keywords.

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
        """Return whether an address belongs to the provider.

        Args:
            url: any address.
        """
        return any(_is_in(_host_of(url), own) for own in self.own_hosts)

    def ids_at(self, url: str) -> re.Pattern[str] | None:
        """Return the pattern of the ids of calls that an address accepts; None for any id.

        Args:
            url: any address.
        """
        return next((re.compile(ids) for own, ids in self.ids if _is_in(_host_of(url), own)), None)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The address and the API key of calls; equal endpoints can share a client.

    Attributes:
        provider: the name of the provider.
        base_url: its address, or that of a compatible server.
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
        """The secrets that must not be in any text."""
        return () if self.api_key is None else (self.api_key,)


def server_of(url: str) -> str:
    """Return the host and port of an address, without credentials, for error texts.

    Args:
        url: an address.

    Example:
        >>> server_of("http://me:secret@localhost:11434/v1")
        'localhost:11434'
    """
    return urlsplit(url).netloc.rpartition("@")[2]


def _is_loopback(host: str) -> bool:
    """Return whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_address(url: str) -> bool:
    """Return whether a text is an address to which a request can be sent."""
    try:
        parts = urlsplit(url)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no such port, or half of an IPv6 address
        return False


def is_at(url: str, domain: str) -> bool:
    """Return whether an address belongs to a domain.

    Args:
        url: any address.
        domain: without a scheme.
    """
    return _is_in(_host_of(url), domain)


def _is_in(host: str, domain: str) -> bool:
    """Return whether a host belongs to a domain; every host belongs to the empty one."""
    return not domain or host == domain or host.endswith(f".{domain}")


def _host_of(url: str) -> str:
    """Return the host of an address; empty if it has none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
