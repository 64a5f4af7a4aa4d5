"""The token of a server, the cookie that a browser gets for it, and how often clients may be wrong."""

import hmac
import logging
import math
import secrets
from collections import OrderedDict
from collections.abc import Callable
from hashlib import pbkdf2_hmac, sha256
from time import monotonic
from typing import Final, TypeVar

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException

_LOG: Final = logging.getLogger("miniagents.ext.login")
_ROUNDS: Final = 100_000
_DAYS: Final = 30
_SALT: Final = 16  # bytes
_COOKIE: Final = 2 * (_SALT + sha256().digest_size)  # hexadecimal digits
_GUESSES: Final = 10
_SECONDS: Final = 60.0
_MOST: Final = 1000


class Login:
    """Checks the token or the cookie of a client.

    The cookie is a salt with a slow hash of it and the token. So a restarted server accepts it again, and an
    attacker who has the cookie cannot find the token quickly.

    All clients together may send 10 different wrong tokens and cookies a minute, in whatever way: to log in,
    as ``Authorization: Bearer``, as a cookie. When they have, nothing new is checked for some seconds, right
    or wrong. Cookies that were right before are accepted all the time, so that an attacker cannot shut out
    the users who are logged in. A wrong value that comes again is no new guess: a browser sends its old
    cookie with each request.

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
        self._token = _bytes(token)
        self._name = f"miniagents-{port}"
        self._right: OrderedDict[str, None] = OrderedDict()  # cookies
        self._wrong: OrderedDict[bytes, None] = OrderedDict()  # digests of what was wrong
        self._left = float(_GUESSES)
        self._counted = monotonic()
        self._warned = False

    def accepts(self, token: str) -> bool:
        """Return, in constant time, whether a token is right.

        Args:
            token: the token of a client.

        Raises:
            HTTPException: of status 429, it was not checked: clients have sent too many wrong ones.
        """
        return self._is_right(
            f"token {token}", lambda: hmac.compare_digest(_digest(self._token), _digest(_bytes(token)))
        )

    def cookie(self, *, secure: bool = False) -> str:
        """Return the header `Set-Cookie` for a client that has given the token.

        Args:
            secure: whether the page uses https, so that browsers send the cookie only over https.
        """
        value = self._hashed(secrets.token_bytes(_SALT))
        _put(self._right, value)
        cookie = f"{self._name}={value}; Path=/; Max-Age={_DAYS * 86_400}; HttpOnly; SameSite=Strict"
        return f"{cookie}; Secure" if secure else cookie

    def has_come(self, headers: Headers) -> bool:
        """Return whether a request has a cookie, or the token itself (``Authorization: Bearer ...``).

        Args:
            headers: the headers of the request.

        Raises:
            HTTPException: of status 429, it was not checked: clients have sent too many wrong ones.
        """
        given = self._given(headers)
        if any(each in self._right for each in given):
            return True
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self.accepts(token.strip()):
            return True
        return any(self._accepts_cookie(each) for each in given)

    def _accepts_cookie(self, value: str) -> bool:
        try:
            salt = bytes.fromhex(value)[:_SALT]
        except ValueError:
            return False
        if len(value) != _COOKIE or not self._is_right(
            f"cookie {value}", lambda: hmac.compare_digest(self._hashed(salt), value)
        ):
            return False
        _put(self._right, value)
        return True

    def _hashed(self, salt: bytes) -> str:
        return (salt + pbkdf2_hmac("sha256", self._token, salt, _ROUNDS)).hex()

    def _is_right(self, given: str, check: Callable[[], bool]) -> bool:
        digest = _digest(_bytes(given))
        if digest in self._wrong:
            return False
        now = monotonic()
        self._left = min(_GUESSES, self._left + (now - self._counted) * _GUESSES / _SECONDS)
        self._counted = now
        if self._left == _GUESSES:
            self._warned = False
        if self._left < 1:
            seconds = math.ceil((1 - self._left) * _SECONDS / _GUESSES)
            text = f"Too many wrong tokens were sent. Try again in {seconds} s."
            raise HTTPException(429, text, {"retry-after": str(seconds)})
        if check():
            return True
        _put(self._wrong, digest)
        self._left -= 1
        if self._left < 1 and not self._warned:
            self._warned = True
            _LOG.warning(
                "Clients have sent %d wrong tokens within a minute; some may be guessing. From now on only "
                "one token in %g s is checked, until no wrong one comes for a minute.",
                _GUESSES,
                _SECONDS / _GUESSES,
            )
        return False

    def _given(self, headers: Headers) -> list[str]:
        given: list[str] = []
        for header in headers.getlist("cookie"):
            for pair in header.split(";"):
                name, _, value = pair.strip().partition("=")
                if name == self._name:
                    given.append(value)
        return given


_K = TypeVar("_K", str, bytes)


def _put(known: "OrderedDict[_K, None]", value: _K) -> None:
    known[value] = None
    if len(known) > _MOST:
        known.popitem(last=False)


def _digest(data: bytes) -> bytes:
    return sha256(data).digest()


def _bytes(text: str) -> bytes:
    return text.encode(errors="surrogatepass")
