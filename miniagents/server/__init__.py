"""`miniagents serve`: a page on which people talk with an agent, and the server behind it.

Needs ``pip install 'miniagents[web]'``. `listen`, then `serve_page` until it is cancelled.
"""

try:
    from ._app import Place, ServeError, Serving
    from ._reload import serve_again
    from ._routes import Told
    from ._serve import address_of, listen, serve_page
except ModuleNotFoundError as _error:
    if (_error.name or "").partition(".")[0] not in {"starlette", "uvicorn"}:
        raise
    raise ModuleNotFoundError(
        "miniagents.server needs Starlette and uvicorn: one is not installed; pip install 'miniagents[web]'",
        name=_error.name,
    ) from _error

__all__ = [
    "Place",
    "ServeError",
    "Serving",
    "Told",
    "address_of",
    "listen",
    "serve_again",
    "serve_page",
]
