"""`miniagents map --ray`: workers of Ray run the agent."""

import asyncio
import os
import socket
import sys
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import Final, TypeVar

from miniagents import MiniAgent
from miniagents.ext.ray import remote
from miniagents.messages import Message

from ._arguments import BadInputError

A = TypeVar("A", bound=MiniAgent[Message, Message])
_LOCAL: Final = "local"
_PATIENCE: Final = 5.0  # seconds to wait for a connection
_EVERY: Final = 5.0  # seconds between two looks at the head
_LOOKS: Final = 4  # in a row without an answer; after 60 s Ray itself ends this process without a word


def run_by_workers(agent: A, address: str, replicas: int, concurrency: int, stack: ExitStack) -> A:
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
        ray = import_module("ray")
    except ImportError as error:
        raise BadInputError(f"--ray: {error}") from error
    options: dict[str, object] = {"log_to_driver": False, "configure_logging": False}
    if address == _LOCAL:
        options["include_dashboard"] = False
    stack.callback(_leave, ray, address)
    try:
        ray.init(None if address == _LOCAL else address, **options)
    except Exception as error:
        reason = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BadInputError(f"--ray {address}: Ray cannot be used: {reason.strip()}") from error
    return part


@dataclass(frozen=True, slots=True)
class ClusterHead:
    """The head of a cluster, without which Ray ends all processes of the cluster after a minute.

    Attributes:
        host: its host.
        port: its port.
        every: seconds between two looks.
    """

    host: str
    port: int
    every: float = _EVERY

    @classmethod
    def of(cls, address: str) -> "ClusterHead":
        """Return the head of the cluster that this process has joined with this address."""
        if address in {_LOCAL, "auto"}:
            address = import_module("ray").get_runtime_context().gcs_address
        host, _, port = address.rpartition(":")
        return cls(host, int(port))

    @property
    def is_gone(self) -> bool:
        """Whether nothing answers there."""
        try:
            socket.create_connection((self.host, self.port), timeout=_PATIENCE).close()
        except OSError:
            return True
        return False

    async def until_gone(self) -> None:
        """Return when the head has not answered for some time."""
        silent = 0
        while silent < _LOOKS:
            await asyncio.sleep(self.every)
            silent = silent + 1 if await asyncio.to_thread(lambda: self.is_gone) else 0

    def leave_now(self, code: int) -> None:
        """End this process if the head is gone: Ray would wait a minute for it, and then end with code 1."""
        if self.is_gone:
            for stream in (sys.stdout, sys.stderr):
                with suppress(OSError, ValueError, AttributeError):
                    stream.flush()
            os._exit(code)


def _leave(ray: ModuleType, address: str) -> None:
    """Disconnect from the cluster, unless its head is gone."""
    if address == _LOCAL or not ray.is_initialized() or not ClusterHead.of(address).is_gone:
        ray.shutdown()


def _check(address: str) -> None:
    """Check that the cluster accepts connections; Ray itself would try for a minute."""
    host, colon, port = address.rpartition(":")
    if not (colon and host and port.isascii() and port.isdecimal() and 0 < int(port) < 2**16):
        raise BadInputError(f"--ray: {address!r} is not an address; write HOST:PORT, auto or local")
    try:
        socket.create_connection((host, int(port)), timeout=_PATIENCE).close()
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise BadInputError(
            f"--ray: no cluster answers at {address}: {reason}; use the address that `ray start` has printed"
        ) from error
