"""The token of a server, and the cookie that a browser gets for it."""

import hmac
from hashlib import pbkdf2_hmac, sha256
from typing import Final

from starlette.datastructures import Headers

__all__ = ["Login"]

_ROUNDS: Final = 100_000
_DAYS: Final = 30


class Login:
    """Checks the token or the cookie of a client.

    The cookie is a slow hash of the token. So a restarted server accepts it again, and an attacker who has
    the cookie cannot find the token quickly.

    Args:
        token: the secret that clients must send.
        port: the port of the server; it is part of the name of the cookie, so that several servers on one
            machine do not share cookies.

    Example:
        >>> login = Login("open sesame", 8000)
        >>> login.accepts("open sesame"), login.accepts("open barley")
        (True, False)
        >>> login.has_come(Headers({"cookie": login.cookie().partition(";")[0]}))
        True
    """

    def __init__(self, token: str, port: int) -> None:
        self._token = _digest(token)
        self._name = f"miniagents-{port}"
        self._value = pbkdf2_hmac("sha256", _bytes(token), b"miniagents serve", _ROUNDS).hex()

    def accepts(self, token: str) -> bool:
        """Return, in constant time, whether a token is right.

        Args:
            token: the token of a client.
        """
        return hmac.compare_digest(self._token, _digest(token))

    def cookie(self, *, secure: bool = False) -> str:
        """Return the header `Set-Cookie` for a client that has given the token.

        Args:
            secure: whether the page uses https, so that browsers send the cookie only over https.
        """
        cookie = f"{self._name}={self._value}; Path=/; Max-Age={_DAYS * 86_400}; HttpOnly; SameSite=Strict"
        return f"{cookie}; Secure" if secure else cookie

    def has_come(self, headers: Headers) -> bool:
        """Return whether a request has the cookie, or the token itself (``Authorization: Bearer ...``).

        Args:
            headers: the headers of the request.
        """
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.accepts(token.strip()):
            return True
        return any(hmac.compare_digest(_digest(self._value), _digest(each)) for each in self._given(headers))

    def _given(self, headers: Headers) -> list[str]:
        given: list[str] = []
        for header in headers.getlist("cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self._name:
                    given.append(value)
        return given


def _digest(text: str) -> bytes:
    return sha256(_bytes(text)).digest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
