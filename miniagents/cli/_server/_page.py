"""The files of the page, read when the server starts: no request can reach any other file."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from miniagents.ext.web import RequestError, refusing

FOLDER: Final[Traversable] = resources.files("miniagents.cli._server") / "page"
"""The folder with the files of the page."""

_TYPES: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".css": "text/css; charset=utf-8",
        ".html": "text/html; charset=utf-8",
        ".ico": "image/vnd.microsoft.icon",
        ".js": "text/javascript; charset=utf-8",
        ".png": "image/png",
        ".svg": "image/svg+xml; charset=utf-8",
        ".txt": "text/plain; charset=utf-8",
        ".webmanifest": "application/manifest+json",
        ".woff2": "font/woff2",
    }
)


@dataclass(frozen=True, slots=True)
class _File:
    body: bytes
    media_type: str
    tag: str


def page_routes(folder: Traversable = FOLDER) -> list[Route]:
    """Return the routes of the page: ``/`` is its ``index.html``, ``/page/...`` are its other files.

    Args:
        folder: the folder with the files; files of types that a page does not need are not served.
    """
    files = dict(_files(folder))

    async def index(request: Request) -> Response:
        return _response(request, files.get("index.html"))

    async def file(request: Request) -> Response:
        return _response(request, files.get(request.path_params["path"]))

    return [
        Route("/", refusing(index), methods=["GET"]),
        Route("/page/{path:path}", refusing(file), methods=["GET"]),
    ]


def _files(folder: Traversable, before: str = "") -> Iterator[tuple[str, _File]]:
    """The files of a folder and its folders, which may be in a zip file, by their paths."""
    for each in folder.iterdir() if folder.is_dir() else ():
        kind = PurePosixPath(each.name).suffix
        if each.is_dir():
            yield from _files(each, f"{before}{each.name}/")
        elif kind in _TYPES and each.is_file():
            body = each.read_bytes()
            yield before + each.name, _File(body, _TYPES[kind], f'"{sha256(body).hexdigest()[:32]}"')


def _response(request: Request, file: _File | None) -> Response:
    if file is None:
        raise RequestError("This file does not exist.", 404, code="no_such_file")
    headers = {"etag": file.tag, "cache-control": "no-cache"}
    known = [each.strip().removeprefix("W/") for each in request.headers.get("if-none-match", "").split(",")]
    if file.tag in known or "*" in known:
        return Response(status_code=304, headers=headers)
    return Response(file.body, headers={**headers, "content-type": file.media_type})
