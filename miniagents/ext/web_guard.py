"""Refuses requests that come neither from a page of this server nor from a client that is logged in.

The guard of `miniagents serve` and of `serve_mcp`, for any ASGI app that listens on a machine of its user.

A page of another site can make a browser send requests to this server. If its owner points a host name at
this machine (DNS rebinding), they even look like requests to that site. So the header `Host` of each request
must name this server, and its header `Origin`, if there is one, must be that of a page of this server.
"""

import asyncio
import re
import socket
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from ipaddress import ip_address
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

try:
    from starlette.datastructures import Headers, MutableHeaders
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(
        "miniagents.ext.web_guard needs Starlette, which is not installed; pip install 'miniagents[web]'",
        name=_error.name,
    ) from _error

from ._login import Login

if TYPE_CHECKING:
    import uvicorn

__all__ = ["Guard"]

_HOST: Final = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([^\s:/@\[\]]+))(?::([0-9]{1,5}))?", re.ASCII)
_HTTP_PORT: Final = 80
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ),
        "x-content-type-options": "nosniff",
        "referrer-policy": "no-referrer",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "cache-control": "no-store",
    }
)
"""Headers of every response that does not set them itself."""


class Guard:
    """Refuses requests of other sites and of clients without a token, and adds the headers for browsers.

    Args:
        host: the address to listen at, as the user gave it.
        address: the IP address at which the server listens.
        port: its port.
        others: the host names of proxies in front of it, with their ports, unless these are usual.
        token: the secret that clients must send; None if they need none.
        public: paths that need no token; one that ends with a slash stands for all paths that begin with it.
        how: the sentence that says how clients log in.

    Attributes:
        login: checks tokens, and makes the cookie for one that is right; None if clients need none.

    Example:
        >>> from starlette.applications import Starlette
        >>> guard = Guard("localhost", "127.0.0.1", 8000, token="open sesame", how="Send the token.")
        >>> app = guard.around(Starlette())
    """

    def __init__(
        self,
        host: str,
        address: str,
        port: int,
        others: Iterable[str] = (),
        *,
        token: str | None = None,
        public: Collection[str] = (),
        how: str,
    ) -> None:
        self.login: Login | None = None if token is None else Login(token, port)
        bound = ip_address(address.partition("%")[0])
        # Host names in lower case, and IP addresses in their short form.
        self._names = {host.lower(), bound.compressed}
        if bound.is_loopback or bound.is_unspecified:
            self._names |= _LOOPBACK
        if bound.is_unspecified:
            own = socket.gethostname().lower()
            self._names |= {own, f"{own}.local"}
        self._port = port
        # If it listens at all addresses of its machine, every IP address is accepted, with any port: it may
        # be one of the machine, or of a proxy. This is safe, because an IP address, unlike a name, cannot be
        # pointed at another machine.
        self._any_address = bound.is_unspecified
        self._others = {each.lower() for each in others}
        self._public = tuple(public)
        self._how = how

    @staticmethod
    def is_name(text: str) -> bool:
        """Return whether a text is a host name or an IP address, with or without a port.

        Args:
            text: any.

        Example:
            >>> [Guard.is_name(each) for each in ("chat.example.com", "[::1]:8000", "https://chat.example.com")]
            [True, True, False]
        """
        return _HOST.fullmatch(text) is not None

    @staticmethod
    def listen(host: str, port: int, *, refusal: Exception | None = None) -> socket.socket:
        """Make a socket that listens; clients that connect wait until `serve`.

        Args:
            host: the host name or IP address to listen at.
            port: the port; 0 for any free one.
            refusal: raised if other machines can reach the address; None allows it.

        Raises:
            OSError: the address cannot be used; a `socket.gaierror` if it is none of this machine.
            UnicodeError: the host name is too long.
        """
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        bound = str(address[0])
        if refusal is not None and not ip_address(bound.partition("%")[0]).is_loopback:
            raise refusal
        listener = socket.create_server((bound, port), family=family, backlog=1024)
        # asyncio sets it for its own listeners. Without it, an answer can be 40 ms late.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return listener

    @staticmethod
    async def serve(
        server: "uvicorn.Server", listener: socket.socket, on_end: Callable[[], object] | None = None
    ) -> None:
        """Serve on a socket until this is cancelled; returns when the server has ended.

        Args:
            server: of uvicorn; it handles no signals.
            listener: the socket.
            on_end: called when the server begins to end.
        """
        server.capture_signals = nullcontext  # type: ignore[assignment, method-assign]  # the program around it handles them
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        try:
            await asyncio.shield(serving)
        finally:
            if on_end is not None:
                on_end()
            server.should_exit = True
            while not serving.done():
                await asyncio.wait((serving,))

    def around(self, app: ASGIApp) -> ASGIApp:
        """Return the app behind the guard.

        Args:
            app: any ASGI app.
        """

        async def guarded(scope: Scope, receive: Receive, send: Send) -> None:  # servers look at its kind
            async def send_guarded(message: Message) -> None:
                if message["type"] == "http.response.start":
                    headers = MutableHeaders(scope=message)
                    for name, value in _HEADERS.items():
                        headers.setdefault(name, value)
                await send(message)

            if scope["type"] == "lifespan":
                await app(scope, receive, send)
            else:
                refusal = self._refusal(Headers(scope=scope), str(scope["path"]))
                await (refusal or app)(scope, receive, send_guarded)

        return guarded

    def _is_host(self, header: str) -> bool:
        """Return whether a `Host` header names this server.

        Example:
            >>> guard = Guard("127.0.0.1", "127.0.0.1", 8000, how="")
            >>> hosts = ("localhost:8000", "[::1]:8000", "evil.example:8000", "localhost")
            >>> [guard._is_host(each) for each in hosts]
            [True, True, False, False]
        """
        if header.lower() in self._others:
            return True
        found = _HOST.fullmatch(header)
        if found is None or (int(found[3] or _HTTP_PORT) != self._port and not self._any_address):
            return False
        name = (found[1] or found[2]).lower()
        try:
            name = ip_address(name).compressed
        except ValueError:
            return name in self._names
        return self._any_address or name in self._names

    def _is_page(self, origin: str, host: str) -> bool:
        """Return whether an `Origin` header is that of a page of this server.

        Example:
            >>> guard = Guard("127.0.0.1", "127.0.0.1", 8000, ["chat.example.com"], how="")
            >>> pages = ("http://127.0.0.1:8000", "https://chat.example.com", "http://localhost:8000")
            >>> [guard._is_page(each, "127.0.0.1:8000") for each in pages]
            [True, True, False]
        """
        scheme, _, name = origin.lower().partition("://")
        if name in self._others:
            return scheme in {"http", "https"}
        return scheme == "http" and name == host.lower()

    def _refusal(self, headers: Headers, path: str) -> JSONResponse | None:
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self._is_host(hosts[0]):
            sentence = "This server does not have that name (header Host); --name adds the one of a proxy."
            return _refused(403, "wrong_host", sentence)
        origins = headers.getlist("origin")
        if not all(self._is_page(each, hosts[0]) for each in origins):
            sentence = "Pages of other sites may not use this server (header Origin)."
            return _refused(403, "wrong_origin", sentence)
        folders = tuple(each for each in self._public if each.endswith("/") and each != "/")
        if self.login is None or path in self._public or path.startswith(folders):
            return None
        try:
            if self.login.has_come(headers):
                return None
        except HTTPException as error:
            return _refused(error.status_code, "too_many_attempts", error.detail, error.headers)
        return _refused(401, "not_authenticated", self._how, {"www-authenticate": "Bearer"})


def _refused(status: int, code: str, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": {"code": code, "message": sentence}}, status, headers)
