"""`miniagents map --ray`: workers of Ray run the agent."""

import os
import socket
from contextlib import ExitStack
from importlib import import_module
from typing import Final, Protocol, TypeVar, cast

from miniagents.agents import MiniAgent
from miniagents.ext.ray import remote
from miniagents.messages import Message

from ._arguments import BadInputError

__all__ = ["asked_by_workers"]

A = TypeVar("A", bound=MiniAgent[Message, Message])
_LOCAL: Final = "local"
_PATIENCE: Final = 5.0  # seconds to wait for a connection


class _Ray(Protocol):
    """The part of Ray that this module uses."""

    def init(self, address: str | None, **options: object) -> object: ...
    def shutdown(self) -> None: ...


def asked_by_workers(agent: A, address: str, replicas: int, concurrency: int, stack: ExitStack) -> A:
    """The same agent, but run by the workers of a cluster.

    Args:
        agent: any.
        address: the cluster: HOST:PORT, `auto` for that of this machine, or `local` for a new one.
        replicas: how many workers.
        concurrency: how many calls all workers together make at the same time.
        stack: when it closes, this program disconnects from the cluster.

    Raises:
        BadInputError: Ray is not installed, or there is no cluster.
    """
    if address not in {_LOCAL, "auto"}:
        _check(address)
    # Ray sends no usage reports, unless the user wants it to.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        part = remote(agent, replicas=replicas, concurrency=max(1, -(-concurrency // replicas)))
        ray = cast("_Ray", import_module("ray"))
    except ImportError as error:
        raise BadInputError(f"--ray: {error}") from error
    options: dict[str, object] = {"log_to_driver": False, "configure_logging": False}
    if address == _LOCAL:
        options["include_dashboard"] = False
    stack.callback(ray.shutdown)
    try:
        ray.init(None if address == _LOCAL else address, **options)
    except Exception as error:
        said = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadInputError(f"--ray {address}: Ray cannot be used: {said.strip()}") from error
    return part


def _check(address: str) -> None:
    """Check that the cluster accepts connections; Ray itself would try for a minute."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise BadInputError(f"--ray: {address!r} is not an address; write HOST:PORT, auto or local")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or str(error)
        raise BadInputError(
            f"--ray: no cluster answers at {address}: {said}; use the address that `ray start` has printed"
        ) from error
